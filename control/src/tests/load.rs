//! f32, f34: floods, from the worker's classifier through the rings to the control thread and back into the table.
//!
//! Time is what the work takes: each frame that the control thread handles counts as [`FRAME_COST`], a tenth
//! of the speed that the bench asks for.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use api::MbufView;
use forwarding::{
    Egress, Forwarder, ForwarderParts, FrameReceiver, Ingress, OwnedBurst, OwnedFrame, Policer, frame_ring,
    worker_counters,
};
use igmp::ClientPortSettings;
use igmp::wire::{Outgoing, emit};
use types::{DropReason, GroupAddr, MacAddr, PortSet, Time};

use super::bench::{Plan, WAN, data, from_host, info, join, leave, nth_group, port};
use crate::thread::Control;
use crate::{Clock, ControlHandle, ControlParts, PortRole, waker};

/// Ports, the provider's among them. The last one is quiet.
const PORTS: usize = 16;
const QUIET: usize = PORTS - 1;
/// Groups that a port may have: its share of the table.
const SHARE: u32 = 100;
const RING: usize = 1024;
/// Frames that a worker takes at once.
const BURST: usize = 32;
const PUNTS_PER_SECOND: u32 = 100_000;
const PUNT_BURST: u32 = 4096;
/// Of the control thread, for each frame.
const FRAME_COST: Duration = Duration::from_micros(20);
/// Of a turn without frames.
const TURN_COST: Duration = Duration::from_micros(100);
/// What a flooding port receives in a millisecond: twice what it may hand on.
const FLOOD_A_MS: u32 = 200;

/// Where a frame of data went.
#[derive(Default)]
struct Copies(PortSet);

impl Egress<OwnedFrame> for Copies {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        frames.for_each(drop);
        self.0 = ports;
    }
}

/// A worker and the control thread's turns, in one thread.
struct Site {
    control: Control,
    forwarder: Forwarder,
    counters: forwarding::WorkerCounters,
    injected: FrameReceiver,
    now: Time,
    /// Frames of floods so far.
    flooded: u32,
    _handle: ControlHandle,
}

impl Site {
    fn new() -> Self {
        let mut plan = Plan { max_groups: PORTS * SHARE as usize, ..Plan::new() };
        plan.ports.truncate(1);
        plan.ports.extend((1..PORTS).map(|index| {
            let address = format!("10.{index}.0.1/24").parse().ok();
            let client = ClientPortSettings { address, max_groups: SHARE, ..Default::default() };
            info(index, &format!("hall-{index}"), PortRole::Client(client))
        }));
        let (mut agent, mut readers) = plan.without_neighbours().parts(1, MbufView::default);
        let (counters, reader) = worker_counters();
        agent.counters.push(reader);
        let mut forwarder = Forwarder::new(ForwarderParts {
            table: readers.remove(0),
            masks: Arc::clone(&agent.masks),
            policy: Arc::clone(&agent.policy),
            counters: counters.clone(),
            router_mac: agent.router_mac,
        });
        let mut punted = Vec::new();
        for port in &agent.configuration.ports {
            let (punt, ring) = frame_ring(RING);
            punted.push(ring);
            let policer = Policer::new(PUNTS_PER_SECOND, PUNT_BURST);
            forwarder.add_port(port.index, Ingress::new(&port.ingress), punt, policer, port.mtu);
        }
        let (inject, injected) = frame_ring(RING);
        let (waker, sleeper) = waker().unwrap();
        let clock = Clock::start();
        let agent = crate::Agent::new(clock.now(), agent);
        let (_handle, control) =
            Control::new(ControlParts { agent, punted, inject, waker, sleeper, clock, core: None });
        let now = Time::from_nanos(1_000_000_000);
        let mut site = Self { control, forwarder, counters, injected, now, flooded: 0, _handle };
        site.turn();
        site
    }

    /// The worker receives frames on a port; returns where the last one went.
    fn receive(&mut self, on: usize, frames: impl IntoIterator<Item = Vec<u8>>) -> PortSet {
        let (now, mut copies) = (self.now, Copies::default());
        let mut frames = frames.into_iter().map(OwnedFrame).peekable();
        while frames.peek().is_some() {
            let mut burst = OwnedBurst(frames.by_ref().take(BURST).collect());
            self.forwarder.forward(|| now, port(on), &mut burst, &mut copies);
            self.forwarder.table().quiesce();
        }
        copies.0
    }

    /// A millisecond's worth of everything that makes work, on one port.
    fn flood(&mut self, on: usize) {
        let first = self.flooded;
        self.flooded += FLOOD_A_MS;
        self.receive(
            on,
            (first..self.flooded).map(|n| {
                let group = nth_group((n % 1000) as u16);
                match n % 4 {
                    0 => join(on, group),
                    1 => leave(on, nth_group((n / 4 % 100) as u16)),
                    2 => {
                        let mac = MacAddr([2, 9, 0, (n >> 16) as u8, (n >> 8) as u8, n as u8]);
                        let source = Ipv4Addr::new(10, on as u8, 0, n as u8 | 2);
                        emit(Outgoing::ReportV1(group), mac, source, 0).as_slice().to_vec()
                    }
                    _ => {
                        let mut broken = from_host(on, Outgoing::ReportV2(group));
                        *broken.last_mut().unwrap() ^= 1;
                        broken
                    }
                }
            }),
        );
    }

    /// Frames that the control thread has handled, of one port.
    fn handled(&self, on: usize) -> u64 {
        self.control.agent.proxy.counters(port(on)).verdicts().iter().sum()
    }

    /// A turn of the control thread; the worker sends what it is given. Returns how long it took.
    fn turn(&mut self) -> Duration {
        let handled = |site: &Self| (0..PORTS).map(|on| site.handled(on)).sum::<u64>();
        let before = handled(self);
        assert!(self.control.turn().is_continue());
        while self.injected.recv(|_, _| ()).is_some() {}
        let took = (FRAME_COST * (handled(self) - before) as u32).max(TURN_COST);
        self.now = self.now + took;
        took
    }

    fn dropped(&self, on: usize, reason: DropReason) -> u64 {
        self.counters.port(port(on)).dropped(reason).get()
    }

    /// The worst time from a join on the quiet port until its stream is there, while others flood.
    fn worst_join(&mut self, flooding: core::ops::Range<usize>, joins: u16) -> Duration {
        let mut worst = Duration::ZERO;
        let mut due = self.now;
        for n in 0..joins {
            let (asked, group) = (self.now, nth_group(2000 + n));
            self.receive(QUIET, [join(QUIET, group)]);
            while !self.receive(WAN, [data(WAN, group)]).contains(port(QUIET)) {
                self.turn();
                while due <= self.now {
                    flooding.clone().for_each(|on| self.flood(on));
                    due = due + Duration::from_millis(1);
                }
            }
            worst = worst.max(self.now.saturating_since(asked));
        }
        worst
    }
}

#[test]
fn f34_while_one_port_floods_joins_on_the_others_are_served_within_200_ms() {
    let mut site = Site::new();
    let worst = site.worst_join(1..2, 50);
    assert!(worst < Duration::from_millis(200), "{worst:?}");
    assert!(site.dropped(1, DropReason::PuntFull) > 0, "it was a flood");
    assert_eq!(site.handled(QUIET), 50);
}

#[test]
fn f34_while_every_other_port_floods_too() {
    let mut site = Site::new();
    let worst = site.worst_join(0..QUIET, 20);
    assert!(worst < Duration::from_millis(200), "{worst:?}");
    for on in 0..QUIET {
        assert!(
            site.dropped(on, DropReason::PuntFull) > 0 && site.handled(on) > 64,
            "port {on} has its turns"
        );
    }
}

#[test]
fn f32_ports_that_ask_for_more_than_the_table_holds_leave_the_others_their_share() {
    let mut site = Site::new();
    for ms in 0..20 {
        (1..QUIET).for_each(|on| site.flood(on));
        (0..20).for_each(|_| _ = site.turn());
        site.now = site.now + Duration::from_millis(ms);
    }
    let groups =
        |site: &Site, on| site.control.agent.proxy.groups().filter(|view| view.port == port(on)).count();
    assert!((1..QUIET).all(|on| groups(&site, on) == SHARE as usize), "all the groups that they may have");
    let wanted: Vec<GroupAddr> = (0..SHARE as u16).map(|n| nth_group(3000 + n)).collect();
    site.receive(QUIET, wanted.iter().map(|group| join(QUIET, *group)));
    (0..20).for_each(|_| _ = site.turn());
    assert!(wanted.iter().all(|group| site.receive(WAN, [data(WAN, *group)]).contains(port(QUIET))));
    assert!(site.control.agent.table.len() <= PORTS * SHARE as usize);
    assert_eq!(site.control.agent.table_refused, 0);
}

/// CVE-2020-3566: IOS XR queued IGMP without a bound, until its memory was gone.
#[test]
fn ios_xr_an_igmp_flood_fills_a_bounded_queue_and_nothing_else() {
    let mut site = Site::new();
    let before = site.handled(1);
    // The control thread is stopped for a second.
    for _ in 0..1000 {
        site.flood(1);
        site.now = site.now + Duration::from_millis(1);
    }
    let refused = site.dropped(1, DropReason::PuntFull) + site.dropped(1, DropReason::PuntPoliced);
    assert_eq!(refused, u64::from(site.flooded) - RING as u64, "counted, each of them");
    let turns = (0..RING).take_while(|_| site.turn() > TURN_COST).count();
    assert_eq!(site.handled(1) - before, RING as u64);
    assert!(turns <= RING / 64, "{turns} turns");
}

/// Nor does what the flood causes pile up while the worker takes nothing off.
#[test]
fn ios_xr_a_flood_whose_answers_find_no_way_out_waits_in_its_bounded_rings() {
    let mut site = Site::new();
    let own = |on: usize| (0..SHARE as u16).map(move |n| nth_group(on as u16 * 1000 + n));
    let mut rounds = || {
        for _ in 0..40 {
            for on in 1..PORTS {
                site.receive(on, own(on).map(|group| join(on, group)));
                site.receive(on, own(on).map(|group| leave(on, group)));
            }
            assert!(site.control.turn().is_continue());
            site.now = site.now + Duration::from_millis(10);
        }
        assert!(site.control.agent.has_output());
        assert!((1..PORTS).all(|on| site.dropped(on, DropReason::PuntFull) > 0), "counted");
        (1..PORTS).map(|on| site.handled(on)).sum::<u64>()
    };
    let first = rounds();
    assert_eq!(rounds(), first, "nothing more is taken in");
    // It goes on where it stopped as soon as there is a way out.
    (0..RING).for_each(|_| _ = site.turn());
    let last = (1..PORTS).map(|on| site.handled(on)).sum::<u64>();
    assert!(!site.control.agent.has_output() && last > first);
    assert_eq!(site.control.agent.proxy.groups().count(), (PORTS - 1) * SHARE as usize);
}
