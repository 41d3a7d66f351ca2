//! A recogniser that speaks Deepgram's protocol, hears numbered bursts and nothing else, and fails when told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
    },
};

use crate::{
    children::{orders, report},
    ear::{Ear, Heard, Silence, Words},
    measure::now_ms,
};

/// What the bench tells the recogniser.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Fail like this, for so many milliseconds.
    Fail(Failure, u64),
    /// Answer this many milliseconds later than one could.
    Delay(u64),
}

/// How a recogniser can fail. Connections break, but for a hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    /// New connections are taken at once.
    Close,
    /// Nobody listens.
    Refuse,
    /// New connections are answered 503.
    Unavailable,
    /// New connections are answered 429.
    Busy,
    /// Nothing is read, written or answered; then everything goes on.
    Hang,
}

/// What the recogniser tells the bench.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It can be reached there.
    Listening { port: u16 },
    /// It has sent the words of a burst.
    Said(Said),
    /// A connection is over: what it was sent.
    Closed(Silence),
}

/// Words sent. Times are the machine's, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) connection: u64,
    pub(crate) number: u8,
    pub(crate) is_final: bool,
    /// When the audio came that made it sure.
    pub(crate) heard_at: f64,
    pub(crate) said_at: f64,
    /// The silence that it has to hear before a final.
    pub(crate) endpointing_ms: u64,
}

/// Runs until the bench goes.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    report(&Report::Listening { port: address.port() });
    let recogniser = Arc::new(Recogniser {
        failing: watch::Sender::new(None),
        breaks: watch::Sender::new(()),
        delay_ms: AtomicU64::new(0),
        connections: AtomicU64::new(0),
    });
    tokio::spawn(listen(Arc::clone(&recogniser), listener, address));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Delay(millis) => recogniser.delay_ms.store(millis, Ordering::Relaxed),
            Order::Fail(failure, millis) => recogniser.fail(failure, Duration::from_millis(millis)).await,
        }
    }
    Ok(())
}

struct Recogniser {
    failing: watch::Sender<Option<Failure>>,
    /// Whoever hears of a change drops its connection.
    breaks: watch::Sender<()>,
    delay_ms: AtomicU64,
    connections: AtomicU64,
}

impl Recogniser {
    async fn fail(&self, failure: Failure, time: Duration) {
        self.failing.send_replace(Some(failure));
        if failure != Failure::Hang {
            self.breaks.send_replace(());
        }
        sleep(time).await;
        self.failing.send_replace(None);
    }

    async fn until_not(&self, failure: Failure) {
        let mut failing = self.failing.subscribe();
        let over = failing.wait_for(|present| *present != Some(failure)).await;
        over.expect("the sender lives as long as self");
    }

    async fn until_broken(&self) {
        let changed = self.breaks.subscribe().changed().await;
        changed.expect("the sender lives as long as self");
    }
}

async fn listen(recogniser: Arc<Recogniser>, listener: TcpListener, address: SocketAddr) {
    let mut listener = Some(listener);
    let mut failing = recogniser.failing.subscribe();
    loop {
        if *failing.borrow_and_update() == Some(Failure::Refuse) {
            // A port that nobody listens on refuses.
            drop(listener.take());
            recogniser.until_not(Failure::Refuse).await;
        }
        if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.expect("our own port is free"));
        }
        let accepting = listener.as_ref().expect("it was just bound").accept();
        tokio::select! {
            accepted = accepting => if let Ok((stream, _)) = accepted {
                tokio::spawn(receive(Arc::clone(&recogniser), stream));
            },
            _ = failing.changed() => {}
        }
    }
}

/// One connection, from its first byte to its last.
async fn receive(recogniser: Arc<Recogniser>, mut stream: TcpStream) {
    let answer = match *recogniser.failing.borrow() {
        Some(Failure::Unavailable) => Some("503 Service Unavailable"),
        Some(Failure::Busy) => Some("429 Too Many Requests"),
        _ => None,
    };
    if let Some(answer) = answer {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // Whether that could be written is of no interest.
        stream.write_all(answer.as_bytes()).await.ok();
        stream.shutdown().await.ok();
        // Closed at once, the answer could be lost with what was not read.
        sleep(Duration::from_millis(100)).await;
        return;
    }
    recogniser.until_not(Failure::Hang).await;
    stream.set_nodelay(true).ok();
    let mut endpointing_ms = DEFAULT_ENDPOINTING_MS;
    #[expect(clippy::result_large_err, reason = "the signature of the library's callback")]
    let read_query = |request: &Request, response: Response| {
        endpointing_ms = endpointing_of(request.uri().query().unwrap_or_default());
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async(stream, read_query).await else {
        return;
    };
    let mut ear = Ear::new(endpointing_ms);
    tokio::select! {
        () = converse(&recogniser, socket, &mut ear, endpointing_ms) => {}
        () = recogniser.until_broken() => {}
    }
    report(&Report::Closed(ear.silence()));
}

fn endpointing_of(query: &str) -> u64 {
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("endpointing="));
    given
        .and_then(|millis| millis.parse().ok())
        .unwrap_or(DEFAULT_ENDPOINTING_MS)
}

async fn converse(
    recogniser: &Recogniser,
    socket: WebSocketStream<TcpStream>,
    ear: &mut Ear,
    endpointing_ms: u64,
) {
    let (sink, stream) = socket.split();
    let (answers, queue) = mpsc::unbounded_channel();
    let mut conversation = Conversation {
        recogniser,
        ear,
        endpointing_ms,
        connection: recogniser.connections.fetch_add(1, Ordering::Relaxed),
        answers,
    };
    tokio::join!(
        async move {
            conversation.hear_all(stream).await;
            // Dropped here with its sender: what is queued is still said.
        },
        say_all(recogniser, sink, queue),
    );
}

struct Conversation<'a> {
    recogniser: &'a Recogniser,
    ear: &'a mut Ear,
    endpointing_ms: u64,
    connection: u64,
    answers: mpsc::UnboundedSender<Answer>,
}

/// Why something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Interim,
    /// The burst is over, by silence or with the stream.
    Silence,
    Finalize,
}

struct Answer {
    due: Instant,
    message: Message,
    /// What the bench is told of it.
    said: Option<Said>,
}

impl Conversation<'_> {
    async fn hear_all(&mut self, mut stream: SplitStream<WebSocketStream<TcpStream>>) {
        while let Some(Ok(message)) = stream.next().await {
            self.recogniser.until_not(Failure::Hang).await;
            match message {
                Message::Binary(audio) if audio.is_empty() => return,
                Message::Binary(audio) => {
                    for heard in self.ear.listen(&audio) {
                        self.answer(heard);
                    }
                }
                Message::Text(text) if text.contains("Finalize") => match self.ear.finalize() {
                    Some(words) => self.results(&words, Occasion::Finalize),
                    None => self.nothing(),
                },
                Message::Text(text) if text.contains("CloseStream") => {
                    if let Some(words) = self.ear.finalize() {
                        self.results(&words, Occasion::Silence);
                    }
                    self.queue(
                        json!({"type": "Metadata", "channels": 1}).to_string().into(),
                        None,
                    );
                    return self.queue(Message::Close(None), None);
                }
                Message::Close(_) => return,
                _ => {}
            }
        }
    }

    fn answer(&self, heard: Heard) {
        match heard {
            Heard::Interim(words) => self.results(&words, Occasion::Interim),
            Heard::Final(words) => self.results(&words, Occasion::Silence),
            Heard::UtteranceEnd(at) => {
                let message = json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": at});
                self.queue(message.to_string().into(), None);
            }
        }
    }

    fn results(&self, words: &Words, occasion: Occasion) {
        let text = match words.number {
            Some(number) => format!("burst {}", word(number, self.connection)),
            None => "noise".to_owned(),
        };
        let said = words.number.map(|number| Said {
            connection: self.connection,
            number,
            is_final: occasion != Occasion::Interim,
            heard_at: now_ms(),
            said_at: 0.0,
            endpointing_ms: self.endpointing_ms,
        });
        let spoken = spoken_words(&text, words.start, words.end);
        self.queue(self.message(&text, &spoken, words.results, occasion), said);
    }

    /// What `Finalize` gets while nothing is being said.
    fn nothing(&mut self) {
        let covered = self.ear.nothing();
        self.queue(self.message("", &[], covered, Occasion::Finalize), None);
    }

    fn message(&self, text: &str, words: &[Value], (from, until): (f64, f64), occasion: Occasion) -> Message {
        let request = format!("bench-{}", self.connection);
        let message = json!({
            "type": "Results", "channel_index": [0, 1], "start": from, "duration": until - from,
            "is_final": occasion != Occasion::Interim, "speech_final": occasion == Occasion::Silence,
            "from_finalize": occasion == Occasion::Finalize,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.99, "words": words}]},
            "metadata": {"request_id": request, "model_uuid": request, "model_info": {"name": "bench"}},
        });
        message.to_string().into()
    }

    fn queue(&self, message: Message, said: Option<Said>) {
        let delay = Duration::from_millis(self.recogniser.delay_ms.load(Ordering::Relaxed));
        let due = Instant::now() + delay;
        // Nobody takes it when the connection is over, which is noticed elsewhere.
        self.answers.send(Answer { due, message, said }).ok();
    }
}

fn spoken_words(text: &str, start: f64, end: f64) -> Vec<Value> {
    let parts: Vec<&str> = text.split(' ').collect();
    let length = (end - start) / parts.len() as f64;
    let timed = parts.iter().enumerate().map(|(index, part)| {
        let start = start + length * index as f64;
        json!({"word": part, "punctuated_word": part, "start": start, "end": start + length, "confidence": 0.99})
    });
    timed.collect()
}

/// Says what is due, until nothing more will come or the other side is gone.
async fn say_all(
    recogniser: &Recogniser,
    mut sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut queue: mpsc::UnboundedReceiver<Answer>,
) {
    while let Some(Answer { due, message, said }) = queue.recv().await {
        sleep_until(due).await;
        recogniser.until_not(Failure::Hang).await;
        if sink.send(message).await.is_err() {
            return;
        }
        if let Some(said) = said {
            let said_at = now_ms();
            report(&Report::Said(Said { said_at, ..said }));
        }
    }
}

/// The word by which a burst can be known again in a caption, and the connection that heard it.
fn word(number: u8, connection: u64) -> String {
    format!("n{number}c{connection}")
}

/// Number and connection of every burst in a caption or a transcript.
pub(crate) fn bursts_in(text: &str) -> Vec<(u8, u64)> {
    let number_and_connection = |word: &str| {
        let (number, connection) = word.strip_prefix('n')?.split_once('c')?;
        Some((number.parse().ok()?, connection.parse().ok()?))
    };
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(number_and_connection)
        .collect()
}

/// Deepgram's own.
const DEFAULT_ENDPOINTING_MS: u64 = 10;
