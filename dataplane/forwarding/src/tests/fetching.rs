//! What a burst fetches towards the cache before it reads it. Nothing that is sent or counted tells whether it does, and on
//! plain buffers nothing is fetched: so a burst here notes what it is told to.

use std::cell::RefCell;

use group_table::Hit;
use types::FrameBurst;

use super::bench::*;
use crate::{OwnedBurst, OwnedFrame};

thread_local! {
    static FETCHED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn note(line: *const u8) {
    FETCHED.with_borrow_mut(|fetched| fetched.push(line.addr()));
}

fn noted() -> Vec<usize> {
    FETCHED.take()
}

/// A burst that notes what it is told to fetch.
#[derive(Default)]
struct Noting(OwnedBurst);

impl FrameBurst for Noting {
    type Frame = OwnedFrame;

    fn frames(&self) -> &[OwnedFrame] {
        self.0.frames()
    }

    fn frames_mut(&mut self) -> &mut [OwnedFrame] {
        self.0.frames_mut()
    }

    fn prefetch(address: *const u8) {
        note(address);
    }

    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = OwnedFrame> {
        self.0.take(count)
    }
}

/// The lines of the table that a look-up of `groups` reads, and those of what is counted for them.
fn lines(bench: &mut Bench, groups: &[u32]) -> [Vec<usize>; 2] {
    let table = bench.forwarder.table();
    table.prefetch_burst(groups, note);
    let read = noted();
    table.lookup_to_count(groups, &mut vec![Hit::MISS; groups.len()], note);
    [read, noted()]
}

#[test]
fn a_burst_fetches_the_lines_of_its_groups_and_then_those_of_their_counters() {
    let mut bench = Bench::new();
    let names = ["239.1.1.1", "239.1.1.2", "239.1.1.3", "239.1.1.4"];
    // The last has no members; the third has one above the 32nd port, whose bit is in a line of its own.
    for (name, client) in names.iter().zip([1, 2, 40]) {
        bench.table.set(group(name), port(client)).unwrap();
    }
    for wanted in [&names[..], &names[1..3], &[names[3], names[0]]] {
        let groups: Vec<u32> = wanted.iter().map(|name| group(name).to_bits()).collect();
        let [read, counted] = lines(&mut bench, &groups);
        assert_eq!((read.len(), counted.len()), (2 * groups.len(), groups.len()));
        let mut burst = Noting::default();
        // Two of each that follow each other are one look-up.
        burst.0.0.extend(wanted.iter().flat_map(|name| [name; 2]).map(|name| OwnedFrame(data(group(name)))));
        bench.pass_burst(0, &mut burst);
        assert_eq!(noted(), [read, counted].concat(), "{wanted:?}");
    }
    assert_eq!(bench.sent().len(), 2 * 2 + 2 + 2, "port 40 takes none");
}
