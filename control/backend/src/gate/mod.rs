//! What stands before every handler: the Host header, headers of every answer, and who asks.

mod caller;
mod forwarded;
mod host;

pub(crate) use caller::{Admin, Viewer};
pub(crate) use caller::{
    SECURE_SESSION_COOKIE, SESSION_COOKIE, cookie, is_still_in, no_users, require_own_origin,
};

pub use forwarded::Network;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::{Kind, Problem};

/// The connection that a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The client, which a proxy in front may have told.
    pub(crate) client: IpAddr,
    /// Our end.
    pub(crate) local: SocketAddr,
    /// Whether the browser sees TLS.
    pub(crate) tls: bool,
}

impl Connection {
    /// As `headers` tell it, where whoever sent them is trusted to.
    fn told_by(self, headers: &HeaderMap, trusted: &[Network]) -> Self {
        Self {
            client: forwarded::client(self.client, headers, trusted),
            tls: self.tls || forwarded::is_tls(self.client, headers, trusted),
            ..self
        }
    }
}

/// Headers of every answer. No inline script or style runs, nobody may frame the page, nothing is guessed or told to
/// others, and the browser's devices are closed.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// For places that browsers trust alone: from any other they pass it over, with an error on their console.
const OPENER_POLICY: (&str, &str) = ("cross-origin-opener-policy", "same-origin");

/// A year: browsers that once saw the page over TLS come by nothing else.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Refuses strangers' Host headers, and puts the headers above on every answer.
pub(crate) async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().copied();
    let connection =
        connection.map(|connection| connection.told_by(request.headers(), &app.settings.trusted_proxies));
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection);
    }
    let is_tls = connection.is_some_and(|connection| connection.tls);
    let is_trustworthy =
        is_tls || authority(request.headers(), request.uri()).is_some_and(host::is_this_machine);
    let is_page = !request.uri().path().starts_with("/api/") && request.uri().path() != "/metrics";
    let method = request.method().clone();
    let mut response = match connection {
        Some(connection) if is_ours(&app, &request, connection) => next.run(request).await,
        _ => Problem::new(
            Kind::WrongHost,
            "the Host header names neither this address nor a host of the settings",
            "add the name to `hosts` in backend.toml",
        )
        .into_response(),
    };
    app.counts.answered(response.status());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_trustworthy {
        let (name, value) = OPENER_POLICY;
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
    if !(is_page && (method == Method::GET || method == Method::HEAD)) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn is_ours(app: &App, request: &Request, connection: Connection) -> bool {
    let Some(authority) = authority(request.headers(), request.uri()) else { return false };
    host::is_allowed_host(authority, connection.local.ip(), &app.settings.hosts)
}

/// What the request names as its host: one Host header; a whole address in the request line goes before it.
pub(crate) fn authority<'r>(headers: &'r header::HeaderMap, uri: &'r Uri) -> Option<&'r str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() {
        return None;
    }
    Some(uri.authority().map_or(host, |authority| authority.as_str()))
}
