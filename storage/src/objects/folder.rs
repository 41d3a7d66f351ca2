//! Objects as files.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::{Error, ObjectKey};

/// A folder that holds objects as files, under their keys.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn path(&self, key: &ObjectKey) -> PathBuf {
        // A key has no part that is empty or begins with a dot, so this never leaves the root.
        self.root.join(key.as_str())
    }

    pub(crate) async fn put(&self, key: &ObjectKey, bytes: Vec<u8>) -> Result<(), Error> {
        let path = self.path(key);
        self.run("write", path.clone(), move || replace(&path, &bytes))
            .await
    }

    pub(crate) async fn get(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(key);
        self.run("read", path.clone(), move || if_there(fs::read(path)))
            .await
    }

    pub(crate) async fn exists(&self, key: &ObjectKey) -> Result<bool, Error> {
        let path = self.path(key);
        self.run("look at", path.clone(), move || {
            Ok(if_there(fs::metadata(path))?.is_some_and(|found| found.is_file()))
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &ObjectKey) -> Result<(), Error> {
        let path = self.path(key);
        self.run("delete", path.clone(), move || {
            if_there(fs::remove_file(path)).map(drop)
        })
        .await
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, Error> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        let mut keys = self
            .run("list", root.clone(), move || {
                let mut keys = Vec::new();
                walk(&root, "", &prefix, &mut keys)?;
                Ok(keys)
            })
            .await?;
        keys.sort();
        Ok(keys)
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: PathBuf,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let done = spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|source| Error::File { doing, path, source })
    }
}

/// A file that is not there, or whose folder is not, is no error.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes beside the file, then renames: after a crash there is the old file or the new one, never half of one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a key under a root has a folder");
    create_folders(folder)?;
    // No key's part begins with a dot, so this is nobody's object.
    let draft = folder.join(format!(".{}", Uuid::now_v7()));
    let written = write_through(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The first error is the one to tell.
        fs::remove_file(&draft).ok();
    }
    written?;
    sync_folder(folder)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// As `create_dir_all`, but a new folder's name survives a crash too.
pub(super) fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else {
        return fs::create_dir_all(folder);
    };
    create_folders(parent)?;
    match fs::create_dir(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent),
    }
}

/// A rename is on disk once its folder is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

fn walk(folder: &Path, key: &str, prefix: &str, keys: &mut Vec<ObjectKey>) -> io::Result<()> {
    let Some(entries) = if_there(fs::read_dir(folder))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let key = match key {
            "" => name.to_string_lossy().into_owned(),
            _ => format!("{key}/{}", name.to_string_lossy()),
        };
        if entry.file_type()?.is_dir() {
            // Only folders that lead to the prefix, or lie under it.
            if key.starts_with(prefix) || prefix.starts_with(&key) {
                walk(&entry.path(), &key, prefix, keys)?;
            }
            continue;
        }
        // What is no key was put there by somebody else, or is a draft.
        if let Ok(key) = ObjectKey::parse(key)
            && key.as_str().starts_with(prefix)
        {
            keys.push(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failed_write_leaves_no_draft_behind() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(root.path().to_owned());
        // A folder stands where the object is to be: the rename fails.
        fs::create_dir_all(root.path().join("a/b/c")).expect("folders");
        let key = ObjectKey::parse("a/b").expect("a key");
        let error = folder
            .put(&key, b"x".to_vec())
            .await
            .expect_err("a folder is in the way");
        assert!(error.to_string().starts_with("can't write"), "{error}");
        let left: Vec<_> = fs::read_dir(root.path().join("a")).expect("a folder").collect();
        assert_eq!(left.len(), 1);
        assert!(!folder.exists(&key).await.expect("readable"));
    }

    #[tokio::test]
    async fn drafts_and_strangers_are_not_listed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(root.path().to_owned());
        folder
            .put(&ObjectKey::parse("a/b").expect("a key"), b"x".to_vec())
            .await
            .expect("written");
        fs::write(root.path().join("a/.draft"), "half").expect("written");
        let keys = folder.list("").await.expect("listed");
        assert_eq!(keys.iter().map(ObjectKey::as_str).collect::<Vec<_>>(), ["a/b"]);
    }
}
