//! What went wrong in other routers and proxies, named after them: it must not go wrong here.

use core::time::Duration;

use igmp::{RouterTimers, Verdict, VerdictClass};
use types::MacAddr;

use crate::bench::{A, B, Bench, WAN, client_settings, port};
use crate::faults::our_frames;
use crate::raw::{Raw, TO_EX, TO_IN, group, ip, join, join_v1, leave, query, query_v3, report, report_v3};

const G: &str = "239.2.2.2";

fn nth(n: usize) -> String {
    format!("239.1.1.{n}")
}

/// One frame of each kind, as others send them on port A.
fn messages() -> [Raw; 7] {
    [
        join(G),
        join_v1(G),
        leave(G),
        report_v3(&[(TO_EX, G, 0), (TO_IN, "239.2.2.3", 0)]),
        query(100, "0.0.0.0").from("10.1.0.20"),
        query(10, G).from("10.1.0.20"),
        query_v3(100, G, &["10.9.9.9"]).from("10.1.0.20"),
    ]
}

/// igmpproxy counts query rounds: what comes late in one belongs to the next, and is missed there.
#[test]
fn igmpproxy_a_report_at_the_end_of_the_response_time_counts() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    // Every answer in the last millisecond, for a day.
    for round in 0..690 {
        bench.run_to(31_250 + 125_000 * round + 9_999);
        assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    }
    assert_eq!(bench.changes.len(), 1, "never cut");
    // And one query of every two lost, the first answered at once and the next at the end.
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    for n in 0..100 {
        bench.run_to(259_999 * (n + 1));
        assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    }
    assert_eq!(bench.changes.len(), 1);
}

/// igmpproxy asks with the General Query's 10 s, and who leaves pays 20 s for a channel that nobody watches.
#[test]
fn igmpproxy_the_last_member_interval_is_its_own() {
    let s = Duration::from_secs;
    for response in [1, 10, 25] {
        let timers = RouterTimers::new(2, s(125), s(response), s(1), None).unwrap();
        let mut bench = Bench::with(|c| c.timers = timers, |_| {});
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        bench.receive(A, &leave(G));
        bench.run_to(30_000);
        let asked = bench.sent.iter().filter(|sent| sent.group == ip(G) && sent.kind == 0x11);
        assert_eq!(
            asked.map(|sent| (sent.at_ms, sent.code)).collect::<Vec<_>>(),
            [(20_000, 10), (21_000, 10)]
        );
        assert_eq!(bench.changes.last(), Some(&(22_000, A, group(G), false)));
    }
}

/// igmpproxy asks on every interface, the provider's among them.
#[test]
fn igmpproxy_queries_go_out_of_the_ports_they_are_for() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.receive(B, &join(G).from("10.2.0.9"));
    bench.run_to(20_000);
    let since = bench.sent.len();
    bench.receive(A, &leave(G));
    bench.run_to(3_600_000);
    assert_eq!(bench.group_queries_since(since, A), [20_000, 21_000]);
    assert_eq!(bench.group_queries_since(since, B), [0; 0], "its members are not asked");
    assert!(bench.sent.iter().all(|sent| sent.port != WAN || sent.kind != 0x11), "and the provider never");
}

/// CVE-2025-50681: igmpproxy dies while it writes a line about a record type that it does not know.
#[test]
fn igmpproxy_an_unknown_record_type_or_message_type_is_named_and_passed_over() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    for kind in (0..=255).filter(|kind| !(1..=6).contains(kind)) {
        for on in [A, WAN] {
            let records = report_v3(&[(kind, "239.7.7.7", 0), (kind, G, 3), (kind, "0.0.0.0", 1)]);
            let verdict = bench.receive(on, &records);
            let expected = if on == A { Verdict::NoEffect } else { Verdict::ForeignReport };
            assert_eq!(verdict, expected, "record type {kind}");
            assert!(!verdict.name().is_empty() && !format!("{verdict:?}").is_empty());
        }
    }
    for kind in (0..=255).filter(|kind| ![0x11, 0x12, 0x16, 0x17, 0x22].contains(kind)) {
        assert_eq!(bench.receive(A, &report(kind, G)), Verdict::UnknownType, "type {kind:#04x}");
    }
    assert_eq!(bench.forwarded.len(), 1);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
}

/// omcproxy forwards by a cache entry of 125 s, which a member that comes or goes does not touch.
#[test]
fn omcproxy_a_changed_member_set_is_in_force_at_once() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.run_to(50_000);
    bench.receive(B, &join(G).from("10.2.0.9"));
    assert_eq!(bench.changes.last(), Some(&(50_000, B, group(G), true)));
    bench.run_to(60_000);
    bench.receive(A, &leave(G));
    bench.run_to(100_000);
    assert_eq!(bench.changes.last(), Some(&(62_000, A, group(G), false)));
}

/// FRR asks about a Leave on a link where another router is querier.
#[test]
fn frr_a_leave_is_not_answered_by_a_non_querier() {
    let mut bench = Bench::new();
    bench.configure(A, &client_settings("10.1.0.100/24"));
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &query(100, "0.0.0.0").from("10.1.0.20")), Verdict::QuerierHeard);
    let since = bench.sent.len();
    for raw in [leave(G), leave(G).to(G), report_v3(&[(TO_IN, G, 0)])] {
        assert_eq!(bench.receive(A, &raw).class(), VerdictClass::Ignored);
    }
    bench.run(20_000);
    assert_eq!(bench.group_queries_since(since, A), [0; 0]);
    assert!(bench.proxy.member(group(G), port(A)).is_some());
}

/// FRR reads as many sources as a query or record says there are.
#[test]
fn frr_a_source_count_is_not_trusted() {
    for count in [1, 2, 3, 0x00ff, 0x0100, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff_u16] {
        let mut bench = Bench::new();
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        let before = bench.state();
        let lie =
            |raw: Raw, at: usize| raw.with(|r| r.igmp[at..at + 2].copy_from_slice(&count.to_be_bytes()));
        for on in [A, WAN] {
            assert_eq!(bench.receive(on, &lie(query_v3(100, G, &[]), 10)), Verdict::QueryLength, "{count}");
        }
        for kind in 0..=7 {
            // A good record before it does not count either.
            let records = report_v3(&[(TO_EX, "239.7.7.7", 0), (kind, "239.7.7.8", 0)]);
            assert_eq!(bench.receive(A, &lie(records, 18)), Verdict::RecordLength, "{count}");
        }
        assert_eq!(bench.state(), before);
    }
}

/// FRR takes messages whose checksum is wrong.
#[test]
fn frr_a_bad_checksum_is_not_accepted() {
    let mut bench = Bench::new();
    bench.receive(A, &join("239.2.2.3"));
    bench.run_to(20_000);
    let before = bench.state();
    for raw in messages() {
        // Each single bit of the message, and the sums that software leaves when it computes none.
        for bit in 0..raw.igmp.len() * 8 {
            let mut frame = raw.bytes();
            let at = frame.len() - raw.igmp.len() + bit / 8;
            frame[at] ^= 0x80 >> (bit % 8);
            let verdict = bench.receive_bytes(A, &frame);
            // A query that cannot be as long as it says is no query before its sum is looked at.
            let refused = matches!(verdict, Verdict::IgmpChecksum | Verdict::QueryLength);
            assert!(refused, "{verdict:?} for bit {bit} of {raw:?}");
        }
        for sum in [0, 0xffff] {
            let raw = raw.clone().with(|r| r.igmp_checksum = Some(sum));
            assert_eq!(bench.receive(A, &raw), Verdict::IgmpChecksum, "{sum:#06x} in {raw:?}");
        }
    }
    assert_eq!(bench.state(), before);
}

/// Linux divided by the Max Resp Time of a query.
#[test]
fn linux_a_max_resp_of_0_divides_nothing() {
    let version_1 = query(0, "0.0.0.0");
    let with_a_group = query(0, G).to("224.0.0.1");
    let (general, specific) = (query_v3(0, "0.0.0.0", &[]), query_v3(0, G, &[]));
    for (raw, lowers) in [(version_1, false), (with_a_group, false), (general, false), (specific, true)] {
        for groups in [0, 1, 200] {
            let mut bench = Bench::new();
            bench.configure(A, &client_settings("10.1.0.100/24"));
            (0..groups).for_each(|n| _ = bench.receive(A, &join(&nth(n))));
            bench.receive(A, &join(G));
            bench.run_to(20_000);
            assert_eq!(bench.receive(WAN, &raw), Verdict::QueryAnswered);
            let verdict = if lowers { Verdict::TimerLowered } else { Verdict::QuerierHeard };
            assert_eq!(bench.receive(A, &raw.clone().from("10.1.0.20")), verdict);
            assert_eq!(bench.receive(A, &raw.clone().from("10.1.0.20")), Verdict::QuerierHeard);
            // r66b: a query for one group that wants its answer at once gives it our own two seconds.
            bench.run(1999);
            assert_eq!(bench.forwarded.len(), groups + 1);
            bench.run(200_000);
            assert_eq!(bench.forwarded.len(), groups + usize::from(!lowers), "nobody else is cut by it");
        }
    }
}

/// Juniper: a control frame that comes back by a loop stopped the sender.
#[test]
fn juniper_a_looped_control_frame_does_nothing() {
    let looped = || our_frames(G).into_iter().chain(our_frames("239.7.7.7"));
    let bench = |loops: bool| {
        let mut bench = Bench::new();
        bench.receive(A, &join(G));
        for second in 0..600 {
            bench.run_to(second * 1000);
            if second % 100 == 0 {
                bench.receive(A, &join(G));
                bench.receive(WAN, &query(100, "0.0.0.0"));
            }
            for (frame, on) in looped().flat_map(|f| [A, B, WAN].map(|on| (f.clone(), on))).filter(|_| loops)
            {
                assert_eq!(bench.receive_bytes(on, &frame), Verdict::OwnMac);
            }
        }
        bench
    };
    let (loud, quiet) = (bench(true), bench(false));
    assert_eq!(loud.state(), quiet.state());
    assert_eq!(loud.changes, quiet.changes);
    assert!(loud.events.len() <= quiet.events.len() + 33, "at most one line a minute and port");
}

/// The same by a box that puts its own MAC on it: our address tells.
#[test]
fn juniper_a_looped_control_frame_with_another_mac_does_nothing() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.run_to(20_000);
    let before = bench.state();
    for (on, source) in [(A, "10.1.0.1"), (B, "10.2.0.1"), (WAN, "10.0.0.1")] {
        let loops =
            messages().map(|raw| raw.from(source).with(|r| r.source_mac = MacAddr([6, 0, 0, 0, 0, 7])));
        for raw in loops {
            assert_eq!(bench.receive(on, &raw), Verdict::OwnAddress, "{raw:?}");
        }
    }
    assert_eq!(bench.state(), before);
}

/// Juniper: after one crafted frame some groups got nothing any more.
#[test]
fn juniper_no_crafted_frame_stops_any_of_the_groups() {
    const GROUPS: usize = 40;
    let mut bench = Bench::new();
    for n in 0..GROUPS {
        bench.receive(A, &join(&nth(n)));
        bench.receive(B, &join(&nth(n)).from("10.2.0.9"));
    }
    bench.run_to(20_000);
    // Each byte of each message set to what breaks parsers, with the checksums that go with it and without.
    let crafted = messages().into_iter().flat_map(|raw| {
        let bytes = raw.bytes();
        let places = (14..bytes.len()).flat_map(|at| [0, 1, 0x7f, 0x80, 0xff].map(|value| (at, value)));
        places
            .flat_map(|(at, value)| {
                let mut frame = bytes.clone();
                frame[at] = value;
                [mended(&frame), frame]
            })
            .collect::<Vec<_>>()
    });
    for frame in crafted {
        for on in [A, WAN] {
            bench.receive_bytes(on, &frame);
        }
    }
    assert!((0..GROUPS).all(|n| bench.forwards(A, &nth(n)) && bench.forwards(B, &nth(n))), "nobody was cut");
    // Whoever won the election by it falls silent; then every group still comes and goes as it should.
    bench.run(10_000);
    for n in 0..GROUPS {
        bench.receive(A, &join(&nth(n)));
        bench.receive(B, &join(&nth(n)).from("10.2.0.9"));
    }
    bench.run(255_000);
    for n in 0..GROUPS {
        assert_eq!(bench.receive(A, &join(&nth(n))), Verdict::Refreshed);
        assert_eq!(bench.receive(B, &leave(&nth(n)).from("10.2.0.9")), Verdict::LeaveTaken);
    }
    bench.run(2000);
    assert!((0..GROUPS).all(|n| bench.forwards(A, &nth(n)) && !bench.forwards(B, &nth(n))));
    for n in 0..GROUPS {
        assert_eq!(bench.receive(B, &join(&nth(n)).from("10.2.0.9")), Verdict::Joined);
    }
}

/// The frame with its checksums made good, as far as its lengths allow.
fn mended(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let header = 14..14 + usize::from(frame[14] & 15) * 4;
    for (sum_at, part) in [(24, header.clone()), (header.end + 2, header.end..frame.len())] {
        if sum_at + 2 <= part.end && part.end <= frame.len() {
            frame[sum_at..sum_at + 2].fill(0);
            let sum = crate::raw::checksum(&frame[part]);
            frame[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
        }
    }
    frame
}
