//! Who may not be in a room, whatever token they hold.

use lectern_pipelines::{GuestId, RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    page::{Cursor, Page, before, page_of, rows_for},
};

/// How somebody banned is known when they come back under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BannedBy<'a> {
    /// How their browser is known again.
    pub fingerprint: &'a str,
    /// Where they called from.
    pub address: &'a str,
}

/// Somebody at the door, as far as bans go.
#[derive(Debug, Clone, Copy)]
pub struct AtTheDoor<'a> {
    /// What LiveKit called them when they were in before, if they were.
    pub identity: Option<&'a str>,
    /// How their browser is known again.
    pub fingerprint: &'a str,
    /// Where they call from.
    pub address: &'a str,
}

/// What bans say of somebody at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ban {
    /// Nothing.
    None,
    /// They call from where somebody banned called from. So may a whole school.
    Address,
    /// They are banned.
    Person,
}

/// Somebody who is banned, under one of the identities that they had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banned {
    /// What LiveKit called them.
    pub identity: String,
    /// What they called themselves, as far as that is known still.
    pub name: Option<String>,
    /// Since when.
    pub at: UnixMillis,
    /// The account that decided.
    pub decided_by: String,
}

impl Database {
    /// Up to `limit` of those who are banned from a room, the latest first, from `after` on.
    pub async fn bans(
        &self,
        room: &RoomName,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<Banned>, Error> {
        let (at, identity) = before(after);
        let found = transaction!(self, Read, "list who is banned", |connection| {
            rows!(
                (String, Option<String>, i64, String),
                "select identity, (select name from guest where room_id = $1 and 'guest-' || guest.id = identity), at,
                    decided_by
                from kept_out
                where room_id = $1 and fingerprint is not null and (at, identity) < ($2, $3)
                order by at desc, identity desc limit $4",
                room.as_str(),
                at,
                identity,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let items = found
            .into_iter()
            .map(|(identity, name, at, decided_by)| Banned {
                identity,
                name,
                at: UnixMillis(at),
                decided_by,
            })
            .collect();
        Ok(page_of(items, limit, |last: &Banned| Cursor {
            at: last.at,
            id: last.identity.clone(),
        }))
    }

    /// Keeps somebody out of a room; with `banned`, also under another identity.
    pub async fn keep_out(
        &self,
        room: &RoomName,
        identities: &[String],
        banned: Option<BannedBy<'_>>,
        by: &str,
        now: UnixMillis,
    ) -> Result<(), Error> {
        transaction!(self, Write, "keep somebody out", |connection| {
            for identity in identities {
                // Who is sent out after a ban stays banned.
                sql!(
                    "insert into kept_out (room_id, identity, fingerprint, address, at, decided_by)
                    values ($1, $2, $3, $4, $5, $6)
                    on conflict (room_id, identity) do update
                    set fingerprint = coalesce(excluded.fingerprint, kept_out.fingerprint),
                        address = coalesce(excluded.address, kept_out.address), at = excluded.at",
                    room.as_str(),
                    identity,
                    banned.map(|banned| banned.fingerprint),
                    banned.map(|banned| banned.address),
                    now.0,
                    by
                )
                .execute(&mut *connection)
                .await?;
            }
        })
    }

    /// Lets somebody come again who was kept out, with every identity of the same browser; says whether there was one.
    pub async fn let_back(&self, room: &RoomName, identities: &[String]) -> Result<bool, Error> {
        transaction!(self, Write, "let somebody come again", |connection| {
            let mut ended = 0;
            for identity in identities {
                ended += sql!(
                    "delete from kept_out where room_id = $1 and (identity = $2 or fingerprint in
                        (select fingerprint from kept_out where room_id = $1 and identity = $2))",
                    room.as_str(),
                    identity
                )
                .execute(&mut *connection)
                .await?
                .rows_affected();
            }
            ended > 0
        })
    }

    /// Whether somebody may not be in a room: they are kept out, or are a guest who is not admitted, or no longer.
    pub async fn is_kept_out(
        &self,
        room: &RoomName,
        identity: &str,
        guest: Option<&GuestId>,
    ) -> Result<bool, Error> {
        let row = transaction!(self, Read, "look whether somebody is kept out", |connection| {
            rows!(
                (i64,),
                "select cast(1 as bigint) from kept_out where room_id = $1 and identity = $2
                union select cast(1 as bigint) from guest where room_id = $1 and id = $3 and state <> 'admitted'",
                room.as_str(),
                identity,
                guest.map(GuestId::as_str)
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.is_some())
    }

    /// What a room's bans say of somebody at its door.
    pub async fn ban_on(&self, room: &RoomName, door: AtTheDoor<'_>) -> Result<Ban, Error> {
        let found = transaction!(self, Read, "look for a ban", |connection| {
            rows!(
                (i64,),
                "select cast(case when fingerprint = $2 or identity = $3 then 2 else 1 end as bigint) as ground
                from kept_out where room_id = $1 and fingerprint is not null
                    and (fingerprint = $2 or identity = $3 or address = $4)
                order by ground desc limit 1",
                room.as_str(),
                door.fingerprint,
                door.identity,
                door.address
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(match found {
            Some((2,)) => Ban::Person,
            Some(_) => Ban::Address,
            None => Ban::None,
        })
    }

    /// The open rooms from which somebody was sent out since then, who may still hold a token.
    pub async fn rooms_left_by_force_since(&self, then: UnixMillis) -> Result<Vec<RoomName>, Error> {
        let found = transaction!(
            self,
            Read,
            "look for rooms that somebody was sent out of",
            |connection| {
                rows!(
                    (String,),
                    "select id from room where status = 'LIVE' and id in
                        (select room_id from kept_out where at > $1
                        union select room_id from guest where state = 'removed' and decided_at > $1)",
                    then.0
                )
                .fetch_all(&mut *connection)
                .await?
            }
        )?;
        found
            .into_iter()
            .map(|(id,)| RoomName::parse(id.clone()).map_err(|_| Error::unreadable("room id", id)))
            .collect()
    }
}
