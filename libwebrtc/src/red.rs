//! Redundant audio, RFC 2198: a packet that carries earlier ones with it.

/// The blocks of a packet.
pub(crate) struct Blocks<'a> {
    payload: &'a [u8],
    // Where the headers end.
    body: usize,
    primary: usize,
}

/// An earlier packet's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// How much earlier, in ticks.
    pub(crate) ticks_before: u32,
    pub(crate) payload: &'a [u8],
}

/// Reads the blocks of a packet, if it is well-formed.
pub(crate) fn parse(payload: &[u8]) -> Option<Blocks<'_>> {
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
    pub(crate) fn primary(&self) -> &'a [u8] {
        &self.payload[self.primary..]
    }

    /// The earlier ones, oldest first.
    pub(crate) fn redundant(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
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

/// Writes a packet of codec `number`. An earlier one that is too long, or too old, for the wrapping is left out.
pub(crate) fn write(number: u8, earlier: Option<Block<'_>>, primary: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let fits = |block: &Block<'_>| {
        block.ticks_before <= TICKS_BEFORE_MAX
            && block.payload.len() <= BLOCK_BYTES_MAX
            && HEADER_BYTES + 1 + block.payload.len() + primary.len() <= PACKET_BYTES_MAX
    };
    let earlier = earlier.filter(fits);
    if let Some(Block {
        ticks_before,
        payload,
    }) = earlier
    {
        let length = payload.len();
        let [.., high, low] = (ticks_before << 10 | length as u32).to_be_bytes();
        into.extend_from_slice(&[MORE | number, (ticks_before >> 6) as u8, high, low]);
    }
    into.push(number);
    into.extend_from_slice(earlier.map_or(&[], |block| block.payload));
    into.extend_from_slice(primary);
}

fn block_length(header: &[u8]) -> usize {
    usize::from(header[2] & 0x03) << 8 | usize::from(header[3])
}

/// Set in the header of every block but the last.
const MORE: u8 = 0x80;
const HEADER_BYTES: usize = 4;

/// What 14 bits can tell, in ticks: a third of a second.
const TICKS_BEFORE_MAX: u32 = 0x3fff;

/// What 10 bits can tell.
const BLOCK_BYTES_MAX: usize = 0x3ff;

/// The longest payload that fits every path.
const PACKET_BYTES_MAX: usize = 1150;

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
    fn what_is_written_is_read_again() {
        let earlier = Block {
            ticks_before: 960,
            payload: &[7; 300],
        };
        let mut packet = Vec::new();
        write(111, Some(earlier), &[1, 2, 3], &mut packet);
        let blocks = parse(&packet).expect("the packet is well-formed");
        assert_eq!(blocks.primary(), [1, 2, 3]);
        assert_eq!(blocks.redundant().collect::<Vec<_>>(), [earlier]);
    }

    #[test]
    fn what_does_not_fit_the_wrapping_is_left_out() {
        for (ticks_before, bytes) in [(0x4000, 10), (960, 1024), (960, 1000)] {
            let payload = vec![7; bytes];
            let earlier = Block {
                ticks_before,
                payload: &payload,
            };
            let mut packet = Vec::new();
            write(111, Some(earlier), &[9; 200], &mut packet);
            let blocks = parse(&packet).expect("the packet is well-formed");
            assert_eq!(blocks.primary(), [9; 200]);
            assert_eq!(blocks.redundant().count(), 0);
        }
    }

    #[test]
    fn cut_packets_are_refused() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[0x80 | 111, 0, 0]).is_none());
        assert!(parse(&[0x80 | 111, 0, 0, 200, 111, 1]).is_none());
        assert!(parse(&[0xff; 1400]).is_none());
    }
}
