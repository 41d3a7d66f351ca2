//! A media section, as the application and the connection share it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use super::{Connection, statistics};
use crate::{
    MediaType, RtcError,
    audio_track::{Origin, RtcAudioTrack},
    encryption::track::TrackCipher,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    playout::sinks::Sinks,
    rtp_parameters::{RtcpParameters, RtpCodecParameters, RtpEncodingParameters, RtpParameters},
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    sdp::OUR_NUMBERS,
    stats::RtcStats,
    video_track::RtcVideoTrack,
};

/// A media section.
pub(crate) struct Transceiver {
    kind: MediaType,
    // The number of what we send by this section.
    ssrc: u32,
    connection: Weak<Connection>,
    // Whether nothing may go out in clear.
    must_encrypt: bool,
    state: Mutex<State>,
}

/// How a section stands. The connection's lock is taken before this one, never after.
struct State {
    mid: Option<String>,
    direction: RtpTransceiverDirection,
    current: Option<RtpTransceiverDirection>,
    sent: Option<RtcAudioTrack>,
    // It stays when the track goes: the next one is not for everybody's ears either.
    cipher: Option<Arc<TrackCipher>>,
    // The track id that was offered; it outlives the track, so that the section does not change its name.
    offered_track_id: Option<String>,
    stream_id: String,
    encodings: Vec<RtpEncodingParameters>,
    received: Option<Received>,
    // The last packet of whoever was received before: their source, and its number.
    heard: Option<(u32, u64)>,
    outbound: Outbound,
}

/// What the other side sends by a section.
struct Received {
    stream_id: String,
    // Their name of the track, which tells one track from the next on the same section.
    track_id: String,
    track: MediaStreamTrack,
    cipher: Option<Arc<TrackCipher>>,
    inbound: Inbound,
}

/// What was received of one track.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Inbound {
    pub(crate) ssrc: u32,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) first_sequence: Option<u64>,
    pub(crate) highest_sequence: u64,
    /// How unevenly packets arrive, in seconds.
    pub(crate) jitter: f64,
    /// When the last packet left, by its timestamp, against when it arrived, in seconds.
    pub(crate) transit: Option<f64>,
    pub(crate) last_packet_us: i64,
    /// How loud the last packet is, in decibels from full scale: zero or less.
    pub(crate) level: Option<i8>,
}

/// What was sent by a section.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outbound {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// What is aimed at, in bits per second.
    pub(crate) bitrate: u64,
    pub(crate) report: Option<Report>,
}

/// What the other side last said of what it received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) packets_lost: u64,
    /// How unevenly packets arrive, in seconds.
    pub(crate) jitter: f64,
    pub(crate) round_trip: Option<Duration>,
    /// From 0 to 1.
    pub(crate) fraction_lost: f64,
}

/// What the application wants sent by a section.
pub(crate) struct Wish {
    pub(crate) ssrc: u32,
    pub(crate) track: RtcAudioTrack,
    pub(crate) bitrate: Option<u64>,
    /// What every packet must be encrypted with, if any.
    pub(crate) cipher: Option<Arc<TrackCipher>>,
}

/// What the next packets of the other side are for.
pub(crate) struct Heard {
    pub(crate) track: RtcAudioTrack,
    /// What every packet must be decrypted with, if any.
    pub(crate) cipher: Option<Arc<TrackCipher>>,
}

impl Transceiver {
    /// A section that sends a track, if it is one that can be sent.
    pub(crate) fn sending(
        connection: &Weak<Connection>,
        track: MediaStreamTrack,
        init: RtpTransceiverInit,
    ) -> Result<Arc<Self>, RtcError> {
        let track = sendable(track)?;
        let transceiver = Self::new(connection, MediaType::Audio, init);
        {
            let mut state = transceiver.state.lock();
            state.offered_track_id = Some(track.id());
            state.sent = Some(track);
        }
        Ok(transceiver)
    }

    /// A section without a track.
    pub(crate) fn new(connection: &Weak<Connection>, kind: MediaType, init: RtpTransceiverInit) -> Arc<Self> {
        let state = State {
            mid: None,
            direction: init.direction,
            current: None,
            sent: None,
            cipher: None,
            offered_track_id: None,
            stream_id: init
                .stream_ids
                .into_iter()
                .next()
                .unwrap_or_else(|| "-".to_owned()),
            encodings: init.send_encodings,
            received: None,
            heard: None,
            outbound: Outbound::default(),
        };
        Arc::new(Self {
            kind,
            ssrc: *str0m::rtp::Ssrc::new(),
            connection: connection.clone(),
            must_encrypt: connection
                .upgrade()
                .is_some_and(|connection| connection.must_encrypt),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn kind(&self) -> MediaType {
        self.kind
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(crate) fn mid(&self) -> Option<String> {
        self.state.lock().mid.clone()
    }

    pub(crate) fn has_mid(&self, mid: &str) -> bool {
        self.state.lock().mid.as_deref() == Some(mid)
    }

    pub(crate) fn set_mid(&self, mid: Option<String>) {
        self.state.lock().mid = mid;
    }

    pub(crate) fn direction(&self) -> RtpTransceiverDirection {
        self.state.lock().direction
    }

    pub(crate) fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        self.state.lock().current
    }

    pub(crate) fn set_current_direction(&self, direction: RtpTransceiverDirection) {
        self.state.lock().current = Some(direction);
    }

    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.direction = RtpTransceiverDirection::Stopped;
        state.sent = None;
    }

    /// What is said of our half in a description: the source's number, its stream and its track.
    pub(crate) fn source(&self) -> Option<(u32, String, String)> {
        let state = self.state.lock();
        let track_id = state
            .offered_track_id
            .clone()
            .filter(|_| state.direction.sends())?;
        Some((self.ssrc, state.stream_id.clone(), track_id))
    }

    pub(crate) fn sent_track(&self) -> Option<RtcAudioTrack> {
        self.state.lock().sent.clone()
    }

    /// What should go out now: nothing before both sides agreed on it, and nothing that was asked to be encrypted.
    pub(crate) fn wish(&self) -> Option<Wish> {
        let state = self.state.lock();
        let agreed = state.current.is_some_and(RtpTransceiverDirection::sends);
        let active = state.encodings.first().is_none_or(|encoding| encoding.active);
        if !agreed || !active || (self.must_encrypt && state.cipher.is_none()) {
            return None;
        }
        let bitrate = state.encodings.first().and_then(|encoding| encoding.max_bitrate);
        Some(Wish {
            ssrc: self.ssrc,
            track: state.sent.clone()?,
            bitrate,
            cipher: state.cipher.clone(),
        })
    }

    pub(crate) fn set_sent_track(&self, track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        let track = track.map(sendable).transpose()?;
        self.state.lock().sent = track;
        self.wake();
        Ok(())
    }

    /// Takes the track away, and the wish to send with it.
    pub(crate) fn remove_track(&self) {
        let mut state = self.state.lock();
        state.sent = None;
        state.direction = match state.direction {
            RtpTransceiverDirection::SendRecv => RtpTransceiverDirection::RecvOnly,
            RtpTransceiverDirection::SendOnly => RtpTransceiverDirection::Inactive,
            other => other,
        };
    }

    /// Encrypts what is sent from now on.
    pub(crate) fn encrypt(&self, cipher: Arc<TrackCipher>) {
        self.state.lock().cipher = Some(cipher);
        self.wake();
    }

    /// Whether something should go out that must be encrypted, and there is nothing to encrypt it with.
    pub(crate) fn lacks_cipher(&self) -> bool {
        self.must_encrypt && self.state.lock().cipher.is_none()
    }

    /// Decrypts what is received of the present track from now on. The next track on this section is another one.
    pub(crate) fn decrypt(&self, cipher: Arc<TrackCipher>) {
        if let Some(received) = &mut self.state.lock().received {
            received.cipher = Some(cipher);
        }
    }

    pub(crate) fn sender_parameters(&self) -> RtpParameters {
        let mut parameters = self.parameters(self.ssrc);
        parameters.encodings = self.state.lock().encodings.clone();
        parameters
    }

    pub(crate) fn set_sender_parameters(&self, parameters: RtpParameters) -> Result<(), RtcError> {
        self.state.lock().encodings = parameters.encodings;
        self.wake();
        Ok(())
    }

    pub(crate) fn receiver_parameters(&self) -> RtpParameters {
        self.parameters(self.inbound().map_or(0, |(inbound, _)| inbound.ssrc))
    }

    fn parameters(&self, ssrc: u32) -> RtpParameters {
        let mut parameters = RtpParameters::default();
        if self.kind == MediaType::Audio {
            parameters.codecs.push(RtpCodecParameters {
                payload_type: OUR_NUMBERS.opus,
                mime_type: "audio/opus".to_owned(),
                clock_rate: Some(48_000),
                channels: Some(2),
            });
        }
        parameters.rtcp = RtcpParameters {
            cname: ssrc.to_string(),
            reduced_size: false,
        };
        parameters
    }

    pub(crate) fn received_track(&self) -> Option<MediaStreamTrack> {
        self.state
            .lock()
            .received
            .as_ref()
            .map(|received| received.track.clone())
    }

    pub(crate) fn received_streams(&self) -> Vec<MediaStream> {
        let state = self.state.lock();
        let stream =
            |received: &Received| MediaStream::new(received.stream_id.clone(), received.track.clone());
        state.received.iter().map(stream).collect()
    }

    /// Notes what the other side says it sends now. The old track, if it is another one, ends with all its streams.
    /// Gives the new track, if there is one.
    pub(crate) fn set_received(&self, named: Option<(&str, &str)>) -> Option<MediaStreamTrack> {
        let mut state = self.state.lock();
        let same = match (&state.received, named) {
            (Some(received), Some((stream_id, track_id))) => {
                received.stream_id == stream_id && received.track_id == track_id
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return None;
        }
        let old = state.received.take();
        if let Some(Received { inbound, .. }) = &old
            && inbound.packets > 0
        {
            state.heard = Some((inbound.ssrc, inbound.highest_sequence));
        }
        let new = named.map(|(stream_id, track_id)| self.receive(stream_id, track_id));
        let track = new.as_ref().map(|received| received.track.clone());
        state.received = new;
        drop(state);
        if let Some(old) = old {
            old.track.end();
        }
        track
    }

    fn receive(&self, stream_id: &str, track_id: &str) -> Received {
        let track = match self.kind {
            MediaType::Audio => {
                let waker = self
                    .connection
                    .upgrade()
                    .map(|connection| connection.waker.clone());
                RtcAudioTrack::new(track_id.to_owned(), Origin::Remote(Sinks::new(waker))).into()
            }
            _ => RtcVideoTrack::new(track_id.to_owned()).into(),
        };
        Received {
            stream_id: stream_id.to_owned(),
            track_id: track_id.to_owned(),
            track,
            cipher: None,
            inbound: Inbound::default(),
        }
    }

    /// What a packet of this section is for, once it is counted. A late one, from when somebody
    /// else was heard under the same number, belongs to none.
    pub(crate) fn count_inbound(
        &self,
        ssrc: u32,
        sequence: u64,
        count: impl FnOnce(&mut Inbound),
    ) -> Option<Heard> {
        let mut state = self.state.lock();
        if state
            .heard
            .is_some_and(|(heard, last)| heard == ssrc && sequence <= last)
        {
            return None;
        }
        let received = state.received.as_mut()?;
        let MediaStreamTrack::Audio(track) = &received.track else {
            return None;
        };
        let heard = Heard {
            track: track.clone(),
            cipher: received.cipher.clone(),
        };
        count(&mut received.inbound);
        Some(heard)
    }

    pub(crate) fn inbound(&self) -> Option<(Inbound, MediaStreamTrack)> {
        let state = self.state.lock();
        state
            .received
            .as_ref()
            .map(|received| (received.inbound, received.track.clone()))
    }

    pub(crate) fn count_outbound(&self, count: impl FnOnce(&mut Outbound)) {
        count(&mut self.state.lock().outbound);
    }

    pub(crate) fn outbound(&self) -> Outbound {
        self.state.lock().outbound
    }

    pub(crate) fn sender_stats(&self) -> Vec<RtcStats> {
        let mut stats: Vec<RtcStats> = statistics::outbound(self).collect();
        stats.extend(self.connection_stats());
        stats
    }

    pub(crate) fn receiver_stats(&self) -> Vec<RtcStats> {
        let mut stats: Vec<RtcStats> = statistics::inbound(self).into_iter().collect();
        stats.extend(self.connection_stats());
        stats
    }

    fn connection_stats(&self) -> Vec<RtcStats> {
        self.connection
            .upgrade()
            .map(|connection| connection.transport_stats())
            .unwrap_or_default()
    }

    fn wake(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.wake();
        }
    }
}

fn sendable(track: MediaStreamTrack) -> Result<RtcAudioTrack, RtcError> {
    let MediaStreamTrack::Audio(track) = track else {
        return Err(RtcError::unsupported(
            "video cannot be sent by this build of libwebrtc",
        ));
    };
    match track.origin() {
        Origin::Source(_) => Ok(track),
        Origin::Device => Err(RtcError::unsupported(
            "sound cards are not supported by this build of libwebrtc",
        )),
        Origin::Remote(_) => Err(RtcError::unsupported(
            "a remote track cannot be sent on: decode it into a source",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_stream_track::RtcTrackState;

    fn init(direction: RtpTransceiverDirection) -> RtpTransceiverInit {
        RtpTransceiverInit {
            direction,
            stream_ids: Vec::new(),
            send_encodings: Vec::new(),
        }
    }

    #[test]
    fn the_next_speaker_on_a_section_is_another_track() {
        let section = Transceiver::new(
            &Weak::new(),
            MediaType::Audio,
            init(RtpTransceiverDirection::RecvOnly),
        );
        let first = section
            .set_received(Some(("PA_1", "TR_1")))
            .expect("the first track is new");
        assert!(section.set_received(Some(("PA_1", "TR_1"))).is_none());
        assert_eq!(first.state(), RtcTrackState::Live);
        let second = section
            .set_received(Some(("PA_2", "TR_2")))
            .expect("the second track is new");
        assert_eq!(first.state(), RtcTrackState::Ended);
        assert_eq!(second.id(), "TR_2");
        assert!(section.set_received(None).is_none());
        assert_eq!(second.state(), RtcTrackState::Ended);
    }

    #[test]
    fn a_late_packet_of_the_last_speaker_is_nobodys() {
        let section = Transceiver::new(
            &Weak::new(),
            MediaType::Audio,
            init(RtpTransceiverDirection::RecvOnly),
        );
        let take = |ssrc, sequence| {
            section.count_inbound(ssrc, sequence, |inbound| {
                inbound.ssrc = ssrc;
                inbound.packets += 1;
                inbound.highest_sequence = inbound.highest_sequence.max(sequence);
            })
        };
        section.set_received(Some(("PA_1", "TR_1")));
        assert!(take(7, 100).is_some());
        // A server may go on with the same number for somebody else, also after a pause.
        section.set_received(None);
        section.set_received(Some(("PA_2", "TR_2")));
        assert!(take(7, 99).is_none());
        assert!(take(7, 100).is_none());
        assert!(take(7, 101).is_some());
        assert!(take(8, 3).is_some());
    }

    #[test]
    fn a_sound_card_is_refused() {
        let track = RtcAudioTrack::new("mic".to_owned(), Origin::Device);
        let refused = Transceiver::sending(
            &Weak::new(),
            track.into(),
            init(RtpTransceiverDirection::SendOnly),
        );
        let error = refused.err().expect("a sound card cannot be sent");
        assert_eq!(error.error_type, crate::RtcErrorType::Unsupported);
    }
}
