//! What follows a room's end: `ended → transcribed → summarised → rendered`.
//!
//! Every step reads what is stored and stores what it makes under names that are functions of the meeting, so any
//! worker may take any step, twice if need be. A meeting whose step fails keeps the reason and is tried again later;
//! it holds up no other.

mod render;

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use lectern_pipelines::{
    Aside, ChatLine, ExportFormat, Lecture, MeetingId, Minutes, ModelFailure, SharedFile, Stage, Summary,
    SummarySource, UnixMillis, export,
};
use lectern_storage::{
    Artifact, Due, LECTURE_PDF, NewSummary, PendingMeeting, RoomWishes, SHARED_PDF, SummaryOrder, object_key,
};

use self::render::Renderer;
use crate::{
    Context, Error, Replies,
    cover::unix_now,
    recovery,
    rooms::words_of,
    summary::{SUMMARY_PATIENCE, Summarised, Summariser, Wishes, compute},
};

/// Brings meetings that are over to their artifacts, until `stop`; then finishes those it has begun.
///
/// Looks for work every second, and at once when [`Context::stages_wake`] is told.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let stages = Arc::new(Stages::new(context, stop.clone()));
    let (mut working, mut asking) = (JoinSet::new(), JoinSet::new());
    let mut poll = interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0_u64;
    loop {
        // Whoever stops us may have ended a room a moment ago: its meeting is looked for once more.
        let last = stop.is_cancelled();
        round += 1;
        // A name for each round: what one has begun is nothing that the next may begin again.
        let holder = format!("{}/stages/{round}", stages.context.holder);
        // Who waits for words holds up nobody.
        let busy = working.len() - stages.waiting.load(Ordering::Relaxed).min(working.len());
        for meeting in stages
            .claim(Due::NextStep, &holder, MEETINGS_AT_ONCE.saturating_sub(busy))
            .await
        {
            working.spawn(Arc::clone(&stages).bring_to_its_end(meeting, holder.clone()));
        }
        if last {
            break;
        }
        for meeting in stages
            .claim(Due::LateSummary, &holder, ASKED_AGAIN_AT_ONCE - asking.len())
            .await
        {
            asking.spawn(Arc::clone(&stages).ask_again(meeting, holder.clone()));
        }
        tokio::select! {
            _ = poll.tick() => {}
            () = stages.context.stages_wake.notified() => {}
            Some(_) = working.join_next() => {}
            Some(_) = asking.join_next() => {}
            () = stop.cancelled() => {}
        }
    }
    while working.join_next().await.is_some() {}
    while asking.join_next().await.is_some() {}
}

/// How long a meeting may wait if nobody says that it is there.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Most of a step is waiting for a language model or an object store.
const MEETINGS_AT_ONCE: usize = 4;
/// Language models that are asked again at once. They hold up no meeting that waits for its pages.
const ASKED_AGAIN_AT_ONCE: usize = 4;
/// Pages come by then. A language model that takes longer writes their summary later.
const FIRST_PATIENCE: Duration = Duration::from_secs(40);
/// How long a language model that is away, or refuses us, is asked again.
const ASKED_AGAIN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const ASKED_AGAIN_FIRST: Duration = Duration::from_secs(10);
const ASKED_AGAIN_LAST: Duration = Duration::from_secs(15 * 60);
/// How long a dead worker's meetings wait for another one.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// How often a lease is extended meanwhile.
const LEASE_RENEWAL: Duration = Duration::from_secs(3);
/// Longer than the slowest model over the longest meeting; a step that hangs is not for ever.
const STEP_MAX: Duration = Duration::from_secs(20 * 60);
/// The wait after the first failure; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// What failed so often needs somebody to look at it: `lectern doctor` shows its reason.
const ATTEMPTS_MAX: u32 = 8;
/// From then on it is tried so often, in case somebody did.
const RETRY_RARELY: Duration = Duration::from_secs(60 * 60);
const REASON_CHARS_MAX: usize = 500;
/// Messages that are printed of a meeting, the first ones: more is no chat but a flood.
const CHAT_LINES_MAX: u32 = 2000;

#[derive(Debug)]
struct Stages {
    context: Arc<Context>,
    renderer: Renderer,
    summariser: Summariser,
    /// Meetings whose last words are being recognised.
    waiting: AtomicUsize,
    stop: CancellationToken,
}

/// How the work on a meeting ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Rendered,
    /// Another worker has it, or it was erased.
    NotOurs,
}

impl Stages {
    fn new(context: Arc<Context>, stop: CancellationToken) -> Self {
        let summariser = Summariser::new(context.config.llm.as_ref()).unwrap_or_else(|error| {
            error!("summaries are built-in ones: {error}");
            Summariser::default()
        });
        Self {
            renderer: Renderer::new(context.config.render_program.clone()),
            context,
            summariser,
            waiting: AtomicUsize::new(0),
            stop,
        }
    }

    async fn claim(&self, due: Due, holder: &str, limit: usize) -> Vec<PendingMeeting> {
        let limit = u32::try_from(limit).unwrap_or(0);
        if limit == 0 {
            return Vec::new();
        }
        let (database, now) = (&self.context.database, unix_now());
        found(
            database
                .claim_meetings(due, holder, now, now + LEASE_TTL, limit)
                .await,
        )
    }

    /// Has a language model asked again for the summary of a meeting whose pages have the built-in one meanwhile.
    async fn ask_again(self: Arc<Self>, meeting: PendingMeeting, holder: String) {
        let id = meeting.id.clone();
        let asked = tokio::select! {
            asked = AssertUnwindSafe(self.late_summary(&id)).catch_unwind() => caught(asked),
            () = self.keep(&id, &holder) => Ok(false),
            () = self.stop.cancelled() => Ok(false),
        };
        match asked {
            Ok(true) => {
                let (stage, attempts) = (Stage::Summarised, 0);
                let summarised = PendingMeeting {
                    stage,
                    attempts,
                    ..meeting
                };
                return self.bring_to_its_end(summarised, holder).await;
            }
            Ok(false) => {}
            Err(error) => {
                warn!(meeting.id = %id, "can't ask again for a summary of meeting {id}: {error}");
                let later = Some(unix_now() + ASKED_AGAIN_LAST);
                if let Err(error) = self.context.database.ask_again_at(&id, later).await {
                    warn!(meeting.id = %id, "can't put off the summary of meeting {id}: {error}");
                }
            }
        }
        self.release(&id, &holder).await;
    }

    async fn bring_to_its_end(self: Arc<Self>, meeting: PendingMeeting, holder: String) {
        let PendingMeeting {
            id,
            room,
            stage,
            attempts,
        } = meeting;
        let mut at = stage;
        let worked = {
            let work = AssertUnwindSafe(self.take_steps(&id, &mut at)).catch_unwind();
            tokio::select! {
                worked = work => caught(worked),
                () = self.keep(&id, &holder) => Ok(End::NotOurs),
            }
        };
        match worked {
            Ok(End::Rendered) => {
                info!(meeting.id = %id, room.name = %room, "meeting {id} in {room} has its artifacts")
            }
            Ok(End::NotOurs) => info!(meeting.id = %id, "meeting {id} is another worker's now, or gone"),
            // A step that was reached on the way has not failed before.
            Err(error) => {
                self.failed(&id, at, if at == stage { attempts } else { 0 }, &error)
                    .await
            }
        }
        self.release(&id, &holder).await;
    }

    async fn release(&self, meeting: &MeetingId, holder: &str) {
        if let Err(error) = self.context.database.release_meeting(meeting, holder).await {
            warn!(meeting.id = %meeting, "can't release meeting {meeting}, it stays ours for a few seconds: {error}");
        }
    }

    /// Extends the lease; returns when somebody else has it.
    async fn keep(&self, meeting: &MeetingId, holder: &str) {
        loop {
            sleep(LEASE_RENEWAL).await;
            let now = unix_now();
            match self
                .context
                .database
                .claim_meeting(meeting, holder, now, now + LEASE_TTL)
                .await
            {
                Ok(true) => {}
                Ok(false) => return,
                // Nobody else can take it meanwhile: it is the same database.
                Err(error) => {
                    warn!(meeting.id = %meeting, "can't extend the lease of meeting {meeting}: {error}")
                }
            }
        }
    }

    async fn take_steps(&self, meeting: &MeetingId, at: &mut Stage) -> Result<End, Error> {
        let database = &self.context.database;
        loop {
            let began = Instant::now();
            within(self.store_last_words(meeting)).await?;
            let next = match *at {
                Stage::Live => return Ok(End::NotOurs),
                // The worker that was in the room does this itself; if it died, what is known of it here is what there is.
                // What turns up later is a revision of the transcript.
                Stage::Ended => self.words_are_there(meeting).await.then_some(Stage::Transcribed),
                Stage::Transcribed => within(self.summarise(meeting)).await?,
                Stage::Summarised => within(self.render(meeting)).await?,
                Stage::Rendered => return Ok(End::Rendered),
            };
            let Some(next) = next else {
                return Ok(End::NotOurs);
            };
            let is_there =
                next == Stage::Rendered || database.advance(meeting, *at, next, unix_now()).await?;
            if !is_there {
                return Ok(End::NotOurs);
            }
            *at = next;
            metrics::histogram!("lectern_stage_seconds", "stage" => next.as_str())
                .record(began.elapsed().as_secs_f64());
        }
    }

    /// Waits for what a dead worker of this machine had heard; says whether that wasn't cut short.
    async fn words_are_there(&self, meeting: &MeetingId) -> bool {
        if !recovery::has_words_of(&self.context, meeting).await {
            return true;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = self
            .stop
            .run_until_cancelled(recovery::wait_for_words_of(&self.context, meeting))
            .await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        waited.is_some()
    }

    /// Of a worker that died while the database was away we may have some.
    async fn store_last_words(&self, meeting: &MeetingId) -> Result<(), Error> {
        self.context.writer.settled(meeting).await;
        Ok(())
    }

    /// The transcript as files, at once, and then the summary, which may take minutes.
    async fn summarise(&self, meeting: &MeetingId) -> Result<Option<Stage>, Error> {
        let Some(lecture) = self.context.database.lecture(meeting).await? else {
            return Ok(None);
        };
        let lecture = Arc::new(lecture);
        let files = {
            let lecture = Arc::clone(&lecture);
            compute(move || {
                let formats = [ExportFormat::Txt, ExportFormat::Vtt, ExportFormat::Srt];
                formats.map(|format| transcript(&lecture, None, format))
            })
            .await?
        };
        for file in files {
            self.keep_file(meeting, file).await?;
        }
        let room = self.context.database.room_wishes(&lecture.room).await?;
        let task = self.context.database.summary_to_make(meeting).await?;
        // What somebody asks for counts more than what the room has in general.
        if let Some(task) = task.filter(|task| room.summary || task.order.is_some()) {
            let wishes = wishes_of(task.order.unwrap_or_default(), room);
            let made = self.made(lecture, wishes, unix_now(), FIRST_PATIENCE).await?;
            if let Some(error) = &made.failure {
                metrics::counter!("lectern_summary_fallbacks_total").increment(1);
                warn!(meeting.id = %meeting, "meeting {meeting} gets the built-in summary: {error}");
            }
            self.keep_summary(meeting, task.version, made).await?;
        }
        Ok(Some(Stage::Summarised))
    }

    /// Asks once more for a summary that is awaited; says whether the pages are to be made again.
    async fn late_summary(&self, meeting: &MeetingId) -> Result<bool, Error> {
        let database = &self.context.database;
        let awaited = database.awaited_summary(meeting).await?;
        let lecture = database.lecture(meeting).await?;
        let (Some(awaited), Some(lecture)) = (awaited, lecture) else {
            // It was replaced meanwhile.
            database.ask_again_at(meeting, None).await?;
            return Ok(false);
        };
        let room = database.room_wishes(&lecture.room).await?;
        let wishes = wishes_of(awaited.order, room);
        let since = awaited.made_at.unwrap_or_else(unix_now);
        let made = self
            .made(Arc::new(lecture), wishes, since, SUMMARY_PATIENCE)
            .await?;
        if let (Some(later), Some(error)) = (made.ask_again_at, &made.failure) {
            info!(meeting.id = %meeting, "meeting {meeting} still waits for its summary: {error}");
            database.ask_again_at(meeting, Some(later)).await?;
            return Ok(false);
        }
        if made.failure.is_none() {
            metrics::counter!("lectern_summaries_late_total").increment(1);
        }
        // In this order: whoever dies in between has the pages made as they are, and the model asked again.
        database
            .advance(meeting, Stage::Rendered, Stage::Summarised, unix_now())
            .await?;
        self.keep_summary(meeting, awaited.version, made).await?;
        Ok(true)
    }

    /// A summary, wanted since then.
    async fn made(
        &self,
        lecture: Arc<Lecture>,
        wishes: Wishes,
        since: UnixMillis,
        patience: Duration,
    ) -> Result<Made, Error> {
        let revision = lecture.revision;
        let mut replies = Replies::of(&lecture.meeting, &self.context.objects).await;
        let Summarised { mut summary, failure } = self
            .summariser
            .summarise(lecture, wishes, patience, &mut replies, |_| {})
            .await?;
        let now = unix_now();
        let mut ask_again_at = None;
        if let SummarySource::Extractive {
            instead: Some(absence),
        } = &mut summary.source
        {
            let wait = ask_again_after(absence.failure, now.since(since));
            absence.is_awaited = wait.is_some();
            ask_again_at = wait.map(|wait| now + wait);
        }
        Ok(Made {
            summary,
            failure,
            revision,
            replies,
            ask_again_at,
        })
    }

    async fn keep_summary(&self, meeting: &MeetingId, version: u64, made: Made) -> Result<(), Error> {
        let new = NewSummary {
            version,
            summary: &made.summary,
            revision: made.revision,
            made_at: unix_now(),
            ask_again_at: made.ask_again_at,
        };
        self.context.database.store_summary(meeting, new).await?;
        if made.ask_again_at.is_none() {
            made.replies.forget().await;
        }
        Ok(())
    }

    /// What is stored, unless another version stored it in a form that this one can't read: then it is made anew.
    async fn stored_summary(&self, meeting: &MeetingId) -> Result<Option<Summary>, Error> {
        match self.context.database.summary(meeting).await {
            Err(lectern_storage::Error::Unreadable { .. }) => Ok(None),
            found => Ok(found?),
        }
    }

    /// Makes the artifacts until they are of the transcript as it is.
    async fn render(&self, meeting: &MeetingId) -> Result<Option<Stage>, Error> {
        let database = &self.context.database;
        while let Some(lecture) = database.lecture(meeting).await? {
            let revision = lecture.revision;
            self.make_artifacts(meeting, lecture).await?;
            if database.rendered(meeting, revision, unix_now()).await? {
                return Ok(Some(Stage::Rendered));
            }
            let now = database.meeting(meeting).await?;
            if now.is_none_or(|now| now.stage != Stage::Summarised) {
                break;
            }
        }
        Ok(None)
    }

    async fn make_artifacts(&self, meeting: &MeetingId, lecture: Lecture) -> Result<(), Error> {
        let stored = self.stored_summary(meeting).await?;
        let aside = self.aside(&lecture).await?;
        let paper = self.context.config.paper;
        let (files, minutes, shared) = compute(move || {
            let summary = stored.as_ref();
            let summary_json = summary.map(|summary| File {
                kind: "summary.json".to_owned(),
                media_type: "application/json",
                bytes: serde_json::to_vec(summary).expect("a summary is strings and numbers"),
            });
            let transcripts = ExportFormat::ALL.map(|format| transcript(&lecture, summary, format));
            let files: Vec<_> = summary_json.into_iter().chain(transcripts).collect();
            let minutes_with = |aside: &Aside| {
                let mut minutes = Minutes::compose(&lecture, summary, aside);
                minutes.page_size = paper.unwrap_or(minutes.page_size);
                minutes
            };
            let nothing = Aside::default();
            let shared = (aside != nothing).then(|| minutes_with(&nothing));
            (files, minutes_with(&aside), shared)
        })
        .await?;
        for file in files {
            self.keep_file(meeting, file).await?;
        }
        let whole = self.renderer.render(&minutes).await?;
        self.keep_file(meeting, pdf(LECTURE_PDF, whole.clone())).await?;
        // What people wrote was for who was there, not for whoever is given a link.
        let shared = match shared {
            Some(minutes) => self.renderer.render(&minutes).await?,
            None => whole,
        };
        self.keep_file(meeting, pdf(SHARED_PDF, shared)).await
    }

    /// What was written and shared in the room meanwhile, as far as nobody took it back.
    async fn aside(&self, lecture: &Lecture) -> Result<Aside, Error> {
        let database = &self.context.database;
        let until = lecture.started_at + lecture.duration;
        let messages = database
            .messages_between(&lecture.room, lecture.started_at, until, CHAT_LINES_MAX)
            .await?;
        let messages = messages.into_iter().filter_map(|message| {
            Some(ChatLine {
                at: message.at,
                name: message.name,
                text: message.text?,
            })
        });
        let files = database.files_of_meeting(&lecture.meeting).await?;
        let files = files.into_iter().map(|file| SharedFile {
            at: file.at,
            name: file.name,
            shared_by: file.shared_by,
            bytes: file.bytes,
        });
        Ok(Aside {
            messages: messages.collect(),
            files: files.collect(),
        })
    }

    /// The object first: a row never names what isn't there.
    async fn keep_file(&self, meeting: &MeetingId, file: File) -> Result<(), Error> {
        let File {
            kind,
            media_type,
            bytes,
        } = file;
        let key = object_key(meeting, &kind);
        let length = bytes.len();
        self.context.objects.put(&key, media_type, bytes).await?;
        let artifact = Artifact {
            kind,
            key,
            media_type: media_type.to_owned(),
            bytes: u64::try_from(length).unwrap_or(u64::MAX),
        };
        Ok(self.context.database.store_artifact(meeting, &artifact).await?)
    }

    async fn failed(&self, meeting: &MeetingId, at: Stage, attempts: u32, error: &Error) {
        metrics::counter!("lectern_stage_failures_total", "stage" => at.as_str()).increment(1);
        let wait = retry_after(attempts);
        error!(
            meeting.id = %meeting, attempt = attempts + 1,
            "meeting {meeting} stays {at}, to be tried again in {} s: {error}", wait.as_secs()
        );
        let reason: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        let retry_at = unix_now() + wait;
        if let Err(error) = self.context.database.fail(meeting, at, &reason, retry_at).await {
            // Its lease runs out, then it is tried again.
            warn!(meeting.id = %meeting, "can't note why meeting {meeting} failed: {error}");
        }
    }
}

/// A summary, and what is left of making it.
struct Made {
    summary: Summary,
    failure: Option<Error>,
    /// Of the transcript that it was made from.
    revision: u64,
    replies: Replies,
    ask_again_at: Option<UnixMillis>,
}

fn wishes_of(order: SummaryOrder, room: RoomWishes) -> Wishes {
    Wishes {
        language: order.language.or(room.language),
        wish: order.instructions,
    }
}

/// How long until a language model is asked again that failed like this, for so long; nothing if it isn't.
fn ask_again_after(failure: ModelFailure, waited: Duration) -> Option<Duration> {
    let may_come = failure != ModelFailure::Unusable && waited < ASKED_AGAIN_FOR;
    may_come.then(|| (waited / 4).clamp(ASKED_AGAIN_FIRST, ASKED_AGAIN_LAST))
}

fn found(claimed: Result<Vec<PendingMeeting>, lectern_storage::Error>) -> Vec<PendingMeeting> {
    claimed.unwrap_or_else(|error| {
        warn!("can't look for meetings that are over: {error}");
        Vec::new()
    })
}

fn caught<T>(outcome: thread::Result<Result<T, Error>>) -> Result<T, Error> {
    outcome.unwrap_or_else(|panic| Err(Error::Panicked(words_of(&*panic).to_owned())))
}

/// A file to be kept of a meeting.
struct File {
    kind: String,
    media_type: &'static str,
    bytes: Vec<u8>,
}

fn transcript(lecture: &Lecture, summary: Option<&Summary>, format: ExportFormat) -> File {
    File {
        kind: format!("transcript.{}", format.as_str()),
        media_type: format.media_type(),
        bytes: export(lecture, summary, format),
    }
}

fn pdf(kind: &str, bytes: Vec<u8>) -> File {
    File {
        kind: kind.to_owned(),
        media_type: "application/pdf",
        bytes,
    }
}

async fn within<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(STEP_MAX, step).await.unwrap_or(Err(Error::StepTimeout {
        seconds: STEP_MAX.as_secs(),
    }))
}

/// How long to wait after a failure that `attempts` failures went before.
fn retry_after(attempts: u32) -> Duration {
    match attempts + 1 {
        ATTEMPTS_MAX.. => RETRY_RARELY,
        failures => RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures - 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use lectern_pipelines::{
        AccountId, MediaTime, Participant, ParticipantIdentity, RoomName, RoomSid, Segment, SegmentId,
        TrackSid,
    };
    use lectern_storage::{
        AccountRole, Correction, Database, DatabaseConfig, Door, HookTopic, MeetingOverview, NewAccount,
        NewHook, Objects, ObjectsConfig, Record, Room as StoredRoom, RoomStatus, SummaryOrder, Writer,
    };
    use tempfile::TempDir;

    use super::*;
    use crate::test_config;

    /// A renderer that notes each run in the file `runs`, and fails while there is a file `broken`.
    const RENDERER: &str = "cat > /dev/null\ncd \"$(dirname \"$0\")\"\necho run >> runs\n\
        if [ -e broken ]; then echo 'out of ink' >&2; exit 1; fi\nprintf '%%PDF-'\n";

    struct Bench {
        folder: TempDir,
        database: Database,
    }

    impl Bench {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let program = folder.path().join("renderer");
            fs::write(&program, format!("#!/bin/sh\n{RENDERER}")).expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
            let database = open(folder.path()).await;
            database.migrate().await.expect("tables are made");
            Self { folder, database }
        }

        fn worker(&self) -> Arc<Context> {
            let (writer, _task) = Writer::start(self.database.clone());
            self.worker_with(writer)
        }

        fn worker_with(&self, writer: Writer) -> Arc<Context> {
            let folder = self.folder.path();
            let objects = Objects::open(&ObjectsConfig {
                folder: folder.join("objects"),
                s3: None,
            });
            let config = test_config::lonely(&folder.join("renderer"));
            Arc::new(Context::new(config, self.database.clone(), writer, objects).expect("good settings"))
        }

        /// A meeting whose room is over.
        async fn ended(&self, room: &str) -> MeetingId {
            let now = unix_now();
            let name = RoomName::parse(room).expect("a good name");
            let sid = RoomSid::parse(format!("RM_{room}")).expect("a good SID");
            let meeting = self
                .database
                .open_meeting(&name, &sid, now)
                .await
                .expect("opened")
                .id;
            let speaker = Participant {
                identity: ParticipantIdentity::parse("ada").expect("a good identity"),
                name: "Ada".to_owned(),
            };
            let segment = Segment {
                id: SegmentId::parse("SG_1").expect("a good id"),
                track: TrackSid::parse("TR_1").expect("a good SID"),
                speaker,
                start: MediaTime::from_millis(100),
                end: MediaTime::from_millis(900),
                text: "Lava is molten rock.".to_owned(),
                language: Some("en".to_owned()),
                words: Vec::new(),
                is_final: true,
                utterance: 0,
            };
            self.database
                .store_segments(&meeting, &[segment])
                .await
                .expect("stored");
            self.database
                .advance(&meeting, Stage::Live, Stage::Ended, now)
                .await
                .expect("ended");
            meeting
        }

        async fn overview(&self, meeting: &MeetingId) -> MeetingOverview {
            self.database
                .meeting(meeting)
                .await
                .expect("read")
                .expect("there")
        }

        async fn until(
            &self,
            meeting: &MeetingId,
            what: impl Fn(&MeetingOverview) -> bool,
        ) -> MeetingOverview {
            for _ in 0..1500 {
                let overview = self.overview(meeting).await;
                if what(&overview) {
                    return overview;
                }
                sleep(Duration::from_millis(10)).await;
            }
            panic!("never came: {:?}", self.overview(meeting).await);
        }

        fn renderings(&self) -> usize {
            fs::read_to_string(self.folder.path().join("runs")).map_or(0, |runs| runs.lines().count())
        }
    }

    async fn open(folder: &Path) -> Database {
        let config = DatabaseConfig {
            url: None,
            direct_url: None,
            data_dir: folder.to_owned(),
            max_connections: 4,
        };
        Database::open(&config).await.expect("SQLite opens")
    }

    #[tokio::test]
    async fn transcript_is_not_complete_while_words_of_it_wait() {
        let bench = Bench::new().await;
        let [waiting, other] = [bench.ended("waiting").await, bench.ended("other").await];
        let away = open(bench.folder.path()).await;
        away.close().await;
        let (writer, _task) = Writer::start(away);
        let (room, _receipts) = writer.meeting(waiting.clone());
        let somebody = Participant {
            identity: ParticipantIdentity::parse("ben").expect("a good identity"),
            name: "Ben".to_owned(),
        };
        room.try_store(Record::Participant(somebody))
            .expect("room in the queue");
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(bench.worker_with(writer), stop));
        let is_rendered = |overview: &MeetingOverview| overview.stage == Stage::Rendered;
        bench.until(&other, is_rendered).await;
        assert_eq!(bench.overview(&waiting).await.stage, Stage::Ended);
        running.abort();
    }

    #[tokio::test]
    async fn meeting_that_ended_comes_to_its_artifacts() {
        let bench = Bench::new().await;
        let meeting = bench.ended("volcanoes").await;
        let (context, stop) = (bench.worker(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        let overview = bench
            .until(&meeting, |overview| overview.stage == Stage::Rendered)
            .await;
        stop.cancel();
        running.await.expect("ends");

        assert_eq!(overview.title.as_deref(), Some("Lava is molten rock"));
        let artifacts = bench.database.artifacts(&meeting).await.expect("listed");
        let kinds: Vec<&str> = artifacts.iter().map(|artifact| artifact.kind.as_str()).collect();
        let wanted = [
            "lecture.pdf",
            "shared.pdf",
            "summary.json",
            "transcript.docx",
            "transcript.json",
            "transcript.md",
            "transcript.srt",
            "transcript.txt",
            "transcript.vtt",
        ];
        assert_eq!(kinds, wanted);
        for artifact in artifacts {
            let bytes = context
                .objects
                .get(&artifact.key)
                .await
                .expect("read")
                .expect("there");
            assert_eq!(artifact.bytes, u64::try_from(bytes.len()).expect("small"));
            assert!(artifact.bytes > 0);
        }
    }

    #[tokio::test]
    async fn failure_keeps_its_reason_and_holds_up_no_other() {
        let bench = Bench::new().await;
        fs::write(bench.folder.path().join("broken"), "").expect("written");
        let broken = bench.ended("broken").await;
        let (context, stop) = (bench.worker(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        let overview = bench.until(&broken, |overview| overview.failure.is_some()).await;
        assert_eq!(overview.stage, Stage::Summarised);
        assert!(overview.failure.expect("just seen").contains("out of ink"));

        fs::remove_file(bench.folder.path().join("broken")).expect("removed");
        let healthy = bench.ended("healthy").await;
        context.stages_wake.notify_one();
        bench
            .until(&healthy, |overview| overview.stage == Stage::Rendered)
            .await;
        let healed = bench
            .until(&broken, |overview| overview.stage == Stage::Rendered)
            .await;
        assert_eq!(healed.failure, None);
        stop.cancel();
        running.await.expect("ends");
    }

    #[tokio::test]
    async fn every_meeting_is_rendered_once_however_many_workers_there_are() {
        let bench = Bench::new().await;
        let mut meetings = Vec::new();
        for room in 0..6 {
            meetings.push(bench.ended(&format!("room{room}")).await);
        }
        let stop = CancellationToken::new();
        let workers: Vec<_> = (0..3)
            .map(|_| tokio::spawn(run(bench.worker(), stop.clone())))
            .collect();
        for meeting in &meetings {
            bench
                .until(meeting, |overview| overview.stage == Stage::Rendered)
                .await;
        }
        stop.cancel();
        for worker in workers {
            worker.await.expect("ends");
        }
        assert_eq!(bench.renderings(), meetings.len());
    }

    #[tokio::test]
    async fn meeting_that_ended_just_before_the_stop_is_still_rendered() {
        let bench = Bench::new().await;
        let meeting = bench.ended("late").await;
        let stop = CancellationToken::new();
        stop.cancel();
        run(bench.worker(), stop).await;
        assert_eq!(bench.overview(&meeting).await.stage, Stage::Rendered);
    }

    #[tokio::test]
    async fn webhooks_are_told_of_what_the_worker_has_rendered() {
        let bench = Bench::new().await;
        let new = NewHook {
            url: "https://example.org/",
            description: "",
            secret: &"whsec_".into(),
            room: None,
            topics: &[HookTopic::LectureReady],
        };
        let hook = bench.database.create_hook(new, 1, unix_now()).await;
        let hook = hook.expect("stored").expect("the first");
        let meeting = bench.ended("told").await;
        let (context, stop) = (bench.worker(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        bench
            .until(&meeting, |overview| overview.stage == Stage::Rendered)
            .await;
        stop.cancel();
        running.await.expect("ends");
        let told = bench
            .database
            .deliveries(&hook.id, 10, None)
            .await
            .expect("listed");
        let told: Vec<_> = told
            .items
            .iter()
            .map(|told| told.event.meeting.as_ref())
            .collect();
        assert_eq!(told, [Some(&meeting)]);
    }

    #[tokio::test]
    async fn corrected_meeting_is_rendered_again_and_another_summary_made_when_asked() {
        let bench = Bench::new().await;
        let meeting = bench.ended("corrected").await;
        let (context, stop) = (bench.worker(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        let is_rendered = |overview: &MeetingOverview| overview.stage == Stage::Rendered;
        bench.until(&meeting, is_rendered).await;
        let ada = AccountId::parse("ada").expect("an id");
        let correction = Correction {
            text: "Magma is molten rock.",
            speaker: None,
            revision: None,
            by: &ada,
        };
        let segment = SegmentId::parse("SG_1").expect("a good id");
        bench
            .database
            .correct_segment(&meeting, &segment, correction, unix_now())
            .await
            .expect("corrected");
        context.stages_wake.notify_one();
        bench.until(&meeting, is_rendered).await;
        assert_eq!(bench.renderings(), 2);
        let kept = async |kind: &str| {
            let bytes = context.objects.get(&object_key(&meeting, kind)).await;
            String::from_utf8(bytes.expect("read").expect("there")).expect("text")
        };
        for kind in [
            "transcript.txt",
            "transcript.vtt",
            "transcript.md",
            "transcript.json",
        ] {
            assert!(kept(kind).await.contains("Magma"), "{kind}");
        }
        assert!(
            kept("transcript.json")
                .await
                .contains("\"olderThanTranscript\": true")
        );

        let order = SummaryOrder::default();
        let ordered = bench
            .database
            .order_summary(&meeting, &order, &ada, unix_now())
            .await;
        assert_eq!(ordered.expect("asked"), Some(2));
        context.stages_wake.notify_one();
        let overview = bench.until(&meeting, is_rendered).await;
        stop.cancel();
        running.await.expect("ends");
        assert_eq!(overview.title.as_deref(), Some("Magma is molten rock"));
        assert_eq!(bench.renderings(), 3);
        assert_eq!(bench.database.summaries(&meeting).await.expect("listed").len(), 2);
        assert!(!kept("transcript.json").await.contains("olderThanTranscript"));
    }

    #[tokio::test]
    async fn room_that_wants_no_summary_gets_its_transcript_alone() {
        let bench = Bench::new().await;
        let account = NewAccount {
            email: "ada@example.org",
            name: "Ada",
            role: AccountRole::Host,
            password_hash: None,
        };
        let owner = bench
            .database
            .create_account(account, unix_now())
            .await
            .expect("stored");
        let room = StoredRoom {
            id: RoomName::parse("quiet").expect("a good name"),
            code: "quiet".to_owned(),
            title: "Thermodynamics".to_owned(),
            owner: owner.expect("a new address").id,
            status: RoomStatus::Ended,
            door: Door::Unlocked,
            settings: r#"{"summary":false}"#.to_owned(),
            starts_at: None,
            created_at: unix_now(),
            revision: 0,
            revised_at: None,
        };
        assert!(bench.database.create_room(&room).await.expect("stored"));
        let meeting = bench.ended("quiet").await;
        let (context, stop) = (bench.worker(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::clone(&context), stop.clone()));
        let is_rendered = |overview: &MeetingOverview| overview.stage == Stage::Rendered;
        let overview = bench.until(&meeting, is_rendered).await;
        assert_eq!(overview.title.as_deref(), Some("Thermodynamics"));
        assert_eq!(bench.database.summary(&meeting).await.expect("readable"), None);
        let artifacts = bench.database.artifacts(&meeting).await.expect("listed");
        let kinds: Vec<&str> = artifacts.iter().map(|artifact| artifact.kind.as_str()).collect();
        assert!(
            kinds.contains(&"lecture.pdf") && !kinds.contains(&"summary.json"),
            "{kinds:?}"
        );
        // Unless somebody asks for one.
        let ordered = bench
            .database
            .order_summary(&meeting, &SummaryOrder::default(), &room.owner, unix_now())
            .await;
        assert_eq!(ordered.expect("asked"), Some(1));
        context.stages_wake.notify_one();
        let overview = bench.until(&meeting, is_rendered).await;
        assert_eq!(overview.title.as_deref(), Some("Lava is molten rock"));
        stop.cancel();
        running.await.expect("ends");
    }

    #[tokio::test]
    async fn meeting_that_another_worker_holds_is_left_alone() {
        let bench = Bench::new().await;
        let meeting = bench.ended("held").await;
        let now = unix_now();
        let until = now + Duration::from_secs(60);
        assert!(
            bench
                .database
                .claim_meeting(&meeting, "another", now, until)
                .await
                .expect("claimed")
        );
        let stop = CancellationToken::new();
        stop.cancel();
        run(bench.worker(), stop).await;
        assert_eq!(bench.overview(&meeting).await.stage, Stage::Ended);
    }

    #[test]
    fn model_that_is_away_is_asked_again_for_a_day() {
        let wait = |failure, seconds| {
            let wait = ask_again_after(failure, Duration::from_secs(seconds));
            wait.map(|wait| wait.as_secs())
        };
        let away = [0, 60, 600, 3600, 86_399, 86_400].map(|seconds| wait(ModelFailure::Away, seconds));
        assert_eq!(away, [Some(10), Some(15), Some(150), Some(900), Some(900), None]);
        assert_eq!(wait(ModelFailure::Refused, 60), Some(15));
        assert_eq!(wait(ModelFailure::Unusable, 60), None);
    }

    #[test]
    fn waits_double_and_then_stay_rare() {
        let waits: Vec<u64> = (0..9).map(|attempts| retry_after(attempts).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 3600, 3600]);
    }
}
