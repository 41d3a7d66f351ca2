//! The pieces of a transcript: read one by one, and put right.

use std::sync::Arc;

use axum::{Json, extract::State};
use lectern_pipelines::{ParticipantIdentity, SegmentId};
use lectern_storage::{Corrected, Correction, SegmentVersion, StoredSegment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath, InQuery, Paging, some_text},
    caller::Caller,
    error::{ErrorBody, Rule},
    wire::{Items, timestamp},
};

/// A piece of speech as it reads now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentView {
    id: String,
    /// Since the lecture began.
    start_ms: u64,
    end_ms: u64,
    /// BCP 47.
    language: Option<String>,
    /// What LiveKit calls the speaker.
    identity: String,
    name: String,
    /// Plain text: whoever shows it has to show it as it is.
    text: String,
    /// To be sent along with a correction; 0 for what is as it was heard.
    version: u64,
    /// RFC 3339; null for what is as it was heard.
    corrected_at: Option<String>,
}

/// What a piece of speech read at one time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionView {
    version: u64,
    identity: String,
    name: String,
    text: String,
    /// RFC 3339; null for what was heard.
    corrected_at: Option<String>,
    /// The account's id; null for what was heard.
    corrected_by: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewText {
    /// What was said.
    #[schema(max_length = 5000)]
    text: String,
    /// Who said it, by identity, of those who were there; left out where that is right.
    speaker: Option<String>,
    /// The version that was read: a correction of another one is refused. Left out, it corrects whatever is there.
    version: Option<u64>,
}

/// What was said, piece by piece, the first first.
#[utoipa::path(get, path = "/api/lectures/{lectureId}/segments", tag = "lectures",
    params(("lectureId" = String, Path), Paging),
    responses((status = 200, body = Items<SegmentView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<SegmentView>>, ApiError> {
    let (overview, _) = service.readable_lecture(&caller, id).await?;
    let (limit, after) = paging.parse()?;
    let page = service
        .database
        .segments(&overview.id, limit, after.as_ref())
        .await?;
    Ok(Json(Items::of(page, SegmentView::of)))
}

/// Puts right what was misheard; for who holds the room. What it was is kept, and the lecture's files are made anew.
#[utoipa::path(patch, path = "/api/lectures/{lectureId}/segments/{segmentId}", tag = "lectures",
    params(("lectureId" = String, Path), ("segmentId" = String, Path)), request_body = NewText,
    responses((status = 200, body = SegmentView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn correct(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, segment)): InPath<(String, String)>,
    Body(new): Body<NewText>,
) -> Result<Json<SegmentView>, ApiError> {
    let (overview, account) = service.held_lecture(&caller, id).await?;
    let segment = SegmentId::parse(segment).map_err(|_| no_segment())?;
    let nobody = || ApiError::broken("speaker", Rule::Unknown, "nobody of this identity was there");
    let speaker = new.speaker.map(ParticipantIdentity::parse).transpose();
    let speaker = speaker.map_err(|_| nobody())?;
    let correction = Correction {
        text: some_text("text", &new.text, TEXT_CHARS_MAX)?,
        speaker: speaker.as_ref(),
        revision: new.version,
        by: &account.id,
    };
    let corrected = service
        .database
        .correct_segment(&overview.id, &segment, correction, service.now())
        .await?;
    let corrected = match corrected {
        Corrected::Done(corrected) => corrected,
        Corrected::Meanwhile(other) => {
            let message = "somebody else corrected this meanwhile; read it again";
            let details = serde_json::json!({ "version": other.current.revision });
            return Err(ApiError::new(ErrorCode::SegmentChanged, message).with_details(details));
        }
        Corrected::NobodyThere => return Err(nobody()),
        Corrected::NoSegment => return Err(no_segment()),
    };
    service
        .note(
            Some(account.id.as_str()),
            "lecture.correct",
            Some(&overview.room),
            Some(segment.as_str()),
        )
        .await?;
    Ok(Json(SegmentView::of(&corrected)))
}

/// All that a piece of speech read as, the newest first; for who holds the room.
#[utoipa::path(get, path = "/api/lectures/{lectureId}/segments/{segmentId}/versions", tag = "lectures",
    params(("lectureId" = String, Path), ("segmentId" = String, Path)),
    responses((status = 200, body = Items<VersionView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn versions(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, segment)): InPath<(String, String)>,
) -> Result<Json<Items<VersionView>>, ApiError> {
    let (overview, _) = service.held_lecture(&caller, id).await?;
    let segment = SegmentId::parse(segment).map_err(|_| no_segment())?;
    let versions = service.database.segment_versions(&overview.id, &segment).await?;
    match versions.is_empty() {
        true => Err(no_segment()),
        false => Ok(Json(Items::all(versions.iter().map(VersionView::of).collect()))),
    }
}

fn no_segment() -> ApiError {
    ApiError::new(ErrorCode::SegmentNotFound, "this lecture has no such segment")
}

/// Some minutes of speech.
const TEXT_CHARS_MAX: usize = 5_000;

impl SegmentView {
    fn of(segment: &StoredSegment) -> Self {
        let current = &segment.current;
        Self {
            id: segment.id.as_str().to_owned(),
            start_ms: segment.start.as_millis(),
            end_ms: segment.end.as_millis(),
            language: segment.language.clone(),
            identity: current.speaker.identity.as_str().to_owned(),
            name: current.speaker.name.clone(),
            text: current.text.clone(),
            version: current.revision,
            corrected_at: current.corrected_at.map(timestamp),
        }
    }
}

impl VersionView {
    fn of(version: &SegmentVersion) -> Self {
        Self {
            version: version.revision,
            identity: version.speaker.identity.as_str().to_owned(),
            name: version.speaker.name.clone(),
            text: version.text.clone(),
            corrected_at: version.corrected_at.map(timestamp),
            corrected_by: version.corrected_by.clone(),
        }
    }
}
