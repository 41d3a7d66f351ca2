//! Our own tokens: who is logged in or about to be, and who is at a room's door. LiveKit's are in `livekit.rs`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use lectern_pipelines::{GuestId, RoomName, UnixMillis};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::oidc::{Flow, PagePath};

/// Signs and reads our tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    reading: DecodingKey,
}

/// A guest's pass: who they are, and at which room's door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) guest: GuestId,
    pub(crate) room: RoomName,
}

/// What one of our tokens says, if it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A session's id; whether it still lasts, the database knows.
    Session(String),
    /// A guest's pass.
    Guest(Pass),
}

impl Tokens {
    pub(crate) fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        Self {
            signing: EncodingKey::from_secret(secret),
            reading: DecodingKey::from_secret(secret),
        }
    }

    /// A token for a session.
    pub(crate) fn session(&self, session: &str, expires_at: UnixMillis) -> String {
        self.signed(&SessionClaims {
            aud: SESSION_AUDIENCE.to_owned(),
            sid: session.to_owned(),
            exp: expires_at.0 / 1_000,
        })
    }

    /// A token for a guest.
    pub(crate) fn pass(&self, pass: &Pass, expires_at: UnixMillis) -> String {
        self.signed(&GuestClaims {
            aud: GUEST_AUDIENCE.to_owned(),
            sub: pass.guest.as_str().to_owned(),
            room: pass.room.as_str().to_owned(),
            exp: expires_at.0 / 1_000,
        })
    }

    /// What a token says; nothing if it is not ours, was changed or has run out.
    pub(crate) fn read(&self, token: &str) -> Option<Credential> {
        let session = self.claims::<SessionClaims>(token, SESSION_AUDIENCE);
        if let Some(claims) = session {
            return Some(Credential::Session(claims.sid));
        }
        let claims = self.claims::<GuestClaims>(token, GUEST_AUDIENCE)?;
        Some(Credential::Guest(Pass {
            guest: GuestId::parse(claims.sub).ok()?,
            room: RoomName::parse(claims.room).ok()?,
        }))
    }

    /// A token for who has shown the key of the instance, known by `fingerprint`.
    pub(crate) fn access(&self, fingerprint: &str, expires_at: UnixMillis) -> String {
        self.signed(&AccessClaims {
            aud: ACCESS_AUDIENCE.to_owned(),
            sub: fingerprint.to_owned(),
            exp: expires_at.0 / 1_000,
        })
    }

    /// Whether a token is for who has shown the key that is known by `fingerprint`.
    pub(crate) fn is_access(&self, token: &str, fingerprint: &str) -> bool {
        self.claims::<AccessClaims>(token, ACCESS_AUDIENCE)
            .is_some_and(|claims| claims.sub == fingerprint)
    }

    /// A token for an attempt to log in by a provider.
    pub(crate) fn flow(&self, flow: &Flow) -> String {
        self.signed(&FlowClaims {
            aud: FLOW_AUDIENCE.to_owned(),
            jti: flow.id.clone(),
            next: flow.next.as_str().to_owned(),
            exp: flow.expires_at.0 / 1_000,
        })
    }

    /// The attempt that a token is for.
    pub(crate) fn read_flow(&self, token: &str) -> Option<Flow> {
        let claims = self.claims::<FlowClaims>(token, FLOW_AUDIENCE)?;
        Some(Flow {
            id: claims.jti,
            next: PagePath::parse(&claims.next)?,
            expires_at: UnixMillis(claims.exp * 1_000),
        })
    }

    fn signed(&self, claims: &impl Serialize) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .expect("claims are JSON and the key is a secret")
    }

    /// One algorithm and one audience: a token for one purpose is of no use for another.
    fn claims<C: DeserializeOwned + Clone>(&self, token: &str, audience: &str) -> Option<C> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.leeway = 0;
        let data = jsonwebtoken::decode::<C>(token, &self.reading, &validation).ok()?;
        Some(data.claims)
    }
}

const SESSION_AUDIENCE: &str = "lectern-session";
const GUEST_AUDIENCE: &str = "lectern-guest";
const ACCESS_AUDIENCE: &str = "lectern-access";
const FLOW_AUDIENCE: &str = "lectern-oidc";

#[derive(Clone, Serialize, Deserialize)]
struct SessionClaims {
    aud: String,
    sid: String,
    exp: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct GuestClaims {
    aud: String,
    sub: String,
    room: String,
    exp: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct AccessClaims {
    aud: String,
    sub: String,
    exp: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct FlowClaims {
    aud: String,
    jti: String,
    next: String,
    exp: i64,
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    /// The year 2100; what has run out is compared with the real clock.
    const LATER: UnixMillis = UnixMillis(4_102_444_800_000);

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&SecretString::from(secret))
    }

    fn pass() -> Pass {
        Pass {
            guest: GuestId::parse("g").expect("an id"),
            room: RoomName::parse("r").expect("a name"),
        }
    }

    #[test]
    fn token_says_what_it_was_made_for() {
        let tokens = tokens("one secret of more than enough bytes");
        let session = tokens.session("s", LATER);
        assert_eq!(tokens.read(&session), Some(Credential::Session("s".to_owned())));
        let guest = tokens.pass(&pass(), LATER);
        assert_eq!(tokens.read(&guest), Some(Credential::Guest(pass())));
    }

    #[test]
    fn attempt_to_log_in_is_no_login() {
        let tokens = tokens("one secret of more than enough bytes");
        let flow = Flow::new(PagePath::parse("/lectures?q=a").expect("ours"), LATER);
        let token = tokens.flow(&flow);
        assert_eq!(tokens.read_flow(&token), Some(flow));
        assert_eq!(tokens.read(&token), None);
        assert_eq!(tokens.read_flow(&tokens.session("s", LATER)), None);
    }

    #[test]
    fn token_that_has_run_out_or_is_of_another_key_is_none() {
        let tokens = tokens("one secret of more than enough bytes");
        assert_eq!(tokens.read(&tokens.session("s", UnixMillis(1_000))), None);
        let other = self::tokens("quite another secret of enough bytes");
        assert_eq!(tokens.read(&other.session("s", LATER)), None);
    }

    #[test]
    fn changed_and_unsigned_tokens_are_none() {
        let tokens = tokens("one secret of more than enough bytes");
        let good = tokens.session("s", LATER);
        let signature = good.rsplit('.').next().expect("three parts");
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "aud": SESSION_AUDIENCE, "sid": "s", "exp": 4_102_444_800_i64 });
        for algorithm in ["none", "None", "HS384", "RS256", "ES256"] {
            let header = part(json!({ "alg": algorithm, "typ": "JWT" }));
            for end in ["", signature] {
                let forged = format!("{header}.{}.{end}", part(claims.clone()));
                assert_eq!(tokens.read(&forged), None, "{algorithm}");
            }
        }
        let header = good.split('.').next().expect("three parts");
        let other = json!({ "aud": SESSION_AUDIENCE, "sid": "another", "exp": 4_102_444_800_i64 });
        assert_eq!(
            tokens.read(&format!("{header}.{}.{signature}", part(other))),
            None
        );
        for text in ["", ".", "..", "a.b.c", &"x".repeat(100_000)] {
            assert_eq!(tokens.read(text), None);
        }
    }
}
