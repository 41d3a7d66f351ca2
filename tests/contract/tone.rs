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

    let rises = rises(&samples);
    let whole = (SECONDS * 1000) as usize;
    assert!(
        rises.len().abs_diff(whole) <= 20,
        "{} periods of {whole} were heard",
        rises.len()
    );
    // Where this machine was busy with something else, silence stands for what came late: such periods are not counted.
    let periods: Vec<usize> = rises
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .filter(|length| length.abs_diff(PERIOD) <= 1)
        .collect();
    let mean = periods.iter().sum::<usize>() as f64 / periods.len() as f64;
    assert!(
        periods.len() * 100 >= whole * 98 && (mean - PERIOD as f64).abs() <= 0.01,
        "{} periods, {mean} samples long",
        periods.len()
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
    // Python leaves when the end should have been heard by the clock: what is cut off then is silence.
    let silence = RATE_HZ;
    for sample in 0..SECONDS * RATE_HZ + silence {
        let turns = f64::from(sample) * 1000.0 / f64::from(RATE_HZ);
        let loudness = if sample < SECONDS * RATE_HZ { 8_000.0 } else { 0.0 };
        let value = (turns.fract() * std::f64::consts::TAU).sin() * loudness;
        file.write_sample(value as i16).expect("written");
    }
    file.finalize().expect("written");
}

/// Where the wave comes up. What is as quiet as an echo of it does not count.
fn rises(samples: &[i16]) -> Vec<usize> {
    let mut is_down = false;
    let mut rises = Vec::new();
    for (place, sample) in samples.iter().enumerate() {
        if *sample < -1_000 {
            is_down = true;
        } else if *sample > 1_000 && std::mem::take(&mut is_down) {
            rises.push(place);
        }
    }
    rises
}

const RATE_HZ: u32 = 16_000;
const SECONDS: u32 = 10;
/// How long 1 kHz takes to come again, in samples.
const PERIOD: usize = 16;
