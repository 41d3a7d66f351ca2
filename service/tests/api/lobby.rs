//! The lobby: waiting, being let in, being sent away.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    rooms::grants_of,
    stream::Stream,
    world::{Place, Proof, World, code, text},
};

struct Scene {
    world: World,
    ada: Proof,
    room: String,
}

async fn scene_at(place: Place) -> Scene {
    let world = World::at(place, |_| {}).await;
    let ada = world.host("Ada").await;
    let room = world.room(&ada, json!({ "lobby": true })).await;
    let room = text(&room["id"]);
    Scene { world, ada, room }
}

impl Scene {
    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}/{rest}", self.room)
    }

    async fn wait(&self, name: &str) -> (String, Proof) {
        let (status, body) = self.world.join(&self.room, name, json!({})).await;
        assert_eq!(status, 202, "{body}");
        (
            text(&body["lobbyEntryId"]),
            Proof::Token(text(&body["guestToken"])),
        )
    }

    async fn stream(&self, proof: &Proof, last_id: Option<&str>) -> Stream {
        Stream::open(&self.world, &self.path("lobby/stream"), proof, last_id).await
    }

    async fn admit(&self, entry: &str) -> (u16, Value) {
        self.world
            .post(&self.path(&format!("lobby/{entry}/admit")), &self.ada, json!({}))
            .await
    }
}

async fn guest_is_let_in_or_sent_away_while_everybody_is_told(place: Place) {
    let scene = scene_at(place).await;
    let mut host = scene.stream(&scene.ada, None).await;
    assert_eq!(
        host.next().await.expect("an event"),
        ("lobby.list".to_owned(), json!({ "items": [] }))
    );

    let (bob, bobs) = scene.wait("Bob").await;
    let (eve, eves) = scene.wait("Eve").await;
    let (kind, told) = host.next().await.expect("an event");
    assert_eq!(
        (kind.as_str(), &told["id"], &told["name"]),
        ("lobby.waiting", &json!(bob), &json!("Bob"))
    );
    assert_eq!(host.next().await.expect("an event").1["id"], json!(eve));

    let (mut to_bob, mut to_eve) = (scene.stream(&bobs, None).await, scene.stream(&eves, None).await);
    for stream in [&mut to_bob, &mut to_eve] {
        assert_eq!(stream.next().await.expect("an event").0, "lobby.waiting");
    }
    // Reloading the page is no second entry.
    assert_eq!(scene.wait("Bob").await.0, bob);
    let (status, body) = scene
        .world
        .post("/api/livekit/token", &bobs, json!({ "roomId": scene.room }))
        .await;
    assert_eq!((status, code(&body)), (403, "FORBIDDEN"));

    assert_eq!(scene.admit(&bob).await.0, 200);
    let (kind, admission) = to_bob.next().await.expect("an event");
    assert_eq!(
        (kind.as_str(), &admission["roomId"]),
        ("lobby.admitted", &json!(scene.room))
    );
    assert!(text(&admission["token"]).split('.').count() == 3, "{admission}");
    assert_eq!(to_bob.next().await, None, "nothing more to tell");

    let denied = scene.path(&format!("lobby/{eve}/deny"));
    scene.world.ok(Method::POST, &denied, &scene.ada, None).await;
    assert_eq!(to_eve.next().await.expect("an event").0, "lobby.denied");
    assert_eq!(to_eve.next().await, None);
    for (entry, state) in [(&bob, "admitted"), (&eve, "denied")] {
        let (kind, told) = host.next().await.expect("an event");
        assert_eq!(kind, "lobby.decided");
        assert_eq!((&told["id"], &told["state"]), (&json!(entry), &json!(state)));
    }
    // Once more changes nothing; the opposite is too late.
    assert_eq!(scene.admit(&bob).await.0, 200);
    let (status, body) = scene.admit(&eve).await;
    assert_eq!((status, code(&body)), (409, "ENTRY_DECIDED"));
    let (status, body) = scene.admit("nobody").await;
    assert_eq!((status, code(&body)), (404, "ENTRY_NOT_FOUND"));
    scene.world.end().await;
}

#[tokio::test]
async fn guest_is_let_in_or_sent_away_while_everybody_is_told_on_sqlite() {
    guest_is_let_in_or_sent_away_while_everybody_is_told(Place::Sqlite).await;
}

#[tokio::test]
async fn guest_is_let_in_or_sent_away_while_everybody_is_told_on_postgres() {
    guest_is_let_in_or_sent_away_while_everybody_is_told(Place::postgres().await).await;
}

async fn host_who_comes_back_sees_the_same_and_admits_all(place: Place) {
    let scene = scene_at(place).await;
    let mut first = scene.stream(&scene.ada, None).await;
    first.next().await.expect("the list");
    let mut waiting = Vec::new();
    for number in 0..10 {
        waiting.push(scene.wait(&format!("Student{number}")).await);
    }
    for _ in 0..4 {
        first.next().await.expect("an event");
    }
    let left_off = first.last_id.clone().expect("an id");
    drop(first);
    scene
        .world
        .ok(
            Method::POST,
            &scene.path(&format!("lobby/{}/leave", waiting[0].0)),
            &waiting[0].1,
            None,
        )
        .await;

    let mut again = scene.stream(&scene.ada, Some(&left_off)).await;
    for (entry, _) in &waiting[4..] {
        let (kind, told) = again.next().await.expect("an event");
        assert_eq!((kind.as_str(), &told["id"]), ("lobby.waiting", &json!(entry)));
    }
    let (kind, told) = again.next().await.expect("an event");
    assert_eq!((kind.as_str(), &told["state"]), ("lobby.decided", &json!("left")));
    let mut new = scene.stream(&scene.ada, None).await;
    let (_, list) = new.next().await.expect("the list");
    let (_, asked) = scene.world.get(&scene.path("lobby"), &scene.ada).await;
    assert_eq!(list["items"], asked["items"]);
    assert_eq!(list["items"].as_array().expect("a list").len(), 9);

    // Some listen already, some come to it later.
    let mut early = scene.stream(&waiting[1].1, None).await;
    early.next().await.expect("waiting");
    let all = scene
        .world
        .ok(Method::POST, &scene.path("lobby/admit-all"), &scene.ada, None)
        .await;
    assert_eq!(all["admitted"], json!(9));
    assert_eq!(early.next().await.expect("an event").0, "lobby.admitted");
    let mut late = scene.stream(&waiting[2].1, None).await;
    assert_eq!(late.next().await.expect("an event").0, "lobby.admitted");
    scene.world.end().await;
}

#[tokio::test]
async fn host_who_comes_back_sees_the_same_and_admits_all_on_sqlite() {
    host_who_comes_back_sees_the_same_and_admits_all(Place::Sqlite).await;
}

#[tokio::test]
async fn host_who_comes_back_sees_the_same_and_admits_all_on_postgres() {
    host_who_comes_back_sees_the_same_and_admits_all(Place::postgres().await).await;
}

#[tokio::test]
async fn who_waits_too_long_is_told() {
    let scene = scene_at(Place::Sqlite).await;
    let (_, bobs) = scene.wait("Bob").await;
    let mut to_bob = scene.stream(&bobs, None).await;
    to_bob.next().await.expect("waiting");
    scene.world.pass(Duration::from_secs(15 * 60 + 1));
    assert_eq!(to_bob.next().await.expect("an event").0, "lobby.expired");
    // Asking again is a new entry.
    let (entry, _) = scene.wait("Bob").await;
    assert_eq!(scene.admit(&entry).await.0, 200);
    scene.world.end().await;
}

#[tokio::test]
async fn pass_of_one_room_opens_no_other() {
    let scene = scene_at(Place::Sqlite).await;
    let other = scene.world.room(&scene.ada, json!({})).await;
    let (_, body) = scene.world.join(&text(&other["id"]), "Eve", json!({})).await;
    let eve = Proof::Token(text(&body["guestToken"]));
    let (status, body) = scene
        .world
        .post("/api/livekit/token", &eve, json!({ "roomId": scene.room }))
        .await;
    assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    let (status, _) = scene.world.get(&scene.path("lobby/stream"), &eve).await;
    assert_eq!(status, 401);
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_captions_has_none_whichever_way_they_are_let_in() {
    let scene = scene_at(Place::Sqlite).await;
    let join = async |wanted| scene.world.join(&scene.room, "Bob", wanted).await;
    let (_, waiting) = join(json!({})).await;
    // They change their mind while they wait.
    let (status, again) = join(json!({ "captions": false })).await;
    assert_eq!((status, &again["lobbyEntryId"]), (202, &waiting["lobbyEntryId"]));
    let bob = Proof::Token(text(&again["guestToken"]));
    let mut stream = scene.stream(&bob, None).await;
    assert_eq!(stream.next().await.expect("an event").0, "lobby.waiting");
    scene.admit(&text(&again["lobbyEntryId"])).await;
    let (kind, told) = stream.next().await.expect("an event");
    assert_eq!(kind, "lobby.admitted");
    assert_eq!(captions_of(&told), "off");

    // Another token, for which they say nothing of captions, and one for which they do.
    let path = scene.path("join");
    for (wanted, expected) in [(None, "off"), (Some(true), ""), (None, "")] {
        let mut body = json!({ "name": "Bob", "sessionFingerprint": "browser-of-Bob" });
        if let Some(wanted) = wanted {
            body["captions"] = wanted.into();
        }
        let joined = scene.world.ok(Method::POST, &path, &bob, Some(body)).await;
        assert_eq!(captions_of(&joined), expected, "{wanted:?}");
    }
    scene.world.end().await;
}

/// What a token says to the worker.
fn captions_of(admission: &Value) -> String {
    let claims = grants_of(&admission["token"]);
    claims
        .attributes
        .get("lectern.captions")
        .cloned()
        .unwrap_or_default()
}
