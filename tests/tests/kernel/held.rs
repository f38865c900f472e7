//! Frames that are on no ring any more, and that the kernel keeps all the same: a queue far behind a port's cable has them,
//! and what they take is charged to the port's socket. That holds nobody else up (f37).

use crate::stage::{Cabling, FAST, GROUP, Recipe, SOON, Stage};
use std::time::Duration;
use types::Time;

/// Long enough for far more frames than a port may have on their way.
const WATCH: Duration = Duration::from_secs(2);

/// Behind the far end of the port's cable a queue lets next to nothing through: what waits there is still the port's.
fn a_sink_that_stops_costs_the_others_no_frame(driver: &str) {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running = stage.start(&Recipe { driver: driver.to_owned(), ..stage.recipe() });
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let members = || Ok((running.members(GROUP).len() == 2).then_some(()));
    lab::stop::poll(SOON, members).unwrap().expect("two members");
    let sender = stage.start_source(FAST);
    hall_b.wait_for_stream(Time::ZERO);

    let far = hall_b.host.netns();
    let refused = || running.drops("hall-b", "tx-full");
    stage.expect_undisturbed(&running, hall_a, || {
        let before = refused();
        far.ip("link add name slow type ifb").unwrap();
        far.ip("link set slow up").unwrap();
        let tbf = "qdisc add dev slow root tbf rate 8kbit burst 2k limit 30000k";
        far.run("tc", &tbf.split(' ').collect::<Vec<_>>()).unwrap();
        let eth = hall_b.host.interface();
        let chain =
            format!("add chain netdev slow in {{ type filter hook ingress device {eth} priority 0; }}");
        far.run("nft", &[&format!("add table netdev slow; {chain}; add rule netdev slow in fwd to slow")])
            .unwrap();
        lab::stop::pause(WATCH).unwrap();
        let is_full = lab::stop::poll(SOON, || Ok((refused() > before + 100).then_some(()))).unwrap();
        is_full.unwrap_or_else(|| panic!("nothing is full: {:?}", running.counters("hall-b")));
        // What waited is gone with the queue, and it goes on.
        far.run("nft", &["delete table netdev slow"]).unwrap();
        far.ip("link del slow").unwrap();
        hall_b.wait_for_stream(lab::now());
    });

    sender.stop().unwrap();
    assert_eq!(running.drops("hall-a", "tx-full"), 0);
    running.finish(&stage);
}

#[test]
fn f37_a_sink_that_stops_costs_the_others_no_frame_by_af_packet() {
    a_sink_that_stops_costs_the_others_no_frame("af_packet");
}

#[cfg(feature = "own-dpdk")]
#[test]
fn f37_a_sink_that_stops_costs_the_others_no_frame_by_af_xdp() {
    a_sink_that_stops_costs_the_others_no_frame("af_xdp");
}
