//! Members on client ports, end to end: r35 to r47, seen as data that comes or does not.

use crate::support::frames::{
    GROUP, LEAVE, OTHER, USER_3, USER_4, USER_5, data, igmp_packet, igmp_payload, join, leave, padded, report,
};
use crate::support::replay::{Replay, Replayed};

fn v1_join(seconds: f64, replay: Replay) -> Replay {
    replay.at(seconds, "hall-a", padded(report(USER_4, 1, GROUP).bytes()))
}

/// A user of hall-a who joined at 0.
fn joined() -> Replay {
    Replay::new().at(0.0, "hall-a", join(USER_4, GROUP))
}

/// A version 1 user who joined at 0.
fn joined_v1() -> Replay {
    v1_join(0.0, Replay::new())
}

/// One datagram at each of these times, numbered from 1.
fn stream_at(replay: Replay, seconds: &[f64]) -> Replay {
    seconds.iter().zip(1..).fold(replay, |replay, (at, n)| replay.at(*at, "wan", data(GROUP, n)))
}

fn group_queries(replayed: &Replayed, port: &str) -> Vec<String> {
    replayed.port(port).igmp()
}

#[test]
fn r35_r36_a_report_refreshes_and_the_member_goes_after_260_s_without() {
    let replay = joined().at(200.0, "hall-a", join(USER_5, GROUP));
    let replayed = stream_at(replay, &[199.0, 261.0, 459.9, 460.1]).run().golden("r36-ageing");
    assert_eq!(replayed.port("hall-a").data(), [1, 2, 3]);
    assert_eq!(replayed.count("hall-a").verdict("refreshed"), 1);
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2", "460.000 leave 239.2.2.2"]);
}

#[test]
fn r37_a_late_answer_counts_and_so_does_one_just_before_the_end() {
    // 10.5 s after the query of 31.25 s, and 0.1 s before the interval from there ends.
    let replay = joined().at(41.75, "hall-a", join(USER_4, GROUP)).at(301.65, "hall-a", join(USER_4, GROUP));
    let times = [260.1, 301.6, 301.8, 561.6, 561.7];
    let replayed = stream_at(replay, &times).run().golden("r37-late-answers");
    assert_eq!(replayed.port("hall-a").data(), [1, 2, 3, 4]);
}

#[test]
fn r38_r41_a_leave_brings_two_queries_and_the_end_after_two_seconds() {
    let replay = joined().at(0.0, "hall-b", join(USER_3, GROUP)).at(5.0, "hall-a", join(USER_4, OTHER)).at(
        50.0,
        "hall-a",
        leave(USER_4, GROUP),
    );
    let replayed = stream_at(replay, &[51.9, 52.1]).at(52.2, "wan", data(OTHER, 3)).until(60.0).run();
    let replayed = replayed.golden("r38-leave");
    assert_eq!(
        group_queries(&replayed, "hall-a"),
        ["50.000 query 239.2.2.2, 1.0 s", "51.000 query 239.2.2.2, 1.0 s"]
    );
    assert_eq!(group_queries(&replayed, "hall-b"), [""; 0], "out of that port only");
    assert_eq!(replayed.port("hall-a").data(), [1, 3], "no other group notices");
    assert_eq!(replayed.port("hall-b").data(), [1, 2], "no other port notices");
}

#[test]
fn r38_count_and_interval_are_the_ports_own() {
    let lines = "last-member-query-interval = \"0.5s\"\nlast-member-query-count = 3";
    let replay = joined().port("hall-a", lines).at(50.0, "hall-a", leave(USER_4, GROUP));
    let replayed = stream_at(replay, &[51.4, 51.6]).run();
    assert_eq!(
        group_queries(&replayed, "hall-a"),
        ["50.000 query 239.2.2.2, 0.5 s", "50.500 query 239.2.2.2, 0.5 s", "51.000 query 239.2.2.2, 0.5 s"]
    );
    assert_eq!(replayed.port("hall-a").data(), [1]);
}

#[test]
fn r39_a_leave_gives_two_seconds_even_when_less_was_left() {
    let replayed = stream_at(joined().at(259.0, "hall-a", leave(USER_4, GROUP)), &[260.5, 261.1]).run();
    assert_eq!(replayed.port("hall-a").data(), [1], "to 261 s, beyond the 260 s of the report");
    assert_eq!(group_queries(&replayed, "hall-a").len(), 2);
}

#[test]
fn r40_a_report_in_the_window_keeps_the_member_without_a_gap() {
    let replay = joined().at(50.0, "hall-a", leave(USER_4, GROUP)).at(50.4, "hall-a", join(USER_5, GROUP));
    let replayed =
        stream_at(replay, &[50.2, 50.5, 51.5, 52.1, 310.3, 310.5]).run().golden("r40-still-watched");
    assert_eq!(
        group_queries(&replayed, "hall-a"),
        ["50.000 query 239.2.2.2, 1.0 s"],
        "the second is not sent"
    );
    assert_eq!(replayed.port("hall-a").data(), [1, 2, 3, 4, 5]);
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2", "310.400 leave 239.2.2.2"]);
}

#[test]
fn r42_a_leave_counts_at_all_routers_the_group_and_our_address_and_nowhere_else() {
    let to = |ip: &str| {
        let packet = igmp_packet(USER_4, ip.parse().unwrap(), igmp_payload(LEAVE, 0, GROUP, &[]));
        let mac = if ip == "10.1.0.1" { "02:00:00:00:00:fe".parse().unwrap() } else { packet.to_mac };
        padded(packet.with(|p| p.to_mac = mac).bytes())
    };
    for good in ["224.0.0.2", "239.2.2.2", "10.1.0.1"] {
        let replayed = joined().at(50.0, "hall-a", to(good)).until(53.0).run();
        assert_eq!(group_queries(&replayed, "hall-a").len(), 2, "to {good}");
        assert_eq!(replayed.count("hall-a").verdict("leave-taken"), 1, "to {good}");
    }
    for bad in ["224.0.0.1", "224.0.0.22", "239.3.3.3", "10.1.0.9"] {
        let replayed = joined().at(50.0, "hall-a", to(bad)).until(53.0).run();
        assert_eq!(group_queries(&replayed, "hall-a"), [""; 0], "to {bad}");
        assert_eq!(replayed.count("hall-a").verdict("destination"), 1, "to {bad}");
    }
}

#[test]
fn r43_a_leave_without_a_member_on_that_port_is_passed_over() {
    let replayed = joined().at(50.0, "hall-b", leave(USER_3, GROUP)).until(60.0).run();
    assert_eq!(group_queries(&replayed, "hall-b"), [""; 0]);
    assert_eq!(replayed.count("hall-b").verdict("leave-no-member"), 1);
}

#[test]
fn r44_a_second_leave_starts_nothing_anew() {
    let replay = joined().at(50.0, "hall-a", leave(USER_4, GROUP)).at(51.5, "hall-a", leave(USER_4, GROUP));
    let replayed = stream_at(replay, &[51.9, 52.1]).run();
    assert_eq!(group_queries(&replayed, "hall-a").len(), 2);
    assert_eq!(replayed.port("hall-a").data(), [1]);
    assert_eq!(replayed.count("hall-a").verdict("leave-repeated"), 1);
}

#[test]
fn r45_r47_leaves_wait_until_the_version_1_hosts_interval_is_over() {
    // The version 2 report of 100 s keeps the member until 360 s, and the version 1 timer ends at 260 s.
    let replay = joined_v1()
        .at(100.0, "hall-a", join(USER_5, GROUP))
        .at(110.0, "hall-a", leave(USER_5, GROUP))
        .at(259.9, "hall-a", leave(USER_5, GROUP))
        .at(270.0, "hall-a", leave(USER_5, GROUP));
    let replayed = stream_at(replay, &[112.5, 262.5, 271.9, 272.1]).run().golden("r45-version-1-host");
    assert_eq!(
        group_queries(&replayed, "hall-a"),
        ["270.000 query 239.2.2.2, 1.0 s", "271.000 query 239.2.2.2, 1.0 s"]
    );
    assert_eq!(replayed.port("hall-a").data(), [1, 2, 3]);
    assert_eq!(replayed.count("hall-a").verdict("leave-v1-host"), 2);
}

#[test]
fn r45_a_version_1_report_in_the_window_ends_it() {
    let replay = v1_join(50.5, joined().at(50.0, "hall-a", leave(USER_5, GROUP)));
    let replayed = stream_at(replay.at(52.5, "hall-a", leave(USER_5, GROUP)), &[52.1, 60.0]).run();
    assert_eq!(group_queries(&replayed, "hall-a"), ["50.000 query 239.2.2.2, 1.0 s"]);
    assert_eq!(replayed.port("hall-a").data(), [1, 2]);
}

#[test]
fn r46_each_version_1_report_starts_its_interval_anew() {
    let replay = v1_join(200.0, joined_v1()).at(300.0, "hall-a", leave(USER_4, GROUP));
    let replayed = stream_at(replay, &[303.0, 459.9, 460.1]).run();
    assert_eq!(group_queries(&replayed, "hall-a"), [""; 0]);
    assert_eq!(replayed.port("hall-a").data(), [1, 2]);
}
