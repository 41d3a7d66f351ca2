//! What waits for the database, in order, and what is to be done about it: decided here, done by the writer.

use std::{
    collections::VecDeque,
    ops::Range,
    time::{Duration, Instant},
};

/// Records that are in no database yet, the first first.
///
/// `next_step` says what to do; what became of it is told by one of the other functions, and then it is asked again. A
/// store and a work on the log may be under way at once. Every record that is safe in the log comes before every one that
/// is not.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    entries: VecDeque<Entry<T>>,
    /// How many of the first are being stored, and since when.
    storing: Option<(usize, Instant)>,
    /// How many of the first are stored one by one, because one of them spoiled a batch.
    alone: usize,
    /// How often storing has failed since it last worked.
    failures: u32,
    retry_at: Option<Instant>,
    log: Log,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Store so many of the first in one transaction; then comes `stored`, `refused` or `failed`.
    Store(usize),
    /// Put these behind what the log holds; then comes `kept` or `log_failed`.
    Keep(Range<usize>),
    /// Remove the log: all that it holds is stored. Then comes `removed` or `log_failed`.
    Remove,
}

/// What is through, by whether it was said to be safe before: because it was in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Through<T> {
    pub(super) safe_before: Vec<T>,
    pub(super) news: Vec<T>,
}

/// Why the log takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Writing to it fails.
    Failing,
    /// It holds [`LOG_BYTES_MAX`].
    Full,
}

/// Records that share a transaction at most; and as many wait in memory for nothing but their turn.
pub(super) const BATCH_RECORDS_MAX: usize = 256;
/// How large a process's log gets: an hour's worth of two hundred rooms. What is said then waits in memory alone.
pub(super) const LOG_BYTES_MAX: u64 = 128 << 20;
/// A healthy database takes milliseconds. What it leaves waiting for longer is put into the log, and what comes behind it.
const KEEP_AFTER: Duration = Duration::from_millis(250);
/// How soon a log that failed is tried again.
const LOG_RETRY: Duration = Duration::from_secs(1);
/// The first pause after a failed store; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Entry<T> {
    item: T,
    since: Instant,
}

#[derive(Debug)]
struct Log {
    doing: Doing,
    bytes: u64,
    /// How many of the first entries it holds.
    holds: usize,
    /// How many after them are being appended.
    appending: usize,
    /// After a failure: when to try again. The next success forgets it.
    failed_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// There is no log.
    Absent,
    Nothing,
    Appending,
    Removing,
}

impl<T> Waiting<T> {
    /// With a log that is empty.
    pub(super) fn new() -> Self {
        Self::with(Doing::Nothing)
    }

    /// With no log: what waits does so in memory.
    pub(super) fn without_log() -> Self {
        Self::with(Doing::Absent)
    }

    fn with(doing: Doing) -> Self {
        Self {
            entries: VecDeque::new(),
            storing: None,
            alone: 0,
            failures: 0,
            retry_at: None,
            log: Log {
                doing,
                bytes: 0,
                holds: 0,
                appending: 0,
                failed_until: None,
            },
        }
    }

    /// Another one waits from now on.
    pub(super) fn take(&mut self, item: T, now: Instant) {
        self.entries.push_back(Entry { item, since: now });
    }

    /// How many more it should be given now.
    pub(super) fn room(&self) -> usize {
        BATCH_RECORDS_MAX.saturating_sub(self.entries.len() - self.log.holds)
    }

    /// Those of a step.
    pub(super) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &T> {
        self.entries.range(range).map(|entry| &entry.item)
    }

    pub(super) fn next_step(&mut self, now: Instant) -> Option<Step> {
        self.log_step(now).or_else(|| self.store_step(now))
    }

    /// When to ask for a step again, if nothing happens before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let store_at = match self.storing {
            None if !self.entries.is_empty() => self.retry_at,
            _ => None,
        };
        let keep_at = match self.log.doing {
            Doing::Nothing if self.has_work_for_log() => self.log.failed_until.or_else(|| self.keep_at()),
            _ => None,
        };
        store_at.into_iter().chain(keep_at).min()
    }

    /// The first so many are stored.
    pub(super) fn stored(&mut self) -> Through<T> {
        let count = self.answered();
        self.alone = self.alone.saturating_sub(count);
        self.through(count)
    }

    /// The database will never take one of those that it was given. Nothing is through unless it was given one alone.
    pub(super) fn refused(&mut self) -> Through<T> {
        match self.answered() {
            1 => {
                self.alone = self.alone.saturating_sub(1);
                self.through(1)
            }
            count => {
                self.alone = count;
                self.through(0)
            }
        }
    }

    /// How often storing has failed since it last worked.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Nothing was stored; returns how long to wait.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        self.storing = None;
        let doubled = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.failures));
        let pause = doubled.min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + pause);
        pause
    }

    /// The log is of this length now, and safe; these are in it.
    pub(super) fn kept(&mut self, bytes: u64) -> impl Iterator<Item = &T> {
        let kept = self.log.holds..self.log.holds + self.log.appending;
        self.log.doing = Doing::Nothing;
        self.log.bytes = bytes;
        self.log.holds = kept.end;
        self.log.appending = 0;
        self.log.failed_until = None;
        self.range(kept)
    }

    /// The log is gone.
    pub(super) fn removed(&mut self) {
        self.log.doing = Doing::Nothing;
        self.log.bytes = 0;
        self.log.failed_until = None;
    }

    /// The log holds what it held before.
    pub(super) fn log_failed(&mut self, now: Instant) {
        self.log.doing = Doing::Nothing;
        self.log.appending = 0;
        self.log.failed_until = Some(now + LOG_RETRY);
    }

    /// Why the log takes nothing, while something should be taken.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self.log.failed_until {
            _ if self.entries.is_empty() => None,
            Some(_) => Some(Refusal::Failing),
            None if self.is_full() && self.failures > 0 => Some(Refusal::Full),
            None => None,
        }
    }

    /// How long the log is.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log.bytes
    }

    /// Whether whoever waits for nothing else may end: all is stored, or safe in the log while the database is away.
    pub(super) fn may_end(&self) -> bool {
        match self.log.doing {
            Doing::Absent => self.entries.is_empty(),
            Doing::Appending | Doing::Removing => false,
            Doing::Nothing if self.entries.is_empty() => {
                self.log.bytes == 0 || self.log.failed_until.is_some()
            }
            Doing::Nothing => self.failures > 0 && self.log.holds == self.entries.len(),
        }
    }

    fn log_step(&mut self, now: Instant) -> Option<Step> {
        let may = self.log.doing == Doing::Nothing && self.log.failed_until.is_none_or(|until| until <= now);
        if !may || !self.has_work_for_log() {
            return None;
        }
        if self.log.holds == 0 && self.log.bytes > 0 {
            self.log.doing = Doing::Removing;
            return Some(Step::Remove);
        }
        if self.keep_at().is_some_and(|at| now < at) {
            return None;
        }
        self.log.doing = Doing::Appending;
        self.log.appending = self.entries.len() - self.log.holds;
        Some(Step::Keep(self.log.holds..self.entries.len()))
    }

    fn store_step(&mut self, now: Instant) -> Option<Step> {
        let may = self.storing.is_none() && self.retry_at.is_none_or(|at| at <= now);
        if !may || self.entries.is_empty() {
            return None;
        }
        let count = match self.alone {
            0 => self.entries.len().min(BATCH_RECORDS_MAX),
            _ => 1,
        };
        self.storing = Some((count, now));
        Some(Step::Store(count))
    }

    fn has_work_for_log(&self) -> bool {
        let is_done_with = self.log.holds == 0 && self.log.bytes > 0;
        is_done_with || (self.log.holds < self.entries.len() && !self.is_full())
    }

    fn is_full(&self) -> bool {
        self.log.bytes >= LOG_BYTES_MAX
    }

    /// When the first that isn't in the log is to get there; at once if the database is away.
    fn keep_at(&self) -> Option<Instant> {
        let first = self.entries.get(self.log.holds)?;
        let waits_since = self
            .storing
            .map_or(first.since, |(_, since)| since.min(first.since));
        (self.failures == 0).then_some(waits_since + KEEP_AFTER)
    }

    /// The database is there.
    fn answered(&mut self) -> usize {
        (self.failures, self.retry_at) = (0, None);
        let (count, _) = self.storing.take().expect("it was told to store");
        count
    }

    fn through(&mut self, count: usize) -> Through<T> {
        let safe_before = count.min(self.log.holds);
        self.log.holds -= safe_before;
        self.log.appending -= (count - safe_before).min(self.log.appending);
        let mut items = self.entries.drain(..count).map(|entry| entry.item);
        Through {
            safe_before: items.by_ref().take(safe_before).collect(),
            news: items.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What may happen next.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        /// So many come.
        Take(u8),
        Wait(u16),
        /// What became of a store: it worked, it worked and nobody was told, it failed.
        Stored,
        StoredUnheard,
        StoreFailed,
        /// What became of the work on the log.
        LogDone,
        LogFailed,
        /// The process dies; another one finds the log.
        Crash,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (1..5_u8).prop_map(Event::Take),
            3 => (1..2000_u16).prop_map(Event::Wait),
            3 => Just(Event::Stored),
            1 => Just(Event::StoredUnheard),
            4 => Just(Event::StoreFailed),
            4 => Just(Event::LogDone),
            2 => Just(Event::LogFailed),
            1 => Just(Event::Crash),
        ]
    }

    /// Every seventh is of a meeting that was erased.
    fn is_refused(item: u32) -> bool {
        item % 7 == 3
    }

    /// A writer, its database and its disk.
    struct World {
        now: Instant,
        waiting: Waiting<u32>,
        taken: u32,
        storing: Option<Vec<u32>>,
        /// What is being appended, or nothing for the log's removal.
        logging: Option<Option<Vec<u32>>>,
        database: Vec<u32>,
        log: Vec<u32>,
        said_safe: BTreeSet<u32>,
    }

    impl World {
        fn new() -> Self {
            Self {
                now: Instant::now(),
                waiting: Waiting::new(),
                taken: 0,
                storing: None,
                logging: None,
                database: Vec::new(),
                log: Vec::new(),
                said_safe: BTreeSet::new(),
            }
        }

        fn begin_steps(&mut self) {
            while let Some(step) = self.waiting.next_step(self.now) {
                match step {
                    Step::Store(count) => {
                        assert!(self.storing.is_none() && count > 0);
                        self.storing = Some(self.waiting.range(0..count).copied().collect());
                    }
                    Step::Keep(range) => {
                        assert!(self.logging.is_none() && !range.is_empty());
                        self.logging = Some(Some(self.waiting.range(range).copied().collect()));
                    }
                    Step::Remove => {
                        assert!(self.logging.is_none());
                        self.logging = Some(None);
                    }
                }
            }
        }

        fn insert(&mut self, items: &[u32]) {
            for item in items {
                if !self.database.contains(item) {
                    self.database.push(*item);
                }
            }
        }

        fn say_safe(&mut self, items: &[u32]) {
            for item in items {
                assert!(self.said_safe.insert(*item), "{item} was said to be safe twice");
            }
        }

        fn store_ends(&mut self, event: Event) {
            let Some(items) = self.storing.take() else { return };
            let spoiled = items.iter().any(|item| is_refused(*item));
            let through = match event {
                Event::StoreFailed => {
                    self.waiting.failed(self.now);
                    return;
                }
                _ if spoiled => self.waiting.refused(),
                Event::StoredUnheard => {
                    self.insert(&items);
                    self.waiting.failed(self.now);
                    return;
                }
                _ => {
                    self.insert(&items);
                    self.waiting.stored()
                }
            };
            assert!(
                through
                    .safe_before
                    .iter()
                    .all(|item| self.said_safe.contains(item))
            );
            self.say_safe(&through.news);
        }

        fn log_work_ends(&mut self) {
            match self.logging.take() {
                None => {}
                Some(None) => {
                    self.log.clear();
                    self.waiting.removed();
                }
                Some(Some(items)) => {
                    self.log.extend(items);
                    let kept: Vec<u32> = self.waiting.kept(self.log.len() as u64).copied().collect();
                    self.say_safe(&kept);
                }
            }
        }

        /// Another process drains what the log holds; what was nowhere but in memory is gone. Of what was under way, some
        /// may have been done.
        fn crash(&mut self) {
            match self.logging.take() {
                Some(Some(items)) => self.log.extend(&items[..items.len() / 2]),
                Some(None) if self.taken.is_multiple_of(2) => self.log.clear(),
                _ => {}
            }
            if let Some(items) = self.storing.take().filter(|_| self.taken.is_multiple_of(3))
                && !items.iter().any(|item| is_refused(*item))
            {
                self.insert(&items);
            }
            let left: Vec<u32> = self.log.drain(..).filter(|item| !is_refused(*item)).collect();
            self.insert(&left);
            self.waiting = Waiting::new();
        }

        fn happen(&mut self, event: Event) {
            match event {
                Event::Take(count) => {
                    for _ in 0..count.min(self.waiting.room().try_into().unwrap_or(u8::MAX)) {
                        self.waiting.take(self.taken, self.now);
                        self.taken += 1;
                    }
                }
                Event::Wait(ms) => self.now += Duration::from_millis(ms.into()),
                Event::Stored | Event::StoredUnheard | Event::StoreFailed => self.store_ends(event),
                Event::LogDone => self.log_work_ends(),
                Event::LogFailed => {
                    if self.logging.take().is_some() {
                        self.waiting.log_failed(self.now);
                    }
                }
                Event::Crash => self.crash(),
            }
            self.begin_steps();
        }

        fn is_safe(&self, item: u32) -> bool {
            is_refused(item) || self.database.contains(&item) || self.log.contains(&item)
        }
    }

    proptest! {
        #[test]
        fn what_is_said_to_be_safe_is_and_all_is_stored_in_the_end(events in prop::collection::vec(event(), 0..150)) {
            let mut world = World::new();
            let mut crashes = 0;
            for event in events {
                crashes += u32::from(matches!(event, Event::Crash));
                world.happen(event);
                for item in &world.said_safe {
                    prop_assert!(world.is_safe(*item), "{item} is nowhere");
                }
            }
            // The database is back, and the disk writes.
            for _ in 0..2 * world.taken + 8 {
                world.happen(Event::LogDone);
                world.happen(Event::Stored);
                world.happen(Event::Wait(5000));
            }
            prop_assert!(world.waiting.may_end());
            prop_assert!(world.log.is_empty());
            prop_assert_eq!(world.waiting.next_timeout(), None);
            let all: Vec<u32> = (0..world.taken).filter(|item| !is_refused(*item)).collect();
            if crashes == 0 {
                prop_assert_eq!(&world.database, &all, "each once, in their order");
                prop_assert_eq!(world.said_safe.len(), world.taken as usize, "each is answered");
            } else {
                prop_assert!(world.said_safe.iter().all(|item| world.is_safe(*item)));
            }
        }

        #[test]
        fn steps_wait_for_no_more_than_the_timeout(events in prop::collection::vec(event(), 0..100)) {
            let mut world = World::new();
            for event in events {
                world.happen(event);
                // Nothing is under way and nothing is due: then there is a time at which something is.
                if world.storing.is_none() && world.logging.is_none() && world.waiting.range(0..world.waiting.entries.len()).count() > 0 {
                    let at = world.waiting.next_timeout();
                    prop_assert!(at.is_some_and(|at| at > world.now), "{at:?}");
                }
            }
        }
    }

    fn took(count: u32) -> (Waiting<u32>, Instant) {
        let (mut waiting, now) = (Waiting::new(), Instant::now());
        for item in 0..count {
            waiting.take(item, now);
        }
        (waiting, now)
    }

    #[test]
    fn database_that_is_there_needs_no_log() {
        let (mut waiting, now) = took(2);
        assert_eq!(waiting.next_step(now), Some(Step::Store(2)));
        assert_eq!(
            waiting.next_step(now + KEEP_AFTER - Duration::from_millis(1)),
            None
        );
        let news = vec![0, 1];
        assert_eq!(
            waiting.stored(),
            Through {
                safe_before: vec![],
                news
            }
        );
        assert!(waiting.may_end());
    }

    #[test]
    fn database_that_is_slow_is_not_asked_twice_meanwhile() {
        let (mut waiting, now) = took(2);
        assert_eq!(waiting.next_step(now), Some(Step::Store(2)));
        assert_eq!(waiting.next_timeout(), Some(now + KEEP_AFTER));
        let late = now + KEEP_AFTER;
        assert_eq!(waiting.next_step(late), Some(Step::Keep(0..2)));
        waiting.take(2, late);
        assert_eq!(waiting.next_step(late), None, "one work on the log at a time");
        assert_eq!(waiting.kept(80).copied().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(waiting.next_step(late), Some(Step::Keep(2..3)), "at once");
        waiting.kept(120).for_each(drop);
        let safe_before = vec![0, 1];
        assert_eq!(
            waiting.stored(),
            Through {
                safe_before,
                news: vec![]
            }
        );
        assert_eq!(waiting.next_step(late), Some(Step::Store(1)));
        assert_eq!(waiting.stored().safe_before, [2]);
        assert_eq!(waiting.next_step(late), Some(Step::Remove));
    }

    #[test]
    fn log_has_an_end_and_memory_goes_on_behind_it() {
        let (mut waiting, now) = took(2);
        waiting.next_step(now);
        waiting.failed(now);
        assert_eq!(waiting.next_step(now), Some(Step::Keep(0..2)));
        waiting.kept(LOG_BYTES_MAX).for_each(drop);
        assert_eq!(
            (waiting.room(), waiting.refusal()),
            (BATCH_RECORDS_MAX, Some(Refusal::Full))
        );
        waiting.take(2, now);
        assert_eq!(waiting.next_step(now), None);
        assert_eq!(waiting.room(), BATCH_RECORDS_MAX - 1);
        let later = now + PAUSE_MAX;
        assert_eq!(waiting.next_step(later), Some(Step::Store(3)));
        let through = waiting.stored();
        assert_eq!((through.safe_before, through.news), (vec![0, 1], vec![2]));
        assert_eq!(waiting.refusal(), None);
        assert_eq!(waiting.next_step(later), Some(Step::Remove));
    }

    #[test]
    fn process_may_end_once_all_is_in_the_log() {
        let (mut waiting, now) = took(1);
        waiting.next_step(now);
        waiting.failed(now);
        waiting.next_step(now);
        assert!(!waiting.may_end());
        waiting.kept(40).for_each(drop);
        assert!(waiting.may_end());
        let mut lonely = Waiting::without_log();
        lonely.take(0, now);
        lonely.next_step(now);
        lonely.failed(now);
        assert_eq!(lonely.next_step(now), None);
        assert!(!lonely.may_end());
    }
}
