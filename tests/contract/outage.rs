//! A database that goes away and comes back.

use serde_json::Value;

use crate::{
    end_room, finals,
    support::{Client, Lectern, PATIENCE, Server, database::cuttable_database, variable, wait_for},
    text, wait_for_pdf,
};

#[tokio::test(flavor = "multi_thread")]
async fn database_that_is_away_costs_no_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (wire, url) = cuttable_database(&variable("TEST_DATABASE_URL"), "outage").await;
    let settings = [("DATABASE_URL", url.as_str())];
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);

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
    assert_eq!(count(), before, "nothing is final before it is stored");
    wire.mend();
    wait_for("what was said meanwhile", PATIENCE, || count() > before);

    let lines = ada.finish();
    end_room(&server, "outage").await;
    wait_for_pdf(&lectern, "outage");
    let json = lectern.ask(&["transcript", "outage", "--format", "json"]);
    let transcript: Value = serde_json::from_str(&json.expect("a transcript")).expect("JSON");
    let segments = transcript["segments"].as_array().expect("segments");
    let said: Vec<String> = segments.iter().map(|segment| text(&segment["text"])).collect();
    let shown: Vec<String> = finals(&lines, "data").into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, shown);
    let words = said.join(" ").split_whitespace().count();
    assert!(words >= 16, "of 20 words {words} are kept: {said:?}");
    assert_eq!(transcript["gaps"], Value::Array(Vec::new()));
}
