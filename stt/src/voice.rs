//! Whether someone speaks, decided by loudness over the room's own noise.
//!
//! Not `webrtc-vad`, which the worker's gate has used already when audio comes here: this one has only to find
//! the pauses, must be a plain value that moves between threads and replays to the same result, and needs no C.

use std::collections::VecDeque;

use crate::resample::RECOGNISER_HZ;

/// Length of a frame that is judged.
pub(crate) const FRAME_MS: u32 = 20;
/// Samples of such a frame.
pub(crate) const FRAME_SAMPLES: usize = (RECOGNISER_HZ * FRAME_MS / 1_000) as usize;

/// Frames whose loudness is averaged.
const SMOOTHED_FRAMES: usize = 3;
/// Frames of a block, of which the quietest moment is kept.
const BLOCK_FRAMES: usize = 25;
/// Blocks in which the noise's level is looked for: 3 s.
const BLOCKS: usize = 6;
/// How much louder than the noise speech is.
const MARGIN_DB: f32 = 9.0;
/// Noise is taken for no quieter than this (in dB of one unit of a sample), so that digital silence has a margin.
const FLOOR_DB_MIN: f32 = 20.0;
/// Noise is taken for no louder than this until it was heard for some time: streams may begin within a word.
const FLOOR_DB_MAX_AT_FIRST: f32 = 35.0;
/// Noise is never taken for louder than this: it would swallow speech.
const FLOOR_DB_MAX: f32 = 55.0;

/// Follows one stream's loudness.
#[derive(Debug, Clone, Default)]
pub(crate) struct VoiceDetector {
    recent: VecDeque<f32>,
    quietest: VecDeque<f32>,
    block_frames: usize,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// Somebody's voice, or something as loud.
    Speech,
    /// Less than that.
    Quiet,
}

impl VoiceDetector {
    /// Judges the next frame.
    pub(crate) fn hear(&mut self, frame: &[i16]) -> Sound {
        if self.recent.len() == SMOOTHED_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(level_db(frame));
        let level = self.recent.iter().sum::<f32>() / self.recent.len() as f32;
        self.note(level);
        if level > self.floor_db() + MARGIN_DB {
            Sound::Speech
        } else {
            Sound::Quiet
        }
    }

    fn note(&mut self, level: f32) {
        if self.quietest.is_empty() || self.block_frames == BLOCK_FRAMES {
            self.quietest.push_back(level);
            self.block_frames = 0;
        }
        if self.quietest.len() > BLOCKS {
            self.quietest.pop_front();
        }
        self.block_frames += 1;
        if let Some(quietest) = self.quietest.back_mut() {
            *quietest = quietest.min(level);
        }
    }

    fn floor_db(&self) -> f32 {
        let highest = if self.quietest.len() < BLOCKS {
            FLOOR_DB_MAX_AT_FIRST
        } else {
            FLOOR_DB_MAX
        };
        let quietest = self.quietest.iter().copied().fold(f32::INFINITY, f32::min);
        quietest.clamp(FLOOR_DB_MIN, highest)
    }
}

/// Loudness without the microphone's constant offset.
fn level_db(frame: &[i16]) -> f32 {
    if frame.is_empty() {
        return 0.0;
    }
    let count = frame.len() as f32;
    let mean = frame.iter().map(|sample| f32::from(*sample)).sum::<f32>() / count;
    let power = frame
        .iter()
        .map(|sample| (f32::from(*sample) - mean).powi(2))
        .sum::<f32>()
        / count;
    10.0 * (power + 1.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a given amplitude from a fixed generator.
    fn noise(amplitude: f32, frames: usize) -> Vec<Vec<i16>> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as f32 / 32_768.0 - 1.0) * amplitude
        };
        (0..frames)
            .map(|_| (0..FRAME_SAMPLES).map(|_| next() as i16).collect())
            .collect()
    }

    fn spoken(detector: &mut VoiceDetector, frames: &[Vec<i16>]) -> usize {
        frames
            .iter()
            .filter(|frame| detector.hear(frame) == Sound::Speech)
            .count()
    }

    #[test]
    fn silence_is_quiet_and_a_voice_is_not() {
        let mut detector = VoiceDetector::default();
        assert_eq!(spoken(&mut detector, &noise(0.0, 100)), 0);
        assert!(spoken(&mut detector, &noise(3_000.0, 50)) >= 49);
        assert!(spoken(&mut detector, &noise(0.0, 50)) <= SMOOTHED_FRAMES);
    }

    #[test]
    fn a_stream_may_begin_with_a_voice() {
        assert_eq!(spoken(&mut VoiceDetector::default(), &noise(3_000.0, 50)), 50);
    }

    #[test]
    fn steady_noise_is_no_voice_for_long() {
        let mut detector = VoiceDetector::default();
        spoken(&mut detector, &noise(400.0, 200));
        assert_eq!(spoken(&mut detector, &noise(400.0, 100)), 0);
        assert!(spoken(&mut detector, &noise(4_000.0, 50)) >= 45);
    }

    #[test]
    fn a_constant_offset_is_silence() {
        let offset = vec![vec![9_000_i16; FRAME_SAMPLES]; 50];
        assert_eq!(spoken(&mut VoiceDetector::default(), &offset), 0);
    }
}
