//! Numbered bursts of sound: two tones at once say which of 256 numbers it is.

use std::{
    f64::consts::TAU,
    sync::{Arc, OnceLock},
};

use opus::{Application, Bitrate, Channels, Encoder};

/// A burst's length.
pub(crate) const BURST_MS: u64 = 200;
/// What a packet of Opus holds.
pub(crate) const PACKET_MS: u64 = 20;

/// Encoded bursts. Every publisher plays the same ones, so that each is encoded once.
pub(crate) struct Packets {
    numbers: Vec<OnceLock<Vec<Arc<[u8]>>>>,
    silence: Arc<[u8]>,
}

impl Packets {
    pub(crate) fn new() -> Self {
        let samples = vec![0; SPEAKER_HZ / 5];
        let silence = encode(&samples).pop().expect("200 ms are ten packets");
        Self {
            numbers: (0..=u8::MAX).map(|_| OnceLock::new()).collect(),
            silence,
        }
    }

    /// 20 ms without sound.
    pub(crate) fn silence(&self) -> Arc<[u8]> {
        Arc::clone(&self.silence)
    }

    /// A burst between a little silence and as much as it takes to fade in the codec.
    pub(crate) fn of(&self, number: u8) -> &[Arc<[u8]>] {
        self.numbers[usize::from(number)].get_or_init(|| {
            let millis = |millis: u64| SPEAKER_HZ / 1000 * millis as usize;
            let mut samples = vec![0; millis(lead_ms(number)) - CODEC_DELAY_SAMPLES];
            samples.extend(burst(number));
            samples.resize(millis(TOTAL_MS), 0);
            encode(&samples)
        })
    }
}

/// The packets of [`Packets::of`] that hold a burst's first and last sound.
pub(crate) fn packets_with_sound(number: u8) -> std::ops::RangeInclusive<u64> {
    let lead = lead_ms(number);
    lead / PACKET_MS..=(lead + BURST_MS - 1) / PACKET_MS
}

/// Nobody speaks in step with packets: each number has a place of its own between their borders.
fn lead_ms(number: u8) -> u64 {
    100 + u64::from(number) % PACKET_MS
}

/// The number that a burst of 16 kHz samples stands for, if it is one of ours.
pub(crate) fn number_of(samples: &[i16]) -> Option<u8> {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let loudest = |tones: fn(u8) -> f64| {
        (0..16)
            .map(|index| (index, power(samples, tones(index))))
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .expect("there are sixteen")
    };
    let ((low, low_power), (high, high_power)) = (loudest(low_hz), loudest(high_hz));
    // Two clean tones have nearly all of the energy between them.
    let explained = 2.0 * (low_power + high_power) / (samples.len() as f64 * energy);
    (explained > 0.5).then_some(low << 4 | high)
}

fn burst(number: u8) -> impl Iterator<Item = i16> {
    let length = SPEAKER_HZ / 1000 * BURST_MS as usize;
    let edge = SPEAKER_HZ as f64 * EDGE_SECONDS;
    (0..length).map(move |index| {
        let seconds = index as f64 / SPEAKER_HZ as f64;
        let fade = (index.min(length - index) as f64 / edge).min(1.0);
        let tone = |hz: f64| (TAU * hz * seconds).sin();
        (AMPLITUDE * fade * (tone(low_hz(number >> 4)) + tone(high_hz(number & 15)))) as i16
    })
}

/// Goertzel's algorithm: how much of one frequency there is.
fn power(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / LISTENER_HZ).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + coefficient * last - before, last);
    }
    last * last + before * before - coefficient * last * before
}

/// As a browser encodes speech: full band, 32 kbit/s.
fn encode(samples: &[i16]) -> Vec<Arc<[u8]>> {
    let mut encoder =
        Encoder::new(SPEAKER_HZ as u32, Channels::Mono, Application::Voip).expect("Opus knows 48 kHz");
    encoder.set_bitrate(Bitrate::Bits(32_000)).expect("a usual rate");
    samples
        .chunks_exact(SPEAKER_HZ / 1000 * PACKET_MS as usize)
        .map(|packet| {
            encoder
                .encode_vec(packet, 1275)
                .expect("20 ms can be encoded")
                .into()
        })
        .collect()
}

fn low_hz(index: u8) -> f64 {
    500.0 + 50.0 * f64::from(index)
}

fn high_hz(index: u8) -> f64 {
    1450.0 + 60.0 * f64::from(index)
}

const SPEAKER_HZ: usize = 48_000;
const LISTENER_HZ: f64 = 16_000.0;
const AMPLITUDE: f64 = 6_000.0;
const EDGE_SECONDS: f64 = 0.004;
/// With what comes before and after.
const TOTAL_MS: u64 = 500;
/// What the encoder looks ahead at 48 kHz: sound comes out this much later than it went in.
const CODEC_DELAY_SAMPLES: usize = 312;
