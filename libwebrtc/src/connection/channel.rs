//! A data channel, as the application and the connection share it.

use super::events::Slot;
use crate::data_channel::{DataBuffer, DataChannelError, DataChannelState, OnMessage};

pub(crate) struct Channel {
    label: String,
    handlers: ChannelHandlers,
}

/// The callbacks of a channel.
#[derive(Default)]
pub(crate) struct ChannelHandlers {
    pub(crate) state_change: Slot<dyn FnMut(DataChannelState) + Send + Sync>,
    pub(crate) message: Slot<dyn FnMut(DataBuffer<'_>) + Send + Sync>,
    pub(crate) buffered_amount_change: Slot<dyn FnMut(u64) + Send + Sync>,
}

impl Channel {
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn handlers(&self) -> &ChannelHandlers {
        &self.handlers
    }

    pub(crate) fn send(&self, _data: &[u8], _binary: bool) -> Result<(), DataChannelError> {
        Err(DataChannelError::Send)
    }

    pub(crate) fn stream_id(&self) -> i32 {
        -1
    }

    pub(crate) fn state(&self) -> DataChannelState {
        DataChannelState::Connecting
    }

    pub(crate) fn close(&self) {}

    pub(crate) fn buffered_amount(&self) -> u64 {
        0
    }

    pub(crate) fn set_message_handler(&self, handler: Option<OnMessage>) {
        self.handlers.message.set(handler);
    }
}
