//! Drives one [`Session`] over its websocket and its turns at a decoder.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::pool::{Pool, Said, Speaker};
use crate::session::{Answer, Command, Input, Output, Session};

/// Commands for which reading goes on though no decoder takes them; then the client is made to wait.
const PENDING_COMMANDS_MAX: usize = 64;
/// Time that a client may take to accept a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time that a client may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A session and what it is connected to.
pub(crate) struct Stream {
    session: Session,
    socket: WebSocket,
    line: Line,
    said: mpsc::UnboundedReceiver<Said>,
    began: Instant,
}

/// Why a stream's loop ends.
enum Ended {
    /// The session closed it.
    Closed { code: u16, reason: String },
    /// The client is gone.
    Gone,
}

/// What happens next.
enum Event {
    Received(Option<Result<Message, axum::Error>>),
    Said(Said),
    LineMoved,
    TimedOut,
    Shutdown,
}

impl Stream {
    /// Connects a session that begins now.
    pub(crate) fn new(session: Session, socket: WebSocket, pool: Arc<Pool>, speaker: Speaker) -> Self {
        let (sender, said) = mpsc::unbounded_channel();
        let line = Line {
            pool,
            speaker: Arc::new(speaker),
            said: sender,
            pending: VecDeque::new(),
            turn: Turn::None,
        };
        Self {
            session,
            socket,
            line,
            said,
            began: Instant::now(),
        }
    }

    /// Runs until the session or its client ends it.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut stopping = false;
        let mut was_reading = true;
        loop {
            if let Err(ended) = self.perform().await {
                return self.end(ended).await;
            }
            let reading = self.line.pending.len() < PENDING_COMMANDS_MAX;
            if reading && !was_reading {
                self.session.handle(Input::Resumed, self.began.elapsed());
            }
            was_reading = reading;
            let deadline = self.session.poll_timeout().filter(|_| reading);
            let event = tokio::select! {
                message = self.socket.recv(), if reading => Event::Received(message),
                Some(said) = self.said.recv() => Event::Said(said),
                () = self.line.advance(), if !self.line.pending.is_empty() => Event::LineMoved,
                () = sleep_until(self.began + deadline.unwrap_or_default()), if deadline.is_some() => Event::TimedOut,
                _ = shutdown.wait_for(|stop| *stop), if !stopping => Event::Shutdown,
            };
            stopping |= matches!(event, Event::Shutdown);
            if let Err(ended) = self.handle(event) {
                return self.end(ended).await;
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Ended> {
        let now = self.began.elapsed();
        match event {
            Event::Received(Some(Ok(Message::Binary(bytes)))) => {
                self.session.handle(Input::Audio(&bytes), now)
            }
            Event::Received(Some(Ok(Message::Text(text)))) => self.session.handle(Input::Text(&text), now),
            Event::Received(Some(Ok(Message::Ping(_) | Message::Pong(_)))) | Event::LineMoved => {}
            Event::Received(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Err(Ended::Gone),
            Event::Said(Said::Answer(ticket, answer)) => {
                self.session.handle(Input::Answer(ticket, answer), now);
            }
            Event::Said(Said::Failed(error)) => {
                tracing::error!(%error, "the recogniser failed: {error}");
                self.session.handle(Input::EngineFailed, now);
            }
            Event::TimedOut => self.session.handle_timeout(now),
            Event::Shutdown => self.session.handle(Input::Shutdown, now),
        }
        Ok(())
    }

    async fn perform(&mut self) -> Result<(), Ended> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Reply(reply) => {
                    let text = serde_json::to_string(&reply).expect("replies have no maps with odd keys");
                    self.send(Message::text(text)).await?;
                }
                Output::Engine(command) => {
                    if let Some(overtaken) = self.line.push(command) {
                        let answer = Input::Answer(overtaken, Answer::Overtaken);
                        self.session.handle(answer, self.began.elapsed());
                    }
                }
                Output::Close { code, reason } => return Err(Ended::Closed { code, reason }),
            }
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Gone),
        }
    }

    async fn end(mut self, ended: Ended) {
        let Ended::Closed { code, reason } = ended else {
            return;
        };
        tracing::debug!(code, reason, "stream closed with {code}");
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if self.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        // What the client still sends is read: a socket closed over unread bytes takes our last words with it.
        let unread = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(CLOSE_TIMEOUT, unread).await;
    }
}

/// A stream's place in front of the decoders.
struct Line {
    pool: Arc<Pool>,
    speaker: Arc<Speaker>,
    said: mpsc::UnboundedSender<Said>,
    pending: VecDeque<Command>,
    turn: Turn,
}

/// How far a stream is with getting a decoder.
enum Turn {
    /// It has none and asked for none.
    None,
    /// It waits.
    Waiting(Pin<Box<dyn Future<Output = mpsc::Sender<Command>> + Send>>),
    /// It has one.
    Taken(mpsc::Sender<Command>),
}

impl Line {
    /// Appends a command; returns the question that it makes pointless.
    fn push(&mut self, command: Command) -> Option<crate::session::Ticket> {
        let mut overtaken = None;
        if let Command::Guess(_) = command {
            let place = self
                .pending
                .iter()
                .position(|command| matches!(command, Command::Guess(_)));
            if let Some(Command::Guess(ticket)) = place.and_then(|place| self.pending.remove(place)) {
                overtaken = Some(ticket);
            }
        }
        self.pending.push_back(command);
        overtaken
    }

    /// Does the next step for the first pending command. Can be dropped at any await without losing one.
    async fn advance(&mut self) {
        match &mut self.turn {
            Turn::None => {
                let waiting = self
                    .pool
                    .clone()
                    .utterance(self.speaker.clone(), self.said.clone());
                self.turn = Turn::Waiting(Box::pin(waiting));
            }
            Turn::Waiting(waiting) => self.turn = Turn::Taken(waiting.await),
            Turn::Taken(decoder) => {
                let mut over = true;
                if let Ok(place) = decoder.reserve().await {
                    let Some(command) = self.pending.pop_front() else {
                        return;
                    };
                    over = matches!(command, Command::Finish(_));
                    place.send(command);
                } else {
                    // The decoder failed, and says so by itself.
                    self.pending.clear();
                }
                if over {
                    self.turn = Turn::None;
                }
            }
        }
    }
}
