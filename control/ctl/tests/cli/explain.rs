//! `manifoldctl explain`.

use std::path::Path;
use std::sync::mpsc;

use api::{Check, ExplainReply, Finding, Reply, Request, Topic};

use super::{ctl, golden, server, shown};

fn check(
    topic: Topic,
    finding: Finding,
    port: &str,
    ok: Option<bool>,
    text: &str,
    cure: Option<&str>,
) -> Check {
    Check {
        topic,
        port: (!port.is_empty()).then(|| port.to_owned()),
        ok,
        finding,
        values: [("of".to_owned(), "3".to_owned())].into(),
        text: text.to_owned(),
        cure: cure.map(str::to_owned),
    }
}

fn dark() -> ExplainReply {
    ExplainReply {
        group: "239.2.2.2".parse().unwrap(),
        port: None,
        dark: Some(true),
        verdict: "dark: every frame of it is dropped: TTL 1".to_owned(),
        cure: Some("raise the TTL at the source".to_owned()),
        lit: vec![],
        fault: Some(2),
        checks: vec![
            check(Topic::Proxy, Finding::SwitchedOn, "wan", Some(true), "switched on", None),
            check(
                Topic::Allowed,
                Finding::AccessDenied,
                "hall-b",
                None,
                "another \u{1b}[31m thing",
                Some("its own cure"),
            ),
            check(
                Topic::Dropped,
                Finding::Dropped,
                "wan",
                Some(false),
                "every frame of it is dropped: TTL 1",
                Some("raise the TTL at the source"),
            ),
        ],
        watching: false,
    }
}

#[test]
fn the_verdict_comes_first_and_then_what_was_looked_at() {
    let (_dir, socket) = server(|_| Reply::Explain(dark()));
    golden("explain.txt", &shown(&socket, &["explain", "239.2.2.2"]));
    golden("explain.json", &shown(&socket, &["explain", "239.2.2.2", "--json"]));
    let colored = shown(&socket, &["explain", "239.2.2.2", "--color", "always"]);
    assert!(
        colored.starts_with("239.2.2.2: \x1b[31mdark: every frame of it is dropped: TTL 1\x1b[0m\n"),
        "{colored}"
    );
}

#[test]
fn where_frames_were_not_looked_at_yet_it_is_asked_once_more() {
    let (tell, asked) = mpsc::channel();
    let (_dir, socket) = server(move |request| {
        tell.send(request).unwrap();
        // Even if the second answer says the same again.
        Reply::Explain(ExplainReply { watching: true, ..dark() })
    });
    let shown = shown(&socket, &["explain", "239.2.2.2", "--port", "hall-a"]);
    assert!(shown.starts_with("239.2.2.2: dark: every frame"), "{shown}");
    let request = Request::Explain { group: dark().group, port: Some("hall-a".to_owned()) };
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [request.clone(), request]);
}

#[test]
fn what_is_no_group_is_exit_2() {
    for args in [&["explain"][..], &["explain", "10.0.0.1"], &["explain", "hall-a"]] {
        let output = ctl(Path::new("/nowhere"), args).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]), "{args:?}");
    }
}
