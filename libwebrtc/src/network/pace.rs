//! How often datagrams come.

use std::time::{Duration, Instant};

/// How often datagrams come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    // Since when they are counted.
    began: Option<Instant>,
    count: u32,
    is_steady: bool,
}

impl Pace {
    /// One came.
    pub(super) fn count(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Whether they came in a steady flow when that was last summed up.
    pub(super) fn is_steady(&mut self, now: Instant) -> bool {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began);
        if passed >= WINDOW {
            let per_second = f64::from(self.count) / passed.as_secs_f64();
            self.is_steady = (STEADY_PER_SECOND_MIN..STEADY_PER_SECOND_MAX).contains(&per_second);
            self.began = Some(now);
            self.count = 0;
        }
        self.is_steady
    }
}

/// For how long they are counted before that is summed up.
const WINDOW: Duration = Duration::from_millis(200);

/// Somebody who speaks sends 50 in a second; what is there in silence is a tenth of it.
const STEADY_PER_SECOND_MIN: f64 = 25.0;

/// Twenty who speak; more is data, whose sender waits for its acknowledgement.
const STEADY_PER_SECOND_MAX: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each second of a flow was steady to its end, in which so many come in each of its milliseconds.
    fn seconds(flow: impl Fn(u64) -> u32, seconds: u64) -> Vec<bool> {
        let (start, mut pace) = (Instant::now(), Pace::default());
        (0..seconds * 1000)
            .filter_map(|millisecond| {
                let steady = pace.is_steady(start + Duration::from_millis(millisecond));
                (0..flow(millisecond)).for_each(|_| pace.count());
                (millisecond % 1000 == 999).then_some(steady)
            })
            .collect()
    }

    #[test]
    fn speech_is_steady_while_it_lasts() {
        let speech = |millisecond| u32::from(millisecond % 20 == 7 && (1000..3000).contains(&millisecond));
        assert_eq!(seconds(speech, 5), [false, true, true, false, false]);
    }

    #[test]
    fn silence_and_floods_are_not() {
        // Opus sends a packet every 400 ms in silence; whoever sends data, as fast as it is taken.
        assert_eq!(
            seconds(|millisecond| u32::from(millisecond % 400 == 0), 3),
            [false; 3]
        );
        assert_eq!(seconds(|_| 3, 2), [false; 2]);
    }
}
