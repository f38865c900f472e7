//! `GET /metrics`, for Prometheus.

mod families;
mod text;

use std::sync::Arc;

use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::gate::{Connection, Viewer};
use crate::problem::Problem;
use families::Heard;

/// The text format that every Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures. To a session or a token, and on loopback to anybody where the settings say so.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, Problem> {
    let local = connection.client.is_loopback() && connection.local.ip().is_loopback();
    if !(local && app.settings.metrics.open_on_loopback) {
        let (mut parts, _) = request.into_parts();
        Viewer::from_request_parts(&mut parts, &app).await?;
    }
    let status = app.proxy.status().await.ok();
    // A proxy that hangs is asked one thing, not six.
    let heard = match status {
        None => Heard::default(),
        Some(status) => {
            let (ports, counters, groups, workers, latency) = tokio::join!(
                app.proxy.ports(),
                app.proxy.counters(),
                app.proxy.groups(),
                app.proxy.workers(),
                app.proxy.latency()
            );
            Heard {
                status: Some(status),
                ports: ports.ok(),
                counters: counters.ok(),
                groups: groups.ok(),
                workers: workers.ok(),
                latency: latency.ok(),
            }
        }
    };
    let text = families::all(&heard, &families::Own::of(&app), app.settings.metrics.max_groups);
    Ok(([(CONTENT_TYPE, FORMAT)], text).into_response())
}
