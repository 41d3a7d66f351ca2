//! A worker in real rooms of a real LiveKit server, with a scripted recogniser: from speech to captions and transcript.

#[path = "support/config.rs"]
mod config;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use lectern_agent::{Config, Context, LiveKit};
use lectern_pipelines::{RoomName, Stage};
use lectern_storage::{Database, DatabaseConfig, Objects, ObjectsConfig, Writer};
use livekit::{
    Room, RoomEvent, RoomOptions, StreamReader,
    options::TrackPublishOptions,
    prelude::{LocalAudioTrack, LocalTrack, TrackSource},
    webrtc::{
        audio_frame::AudioFrame,
        audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
    },
};
use livekit_api::{
    access_token::{AccessToken, VideoGrants},
    services::room::RoomClient,
};
use livekit_protocol::{RoomAgentDispatch, RoomConfiguration};
use secrecy::SecretString;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{Message, handshake::server::Request},
};

const RATE_HZ: u32 = 16_000;
const FRAME_MS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_becomes_captions_in_three_forms_and_a_transcript() {
    let world = World::start("three-forms").await;
    let mut speaker = world.enter("ada").await;
    speaker.speak(Duration::from_secs(6)).await;
    let stream = speaker
        .caption(|caption| caption.form == Form::Stream && caption.is_final)
        .await;
    assert_eq!(stream.sender, "ada", "captions are attributed to whoever spoke");
    assert!(stream.text.starts_with("Heard"), "{stream:?}");
    let packet = speaker
        .caption(|caption| caption.form == Form::Transcription && caption.is_final)
        .await;
    assert_eq!(
        (packet.id.as_str(), packet.text.as_str()),
        (stream.id.as_str(), stream.text.as_str())
    );
    let data = speaker
        .caption(|caption| caption.form == Form::Data && caption.is_final)
        .await;
    assert_eq!(
        (data.id.as_str(), data.text.as_str()),
        (stream.id.as_str(), stream.text.as_str())
    );
    for form in [Form::Stream, Form::Transcription, Form::Data] {
        speaker.assert_order(form, &stream.id);
    }
    world.close_room().await;
    let meeting = world.transcribed(Duration::from_secs(8)).await;
    let lecture = world
        .database
        .lecture(&meeting)
        .await
        .expect("a database")
        .expect("a meeting");
    let stored: Vec<&str> = lecture
        .segments
        .iter()
        .map(|segment| segment.id.as_str())
        .collect();
    assert_eq!(
        stored,
        speaker.finals(),
        "what was shown as final is what is stored, once, in order"
    );
    assert!(
        lecture
            .participants
            .iter()
            .any(|participant| participant.name == "Name of ada")
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_opts_out_is_not_listened_to_from_then_on() {
    let world = World::start("opt-out").await;
    let mut speaker = world.enter("bob").await;
    speaker.speak(Duration::from_secs(3)).await;
    speaker.caption(|caption| caption.form == Form::Stream).await;
    speaker.set_attribute("lectern.captions", "off");
    // What was said before may still be on its way.
    sleep(Duration::from_secs(2)).await;
    let heard = world.recogniser.audio_bytes();
    speaker.speak(Duration::from_secs(3)).await;
    assert_eq!(
        world.recogniser.audio_bytes(),
        heard,
        "speech after the opt-out reached the recogniser"
    );
    speaker.set_attribute("lectern.captions", "on");
    speaker.speak(Duration::from_secs(4)).await;
    assert!(
        world.recogniser.audio_bytes() > heard,
        "speech after opting in again was not heard"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_speaks_another_language_is_listened_to_in_it() {
    let world = World::start("language").await;
    let mut speaker = world.enter("olena").await;
    speaker.speak(Duration::from_secs(3)).await;
    speaker.caption(|caption| caption.form == Form::Stream).await;
    assert!(!world.recogniser.last_asked().contains("language="));
    speaker.set_attribute("lectern.language", "uk");
    // The attribute's way through the server; and it counts from a pause on.
    sleep(Duration::from_secs(3)).await;
    speaker.speak(Duration::from_secs(3)).await;
    let asked = world.recogniser.last_asked();
    assert!(asked.contains("&language=uk"), "{asked}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recogniser_that_breaks_off_mid_sentence_loses_no_final() {
    let world = World::start("breaks-off").await;
    let mut speaker = world.enter("eve").await;
    let breaking = world.recogniser.clone();
    let breaker = tokio::spawn(async move {
        sleep(Duration::from_millis(2500)).await;
        breaking.break_connections();
    });
    speaker.speak(Duration::from_secs(8)).await;
    breaker.await.expect("no panic");
    world.close_room().await;
    let meeting = world.transcribed(Duration::from_secs(10)).await;
    let lecture = world
        .database
        .lecture(&meeting)
        .await
        .expect("a database")
        .expect("a meeting");
    assert!(
        world.recogniser.connections() >= 2,
        "the connection was not opened again"
    );
    assert!(!lecture.segments.is_empty());
    assert!(lecture.gaps.is_empty(), "{:?}", lecture.gaps);
    world.stop().await;
}

/// A worker with its own database and recogniser, and one room.
struct World {
    room: String,
    server: Server,
    database: Database,
    recogniser: Recogniser,
    stop: oneshot::Sender<()>,
    worker: tokio::task::JoinHandle<()>,
    _folder: Folder,
}

impl World {
    async fn start(name: &str) -> Self {
        let server = Server::from_environment();
        let room = format!("{name}-{}", uuid::Uuid::now_v7().simple());
        let folder = Folder::new(&room);
        let recogniser = Recogniser::start().await;
        let database = Database::open(&DatabaseConfig {
            url: None,
            direct_url: None,
            data_dir: folder.0.clone(),
            max_connections: 4,
        })
        .await
        .expect("a database");
        database.migrate().await.expect("tables");
        let (writer, _) = Writer::start(database.clone());
        let objects = Objects::open(&ObjectsConfig {
            folder: folder.0.clone(),
            s3: None,
        });
        let config = config(&server, &recogniser, &room);
        let context =
            Arc::new(Context::new(config, database.clone(), writer, objects).expect("a good configuration"));
        let (stop, stopped) = oneshot::channel::<()>();
        let mut registered = context.registered();
        let worker = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            lectern_agent::run(context, shutdown, std::future::pending())
                .await
                .expect("a worker that ends well");
        });
        timeout(
            Duration::from_secs(10),
            registered.wait_for(|&registered| registered),
        )
        .await
        .expect("registered within 10 s; is a LiveKit server there?")
        .expect("the worker lives");
        Self {
            room,
            server,
            database,
            recogniser,
            stop,
            worker,
            _folder: folder,
        }
    }

    async fn enter(&self, identity: &str) -> Speaker {
        Speaker::enter(&self.server, &self.room, identity).await
    }

    async fn close_room(&self) {
        self.server
            .rooms()
            .delete_room(&self.room)
            .await
            .expect("a room that can be deleted");
    }

    /// The meeting, once its transcript is complete.
    async fn transcribed(&self, within: Duration) -> lectern_pipelines::MeetingId {
        let name = RoomName::parse(self.room.clone()).expect("a good name");
        let begun = Instant::now();
        loop {
            let meeting = self.database.latest_meeting(&name).await.expect("a database");
            if let Some(meeting) = meeting.filter(|meeting| meeting.stage >= Stage::Transcribed) {
                eprintln!(
                    "transcribed {} ms after the room closed",
                    begun.elapsed().as_millis()
                );
                return meeting.id;
            }
            assert!(begun.elapsed() < within, "no transcript within {within:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn stop(self) {
        self.stop.send(()).expect("a running worker");
        timeout(Duration::from_secs(20), self.worker)
            .await
            .expect("the worker ends")
            .expect("no panic");
    }
}

fn config(server: &Server, recogniser: &Recogniser, agent_name: &str) -> Config {
    let mut config = config::lonely(Path::new("/bin/false"));
    config.livekit = LiveKit {
        url: server.url.clone(),
        api_key: server.key.clone(),
        api_secret: SecretString::from(server.secret.clone()),
    };
    config.agent_name = agent_name.to_owned();
    config.stt.servers[0].base_url = recogniser.url.clone();
    config.stt.servers[0].api_key = Some(SecretString::from("key"));
    config
}

struct Server {
    url: String,
    key: String,
    secret: String,
}

impl Server {
    fn from_environment() -> Self {
        let setting = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: run the tests by `scripts/with-services cargo test`")
            })
        };
        Self {
            url: setting("LIVEKIT_URL"),
            key: setting("LIVEKIT_API_KEY"),
            secret: setting("LIVEKIT_API_SECRET"),
        }
    }

    fn rooms(&self) -> RoomClient {
        RoomClient::with_api_key(&self.url.replacen("ws", "http", 1), &self.key, &self.secret)
    }

    fn token(&self, room: &str, identity: &str) -> String {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_update_own_metadata: Some(true),
            ..Default::default()
        };
        // By name, so that tests side by side don't take each other's rooms.
        let agent = RoomAgentDispatch {
            agent_name: room.to_owned(),
            ..Default::default()
        };
        let asks_for_agent = RoomConfiguration {
            agents: vec![agent],
            empty_timeout: 60,
            ..Default::default()
        };
        AccessToken::with_api_key(&self.key, &self.secret)
            .with_identity(identity)
            .with_name(&format!("Name of {identity}"))
            .with_grants(grants)
            .with_room_config(asks_for_agent)
            .to_jwt()
            .expect("a token")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Stream,
    Transcription,
    Data,
}

#[derive(Debug, Clone)]
struct Seen {
    form: Form,
    id: String,
    sender: String,
    text: String,
    is_final: bool,
}

/// A participant who speaks, and sees captions.
struct Speaker {
    room: Room,
    source: NativeAudioSource,
    speech: Vec<i16>,
    position: usize,
    seen: Vec<Seen>,
    incoming: mpsc::UnboundedReceiver<Seen>,
}

impl Speaker {
    async fn enter(server: &Server, room: &str, identity: &str) -> Self {
        let (room, events) =
            Room::connect(&server.url, &server.token(room, identity), RoomOptions::default())
                .await
                .expect("a room to enter");
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(watch(events, sender));
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 200);
        let track = LocalAudioTrack::create_audio_track("microphone", RtcAudioSource::Native(source.clone()));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            ..Default::default()
        };
        room.local_participant()
            .publish_track(LocalTrack::Audio(track), options)
            .await
            .expect("a track to publish");
        Self {
            room,
            source,
            speech: speech(),
            position: 0,
            seen: Vec::new(),
            incoming,
        }
    }

    /// Goes on with the recording for so long, then is silent for a moment, in real time.
    async fn speak(&mut self, duration: Duration) {
        let frames = duration.as_millis() as u32 / FRAME_MS;
        for _ in 0..frames {
            self.play_frame(true).await;
        }
        for _ in 0..150 {
            self.play_frame(false).await;
        }
    }

    async fn play_frame(&mut self, is_voice: bool) {
        let length = (RATE_HZ * FRAME_MS / 1000) as usize;
        let data: Vec<i16> = match is_voice {
            true => (0..length)
                .map(|at| self.speech[(self.position + at) % self.speech.len()])
                .collect(),
            false => vec![0; length],
        };
        self.position += length;
        let frame = AudioFrame {
            data: data.into(),
            sample_rate: RATE_HZ,
            num_channels: 1,
            samples_per_channel: length as u32,
        };
        self.source
            .capture_frame(&frame)
            .await
            .expect("a source that takes audio");
    }

    /// The first caption like this, among those seen or still to come.
    async fn caption(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        if let Some(seen) = self.seen.iter().find(|seen| wanted(seen)) {
            return seen.clone();
        }
        loop {
            let next = timeout(Duration::from_secs(10), self.incoming.recv()).await;
            let seen = next
                .expect("such a caption within 10 s")
                .expect("we are in the room");
            self.seen.push(seen.clone());
            if wanted(&seen) {
                return seen;
            }
        }
    }

    /// A segment grows as an interim, and ends in a final.
    fn assert_order(&mut self, form: Form, id: &str) {
        self.take_what_came();
        let finality: Vec<bool> = self
            .seen
            .iter()
            .filter(|seen| seen.form == form && seen.id == id)
            .map(|seen| seen.is_final)
            .collect();
        assert!(
            finality.len() >= 2,
            "{form:?}: no interim came before the final: {:?}",
            self.seen
        );
        let last = finality.len() - 1;
        assert!(
            finality[last] && !finality[..last].contains(&true),
            "{form:?}: {finality:?}"
        );
    }

    /// The ids of final streams with text, in the order they came.
    fn finals(&mut self) -> Vec<String> {
        self.take_what_came();
        let finals = self
            .seen
            .iter()
            .filter(|seen| seen.form == Form::Stream && seen.is_final && !seen.text.is_empty());
        finals.map(|seen| seen.id.clone()).collect()
    }

    fn take_what_came(&mut self) {
        while let Ok(seen) = self.incoming.try_recv() {
            self.seen.push(seen);
        }
    }

    /// Doesn't wait for an answer, which LiveKit gives to a wrong request only.
    fn set_attribute(&self, name: &str, value: &str) {
        let attributes = HashMap::from([(name.to_owned(), value.to_owned())]);
        let participant = self.room.local_participant();
        tokio::spawn(async move { participant.set_attributes(attributes).await });
    }
}

async fn watch(mut events: mpsc::UnboundedReceiver<RoomEvent>, seen: mpsc::UnboundedSender<Seen>) {
    while let Some(event) = events.recv().await {
        match event {
            RoomEvent::TextStreamOpened {
                reader,
                topic,
                participant_identity,
            } if topic == "lk.transcription" => {
                let Some(reader) = reader.take() else { continue };
                let attributes = reader.info().attributes().clone();
                let text = reader.read_all().await.expect("a whole stream");
                let caption = Seen {
                    form: Form::Stream,
                    id: attributes["lk.segment_id"].clone(),
                    sender: participant_identity.to_string(),
                    text,
                    is_final: attributes["lk.transcription_final"] == "true",
                };
                let _ = seen.send(caption);
            }
            RoomEvent::TranscriptionReceived {
                participant,
                segments,
                ..
            } => {
                for segment in segments {
                    let sender = participant
                        .as_ref()
                        .map(|it| it.identity().to_string())
                        .unwrap_or_default();
                    let _ = seen.send(Seen {
                        form: Form::Transcription,
                        id: segment.id,
                        sender,
                        text: segment.text,
                        is_final: segment.r#final,
                    });
                }
            }
            RoomEvent::DataReceived { payload, topic, .. }
                if topic.as_deref() == Some("lectern.captions") =>
            {
                let packet: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
                if packet["type"] == "caption" {
                    let text = |name: &str| packet[name].as_str().unwrap_or_default().to_owned();
                    let _ = seen.send(Seen {
                        form: Form::Data,
                        id: text("segmentId"),
                        sender: text("identity"),
                        text: text("text"),
                        is_final: packet["final"] == true,
                    });
                }
            }
            _ => {}
        }
    }
}

/// A recogniser that says how much it has heard: an interim every half second, a final when asked for one.
#[derive(Clone)]
struct Recogniser {
    url: String,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    audio_bytes: AtomicU64,
    connections: AtomicU64,
    /// What each connection asked for.
    asked: Mutex<Vec<String>>,
    breakers: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Recogniser {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heard = Arc::new(Heard::default());
        let recogniser = Self {
            url,
            heard: Arc::clone(&heard),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (breaker, broken) = oneshot::channel();
                heard.breakers.lock().expect("no panic").push(breaker);
                heard.connections.fetch_add(1, Ordering::SeqCst);
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    tokio::select! {
                        () = converse(stream, &heard) => {}
                        _ = broken => {}
                    }
                });
            }
        });
        recogniser
    }

    fn audio_bytes(&self) -> u64 {
        self.heard.audio_bytes.load(Ordering::SeqCst)
    }

    fn connections(&self) -> u64 {
        self.heard.connections.load(Ordering::SeqCst)
    }

    /// What the last connection asked for.
    fn last_asked(&self) -> String {
        let asked = self.heard.asked.lock().expect("no panic");
        asked.last().cloned().unwrap_or_default()
    }

    fn break_connections(&self) {
        for breaker in self.heard.breakers.lock().expect("no panic").drain(..) {
            let _ = breaker.send(());
        }
    }
}

async fn converse(stream: TcpStream, heard: &Heard) {
    #[expect(clippy::result_large_err, reason = "the signature of the library's callback")]
    let note = |request: &Request, response| {
        heard
            .asked
            .lock()
            .expect("no panic")
            .push(request.uri().to_string());
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, note).await.expect("an upgrade");
    let (mut bytes, mut said) = (0_u64, 0_u64);
    while let Some(Ok(message)) = socket.next().await {
        let (flags, is_over) = match message {
            Message::Binary(audio) => {
                heard.audio_bytes.fetch_add(audio.len() as u64, Ordering::SeqCst);
                bytes += audio.len() as u64;
                if bytes < said + 16_000 {
                    continue;
                }
                (r#""is_final":false,"speech_final":false"#, false)
            }
            Message::Text(text) if text.contains("Finalize") => (
                r#""is_final":true,"speech_final":true,"from_finalize":true"#,
                false,
            ),
            Message::Text(text) if text.contains("CloseStream") => {
                (r#""is_final":true,"speech_final":true"#, true)
            }
            _ => continue,
        };
        let (start, duration) = (said as f64 / 32_000.0, (bytes - said) as f64 / 32_000.0);
        let text = if bytes > said {
            format!("Heard {duration:.1} s.")
        } else {
            String::new()
        };
        let reply = format!(
            r#"{{"type":"Results",{flags},"start":{start},"duration":{duration},"channel":{{"alternatives":[{{"transcript":"{text}","confidence":0.9,"words":[]}}]}}}}"#
        );
        if flags.contains(r#""is_final":true"#) {
            said = bytes;
        }
        if socket.send(Message::text(reply)).await.is_err() || is_over {
            break;
        }
    }
    let _ = socket.close(None).await;
}

/// Somebody reading Jane Austen, 16 kHz mono.
fn speech() -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/austen/austen.wav");
    let bytes = std::fs::read(path).expect("fixtures/austen/austen.wav");
    const HEADER_BYTES: usize = 44;
    bytes[HEADER_BYTES..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lectern-{name}"));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
