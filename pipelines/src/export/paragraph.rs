//! Segments joined into what one reads as a paragraph.

use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation;

use super::plain::{joint, plain};
use crate::{MediaTime, Participant, Segment, SegmentId};

/// Consecutive words of one speaker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Paragraph<'a> {
    pub(crate) speaker: &'a Participant,
    pub(crate) start: MediaTime,
    pub(crate) end: MediaTime,
    /// Plain, one line, never empty.
    pub(crate) text: String,
    /// What it was joined from.
    pub(crate) segments: Vec<&'a SegmentId>,
    words: usize,
}

/// What a paragraph is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// One utterance each.
    Utterances,
    /// As many utterances of one speaker as one likes to read in a piece.
    Speakers,
}

/// Joins `segments`, ordered by start, into paragraphs; one begins at the latest where `breaks` says.
///
/// A paragraph ends when somebody else speaks, after a pause, or when it gets long: then between utterances if
/// there is a place, else between segments. Nobody is given two pages in a piece.
pub(crate) fn paragraphs<'a>(
    segments: &'a [Segment],
    joining: Joining,
    breaks: &[MediaTime],
) -> Vec<Paragraph<'a>> {
    let mut utterances: Vec<(&Segment, Paragraph<'a>)> = Vec::new();
    for segment in segments {
        let Some(next) = Paragraph::of(segment) else {
            continue;
        };
        match utterances.last_mut() {
            Some((last, whole)) if same_utterance(last, segment) && whole.takes(&next, breaks) => {
                whole.append(next);
            }
            _ => utterances.push((segment, next)),
        }
    }
    let mut joined: Vec<Paragraph<'a>> = Vec::new();
    for (_, next) in utterances {
        match joined.last_mut() {
            Some(whole) if joining == Joining::Speakers && whole.takes(&next, breaks) => whole.append(next),
            _ => joined.push(next),
        }
    }
    joined
}

const PARAGRAPH_MAX: Duration = Duration::from_secs(90);
const PARAGRAPH_WORDS_MAX: usize = 120;
/// Who is silent for that long begins anew.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl<'a> Paragraph<'a> {
    fn of(segment: &'a Segment) -> Option<Self> {
        let text = plain(&segment.text);
        (!text.is_empty()).then(|| Self {
            speaker: &segment.speaker,
            start: segment.start,
            end: segment.end,
            words: text.unicode_words().count(),
            text,
            segments: vec![&segment.id],
        })
    }

    fn takes(&self, next: &Self, breaks: &[MediaTime]) -> bool {
        self.speaker.identity == next.speaker.identity
            && self.words + next.words <= PARAGRAPH_WORDS_MAX
            && next.end.since(self.start) <= PARAGRAPH_MAX
            && next.start.since(self.end) < PAUSE_MAX
            && !breaks.iter().any(|&at| self.start < at && at <= next.start)
    }

    fn append(&mut self, next: Self) {
        self.text.push_str(joint(&self.text, &next.text));
        self.text.push_str(&next.text);
        self.end = self.end.max(next.end);
        self.words += next.words;
        self.segments.extend(next.segments);
    }
}

fn same_utterance(a: &Segment, b: &Segment) -> bool {
    a.track == b.track && a.utterance == b.utterance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::segment;

    fn texts(segments: &[Segment], joining: Joining, breaks: &[MediaTime]) -> Vec<String> {
        paragraphs(segments, joining, breaks)
            .into_iter()
            .map(|paragraph| paragraph.text)
            .collect()
    }

    #[test]
    fn segments_of_an_utterance_make_one_paragraph() {
        let segments = [
            segment("ada", 0, 1000, 0, "So"),
            segment("ada", 1000, 2000, 0, "we begin."),
            segment("ada", 2500, 3000, 1, "Well."),
        ];
        assert_eq!(
            texts(&segments, Joining::Utterances, &[]),
            ["So we begin.", "Well."]
        );
        assert_eq!(texts(&segments, Joining::Speakers, &[]), ["So we begin. Well."]);
    }

    #[test]
    fn another_speaker_a_pause_and_a_chapter_each_begin_a_paragraph() {
        let segments = [
            segment("ada", 0, 1000, 0, "one"),
            segment("bob", 1000, 2000, 0, "two"),
            segment("ada", 2000, 3000, 0, "three"),
            segment("ada", 9000, 9500, 1, "four"),
            segment("ada", 9600, 9900, 2, "five"),
        ];
        assert_eq!(
            texts(&segments, Joining::Speakers, &[MediaTime::from_millis(9600)]),
            ["one", "two", "three", "four", "five"]
        );
    }

    #[test]
    fn long_speech_is_cut_between_utterances_where_it_can_be() {
        let sentence = "word ".repeat(50);
        let segments: Vec<_> = (0..6)
            .map(|number| {
                segment(
                    "ada",
                    number * 4000,
                    number * 4000 + 3900,
                    number as u32 / 2,
                    &sentence,
                )
            })
            .collect();
        let lengths: Vec<_> = paragraphs(&segments, Joining::Speakers, &[])
            .iter()
            .map(|paragraph| paragraph.segments.len())
            .collect();
        assert_eq!(lengths, [2, 2, 2]);
    }
}
