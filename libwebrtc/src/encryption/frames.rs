//! How an encrypted packet of audio is laid out.
//!
//! ```text
//! | first byte, in clear | ciphertext and tag | nonce (12 bytes) | 12 | number of the key |
//! ```
//! The first byte tells a decoder how long the packet is, and servers look at it.

use super::{NONCE_BYTES, Nonce};

/// The parts of an encrypted packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What is in clear, and bound to the rest.
    pub(crate) head: &'a [u8],
    pub(crate) sealed: &'a [u8],
    pub(crate) nonce: Nonce,
    pub(crate) key_number: u8,
}

/// What of a packet stays in clear, and what is to be encrypted.
pub(crate) fn split(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    packet.split_at_checked(HEAD_BYTES)
}

/// Reads an encrypted packet, if it has all its parts.
pub(crate) fn parse(packet: &[u8]) -> Option<Frame<'_>> {
    let (head, rest) = split(packet)?;
    let (rest, [nonce_bytes, key_number]) = rest.split_last_chunk()?;
    if usize::from(*nonce_bytes) != NONCE_BYTES {
        return None;
    }
    let (sealed, nonce) = rest.split_last_chunk()?;
    Some(Frame {
        head,
        sealed,
        nonce: *nonce,
        key_number: *key_number,
    })
}

impl Frame<'_> {
    /// Writes the packet.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(self.head);
        into.extend_from_slice(self.sealed);
        into.extend_from_slice(&self.nonce);
        into.extend_from_slice(&[NONCE_BYTES as u8, self.key_number]);
    }
}

const HEAD_BYTES: usize = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(head: u8, sealed: Vec<u8>, nonce: Nonce, key_number: u8) {
            let frame = Frame { head: &[head], sealed: &sealed, nonce, key_number };
            let mut packet = Vec::new();
            frame.write(&mut packet);
            prop_assert_eq!(parse(&packet), Some(frame));
        }

        #[test]
        fn any_bytes_are_read_or_refused(packet: Vec<u8>) {
            if let Some(frame) = parse(&packet) {
                let mut again = Vec::new();
                frame.write(&mut again);
                prop_assert_eq!(again, packet);
            }
        }
    }

    #[test]
    fn packets_in_clear_are_refused() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[0xf8, 0xff, 0xfe]).is_none());
        assert!(parse(&[0x78; 100]).is_none());
    }
}
