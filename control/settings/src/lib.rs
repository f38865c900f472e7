//! Settings: files to values that have passed every check, and the difference of two of them.
//!
//! Two layers. `manifold.toml` is the administrator's: devices, memory, cores, paths, and the start value of
//! everything else. `live.toml` is what the page and the socket changed: the switch, the provider's port, the ranges
//! of local and source-specific groups, ports' addresses, timers and policies, and new ports on PCI devices and kernel
//! interfaces. The proxy alone writes the second: [`LiveLayer::edit`] makes a change and checks the whole,
//! [`LiveLayer::store`] writes it so that no crash leaves half of it. [`load_layers`] is for a start, which a broken live
//! layer does not stop; [`reload`] is for what runs already. [`difference()`] is what a reload must do, [`explain()`] where
//! each value comes from.
//!
//! Every problem is one line, `file:line:column: what is wrong; what would cure it`, and one look finds them all.
//!
//! Pure but for reading and writing the two files: whether a device, a core or memory exists is the machine's to
//! say, and comes in as an argument ([`plan_memory`], [`place_threads`]). Runs on the control thread and in
//! `manifold check`; needs no DPDK.

mod assemble;
mod check;
mod combinations;
mod device;
mod difference;
mod duration;
mod eal;
mod edit;
mod explain;
mod keys;
mod kinds;
mod live;
mod load;
mod memory;
mod model;
mod options;
mod placement;
mod port;
mod problem;
mod reader;
mod roles;
mod running;
mod sections;
mod unwritten;

pub use device::{Device, DeviceError, InterfaceName, PciAddress, Vdev, without_arguments};
pub use difference::{Difference, KeyChange, PortChange, difference};
pub use eal::{AF_PACKET_FRAMES, eal_args};
pub use edit::{Edit, EditError, apply_edits};
pub use explain::{Effective, effective_file, explain};
pub use kinds::{KeyKind, ListOf};
pub use live::{LiveLayer, write_live};
pub use load::{load, load_layers, parse, parse_layers, reload};
pub use memory::{
    MachineError, MemoryMode, MemoryPlan, af_xdp_pool_size, af_xdp_queues, kept_to_send, mbuf_data_room,
    memory_mb, plan_memory, pool_size,
};
pub use model::{
    Cores, Driver, EalSettings, FastLeave, Hugepages, IgmpVersion, LeavePolicy, LogLevel, LogSettings,
    MAX_WORKERS, PathSettings, Poll, PortSettings, PortTimers, ProxySettings, RecordSettings, Role, Settings,
    SocketSettings, SourceMac, Sources, TableSettings, WorkerSettings,
};
pub use placement::{CoreSet, Placement, Share, place_threads};
pub use problem::{Place, Problem, SettingsError, Subject, Warning};
pub use running::{KeyDifference, Origin, RunningKey, RunningKeys};
/// How files are read key by key, with every problem at its place: for the settings of the programs beside the proxy.
pub mod reading {
    pub use crate::load::read_file;
    pub use crate::problem::{At, Problems};
    pub use crate::reader::{Document, Section, Value};
}
