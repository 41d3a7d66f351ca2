//! A meeting that is over, whole: what exports, summary and minutes are made of.

use std::time::Duration;

use crate::{Gap, MeetingId, Participant, RoomName, Segment, UnixMillis};

/// Everything stored of one meeting, as the steps after its end read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lecture {
    /// Our id of the sitting.
    pub meeting: MeetingId,
    /// The room it was held in.
    pub room: RoomName,
    /// When it began.
    pub started_at: UnixMillis,
    /// How long it took.
    pub duration: Duration,
    /// Everybody who was there, in the order they came.
    pub participants: Vec<Participant>,
    /// Final segments with text, ordered by start, then by id.
    pub segments: Vec<Segment>,
    /// What is known to be missing, ordered by start.
    pub gaps: Vec<Gap>,
}
