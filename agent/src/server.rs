//! LiveKit's HTTP services: which rooms there are, who asks for us, and the tokens that let us in.

use std::time::Duration;

use livekit_api::{
    access_token::{AccessToken, AccessTokenError, VideoGrants},
    services::{
        ServerError, ServerErrorCode, ServiceError, agent_dispatch::AgentDispatchClient, room::RoomClient,
    },
};
use secrecy::{ExposeSecret, SecretString};

use lectern_pipelines::{RoomName, RoomSid};

use crate::{Error, LiveKit, Visibility};

/// The LiveKit server, asked over HTTP.
#[derive(Debug)]
pub(crate) struct Server {
    livekit: LiveKit,
    rooms: RoomClient,
    dispatches: AgentDispatchClient,
}

/// A room that LiveKit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedRoom {
    /// Its name.
    pub(crate) name: RoomName,
    /// The id of its present life.
    pub(crate) sid: RoomSid,
}

/// Our participants' identities begin with this, so that people can tell.
pub(crate) const IDENTITY_PREFIX: &str = "agent-";
/// What people see of us where we are visible.
pub(crate) const PARTICIPANT_NAME: &str = "Lectern";

/// The attributes with which an agent enters a room.
pub(crate) const ATTRIBUTES: [(&str, &str); 2] =
    [("lk.agent.state", "initializing"), ("lk.agent.name", "lectern")];

/// Joining happens at once, and LiveKit renews the token of whoever is in.
const JOIN_TTL: Duration = Duration::from_secs(600);
const WORKER_TTL: Duration = Duration::from_secs(600);
/// An answer that takes longer comes too late to be worth anything.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

impl Server {
    /// Prepares the clients; nothing is asked yet.
    pub(crate) fn new(livekit: LiveKit) -> Self {
        let host = livekit.url.trim().trim_end_matches('/');
        let secret = livekit.api_secret.expose_secret();
        let rooms = RoomClient::with_api_key(host, &livekit.api_key, secret);
        let dispatches = AgentDispatchClient::with_api_key(host, &livekit.api_key, secret);
        Self {
            rooms: rooms.with_request_timeout(REQUEST_TIMEOUT),
            dispatches: dispatches.with_request_timeout(REQUEST_TIMEOUT),
            livekit,
        }
    }

    /// Every room there is.
    pub(crate) async fn rooms(&self) -> Result<Vec<ListedRoom>, Error> {
        let rooms = self.rooms.list_rooms(Vec::new()).await;
        let rooms = rooms.map_err(|source| Error::LiveKit {
            action: "list its rooms",
            source,
        })?;
        // A name that is none to us can have no meeting either.
        let listed = rooms.into_iter().filter_map(|room| {
            Some(ListedRoom {
                name: RoomName::parse(room.name).ok()?,
                sid: RoomSid::parse(room.sid).ok()?,
            })
        });
        Ok(listed.collect())
    }

    /// Whether the room exists and asks for an agent of this name; with the empty name, for any.
    ///
    /// A room that was made without naming agents has a dispatch of the empty name. So one rule serves both ways of
    /// dispatch, and a room whose dispatch somebody has deleted is left alone.
    pub(crate) async fn asks_for(&self, room: &RoomName, agent_name: &str) -> Result<bool, Error> {
        let names = self.dispatches(room).await?;
        Ok(names.is_some_and(|names| names.iter().any(|name| name == agent_name)))
    }

    /// The names of the agents that a room asks for; nothing if there is no such room.
    pub(crate) async fn dispatches(&self, room: &RoomName) -> Result<Option<Vec<String>>, Error> {
        match self.dispatches.list_dispatch(room.as_str()).await {
            Ok(dispatches) => Ok(Some(
                dispatches
                    .into_iter()
                    .map(|dispatch| dispatch.agent_name)
                    .collect(),
            )),
            Err(ServiceError::Twirp(ServerError::Twirp(error)))
                if error.code == ServerErrorCode::NOT_FOUND =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::LiveKit {
                action: "list a room's dispatches",
                source,
            }),
        }
    }

    /// Lets `identity` into a room as an agent: it doesn't keep the room open, and may speak for others.
    pub(crate) fn join_token(
        &self,
        room: &RoomName,
        identity: &str,
        visibility: Visibility,
    ) -> Result<SecretString, Error> {
        let grants = VideoGrants {
            room_join: true,
            room: room.as_str().to_owned(),
            agent: true,
            hidden: visibility == Visibility::Hidden,
            can_subscribe: Some(true),
            can_publish: Some(false),
            can_publish_data: Some(true),
            can_update_own_metadata: Some(true),
            ..Default::default()
        };
        let token = self
            .token(JOIN_TTL)
            .with_kind("agent")
            .with_identity(identity)
            .with_name(PARTICIPANT_NAME);
        Ok(token
            .with_attributes(ATTRIBUTES)
            .with_grants(grants)
            .to_jwt()?
            .into())
    }

    /// Lets us register as a worker.
    pub(crate) fn worker_token(&self) -> Result<SecretString, AccessTokenError> {
        let grants = VideoGrants {
            agent: true,
            ..Default::default()
        };
        Ok(self.token(WORKER_TTL).with_grants(grants).to_jwt()?.into())
    }

    /// Where the server is, as it was configured.
    pub(crate) fn url(&self) -> &str {
        &self.livekit.url
    }

    fn token(&self, ttl: Duration) -> AccessToken {
        let secret = self.livekit.api_secret.expose_secret();
        AccessToken::with_api_key(&self.livekit.api_key, secret).with_ttl(ttl)
    }
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::Claims;

    use super::*;

    fn server() -> Server {
        Server::new(LiveKit {
            url: "ws://127.0.0.1:1".to_owned(),
            api_key: "devkey".to_owned(),
            api_secret: SecretString::from("secretsecretsecretsecretsecretsecret"),
        })
    }

    fn claims(token: &SecretString) -> Claims {
        Claims::from_unverified(token.expose_secret()).expect("our own token")
    }

    #[test]
    fn join_token_makes_an_agent_that_can_t_publish() {
        let room = RoomName::parse("physics").expect("a good name");
        let token = server()
            .join_token(&room, "agent-1", Visibility::Hidden)
            .expect("a token");
        let claims = claims(&token);
        assert_eq!(
            (claims.kind.as_str(), claims.sub.as_str(), claims.iss.as_str()),
            ("agent", "agent-1", "devkey")
        );
        let grants = claims.video;
        assert!(
            grants.agent && grants.hidden && grants.room_join && !grants.room_admin && !grants.room_create
        );
        assert_eq!(
            (grants.can_publish, grants.can_publish_data),
            (Some(false), Some(true))
        );
        assert_eq!(grants.room, "physics");
        assert_eq!(claims.attributes["lk.agent.state"], "initializing");
    }

    #[test]
    fn visible_agent_s_token_hides_nothing() {
        let room = RoomName::parse("physics").expect("a good name");
        let token = server()
            .join_token(&room, "agent-1", Visibility::Visible)
            .expect("a token");
        assert!(!claims(&token).video.hidden);
    }

    #[test]
    fn worker_token_opens_no_room() {
        let grants = claims(&server().worker_token().expect("a token")).video;
        assert!(grants.agent && !grants.room_join && !grants.room_list);
    }

    #[tokio::test]
    async fn server_that_is_away_is_named_with_what_was_tried() {
        let error = server().rooms().await.expect_err("nobody listens there");
        assert!(
            error.to_string().contains("asking LiveKit to list its rooms"),
            "{error}"
        );
    }
}
