//! The proxy's life: start, watch, end.
//!
//! The main thread makes everything and hands it out: queues to the worker, state to the control thread.
//! Then it watches, and changes what is to be changed while all goes on: ports and interfaces that come and go,
//! settings that are read anew. It alone owns the ports.

mod carrier;
mod change;
mod plan;
mod requests;
mod signals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use api::{MbufView, Reply, Request};
use control::{
    Agent, Clock, ControlHandle, ControlParts, Log, ProcessInfo, Recorder, Server, start_log, waker,
};
use dpdk::{Eal, HEADROOM, Mempool, Queues};
use forwarding::{Ingress, frame_ring};
use links::LinkWatch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use settings::{LiveLayer, MemoryPlan, Placement, Poll, Settings, eal_args, mbuf_data_room, pool_size};
use types::Time;

use crate::assembly::{PlacedPort, assemble, lane};
use crate::desk::{WorkerDesk, worker_desk};
use crate::failure::Failure;
use crate::interfaces::{Interfaces, Looked, inspect_all};
use crate::inventory::{Inventory, ServedPort, Told};
use crate::loop_watch::LoopWatch;
use crate::machine;
use crate::ports::{Devices, open_all, router_mac};
use crate::report;
use crate::worker::WorkerSeed;
use requests::{Changes, requests};
use signals::Signals;

/// Frames that the control thread may have waiting for the worker.
const INJECT_RING: usize = 1024;
/// Mbufs that a worker keeps at hand.
const POOL_CACHE: u32 = 256;
/// How often links that tell nothing by themselves are looked at.
const WATCH_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Runs the proxy until SIGTERM or SIGINT.
///
/// # Errors
/// The settings do not pass, the machine lacks something, or a thread died.
pub fn run(config: &Path, trailing: &[String]) -> Result<(), Failure> {
    let (settings, live) = settings::load_layers(config).map_err(Failure::settings)?;
    machine::serves(&settings)?;
    let log = start_log(settings.log.level.as_str()).map_err(Failure::settings)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let signals = Signals::install().map_err(Failure::machine)?;
    let (interfaces, links) = Interfaces::take_all(&settings)?;
    let (memory, placement) = machine::plan(&settings)?;
    machine::leave_worker_cores(&settings, &placement);
    let eal = start_eal(&present(&settings, &links), &memory, &placement, trailing)?;
    let machine = Machine { eal, memory, placement, interfaces, links };
    let (mut running, changes) = Running::start(config, (settings, live, log), machine, &signals)?;
    tracing::info!(socket = %running.settings.socket.path.display(), "running");
    let watched = running.watch(&signals, &changes);
    // Whoever waits for a change learns that there will be none.
    drop(changes);
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
    if look_at_machine {
        for (port, looked) in settings.ports.iter().zip(inspect_all(&settings)?) {
            if let Err(failure) = looked {
                text += &format!("warning: {}; the port would wait for that\n", failure.written(port));
            }
        }
        let (memory, placement) = machine::plan(&settings)?;
        if let Some(warning) = &memory.warning {
            text += &format!("warning: {warning}\n");
        }
        let args =
            eal_args(&settings, &memory, &main_core_only(&placement), &[]).map_err(Failure::settings)?;
        text += &format!("EAL: {}\n", args[1..].join(" "));
        text += &format!("control on core {}, workers on {:?}\n", placement.control, placement.workers);
    }
    text += &report::ports(&settings);
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

/// DPDK names one core: workers are threads of our own beside it.
fn main_core_only(placement: &Placement) -> Placement {
    Placement { control: placement.control, workers: Vec::new() }
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
    log: Log,
    memory: MemoryPlan,
    devices: Devices,
    /// Bytes of each buffer, as made at the start.
    frame_room: u16,
    inventory: Inventory,
    interfaces: Interfaces,
    links: LinkWatch,
    /// When ports out of service were last looked at for what keeps them there.
    looked_again: Instant,
    /// Brings ports to the worker and back.
    desk: WorkerDesk,
    loops: LoopWatch,
    worker: dpdk::Worker<()>,
    stop: Arc<AtomicBool>,
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
    ) -> Result<(Self, Changes), Failure> {
        let Machine { eal, memory, placement, interfaces, links } = machine;
        let frame_room = mbuf_data_room(&settings);
        let core = *placement.workers.first().ok_or_else(|| Failure::machine("no core for a worker"))?;
        let pool = frame_pool(&eal, &settings)?;
        let opened = open_all(&eal, &settings, links)?;
        let router_mac = router_mac(&settings, &opened)?;
        let devices = Devices { eal, pool: pool.clone(), router_mac };
        let (mut inventory, mut queues) = (Inventory::default(), Vec::new());
        for (settings, opened) in settings.ports.iter().zip(opened) {
            let index = inventory.free_place().ok_or_else(|| Failure::machine("no place for a port"))?;
            let (link, port) = match opened {
                Ok(opened) => opened,
                Err(failure) => {
                    inventory.insert(ServedPort::waiting(index, settings.clone(), failure));
                    continue;
                }
            };
            let started = devices.start(settings, link.as_ref(), port)?;
            let mut served = ServedPort::new(index, settings.clone(), link, started.facts);
            served.port = Some(started.port);
            inventory.insert(served);
            queues.push((index, started.queues));
        }

        let process = process_info(&settings, &devices);
        let mut assembly = assemble(&settings, &inventory.placed(&settings), router_mac, 1, seed(), process)
            .map_err(Failure::settings)?;
        assembly.agent.configuration.warnings.extend(memory.warning.clone());
        inventory.note_told(&settings, router_mac);
        let mut loops = LoopWatch::new(assembly.agent.counters.clone());
        loops.follow(inventory.names());
        let clock = Clock::start();
        let (waker, sleeper) = waker().map_err(Failure::machine)?;
        let (inject, injected) = frame_ring(INJECT_RING);
        let stop = Arc::new(AtomicBool::new(false));
        let agent = recorded(Agent::new(clock.now(), assembly.agent), &settings)?;
        let (control, control_thread) = control::spawn(ControlParts {
            agent,
            punted: assembly.punted,
            inject,
            waker: waker.clone(),
            sleeper,
            clock,
        })
        .map_err(Failure::machine)?;
        let parts = assembly.workers.into_iter().next().ok_or_else(|| Failure::machine("no worker"))?;
        let (desk, orders) = worker_desk();
        let seed = WorkerSeed {
            orders,
            forwarder: parts.forwarder,
            counters: parts.counters,
            queues,
            inject: injected,
            pool,
            waker,
            clock,
            adaptive: settings.worker.poll == Poll::Adaptive,
            stop: Arc::clone(&stop),
        };
        let worker = devices
            .eal
            .spawn_worker("worker-0", Some(usize::from(core)), move |_| seed.run())
            .map_err(Failure::machine)?;
        let running = Self {
            config: config.to_owned(),
            memory,
            settings,
            live,
            log,
            devices,
            frame_room,
            inventory,
            interfaces,
            links: LinkWatch::new().map_err(Failure::machine)?,
            looked_again: Instant::now(),
            desk,
            loops,
            worker,
            stop,
            control,
            control_thread,
            server: None,
        };
        running.serve(signals)
    }

    /// Opens the socket. Last: whoever can connect finds everything running.
    fn serve(mut self, signals: &Signals) -> Result<(Self, Changes), Failure> {
        let socket = self.settings.socket.clone();
        let served = signals.waker().map_err(Failure::machine).and_then(|waker| {
            let (front, changes) = requests(self.control.clone(), waker);
            let server = Server::start(&socket.path, socket.group.as_deref(), Arc::new(front));
            Ok((server.map_err(Failure::machine)?, changes))
        });
        match served {
            Ok((server, changes)) => {
                self.server = Some(server);
                Ok((self, changes))
            }
            Err(failure) => {
                self.end();
                Err(failure)
            }
        }
    }

    /// Until a signal ends it, or a thread ended by itself, which is an error.
    fn watch(&mut self, signals: &Signals, changes: &Changes) -> Result<(), Failure> {
        self.adopt_carriers();
        while !signals.ends() {
            let mut ready = [
                PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.links.fd(), PollFlags::IN),
            ];
            let _ = poll(&mut ready, Some(&WATCH_INTERVAL));
            signals.clear();
            for event in self.links.poll().map_err(Failure::machine)? {
                self.handle_link_event(&event);
            }
            self.look_again_now_and_then();
            self.watch_driver_links();
            if signals.take_hang_up() {
                self.reload();
            }
            changes.serve(|change| self.carry_out(change));
            self.loops.look();
            if self.worker.is_finished() || self.control_thread.is_finished() {
                return Err(Failure::machine(
                    "a thread ended by itself; the log above tells why; please report it",
                ));
            }
        }
        Ok(())
    }

    /// Tells the worker of ports that are new to it, and what changed of the others.
    ///
    /// # Errors
    /// The control thread has ended.
    fn inform_worker(&mut self) -> Result<(), Failure> {
        let mac = self.devices.router_mac;
        let changed = |port: &PlacedPort<'_>, told: &Option<Told>| {
            let now = Told::of(&self.settings, *port, mac);
            (told.as_ref() != Some(&now)).then_some(now)
        };
        let news: Vec<_> = self
            .inventory
            .iter()
            .filter_map(|served| Some((served.index, changed(&served.placed(), &served.told)?)))
            .collect();
        for (index, now) in news {
            let Some(served) = self.inventory.get_mut(index) else { continue };
            match &served.told {
                Some(before) => {
                    if before.ingress != now.ingress {
                        self.desk.set_ingress(index, Ingress::new(&now.ingress));
                    }
                    if before.mtu != now.mtu {
                        self.desk.set_mtu(index, now.mtu);
                    }
                }
                None => {
                    let (lane, ring) = lane(&self.settings, served.placed(), mac);
                    self.desk.admit(lane);
                    self.control.add_ring(ring).map_err(Failure::machine)?;
                }
            }
            served.told = Some(now);
        }
        Ok(())
    }

    /// Leaves upstream, stops the threads, closes the ports, and tells what was counted.
    fn end(self) {
        drop(self.server);
        let _ = self.control.shutdown();
        let control = self.control_thread.join();
        // After the control thread: what it had to send goes out first.
        self.stop.store(true, Ordering::Relaxed);
        let worker = self.worker.join();
        if worker.is_err() {
            tracing::error!("the worker panicked");
        }
        for mut served in self.inventory.into_ports() {
            // The queues went with the worker.
            served.close(Queues { rx: Vec::new(), tx: Vec::new() });
        }
        let lost = self.devices.pool.in_use();
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

fn frame_pool(eal: &Eal, settings: &Settings) -> Result<Mempool, Failure> {
    let size = pool_size(settings);
    let room = mbuf_data_room(settings) - HEADROOM;
    Mempool::new(eal, "frames", size, POOL_CACHE, room, None).map_err(|e| {
        Failure::machine(format!("no memory for {size} buffers: {e}; raise `memory-mb` in [eal]"))
    })
}

/// Has everything recorded that the agent is told, where the settings say so.
fn recorded(agent: Agent, settings: &Settings) -> Result<Agent, Failure> {
    let Some(path) = &settings.record.path else { return Ok(agent) };
    let recorder = Recorder::start(path).map_err(|error| {
        let path = path.display();
        Failure::machine(format!(
            "the record {path} cannot be written: {error}; check `path` in [record], its folder and its disk"
        ))
    })?;
    tracing::info!(path = %path.display(), "everything that control is told is recorded");
    Ok(agent.recorded(recorder))
}

fn process_info(settings: &Settings, devices: &Devices) -> ProcessInfo {
    let pool = devices.pool.clone();
    ProcessInfo {
        instance: settings.proxy.instance.clone(),
        hugepages: devices.eal.has_hugepages(),
        mbufs: Box::new(move || MbufView { size: pool.size().into(), in_use: pool.in_use().into() }),
    }
}

fn start_eal(
    settings: &Settings,
    memory: &MemoryPlan,
    placement: &Placement,
    trailing: &[String],
) -> Result<Eal, Failure> {
    if let Some(warning) = &memory.warning {
        tracing::warn!("{warning}");
    }
    dpdk::set_log_sink(|level, text| match level {
        dpdk::LogLevel::Error => tracing::error!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Warning => tracing::warn!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Info => tracing::info!(target: "dpdk", "{text}"),
        dpdk::LogLevel::Debug => tracing::debug!(target: "dpdk", "{text}"),
    });
    let args = eal_args(settings, memory, &main_core_only(placement), trailing).map_err(Failure::settings)?;
    let eal = Eal::init(&args[1..]).map_err(|e| match settings.eal.args.iter().chain(trailing).next() {
        Some(_) => Failure::settings(format!("{e}\n  check `args` in [eal] and what stands after `--`")),
        None => Failure::machine(e),
    })?;
    tracing::info!(version = eal.version(), line = eal.line(), "EAL");
    Ok(eal)
}

/// Chance for the protocol's random delays and for hashing.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
