//! Webhooks out: others' endpoints that are told what happens here.

pub(crate) mod courier;
mod guard;
mod schedule;
mod sign;

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::{DeliveryId, HookId};
use lectern_storage::{
    Account, AccountRole, Delivery, DeliveryState, Hook, HookChange, HookTopic, NewHook, Switch,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath, InQuery, Paging, one_line},
    caller::Caller,
    error::{ErrorBody, Rule},
    rooms::parse_id,
    wire::{Items, timestamp},
};

/// What an endpoint can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Topic {
    /// A lecture's transcript, summary and PDF are there; again when they were made anew.
    #[serde(rename = "lecture.ready")]
    LectureReady,
    /// A room was opened.
    #[serde(rename = "room.started")]
    RoomStarted,
    /// A room is over.
    #[serde(rename = "room.finished")]
    RoomFinished,
    /// Somebody said something, and these words will not change.
    #[serde(rename = "caption.final")]
    CaptionFinal,
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookView {
    id: String,
    url: String,
    description: String,
    /// The one room that it is about; null for all.
    room_id: Option<String>,
    /// What is told: `lecture.ready`, `room.started`, `room.finished`, `caption.final`.
    events: Vec<&'static str>,
    created_at: String,
    /// Whether anything is sent.
    enabled: bool,
    /// Why and since when nothing is sent; null while it is.
    off: Option<OffView>,
    /// Since when every attempt has failed; null while they succeed.
    failing_since: Option<String>,
    /// How many attempts in a row have failed.
    failures: u32,
    /// How much was left out because 10,000 things waited already.
    dropped: u64,
    dropped_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OffView {
    at: String,
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewHookBody {
    /// Where things are told, `https://…`.
    #[schema(max_length = 2048)]
    url: String,
    /// What is told.
    #[schema(min_items = 1)]
    events: Vec<Topic>,
    /// The one room that it is about. Only administrators may leave it out, and be told of all rooms.
    room_id: Option<String>,
    /// What it is for.
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// What changes; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedHook {
    #[schema(max_length = 2048)]
    url: Option<String>,
    #[schema(min_items = 1)]
    events: Option<Vec<Topic>>,
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Whether anything is sent. What waits meanwhile is sent later; what happens meanwhile is not told.
    enabled: Option<bool>,
}

/// A new webhook; its secret is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeHook {
    #[serde(flatten)]
    view: HookView,
    /// Signs what is sent: see docs/webhooks.md.
    secret: String,
}

/// Something that is or was told. What it says is not shown here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryView {
    id: String,
    /// The header `webhook-id`: the same however often it is told.
    event_id: String,
    /// `lecture.ready`, `room.started`, `room.finished`, `caption.final` or `ping`.
    event: &'static str,
    room_id: Option<String>,
    lecture_id: Option<String>,
    /// `waiting`, `delivered` or `given-up`.
    state: &'static str,
    queued_at: String,
    attempts: u32,
    last_attempt_at: Option<String>,
    /// Null unless it waits.
    next_attempt_at: Option<String>,
    /// What the endpoint answered last, as HTTP has it.
    status: Option<u16>,
    /// What was wrong last.
    failure: Option<String>,
}

/// The webhooks of one's own rooms, the latest first; all for an administrator.
#[utoipa::path(get, path = "/api/webhooks", tag = "webhooks", params(Paging),
    responses((status = 200, body = Items<HookView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<HookView>>, ApiError> {
    let owner = caller.listed_owner()?;
    let (limit, after) = paging.parse()?;
    let page = service.database.hooks(owner, limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, HookView::of)))
}

/// Makes a webhook: for a room by who holds it, for all rooms by an administrator.
#[utoipa::path(post, path = "/api/webhooks", tag = "webhooks", request_body = NewHookBody,
    responses((status = 201, body = MadeHook), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn make(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(wanted): Body<NewHookBody>,
) -> Result<(StatusCode, Json<MadeHook>), ApiError> {
    let account = caller.account()?;
    let room = match wanted.room_id {
        Some(id) => Some(service.held_room(&caller, &parse_id(id)?).await?.0.id),
        None if account.role == AccountRole::Admin => None,
        None => {
            let message = "only administrators may be told of all rooms; name one of yours in roomId";
            return Err(ApiError::forbidden(message));
        }
    };
    let secret = sign::fresh_secret();
    let new = NewHook {
        url: &service.checked_url(&wanted.url)?,
        description: &described(wanted.description.as_deref())?.unwrap_or_default(),
        secret: &secret,
        room: room.as_ref(),
        topics: &stored_topics(&wanted.events)?,
    };
    let made = service
        .database
        .create_hook(new, HOOKS_MAX, service.now())
        .await?;
    let Some(hook) = made else {
        let message = format!("there are {HOOKS_MAX} webhooks here already; delete one first");
        return Err(ApiError::new(ErrorCode::TooManyWebhooks, message));
    };
    service.note_hook(account, "webhook.create", &hook).await?;
    let made = MadeHook {
        view: HookView::of(&hook),
        secret: secret.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// One webhook.
#[utoipa::path(get, path = "/api/webhooks/{webhookId}", tag = "webhooks", params(("webhookId" = String, Path)),
    responses((status = 200, body = HookView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<HookView>, ApiError> {
    let (hook, _) = service.managed_hook(&caller, id).await?;
    Ok(Json(HookView::of(&hook)))
}

/// Changes a webhook, or switches it on or off.
#[utoipa::path(patch, path = "/api/webhooks/{webhookId}", tag = "webhooks", params(("webhookId" = String, Path)),
    request_body = ChangedHook,
    responses((status = 200, body = HookView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<ChangedHook>,
) -> Result<Json<HookView>, ApiError> {
    let (hook, account) = service.managed_hook(&caller, id).await?;
    let url = wanted
        .url
        .as_deref()
        .map(|url| service.checked_url(url))
        .transpose()?;
    let topics = wanted.events.as_deref().map(stored_topics).transpose()?;
    let description = described(wanted.description.as_deref())?;
    let change = HookChange {
        url: url.as_deref(),
        description: description.as_deref(),
        topics: topics.as_deref(),
        switch: wanted.enabled.map(|enabled| match enabled {
            true => Switch::On,
            false => Switch::Off("somebody switched it off"),
        }),
    };
    let changed = service
        .database
        .change_hook(&hook.id, change, service.now())
        .await?;
    let changed = changed.ok_or_else(no_hook)?;
    service.note_hook(&account, "webhook.change", &changed).await?;
    Ok(Json(HookView::of(&changed)))
}

/// Removes a webhook and all that was to be told.
#[utoipa::path(delete, path = "/api/webhooks/{webhookId}", tag = "webhooks", params(("webhookId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let (hook, account) = service.managed_hook(&caller, id).await?;
    service.database.delete_hook(&hook.id).await?;
    service.note_hook(&account, "webhook.delete", &hook).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a `ping` to an endpoint, to try it; `…/deliveries` says within seconds what came of it.
#[utoipa::path(post, path = "/api/webhooks/{webhookId}/ping", tag = "webhooks", params(("webhookId" = String, Path)),
    responses((status = 202, body = DeliveryView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn ping(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let (hook, _) = service.managed_hook(&caller, id).await?;
    check_is_on(&hook)?;
    let queued = service.database.queue_ping(&hook.id, service.now()).await?;
    let full = || ApiError::new(ErrorCode::WebhookFull, "too much waits for this webhook already");
    Ok((
        StatusCode::ACCEPTED,
        Json(DeliveryView::of(&queued.ok_or_else(full)?)),
    ))
}

/// What is and was told to an endpoint, the latest first.
#[utoipa::path(get, path = "/api/webhooks/{webhookId}/deliveries", tag = "webhooks",
    params(("webhookId" = String, Path), Paging),
    responses((status = 200, body = Items<DeliveryView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn deliveries(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<DeliveryView>>, ApiError> {
    let (hook, _) = service.managed_hook(&caller, id).await?;
    let (limit, after) = paging.parse()?;
    let page = service
        .database
        .deliveries(&hook.id, limit, after.as_ref())
        .await?;
    Ok(Json(Items::of(page, DeliveryView::of)))
}

/// Tells an endpoint something again, under the same event id, as a delivery of its own.
#[utoipa::path(post, path = "/api/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", tag = "webhooks",
    params(("webhookId" = String, Path), ("deliveryId" = String, Path)),
    responses((status = 202, body = DeliveryView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn redeliver(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, delivery)): InPath<(String, String)>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let (hook, account) = service.managed_hook(&caller, id).await?;
    let missing = || {
        let message = "nothing of this id was told to this webhook, or it was too long ago";
        ApiError::new(ErrorCode::DeliveryNotFound, message)
    };
    let delivery = DeliveryId::parse(delivery).map_err(|_| missing())?;
    check_is_on(&hook)?;
    let queued = service
        .database
        .queue_again(&hook.id, &delivery, service.now())
        .await?;
    let queued = queued.ok_or_else(missing)?;
    service.note_hook(&account, "webhook.redeliver", &hook).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::of(&queued))))
}

impl Service {
    /// A webhook that the caller may change: who holds its room may, and administrators.
    async fn managed_hook(&self, caller: &Caller, id: String) -> Result<(Hook, Account), ApiError> {
        let account = caller.account()?;
        let id = HookId::parse(id).map_err(|_| no_hook())?;
        let hook = self.database.hook(&id).await?.ok_or_else(no_hook)?;
        match (&hook.room, account.role) {
            (_, AccountRole::Admin) => {}
            (Some(room), AccountRole::Host) => {
                self.held_room(caller, room).await?;
            }
            (None, AccountRole::Host) => {
                return Err(ApiError::forbidden(
                    "this webhook is about all rooms, and administrators'",
                ));
            }
        }
        Ok((hook, account.clone()))
    }

    fn checked_url(&self, text: &str) -> Result<String, ApiError> {
        let url = self.courier.guard.parse(text.trim());
        url.map(String::from)
            .map_err(|refused| ApiError::broken("url", Rule::Url, refused.to_string()))
    }

    async fn note_hook(&self, by: &Account, action: &'static str, hook: &Hook) -> Result<(), ApiError> {
        let (by, target) = (Some(by.id.as_str()), Some(hook.id.as_str()));
        self.note(by, action, hook.room.as_ref(), target).await
    }
}

impl HookView {
    fn of(hook: &Hook) -> Self {
        Self {
            id: hook.id.as_str().to_owned(),
            url: hook.url.clone(),
            description: hook.description.clone(),
            room_id: hook.room.as_ref().map(|room| room.as_str().to_owned()),
            events: hook.topics.iter().map(|topic| topic.as_str()).collect(),
            created_at: timestamp(hook.created_at),
            enabled: hook.off.is_none(),
            off: hook.off.as_ref().map(|off| OffView {
                at: timestamp(off.at),
                reason: off.reason.clone(),
            }),
            failing_since: hook.failing.since.map(timestamp),
            failures: hook.failing.attempts,
            dropped: hook.dropped,
            dropped_at: hook.dropped_at.map(timestamp),
        }
    }
}

impl DeliveryView {
    fn of(delivery: &Delivery) -> Self {
        let event = &delivery.event;
        let waits = delivery.state == DeliveryState::Waiting;
        Self {
            id: delivery.id.as_str().to_owned(),
            event_id: event.id.clone(),
            event: event.topic.as_str(),
            room_id: event.room.as_ref().map(|room| room.as_str().to_owned()),
            lecture_id: event.meeting.as_ref().map(|meeting| meeting.as_str().to_owned()),
            state: delivery.state.as_str(),
            queued_at: timestamp(delivery.queued_at),
            attempts: delivery.attempts,
            last_attempt_at: delivery.last_attempt_at.map(timestamp),
            next_attempt_at: waits.then(|| timestamp(delivery.next_at)),
            status: delivery.status,
            failure: delivery.failure.clone(),
        }
    }
}

impl Topic {
    fn stored(self) -> HookTopic {
        match self {
            Self::LectureReady => HookTopic::LectureReady,
            Self::RoomStarted => HookTopic::RoomStarted,
            Self::RoomFinished => HookTopic::RoomFinished,
            Self::CaptionFinal => HookTopic::CaptionFinal,
        }
    }
}

fn stored_topics(topics: &[Topic]) -> Result<Vec<HookTopic>, ApiError> {
    match topics.is_empty() {
        true => Err(ApiError::invalid("events", "say what is to be told")),
        false => Ok(topics.iter().map(|topic| topic.stored()).collect()),
    }
}

/// A description may be taken away by an empty one.
fn described(text: Option<&str>) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if !text.trim().is_empty() => {
            one_line("description", text, DESCRIPTION_CHARS_MAX).map(Some)
        }
        Some(_) => Ok(Some(String::new())),
        None => Ok(None),
    }
}

fn check_is_on(hook: &Hook) -> Result<(), ApiError> {
    match &hook.off {
        None => Ok(()),
        Some(off) => {
            let message = format!(
                "this webhook is switched off ({}); switch it on first",
                off.reason
            );
            Err(ApiError::new(ErrorCode::WebhookOff, message))
        }
    }
}

fn no_hook() -> ApiError {
    ApiError::new(
        ErrorCode::WebhookNotFound,
        "there is no such webhook, or no longer",
    )
}

const DESCRIPTION_CHARS_MAX: usize = 200;
/// How many webhooks a room may have, and how many may be about all rooms.
const HOOKS_MAX: u32 = 20;
