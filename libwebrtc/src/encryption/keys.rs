//! Keys, by participant and number.
//!
//! A key is derived from its *material*: a password, or random bytes. Ratcheting makes the next material of one, which
//! cannot be turned back. Who receives notices by himself that a sender has ratcheted: what a key does not decrypt is
//! tried with the ones that follow it.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, RandomizedNonceKey},
    hkdf, pbkdf2,
};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::{Nonce, Refusal};

/// How keys are derived and kept.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Whether all participants use the same keys.
    pub(crate) is_shared: bool,
    pub(crate) derivation: Derivation,
    pub(crate) salt: Vec<u8>,
    /// How many ratchetings of a sender may be missed.
    pub(crate) window: usize,
    /// After how many failures in a row a key is given up until it is set anew; never, if there is no number.
    pub(crate) failures_max: Option<u32>,
    /// How many keys there are of each participant.
    pub(crate) ring: usize,
}

/// How a key is derived from its material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// Slowly, for passwords.
    Pbkdf2,
    Hkdf,
}

/// The keys of all participants.
pub(crate) struct Keys {
    policy: Policy,
    shared: Ring,
    // With shared keys, only of those whose keys went on by themselves.
    participants: HashMap<String, Ring>,
}

/// What came of decrypting.
pub(crate) struct Opened {
    pub(crate) data: Vec<u8>,
    /// Whether it took a key that follows the one that was known.
    pub(crate) is_ratcheted: bool,
}

#[derive(Clone, Default)]
struct Ring {
    slots: HashMap<usize, Slot>,
}

#[derive(Clone)]
struct Slot {
    key: Arc<Key>,
    // The keys that follow, as far as they were asked for: deriving one takes a while.
    following: Vec<Arc<Key>>,
    failures: u32,
}

struct Key {
    material: SecretSlice<u8>,
    cipher: RandomizedNonceKey,
}

impl Keys {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            shared: Ring::default(),
            participants: HashMap::new(),
        }
    }

    /// Sets a key of all participants. Refused if each has his own, or if there is no room for that number.
    pub(crate) fn set_shared(&mut self, number: i32, material: Vec<u8>) -> bool {
        let Some(number) = self.number(number).filter(|_| self.policy.is_shared) else {
            return false;
        };
        self.participants.clear();
        self.shared.set(&self.policy, number, material)
    }

    /// Sets a participant's own key. Refused if keys are shared, or if there is no room for that number.
    pub(crate) fn set(&mut self, participant: &str, number: i32, material: Vec<u8>) -> bool {
        let Some(number) = self.number(number).filter(|_| !self.policy.is_shared) else {
            return false;
        };
        let ring = self.participants.entry(participant.to_owned()).or_default();
        ring.set(&self.policy, number, material)
    }

    /// Goes on to the next key of all participants, and gives its material.
    pub(crate) fn ratchet_shared(&mut self, number: i32) -> Option<Vec<u8>> {
        let number = self.number(number)?;
        self.participants.clear();
        self.shared.ratchet(&self.policy, number)
    }

    /// Goes on to a participant's next key, and gives its material.
    pub(crate) fn ratchet(&mut self, participant: &str, number: i32) -> Option<Vec<u8>> {
        let number = self.number(number)?;
        let ring = self.participants.get_mut(participant)?;
        ring.ratchet(&self.policy, number)
    }

    /// The material of a key of all participants.
    pub(crate) fn shared_material(&self, number: i32) -> Option<Vec<u8>> {
        self.shared.material(self.number(number)?)
    }

    /// The material of a participant's key.
    pub(crate) fn material(&self, participant: &str, number: i32) -> Option<Vec<u8>> {
        self.ring(participant).material(self.number(number)?)
    }

    /// Encrypts in place, with the tag at the end. What is `bound` to it goes in clear and must be the same when it is
    /// decrypted.
    pub(crate) fn seal(
        &self,
        participant: &str,
        number: i32,
        bound: &[u8],
        data: &mut Vec<u8>,
    ) -> Result<Nonce, Refusal> {
        let number = self.number(number).ok_or(Refusal::MissingKey)?;
        let slot = self.ring(participant).slots.get(&number);
        let key = &slot.ok_or(Refusal::MissingKey)?.key;
        let nonce = key.cipher.seal_in_place_append_tag(Aad::from(bound), data);
        nonce.map(|nonce| *nonce.as_ref()).map_err(|_| Refusal::Cipher)
    }

    /// Decrypts, with the keys that follow if it must be.
    pub(crate) fn open(
        &mut self,
        participant: &str,
        number: i32,
        nonce: &Nonce,
        bound: &[u8],
        data: &[u8],
    ) -> Result<Opened, Refusal> {
        let number = self.number(number).ok_or(Refusal::MissingKey)?;
        let slot = self.ring(participant).slots.get(&number);
        let slot = slot.ok_or(Refusal::MissingKey)?;
        if slot.failures == 0
            && let Some(data) = slot.key.open(nonce, bound, data)
        {
            return Ok(Opened {
                data,
                is_ratcheted: false,
            });
        }
        // One who has ratcheted goes on alone: the others' keys stay.
        let shared = self.policy.is_shared.then(|| self.shared.clone());
        let ring = self.participants.entry(participant.to_owned());
        let ring = ring.or_insert_with(|| shared.unwrap_or_default());
        let slot = ring.slots.get_mut(&number).ok_or(Refusal::MissingKey)?;
        slot.search(&self.policy, nonce, bound, data)
    }

    fn ring(&self, participant: &str) -> &Ring {
        match self.participants.get(participant) {
            Some(own) => own,
            None => &self.shared,
        }
    }

    fn number(&self, number: i32) -> Option<usize> {
        let number = usize::try_from(number).ok()?;
        (number < self.policy.ring).then_some(number)
    }
}

impl Ring {
    fn set(&mut self, policy: &Policy, number: usize, material: Vec<u8>) -> bool {
        let key = Key::derive(policy, material);
        let has_key = key.is_some();
        if let Some(key) = key {
            self.slots.insert(number, Slot::new(key));
        }
        has_key
    }

    fn ratchet(&mut self, policy: &Policy, number: usize) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(&number)?;
        *slot = Slot::new(slot.key.next(policy)?);
        Some(slot.key.material.expose_secret().to_vec())
    }

    fn material(&self, number: usize) -> Option<Vec<u8>> {
        let slot = self.slots.get(&number)?;
        Some(slot.key.material.expose_secret().to_vec())
    }
}

impl Slot {
    fn new(key: Arc<Key>) -> Self {
        Self {
            key,
            following: Vec::new(),
            failures: 0,
        }
    }

    /// Decrypts with this key or one of those that follow. Each failure looks one key further, so that nobody's nonsense
    /// keeps the thread busy for long.
    fn search(
        &mut self,
        policy: &Policy,
        nonce: &Nonce,
        bound: &[u8],
        data: &[u8],
    ) -> Result<Opened, Refusal> {
        if policy.failures_max.is_some_and(|most| self.failures > most) {
            return Err(Refusal::Undecipherable);
        }
        if let Some(data) = self.key.open(nonce, bound, data) {
            self.failures = 0;
            return Ok(Opened {
                data,
                is_ratcheted: false,
            });
        }
        if self.following.len() < policy.window {
            let last = self.following.last().unwrap_or(&self.key);
            self.following.extend(last.next(policy));
        }
        let opens = |(index, key): (usize, &Arc<Key>)| Some((index, key.open(nonce, bound, data)?));
        let Some((index, data)) = self.following.iter().enumerate().find_map(opens) else {
            self.failures = self.failures.saturating_add(1);
            return Err(Refusal::Undecipherable);
        };
        self.key = self.following[index].clone();
        self.following.drain(..=index);
        self.failures = 0;
        Ok(Opened {
            data,
            is_ratcheted: true,
        })
    }
}

impl Key {
    fn derive(policy: &Policy, material: Vec<u8>) -> Option<Arc<Self>> {
        let mut bytes = [0; KEY_BYTES];
        policy.derive(&material, &mut bytes)?;
        let cipher = RandomizedNonceKey::new(&AES_128_GCM, &bytes).ok()?;
        Some(Arc::new(Self {
            material: material.into(),
            cipher,
        }))
    }

    fn next(&self, policy: &Policy) -> Option<Arc<Self>> {
        let mut material = vec![0; MATERIAL_BYTES];
        policy.derive(self.material.expose_secret(), &mut material)?;
        Self::derive(policy, material)
    }

    fn open(&self, nonce: &Nonce, bound: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let mut opened = data.to_vec();
        let length = self
            .cipher
            .open_in_place(nonce.into(), Aad::from(bound), &mut opened)
            .ok()?
            .len();
        opened.truncate(length);
        Some(opened)
    }
}

impl Policy {
    fn derive(&self, material: &[u8], into: &mut [u8]) -> Option<()> {
        match self.derivation {
            Derivation::Pbkdf2 => {
                pbkdf2::derive(
                    pbkdf2::PBKDF2_HMAC_SHA256,
                    PBKDF2_ROUNDS,
                    &self.salt,
                    material,
                    into,
                );
                Some(())
            }
            Derivation::Hkdf => {
                let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &self.salt).extract(material);
                let derived = secret.expand(&[&HKDF_INFO], Length(into.len())).ok()?;
                derived.fill(into).ok()
            }
        }
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

const KEY_BYTES: usize = 16;

/// How long the material is that ratcheting makes.
const MATERIAL_BYTES: usize = 32;

/// All clients of a room must do the same.
const PBKDF2_ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");
const HKDF_INFO: [u8; 128] = [0; 128];

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(is_shared: bool) -> Keys {
        Keys::new(Policy {
            is_shared,
            derivation: Derivation::Hkdf,
            salt: b"salt".to_vec(),
            window: 3,
            failures_max: Some(5),
            ring: 16,
        })
    }

    fn seal(keys: &Keys, participant: &str) -> (Nonce, Vec<u8>) {
        let mut data = b"words".to_vec();
        let nonce = keys.seal(participant, 0, b"head", &mut data);
        (nonce.expect("there is a key"), data)
    }

    fn open(keys: &mut Keys, participant: &str, sealed: &(Nonce, Vec<u8>)) -> Result<bool, Refusal> {
        let opened = keys.open(participant, 0, &sealed.0, b"head", &sealed.1)?;
        assert_eq!(opened.data, b"words");
        Ok(opened.is_ratcheted)
    }

    #[test]
    fn passwords_become_the_keys_of_other_clients() {
        // Computed by Python's hashlib.pbkdf2_hmac("sha256", b"password", b"LKFrameEncryptionKey", 100_000, 16).
        let policy = Policy {
            derivation: Derivation::Pbkdf2,
            salt: b"LKFrameEncryptionKey".to_vec(),
            ..keys(true).policy
        };
        let mut key = [0; KEY_BYTES];
        policy.derive(b"password", &mut key).expect("it can be derived");
        assert_eq!(key, PASSWORD_KEY);
    }

    const PASSWORD_KEY: [u8; KEY_BYTES] = [
        66, 24, 144, 177, 85, 117, 4, 168, 234, 26, 144, 194, 83, 180, 25, 228,
    ];

    #[test]
    fn what_is_encrypted_is_decrypted_by_the_same_key_alone() {
        let (mut ours, mut theirs) = (keys(true), keys(true));
        assert!(ours.set_shared(0, b"one".to_vec()) && theirs.set_shared(0, b"one".to_vec()));
        let sealed = seal(&ours, "ada");
        assert!(!sealed.1.windows(5).any(|bytes| bytes == b"words"));
        assert_ne!(sealed.0, seal(&ours, "ada").0, "the same nonce twice");
        assert_eq!(open(&mut theirs, "ada", &sealed), Ok(false));

        let mut changed = sealed.clone();
        changed.1[0] ^= 1;
        assert_eq!(open(&mut theirs, "ada", &changed), Err(Refusal::Undecipherable));
        let bound = theirs.open("ada", 0, &sealed.0, b"other", &sealed.1);
        assert_eq!(bound.err(), Some(Refusal::Undecipherable));
        assert_eq!(open(&mut theirs, "ada", &sealed), Ok(false));

        assert!(theirs.set_shared(0, b"two".to_vec()));
        assert_eq!(open(&mut theirs, "ada", &sealed), Err(Refusal::Undecipherable));
        assert_eq!(open(&mut keys(true), "ada", &sealed), Err(Refusal::MissingKey));
    }

    #[test]
    fn everybody_has_a_key_of_their_own_unless_it_is_shared() {
        let mut own = keys(false);
        assert!(own.set("ada", 0, b"one".to_vec()) && own.set("bob", 0, b"two".to_vec()));
        assert!(!own.set_shared(0, b"all".to_vec()));
        let sealed = seal(&own, "ada");
        assert_eq!(open(&mut own, "bob", &sealed), Err(Refusal::Undecipherable));
        assert_eq!(open(&mut own, "ada", &sealed), Ok(false));
        assert_eq!(open(&mut own, "eve", &sealed), Err(Refusal::MissingKey));
        assert!(!keys(true).set("ada", 0, b"one".to_vec()));
    }

    #[test]
    fn keys_that_follow_are_found_and_those_too_far_ahead_are_not() {
        let (mut ours, mut theirs) = (keys(true), keys(true));
        assert!(ours.set_shared(0, b"one".to_vec()) && theirs.set_shared(0, b"one".to_vec()));
        let first = seal(&ours, "ada");
        ours.ratchet_shared(0).expect("there is a key");
        let second = seal(&ours, "ada");
        assert_eq!(open(&mut theirs, "ada", &second), Ok(true));
        assert_eq!(open(&mut theirs, "ada", &second), Ok(false));
        // It cannot be turned back, for her; the others have not gone on.
        assert_eq!(open(&mut theirs, "ada", &first), Err(Refusal::Undecipherable));
        assert_eq!(open(&mut theirs, "bob", &first), Ok(false));

        for _ in 0..4 {
            ours.ratchet_shared(0).expect("there is a key");
        }
        let far = seal(&ours, "bob");
        for _ in 0..6 {
            assert_eq!(open(&mut theirs, "bob", &far), Err(Refusal::Undecipherable));
        }
        // More failures than are borne: only a new key helps.
        assert_eq!(open(&mut theirs, "bob", &first), Err(Refusal::Undecipherable));
        let material = ours.shared_material(0).expect("there is a key");
        assert!(theirs.set_shared(0, material));
        assert_eq!(open(&mut theirs, "bob", &far), Ok(false));
    }

    #[test]
    fn each_failure_looks_one_key_further() {
        let (mut ours, mut theirs) = (keys(true), keys(true));
        assert!(ours.set_shared(0, b"one".to_vec()) && theirs.set_shared(0, b"one".to_vec()));
        for _ in 0..3 {
            ours.ratchet_shared(0).expect("there is a key");
        }
        let third = seal(&ours, "ada");
        assert!(open(&mut theirs, "ada", &third).is_err());
        assert!(open(&mut theirs, "ada", &third).is_err());
        assert_eq!(open(&mut theirs, "ada", &third), Ok(true));
    }

    #[test]
    fn there_are_only_so_many_keys() {
        let mut keys = keys(true);
        assert!(keys.set_shared(15, b"one".to_vec()));
        assert!(!keys.set_shared(16, b"one".to_vec()) && !keys.set_shared(-1, b"one".to_vec()));
        assert_eq!(keys.material("ada", 15).as_deref(), Some(&b"one"[..]));
        assert_eq!(keys.ratchet_shared(3), None);
    }
}
