//! From the members of a group to the ports a frame leaves by.

use core::sync::atomic::{AtomicU64, Ordering};
use types::{MAX_PORTS, PortIndex, PortSet};

/// What the masks of one ingress port are.
#[derive(Debug, Default)]
struct Masks {
    always: AtomicU64,
    forward: AtomicU64,
}

/// Per ingress port, the ports that always get its groups, and the ports that may get them at all.
///
/// Shared in an `Arc`: the control thread sets, workers read without waiting. Every rule that does not
/// depend on the group is a bit here: "not back out of the ingress port", "no carrier", "not querier
/// there", "may not send". To begin with nothing goes anywhere.
///
/// All accesses are relaxed: each mask is complete in itself and publishes nothing else. A frame that
/// comes between two changes may meet one without the other; where that matters, take ports out of
/// `forward` first and put them in last.
#[derive(Debug)]
pub struct PortMasks {
    by_ingress: [Masks; MAX_PORTS],
}

impl PortMasks {
    /// All masks empty.
    pub fn new() -> Self {
        Self { by_ingress: core::array::from_fn(|_| Masks::default()) }
    }

    /// Ports that a frame from `ingress` leaves by: (members or always) and forward.
    #[inline]
    pub fn egress(&self, ingress: PortIndex, members: PortSet) -> PortSet {
        let masks = &self.by_ingress[ingress.get()];
        let always = masks.always.load(Ordering::Relaxed);
        let forward = masks.forward.load(Ordering::Relaxed);
        PortSet::from_bits((members.to_bits() | always) & forward)
    }

    /// Ports that get every group from `ingress`, members or not.
    pub fn always(&self, ingress: PortIndex) -> PortSet {
        PortSet::from_bits(self.by_ingress[ingress.get()].always.load(Ordering::Relaxed))
    }

    /// Ports that may get anything from `ingress`.
    pub fn forward(&self, ingress: PortIndex) -> PortSet {
        PortSet::from_bits(self.by_ingress[ingress.get()].forward.load(Ordering::Relaxed))
    }

    /// Sets the ports that get every group from `ingress`.
    pub fn set_always(&self, ingress: PortIndex, ports: PortSet) {
        self.by_ingress[ingress.get()].always.store(ports.to_bits(), Ordering::Relaxed);
    }

    /// Sets the ports that may get anything from `ingress`.
    pub fn set_forward(&self, ingress: PortIndex, ports: PortSet) {
        self.by_ingress[ingress.get()].forward.store(ports.to_bits(), Ordering::Relaxed);
    }
}

impl Default for PortMasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(index: usize) -> PortIndex {
        PortIndex::new(index).unwrap()
    }

    fn ports<const N: usize>(indices: [usize; N]) -> PortSet {
        indices.into_iter().map(port).collect()
    }

    #[test]
    fn nothing_leaves_until_forward_says_so() {
        let masks = PortMasks::new();
        assert_eq!(masks.egress(port(0), PortSet::ALL), PortSet::EMPTY);
        masks.set_always(port(0), PortSet::ALL);
        assert_eq!(masks.egress(port(0), PortSet::ALL), PortSet::EMPTY);
    }

    #[test]
    fn egress_is_members_or_always_within_forward() {
        let masks = PortMasks::new();
        masks.set_always(port(2), ports([4, 5]));
        masks.set_forward(port(2), ports([0, 1, 4]));
        assert_eq!(masks.egress(port(2), ports([1, 2, 3])), ports([1, 4]));
        assert_eq!(masks.egress(port(2), PortSet::EMPTY), ports([4]));
        assert_eq!(masks.egress(port(1), PortSet::ALL), PortSet::EMPTY, "another ingress port's masks");
        assert_eq!((masks.always(port(2)), masks.forward(port(2))), (ports([4, 5]), ports([0, 1, 4])));
    }

    #[test]
    fn the_last_port_has_masks_too() {
        let masks = PortMasks::new();
        masks.set_forward(port(63), PortSet::ALL.without(port(63)));
        assert_eq!(masks.egress(port(63), PortSet::ALL), PortSet::ALL.without(port(63)));
    }
}
