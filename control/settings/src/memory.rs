//! How much memory DPDK gets, and of which kind.

use std::fmt;

use types::{BURST, PAGE_POOL_CACHE, POOL_CACHE};

use crate::device::Device;
use crate::model::{Driver, Hugepages, MAX_WORKERS, PortSettings, Settings};

/// Bytes before the data of each mbuf that DPDK keeps free (RTE_PKTMBUF_HEADROOM).
const HEADROOM: u32 = 128;
/// Bytes of an mbuf's struct, and of the header that its pool puts before it.
const MBUF_STRUCT: u32 = 128;
const POOL_HEADER: u32 = 64;
/// Bytes of an ordinary page.
const PAGE: u32 = 4096;
/// Mbufs that the kernel has of each net_af_xdp queue to receive into, and those that it may have taken from the ring
/// to transmit: its completion queue holds no more.
const AF_XDP_FILL: u32 = 2048;
const AF_XDP_SENDING: u32 = 2048;
/// Drivers of virtual devices that have done with a frame when its burst returns.
const DONE_AT_ONCE: &[&str] = &["net_af_packet", "net_af_xdp", "net_null", "net_pcap", "net_tap"];
/// Mbufs in the hands of a worker in a pass: the burst that it forwards, and one of the control thread's.
const IN_HAND: u32 = 2 * BURST as u32;
/// Frames of its own that each port may have in a worker's hands: copies with the port's source MAC. Counted for every
/// port, so that `mac` can be changed while Manifold runs.
const COPIES: u32 = 64;
/// The least pool: a burst on every port while the smallest rings are full.
const LEAST_MBUFS: u32 = 8192;
/// MiB for DPDK's own tables, of which the pool's cache for every possible core is the largest.
const BASE_MB: u32 = 8;
/// MiB for the tables of a driver of virtual devices.
const VDEV_MB: u32 = 1;
/// MiB for the rings and tables of a NIC's driver.
const PCI_MB: u32 = 4;

/// What this machine lacks for settings that are right in themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineError {
    /// What is wrong.
    pub what: String,
    /// What would cure it.
    pub cure: String,
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.cure)
    }
}

impl std::error::Error for MachineError {}

/// The kind of memory that DPDK runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryMode {
    /// Hugepages, which no file is left behind of.
    Hugepages,
    /// Ordinary pages: no PCI device, and no growth after the start.
    NoHugepages,
}

/// What DPDK's memory will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The kind.
    pub mode: MemoryMode,
    /// MiB.
    pub megabytes: u32,
    /// The NUMA node that it is to be on; DPDK's choice if `None`.
    pub node: Option<u32>,
    /// For the log: what memory there is not, and what that costs.
    pub warning: Option<String>,
}

/// Decides the kind of memory from the settings, the number of workers, how many queues of net_af_xdp each port on a kernel
/// interface may have here (0: it is af_packet's), and how many MiB of hugepages are free.
///
/// # Errors
/// Hugepages are required, by the settings or by a PCI port, and the machine has too few; or `memory-mb` is less than the
/// buffers take.
pub fn plan_memory(
    settings: &Settings,
    workers: usize,
    queues: impl Fn(&PortSettings) -> u16,
    free_hugepages_mb: u32,
) -> Result<MemoryPlan, MachineError> {
    let least = least_megabytes(settings, workers, &queues);
    let megabytes =
        |mode| settings.eal.memory_mb.unwrap_or_else(|| megabytes_for(settings, workers, &queues, mode));
    let needed = megabytes(MemoryMode::Hugepages).max(least);
    let plan = |mode, warning| match settings.eal.memory_mb {
        // Memory in ordinary pages does not grow.
        Some(given) if mode == MemoryMode::NoHugepages && given < least => Err(MachineError {
            what: format!("`memory-mb` in [eal] is {given}, and the ports' buffers alone take {least} MiB"),
            cure: format!(
                "set it to {}, or leave it out",
                megabytes_for(settings, workers, &queues, MemoryMode::NoHugepages)
            ),
        }),
        Some(_) | None => Ok(MemoryPlan { mode, megabytes: megabytes(mode), node: None, warning }),
    };
    let pci = settings.ports.iter().find(|port| matches!(port.device, Device::Pci(_)));
    let found = match free_hugepages_mb {
        0 => "no hugepages are free".to_owned(),
        free => format!("{free} MiB of hugepages are free, {needed} MiB are needed"),
    };
    let reserve = format!("reserve them, as with `sysctl vm.nr_hugepages={}`", needed.div_ceil(2) + 8);
    match (settings.eal.hugepages, pci) {
        (Hugepages::No, Some(port)) => Err(MachineError {
            what: format!(
                "port \"{}\" is a PCI device, which needs hugepages, and `hugepages` is \"no\"",
                port.name
            ),
            cure: "set `hugepages` in [eal] to \"auto\" or \"require\"".to_owned(),
        }),
        (Hugepages::No, None) => plan(MemoryMode::NoHugepages, None),
        _ if free_hugepages_mb >= needed => plan(MemoryMode::Hugepages, None),
        (Hugepages::Require, _) => Err(MachineError {
            what: format!("{found}, and `hugepages` is \"require\""),
            cure: format!("{reserve}, or set `hugepages` in [eal] to \"auto\""),
        }),
        (Hugepages::Auto, Some(port)) => Err(MachineError {
            what: format!("{found}, and port \"{}\" is a PCI device, which needs them", port.name),
            cure: reserve,
        }),
        (Hugepages::Auto, None) => {
            let mode = MemoryMode::NoHugepages;
            let warning =
                format!("{found}: runs without, slower, on {} MiB of ordinary memory", megabytes(mode));
            plan(mode, Some(warning))
        }
    }
}

/// Mbufs that a thread with a cache of so many may keep from the others: one is given back only when half as many more
/// would be exceeded (CALC_CACHE_FLUSHTHRESH in rte_mempool.c), and filled to no more than its size.
const fn kept_at_hand(cache: u32) -> u32 {
    cache + cache / 2
}

/// Mbufs in the pool: what the rings of all ports can hold at a time, each ring with frames of its own, what every worker
/// has in its hands with a batch of copies for each port, and what the caches of workers and main thread keep, which
/// fills rings and empties them. A multiple of 1,024 less one, as a pool's own ring holds one less than its size.
///
/// Counts [`EalSettings::max_ports`](crate::EalSettings::max_ports) ports, those that may come as large as the
/// largest that is there.
pub fn pool_size(settings: &Settings, workers: usize) -> u32 {
    // At most so many, whatever the caller says: no sum below overflows.
    let workers = workers.min(MAX_WORKERS) as u32;
    let rings = |port: &PortSettings| {
        workers * (u32::from(port.rx_descriptors) + u32::from(port.tx_descriptors) + COPIES)
    };
    let present: u32 = settings.ports.iter().map(rings).sum();
    let largest = settings.ports.iter().map(rings).max().unwrap_or(0);
    let coming = coming(settings);
    let held = workers * IN_HAND + (workers + 1) * kept_at_hand(POOL_CACHE);
    let mbufs = present + coming * largest + held;
    mbufs.max(LEAST_MBUFS).next_multiple_of(1024) - 1
}

/// Mbufs that the transmit rings of all ports may keep, whichever pool they are of: those of NICs, and of virtual devices
/// whose drivers are not done with a frame at once. Ports that may come count as for [`pool_size`].
pub fn kept_to_send(settings: &Settings, workers: usize) -> u32 {
    let workers = workers.min(MAX_WORKERS) as u32;
    let ring = |port: &PortSettings| match &port.device {
        Device::Kernel(_) => 0,
        Device::Vdev(vdev) if DONE_AT_ONCE.contains(&vdev.driver()) => 0,
        Device::Vdev(_) | Device::Pci(_) => workers * u32::from(port.tx_descriptors),
    };
    let largest = settings.ports.iter().map(ring).max().unwrap_or(0);
    settings.ports.iter().map(ring).sum::<u32>() + coming(settings) * largest
}

/// Mbufs in the pool of its own that a port of net_af_xdp with so many queues has, each in a page: what the kernel has to
/// receive into and to send, what waits to be sent (that ring has as many descriptors as the receive ring, whatever
/// `tx-descriptors` says), what workers hold, and what other ports keep of it ([`kept_to_send`]). So it can always
/// receive, whoever takes nothing. Not counted by [`pool_size`].
pub fn af_xdp_pool_size(port: &PortSettings, queues: u16, workers: usize, kept: u32) -> u32 {
    let workers = workers.min(MAX_WORKERS) as u32;
    let waiting = u32::from(port.rx_descriptors).next_power_of_two();
    let rings = u32::from(queues) * (AF_XDP_FILL + AF_XDP_SENDING + waiting);
    let held = workers * IN_HAND + (workers + 1) * kept_at_hand(PAGE_POOL_CACHE);
    (rings + kept + held).next_multiple_of(1024) - 1
}

/// MiB below which the buffers of the administrator's ports cannot be had, whatever else DPDK takes.
fn least_megabytes(settings: &Settings, workers: usize, queues: impl Fn(&PortSettings) -> u16) -> u32 {
    let frames = u64::from(pool_size(settings, workers)) * u64::from(object_size(settings));
    let kept = kept_to_send(settings, workers);
    let pages = |port: &PortSettings| match af_xdp_queues(port, &queues) {
        0 => 0,
        queues => u64::from(af_xdp_pool_size(port, queues, workers, kept)) * u64::from(PAGE),
    };
    // A port of the live layer waits where there is no memory for it; one that may be served without does without.
    let is_open =
        |port: &PortSettings| port.driver == Driver::Auto && matches!(port.device, Device::Kernel(_));
    let must = |port: &&PortSettings| !port.is_live && !is_open(port);
    ((frames + settings.ports.iter().filter(must).map(pages).sum::<u64>()) >> 20) as u32
}

/// Bytes of each buffer in the pool that ports have together.
fn object_size(settings: &Settings) -> u32 {
    POOL_HEADER + (MBUF_STRUCT + u32::from(mbuf_data_room(settings))).next_multiple_of(64)
}

/// MiB for the port's own pool, with the pool's ring and its caches; none where it has no queues of net_af_xdp.
fn own_pool_mb(port: &PortSettings, queues: u16, workers: usize, kept: u32) -> u32 {
    if queues == 0 {
        return 0;
    }
    let pages = u64::from(af_xdp_pool_size(port, queues, workers, kept)) * u64::from(PAGE);
    pages.div_ceil(1 << 20) as u32 + 1
}

/// Queues of net_af_xdp that a port has, `of_interface` those of one on a kernel interface.
pub fn af_xdp_queues(port: &PortSettings, of_interface: impl Fn(&PortSettings) -> u16) -> u16 {
    match &port.device {
        Device::Kernel(_) => of_interface(port),
        Device::Vdev(vdev) if vdev.driver() == "net_af_xdp" => {
            vdev.argument("queue_count").and_then(|count| count.parse().ok()).unwrap_or(1)
        }
        Device::Vdev(_) | Device::Pci(_) => 0,
    }
}

/// Bytes of each mbuf's data room, headroom included: the largest frame of any port, in one segment.
pub fn mbuf_data_room(settings: &Settings) -> u16 {
    let frame = settings.ports.iter().map(largest_frame).max().unwrap_or(2048);
    // At most 128 + 16,384 by the range of `mtu`; a larger framesz in a vdev's arguments is the driver's to refuse.
    u16::try_from(HEADROOM + frame).unwrap_or(u16::MAX)
}

fn largest_frame(port: &PortSettings) -> u32 {
    let asked = match &port.device {
        Device::Vdev(vdev) => vdev.argument("framesz").and_then(|v| v.parse().ok()).unwrap_or(0),
        _ => 0,
    };
    asked.max(frame_size(port))
}

/// The power of two from 2,048 on that holds a frame of the port's MTU in an AF_PACKET ring: 66 bytes of the ring's
/// own before a received frame, 14 of Ethernet header. The kernel takes a VLAN tag out of the frame.
pub(crate) fn frame_size(port: &PortSettings) -> u32 {
    (u32::from(port.mtu.unwrap_or(1500)) + 66 + 14).next_power_of_two().max(2048)
}

/// Ports that may come while Manifold runs.
fn coming(settings: &Settings) -> u32 {
    settings.eal.max_ports.map_or(0, |most| u32::from(most).saturating_sub(settings.ports.len() as u32))
}

/// MiB of memory for DPDK: the pool of [`pool_size`] mbufs, those of ports on af_xdp, driver tables for each port, and
/// DPDK's own.
///
/// Without hugepages the pool takes more: DPDK lets no mbuf cross a page, so one of 2,176 bytes has a page of 4 KiB to
/// itself. Two kernel interfaces with 8,191 mbufs then come to 42 MiB, of which a run takes 34.
///
/// Where `driver = "auto"` is af_packet, as on the distribution's DPDK, and interfaces have a queue for each worker.
pub fn memory_mb(settings: &Settings, workers: usize, mode: MemoryMode) -> u32 {
    let named = |port: &PortSettings| match port.driver {
        Driver::AfXdp => workers.min(MAX_WORKERS) as u16,
        Driver::AfPacket | Driver::Auto => 0,
    };
    megabytes_for(settings, workers, named, mode)
}

fn megabytes_for(
    settings: &Settings,
    workers: usize,
    queues: impl Fn(&PortSettings) -> u16,
    mode: MemoryMode,
) -> u32 {
    let object = object_size(settings);
    let each = match mode {
        MemoryMode::Hugepages => object,
        MemoryMode::NoHugepages if object <= PAGE => PAGE / (PAGE / object),
        MemoryMode::NoHugepages => object.next_multiple_of(PAGE),
    };
    // 64 ports and 64 workers with the largest rings come to a million MiB.
    let pool = (u64::from(pool_size(settings, workers)) * u64::from(each)).div_ceil(1 << 20) as u32;
    let tables = |port: &PortSettings| if matches!(port.device, Device::Pci(_)) { PCI_MB } else { VDEV_MB };
    let present: u32 = settings.ports.iter().map(tables).sum();
    let kept = kept_to_send(settings, workers);
    let own = |port: &PortSettings| own_pool_mb(port, af_xdp_queues(port, &queues), workers, kept);
    let owned: u32 = settings.ports.iter().map(own).sum();
    let largest = settings.ports.iter().map(own).max().unwrap_or(0);
    let coming = coming(settings);
    BASE_MB + present + owned + coming * (PCI_MB + largest) + pool
}
