//! Tells the plain data of a burst: all its frames at once, a check of one field after the other, without a branch.
//!
//! What it does not let through, [`classify`](crate::classify()) names. `classify` alone says what is right: tests
//! hold the screen to it. Fields are little-endian words here, as they lie in memory: what is compared is turned
//! around once a burst, not what it is compared with in each frame.

use multiversion::multiversion;
use types::{BURST, Checksum, HEAD_LEN, Heads, Lanes};

use crate::classify::ETHERNET_LEN;
use crate::ingress::Ingress;
use crate::rewrite::lowered;
use crate::runs::{between, bits};

/// Frames that are looked at in one go: a vector register of AVX2 has eight words.
const STEP: usize = 8;

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
}

impl Screened {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        let lanes = Lanes::ZERO;
        Self { plain: 0, padded: 0, long: 0, turns: 0, groups: lanes, ends: lanes, hops: lanes }
    }

    /// Screens the first `count` frames of `heads`; those of more than `longest` bytes are long. Everything known before
    /// is forgotten.
    #[inline(always)]
    pub(crate) fn fill(&mut self, heads: &Heads, count: usize, longest: usize, ingress: &Ingress) {
        let present = between(0, count.min(BURST));
        let others = screen(heads, count.min(BURST), u32::try_from(longest).unwrap_or(u32::MAX), self);
        self.plain &= present & !heads.odd;
        self.plain &= !refused(self.plain, others, heads, ingress);
        // What is plain and what is not have nothing in common.
        self.turns = (self.turns | (self.plain ^ self.plain << 1) | 1) & present;
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
    screened.fill(&heads, 1, usize::MAX, ingress);
    (screened.plain == 1).then(|| (screened.groups.0[0], screened.ends.0[0] as usize))
}

/// The lanes of the first `count` frames, and their bits, who sent them left aside; returns a bit for each frame whose
/// sender is not that of the first. Lanes and bits behind them say nothing.
///
/// Faults are numbers, not truths, so that a register holds them of eight frames: 0 is none.
#[multiversion(targets("x86_64+avx2"))]
fn screen(heads: &Heads, count: usize, longest: u32, out: &mut Screened) -> u32 {
    let [w0, w4, w8, w12, w16, w20, w24, w28] = &heads.words;
    let first = [w4.0[0], w8.0[0], w24.0[0], w28.0[0]];
    let (mut plain, mut sound, mut padded, mut long, mut others) = (0, 0, 0, 0, 0);
    let lanes = count.next_multiple_of(STEP).min(BURST);
    for i in 0..lanes {
        let (macs, types) = (w4.0[i], w12.0[i]);
        let (length, hops, middle) = (w16.0[i], w20.0[i], w24.0[i]);
        let (addresses, group, len, bit) = (w28.0[i], heads.last.0[i], heads.lens.0[i], 1 << i);
        // RFC 1112, section 6.4: 01:00:5e and 23 bits of the group.
        let to_other = (w0.0[i] ^ (0x005e_0001 | (group & 0x7f00) << 16)) | ((macs & 0xffff) ^ (group >> 16));
        // 224.0.0.0/4 without 224.0.0.0/24 (r88).
        let unroutable = ((group & 0xf0) ^ 0xe0) | fault(group & 0x00ff_ffff == 0xe0);
        // IPv4, and a header of 20 bytes.
        let unusual = (types & 0x00ff_ffff) ^ 0x0045_0008;
        // Of a frame that is too short to have a header all words are zero, and that is unusual.
        let end = (length.swap_bytes() >> 16) + ETHERNET_LEN as u32;
        let missized = fault(end.wrapping_sub(HEAD_LEN as u32) > len.wrapping_sub(HEAD_LEN as u32));
        // TTL of at least 2; no IGMP.
        let stays = fault(hops & 0x00fe_0000 == 0) | fault(hops >> 24 == 2);
        // In either byte order, and carries folded at the end (RFC 1071, section 2).
        let low = (types >> 16) + (length & 0xffff) + (hops & 0xffff) + (middle & 0xffff);
        let high = (length >> 16) + (hops >> 16) + (middle >> 16) + (addresses >> 16);
        let sum = low + high + (addresses & 0xffff) + (group >> 16);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let faults = to_other | unroutable | unusual | missized | stays;
        let differs = ((macs ^ first[0]) | (middle ^ first[2])) >> 16
            | (w8.0[i] ^ first[1])
            | ((addresses ^ first[3]) & 0xffff);
        plain |= if faults == 0 { bit } else { 0 };
        sound |= if sum == 0xffff { bit } else { 0 };
        padded |= if end == len { 0 } else { bit };
        long |= if end > longest { bit } else { 0 };
        others |= if differs == 0 { 0 } else { bit };
        out.groups.0[i] = group.swap_bytes();
        out.ends.0[i] = end;
        out.hops.0[i] = lowered(hops >> 16, middle & 0xffff);
    }
    // Whether the next frame is of another group. A loop of its own, as words that were just stored in eights cannot be
    // loaded one further until they have left the store buffer.
    let mut turns = 0;
    for i in 0..lanes {
        turns |= if heads.last.0[i] == heads.last.0[i + 1] { 0 } else { 1 << i };
    }
    out.plain = plain & (sound | heads.checked);
    (out.padded, out.long, out.turns) = (padded, long, turns << 1);
    others
}

/// A truth as a number, 1 or 0.
#[inline(always)]
fn fault(is: bool) -> u32 {
    if is { 1 } else { 0 }
}
