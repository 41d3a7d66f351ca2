//! End-to-end encryption of audio and data.
//!
//! Nothing is ever sent in clear that a caller believes encrypted: a track whose [`FrameCryptor`] is turned off or has
//! no key sends nothing. The SDK attaches it after it has added the track; so whatever connection is made while a
//! [`DataPacketCryptor`] is alive (a room that was asked to be encrypted holds one from its first moment) sends no
//! audio that has none.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    encryption::{
        keys::{Derivation, Keys, Policy},
        track::TrackCipher,
    },
    native::packet_trailer::PacketTrailerHandler,
    peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
};

static LIVE_DATA_CRYPTORS: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody in this process believes to be encrypting.
pub(crate) fn is_demanded() -> bool {
    LIVE_DATA_CRYPTORS.load(Ordering::SeqCst) > 0
}

/// Who is told when the state of an encryption changes.
pub type OnStateChange = Box<dyn FnMut(String, EncryptionState) + Send + Sync>;

/// How a key is derived from a secret.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub enum KeyDerivationAlgorithm {
    /// By PBKDF2.
    PBKDF2,
    /// By HKDF.
    HKDF,
}

/// How keys are kept.
#[derive(Debug, Clone)]
pub struct KeyProviderOptions {
    /// Whether everybody uses the same key.
    pub shared_key: bool,
    /// How many ratchet steps of a sender may be missed.
    pub ratchet_window_size: i32,
    /// The salt of all that is derived.
    pub ratchet_salt: Vec<u8>,
    /// How many failures in a row are borne before a key is given up; negative for any number.
    pub failure_tolerance: i32,
    /// How many keys there are of each participant, at most 256.
    pub key_ring_size: i32,
    /// How a key is derived.
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// A cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// AES in GCM mode.
    AesGcm,
    /// AES in CBC mode: refused, since it does not notice changes.
    AesCbc,
}

/// How an encryption fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionState {
    /// Not used yet.
    New,
    /// It works.
    Ok,
    /// A frame could not be encrypted.
    EncryptionFailed,
    /// A frame could not be decrypted.
    DecryptionFailed,
    /// There is no key.
    MissingKey,
    /// The key was ratcheted.
    KeyRatcheted,
    /// Anything else went wrong.
    InternalError,
}

/// An encrypted data packet.
#[derive(Debug, Clone)]
pub struct EncryptedPacket {
    /// The ciphertext.
    pub data: Vec<u8>,
    /// The initialisation vector.
    pub iv: Vec<u8>,
    /// Which key was used.
    pub key_index: u32,
}

/// A keeper of keys. Clones keep the same ones.
#[derive(Clone)]
pub struct KeyProvider {
    keys: Arc<Mutex<Keys>>,
    server_mark: Arc<Mutex<Vec<u8>>>,
}

impl KeyProvider {
    /// A keeper that has no key yet.
    pub fn new(options: KeyProviderOptions) -> Self {
        let policy = Policy {
            is_shared: options.shared_key,
            derivation: match options.key_derivation_algorithm {
                KeyDerivationAlgorithm::PBKDF2 => Derivation::Pbkdf2,
                KeyDerivationAlgorithm::HKDF => Derivation::Hkdf,
            },
            salt: options.ratchet_salt,
            window: usize::try_from(options.ratchet_window_size).map_or(0, |window| window.min(WINDOW_MAX)),
            failures_max: u32::try_from(options.failure_tolerance).ok(),
            ring: usize::try_from(options.key_ring_size).map_or(0, |ring| ring.min(RING_MAX)),
        };
        Self {
            keys: Arc::new(Mutex::new(Keys::new(policy))),
            server_mark: Arc::default(),
        }
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock()
    }

    /// Whether the server made a packet itself, in clear.
    pub(crate) fn is_from_server(&self, packet: &[u8]) -> bool {
        let mark = self.server_mark.lock();
        !mark.is_empty() && packet.ends_with(&mark)
    }

    /// Sets a key that everybody uses. Says whether it was taken: not where everybody has a key of his own, nor beyond
    /// the number of keys.
    pub fn set_shared_key(&self, key_index: i32, key: Vec<u8>) -> bool {
        self.keys().set_shared(key_index, key)
    }

    /// Goes on to the next key that everybody uses, and gives what it is derived from.
    pub fn ratchet_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.keys().ratchet_shared(key_index)
    }

    /// What a key that everybody uses is derived from.
    pub fn get_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.keys().shared_material(key_index)
    }

    /// Sets a participant's own key. Says whether it was taken: not where everybody uses the same, nor beyond the number
    /// of keys.
    pub fn set_key(&self, participant_id: String, key_index: i32, key: Vec<u8>) -> bool {
        self.keys().set(&participant_id, key_index, key)
    }

    /// Goes on to a participant's next key, and gives what it is derived from.
    pub fn ratchet_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        self.keys().ratchet(&participant_id, key_index)
    }

    /// What a participant's key is derived from.
    pub fn get_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        self.keys().material(&participant_id, key_index)
    }

    /// Sets how packets end that the server makes itself. They are silence in clear, and are not heard.
    pub fn set_sif_trailer(&self, trailer: Vec<u8>) {
        *self.server_mark.lock() = trailer;
    }
}

/// The encryption of one track. It stays with the track when it is dropped.
#[derive(Clone)]
pub struct FrameCryptor {
    cipher: Arc<TrackCipher>,
    is_possible: bool,
}

impl FrameCryptor {
    /// From now on the sender sends nothing that is not encrypted.
    pub fn new_for_rtp_sender(
        _factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        sender: RtpSender,
    ) -> Self {
        let cryptor = Self::new(participant_id, algorithm, key_provider);
        sender.encrypt(cryptor.cipher.clone());
        cryptor
    }

    /// From now on nothing is heard of the receiver's track that was not encrypted.
    pub fn new_for_rtp_receiver(
        _factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        receiver: RtpReceiver,
    ) -> Self {
        let cryptor = Self::new(participant_id, algorithm, key_provider);
        receiver.decrypt(cryptor.cipher.clone());
        cryptor
    }

    fn new(participant_id: String, algorithm: EncryptionAlgorithm, keys: KeyProvider) -> Self {
        let is_possible = algorithm == EncryptionAlgorithm::AesGcm;
        if !is_possible {
            tracing::error!("a track is silent: {CBC_REFUSAL}");
        }
        Self {
            cipher: Arc::new(TrackCipher::new(participant_id, keys)),
            is_possible,
        }
    }

    /// Turns it on or off. While it is off, as it is at first, the track is silent: it does not go on in clear.
    pub fn set_enabled(&self, enabled: bool) {
        self.cipher.turn(enabled && self.is_possible);
    }

    /// Whether it is on.
    pub fn enabled(&self) -> bool {
        self.cipher.is_on()
    }

    /// Chooses the key to encrypt with. What is received says itself with which it was.
    pub fn set_key_index(&self, index: i32) {
        self.cipher.set_key_number(index);
    }

    /// Which key is used to encrypt.
    pub fn key_index(&self) -> i32 {
        self.cipher.key_number()
    }

    /// Whose track it is.
    pub fn participant_id(&self) -> String {
        self.cipher.participant().to_owned()
    }

    /// Sets who is told when the state changes.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        let Some(mut handler) = handler else {
            return self.cipher.tell(None);
        };
        if !self.is_possible {
            handler(self.participant_id(), EncryptionState::InternalError);
        }
        self.cipher.tell(Some(handler));
    }

    /// Without effect: only video has such metadata.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}
}

/// The encryption of data packets. While one is alive, connections that are made send no audio in clear.
pub struct DataPacketCryptor {
    keys: KeyProvider,
    is_possible: bool,
}

impl DataPacketCryptor {
    /// Marks the process as one in which somebody believes to be encrypting.
    pub fn new(algorithm: EncryptionAlgorithm, key_provider: KeyProvider) -> Self {
        LIVE_DATA_CRYPTORS.fetch_add(1, Ordering::SeqCst);
        Self {
            keys: key_provider,
            is_possible: algorithm == EncryptionAlgorithm::AesGcm,
        }
    }

    /// Encrypts with a participant's key, or the one that everybody uses. Fails without such a key.
    pub fn encrypt(
        &self,
        participant_id: &str,
        key_index: u32,
        data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn Error>> {
        self.check()?;
        let mut sealed = data.to_vec();
        let number = key_index.try_into()?;
        let nonce = self.keys.keys().seal(participant_id, number, &[], &mut sealed)?;
        Ok(EncryptedPacket {
            data: sealed,
            iv: nonce.to_vec(),
            key_index,
        })
    }

    /// Decrypts what a participant encrypted. Fails without the key, and for what was changed on its way.
    pub fn decrypt(&self, participant_id: &str, packet: &EncryptedPacket) -> Result<Vec<u8>, Box<dyn Error>> {
        self.check()?;
        let nonce = packet.iv.as_slice().try_into()?;
        let number = packet.key_index.try_into()?;
        let opened = self
            .keys
            .keys()
            .open(participant_id, number, nonce, &[], &packet.data)?;
        Ok(opened.data)
    }

    fn check(&self) -> Result<(), Box<dyn Error>> {
        match self.is_possible {
            true => Ok(()),
            false => Err(CBC_REFUSAL.into()),
        }
    }
}

impl Clone for DataPacketCryptor {
    fn clone(&self) -> Self {
        LIVE_DATA_CRYPTORS.fetch_add(1, Ordering::SeqCst);
        Self {
            keys: self.keys.clone(),
            is_possible: self.is_possible,
        }
    }
}

impl Drop for DataPacketCryptor {
    fn drop(&mut self) {
        LIVE_DATA_CRYPTORS.fetch_sub(1, Ordering::SeqCst);
    }
}

const CBC_REFUSAL: &str = "AES-CBC is not supported by this build of libwebrtc";

/// A packet has one byte for its key's number.
const RING_MAX: usize = 256;

/// How many keys are tried at most: each takes a while to derive.
const WINDOW_MAX: usize = 256;
