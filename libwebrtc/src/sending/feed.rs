//! Samples that wait to be encoded.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    RtcError,
    audio_frame::AudioFrame,
    audio_source::native::EncodedPacket,
    resample::{self, Resampler},
};

/// The buffer between whoever captures and the connection that sends.
pub(crate) struct Feed {
    sample_rate: u32,
    // What is encoded: the same, or the next that Opus knows.
    opus_rate: u32,
    channels: u32,
    // Samples (of all channels) that may wait.
    room: usize,
    // Without a queue, a frame is taken at once or not at all.
    has_queue: bool,
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Default)]
struct State {
    // At the rate of the encoder.
    samples: VecDeque<i16>,
    resampler: Option<Resampler>,
    // What was encoded elsewhere, to be sent as it is.
    packets: VecDeque<EncodedPacket>,
    // Who is told that there are samples. With nobody there, they are thrown away as time passes.
    waker: Option<Arc<Notify>>,
}

impl Feed {
    pub(crate) fn new(sample_rate: u32, channels: u32, queue_size_ms: u32) -> Self {
        let wanted_ms = if queue_size_ms == 0 {
            DIRECT_QUEUE_MS
        } else {
            queue_size_ms.max(QUEUE_MS_MIN)
        };
        let opus_rate = resample::opus_rate(sample_rate);
        let room = u64::from(opus_rate) * u64::from(channels) * u64::from(wanted_ms) / 1000;
        Self {
            sample_rate,
            opus_rate,
            channels,
            room: usize::try_from(room).unwrap_or(usize::MAX),
            has_queue: queue_size_ms > 0,
            state: Mutex::default(),
            taken: Notify::new(),
        }
    }

    /// The rate of what is captured.
    pub(crate) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The rate of what is encoded.
    pub(crate) fn opus_rate(&self) -> u32 {
        self.opus_rate
    }

    pub(crate) fn channels(&self) -> u32 {
        self.channels
    }

    /// How many samples a packet of 20 ms has.
    pub(crate) fn packet_samples(&self) -> usize {
        (self.opus_rate / 50 * self.channels) as usize
    }

    /// How many packets should wait before the first is sent, so that an uneven source does not stutter.
    pub(crate) fn packets_ahead(&self) -> usize {
        if self.has_queue { 2 } else { 1 }
    }

    /// How many samples wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().samples.len()
    }

    pub(crate) fn attach(&self, waker: Arc<Notify>) {
        self.state.lock().waker = Some(waker);
    }

    /// Lets go, unless somebody else took over.
    pub(crate) fn detach(&self, waker: &Arc<Notify>) {
        let mut state = self.state.lock();
        if state
            .waker
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, waker))
        {
            state.waker = None;
        }
    }

    /// Takes so many samples, with silence for those that are not there.
    pub(crate) fn take(&self, count: usize, into: &mut Vec<i16>) {
        let mut state = self.state.lock();
        let there = count.min(state.samples.len());
        into.clear();
        into.extend(state.samples.drain(..there));
        into.resize(count, 0);
        drop(state);
        self.taken.notify_waiters();
    }

    /// Takes the next packet that was encoded elsewhere.
    pub(crate) fn next_packet(&self) -> Option<EncodedPacket> {
        self.state.lock().packets.pop_front()
    }

    /// Takes a packet that was encoded elsewhere. Where nobody sends them, or too slowly, it is dropped.
    pub(crate) fn push_packet(&self, packet: EncodedPacket) {
        let mut state = self.state.lock();
        let Some(waker) = state.waker.clone() else {
            return;
        };
        if state.packets.len() == PACKETS_MAX {
            state.packets.pop_front();
        }
        state.packets.push_back(packet);
        waker.notify_one();
    }

    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.samples.clear();
        state.resampler = None;
        state.packets.clear();
        drop(state);
        self.taken.notify_waiters();
    }

    /// Takes a frame, and waits until there is room for all of it.
    pub(crate) async fn capture(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        self.check(frame)?;
        let mut rest: &[i16] = &frame.data;
        loop {
            // Made before looking, so that room made in between is not missed.
            let taken = self.taken.notified();
            rest = &rest[self.push(rest)?..];
            if rest.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = taken => {}
                () = tokio::time::sleep(PACKET) => self.discard_if_unheard(),
            }
        }
    }

    /// With nobody to send them, samples pass as time does: whoever captures is neither held up nor hurried.
    fn discard_if_unheard(&self) {
        let mut state = self.state.lock();
        if state.waker.is_none() {
            let count = self.packet_samples().min(state.samples.len());
            state.samples.drain(..count);
        }
    }

    fn check(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        if frame.sample_rate != self.sample_rate || frame.num_channels != self.channels {
            return Err(RtcError::invalid_state(format!(
                "a frame of {} Hz and {} channels for a source of {} Hz and {}",
                frame.sample_rate, frame.num_channels, self.sample_rate, self.channels
            )));
        }
        resample::check(self.sample_rate, self.channels)?;
        if !frame.data.len().is_multiple_of(self.channels as usize) {
            return Err(RtcError::invalid_state(
                "a frame whose channels are not of one length",
            ));
        }
        if !self.has_queue && frame.data.len() != (self.sample_rate / 100 * self.channels) as usize {
            return Err(RtcError::invalid_state(
                "a source without a queue takes frames of 10 ms",
            ));
        }
        Ok(())
    }

    /// Appends as much as there is room for, and says how much that was.
    pub(crate) fn push(&self, samples: &[i16]) -> Result<usize, RtcError> {
        let mut state = self.state.lock();
        if !self.has_queue && state.waker.is_none() {
            return Ok(samples.len());
        }
        let free = self.room.saturating_sub(state.samples.len());
        let State {
            samples: waiting,
            resampler,
            ..
        } = &mut *state;
        if self.opus_rate != self.sample_rate && resampler.is_none() {
            *resampler = Some(Resampler::new(
                self.sample_rate,
                self.opus_rate,
                self.channels as usize,
            ));
        }
        let fitting = resampler
            .as_ref()
            .map_or(free, |resampler| resampler.fitting(free));
        if !self.has_queue && fitting < samples.len() {
            return Err(RtcError::invalid_state(
                "the connection does not keep up: a frame was dropped",
            ));
        }
        let count = fitting.min(samples.len());
        match resampler {
            Some(resampler) => resampler.push(&samples[..count], |sample| waiting.push_back(sample)),
            None => waiting.extend(&samples[..count]),
        }
        if let Some(waker) = &state.waker {
            waker.notify_one();
        }
        Ok(count)
    }
}

/// What a source without a queue may have waiting.
const DIRECT_QUEUE_MS: u32 = 200;

/// Packets from elsewhere that may wait: a second.
const PACKETS_MAX: usize = 50;

/// The least queue that packets can be made of without stuttering.
const QUEUE_MS_MIN: u32 = 60;

/// How much audio a packet holds.
const PACKET: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_nobody_sends_takes_frames_at_the_pace_of_time() {
        let feed = Feed::new(16_000, 1, 100);
        let start = tokio::time::Instant::now();
        for _ in 0..100 {
            feed.capture(&AudioFrame::new(16_000, 1, 160))
                .await
                .expect("the frame fits the source");
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!(
            (0.8..1.0).contains(&seconds),
            "a second of audio, less the queue, took {seconds} s"
        );
    }

    #[tokio::test]
    async fn any_rate_is_taken_at_its_pace() {
        for rate in [8_000, 11_025, 44_100, 48_000, 96_000] {
            let feed = Feed::new(rate, 2, 1000);
            feed.attach(Arc::new(Notify::new()));
            feed.capture(&AudioFrame::new(rate, 2, rate / 2))
                .await
                .expect("the frame fits the source");
            let waiting = feed.waiting() / 2;
            let expected = feed.opus_rate() as usize / 2;
            assert!(
                waiting <= expected && expected - waiting < 40,
                "{rate} Hz: {waiting} of {expected} samples wait"
            );
        }
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_refused() {
        for (rate, channels) in [(7_999, 1), (192_001, 1), (48_000, 3), (0, 1)] {
            let error = Feed::new(rate, channels, 100)
                .capture(&AudioFrame::new(rate, channels, 441))
                .await
                .expect_err("nobody can encode this");
            assert_eq!(error.error_type, crate::RtcErrorType::Unsupported);
        }
    }
}
