//! `make bench-service`: what the web service promises, measured: tokens, a crowded lobby, a chat that many read, a room
//! that is cleared, many clients on few connections.
//!
//! The real service runs as a process of its own, whose CPU the kernel tells; callers are in this one. Each round is made
//! on SQLite and on Postgres, that of many clients behind PgBouncer too. One run on a machine that does other things too says little about milliseconds and much
//! about ratios.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

mod callers;
#[path = "../../src/free_port.rs"]
mod free_port;
mod people;
mod server;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::{
    callers::{Caller, admitted, hear_messages},
    people::Person,
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
    /// Guests who read one room's chat.
    #[arg(long, default_value = "200")]
    listeners: usize,
    /// People with microphones in a room that is cleared.
    #[arg(long, default_value = "20")]
    people: usize,
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
        chat(&server, &args).await?;
        panic(&server, &args).await?;
        clients(&server, &args).await?;
        server.stop().await?;
    }
    let server = Server::start(Place::PgBouncer).await?;
    clients(&server, &args).await?;
    server.stop().await
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
    let nothing = Cost::of(
        server,
        args,
        &server.nobody(),
        Method::GET,
        "/health",
        &Value::Null,
    )
    .await?;
    row(
        server,
        "empty calls per second of a core",
        nothing.per_second_of_a_core(),
        "",
    );
    let token = Cost::of(server, args, &caller, Method::POST, "/api/token/viewer", &body).await?;
    row(
        server,
        "tokens per second of a core",
        token.per_second_of_a_core(),
        "≥ 5000",
    );
    row(server, "tokens per second, by the clock", token.per_second(), "");
    Ok(())
}

/// What many calls of one kind took.
struct Cost {
    calls: usize,
    took: Duration,
    used: Duration,
}

impl Cost {
    async fn of(
        server: &Server,
        args: &Args,
        caller: &Caller,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Self> {
        let (began, cpu) = (Instant::now(), server.cpu()?);
        let calls = stream::iter(0..args.tokens).map(|_| caller.call(method.clone(), path, body));
        let mut calls = calls.buffer_unordered(CALLS_AT_ONCE);
        while let Some(answer) = calls.next().await {
            answer?;
        }
        Ok(Self {
            calls: args.tokens,
            took: began.elapsed(),
            used: server.cpu()? - cpu,
        })
    }

    fn per_second(&self) -> String {
        format!("{:.0}", self.calls as f64 / self.took.as_secs_f64())
    }

    fn per_second_of_a_core(&self) -> String {
        format!("{:.0}", self.calls as f64 / self.used.as_secs_f64())
    }
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

/// From a message on its way to us until each of many listeners has it.
async fn chat(server: &Server, args: &Args) -> anyhow::Result<()> {
    let admin = server.admin().await?;
    let room = admin.made("/api/rooms", json!({ "title": "Chat" })).await?;
    let path = format!("/api/rooms/{}", text(&room["id"])?);
    let nobody = server.nobody();
    let (heard, mut hearing) = mpsc::unbounded_channel();
    for number in 0..args.listeners {
        let body =
            json!({ "name": format!("Guest {number}"), "sessionFingerprint": format!("listener-{number}") });
        let joined = nobody.made(&format!("{path}/join"), body).await?;
        let guest = nobody.with_token(text(&joined["guestToken"])?);
        let stream = guest.stream(&format!("{path}/chat/stream")).await?;
        tokio::spawn(hear_messages(stream, heard.clone()));
    }
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let body = json!({ "text": format!("message {number}") });
        let began = Instant::now();
        admin.made(&format!("{path}/chat"), body).await?;
        for _ in 0..args.listeners {
            let at = timeout(PATIENCE, hearing.recv())
                .await
                .context("a message got lost")?;
            times.push(at.context("a listener")?.duration_since(began));
        }
    }
    let what = format!("chat → each of {} listeners, p50", args.listeners);
    row(server, &what, millis(quantile(&mut times, 0.5)), "");
    row(
        server,
        "chat → each listener, p99",
        millis(quantile(&mut times, 0.99)),
        "≤ 100 ms",
    );
    Ok(())
}

/// From a host's alarm until everybody was sent out of a room of the real LiveKit server.
async fn panic(server: &Server, args: &Args) -> anyhow::Result<()> {
    let admin = server.admin().await?;
    let room = admin.made("/api/rooms", json!({ "title": "Panic" })).await?;
    let path = format!("/api/rooms/{}", text(&room["id"])?);
    let mut people = JoinSet::new();
    for number in 0..args.people {
        let body =
            json!({ "name": format!("Guest {number}"), "sessionFingerprint": format!("speaker-{number}") });
        let joined = server.nobody().made(&format!("{path}/join"), body).await?;
        let person = Person::enter(text(&joined["token"])?).await?;
        people.spawn(person.until_sent_out());
    }
    let began = Instant::now();
    admin
        .made(&format!("{path}/moderate"), json!({ "action": "panic" }))
        .await?;
    let answered = began.elapsed();
    while let Some(sent_out) = people.join_next().await {
        sent_out.context("a person broke down")??;
    }
    let what = format!("panic with {} people, answered", args.people);
    row(server, &what, millis(answered), "");
    row(
        server,
        "panic, until the last is out",
        millis(began.elapsed()),
        "",
    );
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

const MESSAGES: usize = 50;
/// More than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
const CALLS_AT_ONCE: usize = 32;
const CALLS_OF_A_CLIENT: usize = 20;
