//! f24, f27, f35: routers that come and go, streams on the wrong port, floods; whole, from frames to frames.

use crate::support::frames::{
    GROUP, SOURCE, Station, USER_3, USER_4, USER_5, data, data_packet, join, leave, padded, query, report,
};
use crate::support::replay::{Replay, Replayed};

/// A member on each hall, and a datagram each second for `seconds`, numbered from 0.
fn scene(seconds: u16) -> Replay {
    let replay = Replay::new().at(0.0, "hall-a", join(USER_4, GROUP)).at(0.0, "hall-b", join(USER_3, GROUP));
    (0..seconds).fold(replay, |replay, n| replay.at(f64::from(n) + 0.5, "wan", data(GROUP, n)))
}

/// Another router on hall-a asks each second from 20 s to 140 s, from two addresses below ours in turn, and is
/// gone then.
fn flapping(lines: &str) -> Replayed {
    let mut replay = scene(450).port("hall-a", &format!("querier-address = \"10.1.0.100\"\n{lines}"));
    for n in 0..=120_u8 {
        let rival = Station { ip: [10, 1, 0, 2 + n % 2].into(), ..USER_5 };
        replay = replay.at(20.0 + f64::from(n), "hall-a", padded(query(rival, None, 100).bytes()));
    }
    for at in [150.0, 300.0] {
        replay = replay.at(at, "hall-a", join(USER_4, GROUP)).at(at, "hall-b", join(USER_3, GROUP));
    }
    replay.run()
}

#[test]
fn f24_a_lower_querier_that_comes_flaps_each_second_and_goes() {
    let replayed = flapping("");
    // Forwarded here until it came, by it while it was there, and here again 255 s after it was heard last.
    let expected: Vec<u16> = (0..20).chain(395..450).collect();
    assert_eq!(replayed.port("hall-a").data(), expected);
    assert_eq!(replayed.port("hall-b").data(), (0..450).collect::<Vec<_>>(), "no other port notices");
    assert_eq!(replayed.count("hall-a").verdict("querier-heard"), 121);
    assert_eq!(replayed.port("hall-a").general_queries(), [0.0, 395.0]);
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2"], "the provider knows nothing of it");
}

#[test]
fn f24_where_the_port_serves_as_non_querier_too_nobody_notices_the_flaps() {
    let replayed = flapping("forward-when-not-querier = true");
    for hall in ["hall-a", "hall-b"] {
        assert_eq!(replayed.port(hall).data(), (0..450).collect::<Vec<_>>(), "{hall}");
    }
}

#[test]
fn f27_a_stream_that_also_arrives_on_a_client_port_is_forwarded_once() {
    let both = |lines: &str| {
        let replay = scene(40).port("hall-a", lines);
        (0..40)
            .fold(replay, |replay, n| {
                let echo = data_packet(USER_5, GROUP, 1000 + n).bytes();
                replay.at(f64::from(n) + 0.5, "hall-a", echo)
            })
            .run()
    };
    let (ours, theirs): (Vec<u16>, Vec<u16>) = ((0..40).collect(), (1000..1040).collect());
    let closed = both("");
    assert_eq!(["hall-a", "hall-b"].map(|hall| closed.port(hall).data()), [ours.clone(), ours.clone()]);
    assert_eq!(closed.port("wan").data(), [0; 0]);
    assert_eq!(closed.count("hall-a").dropped("not-a-source"), 40);
    // Where clients may send, it is their stream as well: to the provider and the other hall, never back.
    let open = both("sources = true");
    assert_eq!(open.port("hall-a").data(), ours);
    assert_eq!(open.port("wan").data(), theirs);
    let mut in_hall_b = open.port("hall-b").data();
    in_hall_b.sort_unstable();
    assert_eq!(in_hall_b, [ours, theirs].concat());
}

#[test]
fn f27_the_providers_stream_from_two_senders_goes_to_all() {
    let twin = Station { ip: [10, 0, 0, 3].into(), ..SOURCE };
    let replayed = (0..40)
        .fold(scene(40), |replay, n| {
            replay.at(f64::from(n) + 0.7, "wan", data_packet(twin, GROUP, n).bytes())
        })
        .run();
    let twice: Vec<u16> = (0..40).flat_map(|n| [n, n]).collect();
    assert_eq!(["hall-a", "hall-b"].map(|hall| replayed.port(hall).data()), [twice.clone(), twice]);
}

#[test]
fn f29_f31_a_client_that_zaps_a_thousand_times_a_second_disturbs_nobody() {
    let channel = |n: u16| [239, 50, (n >> 8) as u8, n as u8].into();
    let replay = (0..2000_u16).fold(scene(40), |replay, n| {
        let at = 20.0 + f64::from(n) / 1000.0;
        let replay = replay.at(at, "hall-a", join(USER_5, channel(n % 50)));
        replay.at(at, "hall-a", leave(USER_5, channel(n % 50)))
    });
    let replayed = replay.run();
    for hall in ["hall-a", "hall-b"] {
        assert_eq!(replayed.port(hall).data(), (0..40).collect::<Vec<_>>(), "{hall}");
    }
    let story = replayed.port("wan").igmp();
    for n in 0..50 {
        let told = |what: &str| {
            let line = format!("{what} 239.50.0.{n}");
            story.iter().filter(|told| told.ends_with(&line)).count()
        };
        // The repeat only where its time comes before the Leave.
        let (joins, leaves) = (told("join"), told("leave"));
        assert!((1..=2).contains(&joins) && leaves == 1, "239.50.0.{n}: {joins} joins, {leaves} leaves");
    }
}

#[test]
fn f35_floods_are_counted_and_change_nothing() {
    const FRAMES: u16 = 3000;
    let flood = |n: u16, who: Station| match n % 5 {
        0 => data_packet(who, [239, 99, (n >> 8) as u8, n as u8].into(), n).bytes(),
        1 => data_packet(who, GROUP, n).bytes()[..=usize::from(n % 33)].to_vec(),
        2 => data_packet(who, GROUP, n)
            .with(|p| {
                p.to = [255; 4].into();
                p.to_mac = types::MacAddr::BROADCAST;
            })
            .bytes(),
        3 => data_packet(who, GROUP, n).with(|p| p.ttl = 1).bytes(),
        _ => padded(report(who, 2, [224, 0, 0, 251].into()).bytes()),
    };
    let quiet = scene(40).run();
    let loud = (0..FRAMES).fold(scene(40), |replay, n| {
        let at = 20.0 + f64::from(n) / 10_000.0;
        replay.at(at, "wan", flood(n, SOURCE)).at(at, "hall-a", flood(n, USER_5))
    });
    let loud = loud.run();
    assert_eq!(loud.sent, quiet.sent, "every port sends what it sends in peace");
    let each = u64::from(FRAMES) / 5;
    for (port, unwanted) in [("wan", "no-member"), ("hall-a", "not-a-source")] {
        let (loud, quiet) = (loud.count(port), quiet.count(port));
        assert_eq!(loud.received - quiet.received, u64::from(FRAMES), "{port}");
        for reason in [unwanted, "runt", "not-multicast"] {
            assert_eq!(loud.dropped(reason) - quiet.dropped(reason), each, "{port}: {reason}");
        }
        assert_eq!(loud.dropped("ttl"), each, "{port}");
        assert_eq!(loud.punted - quiet.punted, each, "{port}: reports of a group that nobody may join");
    }
}
