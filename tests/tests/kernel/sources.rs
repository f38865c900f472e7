//! Multicast from clients: `sources` false, true, and "querier" (r75; RFC 4605, section 4.2).

use crate::packets::{IPV4, frame, general_query};
use crate::stage::{Cabling, GROUP, PORT, Recipe, SOON, Side, Stage, number};
use api::QuerierRole;
use lab::compare::compare;
use lab::{Frame, Sender};
use std::net::Ipv4Addr;
use std::time::Duration;
use types::{GroupAddr, Time};

const RATE: u32 = 500;
const WATCHED: Duration = Duration::from_millis(500);

/// What of the stream a side got from Manifold.
fn got(stage: &Stage, side: &Side, (since, until): (Time, Time)) -> Vec<std::sync::Arc<Frame>> {
    let from_us = |f: &Frame| f.source == stage.router_mac && f.is_data_to(GROUP.addr());
    side.wire.between(since, until, from_us).unwrap()
}

/// Neither the provider nor the members get anything of it for a while.
fn expect_nothing(stage: &Stage) {
    let since = lab::now();
    lab::stop::pause(WATCHED).unwrap();
    for side in [&stage.provider, &stage.halls[0], &stage.halls[1]] {
        assert_eq!(got(stage, side, (since, lab::now())).len(), 0, "in {}", side.name);
    }
}

#[test]
fn r75_a_clients_stream_goes_to_provider_and_members_as_its_port_allows() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let live = stage.lab.scratch().join("live.toml");
    let mut recipe = Recipe { live: Some(live), ..stage.recipe() };
    recipe.port("hall-b").address = "10.2.0.9/24".parse().unwrap();
    let running = stage.start(&recipe);
    // There are members in the sender's own hall, too: they have it from him.
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let members = || Ok((running.members(GROUP).len() == 2).then_some(()));
    lab::stop::poll(SOON, members).unwrap().expect("two members");
    let sender = Sender::start(&stage.lab, &hall_b.host, (GROUP, PORT), 16, RATE).unwrap();
    hall_b.wait_for_stream(Time::ZERO);
    expect_nothing(&stage);

    for value in ["true", "\"querier\""] {
        let since = lab::now();
        running.set(Some("hall-b"), "sources", value);
        hall_a.wait_for_stream(since);
        lab::stop::pause(WATCHED).unwrap();
        let until = lab::now();
        for side in [&stage.provider, hall_a] {
            let arrived = got(&stage, side, (since, until));
            let last = number(arrived.last().expect("the stream"));
            let theirs = |f: &Frame| f.source != stage.router_mac && f.is_data_to(GROUP.addr());
            let reached = |f: &Frame| theirs(f) && number(f) >= last;
            hall_b.wire.wait_for("the last datagram at its source", Time::ZERO, SOON, reached).unwrap();
            let sent = hall_b.wire.select(theirs);
            compare(&sent, &arrived, stage.router_mac).unwrap_or_else(|why| panic!("{}: {why}", side.name));
        }
        assert_eq!(got(&stage, hall_b, (Time::ZERO, until)).len(), 0, "r74: back where it came from");
    }

    // Another querier comes: the stream is its to forward.
    let rival = Ipv4Addr::new(10, 2, 0, 2);
    let query = frame(hall_b.host.mac().unwrap(), GroupAddr::ALL_SYSTEMS, &IPV4, &general_query(rival, 10));
    stage.frames_from(hall_b).send(&query).unwrap();
    let lost = || Ok((running.querier("hall-b").role == QuerierRole::NonQuerier).then_some(()));
    lab::stop::poll(SOON, lost).unwrap().expect("the other is querier");
    lab::stop::pause(Duration::from_millis(100)).unwrap();
    expect_nothing(&stage);
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
