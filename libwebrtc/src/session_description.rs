//! Offers and answers as text.

use std::{fmt, str::FromStr};

use crate::sdp::Sdp;

/// What a description is for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SdpType {
    /// A proposal.
    Offer,
    /// A provisional answer, which this crate neither makes nor takes.
    PrAnswer,
    /// The answer to an offer.
    Answer,
    /// The withdrawal of an offer.
    Rollback,
}

impl FromStr for SdpType {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "offer" => Ok(Self::Offer),
            "pranswer" => Ok(Self::PrAnswer),
            "answer" => Ok(Self::Answer),
            "rollback" => Ok(Self::Rollback),
            _ => Err("a description is an offer, pranswer, answer or rollback"),
        }
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        })
    }
}

/// A description that has been read.
#[derive(Clone)]
pub struct SessionDescription {
    sdp_type: SdpType,
    text: String,
    sdp: Sdp,
}

/// Why a description or candidate could not be read.
#[derive(Clone, thiserror::Error, Debug)]
#[error("cannot read {line:?}: {description}")]
pub struct SdpParseError {
    /// The line at fault.
    pub line: String,
    /// What is wrong with it.
    pub description: String,
}

impl SessionDescription {
    /// Reads a description.
    pub fn parse(sdp: &str, sdp_type: SdpType) -> Result<Self, SdpParseError> {
        Ok(Self {
            sdp_type,
            text: sdp.to_owned(),
            sdp: Sdp::parse(sdp)?,
        })
    }

    /// What the description is for.
    pub fn sdp_type(&self) -> SdpType {
        self.sdp_type
    }

    pub(crate) fn sdp(&self) -> &Sdp {
        &self.sdp
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionDescription")
            .field("sdp_type", &self.sdp_type)
            .finish_non_exhaustive()
    }
}
