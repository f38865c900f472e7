//! Kernel interfaces by af_xdp: where the settings name it as a device of DPDK's (`net_af_xdp0,iface=eth1`).
//!
//! A bare interface name stays with af_packet. DPDK 22.11's af_xdp never lets go of its memory: `eth_dev_close` compares
//! the count of its users less one with zero after it has taken one off. The kernel's queue stays bound, so that a port
//! whose carrier went cannot be opened anew, and each try keeps 2,048 buffers for good. And `kick_tx` calls the kernel
//! again for as long as that says EAGAIN: one blocked port would hold the worker.

use crate::stage::{Cabling, GROUP, SOON, Stage};
use lab::ReceiverSummary;
use types::Time;

const RATE: u32 = 500;
/// Datagrams that every viewer is to have.
const ENOUGH: u64 = 1_000;

#[test]
fn one_buffer_goes_out_of_three_af_xdp_ports_right_to_the_byte() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let mut recipe = stage.recipe();
    for (i, port) in recipe.ports.iter_mut().enumerate() {
        port.device = format!("net_af_xdp{i},iface={}", port.device);
    }
    let running = stage.start(&recipe);
    let mut viewers: Vec<_> = stage.halls.iter().map(|hall| hall.join(&stage.lab, GROUP)).collect();
    let all = || Ok((running.members(GROUP).len() == viewers.len()).then_some(()));
    lab::stop::poll(SOON, all).unwrap().expect("three members");
    let sender = stage.start_source(RATE);
    for hall in &stage.halls {
        hall.wait_for_stream(Time::ZERO);
    }
    let mut summaries = vec![ReceiverSummary::default(); viewers.len()];
    let enough = || {
        for (summary, viewer) in summaries.iter_mut().zip(&mut viewers) {
            *summary = viewer.summary()?;
        }
        Ok(summaries.iter().all(|summary| summary.received >= ENOUGH).then_some(()))
    };
    let arrived = lab::stop::poll(SOON, enough).unwrap();
    assert!(arrived.is_some(), "{summaries:?}");
    let (sent, _) = stage.end_source(sender, &stage.halls.iter().collect::<Vec<_>>());
    for viewer in viewers {
        let summary = viewer.leave().unwrap();
        assert!(summary.is_perfect() && summary.received == sent, "of {sent}: {summary:?}");
    }
    running.expect_balance();
    // Its fill rings keep buffers for good, which the end of Manifold would tell of.
    drop(running);
    stage.close();
}
