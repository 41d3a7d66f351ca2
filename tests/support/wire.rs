//! Networks in front of a server: one that can be cut, and one that a private authority vouches for.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Passes connections on to a server until it is cut.
pub(crate) struct Wire {
    pub(crate) port: u16,
    whole: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Wire {
    pub(crate) async fn to(server: u16) -> Self {
        let (listener, port) = listen().await;
        let (whole, state) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if *state.borrow() {
                    connections.spawn(pass_on(client, server, state.clone()));
                }
            }
        });
        Self {
            port,
            whole,
            _task: task,
        }
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn pass_on(mut client: TcpStream, server: u16, mut whole: watch::Receiver<bool>) {
    let mut server = connect(server).await;
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}

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

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens")
}

fn pem(der: &CertificateDer<'_>) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}
