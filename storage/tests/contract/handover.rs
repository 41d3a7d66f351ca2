//! What every database has to do about meetings that pass from one worker to another.

use lectern_pipelines::{MeetingId, UnixMillis};
use lectern_storage::Inheritance;

use crate::things::Place;

/// A worker holds it until 1,000.
async fn held(place: &Place, name: &str) -> MeetingId {
    let meeting = place.meeting(name, 0).await;
    assert!(claims(place, &meeting, "giver", 0, 1_000).await);
    meeting
}

async fn claims(place: &Place, meeting: &MeetingId, worker: &str, now: i64, until: i64) -> bool {
    let claimed = place
        .database
        .claim_meeting(meeting, worker, UnixMillis(now), UnixMillis(until));
    claimed.await.expect("an answer")
}

async fn accepts(place: &Place, meeting: &MeetingId, heir: &str, now: i64) -> bool {
    let accepted = place
        .database
        .accept_meeting(meeting, heir, UnixMillis(now), UnixMillis(now + 50));
    accepted.await.expect("an answer")
}

async fn inheritance(place: &Place, meeting: &MeetingId, heir: &str, now: i64) -> Inheritance {
    let inheritance = place.database.inheritance(meeting, heir, UnixMillis(now));
    inheritance.await.expect("an answer")
}

/// Which meetings lists show as offered.
async fn offered(place: &Place, now: i64) -> Vec<MeetingId> {
    let live = place.database.live_meetings(UnixMillis(now)).await;
    let offered = live
        .expect("listed")
        .into_iter()
        .filter(|meeting| meeting.is_offered);
    offered.map(|meeting| meeting.id).collect()
}

async fn heard(place: &Place, now: i64) -> Vec<MeetingId> {
    let heard = place.database.offer_meetings("giver", UnixMillis(now)).await;
    heard.expect("offered")
}

pub(crate) async fn offered_meeting_passes_to_the_one_who_hears_it(place: &Place) {
    let database = &place.database;
    let meeting = held(place, "algebra").await;
    let elsewhere = place.meeting("analysis", 0).await;
    assert!(claims(place, &elsewhere, "another", 0, 1_000).await);
    assert!(
        !accepts(place, &meeting, "heir", 5).await,
        "it is not offered yet"
    );
    assert_eq!(heard(place, 10).await, []);
    assert_eq!(offered(place, 10).await, std::slice::from_ref(&meeting));
    let to_take = |since| database.any_meeting_to_take(UnixMillis(10), UnixMillis(since));
    assert!(to_take(10).await.expect("an answer"));
    assert!(!to_take(11).await.expect("an answer"), "it was offered before");

    assert!(!accepts(place, &meeting, "giver", 20).await);
    assert!(accepts(place, &meeting, "heir", 20).await);
    assert_eq!(offered(place, 20).await, []);
    assert!(!to_take(0).await.expect("an answer"));
    assert_eq!(
        inheritance(place, &meeting, "heir", 20).await,
        Inheritance::Awaited
    );
    assert_eq!(
        inheritance(place, &meeting, "another", 20).await,
        Inheritance::Void
    );
    assert_eq!(heard(place, 25).await, [], "who accepted is not there yet");
    database
        .hear_meeting(&meeting, "heir", UnixMillis(30))
        .await
        .expect("noted");
    assert_eq!(heard(place, 30).await, std::slice::from_ref(&meeting));

    database
        .hand_over_meeting(&meeting, "giver", UnixMillis(40), UnixMillis(90))
        .await
        .expect("handed over");
    let since = Inheritance::Since(UnixMillis(40));
    assert_eq!(inheritance(place, &meeting, "heir", 41).await, since);
    assert!(!claims(place, &meeting, "another", 41, 99).await);
    assert!(!claims(place, &meeting, "giver", 41, 99).await);
    assert!(claims(place, &meeting, "heir", 41, 99).await);
    assert_eq!(heard(place, 50).await, []);
    assert_eq!(offered(place, 50).await, []);

    // The heir may have to stop as well.
    let again = database.offer_meetings("heir", UnixMillis(60)).await;
    assert_eq!(again.expect("offered"), []);
    assert_eq!(offered(place, 60).await, std::slice::from_ref(&meeting));
    assert!(accepts(place, &meeting, "giver", 61).await);
}

pub(crate) async fn offer_ends_with_its_givers_lease(place: &Place) {
    let database = &place.database;
    let meeting = held(place, "algebra").await;
    heard(place, 10).await;
    assert!(accepts(place, &meeting, "heir", 20).await);
    assert!(!accepts(place, &meeting, "another", 69).await);
    assert!(
        accepts(place, &meeting, "another", 70).await,
        "the heir never came"
    );
    let seen = database
        .touch_meetings(
            std::slice::from_ref(&meeting),
            "giver",
            UnixMillis(80),
            UnixMillis(200),
        )
        .await;
    assert_eq!(seen.expect("touched"), std::slice::from_ref(&meeting));
    assert_eq!(
        inheritance(place, &meeting, "another", 199).await,
        Inheritance::Awaited
    );
    assert_eq!(
        inheritance(place, &meeting, "another", 200).await,
        Inheritance::Since(UnixMillis(80)),
        "its giver vanished"
    );
    assert!(
        !accepts(place, &meeting, "third", 200).await,
        "whoever wants it now takes the lease"
    );
    assert!(claims(place, &meeting, "third", 200, 300).await);
    assert!(!accepts(place, &meeting, "fourth", 210).await);
    assert_eq!(offered(place, 210).await, []);

    // Without an heir it is anybody's, at once.
    let other = held(place, "analysis").await;
    heard(place, 220).await;
    database
        .hand_over_meeting(&other, "giver", UnixMillis(230), UnixMillis(900))
        .await
        .expect("handed over");
    assert!(!accepts(place, &other, "heir", 231).await);
    assert!(claims(place, &other, "heir", 231, 300).await);
}

pub(crate) async fn one_of_eight_heirs_accepts(place: &Place) {
    let meeting = held(place, "algebra").await;
    heard(place, 10).await;
    let mut heirs = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (database, meeting) = (place.database.clone(), meeting.clone());
        heirs.spawn(async move {
            let heir = format!("heir-{number}");
            let accepted = database.accept_meeting(&meeting, &heir, UnixMillis(20), UnixMillis(70));
            accepted.await.expect("an answer")
        });
    }
    let accepted = heirs.join_all().await;
    assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
}
