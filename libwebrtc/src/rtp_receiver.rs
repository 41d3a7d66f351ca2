//! The half of a media section that receives.

use std::{fmt, sync::Arc};

use crate::{
    RtcError, connection::transceiver::Transceiver, encryption::track::TrackCipher,
    media_stream::MediaStream, media_stream_track::MediaStreamTrack, rtp_parameters::RtpParameters,
    stats::RtcStats,
};

/// The half of a media section that receives.
#[derive(Clone)]
pub struct RtpReceiver {
    transceiver: Arc<Transceiver>,
}

impl RtpReceiver {
    pub(crate) fn new(transceiver: Arc<Transceiver>) -> Self {
        Self { transceiver }
    }

    /// What is received, while the other side sends something.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.transceiver.received_track()
    }

    /// The ids of the streams it belongs to.
    pub fn stream_ids(&self) -> Vec<String> {
        self.streams().iter().map(MediaStream::id).collect()
    }

    /// The streams it belongs to.
    pub fn streams(&self) -> Vec<MediaStream> {
        self.transceiver.received_streams()
    }

    /// The figures of what is received.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self.transceiver.receiver_stats())
    }

    /// How it is encoded.
    pub fn parameters(&self) -> RtpParameters {
        self.transceiver.receiver_parameters()
    }

    /// From now on nothing is heard of the track that this did not decrypt.
    pub(crate) fn decrypt(&self, cipher: Arc<TrackCipher>) {
        self.transceiver.decrypt(cipher);
    }
}

impl fmt::Debug for RtpReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtpReceiver")
            .field("mid", &self.transceiver.mid())
            .field("track", &self.track())
            .finish()
    }
}
