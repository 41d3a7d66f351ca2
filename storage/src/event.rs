//! What happened in a room, in order, for whoever is told of it now or when they come back.

use std::collections::HashMap;

use lectern_pipelines::{GuestId, RoomName, UnixMillis};
use serde::Serialize;

use crate::{
    Database, Error,
    database::{rows, transaction},
};

/// Something that happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEvent {
    /// Its place in the room's history, from 1 on, without holes.
    pub position: u64,
    /// Who is told.
    pub audience: Audience,
    /// What kind of thing it is, `chat.message` say.
    pub kind: String,
    /// All of it, as JSON.
    pub json: String,
    /// When it happened.
    pub at: UnixMillis,
}

/// Who is told of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everybody in the room.
    All,
    /// Those who hold it.
    Hosts,
    /// One guest, and nobody else.
    Guest(GuestId),
}

/// An event to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Who is told.
    pub audience: Audience,
    /// What kind of thing it is.
    pub kind: &'static str,
    /// All of it, as JSON.
    pub json: String,
}

impl NewEvent {
    /// An event about `what`, which is made of plain values.
    pub fn about(audience: Audience, kind: &'static str, what: &impl Serialize) -> Self {
        Self {
            audience,
            kind,
            json: serde_json::to_string(what).expect("plain values are JSON"),
        }
    }
}

impl Audience {
    fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Hosts => "hosts",
            Self::Guest(guest) => guest.as_str(),
        }
    }

    fn parse(text: String) -> Option<Self> {
        match text.as_str() {
            "all" => Some(Self::All),
            "hosts" => Some(Self::Hosts),
            _ => GuestId::parse(text).ok().map(Self::Guest),
        }
    }
}

impl Database {
    /// Adds events to a room's history; there need not be such a room.
    pub async fn append_events(
        &self,
        room: &RoomName,
        events: &[NewEvent],
        now: UnixMillis,
    ) -> Result<(), Error> {
        transaction!(self, Write, "note what happened in a room", |connection| {
            append_events!(self, connection, room, events, now);
        })
    }

    /// Up to [`EVENTS_READ_MAX`] events of a room after a position, in order.
    pub async fn events_after(&self, room: &RoomName, position: u64) -> Result<Vec<RoomEvent>, Error> {
        let found = transaction!(self, Read, "read what happened in a room", |connection| {
            rows!(
                (i64, String, String, String, i64),
                "select position, audience, kind, json, at from room_event
                where room_id = $1 and position > $2 order by position limit $3",
                room.as_str(),
                i64::try_from(position).unwrap_or(i64::MAX),
                EVENTS_READ_MAX
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found
            .into_iter()
            .map(|(position, audience, kind, json, at)| {
                Ok(RoomEvent {
                    position: position.unsigned_abs(),
                    audience: Audience::parse(audience)
                        .ok_or_else(|| Error::unreadable("audience", room.as_str()))?,
                    kind,
                    json,
                    at: UnixMillis(at),
                })
            })
            .collect()
    }

    /// The position of a room's latest event; 0 before the first.
    pub async fn last_event(&self, room: &RoomName) -> Result<u64, Error> {
        let row = transaction!(self, Read, "look for a room's latest event", |connection| {
            rows!((i64,), "select last_event from room where id = $1", room.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        Ok(row.map_or(0, |(position,)| position.unsigned_abs()))
    }

    /// The position of the latest event of each of `rooms`; of those that there are.
    pub async fn last_events(&self, rooms: &[RoomName]) -> Result<HashMap<RoomName, u64>, Error> {
        let names: Vec<_> = rooms.iter().map(RoomName::as_str).collect();
        let names = serde_json::to_string(&names).expect("strings are JSON");
        let text = match self {
            Self::Sqlite(_) => {
                "select id, last_event from room where id in (select value from json_each($1))"
            }
            Self::Postgres(_) => {
                "select id, last_event from room where id in (select json_array_elements_text($1::json))"
            }
        };
        let found = transaction!(self, Read, "look for rooms' latest events", |connection| {
            rows!((String, i64), text, names)
                .fetch_all(&mut *connection)
                .await?
        })?;
        let of_row = |(id, last): (String, i64)| Some((RoomName::parse(id).ok()?, last.unsigned_abs()));
        Ok(found.into_iter().filter_map(of_row).collect())
    }
}

/// The most events that one read gives.
pub const EVENTS_READ_MAX: i64 = 500;

/// Appends events within a transaction. The room's row stays locked until it commits, so that positions become visible
/// in their order: whoever has seen one has seen all before it.
macro_rules! append_events {
    ($database:expr, $connection:ident, $room:expr, $events:expr, $now:expr) => {
        let events: &[$crate::event::NewEvent] = $events;
        let last = $crate::database::rows!(
            (i64,),
            "update room set last_event = last_event + $2 where id = $1 returning last_event",
            $room.as_str(),
            i64::try_from(events.len()).expect("a list in memory")
        )
        .fetch_optional(&mut *$connection)
        .await?;
        if let Some((last,)) = last {
            let first = last - i64::try_from(events.len()).expect("a list in memory") + 1;
            sqlx::query($crate::event::append_text($database))
                .persistent(false)
                .bind($room.as_str())
                .bind(first)
                .bind($crate::event::as_list(events))
                .bind($now.0)
                .execute(&mut *$connection)
                .await?;
        }
    };
}
pub(crate) use append_events;

/// One statement for any number of events.
pub(crate) fn append_text(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => {
            "insert into room_event (room_id, position, audience, kind, json, at)
            select $1, $2 + key, json_extract(value, '$.audience'), json_extract(value, '$.kind'),
                json_extract(value, '$.json'), $4
            from json_each($3)"
        }
        Database::Postgres(_) => {
            "insert into room_event (room_id, position, audience, kind, json, at)
            select $1, $2 + ordinality - 1, value ->> 'audience', value ->> 'kind', value ->> 'json', $4
            from json_array_elements($3::json) with ordinality"
        }
    }
}

pub(crate) fn as_list(events: &[NewEvent]) -> String {
    #[derive(Serialize)]
    struct Listed<'a> {
        audience: &'a str,
        kind: &'a str,
        json: &'a str,
    }
    let listed: Vec<_> = events
        .iter()
        .map(|event| Listed {
            audience: event.audience.as_str(),
            kind: event.kind,
            json: &event.json,
        })
        .collect();
    serde_json::to_string(&listed).expect("strings are JSON")
}
