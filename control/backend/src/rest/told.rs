//! An answer that others share.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// As JSON, without a copy.
pub(crate) struct Told<T>(pub(crate) Arc<T>);

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        // Replies are structs of numbers and strings, which are always JSON.
        let text = serde_json::to_string(&*self.0).unwrap_or_default();
        ([(CONTENT_TYPE, "application/json")], text).into_response()
    }
}
