//! What the fuzz targets of the network run: see [`crate::internals::fuzz`].

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    framing::{Framing, PACKET_BYTES_MAX, Unframer},
    stun::{self, Class, Key, Message},
    turn::{Credentials, Output, Transport, TurnClient},
};

/// A message of STUN or TURN: what is read of it lies within it, and is read again of what is written of it.
pub fn stun(data: &[u8]) {
    let Some(message) = Message::read(data) else {
        return;
    };
    if let Some(range) = message.data() {
        assert!(range.start <= range.end && range.end <= data.len());
    }
    let attributes: Vec<_> = message.attributes().collect();
    let _ = (message.realm(), message.nonce(), message.lifetime());
    let key = Key::new(NAME, "realm", &"unknown to all".into());
    assert!(!message.is_signed_with(&key), "nobody knows the key");
    let again = stun::write(
        message.class,
        message.method,
        &message.id,
        &attributes,
        Some(&key),
    );
    // Lengths are told in 16 bits, and a signature may be more than there is room for.
    if again.len() <= usize::from(u16::MAX) {
        let again = Message::read(&again).expect("our own message");
        assert_eq!(again.attributes().collect::<Vec<_>>(), attributes);
        assert!(again.is_signed_with(&key));
    }
}

/// A client of a TURN server that says anything at any time. Each step takes from the bytes: what happens, how much later
/// that is, how long it is, and what is in it.
pub fn turn(mut data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let credentials = Credentials {
        username: NAME.to_owned(),
        password: NAME.into(),
    };
    let mut client = TurnClient::new(start, credentials, Transport::Datagrams);
    let (mut request, mut sent) = (Vec::new(), 0);
    while let Some((head, rest)) = data.split_first_chunk::<4>() {
        let [what, wait, scale, length] = *head;
        let (contents, rest) = rest.split_at(usize::from(length).min(rest.len()));
        data = rest;
        now += Duration::from_millis(u64::from(wait) << (scale % 12));
        match what % 4 {
            0 => take(&mut client, now, contents),
            1 => take(&mut client, now, &answer(&request, what, contents)),
            2 => client.send(now, peer(what), contents),
            _ => client.handle_timeout(now),
        }
        while let Some(output) = client.poll_output() {
            if let Output::Send(packet) = output {
                sent += 1;
                if Message::read(&packet).is_some_and(|message| message.class == Class::Request) {
                    request = packet;
                }
            }
        }
        client.handle_timeout(now);
        while client.poll_output().is_some() {
            sent += 1;
        }
        assert!(
            client.poll_timeout().is_none_or(|due| due > now),
            "what is due was done, and is due again"
        );
    }
    let seconds = (now - start).as_secs();
    // Every step may have some packets sent, and time some for each of the few that there is a permission for.
    let bound = 1000 + 100 * (1 + seconds) + 20 * 10_000;
    assert!(sent <= bound, "{sent} packets in {seconds} s");
}

fn take(client: &mut TurnClient, now: Instant, packet: &[u8]) {
    if let Some((_, range)) = client.handle_packet(now, packet) {
        assert!(range.start <= range.end && range.end <= packet.len());
    }
}

/// A response to a request, signed as one that knows the password does it, or not at all.
fn answer(request: &[u8], what: u8, attributes: &[u8]) -> Vec<u8> {
    let Some(request) = Message::read(request) else {
        return Vec::new();
    };
    let class = match what & 4 {
        0 => Class::Success,
        _ => Class::Failure,
    };
    let mut raw = stun::write(class, request.method, &request.id, &[], None);
    raw.extend_from_slice(&attributes[..attributes.len() / 4 * 4]);
    let length = (raw.len() - 20) as u16;
    raw[2..4].copy_from_slice(&length.to_be_bytes());
    let message = Message::read(&raw).expect("its length is right");
    let realm = request.realm().unwrap_or_default();
    let key = Key::new(NAME, realm, &NAME.into());
    let attributes: Vec<_> = message.attributes().collect();
    let key = (what & 8 == 0).then_some(&key);
    stun::write(class, request.method, &request.id, &attributes, key)
}

fn peer(what: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, what], u16::from(what)))
}

/// A stream of packets, read in pieces: its first byte says how long they are, its second which framing it has.
pub fn framing(data: &[u8]) {
    let Some((&[piece, kind], stream)) = data.split_first_chunk() else {
        return;
    };
    let framing = match kind % 2 {
        0 => Framing::Length,
        _ => Framing::Turn,
    };
    let whole = unframed(framing, stream, stream.len().max(1));
    assert_eq!(
        unframed(framing, stream, usize::from(piece) + 1),
        whole,
        "how a stream is cut changes nothing"
    );
    let mut again = Vec::new();
    for packet in &whole {
        assert!(packet.len() <= PACKET_BYTES_MAX);
        framing.frame(packet, &mut again);
    }
    assert_eq!(unframed(framing, &again, again.len().max(1)), whole);
}

/// The packets of a stream, up to where it breaks.
fn unframed(framing: Framing, stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut unframer = Unframer::new(framing);
    let mut packets = Vec::new();
    for piece in stream.chunks(piece) {
        unframer.push(piece);
        loop {
            match unframer.pull() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(_) => return packets,
            }
        }
    }
    packets
}

const NAME: &str = "somebody";

/// Messages and streams that are right, for tests to change.
#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::network::stun::{Attribute, Method};

    /// What a TURN server says to whom it does not know, and to whom it does.
    pub(crate) fn messages() -> Vec<Vec<u8>> {
        let key = Key::new(NAME, "realm", &NAME.into());
        let challenge = [
            Attribute::ErrorCode(401),
            Attribute::Realm("realm"),
            Attribute::Nonce(b"nonce"),
        ];
        let granted = [
            Attribute::XorRelayedAddress(peer(1)),
            Attribute::XorMappedAddress(peer(2)),
            Attribute::Lifetime(600),
        ];
        let data = [Attribute::XorPeerAddress(peer(3)), Attribute::Data(&[7; 50])];
        vec![
            stun::write(Class::Failure, Method::Allocate, &[1; 12], &challenge, None),
            stun::write(Class::Success, Method::Allocate, &[2; 12], &granted, Some(&key)),
            stun::write(Class::Indication, Method::Data, &[3; 12], &data, None),
        ]
    }

    /// A client that is challenged, granted an address, sends, and is sent to.
    pub(crate) fn sessions() -> Vec<Vec<u8>> {
        let messages = messages();
        let mut session = Vec::new();
        let mut step = |what: u8, contents: &[u8]| {
            session.extend([what, 20, 1, contents.len() as u8]);
            session.extend_from_slice(contents);
        };
        step(1 | 4 | 8, &messages[0][20..]);
        // Without its signature, which it gets anew.
        step(1, &messages[1][20..messages[1].len() - 24]);
        step(2, b"checks and media");
        step(1, &[]);
        step(2, b"\x80 media");
        step(1, &[]);
        step(0, &messages[2]);
        step(3, &[]);
        vec![session]
    }

    /// Three messages in either framing.
    pub(crate) fn streams() -> Vec<Vec<u8>> {
        [Framing::Length, Framing::Turn]
            .into_iter()
            .zip([0, 1])
            .map(|(framing, kind)| {
                let mut stream = vec![30, kind];
                for message in messages() {
                    framing.frame(&message, &mut stream);
                }
                stream
            })
            .collect()
    }
}
