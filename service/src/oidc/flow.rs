//! One attempt to log in by the provider: what a browser carries from us to there and back.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use lectern_pipelines::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::random;

/// One attempt, as the browser's cookie has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) id: String,
    /// Where to go on afterwards.
    pub(crate) next: PagePath,
    /// When it is too late to come back.
    pub(crate) expires_at: UnixMillis,
}

/// What the provider and we say to one another in one attempt. All of it is made of the attempt's id by a key of ours, so
/// that nothing is kept, here or in the browser, and any process on the same secret can go on.
pub(crate) struct FlowSecrets {
    /// Comes back in the browser's address.
    pub(crate) state: String,
    /// Comes back in the provider's signed word.
    pub(crate) nonce: String,
    /// Proves to the provider that we are who began (PKCE).
    pub(crate) verifier: String,
}

/// A path on our own origin, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PagePath(String);

impl Flow {
    /// A fresh attempt.
    pub(crate) fn new(next: PagePath, expires_at: UnixMillis) -> Self {
        Self {
            id: random::secret().expose_secret().to_owned(),
            next,
            expires_at,
        }
    }

    /// What is said in it.
    pub(crate) fn secrets(&self, key: &SecretString) -> FlowSecrets {
        let made = |purpose: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
                .expect("HMAC takes keys of any length");
            // No token that the same key signs begins like this.
            for part in ["lectern oidc ", purpose, " ", &self.id] {
                mac.update(part.as_bytes());
            }
            BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        };
        FlowSecrets {
            state: made("state"),
            nonce: made("nonce"),
            verifier: made("verifier"),
        }
    }
}

impl FlowSecrets {
    /// Whether a state is this attempt's; how much of it is right, no clock tells.
    pub(crate) fn is_state(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

impl PagePath {
    /// The page that one begins at.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    /// A path of ours, or nothing if browsers could take it for another site's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let after_slash = text.strip_prefix('/')?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let is_ours = is_plain && !after_slash.starts_with('/') && text.len() <= PATH_BYTES_MAX;
        is_ours.then(|| Self(text.to_owned()))
    }

    /// The path itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A cookie has room for it twice.
const PATH_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::*;

    fn flow() -> Flow {
        Flow::new(PagePath::home(), UnixMillis(1))
    }

    #[test]
    fn secrets_are_of_one_attempt_one_purpose_and_one_key() {
        let (key, other_key) = (SecretString::from("a key"), SecretString::from("another"));
        let flow = flow();
        let secrets = flow.secrets(&key);
        assert!(secrets.is_state(&flow.secrets(&key).state));
        let others = [
            self::flow().secrets(&key).state,
            flow.secrets(&other_key).state,
            secrets.nonce.clone(),
            secrets.verifier.clone(),
            flow.id.clone(),
            String::new(),
        ];
        for other in others {
            assert!(!secrets.is_state(&other), "{other}");
        }
        assert_ne!(secrets.nonce, secrets.verifier);
        // As RFC 7636 has it.
        assert!((43..=128).contains(&secrets.verifier.len()));
    }

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for path in [
            "/",
            "/lectures?q=energy&page=2#top",
            "/join/abc-defg-hij",
            "/%2F%2Fexample.org",
        ] {
            assert_eq!(PagePath::parse(path).expect("ours").as_str(), path);
        }
        for path in [
            "",
            "lectures",
            "//evil.example.org",
            "/\\evil.example.org",
            "\\\\evil.example.org",
            "https://evil.example.org",
            "javascript:alert(1)",
            "/\t/evil.example.org",
            "/a\r\nset-cookie: a=b",
            "/ a",
            "/ü",
            &format!("/{}", "x".repeat(PATH_BYTES_MAX)),
        ] {
            assert_eq!(PagePath::parse(path), None, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_to_another_host(text in "[/\\\\.:@?#%a-c \t]{0,12}") {
            let page = Url::parse("https://meet.example.org/login").expect("a URL");
            if let Some(path) = PagePath::parse(&text) {
                let led = page.join(path.as_str()).expect("a URL");
                prop_assert_eq!(led.origin(), page.origin(), "{}", text);
            }
        }
    }
}
