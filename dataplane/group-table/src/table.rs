//! The part of the table that both ends touch: buckets of slots, and the readers' counters.

use crate::shadow::GroupCounters;
use crate::sync::{AtomicU64, Link, Ordering};
use types::PortSet;

/// Slots in a bucket: their keys and bitmaps fill one cache line.
pub(crate) const LANES: usize = 4;

/// Buckets that one lookup reads at most. At a load of one half and 2^15 buckets, the chance that any
/// group needs more is below one in a million; then the writer builds the table anew, with other seeds.
pub(crate) const MAX_PROBE: usize = 32;

/// Key of a slot that ends a probe. No host has the address 255.255.255.255 to send from, so a search
/// for it, or for a tombstone, can't be.
pub(crate) const FREE: u64 = u64::MAX;

/// Key of an emptied slot that a probe passes.
pub(crate) const TOMBSTONE: u64 = u64::MAX - 1;

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

/// The key of a group from any source: source in the high half, group in the low, host byte order.
#[inline]
pub(crate) const fn any_source_key(group: u32) -> u64 {
    group as u64
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
    pub(crate) const fn hash(self, key: u64) -> u64 {
        let product = (key ^ self.offset) as u128 * self.factor as u128;
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

/// Four slots on one cache line.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Bucket {
    keys: [AtomicU64; LANES],
    members: [AtomicU64; LANES],
}

/// Bytes of one slot: what a look-up reads of a group.
pub const SLOT_BYTES: usize = size_of::<Bucket>() / LANES;

impl Bucket {
    fn new() -> Self {
        Self {
            keys: core::array::from_fn(|_| AtomicU64::new(FREE)),
            members: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Reader: searches `key` here, in bucket `index`. All keys are read, so their order means nothing, and there is no
    /// branch to mispredict on which of them it is.
    ///
    /// Acquire on the key, against the release in [`Table::publish`]: the members read after a match are that key's. They
    /// can't be a later key's, since the slot is not given to another while a reader may be here.
    #[inline]
    fn probe(&self, key: u64, index: usize) -> Probe {
        let is = |lane: usize, key| self.keys[lane].load(Ordering::Relaxed) == key;
        let lane = (1..LANES).fold(0, |found, lane| if is(lane, key) { lane } else { found });
        if self.keys[lane % LANES].load(Ordering::Acquire) == key {
            let members = PortSet::from_bits(self.members[lane % LANES].load(Ordering::Relaxed));
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
    pub(crate) fn home(&self, key: u64) -> usize {
        self.seeds.hash(key) as usize & (self.buckets.len() - 1)
    }

    /// The bucket `distance` after `home`.
    #[inline]
    pub(crate) fn bucket_at(&self, home: usize, distance: usize) -> usize {
        (home + distance) & (self.buckets.len() - 1)
    }

    /// How many buckets a search reads at most.
    #[inline]
    pub(crate) fn probe_limit(&self) -> usize {
        self.buckets.len().min(MAX_PROBE)
    }

    /// Writer: gives a slot that no reader can match to `key`.
    ///
    /// Release on the key: who reads the key reads these members, or later ones.
    pub(crate) fn publish(&self, slot: usize, key: u64, members: PortSet) {
        self.store_members(slot, members);
        self.buckets[slot / LANES].keys[slot % LANES].store(key, Ordering::Release);
    }

    /// Writer: replaces the members of a slot.
    ///
    /// Relaxed: the bitmap is all there is to see, nothing else is published by it.
    pub(crate) fn store_members(&self, slot: usize, members: PortSet) {
        self.buckets[slot / LANES].members[slot % LANES].store(members.to_bits(), Ordering::Relaxed);
    }

    /// Writer: takes the key out of a slot, leaving `mark` (free or tombstone).
    ///
    /// Relaxed: a reader that still matches the old key finds an empty bitmap, as the slot is not given
    /// again before that reader has passed the epoch that the writer starts after this.
    pub(crate) fn unkey(&self, slot: usize, mark: u64) {
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
        let (buckets, seeds) = (&*self.buckets, self.seeds);
        for &group in groups {
            let home = seeds.hash(any_source_key(group)) as usize & (buckets.len() - 1);
            if let Some(bucket) = buckets.get(home) {
                fetch(core::ptr::from_ref(bucket).cast());
            }
        }
    }

    /// Reader: looks up each group, source 0: nearly always in its home bucket. `fetch` gets the line with the counters
    /// of that one.
    #[inline]
    pub(crate) fn lookup(&self, reader: usize, groups: &[u32], out: &mut [Hit], fetch: impl Fn(*const u8)) {
        // Held by value: what is written to `out` changes none of it, but the compiler can't know.
        let (buckets, seeds, passed) = (&*self.buckets, self.seeds, &*self.counters[reader].passed);
        for (hit, &group) in out.iter_mut().zip(groups) {
            let key = any_source_key(group);
            let home = seeds.hash(key) as usize & (buckets.len() - 1);
            if let Some(counters) = passed.get(home) {
                fetch(core::ptr::from_ref(counters).cast());
            }
            *hit = match buckets.get(home).map_or(Probe::Ended(Hit::MISS), |bucket| bucket.probe(key, home)) {
                Probe::Ended(hit) => hit,
                Probe::GoOn => self.probe_further(key, home),
            };
        }
    }

    /// Reader: searches `key` in the buckets after its home bucket.
    #[cold]
    fn probe_further(&self, key: u64, home: usize) -> Hit {
        for distance in 1..self.probe_limit() {
            let index = self.bucket_at(home, distance);
            if let Probe::Ended(hit) = self.buckets[index].probe(key, index) {
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
