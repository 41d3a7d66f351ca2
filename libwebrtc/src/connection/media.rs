//! Audio on the session.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use str0m::{
    media::{MediaKind, Mid},
    rtp::{ExtensionValues, RtpPacket, RtpWrite},
};

use super::{
    core::{Core, Session},
    events::Event,
    transceiver::{Inbound, Transceiver},
};
use crate::{
    MediaType,
    audio_track::Origin,
    encryption::track::{Change, TrackCipher},
    media_stream_track::MediaStreamTrack,
    playout::Packet,
    sdp::{Numbers, Section},
    sending::{self, BITRATE, Encoding, Sending},
};

/// A section that sends.
pub(super) struct Outgoing {
    transceiver: Arc<Transceiver>,
    sending: Sending,
    wishes: Wishes,
}

/// How they want a section's audio.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    // Nothing sent while nobody speaks.
    dtx: bool,
    // Each packet with the one before it.
    redundancy: bool,
    // At most so many bits per second.
    bitrate: Option<u64>,
}

impl Wishes {
    fn of(theirs: &Section) -> Self {
        Self {
            dtx: theirs.opus_parameter("usedtx") == Some("1"),
            redundancy: theirs.prefers_red(),
            bitrate: theirs
                .opus_parameter("maxaveragebitrate")
                .and_then(|bitrate| bitrate.parse().ok()),
        }
    }

    /// The same without redundancy.
    fn alone(self) -> Self {
        Self {
            redundancy: false,
            ..self
        }
    }

    /// How to encode what the application wants sent at a bitrate, if it chose one, and the number of such packets.
    fn encoding(self, bitrate: Option<u64>, numbers: Numbers) -> (u8, Encoding) {
        let red = numbers.red.filter(|_| self.redundancy);
        let encoding = Encoding {
            bitrate: bitrate.unwrap_or(BITRATE).min(self.bitrate.unwrap_or(u64::MAX)),
            has_dtx: self.dtx,
            wrapped_as: red.map(|_| numbers.opus),
        };
        (red.unwrap_or(numbers.opus), encoding)
    }
}

impl Core {
    /// Tells the session which packets belong to a section.
    pub(super) fn route_media(&mut self, mid: &str, transceiver: &Arc<Transceiver>, ssrcs: &[u32]) {
        let Some(session) = &mut self.session else {
            return;
        };
        let mid = Mid::from(mid);
        if session.rtc.media(mid).is_none() {
            session.rtc.direct_api().declare_media(mid, MediaKind::Audio);
        }
        session.routes.assign(transceiver, ssrcs);
        let mut api = session.rtc.direct_api();
        for ssrc in ssrcs {
            api.expect_stream_rx((*ssrc).into(), None, mid, None);
        }
        let sends = transceiver
            .current_direction()
            .is_some_and(|direction| direction.sends());
        let ours = transceiver.ssrc().into();
        match sends {
            true => {
                api.declare_stream_tx(ours, None, mid, None);
            }
            false => {
                api.remove_stream_tx(ours);
            }
        }
    }

    /// Takes all sources but these from a section: what still comes of them is nobody's.
    pub(super) fn retire_sources(&mut self, transceiver: &Arc<Transceiver>, kept: &[u32]) {
        let Some(session) = &mut self.session else {
            return;
        };
        let gone = session.routes.retire(transceiver, kept);
        let mut api = session.rtc.direct_api();
        for ssrc in gone {
            api.remove_stream_rx(ssrc.into());
        }
    }

    /// Keeps the list of what sends in step with what was agreed on.
    pub(super) fn prepare_to_send(&mut self, transceiver: &Arc<Transceiver>, theirs: &Section) {
        let sends = transceiver
            .current_direction()
            .is_some_and(|direction| direction.sends());
        let known = self
            .outgoing
            .iter()
            .position(|outgoing| Arc::ptr_eq(&outgoing.transceiver, transceiver));
        let wishes = Wishes::of(theirs);
        match (sends, known) {
            (true, None) => {
                if transceiver.lacks_cipher() {
                    tracing::warn!(
                        "a track is not sent until it is encrypted, as was asked for in this process"
                    );
                }
                let sending = Sending::new(self.waker.clone());
                self.outgoing.push(Outgoing {
                    transceiver: transceiver.clone(),
                    sending,
                    wishes,
                });
            }
            (true, Some(index)) => self.outgoing[index].wishes = wishes,
            (false, Some(index)) => {
                self.outgoing.swap_remove(index);
            }
            (false, None) => {}
        }
    }

    /// Sends the audio that is due, and says when more will be.
    pub(super) fn send_audio(&mut self, now: Instant) -> Instant {
        let mut deadline = now + Duration::from_secs(60);
        let Some(session) = self.session.as_mut().filter(|session| session.is_encrypted) else {
            return deadline;
        };
        let mut sent = Sent::default();
        for outgoing in &mut self.outgoing {
            if let Some(next) = outgoing.send(now, session, &mut sent) {
                deadline = deadline.min(next);
            }
        }
        if sent.is_something {
            self.changed();
        }
        for change in sent.changes {
            self.tell(Event::Encryption(change));
        }
        deadline
    }

    /// Takes a packet of audio.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: RtpPacket) {
        let Some(owner) = self.owner(&packet) else {
            return;
        };
        let ssrc = *packet.header.ssrc;
        let sequence = *packet.seq_no;
        let passed = now.saturating_duration_since(self.began + self.waited);
        let Some(heard) = owner.count_inbound(ssrc, sequence, |inbound| inbound.count(&packet, passed))
        else {
            return;
        };
        let red = self.session.as_ref().and_then(|session| session.numbers.red);
        let is_redundant = red == Some(*packet.header.payload_type);
        let payload = match &heard.cipher {
            None => packet.payload,
            Some(cipher) => match self.decrypt(cipher, &packet.payload, is_redundant) {
                Some(payload) => payload,
                None => return,
            },
        };
        let Some(sinks) = heard.track.sinks() else {
            return;
        };
        let packet = Packet {
            ssrc,
            sequence,
            timestamp: packet.time.numer(),
            is_redundant,
            #[cfg(any(test, feature = "opus-packets"))]
            loudness: loudness(&packet.header.ext_vals),
            payload,
        };
        sinks.push(now, &packet, heard.track.enabled());
    }

    fn decrypt(
        &mut self,
        cipher: &Arc<TrackCipher>,
        payload: &[u8],
        is_redundant: bool,
    ) -> Option<Arc<[u8]>> {
        let (payload, change) = match is_redundant {
            false => cipher.open(payload),
            // Several packets in one encryption are nothing that clients of LiveKit send.
            true => (None, cipher.refuse()),
        };
        if let Some(change) = change {
            self.tell(Event::Encryption(change));
        }
        payload.map(Arc::from)
    }

    /// The section that a packet belongs to.
    fn owner(&mut self, packet: &RtpPacket) -> Option<Arc<Transceiver>> {
        let routes = &mut self.session.as_mut()?.routes;
        let ssrc = *packet.header.ssrc;
        if let Some(owner) = routes.owner(ssrc) {
            return Some(owner.clone());
        }
        // Their description did not name the source; the packet names its section.
        let mid = packet.header.ext_vals.mid?;
        let owner = self
            .transceivers
            .iter()
            .find(|transceiver| transceiver.has_mid(&mid))?;
        routes.adopt(owner, ssrc).then(|| owner.clone())
    }

    /// Hands out what became due with time alone, and says when more will be.
    pub(super) fn play_out(&mut self, now: Instant) -> Instant {
        let mut deadline = now + Duration::from_secs(60);
        for transceiver in self
            .transceivers
            .iter()
            .filter(|transceiver| transceiver.kind() == MediaType::Audio)
        {
            let Some(MediaStreamTrack::Audio(track)) = transceiver.received_track() else {
                continue;
            };
            if let Some(next) = track.sinks().and_then(|sinks| sinks.poll(now)) {
                deadline = deadline.min(next);
            }
        }
        deadline
    }
}

/// What came of a turn of sending.
#[derive(Default)]
struct Sent {
    is_something: bool,
    changes: Vec<Change>,
}

impl Outgoing {
    /// Sends what is due of this section, and says when more will be.
    fn send(&mut self, now: Instant, session: &mut Session, sent: &mut Sent) -> Option<Instant> {
        let Some(wish) = self.transceiver.wish() else {
            self.sending.stop();
            return None;
        };
        let Origin::Source(source) = wish.track.origin() else {
            return None;
        };
        let cipher = wish.cipher.as_ref();
        let (number, encoding) = match cipher {
            None => self.wishes.encoding(wish.bitrate, session.numbers),
            // Others expect a single packet in each encryption.
            Some(_) => self.wishes.alone().encoding(wish.bitrate, session.numbers),
        };
        let is_enabled = wish.track.enabled() && cipher.is_none_or(|cipher| cipher.is_on());
        let mut api = session.rtc.direct_api();
        let (transceiver, mut sealed) = (&self.transceiver, Vec::new());
        self.sending
            .poll(now, source.feed(), is_enabled, encoding, |packet| {
                let Some(stream) = api.stream_tx(&wish.ssrc.into()) else {
                    return;
                };
                let payload = match cipher {
                    None => packet.payload,
                    Some(cipher) => {
                        let (is_sealed, change) = cipher.seal(packet.payload, &mut sealed);
                        sent.changes.extend(change);
                        if !is_sealed {
                            return;
                        }
                        &sealed
                    }
                };
                stream.write_rtp(written(&packet, number, now, payload));
                transceiver.count_outbound(|outbound| {
                    outbound.packets += 1;
                    outbound.bytes += payload.len() as u64;
                    outbound.bitrate = encoding.bitrate;
                });
                sent.is_something = true;
            })
    }
}

/// A packet as it goes out, with its loudness beside it.
fn written(packet: &sending::Packet<'_>, number: u8, now: Instant, payload: &[u8]) -> RtpWrite {
    let level = ExtensionValues {
        audio_level: Some(-i8::try_from(packet.level).unwrap_or(i8::MAX)),
        voice_activity: Some(packet.level < VOICE_LEVEL_MAX),
        ..ExtensionValues::default()
    };
    RtpWrite::new(
        number.into(),
        packet.sequence.into(),
        packet.timestamp,
        now,
        payload,
    )
    .marker(packet.is_first)
    .ext_vals(level)
}

impl Inbound {
    /// Counts a packet that came so long after the connection began.
    fn count(&mut self, packet: &RtpPacket, passed: Duration) {
        let sequence = *packet.seq_no;
        let first = self.first_sequence.map_or(sequence, |first| first.min(sequence));
        self.ssrc = *packet.header.ssrc;
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.first_sequence = Some(first);
        self.highest_sequence = self.highest_sequence.max(sequence);
        self.last_packet_us = unix_time_us();
        self.level = packet.header.ext_vals.audio_level;
        // RFC 3550, 6.4.1: the spread of transit times, smoothed.
        let transit = passed.as_secs_f64() - packet.time.numer() as f64 / 48_000.0;
        if let Some(last) = self.transit.replace(transit) {
            self.jitter += ((transit - last).abs() - self.jitter) / 16.0;
        }
    }
}

#[cfg(any(test, feature = "opus-packets"))]
fn loudness(extensions: &ExtensionValues) -> Option<crate::audio_stream::packets::Loudness> {
    // Kept as decibels from full scale: zero or less.
    let level = extensions.audio_level?;
    Some(crate::audio_stream::packets::Loudness {
        decibels_below: level.unsigned_abs().min(127),
        is_voice: extensions.voice_activity,
    })
}

pub(super) fn unix_time_us() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// Below full scale by less than this many decibels, a packet counts as speech.
const VOICE_LEVEL_MAX: u8 = 55;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{OUR_NUMBERS, Sdp};

    fn wishes(formats: &str, parameters: &str) -> Wishes {
        let text = format!(
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF {formats}\r\na=mid:0\r\na=rtpmap:63 red/48000/2\r\n\
             a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1{parameters}\r\n"
        );
        let sdp = Sdp::parse(&text).expect("the description is well-formed");
        Wishes::of(sdp.section("0").expect("there is a section 0"))
    }

    #[test]
    fn audio_is_encoded_as_both_sides_wish() {
        let plain = wishes("111 63", "");
        let (number, encoding) = plain.encoding(None, OUR_NUMBERS);
        assert_eq!((number, encoding.bitrate), (111, BITRATE));
        assert_eq!((encoding.has_dtx, encoding.wrapped_as), (false, None));

        let redundant = wishes("63 111", ";usedtx=1;maxaveragebitrate=20000");
        let (number, encoding) = redundant.encoding(Some(64_000), OUR_NUMBERS);
        assert_eq!((number, encoding.bitrate), (63, 20_000));
        assert_eq!((encoding.has_dtx, encoding.wrapped_as), (true, Some(111)));
        assert_eq!(redundant.encoding(Some(12_000), OUR_NUMBERS).1.bitrate, 12_000);
        assert_eq!(redundant.encoding(None, OUR_NUMBERS).1.bitrate, 20_000);

        // Redundancy that only one side has a number for is none.
        let without_red = Numbers {
            red: None,
            ..OUR_NUMBERS
        };
        assert_eq!(redundant.encoding(None, without_red).0, 111);
    }
}
