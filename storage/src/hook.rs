//! Webhooks: who wants to be told of what, and how their endpoint fares.

use std::collections::HashMap;

use lectern_pipelines::{AccountId, HookId, RoomName, UnixMillis};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    page::{Cursor, Page, before, id_made_at, page_of, rows_for},
};

/// What somebody may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookTopic {
    /// A lecture's files are made.
    LectureReady,
    /// A room was opened.
    RoomStarted,
    /// A room is over.
    RoomFinished,
    /// Somebody said something, and these words will not change.
    CaptionFinal,
    /// Nothing happened; somebody tries their endpoint.
    Ping,
}

/// Somebody's wish to be told of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// Where things are told.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// The one room it is about; nothing for all.
    pub room: Option<RoomName>,
    /// What is told, in order, each once.
    pub topics: Vec<HookTopic>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Since when nothing is sent, if so.
    pub off: Option<SwitchedOff>,
    /// How its endpoint fares.
    pub failing: Failing,
    /// How much was left out because too much waited already.
    pub dropped: u64,
    /// When something was left out last.
    pub dropped_at: Option<UnixMillis>,
}

/// Why and since when nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchedOff {
    /// Since when.
    pub at: UnixMillis,
    /// Why, in words.
    pub reason: String,
}

/// How an endpoint fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failing {
    /// How many attempts in a row have failed.
    pub attempts: u32,
    /// Since when.
    pub since: Option<UnixMillis>,
}

/// A wish to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewHook<'a> {
    /// Where things are told.
    pub url: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Signs what is sent.
    pub secret: &'a SecretString,
    /// The one room it is about; nothing for all.
    pub room: Option<&'a RoomName>,
    /// What is told.
    pub topics: &'a [HookTopic],
}

/// What changes of a wish; what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct HookChange<'a> {
    /// Another place.
    pub url: Option<&'a str>,
    /// Other words for what it is for.
    pub description: Option<&'a str>,
    /// Other things to be told of, whole.
    pub topics: Option<&'a [HookTopic]>,
    /// On or off.
    pub switch: Option<Switch<'a>>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch<'a> {
    /// Things are sent, and earlier failures forgotten.
    On,
    /// Nothing is sent, for this reason.
    Off(&'a str),
}

impl HookTopic {
    /// Those that one can ask for.
    pub const ALL: [Self; 4] = [
        Self::LectureReady,
        Self::RoomStarted,
        Self::RoomFinished,
        Self::CaptionFinal,
    ];

    /// The name that is stored, shown and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LectureReady => "lecture.ready",
            Self::RoomStarted => "room.started",
            Self::RoomFinished => "room.finished",
            Self::CaptionFinal => "caption.final",
            Self::Ping => "ping",
        }
    }

    /// The topic of that name, if one can ask for it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    pub(crate) fn stored(name: &str) -> Option<Self> {
        match name == Self::Ping.as_str() {
            true => Some(Self::Ping),
            false => Self::parse(name),
        }
    }
}

impl Database {
    /// Stores a wish, unless there are `most` already, of its room or, where it is about all, of all rooms.
    pub async fn create_hook(
        &self,
        new: NewHook<'_>,
        most: u32,
        now: UnixMillis,
    ) -> Result<Option<Hook>, Error> {
        let id = id_made_at(now);
        let made = transaction!(self, Write, "make a webhook", |connection| {
            let room = new.room.map(RoomName::as_str);
            let made = sql!(
                "insert into hook (id, url, description, secret, room_id, created_at)
                select $1, $2, $3, $4, $5, $6
                where (select count(*) from hook where coalesce(room_id, '') = coalesce($5, '')) < $7",
                &id,
                new.url,
                new.description,
                new.secret.expose_secret(),
                room,
                now.0,
                i64::from(most)
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if made == 1 {
                store_topics!(connection, &id, new.topics);
            }
            made == 1
        })?;
        match made {
            true => self.hook(&stored_hook_id(id)?).await,
            false => Ok(None),
        }
    }

    /// One wish.
    pub async fn hook(&self, id: &HookId) -> Result<Option<Hook>, Error> {
        let (found, topics) = transaction!(self, Read, "look a webhook up", |connection| {
            let found = rows!(HookRow, hook!("where id = $1"), id.as_str())
                .fetch_optional(&mut *connection)
                .await?;
            (found, topics_of!(connection, "where hook_id = $1", id.as_str()))
        })?;
        found.map(|row| hook_of(row, &topics)).transpose()
    }

    /// Up to `limit` wishes about rooms of `owner`, or all, the latest first, from `after` on.
    pub async fn hooks(
        &self,
        owner: Option<&AccountId>,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<Hook>, Error> {
        let (at, id) = before(after);
        let owner = owner.map(AccountId::as_str);
        let (found, topics) = transaction!(self, Read, "list webhooks", |connection| {
            let found = rows!(
                HookRow,
                hook!(
                    "where (created_at, id) < ($1, $2)
                        and ($4 is null or room_id in (select id from room where owner_id = $4))
                    order by created_at desc, id desc limit $3"
                ),
                at,
                id,
                rows_for(limit),
                owner
            )
            .fetch_all(&mut *connection)
            .await?;
            (found, topics_of!(connection, "where $1 = $1", ""))
        })?;
        let items = found
            .into_iter()
            .map(|row| hook_of(row, &topics))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(items, limit, |last| Cursor {
            at: last.created_at,
            id: last.id.as_str().to_owned(),
        }))
    }

    /// Changes a wish; gives it back as it is now, if there is one.
    pub async fn change_hook(
        &self,
        id: &HookId,
        change: HookChange<'_>,
        now: UnixMillis,
    ) -> Result<Option<Hook>, Error> {
        transaction!(self, Write, "change a webhook", |connection| {
            let changed = sql!(
                "update hook set url = coalesce($2, url), description = coalesce($3, description) where id = $1",
                id.as_str(),
                change.url,
                change.description
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            if let (Some(topics), 1) = (change.topics, changed) {
                sql!("delete from hook_topic where hook_id = $1", id.as_str())
                    .execute(&mut *connection)
                    .await?;
                store_topics!(connection, id.as_str(), topics);
            }
            match change.switch {
                Some(Switch::On) => {
                    sql!(
                        "update hook set off_at = null, off_reason = null, failures = 0, failing_since = null
                        where id = $1",
                        id.as_str()
                    )
                    .execute(&mut *connection)
                    .await?;
                }
                Some(Switch::Off(reason)) => {
                    sql!(
                        "update hook set off_at = $2, off_reason = $3 where id = $1 and off_at is null",
                        id.as_str(),
                        now.0,
                        reason
                    )
                    .execute(&mut *connection)
                    .await?;
                }
                None => {}
            }
        })?;
        self.hook(id).await
    }

    /// Removes a wish and all that was to be told; says whether there was one.
    pub async fn delete_hook(&self, id: &HookId) -> Result<bool, Error> {
        let deleted = transaction!(self, Write, "remove a webhook", |connection| {
            sql!("delete from hook where id = $1", id.as_str())
                .execute(&mut *connection)
                .await?
                .rows_affected()
        })?;
        Ok(deleted == 1)
    }
}

type HookRow = (
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<String>,
    i64,
    Option<i64>,
    i64,
    Option<i64>,
);

/// The columns of a [`HookRow`], and which rows.
macro_rules! hook {
    ($which:literal) => {
        concat!(
            "select id, url, description, room_id, created_at, off_at, off_reason, failures, failing_since, dropped,
                dropped_at
            from hook ",
            $which
        )
    };
}
use hook;

macro_rules! store_topics {
    ($connection:ident, $hook:expr, $topics:expr) => {
        for topic in $topics {
            sql!(
                "insert into hook_topic (hook_id, topic) values ($1, $2) on conflict do nothing",
                $hook,
                topic.as_str()
            )
            .execute(&mut *$connection)
            .await?;
        }
    };
}
use store_topics;

/// What each webhook is told of; there are few of them.
macro_rules! topics_of {
    ($connection:ident, $which:literal, $value:expr) => {
        rows!(
            (String, String),
            concat!("select hook_id, topic from hook_topic ", $which),
            $value
        )
        .fetch_all(&mut *$connection)
        .await?
        .into_iter()
        .fold(
            HashMap::<String, Vec<String>>::new(),
            |mut topics, (hook, topic)| {
                topics.entry(hook).or_default().push(topic);
                topics
            },
        )
    };
}
use topics_of;

fn hook_of(row: HookRow, topics: &HashMap<String, Vec<String>>) -> Result<Hook, Error> {
    let (
        id,
        url,
        description,
        room,
        created_at,
        off_at,
        off_reason,
        failures,
        failing_since,
        dropped,
        dropped_at,
    ) = row;
    let unreadable = |what| Error::unreadable(what, &*id);
    let names = topics.get(&id).map_or(&[][..], Vec::as_slice);
    let mut topics = names
        .iter()
        .map(|name| HookTopic::stored(name).ok_or_else(|| unreadable("topic")))
        .collect::<Result<Vec<_>, _>>()?;
    topics.sort_unstable();
    Ok(Hook {
        url,
        description,
        room: room
            .map(|room| RoomName::parse(room).map_err(|_| unreadable("room")))
            .transpose()?,
        topics,
        created_at: UnixMillis(created_at),
        off: off_at.map(|at| SwitchedOff {
            at: UnixMillis(at),
            reason: off_reason.unwrap_or_default(),
        }),
        failing: Failing {
            attempts: u32::try_from(failures).unwrap_or(u32::MAX),
            since: failing_since.map(UnixMillis),
        },
        dropped: dropped.unsigned_abs(),
        dropped_at: dropped_at.map(UnixMillis),
        id: stored_hook_id(id)?,
    })
}

pub(crate) fn stored_hook_id(text: String) -> Result<HookId, Error> {
    HookId::parse(text.clone()).map_err(|_| Error::unreadable("webhook's id", text))
}
