//! Writing descriptions.

use std::fmt::{self, Display, Formatter};

use str0m::{Candidate, IceCreds};

use super::{AUDIO_LEVEL_URI, MID_URI, Numbers, OPUS_PARAMETERS};
use crate::rtp_transceiver::RtpTransceiverDirection;

/// A description of ours.
pub(crate) struct Description {
    /// The number of the session.
    pub(crate) session: u64,
    /// Which description of the session this is.
    pub(crate) version: u64,
    /// How we are reached.
    pub(crate) transport: Transport,
    /// The media sections, in order.
    pub(crate) lines: Vec<Line>,
}

/// How we are reached.
pub(crate) struct Transport {
    /// What paths are checked with.
    pub(crate) credentials: IceCreds,
    /// The hash of our certificate.
    pub(crate) fingerprint: String,
    /// Who begins the handshake.
    pub(crate) setup: &'static str,
    /// Our addresses.
    pub(crate) candidates: Vec<Candidate>,
}

/// A media section of ours.
pub(crate) enum Line {
    /// Audio.
    Audio(AudioLine),
    /// Video.
    Video(VideoLine),
    /// Data channels.
    Data(DataLine),
    /// A section of theirs that we turn down.
    Rejected {
        /// Its kind.
        kind: String,
        /// Its transport.
        protocol: String,
        /// Its id.
        mid: String,
    },
}

/// A section of audio.
pub(crate) struct AudioLine {
    /// The section's id.
    pub(crate) mid: String,
    /// Which ways media go.
    pub(crate) direction: RtpTransceiverDirection,
    /// The numbers in packets.
    pub(crate) numbers: Numbers,
    /// What we send: the source's number, its stream and its track.
    pub(crate) source: Option<(u32, String, String)>,
}

/// A section of video, which is only ever received, and not looked at.
pub(crate) struct VideoLine {
    /// The section's id.
    pub(crate) mid: String,
    /// Which ways media go.
    pub(crate) direction: RtpTransceiverDirection,
    /// A format's number and name.
    pub(crate) format: (String, String),
}

/// The section of data channels.
pub(crate) struct DataLine {
    /// The section's id.
    pub(crate) mid: String,
    /// The longest message we take, in bytes.
    pub(crate) message_bytes_max: u32,
}

impl Line {
    fn mid(&self) -> &str {
        match self {
            Self::Audio(line) => &line.mid,
            Self::Video(line) => &line.mid,
            Self::Data(line) => &line.mid,
            Self::Rejected { mid, .. } => mid,
        }
    }
}

impl Display for Description {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "v=0\r\no=- {} {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
            self.session, self.version
        )?;
        write!(out, "a=group:BUNDLE")?;
        for line in self
            .lines
            .iter()
            .filter(|line| !matches!(line, Line::Rejected { .. }))
        {
            write!(out, " {}", line.mid())?;
        }
        write!(out, "\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n")?;
        for (index, line) in self.lines.iter().enumerate() {
            self.write_line(out, line)?;
            // In a bundle all sections share one transport: its addresses need to be said once.
            if index == 0 {
                for candidate in &self.transport.candidates {
                    write!(
                        out,
                        "a={}\r\n",
                        candidate.to_sdp_string().trim_start_matches("a=")
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl Description {
    fn write_line(&self, out: &mut Formatter<'_>, line: &Line) -> fmt::Result {
        match line {
            Line::Audio(line) => self.write_audio(out, line),
            Line::Video(line) => self.write_video(out, line),
            Line::Data(line) => self.write_data(out, line),
            Line::Rejected { kind, protocol, mid } => {
                write!(
                    out,
                    "m={kind} 0 {protocol} 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=inactive\r\n"
                )
            }
        }
    }

    fn write_audio(&self, out: &mut Formatter<'_>, line: &AudioLine) -> fmt::Result {
        let Numbers {
            opus,
            red,
            audio_level,
            mid,
        } = line.numbers;
        write!(out, "m=audio 9 UDP/TLS/RTP/SAVPF {opus}")?;
        if let Some(red) = red {
            write!(out, " {red}")?;
        }
        write!(out, "\r\n")?;
        self.write_transport(out, &line.mid)?;
        write!(out, "a=rtcp:9 IN IP4 0.0.0.0\r\n")?;
        for (id, uri) in [(audio_level, AUDIO_LEVEL_URI), (mid, MID_URI)] {
            if let Some(id) = id {
                write!(out, "a=extmap:{id} {uri}\r\n")?;
            }
        }
        write!(out, "a={}\r\n", name(line.direction))?;
        if let Some((_, stream, track)) = &line.source {
            write!(out, "a=msid:{stream} {track}\r\n")?;
        }
        write!(
            out,
            "a=rtcp-mux\r\na=rtpmap:{opus} opus/48000/2\r\na=fmtp:{opus} {OPUS_PARAMETERS}\r\n"
        )?;
        if let Some(red) = red {
            write!(
                out,
                "a=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {opus}/{opus}\r\n"
            )?;
        }
        if let Some((ssrc, stream, track)) = &line.source {
            write!(
                out,
                "a=ssrc:{ssrc} cname:{}\r\na=ssrc:{ssrc} msid:{stream} {track}\r\n",
                self.session
            )?;
        }
        Ok(())
    }

    fn write_video(&self, out: &mut Formatter<'_>, line: &VideoLine) -> fmt::Result {
        let (format, codec) = &line.format;
        write!(out, "m=video 9 UDP/TLS/RTP/SAVPF {format}\r\n")?;
        self.write_transport(out, &line.mid)?;
        write!(
            out,
            "a=rtcp:9 IN IP4 0.0.0.0\r\na={}\r\na=rtcp-mux\r\n",
            name(line.direction)
        )?;
        write!(out, "a=rtpmap:{format} {codec}\r\n")
    }

    fn write_data(&self, out: &mut Formatter<'_>, line: &DataLine) -> fmt::Result {
        write!(out, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")?;
        self.write_transport(out, &line.mid)?;
        write!(
            out,
            "a=sctp-port:5000\r\na=max-message-size:{}\r\n",
            line.message_bytes_max
        )
    }

    fn write_transport(&self, out: &mut Formatter<'_>, mid: &str) -> fmt::Result {
        let Transport {
            credentials,
            fingerprint,
            setup,
            ..
        } = &self.transport;
        write!(
            out,
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            credentials.ufrag, credentials.pass
        )?;
        write!(
            out,
            "a=ice-options:trickle\r\na=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=mid:{mid}\r\n"
        )
    }
}

fn name(direction: RtpTransceiverDirection) -> &'static str {
    match direction {
        RtpTransceiverDirection::SendRecv => "sendrecv",
        RtpTransceiverDirection::SendOnly => "sendonly",
        RtpTransceiverDirection::RecvOnly => "recvonly",
        RtpTransceiverDirection::Inactive | RtpTransceiverDirection::Stopped => "inactive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{OUR_NUMBERS, Sdp};

    #[test]
    fn what_is_written_can_be_read() {
        let description = Description {
            session: 5,
            version: 1,
            transport: Transport {
                credentials: IceCreds {
                    ufrag: "u".to_owned(),
                    pass: "p".to_owned(),
                },
                fingerprint: "sha-256 AA".to_owned(),
                setup: "actpass",
                candidates: Vec::new(),
            },
            lines: vec![
                Line::Audio(AudioLine {
                    mid: "0".to_owned(),
                    direction: RtpTransceiverDirection::SendOnly,
                    numbers: OUR_NUMBERS,
                    source: Some((9, "-".to_owned(), "cid".to_owned())),
                }),
                Line::Data(DataLine {
                    mid: "1".to_owned(),
                    message_bytes_max: 65_536,
                }),
            ],
        };
        let sdp = Sdp::parse(&description.to_string()).expect("our own description is well-formed");
        let audio = sdp.section("0").expect("there is a section 0");
        assert_eq!(audio.msid(), Some(("-", "cid")));
        assert_eq!(audio.ssrcs(), [9]);
        assert_eq!(sdp.numbers(), Some(OUR_NUMBERS));
        assert_eq!(sdp.section("1").map(Section::kind), Some("application"));
        assert_eq!(sdp.setup(), Some("actpass"));
    }

    use crate::sdp::Section;
}
