//! LiveKit's server: tokens that let people into its rooms, and what hosts may do there.

use std::time::Duration;

use lectern_pipelines::{ParticipantIdentity, RoomName};
use livekit_api::{
    access_token::{AccessToken, AccessTokenError, TokenVerifier, VideoGrants},
    services::{
        ServerErrorCode, ServiceError,
        room::{CreateRoomOptions, RoomClient},
    },
};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{ApiError, settings::LiveKit};

/// A LiveKit server, as the service uses it.
pub(crate) struct Server {
    settings: LiveKit,
    rooms: RoomClient,
}

/// Somebody who may join a room.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) room: RoomName,
    pub(crate) identity: ParticipantIdentity,
    /// What others see.
    pub(crate) name: String,
    pub(crate) role: JoinerRole,
    pub(crate) rights: Rights,
    pub(crate) captions: OwnCaptions,
}

/// Whether somebody wants what they say to be captioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnCaptions {
    On,
    Off,
}

/// What somebody is in a room; travels in their metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JoinerRole {
    /// They hold the room.
    Host,
    /// They were let in.
    Guest,
    /// They send to many.
    Publisher,
    /// They only watch.
    Viewer,
    /// A media server that passes a room on.
    Relay,
}

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rights {
    /// Send sound and pictures.
    pub(crate) can_publish: bool,
    /// Send messages.
    pub(crate) can_publish_data: bool,
    /// Hear and see others.
    pub(crate) can_subscribe: bool,
}

impl Rights {
    pub(crate) const ALL: Self = Self {
        can_publish: true,
        can_publish_data: true,
        can_subscribe: true,
    };
    pub(crate) const WATCH: Self = Self {
        can_publish: false,
        can_publish_data: false,
        can_subscribe: true,
    };
}

impl Server {
    pub(crate) fn new(settings: LiveKit) -> Self {
        let secret = settings.api_secret.expose_secret();
        let rooms = RoomClient::with_api_key(
            settings.url.trim().trim_end_matches('/'),
            &settings.api_key,
            secret,
        )
        .with_failover(false)
        .with_request_timeout(REQUEST_TIMEOUT);
        Self { settings, rooms }
    }

    /// Where browsers reach it.
    pub(crate) fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    /// A token that lets one person into one room, and no more: nobody gets `hidden`, `agent` or `roomAdmin` from us.
    pub(crate) fn token(&self, joiner: &Joiner, lifetime: Duration) -> Result<String, ApiError> {
        self.signed(joiner, lifetime).map_err(ApiError::internal)
    }

    fn signed(&self, joiner: &Joiner, lifetime: Duration) -> Result<String, AccessTokenError> {
        let grants = VideoGrants {
            room_join: true,
            room: joiner.room.as_str().to_owned(),
            can_publish: Some(joiner.rights.can_publish),
            can_publish_data: Some(joiner.rights.can_publish_data),
            can_subscribe: Some(joiner.rights.can_subscribe),
            // Or a guest could call themselves host.
            can_update_own_metadata: Some(false),
            ..Default::default()
        };
        let secret = self.settings.api_secret.expose_secret();
        AccessToken::with_api_key(&self.settings.api_key, secret)
            .with_ttl(lifetime)
            .with_identity(joiner.identity.as_str())
            .with_name(&joiner.name)
            .with_metadata(&joiner.metadata())
            .with_attributes(joiner.attributes())
            .with_grants(grants)
            .to_jwt()
    }

    /// The digest of a body that LiveKit signed with our key; nothing if it did not, or that was too long ago.
    pub(crate) fn signed_digest(&self, token: &str) -> Option<String> {
        let secret = self.settings.api_secret.expose_secret();
        let verifier = TokenVerifier::with_api_key(&self.settings.api_key, secret);
        verifier.verify(token).ok().map(|claims| claims.sha256)
    }

    /// Opens a room; it may be open already.
    pub(crate) async fn open_room(
        &self,
        room: &RoomName,
        title: &str,
        max_participants: u32,
    ) -> Result<(), ApiError> {
        let options = CreateRoomOptions {
            max_participants,
            metadata: serde_json::json!({ "title": title }).to_string(),
            ..Default::default()
        };
        let opened = self.rooms.create_room(room.as_str(), options).await;
        opened
            .map(drop)
            .map_err(|error| ApiError::livekit(format!("open a room: {error}")))
    }

    /// Ends a room and sends everybody out; there need not be one.
    pub(crate) async fn close_room(&self, room: &RoomName) -> Result<(), ApiError> {
        match self.rooms.delete_room(room.as_str()).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(ApiError::livekit(format!("close a room: {error}"))),
        }
    }
}

impl Joiner {
    /// What others and front ends may know of them.
    pub(crate) fn metadata(&self) -> String {
        #[derive(Serialize)]
        struct Metadata {
            role: JoinerRole,
            permissions: Rights,
        }
        let metadata = Metadata {
            role: self.role,
            permissions: self.rights,
        };
        serde_json::to_string(&metadata).expect("plain values are JSON")
    }

    /// What the worker goes by.
    fn attributes(&self) -> Option<(&'static str, &'static str)> {
        match self.captions {
            OwnCaptions::On => None,
            OwnCaptions::Off => Some(("lectern.captions", "off")),
        }
    }
}

/// How long LiveKit may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

fn is_not_found(error: &ServiceError) -> bool {
    use livekit_api::services::ServerError;
    matches!(error, ServiceError::Twirp(ServerError::Twirp(error)) if error.code == ServerErrorCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::Claims;

    use super::*;

    fn server() -> Server {
        Server::new(LiveKit {
            url: "ws://127.0.0.1:7880".to_owned(),
            public_url: "wss://live.example.org".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "a secret of at least thirty-two bytes".into(),
        })
    }

    fn claims_of(role: JoinerRole, rights: Rights) -> Claims {
        let joiner = Joiner {
            room: RoomName::parse("r").expect("a name"),
            identity: ParticipantIdentity::parse("guest-1").expect("an identity"),
            name: "Ada".to_owned(),
            role,
            rights,
            captions: OwnCaptions::Off,
        };
        let token = server().token(&joiner, Duration::from_secs(60)).expect("a token");
        TokenVerifier::with_api_key("key", "a secret of at least thirty-two bytes")
            .verify(&token)
            .expect("its own token")
    }

    #[test]
    fn nobody_is_given_more_than_they_need() {
        for (role, rights) in [
            (JoinerRole::Host, Rights::ALL),
            (JoinerRole::Guest, Rights::ALL),
            (JoinerRole::Viewer, Rights::WATCH),
        ] {
            let grants = claims_of(role, rights).video;
            assert!(grants.room_join && grants.room == "r");
            assert!(!grants.hidden && !grants.agent && !grants.room_admin && !grants.recorder);
            assert!(!grants.room_create && !grants.room_list && !grants.room_record && !grants.ingress_admin);
        }
        let viewer = claims_of(JoinerRole::Viewer, Rights::WATCH);
        assert!(!viewer.video.can_publish() && !viewer.video.can_publish_data());
        assert!(!viewer.video.can_update_own_metadata());
        assert_eq!(viewer.attributes["lectern.captions"], "off");
        assert_eq!(
            viewer.metadata,
            r#"{"role":"viewer","permissions":{"canPublish":false,"canPublishData":false,"canSubscribe":true}}"#
        );
    }
}
