//! Data: which ports get it, and what it looks like there (r14, r74 to r88, r98, r99). That each copy is right in
//! every byte, sent at once and once, is checked of every replay.

use std::net::Ipv4Addr;

use crate::support::frames::{
    GROUP, Packet, SOURCE, Station, USER_3, USER_4, USER_5, checksum, data, data_packet, group_mac,
    igmp_packet, igmp_payload, join, leave, padded, query, report,
};
use crate::support::replay::{Replay, Replayed};

/// A member on each hall.
fn joined() -> Replay {
    Replay::new().at(0.0, "hall-a", join(USER_4, GROUP)).at(0.0, "hall-b", join(USER_3, GROUP))
}

fn stream(number: u16, change: impl FnOnce(&mut Packet)) -> Vec<u8> {
    data_packet(SOURCE, GROUP, number).with(change).bytes()
}

/// Both halls got exactly these.
fn assert_both(replayed: &Replayed, numbers: &[u16]) {
    for hall in ["hall-a", "hall-b"] {
        assert_eq!(replayed.port(hall).data(), numbers, "{hall}:\n{}", replayed.told);
    }
}

#[test]
fn r74_from_the_provider_to_each_member_port_and_never_back() {
    let replayed = joined().at(1.0, "wan", data(GROUP, 1)).run().golden("r74-replication");
    assert_both(&replayed, &[1]);
    assert_eq!(replayed.port("wan").data(), [0; 0]);
    assert_eq!(replayed.count("wan").forwarded, 1, "one frame in, two copies out");
}

#[test]
fn each_copy_comes_from_the_mac_of_its_port_and_none_of_them_is_taken_for_anothers() {
    let own = |replay: Replay, ports: &[&'static str]| {
        ports.iter().fold(replay, |replay, port| replay.port(port, "mac = \"port\""))
    };
    // One class each: a hall's own, the router's; then no router's at all.
    let stream =
        |replay: Replay| replay.at(1.0, "wan", data(GROUP, 1)).at(1.0, "wan", padded(data(GROUP, 2)));
    let mixed = stream(own(joined(), &["hall-a"])).run().golden("mac-classes");
    let all = stream(own(joined(), &["hall-a", "hall-b", "wan"])).until(300.0).run().golden("mac-own");
    for replayed in [mixed, all] {
        assert_both(&replayed, &[1, 2]);
        assert_eq!(replayed.count("wan").forwarded, 2);
    }
    // Upstream, too; and a frame of any port's MAC that comes back, on whichever port, is dropped as our own.
    let source = |number| data_packet(USER_5, GROUP, number);
    let from = |mac: [u8; 6]| source(9).with(|p| p.from_mac = types::MacAddr(mac)).bytes();
    let looped =
        own(joined().port("hall-a", "sources = true").port("hall-b", "sources = true"), &["hall-a", "wan"])
            .at(1.0, "hall-a", source(1).bytes())
            .at(2.0, "hall-a", from([0x02, 0x6d, 0x66, 0, 1, 0]))
            .at(2.0, "hall-a", from([0x02, 0x6d, 0x66, 0, 1, 1]))
            .at(2.0, "hall-a", from([0x02, 0, 0, 0, 0, 0xfe]))
            .at(3.0, "hall-b", from([0x02, 0x6d, 0x66, 0, 1, 1]))
            .at(4.0, "hall-b", from([0x02, 0x6d, 0x66, 0, 1, 2]))
            .run();
    assert_eq!(looped.port("wan").data(), [1, 9], "the last is nobody's MAC here");
    assert_eq!(
        (looped.count("hall-a").dropped("own-mac"), looped.count("hall-b").dropped("own-mac")),
        (3, 1)
    );
}

#[test]
fn r75_a_clients_stream_goes_where_sources_says() {
    let steps = |sources: &str| {
        joined()
            .port("hall-a", sources)
            .at(1.0, "hall-a", data_packet(USER_5, GROUP, 1).bytes())
            .at(2.0, "hall-a", data_packet(USER_5, [239, 9, 9, 9].into(), 2).bytes())
            .run()
    };
    let closed = steps("");
    assert!(closed.sent.iter().all(|port| port.data().is_empty()));
    assert_eq!(closed.count("hall-a").dropped("not-a-source"), 2);
    for open in ["sources = true", "sources = \"querier\""] {
        let replayed = steps(open);
        assert_eq!(replayed.port("wan").data(), [1, 2], "upstream always");
        assert_eq!(replayed.port("hall-b").data(), [1], "the other member ports");
        assert_eq!(replayed.port("hall-a").data(), [0; 0], "never back");
    }
    steps("sources = true").golden("r75-client-source");
}

#[test]
fn r76_r77_a_change_of_members_is_in_force_for_the_next_frame() {
    let replayed = Replay::new()
        .at(0.0, "wan", data(GROUP, 0))
        .at(1.0, "wan", data(GROUP, 1))
        .at(1.0, "hall-a", join(USER_4, GROUP))
        .at(1.000_001, "wan", data(GROUP, 2))
        .at(50.0, "hall-a", leave(USER_4, GROUP))
        .at(51.999_999, "wan", data(GROUP, 3))
        .at(52.0, "wan", data(GROUP, 4))
        .run()
        .golden("r76-next-frame");
    assert_eq!(replayed.port("hall-a").data(), [2, 3]);
    assert_eq!(replayed.count("wan").dropped("no-member"), 3);
}

#[test]
fn r78_ttl_is_lowered_and_expires_silently() {
    let ttls = [0, 1, 2, 3, 255];
    let replay = ttls
        .iter()
        .zip(1..)
        .fold(joined(), |replay, (ttl, n)| replay.at(f64::from(n), "wan", stream(n, |p| p.ttl = *ttl)));
    let replayed = replay.run().golden("r78-ttl");
    assert_both(&replayed, &[3, 4, 5]);
    let data = replayed.port("hall-a").frames.iter().filter(|f| f.number().is_some());
    let left: Vec<_> = data.map(|f| f.frame.ip.as_ref().unwrap().ttl).collect();
    assert_eq!(left, [1, 2, 254]);
    assert_eq!(replayed.count("wan").dropped("ttl"), 2);
    assert!(replayed.port("wan").igmp().len() == replayed.port("wan").frames.len(), "no ICMP about it");
}

#[test]
fn r78_every_checksum_that_there_is_comes_out_right() {
    // The identification runs through all sums; each copy's checksum is computed anew and compared.
    let replay = (0..=255_u16).fold(joined(), |replay, high| {
        let mut frame = stream(high, |_| {});
        frame[18..20].copy_from_slice(&(high * 257).to_be_bytes());
        frame[24..26].fill(0);
        let sum = checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        replay.at(1.0, "wan", frame)
    });
    let replayed = replay.run();
    assert_both(&replayed, &(0..=255).collect::<Vec<_>>());
}

#[test]
fn r79_groups_that_share_a_mac_share_nothing_else() {
    let twin: Ipv4Addr = [225, 1, 1, 1].into();
    let group: Ipv4Addr = [224, 1, 1, 1].into();
    assert_eq!(group_mac(twin), group_mac(group));
    let replayed = Replay::new()
        .at(0.0, "hall-a", join(USER_4, group))
        .at(0.0, "hall-b", join(USER_3, twin))
        .at(1.0, "wan", data(group, 1))
        .at(2.0, "wan", data(twin, 2))
        .run()
        .golden("r79-shared-mac");
    assert_eq!(replayed.port("hall-a").data(), [1]);
    assert_eq!(replayed.port("hall-b").data(), [2]);
}

#[test]
fn r81_r98_what_no_router_forwards_is_dropped_by_reason() {
    let from = |ip: [u8; 4]| stream(1, |p| p.from = ip.into());
    let spoiled = |spoil: fn(&mut Vec<u8>)| {
        let mut frame = stream(1, |_| {});
        spoil(&mut frame);
        frame
    };
    let cases = [
        ("source-address", from([239, 1, 1, 1])),
        ("source-address", from([255, 255, 255, 255])),
        ("source-address", from([0, 0, 0, 0])),
        ("source-address", from([0, 1, 2, 3])),
        ("source-address", from([127, 0, 0, 1])),
        ("source-address", from([169, 254, 1, 1])),
        ("source-address", from([10, 0, 0, 1])),
        ("source-address", from([10, 2, 0, 1])),
        ("ip-checksum", spoiled(|f| f[24] ^= 1)),
        ("ip-version", spoiled(|f| f[14] = 0x65)),
        ("ip-header-length", spoiled(|f| f[14] = 0x44)),
        ("ip-total-length", spoiled(|f| f[16] = 9)),
        ("ip-total-length", spoiled(|f| f[17] = 19)),
        ("destination-mac", stream(1, |p| p.to_mac = "02:00:00:00:00:fe".parse().unwrap())),
        ("destination-mac", stream(1, |p| p.to_mac = group_mac([239, 2, 2, 3].into()))),
        ("source-mac", stream(1, |p| p.from_mac = group_mac(GROUP))),
        ("own-mac", stream(1, |p| p.from_mac = "02:00:00:00:00:fe".parse().unwrap())),
        ("not-multicast", stream(1, |p| p.to = [10, 1, 0, 4].into())),
        ("not-multicast", stream(1, |p| p.to = [255, 255, 255, 255].into())),
        ("runt", stream(1, |_| {})[..33].to_vec()),
        ("runt", vec![0; 13]),
    ];
    for (reason, frame) in cases {
        for port in ["wan", "hall-a"] {
            let replay = joined().port("hall-a", "sources = true").at(1.0, port, frame.clone());
            let replayed = replay.at(2.0, "wan", data(GROUP, 2)).run();
            assert_eq!(replayed.count(port).dropped(reason), 1, "{reason} on {port}:\n{}", replayed.told);
            assert_both(&replayed, &[2]);
            assert_eq!(replayed.port("wan").data(), [0; 0], "{reason} on {port}");
        }
    }
}

#[test]
fn r82_fragments_of_a_stream_go_the_way_of_the_rest() {
    const MORE: u16 = 0x2000;
    let replayed = joined()
        .at(1.0, "wan", stream(1, |p| p.fragment = MORE))
        .at(1.0, "wan", stream(2, |p| p.fragment = MORE | 2))
        .at(1.0, "wan", stream(3, |p| p.fragment = 4))
        .run()
        .golden("r82-fragments");
    assert_both(&replayed, &[1, 2, 3]);
}

#[test]
fn r83_options_do_not_stop_data() {
    let replayed = joined()
        .at(1.0, "wan", stream(1, |p| p.options = vec![1; 4]))
        .at(2.0, "wan", stream(2, |p| p.options = [&[0x94, 4, 0, 0][..], &[1; 36]].concat()))
        .at(3.0, "wan", stream(3, |p| p.options = vec![7, 99, 4, 0]))
        .run()
        .golden("r83-options");
    assert_both(&replayed, &[1, 2, 3]);
}

#[test]
fn r6_padding_does_not_travel() {
    let replayed = joined().at(1.0, "wan", padded(data(GROUP, 1))).run();
    assert_both(&replayed, &[1]);
    let copy = replayed.port("hall-a").frames.last().unwrap();
    assert_eq!(copy.bytes.len(), data(GROUP, 1).len());
}

#[test]
fn r84_a_port_without_a_member_gets_no_frame_of_the_group() {
    let replay = Replay::new().at(0.0, "hall-a", join(USER_4, GROUP));
    let replay =
        (0..500).fold(replay, |replay, n| replay.at(1.0 + f64::from(n) / 1e3, "wan", data(GROUP, n)));
    let replayed = replay.run();
    assert_eq!(replayed.port("hall-a").data(), (0..500).collect::<Vec<_>>());
    assert_eq!(replayed.port("hall-b").dump(), "0.000 general query, 10.0 s\n");
    assert_eq!(replayed.count("wan").forwarded, 500);
}

#[test]
fn r86_tagged_and_foreign_frames_are_counted_on_arrival() {
    let tagged = |tags: &[u8]| stream(1, |p| p.tags = tags.to_vec());
    let ether_type = |value: [u8; 2]| {
        let mut frame = stream(1, |_| {});
        frame[12..14].copy_from_slice(&value);
        frame
    };
    let cases = [
        ("vlan-tagged", tagged(&[0x81, 0, 0, 7])),
        ("vlan-tagged", tagged(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9])),
        ("priority-tagged", tagged(&[0x81, 0, 0xe0, 0])),
        ("pppoe", ether_type([0x88, 0x63])),
        ("pppoe", ether_type([0x88, 0x64])),
        ("ipv6", ether_type([0x86, 0xdd])),
        ("other-ethertype", ether_type([0x88, 0xcc])),
        ("arp", ether_type([0x08, 0x06])),
    ];
    for (reason, frame) in cases {
        for port in ["wan", "hall-a"] {
            let replayed = joined().port("hall-a", "sources = true").at(1.0, port, frame.clone()).run();
            assert_eq!(replayed.count(port).dropped(reason), 1, "{reason} on {port}:\n{}", replayed.told);
            assert_both(&replayed, &[]);
        }
    }
}

#[test]
fn r87_r14_igmp_is_nobodys_data() {
    // Members and open sources everywhere: what could be forwarded would be.
    let open = |seconds: f64, replay: Replay, frame: Vec<u8>| {
        ["wan", "hall-a"].iter().fold(replay, |replay, port| replay.at(seconds, port, frame.clone()))
    };
    let mut replay = joined().port("hall-a", "sources = true").port("hall-b", "sources = true");
    let stranger = Station { ip: [172, 16, 0, 9].into(), ..USER_5 };
    for (i, kind) in
        [0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x1e, 0x1f, 0x22, 0x30, 0x31, 0x32, 0xff].iter().enumerate()
    {
        // To the members' group, with a TTL that would carry it.
        let igmp = igmp_payload(*kind, 100, GROUP, &[]);
        let packet = igmp_packet(stranger, GROUP, igmp).with(|p| p.ttl = 16);
        replay = open(1.0 + i as f64, replay, padded(packet.bytes()));
    }
    let replayed = replay.until(30.0).run().golden("r14-igmp-is-not-data");
    let data = |port: &str| replayed.port(port).frames.iter().filter(|f| f.frame.igmp().is_none()).count();
    assert_eq!((data("wan"), data("hall-a"), data("hall-b")), (0, 0, 0), "and what was sent is our own");
    assert_eq!(replayed.count("wan").punted, 13);
    assert_eq!(replayed.count("hall-a").punted, 14, "with the join");
}

#[test]
fn r87_a_clients_report_is_not_shown_to_other_clients() {
    let replayed = joined().at(1.0, "hall-a", padded(report(USER_5, 1, GROUP).bytes())).until(20.0).run();
    for hall in ["hall-a", "hall-b"] {
        assert_eq!(replayed.port(hall).story(), [""; 0]);
    }
}

#[test]
fn r88_224_0_0_0_24_is_never_forwarded() {
    let low: Ipv4Addr = [224, 0, 0, 251].into();
    let mut replay = joined().port("hall-a", "sources = true").at(0.5, "hall-b", join(USER_3, low));
    for (i, ttl) in [1, 2, 255].into_iter().enumerate() {
        let at = 1.0 + i as f64;
        replay = replay.at(at, "wan", data_packet(SOURCE, low, 1).with(|p| p.ttl = ttl).bytes());
        replay = replay.at(at, "hall-a", data_packet(USER_4, low, 2).with(|p| p.ttl = ttl).bytes());
    }
    // The next group is like any other.
    let next: Ipv4Addr = [224, 0, 1, 0].into();
    let replayed = replay.at(5.0, "hall-b", join(USER_3, next)).at(6.0, "wan", data(next, 3)).run();
    let replayed = replayed.golden("r88-link-local-groups");
    assert_eq!(replayed.port("hall-b").data(), [3]);
    assert_eq!(replayed.port("wan").data(), [0; 0]);
    assert_eq!(replayed.count("wan").dropped("link-local-group"), 3);
    assert_eq!(replayed.count("hall-a").dropped("link-local-group"), 3);
    assert_eq!(replayed.count("hall-b").verdict("link-local-group"), 1, "nobody joins it either");
    assert!(!replayed.port("wan").dump().contains("224.0.0.251"));
}

#[test]
fn r99_what_a_ports_mtu_does_not_carry_is_dropped_for_that_port_alone() {
    let long = |n: u16, ip_len: usize| {
        stream(n, |p| {
            let udp_len = ((ip_len - 20) as u16).to_be_bytes();
            let tail = p.payload.split_off(8);
            // Without a UDP checksum, as IPv4 allows.
            p.payload[4..].copy_from_slice(&[udp_len[0], udp_len[1], 0, 0]);
            p.payload.resize(ip_len - 20 - tail.len(), 0xaa);
            p.payload.extend(tail);
        })
    };
    let replayed = joined()
        .port("hall-a", "mtu = 600")
        .at(1.0, "wan", long(1, 600))
        .at(2.0, "wan", long(2, 601))
        .at(3.0, "wan", long(3, 1500))
        .at(4.0, "wan", long(4, 1501))
        .run();
    assert_eq!(replayed.port("hall-a").data(), [1]);
    assert_eq!(replayed.port("hall-b").data(), [1, 2, 3]);
    assert_eq!((replayed.count("hall-a").dropped("mtu"), replayed.count("hall-b").dropped("mtu")), (3, 1));
    assert_eq!(replayed.port("wan").story(), replayed.port("wan").igmp(), "no ICMP");
}

#[test]
fn a_query_of_the_provider_is_not_passed_on() {
    let replayed = joined().at(15.0, "wan", padded(query(SOURCE, None, 100).bytes())).until(30.0).run();
    assert_eq!(replayed.port("hall-a").dump(), "0.000 general query, 10.0 s\n");
}
