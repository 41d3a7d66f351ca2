//! Packets in the order of their time.
//!
//! Speech is better heard soon than whole: a packet that was overtaken is waited for while at most two others wait with
//! it, or for 60 ms, whichever ends first. What a later packet carries of it with it ends the wait at once.

use std::{collections::VecDeque, time::Instant};

use super::REORDER_WAIT;

/// The packets that wait for their turn.
#[derive(Default)]
pub(super) struct Order {
    // By timestamp, oldest first.
    waiting: VecDeque<Entry>,
    // When the next packet should begin, and what its number should be.
    next: Option<Place>,
    // How long the last packet was: what each lost one is taken for.
    packet_ticks: u64,
    // Since when something is missing before what waits.
    missing_since: Option<Instant>,
    // Whether to go on whatever is missing.
    has_given_up: bool,
    discarded: u64,
    // Memory for payloads, so that keeping them needs none of its own.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    timestamp: u64,
    sequence: u64,
}

/// A packet that waits.
pub(super) struct Entry {
    pub(super) arrived_at: Instant,
    pub(super) timestamp: u64,
    /// Its number; one that was recovered from another packet has none.
    pub(super) sequence: Option<u64>,
    pub(super) payload: Vec<u8>,
}

/// What to do next.
pub(super) enum Step {
    /// A packet's turn has come.
    Play(Entry),
    /// Some were lost before the packet that is next.
    Lost {
        /// How many, at most; at least one.
        packets: u64,
        /// A copy of that packet, whose turn comes then.
        next: Entry,
    },
}

impl Order {
    /// An empty order that goes on counting.
    pub(super) fn after(other: &Self) -> Self {
        Self {
            discarded: other.discarded,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Takes a packet in, unless its turn is over.
    pub(super) fn insert(&mut self, now: Instant, sequence: u64, timestamp: u64, payload: &[u8]) {
        if !self.put(now, Some(sequence), timestamp, payload) {
            self.discarded += 1;
        }
    }

    /// Takes in what another packet carried with it, unless it is there already.
    pub(super) fn insert_recovered(&mut self, now: Instant, timestamp: u64, payload: &[u8]) {
        // Before anything was heard, there is no hole it could fill.
        if self.next.is_some() {
            self.put(now, None, timestamp, payload);
        }
    }

    fn put(&mut self, now: Instant, sequence: Option<u64>, timestamp: u64, payload: &[u8]) -> bool {
        if self.next.is_some_and(|next| timestamp < next.timestamp) || payload.is_empty() {
            return false;
        }
        let index = self.waiting.partition_point(|entry| entry.timestamp < timestamp);
        if let Some(entry) = self
            .waiting
            .get_mut(index)
            .filter(|entry| entry.timestamp == timestamp)
        {
            // It was recovered before it came: now its number is known too.
            if entry.sequence.is_none() {
                entry.sequence = sequence;
                return true;
            }
            return false;
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.extend_from_slice(payload);
        self.waiting.insert(
            index,
            Entry {
                arrived_at: now,
                timestamp,
                sequence,
                payload: copy,
            },
        );
        true
    }

    /// The next step, if it can be taken by now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        let Some(first) = self.waiting.front() else {
            self.missing_since = None;
            self.has_given_up = false;
            return None;
        };
        let Some(next) = self.next else {
            return self.waiting.pop_front().map(Step::Play);
        };
        let packets = self.missing_before_first(next);
        let ticks = first.timestamp.saturating_sub(next.timestamp);
        if packets == 0 || ticks == 0 {
            self.missing_since = None;
            return self.waiting.pop_front().map(Step::Play);
        }
        let since = *self.missing_since.get_or_insert(first.arrived_at);
        let is_over = self.waiting.len() >= WAITING_MAX || now >= since + REORDER_WAIT || self.has_given_up;
        if !is_over {
            return None;
        }
        self.missing_since = None;
        self.copy_of_first().map(|next| Step::Lost { packets, next })
    }

    /// How many packets are missing up to the first that has a number, less those that were recovered in between. The
    /// numbers tell what the time cannot: whether what is between was lost or never sent.
    fn missing_before_first(&self, next: Place) -> u64 {
        let numbered = |(index, entry): (usize, &Entry)| Some((index as u64, entry.sequence?));
        let Some((recovered, sequence)) = self.waiting.iter().enumerate().find_map(numbered) else {
            return 0;
        };
        sequence.saturating_sub(next.sequence).saturating_sub(recovered)
    }

    fn copy_of_first(&mut self) -> Option<Entry> {
        let first = self.waiting.front()?;
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.extend_from_slice(&first.payload);
        Some(Entry { payload, ..*first })
    }

    /// Notes that a packet was played, and how long it was.
    pub(super) fn played(&mut self, entry: &Entry, ticks: u64) {
        let expected = self.next.map_or(0, |next| next.sequence);
        let sequence = entry.sequence.unwrap_or(expected).saturating_add(1);
        self.packet_ticks = ticks;
        self.next = Some(Place {
            timestamp: entry.timestamp + ticks,
            sequence,
        });
    }

    /// Notes that the hole before the next packet, which that many are missing from at most, was made up for.
    pub(super) fn concealed(&mut self, first: Entry, packets: u64) {
        if let Some(next) = &mut self.next {
            // There may be more holes, between packets that were recovered.
            let ticks = first.timestamp.saturating_sub(next.timestamp);
            let here = packets.min((ticks / self.packet_ticks.max(1)).max(1));
            next.timestamp = first.timestamp;
            next.sequence = first.sequence.unwrap_or(next.sequence + here);
        }
        self.recycle(first.payload);
    }

    /// Takes back the memory of a payload.
    pub(super) fn recycle(&mut self, mut payload: Vec<u8>) {
        if self.spare.len() < WAITING_MAX + 1 {
            payload.clear();
            self.spare.push(payload);
        }
    }

    /// Goes on with what waits, whatever is missing before it.
    pub(super) fn give_up_waiting(&mut self) {
        self.has_given_up = true;
    }

    /// When what waits goes on at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.missing_since
            .filter(|_| !self.waiting.is_empty())
            .map(|since| since + REORDER_WAIT)
    }
}

/// With how many packets waiting a missing one is given up.
const WAITING_MAX: usize = 3;
