//! What the `livekit` package's own tests show with video, shown with audio.

#![deny(warnings)]

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use common::{
    TestRoomOptions,
    audio::{FreqAnalyzer, SineParameters, SineTrack},
    test_rooms, test_rooms_with_options,
};
use futures_util::StreamExt;
use libwebrtc::{
    audio_source::native::NativeAudioSource,
    audio_stream::native::NativeAudioStream,
    prelude::{AudioSourceOptions, PeerConnectionState, RtcAudioSource},
};
use livekit::{
    ConnectionState, DisconnectReason, Room, RoomEvent, RoomOptions, SimulateScenario,
    options::TrackPublishOptions,
    prelude::TrackSource,
    track::{LocalAudioTrack, LocalTrack, RemoteTrack},
};
use livekit_api::services::room::RoomClient;
use tokio::{sync::mpsc::UnboundedReceiver, task::yield_now, time};

#[expect(
    warnings,
    reason = "the package's own helpers, of which the others are for its other tests"
)]
mod common;

type Events = UnboundedReceiver<RoomEvent>;

#[tokio::test]
async fn a_full_reconnect_publishes_again() -> Result<()> {
    let mut rooms = test_rooms(2).await?;
    let (_listener, mut heard) = rooms.pop().context("two rooms were asked for")?;
    let (room, mut events) = rooms.pop().context("two rooms were asked for")?;
    let room = Arc::new(room);
    SineTrack::new(room.clone(), tone()).publish().await?;
    hear(&mut heard).await?;

    room.simulate_scenario(SimulateScenario::FullReconnect).await?;
    until(&mut events, |event| matches!(event, RoomEvent::Reconnecting)).await?;
    until(&mut events, |event| {
        matches!(event, RoomEvent::LocalTrackRepublished { .. })
    })
    .await?;
    until(&mut events, |event| matches!(event, RoomEvent::Reconnected)).await?;
    ensure!(room.connection_state() == ConnectionState::Connected);
    // The others hear the track that took the first one's place.
    hear(&mut heard).await
}

#[tokio::test]
async fn a_deleted_room_is_left_for_good() -> Result<()> {
    let (room, mut events) = test_rooms(1).await?.pop().context("a room was asked for")?;
    let is_gone = room.drop_probe();
    let source = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 100);
    let publication = publish(&room, "tone", source, TrackSource::Microphone).await?;
    // A closed connection has no senders to show.
    let senders = room.publisher_senders();
    ensure!(senders.iter().any(|sender| sender.track().is_some()));

    server().delete_room(&room.name()).await?;
    let end = until(&mut events, |event| {
        matches!(event, RoomEvent::Reconnecting | RoomEvent::Disconnected { .. })
    });
    let end = end.await?;
    let reason = DisconnectReason::RoomDeleted;
    ensure!(
        matches!(end, RoomEvent::Disconnected { reason: told } if told == reason),
        "{end:?}"
    );
    ensure!(room.connection_state() == ConnectionState::Disconnected);
    ensure!(
        senders.iter().all(|sender| sender.track().is_none()),
        "a sender keeps its track"
    );
    eventually("the publication keeps its track", || {
        publication.track().is_none()
    })
    .await?;

    drop((publication, events, room));
    eventually("the session is not dropped", is_gone).await
}

#[tokio::test]
async fn twenty_tracks_arrive_by_two_connections() -> Result<()> {
    twenty_tracks_arrive(false).await
}

#[tokio::test]
async fn twenty_tracks_arrive_by_one_connection() -> Result<()> {
    twenty_tracks_arrive(true).await
}

async fn twenty_tracks_arrive(single_peer_connection: bool) -> Result<()> {
    let options = || {
        let mut options = RoomOptions::default();
        options.single_peer_connection = single_peer_connection;
        TestRoomOptions::from(options)
    };
    let mut rooms = test_rooms_with_options([options(), options()]).await?;
    let (listener, mut heard) = rooms.pop().context("two rooms were asked for")?;
    let (speaker, _events) = rooms.pop().context("two rooms were asked for")?;
    ensure!(listener.is_single_peer_connection_active() == single_peer_connection);

    let mut publications = Vec::new();
    let mut missing = Vec::new();
    for number in 0..20 {
        let (name, source) = (
            format!("track {number}"),
            NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 100),
        );
        let kind = [TrackSource::Microphone, TrackSource::ScreenshareAudio][number % 2];
        publications.push(publish(&speaker, &name, source, kind).await?);
        missing.push(name);
    }
    while !missing.is_empty() {
        let event = until(&mut heard, |event| {
            matches!(event, RoomEvent::TrackSubscribed { .. })
        });
        let event = event.await.with_context(|| format!("missing: {missing:?}"))?;
        if let RoomEvent::TrackSubscribed { publication, .. } = event {
            missing.retain(|name| *name != publication.name());
        }
    }
    for publication in publications {
        speaker
            .local_participant()
            .unpublish_track(&publication.sid())
            .await?;
        let is_this = |event: &RoomEvent| match event {
            RoomEvent::TrackUnsubscribed {
                publication: gone, ..
            } => gone.sid() == publication.sid(),
            _ => false,
        };
        until(&mut heard, is_this).await?;
    }
    Ok(())
}

/// The package's own test drops the future of a close when tokio's timer next ticks, by when ours may be over. This one
/// drops it as soon as the connection is closed and the future still waits for something.
#[tokio::test]
async fn a_close_cut_short_has_closed_the_connection() -> Result<()> {
    let (room, _events) = test_rooms(1).await?.pop().context("a room was asked for")?;
    ensure!(room.publisher_connection_state() == PeerConnectionState::Connected);
    {
        let mut close = pin!(room.close());
        let is_closed = || room.publisher_connection_state() == PeerConnectionState::Closed;
        while !is_closed() {
            let step = poll_fn(|context| Poll::Ready(close.as_mut().poll(context))).await;
            ensure!(
                step.is_pending(),
                "the close was over with the connection open, or at once"
            );
            yield_now().await;
        }
    }
    for _ in 0..10 {
        time::sleep(Duration::from_millis(10)).await;
        ensure!(room.publisher_connection_state() == PeerConnectionState::Closed);
    }
    Ok(())
}

fn tone() -> SineParameters {
    SineParameters {
        sample_rate: 48_000,
        freq: TONE_HZ,
        amplitude: 0.5,
        num_channels: 1,
    }
}

async fn publish(
    room: &Room,
    name: &str,
    source: NativeAudioSource,
    kind: TrackSource,
) -> Result<livekit::prelude::LocalTrackPublication> {
    let track = LocalAudioTrack::create_audio_track(name, RtcAudioSource::Native(source));
    let options = TrackPublishOptions {
        source: kind,
        ..TrackPublishOptions::default()
    };
    let participant = room.local_participant();
    Ok(participant
        .publish_track(LocalTrack::Audio(track), options)
        .await?)
}

/// Waits until a new track is subscribed to and its tone is heard.
async fn hear(events: &mut Events) -> Result<()> {
    let event = until(events, |event| matches!(event, RoomEvent::TrackSubscribed { .. })).await?;
    let RoomEvent::TrackSubscribed {
        track: RemoteTrack::Audio(track),
        ..
    } = event
    else {
        anyhow::bail!("a track without audio: {event:?}");
    };
    let mut stream = NativeAudioStream::new(track.rtc_track(), RATE_HZ, 1);
    let listen = async {
        // Half a second of tone, which begins somewhere in the first second.
        let tone = stream.by_ref().skip_while(|frame| {
            let is_quiet = frame.data.iter().all(|sample| sample.unsigned_abs() < 3_000);
            async move { is_quiet }
        });
        let mut frames = pin!(tone.skip(20).take(50));
        let mut analyzer = FreqAnalyzer::new();
        while let Some(frame) = frames.next().await {
            analyzer.analyze(frame.data.iter().copied());
        }
        analyzer.estimated_freq(RATE_HZ as u32)
    };
    let frequency = time::timeout(WAIT_MAX, listen)
        .await
        .context("no tone was heard")?;
    ensure!((frequency - TONE_HZ).abs() < 20.0, "heard {frequency} Hz");
    Ok(())
}

/// The next event of the kind.
async fn until(events: &mut Events, is_it: impl Fn(&RoomEvent) -> bool) -> Result<RoomEvent> {
    let find = async {
        loop {
            let event = events.recv().await.context("the events are over")?;
            if is_it(&event) {
                return Ok(event);
            }
        }
    };
    time::timeout(WAIT_MAX, find)
        .await
        .context("the event did not come")?
}

async fn eventually(otherwise: &'static str, is_so: impl Fn() -> bool) -> Result<()> {
    let wait = async {
        while !is_so() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(WAIT_MAX, wait).await.context(otherwise)
}

/// The server's own interface, as scripts/with-services tells where it is.
fn server() -> RoomClient {
    let variable =
        |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/with-services"));
    let url = variable("LIVEKIT_URL").replacen("ws", "http", 1);
    RoomClient::with_api_key(
        &url,
        &variable("LIVEKIT_API_KEY"),
        &variable("LIVEKIT_API_SECRET"),
    )
}

const TONE_HZ: f64 = 440.0;
const RATE_HZ: i32 = 48_000;

/// How long anything may take.
const WAIT_MAX: Duration = Duration::from_secs(20);
