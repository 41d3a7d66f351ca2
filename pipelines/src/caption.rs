//! What the room is shown: segments as captions in three wire forms, and how recognition fares.

use std::{borrow::Cow, time::Duration};

use serde::Serialize;

use crate::{Segment, TrackSid, time::millis_of};

/// Topic of the text streams that LiveKit's front-end components read.
pub const TRANSCRIPTION_TOPIC: &str = "lk.transcription";
/// Topic of our own data packets.
pub const CAPTIONS_TOPIC: &str = "lectern.captions";

/// A segment as the room is to see it now.
///
/// A final segment is first shown as an interim with its full text, and as final once it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Caption {
    /// What was said; an empty text withdraws what was shown under this id.
    pub segment: Segment,
    /// Whether the room may take it for settled.
    pub kind: CaptionKind,
}

/// Whether a caption may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptionKind {
    /// More or other words may follow under the same id.
    Interim,
    /// The segment is stored and never changes again, or is withdrawn.
    Final,
}

impl Caption {
    /// Attributes of the text stream on [`TRANSCRIPTION_TOPIC`]; its sender identity is the speaker's.
    ///
    /// Names: LiveKit agents' `types.py`.
    pub fn stream_attributes(&self) -> [(&'static str, String); 3] {
        [
            ("lk.segment_id", self.segment.id.to_string()),
            ("lk.transcribed_track_id", self.segment.track.to_string()),
            ("lk.transcription_final", self.is_final().to_string()),
        ]
    }

    /// Our own data packet on [`CAPTIONS_TOPIC`]: JSON, UTF-8, at most [`DATA_PACKET_BYTES_MAX`] bytes.
    pub fn data_packet(&self) -> Vec<u8> {
        let segment = &self.segment;
        let packet = |text: &str| {
            serde_json::to_vec(&CaptionPacket {
                kind: "caption",
                segment_id: segment.id.as_str(),
                track_sid: segment.track.as_str(),
                identity: segment.speaker.identity.as_str(),
                name: &segment.speaker.name,
                text,
                is_final: self.is_final(),
                start_ms: segment.start.as_millis(),
                end_ms: segment.end.as_millis(),
                language: segment.language.as_deref(),
            })
            .expect("strings and numbers always become JSON")
        };
        let whole = packet(&segment.text);
        let excess = whole.len().saturating_sub(DATA_PACKET_BYTES_MAX);
        match excess {
            0 => whole,
            // The text streams carry the whole; what is cut here is the middle of a speech without a pause.
            _ => packet(tail_of(
                &segment.text,
                segment.text.len().saturating_sub(2 * excess),
            )),
        }
    }

    /// Whether the room may take it for settled.
    pub fn is_final(&self) -> bool {
        self.kind == CaptionKind::Final
    }
}

/// How recognition of one track fares, said to the room when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The track concerned.
    pub track: TrackSid,
    /// How it fares now.
    pub state: HealthState,
}

/// How recognition of a track can fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// The track is heard from now on. Said once.
    Started,
    /// Speech becomes captions.
    Listening,
    /// The recogniser is away; audio is kept and captions will follow.
    Interrupted,
    /// Speech becomes captions; so much of what was said while the recogniser was away is still to come.
    Behind(Duration),
    /// The recogniser refuses us; an operator has to act.
    Refused,
    /// The track is end-to-end encrypted and can't be heard.
    Encrypted,
    /// Nobody listened for so long, because a worker died; from now on speech becomes captions again. Said once.
    Resumed(Duration),
    /// Nobody listens any more, unless another worker comes.
    Stopped,
}

impl HealthState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Listening => "listening",
            Self::Interrupted => "interrupted",
            Self::Behind(_) => "behind",
            Self::Refused => "refused",
            Self::Encrypted => "encrypted",
            Self::Resumed(_) => "resumed",
            Self::Stopped => "stopped",
        }
    }

    /// What people in the room should know.
    pub fn message(self) -> Cow<'static, str> {
        let seconds = self.speech().unwrap_or_default().as_secs_f64().ceil();
        let message = match self {
            Self::Started | Self::Listening => "Speech becomes captions.",
            Self::Interrupted => "The recogniser is away. What is said is kept, and captions will follow.",
            Self::Behind(_) => {
                return format!(
                    "The recogniser is back. {seconds} s of what was said follow in their place."
                )
                .into();
            }
            Self::Refused => {
                "The recogniser refuses to work. Captions need the help of whoever runs this server."
            }
            Self::Encrypted => "This track is end-to-end encrypted and can't be captioned.",
            Self::Resumed(_) => {
                return format!(
                    "Captions were interrupted for {seconds} s. What was said then was not heard."
                )
                .into();
            }
            Self::Stopped => "Captions have stopped: the worker was told to stop, and no other one is there.",
        };
        message.into()
    }

    /// How much of what was said is concerned.
    fn speech(self) -> Option<Duration> {
        match self {
            Self::Behind(speech) | Self::Resumed(speech) => Some(speech),
            _ => None,
        }
    }
}

impl Health {
    /// The data packet on [`CAPTIONS_TOPIC`]: JSON, UTF-8.
    pub fn data_packet(&self) -> Vec<u8> {
        serde_json::to_vec(&HealthPacket {
            kind: "health",
            track_sid: self.track.as_str(),
            state: self.state.as_str(),
            message: &self.state.message(),
            speech_ms: self.state.speech().map(millis_of),
        })
        .expect("strings always become JSON")
    }
}

/// What a reliable data packet may weigh; LiveKit asks for less than 15 KiB.
pub const DATA_PACKET_BYTES_MAX: usize = 14_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaptionPacket<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    segment_id: &'a str,
    track_sid: &'a str,
    identity: &'a str,
    name: &'a str,
    text: &'a str,
    #[serde(rename = "final")]
    is_final: bool,
    start_ms: u64,
    end_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthPacket<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    track_sid: &'a str,
    state: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_ms: Option<u64>,
}

/// The last `bytes` bytes of `text`, or a little less where that would split a character.
pub fn tail_of(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    let from = (from..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len());
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MediaTime, Participant, ParticipantIdentity, SegmentId};

    fn caption(text: &str) -> Caption {
        Caption {
            segment: Segment {
                id: SegmentId::parse("SG_1").expect("a good id"),
                track: TrackSid::parse("TR_1").expect("a good SID"),
                speaker: Participant {
                    identity: ParticipantIdentity::parse("ada").expect("a good identity"),
                    name: "Ada \"the first\"".to_owned(),
                },
                start: MediaTime::from_millis(1200),
                end: MediaTime::from_millis(1900),
                text: text.to_owned(),
                language: Some("en".to_owned()),
                words: Vec::new(),
                is_final: true,
                utterance: 0,
            },
            kind: CaptionKind::Final,
        }
    }

    #[test]
    fn data_packet_is_json_with_times() {
        let packet: serde_json::Value =
            serde_json::from_slice(&caption("hello").data_packet()).expect("valid JSON");
        assert_eq!(
            packet,
            serde_json::json!({"type": "caption", "segmentId": "SG_1", "trackSid": "TR_1", "identity": "ada",
                "name": "Ada \"the first\"", "text": "hello", "final": true, "startMs": 1200, "endMs": 1900,
                "language": "en"})
        );
    }

    #[test]
    fn health_packet_says_for_how_long_nobody_listened() {
        let told = |state| {
            let track = TrackSid::parse("TR_1").expect("a good SID");
            let packet = Health { track, state }.data_packet();
            serde_json::from_slice::<serde_json::Value>(&packet).expect("valid JSON")
        };
        assert_eq!(
            told(HealthState::Resumed(Duration::from_millis(1_820))),
            serde_json::json!({"type": "health", "trackSid": "TR_1", "state": "resumed", "speechMs": 1820,
                "message": "Captions were interrupted for 2 s. What was said then was not heard."})
        );
        assert_eq!(
            told(HealthState::Listening),
            serde_json::json!({"type": "health", "trackSid": "TR_1", "state": "listening",
                "message": "Speech becomes captions."})
        );
    }

    #[test]
    fn long_text_never_makes_a_packet_too_large() {
        for text in [
            "ж".repeat(10_000),
            "\"".repeat(20_000),
            "x".repeat(DATA_PACKET_BYTES_MAX),
        ] {
            let packet = caption(&text).data_packet();
            assert!(packet.len() <= DATA_PACKET_BYTES_MAX, "{} bytes", packet.len());
            serde_json::from_slice::<serde_json::Value>(&packet).expect("valid JSON");
        }
    }

    #[test]
    fn stream_attributes_carry_id_track_and_finality() {
        assert_eq!(
            caption("x").stream_attributes(),
            [
                ("lk.segment_id", "SG_1".to_owned()),
                ("lk.transcribed_track_id", "TR_1".to_owned()),
                ("lk.transcription_final", "true".to_owned())
            ]
        );
    }

    #[test]
    fn a_cut_never_splits_a_letter() {
        assert_eq!(tail_of("жжж", 3), "ж");
        assert_eq!(tail_of("abc", 9), "abc");
    }
}
