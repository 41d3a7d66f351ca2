//! How long to wait before trying again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tracing::warn;

/// Delays that double up to a maximum, each shortened at random so that many don't come back in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Nothing has failed yet.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            attempts: 0,
        }
    }

    /// It failed again: wait that long.
    pub(crate) fn next_delay(&mut self) -> Duration {
        self.delay(RandomState::new().hash_one(self.attempts) as f64 / u64::MAX as f64)
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// `chance` from 0 to 1 gives half the delay to the whole of it.
    fn delay(&mut self, chance: f64) -> Duration {
        let whole = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.attempts))
            .min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// Tries until the database does it; for as long as it takes.
pub(crate) async fn insist<T, F>(what: &'static str, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, lectern_storage::Error>>,
{
    let mut backoff = Backoff::new(DATABASE_RETRY_FIRST, DATABASE_RETRY_MAX);
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => {
                let delay = backoff.next_delay();
                warn!(%error, "trying again in {} ms to {what}", delay.as_millis());
                tokio::time::sleep(delay).await;
            }
        }
    }
}

const DATABASE_RETRY_FIRST: Duration = Duration::from_millis(100);
const DATABASE_RETRY_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_maximum_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let whole: Vec<u128> = (0..4).map(|_| backoff.delay(1.0).as_millis()).collect();
        assert_eq!(whole, [100, 200, 350, 350]);
        assert_eq!(backoff.delay(0.0).as_millis(), 175);
        backoff.reset();
        assert_eq!(backoff.delay(1.0).as_millis(), 100);
    }

    #[test]
    fn a_thousand_failures_don_t_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(9));
        for _ in 0..1000 {
            assert!(backoff.next_delay() <= Duration::from_secs(9));
        }
    }
}
