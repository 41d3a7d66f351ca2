//! UDP for all of this machine's addresses.
//!
//! One socket per family, bound to no address: each datagram says from which of our addresses it goes, and by which
//! interface, and each that comes says to which it was sent. So addresses may come and go without a socket doing so,
//! and a machine with two ways out uses both.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::AsRawFd,
    task::{Context, Poll, ready},
};

use nix::{
    cmsg_space, libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrStorage,
        recvmsg, sendmsg, setsockopt, sockopt,
    },
};
use tokio::{io::Interest, net::UdpSocket};

use super::interfaces::{Address, Reach};

/// The sockets of a connection: one, or two where there is IPv6.
pub(super) struct UdpSockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
    control: Vec<u8>,
}

struct Socket {
    socket: UdpSocket,
    port: u16,
}

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) length: usize,
}

impl UdpSockets {
    /// Opens the sockets. A machine may have either family, or both.
    pub(super) fn open() -> io::Result<Self> {
        let v6 = Socket::open(Ipv6Addr::UNSPECIFIED.into()).ok();
        let v4 = match Socket::open(Ipv4Addr::UNSPECIFIED.into()) {
            Err(error) if v6.is_none() => return Err(error),
            v4 => v4.ok(),
        };
        Ok(Self {
            v4,
            v6,
            control: cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo),
        })
    }

    /// The port that an address of ours is reached by.
    pub(super) fn port(&self, ip: IpAddr) -> Option<u16> {
        self.socket(ip).map(|socket| socket.port)
    }

    /// Sends a datagram from one of our addresses.
    pub(super) fn send(&self, source: Address, destination: SocketAddr, contents: &[u8]) -> io::Result<()> {
        let socket = self.socket(source.ip).ok_or(io::ErrorKind::Unsupported)?;
        let contents = [IoSlice::new(contents)];
        let fd = socket.socket.as_raw_fd();
        match (source.ip, destination) {
            (IpAddr::V4(ip), SocketAddr::V4(destination)) => {
                let info = packet_info_v4(ip, source.interface);
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                let destination = SockaddrIn::from(destination);
                sendmsg(fd, &contents, &control, MsgFlags::empty(), Some(&destination))?;
            }
            (IpAddr::V6(ip), SocketAddr::V6(destination)) => {
                let info = packet_info_v6(ip, source.interface);
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                let destination = SockaddrIn6::from(scoped(destination, source.interface));
                sendmsg(fd, &contents, &control, MsgFlags::empty(), Some(&destination))?;
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
    }

    /// Takes the next datagram, if there is one.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Datagram> {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            if let Poll::Ready(datagram) = socket.poll_receive(context, buffer, &mut self.control) {
                return Poll::Ready(datagram);
            }
        }
        Poll::Pending
    }

    /// Closes the sockets.
    pub(super) fn close(&mut self) {
        self.v4 = None;
        self.v6 = None;
    }

    fn socket(&self, ip: IpAddr) -> Option<&Socket> {
        match ip {
            IpAddr::V4(_) => self.v4.as_ref(),
            IpAddr::V6(_) => self.v6.as_ref(),
        }
    }
}

impl Socket {
    fn open(any: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((any, 0))?;
        match any {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self { socket, port })
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        control: &mut [u8],
    ) -> Poll<Datagram> {
        for _ in 0..REFUSALS_MAX {
            if ready!(self.socket.poll_recv_ready(context)).is_err() {
                return Poll::Pending;
            }
            let received = self
                .socket
                .try_io(Interest::READABLE, || self.receive(buffer, control));
            if let Ok(Some(datagram)) = received {
                return Poll::Ready(datagram);
            }
            // It does not say whose it is, or a datagram of ours was refused somewhere: the next may be good.
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn receive(&self, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut buffer = [IoSliceMut::new(buffer)];
        let message: RecvMsg<'_, '_, SockaddrStorage> = recvmsg(
            self.socket.as_raw_fd(),
            &mut buffer,
            Some(control),
            MsgFlags::empty(),
        )?;
        let destination = message.cmsgs()?.find_map(destination);
        let (Some(source), Some(destination)) = (message.address.and_then(unscoped), destination) else {
            return Ok(None);
        };
        Ok(Some(Datagram {
            source,
            destination: SocketAddr::new(destination, self.port),
            length: message.bytes,
        }))
    }
}

fn packet_info_v4(source: Ipv4Addr, interface: u32) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: interface as _,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(source.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn packet_info_v6(source: Ipv6Addr, interface: u32) -> libc::in6_pktinfo {
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: source.octets(),
        },
        ipi6_ifindex: interface as _,
    }
}

/// To which of our addresses a datagram was sent.
fn destination(control: ControlMessageOwned) -> Option<IpAddr> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    }
}

/// An address of the same wire is said together with the wire.
fn scoped(address: SocketAddrV6, interface: u32) -> SocketAddrV6 {
    let scope = match Reach::of((*address.ip()).into()) {
        Reach::Link => interface,
        Reach::Machine | Reach::Routed => 0,
    };
    SocketAddrV6::new(*address.ip(), address.port(), 0, scope)
}

/// Who sent a datagram, as candidates say it: without the wire.
fn unscoped(address: SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(address), _) => Some(SocketAddr::new(address.ip().into(), address.port())),
        (_, Some(address)) => Some(SocketAddr::new(address.ip().into(), address.port())),
        _ => None,
    }
}

/// How many datagrams that are no use are taken in a row before others have their turn.
const REFUSALS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;
    use crate::network::interfaces::addresses;

    async fn receive(sockets: &mut UdpSockets, buffer: &mut [u8]) -> Datagram {
        tokio::time::timeout(
            Duration::from_secs(20),
            poll_fn(|context| sockets.poll_receive(context, buffer)),
        )
        .await
        .expect("what was sent within this machine arrives")
    }

    #[tokio::test]
    async fn datagrams_say_from_and_to_which_address_they_go() {
        let mut sockets = UdpSockets::open().expect("UDP");
        let ours = addresses();
        assert!(!ours.is_empty());
        for address in ours.iter().copied() {
            let port = sockets.port(address.ip).expect("a socket of this family");
            let own = SocketAddr::new(address.ip, port);
            sockets.send(address, own, b"hello").expect("sent");
            let mut buffer = [0; 100];
            let datagram = receive(&mut sockets, &mut buffer).await;
            assert_eq!((datagram.source, datagram.destination), (own, own));
            assert_eq!(&buffer[..datagram.length], b"hello");
        }
    }
}
