//! LiveKit's server: tokens that let people into its rooms, and what hosts may do there.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use lectern_pipelines::{ParticipantIdentity, RoomName, UnixMillis};
use lectern_storage::OwnCaptions;
use livekit_api::{
    access_token::{AccessToken, AccessTokenError, TokenVerifier, VideoGrants},
    services::{
        ServerErrorCode, ServiceError,
        room::{CreateRoomOptions, RemoveParticipantOptions, RoomClient, UpdateParticipantOptions},
    },
};
use livekit_protocol::{ParticipantInfo, ParticipantPermission, TrackInfo, TrackSource, TrackType};
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

/// Somebody who is in a room now.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    /// What LiveKit calls them.
    pub(crate) identity: String,
    tracks: Vec<TrackInfo>,
    permission: Option<ParticipantPermission>,
}

/// What is done to what somebody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hush {
    /// All their sound is muted. They can unmute it.
    Sound,
    /// Their screen is no longer shown. They can show it again.
    Screen,
    /// Both.
    SoundAndScreen,
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

    /// Who is in a room; nobody if it is not open.
    pub(crate) async fn present(&self, room: &RoomName) -> Result<Vec<Present>, ApiError> {
        let listed = match self.rooms.list_participants(room.as_str()).await {
            Ok(listed) => listed,
            Err(error) if is_not_found(&error) => Vec::new(),
            Err(error) => return Err(ApiError::livekit(format!("list who is in a room: {error}"))),
        };
        Ok(listed.into_iter().map(Present::of).collect())
    }

    /// Hushes people, all at once; who goes meanwhile is quiet too.
    pub(crate) async fn hush(&self, room: &RoomName, people: &[Present], hush: Hush) -> Result<(), ApiError> {
        let sound = match hush {
            Hush::Sound | Hush::SoundAndScreen => people,
            Hush::Screen => &[],
        };
        let screen = match hush {
            Hush::Screen | Hush::SoundAndScreen => people,
            Hush::Sound => &[],
        };
        let mut muting = Vec::new();
        for person in sound {
            let sounding = person.tracks.iter().filter(|track| match hush {
                // What is about to end needs no muting.
                Hush::SoundAndScreen => is_sounding(track) && !is_screen(track.source()),
                Hush::Sound | Hush::Screen => is_sounding(track),
            });
            muting.extend(sounding.map(|track| self.mute(room, &person.identity, &track.sid)));
        }
        let showing = screen.iter().filter(|person| person.shows_screen());
        let stopping = showing.map(|person| self.stop_screen(room, person)).collect();
        let (muted, stopped) = tokio::join!(at_once(muting), at_once(stopping));
        muted.and(stopped)
    }

    /// Makes people leave a room, all at once; who is not in it need not leave.
    ///
    /// Tokens from before `now` end where LiveKit keeps account of them. Its own server (1.13.5) doesn't: who comes
    /// back has to be sent out again.
    pub(crate) async fn remove(
        &self,
        room: &RoomName,
        identities: &[String],
        now: UnixMillis,
    ) -> Result<(), ApiError> {
        let one_by_one = identities
            .iter()
            .map(|identity| self.remove_one(room, identity, now));
        at_once(one_by_one.collect()).await
    }

    async fn remove_one(&self, room: &RoomName, identity: &str, now: UnixMillis) -> Result<(), ApiError> {
        let options = RemoveParticipantOptions {
            revoke_token_ts: now.0,
        };
        let removed = self
            .rooms
            .remove_participant_with_options(room.as_str(), identity, options)
            .await;
        gone_or_done("make somebody leave a room", removed)
    }

    /// Gives somebody who is in a room another role; who is not in it gets it when they come.
    pub(crate) async fn change_role(
        &self,
        room: &RoomName,
        identity: &str,
        role: JoinerRole,
        rights: Rights,
    ) -> Result<(), ApiError> {
        let permission = ParticipantPermission {
            can_publish: rights.can_publish,
            can_publish_data: rights.can_publish_data,
            can_subscribe: rights.can_subscribe,
            ..Default::default()
        };
        let options = UpdateParticipantOptions {
            metadata: metadata_of(role, rights),
            permission: Some(permission),
            ..Default::default()
        };
        let updated = self
            .rooms
            .update_participant(room.as_str(), identity, options)
            .await;
        gone_or_done("give somebody another role", updated)
    }

    /// Tells the worker which language somebody in a room speaks; empty for the room's. Who is not in it speaks none.
    pub(crate) async fn set_language(
        &self,
        room: &RoomName,
        identity: &str,
        language: String,
    ) -> Result<(), ApiError> {
        let options = UpdateParticipantOptions {
            attributes: HashMap::from([("lectern.language".to_owned(), language)]),
            ..Default::default()
        };
        let updated = self
            .rooms
            .update_participant(room.as_str(), identity, options)
            .await;
        gone_or_done("say which language somebody speaks", updated)
    }

    async fn mute(&self, room: &RoomName, identity: &str, track: &str) -> Result<(), ApiError> {
        let muting = self
            .rooms
            .mute_published_track(room.as_str(), identity, track, true);
        // It unwraps what LiveKit leaves out if the track ended meanwhile (livekit-api 0.10.0, services/room.rs:373).
        match AssertUnwindSafe(muting).catch_unwind().await {
            Ok(muted) => {
                self.unless_gone(room, identity, gone_or_done("mute somebody", muted))
                    .await
            }
            Err(_) => Ok(()),
        }
    }

    /// What can't be done to somebody who has gone meanwhile need not be: LiveKit then says anything but that they are
    /// not found.
    async fn unless_gone(
        &self,
        room: &RoomName,
        identity: &str,
        done: Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let Err(error) = done else {
            return Ok(());
        };
        match self.rooms.get_participant(room.as_str(), identity).await {
            Err(found) if is_not_found(&found) => Ok(()),
            _ => Err(error),
        }
    }

    /// Takes the right to show a screen, which ends what is shown, and gives it back.
    async fn stop_screen(&self, room: &RoomName, person: &Present) -> Result<(), ApiError> {
        let Some(permission) = &person.permission else {
            return Ok(());
        };
        for permission in [without_screen(permission), permission.clone()] {
            let options = UpdateParticipantOptions {
                permission: Some(permission),
                ..Default::default()
            };
            let updated = self
                .rooms
                .update_participant(room.as_str(), &person.identity, options)
                .await;
            let updated = gone_or_done("stop a shared screen", updated);
            self.unless_gone(room, &person.identity, updated).await?;
        }
        Ok(())
    }
}

impl Present {
    fn of(info: ParticipantInfo) -> Self {
        Self {
            identity: info.identity,
            tracks: info.tracks,
            permission: info.permission,
        }
    }

    fn shows_screen(&self) -> bool {
        self.tracks.iter().any(|track| is_screen(track.source()))
    }
}

fn is_sounding(track: &TrackInfo) -> bool {
    track.r#type() == TrackType::Audio && !track.muted
}

fn is_screen(source: TrackSource) -> bool {
    matches!(source, TrackSource::ScreenShare | TrackSource::ScreenShareAudio)
}

fn without_screen(permission: &ParticipantPermission) -> ParticipantPermission {
    // An empty list would allow all sources.
    let others = [TrackSource::Camera, TrackSource::Microphone];
    ParticipantPermission {
        can_publish_sources: others.map(i32::from).to_vec(),
        ..permission.clone()
    }
}

/// Asks LiveKit for many things at once; all are tried, and the first that fails is told.
async fn at_once(asked: Vec<impl Future<Output = Result<(), ApiError>>>) -> Result<(), ApiError> {
    let answers: Vec<_> = stream::iter(asked)
        .buffer_unordered(REQUESTS_AT_ONCE_MAX)
        .collect()
        .await;
    answers.into_iter().collect()
}

/// Done, or about somebody who is not there any more.
fn gone_or_done<T>(doing: &str, result: Result<T, ServiceError>) -> Result<(), ApiError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => Err(ApiError::livekit(format!("{doing}: {error}"))),
    }
}

fn metadata_of(role: JoinerRole, permissions: Rights) -> String {
    #[derive(Serialize)]
    struct Metadata {
        role: JoinerRole,
        permissions: Rights,
    }
    serde_json::to_string(&Metadata { role, permissions }).expect("plain values are JSON")
}

/// A whole class is hushed in a moment, and LiveKit not flooded.
const REQUESTS_AT_ONCE_MAX: usize = 32;

impl Joiner {
    /// What others and front ends may know of them.
    pub(crate) fn metadata(&self) -> String {
        metadata_of(self.role, self.rights)
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
