//! Links by which somebody without an account reads a lecture.

use lectern_pipelines::{MeetingId, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
};

/// What is known of a lecture's link; its token is known to those alone who were given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LectureShare {
    /// By which the token is known again.
    pub hash: String,
    /// When it was made.
    pub made_at: UnixMillis,
    /// When it ends; nothing for one that lasts until it is taken back.
    pub expires_at: Option<UnixMillis>,
}

impl Database {
    /// Keeps what is known of a lecture's link, in place of the one before, which ends.
    pub async fn share_lecture(&self, meeting: &MeetingId, share: &LectureShare) -> Result<(), Error> {
        transaction!(self, Write, "share a lecture", |connection| {
            sql!(
                "insert into lecture_share (meeting_id, hash, made_at, expires_at)
                select id, $2, $3, $4 from meeting where id = $1
                on conflict (meeting_id) do update
                    set hash = excluded.hash, made_at = excluded.made_at, expires_at = excluded.expires_at",
                meeting.as_str(),
                &share.hash,
                share.made_at.0,
                share.expires_at.map(|at| at.0)
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// What is known of a lecture's link, unless there is none or it has expired.
    pub async fn lecture_share(
        &self,
        meeting: &MeetingId,
        now: UnixMillis,
    ) -> Result<Option<LectureShare>, Error> {
        let row = transaction!(self, Read, "look a lecture's link up", |connection| {
            rows!(
                (String, i64, Option<i64>),
                "select hash, made_at, expires_at from lecture_share
                where meeting_id = $1 and (expires_at is null or expires_at > $2)",
                meeting.as_str(),
                now.0
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map(|(hash, made_at, expires_at)| LectureShare {
            hash,
            made_at: UnixMillis(made_at),
            expires_at: expires_at.map(UnixMillis),
        }))
    }

    /// Ends a lecture's link; there need not be one. Says whether there was.
    pub async fn stop_sharing_lecture(&self, meeting: &MeetingId) -> Result<bool, Error> {
        let ended = transaction!(self, Write, "end a lecture's link", |connection| {
            sql!(
                "delete from lecture_share where meeting_id = $1",
                meeting.as_str()
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(ended == 1)
    }
}
