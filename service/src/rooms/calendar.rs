//! A room in people's calendars.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use lectern_pipelines::UnixMillis;
use lectern_storage::{Account, Room, RoomChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RoomSettings, inside::Role, parse_id};
use crate::{
    ApiError, ErrorCode, Service,
    body::{Body, InPath},
    calendar::{Address, Event, Mail, Meeting, Purpose, Zone},
    caller::Caller,
    error::{ErrorBody, Rule},
    file_name::attachment,
    wire::in_html,
};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Invited {
    /// Whom to invite; each gets a message of their own.
    #[schema(min_items = 1, max_items = 100)]
    emails: Vec<String>,
    /// `REQUEST` invites them, or tells them what has changed; `CANCEL` takes it from their calendars.
    #[serde(default)]
    method: Method,
}

/// What an invitation asks of a calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    /// To ask its owner whether they come.
    #[default]
    Request,
    /// To forget it.
    Cancel,
}

/// Mail to be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invitations {
    items: Vec<Invitation>,
}

/// A message for one person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invitation {
    email: String,
    /// All of it, headers first, as `sendmail -t` or any mailer takes it: text, HTML and a calendar.
    message: String,
}

/// The room as a file that any calendar takes (RFC 5545); for people in it. It comes with the room's PIN for who holds it
/// alone.
#[utoipa::path(get, path = "/api/rooms/{roomId}/calendar.ics", tag = "calendar", params(("roomId" = String, Path)),
    responses((status = 200, content_type = "text/calendar", body = String), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Response, ApiError> {
    let (room, person) = service.inside(&caller, &parse_id(id)?).await?;
    let scheduled = Scheduled::of(&service, room)?;
    let calendar = scheduled.event(person.role).to_calendar(Purpose::Keep);
    let mut response = calendar.into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/calendar; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_DISPOSITION, attachment("invitation.ics"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(response)
}

/// Makes mail that invites people, or tells them that nobody meets: complete messages, which the caller sends. Nothing is
/// sent from here, and no address is kept.
#[utoipa::path(post, path = "/api/rooms/{roomId}/invite", tag = "calendar", params(("roomId" = String, Path)),
    request_body = Invited,
    responses((status = 200, body = Invitations), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn invite(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<Invited>,
) -> Result<Json<Invitations>, ApiError> {
    let (room, account) = service.held_room(&caller, &parse_id(id)?).await?;
    let people = parse_addresses(&wanted.emails)?;
    let organizer = Address::parse(&account.email).ok_or_else(no_sender)?;
    let mut scheduled = Scheduled::of(&service, room)?;
    if wanted.method == Method::Cancel {
        scheduled.room = service.revised(&scheduled.room).await?;
    }
    let now = service.now();
    let inviting = Inviting {
        scheduled: &scheduled,
        account: &account,
        organizer: &organizer,
        method: wanted.method,
        now,
    };
    let items = people.iter().map(|person| Invitation {
        email: person.as_str().to_owned(),
        message: inviting.message(person),
    });
    let items = items.collect();
    let action = match wanted.method {
        Method::Request => "room.invite",
        Method::Cancel => "room.uninvite",
    };
    let (by, room) = (account.id.as_str(), &scheduled.room.id);
    service.note(Some(by), action, Some(room), None).await?;
    Ok(Json(Invitations { items }))
}

impl Service {
    /// The room with another revision: what calendars have of it is no longer so.
    async fn revised(&self, room: &Room) -> Result<Room, ApiError> {
        let change = RoomChange {
            revised_at: Some(self.now()),
            ..RoomChange::default()
        };
        let revised = self.database.change_room(&room.id, change).await?;
        revised.ok_or_else(ApiError::room_not_found)
    }
}

/// A room that people meet in at a time.
struct Scheduled {
    room: Room,
    settings: RoomSettings,
    starts_at: UnixMillis,
    zone: Zone,
    /// Where the room's page is, if the operator has said so.
    link: Option<String>,
    /// The link, or how to come in without one.
    location: String,
}

impl Scheduled {
    fn of(service: &Service, room: Room) -> Result<Self, ApiError> {
        let not_scheduled = || ApiError::new(ErrorCode::NotScheduled, "set the room's startsAt first");
        let starts_at = room.starts_at.ok_or_else(not_scheduled)?;
        let settings = RoomSettings::of(&room);
        let zone = Zone::parse(&settings.time_zone);
        let link = service.settings.room_link.as_deref();
        let link = link.map(|link| {
            link.replace("{code}", &room.code)
                .replace("{id}", room.id.as_str())
        });
        Ok(Self {
            location: link.clone().unwrap_or_else(|| format!("Code {}", room.code)),
            link,
            zone: zone.ok_or_else(|| ApiError::internal("a stored time zone is none"))?,
            settings,
            starts_at,
            room,
        })
    }

    /// As somebody may see it.
    fn event(&self, role: Role) -> Event<'_> {
        Event {
            uid: format!("room-{}@lectern", self.room.id),
            revision: self.room.revision,
            revised_at: self.room.revised_at.unwrap_or(self.room.created_at),
            created_at: self.room.created_at,
            title: &self.room.title,
            description: self.way_in(role).join("\n"),
            location: &self.location,
            url: self.link.as_deref(),
            starts_at: self.starts_at,
            duration_minutes: self.settings.duration_minutes,
            zone: &self.zone,
            recurrence: self.settings.recurrence.as_ref(),
        }
    }

    /// How to come in, a line each.
    fn way_in(&self, role: Role) -> Vec<String> {
        let link = self.link.as_ref().map(|link| format!("Link: {link}"));
        let code = Some(format!("Code: {}", self.room.code));
        let pin = self.settings.pin.as_ref().filter(|_| role == Role::Host);
        let pin = pin.map(|pin| format!("PIN: {pin}"));
        [link, code, pin].into_iter().flatten().collect()
    }
}

/// What all messages of one call have in common.
struct Inviting<'a> {
    scheduled: &'a Scheduled,
    account: &'a Account,
    organizer: &'a Address,
    method: Method,
    now: UnixMillis,
}

impl Inviting<'_> {
    fn message(&self, person: &Address) -> String {
        let meeting = Meeting {
            organizer: self.organizer,
            organizer_name: &self.account.name,
            attendee: person,
            now: self.now,
        };
        let (purpose, method, news, verb) = match self.method {
            Method::Request => (
                Purpose::Request(&meeting),
                "REQUEST",
                "Invitation",
                "invites you to",
            ),
            Method::Cancel => (Purpose::Cancel(&meeting), "CANCEL", "Cancelled", "cancels"),
        };
        let title = &self.scheduled.room.title;
        let lines = self.lines(verb);
        let html: String = lines
            .iter()
            .map(|line| format!("<p>{}</p>\r\n", in_html(line)))
            .collect();
        let subject = format!("{news}: {title}");
        let mail = Mail {
            from: self.organizer,
            from_name: &self.account.name,
            to: person,
            subject: &subject,
            text: &format!("{}\r\n", lines.join("\r\n")),
            html: &html,
            calendar: &self.scheduled.event(Role::Host).to_calendar(purpose),
            method,
            now: self.now,
        };
        mail.to_message()
    }

    fn lines(&self, verb: &str) -> Vec<String> {
        let scheduled = self.scheduled;
        let mut lines = vec![
            format!("{} {verb} “{}”.", self.account.name, scheduled.room.title),
            format!(
                "When: {} ({}), {} minutes",
                scheduled.zone.shown(scheduled.starts_at),
                scheduled.zone.name(),
                scheduled.settings.duration_minutes
            ),
        ];
        if self.method == Method::Request {
            lines.extend(scheduled.way_in(Role::Host));
        }
        lines
    }
}

fn parse_addresses(emails: &[String]) -> Result<Vec<Address>, ApiError> {
    let count = u32::try_from(emails.len()).unwrap_or(u32::MAX);
    if !(1..=PEOPLE_MAX).contains(&count) {
        return Err(ApiError::out_of_range("emails", 1, PEOPLE_MAX));
    }
    let mut seen = BTreeSet::new();
    let mut people = Vec::new();
    for (index, email) in emails.iter().enumerate() {
        let Some(address) = Address::parse(email) else {
            let message = "write an address such as ada@example.org, without a name around it";
            return Err(ApiError::broken(
                &format!("emails[{index}]"),
                Rule::Email,
                message,
            ));
        };
        if seen.insert(address.as_str().to_lowercase()) {
            people.push(address);
        }
    }
    Ok(people)
}

fn no_sender() -> ApiError {
    ApiError::new(
        ErrorCode::NoSender,
        "your account's e-mail address can't stand in mail; the room needs a host who has one that can",
    )
}

const PEOPLE_MAX: u32 = 100;
