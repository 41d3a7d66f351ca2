//! What a replayed meeting came to.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use lectern_pdf::Fonts;
use lectern_pipelines::{
    Caption, ConnectionId, ExportFormat, Gap, Health, HealthState, Lecture, MediaTime, Minutes, Output,
    Segment, Summary, export,
};
use serde_json::{Value, json};

use super::playback::Playback;

/// Everything that a meeting wanted done, and when.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) segments: Vec<Segment>,
    pub(crate) gaps: Vec<Gap>,
    /// Every caption and change of health, as rows.
    captions: Vec<Value>,
    /// What the recogniser was sent, as rows; audio that follows audio is one row.
    sent: Vec<Value>,
    audio: BTreeMap<ConnectionId, SentAudio>,
    /// How recognition of the track that was last heard of fares.
    pub(crate) last_health: Option<HealthState>,
    /// Input that made no sense, by kind.
    pub(crate) rejected: BTreeMap<&'static str, u32>,
    /// Whether the last word is there.
    pub(crate) is_transcribed: bool,
}

struct SentAudio {
    at: MediaTime,
    from: MediaTime,
    samples: u64,
}

impl Outcome {
    /// Takes note of what the meeting wants done. What it waits for an answer to is left to whoever drives it.
    pub(crate) fn note(&mut self, now: MediaTime, output: &Output, playback: &Playback) {
        match output {
            Output::OpenStt {
                connection,
                track,
                path_and_query,
                ..
            } => {
                let speaker = &playback.voice(*track).participant;
                self.sent.push(
                    json!({"at_ms": now.as_millis(), "connection": connection.0, "open": path_and_query,
                    "participant": speaker.identity.as_str()}),
                );
            }
            Output::SendAudio {
                connection,
                start,
                bytes,
            } => self.audio(now, *connection, *start, samples_of(bytes)),
            Output::SendText { connection, text } => self.text(now, *connection, text),
            Output::CloseStt { connection } => self.text(now, *connection, "close"),
            Output::Store(segment) => self.segments.push(segment.clone()),
            Output::StoreGap(gap) => self.gaps.push(gap.clone()),
            Output::Caption(caption) => self.caption(now, caption),
            Output::Health(health) => self.health(now, health),
            Output::Rejected(reason) => *self.rejected.entry(reason).or_default() += 1,
            Output::Transcribed => self.is_transcribed = true,
        }
    }

    fn audio(&mut self, now: MediaTime, connection: ConnectionId, start: MediaTime, samples: u64) {
        if let Some(audio) = self.audio.get_mut(&connection) {
            let follows = audio.from.as_millis() + audio.samples / 16;
            if follows.abs_diff(start.as_millis()) <= 2 {
                audio.samples += samples;
                return;
            }
            self.end_audio(connection);
        }
        self.audio.insert(
            connection,
            SentAudio {
                at: now,
                from: start,
                samples,
            },
        );
    }

    fn text(&mut self, now: MediaTime, connection: ConnectionId, text: &str) {
        self.end_audio(connection);
        self.sent
            .push(json!({"at_ms": now.as_millis(), "connection": connection.0, "text": text}));
    }

    fn caption(&mut self, now: MediaTime, caption: &Caption) {
        let packet: Value = serde_json::from_slice(&caption.data_packet()).expect("a packet is JSON");
        self.captions
            .push(json!({"at_ms": now.as_millis(), "caption": packet}));
    }

    fn health(&mut self, now: MediaTime, health: &Health) {
        self.last_health = Some(health.state);
        self.captions
            .push(json!({"at_ms": now.as_millis(), "track": health.track.as_str(),
            "health": health.state.as_str()}));
    }

    /// Writes what a developer wants: everything that was sent and shown, and the page model.
    pub(crate) fn write_traces(mut self, minutes: &Minutes, folder: &Path) -> anyhow::Result<()> {
        for connection in self.audio.keys().copied().collect::<Vec<_>>() {
            self.end_audio(connection);
        }
        write(&folder.join("sent.jsonl"), &rows(&self.sent))?;
        write(&folder.join("captions.jsonl"), &rows(&self.captions))?;
        let minutes = serde_json::to_vec_pretty(minutes).expect("minutes are JSON");
        write(&folder.join("minutes.json"), &minutes)
    }

    fn end_audio(&mut self, connection: ConnectionId) {
        if let Some(audio) = self.audio.remove(&connection) {
            self.sent
                .push(json!({"at_ms": audio.at.as_millis(), "connection": connection.0,
                "audio_from_ms": audio.from.as_millis(), "samples": audio.samples}));
        }
    }
}

/// Writes the transcript in every format, with its summary.
pub(crate) fn write_exports(lecture: &Lecture, summary: &Summary, folder: &Path) -> anyhow::Result<()> {
    let base = file_name(lecture.room.as_str());
    for format in ExportFormat::ALL {
        let bytes = export(lecture, Some(summary), format);
        write(&folder.join(format!("{base}.{}", format.as_str())), &bytes)?;
    }
    Ok(())
}

/// Writes the minutes as a PDF, and says what no font has.
pub(crate) fn write_pdf(
    minutes: &Minutes,
    fonts: &Fonts,
    folder: &Path,
    lecture: &Lecture,
) -> anyhow::Result<()> {
    let rendered = lectern_pdf::render_pdf(minutes, fonts)?;
    if !rendered.missing.is_empty() {
        eprintln!(
            "{} characters are in no font and printed as U+XXXX; {}",
            rendered.missing.len(),
            lectern_pdf::fonts_wanted(&rendered.missing)
        );
    }
    let base = file_name(lecture.room.as_str());
    write(&folder.join(format!("{base}.pdf")), &rendered.bytes)
}

/// How many samples, of 16 bits each, those bytes are.
pub(crate) fn samples_of(bytes: &[u8]) -> u64 {
    bytes.len() as u64 / 2
}

/// A room's name as the name of a file: what no file system takes is replaced.
pub(crate) fn file_name(room: &str) -> String {
    let name: String = room
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .take(100)
        .collect();
    name.trim().to_owned()
}

fn rows(rows: &[Value]) -> Vec<u8> {
    rows.iter()
        .flat_map(|row| (row.to_string() + "\n").into_bytes())
        .collect()
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_never_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(file_name("Физика 101"), "Физика 101");
    }
}
