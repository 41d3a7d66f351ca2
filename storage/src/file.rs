//! Files that people in a room share: a row each, and an object that the row names.
//!
//! No object is without somebody who remembers it. [`Database::expect_object`] notes its key before its first byte is
//! written; [`Database::share_file`] trades the note for a row; whatever deletes the row writes the note again. What is
//! noted and due is erased by [`Database::erase_object`], as often as it takes.

use lectern_pipelines::{MeetingId, RoomName, UnixMillis};

use crate::{
    Database, Error, ObjectKey, Objects,
    database::{rows, sql, transaction},
    event::{NewEvent, append_events},
    page::{Cursor, PAGE_ITEMS_MAX, Page, before, id_made_at, page_of, rows_for},
};

/// A file that somebody shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// Its id.
    pub id: String,
    /// Where its bytes are.
    pub key: ObjectKey,
    /// What whoever shared it calls it; never part of a path.
    pub name: String,
    /// What whoever shared it says it is.
    pub media_type: String,
    /// How large it is.
    pub bytes: u64,
    /// What LiveKit calls who shared it.
    pub identity: String,
    /// What they called themselves.
    pub shared_by: String,
    /// When it was shared.
    pub at: UnixMillis,
}

/// A file whose object is whole.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Its object, which is expected.
    pub key: &'a ObjectKey,
    /// What it is called.
    pub name: &'a str,
    /// What it is said to be.
    pub media_type: &'a str,
    /// How large it is.
    pub bytes: u64,
    /// What LiveKit calls who shares it.
    pub identity: &'a str,
    /// What they call themselves.
    pub shared_by: &'a str,
}

/// What came of sharing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// The room has it.
    Shared(SharedFile),
    /// The room has as many as it may.
    RoomFull,
    /// The room was erased meanwhile.
    RoomGone,
    /// Its object was no longer expected.
    TooLate,
}

impl Database {
    /// Notes that an object will be written, to be erased at `erase_at` unless a file is made of it before.
    pub async fn expect_object(&self, key: &ObjectKey, erase_at: UnixMillis) -> Result<(), Error> {
        transaction!(self, Write, "note an object", |connection| {
            sql!(
                "insert into object_erasure (object_key, erase_at) values ($1, $2)",
                key.as_str(),
                erase_at.0
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Gives a room a file, unless it has `files_max`, and tells what `tell` makes of it.
    pub async fn share_file(
        &self,
        room: &RoomName,
        new: NewFile<'_>,
        files_max: u32,
        now: UnixMillis,
        tell: impl Fn(&SharedFile) -> NewEvent,
    ) -> Result<Sharing, Error> {
        let file = SharedFile {
            id: id_made_at(now),
            key: new.key.clone(),
            name: new.name.to_owned(),
            media_type: new.media_type.to_owned(),
            bytes: new.bytes,
            identity: new.identity.to_owned(),
            shared_by: new.shared_by.to_owned(),
            at: now,
        };
        let told = [tell(&file)];
        let refused = transaction!(self, Write, "share a file", |connection| {
            // Locks the room's row, so that two files don't count the same ones.
            let is_there = sql!(
                "update room set last_event = last_event where id = $1",
                room.as_str()
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            let (count,) = rows!(
                (i64,),
                "select count(*) from room_file where room_id = $1",
                room.as_str()
            )
            .fetch_one(&mut *connection)
            .await?;
            if is_there == 0 {
                Some(Sharing::RoomGone)
            } else if count >= i64::from(files_max) {
                Some(Sharing::RoomFull)
            } else {
                let expected = sql!(
                    "delete from object_erasure where object_key = $1",
                    new.key.as_str()
                )
                .execute(&mut *connection)
                .await?
                .rows_affected();
                match expected {
                    0 => Some(Sharing::TooLate),
                    _ => {
                        append_events!(self, connection, room, &told, now);
                        sql!(
                            "insert into room_file (id, room_id, position, object_key, name, media_type, bytes,
                                identity, shared_by, at)
                            values ($1, $2, (select last_event from room where id = $2), $3, $4, $5, $6, $7, $8, $9)",
                            &file.id,
                            room.as_str(),
                            new.key.as_str(),
                            new.name,
                            new.media_type,
                            i64::try_from(new.bytes).unwrap_or(i64::MAX),
                            new.identity,
                            new.shared_by,
                            now.0
                        )
                        .execute(&mut *connection)
                        .await?;
                        None
                    }
                }
            }
        })?;
        Ok(refused.unwrap_or(Sharing::Shared(file)))
    }

    /// One file of a room.
    pub async fn file(&self, room: &RoomName, id: &str) -> Result<Option<SharedFile>, Error> {
        let row = transaction!(self, Read, "look a file up", |connection| {
            rows!(
                FileRow,
                file!("where room_id = $1 and id = $2"),
                room.as_str(),
                id
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(|row| Ok(file_of(row)?.1)).transpose()
    }

    /// How many files a room has.
    pub async fn file_count(&self, room: &RoomName) -> Result<u64, Error> {
        let (count,) = transaction!(self, Read, "count a room's files", |connection| {
            rows!(
                (i64,),
                "select count(*) from room_file where room_id = $1",
                room.as_str()
            )
            .fetch_one(&mut *connection)
            .await?
        })?;
        Ok(count.unsigned_abs())
    }

    /// Up to `limit` files of a room, the latest first, from `after` on.
    pub async fn files(
        &self,
        room: &RoomName,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<SharedFile>, Error> {
        // The cursor's time is a position here, as it is for messages.
        let (position, _) = before(after);
        let found = transaction!(self, Read, "list files", |connection| {
            rows!(
                FileRow,
                file!("where room_id = $1 and position < $2 order by position desc limit $3"),
                room.as_str(),
                position,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let found = found.into_iter().map(file_of).collect::<Result<Vec<_>, _>>()?;
        let page = page_of(found, limit, |(position, file)| Cursor {
            at: UnixMillis(*position),
            id: file.id.clone(),
        });
        Ok(page.map(|(_, file)| file))
    }

    /// The files that were shared in a meeting's room while it lasted, the first first; at most
    /// [`PAGE_ITEMS_MAX`].
    pub async fn files_of_meeting(&self, meeting: &MeetingId) -> Result<Vec<SharedFile>, Error> {
        let found = transaction!(self, Read, "list a lecture's files", |connection| {
            rows!(
                FileRow,
                file!("where ", of_meeting!(), " order by position limit $3"),
                meeting.as_str(),
                i64::MAX,
                i64::from(PAGE_ITEMS_MAX)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.into_iter().map(|row| Ok(file_of(row)?.1)).collect()
    }

    /// Takes a file from a room, and tells of it; says whether it was there. Its object is noted to be erased, and what
    /// was told of it before is `told` too, so that nobody reads its name in the room's history.
    pub async fn delete_file(
        &self,
        room: &RoomName,
        id: &str,
        now: UnixMillis,
        told: NewEvent,
    ) -> Result<Option<ObjectKey>, Error> {
        let deleted = transaction!(self, Write, "delete a file", |connection| {
            let deleted = rows!(
                (i64, String),
                "delete from room_file where room_id = $1 and id = $2 returning position, object_key",
                room.as_str(),
                id
            )
            .fetch_optional(&mut *connection)
            .await?;
            if let Some((position, key)) = &deleted {
                sql!(
                    "insert into object_erasure (object_key, erase_at) values ($1, $2)",
                    key,
                    now.0
                )
                .execute(&mut *connection)
                .await?;
                sql!(
                    "update room_event set kind = $3, json = $4 where room_id = $1 and position = $2",
                    room.as_str(),
                    position,
                    told.kind,
                    &told.json
                )
                .execute(&mut *connection)
                .await?;
                append_events!(self, connection, room, std::slice::from_ref(&told), now);
            }
            deleted
        })?;
        deleted.map(|(_, key)| ObjectKey::parse(key)).transpose()
    }

    /// Objects that are due to be erased, the first first; more may follow once these are gone.
    pub async fn objects_to_erase(&self, now: UnixMillis) -> Result<Vec<ObjectKey>, Error> {
        let found = transaction!(self, Read, "list objects to be erased", |connection| {
            rows!(
                (String,),
                "select object_key from object_erasure where erase_at <= $1 order by erase_at, object_key limit $2",
                now.0,
                i64::from(PAGE_ITEMS_MAX)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.into_iter().map(|(key,)| ObjectKey::parse(key)).collect()
    }

    /// Erases an object that no row names, then the note of it. Where this breaks off, it is done again.
    pub async fn erase_object(&self, key: &ObjectKey, objects: &Objects) -> Result<(), Error> {
        objects.erase(key).await?;
        transaction!(self, Write, "forget an object", |connection| {
            sql!("delete from object_erasure where object_key = $1", key.as_str())
                .execute(&mut *connection)
                .await?;
        })
    }
}

/// Which files were shared while the meeting `$1` lasted; one that goes on lasts until `$2`.
macro_rules! of_meeting {
    () => {
        "exists (select 1 from meeting where meeting.id = $1 and meeting.room = room_file.room_id
            and room_file.at >= meeting.started_at and room_file.at <= coalesce(meeting.ended_at, $2))"
    };
}
pub(crate) use of_meeting;

/// Deletes, within a transaction, the files that were shared while a meeting lasted, and their names in its room's history.
macro_rules! delete_files_of_meeting {
    ($connection:ident, $meeting:expr, $now:expr) => {
        $crate::database::sql!(
            concat!(
                "insert into object_erasure (object_key, erase_at) select object_key, $2 from room_file where ",
                $crate::file::of_meeting!(),
                " on conflict do nothing"
            ),
            $meeting.as_str(),
            $now.0
        )
        .execute(&mut *$connection)
        .await?;
        $crate::database::sql!(
            concat!(
                "update room_event set kind = 'file.deleted', json = '{\"id\":\"' || room_file.id || '\"}' from room_file
                where room_file.room_id = room_event.room_id and room_file.position = room_event.position and ",
                $crate::file::of_meeting!()
            ),
            $meeting.as_str(),
            $now.0
        )
        .execute(&mut *$connection)
        .await?;
        $crate::database::sql!(
            concat!("delete from room_file where ", $crate::file::of_meeting!()),
            $meeting.as_str(),
            $now.0
        )
        .execute(&mut *$connection)
        .await?;
    };
}
pub(crate) use delete_files_of_meeting;

/// Id, position, object's key, name, media type, bytes, identity, name of who shared it, when.
type FileRow = (String, i64, String, String, String, i64, String, String, i64);

/// The columns of a [`FileRow`], and which rows.
macro_rules! file {
    ($($which:expr),+) => {
        concat!(
            "select id, position, object_key, name, media_type, bytes, identity, shared_by, at from room_file ",
            $($which),+
        )
    };
}
use file;

/// A file and its position.
fn file_of(row: FileRow) -> Result<(i64, SharedFile), Error> {
    let (id, position, key, name, media_type, bytes, identity, shared_by, at) = row;
    let file = SharedFile {
        key: ObjectKey::parse(key).map_err(|_| Error::unreadable("object key", &*id))?,
        id,
        name,
        media_type,
        bytes: bytes.unsigned_abs(),
        identity,
        shared_by,
        at: UnixMillis(at),
    };
    Ok((position, file))
}
