//! A meeting through the service alone, as a front end would hold it: `lectern up`, a real LiveKit server, a real guest.

use std::{path::Path, time::Duration};

use reqwest::{Client as Http, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    AUSTEN, assert_captioned, finals,
    support::{Client, Lectern, PATIENCE, Server, database::new_database, free_port, repository, variable},
};

/// Somebody who calls the service.
pub(crate) struct Person {
    http: Http,
    pub(crate) base: String,
    token: Option<String>,
}

impl Person {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The status and the JSON (null where there is none) of a call.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = response.bytes().await.expect("a whole answer");
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    pub(crate) fn with(&self, token: &Value) -> Self {
        Self {
            http: self.http.clone(),
            base: self.base.clone(),
            token: token.as_str().map(str::to_owned),
        }
    }
}

/// The data of the first event of that kind.
async fn told(mut stream: Response, kind: &str) -> Value {
    let read = async {
        let mut text = String::new();
        loop {
            let event = text
                .split("\n\n")
                .find(|block| block.lines().any(|line| line == format!("event: {kind}")));
            let data = event.and_then(|block| block.lines().find_map(|line| line.strip_prefix("data: ")));
            if let Some(data) = data.and_then(|data| serde_json::from_str(data).ok()) {
                return data;
            }
            let chunk = stream.chunk().await.expect("a whole stream");
            text.push_str(&String::from_utf8_lossy(&chunk.expect("more")));
        }
    };
    timeout(PATIENCE, read).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn meeting_is_held_through_the_service_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (_lectern, nobody) = up(&server, folder.path());
    let host = registered(&nobody).await;
    let wanted = json!({ "title": "Austen", "settings": { "lobby": true, "pin": "4711" } });
    let room = host.ok(Method::POST, "/api/rooms", wanted).await;
    let path = format!("/api/rooms/{}", room["id"].as_str().expect("an id"));
    host.ok(Method::POST, &format!("{path}/start"), Value::Null).await;

    let join = async |pin: &str| {
        let body = json!({ "name": "Jane Austen", "pin": pin, "sessionFingerprint": "janes-browser" });
        nobody.call(Method::POST, &format!("{path}/join"), body).await
    };
    assert_eq!(join("0000").await.0, 403);
    let (status, waiting) = join("4711").await;
    assert_eq!(status, 202, "{waiting}");
    let guest = nobody.with(&waiting["guestToken"]);
    let stream = guest.request(Method::GET, &format!("{path}/lobby/stream"));
    let stream = stream.send().await.expect("an answer");
    let entry = waiting["lobbyEntryId"].as_str().expect("an id");
    host.ok(Method::POST, &format!("{path}/lobby/{entry}/admit"), Value::Null)
        .await;
    let admission = told(stream, "lobby.admitted").await;
    let identity = admission["identity"].as_str().expect("an identity");

    let token = admission["token"].as_str().expect("a token");
    let reading = guest.request(Method::GET, &format!("{path}/captions/stream"));
    let reading = reading.send().await.expect("an answer");
    let jane = Client::with_token(&server, token, &repository(AUSTEN), 4);
    let lines = jane.finish();
    assert_captioned(&lines, identity);
    assert_read_along(&guest, &path, &finals(&lines, "stream"), reading).await;
    assert_heard_out(&host, &guest, &path).await;
    assert_sent_out(&nobody, &host, &path).await;
    host.ok(Method::POST, &format!("{path}/end"), Value::Null).await;
    assert_eq!(join("4711").await.0, 409);

    let lecture = timeout(PATIENCE, async {
        loop {
            let listed = host.ok(Method::GET, "/api/lectures", Value::Null).await;
            if listed["items"][0]["stage"] == "rendered" {
                return listed["items"][0].clone();
            }
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("a lecture in time");
    assert_eq!(lecture["roomId"], room["id"]);
    let path = format!("/api/lectures/{}", lecture["id"].as_str().expect("an id"));
    let whole = guest.ok(Method::GET, &path, Value::Null).await;
    assert_eq!(
        whole["participantList"][0]["name"],
        json!("Jane Austen"),
        "{whole}"
    );
    assert_eq!(whole["chat"][0]["text"], json!("Which <b>chapter</b>?"));
    assert_eq!(whole["sharedFiles"][0]["name"], json!("Emma; part 1.txt"));
    let last = finals(&lines, "stream").pop().expect("a final").1;
    // Subtitles break lines and phrases where it suits them.
    let last = last.split_whitespace().last().expect("a word");
    for file in whole["files"].as_array().expect("a list") {
        let file = guest.request(Method::GET, file["url"].as_str().expect("a URL"));
        let response = file.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{file:?}", file = response.url());
        let bytes = response.bytes().await.expect("a whole file");
        let begins = |start: &[u8]| bytes.starts_with(start);
        let text = String::from_utf8_lossy(&bytes);
        // What is packed is read by tests of its own.
        assert!(begins(b"%PDF") || begins(b"PK") || text.contains(last), "{text}");
    }
    let found = host
        .ok(Method::GET, &format!("/api/lectures?q={last}"), Value::Null)
        .await;
    assert_eq!(found["items"][0]["id"], lecture["id"], "{found}");
    host.ok(Method::DELETE, &path, Value::Null).await;
    let found = host
        .ok(Method::GET, &format!("/api/lectures?q={last}"), Value::Null)
        .await;
    assert_eq!(found["items"], json!([]));
    assert_eq!(guest.call(Method::GET, &path, Value::Null).await.0, 404);
}

/// A guest writes, raises a hand and shares a file, and the host has it all.
async fn assert_heard_out(host: &Person, guest: &Person, path: &str) {
    let text = json!({ "text": "Which <b>chapter</b>?" });
    guest
        .ok(Method::POST, &format!("{path}/chat"), text.clone())
        .await;
    guest
        .ok(Method::POST, &format!("{path}/hand-raise"), Value::Null)
        .await;
    let name = "Emma%3B%20part%201.txt";
    let file = guest.request(Method::POST, &format!("{path}/files?name={name}"));
    let file = file
        .body("Emma Woodhouse, handsome, clever, and rich")
        .send()
        .await;
    assert_eq!(file.expect("an answer").status(), 201);
    let listed = async |what: &str| {
        let page = host.ok(Method::GET, &format!("{path}/{what}"), Value::Null).await;
        page["items"][0].clone()
    };
    assert_eq!(listed("chat").await["text"], text["text"]);
    assert_eq!(listed("hands").await["name"], json!("Jane Austen"));
    let file = host.request(Method::GET, listed("files").await["url"].as_str().expect("a URL"));
    let file = file.send().await.expect("an answer");
    let disposition = file.headers()["content-disposition"].to_str().expect("text");
    assert!(disposition.starts_with("attachment"), "{disposition}");
    let bytes = file.bytes().await.expect("a whole file");
    assert!(bytes.starts_with(b"Emma Woodhouse"));
}

/// Somebody is sent out, comes back, is banned, and can't come back under another name; then the room is closed at once.
async fn assert_sent_out(nobody: &Person, host: &Person, path: &str) {
    let moderate = async |action: &str, target: &Value| {
        let wanted = json!({ "action": action, "target": target });
        host.ok(Method::POST, &format!("{path}/moderate"), wanted).await;
    };
    let join = async |name: &str, browser: &str| {
        let body = json!({ "name": name, "pin": "4711", "sessionFingerprint": browser });
        nobody.call(Method::POST, &format!("{path}/join"), body).await
    };
    for action in ["kick", "ban"] {
        let (status, waiting) = join("Mallory", "mallorys-browser").await;
        assert_eq!(status, 202, "{waiting}");
        let entry = &waiting["lobbyEntryId"];
        let admit = format!("{path}/lobby/{}/admit", entry.as_str().expect("an id"));
        host.ok(Method::POST, &admit, Value::Null).await;
        moderate(action, entry).await;
    }
    let (status, refused) = join("Somebody else", "mallorys-browser").await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("BANNED")),
        "{refused}"
    );
    moderate("panic", &Value::Null).await;
    let (status, refused) = join("Late", "another-browser").await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("ROOM_LOCKED")),
        "{refused}"
    );
}

/// Who has no WebRTC reads what was shown as final in the room, no more and no less.
async fn assert_read_along(guest: &Person, path: &str, shown: &[(String, String)], reading: Response) {
    let first = told(reading, "captions.final").await;
    let page = guest
        .ok(Method::GET, &format!("{path}/captions"), Value::Null)
        .await;
    assert_eq!(page["items"][0], first);
    let items = page["items"].as_array().expect("a list");
    let read: Vec<_> = items
        .iter()
        .map(|item| (item["identity"].as_str(), item["text"].as_str()))
        .collect();
    let shown: Vec<_> = shown
        .iter()
        .map(|(identity, text)| (Some(identity.as_str()), Some(text.as_str())))
        .collect();
    assert_eq!(read, shown);
    assert_eq!(page["meeting"]["live"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn room_that_wants_no_captions_is_not_listened_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (lectern, nobody) = up(&server, folder.path());
    let host = registered(&nobody).await;
    let wanted = json!({ "title": "In private", "settings": { "captions": false } });
    let room = host.ok(Method::POST, "/api/rooms", wanted).await;
    let id = room["id"].as_str().expect("an id");
    host.ok(Method::POST, &format!("/api/rooms/{id}/start"), Value::Null)
        .await;
    lectern.wait_for_log(&format!("room {id} wants no captions"));
    host.ok(Method::POST, &format!("/api/rooms/{id}/end"), Value::Null)
        .await;
    assert!(!lectern.logged("listening in room"), "it went in all the same");
    let lectures = host.ok(Method::GET, "/api/lectures", Value::Null).await;
    assert_eq!(lectures["items"], json!([]));
}

/// Every path with thousands of odd bodies, parameters and headers, made of the OpenAPI document.
async fn odd_calls_find_no_fault_of_ours(database: Option<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let port = free_port().to_string();
    let mut settings = vec![
        ("PORT", port.as_str()),
        ("RATE_LIMIT_MAX", "1000000"),
        ("LECTERN_ADMIN_EMAIL", "admin@example.org"),
        ("LECTERN_ADMIN_PASSWORD", "correct horse battery"),
    ];
    settings.extend(database.as_deref().map(|url| ("DATABASE_URL", url)));
    let lectern = Lectern::start(&["service"], &server, &folder.path().join("data"), &settings);
    lectern.wait_for_log("serving on");
    let nobody = Person {
        http: Http::new(),
        base: format!("http://127.0.0.1:{port}"),
        token: None,
    };
    let login = json!({ "email": "admin@example.org", "password": "correct horse battery" });
    let login = nobody.ok(Method::POST, "/api/auth/login", login).await;
    let admin = nobody.with(&login["token"]);
    let wanted = json!({ "title": "Odd", "settings": { "lobby": true } });
    let room = admin.ok(Method::POST, "/api/rooms", wanted).await;
    let room = room["id"].as_str().expect("an id");
    let join = json!({ "name": "Bob", "sessionFingerprint": "bobs-browser" });
    let entry = nobody
        .ok(Method::POST, &format!("/api/rooms/{room}/join"), join)
        .await;
    let entry = entry["lobbyEntryId"].as_str().expect("an id");
    let config = folder.path().join("schemathesis.toml");
    let known = format!(
        "[parameters]\n\"path.roomId\" = \"{room}\"\n\"path.meetingId\" = \"{room}\"\n\"path.entryId\" = \"{entry}\"\n"
    );
    std::fs::write(&config, known).expect("written");
    let program = Path::new(&variable("LECTERN_PYTHON")).with_file_name("schemathesis");
    let output = tokio::process::Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args([
            "run",
            &format!("{}/api/openapi.json", admin.base),
            "--url",
            &admin.base,
        ])
        .args([
            "-H",
            &format!(
                "Authorization: Bearer {}",
                admin.token.as_deref().expect("logged in")
            ),
        ])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance",
        ])
        // What ends the session or the room would leave nothing to try.
        .args([
            "--exclude-path-regex",
            "stream|logout|auth/password",
            "--exclude-method",
            "DELETE",
        ])
        .args(["--max-examples", "20", "--seed", "1", "--request-timeout", "10"])
        .current_dir(folder.path())
        .output()
        .await
        .expect("schemathesis is installed: scripts/setup test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let tried: u32 = said
        .lines()
        .find_map(|line| line.trim().split_once(" generated")?.0.parse().ok())
        .expect("a number of calls");
    assert!(tried > 500, "only {tried} calls were made: {said}");
    assert!(!lectern.logged("ERROR"), "something went wrong on our side");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_calls_find_no_fault_of_ours_on_sqlite() {
    odd_calls_find_no_fault_of_ours(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_calls_find_no_fault_of_ours_on_postgres() {
    let database = new_database(&variable("TEST_DATABASE_URL"), "odd").await;
    odd_calls_find_no_fault_of_ours(Some(database)).await;
}

/// Everything in one process, and somebody who calls it without any proof.
pub(crate) fn up(server: &Server, folder: &Path) -> (Lectern, Person) {
    up_with(server, folder, &[])
}

/// The same, with settings of its own.
pub(crate) fn up_with(server: &Server, folder: &Path, settings: &[(&str, &str)]) -> (Lectern, Person) {
    let port = free_port().to_string();
    let settings = [settings, &[("PORT", port.as_str())]].concat();
    let lectern = Lectern::start(&["up"], server, &folder.join("data"), &settings);
    lectern.wait_for_log("registered");
    let nobody = Person {
        http: Http::new(),
        base: format!("http://127.0.0.1:{port}"),
        token: None,
    };
    (lectern, nobody)
}

/// A host of their own.
pub(crate) async fn registered(nobody: &Person) -> Person {
    let ada = json!({ "email": "ada@example.org", "name": "Ada", "password": "correct horse battery" });
    let ada = nobody.ok(Method::POST, "/api/auth/register", ada).await;
    nobody.with(&ada["token"])
}
