//! Keys of servers, which are remembered for a moment.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Place, Proof, World, code, text};

async fn token(world: &World, key: &Proof, room: &str) -> (u16, Value) {
    let body = json!({ "userId": "7", "roomId": room });
    world.post("/api/token/viewer", key, body).await
}

async fn revoked_key_and_erased_room_are_of_no_use_any_more(place: Place) {
    let world = World::at(place, |_| {}).await;
    let other = world.replica().await;
    let admin = world.admin().await;
    let room = text(&world.room(&admin, json!({})).await["id"]);
    let body = json!({ "name": "a server" });
    let made = world.ok(Method::POST, "/api/keys", &admin, Some(body)).await;
    let key = Proof::Key(text(&made["key"]));
    for service in [&world, &other] {
        assert_eq!(token(service, &key, &room).await.0, 200);
    }

    let path = format!("/api/rooms/{room}");
    world.ok(Method::DELETE, &path, &admin, None).await;
    let (status, body) = token(&world, &key, &room).await;
    assert_eq!((status, code(&body)), (404, "ROOM_NOT_FOUND"));
    let path = format!("/api/keys/{}", text(&made["id"]));
    world.ok(Method::DELETE, &path, &admin, None).await;
    let (status, body) = token(&world, &key, &room).await;
    assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"));

    // Another process may remember for two seconds.
    world.pass(Duration::from_secs(2));
    let (status, body) = token(&other, &key, &room).await;
    assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"));
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn revoked_key_and_erased_room_are_of_no_use_any_more_on_sqlite() {
    revoked_key_and_erased_room_are_of_no_use_any_more(Place::Sqlite).await;
}

#[tokio::test]
async fn revoked_key_and_erased_room_are_of_no_use_any_more_on_postgres() {
    revoked_key_and_erased_room_are_of_no_use_any_more(Place::postgres().await).await;
}
