//! Entries by key: a slab, and a hash index over it.
//!
//! The index is hashed with SipHash and keys of its own, so that nobody can choose groups that collide; a
//! key derived from the proxy's seed could be worked out from the delays that the seed gives. Only
//! look-ups go through it: every walk is in the order of the keys or of the places, and both follow from
//! the calls alone.

use core::hash::{BuildHasher, Hash};
use std::hash::RandomState;

use crate::index::Index;
use crate::slab::Slab;

/// A map that keeps its entries in numbered places.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    index: Index,
    hasher: RandomState,
    entries: Slab<(K, V)>,
}

impl<K: Copy + Ord + Hash, V> Table<K, V> {
    pub(crate) fn new() -> Self {
        Self { index: Index::new(), hasher: RandomState::new(), entries: Slab::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).map(|at| &self.entries[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).map(|at| &mut self.entries[at].1)
    }

    /// Puts the value there, and hands back what was.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        if let Some(at) = self.index.find(hash, |at| self.entries[at].0 == key) {
            return Some(core::mem::replace(&mut self.entries[at].1, value));
        }
        self.index.insert(hash, self.entries.insert((key, value)));
        None
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.index.remove(self.hasher.hash_one(key), |at| self.entries[at].0 == *key)?;
        Some(self.entries.remove(at).1)
    }

    /// The entry's place, which it keeps until it is removed.
    pub(crate) fn place(&self, key: &K) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |at| self.entries[at].0 == *key)
    }

    /// One more than the highest place ever used.
    pub(crate) fn places(&self) -> u32 {
        self.entries.places()
    }

    /// The entry at a place, if one is there.
    pub(crate) fn at_mut(&mut self, place: u32) -> Option<(K, &mut V)> {
        self.entries.get_mut(place).map(|(key, value)| (*key, value))
    }

    /// All entries in the order of their keys. Sorts them first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut sorted: Vec<_> = self.index.places().map(|at| (self.entries[at].0, at)).collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(_, at)| {
            let (key, value) = &self.entries[at];
            (key, value)
        })
    }

    /// All keys in order. Sorts them first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// What an entry costs: itself, and its part of the index.
    #[cfg(test)]
    pub(crate) const BYTES_PER_ENTRY: usize = size_of::<(K, V)>() + Index::BYTES_PER_PLACE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn is_a_sorted_map(ops in prop::collection::vec((0u16..60, prop::option::of(any::<u32>())), 1..400)) {
            let (mut table, mut model) = (Table::new(), BTreeMap::new());
            for (key, value) in ops {
                match value {
                    Some(value) => prop_assert_eq!(table.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(table.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.is_empty(), model.is_empty());
                prop_assert_eq!(table.get(&key), model.get(&key));
                prop_assert_eq!(table.get_mut(&key), model.get_mut(&key));
                prop_assert_eq!(table.contains_key(&key), model.contains_key(&key));
            }
            prop_assert!(table.iter().eq(model.iter()));
            prop_assert!(table.keys().eq(model.keys()));
            let mut placed: Vec<_> =
                (0..table.places()).filter_map(|at| table.at_mut(at).map(|(key, value)| (key, *value))).collect();
            placed.sort_unstable();
            prop_assert!(placed.into_iter().eq(model));
        }
    }

    #[test]
    fn an_entry_keeps_its_place_and_a_free_one_is_used_again() {
        let mut table = Table::new();
        for key in 0..100u32 {
            table.insert(key, ());
        }
        let place = table.place(&70);
        table.remove(&30);
        assert_eq!(table.place(&70), place);
        table.insert(1000, ());
        assert_eq!((table.place(&1000), table.places()), (Some(30), 100));
    }
}
