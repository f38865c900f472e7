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
use crate::rewrite::{rewrite, source_bytes};
use crate::ring::FrameSender;
use crate::runs::{Runs, between, bits};
use crate::screen::Screened;
use crate::unfinished::complete_burst;

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

/// Frames in a row that go to the same ports; to none to begin with.
#[derive(Default)]
struct Span {
    ports: PortSet,
    /// The place in the burst of the first of them. What was before it is no longer there.
    start: usize,
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
    /// See [`source_bytes`].
    hop_source: [u8; 8],
    ports: [Option<Box<ForwarderPort>>; MAX_PORTS],
    /// Longest frame, Ethernet header included, that each port sends.
    max_frame: [usize; MAX_PORTS],
    smallest_max_frame: usize,
    /// Of the burst at hand.
    heads: Heads,
    screened: Screened,
    runs: Runs,
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
            hop_source: source_bytes(router_mac),
            ports: [const { None }; MAX_PORTS],
            max_frame: [usize::MAX; MAX_PORTS],
            smallest_max_frame: usize::MAX,
            heads: Heads::new(),
            screened: Screened::new(),
            runs: Runs::new(),
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
            burst.take(usize::MAX).for_each(drop);
            return report;
        };
        if entry.ingress.completes_udp() {
            let completed = complete_burst(burst.frames_mut());
            self.counters.port(port).udp_completed.add(completed);
        }
        if count == 1 {
            return self.forward_alone(&now, port, burst, egress, report);
        }
        self.screened.fill(burst, &mut self.heads, count, self.smallest_max_frame, &entry.ingress);
        let rx_bytes = self.screened.received(&self.heads, count);
        self.runs.fill(&self.screened, count);
        let (groups, hits) = self.runs.groups();
        self.table.prefetch_burst(groups, B::prefetch);
        rewrite_burst(&self.screened, self.hop_source, burst);
        self.table.lookup_to_count(groups, hits, B::prefetch);

        let (always, forward) = (self.masks.always(port), self.masks.forward(port));
        // Where data goes without a member having asked, groups that stay on their link are tested one by
        // one (r69); elsewhere they have no members, and that is test enough.
        let screened = if always.is_empty() { 0 } else { u32::MAX };
        let careful = (screened | self.screened.long | !self.screened.plain) & between(0, count);
        let (mut forwarded, mut span) = (0, Span::default());
        for run in 0..self.runs.count() {
            let (group, hit) = self.runs.of(run);
            let ports = hit.members.union(always).intersection(forward);
            if (careful == 0) & (ports == span.ports) & !ports.is_empty() {
                continue;
            }
            let (start, end) = self.runs.range(run);
            let careful = careful & between(start, end) != 0;
            let ports = if careful { PortSet::EMPTY } else { ports };
            if ports != span.ports {
                forwarded += self.send(span, start, burst, egress);
                span = Span { ports, start };
            }
            if !ports.is_empty() {
                continue;
            }
            span.start = end;
            let frames = end - start;
            if group == 0 {
                for frame in burst.take(frames) {
                    let odd = self.handle_odd(&now, port, frame, egress);
                    forwarded += u64::from(odd.forwarded);
                    report.punted += odd.punted;
                }
            } else if careful {
                forwarded += self.forward_carefully(port, burst.take(frames), start, (group, hit), egress);
            } else {
                burst.take(frames).for_each(drop);
                self.drop_unwanted(port, group, hit.members, frames as u64);
            }
        }
        forwarded += self.send(span, count, burst, egress);
        // At the end, as the counters may be far away.
        self.count_runs();
        // A burst is no longer, but who knows who made it.
        burst.take(usize::MAX).for_each(drop);
        let counters = self.counters.port(port);
        counters.rx_frames.add(count as u64);
        counters.rx_bytes.add(rx_bytes.into());
        counters.forwarded.add(forwarded);
        report
    }

    /// Handles a burst of one frame. What makes a full one cheap costs a frame by itself nearly twice the time, and more behind a
    /// driver whose last store waits for another core: registers filled from what was just stored in pieces wait for that.
    #[inline(never)]
    fn forward_alone<B, E>(
        &mut self,
        now: &impl Fn() -> Time,
        port: PortIndex,
        burst: &mut B,
        egress: &mut E,
        mut report: PassReport,
    ) -> PassReport
    where
        B: FrameBurst,
        E: Egress<B::Frame>,
    {
        for frame in burst.take(1) {
            let bytes = frame.bytes().len();
            let handled = self.handle(now, port, frame, egress);
            report.punted += handled.punted;
            let counters = self.counters.port(port);
            counters.rx_frames.add(1);
            counters.rx_bytes.add(bytes as u64);
            counters.forwarded.add(handled.forwarded.into());
        }
        report
    }

    /// Counts the frames of each run for its group.
    #[inline(always)]
    fn count_runs(&mut self) {
        // Where frames are as long as each other, as mostly, it takes half the time: there may be a run for each.
        match self.screened.common_end() {
            Some(end) => {
                self.table.count_burst(self.runs.amounts(|from, to| to.wrapping_sub(from) as u32 * end))
            }
            None => self.table.count_burst(self.runs.amounts(|from, to| self.screened.bytes(from, to))),
        }
    }

    /// Sends the frames of a span, which ends before the place `end` of the burst. How many.
    #[inline(always)]
    fn send<B, E>(&self, span: Span, end: usize, burst: &mut B, egress: &mut E) -> u64
    where
        B: FrameBurst,
        E: Egress<B::Frame>,
    {
        let (start, end) = (span.start.min(end), end.min(BURST));
        if span.ports.is_empty() {
            return 0;
        }
        let bytes = self.screened.bytes(start, end);
        egress.replicate(burst.take(end - start), bytes.into(), span.ports);
        (end - start) as u64
    }

    /// Forwards a run of plain data that begins at `start` of the burst, and for which more than the table and the
    /// masks counts. How many frames went anywhere.
    #[cold]
    fn forward_carefully<F, E>(
        &self,
        port: PortIndex,
        frames: impl Iterator<Item = F>,
        start: usize,
        (group, hit): (u32, Hit),
        egress: &mut E,
    ) -> u64
    where
        F: Frame,
        E: Egress<F>,
    {
        let lens = self.screened.ends.0.iter().skip(start).map(|len| *len as usize);
        let forward = |(frame, len)| self.forward_one(port, frame, (group, len), hit.members, egress, |_| ());
        frames.zip(lens).map(forward).map(u64::from).sum()
    }

    /// Handles what is no plain data: data with IP options, IGMP, and everything to be dropped.
    #[cold]
    #[inline(never)]
    fn handle_odd<F, E>(&mut self, now: &impl Fn() -> Time, port: PortIndex, frame: F, egress: &mut E) -> Odd
    where
        F: Frame,
        E: Egress<F>,
    {
        self.handle(now, port, frame, egress)
    }

    /// Handles a frame of any kind.
    #[inline(always)]
    fn handle<F, E>(&mut self, now: &impl Fn() -> Time, port: PortIndex, frame: F, egress: &mut E) -> Odd
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
                odd.forwarded = self.forward_one(port, frame, (group, len), hit.members, egress, |frame| {
                    frame.truncate(len);
                    rewrite(frame, self.router_mac);
                });
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

    /// Forwards one frame of data, of `group` and so many bytes, for which more than the table and the masks counts;
    /// `rewrite` makes it what it is one hop further. Whether it went anywhere.
    #[inline]
    fn forward_one<F, E>(
        &self,
        port: PortIndex,
        mut frame: F,
        (group, len): (u32, usize),
        members: PortSet,
        egress: &mut E,
        rewrite: impl FnOnce(&mut F),
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
        rewrite(&mut frame);
        egress.replicate(core::iter::once(frame), len as u64, ports);
        true
    }

    /// Takes out of `ports` those whose MTU a frame of `len` bytes exceeds; all of them when the group stays on its
    /// link.
    fn narrow(&self, ports: PortSet, group: u32, len: usize) -> PortSet {
        if self.policy.is_local(group) {
            PortSet::EMPTY
        } else if len <= self.smallest_max_frame {
            ports
        } else {
            self.within_mtu(ports, len)
        }
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

/// Makes all plain data of a burst what it is one hop further, whether it will go on or not.
#[inline(always)]
fn rewrite_burst(screened: &Screened, hop_source: [u8; 8], burst: &mut impl FrameBurst) {
    let Screened { plain, padded, ends, hops, .. } = screened;
    burst.write_heads(*plain, hop_source, hops);
    for i in bits(padded & plain) {
        if let Some(frame) = burst.frames_mut().get_mut(i) {
            frame.truncate(ends.0[i] as usize);
        }
    }
}
