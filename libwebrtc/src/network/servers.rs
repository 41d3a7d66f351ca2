//! The servers that help to find a path, as they are written (RFC 7064, RFC 7065).

use std::fmt;

use super::turn::Credentials;
use crate::peer_connection_factory::IceServer;

/// A server that helps to find a path.
#[derive(Clone)]
pub(super) enum Server {
    /// Tells how our packets look from outside.
    Stun(Host),
    /// Takes packets for us.
    Turn(Host, Carrier, Credentials),
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// What packets to a server go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Udp,
    Tcp,
    Tls,
}

impl Server {
    /// The servers that are written there. What cannot be read or used is left out, and said.
    pub(super) fn all(written: &[IceServer]) -> Vec<Self> {
        let mut servers = Vec::new();
        for server in written {
            for url in &server.urls {
                match Self::parse(url, server) {
                    Some(server) => servers.push(server),
                    None => tracing::warn!(url, "an ICE server was left out: its URL cannot be used"),
                }
            }
        }
        servers
    }

    fn parse(url: &str, server: &IceServer) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (host, query) = match rest.split_once('?') {
            Some((host, query)) => (host, Some(query)),
            None => (rest, None),
        };
        let transport = match query {
            Some(query) => Some(query.strip_prefix("transport=")?),
            None => None,
        };
        let carrier = match (scheme, transport) {
            ("stun", None) => return Host::parse(host, PORT).map(Self::Stun),
            ("turn", None | Some("udp")) => Carrier::Udp,
            ("turn", Some("tcp")) => Carrier::Tcp,
            ("turns", None | Some("tcp")) => Carrier::Tls,
            // STUN over TLS tells nothing of UDP; TURN over DTLS is hardly to be found.
            _ => return None,
        };
        let port = if carrier == Carrier::Tls { TLS_PORT } else { PORT };
        let credentials = Credentials {
            username: server.username.clone(),
            password: server.password.clone().into(),
        };
        Some(Self::Turn(Host::parse(host, port)?, carrier, credentials))
    }
}

impl Host {
    fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, port) = rest.split_once(']')?;
                match port {
                    "" => (name, None),
                    port => (name, Some(port.strip_prefix(':')?)),
                }
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => default_port,
        };
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.port)
    }
}

const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Option<String> {
        let written = IceServer {
            urls: vec![url.to_owned()],
            username: "user".to_owned(),
            password: "secret".to_owned(),
        };
        Server::all(&[written]).pop().map(|server| match server {
            Server::Stun(host) => format!("stun {host}"),
            Server::Turn(host, carrier, _) => format!("{carrier:?} {host}"),
        })
    }

    #[test]
    fn urls_are_read() {
        for (url, server) in [
            ("stun:stun.example.org", "stun stun.example.org:3478"),
            ("turn:10.0.0.1:99", "Udp 10.0.0.1:99"),
            ("turn:t.example.org?transport=udp", "Udp t.example.org:3478"),
            ("turn:[2001:db8::1]:99?transport=tcp", "Tcp 2001:db8::1:99"),
            ("turns:t.example.org:443?transport=tcp", "Tls t.example.org:443"),
            ("turns:[2001:db8::1]", "Tls 2001:db8::1:5349"),
        ] {
            assert_eq!(parse(url).as_deref(), Some(server), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out() {
        for url in [
            "",
            "http://example.org",
            "turn:",
            "turn:example.org:port",
            "turn:[::1",
            "turn:example.org?transport=sctp",
            "turns:example.org?transport=udp",
            "turn:example.org?other=tcp",
        ] {
            assert_eq!(parse(url), None, "{url}");
        }
    }
}
