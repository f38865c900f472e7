//! What kind of interface a link is: a pure function of what the kernel says about it.

use core::fmt;

/// What the kernel says of a link's kind. All of it comes from netlink, except for the last two fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindAttributes {
    /// The hardware type of `ifinfomsg`: ARPHRD_ETHER is 1.
    pub arphrd: u16,
    /// IFLA_INFO_KIND: the driver of a software device; hardware has none.
    pub info_kind: Option<String>,
    /// IFLA_TUN_TYPE, for the driver `tun`.
    pub tun_type: Option<TunType>,
    /// DEVTYPE in the link's uevent. The only trace of L2TP Ethernet, which netlink shows as plain Ethernet.
    pub devtype: Option<String>,
    /// The link has a `phy80211` or `wireless` folder in /sys/class/net.
    pub wireless: bool,
}

/// Which sort of device the driver `tun` made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunType {
    /// IP packets without an Ethernet header.
    Tun,
    /// Ethernet frames.
    Tap,
}

/// A link's kind. The kinds that can be ports come first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ethernet hardware, or what a hypervisor shows as such.
    Ethernet,
    /// One end of a virtual Ethernet pair.
    Veth,
    /// A TAP device: Ethernet to a program, such as a virtual machine.
    Tap,
    /// A further MAC address on an Ethernet interface.
    Macvlan,
    /// 802.1Q or 802.1ad on top of another interface.
    Vlan,
    /// PPP in any wrapping: netlink doesn't tell PPPoE, PPTP and L2TP apart.
    Ppp,
    /// An Ethernet pseudowire over L2TP.
    L2tp,
    /// Kernel bridge.
    Bridge,
    /// Open vSwitch datapath or internal port.
    OpenVswitch,
    /// Bonded interfaces.
    Bond,
    /// Teamed interfaces.
    Team,
    /// Macvlan with a character device that takes its frames.
    Macvtap,
    /// A further IP address with the MAC of the interface below.
    Ipvlan,
    /// VXLAN tunnel.
    Vxlan,
    /// GENEVE tunnel.
    Geneve,
    /// IP in GRE.
    Gre,
    /// Ethernet in GRE, or ERSPAN.
    Gretap,
    /// IPv4 in IPv4.
    Ipip,
    /// IPv6 in IPv4.
    Sit,
    /// IPv4 or IPv6 in IPv6.
    Ip6Tunnel,
    /// IPsec: VTI or XFRM interface.
    Ipsec,
    /// TUN device: IP packets to a program, such as a VPN.
    Tun,
    /// WireGuard VPN.
    Wireguard,
    /// MACsec on top of another interface.
    Macsec,
    /// 802.11.
    Wireless,
    /// Mobile broadband.
    Wwan,
    /// Bluetooth network.
    Bluetooth,
    /// Virtual routing domain.
    Vrf,
    /// Drops all it gets.
    Dummy,
    /// Intermediate functional block: a queue for traffic shaping.
    Ifb,
    /// A port of a switch that is built into the board.
    SwitchPort,
    /// IP over InfiniBand.
    Infiniband,
    /// CAN bus.
    Can,
    /// The loopback interface.
    Loopback,
    /// Anything else: the driver's name, the device type, or the hardware type.
    Other(String),
}

const ARPHRD_ETHER: u16 = 1;

impl LinkKind {
    /// The kind that the attributes tell of.
    pub fn of(link: &KindAttributes) -> Self {
        match link.info_kind.as_deref() {
            Some("tun") => Self::of_tun(link),
            Some(driver) => Self::of_driver(driver, link.arphrd),
            None if link.wireless => Self::Wireless,
            None if link.arphrd == ARPHRD_ETHER => Self::of_devtype(link.devtype.as_deref()),
            None => Self::of_hardware(link.arphrd, link.devtype.as_deref()),
        }
    }

    /// Kernels before 4.20 don't tell the type; a tap has Ethernet's hardware type unless somebody changed it.
    fn of_tun(link: &KindAttributes) -> Self {
        let tap = link.arphrd == ARPHRD_ETHER;
        match link.tun_type.unwrap_or(if tap { TunType::Tap } else { TunType::Tun }) {
            TunType::Tap if tap => Self::Tap,
            TunType::Tap => Self::Other(format!("tap with hardware type {}", link.arphrd)),
            TunType::Tun => Self::Tun,
        }
    }

    fn of_driver(driver: &str, arphrd: u16) -> Self {
        match driver {
            "veth" if arphrd == ARPHRD_ETHER => Self::Veth,
            "macvlan" if arphrd == ARPHRD_ETHER => Self::Macvlan,
            "vlan" => Self::Vlan,
            "ppp" => Self::Ppp,
            "bridge" => Self::Bridge,
            "openvswitch" => Self::OpenVswitch,
            "bond" => Self::Bond,
            "team" => Self::Team,
            "macvtap" => Self::Macvtap,
            "ipvlan" | "ipvtap" => Self::Ipvlan,
            "vxlan" => Self::Vxlan,
            "geneve" => Self::Geneve,
            "gre" | "ip6gre" => Self::Gre,
            "gretap" | "ip6gretap" | "erspan" | "ip6erspan" => Self::Gretap,
            "ipip" => Self::Ipip,
            "sit" => Self::Sit,
            "ip6tnl" => Self::Ip6Tunnel,
            "vti" | "vti6" | "xfrm" => Self::Ipsec,
            "wireguard" => Self::Wireguard,
            "macsec" => Self::Macsec,
            "virt_wifi" => Self::Wireless,
            "wwan" | "rmnet" => Self::Wwan,
            "vrf" => Self::Vrf,
            "dummy" => Self::Dummy,
            "ifb" => Self::Ifb,
            "dsa" => Self::SwitchPort,
            "ipoib" => Self::Infiniband,
            "can" | "vcan" | "vxcan" => Self::Can,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Ethernet's hardware type and no driver's name: hardware, unless the device type says better.
    fn of_devtype(devtype: Option<&str>) -> Self {
        match devtype {
            // `gadget` is Ethernet over a USB cable, a wire like others.
            None | Some("gadget") => Self::Ethernet,
            Some("wlan") => Self::Wireless,
            Some("l2tpeth") => Self::L2tp,
            Some("wwan") => Self::Wwan,
            Some("bluetooth") => Self::Bluetooth,
            Some("dsa") => Self::SwitchPort,
            Some(other) => Self::of_driver(other, ARPHRD_ETHER),
        }
    }

    /// No driver's name and not Ethernet: the hardware type, as linux/if_arp.h numbers them.
    fn of_hardware(arphrd: u16, devtype: Option<&str>) -> Self {
        match arphrd {
            32 => Self::Infiniband,
            280 => Self::Can,
            512 => Self::Ppp,
            768 => Self::Ipip,
            769 => Self::Ip6Tunnel,
            772 => Self::Loopback,
            776 => Self::Sit,
            778 | 823 => Self::Gre,
            801..=803 => Self::Wireless,
            _ if devtype == Some("wwan") => Self::Wwan,
            other => Self::Other(format!("hardware type {other}")),
        }
    }

    /// Whether a link of this kind can be a port.
    pub const fn is_acceptable(&self) -> bool {
        matches!(self, Self::Ethernet | Self::Veth | Self::Tap | Self::Macvlan)
    }

    /// Whether its port must send from the interface's own MAC (`mac = "port"`): a macvlan only gets frames for the
    /// one it has.
    pub const fn needs_own_mac(&self) -> bool {
        matches!(self, Self::Macvlan)
    }

    /// The kind in one word, for programs: lower case, and the same for ever.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Veth => "veth",
            Self::Tap => "tap",
            Self::Macvlan => "macvlan",
            Self::Vlan => "vlan",
            Self::Ppp => "ppp",
            Self::L2tp => "l2tp",
            Self::Bridge => "bridge",
            Self::OpenVswitch => "open-vswitch",
            Self::Bond => "bond",
            Self::Team => "team",
            Self::Macvtap => "macvtap",
            Self::Ipvlan => "ipvlan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gre => "gre",
            Self::Gretap => "gretap",
            Self::Ipip => "ipip",
            Self::Sit => "sit",
            Self::Ip6Tunnel => "ip6-tunnel",
            Self::Ipsec => "ipsec",
            Self::Tun => "tun",
            Self::Wireguard => "wireguard",
            Self::Macsec => "macsec",
            Self::Wireless => "wireless",
            Self::Wwan => "wwan",
            Self::Bluetooth => "bluetooth",
            Self::Vrf => "vrf",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::SwitchPort => "switch-port",
            Self::Infiniband => "infiniband",
            Self::Can => "can",
            Self::Loopback => "loopback",
            Self::Other(_) => "other",
        }
    }

    /// The kind as people call it, with its article left off: `VLAN`, `bridge`, `PPP (PPPoE, PPTP or L2TP)`.
    pub fn name(&self) -> &str {
        match self {
            Self::Ethernet => "Ethernet",
            Self::Veth => "veth",
            Self::Tap => "TAP",
            Self::Macvlan => "macvlan",
            Self::Vlan => "VLAN",
            Self::Ppp => "PPP (PPPoE, PPTP or L2TP)",
            Self::L2tp => "L2TP Ethernet",
            Self::Bridge => "bridge",
            Self::OpenVswitch => "Open vSwitch",
            Self::Bond => "bond",
            Self::Team => "team",
            Self::Macvtap => "macvtap",
            Self::Ipvlan => "ipvlan",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "GENEVE",
            Self::Gre => "GRE",
            Self::Gretap => "GRE (Ethernet)",
            Self::Ipip => "IP-in-IP",
            Self::Sit => "6in4",
            Self::Ip6Tunnel => "IPv6 tunnel",
            Self::Ipsec => "IPsec",
            Self::Tun => "TUN",
            Self::Wireguard => "WireGuard",
            Self::Macsec => "MACsec",
            Self::Wireless => "wireless",
            Self::Wwan => "mobile broadband",
            Self::Bluetooth => "Bluetooth",
            Self::Vrf => "VRF",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::SwitchPort => "built-in switch",
            Self::Infiniband => "InfiniBand",
            Self::Can => "CAN",
            Self::Loopback => "loopback",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
