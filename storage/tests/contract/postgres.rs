//! The contract of databases, on a Postgres server.

use std::time::Duration;

use lectern_storage::{Database, DatabaseConfig, Receipt, Record, Writer};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

use crate::{
    proxy::Proxy,
    required,
    things::{Leftover, Place, segment},
};

crate::database_contract!(open);

async fn open() -> Place {
    let admin_url = required("TEST_DATABASE_URL");
    let name = format!("lectern_test_{}", uuid::Uuid::now_v7().simple());
    administer(&admin_url, format!("create database {name}")).await;
    Place::new(
        config(database_url(&admin_url, &name)),
        Leftover::PostgresDatabase { admin_url, name },
    )
    .await
}

/// Runs a statement on the server that tests are given.
pub(crate) async fn administer(admin_url: &str, statement: String) {
    let mut connection = PgConnection::connect(admin_url)
        .await
        .expect("TEST_DATABASE_URL leads to a Postgres server");
    raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("a statement that runs");
    connection.close().await.expect("a goodbye");
}

fn config(url: String) -> DatabaseConfig {
    DatabaseConfig {
        url: Some(SecretString::from(url)),
        direct_url: None,
        data_dir: "unused".into(),
        max_connections: 4,
    }
}

fn database_url(admin_url: &str, name: &str) -> String {
    let (server, _) = admin_url.rsplit_once('/').expect("a URL that names a database");
    format!("{server}/{name}")
}

#[tokio::test]
async fn database_that_does_not_exist_is_named_with_what_to_do() {
    let url = database_url(&required("TEST_DATABASE_URL"), "lectern_nowhere");
    let error = Database::open(&config(url)).await.expect_err("no such database");
    assert!(error.to_string().contains("/lectern_nowhere"), "{error}");
    assert!(error.to_string().contains("createdb"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_connections_break() {
    const SEGMENTS: usize = 600;
    let place = open().await;
    let meeting = place.meeting("cut", 0).await;
    let url = required("TEST_DATABASE_URL");
    let (proxy, through_proxy) = Proxy::before(&url).await;
    let Leftover::PostgresDatabase { name, .. } = &place.leftover else {
        panic!("a Postgres database")
    };
    let database = Database::open(&config(database_url(&through_proxy, name)))
        .await
        .expect("a way in");
    let (writer, task) = Writer::start(database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());

    let sender = tokio::spawn(async move {
        for number in 0..SEGMENTS {
            let record = Record::Segment(segment(
                &format!("SG_{number:04}"),
                number as u64,
                "said while cut",
            ));
            room.store(record).await.expect("a writer that runs");
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    });
    // Cut at odd moments, commits on their way included; then away for a while.
    for pause_ms in [70, 111, 53, 197, 88, 131, 29, 173] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        proxy.cut();
    }
    proxy.refuse();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(database.ping().await.is_err(), "nobody gets through");
    proxy.admit();

    let mut stored = Vec::new();
    while stored.len() < SEGMENTS {
        let receipt = tokio::time::timeout(Duration::from_secs(60), receipts.recv())
            .await
            .expect("in time");
        let Some(Receipt::Stored(id)) = receipt else {
            panic!("{receipt:?}")
        };
        stored.push(id);
    }
    sender.await.expect("all sent");
    drop(writer);
    task.finish().await;
    assert!(receipts.recv().await.is_none(), "no receipt came twice");
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len(), SEGMENTS);
    assert_eq!(place.segment_count(&meeting).await, SEGMENTS as u64);
    assert!(proxy.cuts() >= 8, "the proxy cut {} connections", proxy.cuts());
    database.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_goes_on_when_a_server_that_hung_answers_again() {
    let place = open().await;
    let meeting = place.meeting("hung", 0).await;
    let (proxy, through_proxy) = Proxy::before(&required("TEST_DATABASE_URL")).await;
    let Leftover::PostgresDatabase { name, .. } = &place.leftover else {
        panic!("a Postgres database")
    };
    let database = Database::open(&config(database_url(&through_proxy, name)))
        .await
        .expect("a way in");
    let (writer, task) = Writer::start(database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());
    room.try_store(Record::Segment(segment("SG_0", 0, "before")))
        .expect("room in the queue");
    receipts.recv().await.expect("a receipt");
    proxy.freeze();
    room.try_store(Record::Segment(segment("SG_1", 0, "while it hangs")))
        .expect("room in the queue");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(receipts.try_recv().is_err(), "the server hangs");
    proxy.thaw();
    tokio::time::timeout(Duration::from_secs(5), receipts.recv())
        .await
        .expect("in time")
        .expect("a receipt");
    assert_eq!(place.segment_count(&meeting).await, 2);
    drop((room, writer));
    task.finish().await;
    database.close().await;
    place.remove().await;
}
