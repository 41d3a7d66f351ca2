//! Workers that go while nobody recognises what they hear.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    end_room,
    support::{
        Client, Lectern, PATIENCE, Server,
        recogniser::{Behaviour, Engine, Recogniser},
        wait_for,
    },
    text, wait_for_pdf,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_heard_is_recognised_after_the_room_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::start().await;
    let recogniser = engine.behind(Behaviour::Refusing(503)).await;
    let server = Server::start(folder.path());
    let (mut killed, _ada) = hear_in_an_outage(&server, folder.path(), &recogniser, &[]);
    killed.crash();
    end_room(&server, "room").await;

    let next = agent(&server, folder.path(), &recogniser, &[]);
    wait_for("the end of the meeting", PATIENCE, || next.logged("is over"));
    assert!(words_of(&next).is_empty(), "the recogniser is still away");
    recogniser.behave(Behaviour::Real);
    next.wait_for_log("that a dead worker had heard");
    wait_for_pdf(&next, "room");
    is_whole(&next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_leaves_what_it_heard_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::start().await;
    let recogniser = engine.behind(Behaviour::Refusing(503)).await;
    let server = Server::start(folder.path());
    let at_once = [("LECTERN_DRAIN_SECONDS", "0")];
    let (mut stopped, _ada) = hear_in_an_outage(&server, folder.path(), &recogniser, &at_once);
    stopped.terminate();
    assert!(stopped.wait(PATIENCE).success());

    let next = agent(&server, folder.path(), &recogniser, &[]);
    recogniser.behave(Behaviour::Real);
    wait_for("what was said before", PATIENCE, || !words_of(&next).is_empty());
    next.wait_for_log("that a dead worker had heard");
    end_room(&server, "room").await;
    wait_for_pdf(&next, "room");
    is_whole(&next);
}

/// A worker that hears somebody and can't have it recognised.
fn hear_in_an_outage(
    server: &Server,
    folder: &Path,
    recogniser: &Recogniser,
    settings: &[(&str, &str)],
) -> (Lectern, Client) {
    let lectern = agent(server, folder, recogniser, settings);
    let ada = Client::told(server, "room", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    ada.say("fixtures/long/ada.wav");
    // What was said in the last moments is under way to the disk.
    std::thread::sleep(Duration::from_millis(500));
    assert!(!logs(&lectern).is_empty(), "what is heard is on disk");
    (lectern, ada)
}

fn agent(server: &Server, folder: &Path, recogniser: &Recogniser, settings: &[(&str, &str)]) -> Lectern {
    let url = [("DEEPGRAM_URL", recogniser.url.as_str())];
    Lectern::agent(server, &folder.join("data"), &[&url, settings].concat())
}

/// All that was said is in the transcript, and nowhere else.
fn is_whole(lectern: &Lectern) {
    let words = words_of(lectern);
    assert!((6..=11).contains(&words.len()), "of ten words: {words:?}");
    assert_eq!(transcript(lectern)["gaps"], Value::Array(Vec::new()));
    wait_for("the logs to go", PATIENCE, || logs(lectern).is_empty());
}

fn words_of(lectern: &Lectern) -> Vec<String> {
    let transcript = transcript(lectern);
    let segments = transcript["segments"].as_array().expect("segments");
    let texts: Vec<String> = segments.iter().map(|segment| text(&segment["text"])).collect();
    texts.join(" ").split_whitespace().map(str::to_owned).collect()
}

fn transcript(lectern: &Lectern) -> Value {
    let json = lectern.ask(&["transcript", "room", "--format", "json"]);
    serde_json::from_str(&json.expect("a transcript")).expect("JSON")
}

/// Bytes of speech on disk.
fn logs(lectern: &Lectern) -> Vec<u64> {
    let entries = fs::read_dir(lectern.data.join("speech")).into_iter().flatten();
    let lengths = entries.map(|entry| {
        entry
            .and_then(|entry| entry.metadata())
            .map_or(0, |file| file.len())
    });
    lengths.filter(|length| *length > 0).collect()
}
