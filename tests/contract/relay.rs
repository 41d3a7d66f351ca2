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
    let ports = ports_of_the_worker(&log);
    assert!(!ports.is_empty(), "{log}");
    assert!(
        ports.iter().all(|port| Server::RELAYS.contains(port)),
        "{ports:?}"
    );
}

/// The ports at which the server reached the worker, at first and whenever it changed its way. A relay whose
/// packets come before it is told of is no relay to the server yet (`prflx`), but its port is known.
fn ports_of_the_worker(log: &str) -> Vec<u16> {
    log.lines()
        .filter(|line| line.contains("\"participant\": \"agent-"))
        .flat_map(|line| {
            let begun = line
                .split("[remote][selected")
                .skip(1)
                .map(|rest| after(rest, "....:"));
            let changed = line
                .split("\"newPair\"")
                .skip(1)
                .map(|rest| after(rest, "\"remotePort\": "));
            begun.chain(changed)
        })
        .collect()
}

/// The number that follows the first `label`.
fn after(text: &str, label: &str) -> u16 {
    let (_, rest) = text.split_once(label).expect(label);
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).expect("a port")
}
