//! An agent with a worker's forwarder beside it: what the agent decides is tried with frames of data.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use api::{MbufView, Reply, Request};
use forwarding::{
    Egress, Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, Ingress, IngressSettings, OwnedBurst,
    OwnedFrame, Policer, PuntKind, WorkerCounters, frame_ring, punt_kind, worker_counters,
};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::wire::{Message, Outgoing, emit, parse};
use igmp::{ClientPortSettings, ProxySettings, UpstreamPortSettings};
use settings::Sources;
use types::{DropReason, GroupAddr, MacAddr, PortIndex, PortSet, Time};

use crate::{Agent, AgentParts, Configuration, LossBook, Outlet, PortInfo, PortRole, ProcessInfo};

/// The provider's port, 10.0.0.1/24.
pub(super) const WAN: usize = 0;
/// A client port, 10.1.0.1/24.
pub(super) const A: usize = 1;
/// Another, 10.2.0.1/24.
pub(super) const B: usize = 2;

/// A port that the worker knows and the plan has not.
pub(super) const C: usize = 3;

pub(super) const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
pub(super) const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const START: Time = Time::from_nanos(5_000_000_000);

pub(super) fn port(index: usize) -> PortIndex {
    PortIndex::new(index).unwrap()
}

pub(super) fn ports<const N: usize>(indices: [usize; N]) -> PortSet {
    indices.into_iter().map(port).collect()
}

pub(super) fn group(text: &str) -> GroupAddr {
    text.parse().unwrap()
}

/// Group number `n`, 239.3.0.0 and up.
pub(super) fn nth_group(n: u16) -> GroupAddr {
    GroupAddr::from_bits(0xef03_0000 + u32::from(n)).unwrap()
}

/// What the host 10.`port`.0.9 sends.
pub(super) fn from_host(port_index: usize, message: Outgoing) -> Vec<u8> {
    emit(message, HOST, Ipv4Addr::new(10, port_index as u8, 0, 9), 0).as_slice().to_vec()
}

pub(super) fn join(port_index: usize, group: GroupAddr) -> Vec<u8> {
    from_host(port_index, Outgoing::ReportV2(group))
}

pub(super) fn leave(port_index: usize, group: GroupAddr) -> Vec<u8> {
    from_host(port_index, Outgoing::Leave(group))
}

/// Whether `reply` is of the kind that `request` asks for.
pub(super) fn answers(reply: &Reply, request: &Request) -> bool {
    match request {
        Request::ShowGroups => matches!(reply, Reply::Groups(_)),
        Request::ShowPorts => matches!(reply, Reply::Ports(_)),
        Request::ShowCounters => matches!(reply, Reply::Counters(_)),
        // Answered beside the control thread.
        Request::ShowWorkers | Request::ShowConnections => matches!(reply, Reply::Error(_)),
        Request::ShowEvents { .. } => matches!(reply, Reply::Events(_)),
        Request::ShowLatency => matches!(reply, Reply::Latency(_)),
        Request::ShowSettings => matches!(reply, Reply::Error(_)),
        Request::Preview { .. } => matches!(reply, Reply::Preview(_)),
        Request::ShowStatus => matches!(reply, Reply::Status(_)),
        Request::Explain { .. } => matches!(reply, Reply::Explain(_)),
        Request::Reload
        | Request::Change { .. }
        | Request::Enable
        | Request::Disable
        | Request::SetUpstream { .. } => matches!(reply, Reply::Changed(_)),
    }
}

/// A frame of ours in words: `query`, `query 239.1.1.1`, `report 239.1.1.1`, `leave 239.1.1.1`, and those of
/// router discovery, by their types.
pub(super) fn words(frame: &[u8]) -> String {
    match frame[38] {
        0x30 => return "advertisement".to_owned(),
        0x32 => return "termination".to_owned(),
        _ => {}
    }
    let packet = parse(frame).unwrap();
    assert_eq!(packet.source_mac, ROUTER);
    match packet.message {
        Message::Query(query) => query.group.map_or("query".to_owned(), |group| format!("query {group}")),
        Message::ReportV2(group) => format!("report {group}"),
        Message::Leave(group) => format!("leave {group}"),
        other => panic!("we never send {other:?}"),
    }
}

/// Takes frames as long as it has room.
pub(super) struct Sent {
    pub(super) room: usize,
    /// IGMP in words.
    pub(super) frames: Vec<(Time, usize, String)>,
    /// What is for the ports' neighbours.
    pub(super) others: Vec<(Time, usize, Vec<u8>)>,
}

impl Outlet for Sent {
    fn has_room(&self) -> bool {
        self.room > 0
    }

    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        self.room = self.room.checked_sub(1).expect("asked for room before");
        match punt_kind(frame) {
            PuntKind::Igmp => self.frames.push((now, port.get(), words(frame))),
            PuntKind::Neighbour => self.others.push((now, port.get(), frame.to_vec())),
            PuntKind::Sample => panic!("the control thread sends no data"),
        }
    }
}

/// Where copies of data went.
#[derive(Default)]
struct Copies(PortSet);

impl Egress<OwnedFrame> for Copies {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        frames.for_each(drop);
        self.0 = ports;
    }
}

/// How the bench is to be, before it is.
pub(super) struct Plan {
    pub(super) enabled: bool,
    pub(super) max_groups: usize,
    pub(super) ports: Vec<PortInfo>,
}

impl Plan {
    /// Provider and two client ports, all up, and the proxy switched on.
    pub(super) fn new() -> Self {
        let upstream = UpstreamPortSettings { address: "10.0.0.1/24".parse().ok(), ..Default::default() };
        let mut ports = vec![info(WAN, "wan", PortRole::Upstream(upstream))];
        for (index, name) in [(A, "hall-a"), (B, "hall-b")] {
            let address = format!("10.{index}.0.1/24").parse().ok();
            let client = ClientPortSettings { address, ..Default::default() };
            ports.push(info(index, name, PortRole::Client(client)));
        }
        Self { enabled: true, max_groups: 64, ports }
    }

    pub(super) fn sources(mut self, port_index: usize, sources: Sources) -> Self {
        self.ports[port_index].sources = sources;
        self
    }

    /// The ports have no addresses to announce.
    pub(super) fn without_neighbours(mut self) -> Self {
        self.ports.iter_mut().for_each(|port| port.address = None);
        self
    }

    pub(super) fn down(mut self, port_index: usize) -> Self {
        self.ports[port_index].link_up = false;
        self
    }

    /// The agent alone, without a worker beside it.
    pub(super) fn agent(self, now: Time) -> Agent {
        self.agent_with(now, || MbufView { size: 100, in_use: 7 })
    }

    /// The same, with this look at the buffer pool.
    pub(super) fn agent_with(self, now: Time, mbufs: impl Fn() -> MbufView + Send + 'static) -> Agent {
        Agent::new(now, self.parts(0, mbufs).0)
    }

    /// What an agent is made of, and the table's readers for so many workers.
    pub(super) fn parts(
        self,
        workers: usize,
        mbufs: impl Fn() -> MbufView + Send + 'static,
    ) -> (AgentParts, Vec<group_table::GroupTableReader>) {
        let Self { enabled, max_groups, ports } = self;
        let (table, readers) = group_table(TableSettings { max_groups, readers: workers, seed: 1 });
        let local_groups = ProxySettings::default_local_groups();
        let configuration = Configuration {
            enabled,
            local_groups: local_groups.clone(),
            ssm_range: Vec::new(),
            ports,
            warnings: vec!["a doubt".to_owned()],
        };
        let parts = AgentParts {
            process: ProcessInfo {
                instance: "main".to_owned(),
                hugepages: false,
                mbufs: Box::new(mbufs),
                revision: Box::new(|| 9),
            },
            router_mac: ROUTER,
            seed: 1,
            configuration,
            table,
            masks: Arc::new(PortMasks::new()),
            policy: Arc::new(ForwardingPolicy::new(&local_groups)),
            counters: Vec::new(),
            losses: LossBook::default(),
        };
        (parts, readers)
    }
}

pub(super) fn info(index: usize, name: &str, role: PortRole) -> PortInfo {
    let address = match &role {
        PortRole::Upstream(settings) => settings.address,
        PortRole::Client(settings) => settings.address,
    };
    PortInfo {
        index: port(index),
        name: name.to_owned(),
        device: format!("eth{index}"),
        driver: "net_af_packet".to_owned(),
        mac: ROUTER,
        address,
        role,
        sources: Sources::No,
        forward_when_not_querier: false,
        ingress: IngressSettings {
            mac: ROUTER,
            other_macs: Vec::new(),
            kernel_mac: None,
            own: Vec::new(),
            address: None,
            sources_allowed: Vec::new(),
            completes_udp: false,
        },
        mtu: 1500,
        link_up: true,
        outage: None,
    }
}

pub(super) struct Bench {
    pub(super) agent: Agent,
    pub(super) masks: Arc<PortMasks>,
    pub(super) now: Time,
    pub(super) outlet: Sent,
    pub(super) counters: WorkerCounters,
    forwarder: Forwarder,
    /// What the worker hands to the control thread, a ring for each port.
    punted: Vec<FrameReceiver>,
}

impl Bench {
    /// The agent as planned; its first queries are sent.
    pub(super) fn new(plan: Plan) -> Self {
        let (mut parts, mut readers) = plan.parts(1, || MbufView { size: 100, in_use: 7 });
        let (counters, reader) = worker_counters();
        parts.counters.push(reader);
        let masks = Arc::clone(&parts.masks);
        let mut forwarder = Forwarder::new(ForwarderParts {
            table: readers.remove(0),
            masks: Arc::clone(&masks),
            policy: Arc::clone(&parts.policy),
            counters: counters.clone(),
            router_mac: ROUTER,
        });
        let spare = info(C, "spare", PortRole::Client(ClientPortSettings::default()));
        let mut punted = Vec::new();
        for port in parts.configuration.ports.iter().chain([&spare]) {
            let (punt, ring) = frame_ring(64);
            punted.push(ring);
            let ingress = Ingress::new(&port.ingress);
            forwarder.add_port(port.index, ingress, punt, Policer::new(1, 1), port.mtu);
        }
        let outlet = Sent { room: usize::MAX, frames: Vec::new(), others: Vec::new() };
        let agent = Agent::new(START, parts);
        let mut bench = Self { agent, masks, now: START, outlet, counters, forwarder, punted };
        bench.poll();
        bench
    }

    pub(super) fn poll(&mut self) -> Option<Time> {
        let next = self.agent.poll(self.now, &mut self.outlet);
        self.forwarder.table().quiesce();
        next
    }

    /// The host on the port sends a frame, and the agent does what follows.
    pub(super) fn receive(&mut self, port_index: usize, frame: &[u8]) {
        self.agent.handle_frame(self.now, port(port_index), frame);
        self.poll();
    }

    pub(super) fn join(&mut self, port_index: usize, group: GroupAddr) {
        self.receive(port_index, &join(port_index, group));
    }

    pub(super) fn leave(&mut self, port_index: usize, group: GroupAddr) {
        self.receive(port_index, &leave(port_index, group));
    }

    pub(super) fn link(&mut self, port_index: usize, up: bool) {
        self.agent.handle_link(self.now, port(port_index), up);
        self.poll();
    }

    /// Lets time pass, firing each timer at its own time.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.agent.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.poll();
        }
        self.now = end;
    }

    /// What was sent since this was asked last, as (port, words).
    pub(super) fn sent(&mut self) -> Vec<(usize, String)> {
        self.outlet.frames.drain(..).map(|(_, port, words)| (port, words)).collect()
    }

    /// The ports that a frame of data gets to.
    pub(super) fn data(&mut self, ingress: usize, to: GroupAddr) -> PortSet {
        self.worker(ingress, data(ingress, to))
    }

    /// The ports that the worker sends a frame to; what it punts reaches the agent.
    pub(super) fn worker(&mut self, ingress: usize, frame: Vec<u8>) -> PortSet {
        let copies = self.deaf_worker(ingress, frame);
        for ring in &mut self.punted {
            while ring.recv(|port, frame| self.agent.handle_frame(self.now, port, frame)).is_some() {}
        }
        copies
    }

    /// The same, while what it punts waits in the rings.
    pub(super) fn deaf_worker(&mut self, ingress: usize, frame: Vec<u8>) -> PortSet {
        let mut copies = Copies::default();
        let mut burst = OwnedBurst::default();
        burst.0.push(OwnedFrame(frame));
        self.forwarder.forward(|| self.now, port(ingress), &mut burst, &mut copies);
        self.forwarder.table().quiesce();
        copies.0
    }

    /// Frames that came in by the port and were dropped for this reason.
    pub(super) fn dropped(&self, ingress: usize, reason: DropReason) -> u64 {
        self.counters.port(port(ingress)).dropped(reason).get()
    }

    /// What is configured, changed by `change`, is configured, and the agent does what follows.
    pub(super) fn configure(&mut self, change: impl FnOnce(&mut Configuration)) {
        let mut next = self.agent.configuration.clone();
        change(&mut next);
        self.agent.configure(self.now, next);
        self.poll();
    }

    pub(super) fn ask(&mut self, request: Request) -> Reply {
        self.agent.handle_request(self.now, request)
    }
}

/// An empty UDP datagram with TTL 9.
pub(super) fn data(ingress: usize, to: GroupAddr) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 9, 17, 0, 0, 10, ingress as u8, 0, 77];
    ip.extend(to.addr().octets());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = to.mac().octets().to_vec();
    frame.extend(HOST.octets());
    frame.extend([8, 0]);
    frame.extend(ip);
    frame.extend([0x30, 0, 0x30, 0, 0, 8, 0, 0]);
    frame
}
