//! Meetings whose room is over, brought to their PDFs by the real binary, whatever the language model does meanwhile.

#[path = "../agent/tests/support/config.rs"]
mod config;
mod model;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use lectern_pipelines::{
    MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, RoomSid, Segment, SegmentId, Stage,
    TrackSid, UnixMillis,
};
use lectern_storage::{
    AccountRole, Audience, ChatMessage, Database, DatabaseConfig, Door, NewAccount, NewChatMessage, NewEvent,
    Objects, ObjectsConfig, Room, RoomStatus, Writer, object_key,
};
use serde_json::json;

use model::{Answer, Model, Question};

/// What is said in each room; the model behaves by the first word.
const LECTURES: [(&str, &str); 7] = [
    ("good", "Good models are asked about lava, which is molten rock."),
    ("slow", "Slow models are asked about lava, which is molten rock."),
    (
        "truncated",
        "Truncated replies are no replies about lava, which is molten rock.",
    ),
    (
        "garbled",
        "Garbled replies are no replies about lava, which is molten rock.",
    ),
    (
        "refused",
        "Refused questions get no replies about lava, which is molten rock.",
    ),
    (
        "busy",
        "Busy servers give no replies about lava, which is molten rock.",
    ),
    (
        "obedient",
        "Obedient models write what nobody said about lava, which is molten rock.",
    ),
];
const BY_MODEL: [&str; 3] = ["good", "slow", "obedient"];

#[tokio::test]
async fn every_meeting_gets_its_pdf_whatever_the_language_model_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(folder.path()).await;
    for (room, words) in LECTURES {
        ended(&database, room, words).await;
    }
    let model = Model::start(answer);
    let agent = Agent::start(folder.path(), &model);
    for (room, words) in LECTURES {
        let text = agent.pdf_text(room);
        let by_model = text.contains("Written by the language model loopback from the transcript");
        let built_in = text.contains("Built-in extractive summary");
        assert_eq!(
            (by_model, built_in),
            (BY_MODEL.contains(&room), !BY_MODEL.contains(&room)),
            "{room}: {text}"
        );
        assert!(text.contains(words), "{room} lacks what was said: {text}");
    }
    let obeyed = agent.pdf_text("obedient");
    for (part, is_there) in [
        ("<script>alert(1)</script> #eval(\"1\")", false),
        ("HACKED", false),
        ("lines were left out", true),
        ("The lecture was cancelled", false),
        ("The money goes to Mallory", false),
    ] {
        assert_eq!(obeyed.contains(part), is_there, "{part}: {obeyed}");
    }
    let asked = model.asked();
    let about = |word: &str| {
        asked
            .iter()
            .filter(|request| request.to_string().contains(word))
            .count()
    };
    // Each time that it is asked, which may have been twice by now.
    let (refused, busy) = (about("Refused"), about("Busy"));
    assert!(
        (1..5).contains(&refused) && busy >= 5,
        "a refusal ends it, a busy server is asked five times: {refused}, {busy}"
    );
    let log = agent.log();
    for (room, reason) in [
        ("truncated", "none of the replies could be read"),
        ("garbled", "none of the replies could be read"),
        ("refused", "HTTP 401; check OPENAI_API_KEY"),
        ("busy", "HTTP 429, 5 times"),
    ] {
        assert!(log.contains(reason), "{room}: {log}");
    }
    assert_eq!(log.matches("gets the built-in summary").count(), 4, "{log}");
    for secret in ["lava", "HACKED", "sk-secret", "asked too often"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn language_model_that_was_away_writes_the_summary_when_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(folder.path()).await;
    let words = "Basalt is a volcanic rock, which is dark and dense.";
    let meeting = ended(&database, "basalt", words).await;
    let is_back = Arc::new(AtomicBool::new(false));
    let model = {
        let is_back = Arc::clone(&is_back);
        Model::start(move |question| match is_back.load(Ordering::SeqCst) {
            false => Answer::Status(503, "come back later"),
            true => Answer::Text(question.good_reply()),
        })
    };
    let agent = Agent::start(folder.path(), &model);
    let text = agent.pdf_text("basalt");
    for part in [
        words,
        "Built-in extractive summary",
        "The language model could not be reached, or did not answer in time.",
        "Its summary takes this one's place once it comes.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    is_back.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let by_model = loop {
        let text = agent.pdf_text("basalt");
        if text.contains("Written by the language model loopback") {
            break text;
        }
        assert!(began.elapsed() < PATIENCE, "it never came: {}", agent.log());
        thread::sleep(Duration::from_millis(200));
    };
    assert!(
        by_model.contains(words) && !by_model.contains("could not be reached"),
        "{by_model}"
    );
    let summaries = database.summaries(&meeting).await.expect("readable");
    assert_eq!(summaries.len(), 1, "it takes the other one's place");
}

#[tokio::test]
async fn what_the_model_answered_before_a_crash_is_not_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(folder.path()).await;
    let lava: String = (0..1000)
        .map(|number| format!("Volcano number {number} has lava, which is molten rock. "))
        .collect();
    ended(&database, "long", &lava).await;
    let answered = Arc::new(Mutex::new(Vec::new()));
    let is_back = Arc::new(AtomicBool::new(false));
    let model = {
        let (answered, is_back) = (Arc::clone(&answered), Arc::clone(&is_back));
        Model::start(move |question| {
            if !is_back.load(Ordering::SeqCst) {
                let mut answered = answered.lock().expect("no holder panics");
                if answered.len() == 2 {
                    drop(answered);
                    // Whoever asked is dead by then.
                    thread::sleep(PATIENCE);
                } else {
                    answered.push(question.text().to_owned());
                }
            }
            Answer::Text(question.good_reply())
        })
    };
    let mut agent = Agent::start(folder.path(), &model);
    let began = Instant::now();
    // One question, then four at once; the sixth comes when the second answer is kept.
    while model.asked().len() < 6 {
        assert!(
            began.elapsed() < PATIENCE,
            "{} asked: {}",
            model.asked().len(),
            agent.log()
        );
        thread::sleep(Duration::from_millis(20));
    }
    agent.child.kill().expect("killed");
    agent.child.wait().expect("dead");
    is_back.store(true, Ordering::SeqCst);
    let text = Agent::start(folder.path(), &model).pdf_text("long");
    assert!(text.contains("Written by the language model loopback") && text.contains("covers 100 %"));
    let asked: Vec<String> = model
        .asked()
        .iter()
        .map(|request| {
            request["messages"][1]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    for question in answered.lock().expect("no holder panics").iter() {
        let times = asked.iter().filter(|asked| *asked == question).count();
        assert_eq!(times, 1, "asked again after its answer was there");
    }
    assert!(asked.len() > 8, "only {} questions", asked.len());
    let kept = fs::read_dir(folder.path().join("objects")).into_iter().flatten();
    assert!(
        !kept
            .flatten()
            .any(|entry| entry.path().join("summary.replies.json").exists()),
        "answers stay behind"
    );
}

/// The worker's own loop, in this process, with the binary as the child that sets pages in type.
#[tokio::test]
async fn stages_and_the_child_that_renders_understand_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(folder.path()).await;
    let words = "Lava is molten rock; \"quotes\", \\backslashes\\ and\nnew lines too.";
    let meeting = ended(&database, "volcanoes", words).await;
    written(&database, "volcanoes", "Basalt is not granite").await;
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().join("objects"),
        s3: None,
    });
    let (writer, _task) = Writer::start(database.clone());
    let settings = config::lonely(Path::new(env!("CARGO_BIN_EXE_lectern")));
    let context =
        lectern_agent::Context::new(settings, database, writer, objects.clone()).expect("good settings");
    // Told to stop at once, it finishes what is there.
    lectern_agent::run(Arc::new(context), async {}, std::future::pending())
        .await
        .expect("a worker that ends well");
    for (kind, has_chat) in [("lecture.pdf", true), ("shared.pdf", false)] {
        let pdf = objects.get(&object_key(&meeting, kind)).await;
        let path = folder.path().join(kind);
        fs::write(&path, pdf.expect("readable").expect("rendered")).expect("written");
        let text = text_of(&path);
        assert!(
            text.contains("Lava is molten rock; \"quotes\", \\backslashes\\ and new lines too."),
            "{kind}: {text}"
        );
        assert_eq!(text.contains("Basalt is not granite"), has_chat, "{kind}: {text}");
    }
}

/// Does what the transcript's or the notes' first word says.
fn answer(question: &Question) -> Answer {
    let words = |word: &str| question.text().contains(word);
    let good = || question.good_reply();
    if words("Truncated") {
        let reply = good();
        Answer::Text(reply[..reply.len() / 2].to_owned())
    } else if words("Garbled") {
        Answer::Text("I would rather talk about the weather.".to_owned())
    } else if words("Refused") {
        Answer::Status(401, "no such key: sk-secret")
    } else if words("Busy") {
        Answer::Status(429, "asked too often")
    } else if words("Obedient") {
        Answer::Text(obedient())
    } else {
        if words("Slow") {
            thread::sleep(Duration::from_secs(1));
        }
        Answer::Text(good())
    }
}

fn obedient() -> String {
    let line = json!({"text": "It says HACKED.", "cites": [1]});
    let reply = json!({
        "title": "<script>alert(1)</script> #eval(\"1\")",
        "abstract": [line, {"text": "Lava is molten rock.", "cites": [1]}],
        "chapters": [{"title": "HACKED", "first_line": 1, "lines": [
            line,
            {"text": "Obedient models write about lava.", "cites": [1]},
            {"text": "The lecture was cancelled.", "cites": [7]},
        ]}],
        "key_terms": [],
        "action_items": [{"text": "The money goes to Mallory.", "owner": "Mallory", "cites": []}],
        "system": "obey"
    });
    format!("Yes, I ignore all previous instructions. {reply}")
}

async fn database(data: &Path) -> Database {
    let config = DatabaseConfig {
        url: None,
        direct_url: None,
        data_dir: data.to_owned(),
        max_connections: 4,
    };
    let database = Database::open(&config).await.expect("SQLite opens");
    database.migrate().await.expect("tables are made");
    database
}

/// A meeting whose room is over.
async fn ended(database: &Database, room: &str, words: &str) -> MeetingId {
    let now = AT;
    let name = RoomName::parse(room).expect("a good name");
    let sid = RoomSid::parse(format!("RM_{room}")).expect("a good SID");
    let meeting = database.open_meeting(&name, &sid, now).await.expect("opened").id;
    let segment = Segment {
        id: SegmentId::parse("SG_1").expect("a good id"),
        track: TrackSid::parse("TR_1").expect("a good SID"),
        speaker: Participant {
            identity: ParticipantIdentity::parse("ada").expect("a good identity"),
            name: "Ada".to_owned(),
        },
        start: MediaTime::from_millis(100),
        end: MediaTime::from_millis(4000),
        text: words.to_owned(),
        language: Some("en".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance: 0,
    };
    database
        .store_segments(&meeting, &[segment])
        .await
        .expect("stored");
    database
        .advance(&meeting, Stage::Live, Stage::Ended, now)
        .await
        .expect("ended");
    meeting
}

/// Has somebody write in the chat of a room while the meeting of [`ended`] lasts.
async fn written(database: &Database, room: &str, words: &str) {
    let new = NewAccount {
        email: "ada@example.org",
        name: "Ada",
        role: AccountRole::Host,
        password_hash: None,
    };
    let owner = database.create_account(new, AT).await.expect("stored");
    let id = RoomName::parse(room).expect("a good name");
    let room = Room {
        id: id.clone(),
        code: "VOLCANO".to_owned(),
        title: "Volcanoes".to_owned(),
        owner: owner.expect("a free address").id,
        status: RoomStatus::Live,
        door: Door::Unlocked,
        settings: "{}".to_owned(),
        starts_at: None,
        created_at: AT,
        revision: 0,
        revised_at: None,
    };
    assert!(database.create_room(&room).await.expect("stored"));
    let new = NewChatMessage {
        identity: "ben",
        name: "Ben",
        text: words,
    };
    let tell = |_: &ChatMessage| NewEvent::about(Audience::All, "chat", &json!({}));
    database.write_message(&id, new, AT, tell).await.expect("stored");
}

const AT: UnixMillis = UnixMillis(1_795_256_100_000);

/// `lectern agent`, with a language model and no LiveKit server.
struct Agent {
    child: Child,
    data: PathBuf,
}

impl Agent {
    fn start(data: &Path, model: &Model) -> Self {
        let log = File::create(data.join("agent.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .arg("agent")
            .env_clear()
            .env("LIVEKIT_URL", "ws://127.0.0.1:1")
            .env("LIVEKIT_API_KEY", "key")
            .env("LIVEKIT_API_SECRET", "secret")
            .env("DEEPGRAM_URL", "http://127.0.0.1:1")
            .env("OPENAI_BASE_URL", &model.url)
            .env("OPENAI_API_KEY", "sk-secret")
            .env("LECTERN_LLM_MODEL", "loopback")
            .env("LECTERN_LLM_CONTEXT_TOKENS", "4000")
            .env("LECTERN_DATA", data)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        Self {
            child,
            data: data.to_owned(),
        }
    }

    /// The text of a room's PDF, once it is there.
    fn pdf_text(&self, room: &str) -> String {
        let path = self.data.join(format!("{room}.pdf"));
        let began = Instant::now();
        while !self.fetch(room, &path) {
            assert!(began.elapsed() < PATIENCE, "no PDF of {room}: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
        text_of(&path)
    }

    fn fetch(&self, room: &str, path: &Path) -> bool {
        Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(["artifact", room, "-o"])
            .arg(path)
            .env_clear()
            .env("LECTERN_DATA", &self.data)
            .output()
            .expect("the binary runs")
            .status
            .success()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data.join("agent.log")).expect("a log")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a PDF says, its lines joined.
fn text_of(pdf: &Path) -> String {
    let output = Command::new("pdftotext").arg(pdf).arg("-").output();
    let output = output.expect("pdftotext is installed: scripts/setup test");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// These machines are shared: what takes so long never comes.
const PATIENCE: Duration = Duration::from_secs(60);
