//! Somebody who comes late is sent what was said before.

use serde_json::Value;

use crate::{
    finals,
    support::{Client, Lectern, Server},
    text,
};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_is_sent_what_was_said_and_nobody_else_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let ada = Client::told(&server, "room", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    ada.say("fixtures/long/ada.wav");
    ada.wait_for("a final", |line| line["form"] == "data" && line["final"] == true);

    let ben = Client::told(&server, "room", "ben", "Ben", &[]);
    ben.wait_for("the history", |line| {
        line["form"] == "history" && line["attributes"]["more"] == false
    });
    let lines = ben.lines();
    let packet = lines
        .iter()
        .find(|line| line["form"] == "history")
        .expect("just seen");
    assert_eq!(packet["sender"], Value::Null, "people could forge it: {packet}");
    let told = packet["attributes"]["captions"].as_array().expect("captions");
    let told: Vec<(String, String)> = told
        .iter()
        .map(|caption| (text(&caption["identity"]), text(&caption["text"])))
        .collect();
    let shown = finals(&ada.lines(), "data");
    assert!(
        !told.is_empty() && shown.starts_with(&told),
        "{told:?} of {shown:?}"
    );
    assert!(
        ada.finish().iter().all(|line| line["form"] != "history"),
        "she was there all the time"
    );
}
