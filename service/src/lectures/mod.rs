//! Lectures: what was said in rooms, and what was made of it.

mod search;
pub(crate) mod segments;
pub(crate) mod share;
pub(crate) mod summaries;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_pipelines::{ExportFormat, GuestState, Lecture, MeetingId, RoomName, Summary, export};
use lectern_storage::{Account, Artifact, LECTURE_PDF, MeetingOverview, SHARED_PDF};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use self::search::{Highlight, Search, found_view};
use crate::{
    ApiError, ErrorCode, Service,
    body::{InPath, InQuery, Paging},
    caller::{Caller, Standing},
    error::ErrorBody,
    file_name::kept,
    rooms::{chat::MessageView, files::SharedFileView},
    wire::{Items, timestamp},
};

/// A lecture as lists show it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LectureView {
    id: String,
    room_id: String,
    /// What it was about; what its room is called until there is a summary, or null.
    title: Option<String>,
    /// `live`, `ended`, `transcribed`, `summarised` or `rendered`: how far it has come.
    stage: &'static str,
    /// RFC 3339.
    started_at: String,
    ended_at: Option<String>,
    /// BCP 47.
    language: Option<String>,
    /// How many pieces of speech there are.
    segments: u64,
    participants: u64,
    /// Why the next stage has not been reached, if it was tried.
    failure: Option<String>,
    /// Where it has what was looked for; in the replies to searches alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    highlights: Option<Vec<Highlight>>,
}

/// A lecture, whole but for its transcript.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WholeLecture {
    #[serde(flatten)]
    overview: LectureView,
    duration_ms: u64,
    /// Who was there: `identity`, `name`.
    #[schema(value_type = Vec<Object>)]
    participant_list: Value,
    /// What is known to be missing: `name`, `startMs`, `endMs`, `reason`.
    #[schema(value_type = Vec<Object>)]
    gaps: Value,
    /// `title`, `abstract`, `chapters`, `keyTerms`, `actionItems`, `coveragePercent`, `source`; with `olderThanTranscript`
    /// where something that it rests on was corrected since; null until there is one.
    #[schema(value_type = Option<Object>)]
    summary: Value,
    /// What people in the room wrote meanwhile, in order: the first thousand messages that were not deleted.
    chat: Vec<MessageView>,
    /// What can be fetched.
    files: Vec<FileView>,
    /// What people shared in its room while it lasted.
    shared_files: Vec<SharedFileView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileView {
    name: String,
    media_type: String,
    url: String,
}

/// One's own lectures, the latest first; all for an administrator. With `q`, those that have what it looks for.
#[utoipa::path(get, path = "/api/lectures", tag = "lectures", params(Search, Paging),
    responses((status = 200, body = Items<LectureView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(search): InQuery<Search>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<LectureView>>, ApiError> {
    let owner = caller.listed_owner()?;
    let (query, (limit, after)) = (search.parse()?, paging.parse()?);
    let (database, after) = (&service.database, after.as_ref());
    let Some(query) = query else {
        let page = database.lectures(owner, limit, after).await?;
        return Ok(Json(Items::of(page, LectureView::of)));
    };
    let page = database.search_lectures(owner, &query, limit, after).await?;
    Ok(Json(Items::of(page, |found| found_view(&query, found))))
}

/// A lecture: summary, chapters, key terms, action items, who was there, what is missing, and its files.
#[utoipa::path(get, path = "/api/lectures/{lectureId}", tag = "lectures", params(("lectureId" = String, Path)),
    responses((status = 200, body = WholeLecture), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<WholeLecture>, ApiError> {
    let (overview, reader) = service.readable_lecture(&caller, id).await?;
    let (lecture, summary) = service.stored_lecture(&overview.id).await?;
    let artifacts = service.database.artifacts(&overview.id).await?;
    let (chat, shared_files) = match reader {
        // What people wrote and shared was for who was there.
        Reader::ByLink => (Vec::new(), Vec::new()),
        Reader::Member => service.left_by_people(&overview).await?,
    };
    let duration_ms = u64::try_from(lecture.duration.as_millis()).unwrap_or(u64::MAX);
    let mut exported = written(lecture, summary, ExportFormat::Json)
        .await
        .and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(ApiError::internal))?;
    let mut take = |field: &str| exported.remove(field).unwrap_or_default();
    Ok(Json(WholeLecture {
        duration_ms,
        participant_list: take("participants"),
        gaps: take("gaps"),
        summary: take("summary"),
        chat,
        files: files_of(&overview, &artifacts),
        shared_files,
        overview: LectureView::of(&overview),
    }))
}

/// A file of a lecture: `transcript.json`, `.vtt`, `.srt`, `.txt`, `.md` or `.docx`, or `artifact.pdf`.
#[utoipa::path(get, path = "/api/lectures/{lectureId}/{file}", tag = "lectures",
    params(("lectureId" = String, Path), ("file" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = ErrorBody)))]
pub(crate) async fn file(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, file)): InPath<(String, String)>,
) -> Result<Response, ApiError> {
    let (overview, reader) = service.readable_lecture(&caller, id).await?;
    if file == "artifact.pdf" {
        let kind = match reader {
            Reader::ByLink => SHARED_PDF,
            Reader::Member => LECTURE_PDF,
        };
        return service.pdf(&overview, kind).await;
    }
    let format = file.strip_prefix("transcript.").and_then(ExportFormat::parse);
    let Some(format) = format else {
        let message = "there are transcript.json, .vtt, .srt, .txt, .md and .docx, and artifact.pdf";
        return Err(ApiError::new(ErrorCode::NotFound, message));
    };
    let (lecture, summary) = service.stored_lecture(&overview.id).await?;
    let bytes = written(lecture, summary, format).await?;
    Ok(download(&file, format.media_type(), bytes))
}

/// Erases a lecture: what was said, and all that was made of it.
#[utoipa::path(delete, path = "/api/lectures/{lectureId}", tag = "lectures", params(("lectureId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn erase(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    let (overview, account) = service.held_lecture(&caller, id).await?;
    service.database.ask_to_erase(&overview.id, service.now()).await?;
    let (room, lecture) = (&overview.room, overview.id.as_str());
    service
        .note(
            Some(account.id.as_str()),
            "lecture.erase",
            Some(room),
            Some(lecture),
        )
        .await?;
    // What can't be erased yet is tried again until it can.
    service.erase(&overview.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who reads a lecture.
enum Reader {
    /// Who holds its room or was let in.
    Member,
    /// Whoever was given the lecture's link.
    ByLink,
}

/// Whose lecture it is.
enum Member {
    /// Who holds its room.
    Host(Account),
    /// Who was let in.
    Guest,
}

impl Service {
    /// A lecture that the caller may read: as who holds its room, as who was let in, or by its link.
    async fn readable_lecture(
        &self,
        caller: &Caller,
        id: String,
    ) -> Result<(MeetingOverview, Reader), ApiError> {
        let Some(token) = &caller.share else {
            let (overview, _) = self.own_lecture(caller, id).await?;
            return Ok((overview, Reader::Member));
        };
        match self.own_lecture(caller, id.clone()).await {
            Ok((overview, _)) => Ok((overview, Reader::Member)),
            Err(_) => {
                let overview = self.shared_lecture(caller, token, &id).await?;
                Ok((overview, Reader::ByLink))
            }
        }
    }

    /// A lecture that the caller may read as who holds its room, or as who was let in.
    async fn own_lecture(&self, caller: &Caller, id: String) -> Result<(MeetingOverview, Member), ApiError> {
        let missing = || {
            ApiError::new(
                ErrorCode::LectureNotFound,
                "there is no such lecture, or no longer",
            )
        };
        let id = MeetingId::parse(id).map_err(|_| missing())?;
        let overview = self.database.shown_lecture(&id).await?.ok_or_else(missing)?;
        match self.member_of(caller, &overview.room).await? {
            Some(member) => Ok((overview, member)),
            None if caller.is_nobody() => {
                Err(ApiError::unauthenticated("log in, or join the lecture's room"))
            }
            None => Err(ApiError::forbidden(
                "only who was in its room may read this lecture",
            )),
        }
    }

    /// A lecture whose room the caller holds.
    async fn held_lecture(
        &self,
        caller: &Caller,
        id: String,
    ) -> Result<(MeetingOverview, Account), ApiError> {
        match self.own_lecture(caller, id).await? {
            (overview, Member::Host(account)) => Ok((overview, account)),
            (_, Member::Guest) => Err(ApiError::forbidden("only who holds the room may do this")),
        }
    }

    async fn member_of(&self, caller: &Caller, room: &RoomName) -> Result<Option<Member>, ApiError> {
        // Rooms that other systems made at LiveKit have lectures too, for administrators alone.
        if let Ok(admin) = caller.admin() {
            return Ok(Some(Member::Host(admin.clone())));
        }
        if self.database.room(room).await?.is_none() {
            return Ok(None);
        }
        Ok(match self.standing(caller, room).await?.1 {
            Standing::Host(account) => Some(Member::Host(account)),
            Standing::Guest(guest) if guest.state == GuestState::Admitted => Some(Member::Guest),
            Standing::Guest(_) | Standing::Stranger => None,
        })
    }

    /// What people wrote and shared in a lecture's room while it lasted.
    async fn left_by_people(
        &self,
        overview: &MeetingOverview,
    ) -> Result<(Vec<MessageView>, Vec<SharedFileView>), ApiError> {
        let until = overview.ended_at.unwrap_or_else(|| self.now());
        let (room, since) = (&overview.room, overview.started_at);
        let chat = self
            .database
            .messages_between(room, since, until, CHAT_MAX)
            .await?;
        let files = self.files_of_lecture(room, &overview.id).await?;
        Ok((chat.iter().map(MessageView::of).collect(), files))
    }

    async fn stored_lecture(&self, id: &MeetingId) -> Result<(Lecture, Option<Summary>), ApiError> {
        let missing = || ApiError::new(ErrorCode::LectureNotFound, "there is no such lecture any more");
        let lecture = self.database.lecture(id).await?.ok_or_else(missing)?;
        Ok((lecture, self.database.summary(id).await?))
    }

    async fn pdf(&self, overview: &MeetingOverview, kind: &str) -> Result<Response, ApiError> {
        let artifacts = self.database.artifacts(&overview.id).await?;
        let stored = artifacts.iter().find(|artifact| artifact.kind == kind);
        let not_yet = || {
            let message = "the PDF is not made yet; it follows within a minute after the room has ended";
            ApiError::new(ErrorCode::NotYet, message)
        };
        let artifact = stored.ok_or_else(not_yet)?;
        let bytes = self.objects.get(&artifact.key).await?.ok_or_else(not_yet)?;
        Ok(download("lecture.pdf", "application/pdf", bytes))
    }

    /// Erases a lecture unless a worker is at it.
    async fn erase(&self, meeting: &MeetingId) -> Result<(), ApiError> {
        let (now, until) = (self.now(), self.later(ERASING));
        self.database
            .erase(meeting, &self.objects, &self.name, now, until)
            .await?;
        Ok(())
    }

    /// Erases what is to be erased and was not free until now.
    pub(crate) async fn erase_pending(&self) -> Result<(), ApiError> {
        for meeting in self.database.erasures().await? {
            self.erase(&meeting).await?;
        }
        Ok(())
    }
}

/// Hours of lively talk.
const CHAT_MAX: u32 = 1000;
/// How long erasing one lecture may take.
const ERASING: Duration = Duration::from_secs(60);

/// A long lecture takes a while to write.
async fn written(
    lecture: Lecture,
    summary: Option<Summary>,
    format: ExportFormat,
) -> Result<Vec<u8>, ApiError> {
    spawn_blocking(move || export(&lecture, summary.as_ref(), format))
        .await
        .map_err(ApiError::internal)
}

fn download(name: &str, media_type: &str, bytes: Vec<u8>) -> Response {
    (kept(name), [(header::CONTENT_TYPE, media_type)], bytes).into_response()
}

fn files_of(overview: &MeetingOverview, artifacts: &[Artifact]) -> Vec<FileView> {
    let file = |name: &str, media_type: &str| FileView {
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        url: format!("/api/lectures/{}/{name}", overview.id),
    };
    let has_pdf = artifacts.iter().any(|artifact| artifact.kind == LECTURE_PDF);
    let pdf = has_pdf.then(|| file("artifact.pdf", "application/pdf"));
    let transcripts = ExportFormat::ALL
        .into_iter()
        .map(|format| file(&format!("transcript.{}", format.as_str()), format.media_type()));
    pdf.into_iter().chain(transcripts).collect()
}

impl LectureView {
    fn of(overview: &MeetingOverview) -> Self {
        Self {
            id: overview.id.as_str().to_owned(),
            room_id: overview.room.as_str().to_owned(),
            title: overview.title.clone(),
            stage: overview.stage.as_str(),
            started_at: timestamp(overview.started_at),
            ended_at: overview.ended_at.map(timestamp),
            language: overview.language.clone(),
            segments: overview.segments,
            participants: overview.participants,
            failure: overview.failure.clone(),
            highlights: None,
        }
    }
}
