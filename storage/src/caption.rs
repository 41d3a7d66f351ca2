//! What was said, in the order in which it became final: for those who read along.

use lectern_pipelines::{
    GapReason, MediaTime, MeetingId, Participant, RoomName, SegmentId, Stage, UnixMillis,
};

use crate::{
    Database, Error,
    database::{rows, transaction},
    error::stored_meeting_id,
    page::{Cursor, Page, page_of, rows_for},
    transcript::{media_time, participant_of},
};

/// Final words, or that some are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCaption {
    /// Its place in the meeting: what became final later has a higher one. There are holes.
    pub position: u64,
    /// Who spoke.
    pub speaker: Participant,
    /// When that began, in the meeting's time.
    pub start: MediaTime,
    /// When it ended.
    pub end: MediaTime,
    /// What is known of it.
    pub content: CaptionContent,
}

/// What is known of what somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptionContent {
    /// The words.
    Words {
        /// Of the segment, as in all that LiveKit's clients are sent.
        id: SegmentId,
        /// As the recogniser wrote it.
        text: String,
        /// BCP 47.
        language: Option<String>,
    },
    /// Nothing, and why. A gap that grows is told again, with the same start.
    Missing(GapReason),
}

/// A room's present or last meeting, as those who read along see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionedMeeting {
    /// Its id.
    pub id: MeetingId,
    /// The room it is or was held in.
    pub room: RoomName,
    /// How far it has come.
    pub stage: Stage,
    /// When it began: where the times of its captions have zero.
    pub started_at: UnixMillis,
    /// The position of its latest caption; 0 before the first.
    pub last: u64,
}

impl Database {
    /// Up to `limit` (at most [`PAGE_ITEMS_MAX`](crate::PAGE_ITEMS_MAX)) captions of a meeting after a position, in
    /// order; none if it is to be erased.
    pub async fn captions_after(
        &self,
        meeting: &MeetingId,
        position: u64,
        limit: u32,
    ) -> Result<Page<StoredCaption>, Error> {
        let found = transaction!(self, Read, "read captions", |connection| {
            rows!(
                CaptionRow,
                "select position, identity, name, start_ms, end_ms, id, text, language, null as reason from segment
                where meeting_id = $1 and position > $2 and text <> ''
                    and meeting_id not in (select meeting_id from erasure)
                union all
                select position, identity, name, start_ms, end_ms, null, null, null, reason from gap
                where meeting_id = $1 and position > $2 and meeting_id not in (select meeting_id from erasure)
                order by position limit $3",
                meeting.as_str(),
                i64::try_from(position).unwrap_or(i64::MAX),
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let captions: Option<Vec<_>> = found.into_iter().map(caption_of).collect();
        let captions = captions.ok_or_else(|| Error::unreadable("caption", meeting.as_str()))?;
        Ok(page_of(captions, limit, |last| {
            Cursor::of_caption(meeting, last.position)
        }))
    }

    /// The present or last meeting of each of `rooms` that has had one, unless that is to be erased.
    pub async fn captioned_meetings(&self, rooms: &[RoomName]) -> Result<Vec<CaptionedMeeting>, Error> {
        let names: Vec<_> = rooms.iter().map(RoomName::as_str).collect();
        let names = serde_json::to_string(&names).expect("strings are JSON");
        let found = match self {
            Self::Sqlite(_) => transaction!(self, Read, "look for rooms' captions", |connection| {
                rows!(MeetingRow, latest_of!("json_each($1)"), &names)
                    .fetch_all(&mut *connection)
                    .await?
            }),
            Self::Postgres(_) => transaction!(self, Read, "look for rooms' captions", |connection| {
                rows!(
                    MeetingRow,
                    latest_of!("json_array_elements_text($1::json)"),
                    &names
                )
                .fetch_all(&mut *connection)
                .await?
            }),
        };
        found?.into_iter().map(meeting_of).collect()
    }

    /// A meeting of this room, unless it is to be erased.
    pub async fn captioned_meeting(
        &self,
        room: &RoomName,
        meeting: &MeetingId,
    ) -> Result<Option<CaptionedMeeting>, Error> {
        let row = transaction!(self, Read, "look a room's meeting up", |connection| {
            rows!(
                MeetingRow,
                meeting!(
                    "from meeting where room = $1 and id = $2 and id not in (select meeting_id from erasure)"
                ),
                room.as_str(),
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(meeting_of).transpose()
    }

    /// The meeting of a room that came next after `meeting`, one of its own; nothing if that is the last.
    pub async fn captioned_meeting_after(
        &self,
        room: &RoomName,
        meeting: &MeetingId,
    ) -> Result<Option<CaptionedMeeting>, Error> {
        let row = transaction!(self, Read, "look for a room's next meeting", |connection| {
            rows!(
                MeetingRow,
                meeting!(
                    "from meeting where room = $1 and id not in (select meeting_id from erasure)
                        and (started_at, id) > (select started_at, id from meeting where room = $1 and id = $2)
                    order by started_at, id limit 1"
                ),
                room.as_str(),
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(meeting_of).transpose()
    }
}

impl Cursor {
    /// The place after a caption.
    pub fn of_caption(meeting: &MeetingId, position: u64) -> Self {
        Self {
            at: UnixMillis(i64::try_from(position).unwrap_or(i64::MAX)),
            id: meeting.as_str().to_owned(),
        }
    }

    /// The meeting and the position that [`of_caption`](Self::of_caption) was told.
    pub fn caption(&self) -> Result<(MeetingId, u64), Error> {
        let meeting = MeetingId::parse(&*self.id).map_err(|_| Error::Cursor)?;
        let position = u64::try_from(self.at.0).map_err(|_| Error::Cursor)?;
        Ok((meeting, position))
    }
}

/// Position, whose, their name, start, end; id, text and language of words; reason of a gap.
type CaptionRow = (
    i64,
    String,
    String,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Id, room, stage, start, latest position.
type MeetingRow = (String, String, String, i64, i64);

/// The columns of a [`MeetingRow`], and which rows.
macro_rules! meeting {
    ($which:expr) => {
        concat!(
            "select id, room, stage, started_at,
                coalesce((select last from caption_position where meeting_id = meeting.id), 0) ",
            $which
        )
    };
}
use meeting;

/// The latest meeting of each room whose name `$names` gives as `value`. One look for any number of rooms.
macro_rules! latest_of {
    ($names:literal) => {
        concat!(
            "select meeting.id, room, stage, started_at,
                coalesce((select last from caption_position where meeting_id = meeting.id), 0)
            from ",
            $names,
            " as wanted join meeting on meeting.id =
                (select id from meeting latest where latest.room = wanted.value
                order by started_at desc, id desc limit 1)
            where meeting.id not in (select meeting_id from erasure)"
        )
    };
}
use latest_of;

fn caption_of(row: CaptionRow) -> Option<StoredCaption> {
    let (position, identity, name, start, end, id, text, language, reason) = row;
    let content = match (id, text, reason) {
        (Some(id), Some(text), None) => CaptionContent::Words {
            id: SegmentId::parse(id).ok()?,
            text,
            language,
        },
        (None, None, Some(reason)) => CaptionContent::Missing(GapReason::parse(&reason)?),
        _ => return None,
    };
    Some(StoredCaption {
        position: position.unsigned_abs(),
        speaker: participant_of(identity, name)?,
        start: media_time(start)?,
        end: media_time(end)?,
        content,
    })
}

fn meeting_of((id, room, stage, started_at, last): MeetingRow) -> Result<CaptionedMeeting, Error> {
    Ok(CaptionedMeeting {
        room: RoomName::parse(room).map_err(|_| Error::unreadable("room", &*id))?,
        stage: Stage::parse(&stage).ok_or_else(|| Error::unreadable("stage", &*id))?,
        started_at: UnixMillis(started_at),
        last: last.unsigned_abs(),
        id: stored_meeting_id(id)?,
    })
}
