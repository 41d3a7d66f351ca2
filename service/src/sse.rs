//! Server-sent events: a room's history, from where a listener left off, and then live.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream::unfold};
use lectern_storage::RoomEvent;
use serde_json::Value;

use crate::{Service, feed::Listener};

/// Something to be told to a listener.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    kind: String,
    data: String,
    position: Option<u64>,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

impl Told {
    pub(crate) fn event(kind: &str, data: Value) -> Self {
        Self {
            kind: kind.to_owned(),
            data: data.to_string(),
            position: None,
            then: Then::GoOn,
        }
    }

    /// An event as it was stored.
    pub(crate) fn stored(event: &RoomEvent) -> Self {
        Self {
            kind: event.kind.clone(),
            data: event.json.clone(),
            position: Some(event.position),
            then: Then::GoOn,
        }
    }

    /// After which the listener may go on from that position.
    pub(crate) fn at(self, position: u64) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    /// After which there is nothing more to tell.
    pub(crate) fn and_end(self) -> Self {
        Self {
            then: Then::End,
            ..self
        }
    }

    fn to_event(&self) -> Event {
        let event = Event::default().event(&self.kind).data(&self.data);
        match self.position {
            Some(position) => event.id(position.to_string()),
            None => event,
        }
    }
}

/// Where a browser that reconnects left off.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// `first`, then what `tell` makes of what `listener` hears, until there is nothing more to tell or we stop.
pub(crate) fn stream(
    service: Arc<Service>,
    first: Option<Told>,
    listener: Listener,
    tell: Tell,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let state = Streaming {
        service,
        first,
        listener,
        tell,
        then: Then::GoOn,
    };
    let events = unfold(state, |mut state| async move {
        let told = state.next().await?;
        Some((Ok(told.to_event()), state))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// What a listener is told of an event.
pub(crate) type Tell = Box<dyn Fn(&Service, &RoomEvent) -> Option<Told> + Send>;

struct Streaming {
    service: Arc<Service>,
    first: Option<Told>,
    listener: Listener,
    tell: Tell,
    then: Then,
}

impl Streaming {
    async fn next(&mut self) -> Option<Told> {
        if self.then == Then::End {
            return None;
        }
        let told = match self.first.take() {
            Some(first) => first,
            None => self.heard().await?,
        };
        self.then = told.then;
        Some(told)
    }

    async fn heard(&mut self) -> Option<Told> {
        loop {
            let heard = tokio::select! {
                heard = self.listener.next() => heard,
                () = self.service.closing.cancelled() => return None,
            };
            match heard {
                Ok(event) => {
                    if let Some(told) = (self.tell)(&self.service, &event) {
                        return Some(told.at(event.position));
                    }
                }
                // The browser comes again by itself, and goes on from where it was.
                Err(error) => {
                    tracing::warn!("a stream of events ends: {error}");
                    return None;
                }
            }
        }
    }
}

/// Proxies close what is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
