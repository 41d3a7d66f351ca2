//! What a request carries, parsed; what is wrong with it, told in our own form.

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use lectern_storage::Cursor;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{ApiError, ErrorCode, error::Rule};

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused_body(rejection)),
        }
    }
}

fn refused_body(rejection: JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::JsonDataError(error) => {
            // `Failed to deserialize …: FIELD: what is wrong with it`
            let text = error.body_text();
            let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
            let (field, message) = match said.split_once(": ") {
                Some((field, message)) if !field.contains(' ') => (field, message),
                _ => (missing_field(said).unwrap_or("body"), said),
            };
            ApiError::broken(field, rule_of(said), without_position(message))
        }
        JsonRejection::JsonSyntaxError(_) => ApiError::new(
            ErrorCode::BadRequest,
            "the body is not JSON, or nested too deeply",
        ),
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "send JSON, with the header content-type: application/json",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorCode::BodyTooLarge, "the body is larger than this path takes")
        }
        _ => ApiError::new(ErrorCode::BadRequest, "the body did not arrive whole"),
    }
}

/// The field that "missing field `name`" is about.
fn missing_field(said: &str) -> Option<&str> {
    said.strip_prefix("missing field `")?.split('`').next()
}

fn rule_of(said: &str) -> Rule {
    match missing_field(said) {
        Some(_) => Rule::Required,
        None => Rule::Invalid,
    }
}

/// Where in the body it was says nothing to who made it with a program.
fn without_position(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

/// What stands in the path, by name or in order.
pub(crate) struct InPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        // What can't be decoded leads nowhere.
        found
            .map(|Path(value)| Self(value))
            .map_err(|_| ApiError::not_found(parts.uri.path()))
    }
}

/// What stands after the question mark.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        found.map(|Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
            let (field, message) = said
                .split_once(": ")
                .unwrap_or((missing_field(said).unwrap_or("query"), said));
            ApiError::broken(field, rule_of(said), message)
        })
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// At most so many items.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: u32,
    /// Where to go on: `nextCursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    /// The limit and the place to go on from.
    pub(crate) fn parse(self) -> Result<(u32, Option<Cursor>), ApiError> {
        if !(1..=lectern_storage::PAGE_ITEMS_MAX).contains(&self.limit) {
            return Err(ApiError::out_of_range(
                "limit",
                1,
                lectern_storage::PAGE_ITEMS_MAX,
            ));
        }
        let cursor = self.cursor.as_deref().map(Cursor::parse).transpose()?;
        Ok((self.limit, cursor))
    }
}

fn default_limit() -> u32 {
    50
}

/// One line of text that people will read: trimmed, not empty, of at most `max` characters, without any that control
/// how the others are shown.
pub(crate) fn one_line(field: &str, text: &str, max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ApiError::broken(field, Rule::Empty, "it is empty"));
    }
    if text.chars().count() > max {
        return Err(ApiError::too_long(field, max));
    }
    match text
        .chars()
        .find(|letter| letter.is_control() || is_invisible(*letter))
    {
        Some(_) => {
            let message = "it has characters that can't be shown";
            Err(ApiError::broken(field, Rule::Unprintable, message))
        }
        None => Ok(text.to_owned()),
    }
}

/// A text of several lines: trimmed, not empty, of at most `max` characters, without the one that no database takes.
pub(crate) fn some_text<'a>(field: &str, text: &'a str, max: usize) -> Result<&'a str, ApiError> {
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return Err(ApiError::broken(
            field,
            Rule::Empty,
            "it is empty, or has a NUL in it",
        ));
    }
    match text.chars().count() > max {
        true => Err(ApiError::too_long(field, max)),
        false => Ok(text),
    }
}

/// What turns the direction of others around, joins nothing, or hides text: of no use in a name but to deceive.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_that_can_be_read() {
        assert_eq!(
            one_line("name", "  Zoë O’Neil ", 80).expect("a name"),
            "Zoë O’Neil"
        );
        for text in [
            "",
            "  ",
            "a\nb",
            "a\u{0}b",
            "evil\u{202e}txt",
            "tag\u{e0041}",
            &"x".repeat(81),
        ] {
            assert!(one_line("name", text, 80).is_err(), "{text:?}");
        }
    }
}
