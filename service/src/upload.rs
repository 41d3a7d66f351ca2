//! Bodies on their way into the object store: piece by piece, counted, and never for ever.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::StreamExt;
use lectern_storage::{ObjectKey, Objects, Upload};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{ApiError, ErrorCode};

/// How many bytes there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// As many as the sender said, if they said it.
    pub(crate) said: Option<u64>,
    /// More are not taken.
    pub(crate) bytes_max: u64,
}

impl Size {
    /// What can be told before anything was read.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        match self.said {
            Some(0) => Err(empty()),
            Some(said) if said > self.bytes_max => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    /// Whether so many may have come until now.
    fn takes(self, bytes: u64) -> Result<(), ApiError> {
        if bytes > self.bytes_max {
            return Err(self.too_large());
        }
        match self.said.is_some_and(|said| bytes > said) {
            true => Err(not_whole("it has more bytes than was said")),
            false => Ok(()),
        }
    }

    /// Whether so many are all.
    fn ends_at(self, bytes: u64) -> Result<(), ApiError> {
        match self.said {
            _ if bytes == 0 => Err(empty()),
            Some(said) if bytes < said => Err(not_whole("it has fewer bytes than was said")),
            _ => Ok(()),
        }
    }

    fn too_large(self) -> ApiError {
        let message = format!("a file may have at most {} bytes here", self.bytes_max);
        ApiError::new(ErrorCode::FileTooLarge, message)
            .with_details(serde_json::json!({ "bytesMax": self.bytes_max }))
    }
}

/// How many bodies are taken at once: each keeps a part of itself in memory and a connection busy.
#[derive(Debug)]
pub(crate) struct Uploads(Arc<Semaphore>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UPLOADS_MAX)))
    }
}

impl Uploads {
    /// Waits for a place; the body waits with us at the sender's.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        match timeout(PLACE_PATIENCE, Arc::clone(&self.0).acquire_owned()).await {
            Ok(place) => place.map_err(ApiError::internal),
            Err(_) => Err(ApiError::rate_limited(PLACE_PATIENCE)),
        }
    }
}

/// Puts a body under a key; gives back how many bytes it has. Whatever goes wrong, there is no such object then, but
/// there may be remains of one.
pub(crate) async fn receive(
    body: Body,
    size: Size,
    objects: &Objects,
    key: &ObjectKey,
) -> Result<u64, ApiError> {
    let upload = objects.begin(key).await.map_err(not_kept)?;
    timeout(UPLOAD_TIME_MAX, take_pieces(body, size, upload))
        .await
        .unwrap_or_else(|_| Err(too_slow()))
}

async fn take_pieces(body: Body, size: Size, mut upload: Upload) -> Result<u64, ApiError> {
    let mut pieces = body.into_data_stream();
    let mut bytes = 0;
    loop {
        let piece = timeout(PIECE_PATIENCE, pieces.next())
            .await
            .map_err(|_| too_slow())?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| not_whole("the connection broke off"))?;
        bytes += piece.len() as u64;
        size.takes(bytes)?;
        upload.write(&piece).await.map_err(not_kept)?;
    }
    size.ends_at(bytes)?;
    upload.finish().await.map_err(not_kept)?;
    Ok(bytes)
}

/// The store's failure: who shares the file can but try again, and who runs us reads why.
pub(crate) fn not_kept(error: lectern_storage::Error) -> ApiError {
    let told = ApiError::new(
        ErrorCode::Unavailable,
        "files can't be stored or read at the moment; try again soon",
    );
    tracing::error!(request.id = %told.request_id(), "request {}: {error}", told.request_id());
    told
}

fn empty() -> ApiError {
    ApiError::invalid("body", "it is empty; send the file's bytes as the body")
}

fn not_whole(why: &str) -> ApiError {
    ApiError::new(
        ErrorCode::BadRequest,
        format!("the body did not arrive whole: {why}"),
    )
}

fn too_slow() -> ApiError {
    not_whole("it took too long")
}

/// Some 160 MB where the store is S3, which is sent parts of 5 MiB.
const UPLOADS_MAX: usize = 32;
const PLACE_PATIENCE: Duration = Duration::from_secs(30);
/// Between two pieces.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);
/// For a whole body.
pub(crate) const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome(size: Size, pieces: &[u64]) -> Result<u64, ApiError> {
        size.check()?;
        let mut bytes = 0;
        for piece in pieces {
            bytes += piece;
            size.takes(bytes)?;
        }
        size.ends_at(bytes).map(|()| bytes)
    }

    proptest! {
        #[test]
        fn what_is_taken_is_as_large_as_was_said_and_allowed(
            pieces in prop::collection::vec(0..40_u64, 0..8),
            said in prop::option::of(0..200_u64),
            bytes_max in 0..200_u64,
        ) {
            let all: u64 = pieces.iter().sum();
            let good = all > 0 && all <= bytes_max && said.is_none_or(|said| said == all);
            let taken = outcome(Size { said, bytes_max }, &pieces);
            prop_assert_eq!(taken.is_ok(), good, "{:?}", taken);
        }
    }
}
