//! Time zones: local times, and the rules that a calendar needs to read them (`VTIMEZONE`).

use std::{collections::BTreeMap, time::Duration};

use jiff::{
    Timestamp,
    civil::{DateTime, Weekday},
    tz::{Offset, TimeZone, TimeZoneDatabase},
};
use lectern_pipelines::UnixMillis;

use super::line::Lines;

/// A time zone by its IANA name, of the copy of their database that is built in.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    zone: TimeZone,
    name: String,
}

impl Zone {
    /// The zone of a name such as `Europe/Berlin`, in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let name = zone.iana_name()?.to_owned();
        Some(Self { zone, name })
    }

    /// Its name as IANA writes it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of a property of a local time, with the zone's: `DTSTART;TZID=…`.
    pub(crate) fn property(&self, name: &str) -> String {
        match self.is_utc() {
            true => name.to_owned(),
            false => format!("{name};TZID={}", self.name),
        }
    }

    /// A local time, or one in UTC if that is the zone.
    pub(crate) fn time(&self, at: UnixMillis) -> String {
        match self.is_utc() {
            true => utc(at),
            false => basic(local(instant(at), self.zone.to_offset(instant(at)))),
        }
    }

    /// A local time as people read it.
    pub(crate) fn shown(&self, at: UnixMillis) -> String {
        let at = local(instant(at), self.zone.to_offset(instant(at)));
        format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
    }

    /// The day of the week at a time.
    pub(crate) fn weekday(&self, at: UnixMillis) -> Weekday {
        local(instant(at), self.zone.to_offset(instant(at))).weekday()
    }

    /// Writes the zone's rules from a time on; none for UTC, which needs none.
    pub(crate) fn write(&self, lines: &mut Lines, from: UnixMillis) {
        if self.is_utc() {
            return;
        }
        lines.push("BEGIN", "VTIMEZONE");
        lines.push("TZID", &self.name);
        for observance in self.observances(instant(from)) {
            observance.write(lines);
        }
        lines.push("END", "VTIMEZONE");
    }

    fn is_utc(&self) -> bool {
        matches!(self.name.as_str(), "UTC" | "Etc/UTC")
    }

    /// The changes of its clocks from the one before a time on, those of one kind together.
    fn observances(&self, from: Timestamp) -> Vec<Observance> {
        let until = from.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let before = self.zone.preceding(from).next();
        let after = self
            .zone
            .following(from)
            .take_while(|change| change.timestamp() <= until);
        let mut by_kind: BTreeMap<(bool, i32, i32, String), Vec<DateTime>> = BTreeMap::new();
        for change in before.into_iter().chain(after) {
            let offset_before = self.zone.to_offset(change.timestamp() - Duration::from_secs(1));
            let kind = (
                change.dst().is_dst(),
                offset_before.seconds(),
                change.offset().seconds(),
                change.abbreviation().to_owned(),
            );
            let onsets = by_kind.entry(kind).or_default();
            onsets.push(local(change.timestamp(), offset_before));
        }
        if by_kind.is_empty() {
            let info = self.zone.to_offset_info(from);
            let offset = info.offset().seconds();
            let kind = (false, offset, offset, info.abbreviation().to_owned());
            by_kind.insert(kind, vec![DateTime::constant(1970, 1, 1, 0, 0, 0, 0)]);
        }
        let observance = |((is_dst, from, to, name), onsets)| Observance {
            component: if is_dst { "DAYLIGHT" } else { "STANDARD" },
            from,
            to,
            name,
            onsets,
        };
        by_kind.into_iter().map(observance).collect()
    }
}

/// A time in UTC.
pub(crate) fn utc(at: UnixMillis) -> String {
    format!("{}Z", basic(local(instant(at), Offset::UTC)))
}

/// A change of clocks that happens again and again.
struct Observance {
    component: &'static str,
    /// Seconds ahead of UTC before it.
    from: i32,
    /// And after it.
    to: i32,
    /// What the zone is called then, `CEST` say.
    name: String,
    /// When, by the clocks before it.
    onsets: Vec<DateTime>,
}

impl Observance {
    fn write(&self, lines: &mut Lines) {
        let Some((first, more)) = self.onsets.split_first() else {
            return;
        };
        lines.push("BEGIN", self.component);
        lines.push("DTSTART", &basic(*first));
        match (yearly(&self.onsets), more) {
            (_, []) => {}
            (Some(rule), _) => lines.push("RRULE", &rule),
            (None, more) => {
                for onset in more {
                    lines.push("RDATE", &basic(*onset));
                }
            }
        }
        lines.push("TZOFFSETFROM", &offset(self.from));
        lines.push("TZOFFSETTO", &offset(self.to));
        lines.push_text("TZNAME", &self.name);
        lines.push("END", self.component);
    }
}

/// The rule of what happens every year on the same weekday of the same week of a month, at the same time.
fn yearly(onsets: &[DateTime]) -> Option<String> {
    let first = onsets.first()?;
    let follows = |pair: &[DateTime]| pair[1].year() == pair[0].year() + 1;
    let is_alike = |onset: &DateTime| {
        (onset.month(), onset.weekday(), onset.time()) == (first.month(), first.weekday(), first.time())
    };
    if !onsets.windows(2).all(follows) || !onsets.iter().all(is_alike) {
        return None;
    }
    let week = |onset: &DateTime| (onset.day() - 1) / 7 + 1;
    let is_last = |onset: &DateTime| onset.day() + 7 > onset.days_in_month();
    let nth = if onsets.iter().all(|onset| week(onset) == week(first)) {
        week(first)
    } else if onsets.iter().all(is_last) {
        -1
    } else {
        return None;
    };
    let (month, day) = (first.month(), two_letters(first.weekday()));
    Some(format!("FREQ=YEARLY;BYMONTH={month};BYDAY={nth}{day}"))
}

/// A weekday as rules have it.
pub(crate) fn two_letters(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "MO",
        Weekday::Tuesday => "TU",
        Weekday::Wednesday => "WE",
        Weekday::Thursday => "TH",
        Weekday::Friday => "FR",
        Weekday::Saturday => "SA",
        Weekday::Sunday => "SU",
    }
}

fn instant(at: UnixMillis) -> Timestamp {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MAX)
}

fn local(at: Timestamp, offset: Offset) -> DateTime {
    offset.to_datetime(at)
}

fn basic(at: DateTime) -> String {
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match rest {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}{rest:02}"),
    }
}

/// Ten years: long enough to see that a rule is one, and to list what follows none.
const HORIZON: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str) -> String {
        let mut lines = Lines::default();
        // The first of March 2027.
        Zone::parse(name)
            .expect("a zone")
            .write(&mut lines, UnixMillis(1_803_859_200_000));
        lines.into_text()
    }

    #[test]
    fn summer_time_is_a_rule() {
        let berlin = rules("europe/berlin");
        for line in [
            "TZID:Europe/Berlin",
            "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
            "DTSTART:20270328T020000",
            "DTSTART:20261025T030000",
            "TZNAME:CEST",
        ] {
            assert!(
                berlin.contains(&format!("{line}\r\n")),
                "{line} is not in:\n{berlin}"
            );
        }
        assert!(rules("America/New_York").contains("BYMONTH=3;BYDAY=2SU"));
    }

    #[test]
    fn zones_without_changes_and_with_odd_ones_have_rules_too() {
        let kolkata = rules("Asia/Kolkata");
        assert!(
            kolkata.contains("TZOFFSETTO:+0530") && !kolkata.contains("RRULE"),
            "{kolkata}"
        );
        // Ramadan moves.
        assert!(rules("Asia/Gaza").contains("RDATE"));
        assert_eq!(rules("UTC"), "");
        assert!(Zone::parse("Mars/Olympus").is_none());
    }
}
