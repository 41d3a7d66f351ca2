//! Two services that share a database and a Redis.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    required,
    stream::Stream,
    world::{Proof, World, code, text},
};

/// A Redis of a test's own, which may go away and come back.
struct Redis {
    port: u16,
    process: Option<Child>,
}

impl Redis {
    fn start() -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("a bound address").port();
        drop(socket);
        let mut redis = Self { port, process: None };
        redis.start_again();
        redis
    }

    fn start_again(&mut self) {
        let port = self.port.to_string();
        let started = Command::new("redis-server")
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(started.expect("redis-server is installed: scripts/setup test"));
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process to end");
            process.wait().expect("its end");
        }
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("a program to signal by").success());
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `/readyz` says so of Redis; whatever it says, the service is ready.
async fn until_redis_is(answers: bool, worlds: [&World; 2]) {
    for world in worlds {
        let asking = async {
            loop {
                let (status, body) = world.get("/readyz", &Proof::Nothing).await;
                assert_eq!((status, &body["ok"]), (200, &json!(true)), "{body}");
                let checks = body["checks"].as_array().expect("a list");
                let redis = checks.iter().find(|check| check["name"] == "redis");
                if redis.expect("a check of Redis")["ok"] == json!(answers) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, asking).await.expect("said in time");
    }
}

async fn write(world: &World, who: &Proof, room: &str, text: &str) {
    let body = json!({ "text": text });
    world
        .ok(Method::POST, &format!("/api/rooms/{room}/chat"), who, Some(body))
        .await;
}

async fn chat_of(world: &World, who: &Proof, room: &str) -> Stream {
    Stream::open(world, &format!("/api/rooms/{room}/chat/stream"), who, None).await
}

async fn next_text(stream: &mut Stream) -> Value {
    stream.next().await.expect("an event").1["text"].clone()
}

#[tokio::test]
async fn what_happens_at_one_service_is_told_by_the_other() {
    let (one, other) = World::pair(&required("TEST_REDIS_URL")).await;
    until_redis_is(true, [&one, &other]).await;
    let ada = one.host("Ada").await;
    let room = text(&one.room(&ada, json!({ "lobby": true })).await["id"]);
    let lobby = format!("/api/rooms/{room}/lobby");
    let mut host = Stream::open(&one, &format!("{lobby}/stream"), &ada, None).await;
    host.next().await.expect("the list");

    let (status, waiting) = other.join(&room, "Bob", json!({})).await;
    assert_eq!(status, 202, "{waiting}");
    let bob = Proof::Token(text(&waiting["guestToken"]));
    let (kind, told) = host.next().await.expect("an event");
    assert_eq!(
        (kind.as_str(), &told["id"]),
        ("lobby.waiting", &waiting["lobbyEntryId"])
    );
    let mut door = Stream::open(&other, &format!("{lobby}/stream"), &bob, None).await;
    assert_eq!(door.next().await.expect("an event").0, "lobby.waiting");
    let admit = format!("{lobby}/{}/admit", text(&waiting["lobbyEntryId"]));
    one.ok(Method::POST, &admit, &ada, None).await;
    assert_eq!(door.next().await.expect("an event").0, "lobby.admitted");

    let mut chat = chat_of(&other, &bob, &room).await;
    for number in 0..20 {
        write(&one, &ada, &room, &number.to_string()).await;
        assert_eq!(next_text(&mut chat).await, json!(number.to_string()));
    }
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn wrong_pins_are_counted_together_though_many_come_at_once() {
    let (one, other) = World::pair(&required("TEST_REDIS_URL")).await;
    until_redis_is(true, [&one, &other]).await;
    let ada = one.host("Ada").await;
    let room = text(&one.room(&ada, json!({ "pin": "4711" })).await["id"]);
    let tries = (0..20).map(|number| {
        let world = [&one, &other][number % 2];
        let room = room.as_str();
        async move {
            let more = json!({ "pin": format!("00{number:02}") });
            text(&world.join(room, &format!("Guesser{number}"), more).await.1["error"]["code"])
        }
    });
    let codes = join_all(tries).await;
    let wrong = codes.iter().filter(|code| *code == "PIN_WRONG").count();
    let refused = codes.iter().filter(|code| *code == "RATE_LIMITED").count();
    assert_eq!((wrong, refused), (5, 15));
    for world in [&one, &other] {
        let (status, body) = world.join(&room, "Bob", json!({ "pin": "4711" })).await;
        assert_eq!((status, code(&body)), (429, "RATE_LIMITED"));
    }
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn services_go_on_alone_while_redis_is_away() {
    let mut redis = Redis::start();
    let (one, other) = World::pair(&redis.url()).await;
    until_redis_is(true, [&one, &other]).await;
    let ada = one.host("Ada").await;
    let room = text(&one.room(&ada, json!({ "pin": "4711" })).await["id"]);
    let (mut here, mut there) = (
        chat_of(&one, &ada, &room).await,
        chat_of(&other, &ada, &room).await,
    );
    write(&one, &ada, &room, "first").await;
    assert_eq!(next_text(&mut here).await, json!("first"));
    assert_eq!(next_text(&mut there).await, json!("first"));

    redis.stop();
    write(&one, &ada, &room, "while it is away").await;
    assert_eq!(next_text(&mut here).await, json!("while it is away"));
    until_redis_is(false, [&one, &other]).await;
    // Each counts for itself.
    for world in [&one, &other] {
        for number in 0..6 {
            let (status, _) = world
                .join(&room, "Eve", json!({ "pin": number.to_string() }))
                .await;
            assert_eq!(status, if number < 5 { 403 } else { 429 });
        }
    }
    // It was Redis that told the other.
    let told = timeout(Duration::from_secs(1), there.next()).await;
    assert!(told.is_err(), "{told:?}");

    redis.start_again();
    assert_eq!(next_text(&mut there).await, json!("while it is away"));
    until_redis_is(true, [&one, &other]).await;
    write(&other, &ada, &room, "back").await;
    assert_eq!(next_text(&mut here).await, json!("back"));
    assert_eq!(next_text(&mut there).await, json!("back"));

    redis.signal("STOP");
    assert_eq!(
        one.get("/api/auth/me", &ada).await.0,
        200,
        "a server that hangs holds nobody up"
    );
    write(&one, &ada, &room, "while it hangs").await;
    assert_eq!(next_text(&mut here).await, json!("while it hangs"));
    until_redis_is(false, [&one, &other]).await;
    redis.signal("CONT");
    assert_eq!(next_text(&mut there).await, json!("while it hangs"));
    until_redis_is(true, [&one, &other]).await;
    one.end().await;
    other.end().await;
}

/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
