//! Ports that send from a MAC of their own. The bench checks the source MAC of every message.

use igmp::Verdict;
use types::MacAddr;

use crate::bench::{A, B, Bench, WAN, client_settings, port, upstream_settings};
use crate::raw::{ROUTER_MAC, join, query};

const G: &str = "239.2.2.2";
const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0xaa, 1]);
const PROVIDERS: MacAddr = MacAddr([2, 0, 0, 0, 0xaa, 2]);

/// Port A and the provider's have MACs of their own, B has the router's.
fn bench() -> Bench {
    let own = "10.1.0.1/24".parse().ok();
    Bench::with(
        |client| client.mac = (client.address == own).then_some(OWN),
        |upstream| upstream.mac = Some(PROVIDERS),
    )
}

#[test]
fn queries_reports_and_leaves_come_from_the_mac_of_their_port() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    bench.receive(WAN, &query(100, "0.0.0.0"));
    // Startup queries, answers, the member's end.
    bench.run(300_000);
    for (at, kinds) in [(A, &[0x11][..]), (B, &[0x11]), (WAN, &[0x16, 0x17])] {
        let sent = bench.sent_since(0, at);
        assert!(kinds.iter().all(|kind| sent.iter().any(|message| message.1 == *kind)), "{at}: {sent:?}");
    }
}

#[test]
fn leaves_that_wait_go_out_from_the_mac_of_the_port_that_was_the_providers() {
    let mut bench = bench();
    for i in 0..100 {
        bench.receive(A, &join(&format!("239.1.0.{i}")));
    }
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, None, false);
    bench.drain();
    bench.run(1_000);
    assert_eq!(bench.sent_since(since, WAN).len(), 100);
}

#[test]
fn a_change_of_the_mac_asks_nothing_anew() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    bench.run(60_000);
    let since = bench.sent.len();
    bench.configure(A, &client_settings("10.1.0.1/24"));
    bench.note_mac(WAN, None);
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    bench.drain();
    assert_eq!(bench.sent.len(), since);
    assert!(bench.forwards(A, G));
    // The next ones come from the other MAC.
    bench.run(200_000);
    assert!(bench.sent.len() > since);
}

#[test]
fn r12_the_mac_of_any_port_is_our_own_on_every_port() {
    let mut bench = bench();
    for mac in [ROUTER_MAC, OWN, PROVIDERS] {
        for on in [A, B, WAN] {
            let looped = join(G).with(|raw| raw.source_mac = mac);
            assert_eq!(bench.receive(on, &looped), Verdict::OwnMac, "{mac} on {on}");
        }
    }
    // Nobody's any more: a host may have it.
    bench.configure(A, &client_settings("10.1.0.1/24"));
    assert_eq!(bench.receive(A, &join(G).with(|raw| raw.source_mac = OWN)), Verdict::Joined);
}

#[test]
fn unicast_for_us_goes_to_the_mac_of_the_port() {
    let mut bench = bench();
    let to = |mac| join(G).with(|raw| raw.destination_mac = Some(mac));
    assert_eq!(bench.receive(A, &to(ROUTER_MAC)), Verdict::DestinationMac);
    assert_eq!(bench.receive(A, &to(OWN)), Verdict::Joined);
    assert_eq!(bench.receive(B, &to(ROUTER_MAC).from("10.2.0.9")), Verdict::Joined);
}
