//! What can go wrong, and the one shape in which callers are told.

use std::io;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Why the service can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener failed.
    #[error("serving HTTP: {0}")]
    Serve(#[source] io::Error),
}

/// What went wrong with a request, for the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct ApiError {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What to do about it, in a sentence.
    pub message: String,
    /// More for programs, where there is more.
    pub details: Option<Value>,
}

/// Every kind of error that a caller may have to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// There is nothing at this path.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed,
    /// Something that is needed is away; the details say what.
    NotReady,
}

impl ApiError {
    pub(crate) fn not_found(path: &str) -> Self {
        Self {
            code: ErrorCode::NotFound,
            message: format!("there is nothing at {path}"),
            details: None,
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this path takes other methods; the header Allow names them".to_owned();
        Self {
            code: ErrorCode::MethodNotAllowed,
            message,
            details: None,
        }
    }
}

impl ErrorCode {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = Envelope {
            success: false,
            error: Body {
                code: self.code,
                message: self.message,
                details: self.details,
            },
            request_id: Uuid::now_v7().to_string(),
        };
        (status, Json(body)).into_response()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    success: bool,
    error: Body,
    request_id: String,
}

#[derive(Serialize)]
struct Body {
    code: ErrorCode,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}
