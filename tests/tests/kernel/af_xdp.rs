//! Kernel interfaces by af_xdp: where the settings name it as a device of DPDK's (`net_af_xdp0,iface=eth1`).
//!
//! A bare interface name stays with af_packet. DPDK 22.11's af_xdp never lets go of its memory: `eth_dev_close` compares
//! the count of its users less one with zero after it has taken one off. The kernel's queue stays bound, so that a port
//! whose carrier went cannot be opened anew, and each try keeps 2,048 buffers for good. And `kick_tx` calls the kernel
//! again for as long as that says EAGAIN: one blocked port would hold the worker.

use crate::checksums::every_viewer_gets_all;
use crate::stage::{Cabling, Stage};

#[test]
fn one_buffer_goes_out_of_three_af_xdp_ports_right_to_the_byte() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let mut recipe = stage.recipe();
    for (i, port) in recipe.ports.iter_mut().enumerate() {
        port.device = format!("net_af_xdp{i},iface={}", port.device);
    }
    let running = stage.start(&recipe);
    every_viewer_gets_all(&stage, &running);
    running.expect_balance();
    // Its fill rings keep buffers for good, which the end of Manifold would tell of.
    drop(running);
    stage.close();
}
