//! What the socket's `show-...` requests are answered with.

use std::collections::BTreeMap;

use api::{
    CountersReply, ErrorKind, ErrorReply, GroupView, GroupsReply, HeldBack, LatencyReply, LinkState,
    MemberState, MemberView, PortCounters, PortView, PortsReply, QuerierRole, QuerierView, QueryView,
    RecordView, Reply, Request, StatusReply, UpstreamView, seconds,
};
use forwarding::PortCountersSnapshot;
use igmp::{PortRole, ReceivedType, SentType, Verdict, Version};
use types::{MAX_PORTS, PortIndex, Time};

use crate::agent::Agent;
use crate::configuration::{self, PortInfo};
use crate::explain;
use crate::policies::policies;

/// Answers `request` from the agent's state and the workers' counters.
pub(crate) fn answer(agent: &mut Agent, now: Time, request: &Request) -> Reply {
    match request {
        Request::ShowGroups => Reply::Groups(groups(agent, now)),
        Request::ShowPorts => Reply::Ports(ports(agent, now)),
        Request::ShowCounters => Reply::Counters(counters(agent)),
        Request::ShowStatus => Reply::Status(status(agent, now)),
        Request::Explain { group, port } => explain::answer(agent, now, *group, port.as_deref()),
        // Workers are the process's, which answers before it gets here.
        Request::ShowWorkers => {
            error(ErrorKind::Unavailable, "this process has no workers", "ask the one that forwards")
        }
        Request::ShowLatency => Reply::Latency(LatencyReply { joins: agent.latency.histogram() }),
        // As are connections; events are kept beside the control thread.
        Request::ShowConnections | Request::ShowEvents { .. } => {
            error(ErrorKind::Unavailable, "this is not the control thread's to tell", "ask the process")
        }
        // Settings are the main thread's, which gets these before they get here.
        Request::ShowSettings
        | Request::Preview { .. }
        | Request::Reload
        | Request::Change { .. }
        | Request::Enable
        | Request::Disable
        | Request::SetUpstream { .. } => {
            let message = "this process cannot change settings";
            error(ErrorKind::Unavailable, message, "stop it and start it with others")
        }
    }
}

/// An error reply.
pub(crate) fn error(kind: ErrorKind, message: impl Into<String>, cure: impl Into<String>) -> Reply {
    Reply::Error(ErrorReply::new(kind, message, cure))
}

fn groups(agent: &Agent, now: Time) -> GroupsReply {
    // A page asks twice a second, and there may be some ten thousand members: each costs its own line alone.
    let mut at_place = [const { None }; MAX_PORTS];
    for port in agent.ports() {
        at_place[port.index.get()] = Some((port.name.as_str(), held_back(agent, port)));
    }
    let blank = |group| {
        let counters = agent.table.counters(group);
        GroupView {
            group,
            members: Vec::new(),
            upstream: UpstreamView::default(),
            frames: counters.frames,
            bytes: counters.bytes,
            filtered: counters.filtered,
        }
    };
    let mut groups: Vec<GroupView> = Vec::new();
    // They come group by group, in ascending order.
    for member in agent.proxy.groups() {
        let Some((port, held_back)) = at_place[member.port.get()] else { continue };
        let has_no_room = || agent.unplaced.contains(&(member.group, member.port));
        let view = MemberView {
            port: port.to_owned(),
            version: member.last_reporter.map_or(2, |last| version(last.version)),
            last_reporter: member.last_reporter.map(|last| last.host),
            age_s: seconds(now.saturating_since(member.since)),
            expires_s: member.expires.map(|at| seconds(at.saturating_since(now))),
            state: match member.state {
                igmp::MemberState::Present => MemberState::MembersPresent,
                igmp::MemberState::V1Present => MemberState::V1MembersPresent,
                igmp::MemberState::Checking => MemberState::CheckingMembership,
                igmp::MemberState::Static => MemberState::Static,
            },
            held_back: if has_no_room() { Some(HeldBack::NoRoom) } else { held_back },
        };
        match groups.last_mut().filter(|last| last.group == member.group) {
            Some(last) => last.members.push(view),
            None => groups.push(GroupView { members: vec![view], ..blank(member.group) }),
        }
    }
    // Without carrier there nobody has been asked; with it, all are.
    let online = agent.ports().iter().any(|port| port.is_upstream() && port.link_up);
    for upstream in agent.proxy.upstream_groups() {
        let last_report_s = upstream.last_report.map(|at| seconds(now.saturating_since(at)));
        let view = UpstreamView { joined: online, last_report_s };
        match groups.binary_search_by_key(&upstream.group, |group| group.group) {
            Ok(at) => groups[at].upstream = view,
            Err(at) => groups.insert(at, GroupView { upstream: view, ..blank(upstream.group) }),
        }
    }
    GroupsReply { groups }
}

/// Why no group is forwarded to the port.
fn held_back(agent: &Agent, port: &PortInfo) -> Option<HeldBack> {
    if !port.link_up {
        Some(HeldBack::NoCarrier)
    } else if !port.is_upstream() && !port.forward_when_not_querier && !agent.is_querier(port.index) {
        Some(HeldBack::NotQuerier)
    } else {
        None
    }
}

fn version(version: Version) -> u8 {
    match version {
        Version::V1 => 1,
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

fn ports(agent: &Agent, now: Time) -> PortsReply {
    PortsReply { ports: agent.ports().iter().map(|port| port_view(agent, now, port)).collect() }
}

fn port_view(agent: &Agent, now: Time, port: &PortInfo) -> PortView {
    let counters = total(agent, port.index);
    let igmp = agent.proxy.port_view(now, port.index);
    let until = |at: Time| Some(seconds(at.saturating_since(now)));
    let querier = igmp.and_then(|view| match view.role {
        PortRole::Querier { next_query } => Some(QuerierView {
            role: QuerierRole::Querier,
            address: view.querier.filter(|a| !a.is_unspecified()),
            next_query_s: until(next_query),
            takeover_s: None,
        }),
        PortRole::NonQuerier { querier, until: takeover, .. } => Some(QuerierView {
            role: QuerierRole::NonQuerier,
            address: Some(querier),
            next_query_s: None,
            takeover_s: until(takeover),
        }),
        PortRole::Silent => Some(QuerierView {
            role: QuerierRole::Silent,
            address: None,
            next_query_s: None,
            takeover_s: None,
        }),
        PortRole::Upstream { .. } => None,
    });
    let last_query = igmp.and_then(|view| match view.role {
        PortRole::Upstream { query, .. } => query,
        PortRole::Querier { .. } | PortRole::NonQuerier { .. } | PortRole::Silent => None,
    });
    PortView {
        name: port.name.clone(),
        device: port.device.clone(),
        driver: port.driver.clone(),
        role: if port.is_upstream() { api::PortRole::Upstream } else { api::PortRole::Client },
        link: if port.link_up { LinkState::Up } else { LinkState::Down },
        outage: port.outage.clone(),
        mac: port.mac,
        address: port.address,
        querier,
        last_query: last_query.map(|query| QueryView {
            source: query.source,
            version: version(query.version),
            age_s: seconds(now.saturating_since(query.at)),
        }),
        policies: policies(port),
        max_groups: match &port.role {
            configuration::PortRole::Client(settings) => Some(settings.max_groups.into()),
            configuration::PortRole::Upstream(_) => None,
        },
        groups: igmp.map_or(0, |view| view.groups as u64),
        rx_frames: counters.rx_frames,
        rx_bytes: counters.rx_bytes,
        tx_frames: counters.tx_frames,
        tx_bytes: counters.tx_bytes,
        drops: counters.drops().map(|(_, n)| n).sum(),
        losses: agent.losses.of(port.index).total().sum(),
    }
}

/// A port's counters, all workers together.
pub(crate) fn total(agent: &Agent, port: PortIndex) -> PortCountersSnapshot {
    let mut sum = PortCountersSnapshot::ZERO;
    for worker in &agent.counters {
        sum.add(&worker.snapshot(port));
    }
    sum
}

fn counters(agent: &Agent) -> CountersReply {
    let ports = agent.ports().iter().map(|port| {
        let worker = total(agent, port.index);
        let losses = agent.losses.of(port.index).total();
        let igmp = agent.proxy.counters(port.index);
        let named = |pairs: &mut dyn Iterator<Item = (&'static str, u64)>| -> BTreeMap<String, u64> {
            pairs.map(|(name, n)| (name.to_owned(), n)).collect()
        };
        PortCounters {
            port: port.name.clone(),
            frames: named(&mut worker.frames()),
            drops: named(&mut worker.drops().map(|(reason, n)| (reason.name(), n))),
            losses: named(&mut losses.iter().map(|(loss, n)| (loss.name(), n))),
            igmp_received: named(&mut ReceivedType::ALL.iter().map(|t| (t.name(), igmp.received(*t)))),
            igmp_sent: named(&mut SentType::ALL.iter().map(|t| (t.name(), igmp.sent(*t)))),
            verdicts: named(&mut Verdict::ALL.iter().map(|v| (v.name(), igmp.verdict(*v)))),
        }
    });
    CountersReply { ports: ports.collect() }
}

fn status(agent: &Agent, now: Time) -> StatusReply {
    let process = &agent.process;
    StatusReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: process.instance.clone(),
        pid: std::process::id(),
        uptime_s: seconds(now.saturating_since(agent.started)),
        enabled: agent.is_forwarding(),
        upstream: agent.ports().iter().find(|p| p.is_upstream()).map(|p| p.name.clone()),
        ports: agent.ports().len() as u64,
        groups: agent.table.len() as u64,
        max_groups: agent.table.capacity() as u64,
        workers: agent.counters.len() as u64,
        hugepages: process.hugepages,
        mbufs: (process.mbufs)(),
        no_room: agent.table_refused,
        revision: (process.revision)(),
        record: agent
            .record_state
            .as_ref()
            .map(|record| RecordView { path: record.path.clone(), ended: record.ended().map(str::to_owned) }),
        warnings: agent.configuration.warnings.iter().cloned().chain(table_warning(agent)).collect(),
    }
}

fn table_warning(agent: &Agent) -> Option<String> {
    (!agent.unplaced.is_empty()).then(|| {
        format!(
            "the group table is full: {} members wait for room, {} were refused so far; raise [table] max-groups",
            agent.unplaced.len(),
            agent.table_refused
        )
    })
}
