//! How packets are told apart in a stream of bytes.

/// A way to tell packets apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each packet after its length (RFC 4571), as ICE has it.
    Length,
    /// Messages of STUN and TURN, which say their own length (RFC 8656, section 12.5).
    Turn,
}

/// Puts packets together from what is read of a stream.
#[derive(Debug)]
pub(super) struct Unframer {
    framing: Framing,
    buffer: Vec<u8>,
    // How much of the buffer was handed out.
    taken: usize,
}

/// The stream is not what it should be: it cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenStream;

struct Frame {
    start: usize,
    end: usize,
    next: usize,
}

impl Framing {
    /// The bytes of the stream that stand for a packet. A packet too long to be said is none.
    pub(super) fn frame(self, packet: &[u8], stream: &mut impl Extend<u8>) {
        match self {
            Self::Length => {
                let Ok(length) = u16::try_from(packet.len()) else {
                    return;
                };
                stream.extend(length.to_be_bytes());
                stream.extend(packet.iter().copied());
            }
            Self::Turn => {
                stream.extend(packet.iter().copied());
                stream.extend(std::iter::repeat_n(0, padding(packet.len())));
            }
        }
    }

    fn first(self, stream: &[u8]) -> Result<Option<Frame>, BrokenStream> {
        let &[kind, _, ..] = stream else {
            return Ok(None);
        };
        let number = |at: usize| {
            let bytes = stream.get(at..at + 2)?;
            Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
        };
        let frame = match (self, kind >> 6) {
            (Self::Length, _) => number(0).map(|length| (2, 2 + length)),
            (Self::Turn, 0) => number(2).map(|length| (0, 20 + length)),
            (Self::Turn, 1) => number(2).map(|length| (0, 4 + length)),
            (Self::Turn, _) => return Err(BrokenStream),
        };
        let Some((start, end)) = frame else {
            return Ok(None);
        };
        if end - start > PACKET_BYTES_MAX {
            return Err(BrokenStream);
        }
        let next = match self {
            Self::Length => end,
            Self::Turn => end + padding(end),
        };
        Ok(Some(Frame { start, end, next }))
    }
}

impl Unframer {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet. All must be pulled before more is pushed, or the buffer grows.
    pub(super) fn pull(&mut self) -> Result<Option<&[u8]>, BrokenStream> {
        let rest = &self.buffer[self.taken..];
        match self.framing.first(rest)? {
            Some(frame) if rest.len() >= frame.next => {
                self.taken += frame.next;
                Ok(Some(&rest[frame.start..frame.end]))
            }
            _ => Ok(None),
        }
    }
}

fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

/// The longest packet that is taken; what WebRTC sends fits an Ethernet frame.
pub(crate) const PACKET_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn packet(framing: Framing) -> BoxedStrategy<Vec<u8>> {
        let contents = vec(any::<u8>(), 0..300);
        match framing {
            Framing::Length => contents.boxed(),
            Framing::Turn => (any::<bool>(), contents).prop_map(turn_message).boxed(),
        }
    }

    fn turn_message((is_stun, mut contents): (bool, Vec<u8>)) -> Vec<u8> {
        if is_stun {
            contents.truncate(contents.len() / 4 * 4);
        }
        let length = (contents.len() as u16).to_be_bytes();
        let mut message = vec![if is_stun { 0 } else { 0x40 }, 1, length[0], length[1]];
        message.extend(std::iter::repeat_n(7, if is_stun { 16 } else { 0 }));
        message.extend(contents);
        message
    }

    fn read(framing: Framing, stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<u8>>, BrokenStream> {
        let mut unframer = Unframer::new(framing);
        let mut packets = Vec::new();
        let mut rest = stream;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((*pieces.next().expect("endless")).min(rest.len()));
            rest = later;
            unframer.push(piece);
            while let Some(packet) = unframer.pull()? {
                packets.push(packet.to_vec());
            }
        }
        Ok(packets)
    }

    fn framing() -> impl Strategy<Value = Framing> {
        prop_oneof![Just(Framing::Length), Just(Framing::Turn)]
    }

    proptest! {
        #[test]
        fn packets_survive_any_cut_of_the_stream(
            (framing, packets) in framing().prop_flat_map(|framing| (Just(framing), vec(packet(framing), 0..8))),
            pieces in vec(1usize..400, 1..6),
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                framing.frame(packet, &mut stream);
            }
            prop_assert_eq!(read(framing, &stream, &pieces), Ok(packets));
        }

        #[test]
        fn any_bytes_take_bounded_memory(
            framing in framing(),
            stream in vec(any::<u8>(), 0..20_000),
            piece in 1usize..4000,
        ) {
            let mut unframer = Unframer::new(framing);
            for piece in stream.chunks(piece) {
                unframer.push(piece);
                while let Ok(Some(packet)) = unframer.pull() {
                    prop_assert!(packet.len() <= PACKET_BYTES_MAX);
                }
                if unframer.pull().is_err() {
                    break;
                }
                let waiting = unframer.buffer.len() - unframer.taken;
                prop_assert!(waiting <= PACKET_BYTES_MAX + 4, "{} bytes wait", waiting);
            }
        }
    }

    #[test]
    fn what_is_neither_message_nor_channel_breaks_the_stream() {
        let mut unframer = Unframer::new(Framing::Turn);
        unframer.push(b"HTTP/1.1 400 Bad Request\r\n");
        assert_eq!(unframer.pull(), Err(BrokenStream));
    }
}
