//! What every database has to do about accounts, rooms, guests and events.

use std::slice;

use lectern_pipelines::{AccountId, GuestState, RoomName, UnixMillis};
use lectern_storage::{
    AccountRole, Artifact, Audience, Cursor, Database, Decided, Decision, Door, EVENTS_READ_MAX, Guest,
    NewAccount, NewAuditEntry, NewEvent, NewGuest, ObjectKey, Objects, ObjectsConfig, OwnCaptions, Room,
    RoomChange, RoomStatus, RoomWishes, object_key,
};
use tokio::task::JoinSet;

use crate::things::{Place, room};

async fn account(database: &Database, email: &str) -> AccountId {
    let new = NewAccount {
        email,
        name: "Ада",
        role: AccountRole::Host,
        password_hash: Some("$argon2id$"),
    };
    let made = database.create_account(new, UnixMillis(1_000)).await;
    made.expect("stored").expect("a new address").id
}

pub(crate) async fn made_room(database: &Database, id: &str) -> RoomName {
    let owner = account(database, &format!("{id}@example.org")).await;
    held_room(database, id, owner).await
}

/// A room of somebody's.
pub(crate) async fn held_room(database: &Database, id: &str, owner: AccountId) -> RoomName {
    let room = Room {
        id: room(id),
        code: format!("code-of-{id}"),
        title: "Физика".to_owned(),
        owner,
        status: RoomStatus::Scheduled,
        door: Door::Unlocked,
        settings: "{}".to_owned(),
        starts_at: None,
        created_at: UnixMillis(2_000),
        revision: 0,
        revised_at: None,
    };
    assert!(database.create_room(&room).await.expect("stored"));
    assert!(!database.create_room(&room).await.expect("stored"), "twice");
    room.id
}

fn event(audience: Audience, json: &str) -> NewEvent {
    NewEvent {
        audience,
        kind: "test",
        json: json.to_owned(),
    }
}

fn told_of(guest: &Guest) -> Vec<NewEvent> {
    vec![
        event(Audience::Guest(guest.id.clone()), guest.state.as_str()),
        event(Audience::Hosts, guest.id.as_str()),
    ]
}

pub(crate) async fn waiting(database: &Database, room: &RoomName, name: &str, at: i64) -> Guest {
    let new = NewGuest {
        name,
        fingerprint: "browser",
        address: "127.0.0.1",
        address_banned: false,
        account: None,
        captions: OwnCaptions::Off,
        state: GuestState::Waiting,
        decided_by: None,
    };
    let made = database.create_guest(room, new, UnixMillis(at), told_of).await;
    made.expect("stored")
}

pub(crate) async fn account_is_made_once_per_address(place: &Place) {
    let database = &place.database;
    let id = account(database, "ada@example.org").await;
    let again = NewAccount {
        email: "ada@example.org",
        name: "Eve",
        role: AccountRole::Admin,
        password_hash: None,
    };
    assert_eq!(
        database
            .create_account(again, UnixMillis(5))
            .await
            .expect("stored"),
        None
    );
    let (found, hash) = database
        .account_by_email("ada@example.org")
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        (&found.id, found.name.as_str(), found.role),
        (&id, "Ада", AccountRole::Host)
    );
    assert_eq!(hash.as_deref(), Some("$argon2id$"));
    let listed = database.account_overviews(None, 5, None).await.expect("listed");
    let listed: Vec<_> = listed
        .items
        .into_iter()
        .map(|overview| overview.account)
        .collect();
    assert_eq!(listed, [found]);
}

pub(crate) async fn host_becomes_administrator_and_logs_in_anew(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org").await;
    let eve = account(database, "eve@example.org").await;
    let mut sessions = Vec::new();
    for account in [&ada, &eve] {
        let session = database
            .open_session(account, UnixMillis(1_000), UnixMillis(5_000))
            .await;
        sessions.push(session.expect("stored").expect("somebody may log in"));
    }
    assert!(!database.has_administrator().await.expect("readable"));
    database.make_administrator(&ada).await.expect("stored");
    assert!(database.has_administrator().await.expect("readable"));
    let role = async |id| {
        let found = database.account(id).await.expect("readable");
        found.expect("there").role
    };
    assert_eq!(
        (role(&ada).await, role(&eve).await),
        (AccountRole::Admin, AccountRole::Host)
    );
    let mut lasting = Vec::new();
    for session in &sessions {
        let found = database.account_of_session(session, UnixMillis(2_000)).await;
        lasting.push(found.expect("readable").is_some());
    }
    assert_eq!(lasting, [false, true]);
}

pub(crate) async fn session_lasts_until_it_ends(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org").await;
    let who = async |session: &str, now| {
        let found = database.account_of_session(session, UnixMillis(now)).await;
        found.expect("readable").map(|account| account.id)
    };
    let session = database
        .open_session(&ada, UnixMillis(1_000), UnixMillis(5_000))
        .await
        .expect("stored")
        .expect("somebody may log in");
    assert_eq!(who(&session, 4_999).await.as_ref(), Some(&ada));
    assert_eq!(who(&session, 5_000).await, None);
    assert_eq!(who("another", 1_000).await, None);
    database.end_session(&session).await.expect("ended");
    assert_eq!(who(&session, 1_000).await, None);

    let session = database
        .open_session(&ada, UnixMillis(1_000), UnixMillis(5_000))
        .await
        .expect("stored")
        .expect("somebody may log in");
    database.set_password_hash(&ada, "new").await.expect("stored");
    assert_eq!(who(&session, 1_000).await, None);
}

pub(crate) async fn key_works_until_it_is_revoked(place: &Place) {
    let database = &place.database;
    let ada = account(database, "ada@example.org").await;
    let key = database
        .create_api_key("stage server", "hash", &ada, UnixMillis(7))
        .await
        .expect("stored");
    assert_eq!(
        database.api_key_by_hash("hash").await.expect("readable").as_ref(),
        Some(&key)
    );
    assert_eq!(database.api_key_by_hash("hush").await.expect("readable"), None);
    assert!(
        database
            .revoke_api_key(&key.id, UnixMillis(9))
            .await
            .expect("stored")
    );
    assert!(
        !database
            .revoke_api_key("another", UnixMillis(9))
            .await
            .expect("stored")
    );
    assert_eq!(database.api_key_by_hash("hash").await.expect("readable"), None);
    let listed = database.api_keys().await.expect("listed");
    assert_eq!(listed[0].revoked_at, Some(UnixMillis(9)));
}

pub(crate) async fn room_is_found_by_id_and_code(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "физика 101").await;
    let by_code = database
        .room_by_code("code-of-физика 101")
        .await
        .expect("readable");
    let found = database.room(&id).await.expect("readable").expect("there");
    assert_eq!(by_code.as_ref(), Some(&found));
    let change = RoomChange {
        title: Some("Химия"),
        starts_at: Some(UnixMillis(77)),
        ..RoomChange::default()
    };
    let changed = database
        .change_room(&id, change)
        .await
        .expect("stored")
        .expect("there");
    assert_eq!(
        (
            changed.title.as_str(),
            changed.settings.as_str(),
            changed.starts_at
        ),
        ("Химия", "{}", Some(UnixMillis(77)))
    );
    assert!(
        database
            .set_room_status(&id, RoomStatus::Live, UnixMillis(5))
            .await
            .expect("stored")
    );
    assert!(
        !database
            .set_room_status(&id, RoomStatus::Live, UnixMillis(5))
            .await
            .expect("stored")
    );
    assert!(database.set_door(&id, Door::Locked).await.expect("stored"));
    let now = database.room(&id).await.expect("readable").expect("there");
    assert_eq!((now.status, now.door), (RoomStatus::Live, Door::Locked));
    let wishes = async |id: &RoomName| database.room_wishes(id).await.expect("readable");
    let expected = RoomWishes {
        chat: true,
        title: Some("Химия".to_owned()),
        ..RoomWishes::default()
    };
    assert_eq!(wishes(&id).await, expected);
    assert_eq!(wishes(&room("nobody's")).await, RoomWishes::default());
    let before = database.room(&id).await.expect("readable").expect("there");
    assert_eq!((before.revision, before.revised_at), (0, None));
    for revision in 1..3 {
        let change = RoomChange {
            revised_at: Some(UnixMillis(7_000)),
            ..RoomChange::default()
        };
        let revised = database.change_room(&id, change).await.expect("stored");
        let revised = revised.expect("there");
        assert_eq!(
            (revised.revision, revised.revised_at),
            (revision, Some(UnixMillis(7_000)))
        );
    }
    let silent = RoomChange {
        settings: Some(r#"{"lobby":true,"captions":false}"#),
        ..RoomChange::default()
    };
    database.change_room(&id, silent).await.expect("stored");
    assert!(!wishes(&id).await.captions);
    let spoken = RoomChange {
        settings: Some(r#"{"language":"pt-BR","keyterms":["Fourier"],"summary":false,"pin":null}"#),
        ..RoomChange::default()
    };
    database.change_room(&id, spoken).await.expect("stored");
    let expected = RoomWishes {
        captions: true,
        language: Some("pt-BR".to_owned()),
        keyterms: vec!["Fourier".to_owned()],
        title: Some("Химия".to_owned()),
        summary: false,
        chat: true,
    };
    assert_eq!(wishes(&id).await, expected);
    let now = database.room(&id).await.expect("readable").expect("there");
    for owner in [None, Some(&found.owner)] {
        let page = database.rooms(owner, 5, None).await.expect("listed");
        assert_eq!(page.items, std::slice::from_ref(&now));
    }
    assert!(database.erase_room(&id, UnixMillis(9)).await.expect("deleted"));
    assert!(!database.erase_room(&id, UnixMillis(9)).await.expect("deleted"));
    assert_eq!(database.room(&id).await.expect("readable"), None);
}

pub(crate) async fn events_have_positions_without_holes(place: &Place) {
    let id = made_room(&place.database, "r").await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (database, id) = (place.another().await, id.clone());
        writers.spawn(async move {
            for number in 0..100 {
                let json = format!("\"{writer}: {number} — ‘quoted’ \\u0000\"");
                let events = [event(Audience::All, &json), event(Audience::Hosts, &json)];
                database
                    .append_events(&id, &events, UnixMillis(number))
                    .await
                    .expect("stored");
            }
        });
    }
    // Whoever reads while others write sees no hole either.
    let mut last = 0;
    while last < 800 {
        for read in place.database.events_after(&id, last).await.expect("readable") {
            assert_eq!(read.position, last + 1);
            last = read.position;
        }
    }
    while let Some(written) = writers.join_next().await {
        written.expect("no panic");
    }
    assert_eq!(place.database.last_event(&id).await.expect("readable"), 800);
    let first = place.database.events_after(&id, 0).await.expect("readable");
    assert_eq!(first.len() as i64, EVENTS_READ_MAX);
    assert_eq!(place.database.events_after(&id, 800).await.expect("readable"), []);
    assert_eq!(
        place
            .database
            .last_event(&room("nowhere"))
            .await
            .expect("readable"),
        0
    );
}

pub(crate) async fn one_of_eight_hosts_decides(place: &Place) {
    let id = made_room(&place.database, "r").await;
    let guest = waiting(&place.database, &id, "Bob", 10).await;
    let waits_as = async |browser: &str| place.database.waiting_as(&id, browser).await.expect("readable");
    assert_eq!(waits_as("browser").await.as_ref(), Some(&guest));
    assert_eq!(waits_as("another").await, None);
    let mut hosts = JoinSet::new();
    for number in 0..8 {
        let (database, id, guest) = (place.another().await, id.clone(), guest.clone());
        hosts.spawn(async move {
            let decision = Decision {
                about: Decided::One(&guest.id),
                from: GuestState::Waiting,
                to: match number % 2 {
                    0 => GuestState::Admitted,
                    _ => GuestState::Denied,
                },
                by: Some("host"),
            };
            let decided = database.decide(&id, decision, UnixMillis(20), told_of).await;
            decided.expect("stored").len()
        });
    }
    let decided = hosts.join_all().await;
    assert_eq!(decided.iter().sum::<usize>(), 1);
    let now = place
        .database
        .guest(&guest.id)
        .await
        .expect("readable")
        .expect("there");
    assert_ne!(now.state, GuestState::Waiting);
    assert_eq!(waits_as("browser").await, None);
    assert_eq!(now.decided_by.as_deref(), Some("host"));
    let told = place.database.events_after(&id, 0).await.expect("readable");
    assert_eq!(told.len(), 4);
    assert_eq!(told[2].json, now.state.as_str());
}

pub(crate) async fn everybody_is_decided_about_at_once(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "r").await;
    for at in 0..300 {
        waiting(database, &id, &format!("Student {at}"), at).await;
    }
    assert_eq!(
        database
            .rooms_waited_at_since(UnixMillis(0))
            .await
            .expect("readable"),
        std::slice::from_ref(&id)
    );
    let decide = async |about, to| {
        let decision = Decision {
            about,
            from: GuestState::Waiting,
            to,
            by: None,
        };
        let decided = database.decide(&id, decision, UnixMillis(1_000), told_of).await;
        decided.expect("stored")
    };
    let expired = decide(Decided::WhoAskedBefore(UnixMillis(99)), GuestState::Expired).await;
    assert_eq!(expired.len(), 100);
    assert!(expired.is_sorted_by_key(|guest| guest.asked_at));
    assert_eq!(decide(Decided::Everybody, GuestState::Admitted).await.len(), 200);
    assert_eq!(decide(Decided::Everybody, GuestState::Denied).await, []);
    for (state, expected) in [
        (GuestState::Waiting, 0),
        (GuestState::Expired, 100),
        (GuestState::Admitted, 200),
    ] {
        assert_eq!(
            database.count_guests(&id, state).await.expect("readable"),
            expected
        );
    }
    let longest = database
        .guests(&id, GuestState::Admitted, 2)
        .await
        .expect("listed");
    assert_eq!(
        longest.iter().map(|guest| guest.asked_at.0).collect::<Vec<_>>(),
        [100, 101]
    );
    // Each was told when they came, and once more when it was decided; and so were the hosts.
    assert_eq!(database.last_event(&id).await.expect("readable"), 1_200);
}

pub(crate) async fn audit_pages_back_in_time(place: &Place) {
    let database = &place.database;
    for at in 0..5 {
        let entry = NewAuditEntry {
            actor: Some("ada"),
            action: "room.end",
            ..NewAuditEntry::default()
        };
        database.audit(entry, UnixMillis(at / 2)).await.expect("stored");
    }
    let first = database.audit_entries(3, None).await.expect("listed");
    assert_eq!(first.items.len(), 3);
    assert!(first.items.is_sorted_by(|one, other| one.at >= other.at));
    let next = Cursor::parse(&first.next.expect("more").to_string()).expect("its own text");
    let rest = database.audit_entries(3, Some(&next)).await.expect("listed");
    assert_eq!((rest.items.len(), rest.next), (2, None));
}

pub(crate) async fn erased_lecture_is_gone_with_its_files(place: &Place) {
    let database = &place.database;
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().to_owned(),
        s3: None,
    });
    let id = made_room(database, "algebra").await;
    let owner = database.room(&id).await.expect("readable").expect("there").owner;
    let (kept, erased) = (
        place.meeting("elsewhere", 1).await,
        place.meeting("algebra", 2).await,
    );
    for meeting in [&kept, &erased] {
        let key = object_key(meeting, "lecture.pdf");
        objects
            .put(&key, "application/pdf", b"%PDF".to_vec())
            .await
            .expect("written");
        let artifact = Artifact {
            kind: "lecture.pdf".to_owned(),
            key,
            media_type: "application/pdf".to_owned(),
            bytes: 4,
        };
        database.store_artifact(meeting, &artifact).await.expect("stored");
    }
    let listed = async |owner| {
        let page = database.lectures(owner, 5, None).await.expect("listed");
        page.items.into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, [erased.clone(), kept.clone()]);
    assert_eq!(listed(Some(&owner)).await, slice::from_ref(&erased));

    assert!(
        database
            .claim_meeting(&erased, "worker", UnixMillis(3), UnixMillis(10))
            .await
            .expect("claimed")
    );
    assert!(database.erase_room(&id, UnixMillis(4)).await.expect("erased"));
    // Nobody sees it, though a worker is still at it.
    assert_eq!(listed(None).await, slice::from_ref(&kept));
    assert_eq!(database.shown_lecture(&erased).await.expect("readable"), None);
    assert_eq!(
        database.erasures().await.expect("listed"),
        slice::from_ref(&erased)
    );
    let erase = async |now| {
        let gone = database
            .erase(&erased, &objects, "eraser", UnixMillis(now), UnixMillis(now + 5))
            .await;
        gone.expect("erased")
    };
    assert!(!erase(9).await, "the worker holds it");
    assert!(erase(10).await);
    assert!(erase(11).await, "twice is once");
    assert_eq!(database.meeting(&erased).await.expect("readable"), None);
    assert_eq!(database.erasures().await.expect("listed"), []);
    let left = objects.list("").await.expect("listed");
    assert_eq!(
        left.iter().map(ObjectKey::as_str).collect::<Vec<_>>(),
        [object_key(&kept, "lecture.pdf").as_str()]
    );
}

pub(crate) async fn webhook_event_counts_once(place: &Place) {
    let take = async |id: &str, now, forget| {
        let taken = place
            .database
            .take_webhook_event(id, UnixMillis(now), UnixMillis(forget))
            .await;
        taken.expect("stored")
    };
    assert!(take("EV_1", 100, 0).await);
    assert!(!take("EV_1", 200, 0).await);
    assert!(take("EV_2", 200, 150).await);
    // The first was forgotten.
    assert!(take("EV_1", 300, 150).await);
    place.database.forget_webhook_event("EV_1").await.expect("stored");
    assert!(take("EV_1", 300, 150).await);
}
