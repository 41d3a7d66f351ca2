//! The voice gate: what of a track is worth sending to a recogniser.

use std::{collections::VecDeque, time::Duration};

use crate::{SAMPLE_RATE_HZ, audio::SAMPLES_PER_MS};

/// How the gate decides.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// How much before the first voice is sent too, so that no first sound is cut.
    pub pre_roll: Duration,
    /// How much after the last voiced frame is sent too: a recogniser ends an utterance by hearing silence.
    pub hangover: Duration,
}

impl GateSettings {
    /// The gate for a recogniser that ends an utterance after `endpointing` of silence.
    pub fn for_endpointing(endpointing: Duration) -> Self {
        Self {
            pre_roll: PRE_ROLL,
            hangover: endpointing + HANGOVER_MARGIN,
        }
    }
}

/// One track's gate. Samples go in; what is to be sent comes out, with its position.
pub(crate) struct Gate {
    vad: VoiceDetector,
    pre_roll_frames: usize,
    hangover_frames: usize,
    /// Input that does not fill a frame yet.
    partial: Vec<i16>,
    /// Position of the next frame, in samples since the meeting began.
    position: u64,
    /// The latest frames while nobody speaks, oldest first.
    recent: VecDeque<Frame>,
    /// Frames without voice since the last with; `None` while the gate is shut.
    silent_frames: Option<usize>,
    /// Frames in a row that were taken for voice, up to the present one.
    voiced_frames: usize,
}

/// What the gate lets through.
#[derive(Debug, PartialEq)]
pub(crate) enum Passed<'a> {
    /// Send this.
    Audio {
        /// In samples since the meeting began.
        position: u64,
        /// 16 kHz mono.
        samples: &'a [i16],
    },
    /// The utterance is over, its trailing silence sent.
    Shut,
}

impl Gate {
    /// A shut gate; the first sample has this position.
    pub(crate) fn new(settings: &GateSettings, position: u64) -> Self {
        // The first voiced frame may begin with silence, which counts too.
        let pre_roll_frames = frames_in(settings.pre_roll).saturating_sub(1);
        Self {
            vad: VoiceDetector::new(),
            pre_roll_frames,
            hangover_frames: frames_in(settings.hangover),
            partial: Vec::with_capacity(FRAME_SAMPLES),
            position,
            recent: VecDeque::with_capacity(pre_roll_frames + TRIGGER_WINDOW),
            silent_frames: None,
            voiced_frames: 0,
        }
    }

    /// Takes the next samples; `pass` is called for everything to be sent, in order.
    pub(crate) fn push(&mut self, mut samples: &[i16], mut pass: impl FnMut(Passed<'_>)) {
        while !samples.is_empty() {
            let missing = FRAME_SAMPLES - self.partial.len();
            let (head, rest) = samples.split_at(missing.min(samples.len()));
            self.partial.extend_from_slice(head);
            samples = rest;
            if self.partial.len() == FRAME_SAMPLES {
                let mut frame = [0; FRAME_SAMPLES];
                frame.copy_from_slice(&self.partial);
                self.partial.clear();
                self.frame(&frame, &mut pass);
            }
        }
    }

    /// The track is over or has stalled: lets the open utterance end as if silence had followed.
    pub(crate) fn shut(&mut self, mut pass: impl FnMut(Passed<'_>)) {
        self.partial
            .resize(if self.partial.is_empty() { 0 } else { FRAME_SAMPLES }, 0);
        let rest = std::mem::take(&mut self.partial);
        let resume_at = self.position + rest.len() as u64;
        self.push(&rest, &mut pass);
        while self.silent_frames.is_some() {
            self.frame(&[0; FRAME_SAMPLES], &mut pass);
        }
        // The silence was made up: time goes on where the track stopped.
        self.position = resume_at;
        self.recent.clear();
    }

    /// Position of the next sample to come in.
    pub(crate) fn position(&self) -> u64 {
        self.position + self.partial.len() as u64
    }

    /// Skips time in which no samples came; only while shut.
    pub(crate) fn skip_to(&mut self, position: u64) {
        debug_assert!(
            self.silent_frames.is_none(),
            "an open gate has a continuous track"
        );
        self.recent.clear();
        self.partial.clear();
        self.position = position;
    }

    /// Whether an utterance is being let through.
    pub(crate) fn is_open(&self) -> bool {
        self.silent_frames.is_some()
    }

    /// How long there was no voice; [`Duration::MAX`] where no utterance is being let through.
    pub(crate) fn quiet_for(&self) -> Duration {
        let frames = self.silent_frames.map(|frames| frames * FRAME_SAMPLES);
        frames.map_or(Duration::MAX, |samples| {
            Duration::from_millis(samples as u64 / SAMPLES_PER_MS)
        })
    }

    fn frame(&mut self, samples: &[i16; FRAME_SAMPLES], pass: &mut impl FnMut(Passed<'_>)) {
        let voiced = self.vad.hears_voice(samples);
        let position = self.position;
        self.position += FRAME_SAMPLES as u64;
        let voiced_before = self.voiced_frames;
        self.voiced_frames = if voiced { voiced_before + 1 } else { 0 };
        match (self.silent_frames, voiced) {
            (Some(_), true) => self.silent_frames = Some(0),
            // What the detector held on for was silence already.
            (Some(0), false) => self.silent_frames = Some(held_frames(voiced_before) + 1),
            (Some(frames), false) => self.silent_frames = Some(frames + 1),
            (None, _) => {
                return self.listen(
                    Frame {
                        samples: *samples,
                        position,
                        voiced,
                    },
                    pass,
                );
            }
        }
        pass(Passed::Audio { position, samples });
        if self
            .silent_frames
            .is_some_and(|frames| frames >= self.hangover_frames)
        {
            self.silent_frames = None;
            pass(Passed::Shut);
        }
    }

    /// The gate is shut: keeps the frame, and opens when voice is more than a click.
    fn listen(&mut self, frame: Frame, pass: &mut impl FnMut(Passed<'_>)) {
        if self.recent.len() == self.pre_roll_frames + TRIGGER_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
        let window = self.recent.len().saturating_sub(TRIGGER_WINDOW);
        let voiced = self.recent.range(window..).filter(|frame| frame.voiced).count();
        if voiced < TRIGGER_FRAMES {
            return;
        }
        let first = self
            .recent
            .range(window..)
            .position(|frame| frame.voiced)
            .unwrap_or(0)
            + window;
        let from = first.saturating_sub(self.pre_roll_frames);
        for frame in self.recent.drain(..).skip(from) {
            pass(Passed::Audio {
                position: frame.position,
                samples: &frame.samples,
            });
        }
        self.silent_frames = Some(0);
    }
}

struct Frame {
    samples: [i16; FRAME_SAMPLES],
    position: u64,
    voiced: bool,
}

/// webrtc-vad, in the mode that heard every word of our recordings with the least noise let through.
struct VoiceDetector(webrtc_vad::Vad);

#[expect(
    unsafe_code,
    reason = "the detector is a heap block that only this value points to: it may move to another thread"
)]
// SAFETY: `Vad` owns its allocation, has no thread-local state, and `&mut self` guards every call.
unsafe impl Send for VoiceDetector {}

impl VoiceDetector {
    fn new() -> Self {
        let rate = webrtc_vad::SampleRate::Rate16kHz;
        Self(webrtc_vad::Vad::new_with_rate_and_mode(
            rate,
            webrtc_vad::VadMode::Aggressive,
        ))
    }

    fn hears_voice(&mut self, samples: &[i16; FRAME_SAMPLES]) -> bool {
        self.0
            .is_voice_segment(samples)
            .expect("20 ms at 16 kHz is a length that webrtc-vad takes")
    }
}

/// How many of the last of so many voiced frames in a row were none: webrtc-vad goes on for three frames after voice, and for
/// five after more than six in a row (`vad_core.c`, mode 2, frames of 20 ms).
fn held_frames(voiced: usize) -> usize {
    const SHORT_HOLD: usize = 3;
    const LONG_HOLD: usize = 5;
    const LONG: usize = 6;
    match voiced > LONG + LONG_HOLD {
        true => LONG_HOLD,
        false => SHORT_HOLD.min(voiced),
    }
}

/// 20 ms.
const FRAME_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 50;
const PRE_ROLL: Duration = Duration::from_millis(300);
/// On top of the recogniser's endpointing, so that the end is heard before the flow stops.
pub(crate) const HANGOVER_MARGIN: Duration = Duration::from_millis(200);
/// The gate opens when this many of the latest [`TRIGGER_WINDOW`] frames have voice: one alone is a click.
const TRIGGER_FRAMES: usize = 2;
const TRIGGER_WINDOW: usize = 3;

fn frames_in(duration: Duration) -> usize {
    (duration.as_millis() as usize).div_ceil(20)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `voiced` milliseconds of something that webrtc-vad takes for voice: a buzz with formants.
    pub(crate) fn voice(millis: usize) -> Vec<i16> {
        (0..millis * 16)
            .map(|n| {
                let t = n as f64 / 16_000.0;
                let pitch = (1..20)
                    .map(|k| (t * 140.0 * f64::from(k) * std::f64::consts::TAU).sin())
                    .sum::<f64>();
                (pitch * 1_500.0 * (1.0 + 0.3 * (t * 9.0).sin())) as i16
            })
            .collect()
    }

    pub(crate) fn silence(millis: usize) -> Vec<i16> {
        vec![0; millis * 16]
    }

    fn gate() -> Gate {
        Gate::new(&GateSettings::for_endpointing(Duration::from_millis(300)), 0)
    }

    /// Positions in milliseconds of what passed, as stretches; `shut` after each.
    fn passed(gate: &mut Gate, samples: &[i16], piece: usize) -> Vec<(u64, u64)> {
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        let mut open = false;
        for piece in samples.chunks(piece) {
            gate.push(piece, |passed| match passed {
                Passed::Audio { position, samples } => {
                    let end = position / 16 + samples.len() as u64 / 16;
                    match stretches.last_mut() {
                        Some(last) if open => last.1 = end,
                        _ => stretches.push((position / 16, end)),
                    }
                    open = true;
                }
                Passed::Shut => open = false,
            });
        }
        stretches
    }

    fn talk() -> Vec<i16> {
        [
            silence(2000),
            voice(800),
            silence(3000),
            voice(400),
            silence(2000),
        ]
        .concat()
    }

    #[test]
    fn voice_passes_with_pre_roll_and_hangover_and_silence_does_not() {
        let stretches = passed(&mut gate(), &talk(), 160);
        assert_eq!(stretches.len(), 2, "{stretches:?}");
        for (stretch, voice) in stretches.iter().zip([(2000, 2800), (5800, 6200)]) {
            let pre_roll = voice.0 - stretch.0;
            let hangover = stretch.1 - voice.1;
            assert!((280..=300).contains(&pre_roll), "pre-roll of {pre_roll} ms");
            assert!((500..=540).contains(&hangover), "hangover of {hangover} ms");
        }
    }

    #[test]
    fn size_of_pieces_changes_nothing() {
        let wanted = passed(&mut gate(), &talk(), 160);
        for piece in [1, 7, 320, 481, 100_000] {
            assert_eq!(
                passed(&mut gate(), &talk(), piece),
                wanted,
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn silence_counts_from_the_last_voice_until_the_utterance_is_over() {
        let mut gate = gate();
        assert_eq!(gate.quiet_for(), Duration::MAX, "nobody has spoken yet");
        gate.push(&[silence(500), voice(500)].concat(), |_| {});
        assert_eq!(gate.quiet_for(), Duration::ZERO);
        // The detector holds on to a voice for a while.
        gate.push(&silence(300), |_| {});
        let quiet = gate.quiet_for().as_millis();
        assert!((260..=320).contains(&quiet), "{quiet} ms");
        gate.push(&silence(300), |_| {});
        assert_eq!(gate.quiet_for(), Duration::MAX);
    }

    #[test]
    fn shutting_ends_the_utterance_and_keeps_the_clock() {
        let mut gate = gate();
        gate.push(&[silence(500), voice(505)].concat(), |_| {});
        let mut end = None;
        gate.shut(|passed| end = Some(passed == Passed::Shut));
        assert_eq!(end, Some(true));
        assert!(!gate.is_open());
        assert_eq!(
            gate.position() / 16,
            1020,
            "the frame that was begun counts whole"
        );
    }
}
