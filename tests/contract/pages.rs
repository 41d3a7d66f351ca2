//! The pages in a real Chromium: made an administrator, rooms and lectures with them, and looked at by axe.

use std::{path::Path, process::Output, thread, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{
    service::{Person, registered, up_with},
    support::{Client, PATIENCE, Server, repository, variable},
    text,
};

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_used_by_everybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (lectern, nobody) = up_with(&server, folder.path(), &[("RATE_LIMIT_MAX", "1000000")]);
    lectern.wait_for_log("/setup#");
    let log = lectern.log();
    let link = log.lines().find(|line| line.contains("/setup#")).expect("a link");
    let host = registered(&nobody).await;
    let lecture = held_lecture(&server, &nobody, &host).await;
    let given = json!({
        "email": "ada@example.org",
        "password": "correct horse battery",
        "setup": link.trim(),
        "room": ROOM,
        "lecture": lecture["id"],
        "title": lecture["title"],
        "said": long_word(&host, &lecture).await,
    });
    let mut script = Command::new("node");
    script
        .arg(repository("tests/browser/pages.mjs"))
        .arg(given.to_string())
        .env("BASE", &nobody.base)
        .env("CHROMIUM", variable("CHROMIUM"));
    // Pictures of each page in three sizes, for who wants to look at them.
    if let Ok(pictures) = std::env::var("LECTERN_PICTURES") {
        script.arg(pictures);
    }
    assert_done(
        &script
            .output()
            .await
            .expect("Node.js is installed: scripts/setup test"),
    );
}

#[tokio::test]
async fn units_of_the_pages_do_what_they_should() {
    let tests = Command::new("npm")
        .arg("test")
        .current_dir(repository("web"))
        .output()
        .await;
    let output = tests.expect("npm is installed: scripts/setup test");
    assert_done(&output);
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = said
        .lines()
        .find_map(|line| line.strip_prefix("# pass ")?.parse().ok());
    assert!(passed.unwrap_or(0) > 20, "hardly any test was found: {said}");
}

/// Two people spoke in a room of the host's, and its end has been reached.
async fn held_lecture(server: &Server, nobody: &Person, host: &Person) -> Value {
    let room = host
        .ok(Method::POST, "/api/rooms", json!({ "title": ROOM }))
        .await;
    let path = format!("/api/rooms/{}", text(&room["id"]));
    host.ok(Method::POST, &format!("{path}/start"), Value::Null).await;
    let mut tokens = Vec::new();
    for name in ["Jane Austen", "Ben Okri"] {
        let browser = format!("{}-browser", name.replace(' ', "-"));
        let join = json!({ "name": name, "sessionFingerprint": browser });
        let admission = nobody.ok(Method::POST, &format!("{path}/join"), join).await;
        let message = json!({ "text": format!("{name} is here") });
        let guest = nobody.with(&admission["guestToken"]);
        guest.ok(Method::POST, &format!("{path}/chat"), message).await;
        tokens.push(text(&admission["token"]));
    }
    thread::scope(|scope| {
        for (token, speech) in tokens.iter().zip(["late_joiner/ada.wav", "long/ben.wav"]) {
            let speech = repository(&format!("fixtures/{speech}"));
            scope.spawn(move || Client::with_token(server, token, Path::new(&speech), 4).finish());
        }
    });
    host.ok(Method::POST, &format!("{path}/end"), Value::Null).await;
    let rendered = async {
        loop {
            let listed = host.ok(Method::GET, "/api/lectures", Value::Null).await;
            if listed["items"][0]["stage"] == "rendered" {
                return listed["items"][0].clone();
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, rendered).await.expect("a lecture in time")
}

/// A word of the transcript that can be looked for.
async fn long_word(host: &Person, lecture: &Value) -> String {
    let path = format!("/api/lectures/{}/segments", text(&lecture["id"]));
    let segments = host.ok(Method::GET, &path, Value::Null).await;
    let said = text(&segments["items"][0]["text"]);
    let longest = said.split_whitespace().max_by_key(|word| word.len());
    longest.expect("words were heard").to_owned()
}

fn assert_done(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{problems}");
}

const ROOM: &str = "Clocks";
