//! Calls as the systems make them that this one replaces.

use lectern_service::OpenRooms;
use reqwest::Method;
use serde_json::json;

use crate::world::{Proof, World, code, text};

#[tokio::test]
async fn open_instance_takes_plain_rooms_without_credentials() {
    let world = World::with(|settings| settings.open_rooms = OpenRooms::Yes).await;
    let made = world
        .ok(
            Method::POST,
            "/rooms",
            &Proof::Nothing,
            Some(json!({ "name": "Standup" })),
        )
        .await;
    let id = text(&made["item"]["id"]);
    let listed = world.ok(Method::GET, "/rooms", &Proof::Nothing, None).await;
    assert_eq!(listed["items"][0]["id"], json!(id));
    let path = format!("/rooms/{id}/join");
    let joined = world
        .ok(
            Method::POST,
            &path,
            &Proof::Nothing,
            Some(json!({ "identity": "bob" })),
        )
        .await;
    assert_eq!(
        (&joined["roomId"], &joined["identity"]),
        (&json!(id), &json!("bob"))
    );
    assert!(text(&joined["livekitUrl"]).starts_with("ws"), "{joined}");
    for taken in ["user-1", "GUEST-1", "agent-x", "lectern"] {
        let (status, body) = world
            .post(&path, &Proof::Nothing, json!({ "identity": taken }))
            .await;
        assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"), "{taken}");
    }
    // Somebody's own room stays theirs.
    let ada = world.host("Ada").await;
    let own = world.room(&ada, json!({})).await;
    let path = format!("/rooms/{}/join", text(&own["id"]));
    assert_eq!(
        world
            .post(&path, &Proof::Nothing, json!({ "identity": "bob" }))
            .await
            .0,
        403
    );
    let gone = world
        .ok(Method::DELETE, &format!("/rooms/{id}"), &Proof::Nothing, None)
        .await;
    assert_eq!(gone, json!({ "ok": true }));
    world.end().await;
}

#[tokio::test]
async fn voice_token_is_for_oneself() {
    let world = World::new().await;
    let (ada, bob) = (world.host("Ada").await, world.host("Bob").await);
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let me = text(&world.get("/api/auth/me", &bob).await.1["id"]);
    let path = format!("/voice/token?channel_id={room}&user_id={me}");
    let token = world.ok(Method::GET, &path, &bob, None).await;
    assert!(
        text(&token["url"]).starts_with("ws") && token["token"].is_string(),
        "{token}"
    );
    assert_eq!(world.get(&path, &ada).await.0, 403);
    assert_eq!(world.get(&path, &Proof::Nothing).await.0, 401);
    world.end().await;
}

#[tokio::test]
async fn waiting_room_is_the_lobby() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let path = format!("/api/v1/public-meetings/{room}");
    let body = json!({ "settings": { "waiting_room": true } });
    let changed = world.ok(Method::PATCH, &path, &ada, Some(body)).await;
    assert_eq!(changed["lobby"], json!(true));
    assert_eq!(world.join(&room, "Bob", json!({})).await.0, 202);
    let stats = world
        .ok(
            Method::GET,
            &format!("/api/v1/meetings/{room}/waiting-room/stats"),
            &ada,
            None,
        )
        .await;
    assert_eq!((&stats["waiting"], &stats["admitted"]), (&json!(1), &json!(0)));
    let (status, token) = world
        .post("/api/v1/livekit/token", &ada, json!({ "meetingId": room }))
        .await;
    assert_eq!(
        (status, &token["room"], &token["metadata"]["role"]),
        (200, &json!(room), &json!("host"))
    );
    world.end().await;
}

#[tokio::test]
async fn servers_get_tokens_with_their_keys() {
    let world = World::new().await;
    let admin = world.admin().await;
    let room = text(&world.room(&admin, json!({})).await["id"]);
    let key = world
        .ok(
            Method::POST,
            "/api/keys",
            &admin,
            Some(json!({ "name": "stage server" })),
        )
        .await;
    let server = Proof::Key(text(&key["key"]));
    for (kind, identity) in [
        ("publisher", "publisher-7"),
        ("viewer", "viewer-7"),
        ("mediaserver", "relay-7"),
    ] {
        let body = json!({ "userId": "7", "stageArn": room });
        let token = world
            .ok(Method::POST, &format!("/api/token/{kind}"), &server, Some(body))
            .await;
        assert_eq!(
            (&token["success"], &token["data"]["identity"]),
            (&json!(true), &json!(identity))
        );
        assert!(token["timestamp"].is_string());
    }
    world
        .ok(
            Method::DELETE,
            &format!("/api/keys/{}", text(&key["id"])),
            &admin,
            None,
        )
        .await;
    let body = json!({ "userId": "7", "roomId": room });
    assert_eq!(world.post("/api/token/viewer", &server, body).await.0, 401);
    let (_, audit) = world.get("/api/audit?limit=2", &admin).await;
    let actions: Vec<_> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| text(&entry["action"]))
        .collect();
    assert_eq!(actions, ["key.revoke", "key.create"]);
    world.end().await;
}
