//! Passwords: which are good enough, and how they are kept.

use std::sync::{Arc, LazyLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{ApiError, error::Rule};

/// Makes and checks passwords' hashes, a few at a time: each takes 19 MiB and some 20 ms of a core.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    at_once: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX)),
        }
    }

    /// The hash of a password, to be stored.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        self.run(move || hash_of(&password)).await?
    }

    /// Whether it is the password of `hash`. Takes as long where there is no hash, so that nobody learns by a clock who
    /// has an account.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, ApiError> {
        self.run(move || {
            let stored = hash.as_deref().unwrap_or(&NOBODYS_HASH);
            let parsed = PasswordHash::new(stored).map_err(ApiError::internal)?;
            let fits = Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed);
            Ok(fits.is_ok() && hash.is_some())
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let _permit = self.at_once.acquire().await.expect("it is never closed");
        spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

/// Says what is wrong with a new password, if anything is.
pub(crate) fn checked(password: SecretString, email: &str) -> Result<SecretString, ApiError> {
    let text = password.expose_secret();
    let letters = text.chars().count();
    let refuse = |rule, why: &str| Err(ApiError::broken("password", rule, why));
    if letters < PASSWORD_CHARS_MIN {
        let rule = Rule::TooShort {
            minimum: PASSWORD_CHARS_MIN,
        };
        let why = "it has to have at least 10 characters; three or four words make a good one";
        return refuse(rule, why);
    }
    if letters > PASSWORD_CHARS_MAX {
        return Err(ApiError::too_long("password", PASSWORD_CHARS_MAX));
    }
    let lower = text.to_lowercase();
    let own = email.split('@').next().unwrap_or(email);
    if lower == email || (own.len() > 3 && lower.trim_matches(|c: char| !c.is_alphabetic()) == own) {
        return refuse(Rule::Guessable, "it must not be your address");
    }
    let mut seen: Vec<char> = lower.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < DIFFERENT_CHARS_MIN || COMMON.iter().any(|common| lower.contains(common)) {
        let why = "it is among the first that anybody would try; three or four words make a good one";
        return refuse(Rule::Guessable, why);
    }
    Ok(password)
}

fn hash_of(password: &SecretString) -> Result<String, ApiError> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(ApiError::internal)
}

/// The hash of a password that nobody knows.
static NOBODYS_HASH: LazyLock<String> =
    LazyLock::new(|| hash_of(&crate::random::secret()).expect("a password of fixed length can be hashed"));

const HASHES_AT_ONCE_MAX: usize = 2;
const PASSWORD_CHARS_MIN: usize = 10;
const PASSWORD_CHARS_MAX: usize = 200;
const DIFFERENT_CHARS_MIN: usize = 5;
/// What long passwords are made of by people who do not want to.
const COMMON: [&str; 8] = [
    "password", "passwort", "1234567", "7654321", "qwertyui", "qwertzui", "iloveyou", "abcdefgh",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(password: &str) -> bool {
        checked(SecretString::from(password), "ada.lovelace@example.org").is_ok()
    }

    #[test]
    fn weak_passwords_are_refused() {
        for password in [
            "short",
            "aaaaaaaaaaaaaaaa",
            "Password12345",
            "1234567890",
            "ada.lovelace@example.org",
            "Ada.Lovelace1",
            "qwertyuiop",
            &"long and good ".repeat(20),
        ] {
            assert!(!is_good(password), "{password:?}");
        }
        for password in ["correct horse battery", "Ключ от зала 7", "vB3!kx9_Qz"] {
            assert!(is_good(password), "{password:?}");
        }
    }

    #[tokio::test]
    async fn password_fits_its_own_hash_alone() {
        let passwords = Passwords::new();
        let hash = passwords
            .hash("correct horse battery".into())
            .await
            .expect("a hash");
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let fits = |password: &str, hash: Option<String>| {
            let (passwords, password) = (passwords.clone(), SecretString::from(password));
            async move { passwords.verify(password, hash).await.expect("checked") }
        };
        assert!(fits("correct horse battery", Some(hash.clone())).await);
        assert!(!fits("correct horse batterz", Some(hash)).await);
        assert!(!fits("correct horse battery", None).await);
    }
}
