//! The socket of a connection.
//!
//! One UDP socket takes packets on every IPv4 interface. Which of our addresses the other side sees is up to the
//! kernel's routes, so these are what is asked for our candidates: the interface of the default route is announced at
//! once, and the one that leads to a given candidate of theirs is added when that candidate is known.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use str0m::net::Transmit;

/// The socket of a connection, and what went through it.
pub(crate) struct Network {
    socket: UdpSocket,
    port: u16,
    // Which of our addresses leads to which of theirs; a handful at most.
    routes: Vec<(IpAddr, IpAddr)>,
    pub(crate) traffic: Traffic,
}

/// What went through a socket.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) packets_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_discarded: u32,
}

impl Network {
    /// Opens the socket, and gives a second handle of it to wait on.
    pub(crate) fn open() -> io::Result<(Self, tokio::net::UdpSocket)> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let receiving = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        let network = Self {
            socket,
            port,
            routes: Vec::new(),
            traffic: Traffic::default(),
        };
        Ok((network, receiving))
    }

    /// The address to announce before any of theirs is known: loopback if the machine has no other.
    pub(crate) fn default_address(&self) -> SocketAddr {
        let address = source_towards(ANYWHERE).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        SocketAddr::new(address, self.port)
    }

    /// Our address as the other side sees it, if there is a way to that side at all.
    pub(crate) fn address_towards(&mut self, remote: IpAddr) -> Option<SocketAddr> {
        let known = self
            .routes
            .iter()
            .find(|(theirs, _)| *theirs == remote)
            .map(|(_, ours)| *ours);
        let ours = match known {
            Some(ours) => ours,
            None => {
                let ours = source_towards(remote)?;
                if self.routes.len() >= ROUTES_MAX {
                    self.routes.remove(0);
                }
                self.routes.push((remote, ours));
                ours
            }
        };
        Some(SocketAddr::new(ours, self.port))
    }

    /// Sends a datagram. One that the kernel does not take is lost, as any other may be.
    pub(crate) fn send(&mut self, datagram: &Transmit) {
        match self.socket.send_to(&datagram.contents, datagram.destination) {
            Ok(bytes) => {
                self.traffic.packets_sent += 1;
                self.traffic.bytes_sent += bytes as u64;
            }
            Err(error) => {
                self.traffic.packets_discarded += 1;
                tracing::trace!(%error, "a datagram was not sent");
            }
        }
    }
}

/// Asks the kernel which of our addresses leads to one of theirs. Nothing is sent.
fn source_towards(remote: IpAddr) -> Option<IpAddr> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    probe.connect(SocketAddr::new(remote, 9)).ok()?;
    let source = probe.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

/// An address of the documentation range: only routes are asked for it, and any default route leads there.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// How many routes are remembered: a server has few addresses, and a flood of forged ones must not grow us.
const ROUTES_MAX: usize = 32;
