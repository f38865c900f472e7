//! The writer's private view of one table: what is in each slot, and what may be done with it.
//!
//! The writer decides from this view alone and never reads back what it published.

use crate::table::{FREE, LANES, Seeds, TOMBSTONE, Table};
use std::sync::Arc;
use types::PortSet;

/// Frames and bytes that workers counted for a group, since it got its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCounters {
    /// Frames.
    pub frames: u64,
    /// Bytes, as the workers count them.
    pub bytes: u64,
    /// Frames that were refused for their source (r85); not among `frames`.
    pub filtered: u64,
}

impl GroupCounters {
    /// Modulo 2^64, like every counter here: a base may stand "before" zero.
    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(other, u64::wrapping_add)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(other, u64::wrapping_sub)
    }

    fn with(self, other: Self, both: fn(u64, u64) -> u64) -> Self {
        Self {
            frames: both(self.frames, other.frames),
            bytes: both(self.bytes, other.bytes),
            filtered: both(self.filtered, other.filtered),
        }
    }
}

/// The life of a slot: `Free` or `Vacant` -> `Keyed` -> `Retiring` -> `Vacant` or `Free`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No key; a probe ends here.
    Free,
    /// Carries a group, perhaps without members: then it can be revived, or retired.
    Keyed,
    /// A tombstone that a reader may still know under its old key.
    Retiring,
    /// A tombstone that no reader knows: ready for any key.
    Vacant,
}

/// What the writer knows of a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// A group, in host byte order.
    pub(crate) key: u32,
    pub(crate) members: PortSet,
    /// Wanted for its counters, even without members.
    pub(crate) is_watched: bool,
    /// In the writer's list of slots to retire.
    pub(crate) is_listed: bool,
    pub(crate) state: State,
    /// What stood in the counters when the slot was given to the key.
    base: GroupCounters,
}

impl Record {
    const FREE: Self = Self {
        key: FREE,
        members: PortSet::EMPTY,
        is_watched: false,
        is_listed: false,
        state: State::Free,
        base: GroupCounters { frames: 0, bytes: 0, filtered: 0 },
    };

    /// Has its key for a reason: members, or somebody watching.
    pub(crate) fn is_live(&self) -> bool {
        self.state == State::Keyed && (self.is_watched || !self.members.is_empty())
    }
}

/// A table with the writer's records of it.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) table: Arc<Table>,
    records: Box<[Record]>,
    /// Per bucket, the keyed slots whose search passes through it. While there are any, no slot of
    /// the bucket may read as free, or their search would end too early.
    passing: Box<[u32]>,
    /// Slots that aren't free.
    used: usize,
}

impl Shadow {
    pub(crate) fn new(buckets: usize, readers: usize, seeds: Seeds) -> Self {
        let table = Arc::new(Table::new(buckets, readers, seeds));
        let buckets = table.buckets();
        Self {
            table,
            records: vec![Record::FREE; buckets * LANES].into(),
            passing: vec![0; buckets].into(),
            used: 0,
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn record(&self, slot: usize) -> &Record {
        &self.records[slot]
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn set_listed(&mut self, slot: usize, is_listed: bool) {
        self.records[slot].is_listed = is_listed;
    }

    /// The slot that carries `key`.
    pub(crate) fn find(&self, key: u32) -> Option<usize> {
        let home = self.table.home(key);
        for distance in 0..self.table.probe_limit() {
            let first = self.table.bucket_at(home, distance) * LANES;
            let lanes = &self.records[first..first + LANES];
            if let Some(lane) = lanes.iter().position(|r| r.state == State::Keyed && r.key == key) {
                return Some(first + lane);
            }
            if lanes.iter().any(|r| r.state == State::Free) {
                return None;
            }
        }
        None
    }

    /// Gives a slot to `key`, which has none; `None` when its search could reach no slot that is ready.
    pub(crate) fn place(&mut self, key: u32, members: PortSet, is_watched: bool) -> Option<usize> {
        let home = self.table.home(key);
        for distance in 0..self.table.probe_limit() {
            let first = self.table.bucket_at(home, distance) * LANES;
            let is_ready = |r: &Record| matches!(r.state, State::Free | State::Vacant);
            let Some(lane) = self.records[first..first + LANES].iter().position(is_ready) else { continue };
            let slot = first + lane;
            // The passed buckets have no free slot, so from here on they must not get one.
            for passed in 0..distance {
                self.passing[self.table.bucket_at(home, passed)] += 1;
            }
            if self.records[slot].state == State::Free {
                self.used += 1;
            }
            self.records[slot] = Record {
                key,
                members,
                is_watched,
                is_listed: false,
                state: State::Keyed,
                base: self.table.counted(slot),
            };
            self.table.publish(slot, key, members);
            return Some(slot);
        }
        None
    }

    /// Replaces what a keyed slot carries.
    pub(crate) fn store(&mut self, slot: usize, members: PortSet, is_watched: bool) {
        let record = &mut self.records[slot];
        debug_assert_eq!(record.state, State::Keyed);
        record.is_watched = is_watched;
        self.table.change_members(slot, record.members, members);
        record.members = members;
    }

    /// Turns a keyed slot without members into a tombstone.
    pub(crate) fn retire(&mut self, slot: usize) {
        let Record { key, members, state, .. } = self.records[slot];
        debug_assert!(state == State::Keyed && members.is_empty());
        self.records[slot] = Record { state: State::Retiring, ..Record::FREE };
        self.table.unkey(slot, TOMBSTONE);
        let home = self.table.home(key);
        for distance in 0..self.table.probe_limit() {
            let bucket = self.table.bucket_at(home, distance);
            if bucket == slot / LANES {
                break;
            }
            self.passing[bucket] -= 1;
            self.free_vacant(bucket);
        }
    }

    /// Makes a retiring slot ready again, once every reader has passed its retirement.
    pub(crate) fn vacate(&mut self, slot: usize) {
        debug_assert_eq!(self.records[slot].state, State::Retiring);
        self.records[slot].state = State::Vacant;
        self.free_vacant(slot / LANES);
    }

    /// Lets searches end at the bucket's vacant slots, if none has to pass.
    fn free_vacant(&mut self, bucket: usize) {
        if self.passing[bucket] > 0 {
            return;
        }
        for slot in bucket * LANES..(bucket + 1) * LANES {
            if self.records[slot].state == State::Vacant {
                self.records[slot].state = State::Free;
                self.table.unkey(slot, FREE);
                self.used -= 1;
            }
        }
    }

    /// Counted in a slot since it was given to its key.
    pub(crate) fn counters(&self, slot: usize) -> GroupCounters {
        self.table.counted(slot).minus(self.records[slot].base)
    }

    /// Takes what was counted in a slot, so that it reads zero, ...
    pub(crate) fn take_counters(&mut self, slot: usize) -> GroupCounters {
        let taken = self.counters(slot);
        self.records[slot].base = self.table.counted(slot);
        taken
    }

    /// ... and gives it to the slot that carries the same key in another table.
    pub(crate) fn add_counters(&mut self, slot: usize, taken: GroupCounters) {
        let record = &mut self.records[slot];
        record.base = record.base.minus(taken);
    }

    /// Panics unless the records, the published keys and the passing counts agree.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn check(&self) {
        let mut passing = vec![0; self.passing.len()];
        for (slot, r) in self.records.iter().enumerate() {
            if r.state != State::Keyed {
                continue;
            }
            let home = self.table.home(r.key);
            let mut distance = 0;
            while self.table.bucket_at(home, distance) != slot / LANES {
                passing[self.table.bucket_at(home, distance)] += 1;
                distance += 1;
            }
            assert!(distance < self.table.probe_limit());
            assert_eq!(self.find(r.key), Some(slot));
        }
        assert_eq!(passing, &*self.passing);
        for (bucket, &count) in passing.iter().enumerate() {
            let lanes = &self.records[bucket * LANES..(bucket + 1) * LANES];
            assert!(count == 0 || lanes.iter().all(|r| r.state != State::Free));
            assert!(count > 0 || lanes.iter().all(|r| r.state != State::Vacant));
        }
        assert_eq!(self.used, self.records.iter().filter(|r| r.state != State::Free).count());
    }
}
