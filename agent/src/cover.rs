//! One room's work around the driver: the claim before it, the account after it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use secrecy::SecretString;
use tokio::{task::JoinError, time::timeout};
use tracing::{error, info, warn};
use uuid::Uuid;

use lectern_pipelines::{MeetingId, RoomName, Stage, UnixMillis};
use lectern_storage::Origin;

use crate::{
    Context, Error,
    driver::{self, Entrance, RoomEnd, RoomJob},
    handover::ACCEPTED_FOR,
    rooms::{Orders, Outcome, words_of},
    server::{IDENTITY_PREFIX, ListedRoom, Server},
};

/// How we come to a room.
#[derive(Debug)]
pub(crate) enum Entry {
    /// LiveKit assigned it.
    Assigned {
        /// Where to join, if not where we are registered.
        url: Option<String>,
        /// What lets us in.
        token: SecretString,
    },
    /// The reconciler found it without an agent.
    Unasked,
}

/// The meetings that this process holds, so that one statement can extend all their leases.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<MeetingId, RoomName>>);

/// How long a dead worker's meetings stay its own: not long, for listeners are waiting. A worker that is only
/// late keeps them all the same, see [`crate::reconcile::Unheld`].
const LEASE_TTL: Duration = Duration::from_millis(900);
/// When to look again at a meeting whose worker failed; the reconciler may be quicker.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A healthy database takes milliseconds, and somebody may be speaking.
const CLAIM_PATIENCE: Duration = Duration::from_millis(300);
const IDENTITY_SUFFIX_CHARS: usize = 12;

/// Works on a room until it is over, or others have to.
pub(crate) async fn cover(
    context: Arc<Context>,
    server: Arc<Server>,
    room: ListedRoom,
    entry: Entry,
    orders: Orders,
) -> Outcome {
    match claim(&context, &server, &room, &entry).await {
        Ok(Claim::May(entrance)) => work(&context, &server, room.name, entrance, entry, orders).await,
        Ok(Claim::HeldByAnother) => Outcome::Taken,
        Ok(Claim::NotAskedFor) => Outcome::NotOurs,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

impl Held {
    /// Extends every lease, and returns the rooms whose meeting is ours no more.
    pub(crate) async fn extend(&self, context: &Context) -> Vec<RoomName> {
        let held = self.meetings();
        if held.is_empty() {
            return Vec::new();
        }
        let ids: Vec<MeetingId> = held.keys().cloned().collect();
        let (now, until) = lease_times();
        let kept = match context
            .database
            .touch_meetings(&ids, &context.holder, now, until)
            .await
        {
            Ok(kept) => kept,
            Err(error) => {
                // Nobody else can take them meanwhile: it is the same database.
                warn!("can't extend the leases of {} meetings: {error}", ids.len());
                return Vec::new();
            }
        };
        let mut lost = Vec::new();
        for (meeting, room) in held.into_iter().filter(|(meeting, _)| !kept.contains(meeting)) {
            match context.database.meeting(&meeting).await {
                Ok(Some(found)) if found.stage == Stage::Live => lost.push(room),
                // Of a meeting that is over, its driver has a claim of its own until the last words are stored.
                Ok(_) => self.remove(&meeting),
                Err(error) => warn!("can't see whose meeting {meeting} is: {error}"),
            }
        }
        lost
    }

    fn meetings(&self) -> HashMap<MeetingId, RoomName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn insert(&self, meeting: MeetingId, room: RoomName) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(meeting, room);
    }

    pub(crate) fn remove(&self, meeting: &MeetingId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(meeting);
    }

    /// The rooms of these meetings, of those that are held.
    pub(crate) fn rooms_of(&self, meetings: &[MeetingId]) -> Vec<RoomName> {
        let held = self.meetings();
        meetings
            .iter()
            .filter_map(|meeting| held.get(meeting))
            .cloned()
            .collect()
    }

    /// Removes all of a room's.
    fn take(&self, room: &RoomName) -> Vec<MeetingId> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extract_if(|_, of| of == room)
            .map(|(meeting, _)| meeting)
            .collect()
    }
}

/// The calendar's time, for rows.
pub(crate) fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Now, and when a lease that is taken now runs out.
pub(crate) fn lease_times() -> (UnixMillis, UnixMillis) {
    let now = unix_now();
    (now, now + LEASE_TTL)
}

enum Claim {
    May(Entrance),
    HeldByAnother,
    NotAskedFor,
}

/// Makes sure that nobody else works on the room before we enter it.
async fn claim(context: &Context, server: &Server, room: &ListedRoom, entry: &Entry) -> Result<Claim, Error> {
    // Joining a room that is gone would make it anew, and one that asks for other agents is none of our business.
    if matches!(entry, Entry::Unasked) && !server.asks_for(&room.name, &context.config.agent_name).await? {
        return Ok(Claim::NotAskedFor);
    }
    let (now, until) = lease_times();
    let claiming = async {
        let wishes = context.database.room_wishes(&room.name).await?;
        if !wishes.captions {
            return Ok::<_, lectern_storage::Error>(Claim::NotAskedFor);
        }
        let meeting = context.database.open_meeting(&room.name, &room.sid, now).await?;
        let (database, holder) = (&context.database, context.holder.as_str());
        if database.claim_meeting(&meeting.id, holder, now, until).await? {
            return Ok(Claim::May(Entrance::Granted {
                unheard: (meeting.origin != Origin::Started).then(|| now.since(meeting.last_seen_at)),
                meeting: meeting.id,
                wishes,
            }));
        }
        let until = now + ACCEPTED_FOR;
        Ok(
            match database.accept_meeting(&meeting.id, holder, now, until).await? {
                true => Claim::May(Entrance::Accepted {
                    meeting: meeting.id,
                    wishes,
                }),
                false => Claim::HeldByAnother,
            },
        )
    };
    match timeout(CLAIM_PATIENCE, claiming).await {
        Ok(Ok(claim)) => {
            if matches!(claim, Claim::NotAskedFor) {
                info!(room.name = %room.name, "room {} wants no captions", room.name);
            }
            Ok(claim)
        }
        Ok(Err(error)) => {
            warn!("entering room {} without a claim: {error}", room.name);
            Ok(Claim::May(Entrance::Postponed))
        }
        Err(_) => {
            warn!(
                "entering room {} without a claim: the database is slow",
                room.name
            );
            Ok(Claim::May(Entrance::Postponed))
        }
    }
}

async fn work(
    context: &Arc<Context>,
    server: &Server,
    room: RoomName,
    entrance: Entrance,
    entry: Entry,
    orders: Orders,
) -> Outcome {
    let claimed = match &entrance {
        Entrance::Granted { meeting, .. } => Some(meeting.clone()),
        Entrance::Accepted { .. } | Entrance::Postponed => None,
    };
    if let Some(meeting) = &claimed {
        context.held.insert(meeting.clone(), room.clone());
    }
    let outcome = match pass(context, server, &room, entry) {
        Ok((url, token)) => {
            drive(
                context,
                RoomJob {
                    url,
                    token,
                    room: room.clone(),
                    entrance,
                },
                orders,
            )
            .await
        }
        Err(error) => Outcome::Failed(error.to_string()),
    };
    // The driver holds one of its own where the claim was postponed, or the room has begun another sitting.
    let meetings: HashSet<MeetingId> = claimed.into_iter().chain(context.held.take(&room)).collect();
    for meeting in meetings {
        if let Err(error) = settle(context, &meeting, &outcome).await {
            // The lease runs out by itself.
            warn!(meeting.id = %meeting, "can't give meeting {meeting} of room {room} back: {error}");
        }
    }
    outcome
}

/// Where to join and with which token.
fn pass(
    context: &Context,
    server: &Server,
    room: &RoomName,
    entry: Entry,
) -> Result<(String, SecretString), Error> {
    match entry {
        Entry::Assigned { url, token } => Ok((url.unwrap_or_else(|| server.url().to_owned()), token)),
        Entry::Unasked => {
            let random = Uuid::now_v7().simple().to_string();
            let identity = format!(
                "{IDENTITY_PREFIX}{}",
                &random[random.len() - IDENTITY_SUFFIX_CHARS..]
            );
            let token = server.join_token(room, &identity, context.config.visibility)?;
            Ok((server.url().to_owned(), token))
        }
    }
}

/// Runs the driver as a task of its own, so that its panic ends here.
async fn drive(context: &Arc<Context>, job: RoomJob, orders: Orders) -> Outcome {
    // A set, for it takes its task along when this future is dropped.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(tracing::Instrument::in_current_span(driver::run(
        job,
        Arc::clone(context),
        orders,
    )));
    match driver.join_next().await.expect("one task was spawned") {
        Ok(Ok(RoomEnd::Ended)) => Outcome::Ended,
        Ok(Ok(RoomEnd::Interrupted(reason))) => Outcome::Interrupted(reason.to_string()),
        Ok(Ok(RoomEnd::HandedBack)) => Outcome::HandedBack,
        Ok(Ok(RoomEnd::Taken)) => Outcome::Taken,
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(error) => outcome_of_panic(error),
    }
}

/// Leaves the meeting to whoever goes on with it, and says in its row what went wrong.
async fn settle(context: &Context, meeting: &MeetingId, outcome: &Outcome) -> Result<(), Error> {
    if let Outcome::Failed(reason) = outcome {
        context
            .database
            .fail(meeting, Stage::Live, reason, unix_now() + RETRY_AFTER)
            .await?;
    }
    context.database.release_meeting(meeting, &context.holder).await?;
    context.stages_wake.notify_one();
    Ok(())
}

fn outcome_of_panic(error: JoinError) -> Outcome {
    match error.try_into_panic() {
        Ok(panic) => {
            let words = words_of(panic.as_ref()).to_owned();
            error!("a room's work panicked: {words}");
            Outcome::Failed(format!("panic: {words}"))
        }
        Err(_) => Outcome::HandedBack,
    }
}
