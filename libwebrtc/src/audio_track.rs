//! One person's or one source's audio.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    audio_source::native::NativeAudioSource, media_stream_track::RtcTrackState, playout::sinks::Sinks,
};

/// An audio track: either fed by a local source, or heard from the other side.
#[derive(Clone)]
pub struct RtcAudioTrack {
    shared: Arc<Shared>,
}

/// Where a track's audio comes from.
pub(crate) enum Origin {
    /// Frames that the application captures.
    Source(NativeAudioSource),
    /// A sound card, which this crate does not have.
    Device,
    /// The other side.
    Remote(Sinks),
}

struct Shared {
    id: String,
    enabled: AtomicBool,
    ended: AtomicBool,
    origin: Origin,
}

impl RtcAudioTrack {
    pub(crate) fn new(id: String, origin: Origin) -> Self {
        let shared = Shared {
            id,
            enabled: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            origin,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The track's id, as in the descriptions.
    pub fn id(&self) -> String {
        self.shared.id.clone()
    }

    /// Whether the track is sent (a local one) or heard (a remote one).
    pub fn enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Turns the track on or off, and says whether that changed anything. A local track that is off sends nothing.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        self.shared.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    /// Whether anything can still come from this track.
    pub fn state(&self) -> RtcTrackState {
        match self.shared.ended.load(Ordering::Acquire) {
            true => RtcTrackState::Ended,
            false => RtcTrackState::Live,
        }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.shared.origin
    }

    /// The streams that hear this track, if it is a remote one.
    pub(crate) fn sinks(&self) -> Option<&Sinks> {
        match &self.shared.origin {
            Origin::Remote(sinks) => Some(sinks),
            Origin::Source(_) | Origin::Device => None,
        }
    }

    /// Ends the track and every stream of it, so that none of them ever hears who speaks in its place next.
    pub(crate) fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(sinks) = self.sinks() {
            sinks.close();
        }
    }
}

impl fmt::Debug for RtcAudioTrack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtcAudioTrack")
            .field("id", &self.shared.id)
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
