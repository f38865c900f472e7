//! Frames of an interface that is no port: none of Manifold's business, also while it opens its ports beside it.

use crate::packets::{IPV4, alerting_report, frame, general_query};
use crate::running::Running;
use crate::stage::{Cabling, GROUP, SECOND_GROUP, SOON, Stage};
use api::{Client, LinkState, QuerierRole};
use types::GroupAddr;

/// Starts, and reopened ports after each.
const STARTS: usize = 3;
const FLAPS: usize = 2;
/// For longer than the test takes.
const RATE: u32 = 20_000;
const FLOOD: usize = 60 * RATE as usize;

/// Waits until Manifold says that a port's link is so.
fn link(running: &Running, port: &str, state: LinkState) {
    let is_so = || {
        let ports = Client::connect(running.socket()).unwrap().ports().unwrap().ports;
        Ok(ports.iter().any(|view| view.name == port && view.link == state).then_some(()))
    };
    lab::stop::poll(SOON, is_so).unwrap().unwrap_or_else(|| panic!("{port} is never {state:?}"));
}

/// af_packet's sockets hear every interface from when they are made until they are bound to theirs.
#[test]
fn an_interface_that_is_no_port_is_never_heard_while_ports_open() {
    let stage = Stage::new(&["hall-a", "other"], Cabling::Direct);
    let other = &stage.halls[1];
    let mut recipe = stage.recipe();
    recipe.ports.retain(|port| port.name != "other");
    // Everything that a port would believe, and an address that would win an election.
    let (mac, host) = (other.host.mac().unwrap(), "10.0.0.0".parse().unwrap());
    let report = |group| frame(mac, group, &IPV4, &alerting_report(other.host.address().addr(), group));
    let query = frame(mac, GroupAddr::ALL_SYSTEMS, &IPV4, &general_query(host, 100));
    let frames = [report(GROUP), report(SECOND_GROUP), query];
    let flood = stage.frames_from(other).flood(&frames, FLOOD, RATE).unwrap();

    let passed = |running: &Running| {
        let ghosts = [GROUP, SECOND_GROUP].map(|group| running.members(group)).concat();
        assert!(ghosts.is_empty(), "members that nobody is: {ghosts:?}");
        assert_eq!(running.querier("hall-a").role, QuerierRole::Querier);
        for port in ["wan", "hall-a"] {
            let counters = running.counters(port);
            assert_eq!(counters.igmp_received["query-v2"], 0, "{counters:?}");
            assert_eq!(counters.igmp_received["report-v2"], 0, "{counters:?}");
        }
    };
    for _ in 0..STARTS {
        let running = stage.start(&recipe);
        link(&running, "hall-a", LinkState::Up);
        passed(&running);
        for _ in 0..FLAPS {
            for (port, at) in [("hall-a", &stage.halls[0]), ("wan", &stage.provider)] {
                at.host.netns().ip(&format!("link set {} down", at.host.interface())).unwrap();
                link(&running, port, LinkState::Down);
                at.host.netns().ip(&format!("link set {} up", at.host.interface())).unwrap();
                link(&running, port, LinkState::Up);
            }
        }
        passed(&running);
        running.end(&stage);
    }
    assert!(!other.wire.select(|frame| frame.is_igmp(0x16, GROUP.addr())).is_empty(), "there was no flood");
    drop(flood);
    stage.close_but("other");
}
