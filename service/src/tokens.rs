//! Tokens for those who need no door: who holds a room, and other servers.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use lectern_pipelines::{ParticipantIdentity, RoomName};
use lectern_storage::OwnCaptions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, Service,
    body::Body,
    caller::{Caller, Standing},
    error::ErrorBody,
    livekit::{Joiner, JoinerRole, Rights},
    rooms::{join::Admission, parse_id},
    wire::timestamp,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenWanted {
    /// The room's id; `meetingId` is the same.
    #[serde(alias = "meetingId")]
    room_id: String,
}

/// A token, and what it is good for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomToken {
    token: String,
    ws_url: String,
    identity: String,
    room: String,
    metadata: TokenMetadata,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenMetadata {
    role: JoinerRole,
    permissions: Rights,
}

/// Where LiveKit is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionInfo {
    ws_url: String,
    /// LiveKit itself tells who joins what else there is.
    ice_servers: Vec<String>,
    region: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerTokenWanted {
    /// Whom it is for.
    #[schema(max_length = 128)]
    user_id: String,
    /// The room's id.
    #[serde(alias = "stageArn")]
    room_id: String,
}

/// A reply of the older stage server's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Succeeded<T> {
    /// Always true.
    success: bool,
    data: T,
    timestamp: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerToken {
    token: String,
    ws_url: String,
    room_id: String,
    identity: String,
    /// RFC 3339.
    expires_at: String,
}

/// A token for who holds the room, or was let into it.
#[utoipa::path(post, path = "/api/livekit/token", tag = "tokens", request_body = TokenWanted,
    responses((status = 200, body = RoomToken), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn room_token(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<TokenWanted>,
) -> Result<Json<RoomToken>, ApiError> {
    let (mut room, standing) = service.standing(&caller, &parse_id(wanted.room_id)?).await?;
    let (admission, role, permissions): (Admission, _, _) = match standing {
        Standing::Host(account) => {
            let name = account.name.clone();
            let admission = service
                .admit_host(&mut room, &account, name, OwnCaptions::On)
                .await?;
            (admission, JoinerRole::Host, Rights::ALL)
        }
        Standing::Guest(guest) => {
            let (admission, rights) = service.admit_again(&room, &guest)?;
            (admission, JoinerRole::Guest, rights)
        }
        Standing::Stranger if caller.is_nobody() => {
            return Err(ApiError::unauthenticated(
                "log in, or join the room first (POST /api/rooms/{id}/join)",
            ));
        }
        Standing::Stranger => {
            return Err(ApiError::forbidden(
                "join the room first (POST /api/rooms/{id}/join)",
            ));
        }
    };
    Ok(Json(RoomToken {
        token: admission.token,
        ws_url: admission.ws_url,
        identity: admission.identity,
        room: admission.room_id,
        metadata: TokenMetadata { role, permissions },
    }))
}

/// The same under its older path.
#[utoipa::path(post, path = "/api/v1/livekit/token", tag = "tokens", request_body = TokenWanted,
    responses((status = 200, body = RoomToken), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn room_token_v1(
    state: State<Arc<Service>>,
    caller: Caller,
    wanted: Body<TokenWanted>,
) -> Result<Json<RoomToken>, ApiError> {
    room_token(state, caller, wanted).await
}

/// Where LiveKit is; no secret in it.
#[utoipa::path(get, path = "/api/v1/livekit/connection-info", tag = "tokens",
    responses((status = 200, body = ConnectionInfo), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn connection_info(
    State(service): State<Arc<Service>>,
    _caller: Caller,
) -> Json<ConnectionInfo> {
    Json(ConnectionInfo {
        ws_url: service.livekit.public_url().to_owned(),
        ice_servers: Vec::new(),
        region: None,
    })
}

/// A token by which a server's user sends to a room.
#[utoipa::path(post, path = "/api/token/publisher", tag = "tokens", request_body = ServerTokenWanted,
    responses((status = 200, body = Succeeded<ServerToken>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn publisher(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<ServerTokenWanted>,
) -> Result<Json<Succeeded<ServerToken>>, ApiError> {
    let lifetime = service.settings.lifetimes.publisher;
    service
        .server_token(&caller, wanted, JoinerRole::Publisher, lifetime)
        .await
}

/// A token by which a server's user watches a room.
#[utoipa::path(post, path = "/api/token/viewer", tag = "tokens", request_body = ServerTokenWanted,
    responses((status = 200, body = Succeeded<ServerToken>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn viewer(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<ServerTokenWanted>,
) -> Result<Json<Succeeded<ServerToken>>, ApiError> {
    let lifetime = service.settings.lifetimes.viewer;
    service
        .server_token(&caller, wanted, JoinerRole::Viewer, lifetime)
        .await
}

/// A token by which a media server passes a room on.
#[utoipa::path(post, path = "/api/token/mediaserver", tag = "tokens", request_body = ServerTokenWanted,
    responses((status = 200, body = Succeeded<ServerToken>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn media_server(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<ServerTokenWanted>,
) -> Result<Json<Succeeded<ServerToken>>, ApiError> {
    let lifetime = service.settings.lifetimes.publisher;
    service
        .server_token(&caller, wanted, JoinerRole::Relay, lifetime)
        .await
}

impl Service {
    async fn server_token(
        &self,
        caller: &Caller,
        wanted: ServerTokenWanted,
        role: JoinerRole,
        lifetime: Duration,
    ) -> Result<Json<Succeeded<ServerToken>>, ApiError> {
        caller.server()?;
        let room = parse_id(wanted.room_id)?;
        self.ensure_room(&room).await?;
        let joiner = Joiner {
            room,
            identity: parse_user(role, &wanted.user_id)?,
            name: wanted.user_id,
            role,
            rights: match role {
                JoinerRole::Viewer => Rights::WATCH,
                _ => Rights::ALL,
            },
            captions: OwnCaptions::On,
        };
        Ok(Json(Succeeded {
            success: true,
            data: ServerToken {
                token: self.livekit.token(&joiner, lifetime)?,
                ws_url: self.livekit.public_url().to_owned(),
                room_id: joiner.room.as_str().to_owned(),
                identity: joiner.identity.as_str().to_owned(),
                expires_at: timestamp(self.later(lifetime)),
            },
            timestamp: timestamp(self.now()),
        }))
    }
}

impl Service {
    /// An error unless there is such a room: here now, elsewhere [`RECENT`](crate::recent::RECENT) ago.
    async fn ensure_room(&self, room: &RoomName) -> Result<(), ApiError> {
        let now = self.now();
        let Err(asked) = self.recent_rooms.find(room, now) else {
            return Ok(());
        };
        let found = self.database.room(room).await?;
        found.ok_or_else(ApiError::room_not_found)?;
        self.recent_rooms.keep(asked, room.clone(), (), now);
        Ok(())
    }
}

/// What LiveKit calls a server's user: never what it calls anybody of ours.
fn parse_user(role: JoinerRole, user: &str) -> Result<ParticipantIdentity, ApiError> {
    let user = crate::body::one_line("userId", user, USER_CHARS_MAX)?;
    let kind = match role {
        JoinerRole::Viewer => "viewer",
        JoinerRole::Relay => "relay",
        JoinerRole::Host | JoinerRole::Guest | JoinerRole::Publisher => "publisher",
    };
    ParticipantIdentity::parse(format!("{kind}-{user}"))
        .map_err(|error| ApiError::invalid("userId", error.to_string()))
}

const USER_CHARS_MAX: usize = 128;
