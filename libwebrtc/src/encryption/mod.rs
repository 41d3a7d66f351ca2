//! End-to-end encryption, as LiveKit's clients do it: AES-128-GCM under keys that participants share out of band.
//!
//! [`keys`] derives and keeps them, [`frames`] tells how an encrypted packet of audio is laid out, and [`track`] is the
//! encryption of one track. What cannot be encrypted is not sent, and what cannot be decrypted is not heard.

pub(crate) mod frames;
pub(crate) mod keys;
pub(crate) mod track;

/// What makes each message's encryption another one: it must never be the same twice under a key.
pub(crate) type Nonce = [u8; NONCE_BYTES];

pub(crate) const NONCE_BYTES: usize = 12;

/// Why something could not be encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no key of that number for that participant.
    #[error("there is no key of that number")]
    MissingKey,
    /// It was encrypted with another key, changed on its way, or not encrypted at all.
    #[error("it is not what the key encrypts")]
    Undecipherable,
    /// The cipher itself failed.
    #[error("the cipher failed")]
    Cipher,
}
