//! The rtnetlink messages that matter here, read from bytes.
//!
//! Only the attributes that are used are read, by their own length rules. A kernel newer than this code adds and
//! widens attributes in every release; one that we don't read must never cost us the interface.

use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use types::MacAddr;

use crate::kind::{KindAttributes, TunType};

/// Interface is administratively up.
pub(crate) const IFF_UP: u32 = 1;
/// The driver has carrier.
pub(crate) const IFF_LOWER_UP: u32 = 1 << 16;

/// RFC 2863 states as the kernel numbers them: 0 unknown (the driver doesn't say), 5 dormant, 6 up.
const OPER_UNKNOWN: u8 = 0;
const OPER_UP: u8 = 6;

const AF_UNSPEC: u8 = 0;
const RTN_UNICAST: u8 = 1;

/// One RTM_NEWLINK or RTM_DELLINK, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkMessage {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) altnames: Vec<String>,
    pub(crate) flags: u32,
    pub(crate) operstate: u8,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) mtu: u32,
    pub(crate) master: Option<u32>,
    /// It runs an XDP program, in whichever mode.
    pub(crate) has_program: bool,
    /// The link below (or a veth's peer), when it is another and of this network namespace.
    pub(crate) lower: Option<u32>,
    pub(crate) kind: KindAttributes,
}

impl LinkMessage {
    /// Reads the payload of a link message. `None` when it is too short, has no name, or is of another family:
    /// bridges send RTM_DELLINK with AF_BRIDGE when a port leaves them, though the port lives on.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (header, rest) = payload.split_at_checked(16)?;
        if header[0] != AF_UNSPEC {
            return None;
        }
        let mut link = Self {
            index: u32_at(header, 4)?,
            name: String::new(),
            altnames: Vec::new(),
            flags: u32_at(header, 8)?,
            operstate: OPER_UNKNOWN,
            mac: None,
            mtu: 0,
            master: None,
            has_program: false,
            lower: None,
            kind: KindAttributes { arphrd: u16_at(header, 2)?, ..KindAttributes::default() },
        };
        let mut other_namespace = false;
        for (kind, value) in attributes(rest) {
            match kind {
                1 => link.mac = value.try_into().ok().map(MacAddr),
                3 => link.name = text(value),
                4 => link.mtu = u32_at(value, 0)?,
                5 => link.lower = u32_at(value, 0),
                10 => link.master = u32_at(value, 0).filter(|&master| master != 0),
                16 => link.operstate = *value.first()?,
                18 => link.read_info(value),
                37 => other_namespace = true,
                43 => link.has_program = attributes(value).any(|(kind, mode)| kind == 2 && mode != [0]),
                52 => link.altnames = attributes(value).filter(|a| a.0 == 53).map(|a| text(a.1)).collect(),
                _ => {}
            }
        }
        link.lower = link.lower.filter(|&lower| lower != 0 && lower != link.index && !other_namespace);
        (!link.name.is_empty()).then_some(link)
    }

    /// IFLA_LINKINFO: the kind's name; for tun devices which sort; for VXLAN, which has no IFLA_LINK, the link below.
    fn read_info(&mut self, info: &[u8]) {
        for (kind, value) in attributes(info) {
            match kind {
                1 => self.kind.info_kind = Some(text(value)),
                2 => self.read_driver(value),
                _ => {}
            }
        }
    }

    fn read_driver(&mut self, data: &[u8]) {
        let third = attributes(data).find(|&(kind, _)| kind == 3).map(|(_, value)| value);
        match (self.kind.info_kind.as_deref(), third) {
            (Some("tun"), Some([1, ..])) => self.kind.tun_type = Some(TunType::Tun),
            (Some("tun"), Some([2, ..])) => self.kind.tun_type = Some(TunType::Tap),
            (Some("vxlan"), Some(below)) => self.lower = u32_at(below, 0),
            _ => {}
        }
    }

    /// Administratively up.
    pub(crate) fn is_admin_up(&self) -> bool {
        self.flags & IFF_UP != 0
    }

    /// Frames can pass: up, with carrier, and not held down by a layer below or by 802.1X. A driver that doesn't
    /// keep an operational state counts by its carrier alone.
    pub(crate) fn is_up(&self) -> bool {
        let wanted = IFF_UP | IFF_LOWER_UP;
        self.flags & wanted == wanted && matches!(self.operstate, OPER_UNKNOWN | OPER_UP)
    }
}

/// One RTM_NEWADDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressMessage {
    pub(crate) link: u32,
    pub(crate) addr: IpAddr,
    pub(crate) prefix_len: u8,
}

impl AddressMessage {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (header, rest) = payload.split_at_checked(8)?;
        let (mut address, mut local) = (None, None);
        for (kind, value) in attributes(rest) {
            match kind {
                1 => address = ip(value),
                2 => local = ip(value),
                _ => {}
            }
        }
        // On a point-to-point link IFA_ADDRESS is the peer's; ours is IFA_LOCAL.
        Some(Self { link: u32_at(header, 4)?, addr: local.or(address)?, prefix_len: header[1] })
    }
}

/// One default route and the links it leads over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DefaultRouteMessage {
    pub(crate) ipv6: bool,
    pub(crate) table: u32,
    pub(crate) metric: u32,
    pub(crate) multipath: bool,
    pub(crate) links: Vec<u32>,
}

impl DefaultRouteMessage {
    /// Reads an RTM_NEWROUTE; `None` for every route that isn't a unicast default one, in whatever table.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (header, rest) = payload.split_at_checked(12)?;
        let (family, dst_len, kind) = (header[0], header[1], header[7]);
        if dst_len != 0 || kind != RTN_UNICAST || !matches!(family, 2 | 10) {
            return None;
        }
        let (ipv6, table) = (family == 10, u32::from(header[4]));
        let mut route = Self { ipv6, table, metric: 0, multipath: false, links: Vec::new() };
        for (kind, value) in attributes(rest) {
            match kind {
                4 => route.links.extend(u32_at(value, 0)),
                6 => route.metric = u32_at(value, 0)?,
                9 => {
                    route.multipath = true;
                    route.links.extend(next_hops(value));
                }
                15 => route.table = u32_at(value, 0)?,
                _ => {}
            }
        }
        Some(route)
    }
}

/// The links of an RTA_MULTIPATH: a row of `rtnexthop`, each with its own attributes behind it.
fn next_hops(mut bytes: &[u8]) -> Vec<u32> {
    let mut links = Vec::new();
    while let (Some(len), Some(link)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        links.push(link);
        let next = usize::from(len).max(8).next_multiple_of(4);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    links
}

/// The attributes in a row of them, up to the first malformed one.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).filter_map(|attribute| {
        let (kind, len) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(4..len)?))
    })
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{LinkRecord, attribute, zero_ended};

    fn link(record: LinkRecord) -> LinkMessage {
        LinkMessage::parse(&record.bytes()).expect("a link message")
    }

    #[test]
    fn a_link_message_gives_what_is_used_of_it() {
        let names = [attribute(53, &zero_ended("enp3s0")), attribute(53, &zero_ended("lan"))].concat();
        let read = link(
            LinkRecord::new(7, "eth1")
                .with(1, &[2, 0, 0, 0, 0, 9])
                .number(5, 3)
                .number(10, 12)
                .with(52 | 0x8000, &names)
                .with(200, b"of a later kernel"),
        );
        assert_eq!((read.index, read.name.as_str(), read.mtu), (7, "eth1", 1500));
        assert_eq!(read.mac, Some(MacAddr([2, 0, 0, 0, 0, 9])));
        assert_eq!((read.lower, read.master), (Some(3), Some(12)));
        assert_eq!(read.altnames, ["enp3s0", "lan"]);
        assert!(read.is_admin_up() && read.is_up());
    }

    #[test]
    fn up_needs_admin_carrier_and_nothing_that_holds_it_down() {
        let up = |flags, operstate| link(LinkRecord::new(7, "x").flags(flags).with(16, &[operstate])).is_up();
        assert!(up(IFF_UP | IFF_LOWER_UP, OPER_UP));
        assert!(up(IFF_UP | IFF_LOWER_UP, OPER_UNKNOWN), "a tap's driver keeps no state");
        assert!(!up(IFF_UP, OPER_UP), "no carrier");
        assert!(!up(IFF_LOWER_UP, OPER_UP), "set down");
        for held_down in 1..=5 {
            assert!(!up(IFF_UP | IFF_LOWER_UP, held_down), "operational state {held_down}");
        }
    }

    #[test]
    fn a_bridge_that_lets_go_of_a_port_says_nothing_about_the_link() {
        assert_eq!(LinkMessage::parse(&LinkRecord::new(7, "eth1").family(7).bytes()), None);
    }

    #[test]
    fn a_lower_link_in_another_namespace_is_not_ours_to_see() {
        assert_eq!(link(LinkRecord::new(7, "mv0").number(5, 3).number(37, 0)).lower, None);
        assert_eq!(link(LinkRecord::new(7, "x").number(5, 7)).lower, None, "itself");
    }

    #[test]
    fn a_message_cut_short_anywhere_is_read_or_refused_without_panic() {
        let tun = [attribute(3, &[2])].concat();
        let whole = LinkRecord::new(7, "eth1").number(10, 12).driver("tun", &tun).bytes();
        for len in 0..whole.len() {
            let read = LinkMessage::parse(&whole[..len]);
            assert!(read.is_none_or(|link| link.index == 7 && link.name == "eth1"), "cut to {len}");
        }
        assert!(LinkMessage::parse(&whole).is_some_and(|l| l.kind.tun_type == Some(TunType::Tap)));
    }

    #[test]
    fn an_address_is_ours_and_not_the_peers() {
        let mut bytes = vec![2, 32, 0, 0];
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(attribute(1, &[10, 0, 0, 2]));
        bytes.extend(attribute(2, &[10, 0, 0, 1]));
        let read = AddressMessage::parse(&bytes).expect("an address");
        assert_eq!((read.link, read.prefix_len, read.addr.to_string().as_str()), (7, 32, "10.0.0.1"));
    }

    fn route(family: u8, dst_len: u8, kind: u8, attributes: &[u8]) -> Option<DefaultRouteMessage> {
        let mut bytes = vec![family, dst_len, 0, 0, 254, 3, 0, kind, 0, 0, 0, 0];
        bytes.extend_from_slice(attributes);
        DefaultRouteMessage::parse(&bytes)
    }

    #[test]
    fn default_routes_are_found_over_one_link_and_over_many() {
        let over = |multipath, links: &[u32]| {
            let links = links.to_vec();
            Some(DefaultRouteMessage { ipv6: false, table: 254, metric: 0, multipath, links })
        };
        let oif = attribute(4, &7_u32.to_ne_bytes());
        assert_eq!(route(2, 0, 1, &oif), over(false, &[7]));
        let high =
            [oif, attribute(6, &100_u32.to_ne_bytes()), attribute(15, &1000_u32.to_ne_bytes())].concat();
        assert!(route(2, 0, 1, &high).is_some_and(|route| (route.metric, route.table) == (100, 1000)));
        // Two next hops, the first with a gateway of its own.
        let mut hops = vec![16, 0, 0, 0, 7, 0, 0, 0];
        hops.extend(attribute(5, &[10, 0, 0, 1]));
        hops.extend([8, 0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(route(2, 0, 1, &attribute(9, &hops)), over(true, &[7, 9]));
        assert!(route(10, 0, 1, &[]).is_some_and(|route| route.ipv6));
        assert_eq!(route(2, 24, 1, &[]), None, "not a default route");
        assert_eq!(route(2, 0, 7, &[]), None, "unreachable");
        // A next hop that claims no length must not be read for ever.
        assert_eq!(route(2, 0, 1, &attribute(9, &[0; 8])), over(true, &[0]));
    }
}
