//! Any rate and number of channels to what recognisers take.

use rubato::{Fft, FixedSync, Indexing, Resampler as _, audioadapter_buffers::direct::InterleavedSlice};

use crate::{AudioFrame, SAMPLE_RATE_HZ};

/// Turns one stream of PCM into 16 kHz mono, without delay: the filter's own is cut off the front.
pub struct Resampler {
    source_rate_hz: u32,
    channels: u16,
    fft: Option<Fft<f32>>,
    /// Mono input that does not fill a chunk yet.
    waiting: Vec<f32>,
    chunk: Vec<f32>,
    /// Output frames still to be thrown away: the filter's delay.
    delay: usize,
    frames_in: u64,
    frames_out: u64,
}

impl Resampler {
    /// For a stream of this rate (8,000 to 192,000 Hz) and number of channels.
    pub fn new(source_rate_hz: u32, channels: u16) -> Self {
        let fft = (source_rate_hz != SAMPLE_RATE_HZ).then(|| {
            let chunk_frames = source_rate_hz as usize / 50;
            Fft::new(
                source_rate_hz as usize,
                SAMPLE_RATE_HZ as usize,
                chunk_frames,
                1,
                FixedSync::Both,
            )
            .expect("two rates above zero and one channel make a resampler")
        });
        let delay = fft.as_ref().map_or(0, |fft| fft.output_delay());
        let chunk = vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())];
        Self {
            source_rate_hz,
            channels,
            fft,
            waiting: Vec::new(),
            chunk,
            delay,
            frames_in: 0,
            frames_out: 0,
        }
    }

    /// Whether this resampler is for frames of that shape.
    pub fn fits(&self, frame: &AudioFrame<'_>) -> bool {
        frame.sample_rate_hz == self.source_rate_hz && frame.channels == self.channels
    }

    /// Takes interleaved samples and appends what is ready to `out`.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        let channels = usize::from(self.channels.max(1));
        let scale = 1.0 / (channels as f32 * 32768.0);
        let mono = samples
            .chunks_exact(channels)
            .map(|frame| frame.iter().map(|&sample| f32::from(sample)).sum::<f32>() * scale);
        self.frames_in += (samples.len() / channels) as u64;
        self.waiting.extend(mono);
        self.convert(out);
    }

    /// Brings out what the filter still holds: afterwards as much time has come out as went in.
    pub fn flush(&mut self, out: &mut Vec<i16>) {
        let due = self.frames_in * u64::from(SAMPLE_RATE_HZ) / u64::from(self.source_rate_hz);
        while self.frames_out < due {
            let missing = (due - self.frames_out) as usize;
            let before = out.len();
            // A chunk of silence pushes the tail out; what comes beyond the end is cut off again.
            let silence = self.fft.as_ref().map_or(missing, |fft| fft.input_frames_next());
            self.waiting.resize(self.waiting.len() + silence, 0.0);
            self.convert(out);
            let excess = (self.frames_out.saturating_sub(due)) as usize;
            out.truncate(out.len().saturating_sub(excess).max(before));
            self.frames_out -= excess as u64;
        }
        self.waiting.clear();
    }

    fn convert(&mut self, out: &mut Vec<i16>) {
        let Some(fft) = &mut self.fft else {
            self.frames_out += self.waiting.len() as u64;
            out.extend(self.waiting.drain(..).map(to_i16));
            return;
        };
        let mut used = 0;
        while self.waiting.len() - used >= fft.input_frames_next() {
            let frames = self.waiting.len() - used;
            let input = InterleavedSlice::new(&self.waiting[used..], 1, frames)
                .expect("the slice is as long as it is said to be");
            let capacity = self.chunk.len();
            let mut output = InterleavedSlice::new_mut(&mut self.chunk, 1, capacity)
                .expect("the slice is as long as it is said to be");
            let (read, written) = fft
                .process_into_buffer(&input, &mut output, None::<&Indexing>)
                .expect("input and output are as long as the resampler asks");
            used += read;
            let skipped = self.delay.min(written);
            self.delay -= skipped;
            self.frames_out += (written - skipped) as u64;
            out.extend(self.chunk[skipped..written].iter().copied().map(to_i16));
        }
        self.waiting.drain(..used);
    }
}

fn to_i16(sample: f32) -> i16 {
    // `as` saturates, so a peak that the filter overshot is clipped and does not wrap.
    (sample * 32768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, channels: u16, seconds: f64, hz: f64) -> Vec<i16> {
        let frames = (f64::from(rate_hz) * seconds) as usize;
        (0..frames)
            .flat_map(|n| {
                let phase = n as f64 * hz / f64::from(rate_hz) * std::f64::consts::TAU;
                vec![(phase.sin() * 12_000.0) as i16; usize::from(channels)]
            })
            .collect()
    }

    fn resampled(rate_hz: u32, channels: u16, samples: &[i16], piece: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(rate_hz, channels);
        let mut out = Vec::new();
        for piece in samples.chunks(piece * usize::from(channels)) {
            resampler.push(piece, &mut out);
        }
        resampler.flush(&mut out);
        out
    }

    #[test]
    fn tone_keeps_pitch_length_level_and_place() {
        for (rate_hz, channels) in [
            (8_000, 1),
            (11_025, 1),
            (22_050, 2),
            (44_100, 2),
            (48_000, 1),
            (96_000, 6),
        ] {
            let out = resampled(rate_hz, channels, &tone(rate_hz, channels, 2.0, 440.0), 441);
            assert!(
                out.len().abs_diff(32_000) <= 1,
                "{rate_hz} Hz gave {} samples",
                out.len()
            );
            let wanted = tone(SAMPLE_RATE_HZ, 1, 2.0, 440.0);
            let middle = 1_600..30_000;
            let worst = middle
                .map(|n| (i32::from(out[n]) - i32::from(wanted[n])).abs())
                .max()
                .unwrap_or(0);
            // One sample early or late at 440 Hz; rubato's delay is a whole number of samples.
            assert!(worst < 2_073, "{rate_hz} Hz is off by {worst} of 12000");
        }
    }

    #[test]
    fn size_of_pieces_changes_nothing() {
        let samples = tone(44_100, 2, 1.0, 300.0);
        assert_eq!(
            resampled(44_100, 2, &samples, 441),
            resampled(44_100, 2, &samples, 7)
        );
    }

    #[test]
    fn right_rate_passes_unchanged() {
        let samples = tone(SAMPLE_RATE_HZ, 1, 0.5, 1000.0);
        assert_eq!(resampled(SAMPLE_RATE_HZ, 1, &samples, 160), samples);
    }
}
