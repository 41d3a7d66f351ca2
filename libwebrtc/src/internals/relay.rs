//! A bad network as a value.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// How bad a way is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// The share of packets that are lost, from 0 to 1.
    pub loss: f64,
    /// How many are lost in a row, on average; at least 1.
    pub loss_run: f64,
    /// The share of packets that arrive twice, from 0 to 1.
    pub duplication: f64,
    /// How long each takes at least.
    pub delay: Duration,
    /// How much longer it may take. Where this is more than the time between two packets, they overtake each other.
    pub jitter: Duration,
}

impl Way {
    /// A way without fault.
    pub const CLEAN: Self = Self {
        loss: 0.0,
        loss_run: 1.0,
        duplication: 0.0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
    };
}

/// A way between two sides that loses, delays, overtakes and doubles what is sent: by chance, but always the same for
/// the same seed. It has no clock: time is an argument.
#[derive(Debug)]
pub struct Relay<T> {
    way: Way,
    chance: Chance,
    is_losing: bool,
    // Until when nothing gets through, what is under way waits.
    frozen_until: Option<Instant>,
    under_way: BinaryHeap<Reverse<Item<T>>>,
    count: u64,
}

#[derive(Debug)]
struct Item<T> {
    arrives: Instant,
    // Of those that arrive at once, the one that was sent first is first.
    number: u64,
    item: T,
}

impl<T: Clone> Relay<T> {
    /// A way with nothing under way.
    pub fn new(way: Way, seed: u64) -> Self {
        Self {
            way,
            chance: Chance(seed),
            is_losing: false,
            frozen_until: None,
            under_way: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Changes how bad the way is for what is sent from now on.
    pub fn change(&mut self, way: Way) {
        self.way = way;
    }

    /// Lets nothing through until then; afterwards all of it at once.
    pub fn freeze(&mut self, until: Instant) {
        self.frozen_until = Some(until);
    }

    /// Sends something.
    pub fn send(&mut self, now: Instant, item: T) {
        let is_doubled = self.chance.happens(self.way.duplication);
        if self.loses() {
            return;
        }
        if is_doubled {
            self.put(now, item.clone());
        }
        self.put(now, item);
    }

    /// The next that arrived by now.
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        let is_due = self.next_arrival().is_some_and(|arrives| arrives <= now);
        is_due.then(|| self.under_way.pop().map(|Reverse(next)| next.item))?
    }

    /// When the next arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        let Reverse(next) = self.under_way.peek()?;
        Some(
            self.frozen_until
                .map_or(next.arrives, |until| next.arrives.max(until)),
        )
    }

    /// Whether the next one is lost: in runs, as on a busy radio link.
    fn loses(&mut self) -> bool {
        let Way { loss, loss_run, .. } = self.way;
        let run = loss_run.max(1.0);
        let chance = match self.is_losing {
            true => 1.0 - 1.0 / run,
            // So that the share of all is `loss`.
            false => loss / (run * (1.0 - loss).max(f64::EPSILON)),
        };
        self.is_losing = self.chance.happens(chance);
        self.is_losing
    }

    fn put(&mut self, now: Instant, item: T) {
        let arrives = now + self.way.delay + self.way.jitter.mul_f64(self.chance.share());
        let number = self.count;
        self.count += 1;
        self.under_way.push(Reverse(Item {
            arrives,
            number,
            item,
        }));
    }
}

impl<T> Ord for Item<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrives, self.number).cmp(&(other.arrives, other.number))
    }
}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Item<T> {}

/// Numbers by chance (SplitMix64): few lines, and the same on every machine.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// A number from 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, chance: f64) -> bool {
        self.share() < chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(way: Way, seed: u64, count: u64) -> Vec<u64> {
        let (start, mut relay) = (Instant::now(), Relay::new(way, seed));
        for number in 0..count {
            relay.send(start + Duration::from_millis(20 * number), number);
        }
        let end = start + Duration::from_secs(3600);
        std::iter::from_fn(|| relay.receive(end)).collect()
    }

    #[test]
    fn a_clean_way_changes_nothing() {
        assert_eq!(arrivals(Way::CLEAN, 1, 100), Vec::from_iter(0..100));
    }

    #[test]
    fn a_bad_way_is_as_bad_as_it_says_and_always_the_same() {
        let way = Way {
            loss: 0.1,
            loss_run: 2.0,
            duplication: 0.1,
            jitter: Duration::from_millis(50),
            ..Way::CLEAN
        };
        let arrived = arrivals(way, 7, 10_000);
        assert_eq!(arrived, arrivals(way, 7, 10_000));
        assert_ne!(arrived, arrivals(way, 8, 10_000));
        assert!(!arrived.is_sorted(), "some overtook others");
        let mut unique = arrived.clone();
        unique.sort_unstable();
        unique.dedup();
        assert!(
            (8_800..9_200).contains(&unique.len()),
            "{} of 10000",
            unique.len()
        );
        let doubled = arrived.len() - unique.len();
        assert!((750..1_050).contains(&doubled), "{doubled} of 9000 twice");
    }

    #[test]
    fn a_frozen_way_lets_all_through_in_the_end() {
        let (start, mut relay) = (Instant::now(), Relay::new(Way::CLEAN, 1));
        let until = start + Duration::from_secs(5);
        relay.freeze(until);
        (0..100).for_each(|number| relay.send(start + Duration::from_millis(number * 20), number));
        assert_eq!(relay.receive(start + Duration::from_secs(4)), None);
        assert_eq!(relay.next_arrival(), Some(until));
        assert_eq!(std::iter::from_fn(|| relay.receive(until)).count(), 100);
    }
}
