//! The half of a media section that sends.

use std::{fmt, sync::Arc};

use crate::{
    RtcError, connection::transceiver::Transceiver, encryption::track::TrackCipher,
    media_stream_track::MediaStreamTrack, rtp_parameters::RtpParameters, stats::RtcStats,
};

/// Who encodes video. Nobody, here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoEncoderBackend {
    /// Whoever is there.
    #[default]
    Auto,
    /// A program.
    Software,
    /// A device.
    Hardware,
    /// NVIDIA's.
    Nvenc,
    /// By VA-API.
    Vaapi,
    /// Apple's.
    VideoToolbox,
    /// The application itself.
    PreEncoded,
}

impl VideoEncoderBackend {
    /// Those that are there: none.
    pub fn list_available() -> impl IntoIterator<Item = VideoEncoderBackend> {
        []
    }
}

/// The half of a media section that sends.
#[derive(Clone)]
pub struct RtpSender {
    transceiver: Arc<Transceiver>,
}

impl RtpSender {
    pub(crate) fn new(transceiver: Arc<Transceiver>) -> Self {
        Self { transceiver }
    }

    pub(crate) fn transceiver(&self) -> &Arc<Transceiver> {
        &self.transceiver
    }

    /// What is sent.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.transceiver.sent_track().map(MediaStreamTrack::Audio)
    }

    /// The figures of what is sent.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self.transceiver.sender_stats())
    }

    /// Sends another track, or none, without telling the other side.
    pub fn set_track(&self, track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        self.transceiver.set_sent_track(track)
    }

    /// How it is encoded.
    pub fn parameters(&self) -> RtpParameters {
        self.transceiver.sender_parameters()
    }

    /// Changes how it is encoded.
    pub fn set_parameters(&self, parameters: RtpParameters) -> Result<(), RtcError> {
        self.transceiver.set_sender_parameters(parameters)
    }

    /// Chooses who encodes video: without effect, as no video can be sent.
    pub fn set_video_encoder_backend(&self, _backend: VideoEncoderBackend) {}

    /// From now on nothing goes out that this did not encrypt.
    pub(crate) fn encrypt(&self, cipher: Arc<TrackCipher>) {
        self.transceiver.encrypt(cipher);
    }
}

impl fmt::Debug for RtpSender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtpSender")
            .field("mid", &self.transceiver.mid())
            .finish_non_exhaustive()
    }
}
