//! A worker that is replaced while people speak.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    AUSTEN, end_room, finals,
    support::{Client, Lectern, PATIENCE, Server, repository},
    text, wait_for_pdf,
};

#[tokio::test(flavor = "multi_thread")]
async fn replaced_worker_leaves_once_another_hears_the_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let data = folder.path().join("data");
    let mut first = Lectern::agent(&server, &data, &[]);
    // Read once before the handover, and once after it.
    let client = Client::python(&server, "room", "jane", "Jane", &repository(AUSTEN), 4);
    client.wait_for("a caption", |line| line["form"] == "stream");
    let second = Lectern::agent(&server, &data, &[]);
    second.wait_for_log("registered");
    first.terminate();
    assert!(
        first.wait(PATIENCE).success(),
        "it may go on for half an hour, and need not: {}",
        first.log()
    );
    assert!(first.logged("another worker hears room room"), "{}", first.log());
    let before = finals(&client.lines(), "stream").len();
    let captioned = finals(&client.finish(), "stream");
    assert!(captioned.len() > before, "captions go on: {captioned:?}");
    end_room(&server, "room").await;
    wait_for_pdf(&second, "room");

    let transcript = second.ask(&["transcript", "room", "--format", "json"]);
    let transcript: Value = serde_json::from_str(&transcript.expect("a transcript")).expect("JSON");
    let segments = transcript["segments"].as_array().expect("segments");
    let runs: BTreeSet<String> = segments
        .iter()
        .filter_map(|segment| text(&segment["id"]).split('_').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(runs.len(), 2, "each worker recognised a part: {transcript:#}");
    assert_eq!(transcript["gaps"], Value::Array(Vec::new()));
    let meetings = second.ask(&["meetings"]).expect("a list");
    assert_eq!(meetings.lines().count(), 1, "{meetings}");
}
