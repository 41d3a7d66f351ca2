//! whisper.cpp as an engine: what it hears in overlapping windows becomes words that don't change (docs/adr/0024).
//!
//! `window.rs` decides what is decoded when and which words are certain, `hypothesis.rs` makes words of tokens,
//! `file.rs` looks at a model before the library does; `model.rs` alone names `whisper_rs`.

mod file;
mod hypothesis;
#[cfg(feature = "whisper")]
mod model;
#[cfg(test)]
mod tiny;
mod window;

#[cfg(feature = "whisper")]
pub(crate) use self::model::{Decoder, Model};
