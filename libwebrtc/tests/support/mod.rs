//! A real LiveKit server with the network it is given, and two participants who talk through it.

use std::{
    fmt::Write as _,
    fs,
    future::Future,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use livekit::{
    Room, RoomEvent, RoomOptions, RoomResult,
    options::TrackPublishOptions,
    prelude::{DataPacket, LocalAudioTrack, LocalTrack, RemoteTrack},
    webrtc::{
        audio_frame::AudioFrame,
        audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
        audio_stream::native::NativeAudioStream,
        prelude::RtcAudioTrack,
        stats::{RtcStats, dictionaries::IceCandidateStats},
    },
};
use livekit_api::access_token::{AccessToken, VideoGrants};
use tokio::sync::mpsc::UnboundedReceiver;

use free_port::free_port;

pub(crate) mod conversation;
#[path = "../../../src/free_port.rs"]
mod free_port;
#[cfg(target_os = "linux")]
pub(crate) mod namespace;
pub(crate) mod visits;

/// Whether a test runs in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// This is that process.
    Inside,
    /// It ran, and went well.
    Passed,
}

impl Again {
    pub(crate) fn is_inside(self) -> bool {
        self == Self::Inside
    }
}

/// Runs this very test again in a process that is prepared for it.
pub(crate) fn again(test: &str, mark: &str, prepare: impl FnOnce(&mut Command)) -> Again {
    let mark = format!("LIBWEBRTC_TEST_{mark}");
    if std::env::var_os(&mark).is_some() {
        return Again::Inside;
    }
    let mut command = Command::new(std::env::current_exe().expect("this is a program"));
    command.args([test, "--exact", "--nocapture"]);
    prepare(&mut command);
    let status = command.env(mark, "1").status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        status.success(),
        "{command:?}: {status}. If it could not even start: it needs a network namespace of its own, as root or where \
         user namespaces are allowed"
    );
    Again::Passed
}

/// How a server is told what its network is.
pub(crate) struct Rtc {
    /// The address it listens on and is reached by.
    pub(crate) address: &'static str,
    /// More lines of its configuration, below `rtc:`.
    pub(crate) lines: &'static str,
    pub(crate) log: Log,
}

impl Rtc {
    fn free_port(&self) -> u16 {
        free_port(self.address).unwrap_or_else(|error| panic!("{}: {error}", self.address))
    }
}

/// What a server writes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// All that it does, for whoever looks why a test failed.
    Detailed,
    /// Little, for a server that runs for long.
    Sparse,
}

/// A LiveKit server that nobody else uses.
pub(crate) struct Server {
    pub(crate) url: String,
    at: SocketAddr,
    command: Command,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts a server in this network.
    pub(crate) fn start(name: &str, rtc: &Rtc) -> Self {
        let ports = [0; 3].map(|_| rtc.free_port());
        Self::start_on(name, rtc, ports, "", Command::new(variable("LIVEKIT_SERVER")))
    }

    /// Starts a server that relays by itself.
    pub(crate) fn start_with_relay(name: &str, rtc: &Rtc) -> Self {
        let ports = [0; 3].map(|_| rtc.free_port());
        let relay = format!(
            "turn: {{enabled: true, udp_port: {}, allow_restricted_peer_cidrs: [\"127.0.0.0/8\"]}}\n",
            rtc.free_port()
        );
        Self::start_on(name, rtc, ports, &relay, Command::new(variable("LIVEKIT_SERVER")))
    }

    /// Starts a server by a command that runs another, somewhere where no port is taken.
    pub(crate) fn start_by(name: &str, rtc: &Rtc, lines: &str, mut command: Command) -> Self {
        command.arg(variable("LIVEKIT_SERVER"));
        Self::start_on(name, rtc, [7880, 7881, 7882], lines, command)
    }

    fn start_on(name: &str, rtc: &Rtc, ports: [u16; 3], lines: &str, mut command: Command) -> Self {
        let folder = folder(name);
        let (config, at) = configuration(rtc, ports);
        fs::write(folder.join("livekit.yaml"), config + lines).expect("written");
        command.arg("--config").arg(folder.join("livekit.yaml"));
        Self::run(command, folder, at)
    }

    fn run(mut command: Command, folder: PathBuf, at: SocketAddr) -> Self {
        let log = fs::File::create(folder.join("livekit.log")).expect("a log");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let server = Self {
            url: format!("ws://{at}"),
            at,
            child: command.spawn().expect("livekit-server runs"),
            command,
            folder,
        };
        server.wait_until_it_answers();
        server
    }

    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.at).is_err() {
            assert!(
                began.elapsed() < PATIENCE,
                "livekit-server does not answer at {}",
                self.at
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets it do nothing. What is sent to it waits in its sockets, as far as they have room.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends it as a power cut does, and starts another at the same ports, that knows nothing of the rooms.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.child = self.command.spawn().expect("livekit-server runs");
        self.wait_until_it_answers();
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(self.child.id().to_string());
        assert!(kill.status().expect("kill runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.join("livekit.log")).unwrap_or_default();
            eprintln!("LiveKit's log:\n{log}");
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn configuration(rtc: &Rtc, [port, tcp_port, udp_port]: [u16; 3]) -> (String, SocketAddr) {
    let address = rtc.address;
    let at = SocketAddr::new(address.parse().expect("an address"), port);
    let bits = if at.is_ipv4() { 32 } else { 128 };
    let log = match rtc.log {
        Log::Detailed => "logging: {level: debug, pion_level: debug}",
        Log::Sparse => "logging: {level: warn, pion_level: error}",
    };
    let mut config = format!(
        "port: {port}\nbind_addresses: [\"{address}\"]\nkeys:\n  {KEY}: {SECRET}\n{log}\n\
         rtc:\n  tcp_port: {tcp_port}\n  udp_port: {udp_port}\n  use_external_ip: false\n  enable_loopback_candidate: true\n  \
         node_ip: \"{address}\"\n  ips: {{includes: [\"{address}/{bits}\"]}}\n"
    );
    for line in rtc.lines.lines() {
        writeln!(config, "  {line}").expect("a string takes everything");
    }
    (config, at)
}

/// Someone in a room.
pub(crate) struct Participant {
    pub(crate) room: Room,
    events: UnboundedReceiver<RoomEvent>,
}

impl Participant {
    pub(crate) async fn join(server: &Server, identity: &str, options: RoomOptions) -> Self {
        Self::join_room(server, "room", identity, options).await
    }

    pub(crate) async fn join_room(server: &Server, room: &str, identity: &str, options: RoomOptions) -> Self {
        let joined = patient(
            "the room",
            Room::connect(&server.url, &token(room, identity), options),
        )
        .await;
        let (room, events) = joined.unwrap_or_else(|error| panic!("{identity} cannot join: {error}"));
        Self { room, events }
    }

    /// Publishes a tone of 1 kHz, for as long as the returned guard lives.
    pub(crate) async fn speak(&self) -> Tone {
        Tone(tokio::spawn(play(self.publish(RATE_HZ).await)))
    }

    /// Publishes a track of mono samples of this rate.
    pub(crate) async fn publish(&self, rate_hz: u32) -> NativeAudioSource {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), rate_hz, 1, 100);
        let track = LocalAudioTrack::create_audio_track("voice", RtcAudioSource::Native(source.clone()));
        let participant = self.room.local_participant();
        let publication = participant.publish_track(LocalTrack::Audio(track), TrackPublishOptions::default());
        patient("the track", publication).await.expect("published");
        source
    }

    /// Leaves the room.
    pub(crate) async fn leave(self) {
        patient("the end", self.room.close()).await.expect("left");
    }

    /// Waits for another's voice.
    pub(crate) async fn listen(&mut self) -> NativeAudioStream {
        NativeAudioStream::new(self.track().await, RATE_HZ as i32, 1)
    }

    /// Waits for another's track.
    pub(crate) async fn track(&mut self) -> RtcAudioTrack {
        let track = self
            .event("a track", |event| match event {
                RoomEvent::TrackSubscribed {
                    track: RemoteTrack::Audio(track),
                    ..
                } => Some(track),
                _ => None,
            })
            .await;
        track.rtc_track()
    }

    /// Sends a message until it arrives at the other: what is sent while a connection is made anew may be lost.
    pub(crate) async fn say(&self, other: &mut Self, text: &str) {
        let saying = async {
            loop {
                let _ = self.tell(text).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let heard = other.event("a message", |event| match event {
            RoomEvent::DataReceived { payload, .. } => (*payload == text.as_bytes()).then_some(()),
            _ => None,
        });
        tokio::select! {
            () = heard => {}
            () = saying => {}
        }
    }

    /// Sends a message once.
    pub(crate) async fn tell(&self, text: &str) -> RoomResult<()> {
        let packet = DataPacket {
            payload: text.as_bytes().to_vec(),
            topic: Some("test".to_owned()),
            reliable: true,
            ..Default::default()
        };
        self.room.local_participant().publish_data(packet).await
    }

    /// What has happened up to now and was not waited for.
    pub(crate) fn events(&mut self) -> Vec<RoomEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub(crate) async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(RoomEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the room is there");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        patient(what, found).await
    }

    /// The ends of each path in use: ours and the server's.
    pub(crate) async fn paths(&self) -> Vec<(IceCandidateStats, IceCandidateStats)> {
        let stats = self.room.get_stats().await.expect("figures");
        [stats.publisher_stats, stats.subscriber_stats]
            .iter()
            .filter_map(|stats| {
                let local = stats.iter().find_map(|stats| match stats {
                    RtcStats::LocalCandidate(end) => Some(end.local_candidate.clone()),
                    _ => None,
                });
                let remote = stats.iter().find_map(|stats| match stats {
                    RtcStats::RemoteCandidate(end) => Some(end.remote_candidate.clone()),
                    _ => None,
                });
                local.zip(remote)
            })
            .collect()
    }
}

/// Lets somebody into the room.
pub(crate) fn token(room: &str, identity: &str) -> String {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_owned(),
        ..Default::default()
    };
    AccessToken::with_api_key(KEY, SECRET)
        .with_identity(identity)
        .with_grants(grants)
        .to_jwt()
        .expect("a token")
}

/// A tone that is played until this is dropped.
pub(crate) struct Tone(tokio::task::JoinHandle<()>);

impl Tone {
    /// Says nothing more by the track.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Tone {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn play(source: NativeAudioSource) {
    let samples: Vec<i16> = (0..RATE_HZ / 100)
        .map(|sample| {
            let angle = f64::from(sample) * 1000.0 * std::f64::consts::TAU / f64::from(RATE_HZ);
            (angle.sin() * 8000.0) as i16
        })
        .collect();
    loop {
        let frame = AudioFrame {
            data: samples.as_slice().into(),
            sample_rate: RATE_HZ,
            num_channels: 1,
            samples_per_channel: RATE_HZ / 100,
        };
        if source.capture_frame(&frame).await.is_err() {
            return;
        }
    }
}

/// Waits until half a second of the tone is heard without a hole.
pub(crate) async fn hear_tone(stream: &mut NativeAudioStream) {
    let heard = async {
        let (mut last, mut rises) = (0, Vec::new());
        loop {
            let frame = next(stream).await.expect("the track is there");
            rises.push(
                frame
                    .data
                    .iter()
                    .filter(|sample| {
                        let rise = last < 0 && **sample >= 0;
                        last = **sample;
                        rise
                    })
                    .count(),
            );
            let recent: usize = rises.iter().rev().take(50).sum();
            if rises.len() > 50 && (495..=505).contains(&recent) {
                return;
            }
        }
    };
    patient("the tone", heard).await;
}

/// What a stream gives next, until it ends.
pub(crate) async fn next(stream: &mut NativeAudioStream) -> Option<AudioFrame<'static>> {
    std::future::poll_fn(|context| futures_core::Stream::poll_next(std::pin::Pin::new(&mut *stream), context))
        .await
}

/// Two who join, hear each other and exchange messages.
pub(crate) struct Call {
    pub(crate) ada: Participant,
    pub(crate) ben: Participant,
    pub(crate) heard: NativeAudioStream,
    _tone: Tone,
}

impl Call {
    pub(crate) async fn begin(server: &Server, options: impl Fn() -> RoomOptions) -> Self {
        let ada = Participant::join(server, "ada", options()).await;
        let mut ben = Participant::join(server, "ben", options()).await;
        let tone = ada.speak().await;
        let heard = ben.listen().await;
        let mut call = Self {
            ada,
            ben,
            heard,
            _tone: tone,
        };
        call.works().await;
        call
    }

    /// Checks that audio and messages arrive.
    pub(crate) async fn works(&mut self) {
        hear_tone(&mut self.heard).await;
        self.talk("hello").await;
    }

    /// Checks that this message arrives, both ways.
    pub(crate) async fn talk(&mut self, text: &str) {
        self.ada.say(&mut self.ben, text).await;
        self.ben.say(&mut self.ada, text).await;
    }

    /// The ends of every path in use: ours and the server's.
    pub(crate) async fn paths(&self) -> Vec<(IceCandidateStats, IceCandidateStats)> {
        let mut paths = self.ada.paths().await;
        paths.extend(self.ben.paths().await);
        assert!(paths.len() >= 2, "{paths:?}");
        paths
    }

    /// The addresses that participants are reached by.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        let mut addresses: Vec<String> = self
            .paths()
            .await
            .into_iter()
            .map(|(ours, _)| ours.address)
            .collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }
}

/// What participants join with.
pub(crate) fn options(connections: PeerConnections) -> RoomOptions {
    let mut options = RoomOptions::default();
    options.single_peer_connection = connections == PeerConnections::One;
    options
}

/// Two for each participant, as older servers want it, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerConnections {
    One,
    Two,
}

pub(crate) async fn patient<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or scripts/with-services COMMAND"))
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("libwebrtc-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

const KEY: &str = "devkey";
const SECRET: &str = "secretsecretsecretsecretsecretsecret";
const RATE_HZ: u32 = 48_000;
/// These machines are shared: a test that waits this long for something small has failed.
const PATIENCE: Duration = Duration::from_secs(40);
