//! What was said before somebody came, as they are sent it.

use lectern_pipelines::{DATA_PACKET_BYTES_MAX, GapReason, MeetingId, RoomName, tail_of};
use lectern_storage::{CaptionContent, Database, Error, PAGE_ITEMS_MAX, StoredCaption};
use serde::Serialize;

/// A text longer than this, in bytes, is told by its end: JSON makes six of some.
const TEXT_BYTES_MAX: usize = 2_000;

/// The latest captions of a meeting, up to [`PAGE_ITEMS_MAX`], in packets for `lectern.captions`.
pub(crate) async fn history(
    database: &Database,
    room: &RoomName,
    meeting: &MeetingId,
) -> Result<Vec<Vec<u8>>, Error> {
    let Some(captioned) = database.captioned_meeting(room, meeting).await? else {
        return Ok(Vec::new());
    };
    let from = captioned.last.saturating_sub(PAGE_ITEMS_MAX.into());
    let captions = database.captions_after(meeting, from, PAGE_ITEMS_MAX).await?;
    Ok(packets(captions.items))
}

/// As many packets as it takes, in the order in which it was said; all but the last say that more follows.
fn packets(mut captions: Vec<StoredCaption>) -> Vec<Vec<u8>> {
    captions.sort_by_key(|caption| (caption.start, caption.position));
    let entries = captions
        .iter()
        .map(|caption| serde_json::to_string(&entry_of(caption)));
    let mut bodies: Vec<String> = Vec::new();
    for entry in entries {
        let entry = entry.expect("strings and numbers always become JSON");
        match bodies.last_mut() {
            Some(body) if body.len() + entry.len() + FRAME_BYTES_MAX <= DATA_PACKET_BYTES_MAX => {
                body.push(',');
                body.push_str(&entry);
            }
            _ => bodies.push(entry),
        }
    }
    let packets = bodies.len();
    let is_last = |index| index + 1 == packets;
    let framed = bodies.iter().enumerate().map(|(index, body)| {
        format!(
            r#"{{"type":"history","more":{},"captions":[{body}]}}"#,
            !is_last(index)
        )
    });
    framed.map(String::into_bytes).collect()
}

/// What is around the captions of a packet.
const FRAME_BYTES_MAX: usize = 64;

/// As in the packets of captions as they come; a gap has no words, but a reason.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    identity: &'a str,
    name: &'a str,
    start_ms: u64,
    end_ms: u64,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Content<'a> {
    #[serde(rename_all = "camelCase")]
    Words {
        segment_id: &'a str,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        language: Option<&'a str>,
    },
    Missing {
        missing: &'static str,
    },
}

fn entry_of(caption: &StoredCaption) -> Entry<'_> {
    Entry {
        identity: caption.speaker.identity.as_str(),
        name: &caption.speaker.name,
        start_ms: caption.start.as_millis(),
        end_ms: caption.end.as_millis(),
        content: match &caption.content {
            CaptionContent::Words { id, text, language } => Content::Words {
                segment_id: id.as_str(),
                text: tail_of(text, TEXT_BYTES_MAX),
                language: language.as_deref(),
            },
            CaptionContent::Missing(reason) => Content::Missing {
                missing: GapReason::as_str(*reason),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use lectern_pipelines::{MediaTime, Participant, ParticipantIdentity, SegmentId};
    use serde_json::{Value, json};

    use super::*;

    fn caption(position: u64, start_ms: u64, content: CaptionContent) -> StoredCaption {
        StoredCaption {
            position,
            speaker: Participant {
                identity: ParticipantIdentity::parse("ada").expect("a good identity"),
                name: "Ada".to_owned(),
            },
            start: MediaTime::from_millis(start_ms),
            end: MediaTime::from_millis(start_ms + 500),
            content,
        }
    }

    fn words(text: &str) -> CaptionContent {
        CaptionContent::Words {
            id: SegmentId::parse("SG_1").expect("a good id"),
            text: text.to_owned(),
            language: Some("en".to_owned()),
        }
    }

    fn read(packets: &[Vec<u8>]) -> Vec<Value> {
        let read = packets.iter().map(|packet| serde_json::from_slice(packet));
        read.collect::<Result<_, _>>().expect("valid JSON")
    }

    #[test]
    fn history_is_in_the_order_in_which_it_was_said() {
        let late = CaptionContent::Missing(GapReason::RecogniserAway);
        let packets = packets(vec![
            caption(7, 2_000, words("Hello \"all\".")),
            caption(9, 1_000, late),
        ]);
        assert_eq!(
            read(&packets),
            [json!({"type": "history", "more": false, "captions": [
                {"identity": "ada", "name": "Ada", "startMs": 1000, "endMs": 1500, "missing": "recogniser_away"},
                {"identity": "ada", "name": "Ada", "startMs": 2000, "endMs": 2500, "segmentId": "SG_1",
                    "text": "Hello \"all\".", "language": "en"},
            ]})]
        );
        assert!(super::packets(Vec::new()).is_empty());
    }

    #[test]
    fn no_packet_is_too_large_and_none_lacks_a_caption() {
        let texts = [10, 4_000, 13_000, 700, 0, 8_000, 8_000, 250, 2_000, 2_000, 2_000];
        for letter in ["ж", "\"", "\u{1}"] {
            let captions = (0..)
                .zip(texts)
                .map(|(position, letters)| caption(position, position, words(&letter.repeat(letters))));
            is_whole(&packets(captions.collect()), texts.len());
        }
    }

    fn is_whole(packets: &[Vec<u8>], captions: usize) {
        assert!(packets.iter().all(|packet| packet.len() <= DATA_PACKET_BYTES_MAX));
        let read = read(packets);
        let lengths = read
            .iter()
            .map(|packet| packet["captions"].as_array().map_or(0, Vec::len));
        assert_eq!(lengths.sum::<usize>(), captions);
        let more: Vec<bool> = read.iter().map(|packet| packet["more"] == true).collect();
        assert_eq!(more.iter().filter(|more| !**more).count(), 1, "{more:?}");
        assert_eq!(more.last(), Some(&false));
    }
}
