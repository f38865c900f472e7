//! What each port's frames come from.

use core::sync::atomic::{AtomicU64, Ordering};

use types::{MAX_PORTS, MacAddr, PortIndex, PortSet};

/// What data goes out from, for the workers: the main thread writes it, each run of frames looks at it.
#[derive(Debug)]
pub struct EgressMacs {
    /// Ports with a MAC of their own, one bit each.
    own: AtomicU64,
    /// As numbers, the first byte the highest of six.
    macs: [AtomicU64; MAX_PORTS],
}

impl Default for EgressMacs {
    fn default() -> Self {
        Self::new()
    }
}

impl EgressMacs {
    /// Every port sends from the router's.
    pub const fn new() -> Self {
        Self { own: AtomicU64::new(0), macs: [const { AtomicU64::new(0) }; MAX_PORTS] }
    }

    /// From now on `port` sends from `mac`; from the router's where that is `None`.
    pub fn set(&self, port: PortIndex, mac: Option<MacAddr>) {
        let own = PortSet::from_bits(self.own.load(Ordering::Relaxed));
        let own = if let Some(mac) = mac {
            let [a, b, c, d, e, f] = mac.octets();
            self.macs[port.get()].store(u64::from_be_bytes([0, 0, a, b, c, d, e, f]), Ordering::Relaxed);
            own.with(port)
        } else {
            own.without(port)
        };
        // After the MAC: who sees the bit sees that.
        self.own.store(own.to_bits(), Ordering::Release);
    }

    /// Ports that send from a MAC of their own.
    #[inline(always)]
    pub fn own(&self) -> PortSet {
        PortSet::from_bits(self.own.load(Ordering::Acquire))
    }

    /// The MAC of one of [`own`](Self::own).
    #[inline]
    pub fn mac(&self, port: PortIndex) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = self.macs[port.get()].load(Ordering::Relaxed).to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    #[test]
    fn workers_see_the_mac_of_each_port_that_has_one() {
        let (a, b) = (PortIndex::new(0).unwrap(), PortIndex::new(63).unwrap());
        let macs = EgressMacs::new();
        assert!(macs.own().is_empty());
        macs.set(a, Some(OWN));
        macs.set(b, Some(ROUTER));
        assert_eq!((macs.own(), macs.mac(a), macs.mac(b)), (PortSet::only(a).with(b), OWN, ROUTER));
        macs.set(a, None);
        assert_eq!(macs.own(), PortSet::only(b));
    }
}
