//! What the fuzz targets run. Each takes any bytes, and panics where something is wrong.

use std::time::{Duration, Instant};

use str0m::rtp::rtcp::Rtcp;

pub use crate::network::fuzz::{framing, stun, turn};
use crate::{
    playout::{Chain, Packet},
    red,
    sdp::Sdp,
};

/// Packets of any content, order and time through the whole way to samples. Each takes from the bytes: what it is, how
/// its number and time follow the last one's, when it comes, how long it is, and its payload.
pub fn rtp(mut data: &[u8]) {
    let start = Instant::now();
    let mut chain = Chain::new(16_000, 1, start).expect("Opus is decoded to 16 kHz mono");
    let (mut now, mut sequence, mut timestamp) = (start, 1_u64 << 20, 1_u64 << 40);
    let (mut samples, mut packets) = (0, 0);
    let mut hear = |frame: crate::audio_frame::AudioFrame<'_>| samples += frame.data.len();
    while let Some((head, rest)) = data.split_first_chunk::<6>() {
        let [kind, sequence_step, tick_step, tick_scale, wait, length] = *head;
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        data = rest;
        sequence = sequence.saturating_add_signed(i64::from(sequence_step as i8));
        // From a part of a millisecond to hours, ahead or back.
        timestamp = timestamp.saturating_add_signed(i64::from(tick_step as i8) << (tick_scale % 32));
        now += Duration::from_millis(u64::from(wait) << (kind >> 6));
        packets += 1 + usize::from(length) / 4;
        let packet = Packet {
            ssrc: u32::from(kind & 0x02),
            sequence,
            timestamp,
            payload: payload.into(),
            is_redundant: kind & 0x01 == 1,
            #[cfg(any(test, feature = "opus-packets"))]
            loudness: None,
        };
        if chain.deadline() <= now {
            chain.poll(now, &mut hear);
        }
        chain.push(now, &packet, &mut hear);
    }
    // Time, and what the packets hold, should all of them have been late.
    let seconds = (now - start).as_secs_f64() + packets as f64 * 0.12 * 2.0;
    let bound = seconds * 16_000.0;
    assert!(
        (samples as f64) <= bound,
        "{samples} samples, and at most {bound} could be due"
    );
}

/// A packet of redundant audio: what is read of it lies within it.
pub fn red(data: &[u8]) {
    let Some(blocks) = red::parse(data) else {
        return;
    };
    let redundant: usize = blocks.redundant().map(|block| block.payload.len()).sum();
    assert!(redundant + blocks.primary().len() < data.len());
}

/// Reports on media, as str0m reads them: one after the other, each as long as it says.
pub fn rtcp(mut data: &[u8]) {
    while let Some(header) = data.first_chunk::<4>() {
        let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        let Some((report, rest)) = data.split_at_checked(length) else {
            return;
        };
        let _ = Rtcp::try_from(report);
        data = rest;
    }
}

/// A description: whatever can be asked of it is answered.
pub fn sdp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(sdp) = Sdp::parse(text) else {
        return;
    };
    let _ = (
        sdp.ice_credentials(),
        sdp.is_ice_lite(),
        sdp.fingerprint(),
        sdp.setup(),
    );
    let _ = (sdp.candidates(), sdp.numbers());
    for section in sdp.sections() {
        let _ = (
            section.kind(),
            section.protocol(),
            section.mid(),
            section.is_rejected(),
        );
        let _ = (section.direction(), section.msid(), section.ssrcs());
        let _ = (
            section.opus(),
            section.red(),
            section.prefers_red(),
            section.first_format(),
        );
        let _ = section.opus_parameter("usedtx");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::{
        internals::{Redundancy, Speaking},
        network::fuzz::seeds,
    };

    /// Half a second of real packets, as [`rtp`] takes them.
    fn packets(redundancy: Redundancy) -> Vec<u8> {
        let (start, mut speaking) = (Instant::now(), Speaking::new(16_000, 16_000, redundancy));
        let mut data = Vec::new();
        for turn in 0..25_u32 {
            let samples: Vec<i16> = (0..320_u32)
                .map(|index| ((turn * 320 + index) % 113) as i16 * 90 - 5_000)
                .collect();
            for sent in speaking.say(start + Duration::from_millis(20) * turn, &samples) {
                let payload = &sent.packet.payload[..sent.packet.payload.len().min(255)];
                let kind = u8::from(sent.packet.is_redundant);
                // 960 ticks are 15 times 2 to the sixth.
                data.extend_from_slice(&[kind, 1, 15, 6, 20, payload.len() as u8]);
                data.extend_from_slice(payload);
            }
        }
        data
    }

    /// A packet of redundant audio.
    fn redundant() -> Vec<u8> {
        let mut packet = Vec::new();
        let block = crate::red::Block {
            ticks_before: 960,
            payload: &[1; 80],
        };
        crate::red::write(111, Some(block), &[2; 80], &mut packet);
        packet
    }

    /// A sender's report, a receiver's with one block, and a goodbye.
    fn reports() -> Vec<u8> {
        let mut reports = vec![0x80, 200, 0, 6];
        reports.extend([9; 24]);
        reports.extend([0x81, 201, 0, 7]);
        reports.extend([9; 28]);
        reports.extend([0x81, 203, 0, 1, 9, 9, 9, 9]);
        reports
    }

    fn descriptions() -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/sdp");
        let seeds: Vec<Vec<u8>> = fs::read_dir(folder)
            .expect("the seeds are there")
            .map(|entry| fs::read(entry.expect("an entry").path()).expect("a seed"))
            .collect();
        assert!(!seeds.is_empty());
        seeds
    }

    /// One of the seeds with some bytes changed, some of it repeated and its end cut off.
    fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..12);
        let cuts = (any::<Index>(), any::<Index>(), any::<Index>());
        (prop::sample::select(seeds), changes, cuts, any::<bool>()).prop_map(
            |(mut data, changes, (from, to, end), is_cut)| {
                for (place, byte) in changes {
                    *place.get_mut(&mut data) = byte;
                }
                let (from, to) = (from.index(data.len()), to.index(data.len()));
                let repeated = data[from.min(to)..from.max(to)].to_vec();
                data.splice(to..to, repeated);
                if is_cut {
                    data.truncate(end.index(data.len()) + 1);
                }
                data
            },
        )
    }

    #[test]
    fn the_seeds_are_what_they_should_be() {
        for redundancy in [Redundancy::None, Redundancy::Red] {
            let data = packets(redundancy);
            assert!(data.len() > 500);
            rtp(&data);
        }
        assert!(crate::red::parse(&redundant()).is_some());
        assert!(Rtcp::try_from(&reports()[..28]).is_ok());
        seeds::messages().iter().for_each(|message| stun(message));
        seeds::sessions().iter().for_each(|session| turn(session));
        seeds::streams().iter().for_each(|stream| framing(stream));
        for description in descriptions() {
            let text = String::from_utf8(description).expect("UTF-8");
            let sdp = Sdp::parse(&text).expect("the seed is well-formed");
            assert!(sdp.numbers().is_some() && sdp.ice_credentials().is_some());
        }
    }

    proptest! {
        #[test]
        fn no_packets_do_harm(data in mutated(vec![packets(Redundancy::None), packets(Redundancy::Red)])) {
            rtp(&data);
        }

        #[test]
        fn no_bytes_as_packets_do_harm(data in prop::collection::vec(any::<u8>(), 0..2000)) {
            rtp(&data);
        }

        #[test]
        fn no_redundant_packet_does_harm(data in mutated(vec![redundant()])) {
            red(&data);
        }

        #[test]
        fn no_report_does_harm(data in mutated(vec![reports()])) {
            rtcp(&data);
        }

        #[test]
        fn no_message_of_a_server_does_harm(data in mutated(seeds::messages())) {
            stun(&data);
        }

        #[test]
        fn no_server_does_harm(data in mutated(seeds::sessions())) {
            turn(&data);
        }

        #[test]
        fn no_stream_does_harm(data in mutated(seeds::streams())) {
            framing(&data);
        }

        #[test]
        fn no_description_does_harm(data in mutated(descriptions())) {
            sdp(&data);
        }
    }
}
