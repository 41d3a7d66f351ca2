//! When people meet in a room again.

use lectern_pipelines::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parse_time;
use crate::ApiError;

/// How a meeting comes again, from the room's `startsAt` on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Recurrence {
    pub(crate) frequency: Frequency,
    /// Every so many days, weeks or months.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 99)]
    pub(crate) interval: u32,
    /// On which days of a week, besides the one of `startsAt`; for `WEEKLY` alone.
    #[serde(default)]
    pub(crate) weekdays: Vec<Day>,
    /// How many times in all; null for no end, or for the one that `until` sets.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) count: Option<u32>,
    /// The last time is not after this, RFC 3339.
    #[serde(default)]
    pub(crate) until: Option<String>,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Frequency {
    Daily,
    Weekly,
    /// On the same day of the month; months without it are left out.
    Monthly,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Day {
    Mo,
    Tu,
    We,
    Th,
    Fr,
    Sa,
    Su,
}

impl Recurrence {
    /// When it ends, if that is at a time.
    pub(crate) fn until(&self) -> Option<UnixMillis> {
        self.until.as_deref().and_then(|until| parse_time(until).ok())
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let refused = |field: &str, message: &str| {
            Err(ApiError::invalid(
                &format!("settings.recurrence.{field}"),
                message,
            ))
        };
        if !(1..=99).contains(&self.interval) {
            return refused("interval", "from 1 to 99");
        }
        if !self.weekdays.is_empty() && self.frequency != Frequency::Weekly {
            return refused("weekdays", "only what comes weekly has them");
        }
        if self.weekdays.len() > 7 {
            return refused("weekdays", "a week has seven days");
        }
        if !self.count.is_none_or(|count| (1..=999).contains(&count)) {
            return refused("count", "from 1 to 999, or null");
        }
        match (&self.until, self.until(), self.count) {
            (Some(_), None, _) => refused("until", "write a time such as 2027-03-01T09:30:00+01:00"),
            (Some(_), Some(_), Some(_)) => refused("until", "set count or until, not both"),
            _ => Ok(()),
        }
    }
}

impl Frequency {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
        }
    }
}

impl Day {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mo => "MO",
            Self::Tu => "TU",
            Self::We => "WE",
            Self::Th => "TH",
            Self::Fr => "FR",
            Self::Sa => "SA",
            Self::Su => "SU",
        }
    }
}

fn one() -> u32 {
    1
}
