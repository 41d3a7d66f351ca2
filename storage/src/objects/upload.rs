//! Objects that come in pieces: none is held whole in memory, and nobody sees one before it is whole.

use super::{draft::Draft, parts::Parts};
use crate::Error;

/// An object on its way. Dropped before [`finish`](Self::finish), it leaves what
/// [`Objects::erase`](super::Objects::erase) removes.
#[derive(Debug)]
pub struct Upload(Way);

#[derive(Debug)]
enum Way {
    Folder(Draft),
    S3(Parts),
}

impl Upload {
    pub(super) fn to_folder(draft: Draft) -> Self {
        Self(Way::Folder(draft))
    }

    pub(super) fn to_s3(parts: Parts) -> Self {
        Self(Way::S3(parts))
    }

    /// Adds a piece.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Way::Folder(draft) => draft.write(piece).await,
            Way::S3(parts) => parts.write(piece).await,
        }
    }

    /// Makes an object of all pieces; when this returns, it is on disk.
    pub async fn finish(self) -> Result<(), Error> {
        match self.0 {
            Way::Folder(draft) => draft.finish().await,
            Way::S3(parts) => parts.finish().await,
        }
    }
}
