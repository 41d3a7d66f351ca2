//! The streams that hear one track.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::{Chain, Figures, Packet, queue::FrameQueue};
use crate::{RtcError, audio_frame::AudioFrame};

/// The streams that hear one track.
#[derive(Default)]
pub(crate) struct Sinks {
    sinks: Mutex<Vec<Arc<Sink>>>,
    // What became of the last stream that is gone, for whoever asks after it.
    past: Mutex<Figures>,
}

/// One stream.
pub(crate) struct Sink {
    chain: Mutex<Chain>,
    queue: Arc<FrameQueue>,
}

impl Sink {
    pub(crate) fn new(sample_rate: i32, channels: i32, queue: Arc<FrameQueue>) -> Result<Self, RtcError> {
        Ok(Self {
            chain: Mutex::new(Chain::new(sample_rate, channels)?),
            queue,
        })
    }
}

impl Sinks {
    pub(crate) fn add(&self, sink: Arc<Sink>) {
        self.sinks.lock().push(sink);
    }

    pub(crate) fn remove(&self, sink: &Arc<Sink>) {
        let mut sinks = self.sinks.lock();
        if let Some(index) = sinks.iter().position(|other| Arc::ptr_eq(other, sink)) {
            sinks.remove(index);
            *self.past.lock() = sink.chain.lock().figures();
        }
    }

    /// Gives a packet to every stream. A track that is turned off is heard as silence.
    pub(crate) fn push(&self, now: Instant, packet: &Packet, is_enabled: bool) {
        for sink in self.sinks.lock().iter() {
            sink.chain
                .lock()
                .push(now, packet, &mut |mut frame: AudioFrame<'static>| {
                    if !is_enabled {
                        frame.data.to_mut().fill(0);
                    }
                    sink.queue.push(frame);
                });
        }
    }

    /// Hands out what became due with time alone, and says when more will be.
    pub(crate) fn poll(&self, now: Instant) -> Option<Instant> {
        let sinks = self.sinks.lock();
        let deadlines = sinks.iter().filter_map(|sink| {
            let mut chain = sink.chain.lock();
            if chain.deadline().is_some_and(|deadline| deadline <= now) {
                chain.poll(now, &mut |frame| sink.queue.push(frame));
            }
            chain.deadline()
        });
        deadlines.min()
    }

    /// Hands out what waits for its turn.
    pub(crate) fn flush(&self, now: Instant) {
        for sink in self.sinks.lock().iter() {
            sink.chain.lock().flush(now, &mut |frame| sink.queue.push(frame));
        }
    }

    /// Ends all streams, after what they have not taken yet.
    pub(crate) fn close(&self) {
        for sink in self.sinks.lock().drain(..) {
            *self.past.lock() = sink.chain.lock().figures();
            sink.queue.close();
        }
    }

    /// What became of the track, as the first of its streams hears it, or the last one heard it.
    pub(crate) fn figures(&self) -> Figures {
        self.sinks
            .lock()
            .first()
            .map(|sink| sink.chain.lock().figures())
            .unwrap_or_default()
    }
}
