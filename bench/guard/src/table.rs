//! The group table: bursts of lookups, counting, and changes.

use std::hint::black_box;

use group_table::{GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table};
use types::{GroupAddr, PortIndex};

use crate::Pieces;

const BURST: usize = 32;
const GROUPS: u32 = 0xef00_0000;

pub(crate) const WORK: Pieces = &[
    ("look up 32 of 1 group", || lookup(1, 1)),
    ("look up 32 of 16 groups", || lookup(16, 16)),
    ("look up 32 of 4096 groups", || lookup(4096, 4096)),
    ("look up 32, most of them misses", || lookup(300, 1 << 20)),
    ("count 32 hits of 16 groups", count),
    ("join and leave in the table", change),
];

fn table(groups: u32) -> (GroupTableWriter, GroupTableReader) {
    let (mut writer, mut readers) = group_table(TableSettings { max_groups: 8192, readers: 1, seed: 3 });
    for number in 0..groups {
        let group = GroupAddr::from_bits(GROUPS | number).expect("a group");
        writer.set(group, PortIndex::new(number as usize % 64).expect("below 64")).expect("room");
    }
    let mut reader = readers.remove(0);
    reader.quiesce();
    (writer, reader)
}

/// 32 groups below `limit`, in no order.
fn groups(limit: u32) -> [u32; BURST] {
    let mut state = 1u64;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        GROUPS | ((state >> 33) % u64::from(limit)) as u32
    })
}

fn lookup(in_table: u32, asked: u32) -> Box<dyn FnMut()> {
    let (writer, mut reader) = table(in_table);
    let asked = groups(asked);
    let mut hits = [Hit::MISS; BURST];
    Box::new(move || {
        let _ = &writer;
        reader.lookup_burst(black_box(&asked), &mut hits);
        assert_eq!(black_box(&hits)[0].is_entry(), asked[0] < GROUPS + in_table);
    })
}

fn count() -> Box<dyn FnMut()> {
    let (writer, mut reader) = table(16);
    let mut hits = [Hit::MISS; BURST];
    reader.lookup_burst(&groups(16), &mut hits);
    Box::new(move || {
        let _ = &writer;
        black_box(&hits).iter().for_each(|hit| reader.count(hit.slot, 1, 1358));
    })
}

fn change() -> Box<dyn FnMut()> {
    let (mut writer, reader) = table(300);
    let (group, port) =
        (GroupAddr::from_bits(GROUPS | 7).expect("a group"), PortIndex::new(9).expect("below 64"));
    Box::new(move || {
        let _ = &reader;
        writer.set(group, port).expect("it has an entry");
        writer.clear(group, port);
    })
}
