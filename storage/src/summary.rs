//! Summaries: asked for, made, and kept, the newest in front.

use std::collections::HashSet;

use lectern_pipelines::{AccountId, MeetingId, Summary, SummarySource, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    meeting::without_nul,
    search::{IndexedText, index_texts},
};

/// A summary to be stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSummary<'a> {
    /// Which of the meeting's summaries it is; what is stored under this number is replaced.
    pub version: u64,
    /// All of it.
    pub summary: &'a Summary,
    /// [`Lecture::revision`](lectern_pipelines::Lecture::revision) of the transcript that it was made from.
    pub revision: u64,
    /// When it was made.
    pub made_at: UnixMillis,
    /// When a language model is asked again, whose summary takes this one's place.
    pub ask_again_at: Option<UnixMillis>,
}

/// A summary that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryTask {
    /// Which of the meeting's summaries it will be.
    pub version: u64,
    /// What somebody asked for; nothing for the one that each lecture gets by itself.
    pub order: Option<SummaryOrder>,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SummaryOrder {
    /// The language to write in, BCP 47.
    pub language: Option<String>,
    /// What to do in it, in their own words.
    pub instructions: Option<String>,
}

/// One of a meeting's summaries.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryVersion {
    /// From 1 on.
    pub version: u64,
    /// What was asked for.
    pub order: SummaryOrder,
    /// The account that asked, and when; nothing for the one that each lecture gets by itself.
    pub asked: Option<(String, UnixMillis)>,
    /// When it was made, if it is.
    pub made_at: Option<UnixMillis>,
    /// What was made; nothing while it waits, or where another version stored what this one can't read.
    pub summary: Option<Summary>,
}

/// How many summaries are kept of a meeting: when there are more, the oldest goes.
pub const SUMMARIES_KEPT_MAX: u32 = 20;

impl Database {
    /// Asks for another summary of a meeting whose last one is made; says under which number it will be. Nothing where
    /// one is still to be made.
    pub async fn order_summary(
        &self,
        meeting: &MeetingId,
        order: &SummaryOrder,
        by: &AccountId,
        now: UnixMillis,
    ) -> Result<Option<u64>, Error> {
        let version = transaction!(self, Write, "ask for a summary", |connection| {
            let is_free = sql!(
                "update meeting set stage = 'transcribed', attempts = 0, failure = null, next_attempt_at = $2
                where id = $1 and stage in ('summarised', 'rendered')",
                meeting.as_str(),
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
                == 1;
            match is_free {
                false => None,
                true => {
                    let ordered = rows!(
                        (i64,),
                        "insert into lecture_summary (meeting_id, version, language, instructions, asked_by, asked_at)
                        select $1, coalesce(max(version) + 1, 1), $2, $3, $4, $5 from lecture_summary
                        where meeting_id = $1 returning version",
                        meeting.as_str(),
                        order.language.as_deref(),
                        order.instructions.as_deref(),
                        by.as_str(),
                        now.0
                    )
                    .fetch_one(&mut *connection)
                    .await?;
                    sql!(
                        "delete from lecture_summary where meeting_id = $1 and version <= $2",
                        meeting.as_str(),
                        ordered.0 - i64::from(SUMMARIES_KEPT_MAX)
                    )
                    .execute(&mut *connection)
                    .await?;
                    Some(ordered.0)
                }
            }
        })?;
        Ok(version.map(i64::unsigned_abs))
    }

    /// The summary that a meeting waits for; nothing where it has what it is to have. One that can't be read, because
    /// another version stored it, is made anew under another number.
    pub async fn summary_to_make(&self, meeting: &MeetingId) -> Result<Option<SummaryTask>, Error> {
        let versions = self.summaries(meeting).await?;
        // The newest is first.
        if let Some(waiting) = versions.iter().rev().find(|version| version.made_at.is_none()) {
            return Ok(Some(SummaryTask {
                version: waiting.version,
                order: Some(waiting.order.clone()),
            }));
        }
        Ok(match versions.first() {
            Some(SummaryVersion { summary: Some(_), .. }) => None,
            newest => Some(SummaryTask {
                version: newest.map_or(1, |newest| newest.version + 1),
                order: None,
            }),
        })
    }

    /// The newest summary, if it stands in for a language model's that is still to come.
    pub async fn awaited_summary(&self, meeting: &MeetingId) -> Result<Option<SummaryVersion>, Error> {
        let newest = self.summaries(meeting).await?.into_iter().next();
        Ok(newest.filter(|newest| {
            let source = newest.summary.as_ref().map(|summary| &summary.source);
            let absence = source.and_then(SummarySource::absence);
            absence.is_some_and(|absence| absence.is_awaited)
        }))
    }

    /// Has the language model asked again at some other time, or not at all.
    pub async fn ask_again_at(&self, meeting: &MeetingId, at: Option<UnixMillis>) -> Result<(), Error> {
        transaction!(self, Write, "put off a summary", |connection| {
            sql!(
                "update meeting set ask_again_at = $2 where id = $1",
                meeting.as_str(),
                at.map(|at| at.0)
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Stores a meeting's summary; lists show its title and language from now on.
    pub async fn store_summary(&self, meeting: &MeetingId, new: NewSummary<'_>) -> Result<(), Error> {
        let meeting = meeting.as_str();
        let json = serde_json::to_string(new.summary).expect("strings and numbers are JSON");
        let texts = [
            IndexedText::title(self, meeting, &new.summary.title),
            IndexedText::summary(self, meeting, new.summary),
        ];
        transaction!(self, Write, "store a summary", |connection| {
            sql!(
                "update meeting set title = $2, language = $3, ask_again_at = $4 where id = $1",
                meeting,
                without_nul(&new.summary.title),
                new.summary.language.as_deref().map(without_nul),
                new.ask_again_at.map(|at| at.0)
            )
            .execute(&mut *connection)
            .await?;
            sql!(
                "insert into lecture_summary (meeting_id, version, json, made_at, revision) values ($1, $2, $3, $4, $5)
                on conflict (meeting_id, version) do update
                set json = excluded.json, made_at = excluded.made_at, revision = excluded.revision",
                meeting,
                stored(new.version),
                without_nul(&json),
                new.made_at.0,
                stored(new.revision)
            )
            .execute(&mut *connection)
            .await?;
            sql!(
                "delete from search_text where meeting_id = $1 and kind in ('title', 'summary')",
                meeting
            )
            .execute(&mut *connection)
            .await?;
            index_texts!(self, connection, &texts);
        })
    }

    /// A meeting's newest summary.
    pub async fn summary(&self, meeting: &MeetingId) -> Result<Option<Summary>, Error> {
        let versions = self.summaries(meeting).await?;
        let newest = versions.into_iter().find(|version| version.made_at.is_some());
        newest
            .map(|newest| {
                newest
                    .summary
                    .ok_or_else(|| Error::unreadable("summary", meeting.as_str()))
            })
            .transpose()
    }

    /// All of a meeting's summaries, the newest first. Each says of itself whether the transcript is newer.
    pub async fn summaries(&self, meeting: &MeetingId) -> Result<Vec<SummaryVersion>, Error> {
        let (versions, corrected) = transaction!(self, Read, "read summaries", |connection| {
            let versions = rows!(
                VersionRow,
                "select version, language, instructions, asked_by, asked_at, made_at, json, revision
                from lecture_summary where meeting_id = $1 order by version desc",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?;
            let corrected = rows!(
                (String, i64),
                "select id, revision from segment where meeting_id = $1 and revision > 0",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?;
            (versions, corrected)
        })?;
        let version = |row| version_of(row, &corrected);
        Ok(versions.into_iter().map(version).collect())
    }
}

/// Version; language, instructions, who asked and when; when it was made, what, and of which revision.
type VersionRow = (
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

fn version_of(row: VersionRow, corrected: &[(String, i64)]) -> SummaryVersion {
    let (version, language, instructions, asked_by, asked_at, made_at, json, revision) = row;
    let newer: HashSet<&str> = corrected
        .iter()
        .filter(|(_, corrected)| Some(*corrected) > revision)
        .map(|(segment, _)| segment.as_str())
        .collect();
    let summary: Option<Summary> = json.and_then(|json| serde_json::from_str(&json).ok());
    SummaryVersion {
        version: version.unsigned_abs(),
        order: SummaryOrder {
            language,
            instructions,
        },
        asked: asked_by.zip(asked_at.map(UnixMillis)),
        made_at: made_at.map(UnixMillis),
        summary: summary.map(|summary| {
            let is_outdated = summary.citations().any(|cited| newer.contains(cited.as_str()));
            Summary {
                is_outdated,
                ..summary
            }
        }),
    }
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
