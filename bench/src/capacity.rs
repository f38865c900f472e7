//! b7: how many groups are forwarded at a time, and what one costs in memory.
//!
//! Delivery is Manifold's: a host on its client port asks for every group, then the source sends one frame to each, and
//! as many must come out. Memory is the group table's alone, in this process: what
//! a look-up reads follows from the slots of a full table; the rest is how much the bench's resident set grows by filling
//! one, with a reader's counters and without.

use group_table::{TableSettings, group_table_sized};
use types::{GroupAddr, PortIndex};

use crate::aim::Aim;
use crate::error::BenchError;
use crate::figures::{FIGURES, Party};
use crate::report::FigureReport;
use crate::stats::Spread;

/// Its id.
pub(crate) const ID: &str = "b7";
/// Groups, a power of two.
pub(crate) const GROUPS: u32 = 262_144;
/// What a worker reads of a group, at most; and that with what it counts.
const TABLE_BYTES: f64 = 32.0;
const COUNTED_BYTES: f64 = 64.0;
/// A slot's key and its set of ports: what a look-up reads.
const SLOT: f64 = 16.0;
const FIRST_GROUP: u32 = 0xef10_0000; // 239.16.0.0
const PAGE: f64 = 4096.0;

/// Who delivers, and to how many groups.
pub(crate) fn party() -> Party {
    Party { groups: GROUPS, ..FIGURES[0].ours }
}

/// The figure's rows, once each of `groups` groups got its frame.
///
/// # Errors
/// The table does not take so many, or the kernel does not tell this process's memory.
pub(crate) fn reports(groups: u32) -> Result<Vec<FigureReport>, BenchError> {
    let one = |value: f64| Spread { min: value, median: value, max: value };
    let new = |what: &str, unit| FigureReport::new(ID, what.to_owned(), "group capacity", unit);
    let (bare, counting) = (filled(groups, 0)?, filled(groups, 1)?);
    let table = bare.slots as f64 * SLOT / f64::from(groups);
    let counters = (counting.bytes - bare.bytes) / f64::from(groups);
    let delivering = new("groups each delivering", "groups");
    Ok(vec![
        delivering.alone(one(f64::from(groups)), Some(Aim::AtLeast(f64::from(GROUPS)))),
        new("bytes of table", "bytes/group").alone(one(table), Some(Aim::AtMost(TABLE_BYTES))),
        new("bytes with counters", "bytes/group")
            .alone(one(table + counters), Some(Aim::AtMost(COUNTED_BYTES))),
        new("bytes with the writer's own records", "bytes/group")
            .alone(one(counting.bytes / f64::from(groups)), None),
    ])
}

/// A full table.
struct Filled {
    slots: usize,
    /// What the process grew by.
    bytes: f64,
}

fn filled(groups: u32, readers: usize) -> Result<Filled, BenchError> {
    let before = resident()?;
    let settings = TableSettings { max_groups: groups as usize, readers, seed: 7 };
    // Sized at once: a table that it outgrew would be counted, too.
    let (mut writer, readers) = group_table_sized(settings, groups as usize);
    let port = PortIndex::new(1).ok_or_else(|| BenchError::machine("there is no port 1", "report it"))?;
    for bits in FIRST_GROUP..FIRST_GROUP + groups {
        let group = GroupAddr::from_bits(bits);
        let group = group.ok_or_else(|| BenchError::machine("no multicast address", "report it"))?;
        writer.set(group, port).map_err(|e| BenchError::delivery("the group table", e))?;
    }
    let bytes = resident()? - before;
    drop(readers);
    Ok(Filled { slots: writer.slots(), bytes })
}

/// Resident bytes of this process.
fn resident() -> Result<f64, BenchError> {
    const STATM: &str = "/proc/self/statm";
    let text = std::fs::read_to_string(STATM).map_err(BenchError::io(STATM))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    Ok(PAGE * pages.ok_or_else(|| BenchError::machine(format!("{STATM} says `{text}`"), "report it"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Verdict;

    #[test]
    fn each_number_has_a_row_and_its_aim() {
        let reports = reports(4096).unwrap();
        assert_eq!(reports.len(), 4);
        assert_eq!(reports[0].verdict, Verdict::Missed, "4096 groups are too few");
        assert_eq!((reports[1].ours.unwrap().median, &reports[1].verdict), (32.0, &Verdict::Reached));
        assert_eq!((reports[2].aim, reports[3].aim), (Some(COUNTED_BYTES), None));
    }
}
