//! Ports and sets of ports.

use core::fmt;

/// The most ports one Manifold has: one bit each in a [`PortSet`].
pub const MAX_PORTS: usize = 64;

/// A port's place in every table, 0 to 63. Given at configuration; not DPDK's port id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PortIndex(u8);

impl PortIndex {
    /// The index, or `None` at 64 and above.
    #[inline]
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_PORTS { Some(Self(index as u8)) } else { None }
    }

    /// For indexing arrays of [`MAX_PORTS`]; the mask lets the compiler drop the bounds check.
    #[inline]
    pub const fn get(self) -> usize {
        self.0 as usize & (MAX_PORTS - 1)
    }
}

impl fmt::Display for PortIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PortIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}

/// A set of ports, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortSet(u64);

impl PortSet {
    /// No port.
    pub const EMPTY: Self = Self(0);
    /// Every port there can be.
    pub const ALL: Self = Self(u64::MAX);

    /// The set with exactly `port`.
    #[inline]
    pub const fn only(port: PortIndex) -> Self {
        Self(1 << port.get())
    }

    /// From a bitmap, bit i for port i.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bitmap, bit i for port i.
    #[inline]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether no port is in it.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many ports are in it.
    #[inline]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether `port` is in it.
    #[inline]
    pub const fn contains(self, port: PortIndex) -> bool {
        self.0 & (1 << port.get()) != 0
    }

    /// The set with `port` as well.
    #[inline]
    #[must_use]
    pub const fn with(self, port: PortIndex) -> Self {
        Self(self.0 | 1 << port.get())
    }

    /// The set without `port`.
    #[inline]
    #[must_use]
    pub const fn without(self, port: PortIndex) -> Self {
        Self(self.0 & !(1 << port.get()))
    }

    /// Ports in either.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Ports in both.
    #[inline]
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The ports, lowest index first.
    #[inline]
    pub const fn iter(self) -> PortSetIter {
        PortSetIter(self.0)
    }
}

impl IntoIterator for PortSet {
    type Item = PortIndex;
    type IntoIter = PortSetIter;

    #[inline]
    fn into_iter(self) -> PortSetIter {
        self.iter()
    }
}

impl FromIterator<PortIndex> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortIndex>>(ports: I) -> Self {
        ports.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|p| p.get())).finish()
    }
}

/// The ports of a [`PortSet`], lowest index first.
#[derive(Debug, Clone)]
pub struct PortSetIter(u64);

impl Iterator for PortSetIter {
    type Item = PortIndex;

    #[inline]
    fn next(&mut self) -> Option<PortIndex> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros() as u8;
        self.0 &= self.0 - 1;
        Some(PortIndex(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let p = |i| PortIndex::new(i).unwrap();
        let set: PortSet = [p(3), p(63), p(0)].into_iter().collect();
        assert_eq!(set.iter().map(PortIndex::get).collect::<Vec<_>>(), [0, 3, 63]);
        assert_eq!(set.len(), 3);
        assert!(set.without(p(3)).intersection(PortSet::only(p(3))).is_empty());
        assert!(PortIndex::new(64).is_none());
        assert_eq!(PortSet::ALL.iter().count(), MAX_PORTS);
    }
}
