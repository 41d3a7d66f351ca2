//! What every database has to do about finding lectures by words.

use std::{collections::BTreeSet, slice};

use lectern_pipelines::{
    CitedLine, MeetingId, SearchQuery, SegmentId, Stage, Summary, SummarySource, UnixMillis,
};
use lectern_storage::{
    Cursor, Database, FOUND_SEGMENTS_MAX, FoundLecture, NewSummary, Objects, ObjectsConfig, RoomChange,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    rooms::made_room,
    things::{Place, room, segment},
};

/// A summary that rests on the segment `SG_0`.
pub(crate) fn summary(title: &str, line: &str) -> Summary {
    Summary {
        source: SummarySource::EXTRACTIVE,
        title: title.to_owned(),
        language: Some("en".to_owned()),
        abstract_lines: vec![CitedLine {
            text: line.to_owned(),
            citations: vec![SegmentId::parse("SG_0").expect("an id")],
        }],
        chapters: Vec::new(),
        key_terms: Vec::new(),
        action_items: Vec::new(),
        questions: Vec::new(),
        coverage_percent: 100,
        dropped_lines: 0,
        is_outdated: false,
    }
}

pub(crate) async fn summarised(place: &Place, meeting: &MeetingId, summary: &Summary) {
    let new = NewSummary {
        version: 1,
        summary,
        revision: 0,
        made_at: UnixMillis(9),
        ask_again_at: None,
    };
    place.database.store_summary(meeting, new).await.expect("stored");
}

async fn said(place: &Place, meeting: &MeetingId, texts: &[&str]) {
    let segments: Vec<_> = (0..)
        .zip(texts)
        .map(|(at, text): (u64, _)| segment(&format!("SG_{at}"), at * 1000, text))
        .collect();
    place
        .database
        .store_segments(meeting, &segments)
        .await
        .expect("stored");
}

async fn search(database: &Database, query: &str) -> Vec<FoundLecture> {
    let query = SearchQuery::parse(query);
    let page = database.search_lectures(None, &query, 200, None).await;
    page.expect("an answer").items
}

async fn ids(database: &Database, query: &str) -> Vec<MeetingId> {
    search(database, query)
        .await
        .into_iter()
        .map(|found| found.overview.id)
        .collect()
}

/// How many texts are indexed, by the table of texts and by the index itself.
async fn indexed(database: &Database) -> (i64, i64) {
    match database {
        Database::Sqlite(sqlite) => {
            sqlx::query_as("select (select count(*) from search_text), (select count(*) from search_index)")
                .fetch_one(sqlite.pool())
                .await
        }
        Database::Postgres(postgres) => {
            sqlx::query_as("select count(*), count(tokens) from search_text")
                .fetch_one(postgres.pool())
                .await
        }
    }
    .expect("counted")
}

pub(crate) async fn lecture_is_found_by_title_summary_and_words(place: &Place) {
    let database = &place.database;
    let (one, other) = (place.meeting("one", 1).await, place.meeting("other", 2).await);
    said(
        place,
        &one,
        &[
            "Energy is conserved.",
            "So is momentum.",
            "能量守恒",
            "energy",
            "ENERGIES",
            "энергия",
        ],
    )
    .await;
    said(place, &other, &["Momentum, again and again."]).await;
    summarised(place, &one, &summary("Conservation laws", "Nothing gets lost.")).await;
    for (query, expected) in [
        ("momentum", vec![&other, &one]),
        ("energy momentum", vec![&one]),
        ("conservation NOTHING ener", vec![&one]),
        ("again", vec![&other]),
        ("守恒", vec![&one]),
        ("Энерги", vec![&one]),
        ("gain", vec![]),
        ("守能", vec![]),
        ("", vec![]),
        ("?", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().cloned().collect();
        assert_eq!(ids(database, query).await, expected, "{query}");
    }
    let found = search(database, "energ").await.remove(0);
    assert_eq!(found.summary, None, "it is not in there");
    let first: Vec<_> = found.segments.iter().map(|segment| segment.id.as_str()).collect();
    assert_eq!(first, ["SG_0", "SG_3", "SG_4"]);
    assert_eq!(first.len() as u32, FOUND_SEGMENTS_MAX);
    assert_eq!(
        (
            found.segments[1].start.as_millis(),
            found.segments[1].name.as_str()
        ),
        (3_000, "Name of ada")
    );
    let found = search(database, "lost").await.remove(0);
    assert_eq!(
        found.summary.map(|summary| summary.title).as_deref(),
        Some("Conservation laws")
    );
    assert_eq!(found.segments, []);
}

pub(crate) async fn index_follows_what_it_is_of(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "algebra").await;
    let meeting = place.meeting("algebra", 1).await;
    // The room's title until there is a summary.
    assert_eq!(ids(database, "физика").await, slice::from_ref(&meeting));
    let renamed = RoomChange {
        title: Some("Группы"),
        ..RoomChange::default()
    };
    database.change_room(&id, renamed).await.expect("changed");
    assert_eq!(ids(database, "физика").await, []);
    assert_eq!(
        search(database, "группы").await[0].overview.title.as_deref(),
        Some("Группы")
    );
    summarised(place, &meeting, &summary("Rings", "Ideals are sums.")).await;
    summarised(place, &meeting, &summary("Fields", "No zero divisors.")).await;
    database.change_room(&id, renamed).await.expect("changed");
    for gone in ["группы", "rings", "ideals"] {
        assert_eq!(ids(database, gone).await, [], "{gone}");
    }
    assert_eq!(ids(database, "fields zero").await, slice::from_ref(&meeting));
    said(place, &meeting, &["Let K be a field.", "Then"]).await;
    said(place, &meeting, &["What is stored stays."]).await;
    assert_eq!(ids(database, "stored").await, []);
    assert_eq!(indexed(database).await, (4, 4));

    // Nobody finds what is to be erased, and nothing is left of it.
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::open(&ObjectsConfig {
        folder: folder.path().to_owned(),
        s3: None,
    });
    database
        .ask_to_erase(&meeting, UnixMillis(5))
        .await
        .expect("asked");
    assert_eq!(ids(database, "field").await, []);
    let erased = database
        .erase(&meeting, &objects, "eraser", UnixMillis(6), UnixMillis(9))
        .await;
    assert!(erased.expect("erased"));
    assert_eq!(indexed(database).await, (0, 0));
}

pub(crate) async fn search_shows_an_owner_their_own_page_by_page(place: &Place) {
    let database = &place.database;
    let id = made_room(database, "algebra").await;
    let owner = database.room(&id).await.expect("readable").expect("there").owner;
    let mut own = Vec::new();
    for at in 0..5 {
        let meeting = place.meeting("algebra", at * 10).await;
        said(place, &meeting, &["Let epsilon be given."]).await;
        let ended = database
            .advance(&meeting, Stage::Live, Stage::Ended, UnixMillis(at * 10 + 5))
            .await;
        assert!(ended.expect("ended"));
        own.insert(0, meeting);
        let foreign = place.meeting(&format!("room {at}"), at * 10).await;
        said(place, &foreign, &["Let epsilon be given."]).await;
    }
    assert_eq!(ids(database, "epsilon").await.len(), 10);
    let query = SearchQuery::parse("epsilon");
    let (mut found, mut after) = (Vec::new(), None::<Cursor>);
    loop {
        let page = database
            .search_lectures(Some(&owner), &query, 2, after.as_ref())
            .await
            .expect("an answer");
        assert!(
            page.items
                .iter()
                .all(|found| found.overview.room == room("algebra"))
        );
        assert!(page.items.iter().all(|found| found.segments.len() == 1));
        found.extend(page.items.into_iter().map(|found| found.overview.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, own);
}

pub(crate) async fn lectures_of_older_versions_are_indexed(place: &Place) {
    let meeting = place.meeting("old", 1).await;
    said(place, &meeting, &["Thales of Miletus", "water"]).await;
    summarised(place, &meeting, &summary("Beginnings", "All is water.")).await;
    place.meddle("update meeting set search_version = 0").await;
    place.meddle("delete from search_text").await;
    assert_eq!(ids(&place.database, "thales").await, []);
    let (one, other) = (place.another().await, place.another().await);
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    first.and(second).expect("migrated");
    for query in ["thales", "beginnings water", "all is"] {
        assert_eq!(
            ids(&place.database, query).await,
            slice::from_ref(&meeting),
            "{query}"
        );
    }
    assert_eq!(indexed(&place.database).await, (4, 4));
}

/// Texts of many scripts and of no sense, the same each time.
fn texts(runner: &mut TestRunner, pattern: &'static str, count: usize) -> Vec<String> {
    let strategy = proptest::string::string_regex(pattern).expect("a pattern");
    let mut text = || strategy.new_tree(runner).expect("a text").current();
    (0..count).map(|_| text()).collect()
}

pub(crate) async fn search_finds_what_the_terms_are_in(place: &Place) {
    let mut runner = TestRunner::deterministic();
    let mut lectures = Vec::new();
    for at in 0..12 {
        let meeting = place.meeting(&format!("room {at}"), at).await;
        let mut held = texts(
            &mut runner,
            "((?i:[abcé]{1,3}|光合|作用|ก[าิ]|'a|\"|-b:\\*|हिन्दी)[ ,']?){0,5}",
            4,
        );
        held.extend(texts(&mut runner, "\\PC{0,20}", 2));
        said(
            place,
            &meeting,
            &held.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await;
        summarised(place, &meeting, &summary(&held[4], &held[5])).await;
        lectures.push((meeting, held));
    }
    let words: Vec<String> = lectures.iter().flat_map(|(_, held)| held[4..].to_vec()).collect();
    let mut queries = texts(
        &mut runner,
        "([abc]{1,2}|é|光|合作?|用|ก|['\"(*:&|!<-]{1,2}| (AND|OR|NOT|NEAR) |हि|\\x00){1,3}",
        150,
    );
    queries.extend(words);
    let mut found_some = 0;
    for text in queries {
        let query = SearchQuery::parse(&text);
        let expected: BTreeSet<_> = lectures
            .iter()
            .filter(|(_, held)| {
                let is_held = |term: &lectern_pipelines::SearchTerm| held.iter().any(|text| term.is_in(text));
                !query.terms().is_empty() && query.terms().iter().all(is_held)
            })
            .map(|(meeting, _)| meeting.clone())
            .collect();
        found_some += usize::from(!expected.is_empty() && expected.len() < lectures.len());
        let found = search(&place.database, &text).await;
        for lecture in &found {
            let shown = lecture.segments.iter().map(|segment| segment.text.as_str());
            let shown = shown.chain(lecture.overview.title.as_deref());
            let mut shown = shown.chain(lecture.summary.iter().flat_map(Summary::texts));
            assert!(shown.any(|text| query.excerpt(text).is_some()), "{text:?}");
        }
        let found: BTreeSet<_> = found.into_iter().map(|found| found.overview.id).collect();
        assert_eq!(found, expected, "{text:?}: {:?}", query.terms());
    }
    assert!(found_some > 40, "only {found_some} queries told lectures apart");
}
