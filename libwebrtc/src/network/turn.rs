//! A client of one TURN server (RFC 8656): an address there, at which packets are taken for us.
//!
//! It has no socket and no clock. Feed it a packet or the time, then take what [`poll_output`](TurnClient::poll_output)
//! has until there is no more, then wait for the next packet or for [`poll_timeout`](TurnClient::poll_timeout).

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    ops::Range,
    time::{Duration, Instant},
};

use secrecy::SecretString;

use super::stun::{self, Attribute, Class, Key, Message, Method, TransactionId};

/// A client of one server, from the first request to the last.
#[derive(Debug)]
pub(super) struct TurnClient {
    credentials: Credentials,
    transport: Transport,
    // What the server wants requests to be signed with, once it has said so.
    login: Option<Login>,
    allocation: Allocation,
    requests: Vec<Request>,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    // What is sent as soon as it may be.
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    output: VecDeque<Output>,
}

/// Who we are to a server.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Packets get lost, so requests are repeated.
    Datagrams,
    /// They do not.
    Stream,
}

/// What a client wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Send this to the server.
    Send(Vec<u8>),
    /// The server takes packets for us there.
    Allocated(SocketAddr),
    /// It does not, or no more. This client is done.
    Lost(Loss),
}

/// Why a server takes no packets for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Loss {
    /// It knows no such name or password.
    #[error("the server does not know this name or password")]
    Unauthorized,
    /// It said no, for a reason of its own.
    #[error("the server refused with code {0}")]
    Refused(u16),
    /// It said nothing.
    #[error("the server does not answer")]
    Silent,
    /// It said something that cannot be.
    #[error("the server's answer makes no sense")]
    Nonsense,
}

#[derive(Debug)]
struct Login {
    realm: String,
    nonce: Vec<u8>,
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allocation {
    Wanted,
    Held { refresh_at: Instant },
    Gone,
}

#[derive(Debug)]
struct Request {
    id: TransactionId,
    purpose: Purpose,
    bytes: Vec<u8>,
    began: Instant,
    repeat_at: Instant,
    pause: Duration,
    // How often the server wanted it signed anew.
    renewals: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Allocate,
    Refresh,
    Release,
    Permit(IpAddr),
    Bind(SocketAddr, u16),
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    standing: Standing,
    used_at: Instant,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    number: u16,
    standing: Standing,
    used_at: Instant,
}

/// How a permission or a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Asked,
    // In force, and to be renewed then.
    Granted(Instant),
    // Not to be asked again before then.
    Denied(Instant),
}

impl TurnClient {
    /// Asks a server for an address.
    pub(super) fn new(now: Instant, credentials: Credentials, transport: Transport) -> Self {
        let mut client = Self {
            credentials,
            transport,
            login: None,
            allocation: Allocation::Wanted,
            requests: Vec::new(),
            permissions: Vec::new(),
            channels: Vec::new(),
            held: VecDeque::new(),
            output: VecDeque::new(),
        };
        client.request(now, Purpose::Allocate, 0);
        client
    }

    /// What is to be done next, if anything is.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When time has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(Request::due);
        let refresh = match self.allocation {
            Allocation::Held { refresh_at } => Some(refresh_at),
            Allocation::Wanted | Allocation::Gone => None,
        };
        let permissions = self.permissions.iter().map(|permission| permission.standing);
        let channels = self.channels.iter().map(|channel| channel.standing);
        let renewals = permissions.chain(channels).filter_map(|standing| match standing {
            Standing::Granted(until) | Standing::Denied(until) => Some(until),
            Standing::Asked => None,
        });
        requests.chain(refresh).chain(renewals).min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.repeat_requests(now);
        if let Allocation::Held { refresh_at } = self.allocation
            && now >= refresh_at
            && !self.is_asked(Purpose::Refresh)
        {
            // Until the answer tells when the next is due.
            self.allocation = Allocation::Held {
                refresh_at: now + REQUEST_MAX,
            };
            self.request(now, Purpose::Refresh, 0);
        }
        self.renew(now);
    }

    /// Sends a packet to someone by way of the server.
    pub(super) fn send(&mut self, now: Instant, peer: SocketAddr, data: &[u8]) {
        if !matches!(self.allocation, Allocation::Held { .. }) {
            return;
        }
        match self.permission(now, peer.ip()) {
            Some(Standing::Granted(_)) => self.pass_on(now, peer, data),
            Some(Standing::Asked) => {
                if self.held.len() >= HELD_MAX {
                    self.held.pop_front();
                }
                self.held.push_back((peer, data.to_vec()));
            }
            Some(Standing::Denied(_)) | None => {}
        }
    }

    /// Takes a packet from the server. If it carries one from somebody: from whom, and where in it that is.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        packet: &[u8],
    ) -> Option<(SocketAddr, Range<usize>)> {
        if let Some((number, range)) = channel_data(packet) {
            let channel = self.channels.iter().find(|channel| channel.number == number)?;
            return Some((channel.peer, range));
        }
        let message = Message::read(packet)?;
        match (message.class, message.method) {
            (Class::Indication, Method::Data) => relayed(&message),
            (Class::Success | Class::Failure, _) => {
                self.handle_response(now, &message);
                None
            }
            _ => None,
        }
    }

    /// Gives the address back.
    pub(super) fn close(&mut self, now: Instant) {
        if matches!(self.allocation, Allocation::Held { .. }) {
            self.request(now, Purpose::Release, 0);
        }
        self.allocation = Allocation::Gone;
        self.requests.clear();
        self.permissions.clear();
        self.channels.clear();
    }

    fn handle_response(&mut self, now: Instant, message: &Message<'_>) {
        let Some(index) = self.requests.iter().position(|request| request.id == message.id) else {
            return;
        };
        let code = message.error_code();
        let is_challenge =
            message.class == Class::Failure && matches!(code, Some(UNAUTHORIZED | STALE_NONCE));
        // Forged answers must not do anything. Only a server that wants to be told who we are does not sign.
        let login = self.login.as_ref();
        if !is_challenge && login.is_some_and(|login| !message.is_signed_with(&login.key)) {
            return;
        }
        let request = self.requests.swap_remove(index);
        match (message.class, code) {
            (Class::Success, _) => self.succeed(now, request.purpose, message),
            (_, Some(code)) if is_challenge => self.sign_anew(now, &request, code, message),
            (_, Some(code)) => self.fail(now, request.purpose, Loss::Refused(code)),
            (_, None) => self.fail(now, request.purpose, Loss::Nonsense),
        }
    }

    fn succeed(&mut self, now: Instant, purpose: Purpose, message: &Message<'_>) {
        let renewal = Standing::Granted(now + PERMISSION_RENEWAL);
        match purpose {
            Purpose::Allocate => match message.relayed_address() {
                Some(relayed) => {
                    self.hold(now, message);
                    self.output.push_back(Output::Allocated(relayed));
                }
                None => self.lose(Loss::Nonsense),
            },
            Purpose::Refresh => self.hold(now, message),
            Purpose::Release => {}
            Purpose::Permit(ip) => {
                self.stand(purpose, renewal);
                self.pass_on_held(now, ip);
            }
            // A channel is a permission too.
            Purpose::Bind(peer, _) => {
                self.stand(purpose, renewal);
                self.stand(Purpose::Permit(peer.ip()), renewal);
            }
        }
    }

    fn hold(&mut self, now: Instant, message: &Message<'_>) {
        let lifetime = message.lifetime().unwrap_or(LIFETIME_DEFAULT);
        let refresh_in = lifetime.saturating_sub(REFRESH_BEFORE).max(lifetime / 2);
        self.allocation = Allocation::Held {
            refresh_at: now + refresh_in.max(REFRESH_MIN),
        };
    }

    fn fail(&mut self, now: Instant, purpose: Purpose, loss: Loss) {
        match purpose {
            Purpose::Allocate | Purpose::Refresh => self.lose(loss),
            Purpose::Release => {}
            Purpose::Permit(_) | Purpose::Bind(..) => {
                tracing::debug!(?purpose, %loss, "a TURN server refused");
                self.stand(purpose, Standing::Denied(now + DENIAL_PAUSE));
            }
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.allocation = Allocation::Gone;
        self.requests.clear();
        self.permissions.clear();
        self.channels.clear();
        self.held.clear();
        self.output.push_back(Output::Lost(loss));
    }

    /// Takes what requests are to be signed with, and repeats one so.
    fn sign_anew(&mut self, now: Instant, request: &Request, code: u16, message: &Message<'_>) {
        let (Some(realm), Some(nonce)) = (message.realm(), message.nonce()) else {
            return self.fail(now, request.purpose, Loss::Nonsense);
        };
        let was_signed = self.login.as_ref().is_some_and(|login| login.realm == realm);
        let is_refused = code == UNAUTHORIZED && was_signed && request.renewals > 0;
        if is_refused || request.renewals >= RENEWALS_MAX {
            return self.fail(now, request.purpose, Loss::Unauthorized);
        }
        self.login = Some(Login {
            realm: realm.to_owned(),
            nonce: nonce.to_vec(),
            key: Key::new(&self.credentials.username, realm, &self.credentials.password),
        });
        self.request(now, request.purpose, request.renewals + 1);
    }

    fn request(&mut self, now: Instant, purpose: Purpose, renewals: u32) {
        let id = stun::transaction_id();
        let bytes = self.write(&id, purpose);
        self.output.push_back(Output::Send(bytes.clone()));
        self.requests.push(Request {
            id,
            purpose,
            bytes,
            began: now,
            repeat_at: match self.transport {
                Transport::Datagrams => now + REPEAT_AFTER,
                Transport::Stream => now + REQUEST_MAX,
            },
            pause: REPEAT_AFTER,
            renewals,
        });
    }

    fn write(&self, id: &TransactionId, purpose: Purpose) -> Vec<u8> {
        let (method, mut attributes) = match purpose {
            Purpose::Allocate => (Method::Allocate, vec![Attribute::RequestedTransport]),
            Purpose::Refresh => (
                Method::Refresh,
                vec![Attribute::Lifetime(LIFETIME_DEFAULT.as_secs() as u32)],
            ),
            Purpose::Release => (Method::Refresh, vec![Attribute::Lifetime(0)]),
            Purpose::Permit(ip) => {
                // Permissions are for all ports.
                let peer = SocketAddr::new(ip, 0);
                (Method::CreatePermission, vec![Attribute::XorPeerAddress(peer)])
            }
            Purpose::Bind(peer, number) => {
                let attributes = vec![Attribute::ChannelNumber(number), Attribute::XorPeerAddress(peer)];
                (Method::ChannelBind, attributes)
            }
        };
        if let Some(login) = &self.login {
            attributes.push(Attribute::Username(&self.credentials.username));
            attributes.push(Attribute::Realm(&login.realm));
            attributes.push(Attribute::Nonce(&login.nonce));
        }
        let key = self.login.as_ref().map(|login| &login.key);
        stun::write(Class::Request, method, id, &attributes, key)
    }

    fn is_asked(&self, purpose: Purpose) -> bool {
        self.requests.iter().any(|request| request.purpose == purpose)
    }

    fn repeat_requests(&mut self, now: Instant) {
        for request in self
            .requests
            .iter_mut()
            .filter(|request| now >= request.repeat_at)
        {
            if now < request.began + REQUEST_MAX {
                request.pause = (request.pause * 2).min(REPEAT_AFTER_MAX);
                request.repeat_at = now + request.pause;
                self.output.push_back(Output::Send(request.bytes.clone()));
            }
        }
        let given_up: Vec<Request> = self
            .requests
            .extract_if(.., |request| now >= request.began + REQUEST_MAX)
            .collect();
        for request in given_up {
            self.fail(now, request.purpose, Loss::Silent);
        }
    }

    /// Renews what is in use, and forgets what is not.
    fn renew(&mut self, now: Instant) {
        let is_due =
            |standing| matches!(standing, Standing::Granted(due) | Standing::Denied(due) if now >= due);
        let is_idle = |used_at: Instant| now.saturating_duration_since(used_at) >= IDLE_MAX;
        self.permissions.retain(|permission| {
            let is_denied = matches!(permission.standing, Standing::Denied(_));
            !(is_due(permission.standing) && (is_denied || is_idle(permission.used_at)))
        });
        self.channels
            .retain(|channel| !(is_due(channel.standing) && is_idle(channel.used_at)));
        let mut asked = Vec::new();
        for channel in self
            .channels
            .iter_mut()
            .filter(|channel| is_due(channel.standing))
        {
            channel.standing = match channel.standing {
                // In force for some minutes more, within which the answer comes.
                Standing::Granted(_) => Standing::Granted(now + REQUEST_MAX),
                Standing::Denied(_) | Standing::Asked => Standing::Asked,
            };
            asked.push(Purpose::Bind(channel.peer, channel.number));
        }
        for permission in self
            .permissions
            .iter_mut()
            .filter(|permission| is_due(permission.standing))
        {
            permission.standing = Standing::Granted(now + REQUEST_MAX);
            asked.push(Purpose::Permit(permission.ip));
        }
        for purpose in asked {
            if !self.is_asked(purpose) {
                self.request(now, purpose, 0);
            }
        }
    }

    fn stand(&mut self, purpose: Purpose, standing: Standing) {
        match purpose {
            Purpose::Permit(ip) => {
                if let Some(permission) = self.permissions.iter_mut().find(|known| known.ip == ip) {
                    permission.standing = standing;
                }
            }
            Purpose::Bind(peer, _) => {
                if let Some(channel) = self.channels.iter_mut().find(|known| known.peer == peer) {
                    channel.standing = standing;
                }
            }
            Purpose::Allocate | Purpose::Refresh | Purpose::Release => {}
        }
    }

    /// How the permission for somebody stands, after asking for it if need be; `None` if there are too many.
    fn permission(&mut self, now: Instant, ip: IpAddr) -> Option<Standing> {
        if let Some(permission) = self.permissions.iter_mut().find(|known| known.ip == ip) {
            permission.used_at = now;
            return Some(permission.standing);
        }
        if self.permissions.len() >= PEERS_MAX {
            return None;
        }
        self.permissions.push(Permission {
            ip,
            standing: Standing::Asked,
            used_at: now,
        });
        self.request(now, Purpose::Permit(ip), 0);
        Some(Standing::Asked)
    }

    fn pass_on_held(&mut self, now: Instant, ip: IpAddr) {
        let (passed, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(peer, _)| peer.ip() == ip);
        self.held = held;
        let passed: VecDeque<(SocketAddr, Vec<u8>)> = passed;
        for (peer, data) in passed {
            self.pass_on(now, peer, &data);
        }
    }

    /// Sends by a channel if there is one, or else in a message of its own. Who gets more than checks gets a channel.
    fn pass_on(&mut self, now: Instant, peer: SocketAddr, data: &[u8]) {
        let known = self.channels.iter_mut().find(|known| known.peer == peer);
        let packet = match known {
            Some(channel) => {
                channel.used_at = now;
                matches!(channel.standing, Standing::Granted(_)).then(|| in_channel(channel.number, data))
            }
            None => {
                if !is_stun(data) && self.channels.len() < PEERS_MAX {
                    self.bind(now, peer);
                }
                None
            }
        };
        let packet = packet.unwrap_or_else(|| {
            let attributes = [Attribute::XorPeerAddress(peer), Attribute::Data(data)];
            let id = stun::transaction_id();
            stun::write(Class::Indication, Method::Send, &id, &attributes, None)
        });
        self.output.push_back(Output::Send(packet));
    }

    fn bind(&mut self, now: Instant, peer: SocketAddr) {
        let is_free = |number: &u16| self.channels.iter().all(|channel| channel.number != *number);
        let number = CHANNELS
            .clone()
            .find(is_free)
            .expect("there are more numbers than peers");
        self.channels.push(Channel {
            peer,
            number,
            standing: Standing::Asked,
            used_at: now,
        });
        self.request(now, Purpose::Bind(peer, number), 0);
    }
}

impl Request {
    fn due(&self) -> Instant {
        self.repeat_at.min(self.began + REQUEST_MAX)
    }
}

fn channel_data(packet: &[u8]) -> Option<(u16, Range<usize>)> {
    let header = packet.first_chunk::<4>()?;
    let number = u16::from_be_bytes([header[0], header[1]]);
    let end = 4 + usize::from(u16::from_be_bytes([header[2], header[3]]));
    (CHANNELS.contains(&number) && end <= packet.len()).then_some((number, 4..end))
}

fn in_channel(number: u16, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(data.len() + 4);
    packet.extend(number.to_be_bytes());
    packet.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    packet.extend(data);
    packet
}

/// From whom a message has data, and where in the packet that is.
fn relayed(message: &Message<'_>) -> Option<(SocketAddr, Range<usize>)> {
    message.peer().zip(message.data())
}

/// Whether a packet is of STUN, which paths are checked with (RFC 7983).
pub(crate) fn is_stun(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| *first < 4)
}

const UNAUTHORIZED: u16 = 401;
const STALE_NONCE: u16 = 438;

/// How often one request may be wanted signed anew.
const RENEWALS_MAX: u32 = 3;

/// The numbers of channels (RFC 8656, section 12).
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// To how many peers packets are passed on.
const PEERS_MAX: usize = 16;

/// How many packets wait for permissions. The oldest goes when one more comes: checks of paths are repeated.
const HELD_MAX: usize = 8;

/// After how long a request is repeated; doubled each time.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const REPEAT_AFTER_MAX: Duration = Duration::from_secs(4);

/// How long an answer is waited for.
const REQUEST_MAX: Duration = Duration::from_secs(12);

/// What an allocation lasts if the server does not say (RFC 8656, section 3.2), and how long before its end it is
/// refreshed.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// How soon an allocation is refreshed at most, however little a server grants.
const REFRESH_MIN: Duration = Duration::from_secs(5);

/// When permissions and channels are renewed: permissions last five minutes, channels ten.
const PERMISSION_RENEWAL: Duration = Duration::from_secs(240);

/// How long nobody may have been sent anything before it is not renewed any more.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// How long to wait after a refusal before asking again.
const DENIAL_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A server that follows the standard as far as a client sees it, on a clock of its own.
    struct Server {
        key: Key,
        nonce: Vec<u8>,
        now: Instant,
        grants_seconds: u32,
        // When what was granted last.
        allocated: Option<Instant>,
        permitted: HashMap<IpAddr, Instant>,
        channels: HashMap<u16, (SocketAddr, Instant)>,
        refuses: HashSet<IpAddr>,
        passed_on: Vec<(SocketAddr, Vec<u8>)>,
    }

    impl Server {
        fn new(password: &str) -> Self {
            Self {
                key: Key::new("user", "realm", &password.into()),
                nonce: b"first".to_vec(),
                now: Instant::now(),
                grants_seconds: 600,
                allocated: None,
                permitted: HashMap::new(),
                channels: HashMap::new(),
                refuses: HashSet::new(),
                passed_on: Vec::new(),
            }
        }

        fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
            if let Some((number, range)) = channel_data(packet) {
                let (peer, bound_at) = *self.channels.get(&number)?;
                if self.now - bound_at < 2 * MINUTES_5 && self.permits(peer) {
                    self.passed_on.push((peer, packet[range].to_vec()));
                }
                return None;
            }
            let message = Message::read(packet).expect("clients send messages");
            let peer = message.peer();
            if message.class == Class::Indication {
                let peer = peer.expect("it is for somebody");
                let data = message.data().expect("there is something for him");
                if self.permits(peer) {
                    self.passed_on.push((peer, packet[data].to_vec()));
                }
                return None;
            }
            Some(self.respond(&message, peer))
        }

        fn permits(&self, peer: SocketAddr) -> bool {
            let is_recent = |at: &Instant| self.now - *at < MINUTES_5;
            self.permitted.get(&peer.ip()).is_some_and(is_recent)
                && self.allocated.is_some_and(|at| self.now - at < 2 * MINUTES_5)
        }

        fn respond(&mut self, message: &Message<'_>, peer: Option<SocketAddr>) -> Vec<u8> {
            let nonce = message.nonce();
            if nonce.is_none() || !message.is_signed_with(&self.key) {
                return self.challenge(message, 401);
            }
            if nonce != Some(&self.nonce) {
                return self.challenge(message, 438);
            }
            if peer.is_some_and(|peer| self.refuses.contains(&peer.ip())) {
                let code = [Attribute::ErrorCode(403)];
                return stun::write(
                    Class::Failure,
                    message.method,
                    &message.id,
                    &code,
                    Some(&self.key),
                );
            }
            let mut attributes = vec![Attribute::Lifetime(self.grants_seconds)];
            self.grant(message, peer, &mut attributes);
            stun::write(
                Class::Success,
                message.method,
                &message.id,
                &attributes,
                Some(&self.key),
            )
        }

        fn grant(
            &mut self,
            message: &Message<'_>,
            peer: Option<SocketAddr>,
            attributes: &mut Vec<Attribute<'_>>,
        ) {
            match message.method {
                Method::Allocate => {
                    self.allocated = Some(self.now);
                    attributes.push(Attribute::XorRelayedAddress(RELAYED));
                }
                Method::CreatePermission => {
                    self.permitted.insert(peer.expect("for somebody").ip(), self.now);
                }
                Method::ChannelBind => {
                    let number = message.attributes().find_map(|attribute| match attribute {
                        Attribute::ChannelNumber(number) => Some(number),
                        _ => None,
                    });
                    let peer = peer.expect("for somebody");
                    self.channels.insert(number.expect("a number"), (peer, self.now));
                    self.permitted.insert(peer.ip(), self.now);
                }
                Method::Refresh => {
                    self.allocated = (message.lifetime() != Some(Duration::ZERO)).then_some(self.now);
                }
                method => panic!("{method:?} is no request of a client"),
            }
        }

        fn challenge(&self, message: &Message<'_>, code: u16) -> Vec<u8> {
            let attributes = [
                Attribute::ErrorCode(code),
                Attribute::Realm("realm"),
                Attribute::Nonce(&self.nonce),
            ];
            stun::write(Class::Failure, message.method, &message.id, &attributes, None)
        }
    }

    /// A client and a server, the time, and which packets between them are lost.
    struct World {
        now: Instant,
        client: TurnClient,
        server: Server,
        losses: VecDeque<bool>,
        events: Vec<Output>,
    }

    impl World {
        fn new(password: &str, losses: Vec<bool>) -> Self {
            let now = Instant::now();
            let credentials = Credentials {
                username: "user".to_owned(),
                password: "opensesame".into(),
            };
            Self {
                now,
                client: TurnClient::new(now, credentials, Transport::Datagrams),
                server: Server::new(password),
                losses: losses.into(),
                events: Vec::new(),
            }
        }

        fn exchange(&mut self) {
            while let Some(output) = self.client.poll_output() {
                let Output::Send(packet) = output else {
                    self.events.push(output);
                    continue;
                };
                if self.losses.pop_front() == Some(true) {
                    continue;
                }
                self.server.now = self.now;
                if let Some(response) = self.server.answer(&packet)
                    && self.losses.pop_front() != Some(true)
                {
                    assert_eq!(self.client.handle_packet(self.now, &response), None);
                }
            }
        }

        /// Lets time pass, from one deadline of the client to the next.
        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            let mut turns = 0;
            self.exchange();
            while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
                turns += 1;
                assert!(turns < 1000, "the client does not wait");
                self.now = due.max(self.now);
                self.client.handle_timeout(self.now);
                self.exchange();
            }
            self.now = end;
        }

        fn send(&mut self, peer: SocketAddr, data: &[u8]) {
            self.client.send(self.now, peer, data);
            self.exchange();
        }
    }

    const MINUTES_5: Duration = Duration::from_secs(300);
    const RELAYED: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 50_000);

    fn peer(number: u8) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, number], 7000))
    }

    #[test]
    fn checks_go_as_messages_and_media_by_a_channel() {
        let mut world = World::new("opensesame", vec![]);
        world.exchange();
        assert_eq!(world.events, [Output::Allocated(RELAYED)]);
        world.send(peer(1), &[0, 1, 2]);
        assert!(world.server.channels.is_empty());
        world.send(peer(1), &[0x80, 1, 2]);
        assert_eq!(world.server.channels[&0x4000].0, peer(1));
        world.send(peer(1), &[0x80, 3]);
        let passed_on = [vec![0, 1, 2], vec![0x80, 1, 2], vec![0x80, 3]].map(|data| (peer(1), data));
        assert_eq!(world.server.passed_on, passed_on);
        let packet = in_channel(0x4000, b"back");
        assert_eq!(
            world.client.handle_packet(world.now, &packet),
            Some((peer(1), 4..8))
        );
    }

    #[test]
    fn what_is_used_is_kept_for_hours_and_nonces_may_change() {
        let mut world = World::new("opensesame", vec![]);
        world.exchange();
        for minute in 0..180_u32 {
            world.server.nonce = (minute / 7).to_be_bytes().to_vec();
            world.send(peer(1), &[0x80, 1]);
            assert_eq!(world.server.passed_on.len(), minute as usize + 1);
            world.pass(Duration::from_secs(60));
        }
        assert_eq!(world.events, [Output::Allocated(RELAYED)]);
        world.client.close(world.now);
        world.exchange();
        assert_eq!(world.server.allocated, None);
    }

    #[test]
    fn a_wrong_password_is_not_tried_for_ever() {
        let mut world = World::new("another", vec![]);
        world.pass(Duration::from_secs(60));
        assert_eq!(world.events, [Output::Lost(Loss::Unauthorized)]);
        assert_eq!(world.client.poll_timeout(), None);
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let mut world = World::new("opensesame", vec![true; 100]);
        world.pass(Duration::from_secs(60));
        assert_eq!(world.events, [Output::Lost(Loss::Silent)]);
    }

    #[test]
    fn a_server_that_grants_no_time_is_not_asked_without_end() {
        let mut world = World::new("opensesame", vec![]);
        world.server.grants_seconds = 0;
        world.pass(Duration::from_secs(60));
        assert_eq!(world.events, [Output::Allocated(RELAYED)]);
    }

    #[test]
    fn who_is_forbidden_does_not_keep_others_from_being_reached() {
        let mut world = World::new("opensesame", vec![]);
        world.server.refuses.insert(peer(1).ip());
        world.exchange();
        world.send(peer(1), &[0]);
        world.send(peer(2), &[0]);
        assert_eq!(world.server.passed_on, [(peer(2), vec![0])]);
    }

    #[test]
    fn forged_answers_do_nothing() {
        let mut world = World::new("opensesame", vec![]);
        world.exchange();
        world.client.send(world.now, peer(1), &[0]);
        let Some(Output::Send(request)) = world.client.poll_output() else {
            panic!("a permission is asked for");
        };
        let request = Message::read(&request).expect("a message");
        for (class, code) in [(Class::Success, 0), (Class::Success, 401), (Class::Failure, 403)] {
            let code = [Attribute::ErrorCode(code)];
            let forged = stun::write(class, request.method, &request.id, &code, None);
            world.client.handle_packet(world.now, &forged);
            assert_eq!(world.client.poll_output(), None);
        }
        assert_eq!(world.client.permissions[0].standing, Standing::Asked);
    }

    #[test]
    fn no_password_is_printed() {
        let world = World::new("opensesame", vec![]);
        assert!(!format!("{:?}", world.client).contains("opensesame"));
    }

    proptest! {
        #[test]
        fn losses_are_made_up_for(losses in vec(any::<bool>(), 0..6)) {
            let mut world = World::new("opensesame", losses.clone());
            world.pass(Duration::from_secs(30));
            prop_assert_eq!(&world.events, &[Output::Allocated(RELAYED)]);
            world.losses = losses.into();
            world.send(peer(1), &[0x80]);
            world.pass(Duration::from_secs(30));
            world.losses.clear();
            world.send(peer(1), &[0x80, 2]);
            prop_assert_eq!(world.server.passed_on.last(), Some(&(peer(1), vec![0x80, 2])));
        }

        #[test]
        fn any_packet_is_taken_without_harm(packets in vec(vec(any::<u8>(), 0..60), 0..20)) {
            let mut world = World::new("opensesame", vec![]);
            world.exchange();
            for packet in packets {
                if let Some((_, range)) = world.client.handle_packet(world.now, &packet) {
                    prop_assert!(range.end <= packet.len());
                }
            }
            prop_assert_eq!(world.events, [Output::Allocated(RELAYED)]);
        }
    }
}
