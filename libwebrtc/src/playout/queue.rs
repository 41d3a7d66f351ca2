//! The frames that a stream has not taken yet.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::audio_frame::AudioFrame;

/// What becomes of the time of frames that had to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It is skipped: whoever listens catches up.
    Skip,
    /// It is handed out as silence: whoever counts samples keeps the time.
    Silence,
}

/// A queue of frames between the connection and whoever polls the stream.
pub(crate) struct FrameQueue {
    state: Mutex<State>,
    frames_max: Option<usize>,
    overflow: Overflow,
}

#[derive(Default)]
struct State {
    frames: VecDeque<AudioFrame<'static>>,
    // Frames dropped from the front, still to be handed out as silence.
    owed_silence: usize,
    dropped: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl FrameQueue {
    /// A queue of at most so many frames, or of any number.
    pub(crate) fn new(frames_max: Option<usize>, overflow: Overflow) -> Self {
        Self {
            state: Mutex::new(State::default()),
            frames_max,
            overflow,
        }
    }

    /// Appends a frame, dropping the oldest one if there is no room.
    pub(crate) fn push(&self, frame: AudioFrame<'static>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if self.frames_max.is_some_and(|most| state.frames.len() >= most) {
            state.frames.pop_front();
            state.dropped += 1;
            if self.overflow == Overflow::Silence {
                state.owed_silence += 1;
            }
            if state.dropped.is_power_of_two() {
                tracing::warn!(
                    dropped = state.dropped,
                    "a stream is not polled fast enough: audio was dropped"
                );
            }
        }
        state.frames.push_back(frame);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next frame, or none once the queue is closed and empty.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<AudioFrame<'static>>> {
        let mut state = self.state.lock();
        if state.owed_silence > 0
            && let Some(next) = state.frames.front()
        {
            let silence = AudioFrame::new(next.sample_rate, next.num_channels, next.samples_per_channel);
            state.owed_silence -= 1;
            return Poll::Ready(Some(silence));
        }
        if let Some(frame) = state.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Takes no more frames. Those that wait can still be polled.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Forgets the frames that wait.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.frames.clear();
        state.owed_silence = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(marker: i16) -> AudioFrame<'static> {
        AudioFrame {
            data: vec![marker].into(),
            sample_rate: 16_000,
            num_channels: 1,
            samples_per_channel: 1,
        }
    }

    fn drain(queue: &FrameQueue) -> Vec<i16> {
        let mut context = Context::from_waker(Waker::noop());
        let mut markers = Vec::new();
        while let Poll::Ready(Some(frame)) = queue.poll_next(&mut context) {
            markers.push(frame.data[0]);
        }
        markers
    }

    #[test]
    fn frames_come_out_in_order() {
        let queue = FrameQueue::new(Some(3), Overflow::Silence);
        (1..=3).for_each(|marker| queue.push(frame(marker)));
        assert_eq!(drain(&queue), [1, 2, 3]);
    }

    #[test]
    fn dropped_frames_are_handed_out_as_silence_before_the_rest() {
        let queue = FrameQueue::new(Some(2), Overflow::Silence);
        (1..=5).for_each(|marker| queue.push(frame(marker)));
        assert_eq!(drain(&queue), [0, 0, 0, 4, 5]);
    }

    #[test]
    fn a_live_listener_skips_what_was_dropped() {
        let queue = FrameQueue::new(Some(2), Overflow::Skip);
        (1..=5).for_each(|marker| queue.push(frame(marker)));
        assert_eq!(drain(&queue), [4, 5]);
    }

    #[test]
    fn a_closed_queue_ends_after_what_waits() {
        let queue = FrameQueue::new(None, Overflow::Skip);
        queue.push(frame(1));
        queue.close();
        queue.push(frame(2));
        assert_eq!(drain(&queue), [1]);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(queue.poll_next(&mut context), Poll::Ready(None)));
    }
}
