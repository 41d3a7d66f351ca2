//! Calls as the systems make them that this one replaces: their paths and names, our functions.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::{AccountId, GuestState, ParticipantIdentity};
use lectern_storage::{AccountRole, Door, NewAccount, OwnCaptions, Room, RoomStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, OpenRooms, Service,
    accounts::NAME_CHARS_MAX,
    body::{Body, InPath, InQuery, Paging, one_line},
    caller::{Caller, Standing},
    error::ErrorBody,
    livekit::{Joiner, JoinerRole},
    rooms::{
        self, RoomSettings, RoomView,
        join::{guest_rights, identity},
        parse_id,
    },
    wire::Items,
};

/// The rooms that the caller holds; on an open instance, those that belong to everybody.
#[utoipa::path(get, path = "/rooms", tag = "aliases", params(Paging),
    responses((status = 200, body = Items<RoomView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list_rooms(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<RoomView>>, ApiError> {
    let owner = service.owner_for(&caller).await?;
    let (limit, after) = paging.parse()?;
    let page = service
        .database
        .rooms(Some(&owner), limit, after.as_ref())
        .await?;
    Ok(Json(Items::of(page, RoomView::of_held)))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PlainRoom {
    /// What it is about.
    #[serde(alias = "title")]
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneItem {
    item: RoomView,
}

/// Makes a room.
#[utoipa::path(post, path = "/rooms", tag = "aliases", request_body = PlainRoom,
    responses((status = 201, body = OneItem), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn create_room(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<PlainRoom>,
) -> Result<(StatusCode, Json<OneItem>), ApiError> {
    let owner = service.owner_for(&caller).await?;
    let title = wanted.name.as_deref().unwrap_or("Room");
    let title = one_line("name", title, NAME_CHARS_MAX)?;
    let room = service
        .create_room(&owner, title, &RoomSettings::default(), None)
        .await?;
    service
        .note(Some(owner.as_str()), "room.create", Some(&room.id), None)
        .await?;
    let item = RoomView::of_held(&room);
    Ok((StatusCode::CREATED, Json(OneItem { item })))
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// Always true.
    ok: bool,
}

/// Ends and removes a room.
#[utoipa::path(delete, path = "/rooms/{roomId}", tag = "aliases", params(("roomId" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete_room(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Done>, ApiError> {
    let (room, owner) = service.plain_room(&caller, id).await?;
    service.remove_room(&room, &owner).await?;
    Ok(Json(Done { ok: true }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PlainJoin {
    /// What LiveKit calls them.
    #[schema(max_length = 128)]
    identity: String,
    /// What others see; the identity if it is not given.
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlainAdmission {
    token: String,
    livekit_url: String,
    room_id: String,
    identity: String,
}

/// A token for a room without a door.
#[utoipa::path(post, path = "/rooms/{roomId}/join", tag = "aliases", params(("roomId" = String, Path)),
    request_body = PlainJoin,
    responses((status = 200, body = PlainAdmission), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn join_room(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<PlainJoin>,
) -> Result<Json<PlainAdmission>, ApiError> {
    let identity = parse_identity(&wanted.identity)?;
    let name = wanted.name.as_deref().unwrap_or(&wanted.identity);
    let name = one_line("name", name, NAME_CHARS_MAX)?;
    let (mut room, _) = service.plain_room(&caller, id).await?;
    let admission = service.admit_plainly(&mut room, identity, name).await?;
    Ok(Json(PlainAdmission {
        token: admission.token,
        livekit_url: admission.ws_url,
        room_id: admission.room_id,
        identity: admission.identity,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VoiceWanted {
    /// The room's id.
    channel_id: String,
    /// One's own account's id.
    user_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VoiceToken {
    token: String,
    url: String,
}

/// A token for who is logged in.
#[utoipa::path(get, path = "/voice/token", tag = "aliases", params(VoiceWanted),
    responses((status = 200, body = VoiceToken), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn voice_token(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(wanted): InQuery<VoiceWanted>,
) -> Result<Json<VoiceToken>, ApiError> {
    let account = caller.account()?.clone();
    if account.id.as_str() != wanted.user_id {
        return Err(ApiError::forbidden("user_id has to be your own"));
    }
    let (mut room, standing) = service.standing(&caller, &parse_id(wanted.channel_id)?).await?;
    let name = account.name.clone();
    let admission = match standing {
        Standing::Host(account) => {
            service
                .admit_host(&mut room, &account, name, OwnCaptions::On)
                .await?
        }
        Standing::Guest(_) | Standing::Stranger => {
            let own = identity("user", account.id.as_str());
            service.admit_plainly(&mut room, own, name).await?
        }
    };
    Ok(Json(VoiceToken {
        token: admission.token,
        url: admission.ws_url,
    }))
}

/// How many wait, and what became of the others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingRoomStats {
    waiting: u64,
    admitted: u64,
    denied: u64,
    left: u64,
    expired: u64,
}

/// How many wait at a room's door, and what became of the others.
#[utoipa::path(get, path = "/api/v1/meetings/{meetingId}/waiting-room/stats", tag = "aliases",
    params(("meetingId" = String, Path)),
    responses((status = 200, body = WaitingRoomStats), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn waiting_room_stats(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<WaitingRoomStats>, ApiError> {
    let (room, _) = service.held_room(&caller, &parse_id(id)?).await?;
    let count = async |state| service.database.count_guests(&room.id, state).await;
    Ok(Json(WaitingRoomStats {
        waiting: count(GuestState::Waiting).await?,
        admitted: count(GuestState::Admitted).await?,
        denied: count(GuestState::Denied).await?,
        left: count(GuestState::Left).await?,
        expired: count(GuestState::Expired).await?,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PublicMeeting {
    settings: PublicMeetingSettings,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PublicMeetingSettings {
    /// Whether guests wait until a host lets them in.
    waiting_room: bool,
}

/// Turns a room's lobby on or off.
#[utoipa::path(patch, path = "/api/v1/public-meetings/{meetingId}", tag = "aliases",
    params(("meetingId" = String, Path)), request_body = PublicMeeting,
    responses((status = 200, body = RoomView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn change_public_meeting(
    state: State<Arc<Service>>,
    caller: Caller,
    id: InPath<String>,
    Body(wanted): Body<PublicMeeting>,
) -> Result<Json<RoomView>, ApiError> {
    let mut settings = Map::new();
    settings.insert("lobby".to_owned(), json!(wanted.settings.waiting_room));
    let change = rooms::ChangedRoom::of_settings(settings);
    rooms::change(state, caller, id, Body(change)).await
}

impl Service {
    /// Whose rooms the caller makes and lists here: their own, or everybody's on an open instance.
    async fn owner_for(&self, caller: &Caller) -> Result<AccountId, ApiError> {
        match (&caller.login, self.settings.open_rooms) {
            (Some(login), _) => Ok(login.account.id.clone()),
            (None, OpenRooms::Yes) => self.everybody().await,
            (None, OpenRooms::No) => Err(ApiError::unauthenticated(
                "log in first; without an account this works where OPEN_ROOMS=true alone",
            )),
        }
    }

    /// The account that open rooms belong to. Nobody can log in by it.
    async fn everybody(&self) -> Result<AccountId, ApiError> {
        if let Some((account, _)) = self.database.account_by_email(EVERYBODY).await? {
            return Ok(account.id);
        }
        let new = NewAccount {
            email: EVERYBODY,
            name: "Everybody",
            role: AccountRole::Host,
            password_hash: None,
        };
        if let Some(account) = self.database.create_account(new, self.now()).await? {
            return Ok(account.id);
        }
        let made = self.database.account_by_email(EVERYBODY).await?;
        let (account, _) =
            made.ok_or_else(|| ApiError::internal("the account of open rooms is gone again"))?;
        Ok(account.id)
    }

    /// A room of whoever the caller makes rooms for.
    async fn plain_room(&self, caller: &Caller, id: String) -> Result<(Room, AccountId), ApiError> {
        let owner = self.owner_for(caller).await?;
        let room = self.database.room(&parse_id(id)?).await?;
        let room = room.ok_or_else(ApiError::room_not_found)?;
        match room.owner == owner {
            true => Ok((room, owner)),
            false => Err(ApiError::forbidden(
                "this room is somebody's; use /api/rooms/{id}/join",
            )),
        }
    }

    /// A token without any question, where the room asks none.
    async fn admit_plainly(
        &self,
        room: &mut Room,
        identity: ParticipantIdentity,
        name: String,
    ) -> Result<rooms::join::Admission, ApiError> {
        let settings = RoomSettings::of(room);
        if settings.lobby || settings.pin.is_some() || room.door == Door::Locked {
            return Err(ApiError::forbidden(
                "this room has a door; use /api/rooms/{id}/join",
            ));
        }
        if room.status != RoomStatus::Live {
            self.open(room).await?;
        }
        self.admission(Joiner {
            room: room.id.clone(),
            identity,
            name,
            role: JoinerRole::Guest,
            rights: guest_rights(room),
            captions: OwnCaptions::On,
        })
    }
}

/// What the caller wants to be called by LiveKit: anything but what we call people ourselves.
fn parse_identity(text: &str) -> Result<ParticipantIdentity, ApiError> {
    let text = one_line("identity", text, IDENTITY_CHARS_MAX)?;
    let lower = text.to_lowercase();
    match OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        true => Err(ApiError::invalid(
            "identity",
            "names that begin like this are ours; choose another",
        )),
        false => {
            ParticipantIdentity::parse(text).map_err(|error| ApiError::invalid("identity", error.to_string()))
        }
    }
}

const IDENTITY_CHARS_MAX: usize = 128;
const OWN_PREFIXES: [&str; 7] = [
    "user-",
    "guest-",
    "publisher-",
    "viewer-",
    "relay-",
    "agent",
    "lectern",
];
/// Not an address that anybody can register: it has no at sign.
const EVERYBODY: &str = "everybody";
