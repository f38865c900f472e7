//! Ports without an address: Manifold asks and reports from 0.0.0.0, and says what that costs.

use crate::packets::{IPV4, frame, general_query};
use crate::stage::{Cabling, GROUP, SOON, Stage};
use api::{QuerierRole, Request};
use lab::{ExpectedIgmp, Frame};
use std::net::Ipv4Addr;
use std::time::Duration;
use types::{GroupAddr, Time};

const RATE: u32 = 500;

fn without_addresses(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("address = ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn r19_ports_without_an_address_ask_and_report_from_none_until_they_get_one() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let hall = &stage.halls[0];
    let recipe = stage.recipe();
    let running = stage.start_changed(&recipe, |text| without_addresses(&text));
    running.wait_for_log(&["WARN", "hall-a", "0.0.0.0"]);
    let from = |source: Ipv4Addr, kind: u8, code: u8, group: Ipv4Addr, destination: GroupAddr| ExpectedIgmp {
        kind,
        code,
        group,
        destination,
        source,
        source_mac: stage.router_mac,
    };
    let is_ours =
        |kind: u8| move |f: &Frame| f.source == stage.router_mac && f.igmp().is_some_and(|i| i.kind == kind);
    let query = |source| from(source, 0x11, 10, Ipv4Addr::UNSPECIFIED, GroupAddr::ALL_SYSTEMS);
    let asked = hall.wire.wait_for("a General Query", Time::ZERO, SOON, is_ours(0x11)).unwrap();
    query(Ipv4Addr::UNSPECIFIED).check(&asked).unwrap();

    let sender = stage.start_source(RATE);
    let joined = lab::now();
    let _viewer = hall.join(&stage.lab, GROUP);
    hall.wait_for_stream(joined);
    let report = stage.provider.wire.wait_for("a Join", joined, SOON, is_ours(0x16)).unwrap();
    from(Ipv4Addr::UNSPECIFIED, 0x16, 0, GROUP.addr(), GROUP).check(&report).unwrap();

    // r19: whoever has an address wins there.
    let rival = Ipv4Addr::new(10, 1, 0, 200);
    let mut wire = stage.frames_from(hall);
    let lost = lab::now();
    wire.send(&frame(hall.host.mac().unwrap(), GroupAddr::ALL_SYSTEMS, &IPV4, &general_query(rival, 10)))
        .unwrap();
    let taken = || Ok((running.querier("hall-a").role == QuerierRole::NonQuerier).then_some(()));
    lab::stop::poll(SOON, taken).unwrap().expect("the other is querier");
    lab::stop::pause(Duration::from_secs(1)).unwrap();
    let last = hall.wire.select(|f| f.is_data_to(GROUP.addr())).last().unwrap().at;
    assert!(last < lost + Duration::from_millis(900), "forwarded while another is querier");

    // r94: addresses come late; the port begins anew as querier and has lost no member.
    stage.rewrite(&recipe, |text| text);
    let came = lab::now();
    running.change(&Request::Reload);
    let asked = hall.wire.wait_for("a General Query", came, SOON, is_ours(0x11)).unwrap();
    query(hall.address.addr()).check(&asked).unwrap();
    let first = hall.wait_for_stream(came).at;
    let reports = hall.wire.select(|f| f.at > came && f.at < first && f.is_igmp(0x16, GROUP.addr()));
    assert_eq!(reports.len(), 0, "the member was remembered");
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
