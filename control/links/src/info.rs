//! Interfaces as they stand: read from rtnetlink, /sys and /proc at the time of the call.

use core::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use types::MacAddr;

use crate::kind::{KindAttributes, LinkKind};
use crate::message::{AddressMessage, DefaultRouteMessage, IFF_UP, LinkMessage};
use crate::netlink::{
    NLA_F_NESTED, Netlink, RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE,
    attribute,
};
use crate::refusal::usable;

/// Why interfaces could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No interface has the name.
    #[error("there is no interface `{name}`; {}", could_serve_text(.could_serve))]
    NotFound {
        /// The name asked for.
        name: String,
        /// The names of the interfaces that could be ports as they stand.
        could_serve: Vec<String>,
    },
    /// The kernel forbids it.
    #[error("not permitted to {what}: run as root or with the capability {capability}")]
    NotPermitted {
        /// What was tried.
        what: String,
        /// The capability that it takes.
        capability: &'static str,
    },
    /// rtnetlink failed in another way.
    #[error("cannot {what}: {source}")]
    Netlink {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn could_serve_text(names: &[String]) -> String {
    if names.is_empty() {
        "no interface here could serve as it stands".to_owned()
    } else {
        format!("these could serve: {}", names.join(", "))
    }
}

impl LinkError {
    pub(crate) fn new(what: impl Into<String>, source: io::Error) -> Self {
        let what = what.into();
        if source.kind() == io::ErrorKind::PermissionDenied {
            Self::NotPermitted { what, capability: "CAP_NET_ADMIN" }
        } else {
            Self::Netlink { what, source }
        }
    }
}

/// An IPv4 or IPv6 address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNet {
    /// The address.
    pub addr: IpAddr,
    /// The prefix length, in bits.
    pub prefix_len: u8,
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

/// What an interface belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// The master's name.
    pub name: String,
    /// The master's kind: bridge, bond, team, VRF, Open vSwitch ...
    pub kind: LinkKind,
}

/// A default route of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DefaultRoute {
    /// IPv6 rather than IPv4.
    pub ipv6: bool,
    /// The routing table; 254 is `main`.
    pub table: u32,
    /// The metric; 0 where it has none.
    pub metric: u32,
    /// It has several next hops, perhaps over other interfaces.
    pub multipath: bool,
}

/// One interface as it stood when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// The kernel's index; an interface that is deleted and made again gets another.
    pub index: u32,
    /// The name.
    pub name: String,
    /// Further names that the kernel knows it by.
    pub altnames: Vec<String>,
    /// What it is.
    pub kind: LinkKind,
    /// The hardware address, where it has one of Ethernet's length.
    pub mac: Option<MacAddr>,
    /// The longest layer 3 packet, in octets.
    pub mtu: u32,
    /// Administratively up (`ip link set ... up`).
    pub admin_up: bool,
    /// Frames can pass: up, with carrier, and not held down by the interface below or by 802.1X.
    pub up: bool,
    /// It runs an XDP program, whosever: see [`Guard::has_program`](crate::Guard::has_program).
    pub has_program: bool,
    /// The interface it sits on, in this network namespace. A veth's peer is not one.
    pub lower: Option<String>,
    /// What it belongs to.
    pub master: Option<Master>,
    /// The interfaces that sit on it, in this network namespace.
    pub uppers: Vec<String>,
    /// PPPoE sessions that run over it.
    pub pppoe_sessions: usize,
    /// The box's addresses on it, IPv6 link-local ones left off.
    pub addresses: Vec<IpNet>,
    /// The box's default routes that lead over it, of all routing tables.
    pub default_routes: Vec<DefaultRoute>,
}

/// Every interface of this network namespace, in the kernel's order.
///
/// # Errors
/// [`LinkError::Netlink`] when the kernel can't be asked. It takes no privilege.
pub fn list() -> Result<Vec<LinkInfo>, LinkError> {
    let failed = |source| LinkError::new("list the interfaces", source);
    let mut netlink = Netlink::open(0).map_err(failed)?;
    let mut links = dump_links(&mut netlink).map_err(failed)?;
    let addresses = netlink.dump(RTM_GETADDR, &[0; 8], RTM_NEWADDR, AddressMessage::parse).map_err(failed)?;
    let routes =
        netlink.dump(RTM_GETROUTE, &[0; 12], RTM_NEWROUTE, DefaultRouteMessage::parse).map_err(failed)?;
    for link in &mut links {
        read_sysfs(Path::new("/sys/class/net"), link.index, &link.name, &mut link.kind);
    }
    // Absent where the kernel has no PPPoE.
    let pppoe = fs::read_to_string("/proc/thread-self/net/pppoe").unwrap_or_default();
    Ok(assemble(&links, &addresses, &routes, &pppoe))
}

/// The interface of that name (or alternative name).
///
/// # Errors
/// [`LinkError::NotFound`] with the interfaces that could serve, or as [`list`].
pub fn inspect(name: &str) -> Result<LinkInfo, LinkError> {
    let links = list()?;
    if let Some(link) = links.iter().find(|l| l.name == name || l.altnames.iter().any(|alt| alt == name)) {
        return Ok(link.clone());
    }
    let could_serve = links.iter().filter(|l| usable(l).is_ok()).map(|l| l.name.clone()).collect();
    Err(LinkError::NotFound { name: name.to_owned(), could_serve })
}

/// Sets the interface administratively up; true when it was down. It is not set down again at exit: an administrator
/// who gave it to us wants it up, and down is where only a fresh namespace leaves it. Call it once the guard is up.
///
/// # Errors
/// As [`inspect`], and [`LinkError::NotPermitted`] without CAP_NET_ADMIN.
pub fn set_up(name: &str) -> Result<bool, LinkError> {
    let link = inspect(name)?;
    if link.admin_up {
        return Ok(false);
    }
    let failed = |source| LinkError::new(format!("set `{name}` up"), source);
    let mut netlink = Netlink::open(0).map_err(failed)?;
    change_flags(&mut netlink, link.index, IFF_UP, IFF_UP).map_err(failed)?;
    tracing::info!(interface = name, "interface was down, set up");
    Ok(true)
}

/// Gives those of an interface's flags that are set in `which` the values they have in `flags`.
pub(crate) fn change_flags(netlink: &mut Netlink, index: u32, which: u32, flags: u32) -> io::Result<()> {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..16].copy_from_slice(&which.to_ne_bytes());
    netlink.change(RTM_NEWLINK, &body)
}

/// Takes the XDP program off an interface.
pub(crate) fn end_program(netlink: &mut Netlink, index: u32) -> io::Result<()> {
    const IFLA_XDP: u16 = 43;
    const IFLA_XDP_FD: u16 = 1;
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    let none = attribute(IFLA_XDP_FD, &(-1_i32).to_ne_bytes());
    body.extend(attribute(IFLA_XDP | NLA_F_NESTED, &none));
    netlink.change(RTM_NEWLINK, &body)
}

/// Every link message, without statistics.
pub(crate) fn dump_links(netlink: &mut Netlink) -> io::Result<Vec<LinkMessage>> {
    const SKIP_STATISTICS: u32 = 8;
    let mut body = [0; 24];
    body[16..18].copy_from_slice(&8_u16.to_ne_bytes());
    body[18..20].copy_from_slice(&29_u16.to_ne_bytes()); // IFLA_EXT_MASK
    body[20..24].copy_from_slice(&SKIP_STATISTICS.to_ne_bytes());
    netlink.dump(RTM_GETLINK, &body, RTM_NEWLINK, LinkMessage::parse)
}

/// What netlink doesn't tell of the kind. A /sys of another network namespace is told by its interface index.
fn read_sysfs(class_net: &Path, index: u32, name: &str, kind: &mut KindAttributes) {
    let folder = class_net.join(name);
    let Ok(uevent) = fs::read_to_string(folder.join("uevent")) else { return };
    let value = |key: &str| uevent.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if value("IFINDEX").and_then(|text| text.parse().ok()) != Some(index) {
        return;
    }
    kind.devtype = value("DEVTYPE").map(str::to_owned);
    kind.wireless = folder.join("phy80211").exists() || folder.join("wireless").exists();
}

/// Interfaces by what the kernel says of them; `pppoe` is its table of PPPoE sessions.
pub(crate) fn assemble(
    links: &[LinkMessage],
    addresses: &[AddressMessage],
    routes: &[DefaultRouteMessage],
    pppoe: &str,
) -> Vec<LinkInfo> {
    let kinds: Vec<LinkKind> = links.iter().map(|link| LinkKind::of(&link.kind)).collect();
    let find = |index: u32| links.iter().position(|link| link.index == index);
    // A veth's IFLA_LINK is its peer, beside it and not below.
    let lower = |at: usize| links[at].lower.filter(|_| !is_pair(&kinds[at]));
    let info = |(at, link): (usize, &LinkMessage)| LinkInfo {
        index: link.index,
        name: link.name.clone(),
        altnames: link.altnames.clone(),
        kind: kinds[at].clone(),
        mac: link.mac,
        mtu: link.mtu,
        admin_up: link.is_admin_up(),
        up: link.is_up(),
        has_program: link.has_program,
        lower: lower(at).and_then(find).map(|lower| links[lower].name.clone()),
        master: link.master.map(|index| match find(index) {
            Some(at) => Master { name: links[at].name.clone(), kind: kinds[at].clone() },
            None => Master { name: format!("#{index}"), kind: LinkKind::Other("unknown".to_owned()) },
        }),
        uppers: (0..links.len())
            .filter(|&upper| lower(upper) == Some(link.index))
            .map(|upper| links[upper].name.clone())
            .collect(),
        pppoe_sessions: pppoe_sessions(pppoe, &link.name),
        addresses: addresses
            .iter()
            .filter(|a| a.link == link.index && !is_link_local_v6(a.addr))
            .map(|a| IpNet { addr: a.addr, prefix_len: a.prefix_len })
            .collect(),
        default_routes: routes
            .iter()
            .filter(|r| r.links.contains(&link.index))
            .map(|r| DefaultRoute { ipv6: r.ipv6, table: r.table, metric: r.metric, multipath: r.multipath })
            .collect(),
    };
    links.iter().enumerate().map(info).collect()
}

/// Devices that come in pairs.
fn is_pair(kind: &LinkKind) -> bool {
    match kind {
        LinkKind::Veth => true,
        LinkKind::Other(driver) => driver == "netkit",
        _ => false,
    }
}

fn is_link_local_v6(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local())
}

/// How many lines of the kernel's table (session id, peer, interface) name the interface.
fn pppoe_sessions(table: &str, name: &str) -> usize {
    table.lines().skip(1).filter(|line| line.split_whitespace().nth(2) == Some(name)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::LinkRecord;

    fn links(records: Vec<LinkRecord>) -> Vec<LinkMessage> {
        records.into_iter().map(|r| LinkMessage::parse(&r.bytes()).expect("a link message")).collect()
    }

    fn names(found: &[LinkInfo], of: impl Fn(&LinkInfo) -> bool) -> Vec<&str> {
        found.iter().filter(|link| of(link)).map(|link| link.name.as_str()).collect()
    }

    #[test]
    fn what_sits_on_an_interface_is_found_but_a_veths_peer_is_beside_it() {
        let found = assemble(
            &links(vec![
                LinkRecord::new(2, "eth1"),
                LinkRecord::new(3, "eth1.5").number(5, 2).driver("vlan", &[]),
                LinkRecord::new(4, "v0").number(5, 5).driver("veth", &[]),
                LinkRecord::new(5, "v1").number(5, 4).driver("veth", &[]),
                LinkRecord::new(6, "eth2").number(10, 9),
            ]),
            &[],
            &[],
            "",
        );
        assert_eq!(found[0].uppers, ["eth1.5"]);
        assert_eq!(found[1].lower.as_deref(), Some("eth1"));
        assert_eq!(names(&found, |link| usable(link).is_ok()), ["v0", "v1"]);
        let master = found[4].master.as_ref().expect("a master that isn't listed is a master all the same");
        assert_eq!(master.name, "#9");
    }

    #[test]
    fn addresses_count_except_for_link_local_ipv6() {
        let net = |link, addr: &str| AddressMessage { link, addr: addr.parse().unwrap(), prefix_len: 24 };
        let addresses = [net(2, "fe80::1"), net(3, "10.0.0.1"), net(4, "2001:db8::1"), net(5, "169.254.0.1")];
        let records = [2, 3, 4, 5].map(|i| LinkRecord::new(i, &format!("eth{i}"))).into_iter().collect();
        let found = assemble(&links(records), &addresses, &[], "");
        assert_eq!(names(&found, |link| link.addresses.is_empty()), ["eth2"]);
    }

    #[test]
    fn pppoe_sessions_are_counted_by_the_interface_below_them() {
        let table = "Id       Address              Device\n\
                     00000700 02:00:00:00:00:01     eth1\n00000800 02:00:00:00:00:01     eth1\n";
        assert_eq!(pppoe_sessions(table, "eth1"), 2);
        assert_eq!(pppoe_sessions(table, "eth"), 0);
        assert_eq!(pppoe_sessions("", "eth1"), 0);
    }

    #[test]
    fn sysfs_counts_only_if_it_is_of_this_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let wlan = folder.path().join("wlan0");
        fs::create_dir_all(wlan.join("phy80211")).unwrap();
        fs::write(wlan.join("uevent"), "DEVTYPE=wlan\nINTERFACE=wlan0\nIFINDEX=3\n").unwrap();
        let mut here = KindAttributes::default();
        read_sysfs(folder.path(), 3, "wlan0", &mut here);
        assert_eq!((here.devtype.as_deref(), here.wireless), (Some("wlan"), true));
        let mut elsewhere = KindAttributes::default();
        read_sysfs(folder.path(), 4, "wlan0", &mut elsewhere);
        assert_eq!(elsewhere, KindAttributes::default());
    }
}
