//! Trust: which certificates our websockets accept.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{CertificateError, ClientConfig, RootCertStore};

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

/// What to do about a connection that failed for its certificate; nothing where it failed otherwise.
pub(crate) fn remedy_of(error: &io::Error) -> Option<&'static str> {
    let rustls::Error::InvalidCertificate(reason) = error.get_ref()?.downcast_ref()? else {
        return None;
    };
    Some(match reason {
        CertificateError::UnknownIssuer => {
            "nobody whom this machine trusts has signed the server's certificate: install its authority's, or set \
             SSL_CERT_FILE to a file of all that are to be trusted"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name: check the host in the URL"
        }
        _ => "the server's certificate is no good: renew it, and check that both machines' clocks are right",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_have_a_remedy_here() {
        let failed = |reason| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::from(reason));
        for (reason, remedy) in [
            (CertificateError::UnknownIssuer, "SSL_CERT_FILE"),
            (CertificateError::NotValidForName, "host in the URL"),
            (CertificateError::Expired, "renew it"),
        ] {
            let told = remedy_of(&failed(reason)).expect("a remedy");
            assert!(told.contains(remedy), "{told}");
        }
        assert_eq!(remedy_of(&io::ErrorKind::ConnectionRefused.into()), None);
    }
}
