//! Two ends of an association between which anything may happen to a datagram that encryption would let pass: the other
//! side of a session may be anybody. Nothing may panic, and no end may go on for ever or keep more than it has room for.

#![no_main]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig, StreamEvent, Transmit,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut fate = data.iter().copied();
    let mut now = Instant::now();
    let (mut caller, mut called) = (End::calling(), End::default());
    for _ in 0..ROUNDS {
        for datagram in caller.sent(now) {
            called.take_by_fate(now, datagram, &mut fate);
        }
        for datagram in called.sent(now) {
            caller.take_by_fate(now, datagram, &mut fate);
        }
        now += Duration::from_millis(50) * u32::from(fate.next().unwrap_or(1));
    }
});

/// One end, and what it has of an association.
struct End {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    written: u16,
}

impl Default for End {
    fn default() -> Self {
        let server = Arc::new(ServerConfig::default());
        Self {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), Some(server)),
            association: None,
            written: 0,
        }
    }
}

impl End {
    fn calling() -> Self {
        let mut end = Self::default();
        let called = end.endpoint.connect(ClientConfig::default(), PEER);
        end.association = Some(called.expect("there is room for the first association"));
        end
    }

    fn take_by_fate(&mut self, now: Instant, mut datagram: Vec<u8>, fate: &mut impl Iterator<Item = u8>) {
        let what = fate.next().unwrap_or_default();
        match what % 8 {
            // Lost.
            1 => return,
            // Doubled.
            2 => self.take(now, &datagram),
            // Changed here and there.
            3..=5 => {
                for _ in 0..what % 8 - 2 {
                    let (Some(place), Some(byte)) = (fate.next(), fate.next()) else {
                        break;
                    };
                    let length = datagram.len();
                    datagram[usize::from(place) % length] = byte;
                }
            }
            // Another, under the same tag.
            6 => {
                datagram.truncate(COMMON_HEADER_BYTES);
                datagram.extend(fate.take(usize::from(what) & !7));
            }
            _ => {}
        }
        self.take(now, &sealed(datagram));
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        let datagram = Bytes::copy_from_slice(datagram);
        let Some((handle, event)) = self.endpoint.handle(now, PEER, None, None, datagram) else {
            return;
        };
        match (event, &mut self.association) {
            (DatagramEvent::NewAssociation(new), association) => *association = Some((handle, new)),
            (DatagramEvent::AssociationEvent(event), Some((known, association))) if *known == handle => {
                association.handle_event(event);
            }
            (DatagramEvent::AssociationEvent(_), _) => {}
        }
    }

    /// What goes out now, once all that came was read and answered.
    fn sent(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut transmits: Vec<Transmit> = std::iter::from_fn(|| self.endpoint.poll_transmit()).collect();
        if let Some((handle, association)) = &mut self.association {
            if association.poll_timeout().is_some_and(|at| at <= now) {
                association.handle_timeout(now);
            }
            while let Some(event) = association.poll() {
                match event {
                    Event::Connected => write(association, &mut self.written),
                    Event::Stream(StreamEvent::Readable { id }) => {
                        read(association, id);
                        write(association, &mut self.written);
                    }
                    _ => {}
                }
            }
            transmits.extend(std::iter::from_fn(|| association.poll_transmit(now)).take(DATAGRAMS_MAX));
            while let Some(event) = association.poll_endpoint_event() {
                self.endpoint.handle_event(*handle, event);
            }
            if association.is_drained() {
                self.association = None;
            }
        }
        transmits.into_iter().flat_map(datagrams_of).collect()
    }
}

/// A message to each stream, the later the longer: up to more than a datagram holds.
fn write(association: &mut Association, written: &mut u16) {
    let streams = 0..STREAMS.min(MESSAGES_MAX - *written);
    for id in streams {
        *written += 1;
        // It is open already from the second message on, and may be closed by the other side.
        let _ = association.open_stream(id, PayloadProtocolIdentifier::Binary);
        if let Ok(mut stream) = association.stream(id) {
            let _ = stream.write(&vec![7; usize::from(*written) * 300]);
        }
    }
}

fn read(association: &mut Association, id: u16) {
    let mut bytes = vec![0; 256 * 1024];
    let Ok(mut stream) = association.stream(id) else {
        return;
    };
    while let Ok(Some(chunks)) = stream.read() {
        let _ = chunks.read(&mut bytes);
    }
}

fn datagrams_of(transmit: Transmit) -> Vec<Vec<u8>> {
    match transmit.payload {
        Payload::RawEncode(datagrams) => datagrams.iter().map(|datagram| datagram.to_vec()).collect(),
        Payload::PartialDecode(_) => Vec::new(),
    }
}

/// With the checksum that its bytes want (RFC 9260, appendix A), as whoever sends it would have it.
fn sealed(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram[8..12].fill(0);
    let sum = datagram.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| match sum & 1 {
            1 => sum >> 1 ^ 0x82F6_3B78,
            _ => sum >> 1,
        })
    });
    datagram[8..12].copy_from_slice(&(!sum).to_le_bytes());
    datagram
}

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);
/// Ports, tag and checksum.
const COMMON_HEADER_BYTES: usize = 12;
/// Enough for a handshake, a few messages and their repetition.
const ROUNDS: usize = 40;
const DATAGRAMS_MAX: usize = 64;
const MESSAGES_MAX: u16 = 9;
const STREAMS: u16 = 3;
