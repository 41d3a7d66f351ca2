//! Logs of what rooms have heard and nobody has recognised yet, as files that outlive the worker which writes them.
//!
//! One thread writes for all rooms of a process. A file is locked as long as its writer lives: whoever can lock it has
//! found a dead worker's.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use tracing::{error, info, warn};

use lectern_pipelines::{MeetingId, UnsettledSpeech, after_void};
use lectern_storage::records;

/// The folder of these files, and the thread that writes them.
#[derive(Debug, Clone)]
pub(crate) struct Journals {
    folder: Arc<Path>,
    jobs: mpsc::Sender<Job>,
}

/// One meeting's log. When this is dropped, the file goes if nothing stands in it, or is there for others.
#[derive(Debug)]
pub(crate) struct JournalFile {
    id: uuid::Uuid,
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

/// A batch that was not taken: what stands in the log is of no use any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotLogged;

/// A dead worker's log, locked by us.
#[derive(Debug)]
pub(crate) struct Abandoned {
    pub(crate) meeting: MeetingId,
    path: PathBuf,
    file: File,
}

/// What a meeting and the thread know of a file.
#[derive(Debug)]
struct Shared {
    meeting: MeetingId,
    /// Bytes on their way to the thread.
    queued: AtomicUsize,
    /// Whether something that was taken could not be written.
    has_failed: AtomicBool,
}

#[derive(Debug)]
enum Job {
    Append {
        id: uuid::Uuid,
        shared: Arc<Shared>,
        batch: Vec<u8>,
    },
    Close(uuid::Uuid),
}

impl Journals {
    /// Starts the thread; it ends when the last clone and the last file are gone. The folder is made when it is needed.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let (jobs, received) = mpsc::channel();
        let keeper = Keeper {
            folder: folder.to_owned(),
            files: HashMap::new(),
            is_failing: false,
        };
        thread::Builder::new()
            .name("speech-log".to_owned())
            .spawn(move || keeper.run(&received))?;
        Ok(Self {
            folder: folder.into(),
            jobs,
        })
    }

    /// A log for a meeting, in which nothing stands yet.
    pub(crate) fn open(&self, meeting: &MeetingId) -> JournalFile {
        JournalFile {
            id: uuid::Uuid::now_v7(),
            shared: Arc::new(Shared {
                meeting: meeting.clone(),
                queued: AtomicUsize::new(0),
                has_failed: AtomicBool::new(false),
            }),
            jobs: self.jobs.clone(),
        }
    }

    /// Locks the logs whose writers are dead. Reads a folder, and waits for nobody.
    pub(crate) fn abandoned(&self) -> io::Result<Vec<Abandoned>> {
        let names = names_in(&self.folder)?;
        let logs = names.into_iter().filter_map(|name| {
            let meeting = meeting_of(&name)?;
            lock_abandoned(self.folder.join(name), meeting)
                .inspect_err(|error| warn!("can't read a dead worker's speech log: {error}"))
                .ok()?
        });
        Ok(logs.collect())
    }

    /// Whether some worker's log, dead or not, has words of this meeting.
    pub(crate) fn has_speech_of(&self, meeting: &MeetingId) -> io::Result<bool> {
        let names = names_in(&self.folder)?;
        Ok(names
            .iter()
            .any(|name| meeting_of(name).as_ref() == Some(meeting)))
    }
}

impl JournalFile {
    /// Hands a batch to the thread without waiting. Where that is refused, or an earlier batch got lost, only a batch
    /// that voids all before it makes sense.
    pub(crate) fn try_append(&self, batch: Vec<u8>) -> Result<(), NotLogged> {
        let has_failed = self.shared.has_failed.swap(false, Ordering::Relaxed);
        let queued = self.shared.queued.load(Ordering::Relaxed);
        if (has_failed || queued + batch.len() > QUEUED_BYTES_MAX) && after_void(&batch).is_none() {
            return Err(NotLogged);
        }
        self.shared.queued.fetch_add(batch.len(), Ordering::Relaxed);
        let job = Job::Append {
            id: self.id,
            shared: Arc::clone(&self.shared),
            batch,
        };
        self.jobs.send(job).map_err(|_| NotLogged)
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        // If the thread is gone, so is its lock.
        let _ = self.jobs.send(Job::Close(self.id));
    }
}

impl Abandoned {
    /// What has to be recognised.
    pub(crate) fn read(&mut self) -> io::Result<UnsettledSpeech> {
        read(&mut self.file)
    }

    /// Nothing of it is needed any more.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// What a disk that stands still is waited for with: half a minute of somebody's speech.
const QUEUED_BYTES_MAX: usize = 1 << 20;
/// From this length on, a log is written anew without what is settled.
const SHORTENED_BYTES_MIN: u64 = 4 << 20;
const EXTENSION: &str = "speech";

/// The thread's end of it.
struct Keeper {
    folder: PathBuf,
    files: HashMap<uuid::Uuid, Log>,
    /// Whether the last batch could not be written.
    is_failing: bool,
}

struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    /// At which length it is to be shortened.
    shorten_at: u64,
    /// A batch is missing: what follows it makes no sense, until one that voids all before.
    is_broken: bool,
}

impl Keeper {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Append { id, shared, batch } => {
                    let appended = self.append(id, &shared.meeting, &batch);
                    shared.queued.fetch_sub(batch.len(), Ordering::Relaxed);
                    if appended.is_err() {
                        shared.has_failed.store(true, Ordering::Relaxed);
                    }
                    self.tell(appended);
                }
                Job::Close(id) => {
                    if let Some(log) = self.files.remove(&id)
                        && let Err(error) = log.close()
                    {
                        warn!("can't remove a speech log that is empty: {error}");
                    }
                }
            }
        }
    }

    fn append(&mut self, id: uuid::Uuid, meeting: &MeetingId, batch: &[u8]) -> io::Result<()> {
        let log = match self.files.entry(id) {
            std::collections::hash_map::Entry::Occupied(log) => log.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let path = self.folder.join(format!("{meeting}.{id}.{EXTENSION}"));
                place.insert(Log::create(path)?)
            }
        };
        log.append(batch)
    }

    /// Says when it begins and ceases to fail, not for each batch.
    fn tell(&mut self, appended: io::Result<()>) {
        match appended {
            Err(error) => {
                metrics::counter!("lectern_speech_log_failures_total").increment(1);
                if !std::mem::replace(&mut self.is_failing, true) {
                    error!(
                        "can't keep what is heard in {}: {error}; captions go on, but a worker that dies now takes along what \
                         waits for the recogniser",
                        self.folder.display()
                    );
                }
            }
            Ok(()) if std::mem::take(&mut self.is_failing) => info!("what is heard is kept on disk again"),
            Ok(()) => {}
        }
    }
}

impl Log {
    fn create(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: create_locked(&path)?,
            path,
            length: 0,
            shorten_at: SHORTENED_BYTES_MIN,
            is_broken: false,
        })
    }

    fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        let batch = match after_void(batch) {
            Some(rest) => {
                self.clear()?;
                self.is_broken = false;
                rest
            }
            None if self.is_broken => return Err(io::Error::other("a part before is missing")),
            None => batch,
        };
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write(batch);
        if written.is_err() {
            // Of speech without what became of it, words would come twice.
            self.is_broken = true;
            self.clear()?;
        }
        written
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(records::stored_len(batch));
        records::append(&mut record, batch);
        self.file.write_all(&record)?;
        self.length += record.len() as u64;
        if self.length >= self.shorten_at {
            self.shorten()?;
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.length = 0;
        Ok(())
    }

    /// Another file with what is unsettled takes its place.
    fn shorten(&mut self) -> io::Result<()> {
        let unsettled = read(&mut self.file)?;
        let mut shorter = Self {
            file: create_locked(&self.path)?,
            path: self.path.clone(),
            length: 0,
            shorten_at: u64::MAX,
            is_broken: false,
        };
        shorter.write(&unsettled.write())?;
        shorter.shorten_at = SHORTENED_BYTES_MIN.max(shorter.length * 2);
        *self = shorter;
        Ok(())
    }

    fn close(self) -> io::Result<()> {
        match self.length {
            0 => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

/// A new file, in the place of what is there. It is ours before anybody sees it.
fn create_locked(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unseen = path.with_extension("new");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unseen)?;
    file.lock()?;
    fs::rename(&unseen, path)?;
    Ok(file)
}

fn read(file: &mut File) -> io::Result<UnsettledSpeech> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(UnsettledSpeech::read(records::read(&bytes)))
}

fn lock_abandoned(path: PathBuf, meeting: MeetingId) -> io::Result<Option<Abandoned>> {
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Whoever had it may have removed or replaced it since we opened it.
    let is_there =
        fs::metadata(&path).is_ok_and(|there| file.metadata().is_ok_and(|ours| ours.ino() == there.ino()));
    Ok(is_there.then_some(Abandoned { meeting, path, file }))
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

fn meeting_of(name: &str) -> Option<MeetingId> {
    let (meeting, rest) = name.split_once('.')?;
    let is_log = rest.ends_with(&format!(".{EXTENSION}"));
    is_log.then(|| MeetingId::parse(meeting).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use lectern_pipelines::{
        AudioFrame, Event, GateSettings, MediaTime, Meeting, Participant, ParticipantIdentity, Settings,
        SttSettings, TrackClock, TrackKey, TrackSid,
    };

    use super::*;

    const TRACK: TrackKey = TrackKey(1);

    /// A meeting whose recogniser never comes, in which somebody speaks.
    fn meeting() -> Meeting {
        let endpointing = Duration::from_millis(300);
        let mut meeting = Meeting::new(Settings {
            run: "r".to_owned(),
            gate: GateSettings::for_endpointing(endpointing),
            stt: SttSettings::with_endpointing(endpointing),
            glossary: Vec::new(),
            last_finals: Duration::ZERO,
        })
        .with_journal();
        let identity = ParticipantIdentity::parse("ada").expect("a good identity");
        let sid = TrackSid::parse("TR_ada").expect("a good SID");
        meeting.handle(
            Event::ParticipantSeen(&Participant {
                identity: identity.clone(),
                name: "Ada".to_owned(),
            }),
            MediaTime::ZERO,
        );
        meeting.handle(
            Event::TrackStarted {
                track: TRACK,
                sid: &sid,
                speaker: &identity,
                clock: TrackClock::Arrival,
            },
            MediaTime::ZERO,
        );
        meeting
    }

    /// What is to be logged of another second of speech.
    fn second(meeting: &mut Meeting, number: u64) -> Vec<u8> {
        // A buzz of 150 Hz with a little breath: what the voice detector takes for a voice.
        let samples: Vec<i16> = (0..16_000i32)
            .map(|sample| ((sample % 107 - 53) * 90 + (sample * 7919 % 601 - 300) * 3) as i16)
            .collect();
        for (part, samples) in samples.chunks(160).enumerate() {
            let frame = AudioFrame {
                samples,
                sample_rate_hz: 16_000,
                channels: 1,
            };
            let now = MediaTime::from_millis(number * 1000 + part as u64 * 10 + 10);
            meeting.handle(Event::Audio { track: TRACK, frame }, now);
            while meeting.poll_output().is_some() {}
        }
        meeting.take_journal()
    }

    fn id() -> MeetingId {
        MeetingId::parse("0198c5f2-0000-7000-8000-000000000001").expect("a good id")
    }

    /// What is found once it is there.
    fn found(journals: &Journals) -> Abandoned {
        let began = Instant::now();
        loop {
            if let Some(log) = journals.abandoned().expect("a folder").pop() {
                return log;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no log is found");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until(is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(20), "it never is so");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_log_is_others_when_its_writer_is_gone_and_gone_when_they_are_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let journals = Journals::start(&folder.path().join("speech")).expect("a thread");
        let mut meeting = meeting();
        let file = journals.open(&id());
        for number in 0..3 {
            file.try_append(second(&mut meeting, number))
                .expect("there is room");
        }
        wait_until(|| journals.has_speech_of(&id()).expect("a folder"));
        assert!(
            journals.abandoned().expect("a folder").is_empty(),
            "its writer lives"
        );
        drop(file);
        let mut log = found(&journals);
        assert!(journals.abandoned().expect("a folder").is_empty(), "we have it");
        assert_eq!(log.meeting, id());
        assert!(!log.read().expect("our own log").is_empty());
        log.remove().expect("it is ours");
        assert!(!journals.has_speech_of(&id()).expect("a folder"));
    }

    #[test]
    fn a_log_in_which_nothing_stands_goes_with_its_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let journals = Journals::start(folder.path()).expect("a thread");
        let mut meeting = meeting();
        let file = journals.open(&id());
        file.try_append(second(&mut meeting, 0)).expect("there is room");
        wait_until(|| journals.has_speech_of(&id()).expect("a folder"));
        meeting.lose_journal();
        file.try_append(meeting.take_journal()).expect("it voids");
        drop(file);
        wait_until(|| !journals.has_speech_of(&id()).expect("a folder"));
    }

    #[test]
    fn a_long_log_is_shortened_and_says_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let journals = Journals::start(folder.path()).expect("a thread");
        let mut meeting = meeting();
        let file = journals.open(&id());
        let mut written = 0;
        for number in 0..200 {
            let batch = second(&mut meeting, number);
            written += batch.len();
            while file.shared.queued.load(Ordering::Relaxed) > QUEUED_BYTES_MAX / 2 {
                thread::sleep(Duration::from_millis(1));
            }
            file.try_append(batch).expect("there is room");
        }
        drop(file);
        let mut log = found(&journals);
        let length = log.file.metadata().expect("a file").len();
        assert!(
            written > 6 << 20 && length < 4 << 20,
            "{written} bytes became {length}"
        );
        let mut samples = 0;
        let mut successor = self::meeting();
        successor.handle(
            Event::TakenOver(&log.read().expect("our own log")),
            MediaTime::ZERO,
        );
        samples += successor.backlog().as_secs();
        assert!((195..=201).contains(&samples), "{samples} s");
    }

    #[test]
    fn a_log_that_can_t_be_written_is_begun_anew_when_it_can() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("speech");
        // Where the folder should be, there is a file.
        fs::write(&place, "").expect("a file");
        let journals = Journals::start(&place).expect("a thread");
        let mut meeting = meeting();
        let file = journals.open(&id());
        file.try_append(second(&mut meeting, 0)).expect("there is room");
        wait_until(|| file.shared.has_failed.load(Ordering::Relaxed));
        assert_eq!(file.try_append(second(&mut meeting, 1)), Err(NotLogged));
        meeting.lose_journal();
        fs::remove_file(&place).expect("our own file");
        file.try_append(meeting.take_journal()).expect("it voids");
        file.try_append(second(&mut meeting, 2)).expect("there is room");
        drop(file);
        let mut log = found(&journals);
        let mut successor = self::meeting();
        successor.handle(
            Event::TakenOver(&log.read().expect("our own log")),
            MediaTime::ZERO,
        );
        assert_eq!(successor.backlog().as_secs(), 1, "what came after the loss");
    }
}
