//! UDP for all of this machine's addresses.
//!
//! One socket per family, bound to no address: each datagram says from which of our addresses it goes, and by which
//! interface, and each that comes says to which it was sent. So addresses may come and go without a socket doing so,
//! and a machine with two ways out uses both.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::AsRawFd,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    cmsg_space, libc,
    sys::{
        socket::{
            ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrStorage,
            recvmsg, sendmsg, setsockopt, sockopt,
        },
        time::{TimeVal, TimeValLike},
    },
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    interfaces::{Address, Reach},
    pace::Pace,
    ticks::Ticks,
};

/// The sockets of a connection: one, or two where there is IPv6.
pub(super) struct UdpSockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
    control: Vec<u8>,
    // While a socket is not watched: the ticks on which it is looked at, and whether one came.
    ticks: Option<Ticks>,
    is_tick: bool,
}

struct Socket {
    socket: Arc<UdpSocket>,
    port: u16,
    pace: Pace,
    // Wakes the task for each datagram. None while they come in a steady flow: then the socket is looked at on ticks.
    watch: Option<AsyncFd<Arc<UdpSocket>>>,
}

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) length: usize,
    /// For how long it lay in the socket.
    pub(super) waited: Duration,
}

impl UdpSockets {
    /// Opens the sockets. A machine may have either family, or both. Must be called within a tokio runtime.
    pub(super) fn open() -> io::Result<Self> {
        let v6 = Socket::open(Ipv6Addr::UNSPECIFIED.into()).ok();
        let v4 = match Socket::open(Ipv4Addr::UNSPECIFIED.into()) {
            Err(error) if v6.is_none() => return Err(error),
            v4 => v4.ok(),
        };
        Ok(Self {
            v4,
            v6,
            control: cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo, TimeVal),
            ticks: None,
            is_tick: false,
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
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Datagram> {
        self.poll_ticks(context);
        for socket in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            if (self.is_tick || socket.watch.is_some())
                && let Poll::Ready(datagram) = socket.poll_receive(context, now, buffer, &mut self.control)
            {
                return Poll::Ready(datagram);
            }
        }
        self.is_tick = false;
        let are_watched = [&self.v4, &self.v6]
            .into_iter()
            .flatten()
            .all(|socket| socket.watch.is_some());
        match (are_watched, self.is_on_ticks()) {
            (true, true) => self.ticks = None,
            (false, false) => {
                self.ticks = Some(Ticks::follow());
                self.poll_ticks(context);
            }
            _ => {}
        }
        Poll::Pending
    }

    fn poll_ticks(&mut self, context: &mut Context<'_>) {
        while let Some(ticks) = &mut self.ticks
            && ticks.poll(context).is_ready()
        {
            self.is_tick = true;
        }
    }

    /// Whether the task is woken on ticks, for that and for whatever else is due.
    pub(super) fn is_on_ticks(&self) -> bool {
        self.ticks.is_some()
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
        let socket = UdpSocket::bind((any, 0))?;
        match any {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
        setsockopt(&socket, sockopt::ReceiveTimestamp, &true)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let socket = Arc::new(socket);
        let watch = Some(watch(&socket)?);
        Ok(Self {
            socket,
            port,
            pace: Pace::default(),
            watch,
        })
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
        buffer: &mut [u8],
        control: &mut [u8],
    ) -> Poll<Datagram> {
        self.follow_pace(now);
        for _ in 0..REFUSALS_MAX {
            let received = match &self.watch {
                Some(watch) => {
                    let Ok(mut guard) = ready!(watch.poll_read_ready(context)) else {
                        return Poll::Pending;
                    };
                    match guard.try_io(|_| self.receive(buffer, control)) {
                        Ok(received) => received,
                        Err(_would_block) => continue,
                    }
                }
                None => match self.receive(buffer, control) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                    received => received,
                },
            };
            if let Ok(Some(datagram)) = received {
                self.pace.count();
                return Poll::Ready(datagram);
            }
            // It does not say whose it is, or a datagram of ours was refused somewhere: the next may be good.
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Has the runtime watch the socket, or leaves it to the ticks.
    fn follow_pace(&mut self, now: Instant) {
        match (self.pace.is_steady(now), &self.watch) {
            (true, Some(_)) => self.watch = None,
            (false, None) => match watch(&self.socket) {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => tracing::debug!(%error, "a socket is not watched; it is looked at on ticks"),
            },
            _ => {}
        }
    }

    fn receive(&self, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut buffer = [IoSliceMut::new(buffer)];
        let message: RecvMsg<'_, '_, SockaddrStorage> = recvmsg(
            self.socket.as_raw_fd(),
            &mut buffer,
            Some(control),
            MsgFlags::empty(),
        )?;
        let (mut destination, mut waited) = (None, Duration::ZERO);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    destination = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                ControlMessageOwned::ScmTimestamp(came_at) => waited = since(came_at),
                _ => {}
            }
        }
        let (Some(source), Some(destination)) = (message.address.and_then(unscoped), destination) else {
            return Ok(None);
        };
        Ok(Some(Datagram {
            source,
            destination: SocketAddr::new(destination, self.port),
            length: message.bytes,
            waited,
        }))
    }
}

/// Has the runtime wake whoever polls the socket for each datagram that comes.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for files that are closed too early; this one is open for as long as it is shared"
)]
fn watch(socket: &Arc<UdpSocket>) -> io::Result<AsyncFd<Arc<UdpSocket>>> {
    Ok(AsyncFd::try_with_interest(socket.clone(), Interest::READABLE)?)
}

/// How long ago that was by the system's clock, which may have been set since.
fn since(time: TimeVal) -> Duration {
    let since_1970 = Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0));
    let waited = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + since_1970);
    waited.unwrap_or_default().min(WAITED_MAX)
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

/// A clock that was set forward is not a process that stood still.
const WAITED_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::network::interfaces::addresses;

    async fn receive(sockets: &mut UdpSockets, now: Instant) -> (Datagram, Vec<u8>) {
        let mut buffer = [0; 100];
        let datagram = tokio::time::timeout(
            Duration::from_secs(20),
            poll_fn(|context| sockets.poll_receive(context, now, &mut buffer)),
        )
        .await
        .expect("what was sent within this machine arrives");
        (datagram, buffer[..datagram.length].to_vec())
    }

    /// An address of this machine, and where it takes datagrams.
    fn own(sockets: &UdpSockets) -> (Address, SocketAddr) {
        let ours = addresses();
        let address = *ours.first().expect("a machine has an address");
        let port = sockets.port(address.ip).expect("a socket of this family");
        (address, SocketAddr::new(address.ip, port))
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
            let (datagram, contents) = receive(&mut sockets, Instant::now()).await;
            assert_eq!((datagram.source, datagram.destination), (own, own));
            assert_eq!(contents, b"hello");
        }
    }

    #[tokio::test]
    async fn datagrams_say_for_how_long_they_lay_there() {
        let mut sockets = UdpSockets::open().expect("UDP");
        let (address, own) = own(&sockets);
        sockets.send(address, own, b"hello").expect("sent");
        let wait = Duration::from_millis(50);
        tokio::time::sleep(wait).await;
        let (datagram, _) = receive(&mut sockets, Instant::now()).await;
        assert!(datagram.waited >= wait, "{:?}", datagram.waited);
    }

    #[tokio::test]
    async fn a_steady_flow_is_looked_at_on_ticks_and_nothing_of_it_is_lost() {
        let mut sockets = UdpSockets::open().expect("UDP");
        let (address, own) = own(&sockets);
        let start = Instant::now();
        let mut modes = Vec::new();
        // Speech for two seconds, by their count of time.
        for number in 0..100_u8 {
            sockets.send(address, own, &[number]).expect("sent");
            let now = start + Duration::from_millis(20) * u32::from(number);
            assert_eq!(receive(&mut sockets, now).await.1, [number]);
            modes.push(sockets.is_on_ticks());
        }
        assert_eq!((modes[0], modes[99]), (false, true));
        // Then nothing: the runtime watches again, and wakes for what comes after it.
        let now = start + Duration::from_secs(3);
        let nothing = poll_fn(|context| {
            let came = sockets.poll_receive(context, now, &mut [0; 100]);
            match sockets.is_on_ticks() {
                true => Poll::Pending,
                false => Poll::Ready(came.is_pending()),
            }
        });
        assert!(nothing.await);
        sockets.send(address, own, b"late").expect("sent");
        assert_eq!(receive(&mut sockets, now).await.1, b"late");
    }
}
