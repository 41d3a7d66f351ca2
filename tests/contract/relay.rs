//! A worker in a network that lets nothing but a relay through.

use crate::{
    AUSTEN, finals,
    support::{Client, Lectern, PATIENCE, Server, repository, wait_for},
};

/// Hears and is heard through LiveKit's own TURN server, and by no other way, which the server's log tells.
#[tokio::test(flavor = "multi_thread")]
async fn worker_captions_through_a_relay_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_with_relay(folder.path());
    let settings = [("LECTERN_NETWORK_PATHS", "relay")];
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);
    let ada = Client::python(&server, "room", "ada", "Ada", &repository(AUSTEN), 20);
    wait_for("captions", PATIENCE, || !finals(&ada.lines(), "data").is_empty());
    drop((ada, lectern));
    let log = server.log();
    let is_ours =
        |line: &&str| line.contains("participant active") && line.contains("\"participant\": \"agent-");
    let ours: Vec<&str> = log.lines().filter(is_ours).collect();
    assert!(!ours.is_empty(), "{log}");
    assert!(
        ours.iter()
            .all(|line| line.contains("\"connectionType\": \"turn\"")),
        "{ours:?}"
    );
}
