//! A process's log as a file, and the logs that others have left behind.
//!
//! Whoever has the lock on a file may write, read and remove it. A process that dies loses its locks, and the next one in
//! the same folder finds its file.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use lectern_pipelines::MeetingId;
use uuid::Uuid;

use super::entry::{decode, encode};
use crate::{
    Record,
    objects::folder::{if_there, sync_folder},
    records,
};

/// The log of this process; there is a file only while something is in it.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    file: Option<OpenLog>,
}

#[derive(Debug)]
struct OpenLog {
    path: PathBuf,
    file: File,
    /// What is known to be on disk. Behind it may be what is left of an append that failed.
    bytes: u64,
}

/// A log of a process that is no more, locked.
#[derive(Debug)]
pub(super) struct LeftLog {
    path: PathBuf,
    file: File,
    pub(super) records: Vec<(MeetingId, Record)>,
}

impl Log {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, file: None }
    }

    /// Puts records behind the others; once it returns the log's length they outlast whatever happens.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let log = match &mut self.file {
            Some(log) => log,
            None => self.file.insert(OpenLog::create(&self.folder)?),
        };
        log.append(bytes)
    }

    pub(super) fn remove(&mut self) -> io::Result<()> {
        if let Some(log) = &self.file {
            remove(&log.path, &log.file)?;
        }
        self.file = None;
        Ok(())
    }
}

impl OpenLog {
    /// It has its name only once it is ours. Where another process took the draft for one that was left behind, the name
    /// can't be given, and the next attempt makes another.
    fn create(folder: &Path) -> io::Result<Self> {
        create_folder(folder)?;
        let name = Uuid::now_v7();
        let draft = folder.join(format!("{name}.draft"));
        let path = folder.join(format!("{name}.log"));
        let file = open(OpenOptions::new().create_new(true), &draft)?;
        let named = file.try_lock().map_err(io::Error::from);
        let named = named.and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = named.and_then(|()| sync_folder(folder)) {
            // The first error is the one to tell.
            fs::remove_file(&draft).or_else(|_| fs::remove_file(&path)).ok();
            return Err(error);
        }
        Ok(Self { path, file, bytes: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let written = self.file.write_all_at(bytes, self.bytes);
        match written.and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(self.bytes)
            }
            Err(error) => {
                // Half a record is none, so this may fail too.
                self.file.set_len(self.bytes).ok();
                Err(error)
            }
        }
    }
}

/// Records as a log has them.
pub(super) fn encoded<'a>(records: impl Iterator<Item = (&'a MeetingId, &'a Record)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (meeting, record) in records {
        records::append(&mut bytes, &encode(meeting, record));
    }
    bytes
}

/// Takes what other processes have left in the folder. A file that this version can't read is told of once, by `told`,
/// and stays.
pub(super) fn take_left(folder: &Path, told: &mut HashSet<PathBuf>) -> io::Result<Vec<LeftLog>> {
    let mut left = Vec::new();
    for file in if_there(fs::read_dir(folder))?.into_iter().flatten() {
        let path = file?.path();
        let is_log = path
            .extension()
            .is_some_and(|kind| kind == "log" || kind == "draft");
        if !is_log || told.contains(&path) {
            continue;
        }
        match LeftLog::take(&path) {
            Ok(log) => left.extend(log),
            Err(error) => {
                tracing::error!(
                    "what was said waits in {}, which can't be read: {error}",
                    path.display()
                );
                told.insert(path);
            }
        }
    }
    // Names are by when they were made.
    left.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(left)
}

impl LeftLog {
    /// Nothing if somebody has it, or nothing is in it.
    fn take(path: &Path) -> io::Result<Option<Self>> {
        let Some(mut file) = if_there(open(&mut OpenOptions::new(), path))? else {
            return Ok(None);
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole: Vec<&[u8]> = records::read(&bytes).collect();
        let length: usize = whole.iter().map(|record| records::stored_len(record)).sum();
        if length < bytes.len() {
            let cut = bytes.len() - length;
            tracing::warn!("the last {cut} bytes of {} are no whole record", path.display());
        }
        let records: Option<Vec<_>> = whole.into_iter().map(decode).collect();
        let records = records.ok_or_else(|| io::Error::other("was it written by a newer version?"))?;
        let log = Self {
            path: path.to_owned(),
            file,
            records,
        };
        match log.records.is_empty() {
            true => log.remove().map(|()| None),
            false => Ok(Some(log)),
        }
    }

    /// All of it is stored.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path, &self.file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What is in it is nobody's business any more, not even of a process that has it open already.
fn remove(path: &Path, file: &File) -> io::Result<()> {
    file.set_len(0)?;
    if_there(fs::remove_file(path)).map(drop)
}

/// For nobody but us: it holds what was said.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.read(true).write(true).mode(0o600).open(path)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use lectern_pipelines::{Participant, ParticipantIdentity};

    use super::*;

    fn somebody(name: &str) -> (MeetingId, Record) {
        let participant = Participant {
            identity: ParticipantIdentity::parse("ada").expect("an identity"),
            name: name.to_owned(),
        };
        let meeting = MeetingId::parse("m").expect("an id");
        (meeting, Record::Participant(participant))
    }

    fn bytes(names: &[&str]) -> Vec<u8> {
        let records: Vec<_> = names.iter().map(|name| somebody(name)).collect();
        encoded(records.iter().map(|(meeting, record)| (meeting, record)))
    }

    fn left(folder: &Path) -> Vec<LeftLog> {
        take_left(folder, &mut HashSet::new()).expect("a folder that can be read")
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let files = fs::read_dir(folder).expect("a folder");
        files.map(|file| file.expect("a file").path()).collect()
    }

    #[test]
    fn log_is_found_once_its_process_is_gone_and_by_one_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let waiting = folder.path().join("data/waiting");
        assert!(left(&waiting).is_empty(), "there is no folder yet");
        let mut log = Log::new(waiting.clone());
        log.append(&bytes(&["Ada"])).expect("written");
        log.append(&bytes(&["Ben", "Cem"])).expect("written");
        assert!(left(&waiting).is_empty(), "its process lives");
        let path = files(&waiting).remove(0);
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&waiting)), (0o600, 0o700));

        drop(log);
        let mut found = left(&waiting);
        assert!(left(&waiting).is_empty(), "somebody has it");
        let found = found.pop().expect("one log");
        assert_eq!(found.records, ["Ada", "Ben", "Cem"].map(somebody));
        found.remove().expect("removed");
        assert!(files(&waiting).is_empty());
    }

    #[test]
    fn log_that_is_stored_leaves_no_file_and_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Log::new(folder.path().to_owned());
        log.append(&bytes(&["Ada"])).expect("written");
        log.remove().expect("removed");
        log.remove().expect("nothing to remove");
        assert!(files(folder.path()).is_empty());
        let again = bytes(&["Ben"]);
        assert_eq!(log.append(&again).expect("written"), again.len() as u64);
        drop(log);
        assert_eq!(left(folder.path())[0].records, [somebody("Ben")]);
    }

    #[test]
    fn half_a_record_at_the_end_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = bytes(&["Ada", "Ben"]);
        fs::write(folder.path().join("1.log"), &whole[..whole.len() - 3]).expect("written");
        fs::write(folder.path().join("2.draft"), "").expect("written");
        let found = left(folder.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].records, [somebody("Ada")]);
        assert_eq!(files(folder.path()), [folder.path().join("1.log")]);
    }

    #[test]
    fn what_a_newer_version_wrote_waits_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("1.log");
        let mut newer = Vec::new();
        records::append(&mut newer, br#"{"meeting":"m","laughter":[]}"#);
        fs::write(&path, &newer).expect("written");
        let mut told = HashSet::new();
        assert!(take_left(folder.path(), &mut told).expect("a folder").is_empty());
        assert_eq!((told.len(), fs::read(&path).expect("a file")), (1, newer));
    }
}
