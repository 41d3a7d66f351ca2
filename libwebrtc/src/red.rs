//! Redundant audio, RFC 2198: a packet that carries earlier ones with it.

/// The blocks of a packet.
pub(super) struct Blocks<'a> {
    payload: &'a [u8],
    // Where the headers end.
    body: usize,
    primary: usize,
}

/// An earlier packet's payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// How much earlier, in ticks.
    pub(super) ticks_before: u32,
    pub(super) payload: &'a [u8],
}

/// Reads the blocks of a packet, if it is well-formed.
pub(super) fn parse(payload: &[u8]) -> Option<Blocks<'_>> {
    let mut header = 0;
    let mut length = 0;
    while payload.get(header)? & MORE != 0 {
        length += block_length(payload.get(header..header + HEADER_BYTES)?);
        header += HEADER_BYTES;
    }
    let body = header + 1;
    let primary = body + length;
    (primary <= payload.len()).then_some(Blocks {
        payload,
        body,
        primary,
    })
}

impl<'a> Blocks<'a> {
    /// The packet's own payload.
    pub(super) fn primary(&self) -> &'a [u8] {
        &self.payload[self.primary..]
    }

    /// The earlier ones, oldest first.
    pub(super) fn redundant(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let headers = self.payload[..self.body - 1].chunks_exact(HEADER_BYTES);
        let (payload, mut start) = (self.payload, self.body);
        headers.filter_map(move |header| {
            let length = block_length(header);
            let block = &payload[start..start + length];
            start += length;
            let ticks_before = u32::from(header[1]) << 6 | u32::from(header[2]) >> 2;
            // An empty block only says that there was nothing.
            (length > 0).then_some(Block {
                ticks_before,
                payload: block,
            })
        })
    }
}

fn block_length(header: &[u8]) -> usize {
    usize::from(header[2] & 0x03) << 8 | usize::from(header[3])
}

/// Set in the header of every block but the last.
const MORE: u8 = 0x80;
const HEADER_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let packet = [
            0x80 | 111,
            0x1e,
            0x00,
            2,
            0x80 | 111,
            0x0f,
            0x00,
            1,
            111,
            1,
            2,
            3,
            9,
            9,
        ];
        let blocks = parse(&packet).expect("the packet is well-formed");
        assert_eq!(blocks.primary(), [9, 9]);
        let redundant: Vec<Block<'_>> = blocks.redundant().collect();
        assert_eq!(
            redundant,
            [
                Block {
                    ticks_before: 1920,
                    payload: &[1, 2]
                },
                Block {
                    ticks_before: 960,
                    payload: &[3]
                },
            ]
        );
    }

    #[test]
    fn without_redundancy_there_is_only_the_packet_itself() {
        let blocks = parse(&[111, 5, 6]).expect("the packet is well-formed");
        assert_eq!(blocks.primary(), [5, 6]);
        assert_eq!(blocks.redundant().count(), 0);
    }

    #[test]
    fn cut_packets_are_refused() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[0x80 | 111, 0, 0]).is_none());
        assert!(parse(&[0x80 | 111, 0, 0, 200, 111, 1]).is_none());
        assert!(parse(&[0xff; 1400]).is_none());
    }
}
