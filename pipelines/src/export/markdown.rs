//! Markdown: summary, chapters and transcript, with every name and word escaped.

use std::fmt::Write;

use super::{
    calendar::date_of,
    gap_notice,
    paragraph::{Joining, paragraphs},
    plain::{name_of, plain},
    times_of,
};
use crate::{CitedLine, Labels, Lecture, MediaTime, SegmentId, Summary, minutes::source_note};

pub(super) fn write(lecture: &Lecture, summary: Option<&Summary>, labels: &Labels) -> String {
    let mut file = String::new();
    write_whole(&mut file, lecture, summary, labels).expect("a string takes everything");
    file
}

fn write_whole(
    file: &mut String,
    lecture: &Lecture,
    summary: Option<&Summary>,
    labels: &Labels,
) -> std::fmt::Result {
    let title = summary.map_or(lecture.called(), |summary| &summary.title);
    writeln!(file, "# {}\n", literal(title))?;
    writeln!(
        file,
        "{}, {}",
        literal(lecture.called()),
        date_of(lecture.started_at, labels)
    )?;
    if !lecture.participants.is_empty() {
        let names: Vec<_> = lecture
            .participants
            .iter()
            .map(|who| literal(&name_of(who)))
            .collect();
        writeln!(
            file,
            "\n{}{}{}",
            labels.participants,
            labels.colon,
            names.join(", ")
        )?;
    }
    if let Some(summary) = summary {
        write_summary(file, lecture, summary, labels)?;
    }
    write_transcript(file, lecture, labels)
}

fn write_summary(
    file: &mut String,
    lecture: &Lecture,
    summary: &Summary,
    labels: &Labels,
) -> std::fmt::Result {
    let times = |citations: &[SegmentId]| times_of(lecture, citations);
    let write_lines = |file: &mut String, lines: &[CitedLine]| {
        file.push_str(if lines.is_empty() { "" } else { "\n" });
        lines
            .iter()
            .try_for_each(|line| writeln!(file, "- {}{}", literal(&line.text), times(&line.citations)))
    };
    let note = literal(&source_note(summary, labels));
    writeln!(file, "\n## {}\n\n*{note}*", labels.summary)?;
    write_lines(file, &summary.abstract_lines)?;
    if !summary.chapters.is_empty() {
        writeln!(file, "\n## {}", labels.chapters)?;
    }
    for chapter in &summary.chapters {
        writeln!(
            file,
            "\n### {} ({}–{})",
            literal(&chapter.title),
            chapter.start,
            chapter.end
        )?;
        write_lines(file, &chapter.lines)?;
    }
    if !summary.key_terms.is_empty() {
        writeln!(file, "\n## {}\n", labels.key_terms)?;
    }
    for term in &summary.key_terms {
        let explanation = match literal(&term.explanation) {
            empty if empty.is_empty() => empty,
            explanation => format!(": {explanation}"),
        };
        writeln!(
            file,
            "- **{}**{explanation}{}",
            literal(&term.term),
            times(&term.citations)
        )?;
    }
    if !summary.action_items.is_empty() {
        writeln!(file, "\n## {}\n", labels.action_items)?;
    }
    for item in &summary.action_items {
        let owner = item
            .owner
            .as_ref()
            .map(|owner| format!("**{}**: ", literal(owner)))
            .unwrap_or_default();
        writeln!(
            file,
            "- [ ] {owner}{}{}",
            literal(&item.text),
            times(&item.citations)
        )?;
    }
    if !summary.questions.is_empty() {
        writeln!(file, "\n## {}", labels.questions)?;
    }
    for (number, question) in (1..).zip(&summary.questions) {
        writeln!(
            file,
            "\n{number}. {}\n\n   *{}*{}",
            literal(&question.question),
            literal(&question.answer),
            times(&question.citations)
        )?;
    }
    Ok(())
}

fn write_transcript(file: &mut String, lecture: &Lecture, labels: &Labels) -> std::fmt::Result {
    writeln!(file, "\n## {}", labels.transcript)?;
    let said = paragraphs(&lecture.segments, Joining::Utterances, &[])
        .into_iter()
        .map(|paragraph| {
            let name = literal(&name_of(paragraph.speaker));
            (
                paragraph.start,
                format!("**{}** **{name}**: {}", paragraph.start, literal(&paragraph.text)),
            )
        });
    let missing = lecture.gaps.iter().map(|gap| {
        let line = format!(
            "*{}* **{}**",
            literal(&gap_notice(gap, labels)),
            literal(&name_of(&gap.speaker))
        );
        (gap.start, line)
    });
    let mut paragraphs: Vec<(MediaTime, String)> = said.chain(missing).collect();
    paragraphs.sort_by_key(|(start, _)| *start);
    paragraphs
        .iter()
        .try_for_each(|(_, paragraph)| writeln!(file, "\n{paragraph}"))
}

/// `text` with a backslash before all that Markdown, or GitHub's dialect of it, would take for more than a letter.
fn literal(text: &str) -> String {
    let text = plain(text);
    let mut escaped = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if is_markup(&text, at, c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn is_markup(text: &str, at: usize, c: char) -> bool {
    let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
    match c {
        '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '$' | '@' | '^' => true,
        // Lists, rules and underlined headings, were the text at the start of a line.
        '-' | '+' | '=' => before.is_empty(),
        '.' | ')' if !before.is_empty() && before.chars().all(|c| c.is_ascii_digit()) => true,
        // `www.` and `https://` become links, `:smile:` a face.
        '.' => before.to_ascii_lowercase().ends_with("www"),
        ':' => after.starts_with(|c: char| c == '/' || c == '+' || c.is_ascii_alphabetic()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn what_people_say_is_never_markup() {
        for (said, written) in [
            ("*bold* _it_ `code`", r"\*bold\* \_it\_ \`code\`"),
            ("<b>&amp;[x](y)", r"\<b\>\&amp;\[x\](y)"),
            ("1. first", r"1\. first"),
            ("- item", r"\- item"),
            ("# one\n# two", r"\# one \# two"),
            (
                "see https://x.org and WWW.x.org",
                r"see https\://x.org and WWW\.x.org",
            ),
            ("at 10:30 for $5, well-known", r"at 10:30 for \$5, well-known"),
            ("@team :smile: | x", r"\@team \:smile: \| x"),
        ] {
            assert_eq!(literal(said), written);
        }
    }
}
