//! Between any rate and those that Opus knows.
//!
//! A windowed sinc, tabulated at a number of places between two samples and interpolated between these. Which samples an
//! output lies between is counted in whole numbers, so that hours of it drift by nothing.

use std::{f64::consts::PI, ops::RangeInclusive};

use crate::RtcError;

/// The way from one rate to another.
pub(crate) struct Resampler {
    from: u64,
    to: u64,
    channels: usize,
    // How many samples of a channel each output is made of.
    taps: usize,
    // For each place between two samples, the weights of those around it.
    weights: Vec<f32>,
    // Samples that outputs to come are made of, channels interleaved.
    history: Vec<f32>,
    // Where the next output lies behind the first sample of the history, in parts of a sample: `to` are a whole one.
    position: u64,
}

impl Resampler {
    pub(crate) fn new(from: u32, to: u32, channels: usize) -> Self {
        // What the slower of the two rates cannot carry must not pass, or it would come out as another tone.
        let stretch = (f64::from(from) / f64::from(to)).max(1.0);
        let taps = (TAPS as f64 * stretch / 2.0).ceil() as usize * 2;
        Self {
            from: u64::from(from),
            to: u64::from(to),
            channels,
            taps,
            weights: weights(taps, PASS / stretch),
            // Nothing was there before the first sample.
            history: vec![0.0; (taps / 2 - 1) * channels],
            position: 0,
        }
    }

    /// How many samples may come in so that at most so many come out; both of all channels.
    pub(crate) fn fitting(&self, room: usize) -> usize {
        let outputs = (room / self.channels).saturating_sub(1) as u64;
        (outputs * self.from / self.to) as usize * self.channels
    }

    /// Takes samples, and hands out those that can be made by now.
    pub(crate) fn push(&mut self, samples: &[i16], mut hand_out: impl FnMut(i16)) {
        self.history
            .extend(samples.iter().map(|sample| f32::from(*sample)));
        loop {
            let first = (self.position / self.to) as usize * self.channels;
            let Some(window) = self.history.get(first..first + self.taps * self.channels) else {
                self.forget(first);
                return;
            };
            let place = (self.position % self.to) as f32 / self.to as f32 * PLACES as f32;
            let row = place as usize * self.taps;
            let (low, high) = (
                &self.weights[row..row + self.taps],
                &self.weights[row + self.taps..],
            );
            let share = place.fract();
            for channel in 0..self.channels {
                let samples = window[channel..].iter().step_by(self.channels);
                let sum: f32 = samples
                    .zip(low.iter().zip(high))
                    .map(|(sample, (low, high))| sample * (low + (high - low) * share))
                    .sum();
                hand_out(sum.round() as i16);
            }
            self.position += self.from;
        }
    }

    fn forget(&mut self, samples: usize) {
        let samples = samples.min(self.history.len());
        self.history.drain(..samples);
        self.position -= (samples / self.channels) as u64 * self.to;
    }
}

/// Refuses audio that has no counterpart in Opus.
pub(crate) fn check(sample_rate: u32, channels: u32) -> Result<(), RtcError> {
    if RATES_HZ.contains(&sample_rate) && (1..=2).contains(&channels) {
        return Ok(());
    }
    Err(RtcError::unsupported(format!(
        "audio has {} to {} Hz and one or two channels here, not {sample_rate} Hz and {channels}",
        RATES_HZ.start(),
        RATES_HZ.end()
    )))
}

/// The rate that goes with one in Opus: the next that it knows, or its highest.
pub(crate) fn opus_rate(sample_rate: u32) -> u32 {
    let next = OPUS_RATES_HZ.into_iter().find(|rate| *rate >= sample_rate);
    next.unwrap_or(48_000)
}

/// For each place between two samples (and the next one, to interpolate towards) the weights of the samples around it.
fn weights(taps: usize, pass: f64) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    let mut weights = Vec::with_capacity((PLACES + 1) * taps);
    for place in 0..=PLACES {
        let middle = half - 1.0 + place as f64 / PLACES as f64;
        let row: Vec<f64> = (0..taps)
            .map(|tap| weight(tap as f64 - middle, half, pass))
            .collect();
        let sum: f64 = row.iter().sum();
        weights.extend(row.iter().map(|weight| (weight / sum) as f32));
    }
    weights
}

/// A sinc that passes frequencies up to a share of half the rate, in a Blackman window.
fn weight(distance: f64, half: f64, pass: f64) -> f64 {
    if distance.abs() >= half {
        return 0.0;
    }
    let angle = PI * distance * pass;
    let sinc = if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    };
    let turn = PI * distance / half;
    sinc * (0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
}

/// The rates that audio may have outside of Opus, in Hz.
const RATES_HZ: RangeInclusive<u32> = 8_000..=192_000;

/// The rates Opus knows, in Hz.
const OPUS_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// How many samples an output is made of, where the rate goes up.
const TAPS: usize = 48;

/// Up to which share of what the slower rate can carry frequencies pass.
const PASS: f64 = 0.92;

/// At how many places between two samples the weights are tabulated.
const PLACES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|index| {
                let turn = (index as f64 * hz / f64::from(rate)).fract() * 2.0 * PI;
                (turn.sin() * 10_000.0) as i16
            })
            .collect()
    }

    fn resample(from: u32, to: u32, samples: &[i16], piece: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to, 1);
        let mut out = Vec::new();
        for piece in samples.chunks(piece) {
            resampler.push(piece, |sample| out.push(sample));
        }
        out
    }

    fn loudness(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (energy / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_height_its_length_and_its_loudness() {
        for (from, to) in [
            (44_100, 48_000),
            (32_000, 48_000),
            (22_050, 24_000),
            (11_025, 12_000),
            (96_000, 48_000),
        ] {
            let out = resample(from, to, &tone(1000.0, from, from as usize * 2), 441);
            let missing = to as usize * 2 - out.len();
            assert!(missing <= 40, "{from} Hz: {missing} samples are not out yet");
            let second = &out[to as usize / 2..to as usize * 3 / 2];
            let risings = second
                .windows(2)
                .filter(|pair| pair[0] < 0 && pair[1] >= 0)
                .count();
            assert!((999..=1001).contains(&risings), "{from} Hz: {risings} risings");
            let share = loudness(second) / (10_000.0 / 2.0_f64.sqrt());
            assert!((0.99..1.01).contains(&share), "{from} Hz: {share} as loud");
            // What is left beside the tone itself.
            let expected = tone(1000.0, to, second.len() * 2);
            let error = (0..to as usize / 1000)
                .map(|shift| {
                    let pairs = second.iter().zip(&expected[shift..]);
                    loudness(&pairs.map(|(one, other)| one - other).collect::<Vec<_>>())
                })
                .fold(f64::MAX, f64::min);
            assert!(error < 700.0, "{from} Hz: off by {error}");
        }
    }

    #[test]
    fn what_the_slower_rate_cannot_carry_does_not_pass() {
        let out = resample(96_000, 48_000, &tone(30_000.0, 96_000, 96_000), 960);
        let left = loudness(&out[1000..]) / loudness(&tone(30_000.0, 96_000, 96_000));
        assert!(left < 0.001, "{left} of it is left");
    }

    #[test]
    fn pieces_change_nothing() {
        let samples = tone(440.0, 44_100, 20_000);
        let whole = resample(44_100, 48_000, &samples, samples.len());
        assert_eq!(resample(44_100, 48_000, &samples, 1), whole);
        assert_eq!(resample(44_100, 48_000, &samples, 441), whole);
    }

    #[test]
    fn channels_stay_apart() {
        let left = tone(500.0, 44_100, 10_000);
        let both: Vec<i16> = left.iter().flat_map(|sample| [*sample, 0]).collect();
        let mut resampler = Resampler::new(44_100, 48_000, 2);
        let mut out = Vec::new();
        resampler.push(&both, |sample| out.push(sample));
        assert!(out.iter().skip(1).step_by(2).all(|sample| *sample == 0));
        let heard: Vec<i16> = out.into_iter().step_by(2).collect();
        assert_eq!(heard, resample(44_100, 48_000, &left, 10_000));
    }

    #[test]
    fn no_more_comes_out_than_there_is_room_for() {
        let mut resampler = Resampler::new(44_100, 48_000, 2);
        let samples = vec![1000; 4000];
        for room in [2, 3, 100, 960, 1920] {
            let fitting = resampler.fitting(room);
            let mut count = 0;
            resampler.push(&samples[..fitting], |_| count += 1);
            assert!(count <= room, "{count} in a room of {room}");
        }
    }
}
