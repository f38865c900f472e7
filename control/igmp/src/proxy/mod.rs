//! The proxy: queriers and members of the client ports, the host side of the provider's port, and the
//! one table of deadlines behind them (RFC 4605).

mod admission;
mod client;
mod discovery;
mod election;
mod leaving;
mod loosening;
mod members;
mod ports;
mod provider;
mod sweep;
mod views;

pub use views::{GroupView, MemberState, PortRole, PortView, QuerySeen, Reporter, UpstreamGroupView};

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use types::{GroupAddr, Ipv4Net, MAX_PORTS, MacAddr, PortIndex, PortSet, Time};

use crate::discovery::Discovery;
use crate::hosts::HostTracker;
use crate::member::Member;
use crate::port_map::PortMap;
use crate::querier::Querier;
use crate::rng::Rng;
use crate::settings::{ClientPortSettings, ProxySettings};
use crate::table::Table;
use crate::timers::{TimerId, TimerQueue};
use crate::wire::{self, Outgoing, Packet};
use crate::{Action, Event, IgmpCounters, Verdict};
use admission::{Admission, Forbidden};
use leaving::Leaving;
use loosening::Refusals;
use provider::{GroupEntry, Upstream};
use sweep::Sweeps;

/// An event that anybody on the link can cause is told at most once in this time, per port.
const EVENT_PAUSE: Duration = Duration::from_secs(60);

/// Whose deadline. The order decides between equal deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Querier(PortIndex),
    Member(GroupAddr, PortIndex),
    Host(GroupAddr),
    Discovery(PortIndex),
    LinkHold(PortIndex),
    Sweep,
    Leaving(PortIndex),
    Silence,
}

#[derive(Debug)]
struct ClientPort {
    settings: ClientPortSettings,
    link_up: bool,
    /// Since when it is so, while the link is down.
    link_since: Time,
    hold_timer: Option<TimerId>,
    querier: Querier,
    /// The role told last.
    is_querier: bool,
    timer: Option<TimerId>,
    /// When the last General Query went out.
    queried: Time,
    discovery: Discovery,
    discovery_timer: Option<TimerId>,
    /// Groups with a member here.
    groups: u32,
    /// Where `fast-leave` is `tracked`.
    tracker: Option<HostTracker>,
    limit_told: Pause,
    denial_told: Pause,
    version_told: Pause,
    winner_told: Pause,
    not_querier_told: Pause,
}

/// A group's member on one port.
#[derive(Debug)]
struct MemberEntry {
    member: Member,
    /// `None` where nobody asked but the settings.
    reporter: Option<Reporter>,
    since: Time,
    /// When the last report came, or the settings asked.
    reported: Time,
    timer: Option<TimerId>,
}

/// Lets one through, then none for a while.
#[derive(Debug, Clone, Copy, Default)]
struct Pause(Option<Time>);

impl Pause {
    fn passes(&mut self, now: Time) -> bool {
        self.passes_once_in(EVENT_PAUSE, now)
    }

    fn passes_once_in(&mut self, pause: Duration, now: Time) -> bool {
        let passes = self.0.is_none_or(|until| until <= now);
        if passes {
            self.0 = Some(now + pause);
        }
        passes
    }
}

/// Frames, link changes and the passing of time in; [`Action`]s out. Owned and called by one thread; the
/// same calls with the same seed give the same actions.
///
/// `now` never goes back from one call to the next. Take actions with [`Proxy::poll_action`] after each
/// call, until there are none.
#[derive(Debug)]
pub struct Proxy {
    settings: ProxySettings,
    stopped: bool,
    rng: Rng,
    identification: u16,
    timers: TimerQueue<TimerKey>,
    clients: PortMap<ClientPort>,
    /// Addresses of all ports, for every frame to be compared with.
    own_addresses: Vec<Ipv4Addr>,
    /// MACs that ports send from.
    own_macs: Vec<MacAddr>,
    upstream: Option<Upstream>,
    members: Table<(GroupAddr, PortIndex), MemberEntry>,
    /// Members as they were when the proxy was switched off, without timers.
    asleep: Vec<((GroupAddr, PortIndex), MemberEntry)>,
    groups: Table<GroupAddr, GroupEntry>,
    sweeps: Sweeps,
    /// Leaves that wait for their turn, by the port that they go out of.
    leaving: BTreeMap<PortIndex, Leaving>,
    silence_timer: Option<TimerId>,
    counters: Vec<IgmpCounters>,
    actions: VecDeque<Action>,
}

impl Proxy {
    /// A proxy without ports. All its chance comes from `seed`.
    pub fn new(settings: ProxySettings, seed: u64) -> Self {
        Self {
            settings,
            stopped: false,
            rng: Rng::new(seed),
            identification: 0,
            timers: TimerQueue::new(),
            clients: PortMap::new(),
            own_addresses: Vec::new(),
            own_macs: Vec::new(),
            upstream: None,
            members: Table::new(),
            asleep: Vec::new(),
            groups: Table::new(),
            sweeps: Sweeps::default(),
            leaving: BTreeMap::new(),
            silence_timer: None,
            counters: vec![IgmpCounters::ZERO; MAX_PORTS],
            actions: VecDeque::new(),
        }
    }

    /// Takes a whole Ethernet frame that came in by `port`, padded or not.
    pub fn handle_frame(&mut self, now: Time, port: PortIndex, frame: &[u8]) -> Verdict {
        let verdict = self.take_frame(now, port, frame).unwrap_or_else(|verdict| verdict);
        self.counters[port.get()].count_verdict(verdict);
        verdict
    }

    fn take_frame(&mut self, now: Time, port: PortIndex, frame: &[u8]) -> Result<Verdict, Verdict> {
        if !self.is_running() {
            return Err(Verdict::ProxyOff);
        }
        let admission = self.admission(port).ok_or(Verdict::NoRole)?;
        let packet = wire::parse(frame)?;
        self.counters[port.get()].count_received(packet.message.received_type());
        admission.check(&packet, |addr| self.is_ours(addr), |mac| self.is_our_mac(mac))?;
        Ok(self.dispatch(now, port, &packet))
    }

    fn dispatch(&mut self, now: Time, port: PortIndex, packet: &Packet<'_>) -> Verdict {
        if self.upstream_port() == Some(port) {
            self.handle_provider_packet(now, packet)
        } else {
            self.handle_client_packet(now, port, packet)
        }
    }

    /// The earliest time at which [`Proxy::handle_timers`] has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| at)
    }

    /// Fires the timers due at `now`, earliest first, `budget` at most. Returns how many fired.
    pub fn handle_timers(&mut self, now: Time, budget: usize) -> usize {
        let mut fired = 0;
        while fired < budget
            && let Some((at, key)) = self.timers.first()
            && at <= now
        {
            match key {
                TimerKey::Querier(port) => self.handle_querier_timer(now, port),
                TimerKey::Member(group, port) => self.handle_member_timer(now, port, group),
                TimerKey::Host(group) => self.handle_host_timer(now, group),
                TimerKey::Discovery(port) => self.handle_discovery_timer(now, port),
                TimerKey::LinkHold(port) => self.handle_hold_timer(now, port),
                TimerKey::Sweep => self.handle_sweep_timer(now),
                TimerKey::Leaving(port) => self.handle_leaving_timer(now, port),
                TimerKey::Silence => self.handle_silence_timer(now),
            }
            fired += 1;
        }
        fired
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many actions [`poll_action`](Self::poll_action) would give now.
    pub fn pending_actions(&self) -> usize {
        self.actions.len()
    }

    /// Switches the proxy on or off. Off: every group is left at the provider and forwarded no more, nothing
    /// is sent to the clients, every frame is ignored (r96). On again: the members that would have lasted are
    /// members at once, and a General Query asks whether they still are.
    pub fn set_enabled(&mut self, now: Time, enabled: bool) {
        if self.settings.enabled == enabled || self.stopped {
            return;
        }
        if enabled {
            // Still off meanwhile, so that the provider is told of all of them at a measured pace.
            self.wake_members(now);
            self.settings.enabled = true;
            self.announce_groups(now);
        } else {
            self.settings.enabled = false;
            self.sleep_members(now);
            self.set_silence_timer();
        }
        self.restart_clients(now);
    }

    /// Gives the proxy new ranges of groups that make no member (r69, r100): members that are in one now go.
    pub fn set_group_ranges(&mut self, now: Time, local_groups: Vec<Ipv4Net>, ssm_range: Vec<Ipv4Net>) {
        if self.stopped
            || (&self.settings.local_groups, &self.settings.ssm_range) == (&local_groups, &ssm_range)
        {
            return;
        }
        let local_before = core::mem::replace(&mut self.settings.local_groups, local_groups);
        let ssm_before = core::mem::replace(&mut self.settings.ssm_range, ssm_range);
        self.drop_forbidden(now, PortSet::ALL);
        for port in self.clients.keys().collect::<Vec<_>>() {
            self.apply_static_groups(now, port);
            let access = &self.clients[&port].settings.access;
            let before = Refusals { local: &local_before, ssm: &ssm_before, access };
            if self.refuses_less(port, &before) {
                self.ask_anew(now, port);
            }
        }
    }

    /// Leaves everything as when switched off, for good: no later call has any effect (r96).
    pub fn shutdown(&mut self, now: Time) {
        self.set_enabled(now, false);
        self.asleep.clear();
        self.stopped = true;
    }

    /// What `port` received and sent since the proxy was made, whatever roles it had.
    pub fn counters(&self, port: PortIndex) -> &IgmpCounters {
        &self.counters[port.get()]
    }

    /// The port's counters begin anew: its place is another's now.
    pub fn forget_counters(&mut self, port: PortIndex) {
        self.counters[port.get()] = IgmpCounters::ZERO;
    }

    fn is_running(&self) -> bool {
        self.settings.enabled && !self.stopped
    }

    fn upstream_port(&self) -> Option<PortIndex> {
        self.upstream.as_ref().map(|upstream| upstream.port)
    }

    /// What the port asks of its packets; `None` without a role.
    fn admission(&self, port: PortIndex) -> Option<Admission> {
        let mac = self.mac(port);
        if let Some(Upstream { settings, .. }) = self.upstream.as_ref().filter(|u| u.port == port) {
            return Some(Admission {
                mac,
                address: settings.address,
                querier_address: None,
                any_ttl: settings.any_ttl,
                require_router_alert: settings.require_router_alert,
                require_on_link_source: false,
                upstream: true,
            });
        }
        self.clients.get(&port).map(|ClientPort { settings, .. }| Admission {
            mac,
            address: settings.address,
            querier_address: settings.querier_address.filter(|addr| !addr.is_unspecified()),
            any_ttl: settings.any_ttl,
            require_router_alert: settings.require_router_alert,
            require_on_link_source: settings.require_on_link_source,
            upstream: false,
        })
    }

    /// Whether `addr` is the address of one of our ports; 0.0.0.0 never is (r12).
    fn is_ours(&self, addr: Ipv4Addr) -> bool {
        self.own_addresses.contains(&addr)
    }

    /// Whether we send from `mac`, on whichever port.
    fn is_our_mac(&self, mac: MacAddr) -> bool {
        mac == self.settings.router_mac || self.own_macs.contains(&mac)
    }

    /// What we send from on `port`.
    fn mac(&self, port: PortIndex) -> MacAddr {
        let upstream = self.upstream.as_ref().filter(|upstream| upstream.port == port);
        let client = || self.clients.get(&port).and_then(|client| client.settings.mac);
        upstream.map_or_else(client, |upstream| upstream.settings.mac).unwrap_or(self.settings.router_mac)
    }

    /// Notes the addresses of all ports: call after any of them changed.
    fn note_addresses(&mut self) {
        let upstream = self.upstream.iter().map(|upstream| upstream.settings.report_source());
        let clients = self.clients.values().flat_map(|client| client.settings.own_addresses());
        self.own_addresses = upstream.chain(clients).filter(|addr| !addr.is_unspecified()).collect();
        let upstream = self.upstream.iter().filter_map(|upstream| upstream.settings.mac);
        let clients = self.clients.values().filter_map(|client| client.settings.mac);
        self.own_macs = upstream.chain(clients).collect();
    }

    /// Why the settings want no member of `group` on a port, whoever asks (r54, r69, r100).
    fn forbids(&self, client: &ClientPort, group: GroupAddr) -> Option<Forbidden> {
        self.refusals(&client.settings).why(group)
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    /// Queues a message; the caller has made sure that the port's link is up.
    fn send(&mut self, port: PortIndex, source: Ipv4Addr, message: Outgoing) {
        self.send_from(self.mac(port), port, source, message);
    }

    fn send_from(&mut self, mac: MacAddr, port: PortIndex, source: Ipv4Addr, message: Outgoing) {
        let frame = wire::emit(message, mac, source, self.identification);
        self.identification = self.identification.wrapping_add(1);
        self.counters[port.get()].count_sent(message.sent_type());
        self.actions.push_back(Action::Send { port, frame });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a member costs that is the only one of its group, while a report of the group is pending:
    /// both entries, their places in the indices, and two timers.
    #[test]
    fn a_member_is_small() {
        let member = Table::<(GroupAddr, PortIndex), MemberEntry>::BYTES_PER_ENTRY;
        let group = Table::<GroupAddr, GroupEntry>::BYTES_PER_ENTRY;
        let timer = TimerQueue::<TimerKey>::BYTES_PER_TIMER;
        let all = member + group + 2 * timer;
        assert!(all <= 200, "{member} + {group} + 2 x {timer} = {all} bytes");
    }
}
