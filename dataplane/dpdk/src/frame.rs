//! Mbufs and bursts as code sees them that knows no DPDK.

use types::{Checksum, Frame, FrameBurst, Heads, Lanes};

use crate::burst::Burst;
use crate::heads;
use crate::mbuf::{IpChecksum, Mbuf};
use crate::raw;

impl Frame for Mbuf {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    #[inline(always)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.data_mut()
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        // A length that does not fit u16 is no cut: no buffer is that long.
        Mbuf::truncate(self, u16::try_from(len).unwrap_or(u16::MAX));
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn write_head(&mut self, source: [u8; 8], hop: u32) {
        if let Some(head) = self.data_mut().first_chunk_mut() {
            heads::write_whole(head, source, hop);
        }
    }

    #[inline(always)]
    fn is_chained(&self) -> bool {
        Mbuf::is_chained(self)
    }

    #[inline(always)]
    fn stripped_tag(&self) -> Option<u16> {
        self.stripped_vlan()
    }

    #[inline(always)]
    fn ip_checksum(&self) -> Checksum {
        match Mbuf::ip_checksum(self) {
            IpChecksum::Good => Checksum::Good,
            IpChecksum::Bad => Checksum::Bad,
            // Not in the data means not filled in: nothing that came over a wire is like that.
            IpChecksum::Unknown | IpChecksum::NotPresent => Checksum::Unknown,
        }
    }
}

impl<const N: usize> FrameBurst for Burst<N> {
    type Frame = Mbuf;

    #[inline(always)]
    fn frames(&self) -> &[Mbuf] {
        self
    }

    #[inline(always)]
    fn frames_mut(&mut self) -> &mut [Mbuf] {
        self
    }

    #[inline(always)]
    fn read_heads(&mut self, heads: &mut Heads) {
        heads::read(self, heads);
    }

    #[inline(always)]
    fn read_alike(&mut self, heads: &mut Heads) -> bool {
        heads::read_alike(self, heads)
    }

    #[inline(always)]
    fn write_heads(&mut self, which: u32, source: [u8; 8], hops: &Lanes) {
        heads::write(self, which, source, hops);
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        raw::prefetch(address);
    }

    #[inline(always)]
    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Mbuf> {
        Burst::take(self, count)
    }
}
