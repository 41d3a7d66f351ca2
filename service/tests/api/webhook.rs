//! What LiveKit tells the service.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use livekit_api::access_token::AccessToken;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    required,
    world::{Proof, World, answer_of, text},
};

/// A token over a body's digest, as LiveKit makes it.
fn signature(secret: &str, signed: &str) -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(signed.as_bytes()));
    AccessToken::with_api_key(&required("LIVEKIT_API_KEY"), secret)
        .with_ttl(Duration::from_secs(300))
        .with_sha256(&digest)
        .to_jwt()
        .expect("a token")
}

fn event(kind: &str, room: &str, id: &str, age_seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let at = i64::try_from(now.expect("after 1970").as_secs()).expect("for a while yet") - age_seconds;
    json!({ "event": kind, "id": id, "createdAt": at.to_string(), "room": { "name": room, "sid": "RM_1" } })
        .to_string()
}

async fn send(world: &World, token: &str, body: &str) -> (u16, Value) {
    let request = world
        .request(Method::POST, "/api/livekit/webhook", &Proof::Nothing)
        .header("authorization", token)
        .header("content-type", "application/webhook+json")
        .body(body.to_owned());
    answer_of(request.send().await.expect("an answer")).await
}

async fn status_of(world: &World, ada: &Proof, room: &str) -> String {
    text(&world.get(&format!("/api/rooms/{room}"), ada).await.1["status"])
}

#[tokio::test]
async fn events_count_once_and_only_if_livekit_signed_them() {
    let world = World::new().await;
    let secret = required("LIVEKIT_API_SECRET");
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let started = event("room_started", &room, "EV_1", 0);
    for (token, body) in [
        ("".to_owned(), started.clone()),
        ("nonsense".to_owned(), started.clone()),
        (
            signature("another secret of at least thirty-two bytes", &started),
            started.clone(),
        ),
        // Signed, but over another body.
        (
            signature(&secret, &event("room_finished", &room, "EV_0", 0)),
            started.clone(),
        ),
    ] {
        assert_eq!(send(&world, &token, &body).await.0, 401, "{token}");
    }
    assert_eq!(status_of(&world, &ada, &room).await, "SCHEDULED");

    assert_eq!(send(&world, &signature(&secret, &started), &started).await.0, 204);
    assert_eq!(status_of(&world, &ada, &room).await, "LIVE");
    let finished = event("room_finished", &room, "EV_2", 0);
    assert_eq!(
        send(&world, &signature(&secret, &finished), &finished).await.0,
        204
    );
    assert_eq!(status_of(&world, &ada, &room).await, "ENDED");
    // Replayed: it is answered, and changes nothing.
    assert_eq!(send(&world, &signature(&secret, &started), &started).await.0, 204);
    assert_eq!(status_of(&world, &ada, &room).await, "ENDED");

    let old = event("room_started", &room, "EV_3", 301);
    assert_eq!(send(&world, &signature(&secret, &old), &old).await.0, 400);
    for odd in ["{}", "[]", "nonsense", r#"{"event":"x","id":"\u0000"}"#] {
        assert!(send(&world, &signature(&secret, odd), odd).await.0 < 500, "{odd}");
    }
    let joined = event("participant_joined", &room, "EV_5", 0)
        .replace("\"room\"", "\"participant\":{\"identity\":\"bob\"},\"room\"");
    assert_eq!(send(&world, &signature(&secret, &joined), &joined).await.0, 204);
    let elsewhere = event("room_started", "a room of others", "EV_4", 0);
    assert_eq!(
        send(&world, &signature(&secret, &elsewhere), &elsewhere).await.0,
        204
    );
    world.end().await;
}
