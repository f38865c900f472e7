//! Safe DPDK for a poll-mode dataplane. The only caller of `dpdk-sys`; it names no protocol.
//!
//! Who calls what: one thread makes the [`Eal`], the [`Mempool`] and the [`Port`]s and keeps them; each [`Port`]
//! gives its [`RxQueue`]s and [`TxQueue`]s away to the workers, threads made by [`Eal::spawn_worker`]. A worker's
//! loop is [`RxQueue::rx_burst`] into a [`Burst`], a look at each [`Mbuf`], [`Mbuf::fan_out`] into one
//! [`TxBatch`] a port, and [`TxQueue::tx_burst`] of each. None of these allocates, locks or makes a system call
//! by itself (a driver may).
//!
//! Invariants, on which the `unsafe` of this crate rests:
//! - An [`Mbuf`] holds the only reference to its buffer, and its buffer is its own: it may be written. Drivers that
//!   hand sent buffers back as received ones (`net_ring`) break this, so [`RxQueue::rx_burst`] checks.
//! - A [`SharedMbuf`] holds one reference of at least one: it may only be read. A [`FanBatch`] writes to its frames while it
//!   holds all references to them.
//! - Whoever holds a reference gives it back exactly once: by `Drop`, or to the driver through
//!   [`TxQueue::tx_burst`], which frees what the driver refuses.
//! - Mbufs and what holds them stay on their thread (not `Send`): only queues move.
//! - Where references are not counted atomically ([`REFCNT_IS_ATOMIC`]), one thread holds them all (`ownership.rs`).
//! - A port runs as long as one of its queues exists, is closed after them, and its pools go after it; EAL goes
//!   last. All of it follows from ownership, in whatever order values are dropped.
//!
//! Absent on purpose: segmented frames (rx scatter is never asked for; what arrives chained is told by
//! [`Mbuf::is_chained`] and is for dropping), tx offloads (`MULTI_SEGS` and `MBUF_FAST_FREE` change a driver's tx
//! path, and the second forbids shared mbufs), secondary processes.

#![allow(unsafe_code)]

mod batch;
mod burst;
mod eal;
mod error;
mod frame;
mod heads;
mod log;
mod mbuf;
mod mempool;
mod ownership;
mod port;
mod raw;
mod sending;
mod shared;
mod worker;

pub use batch::{FanBatch, TxBatch};
pub use burst::Burst;
pub use eal::{Eal, Lcore, cycles};
pub use error::{DpdkError, EalError, PortError};
pub use log::{HeldLog, LogLevel, set_log_sink};
pub use mbuf::{IpChecksum, Mbuf};
pub use mempool::{DEFAULT_FRAME_ROOM, HEADROOM, Mempool, PAGE_FRAME_ROOM};
pub use ownership::{OwnershipError, check_driver, check_release, check_workers};
pub use port::{
    LinkStatus, MAX_ETH_PORTS, MacFilter, MulticastFilter, Port, PortConfig, PortId, PortInfo, PortStats,
    Queues, RxQueue, Spread, TxQueue,
};
pub use raw::{AF_XDP_IS_MENDED, REFCNT_IS_ATOMIC, RELEASE};
pub use shared::{FanOut, SharedMbuf};
pub use types::{Copied, TxResult};
pub use worker::{Worker, WorkerError, WorkerThread, pin_current_thread};
