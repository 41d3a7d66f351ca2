//! Lines of a calendar: escaped, folded, and never more of them than were written.

/// Content lines (RFC 5545, 3.1).
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// Writes a property whose value has a form of its own, such as a time.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        let line = format!("{name}:{value}");
        let mut octets = 0;
        // Whatever got here, a line is one line.
        for letter in line.chars().filter(|letter| !letter.is_control()) {
            if octets + letter.len_utf8() > LINE_OCTETS_MAX {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(letter);
            octets += letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    /// Writes a property whose value is text that somebody wrote.
    pub(crate) fn push_text(&mut self, name: &str, text: &str) {
        self.push(name, &escaped(text));
    }

    /// All lines.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Text as a value (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\\' | ';' | ',' => value.extend(['\\', letter]),
            '\n' | '\r' => value.push_str("\\n"),
            '\t' => value.push(' '),
            _ => value.push(letter),
        }
    }
    value
}

/// Text as the value of a parameter, in quotes: it can't hold any itself.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}

/// Without the line's end.
const LINE_OCTETS_MAX: usize = 75;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text as a reader has it that unfolds and unescapes.
    fn read(lines: &str) -> String {
        let unfolded = lines.replace("\r\n ", "");
        let value = unfolded.strip_prefix("SUMMARY:").expect("the property");
        let value = value.strip_suffix("\r\n").expect("one line");
        let mut text = String::new();
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next().expect("an escaped letter") {
                    'n' => text.push('\n'),
                    escaped => text.push(escaped),
                },
                ';' | ',' => panic!("a bare {letter}"),
                _ => text.push(letter),
            }
        }
        text
    }

    proptest! {
        #[test]
        fn any_text_is_one_property_in_short_lines(text in any::<String>()) {
            let mut lines = Lines::default();
            lines.push_text("SUMMARY", &text);
            let written = lines.into_text();
            prop_assert!(written.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX), "{:?}", written);
            prop_assert!(!written.replace("\r\n", "").contains(char::is_control));
            prop_assert!(written.split("\r\n").skip(1).all(|line| line.is_empty() || line.starts_with(' ')));
            let shown = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
            let shown: String = shown.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
            prop_assert_eq!(read(&written), shown);
        }

        #[test]
        fn no_parameter_ends_early(text in any::<String>()) {
            prop_assert_eq!(quoted(&text).matches('"').count(), 2);
        }
    }
}
