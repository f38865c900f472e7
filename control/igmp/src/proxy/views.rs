//! What the proxy knows, for those who show it.

use core::net::Ipv4Addr;
use types::{GroupAddr, PortIndex, PortSet, Time};

use super::admission::Forbidden;
use super::provider::GroupEntry;
use super::{MemberEntry, Proxy};
use crate::Verdict;
use crate::member::Member;
use crate::querier::Querier;
use crate::wire::Version;

/// State of a group on a client port (RFC 2236, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// Members present.
    Present,
    /// Version 1 members present: Leaves are ignored.
    V1Present,
    /// A Leave came, and we ask who is left.
    Checking,
    /// By the settings, for good.
    Static,
}

impl MemberState {
    /// `present`, `v1-present`, `checking` or `static`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::V1Present => "v1-present",
            Self::Checking => "checking",
            Self::Static => "static",
        }
    }
}

/// Who reported a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reporter {
    /// Source of the report.
    pub host: Ipv4Addr,
    /// Its version.
    pub version: Version,
}

/// A group's member on one client port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupView {
    /// The client port.
    pub port: PortIndex,
    /// The group.
    pub group: GroupAddr,
    /// What we know of the members.
    pub state: MemberState,
    /// Whose report was the last; `None` where nobody asked but the settings.
    pub last_reporter: Option<Reporter>,
    /// When the first member joined.
    pub since: Time,
    /// When the last report came; without one, when the settings asked.
    pub reported: Time,
    /// When it goes unless reported again; `None` when it never goes by itself.
    pub expires: Option<Time>,
    /// Until when a version 1 host counts as present.
    pub v1_host_until: Option<Time>,
}

/// A group joined at the provider, or waiting for its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamGroupView {
    /// The group.
    pub group: GroupAddr,
    /// The client ports with a member.
    pub ports: PortSet,
    /// When we send the next report, if one is pending. Of thousands of groups some learn of a General Query
    /// up to a quarter of a second later.
    pub next_report: Option<Time>,
    /// When we last sent a report of it; another host's may have sufficed since.
    pub last_report: Option<Time>,
    /// Whether the last report heard on the provider's link was ours.
    pub last_reporter: bool,
    /// The last query that asked for this group, general or specific, since the link came up.
    pub last_query: Option<QuerySeen>,
}

/// A query as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySeen {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Its version.
    pub version: Version,
    /// When it came.
    pub at: Time,
}

/// What a port is to IGMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRole {
    /// Client port, and we are the querier there.
    Querier {
        /// When the next General Query is due.
        next_query: Time,
    },
    /// Client port, and another router is the querier there.
    NonQuerier {
        /// The router heard last.
        querier: Ipv4Addr,
        /// Since when we are not the querier.
        since: Time,
        /// When we are again unless a query is heard before.
        until: Time,
    },
    /// Client port without link, or the proxy is off: no queries.
    Silent,
    /// The provider's port: a host.
    Upstream {
        /// The last query heard since the link came up.
        query: Option<QuerySeen>,
        /// Until when a version 1 router counts as present.
        v1_router_until: Option<Time>,
    },
}

impl PortRole {
    /// `querier`, `non-querier`, `silent` or `upstream`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Querier { .. } => "querier",
            Self::NonQuerier { .. } => "non-querier",
            Self::Silent => "silent",
            Self::Upstream { .. } => "upstream",
        }
    }
}

/// A port as IGMP sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortView {
    /// The port.
    pub port: PortIndex,
    /// What it is.
    pub role: PortRole,
    /// Whether its link is up.
    pub link_up: bool,
    /// The querier's address: ours or the winner's on a client port, the last one heard on the provider's.
    pub querier: Option<Ipv4Addr>,
    /// The version that we speak there.
    pub version: Version,
    /// Groups with a member on a client port, groups joined on the provider's.
    pub groups: usize,
}

impl Proxy {
    /// The groups on the client ports, by group and then port.
    pub fn groups(&self) -> impl Iterator<Item = GroupView> {
        self.members.iter().filter_map(|(&key, entry)| member_view(key, entry))
    }

    /// The ports with a member of `group`, and what is known of it there.
    pub fn members_of(&self, group: GroupAddr) -> impl Iterator<Item = GroupView> {
        let ports = self.groups.get(&group).map_or(PortSet::EMPTY, |entry| entry.ports);
        ports.into_iter().filter_map(move |port| self.member(group, port))
    }

    /// The group's member on one client port.
    pub fn member(&self, group: GroupAddr, port: PortIndex) -> Option<GroupView> {
        self.members.get(&(group, port)).and_then(|entry| member_view((group, port), entry))
    }

    /// The groups wanted from the provider, by group.
    pub fn upstream_groups(&self) -> impl Iterator<Item = UpstreamGroupView> {
        self.groups.iter().map(|(&group, entry)| self.upstream_group_view(group, entry))
    }

    /// One group as it is wanted from the provider; `None` when no port has a member.
    pub fn upstream_group(&self, group: GroupAddr) -> Option<UpstreamGroupView> {
        self.groups.get(&group).map(|entry| self.upstream_group_view(group, entry))
    }

    fn upstream_group_view(&self, group: GroupAddr, entry: &GroupEntry) -> UpstreamGroupView {
        UpstreamGroupView {
            group,
            ports: entry.ports,
            next_report: entry.host.deadline(),
            last_report: entry.reported(),
            last_reporter: entry.is_last_reporter(),
            last_query: self.upstream.as_ref().and_then(|upstream| upstream.query_for(group)),
        }
    }

    /// Why a version 2 report for `group` on `port` would be refused now; `None` when it would make or
    /// refresh a member.
    pub fn refusal(&self, group: GroupAddr, port: PortIndex) -> Option<Verdict> {
        if !self.is_running() {
            return Some(Verdict::ProxyOff);
        }
        let Some(client) = self.clients.get(&port) else { return Some(Verdict::NoRole) };
        if group.is_link_local() {
            return Some(Verdict::LinkLocalGroup);
        }
        let full = client.groups >= client.settings.max_groups && !self.members.contains_key(&(group, port));
        self.forbids(client, group).map(Forbidden::verdict).or(full.then_some(Verdict::GroupLimit))
    }

    /// The port at `now`; `None` when it has no role.
    pub fn port_view(&self, now: Time, port: PortIndex) -> Option<PortView> {
        self.upstream_view(now, port).or_else(|| self.client_view(port))
    }

    fn upstream_view(&self, now: Time, port: PortIndex) -> Option<PortView> {
        let upstream = self.upstream.as_ref().filter(|upstream| upstream.port == port)?;
        let v1_router_until = Some(upstream.v1_until).filter(|until| now < *until);
        Some(PortView {
            port,
            role: PortRole::Upstream { query: upstream.query, v1_router_until },
            link_up: upstream.link_up,
            querier: upstream.query.map(|query| query.source),
            version: if v1_router_until.is_some() { Version::V1 } else { Version::V2 },
            groups: self.groups.len(),
        })
    }

    fn client_view(&self, port: PortIndex) -> Option<PortView> {
        let client = self.clients.get(&port)?;
        let (role, querier) = match client.querier {
            Querier::Silent => (PortRole::Silent, None),
            Querier::Starting { next, .. } | Querier::Steady { next } => {
                (PortRole::Querier { next_query: next }, Some(client.settings.query_source()))
            }
            Querier::Other { address: querier, since, until } => {
                (PortRole::NonQuerier { querier, since, until }, Some(querier))
            }
        };
        Some(PortView {
            port,
            role,
            link_up: client.link_up,
            querier,
            version: client.settings.version.version(),
            groups: client.groups as usize,
        })
    }
}

fn member_view((group, port): (GroupAddr, PortIndex), entry: &MemberEntry) -> Option<GroupView> {
    let (state, expires, v1_host_until) = match entry.member {
        Member::Absent => return None,
        Member::Present { expires, .. } => (MemberState::Present, Some(expires), None),
        Member::V1Present { expires, v1_until } => (MemberState::V1Present, Some(expires), Some(v1_until)),
        Member::Checking { expires, .. } => (MemberState::Checking, Some(expires), None),
        Member::Static { .. } => (MemberState::Static, None, None),
    };
    Some(GroupView {
        port,
        group,
        state,
        last_reporter: entry.reporter,
        since: entry.since,
        reported: entry.reported,
        expires,
        v1_host_until,
    })
}
