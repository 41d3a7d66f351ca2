//! Objects in a bucket.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use secrecy::ExposeSecret;

use super::{Addressing, S3Config};
use crate::{Error, ObjectKey};

/// A bucket of an S3 server.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(super) client: Client,
    /// Signs links for callers who reach the server elsewhere than we do.
    pub(super) public: Client,
    pub(super) name: String,
    server: String,
}

impl Bucket {
    pub(crate) fn new(config: &S3Config) -> Self {
        let secret = config.secret_access_key.expose_secret();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region.clone()))
            .credentials_provider(Credentials::new(
                &config.access_key_id,
                secret,
                None,
                None,
                "settings",
            ))
            .force_path_style(config.addressing == Addressing::Path)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(timeouts)
            // Many servers that aren't Amazon's don't know the newer checksums.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        settings.set_endpoint_url(config.endpoint.clone());
        let mut public = settings.clone();
        if config.public_endpoint.is_some() {
            public.set_endpoint_url(config.public_endpoint.clone());
        }
        let server = config
            .endpoint
            .clone()
            .unwrap_or_else(|| format!("Amazon S3 in {}", config.region));
        Self {
            client: Client::from_conf(settings.build()),
            public: Client::from_conf(public.build()),
            name: config.bucket.clone(),
            server,
        }
    }

    pub(crate) fn place(&self, key: &ObjectKey) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub(crate) async fn put(&self, key: &ObjectKey, media_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let request = self.client.put_object().bucket(&self.name).key(key.as_str());
        let sent = request
            .content_type(media_type)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| self.failed("write", self.place(key), error))
    }

    pub(crate) async fn get(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, Error> {
        let object = match self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key.as_str())
            .send()
            .await
        {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.failed("read", self.place(key), error)),
        };
        let bytes = object.body.collect().await.map_err(|error| Error::S3 {
            doing: "read",
            place: self.place(key),
            reason: format!("{}: the connection broke off: {error}", self.server),
        })?;
        Ok(Some(bytes.to_vec()))
    }

    pub(crate) async fn exists(&self, key: &ObjectKey) -> Result<bool, Error> {
        match self
            .client
            .head_object()
            .bucket(&self.name)
            .key(key.as_str())
            .send()
            .await
        {
            Ok(_) => Ok(true),
            // A reply to HEAD has no body to say whether it is the object or the bucket that is missing.
            Err(error) if status_of(&error) == Some(404) => self.bucket_is_there(key).await.map(|()| false),
            Err(error) => Err(self.failed("look at", self.place(key), error)),
        }
    }

    pub(crate) async fn delete(&self, key: &ObjectKey) -> Result<(), Error> {
        match self
            .client
            .delete_object()
            .bucket(&self.name)
            .key(key.as_str())
            .send()
            .await
        {
            Ok(_) => Ok(()),
            // Amazon calls this a success; some servers say that there was nothing.
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.failed("delete", self.place(key), error)),
        }
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, Error> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let place = || format!("s3://{}/{prefix}", self.name);
            let page = page.map_err(|error| self.failed("list", place(), error))?;
            // What is no key of ours was put there by somebody else.
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| ObjectKey::parse(object.key()?).ok()),
            );
        }
        keys.sort();
        Ok(keys)
    }

    async fn bucket_is_there(&self, key: &ObjectKey) -> Result<(), Error> {
        let asked = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .max_keys(1)
            .send()
            .await;
        asked
            .map(drop)
            .map_err(|error| self.failed("look at", self.place(key), error))
    }

    pub(super) fn failed<E>(&self, doing: &'static str, place: String, error: SdkError<E>) -> Error
    where
        SdkError<E>: ProvideErrorMetadata,
        E: std::error::Error + 'static,
    {
        let code = error.code();
        let said = match (code, error.message()) {
            (Some(code), Some(message)) => format!("{code}, {message}"),
            (Some(code), None) => code.to_owned(),
            // What never reached a server says why only in its sources.
            (None, _) => DisplayErrorContext(&error).to_string(),
        };
        let remedy = match code {
            Some("NoSuchBucket") => format!("; create the bucket {} first", self.name),
            Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AccessDenied") => {
                "; check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_REGION and what this key may do"
                    .to_owned()
            }
            None => "; is S3_ENDPOINT right, and does S3_PATH_STYLE fit the server?".to_owned(),
            Some(_) => String::new(),
        };
        Error::S3 {
            doing,
            place,
            reason: format!("{}: {said}{remedy}", self.server),
        }
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
const ATTEMPTS_MAX: u32 = 4;

fn status_of<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
