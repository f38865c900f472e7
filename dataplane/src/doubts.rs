//! What a port and its workers could do better with: told by the log once, and by `show status` for as long as there is
//! such a port.

use std::collections::BTreeMap;

use dpdk::{PortInfo, Spread};
use settings::{Device, PortSettings};

use crate::crew::Intake;
use crate::numa::{self, Nodes};
use crate::queues::queues_to_receive;

/// The doubts about each port.
pub(crate) struct Doubts {
    /// Each worker's core, with its NUMA node.
    workers: Vec<(u16, Option<u32>)>,
    /// The NUMA node of the buffers, where one was asked for and had memory.
    pool: Option<u32>,
    of_ports: BTreeMap<String, Vec<String>>,
}

impl Doubts {
    /// With workers on these cores, and buffers on that node.
    pub(crate) fn new(cores: &[u16], pool: Option<u32>) -> Self {
        let workers = cores.iter().map(|core| (*core, Nodes::of_machine().of_core(*core))).collect();
        Self { workers, pool, of_ports: BTreeMap::new() }
    }

    /// Looks at an open port; the log tells what is new. Whether anything is other than before.
    pub(crate) fn note(&mut self, port: &PortSettings, info: &PortInfo, intake: Intake) -> bool {
        let node = Nodes::of_machine().of_port(&port.device, info);
        let far = numa::warning(&port.name, node, &self.workers, self.pool);
        let heap = crowded(port, info, intake, self.workers.len());
        self.replace(&port.name, far.into_iter().chain(heap).collect())
    }

    fn replace(&mut self, port: &str, doubts: Vec<String>) -> bool {
        let before = self.of_ports.get(port).map_or(&[][..], Vec::as_slice);
        if before == doubts {
            return false;
        }
        doubts.iter().filter(|doubt| !before.contains(doubt)).for_each(|doubt| tracing::warn!("{doubt}"));
        self.of_ports.insert(port.to_owned(), doubts);
        true
    }

    /// Forgets the ports that there are no more.
    pub(crate) fn keep_only(&mut self, keeps: impl Fn(&str) -> bool) {
        self.of_ports.retain(|port, _| keeps(port));
    }

    /// All of them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        self.of_ports.values().flatten()
    }
}

/// A warning where data comes in by several queues of a NIC that does not tell streams apart. Of a virtual device somebody
/// else fills the queues.
fn crowded(port: &PortSettings, info: &PortInfo, intake: Intake, workers: usize) -> Option<String> {
    let queues = queues_to_receive(info, workers.try_into().unwrap_or(u16::MAX));
    let spread = match (&port.device, intake) {
        (Device::Pci(_), Intake::Spread) => info.spread,
        (Device::Pci(_), Intake::One) | (Device::Kernel(_) | Device::Vdev(_), _) => return None,
    };
    match spread {
        Spread::Nothing if queues > 1 => Some(format!(
            "port \"{}\" has {queues} receive queues, and its driver {} offers no hash that UDP over IPv4 falls under: all \
             streams may come in by one queue, and so by one worker (`manifoldctl show workers`); name one core in \
             [worker] `cores`, or use another card",
            port.name, info.driver
        )),
        Spread::Nothing | Spread::Addresses | Spread::AddressesAndPorts => None,
    }
}

#[cfg(test)]
mod tests {
    use types::MacAddr;

    use super::*;

    fn info(spread: Spread, max_rx_queues: u16) -> PortInfo {
        PortInfo {
            name: "x".to_owned(),
            driver: "net_x".to_owned(),
            mac: MacAddr::ZERO,
            node: Some(7),
            interface: None,
            max_rx_queues,
            max_tx_queues: 8,
            min_mtu: 68,
            max_mtu: 9_600,
            max_mac_addrs: 1,
            checks_ip: false,
            spread,
        }
    }

    fn port(device: &str) -> PortSettings {
        let text = format!("[[port]]\nname = \"wan\"\ndevice = \"{device}\"\n");
        settings::parse(&text, "test.toml").unwrap().ports.remove(0)
    }

    #[test]
    fn queues_that_a_nic_does_not_spread_streams_over_are_told_of() {
        let told =
            |device: &str, spread, queues, intake| crowded(&port(device), &info(spread, queues), intake, 2);
        let pci = "3b:00.0";
        let said = told(pci, Spread::Nothing, 8, Intake::Spread).unwrap();
        assert!(
            said.starts_with("port \"wan\" has 2 receive queues, and its driver net_x offers no hash "),
            "{said}"
        );
        for spread in [Spread::Addresses, Spread::AddressesAndPorts] {
            assert_eq!(told(pci, spread, 8, Intake::Spread), None);
        }
        assert_eq!(told(pci, Spread::Nothing, 1, Intake::Spread), None, "there is one queue");
        assert_eq!(told(pci, Spread::Nothing, 8, Intake::One), None, "one worker has them all");
        assert_eq!(told("net_null0", Spread::Nothing, 8, Intake::Spread), None);
    }

    #[test]
    fn a_doubt_is_news_once_and_lasts_as_long_as_its_port() {
        let mut doubts = Doubts { workers: vec![(2, Some(0))], pool: None, of_ports: BTreeMap::new() };
        let (port, info) = (port("3b:00.0"), info(Spread::Addresses, 1));
        assert!(doubts.note(&port, &info, Intake::Spread));
        assert!(!doubts.note(&port, &info, Intake::Spread));
        assert!(doubts.lines().next().unwrap().contains("\"wan\" is on NUMA node 7, "));
        assert!(doubts.note(&self::port("net_null0"), &info, Intake::Spread), "its device is another now");
        assert_eq!(doubts.lines().count(), 0);
        assert!(doubts.note(&port, &info, Intake::Spread));
        doubts.keep_only(|_| false);
        assert_eq!(doubts.lines().count(), 0);
        assert!(!doubts.note(&self::port("net_null0"), &info, Intake::Spread), "nothing is no news");
    }
}
