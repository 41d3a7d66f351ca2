//! Mail (RFC 5322): one message for one person, complete, in plain ASCII lines.

use base64::{Engine, prelude::BASE64_STANDARD};
use lectern_pipelines::UnixMillis;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use uuid::Uuid;

/// An address that stands in a header as it is: ASCII, without quotes, comments or spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Takes `name@example.org`; nothing of what some servers take beyond that.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (own, domain) = text.rsplit_once('@')?;
        let is_atom = |part: &str| !part.is_empty() && part.bytes().all(is_atom_byte);
        let is_label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_good = own.split('.').all(is_atom) && domain.split('.').all(is_label);
        (is_good && own.len() <= 64 && text.len() <= ADDRESS_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a URI (RFC 6068).
    pub(crate) fn to_uri(&self) -> String {
        let mut uri = "mailto:".to_owned();
        for byte in self.0.bytes() {
            match byte.is_ascii_alphanumeric() || b"-._~@+".contains(&byte) {
                true => uri.push(char::from(byte)),
                false => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri
    }
}

/// A message with three forms of the same: text, HTML, and a calendar that asks or cancels.
#[derive(Debug)]
pub(crate) struct Mail<'a> {
    pub(crate) from: &'a Address,
    pub(crate) from_name: &'a str,
    pub(crate) to: &'a Address,
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) html: &'a str,
    pub(crate) calendar: &'a str,
    /// What the calendar asks for (RFC 5546).
    pub(crate) method: &'a str,
    pub(crate) now: UnixMillis,
}

impl Mail<'_> {
    /// The message with its headers, as a mailer takes it.
    pub(crate) fn to_message(&self) -> String {
        let id = Uuid::now_v7();
        // No line of base64 has an underscore.
        let boundary = format!("=_{}", id.simple());
        let (_, domain) = self.from.as_str().rsplit_once('@').unwrap_or_default();
        let mut message = String::new();
        for (name, value) in [
            (
                "From",
                format!("{}\r\n <{}>", words(self.from_name), self.from.as_str()),
            ),
            ("To", format!("<{}>", self.to.as_str())),
            ("Subject", words(self.subject)),
            ("Date", date(self.now)),
            ("Message-ID", format!("<{id}@{domain}>")),
            ("MIME-Version", "1.0".to_owned()),
            (
                "Content-Type",
                format!("multipart/alternative;\r\n boundary=\"{boundary}\""),
            ),
        ] {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        let method = self.method;
        for (media_type, body) in [
            ("text/plain; charset=utf-8".to_owned(), self.text),
            ("text/html; charset=utf-8".to_owned(), self.html),
            // Last: of several forms, readers prefer the last that they know.
            (
                format!("text/calendar; charset=utf-8; method={method}"),
                self.calendar,
            ),
        ] {
            message.push_str(&format!("\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"));
            message.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
            push_base64(&mut message, body);
        }
        message.push_str(&format!("\r\n--{boundary}--\r\n"));
        message
    }
}

/// Text in a header: encoded words (RFC 2047), whatever it is, so that none of it means anything there.
fn words(text: &str) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    words.push(word);
    let encoded: Vec<_> = words
        .iter()
        .map(|word| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(word)))
        .collect();
    encoded.join("\r\n ")
}

fn push_base64(message: &mut String, body: &str) {
    let encoded = BASE64_STANDARD.encode(body);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(BASE64_LINE));
        message.push_str(line);
        message.push_str("\r\n");
        rest = more;
    }
}

fn date(now: UnixMillis) -> String {
    let now = OffsetDateTime::from_unix_timestamp(now.0 / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc2822).unwrap_or_default()
}

/// What an atom may have (RFC 5322, 3.2.3).
fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

const ADDRESS_BYTES_MAX: usize = 254;
/// As many as leave a line with a header's name and an encoded word its 76 characters.
const WORD_BYTES_MAX: usize = 39;
const BASE64_LINE: usize = 76;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn message(name: &str, subject: &str, body: &str) -> String {
        let (from, to) = (address("ada@example.org"), address("bob@example.org"));
        Mail {
            from: &from,
            from_name: name,
            to: &to,
            subject,
            text: body,
            html: body,
            calendar: body,
            method: "REQUEST",
            now: UnixMillis(0),
        }
        .to_message()
    }

    proptest! {
        #[test]
        fn no_text_adds_a_header_or_a_part(name in any::<String>(), subject in any::<String>(), body in any::<String>()) {
            let message = message(&name, &subject, &body);
            prop_assert!(message.is_ascii());
            prop_assert!(!message.replace("\r\n", "").contains(char::is_control));
            prop_assert!(message.split("\r\n").all(|line| line.len() <= 78), "{}", message);
            let (head, rest) = message.split_once("\r\n\r\n").expect("a head");
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split(':').next().unwrap_or_default())
                .collect();
            prop_assert_eq!(
                names,
                ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
            );
            prop_assert_eq!(rest.matches("--=_").count(), 4);
        }

        #[test]
        fn addresses_have_nothing_that_ends_a_header(text in any::<String>()) {
            if let Some(address) = Address::parse(&text) {
                prop_assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!address.as_str().contains(['<', '>', ',', ';', ':', '"', '(', ')', '\\']));
            }
        }
    }

    #[test]
    fn addresses_are_plain() {
        for text in [
            "ada@example.org",
            " a.b+c@x-y.example ",
            "o'neil@example.org",
            "a@localhost",
        ] {
            assert!(Address::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "a@b\r\nbcc: eve@example.org",
            "<a@b>",
            "a@b,c@d",
            "\"a b\"@example.org",
            "a..b@example.org",
            "a@-b.org",
            "адa@example.org",
        ] {
            assert!(Address::parse(text).is_none(), "{text}");
        }
        assert_eq!(
            address("o'neil&co@example.org").to_uri(),
            "mailto:o%27neil%26co@example.org"
        );
    }
}
