//! Files that people share.

use std::{path::Path, time::Duration};

use lectern_pipelines::{RoomName, RoomSid, UnixMillis};
use lectern_service::{Downloads, FileKind, Settings};
use lectern_storage::{ObjectKey, Objects};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    stream::Stream,
    world::{Place, Proof, Store, World, answer_of, code, text},
};

struct Scene {
    world: World,
    ada: Proof,
    bob: Proof,
    eve: Proof,
    room: String,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(Place::Sqlite, Store::Folder, change).await
    }

    async fn on(place: Place, store: Store, change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::on(place, store, change).await;
        let ada = world.host("Ada").await;
        let room = text(&world.room(&ada, json!({})).await["id"]);
        let mut guests = Vec::new();
        for name in ["Bob", "Eve"] {
            let (_, body) = world.join(&room, name, json!({})).await;
            guests.push(Proof::Token(text(&body["guestToken"])));
        }
        let [bob, eve] = guests.try_into().expect("two guests");
        Self {
            world,
            ada,
            bob,
            eve,
            room,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/rooms/{}/files{rest}", self.room)
    }

    async fn send(&self, who: &Proof, query: &str, media_type: &str, body: Vec<u8>) -> (u16, Value) {
        let request = self.world.request(Method::POST, &self.path(query), who);
        let sent = request.header("content-type", media_type).body(body).send().await;
        answer_of(sent.expect("an answer")).await
    }

    async fn share(&self, who: &Proof, name: &str, bytes: &[u8]) -> Value {
        let (status, file) = self
            .send(who, &format!("?name={name}"), "application/pdf", bytes.to_vec())
            .await;
        assert_eq!(status, 201, "{file}");
        file
    }

    async fn fetch(&self, who: &Proof, file: &Value, range: Option<&str>) -> Response {
        let mut request = self.world.request(Method::GET, &text(&file["url"]), who);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.send().await.expect("an answer")
    }

    async fn key_of(&self, file: &Value) -> ObjectKey {
        let room = RoomName::parse(&*self.room).expect("a name");
        let found = self.world.database.file(&room, &text(&file["id"])).await;
        found.expect("readable").expect("there").key
    }

    /// Objects that no row names, due or not.
    async fn noted(&self) -> Vec<ObjectKey> {
        let noted = self.world.database.objects_to_erase(UnixMillis(i64::MAX)).await;
        noted.expect("readable")
    }

    /// Waits until nothing is left of what no row names.
    async fn until_erased(&self) {
        let erased = async {
            while !self.noted().await.is_empty() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, erased).await.expect("erased in time");
    }

    /// Sends what is no whole request, as bytes.
    async fn raw(&self, who: &Proof, head: &str, body: &[u8]) -> TcpStream {
        let Proof::Token(token) = who else {
            panic!("a token")
        };
        let address = self.world.base.strip_prefix("http://").expect("a URL");
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let path = self.path("");
        let head = format!(
            "POST {path}{head}\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        socket.write_all(body).await.expect("sent");
        socket
    }
}

/// The status and the code of an answer that is read to its end.
async fn told(mut socket: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let code = answer
        .split("\"code\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    (status.unwrap_or(0), code.unwrap_or_default().to_owned())
}

const PATIENCE: Duration = Duration::from_secs(30);
/// What a browser would run, were it shown as a page.
const PAGE: &[u8] = b"<!doctype html><script>alert(document.cookie)</script>";

async fn file_is_told_of_listed_fetched_and_gone_when_deleted(place: Place, store: Store) {
    let scene = Scene::on(place, store, |_| {}).await;
    let world = &scene.world;
    let stream = format!("/api/rooms/{}/chat/stream", scene.room);
    let mut live = Stream::open(world, &stream, &scene.eve, None).await;
    let (status, file) = scene
        .send(
            &scene.bob,
            "?name=Gr%C3%B6%C3%9Fe%20%22a%22;b.html",
            "text/html; charset=utf-8",
            PAGE.to_vec(),
        )
        .await;
    assert_eq!(status, 201, "{file}");
    assert_eq!(
        (
            &file["name"],
            &file["mediaType"],
            &file["bytes"],
            &file["sharedBy"]
        ),
        (
            &json!("Größe \"a\";b.html"),
            &json!("text/html"),
            &json!(PAGE.len()),
            &json!("Bob")
        )
    );
    let (kind, heard) = live.next().await.expect("an event");
    assert_eq!((kind.as_str(), &heard), ("file.shared", &file));
    assert_eq!(
        world.get(&scene.path(""), &scene.eve).await.1["items"],
        json!([file])
    );

    let key = scene.key_of(&file).await;
    assert!(!key.as_str().contains("html") && key.as_str().len() > 40, "{key}");
    let response = scene.fetch(&scene.eve, &file, None).await;
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"Gr__e _a_;b.html\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22a%22%3Bb.html"
    );
    assert_eq!(response.bytes().await.expect("a whole file"), PAGE);

    let path = text(&file["url"]);
    let (status, body) = world.call(Method::DELETE, &path, &scene.eve, None).await;
    assert_eq!((status, code(&body)), (403, "FORBIDDEN"));
    world.ok(Method::DELETE, &path, &scene.ada, None).await;
    let gone = json!({ "id": file["id"] });
    assert_eq!(
        live.next().await.expect("an event"),
        ("file.deleted".to_owned(), gone.clone())
    );
    for method in [Method::GET, Method::DELETE] {
        let (status, body) = world.call(method, &path, &scene.bob, None).await;
        assert_eq!((status, code(&body)), (404, "FILE_NOT_FOUND"));
    }
    // Who comes back reads its name nowhere.
    let mut again = Stream::open(world, &stream, &scene.eve, Some("0")).await;
    for _ in 0..2 {
        let (kind, heard) = again.next().await.expect("an event");
        assert_eq!((kind.as_str(), &heard), ("file.deleted", &gone));
    }
    scene.until_erased().await;
    assert!(!world.objects.exists(&key).await.expect("an answer"));

    // Who shared one takes it back.
    let own = scene.share(&scene.bob, "own.pdf", b"x").await;
    world
        .ok(Method::DELETE, &text(&own["url"]), &scene.bob, None)
        .await;
    scene.until_erased().await;
    scene.world.end().await;
}

#[tokio::test]
async fn file_is_told_of_listed_fetched_and_gone_when_deleted_on_sqlite_and_a_folder() {
    file_is_told_of_listed_fetched_and_gone_when_deleted(Place::Sqlite, Store::Folder).await;
}

#[tokio::test]
async fn file_is_told_of_listed_fetched_and_gone_when_deleted_on_postgres_and_s3() {
    file_is_told_of_listed_fetched_and_gone_when_deleted(Place::postgres().await, Store::S3).await;
}

#[tokio::test]
async fn link_to_s3_is_for_one_file_and_names_it() {
    let scene = Scene::on(Place::Sqlite, Store::S3, |_| {}).await;
    let file = scene.share(&scene.bob, "notes.pdf", b"%PDF-1.7").await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let Proof::Token(token) = &scene.eve else {
        panic!("a token")
    };
    let url = format!("{}{}", scene.world.base, text(&file["url"]));
    let response = client
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let link = response.headers()["location"].to_str().expect("text").to_owned();
    assert!(link.contains("X-Amz-Expires=300"), "{link}");
    // Without any proof but the link.
    let fetched = client.get(&link).send().await.expect("an answer");
    assert_eq!(fetched.status(), 200);
    assert_eq!(
        fetched.headers()["content-disposition"],
        "attachment; filename=\"notes.pdf\""
    );
    assert_eq!(fetched.headers()["content-type"], "application/pdf");
    assert_eq!(fetched.bytes().await.expect("a whole file"), &b"%PDF-1.7"[..]);
    let another = link.replacen("files/", "files/x", 1);
    assert_eq!(client.get(another).send().await.expect("an answer").status(), 403);
    scene
        .world
        .ok(Method::DELETE, &text(&file["url"]), &scene.bob, None)
        .await;
    scene.until_erased().await;
    scene.world.end().await;
}

async fn parts_are_fetched_through_the_service(store: Store) {
    let scene = Scene::on(Place::Sqlite, store, |settings| {
        settings.files.downloads = Downloads::Through;
    })
    .await;
    let file = scene.share(&scene.bob, "ten.pdf", b"0123456789").await;
    for (range, status, bytes, part) in [
        (None, 200, "0123456789", None),
        (Some("bytes=2-5"), 206, "2345", Some("bytes 2-5/10")),
        (Some("bytes=-3"), 206, "789", Some("bytes 7-9/10")),
        (Some("bytes=0-1,3-4"), 200, "0123456789", None),
    ] {
        let response = scene.fetch(&scene.eve, &file, range).await;
        assert_eq!(response.status(), status, "{range:?}");
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().expect("text"))
        };
        assert_eq!(header("content-range"), part);
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            header("content-security-policy"),
            Some("sandbox; default-src 'none'")
        );
        assert_eq!(
            header("content-disposition"),
            Some("attachment; filename=\"ten.pdf\"")
        );
        assert_eq!(response.text().await.expect("a whole answer"), bytes);
    }
    let response = scene.fetch(&scene.eve, &file, Some("bytes=10-")).await;
    assert_eq!(response.headers()["content-range"], "bytes */10");
    let (status, body) = answer_of(response).await;
    assert_eq!((status, code(&body)), (416, "RANGE_NOT_SATISFIABLE"));
    scene
        .world
        .ok(Method::DELETE, &text(&file["url"]), &scene.bob, None)
        .await;
    scene.until_erased().await;
    scene.world.end().await;
}

#[tokio::test]
async fn parts_are_fetched_through_the_service_from_a_folder() {
    parts_are_fetched_through_the_service(Store::Folder).await;
}

#[tokio::test]
async fn parts_are_fetched_through_the_service_from_s3() {
    parts_are_fetched_through_the_service(Store::S3).await;
}

async fn what_is_not_taken_leaves_nothing(place: Place, store: Store) {
    let scene = Scene::on(place, store, |settings| {
        settings.files.bytes_max = 1_000;
        settings.files.allowed = [".pdf", ".exe", "image/*"]
            .map(|text| FileKind::parse(text).expect("a kind"))
            .into();
    })
    .await;
    let pdf = "application/pdf";
    for (query, media_type, bytes, expected) in [
        ("?name=a.pdf", pdf, 1_001, (413, "FILE_TOO_LARGE")),
        ("?name=a.pdf", pdf, 0, (422, "VALIDATION_FAILED")),
        ("?name=a.pdf&bytes=1001", pdf, 10, (413, "FILE_TOO_LARGE")),
        ("?name=a.pdf&bytes=11", pdf, 10, (400, "BAD_REQUEST")),
        ("?name=a.pdf&bytes=9", pdf, 10, (400, "BAD_REQUEST")),
        ("?name=a.pdf&bytes=many", pdf, 10, (422, "VALIDATION_FAILED")),
        ("", pdf, 10, (422, "VALIDATION_FAILED")),
        ("?name=", pdf, 10, (422, "VALIDATION_FAILED")),
        (
            "?name=..%2f..%2fetc%2fpasswd.pdf",
            pdf,
            10,
            (422, "VALIDATION_FAILED"),
        ),
        ("?name=a%0d%0ax-evil:1.pdf", pdf, 10, (422, "VALIDATION_FAILED")),
        ("?name=evil%E2%80%AEfdp.exe", pdf, 10, (422, "VALIDATION_FAILED")),
        ("?name=a%00.pdf", pdf, 10, (422, "VALIDATION_FAILED")),
        ("?name=a.exe", pdf, 10, (415, "FILE_TYPE_REFUSED")),
        ("?name=a.txt", "text/plain", 10, (415, "FILE_TYPE_REFUSED")),
        (
            "?name=a.pdf",
            "multipart/form-data; boundary=x",
            10,
            (415, "FILE_TYPE_REFUSED"),
        ),
    ] {
        let (status, body) = scene.send(&scene.bob, query, media_type, vec![b'x'; bytes]).await;
        assert_eq!(
            (status, code(&body)),
            expected,
            "{query} {media_type} {bytes}: {body}"
        );
    }
    // A body that doesn't say how large it is, and is too large, or another than was said.
    let piece = [b"400\r\n".to_vec(), vec![b'x'; 0x400], b"\r\n0\r\n\r\n".to_vec()].concat();
    let chunked = |query: &str| format!("{query} HTTP/1.1\r\ntransfer-encoding: chunked");
    for (query, expected) in [
        ("?name=a.pdf", (413, "FILE_TOO_LARGE")),
        ("?name=a.pdf&bytes=1000", (413, "FILE_TOO_LARGE")),
    ] {
        let socket = scene.raw(&scene.bob, &chunked(query), &piece).await;
        assert_eq!(told(socket).await, (expected.0, expected.1.to_owned()), "{query}");
    }
    let socket = scene
        .raw(
            &scene.bob,
            &chunked("?name=a.pdf&bytes=3"),
            b"4\r\nabcd\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(told(socket).await, (400, "BAD_REQUEST".to_owned()));

    // Cut off in the middle.
    let head = "?name=a.pdf HTTP/1.1\r\ncontent-length: 900";
    let socket = scene.raw(&scene.bob, head, &[b'x'; 500]).await;
    let key = timeout(PATIENCE, async {
        loop {
            match scene.noted().await.pop() {
                Some(key) => return key,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await
    .expect("begun in time");
    drop(socket);
    scene.until_erased().await;
    assert!(!scene.world.objects.exists(&key).await.expect("an answer"));
    assert_eq!(
        scene.world.get(&scene.path(""), &scene.bob).await.1["items"],
        json!([])
    );
    if let Objects::Folder(_) = scene.world.objects {
        assert_eq!(files_below(scene.world.objects_folder()), 0);
    }
    // As much as may be is taken.
    let (status, file) = scene
        .send(&scene.bob, "?name=a&bytes=1000", "image/png", vec![b'x'; 1_000])
        .await;
    assert_eq!((status, &file["bytes"]), (201, &json!(1_000)));
    scene
        .world
        .ok(Method::DELETE, &text(&file["url"]), &scene.bob, None)
        .await;
    scene.until_erased().await;
    scene.world.end().await;
}

/// Files of any name, drafts too.
fn files_below(folder: impl AsRef<Path>) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| entry.expect("readable").path())
        .map(|path| if path.is_dir() { files_below(path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn what_is_not_taken_leaves_nothing_on_sqlite_and_a_folder() {
    what_is_not_taken_leaves_nothing(Place::Sqlite, Store::Folder).await;
}

#[tokio::test]
async fn what_is_not_taken_leaves_nothing_on_postgres_and_s3() {
    what_is_not_taken_leaves_nothing(Place::postgres().await, Store::S3).await;
}

async fn room_takes_as_many_as_it_may_though_they_come_at_once(place: Place) {
    let scene = Scene::on(place, Store::Folder, |settings| settings.files.per_room_max = 3).await;
    let one = scene.share(&scene.bob, "one.pdf", b"1").await;
    let sent = futures_util::future::join_all(
        (0..6).map(|_| scene.send(&scene.eve, "?name=a.pdf", "application/pdf", b"x".to_vec())),
    )
    .await;
    let codes: Vec<_> = sent.iter().map(|(status, body)| (*status, code(body))).collect();
    assert_eq!(codes.iter().filter(|code| code.0 == 201).count(), 2, "{codes:?}");
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == (409, "TOO_MANY_FILES"))
            .count(),
        4
    );
    scene
        .world
        .ok(Method::DELETE, &text(&one["url"]), &scene.bob, None)
        .await;
    scene.share(&scene.eve, "again.pdf", b"x").await;
    scene.until_erased().await;
    assert_eq!(scene.world.objects.list("").await.expect("listed").len(), 3);
    scene.world.end().await;
}

#[tokio::test]
async fn room_takes_as_many_as_it_may_though_they_come_at_once_on_sqlite() {
    room_takes_as_many_as_it_may_though_they_come_at_once(Place::Sqlite).await;
}

#[tokio::test]
async fn room_takes_as_many_as_it_may_though_they_come_at_once_on_postgres() {
    room_takes_as_many_as_it_may_though_they_come_at_once(Place::postgres().await).await;
}

#[tokio::test]
async fn rooms_without_files_and_rooms_that_are_over_take_none() {
    let scene = Scene::new(|_| {}).await;
    let file = scene.share(&scene.bob, "a.pdf", b"x").await;
    let room = format!("/api/rooms/{}", scene.room);
    let off = json!({ "settings": { "files": false } });
    scene.world.ok(Method::PATCH, &room, &scene.ada, Some(off)).await;
    for who in [&scene.bob, &scene.ada] {
        let (status, body) = scene
            .send(who, "?name=a.pdf", "application/pdf", b"x".to_vec())
            .await;
        assert_eq!((status, code(&body)), (403, "FILES_OFF"));
    }
    let on = json!({ "settings": { "files": true } });
    scene.world.ok(Method::PATCH, &room, &scene.ada, Some(on)).await;
    scene
        .world
        .ok(Method::POST, &format!("{room}/end"), &scene.ada, None)
        .await;
    let (status, body) = scene
        .send(&scene.bob, "?name=a.pdf", "application/pdf", b"x".to_vec())
        .await;
    assert_eq!((status, code(&body)), (409, "ROOM_ENDED"));
    // What was shared can still be fetched, and taken back.
    assert_eq!(scene.fetch(&scene.eve, &file, None).await.status(), 200);
    scene
        .world
        .ok(Method::DELETE, &text(&file["url"]), &scene.bob, None)
        .await;
    scene.world.end().await;
}

#[tokio::test]
async fn file_of_another_room_is_not_found_in_this_one() {
    let scene = Scene::new(|_| {}).await;
    let file = scene.share(&scene.bob, "a.pdf", b"x").await;
    let other = text(&scene.world.room(&scene.ada, json!({})).await["id"]);
    for id in [text(&file["id"]), "%00".to_owned(), "..%2f".to_owned()] {
        let path = format!("/api/rooms/{other}/files/{id}");
        let (status, body) = scene.world.get(&path, &scene.ada).await;
        assert_eq!((status, code(&body)), (404, "FILE_NOT_FOUND"), "{id}");
    }
    let path = format!("/api/rooms/{other}/files/{}", text(&file["id"]));
    assert_eq!(scene.world.get(&path, &scene.bob).await.0, 403);
    scene.world.end().await;
}

async fn erased_lectures_and_rooms_take_their_files_with_them(place: Place, store: Store) {
    let scene = Scene::on(place, store, |_| {}).await;
    let world = &scene.world;
    let before = scene.share(&scene.ada, "before.pdf", b"before").await;
    world.pass(Duration::from_secs(10));
    let room = RoomName::parse(&*scene.room).expect("a name");
    let sid = RoomSid::parse("RM_1").expect("a SID");
    let meeting = world
        .database
        .open_meeting(&room, &sid, world.now())
        .await
        .expect("opened")
        .id;
    world.pass(Duration::from_secs(10));
    let during = scene.share(&scene.bob, "during.pdf", b"during").await;
    let (kept, erased) = (scene.key_of(&before).await, scene.key_of(&during).await);
    let lecture = format!("/api/lectures/{meeting}");
    let (_, shown) = world.get(&lecture, &scene.eve).await;
    assert_eq!(shown["sharedFiles"], json!([during]));

    world.ok(Method::DELETE, &lecture, &scene.ada, None).await;
    assert_eq!(world.get(&text(&during["url"]), &scene.ada).await.0, 404);
    assert_eq!(
        world.get(&scene.path(""), &scene.ada).await.1["items"],
        json!([before])
    );
    scene.until_erased().await;
    assert!(!world.objects.exists(&erased).await.expect("an answer"));
    assert!(world.objects.exists(&kept).await.expect("an answer"));

    world
        .ok(
            Method::DELETE,
            &format!("/api/rooms/{}", scene.room),
            &scene.ada,
            None,
        )
        .await;
    scene.until_erased().await;
    assert!(!world.objects.exists(&kept).await.expect("an answer"));
    scene.world.end().await;
}

#[tokio::test]
async fn erased_lectures_and_rooms_take_their_files_with_them_on_sqlite_and_s3() {
    erased_lectures_and_rooms_take_their_files_with_them(Place::Sqlite, Store::S3).await;
}

#[tokio::test]
async fn erased_lectures_and_rooms_take_their_files_with_them_on_postgres_and_a_folder() {
    erased_lectures_and_rooms_take_their_files_with_them(Place::postgres().await, Store::Folder).await;
}

#[tokio::test]
async fn what_a_process_left_that_died_is_found_and_erased() {
    let scene = Scene::new(|_| {}).await;
    let world = &scene.world;
    let key = ObjectKey::parse("files/left-behind").expect("a key");
    let give_up_at = UnixMillis(world.now().0 + 7_200_000);
    world
        .database
        .expect_object(&key, give_up_at)
        .await
        .expect("noted");
    let mut upload = world.objects.begin(&key).await.expect("begun");
    upload.write(b"half").await.expect("written");
    drop(upload);
    assert_eq!(files_below(world.objects_folder()), 1);
    world.pass(Duration::from_secs(7_201));
    scene.until_erased().await;
    assert_eq!(files_below(world.objects_folder()), 0);
    scene.world.end().await;
}

#[tokio::test]
async fn store_that_fails_is_not_the_senders_fault() {
    let scene = Scene::new(|_| {}).await;
    let folder = scene.world.objects_folder();
    std::fs::write(&folder, "in the way").expect("written");
    let (status, body) = scene
        .send(&scene.bob, "?name=a.pdf", "application/pdf", b"x".to_vec())
        .await;
    assert_eq!((status, code(&body)), (503, "UNAVAILABLE"));
    assert!(!body.to_string().contains("in the way"), "{body}");
    std::fs::remove_file(&folder).expect("removed");
    scene.share(&scene.bob, "a.pdf", b"x").await;
    scene.world.end().await;
}
