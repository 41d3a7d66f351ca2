//! Which paths to the other side there may be: its addresses, and ours as they come and go.
//!
//! What we announce is every address of ours that may lead to it. The session tries only those that do lead to one of
//! its addresses, so that a server on this machine is not looked for by the wire. What costs somebody more than a
//! datagram (a connection over TCP, an address of a relay) is tried once plain UDP had its time.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use str0m::{
    Candidate, CandidateKind,
    net::{Protocol, TcpType},
};

use super::core::{Core, Session};
use crate::{
    RtcError,
    connection::events::Event,
    ice_candidate::IceCandidate,
    network::{CONNECTION_PORT, News, announced, leads},
    peer_connection::{IceConnectionState, IceGatheringState, PeerConnectionState},
    peer_connection_factory::{IceTransportsType, RtcConfiguration, StunServers},
};

/// Which paths an application allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    transports: IceTransportsType,
    stun_servers: StunServers,
}

impl Policy {
    pub(super) fn of(config: &RtcConfiguration) -> Self {
        Self {
            transports: config.ice_transport_type,
            stun_servers: config.stun_servers,
        }
    }

    fn allows_own_addresses(self) -> bool {
        self.transports == IceTransportsType::All
    }
}

impl Core {
    /// Takes other servers and another policy, for what is tried from now on.
    pub(super) fn configure(&mut self, config: &RtcConfiguration) {
        self.policy = Policy::of(config);
        self.network.set_servers(&config.ice_servers);
        if self.session.is_some() {
            self.ask_servers();
        }
    }

    /// Begins to look for paths, together with the session.
    pub(super) fn begin_paths(&mut self) {
        self.network.look_up_addresses();
        self.match_candidates();
        self.ask_servers();
    }

    /// Asks those servers that are to be asked at once.
    fn ask_servers(&mut self) {
        let has_fallbacks = self.session.as_ref().is_some_and(|session| session.has_fallbacks);
        if has_fallbacks || !self.policy.allows_own_addresses() {
            self.network.open_relays();
        }
        if self.policy.allows_own_addresses() && self.policy.stun_servers == StunServers::Asked {
            self.network.ask_how_we_look();
        }
    }

    /// Takes one of their addresses.
    pub(super) fn add_ice_candidate(&mut self, candidate: &IceCandidate) -> Result<(), RtcError> {
        self.check_open()?;
        if self.negotiation.has_no_remote() {
            return Err(RtcError::invalid_state("a candidate before a description"));
        }
        match Candidate::from_sdp_string(&candidate.candidate()) {
            Ok(candidate) => self.add_remote_candidate(candidate),
            // Of names, or the end of candidates: nothing to try, and nothing wrong.
            Err(error) => tracing::debug!(%error, "a candidate was left out"),
        }
        Ok(())
    }

    pub(super) fn add_remote_candidate(&mut self, candidate: Candidate) {
        let is_possible = match candidate.proto() {
            Protocol::Udp => true,
            // They listen and we connect.
            Protocol::Tcp => candidate.tcptype() == Some(TcpType::Passive),
            Protocol::SslTcp | Protocol::Tls => false,
        };
        if !is_possible {
            tracing::debug!("a candidate was left out: there is no way to try it");
            return;
        }
        if let Some(session) = &mut self.session
            && !session.knows(&candidate)
        {
            session.remote_candidates.push(candidate.clone());
            session.rtc.add_remote_candidate(candidate);
            self.match_candidates();
            self.changed();
        }
    }

    /// Looks whether our addresses changed, if it was not done for a while: soon while no path works, since a new
    /// address may be the cure.
    pub(super) fn watch_addresses(&mut self, now: Instant) {
        let works = self.connection_state() == PeerConnectionState::Connected && !self.network.has_refused();
        let interval = if works { LOOK_INTERVAL } else { LOOK_INTERVAL_LOST };
        if self.session.is_some() && now.saturating_duration_since(self.looked_at) >= interval {
            self.look_at_addresses(now);
        }
    }

    /// Looks whether our addresses changed, and follows.
    pub(super) fn look_at_addresses(&mut self, now: Instant) {
        self.looked_at = now;
        if !self.network.look_up_addresses() {
            return;
        }
        let has_lost = self.network_lacks_candidates();
        if has_lost && self.network.has_relays() {
            // They knew us by an address that may be gone.
            self.network.close_relays(now);
            self.network.open_relays();
        }
        self.forget_candidates(now);
        self.match_candidates();
        self.changed();
    }

    fn network_lacks_candidates(&self) -> bool {
        let candidates = self.session.iter().flat_map(|session| &session.candidates);
        candidates
            .filter(|candidate| candidate.kind() == CandidateKind::Host)
            .any(|candidate| !self.network.has(candidate.addr()))
    }

    /// Forgets the candidates whose addresses are gone, and gives up the path if it was by one of them.
    fn forget_candidates(&mut self, now: Instant) {
        let Some(session) = &mut self.session else {
            return;
        };
        let network = &self.network;
        let is_here = |candidate: &Candidate| network.has(candidate.local());
        session.candidates.retain(is_here);
        for candidate in session.tried.extract_if(.., |candidate| !is_here(candidate)) {
            session.rtc.direct_api().invalidate_candidate(&candidate);
        }
        self.network
            .retain_connections(|ours| session.is_tried(Protocol::Tcp, ours));
        if self.way.is_some_and(|way| !self.network.has(way.ours)) {
            // Only a restart surely tells the other side where we are now.
            tracing::info!("the address that the connection used is gone");
            match self.way.take().map(|way| way.protocol) {
                Some(Protocol::Udp) | None => self.fail(now),
                Some(_) => self.break_off(now),
            }
        }
    }

    /// Gives the session up with the connection over TCP that it went by. LiveKit's server (1.13.5) ends its side of the
    /// encryption with such a connection, and its data channels are dead from then on, whatever path is found later.
    fn break_off(&mut self, now: Instant) {
        if self.session.as_ref().is_some_and(|session| session.is_encrypted) {
            tracing::info!("the connection over TCP that the session went by broke");
            self.fail(now);
            self.is_broken = true;
        }
    }

    /// Refuses to revive a session that is dead on the other side, so that the SDK makes another.
    pub(super) fn check_revivable(&self) -> Result<(), RtcError> {
        match self.is_broken {
            true => Err(RtcError::invalid_state(
                "the connection over TCP broke, and the session with it: connect anew",
            )),
            false => Ok(()),
        }
    }

    /// Follows what the servers that help us say, and tells when they are to be asked again.
    pub(super) fn follow_servers(&mut self, now: Instant) -> Instant {
        let due = self.network.handle_time(now);
        while let Some(news) = self.network.relay_news() {
            match news {
                News::Opened(relayed) => {
                    self.add_candidate(Candidate::relayed(relayed, relayed, Protocol::Udp).ok())
                }
                News::Closed(_) => self.forget_candidates(now),
            }
        }
        while let Some(broken) = self.network.broken() {
            if self.way == Some(broken) {
                self.break_off(now);
            }
        }
        while let Some((ours, seen)) = self.network.seen() {
            self.add_candidate(Candidate::server_reflexive(seen, ours, Protocol::Udp).ok());
        }
        due.unwrap_or(now + LOOK_INTERVAL)
    }

    /// Announces and tries an address that a server told us.
    fn add_candidate(&mut self, candidate: Option<Candidate>) {
        let (Some(session), Some(candidate)) = (&mut self.session, candidate) else {
            return;
        };
        session.try_from(candidate.clone());
        let new = session.announce(candidate);
        self.tell_candidates(new);
        self.changed();
    }

    /// Notices for how long there has been a path, or none, and tries other kinds of paths or gives them up. Says when
    /// to look again.
    pub(super) fn watch_paths(&mut self, now: Instant) -> Instant {
        let works = matches!(
            self.ice_connection_state(),
            IceConnectionState::Connected | IceConnectionState::Completed
        );
        let Some(session) = self.session.as_ref().filter(|session| session.is_started) else {
            return now + LOOK_INTERVAL;
        };
        if !self.policy.allows_own_addresses() {
            return now + LOOK_INTERVAL;
        }
        if (self.paths_work, self.paths_since.is_some()) != (works, true) {
            self.paths_work = works;
            self.paths_since = Some(now);
        }
        let due = self.paths_since.unwrap_or(now) + if works { RELEASE_AFTER } else { FALLBACK_AFTER };
        if now < due {
            return due;
        }
        match works {
            true if session.has_fallbacks && self.is_direct() => self.release_fallbacks(now),
            false if !session.has_fallbacks => self.try_fallbacks(),
            _ => {}
        }
        now + LOOK_INTERVAL
    }

    /// Whether media and data go by plain UDP.
    fn is_direct(&self) -> bool {
        let is_own = |way: SocketAddr| self.network.addresses().iter().any(|ours| ours.ip == way.ip());
        self.way
            .is_some_and(|way| way.protocol == Protocol::Udp && is_own(way.ours))
    }

    fn try_fallbacks(&mut self) {
        if let Some(session) = &mut self.session {
            tracing::debug!("no path over UDP so far: others are tried");
            session.has_fallbacks = true;
            self.network.open_relays();
            self.match_candidates();
            self.changed();
        }
    }

    fn release_fallbacks(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.has_fallbacks = false;
            session.tried.retain(|candidate| {
                let stays = candidate.proto() == Protocol::Udp;
                if !stays {
                    session.rtc.direct_api().invalidate_candidate(candidate);
                }
                stays
            });
            self.network.close_relays(now);
            self.forget_candidates(now);
            self.changed();
        }
    }

    /// Announces what is new of our addresses, and tries those that may lead to them.
    pub(super) fn match_candidates(&mut self) {
        let Some(session) = self
            .session
            .as_mut()
            .filter(|_| self.policy.allows_own_addresses())
        else {
            return;
        };
        let theirs = session.remote_ips(|_| true);
        let theirs_by_udp = session.remote_ips(|theirs| theirs.proto() == Protocol::Udp);
        let theirs_by_tcp =
            session.remote_ips(|theirs| session.has_fallbacks && theirs.proto() == Protocol::Tcp);
        let mut new = Vec::new();
        for address in announced(self.network.addresses(), &theirs) {
            let leads_to = |theirs: &[IpAddr]| theirs.iter().any(|theirs| leads(address.ip, *theirs));
            let candidate = self.network.udp_address(address);
            if let Some(candidate) =
                candidate.and_then(|address| Candidate::host(address, Protocol::Udp).ok())
            {
                if leads_to(&theirs_by_udp) {
                    session.try_from(candidate.clone());
                }
                new.extend(session.announce(candidate));
            }
            if leads_to(&theirs_by_tcp) {
                session.try_tcp_from(address.ip);
            }
        }
        self.tell_candidates(new);
    }

    /// Before a description of ours is set, nobody is told; then everything is.
    fn tell_candidates(&mut self, new: impl IntoIterator<Item = Candidate>) {
        if self.gathering == IceGatheringState::Complete {
            let mid = self.negotiation.first_mid();
            for candidate in new {
                self.tell(Event::Candidate(IceCandidate::local(&mid, 0, &candidate)));
            }
        }
    }
}

impl Session {
    /// Notes a candidate, and gives it back if it is new.
    fn announce(&mut self, candidate: Candidate) -> Option<Candidate> {
        if self
            .candidates
            .iter()
            .any(|known| known.addr() == candidate.addr())
        {
            return None;
        }
        self.candidates.push(candidate.clone());
        Some(candidate)
    }

    /// Looks for paths from an address that was announced.
    pub(super) fn try_announced(&mut self, address: SocketAddr) {
        let candidate = self.candidates.iter().find(|known| known.addr() == address);
        if let Some(candidate) = candidate.cloned() {
            self.try_from(candidate);
        }
    }

    /// Looks for paths by connections from one of our addresses. Nobody is told of it, since nobody could connect to it.
    fn try_tcp_from(&mut self, ip: IpAddr) {
        let address = SocketAddr::new(ip, CONNECTION_PORT);
        let candidate = Candidate::builder().tcp().host(address).tcptype(TcpType::Active);
        if let Ok(candidate) = candidate.build() {
            self.try_from(candidate);
        }
    }

    fn try_from(&mut self, candidate: Candidate) {
        if !self.is_tried(candidate.proto(), candidate.addr())
            && let Some(candidate) = self.rtc.add_local_candidate(candidate)
        {
            self.tried.push(candidate.clone());
        }
    }

    fn is_tried(&self, protocol: Protocol, address: SocketAddr) -> bool {
        let is_it = |known: &Candidate| (known.proto(), known.addr()) == (protocol, address);
        self.tried.iter().any(is_it)
    }

    /// Whether they told us of a candidate before: every description of theirs lists all of them again.
    fn knows(&self, theirs: &Candidate) -> bool {
        let is_it = |known: &Candidate| {
            (known.proto(), known.addr(), known.kind()) == (theirs.proto(), theirs.addr(), theirs.kind())
        };
        self.remote_candidates.iter().any(is_it)
    }

    fn remote_ips(&self, is_wanted: impl Fn(&Candidate) -> bool) -> Vec<IpAddr> {
        let wanted = self.remote_candidates.iter().filter(|theirs| is_wanted(theirs));
        wanted.map(|theirs| theirs.addr().ip()).collect()
    }
}

/// How often it is looked whether our addresses changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The same while there is no path.
const LOOK_INTERVAL_LOST: Duration = Duration::from_secs(1);

/// How long plain UDP is looked for alone. A check that is answered at all is answered sooner.
const FALLBACK_AFTER: Duration = Duration::from_millis(500);

/// How long plain UDP must have worked before other paths are given up.
const RELEASE_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{connection::Connection, data_channel::DataChannelInit, peer_connection::OfferOptions};

    fn begun() -> Arc<Connection> {
        Connection::start(&RtcConfiguration::default()).expect("a socket")
    }

    /// Has one offer to the other, and the other answer.
    fn negotiate(one: &Connection, other: &Connection) {
        let offer = one
            .call(|core| core.create_offer(&OfferOptions::default()))
            .expect("an offer");
        one.call(|core| core.set_local_description(offer.clone()))
            .expect("our offer");
        other
            .call(|core| core.set_remote_description(offer))
            .expect("their offer");
        let answer = other.call(Core::create_answer).expect("an answer");
        other
            .call(|core| core.set_local_description(answer.clone()))
            .expect("our answer");
        one.call(|core| core.set_remote_description(answer))
            .expect("their answer");
    }

    fn addresses_of_theirs(connection: &Connection) -> usize {
        let core = connection.core.lock();
        core.session.as_ref().expect("it began").remote_candidates.len()
    }

    #[tokio::test]
    async fn what_they_tell_again_is_kept_once() {
        let (one, other) = (begun(), begun());
        one.call(|core| core.create_data_channel("data", DataChannelInit::default()))
            .expect("a channel");
        negotiate(&one, &other);
        // An answer has all addresses of whoever writes it; who was answered knows them now.
        let told = addresses_of_theirs(&one);
        assert!(told > 0);
        for _ in 0..3 {
            negotiate(&one, &other);
        }
        assert_eq!(addresses_of_theirs(&one), told);
        one.call(Core::close);
        other.call(Core::close);
    }
}
