//! What a meeting has heard and nobody has settled, as a log that outlives the process.

mod entry;
mod spans;
mod unsettled;

use std::collections::BTreeMap;

pub(crate) use entry::Notes;
use entry::Opening;
pub(crate) use spans::Span;
pub use unsettled::UnsettledSpeech;
pub(crate) use unsettled::UnsettledTrack;

use crate::{Participant, TrackKey, TrackSid};

/// Writes the log, in batches that its owner takes and puts behind each other in a file.
///
/// Speech comes in as it was said, once more where it was compressed, and at last as settled: recognised and stored, or
/// given up. Whenever all is settled, what was written until then is void, so that the file stays short.
#[derive(Debug)]
pub(crate) struct Journal {
    batch: Vec<u8>,
    /// The tracks that what stands in the log knows, and what it knows their language to be.
    opened: BTreeMap<TrackKey, Option<String>>,
    /// Whose entries come next.
    current: Option<TrackKey>,
    /// Whether some of what is not settled got lost on its way.
    is_whole: bool,
}

/// What the log has to know of a track.
pub(crate) struct TrackFacts<'a> {
    pub(crate) key: TrackKey,
    pub(crate) sid: &'a TrackSid,
    pub(crate) language: Option<&'a str>,
}

impl Journal {
    /// A log in which nothing stands.
    pub(crate) fn new() -> Self {
        Self {
            batch: Vec::new(),
            opened: BTreeMap::new(),
            current: None,
            is_whole: true,
        }
    }

    /// Takes what a session has noted of a track's speech.
    pub(crate) fn note(
        &mut self,
        track: &TrackFacts<'_>,
        speaker: impl FnOnce() -> Participant,
        notes: &mut Notes,
    ) {
        if notes.is_empty() {
            return;
        }
        let known = self.opened.get(&track.key);
        if known.is_none_or(|language| language.as_deref() != track.language) {
            let Participant { identity, name } = speaker();
            let opening = Opening {
                key: track.key,
                sid: track.sid.as_str(),
                identity: identity.as_str(),
                name: &name,
                language: track.language,
            };
            entry::write_opening(&opening, &mut self.batch);
            let language = track.language.map(str::to_owned);
            self.opened.insert(track.key, language);
            self.current = Some(track.key);
        }
        self.turn_to(track.key);
        notes.move_into(&mut self.batch);
    }

    /// A track's speech there is recognised and stored, or given up.
    pub(crate) fn settled(&mut self, track: TrackKey, span: Span) {
        // Of a track that the log doesn't know, there is nothing to be settled.
        if self.opened.contains_key(&track) {
            self.turn_to(track);
            entry::write_settled(span, &mut self.batch);
        }
    }

    /// Nothing that was written is of use any more: all is settled.
    pub(crate) fn void(&mut self) {
        self.clear();
        self.is_whole = true;
    }

    /// What was written got lost.
    pub(crate) fn lose(&mut self) {
        self.clear();
        self.is_whole = false;
    }

    /// Whether all that is not settled stands in it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn clear(&mut self) {
        let is_void_already = self.opened.is_empty() && self.is_whole;
        let is_untold = after_void(&self.batch).is_some();
        self.batch.clear();
        if is_untold || !is_void_already {
            entry::write_void(&mut self.batch);
        }
        self.opened.clear();
        self.current = None;
    }

    /// What is to be put behind all that was taken before.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.batch)
    }

    /// How many bytes wait to be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.batch.len()
    }

    fn turn_to(&mut self, track: TrackKey) {
        if self.current != Some(track) {
            entry::write_of(track, &mut self.batch);
            self.current = Some(track);
        }
    }
}

/// If a batch says first that all before it is of no use any more, the rest of it: the file may begin with that.
pub fn after_void(batch: &[u8]) -> Option<&[u8]> {
    entry::without_void(batch)
}
