//! Pools of pages: each port on af_xdp has one of its own, of pages in one piece. The driver gives the kernel the whole
//! pool, and reckons where a buffer lies from its number. Other ports' frames are copied into it to be sent, and the
//! kernel copies them again.
//!
//! A pool is its port's until that goes for good, so that it opens again whatever has taken memory meanwhile; and a change
//! makes those that it needs before it closes anything ([`Devices::reserve`]).

use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk::Mempool;
use links::LinkInfo;
use settings::{Device, PortSettings, af_xdp_pool_size, af_xdp_queues};
use types::PAGE_POOL_CACHE;

use crate::drivers::{KernelDriver, choose};
use crate::failure::Failure;
use crate::numa::pool_near;
use crate::ports::Devices;

/// The pools. A handle: clones mean the same ones.
#[derive(Clone, Default)]
pub(crate) struct PagePools(Arc<Mutex<Pools>>);

#[derive(Default)]
struct Pools {
    /// Each with the name of its port.
    of_ports: BTreeMap<String, Mempool>,
    /// Those that no port has any more, and that another port's ring keeps frames of: a NIC frees what it sent when it
    /// sends more. One that is dropped before is never freed.
    leaving: Vec<Mempool>,
}

impl Pools {
    /// A port has this pool no more.
    fn leave(&mut self, pool: Mempool) {
        if !self.of_ports.values().chain(&self.leaving).any(|other| *other == pool) {
            self.leaving.push(pool);
        }
    }

    /// Takes out all that no frame is out of. They are freed where they are dropped, which is behind the lock.
    #[must_use]
    fn back(&mut self) -> Vec<Mempool> {
        self.leaving.extract_if(.., |pool| pool.in_use() == 0).collect()
    }
}

impl PagePools {
    /// A port's pool, where it has one of so many buffers at least. With the distribution's driver no pool serves
    /// twice: it gives back nothing of the first.
    fn of(&self, port: &str, size: u32) -> Option<Mempool> {
        let fits = |pool: &&Mempool| dpdk::AF_XDP_IS_MENDED && pool.size() >= size;
        self.pools().of_ports.get(port).filter(fits).cloned()
    }

    /// The pool of a port that opens from now on.
    pub(crate) fn put(&self, port: &str, pool: Mempool) {
        let mut pools = self.pools();
        if let Some(before) = pools.of_ports.insert(port.to_owned(), pool) {
            pools.leave(before);
        }
    }

    /// Lets go of the pools of all ports but these. Each is freed when all its frames are back: here, or at a later call.
    pub(crate) fn keep_only(&self, keeps: impl Fn(&str) -> bool) {
        let mut pools = self.pools();
        let gone: Vec<_> = pools.of_ports.extract_if(.., |port, _| !keeps(port)).collect();
        gone.into_iter().for_each(|(_, pool)| pools.leave(pool));
        let back = pools.back();
        drop(pools);
        drop(back);
    }

    /// Frees the pools that no port has any more, as far as their frames are back.
    fn free_what_is_back(&self) {
        let back = self.pools().back();
        drop(back);
    }

    /// Buffers there are, and those that are out; also of pools that no port has any more.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let pools = self.pools();
        let sum = |of: fn(&Mempool) -> u32| {
            pools.of_ports.values().chain(&pools.leaving).map(|pool| u64::from(of(pool))).sum()
        };
        (sum(Mempool::size), sum(Mempool::in_use))
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Devices {
    /// The pool that a port will have which is opened soon: the one that it has, else one of `spare`, of ports that go and
    /// are closed before, else a new one. `None` where it needs none of its own, or does without where there is no memory.
    ///
    /// # Errors
    /// There is no memory for it; what would give some.
    pub(crate) fn reserve(
        &self,
        settings: &PortSettings,
        link: Option<&LinkInfo>,
        spare: &mut Vec<String>,
    ) -> Result<Option<Mempool>, Failure> {
        let (queues, does_without) = match (&settings.device, link) {
            (Device::Kernel(_), Some(link)) => {
                let choice = choose(settings, link, self.workers)?;
                match choice.driver {
                    KernelDriver::AfXdp { queues } => (queues, choice.falls_back),
                    KernelDriver::AfPacket => (0, false),
                }
            }
            (Device::Kernel(_) | Device::Pci(_) | Device::Vdev(_), _) => {
                (af_xdp_queues(settings, |_| 0), false)
            }
        };
        if queues == 0 {
            return Ok(None);
        }
        let size = self.page_pool_size(settings, queues);
        let fits = |name: &String| self.pages.of(name, size).is_some();
        let has = self.pages.of(&settings.name, size).or_else(|| {
            let at = spare.iter().position(fits)?;
            self.pages.of(&spare.swap_remove(at), size)
        });
        match has.map_or_else(|| self.make_page_pool(settings, size), Ok) {
            Err(_) if does_without => Ok(None),
            made => made.map(Some),
        }
    }

    /// The pool of a port that starts with so many queues.
    ///
    /// # Errors
    /// As [`Devices::reserve`].
    pub(crate) fn page_pool(&self, settings: &PortSettings, queues: u16) -> Result<Mempool, Failure> {
        let size = self.page_pool_size(settings, queues);
        if let Some(pool) = self.pages.of(&settings.name, size) {
            return Ok(pool);
        }
        let pool = self.make_page_pool(settings, size)?;
        self.pages.put(&settings.name, pool.clone());
        Ok(pool)
    }

    fn page_pool_size(&self, settings: &PortSettings, queues: u16) -> u32 {
        af_xdp_pool_size(settings, queues, self.workers.into(), self.kept)
    }

    fn make_page_pool(&self, settings: &PortSettings, size: u32) -> Result<Mempool, Failure> {
        self.pages.free_what_is_back();
        // A name that no pool has, also not one that is about to go.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("af_xdp_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let make = |node| Mempool::of_pages(&self.eal, &name, size, PAGE_POOL_CACHE, node);
        pool_near(self.pool.node(), make).map_err(|error| {
            let cure = if self.eal.has_hugepages() {
                "reserve more hugepages"
            } else {
                "raise `max-ports` or `memory-mb` in [eal] and restart"
            };
            let what = format!(
                "no memory for the {size} buffers of its own that af_xdp needs: {error}; {cure}, or set \
                 `driver = \"af_packet\"`"
            );
            Failure::of_port(settings, what)
        })
    }
}

#[cfg(test)]
mod tests {
    use dpdk::{Eal, Mbuf};

    use super::*;
    use crate::runtime::tests::alone::{alone, eal};

    const SIZE: u32 = 255;

    fn pool(eal: &Eal) -> Result<Mempool, dpdk::DpdkError> {
        Mempool::new(eal, "pool", SIZE, 0, 2048, None)
    }

    #[test]
    fn a_pool_whose_port_goes_is_freed_once_its_last_frame_is_back() {
        alone("pages::tests::a_pool_whose_port_goes_is_freed_once_its_last_frame_is_back", || {
            let eal = eal(&[]);
            let pages = PagePools::default();
            pages.put("hall-a", pool(&eal).unwrap());
            // As it lies in another port's ring.
            let kept = Mbuf::from_bytes(&pages.pools().of_ports["hall-a"], &[0; 60]).unwrap();
            pages.keep_only(|_| false);
            assert_eq!(pages.usage(), (SIZE.into(), 1), "it is told of");
            assert!(pool(&eal).is_err(), "it is there");
            drop(kept);
            assert_eq!(pages.usage(), (SIZE.into(), 0));
            pages.keep_only(|_| false);
            assert_eq!(pages.usage(), (0, 0));
            // Its name is free, and so is its memory.
            let again = pool(&eal).unwrap();

            // The same where another takes its place.
            pages.put("hall-a", again.clone());
            // Or again itself, which goes on to another port.
            pages.put("hall-a", again.clone());
            pages.put("hall-b", again);
            pages.keep_only(|port| port == "hall-a");
            assert_eq!(pages.usage(), (SIZE.into(), 0), "a pool counts once");
            let kept = Mbuf::from_bytes(&pages.pools().of_ports["hall-a"], &[0; 60]).unwrap();
            pages.put("hall-a", Mempool::new(&eal, "next", SIZE, 0, 2048, None).unwrap());
            pages.free_what_is_back();
            assert_eq!(pages.usage(), (2 * u64::from(SIZE), 1));
            drop(kept);
            pages.free_what_is_back();
            assert_eq!(pages.usage(), (SIZE.into(), 0));
        });
    }
}
