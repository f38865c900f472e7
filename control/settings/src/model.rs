//! Settings that passed validation. If a value of these types came out of [`load`](crate::load()) or
//! [`parse`](crate::parse), every rule of this crate holds for it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use types::{GroupAddr, Ipv4Net, MacAddr, PortIndex};

use crate::device::Device;
use crate::problem::Warning;

/// Everything that Manifold is told, both layers in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The proxy as a whole.
    pub proxy: ProxySettings,
    /// The ports, in the order of the files; 1 to 64. A port's place here is its [`PortIndex`] at start.
    pub ports: Vec<PortSettings>,
    /// Memory and arguments of DPDK's environment.
    pub eal: EalSettings,
    /// The workers.
    pub worker: WorkerSettings,
    /// The group table.
    pub table: TableSettings,
    /// The socket that `manifoldctl` and the backend talk to.
    pub socket: SocketSettings,
    /// Where files are.
    pub paths: PathSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Doubts about these settings, for the log and `manifold check`.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// The port of that name, with its index.
    pub fn port(&self, name: &str) -> Option<(PortIndex, &PortSettings)> {
        self.indexed_ports().find(|(_, port)| port.name == name)
    }

    /// Every port with its index.
    pub fn indexed_ports(&self) -> impl Iterator<Item = (PortIndex, &PortSettings)> {
        self.ports.iter().enumerate().filter_map(|(i, port)| PortIndex::new(i).map(|index| (index, port)))
    }

    /// The port towards the provider, when one is set.
    pub fn upstream_port(&self) -> Option<&PortSettings> {
        self.ports.get(self.proxy.upstream?.get())
    }

    /// What the port of that index is for.
    pub fn role(&self, port: PortIndex) -> Role {
        if self.proxy.upstream == Some(port) { Role::Upstream } else { Role::Client }
    }
}

/// What a port is for. Follows from `[proxy] upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Towards the provider: the host side of IGMP.
    Upstream,
    /// Towards clients: the router side of IGMP.
    Client,
}

/// `[proxy]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// This instance's name among several on one machine: part of DPDK's file prefix and of default paths.
    pub instance: String,
    /// Whether anything is forwarded: the page's switch.
    pub enabled: bool,
    /// The port towards the provider; without one nothing is forwarded.
    pub upstream: Option<PortIndex>,
    /// Groups that stay on their link, besides 224.0.0.0/24 (r69).
    pub local_groups: Vec<Ipv4Net>,
    /// The MAC that every frame is sent from; the provider port's where `None`.
    pub router_mac: Option<MacAddr>,
}

/// One `[[port]]`, with `[defaults]` filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSettings {
    /// The name it has in commands, counters and logs: 1 to 32 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it runs on.
    pub device: Device,
    /// Its own address and network.
    pub address: Option<Ipv4Net>,
    /// Source of its queries where that is not `address` (r19).
    pub querier_address: Option<Ipv4Addr>,
    /// IGMP's timers.
    pub timers: PortTimers,
    /// Whether multicast data may come in from its clients (r75); nothing to the provider port.
    pub sources: Sources,
    /// IGMP without Router Alert is dropped.
    pub require_router_alert: bool,
    /// IGMP is accepted with any TTL (r1).
    pub any_ttl: bool,
    /// Reports and leaves from a source outside `address`'s network, 0.0.0.0 excepted, are dropped (r10).
    pub require_on_link_source: bool,
    /// Groups with a member that never ages and that no Leave removes (r55); nothing to the provider port.
    pub static_groups: Vec<GroupAddr>,
    /// Bytes of the largest IP packet; the device's own where `None`.
    pub mtu: Option<u16>,
    /// Receive descriptors of each queue.
    pub rx_descriptors: u16,
    /// Transmit descriptors of each queue.
    pub tx_descriptors: u16,
}

impl PortSettings {
    /// The name DPDK knows the port by: stable while other ports come and go.
    pub fn dpdk_name(&self) -> String {
        match &self.device {
            Device::Pci(address) => address.to_string(),
            Device::Kernel(_) => format!("net_af_packet_{}", self.name),
            Device::Vdev(vdev) => vdev.name().to_owned(),
        }
    }
}

/// Whether multicast from a client port is forwarded (RFC 4605, sections 3.2 and 4.2; r75).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sources {
    /// `false`: dropped and counted.
    No,
    /// `true`: to the provider, and to the other member ports.
    Yes,
    /// `"querier"`: as `Yes`, while we are querier on that port.
    WhileQuerier,
}

/// IGMP's timers on one port (RFC 2236, section 8). What follows from them is the `igmp` crate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortTimers {
    /// Robustness variable, 2 to 10.
    pub robustness: u8,
    /// Query interval, 1 s to 65,535 s.
    pub query_interval: Duration,
    /// Query response interval, 0.1 s to 25.5 s in tenths, less than the query interval.
    pub query_response_interval: Duration,
    /// Last member query interval, 0.1 s to 25.5 s in tenths.
    pub last_member_query_interval: Duration,
    /// Last member query count, 1 to 10; the robustness variable where `None`.
    pub last_member_query_count: Option<u8>,
    /// Unsolicited report interval, 1 s to 25 s; the provider port's counts.
    pub unsolicited_report_interval: Duration,
}

impl Default for PortTimers {
    /// RFC 2236's defaults.
    fn default() -> Self {
        Self {
            robustness: 2,
            query_interval: Duration::from_secs(125),
            query_response_interval: Duration::from_secs(10),
            last_member_query_interval: Duration::from_secs(1),
            last_member_query_count: None,
            unsolicited_report_interval: Duration::from_secs(10),
        }
    }
}

/// `[eal]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EalSettings {
    /// Whether to run on hugepages.
    pub hugepages: Hugepages,
    /// More arguments for DPDK's environment, after those that Manifold sets.
    pub args: Vec<String>,
    /// MiB of memory for DPDK in place of the computed ones.
    pub memory_mb: Option<u32>,
    /// How many ports memory is set aside for: without hugepages it cannot grow later.
    pub max_ports: u8,
}

/// `hugepages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hugepages {
    /// With, where the machine has enough; else without when no port is a PCI device.
    Auto,
    /// With, or not at all.
    Require,
    /// Without.
    No,
}

/// `[worker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Where workers run.
    pub cores: Cores,
    /// The control thread's core; any that is not a worker's where `None`.
    pub control_core: Option<u16>,
    /// What a worker does when there is nothing to do.
    pub poll: Poll,
}

/// `cores`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cores {
    /// One worker, on the last core this process may use.
    Auto,
    /// One worker on each of these; at least one, each once.
    List(Vec<u16>),
}

impl Cores {
    /// How many workers there will be.
    pub fn workers(&self) -> usize {
        match self {
            Self::Auto => 1,
            Self::List(cores) => cores.len(),
        }
    }
}

/// `poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Poll {
    /// Sleeps when idle: for machines without a core to spare.
    Adaptive,
    /// Never sleeps.
    Busy,
}

/// `[table]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSettings {
    /// The most groups at a time.
    pub max_groups: u32,
}

/// `[socket]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    /// Absolute, at most 107 bytes.
    pub path: PathBuf,
    /// The group of users that may connect besides root.
    pub group: Option<String>,
}

/// `[paths]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSettings {
    /// Absolute: the instance's lock, its socket, what must be undone after a crash.
    pub run_dir: PathBuf,
    /// Absolute: the file of what page and socket changed; `None` for none.
    pub live: Option<PathBuf>,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// The least that is logged.
    pub level: LogLevel,
}

/// `level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// What stops something.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happens: the default.
    Info,
    /// And why.
    Debug,
    /// And each frame on the slow path.
    Trace,
}

impl LogLevel {
    /// The word in the file, which is also what the `tracing` crate reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
