//! A whole proxy in this process, without devices: the worker's forwarder and the real control thread, with their rings
//! and wake-ups between them. Whoever measures is the worker, and gives it its bursts.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::{
    Agent, AgentParts, Clock, Configuration, ControlHandle, ControlParts, LossBook, PortInfo, PortRole,
    ProcessInfo, Waker, waker,
};
use dataplane::sizes::{HOUSEKEEPING, INJECT_RING, INJECTED_A_PASS, PUNT_BURST, PUNT_RING, PUNTS_PER_SECOND};
use forwarding::{
    Egress, Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, Ingress, IngressSettings, OwnedFrame,
    Policer, frame_ring, worker_counters,
};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::{ClientPortSettings, FastLeave, UpstreamPortSettings};
use settings::{Poll, Sources};
use types::{FrameBurst, MacAddr, PortIndex};

use crate::burst::PlainBurst;
use crate::error::BenchError;
use crate::side::PATIENCE;

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
const MAX_GROUPS: u32 = 65_536;
/// The proxy. Its port 0 is the provider's, the others are clients' with fast leave.
pub(crate) struct Live {
    forwarder: Forwarder,
    inject: FrameReceiver,
    waker: Waker,
    clock: Clock,
    passes: u32,
    handle: ControlHandle,
    thread: JoinHandle<Agent>,
}

impl Live {
    /// Starts it with so many client ports; the control thread runs where the caller does, and sleeps or polls.
    ///
    /// # Errors
    /// The system has no thread or descriptor for it.
    pub(crate) fn start(clients: usize, control: Poll) -> Result<Self, BenchError> {
        let (table, readers) =
            group_table(TableSettings { max_groups: MAX_GROUPS as usize, readers: 1, seed: 7 });
        let table_reader =
            readers.into_iter().next().ok_or_else(|| BenchError::machine("no reader", "report it"))?;
        let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
        let (writer, counters) = worker_counters();
        let mut forwarder = Forwarder::new(ForwarderParts {
            table: table_reader,
            masks: Arc::clone(&masks),
            policy: Arc::clone(&policy),
            counters: writer,
            router_mac: ROUTER,
        });
        let ports = (0..=clients).map(info).collect::<Result<Vec<_>, _>>()?;
        let mut punted = Vec::new();
        for port in &ports {
            let (punt, receiver) = frame_ring(PUNT_RING);
            punted.push(receiver);
            let policer = Policer::new(PUNTS_PER_SECOND, PUNT_BURST);
            forwarder.add_port(port.index, Ingress::new(&port.ingress), punt, policer, port.mtu);
        }
        let process = ProcessInfo {
            instance: "bench".to_owned(),
            hugepages: false,
            mbufs: Box::new(api::MbufView::default),
            revision: Box::new(|| 0),
        };
        let configuration = Configuration { enabled: true, ports, ..Configuration::default() };
        let counters = vec![counters];
        let clock = Clock::start();
        let parts = AgentParts {
            process,
            router_mac: ROUTER,
            seed: 7,
            configuration,
            table,
            masks,
            policy,
            counters,
            losses: LossBook::default(),
        };
        let (sender, inject) = frame_ring(INJECT_RING);
        let (waker, sleeper) = waker().map_err(BenchError::io("make an eventfd"))?;
        let agent = Agent::new(clock.now(), parts);
        let sleeper = sleeper.polling(control == Poll::Busy);
        let parts =
            ControlParts { agent, punted, inject: sender, waker: waker.clone(), sleeper, clock, core: None };
        let (handle, thread) = control::spawn(parts).map_err(BenchError::io("start the control thread"))?;
        Ok(Self { forwarder, inject, waker, clock, passes: 0, handle, thread })
    }

    /// One pass of a worker: `burst` from `port`, then what the control thread wants sent, which goes nowhere.
    #[inline]
    pub(crate) fn pass(
        &mut self,
        port: PortIndex,
        burst: &mut PlainBurst,
        egress: &mut impl Egress<OwnedFrame>,
    ) {
        if !burst.frames().is_empty() {
            let clock = self.clock;
            let report = self.forwarder.forward(|| clock.now(), port, burst, egress);
            if report.punted > 0 {
                self.waker.wake();
            }
        }
        for _ in 0..INJECTED_A_PASS {
            if self.inject.recv(|_, _| ()).is_none() {
                break;
            }
        }
        self.passes = self.passes.wrapping_add(1);
        if self.passes.is_multiple_of(HOUSEKEEPING) {
            self.forwarder.table().quiesce();
        }
    }

    /// Ends the control thread, cleanly.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        let failed = |e: &dyn std::fmt::Display| BenchError::machine(e, "report it");
        self.handle.shutdown().map_err(|e| failed(&e))?;
        let give_up = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            if Instant::now() > give_up {
                return Err(failed(&"the control thread does not end"));
            }
            while self.inject.recv(|_, _| ()).is_some() {}
            self.forwarder.table().quiesce();
            std::thread::sleep(Duration::from_micros(50));
        }
        self.thread.join().map(drop).map_err(|_| failed(&"the control thread panicked"))
    }
}

/// The port of that number, which every table has.
///
/// # Errors
/// There are not so many.
pub(crate) fn port(index: usize) -> Result<PortIndex, BenchError> {
    PortIndex::new(index)
        .ok_or_else(|| BenchError::machine(format!("there is no port {index}"), "ask for fewer sinks"))
}

fn info(number: usize) -> Result<PortInfo, BenchError> {
    let index = port(number)?;
    let address = format!("10.{number}.0.1/24").parse().ok();
    let role = if number == 0 {
        PortRole::Upstream(UpstreamPortSettings { address, ..Default::default() })
    } else {
        let fast_leave = FastLeave::Single;
        let client = ClientPortSettings { address, fast_leave, max_groups: MAX_GROUPS, ..Default::default() };
        PortRole::Client(client)
    };
    Ok(PortInfo {
        index,
        name: format!("port-{number}"),
        device: format!("none{number}"),
        driver: "none".to_owned(),
        mac: ROUTER,
        address,
        role,
        sources: Sources::No,
        forward_when_not_querier: false,
        ingress: IngressSettings {
            mac: ROUTER,
            other_macs: Vec::new(),
            kernel_mac: None,
            own: address.map(|a| a.addr()).into_iter().collect(),
            address: address.map(|a| a.addr()),
            sources_allowed: Vec::new(),
            completes_udp: false,
        },
        mtu: 1500,
        link_up: true,
        outage: None,
    })
}
