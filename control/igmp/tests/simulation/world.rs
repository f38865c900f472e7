//! The proxy, its links, and everybody on them, in virtual time. After each step the ledgers and the
//! hosts' own truth are held against what the proxy does.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use igmp::{Action, Event, Proxy, ProxySettings};
use types::{GroupAddr, PortIndex, Time};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::frames::{Packet, ROUTER_MAC};
use crate::host::Host;
use crate::ledger::PortLedger;
use crate::plan::Plan;
use crate::provider::ProviderLedger;
use crate::router::Router;

/// The provider's port and link.
pub(crate) const WAN: usize = 0;
/// Lines of the trace that a failure shows.
const TAIL: usize = 60;

/// Somebody on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Station {
    Proxy,
    Host(usize),
    Router,
}

#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug alone, when a run fails")]
enum Line {
    Given(usize, Rc<Packet>),
    Lost(usize, Station),
    Sent(usize, Rc<Packet>),
    Member(usize, GroupAddr, bool),
    Told(Event),
    Done(String),
}

pub(crate) struct World {
    seed: u64,
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) now: Time,
    pub(crate) proxy: Proxy,
    /// Of client port 1 first.
    pub(crate) ports: Vec<PortLedger>,
    pub(crate) provider: ProviderLedger,
    /// By link, the provider's first.
    pub(crate) hosts: Vec<Vec<Host>>,
    pub(crate) routers: Vec<Option<Router>>,
    pub(crate) enabled: bool,
    pub(crate) local: Vec<types::Ipv4Net>,
    flying: BTreeMap<(Time, u64), (usize, Station, Rc<Packet>)>,
    launched: u64,
    pub(crate) next_move: Option<Time>,
    /// The proxy's next deadline, and when it will notice.
    wake: Option<(Time, Time)>,
    /// When the last host of a group on a link went.
    pub(crate) deserted: BTreeMap<(usize, GroupAddr), Time>,
    fault: Option<Fault>,
    trace: VecDeque<(Time, Line)>,
    /// Everything that the proxy did, in one number.
    pub(crate) digest: u64,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && self.fault.is_none() {
            eprintln!("{:#?}", self.plan);
            for (at, line) in &self.trace {
                eprintln!("{at:?} {line:?}");
            }
            eprintln!("MANIFOLD_SEED={} repeats this run; it stopped at {:?}", self.seed, self.now);
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::new(&mut chance);
        let now = Time::ZERO + Duration::from_nanos(1 + chance.below(1 << 40) as u64);
        let local = ProxySettings::default_local_groups();
        let settings = ProxySettings {
            router_mac: ROUTER_MAC,
            local_groups: local.clone(),
            ssm_range: Vec::new(),
            enabled: true,
        };
        let tolerance = if plan.lateness.is_zero() { Duration::ZERO } else { Duration::from_millis(100) };
        let mut world = Self {
            seed,
            proxy: Proxy::new(settings, seed),
            now,
            ports: Vec::new(),
            provider: ProviderLedger::new(plan.upstream.clone(), tolerance),
            hosts: Vec::new(),
            routers: Vec::new(),
            enabled: true,
            local: local.clone(),
            flying: BTreeMap::new(),
            launched: 0,
            next_move: Some(now + chance.delay(plan.pause)),
            wake: None,
            deserted: BTreeMap::new(),
            fault,
            trace: VecDeque::new(),
            digest: 0,
            plan,
            chance,
        };
        world.populate();
        world.proxy.set_upstream(now, Some((port(WAN), world.plan.upstream.clone())), true);
        for index in 0..world.plan.ports.len() {
            let settings = world.plan.ports[index].settings.clone();
            world.ports.push(PortLedger::new(now, settings.clone(), local.clone(), tolerance));
            world.proxy.add_client_port(now, port(index + 1), settings, true);
        }
        world.drain();
        world
    }

    fn populate(&mut self) {
        let provider = self.plan.provider;
        let mut router = Router::new([10, 0, 0, 1].into(), self.chance.pick(&[1, 2, 2, 3]), provider);
        router.start(self.now + Duration::from_nanos(1));
        let gmi = router.membership_interval();
        let host =
            |address: [u8; 4], version| Host::new(address.into(), version, gmi, Duration::from_secs(4));
        self.hosts.push((0..self.plan.neighbours).map(|i| host([10, 0, 0, 20 + i as u8], 2)).collect());
        self.routers.push(Some(router));
        for (index, plan) in self.plan.ports.iter().enumerate() {
            let link = index as u8 + 1;
            let hosts = plan.hosts.iter().enumerate();
            self.hosts.push(hosts.map(|(i, version)| host([10, link, 0, 20 + i as u8], *version)).collect());
            self.routers.push(plan.rival.map(|rival| {
                let mut router = Router::new(rival.address, rival.version, plan.settings.timers);
                router.suppress = rival.suppress;
                router
            }));
        }
    }

    /// Lets the plan's time pass, then lets everybody go and checks that nothing is left.
    pub(crate) fn run(&mut self) {
        self.run_to(self.now + self.plan.length);
        self.next_move = None;
        for link in 0..self.hosts.len() {
            for host in 0..self.hosts[link].len() {
                for group in self.plan.groups.clone() {
                    self.leave(link, host, group, true);
                }
            }
        }
        let routers = self.routers.iter().flatten().map(Router::membership_interval);
        let longest = routers.chain(self.ports.iter().map(|port| port.longest)).max().unwrap_or_default();
        self.run_to(self.now + longest * 2);
        for (index, ledger) in self.ports.iter().enumerate() {
            let left = ledger.forwarded.iter().find(|group| !ledger.is_static(**group));
            assert_eq!(left, None, "forwarded to port {} and nobody is there", index + 1);
        }
    }

    fn run_to(&mut self, end: Time) {
        while let Some(at) = self.next_time().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_time(&mut self) -> Option<Time> {
        let deadline = self.proxy.next_deadline();
        if deadline != self.wake.map(|(deadline, _)| deadline) {
            let slow = Fault::LateTimers.is(self.fault);
            let late = if slow { Duration::from_millis(700) } else { self.chance.delay(self.plan.lateness) };
            let late = if self.plan.lateness.is_zero() && !slow { Duration::ZERO } else { late };
            self.wake = deadline.map(|deadline| (deadline, deadline + late));
        }
        let hosts = self.hosts.iter().flatten().filter_map(Host::deadline).min();
        let routers = self.routers.iter().flatten().filter_map(Router::deadline).min();
        let flying = self.flying.first_key_value().map(|((at, _), _)| *at);
        let wake = self.wake.map(|(_, wake)| wake);
        [hosts, routers, flying, wake, self.next_move].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now) {
            let (link, to, packet) = entry.remove();
            self.deliver(link, to, &packet);
        }
        for link in 0..self.hosts.len() {
            for index in 0..self.hosts[link].len() {
                for packet in self.hosts[link][index].poll(now, &mut self.chance) {
                    self.launch(link, Station::Host(index), packet);
                }
            }
            if let Some(router) = &mut self.routers[link]
                && router.deadline().is_some_and(|at| at <= now)
            {
                for packet in router.poll(now) {
                    self.launch(link, Station::Router, packet);
                }
            }
        }
        if self.wake.is_some_and(|(_, wake)| wake <= now) {
            while self.proxy.handle_timers(now, 16) == 16 {
                self.drain();
            }
            self.wake = None;
            self.drain();
        }
        if self.next_move.is_some_and(|at| at <= now) {
            self.next_move = Some(now + self.chance.delay(self.plan.pause));
            self.somebody_moves();
        }
        self.check();
    }

    /// Puts a packet on a link: each station gets it, loses it, gets it twice, each in its own time.
    pub(crate) fn launch(&mut self, link: usize, from: Station, packet: Packet) {
        let packet = Rc::new(packet);
        let isolated = link != WAN && self.plan.ports[link - 1].settings.report_isolated;
        let hosts = (0..self.hosts[link].len()).map(Station::Host);
        for to in hosts.chain([Station::Proxy, Station::Router]) {
            let hidden = isolated && matches!((from, to), (Station::Host(_), Station::Host(_)));
            if to == from || hidden {
                continue;
            }
            if self.chance.per_mille(self.plan.loss) {
                self.note(Line::Lost(link, to));
                continue;
            }
            let copies = 1 + u64::from(self.chance.per_mille(self.plan.doubled));
            for _ in 0..copies {
                let delay = match self.plan.max_delay {
                    Duration::ZERO => Duration::ZERO,
                    max => self.chance.delay(max),
                };
                self.launched += 1;
                self.flying.insert((self.now + delay, self.launched), (link, to, Rc::clone(&packet)));
            }
        }
    }

    fn deliver(&mut self, link: usize, to: Station, packet: &Rc<Packet>) {
        let now = self.now;
        match to {
            Station::Host(index) => self.hosts[link][index].hear(now, packet, &mut self.chance),
            Station::Router => {
                if let Some(router) = &mut self.routers[link] {
                    router.hear(now, packet);
                }
            }
            Station::Proxy => self.give(link, packet),
        }
    }

    fn give(&mut self, link: usize, packet: &Rc<Packet>) {
        let now = self.now;
        // What the provider's link lets go may still be on its way when the link is down.
        if link != WAN && !self.ports[link - 1].up {
            return;
        }
        self.note(Line::Given(link, Rc::clone(packet)));
        match link {
            WAN => self.provider.deliver(now, packet),
            link => self.ports[link - 1].deliver(now, packet),
        }
        if !self.fault.is_some_and(|fault| fault.swallows_given(link, packet, self.launched)) {
            self.proxy.handle_frame(now, port(link), &packet.bytes());
        }
        self.drain();
    }

    /// Follows what the proxy wants done.
    pub(crate) fn drain(&mut self) {
        let now = self.now;
        while let Some(action) = self.proxy.poll_action() {
            self.digest = digest(self.digest, &action, now);
            if self.fault.is_some_and(|fault| fault.swallows_action(&action)) {
                continue;
            }
            match action {
                Action::SetMember { port, group } => {
                    self.note(Line::Member(port.get(), group, true));
                    self.ports[port.get() - 1].set(now, group);
                    self.tell_provider();
                }
                Action::ClearMember { port, group } => {
                    self.note(Line::Member(port.get(), group, false));
                    self.ports[port.get() - 1].clear(now, group);
                    self.tell_provider();
                }
                Action::Send { port, frame } => {
                    let packet = Packet::of_proxy(frame.as_slice());
                    self.note(Line::Sent(port.get(), Rc::new(packet.clone())));
                    match port.get() {
                        WAN => self.provider.sent(now, &packet),
                        link => self.ports[link - 1].sent(now, &packet),
                    }
                    self.launch(port.get(), Station::Proxy, packet);
                }
                Action::QuerierRole { port, querier } => {
                    let ledger = &self.ports[port.get() - 1];
                    assert!(ledger.may_be(now, querier), "{port:?} querier: {querier}");
                }
                Action::Event(event) => self.note(Line::Told(event)),
            }
        }
    }

    fn tell_provider(&mut self) {
        let forwarded: BTreeSet<_> =
            self.ports.iter().flat_map(|port| port.forwarded.iter().copied()).collect();
        self.provider.want(self.now, &forwarded);
    }

    /// The ledgers, the proxy's own views, and the hosts' truth.
    fn check(&mut self) {
        let now = self.now;
        self.ports.iter_mut().for_each(|port| port.check(now));
        self.provider.check(now);
        self.check_views();
        self.check_truth();
    }

    fn check_views(&self) {
        if !self.enabled {
            return;
        }
        let mut shown = BTreeSet::new();
        let next = self.proxy.next_deadline();
        for view in self.proxy.groups() {
            shown.insert((view.port.get(), view.group));
            let settings = &self.ports[view.port.get() - 1].settings;
            let ends = view.expires.is_some_and(|at| next.is_some_and(|next| next <= at));
            assert!(ends || settings.static_groups.contains(&view.group), "{view:?} has no timer");
        }
        let forwarded: BTreeSet<_> = (1..)
            .zip(&self.ports)
            .flat_map(|(port, ledger)| ledger.forwarded.iter().map(move |group| (port, *group)))
            .collect();
        assert_eq!(shown, forwarded, "the view shows what is forwarded");
        let joined: BTreeSet<_> = self.proxy.upstream_groups().map(|view| view.group).collect();
        assert!(
            joined.iter().eq(self.provider.wanted.keys()),
            "{joined:?} joined, {:?} wanted",
            self.provider.wanted
        );
    }

    pub(crate) fn note_done(&mut self, what: String) {
        self.note(Line::Done(what));
    }

    fn note(&mut self, line: Line) {
        if self.trace.len() == TAIL {
            self.trace.pop_front();
        }
        self.trace.push_back((self.now, line));
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

fn digest(so_far: u64, action: &Action, now: Time) -> u64 {
    use core::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    (so_far, now.as_nanos()).hash(&mut hasher);
    match action {
        Action::SetMember { port, group } => (0, port, group).hash(&mut hasher),
        Action::ClearMember { port, group } => (1, port, group).hash(&mut hasher),
        Action::Send { port, frame } => (2, port, frame).hash(&mut hasher),
        Action::QuerierRole { port, querier } => (3, port, querier).hash(&mut hasher),
        Action::Event(event) => (4, event).hash(&mut hasher),
    }
    hasher.finish()
}

pub(crate) fn port(index: usize) -> PortIndex {
    PortIndex::new(index).unwrap()
}

/// The router's address with another last octet.
pub(crate) fn sibling(address: Ipv4Addr, last: u8) -> [u8; 4] {
    let [a, b, c, _] = address.octets();
    [a, b, c, last]
}
