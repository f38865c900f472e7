//! Why an interface can't be a port, and what would cure it.

use core::fmt;

use crate::info::{DefaultRoute, IpNet, LinkInfo};
use crate::kind::LinkKind;

/// Why an interface can't be a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The interface's name.
    pub link: String,
    /// Its kind.
    pub kind: LinkKind,
    /// What is in the way.
    pub reason: RefusalReason,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// Not an Ethernet interface that we take. `lower` is the interface below, where there is one.
    Kind {
        /// The interface below it, for kinds that sit on another.
        lower: Option<String>,
    },
    /// Part of a bridge, bond, team, VRF or virtual switch.
    Master {
        /// The master's name.
        name: String,
        /// The master's kind.
        kind: LinkKind,
    },
    /// Other interfaces sit on it: VLANs, macvlans, tunnels.
    Uppers(Vec<String>),
    /// PPPoE sessions run over it: how many.
    Pppoe(usize),
    /// The box has addresses on it. IPv6 link-local ones don't count: they go and return with IPv6.
    Addresses(Vec<IpNet>),
    /// Default routes of the box lead over it.
    DefaultRoutes(Vec<DefaultRoute>),
}

/// Whether the kernel interface is of a kind that can be a port.
///
/// # Errors
/// The refusal, by name and kind.
pub fn acceptable(link: &LinkInfo) -> Result<(), Refusal> {
    if link.kind.is_acceptable() {
        return Ok(());
    }
    Err(refusal(link, RefusalReason::Kind { lower: link.lower.clone() }))
}

/// Whether the interface can be a port as it stands: of an acceptable kind, and nobody else's.
///
/// # Errors
/// The first of [`refusals`].
pub fn usable(link: &LinkInfo) -> Result<(), Refusal> {
    refusals(link).into_iter().next().map_or(Ok(()), Err)
}

/// Everything that keeps the interface from being a port, in the order in which to cure it. A kind that isn't taken
/// hides the rest: no cure of those would help.
pub fn refusals(link: &LinkInfo) -> Vec<Refusal> {
    if let Err(kind) = acceptable(link) {
        return vec![kind];
    }
    let master = link.master.clone().map(|m| RefusalReason::Master { name: m.name, kind: m.kind });
    let uppers = (!link.uppers.is_empty()).then(|| RefusalReason::Uppers(link.uppers.clone()));
    let pppoe = (link.pppoe_sessions > 0).then_some(RefusalReason::Pppoe(link.pppoe_sessions));
    let addresses = (!link.addresses.is_empty()).then(|| RefusalReason::Addresses(link.addresses.clone()));
    let routes =
        (!link.default_routes.is_empty()).then(|| RefusalReason::DefaultRoutes(link.default_routes.clone()));
    [master, uppers, pppoe, addresses, routes].into_iter().flatten().map(|r| refusal(link, r)).collect()
}

fn refusal(link: &LinkInfo, reason: RefusalReason) -> Refusal {
    Refusal { link: link.name.clone(), kind: link.kind.clone(), reason }
}

impl Refusal {
    /// Why it is refused, as a clause that follows the interface's name.
    pub fn why(&self) -> String {
        match &self.reason {
            RefusalReason::Kind { .. } => format!("is {}: {}", named(&self.kind), kind_why(&self.kind)),
            RefusalReason::Master { name, kind } => {
                format!("belongs to `{name}` ({kind}), which takes and sends its frames")
            }
            RefusalReason::Uppers(uppers) => {
                format!("has {} on top, which would be cut off", list(uppers))
            }
            RefusalReason::Pppoe(1) => "carries a PPPoE session, which would be cut off".to_owned(),
            RefusalReason::Pppoe(n) => format!("carries {n} PPPoE sessions, which would be cut off"),
            RefusalReason::Addresses(addresses) => {
                format!("has the box's own address {}, which would be cut off", list(addresses))
            }
            RefusalReason::DefaultRoutes(_) => {
                "leads to the box's default route, which would be cut off".to_owned()
            }
        }
    }

    /// What would cure it: commands that can be typed, or a sentence where no command can.
    pub fn cure(&self) -> String {
        let link = &self.link;
        match &self.reason {
            RefusalReason::Kind { lower } => kind_cure(&self.kind, lower.as_deref()),
            RefusalReason::Master { name, kind: LinkKind::OpenVswitch } if name == "ovs-system" => {
                format!("ovs-vsctl del-port {link}")
            }
            RefusalReason::Master { .. } => format!("ip link set dev {link} nomaster"),
            RefusalReason::Uppers(uppers) => commands(uppers.iter().map(|u| format!("ip link del dev {u}"))),
            RefusalReason::Pppoe(_) => "end the session (poff), or use another interface".to_owned(),
            RefusalReason::Addresses(addresses) => {
                let v4 = addresses.iter().any(|a| a.addr.is_ipv4());
                let v6 = addresses.iter().any(|a| a.addr.is_ipv6());
                let v4 = v4.then(|| format!("ip -4 addr flush dev {link}"));
                // A flush alone would last until the next router advertisement.
                let v6 = v6.then(|| ipv6_off(link));
                commands([v4, v6].into_iter().flatten())
            }
            RefusalReason::DefaultRoutes(routes) => route_cure(link, routes),
        }
    }
}

fn ipv6_off(link: &str) -> String {
    format!("sysctl -w net/ipv6/conf/{link}/disable_ipv6=1")
}

/// One command a route, found by table and metric: a route with several next hops can't be found by interface.
fn route_cure(link: &str, routes: &[DefaultRoute]) -> String {
    let v4 = routes.iter().filter(|route| !route.ipv6);
    let v4 = v4.map(|DefaultRoute { table, metric, multipath, .. }| {
        let over = if *multipath { String::new() } else { format!(" dev {link}") };
        format!("ip -4 route del default{over} table {table} metric {metric}")
    });
    let v6 = routes.iter().any(|route| route.ipv6).then(|| ipv6_off(link));
    let cure = commands(v4.chain(v6));
    let multipath = routes.iter().any(|route| !route.ipv6 && route.multipath);
    if multipath { format!("{cure} # then add it again with its other next hops") } else { cure }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface `{}` {}; cure: {}", self.link, self.why(), self.cure())
    }
}

impl core::error::Error for Refusal {}

/// The kind in a sentence, with an article where English wants one.
fn named(kind: &LinkKind) -> String {
    match kind {
        LinkKind::Other(name) => format!("of the kind `{name}`"),
        LinkKind::Loopback => "the loopback interface".to_owned(),
        LinkKind::L2tp | LinkKind::Ipsec | LinkKind::Ifb | LinkKind::Infiniband => {
            format!("an {kind} interface")
        }
        LinkKind::Ip6Tunnel | LinkKind::Ipip | LinkKind::Ipvlan | LinkKind::OpenVswitch => {
            format!("an {kind} interface")
        }
        _ => format!("a {kind} interface"),
    }
}

fn kind_why(kind: &LinkKind) -> &'static str {
    match kind {
        LinkKind::Vlan => "Manifold takes whole Ethernet interfaces, and drops tagged frames",
        LinkKind::Ppp | LinkKind::L2tp => {
            "the provider's multicast must come over Ethernet, not through a session"
        }
        LinkKind::Bridge | LinkKind::OpenVswitch => {
            "it already floods or snoops multicast between its own ports"
        }
        LinkKind::Bond | LinkKind::Team => "its members' frames would be taken below it, each on its own",
        LinkKind::Macvtap => "its frames go to the program that holds it open",
        LinkKind::Ipvlan => "it has the MAC address of the interface below, which takes the IGMP frames",
        LinkKind::Vxlan | LinkKind::Geneve | LinkKind::Gre | LinkKind::Gretap => {
            "a tunnel is not an Ethernet link of its own"
        }
        LinkKind::Ipip | LinkKind::Sit | LinkKind::Ip6Tunnel => "a tunnel is not an Ethernet link of its own",
        LinkKind::Ipsec | LinkKind::Tun | LinkKind::Wireguard => {
            "a VPN carries IP packets without Ethernet headers"
        }
        LinkKind::Macsec => "the frames below it are encrypted",
        LinkKind::Wireless => {
            "802.11 sends multicast unacknowledged at its lowest rate, and forbids foreign MACs"
        }
        LinkKind::Wwan | LinkKind::Bluetooth => "it is not an Ethernet link",
        LinkKind::Vrf | LinkKind::Dummy | LinkKind::Ifb | LinkKind::Loopback => {
            "no wire and no client is behind it"
        }
        LinkKind::SwitchPort => "its frames carry the switch's own tag below it",
        LinkKind::Infiniband | LinkKind::Can => "it is not an Ethernet link",
        LinkKind::Ethernet | LinkKind::Veth | LinkKind::Tap | LinkKind::Macvlan | LinkKind::Other(_) => {
            "Manifold takes plain Ethernet, veth, TAP and macvlan interfaces only"
        }
    }
}

fn kind_cure(kind: &LinkKind, lower: Option<&str>) -> String {
    let other = "use an Ethernet, veth, TAP or macvlan interface";
    match (kind, lower) {
        (LinkKind::Vlan, Some(lower)) => {
            format!("use `{lower}`, with this VLAN untagged on the switch port it is plugged into")
        }
        (LinkKind::Macvtap | LinkKind::Ipvlan, Some(lower)) => {
            format!("use a macvlan: ip link add link {lower} name mv0 type macvlan mode bridge")
        }
        (LinkKind::Bridge | LinkKind::OpenVswitch | LinkKind::Bond | LinkKind::Team, _) => {
            "take a member out of it and use that (ip link set dev MEMBER nomaster)".to_owned()
        }
        (LinkKind::Dummy, _) => {
            "for a try without a wire use a pair: ip link add v0 type veth peer name v1".to_owned()
        }
        _ => other.to_owned(),
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

fn commands(commands: impl Iterator<Item = String>) -> String {
    commands.collect::<Vec<_>>().join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::Master;

    fn link(kind: LinkKind) -> LinkInfo {
        LinkInfo {
            index: 7,
            name: "eth1".to_owned(),
            altnames: Vec::new(),
            kind,
            mac: None,
            mtu: 1500,
            admin_up: true,
            up: true,
            has_program: false,
            lower: None,
            master: None,
            uppers: Vec::new(),
            pppoe_sessions: 0,
            addresses: Vec::new(),
            default_routes: Vec::new(),
        }
    }

    fn net(text: &str) -> IpNet {
        IpNet { addr: text.parse().unwrap(), prefix_len: 24 }
    }

    #[test]
    fn the_cure_for_a_macvtap_is_a_macvlan() {
        assert_eq!(
            kind_cure(&LinkKind::Macvtap, Some("eth0")),
            "use a macvlan: ip link add link eth0 name mv0 type macvlan mode bridge"
        );
    }

    #[test]
    fn a_refused_kind_is_named_with_its_interface_reason_and_cure() {
        let vlan = LinkInfo { lower: Some("eth0".to_owned()), ..link(LinkKind::Vlan) };
        assert_eq!(
            acceptable(&vlan).unwrap_err().to_string(),
            "interface `eth1` is a VLAN interface: Manifold takes whole Ethernet interfaces, and drops tagged frames; \
             cure: use `eth0`, with this VLAN untagged on the switch port it is plugged into"
        );
        let ppp = acceptable(&link(LinkKind::Ppp)).unwrap_err().to_string();
        assert!(ppp.contains("`eth1` is a PPP (PPPoE, PPTP or L2TP) interface"), "{ppp}");
        let other = acceptable(&link(LinkKind::Other("netkit".to_owned()))).unwrap_err().to_string();
        assert!(other.contains("of the kind `netkit`"), "{other}");
    }

    #[test]
    fn an_interface_that_nobody_else_uses_is_usable() {
        for kind in [LinkKind::Ethernet, LinkKind::Veth, LinkKind::Tap, LinkKind::Macvlan] {
            assert_eq!(usable(&link(kind)), Ok(()));
        }
    }

    #[test]
    fn everything_in_the_way_is_told_in_the_order_of_the_cures() {
        let busy = LinkInfo {
            master: Some(Master { name: "ovs-system".to_owned(), kind: LinkKind::OpenVswitch }),
            uppers: vec!["eth1.5".to_owned(), "mv0".to_owned()],
            pppoe_sessions: 1,
            addresses: vec![net("10.0.0.1"), net("2001:db8::1")],
            default_routes: vec![
                DefaultRoute { ipv6: false, table: 254, metric: 100, multipath: false },
                DefaultRoute { ipv6: false, table: 9, metric: 0, multipath: true },
            ],
            ..link(LinkKind::Ethernet)
        };
        let cures: Vec<String> = refusals(&busy).iter().map(Refusal::cure).collect();
        assert_eq!(
            cures,
            [
                "ovs-vsctl del-port eth1",
                "ip link del dev eth1.5 && ip link del dev mv0",
                "end the session (poff), or use another interface",
                "ip -4 addr flush dev eth1 && sysctl -w net/ipv6/conf/eth1/disable_ipv6=1",
                "ip -4 route del default dev eth1 table 254 metric 100 && \
                 ip -4 route del default table 9 metric 0 # then add it again with its other next hops",
            ]
        );
        assert_eq!(usable(&busy).unwrap_err(), refusals(&busy)[0]);
        let bridge = LinkInfo { kind: LinkKind::Bridge, ..busy };
        assert_eq!(refusals(&bridge).len(), 1, "no other cure would help a bridge");
    }
}
