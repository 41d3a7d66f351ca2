//! What is looked for in lectures, and where it was found.

use lectern_pipelines::{Excerpt, SearchQuery, Summary};
use lectern_storage::FoundLecture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LectureView;
use crate::ApiError;

/// What to look for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Words, of which the first 16 count. A lecture is found when each begins a word of its title, summary or
    /// transcript, in any case and with or without accents; in scripts without spaces, when it is any piece of it.
    /// Nothing in it has another meaning, neither quotes nor asterisks.
    #[param(max_length = 200)]
    q: Option<String>,
}

/// Where something was found in a lecture.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Highlight {
    /// `title`, `summary` or `transcript`.
    field: &'static str,
    /// A line of plain text, which whoever shows it has to show as it is; `…` where something is left out.
    text: String,
    /// Where in `text` it was found, in order.
    matches: Vec<Match>,
    /// Of a transcript: which segment, who says it, and when.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    said: Option<Said>,
}

/// A piece of a text, in UTF-16 code units, as JavaScript counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Match {
    /// Its first.
    start: usize,
    /// The one behind its last.
    end: usize,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    segment_id: String,
    name: String,
    /// Since the lecture began.
    start_ms: u64,
}

impl Search {
    /// What to look for, if anything.
    pub(super) fn parse(self) -> Result<Option<SearchQuery>, ApiError> {
        let Some(q) = self.q.filter(|q| !q.trim().is_empty()) else {
            return Ok(None);
        };
        match q.chars().count() > QUERY_CHARS_MAX {
            true => Err(ApiError::too_long("q", QUERY_CHARS_MAX)),
            false => Ok(Some(SearchQuery::parse(&q))),
        }
    }
}

const QUERY_CHARS_MAX: usize = 200;

/// A lecture that was found: title, one line of the summary, and the first places of the transcript.
pub(super) fn found_view(query: &SearchQuery, found: &FoundLecture) -> LectureView {
    let title = found.overview.title.as_deref();
    let title = title.and_then(|title| query.excerpt(title));
    let summary = found
        .summary
        .as_ref()
        .and_then(|summary| in_summary(query, summary));
    let said = found.segments.iter().filter_map(|segment| {
        let said = Said {
            segment_id: segment.id.as_str().to_owned(),
            name: segment.name.clone(),
            start_ms: segment.start.as_millis(),
        };
        let highlight = Highlight::of("transcript", query.excerpt(&segment.text)?);
        Some(Highlight {
            said: Some(said),
            ..highlight
        })
    });
    let highlights = title
        .map(|excerpt| Highlight::of("title", excerpt))
        .into_iter()
        .chain(summary.map(|excerpt| Highlight::of("summary", excerpt)))
        .chain(said)
        .collect();
    LectureView {
        highlights: Some(highlights),
        ..LectureView::of(&found.overview)
    }
}

fn in_summary(query: &SearchQuery, summary: &Summary) -> Option<Excerpt> {
    summary.texts().find_map(|text| query.excerpt(text))
}

impl Highlight {
    fn of(field: &'static str, excerpt: Excerpt) -> Self {
        let matches = excerpt.matches.into_iter();
        Self {
            field,
            text: excerpt.text,
            matches: matches
                .map(|place| Match {
                    start: place.start,
                    end: place.end,
                })
                .collect(),
            said: None,
        }
    }
}
