//! The lobby: who waits at a room's door, and who lets them in.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, Sse},
};
use futures_util::Stream;
use lectern_pipelines::{GuestId, GuestState, GuestStep, RoomName};
use lectern_storage::{Audience, Decided, Decision, Guest, NewEvent, Room, RoomEvent};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{join::Admission, parse_id};
use crate::{
    ApiError, ErrorCode, Service,
    body::InPath,
    caller::{Caller, Standing},
    error::ErrorBody,
    sse::{self, Told},
    wire::{Items, timestamp},
};

/// Somebody who waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    /// The entry's id, to admit or deny it by.
    id: String,
    /// What they call themselves.
    name: String,
    /// `waiting`, `admitted`, `denied`, `left`, `expired` or `removed`.
    state: &'static str,
    /// Whether they call from where somebody banned called from.
    address_banned: bool,
    /// RFC 3339.
    asked_at: String,
}

/// How many were let in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Admitted {
    admitted: usize,
}

/// Who waits, the longest first.
#[utoipa::path(get, path = "/api/rooms/{roomId}/lobby", tag = "lobby", params(("roomId" = String, Path)),
    responses((status = 200, body = Items<EntryView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Items<EntryView>>, ApiError> {
    let (room, _) = service.held_room(&caller, &parse_id(id)?).await?;
    let waiting = service
        .database
        .guests(&room.id, GuestState::Waiting, WAITING_MAX)
        .await?;
    Ok(Json(Items::all(waiting.iter().map(EntryView::of).collect())))
}

/// Lets somebody in; their stream carries the token at once.
#[utoipa::path(post, path = "/api/rooms/{roomId}/lobby/{entryId}/admit", tag = "lobby",
    params(("roomId" = String, Path), ("entryId" = String, Path)),
    responses((status = 200, body = EntryView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn admit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, entry)): InPath<(String, String)>,
) -> Result<Json<EntryView>, ApiError> {
    service
        .decide(&caller, id, entry, GuestStep::Admit)
        .await
        .map(Json)
}

/// Sends somebody away.
#[utoipa::path(post, path = "/api/rooms/{roomId}/lobby/{entryId}/deny", tag = "lobby",
    params(("roomId" = String, Path), ("entryId" = String, Path)),
    responses((status = 200, body = EntryView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn deny(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, entry)): InPath<(String, String)>,
) -> Result<Json<EntryView>, ApiError> {
    service
        .decide(&caller, id, entry, GuestStep::Deny)
        .await
        .map(Json)
}

/// Goes away from the door; for who waits there.
#[utoipa::path(post, path = "/api/rooms/{roomId}/lobby/{entryId}/leave", tag = "lobby",
    params(("roomId" = String, Path), ("entryId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn leave(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, entry)): InPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (room, standing) = service.standing(&caller, &parse_id(id)?).await?;
    match standing {
        Standing::Guest(guest) if guest.id.as_str() == entry => {
            service.step(&room.id, &guest, GuestStep::Leave, None).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        _ => Err(ApiError::forbidden("only who waits may go away")),
    }
}

/// Lets everybody in who waits.
#[utoipa::path(post, path = "/api/rooms/{roomId}/lobby/admit-all", tag = "lobby", params(("roomId" = String, Path)),
    responses((status = 200, body = Admitted), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn admit_all(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Admitted>, ApiError> {
    let (room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    let decision = Decision {
        about: Decided::Everybody,
        from: GuestState::Waiting,
        to: GuestState::Admitted,
        by: Some(account.id.as_str()),
    };
    let admitted = service
        .database
        .decide(&room.id, decision, service.now(), outcome)
        .await?;
    service.feeds.announce(&room.id);
    service
        .note(Some(account.id.as_str()), "lobby.admit-all", Some(&room.id), None)
        .await?;
    Ok(Json(Admitted {
        admitted: admitted.len(),
    }))
}

/// Tells a host who comes and goes, and who waits what becomes of it (server-sent events, to be resumed by
/// `Last-Event-ID`). Hosts get `lobby.list`, then `lobby.waiting` and `lobby.decided`; a guest gets `lobby.waiting`
/// and then one of `lobby.admitted` (with the token), `lobby.denied` and `lobby.expired`, after which the stream ends.
#[utoipa::path(get, path = "/api/rooms/{roomId}/lobby/stream", tag = "lobby", params(("roomId" = String, Path)),
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
    let (room, standing) = service.standing(&caller, &id).await?;
    let resumed = sse::last_event_id(&headers);
    match standing {
        Standing::Host(_) => {
            let waiting = service
                .database
                .guests(&room.id, GuestState::Waiting, WAITING_MAX)
                .await?;
            let entries: Vec<_> = waiting.iter().map(EntryView::of).collect();
            let first = Told::event("lobby.list", json!({ "items": entries })).at(last);
            let listener = service
                .feeds
                .listen(room.id, vec![Audience::Hosts], resumed.unwrap_or(last));
            let first = resumed.is_none().then_some(first);
            Ok(sse::stream(
                Arc::clone(&service),
                open,
                first,
                listener,
                Box::new(|_, event| {
                    let told = Told::stored(event);
                    Some(match event.kind.as_str() {
                        // Whether they hold the room, is asked anew when they come again.
                        "room.host-passed" => told.and_end(),
                        _ => told,
                    })
                }),
            ))
        }
        Standing::Guest(guest) => {
            let first = service.fate(&room, &guest)?.at(last);
            let after = resumed.unwrap_or(last);
            let listener =
                service
                    .feeds
                    .listen(room.id.clone(), vec![Audience::Guest(guest.id.clone())], after);
            let tell = move |service: &Service, event: &RoomEvent| service.tell_guest(&room, &guest, event);
            Ok(sse::stream(
                Arc::clone(&service),
                open,
                Some(first),
                listener,
                Box::new(tell),
            ))
        }
        Standing::Stranger => Err(ApiError::unauthenticated(
            "join the room first (POST …/join), or log in as its host",
        )),
    }
}

impl Service {
    async fn decide(
        &self,
        caller: &Caller,
        room: String,
        entry: String,
        step: GuestStep,
    ) -> Result<EntryView, ApiError> {
        let (room, account) = self.held_room(caller, &parse_id(room)?).await?;
        let missing = || ApiError::new(ErrorCode::EntryNotFound, "nobody of this id waits at this door");
        let entry = GuestId::parse(entry).map_err(|_| missing())?;
        let guest = self.database.guest(&entry).await?;
        let guest = guest.filter(|guest| guest.room == room.id).ok_or_else(missing)?;
        let decided = self
            .step(&room.id, &guest, step, Some(account.id.as_str()))
            .await?;
        let action = match step {
            GuestStep::Admit => "lobby.admit",
            _ => "lobby.deny",
        };
        self.note(
            Some(account.id.as_str()),
            action,
            Some(&room.id),
            Some(guest.id.as_str()),
        )
        .await?;
        Ok(EntryView::of(&decided))
    }

    /// Takes a step about one guest. Where another host was faster, it is an error unless they decided the same.
    pub(crate) async fn step(
        &self,
        room: &RoomName,
        guest: &Guest,
        step: GuestStep,
        by: Option<&str>,
    ) -> Result<Guest, ApiError> {
        let too_late =
            |state: GuestState| ApiError::new(ErrorCode::EntryDecided, format!("they are {state} already"));
        let next = guest.state.after(step).map_err(|late| too_late(late.0))?;
        if next == guest.state {
            return Ok(guest.clone());
        }
        let decision = Decision {
            about: Decided::One(&guest.id),
            from: guest.state,
            to: next,
            by,
        };
        let decided = self.database.decide(room, decision, self.now(), outcome).await?;
        self.feeds.announce(room);
        match decided.into_iter().next() {
            Some(decided) => Ok(decided),
            None => {
                let now = self.database.guest(&guest.id).await?;
                let now = now.ok_or_else(|| too_late(GuestState::Left))?;
                match now.state == next {
                    true => Ok(now),
                    false => Err(too_late(now.state)),
                }
            }
        }
    }

    /// Sends away who has waited for too long.
    pub(crate) async fn expire_waiting(&self) -> Result<(), ApiError> {
        let before = self.now().saturating_sub(self.settings.lifetimes.lobby);
        for room in self.database.rooms_waited_at_since(before).await? {
            let decision = Decision {
                about: Decided::WhoAskedBefore(before),
                from: GuestState::Waiting,
                to: GuestState::Expired,
                by: None,
            };
            self.database.decide(&room, decision, self.now(), outcome).await?;
            self.feeds.announce(&room);
        }
        Ok(())
    }

    /// What a guest is told of how it stands with them.
    fn fate(&self, room: &Room, guest: &Guest) -> Result<Told, ApiError> {
        Ok(match guest.state {
            GuestState::Waiting => Told::event("lobby.waiting", json!({ "lobbyEntryId": guest.id.as_str() })),
            GuestState::Admitted => {
                let admission: Admission = self.admit_guest(room, guest)?;
                let told = serde_json::to_value(admission).map_err(ApiError::internal)?;
                Told::event("lobby.admitted", told).and_end()
            }
            GuestState::Denied => Told::event("lobby.denied", json!({})).and_end(),
            GuestState::Left => Told::event("lobby.left", json!({})).and_end(),
            GuestState::Expired => Told::event("lobby.expired", json!({})).and_end(),
            GuestState::Removed => Told::event("lobby.removed", json!({})).and_end(),
        })
    }

    /// An event as its guest is told: tokens are made when they are handed over, and stored nowhere.
    fn tell_guest(&self, room: &Room, guest: &Guest, event: &RoomEvent) -> Option<Told> {
        let state = event.kind.strip_prefix("lobby.").and_then(GuestState::parse)?;
        let now = Guest {
            state,
            ..guest.clone()
        };
        self.fate(room, &now).ok()
    }
}

/// What is told when somebody has come: the hosts, if they have to decide.
pub(crate) fn arrival(guest: &Guest) -> Vec<NewEvent> {
    match guest.state {
        GuestState::Waiting => vec![for_hosts("lobby.waiting", guest)],
        _ => Vec::new(),
    }
}

/// What is told when it was decided: the hosts who it was, and the guest what became of them.
pub(crate) fn outcome(guest: &Guest) -> Vec<NewEvent> {
    let kind = match guest.state {
        GuestState::Waiting => "lobby.waiting",
        GuestState::Admitted => "lobby.admitted",
        GuestState::Denied => "lobby.denied",
        GuestState::Left => "lobby.left",
        GuestState::Expired => "lobby.expired",
        GuestState::Removed => "lobby.removed",
    };
    let own = NewEvent::about(Audience::Guest(guest.id.clone()), kind, &json!({}));
    vec![own, for_hosts("lobby.decided", guest)]
}

fn for_hosts(kind: &'static str, guest: &Guest) -> NewEvent {
    NewEvent::about(Audience::Hosts, kind, &EntryView::of(guest))
}

impl EntryView {
    pub(crate) fn of(guest: &Guest) -> Self {
        Self {
            id: guest.id.as_str().to_owned(),
            name: guest.name.clone(),
            state: guest.state.as_str(),
            address_banned: guest.address_banned,
            asked_at: timestamp(guest.asked_at),
        }
    }
}

/// More people than this don't wait at one door.
pub(crate) const WAITING_MAX: u32 = 2_000;
