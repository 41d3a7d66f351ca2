//! PCM as it is handed out and taken in.

use std::borrow::Cow;

/// Interleaved 16-bit PCM.
#[derive(Debug, Clone)]
pub struct AudioFrame<'a> {
    /// The samples, channels interleaved.
    pub data: Cow<'a, [i16]>,
    /// Samples per second and channel, in Hz.
    pub sample_rate: u32,
    /// How many channels are interleaved.
    pub num_channels: u32,
    /// How many samples each channel has.
    pub samples_per_channel: u32,
}

impl AudioFrame<'_> {
    /// A frame of silence.
    pub fn new(sample_rate: u32, num_channels: u32, samples_per_channel: u32) -> Self {
        let samples = vec![0; (num_channels * samples_per_channel) as usize];
        Self {
            data: samples.into(),
            sample_rate,
            num_channels,
            samples_per_channel,
        }
    }
}
