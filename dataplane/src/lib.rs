//! The proxy's process: workers on DPDK, the control thread beside them, and what starts and ends both.
//!
//! [`run()`] is `manifold run`, [`check()`] and [`explain()`] are `manifold check`, [`replay()`] and
//! [`replay_record()`] are `manifold replay`. What a
//! worker does with a frame is the `forwarding` crate's, what follows from IGMP is `control`'s. [`sizes`] are those of
//! what is between the two.

mod assembly;
mod crew;
mod desk;
mod doubts;
mod drivers;
mod failure;
mod interfaces;
mod inventory;
mod loop_watch;
mod losses;
mod machine;
mod macs;
mod memory_lock;
mod numa;
mod pace;
mod pages;
mod ports;
mod queues;
mod quota;
mod replay;
mod report;
mod retry;
mod runtime;
pub mod sizes;
mod worker;

use std::path::Path;

pub use failure::Failure;
pub use replay::ReplayRequest;
pub use runtime::{check, explain, run};

/// Runs an agent through the record at `file`, and prints its actions, one a line; what became of the record goes to
/// standard error.
///
/// # Errors
/// The file is no record, or cannot be read to its end.
pub fn replay_record(file: &Path) -> Result<(), Failure> {
    let replayed = replay::replay_record(file, std::io::stdout().lock()).map_err(|error| match error {
        replay::RerunError::Record(_) => Failure::settings(error),
        replay::RerunError::Output(_) => Failure::machine(error),
    })?;
    eprintln!("{replayed}");
    Ok(())
}

/// Runs captures through the proxy that the settings in `config` describe, and prints each port's
/// counters.
///
/// # Errors
/// The settings do not pass, or a capture cannot be read or written.
pub fn replay(config: &Path, request: &ReplayRequest) -> Result<(), Failure> {
    let settings = settings::load(config).map_err(Failure::settings)?;
    let report = replay::replay(&settings, request).map_err(|error| match error {
        replay::ReplayError::UnknownPort { .. } | replay::ReplayError::Overwrites(_) => {
            Failure::settings(error)
        }
        _ => Failure::machine(error),
    })?;
    report::print(&report.to_string())
}
