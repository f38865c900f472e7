//! How much of a queue a worker takes in a pass.

use crate::sizes::BURSTS_A_PASS;

/// Bursts of one queue in the next pass: as many as leave a pass shorter than half of a long one.
///
/// A NIC's copies take nanoseconds, those of a kernel interface a system call now and then: what the ports are is not
/// known here, how long the pass before took is.
#[derive(Debug)]
pub(crate) struct Pace {
    bursts: usize,
    most_cycles: u64,
}

impl Pace {
    /// Passes of more than `long` cycles are long.
    pub(crate) fn new(long: u64) -> Self {
        Self { bursts: BURSTS_A_PASS, most_cycles: long / 2 }
    }

    #[inline]
    pub(crate) fn bursts(&self) -> usize {
        self.bursts
    }

    /// A pass with work took so many cycles.
    #[inline]
    pub(crate) fn took(&mut self, cycles: u64) {
        if cycles > self.most_cycles {
            self.bursts = (self.bursts / 2).max(1);
        } else if self.bursts < BURSTS_A_PASS {
            // Back only where one burst more would have left it short: else it would go up and down.
            let bursts = self.bursts as u64;
            if cycles * (bursts + 1) <= self.most_cycles * bursts {
                self.bursts += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes with full queues whose every burst takes `burst` cycles.
    fn settled(pace: &mut Pace, burst: u64) -> usize {
        for _ in 0..20 {
            pace.took(burst * pace.bursts() as u64);
        }
        pace.bursts()
    }

    #[test]
    fn passes_stay_below_half_of_a_long_one_with_as_many_bursts_as_that_takes() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.bursts(), BURSTS_A_PASS);
        for (burst, bursts) in [(100, 4), (150, 3), (200, 2), (300, 1), (5000, 1), (250, 2), (1, 4)] {
            assert_eq!(settled(&mut pace, burst), bursts, "{burst} cycles a burst");
        }
    }

    #[test]
    fn a_stall_of_the_machine_is_forgotten() {
        let mut pace = Pace::new(1000);
        pace.took(1_000_000);
        assert_eq!(pace.bursts(), BURSTS_A_PASS / 2);
        assert_eq!(settled(&mut pace, 10), BURSTS_A_PASS);
    }
}
