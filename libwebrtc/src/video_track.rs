//! Video tracks: known of, never decoded.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{media_stream_track::RtcTrackState, native::packet_trailer::PacketTrailerHandler};

/// A remote video track. It can be named, muted and ended; there is nothing here that shows its pictures.
#[derive(Clone)]
pub struct RtcVideoTrack {
    shared: Arc<Shared>,
}

struct Shared {
    id: String,
    enabled: AtomicBool,
    ended: AtomicBool,
    trailer_handler: Mutex<Option<PacketTrailerHandler>>,
}

impl RtcVideoTrack {
    pub(crate) fn new(id: String) -> Self {
        let shared = Shared {
            id,
            enabled: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            trailer_handler: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The track's id, as in the descriptions.
    pub fn id(&self) -> String {
        self.shared.id.clone()
    }

    /// Whether the track is meant to be seen.
    pub fn enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Turns the track on or off, and says whether that changed anything.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        self.shared.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    /// Whether the other side still offers this track.
    pub fn state(&self) -> RtcTrackState {
        match self.shared.ended.load(Ordering::Acquire) {
            true => RtcTrackState::Ended,
            false => RtcTrackState::Live,
        }
    }

    /// Keeps a handler for the metadata of frames, of which there are none here.
    pub fn set_packet_trailer_handler(&self, handler: PacketTrailerHandler) {
        *self.shared.trailer_handler.lock() = Some(handler);
    }

    /// The handler that was set, if any.
    pub fn packet_trailer_handler(&self) -> Option<PacketTrailerHandler> {
        self.shared.trailer_handler.lock().clone()
    }

    pub(crate) fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

impl fmt::Debug for RtcVideoTrack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RtcVideoTrack")
            .field("id", &self.shared.id)
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
