//! The bench's other processes, and what they say.

use std::{
    io::Write,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// Everything that a process has said so far, in order.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    lines: Arc<Mutex<Vec<T>>>,
    /// Ends when the process does.
    reader: JoinHandle<()>,
}

impl<T: Clone + Send + 'static> Journal<T> {
    /// Reads lines until there are no more; what `parse` can't read is left out.
    pub(crate) fn read(
        from: impl AsyncRead + Unpin + Send + 'static,
        mut parse: impl FnMut(&str) -> Option<T> + Send + 'static,
    ) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut reader = BufReader::new(from).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                kept.lock().expect("no holder panics").extend(parse(&line));
            }
        });
        Self { lines, reader }
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.lines.lock().expect("no holder panics").clone()
    }

    /// Everything so far, which is then forgotten.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.lines.lock().expect("no holder panics"))
    }

    /// Waits until `find` finds something.
    pub(crate) async fn wait_for<U>(
        &self,
        what: &str,
        patience: Duration,
        find: impl Fn(&[T]) -> Option<U>,
    ) -> anyhow::Result<U> {
        let began = Instant::now();
        loop {
            // Asked before looking: what a process said last counts.
            let has_ended = self.reader.is_finished();
            if let Some(found) = find(&self.lines.lock().expect("no holder panics")) {
                return Ok(found);
            }
            anyhow::ensure!(!has_ended, "waited for {what}, and the process ended");
            anyhow::ensure!(began.elapsed() < patience, "waited {patience:?} for {what}");
            sleep(POLL).await;
        }
    }
}

/// This program in another role: orders go in, reports come out, each a line of JSON.
pub(crate) struct Role<R> {
    pub(crate) id: u32,
    pub(crate) reports: Journal<R>,
    orders: ChildStdin,
    // Killed when dropped.
    _child: Child,
}

impl<R: DeserializeOwned + Clone + Send + 'static> Role<R> {
    pub(crate) fn start(role: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--role", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the {role} does not start"))?;
        let reports = Journal::read(child.stdout.take().expect("piped"), |line| {
            serde_json::from_str(line).ok()
        });
        Ok(Self {
            id: child.id().expect("it was just started"),
            reports,
            orders: child.stdin.take().expect("piped"),
            _child: child,
        })
    }

    pub(crate) async fn order(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let written = self.orders.write_all(line.as_bytes()).await;
        written.context("one of the bench's own processes has ended")
    }
}

/// In a role: what the bench wants. Ends when the bench does.
pub(crate) fn orders<O: DeserializeOwned + Send + 'static>() -> mpsc::UnboundedReceiver<O> {
    let (sender, orders) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let order = serde_json::from_str(&line).expect("the bench is this very program");
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    orders
}

/// In a role: tells the bench.
pub(crate) fn report(report: &impl Serialize) {
    let mut line = serde_json::to_string(report).expect("reports are plain data");
    line.push('\n');
    // Without a bench this process is about to end too.
    std::io::stdout().lock().write_all(line.as_bytes()).ok();
}

const POLL: Duration = Duration::from_millis(10);
