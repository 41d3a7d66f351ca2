//! A network in front of a server that a private authority vouches for.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{io::copy_bidirectional, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::wire::{connect, listen};

/// An authority that this machine doesn't know, and a certificate that it has signed for 127.0.0.1.
pub(crate) struct Authority {
    /// Its own certificate, for `SSL_CERT_FILE`.
    pub(crate) file: PathBuf,
    acceptor: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names at all");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        let file = folder.join("authority.pem");
        fs::write(&file, pem(own.der())).expect("written");

        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|leaf| leaf.signed_by(&leaf_key, &Issuer::new(params, key)))
            .expect("a certificate");
        let leaf_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .and_then(|config| {
                    config
                        .with_no_client_auth()
                        .with_single_cert(vec![leaf.der().clone()], leaf_key)
                })
                .expect("a usable certificate");
        Self {
            file,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// A port at which a server can be reached by TLS. Dropped with the tasks that come with it.
    pub(crate) async fn before(&self, server: u16) -> (u16, JoinSet<()>) {
        let (listener, port) = listen().await;
        let acceptor = self.acceptor.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // Whoever doesn't trust us hangs up.
                    let Ok(mut client) = acceptor.accept(client).await else {
                        return;
                    };
                    copy_bidirectional(&mut client, &mut connect(server).await)
                        .await
                        .ok();
                });
            }
        });
        (port, task)
    }
}

fn pem(der: &CertificateDer<'_>) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}
