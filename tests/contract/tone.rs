//! What the SDK with Google's libwebrtc in it sends is heard here as it was, and for as long.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use futures_util::StreamExt as _;
use lectern_agent::LiveKit;
use livekit::{
    Room, RoomEvent, RoomOptions,
    track::RemoteTrack,
    webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
};

use crate::support::{Client, PATIENCE, Server, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn tone_from_the_python_sdk_arrives_with_every_period_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let python = Client::told(&server, "tone", "python", "Python", &[]);
    let token = server.token("tone", "ear", "Ear");
    let listening = listen(&server.livekit, &token);
    let (room, stream) = tokio::time::timeout(PATIENCE, listening).await.expect("a track");
    let heard = Heard::default();
    let hearing = tokio::spawn(hear(stream, heard.clone()));
    let hum = write_tone(&folder.path().join("hum.wav"), 1, HUM_PEAK);
    let tone = write_tone(&folder.path().join("tone.wav"), SECONDS, TONE_PEAK);
    let spoken = heard.clone();
    tokio::task::spawn_blocking(move || {
        // A track is told of before its way is open, and what is said meanwhile reaches nobody.
        wait_for("the way to be open", PATIENCE, || {
            python.say(&hum);
            spoken.is_any_above(HUM_PEAK / 2)
        });
        python.say(&tone);
        // The SDK takes its own clock for what it has sent; leaving would cut what a busy machine has yet to send.
        wait_for("the tone's end", PATIENCE, || spoken.is_over());
        python.finish();
    })
    .await
    .expect("Python plays it and leaves");
    let ended = tokio::time::timeout(PATIENCE, hearing).await;
    ended.expect("the track ends").expect("nothing panics");
    room.close().await.expect("left");

    // Where this machine was busy with something else, silence stands for what came late, and cuts a period in two.
    let periods = heard.periods();
    let whole = (SECONDS * TONE_HZ) as usize;
    assert!(
        periods.len().abs_diff(whole) <= whole / 200,
        "{} periods of {whole} were heard",
        periods.len()
    );
    let samples: usize = periods.iter().sum();
    let hertz = (periods.len() as f64) * f64::from(RATE_HZ) / samples as f64;
    assert!((999.0..=1001.0).contains(&hertz), "{hertz} Hz were heard");
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

/// Hears until the track ends.
async fn hear(mut stream: NativeAudioStream, heard: Heard) {
    while let Some(frame) = stream.next().await {
        heard
            .samples
            .lock()
            .expect("nothing panics")
            .extend_from_slice(&frame.data);
    }
}

/// What was heard until now.
#[derive(Default, Clone)]
struct Heard {
    samples: Arc<Mutex<Vec<i16>>>,
}

impl Heard {
    fn is_any_above(&self, peak: i16) -> bool {
        let samples = self.samples.lock().expect("nothing panics");
        samples.iter().any(|sample| *sample > peak)
    }

    /// Whether there was a tone, and then a second of nothing.
    fn is_over(&self) -> bool {
        let samples = self.samples.lock().expect("nothing panics");
        let last = samples.iter().rposition(|sample| *sample > TONE_PEAK / 2);
        last.is_some_and(|last| samples.len() - last > RATE_HZ as usize)
    }

    /// How many samples lie between each two rises of the tone, where nothing cut it.
    fn periods(&self) -> Vec<usize> {
        let samples = self.samples.lock().expect("nothing panics");
        let is_rise = |at: &usize| samples[at - 1] < 0 && samples[*at] >= 0;
        let rises: Vec<usize> = (1..samples.len()).filter(is_rise).collect();
        let is_tone = |from: usize, to: usize| {
            (PERIOD - 2..=PERIOD + 2).contains(&(to - from))
                && samples[from..to].iter().any(|sample| *sample > TONE_PEAK / 2)
        };
        let pairs = rises.windows(2).filter(|pair| is_tone(pair[0], pair[1]));
        pairs.map(|pair| pair[1] - pair[0]).collect()
    }
}

/// Writes so many seconds of a tone, and says where.
fn write_tone(path: &Path, seconds: u32, peak: i16) -> String {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).expect("a file");
    for sample in 0..seconds * RATE_HZ {
        let turns = f64::from(sample * TONE_HZ) / f64::from(RATE_HZ);
        let value = (turns.fract() * std::f64::consts::TAU).sin() * f64::from(peak);
        file.write_sample(value as i16).expect("written");
    }
    file.finalize().expect("written");
    path.to_string_lossy().into_owned()
}

const RATE_HZ: u32 = 16_000;
const TONE_HZ: u32 = 1_000;
/// Of the tone, in samples.
const PERIOD: usize = (RATE_HZ / TONE_HZ) as usize;
const SECONDS: u32 = 10;
const TONE_PEAK: i16 = 8_000;
/// Of what is played until somebody hears it.
const HUM_PEAK: i16 = 1_000;
