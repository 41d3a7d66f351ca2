//! What can go wrong, and the one shape in which callers are told.

use std::{io, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why the service can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener failed.
    #[error("serving HTTP: {0}")]
    Serve(#[source] io::Error),
    /// The URL of Redis is none.
    #[error("REDIS_URL is no URL of a Redis server; write redis://HOST:6379, or rediss:// for TLS")]
    RedisUrl,
    /// The first administrator can't be made.
    #[error("can't make the first administrator: {0}")]
    FirstAdministrator(String),
    /// The provider that people may log in by does not answer, or not as it should.
    #[error(
        "{issuer}: {reason}; is OIDC_ISSUER the issuer that its /.well-known/openid-configuration has, letter by letter?"
    )]
    Oidc {
        /// Its URL.
        issuer: String,
        /// What is wrong.
        reason: String,
    },
    /// The database failed while we started.
    #[error(transparent)]
    Storage(#[from] lectern_storage::Error),
}

/// What went wrong with a request, for the caller.
#[derive(Debug, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    details: Option<Value>,
    retry_after: Option<Duration>,
    request_id: Uuid,
}

/// Every kind of error that a caller may have to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The body or the path is not what it has to be in form.
    BadRequest,
    /// Nobody is logged in, or the proof of it is not, or no longer, good.
    Unauthenticated,
    /// Address and password don't belong together.
    LoginFailed,
    /// The caller may not do this.
    Forbidden,
    /// This instance is not open to everybody yet.
    AccessKeyRequired,
    /// A page of another site made this request.
    OriginRefused,
    /// An administrator has switched the account off.
    AccountDisabled,
    /// Nobody can register here; an administrator makes accounts.
    RegistrationClosed,
    /// Nobody logs in by a provider here.
    OidcOff,
    /// This login by a provider was begun too long ago or in another browser, or was used already.
    OidcExpired,
    /// The provider did not let them in, or they changed their mind.
    OidcDenied,
    /// What the provider said of them is not good.
    OidcFailed,
    /// The provider does not answer.
    OidcUnavailable,
    /// The provider gives no address of theirs that it has verified.
    EmailUnverified,
    /// Addresses of this domain can't log in by the provider.
    EmailDomainRefused,
    /// The room asks for a PIN.
    PinRequired,
    /// This is not the room's PIN.
    PinWrong,
    /// The room takes nobody new.
    RoomLocked,
    /// A host sent them out of the room for good.
    Banned,
    /// There is nothing at this path.
    NotFound,
    /// The link was taken back or used, has expired, or never was.
    LinkEnded,
    /// There is no such account.
    UserNotFound,
    /// There is no such room.
    RoomNotFound,
    /// Nobody of that id waits at this door.
    EntryNotFound,
    /// There is no such lecture.
    LectureNotFound,
    /// The lecture has no such segment.
    SegmentNotFound,
    /// Somebody else corrected it meanwhile.
    SegmentChanged,
    /// It is not made yet.
    NotYet,
    /// Nobody of that identity is in the room.
    NotInRoom,
    /// There is no such message, or no more.
    MessageNotFound,
    /// There is no such webhook.
    WebhookNotFound,
    /// Nothing of that id was told to this webhook, or it was long ago.
    DeliveryNotFound,
    /// The room has no chat.
    ChatOff,
    /// There is no such file, or no more.
    FileNotFound,
    /// No files are shared in the room.
    FilesOff,
    /// The room has as many files as it may.
    TooManyFiles,
    /// The file is larger than files may be; the details say how large they may be.
    FileTooLarge,
    /// Files of this kind are not taken.
    FileTypeRefused,
    /// The file ends before the range that was asked for.
    RangeNotSatisfiable,
    /// The room has no time to meet at.
    NotScheduled,
    /// The caller's own address can't be written into mail.
    NoSender,
    /// The path takes other methods.
    MethodNotAllowed,
    /// There is an account of that address.
    EmailTaken,
    /// Nobody would be left who may do everything.
    LastAdministrator,
    /// The account holds rooms, and nobody was named who takes them; the details say how many.
    UserHoldsRooms,
    /// The room is over.
    RoomEnded,
    /// Somebody else decided already.
    EntryDecided,
    /// The webhook is switched off.
    WebhookOff,
    /// There are as many webhooks as there may be.
    TooManyWebhooks,
    /// Too much waits for this webhook already.
    WebhookFull,
    /// More people wait than the lobby has room for.
    LobbyFull,
    /// The body is larger than this path takes.
    BodyTooLarge,
    /// The body is not JSON, or does not say so.
    UnsupportedMediaType,
    /// A field is missing or not what it has to be; the details name it (`field`) and what it breaks (`rule`), and where there
    /// are such, the bounds that it has to keep (`minimum`, `limit`).
    ValidationFailed,
    /// Too many requests; the header `Retry-After` says when to come again.
    RateLimited,
    /// It is our own fault.
    Internal,
    /// LiveKit does not answer, or not as it should.
    LivekitUnavailable,
    /// The database does not answer.
    Unavailable,
    /// Something that is needed is away; the details say what.
    NotReady,
}

/// What a field breaks, for programs that say so in their own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "rule", rename_all = "camelCase")]
pub(crate) enum Rule {
    /// It is missing.
    Required,
    /// Nothing is written in it.
    Empty,
    /// It has characters that can't be shown.
    Unprintable,
    /// It has more characters than this.
    TooLong {
        /// As many it may have.
        limit: usize,
    },
    /// It has fewer characters than this.
    TooShort {
        /// As many it has to have.
        minimum: usize,
    },
    /// It is not within these bounds.
    OutOfRange {
        /// The least.
        minimum: u32,
        /// The most.
        limit: u32,
    },
    /// It is no address of e-mail.
    Email,
    /// It is a password that others would try among the first.
    Guessable,
    /// It is no PIN: only digits, this many.
    Pin {
        /// The fewest.
        minimum: usize,
        /// The most.
        limit: usize,
    },
    /// It is no time.
    Time,
    /// It is no name of a time zone.
    TimeZone,
    /// It is no language.
    Language,
    /// It is no URL that can be called.
    Url,
    /// It is no name of a file.
    FileName,
    /// It names nobody or nothing that there is.
    Unknown,
    /// It is wrong in another way, which the message tells.
    Invalid,
}

impl ApiError {
    /// An error of this kind, with what to do about it in a sentence.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            request_id: Uuid::now_v7(),
        }
    }

    /// What kind of error it is.
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// More for programs.
    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// What the log calls this request.
    pub(crate) fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// A field of the request that is not what it has to be, in a way that has no rule of its own.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::broken(field, Rule::Invalid, message)
    }

    /// A field of the request that breaks a rule.
    pub(crate) fn broken(field: &str, rule: Rule, message: impl Into<String>) -> Self {
        let message = format!("{field}: {}", message.into());
        Self::new(ErrorCode::ValidationFailed, message).with_details(rule.details(field))
    }

    /// A field that has more characters than it may.
    pub(crate) fn too_long(field: &str, limit: usize) -> Self {
        let message = format!("it may have at most {limit} characters");
        Self::broken(field, Rule::TooLong { limit }, message)
    }

    /// A number, or a number of things, that is too small or too large.
    pub(crate) fn out_of_range(field: &str, minimum: u32, limit: u32) -> Self {
        let message = format!("from {minimum} to {limit}");
        Self::broken(field, Rule::OutOfRange { minimum, limit }, message)
    }

    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this path takes other methods; the header Allow names them";
        Self::new(ErrorCode::MethodNotAllowed, message)
    }

    pub(crate) fn room_not_found() -> Self {
        let message = "there is no such room, or no longer; check the link or the code";
        Self::new(ErrorCode::RoomNotFound, message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    pub(crate) fn rate_limited(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs().max(1);
        let message = format!("too many requests; try again in {seconds} s");
        let error = Self::new(ErrorCode::RateLimited, message);
        Self {
            retry_after: Some(Duration::from_secs(seconds)),
            ..error
        }
    }

    /// Our own fault: what happened goes to the log under the id that the caller is told.
    pub(crate) fn internal(what: impl std::fmt::Display) -> Self {
        let message = "this went wrong on our side; the log has more under this request's id";
        let error = Self::new(ErrorCode::Internal, message);
        tracing::error!(request.id = %error.request_id, "request {} failed: {what}", error.request_id);
        error
    }

    pub(crate) fn livekit(what: impl std::fmt::Display) -> Self {
        let message = "LiveKit did not do what it was asked; try again in a moment";
        let error = Self::new(ErrorCode::LivekitUnavailable, message);
        tracing::warn!(request.id = %error.request_id, "request {}: LiveKit: {what}", error.request_id);
        error
    }
}

impl Rule {
    fn details(self, field: &str) -> Value {
        let mut details = serde_json::to_value(self).unwrap_or_default();
        details["field"] = json!(field);
        details
    }
}

impl From<lectern_storage::Error> for ApiError {
    fn from(error: lectern_storage::Error) -> Self {
        match error {
            lectern_storage::Error::Cursor => Self::invalid("cursor", error.to_string()),
            _ if error.is_away() => {
                let message = "the database does not answer; try again in a moment";
                let told = Self::new(ErrorCode::Unavailable, message);
                tracing::warn!(request.id = %told.request_id, "request {}: {error}", told.request_id);
                told
            }
            _ => Self::internal(error),
        }
    }
}

impl ErrorCode {
    /// The code as callers read it.
    pub(crate) fn text(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::OidcExpired => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::LoginFailed => StatusCode::UNAUTHORIZED,
            Self::Forbidden
            | Self::OidcDenied
            | Self::EmailUnverified
            | Self::EmailDomainRefused
            | Self::AccountDisabled
            | Self::AccessKeyRequired
            | Self::OriginRefused
            | Self::RegistrationClosed
            | Self::PinRequired
            | Self::PinWrong
            | Self::RoomLocked
            | Self::Banned
            | Self::ChatOff
            | Self::FilesOff => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::OidcOff
            | Self::LinkEnded
            | Self::UserNotFound
            | Self::RoomNotFound
            | Self::EntryNotFound
            | Self::LectureNotFound
            | Self::SegmentNotFound
            | Self::NotInRoom
            | Self::MessageNotFound
            | Self::WebhookNotFound
            | Self::DeliveryNotFound
            | Self::FileNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::EmailTaken
            | Self::LastAdministrator
            | Self::UserHoldsRooms
            | Self::RoomEnded
            | Self::EntryDecided
            | Self::NotScheduled
            | Self::NoSender
            | Self::SegmentChanged
            | Self::NotYet
            | Self::TooManyFiles
            | Self::WebhookOff
            | Self::TooManyWebhooks
            | Self::WebhookFull => StatusCode::CONFLICT,
            Self::BodyTooLarge | Self::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UnsupportedMediaType | Self::FileTypeRefused => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::OidcFailed => StatusCode::BAD_GATEWAY,
            Self::LivekitUnavailable
            | Self::OidcUnavailable
            | Self::Unavailable
            | Self::NotReady
            | Self::LobbyFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (
            self.code.status(),
            Json(ErrorBody {
                success: false,
                error: ErrorDetail {
                    code: self.code,
                    message: self.message,
                    details: self.details,
                },
                request_id: self.request_id.to_string(),
            }),
        )
            .into_response();
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if self.code == ErrorCode::Unauthenticated {
            let how = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

/// What every error looks like.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody {
    /// Always false.
    success: bool,
    error: ErrorDetail,
    /// What the log calls this request.
    request_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    code: ErrorCode,
    /// What is wrong and what to do about it, in a sentence.
    message: String,
    /// More for programs, where there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}
