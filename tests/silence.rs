//! What a recogniser is sent: every sound, and little else. Recordings go through the whole core in virtual time; the
//! recogniser keeps what it is sent.
//!
//! `LECTERN_SPEECH=FOLDER cargo test --test silence -- --nocapture` counts that folder's recordings too.

use std::{
    collections::{BTreeSet, HashSet},
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use lectern_pipelines::{
    AudioFrame, ConnectionId, Event, GateSettings, MediaTime, Meeting, Output, ParticipantIdentity,
    SAMPLE_RATE_HZ, Settings, SttSettings, TrackClock, TrackKey, TrackSid,
};

#[test]
fn recordings_are_sent_whole_and_without_much_silence() {
    let mut all = Count::default();
    for name in RECORDINGS {
        let count = Count::of_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name));
        println!("{name}: {count}");
        count.check(name);
        all.add(&count);
    }
    println!("all: {all}");
    assert!(all.share_beyond() <= SILENCE_MAX, "{all}");
    let more = env::var_os("LECTERN_SPEECH");
    for path in more.into_iter().flat_map(recordings_in) {
        // Not known to be free of other sounds than words.
        println!("{}: {}", path.display(), Count::of_file(&path));
    }
}

/// Short words with long pauses are the hardest: every frame beyond counts.
#[test]
fn short_bursts_are_sent_whole_and_without_much_silence() {
    let mut samples = Vec::new();
    for number in 0..30 {
        samples.extend(silence(1800));
        samples.extend(burst(200 + number % 7));
    }
    samples.extend(silence(3000));
    let count = Count::of(&samples, &sent(&samples));
    println!("bursts: {count}");
    count.check("bursts");
    assert!(count.share_beyond() <= SILENCE_MAX, "{count}");
}

#[test]
fn nothing_is_sent_of_silence() {
    assert!(sent(&silence(60_000)).is_empty());
}

/// A stretch that was sent over a connection.
struct Sent {
    samples: Range<usize>,
}

/// Plays samples as somebody's microphone to a recogniser that hears nothing, and gives what it was sent.
fn sent(samples: &[i16]) -> Vec<Sent> {
    let mut room = Room::new();
    for (number, frame) in samples.chunks(FRAME_SAMPLES).enumerate() {
        let now = MediaTime::from_millis(number as u64 * FRAME_MS);
        let frame = AudioFrame {
            samples: frame,
            sample_rate_hz: SAMPLE_RATE_HZ,
            channels: 1,
        };
        room.tell(Event::Audio { track: TRACK, frame }, now);
        room.tell(Event::Timeout, now);
    }
    for stretch in &room.sent {
        let said = samples.get(stretch.samples.clone()).unwrap_or_default();
        let got = &room.got[stretch.samples.start..][..said.len()];
        assert_eq!(got, said, "it was sent what was said then");
    }
    room.sent
}

struct Room {
    meeting: Meeting,
    sent: Vec<Sent>,
    /// What the recogniser got, at its place in the meeting.
    got: Vec<i16>,
    /// Seconds that each connection was sent, and of these answered.
    streams: Vec<(ConnectionId, f64, f64)>,
}

impl Room {
    fn new() -> Self {
        let stt = SttSettings::with_endpointing(ENDPOINTING);
        let meeting = Meeting::new(Settings {
            run: "test".to_owned(),
            gate: GateSettings::for_endpointing(ENDPOINTING),
            stt,
            glossary: Vec::new(),
            last_finals: Duration::ZERO,
        });
        let mut room = Self {
            meeting,
            sent: Vec::new(),
            got: Vec::new(),
            streams: Vec::new(),
        };
        let event = Event::TrackStarted {
            track: TRACK,
            sid: &TrackSid::parse("TR_1").expect("a good id"),
            speaker: &ParticipantIdentity::parse("ada").expect("a good id"),
            clock: TrackClock::From(MediaTime::ZERO),
        };
        room.tell(event, MediaTime::ZERO);
        room
    }

    fn tell(&mut self, event: Event<'_>, now: MediaTime) {
        self.meeting.handle(event, now);
        while let Some(output) = self.meeting.poll_output() {
            self.perform(output, now);
        }
    }

    fn perform(&mut self, output: Output, now: MediaTime) {
        match output {
            Output::OpenStt { connection, .. } => {
                self.streams.push((connection, 0.0, 0.0));
                self.tell(Event::SttOpened { connection }, now);
            }
            Output::SendAudio {
                connection,
                start,
                bytes,
            } => {
                let from = start.as_millis() as usize * SAMPLES_PER_MS;
                let heard = bytes
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                let samples = from..from + bytes.len() / 2;
                self.got.resize(self.got.len().max(samples.end), 0);
                self.got.splice(samples.clone(), heard);
                self.sent.push(Sent { samples });
                let stream = self.stream(connection);
                stream.1 += bytes.len() as f64 / BYTES_PER_SECOND;
                if stream.1 - stream.2 > ANSWER_EVERY {
                    self.answer(connection, now);
                }
            }
            Output::SendText { connection, text } if text.contains("Finalize") => {
                self.answer(connection, now);
            }
            _ => {}
        }
    }

    /// Nothing was said in all that it was sent.
    fn answer(&mut self, connection: ConnectionId, now: MediaTime) {
        let stream = self.stream(connection);
        let (from, until) = (stream.2, stream.1);
        stream.2 = until;
        let text = format!(
            r#"{{"type":"Results","start":{from},"duration":{},"is_final":true,"from_finalize":true,
                "channel":{{"alternatives":[{{"transcript":""}}]}}}}"#,
            until - from
        );
        self.tell(
            Event::SttMessage {
                connection,
                text: &text,
            },
            now,
        );
    }

    fn stream(&mut self, connection: ConnectionId) -> &mut (ConnectionId, f64, f64) {
        let stream = self.streams.iter_mut().find(|stream| stream.0 == connection);
        stream.expect("it was opened")
    }
}

/// What was sent of a recording, in slots of [`SLOT_MS`].
#[derive(Default)]
struct Count {
    sent: usize,
    /// Silence that is neither in the 300 ms before a sound nor in the endpointing and 200 ms behind one.
    beyond: usize,
    /// Sent more than a second behind any sound, and not because somebody is about to speak.
    late: usize,
    twice: usize,
    sounds: usize,
    /// Sounds that were not sent.
    unsent: usize,
}

impl Count {
    fn of_file(path: &Path) -> Self {
        let samples = read(path);
        Self::of(&samples, &sent(&samples))
    }

    fn of(samples: &[i16], sent: &[Sent]) -> Self {
        let sounds = sounds(samples);
        let near = |slot: usize, before: usize, behind: usize| {
            let slots = slot.saturating_sub(behind)..=slot + before;
            sounds.range(slots).next().is_some()
        };
        let mut slots = HashSet::new();
        let mut twice = 0;
        for stretch in sent {
            for slot in stretch.samples.start / SLOT_SAMPLES..stretch.samples.end / SLOT_SAMPLES {
                twice += usize::from(!slots.insert(slot));
            }
        }
        let hangover = (ENDPOINTING + HANGOVER).as_millis() as usize / SLOT_MS;
        Self {
            sent: slots.len(),
            beyond: slots
                .iter()
                .filter(|slot| !near(**slot, PRE_ROLL_SLOTS, hangover))
                .count(),
            late: slots
                .iter()
                .filter(|slot| !near(**slot, ABOUT_TO_SPEAK_SLOTS, SECOND_SLOTS))
                .count(),
            twice,
            unsent: sounds.iter().filter(|slot| !slots.contains(*slot)).count(),
            sounds: sounds.len(),
        }
    }

    fn check(&self, what: &str) {
        assert!(self.sounds > 0, "{what}: no sound");
        assert_eq!(self.unsent, 0, "{what}: sounds that were not sent: {self}");
        assert_eq!(self.late, 0, "{what}: sent after a second of silence: {self}");
        assert_eq!(self.twice, 0, "{what}: sent twice: {self}");
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.beyond += other.beyond;
        self.late += other.late;
        self.sounds += other.sounds;
        self.unsent += other.unsent;
    }

    fn share_beyond(&self) -> f64 {
        self.beyond as f64 / self.sent as f64
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |slots: usize| (slots * SLOT_MS) as f64 / 1000.0;
        write!(
            f,
            "{:.2} s sent, of these silence beyond {:.2} s ({:.2} %), after 1 s of it {:.2} s; {:.2} s of {:.2} s sound unsent",
            seconds(self.sent),
            seconds(self.beyond),
            100.0 * self.share_beyond(),
            seconds(self.late),
            seconds(self.unsent),
            seconds(self.sounds),
        )
    }
}

/// Slots with sound: louder than the recording's own quiet by 6 dB and than [`QUIET_RMS`], and not alone, which is a click.
fn sounds(samples: &[i16]) -> BTreeSet<usize> {
    let loudness: Vec<f64> = samples.chunks_exact(SLOT_SAMPLES).map(rms).collect();
    let mut sorted = loudness.clone();
    sorted.sort_by(f64::total_cmp);
    let floor = sorted.get(sorted.len() / 10).copied().unwrap_or_default();
    let is_loud = |slot: usize| {
        loudness
            .get(slot)
            .is_some_and(|rms| *rms > (2.0 * floor).max(QUIET_RMS))
    };
    (0..loudness.len())
        .filter(|&slot| is_loud(slot) && (slot > 0 && is_loud(slot - 1) || is_loud(slot + 1)))
        .collect()
}

fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

/// So many milliseconds of a buzz with overtones, as a vowel has them.
fn burst(millis: usize) -> Vec<i16> {
    let sample = |n: usize| {
        let time = n as f64 / f64::from(SAMPLE_RATE_HZ);
        let tones =
            (1..20).map(|overtone| (time * 140.0 * f64::from(overtone) * std::f64::consts::TAU).sin());
        (tones.sum::<f64>() * 1_500.0) as i16
    };
    (0..millis * SAMPLES_PER_MS).map(sample).collect()
}

fn silence(millis: usize) -> Vec<i16> {
    vec![0; millis * SAMPLES_PER_MS]
}

fn read(path: &Path) -> Vec<i16> {
    let mut reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(reader.spec().sample_rate, SAMPLE_RATE_HZ, "{}", path.display());
    let mut samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    // Whoever has spoken is silent then.
    samples.extend(silence(3000));
    samples
}

fn recordings_in(folder: std::ffi::OsString) -> Vec<PathBuf> {
    let entries = fs::read_dir(&folder).expect("LECTERN_SPEECH is a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "wav"))
        .collect()
}

const RECORDINGS: [&str; 10] = [
    "austen/austen.wav",
    "long/ada.wav",
    "long/ben.wav",
    "long/cy.wav",
    "late_joiner/ada.wav",
    "late_joiner/ben.wav",
    "mute_gap/ada.wav",
    "overlap/ada.wav",
    "two_speakers/ada.wav",
    "two_speakers/ben.wav",
];
const TRACK: TrackKey = TrackKey(1);
const FRAME_MS: u64 = 20;
const SAMPLES_PER_MS: usize = SAMPLE_RATE_HZ as usize / 1000;
const FRAME_SAMPLES: usize = FRAME_MS as usize * SAMPLES_PER_MS;
const SLOT_MS: usize = 10;
const SLOT_SAMPLES: usize = SLOT_MS * SAMPLES_PER_MS;
const SECOND_SLOTS: usize = 1000 / SLOT_MS;
const ENDPOINTING: Duration = Duration::from_millis(300);
const HANGOVER: Duration = Duration::from_millis(200);
const PRE_ROLL_SLOTS: usize = 300 / SLOT_MS;
/// With what the voice detector takes for voice before there is much of it.
const ABOUT_TO_SPEAK_SLOTS: usize = 500 / SLOT_MS;
/// 55 dB below the loudest.
const QUIET_RMS: f64 = 60.0;
/// Seconds of audio: a recogniser that says nothing for long is taken for a dead one.
const ANSWER_EVERY: f64 = 5.0;
const BYTES_PER_SECOND: f64 = 32_000.0;
const SILENCE_MAX: f64 = 0.02;
