//! What the writer has to do on every database.

use std::{collections::HashSet, time::Duration};

use lectern_pipelines::{GapReason, MeetingId};
use lectern_storage::{NotTaken, QUEUED_RECORDS_MAX, Receipt, Record, Writer};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::things::{Place, gap, person, segment};

pub(crate) async fn writer_answers_each_segment_once_it_is_stored(place: &Place) {
    let (writer, task) = Writer::start(place.database.clone());
    let mut rooms = JoinSet::new();
    for number in 0..8 {
        let meeting = place.meeting(&format!("room {number}"), 0).await;
        let (room, mut receipts) = writer.meeting(meeting.clone());
        let reader = place.another().await;
        rooms.spawn(async move {
            room.store(Record::Participant(person("ada")))
                .await
                .expect("taken");
            room.store(Record::Gap(gap(1, 2, GapReason::RecogniserAway)))
                .await
                .expect("taken");
            for number in 0..20 {
                let record = Record::Segment(segment(&format!("SG_{number:02}"), number, "said"));
                room.try_store(record).expect("room in the queue");
            }
            drop(room);
            let receipts = all_of(&mut receipts, 20).await;
            // Whoever looks right after a receipt finds the words.
            (
                reader.lecture(&meeting).await.expect("readable").expect("there"),
                receipts,
            )
        });
    }
    for (lecture, receipts) in rooms.join_all().await {
        let ids: Vec<_> = lecture
            .segments
            .iter()
            .map(|segment| Receipt::Stored(segment.id.clone()))
            .collect();
        assert_eq!(receipts, ids, "each once, in the order they were said");
        assert_eq!((lecture.participants.len(), lecture.gaps.len()), (1, 1));
    }
    drop(writer);
    task.finish().await;
}

pub(crate) async fn writer_says_when_all_is_stored(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = Writer::start(place.database.clone());
    let (room, _receipts) = writer.meeting(meeting.clone());
    room.settled().await;
    place.meddle("alter table gap rename to gap_away").await;
    // Neither of them gets a receipt.
    for record in [
        Record::Participant(person("ada")),
        Record::Gap(gap(1, 2, GapReason::RecogniserAway)),
    ] {
        room.try_store(record).expect("room in the queue");
    }
    let early = timeout(Duration::from_millis(300), room.settled()).await;
    assert!(early.is_err(), "the gap can't be stored yet");
    place.meddle("alter table gap_away rename to gap").await;
    room.settled().await;
    let lecture = place
        .database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!((lecture.participants.len(), lecture.gaps.len()), (1, 1));
    drop((room, writer));
    task.finish().await;
}

pub(crate) async fn writer_outlasts_a_database_that_fails(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = Writer::start(place.database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());
    place.meddle("alter table segment rename to segment_away").await;
    for number in 0..50 {
        let record = Record::Segment(segment(&format!("SG_{number}"), number, "said meanwhile"));
        room.try_store(record).expect("room in the queue");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(receipts.try_recv().is_err(), "nothing can be stored");
    place.meddle("alter table segment_away rename to segment").await;
    let receipts = all_of(&mut receipts, 50).await;
    assert_eq!(
        receipts
            .iter()
            .map(|receipt| format!("{receipt:?}"))
            .collect::<HashSet<_>>()
            .len(),
        50
    );
    assert!(
        receipts
            .iter()
            .all(|receipt| matches!(receipt, Receipt::Stored(_)))
    );
    assert_eq!(place.segment_count(&meeting).await, 50);
    drop((room, writer));
    task.finish().await;
}

pub(crate) async fn writer_stores_the_rest_of_a_batch_with_a_refused_record(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let erased = MeetingId::parse("erased").expect("an id");
    let (writer, task) = Writer::start(place.database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());
    let (erased_room, mut erased_receipts) = writer.meeting(erased);
    // A record of a meeting that doesn't exist, in the midst of one batch: the table is away while they come.
    place.meddle("alter table segment rename to segment_away").await;
    for number in 0..10 {
        let record = Record::Segment(segment(&format!("SG_{number}"), number, "said"));
        room.try_store(record.clone()).expect("room in the queue");
        if number == 5 {
            erased_room.try_store(record).expect("room in the queue");
        }
    }
    place.meddle("alter table segment_away rename to segment").await;
    assert!(
        all_of(&mut receipts, 10)
            .await
            .iter()
            .all(|receipt| matches!(receipt, Receipt::Stored(_)))
    );
    assert!(matches!(
        all_of(&mut erased_receipts, 1).await[..],
        [Receipt::Refused(_)]
    ));
    assert_eq!(place.segment_count(&meeting).await, 10);
    drop((room, erased_room, writer));
    task.finish().await;
}

pub(crate) async fn full_queue_gives_records_back(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = Writer::start(place.database.clone());
    let (room, mut receipts) = writer.meeting(meeting.clone());
    place.meddle("alter table segment rename to segment_away").await;
    let mut taken = 0;
    let given_back = loop {
        let record = Record::Segment(segment(&format!("SG_{taken}"), taken, "said"));
        match room.try_store(record) {
            Ok(()) => taken += 1,
            Err(NotTaken::Full(record)) => break *record,
            Err(NotTaken::Closed(_)) => panic!("the writer runs"),
        }
        assert!(taken <= 2 * QUEUED_RECORDS_MAX as u64, "the queue has an end");
        tokio::task::yield_now().await;
    };
    assert!(taken >= QUEUED_RECORDS_MAX as u64);
    assert_eq!(
        given_back,
        Record::Segment(segment(&format!("SG_{taken}"), taken, "said"))
    );
    place.meddle("alter table segment_away rename to segment").await;
    // Waits for room.
    room.store(given_back).await.expect("taken");
    all_of(&mut receipts, taken as usize + 1).await;
    assert_eq!(place.segment_count(&meeting).await, taken + 1);
    drop((room, writer));
    task.finish().await;
}

pub(crate) async fn writer_ends_when_all_is_stored(place: &Place) {
    let meeting = place.meeting("a", 0).await;
    let (writer, task) = Writer::start(place.database.clone());
    let (room, receipts) = writer.meeting(meeting.clone());
    for number in 0..100 {
        room.try_store(Record::Segment(segment(&format!("SG_{number}"), number, "said")))
            .expect("room in the queue");
    }
    // Nobody listens any more; it is stored all the same.
    drop((room, receipts, writer));
    timeout(Duration::from_secs(30), task.finish())
        .await
        .expect("in time");
    assert_eq!(place.segment_count(&meeting).await, 100);
}

pub(crate) async fn all_of(receipts: &mut UnboundedReceiver<Receipt>, count: usize) -> Vec<Receipt> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let receipt = timeout(Duration::from_secs(60), receipts.recv())
            .await
            .expect("a receipt in time");
        all.push(receipt.expect("a writer that runs"));
    }
    all
}
