//! Manifold on kernel interfaces, whole: what it refuses, what it changes and gives back, and what is on the wire.
//! Judged from captures, /sys and /proc, not from Manifold's word; its counters are checked against them.

mod late_device;
mod packets;
#[path = "../support/program.rs"]
#[allow(dead_code, reason = "the tests of bad input use the rest of it")]
mod program;
mod running;
#[path = "../support/backend.rs"]
#[allow(dead_code, reason = "the tests of the backend use the rest of it")]
mod service;
mod stage;

mod addressless;
mod adopted;
mod af_xdp;
mod backend;
mod capabilities;
mod carrier;
mod checksums;
mod comeback;
mod election;
mod explain;
mod fast_leave;
mod foreign;
mod guard;
mod held;
mod hosts;
mod instances;
mod late;
#[cfg(feature = "long")]
mod long;
mod losses;
mod macs;
mod neighbour;
mod outgoing;
mod page;
mod policies;
mod provider_hosts;
mod reboot;
mod record;
mod refused;
mod reload;
mod slow;
mod snooping;
mod sources;
mod tagged;
mod unstarted;
mod upstream;
// Where one thread must hold every reference to a frame there is one worker.
#[cfg(any(not(feature = "own-dpdk"), feature = "atomic-dpdk"))]
mod workers;
