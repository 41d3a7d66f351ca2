//! The figures of a connection, under the names of the W3C's `webrtc-stats`.
//!
//! Only what is measured is here: a figure that this crate does not know has no field, rather than a zero.

/// One group of figures.
#[derive(Debug, Clone)]
pub enum RtcStats {
    /// What is received by one media section.
    InboundRtp(InboundRtpStats),
    /// What is sent by one media section.
    OutboundRtp(OutboundRtpStats),
    /// What the other side says it received of that.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// All that goes both ways.
    Transport(TransportStats),
    /// The path in use.
    CandidatePair(CandidatePairStats),
    /// Our end of the path in use.
    LocalCandidate(LocalCandidateStats),
    /// The other side's end of the path in use.
    RemoteCandidate(RemoteCandidateStats),
    /// One data channel.
    DataChannel(DataChannelStats),
}

/// Which part a side takes in the search for a path.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub enum IceRole {
    /// Not known yet.
    #[default]
    Unknown,
    /// It chooses.
    Controlling,
    /// The other side chooses.
    Controlled,
}

/// How the encryption of the transport fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DtlsTransportState {
    /// Not begun.
    New,
    /// Keys are being agreed on.
    Connecting,
    /// It works.
    Connected,
    /// Closed.
    Closed,
    /// It failed.
    Failed,
}

/// How the search for a path fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceTransportState {
    /// Nothing was tried yet.
    New,
    /// Paths are being tried.
    Checking,
    /// There is one.
    Connected,
    /// There is one, and no better one is looked for.
    Completed,
    /// There was one.
    Disconnected,
    /// There is none.
    Failed,
    /// Closed from our side.
    Closed,
}

/// How one path fares.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceCandidatePairState {
    /// Not tried yet.
    Frozen,
    /// About to be tried.
    Waiting,
    /// Being tried.
    InProgress,
    /// It does not work.
    Failed,
    /// It works.
    Succeeded,
}

/// How an address was found.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceCandidateType {
    /// It is an interface's.
    Host,
    /// A server sees packets come from it.
    Srflx,
    /// The other side sees packets come from it.
    Prflx,
    /// A relay takes packets for us there.
    Relay,
}

/// What is received by one media section.
#[derive(Debug, Default, Clone)]
pub struct InboundRtpStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The stream.
    pub stream: dictionaries::RtpStreamStats,
    /// The packets.
    pub received: dictionaries::ReceivedRtpStreamStats,
    /// The audio.
    pub inbound: dictionaries::InboundRtpStreamStats,
}

/// What is sent by one media section.
#[derive(Debug, Default, Clone)]
pub struct OutboundRtpStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The stream.
    pub stream: dictionaries::RtpStreamStats,
    /// The packets.
    pub sent: dictionaries::SentRtpStreamStats,
    /// The audio.
    pub outbound: dictionaries::OutboundRtpStreamStats,
}

/// What the other side says it received by one media section.
#[derive(Debug, Default, Clone)]
pub struct RemoteInboundRtpStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The stream.
    pub stream: dictionaries::RtpStreamStats,
    /// The packets; how many arrived, less those that are lost, is our count of what was sent.
    pub received: dictionaries::ReceivedRtpStreamStats,
    /// The way there and back.
    pub remote_inbound: dictionaries::RemoteInboundRtpStreamStats,
}

/// All that goes both ways.
#[derive(Debug, Default, Clone)]
pub struct TransportStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The figures.
    pub transport: dictionaries::TransportStats,
}

/// The path in use.
#[derive(Debug, Default, Clone)]
pub struct CandidatePairStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The figures.
    pub candidate_pair: dictionaries::CandidatePairStats,
}

/// Our end of the path in use.
#[derive(Debug, Default, Clone)]
pub struct LocalCandidateStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The figures.
    pub local_candidate: dictionaries::IceCandidateStats,
}

/// The other side's end of the path in use.
#[derive(Debug, Default, Clone)]
pub struct RemoteCandidateStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The figures.
    pub remote_candidate: dictionaries::IceCandidateStats,
}

/// One data channel.
#[derive(Debug, Default, Clone)]
pub struct DataChannelStats {
    /// Which and when.
    pub rtc: dictionaries::RtcStats,
    /// The figures.
    pub dc: dictionaries::DataChannelStats,
}

/// The figures themselves.
pub mod dictionaries {
    use super::{DtlsTransportState, IceCandidatePairState, IceCandidateType, IceRole, IceTransportState};
    use crate::data_channel::DataChannelState;

    /// Which and when.
    #[derive(Debug, Default, Clone)]
    pub struct RtcStats {
        /// The name of this group of figures.
        pub id: String,
        /// When they were taken, in microseconds since 1970.
        pub timestamp: i64,
    }

    /// A stream of packets.
    #[derive(Debug, Default, Clone)]
    pub struct RtpStreamStats {
        /// The source's number in packets.
        pub ssrc: u32,
        /// `audio`.
        pub kind: String,
        /// The transport it goes by.
        pub transport_id: String,
    }

    /// Packets that arrived.
    #[derive(Debug, Default, Clone)]
    pub struct ReceivedRtpStreamStats {
        /// How many arrived.
        pub packets_received: u64,
        /// How many did not.
        pub packets_lost: i64,
        /// How unevenly they arrive, in seconds.
        pub jitter: f64,
    }

    /// What became of the packets that arrived.
    #[derive(Debug, Default, Clone)]
    pub struct InboundRtpStreamStats {
        /// The track's id.
        pub track_identifier: String,
        /// The media section's id.
        pub mid: String,
        /// When the last packet arrived, in milliseconds since 1970.
        pub last_packet_received_timestamp: f64,
        /// Bytes of payload that arrived.
        pub bytes_received: u64,
        /// Packets that came too late or twice.
        pub packets_discarded: u64,
        /// Packets that were lost, or overtaken, and that others told of: by redundancy (RFC 2198) or by forward error
        /// correction within Opus.
        pub fec_packets_received: u64,
        /// Samples handed out, at the rate they are decoded to.
        pub total_samples_received: u64,
        /// Of these, how many were made up for lost packets or silence.
        pub concealed_samples: u64,
        /// Of these, how many are silence.
        pub silent_concealed_samples: u64,
        /// How often something had to be made up.
        pub concealment_events: u64,
        /// Seconds handed out.
        pub total_samples_duration: f64,
        /// How loud the last packet is, as its sender says, from 0 to 1; 0 if it does not say.
        pub audio_level: f64,
    }

    /// Packets that were sent.
    #[derive(Debug, Default, Clone)]
    pub struct SentRtpStreamStats {
        /// How many.
        pub packets_sent: u64,
        /// Bytes of payload.
        pub bytes_sent: u64,
    }

    /// The way to the other side and back.
    #[derive(Debug, Default, Clone)]
    pub struct RemoteInboundRtpStreamStats {
        /// The figures of what we sent.
        pub local_id: String,
        /// The last round trip that its reports tell, in seconds; 0 if none does yet.
        pub round_trip_time: f64,
        /// The share of packets that was lost lately, from 0 to 1.
        pub fraction_lost: f64,
    }

    /// How packets were made.
    #[derive(Debug, Default, Clone)]
    pub struct OutboundRtpStreamStats {
        /// The media section's id.
        pub mid: String,
        /// Whether anything may be sent.
        pub active: bool,
        /// The rate that is aimed at, in bits per second.
        pub target_bitrate: f64,
    }

    /// All that goes both ways.
    #[derive(Debug, Default, Clone)]
    pub struct TransportStats {
        /// Datagrams sent.
        pub packets_sent: u64,
        /// Datagrams received.
        pub packets_received: u64,
        /// Bytes sent.
        pub bytes_sent: u64,
        /// Bytes received.
        pub bytes_received: u64,
        /// Our part in the search for a path.
        pub ice_role: IceRole,
        /// Our name in the search for a path.
        pub ice_local_username_fragment: String,
        /// How the encryption fares.
        pub dtls_state: Option<DtlsTransportState>,
        /// How the search for a path fares.
        pub ice_state: Option<IceTransportState>,
        /// The path in use.
        pub selected_candidate_pair_id: String,
        /// How often the path changed.
        pub selected_candidate_pair_changes: u32,
    }

    /// The path in use.
    #[derive(Debug, Default, Clone)]
    pub struct CandidatePairStats {
        /// The transport it belongs to.
        pub transport_id: String,
        /// Our end of it.
        pub local_candidate_id: String,
        /// The other side's end of it.
        pub remote_candidate_id: String,
        /// How it fares.
        pub state: Option<IceCandidatePairState>,
        /// Whether it was chosen.
        pub nominated: bool,
        /// Datagrams sent.
        pub packets_sent: u64,
        /// Datagrams received.
        pub packets_received: u64,
        /// Bytes sent.
        pub bytes_sent: u64,
        /// Bytes received.
        pub bytes_received: u64,
        /// The sum of all round trips measured, in seconds.
        pub total_round_trip_time: f64,
        /// The last round trip measured, in seconds.
        pub current_round_trip_time: f64,
        /// How many round trips were measured.
        pub responses_received: u64,
        /// Datagrams the operating system did not take.
        pub packets_discarded_on_send: u32,
    }

    /// One end of a path.
    #[derive(Debug, Default, Clone)]
    pub struct IceCandidateStats {
        /// The transport it belongs to.
        pub transport_id: String,
        /// The address.
        pub address: String,
        /// The port; 9 stands for that of a connection of ours.
        pub port: i32,
        /// `udp` or `tcp`.
        pub protocol: String,
        /// How it was found.
        pub candidate_type: Option<IceCandidateType>,
    }

    /// One data channel.
    #[derive(Debug, Default, Clone)]
    pub struct DataChannelStats {
        /// The channel's name.
        pub label: String,
        /// What its messages are, in the application's words.
        pub protocol: String,
        /// The channel's id.
        pub data_channel_identifier: i32,
        /// How the channel fares.
        pub state: Option<DataChannelState>,
        /// Messages sent.
        pub messages_sent: u32,
        /// Bytes sent.
        pub bytes_sent: u64,
        /// Messages received.
        pub messages_received: u32,
        /// Bytes received.
        pub bytes_received: u64,
    }
}
