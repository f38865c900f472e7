//! What the hot paths cost: the same pieces of work counted in instructions (the binary `guard`) and timed (the
//! criterion suite `paths`). No DPDK: what it adds is `guard-dpdk`'s, by the same means. A piece prepares itself from fixed seeds and asserts what it delivers, so each turn
//! does the same on every machine.
//!
//! ```text
//! make bench-guard               counts, and compares with bench/guard/baseline.toml
//! make bench-guard-accept        counts, and writes that file
//! cargo bench -p guard           times
//! ```
//!
//! Instructions come from valgrind's callgrind, which counts without looking at a clock. A piece runs for some turns, and
//! for twice as many: the difference is what the turns cost, without preparation and start-up. What small steps cost shows where a
//! piece is held beside another without them ([`DIFFERENCES`]). Of the vector code that is
//! chosen when the program runs, valgrind offers AVX2 and no AVX-512. A tool of our own and not gungraun (iai-callgrind):
//! that wants a runner of its very version installed beside it, and its own copy of every benchmark.

mod baseline;
mod count;
mod difference;
mod forward;
mod protocol;
mod replicate;
pub mod stage;
mod suite;
mod table;

pub use baseline::{Baseline, Change, DIFFERENCE_TOLERANCE, NAME_WIDTH, TOLERANCE};
pub use difference::{DIFFERENCES, Difference};
pub use suite::Suite;

use std::path::Path;

/// This crate's pieces.
pub fn suite() -> Suite {
    Suite {
        program: "guard",
        pieces: all().collect(),
        differences: DIFFERENCES,
        baseline: Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml")),
        turns: 16,
        runtime: None,
    }
}

/// A piece of work that is repeated.
pub struct Work {
    /// Its name in the baseline and on the command line.
    pub name: &'static str,
    /// Makes what it needs; the result is one turn, and every turn is like the others.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// Every piece.
pub fn all() -> impl Iterator<Item = Work> {
    [forward::WORK, replicate::WORK, table::WORK, protocol::WORK]
        .into_iter()
        .flatten()
        .map(|&(name, prepare)| Work { name, prepare })
}

/// Pieces by name.
pub type Pieces = &'static [(&'static str, fn() -> Box<dyn FnMut()>)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_does_its_work_and_has_a_name_of_its_own() {
        let mut names = Vec::new();
        for work in all() {
            let mut turn = (work.prepare)();
            for _ in 0..3 {
                turn();
            }
            assert!(!names.contains(&work.name), "{} twice", work.name);
            assert!(work.name.len() <= NAME_WIDTH, "{} is too long for the table", work.name);
            names.push(work.name);
        }
        assert!(names.len() > 10);
    }

    #[test]
    fn the_baseline_has_every_piece_and_no_other() {
        let baseline = Baseline::read(suite().baseline).expect("the baseline of this tree");
        let pieces: Vec<_> = all().map(|work| work.name).collect();
        baseline.of(&pieces).expect("the same pieces");
    }
}
