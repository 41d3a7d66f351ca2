//! Measures what a room costs in which one speaks and we listen, with network and encryption: `make bench PARTS=media`.
//!
//! `cargo run --release -p libwebrtc --example rooms -- SPEECH.wav ROOMS…` takes 16 kHz mono. For each number of rooms a
//! process of its own is started, in which speakers and listeners are connections, each side on a thread of its own.
//! Printed is the processor time of the listeners' thread per second and room, and by how much the process grew, of
//! which the speakers are more than half. With `--features opus-packets`, also that of taking packets undecoded.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::{
    error::Error,
    fs,
    process::Command,
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

impl Listening {
    const ALL: &[Self] = &[
        Self::ToSamples,
        #[cfg(feature = "opus-packets")]
        Self::ToPackets,
    ];

    /// How it is called, and what is promised of it: milliseconds per second and room.
    fn told(self) -> (&'static str, f64) {
        match self {
            Self::ToSamples => ("decoded", 4.0),
            #[cfg(feature = "opus-packets")]
            Self::ToPackets => ("undecoded", 1.5),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (speech, rooms) = arguments.split_first().ok_or("usage: rooms SPEECH.wav ROOMS…")?;
    // Our own way to say what one process is to measure.
    if let Ok(name) = std::env::var(ONE) {
        let is_named = |listening: &&Listening| listening.told().0 == name;
        let listening = Listening::ALL.iter().find(is_named).ok_or("no such listening")?;
        return measure(*listening, &samples(speech)?, rooms[0].parse()?);
    }
    for listening in Listening::ALL {
        for rooms in rooms {
            let mut one = Command::new(std::env::current_exe()?);
            one.env(ONE, listening.told().0).args([speech, rooms]);
            if !one.status()?.success() {
                return Err(format!("{rooms} rooms could not be measured").into());
            }
        }
    }
    Ok(())
}

fn samples(speech: &str) -> Result<Arc<[i16]>, hound::Error> {
    hound::WavReader::open(speech)?.samples().collect()
}

fn measure(listening: Listening, samples: &Arc<[i16]>, rooms: usize) -> Result<(), Box<dyn Error>> {
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
    std::thread::sleep(SETTLED);
    let (begun, before) = (Instant::now(), busy(&listeners)?);
    std::thread::sleep(MEASURED);
    let (passed, spent) = (begun.elapsed().as_secs_f64(), busy(&listeners)? - before);
    let (name, promised) = listening.told();
    println!(
        "{rooms:>4} rooms, {name:>9}: {:.2} ms per second and room (promised: {promised}), {} KiB per room (promised: \
         {KIB_PROMISED}, without the speakers)",
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

/// Set to what the process is to measure, where it is one of those that were started for it.
const ONE: &str = "LIBWEBRTC_ROOMS";

/// Until all are connected and what is made once is made.
const SETTLED: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(20);

const KIB_PROMISED: u32 = 600;
