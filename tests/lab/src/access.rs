//! A client subnet: an access bridge between a router's port and hosts.

use crate::{Host, Lab, LabError, Netns};
use types::Ipv4Net;

/// The bridge, and its port towards the router.
const BRIDGE: &str = "access";
const UPLINK: &str = "uplink";

/// A bridge that floods all multicast (no snooping), its uplink cabled to a router's port. A host can be cut
/// off while the router's carrier stays.
#[derive(Debug)]
pub struct AccessNet {
    netns: Netns,
}

impl AccessNet {
    /// Makes the bridge in a namespace of its own; its uplink ends as interface `router.1` in `router.0`.
    ///
    /// # Errors
    /// When a name is taken, or the kernel refuses.
    pub fn new(lab: &Lab, name: &str, router: (&Netns, &str)) -> Result<Self, LabError> {
        let netns = lab.netns(name)?;
        netns.ip(&format!("link add {BRIDGE} type bridge mcast_snooping 0 stp_state 0"))?;
        netns.ip(&format!("link set {BRIDGE} up"))?;
        lab.veth((&netns, UPLINK), router)?;
        netns.ip(&format!("link set {UPLINK} master {BRIDGE}"))?;
        Ok(Self { netns })
    }

    /// Adds a host; its bridge port has its name (at most 15 bytes).
    ///
    /// # Errors
    /// As [`Host::attach`].
    pub fn host(&self, lab: &Lab, name: &str, address: Ipv4Net) -> Result<Host, LabError> {
        let host = Host::attach(lab, name, address, (&self.netns, name))?;
        self.netns.ip(&format!("link set {name} master {BRIDGE}"))?;
        Ok(host)
    }

    /// The bridge's namespace.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The bridge's own interface.
    pub(crate) fn bridge(&self) -> &'static str {
        BRIDGE
    }

    /// The bridge's port towards the router: what comes in there, the router sent.
    pub fn uplink(&self) -> &'static str {
        UPLINK
    }

    /// Takes the host's bridge port down, as if its cable were pulled; nobody else notices.
    ///
    /// # Errors
    /// When the host is not on this bridge.
    pub fn cut_off(&self, host: &Host) -> Result<(), LabError> {
        self.netns.ip(&format!("link set {} down", host.name())).map(|_| ())
    }

    /// Undoes [`AccessNet::cut_off`].
    ///
    /// # Errors
    /// When the host is not on this bridge.
    pub fn reconnect(&self, host: &Host) -> Result<(), LabError> {
        self.netns.ip(&format!("link set {} up", host.name())).map(|_| ())
    }
}
