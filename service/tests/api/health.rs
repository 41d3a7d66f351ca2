//! The service as monitors see it, over a real socket.

use std::{future::pending, time::Duration};

use lectern_service::{Check, Error, Health, serve_health};
use lectern_storage::{Database, DatabaseConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

struct Running {
    base: String,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    database: Database,
    _folder: TempDir,
}

impl Running {
    async fn start(registered: Option<watch::Receiver<bool>>, checks: Vec<Check>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DatabaseConfig {
            url: None,
            direct_url: None,
            data_dir: folder.path().to_owned(),
            max_connections: 2,
        };
        let database = Database::open(&config).await.expect("a database in a new folder");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let base = format!("http://{}", listener.local_addr().expect("a bound address"));
        let stop = CancellationToken::new();
        let health = Health::new(database.clone(), || "lectern_rooms 3\n".to_owned(), registered);
        let health = checks.into_iter().fold(health, Health::with_check);
        let task = tokio::spawn(serve_health(listener, health, stop.clone().cancelled_owned()));
        Self {
            base,
            stop,
            task,
            database,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}{path}", self.base))
            .await
            .expect("an answer")
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }
}

#[tokio::test]
async fn process_is_alive_whatever_it_lacks() {
    let never = Check::new("never", || async { Err("it never is".to_owned()) });
    let service = Running::start(None, vec![never]).await;
    assert_eq!(service.json("/health").await, (200, json!({ "ok": true })));
    assert_eq!(service.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn readiness_follows_its_checks() {
    let registered = watch::Sender::new(false);
    let service = Running::start(Some(registered.subscribe()), Vec::new()).await;

    let (status, body) = service.json("/readyz").await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("NOT_READY")));
    assert_eq!(body["success"], json!(false));
    assert!(body["requestId"].is_string());
    assert_eq!(
        body["error"]["message"],
        json!("the worker is not registered with LiveKit; the log says why")
    );
    assert_eq!(
        body["error"]["details"]["checks"][0],
        json!({ "name": "database", "ok": true })
    );

    registered.send_replace(true);
    let (status, body) = service.json("/readyz").await;
    assert_eq!((status, &body["ok"]), (200, &json!(true)), "{body}");

    service.database.close().await;
    let (status, body) = service.json("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(body["error"]["message"], json!("the database does not answer"));
}

#[tokio::test]
async fn check_that_hangs_is_not_waited_for() {
    let service = Running::start(None, vec![Check::new("slow", pending)]).await;
    let (status, body) = timeout(Duration::from_secs(10), service.json("/readyz"))
        .await
        .expect("in time");
    assert_eq!(
        (status, &body["error"]["message"]),
        (503, &json!("no answer within 2 s"))
    );
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let service = Running::start(None, Vec::new()).await;
    let response = service.get("/metrics").await;
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(response.text().await.expect("text"), "lectern_rooms 3\n");
}

#[tokio::test]
async fn errors_have_one_shape() {
    let service = Running::start(None, Vec::new()).await;
    let (status, body) = service.json("/nowhere").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("NOT_FOUND")));
    let posted = reqwest::Client::new()
        .post(format!("{}/health", service.base))
        .send()
        .await
        .expect("an answer");
    assert_eq!(posted.status(), 405);
    let body: Value = posted.json().await.expect("JSON");
    assert_eq!(body["error"]["code"], json!("METHOD_NOT_ALLOWED"));
}

#[tokio::test]
async fn shutdown_ends_it() {
    let service = Running::start(None, Vec::new()).await;
    assert_eq!(service.get("/healthz").await.status(), 200);
    service.stop.cancel();
    let ended = timeout(Duration::from_secs(10), service.task)
        .await
        .expect("in time");
    ended.expect("no panic").expect("no error");
}
