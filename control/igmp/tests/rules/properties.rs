//! Properties: emit and parse are inverse, no bytes make it panic, the same calls give the same actions,
//! and members come and go exactly as in a model that knows nothing but lists of times.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp::wire::{Message, Outgoing, Query, emit, parse};
use igmp::{Action, Verdict, Version};
use proptest::prelude::*;
use types::{GroupAddr, MacAddr, Time};

use crate::bench::{A, B, Bench, WAN, port, short_timers};
use crate::raw::{Raw, TO_EX, TO_IN, join, join_v1, leave, query, query_v3, report_v3};

fn routable_group() -> impl Strategy<Value = GroupAddr> {
    (0xe000_0100u32..=0xefff_ffff).prop_map(|bits| GroupAddr::from_bits(bits).unwrap())
}

fn outgoing() -> impl Strategy<Value = Outgoing> {
    prop_oneof![
        (1u8..).prop_map(|max_resp_ds| Outgoing::GeneralQuery { max_resp_ds }),
        (routable_group(), 1u8..)
            .prop_map(|(group, max_resp_ds)| Outgoing::GroupQuery { group, max_resp_ds }),
        routable_group().prop_map(Outgoing::ReportV1),
        routable_group().prop_map(Outgoing::ReportV2),
        routable_group().prop_map(Outgoing::Leave),
        (any::<u8>(), any::<u16>(), any::<u16>()).prop_map(|(interval_s, query_interval_s, robustness)| {
            Outgoing::Advertisement { interval_s, query_interval_s, robustness }
        }),
    ]
}

fn message_of(outgoing: Outgoing) -> Message<'static> {
    let query = |group, max_resp_ds: u8| {
        Message::Query(Query {
            version: Version::V2,
            group,
            max_resp_ds: u16::from(max_resp_ds),
            sources: 0,
            suppress_router_side: false,
        })
    };
    match outgoing {
        Outgoing::GeneralQuery { max_resp_ds } => query(None, max_resp_ds),
        Outgoing::GroupQuery { group, max_resp_ds } => query(Some(group), max_resp_ds),
        Outgoing::ReportV1(group) => Message::ReportV1(group),
        Outgoing::ReportV2(group) => Message::ReportV2(group),
        Outgoing::Leave(group) => Message::Leave(group),
        Outgoing::Advertisement { .. } => Message::Other(0x30),
        Outgoing::Termination => Message::Other(0x32),
    }
}

proptest! {
    #[test]
    fn what_is_emitted_parses_to_itself(
        message in outgoing(),
        mac in any::<[u8; 6]>(),
        source in any::<u32>(),
        identification in any::<u16>(),
        padding in 0usize..20,
    ) {
        let mac = MacAddr([mac[0] & 0xfe | 2, mac[1], mac[2], mac[3], mac[4], mac[5]]);
        let source = Ipv4Addr::from(source);
        let mut frame = emit(message, mac, source, identification).as_slice().to_vec();
        frame.resize(frame.len() + padding, 0x5a);
        let packet = parse(&frame).unwrap();
        prop_assert_eq!(packet.message, message_of(message));
        prop_assert_eq!((packet.source_mac, packet.source), (mac, source));
        prop_assert_eq!(packet.destination, message.destination().addr());
        prop_assert_eq!(packet.destination_mac, message.destination().mac());
        prop_assert_eq!((packet.ttl, packet.router_alert), (1, true));
    }

    #[test]
    fn no_bytes_make_it_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::new();
        for on in [A, WAN] {
            bench.receive_bytes(on, &frame);
        }
    }

    /// Headers right, IGMP arbitrary and summed: the arbitrary bytes reach the machines.
    #[test]
    fn no_igmp_message_makes_it_panic(
        messages in prop::collection::vec((0usize..3, kind(), prop::collection::vec(any::<u8>(), 7..80), 0u64..4000), 1..20),
    ) {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        for (on, kind, rest, wait_ms) in messages {
            let mut igmp = vec![kind];
            igmp.extend(rest);
            let target = match kind {
                0x11 => Ipv4Addr::new(224, 0, 0, 1),
                0x22 => Ipv4Addr::new(224, 0, 0, 22),
                _ => Ipv4Addr::from(<[u8; 4]>::try_from(&igmp[4..8]).unwrap()),
            };
            bench.receive(on, &Raw::new(target, igmp).from("192.0.2.1"));
            bench.run(wait_ms);
        }
    }
}

fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0x11), Just(0x12), Just(0x16), Just(0x17), Just(0x22), any::<u8>()]
}

const GROUPS: [&str; 3] = ["239.1.1.1", "239.1.1.2", "238.129.1.1"];
const PORTS: [usize; 2] = [A, B];

#[derive(Debug, Clone, Copy)]
enum Op {
    Report(usize, usize),
    ReportV1(usize, usize),
    RecordJoin(usize, usize),
    Leave(usize, usize),
    RecordLeave(usize, usize),
    Query(u8),
    /// In steps of 100 ms.
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let at = || (0usize..2, 0usize..3);
    prop_oneof![
        4 => at().prop_map(|(p, g)| Op::Report(p, g)),
        1 => at().prop_map(|(p, g)| Op::ReportV1(p, g)),
        1 => at().prop_map(|(p, g)| Op::RecordJoin(p, g)),
        4 => at().prop_map(|(p, g)| Op::Leave(p, g)),
        1 => at().prop_map(|(p, g)| Op::RecordLeave(p, g)),
        1 => prop_oneof![Just(0u8), Just(10), Just(100)].prop_map(Op::Query),
        3 => (0u64..25).prop_map(Op::Wait),
        2 => (0u64..150).prop_map(Op::Wait),
    ]
}

fn perform(bench: &mut Bench, op: Op) {
    match op {
        Op::Report(p, g) => drop(bench.receive(PORTS[p], &join(GROUPS[g]))),
        Op::ReportV1(p, g) => drop(bench.receive(PORTS[p], &join_v1(GROUPS[g]))),
        Op::RecordJoin(p, g) => drop(bench.receive(PORTS[p], &report_v3(&[(TO_EX, GROUPS[g], 0)]))),
        Op::Leave(p, g) => drop(bench.receive(PORTS[p], &leave(GROUPS[g]))),
        Op::RecordLeave(p, g) => drop(bench.receive(PORTS[p], &report_v3(&[(TO_IN, GROUPS[g], 0)]))),
        Op::Query(code) => drop(bench.receive(WAN, &query(code, "0.0.0.0"))),
        Op::Wait(tenths) => bench.run(tenths * 100),
    }
}

/// One member of the model: plain times in milliseconds, looked at one by one.
#[derive(Debug, Clone, Default)]
struct Naive {
    expires: u64,
    v1_until: u64,
    queries: Vec<u64>,
    checking: bool,
}

/// All members, by port and group, with short_timers' intervals.
#[derive(Debug, Default)]
struct Model {
    members: BTreeMap<(usize, &'static str), Naive>,
    changes: Vec<(u64, usize, GroupAddr, bool)>,
    queries: Vec<(u64, usize, Ipv4Addr)>,
    leaves: Vec<(u64, Ipv4Addr)>,
    v1_router_until: u64,
}

impl Model {
    const GMI: u64 = 11_000;

    fn report(&mut self, now: u64, on: usize, group: &'static str, v1: bool) {
        if !self.members.contains_key(&(on, group)) {
            self.changes.push((now, on, group.parse().unwrap(), true));
        }
        let member = self.members.entry((on, group)).or_default();
        member.expires = now + Self::GMI;
        member.queries.clear();
        member.checking = false;
        if v1 {
            member.v1_until = now + Self::GMI;
        }
    }

    fn leave(&mut self, now: u64, on: usize, group: &'static str) {
        let Some(member) = self.members.get_mut(&(on, group)) else { return };
        if !member.checking && now >= member.v1_until {
            member.checking = true;
            member.expires = now + 2000;
            member.queries = vec![now, now + 1000];
        }
    }

    /// Everything due at `now`.
    fn tick(&mut self, now: u64) {
        for ((on, group), member) in &mut self.members {
            if member.queries.contains(&now) {
                self.queries.push((now, *on, group.parse().unwrap()));
                member.queries.retain(|at| *at != now);
            }
        }
        let gone: Vec<_> =
            self.members.iter().filter(|(_, m)| m.expires == now).map(|(key, _)| *key).collect();
        for (on, group) in gone {
            self.members.remove(&(on, group));
            self.changes.push((now, on, group.parse().unwrap(), false));
            if !self.members.keys().any(|(_, other)| *other == group) && now >= self.v1_router_until {
                self.leaves.push((now, group.parse().unwrap()));
            }
        }
    }

    fn perform(&mut self, now: u64, op: Op) -> u64 {
        match op {
            Op::Report(p, g) | Op::RecordJoin(p, g) => self.report(now, PORTS[p], GROUPS[g], false),
            Op::ReportV1(p, g) => self.report(now, PORTS[p], GROUPS[g], true),
            Op::Leave(p, g) | Op::RecordLeave(p, g) => self.leave(now, PORTS[p], GROUPS[g]),
            Op::Query(0) => self.v1_router_until = now + 400_000,
            Op::Query(_) => {}
            Op::Wait(tenths) => {
                for tenth in 1..=tenths {
                    self.tick(now + tenth * 100);
                }
                return now + tenths * 100;
            }
        }
        self.tick(now);
        now
    }
}

proptest! {
    #[test]
    fn members_queries_and_leaves_are_those_of_the_naive_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        let (mut model, mut now) = (Model::default(), 0);
        for op in ops {
            perform(&mut bench, op);
            now = model.perform(now, op);
            prop_assert_eq!(bench.now_ms(), now);
            let expected: BTreeSet<(usize, GroupAddr)> =
                model.members.keys().map(|(on, group)| (*on, group.parse().unwrap())).collect();
            prop_assert_eq!(&bench.forwarded, &expected);
        }
        prop_assert_eq!(sorted(bench.changes), sorted(model.changes));
        let sent = |wanted: fn(u8, Ipv4Addr) -> bool| {
            bench.sent.iter().filter(move |s| wanted(s.kind, s.group))
        };
        let queries: Vec<_> = sent(|kind, group| kind == 0x11 && !group.is_unspecified())
            .map(|s| (s.at_ms, s.port, s.group))
            .collect();
        prop_assert_eq!(sorted(queries), sorted(model.queries));
        let leaves: Vec<_> = sent(|kind, _| kind == 0x17).map(|s| (s.at_ms, s.group)).collect();
        prop_assert_eq!(sorted(leaves), sorted(model.leaves));
    }

    /// A replay repeats itself, and the seed changes nothing but delays.
    #[test]
    fn the_same_calls_and_seed_give_the_same_actions(ops in prop::collection::vec(op(), 1..60)) {
        let run = |seed| {
            let mut bench = Bench::seeded(seed, |c| c.timers = short_timers(), |_| {});
            for op in &ops {
                perform(&mut bench, *op);
            }
            (bench.sent, bench.events, bench.changes)
        };
        let first = run(1);
        prop_assert_eq!(&run(1), &first);
        let other = run(2);
        prop_assert_eq!((&other.1, &other.2), (&first.1, &first.2));
    }

    /// However few timers fire at a time, the same happens, in the same order.
    #[test]
    fn the_budget_changes_nothing_but_the_pace(ops in prop::collection::vec(op(), 1..40)) {
        let run = |budget: usize| {
            let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
            let mut actions: Vec<Action> = Vec::new();
            for op in &ops {
                if let Op::Wait(tenths) = op {
                    bench.now = bench.now + core::time::Duration::from_millis(tenths * 100);
                    while bench.proxy.handle_timers(bench.now, budget) == budget {}
                    actions.extend(core::iter::from_fn(|| bench.proxy.poll_action()));
                } else {
                    let frame = match *op {
                        Op::Report(p, g) => (PORTS[p], join(GROUPS[g])),
                        Op::ReportV1(p, g) => (PORTS[p], join_v1(GROUPS[g])),
                        Op::Leave(p, g) | Op::RecordLeave(p, g) => (PORTS[p], leave(GROUPS[g])),
                        Op::RecordJoin(p, g) => (PORTS[p], report_v3(&[(TO_EX, GROUPS[g], 0)])),
                        Op::Query(_) | Op::Wait(_) => (WAN, query_v3(100, "0.0.0.0", &[])),
                    };
                    bench.proxy.handle_frame(bench.now, port(frame.0), &frame.1.bytes());
                    actions.extend(core::iter::from_fn(|| bench.proxy.poll_action()));
                }
            }
            actions
        };
        prop_assert_eq!(run(1), run(1000));
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

#[test]
fn deadlines_are_exact_to_the_nanosecond() {
    let mut bench = Bench::new();
    bench.now = Time::from_nanos(1_234_567);
    assert_eq!(bench.receive(A, &join(GROUPS[0])), Verdict::Joined);
    let expires = bench.proxy.groups().next().unwrap().expires;
    assert_eq!(expires, Some(Time::from_nanos(260_000_000_000 + 1_234_567)));
}
