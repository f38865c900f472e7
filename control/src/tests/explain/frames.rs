//! Faults of the frames, and of what comes at all.

use api::Finding;
use types::{Loss, Losses};

use super::*;

#[test]
fn r85_a_source_that_the_filter_refuses() {
    let mut plan = Plan::new();
    plan.ports[WAN].ingress.sources_allowed = vec!["10.0.0.80/32".parse().unwrap()];
    let mut bench = joined(plan);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN); 4]);
    dark(
        &reply,
        "dark, on wan: 4 of 4 frames are dropped: multicast data from a source that `sources-allowed` does not name \
         (source-not-allowed)",
        "name 10.0.0.77 in `sources-allowed` of wan",
    );
    assert_eq!(
        found(&reply, Topic::Dropped)[1],
        "- wan: 4 frames of it since the start, from sources that `sources-allowed` does not name"
    );
    // Another sender's frames are taken meanwhile: the group is not dark for that.
    bench.worker(WAN, Datagram { source: [10, 0, 0, 80], ..PLAIN }.frame());
    let reply = ask(&mut bench, None);
    lit(&reply, "forwarded to hall-a");
    assert!(found(&reply, Topic::Dropped)[0].starts_with("- wan: 4 of 5 frames are dropped"), "{reply:#?}");
}

/// The port loses this many frames that way, as seen now.
fn lose(bench: &mut Bench, index: usize, loss: Loss, frames: u64) {
    let mut losses = bench.agent.losses.of(port(index));
    losses.add(bench.now, &Losses::of(|kind| if kind == loss { frames } else { 0 }));
    bench.agent.losses.set(port(index), losses);
}

#[test]
fn frames_lost_before_a_worker_has_them_are_named_while_they_are() {
    let mut bench = joined(Plan::new());
    lose(&mut bench, WAN, Loss::RxMissed, 120);
    lose(&mut bench, WAN, Loss::TxErrors, 4);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN); 4]);
    lit(&reply, "forwarded to hall-a; but frames are lost on wan");
    let losing = reply.checks.iter().find(|check| check.finding == Finding::Losing).expect("named");
    assert_eq!(losing.cure.as_deref(), Some(Loss::RxMissed.cure()));
    assert_eq!(
        found(&reply, Topic::Dropped)[1],
        "- wan: frames are lost before a worker has them, perhaps of it, too: 120 rx-missed since the start, the last \
         1.5 s ago"
    );
    bench.run(Duration::from_secs(10));
    bench.worker(WAN, PLAIN.frame());
    lit(&ask(&mut bench, None), "forwarded to hall-a");
}

#[test]
fn where_nothing_arrives_and_frames_are_lost_the_provider_is_not_blamed() {
    let mut bench = joined(Plan::new());
    provider_asks(&mut bench, false);
    lose(&mut bench, WAN, Loss::RxNoBuffer, 9);
    let reply = explained(&mut bench, None, &[]);
    assert_eq!(reply.dark, Some(true));
    assert!(
        reply.verdict.ends_with("; and frames are lost there before a worker has them: 9 rx-no-buffer"),
        "{reply:#?}"
    );
    assert_eq!(reply.cure.as_deref(), Some(Loss::RxNoBuffer.cure()));
}

#[test]
fn copies_that_a_driver_could_not_send_are_told_where_they_were_to_leave() {
    let mut bench = joined(Plan::new());
    lose(&mut bench, A, Loss::TxErrors, 3);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    lit(&reply, "forwarded to hall-a");
    assert_eq!(
        found(&reply, Topic::Leaving),
        ["ok hall-a: forwarded; lost there since the start, of all groups: 3 tx-errors"]
    );
}

#[test]
fn what_is_dropped_beside_what_comes_right_makes_nothing_dark() {
    let mut bench = joined(Plan::new().sources(B, Sources::Yes));
    let short = Datagram { source: [10, 2, 0, 77], ttl: 1, ..PLAIN };
    let unfinished = Datagram { checksum: Checksum::Unfinished, ..PLAIN };
    let reply = explained(&mut bench, None, &[(B, short), (WAN, unfinished), (WAN, PLAIN)]);
    lit(&reply, "forwarded to hall-a");
    assert_eq!(
        found(&reply, Topic::Dropped),
        [
            "- wan: hosts drop 1 of 2 frames: the UDP checksum is unfinished, left by the sender to a NIC that is not \
             there",
            "- hall-b: 1 of 1 frames are dropped: TTL 0 or 1: expires here (ttl)",
        ]
    );
}

#[test]
fn frames_that_are_counted_are_not_called_missing() {
    let mut bench = joined(Plan::new());
    ask(&mut bench, None);
    bench.deaf_worker(WAN, PLAIN.frame());
    bench.run(Duration::from_millis(1000));
    let reply = ask(&mut bench, None);
    assert_eq!(
        found(&reply, Topic::Arriving),
        ["- *: about 1 frames/s came as workers count, but none was among those looked at; ask again"]
    );
    assert_eq!(reply.dark, None);
}

#[test]
fn what_a_tap_sees_go_out_did_not_come_in() {
    let mut plan = Plan::new();
    plan.ports[A].ingress.kernel_mac = Some(SENDER);
    let mut bench = joined(plan);
    let reply = explained(&mut bench, None, &[(A, PLAIN)]);
    assert!(reply.verdict.contains("no frame of it came in by any port"), "{reply:#?}");
}

#[test]
fn ttl_1_expires_here() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, Some("hall-a"), &[(WAN, Datagram { ttl: 1, ..PLAIN })]);
    dark(
        &reply,
        "dark, on wan: 1 of 1 frames are dropped: TTL 0 or 1: expires here (ttl)",
        "have the sender set a TTL of 2 or more: each router on the way takes one",
    );
    assert!(found(&reply, Topic::Arriving)[0].contains("TTL 1, 1344 bytes"));
}

#[test]
fn frames_on_the_wrong_port() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, None, &[(B, Datagram { source: [10, 2, 0, 77], ..PLAIN })]);
    dark(
        &reply,
        "dark, on hall-b: from 10.2.0.77 (02:00:00:00:00:77), TTL 9, 1344 bytes, 1.5 s ago, but only here, on a \
         client port that may not send",
        "connect the sender to the provider's port, or set `sources = true` of hall-b",
    );
    // From the provider as well: then it is no more than a remark.
    bench.worker(WAN, PLAIN.frame());
    let reply = ask(&mut bench, None);
    lit(&reply, "forwarded to hall-a");
    assert!(found(&reply, Topic::Arriving)[1].starts_with("- hall-b: from 10.2.0.77"), "{reply:#?}");
}

#[test]
fn r75_frames_of_a_client_that_may_send() {
    let mut bench = joined(Plan::new().sources(B, Sources::Yes));
    lit(&explained(&mut bench, None, &[(B, PLAIN)]), "forwarded to hall-a");
    let mut bench = joined(Plan::new().sources(A, Sources::Yes));
    let reply = explained(&mut bench, None, &[(A, PLAIN)]);
    assert_eq!(
        found(&reply, Topic::Leaving),
        ["- hall-a: the sender is on this port's own link, where hosts hear it"]
    );
}

#[test]
fn unfinished_udp_checksums() {
    let mut bench = joined(Plan::new());
    let reply =
        explained(&mut bench, None, &[(WAN, Datagram { checksum: Checksum::Unfinished, ..PLAIN }); 2]);
    dark(
        &reply,
        "dark, on wan: hosts drop 2 of 2 frames: the UDP checksum is unfinished, left by the sender to a NIC that is \
         not there",
        "`ethtool -K X tx off` on the sender 10.0.0.77, X being its interface",
    );
    assert_eq!(found(&reply, Topic::Leaving), ["ok hall-a: forwarded"], "though hosts do not take it");

    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, None, &[(WAN, Datagram { checksum: Checksum::Wrong, ..PLAIN })]);
    assert_eq!(reply.verdict, "dark, on wan: hosts drop 1 of 1 frames: the UDP checksum is wrong");
}

#[test]
fn unfinished_udp_checksums_that_the_worker_completes() {
    let mut plan = Plan::new();
    plan.ports[WAN].ingress.completes_udp = true;
    let mut bench = joined(plan);
    let unfinished = Datagram { checksum: Checksum::Unfinished, ..PLAIN };
    let reply = explained(&mut bench, None, &[(WAN, unfinished), (WAN, PLAIN), (WAN, unfinished)]);
    lit(&reply, "forwarded to hall-a");
    assert_eq!(
        found(&reply, Topic::Dropped),
        [
            "- wan: 2 of 3 frames come with an unfinished UDP checksum, left by the sender to a NIC that is not there: \
             completed here",
            "ok wan: nothing of 3 frames looked at",
        ]
    );
}

#[test]
fn unfinished_checksums_are_told_also_where_the_ring_cut_the_frame() {
    for (checksum, is_dark) in
        [(Checksum::Unfinished, true), (Checksum::Right, false), (Checksum::Wrong, false)]
    {
        let mut plan = Plan::new();
        plan.ports[A].mtu = 9000;
        let mut bench = joined(plan);
        let reply = explained(&mut bench, None, &[(WAN, Datagram { payload: 4000, checksum, ..PLAIN })]);
        assert_eq!(reply.dark, Some(is_dark), "{reply:#?}");
        assert!(found(&reply, Topic::Arriving)[0].contains("4028 bytes"), "{reply:#?}");
    }
}

#[test]
fn nothing_comes_from_the_provider() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, None, &[]);
    dark(
        &reply,
        "dark, on wan: no frame of it came in by any port within 1.5 s; no query came from the provider, whose network \
         may have forgotten that we asked",
        "set `re-report-interval` of the provider's port, and ask the provider whether its router is querier on that \
         link",
    );
    assert_eq!(found(&reply, Topic::Leaving), ["ok hall-a: what comes in right would go out here"]);
    provider_asks(&mut bench, false);
    bench.run(Duration::from_secs(10));
    let reply = explained(&mut bench, None, &[]);
    dark(
        &reply,
        "dark, on wan: no frame of it came in by any port within 1.5 s; the provider asks, so it knows that we want it",
        "ask the provider whether it sends this group, and look whether the sender does",
    );
}

#[test]
fn frames_that_came_a_while_ago_say_nothing() {
    let mut bench = joined(Plan::new());
    lit(&explained(&mut bench, None, &[(WAN, PLAIN)]), "forwarded to hall-a");
    bench.run(Duration::from_secs(5));
    let reply = ask(&mut bench, None);
    assert!(
        reply.verdict.starts_with("dark, on wan: no frame of it came in by any port within 5.0 s"),
        "{reply:#?}"
    );
    bench.worker(WAN, PLAIN.frame());
    lit(&ask(&mut bench, None), "forwarded to hall-a");
}

#[test]
fn a_provider_that_may_serve_named_sources_only() {
    let mut bench = joined(Plan::new());
    provider_asks(&mut bench, true);
    bench.run(Duration::from_secs(10));
    let reply = explained(&mut bench, Some("hall-a"), &[]);
    dark(
        &reply,
        "dark, on wan: no frame of it came in by any port within 1.5 s; the provider asks by IGMPv3, and we answer by \
         IGMPv2: if it serves this group from named sources only (SSM), that is not enough",
        "ask the provider whether it takes IGMPv2 reports for this group",
    );
}

#[test]
fn r99_a_port_whose_mtu_is_too_small() {
    let mut plan = Plan::new();
    plan.ports[A].mtu = 1400;
    let mut bench = joined(plan);
    bench.join(B, group(CHANNEL));
    let reply = explained(&mut bench, Some("hall-a"), &[(WAN, Datagram { payload: 1400, ..PLAIN })]);
    dark(
        &reply,
        "dark, on hall-a: frames of 1428 bytes are longer than the port's MTU of 1400",
        "raise the MTU of hall-a and of its link, or have the sender send less a packet",
    );
    // The other port has it: both are told.
    let reply = ask(&mut bench, None);
    lit(
        &reply,
        "forwarded to hall-b; dark, on hall-a: frames of 1428 bytes are longer than the port's MTU of 1400",
    );
    assert_eq!(bench.dropped(A, DropReason::Mtu), 1);
}

#[test]
fn r82_fragments_are_forwarded_and_named() {
    let mut bench = joined(Plan::new());
    let first = Datagram { fragment: 0x2000, ..PLAIN };
    let last = Datagram { fragment: 185, checksum: Checksum::Wrong, ..PLAIN };
    let reply = explained(&mut bench, None, &[(WAN, first), (WAN, last)]);
    lit(&reply, "forwarded to hall-a");
    assert!(found(&reply, Topic::Arriving)[0].contains("1344 bytes, in fragments"), "{reply:#?}");
}

#[test]
fn r86_tagged_frames_are_seen_and_refused() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, None, &[(WAN, Datagram { tagged: true, ..PLAIN })]);
    dark(
        &reply,
        "dark, on wan: 1 of 1 frames are dropped: 802.1Q or 802.1ad tag (vlan-tagged)",
        "have the switch before wan send these frames untagged",
    );
    assert!(found(&reply, Topic::Arriving)[0].contains("from 10.0.0.77"), "{reply:#?}");
}

#[test]
fn broken_frames_are_looked_at_without_harm() {
    let mut bench = joined(Plan::new());
    ask(&mut bench, None);
    let frame = Datagram { payload: 64, ..PLAIN }.frame();
    for len in 0..frame.len() {
        bench.agent.take_sample(bench.now, port(WAN), &frame[..len]);
        ask(&mut bench, None);
    }
    for at in 0..frame.len() {
        for byte in [0, 1, 0x4f, 0x80, 0xff] {
            let mut broken = frame.clone();
            broken[at] = byte;
            bench.agent.take_sample(bench.now, port(WAN), &broken);
            ask(&mut bench, None);
        }
    }
    let arriving = found(&ask(&mut bench, None), Topic::Arriving);
    assert!(arriving[0].starts_with("ok wan: from 10.0.0.77"), "{arriving:?}");
}

#[test]
fn a_handful_of_groups_is_looked_at_for_some_seconds() {
    let mut bench = joined(Plan::new());
    for n in 0..MAX_WATCHED as u16 {
        assert!(ask_about(&mut bench, nth_group(n), None).watching);
    }
    let reply = ask(&mut bench, None);
    assert_eq!((reply.watching, reply.dark), (false, None));
    assert_eq!(
        reply.verdict,
        "nothing keeps it from hall-a, as far as is known: its frames were not looked at"
    );
    assert_eq!(
        found(&reply, Topic::Arriving),
        ["- *: not looked at: as many other groups are being looked at as can be; ask again in 15 s"]
    );
    // Asked about again, a group stays longer than the others.
    bench.run(Duration::from_secs(10));
    ask_about(&mut bench, nth_group(0), None);
    bench.run(Duration::from_secs(6));
    lit(&explained(&mut bench, None, &[(WAN, PLAIN)]), "forwarded to hall-a");
    assert!(!ask_about(&mut bench, nth_group(0), None).watching, "it has been looked at all the time");
    bench.run(Duration::from_secs(20));
    assert!(ask(&mut bench, None).watching, "what was known has been forgotten");
}

#[test]
fn samples_are_the_agents_and_no_igmp() {
    let mut bench = joined(Plan::new());
    ask(&mut bench, None);
    let before = bench.agent.proxy.counters(port(WAN)).frames();
    (0..20).for_each(|_| _ = bench.worker(WAN, PLAIN.frame()));
    assert_eq!(bench.agent.proxy.counters(port(WAN)).frames(), before);
    assert_eq!(found(&ask(&mut bench, None), Topic::Dropped), ["ok wan: nothing of 8 frames looked at"]);
}
