//! What changes something: all of it in the proxy, which checks it and keeps it.

use std::sync::Arc;

use api::{ChangedReply, Edit, PreviewReply, Request};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::app::App;
use crate::gate::Admin;
use crate::problem::Problem;
use crate::rest::body::Body;

/// Changes of settings: all of them, or none.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edits {
    /// In this order.
    #[schema(max_items = 256)]
    edits: Vec<Edit>,
    /// The revision of the settings that they were made for: with others in force, nothing is changed, and the answer is
    /// 409. Without one, whatever is in force is changed.
    #[serde(default)]
    revision: Option<u64>,
}

/// Changes to be tried.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    /// In this order.
    #[schema(max_items = 256)]
    edits: Vec<Edit>,
}

/// What a change would do, and what is wrong with it. Nothing is done. For admins, who alone
/// could apply it: trying one has the proxy look at the whole machine.
#[utoipa::path(
    post, path = "/preview", tag = "change", operation_id = "preview",
    request_body = Trial,
    responses((status = 200, body = PreviewReply))
)]
pub(crate) async fn preview(
    _: Admin,
    State(app): State<Arc<App>>,
    Body(Trial { edits }): Body<Trial>,
) -> Result<Json<PreviewReply>, Problem> {
    Ok(Json(app.proxy.preview(edits).await?))
}

/// Change settings live: all of them, or none. The switch is the key `enabled`, the connection to the provider the key
/// `upstream`, both without a port.
#[utoipa::path(
    post, path = "/changes", tag = "change", operation_id = "change",
    request_body = Edits,
    responses((status = 200, body = ChangedReply))
)]
pub(crate) async fn change(
    Admin(caller): Admin,
    State(app): State<Arc<App>>,
    Body(Edits { edits, revision }): Body<Edits>,
) -> Result<Json<ChangedReply>, Problem> {
    tracing::info!(by = caller.name, edits = edits.len(), "change");
    Ok(Json(app.proxy.change(Request::Change { edits, revision }).await?))
}

/// Read the settings' files again, and do what differs.
#[utoipa::path(
    post, path = "/reload", tag = "change", operation_id = "reload",
    responses((status = 200, body = ChangedReply))
)]
pub(crate) async fn reload(
    Admin(caller): Admin,
    State(app): State<Arc<App>>,
) -> Result<Json<ChangedReply>, Problem> {
    tracing::info!(by = caller.name, "reload");
    Ok(Json(app.proxy.change(Request::Reload).await?))
}
