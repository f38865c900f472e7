//! An evening in front of the television: the timers of RFC 2236 as they are, hosts of every version, somebody who
//! zaps beside them, and one whose cable is cut. Takes twelve minutes: `make test-long`.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, PORT, SECOND_GROUP, SOON, Side, Stage, THIRD_GROUP};
use lab::compare::Delivery;
use lab::{Capture, Frame, Receiver};
use std::sync::Arc;
use std::time::Duration;
use types::Time;

const RATE: u32 = 100;
/// Query Interval 125 s, Robustness 2, Query Response Interval 10 s.
const MEMBERSHIP_INTERVAL: Duration = Duration::from_secs(260);
/// When General Queries are due after the first, in milliseconds (r17).
const QUERIES: [u64; 7] = [0, 31_250, 156_250, 281_250, 406_250, 531_250, 656_250];
/// How long the streams are watched, the first query being at zero.
const WATCHED: Duration = Duration::from_secs(690);
/// From then on the member that ages does not answer: it has answered both queries at the start.
const CUT_OFF: Duration = Duration::from_secs(45);
/// What a zapper watches of each channel.
const ZAP: Duration = Duration::from_secs(3);
/// What is due within 0.1 s, on a machine that does something else at the same time. How late it was is printed.
const LATE: Duration = Duration::from_secs(1);
/// From one datagram to the next, and some more: what is last may be so much before the end.
const EARLY: Duration = Duration::from_millis(30);

/// A hall and the version forced on its host's kernel; 0 is none: it speaks 3 until it hears a query.
const VIEWERS: [(&str, u8); 3] = [("hall-v1", 1), ("hall-v2", 2), ("hall-v3", 0)];

fn is_stream(frame: &Frame) -> bool {
    frame.is_data_to(GROUP.addr())
}

fn seconds(length: Duration) -> f64 {
    length.as_secs_f64()
}

/// Zaps through the stream's channel and two that nobody sends, until `end`. How often.
fn zap(stage: &Stage, hall: &Side, end: Time) -> usize {
    let mut zaps = 0;
    for group in [GROUP, SECOND_GROUP, THIRD_GROUP].into_iter().cycle() {
        if lab::now() >= end {
            return zaps;
        }
        let joined = lab::now();
        let viewer = hall.join(&stage.lab, group);
        if group == GROUP {
            hall.wait_for_stream(joined);
        }
        lab::stop::pause(ZAP).unwrap();
        let summary = viewer.leave().unwrap();
        assert_eq!(summary.is_perfect(), group == GROUP, "the zapper's {zaps}th channel: {summary:?}");
        zaps += 1;
    }
    zaps
}

/// General Queries at their times, and no others (r17).
fn expect_queries(stage: &Stage, hall: &Side) {
    let ours = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x11, [0; 4].into());
    let queries = hall.wire.select(ours);
    let since_first: Vec<_> = queries.iter().map(|query| query.at.saturating_since(queries[0].at)).collect();
    assert_eq!(since_first.len(), QUERIES.len(), "{}: {since_first:?}", hall.name);
    for (at, due) in since_first.iter().zip(QUERIES.map(Duration::from_millis)) {
        assert!(at.abs_diff(due) < LATE, "{}: a query after {at:?} instead of {due:?}", hall.name);
    }
    println!("{}: {} General Queries, at {since_first:.3?}", hall.name, queries.len());
}

/// Watched from `joined` to `until`, without a gap and longer than ten minutes.
fn expect_whole(stage: &Stage, hall: &Side, (joined, until): (Time, Time)) -> Delivery {
    let delivery = stage.delivered(hall, joined, until).unwrap_or_else(|why| panic!("{}: {why}", hall.name));
    let length = delivery.last_at.saturating_since(delivery.first_at);
    assert!(length > Duration::from_secs(600), "{}: {length:?}", hall.name);
    assert!(delivery.last_at + EARLY + LATE > until, "{}: ended {:?}", hall.name, until - delivery.last_at);
    println!(
        "{}: {} datagrams in {:.1} s, none left out, at most {:.3} ms under way",
        hall.name,
        delivery.datagrams,
        seconds(length),
        delivery.worst_delay_ns as f64 / 1e6
    );
    delivery
}

/// The member whose cable was cut goes 260 s after its last report: not before, and not noticeably later (r36).
fn expect_aged(hall: &Side, uplink: &Capture) {
    let host = hall.host.address().addr();
    let reports =
        uplink.select(|f| f.is_igmp(0x16, GROUP.addr()) && f.ip.as_ref().is_some_and(|ip| ip.source == host));
    let last_report = reports.last().expect("it reported").at;
    let last_frame = uplink.select(is_stream).last().expect("it watched").at;
    let stayed = last_frame.saturating_since(last_report);
    println!("{}: forwarded for {:.3} s after its last report", hall.name, seconds(stayed));
    assert!(stayed + EARLY > MEMBERSHIP_INTERVAL && stayed < MEMBERSHIP_INTERVAL + LATE, "{stayed:?}");
}

/// A viewer leaves: two queries a second apart, and the stream ends two seconds after the Leave (r38, r41).
fn expect_parting(hall: &Side, viewer: Receiver) {
    let since = lab::now();
    assert!(viewer.leave().unwrap().is_perfect());
    let leave = hall.wire.wait_for("a Leave", since, SOON, |f| f.is_igmp(0x17, GROUP.addr())).unwrap().at;
    lab::stop::pause(Duration::from_secs(4)).unwrap();
    let queries: Vec<Arc<Frame>> = hall.wire.select(|f| f.at >= leave && f.is_igmp(0x11, GROUP.addr()));
    let asked: Vec<_> = queries.iter().map(|query| query.at.saturating_since(leave)).collect();
    assert_eq!(asked.len(), 2, "{}: {asked:?}", hall.name);
    let ended = hall.wire.select(is_stream).last().unwrap().at.saturating_since(leave);
    let due = Duration::from_secs(2);
    println!(
        "{}: asked {asked:.3?} after its Leave, the last datagram after {:.3} s",
        hall.name,
        seconds(ended)
    );
    assert!(ended + EARLY > due && ended < due + LATE, "{}: {ended:?}", hall.name);
}

/// What the provider heard about the stream's group: one Join and its repetition, for nobody asked it anything (r57 to
/// r59).
fn expect_upstream(stage: &Stage) {
    let about =
        |f: &Frame| f.source == stage.router_mac && f.igmp().is_some_and(|igmp| igmp.group == GROUP.addr());
    let said: Vec<_> = stage.provider.wire.select(about).iter().map(|f| f.to_string()).collect();
    assert!(said.len() == 2 && said.iter().all(|what| what.ends_with("v2 Join 239.2.2.2")), "{said:?}");
}

fn start(stage: &Stage) -> Running {
    // Without the short intervals of the other tests: the defaults.
    stage.start_changed(&stage.recipe(), |text| {
        text.lines().filter(|line| !line.contains("-interval = ")).map(|line| format!("{line}\n")).collect()
    })
}

#[test]
fn with_the_rfcs_own_timers_a_stream_has_no_gap_in_more_than_ten_minutes() {
    let stage = Stage::new(&["hall-v1", "hall-v2", "hall-v3", "hall-zap", "hall-aged"], Cabling::Bridged);
    let [watching @ .., zapping, ageing] = &stage.halls[..] else { panic!() };
    for (hall, (_, version)) in watching.iter().zip(VIEWERS) {
        hall.host.force_igmp_version(version).unwrap();
    }
    let mut uplink = ageing.uplink();
    let before = lab::now();
    let running = start(&stage);
    let is_query = |f: &Frame| f.source == stage.router_mac && f.is_igmp(0x11, [0; 4].into());
    let began = zapping.wire.wait_for("a General Query", before, SOON, is_query).unwrap().at;
    let sender = stage.start_source(RATE);
    let joined = lab::now();
    let mut viewers: Vec<_> = watching.iter().map(|hall| hall.join(&stage.lab, GROUP)).collect();
    let forgotten = Receiver::join(&stage.lab, &ageing.host, (GROUP, PORT)).unwrap();

    let mut zaps = zap(&stage, zapping, began + CUT_OFF);
    ageing.bridge().cut_off(&ageing.host).unwrap();
    zaps += zap(&stage, zapping, began + WATCHED);
    println!("hall-zap: {zaps} channels of {} s", ZAP.as_secs());
    let watched = lab::now();
    for hall in watching {
        expect_queries(&stage, hall);
        expect_whole(&stage, hall, (joined, watched));
    }
    expect_aged(ageing, &uplink);
    drop(forgotten);
    // The version 1 host, which never leaves, keeps the group joined upstream.
    for hall in watching.iter().skip(1).rev() {
        expect_parting(hall, viewers.pop().unwrap());
    }
    expect_upstream(&stage);
    sender.stop().unwrap();
    assert_eq!(uplink.stop().unwrap().missed, 0);
    running.finish(&stage);
    stage.close();
}
