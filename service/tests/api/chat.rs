//! Chat.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    stream::{PATIENCE, Stream},
    world::{Place, Proof, World, code, text},
};

struct Scene {
    world: World,
    ada: Proof,
    bob: Proof,
    eve: Proof,
    room: String,
}

impl Scene {
    async fn at(place: Place) -> Self {
        let world = World::at(place, |_| {}).await;
        let ada = world.host("Ada").await;
        let room = text(&world.room(&ada, json!({})).await["id"]);
        let mut guests = Vec::new();
        for name in ["Bob", "Eve"] {
            let (_, body) = world.join(&room, name, json!({})).await;
            guests.push(Proof::Token(text(&body["guestToken"])));
        }
        let eve = guests.pop().expect("two guests");
        let bob = guests.pop().expect("two guests");
        Self {
            world,
            ada,
            bob,
            eve,
            room,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}/chat{rest}", self.room)
    }

    async fn write(&self, who: &Proof, text: &str) -> Value {
        let body = json!({ "text": text });
        self.world.ok(Method::POST, &self.path(""), who, Some(body)).await
    }

    async fn stream(&self, who: &Proof, last_id: Option<&str>) -> Stream {
        Stream::open(&self.world, &self.path("/stream"), who, last_id).await
    }
}

async fn messages_are_read_by_all_changed_by_their_author_and_gone_when_deleted(place: Place) {
    let scene = Scene::at(place).await;
    let world = &scene.world;
    let mut live = scene.stream(&scene.eve, None).await;
    let markup = "<script>alert(1)</script>\n  {\"id\":1} 'x'; drop table room; %_";
    let first = scene.write(&scene.bob, &format!("  {markup} ")).await;
    assert_eq!((&first["text"], &first["name"]), (&json!(markup), &json!("Bob")));
    let (kind, told) = live.next().await.expect("an event");
    assert_eq!((kind.as_str(), &told), ("chat.message", &first));
    let after_first = live.last_id.clone();
    let path = scene.path(&format!("/{}", text(&first["id"])));

    // Others may not change it.
    for (who, method) in [
        (&scene.eve, Method::PATCH),
        (&scene.ada, Method::PATCH),
        (&scene.eve, Method::DELETE),
    ] {
        let body = json!({ "text": "mine" });
        let (status, body) = world.call(method, &path, who, Some(body)).await;
        assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    }
    let body = json!({ "text": "secret" });
    let edited = world.ok(Method::PATCH, &path, &scene.bob, Some(body)).await;
    assert_eq!(edited["text"], json!("secret"));
    assert_eq!(
        live.next().await.expect("an event"),
        ("chat.edited".to_owned(), edited)
    );

    let thumb = format!("{path}/reactions/%F0%9F%91%8D");
    for _ in 0..2 {
        world.ok(Method::PUT, &thumb, &scene.eve, None).await;
    }
    let (kind, told) = live.next().await.expect("an event");
    assert_eq!((kind.as_str(), &told["emoji"]), ("chat.reacted", &json!("👍")));
    let (_, list) = world.get(&scene.path(""), &scene.bob).await;
    assert_eq!(list["items"][0]["reactions"][0]["identity"], told["identity"]);
    world.ok(Method::DELETE, &thumb, &scene.eve, None).await;
    assert_eq!(live.next().await.expect("an event").0, "chat.unreacted");
    world.ok(Method::PUT, &thumb, &scene.eve, None).await;
    live.next().await.expect("an event");

    let second = scene.write(&scene.eve, "second").await;
    live.next().await.expect("an event");
    world.ok(Method::DELETE, &path, &scene.ada, None).await;
    let (kind, told) = live.next().await.expect("an event");
    assert_eq!((kind.as_str(), &told["text"]), ("chat.deleted", &json!(null)));
    for method in [Method::PATCH, Method::DELETE] {
        let body = json!({ "text": "again" });
        let (status, body) = world.call(method, &path, &scene.bob, Some(body)).await;
        assert_eq!((status, code(&body)), (404, "MESSAGE_NOT_FOUND"));
    }
    let (_, list) = world.get(&scene.path(""), &scene.bob).await;
    let shown: Vec<_> = list["items"].as_array().expect("a list").iter().collect();
    assert_eq!(shown[0]["id"], second["id"]);
    assert_eq!(
        (&shown[1]["text"], &shown[1]["reactions"]),
        (&json!(null), &json!([]))
    );

    // Who comes back is told of the same, and of nothing that is gone.
    let mut again = scene.stream(&scene.eve, after_first.as_deref()).await;
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let (kind, told) = again.next().await.expect("an event");
        assert!(!told.to_string().contains("secret"), "{told}");
        kinds.push(kind);
    }
    assert_eq!(
        kinds,
        [
            "chat.edited",
            "chat.reacted",
            "chat.unreacted",
            "chat.reacted",
            "chat.message",
            "chat.deleted"
        ]
    );
    scene.world.end().await;
}

#[tokio::test]
async fn messages_are_read_by_all_changed_by_their_author_and_gone_when_deleted_on_sqlite() {
    messages_are_read_by_all_changed_by_their_author_and_gone_when_deleted(Place::Sqlite).await;
}

#[tokio::test]
async fn messages_are_read_by_all_changed_by_their_author_and_gone_when_deleted_on_postgres() {
    messages_are_read_by_all_changed_by_their_author_and_gone_when_deleted(Place::postgres().await).await;
}

#[tokio::test]
async fn history_pages_in_order_though_all_was_written_at_once() {
    let scene = Scene::at(Place::Sqlite).await;
    let written: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let mut live = scene.stream(&scene.ada, None).await;
    for pair in written.chunks(2) {
        tokio::join!(
            scene.write(&scene.bob, &pair[0]),
            scene.write(&scene.eve, &pair[1])
        );
    }
    let mut heard = Vec::new();
    for _ in &written {
        heard.push(text(&live.next().await.expect("an event").1["text"]));
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = scene.path(&format!("?limit=7{cursor}"));
        let page = scene.world.ok(Method::GET, &path, &scene.ada, None).await;
        let items = page["items"].as_array().expect("a list").clone();
        listed.extend(items.iter().map(|message| text(&message["text"])));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, heard);
    scene.world.end().await;
}

#[tokio::test]
async fn chat_that_is_off_takes_nothing_and_long_texts_are_refused() {
    let scene = Scene::at(Place::Sqlite).await;
    for wrong in ["", " \n ", "a\u{0}b", &"x".repeat(2_001)] {
        let body = json!({ "text": wrong });
        let (status, body) = scene.world.post(&scene.path(""), &scene.bob, body).await;
        assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    }
    let message = scene.write(&scene.bob, &"ß".repeat(2_000)).await;
    let off = json!({ "settings": { "chat": false } });
    let room = format!("/api/rooms/{}", scene.room);
    scene.world.ok(Method::PATCH, &room, &scene.ada, Some(off)).await;
    let body = json!({ "text": "hello" });
    for who in [&scene.bob, &scene.ada] {
        let (status, body) = scene.world.post(&scene.path(""), who, body.clone()).await;
        assert_eq!((status, code(&body)), (403, "CHAT_OFF"));
    }
    // What was written can still be read, and taken back.
    let path = scene.path(&format!("/{}", text(&message["id"])));
    scene.world.ok(Method::DELETE, &path, &scene.bob, None).await;
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_so_often_that_others_can_not() {
    let scene = Scene::at(Place::Sqlite).await;
    let path = scene.path("/stream");
    let mut streams = Vec::new();
    for _ in 0..30 {
        streams.push(scene.stream(&scene.bob, None).await);
    }
    let (status, body) = scene.world.call(Method::GET, &path, &scene.bob, None).await;
    assert_eq!((status, code(&body)), (429, "RATE_LIMITED"));
    let of_eve = scene.stream(&scene.eve, None).await;
    streams.pop();
    // The service sees a moment later that it was closed.
    let again = async {
        loop {
            let asked = scene.world.request(Method::GET, &path, &scene.bob).send().await;
            if asked.expect("an answer").status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("a stream in time");
    drop((of_eve, streams));
    scene.world.end().await;
}
