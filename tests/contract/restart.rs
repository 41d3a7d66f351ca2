//! LiveKit's server is killed and started again.

use std::{thread, time::Duration};

use crate::{
    finals,
    support::{Client, Lectern, PATIENCE, Server, wait_for},
};

/// Whoever is back in the room before the worker is told to it while its own connection comes back.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_back_before_the_worker_is_heard_by_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &[]);
    let ada = Client::told(&server, "room", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    lectern.signal("STOP");
    server.restart();
    let ben = Client::told(&server, "room", "ben", "Ben", &[]);
    thread::sleep(UNTIL_PUBLISHED);
    lectern.signal("CONT");
    lectern.wait_for_log("the connection to room room is back");
    ben.say("fixtures/late_joiner/ben.wav");
    wait_for("Ben's words", PATIENCE, || {
        finals(&ben.lines(), "data")
            .iter()
            .any(|(speaker, _)| speaker == "ben")
    });
    drop(ada);
}

/// From somebody's entry until their microphone is in the room, on a busy machine.
const UNTIL_PUBLISHED: Duration = Duration::from_secs(2);
