//! r102: Multicast Router Discovery (RFC 4286).

use igmp::{ClientPortSettings, PortRole, ReceivedType, SentType, Verdict};

use crate::bench::{A, B, Bench, Sent, WAN, client_settings, port};
use crate::raw::{Raw, checksum, ip, join, query};

fn settings() -> ClientPortSettings {
    ClientPortSettings { router_discovery: true, ..client_settings("10.1.0.1/24") }
}

/// Port A advertises, port B does not.
fn bench() -> Bench {
    seeded(1)
}

fn seeded(seed: u64) -> Bench {
    let mut bench = Bench::seeded(seed, |_| {}, |_| {});
    bench.configure(A, &settings());
    bench
}

fn solicitation() -> Raw {
    Raw::new(ip("224.0.0.2"), vec![0x31, 0, 0, 0])
}

fn of_kind(bench: &Bench, since: usize, kind: u8) -> Vec<u64> {
    let wanted = |sent: &&Sent| sent.port == A && sent.kind == kind;
    bench.sent[since..].iter().filter(wanted).map(|sent| sent.at_ms).collect()
}

#[test]
fn r102_an_advertisement_says_where_how_often_and_with_what_timers() {
    let mut bench = bench();
    bench.run_to(2001);
    let sent = bench.sent.iter().find(|sent| sent.kind == 0x30).unwrap();
    // Interval 20 s; Query Interval 125 s and robustness 2 where a group would be.
    let expected = Sent {
        at_ms: sent.at_ms,
        port: A,
        kind: 0x30,
        code: 20,
        group: ip("0.125.0.2"),
        source: ip("10.1.0.1"),
        destination: ip("224.0.0.106"),
    };
    assert_eq!(*sent, expected);
    assert!(bench.proxy.counters(port(A)).sent(SentType::Advertisement) >= 1);
}

#[test]
fn r102_three_soon_then_one_every_20_s_give_or_take_half_a_second() {
    for seed in 0..100 {
        let mut bench = seeded(seed);
        bench.run_to(600_000);
        let at = of_kind(&bench, 0, 0x30);
        assert!(at[0] <= 2000);
        let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[..2].iter().all(|gap| *gap <= 2001), "{gaps:?}");
        assert!(gaps[2..].iter().all(|gap| (19_499..=20_501).contains(gap)), "{gaps:?}");
        assert!(gaps[2..].iter().any(|gap| *gap != gaps[2]), "jitter");
        assert!(bench.sent.iter().all(|sent| sent.port == A || sent.kind != 0x30), "and nowhere else");
    }
}

#[test]
fn r102_also_while_another_router_is_querier() {
    let mut bench = bench();
    let moved = ClientPortSettings { router_discovery: true, ..client_settings("10.1.0.100/24") };
    bench.configure(A, &moved);
    bench.run_to(30_000);
    bench.receive(A, &query(100, "0.0.0.0").from("10.1.0.20"));
    assert!(matches!(bench.role(A), PortRole::NonQuerier { .. }));
    let since = bench.sent.len();
    bench.run_to(230_000);
    assert!((9..=11).contains(&of_kind(&bench, since, 0x30).len()));
    assert_eq!(of_kind(&bench, since, 0x11), [0; 0]);
}

#[test]
fn r102_a_solicitation_is_answered_soon_and_a_flood_of_them_slowly() {
    let mut bench = bench();
    bench.run_to(31_000);
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &solicitation()), Verdict::SolicitationTaken);
    bench.run(1000);
    let answers = of_kind(&bench, since, 0x30);
    assert!(!answers.is_empty() && answers[0] >= 31_100, "{answers:?}");
    assert_eq!(bench.proxy.counters(port(A)).received(ReceivedType::Solicitation), 1);
    let since = bench.sent.len();
    for _ in 0..10_000 {
        bench.receive(A, &solicitation());
        bench.run(1);
    }
    let answers = of_kind(&bench, since, 0x30);
    assert!(answers.windows(2).all(|pair| pair[1] - pair[0] >= 99), "at most 10 a second");
    assert!(answers.len() > 9);
}

#[test]
fn r102_what_is_no_solicitation() {
    let mut bench = bench();
    let before = bench.state();
    assert_eq!(bench.receive(A, &solicitation().to("224.0.0.1")), Verdict::Destination);
    assert_eq!(bench.receive(A, &solicitation().with(|r| r.igmp_checksum = Some(7))), Verdict::IgmpChecksum);
    assert_eq!(bench.receive(A, &solicitation().with(|r| r.igmp.truncate(3))), Verdict::IgmpLength);
    assert_eq!(bench.receive(A, &solicitation().with(|r| r.ttl = 2)), Verdict::Ttl);
    // Others' advertisements and terminations; the latter are too short for what IGMP is otherwise.
    let advertisement = Raw::new(ip("224.0.0.106"), vec![0x30, 20, 0, 0, 0, 125, 0, 2]);
    assert_eq!(bench.receive(A, &advertisement), Verdict::UnknownType);
    assert_eq!(bench.receive(A, &Raw::new(ip("224.0.0.106"), vec![0x32, 0, 0, 0])), Verdict::IgmpLength);
    // Ports that do not advertise.
    assert_eq!(bench.receive(B, &solicitation().from("10.2.0.9")), Verdict::UnknownType);
    assert_eq!(bench.receive(WAN, &solicitation().from("10.0.0.9")), Verdict::UnknownType);
    assert_eq!(bench.state(), before);
    let longer = solicitation().with(|r| r.igmp.extend([9, 9, 9, 9, 9]));
    assert_eq!(bench.receive(A, &longer), Verdict::SolicitationTaken);
}

#[test]
fn r102_it_ends_with_a_termination() {
    let ends: [&dyn Fn(&mut Bench); 4] = [
        &|bench| bench.configure(A, &client_settings("10.1.0.1/24")),
        &|bench| bench.proxy.set_enabled(bench.now, false),
        &|bench| bench.proxy.shutdown(bench.now),
        &|bench| bench.proxy.remove_port(bench.now, port(A)),
    ];
    for end in ends {
        let mut bench = bench();
        bench.run_to(50_000);
        end(&mut bench);
        bench.drain();
        let since = bench.sent.len();
        assert_eq!(of_kind(&bench, 0, 0x32), [50_000]);
        let last = bench.sent.iter().find(|sent| sent.kind == 0x32).unwrap();
        assert_eq!((last.destination, last.source, last.code), (ip("224.0.0.106"), ip("10.1.0.1"), 0));
        bench.run_to(500_000);
        assert_eq!(of_kind(&bench, since, 0x30), [0; 0]);
    }
}

#[test]
fn r102_a_link_that_went_down_hears_nothing_and_starts_anew() {
    let mut bench = bench();
    bench.run_to(50_000);
    let since = bench.sent.len();
    bench.link(A, false);
    bench.run_to(100_000);
    bench.link(A, true);
    bench.run_to(106_000);
    assert_eq!(of_kind(&bench, since, 0x32), [0; 0]);
    assert_eq!(of_kind(&bench, since, 0x30).len(), 3);
    bench.proxy.set_enabled(bench.now, false);
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    let since = bench.sent.len();
    bench.run(6000);
    assert_eq!(of_kind(&bench, since, 0x30).len(), 3, "likewise after the switch");
    assert_eq!(bench.receive(A, &join("239.2.2.2")), Verdict::Joined);
}

#[test]
fn r102_a_new_address_is_advertised_soon() {
    let mut bench = bench();
    bench.run_to(50_000);
    let moved = ClientPortSettings { router_discovery: true, ..client_settings("10.1.0.2/24") };
    bench.configure(A, &moved);
    let since = bench.sent.len();
    bench.run(6000);
    assert_eq!(of_kind(&bench, since, 0x30).len(), 3);
    assert!(bench.sent[since..].iter().all(|sent| sent.port != A || sent.source == ip("10.1.0.2")));
}

#[test]
fn r102_a_termination_is_four_bytes_and_summed() {
    let mut bench = bench();
    bench.proxy.remove_port(bench.now, port(A));
    let frame = core::iter::from_fn(|| bench.proxy.poll_action()).find_map(|action| match action {
        igmp::Action::Send { frame, .. } if frame.as_slice()[38] == 0x32 => Some(frame),
        _ => None,
    });
    let frame = frame.unwrap();
    assert_eq!(frame.as_slice()[38..], [0x32, 0, 0xcd, 0xff]);
    assert_eq!(checksum(&frame.as_slice()[38..]), 0);
    assert_eq!(frame.as_slice().len(), igmp::Frame::MAX_LEN - 4);
}
