//! Video sources: types without values, since this crate sends no video.

/// The size of a picture, in pixels.
#[derive(Debug, Clone)]
pub struct VideoResolution {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A source of video. No value of it exists: publishing video does not compile rather than fail.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcVideoSource {
    /// A source that the application feeds.
    Native(native::NativeVideoSource),
}

impl RtcVideoSource {
    /// The size of the source's pictures.
    pub fn video_resolution(&self) -> VideoResolution {
        match self {
            Self::Native(source) => source.video_resolution(),
        }
    }
}

/// Sources that the application feeds.
pub mod native {
    use super::VideoResolution;
    use crate::native::packet_trailer::PacketTrailerHandler;

    /// A video source that the application feeds. No value of it exists.
    #[derive(Debug, Clone)]
    pub enum NativeVideoSource {}

    impl NativeVideoSource {
        /// The size of the source's pictures.
        pub fn video_resolution(&self) -> VideoResolution {
            match *self {}
        }

        /// Sets who embeds the metadata of frames.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {
            match *self {}
        }
    }
}
