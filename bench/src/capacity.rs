//! b7: how many groups are forwarded at a time, and what one costs in memory.
//!
//! Delivery is Manifold's: a host on its client port asks for every group, then the source sends one frame to each, and
//! as many must come out. Memory is the group table's alone, in this process: what
//! a look-up reads follows from the slots of a full table; the rest is how much more the bench's resident set grows by one
//! of twice the size, to a tenth of a byte, with a reader that counted a frame of each group and without.

use group_table::{
    GroupTableReader, GroupTableWriter, HIGH_BYTES, Hit, SLOT_BYTES, TableSettings, group_table_sized,
};
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
/// What a worker reads of a group, at most; and that with all that it counts.
const TABLE_BYTES: f64 = 32.0;
const COUNTED_BYTES: f64 = 64.0;
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
    // All stay until the last is measured: what one gave back, the next would have for nothing.
    let mut tables = Vec::new();
    let mut further = |used| further(groups, used, &mut tables);
    let (slots, bare) = further(Use::Filled)?;
    let [passed, refused] = [further(Use::Passed)?.1, further(Use::Refused)?.1];
    let [table, high] = [SLOT_BYTES, HIGH_BYTES].map(|bytes| slots * bytes as f64);
    let delivering = new("groups each delivering", "groups");
    let bytes = |what: &str, value: f64, aim: Option<f64>| {
        new(what, "bytes/group").alone(one((value * 10.0).round() / 10.0), aim.map(Aim::AtMost))
    };
    Ok(vec![
        delivering.alone(one(f64::from(groups)), Some(Aim::AtLeast(f64::from(GROUPS)))),
        bytes("bytes of table", table, Some(TABLE_BYTES)),
        bytes("bytes of table, with members above the 32nd port", table + high, Some(TABLE_BYTES)),
        bytes("bytes with all counters in use", table + refused - bare, Some(COUNTED_BYTES)),
        bytes("bytes with counters, no source refused", table + passed - bare, None),
        bytes(
            "bytes with all counters, and members above the 32nd port",
            table + high + refused - bare,
            None,
        ),
        bytes("bytes with the writer's own records", passed, None),
    ])
}

/// What is done with a full table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nothing; there is no reader.
    Filled,
    /// A reader counts a frame of each group.
    Passed,
    /// And one of each that was refused for its source.
    Refused,
}

/// Slots, and bytes by which the process grew, for each further group beyond half of `groups`: what a table costs
/// whatever its size falls out.
fn further(groups: u32, used: Use, tables: &mut Vec<Filled>) -> Result<(f64, f64), BenchError> {
    // The first takes what others left free, for nothing.
    tables.push(filled(groups / 2, used)?);
    let (half, whole) = (filled(groups / 2, used)?, filled(groups, used)?);
    let more = f64::from(groups - groups / 2);
    let further =
        ((whole.writer.slots() - half.writer.slots()) as f64 / more, (whole.bytes - half.bytes) / more);
    tables.extend([half, whole]);
    Ok(further)
}

/// A full table.
struct Filled {
    writer: GroupTableWriter,
    /// They hold the table, too.
    _readers: Vec<GroupTableReader>,
    /// What the process grew by.
    bytes: f64,
}

fn filled(groups: u32, used: Use) -> Result<Filled, BenchError> {
    let before = resident()?;
    let readers = usize::from(used != Use::Filled);
    let settings = TableSettings { max_groups: groups as usize, readers, seed: 7 };
    // Sized at once: a table that it outgrew would be counted, too.
    let (mut writer, mut readers) = group_table_sized(settings, groups as usize);
    let port = PortIndex::new(1).ok_or_else(|| BenchError::machine("there is no port 1", "report it"))?;
    for bits in FIRST_GROUP..FIRST_GROUP + groups {
        let group = GroupAddr::from_bits(bits);
        let group = group.ok_or_else(|| BenchError::machine("no multicast address", "report it"))?;
        writer.set(group, port).map_err(|e| BenchError::delivery("the group table", e))?;
    }
    for reader in &mut readers {
        for bits in FIRST_GROUP..FIRST_GROUP + groups {
            let mut hit = [Hit::MISS];
            reader.lookup_burst(&[bits], &mut hit);
            reader.count(hit[0].slot, 1, 64);
            if used == Use::Refused {
                reader.count_filtered(hit[0].slot, 1);
            }
        }
    }
    let bytes = resident()? - before;
    Ok(Filled { writer, _readers: readers, bytes })
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

    /// Set in the process in which it runs alone: other tests' memory would be taken for the tables'.
    const ALONE: &str = "CAPACITY_ALONE";

    #[test]
    fn each_number_has_a_row_and_its_aim() {
        if std::env::var_os(ALONE).is_none() {
            let mut itself = std::process::Command::new(std::env::current_exe().unwrap());
            itself.args(["--exact", "capacity::tests::each_number_has_a_row_and_its_aim"]).env(ALONE, "1");
            let output = itself.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let reports = reports(65_536).unwrap();
        assert_eq!(reports.len(), 7);
        assert_eq!(reports[0].verdict, Verdict::Missed, "65,536 groups are too few");
        assert_eq!((reports[1].ours.unwrap().median, &reports[1].verdict), (16.0, &Verdict::Reached));
        assert_eq!((reports[2].ours.unwrap().median, &reports[2].verdict), (24.0, &Verdict::Reached));
        assert_eq!((reports[3].aim, reports[4].aim), (Some(COUNTED_BYTES), None));
        assert!(reports[3].ours.unwrap().median > reports[4].ours.unwrap().median);
    }
}
