//! A stream that nobody wanted for long: its first datagram after the join passes.

use crate::stage::{Cabling, GROUP, PORT, SOON, Stage};
use lab::{Frame, Sender};
use std::time::Duration;
use types::Time;

const RATE: u32 = 2_000;
/// How long nobody wants it: far more frames than a ring or a socket holds.
const UNWANTED: Duration = Duration::from_secs(3);

#[test]
fn r77_a_stream_older_than_its_first_viewer_passes_from_the_join_on() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let hall = &stage.halls[0];
    let sender = Sender::start(&stage.lab, &stage.provider.host, (GROUP, PORT), 16, RATE).unwrap();
    stage.provider.wait_for_stream(Time::ZERO);
    let running = stage.start(&stage.recipe());
    lab::stop::pause(UNWANTED).unwrap();
    let unwanted = running.drops("wan", "no-member");
    assert!(unwanted > 4_000, "{unwanted} frames were dropped for want of a member");

    let before = lab::now();
    let viewer = hall.join(&stage.lab, GROUP);
    let asked = hall.wire.wait_for("a Join", before, SOON, |f| f.is_igmp(0x16, GROUP.addr())).unwrap().at;
    let ours = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x16, GROUP.addr());
    let joined = stage.provider.wire.wait_for("our Join", before, SOON, ours).unwrap().at;
    lab::stop::pause(Duration::from_secs(1)).unwrap();
    assert!(viewer.leave().unwrap().is_perfect());
    let (_, end) = (sender.stop().unwrap(), lab::now());
    let delivery = stage.delivered(hall, Time::ZERO, end).unwrap();
    let held = delivery.held_until.expect("it was sent before");
    println!(
        "the first datagram {:.3} ms after the Join, the last one held back {:.3} ms after it",
        delivery.first_at.saturating_since(asked).as_secs_f64() * 1e3,
        held.saturating_since(asked).as_secs_f64() * 1e3
    );
    // The group is open before the provider is asked for it: no datagram that came after that is held back.
    assert!(held < joined, "a datagram was held back {:?} after our Join", held - joined);
    running.finish(&stage);
    stage.close();
}
