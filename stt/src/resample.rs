//! Any sample rate to the recogniser's 16 kHz, sample by sample, so that the size of frames changes nothing.

use std::f64::consts::PI;

/// The rate that recognisers take.
pub(crate) const RECOGNISER_HZ: u32 = 16_000;
/// Zero crossings of the filter on each side, counted at the slower of the two rates.
const ZERO_CROSSINGS: usize = 16;
/// Positions between two input samples for which the filter is computed; others are interpolated.
const PHASES: usize = 256;
/// The filter's pass band, as a share of the slower rate's.
const PASS_BAND: f64 = 0.92;

/// A streaming windowed-sinc resampler for one channel.
#[derive(Debug, Clone)]
pub(crate) struct Resampler {
    rate_hz: u32,
    half: usize,
    /// `PHASES + 1` filters of `2 * half` coefficients each.
    filters: Vec<f32>,
    /// Input that outputs still need; its first sample has the number `first`.
    input: Vec<f32>,
    first: u64,
    /// Number of the next output sample.
    next: u64,
}

impl Resampler {
    /// A resampler from `rate_hz`; from 16 kHz it hands samples through.
    pub(crate) fn new(rate_hz: u32) -> Self {
        let ratio = f64::from(rate_hz) / f64::from(RECOGNISER_HZ);
        let half = if rate_hz == RECOGNISER_HZ {
            0
        } else {
            (ZERO_CROSSINGS as f64 * ratio.max(1.0)).ceil() as usize
        };
        let filters = (0..=PHASES)
            .flat_map(|phase| filter(phase, half, ratio))
            .collect();
        // Silence before the first sample, so that it has a left side as all others do.
        Self {
            rate_hz,
            half,
            filters,
            input: vec![0.0; half],
            first: 0,
            next: 0,
        }
    }

    /// Takes samples and appends what they suffice for.
    pub(crate) fn push(&mut self, samples: &[i16], output: &mut Vec<i16>) {
        if self.half == 0 {
            output.extend_from_slice(samples);
            return;
        }
        self.input.extend(samples.iter().map(|sample| f32::from(*sample)));
        while let Some(sample) = self.pull() {
            output.push(sample);
        }
        self.forget();
    }

    /// Appends what the last samples still hold back: a millisecond or two.
    pub(crate) fn flush(&mut self, output: &mut Vec<i16>) {
        let silence = vec![0; self.half];
        self.push(&silence, output);
    }

    fn pull(&mut self) -> Option<i16> {
        let rate = u64::from(self.rate_hz);
        let at = self.next * rate;
        // `input` begins `half` samples before the sample numbered `first`: the filter's left side.
        let centre = (at / u64::from(RECOGNISER_HZ) - self.first) as usize;
        let window = self.input.get(centre + 1..centre + 1 + 2 * self.half)?;
        let phase = (at % u64::from(RECOGNISER_HZ)) as f32 / RECOGNISER_HZ as f32 * PHASES as f32;
        let (index, share) = (phase as usize, phase.fract());
        let width = 2 * self.half;
        let (left, right) = (
            &self.filters[index * width..][..width],
            &self.filters[(index + 1).min(PHASES) * width..][..width],
        );
        let sum: f32 = window
            .iter()
            .zip(left.iter().zip(right))
            .map(|(sample, (left, right))| sample * (left + share * (right - left)))
            .sum();
        self.next += 1;
        Some(sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16)
    }

    fn forget(&mut self) {
        let needed = self.next * u64::from(self.rate_hz) / u64::from(RECOGNISER_HZ);
        let unneeded = ((needed - self.first) as usize).min(self.input.len());
        self.input.drain(..unneeded);
        self.first += unneeded as u64;
    }
}

/// The filter for an output that lies `phase / PHASES` after an input sample; its coefficients sum to 1.
fn filter(phase: usize, half: usize, ratio: f64) -> Vec<f32> {
    let shift = phase as f64 / PHASES as f64;
    let cutoff = PASS_BAND / ratio.max(1.0);
    let coefficients: Vec<f64> = (0..2 * half)
        .map(|tap| {
            let distance = tap as f64 - (half as f64 - 1.0) - shift;
            sinc(distance * cutoff) * window(distance / half as f64)
        })
        .collect();
    let sum: f64 = coefficients.iter().sum();
    coefficients
        .into_iter()
        .map(|coefficient| (coefficient / sum) as f32)
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Blackman's window over -1 to 1.
fn window(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        0.0
    } else {
        0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(hz: f64, rate_hz: u32, seconds: f64) -> Vec<i16> {
        let count = (f64::from(rate_hz) * seconds) as usize;
        (0..count)
            .map(|n| (10_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate_hz)).sin()) as i16)
            .collect()
    }

    fn resampled(samples: &[i16], rate_hz: u32, frame: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(rate_hz);
        let mut output = Vec::new();
        for part in samples.chunks(frame.max(1)) {
            resampler.push(part, &mut output);
        }
        resampler.flush(&mut output);
        output
    }

    #[test]
    fn a_tone_keeps_its_pitch_phase_and_level() {
        for rate_hz in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            let output = resampled(&tone(440.0, rate_hz, 0.5), rate_hz, 480);
            let expected = tone(440.0, RECOGNISER_HZ, 0.5);
            assert!(
                output.len().abs_diff(expected.len()) <= 2,
                "{rate_hz}: {}",
                output.len()
            );
            let edge = 200;
            for (n, (a, b)) in output.iter().zip(&expected).enumerate().skip(edge).take(7_600) {
                assert!(a.abs_diff(*b) < 60, "{rate_hz} Hz, sample {n}: {a} for {b}");
            }
        }
    }

    #[test]
    fn what_16_khz_cant_hold_is_filtered_out() {
        for hz in [9_500.0, 12_000.0, 20_000.0] {
            let output = resampled(&tone(hz, 48_000, 0.5), 48_000, 480);
            let loudest = output
                .iter()
                .skip(200)
                .take(7_600)
                .map(|sample| sample.unsigned_abs())
                .max();
            assert!(loudest < Some(100), "{hz} Hz: {loudest:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn frame_size_changes_nothing(frame in 1_usize..2_000, rate_hz in 8_000_u32..=48_000) {
            let samples = tone(300.0, rate_hz, 0.1);
            prop_assert_eq!(resampled(&samples, rate_hz, frame), resampled(&samples, rate_hz, 160));
        }
    }
}
