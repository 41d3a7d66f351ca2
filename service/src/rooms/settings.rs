//! What who holds a room may choose.

use lectern_pipelines::is_language_tag;
use lectern_storage::Room;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schedule::Recurrence;
use crate::{ApiError, calendar::Zone, error::Rule};

/// What who holds a room may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RoomSettings {
    /// Whether guests wait until a host lets them in.
    pub(crate) lobby: bool,
    /// 4 to 12 digits that guests have to know; null for none. Who holds the room sees it, to put it into invitations.
    #[schema(pattern = "^[0-9]{4,12}$")]
    pub(crate) pin: Option<String>,
    /// Whether what is said is captioned; a change counts from the next time the room is opened.
    pub(crate) captions: bool,
    /// The language that is spoken, BCP 47; null lets the recogniser find out.
    #[schema(max_length = 35)]
    pub(crate) language: Option<String>,
    /// Words that may be said, such as a lecture's terms, for recognisers that can make use of them; the room's title and
    /// people's names are known to them anyway.
    #[schema(max_items = 50)]
    pub(crate) keyterms: Vec<String>,
    /// Whether the lecture gets a summary.
    pub(crate) summary: bool,
    /// Whether people may write to one another.
    pub(crate) chat: bool,
    /// Whether files may be shared.
    pub(crate) files: bool,
    /// Whether guests may speak and show themselves.
    pub(crate) guest_publish: bool,
    /// How many may be in the room; 0 for as many as LiveKit takes.
    #[schema(maximum = 100000)]
    pub(crate) max_participants: u32,
    /// Whether pictures and sound are recorded.
    pub(crate) recording: bool,
    /// After how many days everything of a lecture is erased, with chat, files and guests of that time; null for what
    /// the service does by default.
    #[schema(minimum = 1, maximum = 3650)]
    pub(crate) retention_days: Option<u32>,
    /// How long people meet from the room's `startsAt` on, for invitations.
    #[schema(minimum = 1, maximum = 1440)]
    pub(crate) duration_minutes: u32,
    /// The time zone of who invites, by its IANA name: what comes again comes at the same time of day there.
    #[schema(max_length = 64, example = "Europe/Berlin")]
    pub(crate) time_zone: String,
    /// How the meeting comes again; null for once.
    pub(crate) recurrence: Option<Recurrence>,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            lobby: false,
            pin: None,
            captions: true,
            language: None,
            keyterms: Vec::new(),
            summary: true,
            chat: true,
            files: true,
            guest_publish: true,
            max_participants: 0,
            recording: false,
            retention_days: None,
            duration_minutes: 60,
            time_zone: "UTC".to_owned(),
            recurrence: None,
        }
    }
}

impl RoomSettings {
    /// The settings of a stored room. What an older or newer version left that this one can't read is as by default;
    /// a room stays usable.
    pub(crate) fn of(room: &Room) -> Self {
        serde_json::from_str(&room.settings).unwrap_or_else(|error| {
            tracing::warn!(room.name = %room.id, "the settings of room {} can't be read: {error}", room.id);
            // Closed rather than open, where nobody knows any more.
            Self {
                lobby: true,
                ..Self::default()
            }
        })
    }

    /// As it is stored.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values are JSON")
    }

    /// These settings with some changed.
    pub(crate) fn changed(&self, changes: Map<String, Value>) -> Result<Self, ApiError> {
        let Value::Object(mut all) = serde_json::to_value(self).expect("plain values are JSON") else {
            unreachable!("a struct is an object");
        };
        for (field, value) in changes {
            if !all.contains_key(&field) {
                let known: Vec<_> = all.keys().map(String::as_str).collect();
                let message = format!("there is no such setting; there are {}", known.join(", "));
                return Err(ApiError::invalid(
                    &format!("settings.{}", field.escape_default()),
                    message,
                ));
            }
            // One at a time, so that an error names it.
            let mut one = Map::new();
            one.insert(field.clone(), value.clone());
            if let Err(error) = serde_json::from_value::<Self>(Value::Object(one)) {
                return Err(ApiError::invalid(&format!("settings.{field}"), error.to_string()));
            }
            all.insert(field, value);
        }
        let changed: Self = serde_json::from_value(Value::Object(all)).map_err(ApiError::internal)?;
        changed.checked()
    }

    /// Whether calendars would have something else of a room with these settings.
    pub(crate) fn differs_in_calendars(&self, other: &Self) -> bool {
        self.duration_minutes != other.duration_minutes
            || self.time_zone != other.time_zone
            || self.recurrence != other.recurrence
            || self.pin != other.pin
    }

    fn checked(mut self) -> Result<Self, ApiError> {
        if !(1..=DAY_MINUTES).contains(&self.duration_minutes) {
            return Err(ApiError::out_of_range("settings.durationMinutes", 1, DAY_MINUTES));
        }
        let Some(zone) = Zone::parse(&self.time_zone) else {
            let message = "a name of the IANA time zone database, such as Europe/Berlin or UTC";
            return Err(ApiError::broken("settings.timeZone", Rule::TimeZone, message));
        };
        self.time_zone = zone.name().to_owned();
        self.recurrence.as_ref().map_or(Ok(()), Recurrence::check)?;
        let is_pin = |pin: &String| {
            (PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&pin.len())
                && pin.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !self.pin.as_ref().is_none_or(is_pin) {
            let rule = Rule::Pin {
                minimum: PIN_DIGITS_MIN,
                limit: PIN_DIGITS_MAX,
            };
            return Err(ApiError::broken(
                "settings.pin",
                rule,
                "4 to 12 digits, as a text",
            ));
        }
        if !self.language.as_deref().is_none_or(is_language_tag) {
            let message = "a BCP 47 tag such as en or pt-BR";
            return Err(ApiError::broken("settings.language", Rule::Language, message));
        }
        let is_term = |term: &String| {
            let letters = term.chars().count();
            (1..=KEYTERM_LETTERS_MAX).contains(&letters) && !term.contains(char::is_control)
        };
        if self.keyterms.len() > KEYTERMS_MAX || !self.keyterms.iter().all(is_term) {
            return Err(ApiError::invalid(
                "settings.keyterms",
                "at most 50, of 1 to 60 letters each, without line breaks",
            ));
        }
        if self.max_participants > PARTICIPANTS_MAX {
            return Err(ApiError::out_of_range(
                "settings.maxParticipants",
                0,
                PARTICIPANTS_MAX,
            ));
        }
        match self.retention_days {
            Some(0 | 3651..) => Err(ApiError::out_of_range("settings.retentionDays", 1, 3650)),
            _ => Ok(self),
        }
    }
}

const PIN_DIGITS_MIN: usize = 4;
const PIN_DIGITS_MAX: usize = 12;
const DAY_MINUTES: u32 = 24 * 60;
const PARTICIPANTS_MAX: u32 = 100_000;
const KEYTERMS_MAX: usize = 50;
const KEYTERM_LETTERS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(changes: Value) -> Result<RoomSettings, ApiError> {
        let Value::Object(changes) = changes else {
            panic!("an object")
        };
        RoomSettings::default().changed(changes)
    }

    #[test]
    fn only_what_is_named_changes() {
        let settings = changed(json!({ "lobby": true, "pin": "0042" })).expect("good settings");
        assert!(settings.lobby && settings.captions);
        assert_eq!(settings.pin.as_deref(), Some("0042"));
        let Value::Object(without) = json!({ "pin": null }) else {
            panic!("an object")
        };
        assert_eq!(settings.changed(without).expect("good settings").pin, None);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (changes, field) in [
            (json!({ "pin": "12" }), "settings.pin"),
            (json!({ "pin": "１２３４" }), "settings.pin"),
            (json!({ "pin": 1234 }), "settings.pin"),
            (json!({ "lobby": "yes" }), "settings.lobby"),
            (json!({ "door": true }), "settings.door"),
            (json!({ "language": "English please" }), "settings.language"),
            (json!({ "keyterms": ["a\nb"] }), "settings.keyterms"),
            (json!({ "keyterms": ["x".repeat(61)] }), "settings.keyterms"),
            (json!({ "keyterms": vec!["x"; 51] }), "settings.keyterms"),
            (json!({ "maxParticipants": -1 }), "settings.maxParticipants"),
            (json!({ "retentionDays": 0 }), "settings.retentionDays"),
        ] {
            let error = changed(changes).expect_err("wrong").to_string();
            assert!(error.contains(field), "{field} is not in: {error}");
        }
    }
}
