//! Clients with the IGMP of their own kernels: version 1, 2, and 3, which is what Linux speaks unless it has heard
//! an older querier.

use crate::stage::{Cabling, GROUP, SOON, STOP_LIMIT, Side, Stage};
use lab::Frame;
use std::sync::Arc;
use std::time::Duration;

const RATE: u32 = 500;
/// In seconds; the group membership interval is twice it and a second.
const QUERY_INTERVAL: u32 = 4;
const MEMBERSHIP_INTERVAL: Duration = Duration::from_secs(2 * QUERY_INTERVAL as u64 + 1);
/// The last member query time of the settings, and some more for a busy machine.
const LEFT: Duration = Duration::from_secs(3);

/// A hall, the version forced on its host's kernel (0 is none), the type of its reports, and whether it says that
/// it leaves.
const HOSTS: [(&str, u8, u8, bool); 3] =
    [("hall-v1", 1, 0x12, false), ("hall-v2", 2, 0x16, true), ("hall-any", 0, 0x16, true)];

fn reports(hall: &Side, kind: u8) -> Vec<Arc<Frame>> {
    let from = hall.host.address().addr();
    let theirs = |frame: &Frame| {
        frame.igmp().is_some_and(|igmp| igmp.kind == kind)
            && frame.ip.as_ref().is_some_and(|ip| ip.source == from)
    };
    hall.wire.select(theirs)
}

#[test]
fn hosts_of_every_version_get_the_stream_keep_it_and_lose_it() {
    let stage = Stage::new(&HOSTS.map(|host| host.0), Cabling::Direct);
    for (hall, (_, version, ..)) in stage.halls.iter().zip(HOSTS) {
        hall.host.force_igmp_version(version).unwrap();
    }
    let mut recipe = stage.recipe();
    recipe.query_interval = QUERY_INTERVAL;
    let began = lab::now();
    let running = stage.start(&recipe);
    let sender = stage.start_source(RATE);
    stage.provider.wait_for_stream(began);
    let is_query = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x11, [0; 4].into());
    for hall in &stage.halls {
        hall.wire.wait_for("a General Query", began, SOON, is_query).unwrap();
        let silent = hall.stream(began, lab::now()).len();
        assert_eq!(silent, 0, "r84: {} got frames without a member", hall.name);
    }

    let joined = lab::now();
    let viewers: Vec<_> = stage.halls.iter().map(|hall| hall.join(&stage.lab, GROUP)).collect();
    for hall in &stage.halls {
        hall.wait_for_stream(joined);
    }
    lab::stop::pause(MEMBERSHIP_INTERVAL + Duration::from_secs(2)).unwrap();
    let watched = lab::now();
    for (hall, (_, _, kind, _)) in stage.halls.iter().zip(HOSTS) {
        let delivery = stage.delivered(hall, began, watched);
        let delivery = delivery.unwrap_or_else(|why| panic!("{}: {why}", hall.name));
        assert!(delivery.first_at + MEMBERSHIP_INTERVAL < delivery.last_at, "{}", hall.name);
        // Those that answered queries after the one or two at joining.
        assert!(
            reports(hall, kind).len() > 2,
            "{} reports of type {kind:#x} in {}",
            reports(hall, kind).len(),
            hall.name
        );
    }

    let left = lab::now();
    for viewer in viewers {
        let summary = viewer.leave().unwrap();
        assert!(summary.is_perfect(), "{summary:?}");
    }
    lab::stop::pause(LEFT).unwrap();
    for (hall, (name, _, _, says_so)) in stage.halls.iter().zip(HOSTS) {
        let since = left + (LEFT - Duration::from_millis(500));
        let still = hall.stream(since, lab::now()).len();
        assert_eq!(still == 0, says_so, "{name}: {still} frames");
    }
    // A version 1 host does not say so: its absence is found by the timer.
    let aged = || Ok(running.members(GROUP).is_empty().then_some(()));
    lab::stop::poll(STOP_LIMIT, aged).unwrap().expect("the last member ages out");
    let ended = lab::now();
    let last = reports(&stage.halls[0], HOSTS[0].2).last().expect("what it answered queries with").at;
    assert!(ended - last >= MEMBERSHIP_INTERVAL, "{:?} after its last report", ended - last);
    let after = stage.halls[0].stream(ended, ended + Duration::from_millis(500));
    assert_eq!(after.len(), 0);
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}

#[test]
fn r50_a_host_that_speaks_version_3_joins_and_leaves() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall] = &stage.halls[..] else { panic!() };
    hall.host.force_igmp_version(0).unwrap();
    // It hears no query, and so no older querier, as long after its last one (r103).
    let deaf = "add table ip deaf; add chain ip deaf in { type filter hook input priority 0; }; \
                add rule ip deaf in ip protocol igmp drop";
    hall.host.netns().run("nft", &[deaf]).unwrap();
    let running = stage.start(&stage.recipe());
    let sender = stage.start_source(RATE);
    let joined = lab::now();
    let viewer = hall.join(&stage.lab, GROUP);
    hall.wait_for_stream(joined);
    lab::stop::pause(Duration::from_secs(1)).unwrap();
    assert!(!reports(hall, 0x22).is_empty() && reports(hall, 0x16).is_empty(), "it spoke version 3");
    let left = lab::now();
    assert!(viewer.leave().unwrap().is_perfect());
    lab::stop::pause(LEFT).unwrap();
    let still = hall.stream(left + (LEFT - Duration::from_millis(500)), left + LEFT).len();
    assert_eq!(still, 0, "{still} frames after it left");
    sender.stop().unwrap();
    stage.delivered(hall, joined, lab::now()).unwrap();
    running.finish(&stage);
    stage.close();
}
