//! A pure-Rust stand-in for the `libwebrtc` crate: what the LiveKit SDK calls, on str0m and libopus.
//!
//! Audio in and out, data channels both ways, and end-to-end encryption. Video, screens and sound cards are not here:
//! whoever asks for them gets an error of type [`RtcErrorType::Unsupported`], never a silent success.

pub mod audio_frame;
pub mod audio_source;
pub mod audio_stream;
pub mod audio_track;
pub mod data_channel;
pub mod ice_candidate;
pub mod media_stream;
pub mod media_stream_track;
pub mod native;
pub mod peer_connection;
pub mod peer_connection_factory;
pub mod prelude;
pub mod rtp_parameters;
pub mod rtp_receiver;
pub mod rtp_sender;
pub mod rtp_transceiver;
pub mod session_description;
pub mod stats;
pub mod video_source;
pub mod video_track;

mod connection;
mod encryption;
mod enum_dispatch;
#[doc(hidden)]
pub mod internals;
mod network;
mod playout;
mod red;
mod resample;
mod sdp;
mod sending;

/// The kind of a media section.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MediaType {
    /// Opus audio.
    Audio,
    /// Video: negotiated, so that a room's sections add up, but never decoded.
    Video,
    /// Data channels.
    Data,
    /// Anything else.
    Unsupported,
}

/// What kind of thing went wrong.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcErrorType {
    /// A failure inside this crate or below it.
    Internal,
    /// A description that cannot be read or does not fit the session.
    InvalidSdp,
    /// The call does not fit the state the connection is in.
    InvalidState,
    /// The request is for something this crate does not do.
    Unsupported,
}

/// The error of every fallible call on a connection.
#[derive(thiserror::Error, Debug)]
#[error("{error_type:?}: {message}")]
pub struct RtcError {
    /// What kind of thing went wrong.
    pub error_type: RtcErrorType,
    /// What was tried, and why it failed.
    pub message: String,
}

impl RtcError {
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            error_type: RtcErrorType::Internal,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_sdp(message: impl Into<String>) -> Self {
        Self {
            error_type: RtcErrorType::InvalidSdp,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_state(message: impl Into<String>) -> Self {
        Self {
            error_type: RtcErrorType::InvalidState,
            message: message.into(),
        }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self {
            error_type: RtcErrorType::Unsupported,
            message: message.into(),
        }
    }
}
