//! Memory that stays. What the kernel takes from a process that was idle, it reads back from a disk, page by page, while
//! frames wait.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is to be told where memory cannot be locked.
pub(crate) const CURE: &str = "a worker may find pages gone when the machine is short of memory, and frames wait for a disk; run \
                               with CAP_IPC_LOCK (a container: `--cap-add IPC_LOCK`), or without a limit (`ulimit -l unlimited`, a \
                               container's `--ulimit memlock=-1`)";

/// From now on what this process uses of its memory stays: program and libraries at once and whole, what is mapped later
/// as it is used, so that what DPDK sets aside takes nothing. To be called before there is more.
///
/// A limit is never used up: every later mapping would fail at it, and DPDK alone sets more aside than there is.
///
/// # Errors
/// The kernel's, where the process has a limit and no capability: nothing is locked.
pub(crate) fn lock_memory() -> io::Result<()> {
    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_none() {
        setrlimit(Resource::Memlock, Rlimit { current: None, ..limit })?;
        return lock_all();
    }
    // Under a limit of nothing only whom it does not bind is let through. The set of capabilities would not tell: those of a
    // user namespace do not count.
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), ..limit })?;
    let locked = lock_all();
    setrlimit(Resource::Memlock, limit)?;
    locked
}

fn lock_all() -> io::Result<()> {
    mlockall(MlockAllFlags::CURRENT)?;
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}
