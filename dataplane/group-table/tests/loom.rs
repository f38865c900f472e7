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

/// Group n and its only port n: a wrong pair gives itself away.
fn group(number: u32) -> GroupAddr {
    GroupAddr::from_bits(0xef00_0000 + number).unwrap()
}

fn port(number: u32) -> PortIndex {
    PortIndex::new(number as usize).unwrap()
}

fn only(number: u32) -> PortSet {
    PortSet::only(port(number))
}

/// A table of one bucket, with groups 1 to `groups` in it; room for two before it grows.
fn table(groups: u32) -> (GroupTableWriter, GroupTableReader) {
    let (mut writer, mut readers) =
        group_table_sized(TableSettings { max_groups: 4, readers: 1, seed: 1 }, 2);
    (1..=groups).for_each(|n| writer.set(group(n), port(n)).unwrap());
    (writer, readers.remove(0))
}

fn lookup<const N: usize>(reader: &mut GroupTableReader, numbers: [u32; N]) -> [Hit; N] {
    let mut hits = [Hit::MISS; N];
    reader.lookup_burst(&numbers.map(|n| group(n).to_bits()), &mut hits);
    for (n, hit) in numbers.into_iter().zip(hits) {
        assert!(hit.members == only(n) || hit.members.is_empty(), "group {n} got {:?}", hit.members);
    }
    hits
}

/// Takes group `old` out and puts group `new` in, in the same slot if the reader lets go of it.
fn replace(writer: &mut GroupTableWriter, old: u32, new: u32) {
    writer.clear(group(old), port(old));
    writer.maintain();
    writer.maintain();
    writer.set(group(new), port(new)).unwrap();
}

#[test]
fn a_new_group_is_seen_whole_or_not_at_all() {
    loom::model(|| {
        let (mut writer, mut reader) = table(1);
        let is_set = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_set);
        let worker = thread::spawn(move || {
            let must_see = seen.load(Ordering::Acquire);
            let [stays, new] = lookup(&mut reader, [1, 2]);
            assert_eq!(stays.members, only(1), "a lost member");
            assert!(!must_see || new.members == only(2), "set, but not seen");
            assert!(new == Hit::MISS || new.members == only(2), "the key without its members");
        });
        writer.set(group(2), port(2)).unwrap();
        is_set.store(true, Ordering::Release);
        worker.join().unwrap();
    });
}

#[test]
fn a_cleared_member_is_gone_from_the_next_lookup_on() {
    loom::model(|| {
        let (mut writer, mut reader) = table(2);
        let is_cleared = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_cleared);
        let worker = thread::spawn(move || {
            let must_miss = seen.load(Ordering::Acquire);
            let [leaves, stays] = lookup(&mut reader, [1, 2]);
            assert_eq!(stays.members, only(2), "a lost member");
            assert!(!must_miss || leaves.members.is_empty(), "cleared, but seen");
        });
        writer.clear(group(1), port(1));
        is_cleared.store(true, Ordering::Release);
        writer.maintain();
        worker.join().unwrap();
    });
}

#[test]
fn a_reused_slot_never_shows_another_groups_ports() {
    loom::model(|| {
        let (mut writer, mut reader) = table(1);
        let worker = thread::spawn(move || {
            lookup(&mut reader, [1]);
            reader.quiesce();
            let [_, new] = lookup(&mut reader, [1, 2]);
            assert!(new == Hit::MISS || new.members == only(2), "the key without its members");
        });
        replace(&mut writer, 1, 2);
        worker.join().unwrap();
    });
}

#[test]
fn a_reused_slot_does_not_inherit_counts() {
    loom::model(|| {
        let (mut writer, mut reader) = table(1);
        let worker = thread::spawn(move || {
            let [old] = lookup(&mut reader, [1]);
            reader.count(old.slot, 1, 100);
            reader.quiesce();
            let [new] = lookup(&mut reader, [2]);
            reader.count(new.slot, 5, 500);
            u64::from(new.is_entry()) * 5
        });
        replace(&mut writer, 1, 2);
        let counted = worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, counted);
        assert_eq!(writer.counters(group(2)).bytes, counted * 100);
    });
}

#[test]
fn a_reader_that_wakes_knows_no_old_key() {
    loom::model(|| {
        let (mut writer, mut reader) = table(1);
        reader.sleep();
        let worker = thread::spawn(move || {
            reader.wake();
            lookup(&mut reader, [1]);
        });
        replace(&mut writer, 1, 2);
        worker.join().unwrap();
    });
}

#[test]
fn growth_loses_no_member_and_no_count() {
    loom::model(|| {
        let (mut writer, mut reader) = table(2);
        let worker = thread::spawn(move || {
            for _ in 0..2 {
                let [stays] = lookup(&mut reader, [2]);
                assert_eq!(stays.members, only(2), "a lost member");
                reader.count(stays.slot, 1, 100);
                reader.quiesce();
            }
            reader
        });
        writer.set(group(3), port(3)).unwrap();
        writer.maintain();
        let mut reader = worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, 2);
        reader.quiesce();
        assert_eq!(lookup(&mut reader, [3])[0].members, only(3));
        writer.maintain();
        assert_eq!(writer.counters(group(2)).frames, 2, "carried over");
    });
}

#[test]
fn a_change_during_growth_reaches_both_tables() {
    loom::model(|| {
        let (mut writer, mut reader) = table(2);
        let is_done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_done);
        let worker = thread::spawn(move || {
            reader.quiesce();
            let must_see = seen.load(Ordering::Acquire);
            let [left, new] = lookup(&mut reader, [1, 3]);
            assert!(!must_see || left.members.is_empty(), "cleared, but seen");
            assert!(!must_see || new.members == only(3), "set, but not seen");
        });
        writer.set(group(3), port(3)).unwrap();
        writer.clear(group(1), port(1));
        is_done.store(true, Ordering::Release);
        worker.join().unwrap();
    });
}

#[test]
fn a_reader_that_wakes_uses_the_newest_table() {
    loom::model(|| {
        let (mut writer, mut reader) = table(2);
        reader.sleep();
        let worker = thread::spawn(move || {
            reader.wake();
            let [stays] = lookup(&mut reader, [2]);
            assert_eq!(stays.members, only(2), "a lost member");
            reader.count(stays.slot, 1, 100);
        });
        writer.set(group(3), port(3)).unwrap();
        writer.maintain();
        writer.clear(group(1), port(1));
        writer.maintain();
        worker.join().unwrap();
        assert_eq!(writer.counters(group(2)).frames, 1);
    });
}
