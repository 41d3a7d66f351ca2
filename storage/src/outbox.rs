//! What is to be told by webhook, and what became of it.
//!
//! What is told is stored in the transaction of what it tells of, once for each webhook that wants it: nothing that
//! happened is lost, and nothing is told that did not happen. Who sends takes a webhook by a lease, so that one process
//! alone sends to an endpoint at a time.

use std::collections::BTreeMap;

use lectern_pipelines::{DeliveryId, HookId, MeetingId, RoomName, UnixMillis};
use secrecy::SecretString;

use crate::{
    Database, Error, Failing, HookTopic,
    database::{rows, sql, transaction},
    error::stored_meeting_id,
    hook::stored_hook_id,
    page::{Cursor, Page, before, id_made_at, page_of, rows_for},
};

/// How much may wait for one webhook. What happens beyond that is not told to it, and counted.
pub const HOOK_WAITING_MAX: u32 = 10_000;

/// Something that is told to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, one among those of its webhook.
    pub id: DeliveryId,
    /// What is told. The same wherever and however often it is told.
    pub event: HookEvent,
    /// When it was to be told.
    pub queued_at: UnixMillis,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub first_attempt_at: Option<UnixMillis>,
    /// When it was tried last.
    pub last_attempt_at: Option<UnixMillis>,
    /// When it is tried next, while it waits.
    pub next_at: UnixMillis,
    /// What the endpoint answered last, as HTTP has it.
    pub status: Option<u16>,
    /// What was wrong last.
    pub failure: Option<String>,
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookEvent {
    /// By which whoever is told knows that they have heard it before.
    pub id: String,
    /// What kind of thing it is.
    pub topic: HookTopic,
    /// In which room it happened.
    pub room: Option<RoomName>,
    /// In which meeting.
    pub meeting: Option<MeetingId>,
    /// When.
    pub at: UnixMillis,
    /// All else, a JSON object.
    pub data: String,
}

/// What became of something that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be tried, perhaps again.
    Waiting,
    /// The endpoint has it.
    Delivered,
    /// It was tried often enough.
    GivenUp,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// The endpoint has it.
    Delivered {
        /// What it answered.
        status: u16,
    },
    /// It has not.
    Failed {
        /// What it answered, if it did.
        status: Option<u16>,
        /// What was wrong, in words.
        failure: &'a str,
        /// When to try again; nothing to give up.
        next_at: Option<UnixMillis>,
    },
}

/// A webhook that is somebody's to send to for a while.
#[derive(Debug, Clone)]
pub struct ClaimedHook {
    /// Its id.
    pub id: HookId,
    /// Where things are told.
    pub url: String,
    /// Signs what is sent.
    pub secret: SecretString,
}

impl DeliveryState {
    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::GivenUp]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl Database {
    /// Notes that an endpoint is to be tried, even though nothing happened.
    pub async fn queue_ping(&self, hook: &HookId, now: UnixMillis) -> Result<Option<Delivery>, Error> {
        let ping = Told {
            room: None,
            meeting: None,
            at: now,
            data: "{}".to_owned(),
        };
        let queued = transaction!(self, Write, "note that a webhook is to be tried", |connection| {
            let mut hooks = rows!(
                WantingRow,
                wanting!("where hook.id = $1", ""),
                hook.as_str(),
                i64::from(HOOK_WAITING_MAX)
            )
            .fetch_all(&mut *connection)
            .await?;
            // It is of no room, and so waits behind none.
            hooks.iter_mut().for_each(|(_, only, _)| *only = None);
            let plan = Plan::new(HookTopic::Ping, &hooks, &[ping]);
            carry_out!(connection, &plan);
            plan.deliveries.first().map(|delivery| delivery.event.clone())
        })?;
        self.one_queued(hook, queued).await
    }

    /// Notes that something is to be told to a webhook again, if it was told before.
    pub async fn queue_again(
        &self,
        hook: &HookId,
        delivery: &DeliveryId,
        now: UnixMillis,
    ) -> Result<Option<Delivery>, Error> {
        let id = id_made_at(now);
        let queued = transaction!(
            self,
            Write,
            "note that a webhook is to be told again",
            |connection| {
                sql!(
                    "insert into hook_delivery (hook_id, id, event_id, room, position, state, next_at)
                select hook_id, $3, event_id, room, $4, 'waiting', $5 from hook_delivery
                where hook_id = $1 and id = $2",
                    hook.as_str(),
                    delivery.as_str(),
                    &id,
                    position_of(now, 0),
                    now.0
                )
                .execute(&mut *connection)
                .await?
                .rows_affected()
            }
        )?;
        self.one_queued(hook, (queued == 1).then_some(id)).await
    }

    async fn one_queued(&self, hook: &HookId, id: Option<String>) -> Result<Option<Delivery>, Error> {
        match id {
            Some(id) => self.delivery(hook, &stored_delivery_id(id)?).await,
            None => Ok(None),
        }
    }

    /// Something that is or was told to a webhook.
    pub async fn delivery(&self, hook: &HookId, id: &DeliveryId) -> Result<Option<Delivery>, Error> {
        let row = transaction!(self, Read, "look up what a webhook is told", |connection| {
            rows!(
                DeliveryRow,
                delivery!("where d.hook_id = $1 and d.id = $2"),
                hook.as_str(),
                id.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        row.map(delivery_of).transpose()
    }

    /// Up to `limit` things that are or were told to a webhook, the latest first, from `after` on.
    pub async fn deliveries(
        &self,
        hook: &HookId,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<Delivery>, Error> {
        let (position, id) = before(after);
        let found = transaction!(self, Read, "list what a webhook is told", |connection| {
            rows!(
                DeliveryRow,
                delivery!(
                    "where d.hook_id = $1 and (d.position, d.id) < ($2, $3)
                    order by d.position desc, d.id desc limit $4"
                ),
                hook.as_str(),
                position,
                id,
                rows_for(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let page = page_of(found, limit, |last| Cursor {
            at: UnixMillis(last.7),
            id: last.0.clone(),
        });
        Ok(Page {
            items: page
                .items
                .into_iter()
                .map(delivery_of)
                .collect::<Result<_, _>>()?,
            next: page.next,
        })
    }
}

/// Who sends.
impl Database {
    /// Whether there is a webhook to send to that nobody holds. This is asked every second, so it only reads.
    pub async fn any_hook_due(&self, in_order: u32, now: UnixMillis) -> Result<bool, Error> {
        let due = transaction!(self, Read, "look for webhooks to send to", |connection| {
            rows!(
                (String,),
                concat!("select id from hook where ", due!(), " limit 1"),
                now.0,
                i64::from(in_order)
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(due.is_some())
    }

    /// Takes up to `limit` webhooks to send to for `holder` until then. Two that ask at once get different ones.
    pub async fn claim_hooks(
        &self,
        holder: &str,
        in_order: u32,
        limit: u32,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Vec<ClaimedHook>, Error> {
        let text = match self {
            Self::Sqlite(_) => CLAIM_HOOKS_SQLITE,
            Self::Postgres(_) => CLAIM_HOOKS_POSTGRES,
        };
        let claimed = transaction!(self, Write, "take webhooks to send to", |connection| {
            rows!(
                (String, String, String),
                text,
                now.0,
                i64::from(in_order),
                holder,
                until.0,
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        let claimed_of = |(id, url, secret): (String, String, String)| {
            Ok(ClaimedHook {
                id: stored_hook_id(id)?,
                url,
                secret: secret.into(),
            })
        };
        claimed.into_iter().map(claimed_of).collect()
    }

    /// Goes on holding a webhook until then; says whether it is still `holder`'s, and on.
    pub async fn keep_hook(&self, hook: &HookId, holder: &str, until: UnixMillis) -> Result<bool, Error> {
        let kept = transaction!(self, Write, "go on sending to a webhook", |connection| {
            sql!(
                "update hook set lease_until = $3 where id = $1 and lease_holder = $2 and off_at is null",
                hook.as_str(),
                holder,
                until.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(kept == 1)
    }

    /// Gives a webhook back, if `holder` has it. It stands behind the others now.
    pub async fn release_hook(&self, hook: &HookId, holder: &str, now: UnixMillis) -> Result<(), Error> {
        transaction!(self, Write, "give a webhook back", |connection| {
            sql!(
                "update hook set lease_holder = null, lease_until = $3 where id = $1 and lease_holder = $2",
                hook.as_str(),
                holder,
                now.0
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Up to `limit` things to tell a webhook now, in order. What follows in its room on something that is put off is
    /// not among them, until that was tried `in_order` times.
    pub async fn due_deliveries(
        &self,
        hook: &HookId,
        in_order: u32,
        limit: u32,
        now: UnixMillis,
    ) -> Result<Vec<Delivery>, Error> {
        let found = transaction!(self, Read, "read what to tell a webhook", |connection| {
            rows!(
                DeliveryRow,
                delivery!(
                    "where d.hook_id = $3 and d.state = 'waiting' and d.next_at <= $1 and ",
                    in_turn!(),
                    " order by d.position, d.id limit $4"
                ),
                now.0,
                i64::from(in_order),
                hook.as_str(),
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        found.into_iter().map(delivery_of).collect()
    }

    /// Notes what came of an attempt, unless it was settled meanwhile; says how the endpoint fares now.
    pub async fn note_attempt(
        &self,
        hook: &HookId,
        delivery: &DeliveryId,
        attempt: Attempt<'_>,
        now: UnixMillis,
    ) -> Result<Failing, Error> {
        let (state, status, failure, next_at) = match attempt {
            Attempt::Delivered { status } => (DeliveryState::Delivered, Some(status), None, None),
            Attempt::Failed {
                status,
                failure,
                next_at: Some(next_at),
            } => (DeliveryState::Waiting, status, Some(failure), Some(next_at.0)),
            Attempt::Failed {
                status,
                failure,
                next_at: None,
            } => (DeliveryState::GivenUp, status, Some(failure), None),
        };
        let fares = transaction!(self, Write, "note what came of telling a webhook", |connection| {
            sql!(
                "update hook_delivery set state = $3, attempts = attempts + 1,
                    first_attempt_at = coalesce(first_attempt_at, $4), last_attempt_at = $4,
                    next_at = coalesce($5, next_at), status = $6, failure = $7
                where hook_id = $1 and id = $2 and state = 'waiting'",
                hook.as_str(),
                delivery.as_str(),
                state.as_str(),
                now.0,
                next_at,
                status.map(i64::from),
                failure
            )
            .execute(&mut *connection)
            .await?;
            match failure {
                None => {
                    // Nearly always there is nothing to forget.
                    sql!(
                        "update hook set failures = 0, failing_since = null where id = $1 and failures > 0",
                        hook.as_str()
                    )
                    .execute(&mut *connection)
                    .await?;
                    None
                }
                Some(_) => {
                    rows!(
                        (i64, Option<i64>),
                        "update hook set failures = failures + 1, failing_since = coalesce(failing_since, $2)
                        where id = $1 returning failures, failing_since",
                        hook.as_str(),
                        now.0
                    )
                    .fetch_optional(&mut *connection)
                    .await?
                }
            }
        })?;
        let failing = |(attempts, since): (i64, Option<i64>)| Failing {
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            since: since.map(UnixMillis),
        };
        Ok(fares.map(failing).unwrap_or_default())
    }
}

/// What is to be told, before it is known to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) room: Option<String>,
    pub(crate) meeting: Option<String>,
    pub(crate) at: UnixMillis,
    /// A JSON object.
    pub(crate) data: String,
}

/// A webhook that wants to be told: its id, its one room, and how much waits for it.
pub(crate) type WantingRow = (String, Option<String>, i64);

/// Who is told what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) topic: &'static str,
    pub(crate) events: Vec<(String, Told)>,
    pub(crate) deliveries: Vec<Queued>,
    /// How much is left out, by webhook.
    pub(crate) dropped: BTreeMap<String, (i64, UnixMillis)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) hook: String,
    pub(crate) event: String,
    /// What is sent in order: a room's, or all that is of none.
    pub(crate) room: String,
    pub(crate) position: i64,
    pub(crate) at: UnixMillis,
}

impl Plan {
    pub(crate) fn new(topic: HookTopic, hooks: &[WantingRow], told: &[Told]) -> Self {
        let mut plan = Self {
            topic: topic.as_str(),
            ..Self::default()
        };
        let mut waiting: Vec<i64> = hooks.iter().map(|(.., waiting)| *waiting).collect();
        for (ordinal, told) in told.iter().enumerate() {
            let event = id_made_at(told.at);
            let before = plan.deliveries.len();
            for ((hook, only, _), waiting) in hooks.iter().zip(&mut waiting) {
                if only.is_some() && *only != told.room {
                    continue;
                }
                if *waiting >= i64::from(HOOK_WAITING_MAX) {
                    let dropped = plan.dropped.entry(hook.clone()).or_insert((0, told.at));
                    *dropped = (dropped.0 + 1, told.at);
                    continue;
                }
                *waiting += 1;
                plan.deliveries.push(Queued {
                    hook: hook.clone(),
                    event: event.clone(),
                    room: told.room.clone().unwrap_or_default(),
                    position: position_of(told.at, ordinal),
                    at: told.at,
                });
            }
            if plan.deliveries.len() > before {
                plan.events.push((event, told.clone()));
            }
        }
        plan
    }
}

/// The columns of a [`WantingRow`], and which rows; `$2` is [`HOOK_WAITING_MAX`]. In the order in which their rows are
/// locked, should something be left out.
macro_rules! wanting {
    ($which:literal, $lock:literal) => {
        concat!(
            "select hook.id, hook.room_id, (select count(*) from (select 1 from hook_delivery
                where hook_id = hook.id and state = 'waiting' limit $2) as waiting)
            from hook ",
            $which,
            " and hook.off_at is null order by hook.id ",
            $lock
        )
    };
}
use wanting;

/// The webhooks that want to be told of the topic `$1`. On Postgres none of them can be deleted until the transaction is
/// through, or it would fail.
pub(crate) fn wanting_text(database: &Database) -> &'static str {
    match database {
        Database::Sqlite(_) => wanting!(
            "join hook_topic on hook_topic.hook_id = hook.id where hook_topic.topic = $1",
            ""
        ),
        Database::Postgres(_) => wanting!(
            "join hook_topic on hook_topic.hook_id = hook.id where hook_topic.topic = $1",
            "for key share of hook"
        ),
    }
}

/// The webhooks that want to be told of a topic.
macro_rules! wanting_hooks {
    ($database:expr, $connection:ident, $topic:expr) => {
        $crate::database::rows!(
            $crate::outbox::WantingRow,
            $crate::outbox::wanting_text($database),
            $topic.as_str(),
            i64::from($crate::outbox::HOOK_WAITING_MAX)
        )
        .fetch_all(&mut *$connection)
        .await?
    };
}
pub(crate) use wanting_hooks;

/// Stores who is told what, within the transaction of what it tells of.
macro_rules! carry_out {
    ($connection:ident, $plan:expr) => {
        let plan: &$crate::outbox::Plan = $plan;
        for (id, told) in &plan.events {
            $crate::database::sql!(
                "insert into hook_event (id, topic, room, meeting_id, at, data) values ($1, $2, $3, $4, $5, $6)",
                id,
                plan.topic,
                told.room.as_deref(),
                told.meeting.as_deref(),
                told.at.0,
                &told.data
            )
            .execute(&mut *$connection)
            .await?;
        }
        for queued in &plan.deliveries {
            $crate::database::sql!(
                "insert into hook_delivery (hook_id, id, event_id, room, position, state, next_at)
                values ($1, $2, $2, $3, $4, 'waiting', $5)",
                &queued.hook,
                &queued.event,
                &queued.room,
                queued.position,
                queued.at.0
            )
            .execute(&mut *$connection)
            .await?;
        }
        for (hook, (dropped, at)) in &plan.dropped {
            $crate::database::sql!(
                "update hook set dropped = dropped + $2, dropped_at = $3 where id = $1",
                hook,
                *dropped,
                at.0
            )
            .execute(&mut *$connection)
            .await?;
        }
    };
}
pub(crate) use carry_out;

/// Tells the webhooks that want it, within the transaction of what it tells of.
macro_rules! tell_hooks {
    ($database:expr, $connection:ident, $topic:expr, $told:expr) => {
        let told: &[$crate::outbox::Told] = $told;
        if !told.is_empty() {
            let hooks = $crate::outbox::wanting_hooks!($database, $connection, $topic);
            let plan = $crate::outbox::Plan::new($topic, &hooks, told);
            $crate::outbox::carry_out!($connection, &plan);
        }
    };
}
pub(crate) use tell_hooks;

/// Whether a row `d` of `hook_delivery` follows on nothing of its room that is put off beyond `$1`, or only on what was
/// tried `$2` times.
macro_rules! in_turn {
    () => {
        "not exists (
            select 1 from hook_delivery earlier
            where earlier.hook_id = d.hook_id and earlier.room = d.room and earlier.position < d.position
                and earlier.state = 'waiting' and earlier.attempts > 0
                and earlier.attempts < $2 and earlier.next_at > $1)"
    };
}
use in_turn;

/// Whether a row of `hook` is nobody's and has something to be sent at `$1`.
macro_rules! due {
    () => {
        concat!(
            "off_at is null and (lease_until is null or lease_until <= $1) and exists (
                select 1 from hook_delivery d
                where d.hook_id = hook.id and d.state = 'waiting' and d.next_at <= $1 and ",
            in_turn!(),
            ")"
        )
    };
}
use due;

/// SQLite has one writer at a time: what is read here can't change before it is updated.
const CLAIM_HOOKS_SQLITE: &str = concat!(
    "update hook set lease_holder = $3, lease_until = $4 where id in (select id from hook where ",
    due!(),
    " order by coalesce(lease_until, 0), id limit $5) returning id, url, secret"
);

/// The same, where rows that another process is just taking are passed over.
const CLAIM_HOOKS_POSTGRES: &str = concat!(
    "update hook set lease_holder = $3, lease_until = $4 where id in (select id from hook where ",
    due!(),
    " order by coalesce(lease_until, 0), id limit $5 for update skip locked) returning id, url, secret"
);

type DeliveryRow = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    String,
    i64,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    i64,
    Option<i64>,
    Option<String>,
);

/// The columns of a [`DeliveryRow`], and which rows.
macro_rules! delivery {
    ($($which:expr),+) => {
        concat!(
            "select d.id, e.id, e.topic, e.room, e.meeting_id, e.at, e.data, d.position, d.state, d.attempts,
                d.first_attempt_at, d.last_attempt_at, d.next_at, d.status, d.failure
            from hook_delivery d join hook_event e on e.id = d.event_id ",
            $($which),+
        )
    };
}
use delivery;

fn delivery_of(row: DeliveryRow) -> Result<Delivery, Error> {
    let (id, event, topic, room, meeting, at, data, position, state, ..) = row;
    let (.., attempts, first_attempt_at, last_attempt_at, next_at, status, failure) = row;
    let unreadable = |what| Error::unreadable(what, &*id);
    Ok(Delivery {
        event: HookEvent {
            topic: HookTopic::stored(&topic).ok_or_else(|| unreadable("topic"))?,
            room: room
                .map(|room| RoomName::parse(room).map_err(|_| unreadable("room")))
                .transpose()?,
            meeting: meeting.map(stored_meeting_id).transpose()?,
            at: UnixMillis(at),
            data,
            id: event,
        },
        queued_at: UnixMillis(position / POSITIONS_PER_MS),
        state: DeliveryState::parse(&state).ok_or_else(|| unreadable("state"))?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        first_attempt_at: first_attempt_at.map(UnixMillis),
        last_attempt_at: last_attempt_at.map(UnixMillis),
        next_at: UnixMillis(next_at),
        status: status.and_then(|status| u16::try_from(status).ok()),
        failure,
        id: stored_delivery_id(id)?,
    })
}

fn stored_delivery_id(text: String) -> Result<DeliveryId, Error> {
    DeliveryId::parse(text.clone()).map_err(|_| Error::unreadable("delivery's id", text))
}

/// Where something stands in the order of its room: by its time, and of one transaction by its place in it.
fn position_of(at: UnixMillis, ordinal: usize) -> i64 {
    let ordinal = i64::try_from(ordinal)
        .unwrap_or(i64::MAX)
        .min(POSITIONS_PER_MS - 1);
    at.0.saturating_mul(POSITIONS_PER_MS).saturating_add(ordinal)
}

/// A transaction tells of fewer things than this (`BATCH_RECORDS_MAX` in `writer.rs`).
const POSITIONS_PER_MS: i64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(room: Option<&str>, at: i64) -> Told {
        Told {
            room: room.map(str::to_owned),
            meeting: None,
            at: UnixMillis(at),
            data: "{}".to_owned(),
        }
    }

    fn hook(id: &str, room: Option<&str>, waiting: u32) -> WantingRow {
        (id.to_owned(), room.map(str::to_owned), i64::from(waiting))
    }

    #[test]
    fn who_is_about_one_room_hears_of_no_other() {
        let hooks = [hook("all", None, 0), hook("algebra", Some("algebra"), 0)];
        let events = [told(Some("algebra"), 1), told(Some("physics"), 2), told(None, 3)];
        let plan = Plan::new(HookTopic::RoomStarted, &hooks, &events);
        let of = |hook: &str| {
            plan.deliveries
                .iter()
                .filter(|queued| queued.hook == hook)
                .count()
        };
        assert_eq!((of("all"), of("algebra"), plan.events.len()), (3, 1, 3));
        let alone = Plan::new(HookTopic::RoomStarted, &hooks[1..], &events);
        assert_eq!((alone.deliveries.len(), alone.events.len()), (1, 1));
    }

    #[test]
    fn what_one_transaction_tells_keeps_its_order() {
        let events: Vec<_> = (0..256).map(|_| told(Some("r"), 7)).collect();
        let plan = Plan::new(HookTopic::CaptionFinal, &[hook("h", None, 0)], &events);
        assert!(
            plan.deliveries
                .is_sorted_by(|one, other| one.position < other.position)
        );
        assert!(plan.deliveries[255].position < position_of(UnixMillis(8), 0));
    }

    #[test]
    fn what_is_too_much_for_one_webhook_is_counted_and_reaches_the_others() {
        let hooks = [hook("full", None, HOOK_WAITING_MAX - 1), hook("free", None, 0)];
        let events = [told(Some("r"), 1), told(Some("r"), 2), told(Some("r"), 3)];
        let plan = Plan::new(HookTopic::CaptionFinal, &hooks, &events);
        assert_eq!(
            plan.dropped,
            BTreeMap::from([("full".to_owned(), (2, UnixMillis(3)))])
        );
        assert_eq!((plan.deliveries.len(), plan.events.len()), (4, 3));
    }
}
