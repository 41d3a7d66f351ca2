//! The streams that hear one track.

use std::sync::Arc;

use parking_lot::Mutex;

use super::queue::FrameQueue;
use crate::RtcError;

/// The streams that hear one track.
#[derive(Default)]
pub(crate) struct Sinks {
    sinks: Mutex<Vec<Arc<Sink>>>,
}

/// One stream.
pub(crate) struct Sink {
    queue: Arc<FrameQueue>,
}

impl Sink {
    pub(crate) fn new(_sample_rate: i32, _channels: i32, queue: Arc<FrameQueue>) -> Result<Self, RtcError> {
        Ok(Self { queue })
    }
}

impl Sinks {
    pub(crate) fn add(&self, sink: Arc<Sink>) {
        self.sinks.lock().push(sink);
    }

    pub(crate) fn remove(&self, sink: &Arc<Sink>) {
        self.sinks.lock().retain(|other| !Arc::ptr_eq(other, sink));
    }

    pub(crate) fn close(&self) {
        for sink in self.sinks.lock().drain(..) {
            sink.queue.close();
        }
    }
}
