//! An answer that others share, as whoever asks may see it.

use std::borrow::Cow;
use std::sync::Arc;

use api::{ConnectionView, ExplainReply, KeyView, PortsReply, SettingsReply};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use settings::without_arguments;

use crate::access::Role;
use crate::gate::Viewer;

/// As JSON, without a copy.
pub(crate) struct Told<T>(pub(crate) Arc<T>);

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        json(&*self.0)
    }
}

fn json(value: &impl Serialize) -> Response {
    // Replies are structs of numbers and strings, which are always JSON.
    let text = serde_json::to_string(value).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// What has more in it than everybody is to see.
pub(crate) trait Guarded: Clone {
    /// Takes out what is an admin's: arguments of virtual devices, which hold paths and, with some drivers, secrets.
    fn cut(&mut self);
}

/// As `viewer` may see it.
pub(crate) fn seen_by<'v, T: Guarded>(viewer: &Viewer, value: &'v T) -> Cow<'v, T> {
    if viewer.0.role >= Role::Admin {
        return Cow::Borrowed(value);
    }
    let mut value = value.clone();
    value.cut();
    Cow::Owned(value)
}

/// As JSON, as `viewer` may see it.
pub(crate) fn tell<T: Guarded + Serialize>(viewer: &Viewer, value: &T) -> Response {
    json(&*seen_by(viewer, value))
}

impl Guarded for PortsReply {
    fn cut(&mut self) {
        for port in &mut self.ports {
            port.device = without_arguments(&port.device);
        }
    }
}

impl Guarded for SettingsReply {
    fn cut(&mut self) {
        let cut = |key: &mut KeyView| {
            for text in [&mut key.value, &mut key.default].into_iter().flatten() {
                *text = without_arguments(text);
            }
        };
        for port in &mut self.ports {
            port.device = without_arguments(&port.device);
            port.keys.iter_mut().for_each(cut);
        }
    }
}

impl Guarded for ExplainReply {
    fn cut(&mut self) {
        let cut = |text: &mut String| *text = without_arguments(text);
        cut(&mut self.verdict);
        self.cure.iter_mut().for_each(cut);
        for check in &mut self.checks {
            cut(&mut check.text);
            check.cure.iter_mut().chain(check.values.values_mut()).for_each(cut);
        }
    }
}

impl Guarded for ConnectionView {
    fn cut(&mut self) {
        self.device = without_arguments(&self.device);
    }
}
