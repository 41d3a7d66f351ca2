//! A data channel, as the application and the connection share it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};

use super::{
    Connection,
    events::{Event, Slot},
};
use crate::data_channel::{DataBuffer, DataChannelError, DataChannelInit, DataChannelState, OnMessage};

/// A data channel.
pub(crate) struct Channel {
    label: String,
    init: DataChannelInit,
    connection: Weak<Connection>,
    state: Mutex<State>,
    inbox: Mutex<Inbox>,
    handlers: ChannelHandlers,
}

/// The callbacks of a channel.
#[derive(Default)]
pub(crate) struct ChannelHandlers {
    pub(crate) state_change: Slot<dyn FnMut(DataChannelState) + Send + Sync>,
    pub(crate) message: Slot<dyn FnMut(DataBuffer<'_>) + Send + Sync>,
    pub(crate) buffered_amount_change: Slot<dyn FnMut(u64) + Send + Sync>,
}

/// How a channel fares. The connection's lock is taken before this one, never after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) state: DataChannelState,
    // str0m's number, once the session knows of the channel.
    pub(crate) id: Option<ChannelId>,
    pub(crate) stream_id: i32,
    // Bytes that were given to the session and not sent yet.
    pub(crate) waiting_bytes: u64,
    pub(crate) counts: Counts,
}

/// What went through a channel.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) messages_sent: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) messages_received: u32,
    pub(crate) bytes_received: u64,
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<(Vec<u8>, bool)>,
    bytes: usize,
}

impl Channel {
    pub(crate) fn new(connection: &Weak<Connection>, label: &str, init: DataChannelInit) -> Arc<Self> {
        let state = State {
            state: DataChannelState::Connecting,
            id: None,
            stream_id: if init.negotiated { init.id } else { -1 },
            waiting_bytes: 0,
            counts: Counts::default(),
        };
        Arc::new(Self {
            label: label.to_owned(),
            init,
            connection: connection.clone(),
            state: Mutex::new(state),
            inbox: Mutex::default(),
            handlers: ChannelHandlers::default(),
        })
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn protocol(&self) -> &str {
        &self.init.protocol
    }

    pub(crate) fn handlers(&self) -> &ChannelHandlers {
        &self.handlers
    }

    /// The channel in str0m's words.
    pub(crate) fn config(&self) -> ChannelConfig {
        let number = |value: i32| u16::try_from(value).unwrap_or(u16::MAX);
        let reliability = match (self.init.max_retransmits, self.init.max_retransmit_time) {
            (Some(retransmits), _) => Reliability::MaxRetransmits {
                retransmits: number(retransmits),
            },
            (None, Some(lifetime)) => Reliability::MaxPacketLifetime {
                lifetime: number(lifetime),
            },
            (None, None) => Reliability::Reliable,
        };
        ChannelConfig {
            label: self.label.clone(),
            ordered: self.init.ordered,
            reliability,
            negotiated: self.negotiated_id(),
            protocol: self.init.protocol.clone(),
        }
    }

    /// The id that both sides agreed on outside the session.
    pub(crate) fn negotiated_id(&self) -> Option<u16> {
        self.init
            .negotiated
            .then(|| u16::try_from(self.init.id).ok())
            .flatten()
    }

    pub(crate) fn snapshot(&self) -> State {
        *self.state.lock()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
    }

    pub(crate) fn state(&self) -> DataChannelState {
        self.snapshot().state
    }

    pub(crate) fn stream_id(&self) -> i32 {
        self.snapshot().stream_id
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        self.snapshot().waiting_bytes
    }

    pub(crate) fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        let connection = self.connection.upgrade().ok_or(DataChannelError::Send)?;
        connection.send_message(self, data, binary)
    }

    pub(crate) fn close(self: &Arc<Self>) {
        match self.connection.upgrade() {
            Some(connection) => connection.close_channel(self),
            None => self.update(|state| state.state = DataChannelState::Closed),
        }
    }

    pub(crate) fn set_message_handler(self: &Arc<Self>, handler: Option<OnMessage>) {
        let is_set = handler.is_some();
        self.handlers.message.set(handler);
        // What came before there was a handler is delivered by the connection's task, in order with what comes next.
        if let Some(connection) = self.connection.upgrade().filter(|_| is_set) {
            connection.push_event(Event::Messages(self.clone()));
        }
    }

    /// Keeps a message for the handler; says whether there was room for it.
    pub(crate) fn receive(&self, data: Vec<u8>, binary: bool) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.bytes + data.len() > INBOX_BYTES_MAX && !inbox.messages.is_empty() {
            return false;
        }
        inbox.bytes += data.len();
        inbox.messages.push_back((data, binary));
        true
    }

    /// Gives the messages to the handler, or keeps them until there is one.
    pub(crate) fn deliver(&self) {
        while self.handlers.message.is_set() {
            let Some((data, binary)) = self.next_message() else {
                return;
            };
            self.handlers
                .message
                .call(|handler| handler(DataBuffer { data: &data, binary }));
        }
    }

    fn next_message(&self) -> Option<(Vec<u8>, bool)> {
        let mut inbox = self.inbox.lock();
        let (data, binary) = inbox.messages.pop_front()?;
        inbox.bytes -= data.len();
        Some((data, binary))
    }
}

/// What a channel keeps while nobody takes its messages. The callbacks take them within the same turn of the task, so
/// this is only ever reached by a channel that nobody listens to.
const INBOX_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_for_a_handler_and_keep_their_order() {
        let channel = Channel::new(&Weak::new(), "x", DataChannelInit::default());
        assert!(channel.receive(vec![1], true));
        assert!(channel.receive(vec![2], true));
        channel.deliver();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        channel.set_message_handler(Some(Box::new(move |buffer| sink.lock().push(buffer.data[0]))));
        channel.deliver();
        assert_eq!(*seen.lock(), [1, 2]);
    }

    #[test]
    fn a_channel_nobody_listens_to_is_bounded() {
        let channel = Channel::new(&Weak::new(), "x", DataChannelInit::default());
        let taken = (0..1000)
            .filter(|_| channel.receive(vec![0; 65_536], true))
            .count();
        assert_eq!(taken * 65_536, INBOX_BYTES_MAX);
    }

    #[test]
    fn lossy_channels_are_sent_once() {
        let init = DataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..DataChannelInit::default()
        };
        let config = Channel::new(&Weak::new(), "_lossy", init).config();
        assert_eq!(config.reliability, Reliability::MaxRetransmits { retransmits: 0 });
        assert_eq!(config.negotiated, None);
    }
}
