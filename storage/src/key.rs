//! Names of objects, the same in a folder and in S3.

use std::fmt;

use lectern_pipelines::MeetingId;

use crate::Error;

/// The name of an object: parts joined by `/`, none of which can lead anywhere else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Takes `text` for a key: no empty part, none that begins with a dot, no control character, no backslash; a part
    /// has at most 255 bytes, the whole at most 1,024.
    pub fn parse(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        match fault_of(&text) {
            None => Ok(Self(text)),
            Some(reason) => Err(Error::ObjectKey { key: text, reason }),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a meeting's file: a function of both, so that making it twice writes it once.
///
/// `kind` is the file's name as people see it, `lecture.pdf` say. What a file name can't hold is written as `%` and
/// hexadecimal digits, so two kinds never share a key.
pub fn object_key(meeting: &MeetingId, kind: &str) -> ObjectKey {
    ObjectKey(format!("{}{}", object_prefix(meeting), escaped(kind)))
}

/// What the keys of all files of a meeting begin with, and of no other meeting.
pub(crate) fn object_prefix(meeting: &MeetingId) -> String {
    format!("meetings/{}/", escaped(meeting.as_str()))
}

const KEY_BYTES_MAX: usize = 1024;
const PART_BYTES_MAX: usize = 255;

fn fault_of(text: &str) -> Option<&'static str> {
    if text.len() > KEY_BYTES_MAX {
        return Some("it is longer than 1,024 bytes");
    }
    if text.chars().any(|letter| letter.is_control() || letter == '\\') {
        return Some("it has a control character or a backslash");
    }
    text.split('/').find_map(|part| match part {
        "" => Some("it has an empty part"),
        _ if part.starts_with('.') => Some("one of its parts begins with a dot"),
        _ if part.len() > PART_BYTES_MAX => Some("one of its parts is longer than 255 bytes"),
        _ => None,
    })
}

fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    // An empty name would leave an empty part; no escape is ever a bare percent sign.
    if name.is_empty() { "%".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_a_function_of_meeting_and_kind() {
        let meeting = MeetingId::parse("01938b7e-7d54-7bb1-8000-000000000001").expect("a good id");
        assert_eq!(
            object_key(&meeting, "lecture.pdf").as_str(),
            "meetings/01938b7e-7d54-7bb1-8000-000000000001/lecture.pdf"
        );
    }

    #[test]
    fn no_meeting_and_no_kind_leads_out_of_its_folder() {
        for id in ["..", "../../etc", "/etc/passwd", ".hidden", "a\\b", "Физика"] {
            for kind in ["..", "", "a/../../b", ".", "%", "x\u{0}y"] {
                let key = object_key(&MeetingId::parse(id).expect("a good id"), kind);
                let parsed = ObjectKey::parse(key.as_str()).expect("our keys are keys");
                assert_eq!(parsed.as_str().matches('/').count(), 2, "{parsed}");
            }
        }
    }

    #[test]
    fn different_kinds_have_different_keys() {
        let meeting = MeetingId::parse("m").expect("a good id");
        let kinds = ["", "%", ".", "..", "%2E", "a/b", "a%2Fb"];
        let mut keys: Vec<_> = kinds.iter().map(|kind| object_key(&meeting, kind)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), kinds.len());
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_key() {
        let long = "x".repeat(256);
        for text in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a/.b",
            "a\nb",
            "a\\b",
            "a\u{0}",
            long.as_str(),
        ] {
            assert!(ObjectKey::parse(text).is_err(), "{text:?}");
        }
        assert!(ObjectKey::parse("meetings/1/Vorlesung Größe.pdf").is_ok());
    }
}
