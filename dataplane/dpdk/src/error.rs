//! What DPDK refuses, and why.

use core::ffi::{CStr, c_int};

use thiserror::Error;

use crate::ownership::OwnershipError;

/// DPDK's words for an errno value.
fn errno_text(errno: i32) -> String {
    // SAFETY: rte_strerror takes any value and returns a terminated string in static or thread-local storage,
    // which this thread copies before it calls anything else.
    unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(errno)) }.to_string_lossy().into_owned()
}

/// Log lines below a message, one a line.
fn indented(log: &[String]) -> String {
    log.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// Log lines behind a message, in one line with it.
fn said(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!(": {}", log.join(", ")) }
}

/// A call into DPDK that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{call}: {} (errno {errno})", errno_text(*.errno))]
pub struct DpdkError {
    /// The function, by DPDK's name.
    pub call: &'static str,
    /// The reason as a positive errno value.
    pub errno: i32,
}

impl DpdkError {
    pub(crate) fn invalid(call: &'static str) -> Self {
        Self { call, errno: rustix::io::Errno::INVAL.raw_os_error() }
    }

    /// The reason of a call that just failed on this thread and left it in `rte_errno`.
    pub(crate) fn last(call: &'static str) -> Self {
        // SAFETY: reads a thread-local integer.
        Self { call, errno: unsafe { dpdk_sys::shim_errno() } }
    }
}

/// Turns the return of a function that says `-errno` into a result.
pub(crate) fn check(call: &'static str, ret: c_int) -> Result<c_int, DpdkError> {
    if ret < 0 { Err(DpdkError { call, errno: -ret }) } else { Ok(ret) }
}

/// Why there is no EAL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EalError {
    /// A process has one EAL, once.
    #[error("EAL was already initialised in this process")]
    AlreadyInitialised,
    /// An argument holds a NUL byte.
    #[error("EAL argument {0:?} holds a NUL byte")]
    Argument(String),
    /// EAL refused its arguments or the machine.
    #[error("EAL did not start with `{line}`: {reason}{}", indented(log))]
    Init {
        /// The whole argument line.
        line: String,
        /// The reason that `rte_eal_init` gave.
        reason: String,
        /// What EAL logged as errors and warnings meanwhile, in order.
        log: Vec<String>,
    },
}

impl EalError {
    pub(crate) fn init(line: String, errno: i32, log: Vec<String>) -> Self {
        Self::Init { line, reason: errno_text(errno), log }
    }
}

/// Why a port cannot be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PortError {
    /// No such port, or it is gone.
    #[error("DPDK has no port {0}")]
    NoSuchPort(u16),
    /// A [`Port`](crate::Port) of this id exists.
    #[error("port {0} is in use already")]
    InUse(u16),
    /// Queues of this port still exist, so it runs.
    #[error("port {0} still runs: not all of its queues were handed back")]
    Running(u16),
    /// The device has fewer queues than asked for.
    #[error("{name} ({driver}) offers {offered} {direction} queues, {wanted} are needed: use fewer workers")]
    TooFewQueues {
        /// The port's name.
        name: String,
        /// Its driver.
        driver: String,
        /// "receive" or "transmit".
        direction: &'static str,
        /// Queues asked for.
        wanted: u16,
        /// Queues there are.
        offered: u16,
    },
    /// The device has further ports and stays attached.
    #[error("port {0} is closed, but its device has further ports and stays attached")]
    SharedDevice(u16),
    /// The device could not be attached.
    #[error("`{devargs}` cannot be attached: {reason}{}", indented(log))]
    Attach {
        /// The device and its arguments.
        devargs: String,
        /// What probing returned.
        reason: DpdkError,
        /// What was logged as errors and warnings meanwhile, in order.
        log: Vec<String>,
    },
    /// The port could not be set up and started.
    #[error("it does not start: {reason}{}", said(log))]
    Start {
        /// The step that failed.
        reason: DpdkError,
        /// What was logged as errors and warnings meanwhile, in order: the driver's own words.
        log: Vec<String>,
    },
    /// The device was there before.
    #[error("`{0}` is attached already")]
    AlreadyAttached(String),
    /// A device was attached and has no port.
    #[error("`{0}` was attached and has no Ethernet port")]
    NoPorts(String),
    /// References to its frames would be counted by several threads, and are not counted atomically.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
    /// DPDK or the driver refused.
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
}
