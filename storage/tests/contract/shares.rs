//! What every database has to do about lectures' links.

use lectern_pipelines::UnixMillis;
use lectern_storage::LectureShare;

use crate::things::Place;

fn share(hash: &str, expires_at: Option<i64>) -> LectureShare {
    LectureShare {
        hash: hash.to_owned(),
        made_at: UnixMillis(1_000),
        expires_at: expires_at.map(UnixMillis),
    }
}

pub(crate) async fn share_lasts_until_it_ends(place: &Place) {
    let database = &place.database;
    let meeting = place.meeting("algebra", 500).await;
    let other = place.meeting("analysis", 500).await;
    let known = async |meeting, now| {
        let found = database.lecture_share(meeting, UnixMillis(now)).await;
        found.expect("readable").map(|share| share.hash)
    };
    assert_eq!(known(&meeting, 1_000).await, None);
    database
        .share_lecture(&meeting, &share("one", Some(5_000)))
        .await
        .expect("stored");
    assert_eq!(known(&meeting, 4_999).await.as_deref(), Some("one"));
    assert_eq!(known(&meeting, 5_000).await, None);
    assert_eq!(known(&other, 1_000).await, None);

    // A new one takes its place.
    database
        .share_lecture(&meeting, &share("two", None))
        .await
        .expect("stored");
    let found = database.lecture_share(&meeting, UnixMillis(i64::MAX)).await;
    assert_eq!(found.expect("readable"), Some(share("two", None)));
    assert!(database.stop_sharing_lecture(&meeting).await.expect("ended"));
    assert!(!database.stop_sharing_lecture(&meeting).await.expect("ended"));
    assert_eq!(known(&meeting, 1_000).await, None);

    // It goes with its lecture.
    database
        .share_lecture(&other, &share("three", None))
        .await
        .expect("stored");
    place.meddle("delete from meeting where room = 'analysis'").await;
    assert_eq!(known(&other, 1_000).await, None);
}
