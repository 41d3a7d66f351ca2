//! URLs that an operator writes and that others compare letter by letter.

use std::{fmt, net::IpAddr};

use reqwest::Url;

/// A URL that begins with `https://` or `http://`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    url: Url,
}

/// A text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a URL such as https://login.example.org, without a user, a password, and what follows ? or #")]
pub struct NotAnHttpUrl;

impl HttpUrl {
    /// Takes `text` for a URL of a scheme, a host, and perhaps a port and a path.
    pub fn parse(text: &str) -> Result<Self, NotAnHttpUrl> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| NotAnHttpUrl)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        match is_plain {
            true => Ok(Self {
                text: text.to_owned(),
                url,
            }),
            false => Err(NotAnHttpUrl),
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name or address in it.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// What follows the host.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Whether nobody on the way can read along: it is encrypted, or stays on this machine.
    pub fn is_private(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let is_own = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.url.scheme() == "https" || is_own
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_stays_as_it_was_written() {
        for text in [
            "https://login.example.org",
            "https://login.example.org/",
            "https://login.example.org/realms/Main",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(
                HttpUrl::parse(text).map(|url| url.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in [
            "",
            "login.example.org",
            "ftp://login.example.org",
            "https://",
            "https://me@login.example.org",
            "https://me:secret@login.example.org",
            "https://login.example.org?realm=main",
            "https://login.example.org#main",
        ] {
            assert_eq!(HttpUrl::parse(text), Err(NotAnHttpUrl), "{text:?}");
        }
    }

    #[test]
    fn only_what_leaves_this_machine_has_to_be_encrypted() {
        let is_private = |text: &str| HttpUrl::parse(text).expect("a URL").is_private();
        for text in [
            "https://a.example.org",
            "http://localhost:1",
            "http://127.0.0.2",
            "http://[::1]:8",
        ] {
            assert!(is_private(text), "{text}");
        }
        for text in [
            "http://a.example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
        ] {
            assert!(!is_private(text), "{text}");
        }
    }
}
