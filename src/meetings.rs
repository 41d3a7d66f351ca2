//! Commands about meetings that are stored.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use lectern_pipelines::{ExportFormat, MeetingId, RoomName, Stage, export};
use lectern_storage::{Cursor, Database, MeetingOverview, Objects};

use crate::config::{Problems, StorageArgs};

/// Settings of `lectern meetings`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How many at the most (1 to 200).
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Where to go on, as the list before said.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Settings of `lectern transcript`.
#[derive(Debug, clap::Args)]
pub(crate) struct TranscriptArgs {
    /// The room's name.
    room: String,
    /// The meeting's id, where the latest is not meant.
    #[arg(long)]
    meeting: Option<String>,
    /// txt, json, vtt, srt or md.
    #[arg(long, default_value = "txt")]
    format: String,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Settings of `lectern artifact`.
#[derive(Debug, clap::Args)]
pub(crate) struct ArtifactArgs {
    /// The room's name.
    pub(crate) room: String,
    /// The meeting's id, where the latest is not meant.
    #[arg(long)]
    pub(crate) meeting: Option<String>,
    /// Where to write the PDF.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) storage: StorageArgs,
}

/// Settings of `lectern migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    storage: StorageArgs,
}

/// Lists meetings, a line each.
pub(crate) async fn list(args: ListArgs) -> anyhow::Result<()> {
    let database = open(&args.storage).await?;
    let after = args.cursor.as_deref().map(Cursor::parse).transpose()?;
    let page = database.meetings(args.limit, after.as_ref()).await?;
    let mut out = io::stdout().lock();
    for meeting in &page.items {
        writeln!(
            out,
            "{}  {}  {:<11}  {:>5} segments  {}{}",
            meeting.id,
            date(meeting.started_at.0),
            meeting.stage.as_str(),
            meeting.segments,
            meeting.room,
            meeting
                .failure
                .as_ref()
                .map_or(String::new(), |reason| format!("  (failed: {reason})"))
        )?;
    }
    match page.next {
        Some(next) => eprintln!("more with: --cursor {next}"),
        None if page.items.is_empty() => eprintln!("no meeting is stored in {}", database.place()),
        None => {}
    }
    Ok(())
}

/// Prints a transcript.
pub(crate) async fn transcript(args: TranscriptArgs) -> anyhow::Result<()> {
    let Some(format) = ExportFormat::parse(&args.format) else {
        let known: Vec<&str> = ExportFormat::ALL.iter().map(|format| format.as_str()).collect();
        bail!("{:?} is no format; there are {}", args.format, known.join(", "));
    };
    let database = open(&args.storage).await?;
    let meeting = find(&database, &args.room, args.meeting.as_deref()).await?;
    let lecture = database
        .lecture(&meeting.id)
        .await?
        .context("the meeting was deleted just now")?;
    let summary = database.summary(&meeting.id).await?;
    io::stdout()
        .lock()
        .write_all(&export(&lecture, summary.as_ref(), format))?;
    Ok(())
}

/// Fetches a PDF.
pub(crate) async fn artifact(args: ArtifactArgs) -> anyhow::Result<()> {
    let database = open(&args.storage).await?;
    let meeting = find(&database, &args.room, args.meeting.as_deref()).await?;
    let artifacts = database.artifacts(&meeting.id).await?;
    let Some(pdf) = artifacts
        .iter()
        .find(|artifact| artifact.media_type == "application/pdf")
    else {
        match (meeting.stage, meeting.failure) {
            (Stage::Live, _) => bail!(
                "the meeting in {} still goes on; its PDF is made when it ends",
                args.room
            ),
            (stage, Some(reason)) => bail!("the meeting in {} stays {stage}: {reason}", args.room),
            (stage, None) => bail!("the meeting in {} is {stage}; its PDF is being made", args.room),
        }
    };
    let mut problems = Problems::default();
    let config = args.storage.objects(&mut problems);
    problems.finish()?;
    let objects = Objects::open(&config);
    let bytes = objects.get(&pdf.key).await?;
    let bytes = bytes.with_context(|| format!("{} is not there any more", objects.locate(&pdf.key)))?;
    fs::write(&args.output, bytes).with_context(|| format!("cannot write {}", args.output.display()))
}

/// Brings the database up to date.
pub(crate) async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    let database = open(&args.storage).await?;
    eprintln!("{} is up to date", database.place());
    Ok(())
}

/// Opens the database of the settings and brings it up to date.
pub(crate) async fn open(storage: &StorageArgs) -> anyhow::Result<Database> {
    let mut problems = Problems::default();
    let config = storage.database(&mut problems);
    problems.finish()?;
    let database = Database::open(&config).await?;
    database.migrate().await?;
    Ok(database)
}

async fn find(database: &Database, room: &str, meeting: Option<&str>) -> anyhow::Result<MeetingOverview> {
    let room = RoomName::parse(room)?;
    match meeting {
        None => database
            .latest_meeting(&room)
            .await?
            .with_context(|| format!("no meeting of a room {room} is stored; `lectern meetings` lists them")),
        Some(id) => database
            .meeting(&MeetingId::parse(id)?)
            .await?
            .filter(|meeting| meeting.room == room)
            .with_context(|| format!("room {room} had no meeting {id}; `lectern meetings` lists them")),
    }
}

fn date(unix_millis: i64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time::OffsetDateTime::from_unix_timestamp(unix_millis / 1000)
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| unix_millis.to_string())
}
