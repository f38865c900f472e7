//! Changes while everything goes on: settings read anew, or edited through the socket.
//!
//! All or nothing: first the settings are checked, then the devices are opened that come, then the live layer is
//! written. Only when all of that went well is anything changed that runs, and from there on nothing can fail but the
//! threads themselves. What has not changed is not touched.

use std::time::{Duration, Instant};

use api::{ChangedReply, Edit, Reply};
use control::ControlError;
use dpdk::Queues;
use links::LinkInfo;
use settings::{LiveLayer, PortSettings, Settings, kept_to_send};
use types::PortIndex;

use super::Running;
use super::plan::Plan;
use super::prepare::Prepared;
use super::refused::Refused;
use super::requests::Task;
use crate::assembly::configuration;
use crate::desk::Take;
use crate::failure::Failure;
use crate::interfaces::inspect;
use crate::inventory::ServedPort;
use crate::ports::{Started, Try, kernel_mtu};
use crate::retry::Retry;

/// How long the control thread may take to put a configuration into force. It answers everything else meanwhile.
const CONTROL_PATIENCE: Duration = Duration::from_secs(10);

/// A device that is open for a change that is not in force yet.
struct Opened {
    settings: PortSettings,
    link: Option<LinkInfo>,
    started: Started,
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

    /// Makes what was prepared what is in force; `keep` is called when all that can fail has been done but it, and may
    /// have a line for the reply. The revision stays where no value changes and, unless `relayered`, neither file says
    /// anything else: whoever has looked at the settings still knows them, and what they become where a key of the live
    /// layer is taken back.
    fn apply(
        &mut self,
        prepared: Prepared,
        relayered: bool,
        keep: impl FnOnce() -> Result<Option<String>, Failure>,
    ) -> Result<ChangedReply, Refused> {
        let Prepared { new, plan, difference, pools, waiting, warnings } = prepared;
        self.devices.kept = self.devices.kept.max(kept_to_send(&new, self.crew.len()));
        pools.into_iter().for_each(|(port, pool)| self.devices.pages.put(&port, pool));
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
        match self.devices.bring(settings, link.as_ref(), Try::First) {
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
        self.give_back_pages();
    }

    /// Frees the pools of ports that are not by af_xdp any more; one that is closed may open again.
    fn give_back_pages(&self) {
        let keeps = |served: &ServedPort| served.has_own_pool() || !served.is_open();
        self.devices.pages.keep_only(|port| self.inventory.named(port).is_some_and(keeps));
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
        let mut trouble = None;
        let mut queues = Vec::new();
        for port in opened {
            match self.adopt(port) {
                Ok(adopted) => queues.push(adopted),
                Err(failure) => trouble = Some(failure),
            }
        }
        self.settle(&new);
        self.settings = new;
        let informed = self.inform_workers();
        for (index, queues) in queues {
            self.put_in(index, queues);
        }

        self.note_doubts();
        let began = Instant::now();
        let trouble = informed.and_then(|()| self.configure()).err().or(trouble);
        let configured = began.elapsed();
        self.deal_anew();
        let cycles = self.drop_ports(&plan.removed);
        self.give_back_pages();
        left.iter().for_each(|link| self.give_back(Some(link)));
        self.loops.follow(self.inventory.names());
        for name in names {
            self.follow_carrier(&name);
        }
        // What was changed may be what a port lacked.
        self.inventory.iter_mut().for_each(|served| served.retry.try_at_once());
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
    ///
    /// # Errors
    /// There is no place for it, against what was checked before: it is closed.
    fn adopt(&mut self, opened: Opened) -> Result<(PortIndex, Queues), Failure> {
        let Opened { settings, link, started } = opened;
        let there = self.inventory.named(&settings.name).map(|served| served.index);
        let Some(index) = there.or_else(|| self.inventory.free_place()) else {
            let failure =
                Failure::of_port(&settings, "there is no place for it; take another out, and reload");
            started.discard(&settings);
            self.give_back(link.as_ref());
            return Err(failure);
        };
        let Started { port, queues, facts } = started;
        match self.inventory.get_mut(index) {
            Some(served) => (served.settings, served.link, served.facts) = (settings, link, facts),
            None => self.inventory.insert(ServedPort::new(index, settings, link, facts)),
        }
        if let Some(served) = self.inventory.get_mut(index) {
            (served.port, served.retry) = (Some(port), Retry::default());
        }
        Ok((index, queues))
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
        if !removed.is_empty() {
            // The provider's port goes with its Leaves sent.
            self.crew.await_sent();
        }
        let mut longest = 0;
        for index in removed {
            let handed = self.crew.take_out(*index, Take::Port);
            let Some(mut served) = self.inventory.remove(*index) else { continue };
            self.losses.forget(*index);
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
