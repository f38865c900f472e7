//! What a worker asks of the heap while it forwards: nothing.
//!
//! `native/heap.c`, preloaded into an unmodified Manifold, counts the calls of each thread: malloc and its like, and free.
//! The worker forwards frames over memif ([`crate::memif`]) meanwhile, hands joins and leaves to the control thread and sends
//! what that one says; its own calls are the figure. The control thread may call: that it does shows that calls are counted.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::aim::Aim;
use crate::error::BenchError;
use crate::machine::Cores;
use crate::memif::ours::Ours;
use crate::memif::{Links, Order};
use crate::native::{self, Kind};
use crate::report::FigureReport;
use crate::side::bound_to_us;
use crate::stats::Spread;

/// Its id.
pub(crate) const ID: &str = "heap";
const CODE: &str = include_str!("../native/heap.c");
/// Threads that the library has room for, and bytes of each.
const THREADS: usize = 256;
const ENTRY: usize = 16;
/// What workers' threads are called, by the beginning.
const WORKER: &str = "worker";
/// While it is counted.
const ORDER: Order = Order { rate: 200_000, warm_up_ms: 0, length_ms: 2_000, joins: 10_000 };

/// Calls of the heap by thread.
struct Counts {
    library: PathBuf,
    file: PathBuf,
}

impl Counts {
    fn new(folder: &Path) -> Result<Self, BenchError> {
        let (source, library, file) =
            (folder.join("heap.c"), folder.join("heap.so"), folder.join("heap.counts"));
        fs::write(&source, CODE).map_err(BenchError::io(source.display()))?;
        native::compile(Kind::Library, &source, &library)?;
        fs::write(&file, [0; THREADS * ENTRY]).map_err(BenchError::io(file.display()))?;
        Ok(Self { library, file })
    }

    /// `program` with its calls counted.
    fn command(&self, program: &Path) -> std::process::Command {
        let mut command = bound_to_us(Path::new("env"));
        let set = |name: &str, path: &Path| {
            let mut text = std::ffi::OsString::from(name);
            text.push(path);
            text
        };
        command.arg(set("LD_PRELOAD=", &self.library)).arg(set("HEAP_COUNTS=", &self.file)).arg(program);
        command
    }

    /// By thread id.
    fn read(&self) -> Result<HashMap<u64, u64>, BenchError> {
        let bytes = fs::read(&self.file).map_err(BenchError::io(self.file.display()))?;
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes).unwrap_or(0);
        let entries = bytes.chunks_exact(ENTRY).map(|entry| (word(&entry[..8]), word(&entry[8..])));
        Ok(entries.filter(|(thread, _)| *thread != 0).collect())
    }
}

/// The threads of a process whose names begin like that.
fn threads(process: u32, name: &str) -> Vec<u64> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let of = |path: PathBuf| {
        let comm = fs::read_to_string(path.join("comm")).ok()?;
        let thread = path.file_name()?.to_str()?.parse().ok()?;
        comm.starts_with(name).then_some(thread)
    };
    tasks.flatten().filter_map(|task| of(task.path())).collect()
}

/// The figure's row.
///
/// # Errors
/// There is no compiler, Manifold does not start or deliver, or nothing at all was counted.
pub(crate) fn report(manifold: &Path, cores: Cores, scratch: &Path) -> Result<FigureReport, BenchError> {
    let counts = Counts::new(scratch)?;
    let links = Links { socket: scratch.join("links"), sinks: 2 };
    let mut ours = Ours::start(counts.command(manifold), &links, cores, scratch)?;
    // What grows once has grown then.
    ours.obey(&Order { length_ms: 500, ..ORDER })?;
    let workers = threads(ours.process_id(), WORKER);
    let before = counts.read()?;
    let answer = ours.obey(&ORDER)?;
    let after = counts.read()?;
    ours.end()?;
    let calls = |of: &dyn Fn(&u64) -> bool| -> u64 {
        let of = after.iter().filter(|(thread, _)| of(thread));
        of.map(|(thread, calls)| calls - before.get(thread).copied().unwrap_or(0)).sum()
    };
    let (own, others) =
        (calls(&|thread| workers.contains(thread)), calls(&|thread| !workers.contains(thread)));
    if workers.is_empty() || others == 0 {
        let what = format!("{} workers were found, {others} calls of other threads counted", workers.len());
        return Err(BenchError::machine(what, "report it"));
    }
    let value = own as f64;
    let row =
        FigureReport::new(ID, "the worker\u{2019}s calls of malloc and free".to_owned(), "heap use", "calls")
            .alone(Spread { min: value, median: value, max: value }, Some(Aim::AtMost(0.0)));
    let note = format!(
        "while {} frames came, and {} joins and {} leaves; other threads made {others} calls",
        answer.offered - answer.refused,
        answer.joins,
        answer.leaves
    );
    Ok(FigureReport { notes: vec![note], ..row })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_a_program_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts::new(folder.path()).unwrap();
        assert_eq!(counts.read().unwrap(), HashMap::new());
        let mut child =
            counts.command(Path::new("ls")).arg("/").stdout(std::process::Stdio::null()).spawn().unwrap();
        let (id, status) = (child.id(), child.wait().unwrap());
        assert!(status.success());
        let counted = counts.read().unwrap();
        assert!(counted[&u64::from(id)] > 10, "{counted:?}");
    }

    #[test]
    fn threads_are_found_by_the_beginning_of_their_names() {
        let thread = std::thread::Builder::new().name("worker-77".to_owned());
        let found = thread.spawn(|| threads(std::process::id(), "worker-7")).unwrap().join().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(threads(std::process::id(), "no such"), Vec::<u64>::new());
    }
}
