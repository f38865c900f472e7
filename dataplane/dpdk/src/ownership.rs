//! Who may hold references to an mbuf where DPDK does not count them atomically.
//!
//! Then one thread has to hold every reference from the frame's receipt to its last transmit completion. What keeps it so:
//! - One thread at a time is a worker ([`Eal::register_thread`](crate::Eal::register_thread)), and mbufs and what holds
//!   them never leave a thread (they are not `Send`).
//! - A driver frees what it sent in its transmit burst, on the thread that calls it. Some do so elsewhere too, in a
//!   recovery or a migration that a thread of theirs carries out, or hand frames on to others: only drivers that
//!   were looked at are opened ([`Port::open`](crate::Port::open)), and of releases that they were looked at in.
//! - To stop, close or detach a port frees what its rings hold, and so does handing back its last queue: whoever does that
//!   on another thread than the worker's makes the worker stand still meanwhile. This crate cannot see that: it is its
//!   caller's part (`HandedBack` of `dataplane`).
//!
//! An mbuf with one reference is freed without looking at the count by anyone: rings of receive queues, filled or poured out
//! by the main thread, are no matter.

use thiserror::Error;

/// A layout in which several threads would count the references of one mbuf, with a DPDK that cannot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OwnershipError {
    /// Several workers.
    #[error(
        "{0} workers are asked for, and this DPDK was built to count references to a frame for one; use one core, or {CURE}"
    )]
    Workers(usize),
    /// A driver that frees frames on threads of its own or hands them to others, or that nobody looked at.
    #[error(
        "{name}: the driver {driver} is not known to leave all frames to one thread, and this DPDK was built to count references \
         to a frame for one; use another device, or {CURE}"
    )]
    Driver {
        /// The port's name.
        name: String,
        /// Its driver.
        driver: String,
    },
    /// A release whose drivers nobody looked at.
    #[error(
        "DPDK {}.{:02} was built to count references to a frame for one thread, and its drivers are not known to leave all \
         frames to one; use {READ_TEXT}, or {CURE}",
        .0.0, .0.1
    )]
    Release((u32, u32)),
}

const CURE: &str =
    "a Manifold on a DPDK with atomic reference counts (`make build`, or `build-dpdk.sh --atomic`)";

/// Releases in which the drivers below were read, stable ones of them included.
const READ: [(u32, u32); 2] = [(22, 11), (24, 11)];
const READ_TEXT: &str = "DPDK 22.11 or 24.11";

/// Drivers that free what was sent in the transmit burst, or when the port is stopped or closed, and nowhere else, as read in
/// those releases: their interrupt handlers, alarms and threads free nothing.
///
/// Not among them: bnxt (its recovery stops the device on a thread of its own), iavf (later releases reset it so), virtio (it
/// announces itself after a migration by a transmit burst on the interrupt's thread), ring (what is sent is
/// received elsewhere), bonding, failsafe and netvsc (alarms stop and start what is below them), vhost.
const ONE_THREAD: [&str; 18] = [
    "mlx5_auxiliary",
    "mlx5_pci",
    "net_af_packet",
    "net_af_xdp",
    "net_e1000_em",
    "net_e1000_igb",
    "net_e1000_igb_vf",
    "net_ena",
    "net_i40e",
    "net_ice",
    "net_igc",
    "net_ixgbe",
    "net_ixgbe_vf",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_tap",
    "net_vmxnet3",
];

/// Whether so many workers may run.
///
/// # Errors
/// [`OwnershipError::Workers`]: several, and references are not counted atomically.
pub fn check_workers(refcnt_is_atomic: bool, workers: usize) -> Result<(), OwnershipError> {
    if refcnt_is_atomic || workers <= 1 { Ok(()) } else { Err(OwnershipError::Workers(workers)) }
}

/// Whether a DPDK of a release, as (22, 11), may be used.
///
/// # Errors
/// [`OwnershipError::Release`]: its drivers were not read, and references are not counted atomically.
pub fn check_release(refcnt_is_atomic: bool, release: (u32, u32)) -> Result<(), OwnershipError> {
    if refcnt_is_atomic || READ.contains(&release) { Ok(()) } else { Err(OwnershipError::Release(release)) }
}

/// Whether a port of a driver may be used, of a release that may.
///
/// # Errors
/// [`OwnershipError::Driver`]: it is not known to free frames where they were sent, and references are not counted
/// atomically.
pub fn check_driver(refcnt_is_atomic: bool, name: &str, driver: &str) -> Result<(), OwnershipError> {
    if refcnt_is_atomic || ONE_THREAD.contains(&driver) {
        return Ok(());
    }
    Err(OwnershipError::Driver { name: name.to_owned(), driver: driver.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_atomic_counts_anything_goes() {
        assert_eq!(check_workers(true, 64), Ok(()));
        assert_eq!(check_release(true, (99, 7)), Ok(()));
        assert_eq!(check_driver(true, "net_ring0", "net_ring"), Ok(()));
        assert_eq!(check_driver(true, "0000:3b:00.0", "net_bnxt"), Ok(()));
    }

    #[test]
    fn without_them_one_worker_runs_and_no_more() {
        assert_eq!(check_workers(false, 1), Ok(()));
        for workers in [2, 64] {
            let error = check_workers(false, workers).unwrap_err();
            assert_eq!(error, OwnershipError::Workers(workers));
            assert!(
                error.to_string().contains("use one core, or a Manifold on a DPDK with atomic"),
                "{error}"
            );
        }
    }

    #[test]
    fn without_them_only_releases_whose_drivers_were_looked_at_are_taken() {
        let named: Vec<_> = READ.iter().map(|(year, month)| format!("{year}.{month:02}")).collect();
        assert_eq!(READ_TEXT, format!("DPDK {}", named.join(" or ")));
        for release in READ {
            assert_eq!(check_release(false, release), Ok(()));
        }
        for release in [(22, 7), (23, 3), (25, 11)] {
            let error = check_release(false, release).unwrap_err();
            assert_eq!(error, OwnershipError::Release(release));
        }
        let error = check_release(false, (23, 3)).unwrap_err().to_string();
        assert!(error.starts_with("DPDK 23.03 was built to count"), "{error}");
        assert!(error.contains("; use DPDK 22.11 or 24.11, or") && error.contains("--atomic"), "{error}");
    }

    #[test]
    fn without_them_only_drivers_that_were_looked_at_are_opened() {
        for driver in ONE_THREAD {
            assert_eq!(check_driver(false, "port", driver), Ok(()), "{driver}");
        }
        for driver in
            ["net_ring", "net_bonding", "net_bnxt", "net_virtio", "net_iavf", "net_vhost", "", "net"]
        {
            let error = check_driver(false, "net_ring0", driver).unwrap_err().to_string();
            assert!(error.starts_with(&format!("net_ring0: the driver {driver} ")), "{error}");
            assert!(error.contains("use another device, or a Manifold on"), "{error}");
        }
    }
}
