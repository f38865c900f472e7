//! A worker's end of the table.

use crate::epoch::Epochs;
use crate::table::{Hit, Table};
use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::Arc;

/// Looks groups up and counts, without ever waiting: one per worker, moved into its thread.
///
/// It starts awake. A worker calls [`quiesce`](Self::quiesce) every few bursts, when it holds no [`Hit`]
/// any more; until then the writer keeps what this reader may have seen. A dropped reader holds nothing.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<group_table::GroupTableReader>();
/// ```
#[derive(Debug)]
pub struct GroupTableReader {
    table: Arc<Table>,
    epochs: Arc<Epochs>,
    reader: usize,
    /// The last epoch announced.
    epoch: u64,
    asleep: bool,
    /// One thread at a time: counters are loaded and stored, not added to.
    not_sync: PhantomData<Cell<()>>,
}

impl GroupTableReader {
    pub(crate) fn new(table: Arc<Table>, epochs: Arc<Epochs>, reader: usize) -> Self {
        Self { table, epochs, reader, epoch: 0, asleep: false, not_sync: PhantomData }
    }

    /// Finds the entry of each group, from any source: `groups` in host byte order, one [`Hit`] each in
    /// `out`. Groups beyond the length of `out` are not looked up.
    ///
    /// Any `u32` may be asked for; what is no multicast group has no entry. Wakes a sleeping reader.
    #[inline]
    pub fn lookup_burst(&mut self, groups: &[u32], out: &mut [Hit]) {
        self.lookup_to_count(groups, out, |_| ());
    }

    /// [`lookup_burst`](Self::lookup_burst) for whoever will [`count`](Self::count): `fetch`, which brings what it gets
    /// the address of towards the cache, gets that of each group's counters.
    #[inline]
    pub fn lookup_to_count(&mut self, groups: &[u32], out: &mut [Hit], fetch: impl Fn(*const u8)) {
        if self.asleep {
            self.wake();
        }
        self.table.lookup(self.reader, groups, out, fetch);
    }

    /// Lets `fetch` bring towards the cache what a lookup of `groups` will read: for whoever has other work meanwhile.
    /// Changes nothing otherwise.
    #[inline]
    pub fn prefetch_burst(&self, groups: &[u32], fetch: impl Fn(*const u8)) {
        self.table.prefetch(groups, fetch);
    }

    /// Adds to the counters of the entry that a lookup since the last quiescence found.
    ///
    /// `bytes` as the caller counts them. [`Hit::NO_SLOT`] counts nothing.
    #[inline]
    pub fn count(&mut self, slot: u32, frames: u64, bytes: u64) {
        debug_assert!(!self.asleep, "a sleeping reader holds no slot");
        self.table.count(self.reader, core::iter::once((slot, frames, bytes)));
    }

    /// [`count`](Self::count) for each slot, frames and bytes of `amounts`.
    #[inline]
    pub fn count_burst(&mut self, amounts: impl Iterator<Item = (u32, u64, u64)>) {
        debug_assert!(!self.asleep, "a sleeping reader holds no slot");
        self.table.count(self.reader, amounts);
    }

    /// Adds to the count of frames of the entry that were refused for their source (r85). As
    /// [`count`](Self::count) otherwise.
    pub fn count_filtered(&mut self, slot: u32, frames: u64) {
        debug_assert!(!self.asleep, "a sleeping reader holds no slot");
        self.table.count_filtered(self.reader, slot, frames);
    }

    /// "I hold nothing of the past": every [`Hit`] so far is done with. Takes over a grown table.
    ///
    /// While the writer has reclaimed nothing, this is one load of a line that no one writes. It is
    /// wait-free: at most one step per table that outgrew the one in use.
    #[inline]
    pub fn quiesce(&mut self) {
        let epoch = self.epochs.current();
        if epoch != self.epoch && !self.asleep {
            self.pass(epoch);
        }
    }

    /// The epoch is acquired before the link is read, so who announces an epoch uses the table of it.
    #[cold]
    fn pass(&mut self, epoch: u64) {
        self.adopt();
        self.epochs.announce(self.reader, epoch);
        self.epoch = epoch;
    }

    /// Goes on to the newest table. The writer holds each older one until its readers have let go, so
    /// no memory is freed here.
    fn adopt(&mut self) {
        while let Some(next) = self.table.next.get().map(Arc::clone) {
            self.table = next;
        }
    }

    /// Counts as quiescent until [`wake`](Self::wake), or the next lookup: for a worker about to block.
    pub fn sleep(&mut self) {
        if !self.asleep {
            self.asleep = true;
            self.epochs.sleep(self.reader);
        }
    }

    /// Ends [`sleep`](Self::sleep). Costs a full fence. A reader that is awake stays so.
    #[cold]
    pub fn wake(&mut self) {
        if self.asleep {
            self.epoch = self.epochs.wake(self.reader);
            self.adopt();
            self.asleep = false;
        }
    }
}

impl Drop for GroupTableReader {
    fn drop(&mut self) {
        self.epochs.sleep(self.reader);
    }
}
