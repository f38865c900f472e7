//! A proxy that is slow, hangs or refuses, and what it is spared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use api::{ErrorKind, ErrorReply, Reply, Request};
use backend::access::Role;

use crate::replies;
use crate::support::{Backend, FakeProxy};

#[test]
fn many_who_look_are_one_question_to_the_proxy() {
    let backend = Backend::start(|_| {});
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let proxy = FakeProxy::start(&backend.socket(), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        Some(replies::all(request, 1))
    });
    let viewer = backend.token(Role::Viewer);
    let most = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                for path in ["groups", "ports", "counters", "workers", "status", "settings"] {
                    assert_eq!(backend.get(&format!("/api/v1/{path}"), &viewer).status, 200);
                    most.fetch_max(proxy.connections.load(Ordering::SeqCst), Ordering::SeqCst);
                }
            });
        }
    });
    // Of each kind one every 250 ms, and one at either end; 192 requests came.
    let rounds = usize::try_from(begun.elapsed().as_millis() / 250).unwrap() + 2;
    assert!(asked.load(Ordering::SeqCst) <= 6 * rounds, "{asked:?} in {rounds} rounds");
    assert!(most.load(Ordering::SeqCst) <= 4 + 1, "{most:?} connections at a time");
}

#[test]
fn a_proxy_that_hangs_is_told_within_its_time() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |_| None);
    let answer = backend.get("/api/v1/groups", &backend.token(Role::Viewer));
    assert_eq!((answer.status, answer.problem().as_str()), (504, "late"));
    assert!(answer.body.contains("no answer within 5 s"), "{answer:?}");
}

#[test]
fn every_kind_of_refusal_has_its_status() {
    let backend = Backend::start(|_| {});
    let proxy = FakeProxy::start(&backend.socket(), |_| None);
    let admin = backend.token(Role::Admin);
    for (kind, status, word) in [
        (ErrorKind::BadRequest, 400, "bad-request"),
        (ErrorKind::Denied, 503, "proxy-down"),
        (ErrorKind::NotFound, 404, "not-found"),
        (ErrorKind::Invalid, 422, "invalid"),
        (ErrorKind::Conflict, 409, "conflict"),
        (ErrorKind::Busy, 503, "busy"),
        (ErrorKind::Late, 504, "late"),
        (ErrorKind::Unavailable, 503, "proxy-down"),
        (ErrorKind::Failed, 502, "failed"),
        (ErrorKind::TooLong, 502, "failed"),
    ] {
        proxy.answer(move |_| Some(Reply::Error(ErrorReply::new(kind, "so it is", "do this"))));
        let answer = backend.post("/api/v1/changes", &admin, r#"{"edits":[]}"#);
        assert_eq!((answer.status, answer.problem().as_str()), (status, word), "{kind:?}");
        assert_eq!(
            (&answer.json()["detail"], &answer.json()["cure"]),
            (&"so it is".into(), &"do this".into())
        );
    }
}

#[test]
fn a_change_is_sent_as_it_came_and_once() {
    let backend = Backend::start(|_| {});
    let (sender, receiver) = std::sync::mpsc::channel();
    let _proxy = FakeProxy::start(&backend.socket(), move |request| {
        sender.send(request.clone()).unwrap();
        Some(replies::all(request, 1))
    });
    let body = r#"{"edits":[{"port":"hall-a","key":"fast-leave","value":"\"tracked\""},{"key":"upstream","value":null}],"revision":5}"#;
    let answer = backend.post("/api/v1/changes", &backend.token(Role::Admin), body);
    assert_eq!((answer.status, &answer.json()["revision"]), (200, &6.into()));
    let edit = |port: Option<&str>, key: &str, value: Option<&str>| api::Edit {
        port: port.map(str::to_owned),
        key: key.to_owned(),
        value: value.map(str::to_owned),
    };
    let edits = vec![edit(Some("hall-a"), "fast-leave", Some("\"tracked\"")), edit(None, "upstream", None)];
    let asked: Vec<_> = receiver.try_iter().collect();
    assert_eq!(asked, [Request::Change { edits, revision: Some(5) }]);
}
