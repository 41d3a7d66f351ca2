//! Which words carry a text, found by counting alone: no language has a list of its own here.
//!
//! A word that comes in bursts is about something; one that is spread evenly holds sentences together. The measure
//! is the residual inverse document frequency (Church and Gale, 1995): how many fewer stretches of the text have the
//! word than chance would give it. Short words are trusted less, as in most languages the little words are short.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

/// A word as [`Vocabulary`] numbers it, in order of first appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TermId(u32);

impl TermId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every word that was read.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    ids: HashMap<String, TermId>,
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    /// The forms in which it was met, and how often each.
    forms: Vec<(String, u32)>,
    /// Two characters of a script without spaces; the neighbours overlap.
    unspaced: bool,
}

impl Vocabulary {
    /// The terms of `text`, in order: words, or pairs of characters where a script has no spaces.
    pub(super) fn read(&mut self, text: &str) -> Vec<TermId> {
        let mut terms = Vec::new();
        let mut run: Vec<(usize, &str)> = Vec::new();
        for (at, word) in text.unicode_word_indices() {
            let unspaced = word.chars().next().is_some_and(is_unspaced);
            let follows = run.last().is_some_and(|(before, last)| before + last.len() == at);
            if !unspaced || !follows {
                self.close_run(&mut run, text, &mut terms);
            }
            match unspaced {
                true => run.push((at, word)),
                false => terms.push(self.intern(word, word, Spacing::Words)),
            }
        }
        self.close_run(&mut run, text, &mut terms);
        terms
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    fn close_run(&mut self, run: &mut Vec<(usize, &str)>, text: &str, terms: &mut Vec<TermId>) {
        match run.as_slice() {
            [] => {}
            [(_, single)] => terms.push(self.intern(single, single, Spacing::None)),
            several => {
                for pair in several.windows(2) {
                    let pair = &text[pair[0].0..pair[1].0 + pair[1].1.len()];
                    terms.push(self.intern(pair, pair, Spacing::None));
                }
            }
        }
        run.clear();
    }

    fn intern(&mut self, word: &str, form: &str, spacing: Spacing) -> TermId {
        let key: String = word.to_lowercase().chars().take(STEM_CHARS).collect();
        let id = *self.ids.entry(key).or_insert_with(|| {
            self.words.push(Word {
                forms: Vec::new(),
                unspaced: spacing == Spacing::None,
            });
            TermId(u32::try_from(self.words.len() - 1).expect("a transcript has fewer words than that"))
        });
        let forms = &mut self.words[id.index()].forms;
        match forms.iter_mut().find(|(known, _)| known == form) {
            Some((_, count)) => *count += 1,
            None => forms.push((form.to_owned(), 1)),
        }
        id
    }

    /// The form that was met most often; of several the first.
    fn form(&self, term: TermId) -> &str {
        let forms = &self.words[term.index()].forms;
        let most = forms.iter().map(|&(_, count)| count).max().unwrap_or(0);
        forms
            .iter()
            .find(|&&(_, count)| count == most)
            .map_or("", |(form, _)| form)
    }

    /// How far the look of a word lets us take it for a subject, 0 to 1.
    fn shape(&self, term: TermId) -> f64 {
        let form = self.form(term);
        let letters = form.chars().count();
        if form.chars().all(|character| !character.is_alphabetic()) {
            return 0.0;
        }
        if self.words[term.index()].unspaced {
            // Hiragana is the grammar of Japanese; subjects are written in the other scripts.
            return if letters < 2 || form.chars().any(is_hiragana) {
                0.0
            } else {
                0.9
            };
        }
        let capitals = form.chars().filter(|character| character.is_uppercase()).count();
        if letters >= 2 && capitals == letters {
            return 0.9;
        }
        match letters {
            0..=2 => 0.0,
            3 => 0.25,
            4 => 0.55,
            5 => 0.8,
            _ => 1.0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Words,
    None,
}

/// Words that begin alike are one term: endings differ by case, number and tense in most languages.
const STEM_CHARS: usize = 8;

/// What every term of a text weighs.
#[derive(Debug)]
pub(super) struct Weights {
    counts: Vec<u32>,
    weights: Vec<f64>,
}

impl Weights {
    /// Counts the terms of `sentences`, all of which `vocabulary` has read.
    pub(super) fn of(vocabulary: &Vocabulary, sentences: &[&[TermId]]) -> Self {
        let mut counts = vec![0; vocabulary.len()];
        let mut blocks_with = vec![0_u32; vocabulary.len()];
        let mut last_block = vec![usize::MAX; vocabulary.len()];
        let mut read = 0;
        for &term in sentences.iter().copied().flatten() {
            let block = read / BLOCK_TERMS;
            read += 1;
            counts[term.index()] += 1;
            if last_block[term.index()] != block {
                last_block[term.index()] = block;
                blocks_with[term.index()] += 1;
            }
        }
        let blocks = read.div_ceil(BLOCK_TERMS);
        let weights = (0..vocabulary.len())
            .map(|at| {
                let term = TermId(u32::try_from(at).expect("numbered by u32"));
                vocabulary.shape(term) * content(counts[at], blocks_with[at], blocks)
            })
            .collect();
        Self { counts, weights }
    }

    /// What a term weighs; 0 for what only holds sentences together.
    pub(super) fn weight(&self, term: TermId) -> f64 {
        self.weights[term.index()]
    }

    /// How often it occurs.
    pub(super) fn count(&self, term: TermId) -> u32 {
        self.counts[term.index()]
    }

    /// How much a mention of it says about the whole text.
    pub(super) fn salience(&self, term: TermId) -> f64 {
        self.weight(term) * f64::from(1 + self.count(term)).ln()
    }
}

/// A stretch of text in which a subject stays or goes: about half a minute of speech.
const BLOCK_TERMS: usize = 60;
/// With fewer stretches chance and subject can't be told apart.
const BLOCKS_MIN: usize = 6;

fn content(count: u32, blocks_with: u32, blocks: usize) -> f64 {
    if count == 0 {
        return 0.0;
    }
    if blocks < BLOCKS_MIN {
        return if count > 1 { 1.0 } else { 0.4 };
    }
    let blocks = blocks as f64;
    let observed = (blocks / f64::from(blocks_with)).log2();
    let by_chance = -(1.0 - (-f64::from(count) / blocks).exp()).log2();
    0.1 + (observed - by_chance).max(0.0)
}

/// Words or phrases, the most telling first, with the terms they are made of.
pub(super) fn phrases(
    vocabulary: &Vocabulary,
    weights: &Weights,
    sentences: &[&[TermId]],
    limit: usize,
) -> Vec<(String, Vec<TermId>)> {
    let mut candidates = single_terms(weights, sentences);
    candidates.extend(compounds(vocabulary, weights, sentences));
    candidates.sort_by(|(left, left_score), (right, right_score)| {
        right_score.total_cmp(left_score).then_with(|| left.cmp(right))
    });
    let mut chosen: Vec<(String, Vec<TermId>)> = Vec::new();
    for (terms, _) in candidates {
        if chosen.len() == limit {
            break;
        }
        let text = joined(vocabulary, &terms);
        let repeats = |(other, parts): &(String, Vec<TermId>)| {
            parts.iter().any(|part| terms.contains(part)) || look_alike(other, &text)
        };
        if !chosen.iter().any(repeats) {
            chosen.push((text, terms));
        }
    }
    chosen
}

fn single_terms(weights: &Weights, sentences: &[&[TermId]]) -> Vec<(Vec<TermId>, f64)> {
    let mut here: HashMap<TermId, u32> = HashMap::new();
    for &term in sentences.iter().copied().flatten() {
        *here.entry(term).or_default() += 1;
    }
    let scored = here
        .into_iter()
        .filter(|&(term, count)| count > 1 && weights.weight(term) > 0.0);
    scored
        .map(|(term, count)| (vec![term], weights.weight(term) * f64::from(1 + count).ln()))
        .collect()
}

/// Neighbours that mostly come together.
fn compounds(vocabulary: &Vocabulary, weights: &Weights, sentences: &[&[TermId]]) -> Vec<(Vec<TermId>, f64)> {
    let mut found: HashMap<&[TermId], u32> = HashMap::new();
    let subject = |term: &TermId| weights.weight(*term) > 0.0;
    for length in 2..=COMPOUND_TERMS_MAX {
        for window in sentences.iter().flat_map(|terms| terms.windows(length)) {
            if window.iter().all(subject) && overlaps(vocabulary, window) {
                *found.entry(window).or_default() += 1;
            }
        }
    }
    let together = |(window, count): &(&[TermId], u32)| {
        let rarest = window.iter().map(|&term| weights.count(term)).min().unwrap_or(0);
        let different = window.iter().collect::<HashSet<_>>().len() == window.len();
        *count >= COMPOUND_COUNT_MIN && *count * 2 >= rarest && different
    };
    found
        .into_iter()
        .filter(together)
        .map(|(window, count)| {
            let weight: f64 = window.iter().map(|&term| weights.weight(term)).sum();
            let share = (window.len() as f64).sqrt();
            (window.to_vec(), weight / share * f64::from(1 + count).ln())
        })
        .collect()
}

const COMPOUND_TERMS_MAX: usize = 3;
const COMPOUND_COUNT_MIN: u32 = 3;

/// Whether pairs of characters are neighbours in the text, too; words always are.
fn overlaps(vocabulary: &Vocabulary, window: &[TermId]) -> bool {
    window.windows(2).all(|pair| {
        let [left, right] = [pair[0], pair[1]];
        match [left, right].map(|term| vocabulary.words[term.index()].unspaced) {
            [true, true] => {
                vocabulary.form(left).chars().next_back() == vocabulary.form(right).chars().next()
            }
            [false, false] => true,
            _ => false,
        }
    })
}

fn joined(vocabulary: &Vocabulary, terms: &[TermId]) -> String {
    let mut text = String::new();
    for &term in terms {
        let form = vocabulary.form(term);
        match vocabulary.words[term.index()].unspaced {
            true if !text.is_empty() => text.extend(form.chars().skip(1)),
            _ => {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(form);
            }
        }
    }
    text
}

/// Whether two phrases differ in no more than an ending.
fn look_alike(left: &str, right: &str) -> bool {
    let [left, right] = [left.to_lowercase(), right.to_lowercase()];
    let common = left
        .chars()
        .zip(right.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let [shorter, longer] = {
        let [left, right] = [left.chars().count(), right.chars().count()];
        [left.min(right), left.max(right)]
    };
    match longer - common {
        0 => true,
        1 => common >= 3,
        2..=3 => common >= 4 && common == shorter,
        _ => false,
    }
}

/// Scripts that put no space between words, except Katakana, whose runs are words.
pub(super) fn is_unspaced(character: char) -> bool {
    is_hiragana(character)
        || matches!(u32::from(character),
            // Thai, Lao; Myanmar; Khmer
            0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF
            // CJK punctuation, ideographs and their extensions, full-width forms
            | 0x3000..=0x3007 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF00..=0xFF65
            | 0x20000..=0x3FFFF)
}

fn is_hiragana(character: char) -> bool {
    matches!(u32::from(character), 0x3041..=0x309F)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let mut vocabulary = Vocabulary::default();
        let terms = vocabulary.read(text);
        terms
            .into_iter()
            .map(|term| vocabulary.form(term).to_owned())
            .collect()
    }

    #[test]
    fn scripts_without_spaces_are_read_in_pairs() {
        assert_eq!(forms("光合作用 is, 水."), ["光合", "合作", "作用", "is", "水"]);
        assert_eq!(forms("Сила трения"), ["Сила", "трения"]);
    }

    #[test]
    fn endings_do_not_make_another_word() {
        let mut vocabulary = Vocabulary::default();
        let terms = vocabulary.read("Photosynthesis photosynthetic");
        assert_eq!(terms[0], terms[1]);
    }

    #[test]
    fn bursts_weigh_more_than_even_spread() {
        let mut vocabulary = Vocabulary::default();
        let mut text = String::new();
        for block in 0..20 {
            for filler in 0..50 {
                text.push_str(&format!("w{block}x{filler} "));
            }
            text.push_str("because because ");
            if block == 7 {
                text.push_str(&"entropy ".repeat(40));
            }
        }
        let terms = vocabulary.read(&text);
        let weights = Weights::of(&vocabulary, &[&terms]);
        let [even, burst] = ["because", "entropy"].map(|word| vocabulary.ids[word]);
        assert_eq!(weights.count(even), weights.count(burst));
        assert!(weights.weight(burst) > 4.0 * weights.weight(even));
    }

    #[test]
    fn words_that_come_together_are_one_phrase() {
        for (text, phrase) in [
            (
                "the neural network of a neural network and neural network to",
                "neural network",
            ),
            ("光合作用，光合作用。光合作用", "光合作用"),
        ] {
            let mut vocabulary = Vocabulary::default();
            let terms = vocabulary.read(text);
            let weights = Weights::of(&vocabulary, &[&terms]);
            let found = phrases(&vocabulary, &weights, &[&terms], 1);
            assert_eq!(found[0].0, phrase);
        }
    }

    #[test]
    fn plural_is_no_second_term() {
        assert!(look_alike("Cells", "cell"));
        assert!(look_alike("лекция", "лекцию"));
        assert!(!look_alike("cell", "cello music"));
        assert!(!look_alike("nuclear", "nucleus"));
    }
}
