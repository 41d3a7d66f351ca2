//! The worker's connection to LiveKit: carries one [`Session`] after the other.
//!
//! Rooms that run don't depend on it: while the server is away they go on by themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, error, info, warn};

use crate::{
    Error,
    backoff::Backoff,
    server::Server,
    tls,
    worker::{Capacity, Command, Event, Output, Registration, SILENCE_MAX, Session},
};

/// The connection to LiveKit, made again whenever it breaks. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Link {
    commands: mpsc::UnboundedSender<Command>,
    _end_on_drop: DropGuard,
}

impl Link {
    /// Connects and stays connected. What LiveKit wants comes out of the receiver.
    pub(crate) fn start(
        server: Arc<Server>,
        registration: Registration,
        capacity: watch::Receiver<Capacity>,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (commands, incoming) = mpsc::unbounded_channel();
        let (events, outgoing) = mpsc::unbounded_channel();
        let cancelled = CancellationToken::new();
        let task = LinkTask {
            server,
            registration,
            capacity,
            commands: incoming,
            events,
        };
        tokio::spawn(cancelled.clone().run_until_cancelled_owned(task.run()));
        (
            Self {
                commands,
                _end_on_drop: cancelled.drop_guard(),
            },
            outgoing,
        )
    }

    /// Tells LiveKit; while it is away that is of no use and does nothing.
    pub(crate) fn tell(&self, command: Command) {
        // The task ends only when this value is dropped.
        let _ = self.commands.send(command);
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How far a session came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Nothing,
    Registration,
}

impl Reached {
    fn of(session: &Session) -> Self {
        if session.is_registered() {
            Self::Registration
        } else {
            Self::Nothing
        }
    }
}

struct LinkTask {
    server: Arc<Server>,
    registration: Registration,
    capacity: watch::Receiver<Capacity>,
    // Unbounded, but every message answers one of the server's or ends one of `ROOMS_MAX` rooms.
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<Event>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RECONNECT_FIRST: Duration = Duration::from_millis(250);
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Room metadata is at most 64 KiB; nothing that the server says is much larger.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

impl LinkTask {
    async fn run(mut self) {
        let mut backoff = Backoff::new(RECONNECT_FIRST, RECONNECT_MAX);
        loop {
            match self.connect().await {
                Ok(socket) => {
                    if self.converse(socket).await == Reached::Registration {
                        backoff.reset();
                        let _ = self.events.send(Event::Lost);
                    }
                }
                Err(failure) => error!("{failure}"),
            }
            metrics::counter!("lectern_worker_reconnects_total").increment(1);
            let delay = backoff.next_delay();
            debug!(
                delay_ms = delay.as_millis() as u64,
                "connecting to LiveKit again in {delay:?}"
            );
            sleep(delay).await;
        }
    }

    async fn connect(&self) -> Result<Socket, Error> {
        let url = worker_url(self.server.url());
        let failed = |reason: String| Error::Worker {
            url: url.clone(),
            reason,
        };
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| failed(format!("no usable URL: {error}")))?;
        request.headers_mut().insert(AUTHORIZATION, self.authorization()?);
        let connector = match request.uri().scheme_str() {
            Some("wss") => {
                Connector::Rustls(tls::client_config().map_err(|error| failed(error.to_string()))?)
            }
            _ => Connector::Plain,
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let connecting = connect_async_tls_with_config(request, Some(config), true, Some(connector));
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Io(error))) => {
                let remedy = tls::remedy_of(&error);
                let remedy = remedy.unwrap_or("check LIVEKIT_URL, and that the LiveKit server runs there");
                Err(failed(format!("{error}: {remedy}")))
            }
            Ok(Err(error)) => Err(failed(reason_of(&error))),
            Err(_) => Err(failed("no answer within 10 s".to_owned())),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, Error> {
        let token = self.server.worker_token()?;
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).expect("a JWT is ASCII");
        value.set_sensitive(true);
        Ok(value)
    }

    /// Runs one session to its end, and says how far it came.
    async fn converse(&mut self, mut socket: Socket) -> Reached {
        // Answers to a session that is over mean nothing to the next one.
        while self.commands.try_recv().is_ok() {}
        let capacity = *self.capacity.borrow_and_update();
        let mut session = Session::new(&self.registration, capacity, Instant::now());
        loop {
            while let Some(output) = session.poll_output() {
                if let Err(reason) = self.perform(output, &mut socket).await {
                    warn!("lost the worker connection to LiveKit: {reason}");
                    return Reached::of(&session);
                }
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => session.handle_message(&bytes, Instant::now()),
                    Some(Ok(Message::Close(_))) | None => session.handle_close(),
                    // Pings are answered by the library; the server speaks as we do, in binary.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        warn!("lost the worker connection to LiveKit: {}", reason_of(&error));
                        return Reached::of(&session);
                    }
                },
                Some(command) = self.commands.recv() => session.handle_command(command),
                Ok(()) = self.capacity.changed() => {
                    let capacity = *self.capacity.borrow_and_update();
                    session.handle_capacity(capacity, Instant::now());
                }
                () = sleep_until(session.poll_timeout().into()) => session.handle_timeout(Instant::now()),
            }
        }
    }

    async fn perform(&self, output: Output, socket: &mut Socket) -> Result<(), String> {
        match output {
            Output::Send(bytes) => match timeout(SILENCE_MAX, socket.send(Message::binary(bytes))).await {
                Ok(sent) => sent.map_err(|error| reason_of(&error))?,
                Err(_) => return Err("the server takes no data".to_owned()),
            },
            Output::Registered {
                worker_id,
                server_version,
            } => info!(
                worker.id = worker_id,
                server.version = server_version,
                "registered with LiveKit {server_version} as worker {worker_id}"
            ),
            Output::Event(event) => {
                // Without a receiver the process is about to stop.
                let _ = self.events.send(event);
            }
            Output::Rejected(what) => {
                metrics::counter!("lectern_worker_messages_rejected_total").increment(1);
                warn!("LiveKit sent {what}");
            }
            Output::Lost(reason) => return Err(reason.to_owned()),
        }
        Ok(())
    }
}

/// `http` and `https` are what people also have in `LIVEKIT_URL`.
fn worker_url(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    let base = match base.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => base.to_owned(),
    };
    format!("{base}/agent?protocol=1")
}

fn reason_of(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Http(response) => match response.status().as_u16() {
            401 | 403 => "LiveKit refuses our key: check LIVEKIT_API_KEY and LIVEKIT_API_SECRET, and that \
                          both machines' clocks are right"
                .to_owned(),
            404 => "there is no LiveKit server at this address: check LIVEKIT_URL".to_owned(),
            status => format!("the server answered with HTTP status {status}"),
        },
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{
        AvailabilityRequest, Job, JobAssignment, RegisterWorkerRequest, RegisterWorkerResponse, Room,
        ServerMessage, WorkerMessage, server_message, worker_message,
    };
    use prost::Message as _;
    use secrecy::SecretString;
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_hdr_async;
    use tungstenite::handshake::server::{ErrorResponse, Request, Response};

    use super::*;
    use crate::{
        LiveKit, Visibility,
        worker::{Answer, Intake},
    };

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A LiveKit server as far as workers see it.
    struct FakeLiveKit(TcpListener);

    struct Connected(WebSocketStream<TcpStream>);

    impl FakeLiveKit {
        async fn start() -> (Self, LiveKit) {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a free port on loopback");
            let livekit = LiveKit {
                url: format!("http://{}", listener.local_addr().expect("a bound address")),
                api_key: "devkey".to_owned(),
                api_secret: SecretString::from("secretsecretsecretsecretsecretsecret"),
            };
            (Self(listener), livekit)
        }

        async fn accept(&self) -> Connected {
            let (stream, _) = timeout(PATIENCE, self.0.accept())
                .await
                .expect("in time")
                .expect("a connection");
            #[expect(clippy::result_large_err, reason = "the signature of the library's callback")]
            let check = |request: &Request, response: Response| {
                assert_eq!(request.uri().path(), "/agent");
                assert!(
                    request.headers()[AUTHORIZATION]
                        .to_str()
                        .expect("ASCII")
                        .starts_with("Bearer ey")
                );
                Ok::<_, ErrorResponse>(response)
            };
            Connected(accept_hdr_async(stream, check).await.expect("an upgrade"))
        }

        async fn refuse(&self, status: &str) {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = timeout(PATIENCE, self.0.accept())
                .await
                .expect("in time")
                .expect("a connection");
            assert_ne!(stream.read(&mut [0; 2048]).await.expect("a request"), 0);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("written");
        }
    }

    impl Connected {
        async fn next(&mut self) -> worker_message::Message {
            loop {
                let frame = timeout(PATIENCE, self.0.next())
                    .await
                    .expect("in time")
                    .expect("open")
                    .expect("no error");
                if let Message::Binary(bytes) = frame {
                    return WorkerMessage::decode(bytes)
                        .expect("a WorkerMessage")
                        .message
                        .expect("not empty");
                }
            }
        }

        async fn send(&mut self, message: server_message::Message) {
            let bytes = ServerMessage {
                message: Some(message),
            }
            .encode_to_vec();
            self.0.send(Message::binary(bytes)).await.expect("sent");
        }

        /// Takes the registration and answers it.
        async fn register(&mut self) -> RegisterWorkerRequest {
            let worker_message::Message::Register(request) = self.next().await else {
                panic!("the first message is a registration");
            };
            let response = RegisterWorkerResponse {
                worker_id: "AW_1".to_owned(),
                ..Default::default()
            };
            self.send(server_message::Message::Register(response)).await;
            request
        }
    }

    struct Worker {
        link: Link,
        events: mpsc::UnboundedReceiver<Event>,
        _capacity: watch::Sender<Capacity>,
    }

    impl Worker {
        fn start(livekit: LiveKit) -> Self {
            let registration = Registration {
                agent_name: "notes".to_owned(),
                visibility: Visibility::Hidden,
            };
            let capacity = watch::Sender::new(Capacity {
                rooms: 0,
                rooms_max: 4,
                intake: Intake::Open,
            });
            let (link, events) =
                Link::start(Arc::new(Server::new(livekit)), registration, capacity.subscribe());
            Self {
                link,
                events,
                _capacity: capacity,
            }
        }

        async fn next(&mut self) -> Event {
            timeout(PATIENCE, self.events.recv())
                .await
                .expect("in time")
                .expect("the link lives")
        }
    }

    fn job(id: &str, room: &str) -> Option<Job> {
        let room = Room {
            name: room.to_owned(),
            sid: "RM_1".to_owned(),
            ..Default::default()
        };
        Some(Job {
            id: id.to_owned(),
            room: Some(room),
            ..Default::default()
        })
    }

    #[tokio::test]
    async fn worker_registers_answers_and_gets_its_room() {
        let (fake, livekit) = FakeLiveKit::start().await;
        let mut worker = Worker::start(livekit);
        let mut server = fake.accept().await;
        assert_eq!(server.register().await.agent_name, "notes");
        assert!(matches!(worker.next().await, Event::Registered));
        assert!(matches!(
            server.next().await,
            worker_message::Message::UpdateWorker(_)
        ));

        let question = AvailabilityRequest {
            job: job("AJ_1", "physics"),
            resuming: false,
        };
        server.send(server_message::Message::Availability(question)).await;
        let Event::Asked { job: id, .. } = worker.next().await else {
            panic!("expected a question")
        };
        worker.link.tell(Command::Answer(id, Answer::Take));
        let worker_message::Message::Availability(answer) = server.next().await else {
            panic!("expected an answer");
        };
        assert!(answer.available && answer.job_id == "AJ_1");

        let assignment = JobAssignment {
            job: job("AJ_1", "physics"),
            url: None,
            token: "a.b.c".to_owned(),
        };
        server.send(server_message::Message::Assignment(assignment)).await;
        let Event::Assigned { room, token, .. } = worker.next().await else {
            panic!("expected an assignment")
        };
        assert_eq!((room.name.as_str(), room.sid.as_str()), ("physics", "RM_1"));
        assert_eq!(token.expose_secret(), "a.b.c");
    }

    #[tokio::test]
    async fn worker_registers_again_after_every_kind_of_break() {
        let (fake, livekit) = FakeLiveKit::start().await;
        let mut worker = Worker::start(livekit);
        fake.refuse("401 Unauthorized").await;
        fake.refuse("503 Service Unavailable").await;
        for kind in ["dropped", "closed", "sent away"] {
            let mut server = fake.accept().await;
            server.register().await;
            assert!(
                matches!(worker.next().await, Event::Registered),
                "before being {kind}"
            );
            match kind {
                "dropped" => drop(server),
                "closed" => server.0.close(None).await.expect("closed"),
                _ => {
                    server
                        .send(server_message::Message::GoAway(Default::default()))
                        .await
                }
            }
            assert!(matches!(worker.next().await, Event::Lost), "after being {kind}");
        }
    }

    #[tokio::test]
    async fn worker_survives_garbage() {
        let (fake, livekit) = FakeLiveKit::start().await;
        let mut worker = Worker::start(livekit);
        let mut server = fake.accept().await;
        server
            .0
            .send(Message::binary(vec![0xff; 4000]))
            .await
            .expect("sent");
        server
            .0
            .send(Message::text("{\"register\":"))
            .await
            .expect("sent");
        server.0.send(Message::binary(Vec::new())).await.expect("sent");
        server.register().await;
        assert!(matches!(worker.next().await, Event::Registered));
    }

    #[tokio::test]
    async fn refusals_say_what_to_do() {
        for (status, expected) in [
            ("401 Unauthorized", "LIVEKIT_API_KEY"),
            ("404 Not Found", "LIVEKIT_URL"),
        ] {
            let (fake, livekit) = FakeLiveKit::start().await;
            let (_sender, commands) = mpsc::unbounded_channel();
            let capacity = watch::Sender::new(Capacity {
                rooms: 0,
                rooms_max: 4,
                intake: Intake::Open,
            });
            let task = LinkTask {
                server: Arc::new(Server::new(livekit)),
                registration: Registration {
                    agent_name: String::new(),
                    visibility: Visibility::Visible,
                },
                capacity: capacity.subscribe(),
                commands,
                events: mpsc::unbounded_channel().0,
            };
            let (connected, ()) = tokio::join!(task.connect(), fake.refuse(status));
            let error = connected.expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn livekit_s_address_may_be_given_for_any_of_its_services() {
        for (given, expected) in [
            ("ws://localhost:7880", "ws://localhost:7880/agent?protocol=1"),
            (
                "https://rooms.example.org/",
                "wss://rooms.example.org/agent?protocol=1",
            ),
            ("http://127.0.0.1:8180", "ws://127.0.0.1:8180/agent?protocol=1"),
        ] {
            assert_eq!(worker_url(given), expected);
        }
    }
}
