//! The server as its clients meet it: a real socket, the real engine, a real voice.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use lectern_stt::{Config, Error, Server};

const SPEECH: &str = "tests/data/en_goforward_3s.wav";
const SAID: &str = "go forward ten meters";
const QUERY: &str = "model=nova-3&encoding=linear16&sample_rate=16000&channels=1&interim_results=true\
                     &endpointing=300&utterance_end_ms=1000&vad_events=true&language=en";
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a port of its own.
struct Running {
    server: Server,
    address: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(config: Config) -> Self {
        let server = Server::start(config)
            .await
            .expect("PocketSphinx is installed: see the error");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let (stop, stopped) = oneshot::channel();
        let serving = server.clone();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serving.serve(listener, stopped).await
        });
        Self {
            server,
            address,
            stop,
            task,
        }
    }

    async fn connect(&self, query: &str) -> Client {
        let url = format!("ws://{}/v1/listen?{query}", self.address);
        let (socket, _) = connect_async(url).await.expect("the server takes the stream");
        Client {
            socket,
            received: Vec::new(),
        }
    }

    /// The status and JSON body of a refused stream.
    async fn refused(&self, query: &str) -> (u16, Value) {
        let url = format!("ws://{}/v1/listen?{query}", self.address);
        match connect_async(url).await {
            Err(SocketError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                (
                    response.status().as_u16(),
                    serde_json::from_slice(body).expect("a JSON body"),
                )
            }
            other => panic!("{query} should be refused, not {other:?}"),
        }
    }

    async fn sessions_become(&self, expected: usize) {
        let reached = async {
            while self.server.sessions() != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("the number of streams is right in time");
    }

    async fn stop(self) {
        self.stop.send(()).expect("the server still runs");
        self.task.await.expect("no panic").expect("a clean end");
    }
}

/// A naive client.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    received: Vec<Value>,
}

impl Client {
    async fn audio(&mut self, bytes: &[u8], frame: usize) {
        for part in bytes.chunks(frame) {
            self.socket
                .send(Message::Binary(Bytes::copy_from_slice(part)))
                .await
                .expect("sent");
        }
    }

    async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    /// Reads until a message satisfies `wanted`.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("an answer in time");
            match message.expect("the socket is open").expect("no error") {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(&text).expect("JSON");
                    self.received.push(value.clone());
                    if wanted(&value) {
                        return value;
                    }
                }
                Message::Close(frame) => panic!("closed with {frame:?}"),
                _ => {}
            }
        }
    }

    /// Reads until the server closes.
    async fn closed(&mut self) -> CloseFrame {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("an answer in time");
            match message.expect("a close comes first").expect("no error") {
                Message::Text(text) => self.received.push(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => return frame.expect("with a code"),
                _ => {}
            }
        }
    }

    fn finals(&self) -> Vec<&Value> {
        self.received
            .iter()
            .filter(|message| message["is_final"] == true)
            .collect()
    }

    fn transcript(&self) -> String {
        let texts = self
            .finals()
            .into_iter()
            .filter_map(|message| transcript(message).as_str().map(str::to_owned));
        texts
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn transcript(message: &Value) -> &Value {
    &message["channel"]["alternatives"][0]["transcript"]
}

fn small() -> Config {
    Config {
        sessions_max: 8,
        decoders_max: 2,
        ..Config::for_this_machine()
    }
}

fn speech() -> Vec<i16> {
    let reader = hound::WavReader::open(SPEECH).expect("the recording is in the repository");
    reader
        .into_samples()
        .map(|sample| sample.expect("a sample"))
        .collect()
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Speech with a second and a half of silence after it.
fn utterance() -> Vec<u8> {
    let mut samples = speech();
    samples.extend([0; 24_000]);
    bytes(&samples)
}

#[tokio::test]
async fn speech_becomes_words_in_deepgrams_order() {
    let running = Running::start(small()).await;
    let mut client = running.connect(QUERY).await;
    client.audio(&utterance(), 3_200).await;
    client.until(|message| message["type"] == "UtteranceEnd").await;
    client.text(r#"{"type":"CloseStream"}"#).await;
    let close = client.closed().await;

    assert_eq!(u16::from(close.code), 1000);
    assert_eq!(client.transcript(), SAID);
    let kinds: Vec<&str> = client
        .received
        .iter()
        .map(|message| message["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(kinds.first(), Some(&"SpeechStarted"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"Metadata"), "{kinds:?}");
    let interim = client
        .received
        .iter()
        .position(|message| message["is_final"] == false);
    let last = client
        .received
        .iter()
        .position(|message| message["speech_final"] == true);
    let ended = kinds.iter().position(|kind| *kind == "UtteranceEnd");
    assert!(interim.is_some() && interim < last && last < ended, "{kinds:?}");

    let words = client.finals()[0]["channel"]["alternatives"][0]["words"]
        .as_array()
        .expect("words")
        .clone();
    let start_of = |word: &str| {
        let found = words
            .iter()
            .find(|found| found["word"] == word)
            .expect("the word is there");
        found["start"].as_f64().expect("a time")
    };
    // The recording is silent up to 0.48 s, and between the second word and the third at 1.15 to 1.22 s.
    assert!((0.4..0.55).contains(&start_of("go")), "{words:?}");
    assert!((1.1..1.3).contains(&start_of("ten")), "{words:?}");
    for word in &words {
        let confidence = word["confidence"].as_f64().expect("a number");
        assert!(confidence > 0.0 && confidence <= 1.0, "{word}");
        assert_eq!(word["word"], word["punctuated_word"]);
    }
    running.stop().await;
}

#[tokio::test]
async fn later_utterances_have_their_own_times() {
    let running = Running::start(small()).await;
    let mut client = running.connect(QUERY).await;
    for _ in 0..3 {
        client.audio(&utterance(), 3_200).await;
        client.until(|message| message["speech_final"] == true).await;
    }
    let finals = client.finals();
    assert_eq!(finals.len(), 3);
    for results in finals {
        let number = |value: &Value| value.as_f64().expect("a number");
        let (start, duration) = (number(&results["start"]), number(&results["duration"]));
        let words = results["channel"]["alternatives"][0]["words"]
            .as_array()
            .expect("words");
        let said = number(&words[words.len() - 1]["end"]) - number(&words[0]["start"]);
        assert!((1.0..2.5).contains(&said), "the words take {said} s: {words:?}");
        assert!(
            number(&words[0]["start"]) < start + duration - said + 0.01,
            "{words:?}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn frames_of_odd_sizes_hold_the_same_words() {
    let running = Running::start(small()).await;
    for frame in [77, 641, 64_001, usize::MAX >> 1] {
        let mut client = running.connect("encoding=linear16&sample_rate=16000").await;
        client.audio(&utterance(), frame).await;
        client.audio(&[], 1).await;
        client
            .socket
            .send(Message::Binary(Bytes::new()))
            .await
            .expect("sent");
        assert_eq!(u16::from(client.closed().await.code), 1000);
        assert_eq!(client.transcript(), SAID, "frames of {frame} bytes");
    }
    running.stop().await;
}

#[tokio::test]
async fn other_rates_and_channels_hold_the_same_words() {
    let running = Running::start(small()).await;
    let samples = speech();
    let next = |at: usize| i32::from(*samples.get(at + 1).unwrap_or(&0));
    let mut stereo_48 = Vec::new();
    for (at, sample) in samples.iter().enumerate() {
        for step in 0..3 {
            let value = (i32::from(*sample) * (3 - step) + next(at) * step) / 3;
            stereo_48.extend([value as i16, value as i16]);
        }
    }
    let mut client = running
        .connect("encoding=linear16&sample_rate=48000&channels=2")
        .await;
    client.audio(&bytes(&stereo_48), 9_600).await;
    client.text(r#"{"type":"CloseStream"}"#).await;
    client.closed().await;
    assert_eq!(client.transcript(), SAID);
    let metadata = client.received.last().expect("metadata");
    assert_eq!(metadata["channels"], 2);
    assert!(
        (2.7..2.9).contains(&metadata["duration"].as_f64().expect("a number")),
        "{metadata}"
    );
    running.stop().await;
}

#[tokio::test]
async fn finalize_flushes_and_the_stream_goes_on() {
    let running = Running::start(small()).await;
    let mut client = running.connect(QUERY).await;
    for _ in 0..2 {
        client.audio(&bytes(&speech()), 3_200).await;
        client.text(r#"{"type":"Finalize"}"#).await;
        let answer = client.until(|message| message["from_finalize"] == true).await;
        assert_eq!(answer["is_final"], true);
    }
    client.text(r#"{"type":"Finalize"}"#).await;
    let empty = client.until(|message| message["from_finalize"] == true).await;
    assert_eq!(transcript(&empty), "");
    assert_eq!(client.transcript(), format!("{SAID} {SAID}"));
    running.stop().await;
}

#[tokio::test]
async fn more_speakers_than_decoders_wait_and_lose_nothing() {
    let running = Running::start(small()).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = running.connect(QUERY).await;
        clients.push(tokio::spawn(async move {
            client.audio(&bytes(&speech()), 3_200).await;
            client.text(r#"{"type":"CloseStream"}"#).await;
            client.closed().await;
            client.transcript()
        }));
    }
    for client in clients {
        assert_eq!(client.await.expect("no panic"), SAID);
    }
    running.sessions_become(0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_must_wait_for_a_decoder_is_not_taken_for_a_silent_one() {
    let idle_max = Duration::from_millis(700);
    let running = Running::start(Config {
        decoders_max: 1,
        idle_max,
        ..small()
    })
    .await;
    let mut speaking = running.connect(QUERY).await;
    speaking.audio(&bytes(&speech()[..24_000]), 3_200).await;
    speaking.until(|message| message["is_final"] == false).await;

    // More than is taken while no decoder is free.
    let mut waiting = running.connect(QUERY).await;
    for _ in 0..5 {
        waiting.audio(&utterance(), 3_200).await;
    }
    waiting.text(r#"{"type":"CloseStream"}"#).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        speaking.text(r#"{"type":"KeepAlive"}"#).await;
    }
    speaking.text(r#"{"type":"CloseStream"}"#).await;
    assert_eq!(u16::from(speaking.closed().await.code), 1000);
    assert_eq!(u16::from(waiting.closed().await.code), 1000);
    assert_eq!(waiting.transcript(), [SAID; 5].join(" "));
    running.stop().await;
}

#[tokio::test]
async fn too_many_streams_are_answered_429_and_a_seat_comes_free() {
    let running = Running::start(Config {
        sessions_max: 1,
        ..small()
    })
    .await;
    let mut first = running.connect(QUERY).await;
    assert_eq!(running.server.sessions(), 1);
    let (status, body) = running.refused(QUERY).await;
    assert_eq!(status, 429);
    assert_eq!(body["err_code"], "TOO_MANY_REQUESTS");
    assert!(
        body["err_msg"]
            .as_str()
            .is_some_and(|text| text.contains("STT_SESSIONS_MAX"))
    );
    assert!(body["request_id"].is_string());
    first.text(r#"{"type":"CloseStream"}"#).await;
    first.closed().await;
    drop(first);
    running.sessions_become(0).await;
    running.connect(QUERY).await;
    running.stop().await;
}

#[tokio::test]
async fn a_bad_query_is_answered_400_with_a_reason() {
    let running = Running::start(small()).await;
    for (query, reason) in [
        ("encoding=opus", "linear16"),
        ("language=fr", "English only"),
        ("sample_rate=1", "8000 to 48000"),
    ] {
        let (status, body) = running.refused(query).await;
        assert_eq!(status, 400, "{query}");
        assert!(
            body["err_msg"].as_str().is_some_and(|text| text.contains(reason)),
            "{body}"
        );
        assert!(
            body["err_code"].is_string() && body["request_id"].is_string(),
            "{body}"
        );
    }
    assert_eq!(running.server.sessions(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_key_is_not_needed_and_taken_in_every_form() {
    let running = Running::start(small()).await;
    let url = format!("ws://{}/v1/listen?{QUERY}", running.address);
    for (header, value, acknowledged) in [
        ("authorization", "Token secret", None),
        ("authorization", "Bearer secret", None),
        ("sec-websocket-protocol", "token, secret", Some("token")),
        ("sec-websocket-protocol", "bearer, secret", Some("bearer")),
    ] {
        let mut request = url.as_str().into_client_request().expect("a request");
        request
            .headers_mut()
            .insert(header, value.parse().expect("a header"));
        let (_socket, response) = connect_async(request).await.expect("accepted");
        let chosen = response
            .headers()
            .get("sec-websocket-protocol")
            .map(|chosen| chosen.to_str());
        assert_eq!(
            chosen.transpose().expect("text"),
            acknowledged,
            "{header}: {value}"
        );
        assert!(response.headers().contains_key("dg-request-id"));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed_with_net_0001() {
    let running = Running::start(Config {
        idle_max: Duration::from_millis(400),
        ..small()
    })
    .await;
    let mut client = running.connect(QUERY).await;
    let began = std::time::Instant::now();
    let close = client.closed().await;
    assert_eq!(u16::from(close.code), 1011);
    assert!(close.reason.contains("NET-0001"), "{}", close.reason);
    assert!(began.elapsed() >= Duration::from_millis(350));
    running.sessions_become(0).await;
    running.stop().await;
}

#[tokio::test]
async fn garbage_is_answered_and_closed_with_1008() {
    let running = Running::start(small()).await;
    let mut client = running.connect(QUERY).await;
    client.text("hello?").await;
    let close = client.closed().await;
    assert_eq!(u16::from(close.code), 1008);
    assert_eq!(client.received.last().expect("an error")["type"], "Error");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_gives_its_decoder_back() {
    let running = Running::start(Config {
        decoders_max: 1,
        ..small()
    })
    .await;
    let mut client = running.connect(QUERY).await;
    client.audio(&bytes(&speech()[..24_000]), 3_200).await;
    client.until(|message| message["is_final"] == false).await;
    drop(client);
    running.sessions_become(0).await;
    let mut next = running.connect(QUERY).await;
    next.audio(&utterance(), 3_200).await;
    next.until(|message| message["speech_final"] == true).await;
    assert_eq!(next.transcript(), SAID);
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_lets_streams_say_their_last_words() {
    let running = Running::start(small()).await;
    let mut client = running.connect(QUERY).await;
    client.audio(&bytes(&speech()), 3_200).await;
    client
        .until(|message| {
            transcript(message)
                .as_str()
                .is_some_and(|text| text.contains("meters"))
        })
        .await;
    let stopping = tokio::spawn(running.stop());
    let close = client.closed().await;
    assert_eq!(u16::from(close.code), 1001);
    assert_eq!(client.transcript(), SAID);
    assert_eq!(client.received.last().expect("metadata")["type"], "Metadata");
    drop(client);
    stopping.await.expect("the server ended");
}

#[tokio::test]
async fn the_check_names_the_engine_and_its_weakness() {
    let info = lectern_stt::check(&small()).expect("PocketSphinx is installed: see the error");
    assert_eq!(info.name, "pocketsphinx");
    assert!(info.model_path.join("en-us/mdef").is_file());
    assert!(info.note.contains("low accuracy"));
    let missing = Config {
        model_dir: Some("/nowhere".into()),
        ..small()
    };
    let error = lectern_stt::check(&missing).expect_err("there is no such folder");
    assert!(error.to_string().contains("pocketsphinx-en-us"), "{error}");
}

#[tokio::test]
async fn deepgrams_own_python_sdk_is_served() {
    let python = std::env::var("LECTERN_PYTHON").expect(
        "LECTERN_PYTHON names a Python with Deepgram's SDK: \
         python3 -m venv DIR && DIR/bin/pip install -r stt/tests/requirements.txt, then LECTERN_PYTHON=DIR/bin/python",
    );
    let running = Running::start(small()).await;
    let output = tokio::process::Command::new(&python)
        .arg(Path::new("tests/deepgram_sdk.py"))
        .arg(format!("ws://{}", running.address))
        .arg(SPEECH)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output)
        .await
        .expect("the script ends in time")
        .unwrap_or_else(|error| panic!("LECTERN_PYTHON={python} can't be run: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && printed.trim_end().ends_with("OK"),
        "{printed}\n{complained}"
    );
    running.stop().await;
}
