//! One run of a lab: its names, its scratch directory, and the removal of both.

use crate::namespace::run;
use crate::{LabError, Netns};
use rustix::process::{Pid, Signal, geteuid, getpid, kill_process};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What survives the way through sudo: which binary to try, and whether to use colour.
const KEPT_VARIABLES: &str = "--preserve-env=MANIFOLD_BIN,NO_COLOR";
/// What every name of every lab begins with.
const PREFIX: &str = "mflab";
/// What the lab runs.
const TOOLS: [&str; 3] = ["ip", "ethtool", "tcpdump"];

/// Tells apart the labs of one process.
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Who owns a name: process id and start time, so that a reused id is not taken for the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    pid: i32,
    /// In clock ticks since boot.
    started: u64,
}

impl Owner {
    fn ourselves() -> Result<Self, LabError> {
        let pid = getpid().as_raw_nonzero().get();
        let started = start_time(pid).ok_or_else(|| LabError::Unexpected {
            what: "/proc/self/stat".to_owned(),
            text: "no start time".to_owned(),
        })?;
        Ok(Self { pid, started })
    }

    /// From a name like `mflab-<pid>-<started>-...`.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-');
        Some(Self { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
    }

    fn lives(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }
}

/// When a process started, in clock ticks since boot: field 22 of its stat file.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, is in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Returns when this process is root's; else becomes itself once more through sudo.
///
/// # Errors
/// [`LabError::NotRoot`] where there is no sudo.
pub fn become_root() -> Result<(), LabError> {
    if geteuid().is_root() {
        return Ok(());
    }
    if !installed("sudo") {
        return Err(LabError::NotRoot);
    }
    let exe = std::env::current_exe().map_err(LabError::io("own program"))?;
    let why =
        Command::new("sudo").arg(KEPT_VARIABLES).arg("--").arg(exe).args(std::env::args_os().skip(1)).exec();
    Err(LabError::io("sudo")(why))
}

/// One run. Dropping it ends what still runs in its namespaces, and removes them and the scratch directory.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    scratch: PathBuf,
    helper: PathBuf,
    keep_scratch: bool,
}

impl Lab {
    /// A lab whose helper processes are the running program itself.
    ///
    /// # Errors
    /// Without root, without the tools, or when the scratch directory cannot be made.
    pub fn new() -> Result<Self, LabError> {
        let exe = std::env::current_exe().map_err(LabError::io("own program"))?;
        Self::with_helper(&exe)
    }

    /// A lab whose helper processes are `helper`, a program that calls [`crate::helper::run_if_asked`].
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn with_helper(helper: &Path) -> Result<Self, LabError> {
        if !geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        if let Some(missing) = TOOLS.iter().find(|tool| !installed(tool)) {
            return Err(LabError::MissingTool((*missing).to_owned()));
        }
        remove_leftovers();
        let Owner { pid, started } = Owner::ourselves()?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}-{pid}-{started}-{serial}");
        let scratch = std::env::temp_dir().join(&prefix);
        fs::create_dir(&scratch).map_err(LabError::io(format!("make {}", scratch.display())))?;
        Ok(Self { prefix, scratch, helper: helper.to_owned(), keep_scratch: false })
    }

    /// Makes a namespace; `name` need only be unique within this lab.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn netns(&self, name: &str) -> Result<Netns, LabError> {
        Netns::create(format!("{}-{name}", self.prefix))
    }

    /// Joins two namespaces by a veth pair, up at both ends.
    ///
    /// # Errors
    /// When a name is taken or longer than 15 bytes.
    pub fn veth(&self, a: (&Netns, &str), b: (&Netns, &str)) -> Result<(), LabError> {
        let ((ns_a, if_a), (ns_b, if_b)) = (a, b);
        ns_a.ip(&format!("link add {if_a} type veth peer name {if_b} netns {}", ns_b.name()))?;
        for (ns, interface) in [a, b] {
            ns.checksums_by_kernel(interface)?;
            ns.ip(&format!("link set {interface} up"))?;
        }
        Ok(())
    }

    /// A directory for this run alone: logs, settings, sockets.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Leaves the scratch directory for somebody to read the logs, until the next lab starts.
    pub fn keep_scratch(&mut self) {
        self.keep_scratch = true;
    }

    /// The program to run inside namespaces.
    pub(crate) fn helper(&self) -> &Path {
        &self.helper
    }

    /// What the names of this lab's namespaces begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let ours = format!("{}-", self.prefix);
        remove_namespaces(|name| name.starts_with(&ours));
        if !self.keep_scratch {
            // A destructor has nobody to tell, and the next run tries again.
            let _ = fs::remove_dir_all(&self.scratch);
        }
    }
}

/// Removes what runs left behind whose process is gone. Best effort: a run that cannot be removed costs the
/// next one nothing.
fn remove_leftovers() {
    let dead = |name: &str| Owner::of(name).is_some_and(|owner| !owner.lives());
    remove_namespaces(dead);
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let ours_to_remove = entry.file_name().to_str().is_some_and(dead);
        if ours_to_remove && entry.file_type().is_ok_and(|t| t.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Ends what runs in the chosen namespaces, all of them some lab's, and removes them.
fn remove_namespaces(chosen: impl Fn(&str) -> bool) {
    let Ok(list) = run(Command::new("ip").args(["netns", "list"])) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        if Owner::of(name).is_none() || !chosen(name) {
            continue;
        }
        let pids = run(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
        for pid in pids.lines().filter_map(|line| line.trim().parse().ok()).filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = run(Command::new("ip").args(["netns", "del", name]));
    }
}

fn installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_is_read_from_a_name() {
        let owner = Owner { pid: 12, started: 3456 };
        assert_eq!(Owner::of("mflab-12-3456-0-acc-a"), Some(owner));
        for foreign in ["mflab-x-1-0-a", "mflab", "mflab-12", "blue", "other-12-3456-0"] {
            assert_eq!(Owner::of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_reused_process_id_is_not_the_owner() {
        let us = Owner::ourselves().unwrap();
        assert!(us.lives());
        assert!(!Owner { started: us.started + 1, ..us }.lives());
    }
}
