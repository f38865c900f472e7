//! What the machine must have before DPDK starts: ports enough in its build, memory, cores.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use settings::{MemoryPlan, Placement, Settings, place_threads, plan_memory};

use crate::failure::Failure;

/// What this build can serve, whatever the machine.
///
/// # Errors
/// Several workers, or more ports than DPDK was built for.
pub(crate) fn serves(settings: &Settings) -> Result<(), Failure> {
    let workers = settings.worker.cores.workers();
    dpdk::check_workers(dpdk::REFCNT_IS_ATOMIC, workers).map_err(Failure::settings)?;
    if workers != 1 {
        return Err(Failure::settings(format!(
            "`cores` names {workers} cores; this version has one worker: name one, or write \"auto\""
        )));
    }
    let ports = settings.ports.len();
    if ports > dpdk::MAX_ETH_PORTS {
        return Err(Failure::settings(format!(
            "there are {ports} ports, and this DPDK was built for {}; leave some out, or build on one for 64 (`make fast`)",
            dpdk::MAX_ETH_PORTS
        )));
    }
    Ok(())
}

/// Decides memory and cores from what the machine has.
///
/// # Errors
/// Too little of either.
pub(crate) fn plan(settings: &Settings) -> Result<(MemoryPlan, Placement), Failure> {
    let memory = plan_memory(settings, free_hugepages_mb()).map_err(Failure::machine)?;
    let placement = place_threads(settings, &available_cores()).map_err(Failure::machine)?;
    Ok((memory, placement))
}

/// MiB of free hugepages of the default size.
fn free_hugepages_mb() -> u32 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    free_hugepages_mb_in(&meminfo)
}

fn free_hugepages_mb_in(meminfo: &str) -> u32 {
    let field = |name: &str| -> u64 {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    // Pages promised to others are not ours, though they are still free.
    let free = field("HugePages_Free:").saturating_sub(field("HugePages_Rsvd:"));
    u32::try_from(free * field("Hugepagesize:") / 1024).unwrap_or(u32::MAX)
}

/// Keeps the calling thread, and those that it makes from now on, off the workers' cores: on the control
/// core where the settings name one, else on every other core, else where they are.
pub(crate) fn leave_worker_cores(settings: &Settings, placement: &Placement) {
    let others = || available_cores().into_iter().filter(|core| !placement.workers.contains(core)).collect();
    let cores: Vec<u16> = settings.worker.control_core.map_or_else(others, |core| vec![core]);
    if cores.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    for core in cores {
        set.set(usize::from(core));
    }
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::warn!(%error, "the control thread could not be kept off the workers' cores");
    }
}

/// The cores that this process may use, a container's cpuset included.
fn available_cores() -> Vec<u16> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..u16::MAX).take(CpuSet::MAX_CPU).filter(|core| set.is_set(usize::from(*core))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_hugepages_are_counted_less_those_promised() {
        let text = "HugePages_Total:      64\nHugePages_Free:       40\nHugePages_Rsvd:        8\nHugepagesize:       2048 kB\n";
        assert_eq!(free_hugepages_mb_in(text), 64);
        assert_eq!(free_hugepages_mb_in(""), 0);
    }

    #[test]
    fn this_process_may_use_some_core() {
        assert!(!available_cores().is_empty());
    }
}
