//! Session descriptions: reading any, and writing ours.
//!
//! The session below is driven through str0m's direct interface, so the descriptions are ours: what is offered does not
//! depend on what str0m would offer, and an offer can be written twice, changed on the way, or taken back.

mod read;
mod write;

pub(crate) use read::{Sdp, Section};
pub(crate) use write::{AudioLine, DataLine, Description, Line, Transport, VideoLine};

/// The parameters we offer for Opus.
pub(crate) const OPUS_PARAMETERS: &str = "minptime=10;useinbandfec=1";

/// The header extension that carries the loudness of a packet.
pub(crate) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The header extension that names a packet's media section.
pub(crate) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// The numbers that codecs and extensions have in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Opus.
    pub(crate) opus: u8,
    /// Opus with redundancy, if both sides know it.
    pub(crate) red: Option<u8>,
    /// The loudness of a packet.
    pub(crate) audio_level: Option<u8>,
    /// The media section of a packet.
    pub(crate) mid: Option<u8>,
}

/// Our own numbers, which are also everybody else's.
pub(crate) const OUR_NUMBERS: Numbers = Numbers {
    opus: 111,
    red: Some(63),
    audio_level: Some(1),
    mid: Some(4),
};
