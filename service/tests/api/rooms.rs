//! Rooms, and who comes into them.

use std::time::Duration;

use livekit_api::{access_token::TokenVerifier, services::room::RoomClient};
use reqwest::Method;
use serde_json::json;

use crate::{
    required,
    world::{Proof, World, code, text},
};

/// What a token of ours says to LiveKit.
pub(crate) fn grants_of(token: &serde_json::Value) -> livekit_api::access_token::Claims {
    TokenVerifier::with_api_key(&required("LIVEKIT_API_KEY"), &required("LIVEKIT_API_SECRET"))
        .verify(token.as_str().expect("a token"))
        .expect("LiveKit's own key signed it")
}

fn rooms_of_livekit() -> RoomClient {
    RoomClient::with_api_key(
        &required("LIVEKIT_URL"),
        &required("LIVEKIT_API_KEY"),
        &required("LIVEKIT_API_SECRET"),
    )
}

#[tokio::test]
async fn room_is_made_changed_opened_ended_and_removed() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = world.room(&ada, json!({ "pin": "1234" })).await;
    let id = text(&room["id"]);
    let path = format!("/api/rooms/{id}");
    assert_eq!(
        (&room["status"], &room["pinRequired"]),
        (&json!("SCHEDULED"), &json!(true))
    );

    let code_path = format!("/api/rooms/by-code/{}", text(&room["code"]).to_uppercase());
    let (_, public) = world.get(&code_path, &Proof::Nothing).await;
    assert_eq!(public["id"], room["id"]);
    assert_eq!(
        (&public["captions"], &public["summary"]),
        (&json!(true), &json!(true))
    );
    assert!(
        public.get("settings").is_none() && public.get("code").is_none(),
        "{public}"
    );

    let change = json!({ "title": " Analysis ", "startsAt": "2027-03-01T09:30:00+01:00", "settings": { "pin": null } });
    let changed = world.ok(Method::PATCH, &path, &ada, Some(change)).await;
    assert_eq!(changed["title"], json!("Analysis"));
    assert_eq!(changed["startsAt"], json!("2027-03-01T08:30:00Z"));
    assert_eq!(changed["settings"]["pin"], json!(null));
    assert_eq!(changed["settings"]["captions"], json!(true));

    let started = world.ok(Method::POST, &format!("{path}/start"), &ada, None).await;
    assert_eq!(started["status"], json!("LIVE"));
    let listed = rooms_of_livekit()
        .list_rooms(vec![id.clone()])
        .await
        .expect("a list");
    assert_eq!(listed.len(), 1);

    let ended = world.ok(Method::POST, &format!("{path}/end"), &ada, None).await;
    assert_eq!(ended["status"], json!("ENDED"));
    let listed = rooms_of_livekit()
        .list_rooms(vec![id.clone()])
        .await
        .expect("a list");
    assert_eq!(listed.len(), 0);
    let (status, body) = world.join(&id, "Bob", json!({})).await;
    assert_eq!((status, code(&body)), (409, "ROOM_ENDED"));

    world.ok(Method::DELETE, &path, &ada, None).await;
    let (status, body) = world.get(&path, &ada).await;
    assert_eq!((status, code(&body)), (404, "ROOM_NOT_FOUND"));
    world.end().await;
}

#[tokio::test]
async fn list_pages_through_ones_own_rooms() {
    let world = World::new().await;
    let (ada, bob) = (world.host("Ada").await, world.host("Bob").await);
    for _ in 0..5 {
        world.room(&ada, json!({})).await;
    }
    world.room(&bob, json!({})).await;
    let (_, first) = world.get("/api/rooms?limit=3", &ada).await;
    assert_eq!(first["items"].as_array().expect("a list").len(), 3);
    let next = format!("/api/rooms?limit=3&cursor={}", text(&first["nextCursor"]));
    let (_, second) = world.get(&next, &ada).await;
    assert_eq!(second["items"].as_array().expect("a list").len(), 2);
    assert_eq!(second["nextCursor"], json!(null));
    for wrong in ["limit=0", "limit=201", "limit=many", "cursor=here"] {
        let (status, body) = world.get(&format!("/api/rooms?{wrong}"), &ada).await;
        assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"), "{wrong}");
    }
    world.end().await;
}

#[tokio::test]
async fn guest_of_an_open_room_gets_a_token_at_once() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = world.room(&ada, json!({ "guestPublish": false })).await;
    let id = text(&room["id"]);
    let (status, joined) = world.join(&id, "Bob", json!({ "captions": false })).await;
    assert_eq!(status, 200, "{joined}");
    let claims = grants_of(&joined["token"]);
    assert_eq!(
        (claims.video.room.as_str(), claims.name.as_str()),
        (id.as_str(), "Bob")
    );
    assert_eq!(
        (claims.video.can_publish(), claims.video.can_publish_data()),
        (false, true)
    );
    assert_eq!(claims.attributes["lectern.captions"], "off");
    assert_eq!(claims.sub, joined["identity"]);
    assert_eq!(
        world.get(&format!("/api/rooms/{id}"), &ada).await.1["status"],
        json!("LIVE")
    );

    // The same guest comes again under the same identity; the host comes as one.
    let bob = Proof::Token(text(&joined["guestToken"]));
    let again = json!({ "name": "Bobby", "sessionFingerprint": "another-browser" });
    let (_, rejoined) = world
        .post(&format!("/api/rooms/{id}/join"), &bob, again.clone())
        .await;
    assert_eq!(rejoined["identity"], joined["identity"]);
    let (_, hosted) = world.post(&format!("/api/rooms/{id}/join"), &ada, again).await;
    let host = grants_of(&hosted["token"]);
    assert!(host.video.can_publish() && !host.video.room_admin, "{host:?}");
    let (_, token) = world
        .post("/api/livekit/token", &bob, json!({ "roomId": id }))
        .await;
    assert_eq!(token["identity"], joined["identity"]);
    assert_eq!(token["metadata"]["role"], json!("guest"));
    world.end().await;
}

#[tokio::test]
async fn sixth_wrong_pin_within_a_minute_is_refused_even_if_it_is_right() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = world.room(&ada, json!({ "pin": "4711" })).await;
    let id = text(&room["id"]);
    let (status, body) = world.join(&id, "Bob", json!({})).await;
    assert_eq!((status, code(&body)), (403, "PIN_REQUIRED"));
    for guess in 0..5 {
        let (status, body) = world
            .join(&id, "Bob", json!({ "pin": format!("000{guess}") }))
            .await;
        assert_eq!((status, code(&body)), (403, "PIN_WRONG"));
    }
    for name in ["Bob", "Eve"] {
        let (status, body) = world.join(&id, name, json!({ "pin": "4711" })).await;
        assert_eq!((status, code(&body)), (429, "RATE_LIMITED"), "{name}");
    }
    world.pass(Duration::from_secs(60));
    assert_eq!(world.join(&id, "Bob", json!({ "pin": "4711" })).await.0, 200);
    // Who knows the PIN is never counted: a whole class may come.
    for student in 0..20 {
        let joined = world
            .join(&id, &format!("Student{student}"), json!({ "pin": "4711" }))
            .await;
        assert_eq!(joined.0, 200);
    }
    world.end().await;
}
