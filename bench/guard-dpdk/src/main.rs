//! What `guard` does on plain buffers, on DPDK's: mbufs, the array that goes to every port, the shim in C, and the null
//! driver, which frees what it is given. EAL runs without hugepages, and so under valgrind; each piece has a process of its
//! own anyway.
//!
//! ```text
//! guard-dpdk                  compares; status 1 when something became dearer or cheaper, 2 when it cannot
//! guard-dpdk --accept         writes the baseline
//! guard-dpdk --turns N NAME   takes turns of one piece: what runs under valgrind
//! ```
//!
//! The counts are of the distribution's DPDK, whose null driver and allocator are in them; of references counted
//! without atomics they say nothing.

mod pieces;

use std::path::Path;
use std::process::ExitCode;

use guard::{Difference, Suite, Work};

/// What more ports cost.
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "  29 further ports",
        with: "replicate 32 mbufs to 30 ports",
        without: "replicate 32 mbufs to 1 port",
    },
    Difference {
        name: "  29 further ports of the whole way",
        with: "forward 32 mbufs to 30 ports",
        without: "forward 32 mbufs to 1 port",
    },
    Difference {
        name: "  all before replication",
        with: "forward 32 mbufs to 1 port",
        without: "replicate 32 mbufs to 1 port",
    },
];

fn suite() -> Suite {
    Suite {
        program: "guard-dpdk",
        pieces: pieces::WORK.iter().map(|&(name, prepare)| Work { name, prepare }).collect(),
        differences: DIFFERENCES,
        baseline: Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml")),
        // EAL's start has some hundreds of instructions more or less.
        turns: 256,
        runtime: None,
    }
}

fn main() -> ExitCode {
    match tempfile::tempdir() {
        Ok(runtime) => Suite { runtime: Some(runtime.path().to_owned()), ..suite() }.main(),
        Err(error) => {
            eprintln!("guard-dpdk: a folder for what EAL writes: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guard::{Baseline, NAME_WIDTH};

    #[test]
    fn the_baseline_has_every_piece_and_no_other() {
        let suite = suite();
        let names: Vec<_> = suite.pieces.iter().map(|work| work.name).collect();
        assert!(names.iter().all(|name| name.len() <= NAME_WIDTH));
        Baseline::read(suite.baseline).expect("a baseline").of(&names).expect("the same pieces");
        for difference in suite.differences {
            assert!(
                names.contains(&difference.with) && names.contains(&difference.without),
                "{difference:?}"
            );
        }
    }
}
