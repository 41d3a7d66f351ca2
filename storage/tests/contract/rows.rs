//! What every database has to do.

use std::{collections::HashSet, future::poll_fn, pin::pin, task::Poll, time::Duration};

use lectern_pipelines::{GapReason, MediaTime, MeetingId, Segment, Stage, UnixMillis};
use lectern_storage::{
    Artifact, CaptionContent, Cursor, Database, DatabaseConfig, Due, Lease, NewSummary, Origin,
    PAGE_ITEMS_MAX, Record, Writer, object_key,
};
use tokio::task::JoinSet;

use crate::search::summary;
use crate::things::{Place, gap, person, room, segment, sid};

pub(crate) async fn migrations_run_once_whoever_starts(place: &Place) {
    let mut starters = JoinSet::new();
    for _ in 0..4 {
        let database = place.another().await;
        starters.spawn(async move { database.migrate().await });
    }
    while let Some(migrated) = starters.join_next().await {
        migrated.expect("no panic").expect("tables as they should be");
    }
    place.database.ping().await.expect("an answer");
}

pub(crate) async fn room_keeps_its_meeting_under_one_sid(place: &Place) {
    let first = place
        .database
        .open_meeting(&room("физика 101"), &sid("1"), UnixMillis(1_000))
        .await
        .expect("opened");
    assert_eq!(
        (first.origin, first.started_at, first.stage),
        (Origin::Started, UnixMillis(1_000), Stage::Live)
    );
    // Hours later and unseen meanwhile: the same SID is the same sitting.
    let again = place.another().await;
    let again = again
        .open_meeting(&room("физика 101"), &sid("1"), UnixMillis(9_000_000))
        .await
        .expect("opened");
    assert_eq!(
        (again.origin, &again.id, again.started_at),
        (Origin::Joined, &first.id, UnixMillis(1_000))
    );
    let other = place
        .database
        .open_meeting(&room("chemistry"), &sid("2"), UnixMillis(1_000))
        .await
        .expect("opened");
    assert_ne!(other.id, first.id);
}

pub(crate) async fn new_sid_within_a_minute_continues_the_meeting(place: &Place) {
    let database = &place.database;
    let first = database
        .open_meeting(&room("a"), &sid("1"), UnixMillis(0))
        .await
        .expect("opened");
    let second = database
        .open_meeting(&room("a"), &sid("2"), UnixMillis(60_000))
        .await
        .expect("opened");
    assert_eq!(
        (second.origin, &second.id, second.started_at),
        (Origin::Continued, &first.id, UnixMillis(0))
    );
    // Having been opened counts as having been seen.
    let third = database
        .open_meeting(&room("a"), &sid("3"), UnixMillis(120_000))
        .await
        .expect("opened");
    assert_eq!((third.origin, &third.id), (Origin::Continued, &first.id));
    let early = database
        .open_meeting(&room("a"), &sid("1"), UnixMillis(120_001))
        .await
        .expect("opened");
    assert_eq!(early.origin, Origin::Joined);
}

pub(crate) async fn new_sid_after_a_minute_ends_the_old_meeting(place: &Place) {
    let database = &place.database;
    let first = database
        .open_meeting(&room("a"), &sid("1"), UnixMillis(7))
        .await
        .expect("opened");
    let second = database
        .open_meeting(&room("a"), &sid("2"), UnixMillis(60_008))
        .await
        .expect("opened");
    assert_eq!(second.origin, Origin::Started);
    assert_ne!(second.id, first.id);
    let old = database
        .meeting(&first.id)
        .await
        .expect("readable")
        .expect("still there");
    assert_eq!((old.stage, old.ended_at), (Stage::Ended, Some(UnixMillis(7))));
    let latest = database
        .latest_meeting(&room("a"))
        .await
        .expect("readable")
        .expect("a meeting");
    assert_eq!((&latest.id, latest.stage), (&second.id, Stage::Live));
    assert_eq!(database.latest_meeting(&room("b")).await.expect("readable"), None);
}

pub(crate) async fn meeting_that_is_over_is_never_reopened(place: &Place) {
    let database = &place.database;
    let first = place.meeting("a", 0).await;
    assert!(
        database
            .advance(&first, Stage::Live, Stage::Ended, UnixMillis(10))
            .await
            .expect("advanced")
    );
    let second = database
        .open_meeting(&room("a"), &sid("a"), UnixMillis(20))
        .await
        .expect("opened");
    assert_eq!(second.origin, Origin::Started);
    assert_ne!(second.id, first);
    // The SID is the new meeting's now.
    let again = database
        .open_meeting(&room("a"), &sid("a"), UnixMillis(9_000_000))
        .await
        .expect("opened");
    assert_eq!((again.origin, again.id), (Origin::Joined, second.id));
    assert_eq!(
        database
            .meeting(&first)
            .await
            .expect("readable")
            .expect("there")
            .stage,
        Stage::Ended
    );
}

pub(crate) async fn eight_workers_open_one_meeting(place: &Place) {
    for round in 0..5 {
        let name = format!("race {round}");
        let mut workers = JoinSet::new();
        for worker in 0..8 {
            let (database, name) = (place.another().await, name.clone());
            // Some know the room by the SID before its server was restarted.
            let sid = sid(&format!("{round}-{}", worker % 2));
            workers.spawn(async move { database.open_meeting(&room(&name), &sid, UnixMillis(1_000)).await });
        }
        let opened: Vec<_> = workers
            .join_all()
            .await
            .into_iter()
            .map(|opened| opened.expect("opened"))
            .collect();
        let ids: HashSet<_> = opened.iter().map(|opened| &opened.id).collect();
        assert_eq!(ids.len(), 1, "{opened:?}");
        assert_eq!(
            opened
                .iter()
                .filter(|opened| opened.origin == Origin::Started)
                .count(),
            1,
            "{opened:?}"
        );
        assert_eq!(
            opened
                .iter()
                .filter(|opened| opened.origin == Origin::Continued)
                .count(),
            1,
            "{opened:?}"
        );
    }
}

pub(crate) async fn one_of_eight_workers_advances_a_meeting(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let (database, meeting) = (place.another().await, meeting.clone());
        workers.spawn(async move {
            database
                .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(5))
                .await
        });
    }
    let advanced = workers
        .join_all()
        .await
        .into_iter()
        .filter(|advanced| *advanced.as_ref().expect("an answer"));
    assert_eq!(advanced.count(), 1);
    for pair in Stage::ALL.windows(2).skip(1) {
        assert!(
            place
                .database
                .advance(&meeting, pair[0], pair[1], UnixMillis(6))
                .await
                .expect("advanced")
        );
        assert!(
            !place
                .database
                .advance(&meeting, pair[0], pair[1], UnixMillis(6))
                .await
                .expect("an answer")
        );
    }
    let over = place
        .database
        .meeting(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (over.stage, over.ended_at),
        (Stage::Rendered, Some(UnixMillis(5)))
    );
}

pub(crate) async fn lease_keeps_others_away_until_it_runs_out(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 0).await;
    let claim = async |worker, now, until| {
        database
            .claim_meeting(&meeting, worker, UnixMillis(now), UnixMillis(until))
            .await
            .expect("an answer")
    };
    assert!(claim("one", 0, 100).await);
    assert!(!claim("two", 99, 200).await, "it is held");
    assert!(claim("one", 50, 150).await, "its holder extends it");
    assert!(!claim("two", 149, 250).await);
    assert!(claim("two", 150, 250).await, "it has run out");
    assert!(!claim("one", 160, 300).await, "it is another's now");
    database
        .release_meeting(&meeting, "one")
        .await
        .expect("nothing to release");
    assert!(
        !claim("one", 160, 300).await,
        "nobody gives away what another holds"
    );
    database.release_meeting(&meeting, "two").await.expect("released");
    assert!(claim("one", 160, 300).await);
    let unknown = MeetingId::parse("nobody's").expect("an id");
    assert!(
        !database
            .claim_meeting(&unknown, "one", UnixMillis(0), UnixMillis(1))
            .await
            .expect("an answer")
    );
}

pub(crate) async fn touching_keeps_only_what_is_still_held(place: &Place) {
    let database = &place.database;
    let mut meetings = Vec::new();
    for name in ["held", "taken", "over", "never claimed"] {
        meetings.push(place.meeting(name, 0).await);
    }
    for meeting in &meetings[..3] {
        assert!(
            database
                .claim_meeting(meeting, "one", UnixMillis(0), UnixMillis(10))
                .await
                .expect("claimed")
        );
    }
    assert!(
        database
            .claim_meeting(&meetings[1], "two", UnixMillis(10), UnixMillis(99))
            .await
            .expect("claimed")
    );
    assert!(
        database
            .advance(&meetings[2], Stage::Live, Stage::Ended, UnixMillis(5))
            .await
            .expect("advanced")
    );
    let held = database
        .touch_meetings(&meetings, "one", UnixMillis(50), UnixMillis(80))
        .await
        .expect("touched");
    assert_eq!(held, [meetings[0].clone()]);
    let seen = async |meeting| {
        database
            .meeting(meeting)
            .await
            .expect("readable")
            .expect("there")
            .last_seen_at
    };
    assert_eq!(seen(&meetings[0]).await, UnixMillis(50));
    assert_eq!(seen(&meetings[1]).await, UnixMillis(0));
    // Extended, so that nobody else gets it.
    assert!(
        !database
            .claim_meeting(&meetings[0], "two", UnixMillis(79), UnixMillis(99))
            .await
            .expect("an answer")
    );
}

pub(crate) async fn live_meetings_name_their_sids_and_holders(place: &Place) {
    let database = &place.database;
    assert_eq!(database.live_meetings(UnixMillis(0)).await.expect("listed"), []);
    let one = place.meeting("one", 10).await;
    let over = place.meeting("over", 11).await;
    let two = place.meeting("two", 12).await;
    database
        .open_meeting(&room("one"), &sid("after a restart"), UnixMillis(20))
        .await
        .expect("continued");
    database
        .claim_meeting(&two, "worker", UnixMillis(0), UnixMillis(33))
        .await
        .expect("claimed");
    database
        .advance(&over, Stage::Live, Stage::Ended, UnixMillis(20))
        .await
        .expect("advanced");
    let unheld = |now| database.any_meeting_to_take(UnixMillis(now), UnixMillis(0));
    assert!(unheld(0).await.expect("an answer"), "nobody has room one");
    database
        .claim_meeting(&one, "worker", UnixMillis(0), UnixMillis(44))
        .await
        .expect("claimed");
    assert!(!unheld(32).await.expect("an answer"));
    assert!(unheld(33).await.expect("an answer"));
    database.release_meeting(&one, "worker").await.expect("released");
    let live = database.live_meetings(UnixMillis(0)).await.expect("listed");
    assert_eq!(live.iter().map(|live| &live.id).collect::<Vec<_>>(), [&one, &two]);
    let sids: HashSet<_> = live[0].sids.iter().cloned().collect();
    assert_eq!(sids, HashSet::from([sid("one"), sid("after a restart")]));
    assert_eq!((live[0].last_seen_at, &live[0].lease), (UnixMillis(20), &None));
    assert_eq!(
        live[1].lease,
        Some(Lease {
            holder: "worker".to_owned(),
            until: UnixMillis(33)
        })
    );
    assert_eq!(
        (&live[1].room, live[1].started_at),
        (&room("two"), UnixMillis(12))
    );
}

pub(crate) async fn eight_workers_share_what_is_pending(place: &Place) {
    let database = &place.database;
    let mut pending = HashSet::new();
    for number in 0..30 {
        let meeting = place.meeting(&format!("room {number}"), number).await;
        let stages = [Stage::Live, Stage::Ended, Stage::Transcribed, Stage::Summarised];
        for pair in stages[..2 + number as usize % 3].windows(2) {
            database
                .advance(&meeting, pair[0], pair[1], UnixMillis(100 + number))
                .await
                .expect("advanced");
        }
        pending.insert(meeting);
    }
    // None of these is anybody's work: live, rendered, put off.
    place.meeting("live", 0).await;
    let rendered = place.meeting("rendered", 0).await;
    database
        .advance(&rendered, Stage::Live, Stage::Rendered, UnixMillis(1))
        .await
        .expect("advanced");
    let later = place.meeting("later", 0).await;
    database
        .advance(&later, Stage::Live, Stage::Ended, UnixMillis(1_001))
        .await
        .expect("advanced");

    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let database = place.another().await;
        workers.spawn(async move { claim_all(&database, &format!("worker {worker}")).await });
    }
    let claimed = workers.join_all().await.concat();
    let ids: HashSet<_> = claimed.iter().cloned().collect();
    assert_eq!(claimed.len(), ids.len(), "none was claimed twice");
    assert_eq!(ids, pending);
    // By then all of it is due; what has been due for the longest comes first.
    let next = database
        .claim_meetings(Due::NextStep, "late", UnixMillis(2_000), UnixMillis(3_000), 4)
        .await
        .expect("claimed");
    let next: Vec<_> = next
        .iter()
        .map(|one| (one.room.as_str(), one.stage, one.attempts))
        .collect();
    assert_eq!(
        next,
        [
            ("later", Stage::Ended, 0),
            ("room 0", Stage::Ended, 1),
            ("room 1", Stage::Transcribed, 1),
            ("room 2", Stage::Summarised, 1),
        ]
    );
}

async fn claim_all(database: &Database, worker: &str) -> Vec<MeetingId> {
    let mut claimed = Vec::new();
    loop {
        let some = database
            .claim_meetings(Due::NextStep, worker, UnixMillis(1_000), UnixMillis(2_000), 4)
            .await
            .expect("an answer");
        if some.is_empty() {
            return claimed;
        }
        for pending in some {
            // Put off, or this worker would be given again what it holds.
            let noted = database
                .fail(&pending.id, pending.stage, "busy", UnixMillis(1_500))
                .await
                .expect("noted");
            assert_eq!(noted, Some(1));
            claimed.push(pending.id);
        }
    }
}

pub(crate) async fn failure_is_counted_kept_and_put_off(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 0).await;
    database
        .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(1))
        .await
        .expect("advanced");
    let claim = async |now| {
        database
            .claim_meetings(Due::NextStep, "one", UnixMillis(now), UnixMillis(now + 10), 9)
            .await
            .expect("claimed")
    };
    assert_eq!(claim(5).await.len(), 1);
    let failed = database
        .fail(
            &meeting,
            Stage::Ended,
            "no answer\0 from the model",
            UnixMillis(50),
        )
        .await;
    assert_eq!(failed.expect("noted"), Some(1));
    assert_eq!(claim(49).await, []);
    let again = claim(50).await;
    assert_eq!((again.len(), again[0].attempts), (1, 1));
    assert_eq!(
        database
            .fail(&meeting, Stage::Ended, "again", UnixMillis(60))
            .await
            .expect("noted"),
        Some(2)
    );
    let noted = database
        .meeting(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!((noted.attempts, noted.failure.as_deref()), (2, Some("again")));
    // A failure of a step that another worker has done meanwhile is no failure.
    assert!(
        database
            .advance(&meeting, Stage::Ended, Stage::Transcribed, UnixMillis(61))
            .await
            .expect("advanced")
    );
    assert_eq!(
        database
            .fail(&meeting, Stage::Ended, "late", UnixMillis(99))
            .await
            .expect("an answer"),
        None
    );
    let noted = database
        .meeting(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!((noted.attempts, noted.failure), (0, None));
}

pub(crate) async fn transcript_comes_back_whole_and_in_order(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 1_000).await;
    let mut odd = Segment {
        language: None,
        words: Vec::new(),
        ..segment("SG_z", 500, "Größe, \"何\" и ещё 🎓\n\\n")
    };
    odd.speaker.name = "<b>\u{202e}'; drop table segment; --".to_owned();
    let stored = [
        segment("SG_b", 2_000, "third of all"),
        segment("SG_a", 2_000, "second of all"),
        odd.clone(),
        segment("SG_c", 1, ""),
    ];
    database.store_segments(&meeting, &stored).await.expect("stored");
    database
        .store_gap(&meeting, &gap(900, 950, GapReason::RecogniserSilent))
        .await
        .expect("stored");
    database
        .store_gap(&meeting, &gap(100, 150, GapReason::RecogniserRefused))
        .await
        .expect("stored");
    database
        .store_participants(&meeting, &[person("zoe"), person("ada")])
        .await
        .expect("stored");
    let lecture = database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        lecture.segments,
        [
            odd,
            segment("SG_a", 2_000, "second of all"),
            segment("SG_b", 2_000, "third of all")
        ]
    );
    assert_eq!(
        lecture.gaps,
        [
            gap(100, 150, GapReason::RecogniserRefused),
            gap(900, 950, GapReason::RecogniserSilent)
        ]
    );
    assert_eq!(lecture.participants, [person("zoe"), person("ada")]);
    assert_eq!((lecture.room, lecture.started_at), (room("a"), UnixMillis(1_000)));

    // Postgres can't hold a NUL; what was said around it is kept.
    let nul = segment("SG_nul", 9_000, "before\0after");
    database.store_segments(&meeting, &[nul]).await.expect("stored");
    let lecture = database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(lecture.segments[3].text, "before\u{fffd}after");
    let unknown = MeetingId::parse("nobody's").expect("an id");
    assert_eq!(database.lecture(&unknown).await.expect("readable"), None);
}

pub(crate) async fn storing_twice_is_storing_once(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 0).await;
    let twice = [
        segment("SG_1", 0, "once"),
        segment("SG_1", 7, "changed"),
        segment("SG_2", 10, "other"),
    ];
    for _ in 0..2 {
        database.store_segments(&meeting, &twice).await.expect("stored");
        database
            .store_gap(&meeting, &gap(5, 20, GapReason::RecogniserAway))
            .await
            .expect("stored");
        database
            .store_gap(&meeting, &gap(5, 10, GapReason::RecogniserSilent))
            .await
            .expect("stored");
    }
    database
        .store_participants(&meeting, &[person("ada"), person("bob")])
        .await
        .expect("stored");
    let mut renamed = person("ada");
    renamed.name = "Ada Lovelace".to_owned();
    database
        .store_participants(&meeting, &[person("cyd"), renamed.clone()])
        .await
        .expect("stored");
    // The same ids in another meeting are others.
    let other = place.meeting("b", 0).await;
    database
        .store_segments(&other, &twice[2..])
        .await
        .expect("stored");

    let lecture = database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        lecture.segments,
        [segment("SG_1", 0, "once"), segment("SG_2", 10, "other")]
    );
    assert_eq!(lecture.gaps, [gap(5, 20, GapReason::RecogniserAway)]);
    assert_eq!(lecture.participants, [renamed, person("bob"), person("cyd")]);
    assert_eq!(place.segment_count(&other).await, 1);
}

pub(crate) async fn duration_covers_the_end_and_the_last_words(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 1_000).await;
    let duration = async || {
        database
            .lecture(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .duration
    };
    assert_eq!(duration().await, Duration::ZERO);
    database
        .store_segments(&meeting, &[segment("SG_1", 600, "to 1,000 ms")])
        .await
        .expect("stored");
    assert_eq!(duration().await, Duration::from_millis(1_000));
    database
        .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(61_000))
        .await
        .expect("advanced");
    assert_eq!(duration().await, Duration::from_secs(60));
    database
        .store_segments(&meeting, &[segment("SG_2", 69_600, "late")])
        .await
        .expect("stored");
    assert_eq!(duration().await, Duration::from_secs(70));
    let last = database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there")
        .segments
        .pop()
        .expect("two");
    assert_eq!(last.end, MediaTime::from_millis(70_000));
}

pub(crate) async fn list_pages_through_every_meeting_once(place: &Place) {
    let database = &place.database;
    assert_eq!(database.meetings(5, None).await.expect("listed").items, []);
    let mut began = Vec::new();
    for number in 0..11 {
        // Some begin in the same millisecond.
        began.push(place.meeting(&format!("room {number}"), number / 3).await);
    }
    database
        .store_segments(&began[10], &[segment("SG_1", 0, "a"), segment("SG_2", 0, "")])
        .await
        .expect("stored");
    database
        .store_participants(&began[10], &[person("ada"), person("bob")])
        .await
        .expect("stored");
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = database.meetings(4, after.as_ref()).await.expect("listed");
        assert!(page.items.len() <= 4);
        listed.extend(page.items);
        let Some(next) = page.next else { break };
        after = Some(Cursor::parse(&next.to_string()).expect("its own text"));
    }
    assert_eq!(listed.len(), 11);
    assert!(listed.is_sorted_by(|one, other| one.started_at >= other.started_at));
    assert_eq!(
        listed.iter().map(|one| &one.id).collect::<HashSet<_>>(),
        began.iter().collect()
    );
    let counted = listed.iter().find(|one| one.id == began[10]).expect("listed");
    assert_eq!((counted.segments, counted.participants), (1, 2));
    // Exactly a page: there is no next one. And no limit leads to more than a page.
    assert_eq!(database.meetings(11, None).await.expect("listed").next, None);
    assert!(
        database
            .meetings(u32::MAX, None)
            .await
            .expect("listed")
            .items
            .len()
            <= PAGE_ITEMS_MAX as usize
    );
}

pub(crate) async fn summary_and_artifacts_are_replaced(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("a", 0).await;
    assert_eq!(database.summary(&meeting).await.expect("readable"), None);
    assert_eq!(database.artifacts(&meeting).await.expect("readable"), []);
    for title in ["First", "Второй\0"] {
        let summary = summary(title, "A line.");
        let new = NewSummary {
            version: 1,
            summary: &summary,
            revision: 0,
            made_at: UnixMillis(5),
            ask_again_at: None,
        };
        database.store_summary(&meeting, new).await.expect("stored");
        assert_eq!(database.summary(&meeting).await.expect("readable"), Some(summary));
    }
    let overview = database
        .meeting(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (overview.title.as_deref(), overview.language.as_deref()),
        (Some("Второй\u{fffd}"), Some("en"))
    );
    let artifact = |kind: &str, bytes| Artifact {
        kind: kind.to_owned(),
        key: object_key(&meeting, kind),
        media_type: "application/pdf".to_owned(),
        bytes,
    };
    for stored in [
        artifact("lecture.pdf", 10),
        artifact("lecture.json", 7),
        artifact("lecture.pdf", 12),
    ] {
        database.store_artifact(&meeting, &stored).await.expect("stored");
    }
    let found = database.artifacts(&meeting).await.expect("readable");
    assert_eq!(found, [artifact("lecture.json", 7), artifact("lecture.pdf", 12)]);
    let unknown = MeetingId::parse("nobody's").expect("an id");
    assert!(
        database
            .store_artifact(&unknown, &artifact("x", 1))
            .await
            .is_err()
    );
}

/// A caller who loses patience may do so at any moment: nobody after it is any the worse.
pub(crate) async fn cancelled_call_leaves_nothing_behind(place: &Place) {
    // Whoever comes next gets the connection that was given up.
    let config = DatabaseConfig {
        max_connections: 1,
        ..place.config.clone()
    };
    let database = Database::open(&config).await.expect("a database");
    for round in 0..CANCELLING_ROUNDS {
        cancel_at_every_step(&database, &place.database, round).await;
    }
    database.close().await;
}

/// Gives calls up after one step, after two, and so on until they are done.
async fn cancel_at_every_step(database: &Database, others: &Database, round: u32) {
    for patience in 0..PATIENCE_MAX {
        let opening = |number: i64| {
            let name = format!("{number} of {patience} of {round}");
            async move {
                database
                    .open_meeting(&room(&name), &sid(&name), UnixMillis(number))
                    .await
            }
        };
        let listed = within_polls(patience, database.meetings(5, None)).await;
        // It writes: in a transaction that is left from reading, it couldn't.
        opening(1).await.expect("a meeting");
        let opened = within_polls(patience, opening(2)).await;
        let last = opening(3).await.expect("a meeting");
        // As other connections see it: in a transaction that is left from writing, it wouldn't be there yet.
        let seen = others.meeting(&last.id).await.expect("readable");
        assert!(seen.is_some(), "given up after {patience} steps");
        if listed.is_some() && opened.is_some() {
            return;
        }
    }
    panic!("no call was done in {PATIENCE_MAX} steps");
}

/// Whether an answer comes before or after its caller gives up is chance: without `Held`, one round in four saw nothing.
const CANCELLING_ROUNDS: u32 = 5;
/// Many more than it takes for a connection, a transaction and some statements.
const PATIENCE_MAX: u32 = 500;

/// What a future comes to, if it needs no more than so many steps; it is given up when it could take another.
async fn within_polls<T>(patience: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match polls > patience {
            true => Poll::Ready(None),
            false => future.as_mut().poll(context).map(Some),
        }
    })
    .await
}

pub(crate) async fn captions_become_visible_in_their_order(place: &Place) {
    let meetings = [place.meeting("one", 1).await, place.meeting("two", 1).await];
    let mut workers = JoinSet::new();
    for worker in 0..6 {
        let (database, mut meetings) = (place.another().await, meetings.to_vec());
        // In another order than its neighbour's.
        meetings.rotate_left(worker % 2);
        workers.spawn(async move {
            let (writer, task) = Writer::start(database);
            for number in 0..40 {
                for meeting in &meetings {
                    let said = segment(&format!("{worker}_{number}"), 1_000 - number, "said");
                    let (meeting, _) = writer.meeting(meeting.clone());
                    meeting.store(Record::Segment(said)).await.expect("taken");
                }
            }
            drop(writer);
            task.finish().await;
        });
    }
    // Whoever follows misses nothing, however many write at once.
    for meeting in &meetings {
        let (mut seen, mut last) = (HashSet::new(), 0);
        while seen.len() < 6 * 40 {
            let page = place.database.captions_after(meeting, last, 50).await;
            for caption in page.expect("readable").items {
                assert!(caption.position > last);
                last = caption.position;
                let CaptionContent::Words { id, .. } = caption.content else {
                    panic!("no gap was stored")
                };
                assert!(seen.insert(id), "told twice");
            }
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("no panic");
    }
}

pub(crate) async fn captions_of_earlier_versions_are_numbered(place: &Place) {
    let (database, meeting) = (&place.database, place.meeting("algebra", 1).await);
    let said = [segment("b", 900, "last"), segment("a", 100, "first")];
    database.store_segments(&meeting, &said).await.expect("stored");
    let missing = gap(500, 600, GapReason::RecogniserAway);
    database.store_gap(&meeting, &missing).await.expect("stored");
    place
        .meddle(
            "drop index segment_by_position; drop index gap_by_position; drop table caption_position;
            alter table segment drop column position; alter table gap drop column position;
            delete from _sqlx_migrations where version = 9",
        )
        .await;
    database.migrate().await.expect("tables");
    let more = [segment("c", 200, "more")];
    database.store_segments(&meeting, &more).await.expect("stored");
    let page = database.captions_after(&meeting, 0, 10).await.expect("readable");
    let told: Vec<_> = page
        .items
        .iter()
        .map(|caption| (caption.position, caption.start.as_millis()))
        .collect();
    assert_eq!(told, [(1, 100), (2, 500), (3, 900), (4, 200)]);
}
