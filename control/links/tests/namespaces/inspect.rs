//! Real interfaces, told apart, refused with cures that work, and set up.

use std::thread;
use std::time::Duration;

use crate::common::{helper, inside, role, sh};
use links::{LinkError, LinkKind, acceptable, inspect, list, refusals, set_up, usable};

#[test]
fn real_kinds_are_told_apart() {
    inside("inspect::real_kinds_are_told_apart", || {
        sh("ip link add v0 type veth peer name v1; ip link add mv0 link v0 type macvlan mode bridge
            ip link add br0 type bridge; ip link add ifb9 type ifb
            ip link add vx0 type vxlan id 7 dstport 4789 remote 127.0.0.1
            ip tuntap add dev tun9 mode tun; ip tuntap add dev tap9 mode tap");
        let expected = [
            ("v0", LinkKind::Veth, true),
            ("mv0", LinkKind::Macvlan, true),
            ("tap9", LinkKind::Tap, true),
            ("br0", LinkKind::Bridge, false),
            ("ifb9", LinkKind::Ifb, false),
            ("vx0", LinkKind::Vxlan, false),
            ("tun9", LinkKind::Tun, false),
            ("lo", LinkKind::Loopback, false),
        ];
        for (name, kind, taken) in expected {
            let link = inspect(name).unwrap();
            assert_eq!(link.kind, kind, "{name}");
            match acceptable(&link) {
                Ok(()) => assert!(taken, "{name}"),
                Err(refusal) => {
                    let text = refusal.to_string();
                    assert!(!taken && text.contains(name) && text.contains(kind.name()), "{text}");
                }
            }
        }
    });
}

#[test]
fn an_interface_is_read_as_it_stands() {
    inside("inspect::an_interface_is_read_as_it_stands", || {
        sh("ip link add v0 mtu 1400 address 02:00:00:00:00:07 type veth peer name v1
            ip link property add dev v0 altname enp9s0; ip link set dev v1 up");
        let link = inspect("enp9s0").unwrap();
        let index: u32 = sh("cat /sys/class/net/v0/ifindex").trim().parse().unwrap();
        assert_eq!((link.name.as_str(), link.index, link.mtu), ("v0", index, 1400));
        assert_eq!(link.mac.map(|mac| mac.to_string()).as_deref(), Some("02:00:00:00:00:07"));
        assert_eq!((link.admin_up, link.up, link.lower), (false, false, None));
        assert!(set_up("v0").unwrap(), "it was down");
        assert!(!set_up("v0").unwrap(), "it is up already");
        // The kernel may take up to a second over its operational state.
        let up = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            inspect("v0").unwrap().up
        });
        assert!(up);
        sh("ip link set dev v1 down");
        let link = inspect("v0").unwrap();
        assert_eq!((link.admin_up, link.up), (true, false), "no carrier without the peer");
    });
}

#[test]
fn each_refusal_is_cured_by_the_command_it_names() {
    inside("inspect::each_refusal_is_cured_by_the_command_it_names", || {
        sh("ip link add v0 type veth peer name v1; ip link set dev v0 up; ip link set dev v1 up
            ip link add br0 type bridge");
        // The link-local address that IPv6 gives by itself is no obstacle.
        assert!(sh("ip -6 addr show dev v0").contains("fe80::"));
        assert_eq!(usable(&inspect("v0").unwrap()), Ok(()));
        let cases = [
            ("ip addr add 10.1.0.1/24 dev v0", "10.1.0.1/24"),
            ("ip addr add 2001:db8::1/64 dev v0 nodad", "2001:db8::1/64"),
            (
                "sysctl -qw net/ipv6/conf/v0/disable_ipv6=0; ip addr add 2001:db8::1/64 dev v0; ip addr add 10.1.0.1/24 dev v0",
                "10.1.0.1/24",
            ),
            ("ip route add default dev v0", "default route"),
            ("ip route add default dev v0 table 100", "default route"),
            ("ip route add default dev v1 metric 5; ip route add default dev v0 metric 7", "default route"),
            ("ip route add default nexthop dev lo nexthop dev v0", "default route"),
            ("sysctl -qw net/ipv6/conf/v0/disable_ipv6=0; ip -6 route add default dev v0", "default route"),
            ("ip link set dev v0 master br0", "`br0` (bridge)"),
            ("ip link add mv0 link v0 type macvlan", "`mv0`"),
            (
                "ip link add mv0 link v0 type macvlan; ip link add vx0 type vxlan id 7 dstport 4789 group 239.1.1.1 dev v0",
                "`vx0`",
            ),
        ];
        for (trouble, named) in cases {
            sh(trouble);
            let found = refusals(&inspect("v0").unwrap());
            assert!(found.iter().any(|r| r.why().contains(named)), "{trouble}: {found:?}");
            for refusal in &found {
                sh(&refusal.cure());
            }
            let link = inspect("v0").unwrap();
            assert_eq!(usable(&link), Ok(()), "{trouble}");
        }
    });
}

#[test]
fn a_missing_interface_is_told_with_those_that_could_serve() {
    inside("inspect::a_missing_interface_is_told_with_those_that_could_serve", || {
        let error = inspect("eth9").unwrap_err();
        assert!(error.to_string().contains("no interface here could serve"), "{error}");
        sh("ip link add v0 type veth peer name v1; ip addr add 10.1.0.1/24 dev v1");
        match inspect("eth9").unwrap_err() {
            LinkError::NotFound { name, could_serve } => {
                assert_eq!((name.as_str(), could_serve), ("eth9", vec!["v0".to_owned()]));
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn many_interfaces_are_all_listed() {
    inside("inspect::many_interfaces_are_all_listed", || {
        let before = list().unwrap().len();
        sh("for i in $(seq 150); do echo link add a$i type veth peer name b$i; done | ip -batch -
            ip addr add 10.1.0.1/24 dev a150");
        let links = list().unwrap();
        assert_eq!(links.len(), before + 300, "a dump of more than one datagram");
        assert!(usable(links.iter().find(|l| l.name == "a150").unwrap()).is_err());
    });
}

#[test]
fn without_the_capability_it_is_named() {
    const TEST: &str = "inspect::without_the_capability_it_is_named";
    inside(TEST, || {
        if role().is_some() {
            let error = set_up("v0").unwrap_err();
            assert!(matches!(error, LinkError::NotPermitted { .. }), "{error}");
            assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
            return;
        }
        sh("ip link add v0 type veth peer name v1");
        let status = helper(TEST, "unprivileged", "exec setpriv --bounding-set -net_admin").status().unwrap();
        assert!(status.success());
        assert!(!inspect("v0").unwrap().admin_up);
    });
}
