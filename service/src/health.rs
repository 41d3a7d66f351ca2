//! Whether the process lives, whether it can do its work, and figures for Prometheus.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use lectern_storage::Database;

use crate::{ApiError, ErrorCode};

/// What a process reports on itself.
pub struct Health {
    checks: Vec<Check>,
    render_metrics: Box<dyn Fn() -> String + Send + Sync>,
}

impl Health {
    /// Reports on the database, and on the worker of this process if there is one (`registered` follows whether
    /// LiveKit knows it). `render_metrics` gives the metrics as Prometheus reads them.
    pub fn new(
        database: Database,
        render_metrics: impl Fn() -> String + Send + Sync + 'static,
        registered: Option<watch::Receiver<bool>>,
    ) -> Self {
        let mut checks = vec![Check::database(database)];
        checks.extend(registered.map(Check::registered));
        Self {
            checks,
            render_metrics: Box::new(render_metrics),
        }
    }

    /// Asks `check` too before it says that it is ready.
    pub fn with_check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// The routes: `/health`, `/healthz`, `/readyz` and `/metrics`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/healthz", get(alive))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Arc::new(self))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

/// The answer of a [`Check`]: nothing, or why something is not right.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Something that should be right for us to do our work.
pub struct Check {
    name: &'static str,
    need: Need,
    ask: Box<dyn Fn() -> CheckFuture + Send + Sync>,
}

/// What it means if something is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// We can't do our work.
    Required,
    /// We do it, and not as well.
    Helpful,
}

impl Check {
    /// A check by that name. `ask` says why something is not right; what it says is shown to anybody who asks.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name,
            need: Need::Required,
            ask: Box::new(move || Box::pin(ask())),
        }
    }

    /// The same, of something that we can do without: it is reported, and we are ready all the same.
    pub fn helpful(self) -> Self {
        Self {
            need: Need::Helpful,
            ..self
        }
    }

    /// Whether the database answers. Its own words stay in the log: they may name hosts.
    pub fn database(database: Database) -> Self {
        Self::new("database", move || {
            let database = database.clone();
            async move {
                database.ping().await.map_err(|error| {
                    tracing::warn!("not ready: {error}");
                    "the database does not answer".to_owned()
                })
            }
        })
    }

    /// Whether LiveKit knows the worker of this process.
    pub fn registered(registered: watch::Receiver<bool>) -> Self {
        Self::new("livekit", move || {
            let is_registered = *registered.borrow();
            async move {
                is_registered
                    .then_some(())
                    .ok_or_else(|| "the worker is not registered with LiveKit; the log says why".to_owned())
            }
        })
    }

    async fn run(&self) -> Outcome {
        let asked = timeout(CHECK_TIMEOUT, (self.ask)()).await;
        let reason = match asked {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(_) => Some(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
        };
        Outcome {
            name: self.name,
            need: self.need,
            ok: reason.is_none(),
            reason,
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// Whoever asks for our readiness gives up soon.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Outcome {
    name: &'static str,
    #[serde(skip)]
    need: Need,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `GET /health`: as the systems that we replace answer it.
async fn health() -> Json<serde_json::Value> {
    Json(json!({ "ok": true }))
}

/// `GET /healthz`: the process lives.
async fn alive() -> &'static str {
    "ok"
}

/// `GET /readyz`: everything that is needed is there, or 503 and what isn't.
async fn ready(State(reported): State<Arc<Health>>) -> Response {
    let checks = join_all(reported.checks.iter().map(Check::run)).await;
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|check| check.need == Need::Required)
        .filter_map(|check| check.reason.as_deref())
        .collect();
    if wrong.is_empty() {
        return (StatusCode::OK, Json(json!({ "ok": true, "checks": checks }))).into_response();
    }
    ApiError::new(ErrorCode::NotReady, wrong.join("; "))
        .with_details(json!({ "checks": checks }))
        .into_response()
}

/// `GET /metrics`.
async fn metrics(State(reported): State<Arc<Health>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT_FORMAT)], (reported.render_metrics)())
}

/// The version of the text format that the exporter writes.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
