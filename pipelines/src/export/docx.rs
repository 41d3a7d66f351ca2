//! A Word document (Office Open XML, ECMA-376): summary, chapters, key terms and transcript, with styles that a reader can
//! change and headings to go by. The same lecture gives the same bytes.

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};

use time::format_description::well_known::Rfc3339;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    calendar::{date_of, instant_of},
    gap_notice,
    paragraph::{Joining, paragraphs},
    plain::{name_of, plain},
    times_of,
};
use crate::{
    CitedLine, Labels, Lecture, MediaTime, Summary, language::is_language_tag, minutes::source_note,
};

/// `language` is what it is labelled in, and its spelling checked, BCP 47.
pub(super) fn write(lecture: &Lecture, summary: Option<&Summary>, language: Option<&str>) -> Vec<u8> {
    let title = plain(summary.map_or(lecture.called(), |summary| &summary.title));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // Of no day in particular, so that the bytes are the same every day.
        .last_modified_time(DateTime::DEFAULT);
    let parts = [
        ("[Content_Types].xml", CONTENT_TYPES.to_owned()),
        ("_rels/.rels", RELATIONS.to_owned()),
        ("docProps/core.xml", properties(lecture, &title)),
        ("word/_rels/document.xml.rels", DOCUMENT_RELATIONS.to_owned()),
        ("word/styles.xml", styles(language)),
        ("word/numbering.xml", NUMBERING.to_owned()),
        (
            "word/document.xml",
            document(lecture, summary, &title, Labels::of(language)),
        ),
    ];
    for (name, text) in parts {
        let written = archive
            .start_file(name, options)
            .map_err(std::io::Error::from)
            .and_then(|()| archive.write_all(text.as_bytes()));
        written.expect("memory takes everything, and a lecture is no four gigabytes");
    }
    let bytes = archive.finish().expect("memory takes everything");
    bytes.into_inner()
}

fn document(lecture: &Lecture, summary: Option<&Summary>, title: &str, labels: &Labels) -> String {
    let mut body = Body::default();
    body.paragraph("Title", &[Run::plain(title)]);
    let date = date_of(lecture.started_at, labels);
    body.paragraph(
        "Subtitle",
        &[Run::plain(format!("{}, {date}", plain(lecture.called())))],
    );
    if !lecture.participants.is_empty() {
        let names: Vec<_> = lecture.participants.iter().map(name_of).collect();
        let participants = format!("{}{}", labels.participants, labels.colon);
        body.paragraph("Normal", &[Run::bold(participants), Run::plain(names.join(", "))]);
    }
    if let Some(summary) = summary {
        write_summary(&mut body, lecture, summary, labels);
    }
    write_transcript(&mut body, lecture, labels);
    format!(
        "{XML}<w:document xmlns:w=\"{WORD}\"><w:body>{}<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/>\
         <w:pgMar w:top=\"1417\" w:right=\"1417\" w:bottom=\"1417\" w:left=\"1417\" w:header=\"708\" w:footer=\"708\" \
         w:gutter=\"0\"/></w:sectPr></w:body></w:document>",
        body.0
    )
}

fn write_summary(body: &mut Body, lecture: &Lecture, summary: &Summary, labels: &Labels) {
    let write_lines = |body: &mut Body, lines: &[CitedLine]| {
        for line in lines {
            let times = times_of(lecture, &line.citations);
            body.paragraph("ListBullet", &[Run::plain(plain(&line.text)), Run::quiet(times)]);
        }
    };
    body.heading("Heading1", labels.summary);
    write_lines(body, &summary.abstract_lines);
    body.paragraph("Note", &[Run::plain(source_note(summary, labels))]);
    if !summary.chapters.is_empty() {
        body.heading("Heading1", labels.chapters);
    }
    for chapter in &summary.chapters {
        let times = format!(" ({}–{})", chapter.start, chapter.end);
        body.paragraph(
            "Heading2",
            &[Run::plain(plain(&chapter.title)), Run::quiet(times)],
        );
        write_lines(body, &chapter.lines);
    }
    if !summary.key_terms.is_empty() {
        body.heading("Heading1", labels.key_terms);
    }
    for term in &summary.key_terms {
        let explanation = match plain(&term.explanation) {
            empty if empty.is_empty() => empty,
            explanation => format!(": {explanation}"),
        };
        let times = times_of(lecture, &term.citations);
        body.paragraph(
            "ListBullet",
            &[
                Run::bold(plain(&term.term)),
                Run::plain(explanation),
                Run::quiet(times),
            ],
        );
    }
    if !summary.action_items.is_empty() {
        body.heading("Heading1", labels.action_items);
    }
    for item in &summary.action_items {
        let owner = item.owner.as_deref().map(|owner| format!("{}: ", plain(owner)));
        let times = times_of(lecture, &item.citations);
        body.paragraph(
            "ListBullet",
            &[
                Run::bold(owner.as_deref().unwrap_or_default()),
                Run::plain(plain(&item.text)),
                Run::quiet(times),
            ],
        );
    }
    if !summary.questions.is_empty() {
        body.heading("Heading1", labels.questions);
    }
    for question in &summary.questions {
        let times = times_of(lecture, &question.citations);
        body.paragraph(
            "ListBullet",
            &[
                Run::bold(format!("{} ", plain(&question.question))),
                Run::plain(plain(&question.answer)),
                Run::quiet(times),
            ],
        );
    }
}

fn write_transcript(body: &mut Body, lecture: &Lecture, labels: &Labels) {
    body.heading("Heading1", labels.transcript);
    let said = paragraphs(&lecture.segments, Joining::Speakers, &[])
        .into_iter()
        .map(|paragraph| {
            let mut one = Body::default();
            let runs = [
                Run::quiet(format!("{} ", paragraph.start)),
                Run::bold(format!("{}: ", name_of(paragraph.speaker))),
                Run::plain(paragraph.text.as_str()),
            ];
            one.paragraph("Normal", &runs);
            (paragraph.start, one)
        });
    let missing = lecture.gaps.iter().map(|gap| {
        let mut one = Body::default();
        let runs = [
            Run::quiet(format!("{} ", gap_notice(gap, labels))),
            Run::bold(name_of(&gap.speaker)),
        ];
        one.paragraph("Normal", &runs);
        (gap.start, one)
    });
    let mut all: Vec<(MediaTime, Body)> = said.chain(missing).collect();
    all.sort_by_key(|(start, _)| *start);
    body.0.extend(all.into_iter().map(|(_, one)| one.0));
}

/// Paragraphs, as XML.
#[derive(Debug, Default)]
struct Body(String);

/// Text of one kind.
#[derive(Debug)]
struct Run {
    properties: &'static str,
    text: String,
}

impl Run {
    fn plain(text: impl Into<String>) -> Self {
        Self {
            properties: "",
            text: text.into(),
        }
    }

    fn bold(text: impl Into<String>) -> Self {
        Self {
            properties: "<w:b/><w:bCs/>",
            text: text.into(),
        }
    }

    /// Times and the like, which one may pass over.
    fn quiet(text: impl Into<String>) -> Self {
        Self {
            properties: "<w:color w:val=\"767676\"/>",
            text: text.into(),
        }
    }
}

impl Body {
    fn heading(&mut self, style: &str, text: &str) {
        self.paragraph(style, &[Run::plain(text)]);
    }

    /// A paragraph runs in the direction of what is said in it, and so does each of its pieces.
    fn paragraph(&mut self, style: &str, runs: &[Run]) {
        // What people say and are called, and not the times before and after it.
        let direction = runs.iter().rev().find_map(|run| direction_of(&run.text));
        let bidi = match direction {
            Some(Direction::RightToLeft) => "<w:bidi/>",
            _ => "",
        };
        write!(self.0, "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/>{bidi}</w:pPr>")
            .expect("a string takes everything");
        for run in runs.iter().filter(|run| !run.text.is_empty()) {
            let rtl = match direction_of(&run.text) {
                Some(Direction::RightToLeft) => "<w:rtl/>",
                _ => "",
            };
            write!(
                self.0,
                "<w:r><w:rPr>{}{rtl}</w:rPr><w:t xml:space=\"preserve\">{}</w:t></w:r>",
                run.properties,
                escaped(&run.text)
            )
            .expect("a string takes everything");
        }
        self.0.push_str("</w:p>");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    LeftToRight,
    RightToLeft,
}

/// The direction of the first letter that has one.
fn direction_of(text: &str) -> Option<Direction> {
    text.chars()
        .filter(|letter| letter.is_alphabetic())
        .map(|letter| match u32::from(letter) {
            // Hebrew, Arabic, Syriac, Thaana, N'Ko and their neighbours; presentation forms; older scripts.
            0x0590..=0x08ff
            | 0xfb1d..=0xfdff
            | 0xfe70..=0xfeff
            | 0x1_0800..=0x1_0fff
            | 0x1_e800..=0x1_efff => Direction::RightToLeft,
            _ => Direction::LeftToRight,
        })
        .next()
}

/// `text` as XML has it: without anything that is markup, or that XML has no place for.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn properties(lecture: &Lecture, title: &str) -> String {
    let created = instant_of(lecture.started_at).and_then(|instant| instant.format(&Rfc3339).ok());
    let created = created
        .map(|created| format!("<dcterms:created xsi:type=\"dcterms:W3CDTF\">{created}</dcterms:created>"));
    format!(
        "{XML}<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>{}</dc:title>\
         <dc:identifier>{}</dc:identifier>{}</cp:coreProperties>",
        escaped(title),
        escaped(lecture.meeting.as_str()),
        created.unwrap_or_default()
    )
}

/// What paragraphs look like, and the language that a reader's spelling is checked in.
fn styles(language: Option<&str>) -> String {
    let language = language.filter(|language| is_language_tag(language));
    let language =
        language.map(|tag| format!("<w:lang w:val=\"{tag}\" w:eastAsia=\"{tag}\" w:bidi=\"{tag}\"/>"));
    let style = |id: &str, name: &str, paragraph: &str, run: &str| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"{id}\"><w:name w:val=\"{name}\"/><w:basedOn w:val=\"Normal\"/>\
             <w:qFormat/><w:pPr>{paragraph}</w:pPr><w:rPr>{run}</w:rPr></w:style>"
        )
    };
    let heading = |level: u32| {
        format!("<w:keepNext/><w:spacing w:before=\"360\" w:after=\"120\"/><w:outlineLvl w:val=\"{level}\"/>")
    };
    let all = [
        style(
            "Title",
            "Title",
            "<w:spacing w:after=\"80\"/>",
            "<w:b/><w:bCs/><w:sz w:val=\"48\"/><w:szCs w:val=\"48\"/>",
        ),
        style(
            "Subtitle",
            "Subtitle",
            "<w:spacing w:after=\"240\"/>",
            "<w:color w:val=\"595959\"/>",
        ),
        style(
            "Heading1",
            "heading 1",
            &heading(0),
            "<w:b/><w:bCs/><w:sz w:val=\"32\"/><w:szCs w:val=\"32\"/>",
        ),
        style(
            "Heading2",
            "heading 2",
            &heading(1),
            "<w:b/><w:bCs/><w:sz w:val=\"26\"/><w:szCs w:val=\"26\"/>",
        ),
        style("Note", "Note", "", "<w:i/><w:iCs/><w:color w:val=\"595959\"/>"),
        style(
            "ListBullet",
            "List Bullet",
            "<w:numPr><w:numId w:val=\"1\"/></w:numPr><w:contextualSpacing/>",
            "",
        ),
    ];
    format!(
        "{XML}<w:styles xmlns:w=\"{WORD}\"><w:docDefaults><w:rPrDefault><w:rPr><w:sz w:val=\"22\"/><w:szCs w:val=\"22\"/>{}\
         </w:rPr></w:rPrDefault></w:docDefaults><w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\">\
         <w:name w:val=\"Normal\"/><w:qFormat/><w:pPr><w:spacing w:after=\"120\"/></w:pPr></w:style>{}</w:styles>",
        language.unwrap_or_default(),
        all.concat()
    )
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/><Override PartName="/word/numbering.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.numbering+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>"#;

const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#;

const DOCUMENT_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/numbering" Target="numbering.xml"/></Relationships>"#;

/// One kind of list: bullets.
const NUMBERING: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:numbering xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:abstractNum w:abstractNumId="0"><w:multiLevelType w:val="hybridMultilevel"/><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/><w:lvlJc w:val="left"/><w:pPr><w:ind w:left="360" w:hanging="360"/></w:pPr></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>"#;
