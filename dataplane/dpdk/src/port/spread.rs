//! What a NIC tells streams apart by, to spread them over several receive queues.

/// Drivers whose hash of IPv4 addresses leaves UDP out: what they call IPv4 is IPv4 that carries neither TCP nor UDP nor SCTP.
const UDP_ON_ITS_OWN: &[&str] = &["net_hns3", "net_hns3_vf"];

/// What a NIC hashes of a UDP datagram over IPv4, to choose one of several receive queues.
///
/// The frames of a stream have all of it alike, so by each kind they stay in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Addresses alone: fragments go where whole datagrams of the stream do. Not with an iavf whose PF is an older one, and
    /// sets hashes by PCTYPE alone: its driver widens the hash of IPv4 to that of UDP by ports, so fragments may go another way.
    Addresses,
    /// Addresses and ports: fragments may go another way.
    AddressesAndPorts,
    /// Nothing: where datagrams go is the device's own affair. A NIC has them all come in by the first queue.
    Nothing,
}

impl Spread {
    /// The best of what a driver offers (`flow_type_rss_offloads`), and the flags to ask for it.
    pub(super) fn best(driver: &str, offered: u64) -> (Self, u64) {
        let (ipv4, udp) = (dpdk_sys::SHIM_RSS_IPV4, dpdk_sys::SHIM_RSS_NONFRAG_IPV4_UDP);
        let fragments = dpdk_sys::SHIM_RSS_FRAG_IPV4;
        let destination = dpdk_sys::SHIM_RSS_L3_DST_ONLY;
        let (spread, wanted) = if offered & ipv4 != 0 && !UDP_ON_ITS_OWN.contains(&driver) {
            let others = dpdk_sys::SHIM_RSS_NONFRAG_IPV4_OTHER;
            (Self::Addresses, ipv4 | fragments | others | destination)
        } else if offered & udp != 0 {
            (Self::AddressesAndPorts, udp | fragments | destination)
        } else {
            (Self::Nothing, 0)
        };
        (spread, offered & wanted)
    }
}

#[cfg(test)]
mod tests {
    use dpdk_sys::{
        SHIM_RSS_FRAG_IPV4 as FRAGMENTS, SHIM_RSS_IPV4 as IPV4, SHIM_RSS_L3_DST_ONLY as DESTINATION,
        SHIM_RSS_NONFRAG_IPV4_OTHER as OTHERS, SHIM_RSS_NONFRAG_IPV4_UDP as UDP,
    };

    use super::*;

    #[test]
    fn streams_are_told_apart_by_addresses_where_a_nic_can() {
        // As ixgbe and mlx5 offer them.
        assert_eq!(Spread::best("net_ixgbe", IPV4 | UDP), (Spread::Addresses, IPV4));
        let all = IPV4 | FRAGMENTS | OTHERS | DESTINATION;
        assert_eq!(Spread::best("mlx5_pci", all | UDP), (Spread::Addresses, all));
    }

    #[test]
    fn where_a_nic_has_no_hash_of_addresses_that_udp_falls_under_it_is_by_ports_too() {
        // i40e has no IPv4 as such, ENA nothing else.
        let i40e = FRAGMENTS | OTHERS | UDP;
        assert_eq!(Spread::best("net_i40e", i40e), (Spread::AddressesAndPorts, FRAGMENTS | UDP));
        assert_eq!(Spread::best("net_ena", UDP), (Spread::AddressesAndPorts, UDP));
        let hns3 = IPV4 | FRAGMENTS | OTHERS | UDP | DESTINATION;
        let asked = FRAGMENTS | UDP | DESTINATION;
        assert_eq!(Spread::best("net_hns3", hns3), (Spread::AddressesAndPorts, asked));
    }

    #[test]
    fn what_spreads_fragments_alone_spreads_no_stream() {
        assert_eq!(Spread::best("net_virtio", 0), (Spread::Nothing, 0));
        assert_eq!(Spread::best("odd", FRAGMENTS | OTHERS | DESTINATION), (Spread::Nothing, 0));
    }
}
