//! `/api/v1/`: what the page does, for every program.

mod body;
mod change;
mod connections;
mod doc;
mod session;
mod show;
mod told;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::{gate, live, metrics, page};

pub use show::{BackendStatus, ProxyStatus, Status, Traffic};
pub(crate) use show::{status_of, unit_now};

/// Where the API begins.
const BASE: &str = "/api/v1";

fn documented() -> (Router<Arc<App>>, OpenApi) {
    let api = OpenApiRouter::with_openapi(doc::frame())
        .routes(routes!(session::log_in, session::who, session::log_out))
        .routes(routes!(show::status))
        .routes(routes!(show::groups))
        .routes(routes!(show::ports))
        .routes(routes!(show::counters))
        .routes(routes!(show::workers))
        .routes(routes!(show::latency))
        .routes(routes!(show::settings))
        .routes(routes!(show::events))
        .routes(routes!(show::explain))
        .routes(routes!(connections::connections))
        .routes(routes!(change::preview))
        .routes(routes!(change::change))
        .routes(routes!(change::reload))
        .routes(routes!(live::stream));
    let (router, api) = OpenApiRouter::new().nest(BASE, api).split_for_parts();
    (router, doc::complete(api))
}

/// The OpenAPI document of all that [`router`] serves below `/api/v1/`.
pub fn openapi() -> OpenApi {
    documented().1
}

/// Everything that is served: the API, the metrics, the page.
pub fn router(app: &Arc<App>) -> Router {
    let (api, document) = documented();
    let document = serde_json::to_string(&document).unwrap_or_default();
    api.route(
        &format!("{BASE}/openapi.json"),
        get(move || async move { ([("content-type", "application/json")], document) }),
    )
    .route("/api/{*rest}", axum::routing::any(nothing))
    .route("/metrics", get(metrics::metrics))
    .fallback(page::page)
    .method_not_allowed_fallback(wrong_method)
    .layer(DefaultBodyLimit::max(app.settings.limits.body))
    .layer(axum::middleware::from_fn_with_state(Arc::clone(app), gate::guard))
    .with_state(Arc::clone(app))
}

async fn nothing() -> impl IntoResponse {
    Problem::new(Kind::NotFound, "no such path", "GET /api/v1/openapi.json tells all there are")
}

async fn wrong_method() -> impl IntoResponse {
    Problem::new(
        Kind::MethodNotAllowed,
        "not by this method",
        "GET /api/v1/openapi.json tells the methods of each path",
    )
}
