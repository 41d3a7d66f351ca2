//! The language that somebody speaks, where it is not the room's.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use lectern_pipelines::is_language_tag;
use serde::Deserialize;
use utoipa::ToSchema;

use super::parse_id;
use crate::{
    ApiError, Service,
    body::{Body, InPath},
    caller::Caller,
    error::{ErrorBody, Rule},
};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Spoken {
    /// BCP 47; null for the room's.
    language: Option<String>,
}

/// Says which language the caller speaks in a room that they are in: they are listened to in it from their next pause
/// on. It holds until they leave.
#[utoipa::path(put, path = "/api/rooms/{roomId}/spoken-language", tag = "captions", params(("roomId" = String, Path)),
    request_body = Spoken, responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn speak(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(Spoken { language }): Body<Spoken>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    service.still_open(&room)?;
    if !language.as_deref().is_none_or(is_language_tag) {
        let message = "a BCP 47 tag such as en or pt-BR";
        return Err(ApiError::broken("language", Rule::Language, message));
    }
    service
        .livekit
        .set_language(&room.id, &person.identity, language.unwrap_or_default())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
