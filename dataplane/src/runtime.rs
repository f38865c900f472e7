//! The proxy's life: start, watch, end.
//!
//! The main thread makes everything and hands it out: queues to the workers, state to the control thread.
//! Then it watches, and changes what is to be changed while all goes on: ports and interfaces that come and go,
//! settings that are read anew. It alone owns the ports.

mod carrier;
mod change;
mod connections;
mod losing;
mod plan;
mod prepare;
mod refused;
mod requests;
mod setup;
mod signals;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod workers;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use api::{Reply, Request};
use control::{Agent, Clock, ControlHandle, ControlParts, Log, Server, start_log, waker};
use dpdk::{Eal, Queues};
use forwarding::{EgressMacs, Ingress, frame_ring};
use links::LinkWatch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use settings::{
    Cores, Device, LiveLayer, MemoryPlan, Placement, Poll, Settings, eal_args, kept_to_send, mbuf_data_room,
};
use types::Time;

use crate::assembly::{PlacedPort, assemble, intake, lane};
use crate::crew::{Crew, deal};
use crate::doubts::Doubts;
use crate::drivers::choose;
use crate::failure::Failure;
use crate::interfaces::{Interfaces, Looked, expect_free_name, inspect_all, only_live};
use crate::inventory::{Inventory, ServedPort, Told};
use crate::loop_watch::LoopWatch;
use crate::losses::LossWatch;
use crate::machine;
use crate::memory_lock::{self, lock_memory};
use crate::numa::Nodes;
use crate::ports::{Devices, Try, open_all, router_mac};
use crate::quota::{Demand, Groups};
use crate::report;
use crate::sizes::INJECT_RING;
use requests::{Tasks, requests};
use setup::{Common, frame_pool, hands, process_info, recorded, seed, start_eal, worker_cores};
use signals::Signals;
use told::Revision;
use workers::Board;

/// How often links that tell nothing by themselves are looked at.
const WATCH_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Runs the proxy until SIGTERM or SIGINT.
///
/// # Errors
/// The settings do not pass, the machine lacks something, or a thread died.
pub fn run(config: &Path, trailing: &[String]) -> Result<(), Failure> {
    let (settings, live) = settings::load_layers(config).map_err(Failure::settings)?;
    machine::serves(&settings)?;
    let (placement, fewer) = machine::place(&settings)?;
    // Before the first thread, which is the log's.
    let left = machine::leave_worker_cores(&settings, &placement);
    let locked = lock_memory();
    let log = start_log(settings.log.level.as_str()).map_err(Failure::settings)?;
    if let Err(error) = left {
        tracing::warn!(%error, "threads could not be kept off the workers' cores");
    }
    if let Err(error) = locked {
        tracing::warn!("memory is not locked: {error}; {}", memory_lock::CURE);
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    fewer.iter().for_each(|fewer| tracing::info!("{fewer}"));
    let signals = Signals::install().map_err(Failure::machine)?;
    let workers = u16::try_from(placement.workers.len()).map_err(Failure::machine)?;
    let (interfaces, links) = Interfaces::take_all(&settings, workers)?;
    let memory = machine::memory(&settings, &placement, &links)?;
    let eal = start_eal(&present(&settings, &links), &memory, &placement, trailing)?;
    let machine = Machine { eal, memory, placement, interfaces, links };
    let (mut running, tasks) = Running::start(config, (settings, live, log), machine, &signals)?;
    tracing::info!(socket = %running.settings.socket.path.display(), "running");
    let watched = running.watch(&signals, &tasks);
    // Whoever waits for a change learns that there will be none.
    drop(tasks);
    tracing::info!("ending");
    running.end();
    watched
}

/// Checks what [`run`] would check before it starts, and prints what it would do. Changes nothing.
///
/// # Errors
/// As [`run`].
pub fn check(config: &Path, look_at_machine: bool) -> Result<(), Failure> {
    let settings = settings::load(config).map_err(Failure::settings)?;
    machine::serves(&settings)?;
    let mut text: String = settings.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    let mut served = HashMap::new();
    if look_at_machine {
        let (placement, fewer) = machine::place(&settings)?;
        let workers = u16::try_from(placement.workers.len()).map_err(Failure::machine)?;
        expect_free_name(&settings)?;
        let looked = inspect_all(&settings, workers)?;
        let memory = machine::memory(&settings, &placement, &looked)?;
        for (port, looked) in settings.ports.iter().zip(looked) {
            match (looked, &port.device) {
                (Ok(Some(link)), Device::Kernel(_)) => {
                    served.insert(port.name.as_str(), choose(port, &link, workers)?);
                }
                (Ok(_), _) => {}
                (Err(failure), _) => {
                    text += &format!("warning: {}; the port would wait for that\n", failure.written(port));
                }
            }
        }
        let Placement { control, workers } = &placement;
        let far = Nodes::of_machine().foresee(&settings, &placement, &memory);
        let (bound, less) = match (&settings.worker.cores, workers.len()) {
            (Cores::Auto, 2..) => (
                ", as many as every port has transmit queues for",
                "; where ports have fewer transmit queues, fewer workers take less",
            ),
            (Cores::Auto | Cores::List(_), _) => ("", ""),
        };
        let demand = Demand::new(&settings.worker, *control, workers);
        let stopped = Groups::of_machine().warning(demand).map(|doubt| doubt + less);
        let doubts = memory.warning.iter().chain(&far).chain(&stopped);
        text.extend(doubts.map(|doubt| format!("warning: {doubt}\n")));
        let args = eal_args(&settings, &memory, &placement, &[]).map_err(Failure::settings)?;
        text += &format!("EAL: {}\n", args[1..].join(" "));
        text += &format!("control on core {control}, workers on {workers:?}{bound}\n");
        text.extend(fewer.map(|fewer| fewer + "\n"));
    }
    text += &report::ports(&settings, &served);
    text += &format!("{} is good\n", config.display());
    report::print(&text)
}

/// Prints every setting that is in force, and where it comes from: itself a settings file. Doubts go to standard
/// error.
///
/// # Errors
/// The administrator's file does not pass.
pub fn explain(config: &Path) -> Result<(), Failure> {
    let settings = settings::load(config).map_err(Failure::settings)?;
    let effective = settings::explain(config).map_err(Failure::settings)?;
    for warning in &settings.warnings {
        eprintln!("warning: {warning}");
    }
    report::print(&settings::effective_file(&effective))
}

/// The settings less the ports that wait for their interfaces: DPDK is not told of those.
fn present(settings: &Settings, looked: &[Looked]) -> Settings {
    let there = settings.ports.iter().zip(looked).filter(|(_, looked)| looked.is_ok());
    Settings { ports: there.map(|(port, _)| port.clone()).collect(), ..settings.clone() }
}

/// What the machine gave.
struct Machine {
    eal: Eal,
    memory: MemoryPlan,
    placement: Placement,
    interfaces: Interfaces,
    /// One for each port of the settings.
    links: Vec<Looked>,
}

struct Running {
    /// The administrator's file.
    config: PathBuf,
    /// What is in force.
    settings: Settings,
    /// The part of it that page and socket may change.
    live: LiveLayer,
    /// Names what is in force.
    revision: Revision,
    log: Log,
    memory: MemoryPlan,
    devices: Devices,
    /// Bytes of each buffer, as made at the start.
    frame_room: u16,
    /// What data goes out from.
    macs: Arc<EgressMacs>,
    inventory: Inventory,
    interfaces: Interfaces,
    links: LinkWatch,
    /// When ports out of service were last looked at for what keeps them there.
    looked_again: Instant,
    /// The workers: ports are brought to them and back.
    crew: Crew,
    loops: LoopWatch,
    losses: LossWatch,
    /// What the workers do with their time.
    board: Arc<Board>,
    /// What ports and workers could do better with.
    doubts: Doubts,
    control: ControlHandle,
    control_thread: JoinHandle<Agent>,
    /// `None` while it starts.
    server: Option<Server>,
}

impl Running {
    fn start(
        config: &Path,
        (settings, live, log): (Settings, LiveLayer, Log),
        machine: Machine,
        signals: &Signals,
    ) -> Result<(Self, Tasks), Failure> {
        let Machine { eal, memory, placement, interfaces, links } = machine;
        let frame_room = mbuf_data_room(&settings);
        let pool = frame_pool(&eal, &settings, placement.workers.len(), memory.node)?;
        let most = u16::try_from(placement.workers.len()).map_err(Failure::machine)?;
        let opened = open_all(&eal, &settings, links, most)?;
        let router_mac = router_mac(&settings, &opened)?;
        let control_core = machine::control_core(&settings, &placement);
        let control = placement.control;
        let cores = worker_cores(&settings, placement, &opened);
        let workers = u16::try_from(cores.len()).map_err(Failure::machine)?;
        let demand = Demand::new(&settings.worker, control, &cores);
        let mut doubts = Doubts::new(&cores, demand, pool.node());
        doubts.note_machine(Groups::of_machine());
        let kept = kept_to_send(&settings, cores.len());
        let devices = Devices::new(eal, pool.clone(), router_mac, workers, kept);
        let (mut inventory, mut queues) = (Inventory::default(), Vec::new());
        for (port_settings, opened) in settings.ports.iter().zip(opened) {
            let index = inventory.free_place().ok_or_else(|| Failure::machine("no place for a port"))?;
            let (link, port) = opened;
            let started = port.and_then(|port| devices.start(port_settings, link.as_ref(), port, Try::First));
            let started = match started {
                Ok(started) => started,
                Err(failure) => {
                    let failure = only_live(port_settings, failure)?;
                    let now = Instant::now();
                    inventory.insert(ServedPort::waiting(index, port_settings.clone(), link, failure, now));
                    continue;
                }
            };
            let mut served = ServedPort::new(index, port_settings.clone(), link, started.facts);
            served.intake = intake(&settings, port_settings);
            doubts.note(port_settings, started.port.info(), served.intake);
            served.port = Some(started.port);
            queues.push((index, deal(index, started.queues, served.intake, cores.len())));
            inventory.insert(served);
        }

        let clock = Clock::start();
        let revision = Revision::new(clock.started_unix_us());
        let process = process_info(&settings, &devices, &revision);
        let mut assembly =
            assemble(&settings, &inventory.placed(&settings), router_mac, cores.len(), seed(), process)
                .map_err(Failure::settings)?;
        assembly.agent.configuration.warnings.extend(memory.warning.iter().chain(doubts.lines()).cloned());
        inventory.note_told(&settings, router_mac);
        let mut loops = LoopWatch::new(assembly.agent.counters.clone());
        loops.follow(inventory.names());
        let losses = LossWatch::new(assembly.agent.losses.clone(), clock);
        let (waker, sleeper) = waker().map_err(Failure::machine)?;
        let sleeper = sleeper.polling(settings.worker.control_poll == Poll::Busy);
        let (inject, injected) = frame_ring(INJECT_RING);
        let agent = recorded(Agent::new(clock.now(), assembly.agent), &settings)?;
        let (control, control_thread) = control::spawn(ControlParts {
            agent,
            punted: assembly.punted,
            inject,
            waker: waker.clone(),
            sleeper,
            clock,
            core: control_core,
        })
        .map_err(Failure::machine)?;
        let common = Common {
            pool,
            waker,
            clock,
            adaptive: settings.worker.poll == Poll::Adaptive,
            macs: Arc::clone(&assembly.macs),
        };
        let (hands, stop) = hands(common, &cores, assembly.workers, queues, injected, &devices);
        let crew = Crew::start(&devices.eal, hands, stop).map_err(Failure::machine)?;
        // Before a worker answers it has fetched from all its queues.
        crew.await_orders();
        inventory.iter_mut().for_each(ServedPort::count_from_now);
        let board = Arc::new(Board::new(crew.watched(), devices.eal.cycles_hz()));
        let running = Self {
            config: config.to_owned(),
            memory,
            settings,
            live,
            revision,
            log,
            devices,
            frame_room,
            macs: assembly.macs,
            inventory,
            interfaces,
            links: LinkWatch::new().map_err(Failure::machine)?,
            looked_again: Instant::now(),
            crew,
            loops,
            losses,
            board,
            doubts,
            control,
            control_thread,
            server: None,
        };
        running.serve(signals)
    }

    /// Opens the socket. Last: whoever can connect finds everything running.
    fn serve(mut self, signals: &Signals) -> Result<(Self, Tasks), Failure> {
        let socket = self.settings.socket.clone();
        let served = signals.waker().map_err(Failure::machine).and_then(|waker| {
            let board = Arc::clone(&self.board);
            let (front, tasks) = requests(self.control.clone(), board, self.can_pci(), waker);
            let server = Server::start(&socket.path, socket.group.as_deref(), Arc::new(front));
            Ok((server.map_err(Failure::machine)?, tasks))
        });
        match served {
            Ok((server, tasks)) => {
                self.server = Some(server);
                Ok((self, tasks))
            }
            Err(failure) => {
                self.end();
                Err(failure)
            }
        }
    }

    /// Until a signal ends it, or a thread ended by itself, which is an error.
    fn watch(&mut self, signals: &Signals, tasks: &Tasks) -> Result<(), Failure> {
        self.adopt_carriers();
        while !signals.ends() {
            let told = [Some(signals.fd()), self.links.fd()].into_iter().flatten();
            let mut ready: Vec<_> = told.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            let _ = poll(&mut ready, Some(&WATCH_INTERVAL));
            signals.clear();
            for event in self.links.poll() {
                self.handle_link_event(&event);
            }
            self.look_again(Instant::now());
            self.watch_driver_links();
            if signals.take_hang_up() {
                self.reload();
            }
            tasks.serve(|task| self.carry_out(task));
            self.loops.look();
            self.look_for_losses(Instant::now());
            self.board.look(Instant::now());
            if self.crew.has_ended() || self.control_thread.is_finished() {
                return Err(Failure::machine(
                    "a thread ended by itself; the log above tells why; please report it",
                ));
            }
        }
        Ok(())
    }

    /// Tells the workers of ports that are new to them, and what changed of the others.
    ///
    /// # Errors
    /// The control thread has ended.
    fn inform_workers(&mut self) -> Result<(), Failure> {
        let macs = self.inventory.macs(self.devices.router_mac);
        let changed = |port: &PlacedPort<'_>, told: &Option<Told>| {
            let now = Told::of(&self.settings, *port, &macs);
            (told.as_ref() != Some(&now)).then_some(now)
        };
        let news: Vec<_> = self
            .inventory
            .iter()
            .filter_map(|served| Some((served.index, changed(&served.placed(), &served.told)?)))
            .collect();
        let mut ingress_changed = false;
        for (index, now) in news {
            let Some(served) = self.inventory.get_mut(index) else { continue };
            match &served.told {
                Some(before) => {
                    if before.ingress != now.ingress {
                        ingress_changed = true;
                        self.crew.set_ingress(index, &Ingress::new(&now.ingress));
                    }
                    if before.mtu != now.mtu {
                        self.crew.set_mtu(index, now.mtu);
                    }
                }
                None => {
                    let lane = |_| lane(&self.settings, served.placed(), &macs);
                    let (lanes, rings): (Vec<_>, Vec<_>) = (0..self.crew.len()).map(lane).unzip();
                    self.crew.admit(lanes);
                    for ring in rings {
                        self.control.add_ring(ring).map_err(Failure::machine)?;
                    }
                }
            }
            served.told = Some(now);
        }
        // Workers know a MAC as ours before anything is sent from it, or it might be taken for a stranger's.
        if ingress_changed {
            self.crew.await_orders();
        }
        for port in self.inventory.iter().map(ServedPort::placed) {
            self.macs.set(port.index, macs.of_egress(port));
        }
        Ok(())
    }

    /// Doubts about the machine, for whoever asks for the status.
    fn machine_warnings(&self) -> impl Iterator<Item = String> {
        self.memory.warning.iter().chain(self.doubts.lines()).cloned()
    }

    /// Looks at the machine and the ports that are open for what could be better. Whether anything is other than before.
    fn note_doubts(&mut self) -> bool {
        self.doubts.keep_only(|port| self.inventory.named(port).is_some());
        let mut changed = self.doubts.note_machine(Groups::of_machine());
        for served in self.inventory.iter() {
            if let Some(port) = &served.port {
                let intake = intake(&self.settings, &served.settings);
                changed |= self.doubts.note(&served.settings, port.info(), intake);
            }
        }
        changed
    }

    /// Leaves upstream, stops the threads, closes the ports, and tells what was counted.
    fn end(mut self) {
        drop(self.server);
        let _ = self.control.shutdown();
        let control = self.control_thread.join();
        let count = |served: &mut ServedPort| drop(self.losses.count(served, Instant::now()));
        // While the ports run: some counts end with that.
        self.inventory.iter_mut().for_each(count);
        // After the control thread: what it had to send goes out first.
        if !self.crew.end() {
            tracing::error!("a worker panicked");
        }
        let mut ports = self.inventory.into_ports();
        for served in &mut ports {
            // The queues went with the workers.
            served.close(Queues { rx: Vec::new(), tx: Vec::new() });
            count(served);
        }
        // The distribution's af_xdp keeps what it had.
        let paged = if dpdk::AF_XDP_IS_MENDED { self.devices.pages.usage().1 } else { 0 };
        let lost = u64::from(self.devices.pool.in_use()) + paged;
        if lost > 0 {
            tracing::error!(lost, "buffers that did not come back");
        }
        // All threads are done, so these are final.
        match control {
            Ok(mut agent) => {
                if let Reply::Counters(counters) = agent.handle_request(Time::ZERO, Request::ShowCounters) {
                    report::log_counters(&counters);
                }
            }
            Err(_) => tracing::error!("the control thread panicked"),
        }
        drop(self.devices);
        // Last: nothing of ours looks at the interfaces any more.
        drop(self.interfaces);
    }
}
