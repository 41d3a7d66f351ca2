//! A participant that speaks and reads its captions: what the demo and the tests put into a room.

use std::sync::Arc;

use livekit::{
    ConnectionState, Room as Connection, RoomEvent as SdkEvent, RoomOptions, StreamReader,
    options::TrackPublishOptions,
    track::{LocalAudioTrack, LocalTrack, TrackSource},
    webrtc::{
        audio_frame::AudioFrame,
        audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
    },
};
use livekit_api::{
    access_token::{AccessToken, VideoGrants},
    services::room::RoomClient,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::mpsc, task::JoinHandle};

use lectern_pipelines::{ParticipantIdentity, RoomName, SAMPLE_RATE_HZ, SegmentId, TRANSCRIPTION_TOPIC};

use crate::{Error, LiveKit, tls};

/// Somebody in a room with a microphone.
pub struct Speaker {
    connection: Arc<Connection>,
    source: NativeAudioSource,
    reader: JoinHandle<()>,
}

/// A caption as a participant's front end gets it, by text stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardCaption {
    /// Whose words they are.
    pub speaker: String,
    /// Captions of one segment replace each other.
    pub segment: SegmentId,
    /// The whole text so far; empty if it is withdrawn.
    pub text: String,
    /// Whether it never changes again.
    pub is_final: bool,
}

impl Speaker {
    /// Joins a room and publishes a microphone. Captions come out of the receiver until the room is left.
    pub async fn join(
        livekit: &LiveKit,
        room: &RoomName,
        identity: &ParticipantIdentity,
        name: &str,
    ) -> Result<(Self, mpsc::UnboundedReceiver<HeardCaption>), Error> {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), SAMPLE_RATE_HZ, 1, QUEUE_MS);
        Self::join_with(livekit, room, identity, name, source).await
    }

    /// The same with a microphone of the caller's, who feeds it instead of calling [`Self::say`].
    pub async fn join_with(
        livekit: &LiveKit,
        room: &RoomName,
        identity: &ParticipantIdentity,
        name: &str,
        source: NativeAudioSource,
    ) -> Result<(Self, mpsc::UnboundedReceiver<HeardCaption>), Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Join {
            room: room.clone(),
            reason: error.to_string(),
        };
        let token = participant_token(livekit, room, identity, name).map_err(|error| failed(&error))?;
        tls::choose_provider();
        let options = RoomOptions::default();
        let (connection, events) = Connection::connect(&livekit.url, token.expose_secret(), options)
            .await
            .map_err(|error| failed(&error))?;
        let track = LocalAudioTrack::create_audio_track("microphone", RtcAudioSource::Native(source.clone()));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            ..Default::default()
        };
        connection
            .local_participant()
            .publish_track(LocalTrack::Audio(track), options)
            .await
            .map_err(|error| failed(&error))?;
        let (captions, receiver) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read_captions(events, captions));
        Ok((
            Self {
                connection: Arc::new(connection),
                source,
                reader,
            },
            receiver,
        ))
    }

    /// Speaks: 16 kHz mono, any length. Takes about as long as the speech.
    pub async fn say(&self, samples: &[i16]) -> Result<(), Error> {
        for chunk in samples.chunks(CHUNK_SAMPLES) {
            let frame = AudioFrame {
                data: chunk.into(),
                sample_rate: SAMPLE_RATE_HZ,
                num_channels: 1,
                samples_per_channel: chunk.len() as u32,
            };
            self.source
                .capture_frame(&frame)
                .await
                .map_err(|error| Error::Speak {
                    reason: error.message,
                })?;
        }
        Ok(())
    }

    /// Whether what is said now goes to the server, and captions come from it.
    pub fn is_connected(&self) -> bool {
        self.connection.connection_state() == ConnectionState::Connected
    }

    /// Leaves the room.
    pub async fn leave(self) {
        // A connection that is lost already has left, too.
        self.connection.close().await.ok();
        self.reader.abort();
    }
}

/// Ends a room for everybody in it.
pub async fn delete_room(livekit: &LiveKit, room: &RoomName) -> Result<(), Error> {
    RoomClient::with_api_key(&livekit.url, &livekit.api_key, livekit.api_secret.expose_secret())
        .delete_room(room.as_str())
        .await
        .map_err(|source| Error::LiveKit {
            action: "delete a room",
            source,
        })
}

/// Lets a participant into a room: to speak, to listen and to read captions, no more.
pub fn participant_token(
    livekit: &LiveKit,
    room: &RoomName,
    identity: &ParticipantIdentity,
    name: &str,
) -> Result<SecretString, Error> {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_string(),
        ..Default::default()
    };
    let token = AccessToken::with_api_key(&livekit.api_key, livekit.api_secret.expose_secret())
        .with_identity(identity.as_str())
        .with_name(name)
        .with_grants(grants);
    Ok(token.to_jwt()?.into())
}

/// A link by which a browser joins the room, through LiveKit's own meeting page.
pub fn join_url(
    livekit: &LiveKit,
    room: &RoomName,
    identity: &ParticipantIdentity,
    name: &str,
) -> Result<String, Error> {
    let token = participant_token(livekit, room, identity, name)?;
    // Neither a websocket's URL nor a token has characters that a query would have to escape but these.
    let url = livekit
        .url
        .replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B")
        .replace('#', "%23");
    Ok(format!(
        "https://meet.livekit.io/custom?liveKitUrl={url}&token={}",
        token.expose_secret()
    ))
}

async fn read_captions(
    mut events: mpsc::UnboundedReceiver<SdkEvent>,
    captions: mpsc::UnboundedSender<HeardCaption>,
) {
    while let Some(event) = events.recv().await {
        let SdkEvent::TextStreamOpened {
            reader,
            topic,
            participant_identity,
        } = event
        else {
            continue;
        };
        if topic != TRANSCRIPTION_TOPIC {
            continue;
        }
        let Some(reader) = reader.take() else { continue };
        let attributes = reader.info().attributes().clone();
        // One after the other, as they were sent.
        let Ok(text) = reader.read_all().await else {
            continue;
        };
        let Some(segment) = attributes
            .get("lk.segment_id")
            .and_then(|id| SegmentId::parse(id).ok())
        else {
            continue;
        };
        let is_final = attributes
            .get("lk.transcription_final")
            .is_some_and(|text| text == "true");
        let caption = HeardCaption {
            speaker: participant_identity.to_string(),
            segment,
            text,
            is_final,
        };
        if captions.send(caption).is_err() {
            return;
        }
    }
}

/// 10 ms, as microphones give it.
const CHUNK_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 100;
/// How far a speaker may be ahead of the network.
const QUEUE_MS: u32 = 200;
