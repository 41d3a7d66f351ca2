//! Hearing a track.

/// Streams of PCM.
pub mod native {
    use std::{
        fmt,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::{
        audio_frame::AudioFrame,
        audio_track::RtcAudioTrack,
        playout::{
            queue::{FrameQueue, Overflow},
            sinks::Sink,
        },
    };

    /// How a stream keeps frames that are not taken at once.
    #[derive(Clone, Debug, Default)]
    pub struct NativeAudioStreamOptions {
        /// How many frames of 10 ms are kept: 10 if `None`, any number if `Some(0)`.
        ///
        /// With a number, frames that must be dropped, the oldest first, are handed out as silence, so that counting
        /// samples still tells the time.
        pub queue_size_frames: Option<usize>,
    }

    /// A track's audio as 10 ms frames of the rate and channels that were asked for.
    ///
    /// The stream begins with the first packet and is continuous from then on: what is lost is concealed, and what is
    /// not sent (silence, mute) is handed out as silence while time passes. It ends with the track.
    pub struct NativeAudioStream {
        track: RtcAudioTrack,
        queue: Arc<FrameQueue>,
        sink: Option<Arc<Sink>>,
    }

    impl NativeAudioStream {
        /// Hears a track, keeping 100 ms: what is not taken by then is lost, as suits a loudspeaker.
        pub fn new(audio_track: RtcAudioTrack, sample_rate: i32, num_channels: i32) -> Self {
            Self::open(
                audio_track,
                sample_rate,
                num_channels,
                FrameQueue::new(Some(QUEUE_FRAMES), Overflow::Skip),
            )
        }

        /// Hears a track, keeping as much as the options say.
        pub fn with_options(
            audio_track: RtcAudioTrack,
            sample_rate: i32,
            num_channels: i32,
            options: NativeAudioStreamOptions,
        ) -> Self {
            let queue = match options.queue_size_frames {
                None => FrameQueue::new(Some(QUEUE_FRAMES), Overflow::Skip),
                Some(0) => FrameQueue::new(None, Overflow::Skip),
                Some(frames) => FrameQueue::new(Some(frames), Overflow::Silence),
            };
            Self::open(audio_track, sample_rate, num_channels, queue)
        }

        fn open(track: RtcAudioTrack, sample_rate: i32, num_channels: i32, queue: FrameQueue) -> Self {
            let queue = Arc::new(queue);
            let Some(sinks) = track.sinks() else {
                tracing::error!(
                    "only remote tracks can be heard: the stream of track {} is empty",
                    track.id()
                );
                queue.close();
                return Self {
                    track,
                    queue,
                    sink: None,
                };
            };
            match Sink::new(sample_rate, num_channels, queue.clone()) {
                Ok(sink) => {
                    let sink = Arc::new(sink);
                    sinks.add(sink.clone());
                    Self {
                        track,
                        queue,
                        sink: Some(sink),
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the stream of track {} is empty", track.id());
                    queue.close();
                    Self {
                        track,
                        queue,
                        sink: None,
                    }
                }
            }
        }

        /// The track that is heard.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// Stops hearing. What was not taken is lost.
        pub fn close(&mut self) {
            if let (Some(sinks), Some(sink)) = (self.track.sinks(), self.sink.take()) {
                sinks.remove(&sink);
            }
            self.queue.close();
            self.queue.clear();
        }
    }

    impl Drop for NativeAudioStream {
        fn drop(&mut self) {
            self.close();
        }
    }

    impl Stream for NativeAudioStream {
        type Item = AudioFrame<'static>;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.queue.poll_next(context)
        }
    }

    impl fmt::Debug for NativeAudioStream {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter
                .debug_struct("NativeAudioStream")
                .field("track", &self.track)
                .finish_non_exhaustive()
        }
    }

    const QUEUE_FRAMES: usize = 10;
}
