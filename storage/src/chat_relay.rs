//! Chat that is shared with LiveKit's own components: what came from them, and what they are still to be told.

use lectern_pipelines::{RoomName, UnixMillis};

use crate::{
    ChatChange, ChatMessage, Database, Error, NewChatMessage, NewEvent,
    database::{rows, sql, transaction},
    room::wishes_of,
};

/// What LiveKit's components are to be told: a message, or what became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatNews {
    /// Of the event that told of it, in the room's history.
    pub position: u64,
    /// By which LiveKit's components know the message, together with its author.
    pub stream_id: String,
    /// What LiveKit calls its author.
    pub identity: String,
    /// As it is now; nothing once it was deleted.
    pub text: Option<String>,
}

/// What became of a message from LiveKit's components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedChat {
    /// It is stored: as a new one, or in place of what its author wrote before.
    Stored,
    /// Nothing is new in it, or it was deleted since.
    Known,
    /// This room has no chat.
    NoChat,
}

impl Database {
    /// Stores a message that came under `stream_id`, and tells what `tell` makes of it, as a `chat.message` or, where
    /// its author changes what they wrote, `chat.edited`. Whoever else has received it may store it too.
    pub async fn receive_message(
        &self,
        room: &RoomName,
        new: NewChatMessage<'_>,
        stream_id: &str,
        now: UnixMillis,
        tell: impl Fn(&'static str, &ChatMessage) -> NewEvent,
    ) -> Result<ReceivedChat, Error> {
        let (settings, known) = transaction!(self, Read, "look for a received message", |connection| {
            let settings = rows!(
                (String,),
                "select settings from room where id = $1",
                room.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?;
            // Who wrote it here may change it there.
            let known = rows!(
                (String, Option<String>),
                "select id, text from chat_message
                where room_id = $1 and identity = $2 and (stream_id = $3 or id = $3)",
                room.as_str(),
                new.identity,
                stream_id
            )
            .fetch_optional(&mut *connection)
            .await?;
            (settings, known)
        })?;
        match settings
            .map(|(settings,)| wishes_of(room, &settings))
            .transpose()?
        {
            Some(wishes) if wishes.chat => {}
            _ => return Ok(ReceivedChat::NoChat),
        }
        match known {
            None => {
                let from = Some(stream_id);
                self.store_message(room, new, from, now, |message| tell("chat.message", message))
                    .await?;
            }
            Some((id, Some(text))) if text != new.text => {
                let change = ChatChange::Edit(new.text);
                self.change_message(room, &id, change, now, |message| tell("chat.edited", message))
                    .await?;
            }
            Some(_) => return Ok(ReceivedChat::Known),
        }
        Ok(ReceivedChat::Stored)
    }

    /// Up to [`CHAT_NEWS_MAX`] of what LiveKit's components are to be told of a room's chat since a time and after a
    /// position, in order. They know already what was written in them.
    pub async fn chat_news(
        &self,
        room: &RoomName,
        since: UnixMillis,
        after: u64,
    ) -> Result<Vec<ChatNews>, Error> {
        let text = match self {
            Self::Sqlite(_) => news!("json"),
            Self::Postgres(_) => news!("json::json"),
        };
        let found = transaction!(self, Read, "look for what was written", |connection| {
            rows!(
                (i64, String, String, Option<String>),
                text,
                room.as_str(),
                since.0,
                i64::try_from(after).unwrap_or(i64::MAX),
                CHAT_NEWS_MAX
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        Ok(found.into_iter().map(news_of).collect())
    }

    /// The position up to which LiveKit's components were told of a room's chat; 0 before the first.
    pub async fn chat_relayed(&self, room: &RoomName) -> Result<u64, Error> {
        let row = transaction!(self, Read, "look how far chat was told", |connection| {
            rows!(
                (i64,),
                "select coalesce(chat_relayed, 0) from room where id = $1",
                room.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map_or(0, |(position,)| position.unsigned_abs()))
    }

    /// Notes up to which position LiveKit's components were told of a room's chat.
    pub async fn set_chat_relayed(&self, room: &RoomName, position: u64) -> Result<(), Error> {
        transaction!(self, Write, "note how far chat was told", |connection| {
            sql!(
                "update room set chat_relayed = $2 where id = $1 and coalesce(chat_relayed, 0) < $2",
                room.as_str(),
                i64::try_from(position).unwrap_or(i64::MAX)
            )
            .execute(&mut *connection)
            .await?;
        })
    }
}

/// The most that one look for news of a chat gives.
pub const CHAT_NEWS_MAX: i64 = 100;

/// What LiveKit's components are to be told, where a text is read as JSON by `$json`.
macro_rules! news {
    ($json:literal) => {
        concat!(
            "select event.position, coalesce(stream_id, chat_message.id), identity, text
            from room_event event
            join chat_message on chat_message.room_id = event.room_id and chat_message.id = ",
            $json,
            " ->> 'id'
            where event.room_id = $1 and event.at >= $2 and event.position > $3
                and (kind = 'chat.message' and stream_id is null or kind in ('chat.edited', 'chat.deleted'))
            order by event.position limit $4"
        )
    };
}
use news;

fn news_of((position, stream_id, identity, text): (i64, String, String, Option<String>)) -> ChatNews {
    ChatNews {
        position: position.unsigned_abs(),
        stream_id,
        identity,
        text,
    }
}
