//! What happened, and who is told of it.
//!
//! Things happen under the connection's lock; callbacks run after it is released, in the order of what happened, and
//! only ever from the connection's own task.

use std::sync::Arc;

use parking_lot::Mutex;

use super::channel::Channel;
use crate::{
    data_channel::{DataChannel, DataChannelState},
    encryption::track::Change,
    ice_candidate::IceCandidate,
    peer_connection::{
        IceConnectionState, IceGatheringState, PeerConnectionState, SignalingState, TrackEvent,
    },
};

/// Something a callback is for.
pub(crate) enum Event {
    ConnectionState(PeerConnectionState),
    IceConnectionState(IceConnectionState),
    IceGatheringState(IceGatheringState),
    SignalingState(SignalingState),
    NegotiationNeeded(u32),
    Candidate(IceCandidate),
    Track(TrackEvent),
    DataChannel(DataChannel),
    ChannelState(Arc<Channel>, DataChannelState),
    // The channel has messages to deliver.
    Messages(Arc<Channel>),
    // Bytes of the channel were sent.
    Sent(Arc<Channel>, u64),
    Encryption(Change),
}

/// The callbacks of a connection.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) connection_change: Slot<dyn FnMut(PeerConnectionState) + Send + Sync>,
    pub(crate) data_channel: Slot<dyn FnMut(DataChannel) + Send + Sync>,
    pub(crate) ice_candidate: Slot<dyn FnMut(IceCandidate) + Send + Sync>,
    pub(crate) ice_connection_change: Slot<dyn FnMut(IceConnectionState) + Send + Sync>,
    pub(crate) ice_gathering_change: Slot<dyn FnMut(IceGatheringState) + Send + Sync>,
    pub(crate) negotiation_needed: Slot<dyn FnMut(u32) + Send + Sync>,
    pub(crate) signaling_change: Slot<dyn FnMut(SignalingState) + Send + Sync>,
    pub(crate) track: Slot<dyn FnMut(TrackEvent) + Send + Sync>,
}

impl Handlers {
    /// Tells whoever wants to know.
    pub(crate) fn call(&self, event: Event) {
        match event {
            Event::ConnectionState(state) => self.connection_change.call(|handler| handler(state)),
            Event::IceConnectionState(state) => self.ice_connection_change.call(|handler| handler(state)),
            Event::IceGatheringState(state) => self.ice_gathering_change.call(|handler| handler(state)),
            Event::SignalingState(state) => self.signaling_change.call(|handler| handler(state)),
            Event::NegotiationNeeded(count) => self.negotiation_needed.call(|handler| handler(count)),
            Event::Candidate(candidate) => self.ice_candidate.call(|handler| handler(candidate)),
            Event::Track(event) => self.track.call(|handler| handler(event)),
            Event::DataChannel(channel) => self.data_channel.call(|handler| handler(channel)),
            Event::ChannelState(channel, state) => {
                channel.handlers().state_change.call(|handler| handler(state))
            }
            Event::Messages(channel) => channel.deliver(),
            Event::Sent(channel, bytes) => {
                channel
                    .handlers()
                    .buffered_amount_change
                    .call(|handler| handler(bytes));
            }
            Event::Encryption(change) => change.tell(),
        }
    }

    /// Forgets all callbacks, which may own handles of this very connection.
    pub(crate) fn clear(&self) {
        self.connection_change.set(None);
        self.data_channel.set(None);
        self.ice_candidate.set(None);
        self.ice_connection_change.set(None);
        self.ice_gathering_change.set(None);
        self.negotiation_needed.set(None);
        self.signaling_change.set(None);
        self.track.set(None);
    }
}

/// A callback that may be replaced at any time, also from within itself.
pub(crate) struct Slot<F: ?Sized> {
    entry: Mutex<Entry<F>>,
}

struct Entry<F: ?Sized> {
    handler: Option<Box<F>>,
    // Tells a handler that was set while the old one ran from the old one.
    generation: u64,
}

impl<F: ?Sized> Default for Slot<F> {
    fn default() -> Self {
        Self {
            entry: Mutex::new(Entry {
                handler: None,
                generation: 0,
            }),
        }
    }
}

impl<F: ?Sized> Slot<F> {
    /// Replaces the handler.
    pub(crate) fn set(&self, handler: Option<Box<F>>) {
        let mut entry = self.entry.lock();
        entry.generation += 1;
        let old = std::mem::replace(&mut entry.handler, handler);
        drop(entry);
        // A handler may own handles of its own connection: it is dropped with nothing locked.
        drop(old);
    }

    /// Whether there is a handler. Not while it runs.
    pub(crate) fn is_set(&self) -> bool {
        self.entry.lock().handler.is_some()
    }

    /// Runs the handler, if there is one, with nothing locked.
    pub(crate) fn call(&self, run: impl FnOnce(&mut F)) {
        let mut entry = self.entry.lock();
        let Some(mut handler) = entry.handler.take() else {
            return;
        };
        let generation = entry.generation;
        drop(entry);
        run(&mut handler);
        let mut entry = self.entry.lock();
        if entry.generation == generation {
            entry.handler = Some(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_may_replace_itself() {
        let slot: Arc<Slot<dyn FnMut(u32) + Send + Sync>> = Arc::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, first, second) = (slot.clone(), seen.clone(), seen.clone());
        slot.set(Some(Box::new(move |value| {
            first.lock().push(("first", value));
            let second = second.clone();
            own.set(Some(Box::new(move |value| second.lock().push(("second", value)))));
        })));
        slot.call(|handler| handler(1));
        slot.call(|handler| handler(2));
        assert_eq!(*seen.lock(), [("first", 1), ("second", 2)]);
        slot.set(None);
    }
}
