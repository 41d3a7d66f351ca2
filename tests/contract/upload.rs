//! Large files through the real program: in little memory, whatever they are kept in.

use std::{fs, time::Duration};

use reqwest::{Client as Http, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::support::{Lectern, Server, free_port, variable};

/// What is sent, again and again.
static PIECE: [u8; 64 * 1024] = {
    let mut piece = [0; 64 * 1024];
    let mut at = 0;
    while at < piece.len() {
        piece[at] = (at % 251) as u8;
        at += 1;
    }
    piece
};
/// 200 MB.
const PIECES: usize = 3_200;
/// What the program may grow by meanwhile: less than a third of the file.
const GROWTH_KB_MAX: u64 = 64 * 1024;

async fn large_file_passes_in_little_memory(settings: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let port = free_port();
    let own = [
        ("PORT", port.to_string()),
        ("LECTERN_FILE_MB_MAX", "250".to_owned()),
        ("LECTERN_FILE_DOWNLOADS", "through".to_owned()),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<_> = own.chain(settings.iter().copied()).collect();
    let lectern = Lectern::start(&["service"], &server, &folder.path().join("data"), &settings);
    lectern.wait_for_log("serving on");
    let http = Http::new();
    let base = format!("http://127.0.0.1:{port}");
    let post = async |path: &str, token: &str, body: Value| {
        let request = http.post(format!("{base}{path}")).bearer_auth(token).json(&body);
        json_of(request.send().await.expect("an answer")).await
    };
    let ada = json!({ "email": "ada@example.org", "name": "Ada", "password": "correct horse battery" });
    let made = http
        .post(format!("{base}/api/auth/register"))
        .json(&ada)
        .send()
        .await;
    let ada = json_of(made.expect("an answer")).await;
    let token = ada["token"].as_str().expect("a token");
    let room = post("/api/rooms", token, json!({ "title": "Large" })).await;
    let files = format!("/api/rooms/{}/files", room["id"].as_str().expect("an id"));

    // Once in small, so that what every upload needs is there.
    send(port, &files, token, 100).await;
    let before = peak_memory_kb(&lectern);
    let file = timeout(Duration::from_secs(240), send(port, &files, token, PIECES)).await;
    let file = file.expect("200 MB in time");
    assert_eq!(file["bytes"], json!(PIECES * PIECE.len()), "{file}");
    let url = format!("{base}{}", file["url"].as_str().expect("a URL"));
    let response = http.get(url).bearer_auth(token).send().await.expect("an answer");
    assert_is_what_was_sent(response).await;
    let grown = peak_memory_kb(&lectern) - before;
    assert!(grown < GROWTH_KB_MAX, "{grown} KB more for a file of 200 MB");

    let gone = http.delete(format!("{base}{}", file["url"].as_str().expect("a URL")));
    let gone = gone.bearer_auth(token).send().await.expect("an answer");
    assert_eq!(gone.status(), 204);
}

/// Shares a file that is made while it is sent.
async fn send(port: u16, path: &str, token: &str, pieces: usize) -> Value {
    let mut socket = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a connection");
    let length = pieces * PIECE.len();
    let head = format!(
        "POST {path}?name=large.bin HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
        content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("taken");
    for _ in 0..pieces {
        socket.write_all(&PIECE).await.expect("taken");
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

async fn assert_is_what_was_sent(mut response: Response) {
    assert_eq!(response.status(), 200);
    let mut at = 0;
    while let Some(chunk) = response.chunk().await.expect("a whole file") {
        for byte in chunk {
            assert_eq!(byte, PIECE[at % PIECE.len()], "at {at}");
            at += 1;
        }
    }
    assert_eq!(at, PIECES * PIECE.len());
}

async fn json_of(response: Response) -> Value {
    let bytes = response.bytes().await.expect("a whole answer");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The most that it ever had in memory.
fn peak_memory_kb(lectern: &Lectern) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", lectern.pid())).expect("it runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kb.expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn large_file_passes_in_little_memory_into_a_folder() {
    large_file_passes_in_little_memory(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_file_passes_in_little_memory_into_s3() {
    let names = [
        "S3_ENDPOINT",
        "S3_BUCKET",
        "S3_REGION",
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
        "S3_PATH_STYLE",
    ];
    let given = names.map(|name| (name, variable(name)));
    let settings = given.each_ref().map(|(name, value)| (*name, value.as_str()));
    large_file_passes_in_little_memory(&settings).await;
}
