//! Carrier that goes and comes back: from rtnetlink, for the driver says nothing.

use crate::stage::{
    Cabling, GROUP, Recipe, SECOND_GROUP, SOON, STOP_LIMIT, Side, Stage, THIRD_GROUP, number,
};
use lab::Frame;
use std::time::Duration;
use types::Time;

const RATE: u32 = 1_000;
/// How many datagrams pass a port without carrier.
const PASSED_BY: usize = 2_000;
/// Frames that an af_packet port may have received and not yet handed over.
const RECEIVE_RING: u64 = 512;
/// What counts as at once: Manifold has no other reason to ask within this.
const AT_ONCE: Duration = Duration::from_secs(2);

fn is_stream(frame: &Frame) -> bool {
    frame.is_data_to(GROUP.addr())
}

/// Waits until so many datagrams more have left the source.
fn let_pass(stage: &Stage, since: Time, datagrams: usize) {
    let passed = || {
        let sent = stage.provider.wire.select(|f| f.at >= since && is_stream(f)).len();
        Ok((sent >= datagrams).then_some(()))
    };
    lab::stop::poll(STOP_LIMIT, passed).unwrap().expect("the source goes on");
}

/// After an outage a side gets the stream again, from a fresh datagram on without a gap: nothing that was sent before
/// the link returned, by whichever ring it was kept.
fn assert_nothing_kept(stage: &Stage, side: &Side, (down, up): (Time, Time), end: Time) {
    let passed_by = stage.provider.wire.select(|f| f.at >= down && f.at < up && is_stream(f));
    let last = number(&passed_by[passed_by.len() - 1]);
    let arrived = side.stream(up, end);
    let first = number(&arrived[0]);
    // A worker that had to wait for its core may still have some to receive when the link returns.
    assert!(first + RECEIVE_RING > last, "{first} is stale; the link was back at {last}");
    stage.delivered(side, arrived[0].at, end).unwrap();
}

/// Takes hall-b's link away with `link(false)` and back with `link(true)` while both halls watch.
fn link_lost_and_back(driver: &str, link: impl Fn(&Stage, bool)) {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Bridged);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running = stage.start(&Recipe { driver: driver.to_owned(), ..stage.recipe() });
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let member = || Ok((running.members(GROUP).len() == 2).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("two members");
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(stage.provider.wait_for_stream(Time::ZERO).at);

    let down = lab::now();
    link(&stage, false);
    running.wait_for_log(&["carrier", "hall-b", "up=false"]);
    let sent_to_hall_b = || running.counters("hall-b").frames["tx-frames"];
    // The batch of the pass in which the masks changed.
    lab::stop::pause(Duration::from_millis(100)).unwrap();
    let before = sent_to_hall_b();
    let_pass(&stage, down, PASSED_BY);
    assert_eq!(sent_to_hall_b(), before, "frames for a port without carrier");

    let up = lab::now();
    link(&stage, true);
    let is_query = |frame: &Frame| frame.source == stage.router_mac && frame.is_igmp(0x11, [0; 4].into());
    let query = hall_b.wire.wait_for("r34: a General Query", up, AT_ONCE, is_query).unwrap();
    assert!(query.at >= up);
    hall_b.wait_for_stream(up);
    let_pass(&stage, up, 500);
    let (_, end) = stage.end_source(sender, &[hall_a, hall_b]);
    assert_nothing_kept(&stage, hall_b, (down, up), end);
    let whole = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((whole.held_until, whole.ended_by), (None, None), "hall-a got all that the source sent");
    assert!(whole.datagrams > PASSED_BY);
    running.finish(&stage);
    stage.close();
}

/// Pulls hall-b's cable, or plugs it in.
fn plug(stage: &Stage, in_: bool) {
    stage.halls[1].plug(in_);
}

/// Sets the port's own interface down, or up.
fn set(stage: &Stage, up: bool) {
    let state = if up { "up" } else { "down" };
    stage.middle.ip(&format!("link set hall-b {state}")).unwrap();
}

#[test]
fn r34_a_port_without_carrier_gets_nothing_and_no_stale_frame_when_it_returns() {
    link_lost_and_back("af_packet", plug);
}

#[test]
fn r34_a_port_set_down_gets_nothing_and_no_stale_frame_when_it_returns() {
    link_lost_and_back("af_packet", set);
}

#[test]
fn r34_a_port_by_af_xdp_without_carrier_gets_nothing_and_no_stale_frame_when_it_returns() {
    link_lost_and_back("af_xdp", plug);
}

// It is opened anew, which the distribution's cannot.
#[cfg(feature = "own-dpdk")]
#[test]
fn r34_a_port_by_af_xdp_set_down_gets_nothing_and_no_stale_frame_when_it_returns() {
    link_lost_and_back("af_xdp", set);
}

#[test]
fn r70_when_the_providers_link_returns_every_group_is_reported_anew() {
    let stage = Stage::new(&["hall-a"], Cabling::Bridged);
    let running = stage.start(&stage.recipe());
    let groups = [GROUP, SECOND_GROUP, THIRD_GROUP];
    let _viewers = groups.map(|group| stage.halls[0].join(&stage.lab, group));
    let reported = |since: Time| {
        for group in groups {
            let ours = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x16, group.addr());
            stage.provider.wire.wait_for(&format!("a Join of {group}"), since, SOON, ours).unwrap();
        }
    };
    reported(Time::ZERO);
    // The repetitions of the first reports (r58) are over.
    lab::stop::pause(Duration::from_secs(2)).unwrap();

    stage.provider.plug(false);
    running.wait_for_log(&["carrier", "wan", "up=false"]);
    let up = lab::now();
    stage.provider.plug(true);
    reported(up);
    let sender = stage.start_source(RATE);
    stage.halls[0].wait_for_stream(up);
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
