//! An OpenID Connect provider as others run it, and browsers that go there and come back.

use std::{collections::HashMap, process::Stdio, time::Duration};

use lectern_service::{HttpUrl, OIDC_CALLBACK_PATH, Oidc, Registration};
use reqwest::{Client, Response, Url, header, redirect::Policy};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::world::{Proof, World};

/// A provider in a process of its own.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    http: Client,
    child: Child,
}

impl Provider {
    /// One with its usual settings.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// One with some of the options of `provider.mjs`.
    pub(crate) async fn with(options: &[&str]) -> Self {
        let mut command = Command::new("node");
        command
            .args([
                concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oidc/provider.mjs"),
                REDIRECT_URL,
            ])
            .args(options);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.expect("Node.js is installed: scripts/setup test");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let starting = async {
            while let Some(line) = lines.next_line().await.expect("text") {
                if line.starts_with("http://") {
                    return line;
                }
            }
            panic!("the provider does not start (is tests/oidc/node_modules there? scripts/setup test)");
        };
        let issuer = timeout(START_WITHIN, starting)
            .await
            .expect("the provider starts");
        // What it says later has to go somewhere.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            issuer,
            http: client(),
            child,
        }
    }

    /// What an operator writes to use it: nothing but what is needed.
    pub(crate) fn settings(&self) -> Oidc {
        settings_of(&self.issuer)
    }

    /// Says this of somebody from now on.
    pub(crate) async fn says(&self, name: &str, claims: Value) {
        self.told(&format!("people/{name}"), claims).await;
    }

    /// Says that somebody has this verified address.
    pub(crate) async fn knows(&self, name: &str, email: &str) {
        self.says(
            name,
            json!({ "email": email, "email_verified": true, "name": name }),
        )
        .await;
    }

    /// Shows its `own` keys, the same as `renamed`, or `foreign` ones.
    pub(crate) async fn shows_keys(&self, which: &str) {
        self.told("keys", json!({ "show": which })).await;
    }

    async fn told(&self, what: &str, body: Value) {
        let url = format!("{}/test/{what}", self.issuer);
        let answer = self.http.put(url).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), 204);
    }

    /// Ends it.
    pub(crate) async fn end(mut self) {
        self.child.kill().await.expect("it ran");
    }
}

/// What an operator writes to use the provider at `issuer`.
pub(crate) fn settings_of(issuer: &str) -> Oidc {
    Oidc {
        issuer: HttpUrl::parse(issuer).expect("a URL"),
        client_id: "lectern".to_owned(),
        client_secret: Some(CLIENT_SECRET.into()),
        redirect_url: HttpUrl::parse(REDIRECT_URL).expect("a URL"),
        name: "Example".to_owned(),
        scopes: ["email", "profile", "groups"].map(str::to_owned).to_vec(),
        email_domains: Vec::new(),
        email_verified_claim: "email_verified".to_owned(),
        registration: Registration::Open,
        administrators: None,
    }
}

pub(crate) const CLIENT_SECRET: &str = "the secret of lectern with this provider";

/// Where the provider sends browsers back to, as if there were a proxy before the service.
const REDIRECT_URL: &str = "https://lectern.test/api/auth/oidc/callback";

/// A browser with its cookies.
pub(crate) struct Browser {
    http: Client,
    ours: Jar,
    theirs: Jar,
}

type Jar = HashMap<String, String>;

/// Where a browser was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing {
    pub(crate) status: u16,
    pub(crate) location: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self {
            http: client(),
            ours: Jar::new(),
            theirs: Jar::new(),
        }
    }

    /// Logs somebody in, to go on to the first page; where they got.
    pub(crate) async fn log_in(&mut self, world: &World, name: &str) -> String {
        let url = self.begin(world).await;
        let back = self.at_provider(&url, name).await;
        self.open(world, &back).await.location
    }

    /// Begins to log in; the provider's URL.
    pub(crate) async fn begin(&mut self, world: &World) -> String {
        let landing = self.open(world, "/api/auth/oidc").await;
        assert_eq!(landing.status, 303);
        assert!(
            landing.location.contains("code_challenge_method=S256"),
            "{landing:?}"
        );
        landing.location
    }

    /// Opens a page of the service.
    pub(crate) async fn open(&mut self, world: &World, path: &str) -> Landing {
        let url = format!("{}{path}", world.base);
        let answer = fetch(&self.http, &url, &mut self.ours).await;
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        Landing {
            status: answer.status().as_u16(),
            location: location_of(&answer).expect("somewhere to go"),
        }
    }

    /// Logs in at the provider; the path on the service that it sends the browser back to.
    pub(crate) async fn at_provider(&mut self, url: &str, name: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        url.query_pairs_mut().append_pair("login_hint", name);
        for _ in 0..STEPS_MAX {
            let answer = fetch(&self.http, url.as_str(), &mut self.theirs).await;
            let Some(location) = location_of(&answer) else {
                panic!("{}: {:?}", answer.status(), answer.text().await);
            };
            url = url.join(&location).expect("a URL");
            if url.path() == OIDC_CALLBACK_PATH {
                return format!("{}?{}", url.path(), url.query().expect("a query"));
            }
        }
        panic!("the provider sends the browser around in circles");
    }

    /// What a program in this browser would be.
    pub(crate) fn proof(&self) -> Proof {
        Proof::Cookie(header_of(&self.ours))
    }

    /// Whether it has a session.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.ours.contains_key("lectern_session")
    }

    /// The cookie of the login that is under way.
    pub(crate) fn flow_cookie(&self) -> Option<&String> {
        self.ours.get(FLOW_COOKIE)
    }

    /// Puts the cookie of a login back, as somebody would who has a copy.
    pub(crate) fn put_flow_cookie(&mut self, value: String) {
        self.ours.insert(FLOW_COOKIE.to_owned(), value);
    }
}

const FLOW_COOKIE: &str = "lectern_oidc";

/// As browsers open pages.
async fn fetch(http: &Client, url: &str, jar: &mut Jar) -> Response {
    let answer = http
        .get(url)
        .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
        .header(header::COOKIE, header_of(jar))
        .send()
        .await
        .expect("an answer");
    for cookie in answer.headers().get_all(header::SET_COOKIE) {
        let text = cookie.to_str().expect("text");
        let (pair, attributes) = text.split_once(';').expect("attributes");
        let (name, value) = pair.split_once('=').expect("a value");
        let attributes = attributes.to_lowercase();
        assert!(
            attributes.contains("httponly") && attributes.contains("samesite=lax"),
            "{text}"
        );
        match value.is_empty() {
            true => jar.remove(name),
            false => jar.insert(name.to_owned(), value.to_owned()),
        };
    }
    answer
}

fn header_of(jar: &Jar) -> String {
    let pairs: Vec<_> = jar
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("; ")
}

fn location_of(answer: &Response) -> Option<String> {
    let location = answer.headers().get(header::LOCATION)?;
    Some(location.to_str().expect("text").to_owned())
}

fn client() -> Client {
    Client::builder()
        .redirect(Policy::none())
        .build()
        .expect("a client")
}

/// Node.js on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Login and consent are two each.
const STEPS_MAX: u32 = 10;
