//! What every database has to do about files that people share.

use lectern_pipelines::{RoomName, Stage, UnixMillis};
use lectern_storage::{
    Audience, Cursor, NewEvent, NewFile, ObjectKey, Objects, ObjectsConfig, SharedFile, Sharing,
};
use tokio::task::JoinSet;

use crate::{
    rooms::made_room,
    things::{Place, sid},
};

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(format!("files/{name}")).expect("a key")
}

fn tell(file: &SharedFile) -> NewEvent {
    NewEvent {
        audience: Audience::All,
        kind: "file.shared",
        json: format!("{{\"id\":\"{}\",\"name\":\"{}\"}}", file.id, file.name),
    }
}

async fn share(place: &Place, room: &RoomName, name: &str, files_max: u32, at: i64) -> Sharing {
    let key = key(name);
    let expected = place.database.expect_object(&key, UnixMillis(at + 1_000)).await;
    expected.expect("noted");
    let new = NewFile {
        key: &key,
        name,
        media_type: "application/pdf",
        bytes: 5_000_000_000,
        identity: "guest-1",
        shared_by: "Боб",
    };
    let shared = place
        .database
        .share_file(room, new, files_max, UnixMillis(at), tell);
    shared.await.expect("stored")
}

pub(crate) async fn shared(place: &Place, room: &RoomName, name: &str, at: i64) -> SharedFile {
    match share(place, room, name, 100, at).await {
        Sharing::Shared(file) => file,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn due(place: &Place, at: i64) -> Vec<ObjectKey> {
    place
        .database
        .objects_to_erase(UnixMillis(at))
        .await
        .expect("listed")
}

async fn history(place: &Place, room: &RoomName) -> Vec<(String, String)> {
    let events = place.database.events_after(room, 0).await.expect("readable");
    events.into_iter().map(|event| (event.kind, event.json)).collect()
}

pub(crate) async fn file_is_shared_listed_and_deleted(place: &Place) {
    let room = made_room(&place.database, "algebra").await;
    let other = made_room(&place.database, "physics").await;
    let mut files = Vec::new();
    for (name, at) in [("a", 10), ("b", 10), ("c", 5)] {
        files.push(shared(place, &room, name, at).await);
    }
    assert_eq!(
        due(place, i64::MAX).await,
        [],
        "what belongs to a row is no longer expected"
    );
    assert_eq!((files[0].bytes, &*files[0].shared_by), (5_000_000_000, "Боб"));

    // In the order in which they were told of, whatever the clock said.
    let (mut listed, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let page = place
            .database
            .files(&room, 2, cursor.as_ref())
            .await
            .expect("listed");
        listed.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, files);
    assert_eq!(place.database.file_count(&room).await.expect("counted"), 3);

    let found = async |room| place.database.file(room, &files[1].id).await.expect("readable");
    assert_eq!(found(&room).await.as_ref(), Some(&files[1]));
    assert_eq!(found(&other).await, None, "it is no file of that room");
    let delete = async |room, now| {
        let told = NewEvent {
            audience: Audience::All,
            kind: "file.deleted",
            json: "{}".to_owned(),
        };
        let deleted = place
            .database
            .delete_file(room, &files[1].id, UnixMillis(now), told);
        deleted.await.expect("deleted")
    };
    assert_eq!(delete(&other, 20).await, None);
    assert_eq!(delete(&room, 20).await, Some(key("b")));
    assert_eq!(delete(&room, 21).await, None, "twice is once");
    assert_eq!(found(&room).await, None);
    assert_eq!(
        (due(place, 19).await, due(place, 20).await),
        (vec![], vec![key("b")])
    );
    let history = history(place, &room).await;
    let kinds: Vec<_> = history.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["file.shared", "file.deleted", "file.shared", "file.deleted"]
    );
    assert!(
        !history.iter().any(|(_, json)| json.contains("\"b\"")),
        "{history:?}"
    );
}

pub(crate) async fn room_has_no_more_files_than_it_may(place: &Place) {
    let room = made_room(&place.database, "algebra").await;
    let mut sharing = JoinSet::new();
    for number in 0..8 {
        let (database, room) = (place.database.clone(), room.clone());
        sharing.spawn(async move {
            let key = key(&number.to_string());
            database
                .expect_object(&key, UnixMillis(100))
                .await
                .expect("noted");
            let new = NewFile {
                key: &key,
                name: "a",
                media_type: "text/plain",
                bytes: 1,
                identity: "guest-1",
                shared_by: "Bob",
            };
            let shared = database.share_file(&room, new, 3, UnixMillis(1), tell).await;
            shared.expect("stored")
        });
    }
    let outcomes = sharing.join_all().await;
    let full = outcomes
        .iter()
        .filter(|outcome| **outcome == Sharing::RoomFull)
        .count();
    assert_eq!(
        (full, place.database.file_count(&room).await.expect("counted")),
        (5, 3)
    );
    // The others' objects are still to be erased, and nobody was told of them.
    assert_eq!(due(place, 100).await.len(), 5);
    assert_eq!(history(place, &room).await.len(), 3);
}

pub(crate) async fn file_of_nothing_is_not_shared(place: &Place) {
    let room = made_room(&place.database, "algebra").await;
    let new = NewFile {
        key: &key("unexpected"),
        name: "a",
        media_type: "text/plain",
        bytes: 1,
        identity: "guest-1",
        shared_by: "Bob",
    };
    let late = place.database.share_file(&room, new, 100, UnixMillis(1), tell);
    assert_eq!(late.await.expect("an answer"), Sharing::TooLate);
    assert!(
        place
            .database
            .erase_room(&room, UnixMillis(2))
            .await
            .expect("erased")
    );
    assert_eq!(share(place, &room, "b", 100, 3).await, Sharing::RoomGone);
    assert_eq!(due(place, i64::MAX).await, [key("b")]);
}

pub(crate) async fn erased_room_leaves_its_objects_to_be_erased(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().to_owned(),
        s3: None,
    });
    let (room, other) = (
        made_room(&place.database, "algebra").await,
        made_room(&place.database, "physics").await,
    );
    shared(place, &room, "a", 1).await;
    shared(place, &other, "b", 2).await;
    for name in ["a", "b"] {
        objects.put(&key(name), "", b"x".to_vec()).await.expect("written");
    }
    assert!(
        place
            .database
            .erase_room(&room, UnixMillis(3))
            .await
            .expect("erased")
    );
    assert_eq!(due(place, 3).await, [key("a")]);
    for _ in 0..2 {
        let erased = place.database.erase_object(&key("a"), &objects).await;
        erased.expect("twice is once");
    }
    assert_eq!(due(place, i64::MAX).await, []);
    assert_eq!(objects.list("").await.expect("listed"), [key("b")]);
}

pub(crate) async fn erased_lecture_takes_what_was_shared_meanwhile(place: &Place) {
    let room = made_room(&place.database, "algebra").await;
    let before = shared(place, &room, "before", 900).await;
    let first = place.meeting("algebra", 1_000).await;
    let during = shared(place, &room, "during", 1_500).await;
    let ended = place
        .database
        .advance(&first, Stage::Live, Stage::Ended, UnixMillis(2_000))
        .await;
    assert!(ended.expect("stored"));
    let after = shared(place, &room, "after", 200_000).await;
    let second = place
        .database
        .open_meeting(&room, &sid("another"), UnixMillis(300_000))
        .await
        .expect("opened")
        .id;
    let live = shared(place, &room, "live", 300_001).await;
    let of = async |meeting| place.database.files_of_meeting(meeting).await.expect("listed");
    assert_eq!((of(&first).await, of(&second).await), (vec![during], vec![live]));

    for meeting in [&first, &second] {
        let asked = place.database.ask_to_erase(meeting, UnixMillis(400_000)).await;
        asked.expect("asked");
    }
    let left = place.database.files(&room, 10, None).await.expect("listed").items;
    assert_eq!(left, [after, before]);
    assert_eq!(due(place, 400_000).await, [key("during"), key("live")]);
    let history = history(place, &room).await;
    let kinds: Vec<_> = history.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["file.shared", "file.deleted", "file.shared", "file.deleted"]
    );
    assert!(
        !history.iter().any(|(_, json)| json.contains("during")),
        "{history:?}"
    );
}
