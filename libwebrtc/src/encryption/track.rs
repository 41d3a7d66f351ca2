//! The encryption of one track, in one direction.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI32, Ordering},
};

use parking_lot::Mutex;

use super::{
    Refusal,
    frames::{self, Frame},
};
use crate::{
    connection::events::Slot,
    native::frame_cryptor::{EncryptionState, KeyProvider},
};

/// The encryption of one track. Until it is turned on, nothing passes.
pub(crate) struct TrackCipher {
    participant: String,
    keys: KeyProvider,
    key_number: AtomicI32,
    is_on: AtomicBool,
    state: Mutex<EncryptionState>,
    told: Slot<dyn FnMut(String, EncryptionState) + Send + Sync>,
}

/// A new state, for whoever wants to be told of it.
pub(crate) struct Change {
    cipher: Arc<TrackCipher>,
    state: EncryptionState,
}

impl TrackCipher {
    pub(crate) fn new(participant: String, keys: KeyProvider) -> Self {
        Self {
            participant,
            keys,
            key_number: AtomicI32::new(0),
            is_on: AtomicBool::new(false),
            state: Mutex::new(EncryptionState::New),
            told: Slot::default(),
        }
    }

    pub(crate) fn participant(&self) -> &str {
        &self.participant
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    pub(crate) fn turn(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::SeqCst);
    }

    pub(crate) fn key_number(&self) -> i32 {
        self.key_number.load(Ordering::SeqCst)
    }

    pub(crate) fn set_key_number(&self, number: i32) {
        self.key_number.store(number, Ordering::SeqCst);
    }

    pub(crate) fn tell(&self, handler: Option<Box<dyn FnMut(String, EncryptionState) + Send + Sync>>) {
        self.told.set(handler);
    }

    /// Encrypts a packet of audio, if it may go out and can be encrypted.
    pub(crate) fn seal(self: &Arc<Self>, packet: &[u8], into: &mut Vec<u8>) -> (bool, Option<Change>) {
        if !self.is_on() {
            return (false, None);
        }
        let sealed = self.try_seal(packet, into);
        let state = match sealed {
            Ok(()) => EncryptionState::Ok,
            Err(Refusal::MissingKey) => EncryptionState::MissingKey,
            Err(Refusal::Undecipherable | Refusal::Cipher) => EncryptionState::EncryptionFailed,
        };
        (sealed.is_ok(), self.note(state))
    }

    fn try_seal(&self, packet: &[u8], into: &mut Vec<u8>) -> Result<(), Refusal> {
        let number = self.key_number();
        let key_number = u8::try_from(number).map_err(|_| Refusal::MissingKey)?;
        let (head, body) = frames::split(packet).ok_or(Refusal::Cipher)?;
        let mut sealed = body.to_vec();
        let nonce = self
            .keys
            .keys()
            .seal(&self.participant, number, head, &mut sealed)?;
        let frame = Frame {
            head,
            sealed: &sealed,
            nonce,
            key_number,
        };
        frame.write(into);
        Ok(())
    }

    /// Decrypts a packet of audio, if it may be heard and can be decrypted.
    pub(crate) fn open(self: &Arc<Self>, packet: &[u8]) -> (Option<Vec<u8>>, Option<Change>) {
        // What the server puts between the speakers' packets is silence, in clear.
        if !self.is_on() || self.keys.is_from_server(packet) {
            return (None, None);
        }
        let opened = self.try_open(packet);
        let state = match &opened {
            Ok((_, false)) => EncryptionState::Ok,
            Ok((_, true)) => EncryptionState::KeyRatcheted,
            Err(Refusal::MissingKey) => EncryptionState::MissingKey,
            Err(Refusal::Undecipherable | Refusal::Cipher) => EncryptionState::DecryptionFailed,
        };
        (opened.ok().map(|(packet, _)| packet), self.note(state))
    }

    fn try_open(&self, packet: &[u8]) -> Result<(Vec<u8>, bool), Refusal> {
        let frame = frames::parse(packet).ok_or(Refusal::Undecipherable)?;
        let (mut keys, number) = (self.keys.keys(), frame.key_number.into());
        let opened = keys.open(&self.participant, number, &frame.nonce, frame.head, frame.sealed)?;
        Ok(([frame.head, &opened.data].concat(), opened.is_ratcheted))
    }

    /// What is not a packet of audio by itself cannot be decrypted.
    pub(crate) fn refuse(self: &Arc<Self>) -> Option<Change> {
        self.note(EncryptionState::DecryptionFailed)
    }

    fn note(self: &Arc<Self>, state: EncryptionState) -> Option<Change> {
        let old = std::mem::replace(&mut *self.state.lock(), state);
        (old != state).then(|| Change {
            cipher: self.clone(),
            state,
        })
    }
}

impl Change {
    /// Tells whoever wants to know, with nothing locked.
    pub(crate) fn tell(self) {
        let Self { cipher, state } = self;
        if !matches!(state, EncryptionState::Ok | EncryptionState::KeyRatcheted) {
            tracing::warn!(?state, "a track's end-to-end encryption does not work");
        }
        cipher
            .told
            .call(|handler| handler(cipher.participant.clone(), state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::frame_cryptor::{KeyDerivationAlgorithm, KeyProviderOptions};

    fn keys(material: Option<&str>) -> KeyProvider {
        let keys = KeyProvider::new(KeyProviderOptions {
            shared_key: true,
            ratchet_window_size: 2,
            ratchet_salt: b"salt".to_vec(),
            failure_tolerance: -1,
            key_ring_size: 16,
            key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
        });
        if let Some(material) = material {
            assert!(keys.set_shared_key(0, material.as_bytes().to_vec()));
        }
        keys
    }

    fn cipher(keys: &KeyProvider) -> Arc<TrackCipher> {
        let cipher = Arc::new(TrackCipher::new("ada".to_owned(), keys.clone()));
        cipher.turn(true);
        cipher
    }

    fn seal(cipher: &Arc<TrackCipher>, packet: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::new();
        cipher.seal(packet, &mut sealed).0.then_some(sealed)
    }

    fn states(cipher: &Arc<TrackCipher>) -> Arc<Mutex<Vec<EncryptionState>>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        cipher.tell(Some(Box::new(move |_, state| told.lock().push(state))));
        seen
    }

    #[test]
    fn a_packet_passes_from_one_to_the_other() {
        let (ours, theirs) = (cipher(&keys(Some("one"))), cipher(&keys(Some("one"))));
        let seen = states(&theirs);
        for packet in [&[0xf8][..], &[0xf8, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let sealed = seal(&ours, packet).expect("there is a key");
            assert_eq!(sealed[0], 0xf8);
            assert!(packet.len() < 4 || !sealed.windows(4).any(|bytes| bytes == &packet[1..5]));
            let (opened, change) = theirs.open(&sealed);
            assert_eq!(opened.as_deref(), Some(packet));
            change.into_iter().for_each(Change::tell);
        }
        assert_eq!(*seen.lock(), [EncryptionState::Ok]);
    }

    #[test]
    fn without_a_key_or_turned_off_nothing_passes() {
        let packet = [0xf8; 20];
        let without = cipher(&keys(None));
        let seen = states(&without);
        let (passes, change) = without.seal(&packet, &mut Vec::new());
        assert!(!passes);
        change.into_iter().for_each(Change::tell);
        assert_eq!(*seen.lock(), [EncryptionState::MissingKey]);

        let with = cipher(&keys(Some("one")));
        let sealed = seal(&with, &packet).expect("there is a key");
        assert!(without.open(&sealed).0.is_none());
        with.turn(false);
        assert!(seal(&with, &packet).is_none() && with.open(&sealed).0.is_none());
        with.turn(true);
        with.set_key_number(3);
        assert!(seal(&with, &packet).is_none());
    }

    #[test]
    fn what_comes_in_clear_is_not_heard() {
        let keys = keys(Some("one"));
        keys.set_sif_trailer(b"from the server".to_vec());
        let cipher = cipher(&keys);
        let (opened, change) = cipher.open(&[0xf8; 60]);
        assert!(opened.is_none());
        assert_eq!(
            change.map(|change| change.state),
            Some(EncryptionState::DecryptionFailed)
        );
        // Nor what the server says it made, which is no failure.
        let (opened, change) = cipher.open(b"\xf8\xff\xfefrom the server");
        assert!(opened.is_none() && change.is_none());
    }
}
