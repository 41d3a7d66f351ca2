//! Lectures for the tests of this folder.

use std::time::Duration;

use crate::{
    Lecture, MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, Segment, SegmentId, TrackSid,
    UnixMillis,
};

/// One segment that somebody is to have said.
pub(super) struct Said {
    text: String,
    seconds: (u64, u64),
    utterance: Option<u32>,
}

/// `text`, from one second to another, an utterance of its own.
pub(super) fn said(text: &str, from: u64, to: u64) -> Said {
    Said {
        text: text.to_owned(),
        seconds: (from, to),
        utterance: None,
    }
}

impl Said {
    pub(super) fn utterance(self, utterance: u32) -> Self {
        Self {
            utterance: Some(utterance),
            ..self
        }
    }
}

/// One speaker's lecture; its segments are called `SG_0`, `SG_1` and so on.
pub(super) fn lecture(said: impl IntoIterator<Item = Said>) -> Lecture {
    let speaker = Participant {
        identity: ParticipantIdentity::parse("ada").expect("a good identity"),
        name: "Ada".to_owned(),
    };
    let segment = |(at, said): (usize, Said)| Segment {
        id: SegmentId::parse(format!("SG_{at}")).expect("a good id"),
        track: TrackSid::parse("TR_1").expect("a good SID"),
        speaker: speaker.clone(),
        start: MediaTime::from_millis(said.seconds.0 * 1000),
        end: MediaTime::from_millis(said.seconds.1 * 1000),
        text: said.text,
        language: Some("en".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance: said
            .utterance
            .unwrap_or_else(|| u32::try_from(at).expect("few segments")),
    };
    let segments: Vec<Segment> = said.into_iter().enumerate().map(segment).collect();
    Lecture {
        meeting: MeetingId::parse("0190-meeting").expect("a good id"),
        room: RoomName::parse("physics-101").expect("a good name"),
        room_title: None,
        revision: 0,
        started_at: UnixMillis(1_790_000_000_000),
        duration: segments
            .last()
            .map_or(Duration::ZERO, |last| last.end.since(MediaTime::ZERO)),
        participants: vec![speaker],
        segments,
        gaps: Vec::new(),
    }
}
