//! Chat: what people in a room write to one another, and a stream of what happens in it.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, Sse},
};
use futures_util::Stream;
use lectern_pipelines::RoomName;
use lectern_storage::{
    Audience, CHAT_TEXT_CHARS_MAX, ChatChange, ChatMessage, NewChatMessage, NewEvent, Reaction, Room,
    RoomEvent,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    RoomSettings,
    inside::{Insider, Role, ends_listening},
    parse_id,
};
use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath, InQuery, Paging, one_line, some_text},
    caller::Caller,
    error::ErrorBody,
    sse::{self, Told},
    wire::{Items, timestamp},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Written {
    /// Plain text: whoever shows it has to show it as it is.
    #[schema(max_length = 2000)]
    text: String,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView {
    // First: by it, the room's history is cleared of what was changed or deleted.
    id: String,
    /// What LiveKit calls its author.
    identity: String,
    /// What its author called themselves.
    name: String,
    /// Plain text; null once it was deleted.
    text: Option<String>,
    /// RFC 3339.
    at: String,
    edited_at: Option<String>,
    deleted_at: Option<String>,
    reactions: Vec<ReactionView>,
}

/// A sign under a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReactionView {
    emoji: String,
    /// What LiveKit calls who put it there.
    identity: String,
}

/// A sign that was put under a message, or taken back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reacted<'a> {
    message_id: &'a str,
    emoji: &'a str,
    identity: &'a str,
}

/// What was written, the latest first.
#[utoipa::path(get, path = "/api/rooms/{roomId}/chat", tag = "chat", params(("roomId" = String, Path), Paging),
    responses((status = 200, body = Items<MessageView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<MessageView>>, ApiError> {
    let (room, _) = service.inside(&caller, &parse_id(id)?).await?;
    let (limit, after) = paging.parse()?;
    let page = service.database.messages(&room.id, limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, MessageView::of)))
}

/// Writes to everybody in the room.
#[utoipa::path(post, path = "/api/rooms/{roomId}/chat", tag = "chat", params(("roomId" = String, Path)),
    request_body = Written,
    responses((status = 201, body = MessageView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn write(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(written): Body<Written>,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    let (room, person) = service.chatting(&caller, id).await?;
    let new = NewChatMessage {
        identity: &person.identity,
        name: &person.name,
        text: some_text("text", &written.text, CHAT_TEXT_CHARS_MAX)?,
    };
    let message = service
        .database
        .write_message(&room.id, new, service.now(), |message| {
            told("chat.message", message)
        })
        .await?;
    service.feeds.announce(&room.id);
    Ok((StatusCode::CREATED, Json(MessageView::of(&message))))
}

/// Changes a message; for its author.
#[utoipa::path(patch, path = "/api/rooms/{roomId}/chat/{messageId}", tag = "chat",
    params(("roomId" = String, Path), ("messageId" = String, Path)), request_body = Written,
    responses((status = 200, body = MessageView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn edit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, message)): InPath<(String, String)>,
    Body(written): Body<Written>,
) -> Result<Json<MessageView>, ApiError> {
    let (room, person) = service.chatting(&caller, id).await?;
    let text = some_text("text", &written.text, CHAT_TEXT_CHARS_MAX)?;
    let message = service.message(&room.id, &message).await?;
    if message.identity != person.identity {
        return Err(ApiError::forbidden("only its author changes a message"));
    }
    let edited = service
        .change_message(&room.id, &message.id, ChatChange::Edit(text), "chat.edited")
        .await?;
    Ok(Json(MessageView::of(&edited)))
}

/// Deletes a message; for its author, and for hosts.
#[utoipa::path(delete, path = "/api/rooms/{roomId}/chat/{messageId}", tag = "chat",
    params(("roomId" = String, Path), ("messageId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, message)): InPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    let message = service.message(&room.id, &message).await?;
    if message.identity != person.identity && person.role != Role::Host {
        return Err(ApiError::forbidden("only its author and hosts delete a message"));
    }
    service
        .change_message(&room.id, &message.id, ChatChange::Delete, "chat.deleted")
        .await?;
    if message.identity != person.identity {
        let by = person.identity.strip_prefix("user-");
        service
            .note(by, "chat.delete", Some(&room.id), Some(&message.id))
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a sign under a message; each person up to eight.
#[utoipa::path(put, path = "/api/rooms/{roomId}/chat/{messageId}/reactions/{emoji}", tag = "chat",
    params(("roomId" = String, Path), ("messageId" = String, Path), ("emoji" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn react(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, message, emoji)): InPath<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.chatting(&caller, id).await?;
    let message = service.message(&room.id, &message).await?;
    let reaction = reaction_of(&person, &emoji)?;
    let told = told_reaction("chat.reacted", &message.id, &reaction);
    service
        .database
        .react(&room.id, &message.id, &reaction, service.now(), told)
        .await?;
    service.feeds.announce(&room.id);
    Ok(StatusCode::NO_CONTENT)
}

/// Takes one's sign from under a message.
#[utoipa::path(delete, path = "/api/rooms/{roomId}/chat/{messageId}/reactions/{emoji}", tag = "chat",
    params(("roomId" = String, Path), ("messageId" = String, Path), ("emoji" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn take_reaction_back(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, message, emoji)): InPath<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    let message = service.message(&room.id, &message).await?;
    let reaction = reaction_of(&person, &emoji)?;
    let told = told_reaction("chat.unreacted", &message.id, &reaction);
    service
        .database
        .take_reaction_back(&room.id, &message.id, &reaction, service.now(), told)
        .await?;
    service.feeds.announce(&room.id);
    Ok(StatusCode::NO_CONTENT)
}

/// What happens in the room, from now on or from `Last-Event-ID` on (server-sent events): `chat.message`,
/// `chat.edited` and `chat.deleted` with the message as it is, `chat.reacted` and `chat.unreacted`, `file.shared` and
/// `file.deleted`, `hand.raised` and `hand.lowered`, `room.…`, and to a guest `you.…`. After `you.removed` and
/// `room.host-passed` the stream ends: whether somebody may listen is asked anew.
#[utoipa::path(get, path = "/api/rooms/{roomId}/chat/stream", tag = "chat", params(("roomId" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn stream(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (id, open) = (parse_id(id)?, service.open_stream(&caller)?);
    // Before anything else is read: what happens from here on is told.
    let last = service.database.last_event(&id).await?;
    let (room, person) = service.inside(&caller, &id).await?;
    let after = sse::last_event_id(&headers).unwrap_or(last);
    let listener = service.feeds.listen(room.id, person.audiences(), after);
    let tell = |_: &Service, event: &RoomEvent| tell(event);
    Ok(sse::stream(
        Arc::clone(&service),
        open,
        None,
        listener,
        Box::new(tell),
    ))
}

impl Service {
    /// A room in which the caller may write.
    async fn chatting(&self, caller: &Caller, room: String) -> Result<(Room, Insider), ApiError> {
        let (room, person) = self.inside(caller, &parse_id(room)?).await?;
        self.still_open(&room)?;
        match RoomSettings::of(&room).chat {
            true => Ok((room, person)),
            false => Err(ApiError::new(ErrorCode::ChatOff, "this room has no chat")),
        }
    }

    /// A message that was not deleted.
    async fn message(&self, room: &RoomName, id: &str) -> Result<ChatMessage, ApiError> {
        let found = match id.contains('\0') {
            true => None,
            false => self.database.message(room, id).await?,
        };
        found
            .filter(|message| message.deleted_at.is_none())
            .ok_or_else(no_message)
    }

    async fn change_message(
        &self,
        room: &RoomName,
        id: &str,
        change: ChatChange<'_>,
        kind: &'static str,
    ) -> Result<ChatMessage, ApiError> {
        let changed = self
            .database
            .change_message(room, id, change, self.now(), |message| told(kind, message))
            .await?;
        self.feeds.announce(room);
        // Somebody else may have deleted it meanwhile.
        changed.ok_or_else(no_message)
    }
}

impl MessageView {
    pub(crate) fn of(message: &ChatMessage) -> Self {
        let reactions = message.reactions.iter().map(|reaction| ReactionView {
            emoji: reaction.emoji.clone(),
            identity: reaction.identity.clone(),
        });
        Self {
            id: message.id.clone(),
            identity: message.identity.clone(),
            name: message.name.clone(),
            text: message.text.clone(),
            at: timestamp(message.at),
            edited_at: message.edited_at.map(timestamp),
            deleted_at: message.deleted_at.map(timestamp),
            reactions: reactions.collect(),
        }
    }
}

fn tell(event: &RoomEvent) -> Option<Told> {
    match event.kind.as_str() {
        _ if ends_listening(event) => Some(Told::stored(event).and_end()),
        // The door has a stream of its own.
        kind if kind.starts_with("lobby.") => None,
        _ => Some(Told::stored(event)),
    }
}

/// What everybody in a room is told of a message.
pub fn told(kind: &'static str, message: &ChatMessage) -> NewEvent {
    NewEvent::about(Audience::All, kind, &MessageView::of(message))
}

fn told_reaction(kind: &'static str, message_id: &str, reaction: &Reaction) -> NewEvent {
    let reacted = Reacted {
        message_id,
        emoji: &reaction.emoji,
        identity: &reaction.identity,
    };
    NewEvent::about(Audience::All, kind, &reacted)
}

fn reaction_of(person: &Insider, emoji: &str) -> Result<Reaction, ApiError> {
    Ok(Reaction {
        emoji: one_line("emoji", emoji, EMOJI_CHARS_MAX)?,
        identity: person.identity.clone(),
    })
}

fn no_message() -> ApiError {
    ApiError::new(ErrorCode::MessageNotFound, "there is no such message, or no more")
}

/// Flags and families take several.
const EMOJI_CHARS_MAX: usize = 16;
