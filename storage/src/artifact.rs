//! The files that are made of a meeting.

use lectern_pipelines::MeetingId;

use crate::{
    Database, Error, ObjectKey,
    database::{rows, sql, transaction},
};

/// The kind of a lecture's PDF, with what people wrote and shared.
pub const LECTURE_PDF: &str = "lecture.pdf";
/// The kind of the same without that, for those who were not there.
pub const SHARED_PDF: &str = "shared.pdf";

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
