//! `make bench-service`: what the web service promises, measured: tokens, a crowded lobby, many clients on few
//! connections.
//!
//! The real service runs as a process of its own, whose CPU the kernel tells; callers are in this one. Each round is made
//! on SQLite and on Postgres. One run on a machine that does other things too says little about milliseconds and much
//! about ratios.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

mod callers;
mod server;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    callers::{Caller, admitted},
    server::{Place, Server},
};

/// Measures what Lectern's web service promises. Run it by `make bench-service`, which starts the servers it needs.
#[derive(Debug, Parser)]
struct Args {
    /// Tokens to be made.
    #[arg(long, default_value = "20000")]
    tokens: usize,
    /// People who wait in one lobby.
    #[arg(long, default_value = "1000")]
    waiting: usize,
    /// How many of them are let in, one by one.
    #[arg(long, default_value = "200")]
    admitted: usize,
    /// Clients at once.
    #[arg(long, default_value = "500")]
    clients: usize,
    /// Cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!("{:<9} {:<44} {:>12}   promise", "", "", "");
    for place in [Place::Sqlite, Place::Postgres] {
        let server = Server::start(place).await?;
        tokens(&server, &args).await?;
        lobby(&server, &args).await?;
        clients(&server, &args).await?;
        server.stop().await?;
    }
    Ok(())
}

fn row(server: &Server, what: &str, figure: String, promise: &str) {
    println!("{:<9} {what:<44} {figure:>12}   {promise}", server.place.as_str());
}

/// How many tokens a core makes in a second, for servers with a key.
async fn tokens(server: &Server, args: &Args) -> anyhow::Result<()> {
    let admin = server.admin().await?;
    let room = admin.made("/api/rooms", json!({ "title": "Tokens" })).await?;
    let key = admin.made("/api/keys", json!({ "name": "bench" })).await?;
    let caller = admin.with_key(text(&key["key"])?);
    let body = json!({ "userId": "7", "roomId": room["id"] });
    let (began, cpu) = (Instant::now(), server.cpu()?);
    let calls = stream::iter(0..args.tokens).map(|_| caller.call(Method::POST, "/api/token/viewer", &body));
    let mut calls = calls.buffer_unordered(CALLS_AT_ONCE);
    while let Some(answer) = calls.next().await {
        answer?;
    }
    let (took, used) = (began.elapsed(), server.cpu()? - cpu);
    let per = |time: Duration| format!("{:.0}", args.tokens as f64 / time.as_secs_f64());
    row(server, "tokens per second of a core", per(used), "≥ 5000");
    row(server, "tokens per second, by the clock", per(took), "");
    Ok(())
}

/// From a host's click to a guest's token, while many wait.
async fn lobby(server: &Server, args: &Args) -> anyhow::Result<()> {
    let admin = server.admin().await?;
    let room = admin
        .made(
            "/api/rooms",
            json!({ "title": "Lobby", "settings": { "lobby": true } }),
        )
        .await?;
    let path = format!("/api/rooms/{}", text(&room["id"])?);
    let nobody = server.nobody();
    let mut waiting = Vec::with_capacity(args.waiting);
    for number in 0..args.waiting {
        let body =
            json!({ "name": format!("Guest {number}"), "sessionFingerprint": format!("browser-{number}") });
        let entry = nobody.made(&format!("{path}/join"), body).await?;
        let guest = nobody.with_token(text(&entry["guestToken"])?);
        let stream = guest.stream(&format!("{path}/lobby/stream")).await?;
        waiting.push((text(&entry["lobbyEntryId"])?.to_owned(), stream));
    }
    let mut times = Vec::new();
    for (entry, stream) in waiting.drain(..args.admitted.min(args.waiting)) {
        let admit = format!("{path}/lobby/{entry}/admit");
        let began = Instant::now();
        let (told, made) = tokio::join!(admitted(stream), admin.made(&admit, Value::Null));
        made?;
        told?;
        times.push(began.elapsed());
    }
    let what = format!("admit → token with {} waiting, p50", args.waiting);
    row(server, &what, millis(quantile(&mut times, 0.5)), "");
    row(
        server,
        "admit → token, p99",
        millis(quantile(&mut times, 0.99)),
        "≤ 100 ms",
    );

    let mut rest: JoinSet<_> = waiting.into_iter().map(|(_, stream)| admitted(stream)).collect();
    let began = Instant::now();
    admin
        .made(&format!("{path}/lobby/admit-all"), Value::Null)
        .await?;
    while let Some(told) = rest.join_next().await {
        told??;
    }
    let what = format!(
        "admit-all, until the last of {} has a token",
        args.waiting - args.admitted.min(args.waiting)
    );
    row(server, &what, millis(began.elapsed()), "");
    Ok(())
}

/// Many clients at once, each with a connection of its own to the service, on few to the database.
async fn clients(server: &Server, args: &Args) -> anyhow::Result<()> {
    let admin = server.admin().await?;
    let room = admin.made("/api/rooms", json!({ "title": "Clients" })).await?;
    let path = format!("/api/rooms/{}", text(&room["id"])?);
    let mut calling = JoinSet::new();
    for _ in 0..args.clients {
        let (caller, path) = (admin.on_its_own()?, path.clone());
        calling.spawn(async move { one_client(&caller, &path).await });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(client) = calling.join_next().await {
        let (took, errors) = client.context("a client broke down")?;
        times.extend(took);
        failed += errors;
    }
    let what = format!(
        "{} clients on {} connections, failed",
        args.clients,
        server::CONNECTIONS
    );
    row(server, &what, failed.to_string(), "0");
    row(server, "their calls, p50", millis(quantile(&mut times, 0.5)), "");
    row(server, "their calls, p99", millis(quantile(&mut times, 0.99)), "");
    Ok(())
}

async fn one_client(caller: &Caller, path: &str) -> (Vec<Duration>, usize) {
    let mut times = Vec::new();
    for _ in 0..CALLS_OF_A_CLIENT {
        let began = Instant::now();
        if caller.call(Method::GET, path, &Value::Null).await.is_ok() {
            times.push(began.elapsed());
        }
    }
    let failed = CALLS_OF_A_CLIENT - times.len();
    (times, failed)
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times
        .get((last as f64 * part).round() as usize)
        .copied()
        .unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

const CALLS_AT_ONCE: usize = 32;
const CALLS_OF_A_CLIENT: usize = 20;
