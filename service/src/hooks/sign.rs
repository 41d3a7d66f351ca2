//! What proves that a webhook is ours: the signature of Standard Webhooks, version 1.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use lectern_pipelines::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::random;

/// A fresh secret for both sides, `whsec_…`.
pub(crate) fn fresh_secret() -> SecretString {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(random::bytes::<32>())).into()
}

/// The headers of something that is told: its id, when it is sent, and the signature over these two and the body.
pub(crate) fn headers(
    secret: &SecretString,
    id: &str,
    now: UnixMillis,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let seconds = (now.0 / 1_000).to_string();
    let signature = signature(secret, id, &seconds, body);
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds),
        ("webhook-signature", signature),
    ]
}

fn signature(secret: &SecretString, id: &str, seconds: &str, body: &[u8]) -> String {
    let secret = secret.expose_secret();
    let key = BASE64_STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret));
    // We made it ourselves; another one signs by its letters.
    let key = key.unwrap_or_else(|_| secret.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

const PREFIX: &str = "whsec_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_one_that_others_make() {
        // Made by Python: hmac.new(base64.b64decode(key), b"evt_1.1700000000.{\"a\":1}", "sha256").
        let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
        let headers = headers(&secret, "evt_1", UnixMillis(1_700_000_000_999), br#"{"a":1}"#);
        assert_eq!(headers[1].1, "1700000000");
        assert_eq!(headers[2].1, "v1,hUVxIYXs8Zy9GDiZD1uQbBwXoZGMAB6RVLdZZ3ffmek=");
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (fresh_secret(), fresh_secret());
        assert_eq!(one.expose_secret().len(), PREFIX.len() + 44);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
