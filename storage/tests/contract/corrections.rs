//! What every database has to do about corrections.

use std::slice;

use lectern_pipelines::{
    AccountId, GapReason, MeetingId, SearchQuery, Segment, SegmentId, Stage, UnixMillis,
};
use lectern_storage::{Corrected, Correction, Database, Due, StoredSegment};
use tokio::task::JoinSet;

use crate::{
    search::{summarised, summary},
    things::{Place, gap, person, segment},
};

fn ada() -> AccountId {
    AccountId::parse("ada").expect("an id")
}

fn id(text: &str) -> SegmentId {
    SegmentId::parse(text).expect("an id")
}

/// A correction of whatever is there.
fn to<'a>(text: &'a str, by: &'a AccountId) -> Correction<'a> {
    Correction {
        text,
        speaker: None,
        revision: None,
        by,
    }
}

async fn correct(
    database: &Database,
    meeting: &MeetingId,
    segment: &str,
    correction: Correction<'_>,
    now: i64,
) -> Corrected {
    let corrected = database
        .correct_segment(meeting, &id(segment), correction, UnixMillis(now))
        .await;
    corrected.expect("an answer")
}

fn done(corrected: Corrected) -> StoredSegment {
    match corrected {
        Corrected::Done(segment) => segment,
        other => panic!("{other:?}"),
    }
}

/// A meeting in which two segments were said, and its artifacts were made.
async fn held(place: &Place) -> (MeetingId, [Segment; 2]) {
    let (database, meeting) = (&place.database, place.meeting("a", 0).await);
    let said = [
        segment("SG_0", 0, "The whether is fine."),
        segment("SG_1", 500, "Indeed."),
    ];
    database.store_segments(&meeting, &said).await.expect("stored");
    database
        .store_participants(&meeting, &[person("ada"), person("bob")])
        .await
        .expect("stored");
    summarised(place, &meeting, &summary("Whether", "It is fine.")).await;
    for (from, to) in Stage::ALL.iter().zip(&Stage::ALL[1..]) {
        assert!(
            database
                .advance(&meeting, *from, *to, UnixMillis(1_000))
                .await
                .expect("advanced")
        );
    }
    (meeting, said)
}

pub(crate) async fn correction_keeps_all_that_was_before(place: &Place) {
    let database = &place.database;
    let (meeting, [heard, other]) = held(place).await;
    let (ada, bob) = (ada(), person("bob"));
    let first = done(
        correct(
            database,
            &meeting,
            "SG_0",
            to("The weather is fine\0.", &ada),
            2_000,
        )
        .await,
    );
    assert_eq!(
        (first.current.text.as_str(), first.current.revision),
        ("The weather is fine\u{fffd}.", 1)
    );
    let again = Correction {
        speaker: Some(&bob.identity),
        ..to("The weather is fine.", &ada)
    };
    let second = done(correct(database, &meeting, "SG_0", again, 3_000).await);
    assert_eq!((&second.current.speaker, second.current.revision), (&bob, 2));
    assert_eq!(
        done(correct(database, &meeting, "SG_0", again, 4_000).await),
        second,
        "nothing to correct"
    );
    // Who spoke, and not what was said.
    let third = Correction {
        speaker: Some(&bob.identity),
        ..to("Indeed.", &ada)
    };
    done(correct(database, &meeting, "SG_1", third, 5_000).await);

    let versions = database
        .segment_versions(&meeting, &id("SG_0"))
        .await
        .expect("listed");
    let texts: Vec<_> = versions
        .iter()
        .map(|version| {
            (
                version.revision,
                version.text.as_str(),
                version.corrected_at,
                version.corrected_by.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        texts,
        [
            (2, "The weather is fine.", Some(UnixMillis(3_000)), Some("ada")),
            (
                1,
                "The weather is fine\u{fffd}.",
                Some(UnixMillis(2_000)),
                Some("ada")
            ),
            (0, "The whether is fine.", None, None),
        ]
    );
    assert_eq!(
        (&versions[0].speaker, &versions[2].speaker),
        (&bob, &heard.speaker)
    );
    assert_eq!(
        database
            .segment_versions(&meeting, &id("SG_9"))
            .await
            .expect("listed"),
        []
    );

    // What is read from now on is what was corrected; words with their times are kept where they still are the words.
    let lecture = database
        .lecture(&meeting)
        .await
        .expect("readable")
        .expect("there");
    let corrected = Segment {
        text: "The weather is fine.".to_owned(),
        speaker: bob.clone(),
        words: Vec::new(),
        ..heard.clone()
    };
    assert_eq!(
        lecture.segments,
        [
            corrected,
            Segment {
                speaker: bob,
                ..other
            }
        ]
    );
    assert_eq!(lecture.revision, 3);
    let found = async |query: &str| {
        let page = database
            .search_lectures(None, &SearchQuery::parse(query), 5, None)
            .await
            .expect("an answer");
        page.items
            .iter()
            .flat_map(|found| found.segments.clone())
            .map(|found| found.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(found("weather").await, ["The weather is fine."]);
    assert_eq!(found("whether").await, Vec::<String>::new());
    // A worker that stores it once more changes nothing.
    database
        .store_segments(&meeting, slice::from_ref(&heard))
        .await
        .expect("stored");
    assert_eq!(found("weather").await.len(), 1);

    let page = database.segments(&meeting, 1, None).await.expect("listed");
    assert_eq!(page.items, [second]);
    let page = database
        .segments(&meeting, 1, page.next.as_ref())
        .await
        .expect("listed");
    assert_eq!((page.items[0].id.as_str(), page.next), ("SG_1", None));
}

pub(crate) async fn correction_of_another_version_is_refused(place: &Place) {
    let database = &place.database;
    let (meeting, _) = held(place).await;
    let ada = ada();
    let read = |revision| Correction {
        revision: Some(revision),
        ..to("The weather is fine.", &ada)
    };
    let Corrected::Meanwhile(now) = correct(database, &meeting, "SG_0", read(1), 2_000).await else {
        panic!("nobody has read that version");
    };
    assert_eq!(now.current.revision, 0);
    assert_eq!(
        done(correct(database, &meeting, "SG_0", read(0), 2_000).await)
            .current
            .revision,
        1
    );
    assert!(matches!(
        correct(database, &meeting, "SG_0", read(0), 2_000).await,
        Corrected::Meanwhile(_)
    ));
    let eve = person("eve");
    let nobody = Correction {
        speaker: Some(&eve.identity),
        ..to("x", &ada)
    };
    assert_eq!(
        correct(database, &meeting, "SG_0", nobody, 2_000).await,
        Corrected::NobodyThere
    );
    assert_eq!(
        correct(database, &meeting, "SG_9", to("x", &ada), 2_000).await,
        Corrected::NoSegment
    );
    assert_eq!(
        database
            .lecture(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .revision,
        1
    );
}

pub(crate) async fn corrected_lecture_is_rendered_again(place: &Place) {
    let database = &place.database;
    let (meeting, _) = held(place).await;
    let ada = ada();
    let stage = async || {
        database
            .meeting(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .stage
    };
    let outdated = async || {
        database
            .summary(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .is_outdated
    };
    // The summary does not rest on this one.
    done(correct(database, &meeting, "SG_1", to("Indeed!", &ada), 2_000).await);
    assert_eq!(stage().await, Stage::Summarised);
    assert!(!outdated().await);
    let claim = async |now| {
        let claimed = database
            .claim_meetings(Due::NextStep, "worker", UnixMillis(now), UnixMillis(now + 10), 5)
            .await;
        claimed.expect("claimed").len()
    };
    assert_eq!(claim(2_000).await, 1, "at once");
    // Corrected again while it is rendered: what is rendered is too old.
    done(
        correct(
            database,
            &meeting,
            "SG_0",
            to("The weather is fine.", &ada),
            2_001,
        )
        .await,
    );
    assert!(outdated().await);
    assert!(
        !database
            .rendered(&meeting, 1, UnixMillis(2_002))
            .await
            .expect("an answer")
    );
    assert_eq!(stage().await, Stage::Summarised);
    assert!(
        database
            .rendered(&meeting, 2, UnixMillis(2_003))
            .await
            .expect("an answer")
    );
    assert_eq!(stage().await, Stage::Rendered);
    assert_eq!(claim(9_000).await, 0);
}

pub(crate) async fn one_of_eight_correctors_of_a_version_is_first(place: &Place) {
    let (meeting, _) = held(place).await;
    let mut correctors = JoinSet::new();
    for corrector in 0..8 {
        let (database, meeting) = (place.another().await, meeting.clone());
        correctors.spawn(async move {
            let (ada, text) = (ada(), format!("by {corrector}"));
            let correction = Correction {
                revision: Some(0),
                ..to(&text, &ada)
            };
            matches!(
                correct(&database, &meeting, "SG_0", correction, 2_000).await,
                Corrected::Done(_)
            )
        });
    }
    let first = correctors
        .join_all()
        .await
        .into_iter()
        .filter(|done| *done)
        .count();
    assert_eq!(first, 1);
    let versions = place
        .database
        .segment_versions(&meeting, &id("SG_0"))
        .await
        .expect("listed");
    assert_eq!(versions.len(), 2);
}

pub(crate) async fn late_words_have_a_lecture_rendered_again(place: &Place) {
    let database = &place.database;
    let (meeting, said) = held(place).await;
    let revision = async || {
        let lecture = database.lecture(&meeting).await;
        lecture.expect("readable").expect("there").revision
    };
    let stage = async || {
        let overview = database.meeting(&meeting).await;
        overview.expect("readable").expect("there").stage
    };
    database.store_segments(&meeting, &said).await.expect("stored");
    assert_eq!(
        (revision().await, stage().await),
        (0, Stage::Rendered),
        "nothing new"
    );

    let late = [segment("SG_2", 900, "Late."), segment("SG_3", 950, "Later.")];
    database.store_segments(&meeting, &late).await.expect("stored");
    assert_eq!((revision().await, stage().await), (1, Stage::Summarised));
    // Whoever had begun before they came begins anew.
    let rendered = async |revision| {
        let rendered = database.rendered(&meeting, revision, UnixMillis(2_000)).await;
        rendered.expect("an answer")
    };
    assert!(!rendered(0).await);
    let gap = gap(960, 990, GapReason::RecogniserAway);
    database.store_gap(&meeting, &gap).await.expect("stored");
    assert!(!rendered(1).await);
    let pending = database
        .claim_meetings(Due::NextStep, "worker", UnixMillis(2_000), UnixMillis(3_000), 9)
        .await;
    assert_eq!(pending.expect("claimed").len(), 1);
    assert!(rendered(2).await);
    database.store_gap(&meeting, &gap).await.expect("stored");
    assert_eq!((revision().await, stage().await), (2, Stage::Rendered));
}
