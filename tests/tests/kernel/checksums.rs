//! A sender on veth leaves the UDP checksum to a NIC that is not there: Manifold completes it, and hosts take the stream.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, SOON, Stage};
use lab::ReceiverSummary;
use types::Time;

const RATE: u32 = 500;
/// Datagrams that every viewer is to have.
const ENOUGH: u64 = 1_000;

/// Plays a stream to a viewer in each hall: all that was sent arrives, right to the byte. How many datagrams that were.
pub(crate) fn every_viewer_gets_all(stage: &Stage, running: &Running) -> u64 {
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
    // The last may be on the wire, and not with the viewer yet.
    let last = || {
        let received = viewers.iter_mut().map(|viewer| Ok(viewer.summary()?.received));
        let received: Result<Vec<_>, lab::LabError> = received.collect();
        Ok(received?.iter().all(|received| *received >= sent).then_some(()))
    };
    let _ = lab::stop::poll(SOON, last).unwrap();
    for viewer in viewers {
        let summary = viewer.leave().unwrap();
        assert!(summary.is_perfect() && summary.received == sent, "of {sent}: {summary:?}");
    }
    sent
}

#[test]
fn every_datagram_of_a_sender_that_leaves_checksums_to_its_nic_arrives() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let sender_host = &stage.provider.host;
    sender_host.netns().run("ethtool", &["-K", sender_host.interface(), "tx", "on"]).unwrap();
    let running = stage.start(&stage.recipe());
    let sent = every_viewer_gets_all(&stage, &running);
    let completed = running.counters("wan").frames["udp-completed"];
    // One whose finished checksum is the same by chance is none.
    assert!(completed <= sent && completed + 2 >= sent, "{completed} of {sent}");
    running.finish(&stage);
    stage.close();
}
