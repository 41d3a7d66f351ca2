//! The figures of a connection.

use std::{net::SocketAddr, time::Duration};

use str0m::{Candidate, CandidateKind, net::Protocol, stats::MediaEgressStats};

use super::{
    core::Core,
    media::unix_time_us,
    transceiver::{Report, Transceiver},
};
use crate::{
    MediaType,
    media_stream_track::MediaStreamTrack,
    peer_connection::{IceConnectionState, PeerConnectionState},
    stats::{
        CandidatePairStats, DataChannelStats, DtlsTransportState, IceCandidatePairState, IceCandidateType,
        IceRole, IceTransportState, InboundRtpStats, LocalCandidateStats, OutboundRtpStats,
        RemoteCandidateStats, RemoteInboundRtpStats, RtcStats, TransportStats, dictionaries,
    },
};

/// What is received by a section, if anything is.
pub(super) fn inbound(transceiver: &Transceiver) -> Option<RtcStats> {
    let (inbound, MediaStreamTrack::Audio(track)) = transceiver.inbound()? else {
        return None;
    };
    let mid = transceiver.mid().unwrap_or_default();
    let expected = inbound
        .first_sequence
        .map_or(0, |first| inbound.highest_sequence - first + 1);
    let played = track.sinks().map(|sinks| sinks.figures()).unwrap_or_default();
    Some(RtcStats::InboundRtp(InboundRtpStats {
        rtc: figures(format!("inbound-{mid}")),
        stream: stream(inbound.ssrc),
        received: dictionaries::ReceivedRtpStreamStats {
            packets_received: inbound.packets,
            packets_lost: i64::try_from(expected).unwrap_or(i64::MAX)
                - i64::try_from(inbound.packets).unwrap_or(i64::MAX),
            jitter: inbound.jitter,
        },
        inbound: dictionaries::InboundRtpStreamStats {
            track_identifier: track.id(),
            mid,
            last_packet_received_timestamp: inbound.last_packet_us as f64 / 1000.0,
            bytes_received: inbound.bytes,
            packets_discarded: played.packets_discarded,
            fec_packets_received: played.packets_recovered,
            total_samples_received: played.samples,
            concealed_samples: played.samples_concealed,
            silent_concealed_samples: played.samples_silent,
            concealment_events: played.concealments,
            total_samples_duration: played.seconds(),
            audio_level: inbound
                .level
                .map_or(0.0, |level| 10_f64.powf(f64::from(level) / 20.0)),
        },
    }))
}

/// What is sent by a section, if anything is, and what the other side says of it.
pub(super) fn outbound(transceiver: &Transceiver) -> impl Iterator<Item = RtcStats> {
    let is_sender = transceiver
        .current_direction()
        .is_some_and(|direction| direction.sends());
    let is_sender = is_sender && transceiver.kind() == MediaType::Audio;
    let sent = is_sender.then(|| sent(transceiver)).into_iter();
    sent.chain(reported(transceiver).filter(|_| is_sender))
}

fn sent(transceiver: &Transceiver) -> RtcStats {
    let mid = transceiver.mid().unwrap_or_default();
    let sent = transceiver.outbound();
    RtcStats::OutboundRtp(OutboundRtpStats {
        rtc: figures(format!("outbound-{mid}")),
        stream: stream(transceiver.ssrc()),
        sent: dictionaries::SentRtpStreamStats {
            packets_sent: sent.packets,
            bytes_sent: sent.bytes,
        },
        outbound: dictionaries::OutboundRtpStreamStats {
            mid,
            active: transceiver.wish().is_some_and(|wish| wish.track.enabled()),
            target_bitrate: sent.bitrate as f64,
        },
    })
}

fn reported(transceiver: &Transceiver) -> Option<RtcStats> {
    let mid = transceiver.mid().unwrap_or_default();
    let sent = transceiver.outbound();
    let report = sent.report?;
    Some(RtcStats::RemoteInboundRtp(RemoteInboundRtpStats {
        rtc: figures(format!("remote-inbound-{mid}")),
        stream: stream(transceiver.ssrc()),
        received: dictionaries::ReceivedRtpStreamStats {
            packets_received: sent.packets.saturating_sub(report.packets_lost),
            packets_lost: i64::try_from(report.packets_lost).unwrap_or(i64::MAX),
            jitter: report.jitter,
        },
        remote_inbound: dictionaries::RemoteInboundRtpStreamStats {
            local_id: format!("outbound-{mid}"),
            round_trip_time: report.round_trip.unwrap_or_default().as_secs_f64(),
            fraction_lost: report.fraction_lost,
        },
    }))
}

impl Core {
    /// All figures of the connection.
    pub(super) fn stats(&self) -> Vec<RtcStats> {
        let mut stats = self.transport_stats();
        for transceiver in &self.transceivers {
            stats.extend(inbound(transceiver));
            stats.extend(outbound(transceiver));
        }
        stats.extend(self.channels.iter().map(|channel| {
            let state = channel.snapshot();
            RtcStats::DataChannel(DataChannelStats {
                rtc: figures(format!("channel-{}", channel.label())),
                dc: dictionaries::DataChannelStats {
                    label: channel.label().to_owned(),
                    protocol: channel.protocol().to_owned(),
                    data_channel_identifier: state.stream_id,
                    state: Some(state.state),
                    messages_sent: state.counts.messages_sent,
                    bytes_sent: state.counts.bytes_sent,
                    messages_received: state.counts.messages_received,
                    bytes_received: state.counts.bytes_received,
                },
            })
        }));
        stats
    }

    /// Notes what the other side says it received of a section.
    pub(super) fn handle_report(&mut self, stats: &MediaEgressStats) {
        let Some(remote) = &stats.remote else {
            return;
        };
        let transceiver = self
            .transceivers
            .iter()
            .find(|transceiver| transceiver.has_mid(&stats.mid));
        let Some(transceiver) = transceiver else {
            return;
        };
        transceiver.count_outbound(|outbound| {
            let known = outbound.report;
            outbound.report = Some(Report {
                packets_lost: remote.packets_lost,
                jitter: f64::from(remote.jitter) / 48_000.0,
                round_trip: stats.rtt.or(known.and_then(|known| known.round_trip)),
                fraction_lost: f64::from(stats.loss.unwrap_or_default()),
            });
        });
    }

    /// The figures of the transport and of the path in use.
    pub(super) fn transport_stats(&self) -> Vec<RtcStats> {
        let mut stats = vec![self.transport()];
        stats.extend(self.path().into_iter().flatten());
        stats
    }

    fn transport(&self) -> RtcStats {
        let traffic = self.network.traffic;
        let session = self.session.as_ref();
        let dtls_state = match (session, self.connection_state()) {
            (_, PeerConnectionState::Closed) => DtlsTransportState::Closed,
            (Some(session), _) if session.is_encrypted => DtlsTransportState::Connected,
            (Some(session), _) if session.is_started => DtlsTransportState::Connecting,
            _ => DtlsTransportState::New,
        };
        let ice_role = match session {
            Some(session) if session.is_started && session.is_controlling => IceRole::Controlling,
            Some(session) if session.is_started => IceRole::Controlled,
            _ => IceRole::Unknown,
        };
        RtcStats::Transport(TransportStats {
            rtc: figures(TRANSPORT.to_owned()),
            transport: dictionaries::TransportStats {
                packets_sent: traffic.packets_sent,
                packets_received: traffic.packets_received,
                bytes_sent: traffic.bytes_sent,
                bytes_received: traffic.bytes_received,
                ice_role,
                ice_local_username_fragment: session
                    .map(|session| session.credentials.ufrag.clone())
                    .unwrap_or_default(),
                dtls_state: Some(dtls_state),
                ice_state: Some(self.ice_transport_state()),
                selected_candidate_pair_id: PATH.to_owned(),
                selected_candidate_pair_changes: self.path_changes,
            },
        })
    }

    /// The path in use and its two ends, once there is one.
    fn path(&self) -> Option<[RtcStats; 3]> {
        let traffic = self.network.traffic;
        let way = self.way?;
        let session = self.session.as_ref()?;
        let is_alive = matches!(
            self.ice_transport_state(),
            IceTransportState::Connected | IceTransportState::Completed
        );
        // Round trips are summed up every few seconds.
        let measured = self.peer_stats.as_ref();
        let measured = measured.and_then(|stats| stats.selected_candidate_pair.as_ref());
        let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
        let pair = CandidatePairStats {
            rtc: figures(PATH.to_owned()),
            candidate_pair: dictionaries::CandidatePairStats {
                transport_id: TRANSPORT.to_owned(),
                local_candidate_id: LOCAL_END.to_owned(),
                remote_candidate_id: REMOTE_END.to_owned(),
                state: Some(if is_alive {
                    IceCandidatePairState::Succeeded
                } else {
                    IceCandidatePairState::Failed
                }),
                nominated: true,
                packets_sent: traffic.packets_sent,
                packets_received: traffic.packets_received,
                bytes_sent: traffic.bytes_sent,
                bytes_received: traffic.bytes_received,
                total_round_trip_time: seconds(measured.map(|pair| pair.total_round_trip_time)),
                current_round_trip_time: seconds(measured.and_then(|pair| pair.current_round_trip_time)),
                responses_received: measured.map_or(0, |pair| pair.responses_received),
                packets_discarded_on_send: traffic.packets_discarded,
            },
        };
        let local = LocalCandidateStats {
            rtc: figures(LOCAL_END.to_owned()),
            local_candidate: end(way.protocol, way.ours, &session.candidates),
        };
        let remote = RemoteCandidateStats {
            rtc: figures(REMOTE_END.to_owned()),
            remote_candidate: end(way.protocol, way.theirs, &session.remote_candidates),
        };
        Some([
            RtcStats::CandidatePair(pair),
            RtcStats::LocalCandidate(local),
            RtcStats::RemoteCandidate(remote),
        ])
    }

    fn ice_transport_state(&self) -> IceTransportState {
        match self.ice_connection_state() {
            IceConnectionState::New | IceConnectionState::Max => IceTransportState::New,
            IceConnectionState::Checking => IceTransportState::Checking,
            IceConnectionState::Connected => IceTransportState::Connected,
            IceConnectionState::Completed => IceTransportState::Completed,
            IceConnectionState::Failed => IceTransportState::Failed,
            IceConnectionState::Disconnected => IceTransportState::Disconnected,
            IceConnectionState::Closed => IceTransportState::Closed,
        }
    }
}

fn figures(id: String) -> dictionaries::RtcStats {
    dictionaries::RtcStats {
        id,
        timestamp: unix_time_us(),
    }
}

fn stream(ssrc: u32) -> dictionaries::RtpStreamStats {
    dictionaries::RtpStreamStats {
        ssrc,
        kind: "audio".to_owned(),
        transport_id: TRANSPORT.to_owned(),
    }
}

/// One end of a path. What was not announced, a check of the path found out.
fn end(protocol: Protocol, address: SocketAddr, announced: &[Candidate]) -> dictionaries::IceCandidateStats {
    let known = announced.iter().find(|known| known.addr() == address);
    let candidate_type = match known.map(Candidate::kind) {
        Some(CandidateKind::Host) => IceCandidateType::Host,
        Some(CandidateKind::ServerReflexive) => IceCandidateType::Srflx,
        Some(CandidateKind::Relayed) => IceCandidateType::Relay,
        Some(CandidateKind::PeerReflexive) | None => IceCandidateType::Prflx,
    };
    dictionaries::IceCandidateStats {
        transport_id: TRANSPORT.to_owned(),
        address: address.ip().to_string(),
        port: address.port().into(),
        protocol: protocol.to_string(),
        candidate_type: Some(candidate_type),
    }
}

const TRANSPORT: &str = "transport";
const PATH: &str = "path";
const LOCAL_END: &str = "local";
const REMOTE_END: &str = "remote";
