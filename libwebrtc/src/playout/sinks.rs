//! The streams that hear one track.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

#[cfg(any(test, feature = "opus-packets"))]
use super::packets::PacketQueue;
use super::{Chain, Figures, Packet, queue::FrameQueue};
use crate::{
    RtcError,
    audio_frame::AudioFrame,
    resample::{self, Resampler},
};

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
    hearing: Mutex<Hearing>,
}

struct Hearing {
    chain: Chain,
    outlet: Outlet,
}

/// Where the frames of a chain go.
struct Outlet {
    queue: Arc<FrameQueue>,
    resampling: Option<Resampling>,
    // A track that is turned off is heard as silence.
    is_enabled: bool,
}

/// Frames of a rate that Opus does not know.
struct Resampling {
    resampler: Resampler,
    sample_rate: u32,
    channels: u32,
    // Samples that do not fill a frame yet.
    partial: Vec<i16>,
}

impl Sink {
    /// A stream whose time begins now.
    pub(crate) fn new(sample_rate: i32, channels: i32, queue: Arc<FrameQueue>) -> Result<Self, RtcError> {
        // What is negative is refused as nothing would be.
        let sample_rate = u32::try_from(sample_rate).unwrap_or(0);
        let channels = u32::try_from(channels).unwrap_or(0);
        resample::check(sample_rate, channels)?;
        let opus_rate = resample::opus_rate(sample_rate);
        let resampling = (opus_rate != sample_rate).then(|| Resampling {
            resampler: Resampler::new(opus_rate, sample_rate, channels as usize),
            sample_rate,
            channels,
            partial: Vec::new(),
        });
        let outlet = Outlet {
            queue,
            resampling,
            is_enabled: true,
        };
        let chain = Chain::new(opus_rate, channels, Instant::now())?;
        Ok(Self {
            hearing: Mutex::new(Hearing { chain, outlet }),
        })
    }
}

impl Hearing {
    fn push(&mut self, now: Instant, packet: &Packet, is_enabled: bool) {
        let Self { chain, outlet } = self;
        outlet.is_enabled = is_enabled;
        chain.push(now, packet, &mut |frame| outlet.give(frame));
    }

    fn poll(&mut self, now: Instant) -> Instant {
        let Self { chain, outlet } = self;
        chain.poll(now, &mut |frame| outlet.give(frame));
        chain.deadline()
    }

    fn close(&mut self) {
        let Self { chain, outlet } = self;
        chain.flush(Instant::now(), &mut |frame| outlet.give(frame));
        outlet.queue.close();
    }
}

impl Outlet {
    fn give(&mut self, mut frame: AudioFrame<'static>) {
        if !self.is_enabled {
            frame.data.to_mut().fill(0);
        }
        match &mut self.resampling {
            Some(resampling) => resampling.push(&frame.data, |frame| self.queue.push(frame)),
            None => self.queue.push(frame),
        }
    }
}

impl Resampling {
    /// Takes samples, and hands out what fills frames of 10 ms.
    fn push(&mut self, samples: &[i16], mut hear: impl FnMut(AudioFrame<'static>)) {
        let partial = &mut self.partial;
        self.resampler.push(samples, |sample| partial.push(sample));
        let samples_per_channel = self.sample_rate / 100;
        let whole = (samples_per_channel * self.channels) as usize;
        while self.partial.len() >= whole {
            let rest = self.partial.split_off(whole);
            let data = std::mem::replace(&mut self.partial, rest);
            hear(AudioFrame {
                data: data.into(),
                sample_rate: self.sample_rate,
                num_channels: self.channels,
                samples_per_channel,
            });
        }
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
            *self.past.lock() = sink.hearing.lock().chain.figures();
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
            sink.hearing.lock().push(now, packet, is_enabled);
        }
    }

    /// Hands out what became due with time alone, and says when more will be.
    pub(crate) fn poll(&self, now: Instant) -> Option<Instant> {
        let sinks = self.sinks.lock();
        sinks.iter().map(|sink| sink.hearing.lock().poll(now)).min()
    }

    /// Ends all streams, after what waits for its turn and what they have not taken yet.
    pub(crate) fn close(&self) {
        #[cfg(any(test, feature = "opus-packets"))]
        for queue in self.queues.lock().drain(..) {
            queue.close();
        }
        for sink in self.sinks.lock().drain(..) {
            let mut hearing = sink.hearing.lock();
            hearing.close();
            *self.past.lock() = hearing.chain.figures();
        }
    }

    /// What became of the track, as the first of its streams hears it, or the last one heard it.
    pub(crate) fn figures(&self) -> Figures {
        let sinks = self.sinks.lock();
        match sinks.first() {
            Some(sink) => sink.hearing.lock().chain.figures(),
            None => *self.past.lock(),
        }
    }
}
