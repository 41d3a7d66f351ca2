//! What every database has to do about summaries.

use lectern_pipelines::{
    AccountId, MeetingId, ModelAbsence, ModelFailure, Stage, Summary, SummarySource, UnixMillis,
};
use lectern_storage::{Database, Due, NewSummary, SUMMARIES_KEPT_MAX, SummaryOrder, SummaryTask};

use crate::{search::summary, things::Place};

async fn advance(database: &Database, meeting: &MeetingId, from: Stage, to: Stage) {
    let advanced = database.advance(meeting, from, to, UnixMillis(5)).await;
    assert!(advanced.expect("an answer"), "{from} to {to}");
}

async fn to_make(database: &Database, meeting: &MeetingId) -> Option<SummaryTask> {
    database.summary_to_make(meeting).await.expect("readable")
}

async fn order(database: &Database, meeting: &MeetingId, order: &SummaryOrder) -> Option<u64> {
    let ada = AccountId::parse("ada").expect("an id");
    let ordered = database.order_summary(meeting, order, &ada, UnixMillis(70)).await;
    ordered.expect("an answer")
}

async fn make(database: &Database, meeting: &MeetingId, version: u64, summary: &Summary) {
    let new = NewSummary {
        version,
        summary,
        revision: 0,
        made_at: UnixMillis(80),
        ask_again_at: None,
    };
    database.store_summary(meeting, new).await.expect("stored");
}

pub(crate) async fn summaries_are_asked_for_made_and_kept(place: &Place) {
    let (database, meeting) = (&place.database, place.meeting("a", 0).await);
    let by_itself = |version| Some(SummaryTask { version, order: None });
    let german = SummaryOrder {
        language: Some("de".to_owned()),
        instructions: Some("Nur Formeln.".to_owned()),
    };
    assert_eq!(to_make(database, &meeting).await, by_itself(1));
    assert_eq!(order(database, &meeting, &german).await, None, "it goes on");
    advance(database, &meeting, Stage::Live, Stage::Transcribed).await;
    assert_eq!(
        order(database, &meeting, &german).await,
        None,
        "the first is still to be made"
    );
    make(database, &meeting, 1, &summary("First", "One.")).await;
    assert_eq!(to_make(database, &meeting).await, None);
    advance(database, &meeting, Stage::Transcribed, Stage::Summarised).await;

    assert_eq!(order(database, &meeting, &german).await, Some(2));
    assert_eq!(
        order(database, &meeting, &german).await,
        None,
        "one after the other"
    );
    let shown = async || {
        database
            .summary(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .title
    };
    assert_eq!(shown().await, "First", "until the next is made");
    let claimed = database
        .claim_meetings(Due::NextStep, "worker", UnixMillis(70), UnixMillis(90), 5)
        .await
        .expect("claimed");
    assert_eq!((claimed.len(), claimed[0].stage), (1, Stage::Transcribed));
    let task = SummaryTask {
        version: 2,
        order: Some(german.clone()),
    };
    assert_eq!(to_make(database, &meeting).await, Some(task));
    // Twice is once.
    make(database, &meeting, 2, &summary("Zweite", "Zwei.")).await;
    make(database, &meeting, 2, &summary("Zweite", "Zwei.")).await;
    assert_eq!(to_make(database, &meeting).await, None);
    assert_eq!(shown().await, "Zweite");
    let versions = database.summaries(&meeting).await.expect("listed");
    let told: Vec<_> = versions
        .iter()
        .map(|version| {
            (
                version.version,
                version.order.clone(),
                version.asked.clone(),
                version.made_at,
            )
        })
        .collect();
    let asked = Some(("ada".to_owned(), UnixMillis(70)));
    assert_eq!(
        told,
        [
            (2, german.clone(), asked, Some(UnixMillis(80))),
            (1, SummaryOrder::default(), None, Some(UnixMillis(80))),
        ]
    );
    assert_eq!(
        versions[1].summary.as_ref().map(|summary| summary.title.as_str()),
        Some("First")
    );

    for version in 3..=u64::from(SUMMARIES_KEPT_MAX) + 2 {
        advance(database, &meeting, Stage::Transcribed, Stage::Rendered).await;
        assert_eq!(
            order(database, &meeting, &SummaryOrder::default()).await,
            Some(version)
        );
        make(database, &meeting, version, &summary("Next", "More.")).await;
    }
    let kept = database.summaries(&meeting).await.expect("listed");
    assert_eq!(kept.len(), SUMMARIES_KEPT_MAX as usize);
    assert_eq!(kept.last().map(|oldest| oldest.version), Some(3));
}

pub(crate) async fn language_model_that_is_away_is_asked_again(place: &Place) {
    let (database, meeting) = (&place.database, place.meeting("a", 0).await);
    advance(database, &meeting, Stage::Live, Stage::Transcribed).await;
    let claim = async |now, holder| {
        let until = UnixMillis(now + 10);
        let claimed = database
            .claim_meetings(Due::LateSummary, holder, UnixMillis(now), until, 5)
            .await;
        let claimed = claimed.expect("claimed");
        assert!(claimed.iter().all(|claimed| claimed.id == meeting));
        claimed.len()
    };
    let made = summary("Quotes", "One.");
    let awaited = Summary {
        source: SummarySource::Extractive {
            instead: Some(ModelAbsence {
                failure: ModelFailure::Away,
                is_awaited: true,
            }),
        },
        ..made.clone()
    };
    let store = async |summary: &Summary, ask_again_at| {
        let new = NewSummary {
            version: 1,
            summary,
            revision: 0,
            made_at: UnixMillis(80),
            ask_again_at,
        };
        database.store_summary(&meeting, new).await.expect("stored");
    };
    store(&awaited, Some(UnixMillis(100))).await;
    assert_eq!(
        to_make(database, &meeting).await,
        None,
        "pages need not wait for it"
    );
    assert_eq!(claim(200, "one").await, 0, "they come first");
    advance(database, &meeting, Stage::Transcribed, Stage::Rendered).await;
    assert_eq!(claim(99, "one").await, 0);
    assert_eq!(claim(100, "one").await, 1);
    assert_eq!(claim(101, "two").await, 0, "somebody asks already");
    let waiting = database.awaited_summary(&meeting).await.expect("readable");
    assert_eq!(
        waiting.map(|waiting| (waiting.version, waiting.made_at)),
        Some((1, Some(UnixMillis(80))))
    );
    let later = database.ask_again_at(&meeting, Some(UnixMillis(300))).await;
    later.expect("stored");
    assert_eq!(claim(299, "two").await, 0);
    assert_eq!(claim(300, "two").await, 1);
    store(&made, None).await;
    assert_eq!(database.awaited_summary(&meeting).await.expect("readable"), None);
    assert_eq!(claim(900, "two").await, 0);
}

pub(crate) async fn unreadable_summary_is_made_anew(place: &Place) {
    let (database, meeting) = (&place.database, place.meeting("a", 0).await);
    make(database, &meeting, 1, &summary("First", "One.")).await;
    place
        .meddle("update lecture_summary set json = '{\"from\":\"the future\"}'")
        .await;
    assert!(database.summary(&meeting).await.is_err());
    let task = SummaryTask {
        version: 2,
        order: None,
    };
    assert_eq!(to_make(database, &meeting).await, Some(task));
    make(database, &meeting, 2, &summary("Second", "Two.")).await;
    assert_eq!(to_make(database, &meeting).await, None);
    assert_eq!(
        database
            .summary(&meeting)
            .await
            .expect("readable")
            .expect("there")
            .title,
        "Second"
    );
}
