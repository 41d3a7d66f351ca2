//! Dates as people read them.

use time::OffsetDateTime;

use crate::{Labels, UnixMillis};

/// `21 November 2026, 10:15 UTC`, or as a date is written in the language of `labels`.
pub(crate) fn date_of(instant: UnixMillis, labels: &Labels) -> String {
    let Some(date) = instant_of(instant) else {
        return labels.date_unknown.to_owned();
    };
    labels
        .date_form
        .replace("{day}", &date.day().to_string())
        .replace("{month}", labels.months[usize::from(u8::from(date.month())) - 1])
        .replace("{year}", &date.year().to_string())
        .replace("{time}", &format!("{:02}:{:02}", date.hour(), date.minute()))
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
        for (language, date) in [
            ("en", "21 November 2026, 10:15 UTC"),
            ("de", "21. November 2026, 10:15 UTC"),
            ("ru", "21 ноября 2026 г., 10:15 UTC"),
            ("zh", "2026年11月21日 10:15 UTC"),
            ("ar", "21 نوفمبر 2026، 10:15 UTC"),
            ("he", "21 בנובמבר 2026, 10:15 UTC"),
        ] {
            let labels = Labels::of(Some(language));
            assert_eq!(date_of(UnixMillis(1_795_256_100_000), labels), date);
        }
        assert_eq!(date_of(UnixMillis(i64::MAX), Labels::english()), "date unknown");
    }
}
