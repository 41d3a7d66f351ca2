//! An endpoint that is told things by webhook, as others would run it.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

/// A server on a port of 127.0.0.1.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    inbox: Arc<Inbox>,
    task: JoinHandle<()>,
}

/// What a receiver answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// To another place.
    Redirect(String),
    /// A head that says yes, and a body without end.
    Endless,
    /// Nothing, ever.
    Never,
}

/// What a receiver was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct Inbox {
    received: Mutex<Vec<Request>>,
    replies: Mutex<VecDeque<Reply>>,
}

impl Receiver {
    /// Answers as it is told, in order, and then with 204.
    pub(crate) async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let inbox = Arc::new(Inbox {
            replies: Mutex::new(replies.into_iter().collect()),
            ..Inbox::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let routes = Router::new().fallback(take).with_state(Arc::clone(&inbox));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("served");
        });
        Self { port, inbox, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Request> {
        self.inbox.received.lock().expect("no panic").clone()
    }

    /// Waits until so many requests have come; all of them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Request> {
        let waiting = async {
            while self.received().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("{} of {count} came: {:?}", self.received().len(), self.received());
        }
        self.received()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn kind(&self) -> String {
        crate::world::text(&self.json()["type"])
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("plain text").to_owned()))
        .collect();
    inbox
        .received
        .lock()
        .expect("no panic")
        .push(Request { headers, body });
    let reply = inbox.replies.lock().expect("no panic").pop_front();
    let answer = |status: u16| Response::builder().status(status);
    match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => answer(status).body(Body::empty()),
        Reply::Redirect(to) => answer(302).header("location", to).body(Body::empty()),
        Reply::Endless => {
            let more = futures_util::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536]))
            });
            answer(200).body(Body::from_stream(more))
        }
        Reply::Never => pending().await,
    }
    .expect("a response")
}

/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
