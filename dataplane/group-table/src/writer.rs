//! The control thread's end of the table: what is in it, and its counters.

use crate::epoch::Epochs;
use crate::reader::GroupTableReader;
use crate::shadow::{GroupCounters, Shadow};
use crate::table::{LANES, Seeds, Table};
use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;
use types::{GroupAddr, PortIndex, PortSet};

/// There are no more multicast groups than these.
const ALL_GROUPS: usize = 1 << 28;

/// How large a table is, who reads it, and the secret of its hash.
#[derive(Debug, Clone, Copy)]
pub struct TableSettings {
    /// Groups it holds at most, with members or watched.
    pub max_groups: usize,
    /// How many readers there are, 0 or more.
    pub readers: usize,
    /// Secret of the hash: unpredictable to whoever picks the groups, equal for runs to be equal.
    pub seed: u64,
}

/// The group got no entry: `max_groups` have one, or a reader that stands still keeps so much from
/// being reclaimed that there is no room. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableFull {
    /// Groups the table holds at most.
    pub max_groups: usize,
}

impl fmt::Display for TableFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the group table is full ({} groups)", self.max_groups)
    }
}

impl core::error::Error for TableFull {}

/// An entry, as the writer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEntry {
    /// The group.
    pub group: GroupAddr,
    /// Ports with a member.
    pub members: PortSet,
    /// Whether it is there for its counters, members or not.
    pub is_watched: bool,
    /// Counted since it got its entry.
    pub counters: GroupCounters,
}

/// A table with room for a few hundred groups, that grows to `max_groups`; and its readers.
///
/// ```
/// use group_table::{Hit, TableSettings, group_table};
/// use types::{GroupAddr, PortIndex};
///
/// let (mut writer, mut readers) = group_table(TableSettings { max_groups: 4096, readers: 1, seed: 7 });
/// let group: GroupAddr = "239.2.2.2".parse().unwrap();
/// let port = PortIndex::new(3).unwrap();
/// writer.set(group, port)?;
///
/// let mut hits = [Hit::MISS; 2];
/// readers[0].lookup_burst(&[group.to_bits(), 0xef02_0203], &mut hits);
/// assert!(hits[0].members.contains(port));
/// assert_eq!(hits[1], Hit::MISS);
/// readers[0].count(hits[0].slot, 1, 1358);
/// assert_eq!(writer.counters(group).frames, 1);
/// # Ok::<(), group_table::TableFull>(())
/// ```
pub fn group_table(settings: TableSettings) -> (GroupTableWriter, Vec<GroupTableReader>) {
    group_table_sized(settings, 512)
}

/// Like [`group_table`], with room for `initial_groups` (at most `max_groups`) before it first grows.
///
/// Growth to n groups costs the control thread one pass over them, some milliseconds for 65,536.
pub fn group_table_sized(
    settings: TableSettings,
    initial_groups: usize,
) -> (GroupTableWriter, Vec<GroupTableReader>) {
    let max_groups = settings.max_groups.min(ALL_GROUPS);
    let buckets = buckets_for(initial_groups.min(max_groups));
    let mut seed = settings.seed;
    let current = Shadow::new(buckets, settings.readers, Seeds::next(&mut seed));
    let epochs = Arc::new(Epochs::new(settings.readers));
    let readers = (0..settings.readers)
        .map(|reader| GroupTableReader::new(Arc::clone(&current.table), Arc::clone(&epochs), reader))
        .collect();
    let writer = GroupTableWriter {
        current,
        outgrown: VecDeque::new(),
        parked: VecDeque::new(),
        epochs,
        epoch: 0,
        live: 0,
        max_groups,
        readers: settings.readers,
        seed,
        emptied: VecDeque::new(),
        retiring: VecDeque::new(),
    };
    (writer, readers)
}

/// Buckets that hold `groups` at a load of one half.
pub(crate) fn buckets_for(groups: usize) -> usize {
    (2 * groups).div_ceil(LANES).next_power_of_two()
}

/// A table that readers are leaving, or whose counters are being carried over.
#[derive(Debug)]
pub(crate) struct Outgrown {
    pub(crate) shadow: Shadow,
    /// Readers past this epoch use a newer table.
    pub(crate) epoch: u64,
    /// Slots whose counters have been carried over.
    pub(crate) carried: usize,
}

/// Says which ports have members of which group: one, owned by the control thread.
///
/// No call waits for a reader. Each change is seen by every lookup that begins after it, except that a
/// reader still on an outgrown table finds a *new* group there only while that table has room;
/// else from its next quiescence on.
#[derive(Debug)]
pub struct GroupTableWriter {
    pub(crate) current: Shadow,
    /// Oldest first. Every change is made in these too.
    pub(crate) outgrown: VecDeque<Outgrown>,
    /// Tables done with, but a sleeping reader still points to them or to one before. Oldest first.
    pub(crate) parked: VecDeque<Arc<Table>>,
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) epoch: u64,
    /// Entries with members or watched.
    pub(crate) live: usize,
    pub(crate) max_groups: usize,
    pub(crate) readers: usize,
    /// State of the sequence of seeds.
    pub(crate) seed: u64,
    /// Slots of the current table whose entry was left without members.
    pub(crate) emptied: VecDeque<usize>,
    /// Tombstones of the current table, with the epoch that readers have to pass.
    pub(crate) retiring: VecDeque<(usize, u64)>,
}

impl GroupTableWriter {
    /// Adds `port` to the members of `group`, which gets an entry if it has none.
    ///
    /// On an existing entry this is one store.
    ///
    /// # Errors
    /// [`TableFull`] when the group has no entry and can't get one.
    pub fn set(&mut self, group: GroupAddr, port: PortIndex) -> Result<(), TableFull> {
        let key = group.to_bits();
        match self.current.find(key) {
            Some(slot) => {
                let record = self.current.record(slot);
                let (members, is_watched) = (record.members.with(port), record.is_watched);
                self.change(slot, members, is_watched)
            }
            None => self.insert(key, PortSet::only(port), false),
        }
    }

    /// Takes `port` from the members of `group`. The last one gone, the entry can be revived by a
    /// [`set`](Self::set) until [`maintain`](Self::maintain) retires it; so long its counters remain.
    pub fn clear(&mut self, group: GroupAddr, port: PortIndex) {
        if let Some(slot) = self.current.find(group.to_bits()) {
            self.clear_slot(slot, port);
        }
    }

    /// Takes `port` from the members of every group. Visits every slot.
    pub fn clear_port(&mut self, port: PortIndex) {
        for slot in 0..self.current.slots() {
            self.clear_slot(slot, port);
        }
    }

    /// Gives `group` an entry even without members, so that its frames are counted.
    ///
    /// # Errors
    /// [`TableFull`] as for [`set`](Self::set).
    pub fn watch(&mut self, group: GroupAddr) -> Result<(), TableFull> {
        let key = group.to_bits();
        match self.current.find(key) {
            Some(slot) => self.change(slot, self.current.record(slot).members, true),
            None => self.insert(key, PortSet::EMPTY, true),
        }
    }

    /// Ends [`watch`](Self::watch): without members, the entry goes.
    pub fn unwatch(&mut self, group: GroupAddr) {
        if let Some(slot) = self.current.find(group.to_bits()) {
            self.reduce(slot, self.current.record(slot).members, false);
        }
    }

    /// Ports with a member of `group`.
    pub fn members(&self, group: GroupAddr) -> PortSet {
        let slot = self.current.find(group.to_bits());
        slot.map_or(PortSet::EMPTY, |slot| self.current.record(slot).members)
    }

    /// What all readers counted for `group` since it got its entry; zero without one.
    ///
    /// A worker may be between its frames and its bytes. Exact for what was counted before a quiescence
    /// that this thread knows of.
    pub fn counters(&self, group: GroupAddr) -> GroupCounters {
        self.counters_of(group.to_bits())
    }

    fn counters_of(&self, key: u32) -> GroupCounters {
        let tables = self.outgrown.iter().map(|o| &o.shadow).chain([&self.current]);
        tables
            .filter_map(|table| table.find(key).map(|slot| table.counters(slot)))
            .fold(GroupCounters::default(), GroupCounters::plus)
    }

    /// The entries with members or watched, in no order.
    pub fn iter(&self) -> impl Iterator<Item = GroupEntry> + '_ {
        self.current.records().iter().filter(|r| r.is_live()).filter_map(|r| {
            Some(GroupEntry {
                group: GroupAddr::from_bits(r.key)?,
                members: r.members,
                is_watched: r.is_watched,
                counters: self.counters_of(r.key),
            })
        })
    }

    /// How many entries have members or are watched.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no entry has members or is watched.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many entries there can be.
    pub fn capacity(&self) -> usize {
        self.max_groups
    }

    /// Slots of the table in use, at least twice the entries; it doubles as needed.
    pub fn slots(&self) -> usize {
        self.current.slots()
    }

    fn clear_slot(&mut self, slot: usize, port: PortIndex) {
        let record = self.current.record(slot);
        if record.members.contains(port) {
            self.reduce(slot, record.members.without(port), record.is_watched);
        }
    }

    /// Changes an entry that may have to be revived.
    fn change(&mut self, slot: usize, members: PortSet, is_watched: bool) -> Result<(), TableFull> {
        if !self.current.record(slot).is_live() {
            self.check_limit()?;
            self.live += 1;
        }
        self.store(slot, members, is_watched);
        Ok(())
    }

    /// Changes an entry that may be left empty by it.
    fn reduce(&mut self, slot: usize, members: PortSet, is_watched: bool) {
        let was_live = self.current.record(slot).is_live();
        self.store(slot, members, is_watched);
        let record = self.current.record(slot);
        if was_live && !record.is_live() {
            self.live -= 1;
            if !record.is_listed {
                self.current.set_listed(slot, true);
                self.emptied.push_back(slot);
            }
        }
    }

    /// Stores in the current table and in those that readers may still use.
    fn store(&mut self, slot: usize, members: PortSet, is_watched: bool) {
        self.current.store(slot, members, is_watched);
        let key = self.current.record(slot).key;
        for Outgrown { shadow, .. } in &mut self.outgrown {
            match shadow.find(key) {
                Some(slot) => shadow.store(slot, members, is_watched),
                // It had no room when the group came; perhaps it has now.
                None if is_watched || !members.is_empty() => _ = shadow.place(key, members, is_watched),
                None => {}
            }
        }
    }

    fn check_limit(&self) -> Result<(), TableFull> {
        if self.live < self.max_groups { Ok(()) } else { Err(self.full()) }
    }

    fn full(&self) -> TableFull {
        TableFull { max_groups: self.max_groups }
    }

    /// Gives an entry to a group that has none, growing the table when it must.
    fn insert(&mut self, key: u32, members: PortSet, is_watched: bool) -> Result<(), TableFull> {
        self.check_limit()?;
        if self.is_crowded() {
            // Refused, there may still be room, only further from home.
            self.outgrow();
        }
        let mut slot = self.current.place(key, members, is_watched);
        if slot.is_none() && self.outgrow() {
            slot = self.current.place(key, members, is_watched);
        }
        if slot.is_none() {
            return Err(self.full());
        }
        self.live += 1;
        for Outgrown { shadow, .. } in &mut self.outgrown {
            // Without room there, readers find the group once they leave that table.
            _ = shadow.place(key, members, is_watched);
        }
        Ok(())
    }
}
