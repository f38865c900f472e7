//! Steps 1 to 4: nobody, one viewer, two viewers, and the time going by.

use super::Failure;
use super::judge::{LATE, Verdict, answered, general_queries, none, show, soon, unsolicited};
use super::stage::{
    GROUP, GROUP_MEMBERSHIP_INTERVAL, Hall, PORT, RATE, SOURCE_TTL, Stage, UNSOLICITED_REPORT_INTERVAL,
    is_announcement,
};
use super::teller::{Sight, Teller, count};
use lab::compare::{Delivery, once_each};
use lab::{Frame, Host, Receiver, stop, stream};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use types::Time;

/// How long something that should happen at once is waited for before it counts as absent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a state is watched.
const WATCH: Duration = Duration::from_secs(2);

/// Step 1: the source sends, both halls stay silent.
pub(super) fn nobody_asked(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step(1, "The source sends 239.2.2.2; nobody has asked for it")?;
    stage.start_source()?;
    let data = |frame: &Frame| frame.is_data_to(GROUP.addr());
    let first = stage.provider.wait_for("the source's first datagram", stage.started, PATIENCE, data)?;
    teller.saw(vec![Sight::of(&first, "provider", "the source begins")])?;
    stop::pause(WATCH)?;
    let until = stage.look()?;
    let mut sent = stage.sent();
    sent.retain(|frame| frame.at <= until);
    teller.expect("provider's link: 1,316 bytes each, about 1,000 a second", steady(&sent))?;
    for hall in [&stage.hall_a, &stage.hall_b] {
        let what = format!("{}: not one frame of it", hall.name);
        teller.expect(&what, none(&hall.stream(Time::ZERO, until)))?;
    }
    let ours = |frame: &Frame| frame.source == stage.router_mac;
    let said = stage.provider.select(|frame| ours(frame) && !is_announcement(frame));
    let announced = stage.provider.select(|frame| ours(frame) && is_announcement(frame));
    let announced = if announced.is_empty() { Err("not a word".to_owned()) } else { none(&said) };
    teller.expect("provider's link: Manifold announces its address, and says not a word more", announced)
}

/// Whether the source is as the story wants it.
fn steady(sent: &[Arc<Frame>]) -> Verdict {
    let (Some(first), Some(last)) = (sent.first(), sent.last()) else { return Err("nothing".to_owned()) };
    let span = last.at.saturating_since(first.at);
    let rate = (sent.len() - 1) as f64 / span.as_secs_f64();
    let right = |frame: &Arc<Frame>| {
        frame.udp().is_some_and(|udp| udp.payload_len == stream::DATAGRAM_LEN)
            && frame.ip.as_ref().is_some_and(|ip| ip.ttl == SOURCE_TTL)
    };
    if !sent.iter().all(right) {
        return Err("a datagram of another size or TTL".to_owned());
    }
    let wanted = f64::from(RATE);
    if !(0.9 * wanted..1.1 * wanted).contains(&rate) {
        return Err(format!("{rate:.0} a second"));
    }
    Ok(format!("{} frames in {}", count(sent.len()), show(span)))
}

/// Step 2: the first viewer. Gives the viewer, and its Join on the wire.
pub(super) fn user4_joins(stage: &mut Stage, teller: &mut Teller) -> Result<(Receiver, Arc<Frame>), Failure> {
    teller.step(2, "User 4 joins (IGMPv2)")?;
    let (viewer, join, first) = joins(stage, &stage.hall_a, &stage.user4, 0x16)?;
    let upstream =
        stage.provider.wait_for("the Join on the provider's link", join.at, PATIENCE, |frame| {
            frame.source == stage.router_mac && frame.is_igmp(0x16, GROUP.addr())
        })?;
    teller.saw(vec![
        Sight::of(&join, "hall-a", "user 4 asks Manifold"),
        Sight::of(&upstream, "provider", "Manifold asks the provider"),
        Sight::of(&first, "hall-a", "the stream begins"),
    ])?;
    stop::pause(UNSOLICITED_REPORT_INTERVAL + WATCH / 4)?;
    let until = stage.look()?;
    let wanted = stage.join_upstream();
    teller.expect("the same Join on the provider's link", soon(join.at, upstream.at, LATE))?;
    teller.expect(
        "TTL 1, Router Alert, TOS 0xc0, 8 bytes of IGMP, both checksums, source 10.0.0.1, the group's MAC",
        wanted.check(&upstream).map(|()| String::new()),
    )?;
    let said = stage.said_upstream(Time::ZERO);
    teller.expect("repeated as RFC 2236 asks, and nothing else upstream", unsolicited(&said, &wanted))?;
    teller.expect("from Join to first frame", soon(join.at, first.at, LATE))?;
    expect_delivered(stage, teller, &stage.hall_a, (join.at, until))?;
    let elsewhere = stage.hall_b.stream(Time::ZERO, until);
    teller.expect("hall-b: not one frame of it", none(&elsewhere))?;
    Ok((viewer, join))
}

/// Step 3: the second viewer, in the other subnet. Gives the viewer, and its Join on the wire.
pub(super) fn user3_joins(
    stage: &mut Stage,
    teller: &mut Teller,
    join4: &Frame,
    viewer4: &mut Receiver,
) -> Result<(Receiver, Arc<Frame>), Failure> {
    teller.step(3, "User 3, in another subnet, joins")?;
    let (mut viewer, join, first) = joins(stage, &stage.hall_b, &stage.user3, 0x16)?;
    teller.saw(vec![
        Sight::of(&join, "hall-b", "user 3 asks Manifold"),
        Sight::of(&first, "hall-b", "the stream begins"),
    ])?;
    stop::pause(WATCH)?;
    let until = stage.look()?;
    teller.expect("from Join to first frame", soon(join.at, first.at, LATE))?;
    teller.expect("provider's link: no second Join", none(&stage.said_upstream(join.at)))?;
    let sent = stage.sent();
    teller.expect(
        "provider's link: no second copy",
        once_each(&sent, stage.source_mac).map(|()| format!("each of {} once", count(sent.len()))),
    )?;
    expect_delivered(stage, teller, &stage.hall_a, (join4.at, until))?;
    expect_delivered(stage, teller, &stage.hall_b, (join.at, until))?;
    expect_perfect(teller, "user 4", viewer4)?;
    expect_perfect(teller, "user 3", &mut viewer)?;
    Ok((viewer, join))
}

/// Step 4: periodic queries, and the stream past the group membership interval.
pub(super) fn the_stream_goes_on(
    stage: &mut Stage,
    teller: &mut Teller,
    join4: &Frame,
    join3: &Frame,
) -> Result<(), Failure> {
    let interval = show(GROUP_MEMBERSHIP_INTERVAL);
    teller.step(
        4,
        &format!("Queries go out and are answered; the stream outlives the {interval} of a membership"),
    )?;
    let end = join3.at + GROUP_MEMBERSHIP_INTERVAL + WATCH;
    stop::pause(end.saturating_since(lab::now()))?;
    let until = stage.look()?;
    let (stage, none_about) = (&*stage, Ipv4Addr::UNSPECIFIED);
    for (hall, user, join) in [(&stage.hall_a, &stage.user4, join4), (&stage.hall_b, &stage.user3, join3)] {
        let queries = hall.igmp(0x11, none_about, hall.address.addr(), Time::ZERO);
        let answers = hall.igmp(0x16, GROUP.addr(), user.address().addr(), Time::ZERO);
        // The latest query that was answered, and its answer, for a look.
        let exchange = queries.iter().rev().find_map(|query| {
            let answer = answers.iter().find(|answer| answer.at >= query.at)?;
            Some(vec![Sight::of(query, hall.name, "is anybody left?"), Sight::of(answer, hall.name, "yes")])
        });
        teller.saw(exchange.unwrap_or_default())?;
        let what = format!("{}: General Queries on time, right in every field", hall.name);
        teller.expect(&what, general_queries(&queries, &stage.general_query(hall)))?;
        let what = format!("{}: answered by {}", hall.name, user.name());
        teller.expect(&what, answered(&queries, &answers, (join.at, until)))?;
        expect_delivered(stage, teller, hall, (join.at, until))?;
        let lived = until.saturating_since(join.at);
        let outlived = if lived > GROUP_MEMBERSHIP_INTERVAL { Ok(show(lived)) } else { Err(show(lived)) };
        teller.expect(&format!("{}: past the group membership interval", hall.name), outlived)?;
    }
    teller.expect("provider's link: not a word more from Manifold", none(&stage.said_upstream(join3.at)))
}

/// A viewer joins: the viewer, its Join on the wire, and the first datagram after it.
pub(super) fn joins(
    stage: &Stage,
    hall: &Hall,
    user: &Host,
    kind: u8,
) -> Result<(Receiver, Arc<Frame>, Arc<Frame>), Failure> {
    let before = lab::now();
    let viewer = Receiver::join(&stage.lab, user, (GROUP, PORT))?;
    let join = hall.wire.wait_for(&format!("{}'s Join", user.name()), before, PATIENCE, |frame| {
        frame.is_igmp(kind, GROUP.addr())
            && frame.ip.as_ref().is_some_and(|ip| ip.source == user.address().addr())
    })?;
    let what = format!("the first datagram in {}", hall.name);
    let first = hall.wire.wait_for(&what, join.at, PATIENCE, |frame| frame.is_data_to(GROUP.addr()))?;
    Ok((viewer, join, first))
}

/// From the Join on until now: every datagram, each once, in order, changed only as a router must.
pub(super) fn expect_delivered(
    stage: &Stage,
    teller: &mut Teller,
    hall: &Hall,
    (join, until): (Time, Time),
) -> Result<(), Failure> {
    let what = format!("{}: every datagram since, in order, TTL one less, UDP checksum good", hall.name);
    let verdict = stage.delivered(hall, join, until).and_then(|delivery| {
        begins_with(&delivery, join)?;
        if delivery.last_at + LATE < until {
            return Err(format!("none for the last {}", show(until.saturating_since(delivery.last_at))));
        }
        Ok(format!(
            "{} frames, at most {} under way",
            count(delivery.datagrams),
            show(Duration::from_nanos(delivery.worst_delay_ns))
        ))
    });
    teller.expect(&what, verdict)
}

/// No datagram that the source sent noticeably after the Join was left out.
pub(super) fn begins_with(delivery: &Delivery, join: Time) -> Result<(), String> {
    match delivery.held_until {
        Some(held) if held > join + LATE => Err(format!(
            "datagrams were held back until {} after the Join",
            show(held.saturating_since(join))
        )),
        Some(_) | None => Ok(()),
    }
}

/// What the program on the viewer's host got through its socket.
pub(super) fn expect_perfect(teller: &mut Teller, user: &str, viewer: &mut Receiver) -> Result<(), Failure> {
    let summary = viewer.summary()?;
    let verdict = if summary.is_perfect() {
        Ok(format!("{} datagrams, 0 lost", count(usize::try_from(summary.received).unwrap_or(usize::MAX))))
    } else {
        Err(format!("{summary:?}"))
    };
    teller.expect(&format!("{user}'s own socket: the same, right in every byte"), verdict)
}
