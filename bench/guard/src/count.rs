//! Instructions of one turn, by callgrind.

use std::path::Path;
use std::process::Command;
use std::{fmt, io};

/// Why nothing was counted.
#[derive(Debug)]
pub(crate) enum CountError {
    /// valgrind does not run.
    Valgrind(io::Error),
    /// It ran, and said this and no count.
    NoCount(String),
}

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valgrind(error) => {
                write!(f, "valgrind does not run: {error}; `dpdk-build/setup.sh guard` installs it")
            }
            Self::NoCount(said) => write!(f, "valgrind counted nothing; it said:\n{said}"),
        }
    }
}

impl std::error::Error for CountError {}

/// Takes `turns` turns of a piece; what `count` runs under valgrind.
pub(crate) fn take_turns(work: &crate::Work, turns: u64) {
    let mut turn = (work.prepare)();
    for _ in 0..turns {
        turn();
    }
}

/// Instructions of one turn of the piece `name` that `program` runs when told `--turns N NAME`, from runs of `turns` and
/// twice as many, with `runtime` for what it writes.
///
/// # Errors
/// valgrind does not run, or the program fails under it.
pub(crate) fn count(
    program: &Path,
    name: &str,
    turns: u64,
    runtime: Option<&Path>,
) -> Result<u64, CountError> {
    let [once, twice] = [turns, 2 * turns].map(|turns| run(program, name, turns, runtime));
    Ok(twice?.saturating_sub(once?).div_ceil(turns))
}

fn run(program: &Path, name: &str, turns: u64, runtime: Option<&Path>) -> Result<u64, CountError> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--turns", &turns.to_string(), name])
        // What the linker and the allocator do with these is no part of the work.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(runtime.map(|folder| ("RUNTIME_DIRECTORY", folder)))
        .output()
        .map_err(CountError::Valgrind)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = collected(&said).filter(|_| output.status.success());
    counted.ok_or_else(|| CountError::NoCount(said.into_owned()))
}

/// The count in what callgrind says at its end: `==123== Collected : 4567`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Callgrind, a call-graph\n==7== Events    : Ir\n==7== Collected : 987654\n==7== \n";
        assert_eq!(collected(said), Some(987_654));
        assert_eq!(collected("==7== valgrind: unrecognised instruction"), None);
    }

    #[test]
    fn a_program_that_does_not_run_counts_nothing() {
        let error = count(Path::new("/nonexistent/guard"), "any", 1, None).unwrap_err().to_string();
        assert!(error.contains("valgrind"), "{error}");
    }
}
