//! The state of a connection, and how time and datagrams move it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event as SessionEvent, IceConnectionState as SessionIceState, IceCreds, Input, Output, Rtc,
    format::Codec,
    media::Frequency,
    net::{Receive, Transmit},
    rtp::{Extension, ExtensionMap},
    stats::PeerStats,
};
use tokio::sync::Notify;

use super::{
    Connection, channel::Channel, events::Event, media::Outgoing, negotiation::Negotiation, paths::Policy,
    routes::Routes, transceiver::Transceiver,
};
use crate::{
    RtcError,
    network::{Network, Received, Way, is_stun},
    peer_connection::{IceConnectionState, IceGatheringState, PeerConnectionState},
    sdp::Numbers,
};

/// The state of a connection.
pub(crate) struct Core {
    pub(super) connection: Weak<Connection>,
    pub(super) waker: Arc<Notify>,
    pub(super) network: Network,
    pub(super) policy: Policy,
    // The session begins with the first description, which may be theirs and then sets the numbers.
    pub(super) session: Option<Session>,
    pub(super) negotiation: Negotiation,
    pub(super) transceivers: Vec<Arc<Transceiver>>,
    pub(super) channels: Vec<Arc<Channel>>,
    pub(super) outgoing: Vec<Outgoing>,
    pub(super) gathering: IceGatheringState,
    pub(super) peer_stats: Option<PeerStats>,
    pub(super) path_changes: u32,
    // The way that media and data go.
    pub(super) way: Option<Way>,
    // When our addresses were looked up last.
    pub(super) looked_at: Instant,
    // Whether the session is lost for good.
    pub(super) is_broken: bool,
    // Whether there is a path, and since when.
    pub(super) paths_work: bool,
    pub(super) paths_since: Option<Instant>,
    pub(super) began: Instant,
    events: VecDeque<Event>,
    negotiations_wanted: u32,
    ice: IceConnectionState,
    state: PeerConnectionState,
    // For how long the packet that is taken lay in the socket.
    pub(super) waited: Duration,
    // When the other side was heard last, and when we gave up on it.
    heard_at: Option<Instant>,
    lost_at: Option<Instant>,
    checking_since: Option<Instant>,
    session_deadline: Instant,
    has_changed: bool,
}

/// The str0m session and what belongs to it alone.
pub(super) struct Session {
    pub(super) rtc: Rtc,
    pub(super) numbers: Numbers,
    pub(super) credentials: IceCreds,
    // What was announced of our addresses, and those of them that paths are looked for from.
    pub(super) candidates: Vec<Candidate>,
    pub(super) tried: Vec<Candidate>,
    // Whether paths that cost others more than plain UDP are tried.
    pub(super) has_fallbacks: bool,
    pub(super) remote_credentials: Option<IceCreds>,
    pub(super) remote_candidates: Vec<Candidate>,
    pub(super) is_started: bool,
    pub(super) is_controlling: bool,
    pub(super) is_encrypted: bool,
    pub(super) routes: Routes,
}

impl Core {
    pub(super) fn new(
        connection: Weak<Connection>,
        network: Network,
        policy: Policy,
        waker: Arc<Notify>,
    ) -> Self {
        Self {
            connection,
            waker,
            network,
            policy,
            session: None,
            negotiation: Negotiation::default(),
            transceivers: Vec::new(),
            channels: Vec::new(),
            outgoing: Vec::new(),
            gathering: IceGatheringState::New,
            peer_stats: None,
            path_changes: 0,
            way: None,
            looked_at: Instant::now(),
            is_broken: false,
            paths_work: false,
            paths_since: None,
            began: Instant::now(),
            events: VecDeque::new(),
            negotiations_wanted: 0,
            ice: IceConnectionState::New,
            state: PeerConnectionState::New,
            waited: Duration::ZERO,
            heard_at: None,
            lost_at: None,
            checking_since: None,
            session_deadline: Instant::now(),
            has_changed: false,
        }
    }

    pub(super) fn connection_state(&self) -> PeerConnectionState {
        self.state
    }

    pub(super) fn ice_connection_state(&self) -> IceConnectionState {
        self.ice
    }

    pub(super) fn ice_gathering_state(&self) -> IceGatheringState {
        self.gathering
    }

    pub(super) fn transceivers(&self) -> &[Arc<Transceiver>] {
        &self.transceivers
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == PeerConnectionState::Closed
    }

    pub(super) fn check_open(&self) -> Result<(), RtcError> {
        match self.is_closed() {
            true => Err(RtcError::invalid_state("the connection is closed")),
            false => Ok(()),
        }
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn events(&mut self) -> &mut VecDeque<Event> {
        &mut self.events
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// The session, begun with the given numbers if there is none yet.
    pub(super) fn session(&mut self, numbers: Numbers) -> &mut Session {
        if self.session.is_none() {
            self.session = Some(Session::begin(numbers));
            self.begin_paths();
            self.register_channels();
        }
        self.session.as_mut().expect("the session was begun above")
    }

    pub(super) fn add_transceiver(
        &mut self,
        transceiver: Arc<Transceiver>,
    ) -> Result<Arc<Transceiver>, RtcError> {
        self.check_open()?;
        self.transceivers.push(transceiver.clone());
        self.want_negotiation();
        Ok(transceiver)
    }

    pub(super) fn remove_track(&mut self, transceiver: &Arc<Transceiver>) -> Result<(), RtcError> {
        self.check_open()?;
        transceiver.remove_track();
        self.want_negotiation();
        Ok(())
    }

    /// Tells that what there is differs from what was agreed on.
    pub(super) fn want_negotiation(&mut self) {
        self.negotiations_wanted += 1;
        self.tell(Event::NegotiationNeeded(self.negotiations_wanted));
    }

    /// Marks the session as changed, so that it is driven before anything else.
    pub(super) fn changed(&mut self) {
        self.has_changed = true;
    }

    /// Takes what came in, as far as one turn goes. Pending when nothing did, and nothing else is to be done before the
    /// deadline. That is for a timer to tell, unless the task is [on ticks](Network::is_on_ticks) when this begins.
    pub(super) fn poll_network(
        &mut self,
        context: &mut Context<'_>,
        deadline: Instant,
        buffer: &mut [u8],
    ) -> Poll<()> {
        let needs_no_timer = self.network.is_on_ticks();
        for taken in 0..PACKETS_PER_TURN_MAX {
            let now = Instant::now();
            match self.network.poll_receive(context, now, buffer) {
                Poll::Ready(Some(received)) => self.take_packet(now, received, &buffer[..received.length]),
                Poll::Pending if taken == 0 => {
                    let is_due = now >= deadline || !self.network.is_on_ticks();
                    return match needs_no_timer && is_due {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    };
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    fn take_packet(&mut self, now: Instant, Received { way, waited, .. }: Received, packet: &[u8]) {
        let Some(session) = &mut self.session else {
            return;
        };
        let Ok(receive) = Receive::new(way.protocol, way.theirs, way.ours, packet) else {
            return;
        };
        let input = Input::Receive(now, receive);
        if !session.rtc.accepts(&input) {
            return;
        }
        session.try_announced(way.ours);
        self.heard_at = Some(now);
        self.waited = waited;
        if let Err(error) = session.rtc.handle_input(input) {
            self.give_up(&error);
            return;
        }
        // Drained after every packet: the session keeps a single one for us.
        self.drain(now);
    }

    /// Drives everything that time drives, and says when to do so next; `None` once the connection is closed.
    pub(super) fn handle_time(&mut self, now: Instant) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        self.advance(now);
        let mut deadline = self.session_deadline;
        deadline = deadline.min(self.send_audio(now));
        deadline = deadline.min(self.play_out(now));
        deadline = deadline.min(self.watch(now));
        deadline = deadline.min(self.watch_paths(now));
        deadline = deadline.min(self.follow_servers(now));
        if self.has_changed {
            self.advance(now);
            deadline = deadline.min(self.session_deadline);
        }
        Some(deadline.max(now))
    }

    /// Drives the session, if it has something to do.
    pub(super) fn advance(&mut self, now: Instant) {
        let Some(session) = &mut self.session else {
            self.session_deadline = now + IDLE;
            return;
        };
        if self.has_changed || now >= self.session_deadline {
            self.has_changed = false;
            if let Err(error) = session.rtc.handle_input(Input::Timeout(now)) {
                self.give_up(&error);
                return;
            }
        }
        self.drain(now);
        self.count_sent();
    }

    fn drain(&mut self, now: Instant) {
        loop {
            let Some(session) = &mut self.session else {
                return;
            };
            match session.rtc.poll_output() {
                Ok(Output::Transmit(packet)) => self.send(now, &packet),
                Ok(Output::Event(event)) => self.handle_event(now, event),
                Ok(Output::Timeout(deadline)) => {
                    self.session_deadline = deadline.min(now + IDLE);
                    return;
                }
                Err(error) => {
                    self.give_up(&error);
                    return;
                }
            }
        }
    }

    fn send(&mut self, now: Instant, packet: &Transmit) {
        let way = Way {
            protocol: packet.proto,
            ours: packet.source,
            theirs: packet.destination,
        };
        if self.way != Some(way) && !is_stun(&packet.contents) {
            self.way = Some(way);
            // The other side may send by the old one still.
            self.paths_since = Some(now);
        }
        self.network.send(now, packet);
    }

    fn handle_event(&mut self, now: Instant, event: SessionEvent) {
        match event {
            SessionEvent::RtpPacket(packet) => self.handle_packet(now, packet),
            SessionEvent::ChannelData(data) => self.handle_message(data),
            SessionEvent::ChannelOpen(id, label) => self.handle_channel_open(id, &label),
            SessionEvent::ChannelClose(id) => self.handle_channel_close(id),
            SessionEvent::IceConnectionStateChange(state) => self.handle_ice_state(now, state),
            SessionEvent::Connected => {
                if let Some(session) = &mut self.session {
                    session.is_encrypted = true;
                }
                self.refresh_state();
            }
            SessionEvent::PeerStats(stats) => self.handle_peer_stats(stats),
            SessionEvent::MediaEgressStats(stats) => self.handle_report(&stats),
            SessionEvent::Closed => {
                tracing::debug!("the other side closed the session");
                self.lost_at.get_or_insert(now);
                self.refresh_state();
            }
            _ => {}
        }
    }

    fn handle_peer_stats(&mut self, stats: PeerStats) {
        let path = |stats: &PeerStats| {
            stats
                .selected_candidate_pair
                .as_ref()
                .map(|pair| (pair.local.addr, pair.remote.addr))
        };
        if self.peer_stats.as_ref().and_then(path) != path(&stats) {
            self.path_changes += 1;
        }
        self.peer_stats = Some(stats);
    }

    fn handle_ice_state(&mut self, now: Instant, state: SessionIceState) {
        let state = match state {
            SessionIceState::New => IceConnectionState::New,
            SessionIceState::Checking => IceConnectionState::Checking,
            SessionIceState::Connected => IceConnectionState::Connected,
            SessionIceState::Completed => IceConnectionState::Completed,
            SessionIceState::Disconnected => IceConnectionState::Disconnected,
        };
        match state {
            IceConnectionState::Checking => {
                self.checking_since.get_or_insert(now);
            }
            IceConnectionState::Connected | IceConnectionState::Completed => {
                self.checking_since = None;
                self.lost_at = None;
                self.heard_at = Some(now);
            }
            _ => {
                self.lost_at.get_or_insert(now);
            }
        }
        if self.ice != state {
            self.ice = state;
            self.tell(Event::IceConnectionState(state));
        }
        self.refresh_state();
    }

    /// Notices when nothing comes any more, and when it has been so for long. Says when to look again.
    fn watch(&mut self, now: Instant) -> Instant {
        if matches!(
            self.state,
            PeerConnectionState::Connected | PeerConnectionState::Disconnected
        ) {
            let silent = self.heard_at.is_some_and(|heard| now - heard >= SILENCE_MAX);
            let ice_lost = self.ice == IceConnectionState::Disconnected;
            match (silent || ice_lost, self.lost_at) {
                (true, None) => self.lost_at = Some(now),
                (false, Some(_))
                    if self
                        .session
                        .as_ref()
                        .is_some_and(|session| session.rtc.is_alive()) =>
                {
                    self.lost_at = None;
                }
                _ => {}
            }
            self.refresh_state();
        }
        self.watch_addresses(now);
        let lost_too_long = self.lost_at.is_some_and(|lost| now - lost >= LOST_MAX);
        let checked_too_long = self
            .checking_since
            .is_some_and(|since| now - since >= CHECKING_MAX);
        if (lost_too_long || checked_too_long) && self.state != PeerConnectionState::Failed {
            self.set_state(PeerConnectionState::Failed);
        }
        now + WATCH_INTERVAL
    }

    /// Forgets that a path was lost: descriptions were exchanged to find another one.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.lost_at = None;
        self.heard_at = Some(now);
        if !matches!(
            self.ice,
            IceConnectionState::Connected | IceConnectionState::Completed
        ) {
            self.checking_since = Some(now);
        }
        if self.state == PeerConnectionState::Failed {
            self.set_state(PeerConnectionState::Connecting);
        }
    }

    fn refresh_state(&mut self) {
        if matches!(self.state, PeerConnectionState::Closed) {
            return;
        }
        let is_encrypted = self.session.as_ref().is_some_and(|session| session.is_encrypted);
        let state = match self.ice {
            IceConnectionState::New => PeerConnectionState::New,
            IceConnectionState::Checking => PeerConnectionState::Connecting,
            _ if self.lost_at.is_some() && self.state == PeerConnectionState::Failed => {
                PeerConnectionState::Failed
            }
            _ if self.lost_at.is_some() => PeerConnectionState::Disconnected,
            _ if is_encrypted => PeerConnectionState::Connected,
            _ => PeerConnectionState::Connecting,
        };
        self.set_state(state);
    }

    fn set_state(&mut self, state: PeerConnectionState) {
        let is_possible = !self.is_broken || state == PeerConnectionState::Closed;
        if self.state != state && is_possible {
            self.state = state;
            self.tell(Event::ConnectionState(state));
        }
    }

    /// Tells that the path is lost for good, so that another is agreed on at once.
    pub(super) fn fail(&mut self, now: Instant) {
        if matches!(
            self.state,
            PeerConnectionState::Connected | PeerConnectionState::Disconnected
        ) {
            self.lost_at = Some(now);
            self.set_state(PeerConnectionState::Failed);
        }
    }

    /// The session cannot go on: whoever uses it must make another.
    fn give_up(&mut self, error: &str0m::RtcError) {
        tracing::warn!(%error, "the session failed");
        self.session_deadline = Instant::now() + IDLE;
        self.set_state(PeerConnectionState::Failed);
    }

    /// Closes the connection for good.
    pub(super) fn close(&mut self) {
        if self.is_closed() {
            return;
        }
        let now = Instant::now();
        if let Some(session) = &mut self.session {
            // Says goodbye; whatever the other side still wants is not waited for.
            if session.rtc.close().is_ok() {
                self.drain(now);
            }
        }
        self.network.close(now);
        self.session = None;
        for transceiver in &self.transceivers {
            transceiver.set_received(None);
        }
        self.outgoing.clear();
        self.close_channels();
        self.negotiation.close();
        self.set_state(PeerConnectionState::Closed);
        self.ice = IceConnectionState::Closed;
        self.events
            .push_back(Event::IceConnectionState(IceConnectionState::Closed));
    }
}

impl Session {
    fn begin(numbers: Numbers) -> Self {
        let mut extensions = ExtensionMap::empty();
        for (id, extension) in [
            (numbers.audio_level, Extension::AudioLevel),
            (numbers.mid, Extension::RtpMid),
        ] {
            if let Some(id) = id.filter(|id| (1..=14).contains(id)) {
                extensions.set(id, extension);
            }
        }
        let mut config = Rtc::builder()
            .clear_codecs()
            .set_extension_map(extensions)
            .set_rtp_mode(true)
            .set_stats_interval(Some(STATISTICS_INTERVAL))
            .set_sctp_max_buffered_amount(SENT_BYTES_MAX);
        // Redundant packets come under a number of their own, and are taken apart by us.
        for number in [Some(numbers.opus), numbers.red].into_iter().flatten() {
            let format = str0m::format::FormatParams::default();
            let clock = Frequency::FORTY_EIGHT_KHZ;
            config
                .codec_config()
                .add_config(number.into(), None, Codec::Opus, clock, Some(2), format);
        }
        let rtc = config.build(Instant::now());
        let mut session = Self {
            rtc,
            numbers,
            credentials: IceCreds::new(),
            candidates: Vec::new(),
            tried: Vec::new(),
            has_fallbacks: false,
            remote_credentials: None,
            remote_candidates: Vec::new(),
            is_started: false,
            is_controlling: false,
            is_encrypted: false,
            routes: Routes::default(),
        };
        let credentials = session.credentials.clone();
        session.rtc.direct_api().set_local_ice_credentials(credentials);
        session
    }
}

/// How many packets are taken in one turn of the task, so that a flood on one connection does not keep the thread from
/// the others.
const PACKETS_PER_TURN_MAX: usize = 64;

/// How long a task sleeps at most.
const IDLE: Duration = Duration::from_secs(5);

/// How often it is looked whether anything still comes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing may come before the connection counts as disconnected. The other side checks the path more often.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// How long a connection may be disconnected before only a restart can help.
const LOST_MAX: Duration = Duration::from_secs(8);

/// How long a path is looked for.
const CHECKING_MAX: Duration = Duration::from_secs(20);

/// How often str0m sums up its figures.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);

/// What the data channels may have waiting, in bytes. The SDK keeps 2 MiB per channel under way; str0m's own bound is
/// far below that.
const SENT_BYTES_MAX: usize = 16 << 20;
