//! What LiveKit tells us: rooms that begin and end, people who come.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::RoomStatus;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{ApiError, ErrorCode, Service, error::ErrorBody};

/// An event, as much of it as we need.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event: String,
    id: String,
    /// Seconds since 1970, as a text or a number.
    #[serde(default)]
    created_at: Seconds,
    room: Option<EventRoom>,
    participant: Option<EventParticipant>,
}

#[derive(Debug, Deserialize)]
struct EventRoom {
    name: String,
}

#[derive(Debug, Deserialize)]
struct EventParticipant {
    identity: String,
}

/// Protobuf's JSON writes 64-bit numbers as texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Seconds {
    Text(String),
    Number(i64),
}

impl Default for Seconds {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// Takes an event of LiveKit's: signed by our key, at most five minutes old, each once.
#[utoipa::path(post, path = "/api/livekit/webhook", tag = "operations",
    request_body(content = String, content_type = "application/webhook+json"),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn take(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let digest = token.and_then(|token| service.livekit.signed_digest(token));
    let is_signed = digest.is_some_and(|digest| fits(&digest, &body));
    if !is_signed {
        return Err(ApiError::unauthenticated(
            "this is not signed by LiveKit with our key",
        ));
    }
    let event: Event = serde_json::from_slice(&body)
        .map_err(|_| ApiError::new(ErrorCode::BadRequest, "this is no event of LiveKit's"))?;
    let now = service.now();
    if event.created_at.as_millis() < now.saturating_sub(EVENT_AGE_MAX) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "this event is older than five minutes",
        ));
    }
    let forget = now.saturating_sub(REMEMBERED);
    let id: String = event.id.chars().filter(|letter| !letter.is_control()).collect();
    if service.database.take_webhook_event(&id, now, forget).await?
        && let Err(error) = service.apply(&event).await
    {
        // LiveKit sends it again.
        service.database.forget_webhook_event(&id).await?;
        return Err(error);
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Service {
    /// What is known of rooms that we did not make is nobody's business here.
    async fn apply(&self, event: &Event) -> Result<(), ApiError> {
        let Some(room) = event
            .room
            .as_ref()
            .and_then(|room| RoomName::parse(&*room.name).ok())
        else {
            return Ok(());
        };
        match (event.event.as_str(), &event.participant) {
            ("room_started", _) => {
                self.database
                    .set_room_status(&room, RoomStatus::Live, self.now())
                    .await?;
            }
            ("room_finished", _) => self.note_end(&room).await?,
            ("participant_joined", Some(participant)) => {
                self.turn_away(&room, &participant.identity).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Seconds {
    fn as_millis(&self) -> UnixMillis {
        let seconds = match self {
            Self::Text(text) => text.parse().unwrap_or(0),
            Self::Number(number) => *number,
        };
        UnixMillis(seconds.saturating_mul(1_000))
    }
}

/// Whether `digest` is the body's SHA-256 in base 64.
fn fits(digest: &str, body: &[u8]) -> bool {
    let given = BASE64_STANDARD.decode(digest).unwrap_or_default();
    Sha256::digest(body).as_slice().ct_eq(&given).into()
}

/// Who replays an older one is refused.
const EVENT_AGE_MAX: Duration = Duration::from_secs(5 * 60);
/// For longer than an event may be old.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
