//! A recogniser as it was recorded, and the recorder.
//!
//! A line of `stt.jsonl` is one thing the recogniser did on one of a participant's connections, with all times in
//! seconds of the *meeting*, not of the stream: so a recording stays good when the gate sends a little more or
//! less. It is played when the connection has been given the audio that the recogniser had when it spoke.

use std::{collections::HashMap, fs, path::Path};

use anyhow::Context as _;
use lectern_pipelines::{ConnectionId, MediaTime, ParticipantIdentity, SAMPLE_RATE_HZ, SttEnd};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything a recogniser did in a meeting, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    pub(crate) replies: Vec<Reply>,
}

/// One thing a recogniser did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    /// Whose track.
    pub(crate) participant: String,
    /// The how-many-eth connection of that participant, from 1.
    pub(crate) connection: u32,
    /// Up to where in the meeting it had heard.
    pub(crate) heard_ms: u64,
    /// What it did.
    #[serde(flatten)]
    pub(crate) act: Act,
}

/// What a recogniser can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    /// A message, its times in seconds of the meeting.
    Message(Value),
    /// The connection was closed with this code; 0 stands for a network that failed.
    Close(u16),
    /// The upgrade was answered with this HTTP status.
    Refuse(u16),
}

impl Recording {
    /// Reads a `stt.jsonl`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let replies = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| {
                serde_json::from_str(line)
                    .with_context(|| format!("{}, line {}, is no recorded reply", path.display(), number + 1))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { replies })
    }

    /// The text of a `stt.jsonl`.
    pub(crate) fn to_text(&self) -> String {
        self.replies
            .iter()
            .map(|reply| serde_json::to_string(reply).expect("strings and numbers become JSON") + "\n")
            .collect()
    }
}

/// Plays a recording to the connections that a meeting opens.
pub(crate) struct Player {
    waiting: HashMap<(String, u32), Vec<Reply>>,
    connections: HashMap<ConnectionId, Stream>,
    opened: HashMap<String, u32>,
}

struct Stream {
    sent: StreamMap,
    replies: std::collections::VecDeque<Reply>,
}

/// What comes of a connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Played {
    Opened,
    Message(String),
    Ended(SttEnd),
}

impl Player {
    pub(crate) fn new(recording: Recording) -> Self {
        let mut waiting: HashMap<_, Vec<Reply>> = HashMap::new();
        for reply in recording.replies {
            waiting
                .entry((reply.participant.clone(), reply.connection))
                .or_default()
                .push(reply);
        }
        Self {
            waiting,
            connections: HashMap::new(),
            opened: HashMap::new(),
        }
    }

    /// A connection is asked for.
    pub(crate) fn open(&mut self, connection: ConnectionId, speaker: &ParticipantIdentity) -> Vec<Played> {
        let number = self.opened.entry(speaker.to_string()).or_default();
        *number += 1;
        let replies = self
            .waiting
            .remove(&(speaker.to_string(), *number))
            .unwrap_or_default();
        if let [
            Reply {
                act: Act::Refuse(status),
                ..
            },
        ] = replies.as_slice()
        {
            return vec![Played::Ended(SttEnd::Refused(*status))];
        }
        let stream = Stream {
            sent: StreamMap::default(),
            replies: replies.into(),
        };
        self.connections.insert(connection, stream);
        vec![Played::Opened]
    }

    /// Audio is sent that was said at `start`.
    pub(crate) fn audio(&mut self, connection: ConnectionId, start: MediaTime, samples: u64) -> Vec<Played> {
        let Some(stream) = self.connections.get_mut(&connection) else {
            return Vec::new();
        };
        stream.sent.push(start, samples);
        let heard_ms = stream.sent.end().as_millis();
        self.due(connection, heard_ms)
    }

    /// A control message is sent.
    pub(crate) fn text(&mut self, connection: ConnectionId, text: &str) -> Vec<Played> {
        let Some(stream) = self.connections.get(&connection) else {
            return Vec::new();
        };
        let heard_ms = stream.sent.end().as_millis();
        if text.contains("CloseStream") {
            let mut played = self.due(connection, heard_ms + LEEWAY_MS);
            if self.connections.remove(&connection).is_some() {
                played.push(Played::Ended(SttEnd::Closed(1000)));
            }
            return played;
        }
        // Asked for finals, it says what it said at that place, even if it is sent a little less now.
        let leeway = if text.contains("Finalize") { LEEWAY_MS } else { 0 };
        self.due(connection, heard_ms + leeway)
    }

    /// The meeting dropped the connection.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Recorded replies that no connection came for.
    pub(crate) fn unplayed(&self) -> usize {
        let open: usize = self.connections.values().map(|stream| stream.replies.len()).sum();
        open + self.waiting.values().map(Vec::len).sum::<usize>()
    }

    fn due(&mut self, connection: ConnectionId, heard_ms: u64) -> Vec<Played> {
        let Some(stream) = self.connections.get_mut(&connection) else {
            return Vec::new();
        };
        let mut played = Vec::new();
        while let Some(reply) = stream.replies.pop_front_if(|reply| reply.heard_ms <= heard_ms) {
            match reply.act {
                Act::Message(mut message) => {
                    stream.sent.rebase(&mut message, Direction::ToStream);
                    played.push(Played::Message(message.to_string()));
                }
                Act::Close(code) => {
                    let end = if code == 0 {
                        SttEnd::Failed
                    } else {
                        SttEnd::Closed(code)
                    };
                    played.push(Played::Ended(end));
                    self.connections.remove(&connection);
                    return played;
                }
                Act::Refuse(status) => {
                    played.push(Played::Ended(SttEnd::Refused(status)));
                    self.connections.remove(&connection);
                    return played;
                }
            }
        }
        played
    }
}

/// Writes down what a live recogniser does.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) recording: Recording,
    connections: HashMap<ConnectionId, (String, u32, StreamMap)>,
    opened: HashMap<String, u32>,
}

impl Recorder {
    /// A connection was asked for.
    pub(crate) fn open(&mut self, connection: ConnectionId, speaker: &ParticipantIdentity) {
        let number = self.opened.entry(speaker.to_string()).or_default();
        *number += 1;
        self.connections
            .insert(connection, (speaker.to_string(), *number, StreamMap::default()));
    }

    /// Audio was sent that was said at `start`.
    pub(crate) fn audio(&mut self, connection: ConnectionId, start: MediaTime, samples: u64) {
        if let Some((_, _, sent)) = self.connections.get_mut(&connection) {
            sent.push(start, samples);
        }
    }

    /// A message came. What is no JSON is not kept.
    pub(crate) fn message(&mut self, connection: ConnectionId, text: &str) {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let Some((_, _, sent)) = self.connections.get(&connection) else {
            return;
        };
        sent.rebase(&mut message, Direction::ToMeeting);
        self.note(connection, Act::Message(message));
    }

    /// The connection ended.
    pub(crate) fn ended(&mut self, connection: ConnectionId, end: SttEnd) {
        let act = match end {
            SttEnd::Closed(1000) => return,
            SttEnd::Closed(code) => Act::Close(code),
            SttEnd::Refused(status) => Act::Refuse(status),
            SttEnd::Failed => Act::Close(0),
        };
        self.note(connection, act);
    }

    fn note(&mut self, connection: ConnectionId, act: Act) {
        if let Some((participant, number, sent)) = self.connections.get(&connection) {
            self.recording.replies.push(Reply {
                participant: participant.clone(),
                connection: *number,
                heard_ms: sent.end().as_millis(),
                act,
            });
        }
    }
}

/// Which audio a connection was sent: stretches of the meeting, one after the other.
#[derive(Debug, Default)]
struct StreamMap {
    /// Where a stretch begins in the stream and in the meeting, in seconds, and how long it is.
    stretches: Vec<(f64, f64, f64)>,
}

#[derive(Clone, Copy)]
enum Direction {
    ToStream,
    ToMeeting,
}

impl StreamMap {
    fn push(&mut self, start: MediaTime, samples: u64) {
        let length = samples as f64 / f64::from(SAMPLE_RATE_HZ);
        let start = start.as_secs_f64();
        let stream_end = self
            .stretches
            .last()
            .map_or(0.0, |&(stream, _, length)| stream + length);
        match self.stretches.last_mut() {
            // Times come in whole milliseconds, samples do not.
            Some((_, begin, so_far)) if (*begin + *so_far - start).abs() < 0.002 => *so_far += length,
            _ => self.stretches.push((stream_end, start, length)),
        }
    }

    fn end(&self) -> MediaTime {
        let end = self
            .stretches
            .last()
            .map_or(0.0, |&(_, start, length)| start + length);
        MediaTime::from_millis((end * 1000.0).round() as u64)
    }

    /// Maps every time in a message.
    fn rebase(&self, message: &mut Value, direction: Direction) {
        let map = |value: &mut Value| {
            if let Some(seconds) = value.as_f64() {
                *value = rounded(self.map(seconds, direction));
            }
        };
        if let (Some(start), Some(duration)) = (message["start"].as_f64(), message["duration"].as_f64()) {
            let (from, to) = (self.map(start, direction), self.map(start + duration, direction));
            message["start"] = rounded(from);
            message["duration"] = rounded(to - from);
        }
        let alternatives = message
            .pointer_mut("/channel/alternatives")
            .and_then(Value::as_array_mut);
        for words in alternatives
            .into_iter()
            .flatten()
            .filter_map(|alternative| alternative.get_mut("words"))
        {
            for word in words.as_array_mut().into_iter().flatten() {
                for side in ["start", "end"] {
                    word.get_mut(side).map(map);
                }
            }
        }
        for name in ["timestamp", "last_word_end"] {
            message.get_mut(name).map(map);
        }
    }

    fn map(&self, seconds: f64, direction: Direction) -> f64 {
        let key = |&(stream, meeting, _): &(f64, f64, f64)| match direction {
            Direction::ToStream => (meeting, stream),
            Direction::ToMeeting => (stream, meeting),
        };
        let stretch = self
            .stretches
            .iter()
            .rev()
            .find(|stretch| key(stretch).0 <= seconds);
        let Some(stretch) = stretch.or(self.stretches.first()) else {
            return seconds;
        };
        let (from, to) = key(stretch);
        to + (seconds - from).clamp(0.0, stretch.2)
    }
}

fn rounded(seconds: f64) -> Value {
    Value::from((seconds * 1000.0).round() / 1000.0)
}

/// A gate that was tuned since may stop sending this much earlier.
const LEEWAY_MS: u64 = 600;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ada() -> ParticipantIdentity {
        ParticipantIdentity::parse("ada").expect("a good identity")
    }

    #[test]
    fn what_is_recorded_is_played_at_its_place_whatever_is_sent_before() {
        let connection = ConnectionId(1);
        let message = json!({"type": "Results", "start": 0.5, "duration": 1.5, "channel": {"alternatives": [
            {"words": [{"start": 0.5, "end": 0.75}, {"start": 1.25, "end": 1.5}]}]}});
        let mut recorder = Recorder::default();
        recorder.open(connection, &ada());
        recorder.audio(connection, MediaTime::from_millis(10_000), 16_000);
        recorder.audio(connection, MediaTime::from_millis(20_000), 16_000);
        recorder.message(connection, &message.to_string());
        let line = recorder.recording.to_text();
        assert!(
            line.contains(r#""heard_ms":21000"#) && line.contains(r#""start":20.25"#),
            "{line}"
        );

        // A gate that now sends 100 ms more of each.
        let mut player = Player::new(recorder.recording);
        assert_eq!(player.open(connection, &ada()), [Played::Opened]);
        assert_eq!(
            player.audio(connection, MediaTime::from_millis(9_900), 17_600),
            []
        );
        let played = player.audio(connection, MediaTime::from_millis(19_900), 17_600);
        let [Played::Message(text)] = played.as_slice() else {
            panic!("{played:?}")
        };
        let message: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(message["start"], 0.6);
        assert_eq!(message["channel"]["alternatives"][0]["words"][1]["start"], 1.45);
        assert_eq!(player.unplayed(), 0);
    }

    #[test]
    fn refusals_and_drops_are_played_too() {
        let lines = r#"{"participant":"ada","connection":1,"heard_ms":0,"refuse":429}
            {"participant":"ada","connection":2,"heard_ms":500,"close":1011}"#;
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), lines).expect("written");
        let mut player = Player::new(Recording::read(file.path()).expect("readable"));
        assert_eq!(
            player.open(ConnectionId(1), &ada()),
            [Played::Ended(SttEnd::Refused(429))]
        );
        assert_eq!(player.open(ConnectionId(2), &ada()), [Played::Opened]);
        assert_eq!(
            player.audio(ConnectionId(2), MediaTime::ZERO, 8_000),
            [Played::Ended(SttEnd::Closed(1011))]
        );
    }
}
