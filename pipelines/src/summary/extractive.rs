//! The built-in summary: sentences as they were said, chosen by counting words.

use std::{cmp::Reverse, collections::HashSet, ops::Range};

use super::{
    language::main_language,
    model::{Chapter, CitedLine, KeyTerm, Summary, SummarySource},
    sentence::{Sentence, sentences},
    terms::{TermId, Vocabulary, Weights, phrases},
    topic::topics,
};
use crate::Lecture;

/// Summarises without any model, in any language, the same way every time.
///
/// Says of itself that it is [`SummarySource::EXTRACTIVE`]. It names no action items: counting words can't tell a
/// promise from a story about one. It asks no questions either: a sentence with a hole where a term was, out of speech
/// without full stops, mostly asks for a word and not for what was taught. A meeting in which nobody spoke gets a title and nothing else.
pub fn extractive(lecture: &Lecture) -> Summary {
    let mut vocabulary = Vocabulary::default();
    let sentences = sentences(lecture, &mut vocabulary);
    let terms: Vec<&[TermId]> = sentences
        .iter()
        .map(|sentence| sentence.terms.as_slice())
        .collect();
    let weights = Weights::of(&vocabulary, &terms);
    let text = Text {
        lecture,
        vocabulary: &vocabulary,
        sentences: &sentences,
        terms: &terms,
        weights: &weights,
    };

    let topics = topics(&sentences, &weights);
    let key_phrases = text.phrases(&terms, KEY_TERMS_MAX);
    Summary {
        source: SummarySource::EXTRACTIVE,
        title: text.title(&key_phrases),
        language: main_language(lecture),
        abstract_lines: text.overview(&topics),
        chapters: text.chapters(&topics),
        key_terms: key_phrases
            .into_iter()
            .map(|(term, parts)| text.key_term(term, &parts))
            .collect(),
        action_items: Vec::new(),
        questions: Vec::new(),
        coverage_percent: 100,
        dropped_lines: 0,
        is_outdated: false,
    }
}

/// In a minute's speech little words come in bursts as well as great ones.
const WORDS_TO_COUNT_MIN: usize = 250;
const KEY_TERMS_MAX: usize = 12;
const KEY_TERM_CITATIONS_MAX: usize = 5;
const TITLE_TERMS_MAX: usize = 3;
const TITLE_CHARS_MAX: usize = 60;
const OVERVIEW_LINES_MAX: usize = 6;
const CHAPTER_LINES_MAX: usize = 4;
const SECONDS_PER_CHAPTER_LINE: u64 = 150;

/// A lecture as it was read.
struct Text<'a> {
    lecture: &'a Lecture,
    vocabulary: &'a Vocabulary,
    sentences: &'a [Sentence],
    terms: &'a [&'a [TermId]],
    weights: &'a Weights,
}

impl Text<'_> {
    /// What these sentences are about; nothing where there are too few words in all to tell by counting.
    fn phrases(&self, terms: &[&[TermId]], most: usize) -> Vec<(String, Vec<TermId>)> {
        let words: usize = self.terms.iter().map(|sentence| sentence.len()).sum();
        if words < WORDS_TO_COUNT_MIN {
            return Vec::new();
        }
        phrases(self.vocabulary, self.weights, terms, most)
    }

    fn title(&self, key_phrases: &[(String, Vec<TermId>)]) -> String {
        let first_words = || self.sentences.first().map(|sentence| opening(&sentence.text));
        let room = || clipped(self.lecture.called());
        title_of(key_phrases).or_else(first_words).unwrap_or_else(room)
    }

    /// The most telling sentences of the most telling chapters.
    fn overview(&self, topics: &[Range<usize>]) -> Vec<CitedLine> {
        let lines = match topics {
            [] => Vec::new(),
            [only] => self.best(only.clone(), 3),
            several => {
                let wanted = (2 + several.len() / 3).min(OVERVIEW_LINES_MAX);
                let mut best: Vec<usize> = several
                    .iter()
                    .flat_map(|topic| self.best(topic.clone(), 1))
                    .collect();
                best.sort_by(|&left, &right| {
                    self.score(right)
                        .total_cmp(&self.score(left))
                        .then(left.cmp(&right))
                });
                best.truncate(wanted);
                best.sort_unstable();
                best
            }
        };
        self.lines(lines)
    }

    fn chapters(&self, topics: &[Range<usize>]) -> Vec<Chapter> {
        let end = self.sentences.iter().map(|sentence| sentence.end).max();
        let ends = topics
            .iter()
            .skip(1)
            .map(|next| self.sentences[next.start].start)
            .chain(end);
        let chapter = |(topic, end): (&Range<usize>, _)| {
            let start = self.sentences[topic.start].start;
            let seconds = self.sentences[topic.end - 1].end.since(start).as_secs();
            let wanted = usize::try_from(seconds / SECONDS_PER_CHAPTER_LINE).unwrap_or(usize::MAX);
            Chapter {
                title: self.chapter_title(topic),
                start,
                end,
                lines: self.lines(self.best(topic.clone(), wanted.clamp(1, CHAPTER_LINES_MAX))),
            }
        };
        topics.iter().zip(ends).map(chapter).collect()
    }

    fn chapter_title(&self, topic: &Range<usize>) -> String {
        let terms = self.phrases(&self.terms[topic.clone()], TITLE_TERMS_MAX);
        title_of(&terms).unwrap_or_else(|| opening(&self.sentences[topic.start].text))
    }

    fn key_term(&self, term: String, parts: &[TermId]) -> KeyTerm {
        let holds = |sentence: &&Sentence| sentence.terms.windows(parts.len()).any(|window| window == parts);
        let mut cited: Vec<usize> = self
            .sentences
            .iter()
            .filter(holds)
            .flat_map(|sentence| &sentence.segments)
            .copied()
            .collect();
        cited.sort_unstable();
        cited.dedup();
        cited.truncate(KEY_TERM_CITATIONS_MAX);
        let citations = cited
            .into_iter()
            .map(|at| self.lecture.segments[at].id.clone())
            .collect();
        KeyTerm {
            term,
            explanation: String::new(),
            citations,
        }
    }

    /// The `wanted` most telling sentences of a range that don't say the same, in their order.
    fn best(&self, range: Range<usize>, wanted: usize) -> Vec<usize> {
        let mut ranked: Vec<usize> = range.collect();
        ranked.sort_by_cached_key(|&at| (Reverse(Ordered(self.score(at))), at));
        let mut chosen: Vec<usize> = Vec::new();
        for at in ranked {
            if chosen.len() == wanted {
                break;
            }
            if !chosen.iter().any(|&other| self.repeat(at, other)) {
                chosen.push(at);
            }
        }
        chosen.sort_unstable();
        chosen
    }

    fn score(&self, at: usize) -> f64 {
        let terms = &self.sentences[at].terms;
        let different: HashSet<TermId> = terms.iter().copied().collect();
        // Added up in the order of the terms: a sum of floats depends on it.
        let mut different: Vec<TermId> = different.into_iter().collect();
        different.sort_unstable();
        let salience: f64 = different.iter().map(|&term| self.weights.salience(term)).sum();
        let telling = match terms.len() {
            0..4 => 0.3,
            4..8 => 0.8,
            8..45 => 1.0,
            _ => 0.8,
        };
        salience / (different.len().max(8) as f64).sqrt() * telling
    }

    /// Whether two sentences share half of what they say.
    fn repeat(&self, one: usize, other: usize) -> bool {
        let subjects = |at: usize| -> HashSet<TermId> {
            self.sentences[at]
                .terms
                .iter()
                .copied()
                .filter(|&term| self.weights.weight(term) > 0.0)
                .collect()
        };
        let [one, other] = [subjects(one), subjects(other)];
        let smaller = one.len().min(other.len());
        smaller > 0 && one.intersection(&other).count() * 2 > smaller
    }

    fn lines(&self, sentences: Vec<usize>) -> Vec<CitedLine> {
        let line = |at: usize| CitedLine {
            text: self.sentences[at].text.clone(),
            citations: self.sentences[at].citations(self.lecture),
        };
        sentences.into_iter().map(line).collect()
    }
}

/// A float that is never NaN, as a key to sort by.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn title_of(phrases: &[(String, Vec<TermId>)]) -> Option<String> {
    let listed = phrases
        .iter()
        .take(TITLE_TERMS_MAX)
        .map(|(term, _)| term.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    (!listed.is_empty()).then(|| capitalised(&listed))
}

/// The first words, as a title has them: recognisers give lower case alone.
fn opening(text: &str) -> String {
    capitalised(&clipped(text))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

/// The beginning of a text, up to a space where there is one.
fn clipped(text: &str) -> String {
    let text = text.trim();
    let Some((limit, _)) = text.char_indices().nth(TITLE_CHARS_MAX) else {
        return text.trim_end_matches(['.', ',', ';', '。', '،']).to_owned();
    };
    let cut = text[..limit]
        .rfind(char::is_whitespace)
        .filter(|&at| at > limit / 2)
        .unwrap_or(limit);
    format!("{} …", text[..cut].trim_end())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{
        MediaTime,
        summary::sample::{Said, lecture, said},
    };

    #[test]
    fn silence_has_a_title_and_nothing_else() {
        let summary = extractive(&lecture([]));
        assert_eq!(summary.title, "physics-101");
        let titled = Lecture {
            room_title: Some("Algebra II".to_owned()),
            ..lecture([])
        };
        assert_eq!(extractive(&titled).title, "Algebra II");
        assert!(
            summary.abstract_lines.is_empty() && summary.chapters.is_empty() && summary.key_terms.is_empty()
        );
    }

    #[test]
    fn one_word_is_a_chapter() {
        let summary = extractive(&lecture([said("Hello.", 3, 4)]));
        assert_eq!(summary.title, "Hello");
        assert_eq!(summary.chapters.len(), 1);
        assert_eq!(summary.chapters[0].title, "Hello");
        assert_eq!(summary.chapters[0].start, MediaTime::from_millis(3000));
        assert_eq!(summary.abstract_lines[0].text, "Hello.");
    }

    #[test]
    fn title_of_first_words_begins_with_a_capital_where_there_are_any() {
        for (words, title) in [
            ("the weather today", "The weather today"),
            ("погода сегодня", "Погода сегодня"),
            ("今天天气", "今天天气"),
            ("3 things", "3 things"),
        ] {
            let summary = extractive(&lecture([said(words, 3, 4)]));
            assert_eq!(summary.title, title);
            assert_eq!(summary.chapters[0].title, title);
        }
    }

    #[test]
    fn sounds_without_a_letter_are_no_words() {
        let summary = extractive(&lecture([
            said("…", 0, 1),
            said("12 34 56", 1, 2),
            said("?!", 2, 3),
        ]));
        assert_eq!(summary.title, "12 34 56");
        assert!(summary.key_terms.is_empty());
    }

    /// Three subjects, eight minutes each; every sentence shares its little words with all others.
    fn three_subjects() -> Lecture {
        let subjects = [
            ["volcano", "lava", "magma", "eruption", "crater"],
            ["violin", "orchestra", "melody", "conductor", "symphony"],
            ["protein", "enzyme", "membrane", "ribosome", "molecule"],
        ];
        let sentences = (0..144_u64).map(|at| {
            let subject = &subjects[usize::try_from(at / 48).expect("small")];
            let word = |offset: u64| subject[usize::try_from((at + offset) % 5).expect("small")];
            let text = format!(
                "So we will then look at the {} because that is what the {} does to every {} here.",
                word(0),
                word(1),
                word(at % 3 + 2)
            );
            said(&text, at * 10, at * 10 + 9)
        });
        lecture(sentences.collect::<Vec<_>>())
    }

    #[test]
    fn chapters_begin_where_the_subject_changes() {
        let summary = extractive(&three_subjects());
        let starts: Vec<u64> = summary
            .chapters
            .iter()
            .map(|chapter| chapter.start.as_millis() / 1000)
            .collect();
        assert_eq!(starts.len(), 3, "{starts:?}");
        assert!(
            starts[1].abs_diff(480) <= 20 && starts[2].abs_diff(960) <= 20,
            "{starts:?}"
        );
        for pair in summary.chapters.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
        }
    }

    #[test]
    fn key_terms_are_subjects_not_little_words() {
        let summary = extractive(&three_subjects());
        let little = [
            "because", "every", "then", "what", "look", "here", "will", "does", "that", "the",
        ];
        for term in &summary.key_terms {
            assert!(!little.contains(&term.term.to_lowercase().as_str()), "{term:?}");
        }
        assert!(summary.key_terms.len() >= 8, "{:?}", summary.key_terms);
    }

    #[test]
    fn every_line_cites_what_holds_it() {
        let lecture = three_subjects();
        let summary = extractive(&lecture);
        let lines = summary
            .chapters
            .iter()
            .flat_map(|chapter| &chapter.lines)
            .chain(&summary.abstract_lines);
        let mut seen = 0;
        for line in lines {
            assert_eq!(line.citations.len(), 1);
            let cited = lecture
                .segments
                .iter()
                .find(|segment| segment.id == line.citations[0])
                .expect("known");
            assert_eq!(cited.text, line.text);
            seen += 1;
        }
        assert!(seen >= 6);
    }

    #[test]
    fn four_hours_make_as_many_chapters_as_people_want_and_never_differ() {
        let lecture = four_hours();
        let summary = extractive(&lecture);
        assert_eq!(summary, extractive(&lecture));
        assert!(
            (20..=80).contains(&summary.chapters.len()),
            "{}",
            summary.chapters.len()
        );
    }

    /// 36,000 words that follow Zipf's law, as speech does.
    fn four_hours() -> Lecture {
        let mut state = 1_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let said: Vec<Said> = (0..3600_u64)
            .map(|at| {
                let words: Vec<String> = (0..10)
                    .map(|_| {
                        format!(
                            "w{}ord",
                            (4000_f64.powf(next())).floor() + (at / 150) as f64 * 7.0
                        )
                    })
                    .collect();
                said(&format!("{}.", words.join(" ")), at * 4, at * 4 + 3)
            })
            .collect();
        lecture(said)
    }
}
