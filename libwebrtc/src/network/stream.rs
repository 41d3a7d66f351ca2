//! Packets through TCP, with or without TLS.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::client::TlsStream;

use super::framing::{Framing, Unframer};

/// A stream that packets go through.
pub(super) struct Stream {
    state: State,
    framing: Framing,
    unframer: Unframer,
    // What waits to be written, in whole frames but for the first.
    queue: VecDeque<u8>,
    was_open: bool,
}

enum State {
    Opening(Opening),
    Open(Pipe),
    Closed,
}

/// A stream that is being opened.
pub(super) type Opening = Pin<Box<dyn Future<Output = io::Result<Pipe>> + Send>>;

/// What carries the bytes.
pub(super) enum Pipe {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn new(framing: Framing, opening: Opening) -> Self {
        Self {
            state: State::Opening(opening),
            framing,
            unframer: Unframer::new(framing),
            queue: VecDeque::new(),
            was_open: false,
        }
    }

    /// Queues a packet. A queue that is full takes no more until the other side has read: what waits in it was
    /// promised to arrive in order, and what is dropped here is lost as it would be on the wire.
    pub(super) fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        if matches!(self.state, State::Closed) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if self.queue.len() + packet.len() > QUEUE_BYTES_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.framing.frame(packet, &mut self.queue);
        Ok(())
    }

    /// Whether it was open and is so no more.
    pub(super) fn is_broken(&self) -> bool {
        self.was_open && self.is_closed()
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Opens, writes and reads as far as that goes, and takes the next packet. Pending for ever once it is closed.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        match self.try_poll_receive(context, buffer) {
            Poll::Ready(Ok(length)) => Poll::Ready(length),
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a stream is closed");
                self.close();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn try_poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let State::Opening(opening) = &mut self.state {
            self.state = State::Open(ready!(opening.as_mut().poll(context))?);
            self.was_open = true;
        }
        let State::Open(pipe) = &mut self.state else {
            return Poll::Pending;
        };
        if let Poll::Ready(Err(error)) = pipe.poll_write_all(context, &mut self.queue) {
            return Poll::Ready(Err(error));
        }
        loop {
            let packet = self.unframer.pull().map_err(|_| io::ErrorKind::InvalidData)?;
            if let Some(packet) = packet {
                let length = packet.len().min(buffer.len());
                buffer[..length].copy_from_slice(&packet[..length]);
                return Poll::Ready(Ok(length));
            }
            let mut bytes = [0; READ_BYTES_MAX];
            let mut bytes = ReadBuf::new(&mut bytes);
            ready!(pipe.poll_read(context, &mut bytes))?;
            if bytes.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.unframer.push(bytes.filled());
        }
    }

    /// Closes the stream, after what can be written at once.
    pub(super) fn close(&mut self) {
        if let State::Open(pipe) = &mut self.state {
            let mut context = Context::from_waker(Waker::noop());
            let _ = pipe.poll_write_all(&mut context, &mut self.queue);
        }
        self.state = State::Closed;
        self.queue = VecDeque::new();
    }
}

impl Pipe {
    fn poll_read(&mut self, context: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, bytes),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_write_all(
        &mut self,
        context: &mut Context<'_>,
        queue: &mut VecDeque<u8>,
    ) -> Poll<io::Result<()>> {
        while !queue.is_empty() {
            let written = ready!(self.poll_write(context, queue.as_slices().0))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.drain(..written);
        }
        self.poll_flush(context)
    }
}

/// Connects from one of our addresses.
pub(super) async fn connect(ours: IpAddr, theirs: SocketAddr) -> io::Result<TcpStream> {
    let socket = match ours {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(ours, 0))?;
    socket.set_nodelay(true)?;
    match tokio::time::timeout(CONNECT_MAX, socket.connect(theirs)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// What may wait to be written, in bytes: about half a second of all that a room sends.
const QUEUE_BYTES_MAX: usize = 64 << 10;

/// How much is read at once, in bytes.
const READ_BYTES_MAX: usize = 4096;

/// How long a connection may take to open.
const CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(10);
