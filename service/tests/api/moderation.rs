//! What hosts do about people in a room, with people who are really in it.

use livekit::prelude::TrackSource;
use livekit_protocol::ParticipantInfo;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    person::{Person, livekit_rooms, until},
    stream::Stream,
    world::{Place, Proof, World, code, text},
};

struct Scene {
    world: World,
    ada: Proof,
    room: String,
}

/// A guest who has a token.
struct Guest {
    identity: String,
    token: String,
    proof: Proof,
}

impl Scene {
    async fn at(place: Place, settings: Value) -> Self {
        let world = World::at(place, |_| {}).await;
        let ada = world.host("Ada").await;
        let room = text(&world.room(&ada, settings).await["id"]);
        Self { world, ada, room }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}/{rest}", self.room)
    }

    async fn guest(&self, name: &str) -> Guest {
        let (status, body) = self.world.join(&self.room, name, json!({})).await;
        assert_eq!(status, 200, "{body}");
        Guest {
            identity: text(&body["identity"]),
            token: text(&body["token"]),
            proof: Proof::Token(text(&body["guestToken"])),
        }
    }

    async fn moderate_as(&self, host: &Proof, action: &str, target: Option<&str>) -> (u16, Value) {
        let body = json!({ "action": action, "target": target });
        self.world.post(&self.path("moderate"), host, body).await
    }

    async fn moderate(&self, action: &str, target: Option<&str>) {
        let (status, body) = self.moderate_as(&self.ada, action, target).await;
        assert_eq!((status, &body["action"]), (200, &json!(action)), "{body}");
    }

    /// What everybody in the room was told, in order.
    async fn told(&self, audience: lectern_storage::Audience) -> Vec<String> {
        let room = lectern_pipelines::RoomName::parse(self.room.clone()).expect("a name");
        let events = self.world.database.events_after(&room, 0).await;
        let events = events.expect("readable").into_iter();
        events
            .filter(|event| event.audience == audience)
            .map(|event| event.kind)
            .collect()
    }

    async fn has(&self, identity: &str) -> bool {
        let listed = livekit_rooms().list_participants(&self.room).await;
        listed
            .expect("a list")
            .iter()
            .any(|person| person.identity == identity)
    }
}

fn is_muted(person: &ParticipantInfo, source: TrackSource) -> bool {
    let source = source as i32;
    person
        .tracks
        .iter()
        .any(|track| track.source == source && track.muted)
}

/// LiveKit lists a track once its sound arrives, a moment after it was published.
async fn sends(scene: &Scene, identity: &str, tracks: usize) {
    until(&scene.room, identity, |person| person.tracks.len() == tracks).await;
}

fn shows_screen(person: &ParticipantInfo) -> bool {
    let source = TrackSource::ScreenshareAudio as i32;
    person.tracks.iter().any(|track| track.source == source)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_mutes_people_and_stops_their_screens() {
    let scene = Scene::at(Place::Sqlite, json!({})).await;
    let (bob, eve) = (scene.guest("Bob").await, scene.guest("Eve").await);
    let (status, body) = scene.moderate_as(&scene.ada, "mute", Some(&bob.identity)).await;
    assert_eq!((status, code(&body)), (404, "NOT_IN_ROOM"));
    let (inside, other) = (Person::enter(&bob.token).await, Person::enter(&eve.token).await);
    inside.publish(TrackSource::Microphone).await;
    inside.publish(TrackSource::ScreenshareAudio).await;
    other.publish(TrackSource::Microphone).await;
    sends(&scene, &bob.identity, 2).await;
    sends(&scene, &eve.identity, 1).await;

    scene.moderate("stop-screen", Some(&bob.identity)).await;
    until(&scene.room, &bob.identity, |bob| {
        !shows_screen(bob) && bob.tracks.len() == 1
    })
    .await;
    // They may show it again.
    inside.publish(TrackSource::ScreenshareAudio).await;
    until(&scene.room, &bob.identity, shows_screen).await;

    // An id of the lobby means the same person.
    let entry = bob.identity.strip_prefix("guest-").expect("a guest");
    scene.moderate("mute", Some(entry)).await;
    let quiet = |person: &ParticipantInfo| is_muted(person, TrackSource::Microphone);
    until(&scene.room, &bob.identity, quiet).await;
    until(&scene.room, &eve.identity, |eve| !quiet(eve)).await;
    scene.moderate("mute-all", None).await;
    until(&scene.room, &eve.identity, quiet).await;

    let guest = lectern_pipelines::GuestId::parse(entry).expect("an id");
    assert_eq!(
        scene.told(lectern_storage::Audience::Guest(guest)).await,
        ["you.screen-stopped", "you.muted"]
    );
    for (target, field) in [
        (None, "target"),
        (Some("a\u{0}b"), "target"),
        (Some(""), "target"),
    ] {
        let (status, body) = scene.moderate_as(&scene.ada, "kick", target).await;
        assert_eq!((status, &body["error"]["details"]["field"]), (422, &json!(field)));
    }
    let (status, body) = scene.moderate_as(&scene.ada, "tickle", None).await;
    assert_eq!(
        (status, &body["error"]["details"]["field"]),
        (422, &json!("action"))
    );
    scene.world.end().await;
}

async fn who_is_kicked_or_banned_stays_out(place: Place) {
    let scene = Scene::at(place, json!({ "pin": "4711" })).await;
    let join = async |name: &str, proof: &Proof, more: Value| {
        let mut body = json!({ "name": name, "sessionFingerprint": "the-browser-of-bob", "pin": "4711" });
        for (field, value) in more.as_object().expect("an object") {
            body[field] = value.clone();
        }
        scene.world.post(&scene.path("join"), proof, body).await
    };
    let (_, bob) = join("Bob", &Proof::Nothing, json!({})).await;
    let (token, identity) = (text(&bob["token"]), text(&bob["identity"]));
    let mut inside = Person::enter(&token).await;
    scene.moderate("kick", Some(&identity)).await;
    inside.is_sent_out().await;
    assert!(!scene.has(&identity).await);
    // Their token is still good for LiveKit, which lets them in: we don't, though no webhook tells us.
    Person::enter(&token).await.is_sent_out().await;
    let pass = Proof::Token(text(&bob["guestToken"]));
    let again = json!({ "roomId": scene.room });
    let (status, _) = scene.world.post("/api/livekit/token", &pass, again).await;
    assert_eq!(status, 403);

    // Who was kicked may ask again; who is banned may not.
    let (status, again) = join("Bob", &Proof::Nothing, json!({})).await;
    assert_eq!(status, 200);
    let identity = text(&again["identity"]);
    let mut inside = Person::enter(&text(&again["token"])).await;
    scene.moderate("ban", Some(&identity)).await;
    inside.is_sent_out().await;
    let pass = Proof::Token(text(&again["guestToken"]));
    let elsewhere = json!({ "sessionFingerprint": "another-browser" });
    for (proof, more) in [
        (&Proof::Nothing, json!({})),
        (&Proof::Nothing, json!({ "pin": "0000" })),
        (&pass, elsewhere.clone()),
    ] {
        let (status, body) = join("Robert", proof, more).await;
        assert_eq!((status, code(&body)), (403, "BANNED"));
    }
    // From the same address it may be anybody: a host decides.
    let (status, body) = join("Robert", &Proof::Nothing, elsewhere).await;
    assert_eq!(status, 202, "{body}");
    let (_, lobby) = scene.world.get(&scene.path("lobby"), &scene.ada).await;
    assert_eq!(lobby["items"][0]["addressBanned"], json!(true));

    scene.moderate("unban", Some(&identity)).await;
    assert_eq!(join("Bob", &Proof::Nothing, json!({})).await.0, 200);
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_kicked_or_banned_stays_out_on_sqlite() {
    who_is_kicked_or_banned_stays_out(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_kicked_or_banned_stays_out_on_postgres() {
    who_is_kicked_or_banned_stays_out(Place::postgres().await).await;
}

async fn panic_makes_the_room_quiet_and_closed(place: Place) {
    let scene = Scene::at(place, json!({})).await;
    let bob = scene.guest("Bob").await;
    let change = json!({ "settings": { "lobby": true } });
    let path = format!("/api/rooms/{}", scene.room);
    scene
        .world
        .ok(Method::PATCH, &path, &scene.ada, Some(change))
        .await;
    let waits = async |name: &str| {
        let (status, body) = scene.world.join(&scene.room, name, json!({})).await;
        assert_eq!(status, 202);
        (
            text(&body["lobbyEntryId"]),
            Proof::Token(text(&body["guestToken"])),
        )
    };
    let (eve, eves) = waits("Eve").await;
    let admit = scene.path(&format!("lobby/{eve}/admit"));
    scene.world.ok(Method::POST, &admit, &scene.ada, None).await;
    let (_, mallorys) = waits("Mallory").await;
    let mut door = Stream::open(&scene.world, &scene.path("lobby/stream"), &mallorys, None).await;
    door.next().await.expect("waiting");

    let room = json!({ "roomId": scene.room });
    let token = scene
        .world
        .ok(Method::POST, "/api/livekit/token", &eves, Some(room))
        .await;
    let (mut out, stays) = (
        Person::enter(&bob.token).await,
        Person::enter(&text(&token["token"])).await,
    );
    out.publish(TrackSource::Microphone).await;
    stays.publish(TrackSource::Microphone).await;
    stays.publish(TrackSource::ScreenshareAudio).await;
    sends(&scene, &bob.identity, 1).await;
    sends(&scene, &format!("guest-{eve}"), 2).await;

    scene.moderate("panic", None).await;
    out.is_sent_out().await;
    assert_eq!(door.next().await.expect("an event").0, "lobby.denied");
    until(&scene.room, &format!("guest-{eve}"), |eve| {
        is_muted(eve, TrackSource::Microphone) && !shows_screen(eve)
    })
    .await;
    assert!(!scene.has(&bob.identity).await);
    let (status, body) = scene.world.join(&scene.room, "Trudy", json!({})).await;
    assert_eq!((status, code(&body)), (403, "ROOM_LOCKED"));
    let told = scene.told(lectern_storage::Audience::All).await;
    assert!(told.contains(&"room.locked".to_owned()), "{told:?}");
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_makes_the_room_quiet_and_closed_on_sqlite() {
    panic_makes_the_room_quiet_and_closed(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_makes_the_room_quiet_and_closed_on_postgres() {
    panic_makes_the_room_quiet_and_closed(Place::postgres().await).await;
}

async fn room_is_locked_handed_over_and_ended(place: Place) {
    let scene = Scene::at(place, json!({})).await;
    let bob = scene.guest("Bob").await;
    scene.moderate("lock", None).await;
    scene.moderate("lock", None).await;
    let (_, body) = scene.world.join(&scene.room, "Trudy", json!({})).await;
    assert_eq!(code(&body), "ROOM_LOCKED");
    // Who is in already comes in again.
    let again = json!({ "name": "Bob", "sessionFingerprint": "browser-of-Bob" });
    let (status, _) = scene.world.post(&scene.path("join"), &bob.proof, again).await;
    assert_eq!(status, 200);
    scene.moderate("unlock", None).await;

    let (status, body) = scene
        .moderate_as(&scene.ada, "pass-host", Some(&bob.identity))
        .await;
    assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    let eve = scene.world.host("Eve").await;
    let body = json!({ "name": "Eve", "sessionFingerprint": "the-browser-of-eve" });
    let (_, joined) = scene.world.post(&scene.path("join"), &eve, body.clone()).await;
    let identity = text(&joined["identity"]);
    let _inside = Person::enter(&text(&joined["token"])).await;
    let mut lobby = Stream::open(&scene.world, &scene.path("lobby/stream"), &scene.ada, None).await;
    lobby.next().await.expect("the list");
    scene.moderate("pass-host", Some(&identity)).await;
    until(&scene.room, &identity, |eve| {
        eve.metadata.contains(r#""role":"host""#)
    })
    .await;
    assert_eq!(lobby.next().await.expect("an event").0, "room.host-passed");
    assert_eq!(lobby.next().await, None);

    // Who held it is in the room as a guest, and may come back as one.
    let (status, body) = scene.moderate_as(&scene.ada, "lock", None).await;
    assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    let (status, body) = scene.world.post(&scene.path("join"), &scene.ada, body).await;
    assert_eq!(status, 422, "{body}");
    let (status, token) = scene
        .world
        .post("/api/livekit/token", &scene.ada, json!({ "roomId": scene.room }))
        .await;
    assert_eq!((status, &token["metadata"]["role"]), (200, &json!("guest")));

    let (status, body) = scene.moderate_as(&eve, "kick", Some(&identity)).await;
    assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    assert_eq!(scene.moderate_as(&eve, "end", None).await.0, 200);
    assert_eq!(
        scene.told(lectern_storage::Audience::All).await,
        ["room.locked", "room.unlocked", "room.host-passed", "room.ended"]
    );
    let admins = scene.world.database.audit_entries(100, None).await;
    let actions: Vec<String> = admins
        .expect("readable")
        .items
        .into_iter()
        .rev()
        .map(|entry| entry.action)
        .filter(|action| action.starts_with("room."))
        .collect();
    assert_eq!(
        actions,
        [
            "room.create",
            "room.lock",
            "room.lock",
            "room.unlock",
            "room.pass-host",
            "room.end"
        ]
    );
    scene.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_locked_handed_over_and_ended_on_sqlite() {
    room_is_locked_handed_over_and_ended(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_locked_handed_over_and_ended_on_postgres() {
    room_is_locked_handed_over_and_ended(Place::postgres().await).await;
}

async fn what_livekit_did_not_do_is_noted_as_such(place: Place) {
    // Nobody listens there.
    let world = World::at(place, |settings| {
        settings.livekit.url = "http://127.0.0.1:1".to_owned()
    })
    .await;
    let admin = world.admin().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({ "lobby": true })).await["id"]);
    let path = format!("/api/rooms/{room}/moderate");
    let moderate = async |action: &str, target: &str| {
        let body = json!({ "action": action, "target": target });
        let (status, body) = world.post(&path, &ada, body).await;
        (status, code(&body).to_owned())
    };
    let waits = async |name: &str| {
        let (_, body) = world.join(&room, name, json!({})).await;
        format!("guest-{}", text(&body["lobbyEntryId"]))
    };
    let (bob, eve) = (waits("Bob").await, waits("Eve").await);
    let away = (503, "LIVEKIT_UNAVAILABLE".to_owned());
    assert_eq!(moderate("kick", &eve).await, away);
    assert_eq!(moderate("ban", &bob).await, away);
    assert_eq!(moderate("mute-all", "").await, away);
    // What was refused was not done, and is not noted.
    assert_eq!(moderate("kick", "").await.0, 422);
    assert_eq!(moderate("lock", "").await.0, 200);
    assert_eq!(moderate("end", "").await, away);
    let (_, audit) = world.get("/api/audit", &admin).await;
    let noted: Vec<_> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|entry| entry["action"] != json!("room.create"))
        .map(|entry| {
            (
                text(&entry["action"]),
                entry["target"].clone(),
                entry["outcome"].clone(),
            )
        })
        .rev()
        .filter(|(action, ..)| action.starts_with("room."))
        .collect();
    let failed = json!("LIVEKIT_UNAVAILABLE");
    assert_eq!(
        noted,
        [
            ("room.kick".to_owned(), json!(eve), failed.clone()),
            ("room.ban".to_owned(), json!(bob), failed.clone()),
            ("room.mute-all".to_owned(), Value::Null, failed.clone()),
            ("room.lock".to_owned(), Value::Null, Value::Null),
            ("room.end".to_owned(), Value::Null, failed),
        ]
    );

    // Our part holds: they can't come back, and hosts see it.
    assert_eq!(moderate("unlock", "").await.0, 200);
    let (status, body) = world.join(&room, "Bob", json!({})).await;
    assert_eq!((status, code(&body)), (403, "BANNED"));
    let bans = format!("/api/rooms/{room}/bans");
    let (_, listed) = world.get(&bans, &ada).await;
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{listed}");
    assert_eq!(
        (&items[0]["identity"], &items[0]["name"]),
        (&json!(bob), &json!("Bob"))
    );
    assert!(items[0].get("address").is_none() && items[0].get("fingerprint").is_none());
    assert_eq!(moderate("unban", &bob).await.0, 200);
    assert_eq!(world.get(&bans, &ada).await.1["items"], json!([]));
    let (status, body) = world.get("/api/rooms/nowhere/bans", &ada).await;
    assert_eq!((status, code(&body)), (404, "ROOM_NOT_FOUND"));
    world.end().await;
}

#[tokio::test]
async fn what_livekit_did_not_do_is_noted_as_such_on_sqlite() {
    what_livekit_did_not_do_is_noted_as_such(Place::Sqlite).await;
}

#[tokio::test]
async fn what_livekit_did_not_do_is_noted_as_such_on_postgres() {
    what_livekit_did_not_do_is_noted_as_such(Place::postgres().await).await;
}
