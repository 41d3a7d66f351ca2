//! A room as an event.

use std::time::Duration;

use lectern_pipelines::UnixMillis;

use super::{
    line::{Lines, quoted},
    mail::Address,
    zone::{Zone, two_letters, utc},
};
use crate::rooms::schedule::{Frequency, Recurrence};

/// A room that people meet in at a time.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    /// The same for as long as there is the room.
    pub(crate) uid: String,
    /// Higher whenever something of it has changed.
    pub(crate) revision: u64,
    /// When that was.
    pub(crate) revised_at: UnixMillis,
    pub(crate) created_at: UnixMillis,
    pub(crate) title: &'a str,
    pub(crate) description: String,
    /// Where to go.
    pub(crate) location: &'a str,
    /// A link to the room.
    pub(crate) url: Option<&'a str>,
    /// When people meet (first).
    pub(crate) starts_at: UnixMillis,
    pub(crate) duration_minutes: u32,
    pub(crate) zone: &'a Zone,
    pub(crate) recurrence: Option<&'a Recurrence>,
}

/// What a calendar is to do with an event (RFC 5546).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// Keep it; nobody is asked.
    Keep,
    /// Ask one person whether they come.
    Request(&'a Meeting<'a>),
    /// Take it from their calendar.
    Cancel(&'a Meeting<'a>),
}

/// Who invites whom, and when.
#[derive(Debug)]
pub(crate) struct Meeting<'a> {
    pub(crate) organizer: &'a Address,
    pub(crate) organizer_name: &'a str,
    pub(crate) attendee: &'a Address,
    pub(crate) now: UnixMillis,
}

impl Purpose<'_> {
    /// The name of what is asked, where something is.
    pub(crate) fn method(&self) -> Option<&'static str> {
        match self {
            Self::Keep => None,
            Self::Request(_) => Some("REQUEST"),
            Self::Cancel(_) => Some("CANCEL"),
        }
    }
}

impl Event<'_> {
    /// The whole calendar (RFC 5545), with this one event.
    pub(crate) fn to_calendar(&self, purpose: Purpose<'_>) -> String {
        let mut lines = Lines::default();
        lines.push("BEGIN", "VCALENDAR");
        lines.push("VERSION", "2.0");
        lines.push("PRODID", "-//Lectern//Lectern//EN");
        if let Some(method) = purpose.method() {
            lines.push("METHOD", method);
        }
        self.zone.write(&mut lines, self.starts_at);
        self.write(&mut lines, purpose);
        lines.push("END", "VCALENDAR");
        lines.into_text()
    }

    fn write(&self, lines: &mut Lines, purpose: Purpose<'_>) {
        let stamp = match purpose {
            Purpose::Keep => self.revised_at,
            Purpose::Request(meeting) | Purpose::Cancel(meeting) => meeting.now,
        };
        lines.push("BEGIN", "VEVENT");
        lines.push_text("UID", &self.uid);
        lines.push("DTSTAMP", &utc(stamp));
        lines.push("SEQUENCE", &self.revision.to_string());
        lines.push("CREATED", &utc(self.created_at));
        lines.push("LAST-MODIFIED", &utc(self.revised_at));
        lines.push(&self.zone.property("DTSTART"), &self.zone.time(self.starts_at));
        let ends_at = self.starts_at + Duration::from_secs(u64::from(self.duration_minutes) * 60);
        lines.push(&self.zone.property("DTEND"), &self.zone.time(ends_at));
        if let Some(recurrence) = self.recurrence {
            lines.push("RRULE", &self.rule(recurrence));
        }
        lines.push_text("SUMMARY", self.title);
        lines.push_text("DESCRIPTION", &self.description);
        lines.push_text("LOCATION", self.location);
        if let Some(url) = self.url {
            lines.push("URL", url);
        }
        write_people(lines, purpose);
        lines.push("END", "VEVENT");
    }

    fn rule(&self, recurrence: &Recurrence) -> String {
        let mut rule = format!(
            "FREQ={};INTERVAL={}",
            recurrence.frequency.as_str(),
            recurrence.interval
        );
        if recurrence.frequency == Frequency::Weekly && !recurrence.weekdays.is_empty() {
            // The first time is one of the times.
            let first = two_letters(self.zone.weekday(self.starts_at));
            let mut days: Vec<_> = recurrence.weekdays.iter().map(|day| day.as_str()).collect();
            if !days.contains(&first) {
                days.push(first);
            }
            rule.push_str(&format!(";BYDAY={}", days.join(",")));
        }
        if let Some(count) = recurrence.count {
            rule.push_str(&format!(";COUNT={count}"));
        }
        if let Some(until) = recurrence.until() {
            rule.push_str(&format!(";UNTIL={}", utc(until)));
        }
        rule
    }
}

fn write_people(lines: &mut Lines, purpose: Purpose<'_>) {
    let (status, meeting) = match purpose {
        Purpose::Keep => {
            lines.push("STATUS", "CONFIRMED");
            return;
        }
        Purpose::Request(meeting) => ("CONFIRMED", meeting),
        Purpose::Cancel(meeting) => ("CANCELLED", meeting),
    };
    lines.push("STATUS", status);
    let name = quoted(meeting.organizer_name);
    lines.push(&format!("ORGANIZER;CN={name}"), &meeting.organizer.to_uri());
    let attendee = "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE";
    lines.push(attendee, &meeting.attendee.to_uri());
}
