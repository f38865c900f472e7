//! Every kind, from the bytes of a link message to the verdict.

use super::*;
use crate::message::LinkMessage;
use crate::recorded::{LinkRecord, attribute};

const ETHER: u16 = 1;
const NONE: u16 = 0xfffe;

/// What the kernel says of a link: hardware type, driver, and what /sys adds.
struct Said {
    arphrd: u16,
    driver: Option<&'static str>,
    tun_type: Option<u8>,
    devtype: Option<&'static str>,
    wireless: bool,
}

fn hardware(arphrd: u16) -> Said {
    Said { arphrd, driver: None, tun_type: None, devtype: None, wireless: false }
}

fn driver(arphrd: u16, name: &'static str) -> Said {
    Said { driver: Some(name), ..hardware(arphrd) }
}

fn devtype(arphrd: u16, name: &'static str) -> Said {
    Said { devtype: Some(name), ..hardware(arphrd) }
}

fn tun(arphrd: u16, tun_type: u8) -> Said {
    Said { tun_type: Some(tun_type), ..driver(arphrd, "tun") }
}

/// Through the parser, as `list` does it.
fn kind_of(said: &Said) -> LinkKind {
    let mut record = LinkRecord::new(7, "x0").arphrd(said.arphrd).with(1, &[2, 0, 0, 0, 0, 1]);
    if let Some(driver) = said.driver {
        let data = said.tun_type.map_or(Vec::new(), |t| [attribute(1, &[0; 4]), attribute(3, &[t])].concat());
        record = record.driver(driver, &data);
    }
    let mut link = LinkMessage::parse(&record.bytes()).expect("a link message").kind;
    link.devtype = said.devtype.map(str::to_owned);
    link.wireless = said.wireless;
    LinkKind::of(&link)
}

fn table() -> Vec<(Said, LinkKind)> {
    use LinkKind as K;
    let other = |name: &str| K::Other(name.to_owned());
    vec![
        (hardware(ETHER), K::Ethernet),
        (devtype(ETHER, "gadget"), K::Ethernet),
        (driver(ETHER, "veth"), K::Veth),
        (tun(ETHER, 2), K::Tap),
        (driver(ETHER, "tun"), K::Tap),
        (driver(ETHER, "macvlan"), K::Macvlan),
        (Said { devtype: Some("vlan"), ..driver(ETHER, "vlan") }, K::Vlan),
        (devtype(ETHER, "vlan"), K::Vlan),
        (Said { devtype: Some("ppp"), ..driver(512, "ppp") }, K::Ppp),
        (hardware(512), K::Ppp),
        (devtype(ETHER, "l2tpeth"), K::L2tp),
        (Said { devtype: Some("bridge"), ..driver(ETHER, "bridge") }, K::Bridge),
        (driver(ETHER, "openvswitch"), K::OpenVswitch),
        (Said { devtype: Some("bond"), ..driver(ETHER, "bond") }, K::Bond),
        (driver(ETHER, "team"), K::Team),
        (driver(ETHER, "macvtap"), K::Macvtap),
        (driver(ETHER, "ipvlan"), K::Ipvlan),
        (driver(ETHER, "ipvtap"), K::Ipvlan),
        (driver(ETHER, "vxlan"), K::Vxlan),
        (driver(ETHER, "geneve"), K::Geneve),
        (driver(778, "gre"), K::Gre),
        (driver(823, "ip6gre"), K::Gre),
        (hardware(778), K::Gre),
        (driver(ETHER, "gretap"), K::Gretap),
        (driver(ETHER, "ip6gretap"), K::Gretap),
        (driver(ETHER, "erspan"), K::Gretap),
        (driver(768, "ipip"), K::Ipip),
        (hardware(768), K::Ipip),
        (driver(776, "sit"), K::Sit),
        (hardware(776), K::Sit),
        (driver(769, "ip6tnl"), K::Ip6Tunnel),
        (hardware(769), K::Ip6Tunnel),
        (driver(768, "vti"), K::Ipsec),
        (driver(769, "vti6"), K::Ipsec),
        (driver(NONE, "xfrm"), K::Ipsec),
        (tun(NONE, 1), K::Tun),
        (driver(NONE, "tun"), K::Tun),
        // A tun whose hardware type was set to Ethernet's is a tun all the same.
        (tun(ETHER, 1), K::Tun),
        (tun(NONE, 2), other("tap with hardware type 65534")),
        (driver(NONE, "wireguard"), K::Wireguard),
        (driver(ETHER, "macsec"), K::Macsec),
        (Said { wireless: true, ..devtype(ETHER, "wlan") }, K::Wireless),
        (Said { wireless: true, ..hardware(ETHER) }, K::Wireless),
        (devtype(ETHER, "wlan"), K::Wireless),
        (hardware(803), K::Wireless),
        (driver(ETHER, "virt_wifi"), K::Wireless),
        (devtype(NONE, "wwan"), K::Wwan),
        (devtype(ETHER, "wwan"), K::Wwan),
        (driver(NONE, "wwan"), K::Wwan),
        (devtype(ETHER, "bluetooth"), K::Bluetooth),
        (driver(ETHER, "vrf"), K::Vrf),
        (driver(ETHER, "dummy"), K::Dummy),
        (driver(ETHER, "ifb"), K::Ifb),
        (Said { devtype: Some("dsa"), ..driver(ETHER, "dsa") }, K::SwitchPort),
        (devtype(ETHER, "dsa"), K::SwitchPort),
        (hardware(32), K::Infiniband),
        (driver(32, "ipoib"), K::Infiniband),
        (hardware(280), K::Can),
        (driver(280, "vcan"), K::Can),
        (hardware(772), K::Loopback),
        (driver(ETHER, "netkit"), other("netkit")),
        (driver(824, "nlmon"), other("nlmon")),
        (driver(NONE, "veth"), other("veth")),
        (devtype(ETHER, "hsr"), other("hsr")),
        (hardware(24), other("hardware type 24")),
    ]
}

#[test]
fn every_kind_is_told_by_its_attributes() {
    for (said, kind) in table() {
        let context = format!("{:?}, {:?}, type {}", said.driver, said.devtype, said.arphrd);
        assert_eq!(kind_of(&said), kind, "{context}");
    }
}

/// Numbers the kinds, so that one that is added here without a line in the table fails the test below.
fn number(kind: &LinkKind) -> usize {
    use LinkKind as K;
    match kind {
        K::Ethernet => 0,
        K::Veth => 1,
        K::Tap => 2,
        K::Macvlan => 3,
        K::Vlan => 4,
        K::Ppp => 5,
        K::L2tp => 6,
        K::Bridge => 7,
        K::OpenVswitch => 8,
        K::Bond => 9,
        K::Team => 10,
        K::Macvtap => 11,
        K::Ipvlan => 12,
        K::Vxlan => 13,
        K::Geneve => 14,
        K::Gre => 15,
        K::Gretap => 16,
        K::Ipip => 17,
        K::Sit => 18,
        K::Ip6Tunnel => 19,
        K::Ipsec => 20,
        K::Tun => 21,
        K::Wireguard => 22,
        K::Macsec => 23,
        K::Wireless => 24,
        K::Wwan => 25,
        K::Bluetooth => 26,
        K::Vrf => 27,
        K::Dummy => 28,
        K::Ifb => 29,
        K::SwitchPort => 30,
        K::Infiniband => 31,
        K::Can => 32,
        K::Loopback => 33,
        K::Other(_) => 34,
    }
}

#[test]
fn the_table_has_every_kind_and_only_ethernet_ones_are_taken() {
    let mut seen = [false; 35];
    for (_, kind) in table() {
        let at = number(&kind);
        seen[at] = true;
        assert_eq!(kind.is_acceptable(), at < 4, "{kind}");
        assert_eq!(kind.needs_own_mac(), at == 3, "{kind}");
    }
    assert_eq!(seen, [true; 35]);
}
