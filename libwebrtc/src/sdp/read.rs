//! Reading descriptions: strict about their lines, tolerant of what the lines say.

use str0m::{Candidate, IceCreds};

use super::{AUDIO_LEVEL_URI, MID_URI, Numbers};
use crate::{rtp_transceiver::RtpTransceiverDirection, session_description::SdpParseError};

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sdp {
    attributes: Vec<String>,
    sections: Vec<Section>,
}

/// A media section of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    kind: String,
    port: u16,
    protocol: String,
    formats: Vec<String>,
    attributes: Vec<String>,
}

impl Sdp {
    /// Reads a description.
    pub(crate) fn parse(text: &str) -> Result<Self, SdpParseError> {
        let mut sdp = Self {
            attributes: Vec::new(),
            sections: Vec::new(),
        };
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        match lines.next() {
            Some("v=0") => {}
            first => return Err(error(first.unwrap_or_default(), "a description begins with v=0")),
        }
        for line in lines {
            let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
                return Err(error(line, "a line is one letter, an equals sign and a value"));
            };
            match (kind, sdp.sections.last_mut()) {
                ("m", _) => sdp.sections.push(Section::parse(line, value)?),
                ("a", Some(section)) => section.attributes.push(value.to_owned()),
                ("a", None) => sdp.attributes.push(value.to_owned()),
                _ => {}
            }
        }
        Ok(sdp)
    }

    /// The media sections, in order.
    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of that id.
    pub(crate) fn section(&self, mid: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.mid() == Some(mid))
    }

    /// The name and password that a path is checked with.
    pub(crate) fn ice_credentials(&self) -> Option<IceCreds> {
        let ufrag = self.anywhere("ice-ufrag")?.to_owned();
        let pass = self.anywhere("ice-pwd")?.to_owned();
        Some(IceCreds { ufrag, pass })
    }

    /// Whether the other side leaves all checks of paths to us.
    pub(crate) fn is_ice_lite(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute == "ice-lite")
    }

    /// The hash of the other side's certificate, as `sha-256 AB:CD…`.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.anywhere("fingerprint")
    }

    /// Who begins the handshake: `active`, `passive` or `actpass`.
    pub(crate) fn setup(&self) -> Option<&str> {
        self.anywhere("setup")
    }

    /// The addresses in the description. Those that str0m cannot read (of names, say) are left out.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        self.sections
            .iter()
            .flat_map(|section| section.attributes.iter())
            .chain(self.attributes.iter())
            .filter(|attribute| attribute.starts_with("candidate:"))
            .filter_map(|attribute| Candidate::from_sdp_string(attribute).ok())
            .collect()
    }

    /// The numbers that the description gives to codecs and extensions, if it speaks of Opus at all.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        let section = self.sections.iter().find(|section| section.opus().is_some())?;
        Some(Numbers {
            opus: section.opus()?,
            red: section.red(),
            audio_level: section.extension(AUDIO_LEVEL_URI),
            mid: section.extension(MID_URI),
        })
    }

    fn anywhere(&self, name: &'static str) -> Option<&str> {
        let live = self.sections.iter().filter(|section| section.port != 0);
        find(&self.attributes, name).or_else(|| live.into_iter().find_map(|section| section.attribute(name)))
    }
}

impl Section {
    fn parse(line: &str, value: &str) -> Result<Self, SdpParseError> {
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(error(line, "a media section has a kind, a port and a protocol"));
        };
        let port = port
            .parse()
            .map_err(|_| error(line, "a port is a number below 65536"))?;
        Ok(Self {
            kind: kind.to_owned(),
            port,
            protocol: protocol.to_owned(),
            formats: words.map(str::to_owned).collect(),
            attributes: Vec::new(),
        })
    }

    /// `audio`, `video` or `application`.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// The section's transport, as in its first line.
    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    /// The section's id.
    pub(crate) fn mid(&self) -> Option<&str> {
        self.attribute("mid")
    }

    /// Whether the section was turned down.
    pub(crate) fn is_rejected(&self) -> bool {
        self.port == 0 && !self.has("bundle-only")
    }

    /// Which ways media go, seen from the side that wrote the description.
    pub(crate) fn direction(&self) -> RtpTransceiverDirection {
        let named = self
            .attributes
            .iter()
            .find_map(|attribute| match attribute.as_str() {
                "sendrecv" => Some(RtpTransceiverDirection::SendRecv),
                "sendonly" => Some(RtpTransceiverDirection::SendOnly),
                "recvonly" => Some(RtpTransceiverDirection::RecvOnly),
                "inactive" => Some(RtpTransceiverDirection::Inactive),
                _ => None,
            });
        match (self.is_rejected(), named) {
            (true, _) => RtpTransceiverDirection::Inactive,
            (false, Some(direction)) => direction,
            (false, None) => RtpTransceiverDirection::SendRecv,
        }
    }

    /// The ids of the stream and the track that the section carries.
    pub(crate) fn msid(&self) -> Option<(&str, &str)> {
        let of_section = self.attribute("msid");
        let of_source = || {
            self.sources()
                .find_map(|(_, attribute)| attribute.strip_prefix("msid:"))
        };
        let (stream, track) = of_section.or_else(of_source)?.split_once(' ')?;
        Some((stream, track.split(' ').next().unwrap_or(track)))
    }

    /// The numbers of the sources that the section carries.
    pub(crate) fn ssrcs(&self) -> Vec<u32> {
        let mut ssrcs: Vec<u32> = self.sources().map(|(ssrc, _)| ssrc).collect();
        ssrcs.dedup();
        ssrcs
    }

    /// The number of Opus.
    pub(crate) fn opus(&self) -> Option<u8> {
        self.codec("opus/48000")
    }

    /// The number of Opus with redundancy.
    pub(crate) fn red(&self) -> Option<u8> {
        self.codec("red/48000")
    }

    /// Whether redundancy is what the section would rather have than plain Opus: the format that comes first.
    pub(crate) fn prefers_red(&self) -> bool {
        let first = self.formats.first().and_then(|format| format.parse().ok());
        first.is_some() && first == self.red()
    }

    /// A parameter of Opus, such as `usedtx`.
    pub(crate) fn opus_parameter(&self, name: &str) -> Option<&str> {
        let prefix = format!("{} ", self.opus()?);
        let line = all(&self.attributes, "fmtp").find_map(|value| value.strip_prefix(prefix.as_str()))?;
        line.split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The first video format and its description, `96` and `VP8/90000`.
    pub(crate) fn first_format(&self) -> Option<(&str, &str)> {
        let format = self.formats.first()?;
        let prefix = format!("{format} ");
        let name = all(&self.attributes, "rtpmap").find_map(|value| value.strip_prefix(prefix.as_str()))?;
        Some((format, name))
    }

    /// The number of a header extension.
    fn extension(&self, uri: &str) -> Option<u8> {
        all(&self.attributes, "extmap").find_map(|value| {
            let (id, name) = value.split_once(' ')?;
            let id = id.split('/').next()?.parse().ok()?;
            (name.split(' ').next() == Some(uri)).then_some(id)
        })
    }

    fn codec(&self, wanted: &str) -> Option<u8> {
        let of_format = |format: &String| {
            let prefix = format!("{format} ");
            let name =
                all(&self.attributes, "rtpmap").find_map(|value| value.strip_prefix(prefix.as_str()))?;
            let matches = name
                .get(..wanted.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(wanted));
            matches.then(|| format.parse().ok())?
        };
        self.formats.iter().find_map(of_format)
    }

    fn sources(&self) -> impl Iterator<Item = (u32, &str)> {
        all(&self.attributes, "ssrc").filter_map(|value| {
            let (ssrc, attribute) = value.split_once(' ')?;
            Some((ssrc.parse().ok()?, attribute))
        })
    }

    fn attribute(&self, name: &'static str) -> Option<&str> {
        find(&self.attributes, name)
    }

    fn has(&self, flag: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == flag)
    }
}

fn find<'a>(attributes: &'a [String], name: &'static str) -> Option<&'a str> {
    all(attributes, name).next()
}

fn all<'a>(attributes: &'a [String], name: &'static str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter_map(move |attribute| attribute.strip_prefix(name)?.strip_prefix(':'))
}

fn error(line: &str, description: &str) -> SdpParseError {
    SdpParseError {
        line: line.to_owned(),
        description: description.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=fingerprint:sha-256 AA:BB\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=setup:active\r\na=mid:0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1; usedtx=1\r\na=rtpmap:63 red/48000/2\r\n\
        a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=ssrc:7 cname:x\r\na=ssrc:7 msid:PA_1|s TR_1\r\na=sendonly\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host ufrag abcd\r\n\
        m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=inactive\r\n";

    fn answer() -> Sdp {
        Sdp::parse(ANSWER).expect("the description is well-formed")
    }

    #[test]
    fn transport_is_found_wherever_it_stands() {
        let sdp = answer();
        assert_eq!(sdp.fingerprint(), Some("sha-256 AA:BB"));
        assert_eq!(sdp.setup(), Some("active"));
        assert_eq!(
            sdp.ice_credentials().map(|credentials| credentials.pass),
            Some("efgh".to_owned())
        );
        assert_eq!(sdp.candidates().len(), 1);
    }

    #[test]
    fn sources_tell_stream_and_track() {
        let sdp = answer();
        let section = sdp.section("0").expect("there is a section 0");
        assert_eq!(section.msid(), Some(("PA_1|s", "TR_1")));
        assert_eq!(section.ssrcs(), [7]);
        assert_eq!(section.direction(), RtpTransceiverDirection::SendOnly);
        assert_eq!(section.opus_parameter("usedtx"), Some("1"));
    }

    #[test]
    fn numbers_are_the_other_sides() {
        let numbers = answer().numbers().expect("the description speaks of Opus");
        assert_eq!(
            numbers,
            Numbers {
                opus: 111,
                red: Some(63),
                audio_level: None,
                mid: Some(3)
            }
        );
    }

    #[test]
    fn what_comes_first_is_preferred() {
        let prefers_red = |text: &str| {
            let sdp = Sdp::parse(text).expect("the description is well-formed");
            sdp.section("0").expect("there is a section 0").prefers_red()
        };
        assert!(!prefers_red(ANSWER));
        assert!(prefers_red(&ANSWER.replace("SAVPF 111 63", "SAVPF 63 111")));
        assert!(!prefers_red(&ANSWER.replace("SAVPF 111 63", "SAVPF 64 111")));
    }

    #[test]
    fn a_section_of_port_zero_is_rejected() {
        let sdp = answer();
        assert!(sdp.section("1").expect("there is a section 1").is_rejected());
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        let error = Sdp::parse("v=0\r\nhello\r\n").expect_err("a line without an equals sign is refused");
        assert_eq!(error.line, "hello");
        assert!(Sdp::parse("").is_err());
        assert!(Sdp::parse("v=0\r\nm=audio x\r\n").is_err());
    }
}
