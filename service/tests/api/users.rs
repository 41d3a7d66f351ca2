//! Accounts, as administrators look after them.

use std::time::Duration;

use lectern_service::Limit;
use lectern_storage::{Account, AccountRole, NewAccount};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{PASSWORD, Place, Proof, World, code, text};

/// An account that nobody logs in to.
pub(crate) async fn stored(world: &World, email: &str) -> Account {
    let new = NewAccount {
        email,
        name: "Somebody",
        role: AccountRole::Host,
        password_hash: None,
    };
    let made = world.database.create_account(new, world.now()).await;
    made.expect("stored").expect("a new address")
}

async fn id_of(world: &World, proof: &Proof) -> String {
    text(&world.get("/api/auth/me", proof).await.1["id"])
}

async fn change(world: &World, by: &Proof, id: &str, body: Value) -> (u16, Value) {
    let path = format!("/api/admin/users/{id}");
    world.call(Method::PATCH, &path, by, Some(body)).await
}

async fn log_in(world: &World, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": password });
    world.post("/api/auth/login", &Proof::Nothing, body).await
}

/// The latest notes of what was done with somebody.
async fn noted(world: &World, admin: &Proof, user: &str) -> Vec<String> {
    let (_, notes) = world.get("/api/audit?limit=200", admin).await;
    let notes = notes["items"].as_array().expect("a list").iter();
    let of_user = notes.filter(|note| note["target"] == json!(user));
    of_user.map(|note| text(&note["action"])).collect()
}

async fn administrator_looks_after_accounts(place: Place) {
    let world = World::at(place, |_| {}).await;
    let admin = world.admin().await;
    let bob = world.host("Bob").await;
    let bobs_id = id_of(&world, &bob).await;
    let room = text(&world.room(&bob, json!({})).await["id"]);
    crate::lectures::held_meeting(&world, &room).await;

    let (status, all) = world.get("/api/admin/users?limit=1", &admin).await;
    assert_eq!(
        (status, &all["items"][0]["email"]),
        (200, &json!("bob@example.org"))
    );
    let cursor = text(&all["nextCursor"]);
    let (_, rest) = world
        .get(&format!("/api/admin/users?limit=1&cursor={cursor}"), &admin)
        .await;
    assert_eq!(
        (&rest["items"][0]["role"], &rest["nextCursor"]),
        (&json!("ADMIN"), &Value::Null)
    );
    let (_, found) = world.get("/api/admin/users?q=BOB", &admin).await;
    let user = &found["items"][0];
    for (field, expected) in [
        ("name", json!("Bob")),
        ("role", json!("HOST")),
        ("rooms", json!(1)),
        ("lectures", json!(1)),
        ("byProvider", json!(false)),
        ("disabledAt", Value::Null),
    ] {
        assert_eq!(user[field], expected, "{field} of {user}");
    }
    assert!(
        user["lastLoginAt"].is_string() && user["createdAt"].is_string(),
        "{user}"
    );
    let (status, body) = world
        .get(&format!("/api/admin/users?q={}", "x".repeat(201)), &admin)
        .await;
    assert_eq!(
        (status, &body["error"]["details"]["rule"]),
        (422, &json!("tooLong"))
    );

    // A role counts from the next request on.
    assert_eq!(world.get("/api/audit", &bob).await.0, 403);
    let (status, body) = change(&world, &admin, &bobs_id, json!({ "role": "ADMIN" })).await;
    assert_eq!((status, &body["role"]), (200, &json!("ADMIN")));
    assert_eq!(world.get("/api/audit", &bob).await.0, 200);

    // The keys that they made end with their access, as their session does.
    let made = world
        .ok(Method::POST, "/api/keys", &bob, Some(json!({ "name": "k" })))
        .await;
    let key = Proof::Key(text(&made["key"]));
    let body = json!({ "userId": "7", "roomId": room });
    assert_eq!(world.post("/api/token/viewer", &key, body.clone()).await.0, 200);
    let (status, changed) = change(&world, &admin, &bobs_id, json!({ "disabled": true })).await;
    assert!(status == 200 && changed["disabledAt"].is_string(), "{changed}");
    assert_eq!(world.post("/api/token/viewer", &key, body).await.0, 401);
    assert_eq!(world.get("/api/auth/me", &bob).await.0, 401);
    let (status, body) = log_in(&world, "bob@example.org", PASSWORD).await;
    assert_eq!((status, code(&body)), (403, "ACCOUNT_DISABLED"));
    // Who doesn't know the password learns nothing of it.
    let (status, body) = log_in(&world, "bob@example.org", "another password").await;
    assert_eq!((status, code(&body)), (401, "LOGIN_FAILED"));
    change(&world, &admin, &bobs_id, json!({ "disabled": false })).await;
    assert_eq!(world.get("/api/auth/me", &bob).await.0, 401);
    assert_eq!(log_in(&world, "bob@example.org", PASSWORD).await.0, 200);

    assert_eq!(
        noted(&world, &admin, &bobs_id).await,
        ["account.enable", "account.disable", "account.make-administrator"]
    );
    world.end().await;
}

#[tokio::test]
async fn administrator_looks_after_accounts_on_sqlite() {
    administrator_looks_after_accounts(Place::Sqlite).await;
}

#[tokio::test]
async fn administrator_looks_after_accounts_on_postgres() {
    administrator_looks_after_accounts(Place::postgres().await).await;
}

#[tokio::test]
async fn last_administrator_stays_and_so_does_who_is_nobody() {
    let world = World::new().await;
    let admin = world.admin().await;
    let id = id_of(&world, &admin).await;
    for body in [json!({ "role": "HOST" }), json!({ "disabled": true })] {
        let (status, body) = change(&world, &admin, &id, body).await;
        assert_eq!((status, code(&body)), (409, "LAST_ADMINISTRATOR"));
    }
    let path = format!("/api/admin/users/{id}");
    let (status, body) = world.call(Method::DELETE, &path, &admin, None).await;
    assert_eq!((status, code(&body)), (409, "LAST_ADMINISTRATOR"));
    for body in [json!({ "role": "KING" }), json!({ "email": "x@example.org" })] {
        assert_eq!(change(&world, &admin, &id, body).await.0, 422);
    }
    for nobody in ["nobody", "a%00b"] {
        let (status, body) = change(&world, &admin, nobody, json!({})).await;
        assert_eq!((status, code(&body)), (404, "USER_NOT_FOUND"), "{nobody}");
        let path = format!("/api/admin/users/{nobody}");
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.0, 404);
        let path = format!("{path}/password-link");
        assert_eq!(world.call(Method::POST, &path, &admin, None).await.0, 404);
    }
    assert!(noted(&world, &admin, &id).await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn deleted_account_leaves_its_rooms_to_its_heir() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (bob, eve) = (world.host("Bob").await, world.host("Eve").await);
    let (bobs_id, eves_id) = (id_of(&world, &bob).await, id_of(&world, &eve).await);
    let room = text(&world.room(&bob, json!({})).await["id"]);
    let lecture = crate::lectures::held_meeting(&world, &room).await;
    let path = format!("/api/admin/users/{bobs_id}");
    let (status, body) = world.call(Method::DELETE, &path, &admin, None).await;
    assert_eq!((status, code(&body)), (409, "USER_HOLDS_ROOMS"));
    assert_eq!(body["error"]["details"], json!({ "rooms": 1, "lectures": 1 }));
    for heir in [bobs_id.as_str(), "nobody"] {
        let path = format!("{path}?heir={heir}");
        let (status, body) = world.call(Method::DELETE, &path, &admin, None).await;
        assert_eq!(
            (status, &body["error"]["details"]["field"]),
            (422, &json!("heir"))
        );
    }
    assert_eq!(world.get(&format!("/api/lectures/{lecture}"), &eve).await.0, 403);
    let heir = format!("{path}?heir={eves_id}");
    assert_eq!(world.call(Method::DELETE, &heir, &admin, None).await.0, 204);
    assert_eq!(world.get("/api/auth/me", &bob).await.0, 401);
    assert_eq!(log_in(&world, "bob@example.org", PASSWORD).await.0, 401);
    assert_eq!(world.get(&format!("/api/lectures/{lecture}"), &eve).await.0, 200);
    assert_eq!(
        world.get("/api/rooms", &eve).await.1["items"][0]["id"],
        json!(room)
    );
    assert_eq!(noted(&world, &admin, &bobs_id).await, ["account.delete"]);
    assert_eq!(noted(&world, &admin, &eves_id).await, ["account.inherit"]);
    world.end().await;
}

#[tokio::test]
async fn link_sets_a_new_password_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let bob = world.host("Bob").await;
    let bobs_id = id_of(&world, &bob).await;
    let path = format!("/api/admin/users/{bobs_id}/password-link");
    let made = async || {
        let link = world.ok(Method::POST, &path, &admin, None).await;
        let link = text(&link["path"]);
        link.strip_prefix("/setup#password=")
            .expect("a token after #")
            .to_owned()
    };
    let used = async |token: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        world.post("/api/auth/password-link", &Proof::Nothing, body).await
    };
    let (old, token) = (made().await, made().await);
    for token in [old.as_str(), "x"] {
        let (status, body) = used(token, "entirely new words").await;
        assert_eq!((status, code(&body)), (404, "LINK_ENDED"));
    }
    // A word that is not good enough doesn't use it up.
    let (status, body) = used(&token, "short").await;
    assert_eq!(status, 422);
    assert_eq!(
        body["error"]["details"],
        json!({ "field": "password", "rule": "tooShort", "minimum": 10 })
    );
    let (status, body) = used(&token, "entirely new words").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(world.get("/api/auth/me", &bob).await.0, 401);
    let new = Proof::Token(text(&body["token"]));
    assert_eq!(world.get("/api/auth/me", &new).await.0, 200);
    assert_eq!(used(&token, "entirely new words").await.0, 404);
    assert_eq!(log_in(&world, "bob@example.org", PASSWORD).await.0, 401);
    assert_eq!(
        log_in(&world, "bob@example.org", "entirely new words").await.0,
        200
    );

    // It lasts a day, and not while nobody may log in.
    let token = made().await;
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!(used(&token, "entirely new words").await.0, 404);
    let token = made().await;
    change(&world, &admin, &bobs_id, json!({ "disabled": true })).await;
    assert_eq!(used(&token, "entirely new words").await.0, 404);
    let (status, body) = world.call(Method::POST, &path, &admin, None).await;
    assert_eq!((status, code(&body)), (403, "ACCOUNT_DISABLED"));
    world.end().await;
}

#[tokio::test]
async fn guesses_of_links_are_counted() {
    let world = World::with(|settings| {
        settings.limits.login = Limit {
            times: 3,
            within: Duration::from_secs(60),
        };
    })
    .await;
    for expected in [404, 404, 404, 429] {
        let body = json!({ "token": "guess", "password": PASSWORD });
        let (status, _) = world.post("/api/auth/password-link", &Proof::Nothing, body).await;
        assert_eq!(status, expected);
    }
    world.end().await;
}
