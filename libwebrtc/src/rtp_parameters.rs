//! How a sender encodes.

use crate::rtp_transceiver::RtpTransceiverDirection;

/// How much one encoding matters beside others.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Priority {
    /// Least.
    VeryLow,
    /// The default.
    Low,
    /// More.
    Medium,
    /// Most.
    High,
}

/// What a video encoder gives up first.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub enum DegradationPreference {
    /// Neither: frames are dropped instead.
    MaintainFramerateAndResolution,
    /// The resolution.
    MaintainFramerate,
    /// The frame rate.
    MaintainResolution,
    /// Some of both.
    #[default]
    Balanced,
}

/// The parameters of a sender or receiver.
#[derive(Debug, Clone, Default)]
pub struct RtpParameters {
    /// The codecs in use, best first.
    pub codecs: Vec<RtpCodecParameters>,
    /// The header extensions in use.
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    /// The encodings a sender sends; one, for audio.
    pub encodings: Vec<RtpEncodingParameters>,
    /// The parameters of RTCP.
    pub rtcp: RtcpParameters,
    degradation_preference: Option<DegradationPreference>,
}

impl RtpParameters {
    /// Sets what a video encoder gives up first.
    pub fn set_degradation_preference(&mut self, preference: DegradationPreference) {
        self.degradation_preference = Some(preference);
    }

    /// What a video encoder gives up first, if that was set.
    pub fn degradation_preference(&self) -> Option<DegradationPreference> {
        self.degradation_preference
    }
}

/// A header extension in use.
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionParameters {
    /// The extension's name.
    pub uri: String,
    /// The number it has in packets.
    pub id: i32,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// A codec in use.
#[derive(Debug, Clone, Default)]
pub struct RtpCodecParameters {
    /// The number the codec has in packets.
    pub payload_type: u8,
    /// The codec's name.
    pub mime_type: String,
    /// The clock of its timestamps, in Hz.
    pub clock_rate: Option<u64>,
    /// How many channels it carries.
    pub channels: Option<u16>,
}

/// The parameters of RTCP.
#[derive(Debug, Clone, Default)]
pub struct RtcpParameters {
    /// The canonical name of the source.
    pub cname: String,
    /// Whether reduced-size RTCP is used.
    pub reduced_size: bool,
}

/// One encoding of a sender.
#[derive(Debug, Clone)]
pub struct RtpEncodingParameters {
    /// Whether it is sent.
    pub active: bool,
    /// The most it may use, in bits per second.
    pub max_bitrate: Option<u64>,
    /// The most pictures per second, for video.
    pub max_framerate: Option<f64>,
    /// How much it matters beside others.
    pub priority: Priority,
    /// The name of a simulcast layer.
    pub rid: String,
    /// By how much pictures are made smaller, for video.
    pub scale_resolution_down_by: Option<f64>,
    /// The layers of scalable video.
    pub scalability_mode: Option<String>,
    /// Whether `ssrc` is set.
    pub has_ssrc: bool,
    /// The source's number in packets.
    pub ssrc: u32,
}

impl Default for RtpEncodingParameters {
    fn default() -> Self {
        Self {
            active: true,
            max_bitrate: None,
            max_framerate: None,
            priority: Priority::Low,
            rid: String::new(),
            scale_resolution_down_by: None,
            scalability_mode: None,
            has_ssrc: false,
            ssrc: 0,
        }
    }
}

/// A codec that could be used.
#[derive(Debug, Clone)]
pub struct RtpCodecCapability {
    /// How many channels it carries.
    pub channels: Option<u16>,
    /// The clock of its timestamps, in Hz.
    pub clock_rate: Option<u64>,
    /// The codec's name.
    pub mime_type: String,
    /// Its parameters, as in a description.
    pub sdp_fmtp_line: Option<String>,
}

/// A header extension that could be used.
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionCapability {
    /// The extension's name.
    pub uri: String,
    /// In which direction it could be used.
    pub direction: RtpTransceiverDirection,
}

/// What could be sent or received.
#[derive(Debug, Clone)]
pub struct RtpCapabilities {
    /// The codecs.
    pub codecs: Vec<RtpCodecCapability>,
    /// The header extensions.
    pub header_extensions: Vec<RtpHeaderExtensionCapability>,
}
