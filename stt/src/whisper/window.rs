//! Which stretch of an utterance whisper decodes next, and which of its words are certain: a value without clock,
//! audio, thread or model.
//!
//! Whisper hears up to 30 s at once and says a whole text for them. So an utterance is decoded again and again as it
//! grows, and a word is *stable* when two successive windows agree on it and on all before it (local agreement:
//! Liu, Spanakis, Niehues 2020). Stable words never change. Before the window is full its beginning moves on, to a
//! little before the last word that is *settled*, that is told as final; what the next window then hears again is
//! known by its words and their times.
//!
//! Contract: [`Window::hear`] each frame; decode [`Window::due`], if there is something, and hand it to
//! [`Window::take`]; then fetch [`Window::settled`] and show [`Window::open_words`]. At the end of the utterance decode
//! [`Window::due_at_end`] until there is nothing, and [`Window::finish`].

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::hypothesis::{Hypothesis, bare, ends_sentence};
use crate::engine::{Heard, Settled};
use crate::resample::RECOGNISER_HZ;
use crate::voice::{FRAME_SAMPLES, Sound};

/// Longest window: what whisper's encoder takes.
pub(crate) const WINDOW_SAMPLES_MAX: u64 = 30 * SAMPLES_PER_SECOND;
/// New audio that is worth another decoding.
const STEP_SAMPLES: u64 = SAMPLES_PER_SECOND;
/// Audio that is let pass before the next decoding, for each second that the last one took: at two, one stream keeps
/// a recogniser busy for half of the time.
const PAUSE_PER_DECODING: u32 = 2;
/// Length from which the words up to a sentence's end are settled.
const SETTLE_SAMPLES: u64 = 15 * SAMPLES_PER_SECOND;
/// Length from which all stable words are settled.
const SETTLE_ANYWHERE_SAMPLES: u64 = 24 * SAMPLES_PER_SECOND;
/// Least stretch that is settled at once: moving the window by less would gain nothing.
const SETTLED_SECONDS_MIN: f64 = 5.0;
/// Settled audio that the next window hears again, so that a word at its beginning is whole and recognised by those
/// before it.
const OVERLAP_SECONDS: f64 = 1.5;
/// The end of a full window, whose words are heard again by the next: the last may be cut.
const EDGE_SECONDS: f64 = 2.0;
/// Voice that near the end of a window may not have been understood yet.
const UNRIPE_SAMPLES: u64 = SAMPLES_PER_SECOND / 5;
/// Words before a seam that are compared.
const SEAM_WORDS_MAX: usize = 3;
/// What each of them that is found again weighs, in seconds of difference between the times.
const SEAM_WORD_SECONDS: f64 = 0.15;
const SAMPLES_PER_SECOND: u64 = RECOGNISER_HZ as u64;

/// One utterance on its way to words. Samples are counted from its beginning, at 16 kHz.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    heard: u64,
    /// Where the window begins: a whole number of frames.
    start: u64,
    /// What each frame since `start` holds.
    sounds: VecDeque<Sound>,
    /// End of what was decoded last.
    decoded: u64,
    /// Audio to let pass after it.
    pause: u64,
    /// From before the window's beginning, for the seam; the first `told` of them were fetched as settled.
    stable: Vec<Heard>,
    told: usize,
    /// Those of the stable words that are settled, and up to where.
    settled: usize,
    settled_seconds: f64,
    told_seconds: f64,
    /// What the last window heard behind the stable words.
    tentative: Vec<Heard>,
}

impl Window {
    /// Counts a frame of audio; only an utterance's last may be a part of one.
    pub(crate) fn hear(&mut self, samples: usize, sound: Sound) {
        debug_assert!(samples <= FRAME_SAMPLES, "frames are judged one by one");
        self.heard += samples as u64;
        self.sounds.push_back(sound);
    }

    /// Where the audio begins that will still be wanted.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// What to decode now, while the utterance goes on.
    pub(crate) fn due(&self) -> Option<Range<u64>> {
        let window = self.next();
        let full = window.end - window.start == WINDOW_SAMPLES_MAX && self.decoded < window.end;
        let ripe =
            self.heard - self.decoded >= STEP_SAMPLES.max(self.pause) && self.speaks_since(self.decoded);
        (full || ripe).then_some(window)
    }

    /// What to decode after the last audio.
    pub(crate) fn due_at_end(&self) -> Option<Range<u64>> {
        let window = self.next();
        let more = window.end < self.heard || self.speaks_since(self.decoded.saturating_sub(UNRIPE_SAMPLES));
        (self.decoded < window.end && more).then_some(window)
    }

    /// Takes what was heard in a window that was due, and the time from asking for it until it was there.
    pub(crate) fn take(&mut self, window: &Range<u64>, hypothesis: &Hypothesis, took: Duration) {
        let mut words = hypothesis.words(seconds(window.start)..seconds(window.end), |stretch| {
            self.voice_seconds(stretch)
        });
        let mut fresh = words.split_off(self.known(&words));
        let agreed = fresh
            .iter()
            .zip(&self.tentative)
            .take_while(|(new, old)| is_same(new, old))
            .count();
        self.tentative = fresh.split_off(agreed);
        self.stable.append(&mut fresh);
        self.decoded = window.end;
        self.pause = samples((took * PAUSE_PER_DECODING).as_secs_f64());
        self.move_on(window);
    }

    /// Words that became final since this was called last.
    pub(crate) fn settled(&mut self) -> Option<Settled> {
        if self.settled_seconds <= self.told_seconds {
            return None;
        }
        let words = self.stable[self.told..self.settled].to_vec();
        self.told = self.settled;
        self.told_seconds = self.settled_seconds;
        self.forget();
        Some(Settled {
            words,
            end_seconds: self.told_seconds,
        })
    }

    /// Words that are not settled, the stable ones first.
    pub(crate) fn open_words(&self) -> Vec<Heard> {
        let stable = self.stable[self.settled..].iter();
        stable.chain(&self.tentative).cloned().collect()
    }

    /// Ends the utterance: all words that were not fetched as settled. The window is as new.
    pub(crate) fn finish(&mut self) -> Vec<Heard> {
        let ended = std::mem::take(self);
        let stable = ended.stable.into_iter().skip(ended.told);
        stable.chain(ended.tentative).collect()
    }

    fn next(&self) -> Range<u64> {
        self.start..self.heard.min(self.start + WINDOW_SAMPLES_MAX)
    }

    fn speaks_since(&self, sample: u64) -> bool {
        let first = (sample.saturating_sub(self.start) / FRAME_SAMPLES as u64) as usize;
        self.sounds
            .iter()
            .skip(first)
            .any(|sound| *sound == Sound::Speech)
    }

    fn voice_seconds(&self, stretch: Range<f64>) -> f64 {
        let frame =
            |seconds: f64| (samples(seconds).saturating_sub(self.start) / FRAME_SAMPLES as u64) as usize;
        let (first, last) = (frame(stretch.start), frame(stretch.end));
        let frames = self.sounds.iter().skip(first).take(last + 1 - first.min(last));
        let voiced = frames.filter(|sound| **sound == Sound::Speech).count();
        seconds((voiced * FRAME_SAMPLES) as u64)
    }

    /// How many of a window's words are stable words heard again. The seam is where most of the last stable words
    /// stand before it and the times fit best: words alone are mistaken where someone repeats himself, times alone
    /// where whisper's are off by a word.
    fn known(&self, words: &[Heard]) -> usize {
        let Some(last) = self.stable.last() else {
            return 0;
        };
        let misfit = |count: usize| {
            let overhang = match count {
                0 => 0.0,
                _ => (words[count - 1].end_seconds - last.end_seconds).max(0.0),
            };
            let again = words
                .get(count)
                .map_or(0.0, |next| (last.end_seconds - next.start_seconds).max(0.0));
            let found = self
                .stable
                .iter()
                .rev()
                .zip(words[..count].iter().rev())
                .take(SEAM_WORDS_MAX)
                .take_while(|(old, new)| is_same(old, new))
                .count();
            overhang.max(again) + (SEAM_WORDS_MAX - found) as f64 * SEAM_WORD_SECONDS
        };
        let misfits = (0..=words.len()).map(|count| (count, misfit(count)));
        misfits
            .min_by(|(_, left), (_, right)| left.total_cmp(right))
            .map_or(0, |(count, _)| count)
    }

    /// Settles words and moves the window's beginning if it has become long.
    fn move_on(&mut self, window: &Range<u64>) {
        let length = window.end - window.start;
        if length >= WINDOW_SAMPLES_MAX {
            return self.settle_all(window);
        }
        let least = seconds(window.start) + SETTLED_SECONDS_MIN;
        let last = self.stable.iter().skip(self.settled).rposition(|word| {
            word.end_seconds >= least && (length >= SETTLE_ANYWHERE_SAMPLES || ends_sentence(&word.text))
        });
        if let Some(last) = last
            && length >= SETTLE_SAMPLES
        {
            self.settled += last + 1;
            self.settled_seconds = self.stable[self.settled - 1].end_seconds;
            self.begin_before(self.settled_seconds);
        }
    }

    /// Believes a full window as it is, all but its edge: no longer one will come.
    fn settle_all(&mut self, window: &Range<u64>) {
        let edge = seconds(window.end) - EDGE_SECONDS;
        let sure = self
            .tentative
            .iter()
            .take_while(|word| word.end_seconds <= edge)
            .count();
        self.stable.extend(self.tentative.drain(..sure));
        self.settled = self.stable.len();
        let seam = self
            .tentative
            .first()
            .map_or(edge, |word| word.start_seconds.min(edge));
        let seam = seam.max(edge - EDGE_SECONDS);
        self.settled_seconds = self.stable.last().map_or(seam, |word| word.end_seconds.max(seam));
        self.begin_before(seam);
    }

    /// Moves the window's beginning to before a seam, where a word begins if one does.
    fn begin_before(&mut self, seam_seconds: f64) {
        let latest = seam_seconds - OVERLAP_SECONDS;
        let words = self.stable[..self.settled].iter().rev();
        let start = words
            .map(|word| word.start_seconds)
            .find(|start| *start <= latest)
            .filter(|start| *start > latest - OVERLAP_SECONDS)
            .unwrap_or(latest);
        let frames = (samples(start).saturating_sub(self.start) / FRAME_SAMPLES as u64) as usize;
        self.sounds.drain(..frames.min(self.sounds.len()));
        self.start += (frames * FRAME_SAMPLES) as u64;
    }

    /// Drops words that were fetched and lie before the window.
    fn forget(&mut self) {
        let start = seconds(self.start);
        let before = self.stable[..self.told]
            .iter()
            .take_while(|word| word.end_seconds < start)
            .count();
        // The last one tells where the seam is, however long ago it was.
        let unneeded = before.min(self.stable.len().saturating_sub(1));
        self.stable.drain(..unneeded);
        self.told -= unneeded;
        self.settled -= unneeded;
    }
}

/// Whether two windows mean the same word: its spelling and its punctuation may change with what comes after it.
fn is_same(left: &Heard, right: &Heard) -> bool {
    bare(&left.text) == bare(&right.text)
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / SAMPLES_PER_SECOND as f64
}

/// Samples, or none before the beginning.
fn samples(seconds: f64) -> u64 {
    (seconds * SAMPLES_PER_SECOND as f64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::whisper::hypothesis::{Segment, Token};

    /// A word as it was said.
    #[derive(Debug, Clone)]
    struct Said {
        text: String,
        start_seconds: f64,
        end_seconds: f64,
    }

    /// Speakers who repeat themselves, make pauses and seldom end a sentence.
    fn speech(words_max: usize) -> impl Strategy<Value = Vec<Said>> {
        let word = (
            0..5_usize,
            0.2..0.7_f64,
            prop_oneof![4 => Just(0.02), 1 => 0.1..1.5_f64],
            0..12_u8,
        );
        prop::collection::vec(word, 1..words_max).prop_map(|words| {
            let mut now = 0.3;
            let said = |(index, (choice, length, pause, end)): (usize, (usize, f64, f64, u8))| {
                let mut text = match index % 6 {
                    0 => format!("word{index}"),
                    _ => ["no", "yes", "and", "the", "well"][choice].to_owned(),
                };
                if end == 0 {
                    text.push('.');
                }
                let start_seconds = now;
                now += length + pause;
                Said {
                    text,
                    start_seconds,
                    end_seconds: start_seconds + length,
                }
            };
            words.into_iter().enumerate().map(said).collect()
        })
    }

    /// What a recogniser hears that makes no mistake but those that windows cause: words that are cut are garbled or
    /// missing, and times are up to 40 ms off, differently each time.
    fn recognised(speech: &[Said], window: &Range<u64>) -> Hypothesis {
        let (from, to) = (seconds(window.start), seconds(window.end));
        let mut tokens = Vec::new();
        for (index, said) in speech.iter().enumerate() {
            let noise = (index as u64).wrapping_mul(7_919).wrapping_add(window.end / 320) % 9;
            let off = (noise as f64 - 4.0) / 100.0;
            if said.end_seconds <= from || said.start_seconds >= to {
                continue;
            }
            let cut = said.start_seconds < from || said.end_seconds > to;
            if cut && noise.is_multiple_of(2) {
                continue;
            }
            let text = if cut {
                format!(" cut{}", window.end)
            } else {
                format!(" {}", said.text)
            };
            tokens.push(Token {
                bytes: text.into_bytes(),
                start_seconds: said.start_seconds + off - from,
                end_seconds: said.end_seconds + off - from,
                probability: 0.9,
            });
        }
        let segment = Segment {
            no_speech: 0.01,
            tokens,
        };
        Hypothesis {
            segments: vec![segment],
            language: None,
        }
    }

    /// Plays an utterance, asking at every `ask_every` frames; returns the words in the order in which they became
    /// final, after having checked that no stable word ever changed.
    fn played(
        speech: &[Said],
        ask_every: usize,
        took: Duration,
        asked: impl Fn(usize) -> bool,
    ) -> Vec<String> {
        let end = speech.last().map_or(0.0, |said| said.end_seconds) + 0.3;
        let frames = (samples(end) as usize).div_ceil(FRAME_SAMPLES);
        let mut window = Window::default();
        let (mut told, mut certain) = (Vec::new(), Vec::new());
        for frame in 0..frames {
            window.hear(FRAME_SAMPLES, Sound::Speech);
            if !frame.is_multiple_of(ask_every) || !asked(frame) {
                continue;
            }
            if let Some(due) = window.due() {
                assert!(due.end - due.start <= WINDOW_SAMPLES_MAX && due.start >= window.start());
                window.take(&due, &recognised(speech, &due), took);
            }
            told.extend(window.settled().into_iter().flat_map(|settled| settled.words));
            let now: Vec<Heard> = told
                .iter()
                .chain(&window.stable[window.told..])
                .cloned()
                .collect();
            assert!(now.starts_with(&certain), "{certain:?} became {now:?}");
            assert_eq!(window.settled, window.told);
            certain = now;
        }
        while let Some(due) = window.due_at_end() {
            window.take(&due, &recognised(speech, &due), took);
        }
        let last = window.finish();
        assert!(
            told.iter()
                .chain(&last)
                .cloned()
                .collect::<Vec<_>>()
                .starts_with(&certain)
        );
        told.extend(last);
        told.into_iter().map(|word| word.text).collect()
    }

    fn texts(speech: &[Said]) -> Vec<String> {
        speech.iter().map(|said| said.text.clone()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn nothing_is_lost_or_doubled_at_seams(
            speech in speech(260), ask_every in 1..40_usize, took_ms in 0..6_000_u64,
        ) {
            let said = played(&speech, ask_every, Duration::from_millis(took_ms), |_| true);
            prop_assert_eq!(said, texts(&speech));
        }

        #[test]
        fn nothing_is_lost_if_audio_comes_faster_than_it_is_decoded(
            speech in speech(400), silent_seconds in 20..200_usize,
        ) {
            let asked = |frame: usize| (frame / 50).is_multiple_of(silent_seconds);
            prop_assert_eq!(played(&speech, 7, Duration::from_secs(1), asked), texts(&speech));
        }

        #[test]
        fn no_hypothesis_breaks_it(
            hypotheses in prop::collection::vec(
                prop::collection::vec(("[a-c]{1,2}[.]?", -5.0..40.0_f64, -5.0..40.0_f64), 0..40), 1..60,
            ),
            frames in 1..300_usize,
        ) {
            let mut window = Window::default();
            let mut end = 0.0;
            for words in hypotheses {
                (0..frames).for_each(|_| window.hear(FRAME_SAMPLES, Sound::Speech));
                let Some(due) = window.due() else { continue };
                let tokens = words.into_iter().map(|(text, start_seconds, end_seconds)| Token {
                    bytes: format!(" {text}").into_bytes(), start_seconds, end_seconds, probability: 0.5,
                });
                let segments = vec![Segment { no_speech: 0.0, tokens: tokens.collect() }];
                window.take(&due, &Hypothesis { segments, language: None }, Duration::ZERO);
                if let Some(settled) = window.settled() {
                    prop_assert!(settled.end_seconds > end);
                    end = settled.end_seconds;
                }
                prop_assert!(window.sounds.len() as u64 * FRAME_SAMPLES as u64 == window.heard - window.start);
                prop_assert!(window.decoded - window.start <= WINDOW_SAMPLES_MAX);
            }
        }
    }

    #[test]
    fn seam_is_where_the_words_are_also_if_their_times_are_off() {
        let words = |words: &[(&str, f64, f64)]| -> Vec<Heard> {
            let word = |(text, start_seconds, end_seconds): &(&str, f64, f64)| Heard {
                text: (*text).to_owned(),
                start_seconds: *start_seconds,
                end_seconds: *end_seconds,
                confidence: 0.9,
                language: None,
            };
            words.iter().map(word).collect()
        };
        let window = Window {
            stable: words(&[("molten", 1.0, 1.8), ("rock", 1.8, 2.4), ("flows", 2.5, 3.0)]),
            ..Window::default()
        };
        let again = words(&[("rock", 2.2, 2.7), ("flows", 2.9, 3.3), ("down", 3.3, 3.7)]);
        assert_eq!(window.known(&again), 2);
    }

    fn speak(window: &mut Window, seconds: usize, sound: Sound) {
        (0..seconds * 50).for_each(|_| window.hear(FRAME_SAMPLES, sound));
    }

    #[test]
    fn windows_grow_by_a_second_and_by_twice_the_time_that_decoding_takes() {
        let mut window = Window::default();
        speak(&mut window, 1, Sound::Speech);
        assert_eq!(window.due(), Some(0..16_000));
        window.take(&(0..16_000), &Hypothesis::default(), Duration::from_secs(2));
        speak(&mut window, 3, Sound::Speech);
        assert_eq!(window.due(), None);
        speak(&mut window, 1, Sound::Speech);
        assert_eq!(window.due(), Some(0..5 * 16_000));
    }

    #[test]
    fn silence_is_not_decoded_again() {
        let mut window = Window::default();
        speak(&mut window, 2, Sound::Speech);
        window.take(&(0..32_000), &Hypothesis::default(), Duration::ZERO);
        // What ended with the window may have been cut.
        assert!(window.due_at_end().is_none());
        speak(&mut window, 2, Sound::Quiet);
        assert_eq!(window.due(), None);
        assert_eq!(window.due_at_end(), Some(0..64_000));
        window.take(&(0..64_000), &Hypothesis::default(), Duration::ZERO);
        speak(&mut window, 2, Sound::Quiet);
        assert_eq!((window.due(), window.due_at_end()), (None, None));
    }

    #[test]
    fn minutes_of_noise_pass_through_without_words() {
        let mut window = Window::default();
        let mut settled = 0.0;
        for _ in 0..180 {
            speak(&mut window, 1, Sound::Speech);
            if let Some(due) = window.due() {
                window.take(&due, &Hypothesis::default(), Duration::ZERO);
            }
            settled = window.settled().map_or(settled, |settled| settled.end_seconds);
            assert!(window.sounds.len() <= 31 * 50);
        }
        assert!(settled > 150.0, "{settled} s");
        assert_eq!(window.finish(), []);
    }

    /// One decoding in the shape of whisper.cpp's `--output-json-full`, with its window and probability of silence.
    #[derive(Debug, serde::Deserialize)]
    struct Recorded {
        window_ms: (u64, u64),
        took_ms: u64,
        transcription: Vec<RecordedSegment>,
        /// What is stable and what is tentative then.
        stable: String,
        tentative: String,
    }

    #[derive(Debug, serde::Deserialize)]
    struct RecordedSegment {
        no_speech_prob: f64,
        tokens: Vec<RecordedToken>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct RecordedToken {
        text: String,
        offsets: Offsets,
        p: f64,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Offsets {
        from: f64,
        to: f64,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Recording {
        voiced_ms: Vec<(u64, u64)>,
        decodings: Vec<Recorded>,
        finals: Vec<String>,
    }

    impl RecordedSegment {
        fn segment(&self) -> Segment {
            let token = |token: &RecordedToken| Token {
                bytes: token.text.clone().into_bytes(),
                start_seconds: token.offsets.from / 1_000.0,
                end_seconds: token.offsets.to / 1_000.0,
                probability: token.p,
            };
            Segment {
                no_speech: self.no_speech_prob,
                tokens: self.tokens.iter().map(token).collect(),
            }
        }
    }

    fn text(words: &[Heard]) -> String {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        texts.join(" ")
    }

    /// Plays a file of decodings: the window has to ask for each of them when it is due, and to make of it what the
    /// file says.
    fn replay(json: &str) {
        let recording: Recording = serde_json::from_str(json).expect("a recording");
        let mut window = Window::default();
        let mut finals = Vec::new();
        for decoding in &recording.decodings {
            let (from, to) = (decoding.window_ms.0 * 16, decoding.window_ms.1 * 16);
            while window.heard < to {
                let ms = window.heard / 16;
                let voiced = recording
                    .voiced_ms
                    .iter()
                    .any(|(from, to)| (*from..*to).contains(&ms));
                window.hear(FRAME_SAMPLES, if voiced { Sound::Speech } else { Sound::Quiet });
            }
            let due = window.due().or_else(|| window.due_at_end());
            assert_eq!(due, Some(from..to), "the window at {} ms", to / 16);
            let hypothesis = Hypothesis {
                segments: decoding
                    .transcription
                    .iter()
                    .map(RecordedSegment::segment)
                    .collect(),
                language: None,
            };
            window.take(&(from..to), &hypothesis, Duration::from_millis(decoding.took_ms));
            finals.extend(window.settled().map(|settled| text(&settled.words)));
            assert_eq!(
                text(&window.stable[window.told..]),
                decoding.stable,
                "at {} ms",
                to / 16
            );
            assert_eq!(text(&window.tentative), decoding.tentative, "at {} ms", to / 16);
            assert_eq!(
                window.open_words(),
                [&window.stable[window.told..], &window.tentative].concat()
            );
        }
        finals.push(text(&window.finish()));
        assert_eq!(finals, recording.finals);
    }

    #[test]
    fn a_short_utterance_becomes_stable_word_by_word() {
        replay(include_str!("../../tests/data/whisper/short.json"));
    }

    #[test]
    fn a_long_utterance_is_settled_by_sentences_and_goes_on_behind_the_seam() {
        replay(include_str!("../../tests/data/whisper/long.json"));
    }

    #[test]
    fn what_whisper_says_into_a_pause_is_never_shown() {
        replay(include_str!("../../tests/data/whisper/pause.json"));
    }
}
