//! Websocket connections to recognisers that speak Deepgram's protocol, each a small task of its own.
//!
//! What is said over a connection, and when another one is wanted, the core decides; this file only carries it. Which of
//! several recognisers takes it, `failover.rs` decides.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Uri, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, Span, debug, info, warn};

use lectern_pipelines::{ConnectionId, STT_CLOSE_STREAM, SttEnd, SttPurpose, stt_path_of_model};

use crate::{
    Stt, SttServer,
    failover::{self, Failover},
    roster::{Roster, now},
    tls,
};

/// A recogniser's base URL: `https`, `wss`, `http` or `ws`, a host, perhaps a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SttUrl {
    /// `ws` or `wss`, host, port and path, without a slash at the end.
    base: String,
    host: String,
    port: u16,
}

/// Why a text is no recogniser URL, or a key no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SttConfigError {
    /// Not a URL with scheme and host.
    #[error("the recogniser's URL needs a scheme and a host, as in https://api.deepgram.com")]
    NotAUrl,
    /// A scheme that no websocket goes over.
    #[error("the recogniser's URL begins with {0}://; https, wss, http and ws are possible")]
    Scheme(String),
    /// A user name or password in the URL, where logs would show it.
    #[error("the recogniser's URL contains a user name; the key belongs into DEEPGRAM_API_KEY")]
    Credentials,
    /// Something after a question mark; the core adds the query.
    #[error("the recogniser's URL contains a query; model and language have settings of their own")]
    Query,
    /// A key with characters that no HTTP header can carry.
    #[error(
        "DEEPGRAM_API_KEY contains characters that no HTTP header can carry; was it copied with a line break?"
    )]
    Key,
}

impl SttUrl {
    /// Takes `text` for a base URL.
    pub fn parse(text: &str) -> Result<Self, SttConfigError> {
        let uri: Uri = text.trim().parse().map_err(|_| SttConfigError::NotAUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(SttConfigError::NotAUrl);
        };
        let (scheme, port) = match scheme {
            "https" | "wss" => ("wss", 443),
            "http" | "ws" => ("ws", 80),
            other => return Err(SttConfigError::Scheme(other.to_owned())),
        };
        if authority.as_str().contains('@') {
            return Err(SttConfigError::Credentials);
        }
        if uri.query().is_some() {
            return Err(SttConfigError::Query);
        }
        let port = authority.port_u16().unwrap_or(port);
        // Whoever pasted the whole address means the same.
        let path = uri.path().trim_end_matches('/').trim_end_matches("/v1/listen");
        Ok(Self {
            base: format!("{scheme}://{}:{port}{path}", authority.host()),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
        })
    }

    /// Host and port, for people.
    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The recogniser as this process sees it: one for all rooms, perhaps with others that serve while it is away.
#[derive(Debug)]
pub struct Recogniser {
    places: Arc<[Place]>,
    roster: Arc<Roster>,
    sockets: Arc<Semaphore>,
    /// Of these, for what is late.
    lanes: Arc<Semaphore>,
}

/// Where a recogniser is, and how it is asked.
#[derive(Debug)]
struct Place {
    url: SttUrl,
    authorization: Option<HeaderValue>,
    /// The model that this one is asked for, if it is not the one that the core asks for.
    model: Option<String>,
}

/// What comes of a connection, in this order: perhaps `Opened`, messages, and `Ended` at last.
#[derive(Debug)]
pub struct SttNews {
    /// The connection this is about.
    pub connection: ConnectionId,
    /// What happened to it.
    pub event: SttEvent,
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum SttEvent {
    /// The recogniser accepted it.
    Opened,
    /// The recogniser said something.
    Message(SttMessage),
    /// A recogniser that is wanted more is back: the next pause is a good time to connect anew.
    Outdated,
    /// It is over, or never came to be.
    Ended(SttEnd),
}

/// A text message of the recogniser; its content shows in no log.
pub struct SttMessage {
    text: Utf8Bytes,
    /// When it came.
    pub received: Instant,
}

/// A connection as the driver holds it: dropped here, it ends without further ado.
#[derive(Debug)]
pub struct SttSocket {
    outgoing: mpsc::Sender<Message>,
    _end_on_drop: DropGuard,
}

/// More was to be sent than the network took for a long time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketStuck;

/// TCP, TLS and the upgrade together may take so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the reason of a broken connection is waited for.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// What a probe may take from the upgrade to the answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is looked at whose audio nobody answers.
const VIGIL_EVERY: Duration = Duration::from_secs(1);
/// Half a second of audio: some recognisers say nothing to the silence behind the last word.
const SILENT_TAIL_BYTES: usize = 16_000;
const HUNG: &str = "it took audio for 10 s and said nothing";
/// A stream that nobody will hear anything of.
pub(crate) const PROBE_PATH: &str = "/v1/listen?encoding=linear16&sample_rate=16000&channels=1";
/// Codes of websocket close frames: all is well, and a frame without a code.
const NORMAL: u16 = 1000;
const NO_STATUS: u16 = 1005;
/// Frames that wait for the network, each 20 to 250 ms of audio: what was kept through an outage may come at once.
const OUTGOING_FRAMES_MAX: usize = 1024;
/// An hour of words would fit; no answer to a few seconds of audio is larger.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Per connection: replies are small, and there may be hundreds of connections.
const READ_BUFFER_BYTES: usize = 4096;
/// What of a server's own words about an error is logged.
const SERVER_WORDS_BYTES_MAX: usize = 120;

impl Recogniser {
    /// Prepares connections; none is made yet.
    pub fn new(settings: &Stt) -> Result<Self, SttConfigError> {
        let asked = &settings.settings.model;
        let places: Arc<[Place]> = settings
            .servers
            .iter()
            .map(|server| Place::new(server, asked))
            .collect::<Result<_, _>>()?;
        if places.is_empty() {
            return Err(SttConfigError::NotAUrl);
        }
        Ok(Self {
            roster: Arc::new(Roster::new(places.iter().map(|place| place.url.name()).collect())),
            places,
            // None at all would be a wait without end.
            sockets: Arc::new(Semaphore::new(settings.sockets_max.max(1) as usize)),
            lanes: Arc::new(Semaphore::new(settings.lanes_max.max(1) as usize)),
        })
    }

    /// Begins a connection. Everything that comes of it goes to `news`.
    pub fn open(
        &self,
        connection: ConnectionId,
        purpose: SttPurpose,
        path_and_query: &str,
        news: mpsc::Sender<SttNews>,
    ) -> SttSocket {
        let (sender, outgoing) = mpsc::channel(OUTGOING_FRAMES_MAX);
        let cancelled = CancellationToken::new();
        let task = ConnectionTask {
            connection,
            path_and_query: path_and_query.to_owned(),
            places: Arc::clone(&self.places),
            roster: Arc::clone(&self.roster),
            lanes: (purpose == SttPurpose::Late).then(|| Arc::clone(&self.lanes)),
            sockets: Arc::clone(&self.sockets),
            news,
        };
        tokio::spawn(
            cancelled
                .clone()
                .run_until_cancelled_owned(task.run(outgoing))
                .instrument(Span::current()),
        );
        SttSocket {
            outgoing: sender,
            _end_on_drop: cancelled.drop_guard(),
        }
    }

    /// Follows what people should know of who serves; none where there is but one recogniser.
    pub(crate) fn standing(&self) -> Option<impl Fn() -> Result<(), String> + Send + Sync + 'static> {
        let (serving, roster) = (self.roster.serving(), Arc::clone(&self.roster));
        roster.has_several().then_some(move || match *serving.borrow() {
            Some(0) => Ok(()),
            Some(index) => Err(format!(
                "{} is away; {} serves",
                roster.name(0),
                roster.name(index)
            )),
            None => Err("no recogniser answers; what is said is kept".to_owned()),
        })
    }
}

impl Place {
    fn new(server: &SttServer, asked: &Option<String>) -> Result<Self, SttConfigError> {
        Ok(Self {
            url: SttUrl::parse(&server.base_url)?,
            authorization: server.api_key.as_ref().map(authorization_of).transpose()?,
            model: server.model.clone().filter(|model| Some(model) != asked.as_ref()),
        })
    }

    async fn connect(&self, path_and_query: &str) -> Result<Socket, Ending> {
        match timeout(CONNECT_TIMEOUT, self.upgrade(path_and_query)).await {
            Ok(result) => result,
            Err(_) => Err(Ending::failed("no answer within 5 s")),
        }
    }

    async fn upgrade(&self, path_and_query: &str) -> Result<Socket, Ending> {
        let request = self
            .request(path_and_query)
            .ok_or_else(|| Ending::failed("the request makes no URL"))?;
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port))
            .await
            .map_err(Ending::of_io)?;
        stream.set_nodelay(true).map_err(Ending::of_io)?;
        let connector = match request.uri().scheme_str() {
            Some("wss") => {
                Connector::Rustls(tls::client_config().map_err(|error| Ending::failed(&error.to_string()))?)
            }
            _ => Connector::Plain,
        };
        let (socket, _) =
            client_async_tls_with_config(request, stream, Some(websocket_config()), Some(connector))
                .await
                .map_err(Ending::of_websocket)?;
        Ok(socket)
    }

    /// The upgrade request, or nothing where the core's path is no path.
    fn request(&self, path_and_query: &str) -> Option<Request> {
        let path_and_query = match &self.model {
            Some(model) => &stt_path_of_model(path_and_query, model),
            None => path_and_query,
        };
        let mut request = format!("{}{path_and_query}", self.url.base)
            .into_client_request()
            .ok()?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        Some(request)
    }

    /// Asks for nothing, and for the end of it: whoever answers that works. No audio, so it costs nothing.
    async fn probe(&self) -> Result<(), SttEnd> {
        let mut socket = self.connect(PROBE_PATH).await.map_err(|refusal| refusal.end)?;
        let asked = socket.send(Message::Text(Utf8Bytes::from_static(STT_CLOSE_STREAM)));
        asked.await.map_err(|error| Ending::of_websocket(error).end)?;
        let answer = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) if is_answer(&text) => return Ok(()),
                    Some(Ok(Message::Close(frame))) => {
                        return match frame.map_or(NO_STATUS, |frame| frame.code.into()) {
                            NORMAL | NO_STATUS => Ok(()),
                            code => Err(SttEnd::Closed(code)),
                        };
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(SttEnd::Failed),
                }
            }
        };
        let answer = timeout(PROBE_TIMEOUT, answer)
            .await
            .unwrap_or(Err(SttEnd::Failed));
        // Whoever does not hear the end of it has our answer already.
        socket.close(None).await.ok();
        answer
    }
}

impl SttSocket {
    /// Queues a frame of audio.
    pub fn send_audio(&self, bytes: Vec<u8>) -> Result<(), SocketStuck> {
        self.send(Message::Binary(Bytes::from(bytes)))
    }

    /// Queues a control message.
    pub fn send_text(&self, text: &'static str) -> Result<(), SocketStuck> {
        self.send(Message::Text(Utf8Bytes::from_static(text)))
    }

    fn send(&self, message: Message) -> Result<(), SocketStuck> {
        match self.outgoing.try_send(message) {
            // Of a connection that is over, the end is on its way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(SocketStuck),
        }
    }
}

impl SttMessage {
    /// The message as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for SttMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SttMessage({} bytes)", self.text.len())
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct ConnectionTask {
    connection: ConnectionId,
    path_and_query: String,
    places: Arc<[Place]>,
    roster: Arc<Roster>,
    /// Where it waits first, so that late speech of many rooms never keeps live speech waiting.
    lanes: Option<Arc<Semaphore>>,
    sockets: Arc<Semaphore>,
    news: mpsc::Sender<SttNews>,
}

impl ConnectionTask {
    async fn run(self, outgoing: mpsc::Receiver<Message>) {
        let (lanes, sockets) = (self.lanes.clone(), Arc::clone(&self.sockets));
        // Tokio's semaphore serves in the order of asking: no room can starve another.
        let _lane = match &lanes {
            Some(lanes) => Some(lanes.acquire().await.expect("the semaphore is never closed")),
            None => None,
        };
        let _turn = sockets.acquire().await.expect("the semaphore is never closed");
        let _counted = CountedSocket::new();
        // From before the choice, so that nobody who comes back meanwhile is missed.
        let serving = self.roster.serving();
        let end = match self.connect().await {
            Ok((index, socket)) => {
                self.tell(SttEvent::Opened).await;
                let ending = self.converse(index, socket, outgoing, serving).await;
                self.log(index, &ending);
                ending.end
            }
            Err(end) => end,
        };
        self.tell(SttEvent::Ended(end)).await;
    }

    /// The first of those who come into question that takes us; or what the core should know if nobody does.
    async fn connect(&self) -> Result<(usize, Socket), SttEnd> {
        let mut ends = Vec::new();
        for index in self.roster.candidates() {
            match self.places[index].connect(&self.path_and_query).await {
                Ok(socket) => {
                    let (connection, recogniser) = (self.connection.0, self.roster.name(index));
                    debug!(
                        stt.connection = connection,
                        stt.recogniser = recogniser,
                        "stt connection {connection} to {recogniser} is open"
                    );
                    self.note("", |failover, now| failover.opened(index, now));
                    return Ok((index, socket));
                }
                Err(refusal) => {
                    self.log(index, &refusal);
                    self.note(&refusal.detail, |failover, now| {
                        failover.unreachable(index, refusal.end, now);
                    });
                    ends.push((index, refusal.end));
                }
            }
        }
        Err(failover::telling(&ends))
    }

    /// Sends and receives at the same time: a recogniser that takes no audio may still have words for us.
    async fn converse(
        &self,
        index: usize,
        socket: Socket,
        mut outgoing: mpsc::Receiver<Message>,
        serving: watch::Receiver<Option<usize>>,
    ) -> Ending {
        let (mut sink, stream) = socket.split();
        let vigil = Vigil::default();
        let send = async {
            while let Some(message) = outgoing.recv().await {
                vigil.sends(&message);
                if let Err(error) = sink.send(message).await {
                    return Ending::of_websocket(error);
                }
            }
            Ending::failed("nobody listens to it any more")
        };
        let receive = receive(self.connection, stream, &self.news, || {
            vigil.answered();
            self.roster
                .note("", |failover, now| failover.answered(index, now));
        });
        let hang = self.hang(index, &vigil);
        let better = tell_of_better(self.connection, index, serving, &self.news);
        tokio::pin!(send, receive);
        let ending = tokio::select! {
            ending = &mut receive => ending,
            // What the server had to say, such as why it closed, may be on its way still.
            ending = &mut send => timeout(LAST_WORDS_TIMEOUT, receive).await.unwrap_or(ending),
            ending = hang => return ending,
            () = better => unreachable!("the roster tells as long as there is one"),
        };
        let is_proper = matches!(ending.end, SttEnd::Closed(NORMAL | NO_STATUS));
        if !is_proper || vigil.unanswered().is_some() {
            self.note(&ending.detail, |failover, now| failover.broke(index, now));
        }
        ending
    }

    /// Ends when this connection should be given up because another recogniser answers.
    async fn hang(&self, index: usize, vigil: &Vigil) -> Ending {
        if !self.roster.has_several() {
            return std::future::pending().await;
        }
        loop {
            sleep(VIGIL_EVERY).await;
            if let Some(since) = vigil.unanswered()
                && self.note(HUNG, |failover, now| failover.is_hung(index, since, now))
            {
                return Ending::failed(HUNG);
            }
        }
    }

    /// Takes what became of a recogniser, and has those probed that are away.
    fn note<T>(&self, why: &str, change: impl FnOnce(&mut Failover, Instant) -> T) -> T {
        let told = self.roster.note(why, change);
        let places = Arc::clone(&self.places);
        self.roster.probe_by(move |index| {
            let places = Arc::clone(&places);
            async move { places[index].probe().await }
        });
        told
    }

    fn log(&self, index: usize, ending: &Ending) {
        let (connection, recogniser) = (self.connection.0, self.roster.name(index));
        match ending.end {
            SttEnd::Closed(NORMAL) => info!(
                stt.connection = connection,
                stt.recogniser = recogniser,
                "stt connection {connection} to {recogniser} was closed"
            ),
            end => warn!(
                stt.connection = connection,
                stt.recogniser = recogniser,
                stt.end = ?end,
                stt.detail = ending.detail,
                "stt connection {connection} to {recogniser} ended: {} ({})",
                meaning_of(end),
                ending.detail
            ),
        }
    }

    async fn tell(&self, event: SttEvent) {
        tell(&self.news, self.connection, event).await;
    }
}

async fn receive(
    connection: ConnectionId,
    mut stream: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    news: &mpsc::Sender<SttNews>,
    answered: impl Fn(),
) -> Ending {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                if is_answer(&text) {
                    answered();
                }
                let message = SttMessage {
                    text,
                    received: Instant::now(),
                };
                tell(news, connection, SttEvent::Message(message)).await;
            }
            Some(Ok(Message::Close(frame))) => {
                let (code, words) = frame.map_or((NO_STATUS, String::new()), |frame| {
                    (frame.code.into(), frame.reason.as_str().to_owned())
                });
                return Ending {
                    end: SttEnd::Closed(code),
                    detail: short(&words),
                };
            }
            // Pings are answered by the library; the protocol has no binary messages in this direction.
            Some(Ok(_)) => {}
            Some(Err(error)) => return Ending::of_websocket(error),
            None => return Ending::failed("the stream ended"),
        }
    }
}

async fn tell(news: &mpsc::Sender<SttNews>, connection: ConnectionId, event: SttEvent) {
    // Without a receiver the room is gone, and this task is about to be.
    let _ = news.send(SttNews { connection, event }).await;
}

/// Tells when a recogniser comes back that is wanted more than the one of this connection.
async fn tell_of_better(
    connection: ConnectionId,
    index: usize,
    mut serving: watch::Receiver<Option<usize>>,
    news: &mpsc::Sender<SttNews>,
) {
    while serving.changed().await.is_ok() {
        let is_better = serving.borrow_and_update().is_some_and(|other| other < index);
        if is_better {
            tell(news, connection, SttEvent::Outdated).await;
        }
    }
}

/// Whether a text is a message of the protocol, as far as can be told without reading it all.
fn is_answer(text: &str) -> bool {
    text.starts_with('{') && text.contains("\"type\"")
}

/// Audio that a connection was sent since its last answer.
#[derive(Default)]
struct Vigil(Mutex<Unanswered>);

#[derive(Default)]
struct Unanswered {
    since: Option<Instant>,
    bytes: usize,
}

impl Vigil {
    fn sends(&self, message: &Message) {
        if let Message::Binary(audio) = message {
            let mut unanswered = self.lock();
            unanswered.since.get_or_insert_with(now);
            unanswered.bytes += audio.len();
        }
    }

    fn answered(&self) {
        *self.lock() = Unanswered::default();
    }

    /// Since when, if it is more than the silence at an utterance's end.
    fn unanswered(&self) -> Option<Instant> {
        let unanswered = self.lock();
        unanswered.since.filter(|_| unanswered.bytes > SILENT_TAIL_BYTES)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Unanswered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the gauge right whichever way a connection's task ends.
struct CountedSocket;

impl CountedSocket {
    fn new() -> Self {
        metrics::gauge!("lectern_stt_sockets").increment(1.0);
        Self
    }
}

impl Drop for CountedSocket {
    fn drop(&mut self) {
        metrics::gauge!("lectern_stt_sockets").decrement(1.0);
    }
}

/// How a connection ended, with words for the log.
struct Ending {
    end: SttEnd,
    detail: String,
}

impl Ending {
    fn failed(detail: &str) -> Self {
        Self {
            end: SttEnd::Failed,
            detail: detail.to_owned(),
        }
    }

    fn of_io(error: std::io::Error) -> Self {
        Self::failed(&short(&error.to_string()))
    }

    fn of_websocket(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) => Self {
                end: SttEnd::Refused(response.status().as_u16()),
                // Deepgram names the cause in this header.
                detail: response
                    .headers()
                    .get("dg-error")
                    .and_then(|value| value.to_str().ok())
                    .map_or_else(|| response.status().to_string(), short),
            },
            tungstenite::Error::Io(error) => match tls::remedy_of(&error) {
                Some(remedy) => Self::failed(remedy),
                None => Self::of_io(error),
            },
            error => Self::failed(&short(&error.to_string())),
        }
    }
}

/// What an operator should know about an end.
fn meaning_of(end: SttEnd) -> &'static str {
    match end {
        SttEnd::Refused(401 | 403) => "the recogniser refuses the key: check DEEPGRAM_API_KEY",
        SttEnd::Refused(402) => "the recogniser's account has no credit left",
        SttEnd::Refused(429) => {
            "the recogniser has too many connections of this project; it is tried again later"
        }
        SttEnd::Refused(400) => "the recogniser refuses the settings: check model and language",
        SttEnd::Refused(404) => "the recogniser has nothing at this address: check DEEPGRAM_URL",
        SttEnd::Refused(500..) => "the recogniser is out of order; it is tried again later",
        SttEnd::Refused(_) => "the recogniser refuses the connection",
        SttEnd::Closed(1008) => "the recogniser could not make sense of the audio",
        SttEnd::Closed(1011) => "the recogniser failed, or got no audio for too long",
        SttEnd::Closed(_) => "the recogniser closed it",
        SttEnd::Failed => "the recogniser could not be reached, or the network broke",
    }
}

fn authorization_of(key: &SecretString) -> Result<HeaderValue, SttConfigError> {
    let mut value = HeaderValue::try_from(format!("Token {}", key.expose_secret().trim()))
        .map_err(|_| SttConfigError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A server's words as far as a log line should carry them.
fn short(words: &str) -> String {
    words
        .chars()
        .filter(|letter| !letter.is_control())
        .take(SERVER_WORDS_BYTES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_tungstenite::{
        accept_async, accept_hdr_async,
        tungstenite::{
            handshake::server,
            protocol::{CloseFrame, frame::coding::CloseCode},
        },
    };

    use super::*;

    const PATH: &str = "/v1/listen?model=nova-3";
    const FIRST: ConnectionId = ConnectionId(1);

    async fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        (listener, url)
    }

    fn recogniser(url: &str, sockets_max: u32) -> Recogniser {
        Recogniser::new(&Stt {
            servers: vec![server(url)],
            sockets_max,
            lanes_max: 1,
            settings: lectern_pipelines::SttSettings::with_endpointing(Duration::from_millis(300)),
        })
        .expect("a good configuration")
    }

    fn server(url: &str) -> SttServer {
        SttServer {
            base_url: url.to_owned(),
            api_key: Some(SecretString::from("key-of-tests")),
            model: None,
        }
    }

    async fn next(news: &mut mpsc::Receiver<SttNews>) -> (ConnectionId, SttEvent) {
        let SttNews { connection, event } = timeout(Duration::from_secs(20), news.recv())
            .await
            .expect("news within 20 s")
            .expect("the task still lives");
        (connection, event)
    }

    async fn expect_opened(news: &mut mpsc::Receiver<SttNews>) {
        let (_, event) = next(news).await;
        assert!(matches!(event, SttEvent::Opened), "{event:?}");
    }

    async fn expect_end(news: &mut mpsc::Receiver<SttNews>) -> SttEnd {
        match next(news).await.1 {
            SttEvent::Ended(end) => end,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    #[tokio::test]
    async fn audio_text_and_messages_pass_in_order() {
        let (listener, url) = listener().await;
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut seen = None;
            #[expect(clippy::result_large_err, reason = "the signature of the library's callback")]
            let callback = |request: &server::Request, response: server::Response| {
                seen = Some((
                    request.uri().to_string(),
                    request.headers().get(AUTHORIZATION).cloned(),
                ));
                Ok(response)
            };
            let mut socket = accept_hdr_async(stream, callback).await.expect("an upgrade");
            let audio = socket.next().await.expect("a frame").expect("no error");
            let text = socket.next().await.expect("a frame").expect("no error");
            socket
                .send(Message::Ping(Bytes::from_static(b"?")))
                .await
                .expect("sent");
            socket.send(Message::text("one")).await.expect("sent");
            socket.send(Message::text("two")).await.expect("sent");
            let pong = socket.next().await.expect("a frame").expect("no error");
            socket.close(None).await.expect("closed");
            (seen.expect("headers"), audio, text, pong)
        });
        let (sender, mut news) = mpsc::channel(8);
        let socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        socket.send_audio(vec![1, 2, 3]).expect("room in the queue");
        socket
            .send_text("{\"type\":\"Finalize\"}")
            .expect("room in the queue");
        for expected in ["one", "two"] {
            match next(&mut news).await {
                (FIRST, SttEvent::Message(message)) => assert_eq!(message.as_str(), expected),
                other => panic!("expected a message, got {other:?}"),
            }
        }
        assert_eq!(expect_end(&mut news).await, SttEnd::Closed(1005));
        let ((path, authorization), audio, text, pong) = server.await.expect("the server ran to its end");
        assert_eq!(path, PATH);
        assert_eq!(authorization.expect("a header"), "Token key-of-tests");
        assert_eq!(audio, Message::binary(vec![1, 2, 3]));
        assert_eq!(text, Message::text("{\"type\":\"Finalize\"}"));
        assert_eq!(pong, Message::Pong(Bytes::from_static(b"?")));
    }

    #[tokio::test]
    async fn a_refused_upgrade_ends_with_its_status() {
        for status in [400, 401, 402, 403, 429, 503] {
            let (listener, url) = listener().await;
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = [0; 2048];
                let read = stream.read(&mut request).await.expect("a request");
                assert!(read > 0, "the client said nothing");
                let reply = format!("HTTP/1.1 {status} No\r\ndg-error: INVALID\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await.expect("sent");
            });
            let (sender, mut news) = mpsc::channel(8);
            let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
            assert_eq!(expect_end(&mut news).await, SttEnd::Refused(status));
            server.await.expect("the server ran to its end");
        }
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_http_is_a_failure() {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream
                .write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
                .await
                .expect("sent");
        });
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_a_failure() {
        let (listener, url) = listener().await;
        drop(listener);
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_at_the_upgrade_is_given_up_after_five_seconds() {
        let (_listener, url) = listener().await;
        let (sender, mut news) = mpsc::channel(8);
        let begin = tokio::time::Instant::now();
        let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
        assert_eq!(begin.elapsed().as_secs(), CONNECT_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn close_codes_reach_the_core() {
        for code in [1000, 1008, 1011] {
            let (listener, url) = listener().await;
            tokio::spawn(async move {
                let (stream, _) = listener.accept().await.expect("a connection");
                let mut socket = accept_async(stream).await.expect("an upgrade");
                let frame = CloseFrame {
                    code: CloseCode::from(code),
                    reason: "NET-0001".into(),
                };
                socket.close(Some(frame)).await.expect("closed");
                while socket.next().await.is_some() {}
            });
            let (sender, mut news) = mpsc::channel(8);
            let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
            expect_opened(&mut news).await;
            assert_eq!(expect_end(&mut news).await, SttEnd::Closed(code));
        }
    }

    #[tokio::test]
    async fn a_connection_dropped_mid_way_is_a_failure() {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut socket = accept_async(stream).await.expect("an upgrade");
            socket.send(Message::text("one")).await.expect("sent");
            // Dropped without a close frame.
        });
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        assert!(matches!(next(&mut news).await.1, SttEvent::Message(_)));
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
    }

    #[tokio::test]
    async fn garbage_frames_are_a_failure_and_no_panic() {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut socket = accept_async(stream).await.expect("an upgrade");
            // Reserved bits, an unknown opcode, and a text that is no UTF-8 would each do.
            socket.get_mut().write_all(&[0xff; 64]).await.expect("sent");
            while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
        });
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
    }

    #[tokio::test]
    async fn a_server_that_reads_nothing_makes_the_socket_stuck_not_the_memory_full() {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let _socket = accept_async(stream).await.expect("an upgrade");
            std::future::pending::<()>().await;
        });
        let (sender, mut news) = mpsc::channel(8);
        let socket = recogniser(&url, 1).open(FIRST, SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        let frame = vec![0; 16_000];
        let mut sent = 0;
        while socket.send_audio(frame.clone()).is_ok() {
            sent += 1;
            assert!(sent < 10_000, "160 MB were taken");
            tokio::task::yield_now().await;
        }
        assert!(sent >= OUTGOING_FRAMES_MAX, "only {sent} frames were taken");
    }

    #[tokio::test]
    async fn next_recogniser_is_asked_in_its_own_words_and_the_first_is_returned_to() {
        let (listener, first) = listener().await;
        let (second, mut asked) = noting_server().await;
        let recogniser = pair(&first, &second);
        drop(listener);
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser.open(FIRST, SttPurpose::Live, PATH, sender.clone());
        expect_opened(&mut news).await;
        assert_eq!(
            asked.recv().await.expect("an upgrade"),
            (
                "/v1/listen?model=own".to_owned(),
                Some("Token other-key".to_owned())
            )
        );
        let standing = recogniser.standing().expect("there are several");
        assert!(standing().is_err_and(|words| words.contains(" is away; ")));

        let address = first.trim_start_matches("http://");
        let back = TcpListener::bind(address).await.expect("its port is free");
        tokio::spawn(answer_everything(back));
        let (connection, event) = next(&mut news).await;
        assert!(
            matches!((connection, &event), (FIRST, SttEvent::Outdated)),
            "{event:?}"
        );
        assert_eq!(standing(), Ok(()));
        let _next = recogniser.open(ConnectionId(2), SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        assert!(asked.try_recv().is_err(), "the first has it");
    }

    #[tokio::test]
    async fn what_all_refuse_is_told_once() {
        let (first, second) = (refusing_server(401).await, refusing_server(402).await);
        let recogniser = pair(&first, &second);
        let (sender, mut news) = mpsc::channel(8);
        let _socket = recogniser.open(FIRST, SttPurpose::Live, PATH, sender);
        assert_eq!(expect_end(&mut news).await, SttEnd::Refused(401));
        let standing = recogniser.standing().expect("there are several");
        assert!(standing().is_err_and(|words| words.contains("no recogniser answers")));
    }

    #[tokio::test(start_paused = true)]
    async fn recogniser_that_takes_audio_and_says_nothing_is_left() {
        let (second, mut asked) = noting_server().await;
        let recogniser = pair(&patient_server().await, &second);
        let (sender, mut news) = mpsc::channel(8);
        let socket = recogniser.open(FIRST, SttPurpose::Live, PATH, sender.clone());
        expect_opened(&mut news).await;
        socket.send_audio(vec![0; 32_000]).expect("room in the queue");
        assert_eq!(expect_end(&mut news).await, SttEnd::Failed);
        let _next = recogniser.open(ConnectionId(2), SttPurpose::Live, PATH, sender);
        expect_opened(&mut news).await;
        assert!(asked.recv().await.is_some());
    }

    #[tokio::test]
    async fn a_connection_beyond_the_bound_waits_for_its_turn() {
        let url = patient_server().await;
        let recogniser = recogniser(&url, 1);
        let (sender, mut news) = mpsc::channel(8);
        let first = recogniser.open(FIRST, SttPurpose::Live, PATH, sender.clone());
        expect_opened(&mut news).await;
        let _second = recogniser.open(ConnectionId(2), SttPurpose::Live, PATH, sender);
        let nothing = timeout(Duration::from_millis(100), news.recv()).await;
        assert!(
            nothing.is_err(),
            "the second connection did not wait: {nothing:?}"
        );
        drop(first);
        let (connection, event) = next(&mut news).await;
        assert_eq!(connection, ConnectionId(2));
        assert!(matches!(event, SttEvent::Opened), "{event:?}");
    }

    #[tokio::test]
    async fn late_speech_waits_for_other_late_speech_and_live_speech_does_not() {
        let recogniser = recogniser(&patient_server().await, 3);
        let (sender, mut news) = mpsc::channel(8);
        let open = |number, purpose| recogniser.open(ConnectionId(number), purpose, PATH, sender.clone());
        let first = open(1, SttPurpose::Late);
        expect_opened(&mut news).await;
        let _second = open(2, SttPurpose::Late);
        let _live = open(3, SttPurpose::Live);
        assert_eq!(next(&mut news).await.0, ConnectionId(3));
        let nothing = timeout(Duration::from_millis(100), news.recv()).await;
        assert!(nothing.is_err(), "there is one lane: {nothing:?}");
        drop(first);
        assert_eq!(next(&mut news).await.0, ConnectionId(2));
    }

    /// Two recognisers, of which the second wants another key and another model.
    fn pair(first: &str, second: &str) -> Recogniser {
        let second = SttServer {
            api_key: Some(SecretString::from("other-key")),
            model: Some("own".to_owned()),
            ..server(second)
        };
        Recogniser::new(&Stt {
            servers: vec![server(first), second],
            sockets_max: 4,
            lanes_max: 1,
            settings: lectern_pipelines::SttSettings::with_endpointing(Duration::from_millis(300)),
        })
        .expect("a good configuration")
    }

    /// A recogniser that says what it is asked and with which key, and hears connections out.
    async fn noting_server() -> (String, mpsc::Receiver<(String, Option<String>)>) {
        let (listener, url) = listener().await;
        let (sender, asked) = mpsc::channel(8);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let sender = sender.clone();
                #[expect(clippy::result_large_err, reason = "the signature of the library's callback")]
                let callback = move |request: &server::Request, response: server::Response| {
                    let key = request.headers().get(AUTHORIZATION);
                    let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
                    sender.try_send((request.uri().to_string(), key)).expect("room");
                    Ok(response)
                };
                let mut socket = accept_hdr_async(stream, callback).await.expect("an upgrade");
                tokio::spawn(async move { while socket.next().await.is_some_and(|frame| frame.is_ok()) {} });
            }
        });
        (url, asked)
    }

    async fn refusing_server(status: u16) -> String {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = [0; 2048];
                let read = stream.read(&mut request).await.expect("a request");
                assert!(read > 0, "the client said nothing");
                let reply = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await.expect("sent");
            }
        });
        url
    }

    /// A recogniser that has nothing to say but says so.
    async fn answer_everything(listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.expect("an upgrade");
                while let Some(Ok(message)) = socket.next().await {
                    if message == Message::text(STT_CLOSE_STREAM) {
                        socket
                            .send(Message::text(r#"{"type":"Metadata"}"#))
                            .await
                            .expect("sent");
                    }
                }
            });
        }
    }

    /// A recogniser that takes connections and hears them out.
    async fn patient_server() -> String {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(async move {
                    let mut socket = accept_async(stream).await.expect("an upgrade");
                    while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
                });
            }
        });
        url
    }

    #[test]
    fn urls_are_taken_as_people_write_them() {
        for (text, expected) in [
            ("https://api.deepgram.com", "wss://api.deepgram.com:443"),
            ("wss://api.deepgram.com/", "wss://api.deepgram.com:443"),
            ("http://127.0.0.1:8190", "ws://127.0.0.1:8190"),
            ("ws://[::1]:8190", "ws://[::1]:8190"),
            (
                "https://stt.example.org/deepgram/v1/listen",
                "wss://stt.example.org:443/deepgram",
            ),
        ] {
            assert_eq!(
                SttUrl::parse(text).map(|url| url.base),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
        assert_eq!(
            SttUrl::parse("ws://[::1]:1").map(|url| url.host),
            Ok("::1".to_owned())
        );
    }

    #[test]
    fn bad_urls_and_keys_say_what_is_wrong() {
        assert_eq!(SttUrl::parse("api.deepgram.com"), Err(SttConfigError::NotAUrl));
        assert_eq!(
            SttUrl::parse("ftp://example.org"),
            Err(SttConfigError::Scheme("ftp".to_owned()))
        );
        assert_eq!(
            SttUrl::parse("https://key@example.org"),
            Err(SttConfigError::Credentials)
        );
        assert_eq!(
            SttUrl::parse("https://example.org/?model=x"),
            Err(SttConfigError::Query)
        );
        let key = SecretString::from("two\nlines");
        assert_eq!(authorization_of(&key), Err(SttConfigError::Key));
    }

    #[test]
    fn the_key_shows_in_no_debug_output() {
        let printed = format!("{:?}", recogniser("http://127.0.0.1:1", 1));
        assert!(!printed.contains("key-of-tests"), "{printed}");
    }
}
