//! Who asks: a session by its cookie, or a token.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;

use crate::access::{AccessFile, Role, is_same};
use crate::app::App;
use crate::gate::{Connection, authority, host};
use crate::problem::{Kind, Problem};
use crate::proxy::unix_ms;

/// The cookie's name without TLS.
pub(crate) const SESSION_COOKIE: &str = "manifold-session";
/// The cookie's name under TLS: browsers take it only from this very host, and only when it is secure.
pub(crate) const SECURE_SESSION_COOKIE: &str = "__Host-manifold-session";
/// The header that requests of a session which change something must carry.
const CSRF_HEADER: &str = "x-csrf-token";

/// Somebody who got in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user's or the token's name.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What requests of the session must carry; `None` for a token, which no browser adds by itself.
    pub(crate) csrf: Option<String>,
}

/// Anybody who got in.
#[derive(Debug, Clone)]
pub(crate) struct Viewer(pub(crate) Caller);

/// An admin.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        identify(parts, app).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = identify(parts, app)?;
        if caller.role < Role::Admin {
            let what = format!("{} is a {}, who looks only", caller.name, caller.role);
            return Err(Problem::new(Kind::Forbidden, what, "log in as an admin"));
        }
        Ok(Self(caller))
    }
}

fn identify(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let tls = parts.extensions.get::<Connection>().is_some_and(|connection| connection.tls);
    let caller = find(&parts.headers, tls, app)?;
    if let Some(csrf) = caller.csrf.as_ref().filter(|_| !parts.method.is_safe()) {
        require_own_origin(&parts.headers, &parts.uri)?;
        let given = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_same(csrf, given) {
            return Err(Problem::new(
                Kind::CrossSite,
                format!("the header {CSRF_HEADER} has not the session's token"),
                "GET /api/v1/session tells it",
            ));
        }
    }
    Ok(caller)
}

/// Whether these headers' session or token is still good. Counts as use of the session.
pub(crate) fn is_still_in(headers: &HeaderMap, tls: bool, app: &App) -> bool {
    find(headers, tls, app).is_ok()
}

/// Whose session or token these headers name.
fn find(headers: &HeaderMap, tls: bool, app: &App) -> Result<Caller, Problem> {
    let file = app.access()?;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok().and_then(|value| {
            let (scheme, text) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(text.trim())
        });
        let token = text.and_then(|text| file.token(text, unix_ms() / 1000)).ok_or_else(|| {
            Problem::new(
                Kind::Unauthenticated,
                "the token is none, was revoked, or has ended",
                "`manifold-backend token list` tells them, `manifold-backend token create` makes one",
            )
        })?;
        return Ok(Caller { name: token.name.clone(), role: token.role, csrf: None });
    }
    by_session(headers, tls, app, &file).ok_or_else(|| unauthenticated(&file))
}

fn by_session(headers: &HeaderMap, tls: bool, app: &App, file: &AccessFile) -> Option<Caller> {
    let session = app.sessions().find(cookie(headers, tls)?, Instant::now())?;
    let user = file.user(&session.user).filter(|user| user.generation == session.generation)?;
    Some(Caller { name: user.name.clone(), role: user.role, csrf: Some(session.csrf) })
}

/// The session's cookie, by the name that it has with and without TLS.
pub(crate) fn cookie(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let wanted = if tls { SECURE_SESSION_COOKIE } else { SESSION_COOKIE };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Refuses what another page makes a browser send.
pub(crate) fn require_own_origin(headers: &HeaderMap, uri: &axum::http::Uri) -> Result<(), Problem> {
    // What is no text is no origin of ours.
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let authority = authority(headers, uri).unwrap_or_default();
    if host::is_own_origin(text("origin"), text("sec-fetch-site"), authority) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::CrossSite,
        "the request comes from a page of another origin",
        "send it from this page, or by a program with a token",
    ))
}

/// What to say to somebody without a session.
fn unauthenticated(file: &AccessFile) -> Problem {
    if file.users.is_empty() {
        return no_users();
    }
    Problem::new(
        Kind::Unauthenticated,
        "there is no session",
        "log in by POST /api/v1/session, or send a token as `Authorization: Bearer`",
    )
}

/// What to say while nobody can get in.
pub(crate) fn no_users() -> Problem {
    Problem::new(
        Kind::NoUsers,
        "nobody can log in yet",
        "run `manifold-backend user set NAME --role admin` on this machine",
    )
}
