//! What was looked up a moment ago, so that a busy server's every call doesn't ask the database the same.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lectern_pipelines::UnixMillis;

/// Answers of the database, each for [`RECENT`] and no longer.
///
/// What this process changes it forgets at once. What another one changes is noticed after [`RECENT`] at the latest.
#[derive(Debug)]
pub(crate) struct Recent<K, V>(Mutex<Answers<K, V>>);

/// A value without a clock.
#[derive(Debug)]
struct Answers<K, V> {
    known: HashMap<K, (UnixMillis, V)>,
    /// How often something was forgotten: an answer that was under way meanwhile may be out of date.
    changes: u64,
}

/// Tells whether anything was forgotten since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(u64);

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Answers {
            known: HashMap::new(),
            changes: 0,
        }))
    }

    /// The answer, or the right to ask and to [`keep`](Self::keep) what comes of it.
    pub(crate) fn find(&self, key: &K, now: UnixMillis) -> Result<V, Asked> {
        self.locked().find(key, now)
    }

    /// Keeps what the database said, unless something changed since it was asked.
    pub(crate) fn keep(&self, asked: Asked, key: K, answer: V, now: UnixMillis) {
        self.locked().keep(asked, key, answer, now);
    }

    /// Forgets all answers that are about what has changed.
    pub(crate) fn forget(&self, is_about: impl Fn(&K, &V) -> bool) {
        self.locked().forget(is_about);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Answers<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    fn find(&self, key: &K, now: UnixMillis) -> Result<V, Asked> {
        match self.known.get(key) {
            Some((at, answer)) if is_recent(*at, now) => Ok(answer.clone()),
            _ => Err(Asked(self.changes)),
        }
    }

    fn keep(&mut self, asked: Asked, key: K, answer: V, now: UnixMillis) {
        if asked.0 != self.changes {
            return;
        }
        if self.known.len() >= ANSWERS_MAX {
            self.known.retain(|_, (at, _)| is_recent(*at, now));
        }
        if self.known.len() < ANSWERS_MAX {
            self.known.insert(key, (now, answer));
        }
    }

    fn forget(&mut self, is_about: impl Fn(&K, &V) -> bool) {
        self.changes += 1;
        self.known.retain(|key, (_, answer)| !is_about(key, answer));
    }
}

/// A clock that was set back makes nothing last longer.
fn is_recent(at: UnixMillis, now: UnixMillis) -> bool {
    (at..at + RECENT).contains(&now)
}

/// How long another process's change may go unnoticed.
pub(crate) const RECENT: Duration = Duration::from_secs(2);
/// Some 2 MB. What doesn't fit is asked of the database.
const ANSWERS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty() -> Answers<u32, i64> {
        Answers {
            known: HashMap::new(),
            changes: 0,
        }
    }

    #[test]
    fn answer_that_was_under_way_while_something_changed_is_not_kept() {
        let mut answers = empty();
        let asked = answers.find(&1, UnixMillis(0)).expect_err("unknown");
        answers.forget(|_, _| false);
        answers.keep(asked, 1, 7, UnixMillis(0));
        let asked = answers.find(&1, UnixMillis(0)).expect_err("not kept");
        answers.keep(asked, 1, 8, UnixMillis(0));
        assert_eq!(answers.find(&1, UnixMillis(1_999)), Ok(8));
        assert!(answers.find(&1, UnixMillis(2_000)).is_err());
        assert!(answers.find(&1, UnixMillis(-1)).is_err());
    }

    #[test]
    fn answers_fit_in_bounded_memory() {
        let mut answers = empty();
        for key in 0..ANSWERS_MAX as u32 + 10 {
            answers.keep(Asked(0), key, 0, UnixMillis(0));
        }
        assert_eq!(answers.known.len(), ANSWERS_MAX);
        answers.keep(Asked(0), u32::MAX, 0, UnixMillis(5_000));
        assert_eq!(answers.known.len(), 1);
    }

    proptest! {
        /// The database's value is the time of its last change; `own` says whether this process made it.
        #[test]
        fn own_changes_are_seen_at_once_and_others_soon(
            steps in prop::collection::vec((0..3_000_i64, 0..3_u8, any::<bool>()), 1..60),
        ) {
            let (mut answers, mut now, mut stored, mut own_change) = (empty(), 0, 0, 0);
            for (later, step, own) in steps {
                now += later;
                match step {
                    0 => {
                        stored = now;
                        if own {
                            own_change = now;
                            answers.forget(|_, _| true);
                        }
                    }
                    _ => {
                        let told = match answers.find(&1, UnixMillis(now)) {
                            Ok(told) => told,
                            Err(asked) => {
                                answers.keep(asked, 1, stored, UnixMillis(now));
                                stored
                            }
                        };
                        prop_assert!(told >= own_change);
                        prop_assert!(told == stored || now < stored + 2_000);
                    }
                }
            }
        }
    }
}
