//! What the SDK with Google's libwebrtc in it sends is heard here as it was, and for as long.

use std::path::Path;

use futures_util::StreamExt as _;
use lectern_agent::LiveKit;
use livekit::{
    Room, RoomEvent, RoomOptions,
    track::RemoteTrack,
    webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
};

use crate::support::{Client, PATIENCE, Server};

#[tokio::test(flavor = "multi_thread")]
async fn tone_from_the_python_sdk_arrives_with_every_period_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let python = Client::told(&server, "tone", "python", "Python", &[]);
    let token = server.token("tone", "ear", "Ear");
    let listening = listen(&server.livekit, &token);
    let (room, stream) = tokio::time::timeout(PATIENCE, listening).await.expect("a track");
    let hearing = tokio::spawn(hear(stream));
    let path = folder.path().join("tone.wav");
    write_tone(&path);
    tokio::task::spawn_blocking(move || {
        python.say(&path.to_string_lossy());
        python.finish();
    })
    .await
    .expect("Python plays it and leaves");
    let samples = tokio::time::timeout(PATIENCE, hearing).await;
    let samples = samples.expect("the track ends").expect("nothing panics");
    room.close().await.expect("left");

    let heard = rising(&samples);
    let whole = (SECONDS * 1000) as usize;
    assert!(
        heard.abs_diff(whole) <= 20,
        "{heard} periods of {whole} were heard"
    );
    // Where this machine was busy with something else, silence stands for what came late: not counted.
    let loud: Vec<&[i16]> = samples.chunks_exact(160).filter(|frame| is_loud(frame)).collect();
    let middle = loud[50..loud.len() - 50].concat();
    let seconds = middle.len() as f64 / f64::from(RATE_HZ);
    let per_second = rising(&middle) as f64 / seconds;
    assert!(
        (999.0..=1001.0).contains(&per_second),
        "{per_second} rises in each of {seconds} seconds"
    );
    let length = loud.len() as f64 / 100.0;
    assert!(
        (length - f64::from(SECONDS)).abs() < 0.05,
        "{length} s were heard"
    );
}

/// Joins, and waits for somebody's track.
async fn listen(livekit: &LiveKit, token: &str) -> (Room, NativeAudioStream) {
    let (room, mut events) = Room::connect(&livekit.url, token, RoomOptions::default())
        .await
        .expect("the room is open");
    loop {
        let event = events.recv().await.expect("the room is open");
        let RoomEvent::TrackSubscribed {
            track: RemoteTrack::Audio(track),
            ..
        } = event
        else {
            continue;
        };
        let options = NativeAudioStreamOptions {
            queue_size_frames: Some(0),
        };
        let stream = NativeAudioStream::with_options(track.rtc_track(), RATE_HZ as i32, 1, options);
        return (room, stream);
    }
}

/// All that is heard until the track ends.
async fn hear(mut stream: NativeAudioStream) -> Vec<i16> {
    let mut samples = Vec::new();
    while let Some(frame) = stream.next().await {
        samples.extend_from_slice(&frame.data);
    }
    samples
}

fn write_tone(path: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).expect("a file");
    for sample in 0..SECONDS * RATE_HZ {
        let turns = f64::from(sample) * 1000.0 / f64::from(RATE_HZ);
        let value = (turns.fract() * std::f64::consts::TAU).sin() * 8_000.0;
        file.write_sample(value as i16).expect("written");
    }
    file.finalize().expect("written");
}

/// How often the wave goes from below zero to above it.
fn rising(samples: &[i16]) -> usize {
    samples
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count()
}

fn is_loud(frame: &[i16]) -> bool {
    frame.iter().any(|sample| sample.unsigned_abs() > 4_000)
}

const RATE_HZ: u32 = 16_000;
const SECONDS: u32 = 10;
