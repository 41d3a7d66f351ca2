//! A TURN server: how it is found and reached, around the client that talks to it.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use super::{
    framing::Framing,
    interfaces::source_towards,
    servers::{Carrier, Host},
    stream::{Opening, Pipe, Stream, connect},
    turn::{Credentials, Output, Transport, TurnClient},
};

/// One TURN server, as long as it is wanted.
pub(super) struct Relay {
    host: Host,
    carrier: Carrier,
    credentials: Credentials,
    state: State,
    attempts: u32,
    // What the session is to be told.
    news: Option<News>,
}

enum State {
    Resolving(Resolving),
    Talking(Box<Talk>),
    // Tried in vain, and to be tried again then.
    Resting(Instant),
}

/// The addresses of a server's name, on their way.
pub(super) type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

struct Talk {
    ours: IpAddr,
    server: SocketAddr,
    client: TurnClient,
    // None where the connection's own UDP sockets are used.
    stream: Option<Stream>,
    relayed: Option<SocketAddr>,
}

/// What became of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It takes packets for us there.
    Opened(SocketAddr),
    /// It does so no more.
    Closed(SocketAddr),
}

/// A datagram that is to be sent to the server.
pub(super) struct ToServer {
    pub(super) ours: IpAddr,
    pub(super) server: SocketAddr,
    pub(super) packet: Vec<u8>,
}

impl Relay {
    /// Begins when it is polled, by the task.
    pub(super) fn new(host: Host, carrier: Carrier, credentials: Credentials) -> Self {
        Self {
            state: State::Resolving(resolving(&host)),
            host,
            carrier,
            credentials,
            attempts: 0,
            news: None,
        }
    }

    pub(super) fn is_at(&self, host: &Host, carrier: Carrier) -> bool {
        (&self.host, self.carrier) == (host, carrier)
    }

    pub(super) fn news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// Where it takes packets for us.
    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Talking(talk) => talk.relayed,
            State::Resolving(_) | State::Resting(_) => None,
        }
    }

    /// Whether datagrams from there are the server's.
    pub(super) fn is_server(&self, source: SocketAddr) -> bool {
        matches!(&self.state, State::Talking(talk) if talk.stream.is_none() && talk.server == source)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Talking(talk) => talk.client.poll_timeout(),
            State::Resting(until) => Some(*until),
            State::Resolving(_) => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Talking(talk) => {
                if talk.client.poll_timeout().is_some_and(|due| now >= due) {
                    talk.client.handle_timeout(now);
                }
                if talk.stream.as_ref().is_some_and(Stream::is_closed) {
                    self.rest(now, "the connection is closed");
                }
            }
            State::Resting(until) if now >= *until => self.state = State::Resolving(resolving(&self.host)),
            State::Resting(_) | State::Resolving(_) => {}
        }
    }

    /// Sends a packet to somebody by way of the server.
    pub(super) fn send(&mut self, now: Instant, peer: SocketAddr, packet: &[u8]) {
        if let State::Talking(talk) = &mut self.state {
            talk.client.send(now, peer, packet);
        }
    }

    /// Takes a packet of the server's. If it carries one of somebody else's, that is moved to the buffer's start.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<(SocketAddr, usize)> {
        let State::Talking(talk) = &mut self.state else {
            return None;
        };
        let (peer, range) = talk.client.handle_packet(now, &buffer[..length])?;
        let length = range.len();
        buffer.copy_within(range, 0);
        Some((peer, length))
    }

    /// What is to be sent to the server by a datagram. What goes by a stream is queued there.
    pub(super) fn poll_send(&mut self, now: Instant) -> Option<ToServer> {
        loop {
            let State::Talking(talk) = &mut self.state else {
                return None;
            };
            match talk.client.poll_output()? {
                Output::Send(packet) => match &mut talk.stream {
                    None => {
                        return Some(ToServer {
                            ours: talk.ours,
                            server: talk.server,
                            packet,
                        });
                    }
                    Some(stream) => {
                        if let Err(error) = stream.send(&packet) {
                            tracing::trace!(%error, "a packet to a TURN server was dropped");
                        }
                    }
                },
                Output::Allocated(relayed) => {
                    tracing::debug!(server = %self.host, carrier = ?self.carrier, "a relay takes packets for us");
                    talk.relayed = Some(relayed);
                    self.attempts = 0;
                    self.news = Some(News::Opened(relayed));
                }
                Output::Lost(loss) => self.rest(now, &loss.to_string()),
            }
        }
    }

    /// Looks the server up, opens the stream to it, writes and reads, and takes the next packet from somebody. Ready
    /// with none when there may be something to send or to tell instead.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Option<(SocketAddr, usize)>> {
        match &mut self.state {
            State::Resolving(resolving) => {
                match ready!(resolving.as_mut().poll(context)) {
                    Ok(servers) => self.talk(now, &servers),
                    Err(error) => self.rest(now, &error.to_string()),
                }
                Poll::Ready(None)
            }
            State::Talking(talk) => {
                let Some(stream) = talk.stream.as_mut().filter(|stream| !stream.is_closed()) else {
                    return Poll::Pending;
                };
                let received = stream.poll_receive(context, buffer);
                if stream.is_closed() {
                    return Poll::Ready(None);
                }
                let length = ready!(received);
                Poll::Ready(self.receive(now, buffer, length))
            }
            State::Resting(_) => Poll::Pending,
        }
    }

    fn talk(&mut self, now: Instant, servers: &[SocketAddr]) {
        // Another address each time, of those that there is a way to.
        let ways: Vec<(IpAddr, SocketAddr)> = servers
            .iter()
            .filter_map(|server| Some((source_towards(server.ip())?, *server)))
            .collect();
        let Some((ours, server)) = ways.get(self.attempts as usize % ways.len().max(1)).copied() else {
            return self.rest(now, "there is no way to it");
        };
        let opening: Option<Opening> = match self.carrier {
            Carrier::Udp => None,
            Carrier::Tcp => Some(Box::pin(
                async move { connect(ours, server).await.map(Pipe::Plain) },
            )),
            Carrier::Tls => Some(Box::pin(connect_by_tls(self.host.name.clone(), ours, server))),
        };
        let transport = match opening {
            None => Transport::Datagrams,
            Some(_) => Transport::Stream,
        };
        self.state = State::Talking(Box::new(Talk {
            ours,
            server,
            client: TurnClient::new(now, self.credentials.clone(), transport),
            stream: opening.map(|opening| Stream::new(Framing::Turn, opening)),
            relayed: None,
        }));
    }

    fn rest(&mut self, now: Instant, reason: &str) {
        tracing::warn!(server = %self.host, carrier = ?self.carrier, reason, "a TURN server cannot be used");
        if let Some(relayed) = self.relayed() {
            self.news = Some(News::Closed(relayed));
        }
        let pause = REST_MIN * 2_u32.pow(self.attempts.min(REST_DOUBLINGS_MAX));
        self.attempts += 1;
        self.state = State::Resting(now + pause);
    }

    /// Gives the address back, if that can be said at once.
    pub(super) fn close(&mut self, now: Instant) -> Option<ToServer> {
        if let State::Talking(talk) = &mut self.state {
            talk.client.close(now);
        }
        let last = self.poll_send(now);
        if let State::Talking(talk) = &mut self.state
            && let Some(stream) = &mut talk.stream
        {
            stream.close();
        }
        last
    }
}

/// Looks a server's name up. Begins when it is polled.
pub(super) fn resolving(host: &Host) -> Resolving {
    let host = host.clone();
    Box::pin(async move {
        let addresses = tokio::net::lookup_host((host.name.as_str(), host.port)).await?;
        Ok(addresses.collect())
    })
}

async fn connect_by_tls(name: String, ours: IpAddr, server: SocketAddr) -> io::Result<Pipe> {
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream = connect(ours, server).await?;
    let stream = TlsConnector::from(tls()?).connect(name, stream);
    let stream = tokio::time::timeout(HANDSHAKE_MAX, stream).await??;
    Ok(Pipe::Tls(Box::new(stream)))
}

/// How every relay is trusted: by the certificates of this system, which are read once, by the first who needs them.
fn tls() -> io::Result<Arc<ClientConfig>> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TLS.get_or_init(|| Arc::new(tls)).clone())
}

/// How long to wait before a server that failed is tried again, the first time, and how often that doubles: to 32 s.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_DOUBLINGS_MAX: u32 = 5;

/// How long the handshake of TLS may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
