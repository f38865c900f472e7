//! What a page asks of a Manifold on kernel interfaces: connections, events, changes beside others'.

use api::{
    Client, ClientError, ConnectionView, Edit, ErrorKind, EventKind, EventView, MAX_EVENTS, ObstacleKind,
    PortRole, Request,
};

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Stage};

fn client(running: &Running) -> Client {
    Client::connect(running.socket()).unwrap()
}

/// The first event after `after` that is so, waited for.
fn wait_for_event(running: &Running, after: u64, is_it: impl Fn(&EventView) -> bool) -> EventView {
    let find = || {
        let told = client(running).events(after, MAX_EVENTS).unwrap();
        assert_eq!(told.lost, 0);
        Ok(told.events.into_iter().find(|event| is_it(event)))
    };
    let found = lab::stop::poll(SOON, find).unwrap();
    found.unwrap_or_else(|| panic!("not among {:?}", client(running).events(after, MAX_EVENTS).unwrap()))
}

#[test]
fn connections_that_cannot_be_ports_are_told_with_their_reasons() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let middle = &stage.middle;
    for line in [
        "link add page-br type bridge",
        "tuntap add dev page-tun mode tun",
        "tuntap add dev page-tap mode tap",
        "link add page-own type veth peer name page-free",
        "address add 10.99.0.1/24 dev page-own",
        "link add page-up link page-free type macvlan mode bridge",
    ] {
        middle.ip(line).unwrap();
    }
    let running = stage.start(&stage.recipe());
    let found = client(&running).connections().unwrap().connections;
    let of = |device: &str| -> &ConnectionView {
        found.iter().find(|view| view.device == device).unwrap_or_else(|| panic!("{device}: {found:?}"))
    };
    for (device, kind, obstacles) in [
        ("page-br", "bridge", vec![ObstacleKind::Kind]),
        ("page-tun", "tun", vec![ObstacleKind::Kind]),
        ("page-tap", "tap", vec![]),
        ("page-own", "veth", vec![ObstacleKind::Addresses]),
        ("page-free", "veth", vec![ObstacleKind::Uppers]),
        ("page-up", "macvlan", vec![]),
    ] {
        let view = of(device);
        let found: Vec<_> = view.obstacles.iter().map(|obstacle| obstacle.what).collect();
        assert_eq!((view.kind.as_str(), found, view.port.as_deref()), (kind, obstacles, None), "{view:?}");
        assert_eq!(view.usable, view.obstacles.is_empty(), "{view:?}");
    }
    assert_eq!(of("page-own").addresses, ["10.99.0.1/24"]);
    assert!(of("page-tun").obstacles[0].reason.contains("VPN"), "{:?}", of("page-tun"));
    for (device, role) in [("wan", PortRole::Upstream), ("hall-a", PortRole::Client)] {
        let view = of(device);
        assert_eq!((view.port.as_deref(), view.role), (Some(device), Some(role)), "{view:?}");
        assert_eq!(
            (view.usable, view.carrier, view.mac),
            (true, Some(true), Some(middle.mac(device).unwrap()))
        );
    }
    assert!(found.iter().all(|view| view.device != "lo"));
    running.end(&stage);
    stage.close();
}

#[test]
fn what_happens_is_told_and_how_long_a_join_took() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let hall = &stage.halls[0];
    let running = stage.start(&stage.recipe());
    let begin = client(&running).events(0, MAX_EVENTS).unwrap().next;
    let viewer = hall.join(&stage.lab, GROUP);
    let is = |kind: EventKind| move |event: &EventView| event.kind == kind && event.group == Some(GROUP);
    let joined = wait_for_event(&running, begin, is(EventKind::Joined));
    assert_eq!(joined.port.as_deref(), Some("hall-a"));
    assert!(joined.text.contains(&hall.host.address().addr().to_string()), "{joined:?}");
    let upstream = wait_for_event(&running, begin, is(EventKind::UpstreamJoined));
    assert_eq!(upstream.port, None);
    let joins = client(&running).latency().unwrap().joins;
    assert!(joins.count >= 1 && joins.sum_s > 0.0 && joins.sum_s < SOON.as_secs_f64(), "{joins:?}");
    assert!(joins.buckets.is_sorted_by_key(|bucket| bucket.count), "{joins:?}");

    drop(viewer);
    let left = wait_for_event(&running, joined.id, is(EventKind::Left));
    wait_for_event(&running, joined.id, is(EventKind::UpstreamLeft));
    let link =
        |up: &'static str| move |event: &EventView| event.kind == EventKind::Link && event.text.contains(up);
    hall.host.netns().ip(&format!("link set {} down", hall.host.interface())).unwrap();
    let down = wait_for_event(&running, left.id, link("gone"));
    assert_eq!(down.port.as_deref(), Some("hall-a"));
    hall.host.netns().ip(&format!("link set {} up", hall.host.interface())).unwrap();
    wait_for_event(&running, down.id, link("is there"));
    running.end(&stage);
    stage.close();
}

#[test]
fn a_change_beside_somebody_elses_is_noticed_and_one_that_is_tried_does_nothing() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let live = stage.lab.scratch().join("live.toml");
    let mut recipe = Recipe { live: Some(live.clone()), ..stage.recipe() };
    recipe.ports.pop();
    let running = stage.start(&recipe);
    let seen = client(&running).settings().unwrap().revision;
    let before = stage.kernel_state();
    let edit = |key: &str, value: &str| Edit {
        port: Some("hall-b".to_owned()),
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    let comes = vec![edit("device", "\"hall-b\""), edit("address", "\"10.2.0.1/24\"")];
    let preview = client(&running).preview(comes.clone()).unwrap();
    assert!(preview.problems.is_empty(), "{preview:?}");
    assert_eq!((preview.changes[0].key.as_str(), preview.changes[0].from.as_deref()), ("device", None));
    // An interface that is a port already.
    let taken = client(&running).preview(vec![edit("device", "\"hall-a\"")]).unwrap();
    assert_eq!(taken.problems[0].port.as_deref(), Some("hall-b"), "{taken:?}");
    assert_eq!(stage.kernel_state(), before);
    assert!(!live.exists(), "what was tried was written");

    running.set(None, "enabled", "false");
    let stale = Request::Change { edits: comes.clone(), revision: Some(seen) };
    match client(&running).call(&stale) {
        Err(ClientError::Refused(error)) => assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.kernel_state(), before);
    let fresh = client(&running).settings().unwrap().revision;
    running.change(&Request::Change { edits: comes, revision: Some(fresh) });
    assert_ne!(stage.kernel_state(), before, "the port is there");

    // What changes nothing leaves the revision to those who have looked.
    let there = client(&running).settings().unwrap().revision;
    assert!(there > fresh);
    assert_eq!(running.set(None, "enabled", "false").revision, there);
    assert_eq!(running.change(&Request::Reload).revision, there);
    assert_eq!(client(&running).settings().unwrap().revision, there);
    // A value that is the default, but is set now, is another thing to look at.
    assert!(running.set(Some("hall-b"), "ignore-v1", "false").revision > there);
    running.end(&stage);
    stage.close();
}
