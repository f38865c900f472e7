//! Operation lists against a naive model, with readers that quiesce, sleep and count at random.
#![cfg(not(loom))]

use group_table::{GroupCounters, GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table_sized};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use types::{GroupAddr, PortIndex, PortSet};

const READERS: usize = 2;

/// One step; groups and ports by small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Set(u16, u8),
    Clear(u16, u8),
    ClearPort(u8),
    Watch(u16),
    Unwatch(u16),
    Maintain,
    Lookup { reader: usize, first: u16, count: u16 },
    Quiesce(usize),
    Sleep(usize),
    Wake(usize),
}

fn steps(groups: u16) -> impl Strategy<Value = Vec<Step>> {
    let group = move || 0..groups;
    let step = prop_oneof![
        30 => (group(), 0u8..6).prop_map(|(g, p)| Step::Set(g, p)),
        25 => (group(), 0u8..6).prop_map(|(g, p)| Step::Clear(g, p)),
        1 => (0u8..6).prop_map(Step::ClearPort),
        3 => group().prop_map(Step::Watch),
        3 => group().prop_map(Step::Unwatch),
        12 => Just(Step::Maintain),
        25 => (0..READERS, group(), 1u16..40)
            .prop_map(|(reader, first, count)| Step::Lookup { reader, first, count }),
        12 => (0..READERS).prop_map(Step::Quiesce),
        1 => (0..READERS).prop_map(Step::Sleep),
        2 => (0..READERS).prop_map(Step::Wake),
    ];
    prop::collection::vec(step, 1..400)
}

fn group(number: u16) -> GroupAddr {
    GroupAddr::from_bits(0xef00_0000 | u32::from(number)).unwrap()
}

/// Some below the 33rd, some above.
fn port(number: u8) -> PortIndex {
    PortIndex::new(usize::from(number) * 11).unwrap()
}

/// The table beside its model.
struct Pair {
    writer: GroupTableWriter,
    readers: Vec<GroupTableReader>,
    max_groups: usize,
    members: HashMap<GroupAddr, PortSet>,
    watched: HashSet<GroupAddr>,
    /// Step at which the entry came, and at which each reader last passed or woke.
    inserted: HashMap<GroupAddr, usize>,
    passed: [usize; READERS],
    now: usize,
    /// Since the entry came; entries left empty are forgotten at `maintain`, as in the table.
    counters: HashMap<GroupAddr, GroupCounters>,
}

impl Pair {
    fn new(max_groups: usize, initial_groups: usize, seed: u64) -> Self {
        let settings = TableSettings { max_groups, readers: READERS, seed };
        let (writer, readers) = group_table_sized(settings, initial_groups);
        Self {
            writer,
            readers,
            max_groups,
            members: HashMap::new(),
            watched: HashSet::new(),
            inserted: HashMap::new(),
            passed: [0; READERS],
            now: 0,
            counters: HashMap::new(),
        }
    }

    fn is_live(&self, group: GroupAddr) -> bool {
        self.members.contains_key(&group) || self.watched.contains(&group)
    }

    fn live(&self) -> usize {
        self.members.keys().chain(&self.watched).collect::<HashSet<_>>().len()
    }

    /// Whether the table has to take an entry for `group`. Without room for want of reclaiming it may
    /// refuse as well, but not if a reader passed lately; the caller sees to that.
    fn must_admit(&self, group: GroupAddr) -> bool {
        self.is_live(group) || self.live() < self.max_groups
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        match *step {
            Step::Set(g, p) => {
                let admit = self.must_admit(group(g));
                assert_eq!(self.writer.set(group(g), port(p)).is_ok(), admit);
                if admit {
                    self.note_insertion(group(g));
                    let set = self.members.entry(group(g)).or_default();
                    *set = set.with(port(p));
                }
            }
            Step::Clear(g, p) => {
                self.writer.clear(group(g), port(p));
                self.clear(group(g), port(p));
            }
            Step::ClearPort(p) => {
                self.writer.clear_port(port(p));
                let groups: Vec<_> = self.members.keys().copied().collect();
                groups.into_iter().for_each(|g| self.clear(g, port(p)));
            }
            Step::Watch(g) => {
                let admit = self.must_admit(group(g));
                assert_eq!(self.writer.watch(group(g)).is_ok(), admit);
                if admit {
                    self.note_insertion(group(g));
                    self.watched.insert(group(g));
                }
            }
            Step::Unwatch(g) => {
                self.writer.unwatch(group(g));
                self.watched.remove(&group(g));
            }
            Step::Maintain => self.maintain(),
            Step::Lookup { reader, first, count } => self.lookup(reader, first, count),
            Step::Quiesce(reader) => self.quiesce(reader),
            Step::Sleep(reader) => self.readers[reader].sleep(),
            Step::Wake(reader) => self.readers[reader].wake(),
        }
    }

    fn note_insertion(&mut self, group: GroupAddr) {
        if !self.is_live(group) {
            self.inserted.insert(group, self.now);
        }
    }

    /// A sleeping reader ignores it, so it is woken first.
    fn quiesce(&mut self, reader: usize) {
        self.readers[reader].wake();
        self.readers[reader].quiesce();
        self.passed[reader] = self.now;
    }

    fn clear(&mut self, group: GroupAddr, port: PortIndex) {
        if let Some(set) = self.members.get_mut(&group) {
            *set = set.without(port);
            if set.is_empty() {
                self.members.remove(&group);
            }
        }
    }

    fn maintain(&mut self) {
        self.writer.maintain();
        let (members, watched) = (&self.members, &self.watched);
        self.counters.retain(|g, _| members.contains_key(g) || watched.contains(g));
    }

    /// A burst, each hit of a live group counted; the last group asked for has never had an entry.
    fn lookup(&mut self, reader: usize, first: u16, count: u16) {
        let asked: Vec<GroupAddr> = (first..first + count).map(group).chain([group(u16::MAX)]).collect();
        let bits: Vec<u32> = asked.iter().map(|g| g.to_bits()).collect();
        let mut hits = vec![Hit::MISS; bits.len()];
        self.readers[reader].lookup_burst(&bits, &mut hits);
        for (&group, hit) in asked.iter().zip(&hits) {
            let members = self.members.get(&group).copied().unwrap_or_default();
            // An outgrown table need not have room for a group that came after the reader passed.
            let may_miss = self.inserted.get(&group).is_some_and(|&at| at > self.passed[reader]);
            assert!(hit.members == members || may_miss && *hit == Hit::MISS, "{group} {hit:?} {members:?}");
            assert!(hit.is_entry() || may_miss || !self.is_live(group), "{group} has no entry");
            if self.is_live(group) && hit.is_entry() {
                self.readers[reader].count(hit.slot, 1, 100);
                let counters = self.counters.entry(group).or_default();
                counters.frames += 1;
                counters.bytes += 100;
                self.readers[reader].count_filtered(hit.slot, 2);
                counters.filtered += 2;
            }
        }
        assert_eq!(hits.last(), Some(&Hit::MISS));
    }

    fn check(&self) {
        assert_eq!(self.writer.len(), self.live());
        let entries: HashMap<_, _> = self.writer.iter().map(|e| (e.group, e)).collect();
        assert_eq!(entries.len(), self.live());
        for (group, entry) in &entries {
            assert_eq!(entry.members, self.members.get(group).copied().unwrap_or_default());
            assert_eq!(entry.members, self.writer.members(*group));
            assert_eq!(entry.is_watched, self.watched.contains(group));
            assert_eq!(entry.counters, self.counters.get(group).copied().unwrap_or_default(), "{group}");
        }
    }

    /// With every reader passing, all that was taken away returns.
    fn settle(&mut self) {
        for _ in 0..20 {
            (0..READERS).for_each(|reader| self.quiesce(reader));
            self.maintain();
        }
        assert_eq!(self.writer.maintain(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// Readers pass between bursts, as workers do: every lookup is exact, every join admitted.
    #[test]
    fn table_equals_model(
        steps in (1u16..300).prop_flat_map(steps),
        max_groups in 1usize..300,
        initial_groups in 0usize..64,
        seed: u64,
    ) {
        let mut pair = Pair::new(max_groups, initial_groups, seed);
        for step in &steps {
            pair.step(step);
            (0..READERS).for_each(|reader| pair.quiesce(reader));
            pair.maintain();
            pair.check();
        }
        pair.settle();
        pair.check();
    }

    /// Readers pass when they like; nothing grows, so every lookup is exact.
    #[test]
    fn table_equals_model_with_lagging_readers(steps in (1u16..200).prop_flat_map(steps), seed: u64) {
        let mut pair = Pair::new(1000, 400, seed);
        for step in &steps {
            pair.step(step);
            pair.passed = [usize::MAX; READERS];
            pair.check();
        }
        pair.settle();
        pair.check();
    }

    /// Readers pass when they like, while tables grow and fill with tombstones under them.
    #[test]
    fn table_equals_model_while_growing_under_lagging_readers(
        steps in (1u16..300).prop_flat_map(steps),
        initial_groups in 0usize..16,
        seed: u64,
    ) {
        let mut pair = Pair::new(300, initial_groups, seed);
        for step in &steps {
            pair.step(step);
            if !matches!(step, Step::Lookup { .. } | Step::Quiesce(_)) {
                // Growth forgets the counters of entries left empty, as `maintain` does.
                pair.maintain();
            }
            pair.check();
        }
        pair.settle();
        pair.check();
        for first in (0..300).step_by(40) {
            pair.lookup(0, first, 40);
        }
    }
}
