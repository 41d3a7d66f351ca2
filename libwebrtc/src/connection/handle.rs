//! The application's hold on a connection: closes it when let go.

use std::sync::Arc;

use super::{Connection, events::Handlers};
use crate::{
    MediaType, RtcError,
    data_channel::{DataChannel, DataChannelInit},
    ice_candidate::IceCandidate,
    media_stream_track::MediaStreamTrack,
    peer_connection::{
        IceConnectionState, IceGatheringState, OfferOptions, PeerConnectionState, SignalingState,
    },
    rtp_sender::RtpSender,
    rtp_transceiver::{RtpTransceiver, RtpTransceiverInit},
    session_description::SessionDescription,
    stats::RtcStats,
};

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

    pub(crate) fn create_offer(&self, _options: &OfferOptions) -> Result<SessionDescription, RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn create_answer(&self) -> Result<SessionDescription, RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn set_local_description(&self, _description: SessionDescription) -> Result<(), RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn set_remote_description(&self, _description: SessionDescription) -> Result<(), RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn add_ice_candidate(&self, _candidate: &IceCandidate) -> Result<(), RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn create_data_channel(
        &self,
        _label: &str,
        _init: DataChannelInit,
    ) -> Result<DataChannel, RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn add_transceiver(
        &self,
        _track: MediaStreamTrack,
        _init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn add_transceiver_for_media(
        &self,
        _media_type: MediaType,
        _init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn remove_track(&self, _sender: &RtpSender) -> Result<(), RtcError> {
        Err(RtcError::unsupported("not yet"))
    }

    pub(crate) fn stats(&self) -> Vec<RtcStats> {
        Vec::new()
    }

    pub(crate) fn close(&self) {}

    pub(crate) fn restart_ice(&self) {}

    pub(crate) fn connection_state(&self) -> PeerConnectionState {
        PeerConnectionState::New
    }

    pub(crate) fn ice_connection_state(&self) -> IceConnectionState {
        IceConnectionState::New
    }

    pub(crate) fn ice_gathering_state(&self) -> IceGatheringState {
        IceGatheringState::New
    }

    pub(crate) fn signaling_state(&self) -> SignalingState {
        SignalingState::Stable
    }

    pub(crate) fn current_local_description(&self) -> Option<SessionDescription> {
        None
    }

    pub(crate) fn current_remote_description(&self) -> Option<SessionDescription> {
        None
    }

    pub(crate) fn transceivers(&self) -> Vec<RtpTransceiver> {
        Vec::new()
    }
}
