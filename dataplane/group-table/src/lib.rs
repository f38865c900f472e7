//! Which ports have members of a group: written by the control thread, read by every worker.
//!
//! [`GroupTableWriter`] is the control thread's end, [`GroupTableReader`] a worker's. A reader never
//! waits, and neither does a join: a change of an existing entry is one store, a new entry is published
//! at once. What waits, in [`GroupTableWriter::maintain`], is only the *reuse* of a slot and the end of
//! an outgrown table. [`PortMasks`] turns members into egress ports.
//!
//! # How it works
//! - Open addressing with buckets of four slots, two to a cache line: four groups, and four times their members on the
//!   ports 0 to 31. Those on other ports are in an array beside, which a table has from the first such member on. At most
//!   half of the slots carry entries. A search reads whole buckets, the home bucket, the other one of its line, then the
//!   next lines', until one has a free slot, 32 at most. The hash is seeded: groups are picked by whoever sends reports.
//! - Entries are for groups from any source. Were some for one source, they would be a table of their own.
//! - A slot is free, then keyed, then a tombstone, then ready for another key: but not before every
//!   reader has announced that it holds nothing from before ([`GroupTableReader::quiesce`]). So a reader
//!   that matched the old key can't read the new one's members. An entry without members keeps its key
//!   until the next `maintain` and is revived by one store.
//! - To grow, the writer fills a new table, links it from the old one, and makes every change in both
//!   until each reader has moved on at a quiescence. Readers hold references, and the writer lets go of
//!   a table after them: no reader frees memory.
//! - Each reader counts in arrays of its own, where the four slots of a bucket share a line: a burst's
//!   lines can be on their way before its groups are looked up. The counters of a slot only grow, and the
//!   writer notes where they stood when it gave the slot to a group.
//!
//! # Why each ordering is enough
//! - Members then key, release; key acquire, then members: who matches a key reads that key's members.
//! - Changed members, a tombstone, a key made free: relaxed, each says everything by itself. A change by a port is in one
//!   of the two halves.
//! - The array beside is linked, release, and read, acquire, as a look-up begins: one that begins after a change finds it.
//!   One that is under way as the array comes may find the group that it came for without members, as if watched.
//! - Epoch release and acquire: who announces an epoch has seen the tombstones and links before it.
//! - Announcement release and acquire: what a reader read and counted before is over, and visible,
//!   before the writer reuses anything.
//! - Waking up, the only way from "holds nothing" to "may hold something", and the writer's look at the
//!   announcements have a sequentially consistent fence each: one of the two sees the other.
//! - Counters and masks: relaxed, one writer each; the announcements make them exact where it matters.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p group-table --profile loom --test loom` tries the interleavings.

mod epoch;
mod masks;
mod reader;
mod reclaim;
mod shadow;
mod sync;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod writer;

pub use masks::PortMasks;
pub use reader::GroupTableReader;
pub use shadow::GroupCounters;
pub use table::{HIGH_BYTES, Hit, SLOT_BYTES};
pub use writer::{GroupEntry, GroupTableWriter, TableFull, TableSettings, group_table, group_table_sized};
