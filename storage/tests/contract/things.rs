//! Meetings and words to test with.

use lectern_pipelines::{
    Gap, GapReason, MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, RoomSid, Segment,
    SegmentId, TrackSid, UnixMillis, Word,
};
use lectern_storage::{Database, DatabaseConfig};

/// A database of its own for one test.
pub(crate) struct Place {
    pub(crate) config: DatabaseConfig,
    pub(crate) database: Database,
    /// What to drop when the test is through, and where.
    pub(crate) leftover: Leftover,
}

pub(crate) enum Leftover {
    Folder(tempfile::TempDir),
    PostgresDatabase { admin_url: String, name: String },
}

impl Place {
    /// A database that is open, with its tables.
    pub(crate) async fn new(config: DatabaseConfig, leftover: Leftover) -> Self {
        let database = Database::open(&config).await.expect("a database");
        database.migrate().await.expect("tables");
        Self {
            config,
            database,
            leftover,
        }
    }

    /// The same database as another process would open it.
    pub(crate) async fn another(&self) -> Database {
        Database::open(&self.config).await.expect("a database")
    }

    /// Runs a statement behind everybody's back.
    pub(crate) async fn meddle(&self, statement: &'static str) {
        let done = match &self.database {
            Database::Sqlite(sqlite) => sqlx::raw_sql(statement).execute(sqlite.pool()).await.map(drop),
            Database::Postgres(postgres) => sqlx::raw_sql(statement).execute(postgres.pool()).await.map(drop),
        };
        done.expect("a statement that runs");
    }

    pub(crate) async fn remove(self) {
        self.database.close().await;
        match self.leftover {
            Leftover::Folder(folder) => folder.close().expect("a folder that can be removed"),
            Leftover::PostgresDatabase { admin_url, name } => {
                crate::postgres::administer(&admin_url, format!("drop database {name} with (force)")).await;
            }
        }
    }

    /// A meeting that just began in a room of its own.
    pub(crate) async fn meeting(&self, room_name: &str, now: i64) -> MeetingId {
        let opened = self
            .database
            .open_meeting(&room(room_name), &sid(room_name), UnixMillis(now))
            .await;
        opened.expect("a meeting").id
    }

    /// How many segments are stored of a meeting.
    pub(crate) async fn segment_count(&self, meeting: &MeetingId) -> u64 {
        self.database
            .meeting(meeting)
            .await
            .expect("readable")
            .expect("a meeting")
            .segments
    }
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

pub(crate) fn sid(name: &str) -> RoomSid {
    RoomSid::parse(format!("RM_{name}")).expect("a SID")
}

pub(crate) fn person(identity: &str) -> Participant {
    Participant {
        identity: ParticipantIdentity::parse(identity).expect("an identity"),
        name: format!("Name of {identity}"),
    }
}

pub(crate) fn segment(id: &str, start: u64, text: &str) -> Segment {
    let words = text.split_whitespace().map(|word| Word {
        text: word.to_owned(),
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(start + 80),
        confidence: 0.875,
    });
    Segment {
        id: SegmentId::parse(id).expect("an id"),
        track: TrackSid::parse("TR_ada").expect("a SID"),
        speaker: person("ada"),
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(start + 400),
        text: text.to_owned(),
        language: Some("en-GB".to_owned()),
        words: words.collect(),
        is_final: true,
        utterance: 3,
    }
}

pub(crate) fn gap(start: u64, end: u64, reason: GapReason) -> Gap {
    Gap {
        track: TrackSid::parse("TR_ada").expect("a SID"),
        speaker: person("ada"),
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(end),
        reason,
    }
}
