//! Counts the instructions of every piece of work and holds them to the baseline.
//!
//! ```text
//! guard                    compares; status 1 when something became dearer or cheaper, 2 when it cannot
//! guard --accept           writes the baseline
//! guard --turns N NAME     takes turns of one piece: what runs under valgrind
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    guard::suite().main()
}
