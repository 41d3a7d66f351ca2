//! Erasing lectures: at once from everybody's eyes, and for good as soon as nobody works on them.

use lectern_pipelines::{MeetingId, RoomName, UnixMillis};

use crate::{
    Database, Error, HookTopic, Objects, RoomStatus,
    database::{rows, sql, transaction},
    error::stored_meeting_id,
    file::delete_files_of_meeting,
    key::object_prefix,
    outbox::tell_hooks,
    room::told_of,
};

impl Database {
    /// Asks for a meeting to be erased: no list shows it from now on, nor the files that were shared while it lasted.
    pub async fn ask_to_erase(&self, meeting: &MeetingId, now: UnixMillis) -> Result<(), Error> {
        transaction!(self, Write, "ask for a lecture to be erased", |connection| {
            sql!(
                "insert into erasure (meeting_id, asked_at) select id, $2 from meeting where id = $1
                on conflict do nothing",
                meeting.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?;
            delete_files_of_meeting!(connection, meeting, now);
        })
    }

    /// Asks for everything of a room to be erased, and removes the room; says whether there was one.
    pub async fn erase_room(&self, room: &RoomName, now: UnixMillis) -> Result<bool, Error> {
        let deleted = transaction!(self, Write, "erase a room", |connection| {
            sql!(
                "insert into erasure (meeting_id, asked_at) select id, $2 from meeting where room = $1
                on conflict do nothing",
                room.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?;
            sql!(
                "insert into object_erasure (object_key, erase_at) select object_key, $2 from room_file
                where room_id = $1",
                room.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?;
            let deleted = rows!(
                (String, String),
                "delete from room where id = $1 returning title, status",
                room.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?;
            if let Some((title, status)) = &deleted
                && status == RoomStatus::Live.as_str()
            {
                // Nobody will find the room that LiveKit says is over.
                tell_hooks!(
                    self,
                    connection,
                    HookTopic::RoomFinished,
                    &[told_of(room, title, now)]
                );
            }
            deleted.is_some()
        })?;
        Ok(deleted)
    }

    /// The meetings that are to be erased.
    pub async fn erasures(&self) -> Result<Vec<MeetingId>, Error> {
        let found = transaction!(self, Read, "list what is to be erased", |connection| {
            rows!(
                (String,),
                "select meeting_id from erasure order by asked_at, meeting_id"
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.into_iter().map(|(id,)| stored_meeting_id(id)).collect()
    }

    /// Erases a meeting, its objects first, unless somebody works on it: then it has to be tried again. Says whether it
    /// is gone.
    pub async fn erase(
        &self,
        meeting: &MeetingId,
        objects: &Objects,
        eraser: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        // A worker that renders would put its files after we have looked for them.
        if !self.claim_meeting(meeting, eraser, now, until).await? {
            return Ok(self.meeting(meeting).await?.is_none());
        }
        for key in objects.list(&object_prefix(meeting)).await? {
            objects.delete(&key).await?;
        }
        transaction!(self, Write, "erase a lecture", |connection| {
            // Of a meeting that went on after it was asked to be erased.
            delete_files_of_meeting!(connection, meeting, now);
            sql!(
                "delete from meeting where id = $1 and lease_holder = $2",
                meeting.as_str(),
                eraser
            )
            .execute(&mut *connection)
            .await?;
            true
        })
    }
}
