//! What went wrong in other proxies, named after them, as far as it takes more than the protocol's own state.

use std::time::Duration;

use api::{Reply, Request};
use igmp::wire::Outgoing;
use types::{GroupAddr, PortSet};

use super::bench::{A, B, Bench, Plan, WAN, from_host, group, port, ports};
use super::logged::logged;

/// A version 3 report of one record about `about`, from the host on the port.
fn record(port_index: usize, kind: u8, about: GroupAddr) -> Vec<u8> {
    let mut frame = from_host(port_index, Outgoing::ReportV2(GroupAddr::ALL_V3_ROUTERS));
    frame.truncate(14 + 24);
    let mut igmp = vec![0x22, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, 0];
    igmp.extend(about.addr().octets());
    let sum = checksum(&igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    frame.extend(igmp);
    let total = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..38]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// RFC 1071, over a few bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// CVE-2025-50681: igmpproxy dies while it writes a line about a record type that it does not know.
#[test]
fn igmpproxy_an_unknown_record_type_is_logged_counted_and_explained() {
    let channel = group("239.2.2.2");
    let mut bench = Bench::new(Plan::new());
    let log = logged(|| {
        for kind in (0..=255).filter(|kind| !(1..=6).contains(kind)) {
            bench.receive(A, &record(A, kind, channel));
            let reply = bench.ask(Request::Explain { group: channel, port: None });
            assert!(matches!(reply, Reply::Explain(_)), "{reply:?}");
        }
    });
    let Reply::Counters(counters) = bench.ask(Request::ShowCounters) else { panic!("no counters") };
    let counted = counters.ports.iter().find(|counters| counters.port == "hall-a").unwrap();
    assert_eq!(counted.verdicts["no-effect"], 250);
    assert_eq!(log.lines().filter(|line| line.contains("NoEffect")).count(), 250, "{log}");
    bench.join(A, channel);
    assert_eq!(bench.data(WAN, channel), ports([A]));
}

/// omcproxy forwards by a cache entry of 125 s, which a member that comes or goes does not touch.
#[test]
fn omcproxy_a_changed_member_set_is_in_force_for_the_next_frame() {
    let channel = group("239.2.2.2");
    let mut bench = Bench::new(Plan::new());
    // The stream ran long before anybody asked.
    for _ in 0..100 {
        assert_eq!(bench.data(WAN, channel), PortSet::EMPTY);
        bench.run(Duration::from_secs(1));
    }
    bench.join(A, channel);
    assert_eq!(bench.data(WAN, channel), ports([A]));
    bench.run(Duration::from_secs(3));
    bench.join(B, channel);
    assert_eq!(bench.data(WAN, channel), ports([A, B]));
    bench.leave(A, channel);
    bench.run(Duration::from_millis(1999));
    assert_eq!(bench.data(WAN, channel), ports([A, B]));
    bench.run(Duration::from_millis(1));
    assert_eq!(bench.data(WAN, channel), ports([B]));
    bench.agent.handle_link(bench.now, port(B), false);
    assert_eq!(bench.data(WAN, channel), PortSet::EMPTY);
}
