//! Lectures: read, fetched, erased.

use lectern_pipelines::{
    MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, RoomSid, Segment, SegmentId, Stage,
    Summary, TrackSid, UnixMillis,
};
use lectern_storage::{
    Artifact, Audience, ChatChange, ChatMessage, NewChatMessage, NewEvent, NewSummary, Reaction, object_key,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Proof, World, code, text};

/// A meeting that was held in a room, as a worker leaves it.
pub(crate) async fn held_meeting(world: &World, room: &str) -> MeetingId {
    let database = &world.database;
    let room = RoomName::parse(room).expect("a name");
    let sid = RoomSid::parse(format!("RM_{room}")).expect("a SID");
    let opened = database
        .open_meeting(&room, &sid, UnixMillis(1_000))
        .await
        .expect("opened");
    let speaker = Participant {
        identity: ParticipantIdentity::parse("user-ada").expect("an identity"),
        name: "<b>Ada</b>".to_owned(),
    };
    let segment = Segment {
        id: SegmentId::parse("SG_1").expect("an id"),
        track: TrackSid::parse("TR_1").expect("a SID"),
        speaker: speaker.clone(),
        start: MediaTime::from_millis(500),
        end: MediaTime::from_millis(2_500),
        text: "Energy is <script>conserved</script>.".to_owned(),
        language: Some("en".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance: 1,
    };
    database
        .store_participants(&opened.id, &[speaker])
        .await
        .expect("stored");
    database
        .store_segments(&opened.id, &[segment])
        .await
        .expect("stored");
    let summary = json!({
        "source": { "kind": "extractive" }, "title": "Energy", "language": "en",
        "abstract_lines": [{ "text": "Energy is conserved.", "citations": ["SG_1"] }],
        "chapters": [], "key_terms": [], "action_items": [], "coverage_percent": 100, "dropped_lines": 0
    });
    let summary: Summary = serde_json::from_value(summary).expect("a summary");
    let new = NewSummary {
        version: 1,
        summary: &summary,
        revision: 0,
        made_at: UnixMillis(5_000),
        ask_again_at: None,
    };
    database.store_summary(&opened.id, new).await.expect("stored");
    for (from, to) in Stage::ALL.iter().zip(&Stage::ALL[1..]) {
        assert!(
            database
                .advance(&opened.id, *from, *to, UnixMillis(5_000))
                .await
                .expect("stored")
        );
    }
    for (kind, pdf) in [("lecture.pdf", "%PDF-1.7"), ("shared.pdf", "%PDF-1.7 shared")] {
        let key = object_key(&opened.id, kind);
        world
            .objects
            .put(&key, "application/pdf", pdf.as_bytes().to_vec())
            .await
            .expect("written");
        let artifact = Artifact {
            kind: kind.to_owned(),
            key,
            media_type: "application/pdf".to_owned(),
            bytes: pdf.len() as u64,
        };
        database
            .store_artifact(&opened.id, &artifact)
            .await
            .expect("stored");
    }
    opened.id
}

#[tokio::test]
async fn lecture_is_read_by_who_was_in_its_room_and_by_nobody_else() {
    let world = World::new().await;
    let (ada, eve) = (world.host("Ada").await, world.host("Eve").await);
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let other = text(&world.room(&eve, json!({})).await["id"]);
    let bob = Proof::Token(text(&world.join(&room, "Bob", json!({})).await.1["guestToken"]));
    let mallory = Proof::Token(text(
        &world.join(&other, "Mallory", json!({})).await.1["guestToken"],
    ));
    let id = held_meeting(&world, &room).await;
    let path = format!("/api/lectures/{id}");
    let (_, listed) = world.get("/api/lectures", &ada).await;
    assert_eq!(
        (&listed["items"][0]["title"], &listed["items"][0]["stage"]),
        (&json!("Energy"), &json!("rendered"))
    );
    assert_eq!(world.get("/api/lectures", &eve).await.1["items"], json!([]));
    for (proof, expected) in [
        (&ada, 200),
        (&bob, 200),
        (&eve, 403),
        (&mallory, 403),
        (&Proof::Nothing, 401),
    ] {
        assert_eq!(world.get(&path, proof).await.0, expected, "{proof:?}");
        let pdf = world
            .request(Method::GET, &format!("{path}/artifact.pdf"), proof)
            .send()
            .await;
        assert_eq!(pdf.expect("an answer").status().as_u16(), expected, "{proof:?}");
    }
    let (_, lecture) = world.get(&path, &bob).await;
    assert_eq!(lecture["summary"]["abstract"][0]["citations"], json!(["SG_1"]));
    assert_eq!(lecture["summary"]["coveragePercent"], json!(100));
    assert_eq!(lecture["participantList"][0]["name"], json!("<b>Ada</b>"));
    assert_eq!(lecture["files"].as_array().map(Vec::len), Some(7), "{lecture}");
    world.end().await;
}

#[tokio::test]
async fn lecture_is_read_by_a_guests_browser() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let id = held_meeting(&world, &room).await;
    let joined = world
        .request(Method::POST, &format!("/api/rooms/{room}/join"), &Proof::Nothing)
        .json(&json!({ "name": "Bob", "sessionFingerprint": "bobs-browser" }))
        .send()
        .await
        .expect("an answer");
    let cookies = joined.headers().get_all("set-cookie").iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().expect("text")).collect();
    let sent_along = |path: &str| {
        let path = format!("; Path={path};");
        let cookie = cookies.iter().find(|cookie| cookie.contains(&path));
        let cookie = cookie.unwrap_or_else(|| panic!("a cookie for {path}: {cookies:?}"));
        assert!(cookie.contains("; HttpOnly"), "{cookie}");
        Proof::Cookie(cookie.split(';').next().expect("a value").to_owned())
    };
    let bob = sent_along("/api/lectures");
    let (status, _) = world.get(&format!("/api/lectures/{id}"), &bob).await;
    assert_eq!(status, 200);
    let pdf = world.request(Method::GET, &format!("/api/lectures/{id}/artifact.pdf"), &bob);
    assert_eq!(pdf.send().await.expect("an answer").status(), 200);
    let (status, _) = world
        .get(
            &format!("/api/rooms/{room}/captions"),
            &sent_along(&format!("/api/rooms/{room}")),
        )
        .await;
    assert_eq!(status, 200);
    world.end().await;
}

#[tokio::test]
async fn files_come_as_downloads_that_run_nothing() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let id = held_meeting(&world, &room).await;
    let (_, lecture) = world.get(&format!("/api/lectures/{id}"), &ada).await;
    for file in lecture["files"].as_array().expect("a list") {
        let response = world
            .request(Method::GET, &text(&file["url"]), &ada)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 200, "{file}");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert!(header("content-disposition").starts_with("attachment"), "{file}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-type"), text(&file["mediaType"]));
        assert!(!header("content-type").contains("html"), "{file}");
        let bytes = response.bytes().await.expect("a whole answer");
        let expected: &[u8] = match text(&file["name"]).as_str() {
            "artifact.pdf" => b"%PDF",
            "transcript.docx" => b"word/document.xml",
            _ => b"conserved",
        };
        assert!(
            bytes.windows(expected.len()).any(|window| window == expected),
            "{file}"
        );
    }
    for wrong in [
        "transcript.html",
        "transcript.",
        "artifact",
        "..%2fartifact.pdf",
        "lecture.pdf",
        "shared.pdf",
    ] {
        let (status, _) = world.get(&format!("/api/lectures/{id}/{wrong}"), &ada).await;
        assert_eq!(status, 404, "{wrong}");
    }
    world.end().await;
}

#[tokio::test]
async fn erased_lectures_leave_nothing() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let bob = Proof::Token(text(&world.join(&room, "Bob", json!({})).await.1["guestToken"]));
    let first = held_meeting(&world, &room).await;
    let path = format!("/api/lectures/{first}");
    assert_eq!(world.call(Method::DELETE, &path, &bob, None).await.0, 403);
    world.ok(Method::DELETE, &path, &ada, None).await;
    let (status, body) = world.get(&path, &ada).await;
    assert_eq!((status, code(&body)), (404, "LECTURE_NOT_FOUND"));

    // A worker is still at the second when its room goes: nobody sees it, and it is gone as soon as it is free.
    let second = held_meeting(&world, &room).await;
    let held_until = UnixMillis(now() + 2_000);
    assert!(
        world
            .database
            .claim_meeting(&second, "worker", UnixMillis(now()), held_until)
            .await
            .expect("claimed")
    );
    world
        .ok(Method::DELETE, &format!("/api/rooms/{room}"), &ada, None)
        .await;
    assert_eq!(world.get("/api/lectures", &ada).await.1["items"], json!([]));
    while world.database.meeting(&second).await.expect("readable").is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(world.objects.list("").await.expect("listed"), []);
    world.end().await;
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("for a while yet")
}

#[tokio::test]
async fn lecture_without_a_pdf_says_that_it_comes() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let name = RoomName::parse(&*room).expect("a name");
    let sid = RoomSid::parse("RM_1").expect("a SID");
    let opened = world
        .database
        .open_meeting(&name, &sid, UnixMillis(1_000))
        .await
        .expect("opened");
    let (status, body) = world
        .get(&format!("/api/lectures/{}/artifact.pdf", opened.id), &ada)
        .await;
    assert_eq!((status, code(&body)), (409, "NOT_YET"));
    let (status, lecture) = world.get(&format!("/api/lectures/{}", opened.id), &ada).await;
    assert_eq!(
        (status, &lecture["summary"], &lecture["stage"]),
        (200, &Value::Null, &json!("live"))
    );
    world.end().await;
}

#[tokio::test]
async fn what_was_misheard_is_put_right_by_who_holds_the_room() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let bob = Proof::Token(text(&world.join(&room, "Bob", json!({})).await.1["guestToken"]));
    let id = held_meeting(&world, &room).await;
    let path = format!("/api/lectures/{id}/segments");
    let (status, listed) = world.get(&path, &bob).await;
    assert_eq!(
        (status, &listed["items"]),
        (
            200,
            &json!([{
                "id": "SG_1", "startMs": 500, "endMs": 2500, "language": "en", "identity": "user-ada",
                "name": "<b>Ada</b>", "text": "Energy is <script>conserved</script>.", "version": 0,
                "correctedAt": null
            }])
        )
    );
    let one = format!("{path}/SG_1");
    let correct = async |body: Value, path: &str, proof| {
        let (status, body) = world.call(Method::PATCH, path, proof, Some(body)).await;
        (status, code(&body).to_owned(), body)
    };
    for (body, path, proof, status, error) in [
        (json!({ "text": "x" }), &one, &bob, 403, "FORBIDDEN"),
        (json!({ "text": " " }), &one, &ada, 422, "VALIDATION_FAILED"),
        (json!({ "text": "a\u{0}b" }), &one, &ada, 422, "VALIDATION_FAILED"),
        (
            json!({ "text": "x".repeat(5001) }),
            &one,
            &ada,
            422,
            "VALIDATION_FAILED",
        ),
        (json!({}), &one, &ada, 422, "VALIDATION_FAILED"),
        (
            json!({ "text": "x", "speaker": "user-eve" }),
            &one,
            &ada,
            422,
            "VALIDATION_FAILED",
        ),
        (
            json!({ "text": "x", "version": 7 }),
            &one,
            &ada,
            409,
            "SEGMENT_CHANGED",
        ),
        (
            json!({ "text": "x" }),
            &format!("{path}/SG_9"),
            &ada,
            404,
            "SEGMENT_NOT_FOUND",
        ),
    ] {
        let answer = correct(body.clone(), path, proof).await;
        assert_eq!(
            (answer.0, answer.1.as_str()),
            (status, error),
            "{body}: {}",
            answer.2
        );
    }
    let right = json!({ "text": "Energie bleibt erhalten.", "speaker": "user-ada", "version": 0 });
    let (status, _, corrected) = correct(right, &one, &ada).await;
    assert_eq!((status, &corrected["version"]), (200, &json!(1)), "{corrected}");
    assert!(corrected["correctedAt"].is_string());

    // Everything that is read says so, and the worker is told to make the files anew.
    let (_, lecture) = world.get(&format!("/api/lectures/{id}"), &bob).await;
    assert_eq!(lecture["stage"], "summarised");
    assert_eq!(lecture["summary"]["olderThanTranscript"], true, "{lecture}");
    let txt = world
        .request(Method::GET, &format!("/api/lectures/{id}/transcript.txt"), &bob)
        .send()
        .await;
    let txt = txt.expect("an answer").text().await.expect("text");
    assert!(txt.contains("erhalten") && !txt.contains("conserved"), "{txt}");
    let (_, found) = world.get("/api/lectures?q=erhalten", &ada).await;
    assert_eq!(found["items"][0]["highlights"][0]["segmentId"], "SG_1");
    let (status, versions) = world.get(&format!("{one}/versions"), &ada).await;
    assert_eq!(status, 200);
    assert_eq!(versions["items"][0]["text"], "Energie bleibt erhalten.");
    assert!(versions["items"][0]["correctedBy"].is_string());
    assert_eq!(
        (
            &versions["items"][1]["text"],
            &versions["items"][1]["correctedBy"]
        ),
        (&json!("Energy is <script>conserved</script>."), &Value::Null)
    );
    // What was taken back is nobody else's.
    assert_eq!(world.get(&format!("{one}/versions"), &bob).await.0, 403);
    let (status, body) = world.get(&format!("{path}/SG_9/versions"), &ada).await;
    assert_eq!((status, code(&body)), (404, "SEGMENT_NOT_FOUND"));
    world.end().await;
}

#[tokio::test]
async fn hosts_ask_for_another_summary() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let bob = Proof::Token(text(&world.join(&room, "Bob", json!({})).await.1["guestToken"]));
    let id = held_meeting(&world, &room).await;
    let (order, versions) = (
        format!("/api/lectures/{id}/summarise"),
        format!("/api/lectures/{id}/summaries"),
    );
    let ask = async |body: Value, proof| {
        let (status, body) = world.call(Method::POST, &order, proof, Some(body)).await;
        (status, code(&body).to_owned(), body)
    };
    for (body, proof, status, error) in [
        (json!({}), &bob, 403, "FORBIDDEN"),
        (
            json!({ "language": "German, please" }),
            &ada,
            422,
            "VALIDATION_FAILED",
        ),
        (json!({ "instructions": "" }), &ada, 422, "VALIDATION_FAILED"),
        (
            json!({ "instructions": "x".repeat(1001) }),
            &ada,
            422,
            "VALIDATION_FAILED",
        ),
        (json!({ "model": "another" }), &ada, 422, "VALIDATION_FAILED"),
    ] {
        let answer = ask(body.clone(), proof).await;
        assert_eq!(
            (answer.0, answer.1.as_str()),
            (status, error),
            "{body}: {}",
            answer.2
        );
    }
    let wanted = json!({ "language": "de", "prompt": "Only the formulas." });
    let (status, _, ordered) = ask(wanted, &ada).await;
    assert_eq!((status, &ordered["version"]), (202, &json!(2)), "{ordered}");
    let (_, lecture) = world.get(&format!("/api/lectures/{id}"), &bob).await;
    assert_eq!(
        (&lecture["stage"], &lecture["summary"]["title"]),
        (&json!("transcribed"), &json!("Energy"))
    );
    let (status, code, _) = ask(json!({}), &ada).await;
    assert_eq!((status, code.as_str()), (409, "NOT_YET"), "one after the other");
    let (_, listed) = world.get(&versions, &ada).await;
    let (newest, first) = (&listed["items"][0], &listed["items"][1]);
    assert_eq!(
        (
            &newest["language"],
            &newest["instructions"],
            &newest["summary"],
            &newest["madeAt"]
        ),
        (
            &json!("de"),
            &json!("Only the formulas."),
            &Value::Null,
            &Value::Null
        )
    );
    assert!(
        newest["askedBy"].is_string() && newest["askedAt"].is_string(),
        "{newest}"
    );
    assert_eq!(
        (&first["summary"]["title"], &first["askedBy"]),
        (&json!("Energy"), &Value::Null)
    );
    assert_eq!(world.get(&versions, &bob).await.0, 403);
    world.end().await;
}

#[tokio::test]
async fn lecture_without_a_summary_is_called_as_its_room() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let name = RoomName::parse(&*room).expect("a name");
    let sid = RoomSid::parse("RM_1").expect("a SID");
    let opened = world
        .database
        .open_meeting(&name, &sid, UnixMillis(1_000))
        .await
        .expect("opened");
    let renamed = json!({ "title": "Thermodynamics" });
    world
        .ok(Method::PATCH, &format!("/api/rooms/{room}"), &ada, Some(renamed))
        .await;
    for path in ["/api/lectures", "/api/lectures?q=thermo"] {
        let (_, listed) = world.get(path, &ada).await;
        assert_eq!(listed["items"][0]["title"], "Thermodynamics", "{path}");
    }
    let txt = world
        .request(
            Method::GET,
            &format!("/api/lectures/{}/transcript.txt", opened.id),
            &ada,
        )
        .send()
        .await;
    let txt = txt.expect("an answer").text().await.expect("text");
    assert!(txt.starts_with("Thermodynamics\n"), "{txt}");
    world.end().await;
}

#[tokio::test]
async fn lecture_shows_what_was_written_meanwhile() {
    let world = World::new().await;
    let ada = world.host("Ada").await;
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let name = RoomName::parse(&*room).expect("a name");
    let id = held_meeting(&world, &room).await;
    // It lasted from 1 s to 5 s.
    for (at, said) in [
        (900, "early"),
        (1_000, "hello"),
        (3_000, "regrets"),
        (5_000, "bye"),
        (5_001, "late"),
    ] {
        let new = NewChatMessage {
            identity: "user-ada",
            name: "Ada",
            text: said,
        };
        let tell = |message: &ChatMessage| NewEvent {
            audience: Audience::All,
            kind: "chat.message",
            json: json!({ "id": message.id }).to_string(),
        };
        let database = &world.database;
        let written = database
            .write_message(&name, new, UnixMillis(at), tell)
            .await
            .expect("written");
        match said {
            "regrets" => {
                let deleted =
                    database.change_message(&name, &written.id, ChatChange::Delete, UnixMillis(at), tell);
                deleted.await.expect("deleted");
            }
            "bye" => {
                let reaction = Reaction {
                    emoji: "👋".to_owned(),
                    identity: "bob".to_owned(),
                };
                let reacted = database.react(&name, &written.id, &reaction, UnixMillis(at), tell(&written));
                assert!(reacted.await.expect("stored"));
            }
            _ => {}
        }
    }
    let (_, lecture) = world.get(&format!("/api/lectures/{id}"), &ada).await;
    let told: Vec<_> = lecture["chat"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| &message["text"])
        .collect();
    assert_eq!(told, ["hello", "bye"]);
    assert_eq!(
        lecture["chat"][1]["reactions"],
        json!([{ "emoji": "👋", "identity": "bob" }])
    );
    world.end().await;
}

#[tokio::test]
async fn lectures_are_found_by_what_was_said() {
    let world = World::new().await;
    let (ada, eve) = (world.host("Ada").await, world.host("Eve").await);
    let room = text(&world.room(&ada, json!({})).await["id"]);
    let first = held_meeting(&world, &room).await;
    let second = held_meeting(&world, &room).await;
    let search = async |query: &str, proof| {
        let path = "/api/lectures";
        let request = world.request(Method::GET, path, proof).query(&[("q", query)]);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.expect("JSON"))
    };
    let (_, found) = search("CONSERV", &ada).await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(
        found["items"][0]["highlights"],
        json!([
            { "field": "summary", "text": "Energy is conserved.", "matches": [{ "start": 10, "end": 19 }] },
            {
                "field": "transcript", "text": "Energy is <script>conserved</script>.",
                "matches": [{ "start": 18, "end": 27 }],
                "segmentId": "SG_1", "name": "<b>Ada</b>", "startMs": 500
            }
        ])
    );
    assert_eq!(search("conserv", &eve).await.1["items"], json!([]), "not hers");
    let (_, page) = world.get("/api/lectures?q=energy&limit=1", &ada).await;
    let next = format!(
        "/api/lectures?q=energy&limit=1&cursor={}",
        text(&page["nextCursor"])
    );
    let (_, rest) = world.get(&next, &ada).await;
    let mut ids = [text(&page["items"][0]["id"]), text(&rest["items"][0]["id"])];
    ids.sort();
    let mut held = [first.to_string(), second.to_string()];
    held.sort();
    assert_eq!((ids, &rest["nextCursor"]), (held, &Value::Null));

    for odd in [
        "\"energy",
        "energy*)",
        "NOT AND OR",
        "'; drop table meeting;--",
        "en\0ergy",
        "% _",
        "-",
        "🧲",
    ] {
        let (status, found) = search(odd, &ada).await;
        assert_eq!(status, 200, "{odd:?}: {found}");
    }
    // Nothing to look for is no search.
    assert_eq!(
        search(" ", &ada).await.1["items"].as_array().map(Vec::len),
        Some(2)
    );
    let (status, body) = search(&"x".repeat(201), &ada).await;
    assert_eq!((status, code(&body)), (422, "VALIDATION_FAILED"));
    assert_eq!(body["error"]["details"]["field"], "q");
    world.end().await;
}
