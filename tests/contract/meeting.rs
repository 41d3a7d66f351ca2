//! A whole meeting in real browsers, on the pages that are built in: tests/browser/meeting.mjs is who meets.

use std::process::Command;

use crate::{
    AUSTEN,
    support::{Lectern, Server, free_port, repository, variable},
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
        .args(std::env::var("LECTERN_SCREENSHOTS").ok())
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
