//! All protocol state, and what follows from a change of it: the group table, the masks, frames to send.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::{MbufView, Reply, Request};
use forwarding::{ForwardingPolicy, WorkerCountersReader};
use group_table::{GroupTableWriter, PortMasks, TableFull};
use igmp::{Action, ClientPortSettings, Event, Proxy, UpstreamPortSettings};
use settings::Sources;
use types::{GroupAddr, Ipv4Net, MacAddr, PortIndex, PortSet, Time};

use crate::show;

/// Timers fired in one turn, so that frames and requests get theirs.
const TIMERS_A_TURN: usize = 1024;

/// Where frames to send go.
pub trait Outlet {
    /// Whether [`send`](Self::send) will take a frame now.
    fn has_room(&self) -> bool;
    /// Sends `frame`, complete from the destination MAC on, out of `port`.
    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]);
}

/// What a port is to the protocol.
#[derive(Debug, Clone)]
pub enum PortRole {
    /// Towards the provider: Manifold is a host there.
    Upstream(UpstreamPortSettings),
    /// Towards clients: Manifold is a router there.
    Client(ClientPortSettings),
}

/// A port as the control thread knows it.
#[derive(Debug, Clone)]
pub struct PortInfo {
    /// Its place in every table.
    pub index: PortIndex,
    /// Its name in the settings.
    pub name: String,
    /// Its device in the settings.
    pub device: String,
    /// The driver that serves it.
    pub driver: String,
    /// Source of what it sends.
    pub mac: MacAddr,
    /// Its address, if it has one.
    pub address: Option<Ipv4Net>,
    /// What it is to the protocol.
    pub role: PortRole,
    /// Whether multicast data may come in from its clients.
    pub sources: Sources,
    /// Whether it has carrier.
    pub link_up: bool,
}

impl PortInfo {
    /// Whether it is the provider's port.
    pub fn is_upstream(&self) -> bool {
        matches!(self.role, PortRole::Upstream(_))
    }
}

/// The process as the socket's `show-status` tells it.
pub struct ProcessInfo {
    /// The instance's name.
    pub instance: String,
    /// Whether DPDK runs on hugepages.
    pub hugepages: bool,
    /// Doubts about the settings.
    pub warnings: Vec<String>,
    /// Looks at the buffer pool.
    pub mbufs: Box<dyn Fn() -> MbufView + Send>,
}

/// What an agent is made of.
pub struct AgentParts {
    /// About the process.
    pub process: ProcessInfo,
    /// The IGMP state.
    pub proxy: Proxy,
    /// Whether the proxy is switched on.
    pub enabled: bool,
    /// The group table's writing end.
    pub table: GroupTableWriter,
    /// Which ports may send to which.
    pub masks: Arc<PortMasks>,
    /// What the workers name drops by.
    pub policy: Arc<ForwardingPolicy>,
    /// The workers' counters.
    pub counters: Vec<WorkerCountersReader>,
    /// Every port.
    pub ports: Vec<PortInfo>,
}

/// Owns the protocol state and the group table's writing end. See the crate's documentation.
pub struct Agent {
    pub(crate) process: ProcessInfo,
    pub(crate) proxy: Proxy,
    pub(crate) enabled: bool,
    pub(crate) table: GroupTableWriter,
    masks: Arc<PortMasks>,
    policy: Arc<ForwardingPolicy>,
    pub(crate) counters: Vec<WorkerCountersReader>,
    pub(crate) ports: Vec<PortInfo>,
    pub(crate) started: Time,
    /// Members that the table had no room for, so far.
    pub(crate) table_refused: u64,
    /// Those of them that still wait for some.
    pub(crate) unplaced: BTreeSet<(GroupAddr, PortIndex)>,
    /// An action taken from the proxy that the outlet had no room for.
    waiting: Option<Action>,
}

impl Agent {
    /// The agent at `now`, its ports added; queries and reports due at once wait for the first poll.
    pub fn new(now: Time, parts: AgentParts) -> Self {
        let AgentParts { process, proxy, enabled, table, masks, policy, counters, ports } = parts;
        let mut agent = Self {
            process,
            proxy,
            enabled,
            table,
            masks,
            policy,
            counters,
            ports,
            started: now,
            table_refused: 0,
            unplaced: BTreeSet::new(),
            waiting: None,
        };
        for port in &agent.ports {
            match &port.role {
                PortRole::Upstream(settings) => {
                    agent.proxy.set_upstream(now, Some((port.index, settings.clone())), port.link_up);
                }
                PortRole::Client(settings) => {
                    agent.proxy.add_client_port(now, port.index, settings.clone(), port.link_up);
                }
            }
        }
        agent.apply_masks();
        agent
    }

    /// A frame of IGMP, from the destination MAC on, came in by `port`.
    pub fn handle_frame(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        let verdict = self.proxy.handle_frame(now, port, frame);
        tracing::trace!(port = self.name(port), ?verdict, "igmp");
    }

    /// The carrier of `port` came or went.
    pub fn handle_link(&mut self, now: Time, port: PortIndex, up: bool) {
        let Some(info) = self.ports.iter_mut().find(|p| p.index == port) else { return };
        if info.link_up == up {
            return;
        }
        info.link_up = up;
        tracing::info!(port = info.name, up, "carrier");
        // First the masks: nothing is sent to a port whose carrier is gone.
        self.apply_masks();
        self.proxy.handle_link(now, port, up);
    }

    /// Answers a request of the socket.
    pub fn handle_request(&mut self, now: Time, request: Request) -> Reply {
        show::answer(self, now, &request)
    }

    /// Fires due timers and carries out what the proxy wants. Returns when to call again at the latest,
    /// which has passed already when more were due than one turn fires.
    pub fn poll(&mut self, now: Time, outlet: &mut impl Outlet) -> Option<Time> {
        self.proxy.handle_timers(now, TIMERS_A_TURN);
        self.apply_actions(now, outlet);
        self.table.maintain();
        self.place_refused();
        self.proxy.next_deadline()
    }

    /// When [`poll`](Self::poll) must be called again at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        self.proxy.next_deadline()
    }

    /// Whether something waits for room in the outlet. Meanwhile frames are best left where they are
    /// bounded: what they cause waits behind it.
    pub fn has_output(&self) -> bool {
        self.waiting.is_some()
    }

    /// Leaves every group upstream and forwards nothing more (r96).
    pub fn shutdown(&mut self, now: Time) {
        self.enabled = false;
        self.apply_masks();
        self.proxy.shutdown(now);
    }

    /// The port's name, for logs.
    pub(crate) fn name(&self, port: PortIndex) -> &str {
        self.ports.iter().find(|p| p.index == port).map_or("?", |p| &p.name)
    }

    /// Whether the port has carrier.
    fn has_carrier(&self, port: PortIndex) -> bool {
        self.ports.iter().any(|p| p.index == port && p.link_up)
    }

    fn apply_actions(&mut self, now: Time, outlet: &mut impl Outlet) {
        while let Some(action) = self.waiting.take().or_else(|| self.proxy.poll_action()) {
            match action {
                Action::SetMember { port, group } => self.set_member(group, port),
                Action::ClearMember { port, group } => self.clear_member(group, port),
                // The masks do not follow the role yet.
                Action::QuerierRole { .. } => {}
                // It was to go out before the carrier went; when that is back, it is stale.
                Action::Send { port, .. } if !self.has_carrier(port) => {}
                Action::Send { port, ref frame } => {
                    if !outlet.has_room() {
                        self.waiting = Some(action);
                        return;
                    }
                    outlet.send(now, port, frame.as_slice());
                }
                Action::Event(event) => self.tell(&event),
            }
        }
    }

    fn set_member(&mut self, group: GroupAddr, port: PortIndex) {
        match self.table.set(group, port) {
            Ok(()) => {}
            Err(TableFull { .. }) => {
                self.unplaced.insert((group, port));
                self.table_refused += 1;
                if self.table_refused.is_power_of_two() {
                    tracing::warn!(
                        %group,
                        port = self.name(port),
                        refused = self.table_refused,
                        "the group table is full; raise [table] max-groups"
                    );
                }
            }
        }
    }

    fn clear_member(&mut self, group: GroupAddr, port: PortIndex) {
        if !self.unplaced.remove(&(group, port)) {
            self.table.clear(group, port);
            // Before the next join, which came later.
            self.place_refused();
        }
    }

    /// Gives members that were refused the room that there is now: their hosts will not ask again.
    fn place_refused(&mut self) {
        while let Some(&(group, port)) = self.unplaced.first()
            && self.table.set(group, port).is_ok()
        {
            self.unplaced.pop_first();
        }
    }

    fn tell(&self, event: &Event) {
        match event {
            Event::GroupLimit { port, .. }
            | Event::AccessDenied { port, .. }
            | Event::NotQuerier { port, .. }
            | Event::OtherVersion { port, .. } => {
                tracing::warn!(port = self.name(*port), "{event}");
            }
            Event::Joined { port, .. } | Event::Left { port, .. } | Event::QuerierChanged { port, .. } => {
                tracing::info!(port = self.name(*port), "{event}");
            }
            Event::UpstreamJoined { .. } | Event::UpstreamLeft { .. } => tracing::info!("{event}"),
        }
    }

    /// Data goes from the provider's port to every client port with carrier; from a client port whose
    /// `sources` allow it always to the provider, and to the other client ports (RFC 4605, section 4.2;
    /// r74, r75). Nothing goes to a port without carrier.
    fn apply_masks(&mut self) {
        let with_carrier = |want_upstream: bool| -> PortSet {
            let wanted = |p: &&PortInfo| p.is_upstream() == want_upstream && p.link_up;
            self.ports.iter().filter(wanted).map(|p| p.index).collect()
        };
        let (upstream, clients) = (with_carrier(true), with_carrier(false));
        self.policy.set_enabled(self.enabled && self.ports.iter().any(PortInfo::is_upstream));
        for port in &self.ports {
            let (always, forward) = match (&port.role, port.sources) {
                (PortRole::Upstream(_), _) => (PortSet::EMPTY, clients),
                // We are querier on every client port.
                (PortRole::Client(_), Sources::Yes | Sources::WhileQuerier) => {
                    (upstream, upstream.union(clients))
                }
                (PortRole::Client(_), Sources::No) => (PortSet::EMPTY, PortSet::EMPTY),
            };
            let forward = if self.enabled { forward.without(port.index) } else { PortSet::EMPTY };
            self.masks.set_always(port.index, always);
            self.masks.set_forward(port.index, forward);
            self.policy.set_source(port.index, port.is_upstream() || port.sources != Sources::No);
        }
    }
}
