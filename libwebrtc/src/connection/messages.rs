//! Data channels on the session.

use std::sync::Arc;

use str0m::channel::{ChannelData, ChannelId};

use super::{channel::Channel, core::Core, events::Event};
use crate::{
    RtcError,
    data_channel::{DataChannel, DataChannelError, DataChannelInit, DataChannelState},
};

impl Core {
    pub(super) fn create_data_channel(
        &mut self,
        label: &str,
        init: DataChannelInit,
    ) -> Result<Arc<Channel>, RtcError> {
        self.check_open()?;
        let channel = Channel::new(&self.connection, label, init);
        if let Some(id) = channel.negotiated_id()
            && self
                .channels
                .iter()
                .any(|other| other.negotiated_id() == Some(id))
        {
            return Err(RtcError::invalid_state(format!(
                "data channel {id} exists already"
            )));
        }
        if self.channels.is_empty() {
            self.want_negotiation();
        }
        self.channels.push(channel.clone());
        if self.session.is_some() {
            self.register(&channel);
        }
        Ok(channel)
    }

    /// Makes the channels that were created before the session known to it.
    pub(super) fn register_channels(&mut self) {
        for channel in self.channels.clone() {
            self.register(&channel);
        }
    }

    fn register(&mut self, channel: &Arc<Channel>) {
        if let Some(session) = &mut self.session {
            let id = session.rtc.direct_api().create_data_channel(channel.config());
            channel.update(|state| state.id = Some(id));
            self.changed();
        }
    }

    pub(super) fn send_message(
        &mut self,
        channel: &Channel,
        data: &[u8],
        binary: bool,
    ) -> Result<(), DataChannelError> {
        let state = channel.snapshot();
        let (DataChannelState::Open, Some(id), Some(session)) = (state.state, state.id, &mut self.session)
        else {
            return Err(DataChannelError::Send);
        };
        let mut sctp = session.rtc.channel(id).ok_or(DataChannelError::Send)?;
        match sctp.write(binary, data) {
            Ok(true) => {}
            Ok(false) => return Err(DataChannelError::Send),
            Err(error) => {
                tracing::debug!(%error, "a message was not sent");
                return Err(DataChannelError::Send);
            }
        }
        channel.update(|state| {
            state.waiting_bytes += data.len() as u64;
            state.counts.messages_sent += 1;
            state.counts.bytes_sent += data.len() as u64;
        });
        self.changed();
        Ok(())
    }

    /// Tells of the bytes that went out since it was told last.
    pub(super) fn count_sent(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let mut sent = Vec::new();
        for channel in &self.channels {
            let state = channel.snapshot();
            let (true, Some(id)) = (state.waiting_bytes > 0, state.id) else {
                continue;
            };
            let Some(mut sctp) = session.rtc.channel(id) else {
                continue;
            };
            let waiting = sctp.buffered_amount() as u64;
            if waiting < state.waiting_bytes {
                channel.update(|state| state.waiting_bytes = waiting);
                sent.push(Event::Sent(channel.clone(), state.waiting_bytes - waiting));
            }
        }
        sent.into_iter().for_each(|event| self.tell(event));
    }

    pub(super) fn handle_message(&mut self, message: ChannelData) {
        let Some(channel) = self.channel(message.id) else {
            return;
        };
        let bytes = message.data.len() as u64;
        if !channel.receive(message.data, message.binary) {
            tracing::warn!(
                "a message on channel {} was dropped: nobody takes them",
                channel.label()
            );
            return;
        }
        channel.update(|state| {
            state.counts.messages_received += 1;
            state.counts.bytes_received += bytes;
        });
        self.tell(Event::Messages(channel));
    }

    pub(super) fn handle_channel_open(&mut self, id: ChannelId, label: &str) {
        let known = self.channel(id);
        let channel = known.clone().unwrap_or_else(|| self.accept_channel(id, label));
        if channel.state() == DataChannelState::Closing {
            // Closed by us before there was anything to close.
            if let Some(session) = &mut self.session {
                session.rtc.direct_api().close_data_channel(id);
                self.changed();
            }
            return;
        }
        let stream_id = self
            .session
            .as_mut()
            .and_then(|session| session.rtc.direct_api().sctp_stream_id_by_channel_id(id));
        channel.update(|state| {
            state.state = DataChannelState::Open;
            state.stream_id = stream_id.map_or(state.stream_id, i32::from);
        });
        if known.is_none() {
            self.tell(Event::DataChannel(DataChannel::new(channel.clone())));
        }
        self.tell(Event::ChannelState(channel, DataChannelState::Open));
    }

    /// A channel that the other side opened.
    fn accept_channel(&mut self, id: ChannelId, label: &str) -> Arc<Channel> {
        let config = self
            .session
            .as_mut()
            .and_then(|session| session.rtc.channel(id)?.config().cloned());
        let init = DataChannelInit {
            ordered: config.as_ref().is_none_or(|config| config.ordered),
            protocol: config.map(|config| config.protocol).unwrap_or_default(),
            ..DataChannelInit::default()
        };
        let channel = Channel::new(&self.connection, label, init);
        channel.update(|state| state.id = Some(id));
        self.channels.push(channel.clone());
        channel
    }

    pub(super) fn handle_channel_close(&mut self, id: ChannelId) {
        let Some(channel) = self.channel(id) else {
            return;
        };
        self.channels.retain(|other| !Arc::ptr_eq(other, &channel));
        channel.update(|state| {
            state.state = DataChannelState::Closed;
            state.id = None;
        });
        self.tell(Event::ChannelState(channel, DataChannelState::Closed));
    }

    pub(super) fn close_channel(&mut self, channel: &Arc<Channel>) {
        let state = channel.snapshot();
        let Some(id) = state.id else {
            // The session never knew of it.
            self.channels.retain(|other| !Arc::ptr_eq(other, channel));
            channel.update(|state| state.state = DataChannelState::Closed);
            self.tell(Event::ChannelState(channel.clone(), DataChannelState::Closed));
            return;
        };
        channel.update(|state| state.state = DataChannelState::Closing);
        self.tell(Event::ChannelState(channel.clone(), DataChannelState::Closing));
        if state.state == DataChannelState::Open
            && let Some(session) = &mut self.session
        {
            session.rtc.direct_api().close_data_channel(id);
            self.changed();
        }
    }

    /// Closes all channels with the connection.
    pub(super) fn close_channels(&mut self) {
        for channel in std::mem::take(&mut self.channels) {
            channel.update(|state| {
                state.state = DataChannelState::Closed;
                state.id = None;
            });
            self.tell(Event::ChannelState(channel, DataChannelState::Closed));
        }
    }

    fn channel(&self, id: ChannelId) -> Option<Arc<Channel>> {
        self.channels
            .iter()
            .find(|channel| channel.snapshot().id == Some(id))
            .cloned()
    }
}
