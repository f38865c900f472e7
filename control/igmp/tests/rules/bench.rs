//! A proxy on a test bench: a provider's port, two client ports, a clock of its own. After each step it
//! checks what must hold whatever happens.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use igmp::{
    Action, ClientPortSettings, Event, Frame, PortRole, Proxy, ProxySettings, RouterTimers,
    UpstreamPortSettings, Verdict,
};
use types::{GroupAddr, MacAddr, PortIndex, PortSet, Time};

use crate::raw::{ROUTER_ALERT, ROUTER_MAC, Raw, checksum, group};

/// The provider's port, 10.0.0.1/24.
pub(crate) const WAN: usize = 0;
/// A client port, 10.1.0.1/24.
pub(crate) const A: usize = 1;
/// Another, 10.2.0.1/24.
pub(crate) const B: usize = 2;

pub(crate) fn port(index: usize) -> PortIndex {
    PortIndex::new(index).unwrap()
}

pub(crate) fn client_settings(address: &str) -> ClientPortSettings {
    ClientPortSettings { address: Some(address.parse().unwrap()), ..ClientPortSettings::default() }
}

pub(crate) fn upstream_settings() -> UpstreamPortSettings {
    UpstreamPortSettings { address: Some("10.0.0.1/24".parse().unwrap()), ..UpstreamPortSettings::default() }
}

/// Robustness 2, a query every 5 s to be answered within 1 s, so that a member lasts 11 s.
pub(crate) fn short_timers() -> RouterTimers {
    let s = Duration::from_secs;
    RouterTimers::new(2, s(5), s(1), s(1), None).unwrap()
}

/// A message that the proxy sent, decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at_ms: u64,
    pub(crate) port: usize,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) group: Ipv4Addr,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
}

pub(crate) struct Bench {
    pub(crate) proxy: Proxy,
    pub(crate) now: Time,
    /// All messages sent so far.
    pub(crate) sent: Vec<Sent>,
    pub(crate) events: Vec<(u64, Event)>,
    /// What is forwarded.
    pub(crate) forwarded: BTreeSet<(usize, GroupAddr)>,
    /// When what was switched on or off.
    pub(crate) changes: Vec<(u64, usize, GroupAddr, bool)>,
    /// Whether we are querier, where that ever changed.
    pub(crate) roles: BTreeMap<usize, bool>,
    /// Compare table and views after each step; costs a walk over all members.
    pub(crate) check_views: bool,
    down: PortSet,
    macs: BTreeMap<usize, MacAddr>,
}

impl Bench {
    /// Provider and two client ports, all up, defaults of the RFC; the first queries are already sent.
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    pub(crate) fn with(
        client: impl Fn(&mut ClientPortSettings),
        upstream: impl Fn(&mut UpstreamPortSettings),
    ) -> Self {
        Self::seeded(1, client, upstream)
    }

    pub(crate) fn seeded(
        seed: u64,
        client: impl Fn(&mut ClientPortSettings),
        upstream: impl Fn(&mut UpstreamPortSettings),
    ) -> Self {
        let mut bench = Self::bare(seed);
        let mut settings = upstream_settings();
        upstream(&mut settings);
        bench.note_mac(WAN, settings.mac);
        bench.proxy.set_upstream(bench.now, Some((port(WAN), settings)), true);
        for (index, address) in [(A, "10.1.0.1/24"), (B, "10.2.0.1/24")] {
            let mut settings = client_settings(address);
            client(&mut settings);
            bench.note_mac(index, settings.mac);
            bench.proxy.add_client_port(bench.now, port(index), settings, true);
        }
        bench.drain();
        bench
    }

    /// A proxy without ports.
    pub(crate) fn bare(seed: u64) -> Self {
        let settings = ProxySettings {
            router_mac: ROUTER_MAC,
            local_groups: ProxySettings::default_local_groups(),
            ssm_range: Vec::new(),
            enabled: true,
        };
        Self {
            proxy: Proxy::new(settings, seed),
            now: Time::ZERO,
            sent: Vec::new(),
            events: Vec::new(),
            forwarded: BTreeSet::new(),
            changes: Vec::new(),
            roles: BTreeMap::new(),
            check_views: true,
            down: PortSet::EMPTY,
            macs: BTreeMap::new(),
        }
    }

    /// From now on everything that goes out of the port must have its own MAC as source, or the router's.
    pub(crate) fn note_mac(&mut self, port_index: usize, mac: Option<MacAddr>) {
        self.macs.insert(port_index, mac.unwrap_or(ROUTER_MAC));
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now.as_nanos() / 1_000_000
    }

    /// Hands a frame in and follows the actions.
    pub(crate) fn receive(&mut self, port_index: usize, raw: &Raw) -> Verdict {
        self.receive_bytes(port_index, &raw.bytes())
    }

    pub(crate) fn receive_bytes(&mut self, port_index: usize, frame: &[u8]) -> Verdict {
        let before = *self.proxy.counters(port(port_index)).verdicts();
        let verdict = self.proxy.handle_frame(self.now, port(port_index), frame);
        let mut expected = before;
        expected[verdict as usize] += 1;
        assert_eq!(*self.proxy.counters(port(port_index)).verdicts(), expected, "one verdict a frame");
        self.drain();
        verdict
    }

    /// Lets time pass until `ms` since the start, firing each timer at its own time.
    pub(crate) fn run_to(&mut self, ms: u64) {
        let end = Time::ZERO + Duration::from_millis(ms);
        assert!(end >= self.now, "time does not go back");
        while let Some(deadline) = self.proxy.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            assert!(self.proxy.handle_timers(self.now, 1) == 1, "a deadline that fires nothing");
            self.drain();
        }
        self.now = end;
    }

    /// Lets `ms` more pass.
    pub(crate) fn run(&mut self, ms: u64) {
        self.run_to(self.now_ms() + ms);
    }

    pub(crate) fn link(&mut self, port_index: usize, up: bool) {
        let port = port(port_index);
        self.down = if up { self.down.without(port) } else { self.down.with(port) };
        self.proxy.handle_link(self.now, port, up);
        self.drain();
    }

    /// Gives a client port new settings.
    pub(crate) fn configure(&mut self, port_index: usize, settings: &ClientPortSettings) {
        let up = !self.down.contains(port(port_index));
        self.note_mac(port_index, settings.mac);
        self.proxy.add_client_port(self.now, port(port_index), settings.clone(), up);
        self.drain();
    }

    /// What the port is.
    pub(crate) fn role(&self, port_index: usize) -> PortRole {
        self.proxy.port_view(self.now, port(port_index)).unwrap().role
    }

    /// The times of the General Queries sent out of a port.
    pub(crate) fn general_queries(&self, port_index: usize) -> Vec<u64> {
        let general =
            |sent: &&Sent| sent.port == port_index && sent.kind == 0x11 && sent.group.is_unspecified();
        self.sent.iter().filter(general).map(|sent| sent.at_ms).collect()
    }

    /// The events that are told of, with their times.
    pub(crate) fn told(&self, wanted: impl Fn(&Event) -> bool) -> Vec<u64> {
        self.events.iter().filter(|(_, event)| wanted(event)).map(|(at, _)| *at).collect()
    }

    /// The messages sent out of a port since the message number `since` of all, as (ms, type, group).
    pub(crate) fn sent_since(&self, since: usize, port_index: usize) -> Vec<(u64, u8, String)> {
        self.sent[since..]
            .iter()
            .filter(|sent| sent.port == port_index)
            .map(|sent| (sent.at_ms, sent.kind, sent.group.to_string()))
            .collect()
    }

    /// As `sent_since`, group-specific queries only: their times.
    pub(crate) fn group_queries_since(&self, since: usize, port_index: usize) -> Vec<u64> {
        let of_group =
            |sent: &&Sent| sent.port == port_index && sent.kind == 0x11 && !sent.group.is_unspecified();
        self.sent[since..].iter().filter(of_group).map(|sent| sent.at_ms).collect()
    }

    pub(crate) fn forwards(&self, port_index: usize, of: &str) -> bool {
        self.forwarded.contains(&(port_index, group(of)))
    }

    /// Everything that a frame without effect must leave as it is.
    pub(crate) fn state(&self) -> impl PartialEq + core::fmt::Debug + use<> {
        (
            self.proxy.groups().collect::<Vec<_>>(),
            self.proxy.upstream_groups().collect::<Vec<_>>(),
            [WAN, A, B].map(|index| self.proxy.port_view(self.now, port(index))),
            self.proxy.next_deadline(),
            self.sent.clone(),
            self.forwarded.clone(),
        )
    }

    /// Follows all actions, then checks that table, views and deadlines tell the same story.
    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.proxy.poll_action() {
            match action {
                Action::SetMember { port, group } => {
                    assert!(self.forwarded.insert((port.get(), group)), "{group} set twice on {port:?}");
                    self.changes.push((self.now_ms(), port.get(), group, true));
                }
                Action::ClearMember { port, group } => {
                    assert!(self.forwarded.remove(&(port.get(), group)), "{group} cleared twice on {port:?}");
                    self.changes.push((self.now_ms(), port.get(), group, false));
                }
                Action::QuerierRole { port, querier } => {
                    assert_ne!(self.roles.insert(port.get(), querier).unwrap_or(true), querier, "told twice");
                }
                Action::Send { port, frame } => {
                    assert!(!self.down.contains(port), "sent on a port without link");
                    let mac = self.macs.get(&port.get()).unwrap_or(&ROUTER_MAC);
                    assert_eq!(frame.as_slice()[6..12], mac.octets(), "from the port's MAC");
                    let sent = decode(self.now_ms(), port, &frame);
                    self.sent.push(sent);
                }
                Action::Event(event) => {
                    assert!(!event.to_string().is_empty());
                    self.events.push((self.now_ms(), event));
                }
            }
        }
        if self.check_views {
            self.check();
        }
    }

    fn check(&self) {
        let shown: BTreeSet<_> = self.proxy.groups().map(|view| (view.port.get(), view.group)).collect();
        assert_eq!(shown, self.forwarded, "the view shows what is forwarded");
        let wanted: BTreeSet<_> = self.forwarded.iter().map(|(_, group)| *group).collect();
        let joined: BTreeSet<_> = self.proxy.upstream_groups().map(|view| view.group).collect();
        assert_eq!(joined, wanted, "joined at the provider is what some port wants");
        for view in self.proxy.groups() {
            assert_eq!(self.proxy.member(view.group, view.port), Some(view));
            assert!(self.proxy.members_of(view.group).any(|other| other == view));
        }
        for index in [A, B] {
            let told = self.roles.get(&index).copied().unwrap_or(true);
            match self.proxy.port_view(self.now, port(index)).map(|view| view.role) {
                Some(PortRole::Querier { .. }) => assert!(told, "querier on port {index}, and not told"),
                Some(PortRole::NonQuerier { .. }) => assert!(!told, "non-querier on port {index}, not told"),
                Some(PortRole::Silent | PortRole::Upstream { .. }) | None => {}
            }
        }
    }
}

/// Decodes and checks what holds for every message of ours: r1, r2, r3, r8, r101; those of RFC 4286 have
/// other bodies, and a termination is of 4 bytes.
fn decode(at_ms: u64, port: PortIndex, frame: &Frame) -> Sent {
    let bytes = frame.as_slice();
    let (ethernet, rest) = bytes.split_at(14);
    let (header, igmp) = rest.split_at(24);
    let destination = Ipv4Addr::from(<[u8; 4]>::try_from(&header[16..20]).unwrap());
    let igmp_len = if igmp[0] == 0x32 { 4 } else { 8 };
    assert_eq!(bytes.len(), 38 + igmp_len, "unpadded");
    assert_eq!(ethernet[..6], GroupAddr::new(destination).unwrap().mac().octets(), "the group's MAC");
    assert_eq!(ethernet[12..], [8, 0]);
    assert_eq!(header[0], 0x46, "r101: IHL 6");
    assert_eq!(header[1], 0xc0, "r3: TOS");
    assert_eq!(header[2..4], [0, 24 + igmp_len as u8], "r101: total length 32");
    assert_eq!(header[6..8], [0, 0], "no fragment");
    assert_eq!(header[8..10], [1, 2], "r1: TTL 1, protocol 2");
    assert_eq!(header[20..24], ROUTER_ALERT, "r2");
    assert_eq!(checksum(header), 0);
    assert_eq!(checksum(igmp), 0);
    let (kind, code) = (igmp[0], igmp[1]);
    assert!(matches!(kind, 0x11 | 0x30) || code == 0, "r8: Max Resp Time 0 in what is no query");
    let body = <[u8; 4]>::try_from(igmp.get(4..8).unwrap_or(&[0; 4])).unwrap();
    Sent {
        at_ms,
        port: port.get(),
        kind,
        code,
        group: Ipv4Addr::from(body),
        source: Ipv4Addr::from(<[u8; 4]>::try_from(&header[12..16]).unwrap()),
        destination,
    }
}
