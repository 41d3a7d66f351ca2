//! Whose hand is up, in order.

use lectern_pipelines::{RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    event::{NewEvent, append_events},
};

/// A raised hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// What LiveKit calls who raised it.
    pub identity: String,
    /// What they call themselves.
    pub name: String,
    /// Since when it is up.
    pub raised_at: UnixMillis,
}

impl Database {
    /// Raises a hand, and tells of it; says whether it was down.
    pub async fn raise_hand(&self, room: &RoomName, hand: &Hand, told: NewEvent) -> Result<bool, Error> {
        transaction!(self, Write, "raise a hand", |connection| {
            let raised = sql!(
                "insert into hand (room_id, identity, name, raised_at) values ($1, $2, $3, $4)
                on conflict do nothing",
                room.as_str(),
                &hand.identity,
                &hand.name,
                hand.raised_at.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if raised > 0 {
                append_events!(
                    self,
                    connection,
                    room,
                    std::slice::from_ref(&told),
                    hand.raised_at
                );
            }
            raised > 0
        })
    }

    /// Lowers a hand, and tells of it; says whether it was up.
    pub async fn lower_hand(
        &self,
        room: &RoomName,
        identity: &str,
        now: UnixMillis,
        told: NewEvent,
    ) -> Result<bool, Error> {
        transaction!(self, Write, "lower a hand", |connection| {
            let lowered = sql!(
                "delete from hand where room_id = $1 and identity = $2",
                room.as_str(),
                identity
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if lowered > 0 {
                append_events!(self, connection, room, std::slice::from_ref(&told), now);
            }
            lowered > 0
        })
    }

    /// Lowers all hands of a room, which is over: nobody is told.
    pub async fn lower_all_hands(&self, room: &RoomName) -> Result<(), Error> {
        transaction!(self, Write, "lower all hands", |connection| {
            sql!("delete from hand where room_id = $1", room.as_str())
                .execute(&mut *connection)
                .await?;
        })
    }

    /// The hands that are up in a room, the longest first; at most `limit`.
    pub async fn hands(&self, room: &RoomName, limit: u32) -> Result<Vec<Hand>, Error> {
        let found = transaction!(self, Read, "list raised hands", |connection| {
            rows!(
                (String, String, i64),
                "select identity, name, raised_at from hand where room_id = $1
                order by raised_at, identity limit $2",
                room.as_str(),
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let hand = |(identity, name, raised_at)| Hand {
            identity,
            name,
            raised_at: UnixMillis(raised_at),
        };
        Ok(found.into_iter().map(hand).collect())
    }
}
