//! Who is inside a room, and may see and do what people in it do.

use lectern_pipelines::{GuestId, GuestState, RoomName};
use lectern_storage::{Audience, Room, RoomEvent};

use super::join::identity;
use crate::{
    ApiError, Service,
    caller::{Caller, Standing},
};

/// Somebody who may be in a room.
#[derive(Debug, Clone)]
pub(crate) struct Insider {
    /// What LiveKit calls them.
    pub(crate) identity: String,
    /// What they call themselves.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The guest that they are, if they don't hold the room.
    pub(crate) guest: Option<GuestId>,
}

/// Whether somebody holds the room that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Host,
    Guest,
}

impl Insider {
    /// Whose events they are told.
    pub(crate) fn audiences(&self) -> Vec<Audience> {
        let own = self.guest.clone().map(Audience::Guest);
        own.into_iter().chain([Audience::All]).collect()
    }
}

/// Whether a stream ends with this event: whether its listener may still be there is to be asked anew.
pub(crate) fn ends_listening(event: &RoomEvent) -> bool {
    matches!(event.kind.as_str(), "you.removed" | "room.host-passed")
}

impl Service {
    /// A room that the caller may be in: they hold it, or were let in and not sent out.
    pub(crate) async fn inside(&self, caller: &Caller, room: &RoomName) -> Result<(Room, Insider), ApiError> {
        let (room, standing) = self.standing(caller, room).await?;
        let insider = match standing {
            Standing::Host(account) => Insider {
                identity: identity("user", account.id.as_str()).to_string(),
                name: account.name,
                role: Role::Host,
                guest: None,
            },
            Standing::Guest(guest) if guest.state == GuestState::Admitted => Insider {
                identity: identity("guest", guest.id.as_str()).to_string(),
                name: guest.name,
                role: Role::Guest,
                guest: Some(guest.id),
            },
            Standing::Guest(_) => return Err(ApiError::forbidden("this is for people in the room")),
            Standing::Stranger if caller.is_nobody() => {
                return Err(ApiError::unauthenticated(
                    "join the room first (POST …/join), or log in as its host",
                ));
            }
            Standing::Stranger => {
                return Err(ApiError::forbidden(
                    "join the room first (POST /api/rooms/{id}/join)",
                ));
            }
        };
        Ok((room, insider))
    }
}
