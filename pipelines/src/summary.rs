//! A transcript in short, made by counting words or by a language model.

mod extractive;
mod language;
mod model;
#[cfg(test)]
mod sample;
mod sentence;
mod terms;
mod topic;

pub use extractive::extractive;
pub use model::{ActionItem, Chapter, CitedLine, KeyTerm, Summary, SummarySource};
