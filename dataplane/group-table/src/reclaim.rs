//! The writer's housekeeping: slots and tables return to use once every reader has passed them.

use crate::shadow::{Shadow, State};
use crate::table::Seeds;
use crate::writer::{GroupTableWriter, Outgrown, buckets_for};
use std::sync::Arc;

/// Slots that one turn retires, and makes ready, at most.
const SLOTS_PER_TURN: usize = 256;

/// Slots of an outgrown table whose counters one turn carries over.
const CARRIED_PER_TURN: usize = 2048;

/// Tables kept for readers that stand still, beyond which a table is not rebuilt at the same size but
/// doubled, as far as it goes: doublings are few.
const MAX_OUTGROWN: usize = 4;

/// Times a table is built with other seeds because some group found no slot within reach.
const MAX_BUILDS: usize = 4;

impl GroupTableWriter {
    /// Reclaims slots without members and outgrown tables that every reader has passed, a bounded
    /// number each time; returns how many. For each turn of the control thread.
    pub fn maintain(&mut self) -> usize {
        let mut reclaimed = 0;
        if !self.retiring.is_empty() || !self.outgrown.is_empty() {
            let passed = self.epochs.passed();
            reclaimed += self.vacate_passed(passed);
            self.carry_passed(passed);
        }
        reclaimed += self.free_parked();
        self.retire_emptied(SLOTS_PER_TURN);
        reclaimed
    }

    /// Makes slots ready whose retirement lies before `passed`.
    fn vacate_passed(&mut self, passed: u64) -> usize {
        let mut vacated = 0;
        while vacated < SLOTS_PER_TURN
            && let Some(&(slot, epoch)) = self.retiring.front()
            && epoch <= passed
        {
            self.retiring.pop_front();
            self.current.vacate(slot);
            vacated += 1;
        }
        vacated
    }

    /// Takes the keys out of entries that were left empty and not revived, and starts an epoch for
    /// readers to pass.
    fn retire_emptied(&mut self, limit: usize) {
        let before = self.retiring.len();
        for _ in 0..limit {
            let Some(slot) = self.emptied.pop_front() else { break };
            self.current.set_listed(slot, false);
            let record = self.current.record(slot);
            if record.is_live() {
                continue;
            }
            for Outgrown { shadow, .. } in &mut self.outgrown {
                if let Some(slot) = shadow.find(record.key) {
                    shadow.retire(slot);
                }
            }
            self.current.retire(slot);
            self.retiring.push_back((slot, self.epoch + 1));
        }
        if self.retiring.len() > before {
            self.start_epoch();
        }
    }

    fn start_epoch(&mut self) {
        self.epoch += 1;
        self.epochs.advance(self.epoch);
    }

    /// Whether one more entry would pass a load of one half, or tombstones make searches long.
    pub(crate) fn is_crowded(&self) -> bool {
        let slots = self.current.slots();
        2 * (self.live + 1) > slots || 4 * (self.current.used() + 1) > 3 * slots
    }

    /// Puts a new table in the place of the current one: larger if the entries need it, else as large,
    /// without the tombstones. `false` when readers stand still with too many tables behind them.
    ///
    /// The link is set before the epoch starts, so a reader that passes the epoch uses the new table.
    pub(crate) fn outgrow(&mut self) -> bool {
        let now = self.current.table.buckets();
        let mut buckets = buckets_for(self.live + 1).max(now);
        if buckets == now && self.outgrown.len() + self.parked.len() >= MAX_OUTGROWN {
            if now >= buckets_for(self.max_groups) {
                return false;
            }
            buckets = 2 * now;
        }
        self.retire_emptied(usize::MAX);
        let Some(new) = self.build(buckets) else { return false };
        self.current.table.next.set(Arc::clone(&new.table));
        let old = core::mem::replace(&mut self.current, new);
        self.retiring.clear();
        self.start_epoch();
        self.outgrown.push_back(Outgrown { shadow: old, epoch: self.epoch, carried: 0 });
        true
    }

    /// A table with the current one's entries, all counters at zero.
    fn build(&mut self, buckets: usize) -> Option<Shadow> {
        (0..MAX_BUILDS).find_map(|_| {
            let mut new = Shadow::new(buckets, self.readers, Seeds::next(&mut self.seed));
            let mut entries = self.current.records().iter().filter(|r| r.is_live());
            entries.all(|r| new.place(r.key, r.members, r.is_watched).is_some()).then_some(new)
        })
    }

    /// Carries the counters of the oldest table that readers have left over to the current one, and
    /// parks it when done. Complete, since `passed` acquired what its readers counted.
    fn carry_passed(&mut self, passed: u64) {
        let Some(old) = self.outgrown.front_mut().filter(|o| o.epoch <= passed) else { return };
        let end = old.shadow.slots().min(old.carried + CARRIED_PER_TURN);
        for slot in old.carried..end {
            let record = old.shadow.record(slot);
            if record.state == State::Keyed
                && let Some(new) = self.current.find(record.key)
            {
                let counters = old.shadow.take_counters(slot);
                self.current.add_counters(new, counters);
            }
        }
        old.carried = end;
        if end == old.shadow.slots()
            && let Some(old) = self.outgrown.pop_front()
        {
            self.parked.push_back(old.shadow.table);
        }
    }

    /// Frees parked tables that nobody else holds. None can come to hold one: a table is reached only
    /// through its predecessor, which counts as a holder.
    fn free_parked(&mut self) -> usize {
        let mut freed = 0;
        while self.parked.front().is_some_and(|table| Arc::strong_count(table) == 1) {
            self.parked.pop_front();
            freed += 1;
        }
        freed
    }
}
