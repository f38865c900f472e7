//! Address Resolution Protocol (RFC 826) for IPv4 on Ethernet.

use etherparse::{ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacketSlice, EtherType};
use types::MacAddr;

use crate::Neighbour;

/// The reply to a request for our address, as a frame.
///
/// Also to a probe, whose sender is 0.0.0.0 (RFC 5227, section 2.1.1: so does a host find out that the address
/// is taken). Not to a request that claims our address for its sender: there is nobody to tell.
pub(crate) fn answer(us: &Neighbour, packet: &[u8]) -> Option<Vec<u8>> {
    let request = parse(packet)?;
    let (sender, sender_mac) = (request.sender_ipv4_addr(), MacAddr(request.sender_mac));
    let is_ours =
        request.operation == ArpOperation::REQUEST && request.target_ipv4_addr() == us.address.addr();
    if !is_ours || !us.is_station(sender_mac) || !(sender.is_unspecified() || us.is_host(sender)) {
        return None;
    }
    let reply = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: us.mac.octets(),
        sender_ipv4: us.address.addr().octets(),
        target_mac: request.sender_mac,
        target_ipv4: request.sender_ipv4,
    };
    Some(us.frame(sender_mac, EtherType::ARP, &reply.to_bytes()))
}

/// A request to everyone for the address that its sender has (RFC 5227, section 2.3).
pub(crate) fn announcement(us: &Neighbour) -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: us.mac.octets(),
        sender_ipv4: us.address.addr().octets(),
        target_mac: MacAddr::ZERO.octets(),
        target_ipv4: us.address.addr().octets(),
    };
    us.frame(MacAddr::BROADCAST, EtherType::ARP, &packet.to_bytes())
}

/// A packet for Ethernet and IPv4; what follows it is padding.
fn parse(packet: &[u8]) -> Option<ArpEthIpv4Packet> {
    let packet = ArpPacketSlice::from_slice(packet).ok()?;
    let is_ours =
        packet.hw_addr_type() == ArpHardwareId::ETHERNET && packet.proto_addr_type() == EtherType::IPV4;
    Some(ArpEthIpv4Packet {
        operation: packet.operation(),
        sender_mac: packet.sender_hw_addr().try_into().ok()?,
        sender_ipv4: packet.sender_protocol_addr().try_into().ok()?,
        target_mac: packet.target_hw_addr().try_into().ok()?,
        target_ipv4: packet.target_protocol_addr().try_into().ok()?,
    })
    .filter(|_| is_ours)
}
