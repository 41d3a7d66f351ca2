//! Who may call at all, where an instance has no domain yet and is not for everybody: those with a key, and those who
//! call from some addresses.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    ApiError, ErrorCode, Service,
    caller::{address_of, client_of, cookies, hash_of_key, is_preflight},
    limit::Guess,
};

/// Who may call at all. Where neither a key nor a network is given, everybody may.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// Whoever brings it is let in.
    pub key: Option<SecretString>,
    /// Whoever calls from one of these is let in.
    pub networks: Vec<Network>,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(&self, other: IpAddr) -> bool {
        let begins_alike = |one: u128, other: u128, length: u8| {
            let differing = (one ^ other)
                .leading_zeros()
                .saturating_sub(128 - u32::from(length));
            differing >= u32::from(self.bits)
        };
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                begins_alike(one.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => begins_alike(one.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// An address, or an address and how many of its bits count: `192.0.2.7`, `10.0.0.0/8`.
impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NotANetwork)?;
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| NotANetwork)?;
        match bits <= most {
            true => Ok(Self { address, bits }),
            false => Err(NotANetwork),
        }
    }
}

/// A text is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is neither an address such as 192.0.2.7 nor a network such as 10.0.0.0/8")]
pub struct NotANetwork;

/// Lets nobody else through.
pub(crate) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let gate = &service.settings.gate;
    let is_open = gate.key.is_none() && gate.networks.is_empty();
    if is_open || is_for_all(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match service.entry(&parts).await {
        Ok(Entry::Known) => next.run(Request::from_parts(parts, body)).await,
        Ok(Entry::ByQuery) => {
            let cookie = service.access_cookie();
            let mut response = match is_page(&parts) {
                // So that the key stays in no address bar, and in nobody's history but the first.
                true => (
                    StatusCode::SEE_OTHER,
                    [(header::LOCATION, without_key(&parts.uri))],
                )
                    .into_response(),
                false => next.run(Request::from_parts(parts, body)).await,
            };
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => error.into_response(),
    }
}

/// How somebody was let in.
enum Entry {
    Known,
    /// Browsers are given a cookie then.
    ByQuery,
}

#[derive(Deserialize)]
struct InUrl {
    dev_access_key: Option<String>,
}

impl Service {
    async fn entry(&self, parts: &Parts) -> Result<Entry, ApiError> {
        let client = client_of(parts, self);
        if client.is_some_and(|address| {
            self.settings
                .gate
                .networks
                .iter()
                .any(|one| one.contains(address))
        }) {
            return Ok(Entry::Known);
        }
        let Some(key) = &self.settings.gate.key else {
            return Err(closed("this instance is not open to your address yet"));
        };
        let known = cookies(&parts.headers)
            .any(|(name, value)| name == ACCESS_COOKIE && self.tokens.is_access(value, &fingerprint_of(key)));
        if known {
            return Ok(Entry::Known);
        }
        let (given, entry) = match (
            parts.headers.get(ACCESS_HEADER),
            Query::<InUrl>::try_from_uri(&parts.uri),
        ) {
            (Some(given), _) => (given.as_bytes().to_vec(), Entry::Known),
            (
                None,
                Ok(Query(InUrl {
                    dev_access_key: Some(given),
                })),
            ) => (given.into_bytes(), Entry::ByQuery),
            (None, _) => {
                return Err(closed(
                    "this instance is not open yet: send its key in the header x-dev-access-key, or open it in a \
                     browser with ?dev_access_key=KEY",
                ));
            }
        };
        // Digests have one length, so that a comparison tells nothing about the key's.
        let fits = Sha256::digest(&given).ct_eq(&Sha256::digest(key.expose_secret().as_bytes()));
        let guess = match bool::from(fits) {
            true => Guess::Right,
            false => Guess::Wrong,
        };
        let from = address_of(parts, self);
        self.limiter
            .guess(
                &[format!("access from {from}")],
                self.settings.limits.login,
                self.now(),
                guess,
            )
            .await
            .map_err(ApiError::rate_limited)?;
        match guess {
            Guess::Right => Ok(entry),
            Guess::Wrong => Err(closed("this is not the key of this instance")),
        }
    }

    fn access_cookie(&self) -> HeaderValue {
        let lifetime = self.settings.lifetimes.session;
        let key = self
            .settings
            .gate
            .key
            .as_ref()
            .map(fingerprint_of)
            .unwrap_or_default();
        let token = self.tokens.access(&key, self.later(lifetime));
        self.cookie(ACCESS_COOKIE, &token, "/", lifetime.as_secs())
    }
}

const ACCESS_HEADER: &str = "x-dev-access-key";
const ACCESS_COOKIE: &str = "lectern_access";
const ACCESS_QUERY: &str = "dev_access_key=";

fn closed(message: &str) -> ApiError {
    ApiError::new(ErrorCode::AccessKeyRequired, message)
}

/// What a cookie says of the key that was given for it: with another key it is of no use.
fn fingerprint_of(key: &SecretString) -> String {
    hash_of_key(&format!("access {}", key.expose_secret()))
}

/// What monitors ask, and what LiveKit tells and signs. Browsers ask whether they may ask without any credentials.
fn is_for_all(request: &Request) -> bool {
    matches!(
        request.uri().path(),
        "/health" | "/healthz" | "/readyz" | "/api/livekit/webhook"
    ) || is_preflight(request.method(), request.headers())
}

/// Whether a browser opens a page, rather than a program calling us.
fn is_page(parts: &Parts) -> bool {
    parts.method == Method::GET && wants_page(&parts.headers)
}

/// Whether who asks would show a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|kinds| kinds.contains("text/html"))
}

/// The same URL without the key. One slash leads: two would lead to another host.
fn without_key(uri: &Uri) -> String {
    let path = uri.path().trim_start_matches(['/', '\\']);
    let rest: Vec<_> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.starts_with(ACCESS_QUERY))
        .collect();
    match rest.is_empty() {
        true => format!("/{path}"),
        false => format!("/{path}?{}", rest.join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_has_the_addresses_that_begin_like_it() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().expect("a network");
            network.contains(address.parse().expect("an address"))
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(contains("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.6"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("::/0", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "host",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text:?}");
        }
    }

    #[test]
    fn url_without_the_key_leads_to_the_same_page_here() {
        let cleaned = |text: &'static str| without_key(&Uri::from_static(text));
        assert_eq!(cleaned("/page?dev_access_key=x"), "/page");
        assert_eq!(cleaned("/page?a=1&dev_access_key=x&b=%20"), "/page?a=1&b=%20");
        assert_eq!(
            cleaned("//evil.example.org/?dev_access_key=x"),
            "/evil.example.org/"
        );
        assert_eq!(cleaned("/?dev_access_key=x"), "/");
    }
}
