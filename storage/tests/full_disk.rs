//! Disks that are full, for real, and folders that can't be written.

use std::{fs, path::Path, time::Duration};

use lectern_pipelines::{
    MediaTime, MeetingId, Participant, ParticipantIdentity, RoomName, RoomSid, Segment, SegmentId, TrackSid,
    UnixMillis,
};
use lectern_storage::{
    Database, DatabaseConfig, LogState, MeetingWriter, Receipt, Record, WordLog, Writer, WriterTask,
};
use tokio::{
    sync::{mpsc::UnboundedReceiver, watch},
    time::timeout,
};

/// These machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn folder_that_can_t_be_made_costs_no_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path()).await;
    let meeting = begin(&database).await;
    let in_the_way = folder.path().join("waiting");
    fs::write(&in_the_way, "a file").expect("written");
    let (writer, task) = start(&database, &in_the_way).await;
    let mut log_state = writer.log_state();
    let (room, mut receipts) = writer.meeting(meeting.clone());
    meddle(&database, "alter table segment rename to segment_away").await;
    say(&room, 0..5);
    wait_for(&mut log_state, is_failing).await;
    assert_unsafe(&mut receipts).await;
    meddle(&database, "alter table segment_away rename to segment").await;
    assert_safe(&mut receipts, 5).await;
    wait_for(&mut log_state, |state| *state == LogState::Ready).await;
    assert_eq!(said(&database, &meeting).await, 5);
    drop((room, writer));
    task.finish().await;
}

/// There are no file systems of a test's own on macOS.
#[cfg(target_os = "linux")]
mod small_disk {
    use std::{
        fs::File,
        io::{ErrorKind, Write},
        path::PathBuf,
        process::Command,
    };

    use tokio::runtime::Runtime;

    use super::*;

    /// What the file system holds: several times a database with what is said here.
    const DISK: &str = "size=16m";
    /// More segments than there is room for in a journal that a database once had.
    const MANY: u64 = 2000;

    #[test]
    fn words_go_on_in_memory_while_the_log_can_t_be_written() {
        on_a_small_disk(
            "small_disk::words_go_on_in_memory_while_the_log_can_t_be_written",
            |disk| async move {
                let elsewhere = tempfile::tempdir().expect("a folder");
                let database = open(elsewhere.path()).await;
                let meeting = begin(&database).await;
                meddle(&database, "alter table segment rename to segment_away").await;
                let process = Runtime::new().expect("a runtime");
                let (path, folder) = (elsewhere.path().to_owned(), disk.join("waiting"));
                let starting = process.spawn(async move { start(&open(&path).await, &folder).await });
                let (writer, _task) = starting.await.expect("started");
                let mut log_state = writer.log_state();
                let (room, mut receipts) = writer.meeting(meeting.clone());
                say(&room, 0..3);
                assert_safe(&mut receipts, 3).await;

                let ballast = fill(&disk);
                say(&room, 3..60);
                let failing = wait_for(&mut log_state, is_failing).await;
                assert!(format!("{failing:?}").contains("No space left"), "{failing:?}");
                // Some of it may have found room in the log's last block.
                let early = receipts.len() as u64;
                assert!(early < 57);
                assert_safe(&mut receipts, early).await;
                assert_unsafe(&mut receipts).await;

                fs::remove_file(&ballast).expect("removed");
                assert_safe(&mut receipts, 57 - early).await;
                wait_for(&mut log_state, |state| *state == LogState::Ready).await;
                // The process dies; the next one finds it all, and nothing that is broken.
                process.shutdown_background();
                let (next, next_task) = start(&database, &disk.join("waiting")).await;
                meddle(&database, "alter table segment_away rename to segment").await;
                next.settled(&meeting).await;
                assert_eq!(said(&database, &meeting).await, 60);
                drop(next);
                next_task.finish().await;
            },
        );
    }

    #[test]
    fn database_and_log_on_a_full_disk_lose_nothing() {
        on_a_small_disk(
            "small_disk::database_and_log_on_a_full_disk_lose_nothing",
            |disk| async move {
                let database = open(&disk).await;
                let meeting = begin(&database).await;
                let (writer, task) = start(&database, &disk.join("waiting")).await;
                let mut log_state = writer.log_state();
                let (room, mut receipts) = writer.meeting(meeting.clone());
                say(&room, 0..20);
                assert_safe(&mut receipts, 20).await;

                let ballast = fill(&disk);
                // The database's journal may have room for some of it.
                let mut count = 20;
                while !is_failing(&log_state.borrow_and_update()) {
                    assert!(count < MANY, "the disk is full");
                    say(&room, count..count + 20);
                    count += 20;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let early = receipts.len() as u64;
                assert!(early < count - 20, "not all of it finds room");
                let more: Vec<_> = (MANY..2 * MANY).map(segment).collect();
                let full = database.store_segments(&meeting, &more).await;
                let reason = full.expect_err("no room").to_string();
                assert!(reason.contains("disk is full"), "{reason}");
                assert_whole(&database).await;

                fs::remove_file(&ballast).expect("removed");
                assert_safe(&mut receipts, count - 20).await;
                room.settled().await;
                assert_eq!(said(&database, &meeting).await, count);
                assert_whole(&database).await;
                wait_for(&mut log_state, |state| *state == LogState::Ready).await;
                drop((room, writer));
                task.finish().await;
                database.close().await;
                assert_eq!(said(&open(&disk).await, &meeting).await, count);
            },
        );
    }

    /// Runs this very test again in a process that may mount a file system, and there what is to be tested.
    fn on_a_small_disk<F: Future<Output = ()>>(test: &str, body: impl FnOnce(PathBuf) -> F) {
        const MARK: &str = "LECTERN_TEST_SMALL_DISK";
        if let Some(disk) = std::env::var_os(MARK) {
            let disk = PathBuf::from(disk);
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
                .arg(&disk)
                .status();
            assert!(
                mounted.expect("mount runs").success(),
                "a file system of our own can't be mounted"
            );
            let runtime = Runtime::new().expect("a runtime");
            return runtime.block_on(body(disk));
        }
        let disk = tempfile::tempdir().expect("a folder");
        let output = Command::new("unshare")
            // Whoever is not root becomes so in a namespace of users.
            .args(["--mount", "--user", "--map-root-user"])
            .arg(std::env::current_exe().expect("this is a program"))
            .args([test, "--exact", "--nocapture"])
            .env(MARK, disk.path())
            .output()
            .expect("unshare runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{}: {said}{failed}. If it could not even start: it needs a mount namespace of its own, as root or where \
             user namespaces are allowed",
            output.status
        );
    }

    /// Leaves no byte; the file can be removed.
    fn fill(disk: &Path) -> PathBuf {
        let path = disk.join("ballast");
        let mut file = File::create(&path).expect("a file");
        for size in [4096, 1] {
            let bytes = vec![0; size];
            let error = loop {
                if let Err(error) = file.write_all(&bytes) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
        path
    }

    async fn assert_whole(database: &Database) {
        let Database::Sqlite(sqlite) = database else {
            panic!("SQLite by default")
        };
        let checked: Vec<(String,)> = sqlx::query_as("pragma integrity_check")
            .fetch_all(sqlite.pool())
            .await
            .expect("an answer");
        assert_eq!(checked, [("ok".to_owned(),)]);
    }
}

async fn open(folder: &Path) -> Database {
    let config = DatabaseConfig {
        url: None,
        direct_url: None,
        data_dir: folder.to_owned(),
        max_connections: 4,
    };
    let database = Database::open(&config).await.expect("a database");
    database.migrate().await.expect("tables");
    database
}

async fn begin(database: &Database) -> MeetingId {
    let (room, sid) = (RoomName::parse("a"), RoomSid::parse("RM_a"));
    let (room, sid) = (room.expect("a name"), sid.expect("a SID"));
    let opened = database.open_meeting(&room, &sid, UnixMillis(0)).await;
    opened.expect("a meeting").id
}

async fn start(database: &Database, folder: &Path) -> (Writer, WriterTask) {
    Writer::start_logging(database.clone(), WordLog::open(folder.to_owned()).await)
}

async fn meddle(database: &Database, statement: &'static str) {
    let Database::Sqlite(sqlite) = database else {
        panic!("SQLite by default")
    };
    let done = sqlx::raw_sql(statement).execute(sqlite.pool()).await;
    done.expect("a statement that runs");
}

async fn said(database: &Database, meeting: &MeetingId) -> u64 {
    let overview = database.meeting(meeting).await;
    overview.expect("readable").expect("a meeting").segments
}

fn say(room: &MeetingWriter, numbers: std::ops::Range<u64>) {
    for number in numbers {
        room.try_store(Record::Segment(segment(number)))
            .expect("room in the queue");
    }
}

fn segment(number: u64) -> Segment {
    let identity = ParticipantIdentity::parse("ada").expect("an identity");
    Segment {
        id: SegmentId::parse(format!("SG_{number}")).expect("an id"),
        track: TrackSid::parse("TR_ada").expect("a SID"),
        speaker: Participant {
            identity,
            name: "Ada".to_owned(),
        },
        start: MediaTime::from_millis(number),
        end: MediaTime::from_millis(number + 1),
        // Four of them are more than a block of a disk.
        text: format!("{number} {}", "said ".repeat(300)),
        language: None,
        words: Vec::new(),
        is_final: true,
        utterance: 0,
    }
}

async fn assert_safe(receipts: &mut UnboundedReceiver<Receipt>, count: u64) {
    for number in 0..count {
        let receipt = timeout(PATIENCE, receipts.recv()).await;
        let receipt = receipt.unwrap_or_else(|_| panic!("{number} of {count} receipts came"));
        assert!(matches!(receipt, Some(Receipt::Stored(_))), "{receipt:?}");
    }
}

/// Nothing is said to be safe that is not.
async fn assert_unsafe(receipts: &mut UnboundedReceiver<Receipt>) {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(receipts.try_recv().is_err());
}

fn is_failing(state: &LogState) -> bool {
    matches!(state, LogState::Failing { .. })
}

async fn wait_for(state: &mut watch::Receiver<LogState>, wanted: impl FnMut(&LogState) -> bool) -> LogState {
    let found = timeout(PATIENCE, state.wait_for(wanted)).await;
    found.expect("in time").expect("a writer that runs").clone()
}
