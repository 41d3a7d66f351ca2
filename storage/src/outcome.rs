//! What came of a meeting: its summary and the files made of it.

use lectern_pipelines::MeetingId;

use crate::{
    Database, Error, ObjectKey,
    database::{rows, sql, transaction},
    meeting::without_nul,
};

/// A summary to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSummary<'a> {
    /// What the meeting was about, for lists.
    pub title: Option<&'a str>,
    /// The language it was held in, BCP 47, for lists.
    pub language: Option<&'a str>,
    /// All of it, in the form that whoever makes summaries reads back.
    pub json: &'a str,
}

/// A file that is kept of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Which of the meeting's files, `lecture.pdf` say; each kind there is once.
    pub kind: String,
    /// Where [`Objects`](crate::Objects) has it.
    pub key: ObjectKey,
    /// What it is.
    pub media_type: String,
    /// How large it is.
    pub bytes: u64,
}

impl Database {
    /// Stores a meeting's summary in place of any earlier one.
    pub async fn store_summary(&self, meeting: &MeetingId, summary: NewSummary<'_>) -> Result<(), Error> {
        transaction!(self, Write, "store a summary", |connection| {
            sql!(
                "update meeting set title = $2, language = $3 where id = $1",
                meeting.as_str(),
                summary.title.map(without_nul),
                summary.language.map(without_nul)
            )
            .execute(&mut *connection)
            .await?;
            sql!(
                "insert into summary (meeting_id, json) values ($1, $2)
                on conflict (meeting_id) do update set json = excluded.json",
                meeting.as_str(),
                without_nul(summary.json)
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// The JSON of a meeting's summary.
    pub async fn summary(&self, meeting: &MeetingId) -> Result<Option<String>, Error> {
        let row = transaction!(self, Read, "read a summary", |connection| {
            rows!(
                (String,),
                "select json from summary where meeting_id = $1",
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map(|(json,)| json))
    }

    /// Notes a file that was put into the object store, in place of any earlier one of its kind.
    pub async fn store_artifact(&self, meeting: &MeetingId, artifact: &Artifact) -> Result<(), Error> {
        transaction!(self, Write, "note an artifact", |connection| {
            sql!(
                "insert into artifact (meeting_id, kind, object_key, media_type, bytes) values ($1, $2, $3, $4, $5)
                on conflict (meeting_id, kind) do update
                set object_key = excluded.object_key, media_type = excluded.media_type, bytes = excluded.bytes",
                meeting.as_str(),
                &artifact.kind,
                artifact.key.as_str(),
                &artifact.media_type,
                i64::try_from(artifact.bytes).unwrap_or(i64::MAX)
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// The files that are kept of a meeting, by kind.
    pub async fn artifacts(&self, meeting: &MeetingId) -> Result<Vec<Artifact>, Error> {
        let mut found = transaction!(self, Read, "list a meeting's artifacts", |connection| {
            rows!(
                (String, String, String, i64),
                "select kind, object_key, media_type, bytes from artifact where meeting_id = $1",
                meeting.as_str()
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.sort();
        let artifact = |(kind, key, media_type, bytes): (String, String, String, i64)| {
            Ok(Artifact {
                kind,
                key: ObjectKey::parse(key).map_err(|_| Error::unreadable("artifact", meeting.as_str()))?,
                media_type,
                bytes: bytes.unsigned_abs(),
            })
        };
        found.into_iter().map(artifact).collect()
    }
}
