//! Hugepages for as long as the bench runs.

use std::fs;
use std::rc::Rc;

use crate::claim::Claim;
use crate::error::BenchError;

const RESERVED: &str = "/proc/sys/vm/nr_hugepages";
const MEMINFO: &str = "/proc/meminfo";

/// Pages that were reserved here, given back on drop.
#[derive(Debug)]
pub(crate) struct Hugepages {
    added: u64,
    claim: Rc<Claim>,
}

impl Hugepages {
    /// Sees to it that `megabytes` MiB of hugepages are free, reserving what is missing, and notes it in the run's `claim`.
    ///
    /// # Errors
    /// The kernel has no hugepages, does not let us reserve them, or has too little memory in one piece.
    pub(crate) fn reserve(claim: &Rc<Claim>, megabytes: u64) -> Result<Self, BenchError> {
        let size_kb = field("Hugepagesize:").filter(|kb| *kb > 0).ok_or_else(|| {
            BenchError::machine("this kernel has no hugepages", "boot one with CONFIG_HUGETLBFS")
        })?;
        let needed = (megabytes * 1024).div_ceil(size_kb);
        let (free, before) = (free_pages(), reserved()?);
        // What is hoped for, then what was had.
        claim.note(needed.saturating_sub(free))?;
        if free >= needed {
            return Ok(Self { added: 0, claim: Rc::clone(claim) });
        }
        let wanted = before + needed - free;
        set_reserved(wanted).map_err(|e| {
            BenchError::machine(
                format!("hugepages cannot be reserved: {e}"),
                format!("run as root, or reserve them before: `sysctl vm.nr_hugepages={wanted}`"),
            )
        })?;
        let taken = Self { added: reserved()?.saturating_sub(before), claim: Rc::clone(claim) };
        claim.note(taken.added)?;
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
        let _ = self.claim.note(0);
    }
}

/// Gives back what a run that was killed had reserved.
///
/// # Errors
/// Its note cannot be read or written.
pub(crate) fn give_back_left(claim: &Claim) -> Result<(), BenchError> {
    let left = claim.noted()?;
    if left > 0 {
        eprintln!("bench: gives back {left} hugepages that a run that was killed had reserved");
        give_back(left);
    }
    claim.note(0)
}

/// Others may have changed the number meanwhile: what is taken back is what was added.
fn give_back(added: u64) {
    if let Ok(now) = reserved()
        && let Err(error) = set_reserved(now.saturating_sub(added))
    {
        eprintln!("bench: {added} hugepages were not given back: {error}");
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
    fn meminfo_is_read_by_field() {
        let text = "MemTotal:  100 kB\nHugePages_Free:       40\nHugepagesize:       2048 kB\n";
        assert_eq!(field_in(text, "HugePages_Free:"), Some(40));
        assert_eq!(field_in(text, "Hugepagesize:"), Some(2048));
        assert_eq!(field_in(text, "HugePages_Rsvd:"), None);
    }
}
