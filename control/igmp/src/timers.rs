//! Deadlines: small heaps, one for each 4.3 seconds that has any, whose entries know their place. Setting,
//! moving or cancelling one of a million costs a few swaps within one heap, and firing never looks at the
//! others.

use core::num::NonZeroU32;
use std::collections::BTreeMap;

use types::Time;

use crate::slab::Slab;

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

/// Children of a heap node. Four entries share a cache line and halve the depth of a binary heap.
const ARITY: usize = 4;

/// The upper half of a deadline names its heap, the lower half is kept in it.
fn halves(at: Time) -> (u32, u32) {
    let ns = at.as_nanos();
    ((ns >> 32) as u32, ns as u32)
}

fn joined(upper: u32, lower: u32) -> Time {
    Time::from_nanos(u64::from(upper) << 32 | u64::from(lower))
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    lower: u32,
    slot: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot<K> {
    key: K,
    /// Which heap.
    upper: u32,
    /// Where in it.
    place: u32,
}

/// Deadlines with keys, earliest first.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    /// None of them is empty.
    heaps: BTreeMap<u32, Vec<Entry>>,
    slots: Slab<Slot<K>>,
}

impl<K: Copy + Ord> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { heaps: BTreeMap::new(), slots: Slab::new() }
    }

    /// The earliest deadline and its key. It stays until its owner moves or cancels it.
    pub(crate) fn first(&self) -> Option<(Time, K)> {
        let (upper, heap) = self.heaps.first_key_value()?;
        let first = heap.first()?;
        Some((joined(*upper, first.lower), self.slots[first.slot].key))
    }

    /// Makes `timer` fire at `at`, or never: inserts, moves or cancels as needed.
    pub(crate) fn set(&mut self, timer: &mut Option<TimerId>, key: K, at: Option<Time>) {
        let Some(at) = at else { return self.cancel(timer) };
        let (upper, lower) = halves(at);
        let Some(id) = timer.as_ref() else {
            let slot = self.slots.insert(Slot { key, upper, place: 0 });
            *timer = Some(TimerId::of_slot(slot));
            return self.put(upper, Entry { lower, slot });
        };
        let slot = id.slot();
        if self.deadline_of(slot) != at {
            self.take_out(slot);
            self.slots[slot].upper = upper;
            self.put(upper, Entry { lower, slot });
        }
    }

    /// As [`set`](Self::set), but a timer that is set already and fires earlier is left where it is: its
    /// owner, whom it comes too early for, sets it then. So a deadline that is put off again and again
    /// costs nothing until the first one has passed.
    pub(crate) fn put_off(&mut self, timer: &mut Option<TimerId>, key: K, at: Option<Time>) {
        let early = |id: &TimerId| at.is_some_and(|at| self.deadline_of(id.slot()) <= at);
        if !timer.as_ref().is_some_and(early) {
            self.set(timer, key, at);
        }
    }

    /// Takes `timer` out, if it is set.
    pub(crate) fn cancel(&mut self, timer: &mut Option<TimerId>) {
        let Some(id) = timer.take() else { return };
        self.take_out(id.slot());
        self.slots.remove(id.slot());
    }

    fn deadline_of(&self, slot: u32) -> Time {
        let Slot { upper, place, .. } = self.slots[slot];
        joined(upper, self.heaps[&upper][place as usize].lower)
    }

    fn put(&mut self, upper: u32, entry: Entry) {
        let heap = self.heaps.entry(upper).or_default();
        if heap.len() == heap.capacity() {
            // By a quarter: doubling would leave half of a million entries unused.
            heap.reserve_exact(heap.len() / 4 + 4);
        }
        heap.push(entry);
        let last = heap.len() - 1;
        Heap { entries: heap, slots: &mut self.slots }.settle(last);
    }

    /// Takes the entry out of its heap; the slot stays.
    fn take_out(&mut self, slot: u32) {
        let Slot { upper, place, .. } = self.slots[slot];
        let Some(heap) = self.heaps.get_mut(&upper) else { return };
        heap.swap_remove(place as usize);
        if heap.is_empty() {
            self.heaps.remove(&upper);
        } else if (place as usize) < heap.len() {
            Heap { entries: heap, slots: &mut self.slots }.settle(place as usize);
        }
    }

    /// What a timer costs: its slot, and an entry with the quarter that may be unused.
    #[cfg(test)]
    pub(crate) const BYTES_PER_TIMER: usize = size_of::<Slot<K>>() + size_of::<Entry>() * 5 / 4;

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heaps.values().map(Vec::len).sum()
    }
}

/// One heap, and the slots that know where its entries are.
struct Heap<'a, K> {
    entries: &'a mut [Entry],
    slots: &'a mut Slab<Slot<K>>,
}

impl<K: Copy + Ord> Heap<'_, K> {
    /// Equal deadlines fire in the order of their keys, whatever order they were set in.
    fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.entries[a], self.entries[b]);
        a.lower < b.lower || a.lower == b.lower && self.slots[a.slot].key < self.slots[b.slot].key
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.is_before(place, (place - 1) / ARITY) {
            self.swap(place, (place - 1) / ARITY);
            place = (place - 1) / ARITY;
        }
        while let Some(child) = self.earliest_child(place)
            && self.is_before(child, place)
        {
            self.swap(child, place);
            place = child;
        }
        self.note(place);
    }

    fn earliest_child(&self, place: usize) -> Option<usize> {
        let first = place * ARITY + 1;
        let end = self.entries.len().min(first + ARITY);
        (first..end).reduce(|best, child| if self.is_before(child, best) { child } else { best })
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: usize) {
        self.slots[self.entries[place].slot].place = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Times in several heaps, many of them equal.
    fn time() -> impl Strategy<Value = Time> {
        (0u64..4, 0u64..50).prop_map(|(upper, lower)| Time::from_nanos(upper << 32 | lower))
    }

    proptest! {
        /// Against a map that is searched in full for its earliest entry.
        #[test]
        fn fires_like_a_sorted_map(ops in prop::collection::vec((0u8..40, prop::option::of(time())), 1..400)) {
            let mut queue = TimerQueue::new();
            let mut ids: Vec<Option<TimerId>> = (0..40).map(|_| None).collect();
            let mut model = BTreeMap::new();
            for (key, at) in ops {
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
            prop_assert!(queue.heaps.is_empty());
        }
    }

    #[test]
    fn what_is_put_off_fires_at_the_first_time_and_never_too_late() {
        let at = |ns| Some(Time::from_nanos(ns));
        let (mut queue, mut id) = (TimerQueue::new(), None);
        queue.put_off(&mut id, 'a', at(100));
        queue.put_off(&mut id, 'a', at(900));
        assert_eq!(queue.first(), Some((Time::from_nanos(100), 'a')));
        queue.put_off(&mut id, 'a', at(50));
        assert_eq!(queue.first(), Some((Time::from_nanos(50), 'a')));
        queue.put_off(&mut id, 'a', None);
        assert_eq!((queue.first(), id), (None, None));
    }

    #[test]
    fn slots_are_used_again() {
        let mut queue = TimerQueue::new();
        let mut id = None;
        for i in 0..1000 {
            queue.set(&mut id, 1u8, Some(Time::from_nanos(i)));
            queue.cancel(&mut id);
        }
        assert_eq!((queue.slots.places(), queue.len()), (1, 0));
    }

    #[test]
    fn the_last_of_all_times_is_a_deadline_like_any_other() {
        let (mut queue, mut id) = (TimerQueue::new(), None);
        queue.set(&mut id, (), Some(Time::from_nanos(u64::MAX)));
        assert_eq!(queue.first(), Some((Time::from_nanos(u64::MAX), ())));
    }
}
