//! Links by which somebody without an account reads a lecture.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use lectern_pipelines::MeetingId;
use lectern_storage::{LectureShare, MeetingOverview};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath},
    caller::{Caller, hash_of_key},
    error::ErrorBody,
    limit::Guess,
    random,
    wire::timestamp,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewShare {
    /// After how many days it ends; null or left out for one that lasts until it is taken back.
    #[schema(minimum = 1, maximum = 365)]
    expires_in_days: Option<u32>,
}

/// Whether there is a link by which somebody without an account reads the lecture.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareView {
    shared: bool,
    /// RFC 3339.
    made_at: Option<String>,
    /// Null for one that lasts until it is taken back.
    expires_at: Option<String>,
}

/// A new link; it is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MadeShare {
    #[serde(flatten)]
    view: ShareView,
    /// To be sent in the header `x-lecture-share`.
    token: String,
    /// The lecture's page with the token after `#`, where no log and no other page learns it: to be added to the service's
    /// address.
    path: String,
}

/// Whether a lecture has a link by which somebody without an account reads it; for who holds the room.
#[utoipa::path(get, path = "/api/lectures/{lectureId}/share", tag = "lectures", params(("lectureId" = String, Path)),
    responses((status = 200, body = ShareView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<ShareView>, ApiError> {
    let (overview, _) = service.held_lecture(&caller, id).await?;
    let share = service
        .database
        .lecture_share(&overview.id, service.now())
        .await?;
    Ok(Json(ShareView::of(share.as_ref())))
}

/// Makes a link by which whoever has it reads the lecture: page, transcripts and PDF, and nothing else. The one before ends.
/// For who holds the room.
#[utoipa::path(post, path = "/api/lectures/{lectureId}/share", tag = "lectures", params(("lectureId" = String, Path)),
    request_body = NewShare, responses((status = 201, body = MadeShare), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn make(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<NewShare>,
) -> Result<(StatusCode, Json<MadeShare>), ApiError> {
    let (overview, account) = service.held_lecture(&caller, id).await?;
    let lasts = wanted.lifetime()?;
    let token = random::secret();
    let share = LectureShare {
        hash: hash_of_key(token.expose_secret()),
        made_at: service.now(),
        expires_at: lasts.map(|lasts| service.later(lasts)),
    };
    service.database.share_lecture(&overview.id, &share).await?;
    service
        .note_share(account.id.as_str(), "lecture.share", &overview)
        .await?;
    let made = MadeShare {
        view: ShareView::of(Some(&share)),
        path: format!("/lectures/{}#share={}", overview.id, token.expose_secret()),
        token: token.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes a lecture's link back: nobody reads it by that any more. There need not be one. For who holds the room.
#[utoipa::path(delete, path = "/api/lectures/{lectureId}/share", tag = "lectures",
    params(("lectureId" = String, Path)), responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn end(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let (overview, account) = service.held_lecture(&caller, id).await?;
    if service.database.stop_sharing_lecture(&overview.id).await? {
        service
            .note_share(account.id.as_str(), "lecture.unshare", &overview)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Service {
    /// The lecture that a link's token is for. A token of another lecture, of a link that ended, and one that never was are
    /// told apart by nobody, nor is a lecture that there is from one that there isn't.
    pub(super) async fn shared_lecture(
        &self,
        caller: &Caller,
        token: &str,
        id: &str,
    ) -> Result<MeetingOverview, ApiError> {
        let found = match MeetingId::parse(id) {
            Ok(id) => self.database.shown_lecture(&id).await?,
            Err(_) => None,
        };
        let share = match &found {
            Some(overview) => self.database.lecture_share(&overview.id, self.now()).await?,
            None => None,
        };
        let fits =
            share.is_some_and(|share| bool::from(hash_of_key(token).as_bytes().ct_eq(share.hash.as_bytes())));
        let guess = match fits {
            true => Guess::Right,
            false => Guess::Wrong,
        };
        let from = format!("share from {}", caller.address);
        self.limiter
            .guess(&[from], self.settings.limits.requests, self.now(), guess)
            .await
            .map_err(ApiError::rate_limited)?;
        found.filter(|_| fits).ok_or_else(|| {
            let message = "this link is of no use any more; ask who shared it for a new one";
            ApiError::new(ErrorCode::LinkEnded, message)
        })
    }

    async fn note_share(
        &self,
        actor: &str,
        action: &'static str,
        overview: &MeetingOverview,
    ) -> Result<(), ApiError> {
        self.note(
            Some(actor),
            action,
            Some(&overview.room),
            Some(overview.id.as_str()),
        )
        .await
    }
}

impl NewShare {
    fn lifetime(&self) -> Result<Option<Duration>, ApiError> {
        match self.expires_in_days {
            Some(0 | 366..) => Err(ApiError::out_of_range("expiresInDays", 1, 365)),
            days => Ok(days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600))),
        }
    }
}

impl ShareView {
    fn of(share: Option<&LectureShare>) -> Self {
        Self {
            shared: share.is_some(),
            made_at: share.map(|share| timestamp(share.made_at)),
            expires_at: share.and_then(|share| share.expires_at).map(timestamp),
        }
    }
}
