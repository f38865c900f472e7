//! Carrier that comes and goes, and interfaces that vanish and come back.

use std::time::{Duration, Instant};

use api::Outage;
use dpdk::{HeldLog, Queues};
use links::{LinkChange, LinkEvent, LinkInfo};
use types::{MacAddr, PortIndex};

use super::Running;
use crate::assembly::{PortFacts, intake};
use crate::desk::Take;
use crate::failure::Failure;
use crate::interfaces::inspect;
use crate::inventory::ServedPort;
use crate::macs::check_mac;
use crate::ports::{Started, Try, kernel_mtu};
use crate::retry::Retry;

/// How often an interface that is there, and was refused, is looked at again: its owner may have cured it, which
/// no event tells.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Running {
    /// What changed between looking at the interfaces and watching them, of which no event tells: also which of them
    /// are the ports'.
    pub(super) fn adopt_carriers(&mut self) {
        let links = self.inventory.iter().filter_map(|port| Some((port.index, port.link.as_ref()?.index)));
        for (port, interface) in links.collect::<Vec<_>>() {
            self.follow_name(port, interface);
            if self.inventory.on_interface(interface).is_some_and(|served| served.index == port) {
                self.set_carrier(port, self.links.is_up(interface).unwrap_or(false));
            }
        }
    }

    pub(super) fn handle_link_event(&mut self, event: &LinkEvent) {
        let Some(index) = self.inventory.on_interface(event.index).map(|port| port.index) else {
            if matches!(event.change, LinkChange::Appeared | LinkChange::Renamed(_)) {
                let missing = self.inventory.iter_mut().filter(|served| served.is_missing());
                missing.for_each(|served| served.retry.hurry());
                self.look_for_missing(Instant::now());
            }
            return;
        };
        if let Some(served) = self.inventory.get_mut(index) {
            served.retry.hurry();
        }
        match &event.change {
            LinkChange::Up => self.set_carrier(index, true),
            LinkChange::Down => self.set_carrier(index, false),
            LinkChange::Vanished => self.lose_interface(index),
            LinkChange::MtuChanged(mtu) => self.follow_mtu(index, *mtu),
            LinkChange::MacChanged(mac) => self.follow_mac(index, *mac),
            LinkChange::Renamed(_) => self.follow_name(index, event.index),
            LinkChange::Appeared => {}
        }
    }

    /// The carrier of a kernel interface came or went. Gone: nothing goes there from now on, and one that would send what
    /// its ring holds later is closed with it. Back: a fresh port, if it was closed, and then the masks.
    pub(super) fn set_carrier(&mut self, index: PortIndex, up: bool) {
        match self.inventory.get_mut(index) {
            // One that failed just now is tried when it is time.
            Some(served) if up && !served.retry.is_due(Instant::now()) => {}
            _ if up => self.put_into_service(index),
            Some(served) if served.stays_open() => {
                served.facts.link_up = false;
                let _ = self.control.link(index, false);
            }
            Some(_) | None => {
                self.take_out_of_service(index);
            }
        }
    }

    /// How long workers stood still for it, in cycles.
    pub(super) fn take_out_of_service(&mut self, index: PortIndex) -> u64 {
        let _ = self.control.link(index, false);
        let Some(served) = self.inventory.get_mut(index) else { return 0 };
        served.facts.link_up = false;
        if !served.is_open() {
            return 0;
        }
        let handed = self.crew.take_out(index, Take::Queues);
        handed.map_or(0, |handed| handed.close(|queues| served.close(queues)))
    }

    /// Has the workers serve the queues of a port that was just started.
    pub(super) fn put_in(&mut self, index: PortIndex, queues: Queues) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        served.intake = intake(&self.settings, &served.settings);
        self.crew.put_in(index, queues, served.intake);
        // Before a worker answers again it has fetched from its new queues.
        self.crew.await_orders();
        served.count_from_now();
    }

    /// Has all workers receive from the port that the streams come in by now, and one from each other.
    pub(super) fn deal_anew(&mut self) {
        for served in self.inventory.iter_mut().filter(|served| served.is_open()) {
            let now = intake(&self.settings, &served.settings);
            if core::mem::replace(&mut served.intake, now) != now {
                self.crew.deal_anew(served.index, now);
            }
        }
    }

    /// While a port was closed, its interface may have got a program or an owner, of which no event tells: before it is
    /// opened, it is looked at anew.
    fn put_into_service(&mut self, index: PortIndex) {
        let closed = self.inventory.get(index).filter(|served| !served.is_open());
        let Some(had) = closed.and_then(|served| Some(served.link.as_ref()?.index)) else {
            return self.open_for_service(index);
        };
        match self.look_at(index) {
            Ok(Some(link)) if link.index == had => {
                self.follow_link(index, link);
                self.open_for_service(index);
            }
            // It is gone, or another, or somebody else's.
            Ok(_) | Err(_) => {
                self.give_up_interface(index);
                self.look_for_missing(Instant::now());
            }
        }
    }

    /// Opens a port that is not open, and has streams go there.
    fn open_for_service(&mut self, index: PortIndex) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        if !served.is_open() {
            let link = served.link.as_ref();
            let waits = served.facts.outage.is_some();
            if waits && self.devices.may_open(&served.settings, link).is_err() {
                // What it failed for at first is what is to be shown.
                return served.retry.fail(Instant::now());
            }
            // What DPDK says of a failure that was told before is not told again.
            let held = waits.then(HeldLog::begin);
            let which = if waits { Try::Again } else { Try::First };
            match self.devices.bring(&served.settings, link, which) {
                Ok(started) => {
                    held.into_iter().for_each(HeldLog::tell);
                    self.take_over(index, started);
                }
                Err(failure) => {
                    served.retry.fail(Instant::now());
                    if self.wait_for(index, failure) {
                        held.into_iter().for_each(HeldLog::tell);
                    }
                    return;
                }
            }
        }
        let Some(served) = self.inventory.get_mut(index) else { return };
        served.facts.link_up = true;
        let _ = self.control.link(index, true);
    }

    /// A port that was out of service runs: from here on it is served, as what its device turned out to be.
    fn take_over(&mut self, index: PortIndex, Started { port, queues, facts }: Started) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        (served.port, served.retry) = (Some(port), Retry::default());
        let before = served.facts.clone();
        served.facts.outage = None;
        served.facts.driver.clone_from(&facts.driver);
        if !served.is_kernel() {
            // Nobody could look at such a device before. Its carrier is told of behind this.
            served.facts = PortFacts { link_up: before.link_up, ..facts };
        }
        let is_other = before != served.facts;
        let is_doubted = self.note_doubts();
        let informed = if is_other { self.inform_workers() } else { Ok(()) };
        self.put_in(index, queues);
        if is_other || is_doubted {
            self.show_ports();
        }
        if let Err(error) = informed {
            tracing::error!("a port is not served as it should be: {error}");
        }
    }

    /// The members stay and age (r93): to hosts it is a link that is down.
    fn lose_interface(&mut self, index: PortIndex) {
        self.give_up_interface(index);
        let Some(served) = self.inventory.get(index) else { return };
        let (port, device) = (&served.settings.name, &served.settings.device);
        tracing::warn!(port, interface = %device, "the interface vanished; the port waits for it, the others go on");
        self.note_gone(index);
    }

    /// The port has no interface from now on: it is looked for.
    fn give_up_interface(&mut self, index: PortIndex) {
        self.take_out_of_service(index);
        if let Some(link) = self.inventory.get_mut(index).and_then(|served| served.link.take()) {
            // One that is gone is forgotten; one that is there is the kernel's again.
            self.interfaces.give_back(link.index);
        }
    }

    /// There is no interface of the name that the port's settings give.
    fn note_gone(&mut self, index: PortIndex) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        if served.facts.outage.replace(Outage::Gone) != Some(Outage::Gone) {
            self.show_ports();
        }
    }

    /// The port stays out of service until what is wrong is cured. Whether that is news.
    fn wait_for(&mut self, index: PortIndex, failure: Failure) -> bool {
        let now = Instant::now();
        let is_new = self.inventory.get_mut(index).is_some_and(|served| served.wait_for(failure, now));
        if is_new {
            self.show_ports();
        }
        is_new
    }

    /// Has the control thread show what ports wait for, and by which drivers they are served.
    fn show_ports(&mut self) {
        if let Err(error) = self.configure() {
            tracing::error!("what a port waits for, or its driver, is not shown: {error}");
        }
    }

    /// The settings name an interface by its name: one that has another now is not the port's any more, and one
    /// that has it now is.
    fn follow_name(&mut self, index: PortIndex, interface: u32) {
        let Some(served) = self.inventory.get(index) else { return };
        let name = served.settings.device.kernel_interface().unwrap_or_default();
        if !links::inspect(name).is_ok_and(|link| link.index == interface) {
            self.lose_interface(index);
            self.look_for_missing(Instant::now());
        }
    }

    /// No more than the port's buffers were made for: a larger one takes a new port.
    fn follow_mtu(&mut self, index: PortIndex, mtu: u32) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        if let Some(link) = &mut served.link {
            link.mtu = mtu;
        }
        let carried = kernel_mtu(&served.settings, mtu);
        tracing::info!(port = served.settings.name, mtu = carried, "MTU");
        served.facts.mtu = carried;
        if let Err(error) = self.inform_workers().and_then(|()| self.configure()) {
            tracing::error!("the MTU is not in force: {error}");
        }
    }

    /// A port that sends from its interface's MAC does so from now on, open or not.
    fn follow_mac(&mut self, index: PortIndex, mac: Option<MacAddr>) {
        let Some(served) = self.inventory.get(index) else { return };
        let Some(link) = served.link.as_ref().map(|link| LinkInfo { mac, ..link.clone() }) else { return };
        if check_mac(&served.settings, Some(&link), self.devices.router_mac).is_err() {
            // Looked for, it is refused with the cure.
            self.give_up_interface(index);
            return self.look_for_missing(Instant::now());
        }
        self.follow_link(index, link);
    }

    /// No event tells that somebody cured what an interface was refused for, or what DPDK failed for.
    pub(super) fn look_again(&mut self, now: Instant) {
        if now.saturating_duration_since(self.looked_again) >= LOOK_AGAIN {
            self.look_for_missing(now);
        }
        let idle = self.inventory.iter().filter(|port| !port.is_open() && port.retry.is_due(now));
        let has_carrier = |port: &&ServedPort| match &port.link {
            Some(link) => self.links.is_up(link.index) == Some(true),
            // A device that DPDK did not start; one of the kernel's without a link is gone.
            None => !port.is_kernel(),
        };
        for index in idle.filter(has_carrier).map(|port| port.index).collect::<Vec<_>>() {
            self.put_into_service(index);
        }
    }

    /// Takes interfaces that are back, whatever their index, MAC and MTU are now.
    fn look_for_missing(&mut self, now: Instant) {
        self.looked_again = now;
        let missing = self.inventory.iter().filter(|port| port.is_missing() && port.retry.is_due(now));
        for index in missing.map(|port| port.index).collect::<Vec<_>>() {
            if let Err(failure) = self.regain_interface(index) {
                self.wait_for(index, failure);
            }
        }
    }

    /// Takes the interface of a port that had lost it.
    ///
    /// # Errors
    /// There is one of the name, but it cannot be taken.
    fn regain_interface(&mut self, index: PortIndex) -> Result<(), Failure> {
        let Some(served) = self.inventory.get(index) else { return Ok(()) };
        let settings = served.settings.clone();
        let name = settings.device.kernel_interface().unwrap_or_default();
        if matches!(links::inspect(name), Err(links::LinkError::NotFound { .. })) {
            self.note_gone(index);
            return Ok(());
        }
        let Some(mut link) = self.look_at(index)? else { return Ok(()) };
        if let Err(failure) = self.interfaces.claim(&settings, &mut link) {
            // To look costs next to nothing, to take it under guard does.
            self.inventory.get_mut(index).into_iter().for_each(|served| served.retry.fail(Instant::now()));
            return Err(failure);
        }
        tracing::info!(port = settings.name, interface = link.name, "the interface is back");
        let Some(served) = self.inventory.get_mut(index) else { return Ok(()) };
        let up = link.up;
        served.facts.outage = None;
        served.have(link);
        self.inform_workers()?;
        self.configure()?;
        // Without carrier yet, an event will tell of it.
        if up {
            self.open_for_service(index);
        }
        Ok(())
    }

    /// The interface of a port as it is now; `None` where its device is none.
    ///
    /// # Errors
    /// It is none for the port.
    fn look_at(&self, index: PortIndex) -> Result<Option<LinkInfo>, Failure> {
        let Some(ServedPort { settings, .. }) = self.inventory.get(index) else { return Ok(None) };
        let others = self.inventory.interfaces().filter(|(_, port)| *port != settings.name);
        let link = inspect(settings, &self.settings, self.devices.workers, others)?;
        check_mac(settings, link.as_ref(), self.devices.router_mac)?;
        Ok(link)
    }

    /// A port's interface is as `link` says.
    fn follow_link(&mut self, index: PortIndex, link: LinkInfo) {
        let Some(served) = self.inventory.get_mut(index) else { return };
        let before = served.facts.clone();
        served.have(link);
        if served.facts == before {
            return;
        }
        tracing::info!(port = served.settings.name, "the interface is not as it was");
        served.follow_mac(self.devices.router_mac);
        if let Err(error) = self.inform_workers().and_then(|()| self.configure()) {
            tracing::error!("what became of an interface is not in force: {error}");
        }
    }

    /// Links that no kernel interface tells of, from their drivers.
    pub(super) fn watch_driver_links(&mut self) {
        let told = self.inventory.iter().filter(|port| !port.is_kernel());
        let links: Vec<_> = told.filter_map(|port| Some((port.index, port.driver_link()?))).collect();
        for (index, up) in links {
            let _ = self.control.link(index, up);
            if let Some(served) = self.inventory.get_mut(index) {
                served.facts.link_up = up;
            }
        }
    }
}
