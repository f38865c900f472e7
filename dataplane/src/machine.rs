//! What the machine must have before DPDK starts: ports enough in its build, memory, cores.

use std::{fs, io, thread};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use settings::{
    CoreSet, Cores, Driver, MemoryPlan, Placement, Poll, PortSettings, Settings, Share, WorkerSettings,
    place_threads, plan_memory,
};

use crate::drivers::{AUTO, KernelDriver, choose};
use crate::failure::Failure;
use crate::interfaces::Looked;
use crate::numa::Nodes;

/// What this build can serve, whatever the machine.
///
/// # Errors
/// A DPDK whose drivers are not known to leave frames to one thread, or several workers, where only one may hold references
/// to frames; more ports than DPDK was built for.
pub(crate) fn serves(settings: &Settings) -> Result<(), Failure> {
    dpdk::check_release(dpdk::REFCNT_IS_ATOMIC, dpdk::RELEASE).map_err(Failure::machine)?;
    if let Cores::List(cores) = &settings.worker.cores {
        dpdk::check_workers(dpdk::REFCNT_IS_ATOMIC, cores.len()).map_err(Failure::settings)?;
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

/// Decides on cores from those that the machine has; and why there are fewer workers than there are cores for, where
/// this build or whose the cores are is why.
///
/// # Errors
/// Too few.
pub(crate) fn place(settings: &Settings) -> Result<(Placement, Option<String>), Failure> {
    place_on(settings, &cores(), dpdk::REFCNT_IS_ATOMIC)
}

fn place_on(
    settings: &Settings,
    set: &CoreSet,
    is_atomic: bool,
) -> Result<(Placement, Option<String>), Failure> {
    let mut placement = place_threads(settings, set).map_err(Failure::machine)?;
    let fewer = |cores: &[u16], why: &str| {
        Some(format!("`cores` is \"auto\", and of the cores {cores:?} one has a worker: {why}"))
    };
    let may_be = |workers| dpdk::check_workers(is_atomic, workers).is_ok();
    let fewer = match settings.worker.cores {
        Cores::Auto if !may_be(placement.workers.len()) => {
            let cores = placement.workers.clone();
            placement.workers.truncate(1);
            fewer(&cores, "this DPDK counts references to frames without atomics, for one thread")
        }
        // Of two, one is the control thread's.
        Cores::Auto if set.share == Share::Most && set.given.len() > 2 && may_be(2) => fewer(
            &set.given,
            "they are more than half of the machine's, and so others' as well; for more, name them in [worker] `cores`",
        ),
        Cores::Auto | Cores::List(_) => None,
    };
    Ok((placement, fewer))
}

/// Decides on memory from what the machine has, for ports whose interfaces were looked at.
///
/// # Errors
/// Too little.
pub(crate) fn memory(
    settings: &Settings,
    placement: &Placement,
    looked: &[Looked],
) -> Result<MemoryPlan, Failure> {
    let workers = u16::try_from(placement.workers.len()).map_err(Failure::machine)?;
    let queues = |port: &PortSettings| {
        let at = settings.ports.iter().position(|other| other.name == port.name);
        match at.and_then(|at| looked.get(at)) {
            Some(Ok(Some(link))) => match choose(port, link, workers).map(|choice| choice.driver) {
                Ok(KernelDriver::AfXdp { queues }) => queues,
                Ok(KernelDriver::AfPacket) | Err(_) => 0,
            },
            // One that is not there yet may have as many as there are workers.
            Some(Ok(None) | Err(_)) | None => match (port.driver, AUTO) {
                (Driver::AfXdp, _) | (Driver::Auto, Driver::AfXdp) => workers,
                (Driver::AfPacket | Driver::Auto, _) => 0,
            },
        }
    };
    let plan = plan_memory(settings, workers.into(), queues, free_hugepages_mb());
    let mut plan = plan.map_err(Failure::machine)?;
    Nodes::of_machine().settle(&mut plan, settings, placement, &allowed_nodes());
    Ok(plan)
}

/// MiB of free hugepages of the default size.
fn free_hugepages_mb() -> u32 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
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

/// Keeps the calling thread, and those that it makes from now on, off the workers' cores: see [`cores_beside`].
///
/// # Errors
/// The kernel's.
pub(crate) fn leave_worker_cores(settings: &Settings, placement: &Placement) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores_beside(settings, placement, &cores()) {
        set.set(usize::from(core));
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// The cores of every thread but the workers: the control core where the settings name one; else of those that were
/// given every one that is no worker's, nor isolated if there are others; else all. Where the control thread polls, the
/// others leave it alone if they can.
fn cores_beside(settings: &Settings, placement: &Placement, set: &CoreSet) -> Vec<u16> {
    let WorkerSettings { control_core, control_poll, .. } = settings.worker;
    let mut others = set.given.clone();
    others.retain(|core| !placement.workers.contains(core));
    if others.iter().any(|core| !set.isolated.contains(core)) {
        others.retain(|core| !set.isolated.contains(core));
    }
    match (control_poll, control_core) {
        (Poll::Busy, _) if others.iter().any(|core| *core != placement.control) => {
            others.retain(|core| *core != placement.control);
            others
        }
        (Poll::Busy, _) => vec![placement.control],
        (Poll::Adaptive, Some(core)) => vec![core],
        (Poll::Adaptive, None) if others.is_empty() => set.given.clone(),
        (Poll::Adaptive, None) => others,
    }
}

/// The control thread's own core, where it has one.
pub(crate) fn control_core(settings: &Settings, placement: &Placement) -> Option<u16> {
    match settings.worker.control_poll {
        Poll::Busy => Some(placement.control),
        Poll::Adaptive => settings.worker.control_core,
    }
}

/// The cores that this process has.
fn cores() -> CoreSet {
    let of_machine = |which: &str| {
        numbers_in(&fs::read_to_string(format!("/sys/devices/system/cpu/{which}")).unwrap_or_default())
    };
    let (given, isolated) = (given_cores(), of_machine("isolated"));
    let share = Share::of(&given, &of_machine("online"), &isolated);
    CoreSet { allowed: allowed_cores(), given, isolated, share }
}

/// The cores that the calling thread may run on as things are.
fn given_cores() -> Vec<u16> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..u16::MAX).take(CpuSet::MAX_CPU).filter(|core| set.is_set(usize::from(*core))).collect()
}

/// The cores that a thread of this process may be put on. Isolated ones are missing from the mask that processes inherit,
/// and only a cpuset keeps a thread from them: of all that is asked for, the kernel leaves what that holds.
fn allowed_cores() -> Vec<u16> {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
    // Asked for by a thread that is gone afterwards: what was once asked for counts when the cpuset changes.
    let asked = thread::spawn(move || sched_setaffinity(None, &all).map(|()| given_cores()));
    match asked.join() {
        Ok(Ok(cores)) => cores,
        Ok(Err(_)) | Err(_) => given_cores(),
    }
}

/// The NUMA nodes that this process may have memory of.
fn allowed_nodes() -> Vec<u16> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    numbers_in(status.lines().find_map(|line| line.strip_prefix("Mems_allowed_list:")).unwrap_or_default())
}

/// The numbers of a list as the kernel writes it: `0-3,8`.
fn numbers_in(list: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
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
    fn lists_of_the_kernel_are_understood() {
        assert_eq!(numbers_in("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert!(numbers_in("").is_empty());
        assert!(!allowed_nodes().is_empty());
    }

    /// The cores beside the workers', and the control thread's own.
    fn beside_of(worker: &str, set: &CoreSet) -> (Vec<u16>, Option<u16>) {
        let text = format!(
            "[worker]\n{worker}\n[proxy]\nupstream = \"a\"\n[[port]]\nname = \"a\"\ndevice = \"a\"\n"
        );
        let settings = settings::parse(&text, "test").unwrap();
        let placement = place_threads(&settings, set).unwrap();
        (cores_beside(&settings, &placement, set), control_core(&settings, &placement))
    }

    #[test]
    fn threads_beside_the_workers_leave_them_and_who_polls_alone() {
        let beside = |worker: &str, available: &[u16]| {
            let (allowed, given) = (available.to_vec(), available.to_vec());
            beside_of(worker, &CoreSet { allowed, given, ..CoreSet::default() })
        };
        assert_eq!(beside("", &[0, 1, 2]), (vec![0, 1], None));
        assert_eq!(beside("control-core = 1", &[0, 1, 2]), (vec![1], Some(1)));
        assert_eq!(beside("", &[5]), (vec![5], None), "one core serves all");
        let busy = "control-poll = \"busy\"";
        assert_eq!(beside(busy, &[0, 1, 2]), (vec![1], Some(0)));
        assert_eq!(beside(&format!("control-core = 1\n{busy}"), &[0, 1, 2]), (vec![0], Some(1)));
        assert_eq!(beside(busy, &[0, 1]), (vec![0], Some(0)), "of two cores one is the worker's");
    }

    #[test]
    fn why_there_are_fewer_workers_than_cores_is_told() {
        let place = |worker: &str, share, given: &[u16], is_atomic| {
            let (allowed, given) = (given.to_vec(), given.to_vec());
            let set = CoreSet { allowed, given, isolated: Vec::new(), share };
            let text = format!(
                "[worker]\n{worker}\n[proxy]\nupstream = \"a\"\n[[port]]\nname = \"a\"\ndevice = \"a\"\n"
            );
            let (placement, fewer) =
                place_on(&settings::parse(&text, "test").unwrap(), &set, is_atomic).unwrap();
            (placement.workers, fewer)
        };
        let (workers, fewer) = place("", Share::Most, &[0, 1, 3], true);
        let fewer = fewer.unwrap();
        assert_eq!(workers, [3]);
        assert!(
            fewer.contains("of the cores [0, 1, 3] one has a worker: they are more than half "),
            "{fewer}"
        );
        assert!(fewer.ends_with("; for more, name them in [worker] `cores`"), "{fewer}");
        assert_eq!(place("", Share::Part, &[0, 1, 3], true), (vec![1, 3], None));
        assert_eq!(place("cores = [1]", Share::Most, &[0, 1, 3], true), (vec![1], None));
        assert_eq!(place("", Share::Most, &[0, 1], true), (vec![1], None), "there is no other");
        // A build for one worker, which naming more cores would not change.
        assert_eq!(place("", Share::Most, &[0, 1, 3], false), (vec![3], None));
        let (workers, fewer) = place("", Share::Part, &[0, 1, 3], false);
        assert_eq!(workers, [1]);
        assert!(fewer.unwrap().contains("of the cores [1, 3] one has a worker: this DPDK counts "));
    }

    #[test]
    fn threads_beside_the_workers_do_not_go_to_isolated_cores() {
        // As by `isolcpus=2-3`, and the same where a cpuset gave all of them.
        for given in [vec![0, 1], vec![0, 1, 2, 3]] {
            let set = CoreSet { allowed: vec![0, 1, 2, 3], given, isolated: vec![2, 3], share: Share::All };
            assert_eq!(beside_of("cores = [2]", &set), (vec![0, 1], None));
        }
        let (allowed, given) = (vec![0, 2, 3], vec![2, 3]);
        let alone = CoreSet { allowed, given, isolated: vec![2, 3], share: Share::Part };
        assert_eq!(beside_of("cores = [2]", &alone), (vec![3], None), "there are no others");
    }

    #[test]
    fn a_core_is_allowed_that_the_process_was_not_given() {
        let allowed = allowed_cores();
        // As where the kernel keeps isolated cores out of every mask that is inherited.
        let narrowed = thread::spawn(|| {
            let mut first = CpuSet::new();
            first.set(usize::from(given_cores()[0]));
            sched_setaffinity(None, &first).unwrap();
            (given_cores(), allowed_cores(), given_cores())
        });
        let (given, seen, afterwards) = narrowed.join().unwrap();
        assert_eq!(given.len(), 1);
        assert_eq!(seen, allowed);
        assert!(seen.contains(&given[0]));
        assert_eq!(afterwards, given, "nothing was changed");
        let set = cores();
        assert!(set.given.iter().all(|core| set.allowed.contains(core)));
    }
}
