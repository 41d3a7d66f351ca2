//! The application's hold on a connection: closes it when let go.

use std::sync::Arc;

use super::{Connection, events::Handlers, transceiver::Transceiver};
use crate::{
    MediaType, RtcError,
    data_channel::{DataChannel, DataChannelInit},
    ice_candidate::IceCandidate,
    media_stream_track::MediaStreamTrack,
    peer_connection::{
        IceConnectionState, IceGatheringState, OfferOptions, PeerConnectionState, SignalingState,
    },
    peer_connection_factory::RtcConfiguration,
    rtp_sender::RtpSender,
    rtp_transceiver::{RtpTransceiver, RtpTransceiverInit},
    session_description::SessionDescription,
    stats::RtcStats,
};

/// The application's hold on a connection.
pub(crate) struct Handle {
    connection: Arc<Connection>,
}

impl Handle {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.connection.handlers
    }

    pub(crate) fn configure(&self, config: &RtcConfiguration) {
        self.connection.call(|core| core.configure(config));
    }

    pub(crate) fn create_offer(&self, options: &OfferOptions) -> Result<SessionDescription, RtcError> {
        self.connection.call(|core| core.create_offer(options))
    }

    pub(crate) fn create_answer(&self) -> Result<SessionDescription, RtcError> {
        self.connection.call(|core| core.create_answer())
    }

    pub(crate) fn set_local_description(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.connection
            .call(|core| core.set_local_description(description))
    }

    pub(crate) fn set_remote_description(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.connection
            .call(|core| core.set_remote_description(description))
    }

    pub(crate) fn add_ice_candidate(&self, candidate: &IceCandidate) -> Result<(), RtcError> {
        self.connection.call(|core| core.add_ice_candidate(candidate))
    }

    pub(crate) fn create_data_channel(
        &self,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannel, RtcError> {
        self.connection
            .call(|core| core.create_data_channel(label, init))
            .map(DataChannel::new)
    }

    pub(crate) fn add_transceiver(
        &self,
        track: MediaStreamTrack,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        let transceiver = Transceiver::sending(&Arc::downgrade(&self.connection), track, init)?;
        self.connection
            .call(|core| core.add_transceiver(transceiver))
            .map(RtpTransceiver::new)
    }

    pub(crate) fn add_transceiver_for_media(
        &self,
        media_type: MediaType,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        if !matches!(media_type, MediaType::Audio | MediaType::Video) {
            return Err(RtcError::unsupported("a media section carries audio or video"));
        }
        if media_type == MediaType::Video && init.direction.sends() {
            return Err(RtcError::unsupported(
                "video cannot be sent by this build of libwebrtc",
            ));
        }
        let transceiver = Transceiver::new(&Arc::downgrade(&self.connection), media_type, init);
        self.connection
            .call(|core| core.add_transceiver(transceiver))
            .map(RtpTransceiver::new)
    }

    pub(crate) fn remove_track(&self, sender: &RtpSender) -> Result<(), RtcError> {
        self.connection
            .call(|core| core.remove_track(sender.transceiver()))
    }

    pub(crate) fn stats(&self) -> Vec<RtcStats> {
        self.connection.core.lock().stats()
    }

    pub(crate) fn close(&self) {
        self.connection.call(|core| core.close());
    }

    pub(crate) fn restart_ice(&self) {
        self.connection.call(|core| core.restart_ice());
    }

    pub(crate) fn connection_state(&self) -> PeerConnectionState {
        self.connection.core.lock().connection_state()
    }

    pub(crate) fn ice_connection_state(&self) -> IceConnectionState {
        self.connection.core.lock().ice_connection_state()
    }

    pub(crate) fn ice_gathering_state(&self) -> IceGatheringState {
        self.connection.core.lock().ice_gathering_state()
    }

    pub(crate) fn signaling_state(&self) -> SignalingState {
        self.connection.core.lock().signaling_state()
    }

    pub(crate) fn current_local_description(&self) -> Option<SessionDescription> {
        self.connection.core.lock().current_local_description()
    }

    pub(crate) fn current_remote_description(&self) -> Option<SessionDescription> {
        self.connection.core.lock().current_remote_description()
    }

    pub(crate) fn transceivers(&self) -> Vec<RtpTransceiver> {
        let core = self.connection.core.lock();
        core.transceivers()
            .iter()
            .cloned()
            .map(RtpTransceiver::new)
            .collect()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
