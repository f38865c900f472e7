//! A container's Manifold: no hugepages, and no privilege beyond its network namespace.

use crate::stage::{Cabling, GROUP, Stage};
use types::Time;

/// CAP_NET_ADMIN and CAP_NET_RAW as /proc shows them.
const NET_ADMIN_AND_RAW: &str = "CapEff:\t0000000000003000";

#[test]
fn two_capabilities_are_enough() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let before = stage.kernel_state();
    let wrapper =
        ["setpriv", "--bounding-set", "-all,+net_admin,+net_raw", "--inh-caps", "-all", "--no-new-privs"];
    let running = stage.start_behind(&wrapper, &stage.recipe());
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    assert!(status.contains(NET_ADMIN_AND_RAW), "{status}");
    let _viewer = stage.halls[0].join(&stage.lab, GROUP);
    let sender = stage.start_source(500);
    stage.halls[0].wait_for_stream(Time::ZERO);
    lab::stop::pause(std::time::Duration::from_secs(1)).unwrap();
    let (_, end) = stage.end_source(sender, &[&stage.halls[0]]);
    stage.delivered(&stage.halls[0], Time::ZERO, end).unwrap();
    running.finish(&stage);
    assert_eq!(stage.kernel_state(), before);
    stage.close();
}
