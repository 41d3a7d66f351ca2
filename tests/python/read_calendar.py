"""Reads a calendar, or a message that brings one, as other people's software does; prints what it says as JSON.

    read_calendar.py calendar < invitation.ics
    read_calendar.py message < invitation.eml
"""

import datetime
import email
import email.policy
import itertools
import json
import sys
import zoneinfo

import dateutil.rrule
import icalendar

# The zones of the pinned package, whatever this machine has.
zoneinfo.reset_tzpath(to=[])

UTC = datetime.timezone.utc


def main():
    data = sys.stdin.buffer.read()
    told = {"calendar": told_of_calendar, "message": told_of_message}[sys.argv[1]](data)
    json.dump(told, sys.stdout)


def told_of_message(data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return {
        "defects": [str(defect) for part in message.walk() for defect in part.defects]
        + [str(defect) for value in message.values() for defect in value.defects],
        "headers": {name: str(value) for name, value in message.items()},
        "addresses": {
            name: [[one.display_name, one.addr_spec] for one in message[name].addresses] for name in ("From", "To")
        },
        "sentAt": message["Date"].datetime.astimezone(UTC).isoformat(),
        "type": message.get_content_type(),
        "parts": [
            {
                "type": part.get_content_type(),
                "method": part.get_param("method"),
                "text": part.get_payload(decode=True).decode("utf-8"),
            }
            for part in parts
        ],
    }


def told_of_calendar(data):
    calendar = icalendar.Calendar.from_ical(data)
    return {
        "errors": [str(error) for component in calendar.walk() for error in component.errors],
        "method": calendar.get("METHOD"),
        "wrongOffsets": [wrong for zone in calendar.walk("VTIMEZONE") for wrong in wrong_offsets(zone)],
        "events": [told_of_event(event) for event in calendar.walk("VEVENT")],
    }


def told_of_event(event):
    start, end = event.start, event.end
    texts = ("UID", "SUMMARY", "DESCRIPTION", "LOCATION", "URL", "STATUS", "ORGANIZER")
    return {
        **{name: None if name not in event else str(event[name]) for name in texts},
        "SEQUENCE": int(event["SEQUENCE"]),
        "DTSTAMP": event["DTSTAMP"].dt.isoformat(),
        "organizerName": event["ORGANIZER"].params.get("CN") if "ORGANIZER" in event else None,
        "attendees": [str(one) for one in as_list(event.get("ATTENDEE"))],
        "zone": str(start.tzinfo),
        "start": start.astimezone(UTC).isoformat(),
        "minutes": (end - start).total_seconds() / 60,
        "times": times(event, start),
    }


def times(event, start):
    """When it is, the first ten times, in UTC."""
    if "RRULE" not in event:
        return [start.astimezone(UTC).isoformat()]
    rule = dateutil.rrule.rrulestr(event["RRULE"].to_ical().decode(), dtstart=start)
    return [one.astimezone(UTC).isoformat() for one in itertools.islice(rule, 10)]


def wrong_offsets(component):
    """Where the rules that the calendar brings differ from the zone's own, over nine years."""
    own, brought = zoneinfo.ZoneInfo(str(component["TZID"])), component.to_tz(lookup_tzid=False)
    first = min(part["DTSTART"].dt for part in component.subcomponents if part.name in ("STANDARD", "DAYLIGHT"))
    day = max(first, datetime.datetime(2027, 1, 1)).replace(hour=12) + datetime.timedelta(days=1)
    days = (day + datetime.timedelta(days=number) for number in range(9 * 365))
    return [
        f"{component['TZID']} {one}: {brought.utcoffset(one.replace(tzinfo=brought))}, not {own.utcoffset(one)}"
        for one in days
        if brought.utcoffset(one.replace(tzinfo=brought)) != own.utcoffset(one.replace(tzinfo=own))
    ]


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


main()
