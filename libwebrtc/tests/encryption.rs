//! End-to-end encryption through a real LiveKit server: among ourselves, and with the Python SDK, whose media stack is
//! the C++ one.

#[expect(dead_code, reason = "most of it is for the tests of networks alone")]
mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use livekit::{
    E2eeOptions, RoomEvent, RoomOptions,
    e2ee::{
        EncryptionType,
        key_provider::{KeyDerivationAlgorithm, KeyProvider, KeyProviderOptions},
    },
    track::RemoteTrack,
    webrtc::{
        audio_stream::native::NativeAudioStream, native::frame_cryptor::EncryptionState, stats::RtcStats,
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use support::{
    Call, Log, Participant, PeerConnections, Rtc, Server, Tone, hear_tone, next, options, patient, token,
    variable,
};

const LOOPBACK: Rtc = Rtc {
    address: "127.0.0.1",
    lines: "",
    log: Log::Detailed,
};

fn encrypted(connections: PeerConnections, keys: &KeyProvider) -> RoomOptions {
    let mut options = options(connections);
    options.encryption = Some(E2eeOptions {
        encryption_type: EncryptionType::Gcm,
        key_provider: keys.clone(),
    });
    options
}

fn keys(secret: &str, derivation: KeyDerivationAlgorithm) -> KeyProvider {
    let options = KeyProviderOptions {
        key_derivation_algorithm: derivation,
        ..KeyProviderOptions::default()
    };
    KeyProvider::with_shared_key(options, secret.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_key_hears_and_reads_and_nobody_else() {
    let server = Server::start("encrypted", &LOOPBACK);
    for connections in [PeerConnections::One, PeerConnections::Two] {
        let keys = |secret| keys(secret, KeyDerivationAlgorithm::PBKDF2);
        let mut eve = Participant::join(&server, "eve", encrypted(connections, &keys("guessed"))).await;
        let mut call = Call::begin(&server, || encrypted(connections, &keys("secret"))).await;
        let (mut track, mut fails) = (None, false);
        let both = eve.event("a track that she cannot decrypt", |event| {
            match event {
                RoomEvent::TrackSubscribed {
                    track: RemoteTrack::Audio(audio),
                    ..
                } => track = Some(audio),
                RoomEvent::E2eeStateChanged { state, .. } => {
                    fails |= state == EncryptionState::DecryptionFailed
                }
                _ => {}
            }
            track.clone().filter(|_| fails)
        });
        let mut heard = NativeAudioStream::new(both.await.rtc_track(), 48_000, 1);
        for _ in 0..100 {
            let frame = next(&mut heard).await.expect("the track is there");
            assert!(
                frame.data.iter().all(|sample| *sample == 0),
                "she hears something"
            );
        }
        call.works().await;
        let is_message = |event: &RoomEvent| matches!(event, RoomEvent::DataReceived { .. });
        assert!(!eve.events().iter().any(is_message), "she reads something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_in_clear_in_a_process_that_encrypts() {
    let server = Server::start("clear", &LOOPBACK);
    let keys = keys("secret", KeyDerivationAlgorithm::HKDF);
    let ada = Participant::join(&server, "ada", encrypted(PeerConnections::One, &keys)).await;
    let _tone = ada.speak().await;
    until(&ada, |before, now| now > before + 20).await;
    // Turned off, the track is silent.
    ada.room.e2ee_manager().set_enabled(false);
    let stopped = packets(&ada).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(packets(&ada).await <= stopped + 1);
    ada.room.e2ee_manager().set_enabled(true);
    until(&ada, |before, now| now > before + 20).await;

    // Who joins without encryption meanwhile might be she again, after a mistake.
    let ben = Participant::join(&server, "ben", options(PeerConnections::One)).await;
    let _silence = ben.speak().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(packets(&ben).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_and_we_understand_each_other() {
    let mut meeting = Meeting::begin("pbkdf2", KeyDerivationAlgorithm::PBKDF2).await;
    let Meeting { ada, python, .. } = &mut meeting;
    python.tell("hello from python");
    reads(ada, "hello from python").await;
    ada.tell("hello").await.expect("it is sent");
    python.line(|line| line == r#"{"said": "hello"}"#).await;
    reads(ada, "HELLO").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_follows_when_the_other_goes_on_to_the_next_key() {
    let mut meeting = Meeting::begin("hkdf", KeyDerivationAlgorithm::HKDF).await;
    meeting.python.tell("ratchet");
    let is_noticed = |event| match event {
        RoomEvent::E2eeStateChanged { state, .. } => (state == EncryptionState::KeyRatcheted).then_some(()),
        _ => None,
    };
    meeting.ada.event("that Python went on", is_noticed).await;
    hear_tone(&mut meeting.heard).await;
    meeting.keys.ratchet_shared_key(0).expect("there is a key");
    meeting.python.forget();
    // What it hears is told each half second: the third is surely after the first packet under the new key.
    for _ in 0..3 {
        meeting.python.hears_tone().await;
    }
    hear_tone(&mut meeting.heard).await;
}

/// Ada and a Python client, who hear each other.
struct Meeting {
    keys: KeyProvider,
    ada: Participant,
    heard: NativeAudioStream,
    python: Python,
    _tone: Tone,
    _server: Server,
}

impl Meeting {
    async fn begin(name: &str, derivation: KeyDerivationAlgorithm) -> Self {
        let server = Server::start(name, &LOOPBACK);
        let keys = keys("a secret", derivation);
        let mut ada = Participant::join(&server, "ada", encrypted(PeerConnections::Two, &keys)).await;
        let tone = ada.speak().await;
        let mut python = Python::join(&server, &["a secret", name]);
        let mut heard = ada.listen().await;
        hear_tone(&mut heard).await;
        python.hears_tone().await;
        Self {
            keys,
            ada,
            heard,
            python,
            _tone: tone,
            _server: server,
        }
    }
}

async fn reads(participant: &mut Participant, text: &str) {
    let is_it = |event| match event {
        RoomEvent::DataReceived { payload, .. } => (*payload == text.as_bytes()).then_some(()),
        _ => None,
    };
    participant.event(text, is_it).await;
}

/// How many packets of audio somebody has sent.
async fn packets(participant: &Participant) -> u64 {
    let stats = participant.room.get_stats().await.expect("figures");
    let sent = |stats: &RtcStats| match stats {
        RtcStats::OutboundRtp(outbound) => outbound.sent.packets_sent,
        _ => 0,
    };
    stats.publisher_stats.iter().map(sent).sum()
}

async fn until(participant: &Participant, is_enough: impl Fn(u64, u64) -> bool) {
    let before = packets(participant).await;
    let waiting = async {
        while !is_enough(before, packets(participant).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patient("packets", waiting).await;
}

/// Another client, in a process of its own.
struct Python {
    child: Child,
    input: ChildStdin,
    lines: UnboundedReceiver<String>,
}

impl Python {
    fn join(server: &Server, arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/encrypted.py");
        let mut child = Command::new(variable("LECTERN_PYTHON"))
            .arg(script)
            .args(arguments)
            .env("LIVEKIT_URL", &server.url)
            .env("LIVEKIT_TOKEN", token("room", "python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let (sender, lines) = unbounded_channel();
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take().expect("it was asked for"),
            child,
            lines,
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it listens");
    }

    async fn line(&mut self, is_it: impl Fn(&str) -> bool) {
        let wait = async { while !is_it(&self.lines.recv().await.expect("it goes on")) {} };
        patient("a line from Python", wait).await;
    }

    async fn hears_tone(&mut self) {
        let hz = |line: &str| {
            line.strip_prefix(r#"{"heard": "#)?
                .strip_suffix('}')?
                .parse()
                .ok()
        };
        self.line(|line| hz(line).is_some_and(|hz: f64| (990.0..1010.0).contains(&hz)))
            .await;
    }

    /// Forgets what was said up to now.
    fn forget(&mut self) {
        while self.lines.try_recv().is_ok() {}
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
