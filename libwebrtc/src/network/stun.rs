//! Messages of STUN and TURN (RFC 8489, RFC 8656), as a client of servers has them. Checks of paths are str0m's.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    time::Duration,
};

use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Method {
    /// What is my address?
    Binding = 0x001,
    /// Give me an address.
    Allocate = 0x003,
    /// Let me keep it.
    Refresh = 0x004,
    /// Data for someone, before there is a channel.
    Send = 0x006,
    /// Data from someone, likewise.
    Data = 0x007,
    /// Let data from someone in.
    CreatePermission = 0x008,
    /// Let a number stand for someone.
    ChannelBind = 0x009,
}

/// What part a message plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Class {
    /// Wants a response.
    Request = 0x000,
    /// Wants none.
    Indication = 0x010,
    /// Says yes.
    Success = 0x100,
    /// Says no.
    Failure = 0x110,
}

/// What a response repeats of its request.
pub(super) type TransactionId = [u8; 12];

/// A value in a message, under its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute<'a> {
    Username(&'a str),
    ErrorCode(u16),
    ChannelNumber(u16),
    /// In seconds.
    Lifetime(u32),
    XorPeerAddress(SocketAddr),
    Data(&'a [u8]),
    Realm(&'a str),
    Nonce(&'a [u8]),
    XorRelayedAddress(SocketAddr),
    /// Datagrams; there is no other transport to ask for.
    RequestedTransport,
    XorMappedAddress(SocketAddr),
}

/// The key that proves who we are, of a name, a realm and a password.
#[derive(Clone)]
pub(super) struct Key(hmac::Key);

impl Key {
    /// The key of long-term credentials (RFC 8489, section 9.2.2). MD5 and SHA-1 are what servers have in common.
    pub(super) fn new(username: &str, realm: &str, password: &SecretString) -> Self {
        let password = password.expose_secret();
        let hash = Md5::digest(format!("{username}:{realm}:{password}"));
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &hash))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key")
    }
}

/// An id that nobody can guess.
pub(super) fn transaction_id() -> TransactionId {
    let random = uuid::Uuid::new_v4().into_bytes();
    *random.first_chunk().expect("16 bytes begin with 12")
}

/// Writes a message, signed if there is a key.
pub(super) fn write(
    class: Class,
    method: Method,
    id: &TransactionId,
    attributes: &[Attribute<'_>],
    key: Option<&Key>,
) -> Vec<u8> {
    let kind = class as u16 | method as u16;
    let mut message = Vec::with_capacity(256);
    message.extend(kind.to_be_bytes());
    message.extend([0, 0]);
    message.extend(MAGIC);
    message.extend(id);
    for attribute in attributes {
        let (kind, value) = attribute.encode(id);
        push(&mut message, kind, &value);
    }
    if let Some(Key(key)) = key {
        // The length that is signed includes the signature.
        set_length(&mut message, SIGNATURE_BYTES + 4);
        let signature = hmac::sign(key, &message);
        push(&mut message, MESSAGE_INTEGRITY, signature.as_ref());
    }
    set_length(&mut message, 0);
    message
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn set_length(message: &mut [u8], more: usize) {
    let length = u16::try_from(message.len() - HEADER_BYTES + more).unwrap_or(u16::MAX);
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// A message that was read. Its attributes are read when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) class: Class,
    pub(super) method: Method,
    pub(super) id: TransactionId,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if these bytes are something else.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != MAGIC || bytes.len() != HEADER_BYTES + length || length % 4 != 0 {
            return None;
        }
        let kind = u16::from_be_bytes([header[0], header[1]]);
        Some(Self {
            class: class(kind)?,
            method: method(kind)?,
            id: header[8..20].try_into().ok()?,
            bytes,
        })
    }

    /// The attributes that are known, up to the signature: what follows it is not signed.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        let id = self.id;
        self.raw()
            .take_while(|(_, kind, _)| *kind != MESSAGE_INTEGRITY)
            .filter_map(move |(_, kind, value)| Attribute::decode(kind, value, &id))
    }

    pub(super) fn error_code(&self) -> Option<u16> {
        self.find(|attribute| match attribute {
            Attribute::ErrorCode(code) => Some(code),
            _ => None,
        })
    }

    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.find(|attribute| match attribute {
            Attribute::Lifetime(seconds) => Some(Duration::from_secs(seconds.into())),
            _ => None,
        })
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.find(|attribute| match attribute {
            Attribute::XorPeerAddress(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn relayed_address(&self) -> Option<SocketAddr> {
        self.find(|attribute| match attribute {
            Attribute::XorRelayedAddress(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn mapped_address(&self) -> Option<SocketAddr> {
        self.find(|attribute| match attribute {
            Attribute::XorMappedAddress(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn realm(&self) -> Option<&'a str> {
        self.find(|attribute| match attribute {
            Attribute::Realm(realm) => Some(realm),
            _ => None,
        })
    }

    pub(super) fn nonce(&self) -> Option<&'a [u8]> {
        self.find(|attribute| match attribute {
            Attribute::Nonce(nonce) => Some(nonce),
            _ => None,
        })
    }

    fn find<T>(&self, wanted: impl FnMut(Attribute<'a>) -> Option<T>) -> Option<T> {
        self.attributes().find_map(wanted)
    }

    /// Where the data that the message carries is in its bytes.
    pub(super) fn data(&self) -> Option<Range<usize>> {
        let (start, _, data) = self.raw().find(|(_, kind, _)| *kind == DATA)?;
        Some(start + 4..start + 4 + data.len())
    }

    /// Whether the message is signed with this key.
    pub(super) fn is_signed_with(&self, Key(key): &Key) -> bool {
        let Some((at, _, signature)) = self.raw().find(|(_, kind, _)| *kind == MESSAGE_INTEGRITY) else {
            return false;
        };
        let mut signed = self.bytes[..at].to_vec();
        set_length(&mut signed, SIGNATURE_BYTES + 4);
        hmac::verify(key, &signed, signature).is_ok()
    }

    /// Where each attribute begins, its type and its value.
    fn raw(&self) -> impl Iterator<Item = (usize, u16, &'a [u8])> {
        let bytes = self.bytes;
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let header = bytes.get(at..at + 4)?;
            let kind = u16::from_be_bytes([header[0], header[1]]);
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let value = bytes.get(at + 4..at + 4 + length)?;
            let start = at;
            at += 4 + length.next_multiple_of(4);
            Some((start, kind, value))
        })
    }
}

impl<'a> Attribute<'a> {
    fn encode(&self, id: &TransactionId) -> (u16, Vec<u8>) {
        match *self {
            Self::Username(name) => (USERNAME, name.into()),
            Self::ErrorCode(code) => {
                let (class, number) = ((code / 100) as u8, (code % 100) as u8);
                (ERROR_CODE, vec![0, 0, class, number])
            }
            Self::ChannelNumber(number) => {
                let [high, low] = number.to_be_bytes();
                (CHANNEL_NUMBER, vec![high, low, 0, 0])
            }
            Self::Lifetime(seconds) => (LIFETIME, seconds.to_be_bytes().into()),
            Self::XorPeerAddress(address) => (XOR_PEER_ADDRESS, encode_address(address, id)),
            Self::Data(data) => (DATA, data.into()),
            Self::Realm(realm) => (REALM, realm.into()),
            Self::Nonce(nonce) => (NONCE, nonce.into()),
            Self::XorRelayedAddress(address) => (XOR_RELAYED_ADDRESS, encode_address(address, id)),
            Self::RequestedTransport => (REQUESTED_TRANSPORT, vec![UDP, 0, 0, 0]),
            Self::XorMappedAddress(address) => (XOR_MAPPED_ADDRESS, encode_address(address, id)),
        }
    }

    fn decode(kind: u16, value: &'a [u8], id: &TransactionId) -> Option<Self> {
        let attribute = match kind {
            USERNAME => Self::Username(std::str::from_utf8(value).ok()?),
            ERROR_CODE => {
                let &[_, _, class, number, ..] = value else {
                    return None;
                };
                Self::ErrorCode(u16::from(class & 7) * 100 + u16::from(number.min(99)))
            }
            CHANNEL_NUMBER => Self::ChannelNumber(u16::from_be_bytes(value.get(..2)?.try_into().ok()?)),
            LIFETIME => Self::Lifetime(u32::from_be_bytes(value.try_into().ok()?)),
            XOR_PEER_ADDRESS => Self::XorPeerAddress(decode_address(value, id)?),
            DATA => Self::Data(value),
            REALM => Self::Realm(std::str::from_utf8(value).ok()?),
            NONCE => Self::Nonce(value),
            XOR_RELAYED_ADDRESS => Self::XorRelayedAddress(decode_address(value, id)?),
            REQUESTED_TRANSPORT => Self::RequestedTransport,
            XOR_MAPPED_ADDRESS => Self::XorMappedAddress(decode_address(value, id)?),
            _ => return None,
        };
        Some(attribute)
    }
}

fn class(kind: u16) -> Option<Class> {
    [Class::Request, Class::Indication, Class::Success, Class::Failure]
        .into_iter()
        .find(|class| kind & 0x110 == *class as u16)
}

fn method(kind: u16) -> Option<Method> {
    [
        Method::Binding,
        Method::Allocate,
        Method::Refresh,
        Method::Send,
        Method::Data,
        Method::CreatePermission,
        Method::ChannelBind,
    ]
    .into_iter()
    .find(|method| kind & !0x110 == *method as u16)
}

fn encode_address(address: SocketAddr, id: &TransactionId) -> Vec<u8> {
    let (family, mut ip) = match address.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    mask(&mut ip, id);
    let [high, low] = (address.port() ^ PORT_MASK).to_be_bytes();
    let mut value = vec![0, family, high, low];
    value.append(&mut ip);
    value
}

fn decode_address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    let (&[_, family, high, low], ip) = value.split_first_chunk()?;
    let mut ip = ip.to_vec();
    mask(&mut ip, id);
    let ip = match family {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?).into(),
        2 => Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([high, low]) ^ PORT_MASK))
}

/// Addresses are masked, so that nothing on the way takes them for its own to rewrite.
fn mask(ip: &mut [u8], id: &TransactionId) {
    for (byte, mask) in ip.iter_mut().zip(MAGIC.iter().chain(id)) {
        *byte ^= mask;
    }
}

const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const PORT_MASK: u16 = 0x2112;
const HEADER_BYTES: usize = 20;
const SIGNATURE_BYTES: usize = 20;
/// The number of UDP among the protocols over IP.
const UDP: u8 = 17;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000c;
const LIFETIME: u16 = 0x000d;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn key() -> Key {
        Key::new("user", "realm", &"pass".into())
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(
            id in any::<TransactionId>(),
            name in "\\PC{0,40}",
            nonce in vec(any::<u8>(), 0..60),
            data in vec(any::<u8>(), 0..1200),
            (peer, relayed, mapped) in (address(), address(), address()),
            lifetime in any::<u32>(),
            channel in any::<u16>(),
            code in 300_u16..700,
        ) {
            let attributes = [
                Attribute::Username(&name),
                Attribute::ErrorCode(code),
                Attribute::ChannelNumber(channel),
                Attribute::Lifetime(lifetime),
                Attribute::XorPeerAddress(peer),
                Attribute::Data(&data),
                Attribute::Realm(&name),
                Attribute::Nonce(&nonce),
                Attribute::XorRelayedAddress(relayed),
                Attribute::RequestedTransport,
                Attribute::XorMappedAddress(mapped),
            ];
            let bytes = write(Class::Success, Method::Allocate, &id, &attributes, Some(&key()));
            let message = Message::read(&bytes).expect("our own message");
            prop_assert_eq!((message.class, message.method, message.id), (Class::Success, Method::Allocate, id));
            prop_assert_eq!(message.attributes().collect::<Vec<_>>(), attributes);
            prop_assert!(message.is_signed_with(&key()));
            prop_assert!(!message.is_signed_with(&Key::new("user", "realm", &"other".into())));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let mut bytes = bytes;
            if header && bytes.len() >= HEADER_BYTES {
                bytes.truncate(bytes.len() / 4 * 4);
                bytes[..2].copy_from_slice(&[1, 3]);
                bytes[4..8].copy_from_slice(&MAGIC);
                set_length(&mut bytes, 0);
            }
            if let Some(message) = Message::read(&bytes) {
                message.attributes().count();
                prop_assert!(!message.is_signed_with(&key()));
            }
        }
    }

    #[test]
    fn a_changed_message_is_not_signed() {
        let lifetime = [Attribute::Lifetime(600)];
        let mut bytes = write(Class::Success, Method::Refresh, &[7; 12], &lifetime, Some(&key()));
        bytes[27] ^= 1;
        let message = Message::read(&bytes).expect("still a message");
        assert!(!message.is_signed_with(&key()));
    }

    /// The sample request with long-term authentication of RFC 5769, section 2.4, up to its signature.
    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        let username = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
        let id = [
            0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e,
        ];
        let key = Key::new(username, "example.org", &"TheMatrIX".into());
        let attributes = [
            Attribute::Username(username),
            Attribute::Nonce(b"f//499k954d6OL34oL9FSTvy64sA"),
            Attribute::Realm("example.org"),
        ];
        let message = write(Class::Request, Method::Binding, &id, &attributes, Some(&key));
        let signature = [
            0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2,
            0x8c, 0xa8, 0x96, 0x66,
        ];
        assert_eq!(message[message.len() - SIGNATURE_BYTES..], signature);
    }
}
