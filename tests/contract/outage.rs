//! A database that goes away and comes back.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::{
    end_room, finals,
    support::{
        Client, Lectern, PATIENCE, Server, database::cuttable_database, free_port, variable, wait_for,
    },
    text, wait_for_pdf,
};

/// With nowhere else to keep what is said: captions go on, and nothing is final before it is stored.
#[tokio::test(flavor = "multi_thread")]
async fn database_that_is_away_costs_no_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (wire, url) = cuttable_database(&variable("TEST_DATABASE_URL"), "outage").await;
    let (data, port) = (folder.path().join("data"), free_port());
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("waiting"), "in the way of the log").expect("written");
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("LECTERN_AGENT_HEALTH", "true"),
        ("PORT", &port.to_string()),
    ];
    let lectern = Lectern::agent(&server, &data, &settings);
    let log_is_failing = || lectern.metric(port, "lectern_word_log_failing") == 1.0;

    // Away before anybody comes, until all is said.
    wire.cut();
    let ada = Client::told(&server, "outage", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    let count = || finals(&ada.lines(), "data").len();
    ada.say("fixtures/long/ada.wav");
    assert_eq!(count(), 0, "nothing is final before it is stored");
    wire.mend();
    wait_for("what was said before", PATIENCE, || count() > 0);
    let before = count();

    // Away in the middle of it.
    wire.cut();
    ada.say("fixtures/late_joiner/ben.wav");
    ada.wait_for("an interim", |line| {
        line["form"] == "data" && text(&line["text"]).contains("crystals")
    });
    wait_for("word of the log", PATIENCE, log_is_failing);
    assert_eq!(count(), before, "nothing is final before it is stored");
    wire.mend();
    wait_for("what was said meanwhile", PATIENCE, || count() > before);
    wait_for("the end of it", PATIENCE, || !log_is_failing());
    assert_eq!(lectern.log().matches("in memory alone").count(), 1, "told once");

    let lines = ada.finish();
    end_room(&server, "outage").await;
    let transcript = transcript(&lectern, "outage");
    assert_eq!(said(&transcript), shown(&lines));
    assert_eq!(transcript["gaps"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_worker_that_dies_without_its_database_are_final_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (wire, url) = cuttable_database(&variable("TEST_DATABASE_URL"), "killed").await;
    let data = folder.path().join("data");
    let settings = [("DATABASE_URL", url.as_str())];
    let mut first = Lectern::agent(&server, &data, &settings);
    let ada = Client::told(&server, "killed", "ada", "Ada", &[]);
    first.wait_until_listening(1);
    let count = || finals(&ada.lines(), "data").len();
    ada.say("fixtures/long/ada.wav");
    wait_for("what was said before", PATIENCE, || count() > 0);
    let before = count();

    wire.cut();
    ada.say("fixtures/late_joiner/ben.wav");
    wait_for("what is said meanwhile, as final", PATIENCE, || count() > before);
    let logs = || fs::read_dir(data.join("waiting")).expect("a folder");
    let log = logs().next().expect("a log").expect("readable");
    let mode = log.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what was said is for nobody else");
    first.crash();
    let lines = ada.lines();
    wire.mend();

    let second = Lectern::agent(&server, &data, &settings);
    second.wait_until_listening(1);
    drop(ada);
    end_room(&server, "killed").await;
    let transcript = transcript(&second, "killed");
    assert_eq!(said(&transcript), shown(&lines));
    wait_for("an empty folder", PATIENCE, || logs().count() == 0);
}

fn transcript(lectern: &Lectern, room: &str) -> Value {
    wait_for_pdf(lectern, room);
    let json = lectern.ask(&["transcript", room, "--format", "json"]);
    serde_json::from_str(&json.expect("a transcript")).expect("JSON")
}

/// What it says, of twenty words in two utterances.
fn said(transcript: &Value) -> Vec<String> {
    let segments = transcript["segments"].as_array().expect("segments");
    let said: Vec<String> = segments.iter().map(|segment| text(&segment["text"])).collect();
    let words = said.join(" ").split_whitespace().count();
    assert!(words >= 16, "of 20 words {words} are kept: {said:?}");
    said
}

fn shown(lines: &[Value]) -> Vec<String> {
    finals(lines, "data").into_iter().map(|(_, text)| text).collect()
}
