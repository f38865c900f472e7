//! Event streams: what they begin with, how they go on, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use api::{Reply, Request};
use backend::access::Role;
use serde_json::json;

use crate::replies;
use crate::support::{Backend, FakeProxy, wait_for};

#[test]
fn a_stream_begins_with_the_whole_and_goes_on_with_what_differs() {
    let backend = Backend::start(|_| {});
    let tick = Arc::new(AtomicU64::new(0));
    let groups = Arc::new(AtomicU64::new(1));
    let (ticks, many, begun) = (Arc::clone(&tick), Arc::clone(&groups), Instant::now());
    let _proxy = FakeProxy::start(&backend.socket(), move |request| {
        let now = ticks.load(Ordering::SeqCst);
        if *request == Request::ShowGroups {
            ticks.fetch_add(1, Ordering::SeqCst);
            let all = (1..=many.load(Ordering::SeqCst)).map(|n| {
                let mut group = replies::group(&format!("239.1.1.{n}"), now);
                // Nobody reports again: what is old grows older.
                let passed = begun.elapsed().as_secs_f64();
                group["members"][0]["age_s"] = json!(1.0 + passed);
                group["members"][0]["expires_s"] = json!(259.0 - passed);
                group["upstream"]["last_report_s"] = json!(1.0 + passed);
                group
            });
            let reply = json!({"groups": {"groups": all.collect::<Vec<_>>()}});
            return Some(serde_json::from_value(reply).unwrap());
        }
        Some(replies::all(request, now))
    });
    let viewer = backend.token(Role::Viewer);
    let mut events = backend.stream(&viewer);
    let whole = events.wait("groups", |_| true);
    assert_eq!((&whole["full"], &whole["groups"][0]["group"]), (&true.into(), &"239.1.1.1".into()));
    let told = events.wait("events", |_| true);
    assert_eq!(told["events"][0]["kind"], "joined");
    let status =
        events.wait("status", |status| status["proxy"]["traffic"]["rx_frames_per_s"].as_f64() > Some(0.0));
    assert_eq!((&status["proxy"]["up"], &status["backend"]["streams"]), (&true.into(), &1.into()));
    events.wait("ports", |ports| ports["ports"][1]["tx_bytes_per_s"].as_f64() > Some(0.0));
    let moved = events.wait("groups", |groups| groups["figures"][0]["frames_per_s"].as_f64() > Some(0.0));
    assert_eq!((&moved["full"], moved["groups"].as_array().unwrap().len()), (&false.into(), 0));

    groups.store(2, Ordering::SeqCst);
    let is_second = |view: &serde_json::Value| view["group"] == "239.1.1.2";
    let more = events.wait("groups", |groups| groups["groups"].as_array().unwrap().iter().any(is_second));
    assert_eq!(more["full"], false);
    groups.store(1, Ordering::SeqCst);
    let less = events.wait("groups", |groups| !groups["removed"].as_array().unwrap().is_empty());
    assert_eq!(less["removed"], json!(["239.1.1.2"]));
}

#[test]
fn without_streams_the_proxy_is_left_alone() {
    let backend = Backend::start(|_| {});
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let proxy = FakeProxy::start(&backend.socket(), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        Some(replies::all(request, 7))
    });
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let mut events = backend.stream(&backend.token(Role::Viewer));
    for _ in 0..3 {
        events.wait("status", |_| true);
    }
    drop(events);
    // The stream's end is seen with its next message; then there is quiet.
    wait_for("quiet", || {
        let before = asked.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(1500));
        (asked.load(Ordering::SeqCst) == before).then_some(())
    });
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn while_the_proxy_is_down_the_last_is_told_as_stale_with_the_reason() {
    let backend = Backend::start(|_| {});
    let viewer = backend.token(Role::Viewer);
    let mut events = backend.stream(&viewer);
    let status = events.wait("status", |_| true);
    assert_eq!((&status["proxy"]["up"], &status["proxy"]["status"]), (&false.into(), &json!(null)));
    assert!(status["proxy"]["error"]["message"].as_str().unwrap().contains("no socket at"), "{status}");
    let answer = backend.get("/api/v1/groups", &viewer);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "proxy-down"));

    let proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    events.wait("status", |status| status["proxy"]["up"] == true);
    events.wait("groups", |groups| groups["full"] == true);
    // It is gone: the socket's file remains, and nobody listens.
    proxy.answer(|_| {
        Some(Reply::Error(api::ErrorReply::new(api::ErrorKind::Unavailable, "it is ending", "wait")))
    });
    std::fs::remove_file(backend.socket()).unwrap();
    let status = events.wait("status", |status| status["proxy"]["up"] == false);
    assert_eq!(status["proxy"]["status"]["upstream"], "wan", "what was heard last");
    assert!(status["proxy"]["down_s"].is_number() && status["proxy"]["last_answer_unix_ms"].is_number());
    let mut late = backend.stream(&viewer);
    let whole = late.wait("groups", |_| true);
    assert_eq!((&whole["full"], &whole["groups"][0]["group"]), (&true.into(), &"239.1.1.1".into()));
}

#[test]
fn a_stream_ends_with_its_session() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let mut events = backend.stream(&backend.log_in("vic"));
    events.wait("status", |_| true);
    let removed = backend.store.update(|file| {
        file.users.retain(|user| user.name != "vic");
        Ok(())
    });
    removed.unwrap();
    while events.next().is_some() {}
}

#[test]
fn whoever_begins_to_listen_hears_no_event_twice() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| match request {
        // One more each time.
        Request::ShowEvents { after, .. } => {
            let event = json!({"id": after + 1, "at_unix_ms": 1, "kind": "joined", "port": "hall-a",
                               "group": "239.1.1.1", "text": "joined"});
            let reply = json!({"events": {"events": [event], "next": after + 1, "lost": 0}});
            Some(serde_json::from_value(reply).unwrap())
        }
        request => Some(replies::all(request, 1)),
    });
    let viewer = backend.token(Role::Viewer);
    thread::scope(|scope| {
        for n in 0..16 {
            let (backend, viewer) = (&backend, &viewer);
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(37 * n));
                let mut stream = backend.stream(viewer);
                let ids = std::iter::repeat_with(|| stream.wait("events", |_| true)).take(3);
                let ids = ids.flat_map(|told| told["events"].as_array().unwrap().clone());
                let ids: Vec<_> = ids.map(|event| event["id"].as_u64().unwrap()).collect();
                assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
            });
        }
    });
}
