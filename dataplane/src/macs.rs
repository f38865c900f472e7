//! Which MAC each port sends from.
//!
//! One for all, the router's, lets the same frame go out of every port. A port that may not send from another's has its
//! device's own (`mac = "port"`): a VF under a spoof check, a hypervisor's port, a macvlan. On a macvlan that goes
//! without saying: it can send from no other, and who has one often does not know that it is one.

use links::LinkInfo;
use settings::{PortSettings, SourceMac};
use types::MacAddr;

use crate::assembly::PlacedPort;
use crate::failure::Failure;

/// What a device has to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceMac {
    /// Its own; `None` while it is not there.
    pub own: Option<MacAddr>,
    /// It can send from no other.
    pub fixed: bool,
}

impl DeviceMac {
    /// Of a device that is not there.
    pub(crate) const MISSING: Self = Self { own: None, fixed: false };

    /// Of a device with or without kernel interface; `own` is what its driver says.
    pub(crate) fn of(own: MacAddr, link: Option<&LinkInfo>) -> Self {
        link.map_or(Self { own: Some(own), fixed: false }, |link| Self {
            own: Some(link.mac.unwrap_or(own)),
            ..link.into()
        })
    }

    /// The MAC of its own that a port sends from; `None` where that is the router's.
    ///
    /// # Errors
    /// The settings want the router's, `router_mac`, from a device that cannot, or its own from one that has none: why, and
    /// the cure.
    pub(crate) fn of_port(
        self,
        settings: &PortSettings,
        router_mac: MacAddr,
    ) -> Result<Option<MacAddr>, String> {
        match settings.mac {
            // Some virtual devices say zero.
            Some(SourceMac::Port) if self.own == Some(MacAddr::ZERO) => Err(format!(
                "{} has no MAC of its own, and `mac` is \"port\"; leave it out, or set it to \"router\"",
                settings.device
            )),
            Some(SourceMac::Port) => Ok(self.own),
            Some(SourceMac::Router) if self.fixed && self.own != Some(router_mac) => Err(format!(
                "{} is a macvlan, which sends from its own MAC only, and `mac` is \"router\"; leave it out, or set it to \
                 \"port\"",
                settings.device
            )),
            Some(SourceMac::Router) => Ok(None),
            None => Ok(self.own.filter(|_| self.fixed)),
        }
    }
}

impl From<&LinkInfo> for DeviceMac {
    fn from(link: &LinkInfo) -> Self {
        Self { own: link.mac, fixed: link.kind.needs_own_mac() }
    }
}

/// Whether a kernel interface can send from what its port's settings say.
///
/// # Errors
/// It cannot: why, and the cure.
pub(crate) fn check_mac(
    settings: &PortSettings,
    link: Option<&LinkInfo>,
    router_mac: MacAddr,
) -> Result<(), Failure> {
    let mac = link.map_or(DeviceMac::MISSING, DeviceMac::from);
    mac.of_port(settings, router_mac).map(|_| ()).map_err(|what| Failure::of_port(settings, what))
}

impl PlacedPort<'_> {
    /// The MAC of its own that it sends from; `None` where that is the router's.
    pub(crate) fn own_mac(&self, router_mac: MacAddr) -> Option<MacAddr> {
        // A port that cannot do what it is told is not in service.
        self.facts.mac.of_port(self.settings, router_mac).ok().flatten()
    }
}

/// The MACs that any port sends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OurMacs {
    /// Of all ports that have none of their own.
    pub router: MacAddr,
    /// Of those that have.
    pub own: Vec<MacAddr>,
}

impl OurMacs {
    /// Those of `ports`, which are all.
    pub(crate) fn of<'a>(ports: impl IntoIterator<Item = PlacedPort<'a>>, router: MacAddr) -> Self {
        let mut own: Vec<_> = ports.into_iter().filter_map(|port| port.own_mac(router)).collect();
        own.sort_unstable();
        own.dedup();
        Self { router, own }
    }

    /// All but `mac`.
    pub(crate) fn but(&self, mac: MacAddr) -> Vec<MacAddr> {
        [self.router].iter().chain(&self.own).copied().filter(|other| *other != mac).collect()
    }
}

impl OurMacs {
    /// What goes out of `port` is from this; `None` where that is the router's.
    pub(crate) fn of_egress(&self, port: PlacedPort<'_>) -> Option<MacAddr> {
        port.own_mac(self.router).filter(|mac| *mac != self.router)
    }
}

#[cfg(test)]
mod tests {
    use types::PortIndex;

    use super::*;
    use crate::assembly::PortFacts;

    const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn port(mac: &str) -> PortSettings {
        let text = format!("[[port]]\nname = \"a\"\ndevice = \"mv0\"\n{mac}\n");
        settings::parse(&text, "test.toml").unwrap().ports.remove(0)
    }

    #[test]
    fn a_port_sends_from_the_routers_mac_unless_told_otherwise_or_unable() {
        let (nic, macvlan) =
            (DeviceMac { own: Some(OWN), fixed: false }, DeviceMac { own: Some(OWN), fixed: true });
        for (mac, of_nic, of_macvlan) in [("", None, Some(OWN)), ("mac = \"port\"", Some(OWN), Some(OWN))] {
            assert_eq!(nic.of_port(&port(mac), ROUTER), Ok(of_nic), "{mac}");
            assert_eq!(macvlan.of_port(&port(mac), ROUTER), Ok(of_macvlan), "{mac}");
        }
        let router = port("mac = \"router\"");
        assert_eq!(nic.of_port(&router, ROUTER), Ok(None));
        // With router-mac set to it, or on the provider's port.
        assert_eq!(macvlan.of_port(&router, OWN), Ok(None));
        assert_eq!(
            macvlan.of_port(&router, ROUTER).unwrap_err(),
            "mv0 is a macvlan, which sends from its own MAC only, and `mac` is \"router\"; leave it out, or set it to \
             \"port\""
        );
        let ring = DeviceMac { own: Some(MacAddr::ZERO), fixed: false };
        assert_eq!(
            ring.of_port(&port("mac = \"port\""), ROUTER).unwrap_err(),
            "mv0 has no MAC of its own, and `mac` is \"port\"; leave it out, or set it to \"router\""
        );
        assert_eq!(ring.of_port(&port(""), ROUTER), Ok(None));
        assert_eq!(DeviceMac::MISSING.of_port(&port("mac = \"port\""), ROUTER), Ok(None));
    }

    #[test]
    fn our_macs_are_the_routers_and_each_of_the_ports() {
        let settings = port("mac = \"port\"");
        let facts =
            |own| PortFacts { mac: DeviceMac { own: Some(own), fixed: false }, ..PortFacts::missing() };
        let facts = [facts(OWN), facts(ROUTER), facts(OWN)];
        let index = PortIndex::new(0).unwrap();
        let ports = facts.iter().map(|facts| PlacedPort { index, settings: &settings, facts });
        let macs = OurMacs::of(ports, ROUTER);
        assert_eq!(macs.own, [ROUTER, OWN]);
        assert_eq!(macs.but(ROUTER), [OWN]);
        assert_eq!(macs.but(OWN), [ROUTER, ROUTER]);
    }
}
