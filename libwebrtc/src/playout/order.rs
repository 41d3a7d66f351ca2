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
    /// So much was lost before the packet whose payload this is.
    Lost {
        /// How much, in ticks.
        ticks: u64,
        /// The payload of the packet after it.
        next: Vec<u8>,
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
    pub(super) fn insert_recovered(&mut self, timestamp: u64, payload: &[u8]) {
        // Before anything was heard, there is no hole it could fill.
        if self.next.is_some() {
            self.put(Instant::now(), None, timestamp, payload);
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
        // The number tells what the time cannot: whether what is between was lost or never sent.
        let lost_packets = match first.sequence {
            Some(sequence) => sequence.saturating_sub(next.sequence),
            None => 0,
        };
        let lost_ticks = first.timestamp.saturating_sub(next.timestamp);
        if lost_packets == 0 || lost_ticks == 0 {
            self.missing_since = None;
            return self.waiting.pop_front().map(Step::Play);
        }
        let since = *self.missing_since.get_or_insert(first.arrived_at);
        let is_over = self.waiting.len() >= WAITING_MAX || now >= since + REORDER_WAIT || self.has_given_up;
        if !is_over {
            return None;
        }
        self.missing_since = None;
        let payload = self.copy_of_first();
        Some(Step::Lost {
            ticks: lost_ticks,
            next: payload,
        })
    }

    fn copy_of_first(&mut self) -> Vec<u8> {
        let mut copy = self.spare.pop().unwrap_or_default();
        if let Some(first) = self.waiting.front() {
            copy.extend_from_slice(&first.payload);
        }
        copy
    }

    /// Notes that a packet was played, and how long it was.
    pub(super) fn played(&mut self, entry: &Entry, ticks: u64) {
        let expected = self.next.map_or(0, |next| next.sequence);
        let sequence = entry.sequence.unwrap_or(expected).saturating_add(1);
        self.next = Some(Place {
            timestamp: entry.timestamp + ticks,
            sequence,
        });
    }

    /// Notes that what was lost was made up for.
    pub(super) fn concealed(&mut self, ticks: u64) {
        let sequence = self.waiting.front().and_then(|first| first.sequence);
        if let Some(next) = &mut self.next {
            next.timestamp += ticks;
            next.sequence = sequence.unwrap_or(next.sequence);
        }
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
