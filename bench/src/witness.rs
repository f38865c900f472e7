//! A loop that works as a forwarding worker does, without one: passes as long as its, over memory as large, on the same core.
//!
//! What the machine takes of a core hits it as it hits the worker: a stall adds to the pass that it falls into, and what empties
//! the caches or takes a page away makes the passes after it longer, too.

use std::time::{Duration, Instant};

use api::LONG_PASS;

use crate::chance::Chance;
use crate::error::BenchError;
use crate::machine::{self, pin};
use crate::thread::Told;

/// About as much as a worker touches over and over: the buffers that go round, rings and counters. It is in a core's own cache,
/// so that a neighbour who empties the shared one is no stall of every pass.
const MEMORY: usize = 512 << 10;
/// Words of a cache line.
const LINE: usize = 8;
/// Passes that tell how long one is, and lines of each.
const TRIED: usize = 501;
const FIRST_GUESS: usize = 1000;

/// The loop.
#[derive(Debug)]
pub(crate) struct Witness {
    memory: Vec<u64>,
    chance: Chance,
    /// Cache lines touched in a pass.
    lines: usize,
}

/// What it saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Passes above 100 us.
    pub(crate) long: u64,
    /// The longest.
    pub(crate) longest: Duration,
    /// For so long.
    pub(crate) length: Duration,
    /// What the kernel did to its thread.
    pub(crate) told: Told,
    /// What the hypervisor took of its core.
    pub(crate) stolen: Duration,
}

impl Witness {
    /// One whose passes take `pass` on `core`, in the median.
    ///
    /// # Errors
    /// This process may not run there.
    pub(crate) fn new(core: u16, pass: Duration) -> Result<Self, BenchError> {
        let mut witness = Self { memory: vec![1; MEMORY / 8], chance: Chance::new(0), lines: FIRST_GUESS };
        let middle = on_thread(core, || {
            let mut took: Vec<_> = (0..TRIED).map(|_| witness.timed_pass()).collect();
            took.sort();
            took[TRIED / 2]
        })?;
        let lines = pass.as_secs_f64() / middle.as_secs_f64() * FIRST_GUESS as f64;
        Ok(Self { lines: (lines as usize).max(1), ..witness })
    }

    /// Works on `core` for `length`, and `cold` before it.
    ///
    /// # Errors
    /// This process may not run there.
    pub(crate) fn watch(&mut self, core: u16, cold: Duration, length: Duration) -> Result<Seen, BenchError> {
        on_thread(core, || {
            self.work(cold);
            let (told, stolen) = (Told::of_this_thread(), machine::stolen(core));
            let seen = self.work(length);
            let stolen = machine::stolen(core).saturating_sub(stolen);
            Seen { told: Told::of_this_thread() - told, stolen, ..seen }
        })
    }

    fn work(&mut self, length: Duration) -> Seen {
        let began = Instant::now();
        let (mut seen, mut last) = (Seen::default(), began);
        while last - began < length {
            self.pass();
            let now = Instant::now();
            // From end to end: no time is part of no pass.
            let took = now - last;
            seen.long += u64::from(took > LONG_PASS);
            seen.longest = seen.longest.max(took);
            last = now;
        }
        Seen { length: last - began, ..seen }
    }

    fn timed_pass(&mut self) -> Duration {
        let began = Instant::now();
        self.pass();
        began.elapsed()
    }

    fn pass(&mut self) {
        let all = self.memory.len() / LINE;
        for _ in 0..self.lines {
            let word = &mut self.memory[self.chance.next() as usize % all * LINE];
            *word = word.wrapping_add(1);
        }
    }
}

/// Runs `work` on `core`, in a thread of its own: its place ends with it.
fn on_thread<T: Send>(core: u16, work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
    let pinned = || pin(core).map(|()| work());
    std::thread::scope(|scope| scope.spawn(pinned).join())
        .unwrap_or_else(|_| Err(BenchError::machine("a thread panicked", "report it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Cores;

    #[test]
    fn a_long_pass_is_seen() {
        let core = Cores::pick().map_or(0, |cores| cores.main);
        let mut witness = Witness::new(core, Duration::from_millis(2)).unwrap();
        let seen = witness.watch(core, Duration::ZERO, Duration::from_millis(20)).unwrap();
        // However slow or quick the machine is: passes of 2 ms are all too long, and some are there in 20.
        assert!(seen.long > 0 && seen.longest > LONG_PASS, "{seen:?}");
        assert!(seen.length >= Duration::from_millis(20), "{seen:?}");
        let short = Witness::new(core, Duration::from_micros(1)).unwrap();
        assert!(short.lines * 100 < witness.lines);
    }
}
