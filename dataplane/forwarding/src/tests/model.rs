//! The forwarder held to `classify`: whatever comes in one burst, each frame fares as if it had come alone.

use proptest::prelude::*;
use types::{Checksum, DropReason, Frame, FrameBurst, PortIndex, PortSet};

use super::bench::*;
use crate::classify::tag_reason;
use crate::punt::data_group;
use crate::{BURST, Ingress, IngressSettings, OwnedFrame, Verdict, classify};

/// Two groups with members, one of them watched; one with members where it comes from; two that share a MAC with the
/// first; one that stays on its link by the settings, one by its number.
const GROUPS: [&str; 7] =
    ["239.2.2.2", "239.3.3.3", "239.4.4.4", "225.2.2.2", "239.130.2.2", "239.255.255.250", "224.0.0.5"];
const SENDERS: [[u8; 4]; 4] = [[10, 0, 0, 9], [10, 0, 0, 10], [10, 0, 0, 77], [192, 0, 2, 7]];
const MTUS: [u16; 4] = [1500, 1500, 100, 80];
/// IGMP at once, and samples at once.
const LIMITS: (usize, usize) = (4, 8);

/// A frame, and what its driver says of it.
#[derive(Debug, Clone)]
struct Received {
    frame: OwnedFrame,
    checksum: Checksum,
    tag: Option<u16>,
    chained: bool,
}

impl Frame for Received {
    fn bytes(&self) -> &[u8] {
        self.frame.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.frame.bytes_mut()
    }

    fn truncate(&mut self, len: usize) {
        self.frame.truncate(len);
    }

    fn is_chained(&self) -> bool {
        self.chained
    }

    fn stripped_tag(&self) -> Option<u16> {
        self.tag
    }

    fn ip_checksum(&self) -> Checksum {
        self.checksum
    }
}

struct ReceivedBurst(Vec<Received>);

impl FrameBurst for ReceivedBurst {
    type Frame = Received;

    fn frames(&self) -> &[Received] {
        &self.0
    }

    fn frames_mut(&mut self) -> &mut [Received] {
        &mut self.0
    }

    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Received> {
        self.0.drain(..count.min(self.0.len()))
    }
}

/// What is unlike plain data in a frame.
#[derive(Debug, Clone)]
enum Oddity {
    Nothing,
    Padded(usize),
    Byte { at: usize, value: u8, mended: bool },
    Cut(usize),
    Tagged(u16),
    Options,
    Protocol(u8),
    Echo,
    Arp,
    Checksum(Checksum),
    Stripped(u16),
    Chained,
}

fn oddity() -> impl Strategy<Value = Oddity> {
    let byte = |(at, value, mended)| Oddity::Byte { at, value, mended };
    prop_oneof![
        12 => Just(Oddity::Nothing),
        3 => (1..30usize).prop_map(Oddity::Padded),
        3 => (0..34usize, any::<u8>(), any::<bool>()).prop_map(byte),
        1 => (22..23usize, 0..4u8, Just(true)).prop_map(byte),
        1 => (0..60usize).prop_map(Oddity::Cut),
        1 => (0..2u16).prop_map(Oddity::Tagged),
        1 => Just(Oddity::Options),
        1 => prop_oneof![Just(1), Just(2), Just(6)].prop_map(Oddity::Protocol),
        1 => Just(Oddity::Echo),
        1 => Just(Oddity::Arp),
        2 => prop_oneof![Just(Checksum::Good), Just(Checksum::Bad)].prop_map(Oddity::Checksum),
        1 => (0..2u16).prop_map(Oddity::Stripped),
        1 => Just(Oddity::Chained),
    ]
}

fn received(to: usize, from: usize, payload: usize, oddity: &Oddity) -> Received {
    let to = group(GROUPS[to]);
    let data =
        |protocol| ip_frame(to.mac(), SENDERS[from], to.addr().octets(), protocol, &vec![0x47; payload]);
    let mut received =
        Received { frame: OwnedFrame(data(17)), checksum: Checksum::Unknown, tag: None, chained: false };
    let f = &mut received.frame.0;
    match *oddity {
        Oddity::Nothing => {}
        Oddity::Padded(by) => f.resize(f.len() + by, 0xee),
        Oddity::Byte { at, value, mended: false } => f[at] = value,
        Oddity::Byte { at, value, mended: true } => {
            f[at] = value;
            // The header that it claims to have may not be there.
            if f.len() >= 14 + usize::from(f[14] & 15) * 4 {
                *f = with_checksum(std::mem::take(f));
            }
        }
        Oddity::Cut(len) => f.truncate(len),
        Oddity::Tagged(tci) => _ = f.splice(12..12, [0x81, 0, 0, tci as u8]),
        Oddity::Options => {
            *f = changed(std::mem::take(f), |f| {
                f[14] = 0x46;
                f[17] += 4;
                f.splice(34..34, [0x94, 4, 0, 0]);
            });
        }
        Oddity::Protocol(protocol) => *f = data(protocol),
        Oddity::Echo => *f = ip_frame(ROUTER, SENDERS[from], ADDRESS.octets(), 1, &[8, 0, 0, 0, 0, 0, 0, 1]),
        Oddity::Arp => {
            f[0..6].fill(0xff);
            f.truncate(12);
            f.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            f.extend([&[0; 16][..], &ADDRESS.octets()].concat());
        }
        Oddity::Checksum(checksum) => received.checksum = checksum,
        Oddity::Stripped(tci) => received.tag = Some(tci),
        Oddity::Chained => received.chained = true,
    }
    received
}

/// Runs of frames alike, as many as a burst holds.
fn burst() -> impl Strategy<Value = Vec<Received>> {
    let of = |few: core::ops::Range<usize>, common| prop_oneof![2 => Just(common), 1 => few];
    let run = (of(0..GROUPS.len(), 0), of(0..SENDERS.len(), 0), 0..120usize, oddity(), 1..6usize);
    proptest::collection::vec(run, 1..16).prop_map(|runs| {
        let frames = runs.into_iter().flat_map(|(to, from, payload, oddity, times)| {
            std::iter::repeat_n(received(to, from, payload, &oddity), times)
        });
        frames.take(BURST).collect()
    })
}

/// What is to become of frames, as the rules say it of one.
struct Expected {
    sent: Vec<(Vec<u8>, PortSet)>,
    samples: Vec<Vec<u8>>,
    punted: Vec<Vec<u8>>,
    igmp: usize,
    forwarded: u64,
    /// By port and reason.
    drops: [[u64; DropReason::COUNT]; 4],
    /// Frames, bytes, and frames refused for their source, by group.
    groups: [[u64; 3]; GROUPS.len()],
}

/// Who gets a group, when nobody always does.
fn members(group: u32) -> PortSet {
    let ports: &[usize] = match GROUPS.iter().position(|text| super::bench::group(text).to_bits() == group) {
        Some(0) => &[1, 2],
        Some(1) => &[1, 3],
        Some(2) => &[0],
        _ => &[],
    };
    ports.iter().copied().map(port).collect()
}

fn one_hop_further(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    frame.truncate(len);
    frame[6..12].copy_from_slice(&ROUTER.octets());
    frame[22] -= 1;
    with_checksum(frame)
}

impl Expected {
    /// Of nothing, after what was counted before.
    fn after(drops: [[u64; DropReason::COUNT]; 4], groups: [[u64; 3]; GROUPS.len()]) -> Self {
        let (sent, samples, punted) = (Vec::new(), Vec::new(), Vec::new());
        Self { sent, samples, punted, igmp: 0, forwarded: 0, drops, groups }
    }

    fn drop(&mut self, at: PortIndex, reason: DropReason) {
        self.drops[at.get()][reason as usize] += 1;
    }

    fn group(&mut self, bits: Option<u32>) -> Option<&mut [u64; 3]> {
        // In the table are those with members.
        let place = GROUPS.iter().take(3).position(|text| Some(group(text).to_bits()) == bits)?;
        Some(&mut self.groups[place])
    }

    fn receive(&mut self, from: PortIndex, always: PortSet, ingress: &Ingress, received: &Received) {
        let bytes = received.bytes();
        if data_group(bytes) == Some(group(GROUPS[1]).to_bits()) && self.samples.len() < LIMITS.1 {
            self.samples.push(bytes.to_vec());
        }
        let verdict = match received.tag {
            _ if received.chained => Verdict::Drop(DropReason::Chained),
            Some(tci) => Verdict::Drop(tag_reason(tci)),
            None => classify(bytes, received.checksum, ingress),
        };
        match verdict {
            Verdict::Data { group, len } => self.replicate(from, always, received, (group, len)),
            Verdict::Igmp if self.igmp == LIMITS.0 => self.drop(from, DropReason::PuntPoliced),
            Verdict::Igmp => {
                self.igmp += 1;
                self.punted.push(bytes.to_vec());
            }
            Verdict::Neighbour => self.punted.push(bytes.to_vec()),
            Verdict::Drop(reason) => {
                if let (DropReason::SourceNotAllowed, Some(counts)) = (reason, self.group(data_group(bytes)))
                {
                    counts[2] += 1;
                }
                self.drop(from, reason);
            }
        }
    }

    fn replicate(&mut self, from: PortIndex, always: PortSet, received: &Received, data: (u32, usize)) {
        let (to, len) = data;
        if let Some(counts) = self.group(Some(to)) {
            counts[0] += 1;
            counts[1] += len as u64;
        }
        let is_local = to == group(GROUPS[5]).to_bits();
        // Port 1 is no source.
        let may_get = |p: &PortIndex| from == port(0) && *p != from && !is_local;
        let wanted: PortSet = members(to).union(always).iter().filter(may_get).collect();
        let (fit, too_long): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|p| len <= 14 + usize::from(MTUS[p.get()]));
        too_long.into_iter().for_each(|p| self.drop(p, DropReason::Mtu));
        if !fit.is_empty() {
            self.forwarded += 1;
            let frame = one_hop_further(received.bytes().to_vec(), len);
            self.sent.push((frame, fit.into_iter().collect()));
        } else if from != port(0) {
            self.drop(from, DropReason::NotASource);
        } else if is_local {
            self.drop(from, DropReason::LocalGroup);
        } else if members(to).is_empty() {
            self.drop(from, DropReason::NoMember);
        } else {
            self.drop(from, DropReason::NoEgress);
        }
    }
}

fn bench(settings: &IngressSettings, always: PortSet) -> Bench {
    let mut b = Bench::with_rings(256);
    for text in GROUPS {
        let group = group(text);
        members(group.to_bits()).iter().for_each(|member| b.table.set(group, member).unwrap());
    }
    b.masks.set_always(port(0), always);
    assert!(b.policy.watch(group(GROUPS[1])));
    for (i, mtu) in MTUS.into_iter().enumerate() {
        b.forwarder.set_ingress(port(i), Ingress::new(settings));
        b.forwarder.set_mtu(port(i), mtu);
    }
    b
}

/// Bursts to ports, one after the other: each frame must fare as it would alone.
fn check(bursts: Vec<(PortIndex, Vec<Received>)>, filtered: bool, always: bool) -> Result<(), TestCaseError> {
    let sources_allowed = if filtered { nets(&["10.0.0.9/32", "10.0.0.64/26"]) } else { Vec::new() };
    let own = vec![SENDERS[2].into()];
    let settings = IngressSettings { own, address: Some(ADDRESS), sources_allowed, ..settings() };
    let always = if always { PortSet::only(port(3)) } else { PortSet::EMPTY };
    let ingress = Ingress::new(&settings);
    let mut b = bench(&settings, always);
    let (mut drops, mut groups) = ([[0; DropReason::COUNT]; 4], [[0; 3]; GROUPS.len()]);
    for (from, frames) in bursts {
        let always = if from == port(0) { always } else { PortSet::EMPTY };
        let mut one = Expected::after(drops, groups);
        frames.iter().for_each(|frame| one.receive(from, always, &ingress, frame));
        let before = b.counters.snapshot(from);
        b.now = b.now + core::time::Duration::from_secs(10);
        let bytes: usize = frames.iter().map(|frame| frame.bytes().len()).sum();
        let count = frames.len() as u64;
        let report = b.pass_burst(from.get(), &mut ReceivedBurst(frames));
        let after = b.counters.snapshot(from);
        prop_assert_eq!(b.sent(), one.sent);
        prop_assert_eq!(report.punted as usize, one.samples.len() + one.punted.len());
        prop_assert_eq!(after.punted - before.punted, one.punted.len() as u64);
        prop_assert_eq!(b.punted(from.get()), [one.samples, one.punted].concat());
        prop_assert_eq!(after.forwarded - before.forwarded, one.forwarded);
        prop_assert_eq!(after.rx_frames - before.rx_frames, count);
        prop_assert_eq!(after.rx_bytes - before.rx_bytes, bytes as u64);
        (drops, groups) = (one.drops, one.groups);
        for (i, drops) in drops.iter().enumerate() {
            let snapshot = b.counters.snapshot(port(i));
            for reason in DropReason::ALL {
                prop_assert_eq!(snapshot.dropped(*reason), drops[*reason as usize], "{:?} on {}", reason, i);
            }
        }
        for (text, expected) in GROUPS.iter().zip(groups).take(3) {
            let c = b.table.counters(group(text));
            prop_assert_eq!([c.frames, c.bytes, c.filtered], expected, "{}", text);
        }
    }
    b.assert_balanced();
    Ok(())
}

proptest! {
    #[test]
    fn a_frame_fares_in_a_burst_as_it_would_alone(
        bursts in proptest::collection::vec((0..5usize, burst()), 1..5),
        filtered in any::<bool>(),
        always in any::<bool>(),
    ) {
        // Mostly the provider's.
        let bursts = bursts.into_iter().map(|(from, burst)| (port(from / 4), burst)).collect();
        check(bursts, filtered, always)?;
    }
}

/// Where all are alike but one, in one bit or in its length.
#[test]
fn a_frame_is_not_taken_for_those_around_it() {
    let mut alike = received(0, 0, 20, &Oddity::Nothing);
    alike.frame.0[6..12].copy_from_slice(&ROUTER.octets());
    // One bit from ours.
    alike.frame.0[9] ^= 1;
    let flips = (0..34).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    let flipped = |(at, bit): (usize, u8), mended| {
        let mut odd = alike.clone();
        let f = &mut odd.frame.0;
        f[at] ^= bit;
        if mended && f.len() >= 14 + usize::from(f[14] & 15) * 4 {
            *f = with_checksum(std::mem::take(f));
        }
        odd
    };
    let flipped = flips.flat_map(|flip| [flipped(flip, false), flipped(flip, true)]);
    let resized = [55, 40, 33].map(|len| {
        let mut odd = alike.clone();
        odd.frame.0.resize(len, 0xee);
        odd
    });
    // Another length as the header has it, another group, another sender.
    let others = [(0, 0, 21), (1, 0, 20), (3, 0, 20), (0, 1, 20), (0, 3, 20)];
    let others = others.map(|(to, from, payload)| {
        let mut odd = received(to, from, payload, &Oddity::Nothing);
        odd.frame.0[6..12].copy_from_slice(&alike.bytes()[6..12]);
        odd
    });
    for odd in flipped.chain(resized).chain(others) {
        for place in [0, 1, 13] {
            let mut burst = vec![alike.clone(); 16];
            burst[place] = odd.clone();
            let checked = check(vec![(port(0), burst)], false, false);
            assert!(checked.is_ok(), "{odd:x?} at {place}: {checked:?}");
        }
    }
}
