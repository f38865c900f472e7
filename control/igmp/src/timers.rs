//! Deadlines: small heaps, one for each 67 milliseconds that has any, whose entries know their place.
//! Setting, moving or cancelling one of a million costs a few swaps within one heap, and firing never looks
//! at the others.

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

/// Nanoseconds that a heap is for, as a power of two. A million deadlines over four minutes are 260 a heap.
const SPAN_BITS: u32 = 26;

/// What names a deadline's heap, and what is kept in it.
fn split(at: Time) -> (u64, u32) {
    let ns = at.as_nanos();
    (ns >> SPAN_BITS, (ns & ((1 << SPAN_BITS) - 1)) as u32)
}

fn joined(span: u64, within: u32) -> Time {
    Time::from_nanos(span << SPAN_BITS | u64::from(within))
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    within: u32,
    slot: u32,
}

/// The deadlines of one span.
#[derive(Debug)]
struct Heap {
    span: u64,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Slot<K> {
    key: K,
    /// Which heap.
    heap: u32,
    /// Where in it.
    place: u32,
}

/// Deadlines with keys, earliest first.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    /// None of them is empty.
    heaps: Slab<Heap>,
    spans: BTreeMap<u64, u32>,
    slots: Slab<Slot<K>>,
}

impl<K: Copy + Ord> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { heaps: Slab::new(), spans: BTreeMap::new(), slots: Slab::new() }
    }

    /// The earliest deadline and its key. It stays until its owner moves or cancels it.
    pub(crate) fn first(&self) -> Option<(Time, K)> {
        let (span, heap) = self.spans.first_key_value()?;
        let first = self.heaps[*heap].entries.first()?;
        Some((joined(*span, first.within), self.slots[first.slot].key))
    }

    /// Makes `timer` fire at `at`, or never: inserts, moves or cancels as needed.
    pub(crate) fn set(&mut self, timer: &mut Option<TimerId>, key: K, at: Option<Time>) {
        let Some(at) = at else { return self.cancel(timer) };
        let slot = match timer.as_ref() {
            Some(id) if self.deadline_of(id.slot()) == at => return,
            Some(id) => {
                self.take_out(id.slot());
                id.slot()
            }
            None => {
                let slot = self.slots.insert(Slot { key, heap: 0, place: 0 });
                *timer = Some(TimerId::of_slot(slot));
                slot
            }
        };
        let (span, within) = split(at);
        self.put(span, Entry { within, slot });
    }

    /// Takes `timer` out, if it is set.
    pub(crate) fn cancel(&mut self, timer: &mut Option<TimerId>) {
        let Some(id) = timer.take() else { return };
        self.take_out(id.slot());
        self.slots.remove(id.slot());
    }

    fn deadline_of(&self, slot: u32) -> Time {
        let Slot { heap, place, .. } = self.slots[slot];
        let Heap { span, entries } = &self.heaps[heap];
        joined(*span, entries[place as usize].within)
    }

    /// Puts the entry of a slot into its heap.
    fn put(&mut self, span: u64, entry: Entry) {
        let heaps = &mut self.heaps;
        let heap =
            *self.spans.entry(span).or_insert_with(|| heaps.insert(Heap { span, entries: Vec::new() }));
        self.slots[entry.slot].heap = heap;
        let entries = &mut self.heaps[heap].entries;
        if entries.len() == entries.capacity() {
            // By a quarter: doubling would leave half of a million entries unused.
            entries.reserve_exact(entries.len() / 4 + 1);
        }
        entries.push(entry);
        let last = entries.len() - 1;
        settle(entries, &mut self.slots, last);
    }

    /// Takes the entry of a slot out of its heap; the slot stays.
    fn take_out(&mut self, slot: u32) {
        let Slot { heap, place, .. } = self.slots[slot];
        let Heap { span, entries } = &mut self.heaps[heap];
        let place = place as usize;
        entries.swap_remove(place);
        if entries.is_empty() {
            self.spans.remove(span);
            self.heaps.remove(heap);
        } else if place < entries.len() {
            settle(entries, &mut self.slots, place);
        }
    }

    /// What a timer costs: its slot, and an entry with the quarter that may be unused.
    #[cfg(test)]
    pub(crate) const BYTES_PER_TIMER: usize = size_of::<Slot<K>>() + size_of::<Entry>() * 5 / 4;

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.spans.values().map(|heap| self.heaps[*heap].entries.len()).sum()
    }
}

/// Moves the entry at `place` up or down to where it belongs, and tells the slots of all that moved.
fn settle<K: Copy + Ord>(entries: &mut [Entry], slots: &mut Slab<Slot<K>>, mut place: usize) {
    let moving = entries[place];
    while place > 0 {
        let parent = entries[(place - 1) / ARITY];
        if !is_before(slots, moving, parent) {
            break;
        }
        put_at(entries, slots, place, parent);
        place = (place - 1) / ARITY;
    }
    while let Some(child) = earliest_child(entries, slots, place)
        && is_before(slots, entries[child], moving)
    {
        put_at(entries, slots, place, entries[child]);
        place = child;
    }
    put_at(entries, slots, place, moving);
}

/// Equal deadlines fire in the order of their keys, whatever order they were set in.
fn is_before<K: Copy + Ord>(slots: &Slab<Slot<K>>, a: Entry, b: Entry) -> bool {
    a.within < b.within || a.within == b.within && slots[a.slot].key < slots[b.slot].key
}

fn earliest_child<K: Copy + Ord>(entries: &[Entry], slots: &Slab<Slot<K>>, place: usize) -> Option<usize> {
    let first = place * ARITY + 1;
    let end = entries.len().min(first + ARITY);
    (first..end)
        .reduce(|best, child| if is_before(slots, entries[child], entries[best]) { child } else { best })
}

fn put_at<K>(entries: &mut [Entry], slots: &mut Slab<Slot<K>>, place: usize, entry: Entry) {
    entries[place] = entry;
    slots[entry.slot].place = place as u32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Times in several heaps, many of them equal.
    fn time() -> impl Strategy<Value = Time> {
        (0u64..4, 0u32..50).prop_map(|(span, within)| joined(span, within))
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
            prop_assert!(queue.spans.is_empty());
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
        assert_eq!((queue.slots.places(), queue.heaps.places(), queue.len()), (1, 1, 0));
    }

    #[test]
    fn the_last_of_all_times_is_a_deadline_like_any_other() {
        let (mut queue, mut id) = (TimerQueue::new(), None);
        queue.set(&mut id, (), Some(Time::from_nanos(u64::MAX)));
        assert_eq!(queue.first(), Some((Time::from_nanos(u64::MAX), ())));
    }
}
