//! The embedded recogniser: in this process on loopback, or alone.

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle};

use lectern_agent::Stt;

use crate::{
    config::{EMBEDDED, Problems, SttArgs},
    signals::Stop,
    whisper_model,
};

/// Settings of `lectern stt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8190")]
    listen: String,
    #[command(flatten)]
    stt: SttArgs,
}

/// An embedded recogniser that runs.
pub(crate) struct Embedded {
    /// Its base URL, on loopback.
    url: String,
    /// What it is, for people.
    pub(crate) description: String,
    server: JoinHandle<()>,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Embedded {
    /// Starts the recogniser on a free port of this machine.
    pub(crate) async fn start(config: lectern_stt::Config) -> anyhow::Result<Self> {
        let config = whisper_model::provide(config).await;
        let server = lectern_stt::Server::start(config).await.context(
            "the embedded recogniser does not start; give DEEPGRAM_API_KEY or DEEPGRAM_URL to use another",
        )?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let engine = server.engine();
        let description = format!("{} {}, embedded ({})", engine.name, engine.version, engine.note);
        let server = tokio::spawn(async move {
            if let Err(error) = server.serve(listener, std::future::pending()).await {
                tracing::error!("the embedded recogniser ended: {error}");
            }
        });
        Ok(Self {
            url,
            description,
            server,
        })
    }

    /// Is found where the settings name it.
    pub(crate) fn take_its_place_in(&self, stt: &mut Stt) {
        for server in &mut stt.servers {
            if server.base_url == EMBEDDED {
                server.base_url.clone_from(&self.url);
            }
        }
    }
}

/// Serves until the process is asked to stop.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let config = args.stt.embedded(&mut problems);
    problems.finish()?;
    let listener = TcpListener::bind(&args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let stop = Stop::on_signals()?;
    let config = whisper_model::provide(config).await;
    let server = lectern_stt::Server::start(config).await?;
    tracing::info!("listening on ws://{address}/v1/listen");
    server.serve(listener, async move { stop.asked().await }).await?;
    Ok(())
}
