//! Names of languages.

/// Whether a text has the shape of a BCP 47 tag (RFC 5646), such as `en`, `pt-BR` or `zh-Hant`. Such a text can go into
/// a prompt or a URL.
pub fn is_language_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    text.len() <= TAG_BYTES_MAX
        && (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The longest tag that RFC 5646 asks to make room for.
const TAG_BYTES_MAX: usize = 35;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_from_sentences() {
        for tag in ["en", "de-CH", "zh-Hant-TW", "ast", "sl-rozaj-1994"] {
            assert!(is_language_tag(tag), "{tag}");
        }
        for text in [
            "",
            "e",
            "german",
            "en us",
            "de-",
            "de_CH",
            "en. Write of cats",
            "12",
        ] {
            assert!(!is_language_tag(text), "{text}");
        }
    }
}
