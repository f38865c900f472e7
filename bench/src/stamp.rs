//! A source that costs the same for frames of any length and for any number of groups.
//!
//! net_null hands out buffers as they come from the pool and writes nothing into them. `native/stamp.c`, a library that
//! is preloaded into an unmodified Manifold or testpmd, puts a header on each by DPDK's receive callbacks. Groups take
//! turns; their addresses are from all over 224.0.0.0/4 in no order, and the same in each run. On the sinks it receives
//! reports for the groups, or for those that a file says of each sink, until the data begins.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::native::{self, Kind};
use crate::side::Work;
use crate::viewers::Viewers;

const CODE: &str = include_str!("../native/stamp.c");
/// Reports a second of each sink, below what a port may hand to the control thread.
const JOINS_A_PORT: usize = 60_000;
/// Reports a second of all sinks, below what the control thread takes.
const JOINS: usize = 400_000;

/// The library, and the sign for the data to begin.
#[derive(Debug)]
pub(crate) struct Stamp {
    library: PathBuf,
    go: PathBuf,
}

impl Stamp {
    /// Builds it in `folder`.
    ///
    /// # Errors
    /// There is no compiler, or DPDK's headers do not fit.
    pub(crate) fn build(folder: &Path) -> Result<Self, BenchError> {
        let library = folder.join("stamp.so");
        let source = folder.join("stamp.c");
        fs::write(&source, CODE).map_err(BenchError::io(source.display()))?;
        native::compile(Kind::Library, &source, &library)?;
        Ok(Self { library, go: folder.join("go") })
    }

    /// Assignments for `env`: `frames` headers, or without end if 0, for the groups of `work`, and reports for them on its
    /// sinks.
    pub(crate) fn environment(&self, work: &Work, frames: u64) -> Vec<OsString> {
        let joins = JOINS_A_PORT.min(JOINS / work.fan_out.max(1));
        let mut preload = OsString::from("LD_PRELOAD=");
        preload.push(&self.library);
        let mut go = OsString::from("STAMP_GO=");
        go.push(&self.go);
        let numbers = [
            ("STAMP_GROUPS", u64::from(work.party.groups)),
            ("STAMP_JOINS", joins as u64),
            ("STAMP_FRAMES", frames),
        ];
        let numbers = numbers.map(|(name, value)| format!("{name}={value}").into());
        let mut all: Vec<_> = [preload, go].into_iter().chain(numbers).collect();
        if work.party.viewers != Viewers::Everywhere {
            let mut sets = OsString::from("STAMP_SETS=");
            sets.push(sets_of(work));
            all.push(sets);
        }
        all
    }

    /// Lets the data begin.
    ///
    /// # Errors
    /// The sign cannot be given.
    pub(crate) fn go(&self) -> Result<(), BenchError> {
        fs::write(&self.go, "").map_err(BenchError::io(self.go.display()))
    }

    /// Keeps the data of the next process back until [`Stamp::go`], and writes down who its members are where that differs.
    ///
    /// # Errors
    /// The sign cannot be taken away, or the file cannot be written.
    pub(crate) fn hold(&self, work: &Work) -> Result<(), BenchError> {
        if work.party.viewers != Viewers::Everywhere {
            let path = sets_of(work);
            let text: String = work.sets().iter().map(|set| format!("{set:x}\n")).collect();
            fs::write(&path, text).map_err(BenchError::io(path.display()))?;
        }
        match fs::remove_file(&self.go) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BenchError::io(self.go.display())(error))
            }
            _ => Ok(()),
        }
    }
}

/// Where the sinks of each group of `work` are written down.
fn sets_of(work: &Work) -> PathBuf {
    work.scratch.join("sets")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::churn::tests::work;
    use crate::figures::Party;

    fn stamp(folder: &Path) -> Stamp {
        Stamp { library: "/x/stamp.so".into(), go: folder.join("go") }
    }

    #[test]
    fn reports_stay_below_what_a_port_and_the_control_thread_take() {
        let folder = tempfile::tempdir().unwrap();
        let joins = |sinks| {
            let all = stamp(folder.path()).environment(&Work { fan_out: sinks, ..work() }, 0);
            assert!(!all.iter().any(|v| v.to_string_lossy().starts_with("STAMP_SETS=")));
            all.iter().find_map(|v| v.to_str()?.strip_prefix("STAMP_JOINS=")?.parse::<usize>().ok()).unwrap()
        };
        assert_eq!((joins(1), joins(4), joins(16)), (60_000, 60_000, 25_000));
    }

    #[test]
    fn the_sign_is_a_file_that_may_be_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let (stamp, work) = (stamp(folder.path()), work());
        stamp.hold(&work).unwrap();
        stamp.go().unwrap();
        assert!(folder.path().join("go").exists());
        stamp.hold(&work).unwrap();
        assert!(!folder.path().join("go").exists());
    }

    #[test]
    fn sinks_of_each_group_are_written_down_where_they_differ() {
        let folder = tempfile::tempdir().unwrap();
        let party = Party { groups: 2, viewers: Viewers::Alike(3), ..work().party };
        let work = Work { party, fan_out: 16, scratch: folder.path().into(), ..work() };
        let stamp = stamp(folder.path());
        stamp.hold(&work).unwrap();
        let path = folder.path().join("sets");
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n7\n");
        let told = format!("STAMP_SETS={}", path.display());
        assert!(stamp.environment(&work, 0).iter().any(|value| *value == *told));
    }
}
