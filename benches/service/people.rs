//! People with a microphone in rooms of the real LiveKit server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use livekit::{
    Room, RoomEvent, RoomOptions,
    options::TrackPublishOptions,
    prelude::{LocalAudioTrack, LocalTrack, TrackSource},
    webrtc::audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

/// Somebody in a room.
pub(crate) struct Person {
    _room: Room,
    events: UnboundedReceiver<RoomEvent>,
}

impl Person {
    /// Enters by a token of the service and turns their microphone on; listens to nobody.
    pub(crate) async fn enter(token: &str) -> anyhow::Result<Self> {
        let url = std::env::var("LIVEKIT_URL").context("LIVEKIT_URL is not set: run `make bench-service`")?;
        let mut options = RoomOptions::default();
        options.auto_subscribe = false;
        let (room, events) = Room::connect(&url, token, options).await?;
        let sound = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 200);
        let track = LocalAudioTrack::create_audio_track("sound", RtcAudioSource::Native(sound));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            ..Default::default()
        };
        room.local_participant()
            .publish_track(LocalTrack::Audio(track), options)
            .await?;
        Ok(Self { _room: room, events })
    }

    /// Waits until LiveKit sends them out.
    pub(crate) async fn until_sent_out(mut self) -> anyhow::Result<()> {
        let sent_out = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, RoomEvent::Disconnected { .. }) {
                    return Ok(());
                }
            }
            bail!("the room ended without a word")
        };
        timeout(PATIENCE, sent_out)
            .await
            .context("somebody is still in the room")?
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
