//! What a log says at its end: speech that somebody has yet to recognise.

use std::collections::BTreeMap;

use super::{
    entry::{self, Entry, Opening},
    spans::{Span, Spans},
};
use crate::{
    MediaTime, Participant, ParticipantIdentity, SAMPLE_RATE_HZ, TrackKey, TrackSid,
    audio::SAMPLES_PER_MS,
    stt::{Item, Stretch, StretchDecoder},
};

/// Speech of a meeting that was heard, and neither recognised nor given up before its worker died.
#[derive(Debug, Default)]
pub struct UnsettledSpeech {
    tracks: BTreeMap<TrackKey, UnsettledTrack>,
}

/// Of one track.
#[derive(Debug)]
pub(crate) struct UnsettledTrack {
    pub(crate) sid: TrackSid,
    pub(crate) speaker: Participant,
    pub(crate) language: Option<String>,
    /// Samples as they were said, in order.
    raw: Vec<Raw>,
    /// The older ones, compressed; they are in `raw` too.
    stretches: Vec<Stretch>,
    /// Behind which samples the speaker paused.
    pauses: Vec<u64>,
    /// What nobody needs.
    settled: Spans,
}

#[derive(Debug)]
struct Raw {
    position: u64,
    samples: Vec<i16>,
}

impl UnsettledSpeech {
    /// Reads a log's batches in the order in which they were taken.
    pub fn read<'a>(batches: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut speech = Self::default();
        let mut current = None;
        for entry in batches.into_iter().flat_map(entry::read) {
            match entry {
                Entry::Void => {
                    speech.tracks.clear();
                    current = None;
                }
                Entry::Opened(opening) => {
                    current = Some(opening.key);
                    speech.open(&opening);
                }
                Entry::Of(track) => current = Some(track),
                about_a_track => {
                    let track = current.and_then(|key| speech.tracks.get_mut(&key));
                    if let Some(track) = track {
                        track.take(about_a_track);
                    }
                }
            }
        }
        speech
    }

    /// A log that says this and nothing else, and voids what stands before it.
    pub fn write(&self) -> Vec<u8> {
        let mut log = Vec::new();
        entry::write_void(&mut log);
        for (key, track) in &self.tracks {
            if !track.is_settled() {
                track.write(*key, &mut log);
            }
        }
        log
    }

    /// Whether nobody has to do anything about it.
    pub fn is_empty(&self) -> bool {
        self.tracks.values().all(UnsettledTrack::is_settled)
    }

    /// Words of this track are stored that were said there: they need not be recognised again.
    pub fn forget(&mut self, track: &TrackSid, from: MediaTime, to: MediaTime) {
        let at = |time: MediaTime| time.as_millis() * SAMPLES_PER_MS;
        let span = Span {
            from: at(from),
            to: at(to),
        };
        let tracks = self.tracks.values_mut();
        for track in tracks.filter(|known| known.sid == *track) {
            track.settled.add(span);
        }
    }

    pub(crate) fn tracks(&self) -> impl Iterator<Item = (TrackKey, &UnsettledTrack)> {
        self.tracks.iter().map(|(key, track)| (*key, track))
    }

    fn open(&mut self, opening: &Opening<'_>) {
        let language = opening.language.map(str::to_owned);
        if let Some(track) = self.tracks.get_mut(&opening.key) {
            track.language = language;
            return;
        }
        let (Ok(sid), Ok(identity)) = (
            TrackSid::parse(opening.sid),
            ParticipantIdentity::parse(opening.identity),
        ) else {
            return;
        };
        let name = opening.name.to_owned();
        let track = UnsettledTrack {
            sid,
            speaker: Participant { identity, name },
            language,
            raw: Vec::new(),
            stretches: Vec::new(),
            pauses: Vec::new(),
            settled: Spans::default(),
        };
        self.tracks.insert(opening.key, track);
    }
}

impl UnsettledTrack {
    fn take(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Speech { position, samples } => self.raw.push(Raw {
                position,
                samples: samples.iter().collect(),
            }),
            Entry::Pause { position } => self.pauses.push(position),
            Entry::Compressed(stretch) => self.stretches.push(stretch),
            Entry::Settled(span) => self.settled.add(span),
            Entry::Void | Entry::Opened(_) | Entry::Of(_) => {}
        }
    }

    fn is_settled(&self) -> bool {
        let done = self.done();
        self.heard()
            .iter()
            .all(|span| done.missing_of(span).next().is_none())
    }

    /// Gives what has to be recognised, as it was said.
    pub(crate) fn each_item(&self, mut take: impl FnMut(Item)) {
        let done = self.done();
        let compressed = self.compressed();
        let mut decoder = StretchDecoder::new();
        for part in self.parts() {
            match part {
                Part::Stretch(stretch) => {
                    let samples = decoder.samples_of(stretch);
                    for span in done.missing_of(stretch.span()) {
                        take(item(span, stretch.position, &samples));
                    }
                    if stretch.ends_utterance {
                        take(Item::UtteranceEnd);
                    }
                }
                Part::Raw(raw) => {
                    for span in raw.missing_in(&compressed, &done) {
                        take(item(span, raw.position, &raw.samples));
                    }
                }
                Part::Pause => take(Item::UtteranceEnd),
            }
        }
    }

    fn write(&self, key: TrackKey, log: &mut Vec<u8>) {
        let opening = Opening {
            key,
            sid: self.sid.as_str(),
            identity: self.speaker.identity.as_str(),
            name: &self.speaker.name,
            language: self.language.as_deref(),
        };
        entry::write_opening(&opening, log);
        let done = self.done();
        for stretch in &self.stretches {
            if done.missing_of(stretch.span()).next().is_some() {
                entry::write_stretch(stretch, log);
            }
        }
        let compressed = self.compressed();
        for raw in &self.raw {
            for span in raw.missing_in(&compressed, &done) {
                entry::write_speech(span.from, part_of(span, raw.position, &raw.samples), log);
            }
        }
        for position in &self.pauses {
            entry::write_pause(*position, log);
        }
        for span in done.iter() {
            entry::write_settled(span, log);
        }
    }

    /// What somebody said, in order, with the pauses.
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let stretches = self
            .stretches
            .iter()
            .map(|stretch| (stretch.position, 1, Part::Stretch(stretch)));
        let raw = self.raw.iter().map(|raw| (raw.position, 1, Part::Raw(raw)));
        // What ends where something begins ends before it.
        let pauses = self.pauses.iter().map(|position| (*position, 0, Part::Pause));
        let mut parts: Vec<_> = stretches.chain(raw).chain(pauses).collect();
        parts.sort_by_key(|(position, order, _)| (*position, *order));
        parts.into_iter().map(|(.., part)| part)
    }

    fn heard(&self) -> Spans {
        let mut heard = self.compressed();
        self.raw.iter().for_each(|raw| heard.add(raw.span()));
        heard
    }

    fn compressed(&self) -> Spans {
        let mut compressed = Spans::default();
        self.stretches
            .iter()
            .for_each(|stretch| compressed.add(stretch.span()));
        compressed
    }

    /// What is settled, with the silence around it: nobody speaks in so little beside known words.
    fn done(&self) -> Spans {
        let mut done = self.settled.clone();
        for span in self.heard().iter() {
            let left_over = self
                .settled
                .missing_of(span)
                .filter(|left| left.len() < LEFT_OVER_SAMPLES && self.settled.touches(*left));
            left_over.for_each(|left| done.add(left));
        }
        done
    }
}

impl Raw {
    fn span(&self) -> Span {
        Span::of(self.position, self.samples.len() as u64)
    }

    fn missing_in(&self, compressed: &Spans, done: &Spans) -> impl Iterator<Item = Span> {
        compressed
            .missing_of(self.span())
            .flat_map(|span| done.missing_of(span))
    }
}

enum Part<'a> {
    Stretch(&'a Stretch),
    Raw(&'a Raw),
    Pause,
}

fn item(span: Span, position: u64, samples: &[i16]) -> Item {
    Item::Audio {
        position: span.from,
        samples: part_of(span, position, samples).to_vec(),
    }
}

/// What of samples that begin at `position` is in the span.
fn part_of(span: Span, position: u64, samples: &[i16]) -> &[i16] {
    &samples[(span.from - position) as usize..(span.to - position) as usize]
}

/// Less than the silence that is sent around the shortest word.
const LEFT_OVER_SAMPLES: u64 = SAMPLE_RATE_HZ as u64 * 2 / 5;
