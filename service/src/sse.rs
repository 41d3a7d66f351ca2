//! Server-sent events: a room's history, from where a listener left off, and then live.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{FutureExt, Stream, future::BoxFuture, stream::unfold};
use lectern_storage::{Error, RoomEvent};

use crate::{Service, feed::Listener, streams::OpenStream};

/// Something to be told to a listener.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    kind: String,
    data: String,
    id: Option<String>,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

impl Told {
    /// Something that is not stored; `data` is JSON.
    pub(crate) fn event(kind: &str, data: impl ToString) -> Self {
        Self {
            kind: kind.to_owned(),
            data: data.to_string(),
            id: None,
            then: Then::GoOn,
        }
    }

    /// An event as it was stored.
    pub(crate) fn stored(event: &RoomEvent) -> Self {
        Self {
            kind: event.kind.clone(),
            data: event.json.clone(),
            id: Some(event.position.to_string()),
            then: Then::GoOn,
        }
    }

    /// After which the listener may go on from that position.
    pub(crate) fn at(self, position: impl ToString) -> Self {
        Self {
            id: Some(position.to_string()),
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
        match &self.id {
            Some(id) => event.id(id),
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
    open: OpenStream,
    first: Option<Told>,
    listener: Listener,
    tell: Tell,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let hearing = Hearing {
        service: Arc::clone(&service),
        first,
        listener,
        tell,
    };
    stream_of(&service, open, hearing, |hearing| hearing.next().boxed())
}

/// What `next` makes of `source`, time after time, until there is nothing more to tell or we stop. A call of `next` may
/// be given up.
pub(crate) fn stream_of<S: Send + 'static>(
    service: &Service,
    open: OpenStream,
    source: S,
    next: for<'a> fn(&'a mut S) -> BoxFuture<'a, Result<Told, Error>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<S>> {
    let closing = service.closing.clone();
    let events = unfold((source, Then::GoOn, open), move |(mut source, then, open)| {
        let closing = closing.clone();
        async move {
            if then == Then::End {
                return None;
            }
            let told = tokio::select! {
                told = next(&mut source) => told,
                () = closing.cancelled() => return None,
            };
            match told {
                Ok(told) => Some((Ok(told.to_event()), (source, told.then, open))),
                // The browser comes again by itself, and goes on from where it was.
                Err(error) => {
                    tracing::warn!("a stream of events ends: {error}");
                    None
                }
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// What a listener is told of an event.
pub(crate) type Tell = Box<dyn Fn(&Service, &RoomEvent) -> Option<Told> + Send>;

struct Hearing {
    service: Arc<Service>,
    first: Option<Told>,
    listener: Listener,
    tell: Tell,
}

impl Hearing {
    async fn next(&mut self) -> Result<Told, Error> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            let event = self.listener.next().await?;
            if let Some(told) = (self.tell)(&self.service, &event) {
                return Ok(told.at(event.position));
            }
        }
    }
}

/// Proxies close what is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
