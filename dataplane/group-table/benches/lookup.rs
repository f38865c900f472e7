//! What a look-up costs when the table is larger than the first caches: thousands of bursts of 32 in an order that no
//! prefetcher guesses. Each run asserts what it found. What one burst costs in instructions, and every other piece of
//! the table's work, is among the guard's pieces (`cargo bench -p guard` has them in time).
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
    for groups in [16, 300, 4096, 1 << 16] {
        let (_writer, mut reader) = table(groups);
        let bursts = bursts(groups, 4096);
        let mut hits = [Hit::MISS; BURST];
        let mut next = 0;
        benches.bench_function(BenchmarkId::from_parameter(format!("{groups} groups")), |b| {
            b.iter(|| {
                next = (next + 1) % bursts.len();
                reader.lookup_burst(black_box(&bursts[next]), &mut hits);
                black_box(&hits);
            });
        });
        for (hit, &asked) in hits.iter().zip(&bursts[next]) {
            assert!(hit.is_entry(), "{asked:#x}");
        }
    }
    benches.finish();
}

criterion_group!(benches, lookup_burst);
criterion_main!(benches);
