//! What people in a room write to one another.

use std::collections::HashMap;

use lectern_pipelines::{RoomName, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    event::{NewEvent, append_events},
    page::{Cursor, Page, before, id_made_at, page_of, rows_for},
};

/// Something that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its id.
    pub id: String,
    /// What LiveKit calls its author.
    pub identity: String,
    /// What its author called themselves.
    pub name: String,
    /// As it is now; nothing once it was deleted.
    pub text: Option<String>,
    /// When it was written.
    pub at: UnixMillis,
    /// When it was changed last.
    pub edited_at: Option<UnixMillis>,
    /// When it was deleted.
    pub deleted_at: Option<UnixMillis>,
    /// What others made of it, the first first.
    pub reactions: Vec<Reaction>,
}

/// Somebody's sign under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The sign.
    pub emoji: String,
    /// What LiveKit calls who put it there.
    pub identity: String,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub struct NewChatMessage<'a> {
    /// What LiveKit calls its author.
    pub identity: &'a str,
    /// What its author calls themselves.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatChange<'a> {
    /// It says something else.
    Edit(&'a str),
    /// It says nothing more, and has no reactions.
    Delete,
}

impl Database {
    /// Stores a message, and tells what `tell` makes of it.
    pub async fn write_message(
        &self,
        room: &RoomName,
        new: NewChatMessage<'_>,
        now: UnixMillis,
        tell: impl Fn(&ChatMessage) -> NewEvent,
    ) -> Result<ChatMessage, Error> {
        self.store_message(room, new, None, now, tell).await
    }

    /// Stores a message; with the text stream it came by, if it did.
    pub(crate) async fn store_message(
        &self,
        room: &RoomName,
        new: NewChatMessage<'_>,
        stream_id: Option<&str>,
        now: UnixMillis,
        tell: impl Fn(&ChatMessage) -> NewEvent,
    ) -> Result<ChatMessage, Error> {
        let message = ChatMessage {
            id: id_made_at(now),
            identity: new.identity.to_owned(),
            name: new.name.to_owned(),
            text: Some(new.text.to_owned()),
            at: now,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        };
        let told = [tell(&message)];
        transaction!(self, Write, "store a message", |connection| {
            append_events!(self, connection, room, &told, now);
            // In the order in which they are told.
            sql!(
                "insert into chat_message (id, room_id, position, identity, name, text, at, stream_id)
                values ($1, $2, (select last_event from room where id = $2), $3, $4, $5, $6, $7)",
                &message.id,
                room.as_str(),
                &message.identity,
                &message.name,
                new.text,
                now.0,
                stream_id
            )
            .execute(&mut *connection)
            .await?;
        })?;
        Ok(message)
    }

    /// One message of a room, without its reactions.
    pub async fn message(&self, room: &RoomName, id: &str) -> Result<Option<ChatMessage>, Error> {
        let row = transaction!(self, Read, "look a message up", |connection| {
            rows!(
                MessageRow,
                message!("where room_id = $1 and id = $2"),
                room.as_str(),
                id
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map(|row| message_of(row).1))
    }

    /// Up to `limit` messages of a room, the latest first, from `after` on.
    pub async fn messages(
        &self,
        room: &RoomName,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<ChatMessage>, Error> {
        // The cursor's time is a position here: two messages may have one time, and no two a position.
        let (position, _) = before(after);
        let (found, reactions) = transaction!(self, Read, "list messages", |connection| {
            let found = rows!(
                MessageRow,
                message!("where room_id = $1 and position < $2 order by position desc limit $3"),
                room.as_str(),
                position,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?;
            let lowest = found.last().map_or(i64::MAX, |row| row.1);
            let reactions = rows!(
                (String, String, String),
                "select message_id, emoji, chat_reaction.identity from chat_reaction
                join chat_message on chat_message.id = message_id
                where room_id = $1 and position >= $2 and position < $3
                order by chat_reaction.at, chat_reaction.identity, emoji",
                room.as_str(),
                lowest,
                position
            )
            .fetch_all(&mut *connection)
            .await?;
            (found, reactions)
        })?;
        let mut by_message = by_message(reactions);
        let page = page_of(
            found.into_iter().map(message_of).collect(),
            limit,
            |(position, message)| Cursor {
                at: UnixMillis(*position),
                id: message.id.clone(),
            },
        );
        let with_reactions = |(_, message): (i64, ChatMessage)| ChatMessage {
            reactions: by_message.remove(&message.id).unwrap_or_default(),
            ..message
        };
        Ok(page.map(with_reactions))
    }

    /// The first `limit` messages that were written in a room from one time to another, in order, without those that
    /// were deleted.
    pub async fn messages_between(
        &self,
        room: &RoomName,
        from: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<ChatMessage>, Error> {
        let (found, reactions) = transaction!(self, Read, "list a lecture's messages", |connection| {
            let found = rows!(
                MessageRow,
                message!(
                    "where room_id = $1 and at between $2 and $3 and deleted_at is null order by position limit $4"
                ),
                room.as_str(),
                from.0,
                until.0,
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?;
            let reactions = rows!(
                (String, String, String),
                "select message_id, emoji, chat_reaction.identity from chat_reaction
                join chat_message on chat_message.id = message_id
                where room_id = $1 and chat_message.at between $2 and $3
                order by chat_reaction.at, chat_reaction.identity, emoji",
                room.as_str(),
                from.0,
                until.0
            )
            .fetch_all(&mut *connection)
            .await?;
            (found, reactions)
        })?;
        let mut by_message = by_message(reactions);
        let with_reactions = |row| {
            let (_, message) = message_of(row);
            ChatMessage {
                reactions: by_message.remove(&message.id).unwrap_or_default(),
                ..message
            }
        };
        Ok(found.into_iter().map(with_reactions).collect())
    }

    /// Changes a message that was not deleted, and tells what `tell` makes of it; gives it back as it is now, without
    /// its reactions.
    ///
    /// What was told of it before is replaced in the room's history too, so that nobody reads there what is gone. For
    /// that, what is told of a message has to be a JSON object that begins with the field `id`.
    pub async fn change_message(
        &self,
        room: &RoomName,
        id: &str,
        change: ChatChange<'_>,
        now: UnixMillis,
        tell: impl Fn(&ChatMessage) -> NewEvent,
    ) -> Result<Option<ChatMessage>, Error> {
        let (text, edited_at, deleted_at) = match change {
            ChatChange::Edit(text) => (Some(text), Some(now.0), None),
            ChatChange::Delete => (None, None, Some(now.0)),
        };
        transaction!(self, Write, "change a message", |connection| {
            let row = rows!(
                MessageRow,
                "update chat_message
                set text = $3, edited_at = coalesce($4, edited_at), deleted_at = $5
                where room_id = $1 and id = $2 and deleted_at is null
                returning id, position, identity, name, text, at, edited_at, deleted_at",
                room.as_str(),
                id,
                text,
                edited_at,
                deleted_at
            )
            .fetch_optional(&mut *connection)
            .await?;
            match row.map(message_of) {
                None => None,
                Some((position, message)) => {
                    if change == ChatChange::Delete {
                        sql!("delete from chat_reaction where message_id = $1", id)
                            .execute(&mut *connection)
                            .await?;
                    }
                    let told = tell(&message);
                    sql!(
                        "update room_event set json = $4
                        where room_id = $1 and position >= $2 and kind like 'chat.%' and json like $3",
                        room.as_str(),
                        position,
                        // Ids have no letters that `like` takes for others.
                        format!("{{\"id\":\"{id}\",%"),
                        &told.json
                    )
                    .execute(&mut *connection)
                    .await?;
                    append_events!(self, connection, room, std::slice::from_ref(&told), now);
                    Some(message)
                }
            }
        })
    }

    /// Puts a sign under a message, and tells of it; says whether it is news. Nobody puts more than
    /// [`REACTIONS_EACH_MAX`] under one.
    pub async fn react(
        &self,
        room: &RoomName,
        message: &str,
        reaction: &Reaction,
        now: UnixMillis,
        told: NewEvent,
    ) -> Result<bool, Error> {
        transaction!(self, Write, "store a reaction", |connection| {
            let stored = sql!(
                "insert into chat_reaction (message_id, identity, emoji, at)
                select id, $3, $4, $5 from chat_message
                where room_id = $1 and id = $2 and deleted_at is null
                    and (select count(*) from chat_reaction where message_id = $2 and identity = $3) < $6
                on conflict do nothing",
                room.as_str(),
                message,
                &reaction.identity,
                &reaction.emoji,
                now.0,
                REACTIONS_EACH_MAX
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if stored > 0 {
                append_events!(self, connection, room, std::slice::from_ref(&told), now);
            }
            stored > 0
        })
    }

    /// Takes a sign from under a message, and tells of it; says whether it was there.
    pub async fn take_reaction_back(
        &self,
        room: &RoomName,
        message: &str,
        reaction: &Reaction,
        now: UnixMillis,
        told: NewEvent,
    ) -> Result<bool, Error> {
        transaction!(self, Write, "take a reaction back", |connection| {
            let taken = sql!(
                "delete from chat_reaction where identity = $3 and emoji = $4 and message_id in
                    (select id from chat_message where room_id = $1 and id = $2)",
                room.as_str(),
                message,
                &reaction.identity,
                &reaction.emoji
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if taken > 0 {
                append_events!(self, connection, room, std::slice::from_ref(&told), now);
            }
            taken > 0
        })
    }
}

/// How long a message may be, in characters.
pub const CHAT_TEXT_CHARS_MAX: usize = 2_000;
/// How many signs one person puts under one message at most.
pub const REACTIONS_EACH_MAX: i64 = 8;

/// Id, position, identity, name, text, when written, edited, deleted.
type MessageRow = (
    String,
    i64,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

/// The columns of a [`MessageRow`], and which rows.
macro_rules! message {
    ($which:literal) => {
        concat!(
            "select id, position, identity, name, text, at, edited_at, deleted_at from chat_message ",
            $which
        )
    };
}
use message;

/// Signs in the order in which they came: of which message, which, and whose.
fn by_message(reactions: Vec<(String, String, String)>) -> HashMap<String, Vec<Reaction>> {
    let mut by_message: HashMap<String, Vec<Reaction>> = HashMap::new();
    for (message, emoji, identity) in reactions {
        let of_message = by_message.entry(message).or_default();
        of_message.push(Reaction { emoji, identity });
    }
    by_message
}

/// A message without its reactions, and its position.
fn message_of(row: MessageRow) -> (i64, ChatMessage) {
    let (id, position, identity, name, text, at, edited_at, deleted_at) = row;
    let message = ChatMessage {
        id,
        identity,
        name,
        text,
        at: UnixMillis(at),
        edited_at: edited_at.map(UnixMillis),
        deleted_at: deleted_at.map(UnixMillis),
        reactions: Vec::new(),
    };
    (position, message)
}
