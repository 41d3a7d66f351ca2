//! What a summary is, whoever made it.

use serde::{Deserialize, Serialize};

use super::main_language;
use crate::{Lecture, MediaTime, SegmentId};

/// A meeting in short; stored as JSON beside the transcript.
///
/// Every line names the segments it rests on, so that a reader can go from a claim to what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Who made it; shown to the reader.
    pub source: SummarySource,
    /// What the meeting was about, in a few words; never empty.
    pub title: String,
    /// BCP 47, where it is known.
    pub language: Option<String>,
    /// The whole in a few lines; empty where nobody spoke.
    pub abstract_lines: Vec<CitedLine>,
    /// The parts of the meeting, in order and without overlap.
    pub chapters: Vec<Chapter>,
    /// The terms that carry it, the weightiest first.
    pub key_terms: Vec<KeyTerm>,
    /// What somebody is to do; often empty.
    pub action_items: Vec<ActionItem>,
    /// A short quiz; empty in summaries that were stored before there was one.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// How much of the transcript its maker has read, 0 to 100.
    pub coverage_percent: u8,
    /// Lines left out because nothing that was said bears them out.
    pub dropped_lines: u32,
    /// Whether something that it rests on was corrected after it was made; known to who reads it, and never stored.
    #[serde(skip)]
    pub is_outdated: bool,
}

impl Summary {
    /// What stands for a summary where nobody wants one: it says nothing.
    pub(crate) fn none(lecture: &Lecture) -> Self {
        Self {
            source: SummarySource::EXTRACTIVE,
            title: lecture.called().to_owned(),
            language: main_language(lecture),
            abstract_lines: Vec::new(),
            chapters: Vec::new(),
            key_terms: Vec::new(),
            action_items: Vec::new(),
            questions: Vec::new(),
            coverage_percent: 100,
            dropped_lines: 0,
            is_outdated: false,
        }
    }

    /// The same, which says why no language model wrote it.
    #[must_use]
    pub fn instead_of_model(self, failure: ModelFailure) -> Self {
        let instead = Some(ModelAbsence {
            failure,
            is_awaited: false,
        });
        let source = SummarySource::Extractive { instead };
        Self { source, ..self }
    }

    /// All that it says, but for its title.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let chapters = self.chapters.iter().flat_map(|chapter| {
            let lines = chapter.lines.iter().map(|line| line.text.as_str());
            std::iter::once(chapter.title.as_str()).chain(lines)
        });
        let terms = self
            .key_terms
            .iter()
            .flat_map(|term| [term.term.as_str(), term.explanation.as_str()]);
        let items = self.action_items.iter().map(|item| item.text.as_str());
        let lines = self.abstract_lines.iter().map(|line| line.text.as_str());
        let questions = self
            .questions
            .iter()
            .flat_map(|question| [question.question.as_str(), question.answer.as_str()]);
        lines.chain(chapters).chain(terms).chain(items).chain(questions)
    }

    /// Every segment that it rests on, some of them more than once.
    pub fn citations(&self) -> impl Iterator<Item = &SegmentId> {
        let chapters = self.chapters.iter().flat_map(|chapter| &chapter.lines);
        let lines = self
            .abstract_lines
            .iter()
            .chain(chapters)
            .map(|line| &line.citations);
        let terms = self.key_terms.iter().map(|term| &term.citations);
        let items = self.action_items.iter().map(|item| &item.citations);
        let questions = self.questions.iter().map(|question| &question.citations);
        lines.chain(terms).chain(items).chain(questions).flatten()
    }
}

/// Who made a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SummarySource {
    /// Built in: sentences as they were said, chosen by counting words.
    Extractive {
        /// Why no language model wrote it, where one was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead: Option<ModelAbsence>,
    },
    /// A language model wrote it.
    Model {
        /// As the settings name it.
        name: String,
    },
}

impl SummarySource {
    /// Where no language model was asked.
    pub const EXTRACTIVE: Self = Self::Extractive { instead: None };

    /// Why it is not a language model's, where one was asked.
    pub fn absence(&self) -> Option<ModelAbsence> {
        match self {
            Self::Extractive { instead } => *instead,
            Self::Model { .. } => None,
        }
    }
}

/// A language model that was asked for a summary and gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAbsence {
    /// What went wrong.
    pub failure: ModelFailure,
    /// Whether it is asked again, and its summary takes the other one's place.
    pub is_awaited: bool,
}

/// What went wrong with a language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFailure {
    /// It could not be reached, was too busy or too slow.
    Away,
    /// Its server would not be asked: a wrong key, no credit, an unknown model.
    Refused,
    /// What it answered could not be used.
    Unusable,
}

impl ModelFailure {
    /// As exports and the service name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Refused => "refused",
            Self::Unusable => "unusable",
        }
    }
}

/// A sentence and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedLine {
    /// The sentence. Data, never markup.
    pub text: String,
    /// In the order of the transcript; never empty.
    pub citations: Vec<SegmentId>,
}

/// A part of the meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    /// What it is about; never empty.
    pub title: String,
    /// Where it begins.
    pub start: MediaTime,
    /// Where it ends; never before `start`.
    pub end: MediaTime,
    /// What was said in it, in short.
    pub lines: Vec<CitedLine>,
}

/// A term that carries the meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTerm {
    /// As it was said.
    pub term: String,
    /// What it means here; may be empty.
    pub explanation: String,
    /// Where it was said; never empty.
    pub citations: Vec<SegmentId>,
}

/// Something that somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionItem {
    /// What is to be done.
    pub text: String,
    /// Who is to do it, where that was said.
    pub owner: Option<String>,
    /// Where it was said; never empty.
    pub citations: Vec<SegmentId>,
}

/// A question that the meeting answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub question: String,
    /// Its answer.
    pub answer: String,
    /// Where the answer was said; never empty.
    pub citations: Vec<SegmentId>,
}
