//! Policies in force while streams run: set over the socket, judged by what hosts get.

use crate::packets::{IPV4, alerting_report, frame, report};
use crate::running::Running;
use crate::stage::{
    Cabling, FOREIGN_GROUP, GROUP, PORT, Recipe, SECOND_GROUP, SOON, Side, Stage, THIRD_GROUP,
};
use lab::compare::compare;
use lab::{Frame, Sender};
use std::net::Ipv4Addr;
use std::time::Duration;
use types::{GroupAddr, Time};

const RATE: u32 = 500;
/// How long it is looked whether a stream comes.
const WATCHED: Duration = Duration::from_millis(400);
const UNDER_WAY: Duration = Duration::from_millis(100);
/// In the range that is closed below.
const SSM_GROUP: GroupAddr = GroupAddr::new(Ipv4Addr::new(232, 2, 2, 2)).unwrap();

/// How many frames of a group a hall gets within a while; not those on their way.
fn coming(side: &Side, group: GroupAddr) -> usize {
    lab::stop::pause(UNDER_WAY).unwrap();
    let since = lab::now();
    lab::stop::pause(WATCHED).unwrap();
    side.wire.between(since, lab::now(), |f| f.is_data_to(group.addr())).unwrap().len()
}

fn wait_for_stream(side: &Side, group: GroupAddr, since: Time) {
    let what = format!("{group} in {}", side.name);
    side.wire.wait_for(&what, since, SOON, |f| f.is_data_to(group.addr())).unwrap();
}

/// What Manifold said upstream about a group since `since`: types.
fn said(stage: &Stage, group: GroupAddr, since: Time) -> Vec<u8> {
    let ours = |f: &Frame| {
        f.at >= since
            && f.source == stage.router_mac
            && f.igmp().is_some_and(|igmp| igmp.group == group.addr())
    };
    stage.provider.wire.select(ours).iter().map(|f| f.igmp().unwrap().kind).collect()
}

/// That hall gets nothing of the group, and it is told why.
fn expect_dark(running: &Running, hall: &Side, group: GroupAddr, words: &str) {
    assert_eq!(coming(hall, group), 0, "{group} in {}", hall.name);
    // What came before is known for a while.
    let explained = || running.explain(group, Some(hall.name));
    let told =
        || Ok(Some(explained()).filter(|said| said.dark == Some(true) && said.verdict.contains(words)));
    let told =
        lab::stop::poll(SOON, told).unwrap().unwrap_or_else(|| panic!("no `{words}`: {:?}", explained()));
    println!("{group} in {}: {}", hall.name, told.verdict);
}

fn verdicts(running: &Running, hall: &Side, verdict: &str) -> u64 {
    running.counters(hall.name).verdicts[verdict]
}

/// A stage that settings can be changed on, and Manifold with them.
fn play(halls: &[&'static str]) -> (Stage, Running) {
    let stage = Stage::new(halls, Cabling::Direct);
    let live = stage.lab.scratch().join("live.toml");
    let running = stage.start(&Recipe { live: Some(live), ..stage.recipe() });
    (stage, running)
}

#[test]
fn r54_groups_that_a_port_may_not_have_go_at_once_and_do_not_come_back() {
    let (stage, running) = play(&["hall-a", "hall-b"]);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let joined = lab::now();
    let _first = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let second = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, SECOND_GROUP));
    let both = || Ok(([GROUP, SECOND_GROUP].iter().all(|g| running.members(*g).len() == 2)).then_some(()));
    lab::stop::poll(SOON, both).unwrap().expect("two members of each");
    let sender = stage.start_source(RATE);
    let other = Sender::start(&stage.lab, &stage.provider.host, (SECOND_GROUP, PORT), 16, RATE).unwrap();
    for hall in [hall_a, hall_b] {
        wait_for_stream(hall, GROUP, joined);
        wait_for_stream(hall, SECOND_GROUP, joined);
    }

    // Denied to one hall: it goes there, and nowhere else.
    let denied = lab::now();
    running.set(Some("hall-a"), "access", "[\"deny 239.2.2.3/32\", \"allow 239.0.0.0/8\"]");
    expect_dark(&running, hall_a, SECOND_GROUP, "deny 239.2.2.3/32");
    assert!(!said(&stage, SECOND_GROUP, denied).contains(&0x17), "the other hall still has it");
    // And what is asked for again is refused.
    let before = verdicts(&running, hall_a, "access-denied");
    let [viewer, _kept] = second;
    viewer.leave().unwrap();
    let _again = hall_a.join(&stage.lab, SECOND_GROUP);
    running.wait_for_verdict("hall-a", "access-denied", before);
    assert_eq!(running.members(SECOND_GROUP), ["hall-b"]);

    // r53: one group more than the port may have is refused; what it has stays.
    running.set(Some("hall-a"), "max-groups", "1");
    let third = hall_a.join(&stage.lab, THIRD_GROUP);
    running.wait_for_verdict("hall-a", "group-limit", 0);
    assert_eq!(running.members(THIRD_GROUP), [""; 0]);
    running.set(Some("hall-a"), "max-groups", "2");
    drop(third);
    let _third = hall_a.join(&stage.lab, THIRD_GROUP);
    let member = || Ok((running.members(THIRD_GROUP) == ["hall-a"]).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("room for one more");

    // Denied to the last hall that had it: it is left upstream.
    let denied = lab::now();
    running.set(Some("hall-b"), "access", "[\"deny 239.2.2.3/32\"]");
    let is_leave = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x17, SECOND_GROUP.addr());
    stage.provider.wire.wait_for("our Leave", denied, SOON, is_leave).unwrap();
    assert_eq!(coming(hall_b, SECOND_GROUP), 0);

    let group = SECOND_GROUP.addr();
    let sent = stage.provider.wire.select(|f| f.is_data_to(group));
    let arrived = hall_b.wire.select(|f| f.is_data_to(group));
    compare(&sent, &arrived, stage.router_mac).unwrap();
    other.stop().unwrap();
    let (_, end) = stage.end_source(sender, &[hall_a, hall_b]);
    for hall in [hall_a, hall_b] {
        let whole = stage.delivered(hall, joined, end).unwrap();
        assert_eq!((whole.held_until, whole.ended_by), (None, None), "{} got all of it", hall.name);
    }
    running.finish(&stage);
    stage.close();
}

#[test]
fn r85_streams_from_sources_that_are_not_allowed_stop_and_come_back_with_them() {
    let (stage, running) = play(&["hall-a"]);
    let hall = &stage.halls[0];
    let _viewer = hall.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    hall.wait_for_stream(Time::ZERO);
    running.set(Some("wan"), "sources-allowed", "[\"10.0.0.128/25\", \"192.0.2.0/24\"]");
    let source = stage.provider.host.address().addr().to_string();
    expect_dark(&running, hall, GROUP, "sources-allowed");
    let explained = running.explain(GROUP, Some(hall.name));
    assert!(explained.checks.iter().any(|check| check.text.contains(&source)), "{explained:?}");
    assert!(running.drops("wan", "source-not-allowed") > 0);
    let again = lab::now();
    running.set(Some("wan"), "sources-allowed", "[\"10.0.0.0/25\"]");
    hall.wait_for_stream(again);
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}

#[test]
fn r29_r48_r55_r100_what_hosts_say_counts_as_the_settings_want() {
    let (stage, running) = play(&["hall-a", "hall-b"]);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let sender = stage.start_source(RATE);
    stage.provider.wait_for_stream(Time::ZERO);

    // r100: what names no source means nothing in that range.
    let began = lab::now();
    running.set(None, "ssm-range", "[\"232.0.0.0/8\"]");
    let _ssm = hall_a.join(&stage.lab, SSM_GROUP);
    running.wait_for_verdict("hall-a", "ssm-range", 0);
    assert_eq!(said(&stage, SSM_GROUP, began), [0; 0]);

    // `require-router-alert`: a kernel's reports have the option.
    running.set(Some("hall-a"), "require-router-alert", "true");
    let (mac, from) = (hall_a.host.mac().unwrap(), hall_a.host.address().addr());
    let mut clients = stage.frames_from(hall_a);
    clients.send(&frame(mac, FOREIGN_GROUP, &IPV4, &report(from, FOREIGN_GROUP))).unwrap();
    running.wait_for_verdict("hall-a", "router-alert", 0);
    assert_eq!(running.members(FOREIGN_GROUP), [""; 0]);
    clients.send(&frame(mac, FOREIGN_GROUP, &IPV4, &alerting_report(from, FOREIGN_GROUP))).unwrap();
    let joined = lab::now();
    let viewer = hall_a.join(&stage.lab, GROUP);
    hall_a.wait_for_stream(joined);
    let member = || Ok((running.members(FOREIGN_GROUP) == ["hall-a"]).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("with the option it counts");
    viewer.leave().unwrap();
    let gone = || Ok(running.members(GROUP).is_empty().then_some(()));
    lab::stop::poll(SOON, gone).unwrap().expect("nobody is left");

    // r48: a version 1 host is not heard.
    running.set(Some("hall-b"), "ignore-v1", "true");
    hall_b.host.force_igmp_version(1).unwrap();
    let unheard = hall_b.join(&stage.lab, GROUP);
    running.wait_for_verdict("hall-b", "v1-ignored", 0);
    assert_eq!(coming(hall_b, GROUP), 0);
    drop(unheard);

    // r55: a static group comes to a port where nobody is heard.
    let made = lab::now();
    running.set(Some("hall-b"), "static-groups", "[\"239.2.2.2\"]");
    hall_b.wait_for_stream(made);

    // r29: a port that speaks version 1; taken down and up, it asks at once (r34).
    assert_eq!(coming(hall_a, GROUP), 0);
    running.set(Some("hall-a"), "igmp-version", "1");
    stage.middle.ip("link set hall-a down").unwrap();
    running.wait_for_log(&["carrier", "hall-a", "up=false"]);
    let up = lab::now();
    stage.middle.ip("link set hall-a up").unwrap();
    running.wait_for_log(&["carrier", "hall-a", "up=true"]);
    let is_v1 = |f: &Frame| {
        f.source == stage.router_mac
            && f.igmp().is_some_and(|igmp| igmp.kind == 0x11 && igmp.code == 0 && igmp.len == 8)
    };
    hall_a.wire.wait_for("a version 1 query", up, SOON, is_v1).unwrap();
    hall_a.host.force_igmp_version(1).unwrap();
    let _heard = hall_a.join(&stage.lab, GROUP);
    hall_a.wait_for_stream(up);

    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
