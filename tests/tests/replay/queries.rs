//! The router side's queries (r16 to r19, r101). What each frame looks like is checked of every replay.

use std::net::Ipv4Addr;

use crate::support::frames::{GROUP, USER_4, data, join};
use crate::support::replay::Replay;

/// A clock with a reason to run.
fn clock() -> Replay {
    Replay::new().at(0.0, "wan", data(GROUP, 0))
}

fn assert_times(got: &[f64], wanted: &[f64]) {
    let near = |(got, wanted): (&f64, &f64)| (got - wanted).abs() < 0.1;
    assert!(got.len() == wanted.len() && got.iter().zip(wanted).all(near), "{got:?}, wanted {wanted:?}");
}

#[test]
fn r17_general_queries_come_at_0_31_25_156_25_and_281_25_s() {
    let replayed = clock().until(300.0).run().golden("r17-general-queries");
    for port in ["hall-a", "hall-b"] {
        assert_times(&replayed.port(port).general_queries(), &[0.0, 31.25, 156.25, 281.25]);
        assert_eq!(replayed.port(port).story(), [""; 0], "and nothing else");
    }
    assert_eq!(replayed.port("wan").dump(), "", "r56: a host sends no query");
}

#[test]
fn r17_startup_follows_the_robustness_and_the_interval() {
    let lines = "robustness = 3\nquery-interval = \"20s\"\nquery-response-interval = \"4s\"";
    let replayed = clock().port("hall-a", lines).until(51.0).run();
    assert_times(&replayed.port("hall-a").general_queries(), &[0.0, 5.0, 10.0, 30.0, 50.0]);
    assert_times(&replayed.port("hall-b").general_queries(), &[0.0, 31.25]);
}

#[test]
fn r18_max_resp_is_the_query_response_interval_in_tenths() {
    let replayed = clock().port("hall-b", "query-response-interval = \"2.5s\"").until(1.0).run();
    assert_eq!(replayed.port("hall-a").dump(), "0.000 general query, 10.0 s\n");
    assert_eq!(replayed.port("hall-b").dump(), "0.000 general query, 2.5 s\n");
}

#[test]
fn r19_r101_the_query_is_these_46_bytes() {
    let replayed = clock().until(1.0).run();
    let query = &replayed.port("hall-a").frames[0];
    let ip = query.frame.ip.as_ref().unwrap();
    assert_eq!((ip.source, ip.destination), (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(224, 0, 0, 1)));
    let wanted = "01005e000001 0200000000fe 0800 46c00020 ffff0000 0102ffff 0a010001 e0000001 94040000 1164 ee9b \
                  00000000";
    // Identification and with it the header checksum are free; the checksum was checked.
    let hex: String = query.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted: String = wanted.split_whitespace().collect();
    let fixed = |text: &str| [&text[..36], &text[40..48], &text[52..]].concat();
    assert_eq!(fixed(&hex), fixed(&wanted));
}

#[test]
fn a_switched_off_proxy_sends_nothing_but_its_ports_addresses() {
    let replayed = clock()
        .proxy("enabled = false")
        .at(1.0, "hall-a", join(USER_4, GROUP))
        .at(2.0, "wan", data(GROUP, 1))
        .until(300.0)
        .run();
    assert!(replayed.sent.iter().all(|port| port.frames.is_empty()));
    assert_eq!(replayed.count("wan").dropped("proxy-off"), 2);
    assert_eq!(replayed.count("hall-a").verdict("proxy-off"), 1);
}
