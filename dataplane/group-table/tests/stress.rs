//! Real threads, a bounded number of bursts: what the model tests in steps, at full speed.
#![cfg(not(loom))]

use group_table::{GroupTableReader, GroupTableWriter, Hit, TableSettings, group_table_sized};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use types::{GroupAddr, PortIndex, PortSet};

const READERS: usize = 3;
const BURST: usize = 32;
const BURSTS: u64 = 40_000;

/// Groups that always have their port, of all that come and go.
const STEADY: u32 = 16;
const CHURNING: u32 = 1500;

fn group(number: u32) -> GroupAddr {
    GroupAddr::from_bits(0xe800_0000 + number * 257).unwrap()
}

/// The only port a group ever has: another one is another group's.
fn port(number: u32) -> PortIndex {
    PortIndex::new(number as usize % 61).unwrap()
}

/// A small generator, so that runs differ by their interleaving alone.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

/// Looks up steady and churning groups, counts each hit, and returns what it counted for steady ones.
fn work(mut reader: GroupTableReader, seed: u64) -> (GroupTableReader, [u64; STEADY as usize]) {
    let mut random = Numbers(seed);
    let mut counted = [0; STEADY as usize];
    let (mut numbers, mut asked) = ([0; BURST], [0; BURST]);
    let mut hits = [Hit::MISS; BURST];
    for burst in 0..BURSTS {
        for (number, asked) in numbers.iter_mut().zip(&mut asked) {
            let limit = if random.below(4) == 0 { STEADY } else { STEADY + CHURNING };
            *number = random.below(limit);
            *asked = group(*number).to_bits();
        }
        reader.lookup_burst(&asked, &mut hits);
        for (&number, hit) in numbers.iter().zip(&hits) {
            let members = PortSet::only(port(number));
            if number < STEADY {
                assert_eq!(hit.members, members, "steady group {number}");
                counted[number as usize] += 1;
            } else {
                assert!(hit.members.is_empty() || hit.members == members, "group {number}: {hit:?}");
            }
            reader.count(hit.slot, 1, 1000);
        }
        match random.below(64) {
            0 => reader.sleep(),
            1..32 => reader.quiesce(),
            _ if burst % 16 == 0 => reader.quiesce(),
            _ => {}
        }
    }
    reader.sleep();
    (reader, counted)
}

/// Joins and leaves until every reader is done.
fn churn(writer: &mut GroupTableWriter, done: &AtomicUsize) -> u64 {
    let mut random = Numbers(99);
    let mut joined = 0;
    while done.load(Ordering::Acquire) < READERS {
        for _ in 0..64 {
            let number = STEADY + random.below(CHURNING);
            if random.below(2) == 0 {
                joined += u64::from(writer.set(group(number), port(number)).is_ok());
            } else {
                writer.clear(group(number), port(number));
            }
        }
        writer.maintain();
    }
    joined
}

#[test]
fn readers_see_their_groups_ports_alone_and_lose_no_count() {
    let settings = TableSettings { max_groups: 4096, readers: READERS, seed: 5 };
    let (mut writer, readers) = group_table_sized(settings, STEADY as usize);
    (0..STEADY).for_each(|n| writer.set(group(n), port(n)).unwrap());
    let done = AtomicUsize::new(0);
    let (joined, results) = thread::scope(|scope| {
        let start = |(seed, reader)| {
            let done = &done;
            scope.spawn(move || {
                // Also when an assertion fails, or the writer would wait for ever.
                let _done = OnDrop(|| _ = done.fetch_add(1, Ordering::Release));
                work(reader, seed)
            })
        };
        let workers: Vec<_> = (1..).zip(readers).map(start).collect();
        let joined = churn(&mut writer, &done);
        (joined, workers.into_iter().map(|w| w.join().unwrap()).collect::<Vec<_>>())
    });
    assert!(joined > 0 && writer.slots() > 2 * STEADY as usize, "it churned and grew");
    for number in 0..STEADY {
        let counted: u64 = results.iter().map(|(_, counted)| counted[number as usize]).sum();
        let counters = writer.counters(group(number));
        assert_eq!((counters.frames, counters.bytes), (counted, counted * 1000), "group {number}");
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}
