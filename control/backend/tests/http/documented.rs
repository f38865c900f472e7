//! The OpenAPI document: every path is in it, and what is answered is what it says.

use std::collections::BTreeMap;

use backend::access::Role;
use serde_json::{Value, json};

use crate::replies;
use crate::support::{Answer, Backend, Caller, FakeProxy};

/// Every operation, with a request that succeeds: method, path as documented, path, body.
const OPERATIONS: &[(&str, &str, &str, &str)] = &[
    ("get", "/session", "/session", ""),
    ("post", "/session", "/session", r#"{"user":"ann","password":"correct horse"}"#),
    ("delete", "/session", "/session", ""),
    ("get", "/status", "/status", ""),
    ("get", "/groups", "/groups", ""),
    ("get", "/ports", "/ports", ""),
    ("get", "/counters", "/counters", ""),
    ("get", "/workers", "/workers", ""),
    ("get", "/latency", "/latency", ""),
    ("get", "/settings", "/settings", ""),
    ("get", "/events", "/events?after=0&limit=5", ""),
    ("get", "/connections", "/connections", ""),
    ("get", "/explain/{group}", "/explain/239.1.1.1?port=hall-a", ""),
    ("get", "/stream", "", ""),
    ("post", "/preview", "/preview", r#"{"edits":[{"key":"enabled","value":"true"}]}"#),
    ("post", "/changes", "/changes", r#"{"edits":[{"key":"enabled","value":"true"}],"revision":5}"#),
    ("post", "/reload", "/reload", ""),
];

fn document(backend: &Backend) -> Value {
    backend.get("/api/v1/openapi.json", &Caller::default()).json()
}

/// Holds `value` to a schema of the document.
fn check(document: &Value, schema: &Value, value: &Value) {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&whole).expect("a schema");
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}: {value}");
}

#[test]
fn every_operation_is_documented_and_no_other() {
    let backend = Backend::without_users(|_| {});
    let document = document(&backend);
    assert_eq!(document["openapi"], "3.1.0");
    let mut there = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{path}");
            assert_eq!(
                operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"],
                "#/components/schemas/Problem"
            );
            there.insert((method.clone(), path.clone()), ());
        }
    }
    let wanted: BTreeMap<_, _> = OPERATIONS
        .iter()
        .map(|(method, path, ..)| (((*method).to_owned(), format!("/api/v1{path}")), ()))
        .collect();
    assert_eq!(there, wanted);
}

#[test]
fn answers_are_what_the_document_says() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let (document, admin) = (document(&backend), backend.token(Role::Admin));
    for (method, documented, path, body) in OPERATIONS.iter().filter(|operation| !operation.2.is_empty()) {
        let headers: Vec<_> = admin.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/api/v1{path}");
        let answer = backend.send(&method.to_uppercase(), &path, &headers, body);
        let responses = &document["paths"][format!("/api/v1{documented}")][method]["responses"];
        let response = &responses[answer.status.to_string()];
        assert!(response.is_object(), "{method} {path}: {answer:?}");
        if answer.status != 204 {
            assert_eq!(answer.headers["content-type"], "application/json");
            check(&document, &response["content"]["application/json"]["schema"], &answer.json());
        }
    }
}

fn problem(document: &Value, answer: &Answer) -> String {
    check(document, &document["components"]["schemas"]["Problem"], &answer.json());
    answer.problem()
}

#[test]
fn errors_are_problems_with_a_stable_word() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let (document, admin) = (document(&backend), backend.token(Role::Admin));
    let post = |path: &str, body: &str| backend.post(&format!("/api/v1/{path}"), &admin, body);
    let get = |path: &str| backend.get(&format!("/api/v1/{path}"), &admin);

    let answer = post("changes", r#"{"edits":[],"revision":4}"#);
    assert_eq!((answer.status, problem(&document, &answer).as_str()), (409, "conflict"));
    let answer = post("changes", r#"{"edits":[{"port":"hall-a","key":"refused","value":null}]}"#);
    assert_eq!((answer.status, problem(&document, &answer).as_str()), (422, "invalid"));
    assert_eq!(answer.json()["problems"][0]["key"], "refused");
    for body in ["", "{", "[]", r#"{"edits":1}"#, r#"{"edits":[],"path":"/x"}"#, r#"{"edits":[{"key":"a"}]}"#]
    {
        let answer = post("changes", body);
        assert_eq!((answer.status, problem(&document, &answer).as_str()), (400, "bad-request"), "{body}");
    }
    for path in
        ["explain/10.0.0.1", "explain/x", "explain/239.1.1.1?x=1", "events?after=x", "events?limit=-1"]
    {
        let answer = get(path);
        assert_eq!((answer.status, problem(&document, &answer).as_str()), (400, "bad-request"), "{path}");
    }
    assert_eq!(problem(&document, &get("nothing")), "not-found");
    let answer = post("groups", "{}");
    assert_eq!((answer.status, problem(&document, &answer).as_str()), (405, "method-not-allowed"));
    let answer =
        backend.get("/api/v1/groups", &Caller { headers: vec![("Authorization", "Bearer x".to_owned())] });
    assert_eq!((answer.status, problem(&document, &answer).as_str()), (401, "unauthenticated"));
}

#[test]
fn events_of_the_stream_are_what_the_document_says() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let (document, viewer) = (document(&backend), backend.token(Role::Viewer));
    let mut events = backend.stream(&viewer);
    for (name, schema) in [
        ("status", "Status"),
        ("ports", "PortsMessage"),
        ("groups", "GroupsMessage"),
        ("events", "EventsMessage"),
    ] {
        let data = events.wait(name, |_| true);
        check(&document, &json!({"$ref": format!("#/components/schemas/{schema}")}), &data);
    }
}

#[test]
fn the_connection_of_the_request_is_marked() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let connections = backend.get("/api/v1/connections", &backend.token(Role::Viewer)).json();
    let marked: Vec<_> = connections["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["carries_page"] == true)
        .collect();
    assert_eq!(marked, [true, false]);
}
