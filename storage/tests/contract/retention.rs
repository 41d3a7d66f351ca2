//! What every database has to do about what is too old.

use lectern_pipelines::{GuestState, MeetingId, RoomName, Stage, UnixMillis};
use lectern_storage::{
    Audience, BannedBy, Cursor, Database, Decided, Decision, Expired, HookTopic, NewAuditEntry, NewEvent,
    RoomStatus,
};
use tokio::task::JoinSet;

use crate::{
    files::{due, shared},
    hooks::{hook, told},
    rooms::{made_room, waiting},
    things::{Place, segment},
};

async fn held(place: &Place, room: &str, at: i64) -> MeetingId {
    let meeting = place.meeting(room, at).await;
    let ended = place
        .database
        .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(at + 10))
        .await;
    assert!(ended.expect("stored"));
    meeting
}

async fn actions(database: &Database) -> Vec<(String, Option<String>, Option<String>)> {
    let page = database.audit_entries(200, None).await.expect("listed");
    page.items
        .into_iter()
        .map(|entry| (entry.action, entry.actor, entry.target))
        .collect()
}

fn event(at: i64) -> NewEvent {
    NewEvent {
        audience: Audience::All,
        kind: "test",
        json: at.to_string(),
    }
}

pub(crate) async fn what_is_past_its_days_goes_once_and_is_noted(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "r").await;
    let mut old = Vec::new();
    for at in [100, 200, 300] {
        old.push(held(place, "r", at).await);
    }
    let fresh = held(place, "r", 995).await;
    let live = place.meeting("r", 1_500).await;
    for at in [500, 1_500] {
        database
            .append_events(&id, &[event(at)], UnixMillis(at))
            .await
            .expect("stored");
    }
    shared(place, &id, "old.pdf", 500).await;
    shared(place, &id, "new.pdf", 1_500).await;
    let (gone, waits) = (
        waiting(database, &id, "Bob", 500).await,
        waiting(database, &id, "Eve", 500).await,
    );
    let admit = Decision {
        about: Decided::One(&gone.id),
        from: GuestState::Waiting,
        to: GuestState::Admitted,
        by: None,
    };
    database
        .decide(&id, admit, UnixMillis(500), |_| Vec::new())
        .await
        .expect("stored");
    database
        .set_room_status(&id, RoomStatus::Live, UnixMillis(500))
        .await
        .expect("stored");

    // Eight processes at once, each in steps of two.
    let expire = async |database: Database, id: RoomName| {
        let mut all = Expired::default();
        loop {
            let step = database
                .expire_room(&id, UnixMillis(1_000), 2, UnixMillis(2_000))
                .await
                .expect("stored");
            assert!(step.lectures <= 2, "{step:?}");
            if step.is_empty() {
                break all;
            }
            all.lectures += step.lectures;
            all.rows += step.rows;
        }
    };
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        processes.spawn(expire(place.another().await, id.clone()));
    }
    let expired: Vec<Expired> = processes.join_all().await;
    assert_eq!(expired.iter().map(|one| one.lectures).sum::<u64>(), 3);
    let mut erasures = database.erasures().await.expect("listed");
    erasures.sort_unstable();
    old.sort_unstable();
    assert_eq!(erasures, old);
    let noted = actions(database).await;
    let mut noted_lectures: Vec<_> = noted
        .iter()
        .filter(|(action, ..)| action == "lecture.expire")
        .map(|(_, actor, target)| (actor.clone(), target.clone().expect("a lecture")))
        .collect();
    noted_lectures.sort_unstable();
    let expected: Vec<_> = old
        .iter()
        .map(|meeting| (None, meeting.as_str().to_owned()))
        .collect();
    assert_eq!(noted_lectures, expected);
    assert!(noted.iter().any(|(action, ..)| action == "room.expire"));
    for meeting in [&fresh, &live] {
        assert!(database.shown_lecture(meeting).await.expect("readable").is_some());
    }
    let left = database.events_after(&id, 0).await.expect("readable");
    assert!(
        left.iter().all(|event| event.at.0 >= 1_000) && left.len() == 2,
        "{left:?}"
    );
    let objects: Vec<String> = due(place, 2_000).await.iter().map(ToString::to_string).collect();
    assert_eq!(objects, ["files/old.pdf"]);
    // Nobody is sent out of an open room, and nobody from its door.
    let there =
        async |guest: &lectern_storage::Guest| database.guest(&guest.id).await.expect("readable").is_some();
    assert!(there(&gone).await && there(&waits).await);
    database
        .set_room_status(&id, RoomStatus::Ended, UnixMillis(2_000))
        .await
        .expect("stored");
    expire(place.another().await, id.clone()).await;
    assert!(!there(&gone).await && there(&waits).await);
}

pub(crate) async fn lectures_of_others_rooms_go_too(place: &Place) {
    let database = &place.database;
    made_room(database, "ours").await;
    let (ours, others) = (held(place, "ours", 100).await, held(place, "theirs", 100).await);
    let late = held(place, "theirs", 995).await;
    for expected in [1, 0] {
        let expired = database
            .expire_elsewhere(UnixMillis(1_000), 5, UnixMillis(2_000))
            .await;
        assert_eq!(expired.expect("stored").lectures, expected);
    }
    assert_eq!(database.erasures().await.expect("listed"), [others]);
    for meeting in [&ours, &late] {
        assert!(database.shown_lecture(meeting).await.expect("readable").is_some());
    }
}

pub(crate) async fn notes_and_news_are_forgotten_in_steps(place: &Place) {
    let database = &place.database;
    let hook = hook(database, None, &[HookTopic::CaptionFinal], 1).await.id;
    let meeting = place.meeting("r", 0).await;
    for at in 0..5 {
        let entry = NewAuditEntry {
            action: "room.kick",
            outcome: Some("LIVEKIT_UNAVAILABLE"),
            ..NewAuditEntry::default()
        };
        database.audit(entry, UnixMillis(at)).await.expect("stored");
        let words = segment(&format!("SG_{at}"), at.unsigned_abs(), "word");
        database.store_segments(&meeting, &[words]).await.expect("stored");
    }
    for expected in [2, 1, 0] {
        assert_eq!(
            database.forget_audit(UnixMillis(3), 2).await.expect("stored"),
            expected
        );
        assert_eq!(
            database
                .forget_hook_events(UnixMillis(403), 2)
                .await
                .expect("stored"),
            expected
        );
    }
    let left = database.audit_entries(10, None).await.expect("listed").items;
    assert_eq!(left.len(), 2);
    assert_eq!(left[0].outcome.as_deref(), Some("LIVEKIT_UNAVAILABLE"));
    assert_eq!(told(database, &hook).await.len(), 2);
}

pub(crate) async fn bans_are_listed_without_who_may_come_again(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "r").await;
    let bob = waiting(database, &id, "Bob", 5).await;
    let banned = BannedBy {
        fingerprint: "browser",
        address: "127.0.0.1",
    };
    let keep_out = async |identity: String, banned, at| {
        let kept = database
            .keep_out(&id, &[identity], banned, "ada", UnixMillis(at))
            .await;
        kept.expect("stored");
    };
    keep_out(format!("guest-{}", bob.id), Some(banned), 10).await;
    keep_out("user-eve".to_owned(), Some(banned), 20).await;
    keep_out("guest-kicked".to_owned(), None, 30).await;
    let page = database.bans(&id, 1, None).await.expect("listed");
    assert_eq!(
        (page.items[0].identity.as_str(), &page.items[0].name),
        ("user-eve", &None)
    );
    let cursor = Cursor::parse(&page.next.expect("more").to_string()).expect("its own text");
    let rest = database.bans(&id, 1, Some(&cursor)).await.expect("listed");
    assert_eq!(
        (rest.items[0].name.as_deref(), rest.items[0].at),
        (Some("Bob"), UnixMillis(10))
    );
    assert_eq!((rest.items[0].decided_by.as_str(), rest.next), ("ada", None));
}
