//! How far a meeting has come.

use std::fmt;

/// The stages of a meeting, each reached once, in this order, and stored.
///
/// Whoever finds a meeting at a stage can bring it to the next: every step reads what is stored, and doing it
/// twice gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// People are in the room, or may come back to it.
    Live,
    /// The room is over; last finals may still be on their way.
    Ended,
    /// Every final is stored.
    Transcribed,
    /// The summary is stored.
    Summarised,
    /// The artifacts are stored.
    Rendered,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Live,
        Self::Ended,
        Self::Transcribed,
        Self::Summarised,
        Self::Rendered,
    ];

    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Transcribed => "transcribed",
            Self::Summarised => "summarised",
            Self::Rendered => "rendered",
        }
    }

    /// The stage of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_found_by_its_name() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), Some(stage));
        }
        assert_eq!(Stage::parse("dead"), None);
    }
}
