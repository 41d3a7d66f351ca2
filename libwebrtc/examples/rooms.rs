//! Measures what a room costs in which one speaks and we listen, with network and encryption.
//!
//! `cargo run --release -p libwebrtc --example rooms -- SPEECH.wav [ROOMS] [SECONDS]` takes 16 kHz mono. Speakers and
//! listeners are connections of this process, each side on a thread of its own; printed is the processor time of the
//! listeners' thread per second and room, and by how much the process grew. With `--features opus-packets`, also that of
//! taking packets undecoded.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::{
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use libwebrtc::{audio_stream::native::NativeAudioStream, prelude::*};
use tokio::runtime::{Builder, Runtime};

#[path = "../tests/pair/mod.rs"]
mod pair;

use pair::{Speaker, connect, listener, next};

/// What is done with a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    ToSamples,
    #[cfg(feature = "opus-packets")]
    ToPackets,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let speech = arguments
        .next()
        .ok_or("usage: rooms SPEECH.wav [ROOMS] [SECONDS]")?;
    let rooms: usize = arguments.next().map_or(Ok(10), |rooms| rooms.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |seconds| seconds.parse())?;
    let samples: Arc<[i16]> = hound::WavReader::open(speech)?
        .samples()
        .collect::<Result<_, _>>()?;
    measure(Listening::ToSamples, &samples, rooms, seconds)?;
    #[cfg(feature = "opus-packets")]
    measure(Listening::ToPackets, &samples, rooms, seconds)?;
    Ok(())
}

fn measure(
    listening: Listening,
    samples: &Arc<[i16]>,
    rooms: usize,
    seconds: u64,
) -> Result<(), Box<dyn Error>> {
    let (speakers, listeners) = (runtime("speakers")?, runtime("listeners")?);
    let mut connections = Vec::new();
    let kib_before = kib()?;
    for room in 0..rooms {
        let speaker = speakers.block_on(async { Speaker::new(16_000) });
        let listener = listeners.block_on(async { listener() });
        let track = speakers.block_on(connect(&speaker.connection, &listener, |answer| answer));
        let samples = samples.clone();
        connections.push((speaker.connection.clone(), listener));
        // Each begins at another place.
        let start = room * 7919 * 16;
        speakers.spawn(async move {
            speaker
                .say(usize::MAX, |index| samples[(start + index) % samples.len()])
                .await;
        });
        listeners.spawn(listen(listening, track));
    }
    std::thread::sleep(Duration::from_secs(3));
    let (begun, before) = (Instant::now(), busy(&listeners)?);
    std::thread::sleep(Duration::from_secs(seconds));
    let (passed, spent) = (begun.elapsed().as_secs_f64(), busy(&listeners)? - before);
    println!(
        "{listening:?}: {:.2} ms per second and room, {} KiB per room of both sides, {rooms} rooms",
        spent.as_secs_f64() * 1000.0 / passed / rooms as f64,
        kib()?.saturating_sub(kib_before) / rooms as u64
    );
    Ok(())
}

async fn listen(listening: Listening, track: RtcAudioTrack) {
    match listening {
        Listening::ToSamples => {
            let mut stream = NativeAudioStream::new(track, 16_000, 1);
            while next(&mut stream).await.is_some() {}
        }
        #[cfg(feature = "opus-packets")]
        Listening::ToPackets => {
            let stream = libwebrtc::audio_stream::packets::OpusPacketStream::new(track, 1_500);
            let mut stream = stream.expect("the track is remote");
            while next(&mut stream).await.is_some() {}
        }
    }
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()
}

/// For how long the runtime's only thread ran.
fn busy(runtime: &Runtime) -> Result<Duration, Box<dyn Error>> {
    let asked =
        runtime.block_on(runtime.spawn(async { fs::read_to_string("/proc/thread-self/schedstat") }))?;
    let text = asked?;
    let nanoseconds = text.split(' ').next().ok_or("no figures of the thread")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// How much memory of its own the process has.
fn kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .ok_or("no figures of the process")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
