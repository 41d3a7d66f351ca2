//! Who says what when: a fixture's folder, or a handful of WAV files.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use lectern_pipelines::{
    Aside, ChatLine, MediaTime, Participant, ParticipantIdentity, RoomName, SharedFile, SummarySettings,
    UnixMillis,
};
use serde::Deserialize;

use super::{model::ModelRecording, recording::Recording, wav::Wav};

/// A meeting to be played.
pub(crate) struct Script {
    pub(crate) room: RoomName,
    pub(crate) started_at: UnixMillis,
    pub(crate) language: Option<String>,
    pub(crate) voices: Vec<Voice>,
    /// What a recogniser said when the fixture was recorded; absent where a live one is to be asked.
    pub(crate) recording: Option<Recording>,
    /// What a language model answered when the fixture was recorded; absent where the built-in summary is wanted.
    pub(crate) model: Option<ModelRecording>,
    /// How a language model is asked about a fixture.
    pub(crate) summary: SummaryEntry,
    /// What is written and shared meanwhile.
    pub(crate) aside: Aside,
}

/// How a language model is asked about a fixture, whoever records it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SummaryEntry {
    /// What the model takes and gives in one call.
    pub(crate) context_tokens: u32,
    /// BCP 47; the lecture's own if absent.
    pub(crate) language: Option<String>,
}

impl Default for SummaryEntry {
    fn default() -> Self {
        Self {
            context_tokens: 32_000,
            language: None,
        }
    }
}

impl SummaryEntry {
    /// How that model is asked.
    pub(crate) fn settings(&self, model: &str) -> SummarySettings {
        SummarySettings {
            token_budget: self.context_tokens,
            language: self.language.clone(),
            model_name: model.to_owned(),
            wish: None,
        }
    }
}

/// One participant's part.
pub(crate) struct Voice {
    pub(crate) participant: Participant,
    pub(crate) wav: Wav,
    pub(crate) joins: MediaTime,
    /// Earlier than the audio's end, or at it.
    pub(crate) leaves: MediaTime,
    /// From and to; the track gives silence meanwhile.
    pub(crate) mutes: Vec<(MediaTime, MediaTime)>,
}

impl Script {
    /// A fixture's folder with its `meeting.toml`, or WAV files, one for each participant.
    pub(crate) fn load(inputs: &[PathBuf], now: UnixMillis) -> anyhow::Result<Self> {
        match inputs {
            [folder] if folder.is_dir() => Self::from_folder(folder),
            files => Self::from_files(files, now),
        }
    }

    fn from_folder(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("meeting.toml");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{} is no fixture: there is no meeting.toml that can be read in it",
                folder.display()
            )
        })?;
        let file: MeetingFile =
            toml::from_str(&text).with_context(|| format!("{} does not say a meeting", path.display()))?;
        let started_at =
            time::OffsetDateTime::parse(&file.started_at, &time::format_description::well_known::Rfc3339)
                .with_context(|| {
                    format!(
                        "{}: started_at is no time like 2026-01-31T09:00:00Z",
                        path.display()
                    )
                })?;
        let voices = file
            .participant
            .into_iter()
            .map(|entry| entry.voice(folder))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let began = UnixMillis(started_at.unix_timestamp() * 1000);
        let recording = folder.join(RECORDING);
        let model = folder.join(MODEL_RECORDING);
        Self {
            room: RoomName::parse(file.room)?,
            started_at: began,
            language: file.language,
            voices,
            recording: recording
                .exists()
                .then(|| Recording::read(&recording))
                .transpose()?,
            model: model.exists().then(|| ModelRecording::read(&model)).transpose()?,
            summary: file.summary,
            aside: Aside {
                messages: file.message.into_iter().map(|entry| entry.line(began)).collect(),
                files: file.file.into_iter().map(|entry| entry.file(began)).collect(),
            },
        }
        .checked()
    }

    fn from_files(files: &[PathBuf], now: UnixMillis) -> anyhow::Result<Self> {
        let mut voices = Vec::new();
        for path in files {
            let wav = Wav::open(path)?;
            let name = path
                .file_stem()
                .map_or_else(|| "speaker".into(), |stem| stem.to_string_lossy());
            let participant = Participant {
                identity: ParticipantIdentity::parse(name.as_ref())
                    .with_context(|| format!("{} gives no participant's name", path.display()))?,
                name: name.replace('_', " "),
            };
            let leaves = MediaTime::ZERO + wav.duration();
            voices.push(Voice {
                participant,
                wav,
                joins: MediaTime::ZERO,
                leaves,
                mutes: Vec::new(),
            });
        }
        let room = voices
            .first()
            .map_or("replay", |voice| voice.participant.identity.as_str());
        Self {
            room: RoomName::parse(room)?,
            started_at: now,
            language: None,
            voices,
            recording: None,
            model: None,
            summary: SummaryEntry::default(),
            aside: Aside::default(),
        }
        .checked()
    }

    fn checked(self) -> anyhow::Result<Self> {
        if self.voices.is_empty() {
            bail!("nobody speaks: name a WAV file for each participant");
        }
        let mut seen = HashSet::new();
        for voice in &self.voices {
            if !seen.insert(&voice.participant.identity) {
                bail!(
                    "two participants are called {}; rename one of the files",
                    voice.participant.identity
                );
            }
        }
        Ok(self)
    }
}

/// The recorded recogniser of a fixture.
pub(crate) const RECORDING: &str = "stt.jsonl";
/// The recorded language model of a fixture.
pub(crate) const MODEL_RECORDING: &str = "llm.jsonl";

/// `meeting.toml`, as `fixtures/README.md` describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeetingFile {
    room: String,
    started_at: String,
    language: Option<String>,
    /// What the upstream was recorded from; for people.
    #[serde(rename = "recorded_from")]
    _recorded_from: String,
    /// Whose the audio is, and on what terms; for people.
    #[serde(rename = "licence")]
    _licence: String,
    #[serde(default)]
    summary: SummaryEntry,
    participant: Vec<ParticipantEntry>,
    #[serde(default)]
    message: Vec<MessageEntry>,
    #[serde(default)]
    file: Vec<FileEntry>,
}

/// Something that is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageEntry {
    at_ms: u64,
    name: String,
    text: String,
}

/// Something that is shared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    at_ms: u64,
    name: String,
    shared_by: String,
    bytes: u64,
}

impl MessageEntry {
    fn line(self, began: UnixMillis) -> ChatLine {
        ChatLine {
            at: began + Duration::from_millis(self.at_ms),
            name: self.name,
            text: self.text,
        }
    }
}

impl FileEntry {
    fn file(self, began: UnixMillis) -> SharedFile {
        SharedFile {
            at: began + Duration::from_millis(self.at_ms),
            name: self.name,
            shared_by: self.shared_by,
            bytes: self.bytes,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParticipantEntry {
    identity: String,
    name: String,
    audio: PathBuf,
    #[serde(default)]
    joins_ms: u64,
    leaves_ms: Option<u64>,
    #[serde(default)]
    mutes_ms: Vec<(u64, u64)>,
}

impl ParticipantEntry {
    fn voice(self, folder: &Path) -> anyhow::Result<Voice> {
        let wav = Wav::open(&folder.join(&self.audio))?;
        let joins = MediaTime::from_millis(self.joins_ms);
        let end = joins + wav.duration();
        Ok(Voice {
            participant: Participant {
                identity: ParticipantIdentity::parse(self.identity)?,
                name: self.name,
            },
            wav,
            joins,
            leaves: self
                .leaves_ms
                .map_or(end, |at| MediaTime::from_millis(at).min(end)),
            mutes: self
                .mutes_ms
                .into_iter()
                .map(|(from, to)| (MediaTime::from_millis(from), MediaTime::from_millis(to)))
                .collect(),
        })
    }
}
