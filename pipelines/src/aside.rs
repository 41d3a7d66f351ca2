//! What people in a room wrote and shared while others spoke.

use std::time::Duration;

use crate::{
    Labels, MediaTime, UnixMillis,
    export::plain,
    minutes::{ChatNotes, FileNotes},
};

/// Chat and files of a meeting; the words that were said are the [`Lecture`](crate::Lecture).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// What was written, in order.
    pub messages: Vec<ChatLine>,
    /// What was shared, in order.
    pub files: Vec<SharedFile>,
}

/// A message. Its texts are data, never markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// When it was written.
    pub at: UnixMillis,
    /// What its author is called.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// A file. Its texts are data, never part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// When it was shared.
    pub at: UnixMillis,
    /// What it is called.
    pub name: String,
    /// What whoever shared it is called.
    pub shared_by: String,
    /// How large it is.
    pub bytes: u64,
}

impl Aside {
    pub(crate) fn chat_notes(&self, began: UnixMillis) -> Vec<ChatNotes> {
        let note = |message: &ChatLine| ChatNotes {
            time: since(began, message.at),
            name: plain(&message.name),
            text: plain(&message.text),
        };
        self.messages.iter().map(note).collect()
    }

    pub(crate) fn file_notes(&self, began: UnixMillis, labels: &Labels) -> Vec<FileNotes> {
        let note = |file: &SharedFile| FileNotes {
            time: since(began, file.at),
            name: plain(&file.name),
            shared_by: plain(&file.shared_by),
            size: labels.size(file.bytes),
        };
        self.files.iter().map(note).collect()
    }
}

/// Clocks differ: what seems to have been before the beginning was at it.
fn since(began: UnixMillis, at: UnixMillis) -> MediaTime {
    let millis = u64::try_from(at.0.saturating_sub(began.0)).unwrap_or(0);
    MediaTime::ZERO + Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_meeting_and_never_before_it() {
        let began = UnixMillis(10_000);
        assert_eq!(since(began, UnixMillis(71_000)), MediaTime::from_millis(61_000));
        assert_eq!(since(began, UnixMillis(9_000)), MediaTime::ZERO);
    }
}
