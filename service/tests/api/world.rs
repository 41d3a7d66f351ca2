//! A service of its own for each test, and people who call it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lectern_pipelines::UnixMillis;
use lectern_service::{
    Files, Gate, Health, Lifetimes, Limit, Limits, LiveKit, OpenRooms, RedisServer, Registration, Retention,
    Service, Settings, Webhooks, serve,
};
use lectern_storage::{Addressing, Database, DatabaseConfig, Objects, ObjectsConfig, S3Config};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::required;

/// A service that runs, and what it runs on.
pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) database: Database,
    pub(crate) objects: Objects,
    pub(crate) setup_token: Option<SecretString>,
    pub(crate) http: Client,
    ahead: Arc<AtomicI64>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), lectern_service::Error>>,
    config: DatabaseConfig,
    leftover: Option<Leftover>,
}

/// What the first service on a database removes when it ends.
struct Leftover {
    folder: TempDir,
    place: Place,
}

/// What several services share, as processes on one database would.
struct Shared {
    database: Database,
    config: DatabaseConfig,
    objects: Objects,
    ahead: Arc<AtomicI64>,
}

/// Which database.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite,
    Postgres { admin_url: String, name: String },
}

impl Place {
    /// A database of its own on the Postgres server of the tests.
    pub(crate) async fn postgres() -> Self {
        let admin_url = required("TEST_DATABASE_URL");
        let name = format!("lectern_api_{}", uuid::Uuid::now_v7().simple());
        administer(&admin_url, format!("create database {name}")).await;
        Self::Postgres { admin_url, name }
    }

    fn url(&self) -> Option<SecretString> {
        match self {
            Self::Sqlite => None,
            Self::Postgres { admin_url, name } => {
                let (server, _) = admin_url.rsplit_once('/').expect("a URL that names a database");
                Some(format!("{server}/{name}").into())
            }
        }
    }
}

/// Which object store.
#[derive(Clone, Copy)]
pub(crate) enum Store {
    Folder,
    S3,
}

impl Store {
    fn config(self) -> Option<S3Config> {
        match self {
            Self::Folder => None,
            Self::S3 => Some(S3Config {
                endpoint: Some(required("S3_ENDPOINT")),
                public_endpoint: None,
                bucket: required("S3_BUCKET"),
                region: required("S3_REGION"),
                access_key_id: required("S3_ACCESS_KEY_ID"),
                secret_access_key: required("S3_SECRET_ACCESS_KEY").into(),
                addressing: Addressing::Path,
            }),
        }
    }
}

async fn administer(admin_url: &str, statement: String) {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(admin_url)
        .await
        .expect("TEST_DATABASE_URL leads to a Postgres server");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("a statement that runs");
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Nothing,
    Token(String),
    Key(String),
    Cookie(String),
}

impl World {
    /// A service on SQLite, as by default.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A service whose operator has changed some settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Place::Sqlite, change).await
    }

    /// A service on this database.
    pub(crate) async fn at(place: Place, change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(place, Store::Folder, change).await
    }

    /// A service on this database and this object store.
    pub(crate) async fn on(place: Place, store: Store, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DatabaseConfig {
            url: place.url(),
            direct_url: None,
            data_dir: folder.path().to_owned(),
            max_connections: 4,
        };
        let database = Database::open(&config).await.expect("a database");
        database.migrate().await.expect("tables");
        let objects = Objects::open(&ObjectsConfig {
            folder: folder.path().join("objects"),
            s3: store.config(),
        });
        let shared = Shared {
            database,
            config,
            objects,
            ahead: Arc::default(),
        };
        let leftover = Leftover { folder, place };
        Self::serve(shared, change, |service| service, Some(leftover)).await
    }

    /// Two services on one Postgres database and one Redis, which learn of one another through Redis alone: neither looks
    /// into the database unless it is told to.
    pub(crate) async fn pair(redis: &str) -> (Self, Self) {
        let redis = RedisServer::parse(&redis.into()).expect("a URL");
        // Each pair has counts of its own in a Redis that tests share.
        let secret = format!("a secret of this test alone, {}", uuid::Uuid::now_v7());
        let change = |settings: &mut Settings| {
            settings.redis = Some(redis.clone());
            settings.jwt_secret = secret.as_str().into();
        };
        let never_looking = |service: Service| service.looking_every(Duration::from_secs(3_600));
        let base = Self::at(Place::postgres().await, |_| {}).await;
        let first = Self::serve(base.shared().await, change, never_looking, None).await;
        let second = Self::serve(base.shared().await, change, never_looking, base.retire().await).await;
        (first, second)
    }

    /// Another service on the same database.
    pub(crate) async fn replica(&self) -> Self {
        Self::serve(self.shared().await, |_| {}, |service| service, None).await
    }

    async fn shared(&self) -> Shared {
        Shared {
            database: Database::open(&self.config).await.expect("a database"),
            config: self.config.clone(),
            objects: self.objects.clone(),
            ahead: Arc::clone(&self.ahead),
        }
    }

    async fn serve(
        shared: Shared,
        change: impl FnOnce(&mut Settings),
        adapt: impl FnOnce(Service) -> Service,
        leftover: Option<Leftover>,
    ) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let clock = Arc::clone(&shared.ahead);
        let service = Service::new(settings, shared.database.clone(), shared.objects.clone())
            .with_clock(move || UnixMillis(real_time() + clock.load(Ordering::SeqCst)));
        let service = adapt(service);
        let setup_token = service.setup_token().await.expect("a database");
        let health = Health::new(shared.database.clone(), String::new, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, service, health, stop.clone().cancelled_owned()));
        Self {
            base: format!("http://{address}"),
            database: shared.database,
            objects: shared.objects,
            setup_token,
            http: Client::builder().build().expect("a client"),
            ahead: shared.ahead,
            stop,
            task,
            config: shared.config,
            leftover,
        }
    }

    /// What the service takes for the time.
    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(real_time() + self.ahead.load(Ordering::SeqCst))
    }

    /// Where objects are, on a folder.
    pub(crate) fn objects_folder(&self) -> PathBuf {
        self.config.data_dir.join("objects")
    }

    /// Lets time pass, as far as the service knows.
    pub(crate) fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("a short time");
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// Stops the service and removes what it left.
    pub(crate) async fn end(self) {
        let Some(leftover) = self.retire().await else {
            return;
        };
        if let Place::Postgres { admin_url, name } = &leftover.place {
            administer(admin_url, format!("drop database {name} with (force)")).await;
        }
        leftover.folder.close().expect("a folder that can be removed");
    }

    /// Stops the service and leaves the rest to another.
    async fn retire(self) -> Option<Leftover> {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("a clean end");
        self.database.close().await;
        self.leftover
    }

    pub(crate) fn request(&self, method: Method, path: &str, proof: &Proof) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match proof {
            Proof::Nothing => request,
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Key(key) => request.header("x-api-key", key),
            Proof::Cookie(cookie) => request.header("cookie", cookie),
        }
    }

    /// Sends a request; its status and its JSON (null where there is none).
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        proof: &Proof,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self.request(method, path, proof);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer_of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str, proof: &Proof) -> (u16, Value) {
        self.call(Method::GET, path, proof, None).await
    }

    pub(crate) async fn post(&self, path: &str, proof: &Proof, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, proof, Some(body)).await
    }

    /// What a call that has to succeed answers.
    pub(crate) async fn ok(&self, method: Method, path: &str, proof: &Proof, body: Option<Value>) -> Value {
        let (status, body) = self.call(method.clone(), path, proof, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        body
    }

    /// Registers somebody; their proof.
    pub(crate) async fn host(&self, name: &str) -> Proof {
        let body = json!({
            "email": format!("{}@example.org", name.to_lowercase()), "name": name, "password": PASSWORD
        });
        let made = self
            .ok(Method::POST, "/api/auth/register", &Proof::Nothing, Some(body))
            .await;
        Proof::Token(text(&made["token"]))
    }

    /// Makes the first administrator; their proof.
    pub(crate) async fn admin(&self) -> Proof {
        let token = self
            .setup_token
            .as_ref()
            .expect("no administrator yet")
            .expose_secret();
        let body = json!({
            "token": token, "email": "admin@example.org", "name": "Admin", "password": PASSWORD
        });
        let made = self
            .ok(Method::POST, "/api/auth/setup", &Proof::Nothing, Some(body))
            .await;
        Proof::Token(text(&made["token"]))
    }

    /// Makes a room; its view.
    pub(crate) async fn room(&self, host: &Proof, settings: Value) -> Value {
        let body = json!({ "title": "Algebra", "settings": settings });
        self.ok(Method::POST, "/api/rooms", host, Some(body)).await
    }

    /// Asks to come into a room.
    pub(crate) async fn join(&self, room: &str, name: &str, more: Value) -> (u16, Value) {
        let mut body = json!({ "name": name, "sessionFingerprint": format!("browser-of-{name}") });
        for (field, value) in more.as_object().expect("an object") {
            body[field] = value.clone();
        }
        self.post(&format!("/api/rooms/{room}/join"), &Proof::Nothing, body)
            .await
    }
}

pub(crate) const PASSWORD: &str = "correct horse battery";

/// What the operator of a test chose.
pub(crate) fn settings() -> Settings {
    let many = Limit {
        times: 100_000,
        within: Duration::from_secs(60),
    };
    Settings {
        livekit: LiveKit {
            url: required("LIVEKIT_URL"),
            public_url: required("LIVEKIT_URL"),
            api_key: required("LIVEKIT_API_KEY"),
            api_secret: required("LIVEKIT_API_SECRET").into(),
        },
        jwt_secret: "a secret of the tests, which is long enough".into(),
        registration: Registration::Open,
        oidc: None,
        open_rooms: OpenRooms::No,
        web_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        gate: Gate::default(),
        redis: None,
        // Tests of limits set their own.
        limits: Limits {
            requests: many,
            login: many,
            ..Limits::default()
        },
        lifetimes: Lifetimes::default(),
        files: Files::default(),
        webhooks: Webhooks::default(),
        retention: Retention::default(),
        room_link: None,
    }
}

fn real_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("for a while yet")
}

pub(crate) async fn answer_of(response: Response) -> (u16, Value) {
    let status = response.status();
    let bytes = response.bytes().await.expect("a whole answer");
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).expect("JSON"),
    };
    assert!(
        status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS || body["success"] == json!(false),
        "an error of another form: {status} {body}"
    );
    (status.as_u16(), body)
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

pub(crate) fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}
