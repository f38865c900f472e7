//! Interfaces that are somebody's are refused with the command that cures it, which must then cure it, and nothing
//! is left changed.

use crate::stage::{Cabling, Stage};

/// A hall's interface put to another use: refused in these words; after the cure that the message names, taken.
fn refused_then_cured(uses: &[&str], words: &[&str], cure: &str) {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    stage.middle.sysctl("net/ipv6/conf/hall-a/disable_ipv6", "0").unwrap();
    let fresh = stage.kernel_state();
    for command in uses {
        stage.middle.ip(command).unwrap();
    }
    let used = stage.kernel_state();
    assert_ne!(used, fresh);
    let recipe = stage.recipe();

    let refusal = stage.refused(&recipe);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    for word in ["port \"hall-a\"", "interface `hall-a`"].iter().chain(words) {
        assert!(refusal.text.contains(word), "no `{word}` in: {}", refusal.text);
    }
    assert_eq!(refusal.cure(), cure);
    assert_eq!(stage.kernel_state(), used, "something is left changed");
    let guarded = std::fs::read_dir(&recipe.run_dir).unwrap();
    let guarded = guarded.filter(|file| file.as_ref().unwrap().path().extension().unwrap() == "guard");
    assert_eq!(guarded.count(), 0, "the guard believes that it holds something");

    stage.middle.run("sh", &["-ec", refusal.cure()]).unwrap();
    stage.start(&recipe).end(&stage);
}

#[test]
fn an_interface_with_the_boxs_address_is_refused() {
    refused_then_cured(
        &["addr add 192.0.2.1/24 dev hall-a"],
        &["has the box's own address `192.0.2.1/24`"],
        "ip -4 addr flush dev hall-a",
    );
}

#[test]
fn an_interface_with_the_default_route_is_refused() {
    refused_then_cured(
        &["route add default dev hall-a metric 7"],
        &["the box's default route"],
        "ip -4 route del default dev hall-a table 254 metric 7",
    );
}

#[test]
fn a_bridges_port_is_refused() {
    refused_then_cured(
        &["link add br-lan type bridge", "link set hall-a master br-lan"],
        &["belongs to `br-lan`", "bridge"],
        "ip link set dev hall-a nomaster",
    );
}

#[test]
fn an_interface_with_another_on_top_is_refused() {
    refused_then_cured(
        &["link add mv0 link hall-a type macvlan mode bridge"],
        &["has `mv0` on top"],
        "ip link del dev mv0",
    );
}

#[test]
fn a_transmit_that_could_block_the_worker_is_refused() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let fresh = stage.kernel_state();
    let mut recipe = stage.recipe();
    recipe.port("hall-a").device = "net_af_packet0,iface=hall-a,qdisc_bypass=0".to_owned();
    let refusal = stage.refused(&recipe);
    assert_eq!(refusal.code, Some(2), "a matter of the settings: {}", refusal.text);
    for word in ["kernel.toml:", "qdisc_bypass=0", "blocks the worker", "leave qdisc_bypass out"] {
        assert!(refusal.text.contains(word), "no `{word}` in: {}", refusal.text);
    }
    assert_eq!(stage.kernel_state(), fresh);
    recipe.port("hall-a").device = "net_af_packet0,iface=hall-a".to_owned();
    stage.start(&recipe).end(&stage);
}
