//! Operations and time steps on the whole state of an `igmp::Proxy`, and what must hold after each.
//!
//! An input is text: a letter for what is done and a digit for each of its arguments, taken by their
//! remainder, so that every byte means something. Spaces are skipped, and so is what follows a `#`, to the end
//! of the line. Times are in tenths of a second.
//!
//! | operation | what |
//! |---|---|
//! | `R` port group host | version 2 report |
//! | `O` port group host | version 1 report |
//! | `L` port group host | Leave |
//! | `V` port group host kind sources | version 3 report of one record |
//! | `Q` port who group version code | query; who: lower, higher, no address, off the link |
//! | `M` port len bytes | an IGMP message of these bytes, its checksum right |
//! | `W` n, `w` n | n tenths, n x 10 s pass, each timer on time |
//! | `J` n | n x 10 s pass, and the timers notice only then |
//! | `U` port, `D` port | link up, down |
//! | `E`, `e` | switched on, off |
//! | `A` port variant variant | a client port's settings |
//! | `P` port variant | the provider's port is this one; `N`: there is none |
//! | `Z` port | the port has no role any more |
//! | `G` variant | local and source-specific groups |
//! | `H` | stopped for good |

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeSet;

use igmp::{
    Action, ClientPortSettings, FastLeave, HostTimers, LeavePolicy, PortRole, Proxy, ProxySettings,
    QuerierVersion, RouterTimers, UpstreamPortSettings, Verdict,
};
use types::{AccessList, GroupAddr, Ipv4Net, MacAddr, PortIndex, PortSet, Time};

use crate::frames::{ROUTER_MAC, igmp_frame};

/// Ports 0 to 3; 0 is the provider's to begin with.
const PORTS: usize = 4;
/// Operations of one input; what follows is not read.
const LONGEST: usize = 400;
/// The first two share a MAC; a local group, one of 232/8, one of 224.0.0.0/24.
const GROUPS: [[u8; 4]; 6] =
    [[239, 1, 1, 1], [238, 129, 1, 1], [239, 255, 255, 250], [232, 1, 1, 1], [224, 1, 1, 1], [224, 0, 0, 9]];

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// The next byte that means something.
    fn next(&mut self) -> Option<u8> {
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if byte == b'#' {
                let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
                self.0 = &self.0[end..];
            } else if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
        }
    }

    /// An argument below `n`; 0 at the end.
    fn digit(&mut self, n: usize) -> usize {
        usize::from(self.next().unwrap_or(b'0').wrapping_sub(b'0')) % n
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

struct Bench {
    proxy: Proxy,
    now: Time,
    forwarded: BTreeSet<(GroupAddr, PortIndex)>,
    up: PortSet,
    enabled: bool,
    stopped: bool,
    clients: [Option<ClientPortSettings>; PORTS],
    upstream: Option<(PortIndex, UpstreamPortSettings)>,
    frames: u64,
}

/// The bytes as operations.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut bench = Bench::new();
    for _ in 0..LONGEST {
        let Some(operation) = input.next() else { break };
        bench.perform(operation, &mut input);
        bench.fire();
        bench.check();
    }
    bench.stop();
}

impl Bench {
    fn new() -> Self {
        let settings = ProxySettings {
            router_mac: ROUTER_MAC,
            local_groups: ProxySettings::default_local_groups(),
            ssm_range: Vec::new(),
            enabled: true,
        };
        let mut bench = Self {
            proxy: Proxy::new(settings, 1),
            now: Time::from_nanos(5),
            forwarded: BTreeSet::new(),
            up: PortSet::ALL,
            enabled: true,
            stopped: false,
            clients: [const { None }; PORTS],
            upstream: None,
            frames: 0,
        };
        bench.set_upstream(port(0), upstream_settings(0));
        bench.add_client(port(1), client_settings(1, 0, 0));
        bench.add_client(port(2), client_settings(2, 0, 0));
        bench.drain();
        bench.check();
        bench
    }

    fn perform(&mut self, operation: u8, input: &mut Input<'_>) {
        match operation {
            b'R' => self.report(input, 0x16),
            b'O' => self.report(input, 0x12),
            b'L' => self.leave(input),
            b'V' => self.record(input),
            b'Q' => self.query(input),
            b'M' => self.message(input),
            b'W' => self.pass(Duration::from_millis(100) * input.digit(64) as u32),
            b'w' => self.pass(Duration::from_secs(10) * input.digit(64) as u32),
            b'J' => self.jump(Duration::from_secs(10) * input.digit(64) as u32),
            b'U' => self.link(port(input.digit(PORTS)), true),
            b'D' => self.link(port(input.digit(PORTS)), false),
            b'E' => self.switch(true),
            b'e' => self.switch(false),
            b'A' => {
                let index = input.digit(PORTS);
                let settings = client_settings(index, input.digit(256), input.digit(256));
                self.add_client(port(index), settings);
            }
            b'P' => {
                let index = input.digit(PORTS);
                self.set_upstream(port(index), upstream_settings(input.digit(256)));
            }
            b'N' => {
                self.upstream = None;
                self.proxy.set_upstream(self.now, None, false);
            }
            b'Z' => {
                let index = input.digit(PORTS);
                self.clients[index] = None;
                self.upstream.take_if(|(upstream, _)| upstream.get() == index);
                self.proxy.remove_port(self.now, port(index));
            }
            b'G' => self.set_ranges(input.digit(4)),
            b'H' => {
                self.proxy.shutdown(self.now);
                self.stopped = true;
            }
            _ => {}
        }
        self.drain();
    }

    fn report(&mut self, input: &mut Input<'_>, kind: u8) {
        let (on, group, host) = (input.digit(PORTS), GROUPS[input.digit(GROUPS.len())], input.digit(4));
        let of = GroupAddr::new(group.into()).expect("a group");
        let before = self.proxy.refusal(of, port(on));
        let known = self.forwarded.contains(&(of, port(on)));
        let verdict =
            self.receive(on, host_address(on, host), group.into(), &[&[kind, 0, 0, 0][..], &group].concat());
        if kind == 0x16 && self.clients[on].is_some() && self.enabled && !self.stopped && !of.is_link_local()
        {
            let taken = matches!(verdict, Verdict::Joined | Verdict::Refreshed);
            assert_eq!(taken, before.is_none(), "{verdict:?}, foretold {before:?}");
            assert!(!taken || self.forwarded.contains(&(of, port(on))), "taken, and not forwarded");
            assert!(known || taken == (verdict == Verdict::Joined));
        }
    }

    fn leave(&mut self, input: &mut Input<'_>) {
        let (on, group, host) = (input.digit(PORTS), GROUPS[input.digit(GROUPS.len())], input.digit(4));
        let message = [&[0x17, 0, 0, 0][..], &group].concat();
        self.receive(on, host_address(on, host), [224, 0, 0, 2].into(), &message);
    }

    fn record(&mut self, input: &mut Input<'_>) {
        let (on, group, host) = (input.digit(PORTS), GROUPS[input.digit(GROUPS.len())], input.digit(4));
        let (kind, sources) = (input.digit(8), input.digit(3));
        let mut message = vec![0x22, 0, 0, 0, 0, 0, 0, 1, kind as u8, 0, 0, sources as u8];
        message.extend(group);
        (0..sources).for_each(|source| message.extend([10, 9, 9, source as u8]));
        self.receive(on, host_address(on, host), [224, 0, 0, 22].into(), &message);
    }

    fn query(&mut self, input: &mut Input<'_>) {
        let on = input.digit(PORTS);
        let who = [[10, on as u8, 0, 2], [10, on as u8, 0, 200], [0, 0, 0, 0], [9, 9, 9, 9]][input.digit(4)];
        let group = match input.digit(GROUPS.len() + 1) {
            0 => [0, 0, 0, 0],
            n => GROUPS[n - 1],
        };
        let (version, code) = (1 + input.digit(3), input.digit(256) as u8);
        let mut message = vec![0x11, if version == 1 { 0 } else { code }, 0, 0];
        message.extend(group);
        if version == 3 {
            message.extend([code & 0x0f, 125, 0, 0]);
        }
        self.receive(on, who.into(), [224, 0, 0, 1].into(), &message);
    }

    fn message(&mut self, input: &mut Input<'_>) {
        let (on, len) = (input.digit(PORTS), input.digit(256));
        let message = input.bytes(len);
        let to = match message.first() {
            Some(0x22) => [224, 0, 0, 22].into(),
            Some(0x12 | 0x16) => {
                message.get(4..8).map_or(Ipv4Addr::UNSPECIFIED, |at| [at[0], at[1], at[2], at[3]].into())
            }
            _ => [224, 0, 0, 1].into(),
        };
        self.receive(on, host_address(on, 0), to, &message);
    }

    fn receive(&mut self, on: usize, from: Ipv4Addr, to: Ipv4Addr, message: &[u8]) -> Verdict {
        let mac = MacAddr([2, 1, 0, 0, on as u8, from.octets()[3]]);
        let frame = igmp_frame(mac, from, to, message);
        self.frames += 1;
        let verdict = self.proxy.handle_frame(self.now, port(on), &frame);
        self.drain();
        verdict
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.proxy.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.fire();
        }
        self.now = end;
    }

    fn jump(&mut self, time: Duration) {
        self.now = self.now + time;
        self.fire();
    }

    /// All timers due now. None makes another one due at once for ever.
    fn fire(&mut self) {
        let fired = self.proxy.handle_timers(self.now, 100_000);
        assert!(fired < 100_000, "timers without end");
        assert!(self.proxy.next_deadline().is_none_or(|at| at > self.now), "a timer due is left");
        self.drain();
    }

    fn link(&mut self, at: PortIndex, up: bool) {
        self.up = if up { self.up.with(at) } else { self.up.without(at) };
        self.proxy.handle_link(self.now, at, up);
    }

    fn switch(&mut self, on: bool) {
        self.enabled = on;
        self.proxy.set_enabled(self.now, on);
    }

    fn add_client(&mut self, at: PortIndex, settings: ClientPortSettings) {
        self.upstream.take_if(|(upstream, _)| *upstream == at);
        self.clients[at.get()] = Some(settings.clone());
        let up = self.up.contains(at);
        self.proxy.add_client_port(self.now, at, settings.clone(), up);
        self.drain();
        self.proxy.add_client_port(self.now, at, settings, up);
        assert_eq!(self.proxy.poll_action(), None, "the same settings again");
    }

    fn set_upstream(&mut self, at: PortIndex, settings: UpstreamPortSettings) {
        self.clients[at.get()] = None;
        self.upstream = Some((at, settings.clone()));
        let up = self.up.contains(at);
        self.proxy.set_upstream(self.now, Some((at, settings.clone())), up);
        self.drain();
        self.proxy.set_upstream(self.now, Some((at, settings)), up);
        assert_eq!(self.proxy.poll_action(), None, "the same settings again");
    }

    fn set_ranges(&mut self, variant: usize) {
        let net = |text: &str| text.parse::<Ipv4Net>().expect("a prefix");
        let local =
            if variant & 1 == 0 { ProxySettings::default_local_groups() } else { vec![net("238.0.0.0/8")] };
        let ssm = if variant & 2 == 0 { Vec::new() } else { vec![net("232.0.0.0/8")] };
        self.proxy.set_group_ranges(self.now, local.clone(), ssm.clone());
        self.drain();
        self.proxy.set_group_ranges(self.now, local, ssm);
        assert_eq!(self.proxy.poll_action(), None, "the same ranges again");
    }

    fn is_on(&self) -> bool {
        self.enabled && !self.stopped
    }

    /// Follows all actions; each has to be possible.
    fn drain(&mut self) {
        while let Some(action) = self.proxy.poll_action() {
            match action {
                Action::SetMember { port, group } => {
                    assert!(self.forwarded.insert((group, port)), "{group} set twice on {port:?}");
                    assert!(self.is_on(), "{group} forwarded while off");
                    assert!(self.clients[port.get()].is_some(), "{group} forwarded to no client port");
                }
                Action::ClearMember { port, group } => {
                    assert!(self.forwarded.remove(&(group, port)), "{group} cleared twice on {port:?}");
                }
                Action::Send { port, frame } => {
                    assert!(self.up.contains(port), "sent on a port without link");
                    assert!([42, 46].contains(&frame.as_slice().len()), "only router discovery is shorter");
                }
                Action::QuerierRole { port, .. } => assert!(port.get() < PORTS),
                Action::Event(event) => assert!(!event.to_string().is_empty()),
            }
        }
    }

    /// Table, views, roles and deadlines tell the same story.
    fn check(&self) {
        if !self.is_on() {
            assert!(self.forwarded.is_empty(), "forwarded while off");
        } else {
            self.check_members();
        }
        let handled: u64 = (0..PORTS).map(|index| self.proxy.counters(port(index)).frames()).sum();
        assert_eq!(handled, self.frames, "one verdict a frame");
        if !self.stopped {
            (0..PORTS).for_each(|index| self.check_port(port(index)));
        }
    }

    fn check_members(&self) {
        let next = self.proxy.next_deadline();
        let mut shown = BTreeSet::new();
        for view in self.proxy.groups() {
            assert!(shown.insert((view.group, view.port)), "shown twice: {view:?}");
            assert_eq!(self.proxy.member(view.group, view.port), Some(view));
            assert!(view.since <= view.reported && view.reported <= self.now);
            let settings = self.clients[view.port.get()].as_ref().expect("a member on a client port");
            assert!(settings.access.allows(view.group) && !view.group.is_link_local(), "r54: {view:?}");
            let is_static = settings.static_groups.contains(&view.group);
            let ends = view.expires.is_some_and(|at| self.now < at && next.is_some_and(|next| next <= at));
            assert!(is_static || ends, "no timer: {view:?}");
        }
        assert_eq!(shown, self.forwarded, "the view shows what is forwarded");
        let wanted: BTreeSet<_> = self.forwarded.iter().map(|(group, _)| *group).collect();
        let joined: BTreeSet<_> = self.proxy.upstream_groups().map(|view| view.group).collect();
        assert_eq!(joined, wanted, "joined is what some port wants");
        for view in self.proxy.upstream_groups() {
            let ports: PortSet = self.proxy.members_of(view.group).map(|member| member.port).collect();
            assert_eq!(ports, view.ports);
            let link = self.upstream.as_ref().is_some_and(|(port, _)| self.up.contains(*port));
            assert!(link || view.next_report.is_none(), "a report due on a port without link");
        }
    }

    fn check_port(&self, at: PortIndex) {
        let view = self.proxy.port_view(self.now, at);
        let is_upstream = self.upstream.as_ref().is_some_and(|(upstream, _)| *upstream == at);
        let Some(view) = view else {
            assert!(!is_upstream && self.clients[at.get()].is_none(), "a port without a view");
            return;
        };
        assert_eq!(view.link_up, self.up.contains(at));
        match view.role {
            PortRole::Upstream { .. } => assert!(is_upstream),
            PortRole::Querier { next_query } => {
                assert!(self.is_on() && view.link_up && next_query > self.now)
            }
            PortRole::NonQuerier { since, until, .. } => {
                assert!(self.is_on() && view.link_up && since <= self.now && self.now < until);
            }
            PortRole::Silent => assert!(!self.is_on() || !view.link_up),
        }
        let here = self.forwarded.iter().filter(|(_, port)| *port == at).count();
        assert!(
            is_upstream || !self.is_on() || view.groups == here,
            "{} groups shown, {here} forwarded",
            view.groups
        );
        let limit =
            self.clients[at.get()].as_ref().map_or(usize::MAX, |settings| settings.max_groups as usize);
        assert!(is_upstream || here <= limit.max(4), "more than the limit");
    }

    /// Stopped for good, everything is left, and then there is silence.
    fn stop(&mut self) {
        self.proxy.shutdown(self.now);
        self.stopped = true;
        self.drain();
        assert!(self.forwarded.is_empty(), "forwarded after the end");
        self.pass(Duration::from_secs(3600));
        assert_eq!(self.proxy.next_deadline(), None, "a deadline after the end");
        self.link(port(1), !self.up.contains(port(1)));
        self.proxy.set_enabled(self.now, true);
        self.receive(1, host_address(1, 1), GROUPS[0].into(), &[&[0x16, 0, 0, 0][..], &GROUPS[0]].concat());
        assert_eq!(self.proxy.poll_action(), None, "an action after the end");
    }
}

fn port(index: usize) -> PortIndex {
    PortIndex::new(index).expect("a port")
}

fn host_address(on: usize, host: usize) -> Ipv4Addr {
    if host == 3 { Ipv4Addr::UNSPECIFIED } else { [10, on as u8, 0, 20 + host as u8].into() }
}

/// Two bits each: timers and version, fast leave, what is refused, address and more.
fn client_settings(port: usize, a: usize, b: usize) -> ClientPortSettings {
    let s = Duration::from_secs;
    let short = RouterTimers::new(2, s(5), s(1), s(1), None).expect("in range");
    let odd = RouterTimers::new(3, s(2), Duration::from_millis(1900), Duration::from_millis(100), Some(1));
    let deny = ["deny 238.0.0.0/7", "allow 0.0.0.0/0"].map(|rule| rule.parse().expect("a rule"));
    let net = |last| Ipv4Net::new(Ipv4Addr::new(10, port as u8, 0, last), 24);
    ClientPortSettings {
        timers: [RouterTimers::default(), short, odd.expect("in range"), short][a & 3],
        version: if a & 3 == 3 { QuerierVersion::V1 } else { QuerierVersion::V2 },
        fast_leave: [FastLeave::Off, FastLeave::Single, FastLeave::Tracked, FastLeave::Tracked][a >> 2 & 3],
        report_isolated: a >> 2 & 3 == 3,
        access: if a & 0x10 != 0 { AccessList::new(deny.to_vec()) } else { AccessList::default() },
        ignore_v1: a & 0x20 != 0,
        max_groups: if a & 0x40 != 0 { 1 } else { 100 },
        require_on_link_source: a & 0x80 != 0,
        address: [net(5), net(7), None, net(1)][b & 3],
        querier_address: (b & 4 != 0).then(|| [10, port as u8, 0, 3].into()),
        link_down_hold: [None, Some(Duration::ZERO), Some(s(3)), Some(s(1000))][b >> 3 & 3],
        router_discovery: b & 0x20 != 0,
        static_groups: if b & 0x40 != 0 {
            vec![GroupAddr::new(GROUPS[4].into()).expect("a group")]
        } else {
            Vec::new()
        },
        ..ClientPortSettings::default()
    }
}

fn upstream_settings(variant: usize) -> UpstreamPortSettings {
    let s = Duration::from_secs;
    let net = |last| Ipv4Net::new(Ipv4Addr::new(10, 0, 0, last), 24);
    UpstreamPortSettings {
        address: [net(5), net(7), None, net(9)][variant & 3],
        timers: HostTimers::new(2 + (variant >> 2 & 3) as u8, s([10, 1, 25, 2][variant >> 2 & 3]))
            .expect("in range"),
        suppress: variant & 0x10 == 0,
        leave: if variant & 0x20 == 0 { LeavePolicy::Always } else { LeavePolicy::LastReporter },
        re_report_interval: (variant & 0x40 != 0).then_some(s(30)),
        ..UpstreamPortSettings::default()
    }
}
