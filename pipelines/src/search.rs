//! Looking for words: what a text is found by, what somebody looks for, and where a text has it.
//!
//! Both databases index the same tokens, made here, so that both find the same, in every language. A word is a token
//! in lower case, without accents. Scripts that put no space between words (Chinese, Japanese, Thai and others) give a
//! token for each character, together with the next one: any piece of such a text is found by tokens in a row.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

use crate::export::plain;

/// What somebody looks for: a text is found by having all of its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    terms: Vec<SearchTerm>,
}

/// One thing to look for. Tokens are letters, digits and marks: no syntax of a database has a place in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchTerm {
    /// A token that begins with this.
    Prefix(String),
    /// These tokens, one right after the other; at least one.
    InARow(Vec<String>),
}

/// A piece of a text, and where in it something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// One line of plain text; `…` stands where something was left out. Data, never markup.
    pub text: String,
    /// Where in `text`, in UTF-16 code units, as JavaScript counts; in order, none empty, none overlapping.
    pub matches: Vec<Range<usize>>,
}

/// The terms of a query that are looked for; the others are passed over.
pub const QUERY_TERMS_MAX: usize = 16;
/// The bytes of a text's tokens that are indexed; far more than a summary has. Postgres takes no megabyte.
const TOKENS_BYTES_MAX: usize = 256 * 1024;
/// Longer words are indexed and looked for by their beginning.
const TOKEN_CHARS_MAX: usize = 40;
/// What an excerpt shows of a long text, and how much of that is before the first match.
const EXCERPT_CHARS_MAX: usize = 160;
const EXCERPT_CHARS_BEFORE: usize = 40;

impl SearchQuery {
    /// Takes any text for words to look for: nothing in it has another meaning.
    pub fn parse(text: &str) -> Self {
        let mut terms = Vec::new();
        for run in runs(&plain(text)) {
            let term = run.term();
            if terms.len() < QUERY_TERMS_MAX && !terms.contains(&term) {
                terms.push(term);
            }
        }
        Self { terms }
    }

    /// What to look for; empty where the query has no letter or digit, and then nothing is found.
    pub fn terms(&self) -> &[SearchTerm] {
        &self.terms
    }

    /// The first place in `text` that has any of the terms, with what is around it.
    pub fn excerpt(&self, text: &str) -> Option<Excerpt> {
        let text = plain(text);
        let tokens = tokens(&text);
        let mut found: Vec<_> = self.terms.iter().flat_map(|term| term.places(&tokens)).collect();
        found.sort_by_key(|place| (place.start, place.end));
        let first = found.first()?.start;
        let shown = window(&text, first);
        let (lead, tail) = (
            if shown.start > 0 { "…" } else { "" },
            if shown.end < text.len() { "…" } else { "" },
        );
        let excerpt = format!("{lead}{}{tail}", &text[shown.clone()]);
        let mut matches: Vec<Range<usize>> = Vec::new();
        // What the end cuts through is no match any more, except for a first one that is longer than all that is shown.
        let is_shown = |place: &Range<usize>| place.start == first || place.end <= shown.end;
        for place in found.into_iter().filter(is_shown) {
            let place = [place.start, place.end.min(shown.end)]
                .map(|at| units(&excerpt[..lead.len() + at - shown.start]));
            let place = place[0]..place[1];
            match matches.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => matches.push(place),
            }
        }
        Some(Excerpt {
            text: excerpt,
            matches,
        })
    }
}

impl SearchTerm {
    /// Whether a text has it, as databases find it by [`search_tokens`].
    pub fn is_in(&self, text: &str) -> bool {
        !self.places(&tokens(&plain(text))).is_empty()
    }

    /// Where in the text of these tokens it is, in bytes.
    fn places(&self, tokens: &[Token]) -> Vec<Range<usize>> {
        match self {
            Self::Prefix(prefix) => tokens
                .iter()
                .filter(|token| token.text.starts_with(prefix))
                .map(|token| token.place.clone())
                .collect(),
            Self::InARow(row) => tokens
                .windows(row.len())
                .filter(|window| window.iter().zip(row).all(|(token, text)| token.text == *text))
                .map(|window| window[0].place.start..window[window.len() - 1].end)
                .collect(),
        }
    }
}

/// What a text is found by, in order. The tokens of a text of enormous length end somewhere.
pub fn search_tokens(text: &str) -> Vec<String> {
    let mut bytes = 0;
    tokens(&plain(text))
        .into_iter()
        .map(|token| token.text)
        .take_while(|token| {
            bytes += token.len() + 1;
            bytes <= TOKENS_BYTES_MAX
        })
        .collect()
}

/// Something that a text is found by.
#[derive(Debug)]
struct Token {
    text: String,
    /// Where the word is, or the character that the token begins with; in bytes.
    place: Range<usize>,
    /// Where all that is in the token ends.
    end: usize,
}

fn tokens(text: &str) -> Vec<Token> {
    runs(text).into_iter().flat_map(Run::into_tokens).collect()
}

/// Letters and digits that nothing stands between.
#[derive(Debug)]
struct Run {
    spacing: Spacing,
    /// As they are compared, and where each is.
    letters: Vec<(char, Range<usize>)>,
}

/// Whether a script has spaces between words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Spaced,
    Unspaced,
}

impl Run {
    fn term(&self) -> SearchTerm {
        match (self.spacing, self.letters.as_slice()) {
            (Spacing::Spaced, _) => SearchTerm::Prefix(self.word()),
            (Spacing::Unspaced, [(single, _)]) => SearchTerm::Prefix(single.to_string()),
            (Spacing::Unspaced, letters) => SearchTerm::InARow(letters.windows(2).map(pair).collect()),
        }
    }

    fn word(&self) -> String {
        let letters = self.letters.iter().map(|(letter, _)| letter);
        letters.take(TOKEN_CHARS_MAX).collect()
    }

    fn into_tokens(self) -> Vec<Token> {
        let ends = |of: &[(char, Range<usize>)]| of.last().map_or(0, |(_, place)| place.end);
        match self.spacing {
            Spacing::Spaced => {
                let (start, end) = (self.letters[0].1.start, ends(&self.letters));
                vec![Token {
                    text: self.word(),
                    place: start..end,
                    end,
                }]
            }
            Spacing::Unspaced => (0..self.letters.len())
                .map(|at| {
                    let letters = &self.letters[at..self.letters.len().min(at + 2)];
                    Token {
                        text: pair(letters),
                        place: letters[0].1.clone(),
                        end: ends(letters),
                    }
                })
                .collect(),
        }
    }
}

fn pair(letters: &[(char, Range<usize>)]) -> String {
    letters.iter().map(|(letter, _)| letter).collect()
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for (start, grapheme) in text.grapheme_indices(true) {
        let letters = compared(grapheme);
        goes_on &= !letters.is_empty();
        for letter in letters {
            let (spacing, placed) = (spacing_of(letter), (letter, start..start + grapheme.len()));
            match runs.last_mut().filter(|run| goes_on && run.spacing == spacing) {
                Some(run) => run.letters.push(placed),
                None => runs.push(Run {
                    spacing,
                    letters: vec![placed],
                }),
            }
            goes_on = true;
        }
    }
    runs
}

/// The letters and digits of what looks like one, as they are compared: in lower case, in their plainest form, without
/// the accents of European scripts. Other marks belong to the letter.
fn compared(grapheme: &str) -> Vec<char> {
    // A mark alone says nothing, and belongs to whatever happens to stand before it.
    if !grapheme.contains(|letter: char| letter.is_alphanumeric() && !is_combining_mark(letter)) {
        return Vec::new();
    }
    let plainest = grapheme.chars().flat_map(char::to_lowercase).nfkd();
    plainest
        // Accents; and what chooses between forms of one letter.
        .filter(|letter| !matches!(letter, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'))
        .nfc()
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == 'ς' { 'σ' } else { letter })
        .filter(|letter| letter.is_alphanumeric() || is_combining_mark(*letter))
        .collect()
}

fn spacing_of(letter: char) -> Spacing {
    match u32::from(letter) {
        // Thai, Lao, Tibetan, Myanmar; Khmer
        0x0e00..=0x109f | 0x1780..=0x17ff
        // Radicals, kana and ideographs
        | 0x2e80..=0x312f | 0x3190..=0xa4cf | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x1_b000..=0x1_b16f
        | 0x2_0000..=0x3_ffff => Spacing::Unspaced,
        _ => Spacing::Spaced,
    }
}

/// What is shown of a text for a match that begins at `first`: some of what is before it, and what fits behind.
fn window(text: &str, first: usize) -> Range<usize> {
    let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    if boundaries.len() <= EXCERPT_CHARS_MAX {
        return 0..text.len();
    }
    let at = boundaries.partition_point(|&boundary| boundary < first);
    let last = boundaries.len() - EXCERPT_CHARS_MAX;
    let begin = at.saturating_sub(EXCERPT_CHARS_BEFORE).min(last);
    // Not in the middle of a word, unless it is a script without spaces.
    let is_start = |&at: &usize| at == 0 || text[boundaries[at - 1]..].starts_with(' ');
    let begin = (begin..at).find(is_start).unwrap_or(begin);
    let end = boundaries
        .get(begin + EXCERPT_CHARS_MAX)
        .copied()
        .unwrap_or(text.len());
    boundaries[begin]..end
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_found(query: &str, text: &str) -> bool {
        let query = SearchQuery::parse(query);
        !query.terms().is_empty() && query.terms().iter().all(|term| term.is_in(text))
    }

    #[test]
    fn words_are_found_by_their_beginning_in_any_case_and_without_accents() {
        for (query, text) in [
            ("energy", "Energy is conserved."),
            ("ener cons", "Energy is conserved."),
            ("cafe", "un café crème"),
            ("CAFÉ", "un cafe\u{301}"),
            ("ежик", "Ёжик в тумане"),
            ("οδος", "ΟΔΟΣ"),
            ("istanbul", "İSTANBUL"),
            ("한국", "한국어를 배운다"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}어"),
            ("हिन्दी", "हिन्दी भाषा"),
            ("don't", "I don’t know"),
            ("3.14", "pi is 3.14159"),
        ] {
            assert!(is_found(query, text), "{query} in {text}");
        }
        for (query, text) in [
            ("nergy", "Energy"),
            ("energy heat", "Energy"),
            ("", "Energy"),
            ("?!", "what?!"),
        ] {
            assert!(!is_found(query, text), "{query} in {text}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_found_by_any_piece() {
        let text = "光合作用是植物利用光能的过程。Rust言語とタイ語ภาษาไทย";
        for query in [
            "光",
            "合作",
            "植物",
            "过程",
            "程",
            "Rust",
            "言語",
            "rust言語",
            "タイ",
            "ภาษา",
            "ไทย",
        ] {
            assert!(is_found(query, text), "{query}");
        }
        for query in ["光作", "物植", "過程"] {
            assert!(!is_found(query, text), "{query}");
        }
    }

    #[test]
    fn nothing_in_a_query_is_syntax() {
        let text = "or not near energy";
        for query in [
            "\"energy",
            "energy*",
            "-energy",
            "energy)",
            "tokens:energy",
            "energy\0",
            "en\0ergy",
            "energy OR",
            "NOT energy",
            "ener' & 'gy",
        ] {
            let found = query != "tokens:energy" && query != "ener' & 'gy";
            assert_eq!(is_found(query, text), found, "{query:?}");
        }
    }

    #[test]
    fn excerpt_shows_where_the_match_is() {
        let query = SearchQuery::parse("flux zinc");
        let long = format!(
            "{}the magnetic 🧲 flux, {}",
            "word ".repeat(60),
            "and so on ".repeat(60)
        );
        let excerpt = query.excerpt(&long).expect("found");
        assert_eq!(excerpt.text.chars().count(), EXCERPT_CHARS_MAX + 2);
        assert!(excerpt.text.starts_with("…word"), "{excerpt:?}");
        let units: Vec<u16> = excerpt.text.encode_utf16().collect();
        assert_eq!(excerpt.matches.len(), 1);
        assert_eq!(
            String::from_utf16_lossy(&units[excerpt.matches[0].clone()]),
            "flux"
        );
        assert_eq!(query.excerpt("nothing of it"), None);
        let whole = SearchQuery::parse("合作 作用").excerpt("光合作用、合作");
        let whole = whole.expect("found");
        assert_eq!(
            (whole.text.as_str(), whole.matches),
            ("光合作用、合作", vec![1..4, 5..7])
        );
    }

    #[test]
    fn match_that_the_end_of_the_excerpt_cuts_through_is_none() {
        let shown_before = EXCERPT_CHARS_MAX - 3;
        let text = format!("光合{}光合{}", "。".repeat(shown_before), "。".repeat(9));
        let excerpt = SearchQuery::parse("光合").excerpt(&text).expect("found");
        assert!(excerpt.text.ends_with("光…"), "{excerpt:?}");
        assert_eq!(excerpt.matches.iter().collect::<Vec<_>>(), [&(0..2)]);
    }

    #[test]
    fn enormous_texts_have_an_end() {
        let tokens = search_tokens(&"слово ".repeat(100_000));
        assert!(tokens.iter().map(|token| token.len() + 1).sum::<usize>() <= TOKENS_BYTES_MAX);
        let word = "x".repeat(100);
        assert_eq!(search_tokens(&word)[0].len(), TOKEN_CHARS_MAX);
        assert!(is_found(&word, &word));
        assert_eq!(SearchQuery::parse(&"a b c d ".repeat(10)).terms().len(), 4);
    }

    proptest! {
        #[test]
        fn text_is_found_by_each_of_its_words(text in "\\PC{0,60}") {
            for word in text.split_whitespace() {
                let query = SearchQuery::parse(word);
                prop_assert!(query.terms().iter().all(|term| term.is_in(&text)), "{word:?} in {text:?}");
                prop_assert_eq!(query.excerpt(&text).is_some(), !query.terms().is_empty());
            }
        }

        #[test]
        fn tokens_are_letters_digits_and_marks(text in any::<String>()) {
            for token in search_tokens(&text) {
                prop_assert!(!token.is_empty());
                prop_assert!(token.chars().all(|letter| letter.is_alphanumeric() || is_combining_mark(letter)));
            }
        }

        #[test]
        fn matches_are_pieces_of_their_excerpt(text in "[ a-zé光合作用🧲ก-ฮ]{0,400}", query in "[a-z光合ก]{1,3}") {
            let query = SearchQuery::parse(&query);
            if let Some(excerpt) = query.excerpt(&text) {
                let units: Vec<u16> = excerpt.text.encode_utf16().collect();
                let mut before = 0;
                prop_assert!(!excerpt.matches.is_empty());
                for place in excerpt.matches {
                    prop_assert!(before <= place.start && place.start < place.end && place.end <= units.len());
                    before = place.end;
                    let piece = String::from_utf16(&units[place]).expect("whole characters");
                    prop_assert!(query.terms().iter().any(|term| term.is_in(&piece)), "{:?}", piece);
                }
            }
        }
    }
}
