//! Every interleaving, and every value that the memory model allows, of a writer and a reader in a few
//! steps: never another group's ports, never a lost member, no count lost or given to another group.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p group-table --profile loom --test loom`
#![cfg(loom)]

use group_table::{GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table_sized};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use types::{GroupAddr, PortIndex, PortSet};

fn group(number: u32) -> GroupAddr {
    GroupAddr::from_bits(0xef00_0000 + number).unwrap()
}

/// So many ports before group 1's that its is the last one in the buckets.
const FIRST_IS_LOW: u32 = 30;

/// Group n's only port is that many before n: a wrong pair gives itself away.
#[derive(Clone, Copy)]
struct Ports(u32);

impl Ports {
    fn of(self, number: u32) -> PortIndex {
        PortIndex::new((self.0 + number) as usize).unwrap()
    }

    fn only(self, number: u32) -> PortSet {
        PortSet::only(self.of(number))
    }

    /// Whether `hit` is all of group `number` or nothing. The table's first member beside, where that is group 2's, may come
    /// while a lookup is under way, which does without then.
    fn is_whole(self, hit: Hit, number: u32) -> bool {
        let is_first_beside = self.0 == FIRST_IS_LOW && number == 2;
        hit == Hit::MISS || hit.members == self.only(number) || is_first_beside && hit.members.is_empty()
    }

    /// A table of one line, with groups 1 to `groups` in it; room for two before it grows.
    fn table(self, groups: u32) -> (GroupTableWriter, GroupTableReader) {
        let (mut writer, mut readers) =
            group_table_sized(TableSettings { max_groups: 4, readers: 1, seed: 1 }, 2);
        (1..=groups).for_each(|n| writer.set(group(n), self.of(n)).unwrap());
        (writer, readers.remove(0))
    }

    fn lookup<const N: usize>(self, reader: &mut GroupTableReader, numbers: [u32; N]) -> [Hit; N] {
        let hits = lookup(reader, numbers);
        for (n, hit) in numbers.into_iter().zip(hits) {
            let is_right = hit.members == self.only(n) || hit.members.is_empty();
            assert!(is_right, "group {n} got {:?}", hit.members);
        }
        hits
    }

    /// Takes group `old` out and puts group `new` in, in the same slot if the reader lets go of it.
    fn replace(self, writer: &mut GroupTableWriter, old: u32, new: u32) {
        writer.clear(group(old), self.of(old));
        writer.maintain();
        writer.maintain();
        writer.set(group(new), self.of(new)).unwrap();
    }
}

fn lookup<const N: usize>(reader: &mut GroupTableReader, numbers: [u32; N]) -> [Hit; N] {
    let mut hits = [Hit::MISS; N];
    reader.lookup_burst(&numbers.map(|n| group(n).to_bits()), &mut hits);
    hits
}

/// With members in the buckets alone; with those of group 1 there and the others' beside; and with all beside.
fn model(steps: impl Fn(Ports) + Sync + Send + Clone + 'static) {
    for before in [0, FIRST_IS_LOW, FIRST_IS_LOW + 1] {
        let steps = steps.clone();
        loom::model(move || steps(Ports(before)));
    }
}

#[test]
fn a_new_group_is_seen_whole_or_not_at_all() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(1);
        let is_set = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_set);
        let worker = thread::spawn(move || {
            let must_see = seen.load(Ordering::Acquire);
            let [stays, new] = ports.lookup(&mut reader, [1, 2]);
            assert_eq!(stays.members, ports.only(1), "a lost member");
            assert!(!must_see || new.members == ports.only(2), "set, but not seen");
            assert!(ports.is_whole(new, 2), "the key without its members");
        });
        writer.set(group(2), ports.of(2)).unwrap();
        is_set.store(true, Ordering::Release);
        worker.join().unwrap();
    });
}

#[test]
fn a_cleared_member_is_gone_from_the_next_lookup_on() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(2);
        let is_cleared = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_cleared);
        let worker = thread::spawn(move || {
            let must_miss = seen.load(Ordering::Acquire);
            let [leaves, stays] = ports.lookup(&mut reader, [1, 2]);
            assert_eq!(stays.members, ports.only(2), "a lost member");
            assert!(!must_miss || leaves.members.is_empty(), "cleared, but seen");
        });
        writer.clear(group(1), ports.of(1));
        is_cleared.store(true, Ordering::Release);
        writer.maintain();
        worker.join().unwrap();
    });
}

#[test]
fn a_reused_slot_never_shows_another_groups_ports() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(1);
        let worker = thread::spawn(move || {
            ports.lookup(&mut reader, [1]);
            reader.quiesce();
            let [_, new] = ports.lookup(&mut reader, [1, 2]);
            assert!(ports.is_whole(new, 2), "the key without its members");
        });
        ports.replace(&mut writer, 1, 2);
        worker.join().unwrap();
    });
}

#[test]
fn a_reused_slot_does_not_inherit_counts() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(1);
        let worker = thread::spawn(move || {
            let [old] = ports.lookup(&mut reader, [1]);
            reader.count(old.slot, 1, 100);
            reader.quiesce();
            let [new] = ports.lookup(&mut reader, [2]);
            reader.count(new.slot, 5, 500);
            u64::from(new.is_entry()) * 5
        });
        ports.replace(&mut writer, 1, 2);
        let counted = worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, counted);
        assert_eq!(writer.counters(group(2)).bytes, counted * 100);
    });
}

#[test]
fn a_reader_that_wakes_knows_no_old_key() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(1);
        reader.sleep();
        let worker = thread::spawn(move || {
            reader.wake();
            ports.lookup(&mut reader, [1]);
        });
        ports.replace(&mut writer, 1, 2);
        worker.join().unwrap();
    });
}

#[test]
fn growth_loses_no_member_and_no_count() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(2);
        let worker = thread::spawn(move || {
            for _ in 0..2 {
                let [stays] = ports.lookup(&mut reader, [2]);
                assert_eq!(stays.members, ports.only(2), "a lost member");
                reader.count(stays.slot, 1, 100);
                reader.quiesce();
            }
            reader
        });
        writer.set(group(3), ports.of(3)).unwrap();
        writer.maintain();
        let mut reader = worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, 2);
        reader.quiesce();
        assert_eq!(ports.lookup(&mut reader, [3])[0].members, ports.only(3));
        writer.maintain();
        assert_eq!(writer.counters(group(2)).frames, 2, "carried over");
    });
}

#[test]
fn a_change_during_growth_reaches_both_tables() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(2);
        let is_done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_done);
        let worker = thread::spawn(move || {
            reader.quiesce();
            let must_see = seen.load(Ordering::Acquire);
            let [left, new] = ports.lookup(&mut reader, [1, 3]);
            assert!(!must_see || left.members.is_empty(), "cleared, but seen");
            assert!(!must_see || new.members == ports.only(3), "set, but not seen");
        });
        writer.set(group(3), ports.of(3)).unwrap();
        writer.clear(group(1), ports.of(1));
        is_done.store(true, Ordering::Release);
        worker.join().unwrap();
    });
}

#[test]
fn a_reader_that_wakes_uses_the_newest_table() {
    model(|ports| {
        let (mut writer, mut reader) = ports.table(2);
        reader.sleep();
        let worker = thread::spawn(move || {
            reader.wake();
            let [stays] = ports.lookup(&mut reader, [2]);
            assert_eq!(stays.members, ports.only(2), "a lost member");
            reader.count(stays.slot, 1, 100);
        });
        writer.set(group(3), ports.of(3)).unwrap();
        writer.maintain();
        writer.clear(group(1), ports.of(1));
        writer.maintain();
        worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, 1);
    });
}

/// A group that has a member on one port, and comes or ceases to have one on a port of the other half.
fn other_half(comes: bool) {
    for (stays, moves) in [(31, 32), (32, 31)] {
        let [stays, moves] = [stays, moves].map(|n| PortIndex::new(n).unwrap());
        loom::model(move || {
            let (mut writer, mut reader) = Ports(0).table(0);
            writer.set(group(1), stays).unwrap();
            if !comes {
                writer.set(group(1), moves).unwrap();
            }
            let is_done = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&is_done);
            let worker = thread::spawn(move || {
                let must_see = seen.load(Ordering::Acquire);
                let [hit] = lookup(&mut reader, [1]);
                assert!(hit.members.contains(stays), "a lost member");
                assert!(!must_see || hit.members.contains(moves) == comes, "done, but not seen");
            });
            if comes {
                writer.set(group(1), moves).unwrap();
            } else {
                writer.clear(group(1), moves);
            }
            is_done.store(true, Ordering::Release);
            worker.join().unwrap();
        });
    }
}

#[test]
fn a_member_of_the_other_half_comes_alone() {
    other_half(true);
}

#[test]
fn a_member_of_the_other_half_goes_alone() {
    other_half(false);
}
