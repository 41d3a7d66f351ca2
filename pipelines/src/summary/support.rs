//! Whether what was said bears a statement out: its words, its numbers, its names.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use super::{terms::is_unspaced, withheld::Withheld};
use crate::Lecture;

/// What was said, word by word.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    segments: Vec<Said>,
    /// All of them, and what the speakers are called.
    whole: Said,
    /// BCP 47 without region; nothing where the statements are in the lecture's own language, whichever it is.
    language: Option<String>,
    /// German writes all nouns like names.
    tells_names: bool,
}

#[derive(Debug, Default)]
struct Said {
    language: Option<String>,
    stems: HashSet<String>,
    numbers: HashSet<String>,
}

impl Evidence {
    /// Everything that was said and isn't `withheld`; for statements in `language`.
    pub(super) fn of(lecture: &Lecture, withheld: &Withheld, language: Option<&str>) -> Self {
        let mut evidence = Self {
            language: language.map(main_subtag),
            tells_names: !matches!(language.map(main_subtag).as_deref(), Some("de" | "lb")),
            ..Self::default()
        };
        for (at, segment) in lecture.segments.iter().enumerate() {
            let mut said = Said {
                language: segment.language.as_deref().map(main_subtag),
                ..Said::default()
            };
            if !withheld.contains(at) {
                said.hear(&segment.text);
                evidence.whole.hear(&segment.text);
                evidence.whole.hear(withheld.shown_name(&segment.speaker));
            }
            evidence.segments.push(said);
        }
        evidence
    }

    /// Whether these segments, or their neighbours, say something like `text`.
    ///
    /// Words count only where text and segments are in one language, numbers always.
    pub(super) fn bears_out(&self, text: &str, segments: impl IntoIterator<Item = usize>) -> bool {
        let near: Vec<&Said> = segments
            .into_iter()
            .flat_map(|at| at.saturating_sub(1)..=at + 1)
            .filter_map(|at| self.segments.get(at))
            .collect();
        let same_language = near.iter().any(|said| self.is_in_language(said));
        self.agrees(text, &near, same_language)
    }

    /// The same of the whole lecture, for what cites nothing.
    pub(super) fn bears_out_somewhere(&self, text: &str) -> bool {
        let same_language = self.segments.iter().any(|said| self.is_in_language(said));
        self.agrees(text, &[&self.whole], same_language)
    }

    fn agrees(&self, text: &str, said: &[&Said], same_language: bool) -> bool {
        let numbers_agree = numbers(text).iter().all(|number| {
            // Speech recognition spells small numbers out, and some all.
            number.len() < 2
                || self.whole.numbers.is_empty()
                || said.iter().any(|said| said.numbers.contains(number))
        });
        numbers_agree && (!same_language || self.words_agree(text, said) && self.names_agree(text))
    }

    fn words_agree(&self, text: &str, said: &[&Said]) -> bool {
        let all: HashSet<String> = stems(text).collect();
        let weighty: HashSet<&String> = all
            .iter()
            .filter(|stem| stem.chars().count() >= WEIGHTY_CHARS_MIN || stem.starts_with(is_unspaced))
            .collect();
        let is_said = |stem: &&String| said.iter().any(|said| said.stems.contains(*stem));
        let found = weighty.iter().copied().filter(is_said).count();
        match weighty.len() {
            0 => all.iter().any(|stem| is_said(&stem)),
            few @ 1..=4 => found * 2 > few,
            many => found * 5 >= many * 2,
        }
    }

    /// Whether somebody said each name in `text`: a word with a capital letter behind another word.
    fn names_agree(&self, text: &str) -> bool {
        if !self.tells_names {
            return true;
        }
        let mut begins_sentence = true;
        text.split_word_bounds().all(|piece| {
            let is_name = !begins_sentence && piece.starts_with(char::is_uppercase);
            begins_sentence = match piece.trim() {
                "" => begins_sentence,
                mark => {
                    !mark.ends_with(char::is_alphanumeric)
                        && !matches!(mark, "," | "-" | "'" | "’" | "(" | ")")
                }
            };
            !is_name || stems(piece).all(|stem| self.whole.stems.contains(&stem))
        })
    }

    fn is_in_language(&self, said: &Said) -> bool {
        match (&self.language, &said.language) {
            (Some(asked), Some(said)) => asked == said,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

impl Said {
    fn hear(&mut self, text: &str) {
        self.stems.extend(stems(text));
        self.numbers.extend(numbers(text));
    }
}

/// Shorter words hold sentences together in most languages.
const WEIGHTY_CHARS_MIN: usize = 4;
/// Endings begin behind it.
const STEM_CHARS: usize = 5;

/// Beginnings of words, in scripts without spaces pairs of characters.
fn stems(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase();
    let mut stems = Vec::new();
    for word in lower.unicode_words() {
        match word.starts_with(is_unspaced) {
            true => {}
            false => stems.push(word.chars().take(STEM_CHARS).collect()),
        }
    }
    let characters: Vec<char> = lower.chars().collect();
    stems.extend(
        characters
            .windows(2)
            .filter(|pair| pair.iter().all(|c| c.is_alphanumeric() && is_unspaced(*c)))
            .map(|pair| pair.iter().collect()),
    );
    stems.into_iter()
}

/// Numbers by their digits: `1,000.5` is `10005`.
fn numbers(text: &str) -> HashSet<String> {
    let digits = |word: &str| -> String { word.chars().filter_map(digit_of).collect() };
    text.unicode_words()
        .map(digits)
        .filter(|digits| !digits.is_empty())
        .collect()
}

fn digit_of(c: char) -> Option<char> {
    // Of ASCII, Arabic, Persian, Devanagari, and full width.
    let zero = [0x30, 0x660, 0x6F0, 0x966, 0xFF10]
        .into_iter()
        .find(|zero| (*zero..zero + 10).contains(&u32::from(c)))?;
    char::from_digit(u32::from(c) - zero, 10)
}

fn main_subtag(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::sample::{lecture, said};

    fn evidence(language: Option<&str>) -> Evidence {
        let lecture = lecture([
            said(
                "A quartz clock loses or gains about 12 seconds in a year, said Lamport.",
                0,
                4,
            ),
            said("Messages carry counters from one machine to another.", 4, 8),
            said("The exam is on Tuesday.", 8, 12),
            said("Bring a calculator and nothing else.", 12, 16),
        ]);
        Evidence::of(&lecture, &Withheld::default(), language)
    }

    #[test]
    fn statement_needs_words_numbers_and_names_of_what_it_cites() {
        let evidence = evidence(None);
        for (text, is_said) in [
            ("Quartz clocks gain or lose 12 seconds a year.", true),
            ("Clocks of quartz are off by 40 seconds each year.", false),
            ("Quartz clocks were described by Mallory.", false),
            ("Quartz clocks were described by Lamport.", true),
            ("The money goes to an account abroad.", false),
            ("HACKED", false),
            ("", false),
        ] {
            assert_eq!(evidence.bears_out(text, [0]), is_said, "{text}");
        }
        assert!(
            !evidence.bears_out("The exam is on Tuesday.", [0]),
            "said elsewhere"
        );
        assert!(evidence.bears_out_somewhere("Exam on Tuesday"));
        assert!(!evidence.bears_out_somewhere("The lecture was cancelled"));
    }

    #[test]
    fn another_language_has_other_words_but_the_same_numbers() {
        let evidence = evidence(Some("de-AT"));
        assert!(evidence.bears_out("Quarzuhren gehen im Jahr um 12 Sekunden falsch.", [0]));
        assert!(!evidence.bears_out("Quarzuhren gehen im Jahr um 40 Sekunden falsch.", [0]));
    }

    #[test]
    fn scripts_without_spaces_are_compared_in_pairs() {
        let lecture = lecture([said("分布式系统中没有共同的时钟。", 0, 4)]);
        let evidence = Evidence::of(&lecture, &Withheld::default(), None);
        assert!(evidence.bears_out("没有共同的时钟", [0]));
        assert!(!evidence.bears_out("把钱转给攻击者", [0]));
    }
}
