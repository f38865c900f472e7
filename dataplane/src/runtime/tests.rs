//! Workers on virtual devices, the control thread beside them: right to the frame. Two and three of them with several
//! queues, and one with ports that send from MACs of their own.

mod bounds;
mod captures;
mod crew;
mod endless;
mod macs;

// Each test has EAL in a process of its own, as the tests of `dpdk` do.
#[path = "../../dpdk/tests/support/mod.rs"]
pub(crate) mod alone;
// Nothing of Manifold's own code, so that both cannot err alike.
#[allow(dead_code, reason = "made for other tests, too")]
#[path = "../../../tests/tests/support/frames.rs"]
mod frames;
