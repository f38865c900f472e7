//! Proxies that are wrong in one way each, made from the right one: the checks have to see every one.

use igmp::Action;

use crate::frames::{Message, Packet, TO_IN};
use crate::world::WAN;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Misses each eighth report of a client.
    MissesReports,
    MissesLeaves,
    /// Misses the queries of rivals.
    MissesRivals,
    /// Misses the provider's queries.
    MissesQueries,
    /// Does not notice that a link goes or comes.
    MissesLinks,
    /// Does not notice that a client port's settings change.
    MissesSettings,
    /// Timers fire 0.7 s late.
    LateTimers,
    /// Does not end forwarding.
    KeepsMembers,
    /// Does not begin forwarding.
    ForgetsMembers,
    /// Sends no report to the provider.
    MuteReports,
    /// Sends no Leave to the provider.
    MuteLeaves,
    /// Sends no query.
    MuteQueries,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::MissesReports,
        Self::MissesLeaves,
        Self::MissesRivals,
        Self::MissesQueries,
        Self::MissesLinks,
        Self::MissesSettings,
        Self::LateTimers,
        Self::KeepsMembers,
        Self::ForgetsMembers,
        Self::MuteReports,
        Self::MuteLeaves,
        Self::MuteQueries,
    ];

    pub(crate) fn is(self, fault: Option<Self>) -> bool {
        fault == Some(self)
    }

    /// Whether the proxy does not get a packet that came in, `count` frames after the start.
    pub(crate) fn swallows_given(self, link: usize, packet: &Packet, count: u64) -> bool {
        let query = matches!(packet.message, Message::Query { .. });
        let report = matches!(packet.message, Message::Report { .. });
        let leave = matches!(packet.message, Message::Leave { .. } | Message::Record { kind: TO_IN, .. });
        match self {
            Self::MissesReports => link != WAN && report && count.is_multiple_of(8),
            Self::MissesLeaves => link != WAN && leave,
            Self::MissesRivals => link != WAN && query,
            Self::MissesQueries => link == WAN && query,
            Self::MissesLinks
            | Self::MissesSettings
            | Self::LateTimers
            | Self::KeepsMembers
            | Self::ForgetsMembers
            | Self::MuteReports
            | Self::MuteLeaves
            | Self::MuteQueries => false,
        }
    }

    /// Whether what the proxy wants done is not done.
    pub(crate) fn swallows_action(self, action: &Action) -> bool {
        let sends = |kind: u8| matches!(action, Action::Send { frame, .. } if frame.as_slice()[38] == kind);
        match self {
            Self::KeepsMembers => matches!(action, Action::ClearMember { .. }),
            Self::ForgetsMembers => matches!(action, Action::SetMember { .. }),
            Self::MuteReports => sends(0x12) || sends(0x16),
            Self::MuteLeaves => sends(0x17),
            Self::MuteQueries => sends(0x11),
            Self::MissesReports
            | Self::MissesLeaves
            | Self::MissesRivals
            | Self::MissesQueries
            | Self::MissesLinks
            | Self::MissesSettings
            | Self::LateTimers => false,
        }
    }
}
