//! What attackers try.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use lectern_service::Limit;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use crate::world::{Proof, World, answer_of, code, text};

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let Proof::Token(good) = &ada else {
        panic!("a token")
    };
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let none = part(json!({ "alg": "none", "typ": "JWT" }));
    let rs256 = part(json!({ "alg": "RS256", "typ": "JWT" }));
    // LiveKit's tokens are signed by another key, and for another audience.
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let livekit = text(&world.join(&room, "Bob", json!({})).await.1["token"]);
    for token in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{rs256}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        livekit,
        "nonsense".to_owned(),
    ] {
        let (status, body) = world.get("/api/auth/me", &Proof::Token(token.clone())).await;
        assert_eq!((status, code(&body)), (401, "UNAUTHENTICATED"), "{token}");
    }
    world.end().await;
}

#[tokio::test]
async fn large_deep_and_malformed_bodies_are_refused_in_our_form() {
    let world = World::new().await;
    let send = async |kind: Option<&'static str>, body: Vec<u8>| {
        let mut request = world
            .request(Method::POST, "/api/auth/login", &Proof::Nothing)
            .body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        answer_of(request.send().await.expect("an answer")).await
    };
    let json_type = Some("application/json");
    let deep = [
        b"{\"more\":".to_vec(),
        b"[".repeat(100_000),
        b"]".repeat(100_000),
        b"}".to_vec(),
    ]
    .concat();
    for (kind, body, expected) in [
        (json_type, vec![b'x'; 1_100_000], (413, "BODY_TOO_LARGE")),
        (json_type, deep.clone(), (422, "VALIDATION_FAILED")),
        (json_type, b"{".to_vec(), (400, "BAD_REQUEST")),
        (json_type, vec![0xff, 0xfe], (400, "BAD_REQUEST")),
        (json_type, Vec::new(), (400, "BAD_REQUEST")),
        (json_type, b"[]".to_vec(), (422, "VALIDATION_FAILED")),
        (None, b"{}".to_vec(), (415, "UNSUPPORTED_MEDIA_TYPE")),
        (
            Some("text/plain"),
            b"{}".to_vec(),
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
    ] {
        let (status, answer) = send(kind, body).await;
        assert_eq!((status, code(&answer)), expected, "{answer}");
    }
    // Where a field may hold anything, depth has an end too.
    let ada = world.host("Ada").await;
    let body = [b"{\"title\":\"x\",\"settings\":".to_vec(), deep, b"}".to_vec()].concat();
    let request = world.request(Method::POST, "/api/rooms", &ada);
    let sent = request
        .header("content-type", "application/json")
        .body(body)
        .send();
    let (status, answer) = answer_of(sent.await.expect("an answer")).await;
    assert_eq!((status, code(&answer)), (400, "BAD_REQUEST"), "{answer}");
    world.end().await;
}

#[tokio::test]
async fn nul_and_other_odd_characters_lead_nowhere() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    for path in [
        "/api/rooms/%00",
        "/api/rooms/by-code/%00",
        "/api/rooms/%ff",
        "/api/rooms/..%2f..%2fetc",
    ] {
        let (status, _) = world.get(path, &ada).await;
        assert_eq!(status, 404, "{path}");
    }
    let admin_path = "/api/keys/%00";
    assert!([403, 404].contains(&world.call(Method::DELETE, admin_path, &ada, None).await.0));
    let login = json!({ "email": "a\u{0}@b.c", "password": "x" });
    assert_eq!(world.post("/api/auth/login", &Proof::Nothing, login).await.0, 401);
    world.end().await;
}

#[tokio::test]
async fn callers_are_counted_each_by_themselves() {
    let world = World::with(|settings| {
        settings.limits.requests = Limit {
            times: 20,
            within: Duration::from_secs(60),
        };
    })
    .await;
    let ada = world.host("Ada").await;
    let mut last = 0;
    for _ in 0..21 {
        last = world.get("/api/auth/me", &ada).await.0;
    }
    assert_eq!(last, 429);
    // Others go on, and so does everybody a minute later.
    assert_eq!(
        world
            .get("/api/v1/livekit/connection-info", &Proof::Nothing)
            .await
            .0,
        200
    );
    world.pass(Duration::from_secs(60));
    assert_eq!(world.get("/api/auth/me", &ada).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn forwarded_addresses_are_believed_from_trusted_proxies_alone() {
    let limit = Limit {
        times: 3,
        within: Duration::from_secs(60),
    };
    let flood = async |world: &World| {
        let mut statuses = Vec::new();
        for number in 0..6 {
            let request = world
                .request(Method::GET, "/api/v1/livekit/connection-info", &Proof::Nothing)
                .header("x-forwarded-for", format!("203.0.113.{number}"));
            statuses.push(request.send().await.expect("an answer").status().as_u16());
        }
        statuses
    };
    let world = World::with(|settings| settings.limits.requests = limit).await;
    assert_eq!(flood(&world).await, [200, 200, 200, 429, 429, 429]);
    world.end().await;
    let world = World::with(|settings| {
        settings.limits.requests = limit;
        settings.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    })
    .await;
    assert_eq!(flood(&world).await, [200; 6]);
    world.end().await;
}
