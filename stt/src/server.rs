//! `/v1/listen` over HTTP: who gets in, under which name, and what the others are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

use crate::engine::{Engine, EngineInfo};
use crate::pool::{Pool, Speaker};
use crate::query::{Listen, Refusal, unsupported};
use crate::session::{Identity, Session};
use crate::stream::Stream;
use crate::wire::{ModelInfo, Refused};
use crate::{Config, Error};

/// Largest message that a client may send: four minutes of audio.
const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_SECONDS: &str = "5";
/// Time that streams get to say their last words when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How often unneeded decoders are looked for, and how long they must have been unneeded.
const TRIM_EVERY: Duration = Duration::from_secs(30);
const DECODER_IDLE_MAX: Duration = Duration::from_secs(60);

const REQUEST_ID: HeaderName = HeaderName::from_static("dg-request-id");

/// A recogniser that is loaded and ready to serve. Clones are the same server.
#[derive(Debug, Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: Arc<Pool>,
    info: EngineInfo,
    model_uuid: String,
    sessions_max: usize,
    idle_max: Duration,
    sessions: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    speakers: AtomicU64,
}

impl Server {
    /// Loads the engine and one decoder.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let loading = tokio::task::spawn_blocking(move || Self::load(&config));
        loading.await.map_err(|error| Error::Load {
            reason: error.to_string(),
        })?
    }

    fn load(config: &Config) -> Result<Self, Error> {
        let engine = Engine::load(config)?;
        let info = engine.info();
        let pool = Arc::new(Pool::new(engine, config.decoders_max));
        pool.warm()?;
        tracing::info!(
            engine = info.name,
            sessions_max = config.sessions_max,
            "local recogniser {} {} is ready for {} streams: {}",
            info.name,
            info.version,
            config.sessions_max,
            info.note
        );
        Ok(Self {
            shared: Arc::new(Shared {
                model_uuid: model_uuid(&info),
                pool,
                info,
                sessions_max: config.sessions_max,
                idle_max: config.idle_max,
                sessions: watch::Sender::new(0),
                stop: watch::Sender::new(false),
                speakers: AtomicU64::new(0),
            }),
        })
    }

    /// Streams that are open now.
    pub fn sessions(&self) -> usize {
        *self.shared.sessions.borrow()
    }

    /// What recognises here.
    pub fn engine(&self) -> &EngineInfo {
        &self.shared.info
    }

    /// Serves until `shutdown`; then lets every stream say what it knows.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let router = Router::new()
            .route("/v1/listen", any(listen))
            .fallback(nothing_here)
            .with_state(self.shared.clone());
        // Captions are small messages that mustn't wait for each other.
        let listener = listener.tap_io(|io| {
            let _ = io.set_nodelay(true);
        });
        let shared = self.shared.clone();
        let stopped = async move {
            shutdown.await;
            shared.stop.send_replace(true);
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
        tokio::select! {
            served = serving => served.map_err(Error::Serve)?,
            () = self.shared.trim() => {}
        }
        let mut sessions = self.shared.sessions.subscribe();
        if tokio::time::timeout(DRAIN, sessions.wait_for(|open| *open == 0))
            .await
            .is_err()
        {
            tracing::warn!(
                sessions = self.sessions(),
                "{} streams were cut off",
                self.sessions()
            );
        }
        Ok(())
    }
}

impl Shared {
    /// Frees decoders that aren't needed any more, for ever.
    async fn trim(&self) {
        loop {
            tokio::time::sleep(TRIM_EVERY).await;
            let pool = self.pool.clone();
            // Freeing 100 MB takes its time.
            let freed = tokio::task::spawn_blocking(move || pool.trim(DECODER_IDLE_MAX))
                .await
                .unwrap_or(0);
            if freed > 0 {
                tracing::debug!(freed, "freed {freed} idle decoders");
            }
        }
    }

    fn admit(self: &Arc<Self>) -> Option<Seat> {
        let admitted = self.sessions.send_if_modified(|open| {
            let free = *open < self.sessions_max;
            *open += usize::from(free);
            free
        });
        admitted.then(|| Seat { shared: self.clone() })
    }

    fn identity(&self, request_id: String) -> Identity {
        Identity {
            request_id,
            created: rfc3339(SystemTime::now()),
            model_uuid: self.model_uuid.clone(),
            model: ModelInfo {
                name: self.info.model.clone(),
                version: self.info.version.clone(),
                arch: self.info.name.to_owned(),
            },
        }
    }
}

/// One of the streams that may be open; dropping it makes room for another.
struct Seat {
    shared: Arc<Shared>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.sessions.send_modify(|open| *open -= 1);
    }
}

async fn listen(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request_id = Uuid::now_v7().to_string();
    let listen = match Listen::parse(query.as_deref().unwrap_or_default()) {
        Ok(listen) => listen,
        Err(refusal) => return refused(StatusCode::BAD_REQUEST, refusal, request_id),
    };
    let engine = shared.pool.engine();
    let language = match engine.language(listen.language.as_deref()) {
        Ok(language) => language,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, unsupported(&reason), request_id),
    };
    let long_utterances = engine.long_utterances();
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return refused(rejection.status(), not_a_websocket(&rejection), request_id),
    };
    let Some(seat) = shared.admit() else {
        return too_many(&shared, request_id);
    };
    let identity = shared.identity(request_id.clone());
    let session = Session::new(listen, identity, shared.idle_max, long_utterances);
    let speaker = Speaker::new(shared.speakers.fetch_add(1, Ordering::Relaxed), language);
    // Browsers can set no header, so they send the key as a subprotocol and want it acknowledged.
    let upgrade = upgrade
        .protocols(["token", "bearer"])
        .max_message_size(MESSAGE_BYTES_MAX);
    let mut response = upgrade.on_upgrade(async move |socket| {
        let stop = seat.shared.stop.subscribe();
        Stream::new(session, socket, seat.shared.pool.clone(), speaker)
            .run(stop)
            .await;
    });
    if let Ok(value) = request_id.parse() {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn nothing_here() -> Response {
    let refusal = Refusal {
        code: "NOT_FOUND",
        message: "only the websocket /v1/listen is served here".to_owned(),
    };
    refused(StatusCode::NOT_FOUND, refusal, Uuid::now_v7().to_string())
}

fn too_many(shared: &Shared, request_id: String) -> Response {
    let refusal = Refusal {
        code: "TOO_MANY_REQUESTS",
        message: format!(
            "all {} streams of the local recogniser are in use; STT_SESSIONS_MAX raises their number",
            shared.sessions_max
        ),
    };
    let mut response = refused(StatusCode::TOO_MANY_REQUESTS, refusal, request_id);
    response.headers_mut().insert(
        header::RETRY_AFTER,
        RETRY_AFTER_SECONDS.parse().expect("a number"),
    );
    response
}

fn not_a_websocket(rejection: &WebSocketUpgradeRejection) -> Refusal {
    Refusal {
        code: "Bad Request",
        message: format!("open a websocket; recorded audio in one request isn't served here ({rejection})"),
    }
}

fn refused(status: StatusCode, refusal: Refusal, request_id: String) -> Response {
    tracing::info!(
        status = status.as_u16(),
        "stream refused with {}: {}",
        status.as_u16(),
        refusal.message
    );
    let header = [(REQUEST_ID, request_id.clone())];
    let body = Refused {
        err_code: refusal.code,
        err_msg: refusal.message,
        request_id,
    };
    (status, header, Json(body)).into_response()
}

/// The same name for the same engine on every machine.
fn model_uuid(info: &EngineInfo) -> String {
    let digest = Sha256::digest(format!("lectern {} {}", info.model, info.version));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// A time as clients expect it, in UTC and to the millisecond.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// The date that lies `days` after 1970-01-01.
fn date(mut days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        let at = |seconds: u64, ms: u64| rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + ms));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_798_761_599, 987), "2026-12-31T23:59:59.987Z");
    }
}
