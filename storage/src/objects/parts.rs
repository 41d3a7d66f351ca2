//! An object that comes in pieces, on its way into a bucket.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};

use super::s3::Bucket;
use crate::{Error, ObjectKey};

/// Parts of an S3 multipart upload; an object smaller than one part is put at once.
#[derive(Debug)]
pub(super) struct Parts {
    bucket: Bucket,
    key: ObjectKey,
    /// Less than a part.
    rest: Vec<u8>,
    /// Once there is more than one part.
    upload: Option<String>,
    sent: Vec<CompletedPart>,
}

impl Parts {
    pub(super) fn begin(bucket: &Bucket, key: &ObjectKey) -> Self {
        Self {
            bucket: bucket.clone(),
            key: key.clone(),
            rest: Vec::new(),
            upload: None,
            sent: Vec::new(),
        }
    }

    pub(super) async fn write(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        while self.rest.len() + piece.len() > PART_BYTES {
            let (fits, more) = piece.split_at(PART_BYTES - self.rest.len());
            self.rest.extend_from_slice(fits);
            piece = more;
            self.send_part().await?;
        }
        self.rest.extend_from_slice(piece);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<(), Error> {
        if self.upload.is_none() {
            return self.put().await;
        }
        // There is a rest, or the last part would have waited for it.
        self.send_part().await?;
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(self.sent))
            .build();
        let request = self.bucket.client.complete_multipart_upload();
        let sent = request
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .set_upload_id(self.upload)
            .multipart_upload(parts)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| self.bucket.failed("write", self.bucket.place(&self.key), error))
    }

    async fn put(self) -> Result<(), Error> {
        let request = self.bucket.client.put_object();
        let sent = request
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .content_type(MEDIA_TYPE)
            .content_disposition(DISPOSITION)
            .body(ByteStream::from(self.rest))
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| self.bucket.failed("write", self.bucket.place(&self.key), error))
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let upload = self.upload_id().await?;
        let number =
            i32::try_from(self.sent.len() + 1).expect("S3 takes 10,000 parts, and says so of the next");
        let request = self.bucket.client.upload_part();
        let sent = request
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .upload_id(upload)
            .part_number(number)
            .body(ByteStream::from(std::mem::take(&mut self.rest)))
            .send()
            .await
            .map_err(|error| self.bucket.failed("write", self.bucket.place(&self.key), error))?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .build();
        self.sent.push(part);
        Ok(())
    }

    async fn upload_id(&mut self) -> Result<String, Error> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let request = self.bucket.client.create_multipart_upload();
        let begun = request
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .content_type(MEDIA_TYPE)
            .content_disposition(DISPOSITION)
            .send()
            .await
            .map_err(|error| self.bucket.failed("write", self.bucket.place(&self.key), error))?;
        let upload = begun.upload_id.unwrap_or_default();
        self.upload = Some(upload.clone());
        Ok(upload)
    }
}

impl Bucket {
    /// Removes an object, and what there is of it where it never became whole.
    pub(super) async fn erase(&self, key: &ObjectKey) -> Result<(), Error> {
        let begun = self
            .client
            .list_multipart_uploads()
            .bucket(&self.name)
            .prefix(key.as_str())
            .send()
            .await
            .map_err(|error| self.failed("list", self.place(key), error))?;
        let uploads = begun.uploads().iter();
        for upload in uploads.filter(|upload| upload.key() == Some(key.as_str())) {
            let request = self.client.abort_multipart_upload();
            let aborted = request
                .bucket(&self.name)
                .key(key.as_str())
                .set_upload_id(upload.upload_id.clone())
                .send()
                .await;
            match aborted {
                Ok(_) => {}
                // Somebody else was faster.
                Err(error) if code_of(&error) == Some("NoSuchUpload") => {}
                Err(error) => return Err(self.failed("delete", self.place(key), error)),
            }
        }
        self.delete(key).await
    }
}

fn code_of(error: &impl aws_sdk_s3::error::ProvideErrorMetadata) -> Option<&str> {
    error.code()
}

/// The least that S3 takes of a part that is not the last; this much of every upload is in memory.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// Whatever a link to it asks for, the object itself is nothing that a browser shows.
const MEDIA_TYPE: &str = "application/octet-stream";
const DISPOSITION: &str = "attachment";
