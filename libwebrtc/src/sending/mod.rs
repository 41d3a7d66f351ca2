//! From PCM to packets: 20 ms of Opus at a time, paced by the clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opus::{Application, Bitrate, Channels, Encoder};
use tokio::sync::Notify;

pub(crate) mod feed;

use self::feed::Feed;
use crate::red::{self, Block};

/// How a track is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// Bits per second that are aimed at.
    pub(crate) bitrate: u64,
    /// Whether silence is left out.
    pub(crate) has_dtx: bool,
    /// Under which number, if at all, a packet carries the one before it.
    pub(crate) wrapped_as: Option<u8>,
}

/// A packet to send.
pub(crate) struct Packet<'a> {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) payload: &'a [u8],
    /// By how many decibels it is quieter than full scale.
    pub(crate) level: u8,
    /// Whether it is the first after a pause.
    pub(crate) is_first: bool,
}

/// The sending of one section.
pub(crate) struct Sending {
    waker: Arc<Notify>,
    feed: Option<Arc<Feed>>,
    encoder: Option<TrackEncoder>,
    sequence: u64,
    timestamp: u32,
    pace: Pace,
    samples: Vec<i16>,
    // What was sent last, and its time, for the next packet to carry.
    last: Option<(u32, Vec<u8>)>,
    wrapped: Vec<u8>,
    /// The last packet that was encoded elsewhere and sent.
    passed_on: Option<u32>,
}

/// When packets are due.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Nothing is sent. When something was last, if ever.
    Idle {
        since: Option<Instant>,
        partial_since: Option<Instant>,
    },
    /// The next packet is due then.
    Running {
        due: Instant,
        missed: u32,
        is_first: bool,
    },
}

struct TrackEncoder {
    encoder: Encoder,
    encoding: Encoding,
}

impl Sending {
    pub(crate) fn new(waker: Arc<Notify>) -> Self {
        Self {
            waker,
            feed: None,
            encoder: None,
            // Far from the end of its 16 bits, as the receiver cannot know of a roll-over it did not see.
            sequence: u64::from(*str0m::rtp::Ssrc::new() & 0x3fff),
            timestamp: *str0m::rtp::Ssrc::new(),
            pace: Pace::Idle {
                since: None,
                partial_since: None,
            },
            samples: Vec::new(),
            last: None,
            wrapped: Vec::new(),
            passed_on: None,
        }
    }

    /// Encodes what is due, and says when more will be; with nothing to send, the source wakes the connection.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        feed: &Arc<Feed>,
        is_enabled: bool,
        encoding: Encoding,
        mut send: impl FnMut(Packet<'_>),
    ) -> Option<Instant> {
        self.attach(feed);
        self.pass_on(feed, is_enabled, encoding, &mut send);
        if let Pace::Idle { since, partial_since } = self.pace {
            let (waiting, packet) = (feed.waiting(), feed.packet_samples());
            if waiting == 0 {
                self.pace = Pace::Idle {
                    since,
                    partial_since: None,
                };
                return None;
            }
            let partial_since = partial_since.unwrap_or(now);
            let is_ready = waiting >= packet * feed.packets_ahead() || now - partial_since >= START_WAIT;
            if !is_ready {
                self.pace = Pace::Idle {
                    since,
                    partial_since: Some(partial_since),
                };
                return Some(partial_since + START_WAIT);
            }
            // The clock of the timestamps went on while nothing was sent.
            let pause = since
                .map(|since| now.saturating_duration_since(since))
                .unwrap_or_default();
            let packets = pause.as_millis() as u32 / PACKET_MS;
            self.timestamp = self.timestamp.wrapping_add(packets.wrapping_mul(PACKET_TICKS));
            self.pace = Pace::Running {
                due: now,
                missed: 0,
                is_first: true,
            };
        }
        while let Pace::Running {
            due,
            missed,
            is_first,
        } = self.pace
        {
            if now < due {
                return Some(due);
            }
            let packet = feed.packet_samples();
            let is_there = feed.waiting() >= packet || (missed + 1 >= MISSED_MAX && feed.waiting() > 0);
            if !is_there && missed + 1 >= MISSED_MAX {
                self.pace = Pace::Idle {
                    since: Some(due),
                    partial_since: None,
                };
                return None;
            }
            let mut next = Pace::Running {
                due: due + PACKET,
                missed: missed + 1,
                is_first,
            };
            if is_there {
                feed.take(packet, &mut self.samples);
                let has_sent = is_enabled && self.encode(feed, encoding, is_first, &mut send);
                // After a pause (of the source, of the track, of speech) the next packet is the first again.
                next = Pace::Running {
                    due: due + PACKET,
                    missed: 0,
                    is_first: !has_sent,
                };
            }
            self.timestamp = self.timestamp.wrapping_add(PACKET_TICKS);
            self.pace = next;
        }
        None
    }

    /// Sends what was encoded elsewhere.
    fn pass_on(
        &mut self,
        feed: &Feed,
        is_enabled: bool,
        encoding: Encoding,
        send: &mut impl FnMut(Packet<'_>),
    ) {
        while let Some(packet) = feed.next_packet() {
            let last = self.passed_on.replace(packet.position);
            let steps = last.map_or(1, |last| packet.position.wrapping_sub(last));
            let is_first = last.is_none() || steps != 1;
            self.timestamp = self.timestamp.wrapping_add(steps.wrapping_mul(PACKET_TICKS));
            if is_enabled {
                self.send(&packet.payload, packet.level, is_first, encoding, send);
            }
        }
    }

    /// Lets go of the source: somebody else may send it, or nobody.
    pub(crate) fn stop(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.detach(&self.waker);
        }
        if let Pace::Running { due, .. } = self.pace {
            self.pace = Pace::Idle {
                since: Some(due),
                partial_since: None,
            };
        }
    }

    /// Takes the samples of a source from now on.
    pub(crate) fn attach(&mut self, feed: &Arc<Feed>) {
        if self
            .feed
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, feed))
        {
            return;
        }
        self.stop();
        feed.attach(self.waker.clone());
        self.encoder = None;
        self.last = None;
        self.feed = Some(feed.clone());
    }

    /// Encodes and sends the samples at hand; says whether there was anything to send.
    fn encode(
        &mut self,
        feed: &Feed,
        encoding: Encoding,
        is_first: bool,
        send: &mut impl FnMut(Packet<'_>),
    ) -> bool {
        if self.encoder.is_none() {
            match TrackEncoder::new(feed, encoding) {
                Ok(encoder) => self.encoder = Some(encoder),
                Err(error) => {
                    tracing::error!(%error, "a track cannot be encoded");
                    return false;
                }
            }
        }
        let encoder = self.encoder.as_mut().expect("the encoder was made above");
        encoder.adapt(encoding);
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        let length = match encoder.encoder.encode(&self.samples, &mut payload) {
            Ok(length) => length,
            Err(error) => {
                tracing::error!(%error, "20 ms of audio could not be encoded");
                return false;
            }
        };
        // With DTX, a packet of two bytes or less says that there is nothing to say.
        if length <= 2 {
            return false;
        }
        let level = level(&self.samples);
        self.send(&payload[..length], level, is_first, encoding, send);
        true
    }

    fn send(
        &mut self,
        payload: &[u8],
        level: u8,
        is_first: bool,
        encoding: Encoding,
        send: &mut impl FnMut(Packet<'_>),
    ) {
        let payload = match encoding.wrapped_as {
            Some(number) => {
                self.wrap(number, payload);
                &self.wrapped
            }
            None => payload,
        };
        send(Packet {
            sequence: self.sequence,
            timestamp: self.timestamp,
            payload,
            level,
            is_first,
        });
        self.sequence += 1;
    }

    /// Puts a packet together with the one before it, and keeps it for the next.
    fn wrap(&mut self, number: u8, payload: &[u8]) {
        let earlier = self.last.as_ref().map(|(timestamp, payload)| Block {
            ticks_before: self.timestamp.wrapping_sub(*timestamp),
            payload,
        });
        red::write(number, earlier, payload, &mut self.wrapped);
        let (timestamp, last) = self.last.get_or_insert_default();
        *timestamp = self.timestamp;
        last.clear();
        last.extend_from_slice(payload);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.stop();
    }
}

impl TrackEncoder {
    fn new(feed: &Feed, encoding: Encoding) -> opus::Result<Self> {
        let channels = if feed.channels() == 2 {
            Channels::Stereo
        } else {
            Channels::Mono
        };
        let application = if feed.channels() == 2 {
            Application::Audio
        } else {
            Application::Voip
        };
        let mut encoder = Encoder::new(feed.opus_rate(), channels, application)?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_inband_fec(true)?;
        encoder.set_packet_loss_perc(EXPECTED_LOSS_PERCENT)?;
        let mut encoder = Self { encoder, encoding };
        encoder.set(encoding);
        Ok(encoder)
    }

    fn adapt(&mut self, encoding: Encoding) {
        if self.encoding != encoding {
            self.set(encoding);
        }
    }

    fn set(&mut self, encoding: Encoding) {
        self.encoding = encoding;
        let (least, most) = BITRATE_RANGE;
        let bitrate = i32::try_from(encoding.bitrate).map_or(most, |bitrate| bitrate.clamp(least, most));
        let set = self
            .encoder
            .set_bitrate(Bitrate::Bits(bitrate))
            .and_then(|()| self.encoder.set_dtx(encoding.has_dtx));
        if let Err(error) = set {
            tracing::warn!(%error, "an encoding was not taken");
        }
    }
}

/// By how many decibels the samples are quieter than full scale (RFC 6464).
fn level(samples: &[i16]) -> u8 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let mean = energy / samples.len().max(1) as f64;
    if mean < 1.0 {
        return QUIETEST;
    }
    let decibels = 20.0 * (f64::from(i16::MAX) / mean.sqrt()).log10();
    decibels.clamp(0.0, f64::from(QUIETEST)).round() as u8
}

/// How much audio a packet holds.
const PACKET: Duration = Duration::from_millis(PACKET_MS as u64);
const PACKET_MS: u32 = 20;

/// The same in ticks of Opus' 48 kHz clock.
const PACKET_TICKS: u32 = 960;

/// How long to wait for a little more audio before beginning to send.
const START_WAIT: Duration = Duration::from_millis(40);

/// After how many empty turns sending pauses, and the rest of a packet goes out with silence behind it.
const MISSED_MAX: u32 = 5;

/// The most an Opus packet of 20 ms can have.
const PAYLOAD_BYTES_MAX: usize = 1275;

/// Bits per second, if nobody chose.
pub(crate) const BITRATE: u64 = 32_000;

/// What Opus can do, in bits per second.
const BITRATE_RANGE: (i32, i32) = (6_000, 510_000);

/// How hard the encoder tries, of 10. Below 7 it does not look at the signal well enough to tell a steady sound from
/// silence, which DTX would then leave out.
const COMPLEXITY: i32 = 9;

/// How many packets the encoder reckons are lost: what it adds of the last packet to each.
const EXPECTED_LOSS_PERCENT: i32 = 10;

/// Silence, in decibels below full scale.
const QUIETEST: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audio_frame::AudioFrame, audio_source::native::EncodedPacket};

    const PLAIN: Encoding = Encoding {
        bitrate: BITRATE,
        has_dtx: false,
        wrapped_as: None,
    };

    fn feed_with(packets: usize) -> Arc<Feed> {
        let feed = Arc::new(Feed::new(48_000, 1, 1000));
        feed.attach(Arc::new(Notify::new()));
        let samples: Vec<i16> = (0..packets * 960)
            .map(|index| ((index % 48) as i16 - 24) * 400)
            .collect();
        let frame = AudioFrame {
            samples_per_channel: samples.len() as u32,
            data: samples.into(),
            sample_rate: 48_000,
            num_channels: 1,
        };
        futures_now(feed.capture(&frame)).expect("the packets fit the queue");
        feed
    }

    /// Runs a future that has no reason to wait.
    fn futures_now<T>(future: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("the future waits"),
        }
    }

    fn collect(sending: &mut Sending, feed: &Arc<Feed>, at: Instant, is_enabled: bool) -> Vec<(u64, u32)> {
        let mut sent = Vec::new();
        sending.poll(at, feed, is_enabled, PLAIN, |packet| {
            sent.push((packet.sequence, packet.timestamp))
        });
        sent
    }

    #[test]
    fn packets_are_paced_and_contiguous() {
        let (feed, start) = (feed_with(5), Instant::now());
        let mut sending = Sending::new(Arc::new(Notify::new()));
        let mut sent = Vec::new();
        for turn in 0..5 {
            let now = collect(&mut sending, &feed, start + PACKET * turn, true);
            assert_eq!(now.len(), 1, "one packet is due in turn {turn}");
            sent.extend(now);
        }
        assert!(sent.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
        assert!(
            sent.windows(2)
                .all(|pair| pair[1].1.wrapping_sub(pair[0].1) == PACKET_TICKS)
        );
    }

    #[test]
    fn a_disabled_track_sends_nothing_but_time_goes_on() {
        let (feed, start) = (feed_with(6), Instant::now());
        let mut sending = Sending::new(Arc::new(Notify::new()));
        let first = collect(&mut sending, &feed, start, true);
        assert!(collect(&mut sending, &feed, start + PACKET, false).is_empty());
        assert!(collect(&mut sending, &feed, start + PACKET * 2, false).is_empty());
        let next = collect(&mut sending, &feed, start + PACKET * 3, true);
        assert_eq!(next[0].0, first[0].0 + 1, "no sequence number was left out");
        assert_eq!(
            next[0].1.wrapping_sub(first[0].1),
            3 * PACKET_TICKS,
            "three packets of time passed"
        );
    }

    #[test]
    fn with_redundancy_each_packet_carries_the_one_before_it() {
        let (feed, start) = (feed_with(4), Instant::now());
        let mut sending = Sending::new(Arc::new(Notify::new()));
        let encoding = Encoding {
            wrapped_as: Some(111),
            ..PLAIN
        };
        let mut last: Option<Vec<u8>> = None;
        for turn in 0..4 {
            // Muted for the third packet: the fourth still carries the second, which is recent.
            let is_enabled = turn != 2;
            let mut sent = 0;
            sending.poll(start + PACKET * turn, &feed, is_enabled, encoding, |packet| {
                let blocks = red::parse(packet.payload).expect("the packet is well-formed");
                let redundant: Vec<Block<'_>> = blocks.redundant().collect();
                let expected = last.as_ref().map(|payload| Block {
                    ticks_before: if turn == 3 { 2 * PACKET_TICKS } else { PACKET_TICKS },
                    payload,
                });
                assert_eq!(redundant, Vec::from_iter(expected));
                last = Some(blocks.primary().to_vec());
                sent += 1;
            });
            assert_eq!(sent, u32::from(is_enabled), "in turn {turn}");
        }
    }

    #[test]
    fn what_is_left_of_a_packet_goes_out_in_the_end() {
        let feed = feed_with(2);
        let frame = AudioFrame::new(48_000, 1, 480);
        futures_now(feed.capture(&frame)).expect("half a packet fits");
        let (start, mut sending) = (Instant::now(), Sending::new(Arc::new(Notify::new())));
        let sent: usize = (0..12)
            .map(|turn| collect(&mut sending, &feed, start + PACKET * turn, true).len())
            .sum();
        assert_eq!(sent, 3);
        assert_eq!(feed.waiting(), 0);
    }

    #[test]
    fn packets_from_elsewhere_go_out_as_they_are() {
        let feed = Arc::new(Feed::new(48_000, 1, 0));
        let (start, mut sending) = (Instant::now(), Sending::new(Arc::new(Notify::new())));
        assert!(collect(&mut sending, &feed, start, true).is_empty());
        for position in [7, 8, 12] {
            feed.push_packet(EncodedPacket {
                position,
                payload: vec![position as u8; 3].into(),
                level: 20,
            });
        }
        let mut sent = Vec::new();
        sending.poll(start, &feed, true, PLAIN, |packet| {
            let payload = packet.payload.to_vec();
            sent.push((packet.sequence, packet.timestamp, packet.is_first, payload));
        });
        let (sequence, timestamp) = (sent[0].0, sent[0].1);
        let expected =
            [(0, 0, true, 7), (1, 1, false, 8), (2, 5, true, 12)].map(|(index, packets, first, byte)| {
                let timestamp = timestamp.wrapping_add(packets * PACKET_TICKS);
                (sequence + index, timestamp, first, vec![byte; 3])
            });
        assert_eq!(sent, expected);
    }

    #[test]
    fn loudness_is_measured_below_full_scale() {
        assert_eq!(level(&[0; 960]), 127);
        assert_eq!(level(&[i16::MAX; 960]), 0);
        assert_eq!(level(&[3277; 960]), 20);
    }
}
