//! Audio and video tracks under one name.

use crate::{audio_track::RtcAudioTrack, enum_dispatch, video_track::RtcVideoTrack};

/// Whether a track can still carry anything.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcTrackState {
    /// It can.
    Live,
    /// It has ended for good.
    Ended,
}

/// A track of either kind.
#[derive(Debug, Clone)]
pub enum MediaStreamTrack {
    /// Video.
    Video(RtcVideoTrack),
    /// Audio.
    Audio(RtcAudioTrack),
}

impl MediaStreamTrack {
    enum_dispatch!(
        [Video, Audio];
        /// The track's id, as in the descriptions.
        pub fn id(self: &Self) -> String;
        /// Whether the track is on.
        pub fn enabled(self: &Self) -> bool;
        /// Turns the track on or off, and says whether that changed anything.
        pub fn set_enabled(self: &Self, enabled: bool) -> bool;
        /// Whether the track can still carry anything.
        pub fn state(self: &Self) -> RtcTrackState;
        pub(crate) fn end(self: &Self) -> ();
    );
}

impl From<RtcAudioTrack> for MediaStreamTrack {
    fn from(track: RtcAudioTrack) -> Self {
        Self::Audio(track)
    }
}

impl From<RtcVideoTrack> for MediaStreamTrack {
    fn from(track: RtcVideoTrack) -> Self {
        Self::Video(track)
    }
}
