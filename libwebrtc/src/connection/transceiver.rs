//! A media section, as the application and the connection share it.

use crate::{
    RtcError, audio_track::RtcAudioTrack, media_stream::MediaStream, media_stream_track::MediaStreamTrack,
    rtp_parameters::RtpParameters, rtp_transceiver::RtpTransceiverDirection, stats::RtcStats,
};

pub(crate) struct Transceiver {}

impl Transceiver {
    pub(crate) fn mid(&self) -> Option<String> {
        None
    }
    pub(crate) fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        None
    }
    pub(crate) fn direction(&self) -> RtpTransceiverDirection {
        RtpTransceiverDirection::Inactive
    }
    pub(crate) fn stop(&self) {}
    pub(crate) fn sent_track(&self) -> Option<RtcAudioTrack> {
        None
    }
    pub(crate) fn set_sent_track(&self, _track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        Ok(())
    }
    pub(crate) fn sender_parameters(&self) -> RtpParameters {
        RtpParameters::default()
    }
    pub(crate) fn set_sender_parameters(&self, _parameters: RtpParameters) -> Result<(), RtcError> {
        Ok(())
    }
    pub(crate) fn receiver_parameters(&self) -> RtpParameters {
        RtpParameters::default()
    }
    pub(crate) fn sender_stats(&self) -> Vec<RtcStats> {
        Vec::new()
    }
    pub(crate) fn receiver_stats(&self) -> Vec<RtcStats> {
        Vec::new()
    }
    pub(crate) fn silence(&self) {}
    pub(crate) fn received_track(&self) -> Option<MediaStreamTrack> {
        None
    }
    pub(crate) fn received_streams(&self) -> Vec<MediaStream> {
        Vec::new()
    }
}
