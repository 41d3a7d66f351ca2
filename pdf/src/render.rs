//! Minutes in, PDF out.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use lectern_pipelines::{Labels, Minutes, UnixMillis};
use serde_json::Value;
use typst::{
    diag::SourceDiagnostic,
    foundations::{Datetime, Smart},
    layout::{Frame, FrameItem},
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::{
    Error, Fonts,
    missing::fonts_wanted,
    world::{Inputs, Locale, Page},
};

/// A PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// Characters that no font has; they are printed as `[U+XXXX]`. In order of their numbers.
    pub missing: Vec<char>,
    /// What keeps it from being PDF/UA-1, if anything does: it is tagged all the same.
    pub flaw: Option<String>,
}

/// Sets `minutes` in type: with contents, bookmarks, links and page numbers, tagged as PDF/UA-1 has it.
///
/// The same minutes and fonts give the same bytes. Texts are data: nothing in them is ever markup.
pub fn render_pdf(minutes: &Minutes, fonts: &Fonts) -> Result<Rendered, Error> {
    let mut page = serde_json::to_value(minutes).map_err(Error::Input)?;
    let labels = labels_for(minutes, fonts);
    let mut missing = BTreeSet::new();
    for_each_text(&mut page, &mut |text| {
        missing.extend(text.chars().filter(|&c| !is_printable(c, fonts)))
    });
    loop {
        spell_out(&mut page, &missing);
        let missing_now: Vec<char> = missing.iter().copied().collect();
        let document = set(&page, minutes, labels, &missing_now, fonts)?;
        // What fonts have singly they may lack in combination: only the set page tells.
        let found = missing.len();
        for page in document.pages() {
            blank_in(&page.frame, &mut missing);
        }
        if missing.len() == found {
            let (bytes, flaw) = exported(&document, minutes)?;
            return Ok(Rendered {
                bytes,
                pages: document.pages().len(),
                missing: missing_now,
                flaw,
            });
        }
    }
}

/// Reads [`Minutes`] as JSON from `input` and writes the PDF to `output`; what `lectern render` does.
///
/// Returns what [`Rendered`] says beside the bytes, with these left out.
pub fn render_stream(mut input: impl Read, mut output: impl Write, fonts: &Fonts) -> Result<Rendered, Error> {
    let mut json = Vec::new();
    input
        .read_to_end(&mut json)
        .map_err(|error| Error::Input(serde_json::Error::io(error)))?;
    let minutes: Minutes = serde_json::from_slice(&json).map_err(Error::Input)?;
    let rendered = render_pdf(&minutes, fonts)?;
    output
        .write_all(&rendered.bytes)
        .and_then(|()| output.flush())
        .map_err(Error::Output)?;
    Ok(Rendered {
        bytes: Vec::new(),
        ..rendered
    })
}

/// One run of Typst, in which some characters are printed by number.
fn set(
    page: &Value,
    minutes: &Minutes,
    labels: &Labels,
    missing: &[char],
    fonts: &Fonts,
) -> Result<PagedDocument, Error> {
    let inputs = Inputs {
        minutes: page.to_string(),
        labels: texts_of(labels).to_string(),
        missing: (!missing.is_empty()).then(|| fonts_wanted(missing)),
        page_locale: Locale::of(minutes.language.as_deref()),
        spoken_locale: Locale::of(minutes.spoken_language.as_deref()),
        labels_locale: Locale::of(Some(labels.language)),
    };
    typst::compile(&Page::new(inputs, fonts))
        .output
        .map_err(|errors| Error::Layout(said(&errors)))
}

/// What the pages say themselves in their language, or in English where the fonts lack a letter of that.
fn labels_for(minutes: &Minutes, fonts: &Fonts) -> &'static Labels {
    let labels = Labels::of(minutes.language.as_deref());
    let mut is_covered = true;
    for_each_text(&mut texts_of(labels), &mut |text| {
        is_covered &= text.chars().all(|c| is_printable(c, fonts));
    });
    match is_covered {
        true => labels,
        false => Labels::english(),
    }
}

fn texts_of(labels: &Labels) -> Value {
    serde_json::to_value(labels).expect("texts become JSON")
}

/// The file, and what keeps it from being PDF/UA-1. Some title or letter may: then people get their pages all the same.
fn exported(document: &PagedDocument, minutes: &Minutes) -> Result<(Vec<u8>, Option<String>), Error> {
    let accessible = PdfStandards::new(&[PdfStandard::Ua_1]).expect("one standard agrees with itself");
    match typst_pdf::pdf(document, &options(minutes, accessible)) {
        Ok(bytes) => Ok((bytes, None)),
        Err(flaws) => {
            let bytes = typst_pdf::pdf(document, &options(minutes, PdfStandards::default()))
                .map_err(|errors| Error::Layout(said(&errors)))?;
            Ok((bytes, Some(said(&flaws))))
        }
    }
}

fn options(minutes: &Minutes, standards: PdfStandards) -> PdfOptions {
    PdfOptions {
        ident: Smart::Custom(minutes.meeting.clone()),
        creator: Smart::Custom(Some("Lectern".to_owned())),
        timestamp: datetime_of(minutes.started_at).map(Timestamp::new_utc),
        standards,
        ..PdfOptions::default()
    }
}

/// Typst's complaints in a line, with positions in the template but without what was said.
fn said(errors: &[SourceDiagnostic]) -> String {
    errors
        .iter()
        .map(|error| error.message.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

/// When the meeting began, as the PDF dates itself.
fn datetime_of(instant: UnixMillis) -> Option<Datetime> {
    let date = time::OffsetDateTime::from_unix_timestamp(instant.0.div_euclid(1000)).ok()?;
    Datetime::from_ymd_hms(
        date.year(),
        date.month().into(),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
    )
}

/// Characters of `frame` that were set as `.notdef`.
fn blank_in(frame: &Frame, blank: &mut BTreeSet<char>) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => blank_in(&group.frame, blank),
            FrameItem::Text(text) => {
                for glyph in text.glyphs.iter().filter(|glyph| glyph.id == 0) {
                    let set = text.text.get(glyph.range()).unwrap_or_default();
                    blank.extend(set.chars().filter(|&c| !is_invisible(c) && !SPELLING.contains(c)));
                }
            }
            _ => {}
        }
    }
}

/// Whether `c` needs no glyph, or has one that means it: what fonts keep at private numbers is anything at all.
fn is_printable(c: char, fonts: &Fonts) -> bool {
    let is_private = matches!(u32::from(c), 0xE000..=0xF8FF | 0xF_0000..=0x10_FFFF);
    is_invisible(c) || (!is_private && fonts.covers(c))
}

/// Characters that are never drawn: spaces, joiners, direction marks, selectors of variants.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(u32::from(c), 0xAD | 0x34F | 0x61C | 0x180B..=0x180F | 0x200B..=0x200F | 0x2060..=0x2064
            | 0xFE00..=0xFE0F | 0xE_0100..=0xE_01EF)
}

/// Replaces each of `missing` by its number in every text.
fn spell_out(page: &mut Value, missing: &BTreeSet<char>) {
    if missing.is_empty() {
        return;
    }
    for_each_text(page, &mut |text| {
        if text.contains(|c| missing.contains(&c)) {
            let spell = |c: char| match missing.contains(&c) {
                true => number_of(c),
                false => c.to_string(),
            };
            *text = text.chars().map(spell).collect();
        }
    });
}

/// How a character is printed that no font has: `[U+738B]`.
fn number_of(c: char) -> String {
    format!("[U+{:04X}]", u32::from(c))
}

/// The characters of [`number_of`]; were they missing too, spelling them out would never end.
const SPELLING: &str = "[U+0123456789ABCDEF]";

fn for_each_text(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(values) => values.iter_mut().for_each(|value| for_each_text(value, act)),
        Value::Object(fields) => fields.values_mut().for_each(|value| for_each_text(value, act)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str, missing: &[char]) -> Value {
        let mut value = serde_json::json!({"list": [{"text": text}]});
        spell_out(&mut value, &missing.iter().copied().collect());
        value["list"][0]["text"].take()
    }

    #[test]
    fn missing_characters_are_spelled_by_number() {
        assert_eq!(
            spelled("a王b\u{1F600}", &['王', '\u{1F600}']),
            "a[U+738B]b[U+1F600]"
        );
        assert_eq!(spelled("a王", &[]), "a王");
    }

    #[test]
    fn minutes_that_are_none_are_an_error() {
        let error =
            render_stream(&b"{\"title\": 1}"[..], Vec::new(), &Fonts::built_in()).expect_err("no minutes");
        assert!(matches!(error, Error::Input(_)), "{error}");
    }

    #[test]
    fn date_of_the_document_is_the_meetings() {
        let date = datetime_of(UnixMillis(1_795_256_100_000)).expect("a date");
        assert_eq!(
            (date.year(), date.month(), date.day(), date.hour()),
            (Some(2026), Some(11), Some(21), Some(10))
        );
        assert_eq!(datetime_of(UnixMillis(i64::MAX)), None);
    }
}
