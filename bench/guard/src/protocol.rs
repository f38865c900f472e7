//! IGMP: parsing, refreshes, joins and leaves, answers to a query.

use std::hint::black_box;
use std::time::Duration;

use igmp::wire::{Outgoing, emit, parse};
use igmp::{Action, ClientPortSettings, Frame, Proxy, ProxySettings, UpstreamPortSettings};
use types::{GroupAddr, MacAddr, PortIndex, Time};

use crate::Pieces;

/// Groups of a turn.
const GROUPS: u8 = 200;
const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

pub(crate) const WORK: Pieces = &[
    ("parse 200 reports", parse_reports),
    ("refresh 200 members", refresh),
    ("200 joins, and leaves to their end", join_and_leave),
    ("answer a general query for 200 groups", answer),
];

fn group(number: u8) -> GroupAddr {
    GroupAddr::new([239, 2, 2, number].into()).expect("a group")
}

fn port(index: usize) -> PortIndex {
    PortIndex::new(index).expect("below 64")
}

/// What a host sends for each group.
fn frames(message: fn(GroupAddr) -> Outgoing) -> Vec<Frame> {
    (0..GROUPS).map(|n| emit(message(group(n)), HOST_MAC, [10, 1, 0, 9].into(), n.into())).collect()
}

/// A proxy with a provider's port and a client port, and its clock.
struct Stage {
    proxy: Proxy,
    now: Time,
}

impl Stage {
    fn new() -> Self {
        let settings =
            ProxySettings { router_mac: ROUTER_MAC, local_groups: vec![], ssm_range: vec![], enabled: true };
        let mut proxy = Proxy::new(settings, 1);
        let address = |text: &str| text.parse().ok();
        let upstream =
            UpstreamPortSettings { address: address("10.0.0.1/24"), ..UpstreamPortSettings::default() };
        proxy.set_upstream(Time::ZERO, Some((port(0), upstream)), true);
        let client = ClientPortSettings { address: address("10.1.0.1/24"), ..ClientPortSettings::default() };
        proxy.add_client_port(Time::ZERO, port(1), client, true);
        Self { proxy, now: Time::ZERO }
    }

    /// One with every group joined, its reports sent.
    fn joined() -> Self {
        let mut stage = Self::new();
        stage.receive(port(1), &frames(Outgoing::ReportV2));
        stage.pass(Duration::from_secs(60));
        stage
    }

    fn receive(&mut self, at: PortIndex, frames: &[Frame]) {
        for frame in frames {
            black_box(self.proxy.handle_frame(self.now, at, black_box(frame.as_slice())));
        }
    }

    /// Lets time pass and every timer fire. How many frames were sent meanwhile, and how many members went.
    fn pass(&mut self, time: Duration) -> (u32, u32) {
        let end = self.now + time;
        let (mut sent, mut gone) = (0, 0);
        loop {
            while let Some(action) = self.proxy.poll_action() {
                match action {
                    Action::Send { .. } => sent += 1,
                    Action::ClearMember { .. } => gone += 1,
                    Action::SetMember { .. } | Action::QuerierRole { .. } | Action::Event(_) => {}
                }
            }
            match self.proxy.next_deadline().filter(|deadline| *deadline <= end) {
                Some(deadline) => {
                    self.now = deadline;
                    self.proxy.handle_timers(deadline, 1024);
                }
                None => break,
            }
        }
        self.now = end;
        (sent, gone)
    }
}

fn parse_reports() -> Box<dyn FnMut()> {
    let frames = frames(Outgoing::ReportV2);
    Box::new(move || {
        for frame in &frames {
            assert!(black_box(parse(black_box(frame.as_slice()))).is_ok());
        }
    })
}

fn refresh() -> Box<dyn FnMut()> {
    let (mut stage, reports) = (Stage::joined(), frames(Outgoing::ReportV2));
    Box::new(move || {
        stage.receive(port(1), &reports);
        assert!(stage.proxy.poll_action().is_none(), "they are members already");
    })
}

fn join_and_leave() -> Box<dyn FnMut()> {
    let (mut stage, reports, leaves) = (Stage::new(), frames(Outgoing::ReportV2), frames(Outgoing::Leave));
    Box::new(move || {
        stage.receive(port(1), &reports);
        stage.pass(Duration::from_secs(15));
        stage.receive(port(1), &leaves);
        let (_, gone) = stage.pass(Duration::from_secs(5));
        assert_eq!(gone, GROUPS.into());
    })
}

fn answer() -> Box<dyn FnMut()> {
    let mut stage = Stage::joined();
    let reports = frames(Outgoing::ReportV2);
    let query = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, HOST_MAC, [10, 0, 0, 2].into(), 0);
    Box::new(move || {
        // So that none ages out from turn to turn.
        stage.receive(port(1), &reports);
        stage.receive(port(0), std::slice::from_ref(&query));
        let (sent, gone) = stage.pass(Duration::from_secs(11));
        assert!(sent >= GROUPS.into() && gone == 0);
    })
}
