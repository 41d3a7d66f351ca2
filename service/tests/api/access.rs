//! An instance that is not open to everybody yet.

use std::time::Duration;

use lectern_service::Limit;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::json;

use crate::world::{Proof, World, answer_of, code};

const KEY: &str = "the key of this very instance";

async fn closed() -> World {
    World::with(|settings| settings.gate.key = Some(KEY.into())).await
}

#[tokio::test]
async fn only_health_and_the_signed_webhook_are_for_all() {
    let world = closed().await;
    for path in ["/health", "/readyz"] {
        assert_eq!(world.get(path, &Proof::Nothing).await.0, 200, "{path}");
    }
    for path in [
        "/api/openapi.json",
        "/api/rooms",
        "/metrics",
        "/api/rooms?dev_access_key=another",
        "/health/",
        "/HEALTH",
    ] {
        let (status, body) = world.get(path, &Proof::Nothing).await;
        assert_eq!((status, code(&body)), (403, "ACCESS_KEY_REQUIRED"), "{path}");
    }
    // It has proofs of its own.
    let webhook = world
        .post("/api/livekit/webhook", &Proof::Nothing, json!({}))
        .await;
    assert_eq!((webhook.0, code(&webhook.1)), (401, "UNAUTHENTICATED"));
    // Nobody is let in by a cookie that they made up.
    let made_up = Proof::Cookie(format!("lectern_access={KEY}"));
    assert_eq!(world.get("/api/rooms", &made_up).await.0, 403);
    world.end().await;
}

#[tokio::test]
async fn key_opens_by_header_by_address_and_then_by_cookie() {
    let world = closed().await;
    let with_header = async |key: &str| {
        let request = world.request(Method::GET, "/api/openapi.json", &Proof::Nothing);
        let request = request.header("x-dev-access-key", key);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(with_header(KEY).await, 200);
    assert_eq!(with_header("the key of this very instancf").await, 403);
    assert_eq!(with_header("").await, 403);

    let query = "dev_access_key=the%20key+of%20this%20very%20instance";
    let register = json!({ "email": "ada@example.org", "name": "Ada", "password": crate::world::PASSWORD });
    let registered = world
        .post(&format!("/api/auth/register?{query}"), &Proof::Nothing, register)
        .await;
    assert_eq!(registered.0, 201);

    let browser = Client::builder()
        .redirect(Policy::none())
        .build()
        .expect("a client");
    let page = format!("{}/api/openapi.json?a=1&{query}", world.base);
    let opened = browser.get(page).header("accept", "text/html,*/*").send();
    let opened = opened.await.expect("an answer");
    assert_eq!(opened.status(), 303);
    assert_eq!(opened.headers()["location"], "/api/openapi.json?a=1");
    let cookie = opened.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(
        cookie.contains("HttpOnly") && !cookie.contains("instance"),
        "{cookie}"
    );
    let cookie = Proof::Cookie(cookie.split(';').next().expect("a value").to_owned());
    assert_eq!(world.get("/api/openapi.json", &cookie).await.0, 200);
    world.end().await;

    // The cookie goes with the key.
    let world = World::with(|settings| settings.gate.key = Some("another key of this instance".into())).await;
    assert_eq!(world.get("/api/openapi.json", &cookie).await.0, 403);
    world.end().await;
}

#[tokio::test]
async fn who_guesses_keys_is_stopped() {
    let world = World::with(|settings| {
        settings.gate.key = Some(KEY.into());
        settings.limits.login = Limit {
            times: 3,
            within: Duration::from_secs(60),
        };
    })
    .await;
    let guess = async |key: &str| {
        let request = world.request(Method::GET, "/api/openapi.json", &Proof::Nothing);
        answer_of(
            request
                .header("x-dev-access-key", key)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    };
    for number in 0..3 {
        assert_eq!(guess(&number.to_string()).await.0, 403);
    }
    for key in ["4", KEY] {
        let (status, body) = guess(key).await;
        assert_eq!((status, code(&body)), (429, "RATE_LIMITED"));
    }
    world.pass(Duration::from_secs(60));
    assert_eq!(guess(KEY).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn some_addresses_are_let_in_and_others_need_the_key() {
    let world = World::with(|settings| {
        settings.gate.networks = vec!["192.0.2.0/24".parse().expect("a network")];
        settings.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    })
    .await;
    let from = async |world: &World, address: &str, key: &str| {
        let request = world.request(Method::GET, "/api/openapi.json", &Proof::Nothing);
        let request = request
            .header("x-forwarded-for", address)
            .header("x-dev-access-key", key);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(from(&world, "192.0.2.5", "").await, 200);
    assert_eq!(from(&world, "203.0.113.5", "").await, 403);
    assert_eq!(from(&world, "203.0.113.5, 192.0.2.5", "").await, 200);
    assert_eq!(from(&world, "192.0.2.5, 203.0.113.5", "").await, 403);
    world.end().await;
    let world = World::with(|settings| {
        settings.gate.networks = vec!["192.0.2.0/24".parse().expect("a network")];
        settings.gate.key = Some(KEY.into());
    })
    .await;
    // Nobody is believed about where they call from.
    assert_eq!(from(&world, "192.0.2.5", "").await, 403);
    assert_eq!(from(&world, "203.0.113.5", KEY).await, 200);
    world.end().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_whether_they_may_ask() {
    let world = World::with(|settings| {
        settings.gate.key = Some(KEY.into());
        settings.web_origins = vec!["https://meet.example.org".to_owned()];
    })
    .await;
    let asked = world
        .request(Method::OPTIONS, "/api/rooms", &Proof::Nothing)
        .header("origin", "https://meet.example.org")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "x-dev-access-key")
        .send()
        .await
        .expect("an answer");
    assert_eq!(asked.status(), 200);
    let allowed = asked.headers()["access-control-allow-headers"]
        .to_str()
        .expect("text");
    assert!(allowed.contains("x-dev-access-key"), "{allowed}");
    // They are told why they are refused.
    let refused = world
        .request(Method::GET, "/api/rooms", &Proof::Nothing)
        .header("origin", "https://meet.example.org")
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://meet.example.org"
    );
    world.end().await;
}
