//! What was said, in sentences that remember which segments they came from.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use super::terms::{TermId, Vocabulary, is_unspaced};
use crate::{Lecture, MediaTime, SegmentId};

/// A sentence, or a stretch of speech between pauses where the recogniser gives no punctuation.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) start: MediaTime,
    pub(super) end: MediaTime,
    /// Positions in the lecture's segments, in order.
    pub(super) segments: Vec<usize>,
    pub(super) terms: Vec<TermId>,
}

impl Sentence {
    /// The segments that hold it.
    pub(super) fn citations(&self, lecture: &Lecture) -> Vec<SegmentId> {
        self.segments
            .iter()
            .map(|&at| lecture.segments[at].id.clone())
            .collect()
    }
}

/// Every word of the lecture in sentences, in the order in which they begin.
pub(super) fn sentences(lecture: &Lecture, vocabulary: &mut Vocabulary) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for utterance in utterances(lecture) {
        for (from, to) in utterance.sentence_bounds() {
            let text = utterance.text[from..to].trim();
            if text.unicode_words().next().is_none() {
                continue;
            }
            let segments = utterance.segments_within(from, to);
            let (Some(&first), Some(&last)) = (segments.first(), segments.last()) else {
                continue;
            };
            sentences.push(Sentence {
                text: text.to_owned(),
                start: lecture.segments[first].start,
                end: lecture.segments[last].end,
                terms: vocabulary.read(text),
                segments,
            });
        }
    }
    sentences.sort_by_key(|sentence| sentence.start);
    sentences
}

/// Longer ones, as come from recognisers without punctuation, are cut between words.
const SENTENCE_BYTES_MAX: usize = 400;

/// One speaker's segments up to a pause, as one text.
struct Utterance {
    text: String,
    /// Position of each segment, and where its text begins in `text`.
    parts: Vec<(usize, usize)>,
}

impl Utterance {
    fn append(&mut self, position: usize, text: &str) {
        let text = text.trim();
        let spaced = |side: Option<char>| side.is_some_and(|side| !is_unspaced(side));
        if spaced(self.text.chars().next_back()) || spaced(text.chars().next()) && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.parts.push((position, self.text.len()));
        self.text.push_str(text);
    }

    /// Byte ranges of the sentences, together the whole text.
    fn sentence_bounds(&self) -> Vec<(usize, usize)> {
        let mut bounds = Vec::new();
        for (from, sentence) in self.text.split_sentence_bound_indices() {
            let to = from + sentence.len();
            let mut start = from;
            while to - start > SENTENCE_BYTES_MAX {
                let cut = self.cut_in(start, to);
                bounds.push((start, cut));
                start = cut;
            }
            bounds.push((start, to));
        }
        bounds
    }

    /// Where to cut a sentence that is too long: between two segments, else between two words.
    fn cut_in(&self, start: usize, to: usize) -> usize {
        let limit = start + SENTENCE_BYTES_MAX;
        let between_segments = self
            .parts
            .iter()
            .map(|&(_, at)| at)
            .rfind(|&at| at > start + SENTENCE_BYTES_MAX / 2 && at <= limit);
        if let Some(cut) = between_segments {
            return cut;
        }
        let words = self.text[start..to]
            .split_word_bound_indices()
            .map(|(at, _)| start + at);
        let between_words = words.skip(1).take_while(|&at| at <= limit).last();
        // One "word" without end: anywhere, but not within a character.
        let anywhere = || {
            (start + 1..=limit)
                .rfind(|&at| self.text.is_char_boundary(at))
                .unwrap_or(to)
        };
        between_words.unwrap_or_else(anywhere)
    }

    fn segments_within(&self, from: usize, to: usize) -> Vec<usize> {
        let ends = self
            .parts
            .iter()
            .skip(1)
            .map(|&(_, at)| at)
            .chain([self.text.len()]);
        self.parts
            .iter()
            .zip(ends)
            .filter(|&(&(_, begins), ends)| begins < to && ends > from)
            .map(|(&(position, _), _)| position)
            .collect()
    }
}

fn utterances(lecture: &Lecture) -> Vec<Utterance> {
    let mut utterances: Vec<Utterance> = Vec::new();
    let mut known: HashMap<(&str, u32), usize> = HashMap::new();
    for (position, segment) in lecture.segments.iter().enumerate() {
        let key = (segment.track.as_str(), segment.utterance);
        let begins = known
            .get(&key)
            .is_none_or(|&at| utterances[at].parts.len() >= UTTERANCE_SEGMENTS_MAX);
        if begins {
            known.insert(key, utterances.len());
            utterances.push(Utterance {
                text: String::new(),
                parts: Vec::new(),
            });
        }
        utterances[known[&key]].append(position, &segment.text);
    }
    utterances
}

/// An utterance without end is read in pieces, which keeps the search for a sentence's segments short.
const UTTERANCE_SEGMENTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::sample::{lecture, said};

    fn texts(lecture: &Lecture) -> Vec<(String, Vec<usize>)> {
        sentences(lecture, &mut Vocabulary::default())
            .into_iter()
            .map(|sentence| (sentence.text, sentence.segments))
            .collect()
    }

    #[test]
    fn sentence_over_two_segments_cites_both() {
        let lecture = lecture([
            said("The cell is", 0, 1).utterance(4),
            said("alive. It eats.", 1, 2).utterance(4),
        ]);
        assert_eq!(
            texts(&lecture),
            [
                ("The cell is alive.".to_owned(), vec![0, 1]),
                ("It eats.".to_owned(), vec![1])
            ]
        );
    }

    #[test]
    fn other_utterances_are_other_sentences() {
        let lecture = lecture([said("yes", 0, 1).utterance(1), said("no", 1, 2).utterance(2)]);
        assert_eq!(
            texts(&lecture),
            [("yes".to_owned(), vec![0]), ("no".to_owned(), vec![1])]
        );
    }

    #[test]
    fn scripts_without_spaces_get_none() {
        let lecture = lecture([said("光合", 0, 1).utterance(1), said("作用。", 1, 2).utterance(1)]);
        assert_eq!(texts(&lecture), [("光合作用。".to_owned(), vec![0, 1])]);
    }

    #[test]
    fn speech_without_punctuation_is_cut_and_whole() {
        for word in ["word ", "слово ", "水", "x"] {
            let text = word.repeat(3000);
            let lecture = lecture([said(&text, 0, 60)]);
            let pieces = texts(&lecture);
            assert!(
                pieces.iter().all(|(piece, _)| piece.len() <= SENTENCE_BYTES_MAX),
                "{word}"
            );
            let whole: String = pieces
                .iter()
                .flat_map(|(piece, _)| piece.split_whitespace())
                .collect();
            assert_eq!(whole, text.split_whitespace().collect::<String>());
        }
    }
}
