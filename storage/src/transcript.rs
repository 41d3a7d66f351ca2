//! What was said, by whom, and what is known to be missing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use lectern_pipelines::{
    Gap, GapReason, Lecture, MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, Segment,
    SegmentId, TrackSid, UnixMillis, Word,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Database, Error, HookTopic,
    database::{rows, sql, transaction},
    meeting::without_nul,
    outbox::{Plan, Told, carry_out, wanting_hooks},
    search::{IndexedText, index_texts},
};

/// Something that a live meeting stores. Storing it twice is storing it once.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Final words. They never change again: what is stored under their id stays.
    Segment(Segment),
    /// Speech that is missing. The longer one of two that begin together stays.
    Gap(Gap),
    /// Somebody who is there. They keep their place; the latest name stays.
    Participant(Participant),
}

impl Database {
    /// Stores segments of one meeting, all or none.
    pub async fn store_segments(&self, meeting: &MeetingId, segments: &[Segment]) -> Result<(), Error> {
        let records: Vec<_> = segments.iter().cloned().map(Record::Segment).collect();
        self.store(records.iter().map(|record| (meeting, record))).await
    }

    /// Stores that speech is missing.
    pub async fn store_gap(&self, meeting: &MeetingId, gap: &Gap) -> Result<(), Error> {
        self.store([(meeting, &Record::Gap(gap.clone()))]).await
    }

    /// Stores who is there, in the order they came.
    pub async fn store_participants(
        &self,
        meeting: &MeetingId,
        participants: &[Participant],
    ) -> Result<(), Error> {
        let records: Vec<_> = participants.iter().cloned().map(Record::Participant).collect();
        self.store(records.iter().map(|record| (meeting, record))).await
    }

    /// Stores records of any meetings in one transaction, all or none. What comes late, to a transcript that was complete,
    /// is a revision of it: files that are made are made anew.
    pub(crate) async fn store<'a>(
        &self,
        records: impl IntoIterator<Item = (&'a MeetingId, &'a Record)>,
    ) -> Result<(), Error> {
        let records: Vec<_> = records.into_iter().collect();
        let lines = lines_of(&records);
        transaction!(self, Write, "store what was said", |connection| {
            let (mut positions, mut complete) = (HashMap::new(), BTreeSet::new());
            for (meeting, count) in &lines {
                // This row stays locked until we commit; the order in which meetings come keeps two of us apart.
                let (last, is_complete) = rows!(
                    (i64, i64),
                    "insert into caption_position (meeting_id, last) values ($1, $2)
                    on conflict (meeting_id) do update set last = caption_position.last + excluded.last
                    returning last, cast((select count(*) from meeting
                        where id = caption_position.meeting_id and stage not in ('live', 'ended')) as bigint)",
                    *meeting,
                    *count
                )
                .fetch_one(&mut *connection)
                .await?;
                positions.insert(*meeting, last - count);
                if is_complete > 0 {
                    complete.insert(*meeting);
                }
            }
            let mut next_position = |meeting| {
                let position = positions.entry(meeting).or_insert(0);
                *position += 1;
                *position
            };
            let (mut texts, mut fresh, mut revised) = (Vec::new(), Vec::new(), BTreeSet::new());
            for (id, record) in &records {
                let meeting = id.as_str();
                let stored = match record {
                    Record::Segment(segment) => sql!(
                        "insert into segment (meeting_id, id, track, identity, name, start_ms, end_ms, text, language,
                            words, utterance, position)
                        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing",
                        meeting,
                        segment.id.as_str(),
                        segment.track.as_str(),
                        segment.speaker.identity.as_str(),
                        without_nul(&segment.speaker.name),
                        stored_millis(segment.start),
                        stored_millis(segment.end),
                        without_nul(&segment.text),
                        segment.language.as_deref().map(without_nul),
                        json_of(&segment.words),
                        i64::from(segment.utterance),
                        next_position(meeting)
                    ),
                    Record::Gap(gap) => sql!(
                        "insert into gap (meeting_id, track, identity, name, start_ms, end_ms, reason, position)
                        values ($1, $2, $3, $4, $5, $6, $7, $8)
                        on conflict (meeting_id, track, start_ms) do update
                        set end_ms = excluded.end_ms, reason = excluded.reason, position = excluded.position
                        where gap.end_ms < excluded.end_ms",
                        meeting,
                        gap.track.as_str(),
                        gap.speaker.identity.as_str(),
                        without_nul(&gap.speaker.name),
                        stored_millis(gap.start),
                        stored_millis(gap.end),
                        gap.reason.as_str(),
                        next_position(meeting)
                    ),
                    Record::Participant(participant) => sql!(
                        "insert into participant (meeting_id, identity, name, position)
                        select $1, $2, $3, coalesce(max(position) + 1, 0) from participant where meeting_id = $1
                        on conflict (meeting_id, identity) do update set name = excluded.name",
                        meeting,
                        participant.identity.as_str(),
                        without_nul(&participant.name)
                    ),
                }
                .execute(&mut *connection)
                .await?
                .rows_affected();
                if stored == 1 && complete.contains(meeting) && !matches!(record, Record::Participant(_)) {
                    revised.insert(meeting);
                }
                if let (Record::Segment(segment), 1) = (record, stored) {
                    texts.push(IndexedText::segment(
                        self,
                        meeting,
                        segment.id.as_str(),
                        &segment.text,
                    ));
                    if !segment.text.is_empty() {
                        fresh.push((*id, segment));
                    }
                }
            }
            for meeting in revised {
                // Whoever renders it just now finds another revision at the end, and begins anew.
                sql!(
                    "update meeting set revision = revision + 1,
                        stage = case stage when 'rendered' then 'summarised' else stage end
                    where id = $1",
                    meeting
                )
                .execute(&mut *connection)
                .await?;
            }
            index_texts!(self, connection, &texts);
            tell_of_captions!(self, connection, fresh);
        })
    }

    /// A meeting, whole: what exports, summary and minutes are made of.
    ///
    /// Its duration is up to its end, or while it goes on up to the last words.
    pub async fn lecture(&self, meeting: &MeetingId) -> Result<Option<Lecture>, Error> {
        let stored = transaction!(self, Read, "read a transcript", |connection| {
            let head = rows!(
                HeadRow,
                "select room, (select title from room where room.id = meeting.room), started_at, ended_at, revision
                from meeting where id = $1",
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?;
            let participants = rows!(
                ParticipantRow,
                "select identity, name from participant where meeting_id = $1 order by position, identity",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?;
            let segments = rows!(
                SegmentRow,
                "select id, track, identity, name, start_ms, end_ms, text, language, words, utterance from segment
                where meeting_id = $1 and text <> ''",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?;
            let gaps = rows!(
                GapRow,
                "select track, identity, name, start_ms, end_ms, reason from gap where meeting_id = $1",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?;
            head.map(|head| (head, participants, segments, gaps))
        })?;
        stored
            .map(|stored| {
                lecture_of(meeting, stored).ok_or_else(|| Error::unreadable("transcript", meeting.as_str()))
            })
            .transpose()
    }
}

/// How many records of each meeting get a position.
fn lines_of<'a>(records: &[(&'a MeetingId, &Record)]) -> BTreeMap<&'a str, i64> {
    let mut lines = BTreeMap::new();
    for (meeting, record) in records {
        if matches!(record, Record::Segment(_) | Record::Gap(_)) {
            *lines.entry(meeting.as_str()).or_insert(0) += 1;
        }
    }
    lines
}

/// Tells webhooks what was said, of segments that are stored just now.
macro_rules! tell_of_captions {
    ($database:expr, $connection:ident, $fresh:expr) => {
        let fresh: Vec<(&MeetingId, &Segment)> = $fresh;
        if !fresh.is_empty() {
            // Nearly always there is none, and nothing more to do.
            let hooks = wanting_hooks!($database, $connection, HookTopic::CaptionFinal);
            if !hooks.is_empty() {
                let mut told = Vec::new();
                for of_one in fresh.chunk_by(|(one, _), (other, _)| one == other) {
                    let (meeting, _) = of_one[0];
                    let head = rows!(
                        (String, i64),
                        "select room, started_at from meeting
                        where id = $1 and id not in (select meeting_id from erasure)",
                        meeting.as_str()
                    )
                    .fetch_optional(&mut *$connection)
                    .await?;
                    if let Some(head) = &head {
                        let segments = of_one.iter().map(|(_, segment)| segment);
                        told.extend(segments.map(|segment| told_of(meeting, head, segment)));
                    }
                }
                let plan = Plan::new(HookTopic::CaptionFinal, &hooks, &told);
                carry_out!($connection, &plan);
            }
        }
    };
}
use tell_of_captions;

/// What webhooks are told of final words. They happened when they had been said.
fn told_of(meeting: &MeetingId, (room, started_at): &(String, i64), segment: &Segment) -> Told {
    let data = json!({
        "segmentId": segment.id.as_str(),
        "trackId": segment.track.as_str(),
        "speaker": { "identity": segment.speaker.identity.as_str(), "name": segment.speaker.name },
        "startMs": segment.start.as_millis(),
        "endMs": segment.end.as_millis(),
        "text": segment.text,
        "language": segment.language,
    });
    Told {
        room: Some(room.clone()),
        meeting: Some(meeting.as_str().to_owned()),
        at: UnixMillis(started_at.saturating_add(stored_millis(segment.end))),
        data: data.to_string(),
    }
}

/// Room, its title, start, end, and how often it was corrected.
type HeadRow = (String, Option<String>, i64, Option<i64>, i64);
pub(crate) type ParticipantRow = (String, String);
pub(crate) type SegmentRow = (
    String,
    String,
    String,
    String,
    i64,
    i64,
    String,
    Option<String>,
    String,
    i64,
);
pub(crate) type GapRow = (String, String, String, i64, i64, String);

fn lecture_of(
    meeting: &MeetingId,
    ((room, room_title, started_at, ended_at, revision), participants, segments, gaps): (
        HeadRow,
        Vec<ParticipantRow>,
        Vec<SegmentRow>,
        Vec<GapRow>,
    ),
) -> Option<Lecture> {
    let participants: Vec<_> = participants
        .into_iter()
        .map(|(identity, name)| participant_of(identity, name))
        .collect::<Option<_>>()?;
    // Sorted here and not by the database, whose order of texts depends on how it was set up.
    let mut segments: Vec<_> = segments.into_iter().map(segment_of).collect::<Option<_>>()?;
    segments.sort_by(|one, other| (one.start, &one.id).cmp(&(other.start, &other.id)));
    let mut gaps: Vec<_> = gaps.into_iter().map(gap_of).collect::<Option<_>>()?;
    gaps.sort_by(|one, other| (one.start, &one.track).cmp(&(other.start, &other.track)));
    let spoken = segments
        .iter()
        .map(|segment| segment.end)
        .max()
        .unwrap_or(MediaTime::ZERO);
    let lasted = ended_at.map_or(0, |ended_at| {
        u64::try_from(ended_at.saturating_sub(started_at)).unwrap_or(0)
    });
    Some(Lecture {
        meeting: meeting.clone(),
        room: RoomName::parse(room).ok()?,
        room_title,
        revision: revision.unsigned_abs(),
        started_at: UnixMillis(started_at),
        // Words never lie behind the end, even if the clock was set back meanwhile.
        duration: Duration::from_millis(lasted.max(spoken.as_millis())),
        participants,
        segments,
        gaps,
    })
}

pub(crate) fn participant_of(identity: String, name: String) -> Option<Participant> {
    Some(Participant {
        identity: ParticipantIdentity::parse(identity).ok()?,
        name,
    })
}

pub(crate) fn segment_of(row: SegmentRow) -> Option<Segment> {
    let (id, track, identity, name, start, end, text, language, words, utterance) = row;
    Some(Segment {
        id: SegmentId::parse(id).ok()?,
        track: TrackSid::parse(track).ok()?,
        speaker: participant_of(identity, name)?,
        start: media_time(start)?,
        end: media_time(end)?,
        text,
        language,
        words: words_of(&words)?,
        is_final: true,
        utterance: u32::try_from(utterance).ok()?,
    })
}

/// The columns of a segment, as [`segment_of`] takes them.
pub(crate) fn segment_row(segment: &Segment) -> SegmentRow {
    (
        segment.id.as_str().to_owned(),
        segment.track.as_str().to_owned(),
        segment.speaker.identity.as_str().to_owned(),
        segment.speaker.name.clone(),
        stored_millis(segment.start),
        stored_millis(segment.end),
        segment.text.clone(),
        segment.language.clone(),
        json_of(&segment.words),
        i64::from(segment.utterance),
    )
}

/// The columns of a gap, as [`gap_of`] takes them.
pub(crate) fn gap_row(gap: &Gap) -> GapRow {
    (
        gap.track.as_str().to_owned(),
        gap.speaker.identity.as_str().to_owned(),
        gap.speaker.name.clone(),
        stored_millis(gap.start),
        stored_millis(gap.end),
        gap.reason.as_str().to_owned(),
    )
}

pub(crate) fn gap_of((track, identity, name, start, end, reason): GapRow) -> Option<Gap> {
    Some(Gap {
        track: TrackSid::parse(track).ok()?,
        speaker: participant_of(identity, name)?,
        start: media_time(start)?,
        end: media_time(end)?,
        reason: GapReason::parse(&reason)?,
    })
}

/// A word as the column holds it: an array, because an hour has some nine thousand of them.
#[derive(Serialize, Deserialize)]
struct WordRow<'a>(
    #[serde(borrow)] std::borrow::Cow<'a, str>,
    MediaTime,
    MediaTime,
    f32,
);

fn json_of(words: &[Word]) -> String {
    let rows: Vec<_> = words.iter().map(word_row).collect();
    serde_json::to_string(&rows).expect("strings and numbers always become JSON")
}

fn word_row(word: &Word) -> WordRow<'_> {
    // JSON has no NaN: it would come back as null.
    let confidence = if word.confidence.is_finite() {
        word.confidence
    } else {
        0.0
    };
    WordRow(word.text.as_str().into(), word.start, word.end, confidence)
}

fn words_of(json: &str) -> Option<Vec<Word>> {
    let rows: Vec<WordRow<'_>> = serde_json::from_str(json).ok()?;
    let word = |WordRow(text, start, end, confidence)| Word {
        text: String::from(text),
        start,
        end,
        confidence,
    };
    Some(rows.into_iter().map(word).collect())
}

pub(crate) fn stored_millis(time: MediaTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn media_time(millis: i64) -> Option<MediaTime> {
    u64::try_from(millis).ok().map(MediaTime::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        let words: Vec<_> = [
            ("Größe,", 0.25),
            ("\"\\\u{0}", 1.0),
            ("何", 0.0),
            ("x", f32::MIN_POSITIVE),
        ]
        .into_iter()
        .map(|(text, confidence)| Word {
            text: text.to_owned(),
            start: MediaTime::from_millis(7),
            end: MediaTime::from_millis(u64::MAX),
            confidence,
        })
        .collect();
        let json = json_of(&words);
        assert_eq!(words_of(&json).expect("our own JSON"), words);
        assert!(!json.contains('\0'));
        assert_eq!(words_of("[]"), Some(Vec::new()));
        assert_eq!(words_of("{"), None);
    }

    #[test]
    fn confidence_that_is_no_number_is_none() {
        let word = Word {
            text: "x".to_owned(),
            start: MediaTime::ZERO,
            end: MediaTime::ZERO,
            confidence: f32::NAN,
        };
        assert_eq!(
            words_of(&json_of(&[word])).expect("our own JSON")[0].confidence,
            0.0
        );
    }
}
