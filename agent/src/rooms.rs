//! The rooms of this process: each a task tree of its own, whose failure reaches no other.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    future::{Future, pending},
    time::{Duration, Instant},
};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use lectern_pipelines::RoomName;

use crate::{backoff::Backoff, worker::JobId};

/// Who works on which room in this process; never two on one.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    slots: HashMap<RoomName, Slot>,
    tasks: JoinSet<Outcome>,
    names: HashMap<Id, RoomName>,
    retries: HashMap<RoomName, Retry>,
}

/// A room whose work is over.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The room.
    pub(crate) room: RoomName,
    /// LiveKit's job, where the room came as one.
    pub(crate) job: Option<JobId>,
    /// How it went.
    pub(crate) outcome: Outcome,
}

/// How the work on a room can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The room is over.
    Ended,
    /// The room may go on without us, for this reason.
    Interrupted(String),
    /// We were told to stop, and left the meeting to others.
    HandedBack,
    /// Our own fault, or the database's.
    Failed(String),
    /// Another worker is at it.
    Taken,
    /// It is gone, or asks for other agents than us.
    NotOurs,
}

/// What a room's work is told while it goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    /// Stop, and hand the meeting back.
    pub(crate) stop: CancellationToken,
    /// Another worker hears the room too: stop at the next pause, and hand the meeting over.
    pub(crate) hand_over: CancellationToken,
}

#[derive(Debug)]
enum Slot {
    /// LiveKit was told that we take it, and hasn't assigned it yet.
    Promised { until: Instant },
    /// A task works on it.
    Running {
        job: Option<JobId>,
        orders: Orders,
        since: Instant,
    },
}

#[derive(Debug)]
struct Retry {
    backoff: Backoff,
    not_before: Instant,
}

/// LiveKit assigns what was promised at once, or never.
const PROMISE_TTL: Duration = Duration::from_secs(15);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Whoever lasted so long has not failed to start.
const RAN_WELL: Duration = Duration::from_secs(30);
/// Whoever comes to ask for us makes a dispatch, and LiveKit tells us of it.
const ASKS_FOR_OTHERS: Duration = Duration::from_secs(30);
/// A room that has ended may be listed for a moment still, and joining it would make it anew.
const AFTER_THE_END: Duration = Duration::from_secs(3);

impl Rooms {
    /// Rooms that run or are promised.
    pub(crate) fn count(&self, now: Instant) -> u32 {
        let taken = self.slots.values().filter(|slot| slot.holds(now)).count();
        u32::try_from(taken).unwrap_or(u32::MAX)
    }

    /// Rooms that run.
    pub(crate) fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Whether this process works on the room, or is about to.
    pub(crate) fn covers(&self, room: &RoomName, now: Instant) -> bool {
        self.slots.get(room).is_some_and(|slot| slot.holds(now))
    }

    /// Rooms that this process works on, is about to, or has just failed at.
    pub(crate) fn engaged(&self, now: Instant) -> HashSet<RoomName> {
        let held = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.holds(now))
            .map(|(room, _)| room);
        let waiting = self
            .retries
            .iter()
            .filter(|(_, retry)| now < retry.not_before)
            .map(|(room, _)| room);
        held.chain(waiting).cloned().collect()
    }

    /// Keeps a place for a room that LiveKit is about to assign.
    pub(crate) fn promise(&mut self, room: RoomName, now: Instant) {
        self.slots.entry(room).or_insert(Slot::Promised {
            until: now + PROMISE_TTL,
        });
    }

    /// Starts work on a room; [`AlreadyRunning`] if there is some already.
    pub(crate) fn start<F>(
        &mut self,
        room: &RoomName,
        job: Option<JobId>,
        now: Instant,
        work: impl FnOnce(Orders) -> F,
    ) -> Result<(), AlreadyRunning>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if matches!(self.slots.get(room), Some(Slot::Running { .. })) {
            return Err(AlreadyRunning);
        }
        let orders = Orders::default();
        let span = tracing::info_span!("room", room.name = %room);
        let task = self.tasks.spawn(work(orders.clone()).instrument(span));
        self.names.insert(task.id(), room.clone());
        self.slots.insert(
            room.clone(),
            Slot::Running {
                job,
                orders,
                since: now,
            },
        );
        Ok(())
    }

    /// Tells one room's work to stop and hand the meeting back.
    pub(crate) fn stop(&self, room: &RoomName) {
        if let Some(Slot::Running { orders, .. }) = self.slots.get(room) {
            orders.stop.cancel();
        }
    }

    /// Tells one room's work to leave the meeting to another worker, who hears it.
    pub(crate) fn hand_over(&self, room: &RoomName) {
        if let Some(Slot::Running { orders, .. }) = self.slots.get(room) {
            orders.hand_over.cancel();
        }
    }

    /// Tells every room's work to stop and hand its meeting back.
    pub(crate) fn stop_all(&self) {
        for slot in self.slots.values() {
            if let Slot::Running { orders, .. } = slot {
                orders.stop.cancel();
            }
        }
    }

    /// Waits for the next room whose work is over. Loses nothing when dropped.
    pub(crate) async fn next_finished(&mut self) -> Finished {
        let (id, outcome) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, outcome))) => (id, outcome),
            Some(Err(error)) => (error.id(), outcome_of_join_error(error)),
            None => pending().await,
        };
        let room = self.names.remove(&id).expect("every task was given a room");
        let Some(Slot::Running { job, since, .. }) = self.slots.remove(&room) else {
            unreachable!("the slot of a task stays until the task is over");
        };
        let now = Instant::now();
        self.schedule_retry(&room, &outcome, now - since, now);
        Finished { room, job, outcome }
    }

    /// When the next room whose work went wrong may be tried again.
    pub(crate) fn next_retry(&self, now: Instant) -> Option<Instant> {
        self.retries
            .values()
            .map(|retry| retry.not_before)
            .filter(|&at| at > now)
            .min()
    }

    /// Forgets promises that were not kept and what was remembered of rooms that are gone.
    pub(crate) fn forget(&mut self, exists: impl Fn(&RoomName) -> bool, now: Instant) {
        self.slots.retain(|_, slot| slot.holds(now));
        self.retries
            .retain(|room, retry| now < retry.not_before || exists(room));
    }

    fn schedule_retry(&mut self, room: &RoomName, outcome: &Outcome, lasted: Duration, now: Instant) {
        let delay = match outcome {
            Outcome::Ended => AFTER_THE_END,
            Outcome::HandedBack => Duration::ZERO,
            Outcome::NotOurs => ASKS_FOR_OTHERS,
            Outcome::Interrupted(_) | Outcome::Failed(_) | Outcome::Taken => {
                let retry = self
                    .retries
                    .entry(room.clone())
                    .or_insert_with(|| Retry::new(now));
                if lasted >= RAN_WELL {
                    retry.backoff.reset();
                }
                retry.backoff.next_delay()
            }
        };
        self.retries
            .entry(room.clone())
            .or_insert_with(|| Retry::new(now))
            .not_before = now + delay;
    }
}

impl Outcome {
    /// Its name in metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Interrupted(_) => "interrupted",
            Self::HandedBack => "handed_back",
            Self::Failed(_) => "failed",
            Self::Taken => "taken",
            Self::NotOurs => "not_ours",
        }
    }
}

/// The room has work in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlreadyRunning;

impl Slot {
    fn holds(&self, now: Instant) -> bool {
        match self {
            Self::Promised { until } => now < *until,
            Self::Running { .. } => true,
        }
    }
}

impl Retry {
    fn new(now: Instant) -> Self {
        Self {
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            not_before: now,
        }
    }
}

fn outcome_of_join_error(error: JoinError) -> Outcome {
    match error.try_into_panic() {
        Ok(panic) => Outcome::Failed(format!("panic: {}", words_of(panic.as_ref()))),
        // Nobody aborts a room but the end of the process.
        Err(_) => Outcome::HandedBack,
    }
}

/// What a panic said, as far as it said it in words.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).expect("a good name")
    }

    async fn until_stopped(orders: Orders) -> Outcome {
        orders.stop.cancelled().await;
        Outcome::HandedBack
    }

    #[tokio::test]
    async fn a_panic_or_an_error_ends_only_its_own_room() {
        let now = Instant::now();
        let mut rooms = Rooms::default();
        rooms
            .start(&room("calm"), None, now, until_stopped)
            .expect("a new room");
        rooms
            .start(&room("panics"), None, now, |_| async { panic!("out of chalk") })
            .expect("a new room");
        rooms
            .start(&room("fails"), None, now, |_| async {
                Outcome::Failed("no paper".to_owned())
            })
            .expect("a new room");
        let mut finished = [rooms.next_finished().await, rooms.next_finished().await];
        finished.sort_by(|one, other| one.room.cmp(&other.room));
        assert_eq!(finished[0].outcome, Outcome::Failed("no paper".to_owned()));
        assert_eq!(
            finished[1].outcome,
            Outcome::Failed("panic: out of chalk".to_owned())
        );
        assert_eq!(rooms.running(), 1);
        assert!(rooms.covers(&room("calm"), now));
        rooms.stop_all();
        assert_eq!(rooms.next_finished().await.outcome, Outcome::HandedBack);
        assert_eq!(rooms.count(now), 0);
    }

    #[tokio::test]
    async fn a_room_never_has_two() {
        let now = Instant::now();
        let mut rooms = Rooms::default();
        rooms.promise(room("physics"), now);
        rooms
            .start(&room("physics"), None, now, until_stopped)
            .expect("only promised so far");
        let again = rooms.start(&room("physics"), None, now, |_| async {
            unreachable!("never started")
        });
        assert_eq!(again, Err(AlreadyRunning));
        rooms.promise(room("physics"), now);
        assert_eq!((rooms.count(now), rooms.running()), (1, 1));
    }

    #[test]
    fn a_promise_holds_a_place_for_a_while() {
        let now = Instant::now();
        let mut rooms = Rooms::default();
        rooms.promise(room("physics"), now);
        assert!(rooms.covers(&room("physics"), now));
        assert_eq!(rooms.count(now), 1);
        assert_eq!(rooms.count(now + PROMISE_TTL), 0);
        assert!(!rooms.covers(&room("physics"), now + PROMISE_TTL));
    }

    #[tokio::test]
    async fn a_room_that_keeps_failing_is_tried_ever_more_rarely() {
        let mut rooms = Rooms::default();
        let mut delays = Vec::new();
        for _ in 0..6 {
            let interrupted = |_| async { Outcome::Interrupted("kicked".to_owned()) };
            rooms
                .start(&room("physics"), None, Instant::now(), interrupted)
                .expect("a free room");
            rooms.next_finished().await;
            let now = Instant::now();
            assert!(rooms.engaged(now).contains(&room("physics")));
            delays.push(rooms.next_retry(now).expect("a retry") - now);
        }
        assert!(delays[0] <= RETRY_FIRST, "{delays:?}");
        assert!(delays[5] > Duration::from_secs(2), "{delays:?}");
        assert!(rooms.engaged(Instant::now() + RETRY_MAX).is_empty());
        rooms.forget(|_| false, Instant::now() + RETRY_MAX);
        assert!(rooms.retries.is_empty());
    }
}
