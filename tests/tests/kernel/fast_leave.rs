//! Several hosts behind one port, and the three modes of `fast-leave` (r49): one leaves while another watches, then the
//! last one leaves.

use crate::stage::{Cabling, GROUP, PORT, SOON, Side, Stage};
use lab::{Capture, Frame, Host, Receiver};
use std::time::Duration;
use types::Time;

const RATE: u32 = 500;
/// In seconds. Hosts are known after a group membership interval: twice it, and a second.
const QUERY_INTERVAL: u32 = 3;
const MEMBERSHIP_INTERVAL: Duration = Duration::from_secs(2 * QUERY_INTERVAL as u64 + 1);
/// Where a Leave is believed at once, asking would take twice five seconds.
const SLOW_TO_ASK: &str = "last-member-query-interval = \"5s\"\n";
/// So much later than a Leave is at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The last member query time where a Leave is not believed: twice the 500 ms of the settings.
const LAST_MEMBER_QUERY_TIME: Duration = Duration::from_secs(1);
/// From one datagram to the next, and some more.
const EARLY: Duration = Duration::from_millis(50);

fn is_stream(frame: &Frame) -> bool {
    frame.is_data_to(GROUP.addr())
}

/// A host hears no query, and so no older querier: it goes on in version 3, as long after its last one (r103).
fn deafen(host: &Host) {
    let deaf = "add table ip deaf; add chain ip deaf in { type filter hook input priority 0; }; \
                add rule ip deaf in ip protocol igmp drop";
    host.netns().run("nft", &[deaf]).unwrap();
    host.force_igmp_version(0).unwrap();
}

/// Leaves, and gives the time of the frame that says so: a Leave, or a version 3 report.
fn leave(uplink: &Capture, host: &Host, viewer: Receiver) -> Time {
    let since = lab::now();
    assert!(viewer.leave().unwrap().is_perfect());
    let from = host.address().addr();
    let says_so = |f: &Frame| {
        f.igmp().is_some_and(|igmp| matches!(igmp.kind, 0x17 | 0x22))
            && f.ip.as_ref().is_some_and(|ip| ip.source == from)
    };
    uplink.wait_for(&format!("a Leave from {}", host.name()), since, SOON, says_so).unwrap().at
}

/// Group-specific queries of ours since `since`.
fn asked(stage: &Stage, hall: &Side, since: Time) -> Vec<Duration> {
    let ours = |f: &Frame| f.at >= since && f.source == stage.router_mac && f.is_igmp(0x11, GROUP.addr());
    hall.wire.select(ours).iter().map(|query| query.at.saturating_since(since)).collect()
}

/// How long after `since` the stream's last frame came.
fn lasted(hall: &Side, since: Time) -> Duration {
    hall.wire.select(is_stream).last().map_or(Duration::ZERO, |frame| frame.at.saturating_since(since))
}

#[test]
fn r49_one_of_two_hosts_leaves_and_the_other_has_no_gap_in_any_mode() {
    let names = ["hall-off", "hall-tracked", "hall-alone", "hall-single"];
    let stage = Stage::new(&names, Cabling::Bridged);
    let [off, tracked, isolated, single] = &stage.halls[..] else { panic!() };
    // Isolated hosts hear nothing of each other.
    let uplinks: Vec<_> = stage.halls.iter().map(Side::uplink).collect();
    let others: Vec<_> = [off, tracked, isolated]
        .iter()
        .map(|hall| hall.another_host(&stage.lab, &hall.name.replace("hall", "2nd"), 5))
        .collect();
    let [_, second_tracked, second_isolated] = &others[..] else { panic!() };
    // Hosts of version 3 each say what they want; those of version 2 do, where they do not hear each other.
    deafen(&tracked.host);
    deafen(second_tracked);
    isolated.bridge().isolate(&isolated.host).unwrap();
    isolated.bridge().isolate(second_isolated).unwrap();
    let mut recipe = stage.recipe();
    recipe.query_interval = QUERY_INTERVAL;
    let tracks = format!("fast-leave = \"tracked\"\n{SLOW_TO_ASK}");
    let running = stage.start_changed(&recipe, |text| {
        let with = |text: String, name: &str, more: &str| {
            let table = format!("device = \"{name}\"\n");
            text.replace(&table, &format!("{table}{more}"))
        };
        let text = with(text, tracked.name, &tracks);
        let text = with(text, isolated.name, &format!("{tracks}report-isolated = true\n"));
        with(text, single.name, &format!("fast-leave = \"single\"\n{SLOW_TO_ASK}"))
    });
    lab::stop::pause(MEMBERSHIP_INTERVAL + Duration::from_millis(500)).unwrap();

    let sender = stage.start_source(RATE);
    let joined = lab::now();
    let firsts: Vec<_> = stage.halls.iter().map(|hall| hall.join(&stage.lab, GROUP)).collect();
    for hall in &stage.halls {
        hall.wait_for_stream(joined);
    }
    let seconds: Vec<_> =
        others.iter().map(|host| Receiver::join(&stage.lab, host, (GROUP, PORT)).unwrap()).collect();
    lab::stop::pause(Duration::from_millis(500)).unwrap();

    // One of two. Whom they asked, and what the other got of the stream until its own Leave.
    let left: Vec<_> = uplinks
        .iter()
        .zip(&others)
        .zip(seconds)
        .map(|((uplink, host), viewer)| leave(uplink, host, viewer))
        .collect();
    lab::stop::pause(LAST_MEMBER_QUERY_TIME + Duration::from_millis(500)).unwrap();
    let queries = asked(&stage, off, left[0]);
    println!("{}: asked {queries:.3?} after the first Leave", off.name);
    assert!(!queries.is_empty(), "r38: nobody was asked");
    for (hall, left) in [tracked, isolated].into_iter().zip(&left[1..]) {
        println!("{}: asked {:.3?} after the first Leave", hall.name, asked(&stage, hall, *left));
    }

    // The last one: asked for twice, or cut at once.
    let gone: Vec<_> = stage
        .halls
        .iter()
        .zip(&uplinks)
        .zip(firsts)
        .map(|((hall, uplink), viewer)| leave(uplink, &hall.host, viewer))
        .collect();
    lab::stop::pause(AT_ONCE + Duration::from_millis(500)).unwrap();
    for (hall, gone) in stage.halls.iter().zip(gone) {
        let (queries, lasted) = (asked(&stage, hall, gone), lasted(hall, gone));
        println!("{}: the stream until {:.1} ms after the last Leave", hall.name, lasted.as_secs_f64() * 1e3);
        let whole = stage.delivered(hall, joined, gone).unwrap_or_else(|why| panic!("{}: {why}", hall.name));
        assert!(whole.last_at + EARLY > gone, "{}: cut while somebody watched", hall.name);
        if hall.name == off.name {
            assert_eq!(queries.len(), 2, "r38: {queries:?}");
            // A source that had no turn for a while ends the stream early by itself.
            let cut_off = stage.first_cut_off(hall).saturating_since(gone);
            assert!(cut_off + EARLY > LAST_MEMBER_QUERY_TIME, "r41: not before {cut_off:?}");
        } else {
            assert_eq!(queries.len(), 0, "r49: {} was asked all the same", hall.name);
        }
        assert!(lasted < AT_ONCE, "{}: {lasted:?}", hall.name);
    }
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
