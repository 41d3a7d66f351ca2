//! When something is told again, when no more, and when an endpoint is not worth trying. Values without a clock.

use std::{collections::BTreeMap, time::Duration};

use lectern_pipelines::UnixMillis;
use lectern_storage::{Delivery, Failing};

/// When something is told again, and when no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// How often something is tried at most.
    pub(crate) attempts_max: u32,
    /// For how long after the first attempt.
    pub(crate) age_max: Duration,
    /// Before the second attempt; three times as long before each next one.
    pub(crate) pause_min: Duration,
    /// Longer than this is never waited.
    pub(crate) pause_max: Duration,
    /// How many attempts in a row an endpoint may fail, and
    pub(crate) failures_max: u32,
    /// for how long, before it is switched off.
    pub(crate) failing_max: Duration,
}

/// What every webhook goes by: 5 s, 15 s, 45 s, … 4 h, given up after 12 attempts or a day.
pub(crate) const SCHEDULE: Schedule = Schedule {
    attempts_max: 12,
    age_max: Duration::from_secs(24 * 3600),
    pause_min: Duration::from_secs(5),
    pause_max: Duration::from_secs(4 * 3600),
    failures_max: 12,
    failing_max: Duration::from_secs(24 * 3600),
};

/// What has failed holds back what follows in its room for so many attempts, about a minute: a short outage changes no
/// order, and one thing that an endpoint can't take doesn't silence a room.
pub(crate) const IN_ORDER_ATTEMPTS: u32 = 4;

impl Schedule {
    /// When to try again what has failed `attempts` times, first at `first_at` and last now; nothing to give it up.
    ///
    /// `dice` is any number: it spreads over half the pause what failed at once.
    pub(crate) fn again(
        &self,
        attempts: u32,
        first_at: UnixMillis,
        now: UnixMillis,
        dice: u32,
    ) -> Option<UnixMillis> {
        if attempts >= self.attempts_max {
            return None;
        }
        let factor = 3_i64.saturating_pow(attempts.saturating_sub(1));
        let pause = millis(self.pause_min)
            .saturating_mul(factor)
            .min(millis(self.pause_max));
        let spread = i64::from(dice) % (pause / 2 + 1);
        let next = now.0.saturating_add(pause - spread);
        let end = first_at.0.saturating_add(millis(self.age_max));
        (next <= end).then_some(UnixMillis(next))
    }

    /// Whether an endpoint has failed for so long that it is to be switched off.
    pub(crate) fn is_hopeless(&self, failing: Failing, now: UnixMillis) -> bool {
        let Some(since) = failing.since else {
            return false;
        };
        failing.attempts >= self.failures_max && now.0.saturating_sub(since.0) >= millis(self.failing_max)
    }
}

/// What is sent one after the other: a room's deliveries in their order. Rooms don't wait for each other.
pub(crate) fn lines(due: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut lines = BTreeMap::<_, Vec<_>>::new();
    for delivery in due {
        lines
            .entry(delivery.event.room.clone())
            .or_default()
            .push(delivery);
    }
    lines.into_values().collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use lectern_pipelines::{DeliveryId, RoomName};
    use lectern_storage::{DeliveryState, HookEvent, HookTopic};
    use proptest::prelude::*;

    use super::*;

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        (1..30_u32, 1..200_000_u64, 1..600_u64, 0..40_000_u64).prop_map(|(attempts_max, age, pause, more)| {
            Schedule {
                attempts_max,
                age_max: Duration::from_secs(age),
                pause_min: Duration::from_secs(pause),
                pause_max: Duration::from_secs(pause + more),
                ..SCHEDULE
            }
        })
    }

    fn delivery(number: usize, room: Option<u8>) -> Delivery {
        Delivery {
            id: DeliveryId::parse(number.to_string()).expect("an id"),
            event: HookEvent {
                id: number.to_string(),
                topic: HookTopic::CaptionFinal,
                room: room.map(|room| RoomName::parse(room.to_string()).expect("a name")),
                meeting: None,
                at: UnixMillis(0),
                data: "{}".to_owned(),
            },
            queued_at: UnixMillis(0),
            state: DeliveryState::Waiting,
            attempts: 0,
            first_attempt_at: None,
            last_attempt_at: None,
            next_at: UnixMillis(0),
            status: None,
            failure: None,
        }
    }

    #[test]
    fn pauses_grow_threefold_up_to_four_hours() {
        let pauses: Vec<i64> = (1..12)
            .map(|attempts| SCHEDULE.again(attempts, UnixMillis(0), UnixMillis(0), 0))
            .map(|next| next.expect("in time").0 / 1_000)
            .collect();
        assert_eq!(
            pauses,
            [5, 15, 45, 135, 405, 1_215, 3_645, 10_935, 14_400, 14_400, 14_400]
        );
        assert_eq!(SCHEDULE.again(12, UnixMillis(0), UnixMillis(0), 0), None);
    }

    #[test]
    fn endpoint_is_switched_off_only_if_it_failed_often_and_long() {
        let day = 86_400_000;
        let failing = |attempts| Failing {
            attempts,
            since: Some(UnixMillis(7)),
        };
        assert!(SCHEDULE.is_hopeless(failing(12), UnixMillis(7 + day)));
        assert!(!SCHEDULE.is_hopeless(failing(12), UnixMillis(6 + day)));
        assert!(!SCHEDULE.is_hopeless(failing(11), UnixMillis(7 + day)));
        assert!(!SCHEDULE.is_hopeless(Failing::default(), UnixMillis(i64::MAX)));
    }

    proptest! {
        #[test]
        fn whatever_fails_for_ever_is_given_up_in_time(
            schedule in any_schedule(),
            rolls in prop::collection::vec((any::<u32>(), 0..20_000_i64), 40),
        ) {
            let first = UnixMillis(1_700_000_000_000);
            let mut now = first;
            let mut attempts = 0;
            for (dice, took) in rolls {
                // It is tried no sooner than it is due, and may take a while.
                now = UnixMillis(now.0 + took);
                attempts += 1;
                let Some(next) = schedule.again(attempts, first, now, dice) else {
                    prop_assert!(attempts == schedule.attempts_max || now.0 + millis(schedule.pause_max) > first.0 + millis(schedule.age_max));
                    return Ok(());
                };
                let pause = next.0 - now.0;
                prop_assert!(2 * pause >= millis(schedule.pause_min) && pause <= millis(schedule.pause_max), "{pause}");
                prop_assert!(next.0 <= first.0 + millis(schedule.age_max));
                now = next;
            }
            prop_assert!(false, "{attempts} attempts and no end");
        }

        #[test]
        fn no_number_is_too_large(attempts: u32, first: i64, now: i64, dice: u32) {
            if let Some(next) = SCHEDULE.again(attempts, UnixMillis(first), UnixMillis(now), dice) {
                prop_assert!(next.0 > now || now == i64::MAX);
            }
            let failing = Failing { attempts, since: Some(UnixMillis(first)) };
            SCHEDULE.is_hopeless(failing, UnixMillis(now));
        }

        #[test]
        fn each_room_is_told_everything_in_its_order(rooms in prop::collection::vec(prop::option::of(0..4_u8), 0..60)) {
            let due: Vec<_> = rooms.iter().enumerate().map(|(number, room)| delivery(number, *room)).collect();
            let lines = lines(due.clone());
            prop_assert_eq!(lines.iter().map(Vec::len).sum::<usize>(), due.len());
            for line in lines {
                let room = &line[0].event.room;
                let own: Vec<_> = due.iter().filter(|one| one.event.room == *room).cloned().collect();
                prop_assert_eq!(&line, &own);
            }
        }
    }
}
