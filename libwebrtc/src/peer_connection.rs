//! A connection to the other side.

use std::{fmt, sync::Arc};

use crate::{
    MediaType, RtcError,
    connection::{Connection, handle::Handle},
    data_channel::{DataChannel, DataChannelInit},
    ice_candidate::IceCandidate,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    peer_connection_factory::RtcConfiguration,
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
    rtp_transceiver::{RtpTransceiver, RtpTransceiverInit},
    session_description::SessionDescription,
    stats::RtcStats,
};

/// How the connection as a whole fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum PeerConnectionState {
    /// Nothing was tried yet.
    New,
    /// A path is being looked for.
    Connecting,
    /// It works.
    Connected,
    /// Nothing comes through; it may come back.
    Disconnected,
    /// Nothing came through for so long that only a restart can help.
    Failed,
    /// Closed from our side.
    Closed,
}

/// How the search for a path fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceConnectionState {
    /// Nothing was tried yet.
    New,
    /// Paths are being tried.
    Checking,
    /// There is one.
    Connected,
    /// There is one, and no better one is looked for.
    Completed,
    /// There is none.
    Failed,
    /// There was one.
    Disconnected,
    /// Closed from our side.
    Closed,
    /// Not a state: the number of them.
    Max,
}

/// How the search for our own addresses fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceGatheringState {
    /// Not begun.
    New,
    /// Begun.
    Gathering,
    /// Done.
    Complete,
}

/// Whose turn it is in the exchange of descriptions.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SignalingState {
    /// Nobody's.
    Stable,
    /// The other side's, to answer our offer.
    HaveLocalOffer,
    /// We gave a provisional answer.
    HaveLocalPrAnswer,
    /// Ours, to answer their offer.
    HaveRemoteOffer,
    /// They gave a provisional answer.
    HaveRemotePrAnswer,
    /// Closed from our side.
    Closed,
}

/// What an offer should do.
#[derive(Debug, Clone, Default)]
pub struct OfferOptions {
    /// Look for a path anew.
    pub ice_restart: bool,
    /// Offer to receive audio even without a transceiver for it.
    pub offer_to_receive_audio: bool,
    /// Offer to receive video even without a transceiver for it.
    pub offer_to_receive_video: bool,
}

/// What an answer should do.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {}

/// Bounds of the bandwidth estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BitrateSettings {
    /// The least, in bits per second.
    pub min_bitrate_bps: Option<u64>,
    /// The first, in bits per second.
    pub start_bitrate_bps: Option<u64>,
    /// The most, in bits per second.
    pub max_bitrate_bps: Option<u64>,
}

/// A failure to find one of our own addresses.
#[derive(Debug, Clone)]
pub struct IceCandidateError {
    /// The address it was tried from.
    pub address: String,
    /// The port it was tried from.
    pub port: i32,
    /// The server that was asked.
    pub url: String,
    /// The server's code.
    pub error_code: i32,
    /// The server's reason.
    pub error_text: String,
}

/// A track that the other side began to send.
#[derive(Debug, Clone)]
pub struct TrackEvent {
    /// Who receives it.
    pub receiver: RtpReceiver,
    /// The streams it belongs to.
    pub streams: Vec<MediaStream>,
    /// The track.
    pub track: MediaStreamTrack,
    /// The media section it comes by.
    pub transceiver: RtpTransceiver,
}

/// Is told of the connection's state.
pub type OnConnectionChange = Box<dyn FnMut(PeerConnectionState) + Send + Sync>;
/// Is told of data channels that the other side opened.
pub type OnDataChannel = Box<dyn FnMut(DataChannel) + Send + Sync>;
/// Is told of our own addresses.
pub type OnIceCandidate = Box<dyn FnMut(IceCandidate) + Send + Sync>;
/// Is told of failures to find our own addresses.
pub type OnIceCandidateError = Box<dyn FnMut(IceCandidateError) + Send + Sync>;
/// Is told of the state of the search for a path.
pub type OnIceConnectionChange = Box<dyn FnMut(IceConnectionState) + Send + Sync>;
/// Is told of the state of the search for our own addresses.
pub type OnIceGatheringChange = Box<dyn FnMut(IceGatheringState) + Send + Sync>;
/// Is told when descriptions should be exchanged anew.
pub type OnNegotiationNeeded = Box<dyn FnMut(u32) + Send + Sync>;
/// Is told whose turn it is in the exchange of descriptions.
pub type OnSignalingChange = Box<dyn FnMut(SignalingState) + Send + Sync>;
/// Is told of tracks that the other side began to send.
pub type OnTrack = Box<dyn FnMut(TrackEvent) + Send + Sync>;

/// A connection to the other side. Clones are the same connection; it closes when the last of them is gone.
#[derive(Clone)]
pub struct PeerConnection {
    handle: Arc<Handle>,
}

impl PeerConnection {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self {
            handle: Arc::new(Handle::new(connection)),
        }
    }

    /// Takes a new configuration: servers that are asked from now on, and which paths may be looked for.
    pub fn set_configuration(&self, config: RtcConfiguration) -> Result<(), RtcError> {
        config.check_known()?;
        self.handle.configure(&config);
        Ok(())
    }

    /// Bounds the bandwidth estimate: there is none to bound, since audio is sent at the rate of its encoding.
    pub fn set_bitrate(&self, _settings: BitrateSettings) -> Result<(), RtcError> {
        Err(RtcError::unsupported(
            "there is no bandwidth estimate to bound: set the encoding's max_bitrate",
        ))
    }

    /// Writes an offer of what there is now.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, RtcError> {
        self.handle.create_offer(&options)
    }

    /// Writes an answer to the offer that was set.
    pub async fn create_answer(&self, _options: AnswerOptions) -> Result<SessionDescription, RtcError> {
        self.handle.create_answer()
    }

    /// Stands by our own description.
    pub async fn set_local_description(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.handle.set_local_description(description)
    }

    /// Takes the other side's description.
    pub async fn set_remote_description(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.handle.set_remote_description(description)
    }

    /// Takes one of the other side's addresses.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), RtcError> {
        self.handle.add_ice_candidate(&candidate)
    }

    /// Opens a data channel.
    pub fn create_data_channel(&self, label: &str, init: DataChannelInit) -> Result<DataChannel, RtcError> {
        self.handle.create_data_channel(label, init)
    }

    /// Sends a track by a new media section.
    pub fn add_track<T: AsRef<str>>(
        &self,
        track: MediaStreamTrack,
        stream_ids: &[T],
    ) -> Result<RtpSender, RtcError> {
        let stream_ids = stream_ids.iter().map(|id| id.as_ref().to_owned()).collect();
        let init = RtpTransceiverInit {
            direction: crate::rtp_transceiver::RtpTransceiverDirection::SendRecv,
            stream_ids,
            send_encodings: Vec::new(),
        };
        Ok(self.handle.add_transceiver(track, init)?.sender())
    }

    /// Stops sending a track. The other side is told by the next offer.
    pub fn remove_track(&self, sender: RtpSender) -> Result<(), RtcError> {
        self.handle.remove_track(&sender)
    }

    /// The figures of this connection.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self.handle.stats())
    }

    /// Adds a media section that sends a track.
    pub fn add_transceiver(
        &self,
        track: MediaStreamTrack,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        self.handle.add_transceiver(track, init)
    }

    /// Adds a media section without a track.
    pub fn add_transceiver_for_media(
        &self,
        media_type: MediaType,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        self.handle.add_transceiver_for_media(media_type, init)
    }

    /// Closes the connection for good.
    pub fn close(&self) {
        self.handle.close();
    }

    /// Makes the next offer look for a path anew.
    pub fn restart_ice(&self) {
        self.handle.restart_ice();
    }

    /// How the connection as a whole fares.
    pub fn connection_state(&self) -> PeerConnectionState {
        self.handle.connection_state()
    }

    /// How the search for a path fares.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.handle.ice_connection_state()
    }

    /// How the search for our own addresses fares.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.handle.ice_gathering_state()
    }

    /// Whose turn it is in the exchange of descriptions.
    pub fn signaling_state(&self) -> SignalingState {
        self.handle.signaling_state()
    }

    /// Our own description that both sides agreed on last.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        self.handle.current_local_description()
    }

    /// The other side's description that both sides agreed on last.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        self.handle.current_remote_description()
    }

    /// The senders of all media sections.
    pub fn senders(&self) -> Vec<RtpSender> {
        self.transceivers().iter().map(RtpTransceiver::sender).collect()
    }

    /// The receivers of all media sections.
    pub fn receivers(&self) -> Vec<RtpReceiver> {
        self.transceivers().iter().map(RtpTransceiver::receiver).collect()
    }

    /// All media sections, in the order they were added.
    pub fn transceivers(&self) -> Vec<RtpTransceiver> {
        self.handle.transceivers()
    }

    /// Sets who is told of the connection's state.
    pub fn on_connection_state_change(&self, handler: Option<OnConnectionChange>) {
        self.handle.handlers().connection_change.set(handler);
    }

    /// Sets who is told of data channels that the other side opened.
    pub fn on_data_channel(&self, handler: Option<OnDataChannel>) {
        self.handle.handlers().data_channel.set(handler);
    }

    /// Sets who is told of our own addresses.
    pub fn on_ice_candidate(&self, handler: Option<OnIceCandidate>) {
        self.handle.handlers().ice_candidate.set(handler);
    }

    /// Sets who is told of failures to find our own addresses. They are logged, and told to nobody: a server that fails
    /// is tried again, and other paths go on.
    pub fn on_ice_candidate_error(&self, _handler: Option<OnIceCandidateError>) {}

    /// Sets who is told of the state of the search for a path.
    pub fn on_ice_connection_state_change(&self, handler: Option<OnIceConnectionChange>) {
        self.handle.handlers().ice_connection_change.set(handler);
    }

    /// Sets who is told of the state of the search for our own addresses.
    pub fn on_ice_gathering_state_change(&self, handler: Option<OnIceGatheringChange>) {
        self.handle.handlers().ice_gathering_change.set(handler);
    }

    /// Sets who is told when descriptions should be exchanged anew.
    pub fn on_negotiation_needed(&self, handler: Option<OnNegotiationNeeded>) {
        self.handle.handlers().negotiation_needed.set(handler);
    }

    /// Sets who is told whose turn it is in the exchange of descriptions.
    pub fn on_signaling_state_change(&self, handler: Option<OnSignalingChange>) {
        self.handle.handlers().signaling_change.set(handler);
    }

    /// Sets who is told of tracks that the other side began to send.
    pub fn on_track(&self, handler: Option<OnTrack>) {
        self.handle.handlers().track.set(handler);
    }
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerConnection")
            .field("state", &self.connection_state())
            .field("ice_state", &self.ice_connection_state())
            .finish()
    }
}
