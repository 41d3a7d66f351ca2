//! Who is not listened to: whoever opted out, and whoever can't be understood.

use std::thread;

use serde_json::{Value, json};

use crate::{
    end_room, finals,
    support::{Client, Lectern, PATIENCE, Server, free_port, wait_for},
    text, wait_for_pdf,
};

#[tokio::test(flavor = "multi_thread")]
async fn who_opts_out_is_not_heard_until_it_opts_in_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let port = free_port();
    let settings = [("LECTERN_AGENT_HEALTH", "true"), ("PORT", &port.to_string())];
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);
    let heard_ms = || lectern.metric(port, "lectern_audio_received_ms_total");
    let ada = Client::told(&server, "consent", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    let count = || finals(&ada.lines(), "data").len();
    ada.say("fixtures/long/ada.wav");
    wait_for("a final", PATIENCE, || count() > 0);

    ada.set_attributes(&json!({"lectern.captions": "off"}));
    lectern.wait_for_log("no longer listening to track");
    let (before, heard_before) = (count(), heard_ms());
    ada.say("fixtures/late_joiner/ben.wav");
    assert_eq!(heard_ms(), heard_before, "audio came from somebody who opted out");
    assert_eq!(count(), before);

    ada.set_attributes(&json!({"lectern.captions": ""}));
    lectern.wait_until_listening(2);
    ada.say("fixtures/long/cy.wav");
    wait_for("captions again", PATIENCE, || count() > before);
    let lines = ada.finish();
    assert!(
        lines
            .iter()
            .all(|line| !text(&line["identity"]).starts_with("agent-")),
        "nobody sees a hidden agent"
    );

    end_room(&server, "consent").await;
    wait_for_pdf(&lectern, "consent");
    let transcript = transcript(&lectern, "consent");
    assert_eq!(
        transcript["segments"].as_array().map(Vec::len),
        Some(finals(&lines, "data").len())
    );
    assert_eq!(
        transcript["gaps"],
        json!([]),
        "what nobody may hear is not missing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_speaker_is_told_so_and_others_are_captioned() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let ben = Client::told(&server, "secret", "ben", "Ben", &[]);
    let ada = Client::told(
        &server,
        "secret",
        "ada",
        "Ada",
        &["--encrypt", "a key of their own"],
    );
    lectern.wait_until_listening(1);
    thread::scope(|scope| {
        scope.spawn(|| ada.say("fixtures/long/ada.wav"));
        scope.spawn(|| ben.say("fixtures/late_joiner/ben.wav"));
    });
    ben.wait_for("Ben's words", |line| {
        line["form"] == "data" && line["final"] == true
    });
    let tells_trouble = |line: &Value| line["form"] == "health" && line["attributes"]["state"] != "started";
    ben.wait_for("health", tells_trouble);
    let lines = ben.finish();
    let health: Vec<&Value> = lines.iter().filter(|line| tells_trouble(line)).collect();
    assert_eq!(health.len(), 1, "{health:?}");
    let told = &health[0]["attributes"];
    assert_eq!(told["state"], "encrypted");
    assert!(text(&told["message"]).contains("end-to-end encrypted"), "{told}");
    assert!(
        finals(&lines, "stream")
            .iter()
            .all(|(speaker, _)| speaker == "ben")
    );
    assert_eq!(
        lectern
            .log()
            .matches("is encrypted and can't be captioned")
            .count(),
        1
    );
    drop(ada);

    end_room(&server, "secret").await;
    wait_for_pdf(&lectern, "secret");
    let segments = transcript(&lectern, "secret")["segments"].clone();
    let segments = segments.as_array().expect("segments");
    assert!(
        !segments.is_empty() && segments.iter().all(|segment| segment["identity"] == "ben"),
        "{segments:?}"
    );
}

fn transcript(lectern: &Lectern, room: &str) -> Value {
    let json = lectern
        .ask(&["transcript", room, "--format", "json"])
        .expect("a transcript");
    serde_json::from_str(&json).expect("JSON")
}
