//! The OpenAPI document, from the handlers and types themselves.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use crate::gate::SESSION_COOKIE;
use crate::{live, problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Manifold",
        description = "The IGMP proxy, seen and changed. Times are in seconds or, where a name ends in `unix_ms`, in \
                       milliseconds since 1970. Errors are RFC 9457 problems, each with its cure. Who has a session sends \
                       its token in the header X-CSRF-Token with every request but GET; a token of `manifold-backend token \
                       create` as `Authorization: Bearer` needs none.",
    ),
    components(schemas(problem::Problem, live::PortsMessage, live::GroupsMessage, live::EventsMessage)),
    security(("session" = []), ("token" = [])),
    modifiers(&Schemes)
)]
struct Frame;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let cookie = ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The document without its paths.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

/// Adds to every operation that whatever is no success is a problem.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    for path in document.paths.paths.values_mut() {
        let operations: [&mut Option<Operation>; 5] =
            [&mut path.get, &mut path.post, &mut path.put, &mut path.delete, &mut path.patch];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem_response()));
        }
    }
    document
}

fn problem_response() -> Response {
    let schema: RefOr<Schema> = Ref::from_schema_name("Problem").into();
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description("What is wrong, and what would cure it.")
        .content("application/problem+json", content)
        .build()
}
