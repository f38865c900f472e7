//! What a lookup costs: bursts of 32 that ask for few groups (a headend) or for random ones of 65,536
//! (a table beyond the first caches), hits and misses. Each run asserts what it found.
//!
//! `cargo bench -p group-table`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use group_table::{GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table};
use std::hint::black_box;
use types::{GroupAddr, PortIndex};

const BURST: usize = 32;

fn group(number: u32) -> u32 {
    0xef00_0000 | number
}

/// A table of `groups` groups, each with the one port its number gives.
fn table(groups: u32) -> (GroupTableWriter, GroupTableReader) {
    let settings = TableSettings { max_groups: 1 << 16, readers: 1, seed: 3 };
    let (mut writer, mut readers) = group_table(settings);
    for number in 0..groups {
        let port = PortIndex::new(number as usize % 64).expect("below 64");
        writer.set(GroupAddr::from_bits(group(number)).expect("a group"), port).expect("room");
    }
    let mut reader = readers.remove(0);
    reader.quiesce();
    (writer, reader)
}

/// Bursts of groups below `limit`, in an order that no prefetcher guesses.
fn bursts(limit: u32, count: usize) -> Vec<[u32; BURST]> {
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        group(((state >> 33) % u64::from(limit)) as u32)
    };
    (0..count).map(|_| std::array::from_fn(|_| number())).collect()
}

fn lookup_burst(c: &mut Criterion) {
    let mut benches = c.benchmark_group("lookup_burst");
    benches.throughput(Throughput::Elements(BURST as u64));
    // Groups in the table, groups asked for, a name.
    let cases = [
        (1, 1, "1 group"),
        (4, 4, "4 groups"),
        (16, 16, "16 groups"),
        (300, 300, "300 groups"),
        (1 << 16, 1 << 16, "65536 groups"),
        (300, 1 << 24, "300 groups, misses"),
    ];
    for (groups, asked, name) in cases {
        let (_writer, mut reader) = table(groups);
        let bursts = bursts(asked, 4096);
        let mut hits = [Hit::MISS; BURST];
        let mut next = 0;
        benches.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                next = (next + 1) % bursts.len();
                reader.lookup_burst(black_box(&bursts[next]), &mut hits);
                black_box(&hits);
            });
        });
        for (hit, &asked) in hits.iter().zip(&bursts[next]) {
            assert_eq!(hit.is_entry(), asked < group(groups), "{asked:#x}");
        }
    }
    benches.finish();
}

fn count(c: &mut Criterion) {
    let (_writer, mut reader) = table(16);
    let mut hits = [Hit::MISS; BURST];
    reader.lookup_burst(&bursts(16, 1)[0], &mut hits);
    c.bench_function("count a burst", |b| {
        b.iter(|| black_box(&hits).iter().for_each(|hit| reader.count(hit.slot, 1, 1358)));
    });
    c.bench_function("quiesce, nothing reclaimed", |b| b.iter(|| reader.quiesce()));
}

fn change(c: &mut Criterion) {
    let (mut writer, _reader) = table(300);
    let group = GroupAddr::from_bits(group(7)).expect("a group");
    let port = PortIndex::new(9).expect("below 64");
    c.bench_function("join and leave", |b| {
        b.iter(|| {
            writer.set(group, port).expect("it has an entry");
            writer.clear(group, port);
        });
    });
}

criterion_group!(benches, lookup_burst, count, change);
criterion_main!(benches);
