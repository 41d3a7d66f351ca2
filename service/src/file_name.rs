//! What people call files: data, that becomes part of no path and of no header as it is.

use axum::http::{HeaderName, HeaderValue, header};

use crate::{ApiError, body::one_line, error::Rule};

/// A name as a person reads it: one line, no path, nothing that hides or turns around what it ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FileName {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let name = one_line("name", text, NAME_BYTES_MAX)?;
        if name.len() > NAME_BYTES_MAX {
            let message = format!("it may have at most {NAME_BYTES_MAX} bytes of UTF-8");
            return Err(ApiError::invalid("name", message));
        }
        // A name that ends in a dot would be another one on Windows.
        match name.contains(['/', '\\']) || name.ends_with('.') || name.contains(TURNS_LETTERS) {
            true => {
                let message = "write a file's name, such as slides.pdf, and no path";
                Err(ApiError::broken("name", Rule::FileName, message))
            }
            false => Ok(Self(name)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The header `Content-Disposition` that has a browser keep what comes under this name (RFC 6266): never shown as a page.
///
/// `name` may be any text. The plain parameter, for clients that know no other, has `_` for what is not plain.
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            '"' | '\\' | '%' => '_',
            ' '..='~' => letter,
            _ => '_',
        })
        .collect();
    let mut header = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match is_attr_char(byte) {
                true => header.push(char::from(byte)),
                false => header.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    HeaderValue::from_str(&header).expect("all of it is plain ASCII")
}

/// The headers of a file that is to be kept, not shown: what people said or shared must never run as a page of ours.
pub(crate) fn kept(name: &str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_DISPOSITION, attachment(name)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'"),
        ),
    ]
}

/// What RFC 5987 lets stand as it is.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

/// What most file systems take.
const NAME_BYTES_MAX: usize = 255;
/// The Arabic letter mark, which turns letters around as the other marks do.
const TURNS_LETTERS: char = '\u{61c}';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The name as a client reads it that follows RFC 6266: the starred parameter first.
    fn read(header: &str) -> String {
        let rest = header
            .strip_prefix("attachment; filename=\"")
            .expect("an attachment");
        let (plain, rest) = rest.split_once('"').expect("a closing quote");
        match rest.strip_prefix("; filename*=UTF-8''") {
            None => {
                assert_eq!(rest, "");
                plain.to_owned()
            }
            Some(encoded) => {
                let mut bytes = Vec::new();
                let mut rest = encoded.bytes();
                while let Some(byte) = rest.next() {
                    match byte {
                        b'%' => {
                            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                            let digits = std::str::from_utf8(&digits).expect("digits");
                            bytes.push(u8::from_str_radix(digits, 16).expect("digits"));
                        }
                        _ => bytes.push(byte),
                    }
                }
                String::from_utf8(bytes).expect("text")
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_breaks_out_of_nothing(name in any::<String>()) {
            let header = attachment(&name);
            let header = header.to_str().expect("visible ASCII");
            prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert_eq!(read(header), name);
        }

        #[test]
        fn names_that_are_taken_are_one_line_without_a_path(text in any::<String>()) {
            if let Ok(name) = FileName::parse(&text) {
                let tricks = ['/', '\\', '\u{202e}', '\u{2066}', '\u{61c}'];
                prop_assert!(!name.as_str().contains(tricks));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert!((1..=NAME_BYTES_MAX).contains(&name.as_str().len()));
            }
        }
    }

    #[test]
    fn header_is_as_the_rfc_has_it() {
        assert_eq!(attachment("slides.pdf"), "attachment; filename=\"slides.pdf\"");
        assert_eq!(
            attachment("€ \"rates\".txt"),
            "attachment; filename=\"_ _rates_.txt\"; filename*=UTF-8''%E2%82%AC%20%22rates%22.txt"
        );
    }

    #[test]
    fn paths_and_tricks_are_no_names() {
        for text in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "C:\\autoexec.bat",
            "evil\u{202e}fdp.exe",
            "evil\u{2066}fdp.exe",
            "evil\u{61c}.exe",
            "a\r\nset-cookie: x=1",
            "a\u{0}.pdf",
            "virus.exe.",
            &"ж".repeat(128),
        ] {
            assert!(FileName::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "slides.pdf",
            " Vorlesung Größe.pdf ",
            "讲义.docx",
            "a\"b;c=d%.txt",
            "👨‍👩‍👧.png",
        ] {
            assert_eq!(FileName::parse(text).expect("a name").as_str(), text.trim());
        }
    }
}
