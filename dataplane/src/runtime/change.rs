//! Changes while everything goes on: settings read anew, or edited through the socket.
//!
//! All or nothing: first the settings are checked, then the devices are opened that come, then the live layer is
//! written. Only when all of that went well is anything changed that runs, and from there on nothing can fail but the
//! threads themselves. What has not changed is not touched.

use std::time::{Duration, Instant};

use api::{ChangedReply, Edit, ProblemView, Reply};
use control::ControlError;
use dpdk::Queues;
use links::LinkInfo;
use settings::{
    Device, Difference, LiveLayer, MemoryMode, PortSettings, Settings, difference, kept_to_send,
    mbuf_data_room, pool_size,
};
use types::{MAX_PORTS, PortIndex};

use super::Running;
use super::plan::{Plan, Present};
use super::refused::{Refused, of_failure};
use super::requests::Task;
use crate::assembly::configuration;
use crate::desk::Take;
use crate::failure::Failure;
use crate::interfaces::inspect;
use crate::inventory::ServedPort;
use crate::machine;
use crate::macs::check_mac;
use crate::ports::{Started, kernel_mtu};

/// How long the control thread may take to put a configuration into force. It answers everything else meanwhile.
const CONTROL_PATIENCE: Duration = Duration::from_secs(10);

/// A device that is open for a change that is not in force yet.
struct Opened {
    settings: PortSettings,
    link: Option<LinkInfo>,
    started: Started,
}

/// A change that has passed every check, and for which nothing was done.
pub(super) struct Prepared {
    /// What is to be in force.
    new: Settings,
    plan: Plan,
    /// What it differs in.
    difference: Difference,
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
    /// Does what is asked, and tells what was done.
    pub(super) fn carry_out(&mut self, task: Task) -> Reply {
        match task {
            Task::ShowSettings => Reply::Settings(self.show_settings()),
            Task::Preview(edits) => Reply::Preview(self.preview(edits)),
            Task::Reload => self.reload(),
            Task::Edit { edits, revision } => match self.conflict(revision) {
                Some(conflict) => conflict,
                None => self.edit(edits),
            },
        }
    }

    /// Reads the settings anew.
    pub(super) fn reload(&mut self) -> Reply {
        let read = settings::reload(&self.config).map_err(Refused::from);
        let done = read.and_then(|(settings, live)| {
            let prepared = self.prepare(settings)?;
            let mut changed = self.apply(prepared, !live.has_same_keys(&self.live), || Ok(None))?;
            changed.warnings.extend(live.hides(&self.live));
            self.live = live;
            Ok(changed)
        });
        if let Err(refused) = &done {
            // By a signal, nobody gets the reply.
            let first = refused.lines().next().unwrap_or_default();
            self.note_change(None, &format!("a reload changed nothing: {first}"));
        }
        self.tell(done)
    }

    fn edit(&mut self, edits: Vec<Edit>) -> Reply {
        let done = self.edited(edits).and_then(|(settings, mut live)| {
            let prepared = self.prepare(settings)?;
            let changed = self.apply(prepared, !live.has_same_keys(&self.live), || store(&mut live))?;
            self.live = live;
            Ok(changed)
        });
        self.tell(done)
    }

    /// The settings and the live layer after these edits.
    pub(super) fn edited(&self, edits: Vec<Edit>) -> Result<(Settings, LiveLayer), Refused> {
        let edit = |Edit { port, key, value }| settings::Edit { port, key, value };
        let edits: Vec<settings::Edit> = edits.into_iter().map(edit).collect();
        Ok(self.live.edit(&edits)?)
    }

    /// Checks `new` against the machine and what runs. Does nothing.
    pub(super) fn prepare(&self, new: Settings) -> Result<Prepared, Refused> {
        machine::serves(&new).map_err(|failure| Refused::invalid(vec![of_failure(&failure)]))?;
        let waiting = waits_for_a_restart(&difference(&self.settings, &new));
        let new = self.less_what_waits_for_a_restart(new);
        let present: Vec<_> = self.inventory.iter().map(Present::from).collect();
        let plan = Plan::new(&present, &new.ports, dpdk::MAX_ETH_PORTS.min(MAX_PORTS));
        self.check(&plan, &new)?;
        let doubts = new.warnings.iter().filter(|doubt| !self.settings.warnings.contains(doubt));
        let warnings = doubts.map(ToString::to_string).collect();
        Ok(Prepared { difference: difference(&self.settings, &new), new, plan, waiting, warnings })
    }

    /// Makes what was prepared what is in force; `keep` is called when all that can fail has been done but it, and may
    /// have a line for the reply. The revision stays where no value changes and, unless `relayered`, no key comes to the
    /// live layer or goes from it: whoever has looked at the settings still knows them.
    fn apply(
        &mut self,
        prepared: Prepared,
        relayered: bool,
        keep: impl FnOnce() -> Result<Option<String>, Failure>,
    ) -> Result<ChangedReply, Refused> {
        let Prepared { new, plan, difference, waiting, warnings } = prepared;
        self.devices.kept = self.devices.kept.max(kept_to_send(&new, self.crew.len()));
        let mut opened = Vec::new();
        let ready = self.open(&plan, &new, &mut opened).and_then(|still| Ok((still, keep()?)));
        let (still, kept) = ready.map_err(|failure| {
            self.undo(opened.drain(..), &plan);
            Refused::failed(&failure)
        })?;
        if difference.log
            && let Err(error) = self.log.set_level(new.log.level.as_str())
        {
            tracing::warn!("the log's level stays: {error}");
        }
        let committed = self.commit(new, &plan, opened);
        let pause = still.max(committed.cycles);
        let trouble = committed.trouble.map(|failure| failure.to_string());
        let differs = relayered || !difference.is_empty();
        let revision = if differs { self.revision.next() } else { self.revision.now() };
        let changed = ChangedReply {
            revision,
            applied: difference.lines().into_iter().chain(kept).chain(trouble).collect(),
            restart: waiting,
            switch_ms: difference.upstream.then_some(committed.configured.as_secs_f64() * 1e3),
            removal_us: (pause > 0).then(|| pause as f64 * 1e6 / self.devices.eal.cycles_hz() as f64),
            warnings,
        };
        Ok(changed)
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

    /// Looks at everything that a plan needs, and changes nothing.
    fn check(&self, plan: &Plan, new: &Settings) -> Result<(), Refused> {
        let mut refused = self.check_buffers(new);
        let mut refuse = |failure: Failure| refused.push(of_failure(&failure));
        let mut taken: Vec<(u32, &str)> = Vec::new();
        for served in self.inventory.iter().filter(|port| !plan.released.contains(&port.index)) {
            taken.extend(served.link.as_ref().map(|link| (link.index, served.settings.name.as_str())));
        }
        for port in plan.opened().filter_map(|name| Some(new.port(name)?.1)) {
            if let Err(failure) = self.check_pci(port) {
                refuse(failure);
            }
            let looked = inspect(port, new, self.devices.workers, taken.iter().copied()).and_then(|link| {
                check_mac(port, link.as_ref(), self.devices.router_mac)?;
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
        if refused.is_empty() { Ok(()) } else { Err(Refused::invalid(refused)) }
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

    /// Opens the devices that come, and closes those that must give way to them. How long workers stood still for
    /// that, in cycles.
    ///
    /// # Errors
    /// A device does not open; what is in `opened` by then is open.
    fn open(&mut self, plan: &Plan, new: &Settings, opened: &mut Vec<Opened>) -> Result<u64, Failure> {
        for name in &plan.at_once {
            opened.extend(self.open_port(new, name)?);
        }
        let released = plan.released.iter().map(|index| self.take_out_of_service(*index));
        let still = released.max().unwrap_or(0);
        for name in &plan.then {
            opened.extend(self.open_port(new, name)?);
        }
        Ok(still)
    }

    fn open_port(&mut self, new: &Settings, name: &str) -> Result<Option<Opened>, Failure> {
        let Some((_, settings)) = new.port(name) else { return Ok(None) };
        // Which ports have which interface was looked at before.
        let mut link = inspect(settings, new, self.devices.workers, std::iter::empty())?;
        if let Some(link) = &mut link {
            self.interfaces.claim(settings, link)?;
        }
        match self.devices.bring(settings, link.as_ref()) {
            Ok(started) => Ok(Some(Opened { settings: settings.clone(), link, started })),
            Err(failure) => {
                self.give_back(link.as_ref());
                Err(failure)
            }
        }
    }

    /// Gives an interface back that no port has.
    fn give_back(&mut self, link: Option<&LinkInfo>) {
        if let Some(link) = link
            && self.inventory.on_interface(link.index).is_none()
        {
            self.interfaces.give_back(link.index);
        }
    }

    /// As before: nothing in force was changed but that some ports were closed for a moment.
    fn undo(&mut self, opened: impl Iterator<Item = Opened>, plan: &Plan) {
        for Opened { settings, link, started } in opened {
            started.discard(&settings);
            self.give_back(link.as_ref());
        }
        for index in &plan.released {
            let Some(served) = self.inventory.get(*index) else { continue };
            let up = match &served.link {
                Some(link) => self.links.is_up(link.index).unwrap_or(false),
                None => !served.is_kernel(),
            };
            if up {
                self.set_carrier(*index, true);
            }
        }
    }

    /// Puts everything into force. From here on there is no way back, and none is needed.
    fn commit(&mut self, new: Settings, plan: &Plan, opened: Vec<Opened>) -> Committed {
        let left: Vec<LinkInfo> = plan
            .released
            .iter()
            .chain(&plan.removed)
            .filter_map(|at| self.inventory.get(*at)?.link.clone())
            .collect();
        let names: Vec<_> = opened.iter().map(|port| port.settings.name.clone()).collect();
        let queues: Vec<_> = opened.into_iter().filter_map(|port| self.adopt(port)).collect();
        self.settle(&new);
        self.settings = new;
        let informed = self.inform_workers();
        for (index, queues) in queues {
            self.put_in(index, queues);
        }

        let began = Instant::now();
        let trouble = informed.and_then(|()| self.configure()).err();
        let configured = began.elapsed();
        self.deal_anew();
        let cycles = self.drop_ports(&plan.removed);
        left.iter().for_each(|link| self.give_back(Some(link)));
        self.loops.follow(self.inventory.names());
        for name in names {
            self.follow_carrier(&name);
        }
        Committed { configured, cycles, trouble }
    }

    /// Has the control thread put things into force as they are.
    ///
    /// # Errors
    /// It has ended, or is held up.
    pub(super) fn configure(&self) -> Result<(), Failure> {
        let ports = self.inventory.placed(&self.settings);
        let mut configuration =
            configuration(&self.settings, &ports, self.devices.router_mac).map_err(Failure::settings)?;
        configuration.warnings.extend(self.machine_warnings());
        self.control.configure(configuration, CONTROL_PATIENCE).map_err(|error| match error {
            ControlError::Late => Failure::machine(format!("{error}; it still will")),
            ControlError::Ended => Failure::machine(error),
        })
    }

    /// Puts an opened device into the inventory: as a new port, or in place of a port's old one.
    fn adopt(&mut self, opened: Opened) -> Option<(PortIndex, Queues)> {
        let Opened { settings, link, started: Started { port, queues, facts } } = opened;
        let there = self.inventory.named(&settings.name).map(|served| served.index);
        let index = match there {
            Some(index) => {
                let served = self.inventory.get_mut(index)?;
                (served.settings, served.link, served.facts) = (settings, link, facts);
                served.port = Some(port);
                index
            }
            None => {
                let index = self.inventory.free_place()?;
                let mut served = ServedPort::new(index, settings, link, facts);
                served.port = Some(port);
                self.inventory.insert(served);
                index
            }
        };
        Some((index, queues))
    }

    /// Gives the ports that stay their new settings.
    fn settle(&mut self, new: &Settings) {
        for port in &new.ports {
            let Some(index) = self.inventory.named(&port.name).map(|served| served.index) else { continue };
            let Some(served) = self.inventory.get_mut(index) else { continue };
            let other_mtu = served.settings.mtu != port.mtu;
            let other_mac = served.settings.mac != port.mac;
            served.settings = port.clone();
            if other_mac {
                served.follow_mac(self.devices.router_mac);
            }
            if let Some(link) = served.link.as_ref().filter(|_| other_mtu) {
                served.facts.mtu = kernel_mtu(port, link.mtu);
            }
        }
    }

    /// Ends ports for good: their places are free. How long workers stood still for it, in cycles.
    fn drop_ports(&mut self, removed: &[PortIndex]) -> u64 {
        let mut longest = 0;
        for index in removed {
            let handed = self.crew.take_out(*index, Take::Port);
            let Some(mut served) = self.inventory.remove(*index) else { continue };
            let Some(handed) = handed else { continue };
            longest = longest.max(handed.close(|queues| served.close(queues)));
        }
        longest
    }

    /// A kernel interface that was just opened may have no carrier.
    fn follow_carrier(&mut self, name: &str) {
        let Some(served) = self.inventory.named(name) else { return };
        if let Some(link) = &served.link {
            self.set_carrier(served.index, link.up);
        }
    }
}

/// What it took to put a change into force.
struct Committed {
    /// From the first to the last step of the control thread.
    configured: Duration,
    /// How long workers stood still for ports that went, in cycles.
    cycles: u64,
    /// A thread has ended, or the control thread is held up.
    trouble: Option<Failure>,
}

/// Writes the live layer. Says so where that took the place of what somebody else wrote.
fn store(live: &mut LiveLayer) -> Result<Option<String>, Failure> {
    let path = live.path().map(|path| path.display().to_string()).unwrap_or_default();
    match live.store() {
        Ok(None) => Ok(None),
        Ok(Some(kept)) => Ok(Some(format!(
            "{path} held what was not in force, edited by hand or broken; it is written anew, and what it held is kept as {}",
            kept.display()
        ))),
        Err(error) => {
            let cure = "check `live` in [paths], its folder's owner and its disk";
            Err(Failure::machine(format!("{path} cannot be written: {error}; {cure}")))
        }
    }
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
    fn the_reply_says_where_a_file_edited_by_hand_is_kept() {
        let folder = std::env::temp_dir().join(format!("manifold-change-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (main, live) = (folder.join("m.toml"), folder.join("live.toml"));
        std::fs::write(
            &main,
            format!("[paths]\nlive = {live:?}\n[[port]]\nname = \"a\"\ndevice = \"eth9\"\n"),
        )
        .unwrap();
        let (_, layer) = settings::load_layers(&main).unwrap();
        std::fs::write(&live, "[proxy").unwrap();
        let off = settings::Edit { port: None, key: "enabled".to_owned(), value: Some("false".to_owned()) };
        let (_, mut layer) = layer.edit(&[off]).unwrap();
        let (first, second) = (store(&mut layer), store(&mut layer));
        std::fs::remove_dir_all(&folder).unwrap();
        let said = first.unwrap().unwrap();
        assert!(said.ends_with(&format!("is kept as {}.broken", live.display())), "{said}");
        assert_eq!(second.unwrap(), None, "from then on it is Manifold's own");
    }
}
