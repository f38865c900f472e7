//! Another querier on a client's link: a bridge with a lower address wins and, once it is silent, has lost; one with a
//! higher address changes nothing.

use crate::packets::{IPV4, frame, general_query};
use crate::running::Running;
use crate::stage::{Cabling, GROUP, SOON, STOP_LIMIT, Side, Stage};
use api::QuerierRole;
use lab::{BridgeQuerier, Frame};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use types::{GroupAddr, Ipv4Net, Time};

const RATE: u32 = 500;
/// Our query interval, in seconds, and what follows from it with two as robustness and a response interval of 1 s.
const QUERY_INTERVAL: u32 = 3;
const OTHER_QUERIER_PRESENT: Duration = Duration::from_millis(2 * 1000 * QUERY_INTERVAL as u64 + 500);
/// How long another querier is watched: longer than our query interval.
const WATCHED: Duration = Duration::from_millis(1000 * QUERY_INTERVAL as u64 + 500);
/// What is on its way when the other's query comes.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// The address `host` of a side's network.
fn address_in(side: &Side, host: u8) -> Ipv4Net {
    let [a, b, c, _] = side.address.addr().octets();
    Ipv4Net::new(Ipv4Addr::new(a, b, c, host), 24).unwrap()
}

fn is_query(frame: &Frame, from: Ipv4Addr) -> bool {
    frame.is_igmp(0x11, [0; 4].into()) && frame.ip.as_ref().is_some_and(|ip| ip.source == from)
}

fn queries(side: &Side, from: Ipv4Addr, since: Time) -> Vec<Arc<Frame>> {
    side.wire.select(|f| f.at >= since && is_query(f, from))
}

fn wait_for_query(side: &Side, from: Ipv4Addr, since: Time) -> Time {
    let what = format!("a General Query from {from} in {}", side.name);
    side.wire.wait_for(&what, since, SOON, |f| is_query(f, from)).unwrap().at
}

fn wait_for_role(running: &Running, side: &Side, role: QuerierRole) {
    let taken = || Ok((running.querier(side.name).role == role).then_some(()));
    lab::stop::poll(STOP_LIMIT, taken).unwrap().unwrap_or_else(|| panic!("{role:?} in {}", side.name));
}

/// `rival` asks in `lost` and `kept` alike: nothing more of ours in the one but what the hosts report, and it is told who
/// asks. When it came.
fn rival_wins(running: &Running, (lost, kept): (&Side, &Side), rivals: [Ipv4Net; 2]) {
    let began = lab::now();
    for (side, rival) in [lost, kept].into_iter().zip(rivals) {
        side.bridge().start_querier(&BridgeQuerier::brisk(2, rival)).unwrap();
    }
    let came = wait_for_query(lost, rivals[0].addr(), began);
    wait_for_role(running, lost, QuerierRole::NonQuerier);
    wait_for_role(running, kept, QuerierRole::NonQuerier);
    assert_eq!(running.querier(lost.name).address, Some(rivals[0].addr()), "r23: it is shown");
    lab::stop::pause(WATCHED).unwrap();

    let streams = lost.stream(came, lab::now());
    let last = streams.last().map_or(Duration::ZERO, |frame| frame.at - came);
    println!("{}: nothing more {:.1} ms after the other's query", lost.name, last.as_secs_f64() * 1e3);
    assert!(last < UNDER_WAY, "r20: frames until {last:?} after it");
    for side in [lost, kept] {
        let ours = queries(side, our_address(side), came + UNDER_WAY);
        assert_eq!(ours.len(), 0, "r27: a non-querier asked in {}", side.name);
    }
    assert!(running.members(GROUP).iter().any(|port| port == lost.name), "r27: members are learned and stay");
    let said = running.wait_for_log(&["WARN", lost.name, &rivals[0].addr().to_string()]);
    println!("r95: {}", said.trim());
    let explained = running.explain(GROUP, Some(lost.name));
    assert_eq!(explained.dark, Some(true), "{explained:?}");
    assert!(explained.verdict.contains(&rivals[0].addr().to_string()), "{explained:?}");
    assert_eq!(running.explain(GROUP, Some(kept.name)).dark, Some(false));
}

/// Our address on a side, as the recipe below has it.
fn our_address(side: &Side) -> Ipv4Addr {
    address_in(side, OURS).addr()
}

/// Our addresses end so: there are lower ones.
const OURS: u8 = 9;

/// The other falls silent: Other Querier Present Interval after its last query we ask, and forward at once.
fn rival_falls_silent(running: &Running, lost: &Side, rival: Ipv4Addr) {
    let silent = lab::now();
    lost.bridge().stop_querier().unwrap();
    let ours = wait_for_query(lost, our_address(lost), silent);
    let last = queries(lost, rival, Time::ZERO).last().unwrap().at;
    let waited = ours.saturating_since(last);
    println!("{}: querier {:.3} s after the other's last query", lost.name, waited.as_secs_f64());
    assert!(waited + Duration::from_millis(100) > OTHER_QUERIER_PRESENT, "r22: {waited:?}");
    wait_for_role(running, lost, QuerierRole::Querier);
    let first = lost.wait_for_stream(silent).at;
    let reports = lost.wire.select(|f| f.at > ours && f.at < first && f.is_igmp(0x16, GROUP.addr()));
    assert_eq!(reports.len(), 0, "r92: forwarded to members that are known, not after they report");
    let late = first.saturating_since(ours);
    println!("{}: the stream {:.3} ms after our query", lost.name, late.as_secs_f64() * 1e3);
}

#[test]
fn r20_a_lower_querier_takes_over_until_it_is_silent_and_a_higher_one_changes_nothing() {
    let stage = Stage::new(&["hall-lost", "hall-kept", "hall-high"], Cabling::Bridged);
    let [lost, kept, high] = &stage.halls[..] else { panic!() };
    let mut recipe = stage.recipe();
    recipe.query_interval = QUERY_INTERVAL;
    for side in &stage.halls {
        recipe.port(side.name).address = address_in(side, OURS);
    }
    // The bridges hear of routers that do not ask by r102 alone, and pass reports to nobody else.
    recipe.port(lost.name).more = "router-discovery = true\n";
    recipe.port(kept.name).more = "router-discovery = true\nforward-when-not-querier = true\n";
    // This one asks before we are there, and gives way: our queries are right for it, too.
    let higher = address_in(high, 200);
    high.bridge().start_querier(&BridgeQuerier::brisk(2, higher)).unwrap();
    wait_for_query(high, higher.addr(), Time::ZERO);
    let running = stage.start(&recipe);
    let ours = wait_for_query(high, our_address(high), Time::ZERO);
    let joined = lab::now();
    let _viewers = [lost, kept, high].map(|hall| hall.join(&stage.lab, GROUP));
    let members = || Ok((running.members(GROUP).len() == stage.halls.len()).then_some(()));
    lab::stop::poll(SOON, members).unwrap().expect("a member in every hall");
    let sender = stage.start_source(RATE);
    for hall in &stage.halls {
        hall.wait_for_stream(joined);
    }
    // And if it did not: r21, r24 and r25 by hand.
    let mut rival = stage.frames_from(high);
    let mac = high.host.mac().unwrap();
    for source in [higher.addr(), Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 0, 0, 1)] {
        rival.send(&frame(mac, GroupAddr::ALL_SYSTEMS, &IPV4, &general_query(source, 10))).unwrap();
    }

    let rivals = [address_in(lost, 2), address_in(kept, 2)];
    rival_wins(&running, (lost, kept), rivals);
    rival_falls_silent(&running, lost, rivals[0].addr());

    let (_, end) = stage.end_source(sender, &[kept, high]);
    for hall in [kept, high] {
        let whole = stage.delivered(hall, joined, end).unwrap();
        assert_eq!((whole.held_until, whole.ended_by), (None, None), "{} got all of it", hall.name);
    }
    assert_eq!(running.querier(high.name).role, QuerierRole::Querier);
    assert_eq!(queries(high, higher.addr(), ours + Duration::from_millis(1)).len(), 1, "the bridge gave way");
    assert!(queries(high, our_address(high), ours).len() > 3, "we went on asking");
    running.finish(&stage);
    stage.close();
}
