//! What a language model answers, read as leniently as sense allows.
//!
//! Models wrap JSON in remarks, write numbers as texts, leave fields out and add others. What can be understood is
//! taken; what rests on no known line is dropped and counted.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::support::Evidence;

/// A statement and the numbers of the lines that it cites; never without any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) cites: Vec<usize>,
}

/// A chapter as a reply has it.
#[derive(Debug)]
pub(super) struct ChapterReply {
    pub(super) title: String,
    pub(super) first_line: usize,
    pub(super) lines: Vec<Statement>,
}

/// The reply to `part.md`.
#[derive(Debug, Default)]
pub(super) struct PartReply {
    pub(super) chapters: Vec<ChapterReply>,
    /// Each term with its explanation.
    pub(super) key_terms: Vec<(Statement, String)>,
    /// Each item with its owner.
    pub(super) action_items: Vec<(Statement, Option<String>)>,
    /// Each answer with its question.
    pub(super) questions: Vec<(Statement, String)>,
    pub(super) dropped: u32,
}

/// The reply to `condense.md` and, with a title, to `combine.md`.
#[derive(Debug, Default)]
pub(super) struct LinesReply {
    pub(super) title: Option<String>,
    pub(super) lines: Vec<Statement>,
    pub(super) dropped: u32,
}

/// Longer statements are no summary.
const LINE_CHARS_MAX: usize = 400;
const TITLE_CHARS_MAX: usize = 120;
const TERM_CHARS_MAX: usize = 80;
const OWNER_CHARS_MAX: usize = 80;
/// Entries read of any list.
const LIST_MAX: usize = 64;
const CITES_MAX: usize = 12;

impl PartReply {
    /// Reads a reply in which the lines that `known` says are there may be cited; or says what is wrong with it.
    pub(super) fn read(text: &str, known: &dyn Fn(usize) -> bool) -> Result<Self, String> {
        let object = object_with(text, &["chapters", "key_terms", "action_items"])?;
        let mut reader = Reader { known, dropped: 0 };
        let chapters = entries(&object, "chapters")
            .filter_map(|chapter| reader.chapter(chapter))
            .collect();
        let key_terms = entries(&object, "key_terms")
            .filter_map(|entry| {
                let term = reader.statement(entry, &["term", "name", "text"], TERM_CHARS_MAX)?;
                Some((
                    term,
                    text_of(entry, &["explanation", "definition", "meaning"], LINE_CHARS_MAX),
                ))
            })
            .collect();
        let action_items = entries(&object, "action_items")
            .filter_map(|entry| {
                let item = reader.statement(entry, &LINE_NAMES, LINE_CHARS_MAX)?;
                let owner = text_of(entry, &["owner", "who", "assignee"], OWNER_CHARS_MAX);
                Some((item, Some(owner).filter(|owner| !says_nobody(owner))))
            })
            .collect();
        let questions = entries(&object, "questions")
            .filter_map(|entry| {
                let question = text_of(entry, &["question"], LINE_CHARS_MAX);
                let answer = reader.statement(entry, &["answer"], LINE_CHARS_MAX)?;
                (!question.is_empty()).then_some((answer, question))
            })
            .collect();
        Ok(Self {
            chapters,
            key_terms,
            action_items,
            questions,
            dropped: reader.dropped,
        })
    }

    /// The same without what the lines that are cited don't bear out; that is counted.
    pub(super) fn borne_out(mut self, evidence: &Evidence) -> Self {
        let mut dropped = 0;
        let mut is_said = |text: &str, cites: &[usize]| {
            let is_said = evidence.bears_out(text, cites.iter().map(|number| number - 1));
            dropped += u32::from(!is_said);
            is_said
        };
        for chapter in &mut self.chapters {
            chapter.lines.retain(|line| is_said(&line.text, &line.cites));
        }
        self.key_terms
            .retain(|(term, _)| is_said(&term.text, &term.cites));
        for (term, explanation) in &mut self.key_terms {
            if !explanation.is_empty() && !is_said(explanation, &term.cites) {
                explanation.clear();
            }
        }
        self.action_items
            .retain(|(item, _)| is_said(&item.text, &item.cites));
        self.questions.retain(|(answer, question)| {
            is_said(&answer.text, &answer.cites) && is_said(question, &answer.cites)
        });
        for (_, owner) in &mut self.action_items {
            *owner = owner.take().filter(|owner| evidence.bears_out_somewhere(owner));
        }
        for chapter in &mut self.chapters {
            if !chapter.title.is_empty() && !evidence.bears_out_somewhere(&chapter.title) {
                dropped += 1;
                chapter.title.clear();
            }
        }
        self.chapters
            .retain(|chapter| !chapter.title.is_empty() || !chapter.lines.is_empty());
        self.dropped += dropped;
        self
    }

    /// The schema that `read` reads best.
    pub(super) fn schema() -> Value {
        let line = line_schema();
        let chapter = strict(json!({
            "title": {"type": "string"}, "first_line": {"type": "integer"}, "lines": {"type": "array", "items": line}
        }));
        let term = strict(json!({
            "term": {"type": "string"}, "explanation": {"type": "string"}, "cites": cites_schema()
        }));
        let item = strict(json!({
            "text": {"type": "string"}, "owner": {"type": ["string", "null"]}, "cites": cites_schema()
        }));
        let question = strict(json!({
            "question": {"type": "string"}, "answer": {"type": "string"}, "cites": cites_schema()
        }));
        strict(json!({
            "chapters": {"type": "array", "items": chapter},
            "key_terms": {"type": "array", "items": term},
            "action_items": {"type": "array", "items": item},
            "questions": {"type": "array", "items": question}
        }))
    }
}

impl LinesReply {
    /// As [`PartReply::read`].
    pub(super) fn read(text: &str, known: &dyn Fn(usize) -> bool) -> Result<Self, String> {
        let object = object_with(text, &["title", "abstract", "lines"])?;
        let mut reader = Reader { known, dropped: 0 };
        let lines = entries(&object, "abstract").chain(entries(&object, "lines"));
        let lines = lines
            .filter_map(|line| reader.statement(line, &LINE_NAMES, LINE_CHARS_MAX))
            .collect();
        let title = object
            .get("title")
            .and_then(Value::as_str)
            .map(|title| cleaned(title, TITLE_CHARS_MAX));
        Ok(Self {
            title: title.filter(|title| !title.is_empty()),
            lines,
            dropped: reader.dropped,
        })
    }

    /// The schema of condensed notes.
    pub(super) fn condensed_schema() -> Value {
        strict(json!({"lines": {"type": "array", "items": line_schema()}}))
    }

    /// The schema of title and abstract.
    pub(super) fn combined_schema() -> Value {
        strict(json!({"title": {"type": "string"}, "abstract": {"type": "array", "items": line_schema()}}))
    }
}

const LINE_NAMES: [&str; 4] = ["text", "line", "statement", "task"];
const CITE_NAMES: [&str; 4] = ["cites", "citations", "cite", "sources"];

struct Reader<'a> {
    known: &'a dyn Fn(usize) -> bool,
    dropped: u32,
}

impl Reader<'_> {
    fn chapter(&mut self, chapter: &Value) -> Option<ChapterReply> {
        let lines: Vec<Statement> = chapter
            .as_object()
            .into_iter()
            .flat_map(|object| entries(object, "lines"))
            .filter_map(|line| self.statement(line, &LINE_NAMES, LINE_CHARS_MAX))
            .collect();
        let title = text_of(chapter, &["title", "name"], TITLE_CHARS_MAX);
        let named = chapter.get("first_line").map(numbers).unwrap_or_default();
        let cited = lines.iter().flat_map(|line| line.cites.iter().copied()).min();
        let first_line = named.into_iter().find(|&number| (self.known)(number)).or(cited);
        match first_line {
            Some(first_line) if !title.is_empty() || !lines.is_empty() => Some(ChapterReply {
                title,
                first_line,
                lines,
            }),
            _ => None,
        }
    }

    fn statement(&mut self, entry: &Value, names: &[&str], chars_max: usize) -> Option<Statement> {
        let text = match entry {
            Value::String(text) => cleaned(text, chars_max),
            entry => text_of(entry, names, chars_max),
        };
        if text.is_empty() {
            return None;
        }
        let cites = CITE_NAMES
            .iter()
            .find_map(|name| entry.get(name))
            .map(numbers)
            .unwrap_or_default();
        let cites: Vec<usize> = cites
            .into_iter()
            .filter(|&number| (self.known)(number))
            .take(CITES_MAX)
            .collect();
        if cites.is_empty() {
            self.dropped += 1;
            return None;
        }
        Some(Statement { text, cites })
    }
}

/// The first JSON object in `text` that has one of these fields, whatever stands around it.
fn object_with(text: &str, fields: &[&str]) -> Result<Map<String, Value>, String> {
    // Some models think aloud first, and may try out JSON while they do.
    let text = text.rsplit_once("</think>").map_or(text, |(_, behind)| behind);
    let mut reason = "it has no JSON object".to_owned();
    for (at, _) in text.match_indices('{').take(OBJECT_STARTS_MAX) {
        let first = serde_json::Deserializer::from_str(&text[at..])
            .into_iter::<Value>()
            .next();
        match first {
            Some(Ok(Value::Object(object))) if fields.iter().any(|field| object.contains_key(*field)) => {
                return Ok(object);
            }
            Some(Ok(_)) => reason = format!("its JSON object has none of the fields {}", fields.join(", ")),
            Some(Err(error)) if error.is_eof() => {
                return Err("it ends in the middle of a JSON object".to_owned());
            }
            // serde_json's own words can quote the reply.
            Some(Err(error)) => reason = format!("its JSON is malformed at line {}", error.line()),
            None => {}
        }
    }
    Err(reason)
}

/// Braces that are tried as the beginning of the reply.
const OBJECT_STARTS_MAX: usize = 16;

fn entries<'a>(object: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = object
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    list.iter().take(LIST_MAX)
}

fn text_of(entry: &Value, names: &[&str], chars_max: usize) -> String {
    let text = names
        .iter()
        .find_map(|name| entry.get(name))
        .and_then(Value::as_str);
    text.map(|text| cleaned(text, chars_max)).unwrap_or_default()
}

/// One line, without control characters, of a bounded length.
fn cleaned(text: &str, chars_max: usize) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .collect();
    let line = words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The numbers in a value, each once and in order: `12`, `"12"`, `[12, "[13]"]`, `"12-14, 20"`.
fn numbers(value: &Value) -> Vec<usize> {
    let mut found = BTreeSet::new();
    gather(value, &mut found);
    found.into_iter().collect()
}

fn gather(value: &Value, found: &mut BTreeSet<usize>) {
    match value {
        Value::Number(number) => {
            found.extend(number.as_u64().and_then(|number| usize::try_from(number).ok()))
        }
        Value::String(text) => gather_from_text(text, found),
        Value::Array(values) => values
            .iter()
            .take(LIST_MAX)
            .for_each(|value| gather(value, found)),
        Value::Null | Value::Bool(_) | Value::Object(_) => {}
    }
}

fn gather_from_text(text: &str, found: &mut BTreeSet<usize>) {
    for piece in text.split([',', ';', ' ']).take(LIST_MAX) {
        let ends: Vec<usize> = piece
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .take(2)
            .collect();
        match ends.as_slice() {
            &[from, to] if from <= to && piece.contains(['-', '–']) => {
                found.extend((from..=to).take(CITES_MAX))
            }
            several => found.extend(several),
        }
    }
}

fn says_nobody(owner: &str) -> bool {
    let owner = owner.to_lowercase();
    owner.is_empty() || ["null", "none", "n/a", "unknown", "-"].contains(&owner.as_str())
}

fn line_schema() -> Value {
    strict(json!({"text": {"type": "string"}, "cites": cites_schema()}))
}

fn cites_schema() -> Value {
    json!({"type": "array", "items": {"type": "integer"}})
}

/// An object of exactly these properties, as strict servers demand it.
fn strict(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<LinesReply, String> {
        LinesReply::read(text, &|number| (1..=9).contains(&number))
    }

    #[test]
    fn json_is_found_among_remarks() {
        for text in [
            r#"{"title": "T", "lines": [{"text": "a", "cites": [1]}]}"#,
            "Sure! Here it is:\n```json\n{\"title\": \"T\", \"lines\": [{\"text\": \"a\", \"cites\": [1]}]}\n```\nDone.",
            r#"<think>maybe {"title": "no"}</think> {"title": "T", "lines": [{"text": "a", "cites": 1}], "extra": {}}"#,
            r#"An {empty} set. {"title": "T", "lines": [{"line": " a\n ", "citations": "1"}]}"#,
        ] {
            let reply = lines(text).expect(text);
            assert_eq!(reply.title.as_deref(), Some("T"));
            assert_eq!(
                reply.lines,
                [Statement {
                    text: "a".to_owned(),
                    cites: vec![1]
                }],
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_the_reply() {
        for (text, reason) in [
            ("I can't do that.", "no JSON object"),
            (r#"{"lines": [{"text": "secret"#, "in the middle"),
            (r#"{"lines": [secret]}"#, "malformed"),
            (r#"{"secret": 1}"#, "none of the fields"),
            ("", "no JSON object"),
        ] {
            let said = lines(text).expect_err(text);
            assert!(
                said.contains(reason) && !said.contains("secret"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn lines_that_cite_nothing_known_are_dropped_and_counted() {
        let reply = lines(
            r#"{"lines": [{"text": "a", "cites": [99]}, {"text": "b"}, "c", {"text": "d", "cites": [99, 2]},
                {"text": "", "cites": [1]}, {"text": "e", "cites": [-1, 1.5, null]}]}"#,
        )
        .expect("readable");
        assert_eq!(
            reply.lines,
            [Statement {
                text: "d".to_owned(),
                cites: vec![2]
            }]
        );
        assert_eq!(reply.dropped, 4);
    }

    #[test]
    fn numbers_are_read_in_any_clothes() {
        for (value, wanted) in [
            (json!(["3", "[4]", 5.0, "L6"]), vec![3, 4, 6]),
            (json!("2-4, 7"), vec![2, 3, 4, 7]),
            (json!("9–2"), vec![2, 9]),
            (json!({"a": 1}), vec![]),
            (json!("99999999999999999999999"), vec![]),
        ] {
            assert_eq!(numbers(&value), wanted, "{value}");
        }
        assert!(numbers(&json!("1-4000000000")).len() <= CITES_MAX);
    }

    #[test]
    fn chapter_without_a_place_begins_where_its_lines_do() {
        let text = r#"{"chapters": [{"title": "A", "lines": [{"text": "a", "cites": [4, 3]}]},
            {"title": "B", "first_line": "L7", "lines": []}, {"title": "nowhere", "first_line": 88}]}"#;
        let reply = PartReply::read(text, &|number| (1..=9).contains(&number)).expect("readable");
        let places: Vec<usize> = reply.chapters.iter().map(|chapter| chapter.first_line).collect();
        assert_eq!(places, [3, 7]);
    }

    #[test]
    fn schemas_are_strict_all_the_way_down() {
        fn check(schema: &Value) {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                assert_eq!(schema["additionalProperties"], false);
                assert_eq!(
                    schema["required"].as_array().expect("a list").len(),
                    properties.len()
                );
                properties.values().for_each(check);
            }
            schema.get("items").into_iter().for_each(check);
        }
        for schema in [
            PartReply::schema(),
            LinesReply::condensed_schema(),
            LinesReply::combined_schema(),
        ] {
            assert!(schema.get("properties").is_some());
            check(&schema);
        }
    }
}
