//! Audio as it comes in.

/// What recognisers and the voice gate are fed: 16 kHz, one channel.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Positions in a track are counted in samples, so that no rounding adds up.
pub(crate) const SAMPLES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1000;

/// A stretch of PCM, borrowed from whoever received it.
///
/// Frames carry no time: a track's clock is the count of its samples, so what was lost on the way has to arrive
/// as silence.
#[derive(Debug, Clone, Copy)]
pub struct AudioFrame<'a> {
    /// Interleaved where there are several channels.
    pub samples: &'a [i16],
    /// Samples per second and channel.
    pub sample_rate_hz: u32,
    /// 1 or more.
    pub channels: u16,
}
