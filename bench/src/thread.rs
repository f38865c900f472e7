//! What the kernel tells of a thread: how often it took the core away from it, or a page was not there.

use std::fmt;
use std::fs;
use std::ops::{AddAssign, Sub};
use std::path::{Path, PathBuf};

/// Counts since the thread began, or of some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Pages that were mapped when they were touched.
    pub(crate) minor_faults: u64,
    /// Pages that had to be read from a disk.
    pub(crate) major_faults: u64,
    /// Times that another thread got its core though it went on.
    pub(crate) switches: u64,
    /// Nanoseconds that it ran.
    pub(crate) ran_ns: u64,
    /// Nanoseconds that it waited for its core.
    pub(crate) waited_ns: u64,
}

impl Told {
    /// Of the calling thread; zeros where the kernel does not tell.
    pub(crate) fn of_this_thread() -> Self {
        Self::read(Path::new("/proc/thread-self")).unwrap_or_default()
    }

    /// Of the busiest thread of a process: the one that forwards.
    pub(crate) fn of_busiest(process: u32) -> Option<(PathBuf, Self)> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let told = tasks.flatten().filter_map(|task| Some((task.path(), Self::read(&task.path())?)));
        told.max_by_key(|(_, told)| told.ran_ns)
    }

    /// Of the thread whose folder in /proc that is.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = |name| fs::read_to_string(folder.join(name)).ok();
        Self::parse(&text("stat")?, &text("schedstat")?, &text("status")?)
    }

    fn parse(stat: &str, schedstat: &str, status: &str) -> Option<Self> {
        // The name may hold spaces and brackets; the state is the first word after it.
        let words: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| words.get(at)?.parse().ok();
        let mut times = schedstat.split_whitespace().map(str::parse);
        let switches =
            status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?.trim();
        Some(Self {
            minor_faults: number(7)?,
            major_faults: number(9)?,
            switches: switches.parse().ok()?,
            ran_ns: times.next()?.ok()?,
            waited_ns: times.next()?.ok()?,
        })
    }
}

impl Sub for Told {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
            switches: self.switches.saturating_sub(before.switches),
            ran_ns: self.ran_ns.saturating_sub(before.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(before.waited_ns),
        }
    }
}

impl AddAssign for Told {
    fn add_assign(&mut self, more: Self) {
        let Self { minor_faults, major_faults, switches, ran_ns, waited_ns } = more;
        self.minor_faults += minor_faults;
        self.major_faults += major_faults;
        self.switches += switches;
        self.ran_ns += ran_ns;
        self.waited_ns += waited_ns;
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minor_faults, major_faults, switches, waited_ns, .. } = self;
        let waited_ms = *waited_ns as f64 / 1e6;
        write!(
            f,
            "{minor_faults} minor and {major_faults} major page faults, its core {switches} times another thread\u{2019}s, {waited_ms:.1} ms \
             of waiting for it"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_whatever_the_thread_is_called() {
        let stat = "77 (a) b (c) R 1 2 3 4 5 6 70 8 90 10 11 12";
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t5\n";
        let told = Told::parse(stat, "1000 200 3\n", status).unwrap();
        let expected = Told { minor_faults: 70, major_faults: 90, switches: 5, ran_ns: 1000, waited_ns: 200 };
        assert_eq!(told, expected);
        assert_eq!(Told::parse("77 (a) R 1", "1 2 3", status), None);
        let mut twice = told;
        twice += told;
        assert_eq!(twice - told, told);
        assert_eq!(Told::default() - told, Told::default());
    }

    #[test]
    fn own_pages_are_counted() {
        let before = Told::of_this_thread();
        // Far more than an allocator has at hand: its pages come with the first touch.
        let touched = vec![1u8; 64 << 20];
        assert!((Told::of_this_thread() - before).minor_faults > 0);
        drop(touched);
        // The first thread waits for the tests: it has run, and was counted.
        let (folder, told) = Told::of_busiest(std::process::id()).unwrap();
        assert!(told.ran_ns > 0, "{}", folder.display());
    }
}
