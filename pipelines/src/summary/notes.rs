//! What a model has noted so far, and the summary that comes of it.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    model::{ActionItem, Chapter, CitedLine, KeyTerm, Question, Summary, SummarySource},
    prompt::{note_line, tokens},
    reply::{ChapterReply, PartReply, Statement},
    support::Evidence,
};
use crate::{Lecture, MediaTime, SegmentId};

/// A statement about the lecture.
#[derive(Debug, Clone)]
pub(super) struct Note {
    text: String,
    /// When that of which it speaks was said first.
    time: MediaTime,
    /// Positions in the lecture's segments.
    segments: BTreeSet<usize>,
}

impl Note {
    /// The notes as a model reads them, numbered from 1.
    pub(super) fn data_lines(notes: &[Self]) -> String {
        let lines = notes
            .iter()
            .enumerate()
            .map(|(at, note)| note_line(at + 1, note.time, &note.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the model's statements about `notes` say about the lecture.
    pub(super) fn from_statements(statements: Vec<Statement>, notes: &[Self]) -> Vec<Self> {
        let note = |statement: Statement| {
            let cited = statement.cites.iter().map(|number| &notes[number - 1]);
            let time = cited
                .clone()
                .map(|note| note.time)
                .min()
                .unwrap_or(MediaTime::ZERO);
            let segments = cited.flat_map(|note| &note.segments).copied().collect();
            Self {
                text: statement.text,
                time,
                segments,
            }
        };
        statements.into_iter().map(note).collect()
    }

    /// Whether what it rests on bears it out.
    pub(super) fn is_borne_out(&self, evidence: &Evidence) -> bool {
        evidence.bears_out(&self.text, self.segments.iter().copied())
    }

    /// What it takes in a prompt.
    pub(super) fn tokens(&self) -> usize {
        // The number isn't known yet; four digits are enough for all.
        tokens(&note_line(1000, self.time, &self.text)) + 1
    }

    /// So much of it that it takes no more than that.
    pub(super) fn fitted(self, tokens_max: usize) -> Self {
        match self.tokens() > tokens_max && self.text.chars().count() > 1 {
            true => self.shortened().fitted(tokens_max),
            false => self,
        }
    }

    /// Half of it, for a note that has no neighbours to be condensed with.
    pub(super) fn shortened(&self) -> Self {
        let half = self.text.chars().count() / 2;
        Self {
            text: self.text.chars().take(half.max(1)).collect(),
            ..self.clone()
        }
    }
}

/// Everything that was noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Id and start of each segment.
    segments: Vec<(SegmentId, MediaTime)>,
    called: String,
    pub(super) title: Option<String>,
    pub(super) overview: Vec<Note>,
    pub(super) dropped: u32,
    chapters: Vec<NotedChapter>,
    key_terms: Vec<(String, String, BTreeSet<usize>)>,
    action_items: Vec<(String, Option<String>, BTreeSet<usize>)>,
    /// Question, answer and where it was said.
    questions: Vec<(String, String, BTreeSet<usize>)>,
}

#[derive(Debug)]
struct NotedChapter {
    title: String,
    first_segment: usize,
    lines: Vec<Note>,
}

const KEY_TERMS_MAX: usize = 20;
const ACTION_ITEMS_MAX: usize = 40;
/// A quiz is short, however long the lecture was.
const QUESTIONS_MAX: usize = 12;
const CHAPTER_LINES_MAX: usize = 8;
/// Citations of one statement that help a reader; an abstract can rest on hundreds.
const CITATIONS_MAX: usize = 8;
const TITLE_WORDS_MAX: usize = 10;

impl Notes {
    /// Nothing yet.
    pub(super) fn of(lecture: &Lecture) -> Self {
        let segments = lecture
            .segments
            .iter()
            .map(|segment| (segment.id.clone(), segment.start));
        Self {
            segments: segments.collect(),
            called: lecture.called().to_owned(),
            ..Self::default()
        }
    }

    /// Adds the notes of one part; their citations are numbers of segments, from 1, all of them known.
    pub(super) fn add_part(&mut self, reply: PartReply) {
        self.dropped += reply.dropped;
        for chapter in reply.chapters {
            self.add_chapter(chapter);
        }
        for (term, explanation) in reply.key_terms {
            let segments = positions(&term.cites);
            let same = |known: &&mut (String, String, _)| known.0.to_lowercase() == term.text.to_lowercase();
            match self.key_terms.iter_mut().find(same) {
                Some((_, known, cited)) => {
                    cited.extend(segments);
                    if known.is_empty() {
                        *known = explanation;
                    }
                }
                None => self.key_terms.push((term.text, explanation, segments)),
            }
        }
        for (item, owner) in reply.action_items {
            self.action_items.push((item.text, owner, positions(&item.cites)));
        }
        for (answer, question) in reply.questions {
            self.questions
                .push((question, answer.text, positions(&answer.cites)));
        }
    }

    fn add_chapter(&mut self, chapter: ChapterReply) {
        let lines: Vec<Note> = chapter
            .lines
            .into_iter()
            .map(|line| {
                let segments = positions(&line.cites);
                let time = segments
                    .first()
                    .map_or(MediaTime::ZERO, |&first| self.segments[first].1);
                Note {
                    text: line.text,
                    time,
                    segments,
                }
            })
            .collect();
        self.chapters.push(NotedChapter {
            title: chapter.title,
            first_segment: chapter.first_line - 1,
            lines,
        });
    }

    /// What title and abstract are to be written from.
    pub(super) fn chapter_notes(&mut self) -> Vec<Note> {
        // Parts are answered in any order.
        self.chapters.sort_by_key(|chapter| chapter.first_segment);
        let notes = self.chapters.iter().flat_map(|chapter| {
            chapter.lines.iter().map(|line| match chapter.title.as_str() {
                "" => line.clone(),
                title => Note {
                    text: format!("{title}: {}", line.text),
                    ..line.clone()
                },
            })
        });
        notes.collect()
    }

    /// The summary.
    pub(super) fn into_summary(
        mut self,
        model: String,
        language: Option<String>,
        end: MediaTime,
        coverage_percent: u8,
    ) -> Summary {
        let chapters = self.take_chapters(end);
        let overview = std::mem::take(&mut self.overview);
        let mut abstract_lines: Vec<CitedLine> = overview.iter().map(|note| self.cited(note)).collect();
        if abstract_lines.is_empty() {
            // The model wrote none that could be read; the chapters' first lines are its own words, too.
            abstract_lines = chapters
                .iter()
                .filter_map(|chapter| chapter.lines.first().cloned())
                .take(6)
                .collect();
        }
        let first_chapter = || chapters.first().map(|chapter| chapter.title.clone());
        let title = self
            .title
            .take()
            .or_else(first_chapter)
            .unwrap_or_else(|| self.called.clone());
        self.key_terms.sort_by_key(|(_, _, cited)| Reverse(cited.len()));
        self.key_terms.truncate(KEY_TERMS_MAX);
        self.action_items.sort_by_key(|item| item.2.first().copied());
        self.action_items.truncate(ACTION_ITEMS_MAX);
        self.questions.sort_by_key(|question| question.2.first().copied());
        Summary {
            source: SummarySource::Model { name: model },
            title,
            language,
            abstract_lines,
            chapters,
            key_terms: self
                .key_terms
                .iter()
                .map(|(term, explanation, cited)| KeyTerm {
                    term: term.clone(),
                    explanation: explanation.clone(),
                    citations: self.citations(cited),
                })
                .collect(),
            action_items: self
                .action_items
                .iter()
                .map(|(text, owner, cited)| ActionItem {
                    text: text.clone(),
                    owner: owner.clone(),
                    citations: self.citations(cited),
                })
                .collect(),
            questions: spread(&self.questions, QUESTIONS_MAX)
                .map(|(question, answer, cited)| Question {
                    question: question.clone(),
                    answer: answer.clone(),
                    citations: self.citations(cited),
                })
                .collect(),
            coverage_percent,
            dropped_lines: self.dropped,
            is_outdated: false,
        }
    }

    /// Each chapter up to the next; two that begin at once are one.
    fn take_chapters(&mut self, end: MediaTime) -> Vec<Chapter> {
        let mut noted = std::mem::take(&mut self.chapters);
        noted.sort_by_key(|chapter| chapter.first_segment);
        let mut chapters: Vec<Chapter> = Vec::new();
        for chapter in noted {
            let start = self.segments[chapter.first_segment].1;
            let mut lines: Vec<CitedLine> = chapter.lines.iter().map(|note| self.cited(note)).collect();
            match chapters.last_mut() {
                Some(last) if last.start >= start => last.lines.append(&mut lines),
                last => {
                    if let Some(last) = last {
                        last.end = start;
                    }
                    chapters.push(Chapter {
                        title: titled(chapter.title, &lines),
                        start,
                        end,
                        lines,
                    });
                }
            }
        }
        for chapter in &mut chapters {
            chapter.lines.truncate(CHAPTER_LINES_MAX);
            chapter.end = chapter.end.max(chapter.start);
        }
        chapters
    }

    fn cited(&self, note: &Note) -> CitedLine {
        CitedLine {
            text: note.text.clone(),
            citations: self.citations(&note.segments),
        }
    }

    fn citations(&self, segments: &BTreeSet<usize>) -> Vec<SegmentId> {
        segments
            .iter()
            .take(CITATIONS_MAX)
            .map(|&at| self.segments[at].0.clone())
            .collect()
    }
}

fn positions(cites: &[usize]) -> BTreeSet<usize> {
    cites.iter().map(|number| number - 1).collect()
}

/// At most so many of the items, from beginning to end alike.
fn spread<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    let step = items.len().div_ceil(most).max(1);
    items.iter().step_by(step)
}

/// A chapter's title, or the beginning of what it says.
fn titled(title: String, lines: &[CitedLine]) -> String {
    if !title.is_empty() {
        return title;
    }
    let words = lines.first().map_or("…", |line| line.text.as_str());
    words
        .split_whitespace()
        .take(TITLE_WORDS_MAX)
        .collect::<Vec<_>>()
        .join(" ")
}
