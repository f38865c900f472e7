//! A Linux bridge on the provider's link that snoops and asks, in version 2 and in version 3: to it Manifold is a host.

use crate::stage::{Cabling, GROUP, SOON, Stage};
use lab::{BridgeQuerier, Capture, Frame};
use std::time::Duration;
use types::Time;

const RATE: u32 = 500;
/// How long the bridge may take to begin to snoop, and to believe a Leave.
const PATIENCE: Duration = Duration::from_secs(8);
/// Without the stream for so long there is none.
const SILENCE: Duration = Duration::from_millis(300);
/// How often Manifold must have answered.
const ANSWERS: usize = 2;
/// The repetition of the report that joins is over (r58).
const REPEATED: Duration = Duration::from_millis(1_200);
/// What a machine is late that does something else at the same time. Queries are further apart than answers to one.
const LATE: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(3);

fn is_stream(frame: &Frame) -> bool {
    frame.is_data_to(GROUP.addr())
}

/// Waits until the stream does not come through the bridge; its last frame.
fn wait_for_silence(uplink: &Capture) -> Option<Time> {
    let last = || uplink.select(is_stream).last().map(|frame| frame.at);
    let silent = || Ok(last().is_none_or(|at| at + SILENCE < lab::now()).then_some(()));
    lab::stop::poll(PATIENCE, silent).unwrap().expect("the bridge keeps the stream back");
    last()
}

/// Every query from `since` on is answered once, by a version 2 report within the response time that it names (r62,
/// r68).
fn expect_answers(stage: &Stage, uplink: &Capture, (since, until): (Time, Time), version: u8) {
    let length = if version == 3 { 12 } else { 8 };
    let is_query = |f: &Frame| {
        f.source != stage.router_mac
            && f.igmp().is_some_and(|igmp| igmp.kind == 0x11 && igmp.group.is_unspecified())
    };
    let answers = uplink.select(|f| f.source == stage.router_mac && f.is_igmp(0x16, GROUP.addr()));
    let queries = uplink.select(|f| f.at >= since && f.at < until && is_query(f));
    assert!(queries.len() >= ANSWERS, "{} queries", queries.len());
    for query in &queries {
        let igmp = query.igmp().unwrap();
        assert_eq!(igmp.len, length, "a query of version {version}");
        let time = Duration::from_millis(100 * u64::from(igmp.code));
        let within: Vec<_> = answers
            .iter()
            .filter(|answer| answer.at >= query.at && answer.at < query.at + time + LATE)
            .map(|answer| answer.at.saturating_since(query.at))
            .collect();
        println!("a version {version} query for answers within {time:?}: after {within:.3?}");
        assert_eq!(within.len(), 1, "answers to one query: {within:?}");
    }
}

/// Joins, answers and leaves behind a bridge that asks in this version.
fn join_answer_leave(stage: &Stage, uplink: &Capture, version: u8) {
    let hall = &stage.halls[0];
    let (began, viewer) = (lab::now(), hall.join(&stage.lab, GROUP));
    let is_report = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x16, GROUP.addr());
    let report = uplink.wait_for("our report", began, SOON, is_report).unwrap().at;
    let first = uplink.wait_for("the stream behind the bridge", began, SOON, is_stream).unwrap().at;
    assert!(first > report, "the bridge let the stream through before it was asked for");
    hall.wait_for_stream(began);
    // As many queries as are looked at, and the time to answer the last.
    let since = report + REPEATED;
    let until = since + INTERVAL * ANSWERS as u32;
    lab::stop::pause((until + Duration::from_secs(1) + LATE).saturating_since(lab::now())).unwrap();
    expect_answers(stage, uplink, (since, until), version);

    let left = lab::now();
    assert!(viewer.leave().unwrap().is_perfect());
    let is_leave = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x17, GROUP.addr());
    let leave = uplink.wait_for("our Leave", left, SOON, is_leave).unwrap().at;
    let last = wait_for_silence(uplink).expect("there was a stream");
    println!(
        "version {version}: the stream {:.3} ms after our report, and until {:.3} s after our Leave",
        first.saturating_since(report).as_secs_f64() * 1e3,
        last.saturating_since(leave).as_secs_f64()
    );
    let asked = |f: &Frame| f.source != stage.router_mac && f.is_igmp(0x11, GROUP.addr());
    assert!(!uplink.select(|f| f.at >= leave && asked(f)).is_empty(), "the bridge asked who is left");
    let after = uplink.select(|f| f.at > leave && is_report(f));
    assert_eq!(after.len(), 0, "r63: it was answered for a group that we left");
}

#[test]
fn r68_a_snooping_bridge_of_either_version_gets_answers_and_forwards_only_while_asked() {
    let stage = Stage::new(&["hall-a"], Cabling::Bridged);
    let bridge = stage.provider.bridge();
    let mut uplink = stage.provider.uplink();
    let querier = |version| BridgeQuerier {
        interval: INTERVAL,
        ..BridgeQuerier::brisk(version, "10.0.0.200/24".parse().unwrap())
    };
    bridge.start_querier(&querier(2)).unwrap();
    let sender = stage.start_source(RATE);
    stage.provider.wait_for_stream(Time::ZERO);
    let running = stage.start(&stage.recipe());
    wait_for_silence(&uplink);
    for version in [2, 3] {
        if version == 3 {
            bridge.start_querier(&querier(3)).unwrap();
            wait_for_silence(&uplink);
        }
        join_answer_leave(&stage, &uplink, version);
    }
    let asked = |f: &Frame| f.source == stage.router_mac && f.igmp().is_some_and(|igmp| igmp.kind == 0x11);
    assert_eq!(uplink.select(asked).len(), 0, "r56: Manifold asked on the provider's link");
    sender.stop().unwrap();
    assert_eq!(uplink.stop().unwrap().missed, 0);
    running.finish(&stage);
    stage.close();
}
