//! The contract of databases, on a SQLite file.

use std::time::Duration;

use lectern_pipelines::{Stage, UnixMillis};
use lectern_storage::{Database, DatabaseConfig, Error, Record, Writer};
use sqlx::Connection;
use tokio::task::JoinSet;

use crate::things::{Leftover, Place, segment};

crate::database_contract!(open);

async fn open() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let config = DatabaseConfig {
        url: None,
        direct_url: None,
        // Missing, so that it has to be made.
        data_dir: folder.path().join("data/of/lectern"),
        max_connections: 8,
    };
    Place::new(config, Leftover::Folder(folder)).await
}

#[tokio::test]
async fn commits_survive_a_power_cut() {
    let place = open().await;
    let Database::Sqlite(sqlite) = &place.database else {
        panic!("SQLite by default")
    };
    let journal: (String,) = sqlx::query_as("pragma journal_mode")
        .fetch_one(sqlite.pool())
        .await
        .expect("a pragma");
    let synchronous: (i64,) = sqlx::query_as("pragma synchronous")
        .fetch_one(sqlite.pool())
        .await
        .expect("a pragma");
    assert_eq!((journal.0.as_str(), synchronous.0), ("wal", 2));
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_start_on_a_new_folder() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DatabaseConfig {
            url: None,
            direct_url: None,
            data_dir: folder.path().join("data"),
            max_connections: 2,
        };
        let mut starters = JoinSet::new();
        for _ in 0..8 {
            let config = config.clone();
            starters.spawn(async move { Database::open(&config).await?.migrate().await });
        }
        while let Some(started) = starters.join_next().await {
            started.expect("no panic").expect("a database");
        }
    }
}

#[tokio::test]
async fn folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "in the way").expect("written");
    let config = DatabaseConfig {
        url: None,
        direct_url: None,
        data_dir: folder.path().join("file/data"),
        max_connections: 1,
    };
    let error = Database::open(&config).await.expect_err("a file is in the way");
    assert!(matches!(error, Error::DataFolder { .. }), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[tokio::test]
async fn file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("lectern.db"),
        "not a database, but long enough to be read as one".repeat(100),
    )
    .expect("written");
    let config = DatabaseConfig {
        url: None,
        direct_url: None,
        data_dir: folder.path().to_owned(),
        max_connections: 1,
    };
    let error = Database::open(&config).await.expect_err("not a database");
    assert!(error.to_string().contains("lectern.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_waits_for_a_process_that_holds_the_file() {
    let place = open().await;
    let meeting = place.meeting("held", 0).await;
    let mut other = sqlx::SqliteConnection::connect(&format!(
        "sqlite:{}",
        place.config.data_dir.join("lectern.db").display()
    ))
    .await
    .expect("a connection");
    let held = other
        .begin_with("begin immediate")
        .await
        .expect("the only write lock");
    let (writer, task) = Writer::start(place.database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());
    room.try_store(Record::Segment(segment("SG_1", 0, "said while locked")))
        .expect("room in the queue");
    // Longer than SQLite itself waits, so that the writer has to try again.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    assert!(receipts.try_recv().is_err(), "nothing can be stored yet");
    held.rollback().await.expect("the lock given back");
    receipts.recv().await.expect("a receipt");
    assert_eq!(place.segment_count(&meeting).await, 1);
    drop((room, writer));
    task.finish().await;
    place.remove().await;
}

#[tokio::test]
async fn rows_survive_a_restart() {
    let place = open().await;
    let meeting = place.meeting("again", 5).await;
    place
        .database
        .store_segments(&meeting, &[segment("SG_1", 0, "kept")])
        .await
        .expect("stored");
    place
        .database
        .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(9))
        .await
        .expect("advanced");
    place.database.close().await;
    let again = place.another().await;
    again.migrate().await.expect("nothing to do");
    let lecture = again
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("a meeting");
    assert_eq!(lecture.segments, [segment("SG_1", 0, "kept")]);
    again.close().await;
    place.remove().await;
}
