//! A transcript in short.

mod model;

pub use model::{ActionItem, Chapter, CitedLine, KeyTerm, Summary, SummarySource};
