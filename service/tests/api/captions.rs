//! Captions for who is late, or has no WebRTC.

use lectern_pipelines::{
    Gap, GapReason, MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, RoomSid, Segment,
    SegmentId, Stage, TrackSid, UnixMillis,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    stream::Stream,
    world::{Place, Proof, World, code, text},
};

struct Scene {
    world: World,
    ada: Proof,
    bob: Proof,
    bobs_identity: String,
    room: String,
}

impl Scene {
    async fn at(place: Place) -> Self {
        let world = World::at(place, |_| {}).await;
        let ada = world.host("Ada").await;
        let room = text(&world.room(&ada, json!({})).await["id"]);
        let (_, joined) = world.join(&room, "Bob", json!({})).await;
        Self {
            bob: Proof::Token(text(&joined["guestToken"])),
            bobs_identity: text(&joined["identity"]),
            world,
            ada,
            room,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}/captions{rest}", self.room)
    }

    /// The room's meeting under this SID, as a worker opens it.
    async fn meeting(&self, sid: &str, at: i64) -> MeetingId {
        let room = RoomName::parse(&*self.room).expect("a name");
        let sid = RoomSid::parse(sid).expect("a SID");
        let opened = self
            .world
            .database
            .open_meeting(&room, &sid, UnixMillis(at))
            .await;
        opened.expect("opened").id
    }

    async fn say(&self, meeting: &MeetingId, words: &[(&str, u64)]) {
        let said: Vec<_> = words.iter().map(|(text, start)| segment(text, *start)).collect();
        let stored = self.world.database.store_segments(meeting, &said).await;
        stored.expect("stored");
    }

    async fn end(&self, meeting: &MeetingId) {
        let database = &self.world.database;
        let ended = database.advance(meeting, Stage::Live, Stage::Ended, UnixMillis(9_000));
        assert!(ended.await.expect("stored"));
    }

    async fn stream(&self, who: &Proof, last_id: Option<&str>) -> Stream {
        Stream::open(&self.world, &self.path("/stream"), who, last_id).await
    }

    async fn page(&self, query: &str) -> Value {
        self.world
            .ok(Method::GET, &self.path(query), &self.bob, None)
            .await
    }
}

fn speaker() -> Participant {
    Participant {
        identity: ParticipantIdentity::parse("user-ada").expect("an identity"),
        name: "<b>Ада</b>".to_owned(),
    }
}

fn segment(text: &str, start: u64) -> Segment {
    Segment {
        id: SegmentId::parse(format!("SG_{text}_{start}")).expect("an id"),
        track: TrackSid::parse("TR_1").expect("a SID"),
        speaker: speaker(),
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(start + 400),
        text: text.to_owned(),
        language: Some("ru".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance: 1,
    }
}

fn gap(end: u64) -> Gap {
    Gap {
        track: TrackSid::parse("TR_1").expect("a SID"),
        speaker: speaker(),
        start: MediaTime::from_millis(2_000),
        end: MediaTime::from_millis(end),
        reason: GapReason::RecogniserAway,
    }
}

/// The words, or the end of the gap, that are told next; what is told of the meeting is left out.
async fn heard(stream: &mut Stream, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let (kind, told) = stream.next().await.expect("an event");
        match kind.as_str() {
            "captions.final" => heard.push(text(&told["text"])),
            "captions.gap" => heard.push(format!("gap to {}", told["endMs"])),
            "captions.meeting" => {}
            _ => panic!("{kind}: {told}"),
        }
    }
    heard
}

async fn what_was_said_is_told_then_what_is_said(place: Place) {
    let scene = Scene::at(place).await;
    // Nobody has spoken in this room yet.
    let empty = json!({ "captions": true, "meeting": null, "items": [], "nextCursor": null });
    assert_eq!(scene.page("").await, empty);
    let mut early = scene.stream(&scene.ada, None).await;

    let meeting = scene.meeting("RM_1", 1_000).await;
    // What began first may become final last; what was withdrawn has no words.
    scene
        .say(&meeting, &[("second", 700), ("", 900), ("first", 100)])
        .await;
    scene
        .world
        .database
        .store_gap(&meeting, &gap(2_500))
        .await
        .expect("stored");
    let mut late = scene.stream(&scene.bob, None).await;
    let (kind, told) = late.next().await.expect("an event");
    let lecture = json!({ "lectureId": meeting.as_str(), "startedAt": "1970-01-01T00:00:01Z", "live": true });
    assert_eq!((kind.as_str(), &told), ("captions.meeting", &lecture));
    let (kind, told) = late.next().await.expect("an event");
    assert_eq!(kind, "captions.final");
    assert_eq!(
        told,
        json!({
            "position": format!("1.{meeting}"), "identity": "user-ada", "name": "<b>Ада</b>", "startMs": 700,
            "endMs": 1_100, "segmentId": "SG_second_700", "text": "second", "language": "ru"
        })
    );
    assert_eq!(late.last_id.as_deref(), told["position"].as_str());
    assert_eq!(heard(&mut late, 2).await, ["first", "gap to 2500"]);
    assert_eq!(heard(&mut early, 3).await, ["second", "first", "gap to 2500"]);

    scene.say(&meeting, &[("third", 3_000)]).await;
    scene
        .world
        .database
        .store_gap(&meeting, &gap(2_900))
        .await
        .expect("stored");
    for stream in [&mut early, &mut late] {
        assert_eq!(heard(stream, 2).await, ["third", "gap to 2900"]);
    }
    let page = scene.page("").await;
    assert_eq!(page["meeting"], lecture);
    let items = page["items"].as_array().expect("a list");
    assert_eq!(items.len(), 4);
    assert_eq!(
        (&items[3]["missing"], &items[3]["text"]),
        (&json!("recogniser_away"), &json!(null))
    );

    scene.end(&meeting).await;
    let (kind, told) = late.next().await.expect("an event");
    assert_eq!(
        (kind.as_str(), &told["live"]),
        ("captions.meeting", &json!(false))
    );
    scene.world.end().await;
}

#[tokio::test]
async fn what_was_said_is_told_then_what_is_said_on_sqlite() {
    what_was_said_is_told_then_what_is_said(Place::Sqlite).await;
}

#[tokio::test]
async fn what_was_said_is_told_then_what_is_said_on_postgres() {
    what_was_said_is_told_then_what_is_said(Place::postgres().await).await;
}

async fn who_comes_back_goes_on_where_they_left_off(place: Place) {
    let scene = Scene::at(place).await;
    let first = scene.meeting("RM_1", 1_000).await;
    let all: Vec<_> = (0..250).map(|number| number.to_string()).collect();
    let (before, after) = all.split_at(120);
    for word in before {
        scene.say(&first, &[(word, 10)]).await;
    }
    let mut stream = scene.stream(&scene.bob, None).await;
    assert_eq!(heard(&mut stream, 40).await, before[..40]);
    let left_off = stream.last_id.clone();
    drop(stream);
    // Meanwhile that meeting ends, another is held, and a third has begun.
    let said: Vec<_> = after.iter().map(|word| (word.as_str(), 20)).collect();
    scene.say(&first, &said).await;
    scene.end(&first).await;
    let second = scene.meeting("RM_2", 200_000).await;
    scene.say(&second, &[("between", 10)]).await;
    scene.end(&second).await;
    let third = scene.meeting("RM_3", 300_000).await;
    scene.say(&third, &[("now", 10)]).await;

    let mut again = scene.stream(&scene.bob, left_off.as_deref()).await;
    assert_eq!(heard(&mut again, 210).await, all[40..]);
    assert_eq!(heard(&mut again, 2).await, ["between", "now"]);
    scene.say(&third, &[("live", 20)]).await;
    assert_eq!(heard(&mut again, 1).await, ["live"]);

    // Pages stay in their meeting; a place in another room's, or in none, is the beginning.
    let page = scene.page("?limit=1").await;
    assert_eq!(
        (&page["items"][0]["text"], &page["meeting"]["live"]),
        (&json!("now"), &json!(true))
    );
    let path = format!("?limit=200&cursor={}", left_off.expect("an id"));
    let page = scene.page(&path).await;
    let words: Vec<_> = page["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| text(&item["text"]))
        .collect();
    assert_eq!(words, all[40..240]);
    let page = scene
        .page(&format!("?cursor={}", text(&page["nextCursor"])))
        .await;
    assert_eq!(
        (page["items"].as_array().map(Vec::len), &page["nextCursor"]),
        (Some(10), &json!(null))
    );
    let elsewhere = scene.world.room(&scene.ada, json!({})).await;
    let other = crate::lectures::held_meeting(&scene.world, &text(&elsewhere["id"])).await;
    let place = format!("0.{other}");
    let mut stream = scene.stream(&scene.bob, Some(&place)).await;
    assert_eq!(heard(&mut stream, 2).await, ["now", "live"]);
    for cursor in [place.as_str(), "0.nowhere", "-1.x"] {
        let path = scene.path(&format!("?cursor={cursor}"));
        let (status, body) = scene.world.get(&path, &scene.bob).await;
        assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"), "{cursor}");
    }
    scene.world.end().await;
}

#[tokio::test]
async fn who_comes_back_goes_on_where_they_left_off_on_sqlite() {
    who_comes_back_goes_on_where_they_left_off(Place::Sqlite).await;
}

#[tokio::test]
async fn who_comes_back_goes_on_where_they_left_off_on_postgres() {
    who_comes_back_goes_on_where_they_left_off(Place::postgres().await).await;
}

#[tokio::test]
async fn who_is_sent_out_hears_no_more() {
    let scene = Scene::at(Place::Sqlite).await;
    let meeting = scene.meeting("RM_1", 1_000).await;
    scene.say(&meeting, &[("open", 10)]).await;
    let mut stream = scene.stream(&scene.bob, None).await;
    assert_eq!(heard(&mut stream, 1).await, ["open"]);
    let body = json!({ "action": "kick", "target": scene.bobs_identity });
    let path = format!("/api/rooms/{}/moderate", scene.room);
    scene.world.ok(Method::POST, &path, &scene.ada, Some(body)).await;
    let left = stream.last_id.clone();
    assert_eq!(stream.next().await.expect("an event").0, "you.removed");
    assert_eq!((stream.next().await, stream.last_id), (None, left));
    scene.say(&meeting, &[("secret", 20)]).await;
    for rest in ["", "/stream"] {
        let (status, body) = scene.world.get(&scene.path(rest), &scene.bob).await;
        assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    }
    let (status, body) = scene.world.get("/api/rooms/nowhere/captions", &scene.bob).await;
    assert_eq!((status, code(&body)), (404, "ROOM_NOT_FOUND"));
    scene.world.end().await;
}

#[tokio::test]
async fn room_without_captions_says_so_and_erased_ones_are_not_told() {
    let scene = Scene::at(Place::Sqlite).await;
    let meeting = scene.meeting("RM_1", 1_000).await;
    scene.say(&meeting, &[("secret", 10)]).await;
    let mut stream = scene.stream(&scene.bob, None).await;
    assert_eq!(heard(&mut stream, 1).await, ["secret"]);
    let left_off = stream.last_id.clone();
    scene.end(&meeting).await;
    let path = format!("/api/lectures/{meeting}");
    scene.world.ok(Method::DELETE, &path, &scene.ada, None).await;
    let off = json!({ "settings": { "captions": false } });
    let room = format!("/api/rooms/{}", scene.room);
    scene.world.ok(Method::PATCH, &room, &scene.ada, Some(off)).await;
    let empty = json!({ "captions": false, "meeting": null, "items": [], "nextCursor": null });
    assert_eq!(scene.page("").await, empty);
    let mut streams = vec![stream];
    for last_id in [None, left_off.as_deref(), Some("odd")] {
        let mut again = scene.stream(&scene.bob, last_id).await;
        assert_eq!(again.next().await, Some(("captions.off".to_owned(), json!({}))));
        streams.push(again);
    }
    // Who reads along goes on with the next meeting.
    let next = scene.meeting("RM_2", 100_000).await;
    scene.say(&next, &[("anew", 10)]).await;
    for stream in &mut streams {
        assert_eq!(heard(stream, 1).await, ["anew"]);
    }
    scene.world.end().await;
}
