//! The control thread's side: writes a table, when it is its turn, at an even pace.

use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

use group_table::GroupTableWriter;
use types::PortIndex;

use super::group;
use super::orders::{Beside, Orders};
use crate::error::BenchError;

/// Groups that come and go, beside those of the data.
pub(super) const PASSING: u32 = 4096;
/// Writes between two reclamations at most, as in a turn of the control thread.
const WRITES_A_TURN: u64 = 64;
/// A thread that has nothing to do looks for orders so often, if it was not woken.
const NAP: Duration = Duration::from_millis(50);

/// A table's only writer.
pub(super) struct Writer {
    pub(super) table: GroupTableWriter,
    /// Groups of the data.
    pub(super) groups: u32,
    /// A port that data never goes to.
    pub(super) bystander: PortIndex,
    pub(super) pace: Pace,
}

/// Writes become due while it is the writer's turn. What it could not do in one turn it does in the next.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    /// Turns that are over.
    before: Duration,
    began: Option<Instant>,
    done: u64,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, before: Duration::ZERO, began: None, done: 0 }
    }

    /// How many are due at `now`, in a turn.
    fn due(&mut self, now: Instant) -> u64 {
        let so_far = self.before + (now - *self.began.get_or_insert(now));
        ((so_far.as_secs_f64() * f64::from(self.per_second)) as u64).saturating_sub(self.done)
    }

    /// The turn, if it was one, is over.
    fn rest(&mut self, now: Instant) {
        if let Some(began) = self.began.take() {
            self.before += now - began;
        }
    }
}

/// Obeys `orders` until they end: with `here`, the writer of the table that is read, and `elsewhere`, of another.
///
/// # Errors
/// A table takes no more, which is an error of this program.
pub(super) fn obey(orders: &Orders, here: &mut Writer, elsewhere: &mut Writer) -> Result<(), BenchError> {
    let mut never = Pace::new(0);
    while let Some(order) = orders.now() {
        let now = Instant::now();
        let (writes, rests): (Option<&mut Writer>, [Option<&mut Writer>; 2]) = match order {
            Beside::Writing => (Some(here), [Some(elsewhere), None]),
            Beside::Elsewhere => (Some(elsewhere), [Some(here), None]),
            Beside::Spinning | Beside::Idle => (None, [Some(here), Some(elsewhere)]),
        };
        for writer in rests.into_iter().flatten() {
            writer.pace.rest(now);
        }
        if let Some(writer) = writes {
            writer.turn(now)?;
        }
        orders.tell(here.pace.done + elsewhere.pace.done);
        match order {
            Beside::Idle => std::thread::park_timeout(NAP),
            // As long a look at what is due as where something is: the cores may be two threads of one.
            Beside::Spinning => {
                black_box(never.due(now));
                spin_loop();
            }
            Beside::Writing | Beside::Elsewhere => spin_loop(),
        }
    }
    Ok(())
}

impl Writer {
    /// What is due, and what the control thread does for the table after it.
    fn turn(&mut self, now: Instant) -> Result<(), BenchError> {
        let due = self.pace.due(now).min(WRITES_A_TURN);
        for _ in 0..due {
            self.change(self.pace.done)?;
            self.pace.done += 1;
        }
        if due > 0 {
            self.table.maintain();
        }
        Ok(())
    }

    /// One write: every second one changes an entry of the data, the others make an entry or take it away.
    pub(super) fn change(&mut self, number: u64) -> Result<(), BenchError> {
        let (pair, odd) = ((number / 2) as u32, !number.is_multiple_of(2));
        let (of, first) = if odd { (PASSING, self.groups) } else { (self.groups, 0) };
        let group = group(first + pair % of)?;
        if (pair / of).is_multiple_of(2) {
            self.table.set(group, self.bystander).map_err(|e| BenchError::delivery("the writer", e))
        } else {
            self.table.clear(group, self.bystander);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_in_a_turn_is_done_in_the_next() {
        let (mut pace, start) = (Pace::new(1000), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!([pace.due(at(0)), pace.due(at(10))], [0, 10]);
        pace.done += 4;
        pace.rest(at(10));
        pace.rest(at(500));
        assert_eq!(pace.due(at(1000)), 6, "nothing becomes due between turns");
        assert_eq!(pace.due(at(1002)), 8);
    }
}
