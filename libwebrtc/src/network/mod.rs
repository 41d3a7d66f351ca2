//! How packets get out of this machine and into it: addresses and sockets.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use str0m::net::{Protocol, Transmit};

mod framing;
pub(crate) mod fuzz;
mod interfaces;
mod pace;
mod reflexive;
mod relay;
mod servers;
mod stream;
mod stun;
mod tcp;
mod ticks;
mod turn;
mod udp;

pub(crate) use self::{
    framing::PACKET_BYTES_MAX,
    interfaces::{Address, announced, leads},
    relay::News,
    turn::is_stun,
};
use self::{
    reflexive::Question,
    relay::{Relay, ToServer},
    servers::Server,
    tcp::TcpConnections,
    udp::{Datagram, UdpSockets},
};
use crate::peer_connection_factory::IceServer;

/// The sockets of a connection, the addresses they are reached by, and what went through them.
pub(crate) struct Network {
    udp: UdpSockets,
    tcp: TcpConnections,
    servers: Vec<Server>,
    // One for each server of that kind while they are wanted, else none.
    relays: Vec<Relay>,
    // What was asked of STUN servers, and what they see: our address, and how it looks.
    questions: Vec<Question>,
    seen: Vec<(SocketAddr, SocketAddr)>,
    addresses: Arc<[Address]>,
    has_refused: bool,
    pub(crate) traffic: Traffic,
}

/// What went through the sockets.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) packets_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_discarded: u32,
}

/// The way a packet came or goes, as the session names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) protocol: Protocol,
    pub(crate) ours: SocketAddr,
    pub(crate) theirs: SocketAddr,
}

/// A packet that came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) way: Way,
    /// In bytes.
    pub(crate) length: usize,
    /// For how long it lay in the socket.
    pub(crate) waited: Duration,
}

impl Network {
    /// Opens the sockets. Must be called within a tokio runtime.
    pub(crate) fn open(servers: &[IceServer]) -> io::Result<Self> {
        Ok(Self {
            udp: UdpSockets::open()?,
            tcp: TcpConnections::default(),
            servers: Server::all(servers),
            relays: Vec::new(),
            questions: Vec::new(),
            seen: Vec::new(),
            addresses: interfaces::addresses(),
            has_refused: false,
            traffic: Traffic::default(),
        })
    }

    /// The addresses of this machine, as they were looked up last.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Looks the addresses up anew, and says whether they changed.
    pub(crate) fn look_up_addresses(&mut self) -> bool {
        self.has_refused = false;
        let addresses = interfaces::addresses();
        let has_changed = self.addresses != addresses;
        self.addresses = addresses;
        has_changed
    }

    /// Whether a packet could not be sent since the addresses were looked up.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// Where an address of ours takes datagrams.
    pub(crate) fn udp_address(&self, address: Address) -> Option<SocketAddr> {
        let port = self.udp.port(address.ip)?;
        Some(SocketAddr::new(address.ip, port))
    }

    /// Sends a packet. One that the kernel or a queue does not take is lost, as any other may be.
    pub(crate) fn send(&mut self, now: Instant, packet: &Transmit) {
        let relay = self
            .relays
            .iter()
            .position(|relay| relay.relayed() == Some(packet.source));
        match (packet.proto, relay) {
            (Protocol::Udp, None) => {
                let sent = self.send_datagram(packet.source.ip(), packet.destination, &packet.contents);
                self.count(packet.contents.len(), sent);
            }
            (Protocol::Udp, Some(relay)) => {
                self.relays[relay].send(now, packet.destination, &packet.contents);
                self.count(packet.contents.len(), Ok(()));
                self.flush(now);
            }
            (Protocol::Tcp | Protocol::SslTcp | Protocol::Tls, _) => {
                let sent = self.tcp.send(packet.source, packet.destination, &packet.contents);
                self.count(packet.contents.len(), sent);
            }
        }
    }

    /// Sends a datagram from one of our addresses.
    fn send_datagram(&self, ours: IpAddr, theirs: SocketAddr, contents: &[u8]) -> io::Result<()> {
        let address = self.addresses.iter().find(|address| address.ip == ours);
        let address = *address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.udp.send(address, theirs, contents)
    }

    fn count(&mut self, bytes: usize, sent: io::Result<()>) {
        match sent {
            Ok(()) => {
                self.traffic.packets_sent += 1;
                self.traffic.bytes_sent += bytes as u64;
            }
            Err(error) => {
                self.traffic.packets_discarded += 1;
                // A full socket says nothing about the way; anything else may.
                self.has_refused |= error.kind() != io::ErrorKind::WouldBlock;
                tracing::trace!(%error, "a packet was not sent");
            }
        }
    }

    /// Asks every TURN server for an address, unless that was done.
    pub(crate) fn open_relays(&mut self) {
        for server in &self.servers {
            if let Server::Turn(host, carrier, credentials) = server
                && !self.relays.iter().any(|relay| relay.is_at(host, *carrier))
            {
                self.relays
                    .push(Relay::new(host.clone(), *carrier, credentials.clone()));
            }
        }
    }

    /// Gives the addresses of all TURN servers back.
    pub(crate) fn close_relays(&mut self, now: Instant) {
        for mut relay in std::mem::take(&mut self.relays) {
            if let Some(last) = relay.close(now) {
                self.send_to_server(&last);
            }
        }
    }

    /// Whether TURN servers are asked for addresses.
    pub(crate) fn has_relays(&self) -> bool {
        !self.relays.is_empty()
    }

    /// What became of a relay, if anything new did.
    pub(crate) fn relay_news(&mut self) -> Option<News> {
        self.relays.iter_mut().find_map(Relay::news)
    }

    /// Asks every STUN server how our packets look from outside, unless that was done.
    pub(crate) fn ask_how_we_look(&mut self) {
        for server in &self.servers {
            if let Server::Stun(host) = server
                && !self.questions.iter().any(|question| question.is_to(host))
            {
                self.questions.push(Question::new(host.clone()));
            }
        }
    }

    /// An address of ours and how it looks from outside, if that was just heard.
    pub(crate) fn seen(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        self.seen.pop()
    }

    /// Does what is due, and says when something will be.
    pub(crate) fn handle_time(&mut self, now: Instant) -> Option<Instant> {
        for relay in &mut self.relays {
            relay.handle_timeout(now);
        }
        self.flush(now);
        let relays = self.relays.iter().filter_map(Relay::poll_timeout);
        let questions = self.questions.iter().filter_map(Question::poll_timeout);
        relays.chain(questions).min()
    }

    /// Whether whoever polls for packets is woken every few milliseconds anyway, and needs no timer.
    pub(crate) fn is_on_ticks(&self) -> bool {
        self.udp.is_on_ticks()
    }

    fn flush(&mut self, now: Instant) {
        while let Some(packet) = self.poll_send(now) {
            self.send_to_server(&packet);
        }
    }

    fn send_to_server(&self, ToServer { ours, server, packet }: &ToServer) {
        if let Err(error) = self.send_datagram(*ours, *server, packet) {
            tracing::debug!(%error, "a datagram to a server was not sent");
        }
    }

    fn poll_send(&mut self, now: Instant) -> Option<ToServer> {
        let from_relays = self.relays.iter_mut().find_map(|relay| relay.poll_send(now));
        from_relays.or_else(|| {
            let mut questions = self.questions.iter_mut();
            questions.find_map(|question| question.poll_send(now))
        })
    }

    /// Takes the next packet, if there is one, and says how it came. Ready with none when time is to be handled
    /// instead.
    pub(crate) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Option<Received>> {
        let received = self.poll_sockets(context, now, buffer);
        if let Poll::Ready(Some(Received { length, .. })) = received {
            self.traffic.packets_received += 1;
            self.traffic.bytes_received += length as u64;
        }
        received
    }

    fn poll_sockets(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Option<Received>> {
        if let Poll::Ready(datagram) = self.udp.poll_receive(context, now, buffer) {
            return Poll::Ready(self.take_datagram(now, datagram, buffer));
        }
        if let Poll::Ready((ours, theirs, length)) = self.tcp.poll_receive(context, buffer) {
            let way = Way {
                protocol: Protocol::Tcp,
                ours,
                theirs,
            };
            return Poll::Ready(Some(Received {
                way,
                length,
                waited: Duration::ZERO,
            }));
        }
        for question in &mut self.questions {
            if question.poll(context, now).is_ready() {
                return Poll::Ready(None);
            }
        }
        for relay in &mut self.relays {
            if let Poll::Ready(received) = relay.poll_receive(context, now, buffer) {
                return Poll::Ready(carried(relay, received, Duration::ZERO));
            }
        }
        Poll::Pending
    }

    /// Tells the datagrams of servers from those of the other side.
    fn take_datagram(&mut self, now: Instant, datagram: Datagram, buffer: &mut [u8]) -> Option<Received> {
        let Datagram {
            source,
            destination,
            length,
            waited,
        } = datagram;
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.is_server(source)) {
            let received = relay.receive(now, buffer, length);
            return carried(relay, received, waited);
        }
        if let Some(question) = self
            .questions
            .iter_mut()
            .find(|question| question.is_server(source))
        {
            let seen = question.receive(&buffer[..length])?;
            self.seen.push((destination, seen));
            return None;
        }
        let way = Way {
            protocol: Protocol::Udp,
            ours: destination,
            theirs: source,
        };
        Some(Received { way, length, waited })
    }

    /// Takes other servers, for what is asked from now on. Names and passwords change with time.
    pub(crate) fn set_servers(&mut self, servers: &[IceServer]) {
        self.servers = Server::all(servers);
        self.relays.retain(|relay| relay.relayed().is_some());
    }

    /// Whether we are reached at an address: it is one of this machine's or of a relay's.
    pub(crate) fn has(&self, ours: SocketAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ours.ip())
            || self.relays.iter().any(|relay| relay.relayed() == Some(ours))
    }

    /// Closes everything for good.
    pub(crate) fn close(&mut self, now: Instant) {
        self.close_relays(now);
        self.questions.clear();
        self.tcp.retain(|_| false);
        self.udp.close();
    }

    /// A way over TCP that broke since this was asked last.
    pub(crate) fn broken(&mut self) -> Option<Way> {
        let (ours, theirs) = self.tcp.broken()?;
        Some(Way {
            protocol: Protocol::Tcp,
            ours,
            theirs,
        })
    }

    /// Closes the connections over TCP from addresses that are no longer of use.
    pub(crate) fn retain_connections(&mut self, is_of_use: impl FnMut(SocketAddr) -> bool) {
        self.tcp.retain(is_of_use);
    }
}

/// What a relay took for us.
fn carried(relay: &Relay, received: Option<(SocketAddr, usize)>, waited: Duration) -> Option<Received> {
    let (theirs, length) = received?;
    let way = Way {
        protocol: Protocol::Udp,
        ours: relay.relayed()?,
        theirs,
    };
    Some(Received { way, length, waited })
}

/// The port of candidates that stand for connections of ours (RFC 6544, section 4.5).
pub(crate) const CONNECTION_PORT: u16 = 9;
