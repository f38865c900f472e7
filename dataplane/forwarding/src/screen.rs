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

/// Frames that are looked at in one go: a vector register of AVX2 has eight words.
const STEP: usize = 8;

/// What is known of a burst's frames after the screen. A lane says something where the frame's bit in `plain` is set.
#[derive(Debug)]
pub(crate) struct Screened {
    /// A bit for each frame that is plain data, as far as its source address does not forbid.
    pub(crate) plain: u32,
    /// A bit for each frame with bytes behind its IP packet.
    pub(crate) padded: u32,
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
        Self { plain: 0, padded: 0, turns: 0, groups, sources, ends, hops }
    }

    /// Screens the first `count` frames of `heads`, which came in by the port of `stations`. Everything known before
    /// is forgotten.
    #[inline]
    pub(crate) fn fill(&mut self, heads: &Heads, count: usize, stations: &Stations) {
        let present = if count < BURST { (1 << count) - 1 } else { u32::MAX };
        (self.plain, self.padded) = (0, 0);
        screen(heads, count.min(BURST), stations, self);
        self.plain &= present & !heads.odd;
        for odd in 0..if heads.odd == 0 { 0 } else { BURST } {
            if heads.odd >> odd & 1 != 0 {
                self.groups.0[odd] = 0;
            }
        }
        self.turns = turns(self) & present;
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
    screened.fill(&heads, 1, &ingress.stations);
    let plain = screened.plain == 1 && !ingress.is_from_us(frame);
    let plain = plain && ingress.may_forward(u32::from_be(screened.sources.0[0]));
    plain.then(|| (u32::from_be(screened.groups.0[0]), screened.ends.0[0] as usize))
}

/// The lanes of the first `count` frames, and the bits of those that are plain, apart from what `heads` has as bits.
#[multiversion(targets("x86_64+avx2"))]
fn screen(heads: &Heads, count: usize, stations: &Stations, out: &mut Screened) {
    let [w0, w4, w8, w12, w16, w20, w24, w28] = &heads.words;
    let (mut plain, mut padded) = (0, 0);
    for step in 0..count.div_ceil(STEP).min(BURST / STEP) {
        for lane in 0..STEP {
            let i = step * STEP + lane;
            let (macs, mac_end, types) = (w4.0[i], w8.0[i], w12.0[i]);
            let (length, hops, middle) = (w16.0[i], w20.0[i], w24.0[i]);
            let (addresses, group, len) = (w28.0[i], heads.last.0[i], heads.lens.0[i]);
            let source = (middle >> 16) | (addresses << 16);
            let station = macs >> 16;
            // RFC 1112, section 6.4: 01:00:5e and 23 bits of the group.
            let to_group =
                (w0.0[i] == (0x005e_0001 | (group & 0x7f00) << 16)) & (macs & 0xffff == group >> 16);
            let from_station = (station & 1 == 0) & ((station | mac_end) != 0);
            let ours = ((station ^ stations.router.0) | (mac_end ^ stations.router.1) == 0)
                | ((station ^ stations.kernel.0) | (mac_end ^ stations.kernel.1) == 0);
            // IPv4, and a header of 20 bytes.
            let usual = types & 0x00ff_ffff == 0x0045_0008;
            let total = (length & 0xff) << 8 | (length >> 8 & 0xff);
            let end = total + ETHERNET_LEN as u32;
            let sized = (end >= HEAD_LEN as u32) & (end <= len);
            // TTL of at least 2; no IGMP.
            let goes_on = (hops & 0x00fe_0000 != 0) & (hops >> 24 != 2);
            // 224.0.0.0/4 without 224.0.0.0/24.
            let multicast = (group & 0xf0 == 0xe0) & (group & 0x00ff_ffff != 0xe0);
            // Not from 0/8, 127/8, 224/3, 169.254/16 (r81, r98; RFC 1122, section 3.2.1.3).
            let first = source & 0xff;
            let unicast = (first != 0) & (first != 127) & (first < 224) & (source & 0xffff != 0xfea9);
            // In either byte order, and carries folded at the end (RFC 1071, section 2).
            let low = (types >> 16) + (length & 0xffff) + (hops & 0xffff) + (middle & 0xffff);
            let high = (length >> 16) + (hops >> 16) + (middle >> 16) + (addresses >> 16);
            let sum = low + high + (addresses & 0xffff) + (group >> 16);
            let sum = (sum >> 16) + (sum & 0xffff);
            let sum = (sum >> 16) + (sum & 0xffff);
            let sound = (sum == 0xffff) | (heads.checked >> i & 1 != 0);
            let ok = to_group & from_station & !ours & usual & sized & goes_on & multicast & unicast & sound;
            plain |= u32::from(ok) << i;
            padded |= u32::from(end != len) << i;
            out.groups.0[i] = if ok { group } else { 0 };
            out.sources.0[i] = source;
            out.ends.0[i] = end;
            out.hops.0[i] = lowered(hops >> 16, middle & 0xffff);
        }
    }
    (out.plain, out.padded) = (plain, padded);
}

/// The bits of frames that are not for the group or from the source of the frame before.
#[multiversion(targets("x86_64+avx2"))]
fn turns(screened: &Screened) -> u32 {
    let (groups, sources) = (&screened.groups.0, &screened.sources.0);
    let mut turns = 1;
    for i in 1..BURST {
        let same = (groups[i] ^ groups[i - 1]) | (sources[i] ^ sources[i - 1]) == 0;
        turns |= u32::from(!same) << i;
    }
    turns
}
