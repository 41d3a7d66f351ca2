//! Calendars and invitations, read by other people's software: Python's `icalendar` and `email`.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    required,
    world::{Place, Proof, World, code, text},
};

/// What other software reads in a text.
async fn read(what: &str, data: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/read_calendar.py");
    let mut child = Command::new(required("LECTERN_PYTHON"))
        .args([script, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is installed: scripts/setup test");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(data.as_bytes()).await.expect("taken");
    drop(input);
    let output = child.wait_with_output().await.expect("an end");
    assert!(output.status.success(), "{data}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

struct Scene {
    world: World,
    ada: Proof,
    bob: Proof,
    room: Value,
}

impl Scene {
    async fn new(place: Place, room: Value) -> Self {
        let link = "https://meet.example.org/join/{code}".to_owned();
        let world = World::at(place, |settings| settings.room_link = Some(link)).await;
        let ada = world.host("Ada").await;
        let room = world.ok(Method::POST, "/api/rooms", &ada, Some(room)).await;
        let id = text(&room["id"]);
        let pin = room["settings"]["pin"].clone();
        let (_, bob) = world.join(&id, "Bob", json!({ "pin": pin })).await;
        let bob = Proof::Token(text(&bob["guestToken"]));
        Self {
            world,
            ada,
            bob,
            room,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}{rest}", text(&self.room["id"]))
    }

    async fn change(&self, change: Value) {
        self.world
            .ok(Method::PATCH, &self.path(""), &self.ada, Some(change))
            .await;
    }

    /// The calendar as it is sent, and what other software reads in it.
    async fn calendar(&self, who: &Proof) -> (String, Value) {
        let request = self.world.request(Method::GET, &self.path("/calendar.ics"), who);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/calendar; charset=utf-8");
        assert!(
            response.headers()["content-disposition"]
                .to_str()
                .expect("text")
                .starts_with("attachment")
        );
        let sent = response.text().await.expect("a whole answer");
        let told = read("calendar", &sent).await;
        assert_eq!(
            (&told["errors"], &told["wrongOffsets"]),
            (&json!([]), &json!([])),
            "{sent}"
        );
        assert_eq!(told["events"].as_array().map(Vec::len), Some(1), "{sent}");
        (sent, told)
    }

    async fn invite(&self, body: Value) -> Vec<Value> {
        let made = self
            .world
            .ok(Method::POST, &self.path("/invite"), &self.ada, Some(body))
            .await;
        made["items"].as_array().expect("a list").clone()
    }
}

const TITLE: &str =
    "Größe; of, \"things\" \\ 讲义 and a title that is long enough to be folded more than once, in 讲义 too";

async fn room_is_in_a_calendar_and_stays_the_same_event(place: Place) {
    let room = json!({
        "title": TITLE, "startsAt": "2027-03-01T09:30:00+01:00",
        "settings": { "pin": "4711", "durationMinutes": 90, "timeZone": "Europe/Berlin" }
    });
    let scene = Scene::new(place, room).await;
    let (sent, told) = scene.calendar(&scene.ada).await;
    assert!(
        sent.split("\r\n")
            .all(|line| line.len() <= 75 && !line.contains('\n')),
        "{sent}"
    );
    let event = &told["events"][0];
    let code = text(&scene.room["code"]);
    let link = format!("https://meet.example.org/join/{code}");
    assert_eq!(told["method"], json!(null));
    assert_eq!(event["SUMMARY"], json!(TITLE));
    assert_eq!(
        event["DESCRIPTION"],
        json!(format!("Link: {link}\nCode: {code}\nPIN: 4711"))
    );
    assert_eq!((&event["LOCATION"], &event["URL"]), (&json!(link), &json!(link)));
    assert_eq!(
        (&event["start"], &event["minutes"]),
        (&json!("2027-03-01T08:30:00+00:00"), &json!(90.0))
    );
    assert_eq!(
        (&event["zone"], &event["SEQUENCE"]),
        (&json!("Europe/Berlin"), &json!(0))
    );
    assert_eq!(
        event["ORGANIZER"],
        json!(null),
        "nobody's address is told to guests"
    );
    // The same again until something changes; the door is nothing that calendars know.
    scene.change(json!({ "settings": { "lobby": true } })).await;
    assert_eq!(scene.calendar(&scene.ada).await.0, sent);
    let guests = scene.calendar(&scene.bob).await.1;
    assert_eq!(
        guests["events"][0]["DESCRIPTION"],
        json!(format!("Link: {link}\nCode: {code}"))
    );

    for (number, change) in [
        json!({ "startsAt": "2027-03-02T09:30:00+01:00" }),
        json!({ "title": "Another" }),
        json!({ "settings": { "durationMinutes": 45 } }),
        json!({ "settings": { "timeZone": "america/new_york" } }),
        json!({ "settings": { "recurrence": { "frequency": "DAILY", "count": 3 } } }),
    ]
    .into_iter()
    .enumerate()
    {
        scene.change(change.clone()).await;
        // Changed to what it is: no change.
        scene.change(change).await;
        let event = scene.calendar(&scene.bob).await.1["events"][0].clone();
        assert_eq!(
            (&event["UID"], &event["SEQUENCE"]),
            (&told["events"][0]["UID"], &json!(number + 1))
        );
    }
    let event = scene.calendar(&scene.bob).await.1["events"][0].clone();
    assert_eq!(
        (&event["zone"], &event["minutes"]),
        (&json!("America/New_York"), &json!(45.0))
    );
    scene.world.end().await;
}

#[tokio::test]
async fn room_is_in_a_calendar_and_stays_the_same_event_on_sqlite() {
    room_is_in_a_calendar_and_stays_the_same_event(Place::Sqlite).await;
}

#[tokio::test]
async fn room_is_in_a_calendar_and_stays_the_same_event_on_postgres() {
    room_is_in_a_calendar_and_stays_the_same_event(Place::postgres().await).await;
}

#[tokio::test]
async fn what_comes_again_comes_at_the_same_hour_of_the_day() {
    let room = json!({ "title": "Weekly", "startsAt": "2027-03-22T09:30:00+01:00" });
    let scene = Scene::new(Place::Sqlite, room).await;
    for (settings, expected) in [
        // Summer time begins on 28 March.
        (
            json!({ "timeZone": "Europe/Berlin",
                "recurrence": { "frequency": "WEEKLY", "weekdays": ["WE"], "count": 4 } }),
            json!([
                "2027-03-22T08:30:00+00:00",
                "2027-03-24T08:30:00+00:00",
                "2027-03-29T07:30:00+00:00",
                "2027-03-31T07:30:00+00:00"
            ]),
        ),
        (
            json!({ "timeZone": "UTC",
                "recurrence": { "frequency": "WEEKLY", "interval": 2, "until": "2027-04-19T10:30:00+02:00" } }),
            json!([
                "2027-03-22T08:30:00+00:00",
                "2027-04-05T08:30:00+00:00",
                "2027-04-19T08:30:00+00:00"
            ]),
        ),
        // Half an hour of summer time, from 4 April backwards.
        (
            json!({ "timeZone": "Australia/Lord_Howe", "recurrence": { "frequency": "MONTHLY", "count": 2 } }),
            json!(["2027-03-22T08:30:00+00:00", "2027-04-22T09:00:00+00:00"]),
        ),
        // Summer time but for Ramadan, by no rule; and none at all.
        (
            json!({ "timeZone": "Asia/Gaza", "recurrence": { "frequency": "DAILY", "count": 1 } }),
            json!(["2027-03-22T08:30:00+00:00"]),
        ),
        (
            json!({ "timeZone": "Asia/Kathmandu", "recurrence": null }),
            json!(["2027-03-22T08:30:00+00:00"]),
        ),
        (
            json!({ "timeZone": "Europe/Dublin", "recurrence": { "frequency": "WEEKLY", "count": 2 } }),
            json!(["2027-03-22T08:30:00+00:00", "2027-03-29T07:30:00+00:00"]),
        ),
    ] {
        scene.change(json!({ "settings": settings })).await;
        let (sent, told) = scene.calendar(&scene.bob).await;
        assert_eq!(told["events"][0]["times"], expected, "{settings}\n{sent}");
    }
    scene.world.end().await;
}

#[tokio::test]
async fn invitation_is_mail_that_anybody_reads() {
    let room =
        json!({ "title": TITLE, "startsAt": "2027-03-01T09:30:00+01:00", "settings": { "pin": "4711" } });
    let scene = Scene::new(Place::Sqlite, room).await;
    let emails = json!(["bob@example.org", "o'neil+x@example.org", "BOB@example.org"]);
    let items = scene.invite(json!({ "emails": emails })).await;
    assert_eq!(items.len(), 2, "each of them once");
    let message = text(&items[1]["message"]);
    let told = read("message", &message).await;
    assert_eq!(told["defects"], json!([]), "{message}");
    assert_eq!(told["addresses"]["From"], json!([["Ada", "ada@example.org"]]));
    assert_eq!(told["addresses"]["To"], json!([["", "o'neil+x@example.org"]]));
    assert_eq!(told["headers"]["Subject"], json!(format!("Invitation: {TITLE}")));
    assert_eq!(told["type"], json!("multipart/alternative"));
    let parts = told["parts"].as_array().expect("a list");
    let types: Vec<_> = parts.iter().map(|part| text(&part["type"])).collect();
    assert_eq!(types, ["text/plain", "text/html", "text/calendar"]);
    let plain = text(&parts[0]["text"]);
    assert!(
        plain.contains(TITLE) && plain.contains("2027-03-01 08:30 (UTC), 60 minutes"),
        "{plain}"
    );
    assert!(plain.contains("PIN: 4711"), "{plain}");
    assert!(
        text(&parts[1]["text"]).contains("of, &quot;things&quot;"),
        "{told}"
    );
    assert_eq!(parts[2]["method"], json!("REQUEST"));

    let calendar = read("calendar", &text(&parts[2]["text"])).await;
    let event = &calendar["events"][0];
    assert_eq!(
        (&calendar["method"], &calendar["errors"]),
        (&json!("REQUEST"), &json!([]))
    );
    assert_eq!(event["ORGANIZER"], json!("mailto:ada@example.org"));
    assert_eq!(event["organizerName"], json!("Ada"));
    assert_eq!(
        event["attendees"],
        json!(["mailto:o%27neil+x@example.org"]),
        "the others stay private"
    );
    let shown = &scene.calendar(&scene.ada).await.1["events"][0];
    assert_eq!((&event["UID"], &event["SEQUENCE"]), (&shown["UID"], &json!(0)));

    let items = scene
        .invite(json!({ "emails": ["bob@example.org"], "method": "CANCEL" }))
        .await;
    let told = read("message", &text(&items[0]["message"])).await;
    assert_eq!(told["parts"][2]["method"], json!("CANCEL"));
    assert!(!text(&told["parts"][0]["text"]).contains("4711"), "{told}");
    let calendar = read("calendar", &text(&told["parts"][2]["text"])).await;
    let cancelled = &calendar["events"][0];
    assert_eq!(
        (&calendar["method"], &cancelled["STATUS"]),
        (&json!("CANCEL"), &json!("CANCELLED"))
    );
    assert_eq!(
        (&cancelled["UID"], &cancelled["SEQUENCE"]),
        (&event["UID"], &json!(1))
    );
    // Whoever is invited again afterwards has a newer event than the cancelled one, or the same.
    assert_eq!(
        scene.calendar(&scene.ada).await.1["events"][0]["SEQUENCE"],
        json!(1)
    );
    scene.world.end().await;
}

#[tokio::test]
async fn names_and_titles_stay_within_their_headers() {
    let world = World::new().await;
    let body = json!({ "email": "mallory@example.org", "name": "M\" <x@y>, \u{1F600}; =?UTF-8?Q?evil?=",
        "password": crate::world::PASSWORD });
    let made = world
        .ok(Method::POST, "/api/auth/register", &Proof::Nothing, Some(body))
        .await;
    let mallory = Proof::Token(text(&made["token"]));
    let title = "=?UTF-8?B?ZXZpbA==?= <script>alert(1)</script> BEGIN:VALARM";
    let room = json!({ "title": title, "startsAt": "2027-03-01T09:30:00Z" });
    let room = world.ok(Method::POST, "/api/rooms", &mallory, Some(room)).await;
    let path = format!("/api/rooms/{}/invite", text(&room["id"]));
    let made = world
        .ok(
            Method::POST,
            &path,
            &mallory,
            Some(json!({ "emails": ["bob@example.org"] })),
        )
        .await;
    let told = read("message", &text(&made["items"][0]["message"])).await;
    assert_eq!(told["defects"], json!([]));
    let name = "M\" <x@y>, \u{1F600}; =?UTF-8?Q?evil?=";
    assert_eq!(told["addresses"]["From"], json!([[name, "mallory@example.org"]]));
    assert_eq!(told["headers"]["Subject"], json!(format!("Invitation: {title}")));
    assert!(!text(&told["parts"][1]["text"]).contains("<script>"), "{told}");
    let calendar = read("calendar", &text(&told["parts"][2]["text"])).await;
    assert_eq!(calendar["events"][0]["SUMMARY"], json!(title));
    // No link was set: the code is how one comes in.
    let code = format!("Code {}", text(&room["code"]));
    assert_eq!(
        (&calendar["events"][0]["LOCATION"], &calendar["events"][0]["URL"]),
        (&json!(code), &json!(null))
    );
    world.end().await;
}

#[tokio::test]
async fn wrong_schedules_and_addresses_are_named() {
    let room = json!({ "title": "Some time" });
    let scene = Scene::new(Place::Sqlite, room).await;
    let one = json!({ "emails": ["bob@example.org"] });
    for (method, path, body) in [
        (Method::GET, "/calendar.ics", None),
        (Method::POST, "/invite", Some(one)),
    ] {
        let (status, body) = scene
            .world
            .call(method, &scene.path(path), &scene.ada, body)
            .await;
        assert_eq!((status, code(&body)), (409, "NOT_SCHEDULED"));
    }
    let again = |field: &str, value: Value| {
        let mut recurrence = json!({ "frequency": "WEEKLY" });
        recurrence[field] = value;
        json!({ "recurrence": recurrence })
    };
    for (settings, field) in [
        (json!({ "durationMinutes": 0 }), "settings.durationMinutes"),
        (json!({ "durationMinutes": 1441 }), "settings.durationMinutes"),
        (json!({ "timeZone": "Mars/Olympus" }), "settings.timeZone"),
        (json!({ "timeZone": "../../etc/passwd" }), "settings.timeZone"),
        (
            json!({ "recurrence": { "frequency": "HOURLY" } }),
            "settings.recurrence",
        ),
        (again("interval", json!(0)), "settings.recurrence.interval"),
        (again("count", json!(1_000)), "settings.recurrence.count"),
        (again("until", json!("tomorrow")), "settings.recurrence.until"),
        (again("weekdays", json!(["XX"])), "settings.recurrence"),
        (
            json!({ "recurrence": { "frequency": "DAILY", "weekdays": ["MO"] } }),
            "settings.recurrence.weekdays",
        ),
        (
            json!({ "recurrence": { "frequency": "DAILY", "count": 2, "until": "2027-04-01T00:00:00Z" } }),
            "settings.recurrence.until",
        ),
    ] {
        let change = json!({ "settings": settings });
        let (status, body) = scene
            .world
            .call(Method::PATCH, &scene.path(""), &scene.ada, Some(change))
            .await;
        assert_eq!(
            (status, &body["error"]["details"]["field"]),
            (422, &json!(field)),
            "{body}"
        );
    }
    scene.change(json!({ "startsAt": "2027-03-01T09:30:00Z" })).await;
    for (emails, field) in [
        (json!([]), "emails"),
        (json!(vec!["a@example.org"; 101]), "emails"),
        (
            json!(["ok@example.org", "a@b\r\nBcc: eve@example.org"]),
            "emails[1]",
        ),
        (json!(["Bob <bob@example.org>"]), "emails[0]"),
    ] {
        let body = json!({ "emails": emails });
        let (status, body) = scene.world.post(&scene.path("/invite"), &scene.ada, body).await;
        assert_eq!(
            (status, &body["error"]["details"]["field"]),
            (422, &json!(field)),
            "{body}"
        );
        assert!(!body.to_string().contains("eve@"), "{body}");
    }
    scene.world.end().await;
}

#[tokio::test]
async fn host_without_an_address_for_mail_is_told_so() {
    let world = World::new().await;
    let body = json!({ "email": "ада@example.org", "name": "Ада", "password": crate::world::PASSWORD });
    let made = world
        .ok(Method::POST, "/api/auth/register", &Proof::Nothing, Some(body))
        .await;
    let ada = Proof::Token(text(&made["token"]));
    let room = json!({ "title": "Физика", "startsAt": "2027-03-01T09:30:00Z" });
    let room = world.ok(Method::POST, "/api/rooms", &ada, Some(room)).await;
    let path = format!("/api/rooms/{}/invite", text(&room["id"]));
    let (status, body) = world
        .post(&path, &ada, json!({ "emails": ["bob@example.org"] }))
        .await;
    assert_eq!((status, code(&body)), (409, "NO_SENDER"));
    world.end().await;
}
