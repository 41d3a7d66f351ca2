//! Doors for what stands beside this crate: its fuzz targets, measurements and tests of the whole way. Nothing in here is
//! promised to stay.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub mod fuzz;
mod relay;

pub use relay::{Relay, Way};

use crate::{
    RtcError,
    playout::{Chain, Packet},
    sending::{Encoding, Sending, feed::Feed},
};

/// A packet under way.
#[derive(Debug, Clone)]
pub struct Sent {
    packet: Packet,
}

/// What becomes of samples until they are packets.
pub struct Speaking {
    feed: Arc<Feed>,
    sending: Sending,
    encoding: Encoding,
}

/// Whether packets carry those before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redundancy {
    /// Each is alone.
    None,
    /// Each carries the one before it.
    Red,
}

impl Speaking {
    /// A speaker of mono samples of a rate in Hz, at so many bits per second.
    pub fn new(sample_rate: u32, bitrate: u64, redundancy: Redundancy) -> Self {
        Self {
            feed: Arc::new(Feed::new(sample_rate, 1, QUEUE_MS)),
            sending: Sending::new(Arc::new(Notify::new())),
            encoding: Encoding {
                bitrate,
                has_dtx: false,
                wrapped_as: (redundancy == Redundancy::Red).then_some(OPUS),
            },
        }
    }

    /// Says 20 ms at a time: gives the packet that is due by then, if one is.
    pub fn say(&mut self, now: Instant, samples: &[i16]) -> Vec<Sent> {
        self.sending.attach(&self.feed);
        if let Err(error) = self.feed.push(samples) {
            tracing::error!(%error, "the samples were not taken");
        }
        let is_redundant = self.encoding.wrapped_as.is_some();
        let mut sent = Vec::new();
        self.sending.poll(now, &self.feed, true, self.encoding, |packet| {
            let packet = Packet {
                ssrc: 1,
                sequence: packet.sequence,
                timestamp: u64::from(packet.timestamp),
                payload: packet.payload.into(),
                is_redundant,
                #[cfg(any(test, feature = "opus-packets"))]
                loudness: None,
            };
            sent.push(Sent { packet });
        });
        sent
    }
}

/// What came of a speech through a way.
pub struct Heard {
    /// The samples, of the speech's rate, from the moment it began.
    pub samples: Vec<i16>,
    /// Seconds made up by going on as before.
    pub made_up: f64,
    /// Packets that were lost and that others told of.
    pub recovered: u64,
}

/// Speaks mono samples of 16 kHz at 32 kbit/s, sends them through a way, and listens until a second after the end.
pub fn hear_through(way: Way, seed: u64, redundancy: Redundancy, speech: &[i16]) -> Heard {
    let start = Instant::now();
    let mut speaking = Speaking::new(SPEECH_HZ, 32_000, redundancy);
    let mut hearing = Hearing::new(SPEECH_HZ, start).expect("Opus is decoded to 16 kHz mono");
    let mut relay = Relay::new(way, seed);
    let mut samples = Vec::with_capacity(speech.len());
    let silence = std::iter::repeat_n(&[][..], 50);
    for (turn, piece) in (0..).zip(speech.chunks(SPEECH_HZ as usize / 50).chain(silence)) {
        let now = start + PACKET * turn;
        for sent in speaking.say(now, piece) {
            relay.send(now, sent);
        }
        while let Some(at) = relay.next_arrival().filter(|at| *at < now + PACKET) {
            hearing.wait(at, |heard| samples.extend_from_slice(heard));
            while let Some(sent) = relay.receive(at) {
                hearing.hear(at, &sent, |heard| samples.extend_from_slice(heard));
            }
        }
        hearing.wait(now + PACKET, |heard| samples.extend_from_slice(heard));
    }
    let figures = hearing.chain.figures();
    let made_up = (figures.samples_concealed - figures.samples_silent) as f64 / f64::from(SPEECH_HZ);
    Heard {
        samples,
        made_up,
        recovered: figures.packets_recovered,
    }
}

/// What becomes of packets until they are samples.
pub struct Hearing {
    chain: Chain,
}

impl Hearing {
    /// A listener to mono samples of a rate that Opus knows, in Hz, from now on.
    pub fn new(sample_rate: u32, now: Instant) -> Result<Self, RtcError> {
        let chain = Chain::new(sample_rate, 1, now)?;
        Ok(Self { chain })
    }

    /// Takes a packet.
    pub fn hear(&mut self, now: Instant, sent: &Sent, mut samples: impl FnMut(&[i16])) {
        self.chain
            .push(now, &sent.packet, &mut |frame| samples(&frame.data));
    }

    /// Lets time pass, with no packet.
    pub fn wait(&mut self, now: Instant, mut samples: impl FnMut(&[i16])) {
        if self.chain.deadline() <= now {
            self.chain.poll(now, &mut |frame| samples(&frame.data));
        }
    }
}

/// The rate of recorded speech.
const SPEECH_HZ: u32 = 16_000;

/// How much may wait to be encoded, in ms.
const QUEUE_MS: u32 = 1000;

/// The number of Opus in packets.
const OPUS: u8 = 111;

/// How much audio a packet of [`Speaking`] holds.
pub const PACKET: Duration = Duration::from_millis(20);
