//! How often somebody may do something: counts per key in windows that begin with a key's first count.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lectern_pipelines::UnixMillis;

use crate::{
    replicas::{Counting, Replicas},
    settings::Limit,
};

/// Counts of many keys. A value without a clock.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    windows: HashMap<String, Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_at: UnixMillis,
    count: u32,
}

impl Counts {
    /// Counts one more for `key`, unless it has reached its limit: then says for how long.
    fn take(&mut self, key: &str, limit: Limit, now: UnixMillis) -> Result<(), Duration> {
        self.check(key, limit, now)?;
        self.make_room(now);
        let window = self.windows.entry(key.to_owned()).or_insert(Window {
            ends_at: now,
            count: 0,
        });
        if window.ends_at <= now {
            *window = Window {
                ends_at: now + limit.within,
                count: 0,
            };
        }
        window.count += 1;
        Ok(())
    }

    /// Whether `key` may go on; counts nothing.
    fn check(&self, key: &str, limit: Limit, now: UnixMillis) -> Result<(), Duration> {
        match self.windows.get(key) {
            Some(window) if window.ends_at > now && window.count >= limit.times => {
                Err(Duration::from_millis((window.ends_at.0 - now.0).unsigned_abs()))
            }
            _ => Ok(()),
        }
    }

    /// Forgets windows that are over once there are many; if none is, all: an attacker with as many addresses can't be
    /// counted anyway, and memory is everybody's.
    fn make_room(&mut self, now: UnixMillis) {
        if self.windows.len() < KEYS_MAX {
            return;
        }
        self.windows.retain(|_, window| window.ends_at > now);
        if self.windows.len() >= KEYS_MAX {
            tracing::warn!("more than {KEYS_MAX} callers within one window; all counts begin anew");
            self.windows.clear();
        }
    }
}

/// Counts of this process, and of all that share its Redis.
pub(crate) struct Limiter {
    counts: Mutex<Counts>,
    replicas: Option<Arc<Replicas>>,
}

/// What somebody brought who may have guessed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    Right,
    Wrong,
}

impl Limiter {
    pub(crate) fn new(replicas: Option<Arc<Replicas>>) -> Self {
        Self {
            counts: Mutex::default(),
            replicas,
        }
    }

    /// Counts one more for each of `keys`, unless one has reached its limit: then says for how long.
    pub(crate) async fn take(&self, keys: &[String], limit: Limit, now: UnixMillis) -> Result<(), Duration> {
        self.count(keys, limit, now, Counting::Take).await
    }

    /// Counts a wrong guess, and no right one; whoever has guessed too often is told so of either.
    ///
    /// Each guess is decided in one step, with what it brought known beforehand: of a thousand guesses at once, those
    /// before the limit is reached are answered and no other.
    pub(crate) async fn guess(
        &self,
        keys: &[String],
        limit: Limit,
        now: UnixMillis,
        guess: Guess,
    ) -> Result<(), Duration> {
        let counting = match guess {
            Guess::Right => Counting::Look,
            Guess::Wrong => Counting::Take,
        };
        self.count(keys, limit, now, counting).await
    }

    /// This process counts in any case: when Redis goes away, or loses what it knew, it doesn't begin at nothing.
    async fn count(
        &self,
        keys: &[String],
        limit: Limit,
        now: UnixMillis,
        counting: Counting,
    ) -> Result<(), Duration> {
        self.count_here(keys, limit, now, counting)?;
        match &self.replicas {
            Some(replicas) => replicas.count(keys, limit, counting).await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }

    fn count_here(
        &self,
        keys: &[String],
        limit: Limit,
        now: UnixMillis,
        counting: Counting,
    ) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().try_for_each(|key| counts.check(key, limit, now))?;
        match counting {
            Counting::Take => keys.iter().try_for_each(|key| counts.take(key, limit, now)),
            Counting::Look => Ok(()),
        }
    }
}

/// Some 10 MB.
const KEYS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE: Limit = Limit {
        times: 5,
        within: Duration::from_secs(60),
    };

    #[test]
    fn sixth_within_a_minute_is_refused_and_told_when_to_come_again() {
        let mut counts = Counts::default();
        for second in 0..5 {
            assert_eq!(counts.take("a", FIVE, UnixMillis(second * 1_000)), Ok(()));
        }
        let refused = counts.take("a", FIVE, UnixMillis(10_000));
        assert_eq!(refused, Err(Duration::from_secs(50)));
        assert_eq!(counts.take("b", FIVE, UnixMillis(10_000)), Ok(()));
        assert_eq!(counts.take("a", FIVE, UnixMillis(60_000)), Ok(()));
    }

    #[test]
    fn many_callers_fit_in_bounded_memory() {
        let mut counts = Counts::default();
        for caller in 0..KEYS_MAX as i64 + 10 {
            let took = counts.take(&caller.to_string(), FIVE, UnixMillis(caller));
            assert_eq!(took, Ok(()));
        }
        assert!(counts.windows.len() <= KEYS_MAX);
    }

    proptest! {
        #[test]
        fn no_window_lets_more_than_its_limit_through(times in prop::collection::vec(0..200_000_i64, 1..200)) {
            let mut times = times;
            times.sort_unstable();
            let mut counts = Counts::default();
            let taken: Vec<i64> = times
                .into_iter()
                .filter(|at| counts.take("a", FIVE, UnixMillis(*at)).is_ok())
                .collect();
            // Two windows may meet, so that twice the limit fits in any minute, and never more.
            for (index, at) in taken.iter().enumerate() {
                let within = taken[index..].iter().take_while(|other| **other < at + 60_000).count();
                prop_assert!(within <= 10, "{within} from {at}");
            }
        }
    }
}
