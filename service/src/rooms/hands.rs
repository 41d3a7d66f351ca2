//! Raised hands: a queue that everybody in the room sees.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::RoomName;
use lectern_storage::{Audience, Hand, NewEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{inside::Role, parse_id};
use crate::{
    ApiError, Service,
    body::{InPath, InQuery},
    caller::Caller,
    error::ErrorBody,
    wire::{Items, timestamp},
};

/// A raised hand.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandView {
    /// What LiveKit calls who raised it.
    identity: String,
    /// What they call themselves.
    name: String,
    /// RFC 3339.
    raised_at: String,
}

/// Whose hand.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhoseHand {
    /// The identity of who raised it; one's own if it is left out. Only hosts lower the hands of others.
    target: Option<String>,
}

/// Raises one's hand; it stays up, and keeps its place, if it is up already.
#[utoipa::path(post, path = "/api/rooms/{roomId}/hand-raise", tag = "hands", params(("roomId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn raise(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    service.still_open(&room)?;
    let hand = Hand {
        identity: person.identity,
        name: person.name,
        raised_at: service.now(),
    };
    let told = NewEvent::about(Audience::All, "hand.raised", &HandView::of(&hand));
    service.database.raise_hand(&room.id, &hand, told).await?;
    service.feeds.announce(&room.id);
    Ok(StatusCode::NO_CONTENT)
}

/// Lowers a hand; it may be down already.
#[utoipa::path(delete, path = "/api/rooms/{roomId}/hand-raise", tag = "hands",
    params(("roomId" = String, Path), WhoseHand),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn lower(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(whose): InQuery<WhoseHand>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    let identity = whose.target.unwrap_or_else(|| person.identity.clone());
    if identity.contains('\0') {
        return Err(ApiError::invalid("target", "this can be nobody's identity"));
    }
    if identity != person.identity && person.role != Role::Host {
        return Err(ApiError::forbidden("only hosts lower the hands of others"));
    }
    service.lower_hand(&room.id, &identity).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose hand is up, the longest first.
#[utoipa::path(get, path = "/api/rooms/{roomId}/hands", tag = "hands", params(("roomId" = String, Path)),
    responses((status = 200, body = Items<HandView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Items<HandView>>, ApiError> {
    let (room, _) = service.inside(&caller, &parse_id(id)?).await?;
    let hands = service.database.hands(&room.id, HANDS_MAX).await?;
    Ok(Json(Items::all(hands.iter().map(HandView::of).collect())))
}

impl Service {
    /// Lowers somebody's hand, if it is up.
    pub(crate) async fn lower_hand(&self, room: &RoomName, identity: &str) -> Result<(), ApiError> {
        let told = NewEvent::about(Audience::All, "hand.lowered", &json!({ "identity": identity }));
        let lowered = self.database.lower_hand(room, identity, self.now(), told).await?;
        if lowered {
            self.feeds.announce(room);
        }
        Ok(())
    }
}

impl HandView {
    fn of(hand: &Hand) -> Self {
        Self {
            identity: hand.identity.clone(),
            name: hand.name.clone(),
            raised_at: timestamp(hand.raised_at),
        }
    }
}

/// More hands than this nobody looks through.
const HANDS_MAX: u32 = 1_000;
