//! Settings that passed validation. If a value of these types came out of [`load`](crate::load()) or
//! [`parse`](crate::parse), every rule of this crate holds for it.

mod port;

use std::path::PathBuf;

use types::{Ipv4Net, MacAddr, PortIndex};

use crate::problem::Warning;

pub use port::{Driver, FastLeave, IgmpVersion, LeavePolicy, PortSettings, PortTimers, SourceMac, Sources};

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
    /// The record of what the control thread was told.
    pub record: RecordSettings,
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
    /// Groups that hosts have from a source of their choice alone (RFC 4607; r100); none by default.
    pub ssm_range: Vec<Ipv4Net>,
    /// The MAC that every frame is sent from, but on ports with [`SourceMac::Port`]; the provider port's where `None`.
    pub router_mac: Option<MacAddr>,
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
    /// How many ports memory is set aside for, as without hugepages it cannot grow later; those of the settings where
    /// `None`.
    pub max_ports: Option<u8>,
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
    /// What the control thread does then.
    pub control_poll: Poll,
}

/// `cores`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cores {
    /// As many as there are cores for: see [`place_threads`](crate::place_threads).
    Auto,
    /// One worker on each of these; at least one, each once.
    List(Vec<u16>),
}

/// The most workers there can be.
pub const MAX_WORKERS: usize = 64;

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

/// `[record]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordSettings {
    /// Absolute: the file that the control thread's inputs go to, with their times; `None` for none.
    pub path: Option<PathBuf>,
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
