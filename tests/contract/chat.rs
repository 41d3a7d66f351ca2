//! One chat for people who use the service and people who use LiveKit's own components.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    service::{Person, registered, up},
    support::{Client, PATIENCE, Server},
};

#[tokio::test(flavor = "multi_thread")]
async fn components_and_the_service_share_one_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (lectern, nobody) = up(&server, folder.path());
    let host = registered(&nobody).await;
    let room = host
        .ok(Method::POST, "/api/rooms", json!({ "title": "Chat" }))
        .await;
    let path = format!("/api/rooms/{}", room["id"].as_str().expect("an id"));
    host.ok(Method::POST, &format!("{path}/start"), Value::Null).await;
    let wanted = json!({ "name": "Ada", "sessionFingerprint": "adas-browser" });
    let joined = nobody.ok(Method::POST, &format!("{path}/join"), wanted).await;
    let ada = nobody.with(&joined["guestToken"]);
    let identity = joined["identity"].as_str().expect("an identity");
    let chat = format!("{path}/chat");
    let write = async |person: &Person, text: &str| {
        let written = person.ok(Method::POST, &chat, json!({ "text": text })).await;
        written["id"].as_str().expect("an id").to_owned()
    };
    // In the meeting, and before anybody could pass it on.
    let browser = Client::components_with_token(&server, joined["token"].as_str().expect("a token"));
    let early = write(&ada, "Is this on?").await;
    lectern.wait_for_log("listening in room");

    let stream = browser.write("Hello from a component");
    let stored = until_stored(&host, &chat, "Hello from a component").await;
    assert_eq!(
        (&stored["identity"], &stored["name"]),
        (&json!(identity), &json!("Ada"))
    );
    let by_host = write(&host, "Welcome <b>Ada</b>").await;
    let first = json!({ "id": early, "from": identity, "message": "Is this on?", "edited": false });
    until_shown(
        &browser,
        vec![
            first.clone(),
            json!({ "id": stream, "from": identity, "message": "Hello from a component", "edited": false }),
            // The host is not in LiveKit's room.
            json!({ "id": by_host, "message": "Welcome <b>Ada</b>", "edited": false }),
        ],
    )
    .await;

    let message = format!("{chat}/{}", stored["id"].as_str().expect("an id"));
    ada.ok(Method::PATCH, &message, json!({ "text": "Hello again" }))
        .await;
    host.ok(Method::DELETE, &format!("{chat}/{by_host}"), Value::Null)
        .await;
    until_shown(
        &browser,
        vec![
            first,
            json!({ "id": stream, "from": identity, "message": "Hello again", "edited": true }),
            json!({ "id": by_host, "message": "🗑", "edited": true }),
        ],
    )
    .await;
    let listed = host.ok(Method::GET, &chat, Value::Null).await;
    let texts: Vec<_> = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["text"])
        .collect();
    assert_eq!(
        texts,
        [&Value::Null, &json!("Hello again"), &json!("Is this on?")]
    );
    browser.finish();
}

async fn until_stored(host: &Person, chat: &str, text: &str) -> Value {
    timeout(PATIENCE, async {
        loop {
            let listed = host.ok(Method::GET, chat, Value::Null).await;
            let items = listed["items"].as_array().expect("a list");
            if let Some(item) = items.iter().find(|item| item["text"] == text) {
                return item.clone();
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("stored in time")
}

/// Until LiveKit's hook shows just these messages. In any order: what was passed on is new only when it arrives.
async fn until_shown(browser: &Client, mut expected: Vec<Value>) {
    expected.sort_by_key(|message| message["id"].to_string());
    let shown = || {
        let lines = browser.lines();
        let last = lines.iter().rfind(|line| line["hook"] == "useChat");
        let mut shown = last.map_or_else(Vec::new, |line| line["shown"].as_array().expect("a list").clone());
        shown.sort_by_key(|message| message["id"].to_string());
        shown
    };
    let waiting = async {
        while shown() != expected {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(PATIENCE, waiting).await.is_err() {
        panic!("shown: {:#?}\nexpected: {expected:#?}", shown());
    }
}
