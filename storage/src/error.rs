//! What can go wrong with rows and objects.

use std::{io, path::PathBuf};

use lectern_pipelines::MeetingId;

/// Why something could not be stored or read. Says what was tried; never carries a password or what was said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `DATABASE_URL` names no database that we know.
    #[error(
        "DATABASE_URL can't be used: {reason}; write postgres://user:password@host:5432/database, or leave it unset for SQLite"
    )]
    DatabaseUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The folder of the SQLite file can't be made.
    #[error("can't create the folder {}: {source}; set LECTERN_DATA to a folder that can be written", path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database can't be reached, or refuses us.
    #[error("can't connect to {place}: {source}; {remedy}")]
    Connect {
        /// The database, without its password.
        place: String,
        /// What to do about it.
        remedy: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The database's tables can't be brought up to date.
    #[error("can't bring the tables of {place} up to date: {source}")]
    Migrate {
        /// The database, without its password.
        place: String,
        /// What the driver said.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed; nothing of its transaction was stored.
    #[error("can't {doing}: {source}")]
    Query {
        /// What was tried.
        doing: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The database gave no answer in time. Whether it did what was asked is unknown.
    #[error("can't {doing}: no answer within {seconds} s")]
    NoAnswer {
        /// What was tried.
        doing: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// A row holds what this version can't read.
    #[error("the stored {what} of {id} can't be read; was it written by a newer version?")]
    Unreadable {
        /// Which column.
        what: &'static str,
        /// Whose row.
        id: String,
    },
    /// A text is no cursor that a list gave out.
    #[error("this is no cursor of a list")]
    Cursor,
    /// A text can't be an object's key.
    #[error("{key:?} can't be an object's key: {reason}")]
    ObjectKey {
        /// The text.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file of the object folder can't be written or read.
    #[error("can't {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The S3 server can't be reached, or refuses us.
    #[error("can't {doing} {place}: {reason}")]
    S3 {
        /// What was tried.
        doing: &'static str,
        /// The object or bucket, as `s3://…`.
        place: String,
        /// What the server or the network said, and what to do about it.
        reason: String,
    },
    /// The object store gave back something else than was put there.
    #[error("{place} gave back other bytes than were written to it")]
    ObjectsDiffer {
        /// The object.
        place: String,
    },
}

impl Error {
    pub(crate) fn unreadable(what: &'static str, id: impl Into<String>) -> Self {
        Self::Unreadable { what, id: id.into() }
    }

    /// Whether the database or the object store can't be reached now, so that trying again later may help.
    pub fn is_away(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Connect { .. } => true,
            Self::Query { source, .. } => match source {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Tls(_) => true,
                // Postgres: classes 57 (operator intervention), 53 (insufficient resources) and 08 (connection).
                sqlx::Error::Database(error) => error
                    .code()
                    .is_some_and(|code| code.len() == 5 && ["57", "53", "08"].contains(&&code[..2])),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether trying again can't help: the database understood the statement and refuses these very values.
    pub(crate) fn refuses_values(&self) -> bool {
        let Self::Query {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        // Postgres: classes 22 (data exception) and 23 (constraint). SQLite: too big (18), constraint (19) and its
        // extended codes, whose low byte is 19.
        match error.code().as_deref() {
            Some(code) if code.len() == 5 => code.starts_with("22") || code.starts_with("23"),
            Some(code) => code
                .parse::<u32>()
                .is_ok_and(|code| matches!(code & 0xff, 18 | 19)),
            None => false,
        }
    }
}

/// An id that was stored, as an id again.
pub(crate) fn stored_meeting_id(text: String) -> Result<MeetingId, Error> {
    MeetingId::parse(text.clone()).map_err(|_| Error::unreadable("id", text))
}
