//! Forgetting what is older than its owner wants to keep, a bounded step at a time.
//!
//! Several processes may do this at once: what one of them found another one finds gone.

use lectern_pipelines::{RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    page::id_made_at,
};

/// What one step removed, or asked to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Lectures that are to be erased now.
    pub lectures: u64,
    /// Files, messages, events, guests and the like.
    pub rows: u64,
}

impl Expired {
    /// Whether there was anything.
    pub fn is_empty(&self) -> bool {
        self.lectures == 0 && self.rows == 0
    }
}

impl Database {
    /// Asks for up to `limit` lectures of a room that were over before then to be erased, removes up to `limit` of each
    /// other kind of what is left of that time, and notes it as done by nobody.
    ///
    /// Bans stay until somebody ends them, and whoever waits at the door stays there.
    pub async fn expire_room(
        &self,
        room: &RoomName,
        before: UnixMillis,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Expired, Error> {
        let (name, limit) = (room.as_str(), i64::from(limit));
        transaction!(self, Write, "forget what is old in a room", |connection| {
            let old = rows!(
                (String, String),
                "select id, room from meeting
                where room = $1 and started_at < $2 and stage <> 'live' and coalesce(ended_at, last_seen_at) < $2
                    and id not in (select meeting_id from erasure)
                order by started_at limit $3",
                name,
                before.0,
                limit
            )
            .fetch_all(&mut *connection)
            .await?;
            let lectures = ask_for_all!(connection, old, now);
            let files = rows!(
                (String, String),
                "select id, object_key from room_file where room_id = $1 and at < $2 order by at limit $3",
                name,
                before.0,
                limit
            )
            .fetch_all(&mut *connection)
            .await?;
            let mut removed = 0;
            for (file, object) in &files {
                sql!(
                    "insert into object_erasure (object_key, erase_at) values ($1, $2) on conflict do nothing",
                    object,
                    now.0
                )
                .execute(&mut *connection)
                .await?;
                removed += sql!("delete from room_file where id = $1", file)
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
            }
            for statement in OLD_IN_A_ROOM {
                removed += sqlx::query(statement)
                    .persistent(false)
                    .bind(name)
                    .bind(before.0)
                    .bind(limit)
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
            }
            if removed > 0 {
                note!(connection, "room.expire", name, None::<&str>, now);
            }
            Expired {
                lectures,
                rows: removed,
            }
        })
    }

    /// The same for lectures of rooms that nobody made here.
    pub async fn expire_elsewhere(
        &self,
        before: UnixMillis,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Expired, Error> {
        transaction!(self, Write, "forget what is old in others' rooms", |connection| {
            let old = rows!(
                (String, String),
                "select id, room from meeting
                where started_at < $1 and stage <> 'live' and coalesce(ended_at, last_seen_at) < $1
                    and room not in (select id from room) and id not in (select meeting_id from erasure)
                order by started_at limit $2",
                before.0,
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?;
            Expired {
                lectures: ask_for_all!(connection, old, now),
                rows: 0,
            }
        })
    }

    /// Removes up to `limit` notes of who did what from before then; says how many.
    pub async fn forget_audit(&self, before: UnixMillis, limit: u32) -> Result<u64, Error> {
        transaction!(self, Write, "forget who did what long ago", |connection| {
            sql!(
                "delete from audit where id in (select id from audit where at < $1 order by at limit $2)",
                before.0,
                i64::from(limit)
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })
    }

    /// Removes up to `limit` things that webhooks were told, or waited to be told, from before then; says how many.
    pub async fn forget_hook_events(&self, before: UnixMillis, limit: u32) -> Result<u64, Error> {
        transaction!(
            self,
            Write,
            "forget what webhooks were told long ago",
            |connection| {
                sql!(
                "delete from hook_event where id in (select id from hook_event where at < $1 order by at limit $2)",
                before.0,
                i64::from(limit)
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
            }
        )
    }
}

/// Of a room, `$1`, from before `$2`, at most `$3` each.
const OLD_IN_A_ROOM: [&str; 4] = [
    "delete from chat_message where id in
        (select id from chat_message where room_id = $1 and at < $2 order by at limit $3)",
    "delete from room_event where room_id = $1 and position in
        (select position from room_event where room_id = $1 and at < $2 order by position limit $3)",
    "delete from guest where id in
        (select id from guest where room_id = $1 and asked_at < $2 and state <> 'waiting'
            and exists (select 1 from room where id = $1 and status <> 'LIVE')
        order by asked_at limit $3)",
    // Who was sent out and may ask again; who was banned has a fingerprint here.
    "delete from kept_out where room_id = $1 and fingerprint is null and identity in
        (select identity from kept_out where room_id = $1 and fingerprint is null and at < $2 order by at limit $3)",
];

/// Asks for meetings to be erased; how many nobody had asked for yet.
macro_rules! ask_for_all {
    ($connection:ident, $meetings:expr, $now:expr) => {{
        let mut asked = 0;
        for (meeting, room) in &$meetings {
            let is_news = sql!(
                "insert into erasure (meeting_id, asked_at) values ($1, $2) on conflict do nothing",
                meeting,
                $now.0
            )
            .execute(&mut *$connection)
            .await?
            .rows_affected();
            if is_news == 1 {
                note!($connection, "lecture.expire", room, Some(meeting), $now);
            }
            asked += is_news;
        }
        asked
    }};
}
use ask_for_all;

macro_rules! note {
    ($connection:ident, $action:literal, $room:expr, $target:expr, $now:expr) => {
        sql!(
            "insert into audit (id, at, action, room_id, target) values ($1, $2, $3, $4, $5)",
            id_made_at($now),
            $now.0,
            $action,
            $room,
            $target
        )
        .execute(&mut *$connection)
        .await?
    };
}
use note;
