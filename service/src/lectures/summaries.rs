//! A lecture's summaries: asked for again, and all that were made.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::{WISH_CHARS_MAX, is_language_tag, summary_json};
use lectern_storage::{SummaryOrder, SummaryVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath, some_text},
    caller::Caller,
    error::{ErrorBody, Rule},
    wire::{Items, timestamp},
};

/// What another summary is to be like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The language to write in, BCP 47; that of the lecture if left out.
    #[schema(max_length = 35)]
    language: Option<String>,
    /// What to write about, how much and in which style, in words of one's own. A language model takes it for a wish,
    /// which changes neither the form of a summary nor what it may rest on.
    #[serde(alias = "prompt")]
    #[schema(max_length = 1000)]
    instructions: Option<String>,
}

/// A summary that will be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ordered {
    /// Which of the lecture's summaries it will be.
    version: u64,
}

/// One of a lecture's summaries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryVersionView {
    version: u64,
    /// What was asked for.
    language: Option<String>,
    instructions: Option<String>,
    /// The account that asked, and when (RFC 3339); null for the one that each lecture gets by itself.
    asked_by: Option<String>,
    asked_at: Option<String>,
    /// Null while it waits to be made.
    made_at: Option<String>,
    /// As in the lecture; null while it waits to be made.
    #[schema(value_type = Option<Object>)]
    summary: Value,
}

/// Asks for another summary; for who holds the room. The worker makes it, by its language model if it has one; without,
/// it is built in, and can follow neither language nor instructions. The newest is shown, the last twenty are kept.
#[utoipa::path(post, path = "/api/lectures/{lectureId}/summarise", tag = "lectures",
    params(("lectureId" = String, Path)), request_body = Wanted,
    responses((status = 202, body = Ordered), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn order(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Ordered>), ApiError> {
    let (overview, account) = service.held_lecture(&caller, id).await?;
    let order = wanted.parse()?;
    let version = service
        .database
        .order_summary(&overview.id, &order, &account.id, service.now())
        .await?;
    let not_yet = || {
        let message = "the last summary is not made yet; ask again when the lecture is summarised";
        ApiError::new(ErrorCode::NotYet, message)
    };
    let version = version.ok_or_else(not_yet)?;
    let (by, lecture) = (account.id.as_str(), overview.id.as_str());
    service
        .note(Some(by), "lecture.summarise", Some(&overview.room), Some(lecture))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Ordered { version })))
}

/// All summaries of a lecture, the newest first; for who holds the room.
#[utoipa::path(get, path = "/api/lectures/{lectureId}/summaries", tag = "lectures",
    params(("lectureId" = String, Path)),
    responses((status = 200, body = Items<SummaryVersionView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Items<SummaryVersionView>>, ApiError> {
    let (overview, _) = service.held_lecture(&caller, id).await?;
    let versions = service.database.summaries(&overview.id).await?;
    Ok(Json(Items::all(
        versions.into_iter().map(SummaryVersionView::of).collect(),
    )))
}

impl Wanted {
    fn parse(self) -> Result<SummaryOrder, ApiError> {
        if !self.language.as_deref().is_none_or(is_language_tag) {
            let message = "a BCP 47 tag such as en or pt-BR";
            return Err(ApiError::broken("language", Rule::Language, message));
        }
        let instructions = self.instructions.as_deref();
        let instructions = instructions.map(|text| some_text("instructions", text, WISH_CHARS_MAX));
        Ok(SummaryOrder {
            language: self.language,
            instructions: instructions.transpose()?.map(str::to_owned),
        })
    }
}

impl SummaryVersionView {
    fn of(version: SummaryVersion) -> Self {
        let (asked_by, asked_at) = version.asked.unzip();
        Self {
            version: version.version,
            language: version.order.language,
            instructions: version.order.instructions,
            asked_by,
            asked_at: asked_at.map(timestamp),
            made_at: version.made_at.map(timestamp),
            summary: version.summary.as_ref().map(summary_json).unwrap_or_default(),
        }
    }
}
