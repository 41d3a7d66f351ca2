//! Who may do what: a row for every route, a column for every kind of caller.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Place, Proof, World, text};

/// The kinds of callers, in the order of the columns.
const CALLERS: [&str; 6] = [
    "nobody",
    "guest",
    "owner",
    "another host",
    "administrator",
    "server",
];

/// Each route, what is sent, and the status that each kind of caller gets. A guest waits in the lobby of the room.
const TABLE: &[(&str, &str, [u16; 6])] = &[
    // Accounts.
    ("GET /api/auth/options", "", [200; 6]),
    (
        "POST /api/auth/register",
        r#"{"email":"new@example.org","name":"New","password":"correct horse battery"}"#,
        [201; 6],
    ),
    (
        "POST /api/auth/setup",
        r#"{"token":"x","email":"new@example.org","name":"New","password":"correct horse battery"}"#,
        [403; 6],
    ),
    (
        "POST /api/auth/login",
        r#"{"email":"owner@example.org","password":"correct horse battery"}"#,
        [200; 6],
    ),
    ("POST /api/auth/logout", "", [204; 6]),
    ("GET /api/auth/me", "", [401, 401, 200, 200, 200, 401]),
    (
        "POST /api/auth/password",
        r#"{"currentPassword":"correct horse battery","password":"correct horse battery"}"#,
        [401, 401, 200, 200, 200, 401],
    ),
    // By a provider, where there is none.
    ("GET /api/auth/oidc", "", [404; 6]),
    ("GET /api/auth/oidc/callback", "", [404; 6]),
    // Operations.
    ("GET /api/keys", "", [401, 401, 403, 403, 200, 401]),
    (
        "POST /api/keys",
        r#"{"name":"a server"}"#,
        [401, 401, 403, 403, 201, 401],
    ),
    ("DELETE /api/keys/{keyId}", "", [401, 401, 403, 403, 204, 401]),
    ("GET /api/audit", "", [401, 401, 403, 403, 200, 401]),
    // Accounts of others.
    ("GET /api/admin/users", "", [401, 401, 403, 403, 200, 401]),
    (
        "PATCH /api/admin/users/{userId}",
        r#"{"role":"HOST"}"#,
        [401, 401, 403, 403, 200, 401],
    ),
    (
        "DELETE /api/admin/users/{userId}",
        "",
        [401, 401, 403, 403, 204, 401],
    ),
    (
        "POST /api/admin/users/{userId}/password-link",
        "",
        [401, 401, 403, 403, 201, 401],
    ),
    (
        "POST /api/auth/password-link",
        r#"{"token":"x","password":"correct horse battery"}"#,
        [404; 6],
    ),
    // Rooms.
    ("GET /api/rooms", "", [401, 401, 200, 200, 200, 401]),
    (
        "POST /api/rooms",
        r#"{"title":"Algebra"}"#,
        [401, 401, 201, 201, 201, 401],
    ),
    ("GET /api/rooms/{roomId}", "", [200; 6]),
    (
        "PATCH /api/rooms/{roomId}",
        r#"{"title":"Analysis"}"#,
        [401, 403, 200, 403, 200, 403],
    ),
    ("DELETE /api/rooms/{roomId}", "", [401, 403, 204, 403, 204, 403]),
    ("GET /api/rooms/by-code/{code}", "", [200; 6]),
    (
        "POST /api/rooms/{roomId}/start",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    ("POST /api/rooms/{roomId}/end", "", [401, 403, 200, 403, 200, 403]),
    (
        "POST /api/rooms/{roomId}/join",
        r#"{"name":"Somebody","sessionFingerprint":"somebodys-browser"}"#,
        [202, 202, 200, 202, 200, 202],
    ),
    // The lobby.
    (
        "GET /api/rooms/{roomId}/lobby",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/rooms/{roomId}/lobby/{entryId}/admit",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/rooms/{roomId}/lobby/{entryId}/deny",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/rooms/{roomId}/lobby/{entryId}/leave",
        "",
        [403, 204, 403, 403, 403, 403],
    ),
    (
        "POST /api/rooms/{roomId}/lobby/admit-all",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/rooms/{roomId}/lobby/stream",
        "",
        [401, 200, 200, 401, 200, 401],
    ),
    // Moderation.
    (
        "POST /api/rooms/{roomId}/moderate",
        r#"{"action":"lock"}"#,
        [401, 403, 200, 403, 200, 403],
    ),
    ("GET /api/rooms/{roomId}/bans", "", [401, 403, 200, 403, 200, 403]),
    // People in the room; who waits is none.
    (
        "POST /api/rooms/{roomId}/hand-raise",
        "",
        [401, 403, 204, 403, 204, 403],
    ),
    (
        "DELETE /api/rooms/{roomId}/hand-raise",
        "",
        [401, 403, 204, 403, 204, 403],
    ),
    (
        "GET /api/rooms/{roomId}/hands",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "PUT /api/rooms/{roomId}/spoken-language",
        r#"{"language":"uk"}"#,
        [401, 403, 204, 403, 204, 403],
    ),
    ("GET /api/rooms/{roomId}/chat", "", [401, 403, 200, 403, 200, 403]),
    (
        "POST /api/rooms/{roomId}/chat",
        r#"{"text":"hello"}"#,
        [401, 403, 201, 403, 201, 403],
    ),
    (
        "PATCH /api/rooms/{roomId}/chat/{messageId}",
        r#"{"text":"hello"}"#,
        [401, 403, 404, 403, 404, 403],
    ),
    (
        "DELETE /api/rooms/{roomId}/chat/{messageId}",
        "",
        [401, 403, 404, 403, 404, 403],
    ),
    (
        "PUT /api/rooms/{roomId}/chat/{messageId}/reactions/{emoji}",
        "",
        [401, 403, 404, 403, 404, 403],
    ),
    (
        "DELETE /api/rooms/{roomId}/chat/{messageId}/reactions/{emoji}",
        "",
        [401, 403, 404, 403, 404, 403],
    ),
    (
        "GET /api/rooms/{roomId}/chat/stream",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/rooms/{roomId}/captions",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/rooms/{roomId}/captions/stream",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/rooms/{roomId}/files",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/rooms/{roomId}/files?name=a.json",
        "{}",
        [401, 403, 201, 403, 201, 403],
    ),
    (
        "GET /api/rooms/{roomId}/files/{fileId}",
        "",
        [401, 403, 404, 403, 404, 403],
    ),
    (
        "DELETE /api/rooms/{roomId}/files/{fileId}",
        "",
        [401, 403, 404, 403, 404, 403],
    ),
    // The room has no start.
    (
        "GET /api/rooms/{roomId}/calendar.ics",
        "",
        [401, 403, 409, 403, 409, 403],
    ),
    (
        "POST /api/rooms/{roomId}/invite",
        r#"{"emails":["bob@example.org"]}"#,
        [401, 403, 409, 403, 409, 403],
    ),
    // Tokens. Who waits gets none.
    (
        "POST /api/livekit/token",
        r#"{"roomId":"{roomId}"}"#,
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/v1/livekit/token",
        r#"{"meetingId":"{roomId}"}"#,
        [401, 403, 200, 403, 200, 403],
    ),
    ("GET /api/v1/livekit/connection-info", "", [200; 6]),
    (
        "POST /api/token/publisher",
        r#"{"userId":"7","roomId":"{roomId}"}"#,
        [401, 401, 401, 401, 401, 200],
    ),
    (
        "POST /api/token/viewer",
        r#"{"userId":"7","roomId":"{roomId}"}"#,
        [401, 401, 401, 401, 401, 200],
    ),
    (
        "POST /api/token/mediaserver",
        r#"{"userId":"7","roomId":"{roomId}"}"#,
        [401, 401, 401, 401, 401, 200],
    ),
    // Lectures. The guest waits in the lobby.
    ("GET /api/lectures", "", [401, 401, 200, 200, 200, 401]),
    (
        "GET /api/lectures/{lectureId}",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/lectures/{lectureId}/{file}",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/lectures/{lectureId}/segments",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "PATCH /api/lectures/{lectureId}/segments/{segmentId}",
        r#"{"text":"Energy is preserved."}"#,
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/lectures/{lectureId}/segments/{segmentId}/versions",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/lectures/{lectureId}/summarise",
        r#"{"language":"de"}"#,
        [401, 403, 202, 403, 202, 403],
    ),
    (
        "GET /api/lectures/{lectureId}/summaries",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "GET /api/lectures/{lectureId}/share",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "POST /api/lectures/{lectureId}/share",
        "{}",
        [401, 403, 201, 403, 201, 403],
    ),
    (
        "DELETE /api/lectures/{lectureId}/share",
        "",
        [401, 403, 204, 403, 204, 403],
    ),
    (
        "DELETE /api/lectures/{lectureId}",
        "",
        [401, 403, 204, 403, 204, 403],
    ),
    // Webhooks: of rooms of one's own, or all.
    ("GET /api/webhooks", "", [401, 401, 200, 200, 200, 401]),
    (
        "POST /api/webhooks",
        r#"{"url":"https://hooks.invalid/","events":["room.started"],"roomId":"{roomId}"}"#,
        [401, 401, 201, 403, 201, 401],
    ),
    (
        "GET /api/webhooks/{webhookId}",
        "",
        [401, 401, 200, 403, 200, 401],
    ),
    (
        "PATCH /api/webhooks/{webhookId}",
        r#"{"description":"ours"}"#,
        [401, 401, 200, 403, 200, 401],
    ),
    (
        "DELETE /api/webhooks/{webhookId}",
        "",
        [401, 401, 204, 403, 204, 401],
    ),
    (
        "POST /api/webhooks/{webhookId}/ping",
        "",
        [401, 401, 202, 403, 202, 401],
    ),
    (
        "GET /api/webhooks/{webhookId}/deliveries",
        "",
        [401, 401, 200, 403, 200, 401],
    ),
    (
        "POST /api/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver",
        "",
        [401, 401, 404, 403, 404, 401],
    ),
    // LiveKit proves itself otherwise.
    ("POST /api/livekit/webhook", "{}", [401; 6]),
    // Aliases, where rooms are not open to everybody.
    ("GET /rooms", "", [401, 401, 200, 200, 200, 401]),
    (
        "POST /rooms",
        r#"{"name":"Standup"}"#,
        [401, 401, 201, 201, 201, 401],
    ),
    ("DELETE /rooms/{roomId}", "", [401, 401, 200, 403, 403, 401]),
    (
        "POST /rooms/{roomId}/join",
        r#"{"identity":"bob"}"#,
        [401, 401, 403, 403, 403, 401],
    ),
    (
        "GET /voice/token?channel_id={roomId}&user_id={ownerId}",
        "",
        [401, 401, 200, 403, 403, 401],
    ),
    (
        "GET /api/v1/meetings/{meetingId}/waiting-room/stats",
        "",
        [401, 403, 200, 403, 200, 403],
    ),
    (
        "PATCH /api/v1/public-meetings/{meetingId}",
        r#"{"settings":{"waiting_room":true}}"#,
        [401, 403, 200, 403, 200, 403],
    ),
];

/// People who call, made once.
struct People {
    owner: Proof,
    other: Proof,
    admin: Proof,
    server: Proof,
}

impl People {
    async fn new(world: &World) -> Self {
        let admin = world.admin().await;
        let key = world
            .ok(
                Method::POST,
                "/api/keys",
                &admin,
                Some(json!({ "name": "server" })),
            )
            .await;
        Self {
            owner: world.host("Owner").await,
            other: world.host("Other").await,
            admin,
            server: Proof::Key(text(&key["key"])),
        }
    }

    /// Logs everybody in again.
    async fn log_in(&mut self, world: &World) {
        let accounts = [
            ("owner@example.org", &mut self.owner),
            ("other@example.org", &mut self.other),
            ("admin@example.org", &mut self.admin),
        ];
        for (email, proof) in accounts {
            let body = json!({ "email": email, "password": crate::world::PASSWORD });
            let made = world
                .ok(Method::POST, "/api/auth/login", &Proof::Nothing, Some(body))
                .await;
            *proof = Proof::Token(text(&made["token"]));
        }
    }

    fn proof<'a>(&'a self, caller: &str, guest: &'a Proof) -> &'a Proof {
        match caller {
            "nobody" => &Proof::Nothing,
            "guest" => guest,
            "server" => &self.server,
            "owner" => &self.owner,
            "another host" => &self.other,
            _ => &self.admin,
        }
    }
}

/// After these, people have to log in again.
const ENDS_SESSIONS: [&str; 2] = ["POST /api/auth/logout", "POST /api/auth/password"];

async fn every_route_lets_in_whom_its_row_says(place: Place) {
    let world = World::at(place, |_| {}).await;
    let mut people = People::new(&world).await;
    let owner_id = text(&world.get("/api/auth/me", &people.owner).await.1["id"]);
    let mut wrong = Vec::new();
    for (route, body, expected) in TABLE {
        for (caller, expected) in CALLERS.iter().zip(expected) {
            // Everything anew, so that no row depends on another.
            let owner = people.owner.clone();
            let room = world.room(&owner, json!({ "lobby": true })).await;
            let id = text(&room["id"]);
            let (_, waiting) = world.join(&id, "Guest", json!({})).await;
            let guest = Proof::Token(text(&waiting["guestToken"]));
            let key = world
                .ok(
                    Method::POST,
                    "/api/keys",
                    &people.admin,
                    Some(json!({ "name": "k" })),
                )
                .await;
            let user = crate::users::stored(&world, &format!("user-{id}@example.org")).await;
            let lecture = crate::lectures::held_meeting(&world, &id).await;
            let webhook = crate::hooks::made(&world, &owner, &id).await;
            let filled = |text_with_names: &str| {
                text_with_names
                    .replace("{roomId}", &id)
                    .replace("{meetingId}", &id)
                    .replace("{lectureId}", lecture.as_str())
                    .replace("{file}", "artifact.pdf")
                    .replace("{segmentId}", "SG_1")
                    .replace("{entryId}", &text(&waiting["lobbyEntryId"]))
                    .replace("{code}", &text(&room["code"]))
                    .replace("{keyId}", &text(&key["id"]))
                    .replace("{webhookId}", &text(&webhook["id"]))
                    .replace("{ownerId}", &owner_id)
                    .replace("{userId}", user.id.as_str())
                    .replace(
                        "new@example.org",
                        &format!("new-{id}-{}@example.org", caller.len()),
                    )
            };
            let proof = people.proof(caller, &guest);
            let (method, path) = route.split_once(' ').expect("a method and a path");
            let method: Method = method.parse().expect("a method");
            let mut request = world.request(method, &filled(path), proof);
            if !body.is_empty() {
                let body: Value = serde_json::from_str(&filled(body)).expect("JSON");
                request = request.json(&body);
            }
            // Only the status: streams don't end.
            let status = request.send().await.expect("an answer").status().as_u16();
            if ENDS_SESSIONS.contains(route) {
                people.log_in(&world).await;
            }
            if status != *expected {
                wrong.push(format!("{route} for {caller}: {status}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.end().await;
}

#[tokio::test]
async fn every_route_lets_in_whom_its_row_says_on_sqlite() {
    every_route_lets_in_whom_its_row_says(Place::Sqlite).await;
}

#[tokio::test]
async fn every_route_lets_in_whom_its_row_says_on_postgres() {
    every_route_lets_in_whom_its_row_says(Place::postgres().await).await;
}

#[test]
fn every_route_has_a_row() {
    let document = serde_json::to_value(lectern_service::open_api()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let rows: BTreeSet<String> = TABLE
        .iter()
        .map(|(route, ..)| route.split('?').next().expect("a path").to_owned())
        .collect();
    assert_eq!(documented, rows);
}
