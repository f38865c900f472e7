//! The proxy's life: start, watch, end.
//!
//! The main thread makes everything and hands it out: queues to the worker, state to the control thread.
//! Then it watches: signals, the carrier of the ports, and that the threads still run.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use api::{MbufView, Reply, Request};
use control::{Agent, Clock, ControlHandle, ControlParts, ProcessInfo, Server, start_log, waker};
use dpdk::{Eal, HEADROOM, Mempool, Queues};
use forwarding::frame_ring;
use links::{LinkChange, LinkWatch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use settings::{MemoryPlan, Placement, Poll, Settings, eal_args, mbuf_data_room, pool_size};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use types::{MacAddr, PortIndex, Time};

use crate::assembly::assemble;
use crate::failure::Failure;
use crate::loop_watch::LoopWatch;
use crate::machine::{self, KernelPorts};
use crate::ports::{ServedPort, open_ports, start_ports};
use crate::report;
use crate::worker::{WorkerDesk, WorkerSeed, worker_desk};

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
    let settings = settings::load(config).map_err(Failure::settings)?;
    machine::serves(&settings)?;
    let _log = start_log(settings.log.level.as_str()).map_err(Failure::settings)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let signals = Signals::install().map_err(Failure::machine)?;
    let kernel_ports = KernelPorts::take(&settings)?;
    let (memory, placement) = machine::plan(&settings)?;
    machine::leave_worker_cores(&settings, &placement);
    let mut running = Running::start(&settings, &kernel_ports, &memory, &placement, trailing)?;
    tracing::info!(socket = %settings.socket.path.display(), "running");
    let watched = running.watch(&settings, &kernel_ports, &signals);
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
        machine::inspect(&settings)?;
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

/// SIGTERM and SIGINT end; SIGHUP is noted.
struct Signals {
    wake: UnixStream,
    end: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (end, hang_up) = (Arc::default(), Arc::default());
        for (signal, flag) in [(SIGTERM, &end), (SIGINT, &end), (SIGHUP, &hang_up)] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { wake, end, hang_up })
    }

    fn clear(&self) {
        let _ = io::Read::read(&mut &self.wake, &mut [0; 64]);
    }
}

/// DPDK names one core: workers are threads of our own beside it.
fn main_core_only(placement: &Placement) -> Placement {
    Placement { control: placement.control, workers: Vec::new() }
}

struct Running {
    eal: Eal,
    pool: Mempool,
    router_mac: MacAddr,
    ports: Vec<ServedPort>,
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
        settings: &Settings,
        kernel_ports: &KernelPorts,
        memory: &MemoryPlan,
        placement: &Placement,
        trailing: &[String],
    ) -> Result<Self, Failure> {
        let core = *placement.workers.first().ok_or_else(|| Failure::machine("no core for a worker"))?;
        let eal = start_eal(settings, memory, placement, trailing)?;
        let pool = Mempool::new(
            &eal,
            "frames",
            pool_size(settings),
            POOL_CACHE,
            mbuf_data_room(settings) - HEADROOM,
            None,
        )
        .map_err(|e| {
            Failure::machine(format!(
                "no memory for {} buffers: {e}; raise `memory-mb` in [eal]",
                pool_size(settings)
            ))
        })?;
        let (mut ports, router_mac) = open_ports(&eal, settings)?;
        let (queues, facts) = start_ports(kernel_ports, &pool, router_mac, &mut ports)?;

        let watched_pool = pool.clone();
        let process = ProcessInfo {
            instance: settings.proxy.instance.clone(),
            hugepages: eal.has_hugepages(),
            mbufs: Box::new(move || MbufView {
                size: watched_pool.size().into(),
                in_use: watched_pool.in_use().into(),
            }),
        };
        let mut assembly =
            assemble(settings, &facts, router_mac, 1, seed(), process).map_err(Failure::settings)?;
        assembly.agent.configuration.warnings.extend(memory.warning.clone());
        let loops = LoopWatch::new(assembly.agent.counters.clone(), settings);
        let clock = Clock::start();
        let (waker, sleeper) = waker().map_err(Failure::machine)?;
        let (inject, injected) = frame_ring(INJECT_RING);
        let stop = Arc::new(AtomicBool::new(false));
        let (control, control_thread) = control::spawn(ControlParts {
            agent: Agent::new(clock.now(), assembly.agent),
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
            pool: pool.clone(),
            waker,
            clock,
            adaptive: settings.worker.poll == Poll::Adaptive,
            stop: Arc::clone(&stop),
        };
        let worker = eal
            .spawn_worker("worker-0", Some(usize::from(core)), move |_| seed.run())
            .map_err(Failure::machine)?;
        let mut running = Self {
            eal,
            pool,
            router_mac,
            ports,
            desk,
            loops,
            worker,
            stop,
            control,
            control_thread,
            server: None,
        };
        // Last: whoever can connect finds everything running.
        let socket = &settings.socket;
        match Server::start(&socket.path, socket.group.as_deref(), Arc::new(running.control.clone())) {
            Ok(server) => running.server = Some(server),
            Err(error) => {
                running.end();
                return Err(Failure::machine(error));
            }
        }
        Ok(running)
    }

    /// Until a signal ends it, or a thread ended by itself, which is an error.
    fn watch(
        &mut self,
        settings: &Settings,
        kernel_ports: &KernelPorts,
        signals: &Signals,
    ) -> Result<(), Failure> {
        let mut links = LinkWatch::new().map_err(Failure::machine)?;
        let by_interface: HashMap<u32, PortIndex> = settings
            .indexed_ports()
            .zip(&kernel_ports.links)
            .filter_map(|((index, _), link)| Some((link.as_ref()?.index, index)))
            .collect();
        // What changed between looking at the interfaces and watching them.
        for (interface, port) in &by_interface {
            self.set_carrier(*port, links.is_up(*interface).unwrap_or(false));
        }
        while !signals.end.load(Ordering::Relaxed) {
            let mut ready = [
                PollFd::new(&signals.wake, PollFlags::IN),
                PollFd::from_borrowed_fd(links.fd(), PollFlags::IN),
            ];
            let _ = poll(&mut ready, Some(&WATCH_INTERVAL));
            signals.clear();
            if signals.hang_up.swap(false, Ordering::Relaxed) {
                tracing::warn!("SIGHUP: settings are read at the start only; restart to apply them");
            }
            for event in links.poll().map_err(Failure::machine)? {
                report_comings_and_goings(settings, &by_interface, &event);
                let Some(port) = by_interface.get(&event.index) else { continue };
                match event.change {
                    LinkChange::Up => self.set_carrier(*port, true),
                    LinkChange::Down | LinkChange::Vanished => self.set_carrier(*port, false),
                    LinkChange::MtuChanged(mtu) => {
                        tracing::warn!(interface = event.name, mtu, "the MTU changed; restart to apply it");
                    }
                    LinkChange::Appeared | LinkChange::Renamed(_) => {}
                }
            }
            self.watch_driver_links();
            self.loops.look();
            if self.worker.is_finished() || self.control_thread.is_finished() {
                return Err(Failure::machine(
                    "a thread ended by itself; the log above tells why; please report it",
                ));
            }
        }
        Ok(())
    }

    /// The carrier of a kernel interface came or went. Gone: nothing goes there from now on, and the port
    /// is closed with all that its ring holds. Back: a fresh port, and then the masks.
    fn set_carrier(&mut self, index: PortIndex, up: bool) {
        let Some(served) = self.ports.iter_mut().find(|p| p.index == index) else { return };
        if !up {
            let _ = self.control.link(index, false);
            if served.is_open()
                && let Some(queues) = self.desk.take_out(index)
            {
                served.close(queues);
            }
            return;
        }
        if !served.is_open() {
            match served.reopen(&self.eal, &self.pool, self.router_mac) {
                Ok(queues) => self.desk.put_in(index, queues),
                Err(error) => {
                    tracing::error!("{error}; the port stays out of service until its carrier comes anew");
                    return;
                }
            }
        }
        let _ = self.control.link(index, true);
    }

    /// Links that no kernel interface tells of, from their drivers.
    fn watch_driver_links(&self) {
        for served in self.ports.iter().filter(|p| !p.is_kernel()) {
            if let Some(up) = served.driver_link() {
                let _ = self.control.link(served.index, up);
            }
        }
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
        for mut served in self.ports {
            // The queues went with the worker.
            served.close(Queues { rx: Vec::new(), tx: Vec::new() });
        }
        let lost = self.pool.in_use();
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
        drop(self.pool);
        drop(self.eal);
    }
}

/// Tells the log of a port whose interface is gone, and of another interface that has its name.
fn report_comings_and_goings(
    settings: &Settings,
    by_interface: &HashMap<u32, PortIndex>,
    event: &links::LinkEvent,
) {
    let interface = &event.name;
    let known = by_interface.get(&event.index);
    match event.change {
        LinkChange::Vanished => {
            let Some((_, port)) = settings.indexed_ports().find(|(index, _)| Some(index) == known) else {
                return;
            };
            tracing::warn!(port = port.name, interface, "the interface vanished; the other ports go on");
        }
        LinkChange::Appeared | LinkChange::Renamed(_) if known.is_none() => {
            let named = |port: &&settings::PortSettings| port.device.kernel_interface() == Some(interface);
            let Some(port) = settings.ports.iter().find(named) else { return };
            tracing::warn!(
                port = port.name,
                interface,
                "an interface of this name is back; restart to use it"
            );
        }
        _ => {}
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
