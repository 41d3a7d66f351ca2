//! Meetings that pass from a worker which is about to stop to another one, without a moment in which nobody listens.
//!
//! The giver offers all its meetings and goes on. An heir accepts one, enters the room, and says when it hears it. From
//! then on both hear the same, until the giver stops and says at which moment: that is the cut, and the lease is the
//! heir's. Who dies on the way changes nothing: a lease runs out by itself, and an offer counts only with its giver's
//! lease. Times are the workers' own clocks.

use lectern_pipelines::{MeetingId, Stage, UnixMillis};

use crate::{
    Database, Error,
    database::{rows, sql, transaction},
    error::stored_meeting_id,
};

/// What an heir knows of the meeting that it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inheritance {
    /// Its giver still listens.
    Awaited,
    /// What is said from then on is the heir's to recognise, once it has the lease.
    Since(UnixMillis),
    /// The meeting is over, or somebody else's.
    Void,
}

impl Database {
    /// Offers all live meetings that `worker` holds, and returns those whose heir hears the room by now.
    pub async fn offer_meetings(&self, worker: &str, now: UnixMillis) -> Result<Vec<MeetingId>, Error> {
        let heard = transaction!(self, Write, "offer meetings to other workers", |connection| {
            sql!(
                "insert into handover (meeting_id, giver, offered_at)
                select id, $1, $2 from meeting
                where lease_holder = $1 and stage = 'live' and not exists (
                    select 1 from handover where handover.meeting_id = meeting.id and handover.giver = $1
                )
                on conflict (meeting_id) do update set giver = excluded.giver, offered_at = excluded.offered_at,
                    heir = null, heir_until = null, heard_at = null, cut_at = null",
                worker,
                now.0
            )
            .execute(&mut *connection)
            .await?;
            rows!(
                (String,),
                "select meeting_id from handover where giver = $1 and heard_at is not null and cut_at is null",
                worker
            )
            .fetch_all(&mut *connection)
            .await?
        })?;
        heard.into_iter().map(|(id,)| stored_meeting_id(id)).collect()
    }

    /// Makes `heir` the one who takes over a meeting that is offered; until then nobody else can. Says whether it is.
    pub async fn accept_meeting(
        &self,
        meeting: &MeetingId,
        heir: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        let accepted = transaction!(self, Write, "accept a meeting", |connection| {
            sql!(
                "update handover set heir = $2, heir_until = $4, heard_at = null
                where meeting_id = $1 and cut_at is null and giver <> $2
                    and (heir is null or heir = $2 or heir_until <= $3)
                    and exists (
                        select 1 from meeting where id = $1 and stage = 'live' and lease_holder = handover.giver
                            and lease_until > $3
                    )",
                meeting.as_str(),
                heir,
                now.0,
                until.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(accepted == 1)
    }

    /// Says that `heir` hears all of the room from `since` on.
    pub async fn hear_meeting(
        &self,
        meeting: &MeetingId,
        heir: &str,
        since: UnixMillis,
    ) -> Result<(), Error> {
        transaction!(self, Write, "say that a room is heard", |connection| {
            sql!(
                "update handover set heard_at = $3 where meeting_id = $1 and heir = $2",
                meeting.as_str(),
                heir,
                since.0
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// Ends `worker`'s part in a meeting at `cut`: its lease is the heir's until then, or nobody's where none accepted.
    pub async fn hand_over_meeting(
        &self,
        meeting: &MeetingId,
        worker: &str,
        cut: UnixMillis,
        until: UnixMillis,
    ) -> Result<(), Error> {
        transaction!(self, Write, "hand a meeting over", |connection| {
            let heir = rows!(
                (Option<String>, Option<i64>),
                "update handover set cut_at = coalesce(cut_at, $3) where meeting_id = $1 and giver = $2
                returning heir, heir_until",
                meeting.as_str(),
                worker,
                cut.0
            )
            .fetch_optional(&mut *connection)
            .await?;
            let accepted = heir.filter(|(_, heir_until)| heir_until.is_some_and(|until| until > cut.0));
            let heir = accepted.and_then(|(heir, _)| heir);
            let until = heir.as_ref().map(|_| until.0);
            sql!(
                "update meeting set lease_holder = $3, lease_until = $4 where id = $1 and lease_holder = $2",
                meeting.as_str(),
                worker,
                heir,
                until
            )
            .execute(&mut *connection)
            .await?;
        })
    }

    /// How far the handing over of a meeting to `heir` has come.
    ///
    /// A giver that vanished is succeeded from when it last saw the room, once its lease has run out before `now`.
    pub async fn inheritance(
        &self,
        meeting: &MeetingId,
        heir: &str,
        now: UnixMillis,
    ) -> Result<Inheritance, Error> {
        let row = transaction!(self, Read, "see whether a meeting is handed over", |connection| {
            rows!(
                HandoverRow,
                "select stage, last_seen_at, lease_until, heir, cut_at
                from meeting join handover on meeting_id = id where id = $1",
                meeting.as_str()
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(row.map_or(Inheritance::Void, |row| inheritance_of(&row, heir, now)))
    }
}

/// Stage, when it was last seen, until when it is held, its heir, and the cut.
type HandoverRow = (String, i64, Option<i64>, Option<String>, Option<i64>);

fn inheritance_of(row: &HandoverRow, heir: &str, now: UnixMillis) -> Inheritance {
    let (stage, last_seen_at, lease_until, accepted_by, cut_at) = row;
    if stage != Stage::Live.as_str() || accepted_by.as_deref() != Some(heir) {
        return Inheritance::Void;
    }
    match (cut_at, lease_until) {
        (Some(cut_at), _) => Inheritance::Since(UnixMillis(*cut_at)),
        (None, Some(until)) if *until > now.0 => Inheritance::Awaited,
        (None, _) => Inheritance::Since(UnixMillis(*last_seen_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heir_waits_for_the_cut_or_for_the_givers_lease_to_run_out() {
        let inherited = |stage: Stage, lease_until, heir: Option<&str>, cut_at| {
            let row = (
                stage.as_str().to_owned(),
                70,
                lease_until,
                heir.map(str::to_owned),
                cut_at,
            );
            inheritance_of(&row, "heir", UnixMillis(100))
        };
        let ours = Some("heir");
        assert_eq!(
            inherited(Stage::Live, Some(101), ours, None),
            Inheritance::Awaited
        );
        assert_eq!(
            inherited(Stage::Live, Some(100), ours, None),
            Inheritance::Since(UnixMillis(70))
        );
        assert_eq!(
            inherited(Stage::Live, None, ours, None),
            Inheritance::Since(UnixMillis(70))
        );
        assert_eq!(
            inherited(Stage::Live, Some(500), ours, Some(90)),
            Inheritance::Since(UnixMillis(90))
        );
        assert_eq!(
            inherited(Stage::Live, Some(500), Some("other"), Some(90)),
            Inheritance::Void
        );
        assert_eq!(inherited(Stage::Ended, None, ours, Some(90)), Inheritance::Void);
    }
}
