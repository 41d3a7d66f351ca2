//! Corrections: what was misheard, put right, with all that it was before.

use lectern_pipelines::{
    AccountId, MediaTime, MeetingId, Participant, ParticipantIdentity, SegmentId, UnixMillis,
};

use crate::{
    Cursor, Database, Error, Page,
    database::{rows, sql, transaction},
    meeting::without_nul,
    page::{page_of, rows_for},
    search::{IndexedText, index_texts},
    transcript::{media_time, participant_of, stored_millis},
};

/// A segment as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSegment {
    /// Its id.
    pub id: SegmentId,
    /// When it begins.
    pub start: MediaTime,
    /// When it ends.
    pub end: MediaTime,
    /// BCP 47, where it is known.
    pub language: Option<String>,
    /// What it says, and since when.
    pub current: SegmentVersion,
}

/// What a segment says or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentVersion {
    /// At which of the meeting's revisions it came to say so; 0 as it was heard.
    pub revision: u64,
    /// Who says it.
    pub speaker: Participant,
    /// The words.
    pub text: String,
    /// When it was corrected to this; nothing as it was heard.
    pub corrected_at: Option<UnixMillis>,
    /// The id of the account that did.
    pub corrected_by: Option<String>,
}

/// What a segment is to say.
#[derive(Debug, Clone, Copy)]
pub struct Correction<'a> {
    /// The words.
    pub text: &'a str,
    /// Who says it, of those who were there; nothing where that is right.
    pub speaker: Option<&'a ParticipantIdentity>,
    /// The version that the corrector has read; nothing to correct any.
    pub revision: Option<u64>,
    /// Who corrects.
    pub by: &'a AccountId,
}

/// What became of a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Corrected {
    /// The segment is now as it was to be.
    Done(StoredSegment),
    /// Somebody else corrected it meanwhile: this is what it says.
    Meanwhile(StoredSegment),
    /// Nobody of that identity was there.
    NobodyThere,
    /// There is no such segment.
    NoSegment,
}

impl Database {
    /// Puts a segment right, keeps what it was, and has the files of a lecture that has them made anew.
    pub async fn correct_segment(
        &self,
        meeting: &MeetingId,
        segment: &SegmentId,
        correction: Correction<'_>,
        now: UnixMillis,
    ) -> Result<Corrected, Error> {
        let (meeting_id, id) = (meeting.as_str(), segment.as_str());
        let text = without_nul(correction.text);
        let indexed = IndexedText::segment(self, meeting_id, id, &text);
        let corrected = transaction!(self, Write, "correct a transcript", |connection| {
            // Of two who correct at once, one waits here.
            sql!("update meeting set revision = revision where id = $1", meeting_id)
                .execute(&mut *connection)
                .await?;
            let found = rows!(
                SegmentRow,
                segment!("where meeting_id = $1 and id = $2 and text <> ''"),
                meeting_id,
                id
            )
            .fetch_optional(&mut *connection)
            .await?;
            let speaker = rows!(
                (String, String),
                "select identity, name from participant where meeting_id = $1 and identity = $2",
                meeting_id,
                correction.speaker.map(ParticipantIdentity::as_str)
            )
            .fetch_optional(&mut *connection)
            .await?;
            let step = match &found {
                None => Step::NoSegment,
                Some(row)
                    if correction
                        .revision
                        .is_some_and(|read| read != row.7.unsigned_abs()) =>
                {
                    Step::Meanwhile
                }
                Some(_) if correction.speaker.is_some() && speaker.is_none() => Step::NobodyThere,
                Some(row) => {
                    let same_speaker = speaker.as_ref().is_none_or(|(identity, _)| *identity == row.4);
                    match (same_speaker, row.6 == text) {
                        (true, true) => Step::Nothing,
                        (_, true) => Step::Correct { words: None },
                        // The single words are not those that were heard any more.
                        (_, false) => Step::Correct { words: Some("[]") },
                    }
                }
            };
            if let Step::Correct { words } = step {
                sql!(
                    "insert into segment_version (meeting_id, segment_id, revision, identity, name, text, words,
                        corrected_at, corrected_by)
                    select meeting_id, id, revision, identity, name, text, words, corrected_at, corrected_by
                    from segment where meeting_id = $1 and id = $2",
                    meeting_id,
                    id
                )
                .execute(&mut *connection)
                .await?;
                sql!(
                    "update meeting set revision = revision + 1 where id = $1",
                    meeting_id
                )
                .execute(&mut *connection)
                .await?;
                // Whoever renders it just now finds another revision at the end, and begins anew.
                sql!(
                    "update meeting set stage = 'summarised', attempts = 0, failure = null, next_attempt_at = $2
                    where id = $1 and stage = 'rendered'",
                    meeting_id,
                    now.0
                )
                .execute(&mut *connection)
                .await?;
                let (identity, name) = speaker.unzip();
                sql!(
                    "update segment set text = $3, identity = coalesce($4, identity), name = coalesce($5, name),
                        words = coalesce($6, words), corrected_at = $7, corrected_by = $8,
                        revision = (select revision from meeting where id = $1)
                    where meeting_id = $1 and id = $2",
                    meeting_id,
                    id,
                    &*text,
                    identity,
                    name,
                    words,
                    now.0,
                    correction.by.as_str()
                )
                .execute(&mut *connection)
                .await?;
                sql!(
                    "delete from search_text where meeting_id = $1 and kind = 'segment' and segment_id = $2",
                    meeting_id,
                    id
                )
                .execute(&mut *connection)
                .await?;
                index_texts!(self, connection, std::slice::from_ref(&indexed));
            }
            let now = rows!(
                SegmentRow,
                segment!("where meeting_id = $1 and id = $2"),
                meeting_id,
                id
            )
            .fetch_optional(&mut *connection)
            .await?;
            (step, now)
        })?;
        let (step, row) = corrected;
        let Some(row) = row else {
            return Ok(Corrected::NoSegment);
        };
        let segment = segment_of(row)?;
        Ok(match step {
            Step::NoSegment => Corrected::NoSegment,
            Step::NobodyThere => Corrected::NobodyThere,
            Step::Meanwhile => Corrected::Meanwhile(segment),
            Step::Nothing | Step::Correct { .. } => Corrected::Done(segment),
        })
    }

    /// Up to `limit` segments with text of a meeting, the first first, from `after` on.
    pub async fn segments(
        &self,
        meeting: &MeetingId,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<StoredSegment>, Error> {
        let (start, id) = after.map_or((-1, ""), |cursor| (cursor.at.0, &cursor.id));
        let found = transaction!(self, Read, "list segments", |connection| {
            rows!(
                SegmentRow,
                segment!(
                    "where meeting_id = $1 and (start_ms, id) > ($2, $3) and text <> ''
                    order by start_ms, id limit $4"
                ),
                meeting.as_str(),
                start,
                id,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let items = found.into_iter().map(segment_of).collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(items, limit, |last| Cursor {
            at: UnixMillis(stored_millis(last.start)),
            id: last.id.as_str().to_owned(),
        }))
    }

    /// All that a segment says and said, the newest first; empty where there is none.
    pub async fn segment_versions(
        &self,
        meeting: &MeetingId,
        segment: &SegmentId,
    ) -> Result<Vec<SegmentVersion>, Error> {
        let found = transaction!(self, Read, "list what a segment said", |connection| {
            rows!(
                VersionRow,
                "select identity, name, text, revision, corrected_at, corrected_by from segment
                where meeting_id = $1 and id = $2
                union all
                select identity, name, text, revision, corrected_at, corrected_by from segment_version
                where meeting_id = $1 and segment_id = $2
                order by revision desc",
                meeting.as_str(),
                segment.as_str()
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let version = |row| version_of(row).ok_or_else(|| Error::unreadable("segment", segment.as_str()));
        found.into_iter().map(version).collect()
    }
}

/// What is to be done for a correction.
enum Step {
    Correct { words: Option<&'static str> },
    Nothing,
    Meanwhile,
    NobodyThere,
    NoSegment,
}

/// Id, start, end, language; identity, name, words, revision, when and by whom it was corrected.
type SegmentRow = (
    String,
    i64,
    i64,
    Option<String>,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<String>,
);
/// The second half of a [`SegmentRow`].
type VersionRow = (String, String, String, i64, Option<i64>, Option<String>);

/// The columns of a [`SegmentRow`], and which rows.
macro_rules! segment {
    ($which:literal) => {
        concat!(
            "select id, start_ms, end_ms, language, identity, name, text, revision, corrected_at, corrected_by
            from segment ",
            $which
        )
    };
}
use segment;

fn segment_of(row: SegmentRow) -> Result<StoredSegment, Error> {
    let (id, start, end, language, identity, name, text, revision, corrected_at, corrected_by) = row;
    let version = version_of((identity, name, text, revision, corrected_at, corrected_by));
    let parts = (
        SegmentId::parse(&*id).ok(),
        media_time(start),
        media_time(end),
        version,
    );
    let (Some(id), Some(start), Some(end), Some(current)) = parts else {
        return Err(Error::unreadable("segment", id));
    };
    Ok(StoredSegment {
        id,
        start,
        end,
        language,
        current,
    })
}

fn version_of(row: VersionRow) -> Option<SegmentVersion> {
    let (identity, name, text, revision, corrected_at, corrected_by) = row;
    Some(SegmentVersion {
        revision: revision.unsigned_abs(),
        speaker: participant_of(identity, name)?,
        text,
        corrected_at: corrected_at.map(UnixMillis),
        corrected_by,
    })
}
