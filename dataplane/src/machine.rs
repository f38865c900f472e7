//! What the machine must have before DPDK starts: the instance to ourselves, the interfaces, memory, cores.

use links::{Guard, InstanceLock, LinkInfo};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use settings::{MemoryPlan, Placement, PortSettings, Settings, place_threads, plan_memory};

use crate::failure::Failure;

/// The kernel interfaces that are ports, and the guard that keeps the kernel away from them.
pub(crate) struct KernelPorts {
    /// One for each port of the settings; `None` where the device is no kernel interface.
    pub(crate) links: Vec<Option<LinkInfo>>,
    _guard: Guard,
}

impl KernelPorts {
    /// Takes the instance's lock, undoes what a crashed run left, and takes the interfaces.
    ///
    /// # Errors
    /// The instance runs already; an interface is missing, of a kind not taken, or somebody's; a
    /// privilege is missing. Nothing is left changed but that an interface that was down is up.
    pub(crate) fn take(settings: &Settings) -> Result<Self, Failure> {
        let lock = InstanceLock::acquire(&settings.paths.run_dir, &settings.proxy.instance)
            .map_err(Failure::machine)?;
        let (mut guard, recovery) = Guard::new(lock).map_err(Failure::machine)?;
        if !recovery.links.is_empty() {
            let links = recovery.links.join(", ");
            tracing::warn!(links, "an earlier run ended without giving its interfaces back; done now");
        }
        for note in recovery.notes {
            tracing::info!("{note}");
        }
        let mut found = inspect(settings)?;
        for (port, link) in settings.ports.iter().zip(&mut found) {
            let Some(link) = link else { continue };
            guard.add(link).map_err(|e| of_port(port, e))?;
            if links::set_up(&link.name).map_err(|e| of_port(port, e))? {
                *link = links::inspect(&link.name).map_err(|e| of_port(port, e))?;
            }
        }
        Ok(Self { links: found, _guard: guard })
    }
}

/// What this build can serve, whatever the machine.
///
/// # Errors
/// Several workers, or more ports than DPDK was built for.
pub(crate) fn serves(settings: &Settings) -> Result<(), Failure> {
    let workers = settings.worker.cores.workers();
    if workers != 1 {
        return Err(Failure::settings(format!(
            "`cores` names {workers} cores; this version has one worker: name one, or write \"auto\""
        )));
    }
    let ports = settings.ports.len();
    if ports > dpdk::MAX_ETH_PORTS {
        return Err(Failure::settings(format!(
            "there are {ports} ports, and the installed DPDK was built for {}; leave some out, or build against a DPDK \
             with a larger RTE_MAX_ETHPORTS",
            dpdk::MAX_ETH_PORTS
        )));
    }
    Ok(())
}

/// Looks at the kernel interfaces among the ports' devices. Changes nothing.
///
/// # Errors
/// An interface is missing, of a kind not taken, or somebody's.
pub(crate) fn inspect(settings: &Settings) -> Result<Vec<Option<LinkInfo>>, Failure> {
    let look = |port: &PortSettings| -> Result<Option<LinkInfo>, Failure> {
        let Some(name) = port.device.kernel_interface() else { return Ok(None) };
        let link = links::inspect(name).map_err(|e| of_port(port, e))?;
        links::usable(&link).map_err(|e| of_port(port, e))?;
        Ok(Some(link))
    };
    let found: Vec<_> = settings.ports.iter().map(look).collect::<Result<_, _>>()?;
    // An alternative name can lead two ports to one interface.
    for (i, link) in found.iter().enumerate() {
        let same = |other: &Option<LinkInfo>| {
            link.is_some() && other.as_ref().map(|o| o.index) == link.as_ref().map(|l| l.index)
        };
        if let Some(first) = found[..i].iter().position(same) {
            let (first, second) = (&settings.ports[first], &settings.ports[i]);
            return Err(of_port(
                second,
                format!(
                    "{} is the interface of port \"{}\" already; give each port its own",
                    second.device, first.name
                ),
            ));
        }
    }
    Ok(found)
}

fn of_port(port: &PortSettings, error: impl std::fmt::Display) -> Failure {
    Failure::machine(format!("port \"{}\": {error}", port.name))
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
