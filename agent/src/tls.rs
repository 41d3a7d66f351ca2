//! Trust: which certificates our websockets accept.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// Why no TLS connection can be made from this system.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// There is nobody to trust.
    #[error("this system has no trusted certificates: install ca-certificates")]
    NoRoots,
    /// The cryptography library can't do what TLS needs.
    #[error(transparent)]
    Provider(#[from] rustls::Error),
}

/// The system's trusted roots, read once for all connections.
///
/// The provider is named, for the process links two of them and rustls picks none by itself.
pub(crate) fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

/// Chooses for whoever doesn't name a provider, as the SDK; without a choice its first `wss://` would panic.
pub(crate) fn choose_provider() {
    // Whoever embeds us may have chosen already; theirs will do.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
