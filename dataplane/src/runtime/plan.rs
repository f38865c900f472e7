//! What a change of the settings does to the ports: which are opened, which are closed, and in which order.

use std::collections::HashSet;

use settings::{Device, PortSettings};
use types::PortIndex;

use crate::inventory::ServedPort;

/// Steps of a change. What stays as it is is in none.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Opened while everything else goes on: ports that come, with devices that nobody has.
    pub(super) at_once: Vec<String>,
    /// Closed before others open: ports that are opened anew, and ports that go and whose device another is to have.
    pub(super) released: Vec<PortIndex>,
    /// Opened after that.
    pub(super) then: Vec<String>,
    /// Gone for good, at the very end.
    pub(super) removed: Vec<PortIndex>,
}

/// What a plan has to know of a port that there is.
#[derive(Clone, Copy)]
pub(super) struct Present<'a> {
    /// Its place.
    pub(super) index: PortIndex,
    /// What it was told.
    pub(super) settings: &'a PortSettings,
    /// Whether it waits for an interface that is gone.
    pub(super) is_missing: bool,
    /// Whether it is open by a driver that opens no interface twice: the distribution's af_xdp.
    pub(super) opens_once: bool,
}

impl<'a> From<&'a ServedPort> for Present<'a> {
    fn from(port: &'a ServedPort) -> Self {
        Self {
            index: port.index,
            settings: &port.settings,
            is_missing: port.is_missing(),
            opens_once: !dpdk::AF_XDP_IS_MENDED && port.has_own_pool(),
        }
    }
}

impl Plan {
    /// How to get from the ports that there are to those that there should be; at most `most` may be open at a time.
    pub(super) fn new(present: &[Present<'_>], wanted: &[PortSettings], most: usize) -> Self {
        let of_name = |name: &str| present.iter().find(|port| port.settings.name == name);
        let is_wanted = |port: &Present<'_>| wanted.iter().any(|want| want.name == port.settings.name);
        let added: Vec<_> = wanted.iter().filter(|want| of_name(&want.name).is_none()).collect();
        let anew = |want: &&PortSettings| of_name(&want.name).is_some_and(|port| opens_anew(*port, want));
        let reopened: Vec<_> = wanted.iter().filter(anew).collect();
        let gone: Vec<_> = present.iter().filter(|port| !is_wanted(port)).collect();

        let crowded = present.len() + added.len() > most;
        let claimed: HashSet<String> = added.iter().chain(&reopened).flat_map(|port| claims(port)).collect();
        let gives_way = |port: &&&Present<'_>| {
            crowded || claims(port.settings).iter().any(|claim| claimed.contains(claim))
        };
        let held: HashSet<String> = present.iter().flat_map(|port| claims(port.settings)).collect();
        let waits = |port: &PortSettings| crowded || claims(port).iter().any(|claim| held.contains(claim));

        let released = reopened.iter().filter_map(|port| of_name(&port.name));
        let released = released.chain(gone.iter().filter(gives_way).copied());
        let (late, early): (Vec<&PortSettings>, _) = added.into_iter().partition(|port| waits(port));
        let names = |ports: &[&PortSettings]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        Self {
            at_once: names(&early),
            released: released.map(|port| port.index).collect(),
            then: [names(&reopened), names(&late)].concat(),
            removed: gone.iter().map(|port| port.index).collect(),
        }
    }

    /// How many places in the tables it takes at its height: a port that goes keeps its own until those that come have
    /// theirs.
    pub(super) fn places(&self, present: &[Present<'_>]) -> usize {
        let is_new = |name: &&str| !present.iter().any(|port| port.settings.name == **name);
        present.len() + self.opened().filter(is_new).count()
    }

    /// Names of all ports that are opened.
    pub(super) fn opened(&self) -> impl Iterator<Item = &str> {
        self.at_once.iter().chain(&self.then).map(String::as_str)
    }
}

/// Leaves the device as it is of ports that could not be opened anew: those wait for a restart. Their names.
pub(super) fn keep_open(present: &[Present<'_>], wanted: &mut [PortSettings]) -> Vec<String> {
    let mut kept = Vec::new();
    for want in wanted {
        let Some(port) = present.iter().find(|port| port.settings.name == want.name) else { continue };
        if port.opens_once && opens_anew(*port, want) {
            let now = port.settings;
            want.device.clone_from(&now.device);
            (want.driver, want.mtu) = (now.driver, now.mtu);
            (want.rx_descriptors, want.tx_descriptors) = (now.rx_descriptors, now.tx_descriptors);
            kept.push(want.name.clone());
        }
    }
    kept
}

/// Whether the device must be opened anew for what differs. One that is gone is, when it returns.
fn opens_anew(old: Present<'_>, new: &PortSettings) -> bool {
    let rings = |port: &PortSettings| (port.rx_descriptors, port.tx_descriptors);
    // A kernel interface's MTU is its owner's; the settings' only says how large buffers are, with the device's
    // arguments.
    let mtu = |port: &PortSettings| port.mtu.filter(|_| port.device.kernel_interface().is_none());
    let now = old.settings;
    let served = |port: &PortSettings| match &port.device {
        // How many workers there are does not change, so any number shows what does.
        Device::Kernel(interface) => Some((port.driver, port.af_packet_args(interface, 1))),
        Device::Pci(_) | Device::Vdev(_) => None,
    };
    let differs = served(now) != served(new) || rings(now) != rings(new) || mtu(now) != mtu(new);
    now.device != new.device || !old.is_missing && differs
}

/// What a port has for itself alone.
fn claims(port: &PortSettings) -> Vec<String> {
    let mut claims = Vec::new();
    claims.extend(port.device.kernel_interface().map(|interface| format!("interface {interface}")));
    match &port.device {
        Device::Vdev(vdev) => {
            claims.push(vdev.name().to_owned());
            claims.extend(vdev.argument("tx_pcap").map(|file| format!("file {file}")));
        }
        Device::Pci(address) => claims.push(address.to_string()),
        // Its device at DPDK is called as the port is, which has one at a time.
        Device::Kernel(_) => {}
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports as "name device more; name device".
    fn ports(text: &str) -> Vec<PortSettings> {
        let port = |line: &str| {
            let mut words = line.trim().splitn(3, ' ');
            let (name, device) = (words.next().unwrap(), words.next().unwrap());
            let more = words.next().unwrap_or_default();
            format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\n{more}\n")
        };
        let text: String = text.split(';').map(port).collect();
        settings::parse(&text, "test.toml").unwrap().ports
    }

    fn index(place: usize) -> PortIndex {
        PortIndex::new(place).unwrap()
    }

    fn plan_with(old: &str, new: &str, missing: &[usize], most: usize) -> Plan {
        let old = ports(old);
        let present = |(place, settings)| Present {
            index: index(place),
            settings,
            is_missing: missing.contains(&place),
            opens_once: false,
        };
        Plan::new(&old.iter().enumerate().map(present).collect::<Vec<_>>(), &ports(new), most)
    }

    fn plan(old: &str, new: &str) -> Plan {
        plan_with(old, new, &[], 32)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_stays_is_in_no_step() {
        assert_eq!(plan("wan eth0; a eth1", "a eth1; wan eth0"), Plan::default());
        let policies = "a eth1 address = \"10.1.0.1/24\"\nignore-v1 = true\nmtu = 1400";
        assert_eq!(plan("wan eth0; a eth1", &format!("wan eth0; {policies}")), Plan::default());
    }

    #[test]
    fn a_port_that_comes_opens_at_once_and_one_that_goes_closes_last() {
        let plan = plan("wan eth0; a eth1", "wan eth0; b eth2");
        assert_eq!(plan.at_once, names(&["b"]));
        assert_eq!((plan.released, plan.then), (vec![], vec![]));
        assert_eq!(plan.removed, [index(1)]);
    }

    #[test]
    fn another_device_larger_buffers_or_rings_open_a_port_anew_at_its_place() {
        let other = ["a eth2", "a eth1 mtu = 9000", "a eth1 driver = \"af_packet\"", "a net_null0"];
        for new in other {
            let plan = plan("wan eth0; a eth1", &format!("wan eth0; {new}"));
            assert_eq!((plan.released, plan.then), (vec![index(1)], names(&["a"])), "{new}");
            assert!(plan.removed.is_empty() && plan.at_once.is_empty());
        }
        let plan = plan("wan net_null0; a net_null1", "wan net_null0; a net_null1 rx-descriptors = 512");
        assert_eq!(plan.released, [index(1)]);
    }

    #[test]
    fn a_port_that_opens_once_stays_as_it_is_but_for_what_needs_no_opening() {
        let old = ports("wan eth0; a eth1");
        for opens_once in [true, false] {
            let present = |settings| Present { index: index(0), settings, is_missing: false, opens_once };
            let present: Vec<_> = old.iter().map(present).collect();
            let mut new = ports(
                "wan eth0 ignore-v1 = true; a eth2 mtu = 9000\ndriver = \"af_packet\"\nrx-descriptors = 256\nany-ttl = true",
            );
            let kept = keep_open(&present, &mut new);
            assert!(new[0].ignore_v1 && new[1].any_ttl);
            if opens_once {
                assert_eq!(kept, names(&["a"]));
                assert_eq!(Plan::new(&present, &new, 32), Plan::default());
            } else {
                assert!(kept.is_empty());
                assert_eq!(new[1].mtu, Some(9000));
            }
        }
    }

    #[test]
    fn devices_that_change_hands_are_given_up_before_they_are_taken() {
        // Two ports change places.
        let swap = plan("wan eth0; a eth1; b eth2", "wan eth0; a eth2; b eth1");
        assert_eq!((swap.released, swap.then), (vec![index(1), index(2)], names(&["a", "b"])));
        // A port gets another name.
        let renamed = plan("wan eth0; a eth1", "wan eth0; b eth1");
        assert_eq!((renamed.released, renamed.then), (vec![index(1)], names(&["b"])));
        assert_eq!((renamed.removed, renamed.at_once), (vec![index(1)], vec![]));
    }

    #[test]
    fn a_port_whose_interface_is_gone_is_not_opened_for_its_buffers_but_for_another_interface() {
        let gone = |new| plan_with("wan eth0; a eth1", new, &[1], 32);
        assert_eq!(gone("wan eth0; a eth1 mtu = 9000"), Plan::default());
        assert_eq!(gone("wan eth0; a eth2").then, names(&["a"]));
    }

    #[test]
    fn a_port_that_comes_takes_a_place_beside_those_that_go() {
        let places = |old: &str, new: &str| {
            let old = ports(old);
            let present = |(place, settings)| Present {
                index: index(place),
                settings,
                is_missing: false,
                opens_once: false,
            };
            let present: Vec<_> = old.iter().enumerate().map(present).collect();
            Plan::new(&present, &ports(new), 2).places(&present)
        };
        assert_eq!(places("wan eth0; a eth1", "wan eth0; b eth2"), 3);
        assert_eq!(places("wan eth0; a eth1", "wan eth0; b eth1; c eth2"), 4);
        // Opened anew it keeps its own.
        assert_eq!(places("wan eth0; a eth1", "wan eth0; a eth2"), 2);
        assert_eq!(places("wan eth0; a eth1", "wan eth0"), 2);
    }

    #[test]
    fn where_dpdk_has_no_room_for_both_the_old_go_first() {
        let plan = plan_with("wan eth0; a eth1", "wan eth0; b eth2", &[], 2);
        assert_eq!((plan.at_once, plan.released), (vec![], vec![index(1)]));
        assert_eq!((plan.then, plan.removed), (names(&["b"]), vec![index(1)]));
    }
}
