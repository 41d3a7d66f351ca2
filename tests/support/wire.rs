//! A network in front of a server, which can be cut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

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

/// A free port on loopback.
pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

pub(crate) async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens")
}
