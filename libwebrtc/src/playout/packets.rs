//! The packets that a stream has not taken yet.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use parking_lot::Mutex;

use super::Packet;
use crate::{audio_stream::packets::OpusPacket, red};

/// A queue of packets between the connection and whoever polls the stream.
pub(crate) struct PacketQueue {
    packets_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    packets: VecDeque<OpusPacket>,
    // The times of the last packets, so that what others carry again is handed out once.
    recent: VecDeque<(u32, u64)>,
    dropped: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl PacketQueue {
    /// A queue of at most so many packets.
    pub(crate) fn new(packets_max: usize) -> Self {
        Self {
            packets_max,
            state: Mutex::default(),
        }
    }

    /// Appends a packet, after those that it carries and that did not come by themselves.
    pub(crate) fn push(&self, now: Instant, packet: &Packet) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if packet.is_redundant {
            let Some(blocks) = red::parse(&packet.payload) else {
                return;
            };
            for block in blocks.redundant() {
                let Some(timestamp) = packet.timestamp.checked_sub(u64::from(block.ticks_before)) else {
                    continue;
                };
                // Before the first packet there was nobody to hear.
                if !state.recent.is_empty() {
                    state.take(self.packets_max, recovered(now, packet, timestamp, block.payload));
                }
            }
            state.take(self.packets_max, own(now, packet, blocks.primary().into()));
        } else {
            state.take(self.packets_max, own(now, packet, packet.payload.clone()));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next packet, or none once the queue is closed and empty.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<OpusPacket>> {
        let mut state = self.state.lock();
        match state.packets.pop_front() {
            Some(packet) => Poll::Ready(Some(packet)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// How many packets were dropped because nobody took them.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// Takes no more packets. Those that wait can still be polled.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn take(&mut self, packets_max: usize, packet: OpusPacket) {
        let place = (packet.ssrc, packet.timestamp);
        if packet.payload.is_empty() || self.recent.contains(&place) {
            return;
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(place);
        if self.packets.len() >= packets_max {
            self.packets.pop_front();
            self.dropped += 1;
        }
        self.packets.push_back(packet);
    }
}

fn own(now: Instant, packet: &Packet, payload: Arc<[u8]>) -> OpusPacket {
    OpusPacket {
        ssrc: packet.ssrc,
        sequence: Some(packet.sequence),
        timestamp: packet.timestamp,
        arrived_at: now,
        loudness: packet.loudness,
        payload,
    }
}

fn recovered(now: Instant, packet: &Packet, timestamp: u64, payload: &[u8]) -> OpusPacket {
    OpusPacket {
        ssrc: packet.ssrc,
        sequence: None,
        timestamp,
        arrived_at: now,
        loudness: None,
        payload: payload.into(),
    }
}

/// How many packets back one may be carried again: a third of a second, in packets of 10 ms.
const RECENT_MAX: usize = 34;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::red::Block;

    fn packet(number: u64, earlier: Option<&[u8]>) -> Packet {
        let mut payload = vec![number as u8; 3];
        if let Some(earlier) = earlier {
            let block = Block {
                ticks_before: 960,
                payload: earlier,
            };
            red::write(111, Some(block), &[number as u8; 3], &mut payload);
        }
        Packet {
            ssrc: 7,
            sequence: number,
            timestamp: number * 960,
            payload: payload.into(),
            is_redundant: earlier.is_some(),
            loudness: None,
        }
    }

    fn drain(queue: &PacketQueue) -> Vec<(Option<u64>, u64, u8)> {
        let mut context = Context::from_waker(Waker::noop());
        let mut packets = Vec::new();
        while let Poll::Ready(Some(packet)) = queue.poll_next(&mut context) {
            packets.push((packet.sequence, packet.timestamp / 960, packet.payload[0]));
        }
        packets
    }

    #[test]
    fn packets_come_as_they_came() {
        let queue = PacketQueue::new(10);
        for number in [1, 3, 2] {
            queue.push(Instant::now(), &packet(number, None));
        }
        assert_eq!(drain(&queue), [(Some(1), 1, 1), (Some(3), 3, 3), (Some(2), 2, 2)]);
    }

    #[test]
    fn a_lost_packet_is_taken_from_the_next_one_and_no_other_twice() {
        let queue = PacketQueue::new(10);
        for number in [1, 2, 4] {
            queue.push(Instant::now(), &packet(number, Some(&[number as u8 - 1; 3])));
        }
        assert_eq!(
            drain(&queue),
            [(Some(1), 1, 1), (Some(2), 2, 2), (None, 3, 3), (Some(4), 4, 4)]
        );
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let queue = PacketQueue::new(2);
        (1..=5).for_each(|number| queue.push(Instant::now(), &packet(number, None)));
        queue.close();
        assert_eq!(drain(&queue), [(Some(4), 4, 4), (Some(5), 5, 5)]);
        assert_eq!(queue.dropped(), 3);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(queue.poll_next(&mut context), Poll::Ready(None)));
    }
}
