//! ICE over TCP (RFC 6544): connections of ours to addresses where the other side listens.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{
    framing::Framing,
    stream::{Pipe, Stream, connect},
    turn::is_stun,
};

/// The connections of one session. They are opened when something is to be sent by them, and again after they broke.
#[derive(Default)]
pub(super) struct TcpConnections {
    connections: Vec<Connection>,
}

struct Connection {
    // The port stands for a connection, and means nothing.
    ours: SocketAddr,
    theirs: SocketAddr,
    stream: Stream,
    openings: u32,
    opened_at: Instant,
    // Whether it was said that the stream broke.
    is_told: bool,
}

impl TcpConnections {
    /// Sends a packet, or queues it while the connection is opened.
    pub(super) fn send(&mut self, ours: SocketAddr, theirs: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let is_it = |known: &Connection| (known.ours, known.theirs) == (ours, theirs);
        let known = self.connections.iter().position(is_it);
        match known {
            Some(known) => self.connections[known].send(packet),
            None if self.connections.len() >= CONNECTIONS_MAX => Err(io::ErrorKind::QuotaExceeded.into()),
            None => {
                let mut connection = Connection::open(ours, theirs);
                let sent = connection.send(packet);
                self.connections.push(connection);
                sent
            }
        }
    }

    /// Takes the next packet: to which of our addresses, whose it is, and its length.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<(SocketAddr, SocketAddr, usize)> {
        for connection in &mut self.connections {
            if let Poll::Ready(length) = connection.stream.poll_receive(context, buffer) {
                return Poll::Ready((connection.ours, connection.theirs, length));
            }
        }
        Poll::Pending
    }

    /// A connection that broke since this was asked last.
    pub(super) fn broken(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        let is_news = |known: &&mut Connection| known.stream.is_broken() && !known.is_told;
        let connection = self.connections.iter_mut().find(is_news)?;
        connection.is_told = true;
        Some((connection.ours, connection.theirs))
    }

    /// Closes the connections from addresses that are no longer of use.
    pub(super) fn retain(&mut self, mut is_of_use: impl FnMut(SocketAddr) -> bool) {
        self.connections.retain_mut(|connection| {
            let stays = is_of_use(connection.ours);
            if !stays {
                connection.stream.close();
            }
            stays
        });
    }
}

impl Connection {
    fn open(ours: SocketAddr, theirs: SocketAddr) -> Self {
        Self {
            ours,
            theirs,
            stream: opening(ours, theirs),
            openings: 1,
            opened_at: Instant::now(),
            is_told: false,
        }
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        // A server knows whose a connection is by the check of a path that must come first.
        let may_open = is_stun(packet) && self.opened_at.elapsed() >= pause(self.openings);
        if self.stream.is_closed() && may_open {
            self.stream = opening(self.ours, self.theirs);
            self.openings += 1;
            self.opened_at = Instant::now();
            self.is_told = false;
        }
        self.stream.send(packet)
    }
}

/// Begins once it is polled, by the task.
fn opening(ours: SocketAddr, theirs: SocketAddr) -> Stream {
    let opening = async move { connect(ours.ip(), theirs).await.map(Pipe::Plain) };
    Stream::new(Framing::Length, Box::pin(opening))
}

/// How long to wait from one opening to the next, after so many of them.
fn pause(openings: u32) -> Duration {
    PAUSE_MIN * 2_u32.pow(openings.saturating_sub(1).min(PAUSE_DOUBLINGS_MAX))
}

/// How many connections a session may have: each address of ours to each of theirs.
const CONNECTIONS_MAX: usize = 8;

/// How long to wait before a connection that broke is opened again, the first time.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// How often that time doubles: to 8 s.
const PAUSE_DOUBLINGS_MAX: u32 = 4;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn receive(connections: &mut TcpConnections) -> Vec<u8> {
        let mut buffer = [0; 100];
        let received = poll_fn(|context| connections.poll_receive(context, &mut buffer));
        let (_, _, length) = tokio::time::timeout(Duration::from_secs(20), received)
            .await
            .expect("the other side sent something");
        buffer[..length].to_vec()
    }

    #[tokio::test]
    async fn packets_go_both_ways_and_again_after_a_break() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let theirs = listener.local_addr().expect("bound");
        let ours = SocketAddr::new(theirs.ip(), 9);
        let peer = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.write_all(b"\0\x05hello").await.expect("written");
                let mut said = [0; 5];
                stream.read_exact(&mut said).await.expect("read");
                assert_eq!(&said, b"\0\x03\0ou");
            }
        });
        let mut connections = TcpConnections::default();
        for _ in 0..2 {
            // Tries until the connection is there, as checks of a path do.
            let greeting = loop {
                let _ = connections.send(ours, theirs, b"\0ou");
                let short = tokio::time::timeout(Duration::from_millis(50), receive(&mut connections));
                if let Ok(greeting) = short.await {
                    break greeting;
                }
            };
            assert_eq!(greeting, b"hello");
        }
        drop(connections);
        drop(peer);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(pause(1), Duration::from_millis(500));
        assert_eq!(pause(2), Duration::from_secs(1));
        assert_eq!(pause(100), Duration::from_secs(8));
    }
}
