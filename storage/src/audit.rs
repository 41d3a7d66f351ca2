//! Who did what, for those who have to answer for it.

use lectern_pipelines::{RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    page::{Cursor, Page, before, id_made_at, page_of, rows_for},
};

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When it was done.
    pub at: UnixMillis,
    /// The account or the key by which it was done; nothing for ourselves.
    pub actor: Option<String>,
    /// What was done, `room.end` say.
    pub action: String,
    /// In which room.
    pub room: Option<String>,
    /// To whom or what.
    pub target: Option<String>,
    /// The code of the error by which it failed, though some of it was done; nothing where all of it was.
    pub outcome: Option<String>,
}

/// Something that somebody does.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewAuditEntry<'a> {
    /// The account or the key by which it is done; nothing for ourselves.
    pub actor: Option<&'a str>,
    /// What is done.
    pub action: &'static str,
    /// In which room.
    pub room: Option<&'a RoomName>,
    /// To whom or what.
    pub target: Option<&'a str>,
    /// The code of the error by which it failed; nothing where all of it was done.
    pub outcome: Option<&'a str>,
}

impl Database {
    /// Notes who did what.
    pub async fn audit(&self, entry: NewAuditEntry<'_>, now: UnixMillis) -> Result<(), Error> {
        transaction!(self, Write, "note who did what", |connection| {
            sql!(
                "insert into audit (id, at, actor, action, room_id, target, outcome)
                values ($1, $2, $3, $4, $5, $6, $7)",
                id_made_at(now),
                now.0,
                entry.actor,
                entry.action,
                entry.room.map(RoomName::as_str),
                entry.target,
                entry.outcome
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Up to `limit` entries, the latest first, from `after` on.
    pub async fn audit_entries(&self, limit: u32, after: Option<&Cursor>) -> Result<Page<AuditEntry>, Error> {
        let (at, id) = before(after);
        let found = transaction!(self, Read, "list who did what", |connection| {
            rows!(
                (
                    String,
                    i64,
                    Option<String>,
                    String,
                    Option<String>,
                    Option<String>,
                    Option<String>
                ),
                "select id, at, actor, action, room_id, target, outcome from audit
                where (at, id) < ($1, $2) order by at desc, id desc limit $3",
                at,
                id,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let items = found
            .into_iter()
            .map(|(id, at, actor, action, room, target, outcome)| AuditEntry {
                id,
                at: UnixMillis(at),
                actor,
                action,
                room,
                target,
                outcome,
            })
            .collect();
        Ok(page_of(items, limit, |last: &AuditEntry| Cursor {
            at: last.at,
            id: last.id.clone(),
        }))
    }
}
