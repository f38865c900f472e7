//! What only looks.

use std::sync::Arc;

use api::{
    CountersReply, ErrorReply, EventsReply, ExplainReply, GroupsReply, LatencyReply, MAX_EVENTS, PortsReply,
    SettingsReply, StatusReply, WorkersReply,
};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use types::GroupAddr;

use crate::app::App;
use crate::gate::Viewer;
use crate::problem::{Kind, Problem};
use crate::proxy::{ProxyHealth, UnitState};
use crate::rest::body::{Asked, Named};
use crate::rest::told::{self, Told};

/// Both services at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Status {
    /// The proxy.
    pub proxy: ProxyStatus,
    /// This service.
    pub backend: BackendStatus,
}

/// How it stands with the proxy.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ProxyStatus {
    /// Whether it answers.
    pub up: bool,
    /// Why it does not.
    pub error: Option<ErrorReply>,
    /// Seconds for which it has not; `null` while it does.
    pub down_s: Option<f64>,
    /// What systemd says of its unit while it does not answer.
    pub unit: Option<UnitState>,
    /// Answers had since the backend started: the backend's light blinks with it.
    pub answers: u64,
    /// When the last one came, in milliseconds since 1970. What streams tell is as old as this.
    pub last_answer_unix_ms: Option<u64>,
    /// Its own words; while it does not answer, the last that were heard. `null` if none ever were.
    pub status: Option<StatusReply>,
    /// Frames that move: the proxy's light. `null` in the answer to GET, and while that is not known.
    pub traffic: Option<Traffic>,
}

/// Frames that move, all ports together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, utoipa::ToSchema)]
pub struct Traffic {
    /// Frames received each second.
    pub rx_frames_per_s: f64,
    /// Frames sent each second.
    pub tx_frames_per_s: f64,
}

/// This service.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BackendStatus {
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: f64,
    /// Event streams open.
    pub streams: u64,
}

/// What systemd says of the proxy while it does not answer.
pub(crate) async fn unit_now(app: &App) -> Option<UnitState> {
    if is_up(&app.proxy.health().now()) { None } else { app.unit.state().await }
}

fn is_up(health: &ProxyHealth) -> bool {
    health.error.is_none() && health.answers > 0
}

/// Where the proxy stands: `heard` is its status if it has just answered, or what it said last; `unit` is of [`unit_now`].
pub(crate) fn status_of(
    app: &App,
    unit: Option<UnitState>,
    heard: Option<StatusReply>,
    traffic: Option<Traffic>,
) -> Status {
    let health = app.proxy.health().now();
    let up = is_up(&health);
    Status {
        proxy: ProxyStatus {
            up,
            error: health.error,
            down_s: health.down_since.map(|since| api::seconds(since.elapsed())),
            unit: unit.filter(|_| !up),
            answers: health.answers,
            last_answer_unix_ms: health.last_answer_unix_ms,
            status: heard,
            traffic,
        },
        backend: BackendStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: api::seconds(app.started.elapsed()),
            streams: app.live.streams(),
        },
    }
}

/// Both services at a glance. Answers whether the proxy does or not.
#[utoipa::path(
    get, path = "/status", tag = "look", operation_id = "status",
    responses((status = 200, body = Status))
)]
pub(crate) async fn status(_: Viewer, State(app): State<Arc<App>>) -> Json<Status> {
    let heard = match app.proxy.status().await {
        Ok(status) => Some(StatusReply::clone(&status)),
        Err(_) => app.live.last_status(),
    };
    let unit = unit_now(&app).await;
    Json(status_of(&app, unit, heard, None))
}

/// Every group with its members.
#[utoipa::path(
    get, path = "/groups", tag = "look", operation_id = "groups",
    responses((status = 200, body = GroupsReply))
)]
pub(crate) async fn groups(_: Viewer, State(app): State<Arc<App>>) -> Result<Told<GroupsReply>, Problem> {
    Ok(Told(app.proxy.groups().await?))
}

/// Every port with its role, link, policies and totals. Viewers get a virtual device's name without its arguments.
#[utoipa::path(
    get, path = "/ports", tag = "look", operation_id = "ports",
    responses((status = 200, body = PortsReply))
)]
pub(crate) async fn ports(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(told::tell(&viewer, &*app.proxy.ports().await?))
}

/// Every counter of every port.
#[utoipa::path(
    get, path = "/counters", tag = "look", operation_id = "counters",
    responses((status = 200, body = CountersReply))
)]
pub(crate) async fn counters(_: Viewer, State(app): State<Arc<App>>) -> Result<Told<CountersReply>, Problem> {
    Ok(Told(app.proxy.counters().await?))
}

/// Every worker and what it does with its time.
#[utoipa::path(
    get, path = "/workers", tag = "look", operation_id = "workers",
    responses((status = 200, body = WorkersReply))
)]
pub(crate) async fn workers(_: Viewer, State(app): State<Arc<App>>) -> Result<Told<WorkersReply>, Problem> {
    Ok(Told(app.proxy.workers().await?))
}

/// How long joins took.
#[utoipa::path(
    get, path = "/latency", tag = "look", operation_id = "latency",
    responses((status = 200, body = LatencyReply))
)]
pub(crate) async fn latency(_: Viewer, State(app): State<Arc<App>>) -> Result<Told<LatencyReply>, Problem> {
    Ok(Told(app.proxy.latency().await?))
}

/// The settings in force, with what each may be and where it comes from. Viewers get a virtual device's name without its
/// arguments.
#[utoipa::path(
    get, path = "/settings", tag = "look", operation_id = "settings",
    responses((status = 200, body = SettingsReply))
)]
pub(crate) async fn settings(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(told::tell(&viewer, &*app.proxy.settings().await?))
}

/// Which events.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The id of the last event that is known already: `next` of the answer before.
    #[serde(default)]
    #[param(default = 0)]
    after: u64,
    /// The most to be given.
    #[serde(default = "most_events")]
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: u32,
}

const fn most_events() -> u32 {
    MAX_EVENTS
}

/// What happened: joined, left, refused, querier changed, link, settings.
#[utoipa::path(
    get, path = "/events", tag = "look", operation_id = "events", params(EventsQuery),
    responses((status = 200, body = EventsReply))
)]
pub(crate) async fn events(
    _: Viewer,
    State(app): State<Arc<App>>,
    Asked(query): Asked<EventsQuery>,
) -> Result<Json<EventsReply>, Problem> {
    Ok(Json(app.proxy.events(query.after, query.limit).await?))
}

/// What `explain` is about besides the group.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// The client port that it is about; without one, every port that has to do with the group.
    port: Option<String>,
}

/// Why a group is dark, or where it goes. Looks at its frames for a second and a half.
#[utoipa::path(
    get, path = "/explain/{group}", tag = "look", operation_id = "explain",
    params(("group" = String, Path, description = "The group's address, like 239.2.2.2."), ExplainQuery),
    responses((status = 200, body = ExplainReply))
)]
pub(crate) async fn explain(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Named(group): Named<String>,
    Asked(query): Asked<ExplainQuery>,
) -> Result<Response, Problem> {
    let group: GroupAddr = group.parse().map_err(|_| {
        let what = format!("`{}` is no group", group.escape_debug());
        Problem::new(Kind::BadRequest, what, "name an IPv4 multicast address, like 239.2.2.2")
    })?;
    Ok(told::tell(&viewer, &app.proxy.explain(group, query.port).await?))
}
