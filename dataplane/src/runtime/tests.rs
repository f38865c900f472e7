//! Two and three workers on virtual devices with several queues, the control thread beside them: right to the frame.

mod bounds;
mod captures;
mod crew;
mod endless;

// Each test has EAL in a process of its own, as the tests of `dpdk` do.
#[path = "../../dpdk/tests/support/mod.rs"]
mod alone;
// Nothing of Manifold's own code, so that both cannot err alike.
#[allow(dead_code, reason = "made for other tests, too")]
#[path = "../../../tests/tests/support/frames.rs"]
mod frames;
