//! A container's Manifold: no hugepages, and no privilege beyond its network namespace.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, Stage};
use types::Time;

/// CAP_NET_ADMIN and CAP_NET_RAW as /proc shows them.
const NET_ADMIN_AND_RAW: &str = "CapEff:\t0000000000003000";

/// Has a program run with those two alone.
const WITH_TWO: [&str; 6] =
    ["setpriv", "--bounding-set", "-all,+net_admin,+net_raw", "--inh-caps", "-all", "--no-new-privs"];

/// The limit of an ordinary container.
const LIMITED: [&str; 2] = ["prlimit", "--memlock=8388608:8388608"];

/// KiB of its memory of this kind.
fn memory(running: &Running, kind: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
    line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn two_capabilities_are_enough() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let before = stage.kernel_state();
    let running = stage.start_behind(&[&LIMITED[..], &WITH_TWO].concat(), &stage.recipe());
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    assert!(status.contains(NET_ADMIN_AND_RAW), "{status}");
    assert_eq!(memory(&running, "VmLck"), 0, "a limit is left alone");
    running.wait_for_log(&["memory is not locked: ", "CAP_IPC_LOCK", "--ulimit memlock=-1"]);
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
fn memory_stays_where_no_limit_binds_and_streams_run_on_it() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let before = stage.kernel_state();
    let three = ["-all,+ipc_lock,+net_admin,+net_raw", "-all,+net_admin,+net_raw"];
    // That takes CAP_SYS_RESOURCE, or no limit on the tests.
    let unlimited = ["prlimit", "--memlock=8388608:unlimited"];
    let lifted = std::process::Command::new(unlimited[0]).args([unlimited[1], "true"]).output().unwrap();
    let ways = [(LIMITED, three[0]), (unlimited, three[1])];
    for (limit, bounding) in &ways[..if lifted.status.success() { 2 } else { 1 }] {
        let wrapper = [&limit[..], &["setpriv", "--bounding-set", bounding], &WITH_TWO[3..]].concat();
        let running = stage.start_behind(&wrapper, &stage.recipe());
        // Also what was mapped since the start.
        assert!(memory(&running, "VmLck") >= memory(&running, "VmRSS"), "{}", running.log());
        assert!(!running.log().contains("memory is not locked"), "{}", running.log());
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
        let locked = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap();
        let expected = if *limit == LIMITED { ["8388608", "8388608"] } else { ["unlimited", "unlimited"] };
        assert_eq!(locked.split_whitespace().take(2).collect::<Vec<_>>(), expected);
        let since = lab::now();
        let viewer = stage.halls[0].join(&stage.lab, GROUP);
        let sender = stage.start_source(500);
        stage.halls[0].wait_for_stream(since);
        stage.end_source(sender, &[&stage.halls[0]]);
        drop(viewer);
        running.finish(&stage);
    }
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
