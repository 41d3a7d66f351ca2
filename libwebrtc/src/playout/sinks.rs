//! The streams that hear one track.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

#[cfg(any(test, feature = "opus-packets"))]
use super::packets::PacketQueue;
use super::{Chain, Figures, Packet, queue::FrameQueue};
use crate::{RtcError, audio_frame::AudioFrame};

/// The streams that hear one track.
#[derive(Default)]
pub(crate) struct Sinks {
    sinks: Mutex<Vec<Arc<Sink>>>,
    // Those that take packets as they are.
    #[cfg(any(test, feature = "opus-packets"))]
    queues: Mutex<Vec<Arc<PacketQueue>>>,
    // What became of the last stream that is gone, for whoever asks after it.
    past: Mutex<Figures>,
    // Wakes the connection, which hands out silence when time comes.
    waker: Option<Arc<Notify>>,
}

/// One stream.
pub(crate) struct Sink {
    chain: Mutex<Chain>,
    queue: Arc<FrameQueue>,
}

impl Sink {
    /// A stream whose time begins now.
    pub(crate) fn new(sample_rate: i32, channels: i32, queue: Arc<FrameQueue>) -> Result<Self, RtcError> {
        Ok(Self {
            chain: Mutex::new(Chain::new(sample_rate, channels, Instant::now())?),
            queue,
        })
    }
}

impl Sinks {
    /// No streams yet. Each that is added wakes whoever hands out what becomes due.
    pub(crate) fn new(waker: Option<Arc<Notify>>) -> Self {
        Self {
            waker,
            ..Self::default()
        }
    }

    pub(crate) fn add(&self, sink: Arc<Sink>) {
        self.sinks.lock().push(sink);
        if let Some(waker) = &self.waker {
            waker.notify_one();
        }
    }

    pub(crate) fn remove(&self, sink: &Arc<Sink>) {
        let mut sinks = self.sinks.lock();
        if let Some(index) = sinks.iter().position(|other| Arc::ptr_eq(other, sink)) {
            sinks.remove(index);
            *self.past.lock() = sink.chain.lock().figures();
        }
    }

    #[cfg(any(test, feature = "opus-packets"))]
    pub(crate) fn add_queue(&self, queue: Arc<PacketQueue>) {
        self.queues.lock().push(queue);
    }

    #[cfg(any(test, feature = "opus-packets"))]
    pub(crate) fn remove_queue(&self, queue: &Arc<PacketQueue>) {
        self.queues.lock().retain(|other| !Arc::ptr_eq(other, queue));
    }

    /// Gives a packet to every stream. A track that is turned off is heard as silence.
    pub(crate) fn push(&self, now: Instant, packet: &Packet, is_enabled: bool) {
        #[cfg(any(test, feature = "opus-packets"))]
        if is_enabled {
            for queue in self.queues.lock().iter() {
                queue.push(now, packet);
            }
        }
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
        let deadlines = sinks.iter().map(|sink| {
            let mut chain = sink.chain.lock();
            if chain.deadline() <= now {
                chain.poll(now, &mut |frame| sink.queue.push(frame));
            }
            chain.deadline()
        });
        deadlines.min()
    }

    /// Ends all streams, after what waits for its turn and what they have not taken yet.
    pub(crate) fn close(&self) {
        #[cfg(any(test, feature = "opus-packets"))]
        for queue in self.queues.lock().drain(..) {
            queue.close();
        }
        for sink in self.sinks.lock().drain(..) {
            let mut chain = sink.chain.lock();
            chain.flush(Instant::now(), &mut |frame| sink.queue.push(frame));
            *self.past.lock() = chain.figures();
            sink.queue.close();
        }
    }

    /// What became of the track, as the first of its streams hears it, or the last one heard it.
    pub(crate) fn figures(&self) -> Figures {
        let sinks = self.sinks.lock();
        match sinks.first() {
            Some(sink) => sink.chain.lock().figures(),
            None => *self.past.lock(),
        }
    }
}
