//! A port whose queueing discipline lets next to nothing through must not hold up the others.

use crate::stage::{Cabling, GROUP, SOON, Stage};
use std::time::Duration;
use types::Time;

const RATE: u32 = 1_000;
const WATCH: Duration = Duration::from_secs(4);

#[test]
fn a_slow_port_costs_the_others_no_frame() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    let tbf = "qdisc add dev hall-b root tbf rate 1mbit burst 20k limit 3000k";
    stage.middle.run("tc", &tbf.split(' ').collect::<Vec<_>>()).unwrap();
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let member = || Ok((running.members(GROUP).len() == 2).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("two members");

    let sender = stage.start_source(RATE);
    lab::stop::pause(WATCH).unwrap();
    let (sent, end) = stage.end_source(sender, &[hall_a, hall_b]);
    assert!(sent > 1_000, "{sent} datagrams");
    let in_hall_a = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!(in_hall_a.datagrams as u64, sent, "hall-a got each, in order");

    // Each copy for hall-b is on its wire, or counted as refused by its queue.
    let in_hall_b = hall_b.stream(Time::ZERO, end).len() as u64;
    let refused = running.drops("hall-b", "tx-full");
    assert_eq!(in_hall_b + refused, sent, "in hall-b {in_hall_b}, refused {refused}");
    assert_eq!(running.drops("hall-a", "tx-full"), 0);
    stage.expect_counters_of_the_wire(&running);
    running.finish(&stage);
    stage.close();
}
