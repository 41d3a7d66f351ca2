//! One media section: a sender and a receiver under one number.

use std::{fmt, sync::Arc};

use crate::{
    RtcError,
    connection::transceiver::Transceiver,
    rtp_parameters::{RtpCodecCapability, RtpEncodingParameters},
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
};

/// How a media section begins.
#[derive(Debug, Clone)]
pub struct RtpTransceiverInit {
    /// Which ways media may go.
    pub direction: RtpTransceiverDirection,
    /// The streams our track belongs to.
    pub stream_ids: Vec<String>,
    /// How our track is encoded.
    pub send_encodings: Vec<RtpEncodingParameters>,
}

/// Which ways media may go.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtpTransceiverDirection {
    /// Both.
    SendRecv,
    /// Only from us.
    SendOnly,
    /// Only to us.
    RecvOnly,
    /// Neither.
    Inactive,
    /// Never again.
    Stopped,
}

impl RtpTransceiverDirection {
    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// One media section.
#[derive(Clone)]
pub struct RtpTransceiver {
    transceiver: Arc<Transceiver>,
}

impl RtpTransceiver {
    pub(crate) fn new(transceiver: Arc<Transceiver>) -> Self {
        Self { transceiver }
    }

    /// The section's id, once a description with it stands.
    pub fn mid(&self) -> Option<String> {
        self.transceiver.mid()
    }

    /// Which ways media go by the last agreement.
    pub fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        self.transceiver.current_direction()
    }

    /// Which ways media may go by our own wish.
    pub fn direction(&self) -> RtpTransceiverDirection {
        self.transceiver.direction()
    }

    /// The half that sends.
    pub fn sender(&self) -> RtpSender {
        RtpSender::new(self.transceiver.clone())
    }

    /// The half that receives.
    pub fn receiver(&self) -> RtpReceiver {
        RtpReceiver::new(self.transceiver.clone())
    }

    /// Prefers some codecs to others: refused, since there is one.
    pub fn set_codec_preferences(&self, _codecs: Vec<RtpCodecCapability>) -> Result<(), RtcError> {
        Err(RtcError::unsupported(
            "Opus is the only codec: there is nothing to prefer",
        ))
    }

    /// Ends the section. The other side is told by the next offer.
    pub fn stop(&self) -> Result<(), RtcError> {
        self.transceiver.stop();
        Ok(())
    }
}

impl fmt::Debug for RtpTransceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtpTransceiver")
            .field("mid", &self.mid())
            .field("direction", &self.direction())
            .finish_non_exhaustive()
    }
}
