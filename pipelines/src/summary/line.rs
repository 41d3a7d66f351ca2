//! A transcript cut into lines of a prompt.

use super::{
    prompt::{tokens, transcript_line},
    withheld::Withheld,
};
use crate::{Lecture, MediaTime};

/// A line of the transcript as the model reads it; a long segment has several.
#[derive(Debug)]
pub(super) struct Line {
    /// Index into the lecture's segments.
    pub(super) segment: usize,
    pub(super) start: MediaTime,
    pub(super) end: MediaTime,
    /// What the prompt says of it.
    pub(super) data: String,
    /// What it costs there.
    pub(super) tokens: usize,
}

/// The words of every segment that is shown, as lines of at most `line_tokens_max`.
pub(super) fn transcript_lines(lecture: &Lecture, withheld: &Withheld, line_tokens_max: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let shown = lecture.segments.iter().enumerate();
    for (at, segment) in shown.filter(|(at, _)| !withheld.contains(*at)) {
        let speaker = withheld.shown_name(&segment.speaker);
        for words in pieces(segment.text.trim(), line_tokens_max) {
            let data = transcript_line(at + 1, segment.start, speaker, words);
            let (start, end) = (segment.start, segment.end);
            // The line break counts, too.
            lines.push(Line {
                segment: at,
                start,
                end,
                tokens: tokens(&data) + 1,
                data,
            });
        }
    }
    lines
}

/// `text` cut between words, or anywhere in a word without end, into pieces that make lines of at most that size.
fn pieces(text: &str, tokens_max: usize) -> Vec<&str> {
    // Two tokens are the most that a character costs, six the most as an escape; names and numbers come on top.
    let chars_max = (tokens_max.saturating_sub(120) / 6).max(1);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // A token is at most three bytes; most texts that are too long are known by that.
        let fits = rest.len() <= tokens_max * 3
            && tokens(rest) + rest.chars().filter(|&c| needs_escape(c)).count() * 6 + 120 <= tokens_max;
        let cut = match rest.char_indices().nth(chars_max) {
            Some((limit, _)) if !fits => rest[..limit]
                .rfind(char::is_whitespace)
                .filter(|&at| at > 0)
                .unwrap_or(limit),
            _ => rest.len(),
        };
        let (piece, behind) = rest.split_at(cut);
        pieces.push(piece.trim());
        rest = behind.trim_start();
    }
    pieces
}

fn needs_escape(character: char) -> bool {
    character.is_control() || matches!(character, '"' | '\\' | '<' | '>')
}
