//! End-to-end encryption, refused.
//!
//! The SDK's types for it cannot fail when they are made. So a live [`DataPacketCryptor`] (a room that was asked to
//! be encrypted holds one from its first moment) makes every new connection of the process fail with
//! [`RtcErrorType::Unsupported`](crate::RtcErrorType): nothing is ever sent in clear that a caller believes encrypted.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
};

use crate::{
    native::packet_trailer::PacketTrailerHandler, peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

static LIVE_DATA_CRYPTORS: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody in this process believes to be encrypting.
pub(crate) fn is_demanded() -> bool {
    LIVE_DATA_CRYPTORS.load(Ordering::SeqCst) > 0
}

const REFUSAL: &str = "end-to-end encryption is not supported by this build of libwebrtc";

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
    /// How many ratchet steps are tried.
    pub ratchet_window_size: i32,
    /// The salt of the ratchet.
    pub ratchet_salt: Vec<u8>,
    /// How many failures are borne.
    pub failure_tolerance: i32,
    /// How many keys are kept.
    pub key_ring_size: i32,
    /// How a key is derived.
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// A cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// AES in GCM mode.
    AesGcm,
    /// AES in CBC mode.
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

/// A keeper of keys that keeps none.
#[derive(Clone)]
pub struct KeyProvider {}

impl KeyProvider {
    /// A keeper of keys. Whoever connects with it is refused.
    pub fn new(_options: KeyProviderOptions) -> Self {
        Self {}
    }

    /// Keeps nothing, and says so.
    pub fn set_shared_key(&self, _key_index: i32, _key: Vec<u8>) -> bool {
        false
    }

    /// There is no key to ratchet.
    pub fn ratchet_shared_key(&self, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// There is no key.
    pub fn get_shared_key(&self, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// Keeps nothing, and says so.
    pub fn set_key(&self, _participant_id: String, _key_index: i32, _key: Vec<u8>) -> bool {
        false
    }

    /// There is no key to ratchet.
    pub fn ratchet_key(&self, _participant_id: String, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// There is no key.
    pub fn get_key(&self, _participant_id: String, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// Keeps nothing: unencrypted server frames are not told from others here.
    pub fn set_sif_trailer(&self, _trailer: Vec<u8>) {}
}

/// An encryption of media that never encrypts. A sender that gets one sends nothing from then on.
#[derive(Clone)]
pub struct FrameCryptor {
    participant_id: String,
    key_index: Arc<AtomicI32>,
}

impl FrameCryptor {
    /// Silences the sender: it must not go out in clear.
    pub fn new_for_rtp_sender(
        _factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        sender: RtpSender,
    ) -> Self {
        sender.silence();
        tracing::error!("{REFUSAL}: the track is not sent");
        Self {
            participant_id,
            key_index: Arc::default(),
        }
    }

    /// Encrypted media cannot be heard; nothing is done for it.
    pub fn new_for_rtp_receiver(
        _factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        _receiver: RtpReceiver,
    ) -> Self {
        tracing::error!("{REFUSAL}: the track cannot be decrypted");
        Self {
            participant_id,
            key_index: Arc::default(),
        }
    }

    /// Cannot be turned on; see [`FrameCryptor::enabled`].
    pub fn set_enabled(&self, enabled: bool) {
        if enabled {
            tracing::error!("{REFUSAL}");
        }
    }

    /// Never.
    pub fn enabled(&self) -> bool {
        false
    }

    /// Which key would be used.
    pub fn set_key_index(&self, index: i32) {
        self.key_index.store(index, Ordering::Relaxed);
    }

    /// Which key would be used.
    pub fn key_index(&self) -> i32 {
        self.key_index.load(Ordering::Relaxed)
    }

    /// Whose media this would be.
    pub fn participant_id(&self) -> String {
        self.participant_id.clone()
    }

    /// Tells the handler at once that this cannot work.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        if let Some(mut handler) = handler {
            handler(self.participant_id.clone(), EncryptionState::InternalError);
        }
    }

    /// There are no frames to handle.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}
}

/// An encryption of data packets that refuses. While one is alive, no connection can be made.
pub struct DataPacketCryptor {}

impl DataPacketCryptor {
    /// Marks the process as one in which somebody believes to be encrypting.
    pub fn new(_algorithm: EncryptionAlgorithm, _key_provider: KeyProvider) -> Self {
        LIVE_DATA_CRYPTORS.fetch_add(1, Ordering::SeqCst);
        Self {}
    }

    /// Refuses.
    pub fn encrypt(
        &self,
        _participant_id: &str,
        _key_index: u32,
        _data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn Error>> {
        Err(REFUSAL.into())
    }

    /// Refuses.
    pub fn decrypt(
        &self,
        _participant_id: &str,
        _packet: &EncryptedPacket,
    ) -> Result<Vec<u8>, Box<dyn Error>> {
        Err(REFUSAL.into())
    }
}

impl Clone for DataPacketCryptor {
    fn clone(&self) -> Self {
        LIVE_DATA_CRYPTORS.fetch_add(1, Ordering::SeqCst);
        Self {}
    }
}

impl Drop for DataPacketCryptor {
    fn drop(&mut self) {
        LIVE_DATA_CRYPTORS.fetch_sub(1, Ordering::SeqCst);
    }
}
