//! Recognisers that fail, each in its own way, in front of a worker in a real room.

use std::{fs, path::Path, thread};

use serde_json::Value;
use tokio::runtime::Handle;

use crate::{
    end_room, finals, pdf_text,
    support::{
        Client, Lectern, PATIENCE, Server,
        recogniser::{Behaviour, Engine, Recogniser},
        wait_for,
    },
    text, wait_for_pdf,
};

const SPEECH: &str = "fixtures/long/ada.wav";

/// All at once: some take twenty seconds to find out that nobody answers.
#[tokio::test(flavor = "multi_thread")]
async fn every_failure_is_told_and_nothing_is_lost_in_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::start().await;
    let mut recoveries = Vec::new();
    for (name, failure) in [
        ("busy", Behaviour::Refusing(429)),
        ("broken", Behaviour::Refusing(503)),
        ("babbling", Behaviour::Babbling),
        ("noisy", Behaviour::Noisy),
        ("silent", Behaviour::Silent),
    ] {
        recoveries.push((name, engine.behind(failure).await));
    }
    let mut refusals = Vec::new();
    for (name, status, remedy) in [
        ("keyless", 401, "check DEEPGRAM_API_KEY"),
        ("broke", 402, "has no credit left"),
        ("forbidden", 403, "check DEEPGRAM_API_KEY"),
    ] {
        refusals.push((name, engine.behind(Behaviour::Refusing(status)).await, remedy));
    }
    let runtime = Handle::current();
    thread::scope(|scope| {
        for (name, recogniser) in &recoveries {
            let (folder, runtime) = (folder.path().join(name), &runtime);
            scope.spawn(move || recovers(&folder, recogniser, runtime));
        }
        for (name, recogniser, remedy) in &refusals {
            let (folder, runtime) = (folder.path().join(name), &runtime);
            scope.spawn(move || is_refused(&folder, recogniser, remedy, runtime));
        }
    });
}

/// The room hears of the failure, and of its end; what was said meanwhile is captioned then.
fn recovers(folder: &Path, recogniser: &Recogniser, runtime: &Handle) {
    let mut meeting = Meeting::start(folder, recogniser);
    meeting.speaker.say(SPEECH);
    meeting.wait_for_health("interrupted");
    assert!(meeting.lectern.is_alive());
    assert!(finals(&meeting.speaker.lines(), "data").is_empty());

    recogniser.behave(Behaviour::Real);
    meeting.wait_for_health("listening");
    let said_before = || finals(&meeting.speaker.lines(), "data");
    wait_for("what was said before", PATIENCE, || !said_before().is_empty());
    meeting.speaker.say(SPEECH);
    let told = meeting.told();
    let Finished { transcript, .. } = meeting.finish(runtime);
    let segments = transcript["segments"].as_array().expect("segments");
    let words: usize = segments
        .iter()
        .map(|segment| text(&segment["text"]).split_whitespace().count())
        .sum();
    assert!(words >= 12, "of twice ten words {words} are kept: {transcript}");
    assert_eq!(transcript["gaps"], Value::Array(Vec::new()));
    assert_eq!(told, ["started", "interrupted", "listening"], "and nothing else");
}

/// The room hears of it, the operator what to do about it, and the transcript tells what is missing.
fn is_refused(folder: &Path, recogniser: &Recogniser, remedy: &str, runtime: &Handle) {
    let mut meeting = Meeting::start(folder, recogniser);
    meeting.speaker.say(SPEECH);
    meeting.wait_for_health("refused");
    assert!(meeting.lectern.is_alive());
    meeting.lectern.wait_for_log(remedy);
    let Finished { transcript, pdf } = meeting.finish(runtime);
    let gaps = transcript["gaps"].as_array().expect("gaps");
    assert_eq!(gaps.len(), 1, "{transcript}");
    assert_eq!(gaps[0]["identity"], "ada");
    assert_eq!(gaps[0]["reason"], "recogniser_refused");
    let length_ms = gaps[0]["endMs"]
        .as_u64()
        .zip(gaps[0]["startMs"].as_u64())
        .map(|(end, start)| end - start);
    assert!(length_ms >= Some(3_000), "{transcript}");
    assert!(pdf.contains("not recorded: recogniser refused access"), "{pdf}");
}

struct Meeting {
    server: Server,
    lectern: Lectern,
    speaker: Client,
}

struct Finished {
    transcript: Value,
    pdf: String,
}

impl Meeting {
    fn start(folder: &Path, recogniser: &Recogniser) -> Self {
        fs::create_dir(folder).expect("a folder of its own");
        let server = Server::start(folder);
        let lectern = Lectern::agent(
            &server,
            &folder.join("data"),
            &[("DEEPGRAM_URL", &recogniser.url)],
        );
        let speaker = Client::told(&server, "room", "ada", "Ada", &[]);
        lectern.wait_until_listening(1);
        Self {
            server,
            lectern,
            speaker,
        }
    }

    fn wait_for_health(&self, state: &str) {
        self.speaker.wait_for(state, |line| {
            line["form"] == "health"
                && line["attributes"]["state"] == state
                && !text(&line["attributes"]["message"]).is_empty()
        });
    }

    /// What the room was told of the recogniser's health.
    fn told(&self) -> Vec<String> {
        let lines = self.speaker.lines();
        let health = lines.iter().filter(|line| line["form"] == "health");
        health.map(|line| text(&line["attributes"]["state"])).collect()
    }

    fn finish(self, runtime: &Handle) -> Finished {
        runtime.block_on(end_room(&self.server, "room"));
        wait_for_pdf(&self.lectern, "room");
        let json = self.lectern.ask(&["transcript", "room", "--format", "json"]);
        Finished {
            transcript: serde_json::from_str(&json.expect("a transcript")).expect("JSON"),
            pdf: pdf_text(&self.lectern),
        }
    }
}
