//! Messages beside the media.

use std::{fmt, str::Utf8Error, sync::Arc};

use crate::{connection::channel::Channel, rtp_parameters::Priority};

/// How a channel begins.
#[derive(Clone, Debug)]
pub struct DataChannelInit {
    /// Whether messages arrive in the order they were sent.
    pub ordered: bool,
    /// For how many milliseconds a lost message is sent again.
    pub max_retransmit_time: Option<i32>,
    /// How often a lost message is sent again.
    pub max_retransmits: Option<i32>,
    /// What the messages are, in the application's words.
    pub protocol: String,
    /// Whether both sides open the channel by themselves, under the same id.
    pub negotiated: bool,
    /// The channel's id, if it is negotiated.
    pub id: i32,
    /// How much the channel matters beside others. Without effect: all matter the same.
    pub priority: Option<Priority>,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmit_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: false,
            id: -1,
            priority: None,
        }
    }
}

/// Why a message could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum DataChannelError {
    /// The channel is not open, the message is too long, or too much waits to be sent already.
    #[error("cannot send: the channel is not open, its buffer is full, or the message is too long")]
    Send,
    /// A message that was to be text is not.
    #[error("a text message must be UTF-8")]
    Utf8(#[from] Utf8Error),
}

/// How a channel fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DataChannelState {
    /// Not yet open.
    Connecting,
    /// Open.
    Open,
    /// Being closed.
    Closing,
    /// Closed for good.
    Closed,
}

/// A message that arrived.
#[derive(Debug)]
pub struct DataBuffer<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Whether it is bytes rather than text.
    pub binary: bool,
}

/// Is told how a channel fares.
pub type OnStateChange = Box<dyn FnMut(DataChannelState) + Send + Sync>;
/// Is given the messages that arrive.
pub type OnMessage = Box<dyn FnMut(DataBuffer<'_>) + Send + Sync>;
/// Is told how many bytes were sent since it was told last.
pub type OnBufferedAmountChange = Box<dyn FnMut(u64) + Send + Sync>;

/// A channel for messages. Clones are the same channel.
#[derive(Clone)]
pub struct DataChannel {
    channel: Arc<Channel>,
}

impl DataChannel {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self { channel }
    }

    /// Sends a message.
    pub fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        if !binary {
            std::str::from_utf8(data)?;
        }
        self.channel.send(data, binary)
    }

    /// The channel's id, or -1 while it has none.
    pub fn id(&self) -> i32 {
        self.channel.stream_id()
    }

    /// The channel's name.
    pub fn label(&self) -> String {
        self.channel.label().to_owned()
    }

    /// How the channel fares.
    pub fn state(&self) -> DataChannelState {
        self.channel.state()
    }

    /// Closes the channel.
    pub fn close(&self) {
        self.channel.close();
    }

    /// How many bytes wait to be sent.
    pub fn buffered_amount(&self) -> u64 {
        self.channel.buffered_amount()
    }

    /// Sets who is told how the channel fares.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        self.channel.handlers().state_change.set(handler);
    }

    /// Sets who is given the messages. Those that came before are given first.
    pub fn on_message(&self, handler: Option<OnMessage>) {
        self.channel.set_message_handler(handler);
    }

    /// Sets who is told how many bytes were sent.
    pub fn on_buffered_amount_change(&self, handler: Option<OnBufferedAmountChange>) {
        self.channel.handlers().buffered_amount_change.set(handler);
    }
}

impl fmt::Debug for DataChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DataChannel")
            .field("id", &self.id())
            .field("label", &self.channel.label())
            .field("state", &self.state())
            .finish()
    }
}
