//! Who calls, and by what proof.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, Method, header, request::Parts},
};
use lectern_pipelines::{AccountId, RoomName};
use lectern_storage::{Account, AccountRole, ApiKey, Guest, Room};
use sha2::{Digest, Sha256};

use crate::{
    ApiError, ErrorCode, Service,
    session::{Credential, Pass},
};

/// Whoever calls, with every proof they brought. One person may be logged in and be a guest in another's room.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// Who is logged in, and the session's id.
    pub(crate) login: Option<Login>,
    /// A guest's pass, unless the room is told otherwise.
    pub(crate) pass: Option<Pass>,
    /// The key of a server.
    pub(crate) key: Option<ApiKey>,
    /// The token of a lecture's link.
    pub(crate) share: Option<String>,
    /// Where they call from.
    pub(crate) address: String,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) account: Account,
    pub(crate) session: String,
}

/// What a caller is to a room.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// They hold it: its owner, or an administrator.
    Host(Account),
    /// They were let in, or wait to be.
    Guest(Guest),
    /// Nothing.
    Stranger,
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let mut caller = Self {
            address: address_of(parts, service),
            share: share_of(&parts.headers),
            ..Self::default()
        };
        let identified = caller.identify(service, parts).await;
        // Wrong proofs count too, against where they come from.
        caller.within_limits(service).await?;
        identified.map(|()| caller)
    }
}

impl Caller {
    /// Who is logged in, or an error for who is not.
    pub(crate) fn account(&self) -> Result<&Account, ApiError> {
        match &self.login {
            Some(login) => Ok(&login.account),
            None => Err(ApiError::unauthenticated(
                "log in first (POST /api/auth/login), and send the token as Authorization: Bearer",
            )),
        }
    }

    /// Whose things are listed: one's own, or everybody's for an administrator; an error for who is not logged in.
    pub(crate) fn listed_owner(&self) -> Result<Option<&AccountId>, ApiError> {
        let account = self.account()?;
        Ok(match account.role {
            AccountRole::Admin => None,
            AccountRole::Host => Some(&account.id),
        })
    }

    /// An administrator who is logged in, or an error.
    pub(crate) fn admin(&self) -> Result<&Account, ApiError> {
        let account = self.account()?;
        match account.role {
            AccountRole::Admin => Ok(account),
            AccountRole::Host => Err(ApiError::forbidden("only administrators may do this")),
        }
    }

    /// A server that brought its key, or an error.
    pub(crate) fn server(&self) -> Result<&ApiKey, ApiError> {
        self.key
            .as_ref()
            .ok_or_else(|| ApiError::unauthenticated("send a server's key in the header x-api-key"))
    }

    /// Whether they brought any proof.
    pub(crate) fn is_nobody(&self) -> bool {
        self.login.is_none() && self.pass.is_none() && self.key.is_none()
    }

    async fn identify(&mut self, service: &Service, parts: &Parts) -> Result<(), ApiError> {
        if let Some(token) = bearer(&parts.headers)? {
            return self.take_token(service, token).await;
        }
        if let Some(key) = parts.headers.get("x-api-key") {
            let refused = || ApiError::unauthenticated("this x-api-key is unknown or was revoked");
            let found = service.key_known_by(key.to_str().unwrap_or_default()).await?;
            self.key = Some(found.ok_or_else(refused)?);
            return Ok(());
        }
        self.take_cookies(service, parts).await
    }

    /// Who it is, as far as limits go.
    pub(crate) fn key_for_limits(&self) -> String {
        match (&self.login, &self.pass, &self.key) {
            (Some(login), ..) => format!("of {}", login.account.id),
            (None, Some(pass), _) => format!("of {}", pass.guest),
            (None, None, Some(key)) => format!("of {}", key.id),
            (None, None, None) => format!("from {}", self.address),
        }
    }

    /// Counts by person, so that a class behind one address is many callers. Servers call for many people.
    async fn within_limits(&self, service: &Service) -> Result<(), ApiError> {
        if self.login.is_none() && self.pass.is_none() && self.key.is_some() {
            return Ok(());
        }
        let key = format!("requests {}", self.key_for_limits());
        service
            .limiter
            .take(&[key], service.settings.limits.requests, service.now())
            .await
            .map_err(ApiError::rate_limited)
    }

    async fn take_token(&mut self, service: &Service, token: &str) -> Result<(), ApiError> {
        match service.tokens.read(token) {
            Some(Credential::Session(session)) => self.login = service.login_of(session).await?,
            Some(Credential::Guest(pass)) => self.pass = Some(pass),
            None => {}
        }
        match self.is_nobody() {
            true => Err(ApiError::unauthenticated(
                "this token is not ours, has run out, or its session has ended; log in or join again",
            )),
            false => Ok(()),
        }
    }

    /// Browsers send cookies by themselves, also for pages of other sites: what changes something must come from ours.
    /// A cookie that is no good any more counts as none.
    async fn take_cookies(&mut self, service: &Service, parts: &Parts) -> Result<(), ApiError> {
        for (name, value) in cookies(&parts.headers) {
            match (name, service.tokens.read(value)) {
                (SESSION_COOKIE, Some(Credential::Session(session))) => {
                    self.login = service.login_of(session).await?;
                }
                (GUEST_COOKIE, Some(Credential::Guest(pass))) => self.pass = Some(pass),
                _ => {}
            }
        }
        match self.is_nobody() || is_safe(&parts.method) || is_our_page(&parts.headers, service) {
            true => Ok(()),
            false => Err(ApiError::new(
                ErrorCode::OriginRefused,
                "this came from a page of another site; add its origin to WEB_ORIGIN if it is yours",
            )),
        }
    }
}

impl Service {
    /// The key, unless it is unknown or was revoked: here at once, elsewhere [`RECENT`](crate::recent::RECENT) ago.
    async fn key_known_by(&self, key: &str) -> Result<Option<ApiKey>, ApiError> {
        let (hash, now) = (hash_of_key(key), self.now());
        let asked = match self.recent_keys.find(&hash, now) {
            Ok(key) => return Ok(Some(key)),
            Err(asked) => asked,
        };
        let found = self.database.api_key_by_hash(&hash).await?;
        if let Some(key) = &found {
            self.recent_keys.keep(asked, hash, key.clone(), now);
        }
        Ok(found)
    }

    async fn login_of(&self, session: String) -> Result<Option<Login>, ApiError> {
        let account = self.database.account_of_session(&session, self.now()).await?;
        Ok(account.map(|account| Login { account, session }))
    }

    /// A room, and what the caller is to it.
    pub(crate) async fn standing(
        &self,
        caller: &Caller,
        room: &RoomName,
    ) -> Result<(Room, Standing), ApiError> {
        let found = self.database.room(room).await?;
        let room = found.ok_or_else(ApiError::room_not_found)?;
        if let Some(Login { account, .. }) = &caller.login
            && (account.role == AccountRole::Admin || account.id == room.owner)
        {
            return Ok((room, Standing::Host(account.clone())));
        }
        let pass = caller.pass.as_ref().filter(|pass| pass.room == room.id);
        let guest = match (pass, &caller.login) {
            (Some(pass), _) => self.database.guest(&pass.guest).await?,
            (None, Some(login)) => {
                self.database
                    .guest_of_account(&room.id, &login.account.id)
                    .await?
            }
            (None, None) => None,
        };
        Ok(match guest.filter(|guest| guest.room == room.id) {
            Some(guest) => (room, Standing::Guest(guest)),
            None => (room, Standing::Stranger),
        })
    }

    /// A room that the caller holds.
    pub(crate) async fn held_room(
        &self,
        caller: &Caller,
        room: &RoomName,
    ) -> Result<(Room, Account), ApiError> {
        match self.standing(caller, room).await? {
            (room, Standing::Host(account)) => Ok((room, account)),
            _ if caller.is_nobody() => Err(ApiError::unauthenticated("log in as who holds this room")),
            _ => Err(ApiError::forbidden("only who holds this room may do this")),
        }
    }
}

/// The cookie of who is logged in.
pub(crate) const SESSION_COOKIE: &str = "lectern_session";
/// The cookie of a guest; browsers send it to that room's paths alone.
pub(crate) const GUEST_COOKIE: &str = "lectern_guest";

/// The token of a lecture's link. In a header, since URLs are kept in logs and histories.
pub(crate) const SHARE_HEADER: &str = "x-lecture-share";

/// What is stored of a key. Who reads the database can't call by it, and a look-up by it tells nobody by a clock how
/// much of a key is right.
pub(crate) fn hash_of_key(key: &str) -> String {
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(key.as_bytes()) {
        for digit in [byte >> 4, byte & 0xf] {
            hash.push(char::from_digit(digit.into(), 16).expect("four bits are one digit"));
        }
    }
    hash
}

fn share_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(SHARE_HEADER)?.to_str().ok()?;
    Some(value.to_owned())
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(ApiError::unauthenticated("write Authorization: Bearer TOKEN")),
    }
}

pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// Whether a browser asks what a page of another origin may ask.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser says that the page is ours, or nothing of a page at all.
fn is_our_page(headers: &HeaderMap, service: &Service) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        let site = text(header::HeaderName::from_static("sec-fetch-site"));
        return site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    };
    let own = text(header::HOST).is_some_and(|host| {
        let origin = origin.split_once("://").map_or(origin, |(_, host)| host);
        origin.eq_ignore_ascii_case(host)
    });
    own || service.settings.web_origins.iter().any(|known| known == origin)
}

/// Where a caller is, as a text.
pub(crate) fn address_of(parts: &Parts, service: &Service) -> String {
    client_of(parts, service).map_or_else(|| "in process".to_owned(), |address| address.to_string())
}

/// Where a caller is: the socket's other end, or, if that is a proxy that is believed, who called it. Nothing without a
/// socket.
pub(crate) fn client_of(parts: &Parts, service: &Service) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let peer = peer.ip().to_canonical();
    let is_trusted = |address: &IpAddr| service.settings.trusted_proxies.contains(address);
    if !is_trusted(&peer) {
        return Some(peer);
    }
    // The last that no proxy of ours added itself: what comes before may be anybody's invention.
    let forwarded = parts.headers.get_all("x-forwarded-for");
    let client = forwarded
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|text| text.trim().parse::<IpAddr>().ok())
        .rfind(|address| !is_trusted(address));
    Some(client.unwrap_or(peer))
}
