//! How samples that are handed out, timestamps of packets and time itself belong together.
//!
//! Two clocks tell how far a stream should be: the timestamps of its packets, while there are any, and ours, while there
//! are none (speakers' machines send nothing in silence or when muted). Samples handed out never go back behind either:
//! while nothing comes, silence is handed out by our clock; when packets come again, only what is still missing up to
//! their time. A burst after a freeze is behind our clock and is handed out whole; the stream is then ahead, and the
//! next silences are shorter by as much.

use std::time::{Duration, Instant};

/// The timeline of a stream.
pub(super) struct Timeline {
    rate: u64,
    handed_out: u64,
    // Which sample belongs to which tick.
    anchor: Option<Anchor>,
    // The newest tick that was heard of, and when.
    newest: Option<(u64, Instant)>,
    // How far the stream was when it was last in time, and when that was.
    clock: Option<(f64, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    tick: u64,
    sample: u64,
}

impl Timeline {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: u64::from(rate),
            handed_out: 0,
            anchor: None,
            newest: None,
            clock: None,
        }
    }

    pub(super) fn to_samples(&self, ticks: u64) -> u64 {
        ticks * self.rate / TICKS_PER_SECOND
    }

    pub(super) fn to_ticks(&self, samples: u64) -> u64 {
        samples * TICKS_PER_SECOND / self.rate
    }

    pub(super) fn handed_out(&mut self, samples: u64) {
        self.handed_out += samples;
    }

    /// Whether a packet's time has nothing to do with those before it.
    pub(super) fn is_break(&self, now: Instant, tick: u64) -> bool {
        let Some((newest, heard_at)) = self.newest else {
            return false;
        };
        let passed = now.saturating_duration_since(heard_at).as_secs() * TICKS_PER_SECOND;
        tick > newest + passed + BREAK_TICKS || tick + BREAK_TICKS < newest
    }

    /// Notes when a packet came.
    pub(super) fn arrived(&mut self, at: Instant, tick: u64) {
        if self.newest.is_none_or(|(newest, _)| tick >= newest) {
            self.newest = Some((tick, at));
        }
        if self.anchor.is_none() {
            self.anchor = Some(Anchor {
                tick,
                sample: self.handed_out,
            });
        }
    }

    /// How much silence there is before a packet of that time.
    pub(super) fn silence_before(&self, tick: u64) -> u64 {
        self.sample_of(tick).saturating_sub(self.handed_out)
    }

    /// Notes that a packet that came then was handed out, and where it ended.
    pub(super) fn played(&mut self, at: Instant, end_tick: u64) {
        let position = self.sample_of(end_tick) as f64;
        self.clock = Some(match self.expected(at) {
            None => (position, at),
            // Sooner than expected: the way became shorter, or our clock is slow.
            Some(expected) if position >= expected => (position, at),
            // A little later: clocks drift, so the expectation follows, slowly.
            Some(expected) if expected - position < self.seconds(DRIFT_MAX) => {
                (expected - (expected - position) / DRIFT_SHARE, at)
            }
            // Much later: a burst after a freeze says nothing about the clock.
            Some(expected) => (expected, at),
        });
    }

    /// How much silence should be handed out by now.
    pub(super) fn silence_due(&self, now: Instant) -> u64 {
        let Some(expected) = self.expected(now) else {
            return 0;
        };
        let due = expected - self.seconds(SILENCE_AFTER) - self.handed_out as f64;
        if due < self.seconds(SILENCE_STEP) - 1.0 {
            return 0;
        }
        let frame = self.rate / 100;
        due as u64 / frame * frame
    }

    /// When the next silence is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (position, at) = self.clock?;
        let ahead =
            self.handed_out as f64 - position + self.seconds(SILENCE_AFTER) + self.seconds(SILENCE_STEP);
        Some(at + Duration::from_secs_f64((ahead / self.rate as f64).max(0.0)))
    }

    /// Forgets the timestamps: the next packet stands for now. Gives the silence up to now.
    pub(super) fn begin_anew(&mut self, now: Instant) -> u64 {
        self.anchor = None;
        self.newest = None;
        let due = self
            .expected(now)
            .map_or(0.0, |expected| expected - self.handed_out as f64);
        if due > 0.0 { due as u64 } else { 0 }
    }

    /// How far the stream should be by our clock.
    fn expected(&self, now: Instant) -> Option<f64> {
        let (position, at) = self.clock?;
        Some(position + now.saturating_duration_since(at).as_secs_f64() * self.rate as f64)
    }

    fn sample_of(&self, tick: u64) -> u64 {
        match self.anchor {
            Some(anchor) if tick >= anchor.tick => anchor.sample + self.to_samples(tick - anchor.tick),
            Some(anchor) => anchor.sample.saturating_sub(self.to_samples(anchor.tick - tick)),
            None => self.handed_out,
        }
    }

    fn seconds(&self, duration: Duration) -> f64 {
        duration.as_secs_f64() * self.rate as f64
    }
}

const TICKS_PER_SECOND: u64 = 48_000;

/// By how much a packet's time may differ from what it should be before it counts as another timeline.
const BREAK_TICKS: u64 = 3 * TICKS_PER_SECOND;

/// How long nothing may come before it counts as silence: longer than packets are usually late.
const SILENCE_AFTER: Duration = Duration::from_millis(100);

/// How much silence is handed out at once: often enough for whoever listens for a pause, seldom enough to be cheap.
const SILENCE_STEP: Duration = Duration::from_millis(50);

/// Up to how late packets tell of a drifting clock rather than of a freeze.
const DRIFT_MAX: Duration = Duration::from_millis(400);

/// How slowly the expectation follows: by this part of the difference with each packet.
const DRIFT_SHARE: f64 = 256.0;
