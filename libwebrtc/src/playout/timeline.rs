//! How samples that are handed out, timestamps of packets and time itself belong together.
//!
//! As many samples are handed out as time passes. While nothing comes (speakers' machines send nothing in silence or
//! when muted), silence is handed out, a little behind time; when packets come again, only what is still missing up to
//! their own time. What is late is handed out whole all the same: a burst after a freeze comes on top of the silence that
//! stood for it, the stream is then ahead, and the next silences are shorter by as much.
//!
//! Where in time a packet belongs is told by its timestamp, from the packet that came soonest after it was sent: no
//! packet can come before its time. So timestamps alone never make time, whatever they say.

use std::time::{Duration, Instant};

/// The timeline of a stream.
pub(super) struct Timeline {
    rate: u64,
    began: Instant,
    handed_out: u64,
    // Which sample belongs to which tick. As that may lie before the beginning, it is signed.
    anchor: Option<(u64, i64)>,
    // The newest tick that was heard of.
    newest: Option<u64>,
    // How much silence was handed out since anything was to be heard.
    quiet: u64,
}

impl Timeline {
    /// A timeline that begins now.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate: u64::from(rate),
            began: now,
            handed_out: 0,
            anchor: None,
            newest: None,
            quiet: 0,
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
    pub(super) fn is_break(&self, tick: u64) -> bool {
        self.newest
            .is_some_and(|newest| tick.saturating_add(BREAK_TICKS) < newest)
    }

    /// Notes when a packet came.
    pub(super) fn arrived(&mut self, at: Instant, tick: u64) {
        self.newest = self.newest.max(Some(tick));
        let now = i64::try_from(self.time(at)).unwrap_or(i64::MAX);
        let place = self.place(tick);
        if self.anchor.is_none() || place > now {
            self.anchor = Some((tick, now));
        }
    }

    /// Notes that something is to be heard. Not all that comes is: a microphone that is off tells so now and then.
    pub(super) fn sounded(&mut self) {
        self.quiet = 0;
    }

    /// How much is missing up to a packet of that time, in samples.
    pub(super) fn missing_before(&self, tick: u64) -> u64 {
        let place = u64::try_from(self.place(tick)).unwrap_or(0);
        place.saturating_sub(self.handed_out)
    }

    /// How much silence should be handed out by now, whole frames of it. Whoever is awake anyway is given it from half a
    /// step on, so that tracks that are silent together are so at one time.
    pub(super) fn silence_due(&mut self, now: Instant) -> u64 {
        let behind = self
            .time(now)
            .saturating_sub(self.in_samples(SILENCE_AFTER) + self.handed_out);
        if behind < self.in_samples(self.step() / 2) {
            return 0;
        }
        let frame = self.rate / 100;
        let due = behind / frame * frame;
        self.quiet += due;
        due
    }

    /// When the next silence is due at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let seconds = self.handed_out as f64 / self.rate as f64;
        self.began + Duration::from_secs_f64(seconds) + SILENCE_AFTER + self.step()
    }

    fn step(&self) -> Duration {
        match self.quiet < self.in_samples(PAUSE) {
            true => SILENCE_STEP,
            false => QUIET_STEP,
        }
    }

    /// Forgets the timestamps: the next packet stands for now. Gives the silence up to now.
    pub(super) fn begin_anew(&mut self, now: Instant) -> u64 {
        self.anchor = None;
        self.newest = None;
        self.time(now).saturating_sub(self.handed_out)
    }

    /// What time it is, in samples since the beginning.
    fn time(&self, now: Instant) -> u64 {
        self.in_samples(now.saturating_duration_since(self.began))
    }

    /// Which sample a tick belongs to.
    fn place(&self, tick: u64) -> i64 {
        let Some((anchor, sample)) = self.anchor else {
            return 0;
        };
        let samples = i64::try_from(self.to_samples(tick.abs_diff(anchor))).unwrap_or(i64::MAX);
        match tick >= anchor {
            true => sample.saturating_add(samples),
            false => sample.saturating_sub(samples),
        }
    }

    fn in_samples(&self, duration: Duration) -> u64 {
        (duration.as_nanos() * u128::from(self.rate) / 1_000_000_000) as u64
    }
}

const TICKS_PER_SECOND: u64 = 48_000;

/// By how much a packet's time may be before that of others until it counts as another timeline.
const BREAK_TICKS: u64 = 3 * TICKS_PER_SECOND;

/// How long nothing may come before it counts as silence: longer than packets are usually late.
const SILENCE_AFTER: Duration = Duration::from_millis(100);

/// How much silence is handed out at once: often enough for whoever listens for a pause, seldom enough to be cheap.
const SILENCE_STEP: Duration = Duration::from_millis(50);

/// The same where nobody spoke for longer than any pause: most of a room's microphones are muted most of the time.
const QUIET_STEP: Duration = Duration::from_millis(250);

/// The longest pause that anybody listens for.
const PAUSE: Duration = Duration::from_secs(3);
