//! The service as its callers meet it: over a socket, on a real database, with a real LiveKit server.
//!
//! `make test`, or `scripts/with-services cargo test --test api`.

mod access;
mod accounts;
mod aliases;
mod authorisation;
mod calendar;
mod captions;
mod chat;
mod document;
mod files;
mod hands;
mod health;
mod hooks;
mod keys;
mod lectures;
mod lobby;
mod log;
mod moderation;
mod oidc;
mod pages;
mod person;
mod provider;
mod receiver;
mod replicas;
mod retention;
mod rooms;
mod security;
mod shares;
mod spoken;
mod stream;
mod users;
mod webhook;
mod world;

/// The environment variable `name`; a test that needs a server fails without it.
fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test`, or `scripts/with-services cargo test`")
    })
}
