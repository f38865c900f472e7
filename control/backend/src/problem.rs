//! Errors as RFC 9457 has them: `application/problem+json`.

use api::{ErrorKind, ErrorReply, ProblemView};
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::proxy::Failure;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:manifold:problem:` and the kind's word, which does not change.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The same in English; for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// What would cure it.
    pub cure: String,
    /// Every problem of a change that does not pass, with the port and the key that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemView>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// What kinds of problems there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No session and no token, or none that is valid.
    Unauthenticated,
    /// There is no user yet.
    NoUsers,
    /// The role does not allow it.
    Forbidden,
    /// A request that changes something came from another page, or without the session's CSRF token.
    CrossSite,
    /// The Host header names somebody else.
    WrongHost,
    /// Name and password are not those of a user.
    WrongPassword,
    /// Too many wrong passwords.
    TooManyAttempts,
    /// The request is none: its body, its query.
    BadRequest,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body took too long.
    BodyTooSlow,
    /// There is nothing of that name.
    NotFound,
    /// There is, but not by this method.
    MethodNotAllowed,
    /// Somebody else changed the settings since they were looked at.
    Conflict,
    /// The values do not pass.
    Invalid,
    /// The proxy cannot be reached.
    ProxyDown,
    /// The proxy did not answer in time. A change may still come into force.
    Late,
    /// The proxy could not do it: the machine refuses.
    Failed,
    /// Too much at a time.
    Busy,
    /// The users' file cannot be had.
    State,
}

impl Kind {
    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => {
                ("urn:manifold:problem:unauthenticated", StatusCode::UNAUTHORIZED, "Log in first")
            }
            Self::NoUsers => {
                ("urn:manifold:problem:no-users", StatusCode::UNAUTHORIZED, "There is no user yet")
            }
            Self::Forbidden => {
                ("urn:manifold:problem:forbidden", StatusCode::FORBIDDEN, "Not allowed to this user")
            }
            Self::CrossSite => {
                ("urn:manifold:problem:cross-site", StatusCode::FORBIDDEN, "Not from this page")
            }
            Self::WrongHost => {
                ("urn:manifold:problem:wrong-host", StatusCode::MISDIRECTED_REQUEST, "Not this host")
            }
            Self::WrongPassword => (
                "urn:manifold:problem:wrong-password",
                StatusCode::UNAUTHORIZED,
                "Name and password do not match",
            ),
            Self::TooManyAttempts => (
                "urn:manifold:problem:too-many-attempts",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many wrong passwords",
            ),
            Self::BadRequest => {
                ("urn:manifold:problem:bad-request", StatusCode::BAD_REQUEST, "Not a request")
            }
            Self::BodyTooLarge => (
                "urn:manifold:problem:body-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
            ),
            Self::BodyTooSlow => (
                "urn:manifold:problem:body-too-slow",
                StatusCode::REQUEST_TIMEOUT,
                "The body came too slowly",
            ),
            Self::NotFound => {
                ("urn:manifold:problem:not-found", StatusCode::NOT_FOUND, "There is no such thing")
            }
            Self::MethodNotAllowed => (
                "urn:manifold:problem:method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Not by this method",
            ),
            Self::Conflict => {
                ("urn:manifold:problem:conflict", StatusCode::CONFLICT, "Somebody else changed the settings")
            }
            Self::Invalid => {
                ("urn:manifold:problem:invalid", StatusCode::UNPROCESSABLE_ENTITY, "The change does not pass")
            }
            Self::ProxyDown => (
                "urn:manifold:problem:proxy-down",
                StatusCode::SERVICE_UNAVAILABLE,
                "The proxy does not answer",
            ),
            Self::Late => {
                ("urn:manifold:problem:late", StatusCode::GATEWAY_TIMEOUT, "The proxy did not answer in time")
            }
            Self::Failed => {
                ("urn:manifold:problem:failed", StatusCode::BAD_GATEWAY, "The proxy could not do it")
            }
            Self::Busy => {
                ("urn:manifold:problem:busy", StatusCode::SERVICE_UNAVAILABLE, "Too much at a time")
            }
            Self::State => (
                "urn:manifold:problem:state",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The file of users cannot be read",
            ),
        }
    }
}

impl Problem {
    /// Of a kind, with what is wrong and what would cure it.
    pub fn new(kind: Kind, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        let (kind, status, title) = kind.facts();
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            cure: cure.into(),
            problems: Vec::new(),
            retry_after: None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let reply = failure.reply();
        let kind = match (&failure, reply.kind) {
            (_, ErrorKind::Late) => Kind::Late,
            (Failure::Down(_), _) | (_, ErrorKind::Unavailable | ErrorKind::Denied) => Kind::ProxyDown,
            (Failure::Busy, _) | (_, ErrorKind::Busy) => Kind::Busy,
            (Failure::Refused(_), ErrorKind::BadRequest) => Kind::BadRequest,
            (Failure::Refused(_), ErrorKind::NotFound) => Kind::NotFound,
            (Failure::Refused(_), ErrorKind::Invalid) => Kind::Invalid,
            (Failure::Refused(_), ErrorKind::Conflict) => Kind::Conflict,
            (Failure::Refused(_), ErrorKind::Failed | ErrorKind::TooLong) => Kind::Failed,
        };
        let retry_after = matches!(kind, Kind::ProxyDown | Kind::Busy).then_some(2);
        let ErrorReply { message, cure, problems, .. } = reply;
        Self { problems, retry_after, ..Self::new(kind, message, cure) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
