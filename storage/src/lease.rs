//! Leases: who works on a meeting, so that nobody else does.
//!
//! A lease runs out by itself, so a worker that died needs nobody to clean up after it. Times are the workers' own
//! clocks: a lease should be longer than clocks may differ.

use lectern_pipelines::{MeetingId, RoomName, RoomSid, Stage, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    error::stored_meeting_id,
};

/// Somebody's right to work on a meeting alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The worker.
    pub holder: String,
    /// From when on anybody else may take it.
    pub until: UnixMillis,
}

/// A meeting that is live as far as the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMeeting {
    /// Its id.
    pub id: MeetingId,
    /// The room it is held in.
    pub room: RoomName,
    /// LiveKit's ids of that room so far.
    pub sids: Vec<RoomSid>,
    /// When it began.
    pub started_at: UnixMillis,
    /// When a worker last saw its room.
    pub last_seen_at: UnixMillis,
    /// Who captions it; the lease may have run out.
    pub lease: Option<Lease>,
    /// Whether they are about to stop, and nobody has accepted it.
    pub is_offered: bool,
}

/// A meeting that is over and waits for its next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMeeting {
    /// Its id.
    pub id: MeetingId,
    /// The room it was held in.
    pub room: RoomName,
    /// How far it has come.
    pub stage: Stage,
    /// How often the next step has failed.
    pub attempts: u32,
}

/// What is to be done about a meeting that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The next step to its pages.
    NextStep,
    /// To ask a language model again, which was away when its pages were made.
    LateSummary,
}

impl Database {
    /// Takes a meeting for `worker` until then; says whether it is theirs.
    ///
    /// A worker that has it already extends it. Nobody gets what another one holds beyond `now`.
    pub async fn claim_meeting(
        &self,
        meeting: &MeetingId,
        worker: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        let claimed = transaction!(self, Write, "claim a meeting", |connection| {
            sql!(
                "update meeting set lease_holder = $2, lease_until = $4
                where id = $1 and (lease_holder is null or lease_holder = $2 or lease_until <= $3)",
                meeting.as_str(),
                worker,
                now.0,
                until.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(claimed == 1)
    }

    /// Gives a meeting back, if `worker` has it.
    pub async fn release_meeting(&self, meeting: &MeetingId, worker: &str) -> Result<(), Error> {
        transaction!(self, Write, "release a meeting", |connection| {
            sql!(
                "update meeting set lease_holder = null, lease_until = null where id = $1 and lease_holder = $2",
                meeting.as_str(),
                worker
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Says that `worker` sees these rooms now, and extends its leases on their meetings.
    ///
    /// Returns those that it still has. Of the others it must let go: they are over, or another worker took them while
    /// this one was away.
    pub async fn touch_meetings(
        &self,
        meetings: &[MeetingId],
        worker: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Vec<MeetingId>, Error> {
        let text = match self {
            Self::Sqlite(_) => TOUCH_SQLITE,
            Self::Postgres(_) => TOUCH_POSTGRES,
        };
        let ids: Vec<&str> = meetings.iter().map(MeetingId::as_str).collect();
        let ids = serde_json::to_string(&ids).expect("strings are JSON");
        let held = transaction!(self, Write, "say which rooms are seen", |connection| {
            rows!((String,), text, ids, worker, now.0, until.0)
                .fetch_all(&mut *connection)
                .await?
        })?;
        held.into_iter().map(|(id,)| stored_meeting_id(id)).collect()
    }

    /// Takes up to `limit` meetings for `worker` for which that is due and which are held by nobody, the longest due first.
    /// Two workers that ask at once get different ones.
    pub async fn claim_meetings(
        &self,
        due: Due,
        worker: &str,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<PendingMeeting>, Error> {
        let text = match (due, self) {
            (Due::NextStep, Self::Sqlite(_)) => CLAIM_PENDING_SQLITE,
            (Due::NextStep, Self::Postgres(_)) => CLAIM_PENDING_POSTGRES,
            (Due::LateSummary, Self::Sqlite(_)) => CLAIM_AWAITING_SQLITE,
            (Due::LateSummary, Self::Postgres(_)) => CLAIM_AWAITING_POSTGRES,
        };
        let mut claimed = transaction!(self, Write, "claim meetings that are over", |connection| {
            rows!(PendingRow, text, worker, now.0, until.0, i64::from(limit))
                .fetch_all(&mut *connection)
                .await?
        })?;
        // What an update returns has no order.
        claimed.sort_by(|one, other| (one.4, &one.0).cmp(&(other.4, &other.0)));
        claimed.into_iter().map(pending_of).collect()
    }

    /// Whether a live meeting has nobody who works on it, as far as the database knows, or was offered since then.
    ///
    /// This is asked several times a second, so it reads as little as can be.
    pub async fn any_meeting_to_take(
        &self,
        now: UnixMillis,
        offered_since: UnixMillis,
    ) -> Result<bool, Error> {
        let to_take = transaction!(self, Read, "look for meetings without a worker", |connection| {
            rows!(
                (i64,),
                "select cast(count(*) as bigint) from meeting
                where stage = 'live' and (lease_until is null or lease_until <= $1 or exists (
                    select 1 from handover where meeting_id = id and offered_at >= $2 and giver = lease_holder
                        and cut_at is null and (heir is null or heir_until <= $1)
                ))",
                now.0,
                offered_since.0
            )
            .fetch_one(&mut *connection)
            .await?
        })?;
        Ok(to_take.0 > 0)
    }

    /// Every meeting that is live as far as the database knows, the oldest first.
    pub async fn live_meetings(&self, now: UnixMillis) -> Result<Vec<LiveMeeting>, Error> {
        let (meetings, sids) = transaction!(self, Read, "list live meetings", |connection| {
            let meetings = rows!(
                LiveRow,
                "select id, room, started_at, last_seen_at, lease_holder, lease_until,
                    cast((
                        select count(*) from handover where meeting_id = id and giver = lease_holder
                            and cut_at is null and (heir is null or heir_until <= $1)
                    ) as bigint)
                from meeting where stage = 'live' order by started_at, id",
                now.0
            )
            .fetch_all(&mut *connection)
            .await?;
            let sids = rows!(
                (String, String),
                "select meeting_id, sid from meeting_sid
                where meeting_id in (select id from meeting where stage = 'live') order by sid"
            )
            .fetch_all(&mut *connection)
            .await?;
            (meetings, sids)
        })?;
        meetings.into_iter().map(|row| live_of(row, &sids)).collect()
    }
}

/// One statement for all rooms. Workers hold different rows, so none waits for another one that waits for it.
const TOUCH_SQLITE: &str = "update meeting set last_seen_at = $3, lease_until = $4
    where id in (select value from json_each($1)) and lease_holder = $2 and stage = 'live' returning id";

/// The same, as Postgres takes a JSON list apart.
const TOUCH_POSTGRES: &str = "update meeting set last_seen_at = $3, lease_until = $4
    where id in (select json_array_elements_text($1::json)) and lease_holder = $2 and stage = 'live' returning id";

/// Takes the meetings that are `$due`, which is when `$column` was.
macro_rules! claim {
    ($due:literal, $column:literal, $lock:literal) => {
        concat!(
            "update meeting set lease_holder = $1, lease_until = $3 where id in (
                select id from meeting
                where ",
            $due,
            " and ",
            $column,
            " <= $2
                    and (lease_holder is null or lease_holder = $1 or lease_until <= $2)
                order by ",
            $column,
            ", id limit $4 ",
            $lock,
            "
            ) returning id, room, stage, attempts, ",
            $column
        )
    };
}

/// SQLite has one writer at a time: what is read here can't change before it is updated.
const CLAIM_PENDING_SQLITE: &str = claim!(
    "stage in ('ended', 'transcribed', 'summarised')",
    "next_attempt_at",
    ""
);
const CLAIM_AWAITING_SQLITE: &str = claim!("stage = 'rendered'", "ask_again_at", "");

/// The same, where rows that another worker is just taking are passed over.
const CLAIM_PENDING_POSTGRES: &str = claim!(
    "stage in ('ended', 'transcribed', 'summarised')",
    "next_attempt_at",
    "for update skip locked"
);
const CLAIM_AWAITING_POSTGRES: &str = claim!("stage = 'rendered'", "ask_again_at", "for update skip locked");

type PendingRow = (String, String, String, i64, i64);
/// Id, room, start, last seen, lease, and how many (0 or 1) open offers there are of it.
type LiveRow = (String, String, i64, i64, Option<String>, Option<i64>, i64);

fn pending_of((id, room, stage, attempts, _due): PendingRow) -> Result<PendingMeeting, Error> {
    Ok(PendingMeeting {
        room: RoomName::parse(room).map_err(|_| Error::unreadable("room", &*id))?,
        stage: Stage::parse(&stage).ok_or_else(|| Error::unreadable("stage", &*id))?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        id: stored_meeting_id(id)?,
    })
}

fn live_of(row: LiveRow, sids: &[(String, String)]) -> Result<LiveMeeting, Error> {
    let (id, room, started_at, last_seen_at, holder, until, offers) = row;
    let own = sids.iter().filter(|(meeting, _)| *meeting == id);
    Ok(LiveMeeting {
        room: RoomName::parse(room).map_err(|_| Error::unreadable("room", &*id))?,
        sids: own
            .map(|(_, sid)| RoomSid::parse(&**sid).map_err(|_| Error::unreadable("sid", &*id)))
            .collect::<Result<_, _>>()?,
        started_at: UnixMillis(started_at),
        last_seen_at: UnixMillis(last_seen_at),
        lease: holder.zip(until).map(|(holder, until)| Lease {
            holder,
            until: UnixMillis(until),
        }),
        is_offered: offers > 0,
        id: stored_meeting_id(id)?,
    })
}
