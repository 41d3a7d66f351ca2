//! Raised hands.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    stream::Stream,
    world::{Place, Proof, World, code, text},
};

async fn hands_are_a_queue_that_hosts_may_shorten(place: Place) {
    let world = World::at(place, |_| {}).await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let path = |rest: &str| format!("/api/rooms/{room}/{rest}");
    let mut guests = Vec::new();
    for name in ["Bob", "Eve", "Zoe"] {
        let (_, body) = world.join(&room, name, json!({})).await;
        guests.push((text(&body["identity"]), Proof::Token(text(&body["guestToken"]))));
    }
    let mut stream = Stream::open(&world, &path("chat/stream"), &guests[0].1, None).await;
    let names = async || {
        let listed = world.ok(Method::GET, &path("hands"), &guests[0].1, None).await;
        let items = listed["items"].as_array().expect("a list").clone();
        items.iter().map(|hand| text(&hand["name"])).collect::<Vec<_>>()
    };
    let raise = path("hand-raise");
    for (_, proof) in guests.iter().rev() {
        world.ok(Method::POST, &raise, proof, None).await;
        world.pass(Duration::from_secs(1));
    }
    // Once more is no second hand, and no later one.
    world.ok(Method::POST, &raise, &guests[2].1, None).await;
    assert_eq!(names().await, ["Zoe", "Eve", "Bob"]);

    let of = |identity: &str| format!("{raise}?target={identity}");
    let (status, body) = world
        .call(Method::DELETE, &of(&guests[1].0), &guests[0].1, None)
        .await;
    assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    world.ok(Method::DELETE, &of(&guests[1].0), &ada, None).await;
    for _ in 0..2 {
        world.ok(Method::DELETE, &raise, &guests[2].1, None).await;
    }
    assert_eq!(names().await, ["Bob"]);
    let mut told = Vec::new();
    for _ in 0..5 {
        let (kind, data) = stream.next().await.expect("an event");
        told.push((kind, data["identity"].clone()));
    }
    let expected = [
        ("hand.raised", 2),
        ("hand.raised", 1),
        ("hand.raised", 0),
        ("hand.lowered", 1),
        ("hand.lowered", 2),
    ];
    let expected: Vec<(String, Value)> = expected
        .into_iter()
        .map(|(kind, guest)| (kind.to_owned(), json!(guests[guest].0)))
        .collect();
    assert_eq!(told, expected);

    // Who is sent out takes their hand along, and hears no more.
    let kick = json!({ "action": "kick", "target": guests[0].0 });
    world.ok(Method::POST, &path("moderate"), &ada, Some(kick)).await;
    assert_eq!(stream.next().await.expect("an event").0, "you.removed");
    assert_eq!(stream.next().await, None);
    let (_, left) = world.get(&path("hands"), &ada).await;
    assert_eq!(left["items"], json!([]));
    let (status, _) = world.post(&raise, &guests[0].1, json!({})).await;
    assert_eq!(status, 403);
    world.end().await;
}

#[tokio::test]
async fn hands_are_a_queue_that_hosts_may_shorten_on_sqlite() {
    hands_are_a_queue_that_hosts_may_shorten(Place::Sqlite).await;
}

#[tokio::test]
async fn hands_are_a_queue_that_hosts_may_shorten_on_postgres() {
    hands_are_a_queue_that_hosts_may_shorten(Place::postgres().await).await;
}
