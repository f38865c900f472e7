//! Unit tests that look inside: slot life, searches that pass buckets, reclaiming.

use crate::shadow::{Shadow, State};
use crate::table::{LANES, MAX_PROBE, Seeds};
use crate::{GroupCounters, GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table_sized};
use types::{GroupAddr, PortIndex, PortSet};

fn table(max_groups: usize, initial_groups: usize) -> (GroupTableWriter, GroupTableReader) {
    let settings = TableSettings { max_groups, readers: 1, seed: 1 };
    let (writer, mut readers) = group_table_sized(settings, initial_groups);
    (writer, readers.remove(0))
}

fn group(number: u32) -> GroupAddr {
    GroupAddr::from_bits(0xef01_0000 + number).unwrap()
}

fn port(index: usize) -> PortIndex {
    PortIndex::new(index).unwrap()
}

fn lookup(reader: &mut GroupTableReader, group: GroupAddr) -> Hit {
    let mut hits = [Hit::MISS];
    reader.lookup_burst(&[group.to_bits()], &mut hits);
    hits[0]
}

/// As many turns as reclaiming anything takes.
fn settle(writer: &mut GroupTableWriter, reader: &mut GroupTableReader) {
    for _ in 0..100 {
        reader.quiesce();
        writer.maintain();
        writer.current.check();
    }
}

#[test]
fn a_change_is_seen_by_the_next_lookup() {
    let (mut writer, mut reader) = table(8, 8);
    writer.set(group(1), port(2)).unwrap();
    writer.set(group(1), port(63)).unwrap();
    assert_eq!(lookup(&mut reader, group(1)).members, [port(2), port(63)].into_iter().collect());
    writer.clear(group(1), port(2));
    assert_eq!(lookup(&mut reader, group(1)).members, PortSet::only(port(63)));
    assert_eq!(lookup(&mut reader, group(2)), Hit::MISS);
}

#[test]
fn what_is_no_group_has_no_entry() {
    let (mut writer, mut reader) = table(2, 2);
    writer.set(group(1), port(0)).unwrap();
    writer.clear(group(1), port(0));
    writer.maintain();
    // One slot is a tombstone, others are free: marks that nobody may find by asking for them.
    let asked = [0, 1, 0x7f00_0001, u32::MAX - 3, u32::MAX - 2, u32::MAX - 1, u32::MAX];
    let mut hits = [Hit { slot: 0, members: PortSet::ALL }; 7];
    reader.lookup_burst(&asked, &mut hits);
    assert_eq!(hits, [Hit::MISS; 7]);
}

#[test]
fn a_burst_fills_the_shorter_of_both_slices() {
    let (mut writer, mut reader) = table(100, 100);
    (0..100).for_each(|n| writer.set(group(n), port(n as usize % 64)).unwrap());
    let asked: Vec<u32> = (0..100).map(|n| group(n).to_bits()).collect();
    let mut hits = [Hit::MISS; 99];
    reader.lookup_burst(&asked, &mut hits[..70]);
    for (n, hit) in hits.iter().enumerate() {
        let members = if n < 70 { PortSet::only(port(n % 64)) } else { PortSet::EMPTY };
        assert_eq!(hit.members, members, "{n}");
    }
}

#[test]
fn lines_to_prefetch_are_the_same_for_a_group_whether_it_is_there_or_not() {
    let (mut writer, mut reader) = table(8, 8);
    let groups = [group(1).to_bits(), group(2).to_bits()];
    let lines = |reader: &mut GroupTableReader| {
        let lines = core::cell::RefCell::new(Vec::new());
        let fetch = |line: *const u8| lines.borrow_mut().push(line.addr());
        let mut hits = [Hit::MISS; 2];
        reader.prefetch_burst(&groups, fetch);
        reader.lookup_to_count(&groups, &mut hits, fetch);
        (lines.into_inner(), hits.map(|hit| hit.members))
    };
    let (before, _) = lines(&mut reader);
    assert_eq!(before.len(), 4);
    assert!(before.iter().all(|line| line % 32 == 0), "{before:x?}");
    writer.set(group(1), port(2)).unwrap();
    assert_eq!(lines(&mut reader), (before, [PortSet::only(port(2)), PortSet::EMPTY]));
}

/// Lines that a worker would fetch for a group before it looks it up.
fn lines(reader: &GroupTableReader, group: GroupAddr) -> usize {
    let lines = core::cell::Cell::new(0);
    reader.prefetch_burst(&[group.to_bits()], |_| lines.set(lines.get() + 1));
    lines.get()
}

#[test]
fn ports_above_the_32nd_have_members_like_the_others() {
    let (mut writer, mut reader) = table(8, 8);
    writer.set(group(1), port(31)).unwrap();
    writer.set(group(2), port(0)).unwrap();
    assert_eq!(lines(&reader, group(1)), 1);
    writer.set(group(1), port(32)).unwrap();
    writer.set(group(1), port(63)).unwrap();
    assert_eq!(lines(&reader, group(1)), 2, "the second is that of these ports");
    assert_eq!(lookup(&mut reader, group(1)).members, [31, 32, 63].map(port).into_iter().collect());
    assert_eq!(lookup(&mut reader, group(2)).members, PortSet::only(port(0)));
    writer.clear(group(1), port(31));
    writer.clear(group(1), port(63));
    assert_eq!(lookup(&mut reader, group(1)).members, PortSet::only(port(32)));
    writer.clear(group(1), port(32));
    assert_eq!(lookup(&mut reader, group(1)).members, PortSet::EMPTY);
}

#[test]
fn a_table_pays_for_ports_above_the_32nd_while_one_has_members() {
    let (mut writer, mut reader) = table(64, 2);
    writer.set(group(0), port(40)).unwrap();
    writer.set(group(1), port(1)).unwrap();
    writer.set(group(2), port(2)).unwrap();
    reader.quiesce();
    assert_eq!((writer.slots(), lines(&reader, group(0))), (8, 2), "grown, with the member of old");
    assert_eq!(lookup(&mut reader, group(0)).members, PortSet::only(port(40)));
    writer.clear(group(0), port(40));
    (3..20).for_each(|n| writer.set(group(n), port(3)).unwrap());
    reader.quiesce();
    assert_eq!(lines(&reader, group(0)), 1, "grown again, without");
}

#[test]
fn amounts_are_counted_each_for_its_slot() {
    let (mut writer, mut reader) = table(8, 8);
    (1..=8).for_each(|n| writer.set(group(n), port(0)).unwrap());
    let slots: Vec<u32> = (1..=8).map(|n| lookup(&mut reader, group(n)).slot).collect();
    // A miss counts nowhere, and what comes twice counts twice.
    let amounts = slots.iter().enumerate().map(|(n, slot)| (*slot, n as u64, 100 * n as u64));
    reader.count_burst(amounts.clone().chain([(Hit::NO_SLOT, 1, 1)]).chain(amounts));
    for n in 0..8 {
        let expected = GroupCounters { frames: 2 * n, bytes: 200 * n, filtered: 0 };
        assert_eq!(writer.counters(group(n as u32 + 1)), expected);
    }
}

#[test]
fn an_emptied_entry_is_revived_in_its_slot_with_its_counters() {
    let (mut writer, mut reader) = table(8, 8);
    writer.set(group(1), port(1)).unwrap();
    let before = lookup(&mut reader, group(1));
    reader.count(before.slot, 3, 300);
    reader.count_filtered(before.slot, 7);
    writer.clear(group(1), port(1));
    assert!(writer.is_empty());
    writer.set(group(1), port(2)).unwrap();
    settle(&mut writer, &mut reader);
    let after = lookup(&mut reader, group(1));
    assert_eq!((after.slot, after.members), (before.slot, PortSet::only(port(2))));
    assert_eq!(writer.counters(group(1)), GroupCounters { frames: 3, bytes: 300, filtered: 7 });
}

#[test]
fn a_slot_is_not_given_again_while_a_reader_may_know_its_old_key() {
    let (mut writer, mut reader) = table(2, 2);
    writer.set(group(1), port(1)).unwrap();
    let old = lookup(&mut reader, group(1));
    reader.count(old.slot, 1, 64);
    writer.clear(group(1), port(1));
    writer.maintain();
    writer.set(group(2), port(2)).unwrap();
    assert_ne!(lookup(&mut reader, group(2)).slot, old.slot);
    reader.count(old.slot, 1, 64);
    reader.count_filtered(old.slot, 1);
    assert_eq!(writer.maintain(), 0, "the reader has not passed");
    reader.quiesce();
    assert_eq!(writer.maintain(), 1);
    writer.set(group(3), port(3)).unwrap();
    assert_eq!(lookup(&mut reader, group(3)).slot, old.slot, "the only slot ready before it");
    assert_eq!(writer.counters(group(3)), GroupCounters::default(), "the old group's counts stay out");
}

#[test]
fn a_sleeping_or_dropped_reader_holds_nothing_up() {
    for drops in [false, true] {
        let (mut writer, mut reader) = table(8, 8);
        writer.set(group(1), port(1)).unwrap();
        writer.clear(group(1), port(1));
        assert_eq!(writer.maintain(), 0);
        assert_eq!(writer.maintain(), 0);
        let asleep = if drops {
            drop(reader);
            None
        } else {
            reader.sleep();
            Some(reader)
        };
        assert_eq!(writer.maintain(), 1);
        if let Some(mut reader) = asleep {
            writer.set(group(2), port(2)).unwrap();
            assert_eq!(lookup(&mut reader, group(2)).members, PortSet::only(port(2)), "a lookup wakes");
            writer.clear(group(2), port(2));
            writer.maintain();
            assert_eq!(writer.maintain(), 0, "awake again");
        }
    }
}

#[test]
fn the_limit_counts_live_entries_only() {
    let (mut writer, mut reader) = table(3, 1);
    (0..2).for_each(|n| writer.set(group(n), port(0)).unwrap());
    writer.watch(group(2)).unwrap();
    assert_eq!(writer.set(group(3), port(0)).unwrap_err().max_groups, 3);
    assert!(writer.watch(group(3)).is_err());
    writer.set(group(1), port(1)).unwrap();
    writer.clear(group(0), port(0));
    writer.set(group(3), port(0)).unwrap();
    assert!(writer.set(group(0), port(0)).is_err(), "reviving needs room as well");
    assert_eq!((writer.len(), writer.capacity()), (3, 3));
    settle(&mut writer, &mut reader);
    assert_eq!(lookup(&mut reader, group(3)).members, PortSet::only(port(0)));
}

#[test]
fn a_table_for_no_groups_takes_none() {
    let (mut writer, mut reader) = table(0, 10);
    assert!(writer.set(group(1), port(0)).is_err());
    assert_eq!(lookup(&mut reader, group(1)), Hit::MISS);
}

#[test]
fn a_watched_group_is_counted_without_members() {
    let (mut writer, mut reader) = table(8, 8);
    writer.watch(group(5)).unwrap();
    settle(&mut writer, &mut reader);
    let hit = lookup(&mut reader, group(5));
    assert!(hit.is_entry() && hit.members.is_empty());
    reader.count(hit.slot, 2, 128);
    assert_eq!(writer.counters(group(5)), GroupCounters { frames: 2, bytes: 128, filtered: 0 });
    writer.unwatch(group(5));
    settle(&mut writer, &mut reader);
    assert_eq!(lookup(&mut reader, group(5)), Hit::MISS);
}

#[test]
fn a_removed_port_is_gone_everywhere() {
    let (mut writer, mut reader) = table(1000, 1000);
    for n in 0..1000 {
        writer.set(group(n), port(7)).unwrap();
        if n % 2 == 0 {
            writer.set(group(n), port(8)).unwrap();
        }
    }
    writer.clear_port(port(7));
    assert_eq!(writer.len(), 500);
    assert!(writer.iter().all(|e| e.members == PortSet::only(port(8))));
    settle(&mut writer, &mut reader);
    assert_eq!(lookup(&mut reader, group(3)), Hit::MISS);
    assert_eq!(lookup(&mut reader, group(4)).members, PortSet::only(port(8)));
}

#[test]
fn growth_loses_no_group_and_no_count() {
    let (mut writer, mut reader) = table(5000, 1);
    for n in 0..5000 {
        writer.set(group(n), port(n as usize % 64)).unwrap();
        let hit = lookup(&mut reader, group(n / 2));
        if hit.is_entry() {
            reader.count(hit.slot, 1, 10);
        }
        reader.quiesce();
    }
    let counted: u64 = (0..5000).map(|n| writer.counters(group(n)).frames).sum();
    settle(&mut writer, &mut reader);
    assert_eq!((writer.outgrown.len(), writer.parked.len()), (0, 0), "outgrown tables are freed");
    for n in 0..5000 {
        assert_eq!(lookup(&mut reader, group(n)).members, PortSet::only(port(n as usize % 64)));
    }
    assert_eq!((0..5000).map(|n| writer.counters(group(n)).frames).sum::<u64>(), counted);
    assert_eq!(counted, 5000, "a reader that keeps up never misses a group");
    assert!(writer.slots() >= 2 * writer.len());
}

#[test]
fn a_reader_on_an_outgrown_table_sees_changes() {
    let (mut writer, mut reader) = table(64, 2);
    writer.set(group(0), port(0)).unwrap();
    (1..20).for_each(|n| writer.set(group(n), port(1)).unwrap());
    assert!(!writer.outgrown.is_empty());
    writer.set(group(0), port(5)).unwrap();
    assert_eq!(lookup(&mut reader, group(0)).members.len(), 2);
    writer.clear(group(0), port(0));
    assert_eq!(lookup(&mut reader, group(0)).members, PortSet::only(port(5)));
    assert_eq!(lookup(&mut reader, group(1)).members, PortSet::only(port(1)), "new, and there was room");
    reader.quiesce();
    (1..20).for_each(|n| assert_eq!(lookup(&mut reader, group(n)).members, PortSet::only(port(1))));
}

#[test]
fn a_reader_that_stands_still_costs_bounded_memory() {
    let (mut writer, mut reader) = table(16, 16);
    let mut refused = 0;
    for n in 0..5000 {
        match writer.set(group(n), port(0)) {
            Ok(()) => writer.clear(group(n), port(0)),
            Err(_) => refused += 1,
        }
        writer.maintain();
        assert!(writer.outgrown.len() + writer.parked.len() <= 8);
        assert_eq!(writer.slots(), 32);
    }
    assert!(refused > 0);
    settle(&mut writer, &mut reader);
    writer.set(group(1), port(0)).unwrap();
    assert_eq!(lookup(&mut reader, group(1)).members, PortSet::only(port(0)));
}

#[test]
fn maintain_does_a_bounded_part_of_the_work() {
    let (mut writer, mut reader) = table(2000, 2000);
    (0..2000).for_each(|n| writer.set(group(n), port(0)).unwrap());
    writer.clear_port(port(0));
    let mut turns = 0;
    while !(writer.emptied.is_empty() && writer.retiring.is_empty()) {
        reader.quiesce();
        assert!(writer.maintain() <= 256);
        turns += 1;
    }
    assert_eq!(turns, 2000_u32.div_ceil(256) + 1);
    assert_eq!(writer.current.used(), 0);
}

/// Keys whose search begins at bucket 0.
fn colliding(shadow: &Shadow) -> impl Iterator<Item = u32> + use<'_> {
    (0..).map(|n| group(n).to_bits()).filter(|&key| shadow.table.home(key) == 0)
}

#[test]
fn colliding_groups_are_found_until_the_probe_limit() {
    let mut seed = 9;
    let mut shadow = Shadow::new(2 * MAX_PROBE, 1, Seeds::next(&mut seed));
    let keys: Vec<u32> = colliding(&shadow).take(MAX_PROBE * LANES + 1).collect();
    let (last, keys) = keys.split_last().unwrap();
    for &key in keys {
        assert!(shadow.place(key, PortSet::ALL, false).is_some());
    }
    assert_eq!(shadow.place(*last, PortSet::ALL, false), None);
    shadow.check();
    let groups: Vec<u32> = keys.iter().copied().chain([*last]).collect();
    let mut hits = vec![Hit::MISS; groups.len()];
    shadow.table.lookup(0, &groups, &mut hits, |_| ());
    let (miss, hits) = hits.split_last().unwrap();
    assert!(hits.iter().all(|hit| hit.members == PortSet::ALL));
    assert_eq!(*miss, Hit::MISS);
}

#[test]
fn a_tombstone_ends_searches_only_when_none_has_to_pass() {
    let mut seed = 3;
    let mut shadow = Shadow::new(8, 0, Seeds::next(&mut seed));
    let keys: Vec<u32> = colliding(&shadow).take(LANES + 1).collect();
    let slots: Vec<usize> =
        keys.iter().map(|&key| shadow.place(key, PortSet::EMPTY, true).unwrap()).collect();
    assert_eq!(slots[LANES] / LANES, 1, "the fifth passes the first bucket, to the other one of its line");
    shadow.retire(slots[0]);
    shadow.vacate(slots[0]);
    assert_eq!(shadow.record(slots[0]).state, State::Vacant);
    assert_eq!(shadow.find(keys[LANES]), Some(slots[LANES]));
    shadow.check();
    shadow.retire(slots[LANES]);
    assert_eq!(shadow.record(slots[0]).state, State::Free, "nobody passes any more");
    shadow.vacate(slots[LANES]);
    shadow.check();
    assert_eq!(shadow.used(), LANES - 1);
}

#[test]
fn seeds_scatter_groups_that_look_alike() {
    let mut seed = 0;
    for step in [1, 4, 256, 65_536] {
        let mut shadow = Shadow::new(1024, 0, Seeds::next(&mut seed));
        for n in 0..2048 {
            let key = 0xe000_0000 + n * step;
            assert!(shadow.place(key, PortSet::ALL, false).is_some(), "group {n} by steps of {step}");
        }
        shadow.check();
    }
}
