//! What a language model is not shown of a lecture, because it speaks to it and not to people.

use std::collections::HashSet;

use super::address::speaks_to_a_model;
use crate::{Participant, Segment};

/// Segments and names that speak to a model.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    segments: HashSet<usize>,
    names: HashSet<String>,
}

impl Withheld {
    /// What is withheld of `segments`.
    pub(super) fn of(segments: &[Segment]) -> Self {
        let names: HashSet<&str> = segments
            .iter()
            .map(|segment| segment.speaker.name.as_str())
            .collect();
        Self {
            segments: orders(segments),
            names: names
                .into_iter()
                .filter(|name| speaks_to_a_model(name))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Whether the segment at this index is one.
    pub(super) fn contains(&self, segment: usize) -> bool {
        self.segments.contains(&segment)
    }

    /// The indices of all segments that are withheld, in no order.
    pub(super) fn segments(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().copied()
    }

    /// What the model is told that a speaker is called; empty where the name is withheld.
    pub(super) fn shown_name<'a>(&self, speaker: &'a Participant) -> &'a str {
        match self.names.contains(&speaker.name) {
            true => "",
            false => &speaker.name,
        }
    }
}

/// Segments that speak to a model, alone or together with what the same person said before.
///
/// Of an utterance that begins like that the next segment goes as well: an order has a second half.
fn orders(segments: &[Segment]) -> HashSet<usize> {
    let mut withheld = HashSet::new();
    for (at, segment) in segments.iter().enumerate() {
        let goes_on = |other: &Segment| other.track == segment.track && other.utterance == segment.utterance;
        let before = at.checked_sub(1).filter(|&before| goes_on(&segments[before]));
        let behind = segments.get(at + 1).filter(|next| goes_on(next));
        if speaks_to_a_model(&segment.text) {
            withheld.insert(at);
            withheld.extend(behind.map(|_| at + 1));
        } else if let Some(before) = before
            && !withheld.contains(&before)
            && speaks_to_a_model(&format!("{} {}", segments[before].text, segment.text))
        {
            withheld.extend([before, at]);
        }
    }
    withheld.retain(|&at| !segments[at].text.trim().is_empty());
    withheld
}
