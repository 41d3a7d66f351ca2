//! Webhooks out, to endpoints that take, fail, redirect, hang, or are where they should not be.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio, time::Duration};

use lectern_pipelines::{
    DeliveryId, HookId, MediaTime, Participant, ParticipantIdentity, RoomName, RoomSid, Segment, SegmentId,
    Stage, TrackSid, UnixMillis,
};
use lectern_service::{Health, PlainHttp, PrivateAddresses, Service, Settings, Webhooks, serve};
use lectern_storage::{Attempt, Database};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, sync::OnceCell, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    receiver::{Receiver, Reply, Request},
    world::{Place, Proof, World, code, text},
};

/// A webhook of a room, to nowhere.
pub(crate) async fn made(world: &World, host: &Proof, room: &str) -> Value {
    let body = json!({ "url": "https://hooks.invalid/", "events": ["room.started"], "roomId": room });
    world.ok(Method::POST, "/api/webhooks", host, Some(body)).await
}

/// Receivers are on this machine.
fn lenient(settings: &mut Settings) {
    settings.webhooks = Webhooks {
        private_addresses: PrivateAddresses::Allowed,
        plain_http: PlainHttp::Allowed,
        answer_within: Duration::from_secs(2),
    };
}

/// A webhook of an administrator.
struct Scene {
    world: World,
    admin: Proof,
    hook: String,
    secret: String,
}

impl Scene {
    async fn new(url: &str, events: Value, change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Place::Sqlite, url, events, change).await
    }

    async fn at(place: Place, url: &str, events: Value, change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::at(place, change).await;
        let admin = world.admin().await;
        let body = json!({ "url": url, "events": events });
        let made = world.ok(Method::POST, "/api/webhooks", &admin, Some(body)).await;
        Self {
            hook: text(&made["id"]),
            secret: text(&made["secret"]),
            world,
            admin,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/webhooks/{}{rest}", self.hook)
    }

    async fn ping(&self) -> Value {
        self.world
            .ok(Method::POST, &self.path("/ping"), &self.admin, None)
            .await
    }

    async fn view(&self) -> Value {
        self.world
            .ok(Method::GET, &self.path(""), &self.admin, None)
            .await
    }

    async fn deliveries(&self) -> Vec<Value> {
        let listed = self
            .world
            .ok(Method::GET, &self.path("/deliveries"), &self.admin, None)
            .await;
        listed["items"].as_array().expect("a list").clone()
    }

    /// Waits until the latest delivery is so.
    async fn until(&self, holds: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let latest = self.deliveries().await.into_iter().next();
                if let Some(latest) = latest.filter(|latest| holds(latest)) {
                    return latest;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(Duration::from_secs(40), looking).await {
            Ok(delivery) => delivery,
            Err(_) => panic!("not so: {:?}", self.deliveries().await),
        }
    }

    async fn until_state(&self, state: &str) -> Value {
        self.until(|delivery| delivery["state"] == json!(state)).await
    }

    async fn until_attempts(&self, attempts: u64) -> Value {
        self.until(|delivery| delivery["attempts"] == json!(attempts))
            .await
    }
}

fn spoken(id: &str, start: u64, words: &str) -> Segment {
    Segment {
        id: SegmentId::parse(id).expect("an id"),
        track: TrackSid::parse("TR_1").expect("a SID"),
        speaker: Participant {
            identity: ParticipantIdentity::parse("user-ada").expect("an identity"),
            name: "Ada".to_owned(),
        },
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(start + 400),
        text: words.to_owned(),
        language: Some("en".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance: 1,
    }
}

/// A lecture in a room, as a worker makes it, up to its files.
async fn hold(database: &Database, room: &str) {
    let room = RoomName::parse(room).expect("a name");
    let sid = RoomSid::parse("RM_1").expect("a SID");
    let opened = database
        .open_meeting(&room, &sid, UnixMillis(1_000))
        .await
        .expect("opened");
    let segments = [
        spoken("SG_1", 0, "Energy is — “conserved”."),
        spoken("SG_2", 500, "Always."),
    ];
    // Twice is once.
    for _ in 0..2 {
        database
            .store_segments(&opened.id, &segments)
            .await
            .expect("stored");
    }
    for (from, to) in Stage::ALL.iter().zip(&Stage::ALL[1..]) {
        let advanced = database.advance(&opened.id, *from, *to, UnixMillis(5_000)).await;
        assert!(advanced.expect("stored"));
    }
}

async fn what_happens_is_told_once_and_signed(place: Place) {
    let receiver = Receiver::new([]).await;
    let all = json!(["lecture.ready", "room.started", "room.finished", "caption.final"]);
    let scene = Scene::at(place, &receiver.url(), all, lenient).await;
    let world = &scene.world;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    world
        .ok(Method::POST, &format!("/api/rooms/{room}/start"), &ada, None)
        .await;
    hold(&world.database, &room).await;
    world
        .ok(Method::POST, &format!("/api/rooms/{room}/end"), &ada, None)
        .await;
    world
        .ok(Method::POST, &format!("/api/rooms/{room}/end"), &ada, None)
        .await;
    let mut received = receiver.wait_for(5).await;
    // The meeting's clock is of 1970 here. Fractions have no zeros at their end: without the Z, what is later sorts later.
    received.sort_by_key(|request| text(&request.json()["timestamp"]).replace('Z', ""));
    let kinds: Vec<String> = received.iter().map(Request::kind).collect();
    assert_eq!(
        kinds,
        [
            "caption.final",
            "caption.final",
            "lecture.ready",
            "room.started",
            "room.finished"
        ]
    );
    let caption = received[0].json();
    assert_eq!(caption["timestamp"], json!("1970-01-01T00:00:01.4Z"));
    assert_eq!(caption["data"]["text"], json!("Energy is — “conserved”."));
    assert_eq!(
        caption["data"]["speaker"],
        json!({ "identity": "user-ada", "name": "Ada" })
    );
    assert_eq!(caption["data"]["roomId"], json!(room));
    assert_eq!(
        received[2].json()["data"]["lectureId"],
        caption["data"]["lectureId"]
    );
    assert_eq!(
        received[3].json()["data"],
        json!({ "roomId": room, "title": "Algebra" })
    );
    for request in &received {
        assert!(verified_by_the_docs(&scene.secret, request).await, "{request:?}");
        assert_eq!(request.header("content-type"), "application/json");
    }
    let mut forged = received[0].clone();
    forged.body = String::from_utf8_lossy(&forged.body)
        .replace("Energy", "Entropy")
        .into();
    assert!(!verified_by_the_docs(&scene.secret, &forged).await);
    let mut old = received[0].clone();
    old.headers
        .insert("webhook-timestamp".to_owned(), "1700000000".to_owned());
    assert!(!verified_by_the_docs(&scene.secret, &old).await);

    scene.until_state("delivered").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.received().len(), 5, "nothing twice");
    let view = scene.view().await;
    assert_eq!(
        (&view["enabled"], &view["failures"], &view["dropped"]),
        (&json!(true), &json!(0), &json!(0))
    );
    assert!(view.get("secret").is_none(), "{view}");
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_once_and_signed_on_sqlite() {
    what_happens_is_told_once_and_signed(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_once_and_signed_on_postgres() {
    what_happens_is_told_once_and_signed(Place::postgres().await).await;
}

/// Whether the programs that docs/webhooks.md shows say that something is from Lectern.
async fn verified_by_the_docs(secret: &str, request: &Request) -> bool {
    let python = format!(
        "{}\nimport sys\nverify(sys.argv[1], json.loads(sys.argv[2]), sys.stdin.buffer.read())",
        shown("python")
    );
    let node = format!(
        "{}\nverify(process.argv[1], JSON.parse(process.argv[2]), require('node:fs').readFileSync(0))",
        shown("javascript")
    );
    let go = GO_PROGRAM.get_or_init(built_by_go).await.path().join("verify");
    let python = verified_by("python3".as_ref(), &["-c", &python], secret, request).await;
    let node = verified_by("node".as_ref(), &["-e", &node], secret, request).await;
    let go = verified_by(&go, &[], secret, request).await;
    assert_eq!((python, node), (node, go), "{request:?}");
    python
}

/// One build for all tests.
static GO_PROGRAM: OnceCell<TempDir> = OnceCell::const_new();

async fn built_by_go() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let program = format!("{GO_BEFORE}{}{GO_AFTER}", shown("go"));
    fs::write(folder.path().join("verify.go"), program).expect("written");
    let done = Command::new("go")
        .args(["build", "-o", "verify", "verify.go"])
        .current_dir(folder.path())
        .output()
        .await
        .expect("go is installed: run scripts/setup");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

const GO_BEFORE: &str = r#"package main

import ("crypto/hmac"; "crypto/sha256"; "encoding/base64"; "encoding/json"; "errors"; "fmt"; "io"; "net/http"; "os"; "strconv"; "strings"; "time")

"#;

const GO_AFTER: &str = r#"
func main() {
	header, read := http.Header{}, map[string]string{}
	err := json.Unmarshal([]byte(os.Args[2]), &read)
	for name, value := range read {
		header.Set(name, value)
	}
	body, unread := io.ReadAll(os.Stdin)
	if err = errors.Join(err, unread); err == nil {
		err = Verify(os.Args[1], header, body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"#;

fn shown(language: &str) -> &'static str {
    let text = include_str!("../../../docs/webhooks.md");
    let (_, after) = text.split_once(&format!("```{language}\n")).expect("a program");
    after.split_once("```").expect("an end of it").0
}

async fn verified_by(program: &Path, arguments: &[&str], secret: &str, request: &Request) -> bool {
    let headers = serde_json::to_string(&request.headers).expect("JSON");
    let mut child = Command::new(program)
        .args(arguments)
        .args([secret, &headers])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{} is not installed ({error}): run scripts/setup",
                program.display()
            )
        });
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&request.body).await.expect("written");
    drop(stdin);
    let done = child.wait_with_output().await.expect("an end");
    let error = String::from_utf8_lossy(&done.stderr);
    let refused = error.contains("signed by somebody else") || error.contains("too old");
    assert!(done.status.success() || refused, "{error}");
    done.status.success()
}

#[tokio::test]
async fn what_fails_is_told_again_until_it_is_taken() {
    let replies = [500, 503, 404].map(Reply::Status);
    let receiver = Receiver::new(replies).await;
    let scene = Scene::new(&receiver.url(), json!(["room.started"]), lenient).await;
    let queued = scene.ping().await;
    assert_eq!(
        (&queued["state"], &queued["event"]),
        (&json!("waiting"), &json!("ping"))
    );
    for (attempts, status, pause) in [(1, 500, 5), (2, 503, 15), (3, 404, 45)] {
        let failed = scene.until_attempts(attempts).await;
        assert_eq!(
            (&failed["status"], &failed["state"]),
            (&json!(status), &json!("waiting"))
        );
        assert_eq!(failed["failure"], json!(format!("it answered {status}")));
        // Too soon.
        scene.world.pass(Duration::from_millis(pause * 1_000 / 2 - 2_000));
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(scene.deliveries().await[0]["attempts"], json!(attempts));
        assert_eq!(scene.view().await["failures"], json!(attempts));
        scene.world.pass(Duration::from_secs(pause));
    }
    let done = scene.until_state("delivered").await;
    assert_eq!(
        (&done["attempts"], &done["status"], &done["failure"]),
        (&json!(4), &json!(204), &Value::Null)
    );
    assert_eq!(scene.view().await["failures"], json!(0));
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    for request in &received {
        assert_eq!(request.body, received[0].body);
        assert_eq!(request.header("webhook-id"), text(&queued["eventId"]));
        assert!(verified_by_the_docs(&scene.secret, request).await, "{request:?}");
    }

    // Told again by hand: the same event, another delivery.
    let again = scene.path(&format!("/deliveries/{}/redeliver", text(&done["id"])));
    let again = scene.world.ok(Method::POST, &again, &scene.admin, None).await;
    assert_eq!(again["eventId"], done["eventId"]);
    assert_ne!(again["id"], done["id"]);
    let received = receiver.wait_for(5).await;
    assert_eq!(received[4].header("webhook-id"), received[0].header("webhook-id"));
    scene.until_state("delivered").await;
    assert_eq!(scene.deliveries().await.len(), 2);
    scene.world.end().await;
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let elsewhere = Receiver::new([]).await;
    let receiver = Receiver::new([Reply::Redirect(elsewhere.url())]).await;
    let scene = Scene::new(&receiver.url(), json!(["room.started"]), lenient).await;
    scene.ping().await;
    let failed = scene.until_attempts(1).await;
    assert_eq!(
        failed["failure"],
        json!("it answered 302; redirections are not followed")
    );
    assert_eq!(elsewhere.received().len(), 0);
    scene.world.end().await;
}

#[tokio::test]
async fn name_that_leads_to_a_private_address_is_never_called() {
    let receiver = Receiver::new([]).await;
    let url = format!("http://localhost:{}/", receiver.port);
    let strict = |settings: &mut Settings| settings.webhooks.plain_http = PlainHttp::Allowed;
    let scene = Scene::new(&url, json!(["room.started"]), strict).await;
    scene.ping().await;
    let failed = scene.until_attempts(1).await;
    assert!(
        text(&failed["failure"]).starts_with("its address is private"),
        "{failed}"
    );
    assert_eq!(failed["status"], Value::Null);
    assert_eq!(receiver.received().len(), 0);
    scene.world.end().await;
}

#[tokio::test]
async fn endpoint_that_hangs_holds_nobody_up() {
    let hangs = Receiver::new([Reply::Never, Reply::Endless]).await;
    let scene = Scene::new(&hangs.url(), json!(["room.started"]), lenient).await;
    let receiver = Receiver::new([]).await;
    let body = json!({ "url": receiver.url(), "events": ["room.started"] });
    scene
        .world
        .ok(Method::POST, "/api/webhooks", &scene.admin, Some(body))
        .await;
    let ada = scene.world.host("Ada").await;
    let room = text(&scene.world.room(&ada, json!({})).await["id"]);
    scene
        .world
        .ok(Method::POST, &format!("/api/rooms/{room}/start"), &ada, None)
        .await;
    receiver.wait_for(1).await;
    let failed = scene.until_attempts(1).await;
    assert_eq!(
        (&failed["failure"], &failed["status"]),
        (&json!("no answer in time"), &Value::Null)
    );
    // A body without end is not waited for.
    scene.world.pass(Duration::from_secs(6));
    assert_eq!(scene.until_state("delivered").await["status"], json!(200));
    let away = format!("/api/webhooks/{}", scene.hook);
    let nobody = json!({ "url": "http://127.0.0.1:1/" });
    scene
        .world
        .ok(Method::PATCH, &away, &scene.admin, Some(nobody))
        .await;
    scene.ping().await;
    let failed = scene.until_attempts(1).await;
    assert!(
        text(&failed["failure"]).starts_with("it can't be reached: "),
        "{failed}"
    );
    scene.world.end().await;
}

#[tokio::test]
async fn endpoint_that_fails_for_long_is_switched_off_and_says_why() {
    let receiver = Receiver::new([Reply::Status(500)]).await;
    let scene = Scene::new(&receiver.url(), json!(["room.started"]), lenient).await;
    let (id, database) = (
        HookId::parse(scene.hook.clone()).expect("an id"),
        &scene.world.database,
    );
    let delivery = DeliveryId::parse("another").expect("an id");
    let long_ago = Attempt::Failed {
        status: None,
        failure: "it can't be reached",
        next_at: None,
    };
    for _ in 0..11 {
        database
            .note_attempt(&id, &delivery, long_ago, UnixMillis(1_000))
            .await
            .expect("stored");
    }
    scene.ping().await;
    scene.until_attempts(1).await;
    let off = timeout(Duration::from_secs(10), async {
        loop {
            let view = scene.view().await;
            if view["enabled"] == json!(false) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let view = off.await.expect("switched off");
    assert_eq!(
        view["off"]["reason"],
        json!("12 attempts in a row have failed since 1970-01-01T00:00:01Z; the last: it answered 500")
    );
    let (_, audit) = scene.world.get("/api/audit", &scene.admin).await;
    let entry = &audit["items"][0];
    assert_eq!(
        (&entry["action"], &entry["actor"]),
        (&json!("webhook.switch-off"), &Value::Null)
    );
    let (status, body) = scene
        .world
        .post(&scene.path("/ping"), &scene.admin, json!({}))
        .await;
    assert_eq!((status, code(&body)), (409, "WEBHOOK_OFF"));
    let sent = text(&scene.deliveries().await[0]["id"]);
    let again = scene.path(&format!("/deliveries/{sent}/redeliver"));
    let (status, body) = scene.world.post(&again, &scene.admin, json!({})).await;
    assert_eq!((status, code(&body)), (409, "WEBHOOK_OFF"));

    // What happens meanwhile is not told; what waited is, once it is on again.
    let ada = scene.world.host("Ada").await;
    let room = text(&scene.world.room(&ada, json!({})).await["id"]);
    scene
        .world
        .ok(Method::POST, &format!("/api/rooms/{room}/start"), &ada, None)
        .await;
    scene.world.pass(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.received().len(), 1);
    let on = scene
        .world
        .ok(
            Method::PATCH,
            &scene.path(""),
            &scene.admin,
            Some(json!({ "enabled": true })),
        )
        .await;
    assert_eq!((&on["off"], &on["failures"]), (&Value::Null, &json!(0)));
    scene.until_state("delivered").await;
    assert_eq!(receiver.received().len(), 2);

    let gone = Receiver::new([Reply::Status(410)]).await;
    let moved = json!({ "url": gone.url() });
    scene
        .world
        .ok(Method::PATCH, &scene.path(""), &scene.admin, Some(moved))
        .await;
    scene.ping().await;
    scene.until_attempts(1).await;
    let looking = async {
        while scene.view().await["enabled"] == json!(true) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), looking)
        .await
        .expect("switched off");
    scene.world.end().await;
}

#[tokio::test]
async fn one_room_is_told_in_order_while_another_goes_on() {
    let receiver = Receiver::new([Reply::Status(500)]).await;
    let scene = Scene::new(&receiver.url(), json!(["room.started", "room.finished"]), lenient).await;
    let ada = scene.world.host("Ada").await;
    let room = text(&scene.world.room(&ada, json!({})).await["id"]);
    let path = |room: &str, what: &str| format!("/api/rooms/{room}/{what}");
    scene
        .world
        .ok(Method::POST, &path(&room, "start"), &ada, None)
        .await;
    receiver.wait_for(1).await;
    scene.until_attempts(1).await;
    scene
        .world
        .ok(Method::POST, &path(&room, "end"), &ada, None)
        .await;
    let other = text(&scene.world.room(&ada, json!({})).await["id"]);
    scene
        .world
        .ok(Method::POST, &path(&other, "start"), &ada, None)
        .await;
    // The other room's news doesn't wait, the end of the first does.
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].json()["data"]["roomId"], json!(other));
    scene.world.pass(Duration::from_secs(6));
    let received = receiver.wait_for(4).await;
    let told: Vec<_> = received[2..].iter().map(Request::kind).collect();
    assert_eq!(told, ["room.started", "room.finished"]);
    scene.world.end().await;
}

#[tokio::test]
async fn hosts_are_told_of_their_own_rooms_alone() {
    let receiver = Receiver::new([]).await;
    let world = World::with(lenient).await;
    let (ada, eve) = (world.host("Ada").await, world.host("Eve").await);
    let (own, others) = (
        text(&world.room(&ada, json!({})).await["id"]),
        text(&world.room(&eve, json!({})).await["id"]),
    );
    let wanted = |room: Value| json!({ "url": receiver.url(), "events": ["room.started"], "roomId": room });
    for (room, expected) in [
        (Value::Null, (403, "FORBIDDEN")),
        (json!(others), (403, "FORBIDDEN")),
        (json!("nowhere"), (404, "ROOM_NOT_FOUND")),
    ] {
        let (status, body) = world.post("/api/webhooks", &ada, wanted(room)).await;
        assert_eq!((status, code(&body)), expected);
    }
    world
        .ok(Method::POST, "/api/webhooks", &ada, Some(wanted(json!(own))))
        .await;
    for (host, room) in [(&eve, &others), (&ada, &own)] {
        world
            .ok(Method::POST, &format!("/api/rooms/{room}/start"), host, None)
            .await;
    }
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].json()["data"]["roomId"], json!(own));
    let listed = async |who: &Proof| {
        world.get("/api/webhooks", who).await.1["items"]
            .as_array()
            .expect("a list")
            .len()
    };
    assert_eq!((listed(&ada).await, listed(&eve).await), (1, 0));
    // A room's webhooks go with it.
    world
        .ok(Method::DELETE, &format!("/api/rooms/{own}"), &ada, None)
        .await;
    assert_eq!(listed(&ada).await, 0);
    world.end().await;
}

#[tokio::test]
async fn wrong_webhooks_are_refused_with_what_is_wrong() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (body, field) in [
        (
            json!({ "url": "http://example.org/", "events": ["room.started"] }),
            "url",
        ),
        (
            json!({ "url": "https://127.0.0.1/", "events": ["room.started"] }),
            "url",
        ),
        (
            json!({ "url": "https://[::ffff:169.254.169.254]/", "events": ["room.started"] }),
            "url",
        ),
        (
            json!({ "url": "https://a:b@example.org/", "events": ["room.started"] }),
            "url",
        ),
        (
            json!({ "url": "nonsense\u{0}", "events": ["room.started"] }),
            "url",
        ),
        (json!({ "url": "https://example.org/", "events": [] }), "events"),
        (
            json!({ "url": "https://example.org/", "events": ["room.exploded"] }),
            "events[0]",
        ),
        (
            json!({ "url": "https://example.org/", "events": ["room.started"], "description": "a\u{7}" }),
            "description",
        ),
        (json!({ "events": ["room.started"] }), "url"),
    ] {
        let (status, answer) = world.post("/api/webhooks", &admin, body.clone()).await;
        assert_eq!((status, code(&answer)), (422, "VALIDATION_FAILED"), "{body}");
        assert_eq!(answer["error"]["details"]["field"], json!(field), "{answer}");
    }
    let good = json!({ "url": "https://hooks.invalid/", "events": ["room.started", "room.started"] });
    let mut last = Value::Null;
    for _ in 0..20 {
        last = world
            .ok(Method::POST, "/api/webhooks", &admin, Some(good.clone()))
            .await;
    }
    assert_eq!(last["events"], json!(["room.started"]));
    let (status, body) = world.post("/api/webhooks", &admin, good).await;
    assert_eq!((status, code(&body)), (409, "TOO_MANY_WEBHOOKS"));
    let (_, page) = world.get("/api/webhooks?limit=15", &admin).await;
    let rest = format!("/api/webhooks?limit=15&cursor={}", text(&page["nextCursor"]));
    assert_eq!(
        world.get(&rest, &admin).await.1["items"]
            .as_array()
            .expect("a list")
            .len(),
        5
    );

    let hook = text(&last["id"]);
    for (method, path) in [
        (Method::GET, "/api/webhooks/nothing".to_owned()),
        (Method::PATCH, "/api/webhooks/nothing".to_owned()),
        (Method::DELETE, "/api/webhooks/%00".to_owned()),
        (Method::POST, "/api/webhooks/nothing/ping".to_owned()),
        (Method::GET, "/api/webhooks/nothing/deliveries".to_owned()),
    ] {
        let (status, body) = world.call(method, &path, &admin, Some(json!({}))).await;
        assert_eq!((status, code(&body)), (404, "WEBHOOK_NOT_FOUND"), "{path}");
    }
    for delivery in ["nothing", "%00"] {
        let path = format!("/api/webhooks/{hook}/deliveries/{delivery}/redeliver");
        let (status, body) = world.post(&path, &admin, json!({})).await;
        assert_eq!((status, code(&body)), (404, "DELIVERY_NOT_FOUND"));
    }
    let path = format!("/api/webhooks/{hook}");
    let (status, body) = world
        .call(Method::PATCH, &path, &admin, Some(json!({ "events": [] })))
        .await;
    assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    let change = json!({ "events": ["caption.final", "lecture.ready"], "description": " for the archive ", "enabled": false });
    let changed = world.ok(Method::PATCH, &path, &admin, Some(change)).await;
    assert_eq!(changed["events"], json!(["lecture.ready", "caption.final"]));
    assert_eq!(
        (&changed["description"], &changed["enabled"]),
        (&json!("for the archive"), &json!(false))
    );
    assert_eq!(changed["off"]["reason"], json!("somebody switched it off"));
    world.ok(Method::DELETE, &path, &admin, None).await;
    assert_eq!(world.get(&path, &admin).await.0, 404);
    world.end().await;
}

#[tokio::test]
async fn webhook_for_which_too_much_waits_takes_no_ping() {
    let scene = Scene::new("https://hooks.invalid/", json!(["room.started"]), |_| {}).await;
    scene.ping().await;
    scene.until_attempts(1).await;
    let Database::Sqlite(sqlite) = &scene.world.database else {
        panic!("SQLite by default")
    };
    let many = "insert into hook_delivery (hook_id, id, event_id, room, position, state, next_at)
        with recursive number (n) as (select 1 union all select n + 1 from number where n < 10000)
        select hook_id, 'copy ' || n, event_id, room, position + n, 'waiting', 9000000000000000
        from hook_delivery, number";
    sqlx::query(many).execute(sqlite.pool()).await.expect("stored");
    let (status, body) = scene
        .world
        .post(&scene.path("/ping"), &scene.admin, json!({}))
        .await;
    assert_eq!((status, code(&body)), (409, "WEBHOOK_FULL"));
    assert_eq!(scene.view().await["dropped"], json!(1));
    scene.world.end().await;
}

async fn of_two_services_one_tells(place: Place) {
    let receiver = Receiver::new([]).await;
    let scene = Scene::at(place, &receiver.url(), json!(["room.started"]), lenient).await;
    let (world, stop) = (&scene.world, CancellationToken::new());
    let mut settings = crate::world::settings();
    lenient(&mut settings);
    let other = Service::new(settings, world.database.clone(), world.objects.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let health = Health::new(world.database.clone(), String::new, None);
    let other = tokio::spawn(serve(listener, other, health, stop.clone().cancelled_owned()));
    let ada = world.host("Ada").await;
    for _ in 0..20 {
        let room = text(&world.room(&ada, json!({})).await["id"]);
        let start = format!("/api/rooms/{room}/start");
        world.ok(Method::POST, &start, &ada, None).await;
    }
    receiver.wait_for(20).await;
    // Longer than either waits before it looks again.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let received = receiver.received();
    let ids: BTreeSet<&str> = received
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    assert_eq!((ids.len(), received.len()), (20, 20), "each once");
    stop.cancel();
    other.await.expect("no panic").expect("a clean end");
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_services_one_tells_on_sqlite() {
    of_two_services_one_tells(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_services_one_tells_on_postgres() {
    of_two_services_one_tells(Place::postgres().await).await;
}

#[tokio::test]
async fn what_a_dead_service_was_about_to_tell_another_one_tells() {
    let receiver = Receiver::new([]).await;
    let scene = Scene::new(&receiver.url(), json!(["room.started"]), lenient).await;
    let Database::Sqlite(sqlite) = &scene.world.database else {
        panic!("SQLite by default")
    };
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    sqlx::query("update hook set lease_holder = 'dead', lease_until = $1")
        .bind(i64::try_from(now).expect("for a while yet") + 60_000)
        .execute(sqlite.pool())
        .await
        .expect("stored");
    scene.ping().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.received().len(), 0);
    scene.world.pass(Duration::from_secs(60));
    receiver.wait_for(1).await;
    scene.world.end().await;
}
