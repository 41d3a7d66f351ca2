//! A whole meeting in real browsers, on the pages that are built in: tests/browser/meeting.mjs is who meets.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use crate::{
    AUSTEN,
    support::{
        Lectern, Server, free_port,
        recogniser::{Behaviour, Engine, Recogniser},
        repository, variable,
        wire::Wire,
    },
};

/// `LECTERN_SCREENSHOTS=FOLDER` keeps what was to be seen.
#[test]
fn meeting_is_held_in_browsers() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let port = free_port().to_string();
    let lectern = Lectern::start(&["up"], &server, &folder.path().join("data"), &[("PORT", &port)]);
    lectern.wait_for_log("registered");
    let mut command = Command::new("node");
    command
        .arg(repository("tests/browser/meeting.mjs"))
        .arg(repository(AUSTEN))
        .arg(repository("fixtures/long/ada.wav"))
        .env("LECTERN_URL", format!("http://127.0.0.1:{port}"))
        .env("CHROMIUM", variable("CHROMIUM"));
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not run ({error}): scripts/setup test"));
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.trim_end().ends_with("held"), "{said}{failed}");
}

/// What people do in rooms, each subject in a file of its own, in rooms of one service. `LECTERN_SUBJECTS="door host"`
/// tries only those.
#[tokio::test(flavor = "multi_thread")]
async fn people_do_in_browsers_what_they_do_in_rooms() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let wire = Wire::to(server.port()).await;
    let engine = Engine::start().await;
    let recogniser = engine.behind(Behaviour::Real).await;
    let port = free_port().to_string();
    let settings = [
        ("PORT", port.as_str()),
        ("DEEPGRAM_URL", &recogniser.url),
        ("LIVEKIT_PUBLIC_URL", &format!("ws://127.0.0.1:{}", wire.port)),
        ("RATE_LIMIT_MAX", "1000000"),
    ];
    let lectern = Lectern::start(&["up"], &server, &folder.path().join("data"), &settings);
    lectern.wait_for_log("registered");
    let chosen = std::env::var("LECTERN_SUBJECTS").unwrap_or_else(|_| SUBJECTS.join(" "));
    let subjects: Vec<_> = chosen.split_whitespace().collect();
    assert!(!subjects.is_empty(), "LECTERN_SUBJECTS names no subject");
    let mut command = Command::new("node");
    command
        .arg(repository("tests/browser/room.mjs"))
        .arg(repository(AUSTEN))
        .args(&subjects)
        .env("LECTERN_URL", format!("http://127.0.0.1:{port}"))
        .env("CHROMIUM", variable("CHROMIUM"));
    let said = tokio::task::spawn_blocking(move || attend(command, &wire, &recogniser))
        .await
        .expect("it ends");
    for subject in subjects {
        let done = format!("done: {subject}");
        assert!(said.lines().any(|line| line == done), "{subject}: {said}");
    }
}

const SUBJECTS: [&str; 11] = [
    "budget",
    "door",
    "host",
    "signs",
    "words",
    "devices",
    "blur",
    "publisher",
    "connection",
    "health",
    "blocked",
];

/// Does what the script orders while it runs, and returns what it said.
fn attend(mut command: Command, wire: &Wire, recogniser: &Recogniser) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not run ({error}): scripts/setup test"));
    let mut answers = child.stdin.take().expect("piped");
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.expect("text");
        said.push_str(&line);
        said.push('\n');
        let Some(order) = line.strip_prefix("order: ") else {
            continue;
        };
        match order {
            "the wire is cut" => wire.cut(),
            "the wire is mended" => wire.mend(),
            "the recogniser is away" => recogniser.behave(Behaviour::Refusing(503)),
            "the recogniser refuses" => recogniser.behave(Behaviour::Refusing(401)),
            "the recogniser is back" => recogniser.behave(Behaviour::Real),
            _ => panic!("nobody knows how to do this: {order}"),
        }
        writeln!(answers, "done").expect("it listens");
    }
    child.wait().expect("it ends");
    said
}
