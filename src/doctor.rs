//! `lectern doctor`: every setting and everything it leads to, checked.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use lectern_storage::{Database, Objects};

use crate::{
    config::{EMBEDDED, FontArgs, Problems},
    run::{UpArgs, place_of},
};

/// Settings of `lectern doctor`: all there are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    up: UpArgs,
    #[command(flatten)]
    fonts: FontArgs,
}

/// Checks everything, says each result, and fails if something does not work.
pub(crate) async fn run(Args { up: args, fonts }: Args) -> anyhow::Result<()> {
    let mut report = Report::default();
    report
        .check("settings of the worker", async { worker_settings(&args) })
        .await;
    report.check("LiveKit", livekit(&args)).await;
    report.check("recogniser", recogniser(&args)).await;
    report.check("summary", summary(&args)).await;
    report.check("database", database(&args)).await;
    report.check("artifacts", artifacts(&args)).await;
    report.check("single sign-on", single_sign_on(&args)).await;
    report.check("PDF", async { pdf(&fonts) }).await;
    match report.failures {
        0 => Ok(()),
        1 => anyhow::bail!("one thing needs your attention"),
        failures => anyhow::bail!("{failures} things need your attention"),
    }
}

#[derive(Default)]
struct Report {
    failures: u32,
}

impl Report {
    async fn check(&mut self, what: &str, check: impl Future<Output = anyhow::Result<String>>) {
        let began = Instant::now();
        let result = tokio::time::timeout(CHECK_TIMEOUT, check)
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", CHECK_TIMEOUT.as_secs())));
        let took = began.elapsed().as_millis();
        match result {
            Ok(found) => eprintln!("ok    {what}: {found} ({took} ms)"),
            Err(error) => {
                self.failures += 1;
                eprintln!("FAIL  {what}: {error:#}");
            }
        }
    }
}

fn worker_settings(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let rooms = args.agent.rooms_max(&mut problems);
    let drain = args.agent.drain(&mut problems);
    args.agent.visibility(&mut problems);
    args.agent.network_paths(&mut problems);
    args.agent.screen_share_audio(&mut problems);
    args.agent.caption_forms(&mut problems);
    let (host, port) = args.service.address(&mut problems);
    problems.finish()?;
    Ok(format!(
        "{rooms} rooms at once, {} s to drain, service on {host}:{port}",
        drain.as_secs()
    ))
}

async fn livekit(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let livekit = args.livekit.livekit(&mut problems);
    problems.finish()?;
    let rooms = lectern_agent::count_rooms(&livekit).await?;
    Ok(format!("{} accepts the key and has {rooms} rooms", livekit.url))
}

async fn recogniser(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let config = args.stt.embedded(&mut problems);
    let mut stt = args.stt.connections(&mut problems);
    problems.finish()?;
    let mut found = Vec::new();
    if args.stt.wants_embedded() {
        if let Some(name) = crate::whisper_model::unfetched(&config) {
            anyhow::bail!(
                "whisper's model {name} isn't fetched yet: `lectern up` and `lectern stt` fetch it when they start"
            );
        }
        let engine = tokio::task::spawn_blocking(move || lectern_stt::check(&config)).await??;
        found.push(format!(
            "{} {}, embedded: {}",
            engine.name, engine.version, engine.note
        ));
    }
    stt.servers.retain(|server| server.base_url != EMBEDDED);
    lectern_agent::probe_recognisers(&stt).await?;
    found.extend(
        stt.servers
            .iter()
            .map(|server| format!("{} accepts a stream", server.base_url)),
    );
    Ok(found.join("; "))
}

async fn summary(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let llm = args.llm.llm(&mut problems);
    problems.finish()?;
    let Some(llm) = llm else {
        return Ok("built-in, extractive: sentences picked from the transcript".to_owned());
    };
    lectern_agent::probe_llm(&llm).await?;
    Ok(format!("{} at {} answers", llm.model, llm.base_url))
}

async fn database(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let config = args.storage.database(&mut problems);
    problems.finish()?;
    let database = Database::open(&config).await?;
    database.migrate().await?;
    database.ping().await?;
    Ok(format!("{} is up to date", database.place()))
}

async fn artifacts(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let config = args.storage.objects(&mut problems);
    problems.finish()?;
    Objects::open(&config).check().await?;
    Ok(format!("{} takes and gives files", place_of(&config)))
}

async fn single_sign_on(args: &UpArgs) -> anyhow::Result<String> {
    let mut problems = Problems::default();
    let oidc = args.service.oidc(&mut problems);
    problems.finish()?;
    let Some(oidc) = oidc else {
        return Ok("none, passwords alone (OIDC_ISSUER names a provider)".to_owned());
    };
    lectern_service::probe_oidc(&oidc).await?;
    Ok(format!(
        "{} answers; it has to know {} as where to send browsers back to",
        oidc.issuer, oidc.redirect_url
    ))
}

fn pdf(fonts: &FontArgs) -> anyhow::Result<String> {
    let fonts = fonts.load()?;
    let scripts = [
        ("Latin", 'a'),
        ("Cyrillic", 'ж'),
        ("Greek", 'λ'),
        ("Chinese", '中'),
        ("Arabic", 'ع'),
        ("Hebrew", 'ש'),
        ("Devanagari", 'न'),
    ];
    let (covered, missing): (Vec<_>, Vec<_>) = scripts.into_iter().partition(|(_, c)| fonts.covers(*c));
    let names = |scripts: Vec<(&'static str, char)>| {
        scripts
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Ok(match missing.len() {
        0 => format!("fonts for {}", names(covered)),
        _ => format!(
            "fonts for {}; none for {}: {}",
            names(covered),
            names(missing.clone()),
            lectern_pdf::fonts_wanted(&missing.iter().map(|(_, c)| *c).collect::<Vec<_>>())
        ),
    })
}

const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
