//! Kinds of interfaces that no one kernel has, from their link messages to what the socket says of them. The browser's
//! tests show just that on the page.

use std::{env, fs};

use api::{ConnectionsReply, PortRole, Reply};
use links::recorded::{LinkRecord, attribute, read};

use super::tests::port;
use super::*;

/// What the page's tests serve.
const TOLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/page/connections.json");

const IFLA_ADDRESS: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_OPERSTATE: u16 = 16;

const ARPHRD_PPP: u16 = 512;
const ARPHRD_NONE: u16 = 0xfffe;

/// Up and running, point to point, without ARP: of PPP and WireGuard.
const POINT_TO_POINT: u32 = 0x1_00d1;

/// A kernel's table of PPPoE sessions: number, peer, interface.
const PPPOE: &str = "Id       Address              Device\n0000002a 02:00:00:00:00:fe     eth7\n";

fn ethernet(index: u32, name: &str) -> LinkRecord {
    LinkRecord::new(index, name).with(IFLA_ADDRESS, &[2, 0, 0, 0, 0, index as u8])
}

/// What is on top of an interface, which makes both no ports.
fn stacked(index: u32, name: &str, below: u32, driver: &str, data: &[u8]) -> LinkRecord {
    ethernet(index, name).number(IFLA_LINK, below).driver(driver, data)
}

fn records() -> Vec<LinkRecord> {
    // IFLA_VLAN_ID 5 and IFLA_VLAN_PROTOCOL 802.1Q.
    let vlan = [attribute(1, &5_u16.to_ne_bytes()), attribute(5, &[0x81, 0])].concat();
    vec![
        ethernet(2, "eth0"),
        ethernet(3, "eth1"),
        stacked(4, "eth1.5", 3, "vlan", &vlan),
        ethernet(5, "eth7"),
        LinkRecord::new(6, "ppp0")
            .arphrd(ARPHRD_PPP)
            .flags(POINT_TO_POINT)
            .number(IFLA_MTU, 1492)
            .with(IFLA_OPERSTATE, &[0])
            .driver("ppp", &[]),
        LinkRecord::new(7, "wg0")
            .arphrd(ARPHRD_NONE)
            .flags(POINT_TO_POINT)
            .number(IFLA_MTU, 1420)
            .with(IFLA_OPERSTATE, &[0])
            .driver("wireguard", &[]),
        ethernet(8, "bond0").driver("bond", &[]),
        ethernet(9, "gre1").driver("gretap", &[]),
    ]
}

/// `MANIFOLD_UPDATE_GOLDEN=1` writes the file anew.
#[test]
fn recorded_interfaces_are_told_as_the_pages_tests_show_them() {
    let upstream = PortView { role: PortRole::Upstream, ..port("wan", "eth0") };
    let nics = [Nic { address: "0000:3b:00.1".to_owned(), driver: "vfio-pci" }];
    let connections = assemble(&read(records(), PPPOE), &nics, &[upstream], true);
    let told = Reply::Connections(ConnectionsReply { connections }).to_line();
    if env::var_os("MANIFOLD_UPDATE_GOLDEN").is_some() {
        fs::write(TOLD, &told).expect("the page's tests are beside this");
    }
    assert_eq!(fs::read_to_string(TOLD).expect("the page's tests are beside this"), told);
}
