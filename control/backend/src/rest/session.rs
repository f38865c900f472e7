//! Logging in and out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::IntoResponse;
use axum::{Json, RequestExt, extract};
use serde::{Deserialize, Serialize};

use crate::access::{PasswordHash, Role, Secret, Source};
use crate::app::App;
use crate::gate::{self, Connection, Viewer};
use crate::problem::{Kind, Problem};
use crate::rest::body::Body;

/// For a password's turn to be hashed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Name and password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The user's name.
    #[schema(max_length = 64)]
    user: String,
    /// Their password.
    #[schema(max_length = 1024)]
    password: String,
}

/// Who is logged in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SessionAnswer {
    /// The user's name, or the token's.
    user: String,
    /// What they may do.
    role: Role,
    /// What the header `X-CSRF-Token` of every request but GET must carry; `null` with a token, which needs none.
    csrf: Option<String>,
}

/// Log in. The session is a cookie; it ends at DELETE, without use, and at its age.
#[utoipa::path(
    post, path = "/session", tag = "session", operation_id = "log-in", security(()),
    request_body = Login,
    responses((status = 200, body = SessionAnswer))
)]
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Connection>,
    request: extract::Request,
) -> Result<impl IntoResponse, Problem> {
    gate::require_own_origin(request.headers(), request.uri())?;
    let Body(Login { user, password }) = request.extract_with_state(&app).await?;
    let file = app.access()?;
    if file.users.is_empty() {
        return Err(gate::no_users());
    }
    let source = Source::of(connection.client);
    // No name of ours is longer; a bucket for each of the others would only cost memory.
    let named: String = user.chars().take(64).collect();
    let now = Instant::now();
    let tried = app.attempts().take(source, &named, now);
    if let Err(wait) = tried {
        app.counts.login_refused();
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
        let what = "too many wrong passwords for this user or from this address";
        let problem = Problem::new(Kind::TooManyAttempts, what, format!("try again in {seconds} s"));
        return Err(Problem { retry_after: Some(seconds), ..problem });
    }
    let found = file.user(&user).cloned();
    let exists = found.is_some();
    let kept = found.as_ref().map(|user| user.password.clone());
    let place = tokio::time::timeout(PATIENCE, Arc::clone(&app.hashing).acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        app.attempts().give_back(source, &named, Instant::now());
        return Err(Problem::new(Kind::Busy, "too many log in at a time", "try again in some seconds"));
    };
    // The place is the work's, which goes on when the client hangs up.
    let right = tokio::task::spawn_blocking(move || {
        let _place = place;
        PasswordHash::verify(kept.as_ref(), &password)
    });
    let right = right.await;
    let Some(user) = found.filter(|_| right.unwrap_or(false)) else {
        app.counts.login_refused();
        // A name that is none of ours may be a password in the wrong field.
        let who = if exists { named.as_str() } else { "(unknown)" };
        tracing::warn!(user = who, client = %connection.client, "login refused");
        let what = "there is no such user, or the password is another";
        return Err(Problem::new(Kind::WrongPassword, what, "mind capitals and the keyboard's layout"));
    };
    app.attempts().succeed(source, &named, Instant::now());
    tracing::info!(user = user.name, client = %connection.client, "logged in");
    let secrets = [Secret::random(), Secret::random()];
    let opened = app.sessions().open(&user.name, &user.generation, secrets, Instant::now());
    let answer = SessionAnswer { user: user.name, role: user.role, csrf: Some(opened.csrf) };
    Ok(([(SET_COOKIE, set_cookie(&opened.cookie, connection.tls, None))], Json(answer)))
}

/// Who is logged in, and with which CSRF token.
#[utoipa::path(
    get, path = "/session", tag = "session", operation_id = "who-am-i",
    responses((status = 200, body = SessionAnswer))
)]
pub(crate) async fn who(Viewer(caller): Viewer) -> Json<SessionAnswer> {
    Json(SessionAnswer { user: caller.name, role: caller.role, csrf: caller.csrf })
}

/// Log out.
#[utoipa::path(
    delete, path = "/session", tag = "session", operation_id = "log-out",
    responses((status = 204, description = "The session is over."))
)]
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Connection>,
    _: Viewer,
    headers: HeaderMap,
) -> impl IntoResponse {
    if let Some(cookie) = gate::cookie(&headers, connection.tls) {
        app.sessions().close(cookie);
    }
    (StatusCode::NO_CONTENT, [(SET_COOKIE, set_cookie("", connection.tls, Some(0)))])
}

fn set_cookie(value: &str, tls: bool, max_age: Option<u32>) -> String {
    let (name, secure) =
        if tls { (gate::SECURE_SESSION_COOKIE, "; Secure") } else { (gate::SESSION_COOKIE, "") };
    let age = max_age.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_the_browsers_alone_and_bound_to_tls_where_there_is_some() {
        assert_eq!(set_cookie("x", false, None), "manifold-session=x; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(
            set_cookie("", true, Some(0)),
            "__Host-manifold-session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
        );
    }
}
