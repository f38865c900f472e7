//! Deadlines: a four-way heap whose entries know their place, so that moving or cancelling one of a
//! million costs a few swaps and firing never looks at the others.

use core::num::NonZeroU32;
use types::Time;

/// Who holds it owns one entry of a [`TimerQueue`]. Neither `Clone` nor `Copy`: one owner, one entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TimerId(NonZeroU32);

impl TimerId {
    fn of_slot(slot: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    fn slot(&self) -> u32 {
        self.0.get() - 1
    }
}

/// Children of a heap node. Four share a cache line or two and halve the depth of a binary heap.
const ARITY: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Entry<K> {
    at: Time,
    key: K,
    slot: u32,
}

impl<K: Copy + Ord> Entry<K> {
    /// Equal deadlines fire in the order of their keys, whatever order they were set in.
    fn rank(&self) -> (Time, K) {
        (self.at, self.key)
    }
}

/// Deadlines with keys, earliest first.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    heap: Vec<Entry<K>>,
    /// Slot to place in `heap`.
    places: Vec<u32>,
    free: Vec<u32>,
}

impl<K: Copy + Ord> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { heap: Vec::new(), places: Vec::new(), free: Vec::new() }
    }

    /// The earliest deadline and its key. It stays until its owner moves or cancels it.
    pub(crate) fn first(&self) -> Option<(Time, K)> {
        self.heap.first().map(Entry::rank)
    }

    /// Makes `timer` fire at `at`, or never: inserts, moves or cancels as needed.
    pub(crate) fn set(&mut self, timer: &mut Option<TimerId>, key: K, at: Option<Time>) {
        match (timer.as_ref(), at) {
            (None, None) => {}
            (None, Some(at)) => *timer = Some(self.insert(key, at)),
            (Some(id), Some(at)) => self.move_to(id.slot(), at),
            (Some(_), None) => self.cancel(timer),
        }
    }

    /// Takes `timer` out, if it is set.
    pub(crate) fn cancel(&mut self, timer: &mut Option<TimerId>) {
        let Some(id) = timer.take() else { return };
        let slot = id.slot();
        let place = self.places[slot as usize] as usize;
        self.heap.swap_remove(place);
        self.free.push(slot);
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    fn insert(&mut self, key: K, at: Time) -> TimerId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(0);
            (self.places.len() - 1) as u32
        });
        self.heap.push(Entry { at, key, slot });
        self.settle(self.heap.len() - 1);
        TimerId::of_slot(slot)
    }

    fn move_to(&mut self, slot: u32, at: Time) {
        let place = self.places[slot as usize] as usize;
        if self.heap[place].at != at {
            self.heap[place].at = at;
            self.settle(place);
        }
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent].rank() <= self.heap[place].rank() {
                break;
            }
            self.swap(parent, place);
            place = parent;
        }
        while let Some(child) = self.earliest_child(place) {
            if self.heap[place].rank() <= self.heap[child].rank() {
                break;
            }
            self.swap(child, place);
            place = child;
        }
        self.note(place);
    }

    fn earliest_child(&self, place: usize) -> Option<usize> {
        let first = place * ARITY + 1;
        let end = self.heap.len().min(first + ARITY);
        (first..end).min_by_key(|child| self.heap[*child].rank())
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: usize) {
        self.places[self.heap[place].slot as usize] = place as u32;
    }

    /// An entry, its place, and its slot when free.
    #[cfg(test)]
    pub(crate) const BYTES_PER_TIMER: usize = size_of::<Entry<K>>() + 2 * size_of::<u32>();

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against a map that is searched in full for its earliest entry.
        #[test]
        fn fires_like_a_sorted_map(ops in prop::collection::vec((0u8..40, prop::option::of(0u64..50)), 1..400)) {
            let mut queue = TimerQueue::new();
            let mut ids: Vec<Option<TimerId>> = (0..40).map(|_| None).collect();
            let mut model = BTreeMap::new();
            for (key, at) in ops {
                let at = at.map(Time::from_nanos);
                queue.set(&mut ids[usize::from(key)], key, at);
                match at {
                    Some(at) => model.insert(key, at),
                    None => model.remove(&key),
                };
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.first(), model.iter().map(|(k, t)| (*t, *k)).min());
            }
            let mut rest: Vec<_> = model.into_iter().map(|(k, t)| (t, k)).collect();
            rest.sort_unstable();
            for expected in rest {
                prop_assert_eq!(queue.first(), Some(expected));
                queue.cancel(&mut ids[usize::from(expected.1)]);
            }
            prop_assert_eq!(queue.first(), None);
        }
    }

    #[test]
    fn slots_are_used_again() {
        let mut queue = TimerQueue::new();
        let mut id = None;
        for i in 0..1000 {
            queue.set(&mut id, 1u8, Some(Time::from_nanos(i)));
            queue.cancel(&mut id);
        }
        assert_eq!((queue.places.len(), queue.len()), (1, 0));
    }
}
