//! A LiveKit server of our own, for `up` and `demo` on a machine that has none running.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use lectern_agent::LiveKit;
use secrecy::ExposeSecret;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::free_port::free_port;

/// A `livekit-server` that runs as our child and ends with us.
pub(crate) struct LiveKitServer {
    /// How to reach it.
    pub(crate) livekit: LiveKit,
    child: Child,
    log: PathBuf,
}

impl LiveKitServer {
    /// Starts the server on loopback and waits until it answers. Its files go to `folder`; what happens in its rooms it
    /// tells the service at `service_url`.
    pub(crate) async fn start(folder: &Path, service_url: Option<&str>) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let program = find()?;
        let free = || free_port("127.0.0.1").context("there is no free port on this machine");
        let (port, tcp_port, udp_port) = (free()?, free()?, free()?);
        let secret = lectern_service::fresh_secret();
        let config = folder.join("livekit.yaml");
        let webhook = service_url.map(webhook_of).unwrap_or_default();
        let text = configuration(port, tcp_port, udp_port, secret.expose_secret()) + &webhook;
        write_private(&config, &text)?;
        let log = folder.join("livekit-server.log");
        let output = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(&program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // The operator's Ctrl-C is for us: the server must outlive the last room.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let livekit = LiveKit {
            url: format!("ws://127.0.0.1:{port}"),
            api_key: API_KEY.to_owned(),
            api_secret: secret,
        };
        let mut server = Self { livekit, child, log };
        server.wait_for(port).await?;
        Ok(server)
    }

    /// Ends the server.
    pub(crate) async fn stop(mut self) {
        // It has no rooms any more that a softer end would be kind to.
        if let Err(error) = self.child.kill().await {
            tracing::warn!("livekit-server could not be ended: {error}");
        }
    }

    async fn wait_for(&mut self, port: u16) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "livekit-server ended at once ({status}); its log is {}",
                    self.log.display()
                );
            }
            if began.elapsed() > START_TIMEOUT {
                bail!(
                    "livekit-server does not answer after 20 s; its log is {}",
                    self.log.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn find() -> anyhow::Result<PathBuf> {
    // Where `scripts/setup` puts it in a checkout, then wherever the system has it.
    let local = PathBuf::from(".dev/bin/livekit-server");
    let in_path = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join("livekit-server"))
        .find(|path| path.is_file());
    local.is_file().then_some(local).or(in_path).context(
        "there is no livekit-server here: give LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET of one that \
         runs, or install one (go install github.com/livekit/livekit-server/cmd/server@v1.13.5)",
    )
}

fn configuration(port: u16, tcp_port: u16, udp_port: u16, secret: &str) -> String {
    format!(
        "port: {port}\nbind_addresses: [127.0.0.1]\n\
         rtc:\n  tcp_port: {tcp_port}\n  udp_port: {udp_port}\n  use_external_ip: false\n  node_ip: 127.0.0.1\n  \
         enable_loopback_candidate: true\n  ips: {{includes: [127.0.0.1/32]}}\n\
         keys:\n  {API_KEY}: '{secret}'\n\
         logging: {{level: info, json: true}}\n"
    )
}

/// The part of its configuration that makes it tell us.
fn webhook_of(service_url: &str) -> String {
    format!("webhook:\n  api_key: {API_KEY}\n  urls: [{service_url}/api/livekit/webhook]\n")
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let options = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    options
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

const API_KEY: &str = "lectern";
const START_TIMEOUT: Duration = Duration::from_secs(20);
