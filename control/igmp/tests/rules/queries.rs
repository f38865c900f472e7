//! r16 to r19, r34, r94, r101: our queries on the client ports.

use igmp::{Action, PortRole, SentType};
use types::{PortIndex, Time};

use crate::bench::{A, B, Bench, Sent, WAN, client_settings, port};
use crate::raw::{ip, join};

#[test]
fn r16_each_client_port_starts_as_querier_with_a_query_at_once() {
    let bench = Bench::new();
    assert_eq!(bench.general_queries(A), [0]);
    assert_eq!(bench.general_queries(B), [0]);
    assert_eq!(bench.general_queries(WAN), [0; 0]);
    let view = bench.proxy.port_view(bench.now, port(A)).unwrap();
    assert_eq!(view.role, PortRole::Querier { next_query: Time::from_nanos(31_250_000_000) });
    assert_eq!((view.querier, view.role.name()), (Some(ip("10.1.0.1")), "querier"));
}

#[test]
fn r17_startup_queries_then_one_every_interval_and_no_others() {
    let mut bench = Bench::new();
    bench.run_to(410_000);
    for on in [A, B] {
        assert_eq!(bench.general_queries(on), [0, 31_250, 156_250, 281_250, 406_250]);
        assert_eq!(bench.proxy.counters(port(on)).sent(SentType::GeneralQuery), 5);
    }
    assert_eq!(bench.sent.len(), 10);
}

#[test]
fn r17_timers_fired_late_do_not_shift_the_next_queries() {
    let mut bench = Bench::new();
    for late_ms in [31_300, 156_330, 281_349] {
        bench.now = Time::from_nanos(late_ms * 1_000_000);
        assert_eq!(bench.proxy.handle_timers(bench.now, usize::MAX), 2);
        bench.drain();
    }
    bench.run_to(410_000);
    assert_eq!(bench.general_queries(A), [0, 31_300, 156_330, 281_349, 406_250]);
}

#[test]
fn r18_a_general_query_goes_to_all_systems_with_the_response_interval() {
    let bench = Bench::new();
    let Sent { kind, code, group, destination, .. } = bench.sent[0];
    assert_eq!((kind, code), (0x11, 100));
    assert_eq!((group, destination), (ip("0.0.0.0"), ip("224.0.0.1")));
}

/// The bench looks at the form of every frame sent; this is one seen whole.
#[test]
fn r101_a_query_is_eight_bytes_behind_a_header_of_24() {
    let mut bench = Bench::bare(1);
    bench.proxy.add_client_port(bench.now, port(A), client_settings("10.1.0.1/24"), true);
    let Some(Action::Send { frame, .. }) = bench.proxy.poll_action() else { panic!("a query at once") };
    let bytes = frame.as_slice();
    assert_eq!((bytes.len(), bytes[14], &bytes[16..18]), (14 + 32, 0x46, &[0, 32][..]));
    assert_eq!(bytes[38..], [0x11, 100, 0xee, 0x9b, 0, 0, 0, 0]);
}

#[test]
fn r19_its_source_is_the_querier_address_the_ports_address_or_none() {
    let source = |change: &dyn Fn(&mut igmp::ClientPortSettings)| Bench::with(change, |_| {}).sent[0].source;
    assert_eq!(source(&|_| {}), ip("10.1.0.1"));
    assert_eq!(source(&|c| c.querier_address = Some(ip("10.1.0.7"))), ip("10.1.0.7"));
    assert_eq!(source(&|c| c.address = None), ip("0.0.0.0"));
    assert_eq!(source(&|c| (c.address, c.querier_address) = (None, Some(ip("192.0.2.1")))), ip("192.0.2.1"));
}

#[test]
fn r19_the_querier_address_is_ours() {
    let mut bench = Bench::with(|c| c.querier_address = Some(ip("10.1.0.7")), |_| {});
    assert_eq!(bench.receive(A, &join("239.2.2.2").to("10.1.0.7")), igmp::Verdict::Joined);
    assert_eq!(bench.receive(A, &join("239.2.2.2").from("10.1.0.7")), igmp::Verdict::OwnAddress);
}

#[test]
fn r34_link_up_starts_the_queries_anew() {
    let mut bench = Bench::new();
    bench.run_to(200_000);
    bench.link(A, false);
    assert_eq!(bench.proxy.port_view(bench.now, port(A)).unwrap().role, PortRole::Silent);
    bench.run_to(300_000);
    bench.link(A, true);
    // Told again, nothing happens again.
    bench.link(A, true);
    bench.run_to(460_000);
    assert_eq!(bench.general_queries(A), [0, 31_250, 156_250, 300_000, 331_250, 456_250]);
    assert_eq!(bench.general_queries(B), [0, 31_250, 156_250, 281_250, 406_250]);
}

#[test]
fn r34_a_port_without_link_waits_for_it() {
    let mut bench = Bench::bare(1);
    bench.proxy.add_client_port(bench.now, port(A), client_settings("10.1.0.1/24"), false);
    bench.run_to(1000);
    assert_eq!((bench.sent.len(), bench.proxy.next_deadline()), (0, None));
    bench.link(A, true);
    assert_eq!(bench.general_queries(A), [1000]);
}

#[test]
fn r94_a_new_address_queries_at_once_and_loses_no_member() {
    let mut bench = Bench::new();
    bench.receive(A, &join("239.2.2.2"));
    bench.run_to(50_000);
    let same = client_settings("10.1.0.1/24");
    bench.proxy.add_client_port(bench.now, port(A), same, true);
    bench.drain();
    assert_eq!(bench.general_queries(A), [0, 31_250]);
    bench.proxy.add_client_port(bench.now, port(A), client_settings("10.1.0.2/24"), true);
    bench.drain();
    assert_eq!(bench.general_queries(A), [0, 31_250, 50_000]);
    assert_eq!(bench.sent.last().unwrap().source, ip("10.1.0.2"));
    assert!(bench.forwards(A, "239.2.2.2"));
    assert_eq!(bench.changes.len(), 1);
}

#[test]
fn every_port_index_works() {
    let mut bench = Bench::bare(1);
    let last = PortIndex::new(types::MAX_PORTS - 1).unwrap();
    bench.proxy.add_client_port(bench.now, last, client_settings("10.1.0.1/24"), true);
    bench.drain();
    assert_eq!(bench.receive(63, &join("239.2.2.2")), igmp::Verdict::Joined);
    assert_eq!(bench.receive(62, &join("239.2.2.2")), igmp::Verdict::NoRole);
    assert!(bench.forwards(63, "239.2.2.2"));
}
