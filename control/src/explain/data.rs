//! Frames of a group: which arrive, what of them is dropped, which ports they go out of.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use api::{Check, Finding, Topic};
use settings::Sources;
use types::{DropReason, GroupAddr, Loss, PortIndex, Time};

use super::Look;
use super::clients::outage;
use super::provider::silence;
use super::sample::{Sample, UdpChecksum};
use super::samples::Watched;
use super::words::{Found, ago, bad, counted, found, good, note, seconds, time};
use crate::configuration::PortInfo;
use crate::show::total;

/// Why a copy on its way out of a port is lost.
const EGRESS: [DropReason; 4] =
    [DropReason::Mtu, DropReason::TxFull, DropReason::NoBuffer, DropReason::OutOfService];

/// The frames that came in by one port.
struct Arrival<'a> {
    port: &'a PortInfo,
    frames: Vec<Sample>,
    /// Whether data may come in there at all.
    may_send: bool,
}

impl Arrival<'_> {
    fn last(&self) -> Option<&Sample> {
        self.frames.last()
    }

    /// Those that a worker looks members up for.
    fn usable(&self) -> impl Iterator<Item = &Sample> {
        self.frames.iter().filter(|frame| self.may_send && frame.dropped.is_none())
    }
}

fn arrivals<'a>(look: &Look<'a>) -> Vec<Arrival<'a>> {
    let ports = look.watched.into_iter().flat_map(|watched| watched.ports(look.now));
    ports
        .filter_map(|(index, frames)| {
            let port = look.agent.port(index)?;
            Some(Arrival { port, frames, may_send: may_send(look, port) })
        })
        .collect()
}

/// Whether data may come in by the port (r75).
fn may_send(look: &Look<'_>, port: &PortInfo) -> bool {
    port.is_upstream()
        || match port.sources {
            Sources::Yes => true,
            Sources::WhileQuerier => look.agent.is_querier(port.index),
            Sources::No => false,
        }
}

/// Whether frames of the group come in: for each port by which they do, or once if none do.
pub(super) fn arriving(look: &Look<'_>) -> Vec<Check> {
    let topic = Topic::Arriving;
    let Some(watched) = look.watched else {
        let text = "not looked at: as many other groups are being looked at as can be; ask again in 15 s";
        return vec![note(topic, None, Finding::NotWatched, text)];
    };
    let arrivals = arrivals(look);
    if arrivals.is_empty() {
        return vec![if watched.is_settled(look.now) {
            nothing_arrives(look, watched.silent_for(look.now))
        } else {
            let text = "being looked at from now on: ask again in a second or two";
            note(topic, None, Finding::BeingWatched, text)
        }];
    }
    let rate = look.rate().map(|rate| format!("; {rate}")).unwrap_or_default();
    let elsewhere = arrivals.iter().any(|arrival| arrival.may_send);
    arrivals
        .iter()
        .filter_map(|arrival| {
            let (port, last) = (arrival.port, arrival.last()?);
            let (what, text) = (|finding| arrival_found(look, finding, last), arrival_words(look, last));
            Some(if arrival.may_send {
                good(topic, Some(port), what(Finding::Arrives), text + &rate)
            } else if elsewhere {
                let text = text + ", a client port that may not send";
                note(topic, Some(port), what(Finding::ArrivesElsewhere), text)
            } else {
                let cure = format!(
                    "connect the sender to the provider's port, or set `sources = true` of {}",
                    port.name
                );
                let text = text + ", but only here, on a client port that may not send";
                bad(topic, Some(port), what(Finding::ArrivesElsewhereOnly), text, cure)
            })
        })
        .collect()
}

fn arrival_found(look: &Look<'_>, finding: Finding, frame: &Sample) -> Found {
    let what = found(finding).with("source", frame.source).with("mac", frame.source_mac);
    what.with("ttl", frame.ttl)
        .with("bytes", frame.len)
        .since("seen_s", look.now, frame.at)
        .with_known("rate", look.watched.and_then(Watched::rate).map(whole))
        .with_known("fragments", frame.is_fragment.then_some("yes"))
}

/// Frames each second, rounded up: what is less than one is not none.
fn whole(rate: f64) -> String {
    format!("{:.0}", rate.max(1.0))
}

fn arrival_words(look: &Look<'_>, frame: &Sample) -> String {
    let fragments = if frame.is_fragment { ", in fragments" } else { "" };
    format!(
        "from {} ({}), TTL {}, {} bytes{fragments}, {}",
        frame.source,
        frame.source_mac,
        frame.ttl,
        frame.len,
        ago(look.now, frame.at)
    )
}

fn nothing_arrives(look: &Look<'_>, waited: Duration) -> Check {
    if let Some(rate) = look.rate() {
        // On their way here, samples give way to IGMP.
        let text = format!("{rate} came as workers count, but none was among those looked at");
        let unseen = found(Finding::ArrivesUnseen);
        let unseen = unseen.with_known("rate", look.watched.and_then(Watched::rate).map(whole));
        return note(Topic::Arriving, None, unseen, text + "; ask again");
    }
    let text = format!("no frame of it came in by any port within {}", time(waited));
    let silent = |finding| found(finding).with("waited_s", seconds(waited));
    let (finding, why, cure) = match look.agent.proxy.upstream_group(look.group) {
        Some(view) => silence(look, &view),
        None if look.is_closed() => {
            let (text, what) = (text + "; the provider was not asked for it", Finding::SilentUnasked);
            return note(Topic::Arriving, look.upstream(), silent(what), text);
        }
        None => (Finding::SilentUnasked, "; the provider was not asked for it", "have a host ask for it"),
    };
    if let Some((lost, loss, _)) = look.upstream().and_then(|port| losing(look, port)) {
        let silent = silent(finding).with("lost_before", &lost);
        let text = text + why + "; and frames are lost there before a worker has them: " + &lost;
        return bad(Topic::Arriving, look.upstream(), silent, text, loss.cure());
    }
    bad(Topic::Arriving, look.upstream(), silent(finding), text + why, cure)
}

/// What comes in by the port, and is lost before a worker has it, at present: how many since the start by kind, and the first
/// kind of them.
fn losing(look: &Look<'_>, port: &PortInfo) -> Option<(String, Loss, Time)> {
    let losses = look.agent.losses.of(port.index);
    let recent: Vec<_> = losses.recent(look.now).filter(|(loss, ..)| loss.is_incoming()).collect();
    let last = recent.iter().map(|(.., at)| *at).max()?;
    let lost = counted(recent.iter().map(|(loss, n, _)| (loss.name(), *n)))?;
    Some((lost, recent.first()?.0, last))
}

/// Frames lost where no worker can tell of which group they were: a remark on each port that they may come in by.
fn lost_before(look: &Look<'_>) -> impl Iterator<Item = Check> {
    look.agent.ports().iter().filter(|port| may_send(look, port)).filter_map(|port| {
        let (lost, loss, last) = losing(look, port)?;
        let text = format!(
            "frames are lost before a worker has them, perhaps of it, too: {lost} since the start, the last {}",
            ago(look.now, last)
        );
        let losing = found(Finding::Losing).with("lost", lost).with("reason", loss.name());
        let losing = losing.since("seen_s", look.now, last);
        let check = note(Topic::Dropped, Some(port), losing, text);
        Some(Check { cure: Some(loss.cure().to_owned()), ..check })
    })
}

/// What of the frames is dropped wherever they would go, or by the hosts. It makes the channel dark where nothing
/// else of it comes.
pub(super) fn dropped(look: &Look<'_>) -> Vec<Check> {
    let arrivals = arrivals(look);
    let mut checks = Vec::new();
    for arrival in arrivals.iter().filter(|arrival| arrival.may_send) {
        let before = checks.len();
        checks.extend(refused(look, arrival, arrivals.iter().all(|other| other.usable().next().is_none())));
        let is_good = |frame: &Sample| matches!(frame.udp, UdpChecksum::Fine | UdpChecksum::Completed);
        checks.extend(checksums(arrival, !arrivals.iter().flat_map(Arrival::usable).any(is_good)));
        let is_dropped = checks.len() > before;
        checks.extend(completed(arrival));
        if !is_dropped {
            let n = arrival.frames.len();
            let nothing = found(Finding::NothingDropped).with("of", n);
            let text = format!("nothing of {n} frames looked at");
            checks.push(good(Topic::Dropped, Some(arrival.port), nothing, text));
        }
    }
    checks.extend(lost_before(look));
    let filtered = look.agent.table.counters(look.group).filtered;
    if filtered > 0 {
        let text = format!(
            "{filtered} frames of it since the start, from sources that `sources-allowed` does not name"
        );
        let refused = found(Finding::SourcesRefused).with("frames", filtered);
        checks.push(note(Topic::Dropped, look.upstream(), refused, text));
    }
    checks
}

/// Frames that the worker drops, by reason.
fn refused(look: &Look<'_>, arrival: &Arrival<'_>, is_dark: bool) -> Vec<Check> {
    let mut reasons: BTreeMap<DropReason, (usize, &Sample)> = BTreeMap::new();
    for frame in &arrival.frames {
        if let Some(reason) = frame.dropped {
            reasons.entry(reason).or_insert((0, frame)).0 += 1;
        }
    }
    let check = |(reason, (n, one)): (DropReason, (usize, &Sample))| {
        let (port, all) = (arrival.port, arrival.frames.len());
        let text = format!("{n} of {all} frames are dropped: {} ({})", reason.describe(), reason.name());
        let what = found(Finding::Dropped).with("frames", n).with("of", all).with("reason", reason.name());
        let what = what.with("source", one.source).with("mac", look.group.mac()).with("mtu", port.mtu);
        if is_dark {
            bad(Topic::Dropped, Some(port), what, text, drop_cure(reason, port, look.group, one))
        } else {
            note(Topic::Dropped, Some(port), what, text)
        }
    };
    reasons.into_iter().map(check).collect()
}

/// Frames that go out, and that hosts throw away.
fn checksums(arrival: &Arrival<'_>, is_dark: bool) -> Option<Check> {
    let usable = arrival.usable().count();
    let with = |udp| arrival.usable().filter(move |frame| frame.udp == udp);
    let check = |n: usize, finding, source: Option<Ipv4Addr>, what: &str, cure: String| {
        let text = format!("hosts drop {n} of {usable} frames: the UDP checksum is {what}");
        let found = found(finding).with("frames", n).with("of", usable).with_known("source", source);
        if is_dark {
            bad(Topic::Dropped, Some(arrival.port), found, text, cure)
        } else {
            note(Topic::Dropped, Some(arrival.port), found, text)
        }
    };
    if let Some(frame) = with(UdpChecksum::Unfinished).next() {
        let what = "unfinished, left by the sender to a NIC that is not there";
        let cure = format!("`ethtool -K X tx off` on the sender {}, X being its interface", frame.source);
        let n = with(UdpChecksum::Unfinished).count();
        return Some(check(n, Finding::ChecksumUnfinished, Some(frame.source), what, cure));
    }
    with(UdpChecksum::Bad).next()?;
    let cure = "look at the sender, and at what changes frames on their way here";
    let n = with(UdpChecksum::Bad).count();
    Some(check(n, Finding::ChecksumWrong, None, "wrong", cure.to_owned()))
}

/// Frames that hosts would throw away if the worker did not complete them.
fn completed(arrival: &Arrival<'_>) -> Option<Check> {
    let n = arrival.usable().filter(|frame| frame.udp == UdpChecksum::Completed).count();
    let of = arrival.usable().count();
    let text = format!(
        "{n} of {of} frames come with an unfinished UDP checksum, left by the sender to a NIC that is not there: \
         completed here"
    );
    let completed = found(Finding::ChecksumCompleted).with("frames", n).with("of", of);
    (n > 0).then(|| note(Topic::Dropped, Some(arrival.port), completed, text))
}

fn drop_cure(reason: DropReason, port: &PortInfo, group: GroupAddr, frame: &Sample) -> String {
    let name = &port.name;
    match reason {
        DropReason::Ttl => {
            "have the sender set a TTL of 2 or more: each router on the way takes one".to_owned()
        }
        DropReason::SourceNotAllowed => format!("name {} in `sources-allowed` of {name}", frame.source),
        DropReason::SourceAddress => {
            format!("give the sender an address of its own: {} is ours, or no host may have it", frame.source)
        }
        DropReason::PriorityTagged | DropReason::VlanTagged => {
            format!("have the switch before {name} send these frames untagged")
        }
        DropReason::DestinationMac => format!("have the sender use the group's MAC, {}", group.mac()),
        DropReason::OwnMac => format!("look for a loop: {name} hears what we send"),
        DropReason::SourceMac => "have the sender use a MAC of its own".to_owned(),
        DropReason::Chained => format!("have the sender send at most {} bytes a packet", port.mtu),
        // What remains is a broken frame, or comes of where a frame goes and not of what it is.
        _ => "look at the sender, and at what changes frames on their way here".to_owned(),
    }
}

/// Whether frames of the group go out of the port. `None` without a member there, and where something else
/// said why not.
pub(super) fn leaving(look: &Look<'_>, port: &PortInfo) -> Option<Check> {
    let topic = Topic::Leaving;
    look.agent.proxy.member(look.group, port.index)?;
    if look.agent.unplaced.contains(&(look.group, port.index)) {
        let text =
            format!("not forwarded: the group table has all its {} groups", look.agent.table.capacity());
        let full = found(Finding::TableFull).with("most", look.agent.table.capacity());
        return Some(bad(topic, Some(port), full, text, "raise `max-groups` in [table], and restart"));
    }
    if !port.link_up {
        let (found, why, cure) = outage(port);
        return Some(bad(topic, Some(port), found, format!("not forwarded: {why}"), cure));
    }
    let arrivals = arrivals(look);
    let from: Vec<PortIndex> =
        arrivals.iter().filter(|a| a.usable().next().is_some()).map(|a| a.port.index).collect();
    if from == [port.index] {
        let text = "the sender is on this port's own link, where hosts hear it";
        return Some(note(topic, Some(port), Finding::SentOnLink, text));
    }
    let ingress =
        from.iter().copied().find(|from| *from != port.index).or(look.upstream().map(|port| port.index))?;
    if !look.agent.masks.forward(ingress).contains(port.index) {
        return None;
    }
    let longest = arrivals.iter().flat_map(Arrival::usable).map(|frame| frame.len).max().unwrap_or(0);
    if longest > usize::from(port.mtu) {
        let text = format!("frames of {longest} bytes are longer than the port's MTU of {}", port.mtu);
        let cure =
            format!("raise the MTU of {} and of its link, or have the sender send less a packet", port.name);
        let long = found(Finding::TooLong).with("bytes", longest).with("mtu", port.mtu);
        return Some(bad(topic, Some(port), long, text, cure));
    }
    let counters = total(look.agent, port.index);
    let lost = counters.drops().filter(|(reason, _)| EGRESS.contains(reason)).map(|(r, n)| (r.name(), n));
    let losses = look.agent.losses.of(port.index).total();
    let unsent = losses.iter().filter(|(loss, _)| !loss.is_incoming()).map(|(loss, n)| (loss.name(), n));
    let lost = counted(lost.chain(unsent));
    let (finding, text) = match from.is_empty() {
        true => (Finding::WouldBeForwarded, "what comes in right would go out here"),
        false => (Finding::Forwarded, "forwarded"),
    };
    let forwarded = found(finding).with_known("lost", lost.as_ref());
    let lost = lost.map(|lost| format!("; lost there since the start, of all groups: {lost}"));
    Some(good(topic, Some(port), forwarded, text.to_owned() + &lost.unwrap_or_default()))
}
