//! Rooms: what their owners made of them.

use lectern_pipelines::{AccountId, RoomName, UnixMillis};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Database, Error, HookTopic,
    database::{rows, sql, transaction},
    outbox::{Told, tell_hooks},
    page::{Cursor, Page, before, page_of, rows_for},
    search::{IndexedText, index_texts},
};

/// A room as its owner made it. Rooms that other systems open at LiveKit have no such row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id, which is also what LiveKit calls it.
    pub id: RoomName,
    /// What is written in an invitation.
    pub code: String,
    /// What it is about.
    pub title: String,
    /// Whose room it is.
    pub owner: AccountId,
    /// Whether it is open.
    pub status: RoomStatus,
    /// Whether anybody new may come in.
    pub door: Door,
    /// Everything else, as JSON that its reader made.
    pub settings: String,
    /// When people are invited for.
    pub starts_at: Option<UnixMillis>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// How often what calendars have of it has changed.
    pub revision: u64,
    /// When that was last.
    pub revised_at: Option<UnixMillis>,
}

/// Whether a room is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomStatus {
    /// Nobody has opened it yet.
    Scheduled,
    /// It is open.
    Live,
    /// It was open, and is not.
    Ended,
}

/// Whether anybody new may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// As the room's settings say.
    Unlocked,
    /// Nobody, whatever its settings say.
    Locked,
}

/// What an owner changes; what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoomChange<'a> {
    /// A new title.
    pub title: Option<&'a str>,
    /// New settings, whole.
    pub settings: Option<&'a str>,
    /// When people are invited for.
    pub starts_at: Option<UnixMillis>,
    /// A new owner.
    pub owner: Option<&'a AccountId>,
    /// The time of this change, if it changes what calendars have of the room: its revision is one higher then.
    pub revised_at: Option<UnixMillis>,
}

/// What the worker goes by of a room's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoomWishes {
    /// Whether what is said is captioned.
    pub captions: bool,
    /// The language that is spoken and summarised in, BCP 47; else that of the worker's settings.
    pub language: Option<String>,
    /// Words that may be said there.
    pub keyterms: Vec<String>,
    /// What the room is called; none where nobody made it here.
    #[serde(skip)]
    pub title: Option<String>,
    /// Whether there is to be a summary.
    pub summary: bool,
    /// Whether people may write to one another. Only where the room is ours: there is nowhere else to keep it.
    #[serde(default = "chat_by_default")]
    pub chat: bool,
}

impl Default for RoomWishes {
    fn default() -> Self {
        Self {
            captions: true,
            language: None,
            keyterms: Vec::new(),
            title: None,
            summary: true,
            chat: false,
        }
    }
}

impl RoomStatus {
    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Live => "LIVE",
            Self::Ended => "ENDED",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Scheduled, Self::Live, Self::Ended]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

impl Database {
    /// Stores a new room; says whether its id and code were free.
    pub async fn create_room(&self, room: &Room) -> Result<bool, Error> {
        let made = transaction!(self, Write, "make a room", |connection| {
            sql!(
                "insert into room (id, code, title, owner_id, status, locked, settings, starts_at, created_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
                room.id.as_str(),
                &room.code,
                &room.title,
                room.owner.as_str(),
                room.status.as_str(),
                i64::from(room.door == Door::Locked),
                &room.settings,
                room.starts_at.map(|at| at.0),
                room.created_at.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(made == 1)
    }

    /// One room.
    pub async fn room(&self, id: &RoomName) -> Result<Option<Room>, Error> {
        let row = transaction!(self, Read, "look a room up", |connection| {
            rows!(RoomRow, room!("where id = $1"), id.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(room_of).transpose()
    }

    /// The room that an invitation's code leads to.
    pub async fn room_by_code(&self, code: &str) -> Result<Option<Room>, Error> {
        let row = transaction!(self, Read, "look a room's code up", |connection| {
            rows!(RoomRow, room!("where code = $1"), code)
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(room_of).transpose()
    }

    /// Up to `limit` rooms, of one owner or of all, the latest first, from `after` on.
    pub async fn rooms(
        &self,
        owner: Option<&AccountId>,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<Room>, Error> {
        let (at, id) = before(after);
        let found = transaction!(self, Read, "list rooms", |connection| {
            match owner {
                Some(owner) => {
                    rows!(
                        RoomRow,
                        room!(
                            "where owner_id = $4 and (created_at, id) < ($1, $2)
                        order by created_at desc, id desc limit $3"
                        ),
                        at,
                        id,
                        rows_for(limit),
                        owner.as_str()
                    )
                    .fetch_all(&mut *connection)
                    .await?
                }
                None => {
                    rows!(
                        RoomRow,
                        room!("where (created_at, id) < ($1, $2) order by created_at desc, id desc limit $3"),
                        at,
                        id,
                        rows_for(limit)
                    )
                    .fetch_all(&mut *connection)
                    .await?
                }
            }
        })?;
        let items = found.into_iter().map(room_of).collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(items, limit, |last| Cursor {
            at: last.created_at,
            id: last.id.as_str().to_owned(),
        }))
    }

    /// Changes a room; gives it back as it is now, if there is one.
    pub async fn change_room(&self, id: &RoomName, change: RoomChange<'_>) -> Result<Option<Room>, Error> {
        let row = transaction!(self, Write, "change a room", |connection| {
            sql!(
                "update room set title = coalesce($2, title), settings = coalesce($3, settings),
                    starts_at = coalesce($4, starts_at), owner_id = coalesce($5, owner_id),
                    revision = case when $6 is null then revision else revision + 1 end,
                    revised_at = coalesce($6, revised_at)
                where id = $1",
                id.as_str(),
                change.title,
                change.settings,
                change.starts_at.map(|at| at.0),
                change.owner.map(AccountId::as_str),
                change.revised_at.map(|at| at.0)
            )
            .execute(&mut *connection)
            .await?;
            if let Some(title) = change.title {
                // Lectures that have no title of their own are found by their room's.
                sql!(
                    "delete from search_text where kind = 'title' and meeting_id in
                        (select id from meeting where room = $1 and title is null)",
                    id.as_str()
                )
                .execute(&mut *connection)
                .await?;
                let untitled = rows!(
                    (String,),
                    "select id from meeting where room = $1 and title is null",
                    id.as_str()
                )
                .fetch_all(&mut *connection)
                .await?;
                let titles: Vec<_> = untitled
                    .iter()
                    .map(|(meeting,)| IndexedText::title(self, meeting, title))
                    .collect();
                index_texts!(self, connection, &titles);
            }
            rows!(RoomRow, room!("where id = $1"), id.as_str())
                .fetch_optional(&mut *connection)
                .await?
        })?;
        row.map(room_of).transpose()
    }

    /// What a room's owner wants of the worker. Rooms that nobody made here want what whoever runs the worker wants.
    pub async fn room_wishes(&self, id: &RoomName) -> Result<RoomWishes, Error> {
        let row = transaction!(self, Read, "see what a room's owner wants", |connection| {
            rows!(
                (String, String),
                "select settings, title from room where id = $1",
                id.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        let Some((settings, title)) = row else {
            return Ok(RoomWishes::default());
        };
        Ok(RoomWishes {
            title: Some(title),
            ..wishes_of(id, &settings)?
        })
    }

    /// Notes that a room was opened or has ended, and tells webhooks; says whether that was news.
    pub async fn set_room_status(
        &self,
        id: &RoomName,
        status: RoomStatus,
        now: UnixMillis,
    ) -> Result<bool, Error> {
        let topic = match status {
            RoomStatus::Scheduled => None,
            RoomStatus::Live => Some(HookTopic::RoomStarted),
            RoomStatus::Ended => Some(HookTopic::RoomFinished),
        };
        transaction!(self, Write, "note a room's status", |connection| {
            let changed = rows!(
                (String,),
                "update room set status = $2 where id = $1 and status <> $2 returning title",
                id.as_str(),
                status.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?;
            if let (Some((title,)), Some(topic)) = (&changed, topic) {
                tell_hooks!(self, connection, topic, &[told_of(id, title, now)]);
            }
            changed.is_some()
        })
    }

    /// Locks or unlocks a room; says whether that was news.
    pub async fn set_door(&self, id: &RoomName, door: Door) -> Result<bool, Error> {
        let changed = transaction!(self, Write, "lock or unlock a room", |connection| {
            sql!(
                "update room set locked = $2 where id = $1 and locked <> $2",
                id.as_str(),
                i64::from(door == Door::Locked)
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(changed == 1)
    }
}

/// What webhooks are told of a room.
pub(crate) fn told_of(room: &RoomName, title: &str, now: UnixMillis) -> Told {
    Told {
        room: Some(room.as_str().to_owned()),
        meeting: None,
        at: now,
        data: json!({ "title": title }).to_string(),
    }
}

type RoomRow = (
    String,
    String,
    String,
    String,
    String,
    i64,
    String,
    Option<i64>,
    i64,
    i64,
    Option<i64>,
);

/// What the worker goes by of these settings of a room.
pub(crate) fn wishes_of(id: &RoomName, settings: &str) -> Result<RoomWishes, Error> {
    serde_json::from_str(settings).map_err(|_| Error::unreadable("settings", id.as_str()))
}

fn chat_by_default() -> bool {
    true
}

/// The columns of a [`RoomRow`], and which rows.
macro_rules! room {
    ($which:literal) => {
        concat!(
            "select id, code, title, owner_id, status, locked, settings, starts_at, created_at, revision, revised_at
            from room ",
            $which
        )
    };
}
use room;

fn room_of(row: RoomRow) -> Result<Room, Error> {
    let (id, code, title, owner, status, locked, settings, starts_at, created_at, revision, revised_at) = row;
    Ok(Room {
        code,
        title,
        owner: AccountId::parse(owner).map_err(|_| Error::unreadable("owner", &*id))?,
        status: RoomStatus::parse(&status).ok_or_else(|| Error::unreadable("status", &*id))?,
        door: match locked {
            0 => Door::Unlocked,
            _ => Door::Locked,
        },
        settings,
        starts_at: starts_at.map(UnixMillis),
        created_at: UnixMillis(created_at),
        revision: revision.unsigned_abs(),
        revised_at: revised_at.map(UnixMillis),
        id: RoomName::parse(id.clone()).map_err(|_| Error::unreadable("room id", id))?,
    })
}
