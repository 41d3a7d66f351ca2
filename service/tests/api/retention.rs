//! What is past its days is gone.

use std::time::Duration;

use lectern_pipelines::UnixMillis;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    lectures::held_meeting,
    world::{Place, Proof, World, text},
};

const DAY: Duration = Duration::from_secs(86_400);

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(40), looking)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

async fn status(world: &World, path: &str, who: &Proof) -> u16 {
    world
        .request(Method::GET, path, who)
        .send()
        .await
        .expect("an answer")
        .status()
        .as_u16()
}

async fn lectures_past_their_days_are_erased(place: Place) {
    let world = World::at(place, |settings| {
        settings.retention.lectures = Some(7 * DAY);
        settings.retention.audit = 60 * DAY;
    })
    .await;
    world.admin().await;
    let ada = world.host("Ada").await;
    let room = async |settings: Value| text(&world.room(&ada, settings).await["id"]);
    let (short, long, default) = (
        room(json!({ "retentionDays": 2 })).await,
        room(json!({ "retentionDays": 3650 })).await,
        room(json!({})).await,
    );
    let now = || {
        UnixMillis(
            i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("a while"),
        )
    };
    let held = async |room: &str| {
        let lecture = held_meeting(&world, room).await;
        // It is of today.
        let moved = "update meeting set started_at = $2, last_seen_at = $2, ended_at = $2 where id = $1";
        match &world.database {
            lectern_storage::Database::Sqlite(sqlite) => {
                sqlx::query(moved)
                    .bind(lecture.as_str())
                    .bind(now().0)
                    .execute(sqlite.pool())
                    .await
                    .expect("stored");
            }
            lectern_storage::Database::Postgres(postgres) => {
                sqlx::query(moved)
                    .bind(lecture.as_str())
                    .bind(now().0)
                    .execute(postgres.pool())
                    .await
                    .expect("stored");
            }
        }
        format!("/api/lectures/{lecture}")
    };
    let (in_short, in_long, in_default, in_others) = (
        held(&short).await,
        held(&long).await,
        held(&default).await,
        held("a room of others").await,
    );
    let chat = format!("/api/rooms/{short}/chat");
    world
        .ok(Method::POST, &chat, &ada, Some(json!({ "text": "hello" })))
        .await;

    world.pass(3 * DAY);
    let admin = &administrator(&world).await;
    until("the first is gone", || async {
        status(&world, &in_short, admin).await == 404
    })
    .await;
    for kept in [&in_long, &in_default, &in_others] {
        assert_eq!(status(&world, kept, admin).await, 200, "{kept}");
    }
    until("its chat is gone", || async {
        world.get(&chat, admin).await.1["items"] == json!([])
    })
    .await;
    let (_, audit) = world.get("/api/audit", admin).await;
    let expired: Vec<&Value> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|entry| entry["action"] == json!("lecture.expire"))
        .collect();
    assert_eq!(expired.len(), 1, "{audit}");
    assert_eq!(expired[0]["actor"], Value::Null);
    assert_eq!(format!("/api/lectures/{}", text(&expired[0]["target"])), in_short);

    world.pass(5 * DAY);
    for gone in [&in_default, &in_others] {
        until("what has no days of its own is gone", || async {
            status(&world, gone, admin).await == 404
        })
        .await;
    }
    assert_eq!(status(&world, &in_long, admin).await, 200);
    until("their files are gone, and no others", || async {
        let left = world.objects.list("").await.expect("listed");
        let (_, id) = in_long.rsplit_once('/').expect("a path");
        !left.is_empty() && left.iter().all(|object| object.as_str().contains(id))
    })
    .await;

    // Who did what is forgotten as well.
    world.pass(70 * DAY);
    let admin = &administrator(&world).await;
    until("the log is forgotten", || async {
        let (_, audit) = world.get("/api/audit", admin).await;
        audit["items"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|entry| entry["action"] != json!("room.create"))
    })
    .await;
    world.end().await;
}

/// Sessions end meanwhile.
async fn administrator(world: &World) -> Proof {
    let body = json!({ "email": "admin@example.org", "password": crate::world::PASSWORD });
    let made = world
        .ok(Method::POST, "/api/auth/login", &Proof::Nothing, Some(body))
        .await;
    Proof::Token(text(&made["token"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lectures_past_their_days_are_erased_on_sqlite() {
    lectures_past_their_days_are_erased(Place::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lectures_past_their_days_are_erased_on_postgres() {
    lectures_past_their_days_are_erased(Place::postgres().await).await;
}
