//! A real Linux host: a namespace with one interface.

use crate::{Lab, LabError, Netns};
use types::{Ipv4Net, MacAddr};

/// The host's only interface.
const INTERFACE: &str = "eth0";

/// A namespace with one interface, an address, and all multicast going that way.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    netns: Netns,
    address: Ipv4Net,
}

impl Host {
    /// Makes a host whose cable ends as interface `at.1` in namespace `at.0`.
    ///
    /// # Errors
    /// When a name is taken, or the kernel refuses.
    pub fn attach(lab: &Lab, name: &str, address: Ipv4Net, at: (&Netns, &str)) -> Result<Self, LabError> {
        let netns = lab.netns(name)?;
        lab.veth((&netns, INTERFACE), at)?;
        netns.address(INTERFACE, address)?;
        Ok(Self { name: name.to_owned(), netns, address })
    }

    /// A namespace that already has its interface `eth0` with this address, as a host.
    pub fn existing(name: &str, netns: Netns, address: Ipv4Net) -> Self {
        Self { name: name.to_owned(), netns, address }
    }

    /// Its name within the lab.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Net {
        self.address
    }

    /// Its interface's name, the same on every host.
    pub fn interface(&self) -> &'static str {
        INTERFACE
    }

    /// Its MAC address.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn mac(&self) -> Result<MacAddr, LabError> {
        self.netns.mac(INTERFACE)
    }

    /// Has its kernel speak this version of IGMP whatever it hears: 1, 2 or 3.
    ///
    /// # Errors
    /// When the kernel does not know the version.
    pub fn force_igmp_version(&self, version: u8) -> Result<(), LabError> {
        let setting = format!("net/ipv4/conf/{INTERFACE}/force_igmp_version");
        self.netns.sysctl(&setting, &version.to_string())
    }
}
