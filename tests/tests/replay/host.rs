//! The host side on the provider's port: r57 to r66, r69, r91.

use crate::support::frames::{
    GROUP, NEIGHBOUR, OTHER, SOURCE, Station, USER_3, USER_4, data, data_packet, join, leave, padded, query,
};
use crate::support::replay::Replay;

/// Two ports with a member since 0; by 20 s the join's repeat is over.
fn both_joined() -> Replay {
    Replay::new().at(0.0, "hall-a", join(USER_4, GROUP)).at(5.0, "hall-b", join(USER_3, GROUP)).until(20.0)
}

#[test]
fn r57_r58_r59_one_join_and_one_repeat_however_many_ports() {
    let replayed = both_joined().until(200.0).run().golden("r59-second-port");
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2"]);
}

#[test]
fn r60_r61_the_leave_goes_up_when_the_last_port_is_gone() {
    let replayed = both_joined()
        .at(30.0, "hall-a", leave(USER_4, GROUP))
        .at(40.0, "hall-b", leave(USER_3, GROUP))
        .until(60.0)
        .run()
        .golden("r60-last-leave");
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(
        wan.story(),
        ["0.000 v2 join 239.2.2.2", "42.000 leave 239.2.2.2"],
        "not at 32 s, not at 40 s"
    );
}

#[test]
fn r60_a_leave_cancels_the_reports_still_to_come() {
    // The repeat is due within 10 s of the join, and the leave goes up 2 s after the join.
    let joins = (0..40).map(|n| format!("239.2.3.{n}").parse().unwrap());
    let replay = joins.fold(Replay::new(), |replay, group| {
        replay.at(0.0, "hall-a", join(USER_4, group)).at(0.0, "hall-a", leave(USER_4, group))
    });
    let replayed = replay.until(30.0).run();
    let wan = replayed.port("wan");
    assert!(wan.frames.iter().all(|frame| frame.at.as_secs_f64() <= 2.1), "{}", wan.dump());
    assert_eq!(wan.frames.iter().filter(|f| f.at.is_zero()).count(), 40, "{}", wan.dump());
    let leaves = wan.story().iter().filter(|line| line.contains(" leave ")).count();
    assert_eq!(leaves, 40, "{}", wan.dump());
}

#[test]
fn r62_r91_a_general_query_is_answered_once_for_each_group_whoever_asks() {
    let asked_by = |who: Station| {
        both_joined()
            .at(6.0, "hall-a", join(USER_4, OTHER))
            .at(50.0, "wan", padded(query(who, None, 100).bytes()))
            .until(100.0)
            .run()
    };
    let nobody = Station { ip: [0, 0, 0, 0].into(), ..SOURCE };
    let off_link = Station { ip: [172, 16, 0, 1].into(), ..SOURCE };
    for who in [SOURCE, nobody, off_link] {
        let replayed = asked_by(who);
        let wan = replayed.port("wan").clone();
        let quiet = wan.without_repeat(GROUP, 50.0).without_repeat(OTHER, 50.0);
        let quiet = quiet.without_repeat(GROUP, 0.0).without_repeat(OTHER, 6.0);
        assert_eq!(
            quiet.story(),
            ["0.000 v2 join 239.2.2.2", "6.000 v2 join 239.3.3.3"],
            "asked by {}",
            who.ip
        );
    }
    let replayed = asked_by(SOURCE).golden("r62-general-query");
    assert_eq!(replayed.count("wan").verdict("query-answered"), 1);
}

#[test]
fn r63_a_query_for_one_group_is_answered_for_that_group_and_if_joined() {
    let replayed = both_joined()
        .at(6.0, "hall-a", join(USER_4, OTHER))
        .at(50.0, "wan", padded(query(SOURCE, Some(OTHER), 100).bytes()))
        .at(70.0, "wan", padded(query(SOURCE, Some([239, 9, 9, 9].into()), 100).bytes()))
        .until(100.0)
        .run();
    let wan = replayed.port("wan").clone().without_repeat(OTHER, 50.0).without_repeat(OTHER, 6.0);
    let wan = wan.without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2", "6.000 v2 join 239.3.3.3"]);
    assert_eq!(replayed.count("wan").verdict("query-not-joined"), 1);
}

#[test]
fn r65_another_hosts_report_in_time_spares_ours() {
    let replayed = both_joined()
        .at(50.0, "wan", padded(query(SOURCE, None, 100).bytes()))
        .at(50.0, "wan", join(NEIGHBOUR, GROUP))
        .until(100.0)
        .run();
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 0.0);
    assert_eq!(wan.story(), ["0.000 v2 join 239.2.2.2"]);
    assert_eq!(replayed.count("wan").verdict("report-suppressed"), 1);
}

#[test]
fn r56_a_report_on_the_providers_port_makes_no_member() {
    let replayed = Replay::new()
        .at(0.0, "wan", join(NEIGHBOUR, GROUP))
        .at(1.0, "wan", data(GROUP, 1))
        .at(2.0, "wan", leave(NEIGHBOUR, GROUP))
        .until(10.0)
        .run();
    assert_eq!(replayed.count("wan").dropped("no-member"), 1);
    assert_eq!(
        (replayed.count("wan").verdict("foreign-report"), replayed.count("wan").verdict("foreign-leave")),
        (1, 1)
    );
    assert_eq!(replayed.port("wan").dump(), "");
}

#[test]
fn r66_r67_a_version_1_router_gets_version_1_reports_and_no_leaves_for_400_s() {
    let replayed = Replay::new()
        .at(0.0, "wan", padded(query(SOURCE, None, 0).bytes()))
        .at(10.0, "hall-a", join(USER_4, GROUP))
        .at(50.0, "hall-a", leave(USER_4, GROUP))
        .at(399.0, "hall-a", join(USER_4, GROUP))
        .at(420.0, "hall-a", leave(USER_4, GROUP))
        .at(430.0, "hall-a", join(USER_4, OTHER))
        .until(440.0)
        .run()
        .golden("r66-version-1-router");
    let story = replayed.port("wan").story();
    assert_eq!(story[0], "10.000 v1 join 239.2.2.2");
    assert!(story.contains(&"399.000 v1 join 239.2.2.2".to_owned()), "{story:?}");
    assert!(
        !story.iter().any(|line| line.starts_with("52.000")),
        "no leave while the router is there: {story:?}"
    );
    assert!(story.contains(&"422.000 leave 239.2.2.2".to_owned()), "{story:?}");
    assert!(story.contains(&"430.000 v2 join 239.3.3.3".to_owned()), "{story:?}");
}

#[test]
fn r69_local_groups_stay_on_their_link() {
    let ssdp = [239, 255, 255, 250].into();
    let replayed = Replay::new()
        .port("hall-b", "sources = true")
        .at(0.0, "hall-a", join(USER_4, ssdp))
        .at(1.0, "wan", data(ssdp, 1))
        .at(2.0, "hall-b", data_packet(USER_3, ssdp, 2).bytes())
        .at(3.0, "hall-a", leave(USER_4, ssdp))
        .until(20.0)
        .run()
        .golden("r69-local-groups");
    assert!(replayed.sent.iter().all(|port| port.story().is_empty()), "{}", replayed.told);
    assert_eq!(replayed.count("wan").dropped("local-group"), 1);
    assert_eq!(replayed.count("hall-b").dropped("local-group"), 1);
    assert_eq!(replayed.count("hall-a").verdict("local-group"), 2);
}

#[test]
fn r69_the_settings_say_which_groups_are_local() {
    let ssdp = [239, 255, 255, 250].into();
    let replayed = Replay::new()
        .proxy("local-groups = [\"239.2.0.0/16\"]")
        .at(0.0, "hall-a", join(USER_4, GROUP))
        .at(0.0, "hall-a", join(USER_4, ssdp))
        .at(1.0, "wan", data(GROUP, 1))
        .at(1.0, "wan", data(ssdp, 2))
        .run();
    assert_eq!(replayed.port("hall-a").data(), [2]);
    assert_eq!(replayed.port("wan").story(), ["0.000 v2 join 239.255.255.250"]);
}
