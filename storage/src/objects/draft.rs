//! An object that comes in pieces, on its way into a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::{fs::File, io::AsyncWriteExt};

use super::folder::{Folder, create_folders, if_there, sync_folder};
use crate::{Error, ObjectKey};

/// A file beside where the object will be.
#[derive(Debug)]
pub(super) struct Draft {
    folder: Folder,
    file: File,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub(super) async fn begin(folder: &Folder, key: &ObjectKey) -> Result<Self, Error> {
        let path = folder.path(key);
        let draft = draft_of(&path);
        let made = draft.clone();
        let file = folder
            .run("write", draft.clone(), move || {
                create_folders(made.parent().expect("a key under a root has a folder"))?;
                fs::File::create(made)
            })
            .await?;
        Ok(Self {
            folder: folder.clone(),
            file: File::from_std(file),
            draft,
            path,
        })
    }

    pub(super) async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(piece).await;
        written.map_err(|source| self.failed(source))
    }

    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let flushed = self.file.flush().await;
        flushed.map_err(|source| self.failed(source))?;
        let synced = self.file.sync_all().await;
        synced.map_err(|source| self.failed(source))?;
        let (draft, path) = (self.draft, self.path);
        self.folder
            .run("write", path.clone(), move || {
                fs::rename(&draft, &path)?;
                sync_folder(path.parent().expect("a key under a root has a folder"))
            })
            .await
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File {
            doing: "write",
            path: self.draft.clone(),
            source,
        }
    }
}

impl Folder {
    /// Removes an object, and what there is of it where it never became whole.
    pub(super) async fn erase(&self, key: &ObjectKey) -> Result<(), Error> {
        let path = self.path(key);
        self.run("delete", path.clone(), move || {
            if_there(fs::remove_file(draft_of(&path)))?;
            if_there(fs::remove_file(path)).map(drop)
        })
        .await
    }
}

/// No key's part begins with a dot, so this is nobody's object. It follows from the key, so that whoever erases the
/// object finds it.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}
