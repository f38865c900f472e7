//! What the measurements of scale share (b15): the clocks they read, and the members that they make. Used by this
//! crate's `scale` and by the one of `control`.

use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use types::{GroupAddr, MacAddr, PortIndex};

/// Source of what is sent.
pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// Source of what hosts send.
pub(crate) const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
/// Between two frames, in virtual time.
pub(crate) const FRAME_GAP: Duration = Duration::from_nanos(2000);
/// Frames made, and then handed in, at a time.
pub(crate) const BATCH: u32 = 1024;

/// Resident bytes of this process.
pub(crate) fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a Linux kernel");
    let pages: f64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("statm's second field");
    pages * 4096.0
}

/// Processor time of this thread.
fn spent() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("not negative")
}

/// Work done and the processor time it took.
#[derive(Default)]
pub(crate) struct Stretch {
    done: u64,
    spent: Duration,
    longest: Duration,
}

impl Stretch {
    /// Does `work`, which is `done` things.
    pub(crate) fn time(&mut self, done: usize, work: impl FnOnce()) {
        let start = spent();
        work();
        let spent = spent().saturating_sub(start);
        self.done += done as u64;
        self.spent += spent;
        self.longest = self.longest.max(spent);
    }

    /// Things done in a second of processor time.
    pub(crate) fn a_second(&self) -> f64 {
        (self.done as f64 / self.spent.as_secs_f64()).round()
    }

    /// The longest that one piece of work kept the thread, in microseconds.
    pub(crate) fn longest_us(&self) -> u128 {
        self.longest.as_micros()
    }
}

/// A result for people, a line for each of its fields; `result` is a JSON object of numbers.
pub(crate) fn lines(result: &str) -> String {
    result.trim_matches(['{', '}']).replace('"', "").replace(',', "\n").replace(':', " ")
}

/// The port of that index, below 64.
pub(crate) fn port(index: u32) -> PortIndex {
    PortIndex::new(index as usize).expect("below 64")
}

/// Group `n`, of 225.0.0.0/8.
pub(crate) fn group(n: u32) -> GroupAddr {
    GroupAddr::from_bits(0xe100_0000 + n).expect("in 225.0.0.0/8")
}

/// Each number below `of` once, far from its neighbours.
pub(crate) fn shuffled(n: u32, of: u32) -> u32 {
    // A prime that divides no round number of members.
    (u64::from(n) * 7919 % u64::from(of)) as u32
}
