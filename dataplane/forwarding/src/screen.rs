//! Tells the plain data of a burst: all its frames at once, a check of one field after the other, without a branch.
//!
//! What it does not let through, [`classify`](crate::classify()) names. `classify` alone says what is right: tests
//! hold the screen to it. Fields are little-endian words here, as they lie in memory: what is compared is turned
//! around once a burst, not what it is compared with in each frame.

use multiversion::multiversion;
use types::{BURST, Checksum, HEAD_LEN, Heads, Lanes};

use crate::classify::{ETHERNET_LEN, is_forwardable};
use crate::ingress::Ingress;
use crate::rewrite::lowered;
use crate::runs::between;

/// Frames that are looked at in one go: a vector register of AVX2 has eight words.
const STEP: usize = 8;

/// What is known of a burst's frames after the screen. A lane says something where the frame's bit in `plain` is set.
#[derive(Debug)]
pub(crate) struct Screened {
    /// A bit for each frame that is plain data, as far as its group and who sent it do not forbid.
    pub(crate) plain: u32,
    /// A bit for each frame with bytes behind its IP packet.
    pub(crate) padded: u32,
    /// A bit for each frame that is longer than some port sends.
    pub(crate) long: u32,
    /// A bit for each frame whose group or sender are not those of the frame before; the first has it.
    pub(crate) turns: u32,
    /// Bytes to the end of the IP packet.
    pub(crate) ends: Lanes,
    /// Bytes 22 to 25, TTL to checksum, as [`rewrite`](crate::rewrite()) leaves them.
    pub(crate) hops: Lanes,
}

impl Screened {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        Self { plain: 0, padded: 0, long: 0, turns: 0, ends: Lanes::ZERO, hops: Lanes::ZERO }
    }

    /// Screens the first `count` frames of `heads`; those of more than `longest` bytes are long. Everything known before
    /// is forgotten.
    #[inline(always)]
    pub(crate) fn fill(&mut self, heads: &Heads, count: usize, longest: usize) {
        let present = between(0, count.min(BURST));
        screen(heads, count.min(BURST), u32::try_from(longest).unwrap_or(u32::MAX), self);
        self.plain &= present & !heads.odd;
        // What is plain and what is not have nothing in common.
        self.turns = (self.turns | (self.plain ^ self.plain << 1) | 1) & present;
    }
}

/// To whom a frame goes, and from whom: what frames in a row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Host byte order.
    pub(crate) group: u32,
    pub(crate) sender: Sender,
}

/// Who sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Host byte order.
    pub(crate) address: u32,
    pub(crate) mac: u64,
}

impl Flow {
    /// Of the frame in lane `i`.
    #[inline(always)]
    pub(crate) fn of(heads: &Heads, i: usize) -> Self {
        let [_, macs, mac_end, _, _, _, middle, addresses] = &heads.words;
        let address = (middle.0[i] >> 16) | (addresses.0[i] << 16);
        let mac =
            u64::from(u16::swap_bytes((macs.0[i] >> 16) as u16)) << 32 | u64::from(mac_end.0[i].swap_bytes());
        let sender = Sender { address: address.swap_bytes(), mac };
        Self { group: heads.last.0[i].swap_bytes(), sender }
    }
}

/// The group and the length (as in [`Verdict::Data`](crate::Verdict::Data)) of a frame that passes the screen: one
/// that `classify` would find to be data and that has nothing unusual about it. `None` says nothing.
pub fn plain_data(frame: &[u8], checksum: Checksum, ingress: &Ingress) -> Option<(u32, usize)> {
    let (mut heads, mut screened) = (Heads::new(), Screened::new());
    heads.put(0, frame, checksum, false);
    screened.fill(&heads, 1, usize::MAX);
    let Flow { group, sender } = Flow::of(&heads, 0);
    let plain = screened.plain == 1 && is_forwardable(group) && ingress.may_forward(sender);
    plain.then(|| (group, screened.ends.0[0] as usize))
}

/// The lanes of the first `count` frames, and their bits. Lanes and bits behind them say nothing.
///
/// Faults are numbers, not truths, so that a register holds them of eight frames: 0 is none. What depends on group and
/// sender alone is for whoever goes through the runs.
#[multiversion(targets("x86_64+avx2"))]
fn screen(heads: &Heads, count: usize, longest: u32, out: &mut Screened) {
    let [w0, w4, w8, w12, w16, w20, w24, w28] = &heads.words;
    let (mut plain, mut padded, mut long, mut turns) = (0, 0, 0, 0);
    let lanes = count.next_multiple_of(STEP).min(BURST);
    for i in 0..lanes {
        let (macs, types) = (w4.0[i], w12.0[i]);
        let (length, hops, middle) = (w16.0[i], w20.0[i], w24.0[i]);
        let (addresses, group, len, bit) = (w28.0[i], heads.last.0[i], heads.lens.0[i], 1 << i);
        // RFC 1112, section 6.4: 01:00:5e and 23 bits of the group.
        let to_other = (w0.0[i] ^ (0x005e_0001 | (group & 0x7f00) << 16)) | ((macs & 0xffff) ^ (group >> 16));
        // IPv4, and a header of 20 bytes.
        let unusual = (types & 0x00ff_ffff) ^ 0x0045_0008;
        let end = ((length & 0xff) << 8 | (length >> 8 & 0xff)) + ETHERNET_LEN as u32;
        let missized = fault(end < HEAD_LEN as u32) | fault(end > len);
        // TTL of at least 2; no IGMP.
        let stays = fault(hops & 0x00fe_0000 == 0) | fault(hops >> 24 == 2);
        // In either byte order, and carries folded at the end (RFC 1071, section 2).
        let low = (types >> 16) + (length & 0xffff) + (hops & 0xffff) + (middle & 0xffff);
        let high = (length >> 16) + (hops >> 16) + (middle >> 16) + (addresses >> 16);
        let sum = low + high + (addresses & 0xffff) + (group >> 16);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let unsound = if heads.checked & bit == 0 { sum ^ 0xffff } else { 0 };
        let faults = to_other | unusual | missized | stays | unsound;
        plain |= if faults == 0 { bit } else { 0 };
        padded |= if end == len { 0 } else { bit };
        long |= if end > longest { bit } else { 0 };
        out.ends.0[i] = end;
        out.hops.0[i] = lowered(hops >> 16, middle & 0xffff);
    }
    // Whether the next frame is of another flow: the MACs, the group, and the source's two halves. A loop of its own, as
    // words that were just stored in eights cannot be loaded one further until they have left the store buffer.
    for i in 0..lanes {
        let next = i + 1;
        let differs = (w4.0[i] ^ w4.0[next])
            | (w8.0[i] ^ w8.0[next])
            | (heads.last.0[i] ^ heads.last.0[next])
            | (w28.0[i] ^ w28.0[next])
            | ((w24.0[i] ^ w24.0[next]) >> 16);
        turns |= if differs == 0 { 0 } else { 1 << i };
    }
    (out.plain, out.padded, out.long, out.turns) = (plain, padded, long, turns << 1);
}

/// A truth as a number, 1 or 0.
#[inline(always)]
fn fault(is: bool) -> u32 {
    if is { 1 } else { 0 }
}
