//! What operators look after: the keys of other servers, and who did what.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_storage::{ApiKey, AuditEntry};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, Service,
    body::{Body, InPath, InQuery, Paging, one_line},
    caller::{Caller, hash_of_key},
    error::ErrorBody,
    random,
    wire::{Items, timestamp},
};

/// A server's key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyView {
    id: String,
    name: String,
    created_at: String,
    revoked_at: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewKey {
    /// What it is for.
    #[schema(max_length = 80)]
    name: String,
}

/// A new key; it is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    view: ApiKeyView,
    /// To be sent in the header `x-api-key`.
    key: String,
}

/// Every key there was.
#[utoipa::path(get, path = "/api/keys", tag = "operations",
    responses((status = 200, body = Items<ApiKeyView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<Items<ApiKeyView>>, ApiError> {
    caller.admin()?;
    let keys = service.database.api_keys().await?;
    Ok(Json(Items::all(keys.iter().map(ApiKeyView::of).collect())))
}

/// Makes a key.
#[utoipa::path(post, path = "/api/keys", tag = "operations", request_body = NewKey,
    responses((status = 201, body = MadeKey), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn make(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), ApiError> {
    let admin = caller.admin()?;
    let name = one_line("name", &wanted.name, NAME_CHARS_MAX)?;
    let key = format!("lk_{}", random::secret().expose_secret());
    let stored = service
        .database
        .create_api_key(&name, &hash_of_key(&key), &admin.id, service.now())
        .await?;
    service
        .note(Some(admin.id.as_str()), "key.create", None, Some(&stored.id))
        .await?;
    let view = ApiKeyView::of(&stored);
    Ok((StatusCode::CREATED, Json(MadeKey { view, key })))
}

/// Makes a key useless from now on.
#[utoipa::path(delete, path = "/api/keys/{keyId}", tag = "operations", params(("keyId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn revoke(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.admin()?;
    if id.contains('\0') || !service.database.revoke_api_key(&id, service.now()).await? {
        return Err(ApiError::not_found(&format!("/api/keys/{}", id.escape_default())));
    }
    service.recent_keys.forget(|_, key| key.id == id);
    service
        .note(Some(admin.id.as_str()), "key.revoke", None, Some(&id))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView {
    id: String,
    at: String,
    /// An account's or a key's id; null for the service itself.
    actor: Option<String>,
    action: String,
    room_id: Option<String>,
    target: Option<String>,
    /// The code of the error by which it failed, though some of it was done; null where all of it was.
    outcome: Option<String>,
}

/// Who did what, the latest first.
#[utoipa::path(get, path = "/api/audit", tag = "operations", params(Paging),
    responses((status = 200, body = Items<AuditView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn audit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<AuditView>>, ApiError> {
    caller.admin()?;
    let (limit, after) = paging.parse()?;
    let page = service.database.audit_entries(limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, AuditView::of)))
}

impl ApiKeyView {
    fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            created_at: timestamp(key.created_at),
            revoked_at: key.revoked_at.map(timestamp),
        }
    }
}

impl AuditView {
    fn of(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.clone(),
            at: timestamp(entry.at),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            room_id: entry.room.clone(),
            target: entry.target.clone(),
            outcome: entry.outcome.clone(),
        }
    }
}

const NAME_CHARS_MAX: usize = 80;
