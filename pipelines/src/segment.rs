//! What somebody said, and what we know that we missed.

use crate::{MediaTime, ParticipantIdentity, SegmentId, TrackSid};

/// Somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Unique in the room.
    pub identity: ParticipantIdentity,
    /// What the person is called; the identity where they gave no name. Data, never markup.
    pub name: String,
}

/// A stretch of one participant's speech, as LiveKit's `TranscriptionSegment`.
///
/// An interim segment grows and changes under the same id; a final one never changes again. A final segment with
/// empty text withdraws what was shown under its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Never used twice.
    pub id: SegmentId,
    /// The track it was said on.
    pub track: TrackSid,
    /// Who said it, under the name they had then.
    pub speaker: Participant,
    /// When it begins, in meeting time.
    pub start: MediaTime,
    /// When it ends; never before `start`.
    pub end: MediaTime,
    /// The words as they are read, with punctuation where the recogniser gives it.
    pub text: String,
    /// BCP 47, where the recogniser or the settings say it.
    pub language: Option<String>,
    /// The single words; empty where the recogniser gives none.
    pub words: Vec<Word>,
    /// Whether this is the last form of this segment.
    pub is_final: bool,
    /// Segments of one track with the same number belong to one utterance.
    pub utterance: u32,
}

/// One recognised word.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// As it is read, with its punctuation.
    pub text: String,
    /// When it begins, in meeting time.
    pub start: MediaTime,
    /// When it ends.
    pub end: MediaTime,
    /// 0 to 1, as the recogniser says; some always say 0.
    pub confidence: f32,
}

/// A stretch of speech that no recogniser could be given, marked so that nobody takes the transcript for whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The track that has the hole.
    pub track: TrackSid,
    /// Whose words are missing.
    pub speaker: Participant,
    /// When the hole begins.
    pub start: MediaTime,
    /// When it ends.
    pub end: MediaTime,
    /// Why.
    pub reason: GapReason,
}

/// Why speech is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The recogniser was away for longer than audio is kept.
    RecogniserAway,
    /// The recogniser refuses us (key, credit, rights) until an operator does something.
    RecogniserRefused,
    /// The recogniser took the audio several times and never answered.
    RecogniserSilent,
}

impl GapReason {
    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecogniserAway => "recogniser_away",
            Self::RecogniserRefused => "recogniser_refused",
            Self::RecogniserSilent => "recogniser_silent",
        }
    }

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::RecogniserAway,
            Self::RecogniserRefused,
            Self::RecogniserSilent,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == name)
    }
}
