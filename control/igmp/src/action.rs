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
    /// The port is no client port any more.
    PortRemoved,
    /// The proxy was switched off or stopped.
    ProxyOff,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "no report in time",
            Self::Leave => "leave, and nobody else answered",
            Self::PortRemoved => "port removed",
            Self::ProxyOff => "proxy switched off",
        })
    }
}

/// Something worth a line in the log. `Display` is that line. Changes of the querier come here, too.
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
    /// A join was refused, at most once a minute and port: the port has as many groups as it may.
    GroupLimit {
        /// The client port.
        port: PortIndex,
        /// The group refused.
        group: GroupAddr,
        /// Who asked for it.
        host: Ipv4Addr,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { port, group, host, version } => {
                write!(f, "{group} joined on port {port} by {host} (IGMP{version})")
            }
            Self::Left { port, group, why } => write!(f, "{group} left on port {port}: {why}"),
            Self::UpstreamJoined { group } => write!(f, "{group} joined at the provider"),
            Self::UpstreamLeft { group } => write!(f, "{group} left at the provider"),
            Self::GroupLimit { port, group, host } => {
                write!(f, "{group} refused to {host} on port {port}: the port has all the groups it may")
            }
        }
    }
}
