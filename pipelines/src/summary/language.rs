//! The language of a lecture.

use std::collections::BTreeMap;

use crate::Lecture;

/// The language in which most was said, where the segments say it.
pub(crate) fn main_language(lecture: &Lecture) -> Option<String> {
    let mut bytes: BTreeMap<&str, usize> = BTreeMap::new();
    for segment in &lecture.segments {
        if let Some(language) = &segment.language {
            *bytes.entry(language).or_default() += segment.text.len();
        }
    }
    bytes
        .into_iter()
        .max_by_key(|&(_, bytes)| bytes)
        .map(|(language, _)| language.to_owned())
}
