//! A hash index: from a key's hash to the number of its place, the key itself being kept there.
//!
//! Linear probing over eight-byte slots with half of the hash in each, so that growing and removing look at
//! no key, a miss at none either, and a hit at one. Slots are in the order of their hashes, so growing is
//! one pass from end to end: some milliseconds for a million.

/// The hash's upper half, and one more than the place; 0 when free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

impl Slot {
    const FREE: Self = Self(0);

    fn new(hash: u64, place: u32) -> Self {
        Self(hash & !u64::from(u32::MAX) | (u64::from(place) + 1))
    }

    fn is_free(self) -> bool {
        self.0 == 0
    }

    fn has_hash(self, hash: u64) -> bool {
        (self.0 ^ hash) >> 32 == 0
    }

    fn place(self) -> u32 {
        (self.0 as u32).wrapping_sub(1)
    }

    /// Where it would be if it were alone.
    fn home(self, slots: usize) -> usize {
        home(self.0, slots)
    }
}

/// The hash's upper half, scaled to the number of slots.
fn home(hash: u64, slots: usize) -> usize {
    (((hash >> 32) * slots as u64) >> 32) as usize
}

/// Places by hash.
#[derive(Debug, Default)]
pub(crate) struct Index {
    slots: Vec<Slot>,
    used: usize,
}

impl Index {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), used: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// The place with this hash that `is_it` says yes to.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.slot(hash, is_it).map(|at| self.slots[at].place())
    }

    /// Takes in a place that is not in it.
    pub(crate) fn insert(&mut self, hash: u64, place: u32) {
        // Three quarters full at most: chains stay short.
        if 4 * (self.used + 1) > 3 * self.slots.len() {
            self.grow();
        }
        self.used += 1;
        put(&mut self.slots, Slot::new(hash, place));
    }

    /// Takes out the place with this hash that `is_it` says yes to.
    pub(crate) fn remove(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.slot(hash, is_it)?;
        let place = self.slots[found].place();
        let slots = self.slots.len();
        // What comes behind moves up, as far as each may, so that no chain is broken.
        let (mut hole, mut at) = (found, next(found, slots));
        while !self.slots[at].is_free() {
            let from_home = (at + slots - self.slots[at].home(slots)) % slots;
            if from_home >= (at + slots - hole) % slots {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = next(at, slots);
        }
        self.slots[hole] = Slot::FREE;
        self.used -= 1;
        Some(place)
    }

    /// All places, in no order that means anything.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter(|slot| !slot.is_free()).map(|slot| slot.place())
    }

    fn slot(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = home(hash, self.slots.len());
        while !self.slots[at].is_free() {
            if self.slots[at].has_hash(hash) && is_it(self.slots[at].place()) {
                return Some(at);
            }
            at = next(at, self.slots.len());
        }
        None
    }

    /// By a quarter: more would leave more unused.
    fn grow(&mut self) {
        let more = self.slots.len() + self.slots.len() / 4 + 8;
        let before = core::mem::replace(&mut self.slots, vec![Slot::FREE; more]);
        for slot in before.into_iter().filter(|slot| !slot.is_free()) {
            put(&mut self.slots, slot);
        }
    }

    /// What a place costs, with the slots that are unused after growing.
    #[cfg(test)]
    pub(crate) const BYTES_PER_PLACE: usize = size_of::<Slot>() * 4 * 5 / (3 * 4);
}

/// Into the first free slot from its home on.
fn put(slots: &mut [Slot], slot: Slot) {
    let mut at = slot.home(slots.len());
    while !slots[at].is_free() {
        at = next(at, slots.len());
    }
    slots[at] = slot;
}

fn next(at: usize, slots: usize) -> usize {
    if at + 1 == slots { 0 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few hashes, at both ends and equal ones: long chains, also around the end.
    fn hash() -> impl Strategy<Value = u64> {
        prop_oneof![(0u64..4).prop_map(|n| n << 32), (0u64..4).prop_map(|n| !(n << 32)), any::<u64>()]
    }

    proptest! {
        #[test]
        fn finds_what_is_in_it_and_nothing_else(
            hashes in prop::collection::vec(hash(), 64),
            ops in prop::collection::vec((0u32..64, any::<bool>()), 1..300),
        ) {
            let (mut index, mut model) = (Index::new(), BTreeMap::new());
            for (place, add) in ops {
                let hash = hashes[place as usize];
                if !add {
                    prop_assert_eq!(index.remove(hash, |at| at == place), model.remove(&place).map(|_| place));
                } else if model.insert(place, hash).is_none() {
                    index.insert(hash, place);
                }
                prop_assert_eq!(index.len(), model.len());
                for (place, hash) in hashes.iter().enumerate().map(|(place, hash)| (place as u32, *hash)) {
                    let expected = model.contains_key(&place).then_some(place);
                    prop_assert_eq!(index.find(hash, |at| at == place), expected);
                }
                let mut places: Vec<_> = index.places().collect();
                places.sort_unstable();
                prop_assert!(places.into_iter().eq(model.keys().copied()));
            }
        }
    }

    #[test]
    fn only_places_with_the_same_hash_are_looked_at() {
        let mut index = Index::new();
        for place in 0..1000 {
            index.insert(u64::from(place) << 50, place);
        }
        assert_eq!(
            index.find(7 << 50, |at| {
                assert_eq!(at, 7);
                true
            }),
            Some(7)
        );
        assert_eq!(index.find(7 << 50 | 1 << 40, |_| panic!("another hash")), None);
    }
}
