//! `GET /api/v1/stream`: the events, to one client.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::gate::{Connection, Viewer, is_still_in};
use crate::live::{Place, poller};
use crate::problem::{Kind, Problem};

/// How often it is looked whether whoever listens may still.
const CHECK: Duration = Duration::from_secs(5);

/// One server-sent event.
pub(crate) fn event(name: &str, data: &impl Serialize) -> String {
    // JSON as it is written here has no line ends, which is what one `data:` line takes.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// Who listens, and what they have yet to get.
struct Listener {
    app: Arc<App>,
    _place: Place,
    first: VecDeque<Bytes>,
    rest: broadcast::Receiver<Bytes>,
    credentials: HeaderMap,
    tls: bool,
    checked: Instant,
}

impl Listener {
    /// The next message; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        if self.checked.elapsed() >= CHECK {
            self.checked = Instant::now();
            if !is_still_in(&self.credentials, self.tls, &self.app) {
                return None;
            }
        }
        loop {
            match self.rest.recv().await {
                Ok(message) if message.is_empty() => {}
                Ok(message) => return Some(message),
                Err(RecvError::Lagged(_)) => {
                    self.app.counts.stream_dropped();
                    return None;
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// What goes on, as server-sent events: `status` (Status), `ports` (PortsMessage), `groups` (GroupsMessage), `events` (EventsMessage), each with
/// one line of JSON as its data. Begins with all of it and goes on twice a second, `groups` and `events` with what is new only. A client
/// that takes nothing for some seconds is cut off; whoever comes again begins anew. The stream counts as use of the
/// session, and ends with it.
#[utoipa::path(
    get, path = "/stream", tag = "look", operation_id = "stream",
    responses((status = 200, content_type = "text/event-stream", body = String))
)]
pub(crate) async fn stream(
    _: Viewer,
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = app.live.place().ok_or_else(|| {
        let streams = app.live.streams();
        let what = format!("{streams} streams are open, which is the limit, or slow ones hold too much");
        let problem = Problem::new(Kind::Busy, what, "close a page, or raise `streams` in [limits]");
        Problem { retry_after: Some(10), ..problem }
    })?;
    poller::refresh(&app).await;
    app.live.looked.notify_one();
    let (first, rest) = app.live.subscribe();
    let mut credentials = HeaderMap::new();
    for name in [COOKIE, AUTHORIZATION] {
        credentials.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
    }
    let listener = Listener {
        app,
        _place: place,
        first: first.into(),
        rest,
        credentials,
        tls: connection.tls,
        checked: Instant::now(),
    };
    let messages = stream::unfold(listener, |mut listener| async {
        let message = listener.next().await?;
        Some((Ok::<_, Infallible>(message), listener))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(messages)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_name_and_one_line() {
        let data = serde_json::json!({"text": "two\nlines\r"});
        assert_eq!(event("status", &data), "event: status\ndata: {\"text\":\"two\\nlines\\r\"}\n\n");
    }
}
