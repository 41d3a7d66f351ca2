//! Audio on the session.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use str0m::{
    media::{MediaKind, Mid},
    rtp::{ExtensionValues, RtpPacket, RtpWrite},
};

use super::{core::Core, transceiver::Transceiver};
use crate::{
    MediaType,
    audio_track::{Origin, RtcAudioTrack},
    media_stream_track::MediaStreamTrack,
    playout::Packet,
    sdp::Section,
    sending::{Encoding, Sending},
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
        let numbers = session.numbers;
        let mut has_sent = false;
        for outgoing in &mut self.outgoing {
            let Some(wish) = outgoing.transceiver.wish() else {
                outgoing.sending.stop();
                continue;
            };
            let Origin::Source(source) = wish.track.origin() else {
                continue;
            };
            let wishes = outgoing.wishes;
            let encoding = Encoding {
                bitrate: wish.bitrate.into_iter().chain(wishes.bitrate).min(),
                has_dtx: wishes.dtx,
                wrapped_as: numbers.red.filter(|_| wishes.redundancy).map(|_| numbers.opus),
            };
            let number = numbers.red.filter(|_| wishes.redundancy).unwrap_or(numbers.opus);
            let bitrate = encoding.bits_per_second();
            let mut api = session.rtc.direct_api();
            let transceiver = &outgoing.transceiver;
            let next = outgoing
                .sending
                .poll(now, source.feed(), wish.track.enabled(), encoding, |packet| {
                    let Some(stream) = api.stream_tx(&wish.ssrc.into()) else {
                        return;
                    };
                    let level = ExtensionValues {
                        audio_level: Some(-i8::try_from(packet.level).unwrap_or(i8::MAX)),
                        voice_activity: Some(packet.level < VOICE_LEVEL_MAX),
                        ..ExtensionValues::default()
                    };
                    let write = RtpWrite::new(
                        number.into(),
                        packet.sequence.into(),
                        packet.timestamp,
                        now,
                        packet.payload,
                    )
                    .marker(packet.is_first)
                    .ext_vals(level);
                    stream.write_rtp(write);
                    transceiver.count_outbound(|outbound| {
                        outbound.packets += 1;
                        outbound.bytes += packet.payload.len() as u64;
                        outbound.bitrate = bitrate;
                    });
                    has_sent = true;
                });
            if let Some(next) = next {
                deadline = deadline.min(next);
            }
        }
        if has_sent {
            self.changed();
        }
        deadline
    }

    /// Takes a packet of audio.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: RtpPacket) {
        let Some(session) = &mut self.session else {
            return;
        };
        let ssrc = *packet.header.ssrc;
        let owner = session.routes.owner(ssrc).cloned().or_else(|| {
            // Their description did not name the source; the packet names its section.
            let mid = packet.header.ext_vals.mid?;
            let owner = self
                .transceivers
                .iter()
                .find(|transceiver| transceiver.has_mid(&mid))?;
            session.routes.adopt(owner, ssrc).then(|| owner.clone())
        });
        let Some(owner) = owner else {
            return;
        };
        let is_redundant = session.numbers.red == Some(*packet.header.payload_type);
        let sequence = *packet.seq_no;
        let timestamp = packet.time.numer();
        let payload_bytes = packet.payload.len() as u64;
        let audio_level = packet.header.ext_vals.audio_level;
        let track = owner.count_inbound(ssrc, sequence, |inbound| {
            inbound.ssrc = ssrc;
            inbound.packets += 1;
            inbound.bytes += payload_bytes;
            inbound.first_sequence = Some(
                inbound
                    .first_sequence
                    .map_or(sequence, |first| first.min(sequence)),
            );
            inbound.highest_sequence = inbound.highest_sequence.max(sequence);
            inbound.last_packet_us = unix_time_us();
            inbound.level = audio_level;
            // RFC 3550, 6.4.1: the spread of transit times, smoothed.
            let transit = (now - self.began).as_secs_f64() - timestamp as f64 / 48_000.0;
            if let Some(last) = inbound.transit.replace(transit) {
                inbound.jitter += ((transit - last).abs() - inbound.jitter) / 16.0;
            }
        });
        if let Some(sinks) = track.as_ref().and_then(RtcAudioTrack::sinks) {
            let packet = Packet {
                ssrc,
                sequence,
                timestamp,
                payload: packet.payload,
                is_redundant,
                #[cfg(any(test, feature = "opus-packets"))]
                loudness: audio_level.map(|level| crate::audio_stream::packets::Loudness {
                    // Kept as decibels from full scale: zero or less.
                    decibels_below: level.unsigned_abs().min(127),
                    is_voice: packet.header.ext_vals.voice_activity,
                }),
            };
            sinks.push(now, &packet, track.as_ref().is_some_and(RtcAudioTrack::enabled));
        }
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

pub(super) fn unix_time_us() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// Below full scale by less than this many decibels, a packet counts as speech.
const VOICE_LEVEL_MAX: u8 = 55;
