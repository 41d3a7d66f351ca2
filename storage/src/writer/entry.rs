//! A record as a log holds it: its meeting, and the columns of its row.

use lectern_pipelines::MeetingId;
use serde::{Deserialize, Serialize};

use crate::{
    Record,
    transcript::{
        GapRow, ParticipantRow, SegmentRow, gap_of, gap_row, participant_of, segment_of, segment_row,
    },
};

#[derive(Serialize, Deserialize)]
struct Entry {
    meeting: String,
    #[serde(flatten)]
    row: Row,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Row {
    Segment(SegmentRow),
    Gap(GapRow),
    Participant(ParticipantRow),
}

pub(super) fn encode(meeting: &MeetingId, record: &Record) -> Vec<u8> {
    let row = match record {
        Record::Segment(segment) => Row::Segment(segment_row(segment)),
        Record::Gap(gap) => Row::Gap(gap_row(gap)),
        Record::Participant(participant) => {
            Row::Participant((participant.identity.as_str().to_owned(), participant.name.clone()))
        }
    };
    let meeting = meeting.as_str().to_owned();
    serde_json::to_vec(&Entry { meeting, row }).expect("strings and numbers always become JSON")
}

/// Nothing of what another version wrote that this one can't read.
pub(super) fn decode(bytes: &[u8]) -> Option<(MeetingId, Record)> {
    let Entry { meeting, row } = serde_json::from_slice(bytes).ok()?;
    let record = match row {
        Row::Segment(row) => Record::Segment(segment_of(row)?),
        Row::Gap(row) => Record::Gap(gap_of(row)?),
        Row::Participant((identity, name)) => Record::Participant(participant_of(identity, name)?),
    };
    Some((MeetingId::parse(meeting).ok()?, record))
}

#[cfg(test)]
mod tests {
    use lectern_pipelines::{
        Gap, GapReason, MediaTime, Participant, ParticipantIdentity, Segment, SegmentId, TrackSid, Word,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::records;

    fn person(name: String) -> Participant {
        let identity = ParticipantIdentity::parse("ada").expect("an identity");
        Participant { identity, name }
    }

    fn segment(number: u32, text: String, language: Option<String>, name: String) -> Record {
        let word = Word {
            text: text.clone(),
            start: MediaTime::from_millis(number.into()),
            end: MediaTime::from_millis(u64::from(number) + 80),
            confidence: 0.875,
        };
        Record::Segment(Segment {
            id: SegmentId::parse(format!("SG_{number}")).expect("an id"),
            track: TrackSid::parse("TR_ada").expect("a SID"),
            speaker: person(name),
            start: word.start,
            end: word.end,
            text,
            language,
            words: vec![word],
            is_final: true,
            utterance: number,
        })
    }

    fn gap(start: u32) -> Record {
        Record::Gap(Gap {
            track: TrackSid::parse("TR_ada").expect("a SID"),
            speaker: person("Ada".to_owned()),
            start: MediaTime::from_millis(start.into()),
            end: MediaTime::from_millis(u64::from(start) + 9),
            reason: GapReason::RecogniserAway,
        })
    }

    fn record() -> impl Strategy<Value = Record> {
        prop_oneof![
            (
                any::<u32>(),
                any::<String>(),
                any::<Option<String>>(),
                any::<String>()
            )
                .prop_map(|(number, text, language, name)| segment(number, text, language, name)),
            any::<u32>().prop_map(gap),
            any::<String>().prop_map(|name| Record::Participant(person(name))),
        ]
    }

    proptest! {
        #[test]
        fn log_that_was_cut_anywhere_gives_all_whole_records(
            records in prop::collection::vec(record(), 0..5)
        ) {
            let meeting = MeetingId::parse("m").expect("an id");
            let (mut log, mut ends) = (Vec::new(), Vec::new());
            for record in &records {
                records::append(&mut log, &encode(&meeting, record));
                ends.push(log.len());
            }
            for cut in 0..=log.len() {
                let whole = ends.iter().filter(|end| **end <= cut).count();
                let found: Option<Vec<_>> = records::read(&log[..cut]).map(decode).collect();
                let wanted: Vec<_> = records[..whole].iter().map(|record| (meeting.clone(), record.clone())).collect();
                prop_assert_eq!(found, Some(wanted));
            }
        }
    }

    #[test]
    fn what_a_newer_version_wrote_is_not_guessed_at() {
        assert_eq!(decode(br#"{"meeting":"m","laughter":["TR_ada",1,2]}"#), None);
        assert_eq!(decode(b"{"), None);
    }
}
