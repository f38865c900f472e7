//! The two cores of a run: which, and who is on them.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::error::BenchError;

/// Where the kernel tells how cores lie to each other.
const SYS: &str = "/sys/devices/system";

/// The two cores of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Control thread, console, and this process.
    pub(crate) main: u16,
    /// Forwarding, alone.
    pub(crate) forward: u16,
}

/// Where a core is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CorePlace {
    /// Its number.
    pub(crate) core: u16,
    /// Its NUMA node, where the kernel tells.
    pub(crate) node: Option<u32>,
    /// The cores that share its execution units, itself among them, as the kernel lists them.
    pub(crate) siblings: Option<String>,
}

impl Cores {
    /// Two that this process may use: of one NUMA node and no siblings where there are such, or else no siblings, or else of
    /// one node. Of these the one that forwards is the last there is, and the other the first that goes with it.
    ///
    /// # Errors
    /// There is only one.
    pub(crate) fn pick() -> Result<Self, BenchError> {
        let set = allowed()?;
        let cores = (0..u16::MAX).take(CpuSet::MAX_CPU).filter(|core| set.is_set(usize::from(*core)));
        let places: Vec<_> = cores.map(|core| CorePlace::of(core, Path::new(SYS))).collect();
        choose(&places).ok_or_else(|| {
            BenchError::machine(
                "this process may use one core only",
                "give it two, one of which forwards alone",
            )
        })
    }

    /// Where they are, the main one first.
    pub(crate) fn places(self) -> [CorePlace; 2] {
        [self.main, self.forward].map(|core| CorePlace::of(core, Path::new(SYS)))
    }

    /// The NUMA node of the core that forwards, on a machine that has several.
    pub(crate) fn node(self) -> Option<u32> {
        CorePlace::of(self.forward, Path::new(SYS)).node.filter(|_| nodes() > 1)
    }

    /// EAL's argument for so many MiB of memory where Manifold has its own: near the core that forwards.
    pub(crate) fn memory_argument(self, megabytes: u32) -> String {
        memory_argument(self.node(), megabytes)
    }
}

/// NUMA nodes of this machine, one at least.
pub(crate) fn nodes() -> usize {
    let entries = fs::read_dir(Path::new(SYS).join("node")).into_iter().flatten().flatten();
    let is_node = |name: &str| name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok());
    entries.filter(|entry| entry.file_name().to_str().is_some_and(is_node)).count().max(1)
}

fn memory_argument(node: Option<u32>, megabytes: u32) -> String {
    match node {
        None => format!("-m{megabytes}"),
        // MiB of each node up to this one.
        Some(node) => format!("--socket-mem={}{megabytes}", "0,".repeat(node as usize)),
    }
}

fn choose(places: &[CorePlace]) -> Option<Cores> {
    let pairs = places.iter().rev().flat_map(|forward| places.iter().map(move |main| (main, forward)));
    let pairs = pairs.filter(|(main, forward)| main.core != forward.core);
    // Of several that are as good, the first: the last would be `max_by_key`'s.
    let best =
        pairs.rev().max_by_key(|(main, forward)| (!main.shares(forward), main.node == forward.node))?;
    Some(Cores { main: best.0.core, forward: best.1.core })
}

impl CorePlace {
    fn of(core: u16, sys: &Path) -> Self {
        let folder = sys.join(format!("cpu/cpu{core}"));
        let siblings = fs::read_to_string(folder.join("topology/thread_siblings_list")).ok();
        let mut entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let node = entries.find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok());
        Self { core, node, siblings: siblings.map(|list| list.trim().to_owned()) }
    }

    /// Whether they are threads of one core.
    fn shares(&self, other: &Self) -> bool {
        self.siblings.is_some() && self.siblings == other.siblings
    }

    /// In words, behind the core's number.
    pub(crate) fn words(&self) -> String {
        let node = self.node.map(|node| format!("node {node}"));
        let alone = |list: &&String| **list != self.core.to_string();
        let siblings = self.siblings.as_ref().filter(alone).map(|list| format!("siblings {list}"));
        let known: Vec<_> = node.into_iter().chain(siblings).collect();
        if known.is_empty() { self.core.to_string() } else { format!("{} ({})", self.core, known.join(", ")) }
    }
}

/// What this process could use before it was bound to one.
static ALLOWED: OnceLock<CpuSet> = OnceLock::new();

fn allowed() -> Result<CpuSet, BenchError> {
    sched_getaffinity(None).map_err(BenchError::io("look at the cores"))
}

/// From now on the calling thread, and what it starts, runs on `core`.
///
/// # Errors
/// The process may not.
pub(crate) fn pin(core: u16) -> Result<(), BenchError> {
    let mut only = CpuSet::new();
    only.set(usize::from(core));
    sched_setaffinity(None, &only).map_err(BenchError::io("choose a core"))
}

/// Runs `work` on `core`; what it starts stays there.
///
/// # Errors
/// The process may not.
pub(crate) fn on_core<T>(core: u16, work: impl FnOnce() -> T) -> Result<T, BenchError> {
    let before = allowed()?;
    pin(core)?;
    let done = work();
    sched_setaffinity(None, &before).map_err(BenchError::io("choose the cores again"))?;
    Ok(done)
}

/// As [`pin`] for this thread, the main one, which polls and asks: never on the core that forwards. What is started
/// [`unbound`] is not bound.
///
/// # Errors
/// The process may not.
pub(crate) fn bind(core: u16) -> Result<(), BenchError> {
    let before = allowed()?;
    ALLOWED.get_or_init(|| before);
    pin(core)
}

/// Starts something that may use all cores that this process could before it was bound.
///
/// # Errors
/// Those of `start`, or the process may not.
pub(crate) fn unbound<T, E: Into<BenchError>>(start: impl FnOnce() -> Result<T, E>) -> Result<T, BenchError> {
    let Some(all) = ALLOWED.get() else { return start().map_err(Into::into) };
    let now = allowed()?;
    let choose = |set: &CpuSet| sched_setaffinity(None, set).map_err(BenchError::io("choose cores"));
    choose(all)?;
    let started = start();
    choose(&now)?;
    started.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(core: u16, node: u32, siblings: &str) -> CorePlace {
        CorePlace { core, node: Some(node), siblings: Some(siblings.to_owned()) }
    }

    fn chosen(places: &[CorePlace]) -> Option<(u16, u16)> {
        choose(places).map(|cores| (cores.main, cores.forward))
    }

    #[test]
    fn cores_are_of_one_node_and_no_siblings_where_there_are_such() {
        // Two sockets of two cores with two threads each, numbered as Linux does it.
        let all: Vec<_> =
            [(0, "0,4"), (0, "1,5"), (1, "2,6"), (1, "3,7")].repeat(2).into_iter().zip(0..).collect();
        let all: Vec<_> =
            all.into_iter().map(|((node, siblings), core)| place(core, node, siblings)).collect();
        assert_eq!(chosen(&all), Some((2, 7)), "not 0, which is far, and not 3, which is a sibling");
        let two = |a: usize, b: usize| chosen(&[all[a].clone(), all[b].clone()]);
        assert_eq!([two(0, 4), two(0, 3)], [Some((0, 4)), Some((0, 3))], "what there is");
        let far_or_siblings = [all[0].clone(), all[3].clone(), all[7].clone()];
        assert_eq!(chosen(&far_or_siblings), Some((0, 7)), "a sibling takes more than a node");
        assert_eq!(chosen(&all[..1]), None);
        let unknown = |core| CorePlace { core, node: None, siblings: None };
        assert_eq!(chosen(&[0, 1, 2].map(unknown)), Some((0, 2)));
    }

    #[test]
    fn a_core_is_where_the_kernel_says() {
        let sys = tempfile::tempdir().unwrap();
        let folder = sys.path().join("cpu/cpu3");
        fs::create_dir_all(folder.join("topology")).unwrap();
        fs::create_dir(folder.join("node1")).unwrap();
        fs::write(folder.join("topology/thread_siblings_list"), "3,7\n").unwrap();
        assert_eq!(CorePlace::of(3, sys.path()), place(3, 1, "3,7"));
        assert_eq!(place(3, 1, "3,7").words(), "3 (node 1, siblings 3,7)");
        assert_eq!(place(3, 0, "3").words(), "3 (node 0)");
        assert_eq!(CorePlace::of(4, sys.path()).words(), "4");
    }

    #[test]
    fn memory_is_asked_for_as_manifold_asks_for_it() {
        assert_eq!(memory_argument(None, 64), "-m64");
        assert_eq!(memory_argument(Some(0), 64), "--socket-mem=64");
        assert_eq!(memory_argument(Some(2), 64), "--socket-mem=0,0,64");
    }

    #[test]
    fn what_is_started_unbound_may_use_all_cores() {
        // A thread of its own: others of this process go on as they are.
        std::thread::scope(|scope| {
            let bound = scope.spawn(|| {
                let before = allowed().unwrap();
                let cores = Cores::pick().unwrap();
                bind(cores.main).unwrap();
                assert_eq!(allowed().unwrap().count(), 1);
                assert_eq!(unbound(allowed).unwrap(), before);
                assert_eq!(allowed().unwrap().count(), 1, "bound again");
            });
            bound.join().unwrap();
        });
    }

    #[test]
    fn a_core_is_left_as_it_was_found() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|core| before.is_set(*core)).unwrap();
        let during = on_core(first as u16, || sched_getaffinity(None).unwrap()).unwrap();
        assert_eq!(during.count(), 1);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
