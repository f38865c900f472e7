//! Another host on the provider's link that wants the same group: reports are held back (r65), unless `suppress` is off,
//! and a Leave is said as `leave` wants it.

use crate::packets::{IPV4, frame, general_query, report};
use crate::stage::{Cabling, GROUP, PORT, Recipe, SOON, Stage};
use lab::{Frame, FrameSender, Receiver};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use types::{GroupAddr, Time};

/// Max Resp of the provider's queries, in tenths of a second.
const CODE: u8 = 30;
const RESPONSE: Duration = Duration::from_millis(100 * CODE as u64);
/// Two reports so close may both be on their way, on a machine that does something else at the same time.
const CROSSED: Duration = Duration::from_millis(700);
/// How long Manifold takes to find out that the last viewer left: twice the 500 ms of the settings, and some more.
const LEFT: Duration = Duration::from_millis(1_500);
/// The repetition of the report that joins is over (r58).
const REPEATED: Duration = Duration::from_millis(1_200);

fn igmp_of(stage: &Stage, kind: u8, from: Ipv4Addr, since: Time) -> Vec<Arc<Frame>> {
    stage.provider.wire.select(|f| {
        f.at >= since && f.is_igmp(kind, GROUP.addr()) && f.ip.as_ref().is_some_and(|ip| ip.source == from)
    })
}

/// Has the provider ask, and gives when it did.
fn ask(stage: &Stage, provider: &mut FrameSender) -> Time {
    let (mac, from) = (stage.provider.host.mac().unwrap(), stage.provider.host.address().addr());
    let asked = lab::now();
    provider.send(&frame(mac, GroupAddr::ALL_SYSTEMS, &IPV4, &general_query(from, CODE))).unwrap();
    asked
}

/// Our reports and the other host's within the time for answers to a query.
fn answers(stage: &Stage, other: Ipv4Addr, asked: Time) -> [Vec<Arc<Frame>>; 2] {
    lab::stop::pause((asked + RESPONSE + CROSSED).saturating_since(lab::now())).unwrap();
    lab::stop::pause(Duration::from_millis(200)).unwrap();
    [stage.provider.address.addr(), other].map(|from| igmp_of(stage, 0x16, from, asked))
}

/// A viewer comes and goes; when it went.
fn watch_and_leave(stage: &Stage, before_leaving: impl FnOnce()) -> Time {
    let hall = &stage.halls[0];
    let joined = lab::now();
    let viewer = hall.join(&stage.lab, GROUP);
    let ours = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x16, GROUP.addr());
    stage.provider.wire.wait_for("our report", joined, SOON, ours).unwrap();
    lab::stop::pause(REPEATED).unwrap();
    before_leaving();
    let left = lab::now();
    viewer.leave().unwrap();
    lab::stop::pause(LEFT).unwrap();
    left
}

#[test]
fn r65_reports_are_held_back_for_another_host_and_leaves_said_as_the_settings_want() {
    let stage = Stage::new(&["hall-a"], Cabling::Bridged);
    let other = stage.provider.another_host(&stage.lab, "neighbour", 5);
    let (ours, theirs) = (stage.provider.address.addr(), other.address().addr());
    let live = stage.lab.scratch().join("live.toml");
    let running = stage.start(&Recipe { live: Some(live), ..stage.recipe() });
    let viewer = stage.halls[0].join(&stage.lab, GROUP);
    let mut provider = stage.frames_from(&stage.provider);
    let mut neighbour = FrameSender::start(&stage.lab, &other).unwrap();
    let neighbours_report = frame(other.mac().unwrap(), GROUP, &IPV4, &report(theirs, GROUP));
    lab::stop::pause(REPEATED).unwrap();

    // Two kernels would answer: whoever is first, the other holds back.
    let watching = Receiver::join(&stage.lab, &other, (GROUP, PORT)).unwrap();
    lab::stop::pause(REPEATED).unwrap();
    for _ in 0..2 {
        let asked = ask(&stage, &mut provider);
        let [we, they] = answers(&stage, theirs, asked);
        println!("answers: ours {}, the other host's {}", we.len(), they.len());
        assert_eq!(we.len().max(they.len()), 1, "one answer each at most, and one at least");
        if let ([we], [they]) = (&we[..], &they[..]) {
            assert!(they.at + CROSSED > we.at, "r65: ours came {:?} after the other's", we.at - they.at);
        }
    }
    // The other's comes at once: ours has no time to be first.
    let asked = ask(&stage, &mut provider);
    neighbour.send(&neighbours_report).unwrap();
    let [we, _] = answers(&stage, theirs, asked);
    assert!(we.iter().all(|report| report.at < asked + CROSSED), "r65: {we:?}");
    // Not held back any more: both answer.
    running.set(Some("wan"), "suppress", "false");
    let asked = ask(&stage, &mut provider);
    neighbour.send(&neighbours_report).unwrap();
    let [we, _] = answers(&stage, theirs, asked);
    assert_eq!(we.len(), 1, "`suppress = false`");
    running.set(Some("wan"), "suppress", "true");

    // The last viewer goes, and the other host still watches and reported last. By default that is said.
    neighbour.send(&neighbours_report).unwrap();
    let left = lab::now();
    viewer.leave().unwrap();
    lab::stop::pause(LEFT).unwrap();
    assert_eq!(igmp_of(&stage, 0x17, ours, left).len(), 1, "`leave = \"always\"`");
    running.set(Some("wan"), "leave", "\"last-reporter\"");
    let left = watch_and_leave(&stage, || neighbour.send(&neighbours_report).unwrap());
    assert_eq!(igmp_of(&stage, 0x17, ours, left).len(), 0, "the other host reported last");
    drop(watching);
    let left = watch_and_leave(&stage, || ());
    assert_eq!(igmp_of(&stage, 0x17, ours, left).len(), 1, "we reported last");
    running.finish(&stage);
    stage.close();
}
