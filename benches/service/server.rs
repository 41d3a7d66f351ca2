//! The service that is measured: a process of its own.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{callers::Caller, free_port::free_port};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite,
    Postgres,
    /// Postgres behind a pooler that gives its connections out for a transaction at a time.
    PgBouncer,
}

impl Place {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::PgBouncer => "PgBouncer",
        }
    }
}

impl Place {
    /// How many connections the service has: as many as the promise names, or to a pooler, which has that many itself,
    /// one for each client.
    fn connections(self) -> u32 {
        match self {
            Self::Sqlite | Self::Postgres => CONNECTIONS,
            Self::PgBouncer => POOLED_CONNECTIONS,
        }
    }
}

/// A service that runs.
pub(crate) struct Server {
    pub(crate) place: Place,
    base: String,
    child: Child,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(place: Place) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port("127.0.0.1")?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
        command
            .arg("service")
            .env("LECTERN_DATA", folder.path())
            .env("PORT", port.to_string())
            .env("RATE_LIMIT_MAX", "1000000")
            .env("DATABASE_MAX_CONNECTIONS", place.connections().to_string())
            .env("LECTERN_ADMIN_EMAIL", EMAIL)
            .env("LECTERN_ADMIN_PASSWORD", PASSWORD)
            .stderr(Stdio::null())
            .kill_on_drop(true);
        match place {
            Place::Sqlite => {}
            Place::Postgres => {
                command.env("DATABASE_URL", given("TEST_DATABASE_URL")?);
            }
            Place::PgBouncer => {
                command.env("DATABASE_URL", given("TEST_POOLER_URL")?);
                command.env("DATABASE_DIRECT_URL", given("TEST_DATABASE_URL")?);
            }
        }
        let child = command.spawn().context("the service does not start")?;
        let mut server = Self {
            place,
            base: format!("http://127.0.0.1:{port}"),
            child,
            _folder: folder,
        };
        server.wait().await?;
        Ok(server)
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self
            .nobody()
            .call(reqwest::Method::GET, "/healthz", &json!(null))
            .await
            .is_err()
        {
            if let Some(status) = self.child.try_wait()? {
                bail!("the service ended at once ({status}); are LIVEKIT_URL and the other settings there?");
            }
            if began.elapsed() > Duration::from_secs(30) {
                bail!("the service does not answer");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub(crate) fn nobody(&self) -> Caller {
        Caller::new(self.base.clone())
    }

    /// Its administrator.
    pub(crate) async fn admin(&self) -> anyhow::Result<Caller> {
        let nobody = self.nobody();
        let login = nobody
            .made("/api/auth/login", json!({ "email": EMAIL, "password": PASSWORD }))
            .await?;
        Ok(nobody.with_token(login["token"].as_str().context("a token")?))
    }

    /// The time that it has had of any core.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let id = self.child.id().context("it has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("this needs Linux")?;
        // The program's name comes first, in brackets, and may hold spaces.
        let (_, fields) = stat.rsplit_once(") ").context("a line of /proc")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * MILLIS_PER_TICK))
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("it has ended by itself")
    }
}

fn given(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `make bench-service`"))
}

/// What the promise names; `scripts/services` gives PgBouncer as many.
pub(crate) const CONNECTIONS: u32 = 25;
const POOLED_CONNECTIONS: u32 = 500;
/// Linux counts a process's time in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;
const EMAIL: &str = "bench@example.org";
const PASSWORD: &str = "correct horse battery";
