//! The language model: any server that speaks OpenAI's chat completions.
//!
//! Nothing that is asked or answered is logged, nor a server's own words about it, for they may quote it. That is
//! also why the requests go through a transport of our own: the client would log replies that it can't read.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{self, Poll},
    time::Duration,
};

use async_openai::{Client, config::Config, error::OpenAIError, middleware::HttpRequestFactory};
use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::{
    Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};
use tracing::debug;

use lectern_pipelines::{
    Lecture, ModelFailure, Prompt, PromptFailure, ReplyForm, Summary, SummaryPlanner, SummarySettings,
};

use crate::{Error, Llm, Replies, backoff::Backoff, summary::Wishes};

/// A question to a language model, and what came of it.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// What was asked.
    pub prompt: &'a Prompt,
    /// The reply, or why there is none.
    pub reply: Result<&'a str, &'a PromptFailure>,
    /// Questions that wait for a reply meanwhile, as far as they are known.
    pub open: usize,
}

/// A language model that can be asked for summaries.
#[derive(Debug)]
pub(crate) struct LanguageModel {
    client: Client<Endpoint>,
    settings: SummarySettings,
    patience: Patience,
    /// Whether the server wants the reply's limit under its newer name.
    wants_completion_tokens: AtomicBool,
}

/// How long and how often to try.
#[derive(Debug, Clone, Copy)]
struct Patience {
    connect: Duration,
    reply: Duration,
    attempts: u32,
    first_wait: Duration,
    longest_wait: Duration,
}

/// A reply of thousands of tokens takes a small machine minutes.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    reply: Duration::from_secs(240),
    attempts: 5,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(20),
};
/// Servers that answer one prompt at a time queue the others.
const PROMPTS_AT_ONCE: usize = 4;
/// A server that sends more answers something else than was asked.
const REPLY_BYTES_MAX: usize = 4 << 20;

impl LanguageModel {
    /// Makes ready to ask; nothing is sent yet.
    pub(crate) fn new(settings: &Llm) -> Result<Self, Error> {
        Self::with_patience(settings, PATIENCE)
    }

    fn with_patience(settings: &Llm, patience: Patience) -> Result<Self, Error> {
        let endpoint = Endpoint::new(settings)?;
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .timeout(patience.reply)
            .user_agent(concat!("lectern/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refusing(format!("can't make an HTTP client: {error}")))?;
        Ok(Self {
            client: Client::build(http.clone(), endpoint).with_http_service(Transport { http }),
            settings: SummarySettings {
                token_budget: settings.context_tokens,
                language: settings.language.clone(),
                model_name: settings.model.clone(),
                wish: None,
            },
            patience,
            wants_completion_tokens: AtomicBool::new(false),
        })
    }

    /// The model's summary of a lecture in which something was said, if it comes within `patience`. What is among the
    /// `replies` isn't asked, what is asked and answered is kept there and told to `watch`.
    pub(crate) async fn summarise(
        &self,
        lecture: &Lecture,
        wishes: Wishes,
        patience: Duration,
        replies: &mut Replies,
        watch: impl FnMut(Exchange<'_>),
    ) -> Result<Summary, Error> {
        let settings = SummarySettings {
            language: wishes.language.or_else(|| self.settings.language.clone()),
            wish: wishes.wish,
            ..self.settings.clone()
        };
        let planner = SummaryPlanner::new(lecture, settings);
        match timeout(patience, self.drive(planner, replies, watch)).await {
            Ok(summary) => summary,
            Err(_) => Err(Error::Llm {
                failure: ModelFailure::Away,
                reason: format!("no summary within {} s", patience.as_secs()),
            }),
        }
    }

    async fn drive(
        &self,
        mut planner: SummaryPlanner,
        replies: &mut Replies,
        mut watch: impl FnMut(Exchange<'_>),
    ) -> Result<Summary, Error> {
        let model = self.settings.model_name.as_str();
        let mut waiting = VecDeque::new();
        let mut asked = FuturesUnordered::new();
        loop {
            while let Some(prompt) = planner.poll_prompt() {
                match replies.to(model, &prompt) {
                    Some(reply) => planner.handle_reply(prompt.id, Ok(&reply)),
                    None => waiting.push_back(prompt),
                }
            }
            while asked.len() < PROMPTS_AT_ONCE
                && let Some(prompt) = waiting.pop_front()
            {
                asked.push(async move {
                    let reply = self.ask(&prompt).await;
                    (prompt, reply)
                });
            }
            if let Some(outcome) = planner.outcome() {
                return outcome.clone().map_err(|error| Error::Llm {
                    failure: error.failure(),
                    reason: error.to_string(),
                });
            }
            let (prompt, reply) = asked
                .next()
                .await
                .expect("a planner without an outcome has open prompts");
            watch(Exchange {
                prompt: &prompt,
                reply: reply.as_deref(),
                open: asked.len() + waiting.len(),
            });
            if let Ok(reply) = &reply {
                replies.keep(model, &prompt, reply).await;
            }
            planner.handle_reply(prompt.id, reply.as_deref().map_err(Clone::clone));
        }
    }

    /// Asks until there is an answer, or no hope of one.
    async fn ask(&self, prompt: &Prompt) -> Result<String, PromptFailure> {
        let mut backoff = Backoff::new(self.patience.first_wait, self.patience.longest_wait);
        let mut attempt = 1;
        loop {
            let limit = self.limit_name();
            let refusal = match self.send(prompt, limit).await {
                Ok(text) => return Ok(text),
                Err(refusal) => refusal,
            };
            match refusal.verdict(&prompt.reply) {
                Verdict::OtherLimit if limit == MAX_TOKENS => {
                    self.wants_completion_tokens.store(true, Ordering::Relaxed);
                }
                Verdict::OtherLimit => return Err(refusal.failed(ModelFailure::Refused)),
                Verdict::Is(failure) => return Err(failure),
                Verdict::Retry(_) if attempt >= self.patience.attempts => {
                    return Err(PromptFailure::Failed {
                        failure: ModelFailure::Away,
                        reason: format!("{refusal}, {attempt} times"),
                    });
                }
                Verdict::Retry(asked_to_wait) => {
                    let wait = asked_to_wait.unwrap_or_else(|| backoff.next_delay());
                    debug!("the language model is asked again: {refusal}");
                    sleep(wait.min(self.patience.longest_wait)).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn send(&self, prompt: &Prompt, limit: &str) -> Result<String, Refusal> {
        let request = self.request(prompt, limit);
        let reply: Result<Value, OpenAIError> = self.client.chat().create_byot(request).await;
        match reply {
            Ok(reply) => content_of(reply).ok_or(Refusal::Garbage),
            Err(OpenAIError::Boxed(error)) => match error.downcast::<Refusal>() {
                Ok(refusal) => Err(*refusal),
                Err(_) => Err(Refusal::Garbage),
            },
            Err(OpenAIError::Reqwest(error)) => Err(Refusal::of(&error)),
            Err(_) => Err(Refusal::Garbage),
        }
    }

    fn request(&self, prompt: &Prompt, limit: &str) -> Value {
        let message = |message: &lectern_pipelines::Message| json!({"role": message.role.as_str(), "content": message.text});
        let mut request = Map::new();
        request.insert("model".to_owned(), self.settings.model_name.as_str().into());
        request.insert(
            "messages".to_owned(),
            prompt.messages.iter().map(message).collect(),
        );
        request.insert("stream".to_owned(), false.into());
        request.insert(limit.to_owned(), prompt.max_tokens.into());
        let form = match &prompt.reply {
            ReplyForm::JsonSchema(schema) => Some(json!({
                "type": "json_schema",
                "json_schema": {"name": "notes", "strict": true, "schema": schema}
            })),
            ReplyForm::JsonObject => Some(json!({"type": "json_object"})),
            ReplyForm::Text => None,
        };
        request.extend(form.map(|form| ("response_format".to_owned(), form)));
        Value::Object(request)
    }

    fn limit_name(&self) -> &'static str {
        match self.wants_completion_tokens.load(Ordering::Relaxed) {
            true => MAX_COMPLETION_TOKENS,
            false => MAX_TOKENS,
        }
    }
}

/// What every server knows.
const MAX_TOKENS: &str = "max_tokens";
/// What OpenAI's newer models insist on.
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// Where the server is and what lets us in. Nothing of it comes from the environment behind our back.
#[derive(Debug)]
struct Endpoint {
    base_url: String,
    key: SecretString,
    headers: HeaderMap,
}

impl Endpoint {
    fn new(settings: &Llm) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &settings.api_key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
                .map_err(|_| refusing("OPENAI_API_KEY has characters that no key has".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self {
            base_url: settings.base_url.trim_end_matches('/').to_owned(),
            key: settings.api_key.clone().unwrap_or_default(),
            headers,
        })
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

/// Sends a request once, and lets through only what is JSON.
#[derive(Debug, Clone)]
struct Transport {
    http: reqwest::Client,
}

impl tower_service::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let http = self.http.clone();
        Box::pin(async move {
            let request = request.build().await?;
            let response = http
                .execute(request)
                .await
                .map_err(|error| refused(Refusal::of(&error)))?;
            let (status, retry_after) = (response.status(), retry_after(response.headers()));
            let body = body_of(response).await.map_err(refused)?;
            if !status.is_success() {
                return Err(refused(Refusal::of_status(status, retry_after, &body)));
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
                return Err(refused(Refusal::Garbage));
            }
            Ok(Response::from(http::Response::new(body)))
        })
    }
}

async fn body_of(mut response: Response) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Refusal::of(&error))? {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(Refusal::Garbage);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refused(refusal: Refusal) -> OpenAIError {
    OpenAIError::Boxed(Box::new(refusal))
}

/// Only seconds; a date would need a clock that agrees with the server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// Why a request got no usable reply. Its text is ours: a server's may quote the prompt.
#[derive(Debug)]
enum Refusal {
    Unreachable(&'static str),
    Slow,
    Garbage,
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
        about: About,
    },
}

/// What a server's error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Length,
    Form,
    LimitName,
    Quota,
    Other,
}

enum Verdict {
    Is(PromptFailure),
    /// Ask again with the limit's other name.
    OtherLimit,
    /// Ask again, after this time if the server said one.
    Retry(Option<Duration>),
}

impl Refusal {
    fn of(error: &reqwest::Error) -> Self {
        match error {
            error if error.is_connect() => Self::Unreachable("nobody answers there"),
            error if error.is_timeout() => Self::Slow,
            error if error.is_builder() => Self::Unreachable("OPENAI_BASE_URL is no URL"),
            _ => Self::Unreachable("the connection broke"),
        }
    }

    fn of_status(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body).to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
        let about = if says(&["insufficient_quota", "insufficient credit"]) {
            About::Quota
        } else if says(&[MAX_COMPLETION_TOKENS]) {
            About::LimitName
        } else if says(&[
            "context length",
            "context_length",
            "context window",
            "context size",
            "too long",
            "too many tokens",
        ]) {
            About::Length
        } else if says(&[
            "response_format",
            "json_schema",
            "json_object",
            "structured output",
            "guided",
        ]) {
            About::Form
        } else {
            About::Other
        };
        Self::Status {
            status,
            retry_after,
            about,
        }
    }

    fn verdict(&self, form: &ReplyForm) -> Verdict {
        let failed = || Verdict::Is(self.failed(ModelFailure::Refused));
        let &Self::Status {
            status,
            retry_after,
            about,
        } = self
        else {
            return match self {
                Self::Unreachable("OPENAI_BASE_URL is no URL") => failed(),
                _ => Verdict::Retry(None),
            };
        };
        match (status.as_u16(), about) {
            (_, About::Quota) => failed(),
            (413, _) | (400 | 422, About::Length) => Verdict::Is(PromptFailure::TooLong),
            (400 | 422, About::LimitName) => Verdict::OtherLimit,
            // Servers name the fault in many ways; a simpler form costs one more request to find out.
            (400 | 422 | 501, _) if *form != ReplyForm::Text => Verdict::Is(PromptFailure::FormRefused),
            (501, _) => failed(),
            (408 | 409 | 425 | 429 | 500.., _) => Verdict::Retry(retry_after),
            _ => failed(),
        }
    }
}

impl Refusal {
    fn failed(&self, failure: ModelFailure) -> PromptFailure {
        let reason = self.to_string();
        PromptFailure::Failed { failure, reason }
    }
}

/// Settings that no request can be made of.
fn refusing(reason: String) -> Error {
    let failure = ModelFailure::Refused;
    Error::Llm { failure, reason }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the server can't be reached: {why}"),
            Self::Slow => f.write_str("the server did not answer in time"),
            Self::Garbage => f.write_str("the server's answer is no chat completion; check OPENAI_BASE_URL"),
            Self::Status { status, about, .. } => {
                let remedy = match (status.as_u16(), about) {
                    (_, About::Quota) | (402, _) => "; the account has no credit left",
                    (401 | 403, _) => "; check OPENAI_API_KEY",
                    (404, _) => "; check OPENAI_BASE_URL and the model's name",
                    _ => "",
                };
                write!(f, "the server answers HTTP {}{remedy}", status.as_u16())
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What we need of a chat completion; servers add and leave out much.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: String,
}

/// The text of a completion; empty where the model would not answer, which is then asked for once more.
fn content_of(reply: Value) -> Option<String> {
    let completion: Completion = serde_json::from_value(reply).ok()?;
    let answer = completion.choices.into_iter().next()?.message;
    Some(match answer.content {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
        None => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use lectern_pipelines::{
        MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, Segment, SegmentId, SummarySource,
        TrackSid, UnixMillis,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::SUMMARY_PATIENCE;

    /// What the server does with a request.
    #[derive(Clone)]
    enum Act {
        Reply(u16, &'static str, String),
        Hang,
        Close,
    }

    /// A server on loopback that acts as it is told, one act per request, the last one for ever.
    struct Server {
        base_url: String,
        requests: Arc<Mutex<Vec<(String, Value)>>>,
    }

    impl Server {
        async fn start(acts: Vec<Act>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let base_url = format!("http://{}/v1/", listener.local_addr().expect("bound"));
            let requests = Arc::new(Mutex::new(Vec::new()));
            let acts = Arc::new(Mutex::new(VecDeque::from(acts)));
            let seen = Arc::clone(&requests);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&acts)));
                }
            });
            Self { base_url, requests }
        }

        fn model(&self) -> LanguageModel {
            let settings = Llm {
                base_url: self.base_url.clone(),
                api_key: Some(SecretString::from("sk-test")),
                model: "small".to_owned(),
                context_tokens: 8192,
                language: Some("de-CH".to_owned()),
            };
            let patience = Patience {
                reply: Duration::from_millis(300),
                attempts: 3,
                first_wait: Duration::from_millis(1),
                longest_wait: Duration::from_millis(20),
                ..PATIENCE
            };
            LanguageModel::with_patience(&settings, patience).expect("good settings")
        }

        fn requests(&self) -> Vec<(String, Value)> {
            self.requests.lock().expect("not poisoned").clone()
        }
    }

    async fn serve(
        mut stream: TcpStream,
        seen: Arc<Mutex<Vec<(String, Value)>>>,
        acts: Arc<Mutex<VecDeque<Act>>>,
    ) {
        let mut received = Vec::new();
        let (head, length, body_at) = loop {
            let read = stream.read_buf(&mut received).await.expect("readable");
            if read == 0 {
                return;
            }
            let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(received[..end].to_vec()).expect("ASCII");
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse::<usize>()
                        .ok()
                })
                .expect("a length");
            break (head, length, end + 4);
        };
        while received.len() < body_at + length {
            stream.read_buf(&mut received).await.expect("readable");
        }
        let body = serde_json::from_slice(&received[body_at..]).expect("JSON");
        seen.lock().expect("not poisoned").push((head, body));
        let act = {
            let mut acts = acts.lock().expect("not poisoned");
            if acts.len() > 1 {
                acts.pop_front()
            } else {
                acts.front().cloned()
            }
            .expect("an act")
        };
        match act {
            Act::Reply(status, headers, body) => {
                let reply = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(reply.as_bytes()).await.expect("written");
            }
            Act::Hang => sleep(Duration::from_secs(60)).await,
            Act::Close => {}
        }
    }

    fn good() -> Act {
        let notes = json!({
            "chapters": [{"title": "Lava", "first_line": 1, "lines": [{"text": "Lava is hot.", "cites": [1]}]}],
            "key_terms": [], "action_items": [], "title": "On lava", "abstract": [{"text": "Hot.", "cites": [1]}]
        });
        Act::Reply(
            200,
            "",
            json!({"choices": [{"message": {"content": notes.to_string()}}]}).to_string(),
        )
    }

    fn error(status: u16, message: &str) -> Act {
        Act::Reply(status, "", json!({"error": {"message": message}}).to_string())
    }

    fn lecture() -> Lecture {
        let speaker = Participant {
            identity: ParticipantIdentity::parse("ada").expect("a good identity"),
            name: "Ada".to_owned(),
        };
        Lecture {
            meeting: MeetingId::parse("m").expect("a good id"),
            room: RoomName::parse("r").expect("a good name"),
            room_title: None,
            revision: 0,
            started_at: UnixMillis(0),
            duration: Duration::from_secs(1),
            participants: vec![speaker.clone()],
            segments: vec![Segment {
                id: SegmentId::parse("SG_1").expect("a good id"),
                track: TrackSid::parse("TR_1").expect("a good SID"),
                speaker,
                start: MediaTime::ZERO,
                end: MediaTime::from_millis(900),
                text: "Lava is hot.".to_owned(),
                language: Some("en".to_owned()),
                words: Vec::new(),
                is_final: true,
                utterance: 0,
            }],
            gaps: Vec::new(),
        }
    }

    async fn summarised(acts: Vec<Act>) -> (Result<Summary, String>, Vec<(String, Value)>) {
        let server = Server::start(acts).await;
        let outcome = server
            .model()
            .summarise(
                &lecture(),
                Wishes::default(),
                SUMMARY_PATIENCE,
                &mut Replies::default(),
                |_| {},
            )
            .await;
        (outcome.map_err(|error| error.to_string()), server.requests())
    }

    #[tokio::test]
    async fn wishes_count_before_the_settings() {
        let server = Server::start(vec![good()]).await;
        let wishes = Wishes {
            language: Some("uk".to_owned()),
            wish: Some("Only the dates.".to_owned()),
        };
        let summary = server
            .model()
            .summarise(
                &lecture(),
                wishes,
                SUMMARY_PATIENCE,
                &mut Replies::default(),
                |_| {},
            )
            .await;
        assert_eq!(summary.expect("a summary").language.as_deref(), Some("uk"));
        for (_, body) in server.requests() {
            let rules = body["messages"][0]["content"].as_str().expect("text").to_owned();
            assert!(rules.contains("tag uk") && !rules.contains("de-CH"), "{rules}");
            assert!(rules.contains("\"Only the dates.\""), "{rules}");
        }
    }

    #[tokio::test]
    async fn model_is_asked_as_the_protocol_says() {
        let (summary, requests) = summarised(vec![good()]).await;
        let summary = summary.expect("a summary");
        assert_eq!(summary.title, "On lava");
        assert_eq!(summary.language.as_deref(), Some("de-CH"));
        assert_eq!(
            summary.source,
            SummarySource::Model {
                name: "small".to_owned()
            }
        );
        let (head, body) = &requests[0];
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
        assert!(
            head.to_lowercase().contains("authorization: bearer sk-test"),
            "{head}"
        );
        assert_eq!(body["model"], "small");
        assert_eq!(body["messages"][0]["role"], "system");
        assert!(
            body["messages"][0]["content"].to_string().contains("de-CH"),
            "{body}"
        );
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        assert_eq!(body["max_tokens"], 2048);
        assert_eq!(requests.len(), 2);
    }

    #[tokio::test]
    async fn wrong_key_is_not_tried_again() {
        let (summary, requests) = summarised(vec![error(401, "bad key sk-test")]).await;
        let said = summary.expect_err("no summary");
        assert!(
            said.contains("OPENAI_API_KEY") && !said.contains("sk-test"),
            "{said}"
        );
        assert_eq!(requests.len(), 1);
    }

    #[tokio::test]
    async fn busy_server_is_asked_again() {
        let busy = Act::Reply(429, "retry-after: 0\r\n", "slow down".to_owned());
        let (summary, requests) = summarised(vec![busy, error(503, "x"), good()]).await;
        summary.expect("a summary");
        assert_eq!(requests.len(), 4);
    }

    #[tokio::test]
    async fn account_without_credit_is_not_tried_again() {
        let (summary, requests) = summarised(vec![Act::Reply(
            429,
            "",
            r#"{"error": {"code": "insufficient_quota"}}"#.to_owned(),
        )])
        .await;
        assert!(summary.expect_err("no summary").contains("credit"));
        assert_eq!(requests.len(), 1);
    }

    #[tokio::test]
    async fn attempts_are_bounded() {
        for act in [
            error(500, "x"),
            Act::Hang,
            Act::Close,
            Act::Reply(200, "", "<html>login</html>".to_owned()),
        ] {
            let (summary, requests) = summarised(vec![act]).await;
            assert!(summary.expect_err("no summary").contains("3 times"));
            assert_eq!(requests.len(), 3);
        }
    }

    #[tokio::test]
    async fn forms_that_a_server_does_not_know_are_left_out() {
        let no = || error(400, "response_format is not supported");
        let (summary, requests) = summarised(vec![no(), no(), good()]).await;
        summary.expect("a summary");
        let forms: Vec<&Value> = requests
            .iter()
            .map(|(_, body)| &body["response_format"]["type"])
            .collect();
        assert_eq!(
            forms,
            [
                &json!("json_schema"),
                &json!("json_object"),
                &Value::Null,
                &Value::Null
            ]
        );
    }

    #[tokio::test]
    async fn newer_name_of_the_limit_is_learnt() {
        let no = error(
            400,
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        );
        let (summary, requests) = summarised(vec![no, good()]).await;
        summary.expect("a summary");
        for (_, body) in &requests[1..] {
            assert_eq!(body["max_completion_tokens"], 2048);
            assert!(body.get("max_tokens").is_none());
        }
        assert_eq!(requests.len(), 3);
    }

    #[tokio::test]
    async fn what_a_server_says_of_the_prompt_stays_with_it() {
        let (summary, _) = summarised(vec![error(400, "input was: Lava is hot.")]).await;
        let said = summary.expect_err("no summary");
        assert!(!said.contains("Lava") && said.contains("400"), "{said}");
    }

    #[tokio::test]
    async fn content_in_parts_and_none_at_all_are_read() {
        for (content, text) in [
            (
                json!([{"type": "text", "text": "a"}, {"type": "x"}, {"text": "b"}]),
                "ab",
            ),
            (json!("c"), "c"),
            (Value::Null, ""),
        ] {
            let reply = json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]});
            assert_eq!(content_of(reply).as_deref(), Some(text));
        }
        assert_eq!(content_of(json!({"choices": []})), None);
        assert_eq!(content_of(json!([])), None);
    }
}
