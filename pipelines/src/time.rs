//! The two times there are: within a meeting, and of the calendar.

use std::{fmt, ops::Add, time::Duration};

use serde::{Deserialize, Serialize};

/// Milliseconds since the meeting began; the core's only clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The meeting's first instant.
    pub const ZERO: Self = Self(0);

    /// That many milliseconds after the meeting began.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the meeting began.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Seconds since the meeting began.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time from `earlier` to here; nothing if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `duration` earlier, or the meeting's beginning.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(duration)))
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(duration)))
    }
}

/// `H:MM:SS`, as people read a recording's time.
impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        write!(
            f,
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

/// Milliseconds since 1970-01-01 UTC; only what is stored or printed needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// `duration` earlier.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(signed_millis_of(duration)))
    }

    /// How long after `earlier` this is; zero if it isn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(signed_millis_of(duration)))
    }
}

fn signed_millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_prints_as_hours_minutes_seconds() {
        assert_eq!(MediaTime::from_millis(3_723_999).to_string(), "1:02:03");
        assert_eq!(MediaTime::ZERO.to_string(), "0:00:00");
    }

    #[test]
    fn calendar_has_an_end_that_no_duration_passes() {
        let minute = Duration::from_secs(60);
        assert_eq!(UnixMillis(1) + minute, UnixMillis(60_001));
        assert_eq!(UnixMillis(1).saturating_sub(minute), UnixMillis(-59_999));
        assert_eq!(UnixMillis(1) + Duration::MAX, UnixMillis(i64::MAX));
        assert_eq!(UnixMillis(i64::MIN).saturating_sub(minute), UnixMillis(i64::MIN));
    }

    #[test]
    fn time_never_goes_below_zero() {
        assert_eq!(
            MediaTime::from_millis(5).saturating_sub(Duration::from_secs(1)),
            MediaTime::ZERO
        );
        assert_eq!(MediaTime::ZERO.since(MediaTime::from_millis(7)), Duration::ZERO);
    }
}
