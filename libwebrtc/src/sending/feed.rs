//! Samples that wait to be encoded.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{RtcError, audio_frame::AudioFrame};

/// The buffer between whoever captures and the connection that sends.
pub(crate) struct Feed {
    sample_rate: u32,
    channels: u32,
    // Samples (of all channels) that may wait; without a queue, a frame goes out at once.
    room: usize,
    buffered: bool,
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Default)]
struct State {
    samples: std::collections::VecDeque<i16>,
    // Whether somebody takes the samples out.
    attached: bool,
    wake: Option<std::sync::Arc<Notify>>,
}

impl Feed {
    pub(crate) fn new(sample_rate: u32, channels: u32, queue_size_ms: u32) -> Self {
        let wanted_ms = if queue_size_ms == 0 {
            DIRECT_QUEUE_MS
        } else {
            queue_size_ms.max(QUEUE_MS_MIN)
        };
        let room = (u64::from(sample_rate) * u64::from(channels) * u64::from(wanted_ms) / 1000) as usize;
        Self {
            sample_rate,
            channels,
            room,
            buffered: queue_size_ms > 0,
            state: Mutex::new(State::default()),
            taken: Notify::new(),
        }
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub(crate) fn channels(&self) -> u32 {
        self.channels
    }

    pub(crate) fn clear(&self) {
        self.state.lock().samples.clear();
        self.taken.notify_waiters();
    }

    /// Takes a frame, and waits until there is room for all of it.
    pub(crate) async fn capture(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        self.check(frame)?;
        let mut rest: &[i16] = &frame.data;
        loop {
            // Registered before looking, so that room made in between is not missed.
            let taken = self.taken.notified();
            rest = &rest[self.push(rest)?..];
            if rest.is_empty() {
                return Ok(());
            }
            taken.await;
        }
    }

    fn check(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        if frame.sample_rate != self.sample_rate || frame.num_channels != self.channels {
            return Err(RtcError::invalid_state(format!(
                "a frame of {} Hz and {} channels for a source of {} Hz and {}",
                frame.sample_rate, frame.num_channels, self.sample_rate, self.channels
            )));
        }
        if !OPUS_RATES_HZ.contains(&self.sample_rate) || !(1..=2).contains(&self.channels) {
            return Err(RtcError::unsupported(format!(
                "Opus takes 8, 12, 16, 24 or 48 kHz and one or two channels, not {} Hz and {}",
                self.sample_rate, self.channels
            )));
        }
        if frame.data.len() % self.channels as usize != 0 {
            return Err(RtcError::invalid_state(
                "a frame whose channels are not of one length",
            ));
        }
        if !self.buffered && frame.data.len() != (self.sample_rate / 100 * self.channels) as usize {
            return Err(RtcError::invalid_state(
                "a source without a queue takes frames of 10 ms",
            ));
        }
        Ok(())
    }

    /// Appends as much as there is room for, and says how much that was.
    fn push(&self, samples: &[i16]) -> Result<usize, RtcError> {
        let mut state = self.state.lock();
        if !self.buffered && !state.attached {
            return Ok(samples.len());
        }
        let free = self.room.saturating_sub(state.samples.len());
        if !self.buffered && free < samples.len() {
            return Err(RtcError::invalid_state(
                "the connection does not keep up: a frame was dropped",
            ));
        }
        let count = free.min(samples.len());
        state.samples.extend(&samples[..count]);
        if let Some(wake) = &state.wake {
            wake.notify_one();
        }
        Ok(count)
    }
}

/// The rates Opus knows, in Hz.
pub(crate) const OPUS_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// What a source without a queue may have waiting.
const DIRECT_QUEUE_MS: u32 = 200;

/// The least queue that a packet of 20 ms can be made of.
const QUEUE_MS_MIN: u32 = 40;
