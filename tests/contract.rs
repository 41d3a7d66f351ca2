//! The worker against a real LiveKit server, with real clients of other makes.

#[path = "contract/chat.rs"]
mod chat;
#[path = "contract/components.rs"]
mod components;
#[path = "contract/consent.rs"]
mod consent;
#[path = "contract/docx.rs"]
mod docx;
#[path = "contract/failing_recogniser.rs"]
mod failing_recogniser;
#[path = "contract/failover.rs"]
mod failover;
#[path = "contract/handover.rs"]
mod handover;
#[path = "contract/history.rs"]
mod history;
#[path = "contract/meeting.rs"]
mod meeting;
#[path = "contract/outage.rs"]
mod outage;
#[path = "contract/pages.rs"]
mod pages;
#[path = "contract/relay.rs"]
mod relay;
#[path = "contract/restart.rs"]
mod restart;
#[path = "contract/service.rs"]
mod service;
#[path = "contract/speech_log.rs"]
mod speech_log;
#[path = "contract/subtitles.rs"]
mod subtitles;
mod support;
#[path = "contract/tone.rs"]
mod tone;
#[path = "contract/trust.rs"]
mod trust;
#[path = "contract/upload.rs"]
mod upload;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use lectern_pipelines::RoomName;
use serde_json::Value;

use support::{Client, Lectern, PATIENCE, Server, ask, repository, variable, wait_for};

const AUSTEN: &str = "fixtures/austen/austen.wav";

/// Finals of one wire form, as (whose, text).
fn finals(lines: &[Value], form: &str) -> Vec<(String, String)> {
    lines
        .iter()
        .filter(|line| line["form"] == form && line["final"] == true && line["text"] != "")
        .map(|line| (text(&line["participantIdentity"]), text(&line["text"])))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Every form shows the same finals, each once, under the speaker's name, and as interims before.
fn assert_captioned(lines: &[Value], identity: &str) {
    let streams = finals(lines, "stream");
    let words: usize = streams
        .iter()
        .map(|(_, text)| text.split_whitespace().count())
        .sum();
    assert!(words >= 40, "of 67 words {words} were shown: {streams:?}");
    assert!(
        streams.iter().all(|(speaker, _)| speaker == identity),
        "{streams:?}"
    );
    assert_eq!(
        streams,
        finals(lines, "transcription"),
        "the older packets show something else"
    );
    assert_eq!(
        streams,
        finals(lines, "data"),
        "the data packets show something else"
    );
    for form in ["stream", "transcription", "data"] {
        let ids: Vec<&Value> = lines
            .iter()
            .filter(|line| line["form"] == form && line["final"] == true)
            .map(|line| &line["segmentId"])
            .collect();
        let mut unique = ids.clone();
        unique.sort_by_key(|id| id.to_string());
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{form}: a segment was final twice");
        // One that waits gives way to its final, so not each is shown before; and none comes after it.
        let is_interim = |line: &&Value| line["form"] == form && line["final"] == false;
        assert!(
            lines
                .iter()
                .filter(is_interim)
                .any(|line| ids.contains(&&line["segmentId"])),
            "{form}: no final was an interim before"
        );
        for id in ids {
            let last = lines
                .iter()
                .rfind(|line| line["form"] == form && &line["segmentId"] == id);
            assert_eq!(
                last.map(|line| &line["final"]),
                Some(&Value::Bool(true)),
                "{form}: {id} was interim again"
            );
        }
    }
}

async fn end_room(server: &Server, room: &str) {
    let room = RoomName::parse(room).expect("a good name");
    lectern_agent::delete_room(&server.livekit, &room)
        .await
        .expect("LiveKit deletes rooms");
}

fn wait_for_pdf(lectern: &Lectern, room: &str) -> Vec<u8> {
    let pdf = lectern.data.join("fetched.pdf");
    let path = pdf.to_string_lossy().into_owned();
    wait_for("the PDF", PATIENCE, || {
        lectern.ask(&["artifact", room, "-o", &path]).is_ok()
    });
    fs::read(pdf).expect("it was fetched")
}

fn pdf_text(lectern: &Lectern) -> String {
    let output = Command::new("pdftotext")
        .arg(lectern.data.join("fetched.pdf"))
        .arg("-")
        .output();
    String::from_utf8(output.expect("pdftotext is installed: scripts/setup test").stdout).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn python_client_is_captioned_and_its_lecture_becomes_a_pdf() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let client = Client::python(&server, "python", "jane", "Jane Austen", &repository(AUSTEN), 4);
    let lines = client.finish();
    assert_captioned(&lines, "jane");
    end_room(&server, "python").await;
    let ended = Instant::now();
    let pdf = wait_for_pdf(&lectern, "python");
    println!("PDF {} ms after the room's end", ended.elapsed().as_millis());
    assert!(pdf.starts_with(b"%PDF"));
    let transcript = lectern
        .ask(&["transcript", "python", "--format", "txt"])
        .expect("a transcript");
    let last = finals(&lines, "stream").pop().expect("a final").1;
    assert!(
        transcript.contains("Jane Austen") && transcript.contains(&last),
        "{transcript}"
    );
    assert!(pdf_text(&lectern).contains("Jane Austen"));
    assert!(!lectern.log().contains(&last), "what people say is in no log");
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_is_captioned() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let _lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let client = Client::browser(&server, "browser", "jane", "Jane Austen", &repository(AUSTEN), 34);
    assert_captioned(&client.finish(), "jane");
}

#[tokio::test(flavor = "multi_thread")]
async fn room_that_was_there_before_the_worker_is_captioned() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let client = Client::python(&server, "early", "jane", "Jane", &repository(AUSTEN), 4);
    client.wait_for("the speaker", |line| line["event"] == "joined");
    let _lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let started = Instant::now();
    client.wait_for("a caption", |line| line["form"] == "stream");
    println!(
        "first caption {} ms after registration",
        started.elapsed().as_millis()
    );
    assert!(!finals(&client.finish(), "stream").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_speakers_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let speech = |name: &str| repository(&format!("fixtures/two_speakers/{name}.wav"));
    let ada = Client::python(&server, "pair", "ada", "Ada", &speech("ada"), 4);
    let ben = Client::python(&server, "pair", "ben", "Ben", &speech("ben"), 4);
    for lines in [ada.finish(), ben.finish()] {
        let speakers: Vec<String> = finals(&lines, "stream")
            .into_iter()
            .map(|(speaker, _)| speaker)
            .collect();
        assert!(
            speakers.iter().any(|name| name == "ada") && speakers.iter().any(|name| name == "ben"),
            "{speakers:?}"
        );
    }
    end_room(&server, "pair").await;
    wait_for_pdf(&lectern, "pair");
    let json = lectern
        .ask(&["transcript", "pair", "--format", "json"])
        .expect("a transcript");
    let transcript: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        transcript["participants"].as_array().map(Vec::len),
        Some(2),
        "{json}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_finishes_the_room_and_exits_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let data = folder.path().join("data");
    let mut lectern = Lectern::agent(&server, &data, &[]);
    let client = Client::python(&server, "drain", "jane", "Jane", &repository(AUSTEN), 4);
    client.wait_for("a caption", |line| line["form"] == "stream");
    lectern.terminate();
    // A room that begins now is not taken any more.
    let other = Client::python(
        &server,
        "refused",
        "joe",
        "Joe",
        &repository("fixtures/late_joiner/ben.wav"),
        1,
    );
    assert_captioned(&client.finish(), "jane");
    assert!(finals(&other.finish(), "stream").is_empty());
    end_room(&server, "drain").await;
    assert!(lectern.wait(PATIENCE).success(), "{}", lectern.log());
    let transcript = ask(&data, &["transcript", "drain"]).expect("a transcript");
    assert!(transcript.split_whitespace().count() > 40, "{transcript}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_worker_is_followed_by_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let data = folder.path().join("data");
    let mut first = Lectern::agent(&server, &data, &[]);
    let client = Client::python(&server, "crash", "jane", "Jane", &repository(AUSTEN), 6);
    client.wait_for("a caption", |line| line["form"] == "stream");
    first.crash();
    let second = Lectern::agent(&server, &data, &[]);
    let crashed = Instant::now();
    let before = client.lines().len();
    wait_for("captions again", PATIENCE, || {
        client.lines()[before..]
            .iter()
            .any(|line| line["form"] == "stream")
    });
    client.wait_for("word of the interruption", |line| {
        line["form"] == "health"
            && line["attributes"]["state"] == "resumed"
            && line["attributes"]["speechMs"].as_u64() >= Some(1_000)
    });
    println!(
        "captions again {} ms after the successor registered",
        crashed.elapsed().as_millis()
    );
    client.finish();
    end_room(&server, "crash").await;
    wait_for_pdf(&second, "crash");
    let meetings = second.ask(&["meetings"]).expect("a list");
    assert_eq!(
        meetings.lines().count(),
        1,
        "both workers' words belong to one meeting: {meetings}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_s3_hold_a_meeting() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let settings: Vec<(String, String)> = [
        "S3_ENDPOINT",
        "S3_BUCKET",
        "S3_REGION",
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
        "S3_PATH_STYLE",
    ]
    .iter()
    .map(|name| ((*name).to_owned(), variable(name)))
    .chain([("DATABASE_URL".to_owned(), variable("TEST_DATABASE_URL"))])
    .collect();
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let room = format!("postgres-{}", std::process::id());
    let _lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);
    let client = Client::python(
        &server,
        &room,
        "jane",
        "Jane",
        &repository("fixtures/late_joiner/ben.wav"),
        4,
    );
    assert!(!finals(&client.finish(), "stream").is_empty());
    end_room(&server, &room).await;
    let pdf = folder.path().join("s3.pdf");
    let fetch = || {
        Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(["artifact", &room, "-o"])
            .arg(&pdf)
            .env_clear()
            .envs(settings.iter().copied())
            .output()
            .expect("the binary runs")
    };
    wait_for("the PDF from S3", PATIENCE, || fetch().status.success());
    assert!(fs::read(&pdf).expect("fetched").starts_with(b"%PDF"));
    assert!(
        !folder.path().join("data/objects").exists(),
        "artifacts went to a folder"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_key_and_missing_server_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    server.livekit.api_secret = "another-secret-another-secret-another".into();
    let lectern = Lectern::start(&["agent"], &server, folder.path(), &[]);
    lectern.wait_for_log("LIVEKIT_API_SECRET");
    drop(lectern);
    server.livekit.url = format!("ws://127.0.0.1:{}", support::free_port());
    let lectern = Lectern::start(&["agent"], &server, folder.path(), &[]);
    lectern.wait_for_log("LIVEKIT_URL");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!lectern.logged("registered"));
}
