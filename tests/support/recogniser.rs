//! A recogniser whose behaviour a test changes while it runs: our own real one, or one of the ways in which they fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// The recogniser of `lectern stt`.
pub(crate) struct Engine {
    address: SocketAddr,
    _task: JoinSet<()>,
}

/// An address for `DEEPGRAM_URL`, and what new connections meet there.
pub(crate) struct Recogniser {
    pub(crate) url: String,
    behaviour: watch::Sender<Behaviour>,
    /// Whoever hears of a change drops its connection.
    breaks: watch::Sender<()>,
    /// Connections that were sent audio by somebody who was answered.
    listened_to: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

/// What a connection meets, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// The engine.
    Real,
    /// This status instead of an upgrade.
    Refusing(u16),
    /// Text that is no message of the protocol, as often as audio comes.
    Babbling,
    /// Binary messages, which the protocol hasn't in this direction.
    Noisy,
    /// It takes everything and says nothing.
    Silent,
    /// It says [`HEARD`] of all that it is sent, with the right times.
    Hearing,
    /// It thinks that it hears [`GHOST`] and withdraws it when the utterance is over.
    Withdrawing,
}

/// One word for an utterance, whatever was said.
pub(crate) const HEARD: &str = "heard";
/// What nobody said.
pub(crate) const GHOST: &str = "a ghost";

impl Engine {
    pub(crate) async fn start() -> Self {
        let listener = listen().await;
        let address = listener.local_addr().expect("it is bound");
        let server = lectern_stt::Server::start(lectern_stt::Config::for_this_machine())
            .await
            .expect("the embedded recogniser starts: scripts/setup test");
        let mut task = JoinSet::new();
        task.spawn(async move {
            server
                .serve(listener, std::future::pending())
                .await
                .expect("it serves")
        });
        Self { address, _task: task }
    }

    /// Where it listens, on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// An address of its own, behind which the engine is if nothing fails.
    pub(crate) async fn behind(&self, first: Behaviour) -> Recogniser {
        let listener = listen().await;
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (behaviour, current) = watch::channel(first);
        let (breaks, listened_to) = (watch::Sender::new(()), Arc::new(AtomicUsize::new(0)));
        let (broken, listens) = (breaks.clone(), Arc::clone(&listened_to));
        let engine = self.address;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let behaviour = *current.borrow();
                let (mut broken, listens) = (broken.subscribe(), Arc::clone(&listens));
                connections.spawn(async move {
                    tokio::select! {
                        () = meet(stream, behaviour, engine, &listens) => {}
                        _ = broken.changed() => {}
                    }
                });
            }
        });
        Recogniser {
            url,
            behaviour,
            breaks,
            listened_to,
            _task: task,
        }
    }
}

impl Recogniser {
    /// What connections meet that are made from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// The same, and those that there are break.
    pub(crate) fn fail(&self, behaviour: Behaviour) {
        self.behave(behaviour);
        self.breaks.send_replace(());
    }

    /// How many connections [`Behaviour::Hearing`] was sent audio over.
    pub(crate) fn listened_to(&self) -> usize {
        self.listened_to.load(Ordering::Relaxed)
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// Ends when either side does; why is of no interest here.
async fn meet(mut stream: TcpStream, behaviour: Behaviour, engine: SocketAddr, listens: &AtomicUsize) {
    match behaviour {
        Behaviour::Real => {
            let mut recogniser = TcpStream::connect(engine).await.expect("it listens");
            copy_bidirectional(&mut stream, &mut recogniser).await.ok();
        }
        Behaviour::Refusing(status) => refuse(stream, status).await,
        Behaviour::Babbling => answer_audio(stream, |_| Some(Message::text("}{ no such message"))).await,
        Behaviour::Noisy => answer_audio(stream, |_| Some(Message::binary(vec![0xff; 4000]))).await,
        Behaviour::Silent => answer_audio(stream, |_| None).await,
        Behaviour::Hearing => answer_audio(stream, Stream::default().hearing(listens)).await,
        Behaviour::Withdrawing => answer_audio(stream, Stream::default().imagining()).await,
    }
}

async fn refuse(mut stream: TcpStream, status: u16) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok();
    // Closed at once, the answer might be lost with the connection.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn answer_audio(stream: TcpStream, mut answer: impl FnMut(&Message) -> Option<Message>) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if matches!(&message, Message::Text(text) if text.contains("CloseStream")) {
            socket.send(Message::text(r#"{"type":"Metadata"}"#)).await.ok();
            socket.close(None).await.ok();
        } else if let Some(answer) = answer(&message)
            && socket.send(answer).await.is_err()
        {
            return;
        }
    }
}

/// Where a stream of audio stands, in seconds.
#[derive(Debug, Default)]
struct Stream {
    sent: f64,
    answered: f64,
}

impl Stream {
    fn hearing(mut self, listens: &AtomicUsize) -> impl FnMut(&Message) -> Option<Message> {
        move |message| match message {
            Message::Binary(audio) => {
                if self.sent == 0.0 {
                    listens.fetch_add(1, Ordering::Relaxed);
                }
                self.sent += audio.len() as f64 / BYTES_PER_SECOND;
                Some(self.results(HEARD, false))
            }
            Message::Text(text) if text.contains("Finalize") => {
                let answer = self.results(HEARD, true);
                self.answered = self.sent;
                Some(answer)
            }
            _ => None,
        }
    }

    fn imagining(mut self) -> impl FnMut(&Message) -> Option<Message> {
        move |message| match message {
            Message::Binary(audio) => {
                self.sent += audio.len() as f64 / BYTES_PER_SECOND;
                Some(self.results(GHOST, false))
            }
            Message::Text(text) if text.contains("Finalize") => {
                let answer = self.results("", true);
                self.answered = self.sent;
                Some(answer)
            }
            _ => None,
        }
    }

    fn results(&self, transcript: &str, is_final: bool) -> Message {
        let results = json!({
            "type": "Results", "start": self.answered, "duration": self.sent - self.answered, "is_final": is_final,
            "speech_final": is_final, "from_finalize": is_final,
            "channel": {"alternatives": [{"transcript": transcript, "confidence": 0.5, "words": []}]},
        });
        Message::text(results.to_string())
    }
}

/// 16-bit samples at 16 kHz.
const BYTES_PER_SECOND: f64 = 32_000.0;
