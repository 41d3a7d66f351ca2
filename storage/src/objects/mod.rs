//! Files that are kept: in a folder, or in a bucket of an S3 server.

mod draft;
pub(crate) mod folder;
mod parts;
mod reader;
mod s3;
mod upload;

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use self::{draft::Draft, parts::Parts};
use crate::{Error, ObjectKey};

pub use folder::Folder;
pub use reader::{LinkHeaders, ObjectReader};
pub use s3::Bucket;
pub use upload::Upload;

/// Where files are kept.
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// The folder; used where `s3` is absent, and made when something is put there.
    pub folder: PathBuf,
    /// A bucket instead.
    pub s3: Option<S3Config>,
}

/// A bucket of an S3 server.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The server's URL; nothing for Amazon's own.
    pub endpoint: Option<String>,
    /// Where browsers reach it, if that is somewhere else.
    pub public_endpoint: Option<String>,
    /// The bucket, which exists.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Who we are.
    pub access_key_id: String,
    /// The proof.
    pub secret_access_key: SecretString,
    /// How the bucket is named in a URL.
    pub addressing: Addressing,
}

/// How a bucket is named in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`, as most servers of one's own want it (`S3_PATH_STYLE=true`).
    Path,
    /// `https://bucket.host/key`, as Amazon wants it.
    Host,
}

/// The object store. Clones share its connections.
#[derive(Debug, Clone)]
pub enum Objects {
    /// A folder on a disk.
    Folder(Folder),
    /// A bucket of an S3 server.
    S3(Bucket),
}

impl Objects {
    /// The store that is configured. Nothing is written or asked yet; [`check`](Self::check) does that.
    pub fn open(config: &ObjectsConfig) -> Self {
        match &config.s3 {
            Some(s3) => Self::S3(Bucket::new(s3)),
            None => Self::Folder(Folder::new(config.folder.clone())),
        }
    }

    /// Puts an object in place of any earlier one. Whoever reads meanwhile gets the old or the new one, whole; when
    /// this returns, it is on disk.
    pub async fn put(&self, key: &ObjectKey, media_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        match self {
            // A folder has no place for a media type; the row in the database keeps it.
            Self::Folder(folder) => folder.put(key, bytes).await,
            Self::S3(bucket) => bucket.put(key, media_type, bytes).await,
        }
    }

    /// Begins an object that comes in pieces. Only one may be on its way to a key.
    pub async fn begin(&self, key: &ObjectKey) -> Result<Upload, Error> {
        Ok(match self {
            Self::Folder(folder) => Upload::to_folder(Draft::begin(folder, key).await?),
            Self::S3(bucket) => Upload::to_s3(Parts::begin(bucket, key)),
        })
    }

    /// Reads `length` bytes (at least one) of an object from `start` on, if there is one, as they are asked for.
    pub async fn read(
        &self,
        key: &ObjectKey,
        start: u64,
        length: u64,
    ) -> Result<Option<ObjectReader>, Error> {
        match self {
            Self::Folder(folder) => folder.read(key, start, length).await,
            Self::S3(bucket) => bucket.read(key, start, length).await,
        }
    }

    /// A URL by which anybody may fetch an object for a while; nothing where the store has none.
    pub async fn link(
        &self,
        key: &ObjectKey,
        headers: LinkHeaders<'_>,
        good_for: Duration,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::S3(bucket) => bucket.link(key, headers, good_for).await.map(Some),
        }
    }

    /// An object's bytes, if there is one.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Folder(folder) => folder.get(key).await,
            Self::S3(bucket) => bucket.get(key).await,
        }
    }

    /// Whether there is such an object.
    pub async fn exists(&self, key: &ObjectKey) -> Result<bool, Error> {
        match self {
            Self::Folder(folder) => folder.exists(key).await,
            Self::S3(bucket) => bucket.exists(key).await,
        }
    }

    /// Every object whose key begins with `prefix`, in order.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, Error> {
        match self {
            Self::Folder(folder) => folder.list(prefix).await,
            Self::S3(bucket) => bucket.list(prefix).await,
        }
    }

    /// Removes an object; there need not be one.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.delete(key).await,
            Self::S3(bucket) => bucket.delete(key).await,
        }
    }

    /// Removes an object, and what there is of one that was begun and never finished.
    pub async fn erase(&self, key: &ObjectKey) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.erase(key).await,
            Self::S3(bucket) => bucket.erase(key).await,
        }
    }

    /// Where an object lies: a path, or an `s3://` URL.
    pub fn locate(&self, key: &ObjectKey) -> String {
        match self {
            Self::Folder(folder) => folder.path(key).display().to_string(),
            Self::S3(bucket) => bucket.place(key),
        }
    }

    /// Puts an object, reads it back and deletes it: proof of every right we need.
    pub async fn check(&self) -> Result<(), Error> {
        // Of its own name, so that two checks at once don't delete each other's.
        let name = uuid::Uuid::now_v7();
        let key = ObjectKey::parse(format!("checks/{name}")).expect("hexadecimal digits and dashes");
        let written = name.to_string().into_bytes();
        self.put(&key, "text/plain", written.clone()).await?;
        let read = self.get(&key).await;
        self.delete(&key).await?;
        match read? {
            Some(read) if read == written => Ok(()),
            _ => Err(Error::ObjectsDiffer {
                place: self.locate(&key),
            }),
        }
    }
}
