//! Objects that leave in pieces.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aws_sdk_s3::{error::ProvideErrorMetadata, presigning::PresigningConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, ReadBuf};

use super::{folder::Folder, s3::Bucket};
use crate::{Error, ObjectKey};

/// Bytes of an object, as they come.
pub struct ObjectReader(Pin<Box<dyn AsyncRead + Send>>);

/// How a link lets an object be fetched.
#[derive(Debug, Clone, Copy)]
pub struct LinkHeaders<'a> {
    /// The header `content-disposition` of the answer.
    pub disposition: &'a str,
    /// The header `content-type` of the answer.
    pub media_type: &'a str,
}

impl AsyncRead for ObjectReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(context, into)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").finish_non_exhaustive()
    }
}

impl Folder {
    pub(super) async fn read(
        &self,
        key: &ObjectKey,
        start: u64,
        length: u64,
    ) -> Result<Option<ObjectReader>, Error> {
        let path = self.path(key);
        let failed = |source| Error::File {
            doing: "read",
            path: path.clone(),
            source,
        };
        let mut file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        file.seek(io::SeekFrom::Start(start)).await.map_err(failed)?;
        Ok(Some(ObjectReader(Box::pin(file.take(length)))))
    }
}

impl Bucket {
    pub(super) async fn read(
        &self,
        key: &ObjectKey,
        start: u64,
        length: u64,
    ) -> Result<Option<ObjectReader>, Error> {
        let last = start.saturating_add(length).saturating_sub(1);
        let request = self.client.get_object().bucket(&self.name).key(key.as_str());
        match request.range(format!("bytes={start}-{last}")).send().await {
            Ok(object) => Ok(Some(ObjectReader(Box::pin(object.body.into_async_read())))),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(self.failed("read", self.place(key), error)),
        }
    }

    /// A URL by which anybody may fetch an object for a while. Asks nobody: the object need not be there.
    pub(super) async fn link(
        &self,
        key: &ObjectKey,
        headers: LinkHeaders<'_>,
        good_for: Duration,
    ) -> Result<String, Error> {
        let unsigned = |reason: String| Error::S3 {
            doing: "sign a link to",
            place: self.place(key),
            reason,
        };
        let signing = PresigningConfig::expires_in(good_for).map_err(|error| unsigned(error.to_string()))?;
        let request = self.public.get_object().bucket(&self.name).key(key.as_str());
        let signed = request
            .response_content_disposition(headers.disposition)
            .response_content_type(headers.media_type)
            .response_cache_control("private, no-store")
            .presigned(signing)
            .await
            .map_err(|error| self.failed("sign a link to", self.place(key), error))?;
        Ok(signed.uri().to_owned())
    }
}
