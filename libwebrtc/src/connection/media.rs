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
    // Whether they asked for nothing to be sent while nobody speaks.
    wants_dtx: bool,
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
        let mut api = session.rtc.direct_api();
        session.routes.retain(|(ssrc, owner)| {
            let is_gone = Arc::ptr_eq(owner, transceiver) && !ssrcs.contains(ssrc);
            if is_gone {
                api.remove_stream_rx((*ssrc).into());
            }
            !is_gone
        });
        for ssrc in ssrcs {
            // A number that moved from one section to another belongs to the other now.
            session
                .routes
                .retain(|(known, owner)| known != ssrc || Arc::ptr_eq(owner, transceiver));
            api.expect_stream_rx((*ssrc).into(), None, mid, None);
            if !session.routes.iter().any(|(known, _)| known == ssrc) {
                session.routes.push((*ssrc, transceiver.clone()));
            }
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

    /// Keeps the list of what sends in step with what was agreed on.
    pub(super) fn prepare_to_send(&mut self, transceiver: &Arc<Transceiver>, theirs: &Section) {
        let sends = transceiver
            .current_direction()
            .is_some_and(|direction| direction.sends());
        let known = self
            .outgoing
            .iter()
            .position(|outgoing| Arc::ptr_eq(&outgoing.transceiver, transceiver));
        let wants_dtx = theirs.opus_parameter("usedtx") == Some("1");
        match (sends, known) {
            (true, None) => {
                let sending = Sending::new(self.waker.clone());
                self.outgoing.push(Outgoing {
                    transceiver: transceiver.clone(),
                    sending,
                    wants_dtx,
                });
            }
            (true, Some(index)) => self.outgoing[index].wants_dtx = wants_dtx,
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
        let number = session.numbers.opus;
        let mut has_sent = false;
        for outgoing in &mut self.outgoing {
            let Some(wish) = outgoing.transceiver.wish() else {
                outgoing.sending.stop();
                continue;
            };
            let Origin::Source(source) = wish.track.origin() else {
                continue;
            };
            let encoding = Encoding {
                bitrate: wish.bitrate,
                has_dtx: outgoing.wants_dtx,
            };
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
                    transceiver.count_outbound(packet.payload.len());
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
        let known = session
            .routes
            .iter()
            .find(|(known, _)| *known == ssrc)
            .map(|(_, owner)| owner.clone());
        let owner = known.or_else(|| {
            // Their description did not name the source; the packet names its section.
            let mid = packet.header.ext_vals.mid?;
            let owner = self
                .transceivers
                .iter()
                .find(|transceiver| transceiver.has_mid(&mid))?;
            session.routes.push((ssrc, owner.clone()));
            Some(owner.clone())
        });
        let Some(owner) = owner else {
            return;
        };
        let is_redundant = session.numbers.red == Some(*packet.header.payload_type);
        let sequence = *packet.seq_no;
        let timestamp = packet.time.numer();
        let payload_bytes = packet.payload.len() as u64;
        let track = owner.count_inbound(|inbound| {
            inbound.ssrc = ssrc;
            inbound.packets += 1;
            inbound.bytes += payload_bytes;
            inbound.first_sequence.get_or_insert(sequence);
            inbound.highest_sequence = inbound.highest_sequence.max(sequence);
            inbound.last_packet_us = unix_time_us();
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

    /// Hands out what was kept for its turn, since the track is about to end.
    pub(super) fn flush_received(transceiver: &Arc<Transceiver>) {
        if let Some(MediaStreamTrack::Audio(track)) = transceiver.received_track()
            && let Some(sinks) = track.sinks()
        {
            sinks.flush(Instant::now());
        }
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
