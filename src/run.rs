//! `lectern up`, `agent` and `service`: putting the parts together, starting and stopping them.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use lectern_agent::{Context, LiveKit, Stt};
use lectern_pipelines::{ParticipantIdentity, RoomName};
use lectern_service::{Check, Health, Service, Settings, told_of_chat};
use lectern_storage::{Database, LogState, Objects, ObjectsConfig, WordLog, Writer, WriterTask};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    config::{AgentArgs, EMBEDDED, LiveKitArgs, LlmArgs, PdfArgs, Problems, StorageArgs, SttArgs, given},
    embedded::Embedded,
    livekit_server::LiveKitServer,
    service_config::{ServiceArgs, secret_of},
    signals::Stop,
};

/// Settings of `lectern up` and `lectern doctor`: all there are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) livekit: LiveKitArgs,
    #[command(flatten)]
    pub(crate) stt: SttArgs,
    #[command(flatten)]
    pub(crate) llm: LlmArgs,
    #[command(flatten)]
    pub(crate) pdf: PdfArgs,
    #[command(flatten)]
    pub(crate) storage: StorageArgs,
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

/// Settings of `lectern agent`.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentCommand {
    /// Also serve health and metrics, on PORT.
    #[arg(long, env = "LECTERN_AGENT_HEALTH", default_value = "false")]
    health: String,
    #[command(flatten)]
    up: UpArgs,
}

/// Settings of `lectern service`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceCommand {
    #[command(flatten)]
    livekit: LiveKitArgs,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Everything in one process, until the operator stops it.
pub(crate) async fn up(mut args: UpArgs) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    let server = match given(&args.livekit.livekit_url) {
        Some(_) => None,
        None => Some(
            LiveKitServer::start(
                &args.storage.data.join("livekit"),
                args.service.own_url().as_deref(),
            )
            .await?,
        ),
    };
    if let Some(server) = &server {
        args.use_livekit(&server.livekit);
    }
    let up = Up::start(&args, stop).await?;
    up.announce(&args, server.is_some())?;
    up.finish().await?;
    if let Some(server) = server {
        server.stop().await;
    }
    Ok(())
}

/// The worker alone, until the operator stops it.
pub(crate) async fn agent(args: AgentCommand) -> anyhow::Result<()> {
    let serves = match args.health.as_str() {
        "true" => Serves::HealthAndMetrics,
        "false" => Serves::Nothing,
        other => bail!("LECTERN_AGENT_HEALTH is {other:?}; it has to be true or false"),
    };
    Up::start_serving(&args.up, Stop::on_signals()?, serves)
        .await?
        .finish()
        .await
}

/// The service alone, until the operator stops it.
pub(crate) async fn service(args: ServiceCommand) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let address = args.service.address(&mut problems);
    let livekit = args.livekit.livekit(&mut problems);
    let settings = args.service.settings(&livekit, &mut problems);
    let first_administrator = args.service.first_administrator(&mut problems);
    let objects = Objects::open(&args.storage.objects(&mut problems));
    problems.finish()?;
    let stop = Stop::on_signals()?;
    let database = crate::meetings::open(&args.storage).await?;
    let listener = listen(&address).await?;
    let address = listener.local_addr()?;
    let service = web_service(
        settings,
        &args.storage,
        database.clone(),
        objects,
        first_administrator,
    )
    .await?;
    let health = Health::new(database, renderer(metrics()?), None);
    tracing::info!("serving on http://{address}");
    announce_setup(service.setup_token().await?.as_ref(), &address);
    lectern_service::serve(listener, service, health, async move { stop.asked().await }).await?;
    Ok(())
}

/// The service, with the first administrator if one was asked for.
async fn web_service(
    mut settings: Settings,
    storage: &StorageArgs,
    database: Database,
    objects: Objects,
    first_administrator: Option<(String, SecretString)>,
) -> anyhow::Result<Service> {
    settings.jwt_secret = secret_of(settings.jwt_secret, &storage.data)?;
    let service = Service::new(settings, database, objects);
    if let Some((email, password)) = first_administrator {
        service.make_first_administrator(&email, password).await?;
    }
    Ok(service)
}

/// Tells whoever reads our first words how to make the first administrator, if there is none.
fn announce_setup(token: Option<&SecretString>, address: &SocketAddr) {
    let Some(token) = token else { return };
    let token = token.expose_secret();
    eprintln!("\nThere is no administrator yet. Make one (this works once), on the page");
    eprintln!("  http://{address}/setup#{token}");
    eprintln!("or by");
    eprintln!("  curl http://{address}/api/auth/setup -H 'content-type: application/json' -d '{{");
    eprintln!("    \"token\": \"{token}\",");
    eprintln!("    \"email\": \"you@example.org\", \"name\": \"You\", \"password\": \"…\" }}'");
}

/// What a worker's process answers to besides LiveKit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    Nothing,
    HealthAndMetrics,
    Everything,
}

/// The parts, running.
pub(crate) struct Up {
    context: Arc<Context>,
    worker: JoinHandle<Result<(), lectern_agent::Error>>,
    writer: WriterTask,
    service: Option<(
        std::net::SocketAddr,
        JoinHandle<Result<(), lectern_service::Error>>,
    )>,
    setup_token: Option<SecretString>,
    stt: String,
    artifacts: String,
    // Ends the embedded recogniser when everything else has ended.
    _embedded: Option<Embedded>,
}

impl Up {
    /// Starts worker and service.
    pub(crate) async fn start(args: &UpArgs, stop: Stop) -> anyhow::Result<Self> {
        Self::start_serving(args, stop, Serves::Everything).await
    }

    async fn start_serving(args: &UpArgs, stop: Stop, serves: Serves) -> anyhow::Result<Self> {
        let settings = args.settings()?;
        let metrics = metrics()?;
        let database = Database::open(&settings.database).await?;
        database.migrate().await?;
        let artifacts = place_of(&settings.objects);
        let objects = Objects::open(&settings.objects);
        let embedded = match args.stt.wants_embedded() {
            true => Some(Embedded::start(settings.embedded).await?),
            false => None,
        };
        let mut config = settings.agent;
        let stt = named(&config.stt, embedded.as_ref());
        if let Some(embedded) = &embedded {
            embedded.take_its_place_in(&mut config.stt);
        }
        let log = WordLog::open(args.storage.data.join("waiting")).await;
        let (writer, writer_task) = Writer::start_logging(database.clone(), log);
        let words_waiting = words_waiting(writer.log_state());
        let context = Arc::new(
            Context::new(config, database.clone(), writer, objects.clone())?.with_chat(told_of_chat),
        );
        let mut health = Health::new(database.clone(), renderer(metrics), Some(context.registered()))
            .with_check(words_waiting);
        if let Some(standing) = context.recognisers() {
            let check = Check::new("recogniser", move || std::future::ready(standing()));
            health = health.with_check(check.helpful());
        }
        let mut setup_token = None;
        let service = match serves {
            Serves::Nothing => None,
            Serves::HealthAndMetrics => {
                let listener = listen(&settings.address).await?;
                let address = listener.local_addr()?;
                let stop = stop.clone();
                let shutdown = async move { stop.asked_again().await };
                let task = tokio::spawn(lectern_service::serve_health(listener, health, shutdown));
                Some((address, task))
            }
            Serves::Everything => {
                let listener = listen(&settings.address).await?;
                let address = listener.local_addr()?;
                let service = web_service(
                    settings.service,
                    &args.storage,
                    database,
                    objects,
                    settings.first_administrator,
                )
                .await?;
                setup_token = service.setup_token().await?;
                let stop = stop.clone();
                let shutdown = async move { stop.asked_again().await };
                let task = tokio::spawn(lectern_service::serve(listener, service, health, shutdown));
                Some((address, task))
            }
        };
        let (drain, at_once) = (stop.clone(), stop);
        let worker = tokio::spawn(lectern_agent::run(
            Arc::clone(&context),
            async move { drain.asked().await },
            async move { at_once.asked_again().await },
        ));
        Ok(Self {
            context,
            worker,
            writer: writer_task,
            service,
            setup_token,
            stt,
            artifacts,
            _embedded: embedded,
        })
    }

    /// Waits until LiveKit has accepted the worker.
    pub(crate) async fn wait_until_registered(&mut self, patience: Duration) -> anyhow::Result<()> {
        let mut registered = self.context.registered();
        tokio::select! {
            is_registered = registered.wait_for(|is_registered| *is_registered) => {
                is_registered.context("the worker ended before it was registered")?;
                Ok(())
            }
            () = tokio::time::sleep(patience) => bail!("LiveKit has not accepted the worker; the log says why"),
        }
    }

    /// Waits for the worker's end, then ends the rest.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        self.worker.await.context("the worker broke down")??;
        drop(self.context);
        self.writer.finish().await;
        if let Some((_, service)) = self.service {
            service.abort();
        }
        Ok(())
    }

    /// Says what is used for each part, and how to join.
    fn announce(&self, args: &UpArgs, own_livekit: bool) -> anyhow::Result<()> {
        let config = &self.context.config;
        let livekit = &config.livekit;
        let own = if own_livekit { " (started by us)" } else { "" };
        eprintln!("Lectern is up.");
        eprintln!("  LiveKit     {}{own}", livekit.url);
        eprintln!("  recogniser  {}", self.stt);
        let summary = config.llm.as_ref().map_or_else(
            || "built-in, extractive (set OPENAI_API_KEY for a language model)".to_owned(),
            |llm| format!("{} at {}", llm.model, llm.base_url),
        );
        eprintln!("  summary     {summary}");
        eprintln!("  database    {}", self.context.database.place());
        eprintln!("  artifacts   {}", self.artifacts);
        if let Some((address, _)) = &self.service {
            eprintln!("  pages       http://{address}/");
            eprintln!("  service     http://{address}/api/docs");
            eprintln!("  health      http://{address}/readyz   metrics http://{address}/metrics");
        }
        if let Some((address, _)) = &self.service {
            announce_setup(self.setup_token.as_ref(), address);
        }
        let room = RoomName::parse("lecture")?;
        let identity = ParticipantIdentity::parse("host")?;
        let url = lectern_agent::join_url(livekit, &room, &identity, "Host")?;
        eprintln!(
            "\nJoin a room with any LiveKit front end, for example (the link lets in whoever has it):\n  {url}"
        );
        eprintln!(
            "\nCtrl-C finishes the rooms that run; once more stops at once. Data is in {}.",
            args.storage.data.display()
        );
        Ok(())
    }
}

struct AllSettings {
    agent: lectern_agent::Config,
    embedded: lectern_stt::Config,
    database: lectern_storage::DatabaseConfig,
    objects: ObjectsConfig,
    address: (String, u16),
    service: Settings,
    first_administrator: Option<(String, SecretString)>,
}

impl UpArgs {
    /// Points everything to this LiveKit server.
    pub(crate) fn use_livekit(&mut self, livekit: &LiveKit) {
        self.livekit = LiveKitArgs {
            livekit_url: Some(livekit.url.clone()),
            livekit_api_key: Some(livekit.api_key.clone()),
            livekit_api_secret: Some(livekit.api_secret.clone()),
        };
    }

    /// Keeps rows and objects in `folder`, and listens wherever there is room.
    pub(crate) fn use_own_data(&mut self, folder: &Path) {
        self.storage.data = folder.to_owned();
        self.storage.database_url = None;
        self.storage.database_direct_url = None;
        self.storage.s3_bucket = None;
        self.storage.s3_endpoint = None;
        self.service.port = "0".to_owned();
    }

    /// Everything parsed, or one error that names every mistake.
    fn settings(&self) -> anyhow::Result<AllSettings> {
        let mut problems = Problems::default();
        let agent = lectern_agent::Config {
            livekit: self.livekit.livekit(&mut problems),
            agent_name: self.agent.agent_name.clone(),
            rooms_max: self.agent.rooms_max(&mut problems),
            drain: self.agent.drain(&mut problems),
            visibility: self.agent.visibility(&mut problems),
            network_paths: self.agent.network_paths(&mut problems),
            screen_share_audio: self.agent.screen_share_audio(&mut problems),
            caption_forms: self.agent.caption_forms(&mut problems),
            stt: self.stt.connections(&mut problems),
            llm: self.llm.llm(&mut problems),
            speech_logs: self.agent.speech_logs(&self.storage.data, &mut problems),
            render_program: std::env::current_exe().context("our own executable is not to be found")?,
            paper: self.pdf.paper(&mut problems),
        };
        let settings = AllSettings {
            service: self.service.settings(&agent.livekit, &mut problems),
            first_administrator: self.service.first_administrator(&mut problems),
            agent,
            embedded: self.stt.embedded(&mut problems),
            database: self.storage.database(&mut problems),
            objects: self.storage.objects(&mut problems),
            address: self.service.address(&mut problems),
        };
        problems.finish()?;
        Ok(settings)
    }
}

/// The recognisers in their order, for people.
fn named(stt: &Stt, embedded: Option<&Embedded>) -> String {
    let names = stt.servers.iter().map(|server| match embedded {
        Some(own) if server.base_url == EMBEDDED => own.description.clone(),
        _ => server.base_url.clone(),
    });
    names.collect::<Vec<_>>().join(", or else ")
}

/// Where artifacts go, for people.
pub(crate) fn place_of(objects: &ObjectsConfig) -> String {
    match &objects.s3 {
        None => objects.folder.display().to_string(),
        Some(s3) => format!(
            "bucket {} at {}",
            s3.bucket,
            s3.endpoint.as_deref().unwrap_or("Amazon S3")
        ),
    }
}

async fn listen((host, port): &(String, u16)) -> anyhow::Result<TcpListener> {
    TcpListener::bind((host.as_str(), *port))
        .await
        .with_context(|| format!("cannot listen on {host}:{port}; PORT and LECTERN_HOST choose another"))
}

/// Whether what waits for the database is safe. Where it isn't, captions go on all the same.
fn words_waiting(state: watch::Receiver<LogState>) -> Check {
    let check = Check::new("words_waiting", move || {
        let reason = match *state.borrow() {
            LogState::Ready => Ok(()),
            LogState::Failing { .. } => {
                Err("what waits for the database can't be written to disk; the log says why")
            }
            LogState::Full => Err("the log of what waits for the database is full"),
        };
        async move { reason.map_err(str::to_owned) }
    });
    check.helpful()
}

/// Collects the process's metrics; once.
fn metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets(&[
            0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 3.0, 10.0, 60.0,
        ])?
        .install_recorder()
        .context("metrics are collected already")
}

fn renderer(metrics: PrometheusHandle) -> impl Fn() -> String + Send + Sync + 'static {
    move || metrics.render()
}
