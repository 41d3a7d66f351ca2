//! What should be, against what is: rooms that nobody captions, and meetings whose room is gone.
//!
//! LiveKit asks once for an agent, and never again after a worker has died; its webhooks get lost. So the two lists
//! are compared again and again, and whatever is amiss is put right by whoever sees it first.

use std::{collections::HashMap, time::Duration};

use lectern_pipelines::{MeetingId, RoomName, RoomSid, UnixMillis};
use lectern_storage::{CONTINUES_WITHIN, LiveMeeting};

use crate::{
    Context, Error,
    server::{ListedRoom, Server},
};

/// What was found at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    /// LiveKit's rooms.
    pub(crate) rooms: Vec<ListedRoom>,
    /// The database's live meetings.
    pub(crate) meetings: Vec<LiveMeeting>,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nobody captions this room, or whoever does is about to stop.
    Join(ListedRoom),
    /// This meeting is over, and nobody has noticed.
    End {
        /// The meeting.
        meeting: MeetingId,
        /// Its room, for the log.
        room: RoomName,
        /// When somebody last saw it.
        last_seen_at: UnixMillis,
    },
}

/// What a worker knows besides the two lists.
#[derive(Debug)]
pub(crate) struct Standpoint<'a, Mine: Fn(&RoomName) -> bool> {
    /// Whether a room is nothing to be thought about now: we work on it, or just failed to.
    pub(crate) is_mine: Mine,
    /// Rooms as this process has known them.
    pub(crate) known: &'a KnownRooms,
    /// Leases that have run out.
    pub(crate) unheld: &'a Unheld,
    /// What a room's absence means.
    pub(crate) absence: Absence,
    /// When the lists were made, in the database's time.
    pub(crate) now: UnixMillis,
}

/// What it means that LiveKit doesn't have a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The room is over.
    IsTheEnd,
    /// LiveKit's server went away a moment ago: the people may come back to the same sitting.
    MayBeARestart,
}

/// Leases that have run out, and since when they have been seen so.
///
/// A lease is short, and a busy machine or database may keep its holder from extending it in time. So nothing is done
/// about one that has just run out: a holder that lives moves it on meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Unheld(HashMap<MeetingId, Expired>);

#[derive(Debug, Clone, Copy)]
struct Expired {
    until: UnixMillis,
    seen_at: UnixMillis,
}

/// So long a lease that has run out must stand still: longer than from one extension to the next, so that it also
/// protects a holder whose clock is behind ours.
pub(crate) const LEASE_GRACE: Duration = Duration::from_millis(500);

/// When this process first saw each life of a room.
#[derive(Debug, Default)]
pub(crate) struct KnownRooms(HashMap<RoomSid, UnixMillis>);

/// So long a new room is left to LiveKit's own dispatch, which takes a fraction of it.
pub(crate) const LEFT_TO_DISPATCH: Duration = Duration::from_secs(2);

/// Compares the two lists.
pub(crate) fn plan<Mine: Fn(&RoomName) -> bool>(
    observation: &Observation,
    standpoint: &Standpoint<'_, Mine>,
) -> Vec<Action> {
    let meetings: HashMap<&RoomName, &LiveMeeting> = observation
        .meetings
        .iter()
        .map(|meeting| (&meeting.room, meeting))
        .collect();
    let rooms: HashMap<&RoomName, &ListedRoom> =
        observation.rooms.iter().map(|room| (&room.name, room)).collect();
    let joins = observation
        .rooms
        .iter()
        .filter(|room| standpoint.is_to_be_joined(room, meetings.get(&room.name).copied()))
        .map(|room| Action::Join(room.clone()));
    let ends = observation
        .meetings
        .iter()
        .filter(|meeting| !rooms.contains_key(&meeting.room) && standpoint.is_over(meeting))
        .map(|meeting| Action::End {
            meeting: meeting.id.clone(),
            room: meeting.room.clone(),
            last_seen_at: meeting.last_seen_at,
        });
    joins.chain(ends).collect()
}

impl<Mine: Fn(&RoomName) -> bool> Standpoint<'_, Mine> {
    fn is_to_be_joined(&self, room: &ListedRoom, meeting: Option<&LiveMeeting>) -> bool {
        if (self.is_mine)(&room.name) {
            return false;
        }
        match meeting {
            Some(meeting) if meeting.is_offered => true,
            // Somebody had it: if they have it no more, they died.
            Some(meeting) if meeting.lease.is_some() => self.unheld.confirms(meeting, self.now),
            _ => self.known.since(&room.sid, self.now) >= LEFT_TO_DISPATCH,
        }
    }

    fn is_over(&self, meeting: &LiveMeeting) -> bool {
        let unseen = self.now.since(meeting.last_seen_at);
        let may_return = self.absence == Absence::MayBeARestart && unseen <= CONTINUES_WITHIN;
        !may_return && self.unheld.confirms(meeting, self.now) && !(self.is_mine)(&meeting.room)
    }
}

impl Unheld {
    /// Takes note of the leases that have run out, and forgets those that have moved.
    pub(crate) fn update(&mut self, meetings: &[LiveMeeting], now: UnixMillis) {
        let before = std::mem::take(&mut self.0);
        let expired = meetings.iter().filter_map(|meeting| {
            let until = meeting.lease.as_ref()?.until;
            let known = before.get(&meeting.id).filter(|known| known.until == until);
            let fresh = Expired { until, seen_at: now };
            (until <= now).then(|| (meeting.id.clone(), *known.unwrap_or(&fresh)))
        });
        self.0 = expired.collect();
    }

    /// Whether some lease is still given its chance to move.
    pub(crate) fn any_new(&self, now: UnixMillis) -> bool {
        self.0.values().any(|expired| !expired.is_confirmed(now))
    }

    /// Whether nobody works on a live meeting: it was handed back, or its lease ran out and stood still.
    fn confirms(&self, meeting: &LiveMeeting, now: UnixMillis) -> bool {
        match &meeting.lease {
            None => true,
            Some(_) => self
                .0
                .get(&meeting.id)
                .is_some_and(|expired| expired.is_confirmed(now)),
        }
    }
}

impl Expired {
    fn is_confirmed(self, now: UnixMillis) -> bool {
        now.0 - self.seen_at.0 >= LEASE_GRACE.as_millis() as i64
    }
}

impl KnownRooms {
    /// Takes note of a list of rooms, and forgets those that aren't on it.
    pub(crate) fn update(&mut self, rooms: &[ListedRoom], now: UnixMillis) {
        let before = std::mem::take(&mut self.0);
        self.0 = rooms
            .iter()
            .map(|room| (room.sid.clone(), before.get(&room.sid).copied().unwrap_or(now)))
            .collect();
    }

    /// Whether some room is still left to LiveKit's own dispatch.
    pub(crate) fn any_new(&self, now: UnixMillis) -> bool {
        self.0.keys().any(|sid| self.since(sid, now) < LEFT_TO_DISPATCH)
    }

    fn since(&self, sid: &RoomSid, now: UnixMillis) -> Duration {
        self.0.get(sid).map_or(Duration::ZERO, |first| now.since(*first))
    }
}

/// Looks at the database, and at LiveKit's rooms if that is due or a meeting has lost its worker.
///
/// Nothing comes back where nothing is to be compared, or one of the two can't be asked: the next look is soon.
pub(crate) async fn observe(
    context: &Context,
    server: &Server,
    depth: Depth,
    now: UnixMillis,
) -> Result<Option<Observation>, Error> {
    if depth == Depth::Leases {
        let offered_since = now.saturating_sub(FRESH_OFFER);
        if !context.database.any_meeting_to_take(now, offered_since).await? {
            return Ok(None);
        }
    }
    Ok(Some(Observation {
        meetings: context.database.live_meetings(now).await?,
        rooms: server.rooms().await?,
    }))
}

/// So long an offer is news. Who can't take it just now looks at it again when all lists are compared.
const FRESH_OFFER: Duration = Duration::from_secs(2);

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// LiveKit is asked only if a meeting's lease has run out, or it was just offered.
    Leases,
    /// LiveKit is asked.
    Rooms,
}

#[cfg(test)]
mod tests {
    use lectern_storage::Lease;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn room(name: &str, sid: &str) -> ListedRoom {
        ListedRoom {
            name: RoomName::parse(name).expect("a good name"),
            sid: RoomSid::parse(sid).expect("a good SID"),
        }
    }

    /// A meeting whose lease, if it has one, runs so much longer.
    fn meeting(room: &str, lease_ms: Option<i64>) -> LiveMeeting {
        LiveMeeting {
            id: MeetingId::parse(format!("meeting-in-{room}")).expect("a good id"),
            room: RoomName::parse(room).expect("a good name"),
            sids: vec![RoomSid::parse("RM_1").expect("a good SID")],
            started_at: UnixMillis(0),
            last_seen_at: UnixMillis(NOW.0 - 5_000),
            lease: lease_ms.map(|left| Lease {
                holder: "worker-2".to_owned(),
                until: UnixMillis(NOW.0 + left),
            }),
            is_offered: false,
        }
    }

    struct Case {
        rooms: Vec<ListedRoom>,
        meetings: Vec<LiveMeeting>,
        mine: &'static [&'static str],
        known_for: Duration,
        absence: Absence,
    }

    impl Case {
        fn new(rooms: Vec<ListedRoom>, meetings: Vec<LiveMeeting>) -> Self {
            Self {
                rooms,
                meetings,
                mine: &[],
                known_for: Duration::from_secs(60),
                absence: Absence::IsTheEnd,
            }
        }

        fn plan(self) -> Vec<String> {
            let mut known = KnownRooms::default();
            known.update(&self.rooms, UnixMillis(NOW.0 - self.known_for.as_millis() as i64));
            known.update(&self.rooms, NOW);
            let mut unheld = Unheld::default();
            unheld.update(&self.meetings, UnixMillis(NOW.0 - LEASE_GRACE.as_millis() as i64));
            unheld.update(&self.meetings, NOW);
            let observation = Observation {
                rooms: self.rooms,
                meetings: self.meetings,
            };
            let standpoint = Standpoint {
                is_mine: |room: &RoomName| self.mine.contains(&room.as_str()),
                known: &known,
                unheld: &unheld,
                absence: self.absence,
                now: NOW,
            };
            plan(&observation, &standpoint)
                .into_iter()
                .map(|action| match action {
                    Action::Join(room) => format!("join {}", room.name),
                    Action::End { room, .. } => format!("end {room}"),
                })
                .collect()
        }
    }

    #[test]
    fn room_that_nobody_ever_captioned_is_joined_once_dispatch_had_its_chance() {
        let case = || Case::new(vec![room("physics", "RM_1")], vec![]);
        assert_eq!(case().plan(), ["join physics"]);
        assert_eq!(
            Case {
                known_for: Duration::from_secs(1),
                ..case()
            }
            .plan(),
            [""; 0]
        );
        assert_eq!(
            Case {
                known_for: LEFT_TO_DISPATCH,
                ..case()
            }
            .plan(),
            ["join physics"]
        );
    }

    #[test]
    fn room_of_a_dead_worker_is_joined_without_delay() {
        let case = |lease| Case {
            known_for: Duration::ZERO,
            ..Case::new(vec![room("physics", "RM_1")], vec![meeting("physics", lease)])
        };
        assert_eq!(case(Some(1)).plan(), [""; 0]);
        assert_eq!(
            case(Some(-499)).plan(),
            [""; 0],
            "its worker may be about to extend it"
        );
        assert_eq!(case(Some(-500)).plan(), ["join physics"]);
        assert_eq!(case(Some(-9_000)).plan(), ["join physics"]);
    }

    #[test]
    fn lease_that_moves_is_never_taken_however_late_it_is() {
        let mut unheld = Unheld::default();
        for round in 0..20 {
            let now = UnixMillis(NOW.0 + round * 400);
            let late = [meeting("physics", Some(round * 400 - 1))];
            unheld.update(&late, now);
            assert!(unheld.any_new(now), "round {round}");
            assert!(!unheld.confirms(&late[0], now), "round {round}");
        }
    }

    #[test]
    fn room_that_was_handed_back_is_joined() {
        let case = Case::new(vec![room("physics", "RM_1")], vec![meeting("physics", None)]);
        assert_eq!(case.plan(), ["join physics"]);
    }

    #[test]
    fn room_whose_worker_is_about_to_stop_is_joined() {
        let offered = || LiveMeeting {
            is_offered: true,
            ..meeting("physics", Some(900))
        };
        let case = || Case::new(vec![room("physics", "RM_1")], vec![offered()]);
        assert_eq!(case().plan(), ["join physics"]);
        let ours = Case {
            mine: &["physics"],
            ..case()
        };
        assert_eq!(ours.plan(), [""; 0]);
        let gone = Case::new(vec![], vec![offered()]);
        assert_eq!(gone.plan(), [""; 0], "its worker sees the end first");
    }

    #[test]
    fn own_rooms_are_left_alone_whatever_the_lists_say() {
        let case = |rooms| Case {
            mine: &["physics"],
            ..Case::new(rooms, vec![meeting("physics", Some(-500))])
        };
        assert_eq!(case(vec![room("physics", "RM_1")]).plan(), [""; 0]);
        assert_eq!(case(vec![]).plan(), [""; 0], "its own worker sees the end first");
    }

    #[test]
    fn meeting_without_a_room_and_without_a_worker_is_ended() {
        let case = |lease| Case::new(vec![room("chemistry", "RM_9")], vec![meeting("physics", lease)]);
        assert_eq!(
            case(Some(500)).plan(),
            ["join chemistry"],
            "its worker may still be at the last words"
        );
        assert_eq!(case(Some(-500)).plan(), ["join chemistry", "end physics"]);
        assert_eq!(case(None).plan(), ["join chemistry", "end physics"]);
    }

    #[test]
    fn meeting_waits_a_minute_for_its_room_after_the_server_went_away() {
        let case = |last_seen_at| Case {
            absence: Absence::MayBeARestart,
            ..Case::new(
                vec![],
                vec![LiveMeeting {
                    last_seen_at,
                    ..meeting("physics", None)
                }],
            )
        };
        assert_eq!(case(UnixMillis(NOW.0 - 60_000)).plan(), [""; 0]);
        assert_eq!(case(UnixMillis(NOW.0 - 60_001)).plan(), ["end physics"]);
        assert_eq!(
            case(UnixMillis(NOW.0 + 5)).plan(),
            [""; 0],
            "another machine's clock may be ahead"
        );
    }

    #[test]
    fn same_name_with_a_new_sid_is_joined_and_its_meeting_not_ended() {
        let after_restart = Case {
            absence: Absence::MayBeARestart,
            ..Case::new(
                vec![room("physics", "RM_2")],
                vec![meeting("physics", Some(-500))],
            )
        };
        assert_eq!(
            after_restart.plan(),
            ["join physics"],
            "opening the meeting decides whether it goes on"
        );
    }

    #[test]
    fn room_that_went_and_came_back_is_new() {
        let mut known = KnownRooms::default();
        let rooms = [room("physics", "RM_1")];
        known.update(&rooms, UnixMillis(0));
        known.update(&[], UnixMillis(1_000));
        known.update(&rooms, UnixMillis(2_000));
        assert_eq!(
            known.since(&rooms[0].sid, UnixMillis(3_000)),
            Duration::from_secs(1)
        );
    }
}
