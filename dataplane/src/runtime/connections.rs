//! Every connection of the machine, for whoever offers them: kernel interfaces, NICs that DPDK's drivers have, and what
//! ports run on. Looked at when somebody asks, beside all other threads.

use std::fs;
use std::path::Path;

use api::{ConnectionSource, ConnectionView, LinkState, Obstacle, ObstacleKind, PortView};
use links::{LinkInfo, LinkKind, RefusalReason, refusals};
use settings::Device;

/// Drivers that take a NIC from the kernel, for DPDK.
const PCI_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Where the kernel tells which driver has which device.
const PCI_ROOT: &str = "/sys/bus/pci/drivers";
/// What a PCI device's class begins with if it is a network controller.
const NETWORK_CLASS: &str = "0x02";
const NO_PCI: &str = "cannot be opened, as DPDK was started without PCI devices";
const NO_PCI_CURE: &str = "put it into the administrator's file, reserve hugepages, and restart";

/// A NIC that a driver of DPDK's has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nic {
    address: String,
    driver: &'static str,
}

/// Every connection, with the ports that there are.
///
/// # Errors
/// The kernel does not tell its interfaces.
pub(super) fn connections(
    ports: &[PortView],
    can_pci: bool,
) -> Result<Vec<ConnectionView>, links::LinkError> {
    Ok(assemble(&links::list()?, &nics(Path::new(PCI_ROOT)), ports, can_pci))
}

/// The NICs that DPDK's drivers have, by their addresses.
fn nics(root: &Path) -> Vec<Nic> {
    let of_driver = |driver: &'static str| {
        let entries = fs::read_dir(root.join(driver)).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let class = fs::read_to_string(entry.path().join("class")).ok()?;
            let address = entry.file_name().into_string().ok()?;
            class.starts_with(NETWORK_CLASS).then_some(Nic { address, driver })
        })
    };
    let mut nics: Vec<_> = PCI_DRIVERS.into_iter().flat_map(of_driver).collect();
    nics.sort_by(|a, b| a.address.cmp(&b.address));
    nics
}

fn assemble(links: &[LinkInfo], nics: &[Nic], ports: &[PortView], can_pci: bool) -> Vec<ConnectionView> {
    let devices: Vec<(&PortView, Option<Device>)> =
        ports.iter().map(|port| (port, port.device.parse().ok())).collect();
    let mut told = Vec::new();
    let mut found: Vec<ConnectionView> = Vec::new();
    for link in links.iter().filter(|link| link.kind != LinkKind::Loopback) {
        let has = |name: &str| name == link.name || link.altnames.iter().any(|alt| alt == name);
        let port = devices
            .iter()
            .find(|(_, device)| device.as_ref().and_then(Device::kernel_interface).is_some_and(has));
        told.extend(port.map(|(port, _)| port.name.as_str()));
        found.push(kernel(link, port.map(|(port, _)| *port)));
    }
    for nic in nics {
        let port = ports.iter().find(|port| port.device == nic.address);
        told.extend(port.map(|port| port.name.as_str()));
        found.push(pci(&nic.address, nic.driver, port, can_pci));
    }
    for (port, device) in devices.iter().filter(|(port, _)| !told.contains(&port.name.as_str())) {
        found.push(match device {
            Some(Device::Pci(_)) => pci(&port.device, &port.driver, Some(port), can_pci),
            Some(device) if device.kernel_interface().is_some() => missing(port),
            Some(Device::Kernel(_) | Device::Vdev(_)) | None => vdev(port),
        });
    }
    found
}

/// What all connections have alike.
fn blank(device: &str, source: ConnectionSource, port: Option<&PortView>) -> ConnectionView {
    ConnectionView {
        device: device.to_owned(),
        source,
        kind: source.name().to_owned(),
        kind_text: String::new(),
        mac: None,
        carrier: port.map(|port| port.link == LinkState::Up),
        addresses: Vec::new(),
        default_route: false,
        port: port.map(|port| port.name.clone()),
        role: port.map(|port| port.role),
        usable: true,
        obstacles: Vec::new(),
    }
}

fn kernel(link: &LinkInfo, port: Option<&PortView>) -> ConnectionView {
    let obstacles: Vec<_> = refusals(link)
        .iter()
        .map(|refusal| Obstacle {
            what: obstacle_kind(&refusal.reason),
            about: about(&refusal.reason),
            reason: refusal.why(),
            cure: refusal.cure(),
        })
        .collect();
    ConnectionView {
        kind: link.kind.word().to_owned(),
        kind_text: link.kind.name().to_owned(),
        mac: link.mac,
        carrier: Some(link.up),
        addresses: link.addresses.iter().map(ToString::to_string).collect(),
        default_route: !link.default_routes.is_empty(),
        usable: obstacles.is_empty(),
        obstacles,
        ..blank(&link.name, ConnectionSource::Kernel, port)
    }
}

fn obstacle_kind(reason: &RefusalReason) -> ObstacleKind {
    match reason {
        RefusalReason::Kind { .. } => ObstacleKind::Kind,
        RefusalReason::Master { .. } => ObstacleKind::Master,
        RefusalReason::Uppers(_) => ObstacleKind::Uppers,
        RefusalReason::Pppoe(_) => ObstacleKind::Pppoe,
        RefusalReason::Addresses(_) => ObstacleKind::Addresses,
        RefusalReason::DefaultRoutes(_) => ObstacleKind::DefaultRoute,
    }
}

fn about(reason: &RefusalReason) -> Vec<String> {
    match reason {
        RefusalReason::Kind { lower } => lower.iter().cloned().collect(),
        RefusalReason::Master { name, .. } => vec![name.clone()],
        RefusalReason::Uppers(uppers) => uppers.clone(),
        RefusalReason::Pppoe(sessions) => vec![sessions.to_string()],
        RefusalReason::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
        RefusalReason::DefaultRoutes(_) => Vec::new(),
    }
}

fn pci(address: &str, driver: &str, port: Option<&PortView>, can_pci: bool) -> ConnectionView {
    let refused = !can_pci && port.is_none();
    let obstacle = refused.then(|| Obstacle {
        what: ObstacleKind::NoPci,
        about: Vec::new(),
        reason: NO_PCI.to_owned(),
        cure: NO_PCI_CURE.to_owned(),
    });
    ConnectionView {
        kind_text: driver.to_owned(),
        usable: !refused,
        obstacles: obstacle.into_iter().collect(),
        ..blank(address, ConnectionSource::Pci, port)
    }
}

/// A kernel interface that a port waits for.
fn missing(port: &PortView) -> ConnectionView {
    let obstacle = Obstacle {
        what: ObstacleKind::Gone,
        about: vec![port.name.clone()],
        reason: format!("is not there: port \"{}\" waits for it", port.name),
        cure: "make it again, and the port takes it".to_owned(),
    };
    ConnectionView {
        kind: "missing".to_owned(),
        kind_text: "missing".to_owned(),
        usable: false,
        obstacles: vec![obstacle],
        ..blank(&port.device, ConnectionSource::Kernel, Some(port))
    }
}

/// A device of DPDK's: its driver alone names it, its arguments are files.
fn vdev(port: &PortView) -> ConnectionView {
    let name = port.device.split(',').next().unwrap_or_default();
    ConnectionView { kind_text: port.driver.clone(), ..blank(name, ConnectionSource::Vdev, Some(port)) }
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::{Outage, PortRole};
    use links::{DefaultRoute, Master};

    use super::*;

    fn link(name: &str, kind: LinkKind) -> LinkInfo {
        LinkInfo {
            index: 7,
            name: name.to_owned(),
            altnames: vec![format!("{name}-alt")],
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

    pub(super) fn port(name: &str, device: &str) -> PortView {
        PortView {
            name: name.to_owned(),
            device: device.to_owned(),
            driver: "net_x".to_owned(),
            role: PortRole::Client,
            link: LinkState::Up,
            outage: None,
            mac: types::MacAddr::ZERO,
            address: None,
            querier: None,
            last_query: None,
            policies: BTreeMap::new(),
            groups: 0,
            max_groups: None,
            rx_frames: 0,
            rx_bytes: 0,
            tx_frames: 0,
            tx_bytes: 0,
            drops: 0,
            losses: 0,
        }
    }

    /// Device, kind, port, and what is in the way.
    fn told(found: &[ConnectionView]) -> Vec<(&str, &str, Option<&str>, Vec<ObstacleKind>)> {
        found
            .iter()
            .map(|view| {
                assert_eq!(view.usable, view.obstacles.is_empty());
                let obstacles = view.obstacles.iter().map(|obstacle| obstacle.what).collect();
                (view.device.as_str(), view.kind.as_str(), view.port.as_deref(), obstacles)
            })
            .collect()
    }

    #[test]
    fn what_could_be_a_port_and_what_could_not_are_told_apart_by_their_reasons() {
        use ObstacleKind::{Addresses, DefaultRoute as Route, Kind, Master as Member, Pppoe, Uppers};
        let net = links::IpNet { addr: "10.0.0.9".parse().unwrap(), prefix_len: 24 };
        let route = DefaultRoute { ipv6: false, table: 254, metric: 0, multipath: false };
        let links = [
            link("lo", LinkKind::Loopback),
            link("eth1", LinkKind::Ethernet),
            LinkInfo { lower: Some("eth1".to_owned()), ..link("eth1.5", LinkKind::Vlan) },
            link("ppp0", LinkKind::Ppp),
            link("br0", LinkKind::Bridge),
            link("wg0", LinkKind::Wireguard),
            LinkInfo {
                master: Some(Master { name: "br0".to_owned(), kind: LinkKind::Bridge }),
                ..link("eth2", LinkKind::Ethernet)
            },
            LinkInfo {
                uppers: vec!["eth3.5".to_owned()],
                pppoe_sessions: 1,
                addresses: vec![net],
                default_routes: vec![route],
                ..link("eth3", LinkKind::Ethernet)
            },
        ];
        let found = assemble(&links, &[], &[port("hall-a", "eth1-alt")], false);
        assert_eq!(
            told(&found),
            [
                ("eth1", "ethernet", Some("hall-a"), vec![]),
                ("eth1.5", "vlan", None, vec![Kind]),
                ("ppp0", "ppp", None, vec![Kind]),
                ("br0", "bridge", None, vec![Kind]),
                ("wg0", "wireguard", None, vec![Kind]),
                ("eth2", "ethernet", None, vec![Member]),
                ("eth3", "ethernet", None, vec![Uppers, Pppoe, Addresses, Route]),
            ]
        );
        assert_eq!(found[6].addresses, ["10.0.0.9/24"]);
        assert!(found[6].default_route && !found[0].default_route);
        assert!(found[1].obstacles[0].cure.contains("use `eth1`"), "{:?}", found[1]);
        assert_eq!(found[1].obstacles[0].about, ["eth1"]);
        let about: Vec<_> = found[6].obstacles.iter().map(|obstacle| obstacle.about.join(" ")).collect();
        assert_eq!(about, ["eth3.5", "1", "10.0.0.9/24", ""]);
    }

    #[test]
    fn nics_of_dpdks_drivers_and_ports_on_anything_else_are_told_too() {
        let nic = |address: &str| Nic { address: address.to_owned(), driver: "vfio-pci" };
        let nics = [nic("0000:3b:00.0"), nic("0000:3b:00.1")];
        let gone = PortView {
            outage: Some(Outage::Gone),
            link: LinkState::Down,
            ..port("hall-c", "net_af_packet0,iface=eth9")
        };
        let ports = [port("wan", "0000:3b:00.0"), port("hall-b", "net_pcap0,rx_pcap=/secret/in.pcap"), gone];
        let found = assemble(&[], &nics, &ports, false);
        assert_eq!(
            told(&found),
            [
                ("0000:3b:00.0", "pci", Some("wan"), vec![]),
                ("0000:3b:00.1", "pci", None, vec![ObstacleKind::NoPci]),
                ("net_pcap0", "vdev", Some("hall-b"), vec![]),
                ("net_af_packet0,iface=eth9", "missing", Some("hall-c"), vec![ObstacleKind::Gone]),
            ]
        );
        assert_eq!((found[1].carrier, found[3].carrier), (None, Some(false)));
        assert!(told(&assemble(&[], &nics, &ports, true))[1].3.is_empty());
    }

    #[test]
    fn only_network_controllers_are_nics() {
        let root = std::env::temp_dir().join(format!("manifold-pci-{}", std::process::id()));
        let device = |driver: &str, address: &str, class: &str| {
            let folder = root.join(driver).join(address);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("class"), class).unwrap();
        };
        device("vfio-pci", "0000:3b:00.1", "0x020000\n");
        device("vfio-pci", "0000:01:00.0", "0x030000\n");
        device("uio_pci_generic", "0000:3b:00.0", "0x020000\n");
        device("ixgbe", "0000:3b:00.2", "0x020000\n");
        fs::write(root.join("vfio-pci/bind"), "").unwrap();
        let found = nics(&root);
        fs::remove_dir_all(&root).unwrap();
        let nic = |address: &str, driver| Nic { address: address.to_owned(), driver };
        assert_eq!(found, [nic("0000:3b:00.0", "uio_pci_generic"), nic("0000:3b:00.1", "vfio-pci")]);
        assert!(nics(Path::new("/nowhere")).is_empty());
    }
}
