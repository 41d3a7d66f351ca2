//! A lecture as a file: subtitles, text to read, and data.
//!
//! Names and words come from people and machines that nobody controls, so every format gets them as data: line
//! breaks become spaces, control characters and bidirectional overrides are dropped, and what the format would
//! take for markup is escaped. Only JSON keeps texts as they came (see [`export`] for its fields).

mod calendar;
mod cue;
mod docx;
mod json;
mod markdown;
mod paragraph;
mod plain;
mod srt;
mod txt;
mod vtt;

pub(crate) use calendar::date_of;
pub use json::summary_json;
pub(crate) use paragraph::{Joining, paragraphs};
pub(crate) use plain::{name_of, plain};

use crate::{Gap, Labels, Lecture, SegmentId, Summary, summary::main_language};

/// The formats a lecture can be had in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// WebVTT subtitles with voices.
    Vtt,
    /// SubRip subtitles.
    Srt,
    /// Text, one paragraph per utterance.
    Txt,
    /// Markdown: summary, chapters and transcript.
    Md,
    /// A Word document: summary, chapters, key terms and transcript.
    Docx,
    /// Everything, for programs.
    Json,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Vtt, Self::Srt, Self::Txt, Self::Md, Self::Docx, Self::Json];

    /// The name, which is also the file's extension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vtt => "vtt",
            Self::Srt => "srt",
            Self::Txt => "txt",
            Self::Md => "md",
            Self::Docx => "docx",
            Self::Json => "json",
        }
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What HTTP calls it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Vtt => "text/vtt; charset=utf-8",
            // Registered by nobody, understood by everybody.
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Txt => "text/plain; charset=utf-8",
            Self::Md => "text/markdown; charset=utf-8",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Json => "application/json",
        }
    }
}

/// Writes `lecture` as a file of `format`; but for Word documents, all are UTF-8.
///
/// `summary` goes into Markdown, Word documents and JSON; the other formats hold the transcript alone. Headings and notices
/// are in the summary's language, without one in the lecture's, where there are [`Labels`] for it. The same input gives the
/// same bytes.
///
/// # JSON
/// One object; times are milliseconds since the meeting began, texts are as they were received.
///
/// | field | |
/// |---|---|
/// | `schema` | `"lectern.transcript/1"`; a change that breaks readers raises the number |
/// | `meetingId`, `room` | ids |
/// | `roomTitle` | what its owner calls the room; absent where nobody does |
/// | `startedAt` | RFC 3339, UTC; `null` if it lies outside the years 0 to 9999 |
/// | `startedAtUnixMs`, `durationMs` | numbers |
/// | `participants[]` | `identity`, `name` |
/// | `segments[]` | `id`, `trackSid`, `identity`, `name`, `startMs`, `endMs`, `text`, `language` or `null`, `utterance`, `words[]` |
/// | `segments[].words[]` | `text`, `startMs`, `endMs`, `confidence` (0 to 1) |
/// | `gaps[]` | speech that is missing: `trackSid`, `identity`, `name`, `startMs`, `endMs`, `reason` |
/// | `gaps[].reason` | `recogniser_away`, `recogniser_refused` or `recogniser_silent` |
/// | `summary` | `null`, or `source` (`kind`: `extractive` or `model`, `model`: its name or `null`; `failure`: `away`, `refused` or `unusable` where a model was asked and gave none; `awaited`: `true`, and else absent, where its summary takes this one's place once it comes), `title`, `language`, `abstract[]`, `chapters[]` (`title`, `startMs`, `endMs`, `lines[]`), `keyTerms[]` (`term`, `explanation`, `citations[]`), `actionItems[]` (`text`, `owner`, `citations[]`), `questions[]` (`question`, `answer`, `citations[]`), `coveragePercent`, `droppedLines`; `olderThanTranscript`: `true`, and else absent, where something that it rests on was corrected after it was made |
/// | `summary.abstract[]`, `…lines[]` | `text`, `citations[]`: ids of the segments it rests on |
///
/// Readers must ignore fields they don't know.
pub fn export(lecture: &Lecture, summary: Option<&Summary>, format: ExportFormat) -> Vec<u8> {
    let spoken = main_language(lecture);
    let said = Labels::of(spoken.as_deref());
    // The summary's, or else the one that most was said in.
    let language = summary.and_then(|summary| summary.language.clone()).or(spoken);
    let written = Labels::of(language.as_deref());
    match format {
        ExportFormat::Vtt => vtt::write(lecture, said).into_bytes(),
        ExportFormat::Srt => srt::write(lecture, said).into_bytes(),
        ExportFormat::Txt => txt::write(lecture, said).into_bytes(),
        ExportFormat::Md => markdown::write(lecture, summary, written).into_bytes(),
        ExportFormat::Docx => docx::write(lecture, summary, language.as_deref()),
        ExportFormat::Json => json::write(lecture, summary),
    }
}

/// ` (0:01:02, 0:03:04)`, or nothing.
fn times_of(lecture: &Lecture, citations: &[SegmentId]) -> String {
    let mut times: Vec<String> = lecture
        .segments
        .iter()
        .filter(|segment| citations.contains(&segment.id))
        .map(|segment| segment.start.to_string())
        .collect();
    times.dedup();
    match times.is_empty() {
        true => String::new(),
        false => format!(" ({})", times.join(", ")),
    }
}

/// A gap as people read it: `[0:12:03–0:12:40 not recorded: recogniser away]`.
fn gap_notice(gap: &Gap, labels: &Labels) -> String {
    format!(
        "[{}–{} {}{}{}]",
        gap.start,
        gap.end,
        labels.not_recorded,
        labels.colon,
        labels.gap_reason(gap.reason)
    )
}

#[cfg(test)]
pub(crate) mod tests;
