//! Bodies, queries and paths of requests: what they are not is told as a problem.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// A body of JSON, of bounded size, that came in time.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limits = app.settings.limits;
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes > limits.body as u64) {
            return Err(too_large(limits.body));
        }
        match tokio::time::timeout(limits.body_time, Json::from_request(request, app)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(refuse(&rejection, limits.body)),
            Err(_) => Err(Problem::new(
                Kind::BodyTooSlow,
                format!("the body did not arrive within {} s", limits.body_time.as_secs_f64()),
                "send it at once",
            )),
        }
    }
}

fn refuse(rejection: &JsonRejection, most: usize) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(most);
    }
    let cure = "send JSON as /api/v1/openapi.json describes it, with Content-Type: application/json";
    Problem::new(Kind::BadRequest, rejection.body_text(), cure)
}

fn too_large(most: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body has more than {most} bytes"), "send less at a time")
}

/// The query of the address.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, app).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            Problem::new(Kind::BadRequest, rejection.body_text(), "see /api/v1/openapi.json")
        })
    }
}

/// What the address names.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value)).map_err(|rejection| {
            Problem::new(Kind::BadRequest, rejection.body_text(), "see /api/v1/openapi.json")
        })
    }
}
