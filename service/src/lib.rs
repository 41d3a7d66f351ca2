//! The web service: accounts, rooms, lobbies, tokens, lectures; health and metrics.
//!
//! [`serve`] answers on a listener until it is told to stop. It knows the database and LiveKit, and no worker: what it
//! reports on one is handed in.

mod accounts;
mod aliases;
mod body;
mod calendar;
mod caller;
mod caption_feed;
mod docs;
mod error;
mod feed;
mod file_kind;
mod file_name;
mod gate;
mod health;
mod hooks;
mod http_url;
mod lectures;
mod limit;
mod livekit;
mod oidc;
mod operations;
mod pages;
mod password;
mod random;
mod range;
mod recent;
mod replicas;
mod retention;
mod rooms;
mod routes;
mod session;
mod settings;
mod sse;
mod streams;
mod tokens;
mod upload;
mod users;
mod webhook;
mod wire;

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::{ApiKey, Database, Objects};
use secrecy::SecretString;
use tokio::{net::TcpListener, time::interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use error::{ApiError, Error, ErrorCode};
pub use file_kind::FileKind;
pub use gate::{Gate, Network, NotANetwork};
pub use health::{Check, CheckFuture, Health};
pub use http_url::{HttpUrl, NotAnHttpUrl};
pub use oidc::probe_oidc;
pub use random::secret as fresh_secret;
pub use replicas::RedisServer;
pub use rooms::chat::told as told_of_chat;
pub use routes::{open_api, router};
pub use settings::{
    ClaimValue, Downloads, Files, Lifetimes, Limit, Limits, LiveKit, OIDC_CALLBACK_PATH, Oidc, OpenRooms,
    PlainHttp, PrivateAddresses, Registration, Retention, SECRET_BYTES_MIN, Settings, Webhooks,
};

use crate::{
    caption_feed::CaptionFeeds, feed::Feeds, hooks::courier::Courier, limit::Limiter, livekit::Server,
    oidc::Provider, password::Passwords, recent::Recent, replicas::Replicas, session::Tokens,
    streams::Streams, upload::Uploads,
};

/// What the service works with.
pub struct Service {
    settings: Settings,
    database: Database,
    objects: Objects,
    /// Of this process, among others that erase.
    name: String,
    livekit: Server,
    tokens: Tokens,
    passwords: Passwords,
    replicas: Option<Arc<Replicas>>,
    limiter: Limiter,
    feeds: Feeds,
    caption_feeds: CaptionFeeds,
    uploads: Uploads,
    streams: Streams,
    /// Servers' keys by what is stored of them.
    recent_keys: Recent<String, ApiKey>,
    /// Rooms that there are.
    recent_rooms: Recent<RoomName, ()>,
    courier: Courier,
    /// Who people may log in by.
    oidc: Option<Provider>,
    /// Whoever knows it may make the first administrator.
    setup_token: SecretString,
    now: Box<dyn Fn() -> UnixMillis + Send + Sync>,
    /// Ends streams that would otherwise go on for ever.
    closing: CancellationToken,
}

impl Service {
    /// A service on this database and these files.
    pub fn new(settings: Settings, database: Database, objects: Objects) -> Self {
        let name = format!("service-{}", Uuid::now_v7());
        let redis = settings.redis.clone();
        let replicas = redis.map(|server| Replicas::new(server, &settings.jwt_secret, &name));
        Self {
            livekit: Server::new(settings.livekit.clone()),
            tokens: Tokens::new(&settings.jwt_secret),
            passwords: Passwords::new(),
            limiter: Limiter::new(replicas.clone()),
            feeds: Feeds::new(database.clone(), replicas.clone()),
            replicas,
            recent_keys: Recent::new(),
            recent_rooms: Recent::new(),
            caption_feeds: CaptionFeeds::new(database.clone()),
            uploads: Uploads::default(),
            streams: Streams::default(),
            courier: Courier::new(settings.webhooks),
            oidc: settings.oidc.clone().map(Provider::new),
            setup_token: random::secret(),
            now: Box::new(system_time),
            closing: CancellationToken::new(),
            settings,
            database,
            objects,
            name,
        }
    }

    /// Goes by another clock.
    pub fn with_clock(mut self, now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        self.now = Box::new(now);
        self
    }

    /// Looks that often, rather than four times a second, for what other processes added without a word.
    pub fn looking_every(mut self, time: Duration) -> Self {
        self.feeds.look_every(time);
        self
    }

    /// What proves to `POST /api/auth/setup` that somebody read our first words; nothing once there is an
    /// administrator.
    pub async fn setup_token(&self) -> Result<Option<SecretString>, Error> {
        Ok(match self.database.has_administrator().await? {
            true => None,
            false => Some(self.setup_token.clone()),
        })
    }

    pub(crate) fn now(&self) -> UnixMillis {
        (self.now)()
    }

    /// When something that begins now and lasts so long is over.
    pub(crate) fn later(&self, lifetime: Duration) -> UnixMillis {
        self.now() + lifetime
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// Answers until `shutdown`, then lets requests under way finish.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let service = Arc::new(service);
    let closing = service.closing.clone();
    let sweeper = tokio::spawn(sweep(Arc::clone(&service)));
    let listening = tokio::spawn(listen(Arc::clone(&service)));
    let courier = tokio::spawn(hooks::courier::run(Arc::clone(&service)));
    let routes = router(service, health).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            shutdown.await;
            closing.cancel();
        })
        .await;
    sweeper.abort();
    listening.abort();
    // What is under way is finished, or it would be sent twice.
    courier.await.ok();
    served.map_err(Error::Serve)
}

/// Answers about the process's health alone, until `shutdown`.
pub async fn serve_health(
    listener: TcpListener,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    axum::serve(listener, routes::with_errors(health.router()))
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(Error::Serve)
}

/// Shares with other processes what is to be shared.
async fn listen(service: Arc<Service>) {
    if let Some(replicas) = &service.replicas {
        replicas.run(&service.feeds).await;
    }
}

/// What has to be done though nobody asks for it.
async fn sweep(service: Arc<Service>) {
    let mut ticks = interval(SWEEP_EVERY);
    let mut expiry = retention::Expiry::default();
    loop {
        ticks.tick().await;
        // It says itself what went wrong, and is tried again.
        service.expire_waiting().await.ok();
        service.erase_pending().await.ok();
        service.erase_objects().await.ok();
        service.keep_out_who_was_sent_out().await.ok();
        service.expire(&mut expiry).await.ok();
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(5);

fn system_time() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
