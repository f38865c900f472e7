//! The parts of a start that look at nothing else of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use api::MbufView;
use control::{Agent, Clock, ProcessInfo, Recorder, Waker};
use dpdk::{Eal, HEADROOM, Mempool, Queues};
use forwarding::{EgressMacs, FrameReceiver, worker_meter};
use settings::{Cores, MemoryPlan, Placement, Settings, eal_args, mbuf_data_room, pool_size};
use types::{POOL_CACHE, PortIndex};

use super::told::Revision;
use crate::assembly::WorkerParts;
use crate::crew::Hand;
use crate::desk::worker_desk;
use crate::failure::Failure;
use crate::numa::pool_near;
use crate::ports::{Devices, OpenedPort};
use crate::queues::narrowest;
use crate::worker::WorkerSeed;

/// What all workers have alike.
pub(super) struct Common {
    /// Where frames to inject get their mbufs.
    pub(super) pool: Mempool,
    /// Wakes the control thread.
    pub(super) waker: Waker,
    /// Tells the time.
    pub(super) clock: Clock,
    /// They sleep when idle.
    pub(super) adaptive: bool,
    /// What data goes out from.
    pub(super) macs: Arc<EgressMacs>,
}

/// The workers' cores. Where the settings leave their number open, there are no more than every port has transmit
/// queues for, and the log says so; a list that asks for more fails at the port.
pub(super) fn worker_cores(settings: &Settings, placement: Placement, opened: &[OpenedPort]) -> Vec<u16> {
    let mut cores = placement.workers;
    if settings.worker.cores == Cores::Auto {
        let there = settings.ports.iter().zip(opened);
        let there =
            there.filter_map(|(port, (_, opened))| Some((port.name.as_str(), opened.as_ref().ok()?.info())));
        if let Some((port, workers)) = narrowest(there, cores.len()) {
            tracing::info!(
                "`cores` is \"auto\", and of the cores {cores:?} {workers} have a worker: port \"{port}\" has no more \
                 transmit queues to be used"
            );
            cores.truncate(workers);
        }
    }
    tracing::info!(control = placement.control, workers = ?cores, "cores");
    cores
}

/// The workers, ready to be started, each with its part of every port's queues; and what ends them. The first sends what
/// the control thread has for any port.
pub(super) fn hands(
    common: Common,
    cores: &[u16],
    parts: Vec<WorkerParts>,
    dealt: Vec<(PortIndex, Vec<Queues>)>,
    injected: FrameReceiver,
    devices: &Devices,
) -> (Vec<Hand>, Arc<AtomicBool>) {
    let Common { pool, waker, clock, adaptive, macs } = common;
    let stop = Arc::new(AtomicBool::new(false));
    let long = api::LONG_PASS.as_nanos() * u128::from(devices.eal.cycles_hz()) / 1_000_000_000;
    let mut queues: Vec<Vec<_>> = cores.iter().map(|_| Vec::new()).collect();
    for (port, dealt) in dealt {
        for (worker, part) in queues.iter_mut().zip(dealt) {
            worker.push((port, part));
        }
    }
    let mut injected = Some(injected);
    let hand = |((core, WorkerParts { forwarder, counters }), queues): ((&u16, WorkerParts), Vec<_>)| {
        let (desk, orders) = worker_desk();
        let (meter, reader) = worker_meter(u64::try_from(long).unwrap_or(u64::MAX));
        let seed = WorkerSeed {
            orders,
            forwarder,
            counters,
            macs: Arc::clone(&macs),
            queues,
            inject: injected.take(),
            meter,
            pool: pool.clone(),
            waker: waker.clone(),
            clock,
            adaptive,
            stop: Arc::clone(&stop),
        };
        Hand { core: *core, seed, desk, meter: reader }
    };
    let hands = cores.iter().zip(parts).zip(queues).map(hand).collect();
    (hands, stop)
}

/// The pool for so many workers at most, on this NUMA node if it has memory.
///
/// # Errors
/// There is no memory for it.
pub(super) fn frame_pool(
    eal: &Eal,
    settings: &Settings,
    workers: usize,
    node: Option<u32>,
) -> Result<Mempool, Failure> {
    let size = pool_size(settings, workers);
    let room = mbuf_data_room(settings) - HEADROOM;
    pool_near(node, |node| Mempool::new(eal, "frames", size, POOL_CACHE, room, node)).map_err(|e| {
        Failure::machine(format!("no memory for {size} buffers: {e}; raise `memory-mb` in [eal]"))
    })
}

/// Has everything recorded that the agent is told, where the settings say so.
///
/// # Errors
/// The record cannot be written.
pub(super) fn recorded(agent: Agent, settings: &Settings) -> Result<Agent, Failure> {
    let Some(path) = &settings.record.path else { return Ok(agent) };
    let recorder = Recorder::start(path).map_err(|error| {
        let path = path.display();
        Failure::machine(format!(
            "the record {path} cannot be written: {error}; check `path` in [record], its folder and its disk"
        ))
    })?;
    tracing::info!(path = %path.display(), "everything that control is told is recorded");
    Ok(agent.recorded(recorder))
}

/// The process as `show status` tells it.
pub(super) fn process_info(settings: &Settings, devices: &Devices, revision: &Revision) -> ProcessInfo {
    let (pool, pages) = (devices.pool.clone(), devices.pages.clone());
    let mbufs = move || {
        let (size, in_use) = pages.usage();
        MbufView { size: size + u64::from(pool.size()), in_use: in_use + u64::from(pool.in_use()) }
    };
    ProcessInfo {
        instance: settings.proxy.instance.clone(),
        hugepages: devices.eal.has_hugepages(),
        mbufs: Box::new(mbufs),
        revision: revision.reader(),
    }
}

/// Starts DPDK's environment.
///
/// # Errors
/// It refuses its arguments, or the machine.
pub(super) fn start_eal(
    settings: &Settings,
    memory: &MemoryPlan,
    placement: &Placement,
    trailing: &[String],
) -> Result<Eal, Failure> {
    if let Some(warning) = &memory.warning {
        tracing::warn!("{warning}");
    }
    dpdk::set_log_sink(|level, text| match level {
        dpdk::LogLevel::Error => tracing::error!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Warning => tracing::warn!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Info => tracing::info!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Debug => tracing::debug!(target: "dpdk", "{text}"),
    });
    let args = eal_args(settings, memory, placement, trailing).map_err(Failure::settings)?;
    let eal = Eal::init(&args[1..]).map_err(|e| match settings.eal.args.iter().chain(trailing).next() {
        Some(_) => Failure::settings(format!("{e}\n  check `args` in [eal] and what stands after `--`")),
        None => Failure::machine(e),
    })?;
    tracing::info!(version = eal.version(), line = eal.line(), "EAL");
    Ok(eal)
}

/// Chance for the protocol's random delays and for hashing.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
