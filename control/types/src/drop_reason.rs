//! Why a worker did not forward a frame. Each has a counter per port.

crate::counted! {
    /// Why a frame, or one copy of it, was not sent. Names are stable: they are counter names.
    DropReason {
        Runt "runt" "shorter than an Ethernet header and the smallest IPv4 header",
        Chained "chained" "larger than one buffer",
        Outgoing "outgoing" "our own or the kernel's outgoing frame, seen again by the tap",
        SourceMac "source-mac" "multicast, broadcast or all-zero source MAC",
        OwnMac "own-mac" "our own MAC came in: a loop, or two of our ports on one switch",
        PriorityTagged "priority-tagged" "802.1Q priority tag (VLAN 0)",
        VlanTagged "vlan-tagged" "802.1Q or 802.1ad tag",
        Pppoe "pppoe" "PPPoE discovery or session",
        Ipv6 "ipv6" "IPv6",
        Arp "arp" "ARP that was not for us",
        OtherEtherType "other-ethertype" "an EtherType that is not IPv4",
        IpVersion "ip-version" "EtherType IPv4, but another version in the header",
        IpHeaderLength "ip-header-length" "IPv4 header length below 20 or beyond the packet",
        IpTotalLength "ip-total-length" "IPv4 total length below the header or beyond the frame",
        IpChecksum "ip-checksum" "bad IPv4 header checksum",
        NotMulticast "not-multicast" "IPv4 to a unicast or broadcast address",
        SourceAddress "source-address" "source address that no host may send multicast from",
        DestinationMac "destination-mac" "destination MAC is not the group's",
        LinkLocalGroup "link-local-group" "group in 224.0.0.0/24, which no router forwards",
        LocalGroup "local-group" "group that the settings keep on its link",
        Ttl "ttl" "TTL 0 or 1: expires here",
        SourceNotAllowed "source-not-allowed" "multicast data from a source that `sources-allowed` does not name",
        NotASource "not-a-source" "multicast data from a client port that may not send",
        NoMember "no-member" "no port has a member of the group",
        NoEgress "no-egress" "the group has members, but none of their ports can take it: no carrier, too small an MTU, or only the port it came from",
        ProxyOff "proxy-off" "the proxy is switched off, or has no provider port",
        PuntPoliced "punt-policed" "for the control thread, above the port's rate",
        PuntFull "punt-full" "for the control thread, but the port's ring was full",
        NeighbourPoliced "neighbour-policed" "ARP request or echo request for us, above the port's rate for those",
        NoBuffer "no-buffer" "the buffer pool was empty",
        Mtu "mtu" "longer than the egress port's MTU",
        OutOfService "out-of-service" "the egress port had just lost its carrier",
        TxFull "tx-full" "the egress port's transmit queue was full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_as_listed_and_named_once() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert_eq!(DropReason::ALL.iter().filter(|r| r.name() == reason.name()).count(), 1);
        }
    }
}
