//! Commands that change something.

use std::path::Path;
use std::sync::mpsc;

use api::{ChangedReply, ErrorKind, ErrorReply, Reply, Request};

use super::{ctl, golden, server, shown};

/// The line that the command sends.
#[track_caller]
fn sent(args: &[&str]) -> String {
    let (tell, heard) = mpsc::channel();
    let (_dir, socket) = server(move |request: Request| {
        tell.send(request.to_line()).unwrap();
        Reply::Changed(ChangedReply::default())
    });
    assert_eq!(shown(&socket, args), "nothing to do: everything is so already\n");
    let line = heard.recv().unwrap();
    assert!(heard.try_recv().is_err(), "one request");
    line
}

fn busy() -> ChangedReply {
    ChangedReply {
        revision: 1_700_000_000_001,
        applied: vec!["wan2 is the provider's port".to_owned(), "hall-\u{1b}[2Ja: removed".to_owned()],
        restart: vec!["[eal] memory-mb".to_owned()],
        switch_ms: Some(1.25),
        removal_us: Some(85.0),
        warnings: vec!["live.toml:3:1: a doubt; its cure".to_owned()],
    }
}

#[test]
fn each_command_is_one_request() {
    for (args, line) in [
        (&["reload"][..], r#"{"request":"reload"}"#),
        (&["enable"], r#"{"request":"enable"}"#),
        (&["disable"], r#"{"request":"disable"}"#),
        (&["set-upstream", "wan2"], r#"{"request":{"set-upstream":{"port":"wan2"}}}"#),
        (
            &["set", "--port", "hall-a", "fast-leave", "tracked"],
            r#"{"request":{"change":{"edits":[{"port":"hall-a","key":"fast-leave","value":"\"tracked\""}]}}}"#,
        ),
        (
            &["set", "local-groups", "[\"239.255.255.250/32\"]"],
            r#"{"request":{"change":{"edits":[{"key":"local-groups","value":"[\"239.255.255.250/32\"]"}]}}}"#,
        ),
        (
            &["set", "--port", "hall-a", "max-groups", "-1"],
            r#"{"request":{"change":{"edits":[{"port":"hall-a","key":"max-groups","value":"-1"}]}}}"#,
        ),
        (
            &["unset", "--port", "hall-a", "access"],
            r#"{"request":{"change":{"edits":[{"port":"hall-a","key":"access","value":null}]}}}"#,
        ),
        (
            &["add-port", "hall-c", "--device", "eth\"3", "--address", "10.3.0.1/24"],
            r#"{"request":{"change":{"edits":[{"port":"hall-c","key":"device","value":"\"eth\\\"3\""},{"port":"hall-c","key":"address","value":"\"10.3.0.1/24\""}]}}}"#,
        ),
        (
            &["remove-port", "hall-c"],
            r#"{"request":{"change":{"edits":[{"port":"hall-c","key":"device","value":null}]}}}"#,
        ),
    ] {
        assert_eq!(sent(args), line.to_owned() + "\n", "{args:?}");
    }
}

#[test]
fn what_was_done_is_told() {
    let (_dir, socket) = server(|_| Reply::Changed(busy()));
    golden("changed.txt", &shown(&socket, &["reload"]));
    golden("changed.json", &shown(&socket, &["reload", "--json"]));
    let colored = shown(&socket, &["reload", "--color", "always"]);
    assert!(colored.contains("\x1b[33mwaits for a restart: [eal] memory-mb\x1b[0m"), "{colored}");
}

#[test]
fn a_refusal_is_exit_1_with_every_problem_and_nothing_on_standard_output() {
    let (_dir, socket) = server(|_| {
        Reply::Error(ErrorReply {
            details: vec!["live.toml:3:14: `fast`: off, single\u{7}".to_owned(), "live.toml:4: x".to_owned()],
            ..ErrorReply::new(ErrorKind::Invalid, "the settings do not pass", "nothing was changed")
        })
    });
    let output = ctl(&socket, &["set", "--port", "hall-a", "fast-leave", "fast"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    golden("refused.txt", &String::from_utf8(output.stderr).unwrap());
}

#[test]
fn a_program_gets_refusals_as_json_with_the_same_exit_status() {
    let (_dir, socket) = server(|_| {
        let error = ErrorReply::new(ErrorKind::Invalid, "nothing was changed", "correct what is named");
        Reply::Error(ErrorReply { details: vec!["port \"a\": b\u{7}".to_owned()], ..error })
    });
    let refused = |socket: &Path, args: &[&str]| {
        let output = ctl(socket, args).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(1), vec![]), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json = r#"{"error":{"kind":"invalid","message":"nothing was changed","cure":"correct what is named","details":["port \"a\": b\u0007"]}}"#;
    for args in
        [&["--json", "reload"][..], &["show", "groups", "--json"], &["explain", "239.2.2.2", "--json"]]
    {
        assert_eq!(refused(&socket, args), json.to_owned() + "\n", "{args:?}");
    }
    // Where nobody answers, too.
    let nobody = refused(Path::new("/nowhere"), &["show", "status", "--json"]);
    let Reply::Error(error) = Reply::parse(nobody.as_bytes()).unwrap() else { panic!("{nobody}") };
    assert_eq!(error.message, "no socket at /nowhere");
    assert!(error.cure.contains("--socket"), "{}", error.cure);
}

#[test]
fn what_is_no_change_is_exit_2_and_asks_nobody() {
    for args in [
        &["set"][..],
        &["set", "fast-leave"],
        &["unset"],
        &["set-upstream"],
        &["add-port", "hall-c"],
        &["add-port", "hall-c", "--device", "eth3", "--address", "10.3.0.1"],
        &["remove-port"],
        &["reload", "/etc/passwd"],
    ] {
        let output = ctl(Path::new("/nowhere"), args).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}
