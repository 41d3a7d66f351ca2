//! People with a microphone in rooms of the real LiveKit server.

use std::time::Duration;

use livekit::{
    Room, RoomEvent, RoomOptions,
    options::TrackPublishOptions,
    prelude::{LocalAudioTrack, LocalTrack, TrackSource},
    webrtc::audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
};
use livekit_api::services::room::RoomClient;
use livekit_protocol::ParticipantInfo;
use tokio::{sync::mpsc, time::timeout};

use crate::required;

/// Somebody in a room.
pub(crate) struct Person {
    room: Room,
    events: mpsc::UnboundedReceiver<RoomEvent>,
}

impl Person {
    /// Enters by a token of the service.
    pub(crate) async fn enter(token: &str) -> Self {
        let entered = Room::connect(&required("LIVEKIT_URL"), token, RoomOptions::default()).await;
        let (room, events) = entered.expect("a room to enter");
        Self { room, events }
    }

    /// Sends sound of this kind.
    pub(crate) async fn publish(&self, source: TrackSource) {
        let sound = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 200);
        let track = LocalAudioTrack::create_audio_track("sound", RtcAudioSource::Native(sound));
        let options = TrackPublishOptions {
            source,
            ..Default::default()
        };
        let published = self.room.local_participant();
        published
            .publish_track(LocalTrack::Audio(track), options)
            .await
            .expect("a track to publish");
    }

    /// Waits until LiveKit sends them out.
    pub(crate) async fn is_sent_out(&mut self) {
        let sent_out = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, RoomEvent::Disconnected { .. }) {
                    return;
                }
            }
        };
        timeout(PATIENCE, sent_out).await.expect("sent out in time");
    }
}

/// The LiveKit server of the tests.
pub(crate) fn livekit_rooms() -> RoomClient {
    RoomClient::with_api_key(
        &required("LIVEKIT_URL"),
        &required("LIVEKIT_API_KEY"),
        &required("LIVEKIT_API_SECRET"),
    )
}

/// Waits until LiveKit says so of somebody in a room.
pub(crate) async fn until(room: &str, identity: &str, holds: impl Fn(&ParticipantInfo) -> bool) {
    let looking = async {
        loop {
            let found = livekit_rooms().get_participant(room, identity).await;
            if found.is_ok_and(|person| holds(&person)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("LiveKit doesn't say so of {identity}"));
}

/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
