//! What the service is told when it starts.

use std::{net::IpAddr, time::Duration};

use secrecy::SecretString;

use crate::{FileKind, Gate, HttpUrl, RedisServer};

/// Everything that an operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The LiveKit server that rooms are at.
    pub livekit: LiveKit,
    /// Signs sessions; at least [`SECRET_BYTES_MIN`] bytes.
    pub jwt_secret: SecretString,
    /// Whether anybody may register.
    pub registration: Registration,
    /// The provider that people may log in by, besides their password.
    pub oidc: Option<Oidc>,
    /// Whether callers without credentials may make and join rooms, as on a machine of one's own.
    pub open_rooms: OpenRooms,
    /// Origins of web pages that may call us from a browser besides our own, `https://meet.example.org` say.
    pub web_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Who may call at all.
    pub gate: Gate,
    /// Where several processes of the service meet.
    pub redis: Option<RedisServer>,
    /// How often a caller may call.
    pub limits: Limits,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// Which files people may share.
    pub files: Files,
    /// Where webhooks may lead.
    pub webhooks: Webhooks,
    /// After how long things are forgotten.
    pub retention: Retention,
    /// Where a room's page is, for invitations, with `{code}` or `{id}` in it.
    pub room_link: Option<String>,
}

/// A LiveKit server and our right to use it.
#[derive(Debug, Clone)]
pub struct LiveKit {
    /// Where we reach it, `ws://…`, `wss://…`, `http://…` or `https://…`.
    pub url: String,
    /// Where browsers reach it, `ws://…` or `wss://…`.
    pub public_url: String,
    /// Our key's name.
    pub api_key: String,
    /// Our key.
    pub api_secret: SecretString,
}

/// Whether anybody may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody, as a host.
    Open,
    /// Administrators make accounts.
    Closed,
}

/// An OpenID Connect provider that people may log in by, and what it may say about them.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Its URL, as it writes it itself.
    pub issuer: HttpUrl,
    /// What it calls us.
    pub client_id: String,
    /// Our secret with it; nothing if it knows us as a public client.
    pub client_secret: Option<SecretString>,
    /// Where it sends browsers back to: [`OIDC_CALLBACK_PATH`] on the origin that browsers open our pages on.
    pub redirect_url: HttpUrl,
    /// What people call it.
    pub name: String,
    /// What it is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The domains, in lower case, whose addresses may come; those of any domain if none is named.
    pub email_domains: Vec<String>,
    /// The claim by which it says that an address is somebody's own.
    pub email_verified_claim: String,
    /// Whether whoever comes for the first time gets an account.
    pub registration: Registration,
    /// Who does everything here; without it, roles are given here and not by the provider.
    pub administrators: Option<ClaimValue>,
}

/// Something that a provider may say of somebody: that a claim is this value, or a list that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimValue {
    /// The claim's name, or the way to it through objects, with dots between: `realm_access.roles`.
    pub claim: String,
    /// The value.
    pub value: String,
}

/// Whether callers without credentials may make and join rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenRooms {
    /// They may.
    Yes,
    /// They need an account, an invitation or a key.
    No,
}

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// That many times
    pub times: u32,
    /// within this time.
    pub within: Duration,
}

/// How often a caller may call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Any request.
    pub requests: Limit,
    /// A wrong PIN, by address, by browser and by room.
    pub pin: Limit,
    /// An attempt to log in, by address and by account.
    pub login: Limit,
}

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// A login.
    pub session: Duration,
    /// An attempt to log in by a provider, from leaving for it to coming back.
    pub oidc: Duration,
    /// A token to join a room with.
    pub join: Duration,
    /// A token for a server's publisher.
    pub publisher: Duration,
    /// A token for a server's viewer.
    pub viewer: Duration,
    /// How long somebody waits at a door before they are sent away.
    pub lobby: Duration,
}

/// Which files people may share.
#[derive(Debug, Clone)]
pub struct Files {
    /// The bytes that one may have.
    pub bytes_max: u64,
    /// How many a room may have.
    pub per_room_max: u32,
    /// The kinds that are taken; every kind if none is named.
    pub allowed: Vec<FileKind>,
    /// The kinds that are refused, allowed or not.
    pub forbidden: Vec<FileKind>,
    /// How they get to who fetches them.
    pub downloads: Downloads,
}

/// How files get to who fetches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downloads {
    /// By a link to the object store where it has links, through the service otherwise.
    Redirect,
    /// Through the service: for object stores that browsers can't reach.
    Through,
}

/// Where webhooks may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhooks {
    /// To this machine and its neighbours.
    pub private_addresses: PrivateAddresses,
    /// Without encryption.
    pub plain_http: PlainHttp,
    /// How long an endpoint may take to answer, from looking its name up on.
    pub answer_within: Duration,
}

/// Whether webhooks may lead to addresses that are not on the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// They may not: whoever makes one could reach what only we can reach.
    Refused,
    /// They may.
    Allowed,
}

/// Whether webhooks may be sent by `http://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// By `https://` alone.
    Refused,
    /// By both.
    Allowed,
}

/// After how long things are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Lectures, and what else is left of a room of that time, where the room's own setting says nothing; never if this
    /// says nothing either.
    pub lectures: Option<Duration>,
    /// Who did what.
    pub audit: Duration,
    /// What webhooks were told.
    pub deliveries: Duration,
}

/// Where a provider sends browsers back to.
pub const OIDC_CALLBACK_PATH: &str = "/api/auth/oidc/callback";

/// A shorter secret can be guessed.
pub const SECRET_BYTES_MIN: usize = 32;

impl Default for Limits {
    fn default() -> Self {
        let per_minute = |times| Limit {
            times,
            within: Duration::from_secs(60),
        };
        Self {
            requests: per_minute(100),
            pin: per_minute(5),
            login: per_minute(10),
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            bytes_max: 50_000_000,
            per_room_max: 100,
            allowed: Vec::new(),
            forbidden: FileKind::programs(),
            downloads: Downloads::Redirect,
        }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            session: hours(24 * 14),
            oidc: Duration::from_secs(10 * 60),
            join: hours(2),
            publisher: hours(4),
            viewer: hours(1),
            lobby: Duration::from_secs(15 * 60),
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            plain_http: PlainHttp::Refused,
            answer_within: Duration::from_secs(10),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self {
            lectures: None,
            audit: days(365),
            deliveries: days(30),
        }
    }
}
