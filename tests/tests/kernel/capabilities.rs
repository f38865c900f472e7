//! A container's Manifold: no hugepages, and no privilege beyond its network namespace.

use crate::stage::{Cabling, GROUP, Recipe, Stage};
use types::Time;

/// CAP_NET_ADMIN and CAP_NET_RAW as /proc shows them.
const NET_ADMIN_AND_RAW: &str = "CapEff:\t0000000000003000";

/// Has a program run with those two alone.
const WITH_TWO: [&str; 6] =
    ["setpriv", "--bounding-set", "-all,+net_admin,+net_raw", "--inh-caps", "-all", "--no-new-privs"];

#[test]
fn two_capabilities_are_enough() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let before = stage.kernel_state();
    let running = stage.start_behind(&WITH_TWO, &stage.recipe());
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

#[test]
fn af_xdp_by_name_takes_a_third_and_says_which() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let before = stage.kernel_state();
    let recipe = Recipe { driver: "af_xdp".to_owned(), ..stage.recipe() };
    let refusal = stage.refused_behind(&WITH_TWO, &recipe);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    for words in ["af_xdp cannot serve wan: it takes CAP_BPF or CAP_SYS_ADMIN", "run as root or with CAP_BPF"]
    {
        assert!(refusal.text.contains(words), "no `{words}` in: {}", refusal.text);
    }
    assert_eq!(stage.kernel_state(), before);
    stage.close();
}
