//! Memory that is far away: what lies on another NUMA node than who reads it crosses between them.

use std::path::Path;
use std::{fmt, fs};

use dpdk::PortInfo;
use settings::{Device, MemoryMode, MemoryPlan, Placement, PortSettings, Settings};

/// Where the kernel tells of devices, cores and nodes.
const SYS: &str = "/sys";

/// What the kernel tells of where things are, in the directory that it mounts for that.
#[derive(Clone, Copy)]
pub(crate) struct Nodes<'a>(&'a Path);

impl Nodes<'static> {
    /// This machine's.
    pub(crate) fn of_machine() -> Self {
        Self(Path::new(SYS))
    }
}

impl Nodes<'_> {
    /// The node of a core, where the kernel tells.
    pub(crate) fn of_core(self, core: u16) -> Option<u32> {
        let entries = fs::read_dir(self.0.join(format!("devices/system/cpu/cpu{core}"))).ok()?;
        entries.flatten().find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
    }

    /// The node of an opened port's card. A virtual device has none, whatever its driver says: that gives it the node of
    /// the thread that made it; but one on a kernel interface is where that one's card is.
    pub(crate) fn of_port(self, device: &Device, info: &PortInfo) -> Option<u32> {
        match device {
            Device::Pci(_) => info.node,
            Device::Kernel(_) | Device::Vdev(_) => self.of_interface(info.interface?),
        }
    }

    /// The node where buffers are to be: that of the card that streams come in by, else of the first worker.
    fn home(self, settings: &Settings, placement: &Placement) -> Option<u32> {
        let upstream = settings.proxy.upstream.and_then(|port| settings.ports.get(port.get()));
        let of_card = upstream.and_then(|port| self.of_device(&port.device));
        of_card.or_else(|| self.of_core(*placement.workers.first()?))
    }

    /// The node of a card that nobody has opened.
    fn of_device(self, device: &Device) -> Option<u32> {
        match device {
            Device::Pci(address) => self.read(&format!("bus/pci/devices/{address}/numa_node")),
            Device::Kernel(name) => self.read(&format!("class/net/{name}/device/numa_node")),
            Device::Vdev(_) => None,
        }
    }

    /// A [`warning`] for each port that would be far, before any is opened.
    pub(crate) fn foresee(
        self,
        settings: &Settings,
        placement: &Placement,
        plan: &MemoryPlan,
    ) -> Vec<String> {
        let workers: Vec<_> = placement.workers.iter().map(|core| (*core, self.of_core(*core))).collect();
        let of_port =
            |port: &PortSettings| warning(&port.name, self.of_device(&port.device), &workers, plan.node);
        settings.ports.iter().filter_map(of_port).collect()
    }

    fn of_interface(self, index: u32) -> Option<u32> {
        let interfaces = fs::read_dir(self.0.join("class/net")).ok()?;
        let is_it = |name: &String| self.read(&format!("class/net/{name}/ifindex")) == Some(index);
        let name =
            interfaces.flatten().filter_map(|entry| entry.file_name().into_string().ok()).find(is_it)?;
        self.read(&format!("class/net/{name}/device/numa_node"))
    }

    /// A number that is not negative: -1 is a card of no node.
    fn read(self, file: &str) -> Option<u32> {
        fs::read_to_string(self.0.join(file)).ok()?.trim().parse().ok()
    }

    /// How many there are.
    fn count(self) -> usize {
        let entries = fs::read_dir(self.0.join("devices/system/node")).into_iter().flatten().flatten();
        let number =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("node")?.parse::<u32>().ok();
        entries.filter_map(number).count()
    }

    /// MiB of hugepages that this process can have on a node, of every size. What others reserved and do not use yet counts as
    /// free on some node, the kernel does not say on which, and gives no more than is left of the whole machine. EAL looks at
    /// the node alone, and gives up where it is refused.
    fn free_hugepages_mb(self, node: u32) -> u64 {
        let folder = format!("devices/system/node/node{node}/hugepages");
        let sizes = fs::read_dir(self.0.join(&folder)).into_iter().flatten().flatten();
        let of_size = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let free = self.read(&format!("{folder}/{name}/free_hugepages"))?;
            let of_all = |what: &str| self.read(&format!("kernel/mm/hugepages/{name}/{what}_hugepages"));
            let left = of_all("free")?.saturating_sub(of_all("resv")?);
            Some(u64::from(free.min(left)) * kib / 1024)
        };
        sizes.filter_map(of_size).sum()
    }

    /// Has the memory be where the buffers are to be, on a machine of several nodes; or tells why it is not. This process
    /// may have memory of the nodes `allowed`.
    pub(crate) fn settle(
        self,
        plan: &mut MemoryPlan,
        settings: &Settings,
        placement: &Placement,
        allowed: &[u16],
    ) {
        if plan.mode == MemoryMode::NoHugepages || self.count() < 2 {
            return;
        }
        let Some(node) = self.home(settings, placement) else { return };
        let is_allowed = allowed.iter().any(|allowed| u32::from(*allowed) == node);
        let free = if is_allowed { self.free_hugepages_mb(node) } else { 0 };
        let needed = plan.megabytes;
        if free >= u64::from(needed) {
            plan.node = Some(node);
        } else {
            plan.warning = Some(format!(
                "{free} MiB of hugepages are free for us on NUMA node {node}, where the buffers should be, and {needed} MiB are \
                 needed: some are elsewhere, and every frame crosses between nodes; reserve more in \
                 /sys/devices/system/node/node{node}/hugepages"
            ));
        }
    }
}

/// A pool on `node`; wherever there is memory if there is none on it, which the log tells of.
///
/// # Errors
/// There is none at all, or what `make` says.
pub(crate) fn pool_near<T, E: fmt::Display>(
    node: Option<u32>,
    make: impl Fn(Option<u32>) -> Result<T, E>,
) -> Result<T, E> {
    match (make(node), node) {
        (Err(error), Some(node)) => {
            tracing::warn!("no memory for buffers on NUMA node {node}, they are elsewhere: {error}");
            make(None)
        }
        (made, _) => made,
    }
}

/// A warning where a port's card is far from a worker, or from the buffers. What has no node, or one that the kernel
/// does not tell, is far from nothing.
pub(crate) fn warning(
    port: &str,
    node: Option<u32>,
    workers: &[(u16, Option<u32>)],
    pool: Option<u32>,
) -> Option<String> {
    let node = node?;
    let cores = workers.iter().filter_map(|&(core, other)| Some((core, other?)));
    let cores =
        cores.filter(|(_, other)| *other != node).map(|(core, other)| format!("{core} (node {other})"));
    let cores = cores.collect::<Vec<_>>().join(", ");
    let pool = pool.filter(|pool| *pool != node);
    let far = match (cores.is_empty(), pool) {
        (true, None) => return None,
        (true, Some(pool)) => format!("the buffers are on node {pool}"),
        (false, None) => format!("workers run on cores of another: {cores}"),
        (false, Some(pool)) => {
            format!("workers run on cores of another: {cores}, and the buffers are on node {pool}")
        }
    };
    Some(format!(
        "port \"{port}\" is on NUMA node {node}, and {far}; every frame crosses between them; name cores of node {node} in \
         [worker] `cores`, or put the card elsewhere"
    ))
}

#[cfg(test)]
mod tests {
    use types::MacAddr;

    use super::*;

    #[test]
    fn a_port_far_from_a_worker_is_told_of_with_the_cores_that_are_far() {
        let workers = [(2, Some(0)), (3, Some(1)), (4, None)];
        let told = warning("wan", Some(1), &workers, None).unwrap();
        assert!(
            told.starts_with(
                "port \"wan\" is on NUMA node 1, and workers run on cores of another: 2 (node 0); "
            ),
            "{told}"
        );
        let told = warning("hall-a", Some(0), &workers, Some(1)).unwrap();
        assert!(
            told.contains("on NUMA node 0, and workers run on cores of another: 3 (node 1), and the buffers")
        );
        let told = warning("hall-b", Some(1), &workers[1..], Some(0)).unwrap();
        assert!(told.contains("on NUMA node 1, and the buffers are on node 0; "), "{told}");
    }

    #[test]
    fn where_all_are_near_or_nothing_is_known_there_is_no_warning() {
        let near = [(2, Some(0)), (3, Some(0))];
        assert_eq!(warning("wan", Some(0), &near, Some(0)), None);
        assert_eq!(warning("wan", Some(0), &near, None), None);
        assert_eq!(warning("lab", None, &near, Some(1)), None);
        assert_eq!(warning("wan", Some(1), &[(2, None)], None), None);
    }

    #[test]
    fn buffers_are_elsewhere_where_a_node_has_no_memory() {
        let on_first = |node: Option<u32>| if node == Some(1) { Err("none") } else { Ok(node) };
        assert_eq!(pool_near(Some(0), on_first), Ok(Some(0)));
        assert_eq!(pool_near(Some(1), on_first), Ok(None));
        assert_eq!(pool_near(None, |_| Err::<(), _>("none")), Err("none"));
    }

    /// A machine of two nodes, whose second has core 2, the card 3b:00.0 and eth1's; and 64 MiB of hugepages.
    fn machine() -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = sys.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        for node in ["node0", "node1"] {
            write(&format!("devices/system/node/{node}/cpulist"), "");
        }
        write("devices/system/node/has_cpu", "0-1");
        write("devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "32\n");
        write("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "96\n");
        write("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "64\n");
        write("devices/system/cpu/cpu0/node0", "");
        write("devices/system/cpu/cpu2/node1", "");
        write("bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
        write("bus/pci/devices/0000:3b:00.1/numa_node", "-1\n");
        write("class/net/eth0/ifindex", "4\n");
        write("class/net/eth0/device/numa_node", "0\n");
        write("class/net/eth1/ifindex", "5\n");
        write("class/net/eth1/device/numa_node", "1\n");
        write("class/net/veth0/ifindex", "6\n");
        sys
    }

    fn with_upstream(device: &str) -> Settings {
        let text = format!("[proxy]\nupstream = \"a\"\n[[port]]\nname = \"a\"\ndevice = \"{device}\"\n");
        settings::parse(&text, "test.toml").unwrap()
    }

    #[test]
    fn a_port_is_where_its_card_is_whatever_the_driver_says() {
        let sys = machine();
        let nodes = Nodes(sys.path());
        let info = |interface| PortInfo {
            name: "x".to_owned(),
            driver: "net_x".to_owned(),
            mac: MacAddr::ZERO,
            // What DPDK gives a virtual device made by a thread of node 0.
            node: Some(0),
            interface,
            max_rx_queues: 1,
            max_tx_queues: 1,
            min_mtu: 68,
            max_mtu: 9_600,
            max_mac_addrs: 1,
            checks_ip: false,
            spread: dpdk::Spread::Nothing,
        };
        let node =
            |device: &str, interface| nodes.of_port(&with_upstream(device).ports[0].device, &info(interface));
        assert_eq!(node("3b:00.0", None), Some(0), "DPDK knows where a card is");
        assert_eq!(node("eth1", Some(5)), Some(1));
        assert_eq!(node("net_af_packet0,iface=eth1", Some(5)), Some(1));
        assert_eq!(node("veth0", Some(6)), None);
        assert_eq!(node("net_null0", None), None);
        assert_eq!((nodes.of_core(0), nodes.of_core(2), nodes.of_core(9)), (Some(0), Some(1), None));
    }

    #[test]
    fn buffers_are_to_be_where_streams_come_in_else_with_the_worker() {
        let sys = machine();
        let home = |device: &str, worker: u16| {
            Nodes(sys.path()).home(&with_upstream(device), &Placement { control: 0, workers: vec![worker] })
        };
        assert_eq!(home("3b:00.0", 0), Some(1));
        assert_eq!(home("3b:00.1", 2), Some(1), "a card of no node");
        assert_eq!(home("eth0", 2), Some(0));
        assert_eq!(home("veth0", 2), Some(1));
        assert_eq!(home("net_null0", 9), None);
    }

    #[test]
    fn what_would_be_far_is_told_before_a_port_is_opened() {
        let sys = machine();
        let plan = MemoryPlan { mode: MemoryMode::Hugepages, megabytes: 64, node: Some(1), warning: None };
        let foresee = |device: &str, worker: u16| {
            let placement = Placement { control: 0, workers: vec![worker] };
            Nodes(sys.path()).foresee(&with_upstream(device), &placement, &plan)
        };
        let told = foresee("3b:00.0", 0);
        assert!(told.len() == 1 && told[0].contains("cores of another: 0 (node 0); "), "{told:?}");
        let told = foresee("eth0", 0);
        assert!(told.len() == 1 && told[0].contains("the buffers are on node 1; "), "{told:?}");
        assert!(foresee("3b:00.0", 2).is_empty() && foresee("net_null0", 0).is_empty());
    }

    #[test]
    fn memory_is_taken_from_the_buffers_node_if_it_has_enough() {
        let sys = machine();
        let placement = Placement { control: 0, workers: vec![2] };
        let settle_of = |mode, megabytes, sys: &Path, allowed: &[u16]| {
            let mut plan = MemoryPlan { mode, megabytes, node: None, warning: None };
            Nodes(sys).settle(&mut plan, &with_upstream("3b:00.0"), &placement, allowed);
            (plan.node, plan.warning)
        };
        let settle = |mode, megabytes, sys| settle_of(mode, megabytes, sys, &[0, 1]);
        assert_eq!(settle(MemoryMode::Hugepages, 64, sys.path()), (Some(1), None));
        assert_eq!(settle(MemoryMode::NoHugepages, 64, sys.path()), (None, None));
        let (node, warning) = settle(MemoryMode::Hugepages, 65, sys.path());
        let warning = warning.unwrap();
        assert!(
            node.is_none() && warning.starts_with("64 MiB of hugepages are free for us on NUMA node 1, "),
            "{warning}"
        );
        let (node, warning) = settle_of(MemoryMode::Hugepages, 64, sys.path(), &[0]);
        assert!(node.is_none() && warning.unwrap().starts_with("0 MiB "), "a cpuset keeps us from it");
        let reserved = sys.path().join("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages");
        fs::write(reserved, "80\n").unwrap();
        let (node, warning) = settle(MemoryMode::Hugepages, 64, sys.path());
        assert!(node.is_none() && warning.unwrap().starts_with("32 MiB "), "others reserved the rest");
        assert_eq!(settle(MemoryMode::Hugepages, 32, sys.path()), (Some(1), None));
        fs::remove_dir_all(sys.path().join("devices/system/node/node0")).unwrap();
        assert_eq!(settle(MemoryMode::Hugepages, 65, sys.path()), (None, None), "there is one node");
    }
}
