//! What outlives a meeting: rows in SQLite or Postgres, objects in a folder or S3.
//!
//! [`Database`] holds meetings, who works on them, what was said and what came of it; [`Objects`] holds files.
//! A live meeting stores through a [`Writer`], which says of every segment when it is safe; everything else calls
//! [`Database`] directly. No function here reads a clock: times are arguments.

mod database;
mod error;
mod key;
mod lease;
mod meeting;
mod objects;
mod outcome;
mod transcript;
mod writer;

pub use database::{Database, DatabaseConfig, Postgres, SQLITE_CONNECTIONS_MAX};
pub use error::Error;
pub use key::{ObjectKey, object_key};
pub use lease::{Lease, LiveMeeting, PendingMeeting};
pub use meeting::{
    CONTINUES_WITHIN, MeetingCursor, MeetingOverview, MeetingPage, OpenedMeeting, Origin, PAGE_ITEMS_MAX,
};
pub use objects::{Addressing, Bucket, Folder, Objects, ObjectsConfig, S3Config};
pub use outcome::{Artifact, NewSummary};
pub use transcript::Record;
pub use writer::{MeetingWriter, NotTaken, QUEUED_RECORDS_MAX, Receipt, Writer, WriterTask};
