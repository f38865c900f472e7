//! All protocol state, and what follows from a change of it: the group table, the masks, frames to send.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use api::{EventKind, MbufView, Reply, Request};
use forwarding::{ForwardingPolicy, PuntKind, WorkerCountersReader, punt_kind};
use group_table::{GroupTableWriter, PortMasks, TableFull};
use igmp::{Action, Event, Proxy};
use types::{GroupAddr, MacAddr, PortIndex, PortSet, Time};

use crate::book::EventBook;
use crate::configuration::{Configuration, PortInfo};
use crate::events::EventPace;
use crate::explain::Samples;
use crate::former::FormerPorts;
use crate::latency::JoinLatency;
use crate::losses::LossBook;
use crate::neighbours::Neighbours;
use crate::record::{Begin, Entry, RecordState, Recorder, VERSION};
use crate::show;

/// Timers fired in one turn, so that frames and requests get theirs.
const TIMERS_A_TURN: usize = 1024;

/// Where frames to send go.
pub trait Outlet {
    /// Whether [`send`](Self::send) will take a frame now.
    fn has_room(&self) -> bool;
    /// Sends `frame`, complete from the destination MAC on, out of `port`.
    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]);
    /// Hears of an action that has been carried out, other than [`Action::Send`].
    fn done(&mut self, _now: Time, _action: &Action) {}
}

/// An outlet that has no room once it had none, until the end of the poll, and knows how much it had: when a
/// record is replayed, there is the same room.
struct Metered<'a, O> {
    outlet: &'a mut O,
    sent: u32,
    full: Cell<bool>,
}

impl<O: Outlet> Outlet for Metered<'_, O> {
    fn has_room(&self) -> bool {
        let has_room = !self.full.get() && self.outlet.has_room();
        self.full.set(!has_room);
        has_room
    }

    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        self.sent += 1;
        self.outlet.send(now, port, frame);
    }

    fn done(&mut self, now: Time, action: &Action) {
        self.outlet.done(now, action);
    }
}

/// The process as the socket's `show-status` tells it.
pub struct ProcessInfo {
    /// The instance's name.
    pub instance: String,
    /// Whether DPDK runs on hugepages.
    pub hugepages: bool,
    /// Looks at the buffer pool.
    pub mbufs: Box<dyn Fn() -> MbufView + Send>,
    /// Tells the revision of the settings that are in force.
    pub revision: Box<dyn Fn() -> u64 + Send>,
}

/// What an agent is made of.
pub struct AgentParts {
    /// About the process.
    pub process: ProcessInfo,
    /// Source of all we send.
    pub router_mac: MacAddr,
    /// All chance of the protocol comes from it.
    pub seed: u64,
    /// What to begin with.
    pub configuration: Configuration,
    /// The group table's writing end.
    pub table: GroupTableWriter,
    /// Which ports may send to which.
    pub masks: Arc<PortMasks>,
    /// What the workers name drops by.
    pub policy: Arc<ForwardingPolicy>,
    /// The workers' counters.
    pub counters: Vec<WorkerCountersReader>,
    /// What is lost outside the workers.
    pub losses: LossBook,
}

/// Owns the protocol state and the group table's writing end. See the crate's documentation.
pub struct Agent {
    pub(crate) process: ProcessInfo,
    pub(crate) configuration: Configuration,
    pub(crate) proxy: Proxy,
    pub(crate) table: GroupTableWriter,
    pub(crate) masks: Arc<PortMasks>,
    pub(crate) policy: Arc<ForwardingPolicy>,
    pub(crate) counters: Vec<WorkerCountersReader>,
    pub(crate) losses: LossBook,
    pub(crate) started: Time,
    /// Members that the table had no room for, so far.
    pub(crate) table_refused: u64,
    /// Those of them that still wait for some.
    pub(crate) unplaced: BTreeSet<(GroupAddr, PortIndex)>,
    /// What goes out for the ports' own sake.
    pub(crate) neighbours: Neighbours,
    /// Frames of the groups that somebody asked about.
    pub(crate) samples: Samples,
    /// How much of what happens is told.
    pub(crate) event_pace: EventPace,
    /// What happened.
    pub(crate) book: EventBook,
    /// How long joins took.
    pub(crate) latency: JoinLatency,
    /// Masks that wait for the end of the next poll.
    pub(crate) masks_due: bool,
    /// Ports that are gone and that the last of what is said there still goes out of: the provider's Leaves (r70), the
    /// end of router advertisements (r102).
    pub(crate) leaving: PortSet,
    /// What is still told of ports that are gone.
    pub(crate) former: FormerPorts,
    router_mac: MacAddr,
    seed: u64,
    recorder: Option<Recorder>,
    /// How it stands with the record, if one was begun.
    pub(crate) record_state: Option<RecordState>,
    /// It has been told to end.
    stopped: bool,
    /// An action taken from the proxy that the outlet had no room for.
    waiting: Option<Action>,
    /// Actions taken from the proxy so far.
    taken: u64,
    /// Events that were among them and are not told yet: when, its action's number, and what.
    untold: VecDeque<(Time, u64, Event)>,
}

impl Agent {
    /// The agent at `now`, its ports added; queries and reports due at once wait for the first poll, and
    /// so does forwarding.
    pub fn new(now: Time, parts: AgentParts) -> Self {
        let AgentParts { process, router_mac, seed, configuration, table, masks, policy, counters, losses } =
            parts;
        let proxy = igmp::ProxySettings {
            router_mac,
            local_groups: configuration.local_groups.clone(),
            ssm_range: configuration.ssm_range.clone(),
            enabled: configuration.enabled,
        };
        let empty = Configuration { ports: Vec::new(), warnings: Vec::new(), ..configuration.clone() };
        let mut agent = Self {
            process,
            configuration: empty,
            proxy: Proxy::new(proxy, seed),
            table,
            masks,
            policy,
            counters,
            losses,
            started: now,
            table_refused: 0,
            unplaced: BTreeSet::new(),
            neighbours: Neighbours::default(),
            samples: Samples::default(),
            event_pace: EventPace::default(),
            book: EventBook::default(),
            latency: JoinLatency::default(),
            masks_due: false,
            leaving: PortSet::EMPTY,
            former: FormerPorts::default(),
            router_mac,
            seed,
            recorder: None,
            record_state: None,
            stopped: false,
            waiting: None,
            taken: 0,
            untold: VecDeque::new(),
        };
        agent.configure(now, configuration);
        agent
    }

    /// Has everything that the agent is told from now on recorded. Of an agent fresh from [`new`](Self::new): a
    /// record has no other beginning.
    #[must_use]
    pub fn recorded(mut self, recorder: Recorder) -> Self {
        self.record_state = Some(recorder.state());
        self.recorder = Some(recorder);
        self.record(|agent| {
            Entry::Begin(Begin {
                version: VERSION,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                at: agent.started,
                seed: agent.seed,
                router_mac: agent.router_mac,
                max_groups: agent.table.capacity(),
                configuration: agent.configuration.clone(),
            })
        });
        self
    }

    /// Puts an entry into the record, if there is one.
    pub(crate) fn record(&mut self, entry: impl FnOnce(&Self) -> Entry) {
        let Some(mut recorder) = self.recorder.take().filter(Recorder::is_open) else { return };
        recorder.put(entry(self));
        self.recorder = Some(recorder);
    }

    /// A frame that came in by `port` at `now`, from the destination MAC on.
    pub fn handle_frame(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        self.handle_punted(now, now, port, frame);
    }

    /// A frame that a worker took at `arrived`, and handed over.
    pub fn handle_punted(&mut self, now: Time, arrived: Time, port: PortIndex, frame: &[u8]) {
        let kind = punt_kind(frame);
        if kind != PuntKind::Sample {
            self.record(|_| Entry::Frame { at: now, port, bytes: frame.to_vec() });
        }
        match kind {
            PuntKind::Igmp => {
                let before = self.pending();
                let verdict = self.proxy.handle_frame(now, port, frame);
                self.latency.note_frame(before, self.pending(), arrived);
                tracing::trace!(port = self.name(port), ?verdict, "igmp");
            }
            PuntKind::Neighbour => self.take_neighbour_request(port, frame),
            PuntKind::Sample => self.take_sample(now, port, frame),
        }
    }

    /// The carrier of `port` came or went.
    pub fn handle_link(&mut self, now: Time, port: PortIndex, up: bool) {
        let Some(info) = self.configuration.ports.iter_mut().find(|p| p.index == port) else { return };
        if info.link_up == up {
            return;
        }
        info.link_up = up;
        if up {
            info.outage = None;
        }
        self.record(|_| Entry::Link { at: now, port, up });
        tracing::info!(port = self.name(port), up, "carrier");
        let text = format!("the carrier {}", if up { "is there" } else { "is gone" });
        self.book.note(now, EventKind::Link, Some(self.name(port)), None, text);
        // First the masks: nothing is sent to a port whose carrier is gone.
        self.change_masks(PortSet::EMPTY);
        self.proxy.handle_link(now, port, up);
        self.announce_link(now, port);
        self.forget_samples(now);
    }

    /// Answers a request of the socket.
    pub fn handle_request(&mut self, now: Time, request: Request) -> Reply {
        show::answer(self, now, &request)
    }

    /// Fires due timers, carries out what the proxy wants, and tells what happened. Returns when to call again at the
    /// latest, which has passed already when more were due than one turn fires.
    pub fn poll(&mut self, now: Time, outlet: &mut impl Outlet) -> Option<Time> {
        let deadline = self.carry_out(now, outlet);
        self.tell_events();
        deadline
    }

    /// The same, but leaves what happened to [`tell_events`](Self::tell_events): words take longer than a join.
    pub(crate) fn carry_out(&mut self, now: Time, outlet: &mut impl Outlet) -> Option<Time> {
        let mut outlet = Metered { outlet, sent: 0, full: Cell::new(false) };
        let fired = self.proxy.handle_timers(now, TIMERS_A_TURN) > 0;
        let acted = self.apply_actions(now, &mut outlet);
        self.samples.expire(now, &self.policy);
        self.table.maintain();
        self.place_refused();
        if !self.has_output() {
            self.complete_masks();
        }
        if self.is_quiet() {
            self.leaving = PortSet::EMPTY;
        }
        let spoke = self.send_to_neighbours(now, &mut outlet);
        if fired || acted || spoke {
            let room = outlet.full.get().then_some(outlet.sent);
            self.record(|_| Entry::Poll { at: now, room });
        }
        self.next_deadline()
    }

    /// When [`poll`](Self::poll) must be called again at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        let of_others = [self.neighbours.next_deadline(), self.samples.next_deadline()];
        of_others.into_iter().chain([self.proxy.next_deadline()]).flatten().min()
    }

    /// Whether something waits for room in the outlet. Meanwhile frames are best left where they are
    /// bounded: what they cause waits behind it.
    pub fn has_output(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether nothing is left to be sent: after [`shutdown`](Self::shutdown), whether every Leave is out.
    pub fn is_quiet(&self) -> bool {
        !self.has_output() && self.proxy.is_quiet()
    }

    /// Whether what was configured is in force: in the masks, in the table, and no port that is gone is still
    /// needed for what goes out there last.
    pub fn is_settled(&self) -> bool {
        !self.has_output() && self.leaving.is_empty()
    }

    /// Leaves every group upstream and forwards nothing more (r96).
    pub fn shutdown(&mut self, now: Time) {
        self.record(|_| Entry::Shutdown { at: now });
        self.stopped = true;
        self.change_masks(PortSet::EMPTY);
        self.proxy.shutdown(now);
    }

    /// Every port.
    pub(crate) fn ports(&self) -> &[PortInfo] {
        &self.configuration.ports
    }

    /// What is known of the port.
    pub(crate) fn port(&self, port: PortIndex) -> Option<&PortInfo> {
        self.configuration.ports.iter().find(|p| p.index == port)
    }

    /// The port's name, for logs, also when it is gone.
    pub(crate) fn name(&self, port: PortIndex) -> &str {
        self.port(port).map_or_else(|| self.former.last(port), |p| &p.name)
    }

    /// The name of the port that action number `action` is about: its place may be another's by now.
    pub(crate) fn name_then(&self, port: PortIndex, action: u64) -> &str {
        self.former.of_action(port, action).unwrap_or_else(|| self.name(port))
    }

    /// Whether data is forwarded at all.
    pub(crate) fn is_forwarding(&self) -> bool {
        self.configuration.enabled && !self.stopped
    }

    /// Whether what is sent out of the port gets onto its link.
    fn has_carrier(&self, port: PortIndex) -> bool {
        self.port(port).is_some_and(|p| p.link_up) || self.leaving.contains(port)
    }

    /// Whether there was anything to do.
    fn apply_actions(&mut self, now: Time, outlet: &mut impl Outlet) -> bool {
        let mut acted = false;
        while let Some(action) = self.waiting.take().or_else(|| self.take_action()) {
            match action {
                Action::SetMember { port, group } => self.set_member(group, port),
                Action::ClearMember { port, group } => self.clear_member(group, port),
                Action::QuerierRole { .. } => self.change_masks(PortSet::EMPTY),
                // It was to go out before the carrier went; when that is back, it is stale.
                Action::Send { port, .. } if !self.has_carrier(port) => {}
                Action::Send { port, ref frame } => {
                    if !outlet.has_room() {
                        self.waiting = Some(action);
                        return acted;
                    }
                    outlet.send(now, port, frame.as_slice());
                }
                Action::Event(event) => self.untold.push_back((now, self.taken, event)),
            }
            outlet.done(now, &action);
            acted = true;
        }
        acted
    }

    fn take_action(&mut self) -> Option<Action> {
        let action = self.proxy.poll_action()?;
        self.taken += 1;
        self.latency.forget_before(self.taken);
        Some(action)
    }

    /// The number of the last action that is there.
    fn pending(&self) -> u64 {
        self.taken + self.proxy.pending_actions() as u64
    }

    /// At `now` all that [`carry_out`](Self::carry_out) did is in the group table: for how long joins took.
    pub(crate) fn settle_joins(&mut self, now: impl FnOnce() -> Time) {
        self.latency.settle(now);
    }

    /// Whether there is something for [`tell_events`](Self::tell_events).
    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Tells the log, and whoever asks for events, what happened since this was last called.
    pub(crate) fn tell_events(&mut self) {
        self.tell_some(usize::MAX);
    }

    /// The same, but at most so many, the oldest. What comes faster than it is told costs next to nothing, and is not
    /// counted: a flood does not pile up here.
    pub(crate) fn tell_some(&mut self, most: usize) {
        let mut told = 0;
        while told < most
            && let Some((at, action, event)) = self.untold.pop_front()
        {
            told += usize::from(self.tell(at, action, &event));
        }
    }

    /// The port is gone; what the proxy has had to tell so far goes by its name.
    pub(crate) fn note_former(&mut self, port: PortIndex, name: String) {
        let until = self.pending();
        let untold = self.untold.front().map_or(self.taken + 1, |(_, action, _)| *action);
        self.former.note(port, name, until, untold);
    }

    fn set_member(&mut self, group: GroupAddr, port: PortIndex) {
        match self.table.set(group, port) {
            Ok(()) => self.latency.note_join(self.taken),
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
}
