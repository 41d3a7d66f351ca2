//! Where connections and tracks are made.

use std::fmt;

use crate::{
    MediaType, RtcError,
    connection::Connection,
    peer_connection::PeerConnection,
    rtp_parameters::{RtpCapabilities, RtpCodecCapability, RtpHeaderExtensionCapability},
    rtp_transceiver::RtpTransceiverDirection,
    sdp,
};

/// A server that helps to find a path.
#[derive(Clone)]
pub struct IceServer {
    /// Its addresses: `stun:`, `turn:` (over UDP, or with `?transport=tcp`) and `turns:` (over TLS).
    pub urls: Vec<String>,
    /// Who we are to it.
    pub username: String,
    /// The password that goes with it.
    pub password: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither a name nor a password is for logs.
        formatter
            .debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// Whether STUN servers are asked how our packets look from outside.
///
/// Whoever runs such a server learns who talks when. A LiveKit server that was told of none suggests Google's, and it
/// is of no use to reach a server with an address of its own. So they are asked only if an application says so:
///
/// ```
/// use libwebrtc::peer_connection_factory::{RtcConfiguration, StunServers};
///
/// let mut config = RtcConfiguration::default();
/// config.stun_servers = StunServers::Asked;
/// ```
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub enum StunServers {
    /// Not even their names are looked up.
    #[default]
    Ignored,
    /// All of [`RtcConfiguration::ice_servers`] are asked.
    Asked,
}

/// How long addresses are looked for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ContinualGatheringPolicy {
    /// Once.
    GatherOnce,
    /// As long as the connection lives.
    GatherContinually,
}

/// Which paths may be used.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceTransportsType {
    /// Only through a relay (TURN). Refused if there is none among the servers.
    Relay,
    /// Not by our own addresses: refused, since nothing but a relay would be left.
    NoHost,
    /// Any.
    All,
}

/// How a connection is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RtcConfiguration {
    /// Servers that help to find a path. Relays are asked when there is no other path after half a second, or at once if
    /// nothing else is allowed.
    pub ice_servers: Vec<IceServer>,
    /// Whether STUN servers among them are asked.
    pub stun_servers: StunServers,
    /// How long addresses are looked for.
    pub continual_gathering_policy: ContinualGatheringPolicy,
    /// Which paths may be used.
    pub ice_transport_type: IceTransportsType,
    /// Whether a round trip of the SCTP handshake may be saved. Always declined, which both sides allow for.
    pub enable_sctp_snap: bool,
}

impl Default for RtcConfiguration {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            stun_servers: StunServers::Ignored,
            continual_gathering_policy: ContinualGatheringPolicy::GatherContinually,
            ice_transport_type: IceTransportsType::All,
            enable_sctp_snap: false,
        }
    }
}

impl RtcConfiguration {
    /// Refuses what this crate cannot honour, rather than connect by another way than asked.
    pub(crate) fn check(&self) -> Result<(), RtcError> {
        match self.ice_transport_type {
            IceTransportsType::All => Ok(()),
            // The SDK may make a connection before it knows the servers, and configure it later.
            IceTransportsType::Relay if self.ice_servers.is_empty() => Ok(()),
            IceTransportsType::Relay => self.check_relay(),
            IceTransportsType::NoHost => Err(RtcError::unsupported(
                "connections without host candidates are not supported",
            )),
        }
    }

    /// The same once all servers are known.
    pub(crate) fn check_known(&self) -> Result<(), RtcError> {
        self.check()?;
        match self.ice_transport_type {
            IceTransportsType::Relay => self.check_relay(),
            IceTransportsType::All | IceTransportsType::NoHost => Ok(()),
        }
    }

    fn check_relay(&self) -> Result<(), RtcError> {
        let mut urls = self.ice_servers.iter().flat_map(|server| &server.urls);
        match urls.any(|url| url.starts_with("turn:") || url.starts_with("turns:")) {
            true => Ok(()),
            false => Err(RtcError::unsupported(
                "only relays may be used, and there is no TURN server among the ICE servers",
            )),
        }
    }
}

/// Makes connections and tracks. It holds nothing: each connection stands for itself.
#[derive(Clone, Default)]
pub struct PeerConnectionFactory {}

impl PeerConnectionFactory {
    /// The same as the default: audio is handed out as it comes, with no playout delay to turn off.
    pub fn with_zero_playout_delay() -> Self {
        Self {}
    }

    /// The same as the default; shortcuts of the handshakes are declined, which both sides allow for.
    pub fn with_options(_zero_playout_delay: bool, _enable_warp: bool) -> Self {
        Self {}
    }

    /// Makes a connection. Must be called within a tokio runtime, which then drives it.
    pub fn create_peer_connection(&self, config: RtcConfiguration) -> Result<PeerConnection, RtcError> {
        config.check()?;
        Ok(PeerConnection::new(Connection::start(&config)?))
    }

    /// What can be sent.
    pub fn get_rtp_sender_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type, RtpTransceiverDirection::SendOnly)
    }

    /// What can be received.
    pub fn get_rtp_receiver_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type, RtpTransceiverDirection::RecvOnly)
    }
}

impl fmt::Debug for PeerConnectionFactory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PeerConnectionFactory").finish()
    }
}

fn capabilities(media_type: MediaType, direction: RtpTransceiverDirection) -> RtpCapabilities {
    if media_type != MediaType::Audio {
        return RtpCapabilities {
            codecs: Vec::new(),
            header_extensions: Vec::new(),
        };
    }
    let opus = RtpCodecCapability {
        channels: Some(2),
        clock_rate: Some(48_000),
        mime_type: "audio/opus".to_owned(),
        sdp_fmtp_line: Some(sdp::OPUS_PARAMETERS.to_owned()),
    };
    let audio_level = RtpHeaderExtensionCapability {
        uri: sdp::AUDIO_LEVEL_URI.to_owned(),
        direction,
    };
    RtpCapabilities {
        codecs: vec![opus],
        header_extensions: vec![audio_level],
    }
}

/// What the SDK expects of a native build: local tracks, and sound cards, of which there are none.
pub mod native {
    use super::PeerConnectionFactory;
    use crate::{
        audio_source::native::NativeAudioSource,
        audio_track::{Origin, RtcAudioTrack},
        video_source::native::NativeVideoSource,
        video_track::RtcVideoTrack,
    };

    /// Local tracks and sound cards. There are no cards: every question about one is answered with none, and
    /// [`acquire_platform_adm`](PeerConnectionFactoryExt::acquire_platform_adm) with a refusal.
    pub trait PeerConnectionFactoryExt {
        /// A track of video; there is no source it could be made of.
        fn create_video_track(&self, label: &str, source: NativeVideoSource) -> RtcVideoTrack;
        /// A track of what an application captures.
        fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack;
        /// A track of a sound card. It cannot be published: connections refuse it.
        fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack;
        /// How many loudspeakers there are.
        fn playout_devices(&self) -> i16;
        /// How many microphones there are.
        fn recording_devices(&self) -> i16;
        /// A loudspeaker's name.
        fn playout_device_name(&self, index: u16) -> String;
        /// A microphone's name.
        fn recording_device_name(&self, index: u16) -> String;
        /// A loudspeaker's id.
        fn playout_device_guid(&self, index: u16) -> String;
        /// A microphone's id.
        fn recording_device_guid(&self, index: u16) -> String;
        /// Chooses a loudspeaker.
        fn set_playout_device(&self, index: u16) -> bool;
        /// Chooses a microphone.
        fn set_recording_device(&self, index: u16) -> bool;
        /// Chooses a loudspeaker by its id.
        fn set_playout_device_by_guid(&self, guid: &str) -> bool;
        /// Chooses a microphone by its id.
        fn set_recording_device_by_guid(&self, guid: &str) -> bool;
        /// Stops recording.
        fn stop_recording(&self) -> bool;
        /// Prepares to record.
        fn init_recording(&self) -> bool;
        /// Starts recording.
        fn start_recording(&self) -> bool;
        /// Whether recording is prepared.
        fn recording_is_initialized(&self) -> bool;
        /// Stops playing.
        fn stop_playout(&self) -> bool;
        /// Prepares to play.
        fn init_playout(&self) -> bool;
        /// Starts playing.
        fn start_playout(&self) -> bool;
        /// Whether playing is prepared.
        fn playout_is_initialized(&self) -> bool;
        /// Whether the hardware cancels echoes.
        fn builtin_aec_is_available(&self) -> bool;
        /// Whether the hardware levels loudness.
        fn builtin_agc_is_available(&self) -> bool;
        /// Whether the hardware suppresses noise.
        fn builtin_ns_is_available(&self) -> bool;
        /// Turns the hardware's echo cancellation on or off.
        fn enable_builtin_aec(&self, enable: bool) -> bool;
        /// Turns the hardware's levelling on or off.
        fn enable_builtin_agc(&self, enable: bool) -> bool;
        /// Turns the hardware's noise suppression on or off.
        fn enable_builtin_ns(&self, enable: bool) -> bool;
        /// Allows or forbids recording.
        fn set_adm_recording_enabled(&self, enabled: bool);
        /// Whether recording is allowed.
        fn adm_recording_enabled(&self) -> bool;
        /// Allows or forbids playing.
        fn set_adm_playout_enabled(&self, enabled: bool);
        /// Whether playing is allowed.
        fn adm_playout_enabled(&self) -> bool;
        /// Opens the sound cards: refused.
        fn acquire_platform_adm(&self) -> bool;
        /// Closes the sound cards.
        fn release_platform_adm(&self);
        /// How often the sound cards were opened.
        fn platform_adm_ref_count(&self) -> i32;
        /// Whether the sound cards are open.
        fn is_platform_adm_active(&self) -> bool;
    }

    impl PeerConnectionFactoryExt for PeerConnectionFactory {
        fn create_video_track(&self, _label: &str, source: NativeVideoSource) -> RtcVideoTrack {
            match source {}
        }

        fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack {
            RtcAudioTrack::new(label.to_owned(), Origin::Source(source))
        }

        fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack {
            RtcAudioTrack::new(label.to_owned(), Origin::Device)
        }

        fn playout_devices(&self) -> i16 {
            0
        }

        fn recording_devices(&self) -> i16 {
            0
        }

        fn playout_device_name(&self, _index: u16) -> String {
            String::new()
        }

        fn recording_device_name(&self, _index: u16) -> String {
            String::new()
        }

        fn playout_device_guid(&self, _index: u16) -> String {
            String::new()
        }

        fn recording_device_guid(&self, _index: u16) -> String {
            String::new()
        }

        fn set_playout_device(&self, _index: u16) -> bool {
            false
        }

        fn set_recording_device(&self, _index: u16) -> bool {
            false
        }

        fn set_playout_device_by_guid(&self, _guid: &str) -> bool {
            false
        }

        fn set_recording_device_by_guid(&self, _guid: &str) -> bool {
            false
        }

        fn stop_recording(&self) -> bool {
            false
        }

        fn init_recording(&self) -> bool {
            false
        }

        fn start_recording(&self) -> bool {
            false
        }

        fn recording_is_initialized(&self) -> bool {
            false
        }

        fn stop_playout(&self) -> bool {
            false
        }

        fn init_playout(&self) -> bool {
            false
        }

        fn start_playout(&self) -> bool {
            false
        }

        fn playout_is_initialized(&self) -> bool {
            false
        }

        fn builtin_aec_is_available(&self) -> bool {
            false
        }

        fn builtin_agc_is_available(&self) -> bool {
            false
        }

        fn builtin_ns_is_available(&self) -> bool {
            false
        }

        fn enable_builtin_aec(&self, _enable: bool) -> bool {
            false
        }

        fn enable_builtin_agc(&self, _enable: bool) -> bool {
            false
        }

        fn enable_builtin_ns(&self, _enable: bool) -> bool {
            false
        }

        fn set_adm_recording_enabled(&self, enabled: bool) {
            refuse_device(enabled);
        }

        fn adm_recording_enabled(&self) -> bool {
            false
        }

        fn set_adm_playout_enabled(&self, enabled: bool) {
            refuse_device(enabled);
        }

        fn adm_playout_enabled(&self) -> bool {
            false
        }

        fn acquire_platform_adm(&self) -> bool {
            refuse_device(true);
            false
        }

        fn release_platform_adm(&self) {}

        fn platform_adm_ref_count(&self) -> i32 {
            0
        }

        fn is_platform_adm_active(&self) -> bool {
            false
        }
    }

    fn refuse_device(wanted: bool) {
        if wanted {
            tracing::error!("sound cards are not supported by this build of libwebrtc");
        }
    }
}
