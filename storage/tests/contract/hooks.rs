//! What every database has to do about webhooks.

use lectern_pipelines::{DeliveryId, HookId, MeetingId, RoomName, Stage, Summary, UnixMillis};
use lectern_storage::{
    Attempt, Cursor, Database, Delivery, DeliveryState, Failing, HOOK_WAITING_MAX, Hook, HookChange,
    HookTopic, NewHook, Objects, ObjectsConfig, RoomStatus, Switch,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    rooms::made_room,
    search::{summarised, summary},
    things::{Place, room, segment},
};

const ALL: [HookTopic; 4] = HookTopic::ALL;
const IN_ORDER: u32 = 4;

pub(crate) async fn hook(
    database: &Database,
    room: Option<&RoomName>,
    topics: &[HookTopic],
    at: i64,
) -> Hook {
    let new = NewHook {
        url: "https://example.org/",
        description: "физика",
        secret: &SecretString::from("whsec_"),
        room,
        topics,
    };
    let made = database.create_hook(new, 20, UnixMillis(at)).await;
    made.expect("stored").expect("not too many")
}

/// What a webhook is told, the oldest first.
pub(crate) async fn told(database: &Database, hook: &HookId) -> Vec<Delivery> {
    let page = database.deliveries(hook, 200, None).await.expect("listed");
    page.items.into_iter().rev().collect()
}

fn topics_of(told: &[Delivery]) -> Vec<HookTopic> {
    told.iter().map(|delivery| delivery.event.topic).collect()
}

async fn rendered(database: &Database, meeting: &MeetingId, at: i64) {
    for (from, to) in Stage::ALL.iter().zip(&Stage::ALL[1..]) {
        // As the worker does it.
        let advanced = match to {
            Stage::Rendered => database.rendered(meeting, 0, UnixMillis(at)).await,
            _ => database.advance(meeting, *from, *to, UnixMillis(at)).await,
        };
        assert!(advanced.expect("stored"));
    }
}

pub(crate) async fn hook_comes_back_as_it_was_made(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "r").await;
    let owner = database.room(&id).await.expect("readable").expect("there").owner;
    let general = hook(database, None, &ALL, 5).await;
    let own = hook(
        database,
        Some(&id),
        &[HookTopic::RoomFinished, HookTopic::LectureReady],
        6,
    )
    .await;
    assert_eq!(own.topics, [HookTopic::LectureReady, HookTopic::RoomFinished]);
    assert_eq!(
        (own.room.as_ref(), own.description.as_str()),
        (Some(&id), "физика")
    );
    assert_eq!(
        (&own.off, own.failing, own.dropped),
        (&None, Failing::default(), 0)
    );
    assert_eq!(
        database.hook(&own.id).await.expect("readable").as_ref(),
        Some(&own)
    );
    let page = database.hooks(None, 1, None).await.expect("listed");
    assert_eq!(page.items, std::slice::from_ref(&own));
    let cursor = Cursor::parse(&page.next.expect("more").to_string()).expect("its own text");
    let rest = database.hooks(None, 1, Some(&cursor)).await.expect("listed");
    assert_eq!((rest.items, rest.next), (vec![general], None));
    let owned = database.hooks(Some(&owner), 5, None).await.expect("listed");
    assert_eq!(owned.items, std::slice::from_ref(&own));

    // Each room has a bound of its own.
    let new = NewHook {
        url: "https://example.org/",
        description: "",
        secret: &SecretString::from("whsec_"),
        room: Some(&id),
        topics: &ALL,
    };
    assert_eq!(
        database.create_hook(new, 1, UnixMillis(7)).await.expect("stored"),
        None
    );
    let elsewhere = NewHook { room: None, ..new };
    assert!(
        database
            .create_hook(elsewhere, 2, UnixMillis(7))
            .await
            .expect("stored")
            .is_some()
    );

    let change = HookChange {
        topics: Some(&[HookTopic::CaptionFinal]),
        switch: Some(Switch::Off("tired")),
        ..HookChange::default()
    };
    let changed = database.change_hook(&own.id, change, UnixMillis(8)).await;
    let changed = changed.expect("stored").expect("there");
    assert_eq!(
        (changed.topics.as_slice(), changed.url.as_str()),
        (&[HookTopic::CaptionFinal][..], own.url.as_str())
    );
    let off = changed.off.expect("off");
    assert_eq!((off.at, off.reason.as_str()), (UnixMillis(8), "tired"));
    let nobody = HookId::parse("nobody").expect("an id");
    assert_eq!(
        database
            .change_hook(&nobody, change, UnixMillis(8))
            .await
            .expect("stored"),
        None
    );
    assert!(database.delete_hook(&own.id).await.expect("deleted"));
    assert!(!database.delete_hook(&own.id).await.expect("deleted"));
}

pub(crate) async fn news_is_stored_with_what_it_tells_of(place: &Place) {
    let database = &place.database;
    let (algebra, physics) = (
        made_room(database, "algebra").await,
        made_room(database, "physics").await,
    );
    let all = hook(database, None, &ALL, 1).await.id;
    let own = hook(database, Some(&algebra), &ALL, 1).await.id;
    let deaf = hook(database, None, &[HookTopic::RoomFinished], 1).await.id;
    for (room, at) in [(&algebra, 10_000), (&physics, 10_001)] {
        // Twice is once.
        for _ in 0..2 {
            database
                .set_room_status(room, RoomStatus::Live, UnixMillis(at))
                .await
                .expect("stored");
        }
    }
    let meeting = place.meeting("algebra", 10_002).await;
    let foreign = place.meeting("a room of others", 10_002).await;
    let words = [segment("SG_1", 0, "one \u{0} „zwei“"), segment("SG_2", 0, "")];
    for _ in 0..2 {
        database.store_segments(&meeting, &words).await.expect("stored");
    }
    database
        .store_segments(&foreign, &[segment("SG_1", 5, "elsewhere")])
        .await
        .expect("stored");
    let german = Summary {
        language: Some("de".to_owned()),
        ..summary("Zahlen", "Eins und zwei.")
    };
    summarised(place, &meeting, &german).await;
    rendered(database, &meeting, 20_000).await;
    assert!(
        database
            .erase_room(&physics, UnixMillis(30_000))
            .await
            .expect("erased")
    );

    let everything = told(database, &all).await;
    assert_eq!(
        topics_of(&everything),
        [
            HookTopic::RoomStarted,
            HookTopic::RoomStarted,
            HookTopic::CaptionFinal,
            HookTopic::CaptionFinal,
            HookTopic::LectureReady,
            HookTopic::RoomFinished,
        ]
    );
    let about = told(database, &own).await;
    assert_eq!(
        topics_of(&about),
        [
            HookTopic::RoomStarted,
            HookTopic::CaptionFinal,
            HookTopic::LectureReady
        ]
    );
    assert_eq!(topics_of(&told(database, &deaf).await), [HookTopic::RoomFinished]);
    let caption = &about[1].event;
    assert_eq!(
        (caption.at, caption.meeting.as_ref()),
        (UnixMillis(10_402), Some(&meeting))
    );
    let data: Value = serde_json::from_str(&caption.data).expect("JSON");
    assert_eq!(
        (&data["text"], &data["endMs"]),
        (&json!("one \u{0} „zwei“"), &json!(400))
    );
    // One event, however many are told.
    assert!(everything.iter().any(|delivery| delivery.event == *caption));
    let data: Value = serde_json::from_str(&about[2].event.data).expect("JSON");
    assert_eq!(
        data,
        json!({ "title": "Zahlen", "language": "de", "summaryAwaited": false })
    );

    let ping = database
        .queue_ping(&own, UnixMillis(40_000))
        .await
        .expect("stored")
        .expect("queued");
    assert_eq!((ping.event.topic, ping.event.room), (HookTopic::Ping, None));
    let again = database
        .queue_again(&own, &about[0].id, UnixMillis(40_001))
        .await
        .expect("stored")
        .expect("queued");
    assert_eq!(
        (&again.event, again.state),
        (&about[0].event, DeliveryState::Waiting)
    );
    assert_ne!(again.id, about[0].id);
    let nothing = DeliveryId::parse("nothing").expect("an id");
    assert_eq!(
        database
            .queue_again(&own, &nothing, UnixMillis(40_001))
            .await
            .expect("stored"),
        None
    );
    assert_eq!(told(database, &all).await.len(), 6);
}

pub(crate) async fn refused_words_are_not_told(place: &Place) {
    let database = &place.database;
    let all = hook(database, None, &ALL, 1).await.id;
    let gone = MeetingId::parse("erased").expect("an id");
    database
        .store_segments(&gone, &[segment("SG_1", 0, "lost")])
        .await
        .expect_err("no such meeting");
    assert_eq!(told(database, &all).await, []);
    // What is to be erased is told no more, though a worker still stores it.
    let meeting = place.meeting("r", 5).await;
    database
        .ask_to_erase(&meeting, UnixMillis(6))
        .await
        .expect("asked");
    database
        .store_segments(&meeting, &[segment("SG_1", 0, "late")])
        .await
        .expect("stored");
    rendered(database, &meeting, 7).await;
    assert_eq!(told(database, &all).await, []);
}

pub(crate) async fn full_outbox_counts_what_it_leaves_out(place: &Place) {
    let database = &place.database;
    let (full, free) = (
        hook(database, None, &ALL, 1).await.id,
        hook(database, None, &[HookTopic::CaptionFinal], 2).await.id,
    );
    database.queue_ping(&full, UnixMillis(3)).await.expect("stored");
    place
        .meddle(
            "insert into hook_delivery (hook_id, id, event_id, room, position, state, next_at)
            with recursive number (n) as (select 1 union all select n + 1 from number where n < 9998)
            select hook_id, 'copy ' || n, event_id, room, position + n, 'waiting', 9 from hook_delivery, number",
        )
        .await;
    let meeting = place.meeting("r", 5).await;
    let words: Vec<_> = (0..3).map(|n| segment(&format!("SG_{n}"), n, "word")).collect();
    database.store_segments(&meeting, &words).await.expect("stored");
    let hook = database.hook(&full).await.expect("readable").expect("there");
    assert_eq!((hook.dropped, hook.dropped_at), (2, Some(UnixMillis(407))));
    assert_eq!(told(database, &free).await.len(), 3);
    assert_eq!(
        database
            .hook(&free)
            .await
            .expect("readable")
            .expect("there")
            .dropped,
        0
    );
    let due = database
        .due_deliveries(&full, IN_ORDER, HOOK_WAITING_MAX + 1, UnixMillis(1_000))
        .await;
    assert_eq!(due.expect("readable").len(), 10_000);
}

pub(crate) async fn eight_processes_share_the_webhooks(place: &Place) {
    let database = &place.database;
    let mut ids = Vec::new();
    for at in 0..12 {
        let hook = hook(database, None, &ALL, at).await;
        database
            .queue_ping(&hook.id, UnixMillis(at))
            .await
            .expect("stored");
        ids.push(hook.id);
    }
    let now = UnixMillis(100);
    let mut processes = JoinSet::new();
    for number in 0..8 {
        let database = place.another().await;
        processes.spawn(async move {
            let mut held = Vec::new();
            loop {
                let holder = format!("process {number}");
                let claimed = database
                    .claim_hooks(&holder, IN_ORDER, 2, now, UnixMillis(200))
                    .await;
                let claimed = claimed.expect("claimed");
                if claimed.is_empty() && !database.any_hook_due(IN_ORDER, now).await.expect("readable") {
                    break held;
                }
                held.extend(claimed.into_iter().map(|hook| hook.id));
            }
        });
    }
    let mut held: Vec<HookId> = processes.join_all().await.into_iter().flatten().collect();
    held.sort_unstable();
    ids.sort_unstable();
    assert_eq!(held, ids, "each once");
    // A process that died holds nothing for ever.
    let claim = async |at| {
        let claimed = database
            .claim_hooks("heir", IN_ORDER, 100, UnixMillis(at), UnixMillis(at + 100))
            .await;
        claimed.expect("claimed")
    };
    assert_eq!(claim(199).await.len(), 0);
    let claimed = claim(200).await;
    assert_eq!(claimed.len(), 12);
    assert_eq!(claimed[0].secret.expose_secret(), "whsec_");
    let keep = async |id: &HookId, holder: &str| {
        database
            .keep_hook(id, holder, UnixMillis(500))
            .await
            .expect("stored")
    };
    assert!(keep(&ids[0], "heir").await && !keep(&ids[0], "process 1").await);
    // Who gives one back lets others have their turn first.
    database
        .release_hook(&ids[0], "heir", UnixMillis(250))
        .await
        .expect("released");
    database
        .release_hook(&ids[1], "heir", UnixMillis(240))
        .await
        .expect("released");
    let next = database
        .claim_hooks("other", IN_ORDER, 1, UnixMillis(260), UnixMillis(300))
        .await
        .expect("claimed");
    assert_eq!(next[0].id, ids[1]);
    let off = HookChange {
        switch: Some(Switch::Off("tired")),
        ..HookChange::default()
    };
    for id in &ids {
        database
            .change_hook(id, off, UnixMillis(300))
            .await
            .expect("stored");
    }
    assert!(!keep(&ids[2], "heir").await);
    assert!(
        !database
            .any_hook_due(IN_ORDER, UnixMillis(10_000))
            .await
            .expect("readable")
    );
    assert_eq!(
        database
            .queue_ping(&ids[0], UnixMillis(300))
            .await
            .expect("stored"),
        None
    );
}

pub(crate) async fn failure_holds_back_its_room_for_a_while(place: &Place) {
    let database = &place.database;
    let id = hook(database, None, &ALL, 1).await.id;
    let (one, other) = (place.meeting("one", 0).await, place.meeting("other", 0).await);
    for (meeting, start) in [(&one, 100), (&one, 50), (&other, 75)] {
        let words = segment(&format!("SG_{start}"), start, "word");
        database.store_segments(meeting, &[words]).await.expect("stored");
    }
    let due = async |now| {
        let due = database
            .due_deliveries(&id, IN_ORDER, 10, UnixMillis(now))
            .await
            .expect("readable");
        assert_eq!(
            database
                .any_hook_due(IN_ORDER, UnixMillis(now))
                .await
                .expect("readable"),
            !due.is_empty()
        );
        due
    };
    let at = |due: &[Delivery]| due.iter().map(|delivery| delivery.event.at.0).collect::<Vec<_>>();
    assert_eq!(due(449).await, []);
    let all = due(1_000).await;
    assert_eq!(at(&all), [450, 475, 500], "in the order in which it was said");
    let (first, third) = (all[0].id.clone(), all[2].id.clone());
    for attempt in 1..=4 {
        let failed = Attempt::Failed {
            status: Some(500),
            failure: "it answered 500",
            next_at: Some(UnixMillis(2_000 * attempt)),
        };
        let failing = database
            .note_attempt(&id, &first, failed, UnixMillis(1_000))
            .await
            .expect("stored");
        assert_eq!(
            failing,
            Failing {
                attempts: attempt as u32,
                since: Some(UnixMillis(1_000))
            }
        );
        let expected: &[i64] = match attempt {
            4 => &[475, 500],
            _ => &[475],
        };
        assert_eq!(at(&due(2_000 * attempt - 1).await), expected, "attempt {attempt}");
    }
    assert_eq!(at(&due(8_000).await), [450, 475, 500]);
    let delivered = Attempt::Delivered { status: 204 };
    for done in [&all[1].id, &third] {
        let fares = database
            .note_attempt(&id, done, delivered, UnixMillis(3_000))
            .await
            .expect("stored");
        assert_eq!(fares, Failing::default());
    }
    assert_eq!(due(7_999).await, []);
    assert_eq!(
        database
            .hook(&id)
            .await
            .expect("readable")
            .expect("there")
            .failing,
        Failing::default()
    );
}

pub(crate) async fn attempts_are_counted_and_settled_once(place: &Place) {
    let database = &place.database;
    let id = hook(database, None, &ALL, 1).await.id;
    let ping = database
        .queue_ping(&id, UnixMillis(10))
        .await
        .expect("stored")
        .expect("queued");
    let note = async |attempt, at| {
        database
            .note_attempt(&id, &ping.id, attempt, UnixMillis(at))
            .await
            .expect("stored");
        database
            .delivery(&id, &ping.id)
            .await
            .expect("readable")
            .expect("there")
    };
    let put_off = Attempt::Failed {
        status: None,
        failure: "no answer in time",
        next_at: Some(UnixMillis(30)),
    };
    let waits = note(put_off, 20).await;
    assert_eq!(
        (waits.state, waits.attempts, waits.next_at),
        (DeliveryState::Waiting, 1, UnixMillis(30))
    );
    assert_eq!(
        (waits.status, waits.failure.as_deref()),
        (None, Some("no answer in time"))
    );
    let given_up = Attempt::Failed {
        status: Some(404),
        failure: "it answered 404",
        next_at: None,
    };
    let over = note(given_up, 40).await;
    assert_eq!(
        (over.state, over.attempts, over.status),
        (DeliveryState::GivenUp, 2, Some(404))
    );
    assert_eq!(
        (over.first_attempt_at, over.last_attempt_at),
        (Some(UnixMillis(20)), Some(UnixMillis(40)))
    );
    // Another process was late.
    assert_eq!(note(Attempt::Delivered { status: 200 }, 50).await, over);
}

pub(crate) async fn erased_lecture_takes_its_news_along(place: &Place) {
    let database = &place.database;
    let id = hook(database, None, &ALL, 1).await.id;
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().to_owned(),
        s3: None,
    });
    let (erased, kept) = (place.meeting("one", 0).await, place.meeting("other", 0).await);
    for meeting in [&erased, &kept] {
        database
            .store_segments(meeting, &[segment("SG_1", 0, "word")])
            .await
            .expect("stored");
    }
    database
        .ask_to_erase(&erased, UnixMillis(5))
        .await
        .expect("asked");
    assert!(
        database
            .erase(&erased, &objects, "eraser", UnixMillis(5), UnixMillis(9))
            .await
            .expect("erased")
    );
    let left = told(database, &id).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].event.room, Some(room("other")));
}
