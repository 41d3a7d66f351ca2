//! Those who call the service.

use std::time::Instant;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

/// Somebody who calls, and their proof.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Client,
    base: String,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Nothing,
    Token(String),
    Key(String),
}

impl Caller {
    pub(crate) fn new(base: String) -> Self {
        Self {
            http: Client::new(),
            base,
            proof: Proof::Nothing,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            proof: Proof::Token(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            proof: Proof::Key(key.to_owned()),
            ..self.clone()
        }
    }

    /// The same person with a connection of their own.
    pub(crate) fn on_its_own(&self) -> anyhow::Result<Self> {
        Ok(Self {
            http: Client::builder().pool_max_idle_per_host(1).build()?,
            ..self.clone()
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.proof {
            Proof::Nothing => request,
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Key(key) => request.header("x-api-key", key),
        }
    }

    /// The answer's text; an error for every other status than success.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<String> {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{path}: {status} {text}");
        }
        Ok(text)
    }

    /// What a POST makes.
    pub(crate) async fn made(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let text = self.call(Method::POST, path, &body).await?;
        serde_json::from_str(&text).context("JSON")
    }

    /// A stream of events, opened.
    pub(crate) async fn stream(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self.request(Method::GET, path).send().await?.error_for_status()?)
    }
}

/// Reads a stream for as long as it lasts, and tells when each message came.
pub(crate) async fn hear_messages(mut stream: Response, heard: UnboundedSender<Instant>) {
    let mut text = String::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((event, rest)) = text.split_once("\n\n") {
            if event.contains("event: chat.message") {
                heard.send(Instant::now()).ok();
            }
            text = rest.to_owned();
        }
    }
}

/// Reads a stream until it carries a token.
pub(crate) async fn admitted(mut stream: Response) -> anyhow::Result<()> {
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await? {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if text.contains("event: lobby.admitted") && text.contains("\"token\":") {
            return Ok(());
        }
    }
    bail!("the stream ended without a token")
}
