//! Lectures that are read by a link, without an account.

use std::time::Duration;

use lectern_service::Limit;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    lectures::held_meeting,
    world::{Proof, World, answer_of, code, text},
};

/// A lecture of somebody's, and its path.
async fn lecture(world: &World, host: &Proof) -> String {
    let room = text(&world.room(host, json!({})).await["id"]);
    format!("/api/lectures/{}", held_meeting(world, &room).await)
}

async fn shared(world: &World, host: &Proof, path: &str, body: Value) -> String {
    let made = world
        .ok(Method::POST, &format!("{path}/share"), host, Some(body))
        .await;
    text(&made["token"])
}

/// What somebody without an account gets who has this token.
async fn response(world: &World, method: Method, path: &str, token: &str) -> Response {
    let request = world
        .request(method, path, &Proof::Nothing)
        .header("x-lecture-share", token);
    request.json(&json!({})).send().await.expect("an answer")
}

async fn read(world: &World, path: &str, token: &str) -> (u16, Value) {
    answer_of(response(world, Method::GET, path, token).await).await
}

#[tokio::test]
async fn link_shows_the_lecture_and_nothing_else() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let path = lecture(&world, &ada).await;
    let (_, before) = world.get(&format!("{path}/share"), &ada).await;
    assert_eq!(before["shared"], json!(false));
    let made = world
        .ok(
            Method::POST,
            &format!("{path}/share"),
            &ada,
            Some(json!({ "expiresInDays": 7 })),
        )
        .await;
    let token = text(&made["token"]);
    // After the hash sign, it comes into no log and no Referer.
    let id = path.rsplit('/').next().expect("an id");
    assert_eq!(made["path"], json!(format!("/lectures/{id}#share={token}")));
    let (_, state) = world.get(&format!("{path}/share"), &ada).await;
    assert!(
        state["shared"] == json!(true) && state["expiresAt"].is_string(),
        "{state}"
    );
    assert!(!state.to_string().contains(&token), "it is shown once");

    let (status, whole) = read(&world, &path, &token).await;
    assert_eq!((status, &whole["title"]), (200, &json!("Energy")));
    assert_eq!((&whole["chat"], &whole["sharedFiles"]), (&json!([]), &json!([])));
    let (status, segments) = read(&world, &format!("{path}/segments"), &token).await;
    assert_eq!((status, &segments["items"][0]["id"]), (200, &json!("SG_1")));
    for file in whole["files"].as_array().expect("a list") {
        let fetched = response(&world, Method::GET, &text(&file["url"]), &token).await;
        assert_eq!(fetched.status().as_u16(), 200, "{file}");
        assert_eq!(fetched.headers()["x-robots-tag"], "noindex, nofollow");
        assert_eq!(fetched.headers()["referrer-policy"], "no-referrer");
    }
    let pdf = response(&world, Method::GET, &format!("{path}/artifact.pdf"), &token).await;
    let pdf = pdf.bytes().await.expect("a file");
    assert!(pdf.ends_with(b"shared"), "without what people wrote");
    // Neither what others see of it, nor anything that changes it.
    for (method, more) in [
        (Method::GET, "/share"),
        (Method::POST, "/share"),
        (Method::DELETE, "/share"),
        (Method::GET, "/summaries"),
        (Method::POST, "/summarise"),
        (Method::GET, "/segments/SG_1/versions"),
        (Method::DELETE, ""),
    ] {
        let refused = response(&world, method.clone(), &format!("{path}{more}"), &token).await;
        assert_eq!(refused.status().as_u16(), 401, "{method} {more}");
    }
    let body = json!({ "text": "Other words." });
    let request = world.request(Method::PATCH, &format!("{path}/segments/SG_1"), &Proof::Nothing);
    let refused = request.header("x-lecture-share", &token).json(&body).send().await;
    assert_eq!(refused.expect("an answer").status().as_u16(), 401);
    assert_eq!(read(&world, "/api/lectures", &token).await.0, 401);
    world.end().await;
}

#[tokio::test]
async fn link_that_ended_and_one_that_never_was_are_the_same() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let (path, other) = (lecture(&world, &ada).await, lecture(&world, &ada).await);
    let ended = async |path: &str, token: &str| {
        let (status, body) = read(&world, path, token).await;
        assert_eq!((status, code(&body)), (404, "LINK_ENDED"), "{path}");
        text(&body["error"]["message"])
    };
    let token = shared(&world, &ada, &path, json!({})).await;
    let message = ended(&other, &token).await;
    for (path, token) in [
        (path.as_str(), "guess"),
        (path.as_str(), &token[1..]),
        (path.as_str(), ""),
        ("/api/lectures/nowhere", token.as_str()),
        ("/api/lectures/nowhere/transcript.txt", token.as_str()),
        (&format!("{other}/artifact.pdf"), token.as_str()),
        (&format!("{other}/segments"), token.as_str()),
    ] {
        assert_eq!(ended(path, token).await, message, "{path}");
    }

    // A new one ends the one before; taking it back ends it, too.
    let second = shared(&world, &ada, &path, json!({ "expiresInDays": 1 })).await;
    ended(&path, &token).await;
    assert_eq!(read(&world, &path, &second).await.0, 200);
    world.pass(Duration::from_secs(24 * 3600));
    ended(&path, &second).await;
    let (_, state) = world.get(&format!("{path}/share"), &ada).await;
    assert_eq!(state["shared"], json!(false));
    let third = shared(&world, &ada, &path, json!({ "expiresInDays": null })).await;
    world
        .ok(Method::DELETE, &format!("{path}/share"), &ada, None)
        .await;
    ended(&path, &third).await;

    // Nothing is left of an erased lecture.
    let fourth = shared(&world, &ada, &path, json!({})).await;
    world.ok(Method::DELETE, &path, &ada, None).await;
    ended(&path, &fourth).await;
    world.end().await;
}

#[tokio::test]
async fn only_who_holds_the_room_shares_and_every_share_is_noted() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (ada, eve) = (world.host("Ada").await, world.host("Eve").await);
    let path = lecture(&world, &ada).await;
    let share = format!("{path}/share");
    assert_eq!(world.post(&share, &eve, json!({})).await.0, 403);
    for days in [json!(0), json!(366), json!(-1), json!("seven")] {
        let (status, body) = world.post(&share, &ada, json!({ "expiresInDays": days })).await;
        let field = &body["error"]["details"]["field"];
        assert_eq!((status, field), (422, &json!("expiresInDays")), "{days}");
    }
    shared(&world, &ada, &path, json!({})).await;
    world.ok(Method::DELETE, &share, &admin, None).await;
    // There is nothing to take back any more.
    world.ok(Method::DELETE, &share, &admin, None).await;
    let (_, notes) = world.get("/api/audit", &admin).await;
    let notes = notes["items"].as_array().expect("a list").iter();
    let actions: Vec<_> = notes.map(|note| text(&note["action"])).collect();
    let of_shares: Vec<_> = actions.iter().filter(|action| action.contains("share")).collect();
    assert_eq!(of_shares, ["lecture.unshare", "lecture.share"]);
    world.end().await;
}

#[tokio::test]
async fn guesses_of_links_are_counted() {
    let world = World::with(|settings| {
        settings.limits.requests = Limit {
            times: 10,
            within: Duration::from_secs(60),
        };
    })
    .await;
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(read(&world, "/api/lectures/nowhere", "guess").await.0);
    }
    assert_eq!(answers[..10], [404; 10]);
    assert_eq!(answers[10..], [429; 2]);
    world.end().await;
}
