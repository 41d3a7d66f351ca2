//! Where local audio comes from.

/// The rate of a sound card, if there were one, in Hz.
pub const DEFAULT_SAMPLE_RATE: u32 = 48_000;

/// The channels of a sound card, if there were one.
pub const DEFAULT_NUM_CHANNELS: u32 = 1;

/// What should be done to the audio before it is sent. Kept and given back; nothing is done.
#[derive(Default, Debug)]
pub struct AudioSourceOptions {
    /// Cancel echoes.
    pub echo_cancellation: bool,
    /// Suppress noise.
    pub noise_suppression: bool,
    /// Level loudness.
    pub auto_gain_control: bool,
}

/// Where local audio comes from.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcAudioSource {
    /// Frames that the application captures.
    Native(native::NativeAudioSource),
    /// A sound card, which this crate does not have: tracks of it are refused.
    Device,
}

impl RtcAudioSource {
    /// Sets what should be done to the audio.
    pub fn set_audio_options(&self, options: AudioSourceOptions) {
        if let Self::Native(source) = self {
            source.set_audio_options(options);
        }
    }

    /// What should be done to the audio.
    pub fn audio_options(&self) -> AudioSourceOptions {
        match self {
            Self::Native(source) => source.audio_options(),
            Self::Device => AudioSourceOptions::default(),
        }
    }

    /// Samples per second and channel, in Hz.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Self::Native(source) => source.sample_rate(),
            Self::Device => DEFAULT_SAMPLE_RATE,
        }
    }

    /// How many channels there are.
    pub fn num_channels(&self) -> u32 {
        match self {
            Self::Native(source) => source.num_channels(),
            Self::Device => DEFAULT_NUM_CHANNELS,
        }
    }
}

/// Sources that the application feeds.
pub mod native {
    use std::{fmt, sync::Arc};

    use parking_lot::Mutex;

    use super::AudioSourceOptions;
    use crate::{RtcError, audio_frame::AudioFrame, sending::feed::Feed};

    /// 20 ms of Opus that was encoded elsewhere.
    #[derive(Debug, Clone)]
    pub struct EncodedPacket {
        /// Which 20 ms of the track these are, counted from any beginning.
        pub position: u32,
        /// The packet.
        pub payload: Arc<[u8]>,
        /// By how many decibels it is quieter than full scale, 0 to 127.
        pub level: u8,
    }

    /// A source that the application feeds with frames. Clones are the same source.
    #[derive(Clone)]
    pub struct NativeAudioSource {
        feed: Arc<Feed>,
        options: Arc<Mutex<AudioSourceOptions>>,
    }

    impl NativeAudioSource {
        /// A source of a rate from 8 to 192 kHz and one or two channels; frames of any other are refused when they are
        /// captured. Rates that Opus does not know (44.1 kHz, say) are resampled to the next one that it does.
        ///
        /// `queue_size_ms` is how much may wait to be sent. With 0, frames must be 10 ms long and go out at once.
        pub fn new(
            options: AudioSourceOptions,
            sample_rate: u32,
            num_channels: u32,
            queue_size_ms: u32,
        ) -> Self {
            let feed = Feed::new(sample_rate, num_channels, queue_size_ms);
            Self {
                feed: Arc::new(feed),
                options: Arc::new(Mutex::new(options)),
            }
        }

        /// Forgets what waits to be sent.
        pub fn clear_buffer(&self) {
            self.feed.clear();
        }

        /// Takes a frame, and waits until there is room for it.
        pub async fn capture_frame(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
            self.feed.capture(frame).await
        }

        /// Sends a packet as it is and at once: whoever calls this keeps the pace. The original has no such method.
        ///
        /// Use this or [`Self::capture_frame`] with a source, not both.
        pub fn send_packet(&self, packet: EncodedPacket) {
            self.feed.push_packet(packet);
        }

        /// Sets what should be done to the audio. Nothing is done.
        pub fn set_audio_options(&self, options: AudioSourceOptions) {
            *self.options.lock() = options;
        }

        /// What should be done to the audio.
        pub fn audio_options(&self) -> AudioSourceOptions {
            let options = self.options.lock();
            AudioSourceOptions {
                echo_cancellation: options.echo_cancellation,
                noise_suppression: options.noise_suppression,
                auto_gain_control: options.auto_gain_control,
            }
        }

        /// Samples per second and channel, in Hz.
        pub fn sample_rate(&self) -> u32 {
            self.feed.sample_rate()
        }

        /// How many channels there are.
        pub fn num_channels(&self) -> u32 {
            self.feed.channels()
        }

        pub(crate) fn feed(&self) -> &Arc<Feed> {
            &self.feed
        }
    }

    impl fmt::Debug for NativeAudioSource {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter
                .debug_struct("NativeAudioSource")
                .field("sample_rate", &self.sample_rate())
                .field("num_channels", &self.num_channels())
                .finish()
        }
    }
}
