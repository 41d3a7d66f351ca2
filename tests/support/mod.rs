//! Real servers and a real worker for contract tests: each test has its own.

pub(crate) mod authority;
pub(crate) mod database;
#[path = "../../src/free_port.rs"]
mod free_port;
pub(crate) mod recogniser;
pub(crate) mod wire;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use lectern_agent::LiveKit;
use livekit_api::access_token::{AccessToken, VideoGrants};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A LiveKit server that nobody else uses.
pub(crate) struct Server {
    pub(crate) livekit: LiveKit,
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, "")
    }

    /// The UDP ports that relays are given: none that a system gives to whoever asks for any.
    pub(crate) const RELAYS: RangeInclusive<u16> = 20_000..=30_000;

    /// Starts a server that relays by itself (TURN), which clients are told of.
    pub(crate) fn start_with_relay(folder: &Path) -> Self {
        let relay = format!(
            "turn: {{enabled: true, udp_port: {}, relay_range_start: {}, relay_range_end: {}, \
             allow_restricted_peer_cidrs: [\"127.0.0.0/8\"]}}\n",
            free_port(),
            Self::RELAYS.start(),
            Self::RELAYS.end()
        );
        Self::start_with(folder, &relay)
    }

    fn start_with(folder: &Path, lines: &str) -> Self {
        let (port, tcp_port, udp_port) = (free_port(), free_port(), free_port());
        let config = format!(
            "port: {port}\nbind_addresses: [127.0.0.1]\nrtc:\n  tcp_port: {tcp_port}\n  udp_port: {udp_port}\n  \
             use_external_ip: false\n  node_ip: 127.0.0.1\n  enable_loopback_candidate: true\n  \
             ips: {{includes: [127.0.0.1/32]}}\nkeys:\n  devkey: {SECRET}\n\
             room:\n  empty_timeout: 20\n  departure_timeout: 3\n{lines}"
        );
        fs::write(folder.join("livekit.yaml"), config).expect("written");
        let livekit = LiveKit {
            url: format!("ws://127.0.0.1:{port}"),
            api_key: "devkey".to_owned(),
            api_secret: SECRET.into(),
        };
        Self {
            livekit,
            child: Self::run(folder, port),
            port,
            folder: folder.to_owned(),
        }
    }

    fn run(folder: &Path, port: u16) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("livekit.log"))
            .expect("a log");
        let child = Command::new(variable("LIVEKIT_SERVER"))
            .arg("--config")
            .arg(folder.join("livekit.yaml"))
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("livekit-server runs");
        wait_for("livekit-server", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        child
    }

    /// Ends it as a crash would, and starts it again: it knows no room any more.
    pub(crate) fn restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
        self.child = Self::run(&self.folder, self.port);
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("livekit.log")).expect("a log")
    }

    /// Where it listens, on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets a participant in, who may also set its own attributes.
    pub(crate) fn token(&self, room: &str, identity: &str, name: &str) -> String {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_update_own_metadata: Some(true),
            ..Default::default()
        };
        let secret = self.livekit.api_secret.expose_secret();
        AccessToken::with_api_key(&self.livekit.api_key, secret)
            .with_identity(identity)
            .with_name(name)
            .with_grants(grants)
            .to_jwt()
            .expect("a token")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            eprintln!("LiveKit's log:\n{}", tail(&self.folder.join("livekit.log")));
        }
    }
}

/// A `lectern` process and its log.
pub(crate) struct Lectern {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    settings: Vec<(String, String)>,
    pub(crate) data: PathBuf,
}

impl Lectern {
    /// Starts a worker and waits until LiveKit has accepted it.
    pub(crate) fn agent(server: &Server, data: &Path, settings: &[(&str, &str)]) -> Self {
        let lectern = Self::start(&["agent"], server, data, settings);
        lectern.wait_for_log("registered");
        lectern
    }

    pub(crate) fn start(arguments: &[&str], server: &Server, data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LIVEKIT_URL", &server.livekit.url)
            .env("LIVEKIT_API_KEY", &server.livekit.api_key)
            .env("LIVEKIT_API_SECRET", server.livekit.api_secret.expose_secret())
            .env("LECTERN_DATA", data)
            .env("LECTERN_LOG", "info,lectern_agent=debug")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("no holder panics").push(line);
            }
        });
        Self {
            child,
            log,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            data: data.to_owned(),
        }
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_for(&format!("{text:?} in the log"), PATIENCE, || self.logged(text));
    }

    /// Waits until a worker hears so many tracks, those counted that it hears no more.
    pub(crate) fn wait_until_listening(&self, tracks: usize) {
        wait_for(&format!("{tracks} tracks"), PATIENCE, || {
            self.log().matches(": listening to track").count() >= tracks
        });
    }

    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log
            .lock()
            .expect("no holder panics")
            .iter()
            .any(|line| line.contains(text))
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no holder panics").join("\n")
    }

    /// What the system calls it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// A counter or gauge of a worker that serves its metrics on this port.
    pub(crate) fn metric(&self, port: u16, name: &str) -> f64 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it serves metrics");
        write!(stream, "GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let value = answer
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Sends SIGTERM to our own child.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends our own child a signal: `STOP` has it stand still until `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Ends the process as a crash would.
    pub(crate) fn crash(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }

    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(began.elapsed() < patience, "still running after {patience:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a command about stored meetings prints, with our own settings.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        ask_with(&self.settings, &self.data, arguments)
    }
}

impl Drop for Lectern {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            eprintln!("lectern's log:\n{}", self.log());
        }
    }
}

/// What a command about stored meetings prints, or its error.
pub(crate) fn ask(data: &Path, arguments: &[&str]) -> Result<String, String> {
    ask_with(&[], data, arguments)
}

fn ask_with(settings: &[(String, String)], data: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_lectern"))
        .args(arguments)
        .env_clear()
        .env("LECTERN_DATA", data)
        .envs(settings.iter().cloned())
        .output()
        .expect("the binary runs");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A client of another make that speaks and prints the captions it gets, as a line of JSON each.
pub(crate) struct Client {
    child: Child,
    /// What some take orders from; at its end they leave.
    orders: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Client {
    /// The official Python SDK.
    pub(crate) fn python(
        server: &Server,
        room: &str,
        identity: &str,
        name: &str,
        speech: &Path,
        settle: u32,
    ) -> Self {
        let mut command = Command::new(variable("LECTERN_PYTHON"));
        command
            .arg(repository("tests/python/publish.py"))
            .arg(speech)
            .arg(settle.to_string());
        Self::start(command, server, room, identity, name)
    }

    /// The official Python SDK, let in by a token that somebody else made.
    pub(crate) fn with_token(server: &Server, token: &str, speech: &Path, settle: u32) -> Self {
        let mut command = Command::new(variable("LECTERN_PYTHON"));
        command
            .arg(repository("tests/python/publish.py"))
            .arg(speech)
            .arg(settle.to_string());
        Self::start_with(command, server, token)
    }

    /// The official Python SDK, doing what it is told; returns once it is in the room.
    pub(crate) fn told(server: &Server, room: &str, identity: &str, name: &str, options: &[&str]) -> Self {
        let mut command = Command::new(variable("LECTERN_PYTHON"));
        command.arg(repository("tests/python/publish.py")).args(options);
        let client = Self::start(command, server, room, identity, name);
        client.wait_for("its entry", |line| line["event"] == "joined");
        client
    }

    /// LiveKit's React components in Chromium, reading along; returns once they are in the room.
    ///
    /// `LECTERN_SCREENSHOT=FILE.png` keeps what was to be seen at the end.
    pub(crate) fn components(server: &Server, room: &str, identity: &str, name: &str) -> Self {
        Self::components_with_token(server, &server.token(room, identity, name))
    }

    /// The same, with a token from elsewhere.
    pub(crate) fn components_with_token(server: &Server, token: &str) -> Self {
        let mut command = Command::new("node");
        command
            .arg(repository("tests/browser/captions.mjs"))
            .arg("--components");
        if let Ok(file) = std::env::var("LECTERN_SCREENSHOT") {
            command.args(["--screenshot", &file]);
        }
        command.env("CHROMIUM", variable("CHROMIUM"));
        let client = Self::start_with(command, server, token);
        client.wait_for("its entry", |line| line["event"] == "joined");
        client
    }

    /// livekit-client in Chromium.
    pub(crate) fn browser(
        server: &Server,
        room: &str,
        identity: &str,
        name: &str,
        speech: &Path,
        seconds: u32,
    ) -> Self {
        let mut command = Command::new("node");
        command
            .arg(repository("tests/browser/captions.mjs"))
            .arg(seconds.to_string())
            .arg(speech);
        command.env("CHROMIUM", variable("CHROMIUM"));
        Self::start(command, server, room, identity, name)
    }

    fn start(command: Command, server: &Server, room: &str, identity: &str, name: &str) -> Self {
        Self::start_with(command, server, &server.token(room, identity, name))
    }

    fn start_with(mut command: Command, server: &Server, token: &str) -> Self {
        let mut child = command
            .env("LIVEKIT_URL", &server.livekit.url)
            .env("LIVEKIT_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not run ({error}): scripts/setup test"));
        let orders = child.stdin.take();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().expect("no holder panics").push(value);
            }
        });
        Self { child, orders, lines }
    }

    /// Speaks, and returns when all is said.
    pub(crate) fn say(&self, speech: &str) {
        self.order(&json!({ "say": repository(speech) }), "spoken");
    }

    /// Writes in LiveKit's chat, and returns the message's id.
    pub(crate) fn write(&self, text: &str) -> String {
        self.order(&json!({ "write": text }), "written");
        let lines = self.lines();
        let written = lines.iter().rfind(|line| line["event"] == "written");
        let id = written.expect("just now")["id"].as_str();
        id.expect("an id").to_owned()
    }

    /// Sets attributes of its own.
    pub(crate) fn set_attributes(&self, attributes: &Value) {
        self.order(&json!({ "attributes": attributes }), "attributes");
    }

    fn order(&self, order: &Value, done: &str) {
        let times_done = || self.lines().iter().filter(|line| line["event"] == done).count();
        let before = times_done();
        let mut orders = self.orders.as_ref().expect("it leaves by `finish` alone");
        writeln!(orders, "{order}").expect("it listens");
        wait_for(done, PATIENCE, || times_done() > before);
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().expect("no holder panics").clone()
    }

    pub(crate) fn wait_for(&self, what: &str, test: impl Fn(&Value) -> bool) {
        wait_for(what, PATIENCE, || self.lines().iter().any(&test));
    }

    /// Waits until the client has left by itself, or because nobody gives it orders any more.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        drop(self.orders.take());
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "the client failed: {status}");
        // Its last lines may be on their way still.
        thread::sleep(Duration::from_millis(100));
        self.lines()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn wait_for(what: &str, patience: Duration, test: impl Fn() -> bool) {
    let began = Instant::now();
    while !test() {
        assert!(began.elapsed() < patience, "waited {patience:?} for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or scripts/with-services COMMAND"))
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn free_port() -> u16 {
    free_port::free_port("127.0.0.1").expect("a free port")
}

fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

const SECRET: &str = "secretsecretsecretsecretsecretsecret";
/// These machines are shared: a test that waits this long for something small has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
