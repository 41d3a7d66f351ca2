//! Names of things, each a type of its own so that a room is never passed for a participant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{kind} is empty")]
    Empty {
        /// What the text was to name.
        kind: &'static str,
    },
    /// The text is longer than LiveKit and the database take.
    #[error("{kind} is {length} bytes long; {ID_BYTES_MAX} are allowed")]
    TooLong {
        /// What the text was to name.
        kind: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// The text has a control character.
    #[error("{kind} contains a control character")]
    ControlCharacter {
        /// What the text was to name.
        kind: &'static str,
    },
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` for what it is: 1 to 256 bytes without control characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                checked(text.into(), $kind).map(Self)
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// LiveKit's reusable name of a room.
    RoomName, "room name"
);
identifier!(
    /// LiveKit's id of one life of a room (`RM_…`); a restarted server makes a new one.
    RoomSid, "room SID"
);
identifier!(
    /// Our id of one sitting in a room; a UUID in its text form.
    MeetingId, "meeting id"
);
identifier!(
    /// Our id of somebody who can log in; a UUID in its text form.
    AccountId, "account id"
);
identifier!(
    /// Our id of somebody at a room's door or in it without an account; a UUID in its text form.
    GuestId, "guest id"
);
identifier!(
    /// Our id of somebody's wish to be told of things by webhook; a UUID in its text form.
    HookId, "webhook id"
);
identifier!(
    /// Our id of something that is told by webhook; a UUID in its text form.
    DeliveryId, "delivery id"
);
identifier!(
    /// LiveKit's identity of a participant, unique in a room.
    ParticipantIdentity, "participant identity"
);
identifier!(
    /// LiveKit's id of a published track (`TR_…`).
    TrackSid, "track SID"
);
identifier!(
    /// The id of a caption segment, as `lk.segment_id` carries it.
    SegmentId, "segment id"
);

/// A summary is stored as JSON and names segments; no other identifier leaves the core as one.
impl Serialize for SegmentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SegmentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A track as one run of a worker numbers it: a track that is subscribed again is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackKey(pub u32);

impl fmt::Display for TrackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One connection to the recogniser; numbers are never used twice within a [`Meeting`](crate::Meeting).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

const ID_BYTES_MAX: usize = 256;

fn checked(text: String, kind: &'static str) -> Result<String, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { kind });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong {
            kind,
            length: text.len(),
        });
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::ControlCharacter { kind });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused_with_their_kind() {
        assert_eq!(RoomName::parse(""), Err(IdError::Empty { kind: "room name" }));
        assert_eq!(
            TrackSid::parse("a\nb").map_err(|error| error.to_string()),
            Err("track SID contains a control character".to_owned())
        );
        assert!(RoomName::parse("x".repeat(257)).is_err());
        assert_eq!(
            RoomName::parse("физика 101").map(|name| name.to_string()),
            Ok("физика 101".to_owned())
        );
    }
}
