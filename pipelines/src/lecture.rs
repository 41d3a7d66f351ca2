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
    /// What its owner calls the room, where it was made here. Data, never markup.
    pub room_title: Option<String>,
    /// How often its words were corrected.
    pub revision: u64,
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

impl Lecture {
    /// What people call the room it was held in: its title, or its name where it has none.
    pub fn called(&self) -> &str {
        self.room_title.as_deref().unwrap_or(self.room.as_str())
    }
}
