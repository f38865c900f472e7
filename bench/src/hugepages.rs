//! Hugepages for as long as the bench runs.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::BenchError;

const RESERVED: &str = "/proc/sys/vm/nr_hugepages";
const MEMINFO: &str = "/proc/meminfo";
/// How many pages a run has reserved, for the next one should this one be killed: locked as long as it lives, and gone with
/// the machine's memory.
const NOTE: &str = "/run/manifold-bench.hugepages";

/// Pages that were reserved here, given back on drop.
#[derive(Debug)]
pub(crate) struct Hugepages {
    added: u64,
    note: Note,
}

impl Hugepages {
    /// Sees to it that `megabytes` MiB of hugepages are free, reserving what is missing.
    ///
    /// # Errors
    /// The kernel has no hugepages, does not let us reserve them, or has too little memory in one piece.
    pub(crate) fn reserve(megabytes: u64) -> Result<Self, BenchError> {
        let size_kb = field("Hugepagesize:").filter(|kb| *kb > 0).ok_or_else(|| {
            BenchError::machine("this kernel has no hugepages", "boot one with CONFIG_HUGETLBFS")
        })?;
        let mut note = Note::take(Path::new(NOTE))?;
        let left = note.left()?;
        if left > 0 {
            eprintln!("bench: gives back {left} hugepages that a run that was killed had reserved");
            give_back(left);
        }
        let needed = (megabytes * 1024).div_ceil(size_kb);
        let (free, before) = (free_pages(), reserved()?);
        // What is hoped for, then what was had.
        note.write(needed.saturating_sub(free))?;
        if free >= needed {
            return Ok(Self { added: 0, note });
        }
        let wanted = before + needed - free;
        set_reserved(wanted).map_err(|e| {
            BenchError::machine(
                format!("hugepages cannot be reserved: {e}"),
                format!("run as root, or reserve them before: `sysctl vm.nr_hugepages={wanted}`"),
            )
        })?;
        let mut taken = Self { added: reserved()?.saturating_sub(before), note };
        taken.note.write(taken.added)?;
        match free_pages() {
            free if free >= needed => Ok(taken),
            free => Err(BenchError::machine(
                format!(
                    "{megabytes} MiB of hugepages are needed, {} MiB could be had",
                    free * size_kb / 1024
                ),
                "free some memory, or reserve hugepages right after boot",
            )),
        }
    }
}

impl Drop for Hugepages {
    fn drop(&mut self) {
        if self.added > 0 {
            give_back(self.added);
        }
        // What is left there would be given back once more. If it cannot be written, the next run says so.
        let _ = self.note.write(0);
    }
}

/// Others may have changed the number meanwhile: what is taken back is what was added.
fn give_back(added: u64) {
    if let Ok(now) = reserved()
        && let Err(error) = set_reserved(now.saturating_sub(added))
    {
        eprintln!("bench: {added} hugepages were not given back: {error}");
    }
}

/// The file in which a run notes what it has reserved.
#[derive(Debug)]
struct Note(File);

impl Note {
    /// The file at `path`, for this run alone.
    ///
    /// # Errors
    /// It cannot be made, or another run has it.
    fn take(path: &Path) -> Result<Self, BenchError> {
        let mut open = File::options();
        let file = open.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(BenchError::io(path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(BenchError::machine(
                "another bench is running",
                "wait for its end: both would measure each other",
            )),
            Err(TryLockError::Error(error)) => Err(BenchError::io(path.display())(error)),
        }
    }

    /// What the last run noted and did not take back: it was killed.
    fn left(&mut self) -> Result<u64, BenchError> {
        let mut text = String::new();
        self.0.rewind().and_then(|()| self.0.read_to_string(&mut text)).map_err(BenchError::io(NOTE))?;
        Ok(text.trim().parse().unwrap_or(0))
    }

    fn write(&mut self, pages: u64) -> Result<(), BenchError> {
        let text = pages.to_string();
        let whole = self.0.set_len(0).and_then(|()| self.0.rewind());
        whole.and_then(|()| self.0.write_all(text.as_bytes())).map_err(BenchError::io(NOTE))
    }
}

fn reserved() -> Result<u64, BenchError> {
    let text = fs::read_to_string(RESERVED).map_err(BenchError::io(RESERVED))?;
    text.trim()
        .parse()
        .map_err(|_| BenchError::machine(format!("{RESERVED} holds `{}`", text.trim()), "report it"))
}

fn set_reserved(pages: u64) -> std::io::Result<()> {
    fs::write(RESERVED, pages.to_string())
}

/// Free pages of the default size that nobody was promised.
fn free_pages() -> u64 {
    field("HugePages_Free:").unwrap_or(0).saturating_sub(field("HugePages_Rsvd:").unwrap_or(0))
}

fn field(name: &str) -> Option<u64> {
    field_in(&fs::read_to_string(MEMINFO).ok()?, name)
}

/// A number of that name in the text of `/proc/meminfo`.
pub(crate) fn field_in(meminfo: &str, name: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_noted_is_left_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let mut first = Note::take(&path).unwrap();
        assert_eq!(first.left().unwrap(), 0);
        first.write(512).unwrap();
        first.write(96).unwrap();
        assert!(Note::take(&path).unwrap_err().to_string().starts_with("another bench is running"));
        drop(first);
        assert_eq!(Note::take(&path).unwrap().left().unwrap(), 96);
    }

    #[test]
    fn meminfo_is_read_by_field() {
        let text = "MemTotal:  100 kB\nHugePages_Free:       40\nHugepagesize:       2048 kB\n";
        assert_eq!(field_in(text, "HugePages_Free:"), Some(40));
        assert_eq!(field_in(text, "Hugepagesize:"), Some(2048));
        assert_eq!(field_in(text, "HugePages_Rsvd:"), None);
    }
}
