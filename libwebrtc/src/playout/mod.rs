//! From packets to PCM: one chain for each stream that hears a track.
//!
//! [`Chain`] has no clock, task or lock: it is given packets and the time, and hands out frames of 10 ms. What it hands
//! out is continuous: a lost packet is recovered from others' redundancy or concealed, and while nothing arrives, time
//! passes as silence.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opus::{Channels, Decoder};

mod order;
#[cfg(any(test, feature = "opus-packets"))]
pub(crate) mod packets;
#[cfg(test)]
mod properties;
pub(crate) mod queue;
pub(crate) mod sinks;
mod timeline;

use self::{
    order::{Order, Step},
    timeline::Timeline,
};
#[cfg(any(test, feature = "opus-packets"))]
use crate::audio_stream::packets::Loudness;
use crate::{RtcError, audio_frame::AudioFrame, red};

/// A packet of audio.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Who sent it.
    pub(crate) ssrc: u32,
    /// Its place in the stream, without wrapping.
    pub(crate) sequence: u64,
    /// Its time in the stream, in ticks of 48 kHz, without wrapping.
    pub(crate) timestamp: u64,
    /// What it holds.
    pub(crate) payload: Arc<[u8]>,
    /// Whether that is Opus in the wrapping of RFC 2198.
    pub(crate) is_redundant: bool,
    /// How loud its sender says it is.
    #[cfg(any(test, feature = "opus-packets"))]
    pub(crate) loudness: Option<Loudness>,
}

/// What became of a stream.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    pub(crate) sample_rate: u32,
    /// Samples (of one channel) handed out.
    pub(crate) samples: u64,
    /// Of these, made up.
    pub(crate) samples_concealed: u64,
    /// Of these, silence.
    pub(crate) samples_silent: u64,
    /// How often something began to be made up.
    pub(crate) concealments: u64,
    /// Packets that were lost, or overtaken, and whose audio others carried.
    pub(crate) packets_recovered: u64,
    /// Packets that came too late or twice.
    pub(crate) packets_discarded: u64,
}

impl Figures {
    pub(crate) fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate.max(1))
    }
}

/// The way from packets to frames.
pub(crate) struct Chain {
    decoder: Decoder,
    channels: usize,
    order: Order,
    timeline: Timeline,
    source: Option<u32>,
    // How long the last packet was, in ticks: what a lost one is taken for.
    packet_ticks: u64,
    // Decoded samples; kept, so that decoding needs no memory of its own.
    decoded: Vec<i16>,
    // Samples that do not fill a frame yet.
    partial: Vec<i16>,
    last: Made,
    figures: Figures,
}

/// How samples came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Somebody sent them.
    Sent,
    /// The decoder went on as before.
    Up,
    /// They are silence.
    Silent,
}

impl Chain {
    /// A chain to frames of a rate that Opus knows and one or two channels. Its time begins now.
    pub(crate) fn new(rate: u32, channels: u32, now: Instant) -> Result<Self, RtcError> {
        let opus_channels = match channels {
            1 => Channels::Mono,
            _ => Channels::Stereo,
        };
        let decoder = Decoder::new(rate, opus_channels)
            .map_err(|error| RtcError::internal(format!("cannot make a decoder: {error}")))?;
        let channels = channels as usize;
        Ok(Self {
            decoder,
            channels,
            order: Order::default(),
            timeline: Timeline::new(rate, now),
            source: None,
            packet_ticks: 960,
            decoded: vec![0; rate as usize * PACKET_MS_MAX / 1000 * channels],
            partial: Vec::with_capacity(rate as usize / 100 * channels),
            last: Made::Silent,
            figures: Figures {
                sample_rate: rate,
                ..Figures::default()
            },
        })
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            packets_discarded: self.order.discarded(),
            ..self.figures
        }
    }

    /// Takes a packet, and hands out what can be heard by it.
    pub(crate) fn push(&mut self, now: Instant, packet: &Packet, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let is_other = self.source != Some(packet.ssrc);
        if is_other || self.timeline.is_break(packet.timestamp) {
            self.flush(now, hear);
            self.begin_anew(now, hear);
        }
        self.source = Some(packet.ssrc);
        if packet.is_redundant {
            let Some(blocks) = red::parse(&packet.payload) else {
                return;
            };
            for block in blocks.redundant() {
                if let Some(timestamp) = packet.timestamp.checked_sub(u64::from(block.ticks_before)) {
                    self.order.insert_recovered(now, timestamp, block.payload);
                }
            }
            self.order
                .insert(now, packet.sequence, packet.timestamp, blocks.primary());
        } else {
            self.order
                .insert(now, packet.sequence, packet.timestamp, &packet.payload);
        }
        self.run(now, hear);
    }

    /// Hands out what became due with time alone.
    pub(crate) fn poll(&mut self, now: Instant, hear: &mut impl FnMut(AudioFrame<'static>)) {
        self.run(now, hear);
        if self.order.is_empty() {
            let silence = self.timeline.silence_due(now);
            self.silence(silence, hear);
        }
    }

    /// When to poll next, at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        match self.order.deadline() {
            Some(deadline) => deadline,
            None => self.timeline.deadline(),
        }
    }

    /// Hands out all that waits for its turn, whatever is missing before it.
    pub(crate) fn flush(&mut self, now: Instant, hear: &mut impl FnMut(AudioFrame<'static>)) {
        self.order.give_up_waiting();
        self.run(now, hear);
    }

    fn begin_anew(&mut self, now: Instant, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let silence = self.timeline.begin_anew(now);
        self.silence(silence, hear);
        self.order = Order::after(&self.order);
        if let Err(error) = self.decoder.reset_state() {
            tracing::debug!(%error, "a decoder was not reset");
        }
    }

    fn run(&mut self, now: Instant, hear: &mut impl FnMut(AudioFrame<'static>)) {
        while let Some(step) = self.order.next(now) {
            match step {
                Step::Play(entry) => {
                    self.timeline.arrived(entry.arrived_at, entry.timestamp);
                    let silence = self.timeline.missing_before(entry.timestamp);
                    self.silence(silence, hear);
                    if entry.sequence.is_none() {
                        self.figures.packets_recovered += 1;
                    }
                    let ticks = self.decode(&entry.payload, hear);
                    self.order.played(&entry, ticks);
                    self.order.recycle(entry.payload);
                }
                Step::Lost { packets, next } => {
                    self.timeline.arrived(next.arrived_at, next.timestamp);
                    let missing = self.timeline.missing_before(next.timestamp);
                    self.conceal(missing, packets, &next.payload, hear);
                    self.order.concealed(next, packets);
                }
            }
        }
    }

    /// Decodes a packet, and says how many ticks it is long.
    fn decode(&mut self, payload: &[u8], hear: &mut impl FnMut(AudioFrame<'static>)) -> u64 {
        let samples = match self.decoder.decode(payload, &mut self.decoded, false) {
            Ok(samples) => samples,
            Err(error) => {
                // Not Opus, or not whole: its time is concealed, so that counting samples still tells it.
                tracing::debug!(%error, "a packet could not be decoded");
                self.go_on(self.packet_ticks, hear);
                return self.packet_ticks;
            }
        };
        let ticks = self.timeline.to_ticks(samples as u64);
        if ticks > 0 {
            self.packet_ticks = ticks;
        }
        self.hand_out(samples, Made::Sent, hear);
        ticks
    }

    /// Makes up for a hole before a packet: by going on as before while that sounds like anything, then by silence; and
    /// the last of what was lost by what the packet tells of it. That is heard even if silence has stood for it already.
    fn conceal(
        &mut self,
        missing: u64,
        packets: u64,
        next: &[u8],
        hear: &mut impl FnMut(AudioFrame<'static>),
    ) {
        let told = match has_fec(next) {
            true => self.packet_ticks,
            false => 0,
        };
        let missing = missing.saturating_sub(self.timeline.to_samples(told));
        let lost = packets.saturating_mul(self.packet_ticks) - told;
        let gone_on = whole(self.timeline.to_ticks(missing).min(lost).min(CONCEALED_TICKS_MAX));
        let mut left = gone_on;
        while left > 0 {
            let piece = left.min(self.packet_ticks);
            self.go_on(piece, hear);
            left -= piece;
        }
        self.silence(missing - self.timeline.to_samples(gone_on), hear);
        if told > 0 {
            self.recover(told, next, hear);
        }
    }

    /// Hands out what a packet tells of the one before it.
    fn recover(&mut self, ticks: u64, next: &[u8], hear: &mut impl FnMut(AudioFrame<'static>)) {
        let length = self.timeline.to_samples(ticks) as usize * self.channels;
        match self.decoder.decode(next, &mut self.decoded[..length], true) {
            Ok(samples) => {
                self.figures.packets_recovered += 1;
                self.hand_out(samples, Made::Sent, hear);
            }
            Err(_) => self.go_on(ticks, hear),
        }
    }

    /// Makes up at most a packet by going on as before.
    fn go_on(&mut self, ticks: u64, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let samples = self.timeline.to_samples(ticks);
        let length = samples as usize * self.channels;
        match self.decoder.decode(&[], &mut self.decoded[..length], false) {
            Ok(samples) => self.hand_out(samples, Made::Up, hear),
            Err(_) => self.silence(samples, hear),
        }
    }

    fn hand_out(&mut self, samples: usize, made: Made, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let decoded = std::mem::take(&mut self.decoded);
        let is_sound = |sample: &i16| sample.unsigned_abs() > SILENCE_PEAK;
        if made == Made::Sent && decoded[..samples * self.channels].iter().any(is_sound) {
            self.timeline.sounded();
        }
        self.cut(&decoded[..samples * self.channels], made, hear);
        self.decoded = decoded;
    }

    fn silence(&mut self, samples: u64, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let mut left = samples as usize * self.channels;
        while left > 0 {
            let piece = left.min(SILENCE.len());
            self.cut(&SILENCE[..piece], Made::Silent, hear);
            left -= piece;
        }
    }

    /// Cuts samples into frames of 10 ms.
    fn cut(&mut self, mut samples: &[i16], made: Made, hear: &mut impl FnMut(AudioFrame<'static>)) {
        let count = (samples.len() / self.channels) as u64;
        self.count(count, made);
        let whole = self.figures.sample_rate as usize / 100 * self.channels;
        while self.partial.len() + samples.len() >= whole {
            let (now, later) = samples.split_at(whole - self.partial.len());
            let mut data = Vec::with_capacity(whole);
            data.append(&mut self.partial);
            data.extend_from_slice(now);
            samples = later;
            hear(AudioFrame {
                data: data.into(),
                sample_rate: self.figures.sample_rate,
                num_channels: self.channels as u32,
                samples_per_channel: self.figures.sample_rate / 100,
            });
        }
        self.partial.extend_from_slice(samples);
    }

    fn count(&mut self, samples: u64, made: Made) {
        self.timeline.handed_out(samples);
        self.figures.samples += samples;
        if made != Made::Sent {
            self.figures.samples_concealed += samples;
            self.figures.concealments += u64::from(self.last == Made::Sent);
        }
        if made == Made::Silent {
            self.figures.samples_silent += samples;
        }
        self.last = made;
    }
}

/// So much of it as Opus can make up.
fn whole(ticks: u64) -> u64 {
    ticks / PIECE_TICKS * PIECE_TICKS
}

/// Whether a packet tells of the one before it. SILK says so in a bit behind those that tell of voices in its frames.
fn has_fec(payload: &[u8]) -> bool {
    let (Some(head), Ok(packet)) = (payload.first(), opus::packet::parse(payload)) else {
        return false;
    };
    let (is_silk, is_stereo) = (head & 0x80 == 0, head & 0x04 != 0);
    let Some(first) = packet.frames.first().and_then(|frame| frame.first()) else {
        return false;
    };
    // SILK cuts a frame into 20 ms, of which it tells voices; 10 ms count as one.
    let pieces = opus::packet::get_samples_per_frame(payload, 48_000).map_or(1, |ticks| (ticks / 960).max(1));
    let of_channel = |channel: usize| (first >> (7 - pieces - channel * (pieces + 1))) & 1 == 1;
    is_silk && pieces <= 3 && (of_channel(0) || is_stereo && of_channel(1))
}

/// The longest packet of Opus.
const PACKET_MS_MAX: usize = 120;

const TICKS_PER_MS: u64 = 48;

/// What is as quiet as this (-72 dB) is nothing to be heard.
const SILENCE_PEAK: u16 = 8;

/// How long a hole is made up for by going on as before; what is longer sounds worse than silence.
const CONCEALED_TICKS_MAX: u64 = 120 * TICKS_PER_MS;

/// The shortest piece Opus makes up, which all others are made of.
const PIECE_TICKS: u64 = 120;

static SILENCE: [i16; 960] = [0; 960];

/// How long a packet is waited for that others have overtaken.
const REORDER_WAIT: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// A speaker of a 1 kHz tone at 48 kHz.
    struct Speaker {
        encoder: opus::Encoder,
        phase: usize,
        sequence: u64,
        timestamp: u64,
    }

    impl Speaker {
        fn new() -> Self {
            let mut encoder = opus::Encoder::new(48_000, Channels::Mono, opus::Application::Voip)
                .expect("Opus encodes 48 kHz mono");
            encoder.set_inband_fec(true).expect("the encoder takes FEC");
            encoder
                .set_packet_loss_perc(20)
                .expect("the encoder takes a loss rate");
            Self {
                encoder,
                phase: 0,
                sequence: 1000,
                timestamp: 500_000,
            }
        }

        fn next(&mut self) -> Packet {
            let samples: Vec<i16> = (self.phase..self.phase + 960)
                .map(|index| ((index as f64 / 48.0 * std::f64::consts::TAU).sin() * 10_000.0) as i16)
                .collect();
            self.phase += 960;
            let payload = self
                .encoder
                .encode_vec(&samples, 1275)
                .expect("20 ms can be encoded");
            let packet = Packet {
                ssrc: 7,
                sequence: self.sequence,
                timestamp: self.timestamp,
                payload: payload.into(),
                is_redundant: false,
                loudness: None,
            };
            self.sequence += 1;
            self.timestamp += 960;
            packet
        }

        fn pause(&mut self, milliseconds: u64) {
            self.timestamp += milliseconds * TICKS_PER_MS;
        }
    }

    struct Listener {
        chain: Chain,
        samples: Vec<i16>,
        start: Instant,
    }

    impl Listener {
        fn new() -> Self {
            let start = Instant::now();
            let chain = Chain::new(16_000, 1, start).expect("Opus is decoded to 16 kHz mono");
            Self {
                chain,
                samples: Vec::new(),
                start,
            }
        }

        fn hear(&mut self, at_ms: u64, packet: &Packet) {
            let samples = &mut self.samples;
            self.chain
                .push(self.start + Duration::from_millis(at_ms), packet, &mut |frame| {
                    assert_eq!(frame.data.len(), 160, "a frame is 10 ms");
                    samples.extend_from_slice(&frame.data);
                });
        }

        fn wait(&mut self, from_ms: u64, to_ms: u64) {
            for at_ms in (from_ms..=to_ms).step_by(10) {
                let samples = &mut self.samples;
                self.chain
                    .poll(self.start + Duration::from_millis(at_ms), &mut |frame| {
                        samples.extend_from_slice(&frame.data);
                    });
            }
        }

        fn milliseconds(&self) -> usize {
            self.samples.len() / 16
        }

        fn risings(&self) -> usize {
            self.samples
                .windows(2)
                .filter(|pair| pair[0] < 0 && pair[1] >= 0)
                .count()
        }
    }

    #[test]
    fn a_tone_comes_out_as_long_and_as_high_as_it_went_in() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        for index in 0..100 {
            listener.hear(index * 20, &speaker.next());
        }
        assert_eq!(listener.milliseconds(), 2000);
        assert!(
            (1990..=2010).contains(&listener.risings()),
            "{} risings",
            listener.risings()
        );
        assert_eq!(listener.chain.figures().samples_concealed, 0);
    }

    #[test]
    fn overtaken_packets_are_put_in_order() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        let packets: Vec<Packet> = (0..50).map(|_| speaker.next()).collect();
        let mut order: Vec<usize> = (0..50).collect();
        order.swap(10, 11);
        order.swap(30, 32);
        for (turn, index) in order.into_iter().enumerate() {
            listener.hear(turn as u64 * 20, &packets[index]);
        }
        assert_eq!(listener.milliseconds(), 1000);
        assert_eq!(listener.chain.figures().concealments, 0);
    }

    #[test]
    fn a_lost_packet_is_made_up_for_within_60_ms() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        for index in 0..50 {
            let packet = speaker.next();
            if index != 20 {
                listener.hear(index * 20, &packet);
            }
            if index == 23 {
                assert_eq!(listener.milliseconds(), 24 * 20, "nothing is held back any more");
            }
        }
        assert_eq!(listener.milliseconds(), 1000);
        assert!(
            (985..=1010).contains(&listener.risings()),
            "{} risings",
            listener.risings()
        );
        let figures = listener.chain.figures();
        assert_eq!((figures.packets_recovered, figures.samples_concealed), (1, 0));
    }

    #[test]
    fn redundancy_fills_a_hole_at_once() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        let mut last: Option<Packet> = None;
        for index in 0..50 {
            let plain = speaker.next();
            let wrapped = match &last {
                Some(last) => {
                    let length = last.payload.len();
                    let mut bytes = vec![0x80 | 111, (960_u16 >> 6) as u8, 0, length as u8, 111];
                    bytes[2] = ((960_u16 & 0x3f) as u8) << 2 | (length >> 8) as u8;
                    bytes.extend_from_slice(&last.payload);
                    bytes.extend_from_slice(&plain.payload);
                    Packet {
                        payload: bytes.into(),
                        is_redundant: true,
                        ..plain.clone()
                    }
                }
                None => plain.clone(),
            };
            if index % 7 != 3 {
                listener.hear(index * 20, &wrapped);
                assert_eq!(
                    listener.milliseconds() as u64,
                    (index + 1) * 20,
                    "nothing waits at {index}"
                );
            }
            last = Some(plain);
        }
        assert_eq!(listener.chain.figures().samples_concealed, 0);
        assert_eq!(listener.chain.figures().packets_recovered, 7);
    }

    #[test]
    fn silence_passes_as_time_does() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        for index in 0..50 {
            listener.hear(index * 20, &speaker.next());
        }
        listener.wait(1000, 4000);
        let waited = listener.milliseconds();
        assert!((3800..=4000).contains(&waited), "{waited} ms after 4 s");
        speaker.pause(3000);
        listener.hear(4000, &speaker.next());
        assert_eq!(listener.milliseconds(), 4020);
        let silent = listener.chain.figures().samples_silent / 16;
        assert_eq!(silent, 3000);
    }

    #[test]
    fn a_burst_after_a_freeze_is_heard_whole_and_later_silence_makes_up_for_it() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        for index in 0..50 {
            listener.hear(index * 20, &speaker.next());
        }
        listener.wait(1000, 3980);
        for _ in 0..150 {
            listener.hear(4000, &speaker.next());
        }
        let spoken = listener.risings();
        assert!(
            (3960..=4040).contains(&spoken),
            "{spoken} risings of 4 s of speech"
        );
        assert!(listener.milliseconds() > 6500);
        speaker.pause(5000);
        listener.wait(4010, 8990);
        listener.hear(9000, &speaker.next());
        let waited = listener.milliseconds();
        assert!((8900..=9100).contains(&waited), "{waited} ms after 9 s");
    }

    #[test]
    fn the_next_source_begins_where_time_is() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        for index in 0..50 {
            listener.hear(index * 20, &speaker.next());
        }
        let mut other = Speaker::new();
        other.timestamp = 9_000_000_000;
        other.sequence = 5;
        let packet = Packet {
            ssrc: 8,
            ..other.next()
        };
        listener.hear(2000, &packet);
        let waited = listener.milliseconds();
        assert!((1990..=2050).contains(&waited), "{waited} ms after 2 s");
    }

    #[test]
    fn what_is_not_opus_does_no_harm() {
        let (mut speaker, mut listener) = (Speaker::new(), Listener::new());
        listener.hear(0, &speaker.next());
        for (index, payload) in [vec![], vec![0xff; 3], vec![0x80], vec![0xff; 1400]]
            .into_iter()
            .enumerate()
        {
            for is_redundant in [false, true] {
                let packet = Packet {
                    payload: payload.clone().into(),
                    is_redundant,
                    ..speaker.next()
                };
                listener.hear(20 + index as u64 * 20, &packet);
            }
        }
        listener.hear(200, &speaker.next());
        listener.wait(200, 400);
        assert!(listener.milliseconds() >= 40);
    }
}
