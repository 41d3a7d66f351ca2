//! whisper behind the protocol, with a model that says one sentence into whatever it hears.
#![cfg(feature = "whisper")]

#[path = "../src/whisper/tiny.rs"]
mod tiny;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use lectern_stt::{Config, Server};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::tiny::{LANGUAGE, TinyModel, written};

const SECOND: usize = 16_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn config(model: &tempfile::NamedTempFile) -> Config {
    Config {
        whisper_model: Some(model.path().to_owned()),
        ..Config::for_this_machine()
    }
}

/// A voice, as far as loudness tells, and a second of silence.
fn audio(seconds: usize) -> Vec<u8> {
    let voice = (0..seconds * SECOND).map(|n| if n / 40 % 2 == 0 { 4_000_i16 } else { -4_000 });
    let samples = voice.chain(std::iter::repeat_n(0, SECOND));
    samples.flat_map(i16::to_le_bytes).collect()
}

/// Serves a model on a port of its own; returns where.
async fn serve(model: &tempfile::NamedTempFile) -> String {
    let server = Server::start(config(model)).await.expect("a model");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
    format!("ws://{address}/v1/listen?encoding=linear16&interim_results=true&endpointing=300")
}

/// All that a client is told that sends some audio and closes its stream.
async fn told(url: &str, audio: &[u8]) -> Vec<Value> {
    let (mut socket, _) = connect_async(url).await.expect("a stream");
    for chunk in audio.chunks(9_600) {
        socket.send(Message::binary(chunk.to_vec())).await.expect("sent");
    }
    socket
        .send(Message::text(r#"{"type":"CloseStream"}"#))
        .await
        .expect("sent");
    let mut told = Vec::new();
    let all = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                told.push(serde_json::from_str(&text).expect("JSON"));
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("an end in time");
    told
}

fn finals(told: &[Value]) -> Vec<&Value> {
    told.iter()
        .filter(|message| message["is_final"] == true)
        .collect()
}

#[tokio::test]
async fn speech_becomes_punctuated_words_in_the_language_that_was_found() {
    let model = TinyModel::multilingual().written();
    let url = serve(&model).await;
    let told = told(&format!("{url}&language=multi"), &audio(4)).await;
    let finals = finals(&told);
    let said = &finals[0]["channel"]["alternatives"][0];
    assert_eq!(said["transcript"], "Good morning, all.");
    assert_eq!(said["languages"], serde_json::json!([LANGUAGE.0]));
    assert_eq!(said["words"][1]["word"], "morning");
    assert_eq!(said["words"][1]["punctuated_word"], "morning,");
    assert_eq!(said["words"][1]["language"], LANGUAGE.0);
    assert_eq!(finals[0]["speech_final"], true);
    assert_eq!(finals[0]["metadata"]["model_info"]["name"], "whisper-custom");
    let guesses: Vec<&Value> = told
        .iter()
        .filter(|message| message["is_final"] == false)
        .collect();
    assert!(!guesses.is_empty());
    assert_eq!(
        guesses[0]["channel"]["alternatives"][0]["transcript"],
        "Good morning, all."
    );
}

#[tokio::test]
async fn a_language_that_was_asked_for_is_not_reported() {
    let model = TinyModel::multilingual().written();
    let url = serve(&model).await;
    let told = told(&format!("{url}&language=fr-CA"), &audio(2)).await;
    let said = &finals(&told)[0]["channel"]["alternatives"][0];
    assert_eq!(said["transcript"], "Good morning, all.");
    assert_eq!(said.get("languages"), None);
}

#[tokio::test]
async fn an_utterance_longer_than_a_window_is_told_in_finals_without_gaps() {
    let model = TinyModel::english().written();
    let url = serve(&model).await;
    let told = told(&url, &audio(70)).await;
    let finals = finals(&told);
    let mut end = 0.0;
    for message in &finals {
        let (start, duration) = (message["start"].as_f64(), message["duration"].as_f64());
        let (start, duration) = (start.expect("a time"), duration.expect("a time"));
        assert!((start - end).abs() < 0.01, "{message}");
        end = start + duration;
    }
    assert!(finals.len() >= 3, "{} finals", finals.len());
    assert!(
        finals
            .iter()
            .all(|message| message["duration"].as_f64() < Some(35.0))
    );
    let ended: Vec<bool> = finals
        .iter()
        .map(|message| message["speech_final"] == true)
        .collect();
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "{ended:?}");
}

#[tokio::test]
async fn a_language_that_the_model_lacks_is_refused_with_a_reason() {
    let model = TinyModel::english().written();
    let url = serve(&model).await;
    match connect_async(format!("{url}&language=de")).await {
        Err(SocketError::Http(response)) => {
            assert_eq!(response.status(), 400);
            let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned();
            assert!(body.contains("English only"), "{body}");
        }
        other => panic!("German should be refused, not {other:?}"),
    }
}

#[test]
fn the_check_names_the_model_or_what_is_wrong_with_it() {
    let model = TinyModel::english().written();
    let info = lectern_stt::check(&config(&model)).expect("a model");
    assert_eq!((info.name, info.model.as_str()), ("whisper", "whisper-custom.en"));
    assert_eq!(info.model_path, model.path());
    let broken = written(&TinyModel::english().bytes()[..1_000_000]);
    let error = lectern_stt::check(&config(&broken)).expect_err("half a model");
    assert!(error.to_string().contains("ends too early"), "{error}");
}
