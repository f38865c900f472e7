//! What a port and its workers could do better with: told by the log once, and by `show status` for as long as it is so.

use std::collections::BTreeMap;

use dpdk::{PortInfo, Spread};
use settings::{Device, PortSettings};

use crate::crew::Intake;
use crate::numa::{self, Nodes};
use crate::queues::queues_to_receive;
use crate::quota::{Demand, Groups};

/// The doubts about the machine, and about each port.
pub(crate) struct Doubts {
    /// Each worker's core, with its NUMA node.
    workers: Vec<(u16, Option<u32>)>,
    /// The NUMA node of the buffers, where one was asked for and had memory.
    pool: Option<u32>,
    /// What the threads take of the machine's time.
    demand: Demand,
    of_machine: Vec<String>,
    of_ports: BTreeMap<String, Vec<String>>,
}

impl Doubts {
    /// With workers on these cores that take so much of the machine's time, and buffers on that node.
    pub(crate) fn new(cores: &[u16], demand: Demand, pool: Option<u32>) -> Self {
        let workers = cores.iter().map(|core| (*core, Nodes::of_machine().of_core(*core))).collect();
        Self { workers, pool, demand, of_machine: Vec::new(), of_ports: BTreeMap::new() }
    }

    /// Looks at what the machine grants this process; the log tells what is new. Whether anything is other than before.
    pub(crate) fn note_machine(&mut self, groups: Groups<'_>) -> bool {
        replace(&mut self.of_machine, groups.warning(self.demand).into_iter().collect())
    }

    /// Looks at an open port; the log tells what is new. Whether anything is other than before.
    pub(crate) fn note(&mut self, port: &PortSettings, info: &PortInfo, intake: Intake) -> bool {
        let node = Nodes::of_machine().of_port(&port.device, info);
        let far = numa::warning(&port.name, node, &self.workers, self.pool);
        let heap = crowded(port, info, intake, self.workers.len());
        replace(self.of_ports.entry(port.name.clone()).or_default(), far.into_iter().chain(heap).collect())
    }

    /// Forgets the ports that there are no more.
    pub(crate) fn keep_only(&mut self, keeps: impl Fn(&str) -> bool) {
        self.of_ports.retain(|port, _| keeps(port));
    }

    /// All of them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        self.of_machine.iter().chain(self.of_ports.values().flatten())
    }
}

/// Puts doubts in place of those before, and has the log tell the new ones. Whether anything is other than before.
fn replace(before: &mut Vec<String>, doubts: Vec<String>) -> bool {
    if *before == doubts {
        return false;
    }
    doubts.iter().filter(|doubt| !before.contains(doubt)).for_each(|doubt| tracing::warn!("{doubt}"));
    *before = doubts;
    true
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
    use std::fs;

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

    /// With a worker on core 2, of NUMA node 0.
    fn doubts() -> Doubts {
        let settings = settings::parse("[[port]]\nname = \"a\"\ndevice = \"a\"\n", "test.toml").unwrap();
        let demand = Demand::new(&settings.worker, 0, &[2]);
        Doubts { workers: vec![(2, Some(0))], ..Doubts::new(&[], demand, None) }
    }

    #[test]
    fn a_limit_of_cpu_time_is_doubted_until_it_is_raised() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["proc/self", "sys/fs/cgroup"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
        write("proc/self/cgroup", "0::/\n");
        write("proc/self/mountinfo", "9 1 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        write("sys/fs/cgroup/cpu.max", "50000 100000\n");
        let (mut doubts, groups) = (doubts(), Groups::under(root.path()));
        assert!(doubts.note_machine(groups));
        assert!(!doubts.note_machine(groups));
        doubts.keep_only(|_| false);
        let told: Vec<_> = doubts.lines().cloned().collect();
        assert!(
            told.len() == 1 && told[0].starts_with("0.50 cores of CPU time are granted by /sys/"),
            "{told:?}"
        );
        write("sys/fs/cgroup/cpu.max", "200000 100000\n");
        assert!(doubts.note_machine(groups));
        assert_eq!(doubts.lines().count(), 0);
    }

    #[test]
    fn a_doubt_is_news_once_and_lasts_as_long_as_its_port() {
        let mut doubts = doubts();
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
