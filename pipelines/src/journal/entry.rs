//! The log's entries as bytes: a tag, then numbers in little-endian order and texts after their length.

use crate::{
    ParticipantIdentity, TrackKey, TrackSid,
    journal::spans::Span,
    stt::{FRAME_SAMPLES, Stretch},
};

/// One thing that the log says. All but [`Entry::Void`], [`Entry::Opened`] and [`Entry::Of`] are about the track that
/// was named last.
#[derive(Debug, PartialEq)]
pub(super) enum Entry<'a> {
    /// Everything before is of no use any more.
    Void,
    /// This track's entries follow, for the first time; or its language is another one from now on.
    Opened(Opening<'a>),
    /// This track's entries follow.
    Of(TrackKey),
    /// Samples as they were said.
    Speech { position: u64, samples: Samples<'a> },
    /// The speaker paused.
    Pause { position: u64 },
    /// What was noted as samples before.
    Compressed(Stretch),
    /// Nobody needs the speech there any more.
    Settled(Span),
}

/// A track.
#[derive(Debug, PartialEq)]
pub(super) struct Opening<'a> {
    pub(super) key: TrackKey,
    pub(super) sid: &'a str,
    pub(super) identity: &'a str,
    pub(super) name: &'a str,
    pub(super) language: Option<&'a str>,
}

/// 16-bit samples in little-endian order.
#[derive(Debug, PartialEq)]
pub(super) struct Samples<'a>(&'a [u8]);

/// What a session notes of its own speech, on its way to the log.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<u8>);

impl Notes {
    pub(crate) fn speech(&mut self, position: u64, samples: &[i16]) {
        write_speech(position, samples, &mut self.0);
    }

    pub(crate) fn pause(&mut self, position: u64) {
        write_pause(position, &mut self.0);
    }

    pub(crate) fn compressed(&mut self, stretch: &Stretch) {
        write_stretch(stretch, &mut self.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn move_into(&mut self, log: &mut Vec<u8>) {
        log.append(&mut self.0);
    }
}

impl Samples<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = i16> {
        let (samples, _) = self.0.as_chunks::<2>();
        samples.iter().map(|sample| i16::from_le_bytes(*sample))
    }
}

/// The entries at the beginning that make sense.
pub(super) fn read(mut log: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    std::iter::from_fn(move || {
        let mut rest = Reader(log);
        let entry = rest.entry()?;
        log = rest.0;
        Some(entry)
    })
    .fuse()
}

/// What follows, if the first entry is [`Entry::Void`].
pub(super) fn without_void(log: &[u8]) -> Option<&[u8]> {
    log.strip_prefix(&[VOID])
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn entry(&mut self) -> Option<Entry<'a>> {
        Some(match self.array::<1>()? {
            [VOID] => Entry::Void,
            [OPENED] => Entry::Opened(self.opening()?),
            [OF] => Entry::Of(self.key()?),
            [SPEECH] => Entry::Speech {
                position: self.wide()?,
                samples: Samples(self.bytes()?),
            },
            [PAUSE] => Entry::Pause {
                position: self.wide()?,
            },
            [COMPRESSED] => {
                let (position, samples, [flags]) = (self.wide()?, self.wide()?, self.array()?);
                let frames = self.bytes()?.to_vec();
                if samples > (frames.len() * FRAME_SAMPLES) as u64 {
                    return None;
                }
                Entry::Compressed(Stretch {
                    position,
                    samples,
                    frames,
                    is_fresh: flags & FRESH != 0,
                    ends_utterance: flags & ENDS_UTTERANCE != 0,
                })
            }
            [SETTLED] => Entry::Settled(Span {
                from: self.wide()?,
                to: self.wide()?,
            }),
            [_] => return None,
        })
    }

    fn opening(&mut self) -> Option<Opening<'a>> {
        let opening = Opening {
            key: self.key()?,
            sid: self.text()?,
            identity: self.text()?,
            name: self.text()?,
            language: Some(self.text()?).filter(|language| !language.is_empty()),
        };
        let is_named =
            TrackSid::parse(opening.sid).is_ok() && ParticipantIdentity::parse(opening.identity).is_ok();
        is_named.then_some(opening)
    }

    fn key(&mut self) -> Option<TrackKey> {
        Some(TrackKey(u32::from_le_bytes(self.array()?)))
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?);
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn wide(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }
}

pub(super) fn write_void(log: &mut Vec<u8>) {
    log.push(VOID);
}

pub(super) fn write_opening(opening: &Opening<'_>, log: &mut Vec<u8>) {
    log.push(OPENED);
    log.extend_from_slice(&opening.key.0.to_le_bytes());
    write_text(opening.sid, log);
    write_text(opening.identity, log);
    write_text(opening.name, log);
    write_text(opening.language.unwrap_or_default(), log);
}

pub(super) fn write_of(key: TrackKey, log: &mut Vec<u8>) {
    log.push(OF);
    log.extend_from_slice(&key.0.to_le_bytes());
}

pub(super) fn write_speech(position: u64, samples: &[i16], log: &mut Vec<u8>) {
    log.push(SPEECH);
    log.extend_from_slice(&position.to_le_bytes());
    write_number(samples.len() * 2, log);
    log.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

pub(super) fn write_pause(position: u64, log: &mut Vec<u8>) {
    log.push(PAUSE);
    log.extend_from_slice(&position.to_le_bytes());
}

pub(super) fn write_stretch(stretch: &Stretch, log: &mut Vec<u8>) {
    log.push(COMPRESSED);
    log.extend_from_slice(&stretch.position.to_le_bytes());
    log.extend_from_slice(&stretch.samples.to_le_bytes());
    let fresh = if stretch.is_fresh { FRESH } else { 0 };
    let ends = if stretch.ends_utterance { ENDS_UTTERANCE } else { 0 };
    log.push(fresh | ends);
    write_number(stretch.frames.len(), log);
    log.extend_from_slice(&stretch.frames);
}

pub(super) fn write_settled(span: Span, log: &mut Vec<u8>) {
    log.push(SETTLED);
    log.extend_from_slice(&span.from.to_le_bytes());
    log.extend_from_slice(&span.to.to_le_bytes());
}

fn write_text(text: &str, log: &mut Vec<u8>) {
    write_number(text.len(), log);
    log.extend_from_slice(text.as_bytes());
}

fn write_number(number: usize, log: &mut Vec<u8>) {
    let number = u32::try_from(number).expect("no text and no batch of speech is so long");
    log.extend_from_slice(&number.to_le_bytes());
}

const VOID: u8 = 0;
const OPENED: u8 = 1;
const OF: u8 = 2;
const SPEECH: u8 = 3;
const PAUSE: u8 = 4;
const COMPRESSED: u8 = 5;
const SETTLED: u8 = 6;
const FRESH: u8 = 1;
const ENDS_UTTERANCE: u8 = 2;
