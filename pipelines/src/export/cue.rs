//! Segments cut into subtitles that can be read in passing: two lines each, at the pace of the words.

use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation;

use super::{
    gap_notice,
    plain::{columns, is_wide, plain},
};
use crate::{Labels, Lecture, MediaTime, Participant, Segment};

/// One subtitle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cue<'a> {
    /// Never used twice in a file; without `-->`.
    pub(super) id: String,
    pub(super) speaker: &'a Participant,
    pub(super) start: MediaTime,
    /// Always after `start`.
    pub(super) end: MediaTime,
    /// Never empty.
    pub(super) pieces: Vec<Piece>,
}

/// A word, or part of one where words are long or not told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    text: String,
    /// Whether it continues the piece before, without a space.
    glue: Glue,
    start: MediaTime,
    end: MediaTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glue {
    Space,
    None,
}

/// Cuts everything said, and every gap, into cues ordered by start.
///
/// `lead` is how many columns the first line of a cue has to keep free for the speaker's name.
pub(super) fn cues<'a>(
    lecture: &'a Lecture,
    labels: &Labels,
    lead: fn(&Participant) -> usize,
) -> Vec<Cue<'a>> {
    let said = lecture
        .segments
        .iter()
        .flat_map(|segment| cues_of(segment, lead(&segment.speaker)));
    let missing = lecture.gaps.iter().enumerate().map(|(number, gap)| Cue {
        id: format!("gap-{}", number + 1),
        speaker: &gap.speaker,
        start: gap.start,
        end: after(gap.start, gap.end),
        pieces: pieces_between(&gap_notice(gap, labels), gap.start, gap.end),
    });
    let mut cues: Vec<_> = said.chain(missing).collect();
    cues.sort_by_key(|cue| cue.start);
    cues
}

/// One or two lines of about the same length.
///
/// `prefix` is put before the first word, if there is one.
pub(super) fn lines(prefix: &str, pieces: &[Piece]) -> Vec<String> {
    let whole = line(prefix, pieces);
    if columns(&whole) <= LINE_COLUMNS_MAX {
        return vec![whole];
    }
    let halves = |at: usize| [line(prefix, &pieces[..at]), line("", &pieces[at..])];
    let longest = |halves: &[String; 2]| halves.iter().map(|half| columns(half)).max();
    (1..pieces.len())
        .chain((!prefix.is_empty()).then_some(0))
        .map(halves)
        .min_by_key(longest)
        .map_or(vec![whole], Vec::from)
}

/// What a line of a subtitle should not exceed, counting ideographs twice.
pub(super) const LINE_COLUMNS_MAX: usize = 42;
/// A cue doesn't stay through a silence of this length.
const PAUSE_MAX: Duration = Duration::from_secs(2);

fn cues_of(segment: &Segment, lead: usize) -> impl Iterator<Item = Cue<'_>> {
    let pieces = pieces_of(segment);
    let mut rest = pieces.as_slice();
    let mut cut = Vec::new();
    while !rest.is_empty() {
        let (taken, left) = rest.split_at(first_cue_of(rest, lead));
        cut.push(taken.to_vec());
        rest = left;
    }
    let last = cut.len().saturating_sub(1);
    let id = segment.id.as_str().replace("-->", "--_");
    cut.into_iter().enumerate().map(move |(number, pieces)| {
        let start = pieces.first().map_or(segment.start, |piece| piece.start);
        let end = match number == last {
            true => segment.end,
            false => pieces.last().map_or(segment.end, |piece| piece.end),
        };
        Cue {
            id: format!("{id}-{}", number + 1),
            speaker: &segment.speaker,
            start,
            end: after(start, end),
            pieces,
        }
    })
}

/// How many of `pieces` make the next cue: as many as fit, less what is better left to the cue after.
fn first_cue_of(pieces: &[Piece], lead: usize) -> usize {
    let room = pieces_that_fit(pieces, lead);
    let pause = (1..room).find(|&at| pieces[at].start.since(pieces[at - 1].end) >= PAUSE_MAX);
    let room = pause.unwrap_or(room);
    if room == pieces.len() || pause.is_some() {
        return room;
    }
    let ends_with = |marks: &'static [char], at_least: usize| {
        (at_least.max(1)..=room)
            .rev()
            .find(|&at| pieces[at - 1].text.ends_with(marks))
    };
    ends_with(SENTENCE_ENDS, room / 3)
        .or_else(|| ends_with(CLAUSE_ENDS, room / 2))
        .unwrap_or_else(|| room.min(half_of(pieces)))
}

/// How many of `pieces` make half of their length, or a little more: two even cues read better than a full one and
/// a lonely word.
fn half_of(pieces: &[Piece]) -> usize {
    let total: usize = pieces.iter().map(|piece| columns(&piece.text) + 1).sum();
    let mut used = 0;
    let over = pieces.iter().position(|piece| {
        used += columns(&piece.text) + 1;
        2 * used >= total
    });
    over.map_or(1, |at| at + 1)
}

const SENTENCE_ENDS: &[char] = &['.', '!', '?', '…', '。', '！', '？', '؟', '।'];
const CLAUSE_ENDS: &[char] = &[',', ';', ':', '—', '–', '，', '、', '；', '：', '،'];

/// How many of `pieces` fit on two lines, the first of which keeps `lead` columns free; one at least.
fn pieces_that_fit(pieces: &[Piece], lead: usize) -> usize {
    let mut line = 1;
    let mut used = lead.min(LINE_COLUMNS_MAX);
    for (at, piece) in pieces.iter().enumerate() {
        let width = columns(&piece.text);
        let space = usize::from(used > 0 && piece.glue == Glue::Space);
        if used + space + width <= LINE_COLUMNS_MAX {
            used += space + width;
        } else if line == 1 {
            (line, used) = (2, width);
        } else {
            return at.max(1);
        }
    }
    pieces.len()
}

/// The words of a segment with their times: the recogniser's where it gave any, else by their length.
fn pieces_of(segment: &Segment) -> Vec<Piece> {
    let text = plain(&segment.text);
    let words: Vec<_> = segment
        .words
        .iter()
        .map(|word| (plain(&word.text), word.start, word.end))
        .collect();
    let spoken = words
        .iter()
        .flat_map(|(text, ..)| text.split(' '))
        .filter(|word| !word.is_empty());
    // Texts that were corrected, or words that were joined differently: the text is what counts.
    if words.is_empty() || !spoken.eq(text.split(' ')) {
        return pieces_between(&text, segment.start, segment.end);
    }
    let mut now = segment.start;
    let end = segment.end.max(segment.start);
    words
        .iter()
        .flat_map(|(text, word_start, word_end)| {
            let start = (*word_start).clamp(now, end);
            now = (*word_end).clamp(start, end);
            pieces_between(text, start, now)
        })
        .collect()
}

/// The words of `text` with times by their length between `start` and `end`.
fn pieces_between(text: &str, start: MediaTime, end: MediaTime) -> Vec<Piece> {
    let parts: Vec<_> = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .flat_map(parts_of)
        .collect();
    let total = parts
        .iter()
        .map(|(text, _)| columns(text) as u64)
        .sum::<u64>()
        .max(1);
    let duration = u64::try_from(end.since(start).as_millis()).unwrap_or(u64::MAX);
    let at = |columns: u64| {
        let share = u128::from(duration) * u128::from(columns) / u128::from(total);
        start + Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
    };
    let mut before = 0;
    parts
        .into_iter()
        .map(|(text, glue)| {
            let from = before;
            before += columns(&text) as u64;
            Piece {
                text,
                glue,
                start: at(from),
                end: at(before),
            }
        })
        .collect()
}

/// A word whole, or in parts where it is too long for a line or of a script without spaces.
fn parts_of(word: &str) -> Vec<(String, Glue)> {
    if columns(word) <= LINE_COLUMNS_MAX && !word.contains(is_wide) {
        return vec![(word.to_owned(), Glue::Space)];
    }
    let mut parts: Vec<(String, Glue)> = Vec::new();
    for bit in word.split_word_bounds() {
        let is_word = bit.chars().any(char::is_alphanumeric);
        match parts.last_mut() {
            // Punctuation stays with the word before it.
            Some((last, _)) if !is_word && columns(last) + columns(bit) <= LINE_COLUMNS_MAX => {
                last.push_str(bit)
            }
            _ => parts.extend(bits_of(bit)),
        }
    }
    if let Some((_, glue)) = parts.first_mut() {
        *glue = Glue::Space;
    }
    parts
}

/// A bit cut so that each part fits a line.
fn bits_of(bit: &str) -> Vec<(String, Glue)> {
    let mut parts = vec![(String::new(), Glue::None)];
    for grapheme in bit.graphemes(true) {
        match parts.last_mut() {
            Some((last, _)) if columns(last) + columns(grapheme) <= LINE_COLUMNS_MAX => {
                last.push_str(grapheme)
            }
            _ => parts.push((grapheme.to_owned(), Glue::None)),
        }
    }
    parts
}

fn line(prefix: &str, pieces: &[Piece]) -> String {
    let mut line = prefix.to_owned();
    for piece in pieces {
        if !line.is_empty() && piece.glue == Glue::Space {
            line.push(' ');
        }
        line.push_str(&piece.text);
    }
    line
}

/// `end`, or the first instant after `start` where nothing lasts.
fn after(start: MediaTime, end: MediaTime) -> MediaTime {
    end.max(start + Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Word, export::tests::segment};

    fn shown(segment: &Segment) -> Vec<(u64, u64, Vec<String>)> {
        cues_of(segment, 0)
            .map(|cue| (cue.start.as_millis(), cue.end.as_millis(), lines("", &cue.pieces)))
            .collect()
    }

    #[test]
    fn short_segment_is_one_cue() {
        assert_eq!(
            shown(&segment("ada", 5, 900, 0, "Hello there.")),
            [(5, 900, vec!["Hello there.".to_owned()])]
        );
    }

    #[test]
    fn long_segment_is_cut_at_sentences_by_length() {
        let long = segment(
            "ada",
            0,
            10_000,
            0,
            "Today we will talk about time. It is such a difficult problem for computers that work together over a \
             network, and few have ever solved it.",
        );
        insta::assert_debug_snapshot!(shown(&long));
    }

    #[test]
    fn words_give_the_times_of_cues() {
        let mut long = segment("ada", 0, 60_000, 0, &"measure ".repeat(15));
        long.words = (0..15)
            .map(|number| Word {
                text: "measure".to_owned(),
                start: MediaTime::from_millis(number * 100),
                end: MediaTime::from_millis(number * 100 + 90),
                confidence: 1.0,
            })
            .collect();
        let times: Vec<_> = shown(&long)
            .into_iter()
            .map(|(start, end, _)| (start, end))
            .collect();
        assert_eq!(times, [(0, 790), (800, 60_000)]);
    }

    #[test]
    fn a_silence_within_a_segment_ends_the_cue() {
        let mut halting = segment("ada", 0, 9000, 0, "well then");
        halting.words = [("well", 0, 400), ("then", 8000, 9000)]
            .map(|(text, start, end)| Word {
                text: text.to_owned(),
                start: MediaTime::from_millis(start),
                end: MediaTime::from_millis(end),
                confidence: 1.0,
            })
            .to_vec();
        assert_eq!(
            shown(&halting),
            [
                (0, 400, vec!["well".to_owned()]),
                (8000, 9000, vec!["then".to_owned()])
            ]
        );
    }

    #[test]
    fn text_without_spaces_is_cut_too() {
        for (_, _, lines) in shown(&segment("ada", 0, 9000, 0, &"分布式系统的时间问题，".repeat(12)))
        {
            assert!(
                lines.len() <= 2 && lines.iter().all(|line| columns(line) <= LINE_COLUMNS_MAX),
                "{lines:?}"
            );
            assert!(!lines.iter().any(|line| line.starts_with('，')), "{lines:?}");
        }
    }

    #[test]
    fn nothing_lasts_no_time() {
        assert_eq!(
            shown(&segment("ada", 7, 7, 0, "x")),
            [(7, 8, vec!["x".to_owned()])]
        );
    }
}
