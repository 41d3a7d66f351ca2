//! Who is told of what.

use parking_lot::Mutex;

use crate::peer_connection as api;

/// A callback that may be replaced at any time, also from within itself.
pub(crate) struct Slot<F: ?Sized> {
    handler: Mutex<Entry<F>>,
}

struct Entry<F: ?Sized> {
    handler: Option<Box<F>>,
    // Told apart by number, so that a handler set while the old one runs is not overwritten by it.
    generation: u64,
}

impl<F: ?Sized> Default for Slot<F> {
    fn default() -> Self {
        Self {
            handler: Mutex::new(Entry {
                handler: None,
                generation: 0,
            }),
        }
    }
}

impl<F: ?Sized> Slot<F> {
    /// Replaces the handler.
    pub(crate) fn set(&self, handler: Option<Box<F>>) {
        let mut entry = self.handler.lock();
        entry.generation += 1;
        let old = std::mem::replace(&mut entry.handler, handler);
        drop(entry);
        // A handler may own handles of this very connection: it is dropped with nothing locked.
        drop(old);
    }

    /// Runs the handler, if there is one, with nothing locked; says whether there was one.
    pub(crate) fn call(&self, run: impl FnOnce(&mut F)) -> bool {
        let mut entry = self.handler.lock();
        let Some(mut handler) = entry.handler.take() else {
            return false;
        };
        let generation = entry.generation;
        drop(entry);
        run(&mut handler);
        let mut entry = self.handler.lock();
        if entry.generation == generation {
            entry.handler = Some(handler);
        }
        true
    }
}

/// The callbacks of a connection.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) connection_change: Slot<dyn FnMut(api::PeerConnectionState) + Send + Sync>,
    pub(crate) data_channel: Slot<dyn FnMut(crate::data_channel::DataChannel) + Send + Sync>,
    pub(crate) ice_candidate: Slot<dyn FnMut(crate::ice_candidate::IceCandidate) + Send + Sync>,
    pub(crate) ice_connection_change: Slot<dyn FnMut(api::IceConnectionState) + Send + Sync>,
    pub(crate) ice_gathering_change: Slot<dyn FnMut(api::IceGatheringState) + Send + Sync>,
    pub(crate) negotiation_needed: Slot<dyn FnMut(u32) + Send + Sync>,
    pub(crate) signaling_change: Slot<dyn FnMut(api::SignalingState) + Send + Sync>,
    pub(crate) track: Slot<dyn FnMut(api::TrackEvent) + Send + Sync>,
}
