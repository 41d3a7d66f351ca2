//! What the writer's log has to do before every database.

use std::{fs, path::Path, time::Duration};

use lectern_pipelines::{GapReason, MeetingId};
use lectern_storage::{Database, MeetingWriter, Receipt, Record, WordLog, Writer, WriterTask};
use tokio::{runtime::Runtime, sync::mpsc::UnboundedReceiver, time::timeout};

use crate::{
    things::{Place, gap, person, segment},
    writing::all_of,
};

/// What a process starts with a log in `folder`.
async fn start(database: Database, folder: &Path) -> (Writer, WriterTask) {
    Writer::start_logging(database, WordLog::open(folder.to_owned()).await)
}

async fn take_away(place: &Place) {
    place.meddle("alter table segment rename to segment_away").await;
}

async fn bring_back(place: &Place) {
    place.meddle("alter table segment_away rename to segment").await;
}

fn say(room: &MeetingWriter, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let record = Record::Segment(segment(&format!("SG_{number:02}"), number, "said meanwhile"));
        room.try_store(record).expect("room in the queue");
    }
}

async fn assert_all_stored(receipts: &mut UnboundedReceiver<Receipt>, count: usize) {
    let receipts = all_of(receipts, count).await;
    let stored = |receipt: &Receipt| matches!(receipt, Receipt::Stored(_));
    assert!(receipts.iter().all(stored), "{receipts:?}");
}

async fn assert_words_wait(writer: &Writer, meeting: &MeetingId) {
    let early = timeout(Duration::from_millis(300), writer.settled(meeting)).await;
    assert!(early.is_err(), "the database is away");
}

fn logs(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

pub(crate) async fn words_are_safe_while_the_database_is_away(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = start(place.database.clone(), folder.path()).await;
    let (room, mut receipts) = writer.meeting(meeting.clone());
    say(&room, 0..5);
    assert_all_stored(&mut receipts, 5).await;
    room.settled().await;
    assert_eq!(logs(folder.path()), 0, "the database took them at once");

    take_away(place).await;
    say(&room, 5..50);
    assert_all_stored(&mut receipts, 45).await;
    assert_eq!(logs(folder.path()), 1);
    assert_words_wait(&writer, &meeting).await;
    bring_back(place).await;
    room.settled().await;
    assert_eq!(place.segment_count(&meeting).await, 50);
    drop((room, writer));
    task.finish().await;
    assert_eq!(logs(folder.path()), 0, "nothing is left to anybody");
    assert!(receipts.recv().await.is_none(), "no receipt came twice");
}

pub(crate) async fn words_of_a_dead_process_are_stored_by_the_next(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let (meeting, erased) = (place.meeting("a", 0).await, place.meeting("b", 0).await);
    let database = place.another().await;
    take_away(place).await;

    let process = Runtime::new().expect("a runtime");
    let (path, meetings) = (folder.path().to_owned(), [meeting.clone(), erased.clone()]);
    let living = process.spawn(async move {
        let (writer, _task) = start(database, &path).await;
        for meeting in meetings {
            let (room, mut receipts) = writer.meeting(meeting);
            for record in [
                Record::Participant(person("ada")),
                Record::Gap(gap(1, 2, GapReason::RecogniserAway)),
            ] {
                room.try_store(record).expect("room in the queue");
            }
            say(&room, 0..20);
            assert_all_stored(&mut receipts, 20).await;
        }
    });
    living.await.expect("all is said");
    process.shutdown_background();

    let (writer, task) = start(place.another().await, folder.path()).await;
    assert_words_wait(&writer, &meeting).await;
    bring_back(place).await;
    // Some had been stored before the answer was lost; and what was erased stays so.
    let known = [segment("SG_03", 3, "said meanwhile")];
    place
        .database
        .store_segments(&meeting, &known)
        .await
        .expect("stored");
    place.meddle("delete from meeting where room = 'b'").await;
    writer.settled(&meeting).await;
    writer.settled(&erased).await;
    let lecture = place
        .database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    let ids: Vec<_> = lecture
        .segments
        .iter()
        .map(|segment| segment.id.as_str())
        .collect();
    let wanted: Vec<_> = (0..20).map(|number| format!("SG_{number:02}")).collect();
    assert_eq!(ids, wanted, "each once");
    assert_eq!((lecture.participants.len(), lecture.gaps.len()), (1, 1));
    assert!(place.database.lecture(&erased).await.expect("readable").is_none());
    drop(writer);
    task.finish().await;
}

pub(crate) async fn process_that_is_to_end_leaves_what_it_could_not_store(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = start(place.another().await, folder.path()).await;
    // Another one in the same folder, all the while.
    let (other, other_task) = start(place.database.clone(), folder.path()).await;
    let (room, receipts) = writer.meeting(meeting.clone());
    take_away(place).await;
    say(&room, 0..20);
    drop((room, receipts, writer));
    let ended = timeout(Duration::from_secs(60), task.finish()).await;
    ended.expect("it doesn't wait for the database");
    bring_back(place).await;
    while place.segment_count(&meeting).await < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    other.settled(&meeting).await;
    drop(other);
    other_task.finish().await;
}
