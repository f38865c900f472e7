//! The API under schemathesis: requests made from the OpenAPI document, right ones and wrong ones.

use std::process::Command;

use crate::backend::Backend;
use crate::process::{Place, Running};
use crate::tools;

#[test]
fn schemathesis_finds_nothing() {
    let place = Place::new();
    let running = Running::start(&place, &place.null_settings());
    let backend = Backend::start(&place.folder().join("backend"), &place.socket());
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                  response_headers_conformance,response_schema_conformance";
    let output = Command::new(tools::tool("schemathesis"))
        .args(["run", "--checks", checks, "--max-examples", "25", "--request-timeout", "20"])
        .args(["--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"])
        // A stream has no end.
        .args(["--exclude-path", "/api/v1/stream"])
        .arg("-H")
        .arg(format!("Authorization: Bearer {}", backend.token()))
        .arg(format!("http://{}/api/v1/openapi.json", backend.address()))
        .current_dir(place.folder())
        .output()
        .expect("schemathesis");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    running.stop();
}
