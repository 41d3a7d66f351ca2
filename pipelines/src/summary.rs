//! A transcript in short, made by counting words or by a language model.

mod address;
mod extractive;
mod language;
mod line;
mod model;
mod notes;
mod orders;
mod planner;
mod prompt;
mod reply;
#[cfg(test)]
mod sample;
mod sentence;
mod support;
mod terms;
mod topic;
mod withheld;

pub use extractive::extractive;
pub(crate) use language::main_language;
pub use model::{
    ActionItem, Chapter, CitedLine, KeyTerm, ModelAbsence, ModelFailure, Question, Summary, SummarySource,
};
pub use planner::{PromptFailure, SummaryError, SummaryPlanner, SummarySettings, TOKEN_BUDGET_MIN};
pub use prompt::{Message, Prompt, PromptId, ReplyForm, Role, WISH_CHARS_MAX};
