//! A connection: one task, one socket, one str0m session.
//!
//! All of a connection's state is in [`Core`](core::Core), behind one lock that is never held across an await and
//! never while a callback runs. Calls of the application change the core at once and wake the task; the task feeds it
//! datagrams and time, and then runs the callbacks for what happened.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{net::UdpSocket, sync::Notify};

use crate::{
    RtcError,
    data_channel::{DataChannelError, DataChannelState},
    stats::RtcStats,
};

pub(crate) mod channel;
mod core;
mod events;
pub(crate) mod handle;
mod media;
mod messages;
mod negotiation;
mod network;
mod routes;
mod statistics;
pub(crate) mod transceiver;

use self::{
    channel::Channel,
    core::Core,
    events::{Event, Handlers},
    network::Network,
};

/// What the task, the handles, the channels and the sections of a connection share.
pub(crate) struct Connection {
    core: Mutex<Core>,
    events: Mutex<VecDeque<Event>>,
    handlers: Handlers,
    // Shared with the sources that are sent, which wake the task when there is something to send.
    waker: Arc<Notify>,
}

impl Connection {
    /// Opens the socket and starts the task.
    pub(crate) fn start() -> Result<Arc<Self>, RtcError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| RtcError::invalid_state("a connection must be made within a tokio runtime"))?;
        let (network, socket) = Network::open()
            .map_err(|error| RtcError::internal(format!("cannot open a UDP socket: {error}")))?;
        let waker = Arc::new(Notify::new());
        let connection = Arc::new_cyclic(|connection: &Weak<Self>| Self {
            core: Mutex::new(Core::new(connection.clone(), network, waker.clone())),
            events: Mutex::default(),
            handlers: Handlers::default(),
            waker: waker.clone(),
        });
        runtime.spawn(connection.clone().run(socket));
        Ok(connection)
    }

    async fn run(self: Arc<Self>, socket: UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let sleep = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(sleep);
        loop {
            let deadline = self.with_core(|core| core.handle_time(Instant::now()));
            self.run_callbacks();
            let Some(deadline) = deadline else {
                break;
            };
            sleep.as_mut().reset(deadline.into());
            tokio::select! {
                () = self.waker.notified() => {}
                () = &mut sleep => {}
                readable = socket.readable() => {
                    if readable.is_ok() {
                        self.receive(&socket, &mut buffer);
                    }
                }
            }
        }
        self.handlers.clear();
    }

    fn receive(&self, socket: &UdpSocket, buffer: &mut [u8]) {
        self.with_core(|core| {
            // Bounded, so that a flood on one connection does not keep the thread from the others.
            for _ in 0..DATAGRAMS_PER_TURN_MAX {
                match socket.try_recv_from(buffer) {
                    Ok((length, source)) => core.handle_datagram(Instant::now(), &buffer[..length], source),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // A datagram of ours was refused somewhere; the next one may not be.
                    Err(_) => {}
                }
            }
        });
    }

    /// Changes the core, and queues the callbacks for what that caused.
    fn with_core<T>(&self, change: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.core.lock();
        let result = change(&mut core);
        self.collect(&mut core);
        result
    }

    /// The same for a call of the application: the session is driven at once, and the task woken.
    fn call<T>(&self, change: impl FnOnce(&mut Core) -> T) -> T {
        let result = self.with_core(|core| {
            let result = change(core);
            core.advance(Instant::now());
            result
        });
        self.wake();
        result
    }

    fn collect(&self, core: &mut MutexGuard<'_, Core>) {
        if core.has_events() {
            self.events.lock().append(core.events());
        }
    }

    fn run_callbacks(&self) {
        loop {
            let Some(event) = self.events.lock().pop_front() else {
                return;
            };
            self.handlers.call(event);
        }
    }

    pub(crate) fn wake(&self) {
        self.waker.notify_one();
    }

    fn push_event(&self, event: Event) {
        self.events.lock().push_back(event);
        self.wake();
    }

    fn send_message(&self, channel: &Channel, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        self.call(|core| core.send_message(channel, data, binary))
    }

    fn close_channel(&self, channel: &Arc<Channel>) {
        if !matches!(
            channel.state(),
            DataChannelState::Closed | DataChannelState::Closing
        ) {
            self.call(|core| core.close_channel(channel));
        }
    }

    pub(crate) fn transport_stats(&self) -> Vec<RtcStats> {
        self.core.lock().transport_stats()
    }
}

/// The longest datagram that is taken; what WebRTC sends fits an Ethernet frame.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// How many datagrams are taken in one turn of the task.
const DATAGRAMS_PER_TURN_MAX: usize = 64;
