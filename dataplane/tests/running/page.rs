//! What a page asks of a running Manifold: its settings, what a change would do, changes that take notice of others',
//! events.

use std::fs;

use api::{
    ChangeView, Client, ClientError, Edit, ErrorKind, ErrorReply, EventKind, KeyKind, KeyView, MAX_EVENTS,
    Origin, Reply, Request,
};

use crate::harness::{Running, port};

const LIVE: &str = "\"FOLDER/live.toml\"";

fn edit(port: Option<&str>, key: &str, value: Option<&str>) -> Edit {
    Edit { port: port.map(str::to_owned), key: key.to_owned(), value: value.map(str::to_owned) }
}

fn client(running: &Running) -> Client {
    Client::connect_within(&running.socket(), api::CHANGE_TIMEOUT).unwrap()
}

fn refused(running: &Running, request: &Request) -> ErrorReply {
    match client(running).call(request) {
        Err(ClientError::Refused(error)) => error,
        other => panic!("{request:?} was not refused: {other:?}"),
    }
}

fn key<'a>(keys: &'a [KeyView], key: &str) -> &'a KeyView {
    keys.iter().find(|found| found.key == key).unwrap()
}

#[test]
fn settings_are_shown_with_what_they_may_be_and_where_they_come_from() {
    let running = Running::start_with(LIVE);
    let before = client(&running).settings().unwrap();
    assert!(before.changeable);
    assert_eq!(before.revision, client(&running).status().unwrap().revision);
    let enabled = key(&before.proxy, "enabled");
    assert_eq!(
        (enabled.value.as_deref(), enabled.origin, enabled.live),
        (Some("true"), Origin::Default, true)
    );
    assert_eq!(key(&before.proxy, "upstream").kind, KeyKind::Port);
    assert!(before.defaults.iter().all(|key| !key.live));
    let hall = &before.ports[1];
    assert_eq!((hall.name.as_str(), hall.added), ("hall-a", false));
    assert!(key(&hall.keys, "querier-address").place.as_deref().unwrap().contains("manifold.toml:"));
    assert!(!key(&hall.keys, "device").live && !key(&hall.keys, "mtu").live);

    let changed = client(&running).change(&Request::Disable).unwrap();
    assert!(changed.revision > before.revision);
    let after = client(&running).settings().unwrap();
    assert_eq!(after.revision, changed.revision);
    let enabled = key(&after.proxy, "enabled");
    assert_eq!((enabled.value.as_deref(), enabled.origin), (Some("false"), Origin::Live));

    let fixed = Running::start();
    let settings = client(&fixed).settings().unwrap();
    assert!(!settings.changeable && settings.proxy.iter().all(|key| !key.live));
}

#[test]
fn a_preview_tells_what_a_change_would_do_and_does_nothing() {
    let running = Running::start_with(LIVE);
    let mut client = client(&running);
    let before = client.settings().unwrap();
    let edits =
        vec![edit(None, "enabled", Some("false")), edit(Some("hall-a"), "fast-leave", Some("\"tracked\""))];
    let preview = client.preview(edits.clone()).unwrap();
    let view = |port: Option<&str>, key: &str, from: &str, to: &str| ChangeView {
        port: port.map(str::to_owned),
        key: key.to_owned(),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
    };
    assert_eq!(
        preview.changes,
        [
            view(None, "enabled", "true", "false"),
            view(Some("hall-a"), "fast-leave", "\"off\"", "\"tracked\"")
        ]
    );
    assert_eq!((preview.revision, &preview.problems), (before.revision, &vec![]));
    assert!(preview.warnings.is_empty() && preview.needs_restart.is_empty(), "{preview:?}");

    // All that is wrong, each at its port and key.
    let wrong = vec![
        edit(None, "upstream", Some("\"nowhere\"")),
        edit(Some("hall-a"), "query-interval", Some("\"0s\"")),
    ];
    let preview = client.preview(wrong.clone()).unwrap();
    let mut about: Vec<_> = preview.problems.iter().map(|p| (p.port.as_deref(), p.key.as_deref())).collect();
    about.sort();
    assert_eq!(about, [(None, Some("upstream")), (Some("hall-a"), Some("query-interval"))]);
    assert!(preview.changes.is_empty() && preview.problems.iter().all(|problem| !problem.cure.is_empty()));
    // The machine is looked at, too.
    let preview = client.preview(vec![edit(Some("hall-b"), "device", Some("\"no-such-0\""))]).unwrap();
    let [problem] = &preview.problems[..] else { panic!("{preview:?}") };
    assert_eq!((problem.port.as_deref(), problem.key.as_deref()), (Some("hall-b"), Some("device")));
    assert!(problem.message.contains("no interface `no-such-0`"), "{problem:?}");

    assert_eq!(client.settings().unwrap(), before, "nothing was done");
    assert!(!running.socket().with_file_name("live.toml").exists());
    let error = refused(&running, &Request::change(wrong));
    assert_eq!((error.kind, error.problems.len(), error.details.len()), (ErrorKind::Invalid, 2, 2));
    // What was tried is what is then done.
    let changed = client.change(&Request::Change { edits, revision: Some(before.revision) }).unwrap();
    assert_eq!(changed.applied.len(), 2, "{changed:?}");
}

#[test]
fn a_change_for_settings_that_somebody_changed_meanwhile_is_refused() {
    let running = Running::start_with(LIVE);
    let mut client = client(&running);
    let seen = client.settings().unwrap().revision;
    let robustness = |value| vec![edit(Some("hall-a"), "robustness", Some(value))];
    client.change(&Request::change(robustness("3"))).unwrap();
    let stale = Request::Change { edits: robustness("4"), revision: Some(seen) };
    let error = refused(&running, &stale);
    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
    let settings = client.settings().unwrap();
    assert_eq!(key(&settings.ports[1].keys, "robustness").value.as_deref(), Some("3"), "nothing was changed");

    // A reload that changes something is a change by somebody else, too; what was refused is none.
    running.reload("").unwrap();
    assert_eq!(client.settings().unwrap().revision, settings.revision);
    running.reload("[log]\nlevel = \"debug\"\n").unwrap();
    let now = client.settings().unwrap().revision;
    assert!(now > settings.revision);
    refused(&running, &Request::change(robustness("99")));
    let fresh = Request::Change { edits: robustness("4"), revision: Some(now) };
    assert!(client.change(&fresh).unwrap().revision > now);
    // That of a process before is none of this one.
    let old = Request::Change { edits: robustness("5"), revision: Some(3) };
    assert_eq!(refused(&running, &old).kind, ErrorKind::Conflict);
}

#[test]
fn events_are_told_once_and_in_order() {
    let running = Running::start_with(LIVE);
    let hall_b = port("hall-b", &running.device(2, "in.pcap"));
    running.reload(&hall_b).unwrap();
    let mut client = client(&running);
    let first = client.events(0, MAX_EVENTS).unwrap();
    let of_hall_b = first.events.iter().filter(|event| event.port.as_deref() == Some("hall-b"));
    let kinds: Vec<_> = of_hall_b.map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Change], "{first:?}");
    assert!(first.events.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!((first.next, first.lost), (first.events.last().unwrap().id, 0));

    client.change(&Request::change(vec![edit(Some("hall-a"), "ignore-v1", Some("true"))])).unwrap();
    refused(&running, &Request::change(vec![edit(Some("hall-a"), "ignore-v1", Some("9"))]));
    let more = client.events(first.next, MAX_EVENTS).unwrap();
    let [change] = &more.events[..] else { panic!("{more:?}") };
    assert_eq!((change.kind, change.port.as_deref()), (EventKind::Change, Some("hall-a")));
    assert!(change.text.contains("ignore-v1 is true, was false"), "{change:?}");
    let hour = 3_600_000;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!((now - hour..=now + hour).contains(&change.at_unix_ms), "{change:?}");
    let none = client.events(more.next, MAX_EVENTS).unwrap();
    assert_eq!((none.events.len(), none.next, none.lost), (0, more.next, 0));
    // Of a process before: all that there is.
    assert_eq!(client.events(7, MAX_EVENTS).unwrap().events.len(), first.events.len() + 1);
    let one = client.events(0, 1).unwrap();
    assert_eq!((one.events.len(), one.next), (1, first.events[0].id));

    // Settings that a reload refuses are told, as nobody gets the reply of a signal's.
    assert!(running.reload("[nonsense]\n").is_err());
    let told = client.events(more.next, MAX_EVENTS).unwrap().events;
    assert!(
        told[0].text.starts_with("a reload changed nothing: ") && told[0].text.contains("nonsense"),
        "{told:?}"
    );
}

#[test]
fn ports_on_virtual_devices_are_connections_without_their_files() {
    let running = Running::start_with(LIVE);
    let found = client(&running).connections().unwrap().connections;
    let wan = found.iter().find(|connection| connection.port.as_deref() == Some("wan")).unwrap();
    assert_eq!((wan.device.as_str(), wan.kind.as_str(), wan.usable), ("net_pcap0", "vdev", true));
    assert!(found.iter().all(|connection| connection.kind != "loopback"));
    assert_eq!(client(&running).latency().unwrap().joins.count, 0, "nobody joined");
}

#[test]
fn no_device_string_argument_or_path_gets_in_by_a_preview_either() {
    let running = Running::start_with(LIVE);
    let outside = running.socket().with_file_name("outside");
    let vdev = format!("\"net_pcap7,tx_pcap={}\"", outside.display());
    for (edits, words) in [
        (edit(Some("hall-b"), "device", Some(&vdev)), "virtual device"),
        (edit(Some("hall-a"), "device", Some(&vdev)), "virtual device"),
        (edit(None, "args", Some("[\"-d\", \"/tmp/x.so\"]")), "no setting that can be changed"),
        (edit(None, "live", Some("\"/etc/cron.d/x\"")), "no setting that can be changed"),
        (edit(None, "path", Some("\"/etc/cron.d/x\"")), "no setting that can be changed"),
        (edit(Some("../../etc/x"), "mtu", Some("9000")), "no setting that can be changed"),
        (edit(Some("../../etc/x"), "address", Some("\"10.0.0.1/24\"")), "no port can have that name"),
    ] {
        let preview = client(&running).preview(vec![edits.clone()]).unwrap();
        let [problem] = &preview.problems[..] else { panic!("{edits:?}: {preview:?}") };
        assert!(problem.message.contains(words), "{problem:?}");
        assert_eq!(refused(&running, &Request::change(vec![edits])).problems, preview.problems);
    }
    assert!(!outside.exists());
    // Nothing of it is in what is shown.
    let Ok(Reply::Settings(settings)) = client(&running).call(&Request::ShowSettings) else { panic!() };
    assert_eq!(settings.ports.len(), 2);
    assert!(
        fs::read_dir(running.socket().parent().unwrap())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("live.toml") })
    );
}

/// What a key becomes that is taken back is shown, too.
#[test]
fn an_edit_of_the_administrators_that_a_live_key_hides_is_a_change_by_somebody_else() {
    let running = Running::start_with(LIVE);
    let mut client = client(&running);
    let fast_leave = |value| vec![edit(Some("hall-a"), "fast-leave", value)];
    let set = client.change(&Request::change(fast_leave(Some("\"tracked\"")))).unwrap();
    let preview = client.preview(fast_leave(None)).unwrap();
    assert_eq!((preview.revision, preview.changes[0].to.as_deref()), (set.revision, Some("\"off\"")));

    // The last port of the file is the one.
    let same = running.reload("fast-leave = \"tracked\"\n").unwrap();
    assert!(same.applied.is_empty() && same.revision > set.revision, "{same:?}");
    let stale = Request::Change { edits: fast_leave(None), revision: Some(preview.revision) };
    assert_eq!(refused(&running, &stale).kind, ErrorKind::Conflict);
    let again = running.reload("fast-leave = \"tracked\"\n").unwrap();
    assert_eq!(again.revision, same.revision, "nobody edited anything");
}
