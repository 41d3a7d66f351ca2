//! Files that people in a room share.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body as Stream,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_pipelines::{MeetingId, RoomName};
use lectern_storage::{Audience, LinkHeaders, NewEvent, NewFile, ObjectKey, Room, SharedFile, Sharing};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

use super::{
    RoomSettings,
    inside::{Insider, Role},
    parse_id,
};
use crate::{
    ApiError, ErrorCode, Service,
    body::{InPath, InQuery, Paging},
    caller::Caller,
    error::ErrorBody,
    file_kind::{handed_out_as, said_media_type},
    file_name::{FileName, attachment, kept},
    random,
    range::Wanted,
    settings::Downloads,
    upload::{self, Size},
    wire::{Items, timestamp},
};

/// A file that somebody shared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharedFileView {
    id: String,
    /// As who shared it calls it: text, and part of no path.
    name: String,
    /// What who shared it says it is.
    media_type: String,
    bytes: u64,
    /// What LiveKit calls who shared it.
    identity: String,
    /// What they called themselves.
    shared_by: String,
    /// RFC 3339.
    at: String,
    /// Where to fetch it.
    url: String,
}

/// A file that is no more.
#[derive(Debug, Serialize)]
struct Deleted<'a> {
    id: &'a str,
}

/// What is said of a file whose bytes are the body.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Described {
    /// The file's name, which is no path.
    #[param(max_length = 255, example = "slides.pdf")]
    name: String,
    /// How many bytes it has: a body of another size is refused, though it looks whole to a proxy that cut it off.
    bytes: Option<u64>,
}

/// What was shared, the latest first.
#[utoipa::path(get, path = "/api/rooms/{roomId}/files", tag = "files", params(("roomId" = String, Path), Paging),
    responses((status = 200, body = Items<SharedFileView>), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<Items<SharedFileView>>, ApiError> {
    let (room, _) = service.inside(&caller, &parse_id(id)?).await?;
    let (limit, after) = paging.parse()?;
    let page = service.database.files(&room.id, limit, after.as_ref()).await?;
    Ok(Json(Items::of(page, |file| SharedFileView::of(&room.id, file))))
}

/// Shares a file with everybody in the room. The body is the file, byte by byte; `content-type` says what it is:
/// `fetch(url, {method: "POST", body: file})` in a browser, `curl --upload-file slides.pdf --request POST
/// '…/files?name=slides.pdf'` in a shell. Forms (`multipart/form-data`) are not taken. A body that is empty, too large,
/// or not of the size that was said leaves nothing behind.
#[utoipa::path(post, path = "/api/rooms/{roomId}/files", tag = "files", params(("roomId" = String, Path), Described),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = SharedFileView), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(crate) async fn share(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(described): InQuery<Described>,
    headers: HeaderMap,
    body: Stream,
) -> Result<(StatusCode, Json<SharedFileView>), ApiError> {
    let (room, person) = service.sharing(&caller, id).await?;
    let coming = Coming {
        name: FileName::parse(&described.name)?,
        media_type: said_media_type(&headers),
        size: Size {
            said: described.bytes.or_else(|| content_length(&headers)),
            bytes_max: service.settings.files.bytes_max,
        },
        room,
        person,
    };
    service.check_kind(&coming)?;
    coming.size.check()?;
    if service.database.file_count(&coming.room.id).await? >= u64::from(service.settings.files.per_room_max) {
        return Err(service.room_full());
    }
    // A task of its own: it cleans up behind a sender who goes away, when nobody waits for us any more.
    let shared = tokio::spawn(async move {
        let shared = service.keep(&coming, body).await?;
        service.feeds.announce(&coming.room.id);
        Ok::<_, ApiError>(SharedFileView::of(&coming.room.id, &shared))
    });
    let view = shared.await.map_err(ApiError::internal)??;
    Ok((StatusCode::CREATED, Json(view)))
}

/// A file's bytes, to be kept and never shown as a page: from here, with `Range`, or by a link to the object store that
/// is good for five minutes.
#[utoipa::path(get, path = "/api/rooms/{roomId}/files/{fileId}", tag = "files",
    params(("roomId" = String, Path), ("fileId" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 307, description = "`Location` is a link to the object store"),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(crate) async fn fetch(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, file)): InPath<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (room, _) = service.inside(&caller, &parse_id(id)?).await?;
    let file = service.shared_file(&room.id, &file).await?;
    if service.settings.files.downloads == Downloads::Redirect
        && let Some(link) = service.link(&file).await?
    {
        let headers = [
            (header::LOCATION, link),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        return Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response());
    }
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    service.stream_file(&file, Wanted::parse(range, file.bytes)).await
}

/// Deletes a file; for who shared it, and for hosts.
#[utoipa::path(delete, path = "/api/rooms/{roomId}/files/{fileId}", tag = "files",
    params(("roomId" = String, Path), ("fileId" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath((id, file)): InPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    let file = service.shared_file(&room.id, &file).await?;
    if file.identity != person.identity && person.role != Role::Host {
        return Err(ApiError::forbidden("only who shared it and hosts delete a file"));
    }
    let told = told("file.deleted", &Deleted { id: &file.id });
    let deleted = service
        .database
        .delete_file(&room.id, &file.id, service.now(), told)
        .await?;
    // Somebody else may have deleted it meanwhile.
    let key = deleted.ok_or_else(no_file)?;
    service.feeds.announce(&room.id);
    if file.identity != person.identity {
        let by = person.identity.strip_prefix("user-");
        service
            .note(by, "file.delete", Some(&room.id), Some(&file.id))
            .await?;
    }
    service.erase_soon(key);
    Ok(StatusCode::NO_CONTENT)
}

/// A file on its way.
struct Coming {
    room: Room,
    person: Insider,
    name: FileName,
    media_type: String,
    size: Size,
}

impl Service {
    /// A room in which the caller may share files.
    async fn sharing(&self, caller: &Caller, room: String) -> Result<(Room, Insider), ApiError> {
        let (room, person) = self.inside(caller, &parse_id(room)?).await?;
        self.still_open(&room)?;
        match RoomSettings::of(&room).files {
            true => Ok((room, person)),
            false => Err(ApiError::new(
                ErrorCode::FilesOff,
                "no files are shared in this room",
            )),
        }
    }

    fn check_kind(&self, coming: &Coming) -> Result<(), ApiError> {
        if coming.media_type == "multipart/form-data" {
            let message =
                "send the file itself as the body, not a form: fetch(url, {body: file}), curl --upload-file";
            return Err(ApiError::new(ErrorCode::FileTypeRefused, message));
        }
        let files = &self.settings.files;
        let mut forbidden = files.forbidden.iter();
        let mut allowed = files.allowed.iter();
        let (name, media_type) = (coming.name.as_str(), &*coming.media_type);
        let is_allowed = files.allowed.is_empty() || allowed.any(|kind| kind.holds(name, media_type));
        match is_allowed && !forbidden.any(|kind| kind.holds(name, media_type)) {
            true => Ok(()),
            false => Err(ApiError::new(
                ErrorCode::FileTypeRefused,
                "files of this kind are not shared here; a zip archive may do",
            )),
        }
    }

    /// Stores a body, and a row that names it, or neither.
    async fn keep(self: &Arc<Self>, coming: &Coming, body: Stream) -> Result<SharedFile, ApiError> {
        let _place = self.uploads.place().await?;
        let key = format!("files/{}", random::secret().expose_secret());
        let key = ObjectKey::parse(key).map_err(ApiError::internal)?;
        // Twice as long as it may take: no clock of several processes is that wrong.
        let give_up_at = self.later(upload::UPLOAD_TIME_MAX * 2);
        self.database.expect_object(&key, give_up_at).await?;
        let kept = self.keep_under(&key, coming, body).await;
        if kept.is_err() {
            self.erase_object(&key).await.ok();
        }
        kept
    }

    async fn keep_under(
        &self,
        key: &ObjectKey,
        coming: &Coming,
        body: Stream,
    ) -> Result<SharedFile, ApiError> {
        let bytes = upload::receive(body, coming.size, &self.objects, key).await?;
        let new = NewFile {
            key,
            name: coming.name.as_str(),
            media_type: &coming.media_type,
            bytes,
            identity: &coming.person.identity,
            shared_by: &coming.person.name,
        };
        let files_max = self.settings.files.per_room_max;
        let room = &coming.room.id;
        let tell = |file: &SharedFile| told("file.shared", &SharedFileView::of(room, file));
        match self
            .database
            .share_file(room, new, files_max, self.now(), tell)
            .await?
        {
            Sharing::Shared(file) => Ok(file),
            Sharing::RoomFull => Err(self.room_full()),
            Sharing::RoomGone => Err(ApiError::room_not_found()),
            Sharing::TooLate => Err(ApiError::new(ErrorCode::BadRequest, "the body took too long")),
        }
    }

    fn room_full(&self) -> ApiError {
        let message = format!(
            "this room has {} files, as many as it may; delete one first",
            self.settings.files.per_room_max
        );
        ApiError::new(ErrorCode::TooManyFiles, message)
    }

    async fn shared_file(&self, room: &RoomName, id: &str) -> Result<SharedFile, ApiError> {
        let found = match id.contains('\0') {
            true => None,
            false => self.database.file(room, id).await?,
        };
        found.ok_or_else(no_file)
    }

    /// A link to the object store, if it has any.
    async fn link(&self, file: &SharedFile) -> Result<Option<String>, ApiError> {
        let disposition = attachment(&file.name);
        let headers = LinkHeaders {
            disposition: disposition.to_str().map_err(ApiError::internal)?,
            media_type: handed_out_as(&file.media_type),
        };
        let link = self.objects.link(&file.key, headers, LINK_LIFETIME).await;
        link.map_err(upload::not_kept)
    }

    async fn stream_file(&self, file: &SharedFile, wanted: Wanted) -> Result<Response, ApiError> {
        let all = file.bytes;
        let (status, first, length, range) = match wanted {
            Wanted::All => (StatusCode::OK, 0, all, None),
            Wanted::Part { first, last } => (
                StatusCode::PARTIAL_CONTENT,
                first,
                last - first + 1,
                Some(format!("bytes {first}-{last}/{all}")),
            ),
            Wanted::Beyond => {
                let error = ApiError::new(ErrorCode::RangeNotSatisfiable, "the file ends before that");
                return Ok(([(header::CONTENT_RANGE, format!("bytes */{all}"))], error).into_response());
            }
        };
        let reader = self.objects.read(&file.key, first, length).await;
        let reader = reader.map_err(upload::not_kept)?.ok_or_else(no_file)?;
        let body = Stream::from_stream(ReaderStream::with_capacity(reader, READ_BYTES));
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.extend(kept(&file.name));
        let media_type = HeaderValue::from_str(handed_out_as(&file.media_type));
        headers.insert(header::CONTENT_TYPE, media_type.map_err(ApiError::internal)?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(range) = range {
            let range = HeaderValue::from_str(&range).map_err(ApiError::internal)?;
            headers.insert(header::CONTENT_RANGE, range);
        }
        Ok(response)
    }

    /// The files that were shared in a lecture's room while it lasted.
    pub(crate) async fn files_of_lecture(
        &self,
        room: &RoomName,
        lecture: &MeetingId,
    ) -> Result<Vec<SharedFileView>, ApiError> {
        let files = self.database.files_of_meeting(lecture).await?;
        Ok(files.iter().map(|file| SharedFileView::of(room, file)).collect())
    }

    /// Erases an object that no row names any more. Where that fails, it is tried again until it succeeds.
    fn erase_soon(self: &Arc<Self>, key: ObjectKey) {
        let service = Arc::clone(self);
        tokio::spawn(async move { service.erase_object(&key).await });
    }

    /// Erases the objects that no row names any more, or will.
    pub(crate) async fn erase_objects(&self) -> Result<(), ApiError> {
        for key in self.database.objects_to_erase(self.now()).await? {
            self.erase_object(&key).await?;
        }
        Ok(())
    }

    async fn erase_object(&self, key: &ObjectKey) -> Result<(), ApiError> {
        let erased = self.database.erase_object(key, &self.objects).await;
        erased.map_err(upload::not_kept)
    }
}

impl SharedFileView {
    fn of(room: &RoomName, file: &SharedFile) -> Self {
        Self {
            id: file.id.clone(),
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            bytes: file.bytes,
            identity: file.identity.clone(),
            shared_by: file.shared_by.clone(),
            at: timestamp(file.at),
            url: format!("/api/rooms/{room}/files/{}", file.id),
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn told(kind: &'static str, what: &impl Serialize) -> NewEvent {
    NewEvent::about(Audience::All, kind, what)
}

fn no_file() -> ApiError {
    ApiError::new(ErrorCode::FileNotFound, "there is no such file, or no more")
}

const LINK_LIFETIME: Duration = Duration::from_secs(5 * 60);
const READ_BYTES: usize = 64 * 1024;
