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
use crate::runs::between;

/// Frames that are looked at in one go: a vector register of AVX2 has eight words.
const STEP: usize = 8;

/// What is known of a burst's frames after the screen. A lane says something where the frame's bit in `plain` is set.
#[derive(Debug)]
pub(crate) struct Screened {
    /// A bit for each frame that is plain data, as far as its source address does not forbid.
    pub(crate) plain: u32,
    /// A bit for each frame with bytes behind its IP packet.
    pub(crate) padded: u32,
    /// A bit for each frame that is longer than some port sends.
    pub(crate) long: u32,
    /// A bit for each frame whose group or source are not those of the frame before; the first has it.
    pub(crate) turns: u32,
    /// Destination addresses, in network byte order; 0 where a frame is no plain data.
    pub(crate) groups: Lanes,
    /// Source addresses, in network byte order.
    pub(crate) sources: Lanes,
    /// Bytes to the end of the IP packet.
    pub(crate) ends: Lanes,
    /// Bytes 22 to 25, TTL to checksum, as [`rewrite`](crate::rewrite()) leaves them.
    pub(crate) hops: Lanes,
}

impl Screened {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        let [groups, sources, ends, hops] = [Lanes::ZERO; 4];
        Self { plain: 0, padded: 0, long: 0, turns: 0, groups, sources, ends, hops }
    }

    /// Screens the first `count` frames of `heads`, which came in by the port of `stations`; more bytes than `longest`
    /// are long. Everything known before is forgotten.
    #[inline(always)]
    pub(crate) fn fill(&mut self, heads: &Heads, count: usize, stations: &Stations, longest: usize) {
        let present = between(0, count.min(BURST));
        screen(heads, count.min(BURST), stations, u32::try_from(longest).unwrap_or(u32::MAX), self);
        self.plain &= present & !heads.odd;
        self.turns &= present;
    }
}

/// Whom a port's data may not come from: Manifold and the kernel on the same interface. As words of a frame: bytes 6
/// and 7, bytes 8 to 11.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stations {
    router: (u32, u32),
    kernel: (u32, u32),
}

impl Stations {
    /// From MACs as numbers; no frame comes from one of more than 48 bits.
    pub(crate) fn new(router: u64, kernel: u64) -> Self {
        let words = |mac: u64| {
            let high = u32::from(((mac >> 32) as u16).swap_bytes());
            (if mac >> 48 == 0 { high } else { u32::MAX }, (mac as u32).swap_bytes())
        };
        Self { router: words(router), kernel: words(kernel) }
    }
}

/// The group and the length (as in [`Verdict::Data`](crate::Verdict::Data)) of a frame that passes the screen: one
/// that `classify` would find to be data and that has nothing unusual about it. `None` says nothing.
pub fn plain_data(frame: &[u8], checksum: Checksum, ingress: &Ingress) -> Option<(u32, usize)> {
    let (mut heads, mut screened) = (Heads::new(), Screened::new());
    heads.put(0, frame, checksum, false);
    screened.fill(&heads, 1, &ingress.stations, usize::MAX);
    let plain = screened.plain == 1 && !ingress.is_from_us(frame);
    let plain = plain && ingress.may_forward(u32::from_be(screened.sources.0[0]));
    plain.then(|| (u32::from_be(screened.groups.0[0]), screened.ends.0[0] as usize))
}

/// The lanes of the first `count` frames, and their bits. Lanes and bits behind them say nothing.
///
/// Faults are numbers, not truths, so that a register holds them of eight frames: 0 is none.
#[multiversion(targets("x86_64+avx2"))]
fn screen(heads: &Heads, count: usize, stations: &Stations, longest: u32, out: &mut Screened) {
    let [w0, w4, w8, w12, w16, w20, w24, w28] = &heads.words;
    let (mut plain, mut padded, mut long) = (0, 0, 0);
    for i in 0..count.next_multiple_of(STEP).min(BURST) {
        let (macs, mac_end, types) = (w4.0[i], w8.0[i], w12.0[i]);
        let (length, hops, middle) = (w16.0[i], w20.0[i], w24.0[i]);
        let (addresses, group, len) = (w28.0[i], heads.last.0[i], heads.lens.0[i]);
        let (bit, source, station) = (1 << i, (middle >> 16) | (addresses << 16), macs >> 16);
        // RFC 1112, section 6.4: 01:00:5e and 23 bits of the group.
        let to_other = (w0.0[i] ^ (0x005e_0001 | (group & 0x7f00) << 16)) | ((macs & 0xffff) ^ (group >> 16));
        let from_none = (station & 1) | fault((station | mac_end) == 0);
        let ours = fault((station ^ stations.router.0) | (mac_end ^ stations.router.1) == 0)
            | fault((station ^ stations.kernel.0) | (mac_end ^ stations.kernel.1) == 0);
        // IPv4, and a header of 20 bytes.
        let unusual = (types & 0x00ff_ffff) ^ 0x0045_0008;
        let end = ((length & 0xff) << 8 | (length >> 8 & 0xff)) + ETHERNET_LEN as u32;
        let missized = fault(end < HEAD_LEN as u32) | fault(end > len);
        // TTL of at least 2; no IGMP.
        let stays = fault(hops & 0x00fe_0000 == 0) | fault(hops >> 24 == 2);
        // 224.0.0.0/4 without 224.0.0.0/24.
        let no_group = ((group & 0xf0) ^ 0xe0) | fault(group & 0x00ff_ffff == 0xe0);
        // Not from 0/8, 127/8, 224/3, 169.254/16 (r81, r98; RFC 1122, section 3.2.1.3).
        let first = source & 0xff;
        let no_host = fault(first == 0)
            | fault(first == 127)
            | fault(first & 0xe0 == 0xe0)
            | fault(source & 0xffff == 0xfea9);
        // In either byte order, and carries folded at the end (RFC 1071, section 2).
        let low = (types >> 16) + (length & 0xffff) + (hops & 0xffff) + (middle & 0xffff);
        let high = (length >> 16) + (hops >> 16) + (middle >> 16) + (addresses >> 16);
        let sum = low + high + (addresses & 0xffff) + (group >> 16);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let unsound = if heads.checked & bit == 0 { sum ^ 0xffff } else { 0 };
        let faults = to_other | from_none | ours | unusual | missized | stays | no_group | no_host | unsound;
        let faults = faults | heads.odd & bit;
        plain |= if faults == 0 { bit } else { 0 };
        padded |= if end == len { 0 } else { bit };
        long |= if end > longest { bit } else { 0 };
        out.groups.0[i] = if faults == 0 { group } else { 0 };
        out.sources.0[i] = source;
        out.ends.0[i] = end;
        out.hops.0[i] = lowered(hops >> 16, middle & 0xffff);
    }
    let (groups, sources) = (&out.groups.0, &out.sources.0);
    let mut turns = 1;
    for i in 1..BURST {
        let differs = (groups[i] ^ groups[i - 1]) | (sources[i] ^ sources[i - 1]);
        turns |= if differs == 0 { 0 } else { 1 << i };
    }
    (out.plain, out.padded, out.long, out.turns) = (plain, padded, long, turns);
}

/// A truth as a number, 1 or 0.
#[inline(always)]
fn fault(is: bool) -> u32 {
    if is { 1 } else { 0 }
}
