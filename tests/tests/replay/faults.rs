//! Broken, odd and hostile IGMP on the provider's port and on a client's (f1 to f17, f22 of the yardstick): each
//! frame under its own counter, and nobody else notices, which is to say that every port sends byte for byte what
//! it sends without them. Faults of data are with the forwarding rules (r81, r86).

use std::collections::BTreeMap;

use crate::support::frames::{
    GROUP, NEIGHBOUR, Packet, ROUTER_ALERT, Station, USER_3, USER_4, USER_5, data, group_mac, igmp_packet,
    igmp_payload, join, leave, leave_packet, padded, report,
};
use crate::support::replay::{ROUTER_MAC, Replay, Replayed};

/// The ports that get the faults, and who sends them there.
const VICTIMS: [(&str, Station); 2] = [("wan", NEIGHBOUR), ("hall-a", USER_5)];

/// What is expected of a fault.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// A worker drops it for this reason.
    Drop(&'static str),
    /// The control thread gives it this verdict.
    Verdict(&'static str),
    /// It is legal, though it does not look so.
    Taken,
}
use Expected::{Drop, Taken, Verdict};

impl Expected {
    /// The counter on `port` for a report of a group that is joined.
    fn counter(self, port: &str) -> (bool, &'static str) {
        match self {
            Drop(reason) => (true, reason),
            Verdict(verdict) => (false, verdict),
            Taken if port == "wan" => (false, "foreign-report"),
            Taken => (false, "refreshed"),
        }
    }
}

/// A frame as a station sends it, its name, and what is expected.
type Fault = (String, Expected, Box<dyn Fn(Station) -> Vec<u8>>);

/// A report of the group, changed before its checksums are made.
fn packet(name: &str, expected: Expected, change: impl Fn(&mut Packet, Station) + 'static) -> Fault {
    let make = move |who| padded(report(who, 2, GROUP).with(|p| change(p, who)).bytes());
    (name.to_owned(), expected, Box::new(make))
}

/// A report of the group, its bytes changed at the end.
fn bytes(name: &str, expected: Expected, change: impl Fn(&mut Vec<u8>) + 'static) -> Fault {
    let make = move |who| {
        let mut frame = padded(report(who, 2, GROUP).bytes());
        change(&mut frame);
        frame
    };
    (name.to_owned(), expected, Box::new(make))
}

fn lengths() -> Vec<Fault> {
    let mut faults: Vec<_> = (0..8)
        .map(|len| {
            packet(&format!("f1 IGMP of {len} bytes"), Verdict("igmp-length"), move |p, _| {
                p.payload.truncate(len)
            })
        })
        .collect();
    faults.extend([
        bytes("f2 total length beyond the frame", Drop("ip-total-length"), |f| f[17] = 47),
        bytes("f2 total length of a large packet", Drop("ip-total-length"), |f| f[16..18].fill(0xff)),
        bytes("f2 total length below the header", Drop("ip-total-length"), |f| f[17] = 23),
        bytes("f2 total length of zero", Drop("ip-total-length"), |f| f[17] = 0),
        bytes("f2 junk as padding", Taken, |f| f[46..].fill(0xa5)),
        bytes("f2 no padding", Taken, |f| f.truncate(46)),
        bytes("f2 cut within the IP header", Drop("runt"), |f| f.truncate(33)),
        bytes("f2 cut within the options", Drop("ip-total-length"), |f| f.truncate(36)),
    ]);
    faults
}

fn options() -> Vec<Fault> {
    let mut faults: Vec<_> = (0..5)
        .map(|ihl| bytes(&format!("f3 IHL {ihl}"), Drop("ip-header-length"), move |f| f[14] = 0x40 | ihl))
        .collect();
    let with = |name: &str, expected, options: &'static [u8]| {
        packet(name, expected, move |p, _| p.options = options.to_vec())
    };
    faults.extend([
        bytes("f3 IHL 15", Drop("ip-total-length"), |f| f[14] = 0x4f),
        with("f3 option of length 0", Verdict("ip-options"), &[0x94, 0, 0, 0]),
        with("f3 option of length 1", Verdict("ip-options"), &[7, 1, 0, 0]),
        with("f3 option beyond the header", Verdict("ip-options"), &[7, 5, 4, 0]),
        with("f3 option without a length", Verdict("ip-options"), &[1, 1, 1, 7]),
        with("f4 no Router Alert", Taken, &[]),
        with("f4 Router Alert with a value", Taken, &[0x94, 4, 0, 1]),
        with("f4 Router Alert of length 3", Verdict("ip-options"), &[0x94, 3, 0, 0]),
        with("f4 Router Alert after others", Taken, &[1, 1, 1, 0x94, 4, 0, 0, 0]),
    ]);
    faults
}

fn checksums() -> Vec<Fault> {
    vec![
        packet("f5 wrong checksum", Verdict("igmp-checksum"), |p, _| p.payload[3] ^= 1),
        packet("f5 checksum of zero", Verdict("igmp-checksum"), |p, _| p.payload[2..4].fill(0)),
        bytes("f5 checksum over junk padding too", Verdict("igmp-checksum"), |f| {
            f[46..].fill(0xa5);
            let sum = crate::support::frames::checksum(&[&f[38..40], &[0, 0], &f[42..]].concat());
            f[40..42].copy_from_slice(&sum.to_be_bytes());
        }),
        packet("f5 more bytes, all summed", Taken, |p, _| p.payload = igmp_payload(0x16, 0, GROUP, &[9; 5])),
        packet("f5 more bytes, not summed", Verdict("igmp-checksum"), |p, _| p.payload.extend([9; 5])),
        bytes("f6 wrong header checksum", Drop("ip-checksum"), |f| f[25] ^= 1),
        bytes("f6 header checksum of zero", Drop("ip-checksum"), |f| f[24..26].fill(0)),
    ]
}

fn fragments_and_fields() -> Vec<Fault> {
    let fragment = |name: &str, field| packet(name, Verdict("fragment"), move |p, _| p.fragment = field);
    let ttl = |ttl| packet(&format!("f8 TTL {ttl}"), Verdict("ttl"), move |p, _| p.ttl = ttl);
    let tos = |tos| packet(&format!("f9 TOS {tos}"), Taken, move |p, _| p.tos = tos);
    vec![
        fragment("f7 first fragment", 0x2000),
        fragment("f7 middle fragment", 0x2001),
        fragment("f7 last fragment", 0x0001),
        fragment("f7 overlapping fragment", 0x2000),
        fragment("f7 fragment beyond 64 KiB", 0x1fff),
        packet("f7 tiny fragment", Verdict("fragment"), |p, _| {
            p.fragment = 0x2000;
            p.payload.truncate(1);
        }),
        packet("f7 the reserved flag alone", Taken, |p, _| p.fragment = 0x8000),
        ttl(0),
        ttl(2),
        ttl(255),
        tos(0),
        tos(0xff),
        bytes("f10 version 6", Drop("ip-version"), |f| f[14] = 0x66),
        bytes("f10 version 0", Drop("ip-version"), |f| f[14] = 0x06),
        packet("f11 802.1Q", Drop("vlan-tagged"), |p, _| p.tags = vec![0x81, 0, 0, 7]),
        packet("f11 QinQ", Drop("vlan-tagged"), |p, _| p.tags = vec![0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]),
        packet("f11 priority tag", Drop("priority-tagged"), |p, _| p.tags = vec![0x81, 0, 0xe0, 0]),
        bytes("f11 PPPoE", Drop("pppoe"), |f| f[12..14].copy_from_slice(&[0x88, 0x64])),
    ]
}

fn addresses() -> Vec<Fault> {
    let to_mac = |name: &str, expected, mac: &'static str| {
        packet(name, expected, move |p, _| p.to_mac = mac.parse().unwrap())
    };
    let from_mac = |name: &str, reason, mac: &'static str| {
        packet(name, Drop(reason), move |p, _| p.from_mac = mac.parse().unwrap())
    };
    let from =
        |expected, ip: [u8; 4]| packet(&format!("f14 from {ip:?}"), expected, move |p, _| p.from = ip.into());
    let about = |verdict, group: [u8; 4]| {
        packet(&format!("f16 group {group:?}"), Verdict(verdict), move |p, who| {
            let to = if group[0] >> 4 == 14 { group } else { [239, 2, 2, 2] };
            *p = igmp_packet(who, to.into(), igmp_payload(0x16, 0, group.into(), &[]));
        })
    };
    vec![
        to_mac("f12 another station's MAC", Verdict("destination-mac"), "02:00:00:00:00:77"),
        to_mac("f12 broadcast MAC", Verdict("destination-mac"), "ff:ff:ff:ff:ff:ff"),
        to_mac("f12 another group's MAC", Verdict("destination-mac"), "01:00:5e:02:02:03"),
        to_mac("f12 all systems' MAC", Verdict("destination-mac"), "01:00:5e:00:00:01"),
        to_mac("f12 our own MAC", Taken, ROUTER_MAC),
        from_mac("f13 multicast MAC", "source-mac", "01:00:5e:02:02:02"),
        from_mac("f13 broadcast MAC", "source-mac", "ff:ff:ff:ff:ff:ff"),
        from_mac("f13 zero MAC", "source-mac", "00:00:00:00:00:00"),
        from_mac("f13 our own MAC", "own-mac", ROUTER_MAC),
        from(Taken, [0, 0, 0, 0]),
        from(Taken, [172, 16, 0, 1]),
        from(Verdict("source-address"), [0, 0, 0, 1]),
        from(Verdict("source-address"), [255, 255, 255, 255]),
        from(Verdict("source-address"), [224, 0, 0, 1]),
        from(Verdict("source-address"), [239, 2, 2, 2]),
        from(Verdict("source-address"), [127, 0, 0, 1]),
        from(Verdict("own-address"), [10, 0, 0, 1]),
        from(Verdict("own-address"), [10, 1, 0, 1]),
        from(Verdict("own-address"), [10, 2, 0, 1]),
        packet("f14 from the link's broadcast address", Verdict("source-address"), |p, who| {
            let [a, b, c, _] = who.ip.octets();
            p.from = [a, b, c, 255].into();
        }),
        packet("f15 sent to another group", Verdict("destination"), |p, _| {
            p.to = [239, 2, 2, 3].into();
            p.to_mac = group_mac(p.to);
        }),
        packet("f15 sent to all systems", Verdict("destination"), |p, _| {
            p.to = [224, 0, 0, 1].into();
            p.to_mac = group_mac(p.to);
        }),
        about("link-local-group", [224, 0, 0, 0]),
        about("link-local-group", [224, 0, 0, 251]),
        about("not-multicast", [0, 0, 0, 0]),
        about("not-multicast", [255, 255, 255, 255]),
        about("not-multicast", [10, 1, 0, 4]),
        about("not-multicast", [223, 255, 255, 255]),
        about("not-multicast", [240, 0, 0, 0]),
    ]
}

fn types() -> Vec<Fault> {
    let of = |kind: u8| {
        packet(&format!("f22 type {kind:#04x}"), Verdict("unknown-type"), move |p, _| {
            p.payload = igmp_payload(kind, 0, GROUP, &[]);
        })
    };
    [0x00, 0x13, 0x14, 0x1e, 0x1f, 0x30, 0x31, 0x32, 0xff].into_iter().map(of).collect()
}

fn all_faults() -> Vec<Fault> {
    [lengths(), options(), checksums(), fragments_and_fields(), addresses(), types()]
        .into_iter()
        .flatten()
        .collect()
}

/// A member on both halls and a stream, from before the faults to after them.
fn scene() -> Replay {
    let replay = Replay::new().at(0.0, "hall-a", join(USER_4, GROUP)).at(0.0, "hall-b", join(USER_3, GROUP));
    (0..40).fold(replay, |replay, n| replay.at(f64::from(n), "wan", data(GROUP, n)))
}

/// How much more was counted on `port` than without the faults.
fn difference(port: &str, with: &Replayed, without: &Replayed) -> BTreeMap<(bool, String), u64> {
    let counters = |replayed: &Replayed| {
        let count = replayed.count(port);
        let drops = count.drops.iter().map(|(name, n)| ((true, name.clone()), *n));
        let verdicts = count.igmp.iter().map(|(name, n)| ((false, name.clone()), *n));
        drops.chain(verdicts).collect::<BTreeMap<_, _>>()
    };
    let before = counters(without);
    let mut more = counters(with);
    more.iter_mut().for_each(|(counter, n)| *n -= before.get(counter).copied().unwrap_or(0));
    more.retain(|_, n| *n > 0);
    more
}

#[test]
fn each_fault_alone_has_its_own_counter_and_changes_nothing_else() {
    let quiet = scene().run();
    for (name, expected, make) in all_faults() {
        for (port, who) in VICTIMS {
            let replayed = scene().at(20.5, port, make(who)).run();
            let (is_drop, counter) = expected.counter(port);
            let wanted = BTreeMap::from([((is_drop, counter.to_owned()), 1)]);
            assert_eq!(difference(port, &replayed, &quiet), wanted, "{name} on {port}");
            assert_eq!(replayed.sent, quiet.sent, "{name} on {port}");
        }
    }
}

#[test]
fn all_faults_together_on_both_ports_change_nothing() {
    let quiet = scene().run();
    let faults = all_faults();
    let mut replay = scene();
    let mut wanted: BTreeMap<&str, BTreeMap<(bool, String), u64>> = BTreeMap::new();
    for (i, (_, expected, make)) in faults.iter().enumerate() {
        for (port, who) in VICTIMS {
            replay = replay.at(16.0 + i as f64 / 10.0, port, make(who));
            let (is_drop, counter) = expected.counter(port);
            *wanted.entry(port).or_default().entry((is_drop, counter.to_owned())).or_default() += 1;
        }
    }
    let replayed = replay.run().golden("faults");
    for (port, _) in VICTIMS {
        assert_eq!(difference(port, &replayed, &quiet), wanted[port], "{port}");
    }
    assert_eq!(replayed.sent, quiet.sent);
}

#[test]
fn f4_router_alert_is_asked_for_where_the_settings_say_so() {
    let strict = || scene().port("hall-a", "require-router-alert = true");
    for (options, verdict) in
        [(&[][..], "router-alert"), (&[0x94, 4, 0, 1], "router-alert"), (&ROUTER_ALERT, "refreshed")]
    {
        let frame = report(USER_5, 2, GROUP).with(|p| p.options = options.to_vec()).bytes();
        let replayed = strict().at(20.5, "hall-a", padded(frame)).run();
        let wanted = BTreeMap::from([((false, verdict.to_owned()), 1)]);
        assert_eq!(difference("hall-a", &replayed, &strict().run()), wanted, "{options:?}");
    }
}

#[test]
fn f8_f14_ttl_and_off_link_sources_are_as_the_settings_say() {
    let lines = "any-ttl = true\nrequire-on-link-source = true";
    let changed = |change: fn(&mut Packet)| padded(report(USER_5, 2, GROUP).with(change).bytes());
    let quiet = scene().port("hall-a", lines).run();
    for (name, frame, verdict) in [
        ("TTL 255", changed(|p| p.ttl = 255), "refreshed"),
        ("off-link", changed(|p| p.from = [172, 16, 0, 1].into()), "off-link"),
        ("0.0.0.0", changed(|p| p.from = [0, 0, 0, 0].into()), "refreshed"),
    ] {
        let replayed = scene().port("hall-a", lines).at(20.5, "hall-a", frame).run();
        let wanted = BTreeMap::from([((false, verdict.to_owned()), 1)]);
        assert_eq!(difference("hall-a", &replayed, &quiet), wanted, "{name}");
    }
}

#[test]
fn f17_leaves_that_ask_for_nothing_change_nothing() {
    let quiet = scene().at(10.0, "hall-a", padded(report(USER_4, 1, GROUP).bytes())).run();
    let to_group = padded(leave_packet(USER_5, GROUP).sent_to(GROUP).bytes());
    for (name, port, frame, verdict) in [
        ("unknown group", "hall-a", leave(USER_5, [239, 9, 9, 9].into()), "leave-no-member"),
        ("version 1 host present", "hall-a", leave(USER_5, GROUP), "leave-v1-host"),
        ("version 1 host present, to the group", "hall-a", to_group.clone(), "leave-v1-host"),
        ("provider's side", "wan", leave(NEIGHBOUR, GROUP), "foreign-leave"),
        (
            "provider's side, to the group",
            "wan",
            padded(leave_packet(NEIGHBOUR, GROUP).sent_to(GROUP).bytes()),
            "foreign-leave",
        ),
    ] {
        let replay = scene().at(10.0, "hall-a", padded(report(USER_4, 1, GROUP).bytes()));
        let replayed = replay.at(20.5, port, frame).run();
        let wanted = BTreeMap::from([((false, verdict.to_owned()), 1)]);
        assert_eq!(difference(port, &replayed, &quiet), wanted, "{name}");
        assert_eq!(replayed.sent, quiet.sent, "{name}");
    }
}
