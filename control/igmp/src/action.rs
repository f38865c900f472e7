//! What the proxy wants done.

use core::fmt;
use core::net::Ipv4Addr;
use types::{GroupAddr, PortIndex};

use crate::wire::{Frame, Version};

/// One thing to do, in the order in which the proxy hands them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Forward the group to the port. Comes only when it was not forwarded there.
    SetMember {
        /// The client port.
        port: PortIndex,
        /// The group.
        group: GroupAddr,
    },
    /// Forward the group to the port no more. Comes only when it was forwarded there.
    ClearMember {
        /// The client port.
        port: PortIndex,
        /// The group.
        group: GroupAddr,
    },
    /// Our role on a client port changed. A new client port begins as querier, and a link that went down
    /// changes no role; what is sent to a port without link is for its carrier to decide.
    QuerierRole {
        /// The client port.
        port: PortIndex,
        /// Whether we are the querier there.
        querier: bool,
    },
    /// Send a frame out of the port. Comes only while the port's link is up.
    Send {
        /// The port.
        port: PortIndex,
        /// The whole frame.
        frame: Frame,
    },
    /// Tell whoever wants to know.
    Event(Event),
}

/// Why a group has no member on a port any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Left {
    /// No report for the Group Membership Interval.
    Expired,
    /// Nobody answered the last member queries.
    Leave,
    /// A Leave on a port where that is enough.
    FastLeave,
    /// The port's access list does not allow the group any more.
    AccessDenied,
    /// The settings keep the group on its link.
    LocalGroup,
    /// The settings count the group among those that can be had from named sources only.
    SsmRange,
    /// The port was without link for too long.
    LinkDown,
    /// The port is no client port any more.
    PortRemoved,
    /// The proxy was switched off or stopped.
    ProxyOff,
    /// The settings name it as static no more, and no host asks for it.
    NotStatic,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "no report in time",
            Self::Leave => "leave, and nobody else answered",
            Self::FastLeave => "leave, which is enough on this port",
            Self::AccessDenied => "the access list forbids it now",
            Self::LocalGroup => "a local group now",
            Self::SsmRange => "in the source-specific range now",
            Self::LinkDown => "link down for too long",
            Self::PortRemoved => "port removed",
            Self::ProxyOff => "proxy switched off",
            Self::NotStatic => "static no more, and no host asks for it",
        })
    }
}

/// Something worth a line in the log. `Display` is that line. What anybody on a link can cause is told at
/// most once in a minute and port, where no other rate is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A group got its first member on a port.
    Joined {
        /// The client port.
        port: PortIndex,
        /// The group.
        group: GroupAddr,
        /// Source address of the report.
        host: Ipv4Addr,
        /// Version of the report.
        version: Version,
    },
    /// A group is forwarded to a port because its settings say so; no host asked (r55).
    JoinedStatic {
        /// The client port.
        port: PortIndex,
        /// The group.
        group: GroupAddr,
    },
    /// A group lost its last member on a port.
    Left {
        /// The client port.
        port: PortIndex,
        /// The group.
        group: GroupAddr,
        /// Why.
        why: Left,
    },
    /// A group is wanted from the provider: it got its first member on any port.
    UpstreamJoined {
        /// The group.
        group: GroupAddr,
    },
    /// A group is not wanted from the provider any more.
    UpstreamLeft {
        /// The group.
        group: GroupAddr,
    },
    /// A join was refused: the port has as many groups as it may (r53).
    GroupLimit {
        /// The client port.
        port: PortIndex,
        /// The group refused.
        group: GroupAddr,
        /// Who asked for it.
        host: Ipv4Addr,
    },
    /// A join was refused: the port's access list does not allow the group (r54).
    AccessDenied {
        /// The client port.
        port: PortIndex,
        /// The group refused.
        group: GroupAddr,
        /// Who asked for it.
        host: Ipv4Addr,
    },
    /// A client port has another querier. Each change of our role is told.
    QuerierChanged {
        /// The client port.
        port: PortIndex,
        /// Who it is now.
        querier: Ipv4Addr,
        /// Whether that is us.
        ours: bool,
    },
    /// Another router is querier on a port with members, which get nothing from us where forwarding
    /// follows the role (r74, r95). Told at once, then at most every 10 minutes and port.
    NotQuerier {
        /// The client port.
        port: PortIndex,
        /// Who is querier there.
        querier: Ipv4Addr,
    },
    /// A router on a client port asks in another version than ours: hosts follow the older one, and
    /// all routers of a link must be set to the same (r30; RFC 2236, section 4).
    OtherVersion {
        /// The client port.
        port: PortIndex,
        /// Who asks.
        querier: Ipv4Addr,
        /// In which version.
        version: Version,
        /// The version that the port is set to.
        ours: Version,
    },
}

impl Event {
    /// The client port that it happened on; none where it is the provider's.
    pub fn port(&self) -> Option<PortIndex> {
        match *self {
            Self::Joined { port, .. }
            | Self::JoinedStatic { port, .. }
            | Self::Left { port, .. }
            | Self::GroupLimit { port, .. }
            | Self::AccessDenied { port, .. }
            | Self::QuerierChanged { port, .. }
            | Self::NotQuerier { port, .. }
            | Self::OtherVersion { port, .. } => Some(port),
            Self::UpstreamJoined { .. } | Self::UpstreamLeft { .. } => None,
        }
    }
}

/// In words, without the port: people know it by a name, which stands beside.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { group, host, version, .. } => {
                write!(f, "{group} joined by {host} (IGMP{version})")
            }
            Self::JoinedStatic { group, .. } => write!(f, "{group} joined, as the settings say"),
            Self::Left { group, why, .. } => write!(f, "{group} left: {why}"),
            Self::UpstreamJoined { group } => write!(f, "{group} joined at the provider"),
            Self::UpstreamLeft { group } => write!(f, "{group} left at the provider"),
            Self::GroupLimit { group, host, .. } => {
                write!(f, "{group} refused to {host}: the port has all the groups it may")
            }
            Self::AccessDenied { group, host, .. } => {
                write!(f, "{group} refused to {host}: the access list does not allow it")
            }
            Self::QuerierChanged { querier, ours: true, .. } => write!(f, "we are querier, from {querier}"),
            Self::QuerierChanged { querier, ours: false, .. } => write!(f, "{querier} is querier"),
            Self::NotQuerier { querier, .. } => {
                write!(f, "the port has members, and {querier} is querier there")
            }
            Self::OtherVersion { querier, version, ours, .. } => {
                write!(f, "{querier} asks in IGMP{version}, and the port is set to IGMP{ours}")
            }
        }
    }
}
