//! Measures the recogniser through its own socket: word errors, processor time, delay.
//!
//! `cargo run -p lectern-stt --example measure -- [--speakers N] [--paced] [--library PATH] [--model DIR] FILE.wav…`, each with its words in a
//! `.txt` beside it. `--paced` sends at the speed of speech and so measures how late finals come; without it audio
//! goes as fast as it is taken. `--speakers N` is N streams at once, each with every file. `--library` and `--model`
//! try another build of the engine.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use lectern_stt::{Config, Server};

#[path = "../../benches/words/score.rs"]
mod score;

use score::Score;

const FRAME: Duration = Duration::from_millis(100);
/// What the kernel counts processor time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one stream of one file came to.
struct Heard {
    words: String,
    seconds: f64,
    /// By how much each final came later than the audio it is about was sent.
    delays: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Pace {
    Speech,
    AsFastAsTaken,
}

#[tokio::main]
async fn main() {
    let mut pace = Pace::AsFastAsTaken;
    let mut speakers = 1;
    let mut config = Config::for_this_machine();
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--paced" => pace = Pace::Speech,
            "--speakers" => {
                speakers = arguments
                    .next()
                    .and_then(|count| count.parse().ok())
                    .expect("--speakers NUMBER");
            }
            "--library" => config.library = arguments.next().map(PathBuf::from),
            "--model" => config.model_dir = arguments.next().map(PathBuf::from),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    assert!(
        !files.is_empty(),
        "name a WAV file of 16 kHz, mono, with a .txt beside it"
    );

    let server = Server::start(config).await.expect("PocketSphinx is installed");
    println!("{:?}", server.engine());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let serving = tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
    for file in files {
        measure(&address, &file, speakers, pace).await;
    }
    serving.abort();
}

async fn measure(address: &str, file: &Path, speakers: usize, pace: Pace) {
    let (began, processor) = (Instant::now(), processor_seconds());
    let streams: Vec<_> = (0..speakers)
        .map(|_| tokio::spawn(stream(address.to_owned(), file.to_owned(), pace)))
        .collect();
    let mut heard = Vec::new();
    for stream in streams {
        heard.push(stream.await.expect("no panic"));
    }
    let audio: f64 = heard.iter().map(|heard| heard.seconds).sum();
    let said =
        std::fs::read_to_string(file.with_extension("txt")).expect("the words are in a .txt beside it");
    let scores: Vec<Score> = heard.iter().map(|heard| Score::of(&said, &heard.words)).collect();
    let mut delays: Vec<f64> = heard.into_iter().flat_map(|heard| heard.delays).collect();
    delays.sort_by(f64::total_cmp);
    println!(
        "{} × {speakers}: {audio:.0} s of audio in {:.1} s, word errors {:.1} % of {}, processor {:.3} s per second{}",
        file.file_stem().unwrap_or_default().to_string_lossy(),
        began.elapsed().as_secs_f64(),
        scores.iter().map(Score::percent).sum::<f64>() / speakers as f64,
        scores.first().map_or(0, |score| score.words),
        (processor_seconds() - processor) / audio,
        match (pace, delays.as_slice()) {
            (Pace::Speech, [.., slowest]) => format!(
                ", finals {:.2} s late at the median, {slowest:.2} s at most",
                delays[delays.len() / 2]
            ),
            _ => String::new(),
        }
    );
}

async fn stream(address: String, file: PathBuf, pace: Pace) -> Heard {
    let reader = hound::WavReader::open(&file).expect("a WAV file");
    assert_eq!(
        (reader.spec().sample_rate, reader.spec().channels),
        (16_000, 1),
        "16 kHz, mono"
    );
    let samples: Vec<i16> = reader
        .into_samples()
        .map(|sample| sample.expect("a sample"))
        .collect();
    let url = format!(
        "ws://{address}/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true&endpointing=300"
    );
    let (socket, _) = connect_async(url).await.expect("the server takes the stream");
    let (mut sink, mut source) = socket.split();
    let seconds = samples.len() as f64 / 16_000.0;
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        let mut tick = tokio::time::interval(FRAME);
        for part in samples.chunks(1_600) {
            if let Pace::Speech = pace {
                tick.tick().await;
            }
            let bytes: Vec<u8> = part.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            sink.send(Message::Binary(Bytes::from(bytes)))
                .await
                .expect("sent");
        }
        sink.send(Message::text(r#"{"type":"CloseStream"}"#))
            .await
            .expect("sent");
        sink
    });
    let mut heard = Heard {
        words: String::new(),
        seconds,
        delays: Vec::new(),
    };
    while let Some(Ok(Message::Text(text))) = source.next().await {
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["is_final"] == true {
            let text = message["channel"]["alternatives"][0]["transcript"]
                .as_str()
                .unwrap_or_default();
            heard.words.push_str(text);
            heard.words.push(' ');
            let end = message["start"].as_f64().unwrap_or(0.0) + message["duration"].as_f64().unwrap_or(0.0);
            heard.delays.push(began.elapsed().as_secs_f64() - end);
        }
    }
    // The sending half is kept to here: dropping it early would close the stream.
    drop(sending.await.expect("no panic"));
    heard
}

/// Processor time of this process so far, where `/proc` tells it.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}
