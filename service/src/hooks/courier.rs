//! Who sends: looks for what is due, takes webhooks by a lease, and notes what came of every attempt.

use std::{error::Error, iter, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use lectern_pipelines::UnixMillis;
use lectern_storage::{Attempt, ClaimedHook, Delivery, Failing, NewAuditEntry, Switch};
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Map, Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    guard::{Guard, Refused},
    schedule::{IN_ORDER_ATTEMPTS, SCHEDULE, lines},
    sign,
};
use crate::{Service, random, settings::Webhooks, wire::timestamp};

/// How things are sent.
pub(crate) struct Courier {
    pub(crate) guard: Guard,
    /// Nothing where this machine has no certificates to know others by.
    http: Option<Client>,
}

/// What an endpoint made of something.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It has it.
    Delivered(StatusCode),
    /// It has not, or so it says.
    Failed(Option<StatusCode>, String),
    /// It says that it will never take anything again.
    Gone,
}

impl Courier {
    pub(crate) fn new(settings: Webhooks) -> Self {
        let guard = Guard::new(settings);
        let http = Client::builder()
            // A redirection would lead past everything that was checked; so would a proxy.
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(guard))
            .timeout(settings.answer_within)
            .user_agent(concat!("Lectern/", env!("CARGO_PKG_VERSION")))
            .build();
        if let Err(error) = &http {
            tracing::warn!("no webhook can be sent: {error:?}; install ca-certificates");
        }
        Self {
            guard,
            http: http.ok(),
        }
    }

    /// Sends something once. The answer's body is nobody's business, and never read.
    async fn send(&self, hook: &ClaimedHook, delivery: &Delivery, now: UnixMillis) -> Outcome {
        let url = match self.guard.parse(&hook.url) {
            Ok(url) => url,
            // The settings have changed since it was made.
            Err(refused) => return Outcome::Failed(None, refused.to_string()),
        };
        let Some(http) = &self.http else {
            return Outcome::Failed(None, NO_CERTIFICATES.to_owned());
        };
        let body = body_of(delivery);
        let mut request = http.post(url).header("content-type", "application/json");
        for (name, value) in sign::headers(&hook.secret, &delivery.event.id, now, &body) {
            request = request.header(name, value);
        }
        match request.body(body).send().await {
            Ok(answer) => outcome_of(answer.status()),
            Err(error) => Outcome::Failed(None, reason_of(&error)),
        }
    }
}

/// Sends what is due until the service closes; then finishes what is under way.
pub(crate) async fn run(service: Arc<Service>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(_) = under_way.join_next() => continue,
            () = service.closing.cancelled() => break,
        }
        // It is tried again in a moment, and says itself what went wrong.
        let hooks = service
            .hooks_to_send_to(HOOKS_AT_ONCE_MAX - under_way.len())
            .await;
        for hook in hooks.unwrap_or_else(log_failure) {
            let service = Arc::clone(&service);
            under_way.spawn(async move { service.send_to(&hook).await.unwrap_or_else(log_failure) });
        }
    }
    while under_way.join_next().await.is_some() {}
}

impl Service {
    async fn hooks_to_send_to(&self, free: usize) -> Result<Vec<ClaimedHook>, lectern_storage::Error> {
        let database = &self.database;
        if free == 0 || !database.any_hook_due(IN_ORDER_ATTEMPTS, self.now()).await? {
            return Ok(Vec::new());
        }
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        database
            .claim_hooks(&self.name, IN_ORDER_ATTEMPTS, free, self.now(), self.later(LEASE))
            .await
    }

    /// Sends to a webhook what is due, for a while; then it is another one's turn.
    async fn send_to(&self, hook: &ClaimedHook) -> Result<(), lectern_storage::Error> {
        let turn_ends = self.later(TURN);
        loop {
            let due = self
                .database
                .due_deliveries(&hook.id, IN_ORDER_ATTEMPTS, READ_MAX, self.now())
                .await?;
            if due.is_empty() {
                break;
            }
            let sent: Vec<_> = stream::iter(lines(due))
                .map(|line| self.send_line(hook, line, turn_ends))
                .buffer_unordered(LINES_AT_ONCE_MAX)
                .collect()
                .await;
            sent.into_iter().collect::<Result<(), _>>()?;
            if self.has_to_stop(turn_ends)
                || !self
                    .database
                    .keep_hook(&hook.id, &self.name, self.later(LEASE))
                    .await?
            {
                break;
            }
        }
        self.database.release_hook(&hook.id, &self.name, self.now()).await
    }

    /// Sends one after the other until something fails: what follows it waits for it.
    async fn send_line(
        &self,
        hook: &ClaimedHook,
        line: Vec<Delivery>,
        turn_ends: UnixMillis,
    ) -> Result<(), lectern_storage::Error> {
        for delivery in line {
            if self.has_to_stop(turn_ends) {
                break;
            }
            let outcome = self.courier.send(hook, &delivery, self.now()).await;
            let is_delivered = matches!(outcome, Outcome::Delivered(_));
            self.note_outcome(hook, &delivery, outcome).await?;
            if !is_delivered {
                break;
            }
        }
        Ok(())
    }

    fn has_to_stop(&self, turn_ends: UnixMillis) -> bool {
        self.closing.is_cancelled() || self.now() >= turn_ends
    }

    async fn note_outcome(
        &self,
        hook: &ClaimedHook,
        delivery: &Delivery,
        outcome: Outcome,
    ) -> Result<(), lectern_storage::Error> {
        let now = self.now();
        let (status, failure) = match &outcome {
            Outcome::Delivered(status) => {
                let delivered = Attempt::Delivered {
                    status: status.as_u16(),
                };
                self.database
                    .note_attempt(&hook.id, &delivery.id, delivered, now)
                    .await?;
                return Ok(());
            }
            Outcome::Failed(status, failure) => (*status, failure.as_str()),
            Outcome::Gone => (Some(StatusCode::GONE), GONE),
        };
        let first_at = delivery.first_attempt_at.unwrap_or(now);
        let dice = u32::from_le_bytes(random::bytes());
        let failed = Attempt::Failed {
            status: status.map(|status| status.as_u16()),
            failure,
            next_at: SCHEDULE.again(delivery.attempts.saturating_add(1), first_at, now, dice),
        };
        let failing = self
            .database
            .note_attempt(&hook.id, &delivery.id, failed, now)
            .await?;
        match outcome {
            Outcome::Gone => self.switch_off(hook, GONE).await,
            _ if SCHEDULE.is_hopeless(failing, now) => {
                self.switch_off(hook, &hopeless(failing, failure)).await
            }
            _ => Ok(()),
        }
    }

    async fn switch_off(&self, hook: &ClaimedHook, reason: &str) -> Result<(), lectern_storage::Error> {
        let id = &hook.id;
        tracing::warn!(webhook.id = %id, "webhook {id} is switched off: {reason}");
        let room = self.database.hook(id).await?.and_then(|hook| hook.room);
        let entry = NewAuditEntry {
            action: "webhook.switch-off",
            room: room.as_ref(),
            target: Some(id.as_str()),
            ..NewAuditEntry::default()
        };
        // First, so that whoever sees it off finds why.
        self.database.audit(entry, self.now()).await?;
        let change = lectern_storage::HookChange {
            switch: Some(Switch::Off(reason)),
            ..Default::default()
        };
        self.database.change_hook(id, change, self.now()).await?;
        Ok(())
    }
}

/// What is sent: the same bytes at every attempt.
fn body_of(delivery: &Delivery) -> Vec<u8> {
    let event = &delivery.event;
    let data = serde_json::from_str::<Map<String, Value>>(&event.data);
    let mut data = data.unwrap_or_default();
    if let Some(room) = &event.room {
        data.insert("roomId".to_owned(), room.as_str().into());
    }
    if let Some(meeting) = &event.meeting {
        data.insert("lectureId".to_owned(), meeting.as_str().into());
    }
    let body = json!({ "type": event.topic.as_str(), "timestamp": timestamp(event.at), "data": data });
    body.to_string().into_bytes()
}

fn outcome_of(status: StatusCode) -> Outcome {
    let number = status.as_u16();
    match status {
        _ if status.is_success() => Outcome::Delivered(status),
        StatusCode::GONE => Outcome::Gone,
        _ if status.is_redirection() => Outcome::Failed(
            Some(status),
            format!("it answered {number}; redirections are not followed"),
        ),
        _ => Outcome::Failed(Some(status), format!("it answered {number}")),
    }
}

/// What went wrong, without the URL: that may hold a secret of its owner's.
fn reason_of(error: &reqwest::Error) -> String {
    if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
        return refused.to_string();
    }
    match causes(error).last() {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        Some(cause) if error.is_connect() => format!("it can't be reached: {cause}"),
        Some(cause) => format!("the connection broke: {cause}"),
        None => "the connection broke".to_owned(),
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |cause| (*cause).source())
}

fn hopeless(failing: Failing, failure: &str) -> String {
    let since = failing.since.map(timestamp).unwrap_or_default();
    format!(
        "{} attempts in a row have failed since {since}; the last: {failure}",
        failing.attempts
    )
}

fn log_failure<T: Default>(error: lectern_storage::Error) -> T {
    tracing::warn!("webhooks wait: {error}");
    T::default()
}

const NO_CERTIFICATES: &str = "the service has no certificates to know others by: install ca-certificates";
const GONE: &str = "it answered 410: the endpoint is gone for good";

/// How soon what happened is sent.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one webhook is sent to before others have their turn.
const TURN: Duration = Duration::from_secs(30);
/// Longer than a turn and an answer: nobody else sends meanwhile. If we die, somebody else goes on after so long.
const LEASE: Duration = Duration::from_secs(60);
/// How many webhooks one process sends to at once.
const HOOKS_AT_ONCE_MAX: usize = 16;
/// How many rooms' deliveries one webhook is sent at once.
const LINES_AT_ONCE_MAX: usize = 8;
/// How many deliveries are read at once.
const READ_MAX: u32 = 256;

#[cfg(test)]
mod tests {
    use lectern_pipelines::{DeliveryId, MeetingId, RoomName};
    use lectern_storage::{DeliveryState, HookEvent, HookTopic};

    use super::*;

    #[test]
    fn body_says_what_happened_where_and_when() {
        let delivery = Delivery {
            id: DeliveryId::parse("1").expect("an id"),
            event: HookEvent {
                id: "1".to_owned(),
                topic: HookTopic::CaptionFinal,
                room: Some(RoomName::parse("algebra").expect("a name")),
                meeting: Some(MeetingId::parse("m").expect("an id")),
                at: UnixMillis(1_700_000_000_250),
                data: r#"{"text":"\"quoted\"\u0000"}"#.to_owned(),
            },
            queued_at: UnixMillis(0),
            state: DeliveryState::Waiting,
            attempts: 0,
            first_attempt_at: None,
            last_attempt_at: None,
            next_at: UnixMillis(0),
            status: None,
            failure: None,
        };
        let body: Value = serde_json::from_slice(&body_of(&delivery)).expect("JSON");
        assert_eq!(
            body,
            json!({
                "type": "caption.final",
                "timestamp": "2023-11-14T22:13:20.25Z",
                "data": { "roomId": "algebra", "lectureId": "m", "text": "\"quoted\"\u{0}" },
            })
        );
        assert_eq!(body_of(&delivery), body_of(&delivery.clone()));
    }

    #[test]
    fn only_success_counts_as_delivered() {
        let outcome = |status| outcome_of(StatusCode::from_u16(status).expect("a status"));
        for status in [200, 202, 204] {
            assert!(matches!(outcome(status), Outcome::Delivered(_)), "{status}");
        }
        for status in [301, 302, 304, 307, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(outcome(status), Outcome::Failed(Some(_), _)), "{status}");
        }
        assert_eq!(outcome(410), Outcome::Gone);
    }
}
