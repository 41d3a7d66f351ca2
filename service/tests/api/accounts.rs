//! Registering, logging in and out.

use std::time::Duration;

use lectern_service::{Limit, OpenRooms, Registration, Service};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::world::{PASSWORD, Proof, World, code, settings, text};

#[tokio::test]
async fn account_is_made_once_and_logs_in_and_out() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let (status, me) = world.get("/api/auth/me", &ada).await;
    assert_eq!(
        (status, &me["email"], &me["role"]),
        (200, &json!("ada@example.org"), &json!("HOST"))
    );

    let again = json!({ "email": "ADA@example.org", "name": "A", "password": PASSWORD });
    let (status, body) = world.post("/api/auth/register", &Proof::Nothing, again).await;
    assert_eq!((status, code(&body)), (409, "EMAIL_TAKEN"));

    let wrong = json!({ "email": "ada@example.org", "password": "another password" });
    let (status, body) = world.post("/api/auth/login", &Proof::Nothing, wrong).await;
    assert_eq!((status, code(&body)), (401, "LOGIN_FAILED"));
    let nobody = json!({ "email": "eve@example.org", "password": PASSWORD });
    let (status, body) = world.post("/api/auth/login", &Proof::Nothing, nobody).await;
    assert_eq!((status, code(&body)), (401, "LOGIN_FAILED"));

    let right = json!({ "email": " Ada@Example.org", "password": PASSWORD });
    let (status, body) = world.post("/api/auth/login", &Proof::Nothing, right).await;
    assert_eq!(status, 200, "{body}");
    let second = Proof::Token(text(&body["token"]));

    world.ok(Method::POST, "/api/auth/logout", &ada, None).await;
    assert_eq!(world.get("/api/auth/me", &ada).await.0, 401);
    assert_eq!(world.get("/api/auth/me", &second).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn session_ends_by_itself_and_with_a_new_password() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let wrong = json!({ "currentPassword": "not my password", "password": "entirely new words" });
    assert_eq!(world.post("/api/auth/password", &ada, wrong).await.0, 401);
    let right = json!({ "currentPassword": PASSWORD, "password": "entirely new words" });
    let (status, body) = world.post("/api/auth/password", &ada, right).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(world.get("/api/auth/me", &ada).await.0, 401);
    let new = Proof::Token(text(&body["token"]));
    assert_eq!(world.get("/api/auth/me", &new).await.0, 200);
    world.pass(Duration::from_secs(15 * 24 * 3600));
    assert_eq!(world.get("/api/auth/me", &new).await.0, 401);
    world.end().await;
}

#[tokio::test]
async fn cookie_logs_in_and_only_our_own_pages_may_use_it() {
    let world =
        World::with(|settings| settings.web_origins = vec!["https://meet.example.org".to_owned()]).await;
    world.host("Ada").await;
    let response = world
        .request(Method::POST, "/api/auth/login", &Proof::Nothing)
        .json(&json!({ "email": "ada@example.org", "password": PASSWORD }))
        .send()
        .await
        .expect("an answer");
    let cookie = response.headers()["set-cookie"]
        .to_str()
        .expect("text")
        .to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure"] {
        assert!(cookie.contains(part), "{part} is not in {cookie}");
    }
    let proof = Proof::Cookie(cookie.split(';').next().expect("a value").to_owned());
    assert_eq!(world.get("/api/auth/me", &proof).await.0, 200);

    let make = async |origin: Option<(&'static str, String)>| {
        let mut request = world
            .request(Method::POST, "/api/rooms", &proof)
            .json(&json!({ "title": "Algebra" }));
        if let Some((name, value)) = origin {
            request = request.header(name, value);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(
        make(Some(("origin", "https://evil.example.org".to_owned()))).await,
        403
    );
    assert_eq!(make(Some(("origin", "null".to_owned()))).await, 403);
    assert_eq!(make(Some(("sec-fetch-site", "cross-site".to_owned()))).await, 403);
    assert_eq!(
        make(Some(("origin", "https://meet.example.org".to_owned()))).await,
        201
    );
    assert_eq!(make(Some(("origin", world.base.clone()))).await, 201);
    assert_eq!(make(None).await, 201);
    world.end().await;
}

#[tokio::test]
async fn first_administrator_is_made_once() {
    let world = World::with(|settings| settings.registration = Registration::Closed).await;
    let (status, body) = world
        .post(
            "/api/auth/register",
            &Proof::Nothing,
            json!({ "email": "a@b.c", "name": "A", "password": PASSWORD }),
        )
        .await;
    assert_eq!((status, code(&body)), (403, "REGISTRATION_CLOSED"));
    let guess = json!({ "token": "guess", "email": "eve@example.org", "name": "Eve", "password": PASSWORD });
    assert_eq!(world.post("/api/auth/setup", &Proof::Nothing, guess).await.0, 403);
    let admin = world.admin().await;
    assert_eq!(world.get("/api/auth/me", &admin).await.1["role"], json!("ADMIN"));
    let token = world.setup_token.as_ref().expect("there was one").expose_secret();
    let again = json!({ "token": token, "email": "eve@example.org", "name": "Eve", "password": PASSWORD });
    assert_eq!(world.post("/api/auth/setup", &Proof::Nothing, again).await.0, 403);
    // An administrator makes accounts where nobody may register.
    let made = json!({ "email": "ada@example.org", "name": "Ada", "password": PASSWORD });
    assert_eq!(world.post("/api/auth/register", &admin, made).await.0, 201);
    world.end().await;
}

#[tokio::test]
async fn first_administrator_is_made_though_others_came_before() {
    let world = World::with(|settings| settings.open_rooms = OpenRooms::Yes).await;
    let ada = world.host("Ada").await;
    // Makes the account of everybody's rooms.
    let room = json!({ "name": "Everybody's" });
    assert_eq!(world.post("/rooms", &Proof::Nothing, room).await.0, 201);
    let token = world
        .setup_token
        .as_ref()
        .expect("no administrator")
        .expose_secret();
    let setup = |email: &str, password: &str| {
        let body = json!({ "token": token, "email": email, "name": "Admin", "password": password });
        world.post("/api/auth/setup", &Proof::Nothing, body)
    };
    // Who reads our first words can't take Ada's account for that.
    let (status, body) = setup("ada@example.org", "another password").await;
    assert_eq!((status, code(&body)), (409, "EMAIL_TAKEN"));
    assert_eq!(world.get("/api/auth/me", &ada).await.1["role"], json!("HOST"));

    let (status, body) = setup(" Ada@example.org", PASSWORD).await;
    assert_eq!((status, &body["user"]["role"]), (201, &json!("ADMIN")), "{body}");
    assert_eq!(world.get("/api/auth/me", &ada).await.0, 401, "she logs in anew");
    let admin = Proof::Token(text(&body["token"]));
    assert_eq!(world.get("/api/keys", &admin).await.0, 200);
    assert_eq!(setup("eve@example.org", PASSWORD).await.0, 403);
    world.end().await;
}

#[tokio::test]
async fn administrator_of_the_settings_takes_no_account_but_their_own() {
    let world = World::new().await;
    world.host("Ada").await;
    let service = Service::new(settings(), world.database.clone(), world.objects.clone());
    let make = |email: &'static str, password: &'static str| {
        service.make_first_administrator(email, password.into())
    };
    let refused = make("ada@example.org", "another password").await;
    let refused = refused.expect_err("her account").to_string();
    assert!(refused.contains("this is not its password"), "{refused}");
    assert!(service.setup_token().await.expect("a database").is_some());

    make("root@example.org", PASSWORD).await.expect("made");
    assert!(service.setup_token().await.expect("a database").is_none());
    make("ada@example.org", "another password")
        .await
        .expect("there is one");
    let login = json!({ "email": "root@example.org", "password": PASSWORD });
    let (_, root) = world.post("/api/auth/login", &Proof::Nothing, login).await;
    assert_eq!(root["user"]["role"], json!("ADMIN"), "{root}");
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let (_, ada) = world.post("/api/auth/login", &Proof::Nothing, login).await;
    assert_eq!(ada["user"]["role"], json!("HOST"), "{ada}");
    world.end().await;
}

#[tokio::test]
async fn too_many_logins_are_refused_by_account_and_come_again_later() {
    let world = World::with(|settings| {
        settings.limits.login = Limit {
            times: 10,
            within: Duration::from_secs(60),
        };
    })
    .await;
    world.host("Ada").await;
    let wrong = json!({ "email": "ada@example.org", "password": "another password" });
    for _ in 0..9 {
        assert_eq!(
            world
                .post("/api/auth/login", &Proof::Nothing, wrong.clone())
                .await
                .0,
            401
        );
    }
    let response = world
        .request(Method::POST, "/api/auth/login", &Proof::Nothing)
        .json(&wrong)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 429);
    let after: u64 = response.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!((1..=60).contains(&after), "{after}");
    world.pass(Duration::from_secs(60));
    let right = json!({ "email": "ada@example.org", "password": PASSWORD });
    assert_eq!(world.post("/api/auth/login", &Proof::Nothing, right).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let world = World::new().await;
    for (body, field) in [
        (
            json!({ "email": "ada", "name": "Ada", "password": PASSWORD }),
            "email",
        ),
        (
            json!({ "email": "a@b.c", "name": " ", "password": PASSWORD }),
            "name",
        ),
        (
            json!({ "email": "a@b.c", "name": "Ada", "password": "short" }),
            "password",
        ),
        (json!({ "email": "a@b.c", "password": PASSWORD }), "name"),
        (
            json!({ "email": 7, "name": "Ada", "password": PASSWORD }),
            "email",
        ),
    ] {
        let (status, answer) = world.post("/api/auth/register", &Proof::Nothing, body).await;
        assert_eq!((status, code(&answer)), (422, "VALIDATION_FAILED"), "{answer}");
        assert_eq!(answer["error"]["details"]["field"], json!(field), "{answer}");
    }
    world.end().await;
}
