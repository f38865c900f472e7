//! The part of the table that both ends touch: buckets of slots, and the readers' counters.

use crate::shadow::GroupCounters;
use crate::sync::{AtomicU32, AtomicU64, Link, Ordering};
use core::hint::select_unpredictable;
use types::PortSet;

/// Slots in a bucket, of which two share a cache line: to compare eight keys costs more than the longer searches that it
/// saves.
pub(crate) const LANES: usize = 4;

/// Buckets that one lookup reads at most, a power of two. At a load of one half and 2^20 buckets, the chance that any group
/// needs more is below one in a million; then the writer builds the table anew, with other seeds.
pub(crate) const MAX_PROBE: usize = 32;

/// Key of a slot that ends a probe: no group, like everything from [`TOMBSTONE`] on.
pub(crate) const FREE: u32 = u32::MAX;

/// Key of an emptied slot that a probe passes.
pub(crate) const TOMBSTONE: u32 = u32::MAX - 1;

/// Ports whose members a bucket holds: as many as the packaged DPDK has. The others have an array of their own, once one
/// of them has a member.
const LOW_PORTS: u32 = u32::BITS;

/// What a lookup found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Where to [`count`](crate::GroupTableReader::count), until the next quiescence;
    /// [`Hit::NO_SLOT`] when the group has no entry.
    pub slot: u32,
    /// Ports with a member of the group. Empty on a miss, and for an entry that is only watched.
    pub members: PortSet,
}

impl Hit {
    /// The slot of a group without an entry. Counting there counts nothing.
    pub const NO_SLOT: u32 = u32::MAX;

    /// A group without an entry.
    pub const MISS: Self = Self { slot: Self::NO_SLOT, members: PortSet::EMPTY };

    /// Whether the group has an entry, with members or not.
    #[inline]
    pub const fn is_entry(self) -> bool {
        self.slot != Self::NO_SLOT
    }
}

impl Default for Hit {
    fn default() -> Self {
        Self::MISS
    }
}

/// Secret of one table's hash. Whoever picks groups to collide would have to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    offset: u64,
    factor: u64,
}

impl Seeds {
    /// The seeds of the next table of the sequence that `state` stands in.
    pub(crate) fn next(state: &mut u64) -> Self {
        Self { offset: scramble(state), factor: scramble(state) | 1 }
    }

    /// Multiplies to 128 bits and folds, so that each bit of the key reaches the low bits.
    #[inline]
    const fn hash(self, key: u32) -> u64 {
        let product = (key as u64 ^ self.offset) as u128 * self.factor as u128;
        product as u64 ^ (product >> 64) as u64
    }
}

/// One step of SplitMix64: turns a seed, even a poor one, into words that look random.
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Four slots: two buckets share a cache line.
#[repr(C, align(32))]
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Groups, in host byte order.
    keys: [AtomicU32; LANES],
    /// Members on the ports below [`LOW_PORTS`].
    low: [AtomicU32; LANES],
}

/// Members of a bucket's groups on the other ports.
#[repr(C, align(16))]
#[derive(Debug)]
struct High([AtomicU32; LANES]);

impl High {
    fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU32::new(0)))
    }
}

/// The members on ports below [`LOW_PORTS`], and on the others.
fn halves(members: PortSet) -> (u32, u32) {
    let bits = members.to_bits();
    (bits as u32, (bits >> LOW_PORTS) as u32)
}

/// Bytes of one slot: what a look-up reads of a group that no port above the 32nd ever had a member of.
pub const SLOT_BYTES: usize = size_of::<Bucket>() / LANES;

/// Bytes that each slot has more once some group has a member on a port above the 32nd.
pub const HIGH_BYTES: usize = size_of::<High>() / LANES;

impl Bucket {
    fn new() -> Self {
        Self {
            keys: core::array::from_fn(|_| AtomicU32::new(FREE)),
            low: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Reader: searches `key` here, in bucket `index`; `high` tells the members beside of a bucket's lane. All keys are
    /// read, so their order means nothing, and there is no branch to mispredict on which of them it is.
    ///
    /// Acquire on the key, against the release in [`Table::publish`]: the members read after a match are that key's. They
    /// can't be a later key's, since the slot is not given to another while a reader may be here.
    #[inline]
    fn probe(&self, key: u32, index: usize, high: impl Fn(usize, usize) -> u32) -> Probe {
        let is = |lane: usize, key| self.keys[lane].load(Ordering::Relaxed) == key;
        let lane = (1..LANES).fold(0, |found, lane| select_unpredictable(is(lane, key), lane, found));
        if self.keys[lane % LANES].load(Ordering::Acquire) == key && key < TOMBSTONE {
            let low = self.low[lane % LANES].load(Ordering::Relaxed);
            let high = high(index, lane % LANES);
            let members = PortSet::from_bits(u64::from(high) << LOW_PORTS | u64::from(low));
            Probe::Ended(Hit { slot: (index * LANES + lane) as u32, members })
        } else if (0..LANES).any(|lane| is(lane, FREE)) {
            Probe::Ended(Hit::MISS)
        } else {
            Probe::GoOn
        }
    }
}

/// One reader's counts of one slot. They only grow: whoever assigns the slot notes where they stood.
#[derive(Debug)]
struct SlotCounters {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl SlotCounters {
    fn new() -> Self {
        Self { frames: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

/// One reader's counts of one bucket, on one cache line: known where the bucket is known, before the slot is found.
#[repr(C, align(64))]
#[derive(Debug)]
struct BucketCounters([SlotCounters; LANES]);

/// What one reader counts: allocations of its own, so that readers share no line.
#[derive(Debug)]
struct ReaderCounters {
    /// By bucket.
    passed: Box<[BucketCounters]>,
    /// Frames refused for their source. Apart from the others, as it is hardly ever touched.
    filtered: Box<[AtomicU64]>,
}

impl ReaderCounters {
    fn new(buckets: usize) -> Self {
        let bucket = || BucketCounters(core::array::from_fn(|_| SlotCounters::new()));
        Self {
            passed: (0..buckets).map(|_| bucket()).collect(),
            filtered: (0..buckets * LANES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn slot(&self, slot: usize) -> GroupCounters {
        let passed = &self.passed[slot / LANES].0[slot % LANES];
        GroupCounters {
            frames: passed.frames.load(Ordering::Relaxed),
            bytes: passed.bytes.load(Ordering::Relaxed),
            filtered: self.filtered[slot].load(Ordering::Relaxed),
        }
    }
}

/// One table: written by the writer alone, except for each reader's own counters.
#[derive(Debug)]
pub(crate) struct Table {
    seeds: Seeds,
    /// A power of two of them.
    buckets: Box<[Bucket]>,
    /// By bucket, from the first member on one of these ports on.
    high: Link<[High]>,
    /// By reader.
    counters: Box<[ReaderCounters]>,
    /// The table that outgrew this one.
    pub(crate) next: Link<Self>,
}

impl Table {
    /// An empty table of at least `buckets` buckets, rounded up to a power of two.
    pub(crate) fn new(buckets: usize, readers: usize, seeds: Seeds) -> Self {
        let buckets = buckets.next_power_of_two();
        Self {
            seeds,
            buckets: (0..buckets).map(|_| Bucket::new()).collect(),
            high: Link::new(),
            counters: (0..readers).map(|_| ReaderCounters::new(buckets)).collect(),
            next: Link::new(),
        }
    }

    /// How many buckets there are: a power of two.
    #[inline]
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The bucket where the search for `key` begins.
    #[inline]
    pub(crate) fn home(&self, key: u32) -> usize {
        self.seeds.hash(key) as usize & (self.buckets.len() - 1)
    }

    /// The bucket that a search comes to after `distance` others, which is below [`probe_limit`](Self::probe_limit). The
    /// second is on the first one's cache line.
    #[inline]
    pub(crate) fn bucket_at(&self, home: usize, distance: usize) -> usize {
        home ^ distance
    }

    /// How many buckets a search reads at most.
    #[inline]
    pub(crate) fn probe_limit(&self) -> usize {
        self.buckets.len().min(MAX_PROBE)
    }

    /// Writer: gives a slot that no reader can match to `key`.
    ///
    /// Release on the key: who reads the key reads these members, or later ones. A slot without a key has none.
    pub(crate) fn publish(&self, slot: usize, key: u32, members: PortSet) {
        self.change_members(slot, PortSet::EMPTY, members);
        self.buckets[slot / LANES].keys[slot % LANES].store(key, Ordering::Release);
    }

    /// Writer: replaces the members of a slot, which were `old`.
    ///
    /// Relaxed: a half is all there is to see, nothing else is published by it. A lookup may meet the halves of two
    /// changes; each port is in one of them, and no port says anything about another.
    pub(crate) fn change_members(&self, slot: usize, old: PortSet, new: PortSet) {
        let ((old_low, old_high), (low, high)) = (halves(old), halves(new));
        if low != old_low {
            self.buckets[slot / LANES].low[slot % LANES].store(low, Ordering::Relaxed);
        }
        if high != old_high {
            self.store_high(slot, high);
        }
    }

    /// Writer: stores the members beside of a slot.
    #[inline(never)]
    fn store_high(&self, slot: usize, members: u32) {
        let array = || self.buckets.iter().map(|_| High::new()).collect();
        self.high.get_or_set(array)[slot / LANES].0[slot % LANES].store(members, Ordering::Relaxed);
    }

    /// Writer: takes the key out of a slot, leaving `mark` (free or tombstone).
    ///
    /// Relaxed: a reader that still matches the old key finds no members, as the slot is not given
    /// again before that reader has passed the epoch that the writer starts after this.
    pub(crate) fn unkey(&self, slot: usize, mark: u32) {
        self.buckets[slot / LANES].keys[slot % LANES].store(mark, Ordering::Relaxed);
    }

    /// Writer: what was ever counted in a slot, over all readers.
    pub(crate) fn counted(&self, slot: usize) -> GroupCounters {
        let readers = self.counters.iter().map(|reader| reader.slot(slot));
        readers.fold(GroupCounters::default(), GroupCounters::plus)
    }

    /// Reader: adds frames and bytes to its counters of slots.
    #[inline]
    pub(crate) fn count(&self, reader: usize, amounts: impl Iterator<Item = (u32, u64, u64)>) {
        let passed = &*self.counters[reader].passed;
        for (slot, frames, bytes) in amounts {
            if let Some(bucket) = passed.get(slot as usize / LANES) {
                let counters = &bucket.0[slot as usize % LANES];
                add(&counters.frames, frames);
                add(&counters.bytes, bytes);
            }
        }
    }

    /// Reader: adds to its counter of frames that were refused for their source.
    pub(crate) fn count_filtered(&self, reader: usize, slot: u32, frames: u64) {
        if let Some(counter) = self.counters[reader].filtered.get(slot as usize) {
            add(counter, frames);
        }
    }

    /// Reader: lets `fetch` have the line that a lookup of each group will most likely read.
    #[inline]
    pub(crate) fn prefetch(&self, groups: &[u32], fetch: impl Fn(*const u8)) {
        let (buckets, seeds, high) = (&*self.buckets, self.seeds, self.high.get().map(|high| &**high));
        for &group in groups {
            let home = seeds.hash(group) as usize & (buckets.len() - 1);
            if let Some(bucket) = buckets.get(home) {
                fetch(core::ptr::from_ref(bucket).cast());
            }
            if let Some(high) = high.and_then(|high| high.get(home)) {
                fetch(core::ptr::from_ref(high).cast());
            }
        }
    }

    /// Reader: looks up each group: nearly always in its home bucket. `fetch` gets the line with the counters of that
    /// one.
    ///
    /// Acquire on the array beside, against its linking: what begins after a change finds it. The table's first member on
    /// one of these ports, while this is under way, is for the next one: its group, if new, has an entry and no members.
    #[inline]
    pub(crate) fn lookup(&self, reader: usize, groups: &[u32], out: &mut [Hit], fetch: impl Fn(*const u8)) {
        match self.high.get() {
            None => self.lookup_with(reader, groups, out, fetch, |_, _| 0),
            Some(high) => self.lookup_with(reader, groups, out, fetch, |index, lane| {
                high.get(index).map_or(0, |high| high.0[lane].load(Ordering::Relaxed))
            }),
        }
    }

    #[inline]
    fn lookup_with(
        &self,
        reader: usize,
        groups: &[u32],
        out: &mut [Hit],
        fetch: impl Fn(*const u8),
        high: impl Fn(usize, usize) -> u32 + Copy,
    ) {
        // Held by value: what is written to `out` changes none of it, but the compiler can't know.
        let (buckets, seeds, passed) = (&*self.buckets, self.seeds, &*self.counters[reader].passed);
        for (hit, &key) in out.iter_mut().zip(groups) {
            let home = seeds.hash(key) as usize & (buckets.len() - 1);
            // There are as many, but the compiler would have it tested.
            fetch(passed.as_ptr().wrapping_add(home).cast());
            *hit = match buckets.get(home).map_or(Probe::Ended(Hit::MISS), |b| b.probe(key, home, high)) {
                Probe::Ended(hit) => hit,
                Probe::GoOn => self.probe_further(key, home, high),
            };
        }
    }

    /// Reader: searches `key` in the buckets after its home bucket.
    #[cold]
    fn probe_further(&self, key: u32, home: usize, high: impl Fn(usize, usize) -> u32 + Copy) -> Hit {
        for distance in 1..self.probe_limit() {
            let index = self.bucket_at(home, distance);
            if let Probe::Ended(hit) = self.buckets[index].probe(key, index, high) {
                return hit;
            }
        }
        Hit::MISS
    }
}

/// Load and store instead of an atomic addition: nobody but its reader writes a counter.
#[inline]
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// What one bucket says of a search.
enum Probe {
    /// The key is here, or nowhere.
    Ended(Hit),
    /// The bucket is full of other keys.
    GoOn,
}
