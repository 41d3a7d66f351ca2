//! A connection: one task, few sockets, one str0m session.
//!
//! All of a connection's state is in [`Core`](core::Core), behind one lock that is never held across an await and
//! never while a callback runs. Calls of the application change the core at once and wake the task; the task feeds it
//! datagrams and time, and then runs the callbacks for what happened.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::{
    RtcError,
    data_channel::{DataChannelError, DataChannelState},
    native::frame_cryptor,
    network::{Network, PACKET_BYTES_MAX},
    peer_connection_factory::RtcConfiguration,
    stats::RtcStats,
};

pub(crate) mod channel;
mod core;
pub(crate) mod events;
pub(crate) mod handle;
mod media;
mod messages;
mod negotiation;
mod paths;
mod routes;
mod statistics;
pub(crate) mod transceiver;

use self::{
    channel::Channel,
    core::Core,
    events::{Event, Handlers},
    paths::Policy,
};

/// What the task, the handles, the channels and the sections of a connection share.
pub(crate) struct Connection {
    core: Mutex<Core>,
    events: Mutex<VecDeque<Event>>,
    handlers: Handlers,
    // Whether no audio may go out in clear.
    must_encrypt: bool,
    // Shared with the sources that are sent, which wake the task when there is something to send.
    waker: Arc<Notify>,
}

impl Connection {
    /// Opens the sockets and starts the task.
    pub(crate) fn start(config: &RtcConfiguration) -> Result<Arc<Self>, RtcError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| RtcError::invalid_state("a connection must be made within a tokio runtime"))?;
        let network = Network::open(&config.ice_servers)
            .map_err(|error| RtcError::internal(format!("cannot open a UDP socket: {error}")))?;
        let waker = Arc::new(Notify::new());
        let connection = Arc::new_cyclic(|connection: &Weak<Self>| Self {
            core: Mutex::new(Core::new(
                connection.clone(),
                network,
                Policy::of(config),
                waker.clone(),
            )),
            events: Mutex::default(),
            handlers: Handlers::default(),
            must_encrypt: frame_cryptor::is_demanded(),
            waker: waker.clone(),
        });
        runtime.spawn(connection.clone().run());
        Ok(connection)
    }

    async fn run(self: Arc<Self>) {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let sleep = tokio::time::sleep_until(Instant::now().into());
        tokio::pin!(sleep);
        loop {
            let deadline = self.with_core(|core| core.handle_time(Instant::now()));
            self.run_callbacks();
            let Some(deadline) = deadline else {
                break;
            };
            let needs_timer = !self.core.lock().network.is_on_ticks();
            if needs_timer {
                sleep.as_mut().reset(deadline.into());
            }
            tokio::select! {
                () = poll_fn(|context| self.with_core(|core| core.poll_network(context, deadline, &mut buffer))) => {}
                () = self.waker.notified() => {}
                () = &mut sleep, if needs_timer => {}
            }
        }
        self.handlers.clear();
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
