//! What a `manifold` on its own DPDK refuses: that counts the references to a frame for one thread.

use crate::clean::{Fault, assert_clean, assert_refused};
use crate::process::{Place, Running};

const CURE: &str = "or a Manifold on a DPDK with atomic reference counts (`make build`, ";

#[test]
fn several_workers() {
    let place = Place::new();
    let settings = place.null_settings() + "[worker]\ncores = [0, 1]\n";
    let parts = ["2 workers are asked for", "use one core, ", CURE];
    assert_refused(&place, &mut place.run(&settings), Fault::Settings, &parts);
}

#[test]
fn a_device_that_hands_frames_on() {
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "net_ring1", 1);
    let parts = ["port \"hall-a\": net_ring1: the driver net_ring ", "use another device, ", CURE];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn one_worker_with_other_devices_starts() {
    let place = Place::new();
    Running::start(&place, &place.null_settings()).stop();
    assert_clean(&place);
}
