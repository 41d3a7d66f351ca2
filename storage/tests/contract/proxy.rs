//! A network between us and a server that can be cut, closed and frozen.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Passes connections on to a server, as long as it is told to.
pub(crate) struct Proxy {
    state: watch::Sender<State>,
    cuts: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    /// Connections of an earlier age are cut.
    age: u32,
    door: Door,
}

#[derive(Clone, Copy, PartialEq)]
enum Door {
    Open,
    Refusing,
    Frozen,
}

impl Proxy {
    /// A proxy before the server of `url`, and the URL that leads through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let authority = url
            .split_once("://")
            .expect("a URL")
            .1
            .split('/')
            .next()
            .expect("an authority");
        let server = authority.rsplit('@').next().expect("host and port").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (state, watched) = watch::channel(State {
            age: 0,
            door: Door::Open,
        });
        let cuts = Arc::new(AtomicUsize::new(0));
        tokio::spawn(listen(listener, server.clone(), watched, Arc::clone(&cuts)));
        (Self { state, cuts }, url.replace(&server, &address.to_string()))
    }

    /// Cuts every connection; new ones get through.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.age += 1);
    }

    /// Cuts every connection, and each new one at once.
    pub(crate) fn refuse(&self) {
        self.state.send_modify(|state| {
            *state = State {
                age: state.age + 1,
                door: Door::Refusing,
            }
        });
    }

    /// Lets new connections through again.
    pub(crate) fn admit(&self) {
        self.state.send_modify(|state| state.door = Door::Open);
    }

    /// Holds back every byte, and cuts nothing.
    pub(crate) fn freeze(&self) {
        self.state.send_modify(|state| state.door = Door::Frozen);
    }

    /// Passes on what was held back.
    pub(crate) fn thaw(&self) {
        self.admit();
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

async fn listen(
    listener: TcpListener,
    server: String,
    state: watch::Receiver<State>,
    cuts: Arc<AtomicUsize>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let State { age, door } = *state.borrow();
        if door == Door::Refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut cut = state.clone();
        let (there, back) = (state.clone(), state.clone());
        let cuts = Arc::clone(&cuts);
        tokio::spawn(async move {
            tokio::select! {
                () = pass_on(from_client, to_server, there) => {}
                () = pass_on(from_server, to_client, back) => {}
                _ = cut.wait_for(|state| state.age != age) => { cuts.fetch_add(1, Ordering::Relaxed); }
            }
        });
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| state.door != Door::Frozen).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
