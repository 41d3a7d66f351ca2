//! What the recogniser makes of the audio it is sent. No clock, no socket: samples in, words out.

use serde::{Deserialize, Serialize};

use crate::tone::number_of;

/// One connection's hearing.
pub(crate) struct Ear {
    endpointing_frames: u64,
    /// Bytes that make no frame yet.
    partial: Vec<u8>,
    /// Frames heard so far.
    position: u64,
    /// Where the last results ended.
    results_until: u64,
    sound: Option<Sound>,
    /// Where the last sound ended, until [`Heard::UtteranceEnd`] says so.
    utterance_end: Option<u64>,
    silence: SilenceCount,
}

/// What there is to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// Words that may still change.
    Interim(Words),
    /// Words that are sure.
    Final(Words),
    /// Nobody has spoken for a second; when the last word ended, in seconds.
    UtteranceEnd(f64),
}

/// A burst, in seconds of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Words {
    /// Nothing where the sound was none of ours, or too short.
    pub(crate) number: Option<u8>,
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// What the results cover.
    pub(crate) results: (f64, f64),
}

/// What a connection was sent, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Silence {
    pub(crate) sent_ms: u64,
    /// Silence beyond what a recogniser needs before and after each utterance.
    pub(crate) beyond_ms: u64,
}

/// A sound that is heard, or has just ended.
struct Sound {
    start: u64,
    samples: Vec<i16>,
    silent_frames: u64,
    is_announced: bool,
}

#[derive(Default)]
struct SilenceCount {
    run: u64,
    beyond: u64,
    has_heard: bool,
}

impl Ear {
    pub(crate) fn new(endpointing_ms: u64) -> Self {
        Self {
            endpointing_frames: endpointing_ms.div_ceil(FRAME_MS),
            partial: Vec::new(),
            position: 0,
            results_until: 0,
            sound: None,
            utterance_end: None,
            silence: SilenceCount::default(),
        }
    }

    /// Takes 16-bit samples at 16 kHz.
    pub(crate) fn listen(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.partial.extend_from_slice(bytes);
        let whole = self.partial.len() / FRAME_BYTES * FRAME_BYTES;
        let frames: Vec<u8> = self.partial.drain(..whole).collect();
        let mut heard = Vec::new();
        for frame in frames.chunks_exact(FRAME_BYTES) {
            let samples: Vec<i16> = frame
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            heard.extend(self.frame(&samples));
        }
        heard
    }

    /// Ends the sound that is being heard, if any.
    pub(crate) fn finalize(&mut self) -> Option<Words> {
        let sound = self.sound.take()?;
        let words = self.words(&sound);
        self.results_until = self.position;
        self.utterance_end = Some(sound.start + sound.frames());
        Some(words)
    }

    /// What results cover that say nothing, in seconds.
    pub(crate) fn nothing(&mut self) -> (f64, f64) {
        let covered = (seconds(self.results_until), seconds(self.position));
        self.results_until = self.position;
        covered
    }

    /// What was sent so far.
    pub(crate) fn silence(&self) -> Silence {
        let last = self.silence.run.saturating_sub(self.hangover_frames());
        let last = if self.silence.has_heard {
            last
        } else {
            self.silence.run
        };
        Silence {
            sent_ms: self.position * FRAME_MS,
            beyond_ms: (self.silence.beyond + last) * FRAME_MS,
        }
    }

    fn frame(&mut self, samples: &[i16]) -> Option<Heard> {
        self.position += 1;
        match is_loud(samples) {
            true => self.loud_frame(samples),
            false => self.silent_frame(),
        }
    }

    fn loud_frame(&mut self, samples: &[i16]) -> Option<Heard> {
        let allowed = match self.silence.has_heard {
            true => PRE_ROLL_FRAMES + self.hangover_frames(),
            false => PRE_ROLL_FRAMES,
        };
        self.silence.beyond += self.silence.run.saturating_sub(allowed);
        (self.silence.run, self.silence.has_heard) = (0, true);
        let sound = self.sound.get_or_insert_with(|| Sound {
            start: self.position - 1,
            samples: Vec::new(),
            silent_frames: 0,
            is_announced: false,
        });
        sound.silent_frames = 0;
        sound.samples.extend_from_slice(samples);
        if sound.is_announced || sound.frames() * FRAME_MS < INTERIM_MS {
            return None;
        }
        sound.is_announced = true;
        let sound = self.sound.take()?;
        let words = self.words(&sound);
        self.sound = Some(sound);
        Some(Heard::Interim(words))
    }

    fn silent_frame(&mut self) -> Option<Heard> {
        self.silence.run += 1;
        if let Some(sound) = &mut self.sound {
            sound.silent_frames += 1;
            if sound.silent_frames < self.endpointing_frames {
                return None;
            }
            return self.finalize().map(Heard::Final);
        }
        let end = self.utterance_end?;
        if (self.position - end) * FRAME_MS < UTTERANCE_END_MS {
            return None;
        }
        self.utterance_end = None;
        Some(Heard::UtteranceEnd(seconds(end)))
    }

    fn words(&self, sound: &Sound) -> Words {
        Words {
            number: number_of(&sound.samples),
            start: seconds(sound.start),
            end: seconds(sound.start + sound.frames()),
            results: (seconds(self.results_until), seconds(self.position)),
        }
    }

    fn hangover_frames(&self) -> u64 {
        self.endpointing_frames + HANGOVER_MARGIN_FRAMES
    }
}

impl Sound {
    fn frames(&self) -> u64 {
        (self.samples.len() / FRAME_SAMPLES) as u64
    }
}

fn is_loud(samples: &[i16]) -> bool {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    energy / samples.len() as f64 > LOUD_RMS * LOUD_RMS
}

fn seconds(frames: u64) -> f64 {
    (frames * FRAME_MS) as f64 / 1000.0
}

/// How much of a burst is heard before an interim tells of it.
pub(crate) const INTERIM_MS: u64 = 100;
const UTTERANCE_END_MS: u64 = 1000;
/// Short, as it is how late the recogniser is by itself.
const FRAME_MS: u64 = 5;
const FRAME_SAMPLES: usize = 80;
const FRAME_BYTES: usize = 2 * FRAME_SAMPLES;
const LOUD_RMS: f64 = 900.0;
/// What may be sent before an utterance, and after it beyond the endpointing: 300 and 200 ms.
const PRE_ROLL_FRAMES: u64 = 300 / FRAME_MS;
const HANGOVER_MARGIN_FRAMES: u64 = 200 / FRAME_MS;
