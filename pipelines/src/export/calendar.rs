//! Dates as people read them.

use time::OffsetDateTime;

use crate::UnixMillis;

/// `21 November 2026, 10:15 UTC`.
pub(crate) fn date_of(instant: UnixMillis) -> String {
    match instant_of(instant) {
        Some(date) => format!(
            "{} {} {}, {:02}:{:02} UTC",
            date.day(),
            date.month(),
            date.year(),
            date.hour(),
            date.minute()
        ),
        None => "date unknown".to_owned(),
    }
}

/// The instant as the `time` crate holds it; nothing beyond the years it knows.
pub(super) fn instant_of(instant: UnixMillis) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(instant.0) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_read_without_a_calculator() {
        assert_eq!(
            date_of(UnixMillis(1_795_256_100_000)),
            "21 November 2026, 10:15 UTC"
        );
        assert_eq!(date_of(UnixMillis(i64::MAX)), "date unknown");
    }
}
