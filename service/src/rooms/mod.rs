//! Rooms: made, changed, opened and ended by who holds them.

pub(crate) mod calendar;
pub(crate) mod captions;
pub(crate) mod chat;
pub(crate) mod files;
pub(crate) mod hands;
mod inside;
pub(crate) mod join;
pub(crate) mod lobby;
pub(crate) mod moderate;
pub(crate) mod schedule;
mod settings;
pub(crate) mod spoken;

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::{AccountId, RoomName, UnixMillis};
use lectern_storage::{Door, Room, RoomChange, RoomStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

pub(crate) use self::settings::RoomSettings;
use crate::{
    ApiError, Service,
    body::{Body, InPath, InQuery, Paging, one_line},
    caller::{Caller, Standing},
    error::{ErrorBody, Rule},
    random,
    wire::{Items, timestamp},
};

/// A room, as much of it as the caller may know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomView {
    id: String,
    title: String,
    /// `SCHEDULED`, `LIVE` or `ENDED`.
    status: &'static str,
    /// Whether it takes nobody new.
    locked: bool,
    /// Whether one has to wait until a host lets one in.
    lobby: bool,
    /// Whether it asks for a PIN.
    pin_required: bool,
    /// Whether what is said is captioned and written down: people are told before they come in.
    captions: bool,
    /// Whether what was said gets a summary.
    summary: bool,
    /// RFC 3339.
    starts_at: Option<String>,
    /// For who holds it alone.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    held: Option<HeldView>,
}

/// What only who holds a room sees of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldView {
    /// For invitations.
    code: String,
    owner_id: String,
    created_at: String,
    settings: RoomSettings,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewRoom {
    /// What it is about.
    #[schema(max_length = 200)]
    title: String,
    /// When people are invited for, RFC 3339.
    starts_at: Option<String>,
    /// What is not as it is by default.
    #[schema(value_type = Option<RoomSettings>)]
    settings: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedRoom {
    #[schema(max_length = 200)]
    title: Option<String>,
    starts_at: Option<String>,
    /// What changes; the rest stays.
    #[schema(value_type = Option<RoomSettings>)]
    settings: Option<Map<String, Value>>,
}

/// One's own rooms, the latest first; all rooms for an administrator.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms", params(Paging),
    responses((status = 200, body = Items<RoomView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<RoomView>>, ApiError> {
    let owner = caller.listed_owner()?;
    let (limit, after) = paging.parse()?;
    let page = service.database.rooms(owner, limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, RoomView::of_held)))
}

/// Makes a room.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = NewRoom,
    responses((status = 201, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<NewRoom>,
) -> Result<(StatusCode, Json<RoomView>), ApiError> {
    let account = caller.account()?;
    let title = one_line("title", &wanted.title, TITLE_CHARS_MAX)?;
    let settings = RoomSettings::default().changed(wanted.settings.unwrap_or_default())?;
    let starts_at = wanted.starts_at.as_deref().map(parse_time).transpose()?;
    let room = service
        .create_room(&account.id, title, &settings, starts_at)
        .await?;
    service
        .note(Some(account.id.as_str()), "room.create", Some(&room.id), None)
        .await?;
    Ok((StatusCode::CREATED, Json(RoomView::of_held(&room))))
}

/// One room.
#[utoipa::path(get, path = "/api/rooms/{roomId}", tag = "rooms", params(("roomId" = String, Path)),
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<RoomView>, ApiError> {
    Ok(Json(match service.standing(&caller, &parse_id(id)?).await? {
        (room, Standing::Host(_)) => RoomView::of_held(&room),
        (room, Standing::Guest(_) | Standing::Stranger) => RoomView::of(&room),
    }))
}

/// The room that an invitation leads to.
#[utoipa::path(get, path = "/api/rooms/by-code/{code}", tag = "rooms", params(("code" = String, Path)),
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show_by_code(
    State(service): State<Arc<Service>>,
    _caller: Caller,
    InPath(code): InPath<String>,
) -> Result<Json<RoomView>, ApiError> {
    let code = code.trim().to_lowercase();
    let found = match code.contains('\0') {
        true => None,
        false => service.database.room_by_code(&code).await?,
    };
    found
        .map(|room| Json(RoomView::of(&room)))
        .ok_or_else(ApiError::room_not_found)
}

/// Changes a room.
#[utoipa::path(patch, path = "/api/rooms/{roomId}", tag = "rooms", params(("roomId" = String, Path)),
    request_body = ChangedRoom,
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<ChangedRoom>,
) -> Result<Json<RoomView>, ApiError> {
    let (room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    let title = wanted
        .title
        .map(|title| one_line("title", &title, TITLE_CHARS_MAX))
        .transpose()?;
    let starts_at = wanted.starts_at.as_deref().map(parse_time).transpose()?;
    let before = RoomSettings::of(&room);
    let settings = match wanted.settings {
        Some(changes) => Some(before.changed(changes)?),
        None => None,
    };
    let is_revised = title.as_ref().is_some_and(|title| *title != room.title)
        || starts_at.is_some_and(|at| room.starts_at != Some(at))
        || settings
            .as_ref()
            .is_some_and(|after| before.differs_in_calendars(after));
    let settings = settings.map(|settings| settings.to_json());
    let change = RoomChange {
        title: title.as_deref(),
        settings: settings.as_deref(),
        starts_at,
        owner: None,
        revised_at: is_revised.then(|| service.now()),
    };
    let changed = service.database.change_room(&room.id, change).await?;
    let changed = changed.ok_or_else(ApiError::room_not_found)?;
    service
        .note(Some(account.id.as_str()), "room.change", Some(&room.id), None)
        .await?;
    Ok(Json(RoomView::of_held(&changed)))
}

/// Ends a room if it is open, and erases it and its lectures.
#[utoipa::path(delete, path = "/api/rooms/{roomId}", tag = "rooms", params(("roomId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let (room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    service.remove_room(&room, &account.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a room, also one that has ended.
#[utoipa::path(post, path = "/api/rooms/{roomId}/start", tag = "rooms", params(("roomId" = String, Path)),
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn start(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<RoomView>, ApiError> {
    let (mut room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    service.open(&mut room).await?;
    service
        .note(Some(account.id.as_str()), "room.start", Some(&room.id), None)
        .await?;
    Ok(Json(RoomView::of_held(&room)))
}

/// Ends a room and sends everybody out. What was said becomes a lecture.
#[utoipa::path(post, path = "/api/rooms/{roomId}/end", tag = "rooms", params(("roomId" = String, Path)),
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn end(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<RoomView>, ApiError> {
    let (mut room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    service.end_room(&mut room, &account).await?;
    Ok(Json(RoomView::of_held(&room)))
}

impl Service {
    /// Makes a room under a fresh id and code.
    pub(crate) async fn create_room(
        &self,
        owner: &AccountId,
        title: String,
        settings: &RoomSettings,
        starts_at: Option<UnixMillis>,
    ) -> Result<Room, ApiError> {
        let mut room = Room {
            id: RoomName::parse(uuid::Uuid::now_v7().to_string()).expect("36 plain characters"),
            code: random::room_code(),
            title,
            owner: owner.clone(),
            status: RoomStatus::Scheduled,
            door: Door::Unlocked,
            settings: settings.to_json(),
            starts_at,
            created_at: self.now(),
            revision: 0,
            revised_at: None,
        };
        while !self.database.create_room(&room).await? {
            room.code = random::room_code();
        }
        Ok(room)
    }

    /// Ends a room if it is open, and erases it and its lectures.
    pub(crate) async fn remove_room(&self, room: &Room, by: &AccountId) -> Result<(), ApiError> {
        self.livekit.close_room(&room.id).await?;
        self.database.erase_room(&room.id, self.now()).await?;
        self.recent_rooms.forget(|known, ()| *known == room.id);
        self.note(Some(by.as_str()), "room.delete", Some(&room.id), None)
            .await
    }

    /// Opens a room at LiveKit, unless it is open.
    pub(crate) async fn open(&self, room: &mut Room) -> Result<(), ApiError> {
        let settings = RoomSettings::of(room);
        self.livekit
            .open_room(&room.id, &room.title, settings.max_participants)
            .await?;
        self.database
            .set_room_status(&room.id, RoomStatus::Live, self.now())
            .await?;
        room.status = RoomStatus::Live;
        Ok(())
    }
}

impl ChangedRoom {
    /// A change of settings alone.
    pub(crate) fn of_settings(settings: Map<String, Value>) -> Self {
        Self {
            title: None,
            starts_at: None,
            settings: Some(settings),
        }
    }
}

impl RoomView {
    fn of(room: &Room) -> Self {
        let settings = RoomSettings::of(room);
        Self {
            id: room.id.as_str().to_owned(),
            title: room.title.clone(),
            status: room.status.as_str(),
            locked: room.door == Door::Locked,
            lobby: settings.lobby,
            pin_required: settings.pin.is_some(),
            captions: settings.captions,
            summary: settings.summary,
            starts_at: room.starts_at.map(timestamp),
            held: None,
        }
    }

    /// As who holds it sees it.
    pub(crate) fn of_held(room: &Room) -> Self {
        let held = HeldView {
            code: room.code.clone(),
            owner_id: room.owner.as_str().to_owned(),
            created_at: timestamp(room.created_at),
            settings: RoomSettings::of(room),
        };
        Self {
            held: Some(held),
            ..Self::of(room)
        }
    }
}

/// A room's id as it stands in a path; what can't be one leads to no room.
pub(crate) fn parse_id(id: String) -> Result<RoomName, ApiError> {
    RoomName::parse(id).map_err(|_| ApiError::room_not_found())
}

/// A time as RFC 3339 has it, from 1970 on.
fn parse_time(text: &str) -> Result<UnixMillis, ApiError> {
    let message = "write a time such as 2027-03-01T09:30:00+01:00";
    let refused = || ApiError::broken("startsAt", Rule::Time, message);
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
    let millis = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| refused())?;
    match millis {
        0.. => Ok(UnixMillis(millis)),
        _ => Err(refused()),
    }
}

const TITLE_CHARS_MAX: usize = 200;
