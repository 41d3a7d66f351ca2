//! What whisper heard in one window, made into words: without its marks, its loops and what it says into silence.

use std::ops::Range;

use crate::engine::Heard;
use crate::text::is_spaceless;

/// Probability of silence above which whisper's own decoder takes a segment for silence, if it is also unsure of it.
const NO_SPEECH_MAX: f64 = 0.6;
/// Mean of the tokens' logarithmic probabilities below which whisper's own decoder is unsure of a segment.
const LOG_PROBABILITY_MIN: f64 = -1.0;
/// Audio around a segment in which a voice is looked for: whisper's times are a few tenths of a second wrong.
const VOICE_MARGIN_SECONDS: f64 = 0.3;
/// Voice that one of the [`PHANTOMS`] takes to be said.
const PHANTOM_VOICE_SECONDS_MIN: f64 = 0.3;
/// Probability of silence above which one of the [`PHANTOMS`] is not believed.
const PHANTOM_NO_SPEECH_MAX: f64 = 0.3;
/// Words in a period that is looked for in loops.
const LOOP_PERIOD_MAX: usize = 6;
/// Words said over again that are taken for a loop …
const LOOP_WORDS_MIN: usize = 8;
/// … if they are this many repetitions.
const LOOP_REPEATS_MIN: usize = 4;

/// What whisper writes under silence, music and noise because films' subtitles end so, in [`bare`] words.
const PHANTOMS: &[&str] = &[
    "thank you",
    "thank you very much",
    "thank you for watching",
    "thanks for watching",
    "please subscribe",
    "bye",
    "you",
    "vielen dank",
    "untertitel der amaraorg community",
    "untertitelung des zdf 2020",
    "sous titres réalisés par la communauté damaraorg",
    "продолжение следует",
    "субтитры сделал dimatorzok",
    "ご視聴ありがとうございました",
    "谢谢观看",
];

/// One window's outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Hypothesis {
    /// Its segments, in their order.
    pub(crate) segments: Vec<Segment>,
    /// The language that was found in it, as in ISO 639-1, if it was looked for.
    pub(crate) language: Option<&'static str>,
}

/// What whisper takes for a piece of its own, often a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Segment {
    /// How likely nobody speaks in it, 0 to 1.
    pub(crate) no_speech: f64,
    /// Its pieces of words.
    pub(crate) tokens: Vec<Token>,
}

/// A piece of a word; the first piece of a word begins with a space where the language has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Token {
    /// Its text, perhaps not a whole character.
    pub(crate) bytes: Vec<u8>,
    /// When it begins, in seconds of the window.
    pub(crate) start_seconds: f64,
    /// When it ends, in seconds of the window.
    pub(crate) end_seconds: f64,
    /// How likely it is, 0 to 1.
    pub(crate) probability: f64,
}

impl Hypothesis {
    /// The words that can be believed, in seconds of the utterance, for a window that lies at `window` of it.
    /// `voiced` says how many seconds of voice there are in a stretch of the utterance.
    pub(crate) fn words(&self, window: Range<f64>, voiced: impl Fn(Range<f64>) -> f64) -> Vec<Heard> {
        let mut words = Vec::new();
        for segment in &self.segments {
            let said = segment.words(&window, self.language);
            if segment.is_believed(&said, &voiced) {
                words.extend(said);
            }
        }
        unlooped(&mut words);
        in_order(&mut words);
        words
    }
}

impl Segment {
    fn words(&self, window: &Range<f64>, language: Option<&'static str>) -> Vec<Heard> {
        let at = |seconds: f64| (window.start + seconds).clamp(window.start, window.end);
        let mut words: Vec<Heard> = Vec::new();
        let mut open: Option<Open> = None;
        for token in self.tokens.iter().filter(|token| !token.is_mark()) {
            if open.as_ref().is_some_and(|open| open.ends_before(&token.bytes)) {
                words.extend(open.take().and_then(|open| open.word(language)));
            }
            let open = open.get_or_insert_with(|| Open::new(at(token.start_seconds)));
            open.bytes.extend_from_slice(&token.bytes);
            open.end_seconds = at(token.end_seconds);
            open.probabilities.push(token.probability);
        }
        words.extend(open.and_then(|open| open.word(language)));
        words
    }

    fn is_believed(&self, said: &[Heard], voiced: impl Fn(Range<f64>) -> f64) -> bool {
        let (Some(first), Some(last)) = (said.first(), said.last()) else {
            return false;
        };
        let stretch = first.start_seconds - VOICE_MARGIN_SECONDS..last.end_seconds + VOICE_MARGIN_SECONDS;
        let voice_seconds = voiced(stretch);
        let unsure = self.no_speech > NO_SPEECH_MAX && self.log_probability() < LOG_PROBABILITY_MIN;
        let phantom = is_phantom(said)
            && (voice_seconds < PHANTOM_VOICE_SECONDS_MIN || self.no_speech > PHANTOM_NO_SPEECH_MAX);
        voice_seconds > 0.0 && !unsure && !phantom && !is_description(said)
    }

    fn log_probability(&self) -> f64 {
        let logarithms = self.tokens.iter().map(|token| token.probability.max(1e-9).ln());
        logarithms.sum::<f64>() / self.tokens.len().max(1) as f64
    }
}

impl Token {
    /// Whether it is one of the model's own marks and no text.
    fn is_mark(&self) -> bool {
        self.bytes.starts_with(b"[_") || self.bytes.starts_with(b"<|")
    }
}

/// A word whose tokens are being gathered.
struct Open {
    bytes: Vec<u8>,
    start_seconds: f64,
    end_seconds: f64,
    probabilities: Vec<f64>,
}

impl Open {
    fn new(start_seconds: f64) -> Self {
        Self {
            bytes: Vec::new(),
            start_seconds,
            end_seconds: start_seconds,
            probabilities: Vec::new(),
        }
    }

    /// Whether a token begins the next word: after a space, or, in scripts without spaces, with each token.
    fn ends_before(&self, next: &[u8]) -> bool {
        let (Ok(text), Ok(next)) = (str::from_utf8(&self.bytes), str::from_utf8(next)) else {
            // A character's bytes may be spread over tokens.
            return next.starts_with(b" ");
        };
        let spaceless = |character: Option<char>| character.is_some_and(is_spaceless);
        let stands_alone = next.chars().next().is_some_and(char::is_alphanumeric);
        next.starts_with(' ')
            || (stands_alone && (spaceless(text.chars().last()) || spaceless(next.chars().next())))
    }

    fn word(self, language: Option<&'static str>) -> Option<Heard> {
        let text = String::from_utf8_lossy(&self.bytes).trim().to_owned();
        let count = self.probabilities.len().max(1) as f64;
        (!text.is_empty()).then(|| Heard {
            text,
            start_seconds: self.start_seconds,
            end_seconds: self.end_seconds.max(self.start_seconds),
            confidence: (self.probabilities.iter().sum::<f64>() / count).clamp(0.0, 1.0),
            language,
        })
    }
}

/// A word without case and punctuation, as words are compared; its text where nothing else is left of it.
pub(crate) fn bare(text: &str) -> String {
    let letters: String = text
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if letters.is_empty() {
        text.to_owned()
    } else {
        letters
    }
}

/// Whether a sentence ends with this word.
pub(crate) fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', '”', '’', '»', ')', '」']);
    text.ends_with(['.', '?', '!', '…', '。', '？', '！', '।', '؟'])
}

fn is_phantom(said: &[Heard]) -> bool {
    let plain = |separator| {
        let words: Vec<String> = said.iter().map(|word| bare(&word.text)).collect();
        words.join(separator)
    };
    PHANTOMS.contains(&plain(" ").as_str()) || PHANTOMS.contains(&plain("").as_str())
}

/// Whether this describes sounds instead of repeating words: `[Music]`, `(applause)`, `♪ … ♪`.
fn is_description(said: &[Heard]) -> bool {
    let (Some(first), Some(last)) = (said.first(), said.last()) else {
        return false;
    };
    let last = last.text.trim_end_matches(['.', ',']);
    [('[', ']'), ('(', ')'), ('*', '*'), ('♪', '♪')]
        .iter()
        .any(|(open, close)| first.text.starts_with(*open) && last.ends_with(*close))
        || said
            .iter()
            .all(|word| !word.text.chars().any(char::is_alphanumeric))
}

/// Leaves one repetition of what whisper repeats until its memory is full. Nobody says eight words over again.
fn unlooped(words: &mut Vec<Heard>) {
    let bare: Vec<String> = words.iter().map(|word| bare(&word.text)).collect();
    let mut kept = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < bare.len() {
        let looped = (1..=LOOP_PERIOD_MAX).find_map(|period| {
            let repeats = repeats(&bare[at..], period);
            (repeats >= LOOP_REPEATS_MIN && repeats * period >= LOOP_WORDS_MIN).then_some((period, repeats))
        });
        let (period, repeats) = looped.unwrap_or((1, 1));
        kept.extend(at..at + period);
        at += period * repeats;
    }
    let mut index = 0;
    words.retain(|_| {
        index += 1;
        kept.binary_search(&(index - 1)).is_ok()
    });
}

/// How often the first `period` words stand there one after another.
fn repeats(words: &[String], period: usize) -> usize {
    let Some(first) = words.get(..period) else {
        return 0;
    };
    words.chunks(period).take_while(|chunk| *chunk == first).count()
}

/// Words begin no earlier than those before them.
fn in_order(words: &mut [Heard]) {
    let mut least: f64 = 0.0;
    for word in words {
        word.start_seconds = word.start_seconds.max(least);
        word.end_seconds = word.end_seconds.max(word.start_seconds);
        least = word.start_seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Range<f64> = 10.0..20.0;

    /// Tokens of a tenth of a second each.
    fn segment(no_speech: f64, probability: f64, tokens: &[&[u8]]) -> Segment {
        let token = |(index, bytes): (usize, &&[u8])| Token {
            bytes: bytes.to_vec(),
            start_seconds: index as f64 / 10.0,
            end_seconds: (index + 1) as f64 / 10.0,
            probability,
        };
        Segment {
            no_speech,
            tokens: tokens.iter().enumerate().map(token).collect(),
        }
    }

    fn heard(segments: Vec<Segment>, voice_seconds: f64) -> Vec<Heard> {
        let hypothesis = Hypothesis {
            segments,
            language: None,
        };
        hypothesis.words(WINDOW, |_| voice_seconds)
    }

    fn texts(words: &[Heard]) -> Vec<&str> {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    fn said(text: &str, voice_seconds: f64) -> Vec<String> {
        let tokens: Vec<String> = text.split(' ').map(|word| format!(" {word}")).collect();
        let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
        let words = heard(vec![segment(0.1, 0.9, &tokens)], voice_seconds);
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn pieces_become_words_with_their_punctuation_and_marks_vanish() {
        let tokens: [&[u8]; 7] = [
            b"[_BEG_]",
            b" Hel",
            b"lo",
            b",",
            b" world",
            b".",
            b"<|endoftext|>",
        ];
        let words = heard(vec![segment(0.0, 0.8, &tokens)], 1.0);
        assert_eq!(texts(&words), ["Hello,", "world."]);
        assert!((words[0].start_seconds - 10.1).abs() < 1e-9);
        assert!((words[0].end_seconds - 10.4).abs() < 1e-9);
        assert!((words[0].confidence - 0.8).abs() < 1e-9);
    }

    #[test]
    fn a_character_may_be_spread_over_tokens() {
        let words = heard(
            vec![segment(0.0, 0.8, &[b" K", b"\xc3", b"\xa4se", b" gut"])],
            1.0,
        );
        assert_eq!(texts(&words), ["Käse", "gut"]);
    }

    #[test]
    fn scripts_without_spaces_are_cut_by_tokens() {
        let tokens = ["你", "好", "，", "世界", "。"].map(str::as_bytes);
        let words = heard(vec![segment(0.0, 0.8, &tokens)], 1.0);
        assert_eq!(texts(&words), ["你", "好，", "世界。"]);
    }

    #[test]
    fn what_is_said_into_silence_is_dropped() {
        assert!(heard(vec![segment(0.9, 0.2, &[b" Some", b" words"])], 1.0).is_empty());
        assert_eq!(
            heard(vec![segment(0.9, 0.9, &[b" Some", b" words"])], 1.0).len(),
            2
        );
        assert!(said("Some words", 0.0).is_empty());
    }

    #[test]
    fn phantoms_are_dropped_unless_somebody_speaks() {
        assert!(said("Thank you.", 0.1).is_empty());
        assert_eq!(said("Thank you.", 0.6), ["Thank", "you."]);
        assert_eq!(said("Thank you all.", 0.1), ["Thank", "you", "all."]);
        let doubtful = segment(0.5, 0.9, &[b" Thank", b" you", b"."]);
        assert!(heard(vec![doubtful], 0.6).is_empty());
        let tokens = ["ご視聴", "ありがとうございました"].map(str::as_bytes);
        assert!(heard(vec![segment(0.1, 0.9, &tokens)], 0.1).is_empty());
    }

    #[test]
    fn descriptions_of_sounds_are_no_words() {
        for description in [
            "[Music]",
            "[BLANK_AUDIO]",
            "(upbeat music)",
            "♪ la la ♪",
            "*coughs*",
            "...",
            "-",
        ] {
            assert!(said(description, 1.0).is_empty(), "{description}");
        }
        assert_eq!(said("(he said) something", 1.0).len(), 3);
    }

    #[test]
    fn loops_are_cut_to_one_turn_and_emphasis_is_left() {
        assert_eq!(said("We begin. I don't know, I don't know. Then", 1.0).len(), 9);
        let turns = ["I don't know."; 5].join(" ");
        assert_eq!(
            said(&format!("We begin. {turns} Then"), 1.0),
            ["We", "begin.", "I", "don't", "know.", "Then"]
        );
        assert_eq!(said("no no no no", 1.0).len(), 4);
        assert_eq!(said(&["no"; 40].join(" "), 1.0), ["no"]);
    }

    #[test]
    fn times_stay_in_the_window_and_in_order() {
        let token = |bytes: &[u8], start_seconds, end_seconds| Token {
            bytes: bytes.to_vec(),
            start_seconds,
            end_seconds,
            probability: 1.0,
        };
        let tokens = vec![
            token(b" a", 2.0, 1.0),
            token(b" b", 1.0, 3.0),
            token(b" c", 9.0, 40.0),
        ];
        let words = heard(
            vec![Segment {
                no_speech: 0.0,
                tokens,
            }],
            1.0,
        );
        let times: Vec<(f64, f64)> = words
            .iter()
            .map(|word| (word.start_seconds, word.end_seconds))
            .collect();
        assert_eq!(times, [(12.0, 12.0), (12.0, 13.0), (19.0, 20.0)]);
    }

    proptest::proptest! {
        #[test]
        fn no_tokens_panic_and_all_times_lie_in_the_window(
            tokens in proptest::collection::vec(
                (proptest::collection::vec(proptest::num::u8::ANY, 0..6), -50.0..50.0_f64, -50.0..50.0_f64, -1.0..2.0_f64),
                0..30,
            ),
        ) {
            let tokens = tokens.into_iter().map(|(bytes, start_seconds, end_seconds, probability)| Token {
                bytes, start_seconds, end_seconds, probability,
            }).collect();
            for word in heard(vec![Segment { no_speech: 0.2, tokens }], 1.0) {
                proptest::prop_assert!(WINDOW.start <= word.start_seconds && word.start_seconds <= word.end_seconds);
                proptest::prop_assert!(word.end_seconds <= WINDOW.end);
                proptest::prop_assert!((0.0..=1.0).contains(&word.confidence));
                proptest::prop_assert!(!word.text.trim().is_empty());
            }
        }
    }
}
