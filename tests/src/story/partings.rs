//! Steps 5 to 7: a viewer leaves, one falls silent, one speaks IGMPv1; and what must be true of the whole.

use super::Failure;
use super::judge::{LATE, Verdict, due, exactly, last_member_queries, none, show, soon, unsolicited};
use super::members::{begins_with, expect_delivered, expect_perfect, joins};
use super::stage::{
    GROUP, GROUP_MEMBERSHIP_INTERVAL, Hall, LAST_MEMBER_QUERY_COUNT, LAST_MEMBER_QUERY_INTERVAL,
    QUERY_INTERVAL, QUERY_RESPONSE_INTERVAL, Stage, UNSOLICITED_REPORT_INTERVAL, is_announcement,
};
use super::teller::{Sight, Teller, count};
use lab::{Frame, Receiver, stop};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use types::Time;

/// How long a silence is watched.
const SILENCE: Duration = Duration::from_millis(1_500);
/// How long something that should happen at once is waited for before it counts as absent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Step 5: a Leave, the last questions, silence; and nothing of it in the other hall.
pub(super) fn user3_leaves(
    stage: &mut Stage,
    teller: &mut Teller,
    viewer3: Receiver,
    (join4, join3): (&Frame, &Frame),
) -> Result<(), Failure> {
    teller.step(5, "User 3 leaves")?;
    let before = lab::now();
    let summary = viewer3.leave()?;
    let user = stage.user3.address().addr();
    let leave = stage.hall_b.wire.wait_for("user 3's Leave", before, PATIENCE, |frame| {
        frame.is_igmp(0x17, GROUP.addr()) && frame.ip.as_ref().is_some_and(|ip| ip.source == user)
    })?;
    let window = LAST_MEMBER_QUERY_INTERVAL * LAST_MEMBER_QUERY_COUNT;
    stop::pause((leave.at + window + SILENCE).saturating_since(lab::now()))?;
    let until = stage.look()?;
    let stage = &*stage;
    let questions = stage.hall_b.group_queries(Time::ZERO);
    let mut sights = vec![Sight::of(&leave, "hall-b", "user 3 leaves")];
    sights.extend(questions.iter().map(|q| Sight::of(q, "hall-b", "is anybody left in this group?")));
    sights.extend(last_datagram(&stage.hall_b, until));
    teller.saw(sights)?;
    let wanted = stage.group_query(&stage.hall_b);
    teller.expect("hall-b: group-specific queries", last_member_queries(leave.at, &questions, &wanted))?;
    expect_ended(stage, teller, &stage.hall_b, (join3.at, until), (leave.at, window))?;
    teller.expect("hall-a: not asked", none(&stage.hall_a.group_queries(Time::ZERO)))?;
    expect_delivered(stage, teller, &stage.hall_a, (join4.at, until))?;
    teller.expect("provider's link: not a word from Manifold", none(&stage.said_upstream(join3.at)))?;
    let perfect = if summary.is_perfect() { Ok(String::new()) } else { Err(format!("{summary:?}")) };
    teller.expect("user 3's own socket: unbroken until it left", perfect)
}

/// Step 6: a host falls silent without a word.
pub(super) fn user4_is_cut_off(
    stage: &mut Stage,
    teller: &mut Teller,
    mut viewer4: Receiver,
    join4: &Frame,
) -> Result<(), Failure> {
    teller.step(6, "User 4's cable is pulled: no Leave, only the timer")?;
    stage.hall_a.net.cut_off(&stage.user4)?;
    let cut = lab::now();
    let leave = wait_left(stage, cut)?;
    stop::pause(SILENCE)?;
    let until = stage.look()?;
    let stage = &*stage;
    let report = last_report(&stage.hall_a, 0x16, stage.user4.address().addr())?;
    let mut sights = vec![
        Sight::of(&report, "hall-a", "user 4's last word"),
        Sight::event(cut, "hall-a", "user 4's cable is pulled", "Manifold's carrier stays"),
        Sight::of(&leave, "provider", "nobody is left"),
    ];
    sights.extend(last_datagram(&stage.hall_a, until));
    teller.saw(sights)?;
    expect_aged_out(stage, teller, (join4.at, until), report.at)?;
    expect_left(stage, teller, cut)?;
    teller.expect("the Leave as the timer ends", due(report.at, leave.at, GROUP_MEMBERSHIP_INTERVAL))?;
    teller.expect("hall-b: not one frame since user 3 left", none(&stage.hall_b.stream(cut, until)))?;
    expect_perfect(teller, "user 4", &mut viewer4)
}

/// Step 7: an IGMPv1 host, which never says that it leaves.
pub(super) fn a_v1_client(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step(7, "User 5, who speaks IGMPv1, joins, and later goes away without a word")?;
    let (viewer5, join5) = user5_joins(stage, teller)?;
    user5_goes(stage, teller, viewer5, &join5)
}

fn user5_joins(stage: &mut Stage, teller: &mut Teller) -> Result<(Receiver, Arc<Frame>), Failure> {
    let (mut viewer, join, first) = joins(stage, &stage.hall_a, &stage.user5, 0x12)?;
    let wire = &stage.hall_a.wire;
    let query = wire.wait_for("a General Query", join.at, QUERY_INTERVAL + LATE, |frame| {
        frame.is_igmp(0x11, Ipv4Addr::UNSPECIFIED)
    })?;
    let answer = wire.wait_for("user 5's answer", query.at, QUERY_RESPONSE_INTERVAL + LATE, |frame| {
        frame.is_igmp(0x12, GROUP.addr())
    })?;
    let repeated = join.at + UNSOLICITED_REPORT_INTERVAL + 2 * LATE;
    stop::pause(repeated.saturating_since(lab::now()))?;
    let until = stage.look()?;
    let said = stage.said_upstream(join.at);
    let mut sights = vec![
        Sight::of(&join, "hall-a", "user 5 asks Manifold"),
        Sight::of(&first, "hall-a", "the stream begins"),
        Sight::of(&query, "hall-a", "is anybody left?"),
        Sight::of(&answer, "hall-a", "yes"),
    ];
    sights.extend(said.first().map(|up| Sight::of(up, "provider", "Manifold asks the provider")));
    teller.saw(sights)?;
    teller.expect("from Join to first frame", soon(join.at, first.at, LATE))?;
    teller.expect("provider's link: the Join, in IGMPv2", unsolicited(&said, &stage.join_upstream()))?;
    expect_delivered(stage, teller, &stage.hall_a, (join.at, until))?;
    expect_perfect(teller, "user 5", &mut viewer)?;
    Ok((viewer, join))
}

fn user5_goes(
    stage: &mut Stage,
    teller: &mut Teller,
    viewer5: Receiver,
    join5: &Frame,
) -> Result<(), Failure> {
    let gone = lab::now();
    viewer5.leave()?;
    let leave = wait_left(stage, gone)?;
    stop::pause(SILENCE)?;
    let until = stage.look()?;
    let user = stage.user5.address().addr();
    let report = last_report(&stage.hall_a, 0x12, user)?;
    let mut sights = vec![
        Sight::of(&report, "hall-a", "user 5's last word"),
        Sight::event(gone, "hall-a", "user 5 goes away", "IGMPv1 has no word for it"),
        Sight::of(&leave, "provider", "nobody is left"),
    ];
    sights.extend(last_datagram(&stage.hall_a, until));
    teller.saw(sights)?;
    let leaves = stage.hall_a.igmp(0x17, GROUP.addr(), user, Time::ZERO);
    teller.expect("hall-a: no Leave from user 5", none(&leaves))?;
    expect_aged_out(stage, teller, (join5.at, until), report.at)?;
    expect_left(stage, teller, gone)?;
    teller.expect("the Leave as the timer ends", due(report.at, leave.at, GROUP_MEMBERSHIP_INTERVAL))
}

/// The captures are closed, and what must hold over the whole story is looked at.
pub(super) fn curtain(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.curtain("The end")?;
    let sent = stage.stop_source()?;
    let ended = stage.stop_manifold()?;
    teller.expect("Manifold ends when asked", ended)?;
    let mut totals = Vec::new();
    for wire in [&mut stage.provider, &mut stage.hall_a.wire, &mut stage.hall_b.wire] {
        totals.push(wire.stop()?);
    }
    let missed: u64 = totals.iter().map(|total| total.missed).sum();
    let seen: usize = totals.iter().map(|total| total.frames).sum();
    teller.expect("the captures missed nothing", {
        if missed == 0 { Ok(format!("{} frames", count(seen))) } else { Err(format!("{missed} frames")) }
    })?;
    let captured = stage.sent().len();
    teller.expect("provider's link: what the source sent", {
        let all = captured as u64 == sent;
        if all { Ok(format!("{} frames", count(captured))) } else { Err(format!("{captured} of {sent}")) }
    })?;
    let kinds: Vec<u8> =
        stage.said_upstream(Time::ZERO).iter().filter_map(|f| f.igmp().map(|igmp| igmp.kind)).collect();
    teller.expect("provider's link: all that Manifold ever said is Join, Join, Leave, twice", {
        let wanted = [0x16, 0x16, 0x17, 0x16, 0x16, 0x17];
        if kinds == wanted { Ok(String::new()) } else { Err(format!("{kinds:02x?}")) }
    })?;
    let ours = |frame: &Frame| frame.source == stage.router_mac && !is_announcement(frame);
    let strange = stage.provider.select(|frame| ours(frame) && frame.igmp().is_none());
    teller.expect("provider's link: nothing else came from Manifold, but its address", none(&strange))?;
    for hall in [&stage.hall_a, &stage.hall_b] {
        let query = |frame: &Frame| frame.igmp().is_some_and(|igmp| igmp.kind == 0x11);
        let strange =
            hall.wire.select(|frame| ours(frame) && !query(frame) && !frame.is_data_to(GROUP.addr()));
        let what =
            format!("{}: nothing but queries, the stream and its address came from Manifold", hall.name);
        teller.expect(&what, none(&strange))?;
    }
    teller.the_end()
}

/// Waits for Manifold's Leave on the provider's link.
fn wait_left(stage: &Stage, since: Time) -> Result<Arc<Frame>, Failure> {
    let limit = GROUP_MEMBERSHIP_INTERVAL + PATIENCE;
    Ok(stage.provider.wait_for("Manifold's Leave on the provider's link", since, limit, |frame| {
        frame.source == stage.router_mac && frame.is_igmp(0x17, GROUP.addr())
    })?)
}

/// The latest report of a host about the group.
fn last_report(hall: &Hall, kind: u8, from: Ipv4Addr) -> Result<Arc<Frame>, Failure> {
    let reports = hall.igmp(kind, GROUP.addr(), from, Time::ZERO);
    reports.last().cloned().ok_or_else(|| Failure::Expectation(format!("{}: no report", hall.name)))
}

/// The last datagram of the stream in a hall, for the telling.
fn last_datagram(hall: &Hall, until: Time) -> Option<Sight<'static>> {
    let stream = hall.stream(Time::ZERO, until);
    stream.last().map(|frame| Sight::of(frame, hall.name, "the stream ends"))
}

/// The group's membership ran out by its timer alone.
fn expect_aged_out(
    stage: &Stage,
    teller: &mut Teller,
    (join, until): (Time, Time),
    report: Time,
) -> Result<(), Failure> {
    let hall = &stage.hall_a;
    teller.expect("hall-a: nobody was asked about the group", none(&hall.group_queries(Time::ZERO)))?;
    expect_ended(stage, teller, hall, (join, until), (report, GROUP_MEMBERSHIP_INTERVAL))
}

/// From the Join on unbroken until a deadline (`after` its start), then silence while the source goes on.
fn expect_ended(
    stage: &Stage,
    teller: &mut Teller,
    hall: &Hall,
    (join, until): (Time, Time),
    (start, after): (Time, Duration),
) -> Result<(), Failure> {
    let verdict = stage.delivered(hall, join, until).and_then(|delivery| -> Verdict {
        begins_with(&delivery, join)?;
        let ended_by = delivery.ended_by.ok_or("it never ended")?;
        let when = due(start, ended_by, after)?;
        let unheard = stage.sent().iter().filter(|f| f.at >= ended_by && f.at <= until).count();
        Ok(format!(
            "{} frames; silent {when}, while {} more were sent",
            count(delivery.datagrams),
            count(unheard)
        ))
    });
    teller.expect(&format!("{}: unbroken until {} are over, then silence", hall.name, show(after)), verdict)
}

/// One Leave upstream, exactly as it must be.
fn expect_left(stage: &Stage, teller: &mut Teller, since: Time) -> Result<(), Failure> {
    let verdict = exactly(&stage.said_upstream(since), &stage.leave_upstream(), 1);
    teller.expect("provider's link: one Leave, right in every field, and nothing else", verdict)
}
