//! The vocabulary that every crate of Manifold shares: addresses, ports, time, reasons for a drop.
//!
//! No dependencies, no I/O. If a value of one of these types exists, it is valid.

mod access;
mod addr;
mod counted;
mod drop_reason;
mod frame;
mod heads;
mod loss;
mod pools;
mod port;
mod sending;
mod time;

pub use access::{AccessList, AccessRule};
pub use addr::{AddrError, GroupAddr, Ipv4Net, MAX_LOCAL_GROUPS, MacAddr};
pub use drop_reason::DropReason;
pub use frame::{Checksum, Frame, FrameBurst};
pub use heads::{BURST, HEAD_LEN, Heads, Lanes, Varying};
pub use loss::{Loss, Losses};
pub use pools::{PAGE_POOL_CACHE, POOL_CACHE};
pub use port::{MAX_PORTS, PortIndex, PortSet, PortSetIter};
pub use sending::{Copied, FramePool, FrameRun, QueueBatch, TxResult};
pub use time::Time;
