//! Server-sent events as a browser reads them.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::world::{Proof, World};

/// A stream of events that is read.
pub(crate) struct Stream {
    response: Response,
    text: String,
    /// The id of the last event.
    pub(crate) last_id: Option<String>,
}

impl Stream {
    /// Opens a stream, from `last_id` on if there is one.
    pub(crate) async fn open(world: &World, path: &str, proof: &Proof, last_id: Option<&str>) -> Self {
        let mut request = world.request(Method::GET, path, proof);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
            last_id: None,
        }
    }

    /// The next event: its kind and its data. Nothing at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = self.parse(&block) {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.response.chunk().await.expect("a whole stream")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    fn parse(&mut self, block: &str) -> Option<(String, Value)> {
        let field = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        self.last_id = field("id").or(self.last_id.take());
        let data = field("data")?;
        Some((field("event")?, serde_json::from_str(&data).expect("JSON")))
    }
}

/// More than any event takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
