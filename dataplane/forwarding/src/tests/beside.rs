//! Forwarders on threads of their own, beside the one that changes the table they share: what became of each frame must be
//! what its group's members were at some moment while its burst was forwarded. No clock is asked; the moments are changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::thread;

use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table_sized};
use proptest::prelude::*;
use types::{DropReason, Frame, GroupAddr, PortSet, Time};

use super::bench::*;
use crate::{
    BURST, Egress, Forwarder, ForwarderParts, ForwardingPolicy, OwnedBurst, OwnedFrame, Policer,
    WorkerCountersReader, frame_ring, worker_counters,
};

/// Groups that come and go, ...
const GROUPS: usize = 48;
/// ... of which the first keep their entries, so that all their frames are counted.
const WATCHED: usize = 8;
/// What the table is made for: it must grow, more than once.
const ROOM: usize = WATCHED;
const CLIENTS: usize = 6;
/// Bursts of each forwarder.
const BURSTS: u64 = 200;
/// Changes that the writer may be ahead of the bursts; behind them it may not be.
const AHEAD: u64 = 64;
const CHANGES_A_BURST: u64 = 8;
/// Of the frames: a header and a number.
const PAYLOAD: usize = 20;
const FRAME: usize = 14 + 20 + PAYLOAD;

/// Numbers that look random: those of a run follow from its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.0 >> 33) % limit as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What all threads of a run share.
struct Run {
    /// Moments so far: two for each change.
    moments: AtomicU64,
    changes: AtomicU64,
    bursts: AtomicU64,
    /// Forwarders that are not done yet.
    working: AtomicUsize,
}

impl Run {
    /// The writer's. Who sees the moment sees what the writer did before; who sees what it does next sees the moment.
    fn moment(&self) -> u64 {
        let moment = self.moments.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        moment
    }

    /// The present one, for a forwarder before it reads, and after.
    fn now(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.moments.load(Ordering::Acquire)
    }
}

/// Members of a group, which they became between the moments of `from` and ceased to be between those of `until`.
struct Version {
    members: PortSet,
    from: u64,
    until: u64,
}

/// What became of a frame, and when.
struct Seen {
    group: usize,
    ports: PortSet,
    /// The forwarder's last quiescence began after this moment, its burst after `began` and before `ended`.
    quiesced: u64,
    began: u64,
    ended: u64,
}

impl Seen {
    /// Whether the frame went to its group's members of one moment of its burst. That it went nowhere may be as old as the
    /// forwarder's last quiescence: a group that is new to a grown table need not be in the one before.
    fn is_right(&self, versions: &[Version]) -> bool {
        let since = if self.ports.is_empty() { self.quiesced } else { self.began };
        // Later versions began after the burst.
        let known = &versions[..versions.partition_point(|version| version.from < self.ended)];
        let in_time = known.iter().rev().take_while(|version| version.until >= since);
        in_time.map(|version| version.members).any(|members| members == self.ports)
    }
}

fn address(number: usize) -> GroupAddr {
    GroupAddr::from_bits(0xef02_0000 + 257 * number as u32).unwrap()
}

/// Joins, leaves, and now and then a port that all leave, until the forwarders are done. The versions of each group.
fn change(table: &mut GroupTableWriter, run: &Run, mut chance: Chance) -> Vec<Vec<Version>> {
    let nobody = || vec![Version { members: PortSet::EMPTY, from: 0, until: u64::MAX }];
    let mut versions: Vec<_> = (0..GROUPS).map(|_| nobody()).collect();
    while run.working.load(Ordering::Acquire) > 0 {
        if run.changes.load(Ordering::Relaxed) > AHEAD + CHANGES_A_BURST * run.bursts.load(Ordering::Relaxed)
        {
            thread::yield_now();
            continue;
        }
        let (number, client) = (chance.below(GROUPS), port(1 + chance.below(CLIENTS)));
        let group = address(number);
        let from = run.moment();
        let changed = match chance.below(64) {
            0 => {
                table.clear_port(client);
                0..GROUPS
            }
            1..32 => {
                // Full it can be while nobody quiesces.
                let _ = table.set(group, client);
                number..number + 1
            }
            _ => {
                table.clear(group, client);
                number..number + 1
            }
        };
        let until = run.moment();
        for number in changed {
            let members = table.members(address(number));
            if let Some(last) = versions[number].last_mut().filter(|last| last.members != members) {
                last.until = until;
                versions[number].push(Version { members, from, until: u64::MAX });
            }
        }
        if chance.one_in(4) {
            table.maintain();
        }
        run.changes.fetch_add(1, Ordering::Relaxed);
    }
    versions
}

/// What was sent, by the number that each frame of a burst has at its end.
struct Sent([PortSet; BURST]);

impl Egress<OwnedFrame> for Sent {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, bytes: u64, ports: PortSet) {
        assert_eq!(bytes, (frames.len() * FRAME) as u64);
        assert!(!ports.is_empty());
        for frame in frames {
            let number = usize::from(frame.bytes()[FRAME - 1]);
            assert!(self.0[number].is_empty(), "sent twice");
            self.0[number] = ports;
        }
    }
}

/// Bursts of one group and bursts of many, now and then a quiescence, now and then a sleep.
fn forward(mut forwarder: Forwarder, run: &Run, mut chance: Chance) -> Vec<Seen> {
    let (mut seen, mut quiesced) = (Vec::new(), 0);
    for _ in 0..BURSTS {
        while run.bursts.load(Ordering::Relaxed) > run.changes.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let few = 1 + chance.below(4);
        let among = if chance.one_in(2) { few } else { GROUPS };
        let groups: Vec<_> = (0..1 + chance.below(BURST)).map(|_| chance.below(among)).collect();
        let frame = |(number, group): (usize, &usize)| {
            let mut frame = frame(address(*group), 17, PAYLOAD);
            frame[FRAME - 1] = number as u8;
            OwnedFrame(frame)
        };
        let mut burst = OwnedBurst(groups.iter().enumerate().map(frame).collect());
        let mut sent = Sent([PortSet::EMPTY; BURST]);
        let began = run.now();
        forwarder.forward(|| Time::ZERO, port(0), &mut burst, &mut sent);
        let ended = run.now();
        let fates = groups.into_iter().zip(sent.0);
        seen.extend(fates.map(|(group, ports)| Seen { group, ports, quiesced, began, ended }));
        run.bursts.fetch_add(1, Ordering::Relaxed);
        let now = run.now();
        match chance.below(16) {
            0 => forwarder.table().sleep(),
            1..9 => forwarder.table().quiesce(),
            _ => continue,
        }
        quiesced = now;
    }
    seen
}

/// Forwarders that share a table, each with the reading end of its counters; and who writes the table.
fn forwarders(count: usize) -> (GroupTableWriter, Vec<(Forwarder, WorkerCountersReader)>) {
    let settings = TableSettings { max_groups: GROUPS, readers: count, seed: 3 };
    let (mut table, readers) = group_table_sized(settings, ROOM);
    (0..WATCHED).for_each(|number| table.watch(address(number)).unwrap());
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    masks.set_forward(port(0), (1..=CLIENTS).map(port).collect());
    policy.set_enabled(true);
    policy.set_source(port(0), true);
    let forwarder = |table| {
        let (counters, counted) = worker_counters();
        let (masks, policy) = (Arc::clone(&masks), Arc::clone(&policy));
        let mut forwarder =
            Forwarder::new(ForwarderParts { table, masks, policy, counters, router_mac: ROUTER });
        for i in 0..=CLIENTS {
            forwarder.add_port(port(i), ingress(), frame_ring(1).0, Policer::new(1, 1), 1500);
        }
        (forwarder, counted)
    };
    (table, readers.into_iter().map(forwarder).collect())
}

/// Also when an assertion fails, or others would wait for ever.
struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn check(workers: usize, seed: u64) -> Result<(), TestCaseError> {
    let (mut table, forwarders) = forwarders(workers);
    let (forwarders, counters): (Vec<_>, Vec<_>) = forwarders.into_iter().unzip();
    let run = &Run {
        // What was so before all changes was so from 0 on.
        moments: AtomicU64::new(1),
        changes: AtomicU64::new(0),
        bursts: AtomicU64::new(0),
        working: AtomicUsize::new(workers),
    };
    let (versions, seen) = thread::scope(|scope| {
        let start = |(number, forwarder)| {
            scope.spawn(move || {
                let _done = AtEnd(|| _ = run.working.fetch_sub(1, Ordering::Release));
                forward(forwarder, run, Chance(seed ^ number))
            })
        };
        let threads: Vec<_> = (1..).zip(forwarders).map(start).collect();
        let versions = {
            let _done = AtEnd(|| run.changes.store(u64::MAX, Ordering::Relaxed));
            change(&mut table, run, Chance(seed))
        };
        (versions, threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>())
    });
    prop_assert!(table.slots() > 2 * ROOM, "it grew");
    for frame in seen.iter().flatten() {
        let Seen { group, ports, quiesced, began, ended } = frame;
        prop_assert!(
            frame.is_right(&versions[*group]),
            "group {} went to {:?} between {} and {}, after a quiescence at {}",
            group,
            ports,
            began,
            ended,
            quiesced,
        );
    }
    for (seen, counters) in seen.iter().zip(counters) {
        let counted = counters.snapshot(port(0));
        let forwarded = seen.iter().filter(|frame| !frame.ports.is_empty()).count() as u64;
        prop_assert_eq!((counted.rx_frames, counted.forwarded), (seen.len() as u64, forwarded));
        prop_assert_eq!(counted.dropped(DropReason::NoMember), counted.rx_frames - forwarded);
    }
    for number in 0..GROUPS {
        let frames = seen.iter().flatten().filter(|frame| frame.group == number).count() as u64;
        let counted = table.counters(address(number));
        prop_assert_eq!(counted.bytes, counted.frames * FRAME as u64);
        if number < WATCHED {
            prop_assert_eq!(counted.frames, frames, "group {}", number);
        } else {
            prop_assert!(counted.frames <= frames, "group {}", number);
        }
    }
    Ok(())
}

proptest! {
    // How the threads take turns is no part of a seed: there is nothing to shrink, and nothing to keep.
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_frame_goes_to_its_groups_members_of_a_moment_of_its_burst(workers in 2..4usize, seed in any::<u64>()) {
        check(workers, seed)?;
    }
}

#[test]
fn members_of_no_moment_of_the_burst_are_not_right() {
    let [none, one] = [PortSet::EMPTY, PortSet::only(port(1))];
    let versions = [
        Version { members: none, from: 0, until: 4 },
        Version { members: one, from: 3, until: 8 },
        Version { members: none, from: 7, until: u64::MAX },
    ];
    let right =
        |ports, quiesced, began, ended| Seen { group: 0, ports, quiesced, began, ended }.is_right(&versions);
    assert!(right(none, 1, 2, 3) && right(none, 1, 4, 4) && right(none, 1, 8, 8));
    assert!(right(one, 1, 2, 4) && right(one, 1, 8, 9));
    assert!(!right(one, 1, 2, 3), "before anybody joined");
    assert!(!right(one, 1, 9, 9), "after everybody left");
    assert!(!right(none, 5, 5, 7) && right(none, 4, 5, 7), "a member not yet known");
}
