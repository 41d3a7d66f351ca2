//! Finding lectures by words: an index beside the rows, written in the transactions that write the texts.
//!
//! Tokens are [`search_tokens`]'s, so that both databases find the same. Rows of `search_text` go with their meeting and
//! take what is indexed of them along.

use std::collections::HashMap;

use lectern_pipelines::{AccountId, MediaTime, SearchQuery, SearchTerm, SegmentId, Summary, search_tokens};
use serde::Serialize;

use crate::{
    Cursor, Database, Error, MeetingOverview, Page,
    database::{rows, sql, transaction},
    meeting::{OverviewRow, overview, overviews},
    page::{before, rows_for},
    transcript::media_time,
};

/// A lecture that was found, and where it has what was looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundLecture {
    /// The lecture.
    pub overview: MeetingOverview,
    /// Its summary, if something was found in it.
    pub summary: Option<Summary>,
    /// The first segments in which something was found; at most [`FOUND_SEGMENTS_MAX`].
    pub segments: Vec<FoundSegment>,
}

/// A piece of speech in which something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSegment {
    /// Its id.
    pub id: SegmentId,
    /// Who said it.
    pub name: String,
    /// When it begins.
    pub start: MediaTime,
    /// The words.
    pub text: String,
}

/// How many segments of a lecture a search shows.
pub const FOUND_SEGMENTS_MAX: u32 = 3;

/// How texts become tokens; one higher whenever that changes, and lectures are indexed anew.
pub(crate) const SEARCH_VERSION: i64 = 1;

/// A text to be indexed.
#[derive(Debug, Serialize)]
pub(crate) struct IndexedText<'a> {
    meeting: &'a str,
    kind: &'static str,
    segment: &'a str,
    tokens: String,
}

impl<'a> IndexedText<'a> {
    pub(crate) fn title(database: &Database, meeting: &'a str, title: &str) -> Self {
        Self::new(database, meeting, ("title", ""), title)
    }

    pub(crate) fn summary(database: &Database, meeting: &'a str, summary: &Summary) -> Self {
        let texts: Vec<_> = summary.texts().collect();
        Self::new(database, meeting, ("summary", ""), &texts.join("\n"))
    }

    pub(crate) fn segment(database: &Database, meeting: &'a str, segment: &'a str, text: &str) -> Self {
        Self::new(database, meeting, ("segment", segment), text)
    }

    fn new(
        database: &Database,
        meeting: &'a str,
        (kind, segment): (&'static str, &'a str),
        text: &str,
    ) -> Self {
        let tokens = search_tokens(text);
        let tokens: Vec<_> = match database {
            Database::Sqlite(_) => tokens,
            Database::Postgres(_) => (1..)
                .zip(tokens)
                .map(|(position, token): (u32, _)| format!("'{token}':{position}"))
                .collect(),
        };
        Self {
            meeting,
            kind,
            segment,
            tokens: tokens.join(" "),
        }
    }
}

/// Indexes texts; those that were indexed before have to be taken out first.
macro_rules! index_texts {
    ($database:expr, $connection:ident, $texts:expr) => {
        let texts: &[$crate::search::IndexedText<'_>] = $texts;
        if !texts.is_empty() {
            let texts = serde_json::to_string(texts).expect("plain values are JSON");
            for &statement in $crate::search::index_statements($database) {
                sqlx::query(statement)
                    .persistent(false)
                    .bind(&texts)
                    .execute(&mut *$connection)
                    .await?;
            }
        }
    };
}
pub(crate) use index_texts;

/// What indexes a JSON list of [`IndexedText`]s.
pub(crate) fn index_statements(database: &Database) -> &'static [&'static str] {
    match database {
        Database::Sqlite(_) => &[
            "insert into search_text (meeting_id, kind, segment_id)
            select json_extract(value, '$.meeting'), json_extract(value, '$.kind'), json_extract(value, '$.segment')
            from json_each($1)",
            "insert into search_index (rowid, tokens)
            select search_text.id, json_extract(value, '$.tokens') from json_each($1)
            join search_text on meeting_id = json_extract(value, '$.meeting')
                and kind = json_extract(value, '$.kind') and segment_id = json_extract(value, '$.segment')",
        ],
        Database::Postgres(_) => &[
            "insert into search_text (meeting_id, kind, segment_id, tokens)
            select value ->> 'meeting', value ->> 'kind', value ->> 'segment', cast(value ->> 'tokens' as tsvector)
            from json_array_elements($1::json) on conflict do nothing",
        ],
    }
}

/// A term as the database's own language has it.
fn expression(database: &Database, term: &SearchTerm) -> String {
    match (database, term) {
        (Database::Sqlite(_), SearchTerm::Prefix(prefix)) => format!("\"{prefix}\" *"),
        (Database::Sqlite(_), SearchTerm::InARow(tokens)) => format!("\"{}\"", tokens.join(" ")),
        (Database::Postgres(_), SearchTerm::Prefix(prefix)) => format!("'{prefix}':*"),
        (Database::Postgres(_), SearchTerm::InARow(tokens)) => {
            let quoted: Vec<_> = tokens.iter().map(|token| format!("'{token}'")).collect();
            format!("({})", quoted.join(" <-> "))
        }
    }
}

impl Database {
    /// Up to `limit` lectures that have every term of `query` in title, summary or transcript, those of `owner`'s rooms
    /// or any, the latest first, from `after` on. Those that are to be erased are not among them.
    pub async fn search_lectures(
        &self,
        owner: Option<&AccountId>,
        query: &SearchQuery,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<FoundLecture>, Error> {
        let (started_at, id) = before(after);
        let terms: Vec<_> = query.terms().iter().map(|term| expression(self, term)).collect();
        if terms.is_empty() {
            return Ok(Page::empty());
        }
        let all = json_list(&terms);
        let (lectures, any, places, summaries) = match self {
            Self::Sqlite(_) => (
                LECTURES_SQLITE,
                terms.join(" OR "),
                PLACES_SQLITE,
                SUMMARIES_SQLITE,
            ),
            Self::Postgres(_) => (
                LECTURES_POSTGRES,
                terms.join(" | "),
                PLACES_POSTGRES,
                SUMMARIES_POSTGRES,
            ),
        };
        let (page, places, summaries) = transaction!(self, Read, "look for lectures", |connection| {
            let owner = owner.map(AccountId::as_str);
            let found = rows!(
                OverviewRow,
                lectures,
                started_at,
                id,
                rows_for(limit),
                owner,
                &all
            )
            .fetch_all(&mut *connection)
            .await?;
            let shown: Vec<_> = found.iter().map(|row| row.0.as_str()).collect();
            let shown = json_list(&shown);
            let places = rows!(PlaceRow, places, &any, &shown, i64::from(FOUND_SEGMENTS_MAX))
                .fetch_all(&mut *connection)
                .await?;
            let summaries = rows!((String, String), summaries, &any, &shown)
                .fetch_all(&mut *connection)
                .await?;
            (found, places, summaries)
        })?;
        let page = overviews(page, limit)?;
        let mut segments: HashMap<String, Vec<FoundSegment>> = HashMap::new();
        for (meeting, id, name, start, text) in places {
            let segment = found_segment(&id, name, start, text);
            let segment = segment.ok_or_else(|| Error::unreadable("segment", id))?;
            segments.entry(meeting).or_default().push(segment);
        }
        let mut summaries: HashMap<_, _> = summaries.into_iter().collect();
        let found = |overview: MeetingOverview| FoundLecture {
            summary: summaries
                .remove(overview.id.as_str())
                .and_then(|json| serde_json::from_str(&json).ok()),
            segments: segments.remove(overview.id.as_str()).unwrap_or_default(),
            overview,
        };
        Ok(page.map(found))
    }

    /// Indexes lectures that another version stored, one after another.
    pub(crate) async fn index_old_lectures(&self) -> Result<(), Error> {
        while let Some(meeting) = self.lecture_to_index().await? {
            self.index_lecture(&meeting).await?;
        }
        Ok(())
    }

    async fn lecture_to_index(&self) -> Result<Option<String>, Error> {
        let found = transaction!(self, Read, "look for lectures to index", |connection| {
            rows!(
                (String,),
                "select id from meeting where search_version < $1 limit 1",
                SEARCH_VERSION
            )
            .fetch_optional(&mut *connection)
            .await?
        })?;
        Ok(found.map(|(id,)| id))
    }

    async fn index_lecture(&self, meeting: &str) -> Result<(), Error> {
        transaction!(self, Write, "index a lecture", |connection| {
            // Of two processes that start at once, one does it.
            let claimed = rows!(
                (Option<String>,),
                "update meeting set search_version = $2 where id = $1 and search_version < $2
                returning coalesce(title, (select title from room where id = meeting.room))",
                meeting,
                SEARCH_VERSION
            )
            .fetch_optional(&mut *connection)
            .await?;
            if let Some((title,)) = claimed {
                sql!("delete from search_text where meeting_id = $1", meeting)
                    .execute(&mut *connection)
                    .await?;
                let segments = rows!(
                    (String, String),
                    "select id, text from segment where meeting_id = $1 and text <> ''",
                    meeting
                )
                .fetch_all(&mut *connection)
                .await?;
                let summary = rows!(
                    (String,),
                    "select json from lecture_summary where meeting_id = $1 and json is not null
                    order by version desc limit 1",
                    meeting
                )
                .fetch_optional(&mut *connection)
                .await?;
                let summary: Option<Summary> = summary.and_then(|(json,)| serde_json::from_str(&json).ok());
                let title = title.map(|title| IndexedText::title(self, meeting, &title));
                let summary = summary.map(|summary| IndexedText::summary(self, meeting, &summary));
                let said = segments
                    .iter()
                    .map(|(id, text)| IndexedText::segment(self, meeting, id, text));
                let texts: Vec<_> = title.into_iter().chain(summary).chain(said).collect();
                index_texts!(self, connection, &texts);
            }
        })
    }
}

/// A meeting is found by having a hit for each term.
const LECTURES_SQLITE: &str = overview!(
    "where (started_at, id) < ($1, $2) and id not in (select meeting_id from erasure)
        and ($4 is null or room in (select id from room where owner_id = $4))
        and id in (
            select meeting_id from (
                select distinct search_text.meeting_id, term.key from json_each($5) as term
                cross join search_index on search_index match term.value
                cross join search_text on search_text.id = search_index.rowid
            ) group by meeting_id having count(*) = json_array_length($5)
        )
    order by started_at desc, id desc limit $3"
);

/// The same, as Postgres matches.
const LECTURES_POSTGRES: &str = overview!(
    "where (started_at, id) < ($1, $2) and id not in (select meeting_id from erasure)
        and ($4 is null or room in (select id from room where owner_id = $4))
        and id in (
            select meeting_id from (
                select distinct search_text.meeting_id, term.ordinality
                from json_array_elements_text($5::json) with ordinality as term (value, ordinality)
                join search_text on search_text.tokens @@ cast(term.value as tsquery)
            ) as hit group by meeting_id having count(*) = json_array_length($5::json)
        )
    order by started_at desc, id desc limit $3"
);

/// The first segments of each of these meetings that have any of the terms.
const PLACES_SQLITE: &str = "select meeting_id, id, name, start_ms, text from (
        select segment.meeting_id, segment.id, name, start_ms, text,
            row_number() over (partition by segment.meeting_id order by start_ms, segment.id) as place
        from search_index
        cross join search_text on search_text.id = search_index.rowid
        join segment on segment.meeting_id = search_text.meeting_id and segment.id = search_text.segment_id
        where search_index match $1 and kind = 'segment'
            and search_text.meeting_id in (select value from json_each($2))
    ) where place <= $3 order by meeting_id, place";

/// The same, as Postgres matches.
const PLACES_POSTGRES: &str = "select meeting_id, id, name, start_ms, text from (
        select segment.meeting_id, segment.id, name, start_ms, text,
            row_number() over (partition by segment.meeting_id order by start_ms, segment.id) as place
        from search_text
        join segment on segment.meeting_id = search_text.meeting_id and segment.id = search_text.segment_id
        where tokens @@ cast($1 as tsquery) and kind = 'segment'
            and search_text.meeting_id in (select json_array_elements_text($2::json))
    ) as found where place <= $3 order by meeting_id, place";

/// The newest summaries of these meetings, where they have any of the terms.
const SUMMARIES_SQLITE: &str = "select meeting_id, json from lecture_summary where json is not null
        and version = (select max(version) from lecture_summary as other
            where other.meeting_id = lecture_summary.meeting_id and json is not null)
        and meeting_id in (
            select search_text.meeting_id from search_index
            cross join search_text on search_text.id = search_index.rowid
            where search_index match $1 and kind = 'summary'
                and search_text.meeting_id in (select value from json_each($2))
        )";

/// The same, as Postgres matches.
const SUMMARIES_POSTGRES: &str = "select meeting_id, json from lecture_summary where json is not null
        and version = (select max(version) from lecture_summary as other
            where other.meeting_id = lecture_summary.meeting_id and json is not null)
        and meeting_id in (
            select meeting_id from search_text where tokens @@ cast($1 as tsquery) and kind = 'summary'
                and meeting_id in (select json_array_elements_text($2::json))
        )";

/// Meeting, segment, the speaker's name, start and words.
type PlaceRow = (String, String, String, i64, String);

fn found_segment(id: &str, name: String, start: i64, text: String) -> Option<FoundSegment> {
    Some(FoundSegment {
        id: SegmentId::parse(id).ok()?,
        name,
        start: media_time(start)?,
        text,
    })
}

fn json_list<T: Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).expect("strings are JSON")
}
