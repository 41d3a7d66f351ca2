//! Measures what it costs to turn packets into samples, without network and encryption.
//!
//! `cargo run --release -p libwebrtc --example cost -- SPEECH.wav [ROOMS]` takes 16 kHz mono and prints processor time
//! for a room in which one speaks, per second. For where it goes: `valgrind --tool=callgrind` on the same program.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use libwebrtc::internals::{Hearing, PACKET, Redundancy, Sent, Speaking};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let speech = arguments.next().ok_or("usage: cost SPEECH.wav [ROOMS]")?;
    let rooms: usize = arguments.next().map_or(Ok(10), |rooms| rooms.parse())?;
    let samples: Vec<i16> = hound::WavReader::open(speech)?
        .samples()
        .collect::<Result<_, _>>()?;
    for redundancy in [Redundancy::None, Redundancy::Red] {
        let start = Instant::now();
        let mut speaking = Speaking::new(16_000, 32_000, redundancy);
        let sent: Vec<Sent> = (0..)
            .zip(samples.chunks(320))
            .flat_map(|(turn, piece)| speaking.say(start + PACKET * turn, piece))
            .collect();
        let mut hearings = (0..rooms)
            .map(|_| Hearing::new(16_000, start))
            .collect::<Result<Vec<_>, _>>()?;
        let (before, mut heard) = (busy()?, 0);
        for (turn, sent) in (0..).zip(&sent) {
            for hearing in &mut hearings {
                hearing.hear(start + PACKET * turn, sent, |samples| heard += samples.len());
            }
        }
        let milliseconds = (busy()? - before).as_secs_f64() * 1000.0;
        let room_seconds = heard as f64 / 16_000.0;
        println!(
            "{redundancy:?}: {:.2} ms per second and room, of {room_seconds:.0} room-seconds",
            milliseconds / room_seconds
        );
    }
    Ok(())
}

/// For how long this thread ran.
fn busy() -> Result<Duration, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().ok_or("no figures of the thread")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
