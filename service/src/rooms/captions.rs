//! Captions of a room for who is late, or has no WebRTC: what was said so far, and a stream of what is said from then on.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::sse::{Event, Sse},
};
use futures_util::{FutureExt, Stream};
use lectern_pipelines::{MeetingId, Stage};
use lectern_storage::{CaptionContent, CaptionedMeeting, Cursor, Page, Room, StoredCaption};
use serde::Serialize;
use utoipa::ToSchema;

use super::{RoomSettings, inside::ends_listening, parse_id};
use crate::{
    ApiError, Service,
    body::{InPath, InQuery, Paging},
    caller::Caller,
    caption_feed::{CaptionListener, CaptionNews},
    error::ErrorBody,
    feed::Listener,
    sse::{self, Told},
    wire::timestamp,
};

/// What was said in a room's present or last meeting.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaptionsView {
    /// Whether the room's settings ask for captions.
    captions: bool,
    /// Null where the room has had none.
    meeting: Option<CaptionedView>,
    /// In the order in which they became final.
    items: Vec<CaptionView>,
    /// To be sent as `cursor` for the next part; null at the end of what was said so far.
    next_cursor: Option<String>,
}

/// A meeting that is captioned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaptionedView {
    /// What the lecture is called that comes of it.
    lecture_id: String,
    /// RFC 3339: where the times of captions have zero.
    started_at: String,
    /// Whether it goes on.
    live: bool,
}

/// Final words, or that some are missing. A gap that grows is told again, with the same start.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaptionView {
    /// Where to go on from: as `Last-Event-ID` of the stream, or as `cursor`.
    position: String,
    /// What LiveKit calls who spoke.
    identity: String,
    /// What they call themselves.
    name: String,
    /// Milliseconds since the meeting began.
    start_ms: u64,
    end_ms: u64,
    /// Of the words, as in the captions that LiveKit carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_id: Option<String>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Why there are no words: `recogniser_away`, `recogniser_refused` or `recogniser_silent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
}

/// What was said so far in the room's present or last meeting, the first first.
#[utoipa::path(get, path = "/api/rooms/{roomId}/captions", tag = "captions", params(("roomId" = String, Path), Paging),
    responses((status = 200, body = CaptionsView), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(paging): InQuery<Paging>,
) -> Result<Json<CaptionsView>, ApiError> {
    let (room, _) = service.inside(&caller, &parse_id(id)?).await?;
    let (limit, after) = paging.parse()?;
    let (meeting, position) = match after {
        None => (service.captioned_meeting(&room).await?, 0),
        Some(cursor) => service
            .caption_place(&room, &cursor)
            .await?
            .map(|(meeting, position)| (Some(meeting), position))
            .ok_or_else(|| ApiError::invalid("cursor", "it leads to no meeting of this room"))?,
    };
    let page = match &meeting {
        Some(meeting) => {
            service
                .database
                .captions_after(&meeting.id, position, limit)
                .await?
        }
        None => Page::empty(),
    };
    Ok(Json(CaptionsView::of(&room, meeting.as_ref(), page)))
}

/// What was said so far, then what is said, as soon as it is final (server-sent events): `captions.off` where the room's
/// settings ask for none, `captions.meeting` where a meeting begins or has ended, `captions.final` and `captions.gap`.
/// `Last-Event-ID` resumes without loss, over the meeting's end too. The stream ends when the caller is sent out or the
/// room is handed over (`you.removed`, `room.host-passed`): whether somebody may read along is asked anew.
#[utoipa::path(get, path = "/api/rooms/{roomId}/captions/stream", tag = "captions", params(("roomId" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn stream(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (id, open) = (parse_id(id)?, service.open_stream(&caller)?);
    // Before anything else is read: who is sent out from here on hears of it.
    let last = service.database.last_event(&id).await?;
    let (room, person) = service.inside(&caller, &id).await?;
    let after = service.left_off(&room, &headers).await?;
    let off = !RoomSettings::of(&room).captions;
    let reading = Reading {
        first: off.then(|| Told::event("captions.off", "{}")),
        captions: service.caption_feeds.listen(room.id.clone(), after),
        events: service.feeds.listen(room.id, person.audiences(), last),
    };
    Ok(sse::stream_of(&service, open, reading, |reading| {
        reading.next().boxed()
    }))
}

impl Service {
    /// A room's present or last meeting, if it has had one that is not to be erased.
    async fn captioned_meeting(&self, room: &Room) -> Result<Option<CaptionedMeeting>, ApiError> {
        let rooms = std::slice::from_ref(&room.id);
        Ok(self.database.captioned_meetings(rooms).await?.pop())
    }

    /// The meeting, one of this room, and the position that a cursor leads to.
    async fn caption_place(
        &self,
        room: &Room,
        cursor: &Cursor,
    ) -> Result<Option<(CaptionedMeeting, u64)>, ApiError> {
        let (meeting, position) = cursor.caption()?;
        let found = self.database.captioned_meeting(&room.id, &meeting).await?;
        Ok(found.map(|meeting| (meeting, position)))
    }

    /// Where a browser that reconnects left off; the beginning if that is nowhere any more.
    async fn left_off(&self, room: &Room, headers: &HeaderMap) -> Result<Option<(MeetingId, u64)>, ApiError> {
        let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let cursor = id.and_then(|id| Cursor::parse(id.trim()).ok());
        let Some(cursor) = cursor.filter(|cursor| cursor.caption().is_ok()) else {
            return Ok(None);
        };
        let place = self.caption_place(room, &cursor).await?;
        Ok(place.map(|(meeting, position)| (meeting.id, position)))
    }
}

/// Somebody who reads along.
struct Reading {
    first: Option<Told>,
    captions: CaptionListener,
    /// Of the room: whether they still may.
    events: Listener,
}

impl Reading {
    async fn next(&mut self) -> Result<Told, lectern_storage::Error> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            tokio::select! {
                biased;
                event = self.events.next() => {
                    let event = event?;
                    if ends_listening(&event) {
                        // Without its id, which is of another stream.
                        return Ok(Told::event(&event.kind, &event.json).and_end());
                    }
                }
                news = self.captions.next() => return Ok(told(&news?)),
            }
        }
    }
}

fn told(news: &CaptionNews) -> Told {
    match news {
        CaptionNews::Meeting(meeting) => {
            Told::event("captions.meeting", json_of(&CaptionedView::of(meeting)))
        }
        CaptionNews::Caption(meeting, caption) => {
            let kind = match caption.content {
                CaptionContent::Words { .. } => "captions.final",
                CaptionContent::Missing(_) => "captions.gap",
            };
            let view = CaptionView::of(meeting, caption);
            Told::event(kind, json_of(&view)).at(view.position)
        }
    }
}

fn json_of(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("plain values are JSON")
}

impl CaptionsView {
    fn of(room: &Room, meeting: Option<&CaptionedMeeting>, page: Page<StoredCaption>) -> Self {
        let items = meeting.into_iter().flat_map(|meeting| {
            let view = |caption| CaptionView::of(&meeting.id, caption);
            page.items.iter().map(view)
        });
        Self {
            captions: RoomSettings::of(room).captions,
            meeting: meeting.map(CaptionedView::of),
            items: items.collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl CaptionedView {
    fn of(meeting: &CaptionedMeeting) -> Self {
        Self {
            lecture_id: meeting.id.as_str().to_owned(),
            started_at: timestamp(meeting.started_at),
            live: meeting.stage == Stage::Live,
        }
    }
}

impl CaptionView {
    fn of(meeting: &MeetingId, caption: &StoredCaption) -> Self {
        let view = Self {
            position: Cursor::of_caption(meeting, caption.position).to_string(),
            identity: caption.speaker.identity.as_str().to_owned(),
            name: caption.speaker.name.clone(),
            start_ms: caption.start.as_millis(),
            end_ms: caption.end.as_millis(),
            segment_id: None,
            text: None,
            language: None,
            missing: None,
        };
        match &caption.content {
            CaptionContent::Words { id, text, language } => Self {
                segment_id: Some(id.as_str().to_owned()),
                text: Some(text.clone()),
                language: language.clone(),
                ..view
            },
            CaptionContent::Missing(reason) => Self {
                missing: Some(reason.as_str()),
                ..view
            },
        }
    }
}
