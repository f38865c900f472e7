//! The ports there are, each at its place for as long as it lives.
//!
//! The order of the settings' file says nothing of a port's place in the tables: that goes by its name, so that
//! nothing moves when a port comes or goes.

use std::time::Instant;

use api::Outage;
use dpdk::{Port, Queues};
use forwarding::IngressSettings;
use links::LinkInfo;
use settings::{PortSettings, Settings};
use types::{MAX_PORTS, MacAddr, PortIndex};

use crate::assembly::{PlacedPort, PortFacts, ingress};
use crate::crew::Intake;
use crate::drivers::AF_XDP;
use crate::failure::Failure;
use crate::losses::LossMeter;
use crate::macs::{DeviceMac, OurMacs};
use crate::ports::{detach, kernel_mtu};
use crate::retry::Retry;

/// A port of the running settings.
pub(crate) struct ServedPort {
    /// Its place in every table.
    pub(crate) index: PortIndex,
    /// What it was told.
    pub(crate) settings: PortSettings,
    /// What its device turned out to be.
    pub(crate) facts: PortFacts,
    /// Its kernel interface; `None` when its device is none, or while it is gone.
    pub(crate) link: Option<LinkInfo>,
    /// `None` while it is out of service.
    pub(crate) port: Option<Port>,
    /// When it is tried again while it cannot be had.
    pub(crate) retry: Retry,
    /// Which workers receive what comes in by it, as long as it is in service.
    pub(crate) intake: Intake,
    /// What the workers were told of it; `None` when they do not know the port yet.
    pub(crate) told: Option<Told>,
    /// What it lost outside the workers.
    pub(crate) losses: LossMeter,
}

/// What workers know of a port besides its queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Of frames that come in.
    pub(crate) ingress: IngressSettings,
    /// The longest IP packet that goes out, in bytes.
    pub(crate) mtu: u16,
}

impl Told {
    /// What it should know of `port`.
    pub(crate) fn of(settings: &Settings, port: PlacedPort<'_>, macs: &OurMacs) -> Self {
        Self { ingress: ingress(settings, port, macs), mtu: port.facts.mtu }
    }
}

impl ServedPort {
    /// One in service, or about to be.
    pub(crate) fn new(
        index: PortIndex,
        settings: PortSettings,
        link: Option<LinkInfo>,
        facts: PortFacts,
    ) -> Self {
        let (port, retry, intake, told) = (None, Retry::default(), Intake::One, None);
        let losses = LossMeter::default();
        Self { index, settings, facts, link, port, retry, intake, told, losses }
    }

    /// One whose interface cannot be had yet, or that DPDK does not start on it.
    pub(crate) fn waiting(
        index: PortIndex,
        settings: PortSettings,
        link: Option<LinkInfo>,
        failure: Failure,
        now: Instant,
    ) -> Self {
        let facts = link.as_ref().map_or_else(PortFacts::missing, |link| PortFacts {
            mtu: kernel_mtu(&settings, link.mtu),
            mac: DeviceMac::from(link),
            kernel_mac: link.mac,
            ..PortFacts::missing()
        });
        let mut port = Self::new(index, settings, link, facts);
        port.wait_for(failure, now);
        if !port.is_missing() {
            port.retry.fail(now);
        }
        port
    }

    /// Whether the kernel tells of its carrier.
    pub(crate) fn is_kernel(&self) -> bool {
        self.settings.device.kernel_interface().is_some()
    }

    /// Whether it waits for an interface that is gone.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_kernel() && self.link.is_none()
    }

    /// Whether it stays open now that its link is gone: without carrier the kernel drops what af_xdp gives it, and nothing
    /// stale is sent later. What it gives to an interface that somebody set down waits, so such a port is closed, if it can
    /// be opened again.
    pub(crate) fn stays_open(&self) -> bool {
        let now = || links::inspect(&self.link.as_ref()?.name).ok();
        self.has_own_pool() && (!dpdk::AF_XDP_IS_MENDED || now().is_some_and(|link| link.admin_up))
    }

    /// Whether it is open, and receives into buffers of its own.
    pub(crate) fn has_own_pool(&self) -> bool {
        self.port.as_ref().is_some_and(|port| port.info().driver == AF_XDP)
    }

    /// Whether it is in service.
    pub(crate) fn is_open(&self) -> bool {
        self.port.is_some()
    }

    /// The carrier, as its driver says; `None` when out of service, or when the driver does not know.
    pub(crate) fn driver_link(&self) -> Option<bool> {
        self.port.as_ref()?.link().ok().map(|link| link.up)
    }

    /// It stays out of service until that is cured; the log says so once, and after a long time again. Whether that is
    /// news.
    pub(crate) fn wait_for(&mut self, failure: Failure, now: Instant) -> bool {
        let failure = failure.written(&self.settings);
        let outage = Some(Outage::Refused(failure.to_string()));
        let is_new = self.facts.outage != outage;
        match self.retry.tell(now, is_new) {
            Some(0) => tracing::warn!("{failure}; the port waits for that, the others go on"),
            Some(times) => {
                tracing::warn!(
                    "{failure}; the port still waits for that, found so {times} times since this was told"
                );
            }
            None => tracing::debug!(port = self.settings.name, "the port still waits"),
        }
        self.facts.outage = outage;
        is_new
    }

    /// Its interface is this, or is so by now. The facts of it are; the workers and the control thread do not know.
    pub(crate) fn have(&mut self, link: LinkInfo) {
        self.facts.mac = DeviceMac::from(&link);
        self.facts.kernel_mac = link.mac;
        if self.link.as_ref().is_none_or(|before| before.mtu != link.mtu) {
            self.facts.mtu = kernel_mtu(&self.settings, link.mtu);
        }
        self.link = Some(link);
    }

    /// Takes the port out of service, its queues handed back by the workers, and its rings with it.
    pub(crate) fn close(&mut self, queues: Queues) {
        if let Some(port) = self.port.take() {
            self.losses.close(&port);
            detach(&self.settings, port, queues);
        }
    }

    /// What it loses counts from now on: the workers fetch what comes in.
    pub(crate) fn count_from_now(&mut self) {
        if let Some(port) = &self.port {
            self.losses.begin(port);
        }
    }

    /// Has the driver take what is sent to the MAC that the settings now give the port.
    pub(crate) fn follow_mac(&mut self, router_mac: MacAddr) {
        let mac = self.placed().own_mac(router_mac).unwrap_or(router_mac);
        let Some(port) = &mut self.port else { return };
        match port.set_router_mac(mac) {
            Ok(unicast) => tracing::info!(port = self.settings.name, %mac, ?unicast, "MAC"),
            Err(error) => tracing::warn!(port = self.settings.name, %mac, %error, "MAC not taken"),
        }
    }

    /// For the tables.
    pub(crate) fn placed(&self) -> PlacedPort<'_> {
        PlacedPort { index: self.index, settings: &self.settings, facts: &self.facts }
    }
}

/// Every port there is.
#[derive(Default)]
pub(crate) struct Inventory {
    ports: Vec<ServedPort>,
    /// Where the search for a place begins: after the last one given, so that a place rests as long as can be.
    next: usize,
}

impl Inventory {
    /// A place that no port has; `None` when all are taken.
    pub(crate) fn free_place(&mut self) -> Option<PortIndex> {
        let free = (0..MAX_PORTS).map(|step| (self.next + step) % MAX_PORTS).find_map(|place| {
            let index = PortIndex::new(place)?;
            (!self.ports.iter().any(|port| port.index == index)).then_some(index)
        })?;
        self.next = free.get() + 1;
        Some(free)
    }

    /// Adds a port at a place of [`free_place`](Self::free_place).
    pub(crate) fn insert(&mut self, port: ServedPort) {
        debug_assert!(self.get(port.index).is_none(), "one port a place");
        self.ports.push(port);
    }

    /// Takes a port out; its place is free.
    pub(crate) fn remove(&mut self, index: PortIndex) -> Option<ServedPort> {
        let at = self.ports.iter().position(|port| port.index == index)?;
        Some(self.ports.remove(at))
    }

    /// Every port, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServedPort> {
        self.ports.iter()
    }

    /// Every port, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ServedPort> {
        self.ports.iter_mut()
    }

    /// All of them, at the end.
    pub(crate) fn into_ports(self) -> Vec<ServedPort> {
        self.ports
    }

    /// The port at a place.
    pub(crate) fn get(&self, index: PortIndex) -> Option<&ServedPort> {
        self.ports.iter().find(|port| port.index == index)
    }

    /// The port at a place.
    pub(crate) fn get_mut(&mut self, index: PortIndex) -> Option<&mut ServedPort> {
        self.ports.iter_mut().find(|port| port.index == index)
    }

    /// The port of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&ServedPort> {
        self.ports.iter().find(|port| port.settings.name == name)
    }

    /// The port that has the kernel's interface of that index.
    pub(crate) fn on_interface(&self, interface: u32) -> Option<&ServedPort> {
        self.ports.iter().find(|port| port.link.as_ref().is_some_and(|link| link.index == interface))
    }

    /// The workers were told of every port, as things are.
    pub(crate) fn note_told(&mut self, settings: &Settings, router_mac: MacAddr) {
        let macs = self.macs(router_mac);
        for port in &mut self.ports {
            port.told = Some(Told::of(settings, port.placed(), &macs));
        }
    }

    /// What the ports send from.
    pub(crate) fn macs(&self, router_mac: MacAddr) -> OurMacs {
        OurMacs::of(self.ports.iter().map(ServedPort::placed), router_mac)
    }

    /// Every place with its port's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = (PortIndex, &str)> {
        self.ports.iter().map(|port| (port.index, port.settings.name.as_str()))
    }

    /// Interfaces in use, with the names of their ports.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (u32, &str)> {
        self.ports.iter().filter_map(|port| Some((port.link.as_ref()?.index, port.settings.name.as_str())))
    }

    /// The ports in the order of the settings' file, which is the order in which people are shown them.
    pub(crate) fn placed(&self, settings: &Settings) -> Vec<PlacedPort<'_>> {
        settings.ports.iter().filter_map(|port| Some(self.named(&port.name)?.placed())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(index: PortIndex) -> ServedPort {
        let text = "[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n";
        let settings = settings::parse(text, "test.toml").unwrap().ports.remove(0);
        ServedPort::new(index, settings, None, PortFacts::missing())
    }

    #[test]
    fn what_a_port_waits_for_is_news_once_and_when_it_is_another_thing() {
        let mut port = port(PortIndex::new(0).unwrap());
        let now = Instant::now();
        let mut is_news = |why: &str| port.wait_for(Failure::machine(why), now);
        let news = ["no memory", "no memory", "no right", "no right", "no memory"].map(&mut is_news);
        assert_eq!(news, [true, false, true, false, true]);
        assert_eq!(port.facts.outage, Some(Outage::Refused("test.toml:1:1: no memory".to_owned())));
    }

    #[test]
    fn a_place_that_became_free_rests_until_all_others_were_given() {
        let mut inventory = Inventory::default();
        let first = inventory.free_place().unwrap();
        inventory.insert(port(first));
        inventory.remove(first);
        for place in 1..MAX_PORTS {
            let index = inventory.free_place().unwrap();
            assert_eq!(index.get(), place);
            inventory.insert(port(index));
        }
        assert_eq!(inventory.free_place(), Some(first));
        inventory.insert(port(first));
        assert_eq!(inventory.free_place(), None);
    }
}
