//! Health, metrics and the web service.
//!
//! [`serve`] answers on a listener until it is told to stop. What it reports on is handed in: it knows the database,
//! and no worker.

mod error;
mod health;
mod metrics;

use std::{fmt, future::Future, sync::Arc};

use axum::{Router, http::Uri, routing::get};
use lectern_storage::Database;
use tokio::{net::TcpListener, sync::watch};

pub use error::{ApiError, Error, ErrorCode};
pub use health::{Check, CheckFuture};

/// What the service reports on.
pub struct Service {
    checks: Vec<Check>,
    render_metrics: Box<dyn Fn() -> String + Send + Sync>,
}

impl Service {
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
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

/// The routes, to be served by [`serve`] or called in process by tests.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(|uri: Uri| async move { ApiError::not_found(uri.path()) })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .with_state(Arc::new(service))
}

/// Answers until `shutdown`, then lets requests under way finish.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    axum::serve(listener, router(service))
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(Error::Serve)
}
