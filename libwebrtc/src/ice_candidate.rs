//! Addresses at which a side may be reached.

use std::fmt;

use str0m::Candidate;

use crate::session_description::SdpParseError;

/// One address at which a side may be reached.
#[derive(Clone)]
pub struct IceCandidate {
    mid: String,
    mline_index: i32,
    line: String,
}

impl IceCandidate {
    /// Reads a `candidate:` line. An empty line is the sign that no more will come.
    pub fn parse(sdp_mid: &str, sdp_mline_index: i32, sdp: &str) -> Result<Self, SdpParseError> {
        let line = sdp.trim().trim_start_matches("a=");
        if !line.is_empty() && !line.starts_with("candidate:") {
            return Err(SdpParseError {
                line: sdp.to_owned(),
                description: "not a candidate".to_owned(),
            });
        }
        Ok(Self {
            mid: sdp_mid.to_owned(),
            mline_index: sdp_mline_index,
            line: line.to_owned(),
        })
    }

    pub(crate) fn local(mid: &str, mline_index: i32, candidate: &Candidate) -> Self {
        let line = candidate.to_sdp_string();
        Self {
            mid: mid.to_owned(),
            mline_index,
            line: line.trim_start_matches("a=").to_owned(),
        }
    }

    /// The media section the candidate was gathered for.
    pub fn sdp_mid(&self) -> String {
        self.mid.clone()
    }

    /// That section's place in the description, from 0.
    pub fn sdp_mline_index(&self) -> i32 {
        self.mline_index
    }

    /// The `candidate:` line.
    pub fn candidate(&self) -> String {
        self.line.clone()
    }
}

impl fmt::Display for IceCandidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.line)
    }
}

impl fmt::Debug for IceCandidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IceCandidate")
            .field("mid", &self.mid)
            .field("candidate", &self.line)
            .finish()
    }
}
