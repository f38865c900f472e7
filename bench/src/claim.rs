//! One bench at a time on a machine: two would measure each other.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::BenchError;

/// Locked for as long as a run lives, and gone with the machine's memory. It says how many hugepages the run has reserved, for
/// the next one should this one be killed.
const NOTE: &str = "/run/manifold-bench.hugepages";

/// This run's claim on the machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    file: File,
    path: PathBuf,
}

impl Claim {
    /// Takes it.
    ///
    /// # Errors
    /// Another run has it, or its file cannot be made.
    pub(crate) fn take() -> Result<Self, BenchError> {
        Self::take_at(Path::new(NOTE))
    }

    fn take_at(path: &Path) -> Result<Self, BenchError> {
        let mut open = File::options();
        let file = open.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(BenchError::io(path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path: path.to_owned() }),
            Err(TryLockError::WouldBlock) => Err(BenchError::machine(
                "another bench is running",
                "wait for its end: both would measure each other",
            )),
            Err(TryLockError::Error(error)) => Err(BenchError::io(path.display())(error)),
        }
    }

    /// Hugepages that were noted last: by a run that was killed, if this one has noted none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn noted(&self) -> Result<u64, BenchError> {
        let (mut file, mut text) = (&self.file, String::new());
        file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(self.failed())?;
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Notes how many hugepages this run has reserved.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn note(&self, pages: u64) -> Result<(), BenchError> {
        let (mut file, text) = (&self.file, pages.to_string());
        let empty = file.set_len(0).and_then(|()| file.rewind());
        empty.and_then(|()| file.write_all(text.as_bytes())).map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(std::io::Error) -> BenchError {
        BenchError::io(self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_whatever_it_measures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let first = Claim::take_at(&path).unwrap();
        assert_eq!(first.noted().unwrap(), 0);
        first.note(512).unwrap();
        first.note(96).unwrap();
        let second = Claim::take_at(&path).unwrap_err().to_string();
        assert_eq!(second, "another bench is running; wait for its end: both would measure each other");
        drop(first);
        assert_eq!(Claim::take_at(&path).unwrap().noted().unwrap(), 96, "what a killed run has left");
    }
}
