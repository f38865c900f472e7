//! Workers and a control thread as a start makes them, from settings; but each port's receive queues reach the workers when
//! the test says so, so that nothing comes in before everybody is ready for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use api::{CountersReply, GroupView, PortCounters, Reply, Request};
use control::{Agent, AgentParts, Clock, Configuration, ControlHandle, ControlParts, Sleeper, Waker, waker};
use dpdk::{Burst, Mempool, PortStats, Queues};
use forwarding::{FrameReceiver, FrameSender, PortCountersSnapshot, WorkerCountersReader, frame_ring};
use settings::{PortSettings, Settings, plan_memory};
use types::{MacAddr, PortIndex, Time};

use crate::assembly::{PlacedPort, PortFacts, assemble, intake};
use crate::crew::{Crew, Hand, Intake, deal};
use crate::machine;
use crate::ports::{Devices, Try, open_all, router_mac};
use crate::runtime::setup::{Common, frame_pool, hands, process_info, start_eal};
use crate::runtime::told::Revision;
use crate::sizes::INJECT_RING;

/// Longer than anything takes on a machine that is busy elsewhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port, and those of its queues that the workers do not have yet.
struct Port {
    settings: PortSettings,
    port: dpdk::Port,
    waiting: Queues,
    intake: Intake,
}

/// Ports that run, before there are workers.
pub(super) struct Devised {
    settings: Settings,
    devices: Devices,
    ports: Vec<Port>,
    facts: Vec<PortFacts>,
    cores: Vec<u16>,
}

/// What workers and a control thread are made of.
pub(super) struct Parts {
    /// The workers, which send by every port.
    pub(super) hands: Vec<Hand>,
    /// Sends by the first of them.
    pub(super) inject: FrameSender,
    /// Ends them.
    pub(super) stop: Arc<AtomicBool>,
    agent: AgentParts,
    punted: Vec<FrameReceiver>,
    waker: Waker,
    sleeper: Sleeper,
    clock: Clock,
}

/// Running workers.
pub(super) struct TestCrew {
    crew: Crew,
    ports: Vec<Port>,
    devices: Devices,
    counters: Vec<WorkerCountersReader>,
    configuration: Configuration,
    control: ControlHandle,
    control_thread: JoinHandle<Agent>,
}

/// What there is to see once all has ended.
pub(super) struct Ended {
    /// Of all workers together, by port.
    pub(super) counters: BTreeMap<String, PortCounters>,
    /// What the devices counted, by port.
    pub(super) devices: BTreeMap<String, PortStats>,
    /// Frames that each worker received, by its meter.
    pub(super) received: Vec<u64>,
    /// Each worker's counters.
    pub(super) workers: Vec<WorkerCountersReader>,
}

impl Devised {
    /// The settings' ports, with queues for so many workers.
    pub(super) fn start(text: &str, workers: usize) -> Self {
        let settings = settings::parse(text, "test.toml").unwrap();
        let (mut placement, _) = machine::place(&settings).unwrap();
        // More workers than cores are slow, and nothing else.
        let cores = [placement.control, placement.workers[0]];
        placement.workers = cores.into_iter().cycle().take(workers).collect();
        let memory = plan_memory(&settings, workers, |_| 0, 0).unwrap();
        let eal = start_eal(&settings, &memory, &placement, &[]).unwrap_or_else(|e| panic!("{e}"));
        let pool = frame_pool(&eal, &settings, workers, memory.node).unwrap_or_else(|e| panic!("{e}"));
        let looked = settings.ports.iter().map(|_| Ok(None)).collect();
        let opened = open_all(&eal, &settings, looked, workers as u16).unwrap_or_else(|e| panic!("{e}"));
        let router_mac = router_mac(&settings, &opened).unwrap_or_else(|e| panic!("{e}"));
        let devices = Devices::new(eal, pool, router_mac, workers as u16, 0);
        let (mut ports, mut facts) = (Vec::new(), Vec::new());
        for (port_settings, opened) in settings.ports.iter().zip(opened) {
            let port = opened.1.unwrap_or_else(|e| panic!("{e}"));
            let started =
                devices.start(port_settings, None, port, Try::First).unwrap_or_else(|e| panic!("{e}"));
            facts.push(started.facts);
            ports.push(Port {
                settings: port_settings.clone(),
                port: started.port,
                waiting: started.queues,
                intake: intake(&settings, port_settings),
            });
        }
        Self { settings, devices, ports, facts, cores: placement.workers }
    }

    /// Has these workers run.
    pub(super) fn run(&self, hands: Vec<Hand>, stop: Arc<AtomicBool>) -> Crew {
        Crew::start(&self.devices.eal, hands, stop).unwrap()
    }

    /// The receive queues of a port.
    pub(super) fn take_queues(&mut self, place: usize) -> Queues {
        Queues { rx: core::mem::take(&mut self.ports[place].waiting.rx), tx: Vec::new() }
    }

    pub(super) fn parts(&mut self) -> Parts {
        let Self { settings, devices, ports, facts, cores } = self;
        let place = |((at, port), facts)| {
            let port: &Port = port;
            PlacedPort { index: index(at), settings: &port.settings, facts }
        };
        let placed: Vec<_> = (0..).zip(&*ports).zip(&*facts).map(place).collect();
        let process = process_info(settings, devices, &Revision::new(0));
        let assembly = assemble(settings, &placed, devices.router_mac, cores.len(), 1, process).unwrap();
        let clock = Clock::start();
        let (waker, sleeper) = waker().unwrap();
        let (inject, injected) = frame_ring(INJECT_RING);
        let (pool, macs) = (devices.pool.clone(), assembly.macs);
        let common = Common { pool, waker: waker.clone(), clock, adaptive: true, macs };
        let sending = |(at, port): (usize, &mut Port)| {
            let queues = Queues { rx: Vec::new(), tx: core::mem::take(&mut port.waiting.tx) };
            (index(at), deal(index(at), queues, port.intake, cores.len()))
        };
        let sending = ports.iter_mut().enumerate().map(sending).collect();
        let (hands, stop) = hands(common, cores, assembly.workers, sending, injected, devices);
        let (agent, punted) = (assembly.agent, assembly.punted);
        Parts { hands, stop, inject, agent, punted, waker, sleeper, clock }
    }

    /// Ends the ports. Every buffer must be back.
    pub(super) fn end(self) {
        for port in self.ports {
            port.port.close(port.waiting).unwrap();
        }
        expect_full(&self.devices.pool);
    }
}

impl TestCrew {
    /// So many workers for these settings. They send by every port, and receive by none yet.
    pub(super) fn start(text: &str, workers: usize) -> Self {
        let mut devised = Devised::start(text, workers);
        let Parts { hands, stop, inject, agent, punted, waker, sleeper, clock } = devised.parts();
        let Devised { devices, ports, .. } = devised;
        let (counters, configuration) = (agent.counters.clone(), agent.configuration.clone());
        let agent = Agent::new(clock.now(), agent);
        let parts = ControlParts { agent, punted, inject, waker, sleeper, clock, core: None };
        let (control, control_thread) = control::spawn(parts).unwrap();
        let crew = Crew::start(&devices.eal, hands, stop).unwrap();
        let crew = Self { crew, ports, devices, counters, configuration, control, control_thread };
        // Static members are in the table when this returns.
        crew.settle();
        crew
    }

    /// What is sent has it as its source.
    pub(super) fn router_mac(&self) -> MacAddr {
        self.devices.router_mac
    }

    /// Buffers, all that there are.
    pub(super) fn pool(&self) -> &Mempool {
        &self.devices.pool
    }

    /// What the device of a port has as its own MAC.
    pub(super) fn device_mac(&self, name: &str) -> MacAddr {
        self.ports[self.place(name)].port.info().mac
    }

    /// What a port's queues have that no worker receives by, once the workers' passes until now have ended.
    pub(super) fn take_received(&mut self, name: &str) -> Vec<Vec<u8>> {
        self.crew.await_orders();
        let at = self.place(name);
        let (mut burst, mut frames) = (Burst::<32>::new(), Vec::new());
        for queue in &mut self.ports[at].waiting.rx {
            while queue.rx_burst(&mut burst) > 0 {
                frames.extend(burst.drain().map(|frame| frame.data().to_vec()));
            }
        }
        frames
    }

    /// Has the workers receive by a port from now on.
    pub(super) fn receive_by(&mut self, name: &str) {
        let at = self.place(name);
        let queues = Queues { rx: core::mem::take(&mut self.ports[at].waiting.rx), tx: Vec::new() };
        assert!(!queues.rx.is_empty(), "they do already");
        self.crew.put_in(index(at), queues, self.ports[at].intake);
    }

    /// Has the workers share what comes in by a port otherwise.
    pub(super) fn deal_anew(&self, name: &str, intake: Intake) {
        self.crew.deal_anew(index(self.place(name)), intake);
    }

    fn place(&self, name: &str) -> usize {
        self.ports.iter().position(|port| port.settings.name == name).expect("a port of the settings")
    }

    /// What one worker counted on a port.
    pub(super) fn worker(&self, worker: usize, port: &str) -> PortCountersSnapshot {
        self.counters[worker].snapshot(index(self.place(port)))
    }

    /// Waits until so many frames came in by a port.
    pub(super) fn await_received(&self, port: &str, frames: usize) {
        let received =
            || (0..self.counters.len()).map(|worker| self.worker(worker, port).rx_frames).sum::<u64>();
        wait(&format!("{frames} frames by {port}"), || received() == frames as u64);
    }

    /// Waits until the control thread had so many IGMP messages from a port, and acted on them.
    pub(super) fn await_igmp(&self, port: &str, messages: usize) {
        let had = || counters(&self.request(Request::ShowCounters))[port].igmp_received.values().sum::<u64>();
        wait(&format!("{messages} messages by {port}"), || had() == messages as u64);
        self.settle();
    }

    /// Waits until the control thread has sent so many IGMP messages out of a port.
    pub(super) fn await_igmp_sent(&self, port: &str, messages: u64) {
        let sent = || counters(&self.request(Request::ShowCounters))[port].igmp_sent.values().sum::<u64>();
        wait(&format!("{messages} messages out of {port}"), || sent() >= messages);
    }

    /// All groups that there are.
    pub(super) fn groups(&self) -> Vec<GroupView> {
        let Reply::Groups(groups) = self.request(Request::ShowGroups) else { panic!("no groups") };
        groups.groups
    }

    /// Returns when every entry of the group table is as the control thread has it.
    fn settle(&self) {
        self.control.configure(self.configuration.clone(), PATIENCE).unwrap();
    }

    fn request(&self, request: Request) -> Reply {
        self.control.request(request, PATIENCE).unwrap()
    }

    /// Ends it all in the order of a real end. Every buffer must be back.
    pub(super) fn end(self) -> Ended {
        let Self { crew, ports, devices, counters: workers, control, control_thread, .. } = self;
        control.shutdown().unwrap();
        let mut agent = control_thread.join().unwrap();
        let watched = crew.watched();
        assert!(crew.end(), "a worker panicked");
        let received = watched.into_iter().map(|worker| worker.meter.snapshot().frames).collect();
        let mut of_devices = BTreeMap::new();
        for Port { settings, port, waiting, .. } in ports {
            of_devices.insert(settings.name, port.stats().unwrap());
            port.close(waiting).unwrap();
        }
        expect_full(&devices.pool);
        let counters = counters(&agent.handle_request(Time::ZERO, Request::ShowCounters));
        Ended { counters, devices: of_devices, received, workers }
    }
}

fn expect_full(pool: &Mempool) {
    assert_eq!((pool.in_use(), pool.avail()), (0, pool.size()), "every buffer is back");
}

/// The place of a port in the tables: that in the settings.
pub(super) fn index(place: usize) -> PortIndex {
    PortIndex::new(place).unwrap()
}

/// Waits until `done`.
pub(super) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn counters(reply: &Reply) -> BTreeMap<String, PortCounters> {
    let Reply::Counters(CountersReply { ports }) = reply else { panic!("no counters: {reply:?}") };
    ports.iter().map(|port| (port.port.clone(), port.clone())).collect()
}

/// Whether this build serves so many workers; where references are not counted atomically, it must say that it does
/// not.
pub(super) fn serves(workers: usize) -> bool {
    let checked = dpdk::check_workers(dpdk::REFCNT_IS_ATOMIC, workers);
    assert_eq!(checked.is_ok(), dpdk::REFCNT_IS_ATOMIC);
    checked.is_ok()
}
