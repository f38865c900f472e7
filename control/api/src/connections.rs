//! Everything on this machine that is, or could be, or could not be a port.

use serde::{Deserialize, Serialize};
use types::MacAddr;

use crate::reply::PortRole;
use crate::text;

/// Every connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConnectionsReply {
    /// Kernel interfaces in the kernel's order, the loopback interface left out, then NICs that DPDK's drivers have, then
    /// ports on anything else.
    pub connections: Vec<ConnectionView>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConnectionView {
    /// What a port's `device` names it by: `eth1`, `0000:3b:00.0`.
    pub device: String,
    /// What it is to the machine.
    pub source: ConnectionSource,
    /// Its kind in one word, for programs: of kernel interfaces `ethernet`, `veth`, `tap`, `macvlan`, which can be
    /// ports; `vlan`, `ppp`, `l2tp`, `bridge`, `wireguard` and the like, and `other`, which cannot; `missing` where it is
    /// not there. Of the others, `pci` or `vdev`.
    pub kind: String,
    /// Its kind in words: `Ethernet`, `PPP (PPPoE, PPTP or L2TP)`; of NICs, the driver that has it.
    pub kind_text: String,
    /// Its hardware address, where one is known.
    #[serde(with = "text::option")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub mac: Option<MacAddr>,
    /// Whether it has carrier; `null` where nobody knows.
    pub carrier: Option<bool>,
    /// The machine's own addresses on it, with prefix lengths; IPv6 link-local ones are left off.
    pub addresses: Vec<String>,
    /// Whether a default route of the machine leads over it.
    pub default_route: bool,
    /// The port that has it.
    pub port: Option<String>,
    /// What that port is for.
    pub role: Option<PortRole>,
    /// Whether it is a port, or could be one as it stands.
    pub usable: bool,
    /// Everything that keeps it from being a port, in the order in which to cure it.
    pub obstacles: Vec<Obstacle>,
}

/// What a connection is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionSource {
    /// An interface of the kernel's.
    Kernel,
    /// A NIC that was taken from the kernel, for DPDK.
    Pci,
    /// A virtual device of DPDK's.
    Vdev,
}

impl ConnectionSource {
    /// The word in the `source` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Pci => "pci",
            Self::Vdev => "vdev",
        }
    }
}

/// What keeps a connection from being a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Obstacle {
    /// What it is, for programs.
    pub what: ObstacleKind,
    /// What it is about: the interface below one that is not taken, the master, the interfaces on top, the addresses,
    /// the number of sessions, the port that waits.
    pub about: Vec<String>,
    /// Why it is in the way, as a clause of English that follows the connection's name: `belongs to ...`.
    pub reason: String,
    /// What would cure it: commands to type, or a sentence of English.
    pub cure: String,
}

/// What keeps a connection from being a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ObstacleKind {
    /// Its kind: no Ethernet, or none of its own.
    Kind,
    /// It belongs to a bridge, a bond, a switch.
    Master,
    /// Other interfaces are on top of it.
    Uppers,
    /// PPPoE sessions run over it.
    Pppoe,
    /// It carries the machine's own addresses.
    Addresses,
    /// It leads to the machine's default route.
    DefaultRoute,
    /// DPDK was started without PCI devices.
    NoPci,
    /// A port is to have it, and it is not there.
    Gone,
}

impl ObstacleKind {
    /// The word in the `what` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Master => "master",
            Self::Uppers => "uppers",
            Self::Pppoe => "pppoe",
            Self::Addresses => "addresses",
            Self::DefaultRoute => "default-route",
            Self::NoPci => "no-pci",
            Self::Gone => "gone",
        }
    }
}
