//! The worker that is measured: our own, or the Python one beside it.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use lectern_agent::LiveKit;
use secrecy::ExposeSecret;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{children::Journal, measure::now_ms};

/// A worker's process.
pub(crate) struct Worker {
    pub(crate) id: u32,
    /// When its process was started.
    pub(crate) started_at: f64,
    pub(crate) log: Journal<LogLine>,
    // Killed when dropped.
    child: Child,
}

/// A line of a worker's log.
#[derive(Debug, Clone)]
pub(crate) struct LogLine {
    pub(crate) at: f64,
    pub(crate) message: String,
    pub(crate) room: Option<String>,
    pub(crate) duration_ms: Option<f64>,
}

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) livekit: LiveKit,
    /// The recognisers', on loopback, in the order in which they are wanted.
    pub(crate) ports: Vec<u16>,
    /// Where the logs of all workers go.
    pub(crate) log: PathBuf,
    /// Where meetings are stored, if not in the worker's folder.
    pub(crate) database_url: Option<String>,
}

impl Worker {
    /// `lectern agent`, with its data in `folder`.
    pub(crate) fn lectern(surroundings: &Surroundings, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(LECTERN);
        command
            .arg("agent")
            // Settings of whoever runs the bench are none of ours.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LECTERN_DATA", folder)
            .env("LECTERN_LOG_FORMAT", "json")
            // As deploys have it: time enough for others to come into the room.
            .env("LECTERN_DRAIN_SECONDS", "20");
        if let Some(url) = &surroundings.database_url {
            command.env("DATABASE_URL", url);
        }
        Self::start(command, surroundings)
    }

    /// The Python worker of benches/peer.py.
    pub(crate) fn peer(surroundings: &Surroundings) -> anyhow::Result<Self> {
        let python = std::env::var_os("LECTERN_PEER_PYTHON");
        let python = python.context("LECTERN_PEER_PYTHON is not set: run `make bench PEER=1`")?;
        let mut command = Command::new(python);
        command.arg(PEER).arg("start");
        Self::start(command, surroundings)
    }

    fn start(mut command: Command, surroundings: &Surroundings) -> anyhow::Result<Self> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&surroundings.log)?;
        let started_at = now_ms();
        let urls: Vec<String> = surroundings
            .ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect();
        let mut child = command
            .env("LIVEKIT_URL", &surroundings.livekit.url)
            .env("LIVEKIT_API_KEY", &surroundings.livekit.api_key)
            .env(
                "LIVEKIT_API_SECRET",
                surroundings.livekit.api_secret.expose_secret(),
            )
            .env("DEEPGRAM_URL", urls.join(","))
            .env("DEEPGRAM_API_KEY", "bench")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the worker does not start")?;
        Ok(Self {
            id: child.id().expect("it was just started"),
            started_at,
            log: Journal::read(child.stderr.take().expect("piped"), move |line| {
                // A log that can't be kept is no reason to measure nothing.
                writeln!(file, "{line}").ok();
                Some(LogLine::read(line))
            }),
            child,
        })
    }

    /// Waits until LiveKit has accepted it, and says when that was.
    pub(crate) async fn registered(&self) -> anyhow::Result<f64> {
        let registered = self
            .log
            .wait_for("the worker to be registered", PATIENCE, |lines| {
                lines
                    .iter()
                    .find(|line| line.message.starts_with("registered w"))
                    .map(|line| line.at)
            });
        registered.await
    }

    /// When it began to listen in a room, if it has.
    pub(crate) fn listening(&self, room: &str) -> Option<LogLine> {
        let is_it =
            |line: &LogLine| line.message.starts_with("listening in") && line.room.as_deref() == Some(room);
        self.log.all().into_iter().find(is_it)
    }

    /// When it was in a room for the first time after some moment, because it came or because its connection was back.
    pub(crate) fn was_in(&self, room: &str, after: f64) -> Option<f64> {
        let is_in = |line: &LogLine| {
            let message = line.message.as_str();
            line.room.as_deref() == Some(room)
                && line.at > after
                && (message.starts_with("listening in") || message.ends_with("is back"))
        };
        self.log.all().iter().find(|line| is_in(line)).map(|line| line.at)
    }

    pub(crate) async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let status = Command::new("kill").arg(self.id.to_string()).status().await?;
        anyhow::ensure!(status.success(), "kill: {status}");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.context("the worker does not stop")??)
    }

    /// Ends the process as a crash would.
    pub(crate) async fn crash(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

impl LogLine {
    fn read(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).unwrap_or_default();
        let fields = &json["fields"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let at = text(&json["timestamp"])
            .and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok())
            .map(|at| at.unix_timestamp_nanos() as f64 / 1e6);
        Self {
            at: at.unwrap_or_else(now_ms),
            // The Python framework's fields are at the top.
            message: text(&fields["message"])
                .or_else(|| text(&json["message"]))
                .unwrap_or_default(),
            room: text(&fields["room.name"]),
            // A number of 128 bits is text there.
            duration_ms: fields["duration_ms"].as_str().and_then(|text| text.parse().ok()),
        }
    }
}

/// The binary that this bench was built with.
pub(crate) const LECTERN: &str = env!("CARGO_BIN_EXE_lectern");
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer.py");
const PATIENCE: Duration = Duration::from_secs(60);
