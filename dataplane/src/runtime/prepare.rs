//! Before a change: the settings against the machine and what runs. Here it is refused, as nothing was touched yet.

use api::ProblemView;
use dpdk::Mempool;
use settings::{
    Device, Difference, MemoryMode, PortChange, PortSettings, Settings, difference, kept_to_send,
    mbuf_data_room, pool_size,
};
use types::MAX_PORTS;

use super::Running;
use super::plan::{Plan, Present, keep_open};
use super::refused::{Refused, of_failure};
use crate::failure::Failure;
use crate::interfaces::inspect;
use crate::inventory::ServedPort;
use crate::machine;
use crate::macs::check_mac;

/// A change that has passed every check, and for which nothing was done.
pub(super) struct Prepared {
    /// What is to be in force.
    pub(super) new: Settings,
    /// How to get there.
    pub(super) plan: Plan,
    /// What it differs in.
    pub(super) difference: Difference,
    /// Memory of ports that are opened, with their names.
    pub(super) pools: Vec<(String, Mempool)>,
    /// What of it waits for a restart, one line each.
    pub(super) waiting: Vec<String>,
    /// Doubts that come with it.
    pub(super) warnings: Vec<String>,
}

impl Prepared {
    /// Every key that differs from what is in force, which is `now`.
    pub(super) fn by_key(&self, now: &Settings) -> Vec<settings::KeyDifference> {
        self.difference.by_key(now, &self.new)
    }
}

impl Running {
    /// Checks `new` against the machine and what runs. Does nothing.
    pub(super) fn prepare(&self, new: Settings) -> Result<Prepared, Refused> {
        machine::serves(&new).map_err(|failure| Refused::invalid(vec![of_failure(&failure)]))?;
        let all = difference(&self.settings, &new);
        let mut waiting = waits_for_a_restart(&all);
        let mut new = self.less_what_waits_for_a_restart(new);
        let present: Vec<_> = self.inventory.iter().map(Present::from).collect();
        let stay = keep_open(&present, &mut new.ports);
        waiting.extend(all.changed.iter().filter(|port| stay.contains(&port.name)).flat_map(of_device));
        let plan = Plan::new(&present, &new.ports, dpdk::MAX_ETH_PORTS.min(MAX_PORTS));
        check_places(plan.places(&present))
            .map_err(|failure| Refused::invalid(vec![of_failure(&failure)]))?;
        let pools = self.check(&plan, &new)?;
        let doubts = new.warnings.iter().filter(|doubt| !self.settings.warnings.contains(doubt));
        let warnings = doubts.map(ToString::to_string).collect();
        Ok(Prepared { difference: difference(&self.settings, &new), new, plan, pools, waiting, warnings })
    }

    /// What only a restart can apply stays as it is, and is told of again at the next reload.
    fn less_what_waits_for_a_restart(&self, new: Settings) -> Settings {
        let now = self.settings.clone();
        let mut proxy = new.proxy;
        proxy.instance = now.proxy.instance;
        proxy.router_mac = now.proxy.router_mac;
        Settings {
            proxy,
            eal: now.eal,
            worker: now.worker,
            table: now.table,
            socket: now.socket,
            paths: now.paths,
            record: now.record,
            ..new
        }
    }

    /// Looks at everything that a plan needs, and changes nothing. Memory that ports will have of their own is had from
    /// now on.
    fn check(&self, plan: &Plan, new: &Settings) -> Result<Vec<(String, Mempool)>, Refused> {
        let mut refused = self.check_buffers(new);
        let mut refuse = |failure: Failure| refused.push(of_failure(&failure));
        let mut taken: Vec<(u32, &str)> = Vec::new();
        for served in self.inventory.iter().filter(|port| !plan.released.contains(&port.index)) {
            taken.extend(served.link.as_ref().map(|link| (link.index, served.settings.name.as_str())));
        }
        let kept = self.devices.kept.max(kept_to_send(new, self.crew.len()));
        let devices = self.devices.keeping(kept);
        // What opens at once does so before those are closed.
        let released = plan.released.iter().filter_map(|index| self.inventory.get(*index));
        let gone = released.map(|served| &served.settings.name).filter(|name| new.port(name).is_none());
        let mut spare: Vec<_> = gone.cloned().collect();
        let mut pools = Vec::new();
        for port in plan.opened().filter_map(|name| Some(new.port(name)?.1)) {
            if let Err(failure) = self.check_pci(port) {
                refuse(failure);
            }
            let looked = inspect(port, new, self.devices.workers, taken.iter().copied()).and_then(|link| {
                check_mac(port, link.as_ref(), self.devices.router_mac)?;
                devices.may_open(port, link.as_ref())?;
                let mut none = Vec::new();
                let spare = if plan.at_once.contains(&port.name) { &mut none } else { &mut spare };
                let pool = devices.reserve(port, link.as_ref(), spare)?;
                pools.extend(pool.map(|pool| (port.name.clone(), pool)));
                Ok(link)
            });
            match looked {
                Ok(link) => taken.extend(link.map(|link| (link.index, port.name.as_str()))),
                Err(failure) => refuse(failure),
            }
        }
        for served in self.inventory.iter().filter(|port| !plan.released.contains(&port.index)) {
            let Some((_, port)) = new.port(&served.settings.name) else { continue };
            if let Err(failure) = check_mac(port, served.link.as_ref(), self.devices.router_mac) {
                refuse(failure);
            }
        }
        if refused.is_empty() { Ok(pools) } else { Err(Refused::invalid(refused)) }
    }

    /// The pool was made at the start, for so many ports with such rings and frames; so were those of ports on af_xdp, for
    /// what the others keep.
    fn check_buffers(&self, new: &Settings) -> Vec<ProblemView> {
        let mut needed = new.clone();
        // Ports that may come are what this is about.
        needed.eal.max_ports = None;
        let (buffers, there) = (pool_size(&needed, self.crew.len()), self.devices.pool.size());
        let kept = kept_to_send(&needed, self.crew.len());
        let mut refused = Vec::new();
        if kept > self.devices.kept && self.inventory.iter().any(ServedPort::has_own_pool) {
            refused.push(of_failure(&Failure::machine(format!(
                "other ports' rings could keep {kept} buffers of a port on af_xdp, and it has {} for them; restart with it",
                self.devices.kept
            ))));
        }
        if buffers > there {
            let ports = new.ports.len();
            refused.push(of_failure(&Failure::machine(format!(
                "{ports} ports with these rings need {buffers} buffers, and {there} were made at the start; set \
                 `max-ports = {ports}` or more in [eal] and restart"
            ))));
        }
        let (room, made) = (mbuf_data_room(&needed), self.frame_room);
        if room > made {
            refused.push(of_failure(&Failure::machine(format!(
                "a port's `mtu` needs buffers of {room} bytes, and {made} were made at the start; restart with it"
            ))));
        }
        refused
    }

    /// Whether a PCI device can be opened.
    pub(super) fn can_pci(&self) -> bool {
        let started_with_pci = !self.devices.eal.line().split(' ').any(|argument| argument == "--no-pci");
        started_with_pci && self.memory.mode == MemoryMode::Hugepages
    }

    /// Without hugepages DPDK was started without PCI.
    fn check_pci(&self, port: &PortSettings) -> Result<(), Failure> {
        if self.can_pci() || !matches!(port.device, Device::Pci(_)) {
            return Ok(());
        }
        Err(Failure::of_port(
            port,
            "DPDK was started without PCI devices, as there was none among the ports; put it into the administrator's \
             file, reserve hugepages, and restart",
        ))
    }
}

/// Whether a change finds so many places.
///
/// # Errors
/// There are not that many.
fn check_places(places: usize) -> Result<(), Failure> {
    if places <= MAX_PORTS {
        return Ok(());
    }
    Err(Failure::settings(format!(
        "there are places for {MAX_PORTS} ports, and a port that goes keeps its own until those that come have theirs: this \
         change takes {places}; take the ports out that go, and then add the others"
    )))
}

/// Keys of a port that are its device's, and that it is opened anew for.
const OF_DEVICE: &[&str] = &["device", "driver", "mtu", "rx-descriptors", "tx-descriptors"];

/// A line for each key of a port's device.
fn of_device(port: &PortChange) -> impl Iterator<Item = String> {
    let keys = port.keys.iter().filter(|change| OF_DEVICE.contains(&change.key));
    keys.map(|change| format!("port \"{}\": {change}: waits for a restart", port.name))
}

/// A line for each key that only a restart can apply.
fn waits_for_a_restart(difference: &Difference) -> Vec<String> {
    let waiting =
        difference.keys.iter().map(|(table, change)| (format!("[{table}] {}", change.key), table, change));
    let waiting = waiting.filter(|(key, ..)| difference.restart.contains(key));
    waiting.map(|(_, table, change)| format!("[{table}] {change}: waits for a restart")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_without_a_place_for_each_port_is_refused_with_the_cure() {
        assert!(check_places(MAX_PORTS).is_ok());
        let refused = check_places(MAX_PORTS + 1).unwrap_err().to_string();
        assert!(refused.contains("this change takes 65; take the ports out that go, and then"), "{refused}");
    }
}
