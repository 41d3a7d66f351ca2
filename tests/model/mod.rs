//! A language model on loopback: speaks the protocol, and answers as a test wants.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// The server; it ends with the test's process.
pub(crate) struct Model {
    /// What to set OPENAI_BASE_URL to.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

/// What the server does with a question.
pub(crate) enum Answer {
    /// A completion of this text.
    Text(String),
    /// An error of this status, in these words, to be tried again at once.
    Status(u16, &'static str),
}

impl Model {
    /// Each request has a thread of its own, in which the answer may take its time.
    pub(crate) fn start(answer: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = read(&stream) else {
                        return;
                    };
                    kept.lock().expect("no holder panics").push(request.clone());
                    reply(stream, answer(&Question(request)));
                });
            }
        });
        Self { url, asked }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("no holder panics").clone()
    }
}

/// A request for a completion.
pub(crate) struct Question(Value);

impl Question {
    /// What the user's message says.
    pub(crate) fn text(&self) -> &str {
        self.0["messages"][1]["content"].as_str().unwrap_or_default()
    }

    /// The transcript's or the notes' lines in it.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let is_line = |line: &&str| line.starts_with('[');
        let lines = self.text().lines().filter(is_line);
        lines
            .map(|line| serde_json::from_str(line).expect("data lines are JSON"))
            .collect()
    }

    /// What a good model would answer: it repeats lines, and cites them.
    pub(crate) fn good_reply(&self) -> String {
        let lines = self.lines();
        let cited = |line: &Value| {
            let words = line.as_array().and_then(|line| line.last());
            json!({"text": words, "cites": [line[0]]})
        };
        let some: Vec<Value> = lines.iter().take(3).map(cited).collect();
        let title = some[0]["text"]
            .as_str()
            .map(|words| words.split_whitespace().take(5).collect::<Vec<_>>().join(" "));
        json!({
            "title": title,
            "abstract": some, "lines": some,
            "chapters": [{"title": title, "first_line": lines[0][0], "lines": some}],
            "key_terms": [], "action_items": [], "questions": []
        })
        .to_string()
    }
}

fn read(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("requests are JSON"))
}

fn reply(mut stream: TcpStream, answer: Answer) {
    let completion = |text: String| json!({"choices": [{"message": {"role": "assistant", "content": text}}]});
    let (status, body) = match answer {
        Answer::Text(text) => (200, completion(text)),
        Answer::Status(status, words) => (status, json!({"error": {"message": words}})),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after: 0\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    // Whoever asked may be gone.
    stream.write_all((head + &body).as_bytes()).ok();
}
