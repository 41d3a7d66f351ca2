//! In place of the package's helpers for video: what its other tests name of video compiles, and fails when it is run.

use libwebrtc::{prelude::VideoResolution, video_source::native::NativeVideoSource};

pub trait NoVideo {
    fn new(resolution: VideoResolution, is_screencast: bool) -> NativeVideoSource;
}

impl NoVideo for NativeVideoSource {
    fn new(_: VideoResolution, _: bool) -> NativeVideoSource {
        panic!("this build of libwebrtc has no source of video")
    }
}
