//! The kernel is kept away from a port while Manifold runs, and gets it back whole.

use crate::stage::{Cabling, Recipe, Stage};
use lab::Host;
use std::fs;

/// A stage whose interfaces have IPv6, as a distribution sets them up, but for one where it was off.
fn stage_with_ipv6() -> Stage {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    for name in ["wan", "hall-a"] {
        stage.middle.sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "0").unwrap();
    }
    stage
}

fn ipv6_off(stage: &Stage, interface: &str) -> bool {
    let switch = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    stage.middle.run("cat", &[&switch]).unwrap().trim() == "1"
}

/// What must be so while Manifold runs.
fn assert_guarded(stage: &Stage) {
    let rules = stage.middle.run("nft", &["list", "ruleset"]).unwrap();
    for name in ["wan", "hall-a", "hall-b"] {
        let hook = format!("type filter hook ingress device \"{name}\" priority -500; policy drop;");
        assert!(rules.contains(&hook), "no ingress drop on {name}: {rules}");
        assert!(ipv6_off(stage, name), "IPv6 is on at {name}");
    }
}

#[test]
fn a_port_is_guarded_while_manifold_runs_and_given_back_at_its_end() {
    let stage = stage_with_ipv6();
    let before = stage.kernel_state();
    let running = stage.start(&stage.recipe());
    assert_guarded(&stage);
    running.end(&stage);
    assert_eq!(stage.kernel_state(), before);
    assert!(ipv6_off(&stage, "hall-b"), "it was off before");
}

#[test]
fn after_a_kill_the_next_run_takes_over_and_its_end_restores_everything() {
    let stage = stage_with_ipv6();
    let before = stage.kernel_state();
    let recipe = stage.recipe();
    stage.start(&recipe).kill();
    assert_guarded(&stage);
    let running = stage.start(&recipe);
    running.wait_for_log(&["WARN", "without giving its interfaces back", "hall-a"]);
    assert_guarded(&stage);
    running.end(&stage);
    assert_eq!(stage.kernel_state(), before);
}

/// With the promiscuous mode and the XDP program that af_xdp leaves behind.
#[test]
fn after_a_kill_a_run_that_is_refused_restores_everything_too() {
    for driver in ["af_packet", "af_xdp"] {
        a_refused_run_restores_everything(driver);
    }
}

fn a_refused_run_restores_everything(driver: &str) {
    let stage = stage_with_ipv6();
    let before = stage.kernel_state();
    let recipe = Recipe { driver: driver.to_owned(), ..stage.recipe() };
    stage.start(&recipe).kill();
    let mut wrong = recipe.clone();
    wrong.port("hall-a").device = "hall-z".to_owned();
    let refusal = stage.refused(&wrong);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    assert!(refusal.text.contains("there is no interface `hall-z`"), "{}", refusal.text);
    assert_eq!(stage.kernel_state(), before);
    let left: Vec<_> = fs::read_dir(&recipe.run_dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.iter().all(|file| file.extension().unwrap() != "guard"), "{left:?}");
}

/// Whether a ping from `host` to `address` is answered.
fn answers(host: &Host, address: &str) -> bool {
    host.netns().run("ping", &["-c", "3", "-i", "0.3", "-W", "1", address]).is_ok()
}

#[test]
fn a_client_cannot_reach_the_boxs_other_address_through_a_port() {
    const OFFICE: &str = "10.99.0.1";
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let user = &stage.halls[0].host;
    let office = stage.lab.netns("office").unwrap();
    stage.lab.veth((&stage.middle, "office"), (&office, "eth0")).unwrap();
    stage.middle.ip(&format!("addr add {OFFICE}/24 dev office")).unwrap();
    // The box knows the way to its clients, and a client tries.
    stage.middle.ip("route add 10.1.0.0/24 dev hall-a").unwrap();
    user.netns().ip(&format!("route add {OFFICE}/32 dev {}", user.interface())).unwrap();
    assert!(answers(user, OFFICE), "the kernel answers for all its addresses on every interface");

    let running = stage.start(&stage.recipe());
    assert!(!answers(user, OFFICE), "with its neighbour entry: echo requests must not pass");
    user.netns().ip("neigh flush all").unwrap();
    assert!(!answers(user, OFFICE), "nor may ARP be answered");
    let tried = stage.halls[0].wire.select(|frame| frame.ether_type == 0x0806);
    assert!(tried.len() >= 2, "it did try");
    running.finish(&stage);

    user.netns().ip("neigh flush all").unwrap();
    assert!(answers(user, OFFICE), "and all is as it was");
    stage.close();
}
