//! Whether a well-formed packet is one for this port: what depends on the port's settings and on our
//! addresses, and changes no state.

use core::net::Ipv4Addr;
use types::{GroupAddr, Ipv4Net, MacAddr};

use crate::wire::{Message, Packet, Query, Version};
use crate::{Left, Verdict};

/// Why the settings want no member of a group on a port, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// It stays on its link (r69).
    Local,
    /// It can be had from named sources only (r100).
    Ssm,
    /// The port's access list does not allow it (r54).
    Access,
}

impl Forbidden {
    /// What a report for it gets.
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::Local => Verdict::LocalGroup,
            Self::Ssm => Verdict::SsmRange,
            Self::Access => Verdict::AccessDenied,
        }
    }

    /// Why a member goes when it becomes so.
    pub(super) fn left(self) -> Left {
        match self {
            Self::Local => Left::LocalGroup,
            Self::Ssm => Left::SsmRange,
            Self::Access => Left::AccessDenied,
        }
    }
}

/// What a port asks of its packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    /// Where unicast for us goes.
    pub(super) mac: MacAddr,
    pub(super) address: Option<Ipv4Net>,
    /// The port's second address, where it queries from another than its own.
    pub(super) querier_address: Option<Ipv4Addr>,
    pub(super) any_ttl: bool,
    pub(super) require_router_alert: bool,
    pub(super) require_on_link_source: bool,
    /// On the provider's port a report counts only when sent to its own group.
    pub(super) upstream: bool,
}

impl Admission {
    /// `is_ours` and `is_our_mac` tell the addresses of all our ports.
    pub(super) fn check(
        &self,
        packet: &Packet<'_>,
        is_ours: impl Fn(Ipv4Addr) -> bool,
        is_our_mac: impl Fn(MacAddr) -> bool,
    ) -> Result<(), Verdict> {
        if is_our_mac(packet.source_mac) {
            return Err(Verdict::OwnMac);
        }
        if packet.ttl != 1 && !self.any_ttl {
            return Err(Verdict::Ttl);
        }
        if self.require_router_alert && !packet.router_alert {
            return Err(Verdict::RouterAlert);
        }
        self.check_source(packet.source)?;
        if is_ours(packet.source) {
            return Err(Verdict::OwnAddress);
        }
        if matches!(packet.message, Message::Solicitation | Message::Other(_)) {
            return Ok(());
        }
        if !self.may_be_sent_to(&packet.message, packet.destination) {
            return Err(Verdict::Destination);
        }
        self.check_destination_mac(packet)
    }

    /// 0.0.0.0 is a host that has no address yet (r10).
    fn check_source(&self, source: Ipv4Addr) -> Result<(), Verdict> {
        if source.is_unspecified() {
            return Ok(());
        }
        let directed_broadcast = self.address.and_then(Ipv4Net::broadcast);
        if source.is_multicast()
            || source.is_broadcast()
            || source.is_loopback()
            || source.octets()[0] == 0
            || directed_broadcast == Some(source)
        {
            return Err(Verdict::SourceAddress);
        }
        if self.require_on_link_source && self.address.is_some_and(|net| !net.contains(source)) {
            return Err(Verdict::OffLink);
        }
        Ok(())
    }

    /// Rules r11, r42 and r90.
    fn may_be_sent_to(&self, message: &Message<'_>, to: Ipv4Addr) -> bool {
        let to_us = || self.address.map(Ipv4Net::addr) == Some(to) || self.querier_address == Some(to);
        let to_group = |group: GroupAddr| to == group.addr();
        match message {
            Message::Query(Query { version: Version::V1, .. } | Query { group: None, .. }) => {
                to_group(GroupAddr::ALL_SYSTEMS) || to_us()
            }
            Message::Query(Query { group: Some(group), .. }) => {
                to_group(*group) || to_group(GroupAddr::ALL_SYSTEMS) || to_us()
            }
            Message::ReportV1(group) | Message::ReportV2(group) => {
                to_group(*group) || (!self.upstream && to_us())
            }
            Message::ReportV3(_) => to_group(GroupAddr::ALL_V3_ROUTERS) || to_us(),
            Message::Leave(group) => to_group(GroupAddr::ALL_ROUTERS) || to_group(*group) || to_us(),
            Message::Solicitation | Message::Other(_) => true,
        }
    }

    /// The group's MAC or our own; a broadcast is neither.
    fn check_destination_mac(&self, packet: &Packet<'_>) -> Result<(), Verdict> {
        let of_group = GroupAddr::new(packet.destination).map(GroupAddr::mac);
        if packet.destination_mac == self.mac || Some(packet.destination_mac) == of_group {
            Ok(())
        } else {
            Err(Verdict::DestinationMac)
        }
    }
}
