//! Why an interface can't be a port, and what would cure it.

use core::fmt;

use crate::info::{IpNet, LinkInfo};
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
    /// A default route of the box leads over it.
    DefaultRoute {
        /// An IPv4 one.
        ipv4: bool,
        /// An IPv6 one.
        ipv6: bool,
    },
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
    let (ipv4, ipv6) = (link.default_route_ipv4, link.default_route_ipv6);
    let route = (ipv4 || ipv6).then_some(RefusalReason::DefaultRoute { ipv4, ipv6 });
    [master, uppers, pppoe, addresses, route].into_iter().flatten().map(|r| refusal(link, r)).collect()
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
            RefusalReason::DefaultRoute { .. } => {
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
                let v6 = v6.then(|| format!("sysctl -w net/ipv6/conf/{link}/disable_ipv6=1"));
                commands([v4, v6].into_iter().flatten())
            }
            RefusalReason::DefaultRoute { ipv4, ipv6 } => {
                let v4 = ipv4.then(|| format!("ip -4 route del default dev {link}"));
                let v6 = ipv6.then(|| format!("sysctl -w net/ipv6/conf/{link}/disable_ipv6=1"));
                commands([v4, v6].into_iter().flatten())
            }
        }
    }
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
        LinkKind::Ipsec | LinkKind::Ifb | LinkKind::Infiniband => format!("an {kind} interface"),
        LinkKind::Ip6Tunnel | LinkKind::Ipip | LinkKind::Ipvlan | LinkKind::OpenVswitch => {
            format!("an {kind} interface")
        }
        _ => format!("a {kind} interface"),
    }
}

fn kind_why(kind: &LinkKind) -> &'static str {
    match kind {
        LinkKind::Ethernet | LinkKind::Veth | LinkKind::Tap | LinkKind::Macvlan => "a kind that is taken",
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
        LinkKind::Other(_) => "Manifold takes plain Ethernet, veth, TAP and macvlan interfaces only",
    }
}

fn kind_cure(kind: &LinkKind, lower: Option<&str>) -> String {
    let other = "use an Ethernet interface (`manifoldctl show links` lists them)";
    match (kind, lower) {
        (LinkKind::Vlan, Some(lower)) => {
            format!("use `{lower}`, with this VLAN untagged on the switch port it is plugged into")
        }
        (LinkKind::Macvtap | LinkKind::Ipvlan, Some(lower)) => {
            format!(
                "use a macvlan: ip link add link {lower} name mv0 type macvlan mode bridge, with mac = \"port\""
            )
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
