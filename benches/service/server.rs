//! The service that is measured: a process of its own.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::callers::Caller;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite,
    Postgres,
}

impl Place {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
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
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
        command
            .arg("service")
            .env("LECTERN_DATA", folder.path())
            .env("PORT", port.to_string())
            .env("RATE_LIMIT_MAX", "1000000")
            .env("DATABASE_MAX_CONNECTIONS", CONNECTIONS.to_string())
            .env("LECTERN_ADMIN_EMAIL", EMAIL)
            .env("LECTERN_ADMIN_PASSWORD", PASSWORD)
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if place == Place::Postgres {
            let url = std::env::var("TEST_DATABASE_URL")
                .context("TEST_DATABASE_URL is not set: run `make bench-service`")?;
            command.env("DATABASE_URL", url);
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

/// What the promise names.
pub(crate) const CONNECTIONS: u32 = 25;
/// Linux counts a process's time in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;
const EMAIL: &str = "bench@example.org";
const PASSWORD: &str = "correct horse battery";
