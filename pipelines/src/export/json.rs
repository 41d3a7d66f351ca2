//! Everything known of a lecture, for programs. The fields are described at [`export`](super::export).

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use time::format_description::well_known::Rfc3339;

use super::{calendar::instant_of, plain::is_hidden};
use crate::{
    ActionItem, Chapter, CitedLine, Gap, KeyTerm, Lecture, Participant, Question, Segment, SegmentId,
    Summary, SummarySource, Word,
};

pub(super) fn write(lecture: &Lecture, summary: Option<&Summary>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = VisibleText(PrettyFormatter::with_indent(b" "));
    LectureJson::of(lecture, summary)
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .expect("strings and numbers always become JSON");
    bytes.push(b'\n');
    bytes
}

/// A summary alone, as [`export`](super::export) has it in JSON.
pub fn summary_json(summary: &Summary) -> serde_json::Value {
    serde_json::to_value(SummaryJson::of(summary)).expect("strings and numbers always become JSON")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LectureJson<'a> {
    schema: &'static str,
    meeting_id: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_title: Option<&'a str>,
    started_at: Option<String>,
    started_at_unix_ms: i64,
    duration_ms: u64,
    participants: Vec<ParticipantJson<'a>>,
    segments: Vec<SegmentJson<'a>>,
    gaps: Vec<GapJson<'a>>,
    summary: Option<SummaryJson<'a>>,
}

#[derive(Serialize)]
struct ParticipantJson<'a> {
    identity: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SegmentJson<'a> {
    id: &'a str,
    track_sid: &'a str,
    #[serde(flatten)]
    speaker: ParticipantJson<'a>,
    start_ms: u64,
    end_ms: u64,
    text: &'a str,
    language: Option<&'a str>,
    utterance: u32,
    words: Vec<WordJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WordJson<'a> {
    text: &'a str,
    start_ms: u64,
    end_ms: u64,
    confidence: f32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GapJson<'a> {
    track_sid: &'a str,
    #[serde(flatten)]
    speaker: ParticipantJson<'a>,
    start_ms: u64,
    end_ms: u64,
    reason: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryJson<'a> {
    source: SourceJson<'a>,
    title: &'a str,
    language: Option<&'a str>,
    #[serde(rename = "abstract")]
    abstract_lines: Vec<LineJson<'a>>,
    chapters: Vec<ChapterJson<'a>>,
    key_terms: Vec<KeyTermJson<'a>>,
    action_items: Vec<ActionItemJson<'a>>,
    questions: Vec<QuestionJson<'a>>,
    coverage_percent: u8,
    dropped_lines: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    older_than_transcript: bool,
}

#[derive(Serialize)]
struct SourceJson<'a> {
    kind: &'static str,
    model: Option<&'a str>,
    /// Why no language model wrote it, where one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    #[serde(rename = "awaited", skip_serializing_if = "std::ops::Not::not")]
    is_awaited: bool,
}

#[derive(Serialize)]
struct LineJson<'a> {
    text: &'a str,
    citations: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChapterJson<'a> {
    title: &'a str,
    start_ms: u64,
    end_ms: u64,
    lines: Vec<LineJson<'a>>,
}

#[derive(Serialize)]
struct KeyTermJson<'a> {
    term: &'a str,
    explanation: &'a str,
    citations: Vec<&'a str>,
}

#[derive(Serialize)]
struct ActionItemJson<'a> {
    text: &'a str,
    owner: Option<&'a str>,
    citations: Vec<&'a str>,
}

#[derive(Serialize)]
struct QuestionJson<'a> {
    question: &'a str,
    answer: &'a str,
    citations: Vec<&'a str>,
}

impl<'a> LectureJson<'a> {
    fn of(lecture: &'a Lecture, summary: Option<&'a Summary>) -> Self {
        Self {
            schema: "lectern.transcript/1",
            meeting_id: lecture.meeting.as_str(),
            room: lecture.room.as_str(),
            room_title: lecture.room_title.as_deref(),
            started_at: instant_of(lecture.started_at).and_then(|instant| instant.format(&Rfc3339).ok()),
            started_at_unix_ms: lecture.started_at.0,
            duration_ms: u64::try_from(lecture.duration.as_millis()).unwrap_or(u64::MAX),
            participants: lecture.participants.iter().map(ParticipantJson::of).collect(),
            segments: lecture.segments.iter().map(SegmentJson::of).collect(),
            gaps: lecture.gaps.iter().map(GapJson::of).collect(),
            summary: summary.map(SummaryJson::of),
        }
    }
}

impl<'a> ParticipantJson<'a> {
    fn of(participant: &'a Participant) -> Self {
        Self {
            identity: participant.identity.as_str(),
            name: &participant.name,
        }
    }
}

impl<'a> SegmentJson<'a> {
    fn of(segment: &'a Segment) -> Self {
        Self {
            id: segment.id.as_str(),
            track_sid: segment.track.as_str(),
            speaker: ParticipantJson::of(&segment.speaker),
            start_ms: segment.start.as_millis(),
            end_ms: segment.end.as_millis(),
            text: &segment.text,
            language: segment.language.as_deref(),
            utterance: segment.utterance,
            words: segment.words.iter().map(WordJson::of).collect(),
        }
    }
}

impl<'a> WordJson<'a> {
    fn of(word: &'a Word) -> Self {
        Self {
            text: &word.text,
            start_ms: word.start.as_millis(),
            end_ms: word.end.as_millis(),
            confidence: word.confidence,
        }
    }
}

impl<'a> GapJson<'a> {
    fn of(gap: &'a Gap) -> Self {
        Self {
            track_sid: gap.track.as_str(),
            speaker: ParticipantJson::of(&gap.speaker),
            start_ms: gap.start.as_millis(),
            end_ms: gap.end.as_millis(),
            reason: gap.reason.as_str(),
        }
    }
}

impl<'a> SummaryJson<'a> {
    fn of(summary: &'a Summary) -> Self {
        Self {
            source: match &summary.source {
                SummarySource::Extractive { instead } => SourceJson {
                    kind: "extractive",
                    model: None,
                    failure: instead.map(|absence| absence.failure.as_str()),
                    is_awaited: instead.is_some_and(|absence| absence.is_awaited),
                },
                SummarySource::Model { name } => SourceJson {
                    kind: "model",
                    model: Some(name),
                    failure: None,
                    is_awaited: false,
                },
            },
            title: &summary.title,
            language: summary.language.as_deref(),
            abstract_lines: summary.abstract_lines.iter().map(LineJson::of).collect(),
            chapters: summary.chapters.iter().map(ChapterJson::of).collect(),
            key_terms: summary.key_terms.iter().map(KeyTermJson::of).collect(),
            action_items: summary.action_items.iter().map(ActionItemJson::of).collect(),
            questions: summary.questions.iter().map(QuestionJson::of).collect(),
            coverage_percent: summary.coverage_percent,
            dropped_lines: summary.dropped_lines,
            older_than_transcript: summary.is_outdated,
        }
    }
}

impl<'a> LineJson<'a> {
    fn of(line: &'a CitedLine) -> Self {
        Self {
            text: &line.text,
            citations: ids(&line.citations),
        }
    }
}

impl<'a> ChapterJson<'a> {
    fn of(chapter: &'a Chapter) -> Self {
        Self {
            title: &chapter.title,
            start_ms: chapter.start.as_millis(),
            end_ms: chapter.end.as_millis(),
            lines: chapter.lines.iter().map(LineJson::of).collect(),
        }
    }
}

impl<'a> KeyTermJson<'a> {
    fn of(term: &'a KeyTerm) -> Self {
        Self {
            term: &term.term,
            explanation: &term.explanation,
            citations: ids(&term.citations),
        }
    }
}

impl<'a> ActionItemJson<'a> {
    fn of(item: &'a ActionItem) -> Self {
        Self {
            text: &item.text,
            owner: item.owner.as_deref(),
            citations: ids(&item.citations),
        }
    }
}

impl<'a> QuestionJson<'a> {
    fn of(question: &'a Question) -> Self {
        Self {
            question: &question.question,
            answer: &question.answer,
            citations: ids(&question.citations),
        }
    }
}

fn ids(citations: &[SegmentId]) -> Vec<&str> {
    citations.iter().map(SegmentId::as_str).collect()
}

/// Pretty JSON whose strings show what is hidden in them: an override reads `\u202e` and turns nothing around.
struct VisibleText(PrettyFormatter<'static>);

impl Formatter for VisibleText {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|&(_, c)| is_hidden(c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            // None of them lies beyond the first plane, so one escape is enough.
            write!(writer, "\\u{:04x}", u32::from(hidden))?;
            rest = &rest[at + hidden.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
