//! Tells the plain data of a burst: all its frames at once, a check of one field after the other, without a branch.
//!
//! What it does not let through, [`classify`](crate::classify()) names. `classify` alone says what is right: tests
//! hold the screen to it. Fields are little-endian words here, as they lie in memory: what is compared is turned
//! around once a burst, not what it is compared with in each frame.

use multiversion::multiversion;
use types::{BURST, Checksum, FrameBurst, HEAD_LEN, Heads, Lanes, Varying};

use crate::classify::ETHERNET_LEN;
use crate::ingress::Ingress;
use crate::rewrite::lowered;
use crate::runs::{between, bits};

/// Frames that are looked at in one go: a vector register of AVX2 has eight words.
const STEP: usize = 8;

/// Bursts that are not asked whether their frames are alike, after one whose frames were not.
const UNLIKE: u8 = 16;

/// What is known of a burst's frames after the screen. A lane says something where the frame's bit in `plain` is set.
#[derive(Debug)]
pub(crate) struct Screened {
    /// A bit for each frame that is plain data.
    pub(crate) plain: u32,
    /// A bit for each frame with bytes behind its IP packet.
    pub(crate) padded: u32,
    /// A bit for each frame that is longer than some port sends.
    pub(crate) long: u32,
    /// A bit for each frame that is not of the same group as the frame before, or not plain data unlike that one; the
    /// first has it.
    pub(crate) turns: u32,
    /// Host byte order.
    pub(crate) groups: Lanes,
    /// Bytes to the end of the IP packet.
    pub(crate) ends: Lanes,
    /// Bytes 22 to 25, TTL to checksum, as [`rewrite`](crate::rewrite()) leaves them.
    pub(crate) hops: Lanes,
    /// Whether all frames that are present are as long as the first, and as plain.
    alike: bool,
    /// Bursts to come whose frames are taken to differ, as those of a burst did.
    unlike: u8,
}

impl Screened {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        let lanes = Lanes::ZERO;
        Self {
            plain: 0,
            padded: 0,
            long: 0,
            turns: 0,
            groups: lanes,
            ends: lanes,
            hops: lanes,
            alike: false,
            unlike: 0,
        }
    }

    /// Reads the heads of the first `count` frames of `burst`, of which it has so many, and screens them; those of more than
    /// `longest` bytes are long. Everything known before is forgotten.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        burst: &mut impl FrameBurst,
        heads: &mut Heads,
        count: usize,
        longest: usize,
        ingress: &Ingress,
    ) {
        let (count, longest) = (count.min(BURST), u32::try_from(longest).unwrap_or(u32::MAX));
        let others = if self.are_alike(burst, heads, count, longest) {
            0
        } else {
            burst.read_heads(heads);
            screen(heads, count, longest, self)
        };
        self.finish(heads, others, count, ingress);
    }

    /// What is known of all frames together.
    #[inline(always)]
    fn finish(&mut self, heads: &Heads, others: u32, count: usize, ingress: &Ingress) {
        let present = between(0, count);
        self.plain &= present & !heads.odd;
        self.plain &= !refused(self.plain, others, heads, ingress);
        // What is plain and what is not have nothing in common.
        self.turns = (self.turns | (self.plain ^ self.plain << 1) | 1) & present;
    }

    /// Bytes to the end of the IP packet, where it is the same for all frames that are present.
    #[inline(always)]
    pub(crate) fn common_end(&self) -> Option<u32> {
        self.alike.then_some(self.ends.0[0])
    }

    /// Bytes to the ends of the IP packets of those frames that are from `start` on and before `end`.
    #[inline(always)]
    pub(crate) fn bytes(&self, start: usize, end: usize) -> u32 {
        let end = end.min(BURST);
        let start = start.min(end);
        let frames = end - start;
        match self.common_end() {
            Some(end) => end * frames as u32,
            // Where groups take turns, most runs are of one frame.
            None if frames == 1 => self.ends.0[start],
            None => self.ends.0[start..end].iter().sum(),
        }
    }

    /// Bytes of the first `count` frames as they came: those whose heads these are.
    #[inline(always)]
    pub(crate) fn received(&self, heads: &Heads, count: usize) -> u32 {
        if self.alike { heads.lens.0[0] * count as u32 } else { heads.lens.0[..count].iter().sum() }
    }

    /// Whether [`screen_alike`] knows all that [`screen`] would. It is asked if that was not in vain lately, and for full
    /// registers: what is in the lanes behind the last frame would be compared, too, and a few frames, of IGMP perhaps, say
    /// nothing of bursts of data.
    #[inline(always)]
    fn are_alike(
        &mut self,
        burst: &mut impl FrameBurst,
        heads: &mut Heads,
        count: usize,
        longest: u32,
    ) -> bool {
        self.alike = false;
        if !count.is_multiple_of(STEP) {
            return false;
        }
        if self.unlike == 0 {
            self.alike = burst.read_alike(heads) && screen_alike(heads, count, longest, self);
            if self.alike {
                return true;
            }
            self.unlike = UNLIKE;
        }
        self.unlike -= 1;
        false
    }
}

/// The frames of those in `plain` whose sender may not have its data forwarded. In `others` is a bit for each frame whose
/// sender is not that of the first.
#[inline(always)]
fn refused(plain: u32, others: u32, heads: &Heads, ingress: &Ingress) -> u32 {
    let (mut refused, mut known) = (0, None);
    // Mostly one router sends everything.
    let first = plain & !others;
    if first != 0 {
        let sender = Sender::of(heads, 0);
        known = ingress.may_forward(sender).then_some(sender);
        refused = if known.is_some() { 0 } else { first };
    }
    for i in bits(plain & others) {
        let sender = Sender::of(heads, i);
        if known == Some(sender) {
            continue;
        }
        if ingress.may_forward(sender) {
            known = Some(sender);
        } else {
            refused |= 1 << i;
        }
    }
    refused
}

/// Who sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Host byte order.
    pub(crate) address: u32,
    pub(crate) mac: u64,
}

impl Sender {
    /// Of the frame in lane `i`.
    #[inline(always)]
    fn of(heads: &Heads, i: usize) -> Self {
        let [_, macs, mac_end, _, _, _, middle, addresses] = &heads.words;
        let address = (middle.0[i] >> 16) | (addresses.0[i] << 16);
        let mac =
            u64::from(u16::swap_bytes((macs.0[i] >> 16) as u16)) << 32 | u64::from(mac_end.0[i].swap_bytes());
        Self { address: address.swap_bytes(), mac }
    }
}

/// The group and the length (as in [`Verdict::Data`](crate::Verdict::Data)) of a frame that passes the screen: one
/// that `classify` would find to be data and that has nothing unusual about it. `None` says nothing.
pub fn plain_data(frame: &[u8], checksum: Checksum, ingress: &Ingress) -> Option<(u32, usize)> {
    let (mut heads, mut screened) = (Heads::new(), Screened::new());
    heads.put(0, frame, checksum, false);
    let others = screen(&heads, 1, u32::MAX, &mut screened);
    screened.finish(&heads, others, 1, ingress);
    (screened.plain == 1).then(|| (screened.groups.0[0], screened.ends.0[0] as usize))
}

/// The lanes of the first `count` frames, and their bits, who sent them left aside; returns a bit for each frame whose
/// sender is not that of the first. Lanes and bits behind them say nothing.
#[multiversion(targets("x86_64+avx2"))]
fn screen(heads: &Heads, count: usize, longest: u32, out: &mut Screened) -> u32 {
    let (mut plain, mut sound, mut padded, mut long, mut others) = (0, 0, 0, 0, 0);
    let lanes = count.next_multiple_of(STEP).min(BURST);
    for i in 0..lanes {
        let (judged, bit) = (judge(heads, i), 1 << i);
        plain |= if judged.faults == 0 { bit } else { 0 };
        sound |= if judged.unsound == 0 { bit } else { 0 };
        padded |= if judged.end == heads.lens.0[i] { 0 } else { bit };
        long |= if judged.end > longest { bit } else { 0 };
        others |= if judged.differs == 0 { 0 } else { bit };
        out.groups.0[i] = heads.last.0[i].swap_bytes();
        out.ends.0[i] = judged.end;
        out.hops.0[i] = judged.hops;
    }
    out.plain = plain & (sound | heads.checked);
    (out.padded, out.long, out.turns) = (padded, long, turns(&heads.last, lanes));
    others
}

/// [`screen`] of frames that are alike, where the first is plain, neither padded nor long: then there is little to look at in
/// each. Otherwise false, and nothing is known.
#[multiversion(targets("x86_64+avx2"))]
fn screen_alike(heads: &Heads, count: usize, longest: u32, out: &mut Screened) -> bool {
    let Varying { macs, ids, hops, groups } = &heads.varying;
    let first = judge(heads, 0);
    if first.faults | first.unsound | (first.end ^ heads.lens.0[0]) != 0 || first.end > longest {
        return false;
    }
    // What all checksums have in common.
    let common = header_sum(heads, 0) - varying_sum(ids.0[0], hops.0[0], groups.0[0]);
    let ttl = heads.words[5].0[0] >> 16;
    let (mut any, mut differ) = (0, 0);
    let lanes = count.next_multiple_of(STEP).min(BURST);
    for i in 0..lanes {
        let group = groups.0[i];
        let sum = common + varying_sum(ids.0[i], hops.0[i], group);
        any |= (macs.0[i] ^ mac_end(group)) | unroutable(group) | (folded(sum) ^ 0xffff);
        differ |= group ^ groups.0[0];
        out.groups.0[i] = group.swap_bytes();
        out.ends.0[i] = first.end;
        out.hops.0[i] = lowered(ttl, hops.0[i] >> 16);
    }
    (out.plain, out.padded, out.long) = (u32::MAX, 0, 0);
    out.turns = if differ == 0 { 0 } else { turns(groups, lanes) };
    any == 0
}

/// What in a header's sum may differ between frames that are alike: identification, checksum and group.
#[inline(always)]
fn varying_sum(id: u32, hop: u32, group: u32) -> u32 {
    (id & 0xffff) + (hop >> 16) + (group & 0xffff) + (group >> 16)
}

/// A bit for each frame that is of another group than the frame before.
#[inline(always)]
fn turns(groups: &Lanes, lanes: usize) -> u32 {
    let turn = |i: usize| if groups.0[i] == groups.0[i + 1] { 0 } else { 1 << i };
    (0..lanes).fold(0, |turns, i| turns | turn(i)) << 1
}

/// What a lane says. Faults are numbers, not truths, so that a register holds them of eight frames: 0 is none.
struct Judged {
    /// Anything but the checksum.
    faults: u32,
    /// The checksum.
    unsound: u32,
    /// Another sender than the first lane's.
    differs: u32,
    /// As in [`Screened::ends`].
    end: u32,
    /// As in [`Screened::hops`].
    hops: u32,
}

#[inline(always)]
fn judge(heads: &Heads, i: usize) -> Judged {
    let [w0, w4, w8, w12, w16, w20, w24, w28] = &heads.words;
    let (macs, hops, middle) = (w4.0[i], w20.0[i], w24.0[i]);
    let (group, len) = (heads.last.0[i], heads.lens.0[i]);
    // IPv4, and a header of 20 bytes.
    let unusual = (w12.0[i] & 0x00ff_ffff) ^ 0x0045_0008;
    // Of a frame that is too short to have a header all words are zero, and that is unusual.
    let end = (w16.0[i].swap_bytes() >> 16) + ETHERNET_LEN as u32;
    let missized = fault(end.wrapping_sub(HEAD_LEN as u32) > len.wrapping_sub(HEAD_LEN as u32));
    // TTL of at least 2; no IGMP.
    let stays = fault(hops & 0x00fe_0000 == 0) | fault(hops >> 24 == 2);
    let differs = ((macs ^ w4.0[0]) | (middle ^ w24.0[0])) >> 16
        | (w8.0[i] ^ w8.0[0])
        | ((w28.0[i] ^ w28.0[0]) & 0xffff);
    Judged {
        faults: to_other(w0.0[i], macs, group) | unroutable(group) | unusual | missized | stays,
        unsound: folded(header_sum(heads, i)) ^ 0xffff,
        differs,
        end,
        hops: lowered(hops >> 16, middle & 0xffff),
    }
}

/// Not 0 if the destination MAC is not the group's.
#[inline(always)]
fn to_other(w0: u32, w4: u32, group: u32) -> u32 {
    ((w0 & 0xffff) ^ 0x0001) | ((w0 >> 16 | w4 << 16) ^ mac_end(group))
}

/// A group's MAC from its third byte on. RFC 1112, section 6.4: 01:00:5e and 23 bits of the group.
#[inline(always)]
fn mac_end(group: u32) -> u32 {
    0x5e | (group & 0xffff_7f00)
}

/// Not 0 if data for a destination may not go beyond its link: it is not in 224.0.0.0/4, or in 224.0.0.0/24 (r88).
#[inline(always)]
fn unroutable(group: u32) -> u32 {
    ((group & 0xf0) ^ 0xe0) | fault(group & 0x00ff_ffff == 0xe0)
}

/// The sum of an IPv4 header's 16-bit words: in either byte order, and carries are folded at the end (RFC 1071, section 2).
#[inline(always)]
fn header_sum(heads: &Heads, i: usize) -> u32 {
    let [_, _, _, types, length, hops, middle, addresses] = heads.words.each_ref().map(|word| word.0[i]);
    let low = (types >> 16) + (length & 0xffff) + (hops & 0xffff) + (middle & 0xffff);
    let high = (length >> 16) + (hops >> 16) + (middle >> 16) + (addresses >> 16);
    low + high + (addresses & 0xffff) + (heads.last.0[i] >> 16)
}

/// A sum of less than 2^16 words with its carries added.
#[inline(always)]
fn folded(sum: u32) -> u32 {
    let sum = (sum >> 16) + (sum & 0xffff);
    (sum >> 16) + (sum & 0xffff)
}

/// A truth as a number, 1 or 0.
#[inline(always)]
fn fault(is: bool) -> u32 {
    if is { 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{OwnedBurst, OwnedFrame};
    use crate::tests::bench::ingress;

    /// An Ethernet frame of UDP to 239.2.2.`group`, of so many bytes.
    fn frame(group: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        frame[..14].copy_from_slice(&[1, 0, 0x5e, 2, 2, group, 2, 0, 0, 0, 0, 9, 8, 0]);
        let total = (len - ETHERNET_LEN) as u16;
        frame[14..34]
            .copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 9, 17, 0, 0, 10, 0, 0, 9, 239, 2, 2, group]);
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        let sum: u32 = frame[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        frame[24..26].copy_from_slice(&(!(folded(sum) as u16)).to_be_bytes());
        frame
    }

    #[test]
    fn bursts_of_full_registers_alone_say_whether_frames_are_alike() {
        let (mut heads, mut screened) = (Heads::new(), Screened::new());
        let burst = |count: usize| {
            let len = |i| if i == 9 { 80 } else { 60 };
            OwnedBurst((0..count).map(|i| OwnedFrame(frame(i as u8 % 3, len(i)))).collect())
        };
        for (count, unlike) in [(1, 0), (8, 0), (9, 0), (12, 0), (16, UNLIKE - 1), (17, UNLIKE - 1)] {
            screened.fill(&mut burst(count), &mut heads, count, usize::MAX, &ingress());
            assert_eq!((screened.plain, screened.unlike), (between(0, count), unlike), "{count}");
        }
    }
}
