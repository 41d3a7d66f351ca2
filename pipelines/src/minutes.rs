//! The pages of a lecture's notes before they are set in type.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    CitedLine, Labels, Lecture, MediaTime, Participant, ParticipantIdentity, SegmentId, Summary,
    SummarySource, UnixMillis,
    aside::Aside,
    export::{Joining, date_of, name_of, paragraphs, plain},
    labels::filled,
    summary::main_language,
};

/// What the PDF says, in the order it says it.
///
/// Every text is one line without control characters or bidirectional overrides, and is data, never markup. It
/// travels as JSON to the process that sets it in type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Minutes {
    /// Our id of the meeting; makes the document's own.
    pub meeting: String,
    /// What the meeting was about; what its room is called where there is no summary.
    pub title: String,
    /// The room it was held in, as people call it.
    pub room: String,
    /// BCP 47 of the summary, where it is known; decides how words are hyphenated, and which [`Labels`] the pages have.
    pub language: Option<String>,
    /// The same of what was said.
    pub spoken_language: Option<String>,
    /// The paper it is set for; what is usual where the summary's language is spoken, unless whoever prints says else.
    pub page_size: PageSize,
    /// When the meeting began.
    pub started_at: UnixMillis,
    /// The same as it is printed in the summary's language: `21 November 2026, 10:15 UTC`.
    pub date: String,
    /// How long it took.
    pub duration: MediaTime,
    /// Everybody who was there or spoke, in the order they came.
    pub participants: Vec<Attendee>,
    /// Who made the summary, how much of the transcript it covers, and what it leaves out; empty where there is none.
    pub source_note: String,
    /// The whole in a few lines.
    pub summary: Vec<Line>,
    /// The parts of the meeting, in order.
    pub chapters: Vec<ChapterNotes>,
    /// The terms that carry it.
    pub key_terms: Vec<TermNotes>,
    /// What somebody is to do.
    pub action_items: Vec<ActionNotes>,
    /// A short quiz.
    pub questions: Vec<QuestionNotes>,
    /// What people in the room wrote, in order.
    pub chat: Vec<ChatNotes>,
    /// The files that they shared, in order.
    pub files: Vec<FileNotes>,
    /// What was said, what is missing, and where chapters begin, ordered by time.
    pub transcript: Vec<Entry>,
}

/// Paper sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageSize {
    /// 210 × 297 mm.
    #[default]
    A4,
    /// 8.5 × 11 inches.
    Letter,
}

impl PageSize {
    /// The paper of that name: `a4` or `letter`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "a4" => Some(Self::A4),
            "letter" => Some(Self::Letter),
            _ => None,
        }
    }

    /// What printers hold where a language (BCP 47) is spoken; A4 where its tag names no country.
    pub fn usual_with(language: Option<&str>) -> Self {
        let mut subtags = language.unwrap_or_default().split(['-', '_']).skip(1);
        let is_letter = |tag: &str| LETTER_REGIONS.contains(&tag.to_ascii_uppercase().as_str());
        match subtags.any(is_letter) {
            true => Self::Letter,
            false => Self::A4,
        }
    }
}

/// Countries in which paper is of letter size.
const LETTER_REGIONS: [&str; 15] = [
    "US", "CA", "MX", "PR", "PH", "CL", "CO", "VE", "GT", "CR", "PA", "NI", "SV", "HN", "DO",
];

/// Somebody who was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    /// What the person is called; with the identity where two are called the same.
    pub name: String,
    /// The sum of what the person said, in time.
    pub spoke: MediaTime,
}

/// A sentence and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The sentence.
    pub text: String,
    /// Where in the transcript it was said, in order, each entry once.
    pub sources: Vec<Source>,
}

/// A place in the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// When it was said.
    pub time: MediaTime,
    /// Index into [`Minutes::transcript`].
    pub entry: usize,
}

/// A part of the meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChapterNotes {
    /// What it is about.
    pub title: String,
    /// Where it begins.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
    /// What was said in it, in short.
    pub lines: Vec<Line>,
}

/// A term that carries the meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermNotes {
    /// As it was said.
    pub term: String,
    /// What it means here; may be empty.
    pub explanation: String,
    /// Where it was said.
    pub sources: Vec<Source>,
}

/// Something that somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionNotes {
    /// What is to be done.
    pub text: String,
    /// Who is to do it, where that was said.
    pub owner: Option<String>,
    /// Where it was said.
    pub sources: Vec<Source>,
}

/// A question that the meeting answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionNotes {
    /// The question.
    pub question: String,
    /// Its answer.
    pub answer: String,
    /// Where the answer was said.
    pub sources: Vec<Source>,
}

/// A message that was written in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatNotes {
    /// When, in time of the meeting.
    pub time: MediaTime,
    /// By whom.
    pub name: String,
    /// What.
    pub text: String,
}

/// A file that was shared in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNotes {
    /// When, in time of the meeting.
    pub time: MediaTime,
    /// What it is called.
    pub name: String,
    /// Who shared it.
    pub shared_by: String,
    /// How large it is, as it is printed: `1.4 MB`.
    pub size: String,
}

/// A piece of the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A chapter begins here.
    Chapter {
        /// Index into [`Minutes::chapters`].
        chapter: usize,
    },
    /// Somebody spoke.
    Paragraph {
        /// Index into [`Minutes::participants`].
        speaker: usize,
        /// When it begins.
        start: MediaTime,
        /// When it ends.
        end: MediaTime,
        /// The words.
        text: String,
    },
    /// Somebody spoke and it was not recorded.
    Gap {
        /// Index into [`Minutes::participants`].
        speaker: usize,
        /// When the hole begins.
        start: MediaTime,
        /// When it ends.
        end: MediaTime,
        /// Why, in words.
        reason: String,
    },
}

impl Minutes {
    /// Lays out what was said, what it comes to, and what was written beside it.
    pub fn compose(lecture: &Lecture, summary: Option<&Summary>, aside: &Aside) -> Self {
        match summary {
            Some(summary) => Self::of(lecture, summary, aside),
            None => Self {
                source_note: String::new(),
                ..Self::of(lecture, &Summary::none(lecture), aside)
            },
        }
    }

    fn of(lecture: &Lecture, summary: &Summary, aside: &Aside) -> Self {
        let labels = Labels::of(summary.language.as_deref());
        let attendance = Attendance::of(lecture);
        let Transcript { entries, entry_of } = Transcript::of(lecture, summary, &attendance, labels);
        let sources = Sources { lecture, entry_of };
        Self {
            meeting: lecture.meeting.to_string(),
            title: plain(&summary.title),
            room: plain(lecture.called()),
            language: summary.language.clone(),
            spoken_language: main_language(lecture),
            page_size: PageSize::usual_with(summary.language.as_deref()),
            started_at: lecture.started_at,
            date: date_of(lecture.started_at, labels),
            duration: MediaTime::ZERO + lecture.duration,
            participants: attendance.attendees,
            source_note: source_note(summary, labels),
            summary: sources.lines(&summary.abstract_lines),
            chapters: summary
                .chapters
                .iter()
                .map(|chapter| ChapterNotes {
                    title: plain(&chapter.title),
                    start: chapter.start,
                    end: chapter.end,
                    lines: sources.lines(&chapter.lines),
                })
                .collect(),
            key_terms: summary
                .key_terms
                .iter()
                .map(|term| TermNotes {
                    term: plain(&term.term),
                    explanation: plain(&term.explanation),
                    sources: sources.of(&term.citations),
                })
                .collect(),
            action_items: summary
                .action_items
                .iter()
                .map(|item| ActionNotes {
                    text: plain(&item.text),
                    owner: item.owner.as_deref().map(plain),
                    sources: sources.of(&item.citations),
                })
                .collect(),
            questions: summary
                .questions
                .iter()
                .map(|question| QuestionNotes {
                    question: plain(&question.question),
                    answer: plain(&question.answer),
                    sources: sources.of(&question.citations),
                })
                .collect(),
            chat: aside.chat_notes(lecture.started_at),
            files: aside.file_notes(lecture.started_at, labels),
            transcript: entries,
        }
    }
}

/// Who made a summary and what it leaves out, in a line.
pub(crate) fn source_note(summary: &Summary, labels: &Labels) -> String {
    let mut sentences = vec![match &summary.source {
        SummarySource::Extractive { .. } => labels.extractive.to_owned(),
        SummarySource::Model { name } => filled(labels.written_by, &plain(name)),
    }];
    if let Some(absence) = summary.source.absence() {
        sentences.push(labels.model_failure(absence.failure).to_owned());
        if absence.is_awaited {
            sentences.push(labels.model_awaited.to_owned());
        }
    }
    sentences.push(filled(labels.covers, &summary.coverage_percent.to_string()));
    if summary.is_outdated {
        sentences.push(labels.outdated.to_owned());
    }
    match summary.dropped_lines {
        0 => {}
        1 => sentences.push(labels.one_line_left_out.to_owned()),
        lines => sentences.push(filled(labels.lines_left_out, &lines.to_string())),
    }
    sentences.join(labels.sentence_space)
}

/// Who was there, and at which index.
struct Attendance<'a> {
    attendees: Vec<Attendee>,
    index_of: HashMap<&'a ParticipantIdentity, usize>,
}

impl<'a> Attendance<'a> {
    fn of(lecture: &'a Lecture) -> Self {
        let speakers = lecture.segments.iter().map(|segment| &segment.speaker);
        let missed = lecture.gaps.iter().map(|gap| &gap.speaker);
        let mut people: Vec<&Participant> = Vec::new();
        let mut index_of = HashMap::new();
        for participant in lecture.participants.iter().chain(speakers).chain(missed) {
            index_of.entry(&participant.identity).or_insert_with(|| {
                people.push(participant);
                people.len() - 1
            });
        }
        let mut spoke = vec![Duration::ZERO; people.len()];
        for segment in &lecture.segments {
            spoke[index_of[&segment.speaker.identity]] += segment.end.since(segment.start);
        }
        let mut called: HashMap<String, usize> = HashMap::new();
        for person in &people {
            *called.entry(name_of(person)).or_default() += 1;
        }
        let attendees = people
            .iter()
            .zip(spoke)
            .map(|(person, spoke)| Attendee {
                name: match name_of(person) {
                    name if called[&name] > 1 => format!("{name} ({})", plain(person.identity.as_str())),
                    name => name,
                },
                spoke: MediaTime::ZERO + spoke,
            })
            .collect();
        Self { attendees, index_of }
    }
}

/// The transcript's entries, and which of them each segment went into.
struct Transcript<'a> {
    entries: Vec<Entry>,
    entry_of: HashMap<&'a SegmentId, usize>,
}

impl<'a> Transcript<'a> {
    fn of(lecture: &'a Lecture, summary: &Summary, attendance: &Attendance<'_>, labels: &Labels) -> Self {
        let breaks: Vec<_> = summary.chapters.iter().map(|chapter| chapter.start).collect();
        let chapters = breaks.iter().enumerate().map(|(chapter, &start)| {
            // Before all else that begins at this time.
            ((start, 0), Entry::Chapter { chapter }, Vec::new())
        });
        let gaps = lecture.gaps.iter().map(|gap| {
            let entry = Entry::Gap {
                speaker: attendance.index_of[&gap.speaker.identity],
                start: gap.start,
                end: gap.end,
                reason: labels.gap_reason(gap.reason).to_owned(),
            };
            ((gap.start, 1), entry, Vec::new())
        });
        let said = paragraphs(&lecture.segments, Joining::Speakers, &breaks)
            .into_iter()
            .map(|paragraph| {
                let entry = Entry::Paragraph {
                    speaker: attendance.index_of[&paragraph.speaker.identity],
                    start: paragraph.start,
                    end: paragraph.end,
                    text: paragraph.text,
                };
                ((paragraph.start, 2), entry, paragraph.segments)
            });
        let mut all: Vec<_> = chapters.chain(gaps).chain(said).collect();
        all.sort_by_key(|(order, ..)| *order);
        let mut entry_of = HashMap::new();
        let mut entries = Vec::with_capacity(all.len());
        for (index, (_, entry, segments)) in all.into_iter().enumerate() {
            entries.push(entry);
            entry_of.extend(segments.into_iter().map(|segment| (segment, index)));
        }
        Self { entries, entry_of }
    }
}

/// Looks up what is cited.
struct Sources<'a> {
    lecture: &'a Lecture,
    entry_of: HashMap<&'a SegmentId, usize>,
}

impl Sources<'_> {
    fn lines(&self, lines: &[CitedLine]) -> Vec<Line> {
        lines
            .iter()
            .map(|line| Line {
                text: plain(&line.text),
                sources: self.of(&line.citations),
            })
            .collect()
    }

    /// Where the cited segments are; neighbours in one paragraph count once.
    fn of(&self, citations: &[SegmentId]) -> Vec<Source> {
        let mut sources: Vec<Source> = self
            .lecture
            .segments
            .iter()
            .filter(|segment| citations.contains(&segment.id))
            .filter_map(|segment| {
                self.entry_of.get(&segment.id).map(|&entry| Source {
                    time: segment.start,
                    entry,
                })
            })
            .collect();
        sources.sort_by_key(|source| source.entry);
        sources.dedup_by_key(|source| source.entry);
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{aside, lecture, segment, summary};

    #[test]
    fn minutes_hold_the_whole_lecture() {
        insta::assert_json_snapshot!(Minutes::compose(&lecture(), Some(&summary()), &aside()));
    }

    #[test]
    fn paper_is_what_printers_hold_where_the_language_is_spoken() {
        for (language, paper) in [
            (Some("en-US"), PageSize::Letter),
            (Some("es-419"), PageSize::A4),
            (Some("fr-ca"), PageSize::Letter),
            (Some("en-GB"), PageSize::A4),
            (Some("us"), PageSize::A4),
            (None, PageSize::A4),
        ] {
            assert_eq!(PageSize::usual_with(language), paper, "{language:?}");
        }
        assert_eq!(PageSize::parse("letter"), Some(PageSize::Letter));
        assert_eq!(PageSize::parse("A5"), None);
    }

    #[test]
    fn minutes_survive_their_way_to_the_renderer() {
        let minutes = Minutes::compose(&lecture(), Some(&summary()), &aside());
        let json = serde_json::to_vec(&minutes).expect("minutes become JSON");
        assert_eq!(
            serde_json::from_slice::<Minutes>(&json).expect("and come back"),
            minutes
        );
    }

    #[test]
    fn sources_point_at_the_paragraph_that_holds_the_words() {
        let lecture = lecture();
        let minutes = Minutes::compose(&lecture, Some(&summary()), &Aside::default());
        let mut seen = 0;
        for (line, cited) in minutes.summary.iter().zip(&summary().abstract_lines) {
            for (source, id) in line.sources.iter().zip(&cited.citations) {
                let said = lecture
                    .segments
                    .iter()
                    .find(|segment| &segment.id == id)
                    .expect("a real segment");
                let Entry::Paragraph { text, .. } = &minutes.transcript[source.entry] else {
                    panic!("{source:?} is no paragraph");
                };
                assert!(text.contains(&plain(&said.text)));
                seen += 1;
            }
        }
        assert!(seen > 0, "the example cites nothing");
    }

    #[test]
    fn people_of_one_name_are_told_apart() {
        let mut lecture = lecture();
        lecture.segments = vec![
            segment("ada", 0, 1000, 0, "a"),
            segment("ada-2", 1000, 1500, 0, "b"),
        ];
        for segment in &mut lecture.segments {
            segment.speaker.name = "Ada".to_owned();
        }
        lecture.participants = lecture
            .segments
            .iter()
            .map(|segment| segment.speaker.clone())
            .collect();
        lecture.gaps.clear();
        let minutes = Minutes::compose(&lecture, Some(&summary()), &Aside::default());
        let names: Vec<_> = minutes
            .participants
            .iter()
            .map(|attendee| attendee.name.as_str())
            .collect();
        assert_eq!(names, ["Ada (ada)", "Ada (ada-2)"]);
        assert_eq!(minutes.participants[1].spoke, MediaTime::from_millis(500));
    }

    #[test]
    fn note_says_what_the_summary_leaves_out_in_its_language() {
        let summary = Summary {
            source: SummarySource::Model {
                name: "large {}".to_owned(),
            },
            coverage_percent: 80,
            dropped_lines: 2,
            is_outdated: true,
            ..summary()
        };
        let note = |language| source_note(&summary, Labels::of(Some(language)));
        assert_eq!(
            note("en"),
            "Written by the language model large {} from the transcript; it may be wrong. It covers 80 % of the \
             transcript. Words that it rests on were corrected after it was made. 2 lines were left out because nothing \
             that was said bears them out."
        );
        assert_eq!(
            note("zh-Hant"),
            "由語言模型 large {} 根據文字記錄撰寫，可能有誤。涵蓋文字記錄的 80%。摘要產生後，其所依據的文字已有更正。有 2 \
             行因沒有相應的發言為據而略去。"
        );
    }
}
