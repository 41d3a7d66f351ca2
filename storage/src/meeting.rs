//! Meetings: which sitting a room is in, how far it has come, and lists of them.

use std::time::Duration;

use lectern_pipelines::{AccountId, MeetingId, RoomName, RoomSid, Stage, UnixMillis};
use serde_json::json;

use crate::{
    Database, Error, HookTopic,
    database::{rows, sql, transaction},
    error::stored_meeting_id,
    outbox::{Told, tell_hooks},
    page::{Cursor, Page, before, id_made_at, page_of, rows_for},
    search::{IndexedText, SEARCH_VERSION, index_texts},
};

/// A room that comes back under a new SID within this time of when it was last seen continues its meeting: LiveKit's
/// server was restarted, the people never left.
pub const CONTINUES_WITHIN: Duration = Duration::from_secs(60);

/// The meeting a room is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedMeeting {
    /// Its id.
    pub id: MeetingId,
    /// When it began; where its clock has zero.
    pub started_at: UnixMillis,
    /// When a worker last saw its room; now, if it began just now.
    pub last_seen_at: UnixMillis,
    /// Always [`Stage::Live`].
    pub stage: Stage,
    /// Why it is this one.
    pub origin: Origin,
}

/// Why a room's meeting is the one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It began just now.
    Started,
    /// It was live under the same SID.
    Joined,
    /// It was live under another SID a moment ago.
    Continued,
}

/// A meeting as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingOverview {
    /// Its id.
    pub id: MeetingId,
    /// The room it was held in.
    pub room: RoomName,
    /// How far it has come.
    pub stage: Stage,
    /// When it began.
    pub started_at: UnixMillis,
    /// When a worker last saw its room.
    pub last_seen_at: UnixMillis,
    /// When it ended, if it has.
    pub ended_at: Option<UnixMillis>,
    /// Why the step after its stage failed last, if it did.
    pub failure: Option<String>,
    /// How often that step has failed.
    pub attempts: u32,
    /// What it was about, once there is a summary; until then what its room is called.
    pub title: Option<String>,
    /// The language it was held in, once there is a summary.
    pub language: Option<String>,
    /// How many segments with text are stored.
    pub segments: u64,
    /// How many people were there.
    pub participants: u64,
}

impl Database {
    /// The meeting that is going on in `room`, which LiveKit calls `sid` now; begins one if there is none.
    ///
    /// Any number of workers may ask at once and get the same. A room has at most one live meeting: one that was last
    /// seen longer ago than [`CONTINUES_WITHIN`] and under other SIDs is over, and is brought to [`Stage::Ended`] as of
    /// when it was last seen. A meeting that is past live is never reopened, not even if its SID turns up again
    /// (LiveKit gives none out twice; it means that we took the room for over too soon): what is said from now on is a
    /// meeting of its own, and nothing of it is lost.
    pub async fn open_meeting(
        &self,
        room: &RoomName,
        sid: &RoomSid,
        now: UnixMillis,
    ) -> Result<OpenedMeeting, Error> {
        let fresh = fresh_id(now);
        let (id, started_at, last_seen_at, origin) = transaction!(
            self,
            Write,
            "open a meeting",
            |connection| {
                // On Postgres this row is what makes a second worker wait until our transaction is through.
                sql!(
                "insert into meeting_room (name) values ($1) on conflict (name) do update set name = excluded.name",
                room.as_str()
            )
            .execute(&mut *connection)
            .await?;
                let live = rows!(
                    LiveRow,
                    "select id, started_at, last_seen_at,
                    (select count(*) from meeting_sid where meeting_id = meeting.id and sid = $2)
                from meeting where room = $1 and stage = 'live'",
                    room.as_str(),
                    sid.as_str()
                )
                .fetch_optional(&mut *connection)
                .await?;
                let origin = origin_of(live.as_ref(), now);
                let (id, started_at, last_seen_at) = match (origin, live) {
                    (Origin::Joined | Origin::Continued, Some((id, started_at, last_seen_at, _))) => {
                        sql!(
                            "update meeting set last_seen_at = $2 where id = $1 and last_seen_at < $2",
                            &id,
                            now.0
                        )
                        .execute(&mut *connection)
                        .await?;
                        (id, started_at, last_seen_at)
                    }
                    (_, stale) => {
                        if let Some((stale, ..)) = stale {
                            sql!(
                            "update meeting set stage = 'ended', ended_at = last_seen_at, next_attempt_at = $2
                            where id = $1",
                            stale,
                            now.0
                        )
                            .execute(&mut *connection)
                            .await?;
                        }
                        sql!(
                            "insert into meeting (id, room, stage, started_at, last_seen_at, search_version)
                        values ($1, $2, 'live', $3, $3, $4)",
                            fresh.as_str(),
                            room.as_str(),
                            now.0,
                            SEARCH_VERSION
                        )
                        .execute(&mut *connection)
                        .await?;
                        let title = rows!((String,), "select title from room where id = $1", room.as_str())
                            .fetch_optional(&mut *connection)
                            .await?;
                        let title = title.map(|(title,)| IndexedText::title(self, fresh.as_str(), &title));
                        index_texts!(self, connection, title.as_slice());
                        (fresh.as_str().to_owned(), now.0, now.0)
                    }
                };
                sql!(
                    "insert into meeting_sid (sid, meeting_id) values ($1, $2) on conflict do nothing",
                    sid.as_str(),
                    &id
                )
                .execute(&mut *connection)
                .await?;
                (id, started_at, last_seen_at, origin)
            }
        )?;
        Ok(OpenedMeeting {
            id: stored_meeting_id(id)?,
            started_at: UnixMillis(started_at),
            last_seen_at: UnixMillis(last_seen_at),
            stage: Stage::Live,
            origin,
        })
    }

    /// Brings a meeting from one stage to another, and tells webhooks when it is [`Stage::Rendered`]; says whether it
    /// was there.
    ///
    /// Of several workers that try, one is told `true`. Failures of the stage left behind are forgotten. `at` is when
    /// that was: the meeting's end where `to` is [`Stage::Ended`] (the reconciler passes when the room was last seen).
    pub async fn advance(
        &self,
        meeting: &MeetingId,
        from: Stage,
        to: Stage,
        at: UnixMillis,
    ) -> Result<bool, Error> {
        self.step(meeting, (from, None), to, at).await
    }

    /// Brings a meeting whose artifacts were made of its transcript at `revision` to [`Stage::Rendered`], and tells
    /// webhooks; says whether it was still at that revision. If it was corrected meanwhile, its artifacts have to be made
    /// again.
    pub async fn rendered(&self, meeting: &MeetingId, revision: u64, at: UnixMillis) -> Result<bool, Error> {
        let from = (Stage::Summarised, Some(revision));
        self.step(meeting, from, Stage::Rendered, at).await
    }

    /// From one stage, and perhaps at one revision alone, to another.
    async fn step(
        &self,
        meeting: &MeetingId,
        (from, revision): (Stage, Option<u64>),
        to: Stage,
        at: UnixMillis,
    ) -> Result<bool, Error> {
        let ended_at = (to == Stage::Ended).then_some(at.0);
        transaction!(self, Write, "bring a meeting to its next stage", |connection| {
            let changed = rows!(
                AdvancedRow,
                "update meeting set stage = $3, ended_at = coalesce($4, ended_at), attempts = 0, failure = null,
                    next_attempt_at = $5
                where id = $1 and stage = $2 and revision = coalesce($6, revision)
                returning room, title, language, ask_again_at,
                    cast((select count(*) from erasure where meeting_id = meeting.id) as bigint)",
                meeting.as_str(),
                from.as_str(),
                to.as_str(),
                ended_at,
                at.0,
                revision.map(|revision| i64::try_from(revision).unwrap_or(i64::MAX))
            )
            .fetch_optional(&mut *connection)
            .await?;
            // What is to be erased is nobody's business any more.
            if let (Some((room, title, language, ask_again_at, 0)), Stage::Rendered) = (&changed, to) {
                let is_awaited = ask_again_at.is_some();
                let data = json!({ "title": title, "language": language, "summaryAwaited": is_awaited });
                let ready = Told {
                    room: Some(room.clone()),
                    meeting: Some(meeting.as_str().to_owned()),
                    at,
                    data: data.to_string(),
                };
                tell_hooks!(self, connection, HookTopic::LectureReady, &[ready]);
            }
            changed.is_some()
        })
    }

    /// Notes that the step after `stage` failed, why, and when to try again; gives the meeting's lease back.
    ///
    /// Returns how often it has failed by now, or nothing if the meeting isn't at that stage any more.
    pub async fn fail(
        &self,
        meeting: &MeetingId,
        stage: Stage,
        reason: &str,
        retry_at: UnixMillis,
    ) -> Result<Option<u32>, Error> {
        let attempts = transaction!(self, Write, "note a meeting's failure", |connection| {
            rows!(
                (i64,),
                "update meeting set attempts = attempts + 1, failure = $3, next_attempt_at = $4,
                    lease_holder = null, lease_until = null
                where id = $1 and stage = $2 returning attempts",
                meeting.as_str(),
                stage.as_str(),
                without_nul(reason),
                retry_at.0
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(attempts.map(|(attempts,)| u32::try_from(attempts).unwrap_or(u32::MAX)))
    }

    /// One meeting.
    pub async fn meeting(&self, meeting: &MeetingId) -> Result<Option<MeetingOverview>, Error> {
        let row = transaction!(self, Read, "look a meeting up", |connection| {
            rows!(OverviewRow, overview!("where id = $1"), meeting.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(overview_of).transpose()
    }

    /// The latest meeting of a room, live or over.
    pub async fn latest_meeting(&self, room: &RoomName) -> Result<Option<MeetingOverview>, Error> {
        let row = transaction!(self, Read, "look for a room's latest meeting", |connection| {
            rows!(
                OverviewRow,
                overview!("where room = $1 order by started_at desc, id desc limit 1"),
                room.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(overview_of).transpose()
    }

    /// Up to `limit` (at most [`PAGE_ITEMS_MAX`](crate::PAGE_ITEMS_MAX)) meetings, the latest first, from `after` on.
    pub async fn meetings(&self, limit: u32, after: Option<&Cursor>) -> Result<Page<MeetingOverview>, Error> {
        let (started_at, id) = before(after);
        let found = transaction!(self, Read, "list meetings", |connection| {
            rows!(
                OverviewRow,
                overview!("where (started_at, id) < ($1, $2) order by started_at desc, id desc limit $3"),
                started_at,
                id,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        overviews(found, limit)
    }
}

impl Database {
    /// Up to `limit` meetings that were held in rooms of `owner`, or in any, the latest first, from `after` on. Those
    /// that are to be erased are not among them.
    pub async fn lectures(
        &self,
        owner: Option<&AccountId>,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<MeetingOverview>, Error> {
        let (started_at, id) = before(after);
        let found = transaction!(self, Read, "list lectures", |connection| {
            rows!(
                OverviewRow,
                overview!(
                    "where (started_at, id) < ($1, $2) and id not in (select meeting_id from erasure)
                        and ($4 is null or room in (select id from room where owner_id = $4))
                    order by started_at desc, id desc limit $3"
                ),
                started_at,
                id,
                rows_for(limit),
                owner.map(AccountId::as_str)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        overviews(found, limit)
    }

    /// A lecture, unless it is to be erased.
    pub async fn shown_lecture(&self, meeting: &MeetingId) -> Result<Option<MeetingOverview>, Error> {
        let row = transaction!(self, Read, "look a lecture up", |connection| {
            rows!(
                OverviewRow,
                overview!("where id = $1 and id not in (select meeting_id from erasure)"),
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(overview_of).transpose()
    }
}

/// Room, title, language, and whether (1) it is to be erased.
type AdvancedRow = (String, Option<String>, Option<String>, Option<i64>, i64);

/// Id, start, last seen, and whether (1) the SID asked for is one of its own.
type LiveRow = (String, i64, i64, i64);

pub(crate) type OverviewRow = (
    String,
    String,
    String,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

/// The columns of an [`OverviewRow`], and which rows.
macro_rules! overview {
    ($which:literal) => {
        concat!(
            "select id, room, stage, started_at, last_seen_at, ended_at, failure, attempts,
                coalesce(title, (select title from room where room.id = meeting.room)), language,
                (select count(*) from segment where meeting_id = meeting.id and text <> ''),
                (select count(*) from participant where meeting_id = meeting.id)
            from meeting ",
            $which
        )
    };
}
pub(crate) use overview;

fn origin_of(live: Option<&LiveRow>, now: UnixMillis) -> Origin {
    match live {
        Some((.., own_sid)) if *own_sid > 0 => Origin::Joined,
        Some((_, _, last_seen_at, _))
            if now.0.saturating_sub(*last_seen_at) <= CONTINUES_WITHIN.as_millis() as i64 =>
        {
            Origin::Continued
        }
        _ => Origin::Started,
    }
}

/// A UUID that sorts by when the meeting began.
fn fresh_id(now: UnixMillis) -> MeetingId {
    MeetingId::parse(id_made_at(now)).expect("36 characters without control characters")
}

pub(crate) fn overviews(rows: Vec<OverviewRow>, limit: u32) -> Result<Page<MeetingOverview>, Error> {
    let items = rows.into_iter().map(overview_of).collect::<Result<Vec<_>, _>>()?;
    Ok(page_of(items, limit, |last| Cursor {
        at: last.started_at,
        id: last.id.as_str().to_owned(),
    }))
}

fn overview_of(row: OverviewRow) -> Result<MeetingOverview, Error> {
    let (
        id,
        room,
        stage,
        started_at,
        last_seen_at,
        ended_at,
        failure,
        attempts,
        title,
        language,
        segments,
        participants,
    ) = row;
    Ok(MeetingOverview {
        room: RoomName::parse(room).map_err(|_| Error::unreadable("room", &*id))?,
        stage: Stage::parse(&stage).ok_or_else(|| Error::unreadable("stage", &*id))?,
        started_at: UnixMillis(started_at),
        last_seen_at: UnixMillis(last_seen_at),
        ended_at: ended_at.map(UnixMillis),
        failure,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        title,
        language,
        segments: segments.unsigned_abs(),
        participants: participants.unsigned_abs(),
        id: stored_meeting_id(id)?,
    })
}

/// Postgres takes any text but the one with a NUL in it, and a recogniser may well send one.
pub(crate) fn without_nul(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_continues_its_meeting_for_a_minute() {
        let live = |last_seen_at, own_sid| ("m".to_owned(), 0, last_seen_at, own_sid);
        assert_eq!(origin_of(None, UnixMillis(0)), Origin::Started);
        assert_eq!(
            origin_of(Some(&live(1_000, 0)), UnixMillis(61_000)),
            Origin::Continued
        );
        assert_eq!(
            origin_of(Some(&live(1_000, 0)), UnixMillis(61_001)),
            Origin::Started
        );
        // The same SID is the same sitting, however long nobody looked.
        assert_eq!(
            origin_of(Some(&live(1_000, 1)), UnixMillis(9_000_000)),
            Origin::Joined
        );
        // Another machine's clock may be ahead of ours.
        assert_eq!(origin_of(Some(&live(5_000, 0)), UnixMillis(0)), Origin::Continued);
    }

    #[test]
    fn ids_sort_by_when_meetings_began() {
        let (earlier, later) = (
            fresh_id(UnixMillis(1_700_000_000_123)),
            fresh_id(UnixMillis(1_700_000_000_124)),
        );
        assert!(earlier < later);
        assert_ne!(fresh_id(UnixMillis(5)), fresh_id(UnixMillis(5)));
    }
}
