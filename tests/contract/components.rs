//! LiveKit's own React components as caption readers, unchanged.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use serde_json::Value;

use crate::{
    finals,
    support::{
        Client, Lectern, PATIENCE, Server,
        recogniser::{Behaviour, Engine, GHOST},
        wait_for,
    },
    text,
};

const HOOKS: [&str; 2] = ["useTranscriptions", "useTrackTranscription"];

#[tokio::test(flavor = "multi_thread")]
async fn react_components_show_captions_and_find_a_visible_agent() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let engine = Engine::start().await;
    let recogniser = engine.behind(Behaviour::Real).await;
    let settings = [
        ("DEEPGRAM_URL", recogniser.url.as_str()),
        ("LECTERN_VISIBILITY", "visible"),
    ];
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);
    let front_end = Client::components(&server, "react", "reader", "Reader");
    let ada = Client::told(&server, "react", "ada", "Ada", &[]);
    let ben = Client::told(&server, "react", "ben", "Ben", &[]);
    lectern.wait_until_listening(2);
    thread::scope(|scope| {
        scope.spawn(|| ada.say("fixtures/long/ada.wav"));
        scope.spawn(|| ben.say("fixtures/late_joiner/ben.wav"));
    });
    for hook in HOOKS {
        wait_for(&format!("both speakers' words by {hook}"), PATIENCE, || {
            let shown = shown(&front_end.lines(), hook);
            let has_words = |identity| shown.iter().any(|caption| caption.0 == identity && caption.2);
            has_words("ada") && has_words("ben") && shown.iter().all(|caption| caption.2)
        });
    }

    recogniser.behave(Behaviour::Withdrawing);
    let cy = Client::told(&server, "react", "cy", "Cy", &[]);
    lectern.wait_until_listening(3);
    cy.say("fixtures/long/cy.wav");
    for hook in HOOKS {
        wait_for(&format!("no word of Cy's by {hook}"), PATIENCE, || {
            let lines = front_end.lines();
            let showed_ghost = snapshots(&lines, hook)
                .any(|captions| captions.iter().any(|caption| caption["text"] == GHOST));
            showed_ghost && shown(&lines, hook).iter().all(|caption| caption.0 != "cy")
        });
    }

    let lines = front_end.finish();
    let mut expected = finals(&ada.finish(), "stream");
    expected.sort();
    for hook in HOOKS {
        assert_were_interim(&lines, hook);
        let mut shown: Vec<(String, String)> = shown(&lines, hook)
            .into_iter()
            .map(|(identity, text, _)| (identity, text))
            .collect();
        shown.sort();
        assert_eq!(shown, expected, "{hook} shows something else than what was said");
    }
    assert_finds_assistant(&lines);
    assert_state_goes_forward(&ben.finish());
}

/// What a hook of the page had to show, time after time: all of it, or all of one track's.
fn snapshots<'a>(lines: &'a [Value], hook: &'a str) -> impl Iterator<Item = &'a Vec<Value>> {
    lines
        .iter()
        .filter(move |line| line["form"] == "shown" && line["hook"] == hook)
        .filter_map(|line| line["shown"].as_array())
}

/// The captions that a hook shows at last, as (whose, text, whether final). One without words is none to see.
fn shown(lines: &[Value], hook: &str) -> Vec<(String, String, bool)> {
    let mut tracks: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for captions in snapshots(lines, hook) {
        let mut now: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for caption in captions {
            now.entry(text(&caption["trackSid"]))
                .or_default()
                .push(caption.clone());
        }
        tracks.extend(now);
    }
    tracks
        .into_values()
        .flatten()
        .filter(|caption| caption["text"] != "")
        .map(|caption| {
            let is_final = caption["final"] == true;
            (
                text(&caption["participantIdentity"]),
                text(&caption["text"]),
                is_final,
            )
        })
        .collect()
}

/// Captions are shown before they are final, as a rule: one that waits gives way to its final.
fn assert_were_interim(lines: &[Value], hook: &str) {
    let all: Vec<&Value> = snapshots(lines, hook).flatten().collect();
    let is = |is_final: bool| {
        let some = all.iter().filter(|caption| caption["final"] == is_final);
        some.map(|caption| text(&caption["segmentId"]))
            .collect::<BTreeSet<String>>()
    };
    assert!(
        !is(false).is_disjoint(&is(true)),
        "{hook}: no final was an interim before"
    );
}

fn assert_finds_assistant(lines: &[Value]) {
    let found = lines
        .iter()
        .rfind(|line| line["hook"] == "useVoiceAssistant" && !line["shown"]["identity"].is_null());
    let found = &found.expect("useVoiceAssistant finds the agent")["shown"];
    assert!(text(&found["identity"]).starts_with("agent-"), "{found}");
    assert_eq!(
        (
            &found["name"],
            &found["state"],
            &found["attributes"]["lk.agent.name"]
        ),
        (&"Lectern".into(), &"listening".into(), &"lectern".into())
    );
}

/// Others see the agent prepare itself, then listen.
fn assert_state_goes_forward(lines: &[Value]) {
    let mut states: Vec<String> = lines
        .iter()
        .filter(|line| line["event"] == "seen" && text(&line["identity"]).starts_with("agent-"))
        .map(|line| text(&line["attributes"]["lk.agent.state"]))
        .collect();
    states.dedup();
    assert!(
        ["initializing,listening", "listening"].contains(&states.join(",").as_str()),
        "{states:?}"
    );
}
