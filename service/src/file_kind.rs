//! Kinds of files, as operators allow and forbid them.

use axum::http::{HeaderMap, header};

/// A kind of file: by what its name ends in, or by what whoever shares it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A name's ending in lower case, with its dot: `.pdf`.
    Ending(String),
    /// A media type in lower case: `application/pdf`, or `image/*` for all that begin so.
    MediaType(String),
}

impl FileKind {
    /// Reads `.pdf`, `application/pdf` or `image/*`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let is_plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte))
        };
        if let Some(ending) = text.strip_prefix('.') {
            return is_plain(ending).then_some(Self::Ending(text));
        }
        let (whole, part) = text.split_once('/')?;
        (is_plain(whole) && (part == "*" || is_plain(part))).then_some(Self::MediaType(text))
    }

    /// What runs when somebody opens it on Windows, macOS or Linux, by its ending.
    pub fn programs() -> Vec<Self> {
        PROGRAMS
            .iter()
            .map(|ending| Self::Ending(format!(".{ending}")))
            .collect()
    }

    /// Whether a file of this name and media type is of this kind.
    pub(crate) fn holds(&self, name: &str, media_type: &str) -> bool {
        match self {
            // Windows ignores dots and spaces at the end.
            Self::Ending(ending) => name.trim_end_matches(['.', ' ']).to_lowercase().ends_with(ending),
            Self::MediaType(kind) => match kind.strip_suffix('*') {
                Some(start) => media_type.starts_with(start),
                None => media_type == kind,
            },
        }
    }
}

const PROGRAMS: [&str; 34] = [
    "apk", "app", "appimage", "bat", "chm", "cmd", "com", "command", "cpl", "deb", "desktop", "dll", "dmg",
    "exe", "hta", "iso", "jar", "js", "jse", "lnk", "msi", "msix", "pif", "pkg", "ps1", "reg", "rpm", "scf",
    "scr", "url", "vbe", "vbs", "wsf", "wsh",
];

/// What the sender says the file is, without parameters; `application/octet-stream` where they say nothing of use.
pub(crate) fn said_media_type(headers: &HeaderMap) -> String {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = said.and_then(|said| said.split(';').next()).unwrap_or_default();
    match FileKind::parse(essence) {
        // What programs send that were not told.
        Some(FileKind::MediaType(form)) if form == "application/x-www-form-urlencoded" => UNKNOWN.to_owned(),
        Some(FileKind::MediaType(said)) if !said.ends_with('*') && said.len() <= MEDIA_TYPE_BYTES_MAX => said,
        _ => UNKNOWN.to_owned(),
    }
}

/// As what a file is handed out: what it was said to be if no browser runs that, bare bytes otherwise.
pub(crate) fn handed_out_as(media_type: &str) -> &str {
    let is_harmless = media_type.starts_with("audio/")
        || media_type.starts_with("video/")
        || HARMLESS.contains(&media_type);
    if is_harmless { media_type } else { UNKNOWN }
}

/// Pictures but SVG, which has scripts.
const HARMLESS: [&str; 7] = [
    "application/pdf",
    "application/zip",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
];
const UNKNOWN: &str = "application/octet-stream";
const MEDIA_TYPE_BYTES_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_hold_by_ending_and_by_type() {
        let kind = |text| FileKind::parse(text).expect("a kind");
        assert!(kind(".PDF").holds("Slides.Pdf", "x/y"));
        assert!(!kind(".pdf").holds("pdf", "application/pdf"));
        assert!(kind("image/*").holds("x", "image/png") && !kind("image/*").holds("x", "video/mp4"));
        assert!(kind("image/png").holds("x", "image/png") && !kind("image/png").holds("x", "image/pngx"));
        for text in [
            "", "pdf", ".", "image/", "/png", "*/*", "a/b/c", ".a b", "image/p*",
        ] {
            assert_eq!(FileKind::parse(text), None, "{text:?}");
        }
        let is_program = |name: &str| FileKind::programs().iter().any(|kind| kind.holds(name, ""));
        assert!(is_program("invoice.pdf.EXE") && is_program("a.exe. .") && !is_program("exe.pdf"));
    }

    #[test]
    fn nothing_that_runs_in_a_browser_is_handed_out_as_it_is() {
        for media_type in [
            "text/html",
            "image/svg+xml",
            "text/xml",
            "application/xhtml+xml",
            "text/javascript",
        ] {
            assert_eq!(handed_out_as(media_type), UNKNOWN);
        }
        assert_eq!(handed_out_as("application/pdf"), "application/pdf");
    }

    #[test]
    fn what_the_sender_says_is_never_more_than_a_type() {
        let said = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().expect("a header"));
            said_media_type(&headers)
        };
        assert_eq!(said("Text/HTML; charset=utf-8"), "text/html");
        for text in [
            "",
            "nonsense",
            "image/*",
            "a/b c",
            "application/x-www-form-urlencoded",
            ".pdf",
        ] {
            assert_eq!(said(text), UNKNOWN, "{text:?}");
        }
    }
}
