//! One worker's pass over a received burst.

use std::sync::Arc;

use group_table::{GroupTableReader, Hit, PortMasks};
use types::{BURST, DropReason, Frame, FrameBurst, Heads, MAX_PORTS, MacAddr, PortIndex, PortSet, Time};

use crate::classify::{ETHERNET_LEN, Verdict, classify, tag_reason};
use crate::counters::WorkerCounters;
use crate::frame::Egress;
use crate::ingress::Ingress;
use crate::policer::Policer;
use crate::policy::ForwardingPolicy;
use crate::punt::{PuntPath, data_group};
use crate::rewrite::{Hop, rewrite};
use crate::ring::FrameSender;
use crate::screen::Screened;

/// What a forwarder is made of.
pub struct ForwarderParts {
    /// Who wants which group.
    pub table: GroupTableReader,
    /// Which ports may send to which.
    pub masks: Arc<PortMasks>,
    /// Names reasons for drops.
    pub policy: Arc<ForwardingPolicy>,
    /// This worker's counters.
    pub counters: WorkerCounters,
    /// Source of everything sent.
    pub router_mac: MacAddr,
}

/// One port as a forwarder sees it.
struct ForwarderPort {
    ingress: Ingress,
    punt: PuntPath,
}

/// What a pass left for its caller to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassReport {
    /// Frames put into the punt rings: wake the control thread if it sleeps.
    pub punted: u32,
}

/// The frames of a burst in runs: in a row, for one group, from one source.
struct Runs {
    count: usize,
    /// Host byte order; 0 is what is no plain data.
    groups: [u32; BURST],
    /// Where in the burst it begins.
    starts: [u8; BURST],
    hits: [Hit; BURST],
}

impl Runs {
    /// The runs of a burst, not looked up. What comes from a source that may not send is no plain data: why it is
    /// dropped is found again.
    #[inline(always)]
    fn of(screened: &Screened, ingress: &Ingress) -> Self {
        let (mut groups, mut starts, mut count) = ([0; BURST], [0; BURST], 0);
        for start in bits(screened.turns) {
            let group = u32::from_be(screened.groups.0[start]);
            let may = ingress.may_forward(u32::from_be(screened.sources.0[start]));
            groups[count % BURST] = if may { group } else { 0 };
            starts[count % BURST] = start as u8;
            count += 1;
        }
        Self { count, groups, starts, hits: [Hit::MISS; BURST] }
    }

    /// Where in the burst of `frames` a run begins and ends.
    #[inline(always)]
    fn range(&self, run: usize, frames: usize) -> (usize, usize) {
        let end = if run + 1 < self.count { self.starts[(run + 1) % BURST].into() } else { frames };
        (usize::from(self.starts[run % BURST]).min(end), end)
    }
}

/// The places of the bits that are set, lowest first.
#[inline(always)]
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros() as usize % BURST);
        set &= set.wrapping_sub(1);
        lowest
    })
}

/// What became of a frame that is no plain data, besides being dropped.
#[derive(Default)]
struct Odd {
    forwarded: bool,
    punted: u32,
}

/// Classifies, looks up, rewrites and replicates bursts of frames on one worker.
pub struct Forwarder {
    table: GroupTableReader,
    masks: Arc<PortMasks>,
    policy: Arc<ForwardingPolicy>,
    counters: WorkerCounters,
    router_mac: MacAddr,
    hop: Hop,
    ports: [Option<Box<ForwarderPort>>; MAX_PORTS],
    /// Longest frame, Ethernet header included, that each port sends.
    max_frame: [usize; MAX_PORTS],
    smallest_max_frame: usize,
    /// Of the burst at hand.
    heads: Heads,
    screened: Screened,
}

impl Forwarder {
    /// A forwarder without ports.
    pub fn new(parts: ForwarderParts) -> Self {
        let ForwarderParts { table, masks, policy, counters, router_mac } = parts;
        Self {
            table,
            masks,
            policy,
            counters,
            router_mac,
            hop: Hop::new(router_mac),
            ports: [const { None }; MAX_PORTS],
            max_frame: [usize::MAX; MAX_PORTS],
            smallest_max_frame: usize::MAX,
            heads: Heads::new(),
            screened: Screened::new(),
        }
    }

    /// Adds a port, or replaces it: what is known of frames coming in, the way to the control thread and the
    /// limit of IGMP on it, and the MTU in bytes (IP packet, without Ethernet header) of what goes out. What is
    /// counted begins at zero.
    ///
    /// Like every change of ports, this is for between bursts and may touch the heap.
    pub fn add_port(
        &mut self,
        port: PortIndex,
        ingress: Ingress,
        punt: FrameSender,
        policer: Policer,
        mtu: u16,
    ) {
        let punt = PuntPath::new(punt, policer);
        self.ports[port.get()] = Some(Box::new(ForwarderPort { ingress, punt }));
        self.set_mtu(port, mtu);
        self.counters.port(port).reset();
    }

    /// Takes a port away, and ends its ring to the control thread. Frames that still come in by it are freed;
    /// counters remain until its place is another port's.
    pub fn remove_port(&mut self, port: PortIndex) {
        self.ports[port.get()] = None;
        self.set_max_frame(port, usize::MAX);
    }

    /// Replaces what is known of frames that come in by `port`. Without effect on a port that is not there.
    pub fn set_ingress(&mut self, port: PortIndex, ingress: Ingress) {
        if let Some(entry) = &mut self.ports[port.get()] {
            entry.ingress = ingress;
        }
    }

    /// Replaces the MTU, as in [`add_port`](Self::add_port). Without effect on a port that is not there.
    pub fn set_mtu(&mut self, port: PortIndex, mtu: u16) {
        if self.ports[port.get()].is_some() {
            self.set_max_frame(port, usize::from(mtu) + ETHERNET_LEN);
        }
    }

    fn set_max_frame(&mut self, port: PortIndex, max_frame: usize) {
        self.max_frame[port.get()] = max_frame;
        self.smallest_max_frame = self.max_frame.iter().copied().min().unwrap_or(usize::MAX);
    }

    /// The group table's reading end, for the worker's quiescence.
    pub fn table(&mut self) -> &mut GroupTableReader {
        &mut self.table
    }

    /// Handles every frame of `burst`, received on `port`, and leaves it empty. `now` is asked only for
    /// frames that go to the control thread, whose rate is limited.
    ///
    /// What is looked at for each frame is there in every deployment; samples and source filters, which are
    /// not, cost one test a burst where they are not used.
    #[inline]
    pub fn forward<B, E>(
        &mut self,
        now: impl Fn() -> Time,
        port: PortIndex,
        burst: &mut B,
        egress: &mut E,
    ) -> PassReport
    where
        B: FrameBurst,
        E: Egress<B::Frame>,
    {
        let frames = burst.frames();
        let count = frames.len().min(BURST);
        let mut report = PassReport::default();
        if self.policy.is_watching() {
            report.punted += self.sample(&now, port, frames);
        }
        let Some(entry) = self.ports[port.get()].as_deref() else {
            burst.drain().for_each(drop);
            return report;
        };
        burst.read_heads(&mut self.heads);
        if entry.ingress.has_other_macs() {
            self.heads.odd |= entry.ingress.looped_bits(frames);
        }
        self.screened.fill(&self.heads, count, &entry.ingress.stations);
        let rx_bytes = self.heads.lens.0[..count].iter().map(|len| u64::from(*len)).sum();
        let mut runs = Runs::of(&self.screened, &entry.ingress);
        self.table.lookup_burst(&runs.groups[..runs.count], &mut runs.hits[..runs.count]);

        let (always, forward) = (self.masks.always(port), self.masks.forward(port));
        // Where data goes without a member having asked, groups that stay on their link are tested one by
        // one (r69); elsewhere they have no members, and that is test enough.
        let screened = !always.is_empty();
        let mut forwarded = 0;
        let mut frames = burst.drain();
        for run in 0..runs.count {
            let (start, end) = runs.range(run, count);
            let (group, hit) = (runs.groups[run % BURST], runs.hits[run % BURST]);
            if group == 0 {
                for frame in frames.by_ref().take(end - start) {
                    let odd = self.handle_odd(&now, port, frame, egress);
                    forwarded += u64::from(odd.forwarded);
                    report.punted += odd.punted;
                }
                continue;
            }
            let lens = &self.screened.ends.0[start..end];
            let (bytes, longest) =
                lens.iter().fold((0, 0), |(sum, max): (u32, u32), len| (sum + len, max.max(*len)));
            let (bytes, longest) = (u64::from(bytes), longest as usize);
            let frames = frames.by_ref().take(end - start);
            let number = (end - start) as u64;
            self.table.count(hit.slot, number, bytes);
            let ports = hit.members.union(always).intersection(forward);
            if longest > self.smallest_max_frame || screened {
                for (frame, i) in frames.zip(start..) {
                    let len = self.screened.ends.0[i % BURST] as usize;
                    forwarded += u64::from(self.forward_one(port, frame, (group, len), hit.members, egress));
                }
            } else if ports.is_empty() {
                frames.for_each(drop);
                self.drop_unwanted(port, group, hit.members, number);
            } else {
                forwarded += number;
                let Screened { padded, ends, hops, .. } = &self.screened;
                let frames = frames.zip(start..).map(|(mut frame, i)| {
                    if padded >> (i % BURST) & 1 != 0 {
                        frame.truncate(ends.0[i % BURST] as usize);
                    }
                    self.hop.write(frame.bytes_mut(), hops.0[i % BURST]);
                    frame
                });
                egress.replicate(frames, bytes, ports);
            }
        }
        drop(frames);
        let counters = self.counters.port(port);
        counters.rx_frames.add(count as u64);
        counters.rx_bytes.add(rx_bytes);
        counters.forwarded.add(forwarded);
        report
    }

    /// Handles what is no plain data: data with IP options, IGMP, and everything to be dropped.
    #[cold]
    #[inline(never)]
    fn handle_odd<F, E>(&mut self, now: &impl Fn() -> Time, port: PortIndex, frame: F, egress: &mut E) -> Odd
    where
        F: Frame,
        E: Egress<F>,
    {
        let mut odd = Odd::default();
        let Some(entry) = self.ports[port.get()].as_deref() else { return odd };
        let verdict = if frame.is_chained() {
            Verdict::Drop(DropReason::Chained)
        } else if let Some(tci) = frame.stripped_tag() {
            Verdict::Drop(tag_reason(tci))
        } else {
            classify(frame.bytes(), frame.ip_checksum(), &entry.ingress)
        };
        match verdict {
            Verdict::Data { group, len } => {
                let mut hit = [Hit::MISS];
                self.table.lookup_burst(&[group], &mut hit);
                let [hit] = hit;
                self.table.count(hit.slot, 1, len as u64);
                odd.forwarded = self.forward_one(port, frame, (group, len), hit.members, egress);
            }
            Verdict::Igmp => {
                odd.punted = self.punt(port, |punt| punt.igmp(now(), port, frame.bytes()));
            }
            Verdict::Neighbour => {
                odd.punted = self.punt(port, |punt| punt.neighbour(now(), port, frame.bytes()));
            }
            Verdict::Drop(reason) => {
                if reason == DropReason::SourceNotAllowed {
                    self.count_filtered(frame.bytes());
                }
                self.counters.port(port).dropped(reason).add(1);
            }
        }
        odd
    }

    /// Forwards one frame of data, of `group` and so many bytes, for which more than the table and the masks counts.
    /// Whether it went anywhere.
    #[cold]
    #[inline(never)]
    fn forward_one<F, E>(
        &self,
        port: PortIndex,
        mut frame: F,
        (group, len): (u32, usize),
        members: PortSet,
        egress: &mut E,
    ) -> bool
    where
        F: Frame,
        E: Egress<F>,
    {
        let ports = self.narrow(self.masks.egress(port, members), group, len);
        if ports.is_empty() {
            self.drop_unwanted(port, group, members, 1);
            return false;
        }
        frame.truncate(len);
        rewrite(frame.bytes_mut(), self.router_mac);
        egress.replicate(core::iter::once(frame), len as u64, ports);
        true
    }

    /// Takes out of `ports` those whose MTU a frame of `len` bytes exceeds; all of them when the group stays on its
    /// link.
    fn narrow(&self, ports: PortSet, group: u32, len: usize) -> PortSet {
        if self.policy.is_local(group) { PortSet::EMPTY } else { self.within_mtu(ports, len) }
    }

    /// Hands a frame to the control thread, counts it, and says whether it got there (1) or not (0).
    #[cold]
    fn punt(&mut self, port: PortIndex, send: impl FnOnce(&mut PuntPath) -> Result<(), DropReason>) -> u32 {
        let counters = self.counters.port(port);
        let Some(entry) = self.ports[port.get()].as_deref_mut() else { return 0 };
        match send(&mut entry.punt) {
            Ok(()) => {
                counters.punted.add(1);
                1
            }
            Err(reason) => {
                counters.dropped(reason).add(1);
                0
            }
        }
    }

    /// Hands over copies of those frames whose group is watched. How many.
    #[cold]
    fn sample<F: Frame>(&mut self, now: &impl Fn() -> Time, port: PortIndex, frames: &[F]) -> u32 {
        let Some(entry) = self.ports[port.get()].as_deref_mut() else { return 0 };
        let watched_as = |frame: &F| self.policy.watched_as(data_group(frame.bytes())?);
        let watched = frames.iter().filter_map(|frame| Some((frame, watched_as(frame)?)));
        watched.map(|(frame, watch)| u32::from(entry.punt.sample(now(), port, watch, frame.bytes()))).sum()
    }

    /// Counts a frame of a refused source for its group.
    #[cold]
    fn count_filtered(&mut self, frame: &[u8]) {
        let mut hit = [Hit::MISS];
        self.table.lookup_burst(&[data_group(frame).unwrap_or_default()], &mut hit);
        self.table.count_filtered(hit[0].slot, 1);
    }

    /// Takes the ports out whose MTU a frame of `len` bytes exceeds, each counting it (r99).
    #[cold]
    fn within_mtu(&self, ports: PortSet, len: usize) -> PortSet {
        let too_small = |p: &PortIndex| len > self.max_frame[p.get()];
        for port in ports.iter().filter(too_small) {
            self.counters.port(port).dropped(DropReason::Mtu).add(1);
        }
        ports.iter().filter(|p| !too_small(p)).collect()
    }

    /// Counts frames that go nowhere.
    #[cold]
    fn drop_unwanted(&self, port: PortIndex, group: u32, members: PortSet, frames: u64) {
        let reason = if !self.policy.is_enabled() {
            DropReason::ProxyOff
        } else if !self.policy.is_source(port) {
            DropReason::NotASource
        } else if self.policy.is_local(group) {
            DropReason::LocalGroup
        } else if members.is_empty() {
            DropReason::NoMember
        } else {
            DropReason::NoEgress
        };
        self.counters.port(port).dropped(reason).add(frames);
    }
}
