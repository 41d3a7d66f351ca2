//! Logging in by another's account, with a certified provider.

use std::time::Duration;

use lectern_service::{ClaimValue, Limit, Oidc, Registration, probe_oidc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    log::logged,
    provider::{Browser, CLIENT_SECRET, Landing, Provider, settings_of},
    world::{PASSWORD, Place, Proof, World, code, text},
};

async fn account_of(world: &World, browser: &Browser) -> Value {
    let (status, account) = world.get("/api/auth/me", &browser.proof()).await;
    assert_eq!(status, 200, "{account}");
    account
}

/// What the audit log has of accounts, the latest first.
async fn audited(world: &World) -> Vec<(String, Value)> {
    let admin = world.admin().await;
    // The latest is about who asks.
    audited_for(world, &admin).await.skip(1).collect()
}

async fn audited_for(world: &World, admin: &Proof) -> impl Iterator<Item = (String, Value)> {
    let log = world.ok(Method::GET, "/api/audit", admin, None).await;
    let entries = log["items"].as_array().expect("entries").clone();
    entries
        .into_iter()
        .map(|entry| (text(&entry["action"]), entry["target"].clone()))
}

fn refused(code: &str) -> String {
    format!("/login?error={code}")
}

async fn person_gets_an_account_and_comes_back_to_it(place: Place) {
    let provider = Provider::new().await;
    provider.knows("ada", "Ada@Example.org").await;
    let world = World::at(place, |settings| settings.oidc = Some(provider.settings())).await;

    let mut browser = Browser::new();
    let landing = browser
        .open(&world, "/api/auth/oidc?next=/lectures%3Fq%3Denergy")
        .await;
    let back = browser.at_provider(&landing.location, "ada").await;
    let landing = browser.open(&world, &back).await;
    assert_eq!(
        (landing.status, landing.location.as_str()),
        (303, "/lectures?q=energy")
    );
    let account = account_of(&world, &browser).await;
    assert_eq!(
        (&account["email"], &account["name"], &account["role"]),
        (&json!("ada@example.org"), &json!("ada"), &json!("HOST"))
    );
    assert_eq!(browser.flow_cookie(), None, "it is of no use any more");

    // Their address may change; they are who they were.
    provider.knows("ada", "ada@elsewhere.example.org").await;
    let mut other_browser = Browser::new();
    assert_eq!(other_browser.log_in(&world, "ada").await, "/");
    assert_eq!(account_of(&world, &other_browser).await, account);
    // Who gets the address gets no account with it.
    provider.knows("eve", "ada@example.org").await;
    let mut eve = Browser::new();
    assert_eq!(eve.log_in(&world, "eve").await, refused("EMAIL_TAKEN"));
    assert!(!eve.is_logged_in());

    world
        .ok(Method::POST, "/api/auth/logout", &browser.proof(), None)
        .await;
    assert_eq!(world.get("/api/auth/me", &browser.proof()).await.0, 401);
    assert_eq!(world.get("/api/auth/me", &other_browser.proof()).await.0, 200);
    assert_eq!(
        audited(&world).await,
        [("account.create".to_owned(), json!(provider.issuer))]
    );
    world.end().await;
}

#[tokio::test]
async fn person_gets_an_account_and_comes_back_to_it_on_sqlite() {
    person_gets_an_account_and_comes_back_to_it(Place::Sqlite).await;
}

#[tokio::test]
async fn person_gets_an_account_and_comes_back_to_it_on_postgres() {
    person_gets_an_account_and_comes_back_to_it(Place::postgres().await).await;
}

#[tokio::test]
async fn only_the_browser_that_began_comes_back_once_and_in_time() {
    let provider = Provider::new().await;
    provider.knows("ada", "ada@example.org").await;
    let world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    let mut browser = Browser::new();

    let url = browser.begin(&world).await;
    let back = browser.at_provider(&url, "ada").await;
    // Somebody else is given the link, with a login of their own under way or none.
    let mut eve = Browser::new();
    assert_eq!(eve.open(&world, &back).await.location, refused("OIDC_EXPIRED"));
    eve.begin(&world).await;
    assert_eq!(eve.open(&world, &back).await.location, refused("OIDC_EXPIRED"));
    assert!(!eve.is_logged_in());
    let state = back.rsplit_once("state=").expect("a state").1;
    let state = state.split('&').next().expect("a state");
    for wrong in [back.replace(state, "guess"), back.replace("state=", "other=")] {
        assert_eq!(
            browser.open(&world, &wrong).await.location,
            refused("OIDC_EXPIRED")
        );
    }

    let cookie = browser.flow_cookie().expect("under way").clone();
    assert_eq!(browser.open(&world, &back).await.location, "/");
    assert!(browser.is_logged_in());
    // A copy of the browser has the link and the cookie.
    let mut copy = Browser::new();
    copy.put_flow_cookie(cookie);
    assert_eq!(copy.open(&world, &back).await.location, refused("OIDC_EXPIRED"));

    let url = copy.begin(&world).await;
    let back = copy.at_provider(&url, "ada").await;
    world.pass(Duration::from_secs(10 * 60));
    assert_eq!(copy.open(&world, &back).await.location, refused("OIDC_EXPIRED"));
    assert!(!copy.is_logged_in());
    world.end().await;
}

#[tokio::test]
async fn word_of_another_login_client_or_key_is_not_believed() {
    let log = logged();
    let provider = Provider::new().await;
    provider.knows("ada", "ada@example.org").await;
    let world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    let failed = async |change: &dyn Fn(String) -> String| {
        let mut browser = Browser::new();
        let url = change(browser.begin(&world).await);
        let back = browser.at_provider(&url, "ada").await;
        let landing = browser.open(&world, &back).await;
        assert!(!browser.is_logged_in());
        landing.location
    };
    let nonce = |url: String| url.replace("nonce=", "nonce=x");
    assert_eq!(failed(&nonce).await, refused("OIDC_FAILED"));
    let client = |url: String| url.replace("client_id=lectern", "client_id=other");
    assert_eq!(failed(&client).await, refused("OIDC_FAILED"));
    // The code is for who has what this challenge was made of.
    let challenge = |url: String| {
        let (before, after) = url.split_once("code_challenge=").expect("a challenge");
        format!("{before}code_challenge={}{}", "a".repeat(43), &after[43..])
    };
    assert_eq!(failed(&challenge).await, refused("OIDC_FAILED"));

    let same = |url: String| url;
    world.pass(Duration::from_secs(3_600));
    provider.shows_keys("foreign").await;
    assert_eq!(failed(&same).await, refused("OIDC_FAILED"));
    // Keys are asked for again where one is missing, though not all the time.
    world.pass(Duration::from_secs(3_600));
    provider.shows_keys("renamed").await;
    assert_eq!(failed(&same).await, refused("OIDC_FAILED"));
    provider.shows_keys("own").await;
    assert_eq!(
        failed(&same).await,
        refused("OIDC_FAILED"),
        "it was asked just now"
    );
    world.pass(Duration::from_secs(60));
    let said = log();
    for why in [
        "its ID token is of another login",
        "it refuses the code: invalid_grant",
        "its ID token's signature is not good",
        "its ID token is signed by a key that is none of its own",
    ] {
        assert!(said.contains(why), "{why} is not in the log: {said}");
    }
    assert_eq!(Browser::new().log_in(&world, "ada").await, "/");
    world.end().await;
}

#[tokio::test]
async fn passwords_work_while_the_provider_is_away() {
    let provider = Provider::new().await;
    provider.knows("ada", "ada@example.org").await;
    let oidc = provider.settings();
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    let mut browser = Browser::new();
    let url = browser.begin(&world).await;
    let back = browser.at_provider(&url, "ada").await;
    provider.end().await;
    let landing = browser.open(&world, &back).await;
    assert_eq!(landing.location, refused("OIDC_UNAVAILABLE"));
    world.end().await;

    // Nobody listens on this machine's port 1.
    let oidc = settings_of("http://127.0.0.1:1");
    let error = probe_oidc(&oidc).await.expect_err("away").to_string();
    assert!(
        error.contains("http://127.0.0.1:1") && error.contains("OIDC_ISSUER"),
        "{error}"
    );
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    let landing = browser
        .open(&world, "/api/auth/oidc?next=/lectures?q=a%26b")
        .await;
    let expected = Landing {
        status: 303,
        location: "/login?error=OIDC_UNAVAILABLE&next=%2Flectures%3Fq%3Da%26b".to_owned(),
    };
    assert_eq!(landing, expected);
    let (status, body) = world.get("/api/auth/oidc", &Proof::Nothing).await;
    assert_eq!((status, code(&body)), (503, "OIDC_UNAVAILABLE"));
    world.host("Bob").await;
    let login = json!({ "email": "bob@example.org", "password": PASSWORD });
    assert_eq!(world.post("/api/auth/login", &Proof::Nothing, login).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn whose_address_is_not_verified_or_of_another_domain_stays_out() {
    let provider = Provider::new().await;
    let oidc = Oidc {
        email_domains: vec!["example.org".to_owned()],
        ..provider.settings()
    };
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    for (claims, code) in [
        (
            json!({ "email": "ada@example.org", "email_verified": false }),
            "EMAIL_UNVERIFIED",
        ),
        (json!({ "email": "ada@example.org" }), "EMAIL_UNVERIFIED"),
        (json!({ "email_verified": true }), "EMAIL_UNVERIFIED"),
        (
            json!({ "email": "ada@example.com", "email_verified": true }),
            "EMAIL_DOMAIN_REFUSED",
        ),
        (
            json!({ "email": "ada@a.example.org", "email_verified": true }),
            "EMAIL_DOMAIN_REFUSED",
        ),
    ] {
        provider.says("ada", claims.clone()).await;
        let mut browser = Browser::new();
        assert_eq!(browser.log_in(&world, "ada").await, refused(code), "{claims}");
        assert!(!browser.is_logged_in());
    }
    let mut browser = Browser::new();
    assert_eq!(browser.log_in(&world, "denied").await, refused("OIDC_DENIED"));
    // They left: they were let in before, and are not any more.
    provider.knows("ada", "ada@example.org").await;
    assert_eq!(browser.log_in(&world, "ada").await, "/");
    provider.knows("ada", "ada@example.com").await;
    assert_eq!(
        browser.log_in(&world, "ada").await,
        refused("EMAIL_DOMAIN_REFUSED")
    );
    world.end().await;
}

#[tokio::test]
async fn account_with_a_password_is_linked_only_for_named_domains() {
    let provider = Provider::new().await;
    provider.knows("ada", "ada@example.org").await;
    let world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    world.host("Ada").await;
    assert_eq!(Browser::new().log_in(&world, "ada").await, refused("EMAIL_TAKEN"));
    world.end().await;

    let oidc = Oidc {
        email_domains: vec!["example.org".to_owned()],
        ..provider.settings()
    };
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    // Whoever registered this address never proved that it is theirs.
    let squatter = world.host("Ada").await;
    let room = world.room(&squatter, json!({})).await;
    let mut ada = Browser::new();
    assert_eq!(ada.log_in(&world, "ada").await, "/");
    let rooms = world.ok(Method::GET, "/api/rooms", &ada.proof(), None).await;
    assert_eq!(rooms["items"][0]["id"], room["id"], "it is the same account");
    assert_eq!(world.get("/api/auth/me", &squatter).await.0, 401);
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let (status, body) = world.post("/api/auth/login", &Proof::Nothing, login).await;
    assert_eq!((status, code(&body)), (401, "LOGIN_FAILED"));
    // Somebody else whom the provider gives the address later.
    provider.knows("eve", "ada@example.org").await;
    assert_eq!(Browser::new().log_in(&world, "eve").await, refused("EMAIL_TAKEN"));
    let linked = ("account.link".to_owned(), json!(provider.issuer));
    assert_eq!(audited(&world).await.first(), Some(&linked));
    world.end().await;
}

#[tokio::test]
async fn claim_makes_administrators_at_each_login() {
    // Providers differ in where they put claims, and in how we prove who we are.
    for options in [&[][..], &["claims-in-id-token", "secret-in-body"]] {
        let provider = Provider::with(options).await;
        let says = |groups: Value| {
            provider.says(
                "ada",
                json!({ "email": "ada@example.org", "email_verified": true, "groups": groups }),
            )
        };
        let rule = ClaimValue {
            claim: "groups".to_owned(),
            value: "lectern-admins".to_owned(),
        };
        let oidc = Oidc {
            administrators: Some(rule),
            ..provider.settings()
        };
        let world = World::with(|settings| settings.oidc = Some(oidc)).await;
        let role_with = async |groups: Value| {
            says(groups).await;
            let mut browser = Browser::new();
            assert_eq!(browser.log_in(&world, "ada").await, "/");
            let reads_keys = world.get("/api/keys", &browser.proof()).await.0 == 200;
            let role = text(&account_of(&world, &browser).await["role"]);
            assert_eq!(reads_keys, role == "ADMIN");
            role
        };
        assert_eq!(role_with(json!(["staff"])).await, "HOST");
        let admin = world.admin().await;
        assert_eq!(role_with(json!(["staff", "lectern-admins"])).await, "ADMIN");
        assert_eq!(role_with(json!(["staff"])).await, "HOST");
        let roles = audited_for(&world, &admin).await;
        let roles: Vec<_> = roles.filter(|(action, _)| action == "account.role").collect();
        let role = |name: &str| ("account.role".to_owned(), json!(name));
        assert_eq!(roles, [role("HOST"), role("ADMIN")]);
        assert_eq!(role_with(json!(["staff", "lectern-admins"])).await, "ADMIN");
        let id = text(&world.ok(Method::GET, "/api/auth/me", &admin, None).await["id"]);
        let other = format!("/api/admin/users/{id}");
        let resigns = json!({ "role": "HOST" });
        world.ok(Method::PATCH, &other, &admin, Some(resigns)).await;
        assert_eq!(role_with(json!(["staff"])).await, "ADMIN", "the last one stays");
        world.end().await;
    }
}

#[tokio::test]
async fn operator_chooses_who_gets_an_account_and_whether_there_is_a_secret() {
    let provider = Provider::new().await;
    provider.knows("ada", "ada@example.org").await;
    let public = Oidc {
        client_id: "public".to_owned(),
        client_secret: None,
        ..provider.settings()
    };
    let world = World::with(|settings| settings.oidc = Some(public)).await;
    assert_eq!(Browser::new().log_in(&world, "ada").await, "/");
    world.end().await;
    let mistaken = Oidc {
        client_secret: Some("another secret".into()),
        ..provider.settings()
    };
    let world = World::with(|settings| settings.oidc = Some(mistaken)).await;
    assert_eq!(Browser::new().log_in(&world, "ada").await, refused("OIDC_FAILED"));
    world.end().await;
    let oidc = Oidc {
        registration: Registration::Closed,
        email_domains: vec!["example.org".to_owned()],
        ..provider.settings()
    };
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    assert_eq!(
        Browser::new().log_in(&world, "ada").await,
        refused("REGISTRATION_CLOSED")
    );
    world.host("Ada").await;
    assert_eq!(Browser::new().log_in(&world, "ada").await, "/");
    world.end().await;
}

#[tokio::test]
async fn page_is_told_how_to_log_in_and_nobody_tries_too_often() {
    let world = World::new().await;
    let (status, options) = world.get("/api/auth/options", &Proof::Nothing).await;
    assert_eq!(
        (status, options),
        (200, json!({ "registration": true, "oidc": null }))
    );
    let (status, body) = world.get("/api/auth/oidc", &Proof::Nothing).await;
    assert_eq!((status, code(&body)), (404, "OIDC_OFF"));
    world.end().await;

    let provider = Provider::new().await;
    let world = World::with(|settings| {
        settings.registration = Registration::Closed;
        settings.oidc = Some(provider.settings());
        settings.limits.login = Limit {
            times: 10,
            within: Duration::from_secs(60),
        };
    })
    .await;
    let (_, options) = world.get("/api/auth/options", &Proof::Nothing).await;
    let expected = json!({ "registration": false, "oidc": { "name": "Example", "path": "/api/auth/oidc" } });
    assert_eq!(options, expected);
    let mut browser = Browser::new();
    for next in [
        "//evil.example.org",
        "https://evil.example.org",
        "/%5Cevil.example.org",
        "/%09/evil.example.org",
    ] {
        let landing = browser.open(&world, &format!("/api/auth/oidc?next={next}")).await;
        let back = browser.at_provider(&landing.location, "denied").await;
        assert_eq!(browser.open(&world, &back).await.location, refused("OIDC_DENIED"));
    }
    for _ in 0..6 {
        browser.begin(&world).await;
    }
    let landing = browser.open(&world, "/api/auth/oidc").await;
    assert_eq!(landing.location, refused("RATE_LIMITED"));
    world.end().await;
}

#[tokio::test]
async fn log_has_neither_secrets_nor_people() {
    let log = logged();
    let provider = Provider::new().await;
    let world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    provider.knows("grace", "grace@private.example.org").await;
    let mut browser = Browser::new();
    let url = browser.begin(&world).await;
    let back = browser.at_provider(&url, "grace").await;
    assert_eq!(browser.open(&world, &back).await.location, "/");
    let used = [url, back];
    let nonce = |url: &str| url.replace("nonce=", "nonce=x");
    let url = browser.begin(&world).await;
    let back = browser.at_provider(&nonce(&url), "grace").await;
    assert_eq!(browser.open(&world, &back).await.location, refused("OIDC_FAILED"));
    let denied = Browser::new().log_in(&world, "denied").await;
    assert_eq!(denied, refused("OIDC_DENIED"));
    let said = log();
    assert!(
        said.contains("its ID token is of another login"),
        "failures are logged: {said}"
    );
    let mut secrets = vec![
        "grace@private.example.org".to_owned(),
        "said no".to_owned(),
        CLIENT_SECRET.to_owned(),
        browser.flow_cookie().cloned().unwrap_or_default(),
    ];
    for address in used.iter().chain([&url, &back]) {
        let pairs = address.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        let private = pairs.filter(|(name, _)| ["code", "state", "nonce", "code_challenge"].contains(name));
        secrets.extend(private.map(|(_, value)| value.to_owned()));
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!said.contains(secret), "{secret} is in the log");
    }
    world.end().await;
}
