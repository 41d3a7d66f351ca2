//! Long lists, a page at a time, and the ids that order them.

use std::fmt;

use lectern_pipelines::UnixMillis;
use uuid::{NoContext, Timestamp, Uuid};

use crate::Error;

/// The most items that one page of a list holds.
pub const PAGE_ITEMS_MAX: u32 = 200;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, if there are more.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A list without anything in it.
    pub fn empty() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }

    /// The same part of the same list, of something else.
    pub(crate) fn map<U>(self, to: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(to).collect(),
            next: self.next,
        }
    }
}

/// A place in a list that is ordered by a time and then by an id; travels as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) at: UnixMillis,
    pub(crate) id: String,
}

impl Cursor {
    /// Reads what `to_string` gave.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (at, id) = text.split_once('.').ok_or(Error::Cursor)?;
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.contains(char::is_control) {
            return Err(Error::Cursor);
        }
        Ok(Self {
            at: UnixMillis(at.parse().map_err(|_| Error::Cursor)?),
            id: id.to_owned(),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.0, self.id)
    }
}

/// Where a list that shows the latest first goes on: before this time and id.
pub(crate) fn before(after: Option<&Cursor>) -> (i64, &str) {
    after.map_or((i64::MAX, ""), |cursor| (cursor.at.0, &cursor.id))
}

/// How many rows to ask for: one more than are shown, to know whether there is a next page.
pub(crate) fn rows_for(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_ITEMS_MAX)) + 1
}

/// A page of the rows that [`rows_for`] asked for.
pub(crate) fn page_of<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let shown = limit.clamp(1, PAGE_ITEMS_MAX) as usize;
    let more = items.len() > shown;
    items.truncate(shown);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}

/// A UUID that sorts by when it was made.
pub(crate) fn id_made_at(now: UnixMillis) -> String {
    let millis = u64::try_from(now.0).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000 * 1_000_000).expect("less than a second in nanoseconds");
    Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1000, nanos)).to_string()
}

const ID_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_survives_its_way_as_text() {
        let cursor = Cursor {
            at: UnixMillis(17),
            id: "0193.8b7e".to_owned(),
        };
        assert_eq!(Cursor::parse(&cursor.to_string()).expect("its own text"), cursor);
        for text in ["", "17", "x.y", "17.", "17.a\nb"] {
            assert!(Cursor::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn page_says_whether_there_is_more() {
        let cursor = |item: &i64| Cursor {
            at: UnixMillis(*item),
            id: "x".to_owned(),
        };
        let page = page_of(vec![3, 2, 1], 2, cursor);
        assert_eq!((page.items, page.next), (vec![3, 2], Some(cursor(&2))));
        assert_eq!(page_of(vec![3, 2], 2, cursor).next, None);
        assert_eq!(rows_for(1_000), i64::from(PAGE_ITEMS_MAX) + 1);
    }
}
