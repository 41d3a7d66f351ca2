//! Servers behind TLS whose certificates a private authority has signed.

use crate::{
    finals,
    support::{
        Client, Lectern, PATIENCE, Server, authority::Authority, free_port, recogniser::Engine, variable,
        wait_for,
    },
};

const SPEECH: &str = "fixtures/long/ada.wav";

#[tokio::test(flavor = "multi_thread")]
async fn private_authority_is_trusted_where_ssl_cert_file_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let engine = Engine::start().await;
    let authority = Authority::new(folder.path());
    let (livekit, _livekit_task) = authority.before(server.port()).await;
    let (recogniser, _recogniser_task) = authority.before(engine.port()).await;
    let settings = [
        ("LIVEKIT_URL", &*format!("wss://127.0.0.1:{livekit}")),
        ("DEEPGRAM_URL", &*format!("https://127.0.0.1:{recogniser}")),
        ("SSL_CERT_FILE", &*authority.file.to_string_lossy()),
    ];
    let lectern = Lectern::agent(&server, &folder.path().join("data"), &settings);
    let ada = Client::told(&server, "trusted", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    ada.say(SPEECH);
    wait_for("a final", PATIENCE, || !finals(&ada.lines(), "data").is_empty());
    assert!(
        !lectern.logged("can't compare rooms"),
        "LiveKit's HTTP services were not reached"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let authority = Authority::new(folder.path());
    let plain = variable("TEST_REDIS_URL");
    let (_, plain) = plain.rsplit_once(':').expect("a URL with a port");
    let (redis, _task) = authority.before(plain.parse().expect("a port")).await;
    let port = free_port();
    let settings = [
        ("PORT", &*port.to_string()),
        ("REDIS_URL", &*format!("rediss://127.0.0.1:{redis}")),
        ("SSL_CERT_FILE", &*authority.file.to_string_lossy()),
    ];
    let lectern = Lectern::start(&["service"], &server, &folder.path().join("data"), &settings);
    lectern.wait_for_log("Redis answers");
    assert_eq!(lectern.metric(port, "lectern_redis_up"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_certificate_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let engine = Engine::start().await;
    let authority = Authority::new(folder.path());
    let (livekit, _livekit_task) = authority.before(server.port()).await;
    let (recogniser, _recogniser_task) = authority.before(engine.port()).await;
    let livekit = format!("wss://127.0.0.1:{livekit}");
    let lectern = Lectern::start(&["agent"], &server, folder.path(), &[("LIVEKIT_URL", &livekit)]);
    lectern.wait_for_log("SSL_CERT_FILE");
    assert!(!lectern.logged("registered"));

    let recogniser = format!("wss://127.0.0.1:{recogniser}");
    let lectern = Lectern::agent(
        &server,
        &folder.path().join("data"),
        &[("DEEPGRAM_URL", &recogniser)],
    );
    let ada = Client::told(&server, "untrusted", "ada", "Ada", &[]);
    lectern.wait_until_listening(1);
    ada.say(SPEECH);
    lectern.wait_for_log("SSL_CERT_FILE");
    ada.wait_for("health", |line| line["attributes"]["state"] == "interrupted");
}
