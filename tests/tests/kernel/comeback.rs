//! An interface that vanishes and comes back: another one to the kernel, the same port to Manifold.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SECOND_GROUP, SOON, STOP_LIMIT, Side, Stage, THIRD_GROUP};
use lab::{Capture, Frame};
use std::time::Duration;
use types::Time;

const RATE: u32 = 1_000;
/// How long an interface is gone, and how long one that is back is watched.
const A_WHILE: Duration = Duration::from_secs(1);
/// Looked at again this often at least, an interface that somebody had to free.
const CURED: Duration = STOP_LIMIT;

fn members(running: &Running, count: usize) {
    let members = || Ok((running.members(GROUP).len() == count).then_some(()));
    lab::stop::poll(SOON, members).unwrap().expect("all members");
}

/// Deletes the interface of a side's port; its cable goes with it.
fn delete(stage: &Stage, running: &Running, side: &Side) {
    stage.middle.ip(&format!("link del {}", side.name)).unwrap();
    running.wait_for_log(&["WARN", side.name, "vanished"]);
}

/// Waits until `explain` says of the side that it has no stream because of this.
fn explained(running: &Running, side: &Side, why: &str) {
    let dark = format!("dark, on {}: not forwarded: {why}", side.name);
    let verdict = || running.explain(GROUP, Some(side.name)).verdict;
    let says_so = || Ok(verdict().starts_with(&dark).then_some(()));
    lab::stop::poll(SOON, says_so).unwrap().unwrap_or_else(|| panic!("{} is not {dark}", verdict()));
}

fn is_query(stage: &Stage) -> impl Fn(&Frame) -> bool {
    let router = stage.router_mac;
    move |frame| frame.source == router && frame.is_igmp(0x11, [0; 4].into())
}

#[test]
fn r93_a_clients_interface_vanishes_and_comes_back_without_a_restart_and_the_others_lose_nothing() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Bridged);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let mut running = stage.start(&stage.recipe());
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    members(&running, 2);
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(stage.provider.wait_for_stream(Time::ZERO).at);

    delete(&stage, &running, hall_b);
    lab::stop::pause(A_WHILE).unwrap();
    running.expect_running();
    assert_eq!(running.members(GROUP).len(), 2, "r93: members age, they do not go with the link");
    explained(&running, hall_b, "the port's interface hall-b is gone");

    // It is back, with another index and another MAC: the stream is there at once, and everybody is asked.
    let back = lab::now();
    let cable = hall_b.lay_cable(&stage);
    running.wait_for_log(&["INFO", "hall-b", "is back"]);
    hall_b.wait_for_stream(back);
    cable.wait_for("r34: a General Query", back, SOON, is_query(&stage)).unwrap();
    let rules = stage.middle.run("nft", &["list", "ruleset"]).unwrap();
    assert!(rules.contains("hook ingress device \"hall-b\""), "nobody guards it: {rules}");

    // Once more, and this time it comes back as somebody's: not taken, with the cure, until that is cured.
    delete(&stage, &running, hall_b);
    stage.middle.ip("link add taken type bridge").unwrap();
    let again = lab::now();
    hall_b.lay_cable_as(&stage, "spare");
    for step in ["down", "master taken", "name hall-b"] {
        stage.middle.ip(&format!("link set spare {step}")).unwrap();
    }
    running.wait_for_log(&["WARN", "port \"hall-b\"", "master", "cure"]);
    explained(&running, hall_b, "the port is out of service: ");
    let streams = |f: &Frame| f.is_data_to(GROUP.addr());
    assert_eq!(hall_b.wire.between(again, lab::now(), streams).unwrap().len(), 0);
    stage.middle.ip("link set hall-b nomaster").unwrap();
    hall_b.wire.wait_for("the stream in hall-b", again, CURED, streams).unwrap();

    let (_, end) = stage.end_source(sender, &[hall_a]);
    let whole = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((whole.held_until, whole.ended_by), (None, None), "hall-a got all that the source sent");
    running.finish(&stage);
    stage.close();
}

#[test]
fn an_interface_that_became_somebodys_while_it_was_down_is_refused_until_that_is_cured() {
    let stage = Stage::new(&["hall-a"], Cabling::Bridged);
    let hall_a = &stage.halls[0];
    // By af_xdp it may stay open.
    let running = stage.start(&Recipe { driver: "af_packet".to_owned(), ..stage.recipe() });
    let _viewer = hall_a.join(&stage.lab, GROUP);
    members(&running, 1);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    stage.middle.ip("link add taken type bridge").unwrap();
    stage.middle.ip("link set hall-a down").unwrap();
    running.wait_for_log(&["carrier", "hall-a", "up=false"]);
    for step in ["master taken", "up"] {
        stage.middle.ip(&format!("link set hall-a {step}")).unwrap();
    }
    running.wait_for_log(&["WARN", "port \"hall-a\"", "master", "cure"]);
    explained(&running, hall_a, "the port is out of service: ");
    let cured = lab::now();
    stage.middle.ip("link set hall-a nomaster").unwrap();
    let streams = |f: &Frame| f.is_data_to(GROUP.addr());
    hall_a.wire.wait_for("the stream in hall-a", cured, CURED, streams).unwrap();
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}

#[test]
fn r70_the_providers_interface_vanishes_and_comes_back_and_every_group_is_reported_anew() {
    let stage = Stage::new(&["hall-a"], Cabling::Bridged);
    let hall_a = &stage.halls[0];
    let running = stage.start(&stage.recipe());
    let groups = [GROUP, SECOND_GROUP, THIRD_GROUP];
    let _viewers = groups.map(|group| hall_a.join(&stage.lab, group));
    let reported = |wire: &Capture, since: Time| {
        for group in groups {
            let ours = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x16, group.addr());
            wire.wait_for(&format!("a Join of {group}"), since, SOON, ours).unwrap();
        }
    };
    reported(&stage.provider.wire, Time::ZERO);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);

    delete(&stage, &running, &stage.provider);
    lab::stop::pause(A_WHILE).unwrap();
    let back = lab::now();
    let cable = stage.provider.lay_cable(&stage);
    // From the MAC that Manifold has had all along, whatever the interface's is now.
    reported(&cable, back);
    hall_a.wait_for_stream(back);
    assert_ne!(stage.middle.mac("wan").unwrap(), stage.router_mac);
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}

#[test]
fn r99_an_interfaces_mtu_is_followed_while_streams_run() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    members(&running, 2);
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(Time::ZERO);

    // Too small for the stream: dropped by name, for that port alone.
    stage.middle.ip("link set hall-b mtu 68").unwrap();
    running.wait_for_log(&["INFO", "hall-b", "mtu=68"]);
    let dropped = || Ok((running.drops("hall-b", "mtu") > 0).then_some(()));
    lab::stop::poll(SOON, dropped).unwrap().expect("drops by MTU");
    stage.middle.ip("link set hall-b mtu 1500").unwrap();
    running.wait_for_log(&["INFO", "hall-b", "mtu=1500"]);
    hall_b.wait_for_stream(lab::now());

    let (_, end) = stage.end_source(sender, &[hall_a]);
    let whole = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((whole.held_until, whole.ended_by), (None, None), "hall-a got all that the source sent");
    running.finish(&stage);
    stage.close();
}
