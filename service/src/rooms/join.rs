//! Joining a room: its PIN, its lobby, and the token that LiveKit asks for.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_pipelines::{GuestState, ParticipantIdentity, RoomName};
use lectern_storage::{Account, AtTheDoor, Ban, Door, Guest, NewGuest, OwnCaptions, Room, RoomStatus};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::{RoomSettings, lobby, parse_id};
use crate::{
    ApiError, ErrorCode, Service,
    accounts::NAME_CHARS_MAX,
    body::{Body, InPath, one_line},
    caller::{Caller, GUEST_COOKIE, Standing},
    error::ErrorBody,
    limit::Guess,
    livekit::{Joiner, JoinerRole, Rights},
    session::Pass,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Join {
    /// What others see.
    #[schema(max_length = 80)]
    name: String,
    /// If the room asks for one.
    pin: Option<String>,
    /// A random text that the browser keeps, so that it is known again.
    #[schema(min_length = 8, max_length = 128)]
    session_fingerprint: String,
    /// False: what I say is not to be captioned.
    captions: Option<bool>,
}

/// What lets somebody into a room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Admission {
    /// LiveKit's.
    pub(crate) token: String,
    /// Where LiveKit is.
    pub(crate) ws_url: String,
    pub(crate) room_id: String,
    /// What LiveKit calls them.
    pub(crate) identity: String,
    /// Proof of who one is to this service, to be sent as `Authorization: Bearer`; browsers have it in a cookie too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guest_token: Option<String>,
}

/// What who has to wait needs to know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    lobby_entry_id: String,
    /// Tells what becomes of it.
    stream_url: String,
    /// To be sent as `Authorization: Bearer`; browsers have it in a cookie too.
    guest_token: String,
}

/// Asks to come into a room: at once, or as soon as a host lets one in.
#[utoipa::path(post, path = "/api/rooms/{roomId}/join", tag = "rooms", params(("roomId" = String, Path)),
    request_body = Join,
    responses((status = 200, body = Admission), (status = 202, body = Waiting), (status = "4XX", body = ErrorBody)))]
pub(crate) async fn join(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(wanted): Body<Join>,
) -> Result<Response, ApiError> {
    let name = one_line("name", &wanted.name, NAME_CHARS_MAX)?;
    let fingerprint = parse_fingerprint(&wanted.session_fingerprint)?;
    let captions = wanted.captions.map(|are_wanted| match are_wanted {
        true => OwnCaptions::On,
        false => OwnCaptions::Off,
    });
    let captions_at_first = captions.unwrap_or(OwnCaptions::On);
    let (mut room, standing) = service.standing(&caller, &parse_id(id)?).await?;
    let before = match &standing {
        Standing::Guest(guest) => Some(identity("guest", guest.id.as_str())),
        Standing::Host(_) | Standing::Stranger => None,
    };
    match standing {
        Standing::Host(account) => {
            let admission = service
                .admit_host(&mut room, &account, name, captions_at_first)
                .await?;
            Ok((StatusCode::OK, Json(admission)).into_response())
        }
        Standing::Guest(guest) if guest.state == GuestState::Admitted => {
            service.still_open(&room)?;
            let guest = service.with_captions(guest, captions).await?;
            service.answer(&room, &guest)
        }
        Standing::Guest(_) | Standing::Stranger => {
            service.still_open(&room)?;
            if room.door == Door::Locked {
                let message = "this room takes nobody new at the moment; ask who holds it";
                return Err(ApiError::new(ErrorCode::RoomLocked, message));
            }
            let door = AtTheDoor {
                identity: before.as_ref().map(ParticipantIdentity::as_str),
                fingerprint: &fingerprint,
                address: &caller.address,
            };
            // Before the PIN: who is banned learns nothing about it.
            let ban = service.database.ban_on(&room.id, door).await?;
            if ban == Ban::Person {
                let message = "a host sent you out of this room for good";
                return Err(ApiError::new(ErrorCode::Banned, message));
            }
            service
                .check_pin(&room, &caller, &fingerprint, wanted.pin.as_deref())
                .await?;
            let account = caller.login.as_ref().map(|login| &login.account.id);
            let new = NewGuest {
                name: &name,
                fingerprint: &fingerprint,
                address: &caller.address,
                address_banned: ban == Ban::Address,
                account,
                captions: captions_at_first,
                state: GuestState::Waiting,
                decided_by: None,
            };
            let guest = service.knock(&room, new).await?;
            let guest = service.with_captions(guest, captions).await?;
            if guest.state == GuestState::Admitted && room.status == RoomStatus::Scheduled {
                service.open(&mut room).await?;
            }
            service.answer(&room, &guest)
        }
    }
}

impl Service {
    /// A token for who holds the room; opens it if it isn't.
    pub(crate) async fn admit_host(
        &self,
        room: &mut Room,
        account: &Account,
        name: String,
        captions: OwnCaptions,
    ) -> Result<Admission, ApiError> {
        if room.status != RoomStatus::Live {
            self.open(room).await?;
        }
        self.admission(Joiner {
            room: room.id.clone(),
            identity: identity("user", account.id.as_str()),
            name,
            role: JoinerRole::Host,
            rights: Rights::ALL,
            captions,
        })
    }

    /// A token for a guest who was let in.
    pub(crate) fn admit_guest(&self, room: &Room, guest: &Guest) -> Result<Admission, ApiError> {
        let admission = self.admission(Joiner {
            room: room.id.clone(),
            identity: identity("guest", guest.id.as_str()),
            name: guest.name.clone(),
            role: JoinerRole::Guest,
            rights: guest_rights(room),
            captions: guest.captions,
        })?;
        Ok(Admission {
            guest_token: Some(self.guest_token(guest)),
            ..admission
        })
    }

    /// The guest as they want it now; as before, if they say nothing of captions.
    async fn with_captions(&self, guest: Guest, wanted: Option<OwnCaptions>) -> Result<Guest, ApiError> {
        match wanted {
            Some(captions) if captions != guest.captions => {
                self.database.set_own_captions(&guest.id, captions).await?;
                Ok(Guest { captions, ..guest })
            }
            _ => Ok(guest),
        }
    }

    /// Another token for a guest who is in already.
    pub(crate) fn admit_again(&self, room: &Room, guest: &Guest) -> Result<(Admission, Rights), ApiError> {
        self.still_open(room)?;
        match guest.state {
            GuestState::Admitted => Ok((self.admit_guest(room, guest)?, guest_rights(room))),
            GuestState::Waiting => Err(ApiError::forbidden("wait until a host lets you in")),
            GuestState::Denied | GuestState::Left | GuestState::Expired | GuestState::Removed => Err(
                ApiError::forbidden("you are not let in; ask again (POST /api/rooms/{id}/join)"),
            ),
        }
    }

    /// A token for anybody.
    pub(crate) fn admission(&self, joiner: Joiner) -> Result<Admission, ApiError> {
        Ok(Admission {
            token: self.livekit.token(&joiner, self.settings.lifetimes.join)?,
            ws_url: self.livekit.public_url().to_owned(),
            room_id: joiner.room.as_str().to_owned(),
            identity: joiner.identity.as_str().to_owned(),
            guest_token: None,
        })
    }

    fn guest_token(&self, guest: &Guest) -> String {
        let pass = Pass {
            guest: guest.id.clone(),
            room: guest.room.clone(),
        };
        self.tokens
            .pass(&pass, self.later(self.settings.lifetimes.session))
    }

    /// What a guest is told: a token, or where to wait for it.
    fn answer(&self, room: &Room, guest: &Guest) -> Result<Response, ApiError> {
        let path = format!("/api/rooms/{}", path_of(&room.id));
        let token = self.guest_token(guest);
        let seconds = self.settings.lifetimes.session.as_secs();
        // Of the lectures that a browser's guest may read, it is those of the room that they were in last: one cookie for
        // each room would be too many after a while.
        let cookies =
            [path.as_str(), LECTURES_PATH].map(|path| self.cookie(GUEST_COOKIE, &token, path, seconds));
        let mut response = match guest.state {
            GuestState::Admitted => Json(self.admit_guest(room, guest)?).into_response(),
            _ => {
                let waiting = Waiting {
                    lobby_entry_id: guest.id.as_str().to_owned(),
                    stream_url: format!("{path}/lobby/stream"),
                    guest_token: token,
                };
                (StatusCode::ACCEPTED, Json(waiting)).into_response()
            }
        };
        for cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    pub(crate) fn still_open(&self, room: &Room) -> Result<(), ApiError> {
        match room.status {
            RoomStatus::Scheduled | RoomStatus::Live => Ok(()),
            RoomStatus::Ended => Err(ApiError::new(ErrorCode::RoomEnded, "this room is over")),
        }
    }

    /// Wrong PINs count against where they come from, against the browser, and against the room, whoever tries.
    async fn check_pin(
        &self,
        room: &Room,
        caller: &Caller,
        fingerprint: &str,
        given: Option<&str>,
    ) -> Result<(), ApiError> {
        let Some(pin) = RoomSettings::of(room).pin else {
            return Ok(());
        };
        let keys = [
            format!("pin from {}", caller.address),
            format!("pin by {fingerprint}"),
            format!("pin of {}", room.id),
        ];
        let fits = given.map(|given| bool::from(given.trim().as_bytes().ct_eq(pin.as_bytes())));
        let guess = match fits {
            Some(false) => Guess::Wrong,
            Some(true) | None => Guess::Right,
        };
        self.limiter
            .guess(&keys, self.settings.limits.pin, self.now(), guess)
            .await
            .map_err(ApiError::rate_limited)?;
        match fits {
            Some(true) => Ok(()),
            Some(false) => Err(ApiError::new(
                ErrorCode::PinWrong,
                "this is not the room's PIN; it is in the invitation",
            )),
            None => Err(ApiError::new(
                ErrorCode::PinRequired,
                "this room asks for a PIN; it is in the invitation",
            )),
        }
    }

    /// Notes who came, and tells the hosts if somebody has to decide. Who waits already, in the same browser, waits on.
    /// Who calls from where somebody banned did waits in any case: it may be them under another name, or a whole school.
    async fn knock(&self, room: &Room, new: NewGuest<'_>) -> Result<Guest, ApiError> {
        let has_lobby = RoomSettings::of(room).lobby || new.address_banned;
        if has_lobby {
            if let Some(known) = self.database.waiting_as(&room.id, new.fingerprint).await? {
                return Ok(known);
            }
            let waiting = self.database.count_guests(&room.id, GuestState::Waiting).await?;
            if waiting >= u64::from(lobby::WAITING_MAX) {
                let message = "too many people wait at this door; try again in a minute";
                return Err(ApiError::new(ErrorCode::LobbyFull, message));
            }
        }
        let new = NewGuest {
            state: match has_lobby {
                true => GuestState::Waiting,
                false => GuestState::Admitted,
            },
            ..new
        };
        let guest = self
            .database
            .create_guest(&room.id, new, self.now(), lobby::arrival)
            .await?;
        self.feeds.announce(&room.id);
        Ok(guest)
    }
}

/// What guests may do, as the room's settings say.
pub(crate) fn guest_rights(room: &Room) -> Rights {
    let settings = RoomSettings::of(room);
    Rights {
        can_publish: settings.guest_publish,
        can_publish_data: settings.chat,
        can_subscribe: true,
    }
}

/// What LiveKit calls somebody: nobody can choose a name that is another's.
pub(crate) fn identity(kind: &str, id: &str) -> ParticipantIdentity {
    ParticipantIdentity::parse(format!("{kind}-{id}")).expect("our ids are short and plain")
}

/// A room's id as a path has it. Ours need no escapes.
fn path_of(room: &RoomName) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    room.as_str()
        .bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

fn parse_fingerprint(text: &str) -> Result<String, ApiError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_plain && (8..=128).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(ApiError::invalid(
            "sessionFingerprint",
            "8 to 128 letters and digits",
        )),
    }
}

/// Where what was said in a room is read afterwards.
const LECTURES_PATH: &str = "/api/lectures";
