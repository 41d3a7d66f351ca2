//! Who waits at a room's door, and what may become of them.

use std::fmt;

/// How it stands with somebody who asked to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GuestState {
    /// Nobody has decided yet.
    Waiting,
    /// They may be in the room.
    Admitted,
    /// They were sent away.
    Denied,
    /// They went away while they waited.
    Left,
    /// Nobody decided in time.
    Expired,
    /// They were in the room and were made to leave it.
    Removed,
}

/// What may happen to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuestStep {
    /// A host lets them in.
    Admit,
    /// A host sends them away.
    Deny,
    /// They go away.
    Leave,
    /// They have waited for too long.
    Expire,
    /// A host makes them leave the room.
    Remove,
}

/// A step that makes no sense any more: somebody else was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("they are {0} already")]
pub struct TooLate(pub GuestState);

impl GuestState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Admitted,
        Self::Denied,
        Self::Left,
        Self::Expired,
        Self::Removed,
    ];

    /// What a step makes of this state. A step that was done already may be done again, and changes nothing.
    pub const fn after(self, step: GuestStep) -> Result<Self, TooLate> {
        match (self, step) {
            (Self::Waiting | Self::Admitted, GuestStep::Admit) => Ok(Self::Admitted),
            (Self::Waiting | Self::Denied, GuestStep::Deny) => Ok(Self::Denied),
            (Self::Waiting | Self::Left, GuestStep::Leave) => Ok(Self::Left),
            (Self::Waiting | Self::Expired, GuestStep::Expire) => Ok(Self::Expired),
            // Who still waits is sent away by it too: a ban asks no questions.
            (Self::Waiting | Self::Admitted | Self::Removed, GuestStep::Remove) => Ok(Self::Removed),
            (
                Self::Admitted | Self::Denied | Self::Left | Self::Expired | Self::Removed,
                GuestStep::Admit | GuestStep::Deny | GuestStep::Leave | GuestStep::Expire | GuestStep::Remove,
            ) => Err(TooLate(self)),
        }
    }

    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Admitted => "admitted",
            Self::Denied => "denied",
            Self::Left => "left",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for GuestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = GuestStep> {
        prop::sample::select(vec![
            GuestStep::Admit,
            GuestStep::Deny,
            GuestStep::Leave,
            GuestStep::Expire,
            GuestStep::Remove,
        ])
    }

    fn walk(steps: &[GuestStep]) -> Vec<GuestState> {
        steps
            .iter()
            .scan(GuestState::Waiting, |state, step| {
                *state = state.after(*step).unwrap_or(*state);
                Some(*state)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn nobody_waits_again(steps in prop::collection::vec(step(), 1..20)) {
            prop_assert!(walk(&steps).iter().all(|state| *state != GuestState::Waiting));
        }

        #[test]
        fn only_who_was_admitted_is_ever_in_the_room(steps in prop::collection::vec(step(), 1..20)) {
            let states = walk(&steps);
            let admitted = states.iter().position(|state| *state == GuestState::Admitted);
            // Admitted comes first or not at all: whoever was sent away has to ask anew.
            prop_assert!(admitted.is_none_or(|at| at == 0));
        }

        #[test]
        fn same_step_twice_is_that_step_once(steps in prop::collection::vec(step(), 1..20), last in step()) {
            let state = walk(&steps).last().copied().expect("at least one step");
            if let Ok(next) = state.after(last) {
                prop_assert_eq!(next.after(last), Ok(next));
            }
        }
    }

    #[test]
    fn names_lead_back() {
        for state in GuestState::ALL {
            assert_eq!(GuestState::parse(state.as_str()), Some(state));
        }
        assert_eq!(GuestState::parse("inside"), None);
    }
}
