//! One worker's pass over a received burst.

use std::sync::Arc;

use group_table::{GroupTableReader, Hit, PortMasks};
use types::{DropReason, Frame, FrameBurst, MAX_PORTS, MacAddr, PortIndex, PortSet, Time};

use crate::classify::{ETHERNET_LEN, Verdict, classify, plain_data, tag_reason};
use crate::counters::WorkerCounters;
use crate::frame::Egress;
use crate::ingress::Ingress;
use crate::policer::Policer;
use crate::policy::ForwardingPolicy;
use crate::punt::{PuntPath, data_group};
use crate::rewrite::rewrite;
use crate::ring::FrameSender;

/// The most frames in one burst.
pub const BURST: usize = 32;

/// Where an untagged frame's IPv4 source is.
const SOURCE: usize = ETHERNET_LEN + 12;

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

/// What is known of a burst's frames before any is looked up. Frames in a row of one group are a run.
#[derive(Default)]
struct Sorted {
    /// By run; 0 is what is no plain data.
    groups: [u32; BURST],
    runs: usize,
    /// By frame.
    run_of: [u8; BURST],
    /// By frame, as in [`Verdict::Data`].
    lens: [usize; BURST],
    rx_bytes: u64,
}

impl Sorted {
    /// Looks at each frame. What `is_refused` is no plain data: why it is dropped is found again.
    #[inline(always)]
    fn fill<F: Frame>(&mut self, frames: &[F], ingress: &Ingress, is_refused: impl Fn(&[u8]) -> bool) {
        let (mut runs, mut rx_bytes) = (0, 0);
        for ((frame, run), len) in frames.iter().zip(&mut self.run_of).zip(&mut self.lens) {
            let bytes = frame.bytes();
            rx_bytes += bytes.len() as u64;
            let plain = !frame.is_chained() & frame.stripped_tag().is_none() & !is_refused(bytes);
            let data = plain_data(bytes, frame.ip_checksum(), ingress).filter(|_| plain);
            let (group, ip_end) = data.unwrap_or_default();
            // The first frame begins a run; a remainder by BURST needs no bounds check.
            runs += usize::from(runs == 0 || group != self.groups[(runs - 1) % BURST]);
            self.groups[(runs - 1) % BURST] = group;
            (*run, *len) = ((runs - 1) as u8, ip_end);
        }
        (self.runs, self.rx_bytes) = (runs, rx_bytes);
    }
}

/// Frames in a row that one entry of the table counts.
struct Run {
    slot: u32,
    frames: u64,
    bytes: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self { slot: Hit::NO_SLOT, frames: 0, bytes: 0 }
    }
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
    ports: [Option<Box<ForwarderPort>>; MAX_PORTS],
    /// Longest frame, Ethernet header included, that each port sends.
    max_frame: [usize; MAX_PORTS],
    smallest_max_frame: usize,
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
            ports: [const { None }; MAX_PORTS],
            max_frame: [usize::MAX; MAX_PORTS],
            smallest_max_frame: usize::MAX,
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
        let mut hits = [Hit::MISS; BURST];
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
        let mut sorted = Sorted::default();
        if entry.ingress.filters_sources() {
            sorted.fill(frames, &entry.ingress, |bytes| is_refused(bytes, &entry.ingress));
        } else {
            sorted.fill(frames, &entry.ingress, |_| false);
        }
        let Sorted { groups, runs, run_of, lens, rx_bytes } = &sorted;
        let runs = *runs;
        self.table.lookup_burst(&groups[..runs], &mut hits[..runs]);

        let (always, forward) = (self.masks.always(port), self.masks.forward(port));
        // Where data goes without a member having asked, groups that stay on their link are tested one by
        // one (r69); elsewhere they have no members, and that is test enough.
        let screened = !always.is_empty();
        let mut forwarded = 0;
        let mut run = Run::default();
        for (i, mut frame) in burst.drain().take(BURST).enumerate() {
            let (of, len) = (usize::from(run_of[i]) % BURST, lens[i]);
            let (group, hit) = (groups[of], hits[of]);
            if group == 0 {
                self.table.count(run.slot, run.frames, run.bytes);
                run = Run::default();
                let odd = self.handle_odd(&now, port, frame, egress);
                forwarded += u64::from(odd.forwarded);
                report.punted += odd.punted;
                continue;
            }
            if hit.slot != run.slot {
                self.table.count(run.slot, run.frames, run.bytes);
                run = Run { slot: hit.slot, ..Run::default() };
            }
            run.frames += 1;
            run.bytes += len as u64;
            let mut ports = hit.members.union(always).intersection(forward);
            if len > self.smallest_max_frame || screened {
                ports = self.narrow(ports, group, len, screened);
            }
            if ports.is_empty() {
                self.drop_unwanted(port, group, hit.members);
                continue;
            }
            forwarded += 1;
            if frame.bytes().len() != len {
                frame.truncate(len);
            }
            rewrite(frame.bytes_mut(), self.router_mac);
            egress.replicate(frame, ports);
        }
        self.table.count(run.slot, run.frames, run.bytes);
        let counters = self.counters.port(port);
        counters.rx_frames.add(count as u64);
        counters.rx_bytes.add(*rx_bytes);
        counters.forwarded.add(forwarded);
        report
    }

    /// Handles what is no plain data: data with IP options, IGMP, and everything to be dropped.
    #[cold]
    #[inline(never)]
    fn handle_odd<F, E>(
        &mut self,
        now: &impl Fn() -> Time,
        port: PortIndex,
        mut frame: F,
        egress: &mut E,
    ) -> Odd
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
                let ports = self.narrow(self.masks.egress(port, hit.members), group, len, true);
                if ports.is_empty() {
                    self.drop_unwanted(port, group, hit.members);
                } else {
                    odd.forwarded = true;
                    frame.truncate(len);
                    rewrite(frame.bytes_mut(), self.router_mac);
                    egress.replicate(frame, ports);
                }
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

    /// Takes out of `ports` those whose MTU a frame of `len` bytes exceeds; all of them when `screened` and
    /// the group stays on its link.
    #[cold]
    fn narrow(&self, ports: PortSet, group: u32, len: usize, screened: bool) -> PortSet {
        if screened && self.policy.is_local(group) { PortSet::EMPTY } else { self.within_mtu(ports, len) }
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

    #[cold]
    fn drop_unwanted(&self, port: PortIndex, group: u32, members: PortSet) {
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
        self.counters.port(port).dropped(reason).add(1);
    }
}

/// Whether a frame, if it is data, is from a source that may not send any (r85).
#[inline]
fn is_refused(frame: &[u8], ingress: &Ingress) -> bool {
    let source = frame.get(SOURCE..).and_then(<[u8]>::first_chunk);
    source.is_some_and(|octets| !ingress.allows_source(u32::from_be_bytes(*octets)))
}
